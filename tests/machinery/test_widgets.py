"""Widgets: a redraw changes the picture, quickly; where widgets do not work a still picture stands in."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from aigc_course import widgets


@pytest.fixture
def shown(monkeypatch):
    """What the widgets display."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **kwargs: calls.append((data, kwargs)))
    return calls


def read(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_png_is_the_picture():
    picture = np.array([[0.0, 0.5], [1.0, 2.0]])
    assert read(widgets.png(picture, height=2)).tolist() == [[0, 128], [255, 255]]
    assert read(widgets.png(torch.zeros(28, 28))).shape == (280, 280)
    assert read(widgets.png(np.zeros((4, 6, 3), np.uint8), height=8)).shape == (8, 12, 3)


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((2, 2, 2)), np.zeros((2, 2), int)])
def test_bad_pictures_are_named(bad):
    with pytest.raises(ValueError, match="a picture is"):
        widgets.png(bad)


def test_a_slider_redraws_the_picture(shown):
    box = widgets.explore(lambda v, w: np.full((4, 4), v * w), alt="grey", v=(0.0, 1.0, 0.5), w=[1, 2], height=4)
    slider, picker, image = box.children
    before = image.value
    slider.value = 0.25
    assert read(image.value)[0, 0] == 64 and image.value != before
    picker.value = 2
    assert read(image.value)[0, 0] == 128


def test_a_still_picture_stands_in(shown):
    widgets.explore(lambda n: np.full((4, 4), n / 9), alt="one grey square", n=(0, 9, 3))
    (data, kwargs), = shown  # fmt: skip
    assert data["text/plain"] == "one grey square" and kwargs["metadata"]["image/png"]["alt"] == "one grey square"
    assert data["image/png"] and data["application/vnd.jupyter.widget-view+json"]["model_id"]


def test_whole_numbers_get_a_slider_of_whole_numbers(shown):
    box = widgets.explore(lambda n: np.zeros((2, 2)), alt="black", n=(0, 9, 3))
    assert type(box.children[0]).__name__ == "IntSlider" and box.children[0].value == 3


def test_a_bad_control_is_named(shown):
    with pytest.raises(ValueError, match="v = 3: a control is"):
        widgets.explore(lambda v: np.zeros((2, 2)), alt="x", v=3)


@pytest.fixture
def explorer(shown):
    torch.manual_seed(0)
    decoder = torch.nn.Linear(2, 784)
    codes = np.array([[1.0, 1.0], [1.2, 0.8], [-2.0, 0.0], [-2.0, 0.4]])
    return widgets.latent_explorer(
        lambda z: decoder(z).sigmoid().view(28, 28), codes, [0, 0, 1, 1], alt="map and digit", names=["a", "b"]
    )


def test_explorer_follows_sliders_and_classes(explorer):
    picker, z1, z2, image = explorer.children
    before = image.value
    z1.value = 1.5
    assert image.value != before
    picker.value = 1
    assert (z1.value, z2.value) == pytest.approx((-2.0, 0.2), abs=0.06)


def test_explorer_refuses_codes_that_cannot_be_drawn(shown):
    with pytest.raises(ValueError, match=r"codes have shape \(4, 3\)"):
        widgets.latent_explorer(lambda z: z, np.zeros((4, 3)), np.zeros(4, int), alt="x")
