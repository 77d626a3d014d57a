"""Figures: what is drawn where, the alternative text, and the note on stand-in data."""

import base64
import io
import itertools
import json
import os
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import IPython.display
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

from aigc_course import plot, train  # noqa: E402
from aigc_course.plumbing import console, fetch, rooms, style  # noqa: E402

REPO = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def genuine(monkeypatch):
    monkeypatch.setattr(fetch, "used", {"mnist": "upstream"})
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would be sent: a list of bundles."""
    sent = []
    monkeypatch.setattr(console, "in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: sent.append(bundle) if raw else None)
    return sent


def curve(**labels):
    fig, ax = plt.subplots()
    ax.plot([0, 1], [1, 2])
    ax.set(**labels)
    return fig


class Pictures(HTMLParser):
    """The <img> of a page: their alternative texts and their PNGs."""

    def __init__(self, page):
        super().__init__()
        self.alts, self.pngs = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.alts.append(dict(attributes).get("alt"))
            self.pngs.append(base64.b64decode(dict(attributes)["src"].removeprefix("data:image/png;base64,")))


def pixels(bundle):
    return np.asarray(Image.open(io.BytesIO(Pictures(bundle["text/html"]).pngs[0])).convert("L"))


def alt_of(bundle):
    (alt,) = Pictures(bundle["text/html"]).alts
    assert bundle["text/plain"] == alt
    return alt


def drawn(fig):
    """The grey picture of a figure whose only axes fill it, one screen pixel a sheet pixel: (H, W), 0 to 255."""
    sheet = fig.axes[0].images[0].get_array()
    fig.set_layout_engine("none")
    fig.set_size_inches(sheet.shape[1] / 100, sheet.shape[0] / 100)
    fig.axes[0].set_position([0, 0, 1, 1])
    buffer = io.BytesIO()
    fig.savefig(buffer, dpi=100)
    return np.asarray(Image.open(buffer).convert("L")).astype(int)


def sheet_of(x, **options):
    fig, ax = plt.subplots()
    assert plot.images(x, ax=ax, **options) is ax
    return drawn(fig)


# Showing


def test_a_figure_is_one_png_with_its_text(shown):
    plot.show(curve(xlabel="step", ylabel="loss (nats)"), alt="The loss rises from 1 to 2.")
    (bundle,) = shown
    assert set(bundle) == {"text/html", "text/plain"}  # JupyterLab and nbconvert show image/png without its words
    assert alt_of(bundle) == "The loss rises from 1 to 2."
    assert 200 < pixels(bundle).shape[1] < 800
    assert len(bundle["text/html"]) < 30_000
    assert plt.get_fignums() == []


def test_the_text_cannot_leave_its_attribute(shown):
    alt = 'A "loss" < 2 & > 1\'s <img src=x onerror=alert(1)>'
    plot.show(curve(xlabel="step", ylabel="loss (nats)"), alt=alt + " \ud800")
    assert alt_of(shown[0]) == alt + " ?"


def test_outside_a_notebook_the_text_is_printed(capsys):
    plot.show(curve(xlabel="step", ylabel="loss (nats)"), alt="The loss rises.")
    assert capsys.readouterr().out == "[figure: The loss rises.]\n"


@pytest.mark.parametrize("alt", ["", "  \n", None])
def test_no_text_no_figure(alt, shown):
    with pytest.raises(ValueError, match="say in alt="):
        plot.show(curve(xlabel="step", ylabel="loss (nats)"), alt=alt)
    with pytest.raises(TypeError):
        plot.show(curve(xlabel="step", ylabel="loss (nats)"))
    with pytest.raises(ValueError, match="say in alt="):
        plot.images(torch.rand(3, 8, 8), value_range=(0, 1))
    assert shown == []


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"xlabel": "step"}, "the y axis has no label"),
        ({"ylabel": "loss (nats)"}, "the x axis has no label"),
        ({"ylabel": "loss (nats)", "title": "Training"}, "the x axis of 'Training' has no label"),
    ],
)
def test_axes_with_data_need_labels(labels, said, shown):
    with pytest.raises(ValueError, match=said):
        plot.show(curve(**labels), alt="A curve.")


def test_what_needs_no_label(shown):
    fig, axes = plt.subplots(1, 5, sharey=False)
    axes[0].imshow(np.eye(3))
    axes[1].plot([1, 2])
    axes[1].axis("off")
    points = axes[2].scatter([1, 2], [1, 2], c=[0, 1])
    axes[2].set(xlabel="z_1", ylabel="z_2")
    fig.colorbar(points, ax=axes[2])
    plot.show(fig, alt="An image, a curve without axes, a scatter with a scale, and nothing.")
    fig, axes = plt.subplots(1, 2, sharey=True)  # the style guide's example
    for ax in axes:
        ax.plot([1, 2])
        ax.set(xlabel="step")
    axes[0].set_ylabel("loss (nats)")
    plot.show(fig, alt="Two curves.")
    fig, axes = plt.subplots(1, 2)
    for ax in axes:
        ax.plot([1, 2])
    fig.supxlabel("step")
    fig.supylabel("loss (nats)")
    plot.show(fig, alt="Two curves.")
    assert len(shown) == 3


def test_two_axes_that_share_nothing_need_two_labels(shown):
    fig, axes = plt.subplots(1, 2)
    for ax in axes:
        ax.plot([1, 2])
        ax.set(xlabel="step")
    axes[0].set_ylabel("loss (nats)")
    with pytest.raises(ValueError, match="the y axis has no label"):
        plot.show(fig, alt="Two curves.")


def test_stand_in_data_are_named_in_picture_and_text(shown, monkeypatch):
    plot.show(curve(xlabel="step", ylabel="loss (nats)"), alt="A curve.")
    monkeypatch.setattr(fetch, "used", {"mnist": "stand-in"})
    fig = curve(xlabel="step", ylabel="loss (nats)")
    plot.show(fig, alt="A curve.")
    assert [text.get_text() for text in fig.texts] == ["stand-in data: digits"]
    genuine, standin = shown
    assert alt_of(standin) == "A curve. (stand-in data: digits)"
    a, b = pixels(genuine), pixels(standin)
    assert b.shape[0] > a.shape[0]  # the note has a line of its own, above everything else
    top = b[: b.shape[0] - a.shape[0]]
    assert (top < 128).sum() > 50


def test_a_stored_study_of_genuine_data_is_not_called_stand_in(shown, monkeypatch):
    monkeypatch.setattr(fetch, "used", {"mnist": "stand-in"})
    fig = curve(xlabel="step", ylabel="loss (nats)")
    plot.show(fig, alt="A stored curve.", stored=True)
    assert fig.texts == [] and alt_of(shown[0]) == "A stored curve."


# The style


def test_figures_do_not_inherit_a_dark_style(shown):
    """Black lines on black axes, white labels on white paper."""

    def figures():
        plot.losses(filled_log(), ylabel="loss (nats)", alt="A curve.")
        plot.show(curve(xlabel="step", ylabel="loss (nats)"), alt="A curve.")
        plot.images(np.eye(8)[None], value_range=(0, 1), labels=["eye"], alt="A diagonal.")
        plots = [pixels(bundle) for bundle in shown]
        shown.clear()
        return plots

    plt.rcdefaults()
    style.apply()
    expected = figures()
    for dark_at in ("before", "after"):
        plt.rcdefaults()
        if dark_at == "before":
            plt.style.use("dark_background")
        style.apply()  # as `setup` does
        if dark_at == "after":
            plt.style.use("dark_background")
            plt.rcParams["font.size"] = 33
        for a, b in zip(figures(), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def made_font(folder, name):
    """A font with one character, 中, drawn as a triangle."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    glyphs = {}
    for glyph, points in ((".notdef", []), ("zhong", [(0, 0), (900, 0), (450, 900)])):
        pen = TTGlyphPen(None)
        for i, point in enumerate(points):
            (pen.lineTo if i else pen.moveTo)(point)
        if points:
            pen.closePath()
        glyphs[glyph] = pen.glyph()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({ord("中"): "zhong"})
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics({glyph: (1000, 0) for glyph in glyphs})
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable({"familyName": name, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(folder / "made.ttf")
    return folder / "made.ttf"


def test_chinese_is_drawn_with_an_installed_font(shown, monkeypatch, tmp_path, capsys):
    from matplotlib.font_manager import fontManager

    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    fontManager.addfont(made_font(tmp_path, "Noto Sans CJK SC"))
    style.chinese_font.cache_clear()
    style.apply()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot.show(curve(xlabel="step", ylabel="中"), alt="A curve.")
    said = Image.new("L", (30, 30)), Image.new("L", (30, 30))
    for picture, text in zip(said, "中A", strict=True):
        ImageDraw.Draw(picture).text((2, 2), text, 255, style.font(text, 20))
    assert style.chinese_font() == ("Noto Sans CJK SC", str(tmp_path / "made.ttf"))
    assert 100 < np.count_nonzero(said[0]) and np.any(np.asarray(said[0]) != np.asarray(said[1]))
    assert capsys.readouterr().out == ""
    style.chinese_font.cache_clear()


def test_where_no_font_has_chinese_it_is_said_once(shown, monkeypatch, capsys):
    monkeypatch.setattr(style, "chinese_font", lambda: ())
    style._say_once.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            plot.show(curve(xlabel="step", ylabel="loss (nats)", title="损失"), alt="A curve.")
            style.font("损失", 12)
    out = capsys.readouterr().out
    assert out == "Chinese characters are drawn as boxes, because no font here has them: install Noto Sans CJK.\n"


# Front ends and exports


def test_an_exported_page_has_the_words():
    """JupyterLab's template for HTML ignores the metadata of an output."""
    exporters = pytest.importorskip("nbconvert.exporters")
    import nbformat

    alt = 'A "line" < 2'
    bundle = {"text/html": console.img(b"png", alt), "text/plain": alt}
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("display_data", bundle)])
    page, _ = exporters.HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert Pictures(page).alts == [alt]


