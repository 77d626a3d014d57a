"""The study of 05_dcgan: what each stabiliser buys in few steps, alone and together, and what two buy in many.

The page's learning rate in all. The momentum of its recipe was chosen by the many steps' figures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aigc_course import data, gan, metrics, optim, train

SHORT = {"n_steps": 2, "n_long": 2, "n_samples": 60}  # for `aigc-course study 05 --same`
STEPS, LONG = 400, 4_200
BATCH, LATENT, EVERY = 64, 32, 8
PLAIN = {"gamma": 0.0, "spectral": False, "lr": 4e-3, "lr_generator": 4e-3, "real_label": 1.0, "fall": False}
PLAIN |= {"beta_1": 0.0, "decay": 0.98}
VARIANTS = {
    "plain": PLAIN,
    "label smoothing": PLAIN | {"real_label": 0.9},
    "two time scales": PLAIN | {"lr_generator": 1e-3},
    "spectral norm": PLAIN | {"spectral": True},
    "R1": PLAIN | {"gamma": 1.0},
    "R1, two time scales": PLAIN | {"gamma": 1.0, "lr_generator": 1e-3},
    "R1, falling rate": PLAIN | {"gamma": 1.0, "fall": True},
}
RECIPE = PLAIN | {"gamma": 1.0, "fall": True, "decay": 0.995}
IN_THE_END = {
    "the recipe": RECIPE,
    "without R1": RECIPE | {"gamma": 0.0},
    "with momentum 0.5": RECIPE | {"beta_1": 0.5},
}


def run(
    seeds: list[int],
    *,
    n_steps: int = STEPS,
    n_long: int = LONG,
    device: str = "cpu",
    n_samples: int = 5000,
    bf16: bool = True,
) -> dict[str, Any]:
    """Train VARIANTS for `n_steps`, IN_THE_END for `n_long`; compare their images with 5,000 training images held out.

    They are taken at random, since the order of MNIST is not a random one.

    The result has `rows`, one a run: variant, steps, seed, fd and smallest (share of the rarest class) of the
    generator, fd_average and smallest_average of its averaged weights (decay 0.98 where runs are short), and gap, the
    mean logit of real images minus that of generated ones in the last tenth of the run.
    `fd_floor` compares 5,000 of the images that are trained on with the same 5,000.
    """
    images = data.mnist("train", device=device).images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).to(images.device)
    n_held = min(5000, len(images) // 5)
    images, real = images[order[n_held:]], metrics.features(images[order[:n_held]])
    floor = metrics.frechet_distance(metrics.features(images[:n_held]), real)
    rows = []
    for seed in seeds:
        for steps, variants in ((n_steps, VARIANTS), (n_long, IN_THE_END)):
            for name, how in variants.items():
                found = _train(images, real, seed, steps, n_samples, bf16, **how)
                rows.append({"variant": name, "steps": steps, "seed": seed} | found)
                print(rows[-1], flush=True)
    threads = f"{torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()
    head = {"study": "05_dcgan", "seeds": list(seeds), "batch": BATCH}
    head |= {"device": f"{device}, {threads}, {'bf16' if bf16 else 'fp32'}", "torch": str(torch.__version__)}
    return head | {"fd_floor": round(floor, 3), "rows": rows}


def _train(
    images: Tensor, real: Tensor, seed: int, n_steps: int, n_samples: int, bf16: bool, **how: Any
) -> dict[str, float]:
    device = images.device
    torch.manual_seed(seed)
    generator = gan.Generator(LATENT).to(device, memory_format=torch.channels_last)
    discriminator = gan.Discriminator().to(device, memory_format=torch.channels_last)
    if how["spectral"]:
        for layer in list(discriminator.children()):
            spectral_norm(layer)
    rates = {generator: how["lr_generator"], discriminator: how["lr"]}
    optimizers = {
        m: torch.optim.Adam(m.parameters(), lr=lr, betas=(how["beta_1"], 0.9), fused=True) for m, lr in rates.items()
    }
    average, log = optim.Average(generator, how["decay"]), train.Log()
    for i, x in enumerate(train.batches(images, BATCH, n_steps, seed=seed, progress=False)):
        x = gan.to_tanh(x)
        if how["fall"]:
            for model, optimizer in optimizers.items():
                optimizer.param_groups[0]["lr"] = rates[model] * max(0.05, 1 - i / n_steps)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            fake = generator(torch.randn(BATCH, LATENT, device=device))  # serves both turns
            logits, logits_fake = discriminator(x).float(), discriminator(fake.detach()).float()
            goal = torch.full_like(logits, how["real_label"])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, goal) + gan.generator_loss(-logits_fake)
            if how["gamma"] and i % EVERY == 0:
                loss = loss + EVERY * how["gamma"] / 2 * gan.r1_penalty(discriminator, x)
        optimizers[discriminator].zero_grad()
        loss.backward()
        optimizers[discriminator].step()
        discriminator.requires_grad_(False)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = gan.generator_loss(discriminator(fake))
        optimizers[generator].zero_grad()
        loss.backward()
        optimizers[generator].step()
        discriminator.requires_grad_(True)
        average.update()
        log(gap=logits.mean() - logits_fake.mean())
    found = {"gap": round(log.mean("gap", max(1, n_steps // 10)), 3)}
    for model, ending in ((generator, ""), (average.model, "_average")):
        drawn = gan.sample(model, n_samples, seed=1)
        found[f"fd{ending}"] = round(metrics.frechet_distance(metrics.features(drawn), real), 3)
        found[f"smallest{ending}"] = round(metrics.class_shares(drawn)[0].min().item(), 4)
    return found
