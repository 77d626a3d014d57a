"""JupyterLab in a real browser: the first notebook runs, its slider moves, its picture changes."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

REPO = Path(__file__).resolve().parents[2]
NOTEBOOK = REPO / "notebooks" / "00_start_here.ipynb"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"
FINISHED = """trouble => {
    if (document.querySelector(trouble)) return true;
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent);
    return prompts.length > 0 && prompts.every(text => /\\[\\d+\\]/.test(text));
}"""
TROUBLE = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(BROWSER is None, reason=f"no browser is installed: none of {', '.join(NAMES)}"),
]


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab of its own that serves a copy of the notebook, without outputs."""
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    served = tmp_path / "served"
    served.mkdir()
    nbformat.write(notebook, served / NOTEBOOK.name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={served}", "--LabApp.extension_manager=readonly"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTERLAB_SETTINGS_DIR")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"), "AIGC_PROFILE": "smoke", "AIGC_OFFLINE": "1"}
    settings = {  # no question about news over the page; cells out of sight stay in the page
        "apputils-extension/notification": {"fetchNews": "false"},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in settings.items():
        file = tmp_path / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    address, log = f"http://127.0.0.1:{port}", tmp_path / "lab.log"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with log.open("w") as stream:
        server = subprocess.Popen(command, env=os.environ | own, stdout=stream, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 120
            while True:
                assert server.poll() is None and time.monotonic() < deadline, log.read_text()
                try:
                    opener.open(f"{address}/api", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield address
        finally:
            server.terminate()  # it ends its kernels
            server.wait(30)


def run_all(page):
    """Run > Run All Cells, which JupyterLab loses when it comes too early, so again until a prompt shows a number."""
    page.get_by_text("| Idle").wait_for()
    for _ in range(6):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_timeout(2000)
        if page.locator(".jp-Dialog").count():  # "Select Kernel"
            page.locator(".jp-Dialog .jp-mod-accept").click()
            page.wait_for_timeout(2000)
        if page.locator(".jp-CodeCell .jp-InputPrompt").filter(has_text=re.compile(r"\[(\d+|\*)\]")).count():
            break
    page.wait_for_function(FINISHED, arg=TROUBLE, timeout=300_000)
    page.get_by_text("| Idle").wait_for()


def test_slider_changes_the_picture(lab, tmp_path):
    shot = REPO / "build" / "browser.png"
    shot.parent.mkdir(exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, headless=True, args=OPTIONS.split())
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(60_000)
        try:
            page.goto(f"{lab}/lab/tree/{NOTEBOOK.name}?reset")
            page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
            page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
            run_all(page)
            assert page.locator(TROUBLE).all_inner_texts() == []
            check = page.locator(".jp-OutputArea-output").filter(has_text="not attempted yet")
            assert check.count() == 1, "the check of the exercise does not say that it was not attempted"

            output = page.locator(".jp-OutputArea-output:has(.widget-slider)").first
            handle = output.locator(".widget-slider .noUi-handle").first
            picture, readout = output.locator("img").first, output.locator(".widget-readout").first
            handle.scroll_into_view_if_needed()
            picture.wait_for()
            number, before = readout.inner_text(), picture.screenshot()
            handle.focus()
            for key in ("ArrowLeft", "ArrowRight"):  # it may stand at one end
                for _ in range(10):
                    handle.press(key)
                if readout.inner_text() != number:
                    break
            deadline = time.monotonic() + 20
            while picture.screenshot() == before and time.monotonic() < deadline:
                page.wait_for_timeout(200)
            assert readout.inner_text() != number, "the slider does not move"
            assert picture.screenshot() != before, f"the picture stays the same, slider from {number}"
            assert page.locator(TROUBLE).all_inner_texts() == []
        finally:
            page.screenshot(path=shot)
            browser.close()
