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


def spoil(x, w, stride):
    x *= 2
    return by_torch(x, w, stride)


def stub(*args):
    raise NotImplementedError


GOOD = {"d_loss_to_d": "yes", "d_loss_to_g": "yes", "g_loss_to_d": "yes", "g_loss_to_g": "no"}
FLOP = 2 * 64 * 32 * 16 * 49

RIGHT = {
    "05.1": [GOOD | {"g_loss_to_g": " No."}, GOOD | {"why": "detach"}],
    "05.2": [FLOP, float(FLOP), "3211264", 3.21e6, torch.tensor(float(FLOP)), np.array([FLOP])],
    "05.3": [
        bce_loss,
        lambda real, fake: F.softplus(-real).mean() + 0.1 * real.mean() + F.softplus(fake).mean(),
        lambda r, f: -(0.9 * F.logsigmoid(r) + 0.1 * F.logsigmoid(-r)).mean() - F.logsigmoid(-f).mean(),
    ],
    "05.4": [by_torch, by_gradient, by_numpy],
}

STUBS = {number: [(None,), (...,), (stub,), (lambda *a: None,)] for number in ("05.3", "05.4")} | {
    "05.1": [(None,), (dict.fromkeys(GOOD),), (GOOD | {"g_loss_to_g": ...},), (GOOD | {"d_loss_to_g": ""},)],
    "05.2": [(None,), (...,)],
}

WRONG = {
    "05.1": [
        (GOOD | {"d_loss_to_d": "no"}, "reaches its own weights"),
        (GOOD | {"d_loss_to_g": "no"}, "goes on through `fake`"),
        (GOOD | {"g_loss_to_d": "no"}, "goes through the discriminator"),
        (GOOD | {"g_loss_to_g": "yes"}, "its way to the generator is cut"),
        (GOOD | {"d_loss_to_g": "no", "g_loss_to_g": "yes"}, "swapped"),
        (GOOD | {"d_loss_to_d": "no", "g_loss_to_d": "no"}, "own weights.*And.*requires_grad"),
        (GOOD | {"g_loss_to_g": "perhaps"}, '"g_loss_to_g" must be "yes" or "no".*perhaps'),
        (GOOD | {"g_loss_to_g": 0}, '"g_loss_to_g" must be'),
        ({"d_loss_to_d": "yes"}, "must be a dict with the keys"),
        ("yes", "must be a dict"),
    ],
    "05.2": [
        (4 * FLOP, "input pixel"),
        (2.25 * FLOP, "kernel of 3 after the enlargement"),
        (FLOP / 2, "factor 2 is missing"),
        (FLOP / 4, "side must be squared"),
        (FLOP * 9 / 16, "side of 4 here"),
        (FLOP / 49, "for one pixel"),
        (FLOP / 7, "not 7"),
        (64 * FLOP, "batch of 64"),
        (3 * FLOP, "backward pass"),
        (3.211264, "in millions"),
        (5e6, "is smaller than"),
        (1e3, "is larger than"),
        ("many", "one number"),
        (float("inf"), "finite number"),
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
}
