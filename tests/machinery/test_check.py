"""Exercise checks: solutions pass in every form, stubs are told apart, and each plausible mistake is named."""

import html
import math
import re
import runpy
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from torch.distributions import Normal, kl_divergence

from aigc_course.check import check, exercises

EXERCISES = exercises()
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def kl_terms(m1, v1, m2, v2):
    return 0.5 * (v2 - v1 + (v1.exp() + (m1 - m2) ** 2) / v2.exp() - 1)


# --- correct answers -------------------------------------------------------------------------------------------------


def numpy_kl(mu_1, log_var_1, mu_2, log_var_2):
    mu_1, log_var_1, mu_2, log_var_2 = (np.asarray(x) for x in (mu_1, log_var_1, mu_2, log_var_2))
    ratio = np.exp(log_var_1 - log_var_2) + (mu_1 - mu_2) ** 2 / np.exp(log_var_2)
    return 0.5 * np.sum(log_var_2 - log_var_1 + ratio - 1, axis=1)


def numpy_only_bound(log_w):
    largest = log_w.max(axis=0)  # on a tensor, this is a pair, and the next line raises
    return np.log(np.exp(log_w - largest).mean(axis=0)) + largest


def bound_by_hand(log_w):
    largest = log_w.max(0).values
    return (log_w - largest).exp().mean(0).log() + largest


def torch_kl(m1, v1, m2, v2):
    return kl_divergence(Normal(m1, (v1 / 2).exp()), Normal(m2, (v2 / 2).exp())).sum(-1)


class Reparameterise(torch.nn.Module):
    def forward(self, mu, log_var, eps):
        return torch.addcmul(mu, torch.exp(0.5 * log_var), eps)


RIGHT = {
    "00.1": [
        lambda a, b, t: a + t * (b - a),
        torch.lerp,
        lambda a, b, t: np.asarray(a) * (1 - t) + np.asarray(b) * t,
        lambda z_a, z_b, t=0.5: (z_a - z_b) * (1 - t) + z_b,
    ],
    "03.1": [
        {"reconstruction": "Rises", "kl": " falls "},
        {"kl": "falls.", "reconstruction": "RISES", "why": "price"},
    ],
    "03.2": [
        0.5 * (4 - math.log(4)), 1.31, 1.307, 1.3, "1.31", "1.3069", np.float32(1.3069), np.array([1.307]),
        torch.tensor(1.3069), torch.tensor([[1.307]], requires_grad=True), Fraction(1307, 1000),
    ],
    "03.3": [
        Reparameterise(),
        lambda mu, log_var, eps: Normal(mu, log_var.exp().sqrt()).loc + log_var.exp() ** 0.5 * eps,
        lambda m, v, e: m + torch.sqrt(torch.exp(v)) * e,
        lambda m, v, e: e * torch.exp(v.float() / 2).to(m.dtype) + m,
    ],
    "03.4": [
        torch_kl, numpy_kl,
        lambda m1, v1, m2, v2: kl_terms(m1, v1, m2, v2).sum(-1),
        lambda *x: [float(k) for k in torch_kl(*x)],
        lambda *x: torch_kl(*(y.double() for y in x)),
    ],
    "03.5": [
        numpy_only_bound, bound_by_hand,
        lambda log_w: torch.logsumexp(log_w, 0) - torch.log(torch.tensor(log_w.shape[0])),
        lambda log_w: torch.stack([torch.logsumexp(column - math.log(len(column)), 0) for column in log_w.T]),
    ],
}  # fmt: skip

BANKS = [runpy.run_path(str(path)) for path in sorted((Path(__file__).parents[2] / "chapters").glob("*/answers.py"))]
for bank in BANKS:  # the later chapters' banks have a file each
    RIGHT |= bank["RIGHT"]


def listed(bank):
    return [pytest.param(number, *row, id=f"{number}-{i}") for number in bank for i, row in enumerate(bank[number])]


@pytest.mark.parametrize("number", EXERCISES)
def test_solution_passes_and_is_told_so(number):
    result = check(number, EXERCISES[number].truth())
    assert result and result.status == "right" and result.message.startswith(f"{number} right. "), result


@pytest.mark.parametrize("number, answer", listed({n: [(a,) for a in RIGHT[n]] for n in RIGHT}))
def test_other_correct_answers_pass(number, answer):
    assert check(number, answer).status == "right"


