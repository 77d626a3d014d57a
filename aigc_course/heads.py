"""Heads on the course's small GPT-2, for notebooks 13, 21 and 22: classes of a text, and tags of its words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import gpt, train
from aigc_course.finetune import pad, states

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Pieces:
    """Texts as weighted words, pairs of words and pieces of 2 to 5 characters inside words: what bag-of-words
    baselines see.

    Learns from texts which pieces occur in at least `least` of them, and how rare each is. `n_pieces` counts them and
    0, which fills up. Weights are (1 + log count) * idf, with idf = 1 + log((1 + N) / (1 + texts with the piece)),
    and a text's have length 1, separately for words and for characters.
    """

    def __init__(self, texts: Sequence[str], *, least: int = 2):
        found = Counter(piece for text in texts for piece in set(_pieces(text)))
        known = [piece for piece, n in sorted(found.items()) if n >= least]
        self._number = {piece: i for i, piece in enumerate(known, start=1)}
        self._idf = {piece: 1 + math.log((1 + len(texts)) / (1 + found[piece])) for piece in known}
        self.n_pieces = 1 + len(known)

    def __call__(
        self, texts: Sequence[str], *, longest: int = 400, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor, list[int]]:
        """Numbers of pieces (N, L), their weights (N, L), and how many there are of each text, at most longest."""
        rows, weights = [], []
        for text in texts:
            counts = Counter(piece for piece in _pieces(text) if piece in self._number)
            chosen = list(counts)[:longest]
            value = [(1 + math.log(counts[piece])) * self._idf[piece] for piece in chosen]
            norms = {kind: math.sqrt(sum(v**2 for v, p in zip(value, chosen, strict=True) if (p[0] == "c") == kind))
                     for kind in (True, False)}  # fmt: skip
            rows.append([self._number[piece] for piece in chosen])
            weights.append([v / norms[p[0] == "c"] for v, p in zip(value, chosen, strict=True)])
        ids, lengths = pad(rows, 0)
        weight = torch.zeros(ids.shape)
        for row, values in zip(weight, weights, strict=True):
            row[: len(values)] = torch.tensor(values)
        return ids.to(device), weight.to(device), lengths


def _pieces(text: str) -> list[str]:
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    found = [f"w{word}" for word in words] + [f"w{a} {b}" for a, b in zip(words, words[1:], strict=False)]
    for word in words:
        marked = f" {word} "
        found += [f"c{marked[i : i + n]}" for n in range(2, 6) for i in range(len(marked) - n + 1)]
    return found


class Classifier(nn.Module):
    """Logits of classes from a GPT-2's states (deep), and with n_pieces from a table of pieces beside it (wide).

    body: the pre-trained model; its attention sees the whole text in both directions. deep: mean and maximum of its
    states, dropout, a linear layer. wide: a row of n_classes numbers a piece, summed with the pieces' weights, as a
    bag-of-words classifier that learns in the same model. The answer is deep + WIDE_WEIGHT * wide.

    Source: Cheng et al. (2016), arXiv:1606.07792, for deep beside wide.
    """

    DROPOUT, PIECE_DROPOUT, PIECE_SCALE, WIDE_WEIGHT = 0.3, 0.5, 5.0, 1.5  # chosen on held-out Banking77

    def __init__(self, body: gpt.GPT2, n_classes: int, *, n_pieces: int = 0):
        super().__init__()
        self.body, self.drop = body, nn.Dropout(self.DROPOUT)
        self.head = nn.Linear(2 * body.config.width, n_classes)
        nn.init.normal_(self.head.weight, std=0.02), nn.init.zeros_(self.head.bias)
        self.table = nn.Embedding(n_pieces, n_classes) if n_pieces else None
        if self.table is not None:
            nn.init.zeros_(self.table.weight)

    def deep(self, ids: Tensor, real: Tensor) -> Tensor:
        """ids (B, T) and real (B, T), False for padding, to logits (B, classes)."""
        x, there = states(self.body, ids, seen=real[:, None, None]), real[..., None]
        mean = (x * there).sum(1) / real.sum(1, keepdim=True)
        return self.head(self.drop(torch.cat([mean, x.masked_fill(~there, -1e4).amax(1)], dim=1))).float()

    def wide(self, numbers: Tensor, weights: Tensor) -> Tensor:
        """Numbers of pieces (B, L) and their weights (B, L) to logits (B, classes)."""
        weights = F.dropout(self.PIECE_SCALE * weights, self.PIECE_DROPOUT, self.training)
        return F.embedding_bag(numbers, self.table.weight, mode="sum", per_sample_weights=weights)

    def forward(self, ids: Tensor, real: Tensor, pieces: tuple[Tensor, Tensor] | None = None) -> Tensor:
        logits = self.deep(ids, real)
        return logits if self.table is None else logits + self.WIDE_WEIGHT * self.wide(*pieces)


class Labelled(NamedTuple):
    """Texts with classes, as a `Classifier` reads them: ids (N, T), lengths, labels (N,), and with pieces their
    numbers and weights, each (N, L), and how many there are."""

    ids: Tensor
    lengths: list[int]
    labels: Tensor
    numbers: Tensor | None = None
    weights: Tensor | None = None
    n_pieces: list[int] | None = None

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
        """ids (B, T), real (B, T) and pieces of some rows, cut to the longest of these. rows: (B,), on the host."""
        chosen, device = rows.tolist(), self.ids.device
        lengths, rows = torch.tensor([self.lengths[i] for i in chosen], device=device), rows.to(device)
        T = max(self.lengths[i] for i in chosen)
        pieces = None
        if self.numbers is not None:
            L = max(1, *(self.n_pieces[i] for i in chosen))
            pieces = self.numbers[rows, :L], self.weights[rows, :L]
        return self.ids[rows, :T], torch.arange(T, device=device) < lengths[:, None], pieces


def labelled(
    records: Sequence[dict],
    tokenizer: Tokenizer,
    pieces: Pieces | None = None,
    *,
    longest: int = 64,
    device: torch.device | str = "cpu",
) -> Labelled:
    """{"text", "label"} records as `Labelled`, on the device. Texts are read in lower case, as far as `longest`."""
    texts = [record["text"].strip() for record in records]
    encoded = tokenizer.encode_batch([text.lower() for text in texts], add_special_tokens=False)
    ids, lengths = pad([e.ids[:longest] for e in encoded])
    labels = torch.tensor([record["label"] for record in records], device=device)
    return Labelled(ids.to(device), lengths, labels, *(pieces(texts, device=device) if pieces else ()))


@torch.no_grad()
def predict(
    model: Classifier, texts: Labelled, *, autocast: AbstractContextManager | None = None, batch_size: int = 128
) -> Tensor:
    """Logits (N, classes) of all texts, in their order."""
    order = torch.tensor(sorted(range(len(texts.lengths)), key=texts.lengths.__getitem__))
    with train.evaluating(model, autocast):
        logits = torch.cat([model(*texts.batch(rows)) for rows in order.split(batch_size)])
    return torch.empty_like(logits).index_copy_(0, order.to(logits.device), logits)


def word_tags(title: str, names: Sequence[str]) -> tuple[list[tuple[int, int]], list[str]]:
    """The words of a title, as (start, end) in characters, and a BIO tag each: B begins a name, I continues it.

    A name counts at each place where it stands as whole words; of names that overlap the longer one counts.
    """
    words = [match.span() for match in re.finditer(r"\w+(?:[&.]\w+)*|[^\w\s]", title)]
    tags, starts = ["O"] * len(words), {start: i for i, (start, _) in enumerate(words)}
    ends = {end: i for i, (_, end) in enumerate(words)}
    for name in sorted(names, key=len, reverse=True):
        for match in re.finditer(re.escape(name), title):
            first, last = starts.get(match.start()), ends.get(match.end())
            if first is not None and last is not None and set(tags[first : last + 1]) == {"O"}:
                tags[first : last + 1] = ["B"] + ["I"] * (last - first)
    return words, tags
