"""Exercises of 07_vae_gan."""

import re
from collections.abc import Mapping
from itertools import product

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import NotAttempted, Wrong, exercise, noise, text_of

tasks = rooms.shared("tasks")

TERMS = ("kl", "feature", "gan")


class Terms(tasks.Words):
    """A set of terms for each network, as the words "in" and "out" of "encoder kl" and so on."""

    def wrong_answers(self, truth):
        for said, sentence in self.mistakes.items():
            terms = {network: set(terms) for network, terms in truth.items()}
            for key, word in self.parts(said).items():
                network, term = key.split()
                terms[network] = terms[network] | {term} if word == "in" else (terms[network] - {term}) or {"kl"}
            yield sentence, terms

    def grade(self, answer, truth):
        if not isinstance(answer, Mapping) or not truth.keys() <= answer.keys():
            raise Wrong('the prediction must be a dict with the keys "encoder", "decoder" and "discriminator".')
        super().grade(self.flat(answer, truth), self.flat(truth, truth))

    def flat(self, answer, truth):
        said = {}
        for network in truth:
            terms = answer[network].tolist() if hasattr(answer[network], "tolist") else answer[network]  # of an array
            terms = re.findall(r"[^\s,;+&/]+", terms) if isinstance(terms, str) else terms
            terms = [term for term, counts in terms.items() if counts] if isinstance(terms, Mapping) else terms
            if terms is None or terms is ... or hasattr(terms, "__len__") and not len(terms):
                raise NotAttempted(f'"{network}" has no terms yet.')
            try:
                said[network] = {str(term).strip(" .\t\n'\"").lower() for term in terms}
            except TypeError:
                raise Wrong(f'"{network}" must be a set of terms; what came is `{text_of(terms)}`.') from None
            if unknown := sorted(said[network] - set(TERMS)):
                raise Wrong(f'the terms are "kl", "feature" and "gan"; "{network}" has `{text_of(unknown[0], str)}`.')
        return {f"{net} {term}": "in" if term in said[net] else "out" for net, term in product(truth, TERMS)}


@exercise(
    "07.1",
    hint="Ask of each term which network it is a task for. A ruler that may change itself to shorten what it measures"
    " is none: which network is the ruler here?",
    solution="""
# The feature term trains those who make the reconstruction, not the network that measures it.
answer_1 = {
    "encoder": {"kl", "feature"},
    "decoder": {"feature", "gan"},
    "discriminator": {"gan"},
}
""",
    praise="Each network has its own loss, and no gradient goes anywhere else.",
)
def answer_1(truth):
    mistakes = {
        "encoder gan in, decoder kl in, discriminator kl in, discriminator feature in": "this is one loss for all"
        " three, as in the printed version of section 3: each has its own task.",
        "encoder kl out": "the encoder alone makes mu and sigma: who else should the KL term train?",
        "encoder feature out": "without the feature term nothing tells the encoder what its code must hold.",
        "encoder gan in": "the encoder is not asked to fool the discriminator: a code should say what is in x.",
        "decoder feature out": "without the feature term it need not reconstruct x: any digit that fools would do.",
        "decoder gan out": "without the opponent's term nothing teaches the decoder to sample from the prior.",
        "decoder kl in": "the KL term holds mu and sigma only, and no weight of the decoder.",
        "discriminator gan out": "the discriminator must tell real from generated: it lacks its only term.",
        "discriminator kl in": "the KL term holds mu and sigma only, and no weight of the discriminator.",
        "discriminator feature in": "the feature term must not train the discriminator: it would make its features"
        " alike, and blind.",
    }
    return Terms(("in", "out"), mistakes)


