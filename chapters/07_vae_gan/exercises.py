"""Exercises of 07_vae_gan."""

from collections.abc import Mapping

from aigc_course.plumbing.grading import (
    NotAttempted,
    Wrong,
    call,
    compare,
    exercise,
    name_mistake,
    noise,
    number_of,
    text_of,
)

WHY = {  # of each network: what to say when it lacks a term, and when it has one too many
    "encoder": {
        "-kl": "the encoder alone makes mu and sigma: who else should the KL term train?",
        "-feature": "without the feature term nothing tells the encoder what its code must hold.",
        "+gan": "the encoder is not asked to fool the discriminator: a code should say what is in x.",
    },
    "decoder": {
        "-feature": "without the feature term the decoder need not restore x: any digit that fools would do.",
        "-gan": "without the opponent's term nothing teaches the decoder to draw from the prior.",
        "+kl": "the KL term holds mu and sigma only, and no weight of the decoder.",
    },
    "discriminator": {
        "-gan": "the discriminator must tell real from made: it lacks its only term.",
        "+kl": "the KL term holds mu and sigma only, and no weight of the discriminator.",
        "+feature": "the feature term must not train the discriminator: it would make its features alike, and blind.",
    },
}


@exercise(
    "07.1",
    hint="Ask of each term which network it is a task for. A ruler that may change itself to shorten what it measures"
    " is none: which network is the ruler here?",
    solution="""
# The feature term trains those who make the restored image, not the network that measures it.
answer_1 = {
    "encoder": {"kl", "feature"},
    "decoder": {"feature", "gan"},
    "discriminator": {"gan"},
}
""",
)
def answer_1(answer, truth):
    if not isinstance(answer, Mapping) or not truth.keys() <= answer.keys():
        raise Wrong('the prediction must be a dict with the keys "encoder", "decoder" and "discriminator".')
    said = {}
    for network in truth:
        terms = answer[network]
        if terms is None or terms is ... or not isinstance(terms, str) and hasattr(terms, "__len__") and not len(terms):
            raise NotAttempted(f'"{network}" has no terms yet.')
        terms = [terms] if isinstance(terms, str) else terms
        try:
            said[network] = {str(term).strip(" .").lower() for term in terms}
        except TypeError:
            raise Wrong(f'"{network}" must be a set of terms; what came is `{text_of(terms)}`.') from None
        if unknown := sorted(said[network] - {"kl", "feature", "gan"}):
            raise Wrong(f'the terms are "kl", "feature" and "gan"; "{network}" has `{text_of(unknown[0], str)}`.')
    if all(terms == {"kl", "feature", "gan"} for terms in said.values()):
        raise Wrong("this is one loss for all three, as in the printed version of section 3: each has its own task.")
    reasons = [
        WHY[network][sign + term]
        for network in truth
        for sign, terms in (("-", truth[network] - said[network]), ("+", said[network] - truth[network]))
        for term in sorted(terms)
    ]
    if reasons:
        raise Wrong(" And ".join(reasons))
    return "Each network has its own loss, and no gradient goes anywhere else."


