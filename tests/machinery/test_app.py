"""`aigc-course app`: which cells an app runs, what Voilà is started with, and that nothing stays behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
import requests
from small_course import chapter, notebook, tag

from aigc_course.backstage import app as apps
from aigc_course.backstage import cli
from aigc_course.plumbing import rooms

REPO = Path(cli.__file__).parents[2]
COMMAND = [sys.executable, "-m", "aigc_course.backstage.cli", "app"]
CELLS = {"setup": "x = 6", "claims": "1 / 0", "product": "print(7 * x)"}


@pytest.fixture
def page(repo):
    """A page with an app of two cells, one with its outputs stored, and one between that would fail."""
    path = tag(chapter(repo, "22_made_up", **CELLS), "app", "title", "setup", "product")
    made = nbformat.read(path, as_version=4)
    made.cells[-1].outputs = [nbformat.v4.new_output("stream", text="stored by the course\n")]
    made.cells[-1].execution_count = 3
    nbformat.write(made, path)
    return path


@pytest.fixture
def started(monkeypatch):
    """What Voilà was started with, instead of starting it: itself, the notebook that it was given, the environment."""
    voila = pytest.importorskip("voila.app")
    found = []
    monkeypatch.setattr(apps.os, "environ", os.environ.copy())
    monkeypatch.setattr(apps.signal, "signal", lambda *_: None)

    def start(server):
        found.append((server, nbformat.read(server.notebook_path, as_version=4), dict(apps.os.environ)))

    monkeypatch.setattr(voila.Voila, "start", start)
    yield found
    voila.Voila.clear_instance()


def test_the_app_has_the_heading_and_exactly_the_tagged_code_cells(page):
    made = apps.notebook(page)
    assert [cell.id for cell in made.cells] == ["title", "setup", "product"]
    title, *code = made.cells
    assert title.source.startswith("# 22_made_up\n") and "What it is about" not in title.source
    assert [cell.source for cell in code] == ["x = 6", "print(7 * x)"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    nbformat.validate(made)


def test_voila_gets_the_app_in_a_folder_that_goes_with_it(page, started, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("voila.json").write_text(json.dumps({"Voila": {"port": 1}, "VoilaConfiguration": {"strip_sources": False}}))
    apps.os.environ |= {"AIGC_CACHE": "kept", "PYTHONPATH": "theirs", "OMP_WAIT_POLICY": "ACTIVE"}
    monkeypatch.setattr(cli.os, "environ", apps.os.environ)
    assert cli.main(["app", "22", "--no-browser"]) == 0
    ((server, shown, env),) = started
    assert [cell.id for cell in shown.cells] == ["title", "setup", "product"]
    folder = Path(server.notebook_path).parent
    assert not folder.exists() and page.parent not in folder.parents and folder.parent.name.startswith("aigc-app-")
    assert server.ip == "127.0.0.1" and server.port > 1 and not server.open_browser
    assert server.voila_configuration.strip_sources and not server.voila_configuration.show_tracebacks
    kernel = server.voila_configuration.kernel_spec_manager_class().get_all_specs()["python3"]["spec"]
    assert kernel["argv"][0] == sys.executable
    assert env["AIGC_CACHE"] == str(tmp_path / "kept") and env["OMP_WAIT_POLICY"] == "ACTIVE"
    assert env["PYTHONPATH"].split(os.pathsep) == [str(rooms.PACKAGE.parent), "theirs"] and env["KMP_BLOCKTIME"] == "0"
    assert capsys.readouterr().out.startswith("Starting Voilà")


def test_the_words_about_waiting_are_those_of_the_receipt():
    assert re.search(r"the whole page takes \d+\.\d minutes\.", apps._patience(Path("03_vae.ipynb")))
    assert "minutes" not in apps._patience(Path("my_own.ipynb"))


# --- bad input -----------------------------------------------------------------------------------------------


def refused(capsys, *words):
    """The one sentence with which the command refuses."""
    assert cli.main(["app", *map(str, words)]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and len(shown.err.splitlines()) == 1
    return shown.err


def test_what_has_no_app_is_named(repo, page, tmp_path, capsys):
    chapter(repo, "21_plain", setup="1")
    chapter(repo, "22_other", setup="1")
    assert "there is no chapter 99, only 21_plain" in refused(capsys, "99")
    assert "there is no file" in refused(capsys, "missing.ipynb")
    assert "21_plain has no app: none of its code cells has the tag app" in refused(capsys, "21")
    assert "22 can be 22_made_up or 22_other: say which" in refused(capsys, "22")
    only_words = tag(notebook(tmp_path / "words.ipynb", setup="1"), "app", "title")
    assert "words has no app" in refused(capsys, only_words)
    page.write_bytes(page.read_bytes()[:100])
    assert "22_made_up.ipynb is damaged" in refused(capsys, "22_made_up")


def test_a_port_that_cannot_be_had_is_named(page, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used (" in refused(capsys, "22", "--port", port)
    assert "a port is a number up to 65535" in refused(capsys, "22", "--port", "70000")
    with pytest.raises(SystemExit):
        cli.main(["app", "22", "--port", "home"])


@pytest.mark.parametrize("fault", ["raise ImportError('no such version')", "x = ("])
def test_without_a_voila_that_loads_there_is_one_sentence(tmp_path, fault):
    (tmp_path / "broken/voila").mkdir(parents=True)
    (tmp_path / "broken/voila/__init__.py").write_text(fault)
    path = tag(notebook(tmp_path / "own.ipynb", setup="1"), "app", "setup")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "broken"), str(REPO)])}
    done = subprocess.run([*COMMAND, path], env=env, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout.startswith("Starting Voilà")
    assert len(done.stderr.splitlines()) == 1 and "python -m pip install" in done.stderr


# --- a server ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="sends Ctrl-C as a signal")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("trains", [False, True], ids=["shown", "training"])
def test_ctrl_c_ends_an_app_and_its_kernel_without_a_traceback(tmp_path, trains):
    pytest.importorskip("voila")
    (tmp_path / "own").mkdir()
    source = "import os, sys\nprint('here', os.environ['AIGC_PROFILE'], sys.executable)\nprint('hm', file=sys.stderr)"
    more = "import time; time.sleep(500)" if trains else "print(6 * 7)"
    path = tag(notebook(tmp_path / "own.ipynb", setup=source, aside="1 / 0", more=more), "app", "setup", "more")
    env = os.environ | {"PYTHONPATH": str(REPO), "AIGC_PROFILE": "smoke", "TMPDIR": str(tmp_path / "own")}
    server = subprocess.Popen([*COMMAND, path, "--no-browser"], env=env, stdout=-1, stderr=-2, text=True, cwd=tmp_path)
    try:
        lines = [server.stdout.readline(), server.stdout.readline()]
        address = re.search(r"The app is at (http://127\.0\.0\.1:\d+/) until Ctrl-C", lines[-1])[1]
        if trains:
            asking = threading.Thread(target=_ask, args=[address])
            asking.start()
            while not (kernels := psutil.Process(server.pid).children()):
                time.sleep(0.2)
            time.sleep(3)
        else:
            shown = _ask(address)
            assert f"here smoke {sys.executable}" in shown and "42" in shown
            assert "ZeroDivision" not in shown and "print(" not in shown and ">hm" not in shown
            kernels = psutil.Process(server.pid).children()
        assert len(kernels) == 1
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=60)
        assert (server.returncode, rest) == (0, "")
        assert not psutil.wait_procs(kernels, timeout=10)[1], "the kernel is an orphan"
        assert list((tmp_path / "own").iterdir()) == []
        if trains:
            asking.join(60)
    finally:
        server.kill()


def _ask(address):
    """What an app answers, as text; of one that ends meanwhile, what came before."""
    text = ""
    try:
        with requests.get(address, stream=True, timeout=120) as answer:
            for part in answer.iter_content(None):
                text += part.decode()
    except requests.RequestException:
        pass
    return text
