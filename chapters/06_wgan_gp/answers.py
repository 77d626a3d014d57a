"""Answers to the exercises of 06_wgan_gp, for tests/test_check.py: right ones, stubs, and plausible mistakes."""

import itertools
from fractions import Fraction

import numpy as np
import torch
from scipy.stats import wasserstein_distance


def slopes(critic, x, **how):
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True, **how)
    return gradient


def between(real, fake, t):
    return (t * real + (1 - t) * fake).requires_grad_()


def slopes_by_square(critic, real, fake, t):
    x = torch.lerp(fake, real, t).requires_grad_()
    return slopes(critic, x).square().sum(1).sqrt()


def slopes_one_by_one(critic, real, fake, t):
    rows = []
    for r, f, u in zip(real, fake, t, strict=True):
        x = between(r[None], f[None], u)
        rows.append(slopes(critic, x).norm())
    return torch.stack(rows)


def slopes_cut_off(critic, real, fake, t):
    x = between(real, fake, t)
    (gradient,) = torch.autograd.grad(critic(x).sum(), x)
    return gradient.norm(dim=1)


def slopes_batch_norm(critic, real, fake, t):
    return slopes(critic, between(real, fake, t)).norm()


def slopes_mean(critic, real, fake, t):
    x = between(real, fake, t)
    (gradient,) = torch.autograd.grad(critic(x).mean(), x, create_graph=True)
    return gradient.norm(dim=1)


def slopes_by_backward(critic, real, fake, t):
    x = between(real, fake, t)
    critic(x).sum().backward(create_graph=True)
    return x.grad.norm(dim=1)


def slopes_by_jacobian(critic, real, fake, t):
    jacobian = torch.autograd.functional.jacobian(critic, torch.lerp(fake, real, t), create_graph=True)  # (B, B, D)
    return torch.einsum("iid->id", jacobian).square().sum(1).sqrt()


def w1_by_moving(a, b):  # from the left, each grain to the first free place
    a, b, total = sorted(a.tolist()), sorted(b.tolist()), 0.0
    i = j = 0
    left, free = Fraction(1, len(a)), Fraction(1, len(b))
    while i < len(a) and j < len(b):
        moved = min(left, free)
        total += float(moved) * abs(a[i] - b[j])
        left, free = left - moved, free - moved
        i, left = (i, left) if left else (i + 1, Fraction(1, len(a)))
        j, free = (j, free) if free else (j + 1, Fraction(1, len(b)))
    return total


def w1_by_quantiles(a, b):
    cuts = torch.cat([torch.arange(len(a) + 1) / len(a), torch.arange(len(b) + 1) / len(b)]).double().sort().values
    middle, width = (cuts[1:] + cuts[:-1]) / 2, cuts.diff()
    a, b = a.double().sort().values, b.double().sort().values
    at = [x[(middle * len(x)).long().clamp(max=len(x) - 1)] for x in (a, b)]
    return ((at[0] - at[1]).abs() * width).sum()


def quantile_gap(a, b, n):
    u = torch.linspace(0, 1, n)
    return (a.quantile(u) - b.quantile(u)).abs().mean()


def areas(a, b, below):
    x = torch.cat([a, b]).sort().values
    shares = [below(s[:, None], x[:-1]).double().mean(0) for s in (a, b)]
    return ((shares[0] - shares[1]).abs() * x.diff()).sum()


def cut(a, b):
    return (a.sort().values - b.sort().values).abs().mean()


def penalty(slopes, lam):
    return lam * ((slopes - 1) ** 2).mean()


