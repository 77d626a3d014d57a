"""Right and wrong answers to the exercises of 11_gpt; test_check.py runs them."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def said(**changes):
    renamed = {key.replace("_", " "): word for key, word in changes.items()}
    return {"validation nats": "falls", "training nats": "rises"} | renamed


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


def gathered_p(logits, ids):
    return logits.softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])


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
        {"validation nats": "falls.", "training nats": " RISES"},
        said() | {"why": "sparse"},
        said() | {"training nats": "'rises'\n"},
        said() | {"best order": "stays"},
        said() | {"training nats": "\tRises!", "validation nats": "“falls”"},
    ],
    "11.2": [
        2.25 * math.log(2),
        "1.56",
        "1.5596",
        1.56,
        np.float32(1.5596),
        torch.tensor([1.5596]),
        math.log(512) / 4,
        "1.56 nats",
        "≈1.56",
        -math.log(1 / 512) / 4,
        "1.5596\n",
        "1.56 nats per character",
        "1.56 nats/character",
        "1.56 nats a character",
        "1,56",
        "≈ 1,5596 nats per char",
    ],
    "11.3": [
        loss,
        gathered_loss,
        lambda logits, ids: F.nll_loss(logits[:, :-1].log_softmax(-1).flatten(0, 1), ids[:, 1:].flatten()),
        lambda logits, ids: F.cross_entropy(
            logits.transpose(1, 2), F.pad(ids[:, 1:], (0, 1), value=-100), ignore_index=-100
        ),
        numpy_loss,
        lambda x, y: loss(x, y).detach(),
        lambda x, y: loss(x, y).item(),
        lambda x, y: -torch.distributions.Categorical(logits=x[:, :-1]).log_prob(y[:, 1:]).mean(),
        lambda x, y: (
            sum(F.cross_entropy(x[b, t], y[b, t + 1]) for b in range(len(y)) for t in range(y.shape[1] - 1))
            / (len(y) * (y.shape[1] - 1))
        ),
        lambda x, y: F.cross_entropy(x.flatten(0, 1), F.pad(y, (0, 1), value=-100)[:, 1:].flatten()),
    ],
    "11.4": [
        discount,
        discount_row_by_row,
        numpy_discount,
        lambda c, s, d: discount(c.double(), s.double(), d),
        lambda c, s, d: torch.where(
            c.sum(1, keepdim=True) == 0,
            s,
            (torch.relu(c - d) + d * torch.count_nonzero(c, 1)[:, None] * s) / (c.sum(1, keepdim=True) + 1e-30),
        ),
        lambda c, s, d: (lambda p: p + (1 - p.sum(1, keepdim=True)) * s)(
            (c - d).clamp(min=0) / c.sum(1, keepdim=True).clamp(min=1)
        ),
        lambda c, s, d: torch.lerp(
            torch.nan_to_num(torch.relu(c - d) / torch.relu(c - d).sum(1, keepdim=True)),
            s,
            torch.nan_to_num(d * (c > 0).sum(1, keepdim=True) / c.sum(1, keepdim=True), nan=1.0),
        ),
    ],
}  # fmt: skip

WRONG = {
    "11.1": [
        (said(training_nats="falls"), "does not fall"),
        (said(validation_nats="stays", training_nats="falls"), "does not stay.*And.*does not fall"),
        (said(validation_nats="rises", training_nats="stays"), "every estimate.*And.*by heart"),
        (said(validation_nats="rises", training_nats="falls"), "both are the wrong way"),
        (said(training_nats="explodes"), "must be"),
        (said(validation_nats=3), "must be"),
        ({"training nats": "rises"}, "keys"),
        ("rises", "dict"),
    ],
    "11.2": [
        (2.25, "base 2 or 10"),
        (6.24, "whole text"),
        (-1.56, "log-probability"),
        (1.386, "mean of four logarithms"),
        (1.705, "before the logarithm"),
        (3.246, "multiply"),
        (0.693, "not all counted"),
        ("0.303", "one distribution"),
        (1.55, "larger than"),
        (1.569, "smaller than"),
        (4.76, "perplexity"),
        (0.25, "a probability"),
        (1.213, "one distribution"),
        (-3, "log-probability|never negative"),
        (1.6, "two decimals"),
        (1.5, "cut off"),
        ("much", "one number"),
        (float("nan"), "finite"),
        ([1.56, 2.25], "one number"),
    ],
    "11.3": [
        (lambda x, y: ce(x, y.roll(-1, 1)), "roll"),
        (
            lambda x, y: F.cross_entropy(x.view(-1, x.shape[-1])[:-1], y.view(-1)[1:]),
            "the last place of a text is asked for the first",
        ),
        (lambda x, y: -loss(x, y), "minus"),
        (lambda x, y: loss(x, y) / math.log(2), "bits"),
        (lambda x, y: loss(x, y).exp(), "this is the exponential of what is due"),
        (lambda x, y: ce(x[:, :-1], y[:, 1:], "none"), "a mean over all values is missing"),
        (lambda x, y: loss(x.log_softmax(-1).exp(), y), "squeeze"),
        (lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / x.numel(), "it returns"),
        (lambda x: x, "raises `TypeError"),
        (torch.tensor(1.0), "the answer must be the function"),
        (lambda x, y: (x[:, :-1].argmax(-1) != y[:, 1:]).double().mean(), "it returns"),
        (lambda x, y: loss(x[:1], y[:1]), "only some of the predictions"),
        (lambda x, y: ce(x[:, 1:-1], y[:, 2:]), "only some of the predictions"),
        (lambda x, y: F.cross_entropy(x[:-1].flatten(0, 1), y[1:].flatten()), "another text's"),
        (lambda x, y: ce(x, F.pad(y[:, 1:], (0, 1))), "0 is a symbol"),
        (lambda x, y: -x[:, :-1].log().gather(-1, y[:, 1:, None]).mean(), "they have no logarithm"),
        (lambda x, y: -(F.one_hot(y[:, 1:], x.shape[-1]) * x[:, :-1].log_softmax(-1)).mean(), "not over V"),
        (lambda x, y: F.cross_entropy(x[:, :-1].transpose(1, 2), y[:, 1:], label_smoothing=0.1), "it returns"),
        (lambda x, y: F.mse_loss(x[:, :-1].softmax(-1), F.one_hot(y[:, 1:], x.shape[-1]).float()), "it returns"),
        (lambda x, y: ce(x[:, :-1].log_softmax(1), y[:, 1:]), "the softmax is over the symbols"),
        (
            lambda x, y: F.cross_entropy(x[:, :-1].permute(0, 2, 1).reshape(-1, x.shape[-1]), y[:, 1:].flatten()),
            "`transpose` swaps",
        ),
        (lambda x, y: F.cross_entropy(x[:, :-1].transpose(0, 1).flatten(0, 1), y[:, 1:].flatten()), "texts are mixed"),
        (lambda x, y: -gathered_p(x, y).mean().log(), "over their logarithms"),
        (lambda x, y: -x.log_softmax(1)[:, :-1].gather(-1, y[:, 1:, None]).mean(), "the softmax is over the symbols"),
    ],
    "11.4": [
        (in_place_discount, "in place"),
        (lambda c, s, d: discount(c, s, d)[None], "axis"),
        (lambda c: c, "raises `TypeError"),
        (lambda c, s, d: discount(c, s, d).log(), "log"),
        (
            lambda c, s, d: ((c - d).clamp(min=0) + d * totals(c)[1] * s) / totals(c)[0],
            "right where something was counted",
        ),
        (lambda c, s, d: discount(c, s.flip(1), d), "it returns"),
        (lambda c, s, d: discount(c, s, 0.75), "it returns"),
        (rule(lambda c, s, d, C, n: (c - d).clamp(min=0) / C), "the probability that the discount frees goes to"),
        (rule(lambda c, s, d, C, n: c / C), "nothing is taken from the counts, so that the"),
        (lambda c, s, d: s, "`counts` changes nothing"),
        (rule(lambda c, s, d, C, n: torch.maximum(c / C, s)), "it returns"),
        (rule(lambda c, s, d, C, n: (c / C).where(c > 0, s)), "it returns"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) + d * n * s) / (C - d * n)), "by nothing else"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) / C).where(c > 0, d * n / C * s)), "goes to the wrong place"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) + d * n * (s - d).clamp(min=0)) / C), "as `shorter` says"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) + d * (c == 1).sum(1, keepdim=True) * s) / C), "once"),
        (rule(lambda c, s, d, C, n: ((c - d).abs() + d * n * s) / C), "Cut it off"),
        (rule(lambda c, s, d, C, n: ((c - d + d * n * s) / C).clamp(min=0)), "before anything is added"),
        (rule(lambda c, s, d, C, n: (c + d + d * n * s) / C), "nothing to add"),
        (rule(lambda c, s, d, C, n: ((c - d).clamp(min=0) + (1 - d) * n * s) / C), "so d · n is free"),
        (lambda c, s, d: discount(c.T, s.T, d).T, "by nothing else"),
        (lambda c, s, d: discount(c, s, d) / discount(c, s, d).sum(), "by nothing else"),
        (lambda c, s, d: (c + d) / (c + d).sum(1, keepdim=True), "`shorter` changes nothing"),
    ],
}  # fmt: skip
