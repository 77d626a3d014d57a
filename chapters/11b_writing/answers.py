"""Right and wrong answers to the exercises of 11b_writing; test_check.py runs them."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def kept(top_k="2", top_p="3", min_p="4"):
    return {"top_k": top_k, "top_p": top_p, "min_p": min_p}


def attend(q, k, v, *, hidden=None, scale=None, axis=-1, fill=-math.inf):
    T, S, d = q.shape[-2], k.shape[-2], q.shape[-1]
    hidden = torch.ones(T, S).triu(S - T + 1).bool() if hidden is None else hidden(T, S)
    scores = (q @ k.mT / (scale or d**0.5)).masked_fill(hidden, fill)
    return scores.softmax(axis) @ v


def by_sdpa(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(T, S, dtype=torch.bool).tril(S - T))


def lower_right(q, k, v):
    from torch.nn.attention.bias import causal_lower_right

    return F.scaled_dot_product_attention(q, k, v, attn_mask=causal_lower_right(q.shape[2], k.shape[2]))


def by_loop(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    rows = [F.scaled_dot_product_attention(q[:, :, i : i + 1], k[:, :, : S - T + i + 1], v[:, :, : S - T + i + 1])
            for i in range(T)]  # fmt: skip
    return torch.cat(rows, dim=2)


def masked_after(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    return ((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * torch.ones(T, S).tril(S - T)) @ v


RIGHT = {
    "11b.1": [
        kept(),
        kept(2, 3, 4),
        {"top_k": " 2 ", "top_p": "3.", "min_p": 4},
        kept(2.0, np.int64(3), np.float32(4)),
        kept() | {"why": "sums"},
        kept(torch.tensor(2), np.str_("3"), "'4'"),
    ],
    "11b.2": [
        2.147483648, "2.15", "2.147 GB", "≈ 2.15", np.float32(2.147), torch.tensor([2.14748]), 2**31 / 1e9,
    ],
    "11b.3": [
        attend,
        by_sdpa,
        by_loop,
        lambda q, k, v: attend(q.double(), k.double(), v.double()),
        lower_right,
        lambda q, k, v: F.scaled_dot_product_attention(
            torch.cat([k[:, :, : k.shape[2] - q.shape[2]], q], 2), k, v, is_causal=True
        )[:, :, -q.shape[2] :],
        lambda q, k, v: (lambda w: w / w.sum(-1, keepdim=True) @ v)(
            (q @ k.mT / q.shape[-1] ** 0.5).exp().tril(k.shape[2] - q.shape[2])
        ),
        lambda q, k, v: attend(q.flatten(0, 1)[:, None], k.flatten(0, 1)[:, None], v.flatten(0, 1)[:, None]).view(
            q.shape
        ),
    ],
}  # fmt: skip

WRONG = {
    "11b.1": [
        (kept(top_k=3), "whatever their probabilities"), (kept(top_p=2), "0.65 together"),
        (kept(top_p=4), "three have 0.80"), (kept(top_p="1"), "no bound for one character"),
        (kept(min_p=1), "not a probability"), (kept(min_p=np.int64(5)), "too little"),
        (kept(top_p=2, min_p=3), "0.65 together.* And .*0.13 are enough"),
        (kept(top_k=1, top_p=4, min_p=2), "two characters.* And .*0.80 together.* And .*0.13 are enough"),
        (kept(3, 2, 1), "count what is cut away"), (kept(2, 5, 4), "no further one"),
        (kept(top_k=6), "must be"), (kept(top_k=True), "must be"), (kept(top_p=2.5), "what came is `2.5`"),
        (kept(top_p="three"), "must be"), (kept(top_p=[3]), "must be"), (kept(min_p=math.nan), "must be"),
        ({"top_k": 2}, "keys"), (2, "dict"),
    ],
    "11b.2": [
        ("2 GiB", "GiB"), ("2.147 GiB", "a GB has 10⁹"), ("2.15 MB", "not MB"), ("2.15 TB", "not TB"),
        (2.1, "larger than 2.1"), (2.2, "smaller than 2.2"), (2.17, "smaller than"),
        (2.0, "GiB"), (1.07, "two tensors"), (4.29, "not four"), (17.18, "one by one"), (0.0671, "far too little"),
        (0.000524, "far too little"),
        (0.0168, "128 features"), (0.537, "a quarter"), (0.524, "one token in MB"), (2147, "in MB"),
        (2**31, "in bytes"), (68.7, "counted twice"), (3, "smaller than 3"), (1.5, "larger than 1.5"),
        (-1, "never negative"),
        ("two", "one number"), (float("inf"), "finite"), ([2.1, 1], "one number"),
    ],
    "11b.3": [
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v), "nothing is hidden: of several new tokens the"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), "is_causal"),
        (lambda q, k, v: attend(q, k, v)[0], "squeeze"),
        (lambda q: q, "raises `TypeError"),
        (lambda q, k, v: attend(q, k, v, scale=1), "the scores are divided by the root of d, the"),
        (masked_after, "after the softmax"),
        (lambda q, k, v: attend(q, k, v, axis=1, fill=-1e9), "queries or heads"),
        (lambda q, k, v: attend(q, k[:, :, -q.shape[2] :], v[:, :, -q.shape[2] :]), "the older keys are left out"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1), "first new token would"),
        (lambda q, k, v: attend(q, k, v, hidden=lambda T, S: torch.ones(T, S).triu(S - T).bool(), fill=-1e9), "by one"),
        (lambda q, k, v: attend(q, k, v, hidden=lambda T, S: torch.ones(T, S).triu(T - S + 1).bool()), "wrong sign"),
        (lambda q, k, v: attend(q, k, v, scale=q.shape[2] ** 0.5), "or by something else"),
        (lambda q, k, v: F.scaled_dot_product_attention(
            q, k, v, attn_mask=torch.ones(q.shape[2], k.shape[2]).tril(k.shape[2] - q.shape[2])), "a little smaller"),
        (
            lambda q, k, v: attend(
                q,
                k[:, :, : k.shape[2] - q.shape[2] + 1],
                v[:, :, : k.shape[2] - q.shape[2] + 1],
                hidden=lambda T, S: torch.zeros(T, S).bool(),
            ),
            "it returns",
        ),
        (lambda q, k, v: attend(q, k, k), "`v` changes nothing"),
        (lambda q, k, v: attend(q, k.flip(2), v.flip(2)), "it returns"),
        (lambda q, k, v: attend(q, k, v).mean(1, keepdim=True), "it returns"),
        (lambda q, k, v: attend(q, k, v, fill=-1.0), "a little smaller"),
        (lambda q, k, v: attend(q, v, k), "it returns"),
    ],
}  # fmt: skip
