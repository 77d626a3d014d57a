"""Files of data sets, verified: registry, cache, mirror, download, and stand-ins where none can be had.

Every file is a row of `registry.csv`. It is looked for in the cache, at AIGC_DATA_MIRROR (a folder, read in place, or
an address, both laid out as <dataset>/<file>) and at its upstream address, and used only if its checksum is right.
Settings: AIGC_CACHE, AIGC_DATA_MIRROR, AIGC_OFFLINE=1 (never touch the network), AIGC_STANDIN=1 (only stand-ins) or 0
(no stand-ins: raise DataError), AIGC_TIMEOUT (seconds a server may stay silent, 20), AIGC_QUIET=1 (no progress bar).
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aigc_course.plumbing.settings import cache_dir, flag, public, setting, timeout

if TYPE_CHECKING:
    import requests
T = TypeVar("T")
REGISTRY = Path(__file__).with_name("registry.csv")
ATTEMPTS = 2  # times that one address is asked for one file
PAUSE = 0.5  # seconds before an address is asked again
SLOWEST = 1000  # bytes per second: a server slower than this has stalled
TEXTS = {  # data sets of text: what messages call them, and what stands in for them
    "tinyshakespeare": ("tinyshakespeare", "docstrings of Python's standard library"),
    "tang300": ("the 300 Tang poems", "poems written for this course"),
    "banking77": ("Banking77", "storefront tickets"),
    "e2e": ("E2E", "storefront products"),
    "sentfin": ("SEntFiN", "storefront headlines"),
}
used: dict[str, str] = {}  # what this process has loaded: {"mnist": "upstream"} or {"mnist": "stand-in"}
_failures: set[tuple] = set()  # data sets that could not be had, with the settings of the time: not tried twice


class DataError(RuntimeError):
    """Data that cannot be had; one sentence says what happened and what to do."""


class Trouble(Exception):
    """What one address did, in words, and whether asking again may help."""

    def __init__(self, text: str, again: bool = True):
        super().__init__(text)
        self.again = again


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
    """Path of a file that the course carries in its own `data/`, which is `_data/` in an installed wheel."""
    package = Path(__file__).parent.parent
    for folder in (package / "_data", package.parent / "data"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"the course carries no file {name!r} in {package.parent / 'data'} or {package / '_data'}")


def registry() -> dict[str, list[Row]]:
    """Every data set's files, as `registry.csv` has them."""
    rows: dict[str, list[Row]] = {}
    with REGISTRY.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            row = Row(**{**line, "bytes": int(line["bytes"]) if line["bytes"] else None})
            rows.setdefault(row.dataset, []).append(row)
    return rows


def fetch(dataset: str, *, progress: bool = True) -> list[Path]:
    """Paths of a data set's verified files, downloaded into the cache where needed.

    Files of a folder mirror are read where they lie. Processes that ask at once share one download.
    Raises DataError where a file cannot be had, ValueError for a data set that the registry does not know.
    """
    rows, folder, faults = rows_of(dataset), cache_dir() / dataset, []
    paths = [_find(row, faults) for row in rows]
    if None in paths:
        if flag("AIGC_OFFLINE"):
            raise _missing(dataset, faults)
        try:
            _download(dataset, rows, folder, faults, progress)
        except OSError as error:
            raise DataError(
                f"{dataset} cannot be stored in {folder} ({error.strerror or error}); make room there, or set "
                "AIGC_CACHE to a folder that can be written, or AIGC_DATA_MIRROR to one that has the files."
            ) from None
        paths = [_find(row, faults) for row in rows]
    if None in paths:
        raise DataError(f"{dataset}'s files were altered in {folder} while they came; fetch them again.")
    return [path for path in paths if path]


def sources(dataset: str) -> str:
    """Where a data set's files would come from, in the order in which they are looked for; touches no network."""
    row = rows_of(dataset)[0]
    urls = [] if flag("AIGC_OFFLINE") else [public(url.rpartition("/")[0]) for url in _urls(row)]
    return ", then ".join([str(path.parent) for path in _places(row)] + urls)


def reachable(dataset: str, timeout: float = 3) -> tuple[bool, str]:
    """Whether a data set can be had now, and a sentence about it. Asks each address for one head at most."""
    faults: list[str] = []
    missing = [row for row in rows_of(dataset) if not _find(row, faults)]
    if not missing:
        return True, f"{dataset}: all files are here, with the right checksums."
    for url in [] if flag("AIGC_OFFLINE") else _urls(missing[0]):
        try:
            with _ask(url, timeout):
                return True, f"{dataset}: {public(url)} answers."
        except Trouble as trouble:
            faults.append(f"{public(url)} {trouble}")
    return False, str(_missing(dataset, faults))


