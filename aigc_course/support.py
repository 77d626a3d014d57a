"""Which article answers: BM25, an encoder trained by contrast, their ranks fused. Built in view in page 21."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"\w+", text.lower())


class BM25:
    """Scores of documents by shared words (Robertson and Zaragoza 2009, BM25 and Beyond, section 3; Lucene's idf)."""

    def __init__(self, documents: Sequence[str], k1: float = 1.2, b: float = 0.75):
        counts = [Counter(words(document)) for document in documents]
        self.place = {word: i for i, word in enumerate(sorted(set().union(*counts)))}
        n = np.zeros((len(counts), len(self.place)))
        for i, count in enumerate(counts):
            n[i, [self.place[word] for word in count]] = list(count.values())
        df, length = (n > 0).sum(axis=0), n.sum(axis=1, keepdims=True) / n.sum(axis=1).mean()
        idf = np.log(1 + (len(n) - df + 0.5) / (df + 0.5))
        self.weights = idf * n * (k1 + 1) / (n + k1 * (1 - b + b * length))  # (N, V)

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """(B, N): each text's score for each document; a word counts as often as the text has it."""
        columns = [[self.place[word] for word in words(text) if word in self.place] for text in texts]
        return np.stack([self.weights[:, at].sum(axis=1) for at in columns])


def units(text: str) -> list[str]:
    """What an `Encoder` reads of a text: its different words, pairs of words and pieces of four letters, sorted."""
    found = words(text)
    pieces = ["#" + f"<{word}>"[k : k + 4] for word in found for k in range(len(word) - 1)]
    return sorted({*found, *pieces, *map(" ".join, itertools.pairwise(found))})


class Encoder(nn.Module):
    """Texts to vectors of length 1: the sum of a vector for each unit, the rare ones weighing more."""

    def __init__(self, texts: Sequence[str], width: int = 128):
        super().__init__()
        df = Counter(unit for text in texts for unit in units(text))
        self.place = {unit: i for i, unit in enumerate(df)}
        self.vectors = nn.EmbeddingBag(len(df), width, mode="sum", sparse=True)
        nn.init.normal_(self.vectors.weight, std=width**-0.5)
        self.register_buffer("idf", torch.tensor([1 + math.log((1 + len(texts)) / (1 + n)) for n in df.values()]))

    def bags(self, texts: Sequence[str]) -> list[Tensor]:
        """The places of each text's units; a text without any known unit has none."""
        return [torch.tensor([self.place[u] for u in units(text) if u in self.place]).long() for text in texts]

    def forward(self, bags: Sequence[Tensor], drop: float = 0.0) -> Tensor:
        """(B, D): unit vectors, the 0 vector of an empty bag. drop: share of the units that are left out at random."""
        places = torch.cat(list(bags))
        starts = torch.tensor([0, *itertools.accumulate(len(bag) for bag in bags)][:-1])
        weights = self.idf[places] * (torch.rand(len(places)) >= drop)
        return F.normalize(self.vectors(places, starts, per_sample_weights=weights), dim=1)

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """(B, D): the vectors of texts."""
        return self(self.bags(texts))


def contrastive_loss(a: Tensor, b: Tensor, positive: Tensor, temperature: float = 0.07) -> Tensor:
    """Nats by which each of a, (B, D), misses its positives among b, (N, D), a mean over them and over a.

    positive: (B, N) of booleans, at least one a row. Source: Khosla et al. (2020), arXiv:2004.11362, eq. 2.
    """
    log_p = (a @ b.T / temperature).log_softmax(dim=1)
    return -((log_p * positive).sum(dim=1) / positive.sum(dim=1)).mean()


def train(
    articles: Sequence[str], questions: Sequence[str], of: Sequence[int], *, n_steps: int, seed: int, width: int = 128,
    batch_size: int = 64, lr: float = 1e-2, drop: float = 0.4,
) -> Encoder:  # fmt: skip
    """An encoder that brings question i near its article, number of[i], and near the other questions of that one."""
    torch.manual_seed(seed)
    model = Encoder([*articles, *questions], width)
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=lr)
    asked, answers, of = model.bags(questions), model.bags(articles), torch.tensor(of)
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / n_steps)
        batch = torch.randint(len(of), (batch_size,))
        numbers = torch.cat([of[batch].unique(), of[batch]])  # the batch's articles, then its questions once more
        q = model([asked[i] for i in batch], drop)
        near = model([answers[i] for i in of[batch].unique()] + [asked[i] for i in batch], drop)
        loss = contrastive_loss(q, near, of[batch, None] == numbers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def fuse(*scores: np.ndarray, k: int = 60) -> np.ndarray:
    """(B, N): the sum of 1 / (k + rank) over several (B, N) scores, the best rank being 1; equals keep their order.
    Source: Cormack, Clarke and Büttcher (2009), Reciprocal Rank Fusion, SIGIR."""
    ranks = [np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1) + 1 for score in scores]
    return sum(1 / (k + rank) for rank in ranks)


class Search:
    """Page 21's search: BM25 and the encoder, both with the known questions, their ranks fused.

    articles: {"id", "title", "body", "asked"}; questions: further ones, {"article": its id, "text"}.
    """

    def __init__(self, articles: Sequence[dict], questions: Sequence[dict], *, n_steps: int, seed: int):
        texts = [f"{article['title']}. {article['body']}" for article in articles]
        known = {article["id"]: list(article["asked"]) for article in articles}
        for question in questions:
            known[question["article"]].append(question["text"])
        asked = list(itertools.chain(*known.values()))
        self.of = np.repeat(np.arange(len(known)), [len(part) for part in known.values()])
        self.bm25 = BM25([" ".join([text, *part]) for text, part in zip(texts, known.values(), strict=True)])
        self.encoder = train(texts, asked, self.of.tolist(), n_steps=n_steps, seed=seed)
        self.articles, self.questions = self.encoder.encode(texts), self.encoder.encode(asked)

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """(B, N): fused from BM25 and cosines, with the article and, as a mean, with its three nearest questions."""
        q = self.encoder.encode(texts)
        near = (q @ self.questions.T).numpy()
        best = [np.sort(near[:, self.of == i], axis=1)[:, -3:].mean(axis=1) for i in range(len(self.articles))]
        return fuse(self.bm25.scores(texts), (q @ self.articles.T).numpy() + np.stack(best, axis=1))
