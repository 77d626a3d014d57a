"""Figures: what is drawn where, the alternative text, and the note on stand-in data."""

import base64
import io
import os
from pathlib import Path

import IPython.display
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

from aigc_course import data, plot, runtime, train  # noqa: E402

REPO = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def genuine(monkeypatch):
    monkeypatch.setattr(data, "used", {"mnist": "upstream"})
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would be sent: a list of (bundle, metadata)."""
    sent = []
    monkeypatch.setattr(runtime, "in_notebook", lambda: True)
    monkeypatch.setattr(
        IPython.display, "display", lambda bundle, raw, metadata: sent.append((bundle, metadata)) if raw else None
    )
    return sent


def curve(**labels):
    fig, ax = plt.subplots()
    ax.plot([0, 1], [1, 2])
    ax.set(**labels)
    return fig


def pixels(bundle):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("L"))


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
    ((bundle, metadata),) = shown
    assert set(bundle) == {"image/png", "text/plain"}
    assert bundle["text/plain"] == "The loss rises from 1 to 2."
    assert metadata == {"image/png": {"alt": "The loss rises from 1 to 2."}}
    assert 200 < pixels(bundle).shape[1] < 800
    assert len(bundle["image/png"]) < 30_000
    assert plt.get_fignums() == []


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
    monkeypatch.setattr(data, "used", {"mnist": "stand-in"})
    fig = curve(xlabel="step", ylabel="loss (nats)")
    plot.show(fig, alt="A curve.")
    assert [text.get_text() for text in fig.texts] == ["stand-in data: digits"]
    (genuine, _), (standin, metadata) = shown
    assert standin["text/plain"] == metadata["image/png"]["alt"] == "A curve. (stand-in data: digits)"
    a, b = pixels(genuine), pixels(standin)
    assert b.shape[0] > a.shape[0]  # the note has a line of its own, above everything else
    top = b[: b.shape[0] - a.shape[0]]
    assert (top < 128).sum() > 50


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
    assert [output.metadata["image/png"]["alt"] for output in outputs] == ["A line.", "A diagonal."]
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
    assert shown[0][1]["image/png"]["alt"] == "Noise."
    height, width = pixels(shown[0][0]).shape
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
    assert shown[0][1]["image/png"]["alt"] == said
    plot.losses(filled_log(), ylabel="nats per image", alt="It falls.")
    assert shown[1][0]["text/plain"] == "It falls."


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
