"""`aigc-course doctor`: what a machine offers the course, and what to do about what it lacks."""

import importlib
import os
import platform
import shutil
import sys
import textwrap
import threading
import tomllib
import urllib.request
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from aigc_course import __version__
from aigc_course.plumbing import fetch, machine, rooms
from aigc_course.plumbing.settings import cache_dir

OK, NOTE, BAD = "ok", "!", "✗"  # all is well; the course runs, but; the course cannot run


def examine() -> int:
    """Prints the findings, each with its remedy. Returns 1 where something prevents the course from running, else 0."""
    print(f"aigc-course {__version__}\n")
    counts = dict.fromkeys((OK, NOTE, BAD), 0)
    for part in (_packages, _machine, _data, _hub):
        try:
            for state, name, text, remedy in part():
                counts[state] = counts.get(state, 0) + 1
                _say(f" {state:2} {name:13} ", text)
                if remedy:
                    _say(" " * 15 + "→ ", remedy)
        except Exception as error:  # such as a setting with a value that means nothing
            counts[BAD] += 1
            _say(f" {BAD:2} {part.__name__[1:]:13} ", f"{error}")
    fine = f"The course runs here{f'; {counts[NOTE]} notes above say how it would run better' if counts[NOTE] else ''}."
    print("\n" + (f"The course cannot run here yet: mend what is marked {BAD}." if counts[BAD] else fine))
    return int(counts[BAD] > 0)


def _say(head: str, text: str) -> None:
    print(
        textwrap.fill(
            text, 80, initial_indent=head, subsequent_indent=" " * 17, break_on_hyphens=False, break_long_words=False
        )
    )