def genuine_or(dataset: str, name: str, other: str, genuine: Callable[[], T], standin: Callable[[], T]) -> T:
    """What genuine() gives, or, with a printed sentence, standin(). One process does not mix the two unawares.

    name, other: what the sentence calls the data set and what stands in for it.
    """
    forced = flag("AIGC_STANDIN")
    settings = (dataset, *(setting(f"AIGC_{key}") for key in ("CACHE", "DATA_MIRROR", "OFFLINE", "TIMEOUT")))
    if forced:
        why = f"AIGC_STANDIN=1 is set, so {other} stand in for {name}."
    elif forced is None and settings in _failures:
        why = f"{name} is still missing (see above), so {other} stand in for it."
    else:
        try:
            found = genuine()
            if used.get(dataset) == "stand-in":
                print(f"{name} is here now; run the notebook again from its first cell, so that no stand-in is left.")
            used[dataset] = "upstream"
            return found
        except DataError as error:
            if forced is False or used.get(dataset) == "upstream":
                raise
            _failures.add(settings)
            why = f"{str(error).rstrip('.')}; until then {other} stand in for {name}."
    print(why)
    used[dataset] = "stand-in"
    return standin()


def texts_or(dataset: str, genuine: Callable[[dict[str, str]], T], standin: Callable[[], T]) -> T:
    """What genuine makes of a data set's texts, by file name, or the stand-in."""
    return genuine_or(dataset, *TEXTS[dataset], lambda: _read_texts(dataset, genuine), standin)


