"""Right and wrong answers of chapter 12, for tests/test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def stub_raises(*args):
    raise NotImplementedError


def positions_numpy(mask):
    return np.maximum(np.cumsum(np.asarray(mask), axis=1) - 1, 0)


def positions_loop(mask):
    out = torch.zeros_like(mask)
    for row, real in zip(out, mask, strict=True):
        n = int(real.sum())
        row[len(row) - n :] = torch.arange(n)
    return out


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


def hits(ids, left, right):
    old = ids.tolist()
    return old, [i for i in range(len(old) - 1) if old[i] == left and old[i + 1] == right]


def merge_first_only(ids, left, right, new):
    old, found = hits(ids, left, right)
    return torch.tensor(old[: found[0]] + [new] + old[found[0] + 2 :] if found else old)


def merge_overlapping(ids, left, right, new):
    old, found = hits(ids, left, right)
    return [new if i in found else x for i, x in enumerate(old) if i in found or i - 1 not in found]


def merge_keeping_second(ids, left, right, new):
    old, found = hits(ids, left, right)
    return [new if i in found else x for i, x in enumerate(old)]


def merge_both(ids, left, right, new):
    old, found = hits(ids, left, right)
    return [new if i in found or i - 1 in found else x for i, x in enumerate(old)]


def merge_deleting(ids, left, right, new):
    old, found = hits(ids, left, right)
    return [x for i, x in enumerate(old) if i not in found and i - 1 not in found]


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


def merge_backwards(ids, left, right, new):
    return merge_in_loop(ids.flip(0), right, left, new).flip(0)


def merge_left_alone(ids, left, right, new):
    old = ids.tolist()
    return [new if x == left else x for i, x in enumerate(old) if not (x == right and i and old[i - 1] == left)]


def place(mask):
    return torch.arange(mask.shape[1]).expand_as(mask)


def padding(mask):
    return mask.shape[1] - mask.sum(1, keepdim=True)


FALLS = {"tokens": "falls", "nats per token": "rises", "even guess": "rises"}

RIGHT = {
    "12.1": [
        {"tokens": "Falls", "nats per token": " rises ", "even guess": "rises."},
        FALLS | {"why": "fewer tokens share the nats"},
    ],
    "12.2": [
        math.exp(1.2), 3.32, 3.3201, "3.32", np.float32(3.3201), torch.tensor([3.3201]), 3.322,
    ],
    "12.3": [
        positions_numpy, positions_loop,
        lambda mask: mask.cumsum(1) - mask,
        lambda mask: (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0),
        lambda mask: (place(mask) - padding(mask)).clamp(min=0),
    ],
    "12.4": [
        loss_of, loss_by_hand, loss_padded,
        lambda logits, labels: loss_of(logits, labels, "sum") / (labels[:, 1:] != -100).sum(),
        lambda logits, labels: loss_of(logits.double(), labels),
    ],
    "12.5": [
        merge_in_loop, merge_list,
        lambda ids, left, right, new: np.asarray(merge_list(ids, left, right, new)),
    ],
}  # fmt: skip

FUNCTIONS = ("12.3", "12.4", "12.5")
STUBS = {number: [(None,), (...,), (stub_raises,), (lambda *a: None,), (lambda *a: ...,)] for number in FUNCTIONS} | {
    "12.1": [(None,), (dict.fromkeys(FALLS),), (FALLS | {"tokens": ""},), (FALLS | {"even guess": ...},)],
    "12.2": [(None,), (...,)],
}

WRONG = {
    "12.1": [
        ({"tokens": "rises", "nats per token": "falls", "even guess": "falls"}, "wrong way round"),
        (FALLS | {"tokens": "rises"}, "does not rise: merges only replace"),
        (FALLS | {"tokens": "stays"}, "each further merge shortens"),
        (FALLS | {"nats per token": "falls"}, "fewer tokens share them"),
        (FALLS | {"nats per token": "stays"}, "the nats per byte would"),
        (FALLS | {"even guess": "falls"}, "chooses among more tokens"),
        (FALLS | {"even guess": "stays"}, "ln V, and V grows"),
        (FALLS | {"tokens": "stays", "even guess": "stays"}, "each further merge.*And the even guess"),
        (FALLS | {"tokens": "shrinks"}, 'must be "rises", "falls" or "stays"'),
        (FALLS | {"tokens": -1}, 'must be "rises", "falls" or "stays"'),
        (["falls", "rises", "rises"], "must be a dict"),
        ({"tokens": "falls"}, "must be a dict"),
    ],
    "12.2": [
        (1.2, "nats per byte; the perplexity is the exponential"),
        (20.0855, "per token; share the nats"),
        (1808.04, "upside down: a text"),
        (7.5, "upside down, and the exponential"),
        (2.2974, "2 to the power"),
        (1.7312, "bits per byte"),
        (8.034, "multiplied by the tokens per byte"),
        (1200, "nats of the whole text"),
        (0.3012, "geometric"),
        (15.849, "10 to the power"),
        (0.4, "tokens per byte"),
        (3.0, "nats per token"),
        (1.003, "shared among the bytes"),
        (0.1, "never below 1"),
        (5, "smaller than 5"),
        (2.8, "larger than 2.8"),
        ("three", "must be one number"),
    ],
    "12.3": [
        (place, "places in the tensor, whatever the mask"),
        (lambda m: place(m) * m, "have their place in the tensor"),
        (lambda m: m.cumsum(1), "running sum counts it already"),
        (lambda m: m.cumsum(1) - 1, "padding gets -1"),
        (lambda m: (m.cumsum(1) - 1) % m.shape[1], "padding gets the last position"),
        (lambda m: m.cumsum(0), "down the batch"),
        (lambda m: (m.cumsum(0) - 1).clamp(min=0), "down the batch"),
        (lambda m: place(m) - padding(m), "padding gets negative positions"),
        (lambda m: (place(m) - m.sum(1, keepdim=True)).clamp(min=0), "number of padding tokens"),
        (lambda m: (place(m) - padding(m)).abs(), "count down"),
        (lambda m: m.flip(1).cumsum(1).flip(1) - 1, "from the end"),
        (lambda m: m, "the mask itself"),
        (lambda m: (1 - m).cumsum(1), "counts the padding"),
        (lambda m: m.cumsum(1).clamp(min=1), "subtract one"),
        (lambda m: (m.cumsum(1) - 1).clamp(min=0)[:, -1], "each place needs one"),
        (lambda m: (m.cumsum(1) - 1).clamp(min=0).float(), "takes whole numbers"),
        (lambda m: m.cumsum(1) + 4, "12.3 wrong"),
        (torch.ones(2, 3), "must be the function"),
    ],
    "12.4": [
        (lambda t, y: F.cross_entropy(t.transpose(1, 2), y), "nothing is shifted: the logits"),
        (lambda t, y: loss_of(t, y, shift=2), "shifts twice"),
        (lambda t, y: loss_of(t.flip(1), y.flip(1)), "wrong way"),
        (lambda t, y: F.cross_entropy(t[:, :-1].transpose(1, 2), y[:, :-1]), "last place was dropped"),
        (lambda t, y: F.cross_entropy(t[:, 1:].transpose(1, 2), y[:, 1:]), "first place was dropped"),
        (lambda t, y: F.cross_entropy(t.transpose(1, 2), y.roll(-1, 1)), "wraps around"),
        (lambda t, y: loss_of(t, y.clamp(min=0)), "turned into the id 0"),
        (lambda t, y: loss_of(t, y, "none").mean(), "divided by all places"),
        (lambda t, y: loss_of(t, y, "sum") / (y != -100).sum(), "what `Trainer` does"),
        (lambda t, y: loss_of(t, y, "sum") / y.numel(), "divided by all labels;"),
        (lambda t, y: loss_of(t, y, "sum"), "summed"),
        (lambda t, y: (loss_of(t, y, "none").sum(1) / (y[:, 1:] >= 0).sum(1)).mean(), "averaged by itself"),
        (lambda t, y: loss_of(t, y, "none"), "mean is missing"),
        (lambda t, y: loss_of(t.softmax(-1), y), "squeezes"),
        (lambda t, y: -loss_of(t, y), "is its negative"),
        (lambda t, y: loss_of(t, y).exp(), "perplexity"),
        (lambda t, y: loss_of(t, y) / math.log(2), "in bits"),
        (lambda t, y: loss_of(t, y).detach(), "no gradient reaches"),
    ],
    "12.5": [
        (lambda ids, a, b, new: ids, "nothing is merged"),
        (lambda ids, a, b, new: merge_in_loop(ids, b, a, new), "wrong way round"),
        (merge_backwards, "from right to left"),
        (merge_first_only, "only the first occurrence"),
        (merge_overlapping, "overlap are all merged"),
        (merge_keeping_second, "second id of the pair"),
        (merge_both, "both ids"),
        (merge_deleting, "deleted"),
        (merge_left_alone, "even where `right` does not follow"),
        (lambda *a: merge_in_loop(*a)[:-1], "last id is lost"),
        (lambda *a: merge_in_loop(*a)[1:], "first id is lost"),
        (merge_again, "merged again in the same step"),
        (lambda ids, a, b, new: ids[ids != a], "12.5 wrong"),
    ],
}
