"""Exercises of 05_dcgan."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "05.1",
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
    "05.2",
    hint="In one dimension the matrices are numbers: (m_1 - m_2)² + v_1 + v_2 - 2 (v_1 v_2)^(1/2), with variances v."
    " Can the last three terms be written as one square?",
    solution="""
mean_1, sigma_1, mean_2, sigma_2 = 1.0, 3.0, -1.0, 2.0
answer_2 = (mean_1 - mean_2) ** 2 + (sigma_1 - sigma_2) ** 2  # 5
""",
    praise="It is the squared distance of the points (mean, standard deviation).",
)
def answer_2(truth):
    ln = math.log
    mistakes = {
        "this is the root of it; the Fréchet distance is reported as d², without the root.": 5**0.5,
        "3 and 2 are standard deviations; you used them as variances.": 9 - 2 * 6**0.5,
        "the term with the root of the product of the variances, -2 · 3 · 2, is missing or wrong.":
            (17.0, 17 - 6.0, 17 - 72.0),
        "9 and 4 are the variances: they are neither subtracted nor squared again.": (9.0, 29.0),
        "the part of the means is missing, or is not (1 + 1)²: they are 1 and -1.": (1.0, 2 + 1.0, 3.0, 7.0),
        "the part of the standard deviations is missing.": (4.0, 2.0),
        "this is a KL divergence; a Fréchet distance has no logarithm.":
            (ln(2 / 3) + 13 / 8 - 0.5, ln(3 / 2) + 8 / 18 - 0.5),
    }  # fmt: skip
    return tasks.Number(0.005, mistakes, begin="Write down the part of the means, then that of the deviations.", low=0)


@exercise(
    "05.3",
    hint="With the target t, the cross-entropy of a logit l is -t log D - (1 - t) log(1 - D), D = sigmoid(l). Which of"
    " the two kinds of image has the target 0.9, and which keeps 0?",
    solution="""
import torch.nn.functional as F


def smoothed_loss(real, fake):
    on_real = 0.9 * F.softplus(-real) + 0.1 * F.softplus(real)  # -0.9 log D - 0.1 log(1 - D)
    return on_real.mean() + F.softplus(fake).mean()
""",
    praise="One-sided label smoothing, as Salimans et al. (2016) advise it.",
)
def smoothed_loss(truth):
    def softplus(x):
        return x.clamp(min=0) + (1 + (-x.abs()).exp()).log()

    def ce(x, target, softplus=softplus):  # -target log D - (1 - target) log(1 - D)
        return target * softplus(-x) + (1 - target) * softplus(x)

    def unsafe(x):
        return (1 + x.exp()).log()

    cases = [(2 * noise(8), 2 * noise(8, seed=1)), (noise(3), noise(5, seed=1)), ([0.5], [-0.5]), ([1.0], [2.0])]
    overflow = "right for small logits only: exp overflows at 200. `F.softplus` or `binary_cross_entropy_with_logits`"
    overflow += " does not."
    mistakes = {
        "the labels are not smoothed: real images still have the target 1.":
            lambda r, f: ce(r, 1).mean() + ce(f, 0).mean(),
        "generated images are smoothed; only real ones are to be: a generated image must never be taught as real.":
            (lambda r, f: ce(r, 0.9).mean() + ce(f, 0.1).mean(), lambda r, f: ce(r, 1).mean() + ce(f, 0.1).mean()),
        "a target of 0.9 leaves 0.1 for the other outcome: the term with log(1 - D) of real images is missing.":
            lambda r, f: 0.9 * ce(r, 1).mean() + ce(f, 0).mean(),
        "0.9 and 0.1 are swapped: this teaches that real images are mostly generated.":
            lambda r, f: ce(r, 0.1).mean() + ce(f, 0).mean(),
        "this teaches that generated images are real, or real ones generated: positive logits mean real.": (
            lambda r, f: ce(r, 0.1).mean() + ce(f, 1).mean(), lambda r, f: ce(r, 0.9).mean() + ce(f, 1).mean(),
            lambda r, f: truth(f, r),
        ),
        "the part of the real or of the generated images is missing, or has the wrong sign.": (
            lambda r, f: ce(r, 0.9).mean(), lambda r, f: ce(f, 0).mean(),
            lambda r, f: ce(r, 0.9).mean() - ce(f, 0).mean(), lambda r, f: ce(f, 0).mean() - ce(r, 0.9).mean(),
        ),
        "take the mean of each kind by itself, then add the two.": (
            lambda r, f: ce(r, 0.9).sum() + ce(f, 0).sum(),
            lambda r, f: (ce(r, 0.9).sum() + ce(f, 0).sum()) / (len(r) + len(f)),
        ),
        overflow: (
            lambda r, f: ce(r, 0.9, unsafe).mean() + ce(f, 0, unsafe).mean(),
            lambda r, f: truth(r.clamp(-18, 18), f.clamp(-18, 18)),
        ),
    }  # fmt: skip
    edges = {overflow: [([200.0, -200.0], [200.0, -200.0]), ([-30.0], [30.0])]}
    return tasks.Function(cases, mistakes, edges, gradients={"real": "", "fake": ""})


@exercise(
    "05.4",
    hint="Each input value stamps the whole kernel, scaled by itself, onto the output, starting at stride times its own"
    " place. Stamps that overlap add up. How long must the output be for the last stamp?",
    solution="""
def transposed(x, w, stride):
    stamped = x.new_zeros((len(x) - 1) * stride + len(w))
    for i in range(len(x)):
        stamped[i * stride : i * stride + len(w)] += x[i] * w
    return stamped
""",
    praise="It equals `F.conv_transpose1d`, and the gradient of `F.conv1d` by its input.",
)
def transposed(truth):
    def last_stamp_wins(x, w, stride):
        y = 0 * truth(x, w, stride)
        for i in range(len(x)):
            y[i * stride : i * stride + len(w)] = x[i] * w
        return y

    cases = [(noise(5), noise(4, seed=1), 2), (noise(4, seed=2), noise(3, seed=3), 1), (noise(3), noise(2, seed=1), 3),
             ([2.0], [1.0, 2.0, 3.0, 4.0], 2), ([1.0, 10.0], [1.0, 2.0, 3.0], 2)]  # fmt: skip
    mistakes = {
        "the kernel is turned round: stamp it as it is.": lambda x, w, s: truth(x, w.flip(0), s),
        "the input runs from the end to the start.": lambda x, w, s: truth(x.flip(0), w, s),
        "the stride is ignored: neighbouring stamps are `stride` places apart.":
            (lambda x, w, s: truth(x, w, 1), lambda x, w, s: truth(x, w, 2)),
        "stamps overwrite each other where they overlap; add them up.": last_stamp_wins,
        "the length is wrong: the result has (L - 1) · stride + k places, without padding.": (
            lambda x, w, s: truth(x, w, s)[1:-1], lambda x, w, s: truth(x, w, s)[: len(x) * s],
            lambda x, w, s: truth(x, w, s)[:-1],
        ),
        "the values are divided; stamps add up, they are not averaged.": (
            lambda x, w, s: truth(x, w, s) / s, lambda x, w, s: truth(x, w, s) / len(w),
            lambda x, w, s: truth(x, w / w.sum(), s),
        ),
        "the kernel's or the input's values are not used: each stamp is x[i] times w.":
            (lambda x, w, s: truth(x, 0 * w + 1, s), lambda x, w, s: truth(0 * x + 1, w, s)),
        "the roles of input and kernel are swapped.": lambda x, w, s: truth(w, x, s),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "05.5",
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
