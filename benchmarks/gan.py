"""Time to quality of chapter 05's DCGAN against the plain recipe that learners usually copy.

    python benchmarks/gan.py --tune --threads 1      # the plain recipe's rates and schedule: 20 minutes of a core
    python benchmarks/gan.py --save --threads 1      # three repeats, an hour or more

Plain: images resized to 32 × 32, one Python call per picture in a Dataset and a DataLoader; a generator that upsamples
to the nearest pixel and then convolves with 128 channels; four strided convolutions with dropout to one logit; Adam
2e-4, batches of 64, 450 steps: about 270 seconds of one core. Figures are Fréchet distances of 10,000 images to the
10,000 test images, in the features of the course's classifier. Ratios count.

The plain recipe's images come back to 28 × 28 by the exact inverse of the resizing, which costs them nothing: training
images that went the same way have the floor's distance (`fd_floor_32`). Other ways back are worse for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import side_by_side
import torch
from side_by_side import Contestant, PerItem, Plain
from torch import Tensor, nn
from torch.nn import functional as F

from aigc_course import data, gan, metrics, train
from aigc_course.plumbing import machine, rooms

BATCH, LATENT = 64, 100
# Resizing is linear in rows and in columns: this (28, 32) matrix undoes it, and its condition number is about 2.
UNDO = torch.linalg.pinv(F.interpolate(torch.eye(28)[:, None], size=32, mode="linear")[:, 0].T)


def plain_generator() -> nn.Module:
    """As page 05 prints it: (B, 100) to images, (B, 1, 32, 32) in [-1, 1]."""
    return nn.Sequential(
        nn.Linear(100, 128 * 64),
        nn.Unflatten(1, (128, 8, 8)),
        nn.BatchNorm2d(128),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 128, 3, padding=1),  # at 16 × 16
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 64, 3, padding=1),  # at 32 × 32
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 1, 3, padding=1),
        nn.Tanh(),
    )


def plain_discriminator() -> nn.Module:
    """As page 05 prints it: images, (B, 1, 32, 32), to logits (B,)."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((1, 16), (16, 32), (32, 64), (64, 128)):  # 32 × 32 to 2 × 2
        layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
        layers += [nn.BatchNorm2d(n_out)] if n_in > 1 else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 1), nn.Flatten(0))


def plain_weights(layer: nn.Module) -> None:
    """The usual first weights, from a normal distribution of spread 0.02."""
    if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0, 0.02)


