"""Right and wrong answers of chapter 04, for tests/test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def stub_raises(*args):
    raise NotImplementedError


def modes_of(x, centres, std, radius=3.0, share=0.01, power=1):
    near = torch.cdist(x, centres) ** power <= radius * std
    return (near.float().mean(0) >= share).sum()


def modes_numpy(x, centres, std):
    x, centres = np.asarray(x), np.asarray(centres)
    squared = ((x[:, None] - centres[None]) ** 2).sum(-1)
    return int(((squared <= 9 * std**2).mean(0) >= 0.01).sum())


def modes_loop(x, centres, std):
    return sum(bool(((x - c).norm(dim=1) <= 3 * std).double().mean() >= 0.01) for c in centres)


def slopes(discriminator, x, reduce=torch.sum, graph=True):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(reduce(discriminator(x)), x, create_graph=graph)[0].flatten(1)


def r1_by_images(discriminator, x):
    total = 0.0
    for one in x.split(1):
        one = one.clone().requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(one).sum(), one, create_graph=True)
        total = total + (slope**2).sum()
    return total / len(x)


def r1_in_place(discriminator, x):
    x.requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean()


def r1_cut(discriminator, x):
    with torch.no_grad():
        discriminator(x)
    return slopes(discriminator, x, graph=False).square().sum(1).mean()


RIGHT = {
    "04.1": [
        {"saturating": "Vanishes", "non_saturating": " stays "},
        {"non_saturating": "STAYS.", "saturating": "vanishes.", "why": "slopes"},
    ],
    "04.2": [
        math.log(1 / 9) / 8 + math.log(8 / 9), -0.3924, -0.392, -0.39243, "-0.392", np.float32(-0.3924),
        torch.tensor([-0.39243]),
    ],
    "04.3": [
        lambda logits: F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)),
        lambda logits: -F.logsigmoid(logits).mean(),
        lambda logits: torch.logaddexp(torch.zeros_like(logits), -logits).sum() / len(logits),
        lambda logits: F.softplus(-logits.double()).mean(),
    ],
    "04.4": [
        modes_of, modes_numpy, modes_loop,
        lambda x, centres, std: (torch.cdist(x, centres).le(3 * std).sum(0) >= 0.01 * len(x)).sum().item(),
    ],
    "04.5": [
        lambda discriminator, x: slopes(discriminator, x).square().sum(1).mean(),
        lambda discriminator, x: (slopes(discriminator, x) ** 2).sum() / len(x),
        r1_by_images, r1_in_place,
    ],
}  # fmt: skip

FUNCTIONS = ("04.3", "04.4", "04.5")
STUBS = {number: [(None,), (...,), (stub_raises,), (lambda *a: None,), (lambda *a: ...,)] for number in FUNCTIONS} | {
    "04.1": [(None,), ({"saturating": None, "non_saturating": None},), ({"saturating": "", "non_saturating": "stays"},),
             ({"saturating": "vanishes", "non_saturating": ...},)],
    "04.2": [(None,), (...,)],
}  # fmt: skip

WRONG = {
    "04.1": [
        ({"saturating": "stays", "non_saturating": "vanishes"}, "wrong way round"),
        ({"saturating": "vanishes", "non_saturating": "vanishes"}, "does not make it small"),
        ({"saturating": "vanishes", "non_saturating": "explodes"}, "straight line"),
        ({"saturating": "stays", "non_saturating": "stays"}, "D itself goes to 0"),
        ({"saturating": "explodes", "non_saturating": "stays"}, "flat line"),
        ({"saturating": "explodes", "non_saturating": "vanishes"}, "flat line.*does not make it small"),
        ({"saturating": "grows", "non_saturating": "stays"}, 'must be "vanishes", "stays" or "explodes"'),
        ({"saturating": 0, "non_saturating": 1}, 'must be "vanishes", "stays" or "explodes"'),
        (["vanishes", "stays"], "must be a dict"),
        ({"saturating": "vanishes"}, "must be a dict"),
        ("vanishes", "must be a dict"),
    ],
    "04.2": [
        (math.log(1 / 9) / 8, "generated ones.*missing"),
        (math.log(8 / 9), "real ones.*missing"),
        (math.log(1 / 9) + math.log(8 / 9), "one time in eight"),
        (0.3924, "the sign is not"),
        (-2 * math.log(2), "p_g equals p"),
        (-0.5662, "in bits"),
        (math.log(1 / 8) / 8 + math.log(7 / 8), "not 1/8"),
        (math.log(8 / 9) / 8 + math.log(1 / 9), "swapped"),
        (0.9939, "twice the JSD"),
        (0.4969, "this is the JSD"),
        (1 / 9, "D\\* on the mode. Put it"),
        (-0.7798, "not the best"),
        (5, "cannot be positive"),
        (-3, "larger than"),
        ("a number", "must be one number"),
    ],
    "04.3": [
        (lambda t: F.logsigmoid(t).mean(), "sign is turned"),
        (lambda t: -F.softplus(t).mean(), "saturating loss"),
        (lambda t: F.softplus(t).mean(), "surer of a fake"),
        (lambda t: -t.sigmoid().mean(), "logarithm is missing"),
        (lambda t: (1 - t.sigmoid()).mean(), "logarithm is missing"),
        (lambda t: -t.mean(), "chapter 06"),
        (lambda t: F.softplus(-t).sum(), "mean over the batch"),
        (lambda t: F.softplus(-t), "one number an image"),
        (lambda t: -t.sigmoid().mean().log(), "mean of the logarithms"),
        (lambda t: -t.sigmoid().log().mean(), "infinite"),
        (lambda t: -(t.sigmoid() + 1e-8).log().mean(), "hides the overflow"),
        (lambda t: F.binary_cross_entropy(t.sigmoid(), torch.ones_like(t)), "stops at 100"),
        (lambda t: F.softplus(-t).mean().detach(), "no gradient reaches"),
        (lambda t: F.softplus(-t).mean() / math.log(2), "in bits"),
        (lambda t: F.softplus(-t).mean() / 2, "half of the loss"),
    ],
    "04.4": [
        (lambda x, c, s: modes_of(x, c, s, radius=1), "one standard deviation"),
        (lambda x, c, s: modes_of(x, c, s, radius=2), "two standard deviations"),
        (lambda x, c, s: modes_of(x, c, s**2), "variance"),
        (lambda x, c, s: modes_of(x, c, s, power=2), "squared distance"),
        (lambda x, c, s: modes_of(x, c, 1.0), "std is left out"),
        (lambda x, c, s: (torch.cdist(x, c).argmin(1)[:, None] == torch.arange(len(c))).float().mean(0).ge(0.01).sum(),
         "nearest mode, however far"),
        (lambda x, c, s: (torch.cdist(x, c) <= 3 * s).any(0).sum(), "one sample is not enough"),
        (lambda x, c, s: modes_of(x, c, s, share=0.1), "10 %"),
        (lambda x, c, s: (torch.cdist(x, c) <= 3 * s).float().mean(0).ge(0.01).float().mean(), "share of the modes"),
        (lambda x, c, s: len(c) - modes_of(x, c, s), "missing"),
        (lambda x, c, s: (torch.cdist(x, c) <= 3 * s).any(1).sum(), "counts the samples"),
        (lambda x, c, s: (torch.cdist(x, c) <= 3 * s).float().mean(0), "how many of them reach"),
        (lambda x, c, s: (torch.cdist(x, c) <= 3 * s).float().mean(0) >= 0.01, "real numbers"),
        (lambda x, c, s: ((torch.cdist(x, c) <= 3 * s).float().mean(1) >= 0.01).sum(), "not over the modes"),
    ],
    "04.5": [
        (lambda d, x: slopes(d, x).norm(dim=1).mean(), "not squared"),
        (lambda d, x: slopes(d, x).norm(dim=1).mean() ** 2, "mean norm is squared"),
        (lambda d, x: (slopes(d, x).norm(dim=1) - 1).square().mean(), "chapter 06"),
        (lambda d, x: slopes(d, x).square().mean(), "pixels are averaged"),
        (lambda d, x: slopes(d, x).square().sum(), "take their mean"),
        (lambda d, x: slopes(d, x).square().sum(1), "one number for the batch"),
        (lambda d, x: slopes(d, x).mean(0).square().sum(), "comes last"),
        (lambda d, x: slopes(d, x, reduce=torch.mean).square().sum(1).mean(), "divided by the batch size"),
        (lambda d, x: slopes(d, x).square().sum(1).mean() / 2, "gamma / 2"),
        (lambda d, x: -slopes(d, x).square().sum(1).mean(), "sign is turned"),
        (lambda d, x: slopes(d, x).abs().sum(1).mean(), "squares are asked for"),
        (lambda d, x: d(x).square().mean(), "outputs are squared"),
        (lambda d, x: slopes(d, x).square().sum(1).mean().detach(), "create_graph"),
        (lambda d, x: slopes(d, x, graph=False).square().sum(1).mean(), "create_graph"),
        (r1_cut, "create_graph"),
    ],
}  # fmt: skip
