"""The study of 07_vae_gan: how chapter 03's VAE restores, and what each part of the VAE/GAN's recipe is worth.

The VAE is trained by chapter 03's recipe and measured on the test images, as the chapter measures its own model. Of the
VAE/GAN one part at a time is changed: each variant is trained for the same small number of steps on all but 5,000
training images, drawn at random with seed 0, and measured on those: the Fréchet distance of 5,000 samples, restorations
by pixels and by the classifier's features, the KL term.
"""

import statistics
import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, gan, metrics, train, vae
from aigc_course.plumbing import rooms

SHORT = {"N_STEPS": 2, "parent.n_steps": 2}  # for `aigc-course study 07 --same`
N_STEPS, BATCH_SIZE, LATENT_DIM, LR = 250, 64, 32, 3e-3
N_RESTORED, N_DRAWN, WEIGHT, GAMMA, R1 = 32, 64, 300, 0.01, 0.5
FULL = {"pixels": 0.5, "kl": 1.0, "both": False}
VARIANTS = {
    "the whole recipe": {},
    "discriminator sees restored ones too": {"both": True},
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
    images = data.mnist("train").images
    n_held_out = min(5000, len(images) // 5)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).to(images.device)
    held_out, seen = images[order[:n_held_out]], images[order[n_held_out:]]
    found = metrics.features(held_out)
    rows = {}
    for name, change in VARIANTS.items():
        results = [fit(seen, held_out, found, seed=seed, **FULL | change) for seed in seeds]
        rows[name] = {key: round(statistics.median(r[key] for r in results), 5) for key in results[0]}
        print(f"{name:40s} {rows[name]}", flush=True)
    test = data.mnist("test").images
    parents = [parent(images, test, seed) for seed in seeds]
    restoring = {key: [round(found[key], 5) for found in parents] for key in parents[0]}
    print(restoring, flush=True)
    threads = f"cpu, {torch.get_num_threads()} threads"
    return {"n_steps": N_STEPS, "seeds": list(seeds), "device": threads, "rows": rows, "vae": restoring}


def parent(images: Tensor, test: Tensor, seed: int, n_steps: int | None = None) -> dict[str, float]:
    """Chapter 03's VAE, its recipe in the lesson profile: how it restores the test images, and its samples' distance.

    images (N, 1, 28, 28), test (M, 1, 28, 28), grey values in [0, 1]. n_steps: None is as many as the recipe has.
    """
    recipe = rooms.recipe("vae")
    settings = replace(recipe.PAGE, n_steps=n_steps or recipe.PAGE.n_steps)
    torch.manual_seed(seed)
    model, average = recipe.build(settings, images)
    for _ in recipe.fit(model, average, settings, images, seed=seed, autocast=torch.autocast("cpu", torch.bfloat16)):
        pass
    model = average.model
    restored, real = vae.reconstruct(model, test), metrics.features(test)
    drawn = metrics.features(vae.sample(model, len(test)))
    return {
        "reconstruction_mse": (restored - test).square().mean().item(),
        "reconstruction_feature_distance": (metrics.features(restored) - real).square().sum(dim=1).mean().item(),
        "fd": metrics.frechet_distance(drawn, real),
    }


def fit(
    seen: Tensor, held_out: Tensor, found: Tensor, *, seed: int, pixels: float, kl: float, both: bool
) -> dict[str, float]:
    """One training: seen and held_out images, (N, 1, 28, 28) and (M, 1, 28, 28) in [0, 1]; found: held_out's features.

    pixels: the share of pixels in the restoring term; kl: weight of the KL term; both: the discriminator is shown
    restored images too. The averages' decay is 0.98, as the run is short.
    """
    torch.manual_seed(seed)
    nets = vae.mlp(seen[0].numel(), 512, 1, 2 * LATENT_DIM), gan.Generator(LATENT_DIM), gan.Discriminator()
    encoder, decoder, discriminator = (net.to(memory_format=torch.channels_last) for net in nets)
    params, rates = [list(net.parameters()) for net in nets], (LR / 2, LR, LR)
    optimizers = [torch.optim.Adam(p, lr=lr, betas=(0.5, 0.9), fused=True) for p, lr in zip(params, rates, strict=True)]
    averages = [train.EMA(net, 0.98) for net in nets[:2]]
    H, judged, began = N_RESTORED, 0 if both else N_RESTORED, time.perf_counter()
    for step, x in enumerate(train.batches(seen, BATCH_SIZE, N_STEPS, seed=seed, progress=False)):
        x = gan.to_tanh(x)
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * max(0.05, 1 - step / N_STEPS)
        with torch.autocast("cpu", torch.bfloat16):
            mu, log_var = encoder(x[:H].flatten(1)).float().chunk(2, dim=1)
            z = vae.reparameterise(mu, log_var, torch.randn_like(mu))
            made = decoder(torch.cat([z, torch.randn(N_DRAWN, LATENT_DIM)])).float()
            _, logit = look(discriminator, torch.cat([x, made[judged:].detach()]))
            loss = gan.discriminator_loss(logit[: len(x)], logit[len(x) :])
            if step % 8 == 0:
                loss = loss + 8 * R1 / 2 * gan.r1_penalty(discriminator, x)
        loss.backward(inputs=params[2])
        optimizers[2].step()
        with torch.autocast("cpu", torch.bfloat16):
            features, logit = look(discriminator, torch.cat([x[:H], made]))
            by_features = relative(features[:H], features[H : 2 * H])
            restoring = WEIGHT * ((1 - pixels) * by_features + pixels * relative(x[:H], made[:H]))
            prior = kl * vae.kl_to_standard_normal(mu, log_var).mean()
            fooling = gan.generator_loss(logit[H + judged :])
        (prior + restoring).backward(inputs=params[0], retain_graph=True)
        (GAMMA * restoring + fooling).backward(inputs=params[1])
        for optimizer in optimizers[:2]:
            optimizer.step()
        for optimizer in optimizers:
            optimizer.zero_grad()
        for average in averages:
            average.update()
    ms = (time.perf_counter() - began) / N_STEPS * 1000
    return {**measure(averages[0].model, averages[1].model, held_out, found), "ms": ms}


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
