"""Makes the data set `hanzi`: 3,755 Chinese characters in three typefaces, 32 × 32 pixels, from fonts under OFL 1.1.

    apt-get install fonts-lxgw-wenkai fonts-noto-cjk     # Debian 12; other versions draw other glyphs
    python makers/hanzi.py build/hanzi                   # kai_32.npz, song_32.npz, hei_32.npz, chars.txt

It ends with an error where a file is not the one in the registry, byte for byte. The four files are what a release
`hanzi` of this repository holds.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aigc_course.plumbing import fetch

FONTS = Path("/usr/share/fonts")
TYPEFACES = {  # a file, and which font of a collection (2: simplified Chinese)
    "kai": ("truetype/lxgw-wenkai/LXGWWenKai-Regular.ttf", 0),
    "song": ("opentype/noto/NotoSerifCJK-Regular.ttc", 2),
    "hei": ("opentype/noto/NotoSansCJK-Bold.ttc", 2),
}
SIZE, FINER, HEIGHT = 32, 4, 28  # pixels; each is the mean of 4 × 4 finer ones; of the font


def characters() -> str:
    """The first level of GB 2312, in its order: rows 16 to 55, of which the last has five signs less."""
    pairs = [bytes([0xA0 + row, 0xA0 + cell]) for row in range(16, 56) for cell in range(1, 95)]
    return b"".join(pairs[:-5]).decode("gb2312")


def glyphs(path: Path, index: int, signs: str) -> np.ndarray:
    """Ink of signs, (N, 32, 32) bytes, each in the middle of its square."""
    font, wide, drawn = ImageFont.truetype(str(path), HEIGHT * FINER, index=index), SIZE * FINER, []
    for sign in signs:
        image = Image.new("L", (wide, wide), 0)
        ImageDraw.Draw(image).text((wide / 2, wide / 2), sign, fill=255, font=font, anchor="mm")
        drawn.append(np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX)))
    return np.stack(drawn)


def archive(x: np.ndarray) -> bytes:
    """A file .npz of one array, x, whose bytes depend on nothing but it (and the version of zlib)."""
    array, made, entry = io.BytesIO(), io.BytesIO(), zipfile.ZipInfo("x.npy")  # of 1980
    np.save(array, x)
    entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
    with zipfile.ZipFile(made, "w") as file:
        file.writestr(entry, array.getvalue())
    return made.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    signs = characters()
    (folder / "chars.txt").write_bytes(f"{signs}\n".encode())
    for name, (path, index) in TYPEFACES.items():
        (folder / f"{name}_32.npz").write_bytes(archive(glyphs(FONTS / path, index, signs)))
    rows = fetch.registry()["hanzi"]
    others = [row.file for row in rows if hashlib.sha256((folder / row.file).read_bytes()).hexdigest() != row.sha256]
    if others:
        raise SystemExit(
            f"not as in the registry: {', '.join(others)} (other versions of the fonts, of Pillow or zlib?)"
        )
    print(f"{len(rows)} files, byte for byte those of the registry")


if __name__ == "__main__":
    main()
