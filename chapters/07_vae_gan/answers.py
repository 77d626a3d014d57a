"""Right, untouched and wrong answers to the exercises of 07_vae_gan; tests/test_check.py runs them."""

import numpy as np
import torch


def centred(x):
    rows = torch.arange(x.shape[1], dtype=x.dtype).view(1, -1, 1)
    cols = torch.arange(x.shape[2], dtype=x.dtype).view(1, 1, -1)
    ink = x.sum((1, 2), keepdim=True)
    return rows - (x * rows).sum((1, 2), keepdim=True) / ink, cols - (x * cols).sum((1, 2), keepdim=True) / ink


def slant(x, least=0.0):
    r, c = centred(x)
    return -(x * r * c).sum((1, 2)) / (x * r * r).sum((1, 2)).clamp(min=least)


def in_ink(x, t):
    return (x * t).sum((1, 2), keepdim=True) / x.sum((1, 2), keepdim=True)


def slant_about(x, place, over=(1, 2)):  # place: the centre, of the rows' or the columns' numbers
    r, c = (t - place(x, t) for t in (torch.arange(x.shape[1])[:, None], torch.arange(x.shape[2])))
    return -(x * r * c).sum(over) / (x * r * r).sum(over)


def over_columns(x):
    r, c = centred(x)
    return -(x * r * c).sum((1, 2)) / (x * c * c).sum((1, 2))


def numpy_slant(x):
    out = []
    for p in np.asarray(x, dtype=np.float64):
        r, c = np.mgrid[: p.shape[0], : p.shape[1]]
        out.append(-np.polyfit(r.ravel(), c.ravel(), 1, w=np.sqrt(p.ravel()))[0])
    return np.array(out)


def in_place_slant(x):
    x /= x.sum((1, 2), keepdim=True)
    return slant(x)


def free(t, labels):
    return t - torch.stack([t[labels == c].mean(0) for c in labels])


def vector(z, a, labels):
    z, a = free(z, labels), free(a, labels)
    return a @ z / (a @ a)


def by_lstsq(z, a, labels):
    dummies = (labels[:, None] == labels.unique()).to(z.dtype)
    return torch.linalg.lstsq(torch.cat([a[:, None], dummies], 1), z).solution[0]


def in_place_vector(z, a, labels):
    z -= z.mean(0)
    return vector(z, a, labels)


def loss(f, g):
    return 0.5 * (g - f.detach()).square().sum(1)


def right_routing(**changes):
    return {"encoder": {"kl", "feature"}, "decoder": {"feature", "gan"}, "discriminator": {"gan"}} | changes


ALL = {"kl", "feature", "gan"}


RIGHT = {
    "07.1": [
        right_routing(),
        {"encoder": ["KL", "feature "], "decoder": ("gan", "Feature"), "discriminator": "GAN"},
        right_routing(why="each has a task"),
        {"encoder": {"'kl'", "feature\n"}, "decoder": ["FEATURE", "\tgan"], "discriminator": ["gan."]},
        right_routing(encoder=frozenset({"kl", "feature"})),
        {
            "encoder": np.array(["kl", "feature"]),
            "decoder": np.array(["gan", "feature"]),
            "discriminator": np.array("gan"),
        },
        right_routing(encoder="kl, feature", decoder="feature + gan", discriminator=np.array({"gan"})),
        right_routing(decoder={"kl": False, "feature": True, "gan": True}),
    ],
    "07.2": [
        0.375,
        "0.375",
        3 / 8,
        np.float32(0.375),
        torch.tensor([0.375]),
        0.3755,
        "0.375",
        "3/8",
        "≈ 0.375",
        ".375",
    ],
    "07.3": [
        slant,
        numpy_slant,
        lambda x: slant(x.double()),
        lambda x: torch.stack([slant(p[None])[0] for p in x]),
        lambda x: [
            -c[0, 1] / c[0, 0]
            for c in (np.cov(np.indices(p.shape).reshape(2, -1), aweights=p.ravel(), ddof=0) for p in np.asarray(x))
        ],
        lambda x: slant(x * 3),
        lambda x: -slant(x.flip(1)),
    ],
    "07.4": [
        loss,
        lambda f, g: ((g - f.data) ** 2).sum(-1) / 2,
        lambda f, g: torch.nn.functional.mse_loss(g, f.detach(), reduction="none").sum(1) / 2,
        lambda f, g: 0.5 * torch.linalg.vector_norm(g - f.detach(), dim=1) ** 2,
        lambda f, g: torch.cdist(f.detach()[:, None], g[:, None])[:, 0, 0] ** 2 / 2,
        lambda f, g: (
            -torch.distributions.Normal(g, 1.0).log_prob(f.detach()).sum(1) - 0.5 * f.shape[1] * np.log(2 * np.pi)
        ),
        lambda f, g: torch.stack([(b - a.detach()) @ (b - a.detach()) / 2 for a, b in zip(f, g, strict=True)]),
    ],
    "07.5": [
        vector,
        by_lstsq,
        lambda z, a, y: vector(z.double(), a.double(), y),
        lambda z, a, y: np.linalg.lstsq(
            np.column_stack([a, *(np.asarray(y) == c for c in np.unique(y))]), np.asarray(z), rcond=None
        )[0][0],
        lambda z, a, y: torch.linalg.lstsq(free(a, y)[:, None], free(z, y)).solution[0],
        lambda z, a, y: (free(a, y)[:, None] * z).sum(0) / (free(a, y) * a).sum(),
    ],
}

