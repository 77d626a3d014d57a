"""Time to quality of chapter 09's diffusion model against the plain recipe that learners usually copy.

    python benchmarks/diffusion.py --tune --threads 1    # the plain recipe's rates and schedule
    python benchmarks/diffusion.py --save --threads 1    # three repeats: one to two hours with the tuning

Plain: the much-copied conditional DDPM for MNIST. A U-Net of 128 features at 28 × 28 pixels, with batch normalisation,
labels and times that scale and shift maps, 400 levels of noise, the error of the noise, Adam 1e-4, batches of 256, one
Python call per picture in a Dataset and a DataLoader. It is copied in fp32, where a step takes more than 20 seconds of
one core: 54 steps are ten minutes of two. Here it is given bf16 and channels last, as it would hardly be run, so
that its training is not the wait of an hour each; `fp32_over_bf16` says how much longer a step takes as it is copied.

Figures are Fréchet distances of 1,000 images to the 10,000 test images, in the features of the course's classifier: too
high, as those of few images are, and alike for all. All are sampled by 20 evaluations of DDIM, since the 400 steps that
are copied take the plain network twenty times as long. Ratios count.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import side_by_side
import torch
from side_by_side import Contestant, PerItem, Plain
from torch import Tensor, nn
from torch.nn import functional as F

from aigc_course import data, diffusion, metrics, train
from aigc_course.plumbing import machine, rooms

BATCH, FEATURES, LEVELS, WITHHELD, N_WALK = 256, 128, 400, 0.1, 20
BETA = torch.linspace(1e-4, 0.02, LEVELS)
ALPHA_BAR = (1 - BETA).cumprod(dim=0)


class Double(nn.Module):
    """Two convolutions, each with batch normalisation and GELU, (B, C, H, W); `past` leads the first's result past."""

    def __init__(self, n_in: int, n_out: int, past: bool = False):
        super().__init__()
        self.past = past
        self.first, self.last = (
            nn.Sequential(nn.Conv2d(n, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.GELU()) for n in (n_in, n_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return (h + self.last(h)) / 1.414 if self.past else self.last(h)


def embedding(n_in: int, n_out: int) -> nn.Module:
    """Numbers (B, n_in) to (B, n_out, 1, 1)."""
    return nn.Sequential(nn.Linear(n_in, n_out), nn.GELU(), nn.Linear(n_out, n_out), nn.Unflatten(1, (n_out, 1, 1)))


def up(n_in: int, n_out: int) -> nn.Module:
    """Maps (B, n_in, H, W) to (B, n_out, 2H, 2W)."""
    return nn.Sequential(nn.ConvTranspose2d(n_in, n_out, 2, 2), Double(n_out, n_out), Double(n_out, n_out))


class PlainUNet(nn.Module):
    """The noise in x (B, 1, 28, 28) at times (B,) in (0, 1], given labels (B, 10), one-hot, or zeros for none."""

    def __init__(self, features: int = FEATURES):
        super().__init__()
        n = features
        self.first = Double(1, n, past=True)
        self.down_1 = nn.Sequential(Double(n, n), nn.MaxPool2d(2))
        self.down_2 = nn.Sequential(Double(n, 2 * n), nn.MaxPool2d(2))
        self.vector = nn.Sequential(nn.AvgPool2d(7), nn.GELU())
        self.times = nn.ModuleList([embedding(1, 2 * n), embedding(1, n)])
        self.labels = nn.ModuleList([embedding(10, 2 * n), embedding(10, n)])
        self.up_0 = nn.Sequential(nn.ConvTranspose2d(2 * n, 2 * n, 7, 7), nn.GroupNorm(8, 2 * n), nn.ReLU())
        self.up_1, self.up_2 = up(4 * n, n), up(2 * n, n)
        self.last = nn.Sequential(
            nn.Conv2d(2 * n, n, 3, padding=1), nn.GroupNorm(8, n), nn.ReLU(), nn.Conv2d(n, 1, 3, padding=1)
        )

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        fine = self.first(x)
        down_1 = self.down_1(fine)
        down_2 = self.down_2(down_1)
        h = self.up_0(self.vector(down_2))
        for level, skip, step in zip((0, 1), (down_2, down_1), (self.up_1, self.up_2), strict=True):
            h = self.labels[level](label) * h + self.times[level](time[:, None])
            h = step(torch.cat([h, skip], dim=1))
        return self.last(torch.cat([h, fine], dim=1))


def fit(
    model: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], plain: Plain, n_steps: int, bf16: bool
) -> Iterator[None]:
    """Trains the plain recipe step by step; where its rate falls to zero, it falls in a line."""
    optimizer = torch.optim.Adam(model.parameters(), lr=plain.lr)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = plain.lr * (1 - step / n_steps if plain.to_zero else 1)
        x, y = next(batches)
        t, noise = torch.randint(LEVELS, (len(x),)), torch.randn_like(x)
        kept = ALPHA_BAR[t].view(-1, 1, 1, 1)
        label = F.one_hot(y, 10) * (torch.rand(len(y), 1) >= WITHHELD)
        with autocast:
            guess = model(kept.sqrt() * x + (1 - kept).sqrt() * noise, (t + 1) / LEVELS, label.float()).float()
        loss = (guess - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


class Labelled(PerItem):
    """Images with their labels, one Python call each."""

    def __init__(self, images: Tensor, labels: Tensor):
        super().__init__(images)
        self.labels = labels

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return super().__getitem__(i), int(self.labels[i])


@torch.no_grad()
def plain_sample(model: nn.Module, n: int, bf16: bool, n_walk: int = N_WALK) -> Tensor:
    """n images, (n, 1, 28, 28) in [0, 1], labels in turn, by DDIM through n_walk evenly spaced levels."""
    times = [*torch.linspace(LEVELS, 1, n_walk).round().long().tolist(), 0]
    kept = torch.cat([torch.ones(1), ALPHA_BAR])  # of the picture at times 0 to LEVELS
    noise = torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    labels, found = F.one_hot(torch.arange(n) % 10, 10).float(), []
    with train.evaluating(model, torch.autocast("cpu", torch.bfloat16, enabled=bf16)):
        for x, label in zip(noise.split(250), labels.split(250), strict=True):
            for now, after in pairwise(times):
                eps = model(x, torch.full((len(x),), now / LEVELS), label).float()
                x_0 = (x - (1 - kept[now]).sqrt() * eps) / kept[now].sqrt()
                x = kept[after].sqrt() * x_0 + (1 - kept[after]).sqrt() * eps
            found.append(x)
    return torch.cat(found).clamp(0, 1)


class Benchmark(side_by_side.Benchmark):
    name, chapter, recipe = "diffusion", "09", rooms.recipe("diffusion")
    quality = "a Fréchet distance of {:.0f} of 1,000 images"
    plain_steps = 54
    published, rates = Plain(1e-4), (1e-4, 4e-4, 1.6e-3)
    tried_as = "bf16, channels last" if machine.fast_bf16() else "fp32"
    tuned = None  # nobody has searched yet: the first run does, and stores what it finds
    every = 54, 5  # for the plain recipe a look is as long as ten steps
    last_rung = "+ the page's network, angles, Muon: the short recipe in fp32"
    n = 1_000
    bf16 = machine.fast_bf16()

    def load(self, held_out: bool) -> None:
        train_set = data.mnist("train")
        self.images, judged = side_by_side.split(train_set.images, held_out)
        self.labels = side_by_side.split(train_set.labels, True)[0] if held_out else train_set.labels
        side_by_side.genuine(self, "mnist")
        self.classifier = metrics.classifier()
        self.real = metrics.features(judged, model=self.classifier)

    def distance(self, x: Tensor) -> float:
        """The Fréchet distance of images, (N, 1, 28, 28) in [0, 1]; infinite where training has come to no numbers."""
        finite = bool(x.isfinite().all())
        return metrics.frechet_distance(metrics.features(x, model=self.classifier), self.real) if finite else math.inf

    def plain(self, plain: Plain, n_steps: int, *, fast: bool = False) -> side_by_side.Start:
        def start(seed: int) -> tuple[Iterator, Callable[[], float]]:
            model = PlainUNet(FEATURES)
            model = model.to(memory_format=torch.channels_last) if self.bf16 else model
            images, labels = self.images, self.labels
            drawn = train.batches((images, labels), BATCH, n_steps, seed=seed, progress=False)
            batches = drawn if fast else Labelled(images, labels).batches(BATCH)
            steps = fit(model, batches, plain, n_steps, self.bf16)
            return steps, lambda: self.distance(plain_sample(model, self.n, self.bf16))

        return start

    def ours(self, settings, bf16: bool) -> side_by_side.Start:
        def start(seed: int) -> tuple[Iterator, Callable[[], float]]:
            model, average = self.recipe.build(settings, self.images)
            autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
            steps = self.recipe.fit(
                model, average, settings, self.images, self.labels, seed=seed, autocast=autocast, bf16=bf16
            )
            alike = {"angles": diffusion.straight(N_WALK), "fresh": 0.0, "autocast": autocast}
            return steps, lambda: self.distance(
                self.recipe.sample(average.model, settings, self.labels, self.n, **alike)
            )

        return start

    def rungs(self) -> list[Contestant]:
        steps, page, n = self.plain_steps, self.recipe.PAGE, 200
        timed = -(-steps // 10)
        slow = replace(page, n_steps=n, batch_size=BATCH)
        return [
            Contestant(
                "+ one tensor, no DataLoader", self.plain(self.published, steps, fast=True), timed, timed, steps
            ),
            Contestant("+ a small network at 14 × 14 pixels, angles, velocities, Muon", self.ours(slow, False), n, 5),
        ]

    def figures(self, result: dict) -> dict:
        """The distance of noise, from our untrained network, and how much longer a step of theirs takes in fp32."""
        noise = {"fd_noise": round(self.ours(self.recipe.PAGE, False)(0)[1](), 1)}
        if not self.bf16:
            return noise | {"fp32_over_bf16": 1.0}
        seconds = []
        for bf16 in (False, True):
            self.bf16 = bf16
            steps, _ = self.plain(self.published, 3)(0)
            next(steps)
            began = time.perf_counter()
            next(steps)
            seconds.append(time.perf_counter() - began)
        return noise | {"fp32_over_bf16": round(seconds[0] / seconds[1], 2)}

    def remark(self, result: dict) -> str:
        noise = f" Noise has {self.quality.format(result['fd_noise'])}."
        if result["fp32_over_bf16"] == 1:
            return noise
        factor = f"{result['fp32_over_bf16']:.1f}"
        return f"{noise} Theirs has bf16 here, too; in fp32, as it is copied, its steps take {factor} times as long."


if __name__ == "__main__":
    side_by_side.main(Benchmark())
