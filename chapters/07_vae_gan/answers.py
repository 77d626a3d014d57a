"""Right, untouched and wrong answers to the exercises of 07_vae_gan; tests/test_check.py runs them."""

import numpy as np
import torch


def stub_raises(*args):
    raise NotImplementedError


BLANK = [(None,), (...,), (stub_raises,), (lambda *a: None,), (lambda *a: ...,)]


# --- slant -----------------------------------------------------------------------------------------------------------


def centred(x):
    rows = torch.arange(x.shape[1], dtype=x.dtype).view(1, -1, 1)
    cols = torch.arange(x.shape[2], dtype=x.dtype).view(1, 1, -1)
    ink = x.sum((1, 2), keepdim=True)
    return rows - (x * rows).sum((1, 2), keepdim=True) / ink, cols - (x * cols).sum((1, 2), keepdim=True) / ink


def slant(x):
    r, c = centred(x)
    return -(x * r * c).sum((1, 2)) / (x * r * r).sum((1, 2))


def over_columns(x):
    r, c = centred(x)
    return -(x * r * c).sum((1, 2)) / (x * c * c).sum((1, 2))


def correlation(x):
    r, c = centred(x)
    return -(x * r * c).sum((1, 2)) / ((x * r * r).sum((1, 2)) * (x * c * c).sum((1, 2))).sqrt()


def about(x, r_0, c_0):
    r, c = torch.arange(x.shape[1]).view(1, -1, 1) - r_0, torch.arange(x.shape[2]).view(1, 1, -1) - c_0
    return -(x * r * c).sum((1, 2)) / (x * r * r).sum((1, 2))


def about_the_middle(x):
    return about(x, (x.shape[1] - 1) / 2, (x.shape[2] - 1) / 2)


def covariance(x):
    r, c = centred(x)
    return -(x * r * c).sum((1, 2)) / x.sum((1, 2))


def unweighted(x):
    r, c = centred(x)
    return -(x * r * c).sum((1, 2)) / (r * r).sum((1, 2))


def numpy_slant(x):
    out = []
    for p in np.asarray(x, dtype=np.float64):
        r, c = np.mgrid[: p.shape[0], : p.shape[1]]
        out.append(-np.polyfit(r.ravel(), c.ravel(), 1, w=np.sqrt(p.ravel()))[0])
    return np.array(out)


def in_place_slant(x):
    x /= x.sum((1, 2), keepdim=True)
    return slant(x)


# --- attribute vector -------------------------------------------------------------------------------------------------


def free(t, labels):
    return t - torch.stack([t[labels == c].mean(0) for c in labels])


def vector(z, a, labels):
    z, a = free(z, labels), free(a, labels)
    return a @ z / (a @ a)


def by_lstsq(z, a, labels):
    dummies = (labels[:, None] == labels.unique()).to(z.dtype)
    return torch.linalg.lstsq(torch.cat([a[:, None], dummies], 1), z).solution[0]


def two_means(z, a, labels):
    z, a = free(z, labels), free(a, labels)
    return z[a > 0].mean(0) - z[a <= 0].mean(0)


def two_means_per_unit(z, a, labels):
    b = free(a, labels)
    return two_means(z, a, labels) / (b[b > 0].mean() - b[b <= 0].mean())


def in_place_vector(z, a, labels):
    z -= z.mean(0)
    return vector(z, a, labels)


# --- feature loss -----------------------------------------------------------------------------------------------------


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
    ],
    "07.2": [0.375, "0.375", 3 / 8, np.float32(0.375), torch.tensor([0.375]), 0.3755],
    "07.3": [slant, numpy_slant, lambda x: slant(x.double())],
    "07.4": [
        loss,
        lambda f, g: ((g - f.data) ** 2).sum(-1) / 2,
        lambda f, g: torch.nn.functional.mse_loss(g, f.detach(), reduction="none").sum(1) / 2,
        lambda f, g: 0.5 * torch.linalg.vector_norm(g - f.detach(), dim=1) ** 2,
    ],
    "07.5": [vector, by_lstsq, lambda z, a, y: vector(z.double(), a.double(), y)],
}

STUBS = {number: BLANK for number in ("07.3", "07.4", "07.5")} | {
    "07.1": [(None,), ({"encoder": None, "decoder": None, "discriminator": None},), (right_routing(decoder=set()),),
             (right_routing(encoder=...),)],
    "07.2": [(None,), (...,)],
}  # fmt: skip

