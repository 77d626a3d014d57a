"""Data sets as tensors or records: downloads, checksums, cache, mirror and stand-ins. Texts are in `records`.

Every file is a row of `registry.csv`. It is looked for in the cache, at AIGC_DATA_MIRROR (a folder, read in place, or
an address, both laid out as <dataset>/<file>) and at its upstream address, and used only if its checksum is right.
Settings: AIGC_CACHE, AIGC_DATA_MIRROR, AIGC_OFFLINE=1 (never touch the network), AIGC_STANDIN=1 (only stand-ins) or 0
(no stand-ins: raise DataError), AIGC_TIMEOUT (seconds a server may stay silent, 20), AIGC_QUIET=1 (no progress bar).
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aigc_course import runtime
from aigc_course.records import (  # noqa: F401  they are the package's `data.banking77` and so on
    Text,
    banking77,
    banking77_labels,
    docstrings,
    e2e,
    e2e_references,
    sentfin,
    shakespeare,
    storefront,
    tang_poems,
)

if TYPE_CHECKING:
    import requests
    from torch import Tensor

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


class _Trouble(Exception):
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


class ImageSet(NamedTuple):
    """Grey images with labels: images uint8 (N, 28, 28), 0 to 255; labels int64 (N,), 0 to 9; name for titles."""

    images: Tensor
    labels: Tensor
    name: str


def mnist(split: str, *, device: str | None = None) -> ImageSet:
    """MNIST's 60,000 "train" or 10,000 "test" digits, or the stand-in, announced, where the files cannot be had.

    Raises DataError instead of using the stand-in where AIGC_STANDIN=0, or where the other part was genuine.

    Source: LeCun, Cortes and Burges (1998), The MNIST database of handwritten digits.
    """
    return _images("mnist", "MNIST", split, device)


def fashion_mnist(split: str, *, device: str | None = None) -> ImageSet:
    """Fashion-MNIST, in MNIST's format and through the same code; digits are its stand-in too.

    The images were not available where the course is tested: addresses and MD5s are those of torchvision's source, and
    only the code, not these files, is covered by tests.

    Source: Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747.
    """
    return _images("fashion_mnist", "Fashion-MNIST", split, device)


def digits(split: str = "train", *, device: str | None = None) -> ImageSet:
    """scikit-learn's 1,797 handwritten digits, made to look like MNIST: 1,497 "train", and the last 300 "test".

    The 8 x 8 images of 17 greys are enlarged (bicubic) into the 20 x 20 box in the middle of 28 x 28 that MNIST's
    digits fill. Of sizes 18 to 28, bilinear or bicubic, this resembles MNIST most: a nearest neighbour among 20,000
    MNIST digits names 75 % of them (bilinear 72 %, without the margin 53 %). Strokes stay broader and softer.

    Source: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI, CC BY 4.0.
    """
    _check_split(split)
    import torch
    from sklearn.datasets import load_digits

    part = slice(0, 1497) if split == "train" else slice(1497, None)
    raw = load_digits()
    small = torch.tensor(raw.images[part], dtype=torch.float32)[:, None] * (255 / 16)  # (N, 1, 8, 8)
    box = torch.nn.functional.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False)
    images = torch.nn.functional.pad(box.clamp(0, 255).round(), (4, 4, 4, 4))[:, 0].to(torch.uint8)  # (N, 28, 28)
    labels = torch.tensor(raw.target[part], dtype=torch.int64)
    return ImageSet(images.to(device), labels.to(device), "digits")


def scale(images: Tensor) -> Tensor:
    """Grey values as numbers: uint8 0 to 255 of any shape -> float32 0 to 1 of the same shape."""
    import torch

    if images.dtype != torch.uint8:
        raise ValueError(f"scale() takes the uint8 images of a data set, not {images.dtype}")
    return images.float().div_(255)


def standin_in_use() -> bool:
    """Whether this process works with stand-in data."""
    return "stand-in" in used.values()


def standin_note() -> str:
    """Text for the titles of figures, such as "stand-in data: digits", or "" where the data are genuine."""
    names = [TEXTS[name][1] if name in TEXTS else "digits" for name, source in used.items() if source == "stand-in"]
    return f"stand-in data: {', '.join(dict.fromkeys(names))}" if names else ""


def embedded(name: str) -> Path:
    """Path of a file that the course carries in its own `data/`, which is `_data/` in an installed wheel."""
    package = Path(__file__).parent
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
    rows, folder, faults = _rows(dataset), runtime.cache_dir() / dataset, []
    paths = [_find(row, faults) for row in rows]
    if None in paths:
        if _flag("AIGC_OFFLINE"):
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
    row = _rows(dataset)[0]
    urls = [] if _flag("AIGC_OFFLINE") else [_public(url.rpartition("/")[0]) for url in _urls(row)]
    return ", then ".join([str(path.parent) for path in _places(row)] + urls)


def reachable(dataset: str, timeout: float = 3) -> tuple[bool, str]:
    """Whether a data set can be had now, and a sentence about it. Asks each address for one head at most."""
    faults: list[str] = []
    missing = [row for row in _rows(dataset) if not _find(row, faults)]
    if not missing:
        return True, f"{dataset}: all files are here, with the right checksums."
    for url in [] if _flag("AIGC_OFFLINE") else _urls(missing[0]):
        try:
            with _ask(url, timeout):
                return True, f"{dataset}: {_public(url)} answers."
        except _Trouble as trouble:
            faults.append(f"{_public(url)} {trouble}")
    return False, str(_missing(dataset, faults))


def _images(dataset: str, name: str, split: str, device: str | None) -> ImageSet:
    """The genuine set, or scikit-learn's digits in its place."""
    _check_split(split)

    def genuine() -> ImageSet:
        images, labels = _load(dataset, split)
        return ImageSet(images.to(device), labels.to(device), name)

    def standin() -> ImageSet:
        return digits(split, device=device)._replace(name="digits (stand-in)")

    return _genuine_or(dataset, name, "scikit-learn's digits", genuine, standin)


