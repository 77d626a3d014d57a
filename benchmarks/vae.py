"""Time to quality of notebook 03's VAE against the plain recipe that learners usually write.

    python benchmarks/vae.py --save        # three repeats on all cores, about 20 minutes on two

Plain: two linear layers of 400 units, 20 latent dimensions, Adam 1e-3, batches of 128, ten epochs, one Python call per
picture in a Dataset and a DataLoader. Its loss after ten epochs (grey values, one draw, 10,000 test pictures) is the
target. The steps from there to the chapter's recipe are added one at a time. All recipes advance in turns, a twentieth
of their budget each, so that a busy machine slows all of them alike; evaluation is not counted. Ratios count.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import side_by_side
import torch
from PIL import Image
from side_by_side import head, part, save
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from aigc_course import data, metrics, train, vae
from aigc_course.plumbing import machine

EVALUATIONS = 20  # of each recipe within its budget


class PlainVAE(nn.Module):
    """The much-copied VAE of two layers: 784-400-(20, 20) and 20-400-784."""

    def __init__(self):
        super().__init__()
        self.latent_dim = 20
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
        self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28)))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.encoder(x).float().chunk(2, dim=1)
        return mu, log_var

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)


class PerItem(Dataset):
    """MNIST as image data sets are usually served: one Python call, one PIL image and one conversion per picture."""

    def __init__(self, split: str):
        images, self.labels, _ = data.mnist(split)
        self.images = (images[:, 0] * 255).round().to(torch.uint8)  # (N, 28, 28), as its files hold them

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images[i].numpy())
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(1, image.height, image.width)
        return pixels.float().div(255), int(self.labels[i])


@dataclass
class Recipe:
    """One way to train: `advance` trains a share of the budget; seconds and losses are of training alone."""

    name: str
    batch_size: int
    n_steps: int
    model: str = "plain"
    per_item: bool = False
    bf16: bool = False
    one_cycle: bool = False
    lr: float = 1e-3
    seconds: float = 0.0
    done: int = 0
    losses: list[tuple[float, float]] = field(default_factory=list)  # (seconds, test loss)

    def start(self, seed: int, images: Tensor, test: Tensor) -> None:
        torch.manual_seed(seed)
        self.test = test
        self.net = PlainVAE() if self.model == "plain" else vae.VAE(20, width=256, mean=images.mean(dim=0))
        if self.one_cycle:
            self.optimizer = torch.optim.AdamW(
                self.net.parameters(), lr=self.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True
            )
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, self.lr, self.n_steps, pct_start=0.3)
        else:
            self.optimizer, self.schedule = torch.optim.Adam(self.net.parameters(), lr=self.lr), None
        self.batches = (
            self._per_item()
            if self.per_item
            else train.batches(images, self.batch_size, self.n_steps, seed=seed, progress=False)
        )

    def _per_item(self) -> Iterator[Tensor]:
        loader = DataLoader(PerItem("train"), batch_size=self.batch_size, shuffle=True)
        while True:
            for x, _ in loader:
                yield x

    def advance(self) -> None:
        """Trains to the next evaluation, and evaluates off the clock."""
        target = self.n_steps * (len(self.losses) + 1) // EVALUATIONS
        self.net.train()
        began = time.perf_counter()
        while self.done < target:
            x = next(self.batches)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                loss = -vae.elbo(self.net, x).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if self.schedule:
                self.schedule.step()
            self.done += 1
        self.seconds += time.perf_counter() - began
        self.losses.append((self.seconds, -metrics.elbo(self.net, self.test)))

    def time_to(self, loss: float) -> float:
        """Seconds of training until the first evaluation at or below loss; infinity where it is never reached."""
        return side_by_side.time_to(self.losses, loss)

    @property
    def images_per_s(self) -> float:
        return self.done * self.batch_size / self.seconds


def recipes(epochs: int, n_train: int, bf16: bool, chapter_steps: int) -> list[Recipe]:
    """The ladder: each differs from the one before it in what its name says; the last is the chapter's in fp32."""
    steps = epochs * -(-n_train // 128)
    fast = {"batch_size": 256, "n_steps": chapter_steps, "one_cycle": True, "lr": 8e-3}
    return [
        Recipe("plain recipe", 128, steps, per_item=True),
        Recipe("+ one tensor, no DataLoader", 128, steps),
        Recipe("+ bf16" if bf16 else "+ bf16 (not fast on this machine)", 128, steps, bf16=bf16),
        Recipe("+ one-cycle AdamW, batch 256", 256, steps // 2, bf16=bf16, one_cycle=True, lr=4e-3),
        Recipe("+ residual model: the chapter", model="residual", bf16=bf16, **fast),
        Recipe("the chapter in fp32", model="residual", **fast),
    ]


def repeat(seed: int, args: argparse.Namespace, bf16: bool, images: Tensor, test: Tensor) -> dict:
    """One repeat of all recipes in turns."""
    ladder = recipes(args.epochs, len(images), bf16, args.chapter_steps)
    for recipe in ladder:
        recipe.start(seed, images, test)
    for _ in range(EVALUATIONS):
        for recipe in ladder:
            recipe.advance()
    plain, chapter = ladder[0], ladder[4]
    target = plain.losses[-1][1]
    rows = [
        {
            "name": recipe.name,
            "seconds": recipe.time_to(target),
            "time_ratio": recipe.time_to(target) / plain.seconds,
            "final_loss": recipe.losses[-1][1],
            "images_per_s": recipe.images_per_s,
        }
        for recipe in ladder
    ]
    n_steps = int(plain.seconds / chapter.seconds * chapter.n_steps)  # what fits into the plain recipe's time
    equal = Recipe("equal time", 256, n_steps, "residual", bf16=bf16, one_cycle=True, lr=4e-3)
    equal.start(seed, images, test)
    while equal.done < equal.n_steps and equal.seconds < plain.seconds:
        equal.advance()
    for row in rows:
        print(
            f"  {row['name']:36s} {row['seconds']:7.1f} s   1/{1 / row['time_ratio']:5.1f}   "
            f"loss {row['final_loss']:6.2f}   {row['images_per_s']:9,.0f} images/s"
        )
    print(
        f"  after the plain recipe's {plain.seconds:.0f} s of training: plain {target:.2f}, "
        f"chapter {equal.losses[-1][1]:.2f}",
        flush=True,
    )
    return {
        "seed": seed,
        "target": target,
        "rows": rows,
        "loss_at_equal_time": equal.losses[-1][1],
        "equal_seconds": equal.seconds,
    }


def peak(which: str) -> float:
    """Peak memory of a fresh process that trains a recipe for 100 steps, in GB."""
    done = subprocess.run([sys.executable, __file__, "--peak", which], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10, help="of the plain recipe")
    parser.add_argument("--chapter-steps", type=int, default=420, help="budget of the chapter's recipe")
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--save", action="store_true", help="write benchmarks/vae.json")
    parser.add_argument("--peak", choices=["plain", "chapter"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bf16 = machine.bf16_speedup() >= 1.3
    if args.peak:
        images, test = (
            (Tensor(), torch.rand(10, 1, 28, 28))
            if args.peak == "plain"
            else (data.mnist("train").images, torch.rand(10, 1, 28, 28))
        )
        recipe = recipes(1, 60_000, bf16, 100)[0 if args.peak == "plain" else 4]
        recipe.start(0, images, test)
        recipe.n_steps = 100
        for _ in range(EVALUATIONS):
            recipe.advance()
        print(machine.peak_gb())
        return
    images, test = (data.mnist(split).images for split in ("train", "test"))
    if data.standin_in_use():
        raise SystemExit("the benchmark needs the genuine MNIST (aigc-course fetch mnist)")
    memory = {which: peak(which) for which in ("plain", "chapter")}
    runs = []
    for seed in range(args.repeats):
        print(f"repeat {seed}, {args.threads} threads", flush=True)
        runs.append(repeat(seed, args, bf16, images, test))

    def median(key: str, row: int) -> float | None:
        return side_by_side.median([run["rows"][row][key] for run in runs], 4)

    result = head("vae", args.threads, bf16, args.repeats) | {
        "target_grey_loss": round(statistics.median(run["target"] for run in runs), 2),
        "seconds_plain": median("seconds", 0),
        "time_ratio": median("time_ratio", 4),
        "time_ratio_fp32": median("time_ratio", 5),
        "decomposition": [
            {"name": runs[0]["rows"][i]["name"], "time_ratio": median("time_ratio", i)} for i in range(6)
        ],
        "images_per_s": median("images_per_s", 4),
        "images_per_s_plain": median("images_per_s", 0),
        "loss_at_equal_time": round(statistics.median(run["loss_at_equal_time"] for run in runs), 2),
        "peak_gb": round(memory["chapter"], 2),
        "peak_gb_plain": round(memory["plain"], 2),
        "runs": runs,
    }
    result["readme"] = [
        f"`benchmarks/vae.py`: chapter 03 reaches the plain recipe's test loss ({result['target_grey_loss']} nats) in "
        f"{part(result['time_ratio'])} of its training time, {part(result['time_ratio_fp32'])} in fp32 "
        f"(median of {args.repeats}, {result['device']}, {result['date']})."
    ]
    print(
        f"time to {result['target_grey_loss']} nats: {part(result['time_ratio'])} of the plain recipe's "
        f"(fp32: {part(result['time_ratio_fp32'])})"
    )
    print(
        f"loss at equal time: {result['loss_at_equal_time']}; "
        f"peak memory {memory['chapter']:.2f} GB, plain {memory['plain']:.2f} GB"
    )
    if args.save:
        save(result)


if __name__ == "__main__":
    main()
