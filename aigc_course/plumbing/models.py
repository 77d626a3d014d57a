"""Files of language models, verified: from the course's cache, from the hub's own, else from the hub at HF_ENDPOINT.

Both caches are laid out as the hub's library does it: models--OWNER--NAME/refs/main names a commit, whose files lie in
snapshots/COMMIT. Neither pickles nor code are fetched, and a token is sent only where a model is closed without it.
"""

import hashlib
import json
import math
import os
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from aigc_course.plumbing.console import clean, say
from aigc_course.plumbing.settings import cache_dir, flag, own_folder, readable, setting, timeout, write_atomically
from aigc_course.plumbing.web import Trouble, ask, cause, public

FILES = re.compile(r"[\w.-]+\.(json|txt|jinja)|model(-[\w.-]+)?\.safetensors")  # settings, tokenizer, weights
DIGESTS = "digests"  # beside the files that we fetched: their checksums
KINDS = {"causal language model": ("ForCausalLM", "LMHeadModel"), "encoder": ("BertModel", "RobertaModel")}
COMMIT, CHECKSUM = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
MOST = 10e9  # bytes of a model
SLOWEST = 100_000  # bytes per second of a whole file: a gigabyte takes three hours at most
PATIENCE = 3600  # seconds that one process waits while another fetches the same model


class HubError(RuntimeError):
    """A model that cannot be had; one sentence says what happened and what to do."""

    def __init__(self, text: str):
        super().__init__(" ".join(clean(text).split())[:600])  # it may quote a file


