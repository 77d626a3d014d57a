"""What only the page of the GPT shows: the settings of sampling, to turn."""

import html
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from aigc_course import text, widgets
from aigc_course.plumbing import style
from aigc_course.plumbing.console import img


def sampling_explorer(
    logits: Any, names: Sequence[str], *, alt: str, n_shown: int = 24, write: Callable[..., str] | None = None
) -> Any:
    """Sliders for temperature, top-k, top-p and min-p above the distribution of the next token, as bars.

    logits: (V,), of one next token. names: of the V tokens. Bars of the n_shown likeliest: an outline for
    softmax(logits), filled for what `text.filter_logits` leaves. write: takes the four settings by these names, returns
    a text that was sampled with them, which stands below. Returns the ipywidgets box. ValueError where there are not V
    names.
    """
    logits = torch.as_tensor(logits).detach().float().cpu()
    if logits.ndim != 1 or len(names) != len(logits):
        raise ValueError(
            f"logits have shape {tuple(logits.shape)} and there are {len(names)} names; expected (V,) and V"
        )
    V, order = len(logits), logits.argsort(descending=True)[:n_shown].tolist()
    plain = logits.softmax(0)

    def draw(temperature: float, top_k: int, top_p: float, min_p: float) -> str:
        settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p or None}
        p = text.filter_logits(logits, **settings).softmax(0)
        entropy = abs((p[p > 0] * p[p > 0].log()).sum().item())
        title = f"{int((p > 0).sum())} of {V} can be sampled, entropy {entropy:.2f} nats"
        bars = _bars(plain[order].tolist(), p[order].tolist(), [names[i] for i in order], title)
        written = f"<pre>{html.escape(write(**settings))}</pre>" if write else ""
        return img(widgets.png(bars), alt) + written

    box = widgets.explore(
        draw,
        alt=alt,
        temperature=(0.0, 2.0, 1.0, 0.05),
        top_k=(1, V, V),
        top_p=(0.05, 1.0, 1.0, 0.05),
        min_p=(0.0, 0.5, 0.0, 0.01),
    )
    for slider in box.children[:4] if write else ():
        slider.continuous_update = False  # writing takes a second: only where one lets go
    return box


def _bars(before: Sequence[float], after: Sequence[float], names: Sequence[str], title: str) -> np.ndarray:
    """A chart as (280, W, 3) uint8: outlines of probabilities before, filled bars after, a name below each."""
    step, left, top, bottom = 24, 40, 30, 250
    picture = Image.new("RGB", (left + step * len(names) + 10, 280), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((left, 6), title, fill="black", font_size=14)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - tick * (bottom - top)
        pen.line((left, y, picture.width - 10, y), fill="#dddddd")
        pen.text((left - 5, y), f"{tick:.2f}", fill="#555555", anchor="rm", font_size=11)
    for i, (b, a, name) in enumerate(zip(before, after, names, strict=True)):
        x = left + step * i + 4
        pen.rectangle((x, bottom - a * (bottom - top), x + step - 8, bottom), fill="#3b8bc4" if a else None)
        pen.rectangle((x, bottom - b * (bottom - top), x + step - 8, bottom), outline="black")
        ink = "black" if a else "#bbbbbb"
        pen.text((x + step / 2 - 4, bottom + 12), name, ink, style.font(name, 14), anchor="mm")
    return np.asarray(picture)
