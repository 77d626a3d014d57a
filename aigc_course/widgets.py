"""Things to play with: sliders and pickers above a picture that is redrawn at once, and a still picture without them.

Works with ipywidgets 7.7 (Colab) and 8. Pictures are made with Pillow, not matplotlib: a redraw takes milliseconds.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw


def png(picture: Any, *, height: int = 280, smooth: bool = False) -> bytes:
    """PNG of a grey (H, W) or colour (H, W, 3) array, scaled to height pixels; smooth: between pixels, too.

    Floats are in [0, 1] and are clipped to it, uint8 in 0..255; other types and shapes raise ValueError.
    """
    a = np.asarray(picture.detach().float().cpu() if hasattr(picture, "detach") else picture)
    if a.ndim not in (2, 3) or (a.ndim == 3 and a.shape[2] != 3):
        raise ValueError(f"a picture is (H, W) or (H, W, 3), this has shape {a.shape}")
    if a.dtype != np.uint8:
        if not np.issubdtype(a.dtype, np.floating):
            raise ValueError(f"a picture is floats in [0, 1] or uint8, this is {a.dtype}")
        a = (a.clip(0, 1) * 255).round().astype(np.uint8)
    image = Image.fromarray(a)
    if image.height != height:
        how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        image = image.resize((round(image.width * height / image.height), height), how)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _control(name: str, spec: Any):
    import ipywidgets

    if isinstance(spec, list):
        return ipywidgets.ToggleButtons(
            options=spec, description=name, style={"button_width": "auto", "description_width": "initial"}
        )
    if isinstance(spec, tuple) and len(spec) in (3, 4):
        low, high, value = spec[:3]
        slider = ipywidgets.IntSlider if all(isinstance(v, int) for v in spec) else ipywidgets.FloatSlider
        step = spec[3] if len(spec) == 4 else (1 if slider is ipywidgets.IntSlider else (high - low) / 60)
        return slider(value, min=low, max=high, step=step, description=name, continuous_update=True)
    raise ValueError(f"{name} = {spec!r}: a control is (low, high, value[, step]) for a slider or a list for a picker")


def explore(draw: Callable[..., Any], *, alt: str, height: int = 280, smooth: bool = False, **controls: Any) -> Any:
    """Shows controls above the picture draw(**values), and redraws it when one moves. Returns the ipywidgets box.

    draw: takes the controls' values by name, returns a picture as `png` takes it, with height and smooth. alt: what the
    picture shows, for those who cannot see it. controls: (low, high, value[, step]) gives a slider, a list gives a
    picker. Where widgets cannot be shown (a page on GitHub, a print), the picture of the first values is shown instead.
    """
    import ipywidgets

    widgets = {name: _control(name, spec) for name, spec in controls.items()}

    def picture() -> bytes:
        return png(draw(**{name: w.value for name, w in widgets.items()}), height=height, smooth=smooth)

    image = ipywidgets.Image(value=picture(), format="png", layout={"height": f"{height}px", "object_fit": "contain"})
    for w in widgets.values():
        w.observe(lambda change: setattr(image, "value", picture()), "value")
    box = ipywidgets.VBox([*widgets.values(), image], layout={"align_items": "flex-start"})
    show(box, image.value, alt)
    return box


def show(box: Any, still: bytes, alt: str) -> None:
    """Displays a widget together with the still picture (PNG) that stands for it where widgets do not work."""
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    data = {"text/plain": alt, "image/png": base64.b64encode(still).decode()}
    data["application/vnd.jupyter.widget-view+json"] = view  # front ends take the richest type that they know
    display(data, raw=True, metadata={"image/png": {"alt": alt}})


def latent_explorer(
    decode: Callable[[Any], Any], codes: Any, labels: Any, *, alt: str, names: Sequence[str] = ()
) -> Any:
    """Two sliders and a class picker over a two-dimensional latent space: the map of codes beside the decoded picture.

    decode: z (1, 2) float32 tensor to a picture (28, 28) in [0, 1]. codes: (N, 2); labels: (N,) integers from 0, drawn
    on the map, lighter and darker by class. names: of the classes. Picking a class moves the sliders to its mean code.
    Returns the ipywidgets box. Raises ValueError where codes are not (N, 2).
    """
    import ipywidgets
    import torch

    codes, labels = np.asarray(codes, dtype=np.float32), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels):
        raise ValueError(f"codes have shape {codes.shape} and labels {labels.shape}; expected (N, 2) and (N,)")
    size, reach = 280, 4.0
    n_classes = int(labels.max()) + 1
    names = list(names) or [str(c) for c in range(n_classes)]
    centres = np.stack([codes[labels == c].mean(0) if (labels == c).any() else np.zeros(2) for c in range(n_classes)])

    def at(z: Any) -> tuple[float, float]:  # latent coordinates to pixels of the map; the second axis points up
        return (z[0] + reach) / (2 * reach) * size, (reach - z[1]) / (2 * reach) * size

    chart = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(chart)
    palette = [tuple(int(255 * v) for v in colour[:3]) for colour in _palette(n_classes)]
    for z, c in zip(codes, labels, strict=True):
        x, y = at(z)
        pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=palette[c])
    for z, c in zip(centres, names, strict=True):
        x, y = at(z)
        pen.text((x, y), c, fill="black", anchor="mm", font_size=18, stroke_width=3, stroke_fill="white")

    z1, z2 = (_control(name, (-reach, reach, 0.0, 0.1)) for name in ("z₁", "z₂"))
    picker = _control("class", [("free", -1), *((name, c) for c, name in enumerate(names))])
    image = ipywidgets.Image(format="png", layout={"height": f"{size}px", "object_fit": "contain"})

    def redraw(change: Any = None) -> None:
        with torch.no_grad():
            digit = Image.open(io.BytesIO(png(decode(torch.tensor([[z1.value, z2.value]])), height=size)))
        picture = Image.new("RGB", (2 * size + 10, size), "white")
        picture.paste(chart, (0, 0))
        picture.paste(digit, (size + 10, 0))
        x, y = at((z1.value, z2.value))
        ImageDraw.Draw(picture).ellipse((x - 6, y - 6, x + 6, y + 6), outline="black", width=3)
        image.value = png(np.asarray(picture), height=size)

    def jump(change: Any) -> None:
        if picker.value >= 0:
            z1.value, z2.value = (float(np.clip(v, -reach, reach)) for v in centres[picker.value])

    redraw()
    for slider in (z1, z2):
        slider.observe(redraw, "value")
    picker.observe(jump, "value")
    box = ipywidgets.VBox([picker, z1, z2, image], layout={"align_items": "flex-start"})
    box.redraw = redraw  # for timing it, and for tests
    show(box, image.value, alt)
    return box


def _palette(n: int) -> list[tuple[float, ...]]:
    from matplotlib import colormaps

    return [colormaps["viridis"](i / max(1, n - 1)) for i in range(n)]
