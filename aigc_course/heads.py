"""Heads on the course's small GPT-2, for notebooks 13b, 21 and 22: classes of a text, and tags of its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import gpt, lora, text, train

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from tokenizers import Tokenizer

Pieces = tuple[Tensor, Tensor, Tensor]  # rows of a sparse matrix: columns (n,), values (n,), where each row begins (B,)


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
        x, there = self.body.states(ids, seen=real[:, None, None]), real[..., None]
        mean = (x * there).sum(1) / real.sum(1, keepdim=True)
        return self.head(self.drop(torch.cat([mean, x.masked_fill(~there, -1e4).amax(1)], dim=1))).float()

    def wide(self, columns: Tensor, values: Tensor, starts: Tensor) -> Tensor:
        """`Pieces` to logits (B, classes)."""
        values = F.dropout(self.PIECE_SCALE * values, self.PIECE_DROPOUT, self.training)
        return F.embedding_bag(columns, self.table.weight, starts, mode="sum", per_sample_weights=values)

    def forward(self, ids: Tensor, real: Tensor, pieces: Pieces | None = None) -> Tensor:
        logits = self.deep(ids, real)
        return logits if self.table is None else logits + self.WIDE_WEIGHT * self.wide(*pieces)


class Labelled(NamedTuple):
    """Texts with classes, as a `Classifier` reads them: ids (N, T), lengths, labels (N,), and the weights of pieces in
    them as a sparse matrix (N, n_pieces) or None."""

    ids: Tensor
    lengths: list[int]
    labels: Tensor
    pieces: csr_matrix | None

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Pieces | None]:
        """ids (B, T), real (B, T) and pieces of some rows, T being the longest of these. rows: (B,), on the host."""
        chosen, device, pieces = rows.tolist(), self.ids.device, None
        lengths, rows = torch.tensor([self.lengths[i] for i in chosen], device=device), rows.to(device)
        T = max(self.lengths[i] for i in chosen)
        if self.pieces is not None:
            part = self.pieces[chosen]
            arrays = part.indices.astype("int64"), part.data.astype("float32"), part.indptr[:-1].astype("int64")
            pieces = tuple(torch.from_numpy(array).to(device) for array in arrays)
        return self.ids[rows, :T], torch.arange(T, device=device) < lengths[:, None], pieces


def labelled(
    records: Sequence[dict],
    tokenizer: Tokenizer,
    vectorizer: Any = None,
    *,
    longest: int = 64,
    device: torch.device | str = "cpu",
) -> Labelled:
    """{"text", "label"} records as `Labelled`, on the device. Texts are read in lower case, as far as `longest`.

    vectorizer: of scikit-learn, fitted: what makes a sparse matrix of texts, such as a TfidfVectorizer.
    """
    texts = [record["text"].strip() for record in records]
    ids, lengths = lora.pad([row[:longest] for row in text.encode(tokenizer, [t.lower() for t in texts])])
    labels = torch.tensor([record["label"] for record in records], device=device)
    return Labelled(ids.to(device), lengths, labels, vectorizer.transform(texts).tocsr() if vectorizer else None)


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
