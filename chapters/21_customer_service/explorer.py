"""What only the page of retrieval shows: a message and its best articles; and two files of the page."""

import html
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from torch import Tensor

from aigc_course import data, support, widgets
from aigc_course.plumbing import models

JOINS, READER = (Path(__file__).with_name(f"{name}.jsonl") for name in ("joins", "reader"))


def puzzles() -> list[dict]:
    """The 40 questions that need more than one fact: {"id", "kind", "text", "query", "answer"}."""
    return [json.loads(line) for line in JOINS.read_text(encoding="utf-8").splitlines()]


def reader() -> dict[str, list[str]]:
    """{a ticket's id: three articles' ids, best first}: 100 frozen tickets read by a large language model.

    It had the title and body of every article, and of a ticket the text alone; drawn with random.Random(7).
    """
    rows = map(json.loads, READER.read_text(encoding="utf-8").splitlines())
    return {row["id"]: row["articles"] for row in rows}


def public_encoder(name: str) -> Callable[[Sequence[str]], Tensor]:
    """texts -> (B, D) of length 1, by a public sentence encoder: the mean of its last states, without padding.

    name: on the hub, as sentence-transformers/all-MiniLM-L6-v2, or a folder. HubError where it cannot be had.
    Source: Reimers and Gurevych (2019), Sentence-BERT, arXiv:1908.10084, section 3.
    """
    from transformers import AutoModel, AutoTokenizer

    folder = Path(name).expanduser()
    files = models.check(folder, name, wanted="encoder") if folder.is_dir() else models.fetch(name, "encoder")
    tokenizer = AutoTokenizer.from_pretrained(files[0].parent, local_files_only=True)
    model = AutoModel.from_pretrained(files[0].parent, local_files_only=True, use_safetensors=True).eval()

    @torch.no_grad()
    def encode(texts: Sequence[str]) -> Tensor:
        found = []
        for i in range(0, len(texts), 32):
            part = list(texts[i : i + 32])
            read = tokenizer(part, padding=True, truncation=True, max_length=256, return_tensors="pt")
            states, mask = model(**read).last_hidden_state, read["attention_mask"][..., None]
            found.append(F.normalize((states * mask).sum(1), dim=1))  # the length is 1 at the end anyway
        return torch.cat(found)

    return encode


def searcher(
    articles: Sequence[dict], known: Sequence[Sequence[str]], model: Any, bm25: support.BM25, *, n_shown: int = 3
) -> Any:
    """A line to type in, and the n_shown best articles by words, by vectors and by both, with the nearest question.

    articles (N) with "title" and "body"; known: N lists of questions; model: the page's encoder. Returns the box.
    """
    texts = [f"{article['title']}. {article['body']}" for article in articles]
    flat = [(text, i) for i, part in enumerate(known) for text in part]
    of = np.array([i for _, i in flat])
    with torch.no_grad():
        answers, asked = model(model.bags(texts)), model(model.bags([text for text, _ in flat]))

    @torch.no_grad()
    def draw(message: str) -> str:
        q = model(model.bags([message[:2000]]))
        near = (q @ asked.T).numpy()
        best = np.stack([np.sort(near[:, of == i], axis=1)[:, -3:].mean(axis=1) for i in range(len(texts))], axis=1)
        vectors = (q @ answers.T).numpy() + best
        words = bm25.scores([message[:2000]])
        lists = {"words": words, "vectors": vectors, "both": support.fuse(words, vectors)}
        tops = {name: np.argsort(-scores[0], kind="stable")[:n_shown] for name, scores in lists.items()}
        if not words.any() and not near.any():
            return "<p>No word of this is known.</p>"
        rows = ""
        for place in range(n_shown):
            cells = "".join(f"<td>{html.escape(articles[top[place]]['title'])}</td>" for top in tops.values())
            rows += f"<tr><td>{place + 1}</td>{cells}</tr>"
        head = "<tr><th></th><th>words (BM25)</th><th>vectors</th><th>both, fused</th></tr>"
        nearest = html.escape(flat[int(near[0].argmax())][0])
        body = html.escape(articles[tops["both"][0]]["body"])
        return f"<table>{head}{rows}</table><p>Nearest known question: “{nearest}”</p><p>{body}</p>"

    alt = "A message, and the three best articles by words, by vectors and by both lists fused."
    return widgets.explore(draw, alt=alt, message="The box was full of air, and my mug is missing")


LIMIT = {
    "<": "under|below|less than|cheaper than", "<=": "up to|at most|no more than",
    ">": "over|above|(?<!no )more than|dearer than", ">=": "at least|from",
}  # fmt: skip
END = {"max": "longest|largest|most|oldest|highest", "min": "shortest|smallest|least|lowest|cheapest"}
VAGUE = "product thing item article page sell buy shop cost price list name euro euros year years"
WORD = r"[a-z][a-z-]+"


def form(text: str) -> dict:
    """A plain question as {"category", "where", "pick", "give"}, by patterns, for the page's `join`."""
    products, low = data.storefront("products"), text.lower()
    keys = {key for p in products for key in p["attributes"]}
    stems = {p["category"]: re.sub("s$|ing$", "", p["category"]) for p in products}
    values = {w for p in products for v in p["attributes"].values() for w in re.findall(WORD, v.lower())}
    values -= {*ENGLISH_STOP_WORDS, *VAGUE.split(), *keys, *"|".join(END.values()).split("|")}
    yes = {key for p in products for key, value in p["attributes"].items() if value.startswith("yes")}
    called = [
        ("name", "contains", name) for p in products if (name := p["name"].split(" ", 1)[1]).lower() in low
    ]  # a name comes before a category: a Standing Desk is no question about desks
    category = [c for c, stem in stems.items() if re.search(rf"\b{stem}", low)]
    named = sorted(key for key in keys if re.search(rf"\b{key}", low))
    ends = [end for end, how in END.items() if re.search(rf"(?<!at )\b({how})\b", low)]
    by = "price" if re.search("cheapest|expensive", low) else (named or [None])[0]
    where = called + _limits(low, named)
    for word in sorted(set(re.findall(WORD, low))) if not called else ():
        if word in yes:
            where.append((word, "contains", "yes"))
        elif word in values and not any(map(word.startswith, stems.values())):
            where.append(("any", "contains", word))
    give = "count" if "how many" in low else "articles" if re.search("article|page", low) else "products"
    chosen = category[0] if category and not called else None
    return {"category": chosen, "where": where, "pick": (ends[0], by) if ends and by else None, "give": give}


def _limits(low: str, named: list[str]) -> list[tuple[str, str, str]]:
    """The bounds in a question in small letters; named: the attributes in it. Of euros, or where none is, the price."""
    found = []
    if between := re.search(r"between (\d+) and (\d+)", low):
        found += [("price", ">=", between[1]), ("price", "<=", between[2])]
    for sign, how in LIMIT.items():
        for n, unit in re.findall(rf"(?:{how})\D{{0,12}}?(\d+(?:\.\d+)?)\s*(\w*)", low):
            if unit.startswith("euro") or not named:
                found.append(("price", sign, n))
            else:
                found += [(named[0], sign, n), (named[0], "contains", unit)]
    return found
