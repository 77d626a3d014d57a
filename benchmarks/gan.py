"""Time to quality of notebook 05's GAN against the plain DCGAN recipe that learners usually copy.

    python benchmarks/gan.py --save        # three repeats on one core, about 30 minutes
    python benchmarks/gan.py --update      # chapter 05's receipt changed: recompute what depends on it

Plain: images resized to 32 × 32, one Python call per picture in a Dataset and a DataLoader; a generator that upsamples
to the nearest pixel and then convolves with 128 channels; four strided convolutions with dropout to one sigmoid; Adam
2e-4, batches of 64. The Fréchet distance that it has after 270 seconds of one core (10,000 images in the features of
the course's classifier, against the 10,000 test images) is the target. The steps from there to the chapter's recipe are
added one at a time, by default in the first repeat only. All recipes advance in turns, an eighth of their budget each,
so that a busy machine slows all of them alike; evaluation is not counted. Ratios count. The chapter's recipe has a
budget of its own here, a few hundred steps, and for so short a run twice the learning rate.

The plain recipe's images are brought back to 28 × 28 in three ways; the one that suits them best gives the target. The
exact inverse of the resizing costs nothing: training images that went the same way have the floor's distance. The usual
antialiased resizing blurs so much that theirs would be about 33 times the floor. The second recipe differs from the
first in speed alone, so its ratio is that of the times of a step.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import side_by_side
import torch
from PIL import Image
from side_by_side import finite, head, median, part, save
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from aigc_course import data, gan, metrics, receipts, train
from aigc_course.backstage import store
from aigc_course.plumbing import machine

RECEIPT = side_by_side.FOLDER / "gan.json"
PLAIN_EVALUATIONS = 1  # its generator takes as long for 10,000 images as for 25 steps of training
N_SAMPLES = 10_000
BATCH = 64

# The chapter's recipe, in one place.
LATENT, CHANNELS, HIDDEN = 32, 32, 256
LR, BETAS = 4e-3, (0.5, 0.9)
SHORT_LR = 8e-3  # where it falls at once, as the whole run is short
GAMMA, EVERY = 1.0, 8  # R1 penalty, each so many steps
DECAY = 0.96  # of the averaged generator: a shorter memory than the chapter's 0.995, since the run is short
LAST = 0.05  # the learning rate falls in a line to this part of itself


# --- the plain recipe ----------------------------------------------------------------------------------------


class PerItem(Dataset):
    """MNIST as image data sets are usually served: a Python call, a resized PIL image and a conversion per picture."""

    def __init__(self, images: Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        image = Image.fromarray(self.images[i].numpy()).resize((32, 32), Image.Resampling.BILINEAR)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(1, 32, 32)
        return pixels.float().div(255).sub(0.5).div(0.5)


# Resizing is linear in rows and in columns: this (28, 32) matrix undoes it, and its condition number is about 2.
UNDO = torch.linalg.pinv(F.interpolate(torch.eye(28)[:, None], size=32, mode="linear")[:, 0].T)
BACK: dict[str, Callable[[Tensor], Tensor]] = {
    "inverse": lambda x: UNDO @ x @ UNDO.T,
    "bicubic": lambda x: F.interpolate(x, size=28, mode="bicubic"),
    "bilinear, antialiased": lambda x: F.interpolate(x, size=28, mode="bilinear", antialias=True),
}


def to_28(x: Tensor, way: str) -> Tensor:
    """From (B, 1, 32, 32) in [-1, 1] back to (B, 1, 28, 28) grey values in [0, 1]."""
    return ((BACK[way](x) + 1) / 2).clamp(0, 1)


def plain_generator() -> nn.Module:
    """100 numbers to 128 maps of 8 × 8, twice upsampled and then convolved, to 32 × 32. Its epsilons of 0.8 are known
    from popular code, where a momentum may have been meant."""
    return nn.Sequential(
        nn.Linear(100, 128 * 8 * 8),
        nn.Unflatten(1, (128, 8, 8)),
        nn.BatchNorm2d(128),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 128, 3, padding=1),
        nn.BatchNorm2d(128, eps=0.8),
        nn.LeakyReLU(0.2),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 64, 3, padding=1),
        nn.BatchNorm2d(64, eps=0.8),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 1, 3, padding=1),
        nn.Tanh(),
    )


def plain_discriminator() -> nn.Module:
    layers: list[nn.Module] = []
    for n_in, n_out in ((1, 16), (16, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
        layers += [nn.BatchNorm2d(n_out, eps=0.8)] if n_in > 1 else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 2 * 2, 1), nn.Sigmoid(), nn.Flatten(0))


def plain_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


# --- a recipe ------------------------------------------------------------------------------------------------


def small_discriminator() -> nn.Module:
    """`gan.Discriminator` without its hidden layer."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((1, CHANNELS), (CHANNELS, 2 * CHANNELS)):
        layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(49 * 2 * CHANNELS, 1), nn.Flatten(0))


