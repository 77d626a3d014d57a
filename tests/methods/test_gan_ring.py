"""What page 04 shows of its games on the ring."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from aigc_course import widgets


def centres():
    angle = torch.arange(8) * math.pi / 4
    return 2 * torch.stack([angle.cos(), angle.sin()], dim=1)


@pytest.fixture
def drawn(monkeypatch):
    """The picture function and the controls that the explorer gives to `widgets.explore`."""
    found = {}
    monkeypatch.setattr(widgets, "explore", lambda draw, **how: found.update(draw=draw, **how))
    return found


def test_the_explorer_shows_the_points_of_the_game_and_frame_that_are_chosen(drawn):
    D = nn.Linear(2, 1)  # the answer rises with the first coordinate
    with torch.no_grad():
        D.weight.copy_(torch.tensor([[5.0, 0.0]]))
        D.bias.zero_()
    at = {"a": torch.tensor([-1.0, 1.0]), "b": torch.tensor([2.0, 2.0])}

    def sample(G, n):  # game 1 lies at G's point, game 2 far outside
        return torch.stack([at[G].expand(n, 2), torch.full((n, 2), math.nan)])

    widgets.of("04_gan").ring_explorer({"plain": [(1, "a", D), (2, "b", D)]}, torch.tensor([[0.0, -2.0]]), sample)
    assert drawn["recipe"] == ["plain"] and drawn["game"] == (1, 2, 1) and drawn["frame"] == (1, 2, 2)
    first = drawn["draw"](recipe="plain", game=1, frame=1)
    assert first.shape == (360, 360, 3) and np.all((first >= 0) & (first <= 1))
    red = np.argwhere((first[..., 0] > 0.6) & (first[..., 1] < 0.2))
    assert abs(red[:, 0].mean() - 120) < 3 and abs(red[:, 1].mean() - 120) < 3  # left of the middle, above it
    blue = np.argwhere((first[..., 2] > 0.7) & (first[..., 0] < 0.3))
    assert abs(blue[:, 0].mean() - 300) < 3 and abs(blue[:, 1].mean() - 180) < 3
    assert first[180, 5, 0] < 0.2 and first[180, 355, 0] > 0.9  # D says real on the right
    second = drawn["draw"](recipe="plain", game=1, frame=2)
    assert not np.array_equal(first, second)
    drawn["draw"](recipe="plain", game=2, frame=1)  # points that are no numbers do not stop it


def test_the_clouds_say_how_many_modes_they_cover(capsys):
    x = torch.stack([centres().repeat(50, 1), centres()[:1].repeat(400, 1)])
    widgets.of("04_gan").clouds({"plain": x}, centres(), reach=0.15)
    assert "the games cover 8, 1 of them" in capsys.readouterr().out
    assert not plt.get_fignums()
