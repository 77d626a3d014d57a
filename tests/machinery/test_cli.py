"""The command line, on a small repository of its own in a temporary folder."""

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

from aigc_course import receipts
from aigc_course.backstage import cli, doctor, runner, store
from aigc_course.backstage import digest as digests

REPO = Path(cli.__file__).parents[2]
RECORD = """
import json, os, sys
path, seed = os.environ["AIGC_RUN_FILE"], int(os.environ.get("AIGC_SEED", 7))
loss = 90.0 + seed
profile = os.environ.get("AIGC_PROFILE", "lesson")
state = {"seed": seed, "profile": profile, "device": "cpu, 2 cores, bf16", "torch": "2", "minutes": 9,
         "peak_gb": 0.5, "data": {"mnist": "upstream"}, "figures": {"loss": loss},
         "claims": [{"text": "a low loss", "figure": "loss", "bound": "<= 91", "value": loss, "met": loss <= 91}]}
with open(path, "w") as file:
    json.dump(state, file)
print("seed", seed)
"""
PICTURE = "Image(bytes.fromhex('89504e470d0a1a0a'), format='png', alt='a dot')"  # enough for a report


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository without chapters; the command line takes it for the checkout."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "receipts").mkdir()
    address = 'version = "1"\n[project.urls]\nRepository = "https://github.com/old-owner/old-repo"\n'
    (tmp_path / "pyproject.toml").write_text(address, encoding="utf-8")
    monkeypatch.setattr(receipts, "root", lambda: tmp_path)
    for name in ("AIGC_PROFILE", "AIGC_SEED", "AIGC_STRICT", "AIGC_RUN_FILE", "AIGC_STANDIN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def chapter(repo: Path, name: str, **cells: str) -> Path:
    """Writes a notebook of code cells, by id, under a title."""
    notebook = nbformat.v4.new_notebook(metadata={"aigc": {"summary": "how to test"}})
    notebook.cells.append(nbformat.v4.new_markdown_cell(f"# {name}\n\nWhat it is about.", id="title"))
    notebook.cells += [nbformat.v4.new_code_cell(source.strip(), id=id) for id, source in cells.items()]
    path = repo / "notebooks" / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


def kernels() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if "ipykernel_launcher" in " ".join(p.cmdline())]


# --- run ---------------------------------------------------------------------------------------------------


