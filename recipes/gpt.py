"""The GPT of page 11 in one file: settings, training, scores.

    python recipes/gpt.py --seed 0                     # the page's recipe: about 3 minutes on two cores
    python recipes/gpt.py --n-layers 4 --n-steps 500   # every setting is a flag

Model and optimisers are `aigc_course.gpt`, which page 11 builds in view. `PAGE` is what that page trains; `SHORT` gives
up quality for time: it is what `benchmarks/gpt.py` times against nanoGPT's settings for a CPU.

Sources: Radford et al. (2019), Language Models are Unsupervised Multitask Learners; Jordan et al. (2024), Muon.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from aigc_course import data, gpt, metrics, optim, text
from aigc_course.runtime import setup


@dataclass(frozen=True)
class Settings:
    context: int = 128  # characters
    n_layers: int = 6
    n_heads: int = 2
    width: int = 128
    n_steps: int = 2_500
    batch_size: int = 8
    lr: float = 0.014  # of Muon, for the matrices of the blocks
    lr_embedding: float = 0.01  # of AdamW, for the embeddings
    shrink: float = 2.0  # the weight decay of the embeddings
    lr_rest: float = 3e-3  # of AdamW, for the output layer
    fall: float = 0.5  # the share of the steps in which the rates fall, to a fiftieth
    decay: float = 0.985  # of the averaged weights


PAGE = Settings()
SHORT = replace(PAGE, context=64, n_layers=3, n_steps=300, batch_size=16, lr=0.02, lr_embedding=0.02,
                shrink=0.0, lr_rest=0.01, fall=0.9, decay=1.0)  # fmt: skip


def build(settings: Settings, vocab_size: int, device: torch.device | str = "cpu") -> tuple[gpt.GPT, optim.Average]:
    """The untrained model and its averaged copy, which with decay 0 is the last model itself."""
    s = settings
    model = gpt.GPT(gpt.GPTConfig(vocab_size, s.context, s.n_layers, s.n_heads, s.width)).to(device)
    return model, optim.Average(model, s.decay)


def fit(
    model: gpt.GPT,
    average: optim.Average,
    settings: Settings,
    ids: Tensor,
    *,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    bf16: bool = False,
    progress: bool = False,
) -> Iterator[Tensor]:
    """Trains the model step by step: yields each step's loss, in nats per character. bf16: Muon's products as well."""
    s = settings
    rates = {"lr": s.lr, "lr_embedding": s.lr_embedding, "lr_rest": s.lr_rest}
    optimizers = gpt.optimizers(model, **rates, bf16=bf16)
    optimizers[1].param_groups[0]["weight_decay"] = s.shrink  # the embeddings are AdamW's first group
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda step: gpt.schedule(step, s.n_steps, s.fall))
                 for o in optimizers]  # fmt: skip
    for x, y in text.batches(ids, s.batch_size, s.context, s.n_steps, seed=seed, progress=progress):
        with autocast or torch.autocast(ids.device.type, enabled=False):
            logits = model(x)
        loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        loss.backward()
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        average.update()
        yield loss.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="begin from SHORT instead of PAGE")
    for field in fields(Settings):
        parser.add_argument(f"--{field.name.replace('_', '-')}", default=None, type=type(field.default))
    args = parser.parse_args()
    given = {f.name: value for f in fields(Settings) if (value := getattr(args, f.name)) is not None}
    settings = replace(SHORT if args.short else PAGE, **given)
    run = setup(args.seed)
    print(settings)
    plays = data.shakespeare()
    characters = text.Characters(plays.train + plays.val)
    ids, val = (characters.encode(part).to(run.device) for part in (plays.train, plays.val))
    model, average = build(settings, characters.vocab_size, run.device)
    bf16 = run.dtype is torch.bfloat16
    for _ in fit(model, average, settings, ids, seed=run.seed, autocast=run.autocast(), bf16=bf16, progress=True):
        pass
    windows = {"context": settings.context, "stride": settings.context // 2, "autocast": run.autocast()}
    print(f"validation loss {metrics.nats_per_token(average.model, val, **windows):.3f} nats per character")


if __name__ == "__main__":
    main()
