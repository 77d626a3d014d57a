"""Running text and records: Shakespeare, Tang poems, Banking77, E2E, SEntFiN, and the stand-ins of the course.

All are offered by `data`, which fetches and verifies the files: data.banking77("train").
"""

from __future__ import annotations

import ast
import csv
import hashlib
import io
import json
import re
from typing import NamedTuple

from aigc_course.plumbing import fetch
from aigc_course.plumbing.standins import docstrings


class Text(NamedTuple):
    """Running text: train and val are its parts, in order; name is for titles."""

    train: str
    val: str
    name: str


def shakespeare() -> Text:
    """Lines from Shakespeare's plays: 1,115,394 characters, 65 of them distinct, or the stand-in, announced.

    train is the first nine tenths (1,003,854 characters), val the last tenth (111,540), as in nanoGPT. The stand-in is
    `docstrings()`, split alike: other text with other symbols, whose losses cannot be compared with Shakespeare's.
    Raises DataError instead of using the stand-in where AIGC_STANDIN=0.

    Source: Karpathy (2015), char-rnn, data/tinyshakespeare; public domain.
    """

    def split(text: str, name: str) -> Text:
        n_train = int(0.9 * len(text))
        return Text(text[:n_train], text[n_train:], name)

    return fetch.texts_or(
        "tinyshakespeare",
        lambda files: split(files["input.txt"], "tinyshakespeare"),
        lambda: split(docstrings(), "docstrings (stand-in)"),
    )


def tang_poems() -> list[dict]:
    """Tang poems in traditional characters: {"title", "author", "lines"}, or the stand-in, announced.

    353 poems of 84 poets: 3,481 lines, each with its punctuation mark, of 2,571 distinct characters. The collection has
    366 entries, as poems of a cycle are counted one by one; where the same words stand under two titles or names, only
    the first is given. Square brackets around characters that editors restored are removed.
    Raises DataError instead of using the stand-in where AIGC_STANDIN=0.

    Source: github.com/chinese-poetry/chinese-poetry, MIT; the poems (618 to 907) are in the public domain.
    """

    def genuine(files: dict[str, str]) -> list[dict]:
        poems = {}
        for entry in json.loads(files["tang300.json"]):
            text = re.sub(r"[\[\]]", "", "".join(entry["paragraphs"]))
            lines = re.findall("[^，。？！]+[，。？！]?", text)
            poems.setdefault(text, {"title": entry["title"], "author": entry["author"], "lines": lines})
        return list(poems.values())

    return fetch.texts_or(
        "tang300", genuine, lambda: json.loads(fetch.embedded("poems.json").read_text(encoding="utf-8"))
    )


def banking77(split: str) -> list[dict]:
    """Questions to a bank: {"text", "label"}, 10,003 "train" or 3,080 "test" of 77 intents, or the stand-in, announced.

    label is an index into `banking77_labels()`. The test part has 40 questions an intent, the training part 35 to 187,
    sorted by intent: shuffle them. But for case and spaces, 11 test questions are also in the training part. The
    stand-in, storefront tickets, is split 3 : 1 within each intent.
    Raises DataError instead of using the stand-in where AIGC_STANDIN=0.

    Source: Casanueva, Temčinas, Gerz, Henderson and Vulić (2020), Efficient Intent Detection with Dual Sentence
    Encoders, arXiv:2003.04807; CC BY 4.0.
    """
    fetch.check_split(split)

    def genuine(files: dict[str, str]) -> list[dict]:
        place = {label: i for i, label in enumerate(json.loads(files["categories.json"]))}
        return [{"text": row["text"], "label": place[row["category"]]} for row in _csv(files[f"{split}.csv"])]

    def standin() -> list[dict]:
        tickets = _by_hash(storefront("tickets"))
        records = []
        for label, intent in enumerate(sorted({ticket["intent"] for ticket in tickets})):
            texts = [ticket["text"] for ticket in tickets if ticket["intent"] == intent]
            parts = {"test": texts[1::4], "train": [text for i, text in enumerate(texts) if i % 4 != 1]}
            records += [{"text": text, "label": label} for text in parts[split]]
        return records

    return fetch.texts_or("banking77", genuine, standin)


def banking77_labels() -> list[str]:
    """The names of `banking77`'s 77 intents, such as "card_arrival", or of the stand-in's, in the order of labels."""
    return fetch.texts_or(
        "banking77",
        lambda files: json.loads(files["categories.json"]),
        lambda: sorted({ticket["intent"] for ticket in storefront("tickets")}),
    )


