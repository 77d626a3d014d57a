"""Data sets: made-up files go through a local server that misbehaves; genuine ones are read where a mirror is."""

import gzip
import hashlib
import importlib.util
import io
import os
import re
import shutil
import signal
import ssl
import stat
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from server import Server, alone_with, write_registry

from aigc_course import data, gpt, hub, metrics
from aigc_course.plumbing import fetch

REPO = Path(data.__file__).parents[2]
TRAIN_IMAGES = "/mnist/train-images-idx3-ubyte.gz"
FETCH = "fetch.fetch('mnist', progress=False); print('fetched')"


def idx(array: torch.Tensor) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.numpy().tobytes(), mtime=0)


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    result = {}
    for part, n_images in (("train", 120), ("t10k", 30)):
        result[f"{part}-images-idx3-ubyte.gz"] = torch.randint(
            256, (n_images, 28, 28), generator=generator, dtype=torch.uint8
        )
        result[f"{part}-labels-idx1-ubyte.gz"] = torch.randint(10, (n_images,), generator=generator, dtype=torch.uint8)
    return result


@pytest.fixture
def site(tensors, tmp_path, monkeypatch):
    """A server that is the upstream address of a made-up mnist; no other source, an empty cache, no stand-in."""
    with Server({f"/mnist/{name}": idx(tensor) for name, tensor in tensors.items()}) as server:
        alone_with(server, tmp_path, monkeypatch)
        server.cache = tmp_path / "cache" / "mnist"
        yield server


def make_mirror(site: Server, folder: Path) -> Path:
    for path, content in site.files.items():
        (folder / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (folder / path[1:]).write_bytes(content)
    return folder


def start(code: str, *, before: tuple[str, ...] = (), registry: Path | None = None, **env: str) -> subprocess.Popen:
    """Run code with `data` imported in another process, which uses this process's registry and settings."""
    lines = ["import sys, os, time", "from pathlib import Path", "from aigc_course import data"]
    lines += [
        "from aigc_course.plumbing import fetch",
        "fetch.REGISTRY = Path(sys.argv[1])",
        "try:",
        f"    {code}",
        "except data.DataError as error:",
    ]
    lines += ["    print('DataError:', error)"]
    command = [*before, sys.executable, "-c", "\n".join(lines), str(registry or fetch.REGISTRY)]
    env = os.environ | {"PYTHONPATH": str(REPO)} | env
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def finish(process: subprocess.Popen, timeout: float = 50) -> str:
    try:
        return process.communicate(timeout=timeout)[0]
    finally:
        process.kill()


def failure(action=lambda: fetch.fetch("mnist", progress=False)) -> str:
    """The message of the DataError that action raises: one sentence, that says what to do."""
    with pytest.raises(data.DataError) as caught:
        action()
    return check_sentence(str(caught.value))


def check_sentence(text: str) -> str:
    text = text.strip()
    assert "\n" not in text and text.endswith(".") and "; " in text and text.isprintable(), text
    assert "Traceback" not in text and "object at 0x" not in text and "HTTPConnection" not in text, text
    return text


def leftovers(site: Server) -> set[str]:
    """What lies in the cache's folder beside the files that the registry knows."""
    known = {row.file for row in fetch.registry()["mnist"]}
    return {path.name for path in site.cache.iterdir()} - known if site.cache.exists() else set()


# --- what is loaded -------------------------------------------------------------------------------------------------


def grey(images):
    """The bytes of a file, (N, 28, 28), as a data set gives them."""
    return images[:, None].float() / 255


def test_downloads_once_and_decodes(site, tensors):
    train, test = data.mnist("train"), data.mnist("test")
    assert torch.equal(train.images, grey(tensors["train-images-idx3-ubyte.gz"]))
    assert torch.equal(train.labels, tensors["train-labels-idx1-ubyte.gz"].long()) and train.labels.dtype == torch.int64
    assert torch.equal(test.images, grey(tensors["t10k-images-idx3-ubyte.gz"]))
    assert train.name == "MNIST" and fetch.used == {"mnist": "upstream"} and data.standin_note() == ""
    assert sorted(site.gets) == sorted(site.files)
    train.images[0] = 0  # the memory is the caller's own
    assert leftovers(site) == {".lock"}
    assert (site.cache / "train-images-idx3-ubyte.gz").stat().st_mode & 0o044, "others cannot read the shared cache"


def test_genuine_mnist(monkeypatch, tmp_path):
    mirror = Path(os.environ.get("AIGC_DATA_MIRROR") or REPO.parent / "shared/data")
    if not (mirror / "mnist").is_dir():
        pytest.skip("no mirror folder with the genuine MNIST: set AIGC_DATA_MIRROR")
    monkeypatch.setenv("AIGC_DATA_MIRROR", str(mirror))
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIGC_STANDIN", "0")
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    monkeypatch.setattr(fetch, "used", {})
    began = time.perf_counter()
    train, test = data.mnist("train"), data.mnist("test")
    print(f"both parts of MNIST in {time.perf_counter() - began:.2f} s")
    assert train.images.shape == (60_000, 1, 28, 28) and test.images.shape == (10_000, 1, 28, 28)
    assert train.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3] and test.labels[:4].tolist() == [7, 2, 1, 0]
    assert train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert train.images.dtype == torch.float32 and train.images.aminmax() == (0, 1)
    assert train.images.mean().item() == pytest.approx(0.1307, abs=5e-5)  # as widely used
    assert not (tmp_path / "cache").exists(), "a folder mirror is read in place"


