"""Right, untouched and wrong answers to the exercises of chapter 01; test_check.py runs them."""

import math
from fractions import Fraction

import numpy as np
import torch
from scipy.special import rel_entr
from scipy.stats import multivariate_normal
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal, kl_divergence
from torch.nn.functional import kl_div

HALF_LOG = 0.5 * math.log(2 * math.pi)


def numpy_kl(p, q):
    p, q = np.asarray(p), np.asarray(q)
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / q), 0).sum(axis=1)


def mixture_by_torch(x, pi, mu, sigma):
    return MixtureSameFamily(Categorical(pi), Normal(mu, sigma)).log_prob(x)


def parts(x, pi, mu, sigma):  # (N, K)
    return pi.log() + Normal(mu, sigma).log_prob(x[:, None])


def square(x, pi, mu, sigma, wrong):
    return (pi.log() - 0.5 * wrong - sigma.log() - HALF_LOG).logsumexp(1)


def flow(x, a, b):
    return Normal(b, a.abs()).log_prob(x).sum(1)


def log_normal(z):
    return -0.5 * z**2 - HALF_LOG


def in_place_flow(x, a, b):
    x -= b
    return log_normal(x / a).sum(1) - a.abs().log().sum()


RIGHT = {
    "01.1": [
        {"precision": "Falls", "recall": " stays "},
        {"recall": "STAYS.", "precision": "falls", "why": "half of the samples"},
        {"precision": "'falls'", "recall": "stays\n"},
        {"recall": "“Stays”", "precision": "\tFALLS"},
    ],
    "01.2": [
        math.sqrt(26 / 3),
        2.94,
        2.944,
        "2.94",
        "2.9439",
        np.std([1, 3, 8]),
        torch.tensor([[2.944]]),
        Fraction(2944, 1000),
        torch.tensor([1.0, 3, 8]).std(correction=0),
        "√ 2.944"[2:],
        "≈2.94",
        np.sqrt(26 / 3),
        "2.9439.",
    ],
    "01.3": [
        numpy_kl,
        lambda p, q: kl_divergence(Categorical(p), Categorical(q)),
        lambda p, q: torch.where(p > 0, p * (p / q).log(), 0.0).sum(-1),
        lambda p, q: kl_div(q.log(), p, reduction="none").nan_to_num(0.0, math.inf).sum(1),
        lambda p, q: -torch.special.entr(p).sum(1) - torch.xlogy(p, q).sum(1),
        lambda p, q: [
            sum(a * math.log(a / b) if b else math.inf for a, b in zip(*r, strict=True) if a)
            for r in zip(p.tolist(), q.tolist(), strict=True)
        ],
        lambda p, q: torch.nan_to_num(p * (p.log() - q.log()), nan=0.0, posinf=math.inf).sum(1),
        lambda p, q: torch.where(p == 0, 0.0, p * (p.log() - q.log())).sum(1),
        lambda p, q: rel_entr(p.numpy(), q.numpy()).sum(1),
    ],
    "01.4": [
        mixture_by_torch,
        lambda x, pi, mu, sigma: parts(x, pi, mu, sigma).logsumexp(1),
        lambda x, pi, mu, sigma: torch.stack([torch.logsumexp(row, 0) for row in parts(x, pi, mu, sigma)]),
        lambda x, pi, mu, s: torch.logsumexp(
            torch.stack([w.log() + Normal(m, d).log_prob(x) for w, m, d in zip(pi, mu, s, strict=True)]), 0
        ),
        lambda x, pi, mu, s: np.logaddexp.reduce(
            np.log(pi)
            - 0.5 * ((np.asarray(x)[:, None] - np.asarray(mu)) / np.asarray(s)) ** 2
            - np.log(np.asarray(s) * np.sqrt(2 * np.pi)),
            axis=1,
        ),
        lambda x, pi, mu, s: (lambda a: a.amax(1) + (a - a.amax(1, keepdim=True)).exp().sum(1).log())(
            parts(x, pi, mu, s)
        ),
    ],
    "01.5": [
        flow,
        lambda x, a, b: MultivariateNormal(b, torch.diag(a**2)).log_prob(x),
        lambda x, a, b: log_normal((x - b) / a).sum(1) - torch.linalg.slogdet(torch.diag(a))[1],
        lambda x, a, b: np.atleast_1d(multivariate_normal(b.numpy(), np.diag(a.numpy() ** 2)).logpdf(x.numpy())),
        lambda x, a, b: Normal(0.0, 1.0).log_prob((x - b) / a).sum(1) - (a**2).log().sum() / 2,
        lambda x, a, b: torch.stack([log_normal((row - b) / a).sum() - a.abs().prod().log() for row in x]),
        lambda x, a, b: -0.5 * (((x - b) / a).square() + math.log(2 * math.pi) + 2 * a.abs().log()).sum(-1),
        lambda x, a, b: (
            -np.sum(0.5 * ((np.asarray(x) - np.asarray(b)) / np.asarray(a)) ** 2 + np.log(np.abs(a)) + HALF_LOG, axis=1)
        ),
    ],
}

