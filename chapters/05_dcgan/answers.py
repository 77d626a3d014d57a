"""Right and wrong answers to the exercises of 05_dcgan; test_check.py runs them."""

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


def spoil(x, w, stride):
    x *= 2
    return by_torch(x, w, stride)


def stride_1(x, w, stride):
    y = torch.zeros((len(x) - 1) * stride + len(w))
    for i, value in enumerate(x):
        y[i : i + len(w)] += value * w
    return y


def first_wins(x, w, stride):
    y = torch.full(((len(x) - 1) * stride + len(w),), math.nan)
    for i, value in enumerate(x):
        part = y[i * stride : i * stride + len(w)]
        part[:] = torch.where(part.isnan(), value * w, part)
    return y.nan_to_num()


SENT = {"d_loss_to_d": "yes", "d_loss_to_g": "yes", "g_loss_to_d": "yes", "g_loss_to_g": "no"}
FLOP = 2 * 64 * 32 * 36 * 49


def kinked(x):  # its slope at 0 is 0, or 1, where 1/2 is due
    return F.relu(x) + torch.log1p((-x.abs()).exp())


def branched(x):
    return torch.where(x > 50, x, (1 + x.exp()).log())


RIGHT = {
    "05.1": [
        SENT | {"g_loss_to_g": " No."},
        SENT | {"why": "detach"},
        SENT | {"d_loss_to_d": "YES", "g_loss_to_g": "'no'\n"},
        SENT | {"g_loss_to_d": "“yes”", "d_loss_to_g": "\tYes!"},
    ],
    "05.2": [
        FLOP, float(FLOP), "7225344", "7,225,344", "7,225,344 FLOP", 7.23e6, torch.tensor(float(FLOP)),
        np.array([FLOP]), np.int64(FLOP), 2 * 64 * 32 * 36 * 7 * 7,
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
}  # fmt: skip

WRONG = {
    "05.1": [
        (SENT | {"d_loss_to_g": "no", "g_loss_to_g": "yes", "d_loss_to_d": "no"}, "are swapped.*And.*its own weights"),
        (SENT | {"d_loss_to_d": "no", "g_loss_to_d": "no"}, "its own weights.*And.*whose weights get a gradient"),
        (SENT | {"g_loss_to_d": "no", "g_loss_to_g": "yes"}, "whose weights get.*And.*way to the generator is cut"),
        (SENT | {"d_loss_to_g": "no", "g_loss_to_d": "no"}, "goes on through `fake`.*And.*goes through the disc"),
        (SENT | {"g_loss_to_g": "perhaps"}, '"g_loss_to_g" must be "yes" or "no".*perhaps'),
        (SENT | {"g_loss_to_g": 0}, '"g_loss_to_g" must be.*what came is `0`'),
        (SENT | {"g_loss_to_g": False}, '"g_loss_to_g" must be.*False'),
        ({"d_loss_to_d": "yes"}, "must be a dict with the keys"),
        ("yes", "must be a dict"),
    ],
    "05.2": [
        (4 * FLOP, "input pixel"), (2 * 64 * 32 * 6 * 196, "input pixel"), (FLOP * 4 / 9, "not 4 as in the page"),
        ("3.6e6", "half or twice of what is due"), (2 * FLOP, "half or twice of what is due"),
        (FLOP / 6, "its side is squared"),
        (FLOP / 36, "its side is squared"), (FLOP / 49, "for one pixel"), (FLOP / 7, "a row of them"),
        (64 * FLOP, "no batch"), ("21.7e6", "backward pass"), (FLOP // 64, "each of 64 channels"),
        (64 * 32 * 36, "kernel's weights"), (7.225344, "no MFLOP"), ("7.2 million", "no MFLOP"),
        (0, "larger than 0"), (49, "larger than 49"), (4096, "larger than 4,096"), (7225, "larger than 7,225"),
        (9e6, "is smaller than"), (2e4, "is larger than 20,000"), (-FLOP, "never negative"), ("many", "one number"),
        (float("inf"), "finite number"), ([FLOP, 1], "one number"), ("7.2e6", "to three digits"),
        (2 * 64 * 32 * 4 * 49, "the kernel's side, 6"), (2 * 64 * 32 * 36 * 11**2, "7 × 7 pixels that are read"),
        (7.25e6, "smaller than"),
    ],
    "05.3": [
        (
            lambda r, f: BCE(r, torch.full_like(r, 0.9)) + BCE(f, torch.full_like(f, 0.1)),
            "generated images are smoothed",
        ),
        (lambda r, f: 0.9 * (F.softplus(-r).mean() + F.softplus(f).mean()), "target, no factor"),
        (lambda r, f: -(0.9 * r.sigmoid()).log().mean() - (1 - f.sigmoid()).log().mean(), "target, no factor"),
        (lambda r, f: bce_loss(r.sigmoid(), f.sigmoid()), "not probabilities.*taken once"),
        (lambda r, f: -(0.9 * r.log() + 0.1 * (1 - r).log()).mean() - (1 - f).log().mean(), "not probabilities"),
        (lambda r, f: BCE(r, torch.ones_like(r)) + BCE(f, torch.full_like(f, 0.9)), "generated images are smoothed"),
        (lambda r, f: (BCE(r, torch.full_like(r, 0.9)), BCE(f, 0 * f)), "add the two to one number"),
        (lambda r, f: bce_loss(r, f) * math.nan, "it returns"),
        (
            lambda r, f: (BCE(r, torch.full_like(r, 0.9)) + BCE(f, torch.zeros_like(f))) / 2,
            "every value is half of what is due",
        ),
        (lambda r, f: BCE(r, torch.full_like(r, 0.9)), "the part of the real or of the generated images"),
        (lambda r, f: F.softplus(-0.9 * r).mean() + F.softplus(f).mean(), "target, no factor"),
        (lambda r, f: BCE(r, torch.full_like(r, 0.8)) + BCE(f, torch.zeros_like(f)), "do not have the target 0.9"),
        (lambda r, f: BCE(r, torch.full_like(r, 0.95)) + BCE(f, torch.zeros_like(f)), "do not have the target 0.9"),
        (lambda r, f: bce_loss(r, f).detach(), "no gradient leads"),
        (
            lambda r, f: (0.9 * kinked(-r) + 0.1 * kinked(r)).mean() + kinked(f).mean(),
            "not the gradient that reaches.* a kink",
        ),
        (lambda r, f: bce_loss(r[: len(f)], f[: len(r)]), "over all its images"),
        (lambda r, f: 0.9 * F.softplus(-r).mean() + 1.1 * F.softplus(f).mean(), "log.1 - D. of real images"),
        (lambda r, f: BCE(r, 0 * r + 0.95) + BCE(f, 0 * f + 0.05), "generated images are smoothed"),
        (
            lambda r, f: (0.9 * branched(-r) + 0.1 * branched(r)).mean() + branched(f).mean(),
            "not the gradient that reaches.*branch",
        ),
        (lambda r, f: bce_loss(r, f).item(), "item"),
        (
            lambda r, f: (
                F.binary_cross_entropy(r.sigmoid(), torch.full_like(r, 0.9))
                + F.binary_cross_entropy(f.sigmoid(), torch.zeros_like(f))
            ),
            "right for small logits only.*sigmoid rounds",
        ),
        (
            lambda r, f: (
                -(0.9 * (r.sigmoid() + 1e-8).log() + 0.1 * (1 - r.sigmoid() + 1e-8).log()).mean()
                - (1 - f.sigmoid() + 1e-8).log().mean()
            ),
            "right for small logits only.*sigmoid rounds",
        ),
        (lambda r, f: (F.softplus(-r) * 0.9 + F.softplus(r) * 0.1 + F.softplus(f)).mean(), "itself.*must match"),
        (lambda r, f: bce_loss(-r, -f), "are swapped: positive logits mean real"),
        (lambda r, f: F.mse_loss(r.sigmoid(), torch.full_like(r, 0.9)) + f.sigmoid().square().mean(), "it returns"),
        (lambda r, f: bce_loss(r, f.detach()), "no gradient reaches"),
        (lambda r, f: bce_loss(r, f) / math.log(2), "bits"),
    ],
    "05.4": [
        (lambda x, w, s: by_torch(x, w.flip(0), s), "the kernel or the input is turned round"),
        (lambda x, w, s: by_torch(x, w, s)[len(w) - 1 :], "it returns"),
        (lambda x, w, s: F.conv1d(x[None, None], w[None, None], stride=s)[0, 0], "this is the ordinary conv"),
        (lambda x, w, s: torch.cat([a * w for a in x]), "`stride` places apart"),
        (lambda x, w, s: F.pad(by_torch(x[:-1], w, s), (0, s)) if len(x) > 1 else 0 * w, "not all values"),
        (lambda x, w, s: by_torch(x, w * (torch.arange(len(w)) < s), s), "all of w"),
        (lambda x, w, s: by_torch(x.repeat_interleave(s), w, 1), "stride is ignored or misused"),
        (lambda x, w, s: F.pad(by_torch(x, w, s), (0, s)), "length is wrong"),
        (lambda x, w, s: np.convolve(np.kron(x, [1] + [0] * (s - 1)), w), "length is wrong"),
        (stride_1, "stride is ignored"),
        (lambda x, w, s: by_torch(x, w, s) / by_torch(x**0, w**0, s).clamp(min=1), "not averaged"),
        (first_wins, "overwrite each other"),
        (lambda x, w, s: F.pad(by_torch(w, x, s), (0, (s - 1) * (len(x) - len(w)))), "`stride` parts the stamps"),
        (lambda x, w, s: by_torch(x, w, s) + 1, r"every value is off by \+1"),
        (lambda x, w, s: x.repeat_interleave(s), "`w` changes nothing"),
        (
            lambda x, w, s: F.conv_transpose1d(x[None, None], w[None, None], stride=s, padding=1)[0, 0],
            "the length is wrong",
        ),
        (
            lambda x, w, s: F.conv_transpose1d(x[None, None], w[None, None], stride=s, output_padding=s - 1)[0, 0],
            "length is wrong",
        ),
        (lambda x, w, s: by_torch(x, w, s)[None], "keepdim"),
        (spoil, "in place"),
        (lambda x, w, s: by_torch(x, w.square(), s), "it returns"),
    ],
}  # fmt: skip
