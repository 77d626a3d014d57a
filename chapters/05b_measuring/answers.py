"""Right and wrong answers to the exercises of 05b_measuring; test_check.py runs them."""

import math

import numpy as np
import torch


def k(x, y, power=3):
    return (x @ y.T / x.shape[1] + 1) ** power


def off(x, power=3):
    return k(x, x, power).fill_diagonal_(0).sum() / (len(x) * (len(x) - 1))


def mmd(a, b, power=3):
    return off(a, power) + off(b, power) - 2 * k(a, b, power).mean()


def biased(a, b):
    return k(a, a).mean() + k(b, b).mean() - 2 * k(a, b).mean()


def halfway(a, b):
    return k(a, a).fill_diagonal_(0).mean() + k(b, b).fill_diagonal_(0).mean() - 2 * k(a, b).mean()


def before_the_power(a, b):
    def within(x):
        return ((x @ x.T).fill_diagonal_(0) / x.shape[1] + 1).pow(3).sum() / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * k(a, b).mean()


def gaussian(a, b):
    def mean(x, y, pairs):
        return ((-(torch.cdist(x, y) ** 2) / 2).exp().sum() - (len(x) if x is y else 0)) / pairs

    n, m = len(a), len(b)
    return mean(a, a, n * (n - 1)) + mean(b, b, m * (m - 1)) - 2 * mean(a, b, n * m)


def loops(a, b):
    def mean(x, y, same):
        rows = [(i, j) for i in range(len(x)) for j in range(len(y)) if not (same and i == j)]
        return sum(float((np.dot(x[i], y[j]) / len(x[i]) + 1) ** 3) for i, j in rows) / len(rows)

    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)


GOOD = {"precision": "high", "recall": "low", "smallest_class": "high", "fd": "high"}

RIGHT = {
    "05b.1": [
        GOOD | {"fd": " HIGH."},
        GOOD | {"why": "ten images"},
        GOOD | {"fd": "'High'\n"},
        GOOD | {"recall": "LOW\t", "precision": "“high”"},
    ],
    "05b.2": [
        13,
        13.0,
        "13",
        13.001,
        torch.tensor(13.0),
        np.array([13.0]),
        "13.0",
        "= 13",
        np.float64(13),
        "13 ",
    ],
    "05b.3": [
        mmd,
        loops,
        lambda a, b: mmd(a.double(), b.double()),
        lambda a, b: (
            sum(
                (k(x, x).sum() - (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()) / len(x) / (len(x) - 1)
                for x in (a, b)
            )
            - 2 * k(a, b).mean()
        ),
        lambda a, b: (
            k(a, a)[~torch.eye(len(a)).bool()].mean()
            + k(b, b)[~torch.eye(len(b)).bool()].mean()
            - k(a, b).mean()
            - k(b, a).mean()
        ),
        lambda a, b: (
            2 * k(a, a).triu(1).sum() / (len(a) * (len(a) - 1))
            + 2 * k(b, b).tril(-1).sum() / (len(b) ** 2 - len(b))
            - 2 * k(a, b).mean()
        ),
    ],
}  # fmt: skip

WRONG = {
    "05b.1": [
        (GOOD | {"recall": "high", "fd": "low"}, "cover hardly any.*And.*spreads"),
        (GOOD | {"precision": "low", "fd": "low"}, "these ten are real.*And.*spreads"),
        (GOOD | {"fd": "rises"}, '"fd" must be "high" or "low".*rises'),
        (GOOD | {"fd": 3}, '"fd" must be'),
        (GOOD | {"smallest_class": "low", "recall": "high"}, "cover hardly any.*And.*a tenth"),
        ({"precision": "high"}, "must be a dict with the keys"),
        ("high", "must be a dict"),
    ],
    "05b.2": [
        (3.606, "root of it"),
        (9.254, "used them as variances"),
        (43, "is missing or wrong"),
        (25, "neither subtracted"),
        (5, "part of the means"),
        (7, "part of the means"),
        (11, "part of the deviations"),
        (9, "part of the deviations"),
        (-407, "is missing or wrong"),
        (-2, "never negative"),
        (14.2, "smaller than 14.2"),
        ("thirteen", "one number"),
        (math.nan, "finite number"),
        (20, "smaller than 20"),
        (73, "part of the deviations"),
    ],
    "05b.3": [
        (biased, "biased"),
        (halfway, "the diagonal is taken out of the sum, but the"),
        (lambda a, b: mmd(a, b, 4), "the kernel is the third power"),
        (lambda a, b: off(a) + off(b), "count 1, 1 and -2"),
        (lambda a, b: off(a) + off(b) - 2 * k(a, b).fill_diagonal_(0).mean(), "no pair is left out"),
        (before_the_power, "set to 0 before the power counts as 1"),
        (gaussian, "the kernel is the third power"),
        (lambda a, b: mmd(a, b).clamp(min=0), "negative values are cut off at 0"),
        (lambda a, b: mmd(a, b).abs().sqrt(), "a root"),
        (lambda a, b: mmd(a, b).clamp(min=0) ** 0.5, "a root"),
        (lambda a, b: -mmd(a, b), "minus"),
        (lambda a, b: k(a, b), "count 1, 1 and -2.*And a mean over all values is missing"),
        (lambda a, b: k(a, b).mean(), "count 1, 1 and -2"),
        (lambda a, b: off(a) + off(b) - 2 * k(a, b)[:3, :3].fill_diagonal_(0).sum() / 6, "it returns"),
        (lambda a, b: (a.mean(0) - b.mean(0)).norm(), "squared distance of the means.*And this is the root of that"),
        (lambda a, b: mmd(a - a.mean(0), b - b.mean(0)), "it returns"),
        (lambda a, b: mmd(a, b) / 2, "half"),
        (lambda a, b: off(a) + k(b, b).mean() - 2 * k(a, b).mean(), "biased"),
        (lambda a, b: off(a) + off(b) - 2 * k(a, b).sum() / len(a) / (len(b) - 1), "no pair is left out"),
        (lambda a, b: mmd(*(x * (x.shape[1] / len(a)) ** 0.5 for x in (a, b))), "not by its root or by N"),
        (lambda a, b: 100 * mmd(a, b), "this is in per cent"),
    ],
}  # fmt: skip
