"""The study of 09_diffusion, the yardstick: generators that train for the same seconds, judged alike.

All see the same 55,000 training digits and are judged against the 5,000 others. Each makes as many steps as fit into
SECONDS, measured beforehand on a copy, so that its falling rates end with the budget. Evaluation is not counted.
Bits, per pixel, are of all 256 grey values: exact for "independent pixels" and "autoregressive pixels", an upper bound
for diffusion, None elsewhere: a GAN has no likelihood, and the VAE's is of binarised pixels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, diffusion, gan, metrics, optim, train, vae
from aigc_course.plumbing import machine, rooms

SHORT = {"SECONDS": 0, "N_WARM": 1, "N_TIMED": 1, "N_JUDGED": 60, "N_BITS": 4}  # for `aigc-course study 09 --same`
SECONDS = 45  # of training, each
N_WARM, N_TIMED = 10, 30  # steps of the copy: the first are not timed
N_JUDGED, N_BITS = 5000, 500  # samples and held-out images compared; held-out images whose bits are counted
RADIUS, WIDTH, LEVELS, BATCH_SIZE, LR = 7, 256, 16, 8, 1e-2  # of the autoregressive model
# What trains, step by step; n to images (n, 1, 28, 28); images, labels (B,), log_prior (784, 256) to bits (B,), or None
Fit = tuple[Iterator[Tensor], Callable[[int], Tensor], Callable[[Tensor, Tensor, Tensor], Tensor] | None]


def autocast() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=machine.fast_bf16())


def by_vae(x: Tensor, y: Tensor, n_steps: int, seed: int) -> Fit:
    recipe = rooms.recipe("vae")
    settings = replace(recipe.PAGE, n_steps=n_steps)
    model, average = recipe.build(settings, x)
    steps = recipe.fit(model, average, settings, x, seed=seed, autocast=autocast())
    return steps, lambda n: vae.sample(average.model, n, seed=1), None


def by_gan(x: Tensor, y: Tensor, n_steps: int, seed: int) -> Fit:
    recipe = rooms.recipe("dcgan")
    settings = replace(recipe.PAGE, n_steps=n_steps)
    players = recipe.build(settings)
    steps = recipe.fit(players, settings, x, seed=seed, autocast=autocast())
    return steps, lambda n: gan.sample(players.average.model, n, seed=1), None


def by_diffusion(x: Tensor, y: Tensor, n_steps: int, seed: int, **changes: bool | float) -> Fit:
    """changes: of the recipe's settings. Bits with labels are of -log p(x, y), which is above -log p(x)."""
    recipe = rooms.recipe("diffusion")
    settings = replace(recipe.PAGE, n_steps=n_steps, **changes)
    model, average = recipe.build(settings, x)
    steps = recipe.fit(model, average, settings, x, y, seed=seed, autocast=autocast(), bf16=machine.fast_bf16())

    def bits(images: Tensor, labels: Tensor, log_prior: Tensor) -> Tensor:
        given, of_label = ([labels], math.log2(10) / 784) if settings.labels else ([], 0)
        return diffusion.bits_per_pixel(average.model, images, log_prior, *given) + of_label

    return steps, lambda n: recipe.sample(average.model, settings, y, n, autocast=autocast()), bits


class Pixels(nn.Module):
    """An autoregressive model: each pixel in reading order, given those before it in a window around it.

    Logits are over LEVELS classes of grey values; within (LEVELS, 256 / LEVELS): how often a class has each value in
    training. Two hidden layers are shared by all pixels, but for a bias, `place`. In trials of 20 s on one core a MADE
    of 1,024 hidden units (Germain et al. 2015, arXiv:1502.03509) came to 2.28 bits and a Fréchet distance of 143 (1,000
    samples), this to 1.30 and 57; 32 levels changed little. Source: van den Oord et al. (2016), arXiv:1601.06759.
    """

    def __init__(self, within: Tensor):
        super().__init__()
        self.register_buffer("within", within)
        self.first = nn.Linear(RADIUS * (2 * RADIUS + 1) + RADIUS, WIDTH, bias=False)  # rows above, pixels to the left
        self.place = nn.Parameter(torch.zeros(784, WIDTH))
        self.hidden, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, LEVELS)

    def logits(self, window: Tensor, place: Tensor) -> Tensor:
        """window (..., 1 + RADIUS, 1 + 2 RADIUS), place (..., WIDTH) to (..., LEVELS); the window's end is not seen."""
        h = F.relu(self.first(window.flatten(-2)[..., : self.first.in_features]) + place)
        return self.out(h + F.relu(self.hidden(h))).float()

    def forward(self, x: Tensor) -> Tensor:
        """-log p of each pixel in nats, exact: (B, 1, 28, 28), values k/255, to (B, 784)."""
        windows = F.pad(x, (RADIUS, RADIUS, RADIUS, 0))[:, 0].unfold(1, 1 + RADIUS, 1).unfold(2, 1 + 2 * RADIUS, 1)
        value = (255 * x.flatten(1)).round().long()
        logits, level = self.logits(windows.flatten(1, 2), self.place), value // self.within.shape[1]
        return F.cross_entropy(logits.transpose(1, 2), level, reduction="none") - self.within.flatten().log()[value]

    def sample(self, n: int) -> Tensor:
        """(n, 1, 28, 28), a pixel at a time: its window is cut from what was drawn before."""
        x = torch.zeros(n, 28 + RADIUS, 28 + 2 * RADIUS)
        with torch.no_grad(), autocast():
            for i, j in torch.cartesian_prod(torch.arange(28), torch.arange(28)).tolist():
                window = x[:, i : i + 1 + RADIUS, j : j + 1 + 2 * RADIUS]
                level = self.logits(window, self.place[28 * i + j]).softmax(dim=1).multinomial(1)[:, 0]
                value = level * self.within.shape[1] + self.within[level].multinomial(1)[:, 0]
                x[:, i + RADIUS, j + RADIUS] = value / 255
        return x[:, None, RADIUS:, RADIUS:-RADIUS]


