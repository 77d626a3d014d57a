"""Right and wrong answers of chapter 10, for tests/test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def stub_raises(*args):
    raise NotImplementedError


def attend(q, k, v, scale=None, mask="past", dim=-1, values=None):
    scores = q @ k.transpose(-2, -1) / (math.sqrt(q.shape[-1]) if scale is None else scale(q))
    ones = torch.ones(scores.shape[-2:])
    keep = {"past": ones.tril(), "future": ones.triu(), "strict": ones.tril(-1), "none": ones}[mask]
    weights = scores.masked_fill(keep == 0, -math.inf).softmax(dim)
    return weights @ (v if values is None else values)


def attend_additive(q, k, v):
    T = q.shape[1]
    return (q @ k.mT * q.shape[-1] ** -0.5 + torch.full((T, T), -math.inf).triu(1)).softmax(-1) @ v


def attend_loop(q, k, v):
    rows = []
    for t in range(q.shape[1]):
        scores = (q[:, t : t + 1] * k[:, : t + 1]).sum(-1) / math.sqrt(q.shape[-1])
        rows.append((scores.softmax(-1)[:, :, None] * v[:, : t + 1]).sum(1))
    return torch.stack(rows, 1)


def attend_large(q, k, v):  # -1e9 in place of minus infinity: the weight is 0 in floating point
    past = torch.ones(q.shape[1], q.shape[1]).tril()
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(past == 0, -1e9).softmax(-1) @ v


def attend_zeros(q, k, v, after=False):
    past, scores = torch.ones(q.shape[1], q.shape[1]).tril().to(q), q @ k.mT / math.sqrt(q.shape[-1])
    return scores.softmax(-1) * past @ v if after else (scores * past).softmax(-1) @ v


def attend_soft(q, k, v):
    past = torch.ones(q.shape[1], q.shape[1]).tril()
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(past == 0, -16.0).softmax(-1) @ v


def attend_in_place(q, k, v):
    q /= math.sqrt(q.shape[-1])
    return attend(q, k, v, scale=lambda q: 1)


def rotate(x, places, base=10_000.0, exponent=None, sign=1, pairs="halves", woven=False, kind="turn"):
    d = x.shape[1]
    omega = base ** ((-2 * torch.arange(d // 2) / d) if exponent is None else exponent(torch.arange(d // 2), d))
    angle = sign * places[:, None] * omega
    c, s = angle.cos(), angle.sin()
    a, b = x.chunk(2, 1) if pairs == "halves" else (x[:, ::2], x[:, 1::2])
    parts = {"turn": (a * c - b * s, a * s + b * c), "swapped": (a * s - b * c, a * c + b * s),
             "no minus": (a * c + b * s, a * s + b * c), "other minus": (a * c - b * s, b * c - a * s),
             "scaled": (a * c, b * s)}[kind]  # fmt: skip
    return torch.stack(parts, 2).flatten(1) if woven else torch.cat(parts, 1)


def rotate_complex(x, places):
    d = x.shape[1]
    z = torch.complex(x[:, : d // 2], x[:, d // 2 :])
    angle = places[:, None] * 10_000 ** (-torch.arange(0, d, 2) / d)
    z = z * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], 1)


def rotate_half(x, places):  # in the manner of many libraries
    d = x.shape[1]
    angle = torch.outer(places, 1 / 10_000 ** (torch.arange(0, d, 2) / d)).repeat(1, 2)
    return x * angle.cos() + torch.cat([-x[:, d // 2 :], x[:, : d // 2]], 1) * angle.sin()


def rotate_numpy(x, places):
    x, places, d = np.asarray(x), np.asarray(places), x.shape[1]
    angle = places[:, None] * 10_000.0 ** (-np.arange(0, d, 2) / d)
    a, b = x[:, : d // 2], x[:, d // 2 :]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], 1)


def score(weights, tokens, place=lambda t, s: s + 1, pick=max, over=len, transpose=False):
    w, tokens = np.asarray(weights), np.asarray(tokens).tolist()
    w = w.T if transpose else w
    pairs = [(t, pick(s for s in range(t) if tokens[s] == tokens[t])) for t in range(len(tokens)) if
             tokens[t] in tokens[:t]]  # fmt: skip
    return float(sum(w[t, place(t, s)] for t, s in pairs) / over(pairs)) if pairs else 0.0


def score_last_seen(weights, tokens):
    last, found = {}, []
    for t, token in enumerate(tokens.tolist()):
        if token in last:
            found.append(weights[t, last[token] + 1].item())
        last[token] = t
    return sum(found) / max(1, len(found))


def score_matrix(weights, tokens):
    same = (tokens[:, None] == tokens).tril(-1)
    has = same.any(1)
    latest = (same * (torch.arange(len(tokens)) + 1)).argmax(1)
    return weights[has, (latest + 1)[has]].mean() if has.any() else 0


RIGHT = {
    "10.1": [
        {"plain": "Same", "causal": " same ", "rotary": "OTHER."},
        {"rotary": "other", "causal": "same", "plain": "same.", "why": "sums"},
    ],
    "10.2": [
        (math.exp(2) * 10 + 40) / (math.exp(2) + 1), 13.576, 13.58, "13.58", np.float32(13.576), torch.tensor([13.576]),
    ],
    "10.3": [
        attend, attend_additive, attend_loop, attend_large,
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: attend(q.double(), k.double(), v.double()),
    ],
    "10.4": [rotate, rotate_complex, rotate_half, rotate_numpy],
    "10.5": [score, score_last_seen, score_matrix, lambda w, t: torch.tensor(score(w, t))],
}  # fmt: skip

FUNCTIONS = ("10.3", "10.4", "10.5")
STUBS = {number: [(None,), (...,), (stub_raises,), (lambda *a: None,), (lambda *a: ...,)] for number in FUNCTIONS} | {
    "10.1": [(None,), ({"plain": None, "causal": None, "rotary": None},),
             ({"plain": "same", "causal": "", "rotary": "other"},),
             ({"plain": "same", "causal": "same", "rotary": ...},)],
    "10.2": [(None,), (...,)],
}  # fmt: skip

WRONG = {
    "10.1": [
        ({"plain": "other", "causal": "other", "rotary": "same"}, "wrong way round"),
        ({"plain": "other", "causal": "same", "rotary": "other"}, "a sum does not care"),
        ({"plain": "same", "causal": "other", "rotary": "other"}, "hides nothing"),
        ({"plain": "same", "causal": "same", "rotary": "same"}, "changed theirs"),
        ({"plain": "other", "causal": "other", "rotary": "other"}, "does not care.*hides nothing"),
        ({"plain": "same", "causal": "other", "rotary": "same"}, "hides nothing.*changed theirs"),
        ({"plain": "other", "causal": "same", "rotary": "same"}, "does not care.*changed theirs"),
        ({"plain": "same", "causal": "different", "rotary": "other"}, 'must be "same" or "other"'),
        ({"plain": True, "causal": True, "rotary": False}, 'must be "same" or "other"'),
        ({"plain": "same", "causal": "same"}, "must be a dict"),
        (["same", "same", "other"], "must be a dict"),
    ],
    "10.2": [
        ((math.exp(4) * 10 + 40) / (math.exp(4) + 1), "not divided by the root"),
        ((math.e * 10 + 40) / (math.e + 1), "divided by d itself"),
        ((math.exp(2) * 40 + 10) / (math.exp(2) + 1), "values are swapped:"),
        ((math.exp(4) * 40 + 10) / (math.exp(4) + 1), "swapped, and"),
        (25, "plain mean"),
        (10, "hard dictionary"),
        (20, "scaled score times the value"),
        (16, "base 2"),
        (0.8808, "weight of the first"),
        (0.1192, "weight of the second"),
        (113.89, "not divided by their sum"),
        (11.677, "not the number of keys"),
        (36.42, "swapped|wrong sign"),
        (50, "lies between"),
        (30, "not right"),
        ("thirteen", "must be one number"),
        (math.nan, "finite"),
    ],
    "10.3": [
        (lambda q, k, v: (q @ k.transpose(-2, -1)).softmax(-1) @ v, "as printed"),
        (lambda q, k, v: attend(q, k, v, mask="none"), "sees the future"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v), "sees the future"),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: 1), "not divided by the root"),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: q.shape[-1]), "divided by d; take"),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: q.shape[1] ** 0.5), "number of tokens"),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: q.shape[-1] ** -0.5), "multiplied by the root"),
        (lambda q, k, v: attend(q, k, v, mask="future"), "wrong way round"),
        (lambda q, k, v: attend(q, k, v, mask="strict"), "does not see itself"),
        (lambda q, k, v: attend(q, k, v, dim=-2), "over the queries"),
        (attend_zeros, "to the power of 0 is 1"),
        (lambda q, k, v: attend_zeros(q, k, v, after=True), "after the softmax"),
        (attend_soft, "large negative score is not enough|times|where"),
        (lambda q, k, v: attend(q, k, v, values=torch.eye(q.shape[1]).to(q)), "these are the weights"),
        (lambda q, k, v: attend(q, k, v, values=k), "applied to the keys"),
        (lambda q, k, v: attend(k, q, v), "queries and keys are swapped"),
        (attend_in_place, "changes its argument `q`"),
        (lambda q, k, v: attend(q, k, v).sum(1), "shape"),
    ],
    "10.4": [
        (lambda x, p: x, "nothing is turned"),
        (lambda x, p: rotate(x, p, sign=-1), "turned the other way"),
        (lambda x, p: rotate(x, p, pairs="odd", woven=True), "neighbouring features"),
        (lambda x, p: rotate(x, p, exponent=lambda i, d: -i / d), "half of what"),
        (lambda x, p: rotate(x, p, exponent=lambda i, d: -4 * i / d), "twice what"),
        (lambda x, p: rotate(x, p, exponent=lambda i, d: 2 * i / d), "rise with i"),
        (lambda x, p: rotate(x, p, exponent=lambda i, d: 0 * i), "same speed"),
        (lambda x, p: rotate(x, p, base=1000.0), "base is 1000"),
        (lambda x, p: rotate(x, torch.arange(len(x))), "`places` is left out"),
        (lambda x, p: rotate(x, p + 1), "one place too far"),
        (lambda x, p: rotate(x, p * math.pi / 180), "in radians"),
        (lambda x, p: rotate(x, p, kind="swapped"), "sine and cosine are swapped"),
        (lambda x, p: rotate(x, p, kind="no minus"), "one of the sines needs"),
        (lambda x, p: rotate(x, p, kind="other minus"), "only one of the sines"),
        (lambda x, p: rotate(x, p, kind="scaled"), "each half is scaled"),
        (lambda x, p: rotate(x, p, woven=True), "woven"),
        (lambda x, p: rotate(x, p)[:, ::2], "shape"),
    ],
    "10.5": [
        (lambda w, t: score(w, t, place=lambda t, s: s), "previous occurrence itself"),
        (lambda w, t: score(w, t, pick=min), "most recent one"),
        (lambda w, t: score(w, t, place=lambda t, s: s, pick=min), "first occurrence itself"),
        (lambda w, t: score(w, t, over=lambda pairs: len(w)), "over all places"),
        (lambda w, t: score(w, t, over=lambda pairs: 1), "added up"),
        (lambda w, t: score(w, t, place=lambda t, s: s - 1), "place before the previous"),
        (lambda w, t: score(w, t, transpose=True), "rows and columns"),
        (lambda w, t: score(w, t, place=lambda t, s: t - 1), "previous-token head"),
        (lambda w, t: score(w, t, place=lambda t, s: t), "of a place on itself"),
        (lambda w, t: w.diagonal(-1).mean(), "previous-token head"),
        (lambda w, t: w.mean(), "whole map"),
        (lambda w, t: w * 1.0, "shape"),
    ],
}  # fmt: skip
