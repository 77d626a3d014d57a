"""The mechanics of what moves: a control for each kind of value, and pictures that are made in milliseconds."""

import io
from typing import Any

import numpy as np
from PIL import Image

from aigc_course.plumbing.console import clean


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


def control(name: str, spec: Any) -> Any:
    """The ipywidget for a value: a slider, a picker or a line to type in. ValueError for what cannot be moved."""
    import ipywidgets

    look = {"description": name, "style": {"description_width": "initial"}}  # else long names are cut
    if isinstance(spec, str):
        return ipywidgets.Text(clean(spec), layout={"width": "90%"}, **look)
    if isinstance(spec, list) and len(spec) > 1:
        look["style"]["button_width"] = "auto"
        return ipywidgets.ToggleButtons(options=spec, **look)
    if isinstance(spec, tuple) and len(spec) in (3, 4) and spec[0] < spec[1]:
        low, high, value = spec[:3]
        slider = ipywidgets.IntSlider if all(isinstance(v, int) for v in spec) else ipywidgets.FloatSlider
        step = spec[3] if len(spec) == 4 else (1 if slider is ipywidgets.IntSlider else (high - low) / 60)
        return slider(value, min=low, max=high, step=step, layout={"width": "32em", "max_width": "100%"}, **look)
    a_control = "a control is (low, high, value[, step]) for a slider, a list of two or more for a picker, or a text"
    raise ValueError(f"{name} = {spec!r} cannot be moved: {a_control}")
