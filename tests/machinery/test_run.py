"""`aigc-course run`, on a small repository of its own in a temporary folder."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty

import nbformat
import psutil
import pytest
from bs4 import BeautifulSoup
from small_course import RECORD, chapter, kernels, notebook, stored

from aigc_course import receipts
from aigc_course.backstage import cli, pages, report, runner, store
from aigc_course.backstage import digest as digests
from aigc_course.plumbing import machine, settings

REPO = Path(cli.__file__).parents[2]
PICTURE = (  # enough for a report; IPython 7's Image knows no alt
    "display({'image/png': 'iVBORw0KGgo=', 'text/plain': 'a dot'}, raw=True, metadata={'image/png': {'alt': 'a dot'}})"
)


def test_two_chapters_two_seeds_and_what_is_left_behind(repo, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    first = chapter(repo, "00_first", setup=RECORD, picture="from IPython.display import display\n" + PICTURE)
    chapter(repo, "01_second", setup=RECORD)
    assert cli.main(["badges"]) == 0
    before = first.read_bytes()
    assert cli.main(["run", "--seeds", "0", "1", "--profile", "lesson"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"00_first +0\.\d \(.*\) +0\.50 +1 of 1\n    loss 90\.5 \(90–91\)", shown), shown
    assert "01_second" in shown and not kernels()
    receipt = receipts.read(repo / "build/00_first/receipt.lesson-cpu.json")
    assert [run["seed"] for run in receipt["runs"]] == [0, 1]
    assert receipt["claims"] == [{"text": "a low loss", "figure": "loss", "bound": "<= 91", "value": 91.0, "met": True}]
    assert receipt["digest"] == digests.digest(first)
    assert receipt["runs"][0]["minutes"] < 1  # the whole chapter's, not what the notebook says
    copies = sorted(path.name for path in (repo / "build").rglob("*.ipynb"))
    assert copies == ["00_first.ipynb", "00_first.seed1.ipynb", "01_second.ipynb", "01_second.seed1.ipynb"]
    page = next((repo / "build").glob("report-*.html")).read_text(encoding="utf-8")
    assert "00_first" in page and "01_second" in page and "data:image/png;base64," in page and "a low loss" in page
    loaded = set(re.findall(r'(?:src|href)="(https?://[^"]*)"', page))
    assert not {address for address in loaded if "mathjax" not in address.lower()}, loaded
    assert 'alt="a dot"' in page and "No description" not in page
    assert first.read_bytes() == before and not stored(repo)  # only --save touches the repository


def test_a_failing_cell_is_shown_and_the_next_chapter_still_runs(repo, capsys):
    chapter(repo, "00_broken", setup=RECORD, divide="denominator = 0\n\n1 / denominator", after="print('not reached')")
    chapter(repo, "01_fine", setup=RECORD.replace("<= 91", "<= 99"))
    assert cli.main(["run"]) == 1
    shown = capsys.readouterr().out
    assert '00_broken failed in cell "divide" (cell 3 of 4, under "00_broken")' in shown
    assert "    | denominator = 0\n    | \n    | 1 / denominator" in shown.replace("    |\n", "    | \n")
    assert shown.count("denominator = 0") == 2  # the source and the traceback
    assert "ZeroDivisionError: division by zero" in shown and "\x1b" not in shown and "✗ 00_broken failed" in shown
    assert (repo / "build/01_fine/receipt.lesson-cpu.json").exists()
    assert not (repo / "build/00_broken/receipt.lesson-cpu.json").exists()
    assert "ZeroDivisionError" in next((repo / "build").glob("report-*.html")).read_text(encoding="utf-8")


def test_a_claim_that_does_not_hold_in_one_seed_lets_the_rest_run_and_fails_at_the_end(repo, capsys, monkeypatch):
    monkeypatch.setenv("AIGC_STRICT", "1")  # is for nbval: here all claims are to be collected
    path = chapter(repo, "00_claim", setup=RECORD, strict="import os\nprint('strict', os.environ['AIGC_STRICT'])")
    before = path.read_bytes()
    assert cli.main(["run", "00", "--seeds", "0", "2", "--save"]) == 1
    shown = capsys.readouterr().out
    assert "00_claim: does NOT hold: a low loss (loss 92.0, claimed <= 91)" in shown
    assert "not saved, because a claim does not hold" in shown and path.read_bytes() == before
    receipt = receipts.read(repo / "build/00_claim/receipt.lesson-cpu.json")
    assert receipt["claims"][0]["met"] is False and receipt["claims"][0]["value"] == 92
    assert "strict 0" in (repo / "build/00_claim/00_claim.ipynb").read_text(encoding="utf-8")


def test_a_dead_kernel_is_told_at_once(repo, capsys):
    chapter(repo, "00_dead", die="import os\nos.write(2, b'last words')\nos._exit(7)")
    started = time.monotonic()
    assert cli.main(["run"]) == 1
    assert time.monotonic() - started < 15
    shown = capsys.readouterr().out
    assert 'failed in cell "die"' in shown and "last words" in shown
    assert "The kernel died in this cell: it ended itself with exit code 7." in shown


def test_a_kernel_that_the_system_kills_is_told_so(repo, capsys):
    chapter(repo, "00_killed", die="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert cli.main(["run"]) == 1
    assert "signal 9; the system ends a process like this when memory runs out." in capsys.readouterr().out


def test_a_cell_that_takes_too_long_is_stopped(repo, capsys):
    child = "import subprocess, sys, time\nchild = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
    child += f"open({str(repo / 'child')!r}, 'w').write(str(subprocess.Popen(child).pid))\ntime.sleep(600)"
    chapter(repo, "00_slow", sleep=child)
    assert cli.main(["run", "--timeout", "2"]) == 1
    shown = capsys.readouterr().out
    assert 'in cell "sleep"' in shown and "The cell ran longer than 2 s (--timeout) and was stopped." in shown
    assert not kernels()
    pid = int((repo / "child").read_text())  # nor does what the kernel started stay
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_reply_whose_wake_up_is_lost_is_found_within_a_second():
    """As nbclient's answers to a widget can lose it: the channel has the message, and is asked once more."""

    class Channel:
        asked = []

        async def get_msg(self, timeout):
            self.asked.append(timeout)
            if len(self.asked) < 3:
                raise Empty  # what a channel says that slept until its time was over
            return {"content": "the reply"}

    channel = Channel()
    runner._look_again(channel)
    assert asyncio.run(channel.get_msg(timeout=1200)) == {"content": "the reply"} and channel.asked == [1.0] * 3
    channel.asked.clear()
    with pytest.raises(Empty):
        asyncio.run(channel.get_msg(timeout=0.2))
    assert len(channel.asked) == 1 and channel.asked[0] <= 0.2