def small_discriminator(channels: int = 32) -> nn.Module:
    """`gan.Discriminator` without its hidden layer."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((1, channels), (channels, 2 * channels)):
        layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    layers += [nn.Flatten(), nn.Linear(49 * 2 * channels, 1), nn.Flatten(0)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def fit(
    generator: nn.Module, discriminator: nn.Module, batches: Iterator[Tensor], plain: Plain, n_steps: int, bf16: bool
) -> Iterator[None]:
    """Trains the plain recipe step by step: the generator first, then the discriminator with the same images."""
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
    opt_g, opt_d = (torch.optim.Adam(m.parameters(), plain.lr, (0.5, 0.999)) for m in (generator, discriminator))
    for step in range(n_steps):
        x = gan.to_tanh(next(batches))
        for optimizer in (opt_g, opt_d):
            optimizer.param_groups[0]["lr"] = plain.lr * (1 - step / n_steps if plain.to_zero else 1)
        with autocast:
            fake = generator(torch.randn(len(x), LATENT))
            loss_g = gan.generator_loss(discriminator(fake))
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        opt_d.zero_grad()
        with autocast:
            loss_d = gan.discriminator_loss(discriminator(x), discriminator(fake.detach())) / 2
        loss_d.backward()
        opt_d.step()
        yield


@torch.no_grad()
def plain_sample(generator: nn.Module, n: int) -> Tensor:
    """n images, (n, 1, 28, 28) in [0, 1]."""
    z = torch.randn(n, LATENT, generator=torch.Generator().manual_seed(1))
    with train.evaluating(generator):
        return to_28(torch.cat([generator(part) for part in z.split(250)]))


def to_28(x: Tensor) -> Tensor:
    """From (B, 1, 32, 32) in [-1, 1] back to (B, 1, 28, 28) grey values in [0, 1]."""
    return gan.to_grey(UNDO @ x @ UNDO.T)


class Benchmark(side_by_side.Benchmark):
    name, chapter, recipe = "gan", "05", rooms.recipe("dcgan")
    quality = "a Fréchet distance of {:.1f}"
    plain_steps = 450
    published, rates = Plain(2e-4), (2e-4, 4e-4, 8e-4, 1.6e-3)
    tried_as = "bf16, channels last" if machine.fast_bf16() else "fp32"
    tuned = None  # nobody has searched yet: the first run does, and stores what it finds
    every = 450, 20  # the plain generator takes as long for 10,000 images as for 25 steps of training
    last_rung = "+ rates that fall, batches of 32, no momentum: the short recipe in fp32"

    def load(self, held_out: bool) -> None:
        self.images, judged = side_by_side.split(data.mnist("train").images, held_out)
        side_by_side.genuine(self, "mnist")
        per_item = PerItem(self.images, size=32)
        self.images_32 = torch.stack([per_item[i] for i in range(len(per_item))])
        self.classifier, self.n = metrics.classifier(), len(judged)
        self.real = metrics.features(judged, model=self.classifier)

    def distance(self, x: Tensor) -> float:
        """The Fréchet distance of images, (N, 1, 28, 28) in [0, 1]; infinite where training has come to no numbers."""
        finite = bool(x.isfinite().all())
        return metrics.frechet_distance(metrics.features(x, model=self.classifier), self.real) if finite else math.inf

    def look(self, generator: nn.Module) -> float:
        """The distance of as many images as are judged; of 1,000 where it is far too large: then 3 s are 0.3."""
        rough = self.distance(gan.sample(generator, 1000, seed=1))  # too high, the more so the fewer the images
        return rough if rough > self.near else self.distance(gan.sample(generator, self.n, seed=1))

    def plain(self, plain: Plain, n_steps: int, *, fast: bool = False, bf16: bool = False) -> side_by_side.Start:
        def start(seed: int) -> tuple[Iterator, Callable[[], float]]:
            generator, discriminator = (
                plain_generator().apply(plain_weights),
                plain_discriminator().apply(plain_weights),
            )
            if bf16:
                generator, discriminator = (m.to(memory_format=torch.channels_last) for m in (generator, discriminator))
            drawn = train.batches(self.images_32, BATCH, n_steps, seed=seed, progress=False)
            batches = drawn if fast else PerItem(self.images, size=32).batches(BATCH)
            steps = fit(generator, discriminator, batches, plain, n_steps, bf16)
            return steps, lambda: self.distance(plain_sample(generator, self.n))

        return start

    def tried(self, plain: Plain, n_steps: int) -> side_by_side.Start:
        return self.plain(plain, n_steps, fast=True, bf16=self.tried_as != "fp32")

    def ours(self, settings, bf16: bool, small: bool = False) -> side_by_side.Start:
        def start(seed: int) -> tuple[Iterator, Callable[[], float]]:
            players = self.recipe.build(settings)
            players = players._replace(discriminator=small_discriminator()) if small else players
            autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
            steps = self.recipe.fit(players, settings, self.images, seed=seed, autocast=autocast)
            return steps, lambda: self.look(players.average.model)

        return start

    def rungs(self) -> list[Contestant]:
        plain, steps, page, n = self.published, self.plain_steps, self.recipe.PAGE, 700
        slow = {"lr": plain.lr, "lr_generator": plain.lr, "beta_2": 0.999, "gamma": 0.0, "decay": 0.0, "fall": False}
        usual = replace(page, n_steps=n, beta_1=0.5, **slow)
        fast = replace(page, n_steps=n, beta_1=0.5, fall=False, decay=0.0)
        averaged = replace(fast, decay=page.decay)
        return [
            Contestant("+ one tensor, no DataLoader", self.plain(plain, steps, fast=True), steps // 10, steps, steps),
            Contestant("+ 28 × 28, strided convolutions", self.ours(usual, False, small=True), n, 20),
            Contestant("+ a hidden layer in the discriminator", self.ours(usual, False), n, 20),
            Contestant("+ R1 penalty, twenty times the learning rate", self.ours(fast, False), n, 20),
            Contestant("+ averaged generator", self.ours(averaged, False), n, 20),
        ]

    def figures(self, result: dict) -> dict:
        """What page 05 reads: the plain recipe's distance, and that of training images, as they are and through 32."""
        order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(0))[: self.n]
        floors = [self.distance(x) for x in (self.images[order], to_28(gan.to_tanh(self.images_32[order])))]
        return {"fd_plain": result["targets"]["published"]} | dict(
            zip(("fd_floor", "fd_floor_32"), floors, strict=True)
        )


if __name__ == "__main__":
    side_by_side.main(Benchmark())
