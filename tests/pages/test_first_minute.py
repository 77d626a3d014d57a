"""The learner's first minute on Colab: one notebook alone in an empty folder, among the packages that Colab has.

The environment holds Colab's versions (colab.txt) and not the course. The setup cell must install the course, from a
git repository made of this working tree, and leave what was there as it was.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from aigc_course import __version__

REPO = Path(__file__).resolve().parents[2]
KERNELS = REPO / "tests" / "kernels.py"
PINS = REPO / "tests" / "colab.txt"
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="Colab runs on Linux"),
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="Colab's versions (numpy 2.1.3) have no build for 3.14"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]


def call(*command, **options):
    """Runs a command; its whole output is in the message when it fails."""
    done = subprocess.run([str(part) for part in command], text=True, stdout=-1, stderr=subprocess.STDOUT, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}"
    return done.stdout


LIST = """
import importlib.metadata, json
print(json.dumps([[package.name, package.version] for package in importlib.metadata.distributions()]))
"""


def freeze(python):
    """What is installed; without pip, which takes two seconds to say it."""
    found = json.loads(call(python, "-I", "-c", LIST))
    return {name.lower().replace("_", "-"): version for name, version in found if name}


@pytest.fixture(scope="module")
def colab():
    """The interpreter of an environment like Colab's, without the course; kept in build/ for the next time."""
    key = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = REPO / "build" / f"colab-{key}"
    python, listed = folder / "bin" / "python", folder / "installed.json"
    if not listed.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "-q", "--no-compile", "-r", PINS]
        call(*pip, "--no-deps")  # a complete list: quick
        if subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode:
            call(*pip)  # a CUDA build of PyTorch needs libraries that the list has not
        listed.write_text(json.dumps(freeze(python)))
    before = json.loads(listed.read_text())

    def clean():
        added = [name for name in freeze(python) if name not in before]
        if added:
            call(python, "-m", "pip", "uninstall", "-q", "-y", *added)
        if freeze(python) != before:
            shutil.rmtree(folder)  # something else changed: made anew the next time

    clean()
    assert python.exists() and "aigc-course" not in before
    yield python, before
    clean()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A git repository with this working tree's files, tagged as a release: what the setup cell installs from."""
    clone = tmp_path_factory.mktemp("git") / "aigc-course"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "build", "dist", "my-notebooks", "*.egg-info", "__pycache__", ".*cache"
    )
    shutil.copytree(REPO, clone, ignore=ignored)
    git = ["git", "-C", clone, "-c", "user.name=test", "-c", "user.email=test@example.org"]
    call(*git, "init", "-q")
    call(*git, "add", "--all")
    call(*git, "commit", "-q", "--no-verify", "--no-gpg-sign", "-m", "The working tree")
    call(*git, "tag", f"v{__version__}")
    return clone.as_uri()


def instead_of_github(address):
    """Settings of git that make it take a local repository where the setup cell names the course's address."""
    github = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{address}.insteadOf", "GIT_CONFIG_VALUE_0": github}


@pytest.fixture(scope="module")
def execute(colab):
    """Runs a notebook in a kernel of that environment, in the folder where it lies."""
    runner = subprocess.Popen(
        [colab[0], KERNELS], stdin=-1, stdout=-1, text=True, env=plain() | {"OMP_NUM_THREADS": "1"}
    )

    def run(notebook, env):
        print(json.dumps([str(notebook), env]), file=runner.stdin, flush=True)
        failure = json.loads(runner.stdout.readline())
        assert not failure, failure

    yield run
    runner.stdin.close()
    runner.wait(30)


def plain():
    """This environment without what belongs to its own Python, to Jupyter or to the course."""
    return {name: value for name, value in os.environ.items() if not re.match("AIGC_|PYTHON|VIRTUAL_ENV|JUPYTER", name)}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_first_minute(notebook, colab, execute, address, tmp_path):
    python, before = colab
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(notebook, folder)
    env = (
        plain() | instead_of_github(address) | {"COLAB_RELEASE_TAG": "test", "AIGC_PROFILE": "smoke", "AIGC_QUIET": "1"}
    )
    env |= {"AIGC_OFFLINE": "1", "AIGC_CACHE": str(tmp_path / "cache")}  # no network for data; the installation has it
    env["PATH"] = os.pathsep.join([str(python.parent), env["PATH"]])
    execute(folder / notebook.name, env)

    after = freeze(python)
    changed = {name: (version, after.get(name)) for name, version in before.items() if after.get(name) != version}
    assert not changed, f"the setup cell changed what Colab has: {changed}"
    print(f"\n{notebook.stem} brought: {', '.join(sorted(set(after) - set(before)))}")
    where = call(python, "-I", "-c", "import aigc_course; print(aigc_course.__file__)").strip()
    assert Path(where).is_relative_to(python.parent.parent), f"the course was imported from {where}"
    cells = json.loads((folder / "executed.ipynb").read_text(encoding="utf-8"))["cells"]
    assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code")
