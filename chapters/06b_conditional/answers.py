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
        GOOD | {"liar_accuracy": "far off", "stamp_accuracy": "still near"},
        GOOD | {"liar_accuracy": "Far-off.", "stamp_within": "'far off'", "liar_fd": "Still near"},
    ],
    "06b.2": [
        0.6 * 0.7 + 0.4 * 0.3 / 9,
        0.433,
        "0.4333",
        13 / 30,
        torch.tensor(0.43333),
        np.array([0.433]),
        "= 0.433",
        "13/30",
    ],
    "06b.3": [
        by_one_hot,
        by_gather,
        by_rows,
        lambda h, y, w, b, V: ((w + V[y]) * h).sum(dim=1) + b,
        lambda h, y, w, b, V: torch.einsum("bd,bd->b", h, w + V[y]) + b,
        lambda h, y, w, b, V: (V[y] @ h.T).diagonal() + h @ w + b,
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
        (GOOD | {"liar_fd": "near or far off"}, '"liar_fd" must be "near" or "far"; what came is `.near or far'),
        (GOOD | {"liar_accuracy": "still near"}, "is chance"),
        ({"liar_fd": "near"}, "must be a dict with the keys"),
        ("near", "must be a dict"),
    ],
    "06b.2": [
        (0.42, "may take it for"),
        (0.54, "nine directions"),
        (0.6, "how often the generator obeys"),
        (0.613, "how often the generator obeys"),
        (0.7, "judge's accuracy"),
        (0.567, "share of misses"),
        (0.432, "not ten"),
        (0.451, "and that as the one of nine"),
        (0.464, "and that as the one of nine"),
        (0.4215, "add up all nine"),
        (0.3, "multiply"),
        (0.434, "smaller than 0.434"),
        (0.43, "three decimals"),
        (43.3, "never above 1"),
        ("two in five", "one number"),
        (-0.4333, "never negative"),
        (float("nan"), "finite number"),
    ],
    "06b.3": [
        (lambda h, y, w, b, V: h @ w + b, "v_y · h is missing"),
        (lambda h, y, w, b, V: (V[y] * h).sum(1) + h @ w, "the bias b is missing"),
        (lambda h, y, w, b, V: h @ w + b + V[y] @ h.T, "each image with each label"),
        (lambda h, y, w, b, V: h @ w + b + (V[y] * h).sum(), "over all classes or images"),
        (lambda h, y, w, b, V: h @ w + b + (V[y] @ h.T).sum(1), "over all classes or images"),
        (lambda h, y, w, b, V: h @ w + b + (V[y - 1] * h).sum(1), "counted from 0"),
        (lambda h, y, w, b, V: (h @ w + b)[:, None] + V[y] * h, "the products themselves"),
        (lambda h, y, w, b, V: (h @ w + b) * (V[y] * h).sum(1), "are not multiplied"),
        (lambda h, y, w, b, V: h @ w + b + (F.embedding(y, V.detach()) * h).sum(1), "no gradient reaches `V`"),
        (lambda h, y, w, b, V: h @ w - b + (V[y] * h).sum(1), "it returns"),
        (lambda h, y, w, b, V: torch.sigmoid(h @ w + b + (V[y] * h).sum(1)), "it returns"),
        (lambda h, y, w, b, V: h @ w + b - (V[y] * h).sum(1), "it returns"),
        (lambda h, y, w, b, V: (h @ w + b + (V[y] * h).sum(1)).detach(), "no gradient leads"),
        (lambda h, y, w, b, V: h.detach() @ w + b + (V[y] * h.detach()).sum(1), "no gradient reaches"),
        (lambda h, y, w, b, V: h @ w + b + (V[y].detach() * h).sum(1), "no gradient reaches"),
        (lambda h, y: h @ y, "raises `TypeError"),
        (lambda h, y, w, b, V: h @ w + b + h @ V[y[0]], "one label's vector serves all"),
    ],
}