def test_truths_agree_with_independent_calculations():
    mu_1, log_var_1, mu_2, log_var_2 = torch.randn(4, 5, 3, dtype=torch.float64)
    expected = torch_kl(mu_1, log_var_1, mu_2, log_var_2)
    torch.testing.assert_close(EXERCISES["03.4"].truth()(mu_1, log_var_1, mu_2, log_var_2), expected)
    hand = kl_divergence(Normal(1.0, 2.0), Normal(0.0, 1.0))
    assert EXERCISES["03.2"].truth() == pytest.approx(float(hand), abs=1e-6)
    torch.testing.assert_close(EXERCISES["03.5"].truth()(mu_1), mu_1.exp().mean(0).log())
    mu, log_var = torch.full((2, 100_000), 3.0).mul(torch.tensor([[1.0], [math.log(4) / 3]]))
    z = EXERCISES["03.3"].truth()(mu, log_var, torch.randn(100_000))
    assert abs(z.mean() - 3) < 0.05 and abs(z.std() - 2) < 0.05
    torch.testing.assert_close(EXERCISES["00.1"].truth()(mu_1, mu_2, 0.3), torch.lerp(mu_1, mu_2, 0.3))


# --- stubs -----------------------------------------------------------------------------------------------------------


def stub_raises(*args):
    raise NotImplementedError


def stub_raises_text(*args):
    raise NotImplementedError("write me")


STUBS = {number: [(None,), (...,), (stub_raises,), (stub_raises_text,), (lambda *a: None,), (lambda *a: ...,)]
         for number in ("00.1", "03.3", "03.4", "03.5")} | {
    "03.1": [(None,), ({"reconstruction": None, "kl": None},), ({"reconstruction": "rises", "kl": ...},),
             ({"reconstruction": "", "kl": "falls"},)],
    "03.2": [(None,), (...,)],
}  # fmt: skip
for bank in BANKS:
    STUBS |= bank["STUBS"]


@pytest.mark.parametrize("number, answer", listed(STUBS))
def test_stub_is_not_attempted(number, answer):
    result = check(number, answer)
    assert result.status == "not attempted" and not result
    assert result.message.startswith(f"{number} not attempted yet. ")
    assert f'check.hint("{number}")' in result.message


# --- wrong answers, each with words that its message must contain -----------------------------------------------------


def in_place_interpolate(z_a, z_b, t):
    z_a *= 1 - t
    z_a += t * z_b
    return z_a


def in_place_reparameterise(mu, log_var, eps):
    return mu + log_var.div_(2).exp_() * eps


def in_place_bound(log_w):
    largest = log_w.amax(0)
    log_w -= largest
    return log_w.exp().mean(0).log() + largest


def own_seeded_noise(mu, log_var, eps):
    torch.manual_seed(3)
    return mu + (log_var / 2).exp() * torch.randn_like(mu)


@torch.no_grad()
def without_graph(mu, log_var, eps):
    return mu + (log_var / 2).exp() * eps


def typo(mu, log_var, eps):
    sigma = (log_var / 2).exp()
    return mu + sigma**1 * epsilon  # noqa: F821


def in_loops_over_three(mu, log_var, eps):
    return torch.stack([mu[:, i] + (log_var[:, i] / 2).exp() * eps[:, i] for i in range(3)], dim=1)


class Calls:
    n = 0

    def __call__(self, log_w):
        self.n += 1
        return torch.logsumexp(log_w, 0) - math.log(len(log_w)) + self.n


