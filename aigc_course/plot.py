"""Figures and tables: one style, grids of images, curves, studies, and an alternative text on all that is shown."""

import io
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from aigc_course import receipts
from aigc_course.plumbing import fetch, style, tables
from aigc_course.plumbing import rooms as places
from aigc_course.plumbing.console import img, send
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
    x = _array(x)
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
        words = 0.07 * max((len(str(label)) for label in row_labels or ()), default=0)  # inches, about
        width = min(8 - words, 0.55 * n_cols + 0.3)
        _, ax = plt.subplots(figsize=(width + words, width * len(sheet) / sheet.shape[1] + 0.25 * bool(title)))
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
    images_by_name: "Mapping[str, torch.Tensor | np.ndarray]",
    *,
    alt: str,
    value_range: tuple[float, float] = (0, 1),
    n: int = 12,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes | None:
    """Draw the first `n` images of each set (fewer where it has fewer) as a row with its name, on one grid.

    images_by_name: {name: (N, 1, H, W)}, or as `images` takes them flat or without channel, all of one H and W. With
    `ax` draws on it and returns it; without, shows a figure of its own. Raises ValueError for sizes that differ.
    """
    first = {name: _array(x)[:n] for name, x in images_by_name.items()}
    if len({x.shape[1:] for x in first.values()}) != 1:
        raise ValueError(f"rows of one size are compared, not { ({name: x.shape for name, x in first.items()}) }")
    n_cols = max(map(len, first.values()))
    whole = np.full((len(first), n_cols, *next(iter(first.values())).shape[1:]), np.nan, dtype=np.float32)
    for row, x in zip(whole, first.values(), strict=True):
        row[: len(x)] = x
    return images(
        whole.reshape(-1, *whole.shape[2:]),
        value_range=value_range, n_cols=n_cols, row_labels=list(first), title=title, ax=ax, alt=alt,
    )  # fmt: skip


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
    own, (_, ax) = ax is None, _figure(ax)
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