def _requirements() -> list[str]:
    """The requirement lines of the checkout, or of the installed wheel."""
    if not rooms.root():
        return metadata.requires("aigc-course") or []
    project = tomllib.loads((rooms.root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    return project["dependencies"] + [f'{line}; extra == "{extra}"' for extra, lines in extras for line in lines]


def _packages() -> Any:
    recent = sys.version_info >= (3, 11)
    yield OK if recent else BAD, "Python", platform.python_version(), "" if recent else "Install Python 3.11 or newer."
    try:
        from packaging.requirements import Requirement
    except ImportError:
        yield BAD, "Packages", "most are missing", "python -m pip install aigc-course"
        return
    present: dict[str, list[str]] = {"": [], "lab": []}
    for requirement in map(Requirement, _requirements()):
        if requirement.marker and requirement.marker.evaluate({"extra": "dev"}):
            continue
        extra = "lab" if requirement.marker else ""
        remedy = f'python -m pip install "{requirement.name}{requirement.specifier}"'
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            if requirement.name == "torch" and sys.platform == "linux":
                remedy += " (without a GPU add --index-url https://download.pytorch.org/whl/cpu)"
            yield NOTE if extra else BAD, requirement.name, "is not installed", remedy
            continue
        present[extra].append(f"{requirement.name} {version}")
        if not requirement.specifier.contains(version, prereleases=True):
            yield NOTE, requirement.name, f"{version}; the course is made for {requirement.specifier}", remedy
    yield OK, "Packages", ", ".join(present[""]), ""
    if present["lab"]:
        yield OK, "JupyterLab", ", ".join(present["lab"]), ""


def _machine() -> Any:
    found: dict[str, Any] = {}
    try:
        importlib.import_module("torch")
    except Exception as error:  # also a broken one: a library that it needs is missing
        remedy = "python -m pip install --force-reinstall torch; on Windows also Microsoft's Visual C++ runtime."
        yield BAD, "torch", f"does not load: {type(error).__name__}: {error}", remedy
    else:
        found = machine.describe()
        yield OK, "Device", f"{found['device']}; matrix products in {found['dtype']}", ""
        why = (
            "AIGC_PROFILE says so"
            if os.environ.get("AIGC_PROFILE")
            else "AIGC_PROFILE=smoke, lesson or full changes it"
        )
        memory = f"{found['gpu_memory_gb']:.0f} GB of GPU memory" if found["gpu_memory_gb"] else "no NVIDIA GPU"
        yield OK, "Profile", f"{found['profile']} ({memory}; full wants {machine.FULL_GB} GB; {why})", ""
    try:
        import psutil
    except ImportError:
        return
    total, free = psutil.virtual_memory().total / 1e9, psutil.virtual_memory().available / 1e9
    tight = free < 3
    remedy = "A chapter may take 3 GB: close other programs." if tight else ""
    yield (
        NOTE if tight else OK,
        "Memory",
        f"{total:.1f} GB, of which {free:.1f} GB are free; {machine.cores()} cores",
        remedy,
    )


def _data() -> Any:
    mirror = os.environ.get("AIGC_DATA_MIRROR", "")
    if not mirror:
        yield OK, "Mirror", "AIGC_DATA_MIRROR is not set (it can name a folder or address with copies of the data)", ""
    elif "://" not in mirror and not Path(mirror).expanduser().is_dir():
        remedy = "Correct or unset it; `aigc-course fetch --all --to DIR` makes such a folder."
        yield NOTE, "Mirror", f"AIGC_DATA_MIRROR={mirror}: there is no such folder", remedy
    else:
        yield OK, "Mirror", f"AIGC_DATA_MIRROR={mirror}", ""
    settings = [f"{name}={os.environ[name]}" for name in ("AIGC_OFFLINE", "AIGC_STANDIN") if os.environ.get(name)]
    if settings:
        yield OK, "Settings", ", ".join(settings), ""
    forbidden = os.environ.get("AIGC_STANDIN") == "0"
    answers = _together({name: lambda name=name: fetch.reachable(name, timeout=3) for name in fetch.registry()})
    for name, (reached, sentence) in answers.items():
        remedy = "" if reached or forbidden else "Until then its chapters go on with a small stand-in, and say so."
        yield OK if reached else BAD if forbidden else NOTE, name, sentence, remedy
        yield "", "", f"from {fetch.sources(name)}", ""
    cache = cache_dir()
    there = next(folder for folder in [cache, *cache.parents] if folder.exists())
    free = shutil.disk_usage(there).free / 1e9
    writable, roomy = os.access(there, os.W_OK), free > 1
    remedy = "" if writable and roomy else "Make room there, or set AIGC_CACHE to a folder that can be written."
    text = f"{cache}, {free:.1f} GB free{'' if writable else ', but it cannot be written'}"
    yield OK if writable and roomy else NOTE, "Cache", text, remedy


def _hub() -> Any:
    endpoint = os.environ.get("HF_ENDPOINT")
    if not endpoint:
        yield (
            OK,
            "HF_ENDPOINT",
            "is not set: pre-trained models, where a chapter wants one, come from huggingface.co",
            "",
        )
    elif os.environ.get("AIGC_OFFLINE") == "1":
        yield OK, "HF_ENDPOINT", f"{endpoint} (not asked, because AIGC_OFFLINE=1)", ""
    else:
        reached, sentence = _together({"": lambda: _answers(endpoint)})[""]
        remedy = "" if reached else "Set it to an address that you reach, or unset it for huggingface.co."
        yield OK if reached else NOTE, "HF_ENDPOINT", f"{endpoint} {sentence}", remedy


def _answers(address: str) -> tuple[bool, str]:
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=3).close()
    except urllib.error.HTTPError as error:  # a server that refuses is a server that answers
        return error.code < 500, f"answers ({error.code})"
    except (OSError, ValueError) as error:
        return False, f"does not answer ({getattr(error, 'reason', error)})"
    return True, "answers"


def _together(questions: dict[str, Callable[[], tuple[bool, str]]], seconds: float = 8) -> dict[str, tuple[bool, str]]:
    """Asks all at once; what has no answer after some seconds (a name server may keep silent for long) is a no."""
    answers = {name: (False, f"{name} does not answer within {seconds:g} s.".lstrip()) for name in questions}

    def ask(name: str) -> None:
        try:
            answers[name] = questions[name]()
        except Exception as error:
            answers[name] = (False, str(error))

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    return dict(answers)
