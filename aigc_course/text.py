"""Text for the language models of notebooks 11 to 13: characters as numbers, batches, counts, and drawing new text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from aigc_course import gpt, train


class Characters:
    """Numbers for the characters of a text, in the order of their code points. `symbols` holds them, `vocab_size` says
    how many there are."""

    def __init__(self, text: str):
        self.symbols = "".join(sorted(set(text)))
        self.vocab_size = len(self.symbols)
        self._number = {symbol: i for i, symbol in enumerate(self.symbols)}

    def encode(self, text: str) -> Tensor:
        """(N,) int64. ValueError names a character that is not among the symbols."""
        try:
            return torch.tensor([self._number[c] for c in text], dtype=torch.long)
        except KeyError as error:
            raise ValueError(f"the character {error} is not among the {self.vocab_size} that are known") from None

    def decode(self, ids: Tensor) -> str:
        """The text of ids (N,)."""
        return "".join(self.symbols[i] for i in ids.tolist())


def batches(
    ids: Tensor, batch_size: int, context: int, n_steps: int, *, seed: int = 0, progress: bool = True
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield n_steps batches x, y, each (B, context): windows of ids (N,) from random places; y is x one token later.

    A pass visits each place once as the beginning of a window, in an order of its own (`train.batches`); windows
    overlap, so that a pass reads each token about `context` times. ValueError for sizes that do not fit.
    """
    if ids.ndim != 1 or len(ids) <= context:
        raise ValueError(f"ids have shape {tuple(ids.shape)}; windows of {context} need (N,) with N > {context}")
    offsets = torch.arange(context + 1, device=ids.device)
    places = torch.arange(len(ids) - context, device=ids.device)
    for start in train.batches(places, batch_size, n_steps, seed=seed, progress=progress):
        window = ids[start[:, None] + offsets]  # (B, context + 1)
        yield window[:, :-1], window[:, 1:]


def filter_logits(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Tensor:
    """Logits (..., V) divided by the temperature, with -inf where a token may not be drawn. Applied in this order:

    temperature: 0 keeps only the largest. top_k: the k likeliest stay. top_p: the likeliest stay until together they
    have at least this probability. min_p: those stay that have at least this share of the likeliest one's probability.
    ValueError for a setting that is out of range.

    Sources: Fan et al. (2018), arXiv:1805.04833; Holtzman et al. (2020), arXiv:1904.09751; Nguyen et al. (2024),
    arXiv:2407.01082.
    """
    if temperature < 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"temperature is {temperature} and top_k {top_k}; they start at 0 and 1")
    for name, value in (("top_p", top_p), ("min_p", min_p)):
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"{name} is {value}; it lies in (0, 1]")
    if temperature == 0:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, best, 0.0)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        kth = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    if top_p is not None and top_p < 1:  # at 1 nothing is cut, where rounding in the sum would
        ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
        before = ordered.cumsum(dim=-1) - ordered  # probability of those that are likelier
        excluded = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
        logits = logits.masked_fill(excluded, -torch.inf)
    if min_p is not None:
        p = logits.softmax(dim=-1)
        logits = logits.masked_fill(p < min_p * p.amax(dim=-1, keepdim=True), -torch.inf)
    return logits


@torch.no_grad()
def generate(
    model: gpt.GPT2 | gpt.GPT,
    ids: Tensor,
    n_tokens: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    seed: int | None = None,
    cache: bool = True,
    stop: Callable[[Tensor], bool] | None = None,
) -> Tensor:
    """Read ids (B, T) and write n_tokens more: (B, T + n_tokens), or fewer where stop(ids so far) says so.

    temperature 0 is greedy; the others are those of `filter_logits`. seed: of the drawing, or None to go on with
    PyTorch's own. cache: keep keys and values instead of reading everything again for each token; the tokens are the
    same but for rounding. Of a longer prompt the last `context` tokens are read; when the context is full, the text
    goes on from its last half, read anew.
    """
    context = model.config.context
    generator = None if seed is None else torch.Generator(ids.device).manual_seed(seed)
    memory, unread = gpt.Cache(model, len(ids)) if cache else None, ids[:, -context:]
    seen = unread  # what the model conditions on
    with train.evaluating(model, None):
        for _ in range(n_tokens):
            if seen.shape[1] > context:
                seen = unread = seen[:, -max(1, context // 2) :]
                memory = gpt.Cache(model, len(ids)) if cache else None
            logits = model(unread, memory)[:, -1] if cache else model(seen)[:, -1]
            logits = filter_logits(logits.float(), temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
            if temperature == 0:
                unread = logits.argmax(dim=-1, keepdim=True)
            else:
                unread = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)
            ids, seen = torch.cat([ids, unread], dim=1), torch.cat([seen, unread], dim=1)
            if stop is not None and stop(ids):
                break
    return ids


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
        a = self._check(ids)
        self._tables = []
        for k in range(min(order, len(a))):  # contexts of k symbols
            context = self._contexts(a, k)
            pairs, counts = np.unique(context * vocab_size + a[k:], return_counts=True)
            contexts, first = np.unique(pairs // vocab_size, return_index=True)
            total = np.add.reduceat(counts, first)
            different = np.diff(np.append(first, len(pairs)))
            self._tables.append((pairs, counts, contexts, total, different))

    def _check(self, ids: Tensor) -> np.ndarray:
        a = np.asarray(ids.cpu() if isinstance(ids, Tensor) else ids).astype(np.int64)
        if a.ndim != 1 or len(a) == 0 or a.min() < 0 or a.max() >= self.vocab_size:
            raise ValueError(f"ids must be (N,), from 0 to {self.vocab_size - 1}")
        return a

    def _contexts(self, a: np.ndarray, k: int) -> np.ndarray:
        """(N - k,): the k symbols before each position from k on, as one number."""
        number = np.zeros(len(a) - k, dtype=np.int64)
        for j in range(k):
            number = number * self.vocab_size + a[j : len(a) - k + j]
        return number

    def probabilities(self, ids: Tensor) -> np.ndarray:
        """(N,) float64: the probability of each symbol given those before it (for the first ones fewer)."""
        a = self._check(ids)
        p = np.full(len(a), 1 / self.vocab_size)
        for k, (pairs, counts, contexts, total, different) in enumerate(self._tables):
            if len(a) <= k:
                break
            context = self._contexts(a, k)
            c, _ = _look_up(pairs, counts, context * self.vocab_size + a[k:])
            c_h, known = _look_up(contexts, total, context)
            n_h, _ = _look_up(contexts, different, context)
            # a context that was never seen leaves the shorter one's probability
            p[k:] = np.where(known, (c + n_h * p[k:]) / np.maximum(c_h + n_h, 1), p[k:])
        return p

    def nats(self, ids: Tensor) -> np.ndarray:
        """(N,) float64: minus the logarithm of each symbol's probability."""
        return -np.log(self.probabilities(ids))


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """values at the wanted keys, 0 where there is none, and whether there is one; keys are in order."""
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    known = keys[at] == wanted
    return np.where(known, values[at], 0), known
