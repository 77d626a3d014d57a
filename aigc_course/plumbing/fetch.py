"""Files of data sets, verified: registry, cache, mirror, download, and stand-ins where none can be had.

Every file is a row of `registry.csv`. It is looked for in the cache, at AIGC_DATA_MIRROR (a folder, read in place, or
an address, both laid out as <dataset>/<file>) and at its upstream address, and used only if its checksum is right.
Settings: AIGC_CACHE, AIGC_DATA_MIRROR, AIGC_OFFLINE=1 (never touch the network), AIGC_STANDIN=1 (only stand-ins) or 0
(no stand-ins: raise DataError), AIGC_TIMEOUT (seconds a server may stay silent, 20), AIGC_QUIET=1 (no progress bar).
"""

import csv
import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from aigc_course.plumbing import rooms, settings
from aigc_course.plumbing.console import clean, say
from aigc_course.plumbing.settings import cache_dir, flag, folder, own_folder, public, readable, setting, timeout
from aigc_course.plumbing.web import Trouble, ask, cause, unzip

T = TypeVar("T")
REGISTRY = Path(__file__).with_name("registry.csv")
ATTEMPTS = 2  # times that one address is asked for one file
PAUSE = 0.5  # seconds before an address is asked again
SHARED = 50_000  # bytes per second: a process that fetches more slowly is not waited for
LARGEST = 64_000_000  # bytes of a file whose makers publish no size, and of what a compressed file may hold
SPARE = ("fashion_mnist",)  # data sets that no chapter uses: fetched and examined only by name
TEXTS = {  # data sets of text: what messages call them, and what stands in for them
    "tinyshakespeare": ("tinyshakespeare", "docstrings of Python's standard library"),
    "tang300": ("the 300 Tang poems", "poems written for this course"),
    "banking77": ("Banking77", "storefront tickets"),
    "e2e": ("E2E", "storefront products"),
    "sentfin": ("SEntFiN", "storefront headlines"),
}
used: dict[str, str] = {}  # what this process has loaded: {"mnist": "upstream"} or {"mnist": "stand-in"}
unkept: dict[Path, bytes] = {}  # contents by their place in the cache, which could not take them
_failures: set[tuple] = set()  # data sets that could not be had, with the settings of the time: not tried twice


class DataError(RuntimeError):
    """Data that cannot be had; one sentence says what happened and what to do."""


class Row(NamedTuple):
    """One file of the registry. `sha256` is 64 hexadecimal digits, or "md5:…" where the makers publish only that."""

    dataset: str
    file: str
    bytes: int | None
    sha256: str
    url: str
    licence: str
    citation: str


def standin_in_use() -> bool:
    """Whether this process works with stand-in data."""
    return "stand-in" in used.values()


def standin_note() -> str:
    """Text for the titles of figures, such as "stand-in data: digits", or "" where the data are genuine."""
    names = [TEXTS[name][1] if name in TEXTS else "digits" for name, source in used.items() if source == "stand-in"]
    return f"stand-in data: {', '.join(dict.fromkeys(names))}" if names else ""


def embedded(name: str) -> Path:
    """Path of a file that the course carries in its own `data/`, which is `_data/` in an installed wheel.

    Raises DataError where it, or one of the files that share its folder in data/, is not as `SHA256SUMS` there has it.
    """
    place, folder = rooms.place("data"), name.rpartition("/")[0] + "/"
    listed = re.findall(r"(?m)^([0-9a-f]{64})  (.+)$", (place / "SHA256SUMS").read_text("utf-8", "replace"))
    if name not in [file for _, file in listed]:
        raise FileNotFoundError(f"the course carries no file {name!r} in {place}")
    for digest, path in [(digest, place / file) for digest, file in listed if file == name or file.startswith(folder)]:
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise DataError(f"{path} is missing or altered; put it back with git, or install the course again.")
    return place / name


