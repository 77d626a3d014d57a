"""Right and wrong answers of chapter 12, for tests/test_check.py."""

import functools
import math
import re

import numpy as np
import torch
import torch.nn.functional as F


def loss_of(logits, labels, reduction="mean", shift=1):
    T = logits.shape[1]
    return F.cross_entropy(logits[:, : T - shift].transpose(1, 2), labels[:, shift:], reduction=reduction)


def loss_by_hand(logits, labels):
    p, y = logits[:, :-1].log_softmax(-1), labels[:, 1:]
    picked = p.gather(-1, y.clamp(min=0)[..., None])[..., 0]
    return -(picked * (y >= 0)).sum() / (y >= 0).sum()


def loss_padded(logits, labels):
    y = F.pad(labels, (0, 1), value=-100)[:, 1:]
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def merge_in_loop(ids, left, right, new):
    out = []
    for x in ids.tolist():
        if out and out[-1] == ("free", left) and x == right:
            out[-1] = ("used", new)
        else:
            out.append(("free", x))
    return torch.tensor([x for _, x in out])


def merge_list(ids, left, right, new):
    old, out = list(ids), []
    while old:
        if len(old) > 1 and old[0] == left and old[1] == right:
            out, old = [*out, new], old[2:]
        else:
            out, old = [*out, int(old[0])], old[1:]
    return out


def merge_again(ids, left, right, new):
    old = ids.tolist()
    i = 0
    while i < len(old) - 1:
        if old[i : i + 2] == [left, right]:
            old[i : i + 2] = [new]
            i = 0
        else:
            i += 1
    return torch.tensor(old)


def merge_walk(ids, left, right, new, step=2, early=0, pair=()):
    """Goes on by `step` after a pair, stops before the last `early` ids, keeps `pair` beside the new id."""
    old, out, i = ids.tolist(), [], 0
    while i < len(old) - early:
        found = old[i : i + 2] == [left, right]
        out += [*pair, new] if found else [old[i]]
        i += step if found else 1
    return torch.tensor(out)


def merge_by_mask(ids, left, right, new):
    hit, out, stays = (ids[:-1] == left) & (ids[1:] == right), ids.clone(), torch.ones(len(ids), dtype=torch.bool)
    out[:-1][hit] = new
    stays[1:][hit] = False
    return out[stays]


def merge_in_place(ids, left, right, new):
    old = ids.tolist()
    for i in range(len(old)):
        if old[i : i + 2] == [left, right]:
            old[i : i + 2] = [new, None]
    return [x for x in old if x is not None]


def merge_characters(ids, left, right, new):
    text = "".join(chr(1 + x) for x in ids.tolist())
    return np.array([ord(c) - 1 for c in text.replace(chr(1 + left) + chr(1 + right), chr(1 + new))])


def merge_left_alone(ids, left, right, new):
    old = ids.tolist()
    return [new if x == left else x for i, x in enumerate(old) if not (x == right and i and old[i - 1] == left)]


FALLS = {"tokens": "falls", "nats per token": "rises", "even guess": "rises"}


RIGHT = {
    "12.1": [
        {"tokens": "Falls", "nats per token": " rises ", "even guess": "rises."},
        FALLS | {"why": "fewer tokens share the nats"},
        FALLS | {"tokens": "'falls'\n"},
        FALLS | {"even guess": "\tRISES", "nats per token": "“rises”"},
    ],
    "12.2": [
        math.exp(1.2),
        3.32,
        3.3201,
        "3.32",
        np.float32(3.3201),
        torch.tensor([3.3201]),
        3.322,
        "3.32",
        "≈ 3.32",
        math.e**1.2,
        "3.3201\n",
    ],
    "12.3": [
        loss_of,
        loss_by_hand,
        loss_padded,
        lambda logits, labels: loss_of(logits, labels, "sum") / (labels[:, 1:] != -100).sum(),
        lambda logits, labels: loss_of(logits.double(), labels),
        lambda x, y: loss_of(x, y).detach().numpy(),
        lambda x, y: F.cross_entropy(x[:, :-1][y[:, 1:] != -100], y[:, 1:][y[:, 1:] != -100]),
        lambda x, y: F.nll_loss(x[:, :-1].log_softmax(-1).mT, y[:, 1:]),
        lambda x, y: loss_of(x, y).item(),
    ],
    "12.4": [
        merge_in_loop,
        merge_list,
        merge_walk,
        merge_in_place,
        merge_characters,
        lambda ids, left, right, new: np.asarray(merge_list(ids, left, right, new)),
        lambda ids, a, b, new: [
            int(x) for x in re.sub(rf"(?<!\S){a} {b}(?!\S)", str(new), " ".join(map(str, ids.tolist()))).split()
        ],
        lambda ids, a, b, new: np.array(merge_list(ids, a, b, new))[::-1][::-1],
        lambda ids, a, b, new: torch.tensor(
            [
                x
                for x, _ in functools.reduce(
                    lambda out, x: (
                        [*out[:-1], (new, True)] if out and out[-1] == (a, False) and x == b else [*out, (x, False)]
                    ),
                    ids.tolist(),
                    [],
                )
            ]
        ),
    ],
}