def test_an_error_inside_a_widget_counts(repo, capsys):
    source = "import ipywidgets\n@ipywidgets.interact(x=(0, 3))\ndef show(x=1):\n    raise KeyError('inside')"
    chapter(repo, "00_widget", play=source)
    assert cli.main(["run"]) == 1
    shown = capsys.readouterr().out
    assert 'failed in cell "play"' in shown and "KeyError" in shown


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_no_kernel(repo, sent):
    started = repo / "started"
    chapter(repo, "00_long", wait=f"open({str(started)!r}, 'w').close()\nimport time\ntime.sleep(600)")
    code = "import sys\nfrom pathlib import Path\n"
    code += "from aigc_course.backstage import cli\nfrom aigc_course.plumbing import rooms\n"
    code += f"rooms.root = lambda: Path({str(repo)!r})\nsys.exit(cli.main(['run']))"
    env = os.environ | {"PYTHONPATH": str(REPO)}
    heard = None if os.name == "nt" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # nohup … & ignores it
    options = {"env": env, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "preexec_fn": heard}
    process = subprocess.Popen([sys.executable, "-c", code], **options)
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.1)
    left = psutil.Process(process.pid).children(recursive=True)
    assert left
    process.send_signal(sent)
    shown = process.communicate(timeout=20)[0].decode()
    assert process.returncode == (130 if sent == signal.SIGINT else 143), shown
    assert sent == signal.SIGTERM or "Interrupted; the kernel was ended." in shown
    assert "Traceback" not in shown and "Task was destroyed" not in shown
    assert not psutil.wait_procs(left, timeout=5)[1]


