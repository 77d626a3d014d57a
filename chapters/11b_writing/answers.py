"""Right, untouched and wrong answers to the exercises of 11b_writing; tests/test_check.py runs them."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def stub_raises(*args):
    raise NotImplementedError


BLANK = [(None,), (...,), (stub_raises,), (lambda *a: None,), (lambda *a: ...,)]


def said(top_k="2", top_p="3", min_p="4"):
    return {"top_k": top_k, "top_p": top_p, "min_p": min_p}


# --- attention to a cache ---------------------------------------------------------------------------------------------


def attend(q, k, v, *, hidden=None, scale=None, axis=-1, fill=-math.inf):
    T, S, d = q.shape[-2], k.shape[-2], q.shape[-1]
    hidden = torch.ones(T, S).triu(S - T + 1).bool() if hidden is None else hidden(T, S)
    scores = (q @ k.mT / (scale or d**0.5)).masked_fill(hidden, fill)
    return scores.softmax(axis) @ v


def by_sdpa(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(T, S, dtype=torch.bool).tril(S - T))


def by_loop(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    rows = [F.scaled_dot_product_attention(q[:, :, i : i + 1], k[:, :, : S - T + i + 1], v[:, :, : S - T + i + 1])
            for i in range(T)]  # fmt: skip
    return torch.cat(rows, dim=2)


def masked_after(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    return ((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * torch.ones(T, S).tril(S - T)) @ v


RIGHT = {
    "11b.1": [said(), said(2, 3, 4), {"top_k": " 2 ", "top_p": "3.", "min_p": 4}, said() | {"why": "sums"}],
    "11b.2": [2.147483648, "2.15", 2.1, np.float32(2.147), torch.tensor([2.14748]), 2**31 / 1e9],
    "11b.3": [attend, by_sdpa, by_loop, lambda q, k, v: attend(q.double(), k.double(), v.double())],
}

STUBS = {
    "11b.1": [(None,), (dict.fromkeys(said()),), (said(top_k=None),), (said(top_p=...),), (said(min_p=""),)],
    "11b.2": [(None,), (...,)],
    "11b.3": BLANK,
}

WRONG = {
    "11b.1": [
        (said(top_k=3), "whatever their probabilities"),
        (said(top_p=2), "0.65 together"),
        (said(top_p=4), "three have 0.80"),
        (said(top_p=1), "no bound for one character"),
        (said(top_p=5), "stops as soon as"),
        (said(min_p=1), "not a probability"),
        (said(min_p=2), "count again"),
        (said(min_p=3), "0.13 is enough"),
        (said(min_p=5), "too little"),
        (said(top_p=2, min_p=3), "0.65 together.* And .*0.13 is enough"),
        (said(top_k=6), "must be"),
        (said(top_k=True), "must be"),
        ({"top_k": 2}, "keys"),
        (2, "dict"),
    ],
    "11b.2": [
        (2.0, "GiB"), (1.07, "two tensors"), (4.29, "four bytes"), (0.0671, "one layer"), (0.537, "a quarter"),
        (2147, "in MB"), (2**31, "in bytes"), (0.000524, "one token; "), (0.524, "one token in MB"),
        (17.18, "gigabits"), (68.7, "counted twice"), (3, "smaller than 3"), (1.5, "larger than 1.5"), (-1, "larger"),
        ("two", "one number"), (float("inf"), "finite"), ([2.1, 1], "one number"),
    ],
    "11b.3": [
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v), "nothing is hidden"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), "begins at the first key"),
        (lambda q, k, v: attend(q, k, v, hidden=lambda T, S: torch.ones(T, S).triu(S - T).bool()).nan_to_num(),
         "must see itself"),
        (lambda q, k, v: attend(q, k, v, hidden=lambda T, S: torch.ones(T, S).triu(S - T + 2).bool()), "off by one"),
        (lambda q, k, v: attend(q, k, v, hidden=lambda T, S: torch.ones(T, S).tril(S - T).bool()).nan_to_num(),
         "past is hidden"),
        (lambda q, k, v: attend(q, k, v, hidden=lambda T, S: torch.ones(T, S).tril(S - T - 1).bool()), "inverted"),
        (lambda q, k, v: attend(q, k, v, scale=1), "not divided"),
        (lambda q, k, v: attend(q, k, v, scale=q.shape[-1]), "divided by d; "),
        (lambda q, k, v: attend(q, k, v, scale=k.shape[-2] ** 0.5), "number of keys"),
        (lambda q, k, v: attend(q, k, v, scale=(q.shape[1] * q.shape[-1]) ** 0.5), "all heads' features"),
        (lambda q, k, v: attend(q, k, v, fill=0), "hidden scores become 0"),
        (lambda q, k, v: attend(q, k, v, axis=-2).nan_to_num(), "over the queries"),
        (masked_after, "do not sum to 1. Mask"),
        (lambda q, k, v: attend(q, k, v).transpose(1, 2).flatten(2), "side by side"),
        (lambda q, k, v: attend(q, k, v)[0], "returns shape"),
        (lambda q: q, "raises `TypeError"),
    ],
}  # fmt: skip