def test_in_a_kernel_nothing_is_shown_twice():
    import nbclient
    import nbformat

    cell = (
        "import matplotlib.pyplot as plt, numpy as np\nfrom aigc_course import plot\n"
        "fig, ax = plt.subplots()\nax.plot([1, 2])\nax.set(xlabel='step', ylabel='loss (nats)')\n"
        "plot.show(fig, alt='A line.')\nplot.images(np.eye(4)[None], value_range=(0, 1), alt='A diagonal.')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    env = os.environ | {"PYTHONPATH": str(REPO)}
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute(env=env)
    outputs = notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data"] * 2
    assert [alt_of(output.data) for output in outputs] == ["A line.", "A diagonal."]
    assert pixels(outputs[0].data).min() < 50


# Grids of images


def test_images_stand_upright_row_by_row():
    x = torch.zeros(3, 14, 14)
    x[0, 0, :] = 1  # a bright top edge
    x[1, :, 0] = 1  # a bright left edge
    x[2, -1, -1] = 1  # a bright pixel at the bottom right
    sheet = sheet_of(x, value_range=(0, 1), n_cols=2)
    assert sheet.shape == (30, 30)  # two rows and columns of 14 + 1
    gap = 1
    first, second, third = sheet[gap:15, :14], sheet[gap:15, 15:29], sheet[15 + gap : 30, :14]
    for tile, bright in ((first, np.s_[0, :]), (second, np.s_[:, 0]), (third, np.s_[-1, -1])):
        expected = np.zeros((14, 14))
        expected[bright] = 255
        np.testing.assert_array_equal(tile, expected)
    assert (sheet[15:, 15:] == 255).all()  # where there is no fourth image, the paper stays white


@pytest.mark.parametrize("low, high", [(0, 1), (-1, 1), (0, 255)])
def test_the_value_range_is_black_to_white_and_cuts_off(low, high):
    values = torch.tensor([low - 3, low, (low + high) / 2, high, high + 3], dtype=torch.float32)
    sheet = sheet_of(values.view(5, 1, 1, 1).expand(5, 1, 14, 14), value_range=(low, high))
    found = [sheet[8, 15 * i + 7] for i in range(5)]
    assert found[:2] == [0, 0] and found[3:] == [255, 255] and abs(found[2] - 128) <= 1


def test_a_dark_set_is_not_stretched():
    assert sheet_of(np.full((4, 14, 14), 0.25), value_range=(0, 1), n_cols=2)[5, 5] == pytest.approx(64, abs=1)


def test_all_layouts_draw_the_same():
    x = torch.randint(256, (7, 14, 14), dtype=torch.uint8)
    expected = sheet_of(x, value_range=(0, 255), n_cols=3)
    for same in (x[:, None], x.view(7, 196), x.numpy(), x.float().requires_grad_(), x.to(torch.bfloat16).float()):
        np.testing.assert_array_equal(sheet_of(same, value_range=(0, 255), n_cols=3), expected)


def test_a_grid_of_many_is_one_picture():
    fig, ax = plt.subplots()
    plot.images(
        torch.rand(100, 784), value_range=(0, 1), ax=ax, title="samples", labels=range(100), row_labels="abcdefghij"
    )
    assert len(ax.images) == 1
    assert [text.get_text() for text in ax.texts] == [str(i) for i in range(100)]
    assert [text.get_text() for text in ax.get_yticklabels()] == list("abcdefghij")
    assert ax.get_title() == "samples"


def test_labels_stand_above_their_images():
    fig, ax = plt.subplots()
    plot.images(np.ones((5, 14, 14)), value_range=(0, 2), n_cols=3, ax=ax, labels="abcde")
    sheet = ax.images[0].get_array().filled(-1)  # -1 where nothing is drawn
    for text in ax.texts:
        x, y = (int(round(v)) for v in text.get_position())
        assert sheet[y, x] == -1 and sheet[y + 1, x] == 1  # on white paper, just above its image


def test_own_figure(shown):
    assert plot.images(torch.rand(20, 28, 28), value_range=(0, 1), alt="Noise.") is None
    assert alt_of(shown[0]) == "Noise."
    height, width = pixels(shown[0]).shape
    assert 400 < width < 800 and 2 < width / height < 6


@pytest.mark.parametrize(
    ("x", "options", "said"),
    [
        (torch.zeros(3, 10), {}, r"this is \(3, 10\)"),
        (torch.zeros(3, 3, 8, 8), {}, r"this is \(3, 3, 8, 8\)"),
        (torch.zeros(0, 8, 8), {}, r"this is \(0, 8, 8\)"),
        (torch.zeros(()), {}, r"this is \(\)"),
        (torch.zeros(3, 8, 8), {"value_range": (1, 0)}, r"value_range is \(1, 0\)"),
        (torch.zeros(3, 8, 8), {"labels": "ab"}, "2 labels for 3 images"),
        (torch.zeros(3, 8, 8), {"row_labels": "ab", "n_cols": 1}, "2 row_labels for 3 rows"),
    ],
)
def test_bad_images_are_named(x, options, said):
    with pytest.raises(ValueError, match=said):
        plot.images(x, **{"value_range": (0, 1), "alt": "Something."} | options)
    with pytest.raises(TypeError, match="value_range"):
        plot.images(torch.zeros(3, 8, 8))  # it is never guessed
    assert plt.get_fignums() == []


# Losses


def filled_log():
    log = train.Log()
    for step in range(400):
        log(loss=torch.tensor(100.0 - step / 10), kl=step)
    return log


def test_losses_draws_values_and_their_trailing_mean():
    fig, ax = plt.subplots()
    assert plot.losses(filled_log(), ylabel="loss (nats)", smooth=50, ax=ax) is ax
    raw, mean = (line.get_xydata() for line in ax.lines)
    assert raw[0].tolist() == [1, 100] and len(raw) == 400
    assert mean[0].tolist() == pytest.approx([50, np.mean([100 - s / 10 for s in range(50)])])
    assert mean[-1, 0] == 400 and len(mean) == 351
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step (dark: mean of 50)", "loss (nats)")


def test_losses_describes_itself(shown):
    plot.losses(filled_log(), ["loss", "kl"], ylabel="nats per image", smooth=1)
    said = "nats per image: loss goes from 100 to 60.1 in 400 steps; kl goes from 0 to 399 in 400 steps."
    assert alt_of(shown[0]) == said
    plot.losses(filled_log(), ylabel="nats per image", alt="It falls.")
    assert shown[1]["text/plain"] == "It falls."


def test_a_short_log_can_be_drawn(shown):
    log = train.Log()
    log(loss=1.0)
    plot.losses(log, ylabel="loss (nats)")
    with pytest.raises(KeyError, match="nothing is logged as 'kl'"):
        plot.losses(log, "kl", ylabel="nats")


def test_the_colours_survive_a_grey_printer():
    def lightness(color):
        r, g, b = (matplotlib.colors.to_rgb(color)[i] ** 2.2 for i in range(3))
        return 116 * (0.2126 * r + 0.7152 * g + 0.0722 * b) ** (1 / 3) - 16

    values = [lightness(color) for color in plot.COLORS]
    assert all(b - a >= 15 for a, b in zip(values, values[1:], strict=False))
    assert values[-1] < 80  # still seen on white paper


# Rows of images, curves, panels


def test_rows_are_one_grid_with_a_name_each():
    fig, ax = plt.subplots()
    sets = {
        "ours": torch.full((20, 1, 14, 14), 0.25),
        "few": np.ones((2, 1, 14, 14)),
        "black": torch.zeros(3, 1, 14, 14),
    }
    assert plot.rows(sets, alt="x", n=3, ax=ax, title="Sets") is ax
    sheet = ax.images[0].get_array().filled(-1)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ours", "few", "black"] and ax.get_title() == "Sets"
    assert sheet.shape == (45, 45) and [sheet[8, 15 * i + 7] for i in range(3)] == [0.25, 0.25, 0.25]
    assert [sheet[23, 15 * i + 7] for i in range(3)] == [1, 1, -1]  # fewer than n: white paper
    assert ax.images[0].get_clim() == (0, 1)


def test_rows_show_a_figure_by_one_call_and_compare_equal_sizes_only(shown):
    plot.rows({"real": torch.rand(12, 1, 8, 8), "a long name of a set": torch.rand(30, 1, 8, 8)}, alt="Two rows.")
    assert alt_of(shown[0]) == "Two rows." and pixels(shown[0]).shape[1] < 850
    with pytest.raises(ValueError, match="rows of one size are compared"):
        plot.rows({"a": torch.rand(2, 1, 8, 8), "b": torch.rand(2, 1, 9, 9)}, alt="x")
    with pytest.raises(ValueError, match="rows of one size are compared"):
        plot.rows({}, alt="x")


def test_lines_count_from_one_or_share_xs_or_bring_their_own():
    fig, ax = plt.subplots()
    curves = {"counted": [3.0, 2.0], "array": np.array([1.0, 4.0]), "tensor": torch.ones(2, requires_grad=True) * 5}
    assert plot.lines(curves, xlabel="step", ylabel="nats", ax=ax, log="y", title="Curves") is ax
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[1, 3], [2, 2]], [[1, 1], [2, 4]], [[1, 5], [2, 5]]]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("step", "nats", "Curves")
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(curves)
    fig, ax = plt.subplots()
    plot.lines({"shared": (3, 2), "own": ([7, 9], (1, 4))}, x=[10, 100], xlabel="n", ylabel="nats", ax=ax, log="xy")
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[10, 3], [100, 2]], [[7, 1], [9, 4]]]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_no_two_of_sixteen_curves_look_alike_and_one_needs_no_legend():
    fig, ax = plt.subplots()
    plot.lines({str(i): [1, i] for i in range(16)}, xlabel="step", ylabel="nats", ax=ax)
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.lines]
    assert looks[:4] == list(zip(plot.COLORS, plot.LINES, strict=True)) and len(set(looks)) == 16
    assert plot.lines({"alone": [1, 2]}, xlabel="step", ylabel="nats", ax=plt.subplots()[1]).get_legend() is None