WRONG = {
    "00.1": [
        (lambda a, b, t: t * a + (1 - t) * b, "ends are swapped"),
        (lambda a, b, t: torch.lerp(b, a, t), "ends are swapped"),
        (lambda a, b, t: a + t * b, "z_a keeps its full weight"),
        (lambda a, b, t: (1 - t) * a + b, "z_b has its full weight"),
        (lambda a, b, t: 0.5 * a + 0.5 * b, "midpoint whatever t is"),
        (lambda a, b, t: a + b, "in full whatever t is"),
        (lambda a, b, t: a, "z_a whatever t is"),
        (lambda a, b, t: a + int(t) * (b - a), "round it to 0"),
        (lambda a, b, t: b, "z_b whatever t is"),
        (lambda a, b, t: t * (b - a), "step alone"),
        (lambda a, b, t: a + t * (a - b), "wrong direction"),
        (lambda a, b, t: b + t * (b - a), "wrong end"),
        (lambda a, b, t: (1 - t) * a, "part of z_b is missing"),
        (lambda a, b, t: t * b, "part of z_a is missing"),
        (lambda a, b, t: t * (a + b), "multiplies both"),
        (lambda a, b, t: (1 - t) * a - t * b, "subtracted"),
        (in_place_interpolate, "changes its argument `z_a` in place"),
        (lambda a, b, t: ((1 - t) * a + t * b).mean(), r"returns shape \(\) where \(4, 3\)"),
        (lambda a, b, t: ((1 - t) * a + t * b)[None], "axis is left over"),
        (lambda a, b, t: ((1 - t) * a + t * b).squeeze(), "axis is lost"),
        (lambda a, b, t: torch.stack([torch.lerp(x, y, t) for x, y in zip(a, b, strict=True)]), "raises"),
        (lambda a, b, t: 3 * torch.lerp(a, b, t), "3 times"),
        (lambda a, b, t: torch.lerp(a, b, t) + 1, r"off by \+1"),
        (lambda a, b, t: torch.lerp(a, b, t**2), "t = 0.3"),
        (lambda a, b, t: torch.lerp(a, b, t) if a.ndim == 2 else a * 0, "images"),
        (lambda a, b, t: torch.lerp(a, b, t) if 0 < t < 1 else a, "at t = 1"),
        (lambda a, b: a, "raises `TypeError"),
        (torch.ones(4, 3), "without calling"),
        (3.0, "must be the function"),
    ],
    "03.1": [
        ({"reconstruction": "falls", "kl": "rises"}, "wrong way round"),
        ({"reconstruction": "rises", "kl": "rises"}, "beta times KL"),
        ({"reconstruction": "rises", "kl": "stays"}, "the KL does not stay"),
        ({"reconstruction": "falls", "kl": "falls"}, "cannot gain"),
        ({"reconstruction": "stays", "kl": "falls"}, "no beta of its own"),
        ({"reconstruction": "stays", "kl": "stays"}, "no beta of its own.* And .*KL does not stay"),
        ({"reconstruction": "falls", "kl": "stays"}, "cannot gain.* And .*KL does not stay"),
        ({"reconstruction": "stays", "kl": "rises"}, "no beta of its own.* And .*beta times KL"),
        ({"reconstruction": "rises"}, "keys"),
        ({"Reconstruction": "rises", "KL": "falls"}, "keys"),
        ({"reconstruction": "rises", "kl": "explodes"}, "what came is `'explodes'`"),
        ({"reconstruction": 1, "kl": -1}, '"reconstruction" must be'),
        ({"reconstruction": torch.ones(3), "kl": "falls"}, '"reconstruction" must be'),
        (("rises", "falls"), "dict"),
        ("rises", "dict"),
    ],
    "03.2": [
        (0.6534, "used it as the variance"), (2.6137, "½ is missing"), (1.8854, "in bits"), (1.0, "base 2"),
        (1.699, "base 10"), (0.4431, "swapped"), (0.3466, "swapped, and 2"), (-1.3069, "minus the KL"),
        (1.6534, "logarithm has the standard deviation"), (0.3069, "in the logarithm only"), (2.6931, "wrong sign"),
        (1.8069, "-1 in the bracket"), (0.8069, "part of the mean"), (0.6137, "covers the logarithm"),
        (2.0, "logarithm is missing"), (6.6137, "squared it again"), (2.6945, "as the log variance"),
        (25.299, "as the log variance"), (-7, "never negative"), (1000, "smaller"), (0.05, "larger"),
        (float("nan"), "finite"), (float("inf"), "finite"), ("a lot", "one number"), ([1.31, 2.0], "one number"),
        (torch.ones(3), "one number"), (lambda: 1.31, "one number"), ({"kl": 1.31}, "one number"),
        (1.31j, "one number"),
    ],
    "03.3": [
        (lambda m, v, e: m + v * e, "used as the standard deviation"),
        (lambda m, v, e: m + v.exp() * e, "by the variance"),
        (lambda m, v, e: m + v.sqrt() * e, "root of log_var"),
        (lambda m, v, e: m + v.abs().sqrt() * e, r"\|log_var\|"),
        (lambda m, v, e: m + (-v / 2).exp() * e, "sign in the exponent"),
        (lambda m, v, e: m + e / v.exp().sqrt(), "sign in the exponent"),
        (lambda m, v, e: m + 0.5 * v * e, "exponential is missing"),
        (lambda m, v, e: m + v.exp() ** 2 * e, "exponent is doubled"),
        (lambda m, v, e: m + 0.5 * v.exp() * e, "half of the variance"),
        (lambda m, v, e: m - (v / 2).exp() * e, "subtracted"),
        (lambda m, v, e: (m + e) * (v / 2).exp(), "mu is scaled as well"),
        (lambda m, v, e: m * (v / 2).exp() + e, "mu is scaled where"),
        (lambda m, v, e: m + (v / 2).exp(), "eps changes nothing"),
        (lambda m, v, e: m, "eps changes nothing"),
        (lambda m, v, e: (v / 2).exp() * e, "mu is left out"),
        (lambda m, v, e: m + e, "log_var is left out"),
        (lambda m, v, e: m + (v / 2).exp() * torch.randn_like(m), "noise of your own"),
        (lambda m, v, e: Normal(m, (v / 2).exp()).rsample(), "noise of your own"),
        (lambda m, v, e: m + (v / 2).exp() * (e + torch.randn_like(m)), "called again"),
        (own_seeded_noise, "noise of your own"),
        (without_graph, "no gradient reaches mu and log_var"),
        (lambda m, v, e: (m + (v / 2).exp() * e).detach(), "no gradient reaches mu and log_var"),
        (lambda m, v, e: torch.tensor((m + (v / 2).exp() * e).tolist()), "no gradient reaches mu and log_var"),
        (lambda m, v, e: np.asarray(m) + np.exp(np.asarray(v) / 2) * np.asarray(e), "no gradient reaches mu and"),
        (lambda m, v, e: m + (v.detach() / 2).exp() * e, "no gradient reaches log_var"),
        (lambda m, v, e: m.data + (v / 2).exp() * e, "no gradient reaches mu:"),
        (lambda m, v, e: m + (v / 4).exp() * (v.detach() / 4).exp() * e, "the gradient that reaches log_var"),
        (in_place_reparameterise, "changes its argument `log_var` in place"),
        (lambda m, v, e: (m + (v / 2).exp() * e, e), "must return one tensor"),
        (in_loops_over_three, "returns shape|raises"),
        (typo, "NameError.* in the line `return mu"),
        (lambda m, v: m + v, "raises `TypeError"),
        (torch.zeros(4, 3), "without calling"),
    ],
    "03.4": [
        (lambda *x: torch_kl(x[2], x[3], x[0], x[1]), "swapped"),
        (lambda *x: -torch_kl(*x), "minus the divergence"),
        (lambda *x: 2 * torch_kl(*x), "½ is missing"),
        (lambda *x: kl_terms(*x).mean(1), "dimensions are averaged"),
        (lambda *x: kl_terms(*x), "dimensions are not summed"),
        (lambda *x: kl_terms(*x).sum(0), "over the batch"),
        (lambda *x: kl_terms(*x).sum(), "added up as well"),
        (lambda *x: torch_kl(*x).mean(), "pairs are averaged"),
        (lambda *x: kl_terms(*x).mean(), "over everything"),
        (lambda *x: (kl_terms(*x) + 0.5).sum(1), "-1 is missing"),
        (lambda *x: (kl_terms(*x) + 0.5).sum(1) - 0.5, "each dimension has one"),
        (lambda m, v, a, b: 0.5 * (m**2 + v.exp() - 1 - v).sum(1), "second Gaussian is ignored"),
        (lambda m, v, a, b: 0.5 * (v - b + (v.exp() + (m - a) ** 2) / b.exp() - 1).sum(1), "wrong sign"),
        (lambda m, v, a, b: 0.5 * ((v.exp() + (m - a) ** 2) / b.exp() - 1).sum(1), "logarithms .* are missing"),
        (lambda m, v, a, b: (b - v + 0.5 * ((v.exp() + (m - a) ** 2) / b.exp() - 1)).sum(1), "covers the logarithms"),
        (lambda m, v, a, b: 0.5 * (b - v + v.exp() / b.exp() - 1).sum(1), "means play no part"),
        (lambda m, v, a, b: 0.5 * (b - v + (v.exp() + (m - a)) / b.exp() - 1).sum(1), "must be squared"),
        (lambda m, v, a, b: 0.5 * (b - v + v.exp() / b.exp() + (m - a) ** 2 - 1).sum(1), "must be divided by v_2"),
        (lambda m, v, a, b: 0.5 * (b - v + (v - b).exp() + (m - a) ** 2 / v.exp() - 1).sum(1), "take the second"),
        (lambda m, v, a, b: 0.5 * (b - v + (v.exp() - (m - a) ** 2) / b.exp() - 1).sum(1), "means has the wrong sign"),
        (lambda m, v, a, b: 0.5 * (b - v + (v + (m - a) ** 2) / b - 1).sum(1), "log_var is used as"),
        (lambda m, v, a, b: 0.5 * (b - v + ((v / 2).exp() + (m - a) ** 2) / (b / 2).exp() - 1).sum(1), "deviations"),
        (lambda m, v, a, b: 0.5 * (b / 2 - v / 2 + ((v / 2).exp() + (m - a) ** 2) / (b / 2).exp() - 1).sum(1), "where"),
        (lambda *x: kl_terms(*x).sum(1, keepdim=True), "keepdim"),
        (lambda *x: torch_kl(*x).squeeze(), r"float64, it returns shape \(\) where \(1,\) .*squeeze"),
        (lambda *x: torch_kl(*x) + torch.rand(()), "called again"),
        (lambda m, v, a, b: torch_kl(m, v, a, b.exp_().log()) if a.sub_(m) is a else 0, "changes its argument"),
        (lambda *x: torch_kl(*x) * math.nan, "returns nan"),
        (lambda *x: 1.3069, "returns shape"),
        (lambda *x: "0.5", "must return one tensor"),
    ],
    "03.5": [
        (lambda w: w.mean(0), "the ELBO"),
        (lambda w: w.logsumexp(0), "k is missing"),
        (lambda w: w.logsumexp(0) + math.log(w.shape[0]), "wrong sign"),
        (lambda w: w.logsumexp(0) / w.shape[0], "before the logarithm"),
        (lambda w: w.logsumexp(0) - w.shape[0], "k itself"),
        (lambda w: w.logsumexp(0) - math.log(w.shape[1]), "number of images"),
        (lambda w: w.logsumexp(1) - math.log(w.shape[1]), "mean runs over the images"),
        (lambda w: w.logsumexp(1) - math.log(w.shape[0]), "sum runs over the images;"),
        (lambda w: w.logsumexp(1), "sum runs over the images, and"),
        (lambda w: w.mean(1), "over the images"),
        (lambda w: (w.logsumexp(0) - math.log(w.shape[0])).mean(), "images are averaged"),
        (lambda w: (w.logsumexp(0) - math.log(w.shape[0])).sum(), "images are added up"),
        (lambda w: w.exp().mean().log(), "over both axes"),
        (lambda w: -(w.logsumexp(0) - math.log(w.shape[0])), "minus the bound"),
        (lambda w: w.max(0).values, "largest log weight"),
        (lambda w: w.exp().mean(0), "mean weight"),
        (lambda w: (torch.softmax(w, 0) * w).sum(0), "softmax"),
        (lambda w: (w - w.amax(0)).exp().mean(0).log(), "add it again"),
        (lambda w: w.exp().mean(0).log(), "overflows or vanishes"),
        (lambda w: np.log(np.mean(np.exp(np.asarray(w)), axis=0)), "overflows or vanishes"),
        (lambda w: (w.double().exp().sum(0) / len(w)).log(), "overflows or vanishes"),
        (lambda w: (w - w.max()).exp().mean(0).log() + w.max(), "one maximum"),
        (lambda w: (w.exp().mean(0) + 1e-8).log(), "near -2000 and 2000"),
        (lambda w: w.clamp(-80, 80).exp().mean(0).log(), "near -2000 and 2000"),
        (lambda w: bound_by_hand(w)[None], "keepdim"),
        (lambda w: bound_by_hand(w).squeeze(), "squeeze"),
        (lambda w: bound_by_hand(w) / math.log(2), "1.44 times"),
        (lambda w: w.logsumexp(0) - math.log(5), "k = 1 sample"),
        (in_place_bound, "changes its argument `log_w`"),
        (Calls(), "called again"),
        (lambda w: (w.logsumexp(0), len(w)), "must return one tensor"),
        (lambda w: w.logsumexp(0) > 0, "real numbers"),
    ],
}  # fmt: skip
for bank in BANKS:
    WRONG |= bank["WRONG"]


