"""The repository as a whole: versions said once, README and cards true, imports quick, nothing of one machine in it."""

import ast
import hashlib
import inspect
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from aigc_course import __version__, receipts
from aigc_course.backstage import cli
from aigc_course.backstage import digest as digests

REPO = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = sorted(path for path in (REPO / "aigc_course").rglob("*.py"))
README = (REPO / "README.md").read_text(encoding="utf-8")
MACHINE = re.compile(r"/(?:home|root|Users)/\w|/wor[k]/\w")
MADE_UP = {"test_notebooks.py", "test_repository.py", "test_runtime.py"}  # these hold such paths as examples


def requirements():
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]]


def pins(file="constraints.txt"):
    lines = (REPO / file).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), f"{file} holds something else than NAME==VERSION"
    names = [canonicalize_name(name) for name, _ in pairs]
    assert len(set(names)) == len(names), f"{file} says something twice"
    return dict(zip(names, (version for _, version in pairs), strict=True))


def tracked():
    """The files that git has, or would take; all files where this is no git checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=REPO, capture_output=True, text=True
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else []
    return [REPO / name for name in names if (REPO / name).is_file()]


# --- versions ------------------------------------------------------------------------------------------------


def test_nothing_is_required_twice_but_where_an_extra_wants_a_newer_one():
    bounds = {}
    for requirement in requirements():
        name, bound = canonicalize_name(requirement.name), Version(next(iter(requirement.specifier)).version)
        assert bound > bounds.setdefault(name, Version("0"))
        bounds[name] = bound


def test_every_requirement_is_an_open_range_with_a_pin_inside():
    pinned = pins()
    for requirement in requirements():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">="}, f"{requirement} is no open range"
        version = pinned.get(canonicalize_name(requirement.name))
        assert version and requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_pins_have_no_local_build():
    assert not [version for version in pins().values() if "+" in version]
    assert not [name for name in pins() if name.startswith(("nvidia-", "triton", "aigc"))]


def test_lowest_pins_are_the_lower_bounds():
    """So a bound that another package's bounds forbid, or that was never released, is not declared."""
    lowest = pins("constraints-lowest.txt")
    bounds = {canonicalize_name(r.name): next(iter(r.specifier)).version for r in requirements()}
    other = {name: (bound, lowest[name]) for name, bound in bounds.items() if Version(bound) != Version(lowest[name])}
    assert not other, f"`make lowest` writes constraints-lowest.txt anew; then write its versions as bounds: {other}"


def test_installed_versions_are_the_pins():
    """Runs where the environment was made with them, as make does; says so where it was not."""
    installed = {canonicalize_name(d.name): d.version.split("+")[0] for d in metadata.distributions() if d.name}
    other = {name: (version, installed[name]) for name, version in pins().items() if name in installed}
    other = {name: pair for name, pair in other.items() if pair[0] != pair[1]}
    if other:
        pytest.skip(f"made without constraints.txt: {other}")
    missing = {canonicalize_name(requirement.name) for requirement in requirements()} - set(installed)
    assert not missing


