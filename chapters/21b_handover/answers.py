"""Right and wrong answers to the exercises of 21b_handover; test_check.py runs them."""

import math

import numpy as np
import torch


def decide_loop(p, c_wrong, c_person):
    said = []
    for row in p.tolist():
        costs = [(1 - x) * c for x, c in zip(row, c_wrong.tolist(), strict=True)]
        best = min(range(len(costs)), key=costs.__getitem__)
        said.append(best if costs[best] <= c_person else -1)
    return said


def decide_numpy(p, c_wrong, c_person):
    cost = (1 - np.asarray(p)) * np.asarray(c_wrong)
    return np.where(cost.min(axis=1) <= c_person, cost.argmin(axis=1), -1)


def decide_with_person(p, c_wrong, c_person):
    """A person is one more choice, in the last place, taken only where it is cheaper."""
    cost = torch.cat([(1 - p) * c_wrong, torch.full((len(p), 1), float(c_person))], dim=1)
    k = cost.argmin(dim=1)
    return torch.where(k == p.shape[1], -1, k).double()


def most_likely(p, c_wrong, c_person):
    k = p.argmax(dim=1)
    return torch.where((1 - p.max(dim=1).values) * c_wrong[k] <= c_person, k, -1)


def threshold(p, c_wrong, c_person):
    top, k = p.max(dim=1)
    return torch.where(top >= 1 - c_person / c_wrong[k], k, -1)


def strictly(p, c_wrong, c_person):
    cost, k = ((1 - p) * c_wrong).min(dim=1)
    return torch.where(cost < c_person, k, -1)


def masked_nought(p, c_wrong, c_person):
    cost, k = ((1 - p) * c_wrong).min(dim=1)
    return k * (cost <= c_person)


def area_loop(confidence, right):
    pairs = sorted(zip(confidence.tolist(), right.tolist(), strict=True), reverse=True)
    wrong, shares = 0, []
    for n, (_, ok) in enumerate(pairs, 1):
        wrong += 1 - ok
        shares.append(wrong / n)
    return sum(shares) / len(shares)


def area_numpy(confidence, right):
    wrong = 1 - np.asarray(right)[np.argsort(-np.asarray(confidence))]
    return np.mean(np.cumsum(wrong) / np.arange(1, len(wrong) + 1))


def area_pairs(confidence, right):
    """Each wrong answer of rank i adds 1/n for n = i … N."""
    N = len(right)
    rank = (confidence[:, None] < confidence).sum(1)  # how many are surer
    tail = torch.tensor([sum(1 / n for n in range(i + 1, N + 1)) for i in range(N)])
    return ((1 - right) * tail[rank]).sum() / N


def area_bool(confidence, right):
    order = torch.argsort(confidence, descending=True)
    return (~right.bool()[order]).cumsum(0).div(torch.arange(1, 1 + len(right))).mean()[None]


def area_ascending(confidence, right):
    order = confidence.argsort()
    return ((1 - right[order]).cumsum(0) / torch.arange(1, len(right) + 1)).mean()


RIGHT = {
    "21b.1": [20 / 9, 2.22, "2.22", "2.22 minutes", np.float64(2.2222), torch.tensor([2.222])],
    "21b.2": [
        decide_loop,
        decide_numpy,
        decide_with_person,
        lambda p, c, most: torch.tensor(decide_loop(p, c, most)).float(),
        lambda p, c, most: tuple(decide_loop(p, c, most)),
    ],
    "21b.3": [
        area_loop,
        area_numpy,
        area_pairs,
        area_bool,
        lambda c, r: np.float32(area_numpy(c, r)),
        lambda c, r: 1 - area_numpy(c, 1 - r),
    ],
}

WRONG = {
    "21b.1": [
        (0.037, "this is in hours"), (0.444, "share of tickets that wait at all"), (5, "those that wait at all"),
        (1.05, "Erlang B"), (7.22, "the work itself"), (0.74, "what is left of an hour"),
        (3.33, "three times as quick"), (0.89, "number of tickets that wait"), (-1, "never negative"),
        (10, "smaller than 10"), (2, "larger than 2"), ("two", "one number"), ([2, 3], "one number"),
        (math.inf, "finite"),
    ],
    "21b.2": [
        (most_likely, "need not be the most likely"),
        (threshold, "need not be the most likely"),
        (strictly, "exactly `c_person`"),
        (lambda p, c, most: ((1 - p) * c).argmin(1), "turned, or missing"),
        (masked_nought, "is −1"),
        (lambda p, c, most: ((1 - p) * c).min(1).values, "not what they cost"),
        (lambda p, c, most: torch.where((p * c).min(1).values <= most, (p * c).argmin(1), -1), "not where it is right"),
        (lambda p, c, most: decide_numpy(p, c, most) + 1, "count from 0"),
        (lambda p, c, most: decide_numpy(p, c, most) >= 0, "real numbers"),
        (lambda p, c, most: decide_numpy(p, c, most)[:, None], "it returns"),
        (lambda p, c, most: decide_numpy(p, c, 3), "it returns"),
        (lambda p, c, most: decide_numpy(p, 0 * c + c.mean(), most), "need not be the most likely"),
        (lambda p, c, most: p.mul_(0)[:, 0], "in place"),
        (lambda p, c: p, "raises `TypeError"),
        (torch.zeros(3), "the answer must be the function"),
    ],
    "21b.3": [
        (area_ascending, "the surest come first"),
        (lambda c, r: (1 - r).mean(), "error rate of all"),
        (lambda c, r: 1 - r.mean(), "error rate of all"),
        (lambda c, r: area_numpy(c, 1 - r), "counts right answers"),
        (lambda c, r: area_numpy(c, r) * len(r), "the mean over n"),
        (lambda c, r: ((1 - r).cumsum(0) / torch.arange(1, len(r) + 1)).mean(), "the surest come first"),
        (lambda c, r: (1 - r[c.argsort(descending=True)]).cumsum(0).mean() / len(r), "by n, not by N"),
        (lambda c, r: area_numpy(c, c), "only sorts"),
        (lambda c, r: ((1 - r[c.argsort(descending=True)]).cumsum(0) / torch.arange(len(r))).mean(), "it returns"),
        (lambda c, r: area_numpy(-c, 1 - r), "the surest come first"),
        (lambda c, r: 100 * area_numpy(c, r), "in per cent"),
        (lambda c, r: r.zero_().sum(), "in place"),
        (lambda c: 0.5, "raises `TypeError"),
        (0.25, "the answer must be the function"),
    ],
}  # fmt: skip
