"""Settings from the environment, the cache folder, and files that are written whole or not at all."""

import errno
import glob
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from pathlib import Path

KILLED = 86_400  # seconds after which a temporary folder is nobody's
PATHS = "AIGC_CACHE AIGC_DATA_MIRROR HF_HOME HF_HUB_CACHE XDG_CACHE_HOME REQUESTS_CA_BUNDLE SSL_CERT_FILE"


class SettingError(ValueError):
    """A setting with a value that means nothing; one sentence names both."""


def setting(name: str, *choices: str) -> str | None:
    """The environment variable `name`, None where unset or empty; SettingError where it is none of `choices`."""
    value = os.environ.get(name, "").strip()
    if value and choices and value not in choices:
        raise SettingError(f"{name} is {value!r}; it can be {', '.join(choices)}, or unset")
    return value or None


def flag(name: str) -> bool | None:
    """The setting `name` as True (1), False (0) or None (unset)."""
    return {"1": True, "0": False}.get(setting(name, "0", "1") or "")


def timeout() -> float:
    """AIGC_TIMEOUT in seconds, 20 where unset."""
    value = setting("AIGC_TIMEOUT") or "20"
    with suppress(ValueError):
        if 0 < float(value) <= 86_400:
            return float(value)
    raise SettingError(f"AIGC_TIMEOUT must be a number of seconds above 0, not {value!r}; a day at most")


def folder(name: str) -> Path | None:
    """The folder that the setting `name` names, as an absolute path; None where unset."""
    value = setting(name) or ""
    with suppress(RuntimeError):  # ~stranger
        if "://" not in value and not _hides(value):
            return Path(value).expanduser().absolute() if value else None
    raise SettingError(f"{name} is {public(value)!r}, which is no folder (an address begins with http:// or https://)")


def cache_dir() -> Path:
    """The folder for downloads: AIGC_CACHE, or the platform's usual one. It need not exist yet."""
    if chosen := folder("AIGC_CACHE"):
        return chosen
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "aigc_course" / "Cache"
        usual = Path("Library/Caches" if sys.platform == "darwin" else ".cache")
        return (folder("XDG_CACHE_HOME") or Path.home() / usual) / "aigc_course"
    except RuntimeError:  # no HOME, and a user without a name, as in containers
        raise SettingError("This user has no home folder; set AIGC_CACHE to a folder for downloads") from None


def absolute_paths(env: MutableMapping[str, str]) -> None:
    """Write the paths among the settings in full, once: kernels and other processes start in other folders."""
    for name in [*PATHS.split(), "AIGC_MODEL", "AIGC_ENCODER"]:
        value = env.get(name, "").strip()
        with suppress(RuntimeError, OSError):  # which folder() tells
            is_path = name in PATHS or Path(value).expanduser().is_dir()
            if value and is_path and "://" not in value and not _hides(value):
                env[name] = str(Path(value).expanduser().absolute())


def public(url: str) -> str:
    """An address without user, password and query, for messages: they end up in stored notebooks."""
    scheme, mark, rest = url.partition("://") if re.match(r"[\w+.-]*://", url) else ("", "", url)
    drive = "" if mark else r"(\w:)?"
    plain = re.match(drive + r"[^:@/\\?#]*([/\\?#]|$)", rest)  # else a user, or a port: hide all before the last @
    if not plain or _hides(rest):  # behind the last @ of a query is no host
        rest = "…" if re.search("(?s)[?#].*=.*@", rest) else rest.rpartition("@")[2]
    return scheme + mark + (re.split("[?#;]", rest)[0] if mark else re.sub("(?s)[?#;].*=.*", "…", rest))


def _hides(value: str) -> bool:
    """Whether a value may be an address with a password and no scheme, user:secret@host, and not a folder."""
    secret = re.search("(?s):.*@", value) and not re.match(r"\w:[/\\]", value)  # C:\data@home is a folder of Windows
    return bool(secret) and not os.path.exists(os.path.expanduser(value))


def own_folder(place: Path) -> Path:
    """Make a folder and those missing above it, in the cache as shared as the cache; OSError where it is a link.

    A link in a place where the course writes may lead to somebody's own files.
    """
    if place.is_symlink():
        raise OSError(errno.ELOOP, "is a link, which is not followed; remove it", str(place))
    if not place.is_dir():
        if not place.parent.is_dir():
            own_folder(place.parent)
        with suppress(FileExistsError):
            place.mkdir()
            if cache_dir() in place.parents:
                place.chmod(place.parent.stat().st_mode & 0o2777)
    return place


def readable(part: Path) -> None:
    """Let those read a new file who may read in the folder for which it was made."""
    part.chmod(part.parent.parent.stat().st_mode & 0o444 | 0o600)


def regular(path: Path) -> Path:
    """path; ValueError for what is no file, such as a pipe, or has 10 GB and more. It may be absent."""
    if path.exists() and not (path.is_file() and path.stat().st_size < 10**10):
        raise ValueError(f"{path} is a folder, a pipe or a device, or too large, and no checkpoint; name another")
    return path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write(temporary)`, wait until the disk has what it wrote, and only then give it the name `path`.

    The temporary file lies in a private folder beside path, which goes in any case; a link at path is replaced. OSError
    for a device in /dev: as root one would replace /dev/null.
    """
    if os.path.realpath(path.parent) == "/dev" and os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise OSError(errno.EEXIST, "is a device", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f".{glob.escape(path.name[:64])}.????????"):  # of a process that was killed
        with suppress(OSError):
            if old.is_dir() and os.listdir(old) in ([path.name], []) and time.time() - old.stat().st_mtime > KILLED:
                shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name[:64]}.", dir=path.parent, ignore_cleanup_errors=True) as own:
        temporary = Path(own) / path.name
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