def test_registry_is_complete():
    rows = fetch.registry()
    assert {name: len(files) for name, files in rows.items()} == {
        "mnist": 4, "fashion_mnist": 4, "tinyshakespeare": 1, "tang300": 1, "banking77": 3, "e2e": 2, "sentfin": 1,
        "hanzi": 4,
    }  # fmt: skip
    for row in [row for files in rows.values() for row in files]:
        kind, _, digest = row.sha256.rpartition(":")
        assert len(digest) == (32 if kind == "md5" else 64) and row.licence and row.citation
        assert row.url.endswith("/" + row.file) or row.dataset == "tang300"  # whose own name is Chinese
        assert row.url.startswith("https://") and (row.bytes or fetch.LARGEST) <= fetch.LARGEST
        assert row.dataset == "fashion_mnist" or (row.bytes and ":" not in row.sha256)


def test_spare_sets_are_those_that_no_chapter_uses():
    loaders = {"tinyshakespeare": "shakespeare", "tang300": "tang_poems"}  # where the two names differ
    pages = [*(REPO / "notebooks").glob("*.ipynb"), *(REPO / "chapters").rglob("study.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    used = [name for name in fetch.registry() if f"data.{loaders.get(name, name)}(" in text]
    assert [name for name in fetch.registry() if name not in used] == list(fetch.SPARE)


def test_fashion_mnist_shares_the_code(site, tensors, monkeypatch):
    text = fetch.REGISTRY.read_text().replace("\nmnist,", "\nfashion_mnist,")
    for content in site.files.values():  # its makers publish MD5s and no sizes
        md5 = "md5:" + hashlib.md5(content, usedforsecurity=False).hexdigest()
        text = text.replace(f"{len(content)},{hashlib.sha256(content).hexdigest()}", f",{md5}")
    fetch.REGISTRY.write_text(text)
    assert torch.equal(data.fashion_mnist("test").images, grey(tensors["t10k-images-idx3-ubyte.gz"]))
    site.faults["*"] = "alter"
    shutil.rmtree(site.cache.parent)
    assert "altered" in failure(lambda: fetch.fetch("fashion_mnist"))
    monkeypatch.setattr(fetch, "LARGEST", 1_000_000)
    site.faults["*"] = "endless"
    assert "sent more than the file's 1,000,000 bytes" in failure(lambda: fetch.fetch("fashion_mnist"))
    assert site.sent < 60_000_000, "an endless body is read on"


def test_digits_look_like_mnist():
    train, test = data.digits(), data.digits("test")
    assert train.images.shape == (1497, 1, 28, 28) and test.images.shape == (300, 1, 28, 28)
    assert train.images.dtype == torch.float32 and train.labels.dtype == torch.int64 and train.name == "digits"
    assert train.images.aminmax() == (0, 1)
    margin = train.images.clone()
    margin[..., 4:24, 4:24] = 0
    assert margin.sum() == 0
    assert test.labels.bincount(minlength=10).min() >= 25
    whole = 255 * torch.cat([train.images, test.images])
    from sklearn.datasets import load_digits

    small = torch.nn.functional.avg_pool2d(whole[..., 4:24, 4:24], 5, 5)[:, 0]  # each block: 2 x 2 of the 8 x 8
    raw = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] * 255 / 16
    expected = torch.nn.functional.avg_pool2d(raw, 2, 2)[:, 0]
    assert (small - expected).abs().mean() < 12, "the images are not the digits enlarged, in order"


@pytest.fixture
def hanzi(monkeypatch):
    """Loads typefaces genuinely, or with what stands in for them."""
    monkeypatch.setattr(fetch, "used", {})
    monkeypatch.setattr(fetch, "_failures", set())

    def load(standin):
        monkeypatch.setenv("AIGC_STANDIN", "1" if standin else "0")
        return {name: data.hanzi(name) for name in ("hei", "kai", "song")}

    return load


@pytest.mark.skipif(not os.environ.get("AIGC_DATA_MIRROR"), reason="the genuine characters are in a mirror")
def test_hanzi_are_the_same_characters_in_three_typefaces(hanzi):
    sets = hanzi(standin=False)
    for name, glyphs in sets.items():
        assert glyphs.images.shape == (3755, 1, 32, 32) and glyphs.images.dtype == torch.float32
        assert glyphs.images.aminmax() == (0, 1) and glyphs.name == name
        assert glyphs.characters == "".join(  # level 1 of GB 2312: rows 16 to 55 of 94, the last five of which are free
            bytes([160 + row, 160 + cell]).decode("gb2312") for row in range(16, 56) for cell in range(1, 95)
            if (row, cell) < (55, 90)
        )  # fmt: skip
        one, many = glyphs.images[glyphs.characters.index("一"), 0], glyphs.images[glyphs.characters.index("墨"), 0]
        assert one[12:20].sum() > 0.9 * one.sum() and many.sum() > 2 * one.sum()  # a stroke across the middle
    ink = {name: glyphs.images.mean().item() for name, glyphs in sets.items()}
    assert ink["hei"] > 1.5 * ink["kai"] > 1.5 * 0.17
    assert data.hanzi("hei").images.data_ptr() != sets["hei"].images.data_ptr()  # the memory is the caller's own


def test_digits_stand_in_for_hanzi(hanzi, capsys):
    sets = hanzi(standin=True)
    assert "scikit-learn's digits stand in for the Chinese characters" in capsys.readouterr().out
    for name, glyphs in sets.items():
        assert glyphs.images.shape == (1797, 1, 32, 32) and glyphs.name == f"{name} (stand-in)"
        assert 0 <= glyphs.images.min() and glyphs.images.max() <= 1 and len(glyphs.characters) == 1797
        assert glyphs.characters[:4] == "0123"  # as scikit-learn orders them

    def row(x):  # of the ink's centre
        return ((x.sum(dim=3) * torch.arange(32.0)).sum(dim=(1, 2)) / x.sum(dim=(1, 2, 3))).mean().item()

    hei, kai, song = (sets[name].images for name in ("hei", "kai", "song"))
    assert hei.mean() > 1.3 * song.mean() and kai.mean() == pytest.approx(song.mean().item(), rel=0.02)
    assert row(song) - row(kai) == pytest.approx(2, abs=0.05)
    upper, lower = kai[:, :, :14], kai[:, :, 14:]  # kai leans to the right: its upper half lies farther there
    columns = torch.arange(32.0)
    right = [(part.sum(dim=(0, 1, 2)) * columns).sum() / part.sum() for part in (upper, lower)]
    plain = [(part.sum(dim=(0, 1, 2)) * columns).sum() / part.sum() for part in (song[:, :, :16], song[:, :, 16:])]
    assert right[0] - right[1] > plain[0] - plain[1] + 1
    assert fetch.standin_note() == "stand-in data: digits"


def archive(**arrays) -> bytes:
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)
    return made.getvalue()


INK, SIGNS = np.zeros((3755, 32, 32), np.uint8), "".join(map(chr, range(0x4E00, 0x4E00 + 3755)))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("kai_32.npz", archive(x=INK)[:-100], "BadZipFile"),
        ("kai_32.npz", b"", "BadZipFile"),
        ("kai_32.npz", archive(y=INK), "KeyError"),
        ("kai_32.npz", archive(x=np.array([print])), "Object arrays cannot be loaded"),
        ("kai_32.npz", archive(x=INK[:-1]), "shape (3754, 32, 32)"),
        ("kai_32.npz", archive(x=INK.reshape(3755, 1024)), "shape (3755, 1024)"),
        ("kai_32.npz", archive(x=INK / 255), "float64"),
        ("kai_32.npz", archive(x=INK.astype(">i2")), ">i2"),
        ("kai_32.npz", archive(x=np.broadcast_to(INK[:1], (100_000, 32, 32))), "ValueError"),  # unpacked to 102 MB
        ("chars.txt", b"", "0 characters"),
        ("chars.txt", SIGNS.encode("gbk", "replace"), "UnicodeDecodeError"),
        ("chars.txt", (SIGNS[0] + SIGNS[:-1]).encode(), "3754 characters"),
        ("chars.txt", "\n".join(SIGNS).encode(), "3756 characters"),
    ],
)
def test_registered_characters_of_another_form(site, name, content, says):
    files = {"kai_32.npz": archive(x=INK), "chars.txt": SIGNS.encode(), name: content}
    site.files = {f"/hanzi/{file}": made for file, made in files.items()}
    write_registry(fetch.REGISTRY, site.url, site.files)
    message = failure(lambda: data.hanzi("kai"))
    assert says in message and "rows in the registry" in message, message


