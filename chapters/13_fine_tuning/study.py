"""The study of 13_fine_tuning: what pre-training is worth at 10, 100, 1,000 and all examples, on two tasks."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, gpt, heads, lora, metrics, optim
from aigc_course.backstage.digest import study_digest
from aigc_course.plumbing import fetch
from aigc_course.plumbing.settings import cache_dir, write_atomically

SHORT = {"n_tested": 1, "scale": 0.01, "SIZES": [10], "STEPS": {"e2e": [200], "banking77": [200]}}  # for --same
STARTS = ("from scratch", "pre-trained", "LoRA", "further pre-trained")
SIZES = (10, 100, 1000, 10**6)  # the last is all
STEPS = {"e2e": (100, 200, 300, 400), "banking77": (40, 80, 160, 320)}  # by size; on E2E from scratch twice as many
BATCH = {"e2e": 8, "banking77": 32}
RATES = {  # of AdamW, in the order of STARTS; on Banking77 Muon takes the matrices, except LoRA's
    "e2e": (2e-3, 3e-4, 3e-3, 3e-4),
    "banking77": (2e-3, 2e-3, 2e-3, 2e-3),
}
LR_MUON = 0.012
FURTHER_STEPS, SPREAD, RANK = 100, 100, 8


def run(seeds: list[int], *, n_tested: int = 150, scale: float = 1.0) -> dict[str, Any]:
    """Fine-tune from each start with 10, 100, 1,000 and all examples; the sizes above 100 with the first seed only.

    `runs`: one row a run: task, start, n, seed, score (BLEU on n_tested MRs of E2E's test part; accuracy on
    Banking77's), seconds of training, trained weights. n examples are drawn at random, n in all: 10 questions know at
    most 10 of the 77 intents. "further pre-trained" has read 1,600 of the task's training texts, without attributes or
    labels. On E2E from scratch gets twice the steps of the others, as it has more to learn. scale: multiplies the
    steps. On the CPU in bfloat16. Rows are kept in the cache folder until the study is done, so that a killed one goes
    on, with the same code, checkpoint and data.
    """
    base, tokenizer = gpt.checkpoint()
    tasks = {"e2e": _E2E(tokenizer, n_tested), "banking77": _Banking(tokenizer)}
    weights = data.embedded("course_gpt2/model.safetensors").read_bytes()
    kept = _Rows(f"{seeds} {n_tested} {scale} {sorted(fetch.used.items())} {hashlib.sha256(weights).hexdigest()}")
    rows = []
    for name, task in tasks.items():
        further = functools.cache(functools.partial(_further, base, task, max(1, round(FURTHER_STEPS * scale))))
        for seed in seeds:
            for size, steps in zip(SIZES, STEPS[name], strict=True):
                n = min(size, len(task.texts))
                if size > SPREAD and (seed != seeds[0] or n <= SPREAD):
                    continue
                for start, lr in zip(STARTS, RATES[name], strict=True):
                    twice = 2 if start == STARTS[0] and name == "e2e" else 1
                    n_steps = max(1, round(steps * scale * twice))
                    make = functools.partial(_row, task, start, base, further, n, seed, n_steps, lr)
                    rows.append({"task": name, "start": start, "n": n, "seed": seed} | kept(make, name, start, n, seed))
    kept.remove()
    head = {"study": "13_fine_tuning", "seeds": list(seeds), "starts": list(STARTS), "steps": STEPS, "batch": BATCH}
    head |= {"units": {"e2e": f"BLEU on {n_tested} test MRs", "banking77": "accuracy on the test part"}}
    note = "above 100 examples one seed; examples are counted in all, not by intent"
    head |= {"note": note, "device": f"cpu, {torch.get_num_threads()} threads, bf16"}
    return head | {"torch": str(torch.__version__), "runs": rows}


def _row(
    task: _E2E | _Banking,
    start: str,
    base: gpt.GPT2,
    further: Callable[[], gpt.GPT2],
    n: int,
    seed: int,
    n_steps: int,
    lr: float,
) -> dict[str, Any]:
    """A start, fine-tuned on n examples: score, seconds of training, trained weights."""
    torch.manual_seed(seed)
    if start == "from scratch":
        body = gpt.GPT2(base.config)
    else:
        body = copy.deepcopy(further() if start == "further pre-trained" else base)
    if start == "LoRA":
        lora.add_lora(body, RANK, 2 * RANK)
    return task.score(body, n, seed, n_steps, lr)


class _Rows:
    """Results by name, kept in a file of the cache folder, so that a study that was killed goes on."""

    def __init__(self, settings: str):
        digest = study_digest("13_fine_tuning")
        self.path = cache_dir() / f"study-13-{digest[:16]}.json"
        self.settings, self.found = settings, {}
        if self.path.exists() and (old := json.loads(self.path.read_text(encoding="utf-8"))).get("") == settings:
            self.found = old

    def __call__(self, make: Callable[[], dict[str, Any]], *key: Any) -> dict[str, Any]:
        name = " ".join(map(str, key))
        if name not in self.found:
            self.found[name] = make()
            text = json.dumps(self.found | {"": self.settings})
            write_atomically(self.path, lambda file: file.write_text(text, encoding="utf-8"))
            print(f"{name}: {self.found[name]}", flush=True)
        return self.found[name]

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _autocast() -> AbstractContextManager:
    return torch.autocast("cpu", torch.bfloat16)


def _optimizers(model: nn.Module, lr: float, *, with_muon: bool = False) -> list[torch.optim.Optimizer]:
    """AdamW for all that learns; or Muon for the matrices of the blocks, and AdamW for the rest."""
    free = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in free if with_muon and "blocks." in name and p.ndim == 2]
    taken = {id(p) for p in matrices}
    adamw = torch.optim.AdamW([p for _, p in free if id(p) not in taken], lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    return [adamw, optim.Muon(matrices, lr=LR_MUON)] if matrices else [adamw]


def _order(n: int, seed: int) -> list[int]:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()


def _cost(started: float, model: nn.Module) -> dict[str, Any]:
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"seconds": round(time.perf_counter() - started, 1), "trained": trained}


def _further(base: gpt.GPT2, task: _E2E | _Banking, n_steps: int) -> gpt.GPT2:
    """The checkpoint after n_steps of next-token training on a task's training texts alone."""
    model, state = copy.deepcopy(base), torch.get_rng_state()
    read = lora.examples([("", text) for text in task.texts], task.tokenizer)
    lora.fit(model, lambda rows: lora.answer_loss(model, *read.rows(rows)), read.lengths, _optimizers(model, 1e-3),
             batch_size=16, n_steps=n_steps, autocast=_autocast(), progress=False)  # fmt: skip
    torch.set_rng_state(state)  # a row is the same whether this was computed for it or before
    return model


class _E2E:
    """Attributes to text: BLEU against all references of each MR."""

    def __init__(self, tokenizer: Any, n_tested: int):
        self.tokenizer, self.rows = tokenizer, data.e2e("train")
        self.texts = [row["text"] for row in self.rows]
        groups = data.e2e_references(data.e2e("test"))
        self.tested = [groups[i] for i in _order(len(groups), 0)[:n_tested]]

    def score(self, model: gpt.GPT2, n: int, seed: int, n_steps: int, lr: float) -> dict[str, Any]:
        chosen = [self.rows[i] for i in _order(len(self.rows), seed)[:n]]
        pairs = [(lora.prompt_of(row["mr"]), row["text"]) for row in chosen]
        read, started = lora.examples(pairs, self.tokenizer), time.perf_counter()
        lora.fit(model, lambda rows: lora.answer_loss(model, *read.rows(rows)), read.lengths, _optimizers(model, lr),
                 batch_size=BATCH["e2e"], n_steps=n_steps, seed=seed, autocast=_autocast(), progress=False)  # fmt: skip
        cost = _cost(started, model)
        prompts = [self.tokenizer.encode(lora.prompt_of(mr)).ids for mr, _ in self.tested]
        with _autocast():
            written = lora.complete(model, prompts, 64)
        texts = [self.tokenizer.decode(ids).strip() for ids in written]
        return {"score": round(metrics.bleu(texts, [references for _, references in self.tested]), 2)} | cost


class _Banking:
    """Questions to intents: accuracy of a head on the network's states."""

    def __init__(self, tokenizer: Any):
        self.tokenizer, self.n_labels = tokenizer, len(data.banking77_labels())
        train_rows, test_rows = data.banking77("train"), data.banking77("test")
        self.texts = [row["text"] for row in train_rows]
        self.train, self.test = (heads.labelled(rows, tokenizer) for rows in (train_rows, test_rows))

    def score(self, body: gpt.GPT2, n: int, seed: int, n_steps: int, lr: float) -> dict[str, Any]:
        model, started = heads.Classifier(body, self.n_labels), time.perf_counter()
        chosen = torch.tensor(_order(len(self.texts), seed)[:n])

        def loss(rows: Tensor) -> Tensor:
            ids, real, _ = self.train.batch(chosen[rows])
            return F.cross_entropy(model(ids, real), self.train.labels[chosen[rows]], label_smoothing=0.1)

        lengths = [self.train.lengths[i] for i in chosen.tolist()]
        with_muon = not any(isinstance(module, lora.LoRA) for module in body.modules())
        lora.fit(model, loss, lengths, _optimizers(model, lr, with_muon=with_muon), batch_size=BATCH["banking77"],
                 n_steps=n_steps, seed=seed, autocast=_autocast(), progress=False)  # fmt: skip
        cost = _cost(started, model)
        guessed = heads.predict(model, self.test, autocast=_autocast()).argmax(1)
        return {"score": round((guessed == self.test.labels).float().mean().item(), 4)} | cost