def test_bands_lie_around_their_curve_or_across():
    fig, ax = plt.subplots()
    band = {"a": ([0, 1], [2, 3]), "floor": (0.5, 0.7)}
    plot.lines({"a": [1, 2]}, xlabel="step", ylabel="nats", band=band, ax=ax)
    low, high = ax.collections[0].get_paths()[0].get_extents().get_points()
    assert (low.tolist(), high.tolist()) == ([1, 0], [2, 3])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "floor"] and len(ax.patches) == 1
    assert list(band) == ["a", "floor"]  # the caller's dict is as it was


def test_lines_describe_themselves(shown):
    plot.lines({"ours": [3.0, 2.0], "theirs": [1, 4]}, xlabel="step", ylabel="nats per image")
    plot.lines({"ours": [3.0, 2.0]}, xlabel="step", ylabel="nats", alt="It falls.")
    said = "nats per image against step: ours goes from 3 to 2; theirs goes from 1 to 4."
    assert [alt_of(bundle) for bundle in shown] == [said, "It falls."]


@pytest.mark.parametrize(
    ("curves", "options", "said"),
    [
        ({}, {}, "at least one curve"),
        ({"a": [1, 2]}, {"log": "z"}, 'log="", "x", "y" or "xy"'),
        ({"a": [1, 2]}, {"x": [1, 2, 3]}, r"'a' has values of shape \(2,\) at xs of shape \(3,\)"),
        ({"a": []}, {}, r"'a' has values of shape \(0,\)"),
        ({"a": [[1, 2]]}, {}, r"'a' has values of shape \(1, 2\)"),
    ],
)
def test_bad_curves_are_named(curves, options, said, shown):
    with pytest.raises(ValueError, match=said):
        plot.lines(curves, xlabel="step", ylabel="nats", **options)
    assert shown == [] and plt.get_fignums() == []