def test_save_stores_outputs_that_go_stale_when_the_code_changes(repo, capsys):
    noisy = "import sys\nprint('a warning', file=sys.stderr)\nprint('kept')"
    path = chapter(repo, "03_saved", setup=RECORD, noisy=noisy, widget="import ipywidgets\nipywidgets.IntSlider()")
    assert digests.stale(path)
    assert cli.main(["run", "3", "--seeds", "1", "0", "--save"]) == 0
    assert "03_saved, cell noisy: not stored (stderr): a warning" in capsys.readouterr().out
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == ["title", "setup", "noisy", "widget"]
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3]
    assert notebook.cells[1].outputs[0].text == "seed 1\n"  # the first seed's
    assert [output.name for output in notebook.cells[2].outputs] == ["stdout"]
    assert "IntSliderModel" in json.dumps(notebook.metadata.widgets)
    aigc = notebook.metadata.aigc
    assert aigc.summary == "how to test" and aigc.profile == "lesson" and aigc.device == "cpu, 2 cores, bf16"
    assert not any("execution" in cell.metadata for cell in notebook.cells) and str(repo) not in path.read_text()
    assert receipts.read(repo / "chapters/03_saved/receipt.lesson-cpu.json")["digest"] == aigc.digest
    assert not digests.stale(path)
    notebook.cells[0].source += " More words."
    nbformat.write(notebook, path)
    assert not digests.stale(path)
    notebook.cells[2].source += "\nnew = 1"
    nbformat.write(notebook, path)
    assert digests.stale(path)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (RECORD.replace('"upstream"', '"stand-in"'), "it ran on stand-in data"),
        (RECORD + "\nimport pathlib; print(pathlib.Path.home() / 'x')", "an output holds a path of this machine"),
    ],
)
def test_what_must_not_be_stored_is_not(repo, capsys, source, reason):
    path = chapter(repo, "00_no", setup=source)
    before = path.read_bytes()
    assert cli.main(["run", "--seeds", "0", "--save"]) == 1
    assert reason in capsys.readouterr().out
    assert path.read_bytes() == before and not stored(repo)


def test_smoke_is_never_stored(repo, capsys, monkeypatch):
    chapter(repo, "00_no", setup=RECORD)
    assert cli.main(["run", "--profile", "smoke", "--save"]) == 2
    monkeypatch.setenv("AIGC_PROFILE", "smoke")
    assert cli.main(["run", "--save"]) == 2
    assert "never from smoke" in capsys.readouterr().err


def test_changed_and_limit_say_what_they_leave_out(repo, capsys, monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: {"profile": "lesson", "device": "cpu, 2 cores, fp32"})
    same, other = chapter(repo, "00_same", code="x = 1"), chapter(repo, "01_other", code="x = 2")
    runs = [{"profile": "lesson", "device": "cpu, 2 cores, bf16", "minutes": 1, "peak_gb": 1}]
    for path in (same, other):
        store.write(store.combine(path.stem, runs, digests.digest(path), "2026-01-01"), repo / "chapters")
    assert cli.main(["run", "--changed"]) == 0  # there is nothing to do
    shown = capsys.readouterr().out
    assert "nothing changed since the receipt for lesson-cpu: 00_same, 01_other\n" in shown
    chapter(repo, "01_other", code="x = 3")
    chapter(repo, "02_new", code="x = 4")
    assert cli.main(["run", "--changed", "--limit-minutes", "0"]) == 0
    shown = capsys.readouterr().out
    assert "nothing changed since the receipt for lesson-cpu: 00_same\n" in shown
    assert "Left out after 0 minutes: 01_other, 02_new" in shown
    monkeypatch.setattr(machine, "describe", lambda: {"profile": "full", "device": "cuda, T4, 16 GB, fp32"})
    assert [path.stem for path in cli.changed([same], None)] == ["00_same"]  # no receipt from such a machine


# --- which notebooks ---------------------------------------------------------------------------------------


