"""Right and wrong answers to the exercises of 20_ad_copy; test_check.py runs them."""

from collections import Counter

import numpy as np
import torch


def distinct_loop(texts, n):
    seen, total = set(), 0
    for words in texts:
        for i in range(len(words) - n + 1):
            seen.add(" ".join(words[i : i + n]))
            total += 1
    return 0 if total == 0 else len(seen) / total


def distinct_counter(texts, n):
    counts = Counter(tuple(words[i : i + n]) for words in texts for i in range(max(0, len(words) - n + 1)))
    return torch.tensor(len(counts) / max(1, sum(counts.values())))


def distinct_guarded(texts, n):
    if not texts:
        return 0.0
    return distinct_loop(texts, n)


def best_numpy(U, errors):
    U, errors = np.array(U, dtype=float), np.asarray(errors)
    np.fill_diagonal(U, 0)
    fewest = errors == errors.min()
    votes = (U * fewest[None]).sum(axis=1)
    return np.where(fewest, votes, -np.inf).argmax()


def best_loop(U, errors):
    keep = [i for i in range(len(errors)) if errors[i] == min(errors)]
    if len(keep) == 1:
        return keep[0]
    return max(keep, key=lambda i: sum(U[i, j].item() for j in keep if j != i) / (len(keep) - 1))


def best_tensor(U, errors):
    fewest = errors == errors.min()
    votes = (U - torch.diag(U.diagonal())) @ fewest.to(U.dtype)
    return votes.masked_fill(~fewest, -torch.inf).argmax()


RIGHT = {
    "20.1": [0.15, "15 %", "0.15", 3 / 20],
    "20.2": [distinct_loop, distinct_counter, distinct_guarded],
    "20.3": [best_numpy, best_loop, best_tensor],
}


def best_median(U, errors):
    keep = (errors == errors.min()).nonzero().flatten().tolist()
    if len(keep) == 1:
        return keep[0]
    return max(keep, key=lambda i: float(np.median([U[i, j].item() for j in keep if j != i])))


def joined_run(texts, n):
    runs = ["".join(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


WRONG = {
    "20.1": [
        (2 / 3, "share of texts"), (3, "divide it"), ("15", "percentage"), (0.1, "three errors"), (0.85, "is right"),
        (3 / 13, "it is"),
    ],
    "20.2": [
        (lambda texts, n: len({w for words in texts for w in words}) / max(1, sum(map(len, texts))), "it returns"),
        (lambda texts, n: distinct_loop([" ".join(words) for words in texts], n), "it returns"),
        (lambda texts, n: 1 - distinct_loop(texts, n), "one minus"),
        (lambda texts, n: distinct_loop([sum(texts, [])], n), "do not cross"),
        (lambda texts, n: joined_run(texts, n), "it returns|collect"),
        (lambda texts, n: len(texts) / 0, "raises"),
        (lambda texts, n: 0.5, "it returns|changes nothing"),
    ],
    "20.3": [
        (lambda U, errors: int(U.mean(dim=1).argmax()), "changes nothing"),
        (lambda U, errors: int(errors.argmin()), "changes nothing"),
        (lambda U, errors: int((U * (errors == errors.min())).sum(dim=1).argmax()), "it returns|votes"),
        (lambda U, errors: best_numpy(U.T, errors), "along the row"),
        (lambda U, errors: int((U.clone().fill_diagonal_(0) @ (1 / (1 + errors))).argmax()), "it returns"),
        (best_median, "it returns"),
        (lambda U, errors: U.fill_diagonal_(0).sum(dim=1).argmax(), "in place"),
    ],
}  # fmt: skip
