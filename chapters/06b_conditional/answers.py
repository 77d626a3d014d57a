"""Right and wrong answers to the exercises of 06b_conditional; test_check.py runs them."""

import numpy as np
import torch
import torch.nn.functional as F


def by_one_hot(h, y, w, b, V):
    return h @ w + b + ((F.one_hot(y, len(V)).to(V.dtype) @ V) * h).sum(1)


def by_gather(h, y, w, b, V):
    return (h @ V.T).gather(1, y[:, None])[:, 0] + (h * w).sum(1) + b


def by_rows(h, y, w, b, V):
    return torch.stack([(w + V[c]) @ row + b for row, c in zip(h, y.tolist(), strict=True)])


GOOD = {"liar_accuracy": "far", "liar_fd": "near", "stamp_accuracy": "near", "stamp_within": "far"}

RIGHT = {
    "06b.1": [
        GOOD | {"liar_fd": " NEAR."},
        GOOD | {"why": "order"},
        GOOD | {"stamp_within": "'Far'\n"},
        GOOD | {"liar_accuracy": "FAR\t", "stamp_accuracy": "“near”"},
    ],
    "06b.2": [
        0.8 * 0.9 + 0.2 * 0.1 / 9,
        0.7222,
        "0.7222",
        13 / 18,
        torch.tensor(0.72222),
        np.array([0.7222]),
        "= 0.7222",
        "13/18",
    ],
    "06b.3": [
        by_one_hot,
        by_gather,
        by_rows,
        lambda h, y, w, b, V: ((w + V[y]) * h).sum(dim=1) + b,
        lambda h, y, w, b, V: torch.einsum("bd,bd->b", h, w + V[y]) + b,
        lambda h, y, w, b, V: F.linear(h, w[None], b.reshape(1))[:, 0] + (F.embedding(y, V) * h).sum(-1),
    ],
}

WRONG = {
    "06b.1": [
        (GOOD | {"liar_accuracy": "near"}, "is chance"),
        (GOOD | {"liar_fd": "far", "stamp_within": "near"}, "never sees.*And.*no spread"),
        (GOOD | {"stamp_accuracy": "far"}, "always the same one"),
        (GOOD | {"stamp_within": "low"}, '"stamp_within" must be "near" or "far"'),
        (GOOD | {"liar_fd": 1}, '"liar_fd" must be'),
        ({"liar_fd": "near"}, "must be a dict with the keys"),
        ("near", "must be a dict"),
    ],
    "06b.2": [
        (0.72, "may take it for"),
        (0.74, "nine directions"),
        (0.8, "how often the generator obeys"),
        (0.9, "judge's accuracy"),
        (0.2778, "share of misses"),
        (0.722, "not one of ten"),
        (0.7, "multiply"),
        (72.22, "smaller than 72.22"),
        ("four in five", "one number"),
        (-0.7222, "never negative"),
        (float("nan"), "finite number"),
    ],
    "06b.3": [
        (lambda h, y, w, b, V: h @ w + b, "v_y · h is missing"),
        (lambda h, y, w, b, V: (V[y] * h).sum(1) + h @ w, "the bias b is missing"),
        (lambda h, y, w, b, V: h @ w + b + V[y] @ h.T, "it returns"),
        (lambda h, y, w, b, V: h @ w + b + (V[y] * h).sum(), "it returns"),
        (lambda h, y, w, b, V: h @ w - b + (V[y] * h).sum(1), "it returns"),
        (lambda h, y, w, b, V: torch.sigmoid(h @ w + b + (V[y] * h).sum(1)), "it returns"),
        (lambda h, y, w, b, V: h @ w + b - (V[y] * h).sum(1), "it returns"),
        (lambda h, y, w, b, V: (h @ w + b + (V[y] * h).sum(1)).detach(), "no gradient leads"),
        (lambda h, y, w, b, V: h.detach() @ w + b + (V[y] * h.detach()).sum(1), "no gradient reaches"),
        (lambda h, y, w, b, V: h @ w + b + (V[y].detach() * h).sum(1), "no gradient reaches"),
        (lambda h, y: h @ y, "raises `TypeError"),
        (lambda h, y, w, b, V: h @ w + b + h @ V[y[0]], "one label's vector for all"),
    ],
}
