"""What only the page of words shows: a word's nearest neighbours, method by method."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from aigc_course import widgets
from aigc_course.plumbing.console import escaped


def neighbours(tables: Mapping[str, Tensor], names: Sequence[str], word: str, *, alt: str, n: int = 7) -> Any:
    """A line for a word and a slider for how many; below a row a method with the nearest words and their cosines.

    tables: {method: vectors (V, D)}; names: V words; word: the one that is shown first. Returns the ipywidgets box.
    Raises ValueError where a table has another number of rows, or the word is none of the names.
    """
    if wrong := [method for method, vectors in tables.items() if len(vectors) != len(names)]:
        raise ValueError(f"{wrong[0]} has {len(tables[wrong[0]])} rows for {len(names)} words")
    if word not in names or word != word.strip().lower():
        raise ValueError(f"{word!r} is none of the words")
    unit = {method: F.normalize(vectors.detach().float(), dim=1) for method, vectors in tables.items()}
    place = {name: i for i, name in enumerate(names)}

    def draw(word: str = word, most: int = n) -> str:
        word = word.strip().lower()[:40]
        if word not in place:
            return f"<p><b>{escaped(word)}</b> is too rare to have a vector, or was never written.</p>"
        rows = []
        for method, vectors in unit.items():
            cosine = vectors @ vectors[place[word]]
            cosine[place[word]] = -2
            best = cosine.topk(min(most, len(names) - 1))
            found = ", ".join(f"{escaped(names[i])} <small>{c:.2f}</small>"
                              for c, i in zip(best.values.tolist(), best.indices.tolist(), strict=True))  # fmt: skip
            rows.append(f'<tr><th style="text-align:left">{escaped(method)}</th><td>{found}</td></tr>')
        return f"<p>nearest to <b>{escaped(word)}</b>, with cosines</p><table>{''.join(rows)}</table>"

    return widgets.explore(draw, alt=alt, word=word, most=(1, 12, n))
