"""Exercises of 03_vae."""

import math

from aigc_course.plumbing.grading import Wrong, call, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "03.1",
    hint="beta is the price of a nat of KL. When a price rises, less is bought. What did the model buy with these nats:"
    " what does the decoder know of the image, apart from z?",
    solution="""
# A dearer KL term leaves fewer nats about the image in z, so the decoder knows less of it.
answer_1 = {"reconstruction": "rises", "kl": "falls"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("rises", "falls", "stays"))
    if said == {"reconstruction": "falls", "kl": "rises"}:
        raise Wrong("the two are the wrong way round: which of them does beta = 4 make dearer?")
    reasons = {
        "kl rises": "beta times KL may rise, but the KL alone is asked for, and a nat of it now costs four times more.",
        "kl stays": "the KL does not stay: beta is in the loss, so training weighs each nat of KL differently.",
        "reconstruction falls": "the reconstruction cannot gain: training now weighs it less against the KL, not more.",
        "reconstruction stays": "the reconstruction error has no beta of its own, but it depends on what z tells.",
    }
    if wrong := [reasons[f"{key} {word}"] for key, word in said.items() if word != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "Fewer nats in the code, worse reconstructions: beta sets the exchange rate."


@exercise(
    "03.2",
    hint="KL(N(mu, sigma²) || N(0, 1)) = ½ (mu² + sigma² - 1 - ln sigma²). With sigma = 2, what is the variance?",
    solution="""
import math

mu, variance = 1.0, 2.0**2
answer_2 = 0.5 * (mu**2 + variance - 1 - math.log(variance))  # 1.3069
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.01:
        return f"{truth:.4f} nats; an answer within 0.01 counts."
    mistakes = {
        "(1 + 2 - 1 - log(2)) / 2": "2 is the standard deviation; you used it as the variance.",
        "1 + 4 - 1 - log(4)": "twice too much: the factor ½ is missing.",
        "(1 + 4 - 1 - log(4)) / 2 / log(2)": "this is in bits; nats take the natural logarithm throughout.",
        "(1 + 4 - 1 - 2) / 2": "the logarithm is missing, or has base 2: nats take the natural one.",
        "(1 + 4 - 1 - log(4) / log(10)) / 2": "the logarithm has base 10; nats take the natural one.",
        "(log(4) + 2 / 4 - 1) / 2": "this is KL(N(0, 1) || N(1, 4)): the two distributions are swapped.",
        "(log(2) + 2 / 2 - 1) / 2": "the two distributions are swapped, and 2 is used as the variance.",
        "(1 + log(4) - 1 - 4) / 2": "the size is right, the sign is not: this is minus the KL, as in the ELBO.",
        "(1 + 4 - 1 - log(2)) / 2": "the logarithm has the standard deviation; it must have the variance.",
        "(1 + 2 - 1 - log(4)) / 2": "the variance is in the logarithm only; elsewhere is the standard deviation.",
        "(1 + 4 - 1 + log(4)) / 2": "the logarithm has the wrong sign.",
        "(1 + 4 - log(4)) / 2": "the -1 in the bracket is missing.",
        "(4 - 1 - log(4)) / 2": "the part of the mean is missing: this is for a mean of 0.",
        "(1 + 4 - 1) / 2 - log(4)": "the factor ½ covers the logarithm of the variance too.",
        "(1 + 4 - 1) / 2": "the logarithm is missing.",
        "(1 + 16 - 1 - log(16)) / 2": "4 is the variance already; you squared it again.",
        "(1 + exp(2) - 1 - 2) / 2": "2 is the standard deviation; you used it as the log variance.",
        "(1 + exp(4) - 1 - 4) / 2": "4 is the variance; you used it as the log variance.",
    }
    name_mistake(value, mistakes, within=0.006)
    size = "never negative" if value < 0 else f"{'smaller' if value > truth else 'larger'} than {value:.4g} nats"
    raise Wrong(f"this divergence is {size}. Write down its terms one by one.")


