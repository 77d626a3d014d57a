"""Sentiment towards a company: features that know where it stands, a linear model, CUSUM; built in pages 22 and 22b."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.svm import LinearSVC

LABELS = ("negative", "neutral", "positive")
ENTITY, OTHER = "zzent", "zzoth"
TOKEN = re.compile(r"NUMPCT|NUM|\w+|[+&%$!?:;,-]")
BREAKS = {":", ";", ",", "-", "but", "while", "and", "as", "after", "despite", "even", "though"}


class Row(NamedTuple):
    """A headline read for one company: label is its place in LABELS; others: the other companies that it names."""

    title: str
    entity: str
    others: tuple[str, ...]
    label: int


def rows(records: Iterable[dict]) -> list[Row]:
    """{"title", "entities": {name: sentiment}} records, such as `data.sentfin()`, as a row for each company."""
    return [
        Row(record["title"], name, tuple(other for other in record["entities"] if other != name), LABELS.index(said))
        for record in records
        for name, said in record["entities"].items()
    ]


def masked(title: str, entity: str, others: Iterable[str] = ()) -> list[str]:
    """The words of a title in lower case: zzent for the company asked about, zzoth for another, NUM for a number.

    Of names that overlap the longer one counts; names are found as they are spelt.
    """
    names = sorted({entity, *others} - {""}, key=len, reverse=True)
    if names:
        pattern = re.compile("|".join(map(re.escape, names)))
        title = pattern.sub(lambda found: f" {ENTITY if found[0] == entity else OTHER} ", title)
    title = re.sub(r"\d[\d,.]*\s*(%|percent|per cent|pct)", " NUMPCT ", title.lower())
    return TOKEN.findall(re.sub(r"\d[\d,.]*", " NUM ", title))


def features(title: str, entity: str, others: Iterable[str] = ()) -> list[str]:
    """What the model reads of a title, one list: words, pairs and triples, also by their side of the company; words by
    their distance from it; those of its clause; and those between it and the nearest other company."""
    words = masked(title, entity, others)
    at, found = _place(words), []
    for i in range(len(words)):
        units = [" ".join(words[i : i + n]) for n in (1, 2, 3) if i + n <= len(words)]
        found += units + [f"{_side(i, at)}: {unit}" for unit in units[:2]]
        if 0 < abs(i - at) <= 4:
            found.append(f"at {i - at:+d}: {words[i]}")
    clause = words[slice(*_clause(words, at))]
    found += [f"clause: {' '.join(clause[i : i + n])}" for n in (1, 2) for i in range(len(clause) + 1 - n)]
    rivals = [i for i, word in enumerate(words) if word == OTHER]
    if rivals:
        near = min(rivals, key=lambda i: abs(i - at))
        order = "first" if at < near else "second"
        found += [order, f"rivals: {min(3, len(rivals))}"]
        found += [f"{order}, between: {word}" for word in words[min(at, near) + 1 : max(at, near)]]
    return found


def pieces(title: str, entity: str, others: Iterable[str] = ()) -> list[str]:
    """Pieces of 3 to 5 letters of each word, those of 4 and 5 also by their side of the company and in its clause."""
    words = masked(title, entity, others)
    at, found = _place(words), []
    low, high = _clause(words, at)
    for i, word in enumerate(words):
        if word.isalpha() and word not in (ENTITY, OTHER):
            cut = [f" {word} "[k : k + n] for n in (3, 4, 5) for k in range(len(word) + 3 - n)]
            long = [piece for piece in cut if len(piece) > 3]
            found += cut + [f"{_side(i, at)}: {piece}" for piece in long]
            found += [f"clause: {piece}" for piece in long if low <= i < high]
    return found


def _place(words: list[str]) -> int:
    """Where the company stands; 0 where its name is not found as it is spelt."""
    return words.index(ENTITY) if ENTITY in words else 0


def _side(i: int, at: int) -> str:
    return "before" if i < at else "after"


def _clause(words: list[str], at: int) -> tuple[int, int]:
    """The first word of the company's clause, and the first behind it."""
    cuts = [i for i, word in enumerate(words) if word in BREAKS]
    return max((i + 1 for i in cuts if i < at), default=0), min((i for i in cuts if i > at), default=len(words))


def classifier(*, C: float = 0.3) -> Pipeline:
    """TF-IDF of `features` and of `pieces`, and a linear support vector machine. It is fitted with rows and labels;
    decision_function(rows) gives margins (N, 3), in the order of LABELS."""
    how = {"min_df": 2, "sublinear_tf": True}
    both = (TfidfVectorizer(analyzer=partial(_read, read), **how) for read in (features, pieces))
    return make_pipeline(make_union(*both), LinearSVC(C=C))


def _read(reader: Callable[..., list[str]], row: Row) -> list[str]:
    return reader(row.title, row.entity, row.others)


def folds(rows: Sequence[Row], n: int, seed: int) -> np.ndarray:
    """Each row's fold, (N,) of 0 to n - 1, at random; all rows of one title are in one fold."""
    titles = sorted({row.title for row in rows})
    of = dict(zip(titles, np.random.default_rng(seed).permutation(len(titles)) % n, strict=True))
    return np.array([of[row.title] for row in rows])


def cusum(scores: Sequence[float], threshold: float) -> tuple[np.ndarray, list[int]]:
    """The sum that never falls below 0, (T,), and the places where it reaches the threshold; there it begins anew.

    Source: Page (1954), Continuous Inspection Schemes, Biometrika 41, 100-115.
    """
    if not threshold > 0:
        raise ValueError(f"threshold is {threshold}; it is above 0, or every score would be an alarm")
    path, alarms, total = np.zeros(len(scores)), [], 0.0
    for i, score in enumerate(scores):
        total = path[i] = max(0.0, total + score)
        if total >= threshold:
            alarms.append(i)
            total = 0.0
    return path, alarms
