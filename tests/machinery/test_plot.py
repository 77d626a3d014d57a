"""Figures: what is drawn where, the alternative text, and the note on stand-in data."""

import base64
import io
import os
import warnings
from html.parser import HTMLParser
from pathlib import Path

import IPython.display
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

from aigc_course import plot, train  # noqa: E402
from aigc_course.plumbing import console, fetch, style  # noqa: E402

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
    monkeypatch.setattr(plot, "in_notebook", lambda: True)
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
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss (nats)")


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