WRONG = {
    "12.1": [
        (FALLS | {"tokens": "stays", "even guess": "stays"}, "each further merge.*And the even guess"),
        (FALLS | {"tokens": "shrinks"}, 'must be "rises", "falls" or "stays"'),
        (FALLS | {"tokens": -1}, 'must be "rises", "falls" or "stays"'),
        (FALLS | {"nats per token": "stays", "tokens": "rises"}, "merges only replace.*And.*nats per byte"),
        (["falls", "rises", "rises"], "must be a dict"),
        ({"tokens": "falls"}, "must be a dict"),
        (FALLS | {"even guess": "falls", "nats per token": "falls"}, "share.*And the even guess"),
    ],
    "12.2": [
        (1.2, "nats or bits per byte"),
        (20.09, "per token; share"),
        (2.3, "base of the power"),
        (8.03, "multiplied or divided"),
        (1200, "whole text"),
        (0.3, "mean probability"),
        (0.1, "never below 1"),
        (5, "smaller than 5"),
        (2.8, "larger than 2.8"),
        ("three", "must be one number"),
        (math.nan, "finite"),
        (3.31, "all 400 tokens"),
        (3.3, "two decimals"),
    ],
    "12.3": [
        (lambda t, y: F.cross_entropy(t.flatten(0, 1), y.flatten(), reduction="sum"), "nothing is shifted"),
        (lambda t, y: torch.stack([F.cross_entropy(a, b) for a, b in zip(t, y, strict=True)]).mean(), "nothing is"),
        (lambda t, y: F.cross_entropy(t.flatten(0, 1), y.clamp(min=0).flatten()), "nothing is shifted"),
        (lambda t, y: F.cross_entropy(t.mT, F.pad(y[:, 1:], (0, 1))), "filled up with an id"),
        (lambda t, y: loss_of(t, y.clamp(min=0), "sum") / (y[:, 1:] >= 0).sum(), "-100 was turned into an id"),
        (lambda t, y: -loss_of(t, y), "minus"),
        (lambda t, y: loss_of(t, y).exp(), "this is the exponential of what is due"),
        (lambda t, y: loss_of(t, y) / math.log(2), "bits"),
        (lambda t, y: loss_of(t, y, "none"), "the sum is divided by the wrong number"),
        (
            lambda t, y: F.cross_entropy(t.flatten(0, 1)[:-1], y.flatten()[1:]),
            "the shift is by two, goes the wrong way, wraps",
        ),
        (lambda t, y: loss_of(t, y.abs() % t.shape[-1]), "-100 was turned into an id"),
        (lambda t, y: loss_of(t, y, "none")[y[:, 1:] > 0].mean(), "or an id left out"),
        (lambda t, y: loss_of(t, y, "sum") / t.numel(), "divided by the wrong number"),
        (lambda t, y: (loss_of(t, y, "none") * (y[:, :-1] >= 0)).sum() / (y[:, :-1] >= 0).sum(), "the wrong number"),
        (lambda t, y: F.cross_entropy(t[:, :-1].flatten(0, 1), y[:, 1:].flatten(), ignore_index=0), "ignore_index 0"),
        (lambda t, y: loss_of(t[:1], y[:1]), "only a part is scored.*or one row"),
        (lambda t, y: F.cross_entropy(t[:, 0], y[:, 1]), "only a part is scored"),
        (lambda t, y: loss_of(t.flip(1), y.flip(1)), "the shift is by two, goes the wrong way, wraps"),
        (lambda t, y: loss_of(t, y, "none").sum(1).mean(), "the nats are summed, or summed for each row"),
        (lambda t, y: loss_of(t, y) * (y != -100).double().mean(), "divided by the wrong number"),
        (lambda t, y: loss_of(t.log_softmax(1), y), "a class for each id"),
        (lambda t, y: F.nll_loss(t[:, :-1].flatten(0, 1), y[:, 1:].flatten()), "none is taken"),
        (lambda t, y: F.cross_entropy(t[:, :-1].reshape(len(t), t.shape[2], -1), y[:, 1:]), "the axes are mixed"),
    ],
    "12.4": [
        (lambda *a: merge_in_loop(*a)[:-1], "an id is lost, added or moved"),
        (merge_again, "what has been merged is used up"),
        (merge_by_mask, "what has been merged is used up"),
        (lambda ids, a, b, new: merge_walk(ids, a, b, new, early=1), "an id is lost"),
        (lambda ids, a, b, new: merge_walk(ids, a, b, new, step=3), "an id is lost"),
        (lambda ids, a, b, new: merge_walk(ids, a, b, new, pair=(a, b)), "two ids become one"),
        (lambda ids, a, b, new: merge_walk(ids, a, b, new, step=1), "two ids become one"),
        (lambda ids, a, b, new: ids[ids != a], "it returns"),
        (merge_left_alone, "a `left` or a `right` that stands alone stays"),
        (lambda ids, a, b, new: torch.where(ids == a, new, ids), "a `left` or a `right` that stands alone stays"),
        (lambda ids, a, b, new: merge_in_loop(ids, a, b, a), "this is the id `new`"),
        (lambda ids, a, b, new: [x for x in merge_list(ids, a, b, new) if x != b], "that stands alone stays"),
        (lambda ids, a, b, new: torch.tensor(sorted(merge_list(ids, a, b, new))), "lost, added or moved"),
        (lambda ids, a, b, new: merge_in_loop(ids, a, b, 256), "this is the id `new`"),
        (lambda ids, a, b, new: [*merge_list(ids, a, b, new), new], "lost, added or moved"),
        (lambda ids, a, b, new: merge_in_loop(merge_in_loop(ids, a, b, new), b, a, new), "or both ways"),
        (lambda ids, a, b, new: merge_in_loop(ids[: len(ids) // 2 * 2], a, b, new), "lost, added or moved"),
        (lambda ids, a, b, new: ids.fill_(new), "in place"),
        (
            lambda ids, a, b, new: (
                [
                    new if list(p) == [a, b] else x
                    for p in ids[: len(ids) // 2 * 2].view(-1, 2).tolist()
                    for x in (p if list(p) != [a, b] else p[:1])
                ]
                + ids[len(ids) // 2 * 2 :].tolist()
            ),
            "at every second place only",
        ),
    ],
}
