"""Attention: the viewer of maps, and facts that chapter 10 states, against PyTorch's own functions."""

import pytest
import torch
import torch.nn.functional as F

from aigc_course.check import exercises

EXERCISES = exercises()


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
