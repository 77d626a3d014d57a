"""Images: MNIST, Fashion-MNIST, Chinese characters in three typefaces, and scikit-learn's digits, which stand in."""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aigc_course.plumbing import fetch
from aigc_course.plumbing.web import Trouble, unzip

if TYPE_CHECKING:
    from torch import Tensor


class ImageSet(NamedTuple):
    """Grey images with labels: images float32 (N, 1, 28, 28) in [0, 1]; labels int64 (N,), 0 to 9; name for titles."""

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

    The images were not available where the course is tested: their MD5s are those of torchvision's source, and only
    the code, not these files, is covered by tests.

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
    fetch.check_split(split)
    import torch
    from sklearn.datasets import load_digits

    part = slice(0, 1497) if split == "train" else slice(1497, None)
    raw = load_digits()
    small = torch.tensor(raw.images[part], dtype=torch.float32)[:, None] * (255 / 16)  # (N, 1, 8, 8)
    box = torch.nn.functional.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False)
    images = torch.nn.functional.pad(box.clamp(0, 255).round(), (4, 4, 4, 4)) / 255  # whole greys, as MNIST's are
    labels = torch.tensor(raw.target[part], dtype=torch.int64)
    return ImageSet(images.to(device), labels.to(device), "digits")


class Glyphs(NamedTuple):
    """Characters in one typeface: images float32 (N, 1, 32, 32) in [0, 1], 1 is ink; the N characters; name."""

    images: Tensor
    characters: str
    name: str


def hanzi(typeface: str, *, device: str | None = None) -> Glyphs:
    """The 3,755 Chinese characters of GB 2312's first level, in code order, in the typeface "hei", "kai" or "song".

    Row i is the same character in all three. Where the files cannot be had, 1,797 handwritten digits stand in for them:
    "hei" with bolder strokes, "kai" leaning and two pixels higher, "song" as they are.

    Source: rendered from Noto Sans CJK SC Bold, LXGW WenKai and Noto Serif CJK SC, whose licence is OFL 1.1.
    """
    if typeface not in ("hei", "kai", "song"):
        raise ValueError(f"typeface must be 'hei', 'kai' or 'song', not {typeface!r}")
    import torch

    def genuine() -> Glyphs:
        import numpy as np

        files = {path.name: content for path, content in fetch.fetch("hanzi").items()}
        try:
            with zipfile.ZipFile(io.BytesIO(files[f"{typeface}_32.npz"])) as archive:
                raw = archive.open("x.npy").read(fetch.LARGEST)  # a small file can hold gigabytes
            grey = np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)
            characters = files["chars.txt"].decode().strip()
            n = len(set(characters))
            if grey.dtype != np.uint8 or grey.shape != (3755, 32, 32) or (n, len(characters)) != (3755, 3755):
                raise ValueError(f"{grey.dtype} of shape {grey.shape}, {n} characters")
        except (ValueError, LookupError, EOFError, MemoryError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
            why = f"hanzi's files have not the form that their loader knows ({type(error).__name__}: {error})"
            raise fetch.DataError(f"{why}; correct their rows in the registry.") from None
        return Glyphs(torch.from_numpy(grey).to(device).float().div_(255)[:, None], characters, typeface)

    def standin() -> Glyphs:
        sets = [digits(split) for split in ("train", "test")]
        x = torch.nn.functional.pad(torch.cat([part.images for part in sets]), (2, 2, 2, 2))
        if typeface == "hei":
            x = torch.nn.functional.max_pool2d(x, 3, 1, 1)
        if typeface == "kai":  # each row is fetched from two rows below, and further to the side the farther it is up
            lean = torch.tensor([[1.0, 0.25, 0.0], [0.0, 1.0, 0.125]]).expand(len(x), 2, 3)
            grid = torch.nn.functional.affine_grid(lean, list(x.shape), align_corners=False)
            x = torch.nn.functional.grid_sample(x, grid, align_corners=False)
        labels = torch.cat([part.labels for part in sets]).tolist()
        return Glyphs(x.to(device), "".join(map(str, labels)), f"{typeface} (stand-in)")

    return fetch.genuine_or("hanzi", "the Chinese characters", "scikit-learn's digits", genuine, standin)


def _images(dataset: str, name: str, split: str, device: str | None) -> ImageSet:
    """The genuine set, or scikit-learn's digits in its place."""
    fetch.check_split(split)

    def genuine() -> ImageSet:
        images, labels = _load(dataset, split)  # bytes, a quarter of the size, go to the device
        return ImageSet(images.to(device).float().div_(255)[:, None], labels.to(device), name)

    def standin() -> ImageSet:
        return digits(split, device=device)._replace(name="digits (stand-in)")

    return fetch.genuine_or(dataset, name, "scikit-learn's digits", genuine, standin)


def _load(dataset: str, split: str) -> tuple[Tensor, Tensor]:
    """Decode one split. All files are fetched before, so that train and test are of one kind."""
    import torch

    part = "train" if split == "train" else "t10k"
    files = {path.name: (path, content) for path, content in fetch.fetch(dataset).items()}
    images = _decode(*files[f"{part}-images-idx3-ubyte.gz"], n_dims=3)
    labels = _decode(*files[f"{part}-labels-idx1-ubyte.gz"], n_dims=1)
    if images.shape[1:] != (28, 28) or len(images) != len(labels):
        raise fetch.DataError(f"{dataset}'s {split} images have shape {tuple(images.shape)} for {len(labels)} labels.")
    return images, labels.to(torch.int64)


def _decode(path: Path, content: bytes, n_dims: int) -> Tensor:
    """A gzipped IDX file of bytes as a uint8 tensor: 0, 0, 8 (bytes), the number of sizes; the sizes; the bytes."""
    import torch

    try:
        raw = bytearray(unzip(content, fetch.LARGEST))
    except Trouble as trouble:
        raise fetch.DataError(f"{path} {trouble}; correct its row in the registry.") from None
    start = 4 + 4 * n_dims
    is_idx = raw[:4] == bytes([0, 0, 8, n_dims]) and len(raw) > start
    sizes = struct.unpack_from(f">{n_dims}I", raw, 4) if is_idx else ()
    if not is_idx or len(raw) != start + math.prod(sizes):
        raise fetch.DataError(
            f"{path} is no IDX file of bytes in {n_dims} dimensions: it begins with {raw[:4].hex()} and has sizes "
            f"{sizes} and {len(raw)} bytes; correct its row in the registry."
        )
    return torch.frombuffer(raw, dtype=torch.uint8, offset=start).view(sizes)
