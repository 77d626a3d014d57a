"""What only the page of guidance shows: a walk from noise to a digit, with weight and number of steps to move."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from aigc_course import diffusion, guidance, widgets
from aigc_course.plumbing import style

SIDE, TOP, GAP, N = 4, 22, 6, 6  # screen pixels: a pixel's side, the words above, the gap; and how many pictures a row


def guided_digit(model: diffusion.UNet, *, alt: str, seed: int = 0) -> Any:
    """Pickers of digit, weight and steps and a slider of seed: above x along the walk, below the x_0 predicted there.

    model: x (1, 1, H, W), angle (1,), y (1,) to the velocity (1, 1, H, W), with `n_classes` as the label for none. The
    walk is `guidance.multistep` on `guidance.curved(steps)` without fresh noise; its start and up to four evaluations
    between are shown, and its end. seed (0 to 99): of the noise shown first. Returns the ipywidgets box.
    """

    @lru_cache(maxsize=200)
    def walked(digit: int, weight: float, steps: int, seed: int) -> np.ndarray:  # (N, 2, H, W) in [0, 1]
        states, told = [], guidance.guided(model, weight, model.n_classes)

        def watched(x: torch.Tensor, angle: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            v = told(x, angle, y)
            states.append(torch.cat([x, diffusion.parts(x, v.float(), angle)[0]], dim=1))
            return v

        noise = torch.randn(1, 1, *model.size, generator=torch.Generator().manual_seed(seed)).to(model.grey.device)
        y = torch.tensor([digit], device=noise.device)
        end = guidance.multistep(watched, noise, guidance.curved(steps), 0.0, y).expand(1, 2, -1, -1)
        shown = [states[round(i * (steps - 1) / (N - 2))] for i in range(N - 1)] if steps >= N else states
        return guidance.to_grey(model, torch.cat([*shown, end])).cpu().numpy()

    def draw(digit: int, weight: float, steps: int, seed: int) -> np.ndarray:
        (H, W), pictures = model.size, (255 * walked(digit, weight, steps, seed)).round().astype(np.uint8)
        wide, high = SIDE * W + GAP, SIDE * H + GAP
        drawn = Image.new("L", (N * wide - GAP, 2 * high - GAP + TOP), "white")
        for i, (x, x_0) in enumerate(pictures):
            for j, picture in enumerate((x, x_0)):
                grey = Image.fromarray(picture).resize((SIDE * W, SIDE * H), Image.Resampling.NEAREST)
                drawn.paste(grey, (i * wide, TOP + j * high))
        words = f"above x, below the predicted x₀; last the end, after {steps} steps"
        ImageDraw.Draw(drawn).text((0, 2), words, "black", style.font(words, 14))
        return np.asarray(drawn)

    how = {"digit": list(range(model.n_classes)), "weight": [1.0, 1.5, 2.0, 3.0, 5.0, 0.0], "steps": [10, 4, 6, 20]}
    height = 2 * (SIDE * model.size[0] + GAP) - GAP + TOP
    return widgets.explore(draw, alt=alt, height=height, **how, seed=(0, 99, seed))
