"""Exercises of 05b_measuring."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "05b.1",
    hint="Ten perfect images. Does each of them lie among real ones? How many of the real ones lie near one of the ten?"
    " The Fréchet distance sees means and covariances: what is the spread within a class?",
    solution="""
# Each image is real, hardly any real one is near, classes are equal, their spread is missing.
answer_1 = {"precision": "high", "recall": "low", "smallest_class": "high", "fd": "high"}
""",
    praise="Precision and the classes are fooled; recall and the Fréchet distance are not.",
)
def answer_1(truth):
    mistakes = {
        "precision low, recall high": "precision and recall are the wrong way round: precision asks about the generated"
        " images.",
        "precision low": "precision asks whether generated images lie among real ones, and these ten are real.",
        "recall high": "recall asks for the share of real images near a generated one: ten points cover hardly any.",
        "smallest_class low": "every class gets a tenth of the images, so the smallest share is as large as it can be.",
        "fd low": "the means fit, but the spread within a class is missing, and the Fréchet distance compares spreads.",
    }
    return tasks.Words(("high", "low"), mistakes)


@exercise(
    "05b.2",
    hint="In one dimension the matrices are numbers: (m_1 - m_2)² + v_1 + v_2 - 2 (v_1 v_2)^(1/2), with variances v."
    " Can the last three terms be written as one square?",
    solution="""
mean_1, sigma_1, mean_2, sigma_2 = 2.0, 5.0, -1.0, 3.0
answer_2 = (mean_1 - mean_2) ** 2 + (sigma_1 - sigma_2) ** 2  # 13
""",
    praise="It is the squared distance of the points (mean, standard deviation).",
)
def answer_2(truth):
    ln = math.log
    mistakes = {
        "this is the root of it; the Fréchet distance is reported as d², without the root.": 13**0.5,
        "5 and 3 are standard deviations; you used them as variances.": 17 - 2 * 15**0.5,
        "the term with the root of the product of the variances, -2 · 5 · 3, is missing or wrong.":
            (43.0, 43 - 15.0, 43 - 450.0, 43 - 2 * 15**0.5),
        "25 and 9 are the variances: they are neither subtracted nor squared again.": (25.0, 265.0),
        "the part of the means is missing or not (2 + 1)², as they are 2 and -1, or the parts are subtracted.":
            (1 + 4.0, 3 + 4.0, 4.0),
        "the part of the deviations is missing, or is not (5 - 3)².":
            (9.0, 9 + 2.0, 9 + 8.0**2, 9 + 8.0),
        "this is a KL divergence; a Fréchet distance has no logarithm.":
            (ln(3 / 5) + 34 / 18 - 0.5, ln(5 / 3) + 18 / 50 - 0.5),
    }  # fmt: skip
    return tasks.Number(0.005, mistakes, begin="Write down the part of the means, then that of the deviations.", low=0)


@exercise(
    "05b.3",
    hint="Three means of k(x, y) = (x·y / D + 1)³: over pairs of two different rows of a, over pairs of two different"
    " rows of b, and, twice and with a minus, over pairs of a row of a and a row of b.",
    solution="""
def my_kernel_distance(a, b):
    def k(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x):
        return (k(x, x).sum() - k(x, x).trace()) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * k(a, b).mean()
