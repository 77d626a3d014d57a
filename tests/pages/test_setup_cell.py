"""The setup cell, the same on all pages up to its imports: what it says where the course cannot be had as it should."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import aigc_course
from aigc_course import receipts
from aigc_course.backstage import readme

REPO = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
ADDRESS = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
HOSTS = ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE")
END = "aigc_course.expect(course)\n"
NEW = readme.SETUP.format(address=ADDRESS.removeprefix("https://github.com/"), version=aigc_course.__version__)


def start_of(notebook):
    """The cell without the imports of its page."""
    cell = next(cell for cell in receipts.read(notebook)["cells"] if cell["id"] == "setup")
    before, found, _ = "".join(cell["source"]).partition(END)
    assert found, f"{notebook.name}: no {END}"
    return before + found


def run(cell, folder, **settings):
    """Runs the cell in a folder where there is no course, and pip fails; what it called, and what it said."""
    file = folder / "cell.py"
    file.write_text("import os\nos.system = lambda command: print('called', command) or 1\n" + cell, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name not in HOSTS and not name.startswith("PYTHON")}
    command = [sys.executable, "-I", "-S", str(file)]
    done = subprocess.run(command, env=env | settings, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    return done.stdout, done.stderr


def test_it_is_the_same_on_all_pages():
    assert {start_of(path) for path in NOTEBOOKS} == {NEW}


def test_it_is_short():
    assert len([line for line in NEW.splitlines() if line.strip() and not line.startswith("#")]) == 6
    assert max(map(len, NEW.splitlines())) <= 100


@pytest.mark.parametrize("host", HOSTS)
def test_where_installing_fails_the_error_says_what_to_do(host, tmp_path):
    called, said = run(NEW, tmp_path, **{host: "x"})
    address = f"git+{ADDRESS}@v{aigc_course.__version__}"
    assert called == f"called pip show -qq aigc-course || pip install -q {address}\n"
    assert said.count("Error") == 1 and "No module named 'aigc_course'" in said
    assert "import aigc_course  # missing? pip install what `course` says (Kaggle: Internet on; no tag: @main)" in said


def test_elsewhere_nothing_is_installed_unasked(tmp_path):
    called, said = run(NEW, tmp_path)
    assert called == "" and "# missing? pip install what `course` says" in said


def test_a_page_of_another_version_says_so_before_it_can_fail(capsys, monkeypatch):
    monkeypatch.setattr(aigc_course.os, "environ", {})
    aigc_course.expect(f"git+https://github.com/someone/a-fork@v{aigc_course.__version__}")
    assert capsys.readouterr().out == "" and aigc_course.os.environ == {"OMP_WAIT_POLICY": "PASSIVE"}
    aigc_course.expect("git+https://github.com/someone/a-fork@v9.8.7")
    said = capsys.readouterr().out
    assert "9.8.7" in said and aigc_course.__version__ in said and "aigc-course reset" in said
