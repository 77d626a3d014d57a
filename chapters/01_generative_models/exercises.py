"""Exercises of 01_generative_models."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "01.1",
    hint="Precision: the share of the samples that lie inside the cloud of real points. Recall: the share of the real"
    " points that lie inside the cloud of samples. Which points have no partner now, samples or real ones?",
    solution="""
# Half of the samples lie on a moon that is not real; each real point has samples near it.
answer_1 = {"precision": "falls", "recall": "stays"}
""",
    praise="Precision asks about samples, recall about real points: who swaps the two sets swaps the figures.",
)
def answer_1(truth):
    mistakes = {
        "precision stays, recall falls": "the two are the wrong way round: which of them asks about the samples?",
        "precision rises": "precision cannot gain: half of the samples lie where no real point is.",
        "precision stays": "precision suffers: half of the samples lie where no real point is.",
        "recall rises": "recall gains nothing to speak of: each real point had samples near it already.",
        "recall falls": "recall does not suffer: each real point has samples near it.",
    }
    return tasks.Words(("rises", "falls", "stays"), mistakes)


@exercise(
    "01.2",
    hint="The mean is 4. The deviations are -3, -1 and 4: square them, take their mean (divide by 3), then the root.",
    solution="""
import math

mean = (1 + 3 + 8) / 3
answer_2 = math.sqrt(((1 - mean) ** 2 + (3 - mean) ** 2 + (8 - mean) ** 2) / 3)  # 2.9439
""",
    praise="2.9439; an answer within 0.006 counts.",
)
def answer_2(truth):
    mistakes = {
        "this is the variance, over N or over N - 1; the standard deviation is the root of the one over N.":
            (26 / 3, 8.7, 13.0),
        "you divided by N - 1. That makes the variance unbiased, but maximum likelihood divides by N.": 13**0.5,
        "the squared deviations are added up; their mean is asked for, before the root.": (26**0.5, 26.0),
        "these are deviations without their squares: the mean absolute deviation, not the standard one.": 8 / 3,
        "the mean is 4: it is subtracted before you square, and is not the answer.":
            (4.0, (74 / 3) ** 0.5, 74 / 3, (29 / 3) ** 0.5),
        "the root comes last, and N divides once, inside of it.":
            (26**0.5 / 3, (26 / 9) ** 0.5, 26 / 9, 26**0.5 / 2, (13 / 3) ** 0.5),
        "the size is right, but a standard deviation is never negative.": -truth,
        "rounded too far, or in the wrong direction: two decimals or more are asked for.": (2.9, 2.95, 3.0),
    }  # fmt: skip
    return tasks.Number(0.006, mistakes, begin="Write down the three squared deviations one by one.", low=0)


@exercise(
    "01.3",
    hint="Write it as a mean of log p - log q under p, one row at a time. `torch.xlogy(p, p)` is p log p, and 0 where p"
    " is 0; `torch.xlogy(p, q)` is p log q.",
    solution="""
import torch


