"""The study of 06_wgan_gp and 06b_conditional: what each part of the recipe buys in an equal number of steps."""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, gan, metrics, optim, train

SHORT = {"n_steps": 2, "n_samples": 60}  # for `aigc-course study 06 --same`
STEPS = 240  # of the generator
BATCH, LATENT, LAM = 64, 64, 10.0

# few: images in the penalty; fall: rates fall to 0 in the second half; names: weight of the second head's loss
PUBLISHED = {"kind": "critic", "labels": False, "n_critic": 5, "lr": 1e-4, "critic_lr": 1e-4, "betas": (0.0, 0.9)}
PUBLISHED |= {"few": BATCH, "fall": False, "names": 0.0}
RATES = PUBLISHED | {"n_critic": 2, "lr": 1e-3, "critic_lr": 2e-3, "betas": (0.5, 0.99)}
QUARTER = RATES | {"few": BATCH // 4}
VARIANTS = {
    "as published": PUBLISHED,
    "two critic steps, higher rates": RATES,
    "quarter penalty": QUARTER,
    "quarter penalty, falling rate": QUARTER | {"fall": True},
    "minimax": QUARTER | {"kind": "minimax", "n_critic": 1, "lr": 2e-3, "critic_lr": 4e-3},
    "quarter penalty, with labels": QUARTER | {"labels": True},
    "quarter penalty, labels, second head": QUARTER | {"labels": True, "names": 1.0},
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


def run(seeds: list[int], *, n_steps: int = STEPS, device: str = "cpu", n_samples: int = 5000) -> dict[str, Any]:
    """Train every variant for `n_steps` with each seed; compare its images with 5,000 training images held out.

    They are taken at random, since the order of MNIST is not a random one.

    The result has `rows`, one a run: variant, kind ("critic" or "minimax"), labels, seed, seconds of processor time,
    fd of the generator, fd_average of its averaged weights (decay 0.98, as the runs are short), and accuracy, the share
    of the latter's images that are recognised as their label (about 0.1 for models without labels).
    """
    images, labels, _ = data.mnist("train", device=device)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).to(images.device)
    n_held = min(5000, len(images) // 5)
    real, rows = metrics.features(images[order[:n_held]]), []
    images, labels = images[order[n_held:]], labels[order[n_held:]]
    for seed in seeds:
        for name, how in VARIANTS.items():
            found = _train(images, labels, real, seed, n_steps, n_samples, how)
            rows.append({"variant": name, "kind": how["kind"], "labels": how["labels"], "seed": seed} | found)
            print(f"seed {seed} {name}: {found}", flush=True)
    threads = f"{torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()
    return {"seeds": list(seeds), "steps": n_steps, "device": f"{device}, {threads}", "rows": rows}


def _train(
    images: Tensor, labels: Tensor, real: Tensor, seed: int, n_steps: int, n_samples: int, how: dict[str, Any]
) -> dict[str, float]:
    device, n_critic, few = images.device, how["n_critic"], how["few"]
    torch.manual_seed(seed)
    if how["labels"]:
        generator, critic = gan.ConditionalGenerator(LATENT).to(device), gan.ConditionalCritic().to(device)
    else:
        generator, critic = (_Unlabelled(m).to(device) for m in (gan.Generator(LATENT), gan.Discriminator()))
    rates = {generator: how["lr"], critic: how["critic_lr"]}
    opt_g, opt_c = (torch.optim.Adam(m.parameters(), lr=lr, betas=how["betas"], fused=True) for m, lr in rates.items())
    average, began = optim.Average(generator, 0.98), time.process_time()
    for i, (x, y) in enumerate(train.batches((images, labels), BATCH, n_critic * n_steps, seed=seed, progress=False)):
        x = gan.to_tanh(x)
        if how["fall"]:
            for optimizer, rate in zip((opt_g, opt_c), rates.values(), strict=True):
                optimizer.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - i / n_critic / n_steps))
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                fake = generator(torch.randn(BATCH, LATENT, device=device), y).float()
            scores, classes = critic.scores_and_classes(torch.cat([x, fake]), torch.cat([y, y]))
            scores = scores.float().chunk(2)
            if how["kind"] == "critic":
                loss = scores[1].mean() - scores[0].mean()
                score = lambda part, y=y: critic(part, y[:few])  # noqa: E731
                loss = loss + LAM * gan.gradient_penalty(score, x[:few], fake[:few])
            else:
                loss = gan.discriminator_loss(*scores)
                if i % 8 == 0:
                    loss = loss + 0.8 * gan.r1_penalty(lambda part, y=y: critic(part, y), x)
            if how["names"]:
                loss = loss + how["names"] * F.cross_entropy(classes[: len(y)].float(), y)
        _update(opt_c, loss)
        if (i + 1) % n_critic:
            continue
        with torch.autocast(device.type, torch.bfloat16):
            score, classes = critic.scores_and_classes(generator(torch.randn(BATCH, LATENT, device=device), y), y)
            aim = -score.float().mean() if how["kind"] == "critic" else gan.generator_loss(score)
            if how["names"]:
                aim = aim + how["names"] * F.cross_entropy(classes.float(), y)
        _update(opt_g, aim)
        average.update()
    seconds = time.process_time() - began
    fd, _ = _measures(generator, real, n_samples)
    fd_average, accuracy = _measures(average.model, real, n_samples)
    found = {"seconds": seconds, "fd": fd, "fd_average": fd_average, "accuracy": accuracy}
    return {key: round(value, 4) for key, value in found.items()}


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def _measures(model: nn.Module, real: Tensor, n: int) -> tuple[float, float]:
    """Fréchet distance of n samples to the features `real`, and how many of them are recognised as their label."""
    model.eval()
    z = torch.randn(n, LATENT, generator=torch.Generator().manual_seed(1)).to(real.device)
    y = torch.arange(n, device=real.device) % 10
    sampled = torch.cat([gan.to_grey(model(*part)) for part in zip(z.split(500), y.split(500), strict=True)])
    features = metrics.features(sampled)
    said = metrics.classifier(real.device).head(features.relu()).argmax(1)
    return metrics.frechet_distance(features, real), (said == y).float().mean().item()
