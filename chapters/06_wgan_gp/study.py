"""The study of 06_wgan_gp: what each part of the recipe buys in equal time, and losses against distances over runs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, gan, metrics, train

SHORT = {"seconds": 0.25, "n_samples": 60}  # for `aigc-course study 06 --same`
SECONDS = 15.0  # of training, each run; on a CPU those of one core
BATCH, LATENT, LAM = 64, 64, 10.0

PLAIN = {"labels": False, "n_critic": 5, "lr": 1e-4, "critic_lr": 1e-4, "betas": (0.0, 0.9)}
# few: images in the penalty; fall: rates fall to 0 in the second half; names: weight of the second head's loss
PLAIN |= {"few": BATCH, "fall": False, "names": 0.0}
LABELS = PLAIN | {"labels": True}
RATES = LABELS | {"n_critic": 2, "lr": 1e-3, "critic_lr": 2e-3, "betas": (0.5, 0.99)}
QUARTER = RATES | {"few": BATCH // 4}
FALL = QUARTER | {"fall": True}
CHAPTER = FALL | {"names": 1.0}
DECOMPOSITION = {
    "five critic steps, no labels": PLAIN,
    "with labels": LABELS,
    "two critic steps, higher rates": RATES,
    "penalty on a quarter of the batch": QUARTER,
    "falling rate": FALL,
    "second head names the class": CHAPTER,
}
CRITICS = DECOMPOSITION | {
    f"second head, rate {lr:g}": CHAPTER | {"lr": lr, "critic_lr": 2 * lr} for lr in (2.5e-4, 5e-4)
}
MINIMAX = {
    f"minimax, {lr:g}": CHAPTER | {"n_critic": 1, "lr": lr, "critic_lr": lr} for lr in (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
}


class _Unlabelled(nn.Module):
    """A model of images alone, called like one with labels."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.model(x)

    def scores_and_classes(self, x: Tensor, y: Tensor) -> tuple[Tensor, None]:
        return self.model(x), None


def run(seeds: list[int], *, seconds: float = SECONDS, device: str = "cpu", n_samples: int = 5000) -> dict[str, Any]:
    """Train every setting for `seconds` with each seed: the last loss and the distance to 5,000 validation images.

    The result has `runs`, one row a run: name, kind ("critic" or "minimax"), seed, steps of the generator, loss (mean
    of the last tenth of the critic's steps, no penalty), fd (of the generator), fd_average and
    accuracy (of its averaged weights; about 0.1 for models without labels).
    """
    images, labels, _ = data.mnist("train", device=device)
    n_held = min(5000, len(images) // 12)
    real, rows = metrics.features(images[-n_held:]), []
    images, labels = images[:-n_held], labels[:-n_held]
    for seed in seeds:
        for kind, settings in (("critic", CRITICS), ("minimax", MINIMAX)):
            for name, how in settings.items():
                found = _train(images, labels, real, kind, seed, seconds, n_samples, how)
                rows.append({"name": name, "kind": kind, "seed": seed} | found)
                print(f"seed {seed} {name}: {found}", flush=True)
    threads = f"{torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()
    head = {"seeds": list(seeds), "seconds": seconds, "device": f"{device}, {threads}"}
    return head | {"decomposition": list(DECOMPOSITION), "runs": rows}


def _train(
    images: Tensor,
    labels: Tensor,
    real: Tensor,
    kind: str,
    seed: int,
    seconds: float,
    n_samples: int,
    how: dict[str, Any],
) -> dict[str, float]:
    device = images.device
    torch.manual_seed(seed)
    if how["labels"]:
        generator, critic = gan.ConditionalGenerator(LATENT).to(device), gan.ConditionalCritic().to(device)
    else:
        generator, critic = (_Unlabelled(m).to(device) for m in (gan.Generator(LATENT), gan.Discriminator()))
    of_generator, of_critic = (
        torch.optim.Adam(m.parameters(), lr=how[rate], betas=how["betas"], fused=True)
        for m, rate in ((generator, "lr"), (critic, "critic_lr"))
    )
    ema, log, n_critic = train.EMA(generator, 0.98), train.Log(), how["n_critic"]
    i, few = 0, how["few"]
    clock, cores = (time.process_time, torch.get_num_threads()) if device.type == "cpu" else (time.perf_counter, 1)
    began = clock()
    for x, y in train.batches((images, labels), BATCH, 1_000_000, seed=seed, progress=False):
        x = gan.to_tanh(x)
        passed = (clock() - began) / cores / seconds
        if passed >= 1:
            break
        if how["fall"]:
            for optimizer, rate in ((of_generator, "lr"), (of_critic, "critic_lr")):
                for group in optimizer.param_groups:
                    group["lr"] = how[rate] * min(1.0, 2 * (1 - passed))
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                fake = generator(torch.randn(BATCH, LATENT, device=device), y).float()
            scores, classes = critic.scores_and_classes(torch.cat([x, fake]), torch.cat([y, y]))
            scores = scores.float().chunk(2)
            if kind == "critic":
                loss = scores[1].mean() - scores[0].mean()
                score = lambda part, y=y: critic(part, y[:few])  # noqa: E731
                penalty = LAM * gan.gradient_penalty(score, x[:few], fake[:few])
            else:
                loss = gan.discriminator_loss(*scores)
                score = lambda part, y=y: critic(part, y)  # noqa: E731
                penalty = 0.8 * gan.r1_penalty(score, x) if i % 8 == 0 else 0.0
            if how["names"]:
                penalty = penalty + how["names"] * F.cross_entropy(classes[: len(y)].float(), y)
        of_critic.zero_grad()
        (loss + penalty).backward()
        of_critic.step()
        log(loss=loss)
        i += 1
        if i % n_critic:
            continue
        with torch.autocast(device.type, torch.bfloat16):
            score, classes = critic.scores_and_classes(generator(torch.randn(BATCH, LATENT, device=device), y), y)
            aim = -score.float().mean() if kind == "critic" else gan.generator_loss(score)
            if how["names"]:
                aim = aim + how["names"] * F.cross_entropy(classes.float(), y)
        of_generator.zero_grad()
        aim.backward()
        of_generator.step()
        ema.update()
    fd, _ = _measures(generator, real, n_samples)
    fd_average, accuracy = _measures(ema.model, real, n_samples)
    lost = float(np.mean(log["loss"][-max(1, i // 10) :]))
    found = {"steps": i // n_critic, "loss": lost, "fd": fd, "fd_average": fd_average, "accuracy": accuracy}
    return {key: round(value, 5) for key, value in found.items()}


@torch.no_grad()
def _measures(model: nn.Module, real: Tensor, n: int) -> tuple[float, float]:
    """Fréchet distance of n samples to the features `real`, and how many of them are recognised as their label."""
    model.eval()
    z = torch.randn(n, LATENT, generator=torch.Generator().manual_seed(1)).to(real.device)
    y = torch.arange(n, device=real.device) % 10
    drawn = torch.cat([gan.to_grey(model(*part)) for part in zip(z.split(500), y.split(500), strict=True)])
    features = metrics.features(drawn)
    said = metrics.classifier(real.device).head(features.relu()).argmax(1)
    return metrics.frechet_distance(features, real), (said == y).float().mean().item()