def by_pixels(x: Tensor, y: Tensor, n_steps: int, seed: int) -> Fit:
    counts = 1 + torch.bincount((255 * x.flatten()).round().int(), minlength=256).view(LEVELS, -1)
    model = Pixels(counts / counts.sum(dim=1, keepdim=True))
    average, rate = optim.Average(model), lambda step: min(1, (step + 1) / 100, (1 - step / n_steps) / 0.7)
    optimizer = torch.optim.AdamW(model.parameters(), LR, (0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)

    def steps() -> Iterator[Tensor]:
        for batch in train.batches(x, BATCH_SIZE, n_steps, seed=seed, progress=False):
            with autocast():
                loss = model(batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update()
            yield loss.detach()

    def bits(images: Tensor, *_: Tensor) -> Tensor:
        return torch.cat([average.model(part).mean(dim=1) for part in images.split(50)]) / math.log(2)

    return steps(), lambda n: torch.cat([average.model.sample(len(part)) for part in torch.arange(n).split(500)]), bits


VARIANTS = {"VAE (03)": by_vae, "GAN (05)": by_gan, "autoregressive pixels": by_pixels}
VARIANTS |= {"diffusion, no labels": partial(by_diffusion, labels=False), "diffusion, with labels": by_diffusion}
for word, level in (("finer", -1.0), ("coarser", 1.0)):
    VARIANTS[f"diffusion, {word} noise"] = partial(by_diffusion, level=level)


def run(seeds: list[int]) -> dict:
    """{"seconds", "rows" of variant, seed, steps, seconds, samples_per_s, bits, fd, precision, recall}."""
    x, y, _ = data.mnist("train", device="cpu")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    (held_x, x), (held_y, y) = (part[order].tensor_split([min(5000, len(x) // 5)]) for part in (x, y))
    value, real, rows = (255 * x.flatten(1)).round().int(), metrics.features(held_x[:N_JUDGED]), []
    counts = torch.bincount((value + 256 * torch.arange(784, dtype=torch.int)).flatten(), minlength=784 * 256)
    log_prior = ((counts.view(784, 256) + 1 / 256) / (len(x) + 1)).log()

    def judge(variant: str, seed: int, images: Tensor, **known: float | None) -> None:
        fake, half = metrics.features(images), N_JUDGED // 2
        found = metrics.frechet_distance(fake, real), *metrics.precision_recall(real[:half], fake[:half])
        row = {"variant": variant, "seed": seed} | dict.fromkeys(("steps", "seconds", "samples_per_s", "bits")) | known
        rows.append(row | dict(zip(("fd", "precision", "recall"), found, strict=True)))
        print(rows[-1], flush=True)

    judge("training images", seeds[0], x[:N_JUDGED])
    torch.manual_seed(seeds[0])
    drawn = log_prior.exp().multinomial(N_JUDGED, replacement=True).T.reshape(-1, 1, 28, 28) / 255
    nats = -log_prior[torch.arange(784), (255 * held_x[:N_BITS].flatten(1)).round().long()].mean().item()
    judge("independent pixels", seeds[0], drawn, bits=nats / math.log(2))
    for seed, (variant, make) in ((seed, item) for seed in seeds for item in VARIANTS.items()):
        copy = make(x, y, N_WARM + N_TIMED, seed)[0]
        timed(islice(copy, N_WARM))
        n_steps = max(2, round(SECONDS * N_TIMED / timed(copy)))
        torch.manual_seed(seed)
        steps, draw, bits = make(x, y, n_steps, seed)
        known = {"steps": n_steps, "seconds": timed(steps)}
        began, drawn = time.perf_counter(), draw(N_JUDGED)
        known["samples_per_s"] = N_JUDGED / (time.perf_counter() - began)
        known["bits"] = bits and bits(held_x[:N_BITS], held_y[:N_BITS], log_prior).mean().item()
        judge(variant, seed, drawn, **known)
    return {"seconds": SECONDS, "device": f"cpu, {torch.get_num_threads()} threads", "rows": rows}


def timed(steps: Iterator[Tensor]) -> float:
    """The seconds of all steps."""
    began = time.perf_counter()
    for _ in steps:
        pass
    return time.perf_counter() - began
