"""The representations of page 02 in one file: settings, four tasks for one encoder, a probe's accuracy.

    python recipes/contrast.py --seed 0                      # the page's recipe: about 90 seconds on one core
    python recipes/contrast.py --task rotation --n-steps 200 # every setting is a flag

Encoder, views, loss and probe are `aigc_course.contrast`, which page 02 builds in view. `PAGE` is what it trains;
`SHORT` gives up quality for time. Tasks without labels: "contrast", "rotation", "masking"; with: "labels".

Sources: Chen et al. (2020), arXiv:2002.05709; of rotation Gidaris et al. (2018), arXiv:1803.07728; of masking Pathak
et al. (2016), arXiv:1604.07379.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import contrast, data, optim, train
from aigc_course.runtime import setup


@dataclass(frozen=True)
class Settings:
    task: str = "contrast"  # or "rotation", "masking", "labels"
    channels: int = 32  # of the fine maps; the coarse ones have twice as many, the features four times
    n_blocks: int = 2  # at the coarse level
    n_steps: int = 350
    batch_size: int = 256
    lr: float = 3e-3  # of AdamW, the peak: the rate rises for 50 steps, stays, then falls in a line to zero
    lr_kernels: float = 0.02  # of Muon
    fall: float = 0.7  # the share of the steps in which the rates fall
    temperature: float = 0.5
    hidden: float = 0.5  # the share of patches that masking hides
    changes: str = "turn scale shear shift bend thick"  # of the views; "flip" mirrors half of them; "" for none
    l2: float = 0.1  # of the probe, for 100 labels


PAGE = Settings()
SHORT = replace(PAGE, n_steps=100)
ROTATION = replace(PAGE, task="rotation", n_steps=525)
MASKING = replace(PAGE, task="masking", n_steps=525)
RIVAL = replace(PAGE, task="labels", n_steps=400, batch_size=50)  # the same network on few labels alone


def build(settings: Settings, images: Tensor) -> tuple[nn.Sequential, optim.Average]:
    """Encoder and head of a task, untrained, and their averaged copy. images: (N, 1, H, W) in [0, 1]."""
    width = 4 * settings.channels
    head = {
        "contrast": lambda: contrast.two_layers(width, 64),
        "rotation": lambda: nn.Linear(width, 4),
        "masking": lambda: contrast.two_layers(width, images[0].numel()),
        "labels": lambda: nn.Linear(width, 10),
    }[settings.task]()
    grey = {"mean": images.mean().item(), "spread": images.std().item()}
    encoder = contrast.Encoder(settings.channels, settings.n_blocks, **grey)
    model = nn.Sequential(encoder, head).to(images.device)
    return model, optim.Average(model)


def loss_of(model: nn.Module, settings: Settings, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The loss of a batch x (B, 1, H, W) in [0, 1] with labels y (B,), which only the task "labels" reads."""

    def view() -> Tensor:
        changes = settings.changes.split()
        v = contrast.views(x, **{name: contrast.STRENGTHS[name] for name in changes if name != "flip"})
        return torch.where(torch.rand(len(v), 1, 1, 1, device=v.device) < 0.5, v.flip(3), v) if "flip" in changes else v

    if settings.task == "contrast":
        return contrast.nt_xent(*model(torch.cat([view(), view()])).float().chunk(2), settings.temperature)
    if settings.task == "rotation":
        turns = torch.randint(4, (len(x),), device=x.device)
        v = contrast.centred(view())  # else the centre of mass tells the turn
        turned = torch.stack([v.rot90(k, (2, 3)) for k in range(4)])
        return F.cross_entropy(model(turned[turns, torch.arange(len(x))]).float(), turns)
    if settings.task == "masking":
        v = view()
        patches = torch.rand(len(x), 1, x.shape[2] // 4, x.shape[3] // 4, device=x.device) < settings.hidden
        hidden = patches.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
        guess = model(v * ~hidden).float().view_as(v)
        return (guess - v)[hidden].square().mean()
    return F.cross_entropy(model(view()).float(), y)


def rate(step: int, settings: Settings) -> float:
    """The learning rates of a step, from 0, as a share of their peaks."""
    return min(1, (step + 1) / 50, (1 - step / settings.n_steps) / settings.fall)


def fit(
    model: nn.Module,
    average: optim.Average,
    settings: Settings,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    bf16: bool = False,
    progress: bool = False,
) -> Iterator[Tensor]:
    """Trains the network step by step: yields each step's loss. images: (N, 1, H, W) in [0, 1]; labels: (N,)."""
    optimizers = contrast.optimizers(model, settings.lr, settings.lr_kernels, bf16=bf16)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    copies = -(-settings.batch_size // len(images))  # of few images, to fill a batch
    rows = tuple(t.repeat(copies, *[1] * (t.ndim - 1)) for t in (images, labels) if t is not None)
    sizes = settings.batch_size, settings.n_steps
    for step, batch in enumerate(train.batches(rows, *sizes, seed=seed, progress=progress)):
        with autocast or torch.autocast(images.device.type, enabled=False):
            loss = loss_of(model, settings, *batch)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] = peak * rate(step, settings)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
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
    train_set, test = (data.mnist(split, device=str(run.device)) for split in ("train", "test"))
    model, average = build(settings, train_set.images)
    half = {"autocast": run.autocast(), "bf16": run.dtype is torch.bfloat16}
    some = contrast.few(train_set.labels, 100)
    rows = slice(None) if settings.task != "labels" else some  # which are all that it sees
    seen = train_set.images[rows], train_set.labels[rows]
    losses = list(fit(model, average, settings, *seen, seed=run.seed, progress=True, **half))
    x, x_test = (contrast.embed(average.model[0], x) for x in (train_set.images[some], test.images))
    right = contrast.probe(x, train_set.labels[some], settings.l2)(x_test).argmax(1) == test.labels
    print(f"loss {losses[-1]:.3f}; accuracy of a linear probe with 100 labels {right.double().mean():.3f}")


if __name__ == "__main__":
    main()
