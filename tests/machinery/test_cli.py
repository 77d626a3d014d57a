"""The command line but for `run`: studies, options, fetch, doctor; on a small repository in a temporary folder."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_course import chapter, stored

from aigc_course import data, receipts
from aigc_course.backstage import cli, doctor, same, store
from aigc_course.backstage import digest as digests
from aigc_course.plumbing import fetch

REPO = Path(cli.__file__).parents[2]

# --- study -------------------------------------------------------------------------------------------------

STUDY = """
import torch
from aigc_course.plumbing import fetch
def run(seeds):
    fetch.used["mnist"] = "upstream"
    return {"device": "cpu, 1 thread", "rows": [{"name": "plain", "fd": torch.tensor([1.0, 2.0])}], "mean": 1.23456789}
"""


@pytest.fixture
def study(repo, monkeypatch):
    """The file of a made-up study of a chapter 98."""
    chapter(repo, "98_made_up", setup="1")
    chapter(repo, "97_other", setup="1")
    file = repo / "chapters/98_made_up/study.py"
    file.write_text(STUDY)
    monkeypatch.setattr(fetch, "used", {})
    yield file
    sys.modules.pop("aigc_course_chapters.98_made_up.study", None)


def test_a_study_is_stored_and_goes_stale_when_its_code_changes(repo, study, capsys):
    stored = repo / "chapters/98_made_up/study.json"
    assert cli.main(["study", "98", "--seeds", "4", "5"]) == 0
    assert "98_made_up: seeds 4, 5 in 0.0 min, written to " in capsys.readouterr().out and not stored.exists()
    assert receipts.read(repo / "build/98_made_up/study.json")["seeds"] == [4, 5]
    assert cli.main(["study", "98_made_up", "--save"]) == 0
    assert "Saved: study.json" in capsys.readouterr().out
    found = receipts.load("98_made_up.study")
    assert found["chapter"] == "98_made_up" and found["seeds"] == [0, 1, 2] and found["data"] == {"mnist": "upstream"}
    assert found["device"] == "cpu, 1 thread" and {"torch", "date", "minutes"} <= found.keys()
    assert found["rows"] == [{"name": "plain", "fd": [1.0, 2.0]}] and found["mean"] == 1.2346
    assert not digests.study_stale("98_made_up")
    study.write_text(STUDY.replace("2.0", "3.0"))
    assert digests.study_stale("98_made_up")


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
    assert stored(repo) == ["study.py"]


def test_a_study_can_be_stopped_and_its_mistakes_are_told(repo, study, capsys, monkeypatch):
    assert cli.main(["study", "97"]) == 2
    assert "97_other has no study, chapters/97_other/study.py" in capsys.readouterr().err
    assert cli.main(["study", "96"]) == 2 and "there is no chapter 96" in capsys.readouterr().err
    monkeypatch.setenv("AIGC_PROFILE", "smoke")
    assert cli.main(["study", "98", "--save"]) == 2 and "never from smoke" in capsys.readouterr().err
    study.write_text("def run(seeds):\n    raise KeyboardInterrupt")
    monkeypatch.delenv("AIGC_PROFILE")
    assert cli.main(["study", "98"]) == 130 and not list((repo / "build").rglob("*.json"))
    with pytest.raises(ValueError, match="cannot call its results digest, minutes"):
        store.write_study("98_made_up", {}, {"digest": 1, "minutes": 2}, repo)
    with pytest.raises(FileNotFoundError, match="no study chapters/97_other/study.py"):
        digests.study_digest("97_other")


def test_a_study_is_of_one_page_and_not_of_a_copy(repo, study, tmp_path, capsys):
    copy = repo / "notebooks/98_made_up-Copy1.ipynb"
    copy.write_text("{")
    assert cli.main(["study", "98", "--seeds", "0", "--to", str(tmp_path / "there")]) == 0
    assert (tmp_path / "there/98_made_up/study.json").is_file() and not (repo / "build").exists()
    assert cli.main(["study", str(copy)]) == 2
    assert f"aigc-course: {copy} is not one of the course's pages\n" == capsys.readouterr().err
    chapter(repo, "98_twice", setup="1")
    assert cli.main(["study", "98"]) == 2
    assert "aigc-course: 98 can be 98_made_up or 98_twice: say which\n" == capsys.readouterr().err


def test_a_study_that_a_full_disk_cannot_take_is_kept_elsewhere(repo, study, tmp_path, capsys, monkeypatch):
    replace = os.replace

    def full(part, path):
        if Path(path).is_relative_to(repo):
            raise OSError(28, "No space left on device")
        replace(part, path)

    monkeypatch.setattr(os, "replace", full)
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr(cli.tempfile, "tempdir", str(tmp_path / "spare"))
    assert cli.main(["study", "98", "--save"]) == 2
    (kept,) = (tmp_path / "spare").rglob("study.json")
    assert receipts.read(kept)["mean"] == 1.2346 and str(kept) in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "study"])
def test_same_stamps_or_says_why_not(repo, study, capsys, monkeypatch, command):
    def refuse(*what):
        raise same.NotSame(f"{what[0]} differs")

    monkeypatch.setattr(same, "page", lambda path, profile: f"{path.stem} in {profile}: stamped")
    monkeypatch.setattr(same, "study", lambda name: f"{name}: stamped")
    assert cli.main([command, "98", "--same"]) == 0 and ": stamped\n" in capsys.readouterr().out
    monkeypatch.setattr(same, "page", refuse)
    monkeypatch.setattr(same, "study", refuse)
    assert cli.main([command, "98", "--same"]) == 1 and "✗ " in capsys.readouterr().out


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
    code = f"import sys\nfrom aigc_course.backstage import cli\nprint([m for m in {heavy} if m in sys.modules])"
    env = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_unknown_options_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", "--sede", "1"])
    assert "--sede" in capsys.readouterr().err
