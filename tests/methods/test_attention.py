"""Attention: the viewer of maps, and facts that chapter 10 states, against PyTorch's own functions."""

import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from aigc_course import widgets
from aigc_course.check import exercises

EXERCISES = exercises()


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **kwargs: calls.append((data, kwargs)))
    return calls


def read(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def maps_of(layers=2, heads=3, T=6):
    g = torch.Generator().manual_seed(0)
    scores = 3 * torch.randn(layers, heads, T, T, generator=g)
    return scores.masked_fill(torch.ones(T, T).triu(1) > 0, -math.inf).softmax(dim=-1)


def test_the_viewer_shows_a_still_picture_with_words(shown):
    widgets.attention_viewer(maps_of(), list("abcdef"), alt="six tokens")
    (data, kwargs), = shown  # fmt: skip
    assert data["text/plain"] == "six tokens" and kwargs["metadata"]["image/png"]["alt"] == "six tokens"
    assert data["image/png"] and data["application/vnd.jupyter.widget-view+json"]["model_id"]


def test_the_viewer_draws_the_map_and_what_the_query_looks_at(shown):
    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, :, 0] = 1.0  # every place looks at the first
    box = widgets.attention_viewer(maps, list("abcd"), alt="all look at a", query=2)
    picture = read(box.children[-1].value)
    cell = 336 // 4
    assert picture[18 + cell // 2, cell // 2].tolist() == [0, 0, 0]
    assert picture[18 + cell // 2, cell + cell // 2].tolist() == [255, 255, 255]
    left = 4 * cell + 30
    assert picture[22, left + 4].tolist() == [0, 0, 0] and picture[22, left + 34].tolist() == [255, 255, 255]
    assert picture[18, left + 60].tolist() == [166, 38, 29]  # the query is framed


def test_each_control_of_the_viewer_redraws(shown):
    box = widgets.attention_viewer(maps_of(), list("abcdef"), alt="six tokens", layer=2, head=3, query=4)
    layer, head, query, image = box.children
    assert (layer.value, head.value, query.value) == (2, 3, 4)
    seen = {image.value}
    for control, value in ((layer, 1), (head, 2), (query, 0)):
        control.value = value
        seen.add(image.value)
    assert len(seen) == 4


@pytest.mark.parametrize("maps, tokens, options, words", [
    (torch.zeros(2, 3, 6, 6), "abcde", {}, "for 5 tokens"),
    (torch.zeros(3, 6, 6), "abcdef", {}, "expected"),
    (torch.zeros(2, 3, 6, 5), "abcde", {}, "expected"),
    (torch.zeros(2, 3, 6, 6), "abcdef", {"layer": 3}, "no layer 3"),
    (torch.zeros(2, 3, 6, 6), "abcdef", {"head": 0}, "head 0"),
    (torch.zeros(2, 3, 6, 6), "abcdef", {"query": 6}, "query 6"),
])  # fmt: skip
def test_maps_that_do_not_fit_are_named(shown, maps, tokens, options, words):
    with pytest.raises(ValueError, match=words):
        widgets.attention_viewer(maps, list(tokens), alt="x", **options)


def test_the_viewer_copes_with_one_token_and_with_long_words(shown):
    widgets.attention_viewer(torch.ones(1, 1, 1, 1), ["extraordinarily"], alt="one word")
    widgets.attention_viewer(torch.full((1, 1, 400, 400), 1 / 400), ["word"] * 400, alt="many words")


def test_the_solution_of_attention_is_pytorchs():
    q, k, v = torch.randn(3, 2, 9, 8)
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(EXERCISES["10.3"].truth()(q, k, v), expected)


def test_the_printed_attention_saturates():
    """E 4.2.1: without the division the variance of the scores is d, and the softmax is nearly one-hot."""
    q, k = torch.randn(2, 500, 256)
    scores = q @ k.T
    assert scores.var().item() == pytest.approx(256, rel=0.1)
    assert scores.softmax(1).amax(1).median() > 0.95 > 0.5 > (scores / 16).softmax(1).amax(1).median()


def test_the_printed_feed_forward_cannot_be_negative():
    """D 4.1: a last ReLU leaves nothing below 0; with W2 ReLU(W1 x + b1) + b2 both signs come out."""
    first, second = torch.nn.Linear(4, 32), torch.nn.Linear(32, 4)
    y = second(first(torch.randn(200, 4)).relu())
    assert y.relu().min() >= 0 > y.min()


def test_a_feed_forward_without_inner_bias_bends_at_zero_only():
    """E 4.2.1: W2 ReLU(W1 x) + b is straight on each side of 0."""
    first, second = torch.nn.Linear(1, 32, bias=False), torch.nn.Linear(32, 1)
    y = second(first(torch.linspace(0.1, 5, 50)[:, None]).relu())
    torch.testing.assert_close(y.diff(dim=0, n=2), torch.zeros(48, 1), atol=1e-5, rtol=0)


def test_rotary_scores_depend_on_the_distance_only():
    """In float64: an angle of 1,000 radians in float32 is known to 6e-5 only."""
    rotary = EXERCISES["10.4"].truth()
    q, k = torch.randn(2, 1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([[5.0], [60.0], [1000.0]], dtype=torch.float64)
    scores = [(rotary(q, t) @ rotary(k, t - 5).T).item() for t in places]
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-9)


def test_the_induction_score_of_perfect_and_useless_maps():
    score = EXERCISES["10.5"].truth()
    tokens = torch.tensor([3, 1, 4, 0, 3, 1, 4])
    perfect = torch.zeros(7, 7)
    perfect[torch.arange(4, 7), torch.arange(1, 4)] = 1.0
    assert score(perfect, tokens) == 1
    assert score(torch.full((7, 7), 1 / 7), tokens).item() == pytest.approx(1 / 7)
    assert score(perfect, torch.arange(7)) == 0