@exercise(
    "03.3",
    hint="eps is a draw from N(0, I). Scale it by the standard deviation, then shift it by the mean. The encoder gives"
    " ln sigma²: which function of it is sigma?",
    solution="""
def my_reparameterise(mu, log_var, eps):
    sigma = (log_var / 2).exp()  # the root of the variance exp(log_var)
    return mu + sigma * eps
""",
)
def my_reparameterise(answer, truth):
    import torch

    mu, log_var, eps, weight = (noise(4, 3, seed=seed) for seed in range(4))
    z, other = (call(answer, truth, (mu, log_var, e), "tensors of shape (4, 3)") for e in (eps, 2 - eps))
    if torch.is_tensor(z) and torch.is_tensor(other) and torch.equal(z, other):
        raise Wrong("eps changes nothing: it is left out, or replaced by noise of your own. Use the eps given.")
    cases = [
        ("tensors of shape (4, 3)", mu, log_var, eps),
        ("float64 tensors of shape (1, 2, 4, 4)", *(noise(1, 2, 4, 4, seed=s).double() for s in range(3))),
        ("tensors of shape (1, 1)", *(noise(1, 1, seed=s) for s in range(3))),
        ("mu = 0, log_var = 0, eps = 2", [0.0], [0.0], [2.0]),
        ("mu = 3, log_var = ln 4, eps = 1", [3.0], [math.log(4)], [1.0]),
    ]
    mistakes = {
        "mu + log_var * eps": "log_var is used as the standard deviation: it is the logarithm of the variance.",
        "mu + log_var.exp() * eps": "eps is scaled by the variance; it must be the standard deviation.",
        "mu + log_var.sqrt() * eps": "the root of log_var is taken; take the root of the variance, never negative.",
        "mu + log_var.abs().sqrt() * eps": "the root of |log_var| is taken; take the root of the variance.",
        "mu + (-log_var / 2).exp() * eps": "eps is divided by sigma: look at the sign in the exponent.",
        "mu + log_var / 2 * eps": "half of log_var is ln sigma; the exponential is missing.",
        "mu + (2 * log_var).exp() * eps": "the exponent is doubled; a root does something else to it.",
        "mu + log_var.exp() / 2 * eps": "half of the variance is not its root: where does the ½ belong?",
        "mu - (log_var / 2).exp() * eps": "the noise is subtracted. z has the same law, but add it, as asked.",
        "(mu + eps) * (log_var / 2).exp()": "mu is scaled as well: scale the noise alone, then shift it.",
        "mu * (log_var / 2).exp() + eps": "mu is scaled where eps should be.",
        "(log_var / 2).exp() * eps": "mu is left out: the noise is scaled but not shifted.",
        "mu + eps": "log_var is left out: every eps is added at its full size.",
    }
    compare(answer, truth, cases, mistakes)
    leaves = [mu.clone().requires_grad_(), log_var.clone().requires_grad_()]
    z = call(answer, truth, (*leaves, eps), "a mu and a log_var that require gradients")
    if whole := torch.is_tensor(z) and z.requires_grad:
        z.backward(weight.to(z))
    due = (weight, weight * eps * (log_var / 2).exp() / 2)
    for name, leaf, want in zip(("mu", "log_var"), leaves, due, strict=True):
        if leaf.grad is None:
            raise Wrong(f"the values are right, but no gradient reaches {name if whole else 'mu and log_var'}:"
                        " `detach`, `data`, `no_grad`, `item` or NumPy cuts it off.")  # fmt: skip
        if not leaf.grad.allclose(want, rtol=1e-3, atol=1e-4):
            raise Wrong(f"the values are right, but not the gradient that reaches {name}: is a part of it cut off?")
    return "z is a draw from N(mu, exp(log_var)), and gradients reach mu and log_var."


@exercise(
    "03.4",
    hint="In one dimension, KL(N(mu_1, v_1) || N(mu_2, v_2)) = ½ (ln v_2 - ln v_1 + (v_1 + (mu_1 - mu_2)²) / v_2 - 1)."
    " The dimensions are independent: what does that do to their divergences?",
    solution="""
def kl_between(mu_1, log_var_1, mu_2, log_var_2):
    ratio = (log_var_1.exp() + (mu_1 - mu_2) ** 2) / log_var_2.exp()  # (B, D)
    return 0.5 * (log_var_2 - log_var_1 + ratio - 1).sum(dim=1)       # (B,)
""",
)
def kl_between(answer, truth):
    cases = [
        ("4 pairs of Gaussians in 3 dimensions", *(noise(4, 3, seed=s) for s in range(4))),
        ("one pair in 5 dimensions, in float64", *(noise(1, 5, seed=s).double() for s in range(4))),
        ("3 pairs in one dimension", *(noise(3, 1, seed=s) for s in range(4))),
        ("N(1, 4) against N(0, 1)", [[1.0]], [[math.log(4)]], [[0.0]], [[0.0]]),
        ("N(1, 4) against itself", [[1.0]], [[math.log(4)]], [[1.0]], [[math.log(4)]]),
    ]
    logs, square = "0.5 * (log_var_2 - log_var_1).sum(1)", "truth(0 * mu_1, log_var_1, 0 * mu_2, log_var_2)"
    mistakes = {
        "truth(mu_2, log_var_2, mu_1, log_var_1)": "the Gaussians are swapped: this is KL(second || first).",
        "-want": "this is minus the divergence.",
        "2 * want": "twice too much: the factor ½ is missing.",
        "want / mu_1.shape[1]": "the dimensions are averaged; their divergences add up.",
        "truth(*(x.reshape(-1, 1) for x in inputs)).reshape(mu_1.shape)": "the dimensions are not summed: the result"
        " has one number a pair, shape (B,).",
        "truth(*(x.T for x in inputs))": "the sum runs over the batch; it must run over the dimensions.",
        "want.sum()": "the pairs are added up as well; one number a pair is asked for, shape (B,).",
        "want.mean()": "the pairs are averaged; one number a pair is asked for, shape (B,).",
        "want.mean() / mu_1.shape[1]": "the average runs over everything; sum over the dimensions, keep the pairs.",
        "want + mu_1.shape[1] / 2": "the -1 is missing: a Gaussian's divergence from itself must be 0.",
        "want + (mu_1.shape[1] - 1) / 2": "the -1 is there once; each dimension has one.",
        "truth(mu_1, log_var_1, 0 * mu_2, 0 * log_var_2)": "the second Gaussian is ignored: this is against N(0, I).",
        f"want - 2 * {logs}": "the logarithms have the wrong sign.",
        f"want - {logs}": "the logarithms of the variances are missing.",
        f"want + {logs}": "the factor ½ covers the logarithms of the variances too.",
        f"{square}": "the means play no part.",
        f"{square} + 0.5 * ((mu_1 - mu_2) / log_var_2.exp()).sum(1)": "the distance of the means must be squared.",
        f"{square} + 0.5 * ((mu_1 - mu_2) ** 2).sum(1)": "the squared distance of the means must be divided by v_2.",
        f"{square} + 0.5 * ((mu_1 - mu_2) ** 2 / log_var_1.exp()).sum(1)": "the squared distance of the means is"
        " divided by the first variance; take the second.",
        f"2 * {square} - want": "the squared distance of the means has the wrong sign.",
        "0.5 * (log_var_2 - log_var_1 + (log_var_1 + (mu_1 - mu_2) ** 2) / log_var_2 - 1).sum(1)": "log_var is used as"
        " the variance: take its exponential.",
        "truth(mu_1, log_var_1 / 2, mu_2, log_var_2 / 2) + " + logs.replace("0.5", "0.25"): "the standard deviations"
        " stand where the variances should.",
    }
    compare(answer, truth, cases, mistakes)
    return "This is the divergence of any two diagonal Gaussians, one number a pair."


