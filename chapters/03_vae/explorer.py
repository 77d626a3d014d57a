"""What only the page of the VAE shows: its two-dimensional latent space, to walk about in."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image, ImageDraw

from aigc_course import widgets
from aigc_course.plumbing import style

SIZE, REACH = 280, 4.0  # pixels of the map's side, and how far from 0 it reaches


def latent_explorer(
    decode: Callable[[Any], Any], codes: Any, labels: Any, *, alt: str, names: Sequence[str] = ()
) -> Any:
    """Two sliders and a class picker over a two-dimensional latent space: the map of codes beside the decoded picture.

    decode: z (1, 2) float32 tensor to a picture (28, 28) in [0, 1]. codes: (N, 2); labels: (N,) integers from 0, drawn
    on the map, lighter and darker by class. names: of the classes. Picking a class moves the sliders to its mean code.
    Returns the ipywidgets box. Raises ValueError where codes are not (N, 2).
    """
    codes, labels = np.asarray(codes, dtype=np.float32), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels):
        raise ValueError(f"codes have shape {codes.shape} and labels {labels.shape}; expected (N, 2) and (N,)")
    n_classes = int(labels.max()) + 1
    names = list(names) or [str(c) for c in range(n_classes)]
    centres = np.stack([codes[labels == c].mean(0) if (labels == c).any() else np.zeros(2) for c in range(n_classes)])

    def at(z: Any) -> tuple[float, float]:  # latent coordinates to pixels of the map; the second axis points up
        return (z[0] + REACH) / (2 * REACH) * SIZE, (REACH - z[1]) / (2 * REACH) * SIZE

    chart = Image.new("RGB", (SIZE, SIZE), "white")
    pen = ImageDraw.Draw(chart)
    shades = [colormaps["viridis"](c / max(1, n_classes - 1), bytes=True)[:3] for c in range(n_classes)]
    for z, c in zip(codes, labels, strict=True):
        x, y = at(z)
        pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=tuple(map(int, shades[c])))
    for z, name in zip(centres, names, strict=True):
        pen.text(at(z), name, "black", style.font(name, 18), anchor="mm", stroke_width=3, stroke_fill="white")

    def draw(**values: Any) -> np.ndarray:
        z = values["z₁"], values["z₂"]
        with torch.no_grad():
            digit = Image.open(io.BytesIO(widgets.png(decode(torch.tensor([z])), height=SIZE)))
        picture = Image.new("RGB", (2 * SIZE + 10, SIZE), "white")
        picture.paste(chart, (0, 0))
        picture.paste(digit, (SIZE + 10, 0))
        x, y = at(z)
        ImageDraw.Draw(picture).ellipse((x - 6, y - 6, x + 6, y + 6), outline="black", width=3)
        return np.asarray(picture)

    classes = [("free", -1), *((name, c) for c, name in enumerate(names))]
    slider = (-REACH, REACH, 0.0, 0.1)
    box = widgets.explore(draw, alt=alt, height=SIZE, **{"class": classes, "z₁": slider, "z₂": slider})
    picker, *sliders = box.children[:3]

    def jump(change: Any) -> None:
        for slider, value in zip(sliders, centres[picker.value], strict=True):
            slider.value = float(np.clip(value, -REACH, REACH))

    picker.observe(lambda change: jump(change) if picker.value >= 0 else None, "value")
    return box
