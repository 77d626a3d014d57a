"""One execution of one notebook, in a fresh kernel: what it reached, its outputs, and what went wrong."""

import copy
import logging
import math
import os
import re
import shutil
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.util import run_sync
from nbformat import NotebookNode
from nbformat.v4 import new_output
from tqdm import tqdm

from aigc_course.backstage.pages import code_cells
from aigc_course.plumbing import machine, rooms, stored
from aigc_course.plumbing.console import clean

MOST = 5_000_000  # characters that a cell may write, those of pictures included
NUMBER = int | float | None
RECORDED = {"profile": str, "device": str, "torch": str, "peak_gb": NUMBER, "data": {...: str}}
RECORDED |= {"figures": {...: NUMBER}, "claims": [stored.CLAIM]}


@dataclass
class Outcome:
    """One execution: the notebook as it then was, what its run file held, and the failure's report or ""."""

    notebook: NotebookNode
    run: dict[str, Any]
    error: str = ""


class ThisPython(KernelSpecManager):
    """Kernels run in the interpreter that runs this, whatever kernels are installed on the machine."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, name=kernel_name, display_name="Python 3 (ipykernel)", language="python")


class _Client(NotebookClient):
    """Bounds what a cell writes, and passes on how far it is: words that it shows in the place of others."""

    def begin(self, bar: tqdm, words: str) -> None:
        """Before a cell. words: what the bar says while the cell runs, with the cell's own progress behind it."""
        self.bar, self.words, self.left, self.shown = bar, words, MOST, {}
        bar.set_description_str(words)

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Takes note of a message, and leaves out what is too much."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "clear_output":
            self.left = MOST
        elif kind == "update_display_data" and isinstance(text := content["data"].get("text/plain"), str):
            self.shown[str(content.get("transient", {}).get("display_id"))] = text
            self.bar.set_description_str(f"{self.words} · {clean(' '.join(text.split())[:60])}", refresh=False)
        elif kind in ("stream", "display_data", "execute_result"):
            left, texts = self.left, content["data"].values() if "data" in content else [content["text"]]
            self.left -= sum(len(str(text)) for text in texts)
            if self.left < 0 and (kind != "stream" or left <= 0):
                return None
            if self.left < 0:
                content["text"] = content["text"][:left]
        return super().process_message(msg, cell, cell_index)

    def end(self, cell: NotebookNode) -> None:
        """After a cell, however it ended: joins what it printed, as a terminal would show it, stdout before stderr.

        The last words of a progress bar count as printed. nbclient's own joining takes a time that grows with the
        square of a line's length.
        """
        if self.left < 0:
            said = f"\n[What came after {MOST:,} characters is left out.]\n"
            cell.outputs.append(new_output("stream", name="stdout", text=said))
        parts, outputs = {}, []
        for output in cell.outputs:
            text = output.get("data", {}).get("text/plain")
            if output.output_type == "display_data" and len(output.data) == 1 and text in self.shown.values():
                output = new_output("stream", name="stdout", text=f"{text}\n")
            if output.output_type != "stream" or output.name not in parts:
                outputs.append(output)
            if output.output_type == "stream":
                parts.setdefault(output.name, []).append(output.text)
        for output in outputs:
            if output.output_type == "stream":
                output.text = "\n".join(map(_overwritten, "".join(parts[output.name]).split("\n")))
        for i in range(1, len(outputs)):
            if [output.get("name") for output in outputs[i - 1 : i + 1]] == ["stderr", "stdout"]:
                outputs[i - 1 : i + 1] = outputs[i], outputs[i - 1]
        cell.outputs = outputs


def _overwritten(line: str) -> str:
    """What a terminal shows of a line with carriage returns: what stands behind the last."""
    text = line.rstrip("\r")
    return text.rpartition("\r")[2] + line[len(text) :]