@pytest.mark.parametrize("number, answer, words", listed(WRONG))
def test_wrong_answer_is_told_its_mistake(number, answer, words):
    result = check(number, answer)
    assert result.status == "wrong" and not result
    assert result.message.startswith(f"{number} wrong: ")
    assert re.search(words, result.message), result.message
    assert len(result.message) < 420 and "Error: Error" not in result.message


def test_every_exercise_has_banks():
    assert set(EXERCISES) == set(RIGHT) == set(STUBS) == set(WRONG)
    assert all(len(bank) >= 8 for bank in WRONG.values())


def test_messages_do_not_give_the_answer_away():
    for answer, _ in WRONG["03.2"]:
        assert "1.30" not in check("03.2", answer).message and "1.31 " not in check("03.2", answer).message
    for number, bank in WRONG.items():
        code = EXERCISES[number].solution.splitlines()[-1].split("#")[0].strip().removeprefix("return ")
        assert not any(code in check(number, answer).message for answer, _ in bank)


# --- objects that attack ---------------------------------------------------------------------------------------------


class Hostile:
    def _raise(self, *args, **kwargs):
        raise ValueError("<script>alert(1)</script>\x1b[31m`\n" * 50)

    __eq__ = __bool__ = __len__ = __iter__ = __getitem__ = __array__ = __float__ = __str__ = __repr__ = _raise
    __hash__ = None