def _genuine_or(dataset: str, name: str, other: str, genuine: Callable[[], T], standin: Callable[[], T]) -> T:
    """What genuine() gives, or, with a printed sentence, standin(). One process does not mix the two unawares.

    name, other: what the sentence calls the data set and what stands in for it.
    """
    forced = _flag("AIGC_STANDIN")
    settings = (dataset, *(runtime.setting(f"AIGC_{key}") for key in ("CACHE", "DATA_MIRROR", "OFFLINE", "TIMEOUT")))
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


def _load(dataset: str, split: str) -> tuple[Tensor, Tensor]:
    """Decode one split. All files are fetched before, so that train and test are of one kind."""
    import torch

    part = "train" if split == "train" else "t10k"
    files = {path.name: (row, path) for row, path in zip(_rows(dataset), fetch(dataset), strict=True)}
    images = _decode(*files[f"{part}-images-idx3-ubyte.gz"], n_dims=3)
    labels = _decode(*files[f"{part}-labels-idx1-ubyte.gz"], n_dims=1)
    if images.shape[1:] != (28, 28) or len(images) != len(labels):
        raise DataError(f"{dataset}'s {split} images have shape {tuple(images.shape)} for {len(labels)} labels.")
    return images, labels.to(torch.int64)


def _decode(row: Row, path: Path, n_dims: int) -> Tensor:
    """A gzipped IDX file of bytes as a uint8 tensor: 0, 0, 8 (bytes), the number of sizes; the sizes; the bytes."""
    import torch

    try:
        raw = bytearray(zlib.decompress(_read(row, path), wbits=31))
    except (_Trouble, OSError, zlib.error) as error:
        raise DataError(f"{path} cannot be decoded ({error}); delete it and load the data again.") from None
    start = 4 + 4 * n_dims
    is_idx = raw[:4] == bytes([0, 0, 8, n_dims]) and len(raw) > start
    sizes = struct.unpack_from(f">{n_dims}I", raw, 4) if is_idx else ()
    if not is_idx or len(raw) != start + math.prod(sizes):
        raise DataError(
            f"{path} is no IDX file of bytes in {n_dims} dimensions: it begins with {raw[:4].hex()} and has sizes "
            f"{sizes} and {len(raw)} bytes; correct its row in the registry."
        )
    return torch.frombuffer(raw, dtype=torch.uint8, offset=start).view(sizes)


def _texts_or(dataset: str, genuine: Callable[[dict[str, str]], T], standin: Callable[[], T]) -> T:
    """What genuine makes of a data set's texts, by file name, or the stand-in."""
    return _genuine_or(dataset, *TEXTS[dataset], lambda: _read_texts(dataset, genuine), standin)


def _read_texts(dataset: str, genuine: Callable[[dict[str, str]], T]) -> T:
    """Fetch a data set's files, and let genuine decode their texts."""
    pairs = zip(_rows(dataset), fetch(dataset), strict=True)
    try:
        return genuine({row.file: _read(row, path).decode("utf-8") for row, path in pairs})
    except (_Trouble, OSError) as error:
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
    settings, before = _public(repr(_mirror())), note.read_bytes() if note.exists() else b""
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
    except _Trouble as trouble:
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
    stream = partial(_stream, row, _timeout(), progress)
    for place, url in enumerate(_urls(row)):
        for attempt in range(ATTEMPTS if place not in troubles else 0):
            time.sleep(attempt * PAUSE)
            try:
                pooch.retrieve(url, row.sha256, row.file, folder, downloader=stream)
                troubles.pop(place, None)
                return
            except _Trouble as trouble:
                troubles[place] = f"{_public(url)} {trouble}"
                if not trouble.again:
                    break
            except ValueError:
                troubles[place] = f"{_public(url)} sent an altered file (its checksum is not the registry's)"
    raise _Trouble(", and ".join(troubles.values()))