WRONG = {
    "01.1": [
        ({"precision": "falls", "recall": "falls"}, "does not suffer"),
        ({"precision": "stays", "recall": "stays"}, "precision suffers"),
        ({"precision": "rises", "recall": "rises"}, "cannot gain.* And .*gains nothing"),
        ({"precision": "stays", "recall": "falls"}, "the wrong way round"),
        ({"precision": "rises", "recall": "falls"}, "cannot gain.* And .*does not suffer"),
        ({"precision": "stays"}, "keys"),
        ({"precision": "stays", "recall": "vanishes"}, "what came is `'vanishes'`"),
        ({"precision": 1.0, "recall": 0.5}, '"precision" must be'),
        (("falls", "stays"), "dict"),
    ],
    "01.2": [
        (8.67, "this is the variance, over N"),
        (2.9, "rounded too far"),
        ("2.95", "in the wrong direction"),
        (2.55, "N divides once"),
        (2.08, "N divides once"),
        (2.93, "it is larger than 2.93"),
        (3.61, "divided by N - 1. That"),
        (13, "or over N - 1"),
        (5.1, "are added up"),
        (2.67, "mean absolute"),
        (-2.94, "never negative"),
        (1.7, "the root comes last"),
        (100, "smaller"),
        (0.1, "larger"),
        (float("nan"), "finite"),
        ("large", "one number"),
        ([2.94, 1.0], "one number"),
    ],
    "01.3": [
        (lambda p, q: torch.xlogy(p, p / q).sum(1) / math.log(2), "bits"),
        (lambda p, q: kl_div(q.log(), p, reduction="batchmean"), "the rows are averaged as well"),
        (lambda p, q: kl_div(p.log(), q, reduction="none").sum(1), "the distributions are swapped"),
        (lambda p, q: (p * (p.log() - q.log())).abs().sum(1), "it returns"),
        (lambda p, q: torch.xlogy((p + q) / 2, p / q).sum(1), "it returns"),
        (lambda p, q: kl_divergence(Categorical(p), Categorical((p + q) / 2)), "it returns"),
        (lambda p, q: torch.xlogy(p, p / q).sum(1, keepdim=True), "keepdim"),
        (
            lambda p, q: (p * (p / q).log())[:, (p > 0).all(0)].sum(1),
            "0 · log 0|right where p > 0",
        ),
        (
            lambda p, q: (
                torch.full((len(p),), math.inf)
                if ((q == 0) & (p > 0)).any()
                else (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(1)
            ),
            "right where q > 0",
        ),
        (lambda p, q: torch.xlogy(p, p / q).clamp(min=0).sum(1), "it returns"),
        (lambda p, q: torch.xlogy(p, p / q).max(1).values, "it returns"),
        (lambda p, q: p.sub_(q).abs().sum(1), "in place"),
        (lambda p, q: kl_div(q, p, reduction="none").sum(1), "`kl_div` wants log q first"),
        (lambda p, q: kl_div(p, q, reduction="none").sum(1), "`kl_div` wants log q first"),
        (lambda p, q: kl_div(q.log(), p.log(), reduction="none").sum(1), "`kl_div` wants log q first"),
        (lambda p, q: kl_divergence(Categorical(logits=p), Categorical(logits=q)), "no softmax"),
        (lambda p, q: (p * (p.log() / q.log())).sum(1), "a quotient"),
        (lambda p, q: sum(kl_divergence(Categorical(a), Categorical((p + q) / 2)) for a in (p, q)) / 2, "distance"),
        (lambda p, q: torch.nan_to_num(p * (p.log() - q.log())).sum(1), "infinite. For p = .* returns .* where .inf"),
        (lambda p, q: torch.where((p > 0) & (q > 0), p * (p / q).log(), 0.0).sum(1), "makes the divergence infinite"),
        (lambda p, q: (p * ((p + 1e-8) / (q + 1e-8)).log()).sum(1), "makes the divergence infinite"),
        (
            lambda p, q: [
                sum(a * math.log(a / b) for a, b in zip(*r, strict=True) if a)
                for r in zip(p.tolist(), q.tolist(), strict=True)
            ],
            "infinite. Here .*ZeroDivisionError",
        ),
        (
            lambda p, q: torch.xlogy(p, p / q).sum(1),
            "it must count 0, also where q is 0. For p = .* returns .nan. where",
        ),
        (lambda p, q: kl_div(q.log(), p, reduction="none").sum(1), "also where q is 0"),
    ],
    "01.4": [
        (lambda x, pi, mu, s: Normal((pi * mu).sum(), (pi * s).sum()).log_prob(x), "it returns"),
        (lambda *a: parts(*a).softmax(1).sum(1).log(), "it is 0 in every case"),
        (lambda *a: parts(*a).mean(1), "it returns"),
        (lambda *a: (parts(*a) - parts(*a).amax(1, keepdim=True)).exp().sum(1).log(), "add it again"),
        (lambda *a: (parts(*a).exp().sum(1) + 1e-12).log(), "right near the middle only"),
        (lambda *a: parts(*a).exp().sum(1).clamp(min=1e-38).log(), "right near the middle only"),
        (lambda *a: parts(*a).logsumexp(1) / math.log(2), "bits"),
        (lambda x, pi, mu, s: mixture_by_torch(x, pi.softmax(0), mu, s), "taken for logits"),
        (lambda x, pi, mu, s: (parts(x, pi, mu, s) + HALF_LOG - 0.5 * (2 * pi).log()).logsumexp(1), "the number π"),
        (
            lambda x, pi, mu, s: (
                (pi * (-0.5 * ((x[:, None] - mu) / s) ** 2).exp() / (s * (2 * pi).sqrt())).sum(1).log()
            ),
            "the number π",
        ),
        (lambda x, pi, mu, s: square(x, pi, mu, s, (x[:, None] - mu) ** 2), "the part with the square"),
        (lambda x, pi, mu, s: square(x, pi, mu, s, (x[:, None] - mu) ** 2 / s), "the part with the square"),
        (lambda x, pi, mu, s: square(x, pi, mu, s, (x[:, None] / s - mu) ** 2), "the part with the square"),
        (lambda *a: parts(*a).exp().mean(1).log(), "or their mean"),
        (lambda *a: (-parts(*a).exp()).log().sum(1), "returns .nan"),
        (lambda x, pi, mu, s: mixture_by_torch(x - mu.mean(), pi, mu, s), "it returns"),
        (lambda *a: parts(*a).logsumexp(1).max() + 0 * a[0], "it returns"),
        (lambda *a: (parts(*a) - parts(*a).max()).exp().sum(1).log() + parts(*a).max(), "right near the middle only"),
        (lambda *a: parts(*a).logsumexp(1, keepdim=True), "keepdim"),
        (lambda x, pi, mu, s: (pi.log() + Normal(mu, s).log_prob(x)).logsumexp(0), "no broadcasting"),
    ],
    "01.5": [
        (lambda x, a, b: flow(x, a, b) - a.abs().log().sum() + a.abs().log().sum() / len(a), "it returns"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - len(x) * a.abs().log().sum(), "subtracted, once"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - a.log().abs().sum(), "it returns"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) - a.sum().abs().log(), "sum of log .a. is subtracted"),
        (lambda x, a, b: log_normal((x - b) / a.abs()).prod(1), "it returns"),
        (lambda x, a, b: Normal(b, a.exp()).log_prob(x).sum(1), "it returns"),
        (lambda x, a, b: Normal(b, a**2).log_prob(x).sum(1), "or is squared"),
        (lambda x, a, b: log_normal((x - a) / b).sum(1) - a.abs().log().sum(), "first b is subtracted"),
        (lambda x, a, b: flow(x, b, a), "first b is subtracted"),
        (lambda x, a, b: Normal(b, a).log_prob(x).sum(1), "negative scale raises"),
        (lambda x, a, b: -(log_normal((x - b) / a).sum(1) - a.abs().log().sum()), "minus"),
        (lambda x, a, b: log_normal((x - b) / a).sum() - a.abs().log().sum(), "squeeze"),
        (lambda x, a, b: flow(x, a, b).exp(), "this is the exponential of what is due"),
        (lambda x, a, b: log_normal((x - b) / a).sum(1) / a.prod().abs(), "without its logarithm"),
        (lambda x, a, b: (log_normal((x - b) / a) - a.abs().log().sum()).sum(1), "subtracted, once"),
        (lambda x, a, b: flow(x, a, b) - HALF_LOG * len(a), "another factor"),
        (lambda x, a, b: flow(x, a, b) - 0.5 * ((x - b) / a).square().sum(1), "another factor"),
        (lambda x, a, b: Normal(b, a.abs()).log_prob(x).mean(), "averaged"),
        (in_place_flow, "in place"),
        (lambda *args: flow(*args)[:, None], "keepdim"),
    ],
}