def registry() -> dict[str, list[Row]]:
    """Every data set's files, as `registry.csv` has them."""
    rows: dict[str, list[Row]] = {}
    with REGISTRY.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            row = Row(**{**line, "bytes": int(line["bytes"]) if line["bytes"] else None})
            rows.setdefault(row.dataset, []).append(row)
    return rows


def fetch(dataset: str, *, progress: bool = True) -> dict[Path, bytes]:
    """A data set's files, {path: content}, verified; downloaded into the cache where needed.

    Files of a folder mirror are read where they lie. Processes that ask at once share one download. What the cache
    cannot take is used from memory, which is said, and stands in `unkept`. Raises DataError where a file cannot be
    had, ValueError for a data set that the registry does not know.
    """
    faults: dict[str, Trouble] = {}
    found = {row: _find(row, faults) for row in _rows(dataset)}
    if missing := [row for row, pair in found.items() if not pair]:
        if flag("AIGC_OFFLINE"):
            raise _missing(dataset, faults)
        with _in_turn(dataset, missing):
            for row in missing:  # another process may have brought some
                found[row] = _find(row, {}) or _keep(row, _download(row, faults, progress))
    return dict(found.values())


def reachable(dataset: str, silence: float = 3) -> tuple[bool, str, str]:
    """Whether a data set can be had now; where from, or why not; a remedy or "". Asks each address for one beginning.

    The words name neither the set nor its files: they are the same for sets with the same fate.
    """
    faults: dict[str, Trouble] = {}
    missing = [row for row in _rows(dataset) if not _find(row, faults)]
    if not missing:
        return True, "all files are here, with the right checksums", ""
    for name, url in [] if flag("AIGC_OFFLINE") else _urls(missing[0]):
        try:
            ask(url, 0, silence)
            return True, f"{name} answers", ""
        except Trouble as trouble:
            faults[name] = trouble
    return False, *_reasons(faults)


def genuine_or(dataset: str, name: str, other: str, genuine: Callable[[], T], standin: Callable[[], T]) -> T:
    """What genuine() gives, or, with a printed sentence, standin(). One process does not mix the two unawares.

    name, other: what the sentence calls the data set and what stands in for it.
    """
    forced = flag("AIGC_STANDIN")
    case = (dataset, *(setting(f"AIGC_{key}") for key in ("CACHE", "DATA_MIRROR", "OFFLINE", "TIMEOUT")))
    if forced:
        why = f"AIGC_STANDIN=1 is set, so {other} stand in for {name}."
    elif forced is None and case in _failures:
        why = f"{name} is still missing (see above), so {other} stand in for it."
    else:
        try:
            found = genuine()
            if used.get(dataset) == "stand-in":
                say(f"{name} is here now; run the notebook again from its first cell, so that no stand-in is left.")
            used[dataset] = "upstream"
            return found
        except DataError as error:
            if forced is False or used.get(dataset) == "upstream":
                raise
            _failures.add(case)
            why = f"{str(error).rstrip('.')}; until then {other} stand in for {name}."
    say(why)
    used[dataset] = "stand-in"
    return standin()


