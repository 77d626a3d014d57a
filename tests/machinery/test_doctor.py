"""`aigc-course doctor`: what it finds, each cause once and with its remedy, and no secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from server import Server

from aigc_course.backstage import cli, doctor
from aigc_course.plumbing import fetch

REPO = Path(cli.__file__).parents[2]
SETS = "mnist, tinyshakespeare, tang300, banking77, e2e, sentfin, hanzi"


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


@pytest.fixture(autouse=True)
def pip(monkeypatch):
    """What `pip check` says, without its seconds."""
    said = {"stdout": "No broken requirements found.\n", "stderr": ""}
    monkeypatch.setattr(doctor.subprocess, "run", lambda *what, **how: subprocess.CompletedProcess(what, 1, **said))
    return said


def test_each_cause_is_told_once(tmp_path, examine):
    gone = tmp_path / "gone"
    code, words = examine(AIGC_DATA_MIRROR=str(gone), HF_ENDPOINT="http://127.0.0.1:9")
    assert code == 0 and "The course runs here; 2 notes above say how it would run better." in words
    assert f"! Mirror AIGC_DATA_MIRROR={gone}: there is no such folder" in words
    assert f"! Data {SETS}: the mirror {gone} is no folder and the cache {tmp_path} lacks it" in words
    assert words.count("AIGC_OFFLINE=1 forbids the network → Unset AIGC_OFFLINE. Until then") == 1
    assert "ok HF_ENDPOINT http://127.0.0.1:9 (not asked, because AIGC_OFFLINE=1)" in words
    assert "fashion_mnist" not in words


def test_sets_with_the_same_fate_share_a_line(examine, monkeypatch):
    fates = dict.fromkeys(("mnist", "e2e"), (True, "upstream answers", ""))
    monkeypatch.setattr(fetch, "reachable", lambda name, silence: fates.get(name, (False, "gone", "find it")))
    code, words = examine()
    assert (
        "ok Data mnist, e2e: upstream answers ! Data tinyshakespeare, tang300, banking77, sentfin, hanzi: gone" in words
    )
    assert code == 0 and "→ Find it. Until then" in words and "; 1 note above says how" in words


def test_secrets_are_not_shown(examine, monkeypatch):
    monkeypatch.setattr(fetch, "reachable", lambda name, silence: (True, "", ""))
    secrets = {"AIGC_DATA_MIRROR": "http://me:se@cr3t/w0rd@mirror:1", "HF_ENDPOINT": "http://me:se@cr3t@127.0.0.1:9"}
    code, words = examine(AIGC_OFFLINE="", **secrets)
    assert "AIGC_DATA_MIRROR=http://mirror:1" in words and "http://127.0.0.1:9 could not be read" in words
    assert "cr3t" not in words and "w0rd" not in words


def test_the_hub_is_asked(examine, monkeypatch):
    monkeypatch.setattr(fetch, "reachable", lambda name, silence: (True, "", ""))
    monkeypatch.setenv("NO_PROXY", "*")
    with Server({"/": b"hub"}) as hub:
        assert f"ok HF_ENDPOINT {hub.url} answers" in examine(AIGC_OFFLINE="", HF_ENDPOINT=hub.url)[1]
        hub.faults["*"] = "404"
        assert f"ok HF_ENDPOINT {hub.url} answered 404" in examine(AIGC_OFFLINE="", HF_ENDPOINT=hub.url)[1]
        hub.faults["*"] = "500"
        words = examine(AIGC_OFFLINE="", HF_ENDPOINT=hub.url)[1]
        assert f"! HF_ENDPOINT {hub.url} answered 500" in words and "→ Set it to an address that you reach" in words


def test_only_what_stops_the_course_fails(examine):
    code, words = examine(AIGC_STANDIN="0")  # then a chapter without its data stops
    assert code == 1 and "✗ Data mnist" in words and "cannot run here yet" in words
    code, words = examine(AIGC_STANDIN="", AIGC_PROFILE="fast")
    assert code == 1 and "AIGC_PROFILE is 'fast'" in words and "mnist" in words
    code, words = examine(AIGC_PROFILE="", AIGC_TIMEOUT="soon")
    assert code == 1 and "AIGC_TIMEOUT must be a number of seconds above 0, not 'soon'" in words


def test_packages_are_pips_business(examine, pip):
    assert "ok Packages here is all that aigc-course " in examine()[1]
    pip["stdout"] = (
        "other 1.0 requires thing, which is not installed.\n"
        "aigc-course 0.1.0 requires peft, which is not installed.\n"
        "aigc-course 0.1.0 has requirement numpy>=1.26, but you have numpy 0.1.\n"
    )
    code, words = examine()
    assert code == 1 and "✗ peft is not installed → python -m pip install peft" in words and "thing" not in words
    assert "! Package you have numpy 0.1; the course is made for numpy>=1.26" in words and "ok Packages" not in words
    assert '→ python -m pip install "numpy>=1.26"' in words
    pip.update(stdout="", stderr="/usr/bin/python: No module named pip\n")
    assert "! Packages were not examined, because this Python has no pip" in examine()[1]


def test_pip_says_it_so():
    """The words that the doctor looks for are those of the pip that is here."""
    from pip._internal.commands import check

    source = Path(check.__file__).read_text(encoding="utf-8")
    assert "%s %s requires %s, which is not installed." in source
    assert "%s %s has requirement %s, but you have %s %s." in source


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({}, (float("inf"), float("inf"), float("inf"))),
        ({"memory.max": "max\n", "cpu.max": "max 100000\n"}, (float("inf"), float("inf"), float("inf"))),
        (
            {
                "memory.max": "4000000000\n",
                "memory.current": "3000000000\n",
                "memory.stat": "anon 1\ninactive_file 500000000\n",
                "cpu.max": "150000 100000\n",
            },
            (4e9, 1.5e9, 1.5),
        ),
        (
            {
                "memory/memory.limit_in_bytes": "2000000000\n",
                "memory/memory.usage_in_bytes": "1500000000\n",
                "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 500000000\n",
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
            },
            (2e9, 1e9, float("inf")),
        ),
    ],
)
def test_limits_of_a_container_are_read(tmp_path, files, allowed):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert doctor.container(tmp_path) == allowed


def test_limits_of_a_container_are_shown(examine, monkeypatch):
    monkeypatch.setattr(doctor, "container", lambda: (4e9, 2.5e9, 0.5))
    words = examine()[1]
    assert "! Memory 4.0 GB, of which 2.5 GB are free; 0.5 cores (limits of this container)" in words


def test_a_user_without_a_home_gets_a_sentence(examine, monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    code, words = examine(AIGC_CACHE="")
    assert code == 1 and "This user has no home folder; set AIGC_CACHE to a folder for downloads" in words


def test_it_works_where_torch_does_not(tmp_path):
    code = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("libtorch_cpu.so: cannot open shared object file")
sys.meta_path.insert(0, Blocker())
from aigc_course.backstage import cli
sys.exit(cli.main(["doctor"]))
"""
    env = os.environ | {"PYTHONPATH": str(REPO), "AIGC_CACHE": str(tmp_path), "AIGC_OFFLINE": "1", "PYTHONUTF8": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=-1, stderr=-1, text=True, encoding="utf-8")
    words, errors = process.communicate(timeout=120)
    words = " ".join(words.split())
    assert process.returncode == 1 and "✗ torch does not load: ImportError: libtorch_cpu.so" in words and not errors
    assert "→ python -m pip install" in words and "Memory" in words and "mnist" in words