def kl_of_rows(p, q):
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(dim=1)  # (B, n) -> (B,)
""",
    praise="Never negative, 0 only for equal distributions, infinite where q rules out what p has.",
)
def kl_of_rows(truth):
    import torch

    cases = [tuple(noise(*shape, seed=s).softmax(1) for s in (0, 1)) for shape in ((4, 3), (1, 5), (3, 2))]
    cases += [([[0.5, 0.5]], [[0.25, 0.75]]), ([[0.25, 0.75]], [[0.25, 0.75]])]
    zero = "right where p > 0, but 0 · log 0 is nan for a computer; it must count 0, also where q is 0."
    infinite = "right where q > 0; an outcome that p has and q rules out makes the divergence infinite."
    mistakes = {
        "the distributions are swapped: this is KL(q || p).": lambda p, q: truth(q, p),
        "the logarithms are weighted by q; the weights must be those of p.": lambda p, q: -truth(q, p),
        "the sum must run over the outcomes, the last axis: this is their mean, or a sum over the batch.":
            (lambda p, q: truth(p, q) / p.shape[1], lambda p, q: truth(p.T, q.T)),
        "the weights p in front of the logarithms are missing.":
            (lambda p, q: (p / q).log().sum(1), lambda p, q: (p / q).log().mean(1)),
        "this is an entropy, another distance or a quotient; the divergence is the mean of log(p / q) under p.": (
            lambda p, q: -(p * q.log()).sum(1), lambda p, q: (p * p.log()).sum(1),
            lambda p, q: (p * p.log() - q * q.log()).sum(1), lambda p, q: (p * p.log() / q.log()).sum(1),
            lambda p, q: (p - q).abs().sum(1), lambda p, q: (p - q).square().sum(1),
            lambda p, q: truth(p, q) + truth(q, p), lambda p, q: (p * p / q).sum(1),
            lambda p, q: (truth(p, (p + q) / 2) + truth(q, (p + q) / 2)) / 2,
        ),
        "p and q are probabilities: no softmax; and `kl_div` wants log q first, then p itself, not its logarithm.": (
            lambda p, q: (p * p.log() - p * q).sum(1), lambda p, q: (q * q.log() - p * q).sum(1),
            lambda p, q: (p.log() * p.log().log()).sum(1), lambda p, q: truth(p.softmax(1), q.softmax(1)),
        ),
        zero: (
            lambda p, q: (p * (p / q).log()).sum(1), lambda p, q: (p * ((p + 1e-3) / q).log()).sum(1),
            lambda p, q: torch.xlogy(p, p / q).sum(1),
        ),
        infinite: lambda p, q: torch.where(q > 0, torch.xlogy(p, p / q), 0.0).sum(1),
    }  # fmt: skip
    edges = {
        zero: [
            ([[0.0, 1.0]], [[0.5, 0.5]]),
            ([[0.0, 1.0]], [[0.0, 1.0]]),
            ([[0.0, 1.0], [0.5, 0.5]], [[0.5, 0.5], [0.25, 0.75]]),
        ],
        infinite: [([[0.5, 0.5]], [[1.0, 0.0]]), ([[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.25, 0.75]])],
    }
    return tasks.Function(cases, mistakes, edges)


@exercise(
    "01.4",
    hint="`x[:, None]` has shape (N, 1) and meets `mu` of shape (K,) in shape (N, K). The normal log-density there has"
    " three parts: the square, log sigma, and ½ log 2π. Weights become a sum on the log scale.",
    solution="""
import math


def mixture_log_prob(x, pi, mu, sigma):
    log_normal = -0.5 * ((x[:, None] - mu) / sigma) ** 2 - sigma.log() - 0.5 * math.log(2 * math.pi)
    return (pi.log() + log_normal).logsumexp(dim=1)  # (N, K) -> (N,)
