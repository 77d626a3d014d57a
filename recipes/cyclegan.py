"""The CycleGAN of page 08 in one file: settings, training, scores.

    python recipes/cyclegan.py --seed 0                # the page's recipe: about 3 minutes on one core
    python recipes/cyclegan.py --cycle 0 --n-steps 500 # every setting is a flag

Network, losses and scores are `aigc_course.cyclegan`, which page 08 builds in view. `PAGE` is what that page trains;
`SHORT` gives up quality for time.

Sources: Zhu, Park, Isola & Efros (2017), arXiv:1703.10593; of Muon Jordan et al. (2024).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from aigc_course import cyclegan, data, gan, optim, train
from aigc_course.runtime import setup


@dataclass(frozen=True)
class Settings:
    channels: int = 32  # of the translator's fine maps and of the discriminator's first
    n_blocks: int = 3  # at the translator's coarse level
    n_steps: int = 2_000
    batch_size: int = 16  # glyphs of each typeface
    lr: float = 2e-3  # of AdamW, the translator's peak: the rate rises for 50 steps, stays, then falls to zero
    lr_kernels: float = 0.01  # of Muon, the translator's
    faster: float = 2.0  # the discriminator's rates are so many times as high
    fall: float = 0.7  # the share of the steps in which the rates fall
    cycle: float = 10.0  # the weight of the cycle


PAGE = Settings()
SHORT = replace(PAGE, n_steps=300)


def halves(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of n characters: rows to be seen in hei only, of as many others in kai only, and 755 held out of both."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return *order[755:].chunk(2), order[:755]


def build(settings: Settings) -> tuple[cyclegan.Translator, optim.Average, cyclegan.Discriminator]:
    """The untrained translator, its averaged copy, and the discriminator."""
    model = cyclegan.Translator(settings.channels, settings.n_blocks)
    return model, optim.Average(model), cyclegan.Discriminator(settings.channels)


def rate(step: int, settings: Settings) -> float:
    """The learning rates of a step, from 0, as a share of their peaks."""
    return min(1, (step + 1) / 50, (1 - step / settings.n_steps) / settings.fall)


def fit(
    model: cyclegan.Translator,
    average: optim.Average,
    judge: cyclegan.Discriminator,
    settings: Settings,
    x: Tensor,
    y: Tensor,
    *,
    besides: Callable[[Tensor, Tensor], Tensor] | None = None,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    bf16: bool = False,
    progress: bool = False,
) -> Iterator[Tensor]:
    """Trains step by step, and yields each step's cycle error. x, y: (N, 1, 32, 32) in [-1, 1], of other characters.

    besides: a further loss of the translator, of a step's real glyphs (2B, 1, 32, 32) and their typefaces (2B,).
    """
    rates = settings.lr, settings.lr_kernels
    slow = cyclegan.optimizers(model, *rates, bf16=bf16)
    fast = cyclegan.optimizers(judge, *(settings.faster * rate for rate in rates), bf16=bf16)
    peaks = [(optimizer, optimizer.param_groups[0]["lr"]) for optimizer in slow + fast]
    half = autocast or torch.autocast(x.device.type, enabled=False)
    n, B = settings.n_steps, settings.batch_size
    of = torch.tensor([-1.0, 1.0], device=x.device).repeat_interleave(B)  # the typefaces of what is real
    seen = (train.batches(t, B, n, seed=seed + i, progress=progress and not i) for i, t in enumerate((x, y)))
    for step, glyphs in enumerate(zip(*seen, strict=True)):
        for optimizer, peak in peaks:
            optimizer.param_groups[0]["lr"] = peak * rate(step, settings)
        real = cyclegan.shifted(torch.cat(glyphs))
        judge.requires_grad_(False)
        with half:
            fake = model(real, -of)
            cycle = (model(fake, of) - real).abs().mean()
            loss = settings.cycle * cycle + cyclegan.translator_loss(judge(fake, -of))
            loss = loss + besides(real, of) if besides else loss
        cyclegan.descend(slow, loss)
        average.update()
        judge.requires_grad_(True)
        with half:
            loss = cyclegan.discriminator_loss(judge(real, of), judge(fake.detach(), -of))
        cyclegan.descend(fast, loss)
        yield cycle.detach()


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
    hei, kai = (gan.to_tanh(data.hanzi(name, device=str(run.device)).images) for name in ("hei", "kai"))
    in_hei, in_kai, held_out = halves(len(hei))
    hei = cyclegan.fitted(hei, hei[in_hei], kai[in_kai])
    model, average, judge = build(settings)
    for net in (model, average.model, judge):
        net.to(run.device)
    half = {"autocast": run.autocast(), "bf16": run.dtype is torch.bfloat16}
    for _ in fit(model, average, judge, settings, hei[in_hei], kai[in_kai], seed=run.seed, progress=True, **half):
        pass
    with train.evaluating(average.model, run.autocast()), torch.no_grad():
        mae, found = cyclegan.score(gan.to_grey(average.model(hei[held_out], 1.0)), gan.to_grey(kai[held_out]))
    print(f"755 characters held out: mean absolute distance to the truth {mae:.3f}, retrieval {found:.3f}")


if __name__ == "__main__":
    main()
