"""The study of 07_vae_gan: how chapter 03's VAE restores, and what each part of the VAE/GAN's recipe is worth.

The VAE is trained by chapter 03's recipe and measured on the test images, as the chapter measures its own model. Of the
VAE/GAN one part at a time is taken away: each variant is trained for the same small number of steps on all but the last
5,000 training images and measured on those: the Fréchet distance of 5,000 samples, restorations by pixels and by the
classifier's features, the KL term.
"""

import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, gan, metrics, train, vae

N_STEPS, BATCH_SIZE, LATENT_DIM, LR = 250, 64, 32, 2e-3
FULL = {"n_restored": 32, "n_drawn": 64, "precision": True, "r1": 0.2, "lr": LR, "fall": True, "ema": 0.995,
        "relative": True, "pixels": 0.5, "weight": 150.0, "gamma": 0.05, "kl": 1.0, "leak": False,
        "both": False}  # fmt: skip
VARIANTS = {
    "the whole recipe": {},
    "discriminator sees restored ones too": {"both": True},
    "without R1": {"r1": 0.0},
    "learning rate 3e-4 that never falls": {"lr": 3e-4, "fall": False},
    "without the part in pixels": {"pixels": 0.0},
    "pixels only, no learned similarity": {"pixels": 1.0},
    "without the KL term": {"kl": 0.0},
}


def relative(x: Tensor, restored: Tensor) -> Tensor:
    """The mean squared distance over the spread of x in the batch, both (B, ...): 1 is no better than the mean."""
    x, restored = x.flatten(1).detach(), restored.flatten(1)
    return (restored - x).square().sum(dim=1).mean() / (x - x.mean(dim=0)).square().sum(dim=1).mean().clamp(min=1e-8)


def look(discriminator: gan.Discriminator, x: Tensor) -> tuple[Tensor, Tensor]:
    """The second layer's features, (B, 3136), and the logit, (B,)."""
    h = F.leaky_relu(discriminator.down_1(x), 0.2)
    h = F.leaky_relu(discriminator.down_2(h), 0.2).flatten(1)
    return h.float(), discriminator.out(F.leaky_relu(discriminator.hidden(h), 0.2)).squeeze(1).float()


