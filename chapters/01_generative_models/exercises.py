"""Exercises of chapter 01, generative models: the graders, with hints and solutions."""

from aigc_course.plumbing.grading import Wrong, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "01.1",
    hint="Precision: the share of the draws that lie inside the cloud of real points. Recall: the share of the real"
    " points that lie inside the cloud of draws. Where are the real points of the lower moon?",
    solution="""
# Every draw lies on a real moon; half of the real points have no draw near them.
answer_1 = {"precision": "stays", "recall": "falls"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("rises", "falls", "stays"))
    if said == {"precision": "falls", "recall": "stays"}:
        raise Wrong("the two are the wrong way round: which of them asks about the draws, and which about the data?")
    reasons = {
        "precision falls": "precision does not suffer: each draw lies where real points lie.",
        "precision rises": "precision gains nothing to speak of: draws from both moons were inside the cloud already.",
        "recall rises": "recall cannot gain: the real points of the lower moon have no draws near them.",
        "recall stays": "recall sees the loss: half of the real points have no draws near them.",
    }
    if wrong := [reasons[f"{key} {word}"] for key, word in said.items() if word != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "A lost mode costs recall, and only recall: fidelity and diversity are two questions."


@exercise(
    "01.2",
    hint="The mean is 4. The deviations are -3, -1 and 4: square them, take their mean (divide by 3), then the root.",
    solution="""
import math

mean = (1 + 3 + 8) / 3
answer_2 = math.sqrt(((1 - mean) ** 2 + (3 - mean) ** 2 + (8 - mean) ** 2) / 3)  # 2.9439
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.01:
        return f"{truth:.4f}; an answer within 0.01 counts."
    mistakes = {
        "26 / 3": "this is the variance; the standard deviation is its root.",
        "sqrt(26 / 2)": "you divided by N - 1. That makes the variance unbiased, but maximum likelihood divides by N.",
        "26 / 2": "this is the variance, and divided by N - 1: take the root, and divide by N.",
        "sqrt(26)": "the squared deviations are added up; their mean is asked for, before the root.",
        "26": "this is the sum of the squared deviations: divide by N, and take the root.",
        "8 / 3": "these are deviations without their squares: the mean absolute deviation, not the standard one.",
        "4": "this is the mean of the three numbers.",
        "sqrt(74 / 3)": "the numbers themselves are squared; subtract their mean first.",
        "74 / 3": "the numbers themselves are squared, without subtracting their mean, and the root is missing.",
        "-sqrt(26 / 3)": "the size is right, but a standard deviation is never negative.",
        "sqrt(26) / 3": "the root comes last: divide by N inside of it.",
        "sqrt(26 / 9)": "N is divided by twice: this is the error of the mean.",
        "log(26 / 3) / 2": "this is the logarithm of the standard deviation; its exponential is asked for.",
        "log(26 / 3)": "this is the logarithm of the variance.",
        "sqrt(29 / 3)": "the deviations are taken from the median, 3; take them from the mean.",
        "7": "this is the range, the largest minus the smallest.",
    }
    name_mistake(value, mistakes, within=0.012)
    size = "never negative" if value < 0 else f"{'smaller' if value > truth else 'larger'} than {value:.4g}"
    raise Wrong(f"this standard deviation is {size}. Write down the three squared deviations one by one.")