def lines(
    curves: Mapping[str, Any],
    *,
    x: Any = None,
    xlabel: str,
    ylabel: str,
    alt: str = "",
    log: str = "",
    band: Mapping[str, tuple[Any, Any]] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    stored: bool = False,
) -> Axes | None:
    """Draw curves, {label: values} or {label: (xs, values)}, in the course's colours and line styles.

    x: the xs that all share; None: 1, 2, … log: which axes are logarithmic, "", "x", "y" or "xy". band: {label: (low,
    high)}, arrays as long as the curve of that label or numbers, drawn pale; a label of its own gives a grey band from
    number to number. Draws on `ax` and returns it; without, shows a figure that without `alt` describes itself.
    """
    if not curves or not set(log) <= set("xy"):
        raise ValueError('lines takes at least one curve, and log="", "x", "y" or "xy"')
    drawn: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for label, values in curves.items():
        xs, ys = values if isinstance(values, tuple) and np.ndim(values[0]) else (x, values)
        xs, ys = np.arange(1, len(ys) + 1) if xs is None else _array(xs), _array(ys)
        if ys.ndim != 1 or xs.shape != ys.shape or len(ys) == 0:
            raise ValueError(f"the curve {label!r} has values of shape {ys.shape} at xs of shape {xs.shape}")
        drawn[label] = xs, ys
    own, (_, ax), band = ax is None, _figure(ax), dict(band or {})
    for i, (label, (xs, ys)) in enumerate(drawn.items()):
        color = COLORS[i % len(COLORS)]
        ax.plot(xs, ys, color=color, linestyle=LINES[(i + i // len(COLORS)) % len(LINES)], label=label)
        if label in band:
            ax.fill_between(xs, *map(_array, band.pop(label)), color=color, alpha=0.15, linewidth=0)
    for label, (low, high) in band.items():
        ax.axhspan(float(low), float(high), color="gray", alpha=0.25, linewidth=0, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title or "", **{f"{axis}scale": "log" for axis in log})
    if len(curves) + len(band) > 1:
        ax.legend()
    said = "; ".join(f"{label} goes from {ys[0]:.3g} to {ys[-1]:.3g}" for label, (_, ys) in drawn.items())
    return show(ax.figure, alt=alt or f"{ylabel} against {xlabel}: {said}.", stored=stored) if own else ax


def panels(n: int, *, width: float = 9, height: float = 2.6, **subplots: Any) -> tuple[Figure, np.ndarray]:
    """A figure of `width` by `height` inches with `n` axes side by side, and the axes: an array of n.

    subplots: what `plt.subplots` takes, such as sharey=True; with nrows the axes fill several rows.
    """
    style.apply()
    n_rows = subplots.pop("nrows", 1)
    fig, axes = plt.subplots(n_rows, -(-n // n_rows), figsize=(width, height), squeeze=False, **subplots)
    for ax in axes.flat[n:]:
        ax.axis("off")
    return fig, axes.flat[:n]


def study(
    page: str,
    figures: str | Sequence[str],
    *,
    by: str = "variant",
    x: str | None = None,
    only: Mapping[str, Any] | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    log: str = "",
    title: str | None = None,
    alt: str = "",
    ax: Axes | None = None,
) -> Axes | None:
    """Draw figures of a page's stored study: for each value of `by` the median over the seeds and their range.

    figures: the name of one, or of several that share an axis. Without `x` each value of `by` has a line with a dot and
    a bar; with x, a column such as "n", a curve over it, in a pale band. only: {column: value or list of values} of the
    rows that count. xlabel and ylabel are the axes as drawn. Draws on `ax` and returns it; without, shows a figure of
    its own, which without `alt` describes itself. Raises ValueError where no row has what is asked for.
    """
    names = [figures] if isinstance(figures, str) else list(figures)
    wanted = {k: v if isinstance(v, list | tuple | set) else [v] for k, v in (only or {}).items()}
    found: dict[str, dict[Any, list[float]]] = {}
    for row in receipts.rows(f"{page}.study"):
        if by in row and (x is None or x in row) and all(row.get(k) in v for k, v in wanted.items()):
            for name in (name for name in names if row.get(name) is not None):
                curve = str(row[by]) if x and len(names) == 1 else f"{row[by]}, {name}" if x else name
                found.setdefault(curve, {}).setdefault(row[x or by], []).append(row[name])
    if not found:
        raise ValueError(f"no row of the study of {page} has {by}, {x or 'no x'} and {', '.join(names)} as asked")
    middle = {c: {k: (statistics.median(v), min(v), max(v)) for k, v in at.items()} for c, at in found.items()}
    head = receipts.load(f"{page}.study")
    title = f"stored study: {head['device']}, seeds {head['seeds']}" if title is None else title
    if x:
        curves, band = {}, {}
        for label, at in middle.items():
            xs = sorted(at)
            median, low, high = zip(*(at[k] for k in xs), strict=True)
            curves[label], band[label] = (xs, list(median)), (low, high)
        more = {"band": band, "log": log, "title": title, "alt": alt, "ax": ax, "stored": True}
        return lines(curves, xlabel=xlabel or x, ylabel=ylabel or ", ".join(names), **more)
    own, places = ax is None, list(dict.fromkeys(k for at in middle.values() for k in at))
    _, ax = _figure(ax, (6, 0.28 * len(places) + 0.9))
    for i, (name, at) in enumerate(middle.items()):
        y = [places.index(k) + 0.16 * (i - (len(middle) - 1) / 2) for k in at]
        median, low, high = zip(*at.values(), strict=True)
        color = COLORS[(i + 1) % len(COLORS)] if len(middle) > 1 else COLORS[0]
        ax.hlines(y, low, high, color=color, linewidth=1.2)
        ax.plot(median, y, "os^D"[i % 4], color=color, markersize=4, label=name)
    ax.set(yticks=range(len(places)), xlabel=xlabel or ", ".join(names), ylabel=ylabel or by, title=title)
    ax.set_yticks(range(len(places)), labels=[str(k) for k in places])
    ax.set_ylim(len(places) - 0.5, -0.5)
    if "x" in log:
        ax.set_xscale("log")
    if len(middle) > 1:
        ax.legend()
    said = [
        f"{name} of {k} {m:.3g} ({low:.3g} to {high:.3g})"
        for name, at in middle.items()
        for k, (m, low, high) in at.items()
    ]
    return show(ax.figure, alt=alt or f"Medians and ranges: {'; '.join(said)}.", stored=True) if own else ax


def table(
    rows: "Mapping[str, Mapping[str, Any]] | Iterable[Mapping[str, Any]]",
    *,
    digits: int = 3,
    title: str | None = None,
    stored: bool = False,
) -> None:
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
    path = places.place("chapters") / page / (f"diagram_{name}.svg" if name else "diagram.svg")
    if not path.is_file():
        raise FileNotFoundError(f"there is no diagram {page}/{path.name}")
    root = ElementTree.fromstring(svg := path.read_bytes())
    words = [" ".join((root.findtext(f"{{*}}{tag}") or "").split()) for tag in ("title", "desc")]
    send(
        img(svg, alt := ". ".join(word.rstrip(".") for word in words if word) + ".", "svg+xml"),
        alt,
        f"[diagram: {alt}]",
    )


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
    send(img(png.getvalue(), alt), alt, f"[figure: {alt}]")


def _array(x: Any) -> np.ndarray:
    return x.detach().float().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)


def _figure(ax: Axes | None, size: tuple[float, float] | None = None) -> tuple[Figure, Axes]:
    """The axes that a caller brought, or those of a figure in the course's style."""
    if ax is not None:
        return ax.figure, ax
    style.apply()
    return plt.subplots(figsize=size)