WRONG = {
    "07.1": [
        (right_routing(encoder=ALL, decoder=ALL, discriminator=ALL), "one loss for all three"),
        (right_routing(encoder={"kl"}), "tells the encoder what its code"),
        (right_routing(encoder={"feature"}), "makes mu and sigma"),
        (right_routing(encoder=ALL), "encoder is not asked to fool"),
        (right_routing(decoder={"gan"}), "need not restore x"),
        (right_routing(decoder={"feature"}), "draw from the prior"),
        (right_routing(decoder=ALL), "no weight of the decoder"),
        (right_routing(discriminator={"gan", "feature"}), "would make its features alike"),
        (right_routing(discriminator={"kl", "gan"}), "no weight of the discriminator"),
        (right_routing(discriminator={"feature"}), "lacks its only term.* And .*alike"),
        (right_routing(decoder={"features"}), 'the terms are "kl"'),
        (right_routing(encoder=3), "must be a set of terms"),
        ({"encoder": {"kl", "feature"}}, "keys"),
        ("gan", "dict"),
    ],
    "07.2": [
        (0.5, "sharp guess"), (0.1875, "one pixel's error"), (0.433, "standard deviation"), (0.75, "grey value"),
        (0.25, "right column"), (1.0, "0.5 each|without any"), (0.625, "squares of the two grey"), (0.0, "some error"),
        (1.5, "wrong column"), (0.125, "likelier case"), (1.125, "less likely case"), (-0.375, "never negative"),
        (0.4, "smaller than"), (0.3, "larger than"), ("much", "one number"), (float("nan"), "finite"),
        ((0.75, 0.25), "one number"),
    ],
    "07.3": [
        (lambda x: -slant(x), "sign is turned"),
        (over_columns, "variance of the columns stands below; "),
        (lambda x: -over_columns(x), "variance of the columns stands below, and the sign"),
        (correlation, "this is the correlation; "),
        (lambda x: -correlation(x), "correlation, with its sign"),
        (lambda x: about(x, 0, 0), "corner of the image; "),
        (lambda x: -about(x, 0, 0), "corner of the image, and"),
        (about_the_middle, "centre of the image"),
        (covariance, "this is the covariance"),
        (lambda x: covariance(x) * x.sum((1, 2)), "covariance times the ink"),
        (unweighted, "not weighted"),
        (lambda x: slant(x).atan(), "angle in radians"),
        (lambda x: slant(x).atan().rad2deg(), "angle in degrees"),
        (lambda x: slant(x).mean(), "images are averaged"),
        (lambda x: slant(x).abs(), "sign is lost"),
        (lambda x: slant(x)[:, None], "left over"),
        (in_place_slant, "changes its argument `x` in place"),
        (lambda x: slant(x.view(-1, 28, 28)), "raises"),
        (lambda x: slant(x) + 1, r"off by \+1"),
        (torch.zeros(3), "without calling"),
    ],
    "07.4": [
        (lambda f, g: 2 * loss(f, g), "½ is missing"),
        (lambda f, g: (g - f.detach()).square().mean(1), "averaged, and the ½"),
        (lambda f, g: loss(f, g) / f.shape[1], "features are averaged; the log"),
        (lambda f, g: loss(f, g).mean(), "images are averaged"),
        (lambda f, g: loss(f, g).sum(), "images are added up"),
        (lambda f, g: torch.nn.functional.mse_loss(g, f), "mean runs over everything"),
        (lambda f, g: 0.5 * (g - f).square().sum(0), "over the batch"),
        (lambda f, g: 0.5 * (g - f).square(), "not summed"),
        (lambda f, g: -loss(f, g), "log-likelihood; its negative"),
        (lambda f, g: (g - f).abs().sum(1), "absolute difference"),
        (lambda f, g: 0.5 * (g - f).sum(1).square(), "do not square the sum"),
        (lambda f, g: (g - f).sum(1), "plus and minus cancel"),
        (lambda f, g: (2 * loss(f, g)).sqrt(), "this is the distance"),
        (lambda f, g: (f - g).sum(1) + (g - f).sum(1), "0 for every input"),
        (lambda f, g: loss(f, g) + 0.918938533 * f.shape[1], "constant of the density"),
        (lambda f, g: 0.5 * (g - f).square().sum(1), "a gradient reaches `f_x`"),
        (lambda f, g: 0.5 * (g.detach() - f).square().sum(1), "wrong argument is detached"),
        (lambda f, g: loss(f, g).detach(), "no gradient reaches `f_restored`"),
        (lambda f, g: loss(f, g)[:, None], "left over"),
        (lambda f: f, "raises `TypeError"),
    ],
    "07.5": [
        (lambda z, a, y: vector(z, a, 0 * y), "class is not taken out"),
        (lambda z, a, y: -vector(z, a, y), "sign is turned"),
        (lambda z, a, y: vector(z, a, y) / vector(z, a, y).norm(), "length 1"),
        (lambda z, a, y: (free(a, y)[:, None] * free(z, y)).mean(0), "this is the covariance"),
        (lambda z, a, y: free(a, y) @ free(z, y), "sum of the squared values"),
        (lambda z, a, y: free(a, y) @ free(z, y) / free(z, y).square().sum(0), "divides by the codes' variance"),
        (lambda z, a, y: (free(a, y)[:, None] * free(z, y)).mean(0) / free(a, y).std(), "standard deviation"),
        (lambda z, a, y: vector(z, a, y) * (free(a, y).norm() / free(z, y).norm(dim=0)), "correlation"),
        (two_means, "difference of two means; divide"),
        (two_means_per_unit, "only two groups"),
        (lambda z, a, y: z[a > a.median()].mean(0) - z[a <= a.median()].mean(0), "class left in"),
        (lambda z, a, y: a @ z / (a @ a), "nothing is centred"),
        (lambda z, a, y: free(a, y) @ z / (a @ a), "centred values' squares"),
        (lambda z, a, y: vector(z, a, y)[None], "left over"),
        (in_place_vector, "changes its argument `codes` in place"),
        (lambda z, a: z, "raises `TypeError"),
    ],
}  # fmt: skip
