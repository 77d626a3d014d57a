"""Answers to the exercises of 06_wgan_gp, for tests/test_check.py: right ones, stubs, and plausible mistakes."""

import numpy as np
import torch
from scipy.stats import wasserstein_distance


def not_written(*arguments):
    raise NotImplementedError


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


def slopes_at(place):
    return lambda critic, real, fake, t: slopes(critic, place(real, fake, t).clone().requires_grad_()).norm(dim=1)


def w1_by_quantiles(a, b):
    cuts = torch.cat([torch.arange(len(a) + 1) / len(a), torch.arange(len(b) + 1) / len(b)]).double().sort().values
    middle, width = (cuts[1:] + cuts[:-1]) / 2, cuts.diff()
    a, b = a.double().sort().values, b.double().sort().values
    at = [x[(middle * len(x)).long().clamp(max=len(x) - 1)] for x in (a, b)]
    return ((at[0] - at[1]).abs() * width).sum()


def shortest(a, b):
    return min(len(a), len(b))


def penalty(slopes, lam):
    return lam * ((slopes - 1) ** 2).mean()


RIGHT = {
    "06.1": [
        {"w1": "doubles", "jsd": "stays"},
        {"w1": " Doubles.", "jsd": "STAYS"},
        {"w1": "doubles", "jsd": "stays", "why": "log 2"},
    ],
    "06.2": [1.3, "1.3", 1.302, np.float64(1.3), torch.tensor([1.3]), 0.3 + 0.4 + 0.6],
    "06.3": [
        lambda real, fake, slopes, lam: -(real.mean() - fake.mean()) + penalty(slopes, lam),
        lambda r, f, s, lam: f.mean() - r.mean() + lam * (s * s - 2 * s + 1).mean(),
        lambda r, f, s, lam: torch.nn.functional.mse_loss(s, torch.ones_like(s)) * lam + (f - r).mean(),
        lambda r, f, s, lam: np.mean(np.asarray(f)) - np.mean(np.asarray(r)) + lam * ((np.asarray(s) - 1) ** 2).mean(),
    ],
    "06.4": [slopes_by_square, slopes_one_by_one],
    "06.5": [
        w1_by_quantiles,
        lambda a, b: wasserstein_distance(a, b),
        lambda a, b: wasserstein_distance(np.asarray(a), np.asarray(b)).item(),
    ],
}

STUBS = {
    "06.1": [(None,), (...,), ({"w1": None, "jsd": None},), ({"w1": "doubles", "jsd": ""},)],
    "06.2": [(None,), (...,)],
    **{number: [(None,), (...,), (not_written,), (lambda *arguments: None,)] for number in ("06.3", "06.4", "06.5")},
}

