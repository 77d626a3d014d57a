"""Right and wrong answers to the exercises of 22b_alerts; test_check.py runs them."""

import itertools
import math

import numpy as np
import torch


def watch_numpy(scores, h):
    seen = np.zeros(len(scores))
    for t, score in enumerate(np.asarray(scores)):
        before = seen[t - 1] if t and seen[t - 1] < h else 0.0
        seen[t] = max(0.0, before + score)
    return seen


def watch_tensor(scores, h):
    S, seen = torch.tensor(0.0), torch.empty_like(scores)
    for t in range(len(scores)):
        S = (S + scores[t]).clamp(min=0)
        seen[t] = S
        S = S * (S < h)
    return seen


def watch_lowest(scores, h):
    """The running sum less the lowest that it has been, from alarm to alarm."""
    parts = []
    while len(scores):
        total = scores.cumsum(0)
        S = total - torch.cat([torch.zeros(1), total]).cummin(0).values[1:]
        end = next((t + 1 for t in range(len(S)) if S[t] >= h), len(S))
        parts.append(S[:end])
        scores = scores[end:]
    return torch.cat(parts)


def watch_accumulate(scores, h):
    return list(itertools.accumulate(scores.tolist(), lambda S, x: max(0.0, (S if S < h else 0.0) + x), initial=0.0))[
        1:
    ]


def watch_mixed(scores, h):
    """0 and tensors in one list."""
    S, seen = 0, []
    for score in scores:
        S = max(0, S + score)
        seen.append(S)
        if S >= h:
            S = 0
    return torch.tensor(seen)


def plain(scores, h, floor=0.0):
    S, seen = 0.0, []
    for score in scores.tolist():
        S = max(floor, S + score)
        seen.append(S)
    return seen


def watch_first(scores, h):
    """Begins at the first score, even a negative one."""
    S = float(scores[0])
    seen = [S]
    for score in scores[1:].tolist():
        S = max(0.0, (S if S < h else 0.0) + score)
        seen.append(S)
    return seen


def set_back_first(scores, h):
    S, seen = 0.0, []
    for score in scores.tolist():
        S = max(0.0, S + score)
        if S >= h:
            S = 0.0
        seen.append(S)
    return seen


def watch_rule(scores, h, add, rings=None, less=None):
    """Another sum, another rule for the alarm, or `less` is taken off after one."""
    S, seen = 0.0, []
    for score in scores.tolist():
        S = add(S, score)
        seen.append(S)
        if rings(S) if rings else S >= h:
            S = S - less if less else 0.0
    return seen


def one_late(scores, h):
    """S before each headline."""
    return [0.0, *watch_numpy(scores, h)[:-1]]


def transitions(p, x, h):
    Q = torch.zeros(h, h)
    for S in range(h):
        after = (S + x).clamp(min=0)
        Q[S].index_add_(0, after[after < h].long(), p[after < h])
    return Q


def by_inverse(p, x, h):
    return torch.linalg.inv(torch.eye(h) - transitions(p, x, h)).sum(1)[0]


def by_numpy(p, x, h):
    p, x, A = np.asarray(p, dtype=float), np.asarray(x), np.eye(h)
    for i, j in itertools.product(range(h), range(h)):
        A[i, j] -= p[np.maximum(i + x, 0) == j].sum()
    return np.linalg.solve(A, np.ones(h))[0]


def by_iteration(p, x, h, steps=1000):
    L = [0.0] * h
    for _ in range(steps):
        L = [1 + sum(a * L[max(0, S + b)] for a, b in zip(p.tolist(), x.tolist(), strict=True) if max(0, S + b) < h)
             for S in range(h)]  # fmt: skip
    return L[0]


def by_survival(p, x, h):
    """The sum over n of the probability that n headlines have not rung."""
    at, total = torch.eye(h)[0], 0.0
    Q = transitions(p, x, h)
    for _ in range(1000):
        total, at = total + at.sum(), at @ Q
    return total


def by_absorbing(p, x, h):
    """With h as one more state, in which nothing counts."""
    A = torch.eye(h + 1, dtype=torch.float64)
    for S in range(h):
        for chance, score in zip(p, x, strict=True):
            A[S, min(h, max(0, S + score))] -= chance
    b = torch.ones(h + 1, dtype=torch.float64)
    b[h] = 0
    return torch.linalg.solve(A, b)[:1]


def by_simulation(p, x, h, n=20):
    waits = []
    for _ in range(n):
        S = t = 0
        while S < h:
            S, t = max(0, S + int(x[torch.multinomial(p, 1)])), t + 1
        waits.append(t)
    return sum(waits) / len(waits)


def python_index(p, x, h):
    A = torch.eye(h)
    for S in range(h):
        for a, b in zip(p, x, strict=True):
            if S + b < h:
                A[S, S + b] -= a
    return torch.linalg.solve(A, torch.ones(h))[0]


def overwrites(p, x, h):
    Q = torch.zeros(h, h)
    for S in range(h):
        after = (S + x).clamp(min=0)
        Q[S, after[after < h]] = p[after < h]
    return torch.linalg.solve(torch.eye(h) - Q, torch.ones(h))[0]