def test_panels_are_an_array_of_axes_in_the_courses_style():
    plt.style.use("dark_background")
    fig, axes = plot.panels(3, height=2, sharey=True)
    assert len(axes) == 3 and fig.get_size_inches().tolist() == [9, 2] and fig.get_facecolor() == (1, 1, 1, 1)
    assert axes[0].get_shared_y_axes().joined(axes[0], axes[2])
    assert len(plot.panels(1)[1]) == 1


# Stored studies


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Writes the study of 05_dcgan."""
    monkeypatch.setattr(rooms, "place", lambda name: tmp_path)
    head = {"chapter": "05_dcgan", "device": "cpu, 1 threads", "date": "2026-11-25", "digest": "", "data": {}}

    def write(rows):
        (tmp_path / "05_dcgan").mkdir(exist_ok=True)
        (tmp_path / "05_dcgan/study.json").write_text(json.dumps(head | {"seeds": [0, 1, 2], "rows": rows}))

    return write


def test_a_study_is_drawn_as_medians_and_ranges(stored):
    stored([{"variant": v, "seed": s, "fd": fd + s**2} for v, fd in (("plain", 10), ("R1", 20)) for s in range(3)])
    fig, ax = plt.subplots()
    assert plot.study("05_dcgan", "fd", ax=ax) is ax
    assert ax.lines[0].get_xydata().tolist() == [[11, 0], [21, 1]]
    assert [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()] == [[10, 14], [20, 24]]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["plain", "R1"] and ax.yaxis_inverted()
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_legend()) == ("fd", "variant", None)
    assert ax.get_title() == "stored study: cpu, 1 threads, seeds [0, 1, 2]"


def test_a_study_describes_itself_and_is_not_called_stand_in(stored, shown, monkeypatch):
    monkeypatch.setattr(fetch, "used", {"mnist": "stand-in"})
    stored([{"variant": "plain", "seed": s, "fd": 10 + s, "kid": 0.5} for s in range(3)])
    plot.study("05_dcgan", ["fd", "kid"], xlabel="distance", log="x")
    plot.study("05_dcgan", "fd", x="seed", alt="Three seeds.")
    said = "Medians and ranges. fd, variant plain: 11 (10 to 12); kid, variant plain: 0.5 (0.5 to 0.5)."
    assert [alt_of(bundle) for bundle in shown] == [said, "Three seeds."]


def below_legend(ax):
    """The labels of the curves that run below the legend of `ax`."""
    ax.figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    drawn = {line.get_label(): line.get_path().transformed(line.get_transform()) for line in ax.lines}
    return [label for label, path in drawn.items() if path.intersects_bbox(box, filled=False)]


@pytest.mark.parametrize("log", ["", "y"])
def test_no_curve_runs_below_the_legend(log):
    """Five lines filled the axis, and matplotlib's best place for the legend was on one of them."""
    fig, axes = plot.panels(2)
    curves = {f"a rather long name, number {i}": ([0, 1], [10.0**i, 10.0**i]) for i in range(-2, 3)}
    curves |= {"across": ([0, 1], [100, 0.01])}
    plot.lines(curves, xlabel="x", ylabel="y", log=log, ax=axes[0])
    assert not below_legend(axes[0])
    axes[0].legend(loc="center")
    assert below_legend(axes[0]), "this test sees curves below a legend"
    plot.lines({"a": [1, 2], "b": [2, 1]}, xlabel="x", ylabel="y", ax=axes[1])
    assert axes[1].get_ylim()[1] < 2.1, "with a free place nothing grows"
    plt.close(fig)


