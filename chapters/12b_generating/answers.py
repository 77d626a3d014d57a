"""Right and wrong answers of chapter 12b, for tests/test_check.py."""

import math

import numpy as np
import torch


def positions_numpy(mask):
    return np.maximum(np.cumsum(np.asarray(mask), axis=1) - 1, 0)


def positions_loop(mask):
    out = torch.zeros_like(mask)
    for row, real in zip(out, mask, strict=True):
        n = int(real.sum())
        row[len(row) - n :] = torch.arange(n)
    return out


def place(mask):
    return torch.arange(mask.shape[1]).expand_as(mask)


def padding(mask):
    return mask.shape[1] - mask.sum(1, keepdim=True)


def penalise_loop(logits, ids, penalty):
    out = logits.clone()
    for row, tokens in zip(out, ids.tolist(), strict=True):
        for token in set(tokens):
            row[token] = row[token] / penalty if row[token] > 0 else row[token] * penalty
    return out


def penalise_library(logits, ids, penalty):
    from transformers import RepetitionPenaltyLogitsProcessor

    return RepetitionPenaltyLogitsProcessor(penalty)(ids, logits)


def penalise_mask(logits, ids, penalty):
    there = (ids[..., None] == torch.arange(logits.shape[1])).any(1)
    return torch.where(there, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def penalise_numpy(logits, ids, penalty):
    out = logits.numpy().copy()
    for b, row in enumerate(ids.tolist()):
        for i in {*row}:
            out[b, i] *= penalty if out[b, i] < 0 else 1 / penalty
    return out


def first_row_only(logits, ids, penalty):
    return torch.cat([penalise_loop(logits[:1], ids[:1], penalty), logits[1:]])


RIGHT = {
    "12b.1": [
        0.5695,
        0.57,
        "0.57",
        np.float32(0.5695),
        torch.tensor([0.5695]),
        "0.569\n",
        1 / (1 + math.exp(-0.5) + math.exp(-1.9)),
    ],
    "12b.2": [
        positions_numpy,
        positions_loop,
        lambda mask: mask.cumsum(1) - mask,
        lambda mask: (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0),
        lambda mask: (place(mask) - padding(mask)).clamp(min=0),
        lambda m: m.cumsum(1).sub(1).relu(),
        lambda m: torch.stack([torch.cat([0 * r[r == 0], torch.arange(int(r.sum()))]) for r in m]),
        lambda m: [[max(0, sum(r[: i + 1]) - 1) for i in range(len(r))] for r in m.tolist()],
        lambda m: (m.cumsum(1) - 1).clamp(min=0).float(),
    ],
    "12b.3": [
        penalise_loop,
        penalise_library,
        penalise_mask,
        penalise_numpy,
        lambda z, ids, p: penalise_mask(z.double(), ids, p),
    ],
}

WRONG = {
    "12b.1": [
        (0.0166, "among all texts"),
        (0.11, "fewer nats are likelier"),
        (0.35, "second or the third"),
        (0.62, "of two"),
        (0.28, "cannot be shared like this"),
        (1.32, "odds"),
        (0.72, "cannot be shared"),
        (57, "never above 1"),
        (0.02, "among all texts"),
        (0.43, "or both together"),
        ("first", "must be one number"),
        (math.nan, "finite"),
    ],
    "12b.2": [
        (place, "places"),
        (lambda m: (m.cumsum(1) - 1).masked_fill(m == 0, -100), "padding should get 0"),
        (lambda m: (m.cumsum(1) - 1).clamp(min=0) + 5, r"every value is off by \+5"),
        (lambda m: place(m) * m - padding(m), "it returns"),
        (lambda m: (place(m) - padding(m)).clamp(min=0) * 1 + 0 * m + (m.cumsum(1) > 1) * 1, "it returns"),
        (torch.ones(2, 3), "the answer must be the function"),
        (lambda m: (m.cumsum(1) - 1).clamp(min=0)[:, -1], "it returns"),
        (lambda m: m.cumsum(1), "the first real token has position 1"),
        (lambda m: m.cumsum(1).clamp(max=9) - m, "it returns"),
        (lambda m: (m.cumsum(1) - 1).abs(), "right for the real tokens"),
        (lambda m: m.cumsum(1).flip(1) * m, "it returns"),
        (lambda m: m.sum(1, keepdim=True) - m.cumsum(1), "it returns"),
        (lambda m: (m.cumsum(1) - 1).clamp(min=0) / m.sum(1, keepdim=True), "it returns"),
        (lambda m: (place(m) - padding(m)[0]).clamp(min=0), "all rows have the same positions"),
        (lambda m: m.cumsum_(1).sub(1).clamp(min=0), "in place"),
        (lambda m: m.nonzero(), "it returns"),
    ],
    "12b.3": [
        (lambda z, ids, p: z.scatter(1, ids, z.gather(1, ids) / p), "negative logit that is divided"),
        (lambda z, ids, p: z.scatter(1, ids, z.gather(1, ids) * p), "positive logit that is multiplied"),
        (lambda z, ids, p: penalise_loop(z, ids, 1 / p), "the other way round"),
        (lambda z, ids, p: penalise_loop(z, ids[:, -1:], p), "only a part of its row's"),
        (lambda z, ids, p: penalise_loop(z, ids[:, :1], p), "only a part of its row's"),
        (lambda z, ids, p: z.scatter(1, ids, -math.inf), "forbidden"),
        (lambda z, ids, p: torch.where(z > 0, penalise_loop(z, ids, p), z), "one that stays is not penalised: mul"),
        (lambda z, ids, p: torch.where(z < 0, penalise_loop(z, ids, p), z), "one that stays is not penalised: div"),
        (lambda z, ids, p: z - p * torch.zeros_like(z).scatter_add(1, ids, 1.0 + 0 * ids), "is subtracted"),
        (lambda z, ids, p: penalise_loop(z, ids, p).gather(1, ids), "not returned"),
        (lambda z, ids, p: penalise_loop(z, ids[:1].expand(len(ids), -1), p), "not for those of the other rows"),
        (first_row_only, "it returns"),
        (lambda z, ids, p: z.scatter_(1, ids, 0.0), "in place"),
        (lambda z, ids, p: penalise_loop(z, ids, p).softmax(-1), "it returns"),
        (lambda z, ids, p: penalise_loop(z, ids, p)[0], "it returns"),
        (lambda z, ids, p: torch.where(z > 0, z / p, z * p), "tokens that are not there stay"),
    ],
}
