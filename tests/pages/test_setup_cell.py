"""The setup cell, the same on all pages up to its imports: what it says where the course cannot be had as it should."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import aigc_course
from aigc_course import receipts

REPO = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
ADDRESS = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
HOSTS = ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE")
END = "aigc_course.expect(course)\n"


def start_of(notebook):
    """The cell without the imports of its page."""
    cell = next(cell for cell in receipts.read(notebook)["cells"] if cell["id"] == "setup")
    before, found, _ = "".join(cell["source"]).partition(END)
    assert found, f"{notebook.name}: no {END}"
    return before + found


def call(cell, **settings):
    """Runs the cell where there is no course, and pip fails; what it printed, and what it said when it ended."""
    code = "import subprocess\nsubprocess.call = lambda command: print('called', *command[1:]) or 1\n" + cell
    env = {name: value for name, value in os.environ.items() if name not in HOSTS and not name.startswith("PYTHON")}
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], env=env | settings, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr


def test_it_is_the_same_on_all_pages():
    assert len({start_of(path) for path in NOTEBOOKS}) == 1


@pytest.mark.parametrize("host", HOSTS)
def test_a_failed_installation_is_one_sentence_that_says_what_to_do(host):
    called, said = call(start_of(NOTEBOOKS[0]), **{host: "x"})
    address = f"git+{ADDRESS}@v{aigc_course.__version__}"
    assert called.startswith("called -m pip install") and called.rstrip().endswith(address)
    assert len(said.splitlines()) == 1 and f"pip install {address}" in said
    assert "Internet" in said and "@main" in said  # Kaggle's is off at first; a version that is not published yet


def test_elsewhere_nothing_is_installed_unasked():
    called, said = call(start_of(NOTEBOOKS[0]))
    assert called == "" and "pip install git+" in said and len(said.splitlines()) == 1


def test_a_page_of_another_version_says_so_before_it_can_fail(capsys, monkeypatch):
    monkeypatch.setattr(aigc_course.os, "environ", {})
    aigc_course.expect(f"git+https://github.com/someone/a-fork@v{aigc_course.__version__}")
    assert capsys.readouterr().out == "" and aigc_course.os.environ == {"OMP_WAIT_POLICY": "PASSIVE"}
    aigc_course.expect("git+https://github.com/someone/a-fork@v9.8.7")
    said = capsys.readouterr().out
    assert "9.8.7" in said and aigc_course.__version__ in said and "aigc-course reset" in said
