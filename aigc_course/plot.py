"""Figures and tables: one style, grids of images, curves, studies, and an alternative text on all that is shown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aigc_course import receipts
from aigc_course.plumbing import drawing, fetch, rooms, style, tables
from aigc_course.plumbing.console import img, say, send
from aigc_course.plumbing.style import COLORS, LINES

if TYPE_CHECKING:
    import torch

    from aigc_course import train


def images(
    x: "torch.Tensor | np.ndarray", *, value_range: tuple[float, float], n_cols: int = 10, ax: Axes | None = None,
    title: str | None = None, labels: Sequence[object] | None = None, row_labels: Sequence[object] | None = None,
    alt: str = "",
) -> Axes | None:  # fmt: skip
    """Draw grey images in rows of `n_cols`. value_range: what is black and what is white; the rest is cut off.

    x: (N, H, W), (N, 1, H, W) or (N, H*H), tensor or array. labels: N texts above the images; row_labels: one text left
    of each row. Draws on `ax` and returns it; without `ax` shows a figure of its own with `alt`, as `show` does.
    """
    x = drawing.grey(x)
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
    sheet = drawing.sheet(x, n_cols, gap, above)
    words = 0.07 * max((len(str(label)) for label in row_labels or ()), default=0)  # inches, about
    width, own = min(8 - words, 0.55 * n_cols + 0.3), ax is None
    ax = drawing.axes(ax, (width + words, width * len(sheet) / sheet.shape[1] + 0.25 * bool(title)))
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


def rows(
    images_by_name: "Mapping[str, torch.Tensor | np.ndarray]", *, alt: str, value_range: tuple[float, float] = (0, 1),
    n: int = 12, title: str | None = None, ax: Axes | None = None,
) -> Axes | None:  # fmt: skip
    """Draw the first `n` images of each set, or as many as it has, as a row with its name, all on one grid.

    images_by_name: {name: (N, 1, H, W)}, of one H and W, else ValueError. Draws on `ax` and returns it; without `ax`
    shows a figure of its own.
    """
    first = [drawing.array(x)[:n].astype(np.float32) for x in images_by_name.values()]
    if len({x.shape[1:] for x in first}) != 1:
        raise ValueError(f"rows of one size are compared, not {[x.shape for x in first]}")
    size = max(map(len, first))
    first = [np.pad(x, [(0, size - len(x))] + [(0, 0)] * (x.ndim - 1), constant_values=np.nan) for x in first]
    how = {"value_range": value_range, "n_cols": size, "row_labels": list(images_by_name), "title": title}
    return images(np.concatenate(first), **how, ax=ax, alt=alt)


def losses(
    log: "train.Log", name: str | Sequence[str] = "loss", *, ylabel: str, smooth: int = 50,
    ax: Axes | None = None, alt: str = "",
) -> Axes | None:  # fmt: skip
    """Draw what a `train.Log` holds under one name or several: pale each value, dark the mean of the last `smooth`.

    Draws on `ax` and returns it; without `ax` shows a figure of its own, which without `alt` describes itself.
    """
    own, ax, k = ax is None, drawing.axes(ax), 1
    means, said = {}, []
    for i, one in enumerate([name] if isinstance(name, str) else name):
        y, k = log[one], max(1, min(smooth, len(log[one]) // 4))
        ax.plot(np.arange(1, len(y) + 1), y, color=COLORS[i % len(COLORS)], alpha=0.25, linewidth=0.6, linestyle="-")
        mean = np.convolve(y, np.ones(k) / k, mode="valid")
        means[one] = np.arange(k, len(y) + 1), mean
        said.append(f"{one} goes from {mean[0]:.3g} to {mean[-1]:.3g} in {len(y):,} steps")
    lines(means, xlabel=f"step (dark: mean of {k})", ylabel=ylabel, ax=ax)
    return show(ax.figure, alt=alt or f"{ylabel}: {'; '.join(said)}.") if own else ax


def lines(
    curves: Mapping[str, Any], *, x: Any = None, xlabel: str, ylabel: str, alt: str = "", log: str = "",
    band: Mapping[str, tuple[Any, Any]] | None = None, title: str | None = None, ax: Axes | None = None,
    stored: bool = False,
) -> Axes | None:  # fmt: skip
    """Draw curves, {label: values} or {label: (xs, values)}, in the course's colours and line styles.

    x: the xs that all share; None: 1, 2, … log: which axes are logarithmic, "", "x", "y" or "xy". band: {label: (low,
    high)}, as many values as the curve of that label has, drawn pale; under a label of its own two numbers, drawn grey
    across. Draws on `ax` and returns it; without, shows a figure that without `alt` describes itself, `stored` as in
    `show`. Raises ValueError for curves without values, or with other xs than values.
    """
    if not curves or not set(log) <= set("xy"):
        raise ValueError('lines takes at least one curve, and log="", "x", "y" or "xy"')
    drawn: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for label, values in curves.items():
        xs, ys = values if isinstance(values, tuple) and np.ndim(values[0]) else (x, values)
        xs, ys = np.arange(1, len(ys) + 1) if xs is None else drawing.array(xs), drawing.array(ys)
        if ys.ndim != 1 or xs.shape != ys.shape or len(ys) == 0:
            raise ValueError(f"the curve {label!r} has values of shape {ys.shape} at xs of shape {xs.shape}")
        drawn[label] = xs, ys
    own, ax, band = ax is None, drawing.axes(ax), dict(band or {})
    for i, (label, (xs, ys)) in enumerate(drawn.items()):
        color = COLORS[i % len(COLORS)]
        ax.plot(xs, ys, color=color, linestyle=LINES[(i + i // len(COLORS)) % len(LINES)], label=label)
        if label in band:
            ax.fill_between(xs, *map(drawing.array, band.pop(label)), color=color, alpha=0.15, linewidth=0)
    for label, (low, high) in band.items():
        ax.axhspan(float(low), float(high), color="gray", alpha=0.25, linewidth=0, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title or "", **{f"{axis}scale": "log" for axis in log})
    if len(curves) + len(band) > 1:
        drawing.legend(ax)
    said = "; ".join(f"{label} goes from {ys[0]:.3g} to {ys[-1]:.3g}" for label, (_, ys) in drawn.items())
    return show(ax.figure, alt=alt or f"{ylabel} against {xlabel}: {said}.", stored=stored) if own else ax


def panels(n: int, *, width: float = 9, height: float = 2.6, **subplots: Any) -> tuple[Figure, np.ndarray]:
    """A figure of `width` by `height` inches with `n` axes side by side, and the axes: an array of n.

    subplots: what `plt.subplots` takes, such as sharey=True.
    """
    style.apply()
    fig, axes = plt.subplots(1, n, figsize=(width, height), squeeze=False, **subplots)
    return fig, axes[0]


def study(
    page: str, figures: str | Sequence[str], *, by: str = "variant", x: str | None = None,
    only: Mapping[str, Any] | None = None, xlabel: str | None = None, ylabel: str | None = None, log: str = "",
    title: str | None = None, alt: str = "", ax: Axes | None = None,
) -> Axes | None:  # fmt: skip
    """Draw one figure of a page's stored study, or several on one axis: medians over the seeds, and their ranges.

    Each value of the column `by` has a line with a dot and a bar for each figure; with x, a column such as "n", it has
    a curve over x in a pale band. only: {column: value, or list of values} of the rows that count. Draws on `ax` and
    returns it; without, shows a figure of its own, which without `alt` describes itself. Where the study is not stored
    it says so. Raises ValueError where no row has what is asked for.
    """
    try:
        found, head = receipts.rows(f"{page}.study"), receipts.load(f"{page}.study")
    except FileNotFoundError as missing:
        return say(str(missing))
    names = [figures] if isinstance(figures, str) else list(figures)
    wanted = {name: value if isinstance(value, list | tuple) else [value] for name, value in (only or {}).items()}
    found = [row for row in found if all(row.get(name) in values for name, values in wanted.items())]
    middle, own = drawing.medians(found, names, by, x), ax is None
    title = f"stored study: {head['device']}, seeds {head['seeds']}" if title is None else title
    if x:
        curves, band = drawing.with_bands(middle)
        how = {"xlabel": xlabel or x, "ylabel": ylabel or ", ".join(names), "log": log, "title": title, "alt": alt}
        return lines(curves, band=band, ax=ax, stored=True, **how)
    ax = drawing.axes(ax, (6, 0.28 * len({place for at in middle.values() for place in at}) + 0.9))
    drawing.dots(ax, middle)
    ax.set(xlabel=xlabel or ", ".join(names), ylabel=ylabel or by, title=title, xscale="log" if log else "linear")
    if len(middle) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return show(ax.figure, alt=alt or drawing.spoken(middle, ylabel or by), stored=True) if own else ax


def table(
    rows: "Mapping[str, Mapping[str, Any]] | Iterable[Mapping[str, Any]]", *, digits: int = 3,
    title: str | None = None, stored: bool = False,
) -> None:  # fmt: skip
    """Show rows as a table: {row's name: {column: value}}, or dicts. In a notebook it is HTML, elsewhere aligned text.

    Numbers get `digits` significant digits, whole numbers all of theirs, what is missing or None a dash; words are
    escaped. Columns come in the order of their first appearance. With stand-in data a note below says so; stored: the
    rows are stored receipts of genuine data, whatever data this run has. Raises ValueError for a table without rows.
    """
    tables.show(rows, digits, title, "" if stored else fetch.standin_note())


def diagram(page: str, name: str | None = None) -> None:
    """Show `chapters/<page>/diagram.svg`, or `diagram_<name>.svg`; its <title> and <desc> are the alternative text.

    It is sent as a picture inside the output, so that it is seen without the file and without a network.
    """
    path = rooms.place("chapters") / page / (f"diagram_{name}.svg" if name else "diagram.svg")
    if not path.is_file():
        raise FileNotFoundError(f"there is no diagram {page}/{path.name}")
    alt = drawing.described(path.read_bytes())
    send(img(path.read_bytes(), alt, "svg+xml"), alt, f"[diagram: {alt}]")


def show(fig: Figure, *, alt: str, stored: bool = False) -> None:
    """Show `fig` as one PNG with the alternative text `alt`, and close it. With stand-in data, both say so.

    stored: draws stored receipts of genuine data, whatever data this run has. Raises ValueError for an empty `alt`, and
    for axes that hold data but have no label (images and axes that are switched off need none; of axes that share one,
    one label is enough).
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("say in alt=... what the figure shows, for those who cannot see it")
    drawing.demand_labels(fig)
    if note := "" if stored else fetch.standin_note():
        fig.text(0.5, 1.0, note, ha="center", va="bottom", fontsize=8, style="italic")
        alt = f"{alt} ({note})"
    send(img(drawing.png(fig), alt), alt, f"[figure: {alt}]")
