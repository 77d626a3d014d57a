"""`aigc-course lab` and `reset`: working copies that survive `git pull`, and what JupyterLab is started with."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from aigc_course.backstage import cli
from aigc_course.backstage import lab as labs
from aigc_course.plumbing import rooms

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
NAMES = ("00_start_here", "03_vae", "05_dcgan")


def page(folder, name, source="x = 1"):
    """Writes a notebook with a title and one code cell that was run."""
    notebook = nbformat.v4.new_notebook()
    output = nbformat.v4.new_output("stream", text="stored by the course\n")
    title, code = nbformat.v4.new_markdown_cell(f"# {name}", id="title"), nbformat.v4.new_code_cell(source, id="code")
    code.outputs, code.execution_count, notebook.cells = [output], 1, [title, code]
    nbformat.write(notebook, folder / f"{name}.ipynb")


def work_on(copy, source=None):
    """What JupyterLab leaves of a session: new outputs, with `source` new code too."""
    notebook = nbformat.read(copy, as_version=4)
    notebook.cells[1].outputs[0].text = "the learner's own run\n"
    notebook.cells[1].source = source or notebook.cells[1].source
    nbformat.write(notebook, copy)


def code_of(path):
    return nbformat.read(path, as_version=4).cells[1].source


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with three pages that the command line takes for the checkout."""
    folder = tmp_path / "course"
    (folder / "notebooks").mkdir(parents=True)
    for name in NAMES:
        page(folder / "notebooks", name)
    shutil.copy(rooms.PACKAGE.parent / ".gitignore", folder)
    monkeypatch.setattr(rooms, "root", lambda: folder)
    return folder


@pytest.fixture
def started(monkeypatch):
    """What JupyterLab was started with, instead of starting it: its options, and the environment then."""
    found = []
    monkeypatch.setattr(labs.os, "environ", os.environ.copy())
    from jupyterlab.labapp import LabApp

    monkeypatch.setattr(LabApp, "launch_instance", lambda options: found.append((options, dict(labs.os.environ))))
    return found


@needs_git
def test_a_pull_after_a_session_brings_the_new_pages_and_loses_no_work(checkout, tmp_path, monkeypatch):
    def git(folder, *words):
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", folder, *who, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    shared, learner = tmp_path / "shared.git", tmp_path / "learner"
    git(checkout, "init", "-q", "-b", "main")
    git(checkout, "add", "--all")
    git(checkout, "commit", "-q", "-m", "Three pages")
    git(tmp_path, "clone", "-q", "--bare", checkout, shared)
    git(tmp_path, "clone", "-q", shared, learner)
    git(checkout, "remote", "add", "origin", shared)

    monkeypatch.setattr(rooms, "root", lambda: learner)
    copies = learner / "my-notebooks"
    assert labs.refresh() == [] and sorted(path.stem for path in copies.glob("*.ipynb")) == sorted(NAMES)
    work_on(copies / "03_vae.ipynb", "x = 1  # the learner's note")
    work_on(copies / "05_dcgan.ipynb")  # run, not edited
    for name in NAMES:
        page(checkout / "notebooks", name, "x = 2  # mended")
    git(checkout, "commit", "-q", "-a", "-m", "A mistake mended")
    git(checkout, "push", "-q", "origin", "main")
    git(learner, "pull", "-q", "--ff-only")
    assert git(learner, "status", "--porcelain") == ""
    assert code_of(learner / "notebooks/03_vae.ipynb") == "x = 2  # mended"

    told = labs.refresh()
    assert code_of(copies / "00_start_here.ipynb") == code_of(copies / "05_dcgan.ipynb") == "x = 2  # mended"
    assert "own run" in (copies / "old-05_dcgan.ipynb").read_text(encoding="utf-8")
    assert code_of(copies / "03_vae.ipynb") == "x = 1  # the learner's note"
    assert len(told) == 2 and "old-05_dcgan.ipynb" in told[0]
    assert "03_vae" in told[1] and "05" not in told[1] and "`aigc-course reset 03`" in told[1]
    assert labs.refresh() == told[1:]  # as long as it is so


def test_a_copy_that_was_edited_and_a_page_that_did_not_change_are_nothing_to_tell(checkout):
    labs.refresh()
    work_on(checkout / "my-notebooks/03_vae.ipynb", "x = 7")
    before = (checkout / "my-notebooks/03_vae.ipynb").read_bytes()
    assert labs.refresh() == [] and (checkout / "my-notebooks/03_vae.ipynb").read_bytes() == before


