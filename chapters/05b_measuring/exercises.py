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
        "the part of the means is missing, or is not (2 + 1)²: they are 2 and -1.": (1 + 4.0, 3 + 4.0, 4.0),
        "the part of the deviations is missing, or is not (5 - 3)².": (9.0, 9 + 2.0),
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
    def mmd(kernel=lambda p, x: (p / x.shape[1] + 1) ** 3, a=1, b=1, mixed=-2, pairs=lambda n: n * (n - 1), off=1):
        def within(x):
            k = kernel(x @ x.T, x)
            return (k.sum() - off * k.trace()) / pairs(len(x))

        return lambda x, y: a * within(x) + b * within(y) + mixed * kernel(x @ y.T, x).mean()

    cases = [(noise(6, 4), 0.5 + noise(9, 4, seed=1)), (noise(5, 1), noise(3, 1, seed=1)),
             (noise(2, 3), noise(4, 3, seed=3)), ([[0.0], [1.0]], [[0.0], [1.0]])]  # fmt: skip
    mistakes = {
        "pairs of a point and itself are counted: this is the biased estimate, too large on average.":
            mmd(pairs=lambda n: n * n, off=0),
        "the diagonal is taken out of the sum, but the mean still divides by n², or the other way round: how many"
        " pairs are left?": (mmd(pairs=lambda n: n * n), mmd(off=0), mmd(pairs=lambda n: n * (n - 1) / 2)),
        "the mean over mixed pairs counts -2: twice, and with a minus.": (mmd(mixed=-1), mmd(mixed=2), mmd(mixed=0)),
        "the mean over pairs of a is missing, or that over pairs of b.": (mmd(a=0), mmd(b=0)),
        "the kernel is the third power, of x·y / D + 1.": (
            mmd(lambda p, x: (p / x.shape[1] + 1) ** 2), mmd(lambda p, x: p / x.shape[1] + 1),
            mmd(lambda p, x: (p / x.shape[1]) ** 3), mmd(lambda p, x: p / x.shape[1]),
        ),
        "x·y is divided by D, the number of dimensions: not left as it is, and not by its root or by N.": (
            mmd(lambda p, x: (p + 1) ** 3), mmd(lambda p, x: (p / x.shape[1] ** 0.5 + 1) ** 3),
            mmd(lambda p, x: (p / len(x) + 1) ** 3),
        ),
        "this is the squared distance of the means; the kernel sees more.":
            lambda a, b: (a.mean(0) - b.mean(0)).square().sum(),
        "the sums over pairs are not divided by the numbers of pairs.": (
            mmd(pairs=lambda n: 1), lambda a, b: mmd(pairs=lambda n: 1, mixed=-2 * len(a) * len(b))(a, b),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