def _stream(row: Row, timeout: float, progress: bool, url: str, target: str, pooch: object = None) -> None:
    """Write what url sends into target. Unlike pooch's own downloader, gives up on a server that sends drop by drop,
    and keeps a gzip file as it is where a server calls the gzip a transfer encoding."""
    from tqdm import tqdm

    quiet = not progress or runtime.setting("AIGC_QUIET") == "1"
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
                    raise _Trouble(f"sent more than the file's {size:,} bytes")
                if waited > timeout:
                    if n_bytes - last < SLOWEST * waited:
                        raise _Trouble(f"stalled: only {n_bytes - last:,} bytes came in {waited:.3g} s")
                    last, since = n_bytes, time.monotonic()
        if n_bytes < size:
            raise _Trouble(f"broke off after {n_bytes:,} of {size:,} bytes")
    os.chmod(target, 0o644)  # others may share the cache; temporary files are private


@contextmanager
def _ask(url: str, timeout: float) -> Iterator[requests.Response]:
    """GET url without reading its body; whatever goes wrong with the network, also in the with block, is a _Trouble."""
    import requests
    import urllib3

    try:
        limits, headers = (min(timeout, 5), timeout), {"Accept-Encoding": "identity"}
        with requests.get(url, stream=True, timeout=limits, headers=headers) as reply:
            reply.raise_for_status()
            yield reply
    except requests.HTTPError as error:
        code = error.response.status_code
        raise _Trouble(f"answered {code} ({error.response.reason})", again=code >= 500 or code == 429) from None
    except requests.ConnectTimeout:
        raise _Trouble(f"did not answer within {min(timeout, 5):g} s", again=False) from None
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise _Trouble(f"stalled: nothing came for {timeout:g} s") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        cause: BaseException = error
        while inner := cause.__cause__ or cause.__context__:
            cause = inner
        raise _Trouble(f"could not be read ({getattr(cause, 'strerror', None) or cause})") from None


def _missing(dataset: str, reasons: list[str]) -> DataError:
    if _flag("AIGC_OFFLINE"):
        reasons = [*reasons, f"the cache {runtime.cache_dir()} lacks it, and AIGC_OFFLINE=1 forbids the network"]
    text = (
        f"{dataset} cannot be had: {', and '.join(dict.fromkeys(reasons))}; set AIGC_DATA_MIRROR to a folder or an "
        f"address that has its files, or run `aigc-course fetch {dataset}` where the network allows it."
    )
    return DataError(" ".join(text.split()))  # one line, whatever a server called its error


def _rows(dataset: str) -> list[Row]:
    known = registry()
    if dataset not in known:
        raise ValueError(f"no data set {dataset!r}; the registry has {', '.join(known)}")
    return known[dataset]


def _read(row: Row, path: Path) -> bytes:
    """A stored file's content, if its checksum is right."""
    content = path.read_bytes()
    kind, _, digest = row.sha256.rpartition(":")
    if hashlib.new(kind or "sha256", content, usedforsecurity=False).hexdigest() != digest:
        raise _Trouble("it is altered: its checksum is not the registry's")
    return content


def _find(row: Row, faults: list[str]) -> Path | None:
    """Where on this machine row lies intact, if anywhere; copies that are not intact are added to faults."""
    for path in _places(row):
        try:
            _read(row, path)
            return path
        except (_Trouble, OSError) as error:
            if not (isinstance(error, FileNotFoundError) and path.is_relative_to(runtime.cache_dir())):
                faults.append(f"{path} is of no use ({getattr(error, 'strerror', None) or error})")
    return None


def _places(row: Row) -> list[Path]:
    folder, _ = _mirror()
    return [place / row.dataset / row.file for place in (runtime.cache_dir(), folder) if place]


def _urls(row: Row) -> list[str]:
    _, url = _mirror()
    return [f"{url}/{row.dataset}/{row.file}", row.url] if url else [row.url]


def _mirror() -> tuple[Path | None, str | None]:
    """AIGC_DATA_MIRROR as a folder or as an address."""
    value = runtime.setting("AIGC_DATA_MIRROR") or ""
    if re.match(r"https?://", value):
        return None, value.rstrip("/")
    if "://" in value:
        raise ValueError(f"AIGC_DATA_MIRROR must be a folder, or begin with http:// or https://, not {value!r}")
    return (Path(value).expanduser(), None) if value else (None, None)


def _public(url: str) -> str:
    """The address without a password in it: messages end up in stored notebooks."""
    return re.sub(r"//[^/@]*@", "//", url)


def _flag(name: str) -> bool | None:
    return {"1": True, "0": False}.get(runtime.setting(name, "0", "1") or "")


def _timeout() -> float:
    value = runtime.setting("AIGC_TIMEOUT") or "20"
    with suppress(ValueError):
        if 0 < float(value) < math.inf:
            return float(value)
    raise ValueError(f"AIGC_TIMEOUT must be a number of seconds above 0, not {value!r}")


def _check_split(split: str) -> None:
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', not {split!r}")
