"""Time to quality of chapter 03's VAE against the plain recipe that learners usually write.

    python benchmarks/vae.py --tune        # the plain recipe's rate and schedule: about 10 minutes on two cores
    python benchmarks/vae.py --save        # three repeats, half an hour or more

Plain: two linear layers of 400 units, 20 latent dimensions, Adam 1e-3, batches of 128, ten passes, one Python call per
picture in a Dataset and a DataLoader. Figures are of grey values, one draw, 10,000 test pictures. Ratios count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import side_by_side
import torch
from side_by_side import Contestant, PerItem, Plain
from torch import Tensor, nn

from aigc_course import data, metrics, optim, train, vae
from aigc_course.plumbing import rooms

BATCH = 128


class PlainVAE(nn.Module):
    """The much-copied VAE of two layers, as page 03 prints it."""

    def __init__(self, latent_dim: int = 20):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 2 * latent_dim))
        self.decoder = nn.Sequential(nn.Linear(latent_dim, 400), nn.ReLU(), nn.Linear(400, 784))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(x.flatten(1)).float().chunk(2, dim=1)  # mu, log_var: each (B, D)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).view(-1, 1, 28, 28)  # logits


def fit(model: nn.Module, batches: Iterator[Tensor], plain: Plain, n_steps: int) -> Iterator[None]:
    """Trains the plain recipe step by step; where its rate falls to zero, it falls in a line."""
    optimizer = torch.optim.Adam(model.parameters(), lr=plain.lr)
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = plain.lr * (1 - step / n_steps if plain.to_zero else 1)
        loss = -vae.elbo(model, next(batches)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


class Benchmark(side_by_side.Benchmark):
    name, chapter, recipe = "vae", "03", rooms.recipe("vae")
    quality = "a test loss of {:.2f} nats"
    plain_steps = 10 * -(-60_000 // BATCH)
    published, rates = Plain(1e-3), (1e-3, 2e-3, 4e-3, 8e-3)
    tuned = None  # nobody has searched yet: the first run does, and stores what it finds
    every = 235, 20
    last_rung = "+ the residual model, 6e-3: the short recipe in fp32"

    def load(self, held_out: bool) -> None:
        self.images, self.judged = side_by_side.split(data.mnist("train").images, held_out)
        side_by_side.genuine(self, "mnist")

    def loss(self, model: nn.Module) -> Callable[[], float]:
        return lambda: -metrics.elbo(model, self.judged)

    def plain(self, plain: Plain, n_steps: int, *, fast: bool = False) -> side_by_side.Start:
        def start(seed: int) -> tuple[Iterator, Callable[[], float]]:
            drawn = train.batches(self.images, BATCH, n_steps, seed=seed, progress=False)
            model, batches = PlainVAE(), drawn if fast else PerItem(self.images).batches(BATCH)
            return fit(model, batches, plain, n_steps), self.loss(model)

        return start

    def ours(self, settings, bf16: bool, model: type[nn.Module] | None = None) -> side_by_side.Start:
        def start(seed: int) -> tuple[Iterator, Callable[[], float]]:
            built = self.recipe.build(settings, self.images)
            built, average = (plain := model(), optim.Average(plain, settings.decay)) if model else built
            autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
            steps = self.recipe.fit(built, average, settings, self.images, seed=seed, autocast=autocast)
            return steps, self.loss(average.model)

        return start

    def rungs(self) -> list[Contestant]:
        steps, timed = self.plain_steps, self.plain_steps // 10
        falling = replace(self.recipe.SHORT, n_steps=steps // 2, lr=4e-3, decay=0.0)
        averaged = replace(falling, decay=self.recipe.SHORT.decay)
        return [
            Contestant(
                "+ one tensor, no DataLoader", self.plain(self.published, steps, fast=True), timed, timed, steps
            ),
            Contestant("+ AdamW, 4e-3 falling, batches of 256", self.ours(falling, False, PlainVAE), steps // 2, 40),
            Contestant("+ averaged weights", self.ours(averaged, False, PlainVAE), steps // 2, 40),
        ]

    def figures(self, result: dict) -> dict:
        return {"target_grey_loss": round(result["targets"]["published"], 2)}  # what page 03 reads


if __name__ == "__main__":
    side_by_side.main(Benchmark())