@exercise(
    "07.2",
    hint="For one pixel that is 1 with probability p and else 0, the best grey value under squared error is p. What is"
    " the expected squared error then? How many pixels are uncertain?",
    solution="""
p = 0.75  # the left pixel is white with probability 0.75, the right one with 0.25
one_pixel = p * (1 - p) ** 2 + (1 - p) * p**2  # = p (1 - p), the variance
answer_2 = 2 * one_pixel  # 0.375
""",
    praise="The grey image wins under squared error, though no stroke ever looks like it.",
)
def answer_2(truth):
    mistakes = {
        "this is an error of the sharp guess, of the grey (½, ½), of the black image or of a bar with equal chances,"
        " or it is a chance; the best grey does better.": (0.5, 1.5, 0.25, 1.0),
        "this is one pixel's error, or the mean of the two; both are uncertain, and the sum is asked for.": 0.1875,
        "this is a standard deviation; the squared error's mean is a variance.": (0.4330, 0.8660, 0.375**0.5),
        "this is the best grey value of the left pixel, an absolute error, or that of a sharp image drawn at random;"
        " the best image's squared error is asked for.": 0.75,
        "these are the squares of the grey values, added up; take the expected squared differences.": 0.625,
        "no image is right in both cases, so some error is left.": 0.0,
        "this is the error in one of the two cases; weigh both, with 0.75 and 0.25.":
            (0.125, 1.125, 0.09375, 0.28125, 0.5625, 0.0625),
        "this is near, but rounded too coarsely: three decimals are asked for.": (0.38, 0.37),
    }  # fmt: skip
    return tasks.Number(0.002, mistakes, begin="Do one pixel first.", low=0)


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
    praise="A shear by a adds a to it, exactly: that is what makes it a measure.",
)
def my_slant(truth):
    import torch

    def ink_centre(x, r, c):
        return tuple((x * t).sum((1, 2), keepdim=True) / x.sum((1, 2), keepdim=True) for t in (r, c))

    def slant(ratio, centre=ink_centre):  # ratio of (x r c), (x r r), (x c c), x, each summed, and (r r)
        def wrong(x):
            r, c = torch.arange(x.shape[1]).view(1, -1, 1), torch.arange(x.shape[2]).view(1, 1, -1)
            r_0, c_0 = centre(x, r, c)
            r, c = r - r_0, c - c_0
            both, rows, cols, ink = (t.sum((1, 2)) for t in (x * r * c, x * r * r, x * c * c, x))
            return ratio(-both, rows, cols, ink, (r * r).sum((1, 2)))

        return wrong

    def middle(x, r, c):
        return (r.numel() - 1) / 2, (c.numel() - 1) / 2

    def common(x, r, c):
        return tuple((x * t).sum() / x.sum() for t in (r, c))

    def stroke(a, size=9):  # it leans by a columns a row
        rows, cols = torch.arange(size).view(-1, 1), torch.arange(size).view(1, -1)
        return (2 - (cols - size / 2 + a * (rows - size / 2)).abs()).clamp(0, 1)

    cases = [(noise(3, 9, 9).abs(),), (noise(2, 8, 6, seed=2).abs(),), (noise(2, 28, 28, seed=1).abs() + 0.1,),
             (torch.stack([stroke(0.5), stroke(-0.5)]),), ([[[0.0, 3.0], [1.0, 0.0], [2.0, 0.0]]] * 2,),
             ([[[0.0, 0.0, 0.02], [0.0, 0.01, 0.0], [0.02, 0.0, 0.0]]] * 2,)]  # fmt: skip
    alone = "right for several images only: a batch of one keeps its axis, shape (1,)."
    mistakes = {
        "the variance of the columns stands below; a slant is columns per row, so it is the rows' variance.":
            slant(lambda both, rows, cols, ink, plain: both / cols),
        "this is the correlation; the slant is a regression slope, columns on rows.":
            slant(lambda both, rows, cols, ink, plain: both / (rows * cols).sqrt()),
        "the moments are not taken about the centre of each image's ink, but about the corner or the middle of the"
        " image, or about one point for all.": tuple(
            slant(lambda both, rows, *rest: both / rows, centre) for centre in (
                lambda x, r, c: (0, 0), middle, lambda x, r, c: (r.numel() / 2, c.numel() / 2), common,
                lambda x, r, c: tuple((x * t).mean((1, 2), keepdim=True) for t in (r, c)),
            )
        ),
        "each image has a slant of its own: add up over its rows and columns, not over the images.": (
            slant(lambda both, rows, *rest: both.sum() / rows.sum()),
            slant(lambda both, rows, *rest: both.sum() / rows.sum(), common),
            lambda x: truth(x.mean(0, keepdim=True)).expand(len(x)),
        ),
        "this is a covariance; divide it by the rows' variance.": (
            slant(lambda both, rows, cols, ink, plain: both / ink), slant(lambda both, *rest: both)),
        "the rows' variance is not weighted with the ink.":
            (slant(lambda both, rows, cols, ink, plain: both / plain),
             slant(lambda both, rows, cols, ink, plain: both / plain, middle)),
        "this is the angle; asked for is its tangent, columns per row.":
            (lambda x: truth(x).atan(), lambda x: truth(x).atan().rad2deg()),
        alone: lambda x: truth(x).squeeze(),
    }  # fmt: skip
    return tasks.Function(cases, mistakes, edges={alone: [(noise(1, 5, 7, seed=4).abs(),)]})


