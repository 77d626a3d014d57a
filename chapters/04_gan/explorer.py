"""What only the page of the GAN shows: its games on the ring, as clouds of points and step by step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from aigc_course import plot, widgets

REACH, SIDE = 3.0, 90  # how far from 0 the plane is shown, and of how many squares D's answers are made
BLUE, RED = (0.23, 0.54, 0.77), (0.65, 0.15, 0.11)  # of data and of generated points


def clouds(sets: Mapping[str, torch.Tensor], centres: torch.Tensor, reach: float) -> None:
    """A figure for each set of samples, name: (games, N, 2), with a panel a game and rings around the centres, (K, 2).

    reach: how near to its centre 1 % of the samples must lie for a mode to be covered, for the alternative text.
    """
    for name, x in sets.items():
        fig, axes = plot.panels(len(x), height=2.5, sharey=True)
        for i, (ax, points) in enumerate(zip(axes, x.cpu(), strict=True), start=1):
            ax.scatter(*points[:1_000].T, s=1, color="black")
            ax.scatter(*centres.cpu().T, s=70, facecolors="none", edgecolors="tab:orange")
            ax.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), xlabel="x₁", ylabel="x₂", title=f"{name}, game {i}")
        near = torch.cdist(x.cpu(), centres.cpu().expand(len(x), -1, -1)) <= reach
        covered = (near.float().mean(dim=1) >= 0.01).sum(dim=1).tolist()
        alt = f"{name}: generated points beside eight rings; the games cover {str(covered)[1:-1]} of them."
        plot.show(fig, alt=alt)


def ring_explorer(
    games: Mapping[str, Sequence[tuple]], real: torch.Tensor, sample: Callable[[Any, int], torch.Tensor]
) -> Any:
    """Pickers of recipe and game and a slider over the frames of a game: where D says real, the data, G's points.

    games: {recipe: [(step, G, D), …]}, models of several games side by side. real: (N, 2). sample: G and n to
    (games, n, 2). Returns the ipywidgets box.
    """
    n_frames, n_games = min(map(len, games.values())), len(sample(next(iter(games.values()))[0][1], 2))
    axis = torch.linspace(-REACH, REACH, SIDE, device=real.device)
    plane = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=2).view(1, -1, 2).expand(n_games, -1, -1)

    @torch.no_grad()
    def picture(recipe: str, game: int, frame: int) -> np.ndarray:
        _, G, D = games[recipe][frame - 1]
        prob = D(plane)[game - 1, :, 0].sigmoid().view(SIDE, SIDE).cpu().numpy()
        drawn = np.repeat(np.repeat(0.1 + 0.85 * prob[..., None], 4, axis=0), 4, axis=1).repeat(3, axis=2)
        for points, colour in ((real, BLUE), (sample(G, 600)[game - 1], RED)):
            at = points.cpu().nan_to_num().numpy().clip(-REACH + 0.05, REACH - 0.05)
            column, row = ((at + REACH) * SIDE * 4 / (2 * REACH)).astype(int).T
            for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
                drawn[row + dy, column + dx] = colour
        return drawn[::-1].copy()  # the second axis points up

    alt = "The plane, bright where D says real, with the eight clouds of data in blue and G's points in red."
    how = {"recipe": list(games), "game": (1, n_games, 1), "frame": (1, n_frames, n_frames)}
    return widgets.explore(picture, alt=alt, height=360, **how)