class Opaque(Hostile):
    def __getattr__(self, name):
        raise RuntimeError(name)


class Markup:
    def __repr__(self):
        return "<img src=x onerror=alert(1)>`</code>" + "x" * 10_000


class Quits:
    def __repr__(self):
        raise SystemExit(3)

    __str__ = __float__ = __call__ = __repr__


class Ends(BaseException):
    pass


def quits(*args):
    sys.exit(1)


def ends(*args):
    raise Ends


def recurses(*args):
    return recurses(*args)


def raises_hostile(*args):
    class Error(Exception):
        __str__ = Hostile._raise

    raise Error


ATTACKS = [
    Hostile(), Opaque(), Markup(), Quits(), quits, ends, recurses, raises_hostile, int, Hostile, object(), check,
    b"\xff", "</code><script>", float("nan"), [], {}, {"reconstruction": Hostile(), "kl": Markup()}, range(3), print,
    lambda *a: Hostile(), lambda *a: Markup(), lambda *a: Quits(), lambda *a: [1, [2]], lambda *a: math.nan,
    lambda *a: torch.full((4, 3), math.nan), lambda *a: torch.zeros(0), lambda *a: a[0].to_sparse(),
    lambda *a: a[0].to(torch.complex64), lambda *a: np.array(["x"]), lambda *a: a[0].resize_(1), torch.nn.Linear,
    torch.nn.Linear(2, 2), np.zeros((2, 2)), lambda *a: iter(()), lambda *a: a[0].half() * 9e4,
    lambda *a: a[0].requires_grad_(False), lambda *a: a[0].zero_(), lambda *a: torch.empty(4, 3, device="meta"),
]  # fmt: skip