@exercise(
    "07.4",
    hint="For a Gaussian with unit variance, -log p(f) is half the squared distance to the mean, up to a constant."
    " Which of the two arguments is data, and must get no gradient?",
    solution="""
def my_feature_loss(f_x, f_reconstructed):
    return 0.5 * (f_reconstructed - f_x.detach()).square().sum(dim=1)  # (B, D) -> (B,)
""",
    praise="The likelihood of a Gaussian around the reconstruction's features, and the target stays put.",
)
def my_feature_loss(truth):
    cases = [tuple(noise(*shape, seed=s) for s in (0, 1)) for shape in ((4, 3), (1, 5), (3, 1))]
    cases += [([[1.0, 2.0]], [[1.0, 3.0]]), ([[1.0, 2.0]], [[0.0, 4.0]])]
    mistakes = {
        "the features are averaged; the log-likelihoods of independent features add up.":
            (lambda f, g: truth(f, g) / f.shape[1], lambda f, g: (g - f).square().mean(1)),
        "the mean runs over everything; add up over the features, with ½, and keep the images apart.":
            (lambda f, g: (g - f).square().mean(), lambda f, g: (g - f).square().mean() / 2),
        "the sum runs over the batch; it must run over the features.": lambda f, g: truth(f.T, g.T),
        "this is the absolute difference; a Gaussian gives the square.":
            (lambda f, g: (g - f).abs().sum(1), lambda f, g: (g - f).abs().sum(1) / 2),
        "add up the squares, do not square the sum: differences must not cancel.":
            (lambda f, g: 0.5 * (g - f).sum(1).square(), lambda f, g: (g - f).sum(1).square()),
        "the square is missing: plus and minus cancel, as in the printed loss of section 3.":
            (lambda f, g: 0.5 * (g - f).sum(1), lambda f, g: (g - f).sum(1), lambda f, g: 0.5 * (f - g).sum(1),
             lambda f, g: (f - g).sum(1)),
        "this is the distance, with a root; the loss is half its square.":
            (lambda f, g: (g - f).norm(dim=1), lambda f, g: (g - f).norm(dim=1) / 2),
        "the constant of the density is in it; leave it out, so that equal features give 0.":
            lambda f, g: truth(f, g) + 0.9189385 * f.shape[1],
    }  # fmt: skip
    hint = "The real image's features are the target, and those of the reconstruction are to learn."
    return tasks.Function(cases, mistakes, gradients={"f_x": hint, "f_reconstructed": ""})


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
    praise="One unit of the attribute, as a step in the code, with the class left alone.",
)
def my_attribute_vector(truth):
    import torch

    def free(t, labels):  # of the class means
        return t - torch.stack([t[labels == c].mean(0) for c in labels])

    def on_line(t, labels):  # what a straight line through the labels' numbers leaves
        y = labels - labels.double().mean()
        return t - (t.double().T @ y / (y @ y).clamp(min=1e-9) * y.view(-1, *[1] * (t.ndim - 1))).to(t.dtype)

    def of(rule):  # a rule for centred codes z and values a, in place of z·a / a·a
        return lambda codes, values, labels: rule(free(codes, labels), free(values, labels))

    def case(n, d, labels, seed):
        labels = torch.tensor(labels)[torch.arange(n) % len(labels)]
        codes, values = noise(n, d, seed=seed) + labels[:, None] * noise(1, d, seed=seed + 1), noise(n, seed=seed + 2)
        values = values + 0.5 * labels
        return codes + values[:, None] * noise(1, d, seed=seed + 3), values, labels

    cases = [case(12, 3, [0, 1, 2], 0), case(20, 2, [3, 1, 4, 0], 5), case(10, 4, [6], 9), case(7, 2, [2, 7], 13)]
    wide = "right for labels 0 to 9, without gaps or not below 0 only: any whole numbers may be classes."
    mistakes = {
        "the class is not taken out, or only as if its number were a quantity: the vector then turns one class into"
        " another.": (
            lambda z, a, y: truth(z, a, 0 * y), lambda z, a, y: a @ z / (a @ a),
            lambda z, a, y: truth(on_line(z, y), on_line(a, y), 0 * y),
            lambda z, a, y: z[a > a.median()].mean(0) - z[a <= a.median()].mean(0),
        ),
        "the values must be centred by class, above and below the fraction.": (
            lambda z, a, y: free(a, y) @ z / (a @ a), lambda z, a, y: a @ free(z, y) / (a @ a),
            lambda z, a, y: (a - a.mean()) @ free(z, y) / (a - a.mean()).square().sum(),
        ),
        "this is the covariance; divide by the variance of the values.":
            (of(lambda z, a: a @ z / len(a)), of(lambda z, a: a @ z), of(lambda z, a: a @ z / (len(a) - 1))),
        "this divides by the codes' variance: it predicts the value from the code. Predict the code from the value.":
            (of(lambda z, a: a @ z / z.square().sum(0)), of(lambda z, a: torch.linalg.lstsq(z, a[:, None])[0][:, 0])),
        "divide the sum of products by the sum of the values' squares, or mean by mean: not by a standard deviation,"
        " and without the codes' spread.": (
            of(lambda z, a: a @ z / a.norm()), of(lambda z, a: a @ z / a.std()), of(lambda z, a: a @ z / a.var()),
            of(lambda z, a: a @ z / a.std(correction=0)), of(lambda z, a: a @ z / a.var(correction=0)),
            of(lambda z, a: a @ z / len(a) / (a @ a)), of(lambda z, a: a @ z / z.norm()),
            of(lambda z, a: a @ z / len(a) / a.std()), of(lambda z, a: a @ z / len(a) / a.std(correction=0)),
            of(lambda z, a: a @ z / a.norm() / z.norm(dim=0)), of(lambda z, a: a @ z / (a @ a) / z.std(0)),
        ),
        "this compares two groups; least squares uses each value, per unit of it.": (
            of(lambda z, a: z[a > 0].mean(0) - z[a <= 0].mean(0)),
            of(lambda z, a: (z[a > 0].mean(0) - z[a <= 0].mean(0)) / (a[a > 0].mean() - a[a <= 0].mean())),
        ),
        "each class has its own vector here and they are averaged, or one class alone is used; one vector serves all"
        " classes.": (
            lambda z, a, y: torch.stack([truth(z[y == c], a[y == c], y[y == c]) for c in y.unique()]).mean(0),
            *(lambda z, a, y, one=one: truth(z[y == one(y)], a[y == one(y)], y[y == one(y)])
              for one in (lambda y: y.mode().values, min, max, lambda y: y[0])),
        ),
        wide: lambda z, a, y: truth(z, a, y.clamp(max=9)),
    }  # fmt: skip
    codes, values, labels = case(18, 2, [0, 1, 2, 3, 4, 5], 27)
    far = (codes, values, torch.tensor([-1, 0, 1, 5, 11, 261])[labels])
    return tasks.Function(
        cases, mistakes, edges={wide: [case(14, 3, [12, 9, 30], 17), case(9, 2, [5, -3, 101], 22), far]}
    )
