"""What only the page of representations shows: a digit's nearest neighbours by pixels and by a network's features."""

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from aigc_course import widgets
from aigc_course.plumbing import style

SIDE, TOP, GAP, N = 3, 22, 6, 8  # screen pixels: a pixel's side, the words above a row, the gap; neighbours in a row


def neighbours(
    images: Tensor, labels: Tensor, features: dict[str, Tensor], *, alt: str, digit: int = 4, example: int = 0
) -> Any:
    """A picker of the digit and a slider of the example: a row for each set of features with its N nearest others.

    images: (M, 1, H, W) in [0, 1]; labels: (M,); features: {what: (M, D)}, compared by cosine. Under a neighbour of
    another digit is a bar, and a row's words count them. digit, example: those shown first. Returns the ipywidgets box.
    """
    pictures = (255 * images[:, 0]).round().byte().cpu().numpy()
    units = {what: torch.nn.functional.normalize(x.float(), dim=1).cpu() for what, x in features.items()}
    labels = labels.cpu()
    H, W = pictures.shape[1:]
    wide, high = SIDE * W + GAP, SIDE * H + TOP + GAP

    def draw(digit: int, example: int) -> np.ndarray:
        of_digit = (labels == digit).nonzero()[:, 0]
        mine = of_digit[example % len(of_digit)].item()
        drawn = Image.new("L", ((N + 1) * wide + GAP, len(units) * high), "white")
        pen = ImageDraw.Draw(drawn)
        for row, (what, x) in enumerate(units.items()):
            near = [i for i in (x @ x[mine]).topk(N + 1).indices.tolist() if i != mine][:N]
            others = sum(labels[i].item() != digit for i in near)
            words = f"{what}: {others} of {N} are other digits"
            pen.text((2, row * high + 1), words, "black", style.font(words, 14))
            for column, i in enumerate([mine, *near]):
                left, top = column * wide + GAP * (column > 0), row * high + TOP
                picture = Image.fromarray(pictures[i]).resize((SIDE * W, SIDE * H), Image.Resampling.NEAREST)
                drawn.paste(picture, (left, top))
                if labels[i] != digit:
                    pen.rectangle((left, top + SIDE * H + 1, left + SIDE * W - 1, top + SIDE * H + 4), "black")
        return np.asarray(drawn)

    most = int(labels.bincount().max()) - 1
    how = {"digit": [(digit + i) % 10 for i in range(10)], "example": (0, min(most, 50), min(example, most))}
    return widgets.explore(draw, alt=alt, height=len(units) * high, **how)