def test_chapters_are_found_by_number_name_or_path(repo, capsys, monkeypatch):
    names = ("00_start_here", "05_dcgan", "05b_measuring", "10_attention")
    known = [chapter(repo, name, setup="1") for name in names]
    monkeypatch.chdir(repo)
    for word in ("5", "05", "05_dcgan", "notebooks/05_dcgan.ipynb", str(known[1])):
        assert cli.choose(known, [word]) == [known[1]]
    assert cli.choose(known, ["05b"]) == cli.choose(known, ["5b"]) == [known[2]]
    assert cli.choose(known, []) == known and cli.choose(known, ["5", "05"]) == [known[1]]
    for word in ("04", "", "05_", "005", "05_dcgan-Copy1", "٥", "notebooks/05_dcgan", "05_dcgan.ipynb"):
        assert cli.main(["run", word]) == 2
        assert re.fullmatch(r"aigc-course: there is no (chapter|file) .*\n", capsys.readouterr().err)
    assert cli.main(["run", "04"]) == 2
    assert f"there is no chapter 04, only {', '.join(names)}" in capsys.readouterr().err


def test_a_notebook_that_is_no_page_is_named_and_left_out(repo, capsys):
    page = chapter(repo, "05_dcgan", setup=RECORD.replace("<= 91", "<= 99"))
    (repo / "notebooks/05_dcgan-Copy1.ipynb").write_bytes(page.read_bytes())
    notebook(repo / "notebooks/08_new.ipynb", setup="1")  # no back room yet
    assert cli.main(["run"]) == 0
    shown = capsys.readouterr().out
    assert "back room chapters/NN_name: 05_dcgan-Copy1.ipynb, 08_new.ipynb\n" in shown and "1/1 05_dcgan" in shown
    assert [path.name for path in (repo / "build").iterdir() if path.is_dir()] == ["05_dcgan"]


def test_the_file_that_is_named_runs_and_not_the_page_of_that_name(repo, tmp_path, capsys, monkeypatch):
    chapter(repo, "03_vae", setup="print('the course')")
    mine = notebook(tmp_path / "mine/03_vae.ipynb", setup="print(open('my data.txt').read())")
    notebook(tmp_path / "mine/my_vae.ipynb", setup=RECORD.replace("<= 91", "<= 99"))
    (tmp_path / "mine/my data.txt").write_text("my own words")
    monkeypatch.chdir(tmp_path / "mine")
    assert cli.main(["run", "03_vae.ipynb", "./my_vae.ipynb", "--to", str(tmp_path / "results here")]) == 0
    assert not (repo / "build").exists() and not (tmp_path / "results here/03_vae").exists()
    copies = sorted((tmp_path / "results here").rglob("*.ipynb"))
    assert [copy.name for copy in copies] == ["03_vae.ipynb", "my_vae.ipynb"]
    assert "my own words" in copies[0].read_text() and "my own words" not in mine.read_text()
    assert list((tmp_path / "results here").glob("my_vae-*/receipt.lesson-cpu.json"))
    for option in ("--save", "--same"):
        assert cli.main(["run", "my_vae.ipynb", option]) == 2
        assert f"my_vae.ipynb is not one of the course's pages: leave out {option}" in capsys.readouterr().err