@pytest.mark.parametrize("number", EXERCISES)
@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_nothing_raises_and_the_text_stays_tame(number, attack, capsys):
    result = check(number, attack)
    assert result.status in ("wrong", "not attempted")
    assert len(result.message) < 600 and result.message.replace("\n", "").isprintable() and "\n" not in result.message


def test_an_interrupt_by_the_learner_is_passed_on():
    def interrupted(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("00.1", interrupted)


def test_the_learners_world_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            for number, found in EXERCISES.items():
                assert check(number, found.truth())
                check(number, lambda *args: torch.randn(3))
            assert not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(torch.randn(3), expected)


# --- numbers, help and display ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number, words", [
    ("3.1", "Did you mean `03.1`"), (3.1, "Did you mean `03.1`"), ("03.9", "Did you mean `03"), ("", "Exercises: 00.1"),
    (None, "Exercises"), (Hostile(), "Exercises"), (Quits(), "Exercises"), ("<b>", "'<b>'"), (check, "Exercises"),
])  # fmt: skip
def test_unknown_number_lists_those_that_exist(number, words, capsys):
    result = check(number, 1)
    assert result.status == "unknown" and not result
    assert words in result.message and "03.5" in result.message
    check.hint(number), check.solution(number)
    assert capsys.readouterr().out.count("There is no exercise") == 3