@pytest.fixture
def maker():
    spec = importlib.util.spec_from_file_location("hanzi_maker", REPO / "makers/hanzi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hanzi_are_made_of_the_registrys_characters(maker):
    row = next(row for row in fetch.registry()["hanzi"] if row.file == "chars.txt")
    assert hashlib.sha256(f"{maker.characters()}\n".encode()).hexdigest() == row.sha256
    assert maker.archive(INK[:5]) == maker.archive(INK[:5]) and len(set(maker.characters())) == 3755


def test_hanzi_are_made_anew_byte_for_byte(maker):
    if not all((maker.FONTS / path).is_file() for path, _ in maker.TYPEFACES.values()):
        pytest.skip("the two fonts' Debian packages are not installed")
    stored = {row.file: row.sha256 for row in fetch.registry()["hanzi"]}
    path, index = maker.TYPEFACES["kai"]
    made = maker.archive(maker.glyphs(maker.FONTS / path, index, maker.characters()))
    assert hashlib.sha256(made).hexdigest() == stored["kai_32.npz"]


def test_typefaces_have_names():
    with pytest.raises(ValueError, match="'fang'"):
        data.hanzi("fang")


def test_import_is_light():
    code = "print(sorted({'torch', 'requests', 'tqdm', 'sklearn', 'numpy'} & set(sys.modules)))"
    assert finish(start(code, registry=REPO)).strip() == "[]"


def test_progress_bar(site, monkeypatch, capsys):
    fetch.fetch("mnist")
    assert capsys.readouterr().err == ""  # AIGC_QUIET=1
    shutil.rmtree(site.cache)
    monkeypatch.delenv("AIGC_QUIET")
    fetch.fetch("mnist")
    assert "train-images-idx3-ubyte.gz: 100%" in capsys.readouterr().err


def test_embedded(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.rooms, "PACKAGE", tmp_path / "aigc_course")
    (tmp_path / "aigc_course/_data").mkdir(parents=True)
    (tmp_path / "aigc_course/_data/poems.txt").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/poems.txt").touch()
    for folder in ("aigc_course/_data", "data"):
        (tmp_path / folder / "SHA256SUMS").write_text(f"{hashlib.sha256().hexdigest()}  poems.txt\n")
    assert data.embedded("poems.txt") == tmp_path / "aigc_course/_data/poems.txt"  # an installed wheel
    for name in ("pyproject.toml", "notebooks/"):
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    assert data.embedded("poems.txt") == tmp_path / "data/poems.txt"  # a checkout
    with pytest.raises(FileNotFoundError, match="nothing.safetensors"):
        data.embedded("nothing.safetensors")


CARRIED = {
    "course_gpt2/model.safetensors": [lambda: gpt.checkpoint(), lambda: hub.model("course_gpt2")],
    "course_gpt2/tokenizer.json": [lambda: gpt.checkpoint(), lambda: hub.model("course_gpt2")],
    "course_gpt2/config.json": [lambda: data.embedded("course_gpt2/tokenizer.json")],
    "mnist_classifier.safetensors": [lambda: metrics.classifier()],
    "poems.json": [lambda: data.tang_poems()],
    "storefront/tickets.jsonl": [lambda: data.storefront("tickets")],
}


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the course's own data, of which the package thinks that it came with it."""
    monkeypatch.setattr(fetch.rooms, "PACKAGE", tmp_path / "aigc_course")
    monkeypatch.setenv("AIGC_STANDIN", "1")
    monkeypatch.setattr(fetch, "used", {})
    return Path(shutil.copytree(REPO / "data", tmp_path / "aigc_course/_data"))


@pytest.mark.parametrize("damage", ["a bit", "512 zeros", "an end", "no file"])
@pytest.mark.parametrize("name", CARRIED)
def test_a_carried_file_that_is_altered_is_refused(copied, name, damage):
    """A bit in the middle of weights was loaded as another weight, 512 zeros as that many zeros."""
    path, content = copied / name, bytearray((copied / name).read_bytes())
    middle = len(content) // 2
    if damage == "a bit":
        content[middle] ^= 1
    elif damage == "512 zeros":
        content[middle : middle + 512] = bytes(len(content[middle : middle + 512]))
    path.write_bytes(content[:-1] if damage == "an end" else content)
    if damage == "no file":
        path.unlink()
    for load in CARRIED[name]:
        with pytest.raises(data.DataError, match=rf"{path.name} is missing or altered; put it back with git"):
            load()


def test_files_beside_the_one_that_is_altered_are_still_given(copied):
    (copied / "mnist_classifier.safetensors").write_bytes(b"")
    assert data.embedded("poems.json") == copied / "poems.json" and data.storefront("tickets")
    (copied / "poems.md").write_text("a card may change")
    assert data.tang_poems()


@pytest.mark.parametrize("content", [b"", b"\xff\0 no table", None])
def test_without_its_table_nothing_that_the_course_carries_is_given(copied, content):
    (copied / "SHA256SUMS").write_bytes(content or b"") if content is not None else (copied / "SHA256SUMS").unlink()
    with pytest.raises(FileNotFoundError, match="poems.json|SHA256SUMS"):
        data.embedded("poems.json")


def test_the_table_is_that_of_the_files_and_is_written_by_one_command(copied):
    spec = importlib.util.spec_from_file_location("checksums", REPO / "makers/checksums.py")
    checksums = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checksums)
    stored = (REPO / "data/SHA256SUMS").read_text()
    assert checksums.table() == stored, "python makers/checksums.py writes it anew"
    assert set(CARRIED) < set(re.findall("  (.+)", stored)) and "README" not in stored
    (copied / "poems.json").write_text("[]")
    checksums.write(copied)
    assert data.tang_poems() == []