def run(seeds: list[int]) -> dict:
    """{"n_steps", "seeds", "device", "rows": {variant: its medians}, "vae": {figure: one value a seed}}."""
    images = data.scale(data.mnist("train").images).flatten(1)
    n_held_out = min(5000, len(images) // 5)
    seen, held_out = images[:-n_held_out], images[-n_held_out:]
    found = metrics.features(held_out)
    rows = {}
    for name, change in VARIANTS.items():
        results = [fit(seen, held_out, found, seed=seed, **FULL | change) for seed in seeds]
        rows[name] = {key: round(statistics.median(r[key] for r in results), 5) for key in results[0]}
        print(f"{name:40s} {rows[name]}", flush=True)
    test = data.scale(data.mnist("test").images).flatten(1)
    parents = [parent(images, test, seed) for seed in seeds]
    restoring = {key: [round(found[key], 5) for found in parents] for key in parents[0]}
    print(restoring, flush=True)
    threads = f"cpu, {torch.get_num_threads()} threads"
    return {"n_steps": N_STEPS, "seeds": list(seeds), "device": threads, "rows": rows, "vae": restoring}


def parent(images: Tensor, test: Tensor, seed: int, n_steps: int = 4400) -> dict[str, float]:
    """Chapter 03's VAE, its recipe in the lesson profile: how it restores the test images, and its samples' distance.

    images (N, 784), test (M, 784), grey values in [0, 1].
    """
    torch.manual_seed(seed)
    model = vae.VAE(LATENT_DIM)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, n_steps, pct_start=0.1)
    for grey in train.batches(images, 256, n_steps, seed=seed, progress=False):
        binary = (torch.rand_like(grey) < grey).float()
        x = torch.cat([grey[:128], binary[128:]])
        with torch.autocast("cpu", torch.bfloat16):
            loss = -vae.elbo(model, x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    restored, real = vae.reconstruct(model, test), metrics.features(test)
    drawn = metrics.features(vae.sample(model, len(test)))
    return {
        "reconstruction_mse": (restored - test).square().mean().item(),
        "reconstruction_feature_distance": (metrics.features(restored) - real).square().sum(dim=1).mean().item(),
        "fd": metrics.frechet_distance(drawn, real),
    }


def fit(seen: Tensor, held_out: Tensor, found: Tensor, *, seed: int, **c) -> dict[str, float]:
    """One training: seen (N, 784) and held_out (M, 784) in [0, 1], found: features of held_out; c: as in FULL."""
    torch.manual_seed(seed)
    encoder, decoder, discriminator = (
        vae.mlp(784, 512, 1, 2 * LATENT_DIM),
        gan.Generator(LATENT_DIM),
        gan.Discriminator(),
    )
    nets = [net.to(memory_format=torch.channels_last) for net in (encoder, decoder, discriminator)]
    params = [list(net.parameters()) for net in nets]
    rates = (min(c["lr"], LR / 2), c["lr"], c["lr"])
    optimizers = [torch.optim.Adam(p, lr=lr, betas=(0.5, 0.99)) for p, lr in zip(params, rates, strict=True)]
    averages = [train.EMA(net, c["ema"]) for net in nets[:2]]
    H, K, began = c["n_restored"], c["n_drawn"], time.perf_counter()
    for step, x in enumerate(train.batches(gan.to_tanh(seen), BATCH_SIZE, N_STEPS, seed=seed, progress=False)):
        if c["fall"]:
            for optimizer, rate in zip(optimizers, rates, strict=True):
                optimizer.param_groups[0]["lr"] = rate * max(0.05, min(1, 2 * (1 - step / N_STEPS)))
        with torch.autocast("cpu", torch.bfloat16, enabled=c["precision"]):
            mu, log_var = encoder(x[:H].flatten(1)).float().chunk(2, dim=1)
            z = vae.reparameterise(mu, log_var, torch.randn_like(mu))
            made = decoder(torch.cat([z, torch.randn(K, LATENT_DIM)])).float()
            features, logit = look(discriminator, torch.cat([x, made.detach()]))
            loss = gan.discriminator_loss(logit[: len(x)], logit[len(x) + (0 if c["both"] else H) :])
            if c["r1"] and step % 8 == 0:
                loss = loss + 8 * c["r1"] / 2 * gan.r1_penalty(discriminator, x)
            if c["leak"]:
                loss = loss + c["weight"] * distance(features[:H], features[len(x) : len(x) + H], c["relative"])
        loss.backward(inputs=params[2])
        optimizers[2].step()
        with torch.autocast("cpu", torch.bfloat16, enabled=c["precision"]):
            features, logit = look(discriminator, torch.cat([x[:H], made]))
            by_features = distance(features[:H], features[H : 2 * H], c["relative"])
            restoring = (1 - c["pixels"]) * by_features + c["pixels"] * relative(x[:H], made[:H])
            kl = vae.kl_to_standard_normal(mu, log_var).mean()
            fooling = gan.generator_loss(logit[H if c["both"] else 2 * H :])
        (c["kl"] * kl + c["weight"] * restoring).backward(inputs=params[0], retain_graph=True)
        (c["gamma"] * c["weight"] * restoring + fooling).backward(inputs=params[1])
        for optimizer in optimizers[:2]:
            optimizer.step()
        for optimizer in optimizers:
            optimizer.zero_grad()
        for average in averages:
            average.update()
    ms = (time.perf_counter() - began) / N_STEPS * 1000
    return {**measure(averages[0].model, averages[1].model, held_out, found), "ms": ms}


def distance(x: Tensor, restored: Tensor, in_spreads: bool) -> Tensor:
    """The relative distance; or Larsen's half of the squared one, over the weight, which undoes it."""
    return (
        relative(x, restored)
        if in_spreads
        else (restored - x.detach()).square().sum(dim=1).mean() / (2 * FULL["weight"])
    )


@torch.no_grad()
def measure(encoder: nn.Module, decoder: gan.Generator, held_out: Tensor, found: Tensor) -> dict[str, float]:
    """Samples against held-out images, and those against their restorations from the mean code."""
    mu, log_var = encoder(gan.to_tanh(held_out).flatten(1)).float().chunk(2, dim=1)
    decoder.eval()
    restored = torch.cat([gan.to_grey(decoder(part)) for part in mu.split(500)])
    drawn = gan.sample(decoder, len(held_out), seed=1)
    return {
        "fd": metrics.frechet_distance(metrics.features(drawn), found),
        "pixel_error": (restored - held_out).square().mean().item(),
        "feature_distance": (metrics.features(restored) - found).square().sum(dim=1).mean().item(),
        "kl": vae.kl_to_standard_normal(mu, log_var).mean().item(),
    }
