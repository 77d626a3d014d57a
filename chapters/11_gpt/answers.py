"""Right, untouched and wrong answers to the exercises of 11_gpt; tests/test_check.py runs them."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def stub_raises(*args):
    raise NotImplementedError


BLANK = [(None,), (...,), (stub_raises,), (lambda *a: None,), (lambda *a: ...,)]


def said(**changes):
    renamed = {key.replace("_", " "): word for key, word in changes.items()}
    return {"best order": "rises", "validation nats": "falls", "training nats": "rises"} | renamed


# --- the loss ---------------------------------------------------------------------------------------------------------


def ce(logits, ids, reduction="mean"):
    return F.cross_entropy(logits.transpose(1, 2), ids, reduction=reduction)


def loss(logits, ids):
    return ce(logits[:, :-1], ids[:, 1:])


def numpy_loss(logits, ids):
    a, b = np.asarray(logits)[:, :-1].astype(np.float64), np.asarray(ids)[:, 1:]
    log_p = a - np.log(np.exp(a).sum(-1, keepdims=True))
    return -np.take_along_axis(log_p, b[..., None], -1).mean()


def gathered_loss(logits, ids):
    return -logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None]).mean()


# --- discounting ------------------------------------------------------------------------------------------------------


def totals(counts):
    return counts.sum(1, keepdim=True), (counts > 0).sum(1, keepdim=True)


def wherever_counted(p, counts, shorter):
    return torch.where(counts.sum(1, keepdim=True) > 0, p, shorter)


def discount(counts, shorter, d):
    C, n = totals(counts)
    return wherever_counted(((counts - d).clamp(min=0) + d * n * shorter) / C, counts, shorter)


def discount_row_by_row(counts, shorter, d):
    rows = []
    for c, s in zip(counts, shorter, strict=True):
        n, total = int((c > 0).sum()), float(c.sum())
        rows.append(s if total == 0 else torch.stack([max(x - d, x * 0) / total + d * n / total * y
                                                      for x, y in zip(c, s, strict=True)]))  # fmt: skip
    return torch.stack(rows)


def numpy_discount(counts, shorter, d):
    counts, shorter = np.asarray(counts), np.asarray(shorter)
    out = shorter.copy()
    for i, c in enumerate(counts):
        if c.sum():
            out[i] = np.maximum(c - d, 0) / c.sum() + d * np.count_nonzero(c) / c.sum() * shorter[i]
    return out


def rule(change):
    """A wrong rule, a function of (counts, shorter, d, C, n), where something was counted."""
    return lambda c, s, d: wherever_counted(change(c, s, d, *totals(c)), c, s)


def in_place_discount(counts, shorter, d):
    C, n = totals(counts)
    counts -= d
    return counts.clamp(min=0) / C + d * n / C * shorter


RIGHT = {
    "11.1": [
        said(),
        {"best order": " Rises", "validation nats": "falls.", "training nats": "RISES"},
        said() | {"why": "sparse"},
    ],
    "11.2": [
        2.25 * math.log(2), "1.56", "1.5596", 1.56, np.float32(1.5596), torch.tensor([1.5596]), math.log(512) / 4,
    ],
    "11.3": [
        loss, gathered_loss,
        lambda logits, ids: F.nll_loss(logits[:, :-1].log_softmax(-1).flatten(0, 1), ids[:, 1:].flatten()),
        lambda logits, ids: F.cross_entropy(
            logits.transpose(1, 2), F.pad(ids[:, 1:], (0, 1), value=-100), ignore_index=-100
        ),
    ],
    "11.4": [discount, discount_row_by_row, numpy_discount, lambda c, s, d: discount(c.double(), s.double(), d)],
}  # fmt: skip

STUBS = {number: BLANK for number in ("11.3", "11.4")} | {
    "11.1": [(None,), (dict.fromkeys(said()),), (said(best_order=None),), (said(training_nats=...),),
             (said(validation_nats=""),)],
    "11.2": [(None,), (...,)],
}  # fmt: skip

WRONG = {
    "11.1": [
        (said(best_order="falls"), "best order does not fall"),
        (said(best_order="stays"), "best order does not stay"),
        (said(validation_nats="rises"), "validation loss does not rise"),
        (said(validation_nats="stays"), "validation loss does not stay"),
        (said(training_nats="falls"), "training loss does not fall"),
        (said(training_nats="stays"), "training loss does not stay"),
        (said(best_order="falls", validation_nats="rises", training_nats="falls"), "wrong way round"),
        (said(best_order="stays", training_nats="falls"), "does not stay.* And .*does not fall"),
        (said(best_order="up"), "must be"),
        (said(training_nats=1), "must be"),
        ({"best order": "rises"}, "keys"),
        ("rises", "dict"),
    ],
    "11.2": [
        (2.25, "in bits"), (9, "sum in bits"), (6.238, "whole text"), (-1.5596, "negative"), (-6.238, "whole text"),
        (1.386, "log of the mean"), (4.757, "perplexity"), (0.677, "base 10"), (0.25, "mean probability"),
        (1 / 512, "probability of the whole text"), (1.213, "one distribution"), (1.75, "one distribution"),
        (0.21, "geometric mean"), (2.079, "divided by three"), (3.119, "divided by two"), (-3, "never negative"),
        (1.6, "smaller than"), (1.5, "larger than"), ("much", "one number"), (float("nan"), "finite"),
        ([1.56, 2.25], "one number"),
    ],
    "11.3": [
        (ce, "not shifted: the model is asked"),
        (lambda x, y: ce(x[:, 1:], y[:, :-1]), "shift goes the wrong way"),
        (lambda x, y: ce(x, y.roll(-1, 1)), "wraps around: the last"),
        (lambda x, y: ce(x, y.roll(1, 1)), "goes the wrong way, and wraps"),
        (lambda x, y: ce(x[:, :-1], y[:, :-1]), "last place was dropped on both"),
        (lambda x, y: ce(x[:, 1:], y[:, 1:]), "first place was dropped on both"),
        (lambda x, y: ce(x[:, :-1], y[:, 1:], "sum"), "nats are summed"),
        (lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / len(y), "sum for each text"),
        (lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / y.numel(), "T - 1 predictions"),
        (lambda x, y: ce(x[:, :-1], y[:, 1:], "none").mean(1), "not one for each text"),
        (lambda x, y: ce(x[:, :-1], y[:, 1:], "none"), "mean is missing"),
        (lambda x, y: ce(x[:, :-1].softmax(-1), y[:, 1:]), "squeezes them twice"),
        (lambda x, y: -loss(x, y), "log-probability; the loss"),
        (lambda x, y: loss(x, y) / math.log(2), "in bits"),
        (lambda x, y: loss(x, y).exp(), "perplexity"),
        (lambda x, y: ce(x[:, -2:-1], y[:, -1:]), "only the last character"),
        (lambda x, y: loss(x, y).detach(), "no gradient reaches"),
        (numpy_loss, "no gradient reaches"),
        (lambda x: x, "raises `TypeError"),
        (torch.tensor(1.0), "without calling"),
    ],
    "11.4": [
        (lambda c, s, d: ((c - d).clamp(min=0) + d * totals(c)[1] * s) / totals(c)[0], "0 / 0"),
        (lambda c, s, d: ((c - d).clamp(min=0) + d * totals(c)[1] * s) / totals(c)[0].clamp(min=1), "only zeros"),
        (rule(lambda c, s, d, C, n: (c - d).clamp(min=0) / C), "given to nobody"),
        (rule(lambda c, s, d, C, n: (c - d).clamp(min=0) / (c - d).clamp(min=0).sum(1, keepdim=True)), "scaled up"),
        (rule(lambda c, s, d, C, n: c / C), "nothing is discounted"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) + d * s) / C), "so d · n is free"),
        (rule(lambda c, s, d, C, n: (c - d).clamp(min=0) / C + d * s), "once for each count"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) + d * c.shape[1] * s) / C), "not V"),
        (rule(lambda c, s, d, C, n: (c - d + d * n * s) / C), "Cut it off at 0"),
        (rule(lambda c, s, d, C, n: (c + n * s) / (C + n)), "Witten and Bell's rule"),
        (rule(lambda c, s, d, C, n: (c + d * n * s) / (C + d * n)), "nothing is taken from the counts"),
        (rule(lambda c, s, d, C, n: (1 - d) * c / C + d * s), "fixed share d"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) + d * n / c.shape[1]) / C), "spread evenly"),
        (rule(lambda c, s, d, C, n: (c - d).clamp(min=0) + d * n * s), "not divided"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) + d * (c.shape[1] - n) * s) / C), "not of those"),
        (rule(lambda c, s, d, C, n: d * c / C + (1 - d) * s), "multiplies the counts by d"),
        (lambda c, s, d: discount(c, s, d).log(), "log-probabilities"),
        (in_place_discount, "changes its argument `counts` in place"),
        (lambda c, s, d: discount(c, s, d)[None], "left over"),
        (lambda c: c, "raises `TypeError"),
    ],
}  # fmt: skip