WRONG = {
    "06.1": [
        ({"w1": "stays", "jsd": "doubles"}, "wrong way round"),
        ({"w1": "stays", "jsd": "stays"}, "W1 does not stay"),
        ({"w1": "quadruples", "jsd": "stays"}, "W2²"),
        ({"w1": "doubles", "jsd": "doubles"}, "cannot double.*log 2"),
        ({"w1": "doubles", "jsd": "quadruples"}, "cannot quadruple"),
        ({"w1": "quadruples", "jsd": "doubles"}, "W2².*And the divergence cannot double"),
        ({"w1": "halves", "jsd": "stays"}, '"w1" must be "stays"'),
        ({"w1": 2, "jsd": "stays"}, "what came is `2`"),
        ({"w1": "doubles"}, 'the keys "w1" and "jsd"'),
        ("doubles, stays", "must be a dict"),
    ],
    "06.2": [
        (-1.3, "never negative"),
        (0.1, "difference of the two means"),
        (-0.1, "difference of the two means"),
        (0.7, "gaps are left out"),
        (0.5, "total variation"),
        (1.0, "without any distance"),
        (3.3, "W2²"),
        (3.3**0.5, "root of W2²"),
        (0.65, "no factor ½"),
        (2.6, "twice too much"),
        (2.1, "position of the point"),
        (0.8, "position of the left point"),
        (0.325, "average over the four points"),
        (17, "smaller than 17"),
        (0.2, "larger than 0.2"),
        (-7, "never negative"),
        ("far", "one number"),
        (float("nan"), "finite"),
    ],
    "06.3": [
        (lambda r, f, s, lam: r.mean() + f.mean() + penalty(s, lam), "what the article prints"),
        (lambda r, f, s, lam: r.mean() - f.mean() + penalty(s, lam), "signs are turned"),
        (lambda r, f, s, lam: r.mean() - f.mean() - penalty(s, lam), "minus the loss"),
        (lambda r, f, s, lam: -r.mean() - f.mean() + penalty(s, lam), "both scores have a minus"),
        (lambda r, f, s, lam: f.mean() - r.mean() - penalty(s, lam), "penalty has the wrong sign"),
        (lambda r, f, s, lam: f.mean() - r.mean(), "penalty is missing"),
        (lambda r, f, s, lam: f.mean() + penalty(s, lam), "real scores are missing"),
        (lambda r, f, s, lam: f.mean() - r.mean() + penalty(s, 1), "weight lam is missing"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * (s.mean() - 1) ** 2, "each image's own"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * (s**2).mean(), "pulled to 0"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * (s - 1).mean(), "square is missing"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * ((s**2 - 1) ** 2).mean(), "norms already"),
        (lambda r, f, s, lam: f.mean() - r.mean() + lam * ((s - 1).relu() ** 2).mean(), "one-sided"),
        (lambda r, f, s, lam: f - r + penalty(s, lam), "scores are not averaged"),
        (lambda r, f, s, lam: f.sum() - r.sum() + lam * ((s - 1) ** 2).sum(), "these are sums"),
        (lambda r, f, s, lam: f.mean() - r.mean() + penalty(s, lam / 2), "factor ½"),
        (lambda r, f: f.mean() - r.mean(), "raises `TypeError"),
    ],
    "06.4": [
        (slopes_cut_off, "create_graph"),
        (slopes_batch_norm, "one norm over the whole batch"),
        (slopes_mean, "B times too small"),
        (slopes_at(lambda real, fake, t: real), "at the real points"),
        (slopes_at(lambda real, fake, t: fake), "at the generated points"),
        (slopes_at(lambda real, fake, t: (real + fake) / 2), "t is left out"),
        (slopes_at(lambda real, fake, t: t * fake + (1 - t) * real), "t and 1 - t are swapped"),
        (slopes_at(lambda real, fake, t: real + fake), "without weights"),
        (lambda c, r, f, t: (slopes(c, between(r, f, t)).norm(dim=1) - 1) ** 2, "these are the penalties"),
        (lambda c, r, f, t: ((slopes(c, between(r, f, t)).norm(dim=1) - 1) ** 2).mean(), "penalty's mean"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)).square().sum(1), "a root is missing"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)).norm(dim=1).mean(), "slopes are averaged"),
        (lambda c, r, f, t: slopes(c, between(r, f, t)).norm(dim=1, keepdim=True), "an axis is left over"),
        (lambda c, r, f, t: slopes(c, t * r + (1 - t) * f).norm(dim=1), "raises `RuntimeError"),
    ],
    "06.5": [
        (lambda a, b: (a.mean() - b.mean()).abs(), "distance of the means"),
        (lambda a, b: a.mean() - b.mean(), "difference of the means"),
        (
            lambda a, b: (a.sort().values[: shortest(a, b)] - b.sort().values[: shortest(a, b)]).abs().mean(),
            "longer sample is cut off",
        ),
        (lambda a, b: (a[: shortest(a, b)] - b[: shortest(a, b)]).abs().mean(), "paired as they came"),
        (lambda a, b: (a[:, None] - b).abs().mean(), "mean distance of all pairs"),
        (lambda a, b: (a[:, None] - b).abs().min(1).values.mean(), "nearest neighbour"),
        (lambda a, b: 2 * w1_by_quantiles(a, b), "twice too much"),
        (lambda a, b: -w1_by_quantiles(a, b), "never negative"),
        (lambda a, b: w1_by_quantiles(a, b) ** 2, "the square of the distance"),
        (lambda a, b: w1_by_quantiles(a, b) / (len(a) + len(b) - 1), "gaps are averaged"),
        (lambda a, b: w1_by_quantiles(a, b)[None], "an axis is left over"),
        (lambda a, b: (a.sort().values - b.sort().values).abs().mean(), "raises `RuntimeError"),
    ],
}