def test_bad_arguments_and_settings(site, monkeypatch):
    with pytest.raises(ValueError, match="'valid'"):
        data.mnist("valid")
    with pytest.raises(ValueError, match="no data set 'mnits'"):
        fetch.fetch("mnits")
    bad = [("TIMEOUT", "soon"), ("TIMEOUT", "-1"), ("OFFLINE", "yes"), ("QUIET", "yes"), ("CACHE", "http://host")]
    for name, value in [*bad, ("DATA_MIRROR", "ftp://host"), ("DATA_MIRROR", "~nobody-of-that-name/data")]:
        with monkeypatch.context() as patch:
            patch.setenv(f"AIGC_{name}", value)
            with pytest.raises(ValueError, match=f"AIGC_{name}.*{value}"):
                fetch.fetch("mnist")


@pytest.mark.parametrize("change", ["magic", "sizes", "no gzip", "labels"])
def test_a_registered_file_that_is_no_idx(site, tmp_path, change):
    raw = gzip.decompress(site.files[TRAIN_IMAGES])
    if change == "labels":
        content = idx(torch.zeros(120, 27, 28, dtype=torch.uint8))
    elif change == "no gzip":
        content = b"plain"
    else:
        content = gzip.compress(b"\0\0\x09" + raw[3:] if change == "magic" else raw[:-1])
    site.files[TRAIN_IMAGES] = content
    write_registry(fetch.REGISTRY, site.url, site.files)
    expected = {
        "magic": "00000903",
        "sizes": "sizes (120, 28, 28)",
        "no gzip": "is no gzip file",
        "labels": "(120, 27, 28)",
    }
    with pytest.raises(data.DataError) as caught:
        data.mnist("train")
    assert expected[change] in str(caught.value)


