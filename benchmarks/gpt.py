"""Time to quality of chapter 11's GPT against the plain recipe: nanoGPT's settings for a CPU.

    python benchmarks/gpt.py --tune        # the plain recipe's rate and schedule: about 12 minutes on two cores
    python benchmarks/gpt.py --save        # three repeats, half an hour or more

Plain: GPT-2 of 4 layers, 4 heads and 128 features, a context of 64, batches of 12, 2,000 steps of AdamW (peak 1e-3,
warm-up, cosine to a tenth, betas 0.9 and 0.99, weight decay 0.1 of matrices, gradients clipped at 1), float32; windows
stacked one by one. Figures are losses on the whole last tenth of tinyshakespeare, each character predicted once, in
windows of the recipe's own context side by side. Ratios count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import side_by_side
import torch
from side_by_side import Contestant, Plain
from torch import Tensor, nn
from torch.nn import functional as F

from aigc_course import data, gpt, metrics, optim, text
from aigc_course.plumbing import rooms

BATCH, CONTEXT = 12, 64
Batches = Iterator[tuple[Tensor, Tensor]]


def stacked(ids: Tensor) -> Batches:
    """Windows from random places, cut and stacked one by one."""
    while True:
        places = torch.randint(len(ids) - CONTEXT, (BATCH,))
        x = torch.stack([ids[i : i + CONTEXT] for i in places])
        yield x, torch.stack([ids[i + 1 : i + 1 + CONTEXT] for i in places])


def fit(model: nn.Module, batches: Batches, plain: Plain, n_steps: int) -> Iterator[None]:
    """Trains the plain recipe step by step: a warm-up of a twentieth, then a cosine to a tenth of the rate or zero."""
    groups = [[p for p in model.parameters() if (p.ndim == 2) is matrices] for matrices in (True, False)]
    options = [{"params": groups[0], "weight_decay": 0.1}, {"params": groups[1], "weight_decay": 0.0}]
    optimizer, floor = torch.optim.AdamW(options, lr=plain.lr, betas=(0.9, 0.99)), 0.0 if plain.to_zero else 0.1
    for step in range(n_steps):
        fall = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / n_steps))
        for group in optimizer.param_groups:
            group["lr"] = plain.lr * min(1.0, (step + 1) / (0.05 * n_steps)) * fall
        x, y = next(batches)
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield


class Benchmark(side_by_side.Benchmark):
    name, chapter, recipe = "gpt", "11", rooms.recipe("gpt")
    quality = "a validation loss of {:.3f} nats per character"
    plain_steps = 2_000
    published, rates = Plain(1e-3), (1e-3, 2e-3, 4e-3, 8e-3)
    tuned = Plain(4e-3, to_zero=True)  # of an earlier search, which is not stored: --tune makes one that is
    every, far = (200, 10), 1.25
    last_rung = "+ the page's model, 130 steps, embeddings at 0.02: the short recipe in fp32"

    def load(self, held_out: bool) -> None:
        corpus = data.shakespeare()
        side_by_side.genuine(self, "tinyshakespeare")
        characters = text.Characters(corpus.train + corpus.val)
        self.n_characters = characters.vocab_size
        ids, self.val = characters.encode(corpus.train), characters.encode(corpus.val)
        cut = int(0.95 * len(ids)) if held_out else len(ids)  # the last twentieth of the training text is held out
        self.ids, self.val = ids[:cut], ids[cut:] if held_out else self.val

    def plain_model(self) -> nn.Module:
        return gpt.GPT2(gpt.GPT2Config(self.n_characters, CONTEXT, n_layers=4, n_heads=4, width=128))

    def loss(self, model: nn.Module, context: int, bf16: bool = False) -> Callable[[], float]:
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)

        def nats(ids: Tensor) -> float:
            return metrics.nats_per_token(model, ids, context=context, stride=context, autocast=autocast)

        def look() -> float:
            rough = nats(self.val[: len(self.val) // 9])  # far from what is to be beaten a ninth of the text will do
            return rough if rough > self.near else nats(self.val)

        return look

    def plain(self, plain: Plain, n_steps: int, *, fast: bool = False) -> side_by_side.Start:
        def start(seed: int) -> tuple[Iterator, Callable[[], float]]:
            indexed = text.batches(self.ids, BATCH, CONTEXT, n_steps, seed=seed, progress=False)
            model = self.plain_model()
            return fit(model, indexed if fast else stacked(self.ids), plain, n_steps), self.loss(model, CONTEXT)

        return start

    def ours(self, settings, bf16: bool, gpt2: bool = False) -> side_by_side.Start:
        def start(seed: int) -> tuple[Iterator, Callable[[], float]]:
            if gpt2:
                model = self.plain_model()
                average = optim.Average(model, settings.decay)
            else:
                model, average = self.recipe.build(settings, self.n_characters)
            autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
            steps = self.recipe.fit(model, average, settings, self.ids, seed=seed, autocast=autocast, bf16=bf16)
            return steps, self.loss(average.model, settings.context, bf16)

        return start

    def rungs(self) -> list[Contestant]:
        steps, timed = self.plain_steps, self.plain_steps // 10
        muon = replace(self.recipe.SHORT, n_steps=steps // 4, lr_embedding=3e-3)
        return [
            Contestant("+ windows by one index", self.plain(self.published, steps, fast=True), timed, timed, steps),
            Contestant("+ Muon, batches of 16, a fall to zero", self.ours(muon, False, gpt2=True), steps // 4, 20),
        ]


if __name__ == "__main__":
    side_by_side.main(Benchmark())