def test_environment_yml_repeats_nothing():
    environment = yaml.safe_load((REPO / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    *conda, by_pip = environment["dependencies"]
    cpu = "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert by_pip == {"pip": [cpu, "-c constraints.txt", "-e .[lab]"]}
    # pip takes the higher of two versions that the pin allows, and that is the CPU build
    plain, build = Version(pins()["torch"]), Version(pins()["torch"] + "+cpu")
    assert build > plain and SpecifierSet(f"=={plain}").contains(build)
    python = next(entry for entry in conda if entry.startswith("python"))
    assert sorted(conda) == sorted([python, "pip"]), "what the package needs stands in pyproject.toml"
    assert Requirement("python" + PROJECT["requires-python"]).specifier.contains(python.split("=")[1])


def test_versions_of_the_course_agree():
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert set(citation["license"]) == set(PROJECT["license"].split(" AND "))


def test_colab_list_has_what_the_course_needs_but_sacrebleu():
    colab = pins("tests/colab.txt")
    core = [Requirement(line) for line in PROJECT["dependencies"]]
    assert {r.name for r in core if canonicalize_name(r.name) not in colab} == {"sacrebleu"}
    unfit = [str(r) for r in core if r.name in colab and not r.specifier.contains(colab[r.name])]
    assert not unfit, f"Colab's versions do not satisfy {unfit}: the setup cell would change them"


def test_learners_install_no_tools_of_the_tests():
    """A browser driver alone is 165 MB; `make lab`, `make run` and `make doctor` do without."""
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    for target in ("lab", "run", "doctor"):
        assert f"\n{target}: $(VENV)/.lab\n" in makefile
    assert "\n$(VENV)/.lab: pyproject.toml constraints.txt\n" in makefile and "-e '.[lab]'" in makefile
    extras = PROJECT["optional-dependencies"]
    assert {Requirement(line).name for line in extras["dev"]} >= {"playwright", "pytest", "uv"}


def test_workflows_test_what_is_promised():
    files = sorted((REPO / ".github" / "workflows").glob("*.yml"))
    workflows = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in files}
    assert set(workflows) == {"ci", "gpu", "weekly"}
    for workflow in workflows.values():
        assert workflow[True] and workflow["permissions"] == {"contents": "read"}  # YAML reads the key `on` as True
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"] and all("uses" in step or "run" in step for step in job["steps"])
    matrix = workflows["ci"]["jobs"]["tests"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert workflows["ci"]["jobs"]["debian"]["container"] == "debian:12"
    commands = {
        name: " ".join(s.get("run", "") for s in job["steps"]) for name, job in workflows["weekly"]["jobs"].items()
    }
    assert "-c constraints-lowest.txt" in commands["lowest"] and "--upgrade" in commands["newest"]
    assert "make pins" in (REPO / ".ci" / "run").read_text(encoding="utf-8")


# --- imports -------------------------------------------------------------------------------------------------

IMPORT = "import sys, time; t = time.perf_counter(); import {0}; t = time.perf_counter() - t; print(t, *sys.modules)"


def imported(module):
    """Seconds that an import takes in a new process, the best of five, and the modules that it loads."""
    runs = []
    for _ in range(5):
        command = [sys.executable, "-c", IMPORT.format(module)]
        runs.append(subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout.split())
    return min(float(run[0]) for run in runs), set(runs[0][1:])


def test_importing_the_package_is_quick():
    seconds, modules = imported("aigc_course")
    assert seconds < 0.05
    assert not {"torch", "transformers", "numpy"} & modules


@pytest.mark.parametrize("module", ["data", "check", "backstage.cli", "receipts"])
def test_these_do_without_torch(module):
    command = [sys.executable, "-c", f"import sys; import aigc_course.{module}; print(*sys.modules)"]
    loaded = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "matplotlib"} & set(loaded)


# --- the package's text --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name != "exercises"], ids=lambda path: path.stem)
def test_public_functions_are_documented_and_typed(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    problems = [] if ast.get_docstring(tree) else ["the module has no docstring"]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                problems.append(f"{node.name} has no docstring")
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            untyped = [argument.arg for argument in arguments if argument.annotation is None]
            if untyped or node.returns is None:
                problems.append(f"{node.name} lacks type hints: {untyped or 'of what it returns'}")
    assert not problems


def test_the_package_stays_small():
    lines = {path.relative_to(REPO).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    print("\nlines:", lines, "total:", sum(lines.values()))
    assert max(lines.values()) <= 520, "a module is read from top to bottom in a few minutes"


def test_no_path_of_one_machine_in_any_file():
    found = []
    for path in tracked():
        if path.name in MADE_UP or path.suffix in (".safetensors", ".png"):
            continue
        text = path.read_text(encoding="utf-8")
        found += [f"{path.relative_to(REPO)}: {hit[0]}…" for hit in MACHINE.finditer(text)]
    assert not found


def test_only_ci_looks_beside_the_checkout():
    """Documents are for people who have the repository alone."""
    documents = [REPO / name for name in ("README.md", "CONTRIBUTING.md", "data/README.md")]
    assert not [path.name for path in documents if "shared/" in path.read_text(encoding="utf-8")]


def test_line_ends_are_the_same_on_every_system():
    files = [
        ".ci/run",
        "Makefile",
        "README.md",
        "notebooks/03_vae.ipynb",
        "data/poems.json",
        "data/x.png",
        "x.safetensors",
    ]
    command = ["git", "check-attr", "text", "eol", "--", *files]
    shown = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    if shown.returncode:
        pytest.skip("no git checkout")
    values = {}
    for line in shown.stdout.splitlines():
        file, attribute, value = line.rsplit(": ", 2)
        values.setdefault(file, {})[attribute] = value
    for file in files[:4]:
        assert values[file] == {"text": "set" if file.endswith(".ipynb") else "auto", "eol": "lf"}, file
    for file in files[4:]:
        assert values[file]["text"] == "unset", f"{file}: bytes that git must leave alone"


def test_nothing_generated_at_the_top():
    allowed = {
        "README.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "LICENSE-text", "Makefile", "environment.yml",
        "pyproject.toml", "constraints.txt", "constraints-lowest.txt", ".gitignore", ".gitattributes", ".ci", ".github",
        "notebooks", "chapters", "aigc_course", "recipes", "benchmarks", "makers", "data", "tests",
    }  # fmt: skip
    assert {path.relative_to(REPO).parts[0] for path in tracked()} <= allowed


# --- studies -------------------------------------------------------------------------------------------------

STUDIES = sorted((REPO / "chapters").glob("*/study.json"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.parent.name)
def test_a_stored_study_is_of_this_code_and_of_a_chapter(path):
    study = receipts.read(path)
    mend = f"`aigc-course study {path.parent.name.partition('_')[0]} --save` makes it anew"
    assert {"chapter", "device", "torch", "date", "seeds", "minutes", "digest", "data"} <= study.keys(), mend
    assert study["chapter"] == path.parent.name and (REPO / f"notebooks/{study['chapter']}.ipynb").is_file()
    assert not digests.study_stale(path.parent.name), f"code changed after the study: {mend}"
    assert "stand-in" not in study["data"].values() and len(study["seeds"]) >= 1


# --- README, Makefile, cards ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["table", "--check"], ["badges", "--check"]], ids=lambda command: command[0])
def test_what_is_stamped_is_up_to_date(command, capsys):
    assert cli.main(command) == 0, capsys.readouterr().out


def subcommands():
    shown = subprocess.run(
        [sys.executable, "-m", "aigc_course.backstage.cli", "--help"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"(?m)^ {4}(\w+)  ", shown.stdout))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "data/README.md", "Makefile"])
def test_commands_that_are_named_exist(name):
    text = (REPO / name).read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^|[`/ (])aigc-course ([a-z]+)\b", text, re.M)) <= subcommands()
    targets = set(re.findall(r"(?m)^([a-z]+):", (REPO / "Makefile").read_text(encoding="utf-8")))
    named = re.findall(r"`make ([a-z]+)", text) + re.findall(r"(?m)^make ([a-z]+)", text)
    assert set(named) <= targets and {"lab", "test", "run"} <= targets


def test_every_setting_is_in_the_readme():
    known = {name for path in MODULES for name in re.findall(r"\bAIGC_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8"))}
    listed = set(re.findall(r"(?m)^\| `(AIGC_[A-Z_]+)`", README))
    assert listed == known - {"AIGC_RUN_FILE"}, "AIGC_RUN_FILE is between the package and `aigc-course run`"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "data/README.md"])