# --- servers that fail ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "says", "n_gets"),
    [
        ("404", "answered 404 (Not Found)", 1),
        ("escape", "answered 404 (Not Found); ", 1),
        ("later", "answered 429 (Too Many Requests; it wants no more questions for 3600 s)", 1),
        ("500", "answered 500 (Internal Server Error)", fetch.ATTEMPTS),
        ("silent", "stalled: nothing came in 0.5 s", fetch.ATTEMPTS),
        ("stall", "stalled: nothing came in 0.5 s", fetch.ATTEMPTS),
        ("drip", "stalled: only", fetch.ATTEMPTS),
        ("headers", "stalled: nothing came in 0.5 s", fetch.ATTEMPTS),
        ("truncate", "broke off after", fetch.ATTEMPTS),
        ("short", "broke off after", fetch.ATTEMPTS),
        ("long", "sent more than", fetch.ATTEMPTS),
        ("alter", "sent an altered file", fetch.ATTEMPTS),
        ("cut", "reset", fetch.ATTEMPTS),
        ("page", "sent a web page in the file's place; log in", fetch.ATTEMPTS),
        ("endless", "sent more than", fetch.ATTEMPTS),
        ("bomb", "holds more than", fetch.ATTEMPTS),
        ("brotli", "compresses files as br, which cannot be read; switch that off there", 1),
    ],
)
def test_server_fails(site, fault, says, n_gets):
    site.faults[TRAIN_IMAGES] = fault
    began = time.monotonic()
    message = failure()
    assert says in message or (os.name == "nt" and fault == "cut"), message
    assert site.url + TRAIN_IMAGES in message and "AIGC_DATA_MIRROR" in message, message
    assert "aigc-course fetch mnist" in message
    assert site.gets.count(TRAIN_IMAGES) == n_gets
    assert time.monotonic() - began < 20, "the timeout setting does not count"
    assert not (site.cache / "train-images-idx3-ubyte.gz").exists() and leftovers(site) == {".lock", ".failed"}
    site.faults.clear()
    assert len(fetch.fetch("mnist")) == 4 and leftovers(site) == {".lock"}


@pytest.mark.parametrize("fault", ["500", "stall", "truncate", "alter", "cut"])
def test_one_failure_is_tried_again(site, fault):
    site.faults[TRAIN_IMAGES] = [fault]
    assert len(fetch.fetch("mnist")) == 4
    assert len(site.gets) == 5


@pytest.mark.parametrize("fault", ["gzip", "compress"])
def test_a_compressed_answer_is_accepted(site, fault):
    site.faults["*"] = fault
    assert {path.name: content for path, content in fetch.fetch("mnist").items()} == {
        name.removeprefix("/mnist/"): content for name, content in site.files.items()
    }
    assert len(site.gets) == 4


def test_nothing_listens(site, monkeypatch):
    write_registry(fetch.REGISTRY, "http://127.0.0.1:9", site.files)
    assert "refused" in failure()


def test_no_network_in_a_namespace(site):
    """Without any route, with the genuine registry: the stand-in takes over, and says so once in full."""
    before = needs_unshare("-rn")
    genuine = Path(fetch.__file__).with_name("registry.csv")
    code = (
        "a, b = data.mnist('train'), data.mnist('test'); "
        "print(len(a.images), len(b.images), a.name, fetch.used, data.standin_note())"
    )
    first, again, summary = finish(start(code, before=before, registry=genuine, AIGC_STANDIN="")).strip().splitlines()
    assert "mnist cannot be had: https://ossci-datasets.s3.amazonaws.com/mnist/" in first, first
    assert "AIGC_DATA_MIRROR" in first and "scikit-learn's digits stand in for MNIST" in check_sentence(first)
    assert "MNIST is still missing" in again
    assert summary == "1497 300 digits (stand-in) {'mnist': 'stand-in'} stand-in data: digits"


def needs_unshare(flags: str) -> tuple[str, ...]:
    command = ("unshare", flags)
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip(f"`unshare {flags}` is not permitted here")
    return command


# --- mirror, cache, stand-in ----------------------------------------------------------------------------------------


def test_folder_mirror_is_read_in_place(site, tmp_path, monkeypatch):
    mirror = make_mirror(site, tmp_path / "mirror")
    monkeypatch.setenv("AIGC_DATA_MIRROR", str(mirror))
    assert all(path.parent == mirror / "mnist" for path in fetch.fetch("mnist"))
    assert not site.cache.exists() and site.gets == []
    (mirror / TRAIN_IMAGES[1:]).write_bytes(site.files[TRAIN_IMAGES][:-1] + b"x")
    assert {path.parent for path in fetch.fetch("mnist")} == {mirror / "mnist", site.cache}  # the rest is still there
    assert site.gets == [TRAIN_IMAGES]
    shutil.rmtree(site.cache)
    site.faults["*"] = "404"
    message = failure()
    assert f"{mirror / TRAIN_IMAGES[1:]} is altered: its checksum" in message and "answered 404" in message


def test_url_mirror_and_upstream_behind_it(site, monkeypatch):
    with Server(site.files) as mirror:
        monkeypatch.setenv("AIGC_DATA_MIRROR", mirror.url.replace("//", "//teacher:secret@") + "/")
        fetch.fetch("mnist")
        assert len(mirror.gets) == 4 and site.gets == []
        shutil.rmtree(site.cache)
        mirror.gets.clear()
        mirror.faults["*"] = "404"
        fetch.fetch("mnist")
        assert len(mirror.gets) == 1 and len(site.gets) == 4  # a mirror that failed once is not asked for every file
        shutil.rmtree(site.cache)
        site.faults["*"] = "500"
        message = failure()
        assert f"{mirror.url}{TRAIN_IMAGES} answered 404" in message, message
        assert f"{site.url}{TRAIN_IMAGES} answered 500" in message and "secret" not in message


