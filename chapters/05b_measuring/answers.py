"""Right answers, stubs and wrong answers of 05b_measuring, for test_check.py."""

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


def loops(a, b):
    def mean(x, y, same):
        rows = [(i, j) for i in range(len(x)) for j in range(len(y)) if not (same and i == j)]
        return sum(float((np.dot(x[i], y[j]) / len(x[i]) + 1) ** 3) for i, j in rows) / len(rows)

    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)


def stub(*args):
    raise NotImplementedError


GOOD = {"precision": "high", "recall": "low", "smallest_class": "high", "fd": "high"}

RIGHT = {
    "05b.1": [
        GOOD | {"fd": " HIGH."},
        GOOD | {"why": "ten images"},
    ],
    "05b.2": [5, 5.0, "5", 5.001, torch.tensor(5.0), np.array([5.0])],
    "05b.3": [mmd, loops, lambda a, b: mmd(a.double(), b.double())],
}

STUBS = {
    "05b.1": [(None,), (dict.fromkeys(GOOD),), (GOOD | {"fd": ...},), (GOOD | {"recall": ""},)],
    "05b.2": [(None,), (...,)],
    "05b.3": [(None,), (...,), (stub,), (lambda *a: None,)],
}

WRONG = {
    "05b.1": [
        (GOOD | {"precision": "low"}, "these ten are real"),
        (GOOD | {"recall": "high"}, "cover hardly any"),
        (GOOD | {"smallest_class": "low"}, "a tenth of the images"),
        (GOOD | {"fd": "low"}, "compares spreads"),
        (GOOD | {"precision": "low", "recall": "high"}, "wrong way round"),
        (GOOD | {"recall": "high", "fd": "low"}, "cover hardly any.*And.*spreads"),
        (GOOD | {"fd": "rises"}, '"fd" must be "high" or "low".*rises'),
        (GOOD | {"fd": 3}, '"fd" must be'),
        ({"precision": "high"}, "must be a dict with the keys"),
        ("high", "must be a dict"),
    ],
    "05b.2": [
        (math.sqrt(5), "root of it"),
        (4 + 3 + 2 - 2 * math.sqrt(6), "used them as variances"),
        (17, "is missing"),
        (11, "counts twice"),
        (29, "subtracted and squared"),
        (9, "no distance"),
        (1, "means is missing"),
        (4, "standard deviations is missing"),
        (3, "must be squared"),
        (7, "neither part"),
        (-55, "root of the product of the variances is missing"),
        (10, "twice too much"),
        (math.log(2 / 3) + 13 / 8 - 0.5, "KL divergence"),
        (-2, "never negative"),
        (6.2, "smaller than 6.2"),
        ("five", "one number"),
        (math.nan, "finite number"),
    ],
    "05b.3": [
        (biased, "biased"),
        (halfway, "still divides"),
        (lambda a, b: off(a) + off(b) - k(a, b).mean(), "counts twice"),
        (lambda a, b: off(a) + off(b) + 2 * k(a, b).mean(), "wrong sign"),
        (lambda a, b: off(a) + off(b), "mixed pairs is missing"),
        (lambda a, b: mmd(a, b, power=2), "third power"),
        (lambda a, b: mmd(a, b, power=1), "means only"),
        (lambda a, b: mmd(a * a.shape[1] ** 0.5, b * b.shape[1] ** 0.5), "not divided by the number of dimensions"),
        (lambda a, b: -mmd(a, b), "minus the distance"),
        (lambda a, b: mmd(a, b).clamp(min=0), "cut off"),
        (lambda a, b: mmd(a, b).abs().sqrt(), "root is taken"),
        (lambda a, b: (a.mean(0) - b.mean(0)).square().sum(), "distance of the means"),
        (lambda a, b: mmd(a, b) / 2, "half"),
        (lambda a, b: k(a, b), "returns shape"),
        (lambda a, b: mmd(a, b)[None], "keepdim"),
        (lambda a, b: "0", "must return one tensor"),
    ],
}
