"""The diffusion model of page 09 in one file: settings, training, scores.

    python recipes/diffusion.py --seed 0                    # the page's recipe: about 3 minutes on one core
    python recipes/diffusion.py --no-labels --n-steps 800   # every setting is a flag

Network, walk and loss are `aigc_course.diffusion`, which page 09 builds in view. `PAGE` is what that page trains;
`SHORT` gives up quality for time.

Sources: Ho et al. (2020), arXiv:2006.11239; Lipman et al. (2023), arXiv:2210.02747; of Muon Jordan et al. (2024).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from aigc_course import data, diffusion, metrics, optim, train
from aigc_course.runtime import setup


@dataclass(frozen=True)
class Settings:
    channels: int = 32  # of the fine maps; the coarse ones have twice as many
    n_blocks: int = 3  # at the coarse level
    n_steps: int = 3_800
    batch_size: int = 128
    lr: float = 5e-3  # of AdamW, the peak: the rate rises for 100 steps, stays, then falls in a line to zero
    lr_kernels: float = 0.02  # of Muon
    fall: float = 0.7  # the share of the steps in which the rates fall
    labels: bool = True  # tell the network the digit
    withheld: float = 0.1  # the share of cases in which the label is withheld, for guidance
    level: float = 0.0  # the mean of log tan(angle) in training
    n_walk: int = 40  # evaluations for a sample
    fresh: float = 0.45  # kappa: of the noise's variance 0.45² is drawn anew at each step


PAGE = Settings()
SHORT = replace(PAGE, n_steps=400)


def build(settings: Settings, images: Tensor) -> tuple[diffusion.UNet, optim.Average]:
    """The untrained network and its averaged copy. images: (N, 1, H, W) in [0, 1], for their mean and spread."""
    grey = {"mean": images.mean().item(), "spread": images.std().item(), "size": tuple(images.shape[2:])}
    classes = 10 if settings.labels else 0
    model = diffusion.UNet(settings.channels, settings.n_blocks, classes, **grey).to(images.device)
    return model, optim.Average(model)


def rate(step: int, settings: Settings) -> float:
    """The learning rates of a step, from 0, as a share of their peaks."""
    return min(1, (step + 1) / 100, (1 - step / settings.n_steps) / settings.fall)


def fit(
    model: diffusion.UNet,
    average: optim.Average,
    settings: Settings,
    images: Tensor,
    labels: Tensor,
    *,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    bf16: bool = False,
    progress: bool = False,
) -> Iterator[Tensor]:
    """Trains the network step by step: yields each step's loss. images: (N, 1, H, W) in [0, 1]; labels: (N,)."""
    optimizers = diffusion.optimizers(model, settings.lr, settings.lr_kernels, bf16=bf16)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    rows, sizes = (diffusion.to_unit(model, images), labels), (settings.batch_size, settings.n_steps)
    for step, (x_0, y) in enumerate(train.batches(rows, *sizes, seed=seed, progress=progress)):
        y = torch.where(torch.rand(len(y), device=y.device) < settings.withheld, model.n_classes, y)
        angle = (settings.level + torch.randn(len(x_0), device=x_0.device)).exp().atan()
        x, v = diffusion.noised(x_0, torch.randn_like(x_0), angle)
        with autocast or torch.autocast(x_0.device.type, enabled=False):
            guess = model(x, angle, *([y] if settings.labels else [])).float()
            loss = (guess - v).square().mean()
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] = peak * rate(step, settings)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        average.update()
        yield loss.detach()


def sample(model: diffusion.UNet, settings: Settings, labels: Tensor, n: int, **options) -> Tensor:
    """n images, with labels as often as in labels (N,)."""
    some = torch.randint(len(labels), (n,), generator=torch.Generator().manual_seed(1)).to(labels.device)
    given = {"angles": diffusion.straight(settings.n_walk), "fresh": settings.fresh, "seed": 1} | options
    return diffusion.sample(model, n, labels[some] if settings.labels else None, **given)


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
    train_set, test = (data.mnist(split, device=str(run.device)) for split in ("train", "test"))
    model, average = build(settings, train_set.images)
    half = {"autocast": run.autocast(), "bf16": run.dtype is torch.bfloat16}
    for _ in fit(model, average, settings, *train_set[:2], seed=run.seed, progress=True, **half):
        pass
    drawn = sample(average.model, settings, train_set.labels, len(test.images), autocast=run.autocast())
    distance = metrics.frechet_distance(metrics.features(drawn), metrics.features(test.images))
    print(f"Fréchet distance of {len(drawn):,} samples {distance:.2f}")


if __name__ == "__main__":
    main()
