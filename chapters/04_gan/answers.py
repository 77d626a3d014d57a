"""Right and wrong answers of chapter 04, for tests/test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F


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


def r1_by_vmap(discriminator, x):
    one = torch.func.grad(lambda image: discriminator(image[None])[0])
    return torch.func.vmap(one)(x).flatten(1).square().sum(1).mean()


def r1_half_cut(discriminator, x):
    slope = slopes(discriminator, x)
    return (slope.detach() * slope).sum(1).mean()


def r1_cut(discriminator, x):
    with torch.no_grad():
        discriminator(x)
    return slopes(discriminator, x, graph=False).square().sum(1).mean()


RIGHT = {
    "04.1": [
        {"saturating": "Vanishes", "non_saturating": " stays "},
        {"non_saturating": "STAYS.", "saturating": "vanishes.", "why": "slopes"},
        {"saturating": "\nvanishes", "non_saturating": "'stays'"},
        {"saturating": "VANISHES!", "non_saturating": "stays\t"},
    ],
    "04.2": [
        math.log(1 / 9) / 8 + math.log(8 / 9),
        -0.3924,
        -0.392,
        -0.39243,
        "-0.392",
        np.float32(-0.3924),
        torch.tensor([-0.39243]),
        "−0.3924",
        "-0.3924 nats",
        "-0.39243",
    ],
    "04.3": [
        lambda logits: F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)),
        lambda logits: -F.logsigmoid(logits).mean(),
        lambda logits: torch.logaddexp(torch.zeros_like(logits), -logits).sum() / len(logits),
        lambda logits: F.softplus(-logits.double()).mean(),
        lambda logits: torch.stack([-F.logsigmoid(one) for one in logits]).mean(),
        lambda logits: F.cross_entropy(torch.stack([logits, 0 * logits], 1), torch.zeros(len(logits)).long()),
        lambda logits: torch.where(logits > -30, F.softplus(-logits), -logits).mean(),
        lambda logits: -torch.distributions.Bernoulli(logits=logits).log_prob(torch.ones_like(logits)).mean(),
    ],
    "04.4": [
        modes_of,
        modes_numpy,
        modes_loop,
        lambda x, centres, std: (torch.cdist(x, centres).le(3 * std).sum(0) >= 0.01 * len(x)).sum().item(),
        lambda x, c, s: sum(
            100 * int((torch.hypot(x[:, 0] - a, x[:, 1] - b) <= 3 * s).sum()) >= len(x) for a, b in c.tolist()
        ),
        lambda x, c, s: torch.count_nonzero(
            ((x[None] - c[:, None]).square().sum(-1) <= 9 * s * s).double().mean(1) >= 0.01
        ),
        lambda x, c, s: np.count_nonzero(
            np.mean(np.linalg.norm(np.asarray(x)[:, None] - np.asarray(c), axis=2) <= 3 * s, axis=0) >= 0.01
        ),
    ],
    "04.5": [
        lambda discriminator, x: slopes(discriminator, x).square().sum(1).mean(),
        lambda discriminator, x: (slopes(discriminator, x) ** 2).sum() / len(x),
        r1_by_images,
        r1_in_place,
        r1_by_vmap,
        lambda d, x: torch.func.jacrev(lambda y: d(y).sum())(x).square().sum() / len(x),
        lambda d, x: (
            torch.autograd.grad(d(y := x.detach().requires_grad_()), y, torch.ones(len(x)), create_graph=True)[0]
            .pow(2)
            .sum()
            / len(x)
        ),
        lambda d, x: torch.stack([g.norm() ** 2 for g in slopes(d, x)]).mean(),
        lambda d, x: len(x) * slopes(d, x, reduce=torch.mean).square().sum(),
    ],
}

WRONG = {
    "04.1": [
        ({"saturating": "vanishes", "non_saturating": "vanishes"}, "does not make it small"),
        ({"saturating": "stays", "non_saturating": "stays"}, "D itself goes to 0"),
        ({"saturating": "explodes", "non_saturating": "vanishes"}, "flat line.*does not make it small"),
        ({"saturating": "grows", "non_saturating": "stays"}, 'must be "vanishes", "stays" or "explodes"'),
        ({"saturating": 0, "non_saturating": 1}, 'must be "vanishes", "stays" or "explodes"'),
        (["vanishes", "stays"], "must be a dict"),
        ({"saturating": "vanishes"}, "must be a dict"),
    ],
    "04.2": [
        (-0.2747, "parts is missing"),
        (0.3924, "the sign is not"),
        (-1.3863, "p_g equals p"),
        (-0.566, "base 2 or 10"),
        (0.9939, "JSD"),
        (1 / 9, "D\\* on the mode"),
        (5, "never above 0"),
        (-3, "larger than"),
        (-0.393, "neither 1/8 nor 1/2"),  # of D* = 1/8, to three decimals
        (-0.39, "rounded too far"),
        (-0.8894, "a 2 is missing"),
        (2.079, r"KL\(p_g \|\| p\)"),
        ("a number", "must be one number"),
        (-2.3150, "weights are wrong"),
    ],
    "04.3": [
        (lambda t: F.softplus(-t).sum(), "the values are added up"),
        (lambda t: F.softplus(-t), "a mean over the first axis is missing"),
        (lambda t: F.binary_cross_entropy(t.sigmoid(), torch.ones_like(t)), "right for small logits only"),
        (lambda t: F.softplus(-t).mean().detach(), "no gradient leads"),
        (lambda t: F.softplus(-t).mean().item(), "item"),
        (lambda t: F.softplus(-t).mean() / math.log(2), "bits"),
        (lambda t: F.softplus(-t).mean() / 2, "half"),
        (lambda t: F.binary_cross_entropy_with_logits(t, torch.zeros_like(t)), r"this is -E log\(1 - D\)"),
        (lambda t: F.mse_loss(t.sigmoid(), torch.ones_like(t)), "another GAN's loss"),
        (lambda t: F.relu(1 - t).mean(), "another GAN's loss"),
        (lambda t: (1 + (-t).exp()).log().mean(), "right for small logits only"),
        (lambda t: F.softplus(-t.clamp(-50, 50)).mean(), "right for small logits only"),
        (lambda t: -torch.log(t.sigmoid() * 0.9 + 0.05).mean(), "it returns"),
        (lambda t: F.softplus(-t.detach()).mean() + 0 * t.sum(), "no gradient reaches"),
        (lambda t: (F.relu(-t) + torch.log1p((-t.abs()).exp())).mean(), "not the gradient.* a kink"),
        (lambda t: (t.neg().clamp(min=0) + torch.log1p((-t.abs()).exp())).mean(), "not the gradient.* a kink"),
        (lambda t: F.softplus(-t.mean()), "the logits are averaged, not the losses"),
        (
            lambda t: torch.where(t > -50, (-t).exp().log1p(), -t).mean(),
            "not the gradient that reaches `logits`. It is wrong for large logits",
        ),
    ],
    "04.4": [
        (lambda x, c, s: modes_of(x, c, s, share=0.05), "nor another share"),
        (lambda x, c, s: (torch.cdist(x, c) <= 3 * s).sum(0) >= 100, "real numbers"),
        (lambda x, c, s: modes_of(x, c, s, radius=4), "it returns"),
        (lambda x, c, s: modes_of(x, c[:8], s), r"it returns \[3\] where \[7\] is due"),
        (lambda x, c, s: modes_of(x, c[-8:], s), r"it returns \[4\] where \[7\] is due"),
        (
            lambda x, c, s: ((x[:, None] - c).abs() <= 3 * s).all(-1).float().mean(0).ge(0.01).sum(),
            "no square",
        ),
        (lambda x, c, s: ((x[:, None] - c).abs().sum(-1) <= 3 * s).float().mean(0).ge(0.01).sum(), "no square"),
        (lambda x, c, s: ((x[:, None] - c).norm(dim=2) < 3 * s).float().mean(0).ge(0.01).sum(), "its edge too"),
        (lambda x, c, s: ((x[:, None] - c).square().sum(2) <= 3 * s**2).float().mean(0).ge(0.01).sum(), "square all"),
        (lambda x, c, s: ((torch.cdist(x, c) <= 3 * s).sum(0) >= round(0.01 * len(x))).sum(), "the threshold"),
        (lambda x, c, s: modes_of(x, c, s, share=1), "nor another share"),
        (lambda x, c, s: (torch.cdist(x, c) <= 3 * s).sum(0), "one number for each mode"),
        (
            lambda x, c, s: (torch.cdist(x, c) <= 3 * s).float().mean(0).ge(0.01).float().mean(),
            "this is the share of the modes, or the number",
        ),
        (
            lambda x, c, s: (torch.cdist(x, c) <= 3 * s).float().mean(0) >= 0.01,
            "your function must return real numbers",
        ),
        (lambda x, c, s: ((torch.cdist(x, c) <= 3 * s).sum(0) >= 0.01).sum(), "the threshold is 1 % of all samples"),
        (lambda x, c, s: (torch.cdist(x, c).min(0).values <= 3 * s).sum(), "the threshold is 1 % of all samples"),
        (lambda x, c, s: ((torch.cdist(x, c) <= 3 * s).float().mean(0) >= 1 / len(c)).sum(), "it returns"),
        (
            lambda x, c, s: ((torch.cdist(x, c) <= 3 * s).sum(0) >= 1 + len(x) // 100).sum(),
            "the threshold is 1 % of all samples",
        ),
        (lambda x, c, s: len(c), "`x` changes nothing"),
        (lambda x, c, s: (torch.cdist(x, c) <= 3 * s).float().mean(0).sum(), "this counts samples near some mode"),
    ],
    "04.5": [
        (
            lambda d, x: slopes(d, x, reduce=torch.mean).square().sum(1).mean(),
            "the outputs were averaged before the gradient",
        ),
        (lambda d, x: slopes(d, x).square().sum(1).mean() / 2, "half"),
        (lambda d, x: 10 * slopes(d, x).square().sum(1).mean(), "every value is 10 times what is due"),
        (lambda d, x: slopes(d, x).square().sum(1).max(), "it returns"),
        (lambda d, x: slopes(lambda y: d(y).sigmoid(), x).square().sum(1).mean(), "through a sigmoid"),
        (lambda d, x: slopes(d, x).view(x.shape).square().sum(1).mean(), "all axes but the first"),
        (lambda d, x: slopes(d, x).view(x.shape).square().sum((1, 2, 3)).mean(), "raises `IndexError"),
        (lambda d, x: slopes(d, x).square().sum(1).mean().detach(), "no gradient leads"),
        (lambda d, x: slopes(d, x, graph=False).square().sum(1).mean(), "no gradient leads"),
        (r1_cut, "cut"),
        (r1_half_cut, "not the gradient that reaches.*detach no part"),
        (lambda d, x: slopes(d, x).square().sum(1), "a mean over the first axis is missing"),
        (
            lambda d, x: (slopes(d, x).norm(dim=1) - 1).clamp(min=0).square().mean(),
            "this is the gradient penalty of chapter 06,",
        ),
        (lambda d, x: slopes(d, x + 0.1).square().sum(1).mean(), "it returns"),
        (lambda d, x: ((d(x + 1e-1) - d(x)) / 1e-1).square().mean(), "it returns"),
        (lambda d, x: slopes(d, x).norm() ** 2, "the images are added up"),
    ],
}