def endpoint() -> str:
    """The address of the hub as it is set: HF_ENDPOINT, or the public one. To be shown only through public."""
    return (setting("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def fetch(name: str, wanted: str = "causal language model") -> list[Path]:
    """The verified files of the model `name`, all in one folder of a cache, fetched where needed; or HubError."""
    from filelock import FileLock, Timeout
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    if not re.fullmatch(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", name, re.ASCII):
        raise HubError(f"{public(name)!r} is neither a folder nor a model's name, such as Qwen/Qwen3-0.6B")
    base, fault = Path("models--" + name.replace("/", "--")), f"{name} is not in the cache"
    for root in (cache_dir() / "hub", Path(HF_HUB_CACHE)):
        with suppress(OSError, UnicodeError, TypeError):  # this one does not have it
            noted = root / base / "refs" / "main"
            if not noted.is_file() or noted.stat().st_size > 100:
                continue
            commit = COMMIT.fullmatch(noted.read_text(encoding="ascii").strip())[0]
            try:
                return check(root / base / "snapshots" / commit, name, root, wanted)
            except HubError as error:
                fault = str(error).split(";")[0]
    if switch := "AIGC_OFFLINE" if flag("AIGC_OFFLINE") else "HF_HUB_OFFLINE" if HF_HUB_OFFLINE else None:
        raise HubError(f"{fault}, and {switch}=1 forbids to fetch it; unset {switch}")
    base = _inside(cache_dir() / "hub", cache_dir() / "hub" / base)
    try:
        own_folder(cache_dir() / "hub"), own_folder(base)
        lock = FileLock(_inside(base, base / ".lock"), mode=0o666)
        with suppress(OSError, NotImplementedError):  # it only saves downloads: files are written whole without it too
            try:
                lock.acquire(timeout=2)
            except Timeout:
                say(f"Another process is fetching {name}; waiting for it.")
                lock.acquire(timeout=PATIENCE)
        try:
            return _download(base, name, wanted)
        finally:
            lock.release()
    except Trouble as trouble:
        raise HubError(_why(trouble, name)) from None
    except OSError as error:
        remedy = "let its owner open it to you" if isinstance(error, PermissionError) else "make room"
        raise HubError(f"{name} cannot be kept in {base} ({cause(error)}); {remedy}, or set AIGC_CACHE") from None


def check(place: Path, name: str, root: Path | None = None, wanted: str = "causal language model") -> list[Path]:
    """The files of the model `name` in a folder, if they make a whole one of the kind that is wanted; HubError if not.

    The files are compared with the checksums that they came with: those in DIGESTS beside them or, in the hub's own
    cache, the names of the files to which the links lead. root: the cache in which the folder lies.
    """
    files = {path.name: path for path in sorted(place.glob("*")) if FILES.fullmatch(path.name) and path.is_file()}
    index = files.get("model.safetensors.index.json")
    try:
        read = [path for path in [place / DIGESTS, *files.values()] if path.suffix != ".safetensors" and path.is_file()]
        if any(path.stat().st_size >= 10**8 for path in read):
            raise ValueError
        weights = {"model.safetensors"}
        if index and not weights & files.keys():
            weights = {str(shard) for shard in json.loads(index.read_bytes())["weight_map"].values()}
        lacking = sorted(({"config.json"} | weights) - files.keys())
        if not files.keys() & {"tokenizer.json", "vocab.json", "vocab.txt"}:
            lacking.append("a tokenizer")
        if lacking:
            raise HubError(f"{name} lacks {', '.join(lacking)}; choose a model that has them")
        config = json.loads(files["config.json"].read_bytes())
        tokenizer = json.loads(files["tokenizer.json"].read_bytes()) if "tokenizer.json" in files else {}
        huge = [n >= (1000 if "layer" in key else 10**8) for key, n in config.items() if isinstance(n, int)]
        if any(huge) or not tokenizer.get("model", {}).get("vocab", "unknown"):
            raise ValueError
        kinds = config.get("architectures") or ["LMHeadModel"]
        kind = "an adapter" if "adapter_config.json" in files else ascii(kinds[0]).strip("'")
        digests = dict(json.loads((place / DIGESTS).read_bytes())) if (place / DIGESTS).is_file() else {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise HubError(f"the .json files of {name} have not the form of a model's; choose another") from None
    if not kind.endswith(KINDS[wanted]):
        raise HubError(f"{name} is no {wanted} but {kind}; choose one that is")
    links = {file: Path(os.readlink(path)).name for file, path in files.items() if root and path.is_symlink()}
    for file, path in files.items():
        digest = str(digests.get(file) or links.get(file, ""))
        known = CHECKSUM.fullmatch(digest) or root == cache_dir() / "hub" or file in digests or (links and not digest)
        within = _inside(root, path) if root else path  # whether it is known or not
        if known and not _is(within, digest):
            raise HubError(f"{path} has not the checksum that it came with; delete it and fetch the model again")
    if fault := _weights(files.values(), config):
        raise HubError(f"the weights of {name} {fault}; choose another")
    return list(files.values())


def _weights(files: Iterable[Path], config: dict) -> str:
    """What the headers of weights say is wrong: no floats, one twice, an embedding larger than all; "" for nothing."""
    found, total = [], 0
    for path in (path for path in files if path.suffix == ".safetensors"):
        with open(path, "rb") as file, suppress(ValueError, AttributeError, TypeError, LookupError, RecursionError):
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), 10**8)))
            header.pop("__metadata__", None)
            for tensor, about in header.items():
                if "F" not in about["dtype"] and not tensor.endswith((".attn.bias", "masked_bias", "position_ids")):
                    return f"hold {tensor} as {ascii(about['dtype'])}, which is no float"
                total += math.prod(about["shape"])
            found += [tensor.removeprefix("transformer.") for tensor in header]
    if len(set(found)) < len(found):
        return "hold one of them twice"
    width = config.get("n_embd", config.get("hidden_size"))
    sizes = [config.get("vocab_size"), config.get("n_positions") if "wpe.weight" in found else 0]
    small = any(isinstance(n, int) and isinstance(width, int) and n * width > total > 0 for n in sizes)
    return "are fewer than its embedding has" if small else ""


