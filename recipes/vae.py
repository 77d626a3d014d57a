"""The VAE of page 03 in one file: settings, training, scores.

    python recipes/vae.py --seed 0                         # the page's recipe: about 4 minutes on two cores
    python recipes/vae.py --latent-dim 2 --n-steps 1000    # every setting is a flag

Model and loss are `aigc_course.vae`, which page 03 builds in view. `PAGE` is what that page trains; `SHORT` gives up
quality for time: it is what `benchmarks/vae.py` times against the recipe that is usually copied.

Source: Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from aigc_course import data, metrics, train, vae
from aigc_course.runtime import setup


@dataclass(frozen=True)
class Settings:
    latent_dim: int = 32
    width: int = 512  # of the hidden layers
    n_steps: int = 4_400
    batch_size: int = 256
    lr: float = 3e-3  # the peak of a one-cycle schedule
    rise: float = 0.1  # the share of the steps in which the rate rises
    beta_2: float = 0.99  # of Adam; its first one moves with the rate
    binarised: float = 0.5  # the share of each batch that is drawn as zeros and ones; the rest stays grey
    from_mean: bool = False  # the decoder starts at the mean image, not at grey


PAGE = Settings()
SHORT = replace(PAGE, latent_dim=20, width=256, n_steps=420, lr=8e-3, rise=0.3, beta_2=0.95, binarised=0.0,
                from_mean=True)  # fmt: skip


def build(settings: Settings, images: Tensor) -> vae.VAE:
    """The untrained model. images: (N, C, H, W) in [0, 1]."""
    mean = images.mean(dim=0) if settings.from_mean else None
    return vae.VAE(settings.latent_dim, settings.width, mean=mean).to(images.device)


def fit(
    model: vae.VAE,
    settings: Settings,
    images: Tensor,
    *,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    progress: bool = False,
) -> Iterator[Tensor]:
    """Trains the model step by step: yields each step's loss, in nats per image, after the step is done."""
    betas = (0.9, settings.beta_2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=betas, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, settings.n_steps, pct_start=settings.rise)
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
    model = build(settings, images)
    for _ in fit(model, settings, images, seed=run.seed, autocast=run.autocast(), progress=True):
        pass
    drawn, real = (metrics.features(x) for x in (vae.sample(model, len(test)), test))
    print(f"test loss {-metrics.elbo(model, test, autocast=run.autocast()):.2f} nats per image (grey values, one draw)")
    print(f"Fréchet distance of {len(test):,} samples {metrics.frechet_distance(drawn, real):.1f}")


if __name__ == "__main__":
    main()
