"""The DCGAN of page 05 in one file: settings, training, scores.

    python recipes/dcgan.py --seed 0                    # the page's recipe: about 3 minutes on one core
    python recipes/dcgan.py --gamma 0 --n-steps 1000    # every setting is a flag

Models and losses are `aigc_course.gan`, which pages 04 and 05 build in view. `PAGE` is what page 05 trains; `SHORT`
gives up quality for time: it is what `benchmarks/gan.py` times against the recipe that is usually copied.

Sources: Radford, Metz & Chintala (2016), arXiv:1511.06434; Mescheder, Geiger & Nowozin (2018), arXiv:1801.04406.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aigc_course import data, gan, metrics, optim, train
from aigc_course.runtime import setup


@dataclass(frozen=True)
class Settings:
    latent_dim: int = 32
    n_steps: int = 4_200
    batch_size: int = 64
    lr: float = 4e-3  # of the discriminator: twenty times the usual one
    lr_generator: float = 4e-3
    fall: bool = True  # the rates fall in a line to a twentieth
    beta_1: float = 0.0  # no momentum: the opponent moves
    beta_2: float = 0.9
    gamma: float = 1.0  # weight of the R1 penalty, computed in each so-manieth step and weighing as much more
    every: int = 8
    decay: float = 0.995  # of the averaged weights


PAGE = Settings()
SHORT = replace(PAGE, n_steps=1_200, batch_size=32)


class Players(NamedTuple):
    """The generator, its averaged copy, and the discriminator."""

    generator: gan.Generator
    average: optim.Average
    discriminator: nn.Module


def build(settings: Settings, device: torch.device | str = "cpu") -> Players:
    """The untrained players."""
    generator = gan.Generator(settings.latent_dim).to(device, memory_format=torch.channels_last)
    discriminator = gan.Discriminator().to(device, memory_format=torch.channels_last)
    return Players(generator, optim.Average(generator, settings.decay), discriminator)


def fit(
    players: Players,
    settings: Settings,
    images: Tensor,
    *,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    progress: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Trains both players step by step: yields the losses of discriminator and generator after each step.

    images: (N, 1, 28, 28) in [0, 1]; the players see them in [-1, 1].
    """
    generator, average, discriminator = players
    betas, rates = (settings.beta_1, settings.beta_2), (settings.lr_generator, settings.lr)
    opt_g, opt_d = (torch.optim.Adam(m.parameters(), lr, betas, fused=True)
                    for m, lr in zip((generator, discriminator), rates, strict=True))  # fmt: skip
    context = autocast or torch.autocast(images.device.type, enabled=False)
    batches = train.batches(images, settings.batch_size, settings.n_steps, seed=seed, progress=progress)
    for step, x in enumerate(batches):
        x = gan.to_tanh(x)
        for optimizer, lr in zip((opt_g, opt_d), rates, strict=True):
            optimizer.param_groups[0]["lr"] = lr * (max(0.05, 1 - step / settings.n_steps) if settings.fall else 1)
        with context:  # the discriminator's turn
            fake = generator(torch.randn(len(x), settings.latent_dim, device=x.device))  # serves both turns
            loss_d = gan.discriminator_loss(discriminator(x), discriminator(fake.detach()))
            due = settings.gamma and step % settings.every == 0
            penalty = gan.r1_penalty(discriminator, x) if due else 0.0
        opt_d.zero_grad()
        (loss_d + settings.every * settings.gamma / 2 * penalty).backward()
        opt_d.step()
        discriminator.requires_grad_(False)  # the generator's turn
        with context:
            loss_g = gan.generator_loss(discriminator(fake))
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        discriminator.requires_grad_(True)
        average.update()
        yield loss_d.detach(), loss_g.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="begin from SHORT instead of PAGE")
    for field in fields(Settings):
        kind = {"action": argparse.BooleanOptionalAction} if field.type == "bool" else {"type": type(field.default)}
        parser.add_argument(f"--{field.name.replace('_', '-')}", default=None, **kind)
    args = parser.parse_args()
    given = {f.name: value for f in fields(Settings) if (value := getattr(args, f.name)) is not None}
    settings = replace(SHORT if args.short else PAGE, **given)
    run = setup(args.seed)
    print(settings)
    train_images, test = (data.mnist(split, device=str(run.device)).images for split in ("train", "test"))
    players = build(settings, run.device)
    for _ in fit(players, settings, train_images, seed=run.seed, autocast=run.autocast(), progress=True):
        pass
    drawn, real = metrics.features(gan.sample(players.average.model, len(test), seed=1)), metrics.features(test)
    print(f"Fréchet distance of {len(test):,} samples {metrics.frechet_distance(drawn, real):.2f}")
    print(f"kernel distance {metrics.kernel_distance(drawn, real):.4f}")


if __name__ == "__main__":
    main()
