"""Exercises of 03_vae."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "03.1",
    hint="beta is the price of a nat of KL. When a price rises, less is bought. What did the model buy with these nats:"
    " what does the decoder know of the image, apart from z?",
    solution="""
# A dearer KL term leaves fewer nats about the image in z, so the decoder knows less of it.
answer_1 = {"reconstruction": "rises", "kl": "falls"}
""",
    praise="Fewer nats in the code, worse reconstructions: beta sets the exchange rate.",
)
def answer_1(truth):
    mistakes = {
        "reconstruction falls, kl rises": "the two are the wrong way round: which of them does beta = 4 make dearer?",
        "kl rises": "beta times KL may rise, but the KL alone is asked for, and a nat of it now costs four times more.",
        "kl stays": "the KL does not stay: beta is in the loss, so training weighs each nat of KL differently.",
        "reconstruction falls": "the reconstruction cannot gain: training now weighs it less against the KL, not more.",
        "reconstruction stays": "the reconstruction error has no beta of its own, but it depends on what z tells.",
    }
    return tasks.Words(("rises", "falls", "stays"), mistakes)


@exercise(
    "03.2",
    hint="KL(N(mu, sigma²) || N(0, 1)) = ½ (mu² + sigma² - 1 - ln sigma²). With sigma = 2, what is the variance?",
    solution="""
import math

mu, variance = 1.0, 2.0**2
answer_2 = 0.5 * (mu**2 + variance - 1 - math.log(variance))  # 1.3069
""",
    praise="1.3069 nats, or 1.31 to two decimals.",
)
def answer_2(truth):
    ln = math.log
    mistakes = {
        "2 is the standard deviation; somewhere you used it as the variance, which is 4, or as the"
        " variance's logarithm, or 4 as what is squared.":
            ((2 - ln(2)) / 2, (4 - ln(2)) / 2, (2 - ln(4)) / 2, (16 - ln(16)) / 2, (math.exp(2) - 2) / 2),
        "the factor ½ is missing: it stands before every term, the logarithm too.":
            (4 - ln(4), 2 - ln(4), 4.5 - ln(2)),
        "nats take the natural logarithm; this has base 2 or 10, or is rounded too far: two decimals.":
            (truth / ln(2), 1.0, 1.3, (4 - math.log10(4)) / 2),
        "this is KL(N(0, 1) || N(1, 4)): the two distributions are swapped.": ((ln(4) - 0.5) / 2, ln(2) / 2),
        "the logarithm is missing or has the wrong sign.": (2.0, (4 + ln(4)) / 2),
        "the -1 in the bracket is missing.": (5 - ln(4)) / 2,
        "the part of the mean is missing, or the -1 stands outside the bracket, where ½ misses it.": (3 - ln(4)) / 2,
        "the size is right, the sign is not: this is minus the KL, as in the ELBO.": -truth,
    }  # fmt: skip
    return tasks.Number(0.006, mistakes, begin="Write down the four terms in the bracket one by one.", low=0)


@exercise(
    "03.3",
    hint="eps is a sample from N(0, I). Scale it by the standard deviation, then shift it by the mean. The encoder"
    " gives ln sigma²: which function of it is sigma?",
    solution="""
def my_reparameterise(mu, log_var, eps):
    sigma = (log_var / 2).exp()  # the root of the variance exp(log_var)
    return mu + sigma * eps
