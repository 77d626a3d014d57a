"""The VAE of page 03 in one file: settings, training, scores.

    python recipes/vae.py --seed 0                         # the page's recipe: about 4 minutes on two cores
    python recipes/vae.py --latent-dim 2 --n-steps 1000    # every setting is a flag

Model and loss are `aigc_course.vae`, which page 03 builds in view. `PAGE` is what that page trains; `SHORT` gives up
quality for time: it is what `benchmarks/vae.py` times against the recipe that is usually copied.

Sources: Kingma & Welling (2014), arXiv:1312.6114; of the averaged weights Karras et al. (2024), arXiv:2312.02696.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from aigc_course import data, metrics, optim, train, vae
from aigc_course.runtime import setup


@dataclass(frozen=True)
class Settings:
    latent_dim: int = 32
    width: int = 512  # of the hidden layers
    n_steps: int = 7_000
    batch_size: int = 256
    lr: float = 3e-3  # the peak: the rate rises to it in a line, stays, then falls to zero in a line
    rise: float = 0.01  # the share of the steps in which it rises
    fall: float = 0.9  # and in which it falls
    beta_2: float = 0.99  # of Adam
    weight_decay: float = 0.1
    decay: float = 1.0  # of the averaged weights, at most; with 1 about a tenth of all steps count
    binarised: float = 0.5  # the share of each batch that is drawn as zeros and ones; the rest stays grey


PAGE = Settings()
SHORT = replace(PAGE, latent_dim=20, width=256, n_steps=800, lr=6e-3, rise=0.02, fall=0.95, beta_2=0.95,
                weight_decay=0.0, binarised=0.0)  # fmt: skip


def build(settings: Settings, images: Tensor) -> tuple[vae.VAE, optim.Average]:
    """The untrained model and its averaged copy. images: (N, C, H, W) in [0, 1]; the decoder starts at their mean."""
    model = vae.VAE(settings.latent_dim, settings.width, mean=images.mean(dim=0)).to(images.device)
    return model, optim.Average(model, settings.decay)


def rate(step: int, settings: Settings) -> float:
    """The learning rate of a step, from 0, as a share of its peak: a trapezoid."""
    n_steps = settings.n_steps
    return min(1, (step + 1) / (settings.rise * n_steps), (n_steps - step) / (settings.fall * n_steps))


def fit(
    model: vae.VAE,
    average: optim.Average,
    settings: Settings,
    images: Tensor,
    *,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    progress: bool = False,
) -> Iterator[Tensor]:
    """Trains the model step by step: yields each step's loss, in nats per image, after the step is done."""
    options = {"lr": settings.lr, "betas": (0.9, settings.beta_2), "weight_decay": settings.weight_decay}
    optimizer = torch.optim.AdamW(model.parameters(), **options, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, settings))
    n_grey = round((1 - settings.binarised) * settings.batch_size)
    for x in train.batches(images, settings.batch_size, settings.n_steps, seed=seed, progress=progress):
        if settings.binarised:
            binary = (torch.rand_like(x) < x).float()
            x = torch.cat([x[:n_grey], binary[n_grey:]])
        with autocast or torch.autocast(x.device.type, enabled=False):
            loss = -vae.elbo(model, x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update()
        yield loss.detach()


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
    images, test = (data.mnist(split, device=str(run.device)).images for split in ("train", "test"))
    model, average = build(settings, images)
    for _ in fit(model, average, settings, images, seed=run.seed, autocast=run.autocast(), progress=True):
        pass
    drawn, real = (metrics.features(x) for x in (vae.sample(average.model, len(test)), test))
    loss = -metrics.elbo(average.model, test, autocast=run.autocast())
    print(f"test loss {loss:.2f} nats per image (grey values, one draw)")
    print(f"Fréchet distance of {len(test):,} samples {metrics.frechet_distance(drawn, real):.1f}")


if __name__ == "__main__":
    main()
