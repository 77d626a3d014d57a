"""Right and wrong answers of page 10b, for tests/test_check.py."""

from fractions import Fraction

import numpy as np
import torch


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


def by_place(weights, tokens, of):  # all occurrences of each place's token
    w, t = weights.tolist(), tokens.tolist()
    found = [[w[i][j + 1] for j in range(i) if t[j] == t[i]] for i in range(len(t))]
    return float(np.mean([of(some) for some in found if some] or [0]))


def score_falsy(weights, tokens):
    last, found = {}, []
    for t, token in enumerate(tokens.tolist()):
        if last.get(token):
            found.append(weights[t, last[token] + 1].item())
        last[token] = t
    return sum(found) / max(1, len(found))


def score_repeated_once(weights, tokens):
    last, found = {}, {}
    for t, token in enumerate(tokens.tolist()):
        if token in last:
            found[token] = weights[t, last[token] + 1].item()
        last[token] = t
    return sum(found.values()) / max(1, len(found))


def score_apart(weights, tokens):
    w, t = weights.tolist(), tokens.tolist()
    pairs = [(i, max(j for j in range(i) if t[j] == t[i])) for i in range(len(t)) if t[i] in t[:i]]
    found = [w[i][j + 1] for i, j in pairs if j + 1 < i]
    return sum(found) / max(1, len(found))


RIGHT = {
    "10b.1": [
        {"three_back": "One", "most_frequent": " one ", "what_followed": "TWO."},
        {"what_followed": "two", "most_frequent": "one", "three_back": "one", "why": "a note"},
        {"three_back": "one\n", "most_frequent": "'one'", "what_followed": "\ttwo"},
    ],
    "10b.2": [1 / 31, 0.032, "0.032", 0.0323, np.float32(1 / 31), torch.tensor([1 / 31]), float(Fraction(1, 31))],
    "10b.3": [
        score,
        score_last_seen,
        score_matrix,
        lambda w, t: torch.tensor(score(w, t)),
        lambda w, t: np.mean(
            [w[i, max(j for j in range(i) if t[j] == t[i]) + 1] for i in range(len(t)) if t[i] in t[:i]] or [0.0]
        ),
        lambda w, t: score(w.tolist(), t + 1000),
        lambda w, t: float(
            np.mean(
                [
                    float(w[i, i - t[:i].flip(0).tolist().index(int(t[i]))])
                    for i in range(len(t))
                    if int(t[i]) in t[:i].tolist()
                ]
                or [0]
            )
        ),
    ],
}

WRONG = {
    "10b.1": [
        ({"three_back": "two", "most_frequent": "two", "what_followed": "one"}, "a neighbour"),
        ({"three_back": "two", "most_frequent": "one", "what_followed": "two"}, "depend on the distance"),
        ({"three_back": "one", "most_frequent": "two", "what_followed": "two"}, "one layer counts"),
        ({"three_back": "one", "most_frequent": "one", "what_followed": "one"}, "write the note"),
        ({"three_back": "one", "most_frequent": "one", "what_followed": "three"}, 'must be "one" or "two"'),
        ({"three_back": "one", "most_frequent": "one"}, "must be a dict"),
        (["one", "one", "two"], "must be a dict"),
    ],
    "10b.2": [
        (1 / 30, "off by one"),
        (0.025, "must fit in"),
        (0.1, "share of the places in the piece"),
        (0.02, "50 places"),
        (31, "number of distances"),
        (3.2, "per cent"),
        (0.03, "three decimals"),
        (0.5, "smaller than 0.5"),
        (1 / 39, "must fit in"),
        (0.25, "the piece's share"),
        (0.2, "the piece's share"),
        (0.0588, "share in section 1"),
        (9 / 310, "leaves out the first"),
        (1 / 64, "larger than"),
        ("a third", "must be one number"),
    ],
    "10b.3": [
        (lambda w, t: w * 1.0, "of a place on itself, or the mean"),
        (lambda w, t: score(w, t.abs()), "it returns"),
        (lambda w, t: score(w, t.to(torch.uint8)), "it returns"),
        (lambda w, t: score(w, t, over=lambda p: len(set(t.tolist()))), "divided by another number"),
        (lambda w, t: score(w, t, place=lambda t, s: min(s + 2, t)), "farther on"),
        (lambda w, t: score(np.roll(w, 1, 0), t), "of another row"),
        (lambda w, t: score(w, t, place=lambda t, s: t - 1), "a previous-token head"),
        (lambda w, t: score(torch.eye(len(w))[w.argmax(1)], t), "how often the largest weight"),
        (score_apart, "right after its previous occurrence"),
        (lambda w, t: score(w, t, place=lambda t, s: t - s), "at its distance"),
        (lambda w, t: score(w, t, place=lambda t, s: max(0, t - s)), "at its distance"),
        (lambda w, t: score(w, t, place=lambda t, s: min(s + 1, t - 1)), "right after its previous occurrence"),
        (lambda w, t: by_place(w, t, np.mean), "the first occurrence is taken, or all are"),
        (lambda w, t: by_place(w, t, sum), "the first occurrence is taken, or all are"),
        (score_falsy, "where s is 0"),
        (score_repeated_once, "a third time too"),
        (lambda w, t: score_last_seen(w, t) ** 2, "this is the square of what is due"),
        (lambda w, t: 1 - score_last_seen(w, t), "one minus"),
        (
            lambda w, t: max([float(w[i, j + 1]) for i in range(len(t)) for j in range(i) if t[j] == t[i]] or [0.0]),
            "it returns",
        ),
        (lambda w, t: score(w, t % 10), "it returns"),
        (lambda w, t: score_last_seen(w.softmax(1), t), "it returns"),
        (
            lambda w, t: torch.stack([w[i, i] for i in range(len(t))]).mean(),
            "of a place on itself, or the mean",
        ),
        (lambda w, t: score(w.log(), t), "it returns"),
        (lambda w, t: score(w, t, pick=min, place=lambda t, s: s + 1), "first occurrence"),
    ],
}