GOOD = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
CELL = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}
DAMAGED = {
    "empty": b"",
    "white space": b" \n",
    "not JSON": b"<html>",
    "truncated": json.dumps(GOOD).encode()[:30],
    "NUL bytes": json.dumps(GOOD).encode() + b"\0\0",
    "not UTF-8": b'{"cells": "\xff"}',
    "no object": b"[1]",
    "no cells": json.dumps({**GOOD, "cells": None}).encode(),
    "without cells": b'{"metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    "cells of a wrong type": json.dumps({**GOOD, "cells": [1]}).encode(),
    "a source of a wrong type": json.dumps({**GOOD, "cells": [CELL | {"source": 1}]}).encode(),
    "a cell without a source": json.dumps({**GOOD, "cells": [{"cell_type": "code", "metadata": {}}]}).encode(),
    "metadata of a wrong type": json.dumps({**GOOD, "metadata": []}).encode(),
    "aigc of a wrong type": json.dumps({**GOOD, "metadata": {"aigc": "x"}}).encode(),
    "format 3": json.dumps({**GOOD, "nbformat": 3}).encode(),
    "half a character": json.dumps({**GOOD, "cells": [CELL | {"source": "\ud800"}]}).encode(),
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_notebook_is_told_in_a_sentence(tmp_path, content):
    path = tmp_path / "03_vae.ipynb"
    path.write_bytes(content)
    with pytest.raises(pages.Problem, match=r"^03_vae.ipynb is damaged: [^\n]{5,150}; put back a copy"):
        pages.load(path)


def test_a_damaged_chapter_does_not_keep_others_from_running(repo, capsys):
    chapter(repo, "00_bad", setup="1").write_text("{")
    chapter(repo, "01_good", setup="1")
    assert cli.main(["run", "--changed", "--profile", "lesson"]) == 1
    shown = capsys.readouterr().out
    assert "✗ 00_bad.ipynb is damaged: it is not JSON from line 1 on" in shown and "1/1 01_good: done" in shown
    assert (repo / "build/01_good/01_good.ipynb").is_file()
    (repo / "notebooks/00_bad.ipynb").unlink()
    (repo / "notebooks/00_bad.ipynb").mkdir()
    assert cli.main(["run", "00"]) == 1 and "00_bad.ipynb cannot be read: it is no file" in capsys.readouterr().out


def test_a_notebook_as_colab_saves_it_runs_and_is_stored(repo):
    path = chapter(repo, "03_vae", setup=RECORD, more="1 + 1")
    old = json.loads(path.read_text())
    old["nbformat_minor"] = 0
    for cell in old["cells"][:2]:
        cell["metadata"]["id"] = cell.pop("id")
    del old["cells"][2]["id"]
    path.write_text(json.dumps(old))
    assert cli.main(["run", "--seeds", "0", "--save"]) == 0
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    assert [cell.id for cell in found.cells] == ["title", "setup", "cell-3"] and found.cells[2].outputs


# --- where results lie -------------------------------------------------------------------------------------


def test_a_run_keeps_what_other_runs_and_learners_left(repo):
    first, second = (chapter(repo, name, setup="import os; print(os.listdir())") for name in ("00_a", "01_b"))
    assert cli.main(["run", first.stem]) == 0
    kept = {path: path.read_bytes() for path in (repo / "build").rglob("*") if path.is_file()}
    (repo / "build/notebooks").mkdir()
    (repo / "build/notebooks/mine.txt").write_text("mine")
    (repo / "build/01_b").mkdir()
    (repo / "build/01_b/mine.txt").write_text("mine")
    assert cli.main(["run", second.stem]) == 0
    assert {path: path.read_bytes() for path in kept} == kept and len(list((repo / "build").glob("report-*"))) == 2
    assert (repo / "build/notebooks/mine.txt").read_text() == (repo / "build/01_b/mine.txt").read_text() == "mine"
    assert "mine.txt" not in (repo / "build/01_b/01_b.ipynb").read_text()  # a page starts in an empty folder


@pytest.mark.parametrize("name", ["build", "build/00_a"])
def test_results_are_not_written_through_a_link(repo, tmp_path, capsys, name):
    chapter(repo, "00_a", setup="1")
    (tmp_path / "elsewhere").mkdir()
    (repo / name).parent.mkdir(exist_ok=True)
    (repo / name).symlink_to(tmp_path / "elsewhere")
    assert cli.main(["run"]) in (1, 2)
    shown = "".join(capsys.readouterr())
    assert f"{repo / name} is a link, which no results are written through" in shown and "--to DIR" in shown
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("command", ["run", "study"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(repo, capsys, monkeypatch, command):
    chapter(repo, "00_a", setup="1")
    (repo / "chapters/00_a/study.py").write_text("raise AssertionError")

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store.tempfile, "TemporaryFile", refuse)
    assert cli.main([command, "00"]) == 2
    said = f"aigc-course: {repo / 'build'} cannot be written (Permission denied): name another folder with --to DIR\n"
    assert capsys.readouterr().err == said


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_full_disk_costs_no_figures_and_leaves_no_debris(repo, capsys, monkeypatch):
    path = chapter(repo, "00_a", setup=RECORD)
    before = path.read_bytes()
    monkeypatch.setattr(settings.os, "fsync", full)
    assert cli.main(["run", "--seeds", "0", "--save"]) == 1
    shown = capsys.readouterr().out
    assert "loss 90" in shown and "00_a: not saved, because No space left on device" in shown
    assert "00_a: its results cannot be kept (No space left on device): name another folder with --to" in shown
    assert "no HTML report (OSError" in shown and path.read_bytes() == before
    assert not stored(repo) and not [path for path in (repo / "build").rglob("*") if path.is_file()]


def test_no_room_for_the_kernels_own_files_is_told(repo, capsys, monkeypatch):
    chapter(repo, "00_a", setup="1")
    monkeypatch.setattr(runner.tempfile, "mkdtemp", full)
    assert cli.main(["run"]) == 1 and "✗ 00_a cannot be run: No space left on device" in capsys.readouterr().out


def test_a_broken_nbconvert_costs_the_report_alone(repo, capsys, monkeypatch):
    path = chapter(repo, "00_a", setup=RECORD)
    monkeypatch.setattr(report, "write", lambda *_: 1 / 0)
    assert cli.main(["run", "--seeds", "0", "--save"]) == 1
    shown = capsys.readouterr().out
    assert "✗ no HTML report (ZeroDivisionError: division by zero)" in shown and "Saved: 00_a.ipynb" in shown
    assert (repo / "build/00_a/receipt.lesson-cpu.json").is_file() and not digests.stale(path)


def test_without_nbconvert_the_report_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(report.importlib.util, "find_spec", lambda name: None)
    assert "nbconvert is missing" in report.write([], [], [], tmp_path / "report.html")


def test_a_page_that_changes_while_it_runs_is_not_stored(repo, capsys):
    path = chapter(repo, "00_a", setup=RECORD, edit="p = '@'\ntext = open(p).read()\nopen(p, 'w').write(text)")
    path.write_text(path.read_text().replace("'@'", repr(str(path)).replace("\\", "\\\\")))
    text = path.read_text().replace("write(text)", "write(text.replace('seed', 'seeds'))")
    path.write_text(text)
    assert cli.main(["run", "--seeds", "0", "--save"]) == 1
    assert "not saved, because its code changed while it ran" in capsys.readouterr().out


# --- what a cell writes ------------------------------------------------------------------------------------


class Bar:
    disable, said = True, []

    def set_description_str(self, text, refresh=True):
        self.said.append(text)

    def update(self):
        pass

    def refresh(self):
        pass


def execute(tmp_path, bar=None, **cells):
    made = pages.load(notebook(tmp_path / "a.ipynb", **cells))
    return runner.execute(made, "a", bar or Bar(), label="a", variables={}, timeout=60)


def test_long_lines_and_much_output_take_little_time_and_are_bounded(tmp_path):
    flood = "for _ in range(80):\n    print('x' * 100_000)"
    started = time.monotonic()
    outcome = execute(tmp_path, flood=flood, pictures="for _ in range(9): display('y' * 1_000_000)", after="print(1)")
    assert time.monotonic() - started < 30 and not outcome.error
    flood, pictures, after = (cell.outputs for cell in outcome.notebook.cells[1:])
    assert 5_000_000 <= len(flood[0].text) < 5_000_100 and after[0].text == "1\n"
    assert flood[0].text.endswith("[What came after 5,000,000 characters is left out.]\n") and len(flood) == 1
    assert len(pictures) == 5 and "is left out" in pictures[4].text


def test_outputs_are_joined_as_a_terminal_shows_them(tmp_path):
    source = "import sys\nfor i in range(3):\n    print(i, end='\\r', flush=True)\n"
    source += "    print('e', i, file=sys.stderr, flush=True)"
    outcome = execute(tmp_path, mixed=source + "\nprint('done')\n1")
    outputs = outcome.notebook.cells[1].outputs
    assert [(o.get("name"), o.get("text")) for o in outputs[:2]] == [
        ("stdout", "done\n"),
        ("stderr", "e 0\ne 1\ne 2\n"),
    ]
    assert outputs[2].data["text/plain"] == "1" and len(outputs) == 3


def test_the_bar_says_how_far_a_cell_is_and_its_last_words_are_printed_ones(tmp_path):
    source = "h = display({'text/plain': 'step 0 of 9', 'text/html': '<b>'}, raw=True, display_id=True)\n"
    source += "h.update({'text/plain': 'step 3\\n of 9', 'text/html': '<b>'}, raw=True)\n"
    source += "h.update({'text/plain': '9 steps in 1 s'}, raw=True)\nprint('after')"
    bar = Bar()
    bar.said = []
    outcome = execute(tmp_path, bar, train=source)
    assert "a · train · step 3 of 9" in bar.said
    assert [output.text for output in outcome.notebook.cells[1].outputs] == ["9 steps in 1 s\nafter\n"]


def test_a_cell_in_the_middle_of_training_shows_its_steps(tmp_path):
    source = "import torch\nfrom aigc_course import train\nimport time\n"
    source += "for x in train.batches(torch.zeros(8, 1), 2, 5):\n    time.sleep(0.3)"
    bar = Bar()
    bar.disable, bar.said = None, []  # as tqdm says it in a terminal
    outcome = execute(tmp_path, bar, train=source)
    assert any("step 3 of 5" in text for text in bar.said), outcome.error
    assert re.fullmatch(r"5 steps in [\d.]+ s\n", outcome.notebook.cells[1].outputs[0].text)


def test_idle_threads_of_a_kernel_leave_the_processor_to_others(tmp_path, monkeypatch):
    show = "import os\nprint(os.environ['OMP_WAIT_POLICY'], os.environ['KMP_BLOCKTIME'])"
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert execute(tmp_path, show=show).notebook.cells[1].outputs[0].text == "PASSIVE 0\n"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert execute(tmp_path, show=show).notebook.cells[1].outputs[0].text == "ACTIVE 0\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("json.dump(state, file)", "file.write('{')"),
        ("json.dump(state, file)", "json.dump([], file)"),
        ('"mnist": "upstream"', '"mnist": ["upstream"]'),
        ('"peak_gb": 0.5', '"peak_gb": "much"'),
        ('{"loss": loss}', "[]"),
        ('"met": loss <= 91', '"met": "yes"'),
        ('"profile": profile', '"profile": "../../evil"'),
    ],
)
def test_what_a_notebook_recorded_is_checked(repo, capsys, old, new):
    assert old in RECORD
    chapter(repo, "00_a", setup=RECORD.replace(old, new))
    assert cli.main(["run"]) == 1
    shown = capsys.readouterr().out
    assert "damaged" in shown and "00_a failed" in shown and "Traceback" not in shown
    assert not list(repo.rglob("receipt*")) and not (repo / "evil-cpu.json").exists()


