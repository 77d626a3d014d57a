"""Heads on the course's small GPT-2, for notebooks 13, 21 and 22: classes of a text, and tags of its words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import gpt, train
from aigc_course.finetune import buckets, pad, states

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

    body: the pre-trained model; its attention sees the whole text in both directions, unless causal. deep: mean and
    maximum of its states, dropout, a linear layer. wide: a row of n_classes numbers a piece, summed with the pieces'
    weights, as a bag-of-words classifier that learns in the same model. The answer is deep + wide_weight * wide.

    Source: Cheng et al. (2016), arXiv:1606.07792, for deep beside wide.
    """

    def __init__(
        self,
        body: gpt.GPT2,
        n_classes: int,
        *,
        n_pieces: int = 0,
        causal: bool = False,
        dropout: float = 0.3,
        piece_dropout: float = 0.5,
        piece_scale: float = 5.0,
        wide_weight: float = 1.5,
    ):
        super().__init__()
        self.body, self.causal, self.wide_weight = body, causal, wide_weight
        self.drop, self.head = nn.Dropout(dropout), nn.Linear(2 * body.config.width, n_classes)
        nn.init.normal_(self.head.weight, std=0.02), nn.init.zeros_(self.head.bias)
        self.piece_dropout, self.piece_scale = piece_dropout, piece_scale
        self.table = nn.Embedding(n_pieces, n_classes) if n_pieces else None
        if self.table is not None:
            nn.init.zeros_(self.table.weight)

    def deep(self, ids: Tensor, real: Tensor) -> Tensor:
        """ids (B, T) and real (B, T), False for padding, to logits (B, classes)."""
        x, there = states(self.body, ids, seen=None if self.causal else real[:, None, None]), real[..., None]
        mean = (x * there).sum(1) / real.sum(1, keepdim=True)
        return self.head(self.drop(torch.cat([mean, x.masked_fill(~there, -1e4).amax(1)], dim=1))).float()

    def wide(self, numbers: Tensor, weights: Tensor) -> Tensor:
        """Numbers of pieces (B, L) and their weights (B, L) to logits (B, classes)."""
        weights = F.dropout(self.piece_scale * weights, self.piece_dropout, self.training)
        return F.embedding_bag(numbers, self.table.weight, mode="sum", per_sample_weights=weights)

    def forward(self, ids: Tensor, real: Tensor, pieces: tuple[Tensor, Tensor] | None = None) -> Tensor:
        logits = self.deep(ids, real)
        return logits if self.table is None else logits + self.wide_weight * self.wide(*pieces)


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


def splice(ids: Tensor, real: Tensor, other: Tensor, other_real: Tensor) -> tuple[Tensor, Tensor]:
    """The first half of each text, then the second half of another: ids and real, (B, T) each, as wide as the first.

    Of two texts of one class this makes a third. What does not fit is cut off.
    """
    half, half_2 = (real.sum(1, keepdim=True) + 1) // 2, other_real.sum(1, keepdim=True) // 2
    place = torch.arange(ids.shape[1], device=ids.device)[None]
    there = place - half + half_2  # where the token stands in the other text
    first = place < half
    new = torch.where(first, ids, other.gather(1, there.clamp(0, other.shape[1] - 1)))
    return new, first | (there < other_real.sum(1, keepdim=True))


def fit_classifier(
    model: Classifier,
    texts: Labelled,
    *,
    n_steps: int,
    batch_size: int = 64,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    progress: bool = True,
) -> Classifier:
    """Trains all of a deep and wide classifier and returns its averaged weights: Muon for the blocks' matrices.

    Each part has a loss of its own, so that neither leans on the other; three of ten texts are spliced with another of
    their class, and a tenth of the tokens is hidden (token 1, the checkpoint's padding).
    """
    table = {id(p) for p in model.table.parameters()}
    matrices = [p for p in model.body.blocks.parameters() if p.ndim == 2]
    embeddings = [model.body.token.weight, model.body.position.weight]
    taken = table | {id(p) for p in (*matrices, *embeddings)}
    groups = [{"params": [p for p in model.parameters() if id(p) not in taken], "lr": 1e-3},
              {"params": embeddings, "lr": 3e-3},
              {"params": model.table.parameters(), "lr": 0.01, "weight_decay": 0.1}]  # fmt: skip
    adam = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.05)
    muon = gpt.Muon(matrices, lr=0.012, weight_decay=0.05, dtype=torch.bfloat16)
    peaks = [(group, group["lr"]) for optimizer in (adam, muon) for group in optimizer.param_groups]
    network = [p for p in model.parameters() if id(p) not in table]
    ema, device = train.EMA(model, 0.995), texts.ids.device
    noise = torch.Generator(device).manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, device=device, generator=noise)

    model.train()
    for step, rows in enumerate(buckets(texts.lengths, batch_size, n_steps, seed=seed, progress=progress)):
        for group, peak in peaks:
            group["lr"] = peak * min(20 * (step + 1) / n_steps, 1.02 - step / n_steps, 1.0)
        if step % 20 == 0:  # another text of the same class for each: two orders, each sorted by class
            a, b = (torch.argsort(texts.labels + 0.9 * random(len(texts.labels))) for _ in range(2))
            partner = torch.empty_like(a).index_copy_(0, a, b).cpu()
        (ids, real, pieces), (other, other_real, _) = texts.batch(rows), texts.batch(partner[rows])
        new, new_real = splice(ids, real, other, other_real)
        use = random(len(rows), 1) < 0.3
        ids, real = torch.where(use, new, ids), torch.where(use, new_real, real)
        ids = ids.masked_fill((random(*ids.shape) < 0.1) & real, 1)
        with autocast or nullcontext():
            deep, wide, labels = model.deep(ids, real), model.wide(*pieces), texts.labels[rows.to(device)]
        parts = [F.cross_entropy(z, labels, label_smoothing=0.1) for z in (deep, wide, deep + wide)]
        model.zero_grad()
        (0.8 * (parts[0] + parts[1]) + 0.2 * parts[2]).backward()
        nn.utils.clip_grad_norm_(network, 1.0)
        adam.step()
        muon.step()
        ema.update()
    model.eval()
    return ema.model


@torch.no_grad()
def predict(
    model: Classifier, texts: Labelled, *, autocast: AbstractContextManager | None = None, batch_size: int = 128
) -> Tensor:
    """Logits (N, classes) of all texts, in their order; the model is in evaluation mode."""
    order = torch.tensor(sorted(range(len(texts.lengths)), key=texts.lengths.__getitem__))
    with autocast or nullcontext():
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


def spans(tags: Sequence[str]) -> set[tuple[int, int]]:
    """Entities of BIO tags as (first, last + 1). An I that follows no B or I begins an entity, as conlleval has it."""
    found, start = set(), None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and tag != "I":
            found.add((start, i))
            start = None
        if tag == "B" or (tag == "I" and start is None):
            start = i
    return found


def entity_f1(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """F1 over entities of all sentences: one counts only where both ends are right. 0 where none is predicted.

    Source: Tjong Kim Sang & De Meulder (2003), the CoNLL-2003 shared task, arXiv:cs/0306050.
    """
    pairs = [(spans(t), spans(p)) for t, p in zip(true, predicted, strict=True)]
    right, due, said = (sum(map(len, column)) for column in ([t & p for t, p in pairs], *zip(*pairs, strict=True)))
    return 2 * right / (due + said) if due + said else 0.0