def texts_or(dataset: str, genuine: Callable[[dict[str, str]], T], standin: Callable[[], T]) -> T:
    """What genuine makes of a data set's texts, by file name, or the stand-in."""

    def decoded() -> T:
        files = fetch(dataset)
        try:
            return genuine({path.name: content.decode("utf-8") for path, content in files.items()})
        except (ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
            why = f"{dataset}'s files have not the form that their loader knows ({type(error).__name__}: {error})"
            raise DataError(f"{why}; correct their rows in the registry.") from None

    return genuine_or(dataset, *TEXTS[dataset], decoded, standin)


@contextmanager
def _in_turn(dataset: str, rows: list[Row]) -> Iterator[None]:
    """Let one process at a time fetch rows; whoever waited for one that failed fails alike, without trying.

    The lock only saves downloads. Where there is none to be had, or the process that has it does not end (it may be
    stopped), this one goes on without: files are written whole.
    """
    from filelock import FileLock, Timeout

    place = cache_dir() / dataset
    lock, note = FileLock(place / ".lock", mode=0o666), place / ".failed"
    mirror, before = public(setting("AIGC_DATA_MIRROR") or ""), _text(note)
    try:
        own_folder(place)  # as shared as the cache, and as the lock
        try:
            lock.acquire(timeout=2)
        except Timeout:
            say(f"Another process is fetching {dataset}; waiting for it.")
            lock.acquire(timeout=3 * timeout() + sum(row.bytes or LARGEST for row in rows) / SHARED)
    except Timeout:
        say(f"The other process does not end; {dataset} is fetched without waiting for it.")
    except (OSError, NotImplementedError) as error:
        if os.access(place, os.W_OK):  # otherwise the cache is the trouble, which is told where it matters
            say(f"{lock.lock_file} cannot be locked ({cause(error)}); remove it, so that processes share downloads.")
    try:
        _, _, told = (after := _text(note)).partition(f"\n{mirror}\n")
        if told and after != before and None in [_find(row, {}) for row in rows]:
            raise DataError(clean(" ".join(told.split())))  # another user's file
        try:
            yield
        except DataError as error:
            with suppress(OSError):
                text = f"{os.getpid()} {time.time_ns()}\n{mirror}\n{error}".encode()
                settings.write_atomically(own_folder(place) / note.name, lambda part: part.write_bytes(text))
            raise
        with suppress(OSError):
            (own_folder(place) / note.name).unlink(missing_ok=True)
    finally:
        lock.release()


def _download(row: Row, faults: dict[str, Trouble], progress: bool) -> bytes:
    """The verified row from the first address that has it. An address that failed, in faults, is not asked again."""
    for name, url in _urls(row):
        for attempt in range(0 if name in faults else ATTEMPTS):
            time.sleep(attempt * PAUSE)
            try:
                content = _receive(row, url, progress)
                faults.pop(name, None)
                return content
            except Trouble as trouble:
                trouble.where, faults[name] = public(url), trouble
                if not trouble.again:
                    break
    raise _missing(row.dataset, faults)


def _receive(row: Row, url: str, progress: bool) -> bytes:
    """What url sends, if it is row, or row compressed for the way. In memory: files are small, and bounded."""
    from tqdm import tqdm

    most, quiet = row.bytes or LARGEST, not progress or bool(flag("AIGC_QUIET"))
    with tqdm(total=row.bytes, desc=row.file, unit="B", unit_scale=True, ncols=100, disable=quiet) as bar:
        content, encoding = ask(url, most + most // 100 + 1024, timeout(), lambda n_bytes: bar.update(n_bytes - bar.n))
    if _is(row, content):  # also a gzip file that the server calls a compressed one
        return content
    if encoding in ("gzip", "x-gzip", "deflate"):
        content = unzip(content, most)
    elif encoding not in ("", "identity"):
        raise Trouble(f"compresses files as {encoding}, which cannot be read", False, "switch that off there")
    if _is(row, content):
        return content
    if re.match(rb"\s*<(!doctype|html)", content, re.IGNORECASE):
        raise Trouble("sent a web page in the file's place", remedy="log in, if that page of your network asks for it")
    if len(content) > most:
        raise Trouble(f"sent more than the file's {most:,} bytes")
    if len(content) < (row.bytes or 0):
        raise Trouble(f"broke off after {len(content):,} of {row.bytes:,} bytes")
    raise Trouble("sent an altered file (its checksum is not the registry's)")


def _is(row: Row, content: bytes) -> bool:
    kind, _, digest = row.sha256.rpartition(":")
    return hashlib.new(kind or "sha256", content, usedforsecurity=False).hexdigest() == digest


def _keep(row: Row, content: bytes) -> tuple[Path, bytes]:
    """Store a file in the cache; where that fails, say why, once a data set, and keep it in memory."""
    path = cache_dir() / row.dataset / row.file
    try:
        own_folder(path.parent)
        settings.write_atomically(path, lambda part: (part.write_bytes(content), readable(part)))
    except OSError as error:
        remedy = "set AIGC_CACHE to a folder that can be written"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "make room there, or set AIGC_CACHE to a disk that has some"
        elif error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
            remedy = "remove what lies in its place"
        if path.parent not in {other.parent for other in unkept}:
            say(f"{path} cannot be stored ({cause(error)}) and is used from memory; {remedy}.")
        unkept[path] = content
    return path, content


def _find(row: Row, faults: dict[str, Trouble]) -> tuple[Path, bytes] | None:
    """Where on this machine row lies intact, and its content; copies that are not intact are added to faults."""
    mirror, _ = _mirror()
    for base in filter(None, (cache_dir(), mirror)):
        path = base / row.dataset / row.file
        try:
            content = unkept[path] if path in unkept else _read(path, row.bytes or LARGEST, exactly=bool(row.bytes))
            if _is(row, content):
                return path, content
            faults[str(path)] = Trouble("is altered: its checksum is not the registry's")
        except FileNotFoundError:
            if base == mirror:
                faults[f"the mirror {base}"] = Trouble("lacks it" if base.is_dir() else "is no folder")
        except OSError as error:
            faults[str(path)] = Trouble(f"cannot be read ({cause(error)})")
        except Trouble as trouble:
            faults[str(path)] = trouble
    return None


def _read(path: Path, most: int, exactly: bool = False) -> bytes:
    """A file's content. Only a regular file of at most (or exactly) so many bytes is opened: no pipe, no device."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise Trouble("is a folder, a pipe or a device", remedy=f"remove {path}")
    if status.st_size > most or (exactly and status.st_size != most):
        raise Trouble(f"is altered: it has {status.st_size:,} bytes, not {most:,}")
    with open(path, "rb") as file:
        return file.read(most + 1)


def _text(note: Path) -> str:
    with suppress(OSError, Trouble):
        return _read(note, 10_000).decode("utf-8", "replace")
    return ""


def _reasons(faults: dict[str, Trouble]) -> tuple[str, str]:
    """What each place did, and what helps."""
    if flag("AIGC_OFFLINE"):
        why = f"{cache_dir()} lacks it, and AIGC_OFFLINE=1 forbids the network"
        faults = faults | {"the cache": Trouble(why, remedy="unset AIGC_OFFLINE")}
    words = " and ".join(f"{trouble.where or public(name)} {trouble}" for name, trouble in faults.items())
    return words, ", or ".join(dict.fromkeys(trouble.remedy for trouble in faults.values() if trouble.remedy))


def _missing(dataset: str, faults: dict[str, Trouble]) -> DataError:
    words, remedy = _reasons(faults)
    return DataError(
        f"{dataset} cannot be had: {words}; {remedy + ', or ' if remedy else ''}set AIGC_DATA_MIRROR to a folder or an "
        f"address that has its files, or run `aigc-course fetch {dataset}` where the network allows it."
    )


def _rows(dataset: str) -> list[Row]:
    known = registry()
    if dataset not in known:
        raise ValueError(f"no data set {dataset!r}; the registry has {', '.join(known)}")
    return known[dataset]


def _urls(row: Row) -> list[tuple[str, str]]:
    """The addresses of row, each after a name for whose it is."""
    _, url = _mirror()
    mirror = [(f"the mirror {public(url)}", f"{url}/{row.dataset}/{row.file}")] if url else []
    return [*mirror, ("upstream", row.url)]


def _mirror() -> tuple[Path | None, str]:
    """AIGC_DATA_MIRROR as a folder or as an address."""
    value = setting("AIGC_DATA_MIRROR") or ""
    if re.match(r"https?://", value):
        return None, value.rstrip("/")
    return folder("AIGC_DATA_MIRROR"), ""


def check_split(split: str) -> None:
    """Raise ValueError unless split is "train" or "test"."""
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', not {split!r}")