RIGHT = {
    "06.1": [
        {"w1": "doubles", "jsd": "stays"},
        {"w1": " Doubles.", "jsd": "STAYS"},
        {"w1": "doubles", "jsd": "stays", "why": "log 2"},
        {"w1": "\tdoubles\n", "jsd": "'stays'"},
        {"jsd": "STAYS", "w1": "Doubles"},
    ],
    "06.2": [
        1.3,
        "1.3",
        1.302,
        np.float64(1.3),
        torch.tensor([1.3]),
        0.3 + 0.4 + 0.6,
        "1.3",
        "≈1.30",
        13 / 10,
        "13/10",
    ],
    "06.3": [
        lambda real, fake, slopes, lam: -(real.mean() - fake.mean()) + penalty(slopes, lam),
        lambda r, f, s, lam: f.mean() - r.mean() + lam * (s * s - 2 * s + 1).mean(),
        lambda r, f, s, lam: torch.nn.functional.mse_loss(s, torch.ones_like(s)) * lam + (f - r).mean(),
        lambda r, f, s, lam: -(r.mean() - f.mean()) + lam * (s.square() - 2 * s + 1).mean(),
        lambda r, f, s, lam: torch.stack([g - h + lam * (x - 1) ** 2 for g, h, x in zip(f, r, s, strict=True)]).mean(),
        lambda r, f, s, lam: (f - r).mean() + lam * torch.nn.functional.mse_loss(s, torch.ones_like(s)),
    ],
    "06.4": [
        slopes_by_square,
        slopes_by_jacobian,
        slopes_one_by_one,
        lambda c, r, f, t: torch.stack(
            [
                torch.autograd.grad(c(p[None])[0], p, create_graph=True)[0].norm()
                for p in (x.detach().requires_grad_() for x in t * r + (1 - t) * f)
            ]
        ),
        lambda c, r, f, t: (
            lambda x: torch.autograd.grad(c(x), x, torch.ones(len(x)), create_graph=True)[0].square().sum(1).sqrt()
        )((f + t * (r - f)).requires_grad_()),
        lambda c, r, f, t: torch.linalg.vector_norm(slopes(c, torch.lerp(f, r, t).requires_grad_()), dim=1),
    ],
    "06.5": [
        w1_by_quantiles,
        w1_by_moving,
        lambda a, b: w1_by_quantiles(a, b)[None],
        lambda a, b: wasserstein_distance(a, b),
        lambda a, b: wasserstein_distance(np.asarray(a), np.asarray(b)).item(),
        lambda a, b: (
            (a.sort().values.repeat_interleave(len(b)) - b.sort().values.repeat_interleave(len(a))).abs().mean()
        ),
        lambda a, b: sum(
            abs((a <= x).double().mean() - (b <= x).double().mean()) * (y - x)
            for x, y in itertools.pairwise(torch.cat([a, b]).sort().values)
        ),
    ],
}