WRONG = {
    "07.1": [
        (right_routing(encoder=ALL, decoder=ALL, discriminator=ALL), "one loss for all three"),
        (right_routing(encoder={"kl"}, decoder={"gan"}), "tells the encoder what its code.*And.*need not reconstruct"),
        (
            right_routing(decoder=ALL, discriminator={"kl", "gan"}),
            "no weight of the decoder.*And.*no weight of the disc",
        ),
        (right_routing(discriminator={"feature"}), "lacks its only term.* And .*alike"),
        (right_routing(decoder={"features"}), 'the terms are "kl"'),
        (right_routing(encoder=3), "must be a set of terms"),
        (right_routing(discriminator=np.array(["gan", "feature"])), "alike"),
        (right_routing(encoder=np.array(["kl", "feature", "gan"])), "not asked to fool"),
        (right_routing(encoder=torch.tensor([1.0, 1.0, 0.0])), 'the terms are "kl"'),
        (right_routing(encoder=torch.tensor(3)), "must be a set of terms"),
        (np.array(["kl", "feature", "gan"]), "dict"),
        (torch.eye(3), "dict"),
        ({"encoder": {"kl", "feature"}}, "keys"),
        ("gan", "dict"),
    ],
    "07.2": [
        (0.5, "sharp guess"),
        (0.19, "one pixel's error|larger"),
        (0.38, "three decimals"),
        (1.0, "black image"),
        (0.5625, "one of the two cases"),
        (0.75, "drawn at random"),
        (0.433, "standard deviation"),
        (0.625, "squares of the grey"),
        (-0.375, "never negative"),
        (0.4, "smaller than"),
        (0.3, "larger than"),
        ("much", "one number"),
        (float("nan"), "finite"),
        ((0.75, 0.25), "one number"),
    ],
    "07.3": [
        (lambda x: slant(x, least=1.0), "it returns"),
        (lambda x: -slant(x), "sign"),
        (lambda x: slant(x).abs(), "the sign is lost: these are absolute values"),
        (lambda x: slant(x).mean(), "the rows are averaged as well"),
        (lambda x: slant(x)[:, None], "axis"),
        (in_place_slant, "in place"),
        (lambda x: slant(x.view(-1, 28, 28)), "raises `RuntimeError: shape"),
        (lambda x: slant(x.mT), "the variance of the columns stands below"),
        (lambda x: slant_about(x, lambda x, t: (x * t).sum() / x.sum()), "one point for all"),
        (lambda x: slant_about(x, lambda x, t: (t.numel() - 1) / 2), "the corner or the middle"),
        (lambda x: slant_about(x, lambda x, t: (x * t).mean((1, 2), keepdim=True)), "centre of each image's ink"),
        (lambda x: slant_about(x, in_ink, over=(0, 1, 2)), "not over the images"),
        (lambda x: slant((x > 0).float()), "it returns"),
        (lambda x: slant(torch.ones_like(x)), "0 in every case"),
        (lambda x: slant(x**2), "it returns"),
        (lambda x: 1 / slant(x), "this is one divided by what is due"),
        (lambda x: slant(x.mean(0, keepdim=True)).expand(len(x)), "not over the images"),
        (lambda x: -over_columns(x), "the variance of the columns stands below"),
        (lambda x: slant(x - x.mean((1, 2), keepdim=True)), "it returns"),
        (lambda x: slant(x).rad2deg(), r"every value is 57\.3 times what is due"),
    ],
    "07.4": [
        (lambda f, g: 2 * loss(f, g), "every value is twice what is due"),
        (lambda f, g: loss(f, g).mean(), "the rows are averaged as well"),
        (lambda f, g: loss(f, g).sum(), "the rows are added up as well"),
        (lambda f, g: 0.5 * (g - f).square().sum(1), "the values are right, but a gradient reaches"),
        (lambda f, g: 0.5 * (g.detach() - f).square().sum(1), "the values are right, but a gradient reaches"),
        (lambda f, g: loss(f, g).detach(), "no gradient leads"),
        (lambda f, g: loss(f, g)[:, None], "axis"),
        (lambda f, g: -loss(f, g), "minus"),
        (lambda f, g: 0.5 * (g - f.detach()).square(), "a sum over the last axis is missing"),
        (lambda f, g: 1 - torch.cosine_similarity(f.detach(), g), "it returns"),
        (lambda f, g: torch.nn.functional.huber_loss(g, f.detach(), reduction="none").sum(1), "it returns"),
        (lambda f, g: 0.5 * g.square().sum(1), "`f_x` changes nothing"),
        (lambda f, g: 0.5 * (g - f.detach()).square().amax(1), "it returns"),
        (lambda f: f, "raises `TypeError"),
        (lambda f, g: 0.5 * (f.detach_() - g).square().sum(1), "changes its argument `f_x` in place"),
        (lambda f, g: np.asarray(loss(f, g)), "numpy"),
    ],
    "07.5": [
        (lambda z, a, y: vector(z, a, y) if y.min() >= 0 else 0 * z[0], "not below 0 only"),
        (lambda z, a, y: vector(z, a, y.abs()), "any whole numbers"),
        (lambda z, a, y: vector(z, a, y.to(torch.uint8)), "any whole numbers"),
        (lambda z, a, y: vector(z, a, y % 10), "any whole numbers"),
        (lambda z, a, y: -vector(z, a, y), "sign"),
        (lambda z, a, y: vector(z, a, y) / vector(z, a, y).norm(), "length 1"),
        (lambda z, a, y: vector(z, a, y)[None], "axis"),
        (in_place_vector, "in place"),
        (lambda z, a: z, "raises `TypeError"),
        (
            lambda z, a, y: torch.stack(
                [vector(z[y == c], a[y == c], y[y == c]) for c in range(10) if (y == c).any()]
            ).mean(0),
            "each class has its own vector here and they are",
        ),
        (lambda z, a, y: vector(*(t[y == y.mode()[0]] for t in (z, a, y))), "one class alone"),
        (lambda z, a, y: free(a, y) @ free(z, y) / free(a, y).norm(), "not by a standard deviation"),
        (lambda z, a, y: free(a, y) @ free(z, y) / free(a, y).var(), "or mean by mean"),
        (lambda z, a, y: torch.linalg.lstsq(free(z, y), free(a, y)[:, None]).solution[:, 0], "Predict the code"),
        (lambda z, a, y: vector(z, a, y) * free(a, y).std(), "it returns"),
        (lambda z, a, y: vector(z, (a > a.mean()).float(), y), "it returns"),
        (lambda z, a, y: z[a.argmax()] - z[a.argmin()], "`labels` changes nothing"),
        (lambda z, a, y: (z[a.argmax()] - z[a.argmin()]) / (a.max() - a.min()), "`labels` changes nothing"),
        (
            lambda z, a, y: torch.linalg.lstsq(torch.stack([a, a * 0 + 1, y.float()], 1), z).solution[0],
            "as if its number were a quantity",
        ),
        (lambda z, a, y: 1 / vector(z, a, y), "this is one divided by what is due"),
        (lambda z, a, y: vector(z, a.sort().values, y), "it returns"),
    ],
}