""",
    praise="The log-density of any mixture on a line, also where every density is too small for a float.",
)
def mixture_log_prob(truth):
    def parts(x, mu, sigma, square=-0.5, log_sigma=1.0, constant=1.0):
        logs = log_sigma * sigma.log() + constant * 0.5 * math.log(2 * math.pi)
        return square * ((x[:, None] - mu) / sigma) ** 2 - logs

    def mixture(**how):
        return lambda x, pi, mu, sigma: (pi.log() + parts(x, mu, sigma, **how)).logsumexp(1)

    cases = [(noise(n, seed=n), noise(k, seed=1).softmax(0), noise(k, seed=2), noise(k, seed=3).exp())
             for n, k in ((5, 3), (1, 4), (3, 2))]  # fmt: skip
    cases += [(noise(4, seed=8), [1.0], [0.5], [2.0]), ([0.0, 1.0], [0.25, 0.75], [0.0, 1.0], [1.0, 0.5])]
    far = "right near the middle only: far away each density underflows to 0. Stay on the log scale, point by point."
    mistakes = {
        "the weights `pi` are missing, all equal, or taken for logits or the number π (`math.pi`):"
        " their logarithm is added, as it is.": (
            lambda x, pi, mu, s: parts(x, mu, s).logsumexp(1),
            lambda x, pi, mu, s: parts(x, mu, s).logsumexp(1) - math.log(len(pi)),
            lambda x, pi, mu, s: (pi + parts(x, mu, s)).logsumexp(1),
            lambda x, pi, mu, s: (pi * parts(x, mu, s)).logsumexp(1),
            lambda x, pi, mu, s: truth(x, pi.softmax(0), mu, s),
            lambda x, pi, mu, s: (pi.log() + parts(x, mu, s, constant=0) - (2 * pi).log() / 2).logsumexp(1),
        ),
        "log-densities are added or averaged; the logarithm of the weighted sum of densities is asked for.": (
            lambda x, pi, mu, s: (pi * parts(x, mu, s)).sum(1),
            lambda x, pi, mu, s: (pi.log() + parts(x, mu, s)).sum(1),
        ),
        "the sum must run over all Gaussians: this has the largest alone, or their mean, or runs over the points.": (
            lambda x, pi, mu, s: (pi.log() + parts(x, mu, s)).amax(1),
            lambda x, pi, mu, s: truth(x, pi, mu, s) - math.log(len(pi)),
            lambda x, pi, mu, s: (pi.log() + parts(x, mu, s)).logsumexp(0),
        ),
        "sigma is the standard deviation: not the variance, nor its logarithm, nor to be squared once more.": (
            lambda x, pi, mu, s: truth(x, pi, mu, s.sqrt()), lambda x, pi, mu, s: truth(x, pi, mu, s**2),
            lambda x, pi, mu, s: truth(x, pi, mu, s.exp()),
        ),
        "log sigma or ½ log 2π is missing, or comes with another factor: both are subtracted once.": (
            mixture(log_sigma=0), mixture(constant=0), mixture(log_sigma=0, constant=0), mixture(log_sigma=-1),
            mixture(constant=-1), mixture(constant=2), mixture(log_sigma=0.5), mixture(log_sigma=2),
            lambda x, pi, mu, s: mixture(constant=len(mu))(x, pi, mu, s),
        ),
        "the part with the square is wrong: its factor is -½, and sigma divides all of what is squared.": (
            mixture(square=-1.0), mixture(square=0.5),
            *(lambda x, pi, mu, s, power=power: (pi.log() + parts(x, mu, s, square=-0.5 * s**power)).logsumexp(1)
              for power in (1, 2)),
            lambda x, pi, mu, s: (pi.log() + parts(x, mu * s, s)).logsumexp(1),
        ),
        "the largest term was subtracted for safety; add it again at the end.": (
            lambda x, pi, mu, s: truth(x, pi, mu, s) - (pi.log() + parts(x, mu, s)).amax(1),
            lambda x, pi, mu, s: truth(x, pi, mu, s) - (pi.log() + parts(x, mu, s)).max(),
        ),
        far: (
            lambda x, pi, mu, s: (pi.log() + parts(x, mu, s)).exp().sum(1).log(),
            lambda x, pi, mu, s: truth(x.clamp(-20, 20), pi, mu, s),
        ),
    }  # fmt: skip
    two = ([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0])
    return tasks.Function(cases, mistakes, edges={far: [([100.0], *two), ([0.0, 100.0, -60.0], *two)]})


@exercise(
    "01.5",
    hint="z = (x - b) / a. The determinant of a diagonal matrix is the product of its entries; its logarithm a sum."
    " Where |a| > 1 space is stretched: does the density rise or fall?",
    solution="""
import math


