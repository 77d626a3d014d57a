"""The study of 21_customer_service: what more questions are worth, and what a public sentence encoder adds.

First the retrievers of the page with 2 to 32 known questions an article, on the tuning half of the tickets. Then, on
both halves, a public encoder, as it comes and trained on by contrast with the same questions, alone and fused. It is
AIGC_ENCODER (a folder or a name on the hub), by default sentence-transformers/all-MiniLM-L6-v2; HubError without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aigc_course import data, support
from aigc_course.plumbing import models, rooms

SHORT = {"SIZES": (2,), "N_STEPS": 20, "FINE_STEPS": 2}  # for --same
SIZES = (2, 4, 8, 16, 32)  # known questions an article
N_STEPS = 1000  # of the page's encoder, at 32 questions; fewer questions get the same share, at least 200
FINE_STEPS, FINE_BATCH, FINE_LR, TEMPERATURE = 100, 32, 5e-5, 0.05  # two thirds of a pass over the questions
PUBLIC = "sentence-transformers/all-MiniLM-L6-v2"


def run(seeds: list[int]) -> dict:
    """{"runs": rows of part, variant, n, seed, recall_at_1, recall_at_3, recall_at_10}, with the encoder's name."""
    articles, tickets = data.storefront("articles"), data.storefront("tickets")
    place = {article["id"]: i for i, article in enumerate(articles)}
    texts = [f"{article['title']}. {article['body']}" for article in articles]
    right = np.zeros((len(tickets), len(articles)), dtype=bool)
    for i, ticket in enumerate(tickets):
        right[i, [place[ticket[key]] for key in ("article", "also") if key in ticket]] = True
    frozen = np.array([int(hashlib.sha256(t["id"].encode()).hexdigest(), 16) % 2 == 1 for t in tickets])
    lines = data.embedded("storefront/questions.jsonl").read_text(encoding="utf-8").splitlines()
    known = [list(article["asked"]) for article in articles]
    for line in map(json.loads, lines):
        known[place[line["article"]]].append(line["text"])
    asked = [ticket["text"] for ticket in tickets]
    name, rows = os.environ.get("AIGC_ENCODER") or PUBLIC, []
    as_it_comes = None

    def note(variant: str, scores: np.ndarray, seed: int, n: int = 32, parts: tuple[str, ...] = ("tuning",)) -> None:
        for part in parts:
            inside = frozen if part == "frozen" else ~frozen
            found = {f"recall_at_{k}": round(recall(scores[inside], right[inside], k), 4) for k in (1, 3, 10)}
            rows.append({"part": part, "variant": variant, "n": n, "seed": seed} | found)
            print(rows[-1], flush=True)

    for seed in seeds:
        draw = np.random.default_rng(seed)
        mixed = [[str(text) for text in draw.permutation(part)] for part in known]  # the first 8 were written earlier
        for n in SIZES:
            questions = [text for part in mixed for text in part[:n]]
            of = [i for i, part in enumerate(mixed) for _ in part[:n]]
            bm25 = support.BM25([" ".join([t, *part[:n]]) for t, part in zip(texts, mixed, strict=True)]).scores(asked)
            steps = min(N_STEPS, max(200, N_STEPS * n // 32))
            encoder = support.train(texts, questions, of, n_steps=steps, seed=seed)
            own = by_vectors(encoder.encode, asked, texts, questions, of)
            note("BM25", bm25, seed, n)
            note("encoder trained here", own, seed, n)
            note("both fused", support.fuse(bm25, own), seed, n)
        both = ("tuning", "frozen")
        if as_it_comes is None:  # no seed changes it
            as_it_comes = by_vectors(
                rooms.module("21_customer_service", "explorer").public_encoder(name), asked, texts, questions, of
            )
        tuned = by_vectors(fine_tuned(name, articles, known, seed), asked, texts, questions, of)
        note("public encoder as it comes", as_it_comes, seed, parts=both)
        note("BM25 + public encoder", support.fuse(bm25, as_it_comes), seed, parts=both)
        note("BM25 + own + public encoder", support.fuse(bm25, own, as_it_comes), seed, parts=both)
        note("public encoder, trained on", tuned, seed, parts=both)
        note("BM25 + public encoder, trained on", support.fuse(bm25, tuned), seed, parts=both)
        note("BM25 + own + public, trained on", support.fuse(bm25, own, tuned), seed, parts=both)
    return {"encoder": os.path.basename(PUBLIC), "runs": rows}


def recall(scores: np.ndarray, right: np.ndarray, k: int) -> float:
    """Share of the tickets that have a right article, right (B, N), among the k best of scores (B, N)."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float(np.take_along_axis(right, best, axis=1).any(axis=1).mean())


def by_vectors(encode, asked: list[str], texts: list[str], questions: list[str], of: list[int]) -> np.ndarray:
    """(B, N): cosine with the article, plus the mean cosine with its three nearest known questions; as on the page."""
    q, articles, known = encode(asked), encode(texts), encode(questions)
    near, of = (q @ known.T).numpy(), np.array(of)
    best = [np.sort(near[:, of == i], axis=1)[:, -3:].mean(axis=1) for i in range(len(texts))]
    return (q @ articles.T).numpy() + np.stack(best, axis=1)


def fine_tuned(name: str, articles: list[dict], known: list[list[str]], seed: int):
    """The public encoder after FINE_STEPS batches: a question against a sentence of its article or another question."""
    from transformers import AutoModel, AutoTokenizer

    is_folder = os.path.isdir(os.path.expanduser(name))
    place = models.check(models.Path(name), name, wanted="encoder") if is_folder else models.fetch(name, "encoder")
    tokenizer = AutoTokenizer.from_pretrained(place[0].parent, local_files_only=True)
    model = AutoModel.from_pretrained(place[0].parent, local_files_only=True, use_safetensors=True)
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    sentences = [[f"{a['title']}. {s}" for s in re.split(r"(?<=[.!?])\s+", a["body"])] for a in articles]
    pairs = [(text, i) for i, part in enumerate(known) for text in part]
    optimizer = torch.optim.AdamW(model.parameters(), lr=FINE_LR, weight_decay=0.01)

    def encode(texts: list[str], most: int = 256) -> Tensor:
        read = tokenizer(list(texts), padding=True, truncation=True, max_length=most, return_tensors="pt")
        states, mask = model(**read).last_hidden_state, read["attention_mask"][..., None]
        return F.normalize((states * mask).sum(1), dim=1)

    order = np.concatenate([draw.permutation(len(pairs)) for _ in range(1 + FINE_STEPS * FINE_BATCH // len(pairs))])
    model.train()
    for step in range(FINE_STEPS):
        batch = [pairs[i] for i in order[step * FINE_BATCH : (step + 1) * FINE_BATCH]]
        partner = [str(draw.choice(sentences[i] if draw.random() < 0.6 else known[i])) for _, i in batch]
        number = torch.tensor([i for _, i in batch])
        logits = encode([text for text, _ in batch], 48) @ encode(partner, 48).T / TEMPERATURE
        others = (number[:, None] == number) & ~torch.eye(len(batch), dtype=torch.bool)
        loss = F.cross_entropy(logits.masked_fill(others, -torch.inf), torch.arange(len(batch)))
        for group in optimizer.param_groups:
            group["lr"] = FINE_LR * min(1, (step + 1) / 20) * (1 - step / FINE_STEPS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()

    @torch.no_grad()
    def all_of(texts: list[str]) -> Tensor:
        return torch.cat([encode(texts[i : i + 32]) for i in range(0, len(texts), 32)])

    return all_of