@exercise(
    "01.3",
    hint="Write it as a mean of log p - log q under p, one row at a time. `torch.xlogy(p, p)` is p log p, and 0 where p"
    " is 0; `torch.xlogy(p, q)` is p log q.",
    solution="""
import torch


def kl_of_rows(p, q):
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(dim=1)  # (B, n) -> (B,)
""",
)
def kl_of_rows(answer, truth):
    cases = [
        ("4 pairs of distributions over 3 outcomes", *(noise(4, 3, seed=s).softmax(1) for s in range(2))),
        ("one pair over 5 outcomes, in float64", *(noise(1, 5, seed=s).double().softmax(1) for s in (2, 3))),
        ("3 pairs over 2 outcomes", *(noise(3, 2, seed=s).softmax(1) for s in (4, 5))),
        ("(½, ½) against (¼, ¾)", [[0.5, 0.5]], [[0.25, 0.75]]),
        ("(¼, ¾) against itself", [[0.25, 0.75]], [[0.25, 0.75]]),
        ("p = (0, 1) and q = (½, ½), where a logarithm of 0 appears", [[0.0, 1.0]], [[0.5, 0.5]]),
    ]
    terms = "(p.xlogy(p) - p.xlogy(q))"
    mistakes = {
        "truth(q, p)": "the distributions are swapped: this is KL(q || p).",
        "-want": "the logarithms are swapped: this is minus the divergence, which is never positive.",
        "-truth(q, p)": "p and q are swapped in front of the logarithms: the weights must be those of p.",
        "want / log(2)": "this is in bits; nats take the natural logarithm.",
        "want / p.shape[1]": "the outcomes are averaged; the sum over them is weighted by p already.",
        "want.sum()": "the rows are added up as well; one number a row is asked for, shape (B,).",
        "want.mean()": "the rows are averaged; one number a row is asked for, shape (B,).",
        terms: "the outcomes are not summed: the result has one number a row, shape (B,).",
        f"{terms}.sum(0)": "the sum runs over the batch; it must run over the outcomes.",
        "(p.log() - q.log()).sum(1)": "the weights p in front of the logarithms are missing.",
        "(p.log() - q.log()).mean(1)": "every outcome has the same weight; the weights must be those of p.",
        "-p.xlogy(q).sum(1)": "this is the cross-entropy; the entropy of p must be taken off it.",
        "-p.xlogy(p).sum(1)": "this is the entropy of p; q plays no part.",
        "p.xlogy(p).sum(1)": "this is minus the entropy of p; q plays no part.",
        "p.xlogy(q).sum(1)": "this is minus the cross-entropy; p log p is missing.",
        "(p * (p / q)).sum(1)": "the logarithm of the ratio is missing.",
        "(p.xlogy(p) - q.xlogy(q)).sum(1)": "this is a difference of entropies; both logarithms are weighted by p.",
        "want + truth(q, p)": "both directions are added; one is asked for.",
        "(want + truth(q, p)) / 2": "both directions are averaged; one is asked for.",
        "(p - q).abs().sum(1) / 2": "this is the total variation distance, not the KL divergence.",
        "(p - q).square().sum(1)": "this is a squared distance of the probabilities; logarithms are asked for.",
        "(p * (p.log() - q.log())).sum(1)": "right where p > 0, but 0 · log 0 is nan for a computer; it must count 0.",
    }
    compare(answer, truth, cases, mistakes)
    return "Never negative, 0 only for equal distributions, and outcomes that p does not have cost nothing."


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
)
def mixture_log_prob(answer, truth):
    def weights(K, seed):
        return noise(K, seed=seed).softmax(0)

    cases = [
        ("5 points and 3 Gaussians", noise(5), weights(3, 1), noise(3, seed=2), noise(3, seed=3).exp()),
        ("one point and 4 Gaussians, in float64", noise(1, seed=4).double(), weights(4, 5).double(),
         noise(4, seed=6).double(), noise(4, seed=7).double().exp()),
        ("4 points and one Gaussian", noise(4, seed=8), [1.0], [0.5], [2.0]),
        ("x = 100, where each density underflows to 0", [100.0], [0.5, 0.5], [-1.0, 1.0], [1.0, 1.0]),
        ("x = 0 and N(0, 1)", [0.0], [1.0], [0.0], [1.0]),
    ]  # fmt: skip
    square = "-0.5 * ((x[:, None] - mu) / sigma) ** 2"
    normal = f"({square} - sigma.log() - 0.5 * log(2 * 3.141592653589793))"
    mistakes = {
        f"{normal}.logsumexp(1)": "the weights pi are missing.",
        f"{normal}.logsumexp(1) - log(len(pi))": "every Gaussian has the same weight: use pi.",
        f"(pi * {normal}).sum(1)": "this is a weighted mean of log-densities; asked for is the logarithm of the"
        " weighted mean of densities.",
        f"(pi.log() + {normal}).sum(1)": "log-densities are added up, as for a product; a mixture is a sum of"
        " densities.",
        f"(pi + {normal}).logsumexp(1)": "pi is added to a logarithm: add its logarithm.",
        f"(pi * {normal}).logsumexp(1)": "pi multiplies a logarithm: on the log scale, its logarithm is added.",
        f"(pi.log() + {normal}).amax(1)": "only the largest part counts here; the sum over all Gaussians is due.",
        f"(pi.log() + {normal}).exp().sum(1)": "this is the density; its logarithm is asked for.",
        "-want": "this is minus the log-density (a loss); the log-density itself is asked for.",
        "truth(x, pi, mu, sigma.sqrt())": "sigma is used as the variance; it is the standard deviation.",
        "truth(x, pi, mu, sigma ** 2)": "the standard deviation is squared once too often.",
        "truth(x, pi, mu, sigma.exp())": "sigma is used as log sigma; it is the standard deviation itself.",
        f"(pi.log() + {square} - sigma.log()).logsumexp(1)": "½ log 2π is missing: this does not integrate to 1.",
        f"(pi.log() + {square}).logsumexp(1)": "log sigma and ½ log 2π are missing: each Gaussian must integrate to 1.",
        f"(pi.log() + {normal} + sigma.log()).logsumexp(1)": "log sigma is missing: a wide Gaussian must be lower.",
        f"(pi.log() + {normal} + 2 * sigma.log()).logsumexp(1)": "log sigma has the wrong sign.",
        "want - 0.5 * log(2 * 3.141592653589793)": "½ log 2π is subtracted twice; one dimension has it once.",
        "want + log(2 * 3.141592653589793)": "½ log 2π has the wrong sign.",
        f"(pi.log() + 2 * {square} - sigma.log() - 0.5 * log(2 * 3.141592653589793)).logsumexp(1)": "the ½ before the"
        " square is missing.",
        f"(pi.log() - {square} - sigma.log() - 0.5 * log(2 * 3.141592653589793)).logsumexp(1)": "the square has the"
        " wrong sign: far points must be unlikely.",
        "want.sum()": "the points are added up as well; one number a point is asked for, shape (N,).",
        "want.mean()": "the points are averaged; one number a point is asked for, shape (N,).",
        f"(pi.log() + {normal}).logsumexp(0)": "the sum runs over the points; it must run over the Gaussians.",
        f"pi.log() + {normal}": "the Gaussians are not summed: the result has one number a point, shape (N,).",
        f"(pi.log() + {normal}).exp().sum(1).log()": "right near the middle only: far away each density underflows to"
        " 0, and its logarithm is -inf. Stay on the log scale.",
    }
    compare(answer, truth, cases, mistakes)
    return "The log-density of any mixture on a line, also where every density is too small for a float."


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
)
def flow_log_prob(answer, truth):
    cases = [
        ("4 points in 3 dimensions", noise(4, 3), noise(3, seed=1).exp() + 0.5, noise(3, seed=2)),
        ("one point in 5 dimensions, in float64", *(noise(1, 5, seed=3).double(), noise(5, seed=4).double().exp()),
         noise(5, seed=5).double()),
        ("3 points in one dimension", noise(3, 1, seed=6), [2.0], [0.5]),
        ("a = -2, x = b = 0", [[0.0]], [-2.0], [0.0]),
        ("a = (-1, 3), b = 0, x = 0", [[0.0, 0.0]], [-1.0, 3.0], [0.0, 0.0]),
    ]  # fmt: skip
    logs = "a.abs().log().sum()"
    mistakes = {
        f"want + {logs}": "the determinant is missing: where the flow stretches space, the density must fall.",
        f"want + 2 * {logs}": "the log-determinant has the wrong sign.",
        f"want + {logs} - a.abs().log().mean()": "the log-determinant is averaged over the dimensions; it is a sum.",
        f"want + {logs} / 2": "half of the log-determinant is missing: the Jacobian is a, not its root.",
        f"want - {logs}": "the log-determinant is subtracted twice: the Jacobian is a, not a squared.",
        f"want + {logs} - a.abs().prod()": "the determinant itself is subtracted; its logarithm is due.",
        f"want + {logs} - a.abs().sum()": "the entries of a are added up; their logarithms are due.",
        "truth(x, 1 / a, -b / a)": "z is computed as a x + b: that is the way from z to x, take its inverse.",
        f"truth(a * x + b, a ** 0, 0 * b) - {logs}": "z is computed as a x + b: that is the way from z to x, take its"
        " inverse.",
        "truth(x - b, a ** 0, 0 * b) - " + logs: "z is shifted and not scaled: divide by a as well.",
        "truth(x, a, 0 * b)": "b is left out: z = (x - b) / a.",
        "truth(x, a, -b)": "b is added; the way back subtracts it.",
        "truth(x / a, a ** 0, b) - " + logs: "b is subtracted after dividing; the way back undoes the last step first.",
        "truth(x, a ** 0, 0 * b)": "a and b play no part: this is log N(x; 0, I).",
        "want + x.shape[1] * 0.5 * log(2 * 3.141592653589793)": "½ log 2π is missing, once a dimension.",
        "want + (x.shape[1] - 1) * 0.5 * log(2 * 3.141592653589793)": "½ log 2π is there once; each dimension has one.",
        "truth(x, (a.abs()).sqrt(), b)": "a is used as the variance: it scales z, so it is the standard deviation.",
        "want.exp()": "this is the density; its logarithm is asked for.",
        "-want": "this is minus the log-density (a loss); the log-density itself is asked for.",
        "want.sum()": "the points are added up as well; one number a point is asked for, shape (B,).",
        "want.mean()": "the points are averaged; one number a point is asked for, shape (B,).",
        "(-0.5 * ((x - b) / a) ** 2 - 0.5 * log(2 * 3.141592653589793) - a.abs().log())": "the dimensions are not"
        " summed: the result has one number a point, shape (B,).",
        "(-0.5 * ((x - b) / a) ** 2 - 0.5 * log(2 * 3.141592653589793) - a.abs().log()).mean(1)": "the dimensions are"
        " averaged; independent dimensions add their log-densities.",
        "(-0.5 * ((x - b) / a) ** 2 - 0.5 * log(2 * 3.141592653589793) - a.abs().log()).sum(0)": "the sum runs over"
        " the batch; it must run over the dimensions.",
        "(-0.5 * ((x - b) / a) ** 2 - 0.5 * log(2 * 3.141592653589793) - a.log()).sum(1)": "right for positive a only:"
        " a flow may mirror, so take the absolute value before the logarithm.",
    }
    compare(answer, truth, cases, mistakes)
    return "The change of variables in D dimensions; a deep flow adds one such term a layer."
