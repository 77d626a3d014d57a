"""The mechanics of figures: arrays of anything, axes in the course's style, sheets of images, axes without labels."""

import io
import statistics
import warnings
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text

from aigc_course.plumbing import style
from aigc_course.plumbing.console import clean


def array(x: Any) -> np.ndarray:
    """A tensor of any device and type, an array or a list as an array."""
    return x.detach().float().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)


def axes(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """The axes that a caller brought, or those of a new figure in the course's style."""
    if ax is None:
        style.apply()
        ax = plt.subplots(figsize=size)[1]
    return ax


def grey(x: Any) -> np.ndarray:
    """Images (N, H, W), (N, 1, H, W) or (N, H*H), at least one, as an array (N, H, W); else ValueError."""
    x = array(x)
    shape, side = x.shape, round(x.shape[-1] ** 0.5) if x.ndim else 0
    if x.ndim == 4 and shape[1] == 1:
        x = x[:, 0]
    elif x.ndim == 2 and side**2 == shape[1]:
        x = x.reshape(-1, side, side)
    if x.ndim != 3 or len(x) == 0:
        raise ValueError(f"images are (N, H, W), (N, 1, H, W) or (N, H*H) with at least one; this is {shape}")
    return x


def sheet(x: np.ndarray, n_cols: int, gap: int, above: int) -> np.ndarray:
    """Images (N, H, W) as one, in rows of n_cols, with paper (NaN) of so many pixels right of each and above it."""
    (N, H, W), n_rows = x.shape, -(-len(x) // n_cols)
    tiles = np.full((n_rows * n_cols, above + H, W + gap), np.nan, dtype=np.float32)
    tiles[:N, above:, :W] = x
    return tiles.reshape(n_rows, n_cols, above + H, W + gap).swapaxes(1, 2).reshape(n_rows * (above + H), -1)


def dots(ax: Axes, middle: Mapping[str, Mapping[Any, tuple[float, float, float]]]) -> None:
    """Draw (median, low, high) of each curve at each place: a line a place, from the top, a dot and a bar a curve."""
    places = list(dict.fromkeys(place for at in middle.values() for place in at))
    for i, (name, at) in enumerate(middle.items()):
        y = [places.index(place) + 0.16 * (i - (len(middle) - 1) / 2) for place in at]
        median, low, high = zip(*at.values(), strict=True)
        ax.hlines(y, low, high, color=style.COLORS[i % 4])
        ax.plot(median, y, "os^D"[i % 4], color=style.COLORS[i % 4], markersize=4, label=name)
    ax.set_yticks(range(len(places)), labels=map(str, places))
    ax.set_ylim(len(places) - 0.5, -0.5)


def legend(ax: Axes) -> None:
    """A legend with no curve below it: where no place is free, the axis grows upwards until there is one."""
    shown = ax.legend()
    without_false_formulas(ax.figure)
    for _ in range(10):
        ax.figure.draw_without_rendering()
        paths = [line.get_path().transformed(line.get_transform()) for line in ax.lines]
        if not any(path.intersects_bbox(shown.get_window_extent(), filled=False) for path in paths):
            break
        ax.set_ylim(top=ax.transData.inverted().transform(ax.transAxes.transform((0, 1.12)))[1])


def spoken(middle: Mapping[str, Mapping[Any, tuple[float, float, float]]], by: str) -> str:
    """What `dots` draws, in words; by: what the places are."""
    said = [
        f"{name}, {by} {place}: {median:.3g} ({low:.3g} to {high:.3g})"
        for name, at in middle.items()
        for place, (median, low, high) in at.items()
    ]
    return f"Medians and ranges. {'; '.join(said)}."


def with_bands(middle: Mapping[str, Mapping[Any, tuple[float, float, float]]]) -> tuple[dict, dict]:
    """The medians as curves, {label: (xs, medians)}, and bands around them, {label: (low, high)}."""
    parts = {name: (list(at), *map(np.array, zip(*at.values(), strict=True))) for name, at in middle.items()}
    return {k: v[:2] for k, v in parts.items()}, {k: v[2:] for k, v in parts.items()}


def described(svg: bytes) -> str:
    """An SVG's <title> and <desc> as sentences."""
    root = ElementTree.fromstring(svg)
    words = [" ".join((root.findtext(f"{{*}}{tag}") or "").split()).rstrip(".") for tag in ("title", "desc")]
    return " ".join(f"{sentence}." for sentence in words if sentence)


def demand_labels(fig: Figure) -> None:
    """Raise ValueError where axes hold data and have no label, unless they show images or share their labels."""
    for ax in fig.axes:
        if not ax.axison or not ax.has_data() or ax.images or ax.get_label() == "<colorbar>":
            continue
        for axis, of_all in (("x", fig.get_supxlabel()), ("y", fig.get_supylabel())):
            shared = getattr(ax, f"get_shared_{axis}_axes")().get_siblings(ax)
            if not of_all and not any(getattr(other, f"get_{axis}label")() for other in shared):
                title = f" of {ax.get_title()!r}" if ax.get_title() else ""
                raise ValueError(f"the {axis} axis{title} has no label; say what it shows, and its unit")


def png(fig: Figure) -> bytes:
    """The figure as a PNG; it is closed."""
    style.warn_of_boxes("".join(text.get_text() for text in fig.findobj(Text)))
    without_false_formulas(fig)
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # said above, once
        fig.savefig(png, format="png", dpi=style.DPI, bbox_inches="tight", facecolor="white")
    plt.close(fig)
    return png.getvalue()


def without_false_formulas(fig: Figure) -> None:
    """Shows a text that is no formula, though it has two dollars, as it is; half a character cannot be drawn."""
    for text in fig.findobj(lambda part: isinstance(part, Text) and not part.get_text().isprintable()):
        text.set_text(clean(text.get_text()))
    for text in fig.findobj(lambda part: isinstance(part, Text) and part.get_text().count("$") > 1):
        try:
            MathTextParser("path").parse(text.get_text())
        except ValueError:
            text.set_parse_math(False)


def medians(
    rows: Iterable[Mapping[str, Any]], figures: list[str], by: str, x: str | None
) -> dict[str, dict[Any, tuple[float, float, float]]]:
    """Median, smallest and largest of rows' figures: by figure and value of `by`; with x by curve, and by value of x.

    A curve is called as the value of `by`, with the figure's name where there are several. The xs are in order.
    """
    found: dict[str, dict[Any, list[float]]] = {}
    for row in rows:
        for name in figures:
            if {name, by, x or by} <= row.keys():
                curve = name if x is None else str(row[by]) + f", {name}" * (len(figures) > 1)
                found.setdefault(curve, {}).setdefault(row[x or by], []).append(row[name])
    if not found:
        raise ValueError(f"no row of the study has {', '.join(dict.fromkeys([by, *figures] + [x] * bool(x)))} as asked")
    return {
        curve: {k: (statistics.median(at[k]), min(at[k]), max(at[k])) for k in (sorted(at) if x else at)}
        for curve, at in found.items()
    }