def flow_log_prob(x, a, b):
    z = (x - b) / a
    log_p_z = (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(dim=1)
    return log_p_z - a.abs().log().sum()  # (B,)
""",
    praise="The change of variables in D dimensions; a deep flow adds one such term a layer.",
)
def flow_log_prob(truth):
    half_log = 0.5 * math.log(2 * math.pi)

    def flow(z=lambda x, a, b: (x - b) / a, log_det=lambda a: a.abs().log().sum(), constant=half_log, factor=-0.5):
        return lambda x, a, b: (factor * z(x, a, b) ** 2 - constant).sum(1) - log_det(a)

    cases = [
        (noise(4, 3), noise(3, seed=1).exp() + 0.5, noise(3, seed=2)),
        (noise(1, 5, seed=3), noise(5, seed=4).exp(), noise(5, seed=5)),
        (noise(3, 1, seed=6), [2.0], [0.5]),
        ([[1.0]], [2.0], [0.5]),
    ]
    mirror = "right for positive a only: a flow may mirror, so take absolute values before the logarithm."
    mistakes = {
        "the determinant is missing: where the flow stretches space, the density must fall.": flow(log_det=lambda a: 0),
        "the log-determinant has the wrong sign.": flow(log_det=lambda a: -a.abs().log().sum()),
        "the sum of log |a| is subtracted, once: not a mean, half or twice that, nor |a| without its logarithm.": (
            flow(log_det=lambda a: a.abs().log().mean()), flow(log_det=lambda a: a.abs().log().sum() / 2),
            flow(log_det=lambda a: 2 * a.abs().log().sum()), flow(log_det=lambda a: a.abs().prod()),
            flow(log_det=lambda a: a.abs().sum()), flow(log_det=lambda a: len(a) * a.abs().log().sum()),
            lambda x, a, b: flow(log_det=lambda a: 0)(x, a, b) / a.abs().prod(),
            flow(log_det=lambda a: a.abs().sum().log()),
            lambda x, a, b: flow(log_det=lambda a: len(x) * a.abs().log().sum())(x, a, b),
        ),
        "z is not the way back from x: first b is subtracted, then a divides.": (
            flow(z=lambda x, a, b: a * x + b), flow(z=lambda x, a, b: x - b), flow(z=lambda x, a, b: x / a),
            flow(z=lambda x, a, b: (x + b) / a), flow(z=lambda x, a, b: x / a - b), flow(z=lambda x, a, b: x),
            flow(z=lambda x, a, b: x - b / a), flow(z=lambda x, a, b: (x - a) / b),
            lambda x, a, b: truth(x, b, a),
            flow(z=lambda x, a, b: a * x + b, log_det=lambda a: -a.abs().log().sum()),
            flow(z=lambda x, a, b: x, log_det=lambda a: 0),
        ),
        "each dimension has -½ z² and -½ log 2π: one of them is missing, is there only once, or has another factor.": (
            flow(constant=0), lambda x, a, b: flow(constant=0)(x, a, b) - half_log, flow(constant=2 * half_log),
            flow(constant=-half_log), flow(factor=-1), flow(factor=0.5),
        ),
        "a is used as the variance, or is squared: it scales z, so it is the standard deviation.":
            (lambda x, a, b: truth(x, a.abs().sqrt(), b), lambda x, a, b: truth(x, a**2, b)),
        "the sum runs over the batch, or the dimensions are averaged; add up over the dimensions.": (
            lambda x, a, b: (-0.5 * ((x - b) / a) ** 2 - half_log - a.abs().log()).sum(0),
            lambda x, a, b: (-0.5 * ((x - b) / a) ** 2 - half_log - a.abs().log()).mean(1),
        ),
        mirror: (flow(log_det=lambda a: a.log().sum()), flow(log_det=lambda a: a.prod().log())),
    }  # fmt: skip
    edges = {
        mirror: [
            ([[0.0]], [-2.0], [0.0]),
            ([[0.0, 1.0]], [-1.0, 3.0], [0.0, 0.5]),
            ([[1.0, 1.0]], [-1.0, -3.0], [0.0, 0.5]),
        ]
    }
    return tasks.Function(cases, mistakes, edges)