def e2e(split: str) -> list[dict]:
    """Restaurants: {"mr", "text"}, a meaning representation (MR) and a description, or the stand-in, announced.

    mr is a dict, such as {"name": "Blue Spice", "eatType": "coffee shop"}; two values of one attribute are joined by
    " and ". "test" is the cleaned test part: 4,693 texts of 1,847 MRs. The cleaned development part is trained on (the
    original training part is not in the registry): "train" has 3,856 texts of 1,332 MRs; "val" has 443 texts of 152
    MRs, a tenth of them, chosen by a hash. No two parts have an MR in common, not even with placeholders for name and
    near (delexicalised). Records are sorted by MR: shuffle them. `e2e_references` groups them. The stand-in, storefront
    products, is split 8 : 1 : 1.
    Raises DataError instead of using the stand-in where AIGC_STANDIN=0.

    Sources: Novikova, Dušek and Rieser (2017), The E2E Dataset, arXiv:1706.09254; Dušek, Howcroft and Rieser (2019),
    Semantic Noise Matters for Neural Natural Language Generation, arXiv:1911.03905; CC BY-SA 4.0.
    """
    if split not in ("train", "val", "test"):
        raise ValueError(f"split must be 'train', 'val' or 'test', not {split!r}")

    def genuine(files: dict[str, str]) -> list[dict]:
        file = "test-fixed.csv" if split == "test" else "devel-fixed.no-ol.csv"
        records = [{"mr": _mr(row["mr"]), "text": row["ref"]} for row in _csv(files[file])]
        if split == "test":
            return records
        return [r for r in records if (_hash(_delexicalised(r["mr"])) % 10 == 0) == (split == "val")]

    def standin() -> list[dict]:
        parts = {"val": {8}, "test": {9}, "train": set(range(8))}
        products = [product for i, product in enumerate(_by_hash(storefront("products"))) if i % 10 in parts[split]]
        records = []
        for product in products:
            attributes = {key: str(value) for key, value in product["attributes"].items()}
            price = f"{product['price']:.2f}".removesuffix(".00") + f" {product['currency']}"  # 39 EUR, 45.90 EUR
            mr = {"name": product["name"], **attributes, "price": price}
            records += [{"mr": dict(mr), "text": text} for text in product["copy"]]
        return records

    return fetch.texts_or("e2e", genuine, standin)


def e2e_references(records: list[dict]) -> list[tuple[dict, list[str]]]:
    """Records of `e2e` by meaning representation, whatever the order of its attributes: [(mr, its distinct texts)].

    A metric with several references, such as BLEU, scores one text an MR against all of that MR's texts.
    """
    groups: dict[frozenset, tuple[dict, dict[str, None]]] = {}
    for record in records:
        groups.setdefault(frozenset(record["mr"].items()), (record["mr"], {}))[1][record["text"]] = None
    return [(mr, list(texts)) for mr, texts in groups.values()]


def sentfin() -> list[dict]:
    """Headlines of financial news with the sentiment towards each company or index named, or the stand-in, announced.

    {"title", "entities": {name: "positive", "neutral" or "negative"}}: 10,753 headlines with 14,405 entities (5,517
    neutral, 5,074 positive, 3,814 negative). There are 10,686 distinct titles, 12 with several sets of entities: a
    split keeps equal titles together. In 19 headlines a name is not found as it is spelt.
    Raises DataError instead of using the stand-in where AIGC_STANDIN=0.

    Source: Sinha, Kedas, Kumar and Malo (2022), SEntFiN 1.0, arXiv:2305.12257; MIT.
    """

    def genuine(files: dict[str, str]) -> list[dict]:
        return [{"title": row["Title"], "entities": _entities(row["Decisions"])} for row in _csv(files["SEntFiN.csv"])]

    return fetch.texts_or(
        "sentfin",
        genuine,
        lambda: [{key: record[key] for key in ("title", "entities")} for record in storefront("headlines")],
    )


def storefront(kind: str) -> list[dict]:
    """Records of a fictional shop, written for this course.

    products: {"id", "name", "category", "price", "currency", "attributes", "copy"}, tickets: {"id", "text", "intent"},
    headlines: {"id", "title", "entities": {company: sentiment}}, and more: data/storefront/README.md describes them.
    """
    kinds = "products", "tickets", "headlines", "articles", "hostile", "later", "episodes", "canaries"
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, not {kind!r}")
    lines = fetch.embedded(f"storefront/{kind}.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line.strip()]


def _csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _mr(text: str) -> dict[str, str]:
    """E2E's "name[Aromi], food[Chinese], food[French]" -> {"name": "Aromi", "food": "Chinese and French"}."""
    pairs = re.findall(r"(\w[\w ]*)\[([^]]*)\]", text)
    if ", ".join(f"{key}[{value}]" for key, value in pairs) != text.strip():
        raise ValueError(f"no meaning representation: {text!r}")
    mr: dict[str, str] = {}
    for key, value in pairs:
        mr[key] = f"{mr[key]} and {value}" if key in mr else value
    return mr


def _delexicalised(mr: dict[str, str]) -> str:
    """An MR without the values of name and near, in one order: equal for MRs that ask for the same sentence pattern."""
    return repr(sorted((key, "" if key in ("name", "near") else value) for key, value in mr.items()))


def _entities(text: str) -> dict[str, str]:
    """SEntFiN's {'Sebi': 'neutral'} as a dict, also where a name's apostrophe breaks Python's syntax (13 rows)."""
    try:
        entities = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        pairs = re.findall(r"'(.+?)': '(\w+)'(?:, |\})", text)
        if "{" + ", ".join(f"'{name}': '{sentiment}'" for name, sentiment in pairs) + "}" != text:
            raise ValueError(f"no dict: {text!r}") from None
        entities = dict(pairs)
    if not entities or not set(entities.values()) <= {"positive", "neutral", "negative"}:
        raise ValueError(f"no sentiments: {text!r}")
    return entities


def _hash(text: str) -> int:
    """The same number for a text on every machine and in every run, unlike Python's own hash."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def _by_hash(records: list[dict]) -> list[dict]:
    """Records in an order that depends on their ids only, for splits."""
    return sorted(records, key=lambda record: _hash(str(record["id"])))