def test_the_legend_of_a_study_stands_beside_it(stored):
    stored([{"variant": v, "seed": s, "fd": s + 10 * i, "kid": 2 * s} for i, v in enumerate("abc") for s in range(3)])
    fig, ax = plt.subplots()
    plot.study("05_dcgan", ["fd", "kid"], ax=ax)
    fig.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
    plt.close(fig)


def test_a_study_over_x_is_curves_with_bands(stored):
    cases = itertools.product(("e2e", "other"), ("scratch", "LoRA"), (100, 10), range(3))
    rows = [dict(zip(("task", "start", "n", "seed"), case, strict=True)) for case in cases]
    rows = [row | {"score": row["n"] / 10 + row["seed"] + (row["start"] == "LoRA")} for row in rows]
    stored(rows + [{"task": "e2e", "start": "none"}])
    fig, ax = plt.subplots()
    plot.study("05_dcgan", "score", by="start", x="n", only={"task": "e2e"}, log="x", ylabel="BLEU", ax=ax)
    assert [line.get_label() for line in ax.lines] == ["scratch", "LoRA"]
    assert ax.lines[0].get_xydata().tolist() == [[10, 2], [100, 11]]
    assert ax.collections[0].get_paths()[0].get_extents().get_points().tolist() == [[10, 1], [100, 12]]
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "n", "BLEU")
    plot.study("05_dcgan", "score", by="start", x="n", only={"start": ["LoRA"]}, ax=(ax := plt.subplots()[1]))
    assert [line.get_label() for line in ax.lines] == ["LoRA"]
    with pytest.raises(ValueError, match="no row of the study has variant, score as asked"):
        plot.study("05_dcgan", "score")


