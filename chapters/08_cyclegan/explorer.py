"""What only the page of CycleGAN shows: one held-out character, its translation, the truth, and the way back."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from aigc_course import cyclegan, gan, widgets
from aigc_course.plumbing import style

SIDE, TOP, GAP = 5, 24, 12  # screen pixels: a pixel's side, the words above the glyphs, the gap between them


def translations(
    translate: cyclegan.Translate, x: Tensor, y: Tensor, *, alt: str, character: int = 0, noise: float = 0.0
) -> Any:
    """Sliders of the character (a row of x) and of noise on its translation: input, translation, truth, way back.

    translate: glyphs (1, 1, H, W) in [-1, 1] and the typeface that is wanted, -1 or +1, to glyphs. x, y: (N, 1, H, W)
    in [-1, 1], the same characters in both. The noise, of one seed, is added before the way back, and shown. Returns
    the ipywidgets box.
    """
    H, W = x.shape[2:]

    @lru_cache(maxsize=50)
    def there(row: int) -> Tensor:
        with torch.no_grad():
            return translate(x[row : row + 1], 1.0).float()

    def draw(character: int, noise: float) -> np.ndarray:
        fresh = torch.randn(1, 1, H, W, generator=torch.Generator().manual_seed(0)).to(x.device)
        between = there(character) + noise * fresh
        with torch.no_grad():
            back = translate(between, -1.0)
        said = "hei, scaled", "translation", "kai, the truth", "back to hei"
        drawn = Image.new("L", (4 * SIDE * W + 3 * GAP, SIDE * H + TOP), "white")
        for i, (glyph, words) in enumerate(zip((x[character], between[0], y[character], back[0]), said, strict=True)):
            left, grey = i * (SIDE * W + GAP), 1 - gan.to_grey(glyph[0]).cpu().numpy()  # ink is dark
            picture = Image.fromarray((255 * grey).round().astype(np.uint8))
            drawn.paste(picture.resize((SIDE * W, SIDE * H), Image.Resampling.NEAREST), (left, TOP))
            ImageDraw.Draw(drawn).text((left, 2), words, "black", style.font(words, 15))
        return np.asarray(drawn)

    how = {"character": (0, len(x) - 1, character), "noise": (0.0, 0.5, noise, 0.05)}
    return widgets.explore(draw, alt=alt, height=SIDE * H + TOP, **how)
