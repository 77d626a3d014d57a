"""Figures: one style, grids of images, loss curves, and an alternative text on everything that is shown."""

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from aigc_course.plumbing import fetch, style
from aigc_course.plumbing.console import clean, img, in_notebook, say
from aigc_course.plumbing.style import COLORS, DPI, LINES

if TYPE_CHECKING:
    import torch

    from aigc_course import train


def images(
    x: "torch.Tensor | np.ndarray",
    *,
    value_range: tuple[float, float],
    n_cols: int = 10,
    ax: Axes | None = None,
    title: str | None = None,
    labels: Sequence[object] | None = None,
    row_labels: Sequence[object] | None = None,
    alt: str = "",
) -> Axes | None:
    """Draw grey images in rows of `n_cols`. value_range: what is black and what is white; the rest is cut off.

    x: (N, H, W), (N, 1, H, W) or (N, H*H), tensor or array. labels: N texts above the images; row_labels: one text left
    of each row. Draws on `ax` and returns it; without `ax` shows a figure of its own with `alt`, as `show` does.
    """
    x = x.detach().float().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)
    shape, side = x.shape, round(x.shape[-1] ** 0.5) if x.ndim else 0
    if x.ndim == 4 and shape[1] == 1:
        x = x[:, 0]
    elif x.ndim == 2 and side**2 == shape[1]:
        x = x.reshape(-1, side, side)
    if x.ndim != 3 or len(x) == 0:
        raise ValueError(f"images are (N, H, W), (N, 1, H, W) or (N, H*H) with at least one; this is {shape}")
    if not value_range[0] < value_range[1]:
        raise ValueError(f"value_range is {value_range}; it must be (value of black, a higher value of white)")
    N, H, W = x.shape
    n_cols = min(n_cols, N)
    n_rows = -(-N // n_cols)
    for name, texts, wanted in (("labels", labels, N), ("row_labels", row_labels, n_rows)):
        if texts is not None and len(texts) != wanted:
            raise ValueError(f"{len(texts)} {name} for {wanted} {'images' if name == 'labels' else 'rows'}")

    gap = max(1, H // 14)
    above = gap if labels is None else gap + H // 2  # room for the texts
    tiles = np.full((n_rows * n_cols, above + H, W + gap), np.nan, dtype=np.float32)  # NaN is drawn as white paper
    tiles[:N, above:, :W] = x
    sheet = tiles.reshape(n_rows, n_cols, above + H, W + gap).swapaxes(1, 2).reshape(n_rows * (above + H), -1)
    own = ax is None
    if own:
        style.apply()
        width = min(8, 0.55 * n_cols + 0.3)
        _, ax = plt.subplots(figsize=(width, width * len(sheet) / sheet.shape[1] + 0.25 * bool(title)))
    cmap = plt.get_cmap("gray").with_extremes(bad="white")
    ax.imshow(sheet, cmap=cmap, vmin=value_range[0], vmax=value_range[1], interpolation="nearest")
    tops = above + (above + H) * np.arange(n_rows)
    ax.set_xticks([])
    ax.set_yticks([] if row_labels is None else tops + (H - 1) / 2, labels=row_labels)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for i, text in enumerate(labels if labels is not None else ()):
        middle = i % n_cols * (W + gap) + (W - 1) / 2
        ax.text(middle, tops[i // n_cols] - 1, str(text), ha="center", va="bottom", fontsize=7)
    ax.set_title(title or "")
    return show(ax.figure, alt=alt) if own else ax


def losses(
    log: "train.Log",
    name: str | Sequence[str] = "loss",
    *,
    ylabel: str,
    smooth: int = 50,
    ax: Axes | None = None,
    alt: str = "",
) -> Axes | None:
    """Draw what a `train.Log` holds under one name or several: pale each value, dark the mean of the last `smooth`.

    Draws on `ax` and returns it; without `ax` shows a figure of its own, which without `alt` describes itself.
    """
    own = ax is None
    if own:
        style.apply()
        _, ax = plt.subplots()
    names, said = [name] if isinstance(name, str) else list(name), []
    for i, one in enumerate(names):
        y, color = log[one], COLORS[i % len(COLORS)]
        k = max(1, min(smooth, len(y) // 4))
        mean = np.convolve(y, np.ones(k) / k, mode="valid")
        ax.plot(np.arange(1, len(y) + 1), y, color=color, alpha=0.25, linewidth=0.6, linestyle="-")
        ax.plot(np.arange(k, len(y) + 1), mean, color=color, linestyle=LINES[i % len(LINES)], label=one)
        said.append(f"{one} goes from {mean[0]:.3g} to {mean[-1]:.3g} in {len(y):,} steps")
    ax.set(xlabel="step", ylabel=ylabel)
    if len(names) > 1:
        ax.legend()
    return show(ax.figure, alt=alt or f"{ylabel}: {'; '.join(said)}.") if own else ax


def show(fig: Figure, *, alt: str, stored: bool = False) -> None:
    """Show `fig` as one PNG with the alternative text `alt`, and close it. With stand-in data, both say so.

    stored: draws stored receipts of genuine data, whatever data this run has. Raises ValueError for an empty `alt`, and
    for axes that hold data but have no label (images and axes that are switched off need none; of axes that share one,
    one label is enough).
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("say in alt=... what the figure shows, for those who cannot see it")
    for ax in fig.axes:
        if not ax.axison or not ax.has_data() or ax.images or ax.get_label() == "<colorbar>":
            continue
        for axis, of_all in (("x", fig.get_supxlabel()), ("y", fig.get_supylabel())):
            shared = getattr(ax, f"get_shared_{axis}_axes")().get_siblings(ax)
            if not of_all and not any(getattr(other, f"get_{axis}label")() for other in shared):
                title = f" of {ax.get_title()!r}" if ax.get_title() else ""
                raise ValueError(f"the {axis} axis{title} has no label; say what it shows, and its unit")
    if note := "" if stored else fetch.standin_note():
        fig.text(0.5, 1.0, note, ha="center", va="bottom", fontsize=8, style="italic")
        alt = f"{alt} ({note})"
    style.warn_of_boxes("".join(text.get_text() for text in fig.findobj(Text)))
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # said above, once
        fig.savefig(png, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
    plt.close(fig)
    if not in_notebook():
        return say(f"[figure: {alt}]")
    from IPython.display import display

    display({"text/html": img(png.getvalue(), alt), "text/plain": clean(alt)}, raw=True)