def test_a_study_that_is_not_stored_is_said(stored, capsys):
    assert plot.study("05_dcgan", "fd") is None
    said = "there is no receipt of 05_dcgan.study: `aigc-course study 05_dcgan --save` writes one"
    assert capsys.readouterr().out == f"{said}\n"


# Tables


def table_of(page):
    """The cells of an HTML table, row by row, each with its alignment; and the words around it."""
    root = ElementTree.fromstring(f"<div>{page}</div>")
    rows = [[(cell.text or "", cell.get("align")) for cell in row] for row in root.iter("tr")]
    return rows, [root.findtext(f".//{tag}") for tag in ("caption", "em")]


def test_a_table_in_a_notebook_is_html(shown):
    rows = {"ours": {"fd": torch.tensor(12.345), "n": 12345, "word": "a <b>"}, "copier": {"fd": None, "share": 0.5}}
    assert plot.table(rows, title="Measures & more") is None
    (bundle,) = shown
    cells, (caption, note) = table_of(bundle["text/html"])
    assert cells == [
        [("", "left"), ("fd", "right"), ("n", "right"), ("word", "left"), ("share", "right")],
        [("ours", "left"), ("12.3", "right"), ("12,345", "right"), ("a <b>", "left"), ("–", "right")],
        [("copier", "left"), ("–", "right"), ("–", "right"), ("–", "left"), ("0.500", "right")],
    ]
    assert (caption, note) == ("Measures & more", None)
    assert bundle["text/html"].count('<th scope="row"') == 2 and bundle["text/html"].count('<th scope="col"') == 5
    assert "ours    12.3  12,345  a <b>      –" in bundle["text/plain"]