def test_new_outputs_of_the_course_reach_a_copy_that_was_left_as_it_was(checkout):
    labs.refresh()
    work_on(checkout / "notebooks/03_vae.ipynb")
    assert labs.refresh() == [] and not list((checkout / "my-notebooks").glob("old-*"))
    for place in ("my-notebooks", "my-notebooks/originals"):
        assert (checkout / place / "03_vae.ipynb").read_bytes() == (checkout / "notebooks/03_vae.ipynb").read_bytes()


def test_reset_takes_the_original_and_keeps_every_old_copy(checkout, capsys):
    copy = checkout / "my-notebooks/03_vae.ipynb"
    assert cli.main(["reset", "3"]) == 0 and copy.exists()
    for n, kept in enumerate(("old-03_vae.ipynb", "old-03_vae-2.ipynb"), start=5):
        work_on(copy, f"x = {n}")
        capsys.readouterr()
        assert cli.main(["reset", "my-notebooks/03_vae.ipynb"]) == 0
        assert capsys.readouterr().out == f"03_vae is fresh in my-notebooks/, your old copy is now {kept}.\n"
        assert code_of(copy) == "x = 1" and code_of(copy.with_name(kept)) == f"x = {n}"
    assert cli.main(["reset", "03"]) == 0 and len(list(copy.parent.glob("old-*"))) == 2  # nothing to keep
    assert cli.main(["reset", "04"]) == 2 and "there is no chapter 04" in capsys.readouterr().err
    assert [path.stem for path in sorted(copy.parent.glob("[0-9]*.ipynb"))] == ["03_vae"]  # old ones are no chapters


def test_links_from_a_copy_lead_where_they_lead_from_the_page(checkout):
    labs.refresh()
    assert (labs.folder() / "..").resolve() == checkout and labs.folder().parent == checkout
    assert {path.name for path in (checkout / "notebooks").iterdir()} <= {path.name for path in labs.folder().iterdir()}