def _download(base: Path, name: str, wanted: str) -> list[Path]:
    """Fetch a model's files into base, but those that are there; the commit is noted when all have come."""
    from tqdm import tqdm

    hub = public(endpoint())
    try:
        listed = json.loads(_get(f"{endpoint()}/api/models/{name}/revision/main?blobs=true", 10_000_000))
        rows = [row for row in listed["siblings"] if FILES.fullmatch(row["rfilename"])]
        rows = [(row["size"], row["rfilename"], (row.get("lfs") or {}).get("sha256") or row["blobId"]) for row in rows]
        digests = {file: CHECKSUM.fullmatch(digest)[0] for _, file, digest in rows}
        place = _inside(base, base / "snapshots" / COMMIT.fullmatch(listed["sha"])[0])
        rows = sorted(row for row in rows if not _is(_inside(base, place / row[1]), row[2]))  # the small ones first
        if not all(isinstance(size, int) and 0 <= size < 10**15 for size, *_ in rows):
            raise ValueError
        total = sum(size for size, *_ in rows)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise HubError(f"{hub} lists no commit, sizes and checksums of {name}; open it in a browser and see") from None
    if total > (room := min(MOST, shutil.disk_usage(base).free)):
        sizes = f"{total / 1e6:,.1f} MB, and {base} takes {room / 1e6:,.1f}"
        raise HubError(f"{name} has {sizes}; make room there, set AIGC_CACHE, or choose a smaller model")
    say(f"{name}: fetching {total / 1e6:,.1f} MB from {hub}")
    own_folder(place), own_folder(base / "refs")
    with tqdm(total=total, unit="B", unit_scale=True, ncols=100, disable=bool(flag("AIGC_QUIET"))) as bar:
        for size, file, digest in rows:
            url = f"{endpoint()}/{name}/resolve/{place.name}/{file}"
            write_atomically(place / file, partial(_save, url, size, digest, bar))
    write_atomically(place / DIGESTS, lambda part: (part.write_text(json.dumps(digests)), readable(part)))
    write_atomically(_inside(base, base / "refs" / "main"), lambda part: (part.write_text(place.name), readable(part)))
    return check(place, name, cache_dir() / "hub", wanted)


def _save(url: str, size: int, digest: str, bar: Any, path: Path) -> None:
    """Write the file at url, which has to come in reasonable time, whole and unaltered."""
    n_before, end = bar.n, time.monotonic() + timeout() + size / SLOWEST

    def told(n_bytes: int) -> None:
        bar.update(n_before + n_bytes - bar.n)
        if time.monotonic() > end:
            raise Trouble(f"needs too long: only {n_bytes / 1e6:,.1f} of {size / 1e6:,.1f} MB came")

    with open(path, "wb") as file:
        _get(url, size, told, file)
    bar.update(n_before + size - bar.n)
    if path.stat().st_size != size or not _is(path, digest):
        raise Trouble(f"sends {path.name} with another size or checksum than it lists", remedy="try again")
    readable(path)


def _get(url: str, most: int, told: Any = lambda n_bytes: None, into: IO[bytes] | None = None) -> bytes:
    """What url sends when asked without a token or, where that is refused and nobody can listen, with the person's."""
    from huggingface_hub import get_token
    from requests.utils import get_auth_from_url

    in_url = get_auth_from_url(url)
    try:  # not None, for which requests sends what ~/.netrc has
        return ask(url, most, timeout(), told, into, in_url if any(in_url) else lambda request: request)[0]
    except Trouble as trouble:
        refused = trouble.reply is not None and trouble.reply.status_code in (401, 403)
        if not (refused and url.startswith("https://") and (token := get_token())):
            raise
    bearer = {"Authorization": f"Bearer {token}".encode(errors="replace")}
    return ask(url, most, timeout(), told, into, lambda request: request.headers.update(bearer) or request)[0]


def _why(trouble: Trouble, name: str) -> str:
    """One sentence about what stood between us and a model on the hub, and what to do about it."""
    hub, code, kind, sent = public(endpoint()), 0, None, b""
    if (reply := trouble.reply) is not None:
        code, kind = reply.status_code, reply.headers.get("X-Error-Code")
        sent = reply.request.headers.get("Authorization", b"")
    if kind == "GatedRepo":
        return f"{name} asks at {hub} for consent to its terms; give it there and set HF_TOKEN, or choose another"
    if code == 401 and "Bearer" in str(sent):
        return f"{hub} refuses the token in HF_TOKEN; renew it there"
    if code in (401, 404) and kind != "EntryNotFound":
        return f"{hub} has no model {name}; look for its name there (a private one wants HF_TOKEN and https)"
    remedy = "try again later" if code else "look at the connection and at HF_ENDPOINT, and try again"
    return f"{name} cannot be had, because {hub} {trouble}; {trouble.remedy or remedy}"


def _inside(root: Path, path: Path) -> Path:
    """path, unless it or a link on its way leads out of root."""
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise HubError(f"{path} leads out of {root}; delete it")
    return path


def _is(path: Path, digest: str) -> bool:
    """Whether a file is there with this SHA-256 or, of 40 digits, this SHA-1, by which git names its content."""
    if not path.is_file():
        return False
    content = hashlib.sha1(b"blob %d\0" % path.stat().st_size) if len(digest) == 40 else hashlib.sha256()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: content).hexdigest() == digest
