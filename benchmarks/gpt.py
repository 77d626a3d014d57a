"""Time to quality of notebook 11's GPT against the plain recipe: nanoGPT's settings for a CPU.

    python benchmarks/gpt.py --save        # three repeats on all cores, about 20 minutes on two

Plain: GPT-2 of 4 layers, 4 heads and 128 features, a context of 64, batches of 12, 2,000 steps of AdamW (peak 1e-3,
warm-up, cosine to a tenth, betas 0.9 and 0.99, weight decay 0.1 of matrices, gradients clipped at 1), float32; windows
stacked one by one. Its loss on the whole last tenth of tinyshakespeare is the target. The steps from there to the
chapter's recipe, of 4 layers, a context of 64 and a schedule just long enough for that loss, are added one at a time.
Loader and precision change how long a step takes and hardly what it learns: a tenth of the plain steps is timed for
each. All recipes advance in turns, so that a busy machine slows all alike; evaluation is not counted. Every loss is of
the same characters, each predicted once, in windows of the recipe's own context side by side. The loss at equal time is
of the chapter's whole recipe, 6 layers and a context of 128. Ratios count.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import side_by_side
import torch
import torch.nn.functional as F
from side_by_side import finite, head, part, save
from torch import Tensor, nn

from aigc_course import data, gpt, metrics, text
from aigc_course.plumbing import machine

TURNS = 10  # each recipe's budget is trained in so many parts
JUDGED = 3  # the last parts, after which a recipe is evaluated


def stacked(ids: Tensor, batch_size: int, context: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows from random places, cut and stacked one by one."""
    while True:
        places = torch.randint(len(ids) - context, (batch_size,))
        x = torch.stack([ids[i : i + context] for i in places])
        yield x, torch.stack([ids[i + 1 : i + 1 + context] for i in places])


@dataclass
class Recipe:
    """One way to train: `advance` trains a share of the budget; seconds and losses are of training alone."""

    name: str
    n_steps: int
    batch_size: int = 12
    context: int = 64
    n_layers: int = 4
    modern: bool = False
    muon: bool = False
    rates: dict[str, float] = field(default_factory=dict)  # of gpt.optimizers, where they are not the chapter's
    fall: float = 0.5
    share: float = 1.0  # below 1: only so much of the plain recipe is trained, to time a step
    indexed: bool = False
    bf16: bool = False
    lr: float = 1e-3
    seconds: float = 0.0
    done: int = 0
    losses: list[tuple[float, float]] = field(default_factory=list)  # (seconds, validation loss)

    def start(self, seed: int, ids: Tensor, val: Tensor, vocab_size: int) -> None:
        torch.manual_seed(seed)
        self.ids, self.val = ids, val
        if self.modern:
            self.net: nn.Module = gpt.GPT(gpt.GPTConfig(vocab_size, self.context, self.n_layers))
        else:
            self.net = gpt.GPT2(gpt.GPT2Config(vocab_size, self.context, n_layers=4, n_heads=4, width=128))
        if self.muon:
            self.optimizers = gpt.optimizers(self.net, bf16=self.bf16, **self.rates)
        else:
            matrices = [p for p in self.net.parameters() if p.ndim == 2]
            others = [p for p in self.net.parameters() if p.ndim < 2]
            groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
            self.optimizers = [torch.optim.AdamW(groups, lr=self.lr, betas=(0.9, 0.99))]
        self.peaks = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        if self.indexed:
            self.batches = text.batches(ids, self.batch_size, self.context, self.n_steps, seed=seed, progress=False)
        else:
            self.batches = stacked(ids, self.batch_size, self.context)

    def rate(self) -> float:
        """The share of the peak learning rate: nanoGPT's warm-up and cosine, or the chapter's fall to zero."""
        if self.muon:
            return gpt.schedule(self.done, self.n_steps, self.fall)
        warm_up = min(1.0, (self.done + 1) / (0.05 * self.n_steps))
        return warm_up * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * self.done / self.n_steps)))

    def advance(self, turn: int) -> None:
        """Trains up to the share of a turn, 1 to TURNS, and evaluates off the clock in the last ones."""
        self.net.train()
        began = time.perf_counter()
        while self.done < self.n_steps * turn // TURNS:
            x, y = next(self.batches)
            share = self.rate()
            for optimizer, peaks in zip(self.optimizers, self.peaks, strict=True):
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["lr"] = peak * share
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                logits = self.net(x)
            loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
            loss.backward()
            if not self.muon:
                nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad()
            self.done += 1
        self.seconds += time.perf_counter() - began
        if self.share == 1 and turn > TURNS - JUDGED:
            self.losses.append((self.seconds, self.evaluate()))

    def evaluate(self) -> float:
        with torch.no_grad():
            context = torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)
            return metrics.nats_per_token(
                self.net, self.val, context=self.context, stride=self.context, autocast=context
            )

    def time_to(self, loss: float) -> float:
        """Seconds of training until the first evaluation at or below loss; infinity where it is never reached.

        A recipe that only changes how long the plain one's step takes needs all of its steps.
        """
        if self.share < 1:
            return self.seconds / self.share
        return side_by_side.time_to(self.losses, loss)

    @property
    def tokens_per_s(self) -> float:
        return self.done * self.batch_size * self.context / self.seconds