@exercise(
    "03.5",
    hint="torch has a function for the logarithm of a sum of exponentials that does not overflow. What makes a mean of"
    " a sum over k weights, and what is that in logarithms?",
    solution="""
import math


def my_iwae_bound(log_w):
    return log_w.logsumexp(dim=0) - math.log(log_w.shape[0])  # (k, B) -> (B,)
""",
)
def my_iwae_bound(answer, truth):
    far = noise(5, 3).new_tensor([-2000.0, 0.0, 2000.0])
    cases = [
        ("k = 5 samples of 3 images", 2 * noise(5, 3)),
        ("k = 1 sample of 4 images", noise(1, 4)),
        ("k = 6 samples of one image, in float64", noise(6, 1).double()),
        ("log weights near -2000 and 2000, where exp(log_w) is 0 or infinite", noise(5, 3) + far),
        ("one image with the weights 1 and 3", [[0.0], [math.log(3)]]),
        ("one image with four weights of 1", [[0.0]] * 4),
    ]
    k, samples = "log(len(log_w))", "the k samples are the first axis."
    mistakes = {
        "log_w.mean(0)": "this is the mean of the logarithms (the ELBO); asked for is the logarithm of the mean.",
        "log_w.logsumexp(0)": "this is the logarithm of the sum of the weights, not of their mean: k is missing.",
        f"log_w.logsumexp(0) + {k}": "k has the wrong sign: a mean is smaller than a sum.",
        "log_w.logsumexp(0) / len(log_w)": "the weights are divided by k before the logarithm. What is it after it?",
        "log_w.logsumexp(0) - len(log_w)": "k itself is subtracted: what is a division by k, in logarithms?",
        "log_w.logsumexp(0) - log(log_w.shape[1])": "the number of images stands where k should: the shape is (k, B).",
        "log_w.logsumexp(1) - log(log_w.shape[1])": f"the mean runs over the images; {samples}",
        f"log_w.logsumexp(1) - {k}": f"the sum runs over the images; {samples}",
        "log_w.logsumexp(1)": f"the sum runs over the images, and k is missing; {samples}",
        "log_w.mean(1)": f"this is a mean of logarithms, and over the images; {samples}",
        "want.mean()": "the images are averaged as well; one number an image is asked for, shape (B,).",
        "want.sum()": "the images are added up as well; one number an image is asked for, shape (B,).",
        "log_w.flatten().logsumexp(0) - log(log_w.numel())": "the mean runs over both axes; keep the images apart.",
        "-want": "this is minus the bound (a loss); the bound itself is asked for.",
        "log_w.amax(0)": "this is the largest log weight, not the logarithm of the mean.",
        "log_w.exp().mean(0)": "this is the mean weight; its logarithm is asked for.",
        "(log_w.softmax(0) * log_w).sum(0)": "the log weights are averaged with their softmax; asked for is the"
        " logarithm of the mean weight.",
        "want - log_w.amax(0)": "the largest log weight was subtracted for safety; add it again at the end.",
        "log_w.exp().mean(0).log()": "right for small numbers only: exp(log_w) overflows or vanishes, as log weights of"
        " images are in the hundreds. Take out the largest first, or use a function that does.",
        "(log_w - log_w.max()).exp().mean(0).log() + log_w.max()": "one maximum serves all images, so that the weights"
        " of an image far below it vanish. Each image needs its own.",
    }
    compare(answer, truth, cases, mistakes)
    return "The bound of Burda et al. (2016), one number an image, and it does not overflow."
