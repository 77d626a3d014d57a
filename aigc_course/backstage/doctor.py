"""`aigc-course doctor`: what a machine offers the course, and what to do about what it lacks."""

import importlib
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from aigc_course import __version__
from aigc_course.plumbing import fetch, machine
from aigc_course.plumbing.settings import cache_dir, flag, folder, public, setting, timeout
from aigc_course.plumbing.web import Trouble, ask

OK, NOTE, BAD = "ok", "!", "✗"  # all is well; the course runs, but; the course cannot run
Finding = tuple[str, str, str, str]  # state, name, what was found, remedy or ""
SILENCE = 3  # seconds that a server may stay silent


def examine() -> int:
    """Prints the findings, each with its remedy. Returns 1 where something prevents the course from running, else 0."""
    print(f"aigc-course {__version__}\n")
    counts = dict.fromkeys((OK, NOTE, BAD), 0)
    for part in (_packages, _machine, _data, _hub):
        try:
            for state, name, text, remedy in part():
                counts[state] += 1
                _say(f" {state:2} {name:13} ", text)
                if remedy:
                    _say(" " * 15 + "→ ", remedy)
        except Exception as error:  # such as a setting with a value that means nothing
            counts[BAD] += 1
            _say(f" {BAD:2} {part.__name__[1:]:13} ", f"{error}")
    n = counts[NOTE]
    notes = f"; {n} note{'s' * (n > 1)} above say{'s' * (n == 1)} how it would run better" if n else ""
    print(f"\nThe course {f'cannot run here yet: mend what is marked {BAD}' if counts[BAD] else f'runs here{notes}'}.")
    return int(counts[BAD] > 0)


def _say(head: str, text: str) -> None:
    options = {"subsequent_indent": " " * 17, "break_on_hyphens": False, "break_long_words": False}
    print(textwrap.fill(text, 80, initial_indent=head, **options))


def _packages() -> Iterator[Finding]:
    recent = sys.version_info >= (3, 11)
    yield OK if recent else BAD, "Python", platform.python_version(), "" if recent else "Install Python 3.11 or newer."
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, errors="replace")
    lacking = re.findall(r"(?m)^aigc-course \S+ requires (\S+), which is not installed", done.stdout)
    for name in lacking:
        hint = " (without a GPU add --index-url https://download.pytorch.org/whl/cpu)" if name == "torch" else ""
        yield BAD, name, "is not installed", f"python -m pip install {name}{hint}"
    other = re.findall(r"(?m)^aigc-course \S+ has requirement ([^ ;]+).*, but you (have \S+ \S+)\.$", done.stdout)
    for wanted, there in other:
        yield NOTE, "Package", f"you {there}; the course is made for {wanted}", f'python -m pip install "{wanted}"'
    if "No module named pip" in done.stderr:
        yield NOTE, "Packages", "were not examined, because this Python has no pip", "python -m ensurepip"
    elif not lacking + other:
        try:
            yield OK, "Packages", f"here is all that aigc-course {metadata.version('aigc-course')} requires", ""
        except metadata.PackageNotFoundError:
            yield NOTE, "Packages", "were not examined: the course is not installed", "python -m pip install -e ."
    if not find_spec("jupyterlab"):
        yield NOTE, "JupyterLab", "is not installed, so `aigc-course lab` is not", "python -m pip install jupyterlab"


def _machine() -> Iterator[Finding]:
    try:
        importlib.import_module("torch")
    except Exception as error:  # also a broken one: a library that it needs is missing
        remedy = "python -m pip install --force-reinstall torch; on Windows also Microsoft's Visual C++ runtime."
        yield BAD, "torch", f"does not load: {type(error).__name__}: {error}", remedy
    else:
        found = machine.describe()
        yield OK, "Device", f"{found['device']}; matrix products in {found['dtype']}", ""
        why = "AIGC_PROFILE says so" if setting("AIGC_PROFILE") else "AIGC_PROFILE=smoke, lesson or full changes it"
        memory = f"{found['gpu_memory_gb']:.0f} GB of GPU memory" if found["gpu_memory_gb"] else "no NVIDIA GPU"
        yield OK, "Profile", f"{found['profile']} ({memory}; full wants {machine.FULL_GB} GB; {why})", ""
    with suppress(ImportError):
        import psutil

        here, cores = psutil.virtual_memory(), machine.cores()
        limit, free, quota = container()
        text = f"{min(here.total, limit) / 1e9:.1f} GB, of which {min(here.available, free) / 1e9:.1f} GB are free; "
        text += f"{min(cores, quota):g} cores" + " (limits of this container)" * (limit < here.total or quota < cores)
        tight = min(here.available, free) < 3e9
        yield NOTE if tight else OK, "Memory", text, "A chapter may take 3 GB: close other programs." if tight else ""


