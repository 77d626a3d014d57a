"""Language models that only count, for notebooks 11 and 12: what a network has to beat."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Counts:
    """What the two models below have in common: groups of symbols as whole numbers, and probabilities of a text.

    ids: (N,) whole numbers from 0 to vocab_size - 1 to count. order: symbols that are looked at, with the predicted
    one. ValueError for other ids, or an order below 1 or too large to be counted.
    """

    def __init__(self, ids: Tensor, order: int, vocab_size: int):
        if order < 1 or vocab_size**order > 2**62:
            raise ValueError(f"an order of {order} with {vocab_size} symbols cannot be counted here")
        self.order, self.vocab_size = order, vocab_size
        a, self._tables = self._check(ids), []
        self._count(a, min(order, len(a)))

    def _check(self, ids: Tensor) -> np.ndarray:
        a = np.asarray(ids.cpu() if isinstance(ids, Tensor) else ids).astype(np.int64)
        if a.ndim != 1 or len(a) == 0 or a.min() < 0 or a.max() >= self.vocab_size:
            raise ValueError(f"ids must be (N,), from 0 to {self.vocab_size - 1}")
        return a

    def _contexts(self, a: np.ndarray, k: int) -> np.ndarray:
        """(N - k,): the k symbols before each position from k on, as a number that leaves room for one more symbol."""
        number = np.zeros(len(a) - k, dtype=np.int64)
        for j in range(k):
            number = (number + a[j : len(a) - k + j]) * self.vocab_size
        return number

    def probabilities(self, ids: Tensor) -> np.ndarray:
        """(N,) float64: the probability of each symbol given those before it (for the first ones fewer)."""
        a = self._check(ids)
        p = np.full(len(a), 1 / self.vocab_size)
        for k, (grams, *tables) in enumerate(self._tables[: len(a)]):
            context = self._contexts(a, k)
            places = [np.searchsorted(grams, context + more) for more in (0, a[k:], a[k:] + 1, self.vocab_size)]
            p[k:] = self._mix(p[k:], *places, *tables)
        return p

    def nats(self, ids: Tensor) -> np.ndarray:
        """(N,) float64: minus the logarithm of each symbol's probability."""
        return -np.log(self.probabilities(ids))


class KneserNey(Counts):
    """Interpolated counts with the modified discounts of Chen and Goodman: for words the best of the classical models.

    With c(h w) how often w followed the context h, and h' the context without its oldest symbol,
    p(w | h) = (c(h w) - D(c(h w)) + p(w | h') sum_v D(c(h v))) / sum_v c(h v), and 1 / V at the bottom. Below the
    longest contexts c(h w) counts in how many different ways h w is continued to the left. D has three values an order,
    for counts of 1, of 2, and larger ones, from how many counts are 1, 2, 3 and 4; where these do not give 0 < D <= 1,
    2, 3 it is ½, 1, 1½. ids, order, vocab_size, ValueError: see `Counts`.

    Sources: Kneser & Ney (1995), Improved backing-off for m-gram language modeling; Chen & Goodman (1998), An Empirical
    Study of Smoothing Techniques for Language Modeling (their modified Kneser-Ney); the stand-ins ½, 1, 1½ are KenLM's.
    """

    def _count(self, a: np.ndarray, order: int) -> None:
        grams, counts = np.unique(self._contexts(a, order - 1) + a[order - 1 :], return_counts=True)
        for k in reversed(range(order)):
            taken = np.append(0, discounts(counts))[np.minimum(counts, 3)]
            sums = (np.append(0, column.cumsum()) for column in (counts, counts - taken, taken))
            self._tables.insert(0, (grams, *sums))
            grams, counts = np.unique(grams % self.vocab_size**k, return_counts=True)  # one symbol to the left dropped

    @staticmethod
    def _mix(p, first, this, after, end, counts, left, taken):  # noqa: ANN001, ANN205
        total = counts[end] - counts[first]
        mixed = left[after] - left[this] + (taken[end] - taken[first]) * p
        return np.where(total, mixed / np.maximum(total, 1), p)  # a new context leaves the shorter one's probability


def adaptive(counted: Tensor, ids: Tensor, order: int, vocab_size: int, every: int = 10_000) -> np.ndarray:
    """(N,) float64: the probabilities of ids by `KneserNey` counts that go on counting while they read.

    Before each `every` symbols of ids they are made anew, of `counted` and all of ids that was read so far.
    """
    found = []
    for i in range(0, len(ids), every):
        first = max(0, i - order + 1)
        model = KneserNey(torch.cat([counted, ids[:i]]), order, vocab_size)
        found.append(model.probabilities(ids[first : i + every])[i - first :])
    return np.concatenate(found)


def discounts(counts: np.ndarray) -> np.ndarray:
    """(3,): what is taken from counts of 1, of 2 and of 3 or more, so that together they fit those that are rare."""
    n = [np.count_nonzero(counts == i) for i in range(1, 5)]
    if not all(n):
        return np.array([0.5, 1.0, 1.5])
    y = n[0] / (n[0] + 2 * n[1])
    D = np.array([i - (i + 1) * y * n[i] / n[i - 1] for i in (1, 2, 3)])
    return D if (D > 0).all() and (D <= [1, 2, 3]).all() else np.array([0.5, 1.0, 1.5])


class NGram(Counts):
    """Interpolated counts by the older and weaker rule of Witten and Bell, which is the one on the checkpoint's card.

    With c(h, w) how often w followed the context h, c(h) their sum, n(h) how many different w followed h, and h' the
    context without its oldest symbol: p(w | h) = (c(h, w) + n(h) p(w | h')) / (c(h) + n(h)), and 1 / V at the bottom.
    ids, order, vocab_size, ValueError: see `Counts`.

    Sources: Bell, Cleary & Witten (1990), Text Compression; Chen & Goodman (1998), section 2.
    """

    def _count(self, a: np.ndarray, order: int) -> None:
        for k in range(order):  # contexts of k symbols, each with the symbol that followed, as one number
            grams, counts = np.unique(self._contexts(a, k) + a[k:], return_counts=True)
            self._tables.append((grams, np.append(0, counts.cumsum())))

    @staticmethod
    def _mix(p, first, this, after, end, counts):  # noqa: ANN001, ANN205
        total, different = counts[end] - counts[first], end - first
        mixed = counts[after] - counts[this] + different * p
        return np.where(total, mixed / np.maximum(total + different, 1), p)