""",
    praise="z is a sample from N(mu, exp(log_var)), and gradients reach mu and log_var.",
)
def my_reparameterise(truth):
    cases = [tuple(noise(*shape, seed=seed) for seed in range(3)) for shape in ((4, 3), (1, 2, 4, 4), (1, 1))]
    mistakes = {
        "log_var, its half, its root or a softplus is used as the standard deviation: the"
        " exponential of the half is due.": (
            lambda m, v, eps: m + v * eps, lambda m, v, eps: m + v / 2 * eps,
            lambda m, v, eps: m + v.sqrt() * eps, lambda m, v, eps: m + v.abs().sqrt() * eps,
            lambda m, v, eps: m + v.exp().log1p() * eps, lambda m, v, eps: m + (v / 2).exp().log1p() * eps,
        ),
        "eps is scaled by the variance, its half or its square; the standard deviation is exp(log_var / 2).": (
            lambda m, v, eps: m + v.exp() * eps, lambda m, v, eps: m + v.exp() / 2 * eps,
            lambda m, v, eps: m + (2 * v).exp() * eps,
        ),
        "eps stands inside the exponential or the root: close the bracket before it.": (
            lambda m, v, eps: m + (v / 2 * eps).exp(), lambda m, v, eps: m + (v.exp() * eps).sqrt(),
            lambda m, v, eps: m + (v * eps).exp(), lambda m, v, eps: m + (v * eps / 2).exp() * eps,
        ),
        "eps is divided by sigma: look at the sign in the exponent.": lambda m, v, eps: m + (-v / 2).exp() * eps,
        "the noise is subtracted. z has the same law, but add it, as asked.": lambda m, v, eps: m - (v / 2).exp() * eps,
        "mu is scaled, by sigma or by eps: scale the noise alone, then shift it.": (
            lambda m, v, eps: (m + eps) * (v / 2).exp(), lambda m, v, eps: m * (v / 2).exp() + eps,
            lambda m, v, eps: m * eps + (v / 2).exp(), lambda m, v, eps: (m + (v / 2).exp()) * eps,
        ),
        "mu is left out, or log_var is.": (lambda m, v, eps: (v / 2).exp() * eps, lambda m, v, eps: m + eps),
        "eps changes nothing: it is left out.": (lambda m, v, eps: m, lambda m, v, eps: m + (v / 2).exp()),
    }  # fmt: skip
    cases += [([0.0], [0.0], [2.0]), ([3.0], [math.log(4)], [1.0])]
    return tasks.Function(cases, mistakes, gradients={"mu": "", "log_var": ""})


@exercise(
    "03.4",
    hint="In one dimension, KL(N(mu_1, v_1) || N(mu_2, v_2)) = ½ (ln v_2 - ln v_1 + (v_1 + (mu_1 - mu_2)²) / v_2 - 1)."
    " The dimensions are independent: what does that do to their divergences?",
    solution="""
def kl_between(mu_1, log_var_1, mu_2, log_var_2):
    ratio = (log_var_1.exp() + (mu_1 - mu_2) ** 2) / log_var_2.exp()  # (B, D)
    return 0.5 * (log_var_2 - log_var_1 + ratio - 1).sum(dim=1)       # (B,)
""",
    praise="This is the divergence of any two diagonal Gaussians, one number a pair.",
)
def kl_between(truth):
    cases = [tuple(noise(*shape, seed=seed) for seed in range(4)) for shape in ((4, 3), (1, 5), (3, 1))]
    cases += [([[1.0]], [[math.log(4)]], [[0.0]], [[0.0]]), ([[1.0]], [[math.log(4)]], [[1.0]], [[math.log(4)]])]

    def kl(logs=1.0, one=1.0, square=lambda way, v, w: way**2 / w.exp()):
        return lambda m, v, n, w: 0.5 * (logs * (w - v) + (v - w).exp() + square(m - n, v, w) - one).sum(1)

    mistakes = {
        "the Gaussians are swapped, in all or in the quotient, or both ways are added up or"
        " averaged: KL(first || second) alone is due.": (
            lambda m, v, n, w: truth(n, w, m, v), lambda m, v, n, w: truth(m, v, n, w) + truth(n, w, m, v),
            lambda m, v, n, w: (truth(m, v, n, w) + truth(n, w, m, v)) / 2,
            lambda m, v, n, w: truth(n, w, m, v) + (w - v).sum(1),
            lambda m, v, n, w: truth(m, v, n, w) + 0.5 * ((w - v).exp() - (v - w).exp()).sum(1),
        ),
        "the sum runs over the batch, or the dimensions are averaged: the dimensions add up.": (
            lambda m, v, n, w: truth(m.T, v.T, n.T, w.T),
            lambda m, v, n, w: truth(m, v, n, w) / m.shape[1],
        ),
        "the -1 is missing, has the wrong sign or is there only once: each dimension has one.":
            (kl(one=0), lambda m, v, n, w: kl(one=0)(m, v, n, w) - 0.5, kl(one=-1)),
        "the ½ stands before every term: the logarithms, the quotient and the -1.": (
            lambda m, v, n, w: 2 * truth(m, v, n, w) - 0.5 * (w - v).sum(1), kl(one=2),
            lambda m, v, n, w: 2 * kl(logs=0.5, one=0.5)(m, v, n, w),
            lambda m, v, n, w: 2 * kl(one=0.5)(m, v, n, w),
        ),
        "the second Gaussian is ignored, or its own divergence is subtracted: N(0, I) plays no"
        " part.": (
            lambda m, v, n, w: truth(m, v, 0 * n, 0 * w),
            lambda m, v, n, w: truth(m, v, 0 * n, 0 * w) - truth(n, w, 0 * m, 0 * v),
        ),
        "the logarithms are wrong: ½ (log_var_2 - log_var_1) is due.":
            (kl(logs=0), kl(logs=2), kl(logs=-1), kl(logs=0.5)),
        "the means come in wrongly, or v_2 does not divide all: (v_1 + (mu_1 - mu_2)²) / v_2 is"
        " due.": (
            lambda m, v, n, w: 0.5 * (w - v + v.exp() + (m - n) ** 2 / w.exp() - 1).sum(1),
            kl(square=lambda way, v, w: 0), kl(square=lambda way, v, w: way / w.exp()),
            kl(square=lambda way, v, w: way**2), kl(square=lambda way, v, w: -(way**2) / w.exp()),
            kl(square=lambda way, v, w: way**2 / v.exp()), kl(square=lambda way, v, w: way.abs() / w.exp()),
            kl(square=lambda way, v, w: way**2 / (w / 2).exp()), lambda m, v, n, w: truth(m, v, -n, w),
            lambda m, v, n, w: truth(m, v, m, w) + 0.5 * ((m - n) / (w / 2).exp()).sum(1) ** 2,
        ),
        "the variance is the exponential of log_var: not log_var itself, its half's or its double's.": (
            lambda m, v, n, w: 0.5 * (w - v + (v + (m - n) ** 2) / w - 1).sum(1),
            lambda m, v, n, w: 0.5 * ((w / v).log() + (v + (m - n) ** 2) / w - 1).sum(1),
            lambda m, v, n, w: 0.5 * (w.log() - v.log() + (v + (m - n) ** 2) / w - 1).sum(1),
            lambda m, v, n, w: truth(m, v / 2, n, w / 2) + 0.25 * (w - v).sum(1),
            lambda m, v, n, w: truth(m, v / 2, n, w / 2), lambda m, v, n, w: truth(m, 2 * v, n, 2 * w),
            lambda m, v, n, w: kl(one=1)(m, v, n, w) + ((v - w) / 2).exp().sum(1) / 2
            - (v - w).exp().sum(1) / 2,
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "03.5",
    hint="torch has a function for the logarithm of a sum of exponentials that does not overflow. What makes a mean of"
    " a sum over k weights, and what is that in logarithms?",
    solution="""
