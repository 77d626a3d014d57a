"""The study of 13_fine_tuning: what pre-training is worth at 10, 100, 1,000 and all examples, on two tasks."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, finetune, gpt, heads, metrics, receipts, runtime

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


def run(
    seeds: list[int], *, device: str = "cpu", bf16: bool = True, n_tested: int = 150, scale: float = 1.0
) -> dict[str, Any]:
    """Fine-tune from each start with 10, 100, 1,000 and all examples; the sizes above 100 with the first seed only.

    `runs`: one row a run: task, start, n, seed, score (BLEU on n_tested MRs of E2E's test part; accuracy on
    Banking77's), seconds of training, trained weights. n examples are drawn at random, n in all: 10 questions know at
    most 10 of the 77 intents. "further pre-trained" has read all training texts of the task, without attributes or
    labels. On E2E from scratch gets twice the steps of the others, as it has more to learn. scale:
    multiplies the steps. Rows are kept in the cache folder until the study is done, so that a killed one goes on.
    """
    base, tokenizer = finetune.checkpoint()
    base = base.to(device)
    kept = _Rows(f"{seeds} {device} {bf16} {n_tested} {scale}")
    tasks = {"e2e": _E2E(tokenizer, device, n_tested), "banking77": _Banking(tokenizer, device)}
    rows = []
    for name, task in tasks.items():
        further = None
        for seed in seeds:
            for size, steps in zip(SIZES, STEPS[name], strict=True):
                n = min(size, len(task.texts))
                if size > SPREAD and (seed != seeds[0] or n <= SPREAD):
                    continue
                for start in STARTS:
                    if start == "further pre-trained" and further is None and not kept.has(name, start, n, seed):
                        further = _further(base, task, tokenizer, max(1, round(FURTHER_STEPS * scale)), bf16)

                    def one(start=start, n=n, seed=seed, steps=steps, further=further, task=task, name=name):
                        torch.manual_seed(seed)
                        body = (
                            gpt.GPT2(base.config).to(device)
                            if start == STARTS[0]
                            else copy.deepcopy(further if start == STARTS[3] else base)
                        )
                        if start == "LoRA":
                            finetune.add_lora(body, RANK, 2 * RANK)
                        twice = 2 if start == STARTS[0] and name == "e2e" else 1
                        lr = RATES[name][STARTS.index(start)]
                        return task.score(body, n, seed, max(1, round(steps * scale * twice)), lr, bf16)

                    found = kept(one, name, start, n, seed)
                    rows.append({"task": name, "start": start, "n": n, "seed": seed} | found)
    kept.remove()
    threads = f"{torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()
    head = {"study": "13_fine_tuning", "seeds": list(seeds), "starts": list(STARTS), "steps": STEPS, "batch": BATCH}
    head |= {"units": {"e2e": f"BLEU on {n_tested} test MRs", "banking77": "accuracy on the test part"}}
    note = "above 100 examples one seed; examples are counted in all, not by intent"
    head |= {"note": note, "device": f"{device}, {threads}, {'bf16' if bf16 else 'fp32'}"}
    return head | {"torch": str(torch.__version__), "runs": rows}


class _Rows:
    """Results by name, kept in a file of the cache folder, so that a study that was killed goes on."""

    def __init__(self, settings: str):
        digest = receipts.study_digest("13_fine_tuning")
        self.path = runtime.cache_dir() / f"study-13-{digest[:16]}.json"
        self.settings, self.found = settings, {}
        if self.path.exists() and (old := json.loads(self.path.read_text(encoding="utf-8"))).get("") == settings:
            self.found = old

    def has(self, *key: Any) -> bool:
        return " ".join(map(str, key)) in self.found

    def __call__(self, make: Callable[[], dict[str, Any]], *key: Any) -> dict[str, Any]:
        name = " ".join(map(str, key))
        if name not in self.found:
            self.found[name] = make()
            text = json.dumps(self.found | {"": self.settings})
            runtime.write_atomically(self.path, lambda file: file.write_text(text, encoding="utf-8"))
            print(f"{name}: {self.found[name]}", flush=True)
        return self.found[name]

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _autocast(device: torch.device, bf16: bool) -> AbstractContextManager:
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def _order(n: int, seed: int) -> list[int]:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()


def _result(score: float, started: float, model: nn.Module) -> dict[str, Any]:
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"score": round(score, 4), "seconds": round(time.perf_counter() - started, 1), "trained": trained}


def _further(base: gpt.GPT2, task: _E2E | _Banking, tokenizer: Any, n_steps: int, bf16: bool) -> gpt.GPT2:
    """The checkpoint after n_steps of next-token training on a task's training texts alone."""
    model, device = copy.deepcopy(base), base.token.weight.device
    read = finetune.examples([("", text) for text in task.texts], tokenizer, device=device)
    finetune.fit(model, lambda rows: finetune.answer_loss(model, *read.rows(rows)), read.lengths, batch_size=16,
                 n_steps=n_steps, lr=1e-3, autocast=_autocast(device, bf16), progress=False)  # fmt: skip
    return model


class _E2E:
    """Attributes to text: BLEU against all references of each MR."""

    def __init__(self, tokenizer: Any, device: str, n_tested: int):
        self.tokenizer, self.device, self.rows = tokenizer, torch.device(device), data.e2e("train")
        self.texts = [row["text"] for row in self.rows]
        groups = data.e2e_references(data.e2e("test"))
        self.tested = [groups[i] for i in _order(len(groups), 0)[:n_tested]]

    def score(self, model: gpt.GPT2, n: int, seed: int, n_steps: int, lr: float, bf16: bool) -> dict[str, Any]:
        chosen = [self.rows[i] for i in _order(len(self.rows), seed)[:n]]
        pairs = [(finetune.prompt_of(row["mr"]), row["text"]) for row in chosen]
        read, started = finetune.examples(pairs, self.tokenizer, device=self.device), time.perf_counter()
        finetune.fit(model, lambda rows: finetune.answer_loss(model, *read.rows(rows)), read.lengths, seed=seed,
                     batch_size=BATCH["e2e"], n_steps=n_steps, lr=lr, autocast=_autocast(self.device, bf16),
                     progress=False)  # fmt: skip
        result = _result(0.0, started, model)
        prompts = [self.tokenizer.encode(finetune.prompt_of(mr)).ids for mr, _ in self.tested]
        with _autocast(self.device, bf16):
            written = finetune.generate(model, prompts, 64)
        texts = [self.tokenizer.decode(ids).strip() for ids in written]
        return result | {"score": round(metrics.bleu(texts, [references for _, references in self.tested]), 2)}


class _Banking:
    """Questions to intents: accuracy of a head on the network's states."""

    def __init__(self, tokenizer: Any, device: str):
        self.device, self.labels = torch.device(device), data.banking77_labels()
        train_rows, test_rows = data.banking77("train"), data.banking77("test")
        self.texts = [row["text"] for row in train_rows]
        self.pieces = heads.Pieces(self.texts)
        self.train, self.test = (
            heads.labelled(rows, tokenizer, self.pieces, device=device) for rows in (train_rows, test_rows)
        )

    def accuracy(self, model: nn.Module, bf16: bool) -> float:
        guessed = heads.predict(model, self.test, autocast=_autocast(self.device, bf16)).argmax(1)
        return (guessed == self.test.labels).float().mean().item()

    def score(self, body: gpt.GPT2, n: int, seed: int, n_steps: int, lr: float, bf16: bool) -> dict[str, Any]:
        model, started = heads.Classifier(body, len(self.labels)).to(self.device), time.perf_counter()
        chosen = torch.tensor(_order(len(self.texts), seed)[:n])

        def loss(rows: Tensor) -> Tensor:
            ids, real, _ = self.train.batch(chosen[rows])
            labels = self.train.labels[chosen[rows].to(self.device)]
            return F.cross_entropy(model(ids, real), labels, label_smoothing=0.1)

        lengths = [self.train.lengths[i] for i in chosen.tolist()]
        muon = None if any(isinstance(module, finetune.LoRA) for module in body.modules()) else LR_MUON
        finetune.fit(model, loss, lengths, batch_size=BATCH["banking77"], n_steps=n_steps, lr=lr, lr_muon=muon,
                     seed=seed, autocast=_autocast(self.device, bf16), progress=False)  # fmt: skip
        result = _result(0.0, started, model)
        return result | {"score": round(self.accuracy(model, bf16), 4)}