def _read_texts(dataset: str, genuine: Callable[[dict[str, str]], T]) -> T:
    """Fetch a data set's files, and let genuine decode their texts."""
    pairs = zip(rows_of(dataset), fetch(dataset), strict=True)
    try:
        return genuine({row.file: read_verified(row, path).decode("utf-8") for row, path in pairs})
    except (Trouble, OSError) as error:
        raise DataError(f"{dataset} cannot be read ({error}); load the data again.") from None
    except (ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(
            f"{dataset}'s files have not the form that their loader knows ({type(error).__name__}: {error}); correct "
            "their rows in the registry."
        ) from None


def _download(dataset: str, rows: list[Row], folder: Path, faults: list[str], progress: bool) -> None:
    """Bring rows into folder, one process at a time; whoever waited for one that failed fails alike, without trying."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock, note = FileLock(folder / ".lock", mode=0o666), folder / ".failed"
    settings, before = public(repr(_mirror())), note.read_bytes() if note.exists() else b""
    try:
        lock.acquire(timeout=2)
    except Timeout:
        print(f"Another process is fetching {dataset}; waiting for it.", flush=True)
        lock.acquire()
    try:
        after = note.read_bytes() if note.exists() else b""
        rows = [row for row in rows if not _find(row, [])]  # another process may have brought the others
        _, _, told = after.decode("utf-8", "replace").partition(f"\n{settings}\n")
        if rows and after != before and told:
            raise DataError(told)
        for left in folder.glob("tmp" + "?" * 8):  # pooch's temporary file of a process that was killed
            left.unlink()
        troubles: dict[int, str] = {}  # by place in the order of addresses; one that failed is not asked again
        for row in rows:
            _download_file(row, folder, troubles, progress)
        note.unlink(missing_ok=True)
    except Trouble as trouble:
        error = _missing(dataset, [*faults, str(trouble)])
        with suppress(OSError):
            note.write_bytes(f"{os.getpid()} {time.time_ns()}\n{settings}\n{error}".encode())
        raise error from None
    finally:
        lock.release()


def _download_file(row: Row, folder: Path, troubles: dict[int, str], progress: bool) -> None:
    """Try each address; pooch writes under a temporary name, compares the checksum, and renames."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    stream = partial(_stream, row, timeout(), progress)
    for place, url in enumerate(_urls(row)):
        for attempt in range(ATTEMPTS if place not in troubles else 0):
            time.sleep(attempt * PAUSE)
            try:
                pooch.retrieve(url, row.sha256, row.file, folder, downloader=stream)
                troubles.pop(place, None)
                return
            except Trouble as trouble:
                troubles[place] = f"{public(url)} {trouble}"
                if not trouble.again:
                    break
            except ValueError:
                troubles[place] = f"{public(url)} sent an altered file (its checksum is not the registry's)"
    raise Trouble(", and ".join(troubles.values()))


def _stream(row: Row, timeout: float, progress: bool, url: str, target: str, pooch: object = None) -> None:
    """Write what url sends into target. Unlike pooch's own downloader, gives up on a server that sends drop by drop,
    and keeps a gzip file as it is where a server calls the gzip a transfer encoding."""
    from tqdm import tqdm

    quiet = not progress or setting("AIGC_QUIET") == "1"
    with open(target, "wb") as out, _ask(url, timeout) as reply:
        reply.raw.enforce_content_length = False  # a short file is reported below
        read = getattr(reply.raw, "read1", reply.raw.read)  # an old urllib3 has no read1
        size = row.bytes or int(reply.headers.get("Content-Length", 0))
        n_bytes, last, since = 0, 0, time.monotonic()
        with tqdm(total=size, desc=row.file, unit="B", unit_scale=True, ncols=100, disable=quiet) as bar:
            while chunk := read(1 << 16, decode_content=False):
                out.write(chunk)
                bar.update(len(chunk))
                n_bytes, waited = n_bytes + len(chunk), time.monotonic() - since
                if size and n_bytes > size:
                    raise Trouble(f"sent more than the file's {size:,} bytes")
                if waited > timeout:
                    if n_bytes - last < SLOWEST * waited:
                        raise Trouble(f"stalled: only {n_bytes - last:,} bytes came in {waited:.3g} s")
                    last, since = n_bytes, time.monotonic()
        if n_bytes < size:
            raise Trouble(f"broke off after {n_bytes:,} of {size:,} bytes")
    os.chmod(target, 0o644)  # others may share the cache; temporary files are private


@contextmanager
def _ask(url: str, timeout: float) -> Iterator[requests.Response]:
    """GET url without reading its body; whatever goes wrong with the network, also in the with block, is a Trouble."""
    import requests
    import urllib3

    try:
        limits, headers = (min(timeout, 5), timeout), {"Accept-Encoding": "identity"}
        with requests.get(url, stream=True, timeout=limits, headers=headers) as reply:
            reply.raise_for_status()
            yield reply
    except requests.HTTPError as error:
        code = error.response.status_code
        raise Trouble(f"answered {code} ({error.response.reason})", again=code >= 500 or code == 429) from None
    except requests.ConnectTimeout:
        raise Trouble(f"did not answer within {min(timeout, 5):g} s", again=False) from None
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise Trouble(f"stalled: nothing came for {timeout:g} s") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        cause: BaseException = error
        while inner := cause.__cause__ or cause.__context__:
            cause = inner
        raise Trouble(f"could not be read ({getattr(cause, 'strerror', None) or cause})") from None


def _missing(dataset: str, reasons: list[str]) -> DataError:
    if flag("AIGC_OFFLINE"):
        reasons = [*reasons, f"the cache {cache_dir()} lacks it, and AIGC_OFFLINE=1 forbids the network"]
    text = (
        f"{dataset} cannot be had: {', and '.join(dict.fromkeys(reasons))}; set AIGC_DATA_MIRROR to a folder or an "
        f"address that has its files, or run `aigc-course fetch {dataset}` where the network allows it."
    )
    return DataError(" ".join(text.split()))  # one line, whatever a server called its error


def rows_of(dataset: str) -> list[Row]:
    known = registry()
    if dataset not in known:
        raise ValueError(f"no data set {dataset!r}; the registry has {', '.join(known)}")
    return known[dataset]


def read_verified(row: Row, path: Path) -> bytes:
    """A stored file's content, if its checksum is right."""
    content = path.read_bytes()
    kind, _, digest = row.sha256.rpartition(":")
    if hashlib.new(kind or "sha256", content, usedforsecurity=False).hexdigest() != digest:
        raise Trouble("it is altered: its checksum is not the registry's")
    return content


def _find(row: Row, faults: list[str]) -> Path | None:
    """Where on this machine row lies intact, if anywhere; copies that are not intact are added to faults."""
    for path in _places(row):
        try:
            read_verified(row, path)
            return path
        except (Trouble, OSError) as error:
            if not (isinstance(error, FileNotFoundError) and path.is_relative_to(cache_dir())):
                faults.append(f"{path} is of no use ({getattr(error, 'strerror', None) or error})")
    return None


def _places(row: Row) -> list[Path]:
    folder, _ = _mirror()
    return [place / row.dataset / row.file for place in (cache_dir(), folder) if place]


def _urls(row: Row) -> list[str]:
    _, url = _mirror()
    return [f"{url}/{row.dataset}/{row.file}", row.url] if url else [row.url]


def _mirror() -> tuple[Path | None, str | None]:
    """AIGC_DATA_MIRROR as a folder or as an address."""
    value = setting("AIGC_DATA_MIRROR") or ""
    if re.match(r"https?://", value):
        return None, value.rstrip("/")
    if "://" in value:
        raise ValueError(f"AIGC_DATA_MIRROR must be a folder, or begin with http:// or https://, not {value!r}")
    return (Path(value).expanduser(), None) if value else (None, None)


def check_split(split: str) -> None:
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', not {split!r}")