def test_altered_file_in_the_cache(site, tensors, monkeypatch):
    fetch.fetch("mnist")
    file = site.cache / "train-images-idx3-ubyte.gz"
    genuine = file.read_bytes()
    for altered in (genuine[:-9] + bytes(9), genuine[:100], b""):
        file.write_bytes(altered)
        assert torch.equal(data.mnist("train").images, grey(tensors[file.name]))
        assert file.read_bytes() == genuine
    assert len(site.gets) == 7
    file.write_bytes(genuine[:100])
    site.faults["*"] = "404"
    assert f"{file} is altered: it has 100 bytes, not {len(genuine):,}" in failure()
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    assert "altered" in failure() and "AIGC_OFFLINE=1 forbids the network" in failure()


def test_each_file_is_read_and_hashed_once(site, monkeypatch):
    fetch.fetch("mnist")
    reads, hashes = [], []
    monkeypatch.setattr(
        fetch, "_read", lambda path, *size, real=fetch._read, **how: reads.append(path) or real(path, *size, **how)
    )
    monkeypatch.setattr(fetch, "_is", lambda row, content, real=fetch._is: hashes.append(row) or real(row, content))
    data.mnist("train")
    assert len(reads) == len(set(reads)) == 4 and len(hashes) == len(set(hashes)) == 4


def test_offline_uses_cache_and_folder_mirror_only(site, tmp_path, monkeypatch):
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    message = failure()
    assert "AIGC_OFFLINE=1 forbids the network" in message and str(site.cache.parent) in message
    monkeypatch.setenv("AIGC_DATA_MIRROR", site.url)
    assert "AIGC_OFFLINE=1 forbids the network" in failure() and site.gets == []
    monkeypatch.setenv("AIGC_DATA_MIRROR", str(tmp_path / "nowhere"))
    assert "nowhere" in failure()
    monkeypatch.setenv("AIGC_DATA_MIRROR", str(make_mirror(site, tmp_path / "mirror")))
    assert len(fetch.fetch("mnist")) == 4
    shutil.copytree(tmp_path / "mirror", site.cache.parent)
    monkeypatch.delenv("AIGC_DATA_MIRROR")
    assert next(iter(fetch.fetch("mnist"))).parent == site.cache and site.gets == []


def test_standin_takes_over_and_never_mixes(site, monkeypatch, capsys):
    monkeypatch.delenv("AIGC_STANDIN")
    site.faults["/mnist/t10k-labels-idx1-ubyte.gz"] = "404"
    train = data.mnist("train")  # its own files could be had: then train and test would not be of one kind
    message = check_sentence(capsys.readouterr().out)
    assert "answered 404" in message and "until then scikit-learn's digits stand in for MNIST" in message
    assert train.name == "digits (stand-in)" and data.standin_in_use() and fetch.used == {"mnist": "stand-in"}
    n_gets = len(site.gets)
    assert data.mnist("test").name == "digits (stand-in)" and len(site.gets) == n_gets  # not tried again
    assert "still missing" in capsys.readouterr().out
    site.faults.clear()
    monkeypatch.setenv("AIGC_DATA_MIRROR", site.url)  # other settings: tried again
    assert data.mnist("test").name == "MNIST" and not data.standin_in_use()
    assert "run the notebook again from its first cell" in capsys.readouterr().out
    shutil.rmtree(site.cache)
    site.faults["*"] = "404"
    assert "answered 404" in failure(lambda: data.mnist("train"))  # genuine test images are in use


