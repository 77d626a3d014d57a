"""Right and wrong answers to the exercises of chapter 03; test_check.py runs them."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch.distributions import Independent, LogNormal, Normal, kl_divergence


def torch_kl(m1, v1, m2, v2):
    return kl_divergence(Normal(m1, (v1 / 2).exp()), Normal(m2, (v2 / 2).exp())).sum(-1)


def numpy_kl(*arguments):
    mu_1, log_var_1, mu_2, log_var_2 = (np.asarray(x) for x in arguments)
    ratio = np.exp(log_var_1 - log_var_2) + (mu_1 - mu_2) ** 2 / np.exp(log_var_2)
    return 0.5 * np.sum(log_var_2 - log_var_1 + ratio - 1, axis=1)


def gaussians_kl(*arguments):
    m, v, n, w = arguments
    return kl_divergence(*(Independent(Normal(a, b.exp() ** 0.5), 1) for a, b in ((m, v), (n, w))))


def kl_in_loops(m, v, n, w):
    rows = []
    for row in zip(m, v, n, w, strict=True):
        rows.append(sum(0.5 * (d - b + (math.exp(b) + (a - c) ** 2) / math.exp(d) - 1)
                        for a, b, c, d in zip(*(x.tolist() for x in row), strict=True)))  # fmt: skip
    return rows


def in_place_kl(m, v, n, w):
    m -= n
    return torch_kl(m, v, 0 * n, w)


class Reparameterise(torch.nn.Module):
    def forward(self, mu, log_var, eps):
        return torch.addcmul(mu, torch.exp(0.5 * log_var), eps)


def in_place_reparameterise(mu, log_var, eps):
    return mu + log_var.div_(2).exp_() * eps


def own_seeded_noise(mu, log_var, eps):
    torch.manual_seed(3)
    return mu + (log_var / 2).exp() * torch.randn_like(mu)


@torch.no_grad()
def without_graph(mu, log_var, eps):
    return mu + (log_var / 2).exp() * eps


def typo(mu, log_var, eps):
    sigma = (log_var / 2).exp()
    return mu + sigma * epsilon  # noqa: F821


def numpy_only_bound(log_w):
    largest = log_w.max(axis=0)  # on a tensor, this is a pair, and the next line raises
    return np.log(np.exp(log_w - largest).mean(axis=0)) + largest


def bound_by_adding(log_w):
    total = log_w[0]
    for row in log_w[1:]:
        total = torch.logaddexp(total, row)
    return total - math.log(len(log_w))


def in_place_bound(log_w):
    largest = log_w.amax(0)
    log_w -= largest
    return log_w.exp().mean(0).log() + largest


class Calls:
    n = 0

    def __call__(self, log_w):
        self.n += 1
        return torch.logsumexp(log_w, 0) - math.log(len(log_w)) + self.n


RIGHT = {
    "03.1": [
        {"reconstruction": "Rises", "kl": " falls "},
        {"kl": "falls.", "reconstruction": "RISES", "why": "price"},
        {"kl": "'falls'\n", "reconstruction": "\trises"},
    ],
    "03.2": [
        1.31, "1.3069", np.float32(1.3069), torch.tensor([[1.307]], requires_grad=True), Fraction(1307, 1000),
        "1.307 nats", "≈ 1.31", np.array(1.307), 2 - math.log(2),
    ],
    "03.3": [
        Reparameterise(),
        lambda mu, log_var, eps: Normal(mu, log_var.exp().sqrt()).loc + log_var.exp() ** 0.5 * eps,
        lambda m, v, e: e * torch.exp(v.float() / 2).to(m.dtype) + m,
        lambda m, v, e: m + torch.pow(math.e, v / 2) * e,
        lambda m, v, e: m + e * LogNormal(v / 2, 1e-30 + 0 * v).base_dist.loc.exp(),
        lambda m, v, e: torch.distributions.AffineTransform(m, v.mul(0.5).exp())(e),
    ],
    "03.4": [
        torch_kl, numpy_kl, gaussians_kl, kl_in_loops,
        lambda *x: torch_kl(*(y.double() for y in x)),
        lambda m, v, n, w: (0.5 * (v - w).expm1() - 0.5 * (v - w) + 0.5 * ((m - n) / (w / 2).exp()) ** 2).sum(-1),
    ],
    "03.5": [
        numpy_only_bound, bound_by_adding,
        lambda log_w: torch.logsumexp(log_w, 0) - torch.log(torch.tensor(log_w.shape[0])),
        lambda log_w: torch.stack([torch.logsumexp(column - math.log(len(column)), 0) for column in log_w.T]),
        lambda log_w: np.logaddexp.reduce(np.asarray(log_w), axis=0) - np.log(len(log_w)),
        lambda log_w: (log_w.double() - log_w.double().amax(0)).exp().mean(0).log() + log_w.amax(0),
    ],
}  # fmt: skip

WRONG = {
    "03.1": [
        ({"reconstruction": "rises", "kl": "stays"}, "the KL does not stay"),
        ({"reconstruction": "falls", "kl": "falls"}, "cannot gain"),
        ({"reconstruction": "stays", "kl": "stays"}, "KL does not stay.* And .*no beta of its own"),
        ({"reconstruction": "falls", "kl": "stays"}, "KL does not stay.* And .*cannot gain"),
        ({"reconstruction": "rises"}, "keys"),
        ({"Reconstruction": "rises", "KL": "falls"}, "keys"),
        ({"reconstruction": "rises", "kl": "explodes"}, "what came is `'explodes'`"),
        ({"reconstruction": 1, "kl": -1}, '"reconstruction" must be'),
        (("rises", "falls"), "dict"),
    ],
    "03.2": [
        (0.65, "as the variance"), (2.61, "½ is missing"), (1.885, "base 2 or 10"), (0.44, "swapped"),
        (-1.31, "minus the KL"), (0.81, "part of the mean"), (1.81, "-1 in the bracket"), (2.69, "logarithm"),
        (-7, "never negative"), (1000, "smaller"), (0.05, "larger"),
        (1.3, "rounded too far"), (1.32, "smaller"), ((5 - math.log(4)) / 2 - 1, "outside the bracket"),
        (float("nan"), "finite"), ("a lot", "one number"), ([1.31, 2.0], "one number"), (lambda: 1.31, "one number"),
    ],
    "03.3": [
        (lambda m, v, e: m + (v / 2).exp() * torch.randn_like(m), "called again"),
        (lambda m, v, e: Normal(m, (v / 2).exp()).rsample(), "called again"),
        (own_seeded_noise, "`eps` changes nothing"),
        (without_graph, "no gradient"),
        (lambda m, v, e: torch.tensor((m + (v / 2).exp() * e).tolist()), "no gradient leads"),
        (lambda m, v, e: np.asarray(m) + np.exp(np.asarray(v) / 2) * np.asarray(e), "no gradient leads"),
        (lambda m, v, e: m + (v.detach() / 2).exp() * e, "no gradient reaches"),
        (lambda m, v, e: m.data + (v / 2).exp() * e, "no gradient reaches"),
        (lambda m, v, e: m + (v / 4).exp() * (v.detach() / 4).exp() * e, "not the gradient that"),
        (in_place_reparameterise, "in place"),
        (lambda m, v, e: (m + (v / 2).exp() * e, e), "your function must return one tensor"),
        (typo, "raises `NameError"),
        (lambda m, v, e: m + torch.sqrt(v.exp() + 1.0) * e, "it returns"),
        (lambda m, v, e: m + 2 ** (v / 2) * e, "it returns"),
        (lambda m, v, e: m + (v / 2 * e).exp(), "close the bracket"),
        (lambda m, v, e: m * e + (v / 2).exp(), "mu is scaled, by sigma or by eps"),
        (lambda m, v, e: m + (v / 2).exp() * e**2, "it returns"),
        (lambda m, v, e: m + torch.nn.functional.softplus(v) * e, "softplus"),
        (lambda m, v, e: m + torch.exp(2 * v) * e, "its square"),
        (lambda m, v, e: m + (v / 2).exp() * e + 0.1 * v, "it returns"),
    ],
    "03.4": [
        (lambda m, v, n, w: torch_kl(m, w, n, v), "the Gaussians are swapped"),
        (lambda *x: kl_divergence(Normal(x[0], x[1].exp()), Normal(x[2], x[3].exp())).sum(1), "exponential of log_var"),
        (lambda m, v, n, w: torch_kl(m, v, n, w) + torch_kl(n, w, m, v), "both ways"),
        (lambda m, v, n, w: torch_kl(m, v, -n, w), "means come in wrongly"),
        (lambda m, v, n, w: torch_kl(m, v, m, w) + 0.5 * ((m - n).abs() / w.exp()).sum(1), "means come in wrongly"),
        (lambda m, v, n, w: torch_kl(m, v, n, (w.exp() + 0.1).log()), "it returns"),
        (lambda m, v, n, w: torch_kl(n, w, m, v) + (w - v).sum(1), "in the quotient"),
        (lambda m, v, n, w: torch_kl(m, v, n, w) - (w - v).sum(1) / 4, "the logarithms are wrong"),
        (lambda m, v, n, w: 2 * torch_kl(m, v, n, w) - (w - v).sum(1) / 2, "the ½ stands before every term"),
        (lambda m, v, n, w: 0.5 * (w - v + v.exp() + (m - n) ** 2 / w.exp() - 1).sum(1), "does not divide all"),
        (lambda m, v, n, w: 0.5 * ((w / v).log() + (v + (m - n) ** 2) / w - 1).sum(1), "exponential of log_var"),
        (lambda m, v, n, w: torch_kl(m, v, 0 * n, 0 * w) - torch_kl(n, w, 0 * m, 0 * v), "is subtracted"),
        (lambda *x: torch_kl(*x).sqrt(), "root"),
        (lambda *x: torch_kl(*x) / math.log(2), "bits"),
        (lambda m, v, n, w: torch_kl(m, v, n, w)[:1], "it returns"),
        (lambda m, v, n, w: 0.5 * ((m - n) ** 2 / w.exp()).sum(1), "`log_var_1` changes nothing"),
        (lambda m, v, n, w: torch_kl(m, v, n, w) - 0.5 * torch_kl(m, v, n, w).detach(), "half"),
        (lambda m, v, n, w: kl_divergence(Normal(m, v), Normal(n, w)), "log_var as std raises"),
        (in_place_kl, "in place"),
        (lambda *x: torch_kl(*x).mean(), "the rows are averaged as well"),
        (lambda *x: torch_kl(*x)[:, None], "keepdim"),
        (lambda *x: 1.3069, "`mu_1` changes nothing"),
        (lambda *x: "0.5", "your function must return one tensor"),
    ],
    "03.5": [
        (lambda w: w.logsumexp(0) - math.log(5), "it returns"),
        (lambda w: w.double().exp().mean(0).log(), "right for small numbers only"),
        (lambda w: np.log(np.mean(np.exp(np.asarray(w)), axis=0)), "right for small numbers only"),
        (lambda w: w[0] + (w - w[0]).exp().mean(0).log(), "right for small numbers only"),
        (lambda w: w.amin(0) + (w - w.amin(0)).exp().mean(0).log(), "right for small numbers only"),
        (lambda w: w.mean(0) + (w - w.mean(0)).exp().mean(0).log(), "right for small numbers only"),
        (lambda w: w.logsumexp(0) - 0.5 * math.log(len(w)), "it returns"),
        (lambda w: w.logsumexp(0) - math.log2(len(w)), "no other base"),
        (lambda w: w.sum(0), "or their sum"),
        (lambda w: w.softmax(0).mean(0).log(), "a mean by softmax"),
        (lambda w: w.logsumexp(0).exp() / len(w), "this is the exponential of what is due"),
        (lambda w: (w.logsumexp(0) - math.log(len(w))) / math.log(2), "bits"),
        (lambda w: w.clamp(-80, 80).logsumexp(0) - math.log(len(w)), "right for small numbers only"),
        (lambda w: w.median(0).values, "it returns"),
        (lambda w: w.log_softmax(0).mean(0), "log_softmax"),
        (lambda w: w.exp().mean(0).log1p(), "adds 1"),
        (lambda w: w.logsumexp(0)[None] - math.log(len(w)), "keepdim"),
        (in_place_bound, "in place"),
        (Calls(), "your function gives other values when called"),
        (lambda w: (w.logsumexp(0), len(w)), "your function must return one tensor"),
        (lambda w: w.logsumexp(0) > 0, "bool"),
    ],
}  # fmt: skip
