"""The command line but for `run`: studies and options; on a small repository in a temporary folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_course import chapter, stored

from aigc_course import receipts
from aigc_course.backstage import cli, same, store
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


def test_a_shortened_study_keeps_the_numbers_by_which_its_tables_are_read(tmp_path):
    """SHORT travels as JSON, whose keys are words."""
    (tmp_path / "study.py").write_text(
        "STEPS = {4: 100, 2: 50, 'all': 9}\ndef run(seeds): return [STEPS[4], STEPS['all']]"
    )
    (tmp_path / "run.py").write_text(same.STUDY)
    short, target = json.dumps({"STEPS": {4: 1, 2: 1, "all": 3}}), tmp_path / "rows.json"
    words = [tmp_path / "run.py", tmp_path / "study.py", "0", short, target, "bf16"]
    subprocess.run([sys.executable, *map(str, words)], check=True)
    assert json.loads(target.read_text()) == [1, 3]


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


# --- options ------------------------------------------------------------------------------------------


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


def test_a_reader_that_goes_ends_a_command_quietly():
    """As `aigc-course doctor | head -2` does."""
    code = "import sys\nfrom aigc_course.backstage import cli\n"
    code += "def doctor(args):\n    print('x\\n' * 200_000)\ncli.doctor = doctor\nsys.exit(cli.main(['doctor']))"
    env = os.environ | {"PYTHONPATH": str(REPO)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141


def test_relative_paths_in_settings_are_resolved_once(tmp_path, monkeypatch, capsys):
    """Kernels, JupyterLab and tests start in other folders, and look at the same places as the command line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own-model").mkdir()
    given = {"AIGC_CACHE": "cache", "AIGC_DATA_MIRROR": "course-data", "AIGC_MODEL": "own-model", "HF_HOME": "hf"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cli.subprocess, "call", lambda command, env, cwd: seen.update(env) or 0)
    monkeypatch.setattr(cli.rooms, "root", lambda: REPO)
    seen = {}
    assert cli.main(["test"]) == 0
    assert {name: seen[name] for name in given} == {name: str(tmp_path / value) for name, value in given.items()}


def test_a_setting_that_means_nothing_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setenv("AIGC_OFFLINE", "yes")
    monkeypatch.delenv("AIGC_DATA_MIRROR", raising=False)
    assert cli.main(["fetch", "mnist"]) == 2
    assert capsys.readouterr().err == "aigc-course: AIGC_OFFLINE is 'yes'; it can be 0, 1, or unset\n"


@pytest.mark.parametrize(
    ("name", "command"), [("README.md", "table"), ("README.md", "badges"), ("pyproject.toml", "badges")]
)
def test_a_text_file_that_is_none_is_told_in_a_sentence(repo, capsys, name, command):
    (repo / "README.md").write_text("<!-- table -->\n<!-- /table -->\n", encoding="utf-8")
    content = (repo / name).read_bytes() + "Zürich".encode("latin-1")
    (repo / name).write_bytes(content)
    assert cli.main([command]) == 2 and (repo / name).read_bytes() == content
    told = capsys.readouterr().err
    assert told.startswith("aigc-course: a file that this command reads is damaged: 'utf-8' codec can't decode")
    assert told.count("\n") == 1


def test_a_number_that_no_float_holds_is_told_in_a_sentence(repo, capsys, monkeypatch):
    (repo / "README.md").write_text("<!-- table -->\n<!-- /table -->\n", encoding="utf-8")
    monkeypatch.setattr(cli.readme, "table", lambda *what: f"{10**400:.1f}")
    assert cli.main(["table"]) == 2
    said = "aigc-course: a file that this command reads is damaged: int too large to convert to float\n"
    assert capsys.readouterr().err == said