import math


def my_iwae_bound(log_w):
    return log_w.logsumexp(dim=0) - math.log(log_w.shape[0])  # (k, B) -> (B,)
""",
    praise="The bound of Burda et al. (2016), one number an image, and it does not overflow.",
)
def my_iwae_bound(truth):
    def naive(w):
        return w.exp().mean(0).log()

    cases = [(2 * noise(5, 3),), (noise(1, 4),), (noise(6, 1),), ([[0.0], [math.log(3)]],), ([[0.0]] * 4,)]
    overflow = "right for small numbers only: exp(log_w) overflows or vanishes; take out each image's maximum."
    mistakes = {
        "this is the mean of the logarithms (the ELBO) or their sum; asked for is the logarithm of"
        " the mean.":
            (lambda w: w.mean(0), lambda w: w.sum(0)),
        "this is the logarithm of the sum of the weights, not of their mean: k is missing.": lambda w: w.logsumexp(0),
        "dividing by k means, in logarithms, to subtract ln k: not k, no other base, not before the"
        " logarithm, and not to add it.": (
            lambda w: w.logsumexp(0) + math.log(len(w)), lambda w: w.logsumexp(0) / len(w),
            lambda w: w.logsumexp(0) - len(w), lambda w: w.logsumexp(0) - math.log2(len(w)),
            lambda w: w.logsumexp(0) - math.log10(len(w)), lambda w: (w / len(w)).logsumexp(0),
        ),
        "the mean runs over the k samples, the first axis of log_w, alone; the images are the second.": (
            lambda w: truth(w.reshape(-1, 1))[0],
            lambda w: truth(w.T), lambda w: w.logsumexp(1) - math.log(len(w)), lambda w: w.logsumexp(1),
            lambda w: w.logsumexp(0) - math.log(w.shape[1]), lambda w: w.mean(1),
        ),
        "log1p adds 1 to the mean weight before its logarithm; nothing is added.": lambda w: w.exp().mean(0).log1p(),
        "this is the largest log weight, or a mean by softmax or of log_softmax; the logarithm of the mean weight is"
        " asked for.": (
            lambda w: w.amax(0), lambda w: (w.softmax(0) * w).sum(0),
            lambda w: w.log_softmax(0).mean(0), lambda w: w.softmax(0).mean(0).log(),
        ),
        "the largest log weight was subtracted for safety; add it again at the end.":
            (lambda w: truth(w) - w.amax(0), lambda w: truth(w) - w.max()),
        overflow: (naive, lambda w: naive(w - w.max()) + w.max(), lambda w: (w.exp().mean(0) + 1e-8).log()),
    }  # fmt: skip
    far = noise(5, 3) + noise(3).new_tensor([-2000.0, 0.0, 2000.0])
    edges = [(far,), ([[-1000.0], [-1001.0]],), ([[-1000.0], [-800.0]],), ([[-800.0], [-1000.0]],)]
    return tasks.Function(cases, mistakes, edges={overflow: edges})
