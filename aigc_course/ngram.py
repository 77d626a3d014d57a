"""The language model that only counts, for notebooks 11 and 12: what a network has to beat."""

from __future__ import annotations

import numpy as np
from torch import Tensor


class NGram:
    """Next-symbol probabilities from counts of the last order - 1 symbols, interpolated as Witten and Bell do.

    With c(h, w) how often w followed the context h, c(h) their sum, n(h) how many different w followed h, and h' the
    context without its oldest symbol: p(w | h) = (c(h, w) + n(h) p(w | h')) / (c(h) + n(h)), and 1 / V at the bottom.

    ids: (N,) whole numbers from 0 to vocab_size - 1 to count. ValueError for others, or an order below 1.

    Sources: Bell, Cleary & Witten (1990), Text Compression; Chen & Goodman (1998), section 2.
    """

    def __init__(self, ids: Tensor, order: int, vocab_size: int):
        if order < 1 or vocab_size**order > 2**62:
            raise ValueError(f"an order of {order} with {vocab_size} symbols cannot be counted here")
        self.order, self.vocab_size = order, vocab_size
        a, self._tables = self._check(ids), []
        for k in range(min(order, len(a))):  # contexts of k symbols, each with the symbol that followed, as one number
            pairs, counts = np.unique(self._contexts(a, k) + a[k:], return_counts=True)
            self._tables.append((pairs, np.append(0, counts.cumsum())))

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
        for k, (pairs, before) in enumerate(self._tables[: len(a)]):
            context = self._contexts(a, k)
            places = [np.searchsorted(pairs, context + more) for more in (0, a[k:], a[k:] + 1, self.vocab_size)]
            first, this, after, end = (before[place] for place in places)
            total, different = end - first, places[3] - places[0]
            # a context that was never seen leaves the shorter one's probability
            p[k:] = np.where(total, (after - this + different * p[k:]) / np.maximum(total + different, 1), p[k:])
        return p

    def nats(self, ids: Tensor) -> np.ndarray:
        """(N,) float64: minus the logarithm of each symbol's probability."""
        return -np.log(self.probabilities(ids))