""",
    praise="This is the kernel distance, unbiased; single values may be negative.",
)
def my_kernel_distance(truth):
    import torch

    def cubic(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def mmd(kernel=cubic, a=1, b=1, mixed=-2, pairs=lambda n: n * (n - 1), off=1, between=torch.mean, one=0):
        def within(x):
            k = kernel(x, x)
            return (k.sum() - off * k.trace() + one * len(x)) / pairs(len(x))

        return lambda x, y: a * within(x) + b * within(y) + mixed * between(kernel(x, y))

    def half_biased(i):  # one of the two sets keeps the pairs with itself
        within = mmd(a=1 - i, b=i, mixed=0)
        return lambda *ab: truth(*ab) + cubic(ab[i], ab[i]).mean() - within(*ab)

    def normalised(x, y):
        x, y = (torch.nn.functional.normalize(z, dim=1) for z in (x, y))
        return cubic(x, y)

    def bell(width):  # a Gaussian kernel
        return mmd(lambda x, y: (-torch.cdist(x, y).square() / width(x.shape[1])).exp())

    cases = [(noise(6, 4), 0.5 + noise(9, 4, seed=1)), (noise(5, 1), noise(3, 1, seed=1)),
             (noise(2, 3), noise(4, 3, seed=3)), ([[0.0], [1.0]], [[0.0], [1.0]])]  # fmt: skip
    mistakes = {
        "pairs of a point and itself are counted: this is biased, too large on average. A diagonal that is set to 0"
        " before the power counts as 1.":
            (mmd(pairs=lambda n: n * n, off=0), mmd(one=1), mmd(one=1, pairs=lambda n: n * n),
             half_biased(0), half_biased(1), mmd(off=-1), mmd(off=-1, pairs=lambda n: n * (n + 1))),
        "the diagonal is taken out of the sum, but the mean still divides by n², or the other way round: how many"
        " pairs are left?":
            (mmd(pairs=lambda n: n * n), mmd(off=0), mmd(pairs=lambda n: n * n - 1)),
        "the three means count 1, 1 and -2: one of them is missing, or counts half, twice or otherwise.": (
            mmd(pairs=lambda n: n * (n - 1) / 2), mmd(pairs=lambda n: 2 * n * (n - 1)),
            mmd(mixed=-1), mmd(mixed=2), mmd(mixed=1), mmd(mixed=0), mmd(a=0), mmd(b=0), mmd(a=0, b=0),
            mmd(a=0, b=0, mixed=1), mmd(a=0, b=0, mixed=-1), mmd(a=-1, b=-1, mixed=1), mmd(b=-1),
        ),
        "the kernel is the third power, of x·y / D + 1; x·y alone gives the squared distance of the means.": (
            mmd(lambda x, y: (x @ y.T / x.shape[1] + 1) ** 2), mmd(lambda x, y: x @ y.T / x.shape[1] + 1),
            mmd(lambda x, y: (x @ y.T / x.shape[1]) ** 3), mmd(lambda x, y: x @ y.T / x.shape[1]),
            mmd(lambda x, y: (x @ y.T / x.shape[1] + 1) ** 4), mmd(lambda x, y: 3 * (x @ y.T / x.shape[1] + 1)),
            mmd(lambda x, y: x @ y.T), lambda a, b: (a.mean(0) - b.mean(0)).square().sum(),
            bell(lambda D: 1), bell(lambda D: 2), bell(lambda D: D), bell(lambda D: 2 * D),
        ),
        "x·y is divided by D, the number of dimensions: not left as it is, not by its root or by N, and nothing else"
        " is.": (
            mmd(lambda x, y: (x @ y.T + 1) ** 3), mmd(lambda x, y: (x @ y.T / x.shape[1] ** 0.5 + 1) ** 3),
            mmd(lambda x, y: (x @ y.T / len(x) + 1) ** 3), mmd(lambda x, y: (x @ y.T + 1) ** 3 / x.shape[1]),
            mmd(lambda x, y: ((x @ y.T + 1) / x.shape[1]) ** 3), mmd(lambda x, y: (x @ y.T) ** 3 / x.shape[1] + 1),
            mmd(lambda x, y: (x @ y.T / x.shape[1] ** 2 + 1) ** 3), mmd(normalised),
            *(lambda *ab, i=i: mmd(lambda x, y: (x @ y.T / len(ab[i]) + 1) ** 3)(*ab)
              for i in (0, 1)),
        ),
        "between the sets no pair is left out: row i of a and row i of b are two points.": (
            mmd(between=lambda k: (k.sum() - k.trace()) / (k.numel() - min(k.shape))),
            mmd(between=lambda k: (k.sum() - k.trace()) / k.numel()), mmd(between=lambda k: k.diagonal().mean()),
            mmd(between=lambda k: k.sum() / (len(k) - 1) / k.shape[1]),
            mmd(between=lambda k: k.sum() / len(k) / (k.shape[1] - 1)),
        ),
        "each sum over pairs is divided by the number of its own pairs.": (
            mmd(pairs=lambda n: 1), lambda a, b: mmd(pairs=lambda n: 1, mixed=-2 * len(a) * len(b))(a, b),
            lambda a, b: mmd(pairs=lambda n: len(a) * len(b))(a, b),
            lambda a, b: mmd(pairs=lambda n: len(a) * (len(a) - 1))(a, b), mmd(pairs=lambda n: n),
        ),
        "this is a root; the kernel distance is the squared discrepancy, and may be negative.": (
            lambda a, b: truth(a, b).sqrt(), lambda a, b: truth(a, b).abs().sqrt(),
            lambda a, b: truth(a, b).clamp(min=0).sqrt(),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