def execute(
    notebook: NotebookNode,
    name: str,
    bar: tqdm,
    *,
    label: str,
    variables: dict[str, str],
    timeout: int,
    cwd: Path | None = None,
) -> Outcome:
    """Runs a notebook from its first cell in a fresh kernel, which is gone when this returns or raises.

    name: the notebook's, in what is said of failures; label: what the bar says; variables: environment, added to ours;
    timeout: seconds a cell; cwd: the kernel's folder, else an empty one that goes with it. A failure is told in the
    outcome's `error`, not raised.
    """
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    scratch = Path(tempfile.mkdtemp(prefix="aigc-run-"))
    (scratch / "here").mkdir()
    env = {"AIGC_QUIET": "1" if bar.disable else "0"} | os.environ
    machine.calm(env)
    env |= {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "AIGC_RUN_FILE": str(scratch / "run.json")} | variables
    env["AIGC_STRICT"] = "0"  # a claim that does not hold must not end the run
    if rooms.root():  # a checkout need not be installed, and the kernel's folder is another
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(rooms.PACKAGE.parent), env.get("PYTHONPATH")]))
    silent = logging.getLogger("aigc_course.silent")
    silent.setLevel(logging.CRITICAL + 1)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython(), log=silent)
    options = {"timeout": timeout, "coalesce_streams": False, "record_timing": False, "log": silent}
    client = _Client(notebook, km=manager, **options)
    started, cell, done, peak, error = time.monotonic(), None, threading.Event(), [0.0], ""
    run: dict[str, Any] = {"profile": variables.get("AIGC_PROFILE", "lesson"), "device": "cpu", "torch": None}
    try:
        where = {"cwd": str(cwd or scratch / "here"), "env": env}
        with open(scratch / "log", "wb") as log, client.setup_kernel(**where, stdout=log, stderr=log):
            _look_again(client.kc.shell_channel)
            threading.Thread(target=_watch, args=(manager.provisioner.pid, done, peak, bar), daemon=True).start()
            for count, cell in enumerate(code_cells(notebook), start=1):
                client.begin(bar, f"{label} · {cell.id}")
                try:
                    client.execute_cell(cell, notebook.cells.index(cell), execution_count=count)
                finally:
                    client.end(cell)
                if (hidden := _traceback(cell, client)) and "raises-exception" not in cell.metadata.get("tags", []):
                    raise RuntimeError(f"An error was raised inside a widget:\n\n{hidden}")
                bar.update()
            client.set_widgets_metadata()
        run |= _recorded(scratch / "run.json")
    except CellExecutionError as failure:
        error = _describe(name, notebook, cell, _traceback(cell, client) or f"{failure.ename}: {failure.evalue}")
    except CellTimeoutError:
        error = _describe(name, notebook, cell, f"The cell ran longer than {timeout} s (--timeout) and was stopped.")
    except DeadKernelError:
        error = _describe(name, notebook, cell, _cause_of_death(manager, scratch / "log"))
    except Exception as failure:  # no kernel, a hidden error, a damaged run file, a message that nbclient cannot take
        kind = "" if isinstance(failure, (RuntimeError, ValueError)) else f"{type(failure).__name__}: "
        error = _describe(name, notebook, cell, f"{kind}{failure}")
    finally:
        done.set()
        _end(manager, client)
        shutil.rmtree(scratch, ignore_errors=True)
    run |= {"minutes": (time.monotonic() - started) / 60, "peak_gb": run.get("peak_gb") or peak[0]}
    return Outcome(notebook, run, error)


def _recorded(path: Path) -> dict[str, Any]:
    """What a notebook recorded (`runtime.Run` writes it), {} for nothing. Raises ValueError where it is damaged."""
    if not path.is_file():
        return {}
    run = stored.read(path)
    wrong = stored.fault(run, RECORDED)
    if wrong or run["profile"] not in ("smoke", "lesson", "full"):
        raise ValueError(f"What the notebook recorded is damaged: {wrong or 'profile'} is not as it should be.")
    return run


def _look_again(channel: Any) -> None:
    """Makes an asynchronous channel look for messages each second, instead of only when it is woken.

    What nbclient sends to a widget's output area leaves through the shell socket without asyncio's knowledge, and now
    and then takes with it the wake-up of the reply that just came (jupyter/nbclient#312): the run waited for ever.
    """
    get_msg = channel.get_msg

    async def attentive(timeout: float | None = None) -> dict[str, Any]:
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            try:
                return await get_msg(timeout=min(1.0, max(0.0, left)))
            except Empty:
                if left <= 1:
                    raise

    channel.get_msg = attentive


def _watch(pid: int, done: threading.Event, peak: list[float], bar: tqdm) -> None:
    """Keeps the largest memory of a process, in 1e9 bytes, and the bar's clock going."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        while not done.wait(0.25):
            memory = process.memory_info()
            peak[0] = max(peak[0], getattr(memory, "peak_wset", memory.rss) / 1e9)
            bar.refresh()


def _end(manager: AsyncKernelManager, client: NotebookClient) -> None:
    """Ends the kernel, and the processes of its group, at once."""
    for step in (lambda: run_sync(manager.shutdown_kernel)(now=True), lambda: client.kc.stop_channels()):
        with suppress(Exception):  # it may never have started, or be dead already
            step()


def _traceback(cell: NotebookNode, client: NotebookClient) -> str:
    """The error among a cell's outputs or in a widget's output area, or "".

    A widget's callback can leave one while its cell ends well; but a learner sees an error there.
    """
    inside = [output for state in client.widget_state.values() for output in state.get("outputs", [])]
    errors = [output for output in [*cell.outputs, *inside] if output["output_type"] == "error"]
    return "\n".join(errors[0]["traceback"]) if errors else ""


def _cause_of_death(manager: AsyncKernelManager, log: Path) -> str:
    code = getattr(getattr(manager.provisioner, "process", None), "returncode", None)
    cause = "" if code is None else f": it ended itself with exit code {code}" if code >= 0 else f": signal {-code}"
    cause += "; the system ends a process like this when memory runs out" if code == -9 else ""
    lines = log.read_bytes()[-100_000:].decode("utf-8", errors="replace").splitlines()
    last = [line for line in lines if line.strip() and "[IPKernelApp]" not in line][-10:]
    return f"The kernel died in this cell{cause}." + ("\n\n" + "\n".join(last) if last else "")


def _describe(name: str, notebook: NotebookNode, cell: NotebookNode | None, error: str) -> str:
    """A failure in words: chapter, cell, its heading, its source, the error."""
    error = textwrap.indent(error.rstrip()[-20_000:], "    ")
    if cell is None:
        return f"{name} failed before its first cell:\n\n{error}"
    position = notebook.cells.index(cell)
    text = "\n".join(other.source for other in notebook.cells[:position] if other.cell_type == "markdown")
    headings = re.findall(r"(?m)^#+ +(.+)$", text)
    under = f', under "{headings[-1]}"' if headings else ""
    source = textwrap.indent(cell.source, "    | ", lambda line: True)
    where = f'in cell "{cell.id}" (cell {position + 1} of {len(notebook.cells)}{under})'
    return f"{name} failed {where}:\n\n{source}\n\n{error}"
