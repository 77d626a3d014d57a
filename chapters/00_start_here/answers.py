"""Right and wrong answers to the exercise of chapter 00; test_check.py runs them."""

import math

import numpy as np
import torch


def in_place(z_a, z_b, t):
    z_a *= 1 - t
    z_a += t * z_b
    return z_a


def on_a_sphere(a, b, t):
    angle = torch.acos(((a / a.norm()) * (b / b.norm())).sum().clamp(-1, 1))
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


RIGHT = {
    "00.1": [
        torch.lerp,
        lambda a, b, t: np.asarray(a) * (1 - t) + np.asarray(b) * t,
        lambda z_a, z_b, t=0.5: (z_a - z_b) * (1 - t) + z_b,
        lambda a, b, t: torch.tensordot(torch.tensor([1 - t, t]), torch.stack([a, b]), dims=1),
        lambda a, b, t: torch.einsum("k,k...->...", torch.tensor([1.0 - t, t]), torch.stack([a, b])),
        lambda a, b, t: sum(w * z for w, z in zip((1 - t, t), (a, b), strict=True)),
    ],
}  # fmt: skip

WRONG = {
    "00.1": [
        (in_place, "in place"),
        (lambda a, b, t: ((1 - t) * a + t * b).mean(), "everything is averaged to one number"),
        (lambda a, b, t: ((1 - t) * a + t * b)[None], "keepdim"),
        (lambda a, b, t: ((1 - t) * a + t * b).squeeze(), "squeeze"),
        (lambda a, b, t: torch.stack([torch.lerp(x, y, t) for x, y in zip(a, b, strict=True)]), "loop needs an axis"),
        (lambda a, b, t: 2 * torch.lerp(a, b, t), "twice"),
        (lambda a, b, t: torch.lerp(a, b, t**2), "not squared"),
        (lambda a, b, t: torch.lerp(a, b, math.sqrt(t)), "not its root"),
        (lambda a, b, t: torch.lerp(a, b, t * t * (3 - 2 * t)), "at an even pace"),
        (lambda a, b, t: math.sqrt(1 - t) * a + math.sqrt(t) * b, "weights must add up to 1"),
        (lambda a, b, t: a * math.cos(t * math.pi / 2) + b * math.sin(t * math.pi / 2), "weights must add up to 1"),
        (lambda a, b, t: a.pow(1 - t) * b.pow(t), "both parts are added"),
        (lambda a, b, t: a + t * b, "keeps its full weight"),
        (lambda a, b, t: 1 - t * a + t * b, "Is a bracket missing"),
        (on_a_sphere, "the way is straight"),
        (lambda a, b, t: torch.lerp(a, b, t) if 0 < t < 1 else a, "it returns"),
        (lambda a, b, t: (1 - t**0.5) * a + t**0.5 * b, "not its root"),
        (lambda a, b, t: a + round(t) * (b - a), "is t used, and not rounded"),
        (lambda a, b, t: -(a + t * (b - a)), "minus"),
        (lambda a, b: a, "raises `TypeError"),
        (torch.ones(4, 3), "the answer must be the function"),
    ],
}  # fmt: skip
