"""Words from their company, built in view in page 02b: counts, PMI, its factors, skip-gram's loss, texts augmented.

Sources: Levy & Goldberg (2014), NeurIPS, "Neural Word Embedding as Implicit Matrix Factorization"; Mikolov et al.
(2013), arXiv:1310.4546; Levy, Goldberg & Dagan (2015), TACL 3; Wei & Zou (2019), arXiv:1901.11196.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Texts = Sequence[Sequence[str]]  # texts, each a list of words


def split(text: str) -> list[str]:
    """The words of a text in lower case; an apostrophe belongs to its word."""
    return re.findall(r"[\w']+", text.lower())


def vocabulary(texts: Texts, at_least: int = 1) -> dict[str, int]:
    """{word: its place}, the most frequent first, equals by the alphabet; rarer words than at_least are left out."""
    counts = Counter(word for text in texts for word in text)
    known = sorted((word for word, n in counts.items() if n >= at_least), key=lambda word: (-counts[word], word))
    return {word: i for i, word in enumerate(known)}


def cooccurrence(texts: Texts, place: Mapping[str, int], window: int) -> Tensor:
    """(V, V): how often each word has each other one at most `window` places before or behind it, in one text.

    Words without a place keep theirs in the text, and are not counted.
    """
    if window < 1:
        raise ValueError(f"window is {window}; it is at least 1")
    V, gap = len(place), [-1] * window
    ids = torch.tensor([i for text in texts for i in [*(place.get(word, -1) for word in text), *gap]], dtype=torch.long)
    counts = torch.zeros(V * V, dtype=torch.float64)
    for distance in range(1, window + 1):
        left, right = ids[:-distance], ids[distance:]
        both = (left >= 0) & (right >= 0)
        counts += torch.bincount(left[both] * V + right[both], minlength=V * V)
    return (counts.view(V, V) + counts.view(V, V).T).float()


def noise(counts: Tensor, alpha: float = 1.0) -> Tensor:
    """(V,): the distribution of contexts, each count to the power alpha; 0 is the uniform one of those that occur."""
    n = counts.sum(dim=0)
    n = torch.where(n > 0, n.pow(alpha), 0.0)
    return n / n.sum()


def pmi(counts: Tensor, alpha: float = 1.0) -> Tensor:
    """log of P(w, c) / (P(w) P_alpha(c)), (V, V), in nats; minus infinity where a pair never occurs.

    Source: Levy, Goldberg & Dagan (2015), section 3, of alpha.
    """
    if counts.ndim != 2 or counts.min() < 0:
        raise ValueError(f"counts are a matrix of numbers from 0 up; these have shape {tuple(counts.shape)}")
    of_word = counts.sum(dim=1, keepdim=True)
    return torch.where(counts > 0, (counts / (of_word * noise(counts, alpha)).clamp(min=1e-30)).log(), -torch.inf)


def ppmi(counts: Tensor, alpha: float = 1.0, k: float = 1.0) -> Tensor:
    """(V, V): `pmi` less log k, and 0 where that is negative."""
    return (pmi(counts, alpha) - math.log(k)).clamp(min=0)


def factors(matrix: Tensor, dim: int, power: float = 1.0) -> Tensor:
    """(V, dim): the left singular vectors of the largest singular values, times these to a power.

    With the power 1 their products are those of the best approximation's rows. Source: Levy & Goldberg (2014), 3.3.
    """
    U, S, _ = torch.linalg.svd(matrix, full_matrices=False)
    return U[:, :dim] * S[:dim] ** power


def real_and_drawn(counts: Tensor, k: float, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """How often each pair (V, C) is one from the text, and how often one of its k drawn ones, for each real pair."""
    seen = counts / counts.sum()
    return seen, k * seen.sum(dim=1, keepdim=True) * noise(counts, alpha)


def sgns_loss(scores: Tensor, counts: Tensor, k: float, alpha: float = 1.0) -> Tensor:
    """What skip-gram with k negatives a pair loses on average, in nats a pair, exactly: no draws.

    scores: (V, C), each w · c; counts: (V, C) of pairs. Source: Levy & Goldberg (2014), section 3.1.
    """
    seen, drawn = real_and_drawn(counts, k, alpha)
    return -(seen * F.logsigmoid(scores) + drawn * F.logsigmoid(-scores)).sum()


def least_loss(counts: Tensor, k: float, alpha: float = 1.0) -> Tensor:
    """The least that `sgns_loss` can be: with w · c = PMI - log k for all pairs, which are then told apart by Bayes."""
    seen, drawn = real_and_drawn(counts, k, alpha)
    both = seen + drawn
    return -(torch.special.xlogy(seen, seen / both) + torch.special.xlogy(drawn, drawn / both)).nansum()


class SkipGram(nn.Module):
    """A vector w for each word and another, c, for it as a context: places (B,) to scores (B, V), each w · c."""

    def __init__(self, V: int, dim: int):
        super().__init__()
        self.words, self.contexts = nn.Embedding(V, dim), nn.Embedding(V, dim)
        for table in (self.words, self.contexts):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, place: Tensor) -> Tensor:
        return self.words(place) @ self.contexts.weight.T


def twins(texts: Texts, chosen: Collection[str], seed: int) -> list[list[str]]:
    """The texts with each occurrence of a chosen word named word·1 or word·2, by a coin: perfect synonyms."""
    coin, chosen = random.Random(seed), set(chosen)
    return [[f"{word}·{coin.choice('12')}" if word in chosen else word for word in text] for text in texts]


def nearest(vectors: Tensor) -> Tensor:
    """(V, V - 1): the places of all others, the nearest by cosine first."""
    unit = F.normalize(vectors.float(), dim=1)
    return (unit @ unit.T).fill_diagonal_(-torch.inf).argsort(dim=1, descending=True, stable=True)[:, :-1]


def exchange(text: Sequence[str], near: Mapping[str, Sequence[str]], rate: float, rng: random.Random) -> list[str]:
    """The text, a share of its words each exchanged for one near it. Source: Wang & Yang (2015), EMNLP, by word2vec."""
    return [rng.choice(near[word]) if word in near and rng.random() < rate else word for word in text]


def drop(text: Sequence[str], rate: float, rng: random.Random) -> list[str]:
    """The text without a random share of its words, but with one at least. Source: Wei & Zou (2019), section 2."""
    return [word for word in text if rng.random() >= rate] or [rng.choice(text)]


def swap(text: Sequence[str], rate: float, rng: random.Random) -> list[str]:
    """The text with two words in each other's place, as often as rate times its length. Source: Wei & Zou (2019)."""
    text = list(text)
    for _ in range(round(rate * len(text))):
        i, j = rng.randrange(len(text)), rng.randrange(len(text))
        text[i], text[j] = text[j], text[i]
    return text
