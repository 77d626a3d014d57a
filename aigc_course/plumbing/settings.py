"""Settings from the environment, the cache folder, and files that are written whole or not at all."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def setting(name: str, *choices: str) -> str | None:
    """The environment variable `name`, None where unset or empty; ValueError where it is none of `choices`."""
    value = os.environ.get(name, "").strip()
    if value and choices and value not in choices:
        raise ValueError(f"{name} is {value!r}; it can be {', '.join(choices)}, or unset")
    return value or None


def cache_dir() -> Path:
    """The folder for downloads: AIGC_CACHE, or the platform's usual one. It need not exist yet."""
    if chosen := setting("AIGC_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "aigc_course" / "Cache"
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "aigc_course"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write(temporary)`, wait until the disk has what it wrote, and only then give it the name `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    write(temporary)
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def public(url: str) -> str:
    """The address without a password in it: messages end up in stored notebooks."""
    return re.sub(r"//[^/@]*@", "//", url)


def flag(name: str) -> bool | None:
    return {"1": True, "0": False}.get(setting(name, "0", "1") or "")


def timeout() -> float:
    value = setting("AIGC_TIMEOUT") or "20"
    with suppress(ValueError):
        if 0 < float(value) < math.inf:
            return float(value)
    raise ValueError(f"AIGC_TIMEOUT must be a number of seconds above 0, not {value!r}")