RIGHT = {
    "22b.1": [8, 8.0, "8", "8.", np.int64(8), torch.tensor(8), torch.tensor([8.0]), 7 + 1],
    "22b.2": [
        watch_numpy,
        watch_tensor,
        watch_lowest,
        watch_accumulate,
        watch_mixed,
        lambda scores, h: tuple(watch_numpy(scores, h)),
        lambda scores, h: torch.tensor(watch_numpy(scores.double(), h)).to(torch.bfloat16),
        lambda scores, h: np.array([float(S) for S in watch_numpy(scores, h)], dtype=object),
    ],
    "22b.3": [
        by_inverse,
        by_numpy,
        by_iteration,
        by_survival,
        by_absorbing,
        lambda p, x, h: torch.linalg.solve(torch.eye(h) - transitions(p, x, h), torch.ones(h, 1))[0],
        lambda p, x, h: float(torch.linalg.lstsq(torch.eye(h) - transitions(p, x, h), torch.ones(h, 1)).solution[0]),
        lambda p, x, h: by_numpy(p.double(), x.float(), h).astype(np.float32),
    ],
}

WRONG = {
    "22b.1": [
        (9, "headline 9 where S may fall below 0"), (7, "count from 1"), (6, "negative scores are left out"),
        (4, "signs are left out"), (5, "threshold"),
        (11, "after the first alarm"), (10, "after the first alarm"), (3, "far below 5"),
        (2, "far below 5"), (0, "counted from 1 to 11"), (12, "counted from 1 to 11"), (13, "never above 11"),
        (-1, "never below 1"), (7.5, "larger than 7.5"), ("eight", "one number"), ([8, 9], "one number"),
        (math.inf, "finite"),
    ],
    "22b.2": [
        (plain, "not set back"),
        (set_back_first, "set back before it is noted"),
        (lambda scores, h: watch_numpy(scores, h + 1e-6), "it rings where S is h or more: at exactly h"),
        (lambda scores, h: plain(scores, h, -math.inf), "never below 0"),
        (lambda scores, h: scores.cumsum(0).clamp(min=0), "never below 0"),
        (lambda scores, h: watch_numpy(scores, h) >= h, "real numbers"),
        (lambda scores, h: (watch_numpy(scores, h) >= h).astype(int), "these are the alarms"),
        (lambda scores, h: np.minimum(watch_numpy(scores, h), h), "cut off at h"),
        (lambda scores, h: watch_numpy(-scores, h), "signs of the scores"),
        (lambda scores, h: watch_numpy(scores.abs(), h), "signs of the scores"),
        (lambda scores, h: watch_numpy(scores, h)[-1], "it returns"),
        (lambda scores, h: watch_numpy(scores, h)[:, None], "it returns"),
        (one_late, "S before each headline"),
        (lambda scores, h: [0.0, *watch_numpy(scores, h)], "or from the start on"),
        (watch_first, "never below 0"),
        (lambda scores, h: watch_rule(scores, h, lambda S, x: S + x if x > 0 else 0.0), "or set S to 0"),
        (lambda scores, h: watch_rule(scores, h, lambda S, x: max(0.0, S + x), lambda S: S < h), "where S is less"),
        (lambda scores, h: watch_rule(scores, h, lambda S, x: S + x, lambda S: S > h), "never below 0"),
        (lambda scores, h: watch_rule(scores, h, lambda S, x: max(0.0, S + x), lambda S: S > h, h), "at exactly h"),
        (lambda scores, h: watch_numpy(scores, h).max(), "it returns"),
        (lambda scores, h: scores.clamp(min=0), "it returns"),
        (lambda scores, h: scores.cumsum_(0), "in place"),
        (lambda scores, h: watch_numpy(scores, 5), "it returns"),
        (lambda scores: scores, "raises `TypeError"),
        (torch.zeros(3), "the answer must be the function"),
    ],
    "22b.3": [
        (lambda p, x, h: 1 / p[x >= h].sum(), "the CUSUM collects"),
        (lambda p, x, h: h / (p * x).sum(), "the CUSUM collects"),
        (python_index, "a sum below 0 leads to S = 0"),
        (lambda p, x, h: torch.linalg.inv(torch.eye(h) - transitions(p, x, h))[0, 0], "of the inverse alone"),
        (lambda p, x, h: by_iteration(p, x, h) - 1, "the one that rings"),
        (lambda p, x, h: 0.0, "right side is 1 everywhere"),
        (lambda p, x, h: torch.linalg.solve(torch.eye(h) - transitions(p, x, h), torch.ones(h)), "begins at 0"),
        (lambda p, x, h: torch.linalg.solve(torch.eye(h) - transitions(p, x, h), torch.ones(h))[-1], "begins at 0"),
        (lambda p, x, h: torch.linalg.solve((torch.eye(h) - transitions(p, x, h)).T, torch.ones(h))[0], "transposed"),
        (lambda p, x, h: by_numpy(p, x, h + 1), "it rings at h"),
        (overwrites, "lead to the same S"),
        (lambda p, x, h: by_numpy(torch.ones(len(p)) / len(p), x, h), "`p` changes nothing"),
        (lambda p, x, h: by_iteration(p, x, h, steps=20), "too few steps"),
        (lambda p, x, h: by_iteration(p, x, h, steps=2), "too few steps"),
        (lambda p, x, h: by_iteration(p, x, h, steps=100), "too few steps"),
        (lambda p, x, h: by_iteration(p, x, h) + 1, "no headline counts after it"),
        (by_simulation, "other values when called again|it returns"),
        (lambda p, x, h: by_numpy(p, x, h - 1), "raises `IndexError"),
        (lambda p, x, h: by_numpy(p, -x, h), "it returns|raises"),
        (lambda p, x, h: 1 / by_numpy(p, x, h), "one divided by"),
        (lambda p, x, h: transitions(p, x, h), "it returns"),
        (lambda p, x, h: p.cumsum_(0)[-1], "in place"),
        (12.0, "the answer must be the function"),
    ],
}  # fmt: skip
