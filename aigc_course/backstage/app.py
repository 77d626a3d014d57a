"""`aigc-course app`: a page's product in the browser, without its code: Voilà runs the cells with the tag `app`."""

import logging
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_course import receipts
from aigc_course.backstage.pages import Problem, code_cells, load
from aigc_course.plumbing import machine, rooms

if TYPE_CHECKING:
    from nbformat import NotebookNode

HOST = "127.0.0.1"
PATIENCE = 1200  # seconds that a cell may take, as in `aigc-course run`
DESERTED = 600  # seconds after which a kernel ends whose page was closed
HERE_ONLY = "default-src 'self' ws: data: blob: 'unsafe-inline' 'unsafe-eval'"  # Voilà's pages ask other servers too
WIDGETS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8"]  # of JupyterLab's extensions
CAPTION = ".widget-vbox > .widget-html:last-child small:only-child"  # of `widgets.explore`: it speaks of cells


def notebook(page: Path) -> "NotebookNode":
    """What the app runs: the page's first-level heading, then its code cells with the tag `app`, without outputs.

    Raises Problem where no cell has the tag, or the file is damaged.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    whole = load(page)
    tagged = [cell for cell in code_cells(whole) if "app" in cell.metadata.get("tags", ())]
    if not tagged:
        raise Problem(f"{page.stem} has no app: none of its code cells has the tag app")
    lines = [line for cell in whole.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    heading = next((line for line in lines if line.startswith("# ")), f"# {page.stem}")
    title = new_markdown_cell(f"{heading}\n\n<style>{CAPTION} {{display: none}}</style>", id="title")
    cells = [title, *(new_code_cell(cell.source, id=cell.id) for cell in tagged)]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def start(page: Path, *, port: int = 0, browser: bool = True) -> int:
    """Serves the app of a page until Ctrl-C, to each visitor from a kernel of their own. Returns an exit code.

    port: 0 for one that is free. Raises Problem where the page has no app, Voilà does not load or the port is taken.
    """
    shown, port = notebook(page), _free(port)
    print("Starting Voilà, which can take some seconds …", flush=True)
    try:
        import nbformat
        from tornado.ioloop import IOLoop, PeriodicCallback
        from traitlets.config import Config
        from voila.app import Voila
    except Exception as error:  # whatever a broken installation raises
        raise Problem(f'Voilà cannot be loaded ({error}): python -m pip install -U "voila>=0.5.7"') from error
    machine.calm(os.environ)  # kernels inherit it
    if rooms.root():  # a checkout need not be installed, and the kernel's folder is another
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(rooms.PACKAGE.parent), os.getenv("PYTHONPATH")]))
    with tempfile.TemporaryDirectory(prefix="aigc-app-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "here" / f"{page.stem}.ipynb"
        copy.parent.mkdir()
        nbformat.write(shown, copy)
        server = Voila.instance(config=Config(_settings(folder, port)))
        server.initialize([str(copy)])
        logging.getLogger("tornado").setLevel(logging.ERROR)
        loop = IOLoop.current()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.add_callback_from_signal(loop.stop))
        PeriodicCallback(lambda: None, 1000).start()  # Windows sees Ctrl-C only when the loop wakes
        address = f"http://{HOST}:{port}/"
        loop.add_callback(print, f"The app is at {address} until Ctrl-C. {_patience(page)}", flush=True)
        if browser:
            loop.add_callback(loop.run_in_executor, None, webbrowser.open, address)
        server.start()
    return 0


def _free(port: int) -> int:
    """The port, for 0 one that is free. Raises Problem where it cannot be had."""
    try:
        with socket.create_server((HOST, port)) as taken:
            return taken.getsockname()[1]
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "a port is a number up to 65535"
        raise Problem(f"port {port} cannot be used ({why}): name another with --port, or none") from error


def _patience(page: Path) -> str:
    """What is waited for when the app is opened; a page takes longer than its app, and its receipt says how long."""
    with suppress(OSError, ValueError):
        minutes = statistics.median(run["minutes"] for run in receipts.load(page.stem)["runs"])
        return f"When it is opened its cells run first, training too; the whole page takes {minutes:.1f} minutes."
    return "When it is opened its cells run first, training too."


def _settings(folder: str, port: int) -> dict[str, dict[str, Any]]:
    """What Voilà is told, in the place of configuration files of the learner's other work."""
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

    class Kernels(AsyncMappingKernelManager):
        """Kernels that leave the console alone, and that end at once: they have nothing to save."""

        async def start_kernel(self, **options: Any) -> str:
            return await super().start_kernel(**options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        async def shutdown_all(self, now: bool = True) -> None:
            await super().shutdown_all(now=now)

    own = {"ip": HOST, "port": port, "port_retries": 0, "open_browser": False, "config_file_paths": []}
    page = {"headers": {"Content-Security-Policy": HERE_ONLY}}
    page |= {"disable_check_xsrf": True}  # or "kernel, end", which a page sends when it is left, is refused
    kernels = {"kernel_spec_manager_class": "aigc_course.backstage.runner.ThisPython"}
    kernels |= {"multi_kernel_manager_class": Kernels, "extension_allowlist": WIDGETS}
    said = {"cell_error_instruction": "The console of `aigc-course app` says what went wrong."}
    return {
        "Voila": own | {"tornado_settings": page, "connection_dir_root": folder, "log_level": "ERROR"},
        "VoilaConfiguration": kernels,
        "VoilaExecutor": said | {"timeout": PATIENCE},
        "MappingKernelManager": {"cull_idle_timeout": DESERTED, "cull_interval": 60},
        "NotebookNotary": {"data_dir": folder},
    }
