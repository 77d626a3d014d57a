"""Right answers, stubs and wrong answers of 05_dcgan, for test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F

BCE = F.binary_cross_entropy_with_logits


def bce_loss(real, fake):
    return BCE(real, torch.full_like(real, 0.9)) + BCE(fake, torch.zeros_like(fake))


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


GOOD = {"precision": "high", "recall": "low", "smallest_class": "high", "fd": "high"}


RIGHT = {
    "05.1": [
        GOOD | {"fd": " HIGH."},
        GOOD | {"why": "ten images"},
        GOOD | {"fd": "'High'\n"},
        GOOD | {"recall": "LOW\t", "precision": "“high”"},
    ],
    "05.2": [
        5,
        5.0,
        "5",
        5.001,
        torch.tensor(5.0),
        np.array([5.0]),
        "5.0",
        "= 5",
        np.float64(5),
        "5 ",
    ],
    "05.3": [
        bce_loss,
        lambda real, fake: F.softplus(-real).mean() + 0.1 * real.mean() + F.softplus(fake).mean(),
        lambda r, f: -(0.9 * F.logsigmoid(r) + 0.1 * F.logsigmoid(-r)).mean() - F.logsigmoid(-f).mean(),
        lambda real, fake: (
            BCE(torch.cat([real, fake]), torch.cat([0.9 + 0 * real, 0 * fake]), reduction="none")
            .split([len(real), len(fake)])[0]
            .mean()
            - F.logsigmoid(-fake).mean()
        ),
        lambda r, f: torch.logaddexp(0 * r, -r).mean() + r.mean() / 10 + torch.logaddexp(0 * f, f).mean(),
        lambda r, f: sum(F.softplus(-x) + 0.1 * x for x in r) / len(r) + sum(F.softplus(x) for x in f) / len(f),
    ],
    "05.4": [
        by_torch,
        by_gradient,
        by_numpy,
        lambda x, w, s: sum(F.pad(a * w, (i * s, (len(x) - 1 - i) * s)) for i, a in enumerate(x)),
        lambda x, w, s: [
            sum(float(x[i] * w[j]) for i in range(len(x)) for j in range(len(w)) if i * s + j == n)
            for n in range((len(x) - 1) * s + len(w))
        ],
        lambda x, w, s: torch.zeros((len(x) - 1) * s + len(w)).index_add(
            0, (torch.arange(len(x))[:, None] * s + torch.arange(len(w))).flatten(), torch.outer(x, w).flatten()
        ),
    ],
    "05.5": [
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
}

WRONG = {
    "05.1": [
        (GOOD | {"recall": "high", "fd": "low"}, "cover hardly any.*And.*spreads"),
        (GOOD | {"precision": "low", "fd": "low"}, "these ten are real.*And.*spreads"),
        (GOOD | {"fd": "rises"}, '"fd" must be "high" or "low".*rises'),
        (GOOD | {"fd": 3}, '"fd" must be'),
        (GOOD | {"smallest_class": "low", "recall": "high"}, "cover hardly any.*And.*a tenth"),
        ({"precision": "high"}, "must be a dict with the keys"),
        ("high", "must be a dict"),
    ],
    "05.2": [
        (2.24, "root of it"),
        (4.1, "used them as variances"),
        (17, "is missing or wrong"),
        (9, "neither subtracted"),
        (1, "part of the means"),
        (4, "standard deviations is missing"),
        (-55, "is missing or wrong"),
        (-2, "never negative"),
        (6.2, "smaller than 6.2"),
        ("five", "one number"),
        (math.nan, "finite number"),
        (10, "smaller than 10"),
    ],
    "05.3": [
        (
            lambda r, f: BCE(r, torch.full_like(r, 0.9)) + BCE(f, torch.full_like(f, 0.1)),
            "generated images are smoothed",
        ),
        (lambda r, f: 0.9 * (F.softplus(-r).mean() + F.softplus(f).mean()), "it returns"),
        (
            lambda r, f: (BCE(r, torch.full_like(r, 0.9)) + BCE(f, torch.zeros_like(f))) / 2,
            "every value is half of what is due",
        ),
        (lambda r, f: BCE(r, torch.full_like(r, 0.9)), "the part of the real or of the generated images"),
        (lambda r, f: F.softplus(-0.9 * r).mean() + F.softplus(f).mean(), "it returns"),
        (lambda r, f: BCE(r, torch.full_like(r, 0.8)) + BCE(f, torch.zeros_like(f)), "it returns"),
        (lambda r, f: bce_loss(r, f).detach(), "no gradient leads"),
        (lambda r, f: bce_loss(r, f).item(), "item"),
        (
            lambda r, f: (
                F.binary_cross_entropy(r.sigmoid(), torch.full_like(r, 0.9))
                + F.binary_cross_entropy(f.sigmoid(), torch.zeros_like(f))
            ),
            "right for small logits only",
        ),
        (
            lambda r, f: (
                -(0.9 * (r.sigmoid() + 1e-8).log() + 0.1 * (1 - r.sigmoid() + 1e-8).log()).mean()
                - (1 - f.sigmoid() + 1e-8).log().mean()
            ),
            "right for small logits only",
        ),
        (lambda r, f: (F.softplus(-r) * 0.9 + F.softplus(r) * 0.1 + F.softplus(f)).mean(), "needs equal sizes"),
        (lambda r, f: bce_loss(-r, -f), "this teaches that generated images are real, or"),
        (lambda r, f: F.mse_loss(r.sigmoid(), torch.full_like(r, 0.9)) + f.sigmoid().square().mean(), "it returns"),
        (lambda r, f: bce_loss(r, f.detach()), "no gradient reaches"),
        (lambda r, f: bce_loss(r, f) / math.log(2), "bits"),
    ],
    "05.4": [
        (lambda x, w, s: by_torch(x, w.flip(0), s), "the kernel is turned round"),
        (lambda x, w, s: by_torch(x, w, s)[len(w) - 1 :], "it returns"),
        (lambda x, w, s: F.conv1d(x[None, None], w[None, None], stride=s)[0, 0], "ordinary convolution"),
        (lambda x, w, s: torch.cat([a * w for a in x]), "it returns"),
        (lambda x, w, s: by_torch(x, w, s) + 1, r"every value is off by \+1"),
        (lambda x, w, s: x.repeat_interleave(s), "`w` changes nothing"),
        (
            lambda x, w, s: F.conv_transpose1d(x[None, None], w[None, None], stride=s, padding=1)[0, 0],
            "the length is wrong",
        ),
        (
            lambda x, w, s: F.conv_transpose1d(x[None, None], w[None, None], stride=s, output_padding=s - 1)[0, 0],
            "it returns",
        ),
        (lambda x, w, s: by_torch(x, w, s)[None], "keepdim"),
        (spoil, "in place"),
        (lambda x, w, s: by_torch(x, w.square(), s), "it returns"),
    ],
    "05.5": [
        (biased, "biased"),
        (halfway, "the diagonal is taken out of the sum, but the"),
        (lambda a, b: mmd(a, b, 4), "it returns"),
        (lambda a, b: mmd(a, b).clamp(min=0), "negative values are cut off at 0"),
        (lambda a, b: mmd(a, b).abs().sqrt(), "it returns"),
        (lambda a, b: -mmd(a, b), "minus"),
        (lambda a, b: k(a, b), "it returns"),
        (lambda a, b: k(a, b).mean(), "it returns"),
        (lambda a, b: off(a) + off(b) - 2 * k(a, b)[:3, :3].fill_diagonal_(0).sum() / 6, "it returns"),
        (lambda a, b: (a.mean(0) - b.mean(0)).norm(), "this is the squared distance of the means"),
        (lambda a, b: mmd(a - a.mean(0), b - b.mean(0)), "it returns"),
        (lambda a, b: mmd(a, b) / 2, "half"),
        (lambda a, b: 100 * mmd(a, b), "this is in per cent"),
    ],
}