@dataclass
class Recipe:
    """One way to train: `advance` trains a share of the budget; seconds and distances are of training alone."""

    name: str
    seconds_budget: float = math.inf
    n_steps: int | None = None  # of an annealed recipe, which must know its end
    model: str = "chapter"
    per_item: bool = False
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    gamma: float = 0.0
    ema: bool = False
    bf16: bool = False
    seconds: float = 0.0
    done: int = 0
    stopped: bool = False
    skipped: bool = False
    distances: list[tuple[float, float]] = field(default_factory=list)  # (seconds, Fréchet distance)

    def start(self, seed: int, images: dict[str, Tensor]) -> None:
        torch.manual_seed(seed)
        if self.model == "plain":
            self.generator, self.discriminator = plain_generator(), plain_discriminator()
            self.generator.apply(plain_weights), self.discriminator.apply(plain_weights)
            self.latent_dim = 100
        else:
            self.generator = gan.Generator(LATENT, CHANNELS)
            chapter = self.model == "chapter"
            self.discriminator = gan.Discriminator(CHANNELS, HIDDEN) if chapter else small_discriminator()
            for model in (self.generator, self.discriminator):
                model.to(memory_format=torch.channels_last)
            self.latent_dim = LATENT
        self.average = train.EMA(self.generator, DECAY) if self.ema else None
        options = {"lr": self.lr, "betas": self.betas, "fused": self.model != "plain"}
        self.optimizers = [torch.optim.Adam(m.parameters(), **options) for m in (self.generator, self.discriminator)]
        tensor = images["32" if self.model == "plain" else "28"]
        self.batches = self._loader(images["uint8"]) if self.per_item else self._drawn(tensor, seed)
        self.step = self._plain_step if self.model == "plain" else self._step

    def _loader(self, images: Tensor) -> Iterator[Tensor]:
        loader = DataLoader(PerItem(images), batch_size=BATCH, shuffle=True)
        while True:
            yield from loader

    def _drawn(self, images: Tensor, seed: int) -> Iterator[Tensor]:
        return train.batches(images, BATCH, self.n_steps or 10**9, seed=seed, progress=False)

    def _plain_step(self, x: Tensor) -> None:
        """The generator first, then the discriminator with the same images."""
        real, generated = torch.ones(len(x)), torch.zeros(len(x))
        fake = self.generator(torch.randn(len(x), self.latent_dim))
        loss = F.binary_cross_entropy(self.discriminator(fake), real)
        self._update(0, loss)
        loss = F.binary_cross_entropy(self.discriminator(x), real)
        loss = loss + F.binary_cross_entropy(self.discriminator(fake.detach()), generated)
        self._update(1, loss / 2)

    def _step(self, x: Tensor) -> None:
        """The chapter's step: the discriminator first, both on logits."""
        x = gan.to_tanh(x)
        if self.n_steps:
            for optimizer in self.optimizers:
                optimizer.param_groups[0]["lr"] = self.lr * max(LAST, 1 - self.done / self.n_steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            fake = self.generator(torch.randn(len(x), self.latent_dim))  # serves both turns
            loss = gan.discriminator_loss(self.discriminator(x), self.discriminator(fake.detach()))
            if self.gamma and self.done % EVERY == 0:
                loss = loss + EVERY * self.gamma / 2 * gan.r1_penalty(self.discriminator, x)
        self._update(1, loss)
        self.discriminator.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = gan.generator_loss(self.discriminator(fake))
        self._update(0, loss)
        self.discriminator.requires_grad_(True)
        if self.average:
            self.average.update()

    def _update(self, which: int, loss: Tensor) -> None:
        self.optimizers[which].zero_grad()
        loss.backward()
        self.optimizers[which].step()

    def advance(self, share: float, distance: Callable[[Tensor], float] | None, stop_at: float) -> None:
        """Trains to a share of the budget, and evaluates off the clock; stops for good at a small distance."""
        if self.stopped:
            return
        began, before = time.perf_counter(), self.seconds
        while self.seconds < share * self.seconds_budget and self.done < share * (self.n_steps or math.inf):
            self.step(next(self.batches))
            self.done += 1
            self.seconds = before + time.perf_counter() - began
        if distance:
            self.distances.append((self.seconds, distance(self.sample())))
            self.stopped = self.distances[-1][1] <= stop_at

    @torch.no_grad()
    def sample(self) -> Tensor:
        """10,000 images: grey, of the averaged generator where there is one; (N, 1, 32, 32) in [-1, 1] of the plain."""
        if self.model != "plain":
            return gan.sample(self.average.model if self.average else self.generator, N_SAMPLES, seed=1)
        self.generator.eval()
        z = torch.randn(N_SAMPLES, self.latent_dim, generator=torch.Generator().manual_seed(1))
        x = torch.cat([self.generator(part) for part in z.split(250)])
        self.generator.train()
        return x

    def time_to(self, distance: float) -> float:
        """Seconds of training until the first evaluation at or below distance; infinity where it is never reached."""
        return side_by_side.time_to(self.distances, distance)


def recipes(seconds: float, rung_seconds: float, chapter_steps: int, bf16: bool) -> list[Recipe]:
    """The ladder, each rung on top of the one before it; the last is the chapter's.

    The third brings the chapter's generator and a discriminator of its size without dropout; with R1 comes Adam with
    betas (0.5, 0.9).
    """
    fast = {"lr": LR, "betas": BETAS, "gamma": GAMMA}
    whole = fast | {"ema": True, "n_steps": chapter_steps, "lr": SHORT_LR}
    return [
        Recipe("plain recipe", seconds, model="plain", per_item=True),
        Recipe("+ one tensor, no DataLoader", seconds / 10, model="plain"),
        Recipe("+ 28 × 28, strided convolutions", rung_seconds, model="small"),
        Recipe("+ a hidden layer in the discriminator", rung_seconds),
        Recipe("+ R1 penalty, twenty times the learning rate", rung_seconds, **fast),
        Recipe("+ averaged generator", rung_seconds, ema=True, **fast),
        Recipe("+ falling learning rate: the chapter in fp32", **whole),
        Recipe("+ bf16: the chapter" if bf16 else "the chapter again (bf16 is not fast here)", bf16=bf16, **whole),
    ]


FP32, CHAPTER = 6, 7  # their places in the ladder


# --- running -------------------------------------------------------------------------------------------------


class Judge:
    """Distances of images to the test images, in the features of the course's classifier."""

    def __init__(self):
        self.classifier = metrics.classifier()
        self.real = self.features(data.mnist("test").images)

    def features(self, x: Tensor) -> Tensor:
        return metrics.features(x, model=self.classifier)

    def fd(self, x: Tensor) -> float:
        return min(self.each_way(x).values())

    def each_way(self, x: Tensor) -> dict[str, float]:
        """The distance of grey images, or by name of images of 32 × 32 in [-1, 1] brought back in each way."""
        ways = {way: to_28(x, way) for way in BACK} if x.shape[-1] == 32 else {"": x}
        return {way: metrics.frechet_distance(self.features(grey), self.real) for way, grey in ways.items()}

    def kid(self, x: Tensor, way: str) -> float:
        x = to_28(x, way) if x.shape[-1] == 32 else x
        return metrics.kernel_distance(self.features(x), self.real)


def repeat(seed: int, args: argparse.Namespace, bf16: bool, images: dict, judge: Judge, expected: float) -> dict:
    """One repeat of all recipes in turns. expected: the target as far as known; a recipe stops well below it."""
    ladder = recipes(args.seconds, args.rung_seconds, args.chapter_steps, bf16)
    for i, recipe in enumerate(ladder):
        recipe.start(seed, images)
        recipe.skipped = seed >= args.ladder_repeats and i not in (0, FP32, CHAPTER)
    for turn in range(1, args.turns + 1):
        for i, recipe in enumerate(ladder):
            if recipe.skipped:
                continue
            due = turn % max(1, args.turns // PLAIN_EVALUATIONS) == 0 if i == 0 else i > 1
            stop_at = 0.8 * expected if i > 1 and not recipe.n_steps else -math.inf
            recipe.advance(turn / args.turns, judge.fd if due else None, stop_at)
    plain, drawn = ladder[0], ladder[0].sample()
    ways = judge.each_way(drawn)
    target, way = min(ways.values()), min(ways, key=ways.__getitem__)
    print("  plain recipe, by the way back: " + ", ".join(f"{name} {value:.1f}" for name, value in ways.items()))
    rows = []
    for i, recipe in enumerate(ladder):
        if recipe.skipped:
            rows.append({"name": recipe.name, "skipped": True})
            continue
        seconds = plain.seconds if i == 0 else recipe.time_to(target)
        if i == 1:
            seconds = recipe.seconds / recipe.done * plain.done
        row = {"name": recipe.name, "seconds": finite(seconds), "time_ratio": finite(seconds / plain.seconds)}
        row |= {"ms_per_step": 1000 * recipe.seconds / recipe.done, "steps": recipe.done, "trained": recipe.seconds}
        row["distances"] = [[round(s, 3), round(d, 3)] for s, d in recipe.distances]
        if i in (0, FP32, CHAPTER):
            row["kid"] = judge.kid(drawn if i == 0 else recipe.sample(), way)
        rows.append(row)
        ratio = f"1/{plain.seconds / seconds:5.1f}" if math.isfinite(seconds) else "not reached"
        reached = f"distance {recipe.distances[-1][1]:7.1f} after {recipe.seconds:.0f} s" if recipe.distances else ""
        print(f"  {recipe.name:44s} {ratio:11s}  {row['ms_per_step']:6.1f} ms a step  {reached}", flush=True)
    return {"seed": seed, "target": target, "way": way, "ways": ways, "rows": rows}


def chapter_ratio(profile: str, fd_plain: float) -> float | None:
    """Distance at the end of chapter 05 in a profile, the median of its stored receipt, over the plain recipe's."""
    try:
        return round(receipts.figures("05_dcgan", profile)["fd"] / fd_plain, 4)
    except FileNotFoundError:
        return None


def finish(result: dict) -> dict:
    """Adds what depends on chapter 05's receipts, and the README's lines."""
    result["fd_ratio"] = chapter_ratio("lesson", result["fd_plain"])
    result["fd_ratio_full"] = chapter_ratio("full", result["fd_plain"])

    line = (
        f"`benchmarks/gan.py`: chapter 05's recipe reaches the Fréchet distance that the plain DCGAN recipe has after "
        f"{result['seconds_plain']:.0f} s ({result['fd_plain']:.0f}; floor {result['fd_floor']:.2f}, through 32 × 32 "
        f"{result['fd_floor_32']:.2f}) in {part(result['time_ratio'])} of its training time, "
        f"{part(result['time_ratio_fp32'])} in fp32 (median of {result['repeats']} repeats, of which it got there in "
        f"{sum(run['rows'][CHAPTER]['time_ratio'] is not None for run in result['runs'])} and "
        f"{sum(run['rows'][FP32]['time_ratio'] is not None for run in result['runs'])}; {result['device']}, "
        f"{result['date']})."
    )
    for ratio, profile in ((result["fd_ratio"], "lesson"), (result["fd_ratio_full"], "full")):
        line += f" At the end of its `{profile}` the distance is {part(ratio)} of the plain recipe's." if ratio else ""
    return result | {"readme": [line]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=270, help="training time of the plain recipe")
    parser.add_argument("--ladder-repeats", type=int, default=1, help="repeats that run the steps in between too")
    parser.add_argument("--rung-seconds", type=float, default=30, help="at most, of each step between the two")
    parser.add_argument("--chapter-steps", type=int, default=240, help="budget of the chapter's recipe")
    parser.add_argument("--turns", type=int, default=8, help="and evaluations; an even number")
    parser.add_argument("--expected", type=float, help="plain distance, if known: others stop at 0.8 of it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="write benchmarks/gan.json")
    parser.add_argument("--update", action="store_true", help="only renew what depends on chapter 05's receipts")
    args = parser.parse_args()
    if args.update:
        return save(finish(receipts.read(RECEIPT)))
    torch.set_num_threads(args.threads)
    bf16 = machine.bf16_speedup() >= 1.3
    grey = data.mnist("train").images
    images = {"uint8": (grey[:, 0] * 255).round().to(torch.uint8), "28": grey}
    if data.standin_in_use():
        raise SystemExit("the benchmark needs the genuine MNIST (aigc-course fetch mnist)")
    per_item = PerItem(images["uint8"])
    images["32"] = torch.stack([per_item[i] for i in range(len(per_item))])
    judge = Judge()
    order = torch.randperm(len(images["28"]), generator=torch.Generator().manual_seed(0))[:N_SAMPLES]
    grey = grey[order]
    fd_floor, floors_32 = judge.fd(grey), judge.each_way(images["32"][order])
    print(f"floor {fd_floor:.3f}, through 32 × 32 " + ", ".join(f"{way} {fd:.3f}" for way, fd in floors_32.items()))
    runs: list[dict] = []
    for seed in range(args.repeats):
        print(f"repeat {seed}, {args.threads} threads, {'bf16' if bf16 else 'fp32'}", flush=True)
        expected = min((run["target"] for run in runs), default=args.expected or -math.inf)
        runs.append(repeat(seed, args, bf16, images, judge, expected))

    def medians(key: str, row: int, digits: int = 4) -> float | None:
        return median([run["rows"][row][key] for run in runs if not run["rows"][row].get("skipped")], digits)

    way = statistics.mode(run["way"] for run in runs)
    result = head("gan", args.threads, bf16, args.repeats) | {
        "seconds_plain": medians("seconds", 0, 1),
        "time_ratio": medians("time_ratio", CHAPTER),
        "time_ratio_fp32": medians("time_ratio", FP32),
        "fd_plain": round(statistics.median(run["target"] for run in runs), 3),
        "fd_floor": round(fd_floor, 3),
        "fd_floor_32": round(floors_32[way], 3),
        "way_back": way,
        "ways_back": {
            name: {"fd_plain": median([run["ways"][name] for run in runs], 3), "fd_floor_32": round(floors_32[name], 3)}
            for name in BACK
        },
        "kid_plain": medians("kid", 0, 5),
        "kid": medians("kid", CHAPTER, 5),
        "kid_floor": round(judge.kid(grey, way), 7),
        "kid_floor_32": round(judge.kid(images["32"][order], way), 7),
        "chapter_steps": args.chapter_steps,
        "ms_per_step_plain": medians("ms_per_step", 0, 1),
        "ms_per_step": medians("ms_per_step", CHAPTER, 1),
        "decomposition": [
            {
                "name": row["name"],
                "time_ratio": medians("time_ratio", i),
                "ms_per_step": medians("ms_per_step", i, 1),
                "repeats": args.repeats if i in (0, FP32, CHAPTER) else min(args.repeats, args.ladder_repeats),
            }
            for i, row in enumerate(runs[0]["rows"])
        ],
        "runs": store.tidy(runs),
    }
    result = finish(result)
    print(result["readme"][0])
    if args.save:
        save(result)


if __name__ == "__main__":
    main()
