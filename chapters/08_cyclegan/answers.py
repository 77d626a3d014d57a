"""Right and wrong answers to the exercises of 08_cyclegan; test_check.py runs them."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch


def cycle_steps(x, noise, there, back):
    between = there(x)
    between = between + noise
    return torch.nn.functional.l1_loss(back(between), x)


def cycle_rows(x, noise, there, back):
    rows = [(back(there(row) + e) - row).abs() for row, e in zip(x.split(1), noise.split(1), strict=True)]
    return torch.cat(rows).mean()


def cycle_numpy(x, noise, there, back):
    """NumPy's methods, which tensors have not."""
    return np.mean(np.abs(back(there(x.astype(np.float64)) + noise) - x))


def cycle_in_place(x, noise, there, back):
    x += noise
    return (back(there(x)) - x).abs().mean()


def squares_mse(real, fake):
    mse = torch.nn.functional.mse_loss
    return mse(real, torch.ones_like(real)) + mse(fake, torch.zeros_like(fake))


def squares_expanded(real, fake):
    return real.square().mean() - 2 * real.mean() + 1 + (fake * fake).mean()


def squares_loop(real, fake):
    one = [(r - 1) ** 2 for r in real.flatten().tolist()]
    other = [f**2 for f in fake.flatten().tolist()]
    return math.fsum(one) / len(one) + math.fsum(other) / len(other)


def squares_numpy(real, fake):
    """NumPy's methods, which tensors have not."""
    return np.mean((real.astype(np.float64) - 1) ** 2) + np.mean(fake.astype(np.float64) ** 2)


def squares_in_place(real, fake):
    real -= 1
    return real.square().mean() + fake.square().mean()


def retrieval_loop(guess, truth):
    right = 0
    for i in range(len(guess)):
        distances = [(guess[i] - t).square().sum().item() for t in truth]
        right += distances.index(min(distances)) == i
    return right / len(guess)


def retrieval_products(guess, truth):
    """|a - b|² = |a|² + |b|² - 2 a·b, of which |a|² is the same for all b."""
    nearest = (truth.square().sum(1) - 2 * guess @ truth.T).argmin(1)
    return nearest.eq(torch.arange(len(guess))).float().mean()


def retrieval_topk(guess, truth):
    index = torch.cdist(guess.double(), truth.double()).topk(1, largest=False).indices[:, 0]
    return torch.tensor([int(i == j) for j, i in enumerate(index)]).float().mean().item()


def retrieval_numpy(guess, truth):
    """NumPy's methods, which tensors have not."""
    table = ((guess[:, np.newaxis].astype(np.float64) - truth[np.newaxis]) ** 2).sum(axis=2)
    return np.mean(table.argmin(axis=1) == np.arange(len(guess)))


def retrieval_own(guess, truth):
    """Whether none is nearer than the own one."""
    table = torch.cdist(guess, truth)
    return (table >= table.diag()[:, None]).all(dim=1).double().mean()


GOOD = {"empty": "both", "copy": "adversarial", "swapped": "neither"}

RIGHT = {
    "08.1": [
        GOOD | {"empty": " Both."},
        GOOD | {"why": "hidden pairs"},
        GOOD | {"swapped": "'NEITHER'\n"},
        dict(reversed(GOOD.items())),
        GOOD | {"copy": np.str_("adversarial")},
    ],
    "08.2": [7 / 24, 0.292, "0.2917", "29.2 %", "7/24", Fraction(7, 24), Decimal("0.292"), torch.tensor([0.2917]),
             np.float32(0.2917), 1 - 17 / 24, "≈ 0.292"],
    "08.3": [
        cycle_steps,
        cycle_rows,
        cycle_numpy,
        lambda x, noise, there, back: (x - back(noise + there(x))).abs().sum() / x.numel(),
        lambda x, noise, there, back: torch.norm(back(there(x) + noise) - x, p=1) / x.numel(),
        lambda x, noise, there, back: (back(there(x) + noise) - x).square().sqrt().mean(),
    ],
    "08.4": [
        squares_mse,
        squares_expanded,
        squares_loop,
        squares_numpy,
        lambda real, fake: (1 - real).pow(2).mean() + fake.pow(2).mean(),
        lambda real, fake: torch.var(real, correction=0) + (real.mean() - 1) ** 2 + (fake**2).mean(),
    ],
    "08.5": [
        retrieval_loop,
        retrieval_products,
        retrieval_topk,
        retrieval_numpy,
        retrieval_own,
        lambda guess, truth: 1 - (torch.cdist(guess, truth).argmin(1) != torch.arange(len(truth))).double().mean(),
    ],
}  # fmt: skip