def test_links_lead_to_files(name):
    file = REPO / name
    for alt, target in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", file.read_text(encoding="utf-8")):
        if not target.startswith(("http", "#")):
            assert (file.parent / target.split("#")[0]).exists(), f"{name}: no {target}"
        assert alt.strip(), f"{name}: {target} has no words"


def test_every_embedded_file_has_a_card_with_its_checksum():
    """The card of data/x.y is data/x.md, that of the files of a folder is the folder's README.md."""
    root = REPO / "data"
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".md" and path.name != "SHA256SUMS"]
    cards = {path: path.with_suffix(".md") if path.parent == root else path.parent / "README.md" for path in files}
    without = set(root.rglob("*.md")) - set(cards.values()) - {root / "README.md"}
    assert not without, f"cards of nothing: {without}"
    index = (root / "README.md").read_text(encoding="utf-8")
    for path, card in cards.items():
        assert card.is_file(), f"{path.name} has no card"
        text = card.read_text(encoding="utf-8")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest in text, f"{card.relative_to(root)} does not hold the SHA-256 of {path.name}, {digest}"
        assert re.search(r"licen[cs]e", text, re.IGNORECASE), f"{card.relative_to(root)} names no licence"
        link = card.relative_to(root).as_posix()
        assert f"({link})" in index, f"data/README.md has no link to {link}"


def test_ci_run_is_bash_and_can_be_run():
    script = REPO / ".ci" / "run"
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    if sys.platform != "win32":
        assert script.stat().st_mode & 0o111
        subprocess.run(["bash", "-n", script], check=True)


def test_code_is_linted_and_formatted():
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=REPO, capture_output=True, text=True
        )
        assert done.returncode == 0, inspect.cleandoc(done.stdout[-3000:])
