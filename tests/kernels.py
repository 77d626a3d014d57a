"""Kernels that are forked from one process that has loaded what most pages load, which spares each page some seconds.

For nbval by `warm`. As a program it executes a notebook for each line of its input, [path, environment] as JSON, and
answers each with one line: what went wrong, or null.
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import local_provisioner

HERE = str(Path(__file__).parent)
LOADED = ["ipykernel.kernelapp", "matplotlib.pyplot", "torch._dynamo", "transformers", "peft"]
EMPTY = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # of the kernels' folders
CONTEXT = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")


def _serve(argv, env, cwd):
    """In the fork: become what `python -m ipykernel_launcher` would be."""
    from ipykernel.kernelapp import launch_new_instance

    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:] = [place for place in sys.path if not place.startswith(HERE)]
    sys.argv = ["ipykernel_launcher.py", *argv]
    with open(os.devnull, "w") as nowhere:
        for stream in (1, 2):  # what the kernel says goes to its front end
            os.dup2(nowhere.fileno(), stream)
    launch_new_instance(argv=argv)


class Forked:
    """What jupyter_client asks of a subprocess.Popen."""

    stdin = stdout = stderr = None

    def __init__(self, command, env=None, cwd=None, **_):
        self.process = CONTEXT.Process(target=_serve, args=(command[3:], dict(env or os.environ), cwd or os.getcwd()))
        self.process.start()
        self.pid = self.process.pid
        while (
            self.process.is_alive() and os.getpgid(self.pid) != self.pid
        ):  # or its group would be the one that all kernels are forked in
            time.sleep(0.01)

    def poll(self):
        return self.process.exitcode

    def wait(self, timeout=None):
        self.process.join(timeout)
        return self.process.exitcode

    def send_signal(self, number):
        if self.process.is_alive():
            os.kill(self.pid, number)

    def terminate(self):
        self.process.terminate()

    def kill(self):
        self.process.kill()


class Manager(KernelManager):
    """Each kernel begins in an empty folder of its own, so that a page leaves nothing beside the notebooks."""

    async def _async_launch_kernel(self, kernel_cmd, **options):
        options["cwd"] = tempfile.mkdtemp(dir=EMPTY.name)
        launch = Forked if sys.platform == "linux" else local_provisioner.launch_kernel
        with mock.patch.object(local_provisioner, "launch_kernel", launch):
            await super()._async_launch_kernel(kernel_cmd, **options)


def warm():
    """From here on nbval's kernels are `Manager`'s: forks, but on Windows, and on macOS, where that is not safe."""
    import nbval.kernel

    if sys.platform == "linux":
        CONTEXT.set_forkserver_preload(LOADED)
    nbval.kernel.KernelManager = Manager


def main():
    import nbclient
    import nbformat

    CONTEXT.set_forkserver_preload(LOADED)
    local_provisioner.launch_kernel = Forked
    for path, env in map(json.loads, sys.stdin):
        notebook, failure = nbformat.read(path, as_version=4), None
        resources = {"metadata": {"path": str(Path(path).parent)}}
        client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources)
        try:
            client.execute(env=env)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        nbformat.write(notebook, Path(path).with_name("executed.ipynb"))
        print(json.dumps(failure), flush=True)


if __name__ == "__main__":
    main()
