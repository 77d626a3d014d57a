"""Right, untouched and wrong answers to the exercises of chapter 01; test_check.py runs them."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal, kl_divergence

HALF_LOG = 0.5 * math.log(2 * math.pi)


def numpy_kl(p, q):
    p, q = np.asarray(p), np.asarray(q)
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / q), 0).sum(axis=1)


def mixture_by_torch(x, pi, mu, sigma):
    return MixtureSameFamily(Categorical(pi), Normal(mu, sigma)).log_prob(x)


def parts(x, pi, mu, sigma):  # (N, K)
    return pi.log() + Normal(mu, sigma).log_prob(x[:, None])


def squares(x, mu, sigma):
    return -0.5 * ((x[:, None] - mu) / sigma) ** 2


def flow(x, a, b):
    return Normal(b, a.abs()).log_prob(x).sum(1)


def log_normal(z):
    return -0.5 * z**2 - HALF_LOG


def in_place_flow(x, a, b):
    x -= b
    return log_normal(x / a).sum(1) - a.abs().log().sum()


RIGHT = {
    "01.1": [
        {"precision": "Stays", "recall": " falls "},
        {"recall": "FALLS.", "precision": "stays", "why": "half of the points"},
    ],
    "01.2": [
        math.sqrt(26 / 3), 2.94, 2.944, "2.94", "2.9439", np.std([1, 3, 8]), torch.tensor([[2.944]]),
        Fraction(2944, 1000), torch.tensor([1.0, 3, 8]).std(correction=0),
    ],
    "01.3": [
        numpy_kl,
        lambda p, q: kl_divergence(Categorical(p), Categorical(q)),
        lambda p, q: torch.where(p > 0, p * (p / q).log(), 0.0).sum(-1),
        lambda p, q: torch.nn.functional.kl_div(q.log(), p, reduction="none").sum(1),
    ],
    "01.4": [
        mixture_by_torch,
        lambda x, pi, mu, sigma: parts(x, pi, mu, sigma).logsumexp(1),
        lambda x, pi, mu, sigma: torch.stack([torch.logsumexp(row, 0) for row in parts(x, pi, mu, sigma)]),
    ],
    "01.5": [
        flow,
        lambda x, a, b: MultivariateNormal(b, torch.diag(a**2)).log_prob(x),
        lambda x, a, b: log_normal((x - b) / a).sum(1) - torch.linalg.slogdet(torch.diag(a))[1],
    ],
}  # fmt: skip

STUBS = {
    "01.1": [(None,), ({"precision": None, "recall": None},), ({"precision": "stays", "recall": ...},),
             ({"precision": "", "recall": "falls"},)],
    "01.2": [(None,), (...,)],
} | {
    number: [(None,), (...,), (lambda *a: None,), (lambda *a: ...,)] for number in ("01.3", "01.4", "01.5")
}  # fmt: skip

WRONG = {
    "01.1": [
        ({"precision": "falls", "recall": "stays"}, "wrong way round"),
        ({"precision": "falls", "recall": "falls"}, "does not suffer"),
        ({"precision": "rises", "recall": "falls"}, "gains nothing"),
        ({"precision": "stays", "recall": "stays"}, "recall sees the loss"),
        ({"precision": "stays", "recall": "rises"}, "recall cannot gain"),
        ({"precision": "rises", "recall": "rises"}, "gains nothing.* And .*recall cannot gain"),
        ({"precision": "rises", "recall": "stays"}, "gains nothing.* And .*recall sees"),
        ({"precision": "falls", "recall": "rises"}, "does not suffer.* And .*recall cannot"),
        ({"precision": "stays"}, "keys"),
        ({"Precision": "stays", "Recall": "falls"}, "keys"),
        ({"precision": "stays", "recall": "vanishes"}, "what came is `'vanishes'`"),
        ({"precision": 1.0, "recall": 0.5}, '"precision" must be'),
        (("stays", "falls"), "dict"),
        ("stays", "dict"),
    ],
    "01.2": [
        (8.667, "this is the variance; the"), (3.606, "divided by N - 1. That"), (13, "and divided by N - 1"),
        (5.099, "are added up"), (26, "sum of the squared"), (2.667, "mean absolute"), (4, "the mean of the three"),
        (4.967, "subtract their mean first"), (24.667, "root is missing"), (-2.944, "never negative"),
        (1.7, "root comes last|divided by twice"), (1.08, "logarithm of the standard"), (2.16, "of the variance"),
        (3.109, "from the median"), (7, "the range"), (-5, "never negative"), (100, "smaller"), (0.1, "larger"),
        (float("nan"), "finite"), ("large", "one number"), ([2.94, 1.0], "one number"), (lambda: 2.94, "one number"),
    ],
    "01.3": [
        (lambda p, q: torch.xlogy(q, q / p).sum(1), "distributions are swapped"),
        (lambda p, q: (torch.xlogy(p, q) - torch.xlogy(p, p)).sum(1), "logarithms are swapped"),
        (lambda p, q: -(torch.xlogy(q, q / p)).sum(1), "in front of the logarithms"),
        (lambda p, q: torch.xlogy(p, p / q).sum(1) / math.log(2), "in bits"),
        (lambda p, q: torch.xlogy(p, p / q).mean(1), "outcomes are averaged"),
        (lambda p, q: torch.xlogy(p, p / q).sum(), "rows are added up"),
        (lambda p, q: torch.xlogy(p, p / q).sum(1).mean(), "rows are averaged"),
        (lambda p, q: torch.xlogy(p, p) - torch.xlogy(p, q), "outcomes are not summed"),
        (lambda p, q: torch.xlogy(p, p / q).sum(0), "over the batch"),
        (lambda p, q: (p / q).log().sum(1), "in front of the logarithms are missing"),
        (lambda p, q: (p / q).log().mean(1), "the same weight"),
        (lambda p, q: -torch.xlogy(p, q).sum(1), "cross-entropy; the"),
        (lambda p, q: -torch.xlogy(p, p).sum(1), "this is the entropy"),
        (lambda p, q: torch.xlogy(p, p).sum(1), "minus the entropy"),
        (lambda p, q: torch.xlogy(p, q).sum(1), "minus the cross-entropy"),
        (lambda p, q: (p * p / q).sum(1), "logarithm of the ratio"),
        (lambda p, q: (torch.xlogy(p, p) - torch.xlogy(q, q)).sum(1), "difference of entropies"),
        (lambda p, q: (p - q).abs().sum(1) / 2, "total variation"),
        (lambda p, q: (p - q).square().sum(1), "squared distance"),
        (lambda p, q: (p * (p / q).log()).sum(1), "0 · log 0"),
        (lambda p, q: torch.nn.functional.kl_div(q.log(), p, reduction="batchmean"), "averaged"),
        (lambda p, q: torch.xlogy(p, p / q).sum(1, keepdim=True), "keepdim"),
        (lambda p: p.sum(1), "raises `TypeError"),
        (0.5, "must be the function"),
    ],
    "01.4": [
        (lambda x, pi, mu, s: Normal(mu, s).log_prob(x[:, None]).logsumexp(1), "weights pi are missing"),
        (lambda x, pi, mu, s: Normal(mu, s).log_prob(x[:, None]).logsumexp(1) - math.log(len(pi)), "the same weight"),
        (lambda x, pi, mu, s: (pi * Normal(mu, s).log_prob(x[:, None])).sum(1), "weighted mean of log-densities"),
        (lambda *a: parts(*a).sum(1), "as for a product"),
        (lambda x, pi, mu, s: (pi + Normal(mu, s).log_prob(x[:, None])).logsumexp(1), "add its logarithm"),
        (lambda x, pi, mu, s: (pi * Normal(mu, s).log_prob(x[:, None])).logsumexp(1), "pi multiplies"),
        (lambda *a: parts(*a).amax(1), "only the largest"),
        (lambda *a: parts(*a).exp().sum(1), "this is the density"),
        (lambda *a: -mixture_by_torch(*a), "minus the log-density"),
        (lambda x, pi, mu, s: mixture_by_torch(x, pi, mu, s.sqrt()), "used as the variance"),
        (lambda x, pi, mu, s: mixture_by_torch(x, pi, mu, s**2), "once too often"),
        (lambda x, pi, mu, s: mixture_by_torch(x, pi, mu, s.exp()), "used as log sigma"),
        (lambda x, pi, mu, s: (pi.log() + squares(x, mu, s) - s.log()).logsumexp(1), "½ log 2π is missing"),
        (lambda x, pi, mu, s: (pi.log() + squares(x, mu, s)).logsumexp(1), "log sigma and ½"),
        (lambda x, pi, mu, s: (pi.log() + squares(x, mu, s) - HALF_LOG).logsumexp(1), "log sigma is missing"),
        (lambda x, pi, mu, s: (pi.log() + squares(x, mu, s) + s.log() - HALF_LOG).logsumexp(1), "log sigma has the"),
        (lambda x, pi, mu, s: (parts(x, pi, mu, s) + squares(x, mu, s)).logsumexp(1), "½ before the square"),
        (lambda x, pi, mu, s: (parts(x, pi, mu, s) - 2 * squares(x, mu, s)).logsumexp(1), "far points"),
        (lambda *a: mixture_by_torch(*a) - HALF_LOG, "subtracted twice"),
        (lambda *a: mixture_by_torch(*a).sum(), "points are added up"),
        (lambda *a: mixture_by_torch(*a).mean(), "points are averaged"),
        (lambda *a: parts(*a).logsumexp(0), "over the points"),
        (lambda *a: parts(*a), "Gaussians are not summed"),
        (lambda *a: parts(*a).exp().sum(1).log(), "right near the middle"),
        (lambda *a: (parts(*a).exp().sum(1) + 1e-12).log(), "x = 100"),
        (lambda *a: parts(*a).logsumexp(1, keepdim=True), "keepdim"),
    ],
    "01.5": [
        (lambda x, a, b: log_normal((x - b) / a).sum(1), "determinant is missing"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) + a.abs().log().sum(), "wrong sign"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - a.abs().log().mean(), "log-determinant is averaged"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - a.abs().log().sum() / 2, "half of the log-determinant"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - (a**2).log().sum(), "subtracted twice"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - a.abs().prod(), "determinant itself"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - a.abs().sum(), "entries of a are added"),
        (lambda x, a, b: log_normal(a * x + b).sum(1) + a.abs().log().sum(), "way from z to x"),
        (lambda x, a, b: log_normal(a * x + b).sum(1) - a.abs().log().sum(), "way from z to x"),
        (lambda x, a, b: log_normal(x - b).sum(1) - a.abs().log().sum(), "shifted and not scaled"),
        (lambda x, a, b: flow(x, a, 0 * b), "b is left out"),
        (lambda x, a, b: flow(x, a, -b), "b is added"),
        (lambda x, a, b: log_normal(x / a - b).sum(1) - a.abs().log().sum(), "undoes the last step"),
        (lambda x, a, b: log_normal(x).sum(1), "play no part"),
        (lambda x, a, b: (-0.5 * ((x - b) / a) ** 2).sum(1) - a.abs().log().sum(), "once a dimension"),
        (lambda x, a, b: (-0.5 * ((x - b) / a) ** 2).sum(1) - a.abs().log().sum() - HALF_LOG, "each dimension has"),
        (lambda x, a, b: flow(x, a.abs().sqrt(), b), "used as the variance"),
        (lambda *args: flow(*args).exp(), "this is the density"),
        (lambda *args: -flow(*args), "minus the log-density"),
        (lambda *args: flow(*args).sum(), "points are added up"),
        (lambda *args: flow(*args).mean(), "points are averaged"),
        (lambda x, a, b: Normal(b, a.abs()).log_prob(x), "dimensions are not summed"),
        (lambda x, a, b: Normal(b, a.abs()).log_prob(x).mean(1), "dimensions are averaged"),
        (lambda x, a, b: Normal(b, a.abs()).log_prob(x).sum(0), "over the batch"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - a.log().sum(), "right for positive a"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - a.prod().log(), "a = -2|right for positive a"),
        (in_place_flow, "changes its argument `x`"),
        (lambda *args: flow(*args)[:, None], "axis is left over"),
    ],
}  # fmt: skip