@exercise(
    "07.2",
    hint="For one pixel that is 1 with probability p and else 0, the best grey value under squared error is p. What is"
    " the expected squared error then? How many pixels are uncertain?",
    solution="""
p = 0.75  # the left pixel is white with probability 0.75, the right one with 0.25
one_pixel = p * (1 - p) ** 2 + (1 - p) * p**2  # = p (1 - p), the variance
answer_2 = 2 * one_pixel  # 0.375
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.002:
        return "The grey picture wins under squared error, though no stroke ever looks like it."
    mistakes = {
        0.5: "this is the error of the sharp guess (white on the left); the best picture is grey and does better.",
        0.1875: "this is one pixel's error (or the mean of the two); both are uncertain, and the sum is asked for.",
        0.4330: "a standard deviation; the squared error's mean is a variance.",
        0.8660: "two standard deviations; the squared error's mean is a variance.",
        0.75: "this is the best grey value of the left pixel, not the error; or the absolute error.",
        0.25: "this is the chance of the right column, or one pixel's error of the sharp guess. Take the best picture.",
        1.0: "this is the expected error for two pixels of 0.5 each, doubled, or the error without any knowledge.",
        0.625: "these are the squares of the two grey values, added up; take the expected squared differences.",
        1.5: "this is the error of the sharp guess at the wrong column.",
        0.0: "no picture is right in both cases, so some error is left.",
        0.125: "these are the squared deviations in the likelier case alone; the other case counts too.",
        1.125: "this is the error in the less likely case alone; weigh it with 0.25 and add the other.",
        0.02678: "this is spread over 14 pixels; the sum over the two is asked for.",
    }
    name_mistake(value, mistakes, within=0.004)
    if value < 0:
        raise Wrong("a squared error is never negative.")
    side = "smaller" if value > truth else "larger"
    raise Wrong(f"the expected error is {side} than {value:.4g}. Do one pixel first.")


@exercise(
    "07.3",
    hint="Subtract from rows and columns their ink-weighted means. Then the slant is a ratio of two second moments."
    " Rows count downwards: what sign does that give a stroke that leans right?",
    solution="""
import torch


def my_slant(x):
    rows = torch.arange(x.shape[1], dtype=x.dtype).view(1, -1, 1)
    cols = torch.arange(x.shape[2], dtype=x.dtype).view(1, 1, -1)
    ink = x.sum(dim=(1, 2), keepdim=True)
    r = rows - (x * rows).sum(dim=(1, 2), keepdim=True) / ink  # (B, H, 1)
    c = cols - (x * cols).sum(dim=(1, 2), keepdim=True) / ink  # (B, 1, W)
    return -(x * r * c).sum(dim=(1, 2)) / (x * r**2).sum(dim=(1, 2))
""",
)
def my_slant(answer, truth):
    import torch

    def stroke(a, size=9, width=1):  # a grey stroke that leans by a columns a row
        rows, cols = torch.arange(size).view(-1, 1), torch.arange(size).view(1, -1)
        return (width - (cols - size / 2 + a * (rows - size / 2)).abs()).clamp(0, 1)

    cases = [
        ("3 images of 9 × 9 pixels", noise(3, 9, 9).abs()),
        ("4 images of 28 × 28 pixels, in float64", noise(4, 28, 28, seed=1).abs().double()),
        ("2 images of 8 × 6 pixels", noise(2, 8, 6, seed=2).abs()),
        ("strokes that lean right, and left", torch.stack([stroke(0.5, width=2), stroke(-0.5, width=2)])),
    ]
    rows, cols = (
        f"__import__('torch').arange(x.shape[{axis}], dtype=x.dtype).view({shape})"
        for axis, shape in ((1, "1, -1, 1"), (2, "1, 1, -1"))
    )
    moments = "(lambda r, c, m: {})" + f"({rows}, {cols}, x.sum((1, 2), keepdim=True))"
    inner = "(lambda r, c: {})(r - (x * r).sum((1, 2), keepdim=True) / m, c - (x * c).sum((1, 2), keepdim=True) / m)"

    def of(expression):  # an expression in the centred r and c
        return moments.format(inner.format(expression))

    mistakes = {
        "-want": "the sign is turned: rows count downwards, so a stroke that leans right has falling columns.",
        of("-(x * r * c).sum((1, 2)) / (x * c**2).sum((1, 2))"): "the variance of the columns stands below; a slant is"
        " columns per row, so it is the rows' variance.",
        of("(x * r * c).sum((1, 2)) / (x * c**2).sum((1, 2))"): "the variance of the columns stands below, and the sign"
        " is turned.",
        of("-(x * r * c).sum((1, 2)) / ((x * r**2).sum((1, 2)) * (x * c**2).sum((1, 2))).sqrt()"): "this is the"
        " correlation; the slant is a regression slope, columns on rows.",
        of("(x * r * c).sum((1, 2)) / ((x * r**2).sum((1, 2)) * (x * c**2).sum((1, 2))).sqrt()"): "this is the"
        " correlation, with its sign turned; the slant is a regression slope, columns on rows.",
        moments.format("-(x * r * c).sum((1, 2)) / (x * r**2).sum((1, 2))"): "the moments are taken about the corner of"
        " the image; take them about the centre of the ink.",
        moments.format("(x * r * c).sum((1, 2)) / (x * r**2).sum((1, 2))"): "the moments are taken about the corner of"
        " the image, and the sign is turned.",
        of("-(x * r * c).sum((1, 2)) / m[:, 0, 0]"): "this is the covariance; divide it by the rows' variance.",
        of("-(x * r * c).sum((1, 2))"): "this is a covariance times the ink; divide by the rows' second moment.",
        of("-(x * r * c).sum((1, 2)) / (r**2).sum((1, 2))"): "the rows' variance is not weighted with the ink.",
        "want.atan()": "this is the angle in radians; asked for is its tangent, columns per row.",
        "want.atan().rad2deg()": "this is the angle in degrees; asked for is its tangent, columns per row.",
        "want.mean()": "the images are averaged; one number an image is asked for, shape (B,).",
        "want.abs()": "the sign is lost: strokes that lean left must have a negative slant.",
        moments.format(
            "(lambda r, c: -(x * r * c).sum((1, 2)) / (x * r**2).sum((1, 2)))(r - r.mean(), c - c.mean())"
        ): "the moments are taken about the centre of the image; take them about the centre of the ink.",
    }
    compare(answer, truth, cases, mistakes)
    return "A shear by a adds a to it, exactly: that is what makes it a measure."


@exercise(
    "07.4",
    hint="For a Gaussian with unit variance, -log p(f) is half the squared distance to the mean, up to a constant."
    " Which of the two arguments is data, and must get no gradient?",
    solution="""
def my_feature_loss(f_x, f_restored):
    return 0.5 * (f_restored - f_x.detach()).square().sum(dim=1)  # (B, D) -> (B,)
""",
)
def my_feature_loss(answer, truth):
    cases = [
        ("features of 4 images, 3 each", noise(4, 3), noise(4, 3, seed=1)),
        ("features of one image, in float64", noise(1, 5).double(), noise(1, 5, seed=1).double()),
        ("features of 3 images, one each", noise(3, 1), noise(3, 1, seed=1)),
        ("two equal rows", [[1.0, 2.0]], [[1.0, 2.0]]),
    ]
    d = "(f_restored - f_x)"
    mistakes = {
        "2 * want": "twice too much: the factor ½ is missing.",
        f"{d}.square().mean(1)": "the features are averaged, and the ½ is missing; sum them, as a log-likelihood does.",
        "want / f_x.shape[1]": "the features are averaged; the log-likelihoods of independent features add up.",
        "want.mean()": "the images are averaged; one number an image is asked for, shape (B,).",
        "want.sum()": "the images are added up; one number an image is asked for, shape (B,).",
        f"{d}.square().mean()": "the mean runs over everything; sum over the features, keep the images.",
        f"0.5 * {d}.square().sum(0)": "the sum runs over the batch; it must run over the features.",
        f"0.5 * {d}.square()": "the features are not summed: the result has one number an image, shape (B,).",
        "-want": "this is the log-likelihood; its negative is the loss.",
        f"{d}.abs().sum(1)": "this is the absolute difference; a Gaussian gives the square.",
        f"0.5 * {d}.abs().sum(1)": "this is the absolute difference; a Gaussian gives the square.",
        f"0.5 * {d}.sum(1).square()": "sum the squares, do not square the sum: differences must not cancel.",
        f"0.5 * {d}.sum(1)": "the square is missing: plus and minus cancel, as in the printed loss of section 3.",
        f"{d}.sum(1)": "the square is missing: plus and minus cancel, as in the printed loss of section 3.",
        "(2 * want).sqrt()": "this is the distance; the loss is half its square.",
        f"0.5 * ({d}.square()).sum(1) + 0.5 * f_x.shape[1] * log(2 * 3.141592653589793)": "the constant of the density"
        " is in it; leave it out, so that equal features give 0.",
        "0 * want": "this is 0 for every input: (x - y) and (y - x) cancel, as in the printed loss of section 3.",
    }
    compare(answer, truth, cases, mistakes)
    f_x, f_restored = noise(4, 3).requires_grad_(), noise(4, 3, seed=1).requires_grad_()
    loss = call(answer, truth, (f_x, f_restored), "features that require gradients")
    if not (hasattr(loss, "requires_grad") and loss.requires_grad):
        raise Wrong("the values are right, but no gradient reaches `f_restored`: `detach`, `no_grad` or NumPy cuts it"
                    " off.")  # fmt: skip
    loss.backward(loss.new_ones(loss.shape))  # not loss.sum(): gradients may be turned off here
    if f_restored.grad is None:
        raise Wrong("the values are right, but no gradient reaches `f_restored`: the wrong argument is detached.")
    if f_x.grad is not None and f_x.grad.abs().sum() > 0:
        raise Wrong("the values are right, but a gradient reaches `f_x`: the real image's features are the target."
                    " Detach them.")  # fmt: skip
    if not f_restored.grad.allclose((f_restored - f_x).detach(), rtol=1e-3, atol=1e-4):
        raise Wrong("the values are right, but not the gradient that reaches `f_restored`.")
    return "The likelihood of a Gaussian around the restored image's features, and the target stays put."


@exercise(
    "07.5",
    hint="Subtract from codes and values the mean of their own class. Then ask by least squares: when the value rises"
    " by one, by how much does each coordinate of the code move?",
    solution="""
def my_attribute_vector(codes, values, labels):
    codes, values = codes.clone(), values.clone()
    for c in labels.unique():
        mine = labels == c
        codes[mine] -= codes[mine].mean(dim=0)
        values[mine] -= values[mine].mean()
    return (values[:, None] * codes).sum(dim=0) / values.square().sum()  # (D,)
""",
)
def my_attribute_vector(answer, truth):
    import torch

    def case(n, d, n_classes, seed, dtype=torch.float32):
        labels = torch.arange(n) % n_classes
        codes = (noise(n, d, seed=seed) + 2 * labels[:, None] * noise(1, d, seed=seed + 1)).to(dtype)
        values = noise(n, seed=seed + 2).to(dtype) + 3 * labels
        return codes + values[:, None] * noise(1, d, seed=seed + 3).to(dtype), values, labels

    cases = [
        ("12 codes of 3 numbers, 3 classes", *case(12, 3, 3, 0)),
        ("20 codes of 2 numbers, 4 classes, in float64", *case(20, 2, 4, 5, torch.float64)),
        ("10 codes of 4 numbers, one class", *case(10, 4, 1, 9)),
    ]
    centred = (
        "(lambda z, a: {})(*((lambda t: t - __import__('torch').stack([t[labels == c].mean(0) for c in labels]))(t)"
        " for t in (codes, values)))"
    )
    mistakes = {
        "truth(codes, values, 0 * labels)": "the class is not taken out: the vector then turns one class into another.",
        "-want": "the sign is turned: the vector must lead to higher values.",
        "want / want.norm()": "this has length 1; its length must say how far a rise of one goes.",
        centred.format("(a[:, None] * z).mean(0)"): "this is the covariance; divide it by the variance of the values.",
        centred.format("(a[:, None] * z).sum(0)"): "divide by the sum of the squared values.",
        centred.format("(a[:, None] * z).sum(0) / z.square().sum(0)"): "this divides by the codes' variance: it"
        " predicts the value from the code. Predict the code from the value.",
        centred.format("(a[:, None] * z).mean(0) / a.std()"): "divide by the variance of the values, not by their"
        " standard deviation.",
        centred.format("(a[:, None] * z).mean(0) / a.std(correction=0)"): "divide by the variance of the values, not by"
        " their standard deviation.",
        centred.format("(a[:, None] * z).sum(0) / a.square().sum() / z.std(0)"): "do not divide by the codes' spread.",
        centred.format("(a[:, None] * z).sum(0) / (a.square().sum() * z.square().sum(0)).sqrt()"): "this is the"
        " correlation of value and code; its unit is not code per value.",
        centred.format("z[a > 0].mean(0) - z[a <= 0].mean(0)"): "this is a difference of two means; divide it by the"
        " difference of the values, or better: use least squares.",
        centred.format(
            "(z[a > 0].mean(0) - z[a <= 0].mean(0)) / (a[a > 0].mean() - a[a <= 0].mean())"
        ): "this uses only two groups; least squares uses each value.",
        "codes[values > values.median()].mean(0) - codes[values <= values.median()].mean(0)": "this is a difference of"
        " two means, with the class left in; take the class out, then use least squares.",
        "(values[:, None] * codes).sum(0) / values.square().sum()": "nothing is centred: take out each class's means.",
        centred.format("(a[:, None] * codes).sum(0) / values.square().sum()"): "divide by the centred values' squares.",
    }
    compare(answer, truth, cases, mistakes)
    return "One unit of the attribute, as a step in the code, with the class left alone."
