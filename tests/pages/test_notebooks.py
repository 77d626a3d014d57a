"""The notebooks as files: anatomy, badges, links, stored outputs. nbval runs their code (`aigc-course test`).

Each rule is a function that yields what is wrong; made-up notebooks show that it finds its fault.
"""

import ast
import builtins
import copy
import json
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from aigc_course import __version__, receipts
from aigc_course.backstage import cli
from aigc_course.backstage import digest as digests
from aigc_course.check import exercises

REPO = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
ADDRESS = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
MACHINE_PATH = re.compile(r"/(?:home|root|tmp|work|Users|mnt|private|var/folders)/\w|\b[A-Z]:\\+Users\b", re.ASCII)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
MAX_LINES = 40


# --- the rules: each takes a notebook as JSON and its name without ending ------------------------------------


def source(cell):
    return "".join(cell["source"])


def code_cells(nb):
    return [cell for cell in nb["cells"] if cell["cell_type"] == "code"]


def prose(nb):
    """The markdown cells, with code blocks, code spans and formulas taken out."""
    for cell in nb["cells"]:
        if cell["cell_type"] == "markdown":
            yield cell["id"], re.sub(r"(?s)```.*?```|\$\$.*?\$\$|`[^`\n]*`", "", source(cell))


def outputs(nb):
    """Every stored output, those inside widgets too, with the id of its cell."""
    for cell in code_cells(nb):
        for output in cell["outputs"]:
            yield cell["id"], output
    widgets = nb["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    for model in widgets.get("state", {}).values():
        for output in model.get("state", {}).get("outputs", ()):
            yield "a widget", output


def text_of(output):
    return json.dumps({key: output.get(key) for key in ("text", "data", "traceback")} if output else "")


def file_format(nb, name):
    if (nb["nbformat"], nb["nbformat_minor"]) < (4, 5):
        yield "the format is older than 4.5, which has no cell ids"
    if nb["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is not called python3"
    ids = [cell.get("id") for cell in nb["cells"]]
    if len(set(ids)) < len(ids) or None in ids:
        yield "a cell has no id of its own"
    if not re.fullmatch(r"\d\d[a-z]?_[a-z0-9_]+", name):
        yield f"{name} is no name like 03_vae"
    for cell in nb["cells"]:
        if not source(cell).strip():
            yield f"{cell['id']} is empty"
        if cell.get("attachments"):
            yield f"{cell['id']} has an embedded attachment"


def anatomy(nb, name):
    ids = [cell["id"] for cell in nb["cells"]]
    kinds = {cell["id"]: cell["cell_type"] for cell in nb["cells"]}
    if ids[0] != "title" or kinds["title"] != "markdown":
        yield "the first cell is not the markdown cell `title`"
    if [cell["id"] for cell in code_cells(nb)][:2] != ["setup", "settings"]:
        yield "the first two code cells are not `setup` and `settings`"
    if ids[-1] != "summary" or kinds["summary"] != "markdown":
        yield "the last cell is not the markdown cell `summary`"
    if kinds.get("claims") != "code":
        yield "there is no code cell `claims`"
    elif f'run.claims("{name}")' not in source(nb["cells"][ids.index("claims")]):
        yield "the cell `claims` claims nothing"
    if not nb["metadata"].get("aigc", {}).get("summary"):
        yield "metadata aigc.summary, what the chapter teaches, is missing; the README's table shows it"
    headings = [line for _, text in prose(nb) for line in text.splitlines() if re.match(r"#\s", line)]
    if len(headings) != 1:
        yield f"there are {len(headings)} first-level headings, not one"


def exercise_cells(nb, name):
    """Task, stub and check of each exercise follow each other; the hint is what check.hint gives."""
    chapter, ids = name.split("_")[0], [cell["id"] for cell in nb["cells"]]
    numbers = [re.fullmatch(rf"exercise-{chapter}-(\d+)", name) for name in ids]
    numbers = [int(found[1]) for found in numbers if found]
    due = 1 if chapter == "00" else 3
    if numbers != list(range(1, len(numbers) + 1)) or not due <= len(numbers) <= 5:
        yield f"exercises {numbers} are not 1 to {due}, up to 5"
    for number in numbers:
        place = ids.index(f"exercise-{chapter}-{number}")
        task, stub, check = [nb["cells"][i] for i in (max(place - 1, 0), place, min(place + 1, len(ids) - 1))]
        dotted = f"{chapter}.{number}"
        if task["id"] != f"task-{chapter}-{number}" or check["id"] != f"check-{chapter}-{number}":
            yield f"{dotted}: the stub is not between task-{chapter}-{number} and check-{chapter}-{number}"
            continue
        if task["cell_type"] != "markdown":
            yield f"{dotted}: the task is not markdown"
        if "exercise" not in stub["metadata"].get("tags", ()) or stub["metadata"].get("exercise") != dotted:
            yield f"{dotted}: the stub lacks the tag `exercise` or the metadata exercise: {dotted}"
        if "check" not in check["metadata"].get("tags", ()) or f'check("{dotted}",' not in source(check):
            yield f'{dotted}: the check cell lacks the tag `check` or the call check("{dotted}", …)'
        if "claims" in ids and ids.index("claims") > place:
            yield f"{dotted}: it comes before the claims"


def badges(nb, name):
    title, owner_repo = source(nb["cells"][0]), ADDRESS.removeprefix("https://github.com/")
    for target in (
        f"https://colab.research.google.com/github/{owner_repo}/blob/main/notebooks/{name}.ipynb",
        f"https://mybinder.org/v2/gh/{owner_repo}/main?labpath=notebooks/{name}.ipynb",
    ):
        if f"]({target})" not in title:
            yield f"no badge leads to {target} (aigc-course badges)"
    for cell in code_cells(nb)[:1]:
        if f'"git+{ADDRESS}@v{__version__}"' not in source(cell):
            yield f"the setup cell does not install {ADDRESS} at v{__version__} (aigc-course badges)"


def code(nb, name):
    for cell in code_cells(nb):
        text = source(cell)
        if text.count("\n") >= MAX_LINES:
            yield f"{cell['id']} has {text.count(chr(10)) + 1} lines, more than {MAX_LINES}"
        skip = re.search(r"NBVAL_SKIP(.*)", text)
        tagged = "nbval-skip" in cell["metadata"].get("tags", ())
        if (skip or tagged) and len(re.findall(r"\w+", skip[1] if skip else "")) < 3:
            yield f"{cell['id']} is skipped by nbval without a reason on the line of NBVAL_SKIP"
        try:
            ast.parse(text)
        except SyntaxError as error:
            yield f"{cell['id']} is not plain Python: {error.msg}"
        if re.search(r"\bAIGC_(PROFILE|STRICT|RUN_FILE)\b", text):
            yield f"{cell['id']} reads a setting that only the package reads"


def app(nb, name):
    """The cells with the tag `app`, which `aigc-course app` runs alone, are code and need none of the others."""
    tagged = [cell for cell in nb["cells"] if "app" in cell["metadata"].get("tags", ())]
    for cell in tagged:
        if cell["cell_type"] != "code" or {"exercise", "check"} & set(cell["metadata"]["tags"]):
            yield f"{cell['id']} has the tag `app`, and is not for an app"
    used, made = set(), {*dir(builtins), "display", "get_ipython"}
    with suppress(SyntaxError):  # which another rule finds
        for node in ast.walk(ast.parse("\n".join(source(cell) for cell in tagged if cell["cell_type"] == "code"))):
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
            elif isinstance(node, ast.alias):
                made.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.arg | ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
                made.add(node.arg if isinstance(node, ast.arg) else node.name)
    for word in sorted(used - made):
        yield f"the app uses {word}, which no cell with the tag `app` makes"


def no_machine_paths(nb, name):
    for cell in nb["cells"]:
        if found := MACHINE_PATH.search(source(cell)):
            yield f"{cell['id']} holds the path {found[0]}…"
    for where, output in outputs(nb):
        if found := MACHINE_PATH.search(text_of({key: output.get(key) for key in ("text", "data")})):
            yield f"the output of {where} holds the path {found[0]}…"


def stored_outputs(nb, name):
    """A clean run from top to bottom; each picture has words; small."""
    counts = [cell["execution_count"] for cell in code_cells(nb)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"the cells were not run in order from the top: {counts}"
    if nb["metadata"].get("aigc", {}).get("profile") not in ("lesson", "full"):
        yield "the outputs are not from a lesson or full run (aigc-course run --save)"
    for where, output in outputs(nb):
        data, text = output.get("data", {}), "".join(output.get("text", ""))
        if output["output_type"] == "error":
            yield f"{where} stores an error: {output['ename']}"
        elif output["output_type"] == "execute_result":
            yield f"{where} shows what its last line returns; a table, a figure or a control shows itself (_ = …)"
        elif output.get("name") == "stderr":
            yield f"{where} stores what went to stderr: {text[:80]!r}"
        elif found := re.search(r"\b\w*Warning: .*", text + "".join(data.get("text/plain", ""))):
            yield f"{where} stores a warning: {found[0][:80]}"
        for image in re.findall(r"<img\b[^>]*>", "".join(data.get("text/html", ""))):
            if not re.search(r'\balt="[^"]+"', image):
                yield f"a picture of {where} has no alternative text (plot.show(fig, alt=…))"
        if any(kind.startswith("image/") for kind in data):
            alt = [meta.get("alt", "") for meta in output["metadata"].values() if isinstance(meta, dict)]
            if not any(alt) or not "".join(data.get("text/plain", "")).strip():
                yield f"a picture of {where} has no alternative text (plot.show(fig, alt=…))"
    size = len(json.dumps(nb))
    if size > 3_000_000:
        yield f"the file has {size / 1e6:.1f} MB; 3 is enough for small pictures"


def links(nb, name):
    headings = {
        re.sub(r"\s+", "-", re.sub(r"[*_`$]", "", line.lstrip("#").strip()))
        for _, text in prose(nb)
        for line in text.splitlines()
        if re.match(r"#{1,6}\s", line)
    } | {anchor for _, text in prose(nb) for anchor in re.findall(r'<a (?:id|name)="([^"]+)"', text)}
    for where, text in prose(nb):
        for image, label, target in LINK.findall(text):
            if image and not label.strip():
                yield f"{where}: the picture {target} has no alternative text"
            if target.startswith("#"):
                if target[1:] not in headings:
                    yield f"{where}: no heading {target}"
            elif not re.match(r"https?://|mailto:", target):
                file = REPO / "notebooks" / target.split("#")[0]
                if not file.resolve().is_relative_to(REPO) or not file.exists():
                    yield f"{where}: no file {target}"
        for found in re.findall(r"<img (?![^>]*\balt=\"[^\"]+\")[^>]*>", text):
            yield f"{where}: no alternative text: {found}"


RULES = [file_format, anatomy, exercise_cells, badges, code, app, no_machine_paths, stored_outputs, links]


# --- applied to the notebooks --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_notebook(path, rule):
    problems = list(rule(receipts.read(path), path.stem))
    assert not problems, f"{path.name}:\n" + "\n".join(problems)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_those_of_this_code(path):
    made = receipts.read(path)["metadata"].get("aigc", {}).get("digest")
    assert made == digests.digest(path), f"code changed after its outputs were made: aigc-course run {path.stem} --save"


def test_the_first_notebook_is_there():
    assert [path.name for path in NOTEBOOKS][:1] == ["00_start_here.ipynb"]


def test_notebooks_are_numbered_apart():
    numbers = [path.name.split("_")[0] for path in NOTEBOOKS]
    assert len(set(numbers)) == len(numbers)


def test_notebooks_folder_holds_notebooks_only():
    others = {path.name for path in (REPO / "notebooks").iterdir()} - {path.name for path in NOTEBOOKS}
    assert others <= {".ipynb_checkpoints"}, f"nothing else belongs in notebooks/: {others}"


def test_every_exercise_of_a_notebook_has_a_check_and_the_other_way_round():
    asked = {
        cell["metadata"]["exercise"] for path in NOTEBOOKS for cell in code_cells(receipts.read(path)) if "exercise" in
        cell["metadata"]
    }  # fmt: skip
    chapters = {path.name.split("_")[0] for path in NOTEBOOKS}
    assert asked == {number for number in exercises() if number.split(".")[0] in chapters}
    assert {number.split(".")[0] for number in exercises()} <= chapters, "exercises of a chapter that does not exist"


def test_nbval_runs_exactly_the_notebooks_of_the_folder(monkeypatch):
    """What `aigc-course test` executes, asked of pytest itself: every code cell of every notebook, none besides."""
    commands = []
    monkeypatch.setattr(cli.subprocess, "call", lambda command, **_: commands.append(command) or 0)
    cli.main(["test", "--collect-only", "-q", "-p", "no:xdist"])
    command = [sys.executable, *commands[0][1:]]
    for option in ("-n", "--dist"):  # they belong to xdist, which lists nothing
        place = command.index(option)
        del command[place : place + 2]
    assert "notebooks" in command and "--nbval-lax" in command
    command.remove("tests")
    listed = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=280)
    found = re.findall(r"notebooks/([\w.-]+\.ipynb)::Cell (\d+)", listed.stdout)
    expected = {(path.name, str(i)) for path in NOTEBOOKS for i in range(len(code_cells(receipts.read(path))))}
    assert set(found) == expected, listed.stdout + listed.stderr


# --- the rules find what they are for ------------------------------------------------------------------------


def _cell(kind, id, text, **metadata):
    cell = {"cell_type": kind, "id": id, "metadata": metadata, "source": text}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


@pytest.fixture
def good():
    name, path = "99_made_up", "notebooks/99_made_up.ipynb"
    owner_repo = ADDRESS.removeprefix("https://github.com/")
    cells = [
        _cell("markdown", "title", f"# Made up\n\n[![Colab](https://x/c.svg)](https://colab.research.google.com/github/"
              f"{owner_repo}/blob/main/{path}) [![Binder](https://x/b.svg)](https://mybinder.org/v2/gh/{owner_repo}/"
              f"main?labpath={path})\n\nSee [the end](#The-end)."),
        _cell("code", "setup", f'course = "git+{ADDRESS}@v{__version__}"'),
        _cell("code", "settings", "n_steps = 10"),
        _cell("code", "claims", 'run.claims("99_made_up")'),
    ]  # fmt: skip
    for n in range(1, 6):
        cells += [
            _cell("markdown", f"task-99-{n}", "Do it."),
            _cell("code", f"exercise-99-{n}", "answer = None", tags=["exercise"], exercise=f"99.{n}"),
            _cell("code", f"check-99-{n}", f'check("99.{n}", answer)', tags=["check"]),
        ]
    cells.append(_cell("markdown", "summary", "## The end\n\nNext: [nothing](../README.md)."))
    nb = {"nbformat": 4, "nbformat_minor": 5, "cells": cells}
    nb["metadata"] = {"kernelspec": {"name": "python3"}, "aigc": {"summary": "nothing", "profile": "lesson"}}
    for count, cell in enumerate(code_cells(nb), start=1):
        cell["execution_count"] = count
    picture = {"output_type": "display_data", "data": {"image/png": "iVBOR", "text/plain": "a line"}}
    cells[2]["outputs"] = [picture | {"metadata": {"image/png": {"alt": "a line"}}}]
    return name, nb


def test_a_good_notebook_has_no_problems(good):
    name, nb = good
    assert [problem for rule in RULES for problem in rule(nb, name)] == []


def test_a_page_of_which_the_number_has_a_letter_has_no_problems(good):
    text = json.dumps(good[1]).replace("99_made_up", "99b_made_up").replace("-99-", "-99b-").replace("99.", "99b.")
    assert [problem for rule in RULES for problem in rule(json.loads(text), "99b_made_up")] == []


def _set(place, key, value):
    def spoil(nb):
        nb["cells"][place][key] = value

    return spoil


def _output(**output):
    def spoil(nb):
        nb["cells"][3]["outputs"].append({"output_type": "stream", "name": "stdout", "text": ""} | output)

    return spoil


def _widget_picture(nb):
    picture = {"output_type": "display_data", "data": {"image/png": "iVBOR", "text/plain": ""}, "metadata": {}}
    state = {"m": {"state": {"outputs": [picture]}}}
    nb["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": state}}


BROKEN = {
    "older than 4.5": lambda nb: nb.update(nbformat_minor=4),
    "not called python3": lambda nb: nb["metadata"]["kernelspec"].update(name="aigc"),
    "no id of its own": lambda nb: nb["cells"].append(copy.deepcopy(nb["cells"][-1])),
    "is empty": _set(2, "source", " \n"),
    "embedded attachment": _set(0, "attachments", {"a.png": {}}),
    "`title`": lambda nb: nb["cells"].insert(0, _cell("markdown", "before", "Hello")),
    "`setup` and `settings`": lambda nb: nb["cells"].insert(1, _cell("code", "before", "1")),
    "`summary`": lambda nb: nb["cells"].append(_cell("markdown", "more", "More")),
    "no code cell `claims`": lambda nb: nb["cells"].pop(3),
    "claims nothing": _set(3, "source", "print('good')"),
    "aigc.summary": lambda nb: nb["metadata"]["aigc"].pop("summary"),
    "2 first-level headings": _set(-1, "source", "# The end"),
    "exercises [1, 2] are not 1 to 3": lambda nb: nb["cells"].__delitem__(slice(-10, -1)),
    "exercises [2, 3, 4, 5] are not 1 to 3": lambda nb: nb["cells"].__delitem__(slice(4, 7)),
    "99.1: the stub is not between": lambda nb: nb["cells"].insert(5, _cell("code", "between", "1")),
    "99.1: the task is not markdown": _set(4, "cell_type", "raw"),
    "99.1: the stub lacks": _set(5, "metadata", {"tags": ["exercise"]}),
    "99.1: the check cell lacks": _set(6, "source", 'check("99.2", answer)'),
    "before the claims": lambda nb: nb["cells"].insert(-1, nb["cells"].pop(3)),
    "no badge leads to https://colab": lambda nb: nb["cells"][0].update(
        source=nb["cells"][0]["source"].replace("google.com/github/", "google.com/github/x")
    ),
    "does not install": _set(1, "source", f'course = "git+{ADDRESS}@v0.0.0"'),
    f"more than {MAX_LINES}": _set(2, "source", "a = 1\n" * MAX_LINES + "b = 1"),
    "without a reason": _set(2, "source", "# NBVAL_SKIP\na = 1"),
    "settings is skipped": _set(2, "metadata", {"tags": ["nbval-skip"]}),
    "not plain Python": _set(2, "source", "!ls"),
    "reads a setting": _set(2, "source", 'os.environ["AIGC_PROFILE"]'),
    "title has the tag `app`": _set(0, "metadata", {"tags": ["app"]}),
    "exercise-99-1 has the tag `app`": _set(5, "metadata", {"tags": ["exercise", "app"], "exercise": "99.1"}),
    "the app uses run": _set(3, "metadata", {"tags": ["app"]}),
    "settings holds the path": _set(2, "source", 'path = "/home/someone/data"'),
    "title holds the path": _set(0, "source", "# Look in C:\\Users\\someone"),
    "claims holds the path": _output(text="saved in " + "/".join(("", "tmp", "x"))),
    "not run in order": _set(2, "execution_count", 7),
    "not from a lesson": lambda nb: nb["metadata"]["aigc"].update(profile="smoke"),
    "shows what its last line returns": _output(output_type="execute_result", data={}, metadata={}, execution_count=4),
    "stores an error": _output(output_type="error", ename="ValueError", evalue="", traceback=[]),
    "stores what went to stderr": _output(name="stderr", text="hm"),
    "stores a warning": _output(text="/usr/lib/x.py:3: UserWarning: careful"),
    "picture of claims": _output(output_type="display_data", data={"image/png": "", "text/plain": "Fig"}, metadata={}),
    "picture of a widget": _widget_picture,
    "picture of claims has no": _output(
        output_type="display_data", data={"text/html": '<img alt="" src="data:">', "text/plain": "Fig"}, metadata={}
    ),
    "MB": _output(text="x" * 3_000_000),
    "no heading #The-beginning": _set(-1, "source", "## The end\n[up](#The-beginning)"),
    "no heading #The-end": _set(-1, "source", "## The End"),
    "no file 98_missing.ipynb": _set(-1, "source", "## The end\n[next](98_missing.ipynb)"),
    "no file ../../etc": _set(-1, "source", "## The end\n[next](../../etc)"),
    "the picture x.png has no": _set(-1, "source", "## The end\n![](https://a/x.png)".replace("https://a/", "")),
    "no alternative text: <img": _set(-1, "source", '## The end\n<img src="https://a/x.png">'),
}  # fmt: skip


@pytest.mark.parametrize("expected", BROKEN)
def test_a_fault_is_found(good, expected):
    name, nb = good
    BROKEN[expected](nb)
    problems = [problem for rule in RULES for problem in rule(nb, name)]
    assert any(expected in problem for problem in problems), problems


def test_a_reason_for_skipping_is_enough(good):
    name, nb = good
    nb["cells"][2]["source"] = "# NBVAL_SKIP: asks the learner to type\na = input()"
    assert not list(code(nb, name))


# --- claims --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_claims_are_of_recorded_figures_and_those_of_the_receipts(path):
    """A bound that is moved after the run no longer agrees with the receipt that the run wrote."""
    room = REPO / "chapters" / path.stem
    entries = tomllib.loads((room / "claims.toml").read_text(encoding="utf-8"))["claim"]
    for entry in entries:
        assert entry.keys() <= {"figure", "text", "lesson", "full", "standin", "optional"}
        assert {"lesson", "full"} & entry.keys() and len(entry["text"]) > 10
    for receipt in map(receipts.read, sorted(room.glob("receipt.*.json"))):
        made = [(claim["figure"], claim["text"], claim["bound"]) for claim in receipt["claims"]]
        assert made == [(entry["figure"], entry["text"], entry.get(receipt["profile"])) for entry in entries]
        assert all(entry["figure"] in run["figures"] for entry in entries for run in receipt["runs"])