def test_the_report_shows_names_as_they_are(tmp_path):
    evil = "<img src=x onerror=alert(1)>| `a` [b](javascript:c)\n# d"
    claim = {"text": evil, "figure": evil, "bound": "<= 1", "value": 2, "met": False}
    made = pages.load(notebook(tmp_path / "a.ipynb", code="1"))
    made.cells[1].outputs = [
        nbformat.v4.new_output("display_data", {"image/png": "AAAA"}, metadata={"image/png": {"alt": 'a "dot" <'}})
    ]
    outcome = runner.Outcome(made, {}, error="````\n<script>alert(2)</script>")
    rows = [["a", "1", "1", "1 of 1", evil]]
    assert "Report: " in report.write([outcome], rows, [("a", claim)], tmp_path / "report.html")
    page = BeautifulSoup((tmp_path / "report.html").read_text(encoding="utf-8"), features="html.parser")
    assert [picture["alt"] for picture in page.select("img")] == ['a "dot" <']
    assert not [script for script in page.select("script") if "alert" in script.text]
    assert not [link for link in page.select("a") if "javascript" in link["href"]]
    shown = " ".join(evil.split())
    assert shown in page.select("table")[0].text and f"a: does NOT hold: {shown} ({shown} 2, claimed <= 1)" in page.text