def test_missing_or_extra_arguments_do_not_raise():
    assert check().status == "unknown"
    assert "one answer" in check("03.1", "rises", "falls").message


def test_without_an_answer_the_page_is_asked(monkeypatch):
    """A check that ran before its exercise's cell ended in a bare NameError."""
    page = {"check": check}
    result = eval('check("03.2")', page)
    assert result.message.startswith(
        "03.2 not attempted yet. There is no `answer_2` yet: run the cell above, then this one."
    )
    for answer, status in ((None, "not attempted"), (1.31, "right"), (0, "wrong")):
        assert eval('check("03.2")', page | {"answer_2": answer}).status == status
    assert eval('check("03.2", 1.31)', page | {"answer_2": 0}).status == "right"


@pytest.mark.parametrize("number", EXERCISES)
def test_hint_and_solution_are_shown_only_when_asked(number, capsys):
    found = EXERCISES[number]
    assert check.hint(number) is None
    hint = capsys.readouterr().out
    assert found.hint in hint and found.solution not in hint
    assert check.solution(number) is None
    assert found.solution in capsys.readouterr().out
    assert check(number, None).status == "not attempted" and found.solution not in capsys.readouterr().out
    assert all(len(line) <= 100 for line in found.solution.splitlines())


def test_plain_print_survives_a_narrow_console():
    code = "from aigc_course.check import check; check('03.2', 0.6137); check('03.2', '\\u2603'); check.hint('03.2')"
    env = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.count("03.2 wrong: ") == 2, done.stderr


def test_import_and_listing_do_not_import_torch():
    code = (
        "import sys; from aigc_course.check import check; check('03.2', 1.31); check.hint('03.3');"
        "sys.exit(bool({'torch', 'transformers', 'numpy', 'IPython'} & set(sys.modules)))"
    )
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    assert subprocess.run([sys.executable, "-c", code], env=env, timeout=60).returncode == 0


def text_of_html(markup):
    return html.unescape(re.sub("<[^>]*>", "", markup.replace("<pre>", "\n\n")))


def test_a_kernel_shows_each_message_once_as_html_and_as_text():
    cells = [
        "from aigc_course.check import check\nimport torch",
        'check("03.2", 0.6534)',
        "def interpolate(z_a, z_b, t):\n    return z_a + t * undefined_name",
        'check("00.1", interpolate)',
        'class Bad:\n    def __repr__(self):\n        return "<script>alert(1)</script>`$x$"\ncheck("03.2", Bad())',
        'check.hint("03.4")',
        'check.solution("03.4")',
        'result = check("03.2", 1.31)\nresult',
        'check("7.1", 0)',
        'assert not check("03.2", None)',
        'check("03.2")',
        "answer_2 = 1.31",
        'check("03.2")',
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    shown = [cell.outputs for cell in book.cells]
    assert [len(outputs) for outputs in shown] == [0, 1, 0] + 8 * [1] + [0, 1]
    bundles = [outputs[0].data for outputs in shown if outputs]
    for bundle in bundles:
        assert set(bundle) == {"text/plain", "text/html"}
        assert text_of_html(bundle["text/html"]) == bundle["text/plain"].replace("`", "")
        assert set(re.findall(r"<(\w+)", bundle["text/html"])) <= {"div", "code", "pre"}
    assert "in the line `return z_a + t * undefined_name`" in bundles[1]["text/plain"]
    assert "&lt;script&gt;" in bundles[2]["text/html"]
    assert "def kl_between" in bundles[4]["text/plain"]
    assert "run the cell above" in bundles[-2]["text/plain"] and "03.2 right" in bundles[-1]["text/plain"]


# --- the notebooks that are there -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_and_registry_agree(path):
    chapter = path.stem.split("_")[0]
    cells = {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
    numbers = {number for number in EXERCISES if number.startswith(f"{chapter}.")}
    assert {key.removeprefix("check-").replace("-", ".") for key in cells if key.startswith("check-")} == numbers
    for number in numbers:
        names = {}
        stub, source = (cells[f"{kind}-{number.replace('.', '-')}"] for kind in ("exercise", "check"))
        exec(f"import math\nimport torch\n{stub}", names)
        found = EXERCISES[number]
        assert f'check("{number}", {found.name})' in source
        assert check(number, names[found.name]).status == "not attempted"
        exec(found.solution, names)
        assert check(number, names[found.name]).status == "right"