def test_a_table_elsewhere_is_aligned_text(capsys):
    plot.table([{"name": "中文", "fd": 12.345}, {"name": "copier", "fd": 1234.5}, {"name": "word " * 30}], digits=2)
    assert capsys.readouterr().out.splitlines() == [
        "name                                                            fd",
        "中文                                                            12",
        "copier                                                       1,234",
        "word word word word word word word word word word word word      –",
        "word word word word word word word word word word word word",
        "word word word word word word",
    ]


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 3, "0"), (0.012345, 3, "0.0123"), (4.5, 3, "4.50"), (9.999, 3, "10.0"), (-0.5, 2, "-0.50"),
        (12345.6, 3, "12,346"), (0.00000123, 3, "1.23e-06"), (float("nan"), 3, "nan"), (float("inf"), 3, "inf"),
        (1234567, 2, "1,234,567"), (True, 3, "True"), ("two\nlines", 3, "two lines"), (np.float32(0.25), 2, "0.25"),
    ],
)  # fmt: skip
def test_numbers_have_significant_digits(value, digits, text, shown):
    plot.table([{"x": value}], digits=digits)
    assert table_of(shown[0]["text/html"])[0][1][0][0] == text


def test_a_table_names_stand_in_data_unless_it_is_stored(shown, monkeypatch):
    monkeypatch.setattr(fetch, "used", {"mnist": "stand-in"})
    plot.table([{"fd": 1.0}])
    plot.table([{"fd": 1.0}], stored=True)
    assert [table_of(bundle["text/html"])[1][1] for bundle in shown] == ["stand-in data: digits", None]
    assert [bundle["text/plain"] for bundle in shown] == ["  fd\n1.00\nstand-in data: digits", "  fd\n1.00"]