def recipes(args: argparse.Namespace, bf16: bool) -> list[Recipe]:
    """The ladder: each differs from the one before it in what its name says; the last is the chapter's in fp32."""
    note = "" if bf16 else " (not fast on this machine)"
    short = {"n_steps": args.chapter_steps, "batch_size": 16, "muon": True, "indexed": True, "fall": 0.8}
    fast = {**short, "rates": {"lr": 0.02, "lr_embedding": 0.02}, "modern": True}
    return [
        Recipe("plain recipe", args.steps),
        Recipe("+ windows by one index", args.steps // 10, indexed=True, share=0.1),
        Recipe("+ bf16" + note, args.steps // 10, indexed=True, bf16=bf16, share=0.1),
        Recipe(
            "+ Muon, batch 16, a fall to zero",
            **short | {"n_steps": args.steps // 4, "rates": {"lr": 0.02, "lr_embedding": 3e-3}},
            bf16=bf16,
        ),
        Recipe("+ the chapter's model", **fast, bf16=bf16),
        Recipe("the chapter in fp32", **fast),
    ]


def peak_flops(dtype: torch.dtype, width: int = 1024) -> float:
    """Floating-point operations per second of a large square matrix product: the best of ten."""
    a, best = torch.ones(width, width, dtype=dtype), math.inf
    for _ in range(10):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * width**3 / best


def flops_per_token(net: nn.Module, context: int) -> float:
    """Of training: six per weight of a matrix, and attention's scores and sums (Kaplan et al. 2020, table 1)."""
    c = net.config
    matrices = sum(p.numel() for name, p in net.named_parameters() if p.ndim == 2 and "embedding" not in name)
    return 6 * matrices + 12 * c.n_layers * context * c.width


def repeat(seed: int, args: argparse.Namespace, bf16: bool, ids: Tensor, val: Tensor, vocab_size: int) -> dict:
    """One repeat of all recipes in turns, then the chapter's recipe for as long as the plain one took."""
    ladder = recipes(args, bf16)
    for recipe in ladder:
        recipe.start(seed, ids, val, vocab_size)
    for turn in range(1, TURNS + 1):
        for recipe in ladder:
            recipe.advance(turn)
    plain, chapter = ladder[0], ladder[4]
    target = plain.losses[-1][1]
    rows = [
        {
            "name": recipe.name,
            "seconds": finite(recipe.time_to(target)),
            "time_ratio": finite(recipe.time_to(target) / plain.seconds),
            "final_loss": recipe.losses[-1][1] if recipe.losses else None,
            "final_seconds": recipe.seconds,
            "tokens_per_s": recipe.tokens_per_s,
        }
        for recipe in ladder
    ]
    n_steps = int(plain.seconds / chapter.seconds * chapter.n_steps * 0.6)  # its steps are longer: see equal_seconds
    equal = Recipe("equal time", n_steps, 8, 128, 6, modern=True, muon=True, indexed=True, bf16=bf16)
    equal.start(seed, ids, val, vocab_size)
    for turn in range(1, TURNS + 1):
        equal.advance(turn)
    dtype = torch.bfloat16 if bf16 else torch.float32
    share = flops_per_token(chapter.net, chapter.context) * chapter.tokens_per_s / peak_flops(dtype)
    for row in rows:
        ratio = f"1/{1 / row['time_ratio']:5.1f}" if row["time_ratio"] else "  never"
        loss = f"loss {row['final_loss']:.3f}" if row["final_loss"] else "timed only"
        said = f"{row['final_seconds']:6.1f} s   {ratio}   {loss:10s}   {row['tokens_per_s']:8,.0f} tokens/s"
        print(f"  {row['name']:34s} {said}")
    print(
        f"  at equal time: plain {target:.3f} after {plain.seconds:.1f} s, chapter {equal.losses[-1][1]:.3f} after "
        f"{equal.seconds:.1f} s; share of the matrix-product peak {share:.2f}",
        flush=True,
    )
    return {
        "seed": seed,
        "target": target,
        "rows": rows,
        "loss_at_equal_time": equal.losses[-1][1],
        "equal_seconds": equal.seconds,
        "share_of_peak": share,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2000, help="of the plain recipe")
    parser.add_argument("--chapter-steps", type=int, default=130, help="of the chapter's recipe, for the target")
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--held-out", action="store_true", help="judge on the last twentieth of the training part")
    parser.add_argument("--save", action="store_true", help="write benchmarks/gpt.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bf16 = machine.bf16_speedup() >= 1.3
    corpus = data.shakespeare()
    if data.standin_in_use():
        raise SystemExit("the benchmark needs the genuine tinyshakespeare (aigc-course fetch tinyshakespeare)")
    characters = text.Characters(corpus.train + corpus.val)
    ids, val = characters.encode(corpus.train), characters.encode(corpus.val)
    if args.held_out:
        cut = int(len(ids) * 0.95)
        ids, val = ids[:cut], ids[cut:]
    runs = []
    for seed in range(args.repeats):
        print(f"repeat {seed}, {args.threads} threads", flush=True)
        runs.append(repeat(seed, args, bf16, ids, val, characters.vocab_size))

    def median(key: str, row: int) -> float | None:
        return side_by_side.median([run["rows"][row][key] for run in runs], 4)

    result = head("gpt", args.threads, bf16, args.repeats) | {
        "target_nats": round(statistics.median(run["target"] for run in runs), 4),
        "seconds_plain": median("seconds", 0),
        "time_ratio": median("time_ratio", 4),
        "time_ratio_fp32": median("time_ratio", 5),
        "decomposition": [
            {"name": runs[0]["rows"][i]["name"], "time_ratio": median("time_ratio", i)} for i in range(6)
        ],
        "tokens_per_s": median("tokens_per_s", 4),
        "tokens_per_s_plain": median("tokens_per_s", 0),
        "share_of_peak": round(statistics.median(run["share_of_peak"] for run in runs), 3),
        "loss_at_equal_time": round(statistics.median(run["loss_at_equal_time"] for run in runs), 4),
        "runs": runs,
    }
    result["readme"] = [
        f"`benchmarks/gpt.py`: chapter 11 reaches the plain recipe's validation loss ({result['target_nats']:.3f} nats "
        f"per character) in {part(result['time_ratio'])} of its training time, {part(result['time_ratio_fp32'])} in "
        f"fp32 (median of {args.repeats}, {result['device']}, {result['date']})."
    ]
    print(result["readme"][0])
    if args.save:
        save(result)


if __name__ == "__main__":
    main()