def test_standin_on_request(site, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    assert data.mnist("train").name == data.fashion_mnist("test").name == "digits (stand-in)"
    out = capsys.readouterr().out
    assert "AIGC_STANDIN=1" in out and "stand in for Fashion-MNIST" in out and site.gets == []
    assert fetch.used == {"mnist": "stand-in", "fashion_mnist": "stand-in"}


def test_reachable(site, tmp_path, monkeypatch):
    assert fetch.reachable("mnist", 0.5) == (True, "upstream answers", "") and len(site.gets) == 1
    site.faults["*"] = "silent"
    assert fetch.reachable("mnist", 0.5) == (False, "upstream stalled: nothing came in 0.5 s", "")
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    ok, words, remedy = fetch.reachable("mnist")
    assert not ok and "AIGC_OFFLINE=1 forbids the network" in words and remedy == "unset AIGC_OFFLINE"
    monkeypatch.setenv("AIGC_DATA_MIRROR", str(make_mirror(site, tmp_path / "mirror")))
    assert fetch.reachable("mnist") == (True, "all files are here, with the right checksums", "")


# --- disks, processes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("size=64k", "(No space left on device) and is used from memory; make room there"),
        ("ro", "(Read-only file system"),
    ],
)
def test_full_or_read_only_disk(site, options, says):
    """A file system of that kind is mounted at the cache in a namespace of the process's own."""
    before = needs_unshare("-rm")
    cache = site.cache.parent
    cache.mkdir()
    mount = f'mount -t tmpfs -o {options} tmpfs {cache} && exec "$@"'
    if subprocess.run([*before, "sh", "-c", mount, "sh", "true"], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    code = "\n    ".join([
        "print(len(fetch.fetch('mnist')), len(fetch.unkept) > 0, len(fetch.fetch('mnist')))",
        "print([path.name for path in Path(os.environ['AIGC_CACHE']).rglob('*') if '.gz.' in path.name])",
    ])  # fmt: skip
    process = start(code, before=(*before, "sh", "-c", mount, "sh"))
    message, counts, temporary = finish(process).strip().splitlines()
    assert says in check_sentence(message) and "AIGC_CACHE" in message, message
    assert counts == "4 True 4" and temporary == "[]"
    assert sorted(site.gets) == sorted(site.files), "what could not be stored is fetched again"


def test_read_only_cache_that_has_the_files(site):
    before = needs_unshare("-rm")
    fetch.fetch("mnist")
    mount = f'mount --bind {site.cache} {site.cache} && mount -o remount,ro,bind {site.cache} && exec "$@"'
    if subprocess.run([*before, "sh", "-c", mount, "sh", "true"], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    assert finish(start(FETCH, before=(*before, "sh", "-c", mount, "sh"))).strip() == "fetched"


@pytest.mark.parametrize("n_processes", [2, 40])
def test_processes_share_one_download(site, tmp_path, n_processes):
    site.faults["*"] = "delay"
    outputs = together(tmp_path, n_processes, AIGC_TIMEOUT="20")
    assert all(output.strip().splitlines()[-1] == "fetched" for output in outputs), outputs
    assert sorted(site.gets) == sorted(site.files)
    assert leftovers(site) == {".lock"}


def test_processes_share_one_failure(site, tmp_path):
    """Behind a firewall the last of forty learners does not wait forty timeouts."""
    site.faults["*"] = "silent"
    outputs = together(tmp_path, 5, AIGC_TIMEOUT="3")
    assert all("DataError: mnist cannot be had" in output and "stalled" in output for output in outputs), outputs
    assert len(site.gets) == fetch.ATTEMPTS
    assert any("waiting for it" in output for output in outputs)


def together(tmp_path: Path, n_processes: int, **env: str) -> list[str]:
    """Let n processes fetch at the same moment; their outputs."""
    ready = f"Path({str(tmp_path)!r}, f'ready-{{os.getpid()}}').touch()"
    go = f"[time.sleep(0.01) for _ in iter(Path({str(tmp_path)!r}, 'go').exists, True)]"
    processes = [start(f"{ready}; {go}; {FETCH}", **env) for _ in range(n_processes)]
    deadline = time.monotonic() + 40
    while len(list(tmp_path.glob("ready-*"))) < n_processes and time.monotonic() < deadline:
        time.sleep(0.02)
    (tmp_path / "go").touch()
    return [finish(process) for process in processes]


def wait_for(condition) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_download(site):
    """kill -9 in the middle: the process that waits goes on at once, and nothing half is left."""
    site.faults[TRAIN_IMAGES] = ["stall"]
    first = start(FETCH, AIGC_TIMEOUT="60")
    wait_for(lambda: TRAIN_IMAGES in site.gets)
    second = start(FETCH, AIGC_TIMEOUT="60")
    assert "waiting for it" in second.stdout.readline()
    assert site.gets == [TRAIN_IMAGES] and not (site.cache / "train-images-idx3-ubyte.gz").exists()
    first.kill()
    first.communicate()
    assert finish(second, timeout=20).strip() == "fetched"
    assert leftovers(site) == {".lock"} and len(site.gets) == 5


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no process")
def test_a_stopped_download_is_not_waited_for_without_end(site):
    site.faults[TRAIN_IMAGES] = ["stall"]
    first = start(FETCH, AIGC_TIMEOUT="60")
    wait_for(lambda: TRAIN_IMAGES in site.gets)
    first.send_signal(signal.SIGSTOP)
    try:
        lines = finish(start(FETCH, AIGC_TIMEOUT="1"), timeout=40).splitlines()
    finally:
        first.kill()
        first.communicate()
    assert lines == [
        "Another process is fetching mnist; waiting for it.",
        "The other process does not end; mnist is fetched without waiting for it.",
        "fetched",
    ]


# --- what does not belong into a cache ------------------------------------------------------------------------------

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "3 GB", "link to /dev/zero"])
def test_only_a_regular_file_of_the_right_size_is_opened(site, monkeypatch, kind, capsys):
    site.cache.mkdir(parents=True)
    path = site.cache / IMAGES
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        except OSError:
            pytest.skip("making a device is not permitted here")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to /dev/zero":
        path.symlink_to("/dev/zero")
    else:
        with open(path, "wb") as file:
            file.truncate(3 << 30)
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    says = (
        "is altered: it has 3,221,225,472 bytes" if kind == "3 GB" else f"pipe or a device and the cache {site.cache}"
    )
    assert says.split(" and the")[0] in failure() and (kind == "3 GB" or f"; remove {path}, or" in failure())
    monkeypatch.delenv("AIGC_OFFLINE")
    assert fetch.fetch("mnist")[path] == site.files[TRAIN_IMAGES]
    told = capsys.readouterr().out
    assert path.is_dir() if kind == "folder" else path.read_bytes() == site.files[TRAIN_IMAGES] and not told
    assert kind != "folder" or f"{path} cannot be stored (Is a directory)" in told and "remove what lies in" in told


def test_planted_links_are_not_followed(site, tmp_path):
    precious = tmp_path / "precious"
    site.cache.mkdir(parents=True)
    for name in (".failed", ".lock", IMAGES, f"{IMAGES}.tmp"):
        precious.write_text("mine")
        (site.cache / name).symlink_to(precious)
    site.faults["*"] = "404"
    failure()
    site.faults.clear()
    fetch.fetch("mnist")
    assert precious.read_text() == "mine"
    assert (site.cache / IMAGES).read_bytes() == site.files[TRAIN_IMAGES] and not (site.cache / IMAGES).is_symlink()


