"""Right answers, stubs and wrong answers of 05_dcgan, for test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F

BCE = F.binary_cross_entropy_with_logits


def bce_loss(real, fake):
    return BCE(real, torch.full_like(real, 0.9)) + BCE(fake, torch.zeros_like(fake))


def smooth_both(real, fake):
    return BCE(real, torch.full_like(real, 0.9)) + BCE(fake, torch.full_like(fake, 0.1))


def by_torch(x, w, stride):
    return F.conv_transpose1d(x[None, None], w[None, None], stride=stride)[0, 0]


def by_gradient(x, w, stride):
    y = torch.zeros((len(x) - 1) * stride + len(w), dtype=x.dtype, requires_grad=True)
    (F.conv1d(y[None, None], w[None, None], stride=stride)[0, 0] * x).sum().backward()
    return y.grad


def by_numpy(x, w, stride):
    spread = np.zeros((len(x) - 1) * stride + 1)
    spread[::stride] = np.asarray(x)
    return np.convolve(spread, np.asarray(w))


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


def spoil(x, w, stride):
    x *= 2
    return by_torch(x, w, stride)


def stub(*args):
    raise NotImplementedError


GOOD = {"precision": "high", "recall": "low", "smallest_class": "high", "fd": "high"}

RIGHT = {
    "05.1": [
        GOOD | {"fd": " HIGH."},
        GOOD | {"why": "ten images"},
    ],
    "05.2": [5, 5.0, "5", 5.001, torch.tensor(5.0), np.array([5.0])],
    "05.3": [
        bce_loss,
        lambda real, fake: F.softplus(-real).mean() + 0.1 * real.mean() + F.softplus(fake).mean(),
        lambda r, f: -(0.9 * F.logsigmoid(r) + 0.1 * F.logsigmoid(-r)).mean() - F.logsigmoid(-f).mean(),
    ],
    "05.4": [by_torch, by_gradient, by_numpy],
    "05.5": [mmd, loops, lambda a, b: mmd(a.double(), b.double())],
}

STUBS = {number: [(None,), (...,), (stub,), (lambda *a: None,)] for number in ("05.3", "05.4", "05.5")} | {
    "05.1": [(None,), (dict.fromkeys(GOOD),), (GOOD | {"fd": ...},), (GOOD | {"recall": ""},)],
    "05.2": [(None,), (...,)],
}

WRONG = {
    "05.1": [
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
    "05.2": [
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
    "05.3": [
        (lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(), "not smoothed"),
        (smooth_both, "smoothed as well"),
        (lambda r, f: F.softplus(-r).mean() + BCE(f, torch.full_like(f, 0.1)), "other way round"),
        (lambda r, f: 0.9 * F.softplus(-r).mean() + F.softplus(f).mean(), r"log\(1 - D\) of real images is missing"),
        (lambda r, f: BCE(r, torch.full_like(r, 0.1)) + F.softplus(f).mean(), "swapped"),
        (lambda r, f: bce_loss(-r, -f), "wrong sign: positive means real"),
        (lambda r, f: bce_loss(r, -f), "generator's loss"),
        (lambda r, f: BCE(r, torch.full_like(r, 0.9)), "generated images is missing"),
        (lambda r, f: F.softplus(f).mean(), "real images is missing"),
        (lambda r, f: -bce_loss(r, f), "maximises"),
        (lambda r, f: bce_loss(r, f) / 2, "averaged"),
        (lambda r, f: bce_loss(r, f) / math.log(2), "in bits"),
        (
            lambda r, f: (
                -(0.9 * r.sigmoid().log() + 0.1 * (1 - r.sigmoid()).log()).mean() - (1 - f.sigmoid()).log().mean()
            ),
            "200",
        ),
        (lambda r, f: bce_loss(r.sigmoid(), f.sigmoid()), "8 logits|both 0|200"),
        (lambda r, f: bce_loss(r, f)[None], "keepdim"),
        (lambda r, f: bce_loss(r, f) + torch.rand(()), "called again"),
    ],
    "05.4": [
        (lambda x, w, s: by_torch(x, w.flip(0), s), "turned round"),
        (lambda x, w, s: by_torch(x.flip(0), w, s), "from the end"),
        (lambda x, w, s: by_torch(x, w, 1), "stride is ignored"),
        (lambda x, w, s: by_torch(x, w, 2), "always 2"),
        (lambda x, w, s: by_torch(x, w, s)[1:-1], "padding of 1"),
        (lambda x, w, s: by_torch(x, w, s)[: len(x) * s], "last stamp is cut off"),
        (lambda x, w, s: by_torch(x, w, s)[:-1], "one too short"),
        (lambda x, w, s: by_torch(x, w / w.sum(), s), "normalised"),
        (lambda x, w, s: by_torch(x, w / len(w), s), "not averaged"),
        (lambda x, w, s: by_torch(x, torch.ones_like(w), s), "row of ones"),
        (lambda x, w, s: by_torch(torch.ones_like(x), w, s), "not scaled by the input"),
        (lambda x, w, s: by_torch(w, x, s), "swapped"),
        (lambda x, w, s: F.conv1d(x[None, None], w[None, None], stride=s)[0, 0], "raises|returns shape"),
        (lambda x, w, s: by_torch(x, w, s)[None], "keepdim"),
        (spoil, "changes its argument `x`"),
        (lambda x, w, s: 2 * by_torch(x, w, s), "2 times"),
    ],
    "05.5": [
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