def container(root: Path = Path("/sys/fs/cgroup")) -> tuple[float, float, float]:
    """Bytes of memory, bytes of it that are free, and CPUs that a container (control groups 2, or 1) allows, or inf."""

    def words(*names: str) -> list[str]:
        paths = [root / name for name in names if os.access(root / name, os.R_OK)]
        return paths[0].read_text().replace("max", "inf").split() if paths else []

    limit, *_ = map(float, words("memory.max", "memory/memory.limit_in_bytes") or ["inf"])
    used, *_ = map(float, words("memory.current", "memory/memory.usage_in_bytes") or ["0"])
    counts = words("memory.stat", "memory/memory.stat")
    files = dict(zip(counts[::2], counts[1::2], strict=False))  # copies of files, which go when memory is wanted
    used -= float(files.get("total_inactive_file") or files.get("inactive_file") or 0)
    cpu = words("cpu.max") or words("cpu/cpu.cfs_quota_us") + words("cpu/cpu.cfs_period_us")
    quota = float(cpu[0]) / float(cpu[1]) if len(cpu) == 2 else math.inf
    return limit, max(limit - used, 0), quota if quota > 0 else math.inf


def _data() -> Iterator[Finding]:
    mirror = setting("AIGC_DATA_MIRROR") or ""
    if not mirror:
        yield OK, "Mirror", "AIGC_DATA_MIRROR is not set (it can name a folder or address with copies of the data)", ""
    elif not re.match("https?://", mirror) and not folder("AIGC_DATA_MIRROR").is_dir():
        remedy = "Correct or unset it; `aigc-course fetch --all --to DIR` makes such a folder."
        yield NOTE, "Mirror", f"AIGC_DATA_MIRROR={public(mirror)}: there is no such folder", remedy
    else:
        yield OK, "Mirror", f"AIGC_DATA_MIRROR={public(mirror)}", ""
    timeout(), flag("AIGC_QUIET")  # which say what is wrong with them
    if settings := [f"{name}={setting(name)}" for name in ("AIGC_OFFLINE", "AIGC_STANDIN") if setting(name)]:
        yield OK, "Settings", ", ".join(settings), ""
    forbidden = flag("AIGC_STANDIN") is False
    names = [name for name in fetch.registry() if name not in fetch.SPARE]
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: fetch.reachable(name, SILENCE), names))
    for answer in dict.fromkeys(answers):  # each cause once, with the data sets that it concerns
        reached, words, remedy = answer
        text = ", ".join(name for name, other in zip(names, answers, strict=True) if other == answer) + f": {words}"
        remedy = remedy or "look at the connection, or set AIGC_DATA_MIRROR to copies of the data"
        remedy = _sentence(remedy) + " Until then chapters go on with a small stand-in, and say so." * (not forbidden)
        yield OK if reached else BAD if forbidden else NOTE, "Data", text, "" if reached else remedy
    cache = cache_dir()
    there = next(place for place in (cache, *cache.parents) if os.path.exists(place))
    free = shutil.disk_usage(there).free / 1e9
    writable = os.path.isdir(there) and os.access(there, os.W_OK)
    remedy = "" if writable and free > 1 else "Make room there, or set AIGC_CACHE to a folder that can be written."
    text = f"{cache}, {free:.1f} GB free{'' if writable else ', but it cannot be written'}"
    yield NOTE if remedy else OK, "Cache", text, remedy


def _hub() -> Iterator[Finding]:
    endpoint = setting("HF_ENDPOINT")
    if not endpoint:
        text = "is not set: pre-trained models, where a chapter wants one, come from huggingface.co"
        yield OK, "HF_ENDPOINT", text, ""
    elif flag("AIGC_OFFLINE"):
        yield OK, "HF_ENDPOINT", f"{public(endpoint)} (not asked, because AIGC_OFFLINE=1)", ""
    else:
        state, text, remedy = OK, "answers", ""
        try:
            ask(endpoint, 0, SILENCE)
        except Trouble as trouble:  # a server that refuses its first page is a server that answers
            state, text = OK if str(trouble).startswith("answered 4") else NOTE, str(trouble)
            remedy = trouble.remedy or "set it to an address that you reach, or unset it for huggingface.co"
        yield state, "HF_ENDPOINT", f"{public(endpoint)} {text}", "" if state == OK else _sentence(remedy)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