def test_a_cache_that_is_a_link_is_neither_written_nor_emptied(site, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / ".failed").write_text("mine")
    site.cache.parent.mkdir(parents=True)
    site.cache.symlink_to(theirs)
    site.faults["*"] = "404"
    failure()
    assert (theirs / ".failed").read_text() == "mine"
    site.faults.clear()
    fetch._failures.clear()
    assert len(fetch.fetch("mnist")) == 4
    assert [(file.name, file.read_text()) for file in theirs.iterdir()] == [(".failed", "mine")]


def test_what_another_user_noted_is_told_in_one_line_without_codes(site, monkeypatch):
    notes = iter(["", "1 1\n\nno\n\x1b[31msuch host"])  # as it was, and after another process failed meanwhile
    monkeypatch.setattr(fetch, "_text", lambda note: next(notes))
    with pytest.raises(fetch.DataError) as caught, fetch._in_turn("mnist", list(fetch.registry()["mnist"])):
        pass
    assert str(caught.value) == "no ?[31msuch host"


def test_the_body_of_a_redirect_is_not_read(site):
    site.files["/elsewhere"] = site.files[TRAIN_IMAGES]
    site.faults[TRAIN_IMAGES] = "redirect"
    assert len(fetch.fetch("mnist")) == 4 and "/elsewhere" in site.gets
    time.sleep(0.2)
    assert site.sent < 100_000_000  # what the sockets hold


def test_a_lock_that_cannot_be_had_is_said_and_nothing_more(site, capsys):
    (site.cache / ".lock").mkdir(parents=True)
    assert len(fetch.fetch("mnist")) == 4
    assert f"{site.cache / '.lock'} cannot be locked (Is a directory); remove it" in capsys.readouterr().out


def test_a_small_file_cannot_unpack_to_gigabytes(site, monkeypatch):
    site.files[TRAIN_IMAGES] = gzip.compress(bytes([0, 0, 8, 3]) + bytes(20_000_000))
    write_registry(fetch.REGISTRY, site.url, site.files)
    monkeypatch.setattr(fetch, "LARGEST", 1_000_000)
    assert "holds more than 1,000,000 bytes" in failure(lambda: data.mnist("train"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be several users")
def test_the_next_user_of_a_shared_cache_is_not_shut_out(site, tmp_path):
    """The first one's download fails; the second one's files are kept. Where they cannot be, memory serves."""
    with tempfile.TemporaryDirectory() as name:  # where other users can look
        shared, registry = Path(name, "cache"), Path(name, "registry.csv")
        Path(name).chmod(0o755)
        shutil.copyfile(fetch.REGISTRY, registry)
        shared.mkdir()
        shared.chmod(0o777)

        def as_user(uid: int) -> str:
            modules = "import encodings.idna, filelock, requests, tqdm"  # which may lie where this user cannot look
            code = "\n    ".join([modules, f"os.umask(0o022); os.setgid({uid}); os.setuid({uid})", FETCH])
            return finish(start(code, registry=registry, AIGC_CACHE=str(shared)))

        site.faults["*"] = "404"
        assert "answered 404" in as_user(64001) and (shared / "mnist").stat().st_uid == 64001
        site.faults.clear()
        assert as_user(64002) == "fetched\n" and (shared / "mnist" / IMAGES).stat().st_uid == 64002
        assert as_user(64001) == "fetched\n"
        n_gets = len(site.gets)
        (shared / "mnist" / IMAGES).unlink()
        (shared / "mnist").chmod(0o755)  # as it was made once
        words = as_user(64002)
        assert "cannot be stored (Permission denied) and is used from memory; set AIGC_CACHE" in words, words
        assert words.endswith("fetched\n") and len(site.gets) == n_gets + 1


# --- each cause by its own name -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dead", "wants a password"])
def test_a_proxy_is_blamed_and_not_the_mirror(site, monkeypatch, kind):
    site.faults["*"] = "proxy"
    proxy = "http://me:secret@127.0.0.1:9" if kind == "dead" else site.url.replace("//", "//me:secret@")
    with Server(site.files) as mirror:
        monkeypatch.setenv("AIGC_DATA_MIRROR", mirror.url)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        message = failure()
        shown = proxy.replace("me:secret@", "")
        why = "Connection refused" if kind == "dead" else "it wants a password"
        assert f"was not reached, because the proxy {shown} is of no use ({why})" in message, message
        assert "; correct or unset HTTP_PROXY and HTTPS_PROXY" in message and "secret" not in message
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert len(fetch.fetch("mnist")) == 4


def test_a_certificate_is_blamed(site, tmp_path, monkeypatch):
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    if not shutil.which("openssl") or subprocess.run(made, capture_output=True).returncode:
        pytest.skip("needs openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    monkeypatch.setenv("AIGC_TIMEOUT", "10")
    with Server(site.files, tls=context) as mirror:
        monkeypatch.setenv("AIGC_DATA_MIRROR", mirror.url)
        site.faults["*"] = "404"
        message = failure()
        assert "has a certificate that is not trusted (self-signed certificate)" in message, message
        assert "; set REQUESTS_CA_BUNDLE to your network's certificates" in message
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert"))
        assert len(fetch.fetch("mnist")) == 4


def test_the_offline_switch_is_blamed(site, monkeypatch):
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    assert "; unset AIGC_OFFLINE, or set AIGC_DATA_MIRROR" in failure()


def test_an_address_that_cannot_be_asked_is_not_quoted(site, monkeypatch):
    monkeypatch.setenv("AIGC_DATA_MIRROR", "http://me:pass/word@host:1")
    site.faults["*"] = "404"
    message = failure()
    assert "http://host:1/mnist/" in message and "is no address that can be asked" in message
    assert "word" not in message and "pass" not in message