def test_a_disk_that_is_full_leaves_no_half_a_notebook(checkout, started, monkeypatch, capsys):
    real = shutil.copyfile

    def full(source, target):
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(labs.shutil, "copyfile", full)
    assert cli.main(["lab"]) == 2 and not started and cli.main(["reset", "03"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and all("my-notebooks: No space left on device" in line for line in told)
    assert not list((checkout / "my-notebooks").rglob("*.ipynb"))
    monkeypatch.setattr(labs.shutil, "copyfile", real)
    assert cli.main(["lab"]) == 0 and len(list((checkout / "my-notebooks").glob("*.ipynb"))) == 3


def test_a_copy_that_cannot_be_read_is_left_alone_and_named(checkout):
    labs.refresh()
    copy = checkout / "my-notebooks/03_vae.ipynb"
    copy.write_bytes(copy.read_bytes()[:100])
    page(checkout / "notebooks", "03_vae", "x = 2")
    assert "`aigc-course reset 03`" in labs.refresh()[0] and len(copy.read_bytes()) == 100


def test_outputs_of_the_course_are_signed_apart_from_the_learners_own_jupyter(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "own"))
    labs.refresh()
    notary = NotebookNotary(data_dir=str(checkout / "my-notebooks/.jupyter"))
    assert notary.check_signature(nbformat.read(checkout / "my-notebooks/03_vae.ipynb", as_version=4))
    work_on(checkout / "my-notebooks/03_vae.ipynb")
    assert not notary.check_signature(nbformat.read(checkout / "my-notebooks/03_vae.ipynb", as_version=4))
    notary.store.close()
    assert not (tmp_path / "own").exists()


def test_original_pages_are_read_only_in_jupyterlab(checkout):
    from aigc_course.backstage.contents import Contents

    labs.refresh()
    contents = Contents(root_dir=str(checkout))
    places = ("notebooks", "my-notebooks/originals", "my-notebooks")
    found = {place: asyncio.run(contents.get(f"{place}/03_vae.ipynb", content=False)) for place in places}
    assert [found[place]["writable"] for place in places] == [False, False, True]


def test_jupyterlab_opens_the_first_copy_with_the_checkout_around_it(checkout, started, monkeypatch):
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("AIGC_CACHE", "kept")
    monkeypatch.setenv("AIGC_DATA_MIRROR", "https://mirror.example/data")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "theirs")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert cli.main(["lab", "--no-browser", "--ServerApp.port=9999"]) == 0
    ((options, env),) = started
    assert f"--ServerApp.root_dir={checkout}" in options
    assert "--LabApp.default_url=/lab/tree/my-notebooks/00_start_here.ipynb" in options
    assert options[-2:] == ["--no-browser", "--ServerApp.port=9999"]
    assert env["AIGC_CACHE"] == str(checkout / "kept") and env["AIGC_DATA_MIRROR"] == "https://mirror.example/data"
    assert env["OMP_WAIT_POLICY"] == "ACTIVE" and env["KMP_BLOCKTIME"] == "0"
    ours, theirs = env["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert theirs == "theirs" and os.path.isfile(f"{ours}/labconfig/default_setting_overrides.json")


def test_from_a_wheel_the_copies_lie_in_a_folder_here(tmp_path, started, monkeypatch, capsys):
    package, here = tmp_path / "package", tmp_path / "here"
    (package / "_notebooks").mkdir(parents=True)
    here.mkdir()
    for name in NAMES:
        page(package / "_notebooks", name)
    monkeypatch.setattr(rooms, "root", lambda: None)
    monkeypatch.setattr(rooms, "PACKAGE", package)
    monkeypatch.chdir(here)
    page(here, "03_vae", "x = 'notes from before'")
    (here / "aigc-notebooks").mkdir()
    (here / "03_vae.ipynb").rename(here / "aigc-notebooks/03_vae.ipynb")
    assert cli.main(["lab"]) == 0
    assert "`aigc-course reset 03`" in capsys.readouterr().out  # it may be of another version
    assert code_of(here / "aigc-notebooks/00_start_here.ipynb") == "x = 1"
    assert code_of(here / "aigc-notebooks/03_vae.ipynb") == "x = 'notes from before'"
    assert f"--ServerApp.root_dir={here / 'aigc-notebooks'}" in started[0][0]
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in started[0][0]
    assert cli.notebooks_folder() == here / "aigc-notebooks" and cli.main(["badges"]) == 2


@pytest.mark.parametrize("fault", ["raise ImportError('no such version')", "x = ("])
def test_without_a_jupyterlab_that_loads_there_is_one_sentence(tmp_path, fault):
    (tmp_path / "broken/jupyterlab").mkdir(parents=True)
    (tmp_path / "broken/jupyterlab/__init__.py").write_text(fault)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "broken"), str(rooms.PACKAGE.parent)])}
    command = [sys.executable, "-m", "aigc_course.backstage.cli", "lab"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "python -m pip install" in done.stderr


# --- links and pipes among the copies -----------------------------------------------------------------------------

needs_links = pytest.mark.skipif(os.name == "nt", reason="links want rights on Windows")


@needs_links
@pytest.mark.parametrize("name", ["my-notebooks", "my-notebooks/originals"])
def test_pages_are_not_copied_through_a_link(checkout, started, tmp_path, capsys, name):
    """It may lead to notebooks of the learner's own, of the same names."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "05_dcgan.ipynb").write_text("my own")
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).symlink_to(own)
    assert cli.main(["reset", "03"]) == 2 and cli.main(["lab"]) == 2 and not started
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and all("is a link, which is not followed; remove it" in line for line in told)
    assert [path.name for path in own.iterdir()] == ["05_dcgan.ipynb"]
    assert (own / "05_dcgan.ipynb").read_text() == "my own"


@needs_links
def test_signatures_are_not_written_through_a_link(checkout, tmp_path, capsys):
    (tmp_path / "own").mkdir()
    (checkout / "my-notebooks").mkdir()
    (checkout / "my-notebooks/.jupyter").symlink_to(tmp_path / "own")
    assert labs.refresh() == [] and code_of(checkout / "my-notebooks/03_vae.ipynb") == "x = 1"
    assert "could not be signed: " in capsys.readouterr().err and not list((tmp_path / "own").iterdir())


@needs_links
def test_a_copy_that_is_a_link_is_replaced_and_what_it_leads_to_stays(checkout, tmp_path):
    (tmp_path / "mine.ipynb").write_text("mine")
    (checkout / "my-notebooks").mkdir()
    (checkout / "my-notebooks/03_vae.ipynb").symlink_to(tmp_path / "mine.ipynb")
    assert "your old copy is now old-03_vae.ipynb" in labs.reset(checkout / "notebooks/03_vae.ipynb")
    assert (tmp_path / "mine.ipynb").read_text() == "mine"
    assert not (checkout / "my-notebooks/03_vae.ipynb").is_symlink()
    assert code_of(checkout / "my-notebooks/03_vae.ipynb") == "x = 1"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("place", ["my-notebooks", "my-notebooks/originals"])
def test_a_pipe_among_the_copies_is_not_waited_at(checkout, place):
    labs.refresh()
    (checkout / place / "03_vae.ipynb").unlink()
    os.mkfifo(checkout / place / "03_vae.ipynb")
    assert labs.refresh() == [] and code_of(checkout / place / "03_vae.ipynb") == "x = 1"