@pytest.mark.parametrize("rows", [{}, [], [{}]])
def test_no_rows_no_table(rows, shown):
    with pytest.raises(ValueError, match="at least one row"):
        plot.table(rows)
    assert shown == []


# Diagrams


SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><title>Two players</title>
<desc>The generator "G" makes images,
the discriminator judges.</desc><rect width="10" height="10" fill="white"/></svg>"""


def test_a_diagram_is_a_picture_with_its_own_words(shown, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rooms, "place", lambda name: tmp_path)
    (tmp_path / "05_dcgan").mkdir()
    (tmp_path / "05_dcgan/diagram.svg").write_text(SVG, encoding="utf-8", newline="\n")
    (tmp_path / "05_dcgan/diagram_step.svg").write_text(SVG.replace("Two players", "A step"), encoding="utf-8")
    plot.diagram("05_dcgan")
    plot.diagram("05_dcgan", "step")
    words = '. The generator "G" makes images, the discriminator judges.'
    assert [bundle["text/plain"] for bundle in shown] == [f"Two players{words}", f"A step{words}"]
    (found,) = ElementTree.fromstring(f"<div>{shown[0]['text/html'].replace('>', '/>')}</div>")
    assert found.get("alt") == f"Two players{words}"
    assert base64.b64decode(found.get("src").removeprefix("data:image/svg+xml;base64,")).decode() == SVG
    with pytest.raises(FileNotFoundError, match="there is no diagram 05_dcgan/diagram_other.svg"):
        plot.diagram("05_dcgan", "other")
    monkeypatch.setattr(console, "in_notebook", lambda: False)
    plot.diagram("05_dcgan")
    assert capsys.readouterr().out == f"[diagram: Two players{words}]\n"
