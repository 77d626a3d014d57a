"""What only the page of diffusion shows: one walk from noise to a digit, step by step."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from aigc_course import diffusion, widgets
from aigc_course.plumbing import style

SIDE, TOP, GAP = 9, 24, 12  # screen pixels: a pixel's side, the words above the pictures, the gap between them


def noise_to_digit(model: diffusion.UNet, *, alt: str, n: int = 20, seed: int = 0, step: int = 10) -> Any:
    """A picker of the digit and sliders of seed and step: left x at this step's angle, right the x_0 predicted there.

    model: x (1, 1, H, W), angle (1,), y (1,) to the velocity (1, 1, H, W), for two or more labels. The walk takes n
    steps of `diffusion.straight(n)` without fresh noise, from the noise of `diffusion.sample` with this seed, and is
    kept: the step moves without the model. seed (0 to 99), step: those shown first. Returns the ipywidgets box.
    """
    angles = diffusion.straight(n)

    @lru_cache(maxsize=100)
    def walked(digit: int, seed: int) -> np.ndarray:  # (n + 1, 2, H, W) in [0, 1]: x and the predicted x_0
        states = []

        def watched(x: torch.Tensor, angle: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            v = model(x, angle, y)
            states.append(torch.cat([x, diffusion.parts(x, v.float(), angle)[0]], dim=1))
            return v

        noise = torch.randn(1, 1, *model.size, generator=torch.Generator().manual_seed(seed)).to(model.grey.device)
        x_0 = diffusion.walk(watched, noise, angles, 0.0, torch.tensor([digit], device=noise.device))
        states.append(x_0.expand(1, 2, -1, -1))  # at angle 0, x is x_0
        return (torch.cat(states) * model.grey[1] + model.grey[0]).clamp(0, 1).cpu().numpy()

    def draw(digit: int, seed: int, step: int) -> np.ndarray:
        (H, W), pictures = model.size, (255 * walked(digit, seed)[step]).round().astype(np.uint8)
        drawn = Image.new("L", (2 * SIDE * W + GAP, SIDE * H + TOP), "white")
        said = f"x at φ = {np.degrees(angles[step]):.0f}°", "predicted x₀"
        for left, picture, words in zip((0, SIDE * W + GAP), pictures, said, strict=True):
            drawn.paste(Image.fromarray(picture).resize((SIDE * W, SIDE * H), Image.Resampling.NEAREST), (left, TOP))
            ImageDraw.Draw(drawn).text((left, 2), words, "black", style.font(words, 15))
        return np.asarray(drawn)

    how = {"digit": list(range(model.n_classes)), "seed": (0, 99, seed), "step": (0, n, min(step, n))}
    return widgets.explore(draw, alt=alt, height=SIDE * model.size[0] + TOP, **how)