WRONG = {
    "06.1": [
        ({"w1": "stays", "jsd": "stays"}, "W1 does not stay"),
        ({"w1": "doubles", "jsd": "quadruples"}, "cannot quadruple"),
        ({"w1": "quadruples", "jsd": "doubles"}, "W2².*And the divergence cannot double"),
        ({"w1": "halves", "jsd": "stays"}, '"w1" must be "stays"'),
        ({"w1": 2, "jsd": "stays"}, "what came is `2`"),
        ({"w1": "doubles"}, 'the keys "w1" and "jsd"'),
        ("doubles, stays", "must be a dict"),
    ],
    "06.2": [
        (0.5, "own differences"),
        (1.0, "or the first gap is left out"),
        (0.7, "or all are"),
        (2.6, "no factor ½ or 2"),
        (1.82, "W2²"),
        (3.7, "W2²"),
        (2.9, "W2²"),
        (1.7, "not the cheapest"),
        (0.217, "no average"),
        (17, "smaller than 17"),
        (0.2, "larger than 0.2"),
        (-7, "never negative"),
        ("far", "one number"),
        (float("nan"), "finite"),
        (0.1, "difference of the two means"),
        ("0.7 m", "one number"),
    ],
    "06.3": [
        (lambda r, f, s, lam: r.mean() - f.mean() + penalty(s, lam), "signs"),
        (lambda r, f, s, lam: f.mean() - r.mean() + penalty(s, lam**2), "it returns"),
        (lambda r, f, s, lam: lam * (f.mean() - r.mean()) + penalty(s, 1), "it returns"),
        (lambda r, f, s, lam: lam * (f.mean() - r.mean() + penalty(s, 1)), "it returns"),
        (lambda r, f, s, lam: torch.sigmoid(f).mean() - torch.sigmoid(r).mean() + penalty(s, lam), "no sigmoid"),
        (
            lambda r, f, s, lam: (
                torch.nn.functional.softplus(f).mean() + torch.nn.functional.softplus(-r).mean() + penalty(s, lam)
            ),
            "no logarithm",
        ),
        (lambda r, f, s, lam: (f - r).abs().mean() + penalty(s, lam), "no absolute value"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * (s - 1).norm(), "no root"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * penalty(s, 1).sqrt(), "no root"),
        (lambda r, f, s, lam: f.mean() - r.mean() + penalty(s, lam).sqrt(), "it returns"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * (1 - s.mean() ** 2), "it returns"),
        (
            lambda r, f, s, lam: (f.mean() - r.mean() + penalty(s, lam)).detach(),
            "no gradient leads",
        ),
        (
            lambda r, f, s, lam: float(f.mean() - r.mean() + penalty(s, lam)),
            "no gradient leads",
        ),
        (
            lambda r, f, s, lam: f.mean() - r.mean() + penalty(s.detach(), lam),
            "no gradient reaches",
        ),
        (lambda r, f: f.mean() - r.mean(), "raises `TypeError"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * s.var(), "it returns"),
    ],
    "06.4": [
        (slopes_cut_off, "no gradient leads"),
        (slopes_batch_norm, "this is one norm over the whole batch"),
        (slopes_mean, "mean"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)).norm(dim=0), "one number a pair"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)).abs().sum(1), "root of the sum"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)).mean(1), "root of the sum"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)).amax(1), "root of the sum"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)), "one number a pair"),
        (lambda c, r, f, t: slopes(c, between(r, f, t.mean())).norm(dim=1), "or one stands for all"),
        (slopes_by_backward, "adds to the weights' own gradients"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)).norm(dim=1, keepdim=True), "keepdim"),
        (
            lambda c, r, f, t: slopes(c, between(r, f, t)).norm(dim=1).detach(),
            "no gradient leads",
        ),
        (lambda c, r, f, t: (c(r) - c(f)).abs() / (r - f).norm(dim=1), "`t` changes nothing"),
        (lambda c, r, f, t: c(between(r, f, t)), "it returns"),
        (
            lambda c, r, f, t: slopes(c, between(r, f, t)).norm(dim=1).mean().expand(len(r)),
            "every row has the mean of all",
        ),
        (lambda c, r, f, t: slopes(c, between(r, f, t[:1])).norm(dim=1), "a t of its own"),
        (
            lambda c, r, f, t: slopes(c, between(r, f, torch.rand_like(t))).norm(dim=1),
            "your function gives other values when called",
        ),
    ],
    "06.5": [
        (
            lambda a, b: np.abs(
                np.quantile(a, (np.arange(840) + 0.5) / 840, method="inverted_cdf")
                - np.quantile(b, (np.arange(840) + 0.5) / 840, method="inverted_cdf")
            ).mean(),
            "it returns",  # exact for sizes that divide 840 only
        ),
        (lambda a, b: 2 * w1_by_quantiles(a, b), "twice"),
        (lambda a, b: -w1_by_quantiles(a, b), "minus"),
        (lambda a, b: w1_by_quantiles(a, b) ** 2, "square"),
        (lambda a, b: w1_by_quantiles(a, b)[None, None], "axis"),
        (lambda a, b: (a.sort().values - b.sort().values).abs().mean(), "raises `RuntimeError: The size of tensor a"),
        (
            lambda a, b: (
                (torch.quantile(a, torch.linspace(0, 1, 50)) - torch.quantile(b, torch.linspace(0, 1, 50))).abs().mean()
            ),
            "it returns",
        ),
        (lambda a, b: quantile_gap(a, b, max(len(a), len(b))), "quantiles are interpolated"),
        (lambda a, b: quantile_gap(a, b, 1001), "a staircase"),
        (lambda a, b: (a.repeat(len(b)) - b.repeat_interleave(len(a))).abs().mean(), "mean distance of all pairs"),
        (lambda a, b: (a.repeat(len(b)) - b.repeat(len(a))).abs().mean(), "must be sorted"),
        (lambda a, b: (a.sort()[0].repeat(len(b)) - b.sort()[0].repeat(len(a))).abs().mean(), "must be sorted"),
        (lambda a, b: w1_by_quantiles(a, b) * len(a) * len(b), "no sum over pairs"),
        (lambda a, b: areas(a, b, torch.lt), "among those not larger"),
        (lambda a, b: areas(a * 1, b * 1, lambda x, y: (x <= y) * len(x)), "no counts for shares"),
        (lambda a, b: cut(a[: len(b)], b[: len(a)]), "made equally long"),
        (lambda a, b: cut(*(torch.cat([x, x.new_zeros(max(len(a), len(b)) - len(x))]) for x in (a, b))), "filled up"),
        (lambda a, b: w1_by_quantiles(a, b) * len(a), "it returns"),
        (lambda a, b: (a.mean() - b.mean()).abs() + (a.std(correction=0) - b.std(correction=0)).abs(), "it returns"),
        (
            lambda a, b: ((a.mean() - b.mean()) ** 2 + (a.std(correction=0) - b.std(correction=0)) ** 2).sqrt(),
            "it returns",
        ),
        (lambda a, b: (a[:, None] - b).abs().min(), "it returns"),
        (lambda a, b: (a[:, None] - b).abs().sum(), "it returns"),
        (lambda a, b: w1_by_quantiles(a, b.mul_(0)), "in place"),
    ],
}