WRONG = {
    "08.1": [
        (GOOD | {"empty": "adversarial"}, "what can a way back make of it"),
        (GOOD | {"empty": "cycle"}, "is no kai glyph, which"),
        (GOOD | {"empty": "neither"}, "no way back can tell"),
        (GOOD | {"copy": "cycle"}, "does it look like kai"),
        (GOOD | {"copy": "both"}, "its cycle is 0"),
        (GOOD | {"copy": "neither"}, "a copy is hei"),
        (GOOD | {"swapped": "cycle"}, "the way back undoes the swap"),
        (GOOD | {"swapped": "adversarial"}, "no discriminator knows"),
        (GOOD | {"swapped": "both"}, "perfect kai.* undoes the swap"),
        (dict.fromkeys(GOOD, "cycle"), "no kai glyph.* And .*look like kai.* And .*undoes the swap"),
        (GOOD | {"copy": "all"}, '"copy" must be'),
        ({"copy": "adversarial"}, "must be a dict with the keys"),
        (["both", "adversarial", "neither"], "must be a dict"),
    ],
    "08.2": [
        (0.25, "exactly two right"),
        (0.625, "at least one right"),
        (0.333, "or with exactly one"),
        (0.708, "with exactly one, at most one"),
        (0.375, "at most one, or none"),
        (0.0417, "at least two means both"),
        (0.2617, "gives no glyph twice"),
        (0.2109, "gives no glyph twice"),
        (0.5, "counted more than once"),
        (7, "a share of the 24"),
        (1, "a share of the 24"),
        (0.1458, "4! = 24"),
        (0.4375, "4! = 24"),
        (0.29, "round to three"),
        (0.291, "cut off"),
        (0.28, "it is larger than 0.28"),
        (-0.3, "never negative"),
        (1.5, "never above 1"),
        (math.nan, "finite"),
        ("a third", "one number"),
        ([7, 24], "one number"),
    ],
    "08.3": [
        (lambda x, e, there, back: (back(there(x + e)) - x).abs().mean(), "before it is translated"),
        (lambda x, e, there, back: (back(there(x)) + e - x).abs().mean(), "after the way back"),
        (lambda x, e, there, back: (back(there(x)) - x).abs().mean(), "`noise` changes nothing"),
        (lambda x, e, there, back: (back(there(x) + e) - there(x)).abs().mean(), "compare with the input"),
        (lambda x, e, there, back: back(there(x) + e).abs().mean(), "compare with the input"),
        (lambda x, e, there, back: (back(there(x) + e) - back(there(x))).abs().mean(), "compare with the input"),
        (lambda x, e, there, back: (there(back(x) + e) - x).abs().mean(), "`there` first, then `back`"),
        (lambda x, e, there, back: (there(x) + e - x).abs().mean(), "one is left out"),
        (lambda x, e, there, back: (back(there(x) + e) - x).square().mean(), "not of squares"),
        (lambda x, e, there, back: (back(there(x) + e) - x).mean(), "no signed"),
        (lambda x, e, there, back: (back(there(x) + e) - x).abs().sum(), "not a sum"),
        (lambda x, e, there, back: (back(there(x) + e) - x).abs().mean(1), "nor one for each row"),
        (lambda x, e, there, back: (back(there(x) + e) - x).abs(), "mean over all|nor one for each|it returns"),
        (lambda x, e, there, back: (back(there(x) - e) - x).abs().mean(), "the noise has a plus"),
        (lambda x, e, there, back: (back(there(x) + torch.randn_like(x)) - x).abs().mean(), "when called again"),
        (lambda x, e, there, back: 2 * (back(there(x) + e) - x).abs().mean(), "twice what is due"),
        (lambda x, e, there, back: cycle_steps(x, e, there, back) + cycle_steps(x, e, back, there), "the other way's"),
        (cycle_in_place, "in place"),
        (lambda x, e, there: (there(x) + e - x).abs().mean(), "raises `TypeError"),
        (0.5, "the answer must be the function"),
    ],
    "08.4": [
        (lambda r, f: r.square().mean() + (f - 1).square().mean(), "the targets are swapped"),
        (lambda r, f: (r - 1).square().mean() + (f + 1).square().mean(), "not −1"),
        (lambda r, f: r.square().mean() + f.square().mean(), "both terms have one target"),
        (lambda r, f: (r - 1).square().mean() + (f - 1).square().mean(), "both terms have one target"),
        (lambda r, f: (r - 1).square().mean(), "one of the two terms is missing"),
        (lambda r, f: f.square().mean(), "one of the two terms is missing"),
        (lambda r, f: (f - 1).square().mean(), "or this is the translator's loss"),
        (lambda r, f: torch.relu(1 - r).mean() + torch.relu(1 + f).mean(), "a hinge loss"),
        (lambda r, f: (r - 1).abs().mean() + f.abs().mean(), "lacks a square"),
        (lambda r, f: (r.mean() - 1) ** 2 + f.mean() ** 2, "not the square of the mean"),
        (lambda r, f: (r - 1).square().sum() + f.square().sum(), "no sums"),
        (lambda r, f: ((r - 1).square().mean() + f.square().mean()) / 2, "half of what is due"),
        (lambda r, f: (r - 1).square().mean() - f.square().mean(), "the two terms are added"),
        (lambda r, f: -squares_mse(r, f), "sign is turned"),
        (lambda r, f: (r - 1).square() + f.square(), "raises|it returns"),
        (lambda r, f: ((r - 1).square().mean(), f.square().mean()), "to one number|it returns"),
        (squares_in_place, "in place"),
        (lambda r: r.mean(), "raises `TypeError"),
        ("least squares", "the answer must be the function"),
    ],
    "08.5": [
        (lambda g, t: retrieval_products(t, g), "the nearest guess of each truth"),
        (lambda g, t: (torch.cdist(g, t).argmin(0) == torch.arange(len(g))).double().mean(), "nearest guess of each"),
        (lambda g, t: (torch.cdist(g, t, p=1).argmin(1) == torch.arange(len(g))).double().mean(), "Euclidean"),
        (lambda g, t: ((g @ t.T).argmax(1) == torch.arange(len(g))).double().mean(), "dot product"),
        (lambda g, t: (torch.cdist(g, t).argmax(1) == torch.arange(len(g))).double().mean(), "farthest"),
        (
            lambda g, t: ((g[:, None] - t).sum(2).argmin(1) == torch.arange(len(g))).double().mean(),
            "signed differences",
        ),
        (lambda g, t: (torch.cdist(g, t).argmin() == torch.arange(len(g))).double().mean(), "`dim=1` is missing"),
        (lambda g, t: len(g) * retrieval_loop(g, t), "this is how many"),
        (lambda g, t: 1 - retrieval_loop(g, t), "share of those that are wrong"),
        (lambda g, t: 100 * retrieval_loop(g, t), "per cent"),
        (lambda g, t: (g - t).abs().mean(), "which truth is the nearest does not enter"),
        (lambda g, t: (g - t).norm(dim=1).mean(), "which truth is the nearest does not enter"),
        (lambda g, t: retrieval_loop(g, g), "compared with all truths"),
        (lambda g, t: torch.cdist(g, t).argmin(1) == torch.arange(len(g)), "real numbers"),
        (lambda g, t: torch.cdist(g, t).argmin(1), "it returns"),
        (lambda g, t: 1 / len(g), "whatever comes"),
        (lambda g, t: retrieval_loop(g.sub_(t), t), "in place"),
        (lambda g: 1.0, "raises `TypeError"),
        (0.9, "the answer must be the function"),
    ],
}