def test_two_chapters_two_seeds_and_what_is_left_behind(repo, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    first = chapter(repo, "00_first", setup=RECORD, picture="from IPython.display import Image\n" + PICTURE)
    chapter(repo, "01_second", setup=RECORD)
    assert cli.main(["badges"]) == 0
    before = first.read_bytes()
    assert cli.main(["run", "--seeds", "0", "1", "--profile", "lesson"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"00_first +0\.\d \(.*\) +0\.50 +1 of 1\n    loss 90\.5 \(90–91\)", shown), shown
    assert "01_second" in shown and not kernels()
    receipt = receipts.read(repo / "build/receipts/00_first.lesson-cpu.json")
    assert [run["seed"] for run in receipt["runs"]] == [0, 1]
    assert receipt["claims"] == [{"text": "a low loss", "figure": "loss", "bound": "<= 91", "value": 91.0, "met": True}]
    assert receipt["digest"] == digests.digest(first)
    assert receipt["runs"][0]["minutes"] < 1  # the whole chapter's, not what the notebook says
    copies = sorted(path.name for path in (repo / "build/notebooks").iterdir())
    assert copies == ["00_first.ipynb", "00_first.seed1.ipynb", "01_second.ipynb", "01_second.seed1.ipynb"]
    page = (repo / "build/report.html").read_text(encoding="utf-8")
    assert "00_first" in page and "01_second" in page and "data:image/png;base64," in page and "a low loss" in page
    loaded = set(re.findall(r'(?:src|href)="(https?://[^"]*)"', page))
    assert not {address for address in loaded if "mathjax" not in address.lower()}, loaded
    assert first.read_bytes() == before and not list(
        (repo / "receipts").iterdir()
    )  # only --save touches the repository


def test_a_failing_cell_is_shown_and_the_next_chapter_still_runs(repo, capsys):
    chapter(repo, "00_broken", setup=RECORD, divide="denominator = 0\n\n1 / denominator", after="print('not reached')")
    chapter(repo, "01_fine", setup=RECORD.replace("<= 91", "<= 99"))
    assert cli.main(["run"]) == 1
    shown = capsys.readouterr().out
    assert '00_broken failed in cell "divide" (cell 3 of 4, under "00_broken")' in shown
    assert "    | denominator = 0\n    | \n    | 1 / denominator" in shown.replace("    |\n", "    | \n")
    assert shown.count("denominator = 0") == 2  # the source and the traceback
    assert "ZeroDivisionError: division by zero" in shown and "\x1b" not in shown and "✗ 00_broken failed" in shown
    assert (repo / "build/receipts/01_fine.lesson-cpu.json").exists()
    assert not (repo / "build/receipts/00_broken.lesson-cpu.json").exists()
    assert "ZeroDivisionError" in (repo / "build/report.html").read_text(encoding="utf-8")


def test_a_claim_that_does_not_hold_in_one_seed_lets_the_rest_run_and_fails_at_the_end(repo, capsys, monkeypatch):
    monkeypatch.setenv("AIGC_STRICT", "1")  # is for nbval: here all claims are to be collected
    path = chapter(repo, "00_claim", setup=RECORD, strict="import os\nprint('strict', os.environ['AIGC_STRICT'])")
    before = path.read_bytes()
    assert cli.main(["run", "00", "--seeds", "0", "2", "--save"]) == 1
    shown = capsys.readouterr().out
    assert "00_claim: does NOT hold: a low loss (loss 92.0, claimed <= 91)" in shown
    assert "not saved, because a claim does not hold" in shown and path.read_bytes() == before
    receipt = receipts.read(repo / "build/receipts/00_claim.lesson-cpu.json")
    assert receipt["claims"][0]["met"] is False and receipt["claims"][0]["value"] == 92
    assert "strict 0" in (repo / "build/notebooks/00_claim.ipynb").read_text(encoding="utf-8")


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
    code = "import sys\nfrom pathlib import Path\nfrom aigc_course import cli, receipts\n"
    code += f"receipts.root = lambda: Path({str(repo)!r})\nsys.exit(cli.main(['run']))"
    env = os.environ | {"PYTHONPATH": str(REPO)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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
    assert receipts.read(repo / "receipts/03_saved.lesson-cpu.json")["digest"] == aigc.digest
    assert not digests.stale(path)
    notebook.cells[0].source += " More words."
    nbformat.write(notebook, path)
    assert not digests.stale(path)
    notebook.cells[2].source += "\nprint('new')"
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
    assert path.read_bytes() == before and not list((repo / "receipts").iterdir())


def test_smoke_is_never_stored(repo, capsys, monkeypatch):
    chapter(repo, "00_no", setup=RECORD)
    assert cli.main(["run", "--profile", "smoke", "--save"]) == 2
    monkeypatch.setenv("AIGC_PROFILE", "smoke")
    assert cli.main(["run", "--save"]) == 2
    assert "never from smoke" in capsys.readouterr().err


def test_changed_and_limit_say_what_they_leave_out(repo, capsys, monkeypatch):
    from aigc_course import runtime

    monkeypatch.setattr(runtime, "describe", lambda: {"profile": "lesson", "device": "cpu, 2 cores, fp32"})
    same, other = chapter(repo, "00_same", setup="x = 1"), chapter(repo, "01_other", setup="x = 2")
    runs = [{"profile": "lesson", "device": "cpu, 2 cores, bf16", "minutes": 1, "peak_gb": 1}]
    for path in (same, other):
        store.write(store.combine(path.stem, runs, digests.digest(path), "2026-01-01"), repo / "receipts")
    assert cli.main(["run", "--changed"]) == 0  # there is nothing to do
    shown = capsys.readouterr().out
    assert "nothing changed since the receipt for lesson-cpu: 00_same, 01_other\n" in shown
    chapter(repo, "01_other", setup="x = 3")
    chapter(repo, "02_new", setup="x = 4")
    assert cli.main(["run", "--changed", "--limit-minutes", "0"]) == 0
    shown = capsys.readouterr().out
    assert "nothing changed since the receipt for lesson-cpu: 00_same\n" in shown
    assert "Left out after 0 minutes: 01_other, 02_new" in shown
    monkeypatch.setattr(runtime, "describe", lambda: {"profile": "full", "device": "cuda, T4, 16 GB, fp32"})
    assert [path.stem for path in cli.changed([same], None)] == ["00_same"]  # no receipt from such a machine


def test_chapters_are_found_by_number_name_or_path(repo, capsys):
    all_of_them = [chapter(repo, name, setup="1") for name in ("00_start_here", "03_vae", "10_attention")]
    for word in ("3", "03", "03_vae", "notebooks/03_vae.ipynb"):
        assert cli.choose(all_of_them, [word]) == [all_of_them[1]]
    assert cli.choose(all_of_them, []) == all_of_them and cli.choose(all_of_them, ["3", "03"]) == [all_of_them[1]]
    assert cli.main(["run", "04"]) == 2
    assert "there is no chapter 04, only 00_start_here, 03_vae, 10_attention" in capsys.readouterr().err


def test_without_nbconvert_the_report_says_so(tmp_path, monkeypatch):
    from aigc_course import runner

    monkeypatch.setattr(runner.importlib.util, "find_spec", lambda name: None)
    assert "nbconvert is missing" in runner.report([], [], [], tmp_path / "report.html")


# --- study -------------------------------------------------------------------------------------------------

STUDY = """
import torch
from aigc_course import data
def run(seeds):
    data.used["mnist"] = "upstream"
    return {"device": "cpu, 1 thread", "rows": [{"name": "plain", "fd": torch.tensor([1.0, 2.0])}], "mean": 1.23456789}
"""


@pytest.fixture
def study(repo, monkeypatch):
    """The file of a made-up study of a chapter 98, in a package of its own."""
    from aigc_course import studies

    file = repo / "package/studies/ch98.py"
    file.parent.mkdir(parents=True)
    file.write_text(STUDY)
    chapter(repo, "98_made_up", setup="1")
    chapter(repo, "97_other", setup="1")
    monkeypatch.setattr(studies, "__path__", [str(file.parent)])
    monkeypatch.setattr(receipts, "PACKAGE", repo / "package")
    monkeypatch.setattr(data, "used", {})
    monkeypatch.delitem(sys.modules, "aigc_course.studies.ch98", raising=False)
    yield file
    sys.modules.pop("aigc_course.studies.ch98", None)


def test_a_study_is_stored_and_goes_stale_when_its_code_changes(repo, study, capsys):
    stored = repo / "receipts/98_made_up.study.json"
    assert cli.main(["study", "98", "--seeds", "4", "5"]) == 0
    assert "98_made_up: seeds 4, 5 in 0.0 min, written to " in capsys.readouterr().out and not stored.exists()
    assert receipts.read(repo / "build/receipts/98_made_up.study.json")["seeds"] == [4, 5]
    assert cli.main(["study", "98_made_up", "--save"]) == 0
    assert "Saved: 98_made_up.study.json" in capsys.readouterr().out
    found = receipts.load("98_made_up.study")
    assert found["chapter"] == "98_made_up" and found["seeds"] == [0, 1, 2] and found["data"] == {"mnist": "upstream"}
    assert found["device"] == "cpu, 1 thread" and {"torch", "date", "minutes"} <= found.keys()
    assert found["rows"] == [{"name": "plain", "fd": [1.0, 2.0]}] and found["mean"] == 1.2346
    assert not digests.study_stale(stored)
    study.write_text(STUDY.replace("2.0", "3.0"))
    assert digests.study_stale(stored)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"upstream"', '"stand-in"', "it ran on stand-in data"),
        ("def run(seeds):", "def run(seeds):\n    open(__file__, 'a').write('x = 1')", "its code changed while it ran"),
    ],
)
def test_a_study_that_must_not_be_stored_is_not(repo, study, capsys, old, new, reason):
    study.write_text(STUDY.replace(old, new))
    assert cli.main(["study", "98", "--save"]) == 1
    assert f"98_made_up: not saved, because {reason}" in capsys.readouterr().out
    assert not list((repo / "receipts").iterdir())


def test_a_study_can_be_stopped_and_its_mistakes_are_told(repo, study, capsys, monkeypatch):
    assert cli.main(["study", "97"]) == 2 and "97_other has no study ch97" in capsys.readouterr().err
    assert cli.main(["study", "96"]) == 2 and "there is no chapter 96" in capsys.readouterr().err
    monkeypatch.setenv("AIGC_PROFILE", "smoke")
    assert cli.main(["study", "98", "--save"]) == 2 and "never from smoke" in capsys.readouterr().err
    study.write_text("def run(seeds):\n    raise KeyboardInterrupt")
    assert cli.main(["study", "98"]) == 130 and not (repo / "build").exists()
    with pytest.raises(ValueError, match="cannot call its results digest, minutes"):
        store.write_study("98_made_up", {}, {"digest": 1, "minutes": 2}, repo)
    with pytest.raises(FileNotFoundError, match="no study aigc_course/studies/ch97.py"):
        digests.study_digest("97_other")


# --- badges, table -----------------------------------------------------------------------------------------


def test_badges_restamp_everything_that_names_the_repository(repo, capsys):
    install = 'repo = get("AIGC_REPO", "https://github.com/old-owner/old-repo")\ncourse = f"x @ git+{repo}@v0.0.1"'
    path = chapter(repo, "03_vae", setup=install, other="# https://github.com/pytorch/pytorch")
    (repo / "README.md").write_text(
        "git clone https://github.com/old-owner/old-repo\nhttps://github.com/pytorch/pytorch\n"
    )
    digest = digests.digest(path)
    before = path.read_bytes()
    assert cli.main(["badges", "--check"]) == 1 and path.read_bytes() == before  # there are none yet
    assert cli.main(["badges", "teacher/her.course"]) == 0
    notebook = nbformat.read(path, as_version=4)
    title = notebook.cells[0].source
    assert title.startswith("# 03_vae\n\n[![Open in Colab]") and title.endswith("\n\nWhat it is about.")
    assert "https://colab.research.google.com/github/teacher/her.course/blob/main/notebooks/03_vae.ipynb" in title
    assert "https://mybinder.org/v2/gh/teacher/her.course/main?labpath=notebooks/03_vae.ipynb" in title
    assert '"https://github.com/teacher/her.course")' in notebook.cells[1].source
    assert f'git+{{repo}}@v{cli.__version__}"' in notebook.cells[1].source
    assert notebook.cells[2].source == "# https://github.com/pytorch/pytorch"
    readme = (repo / "README.md").read_text()
    assert readme == "git clone https://github.com/teacher/her.course\nhttps://github.com/pytorch/pytorch\n"
    assert 'Repository = "https://github.com/teacher/her.course"' in (repo / "pyproject.toml").read_text()
    assert digests.digest(path) == digest  # a fork's outputs are not stale for it
    assert cli.main(["badges", "--check"]) == 0
    before = path.read_bytes()
    assert cli.main(["badges"]) == 0 and path.read_bytes() == before
    path.write_text(json.dumps(json.loads(before)))  # formatted in another way
    assert cli.main(["badges", "--check"]) == 0
    assert cli.main(["badges", "teacher/other"]) == 0 and cli.main(["badges", "--check"]) == 0
    assert path.read_text().count("teacher/other") == 3 and "her.course" not in path.read_text()
    assert cli.main(["badges", "no-address"]) == 2


def test_table_is_written_from_receipts(repo, capsys):
    chapter(repo, "03_vae", setup="1")
    chapter(repo, "04_gan", setup="1")
    readme = repo / "README.md"
    readme.write_text("nothing")
    assert cli.main(["table"]) == 2
    readme.write_text("top\n<!-- table -->\nold\n<!-- /table -->\n<!-- bench -->\n<!-- /bench -->\nend\n")
    run = {"profile": "lesson", "device": "cpu, 2 cores, bf16", "data": {"mnist": "upstream"}, "peak_gb": 1.44}
    runs = [run | {"minutes": m, "figures": {"grey_loss": 90 + m}} for m in (3.0, 3.2, 3.9)]
    store.write(store.combine("03_vae", runs, "d", "2026-01-01"), repo / "receipts")
    (repo / "receipts/bench_vae.json").write_text('{"readme": ["twelve times as fast"]}')
    assert cli.main(["table", "--check"]) == 1 and "\nold\n" in readme.read_text()
    assert cli.main(["table"]) == 0
    text = readme.read_text(encoding="utf-8")
    assert "| [03_vae](notebooks/03_vae.ipynb) | how to test | mnist | 3.2 (cpu, 2 cores, bf16) | 1.4 GB |" in text
    assert "| grey_loss 93.2 (93–93.9) |" in text and "not yet measured" in text and "- twelve times as fast\n" in text
    assert text.startswith("top\n") and text.endswith("<!-- /bench -->\nend\n") and "old\n" not in text
    assert "github/old-owner/old-repo/blob/main/notebooks/03_vae.ipynb" in text
    assert cli.main(["table", "--check"]) == 0


# --- fetch, doctor ------------------------------------------------------------------------------------


def test_fetch_makes_a_mirror_from_a_mirror(tmp_path, monkeypatch, capsys):
    content = b"some data"
    sha256 = receipts.hashlib.sha256(content).hexdigest()
    row = data.Row("toy", "a.bin", len(content), sha256, "http://127.0.0.1:9/a.bin", "CC0", "us")
    lost = row._replace(dataset="lost")
    monkeypatch.setattr(data, "registry", lambda: {"toy": [row], "lost": [lost]})
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/a.bin").write_bytes(content)
    for name, value in {"DATA_MIRROR": tmp_path / "mirror", "CACHE": tmp_path / "cache", "OFFLINE": "1"}.items():
        monkeypatch.setenv(f"AIGC_{name}", str(value))
    assert cli.main(["fetch", "toy", "--to", str(tmp_path / "class")]) == 0
    assert (tmp_path / "class/toy/a.bin").read_bytes() == content
    assert f"AIGC_DATA_MIRROR to {tmp_path / 'class'}" in capsys.readouterr().out
    assert cli.main(["fetch", "--all", "--to", str(tmp_path / "class")]) == 1  # one is lost, the other is still fetched
    shown = capsys.readouterr().out
    assert "toy: 1 files" in shown and "✗ lost: " in shown
    assert cli.main(["fetch", "nothing"]) == 2 and cli.main(["fetch"]) == 2


@pytest.fixture
def examine(tmp_path, monkeypatch, capsys):
    """The doctor's exit code and its words, with settings of the test alone and, where not said otherwise, offline."""
    for name in [name for name in os.environ if name.startswith(("AIGC_", "HF_"))]:
        monkeypatch.delenv(name)

    def examine(**settings: str) -> tuple[int, str]:
        for name, value in {"AIGC_CACHE": str(tmp_path), "AIGC_OFFLINE": "1", **settings}.items():
            monkeypatch.setenv(name, value)
        code, shown = cli.main(["doctor"]), capsys.readouterr().out
        assert all(len(line) <= 80 or "/" in line for line in shown.splitlines()), shown
        return code, " ".join(shown.split())

    return examine


def test_doctor_knows_mirror_and_endpoint(tmp_path, examine, monkeypatch):

    code, words = examine(AIGC_DATA_MIRROR=str(tmp_path / "gone"), HF_ENDPOINT="http://127.0.0.1:9")
    assert code == 0 and "The course runs here" in words and "! mnist" in words and "stand-in" in words
    assert f"! Mirror AIGC_DATA_MIRROR={tmp_path / 'gone'}: there is no such folder" in words
    assert "ok HF_ENDPOINT http://127.0.0.1:9 (not asked, because AIGC_OFFLINE=1)" in words
    monkeypatch.setattr(doctor.data, "reachable", lambda name, timeout: (True, f"{name} answers"))
    code, words = examine(AIGC_OFFLINE="0", AIGC_DATA_MIRROR="http://mirror.example")
    assert code == 0 and "! HF_ENDPOINT http://127.0.0.1:9 does not answer" in words and "ok mnist" in words


def test_doctor_fails_only_where_the_course_cannot_run(examine):
    code, words = examine(AIGC_STANDIN="0")  # then a chapter without its data stops
    assert code == 1 and "✗ mnist" in words and "cannot run here yet" in words
    code, words = examine(AIGC_STANDIN="", AIGC_PROFILE="fast")
    assert code == 1 and "AIGC_PROFILE is 'fast'" in words and "mnist" in words


def test_doctor_names_packages_that_are_missing_or_too_old(examine, monkeypatch):
    from importlib import metadata

    real = metadata.version

    def version(name):
        if name == "peft":
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "numpy" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    code, words = examine()
    assert code == 1 and '✗ peft is not installed → python -m pip install "peft>=' in words
    assert "! numpy 0.1; the course is made for >=" in words


def test_doctor_waits_for_no_answer_longer_than_it_said():

    answers = doctor._together({"a": lambda: (True, "a"), "b": lambda: time.sleep(60)}, seconds=0.3)
    assert answers == {"a": (True, "a"), "b": (False, "b does not answer within 0.3 s.")}


def test_doctor_works_where_torch_does_not(tmp_path):
    code = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("libtorch_cpu.so: cannot open shared object file")
sys.meta_path.insert(0, Blocker())
from aigc_course import cli
sys.exit(cli.main(["doctor"]))
"""
    env = os.environ | {"PYTHONPATH": str(REPO), "AIGC_CACHE": str(tmp_path), "AIGC_OFFLINE": "1", "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, encoding="utf-8")
    words = " ".join(done.stdout.split())
    assert done.returncode == 1 and "✗ torch does not load: ImportError: libtorch_cpu.so" in words and not done.stderr
    assert "→ python -m pip install" in words and "Memory" in words and "mnist" in words


def test_help_is_quick_because_nothing_heavy_is_imported():
    heavy = ["torch", "nbclient", "nbformat", "tqdm", "numpy", "psutil", "IPython"]
    code = f"import sys\nfrom aigc_course import cli, receipts\nprint([m for m in {heavy} if m in sys.modules])"
    env = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_unknown_options_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", "--sede", "1"])
    assert "--sede" in capsys.readouterr().err
