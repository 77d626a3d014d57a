"""What the benchmarks share: recipes that train in turns, when each reached a quality, ratios, tuning, the receipt.

A plain recipe, as it is published and with its rate and schedule tuned on held-out training data, sets two qualities:
the figure that each has at its end. The page's own recipe and a short one, both of recipes/, are trained until they
first reach the better of the two. A ratio is the time to a quality over that of the plain recipe which set it.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from aigc_course import data, receipts
from aigc_course.backstage import store
from aigc_course.plumbing import machine

FOLDER = Path(__file__).resolve().parent
TURN = 2.0  # seconds of training, after which another recipe has its turn
APART = 1.05  # looks lie a recipe's `every` steps apart, later each 5 % after the last: ratios are as exact as that
PUBLISHED, TUNED = "the plain recipe, as published", "the plain recipe, tuned"
RATIOS = [f"{ours}/{plain}" for ours in ("page", "short") for plain in ("published", "tuned")]


@dataclass(frozen=True)
class Plain:
    """What is tuned of a plain recipe: its (peak) rate, and whether that falls to zero or goes as published."""

    lr: float
    to_zero: bool = False

    def __str__(self) -> str:
        return f"rate {self.lr:g}, {'falling to zero' if self.to_zero else 'schedule as published'}"


Start = Callable[[int], tuple[Iterator, Callable[[], float]]]


@dataclass
class Contestant:
    """One way to train, with random numbers of its own, so that the order of turns changes nothing.

    start: of a seed, gives the training as an iterator of steps, and what measures it now (smaller is better). every:
    steps between looks. whole: above 0 for a recipe that changes only how long a step of the plain one takes: n_steps
    of it are timed, not judged, and it needs `whole` of them for the plain recipe's quality.
    """

    name: str
    start: Start
    n_steps: int
    every: int
    whole: int = 0
    seconds: float = 0.0  # of training alone
    done: int = 0
    points: list[tuple[float, float, int]] = field(default_factory=list)  # (seconds, figure, steps)

    def begin(self, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.steps, self.figure = self.start(seed)
            self.random = torch.get_rng_state()
        self.look = min(self.every, self.n_steps)

    def advance(self) -> None:
        """Trains for one turn at most, up to the next look, and looks off the clock."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.random)
            began = time.perf_counter()
            while self.done < self.look and time.perf_counter() - began < TURN:
                next(self.steps)
                self.done += 1
            self.seconds += time.perf_counter() - began
            if self.done == self.look and not self.whole:
                self.points.append((self.seconds, self.figure(), self.done))
            if self.done == self.look:
                self.look = min(self.n_steps, max(self.look + self.every, int(APART * self.look)))
            self.random = torch.get_rng_state()

    def over(self, goal: float) -> bool:
        return self.done >= self.n_steps or self.time_to(goal) < math.inf

    def time_to(self, target: float) -> float:
        """Seconds of training until the first look at or below target; infinity where it is never reached."""
        if self.whole:
            return self.seconds / max(1, self.done) * self.whole if self.done >= self.n_steps else math.inf
        return next((seconds for seconds, reached, _ in self.points if reached <= target), math.inf)


def race(contestants: list[Contestant], seed: int, guess: float = -math.inf) -> dict:
    """One repeat. The first two are the plain recipes; whoever has trained least has the next turn.

    guess: until the plain recipes are done, the others pause at this quality; then they go on to the one to beat.
    """
    for one in contestants:
        one.begin(seed)
    plain = contestants[:2]
    while True:
        over = all(one.done >= one.n_steps for one in plain)
        goal = min(one.points[-1][1] for one in plain) if over else guess
        running = [one for one in contestants if not one.over(-math.inf if one in plain or one.whole else goal)]
        if not running:
            break
        min(running, key=lambda one: one.seconds).advance()
    targets = {name: one.points[-1][1] for name, one in zip(("published", "tuned"), plain, strict=True)}
    whole = {name: one.time_to(targets[name]) for name, one in zip(targets, plain, strict=True)}
    rows = []
    for one in contestants:
        against = ["published"] if one.whole else list(targets)  # what is only timed has the published one's quality
        ratios = {name: finite(one.time_to(targets[name]) / whole[name]) for name in against}
        rows.append({"name": one.name, "seconds": one.seconds, "steps": one.done, "ratios": ratios})
        rows[-1]["looks"] = [list(point) for point in one.points]
        said = ", ".join(f"{part(ratio)} against {name}" for name, ratio in ratios.items())
        reached = f"{one.points[-1][1]:.3f} after " if one.points else ""
        print(f"  {one.name:56s} {reached}{one.done:,} steps, {one.seconds:.1f} s: {said}", flush=True)
    return {"seed": seed, "targets": targets, "seconds": whole, "rows": rows}


class Benchmark:
    """What a benchmark brings; `main` does the rest."""

    name: str  # of the receipt
    chapter: str
    recipe: ModuleType  # of recipes/
    quality: str  # a format of one figure, such as "a loss of {:.2f} nats"
    plain_steps: int
    published: Plain
    tuned: Plain | None  # None: what --tune finds
    rates: tuple[float, ...]  # that --tune tries
    every: tuple[int, int]  # steps between looks at the plain recipes, and at the others
    last_rung: str  # what the short recipe in fp32 changes of the last rung
    tried_as = "fp32"  # how --tune trains the plain recipe
    near = math.inf  # a figure that is above this for sure need not be exact: a cheaper look will do
    far = 2.0  # that limit over the best figure on held-out data

    def load(self, held_out: bool) -> None:
        """Gets the data; held_out: a part of the training data is judged on instead of the test data."""
        raise NotImplementedError

    def plain(self, plain: Plain, n_steps: int, *, fast: bool = False) -> Start:
        """The plain recipe; fast: its batches come by one index into a tensor."""
        raise NotImplementedError

    def tried(self, plain: Plain, n_steps: int) -> Start:
        """The plain recipe as --tune trains it, whose time does not count: `tried_as` says how."""
        return self.plain(plain, n_steps, fast=True)

    def ours(self, settings: Any, bf16: bool) -> Start:
        """A recipe of recipes/, with its settings."""
        raise NotImplementedError

    def rungs(self) -> list[Contestant]:
        """The steps from the plain recipe, as published, to the short one in fp32; names say what changes, with a +."""
        raise NotImplementedError

    def figures(self, result: dict) -> dict:
        """What else the receipt holds, of the result so far."""
        return {}

    def remark(self, result: dict) -> str:
        """A sentence more for the README, with a space before it."""
        return ""


def contestants(bench: Benchmark, tuned: Plain, bf16: bool, at_most: int) -> list[Contestant]:
    """The plain recipes, the rungs, then the short and the page's recipe in fp32 and where it is fast in bf16."""
    steps, (plain_every, every) = min(bench.plain_steps, at_most), bench.every
    found = [
        Contestant(name, bench.plain(plain, steps), steps, plain_every)
        for name, plain in ((PUBLISHED, bench.published), (TUNED, tuned))
    ]
    found += [replace(one, n_steps=min(one.n_steps, at_most)) for one in bench.rungs()]
    for precision in ("fp32", "bf16") if bf16 else ("fp32",):
        for name in ("short", "page"):
            settings = getattr(bench.recipe, name.upper())
            start = bench.ours(settings, precision == "bf16")
            found.append(Contestant(f"{name} {precision}", start, min(settings.n_steps, at_most), every))
    return found


def tune(bench: Benchmark, at_most: int, before: list[dict]) -> dict:
    """Each rate with each schedule, trained once for the whole budget, judged on held-out training data.

    Where the best rate is the highest one tried, twice that rate is tried too, and so on. before: rows of an earlier
    search, which are kept and not trained again.
    """
    known = {Plain(row["lr"], row["to_zero"]): row["held_out"] for row in before}
    bench.load(held_out=True)
    n_steps, tried, rates = min(bench.plain_steps, at_most), [], list(bench.rates)
    for lr in rates:
        for plain in (Plain(lr), Plain(lr, to_zero=True)):
            if plain not in known:
                one = Contestant(str(plain), bench.tried(plain, n_steps), n_steps, n_steps)
                one.begin(seed=0)
                while not one.over(-math.inf):
                    one.advance()
                known[plain] = finite(one.points[-1][1])
                print(f"  {plain}: {one.points[-1][1]:.4f} on held-out training data", flush=True)
            tried.append(asdict(plain) | {"held_out": known[plain]})
        best = min((row for row in tried if row["held_out"] is not None), key=lambda row: row["held_out"])
        if lr == rates[-1] == best["lr"] and not bench.trial:
            rates.append(2 * lr)
    chosen = {name: best[name] for name in ("lr", "to_zero")}
    return {"date": date.today().isoformat(), "as": bench.tried_as, "tried": tried, "chosen": chosen}


def measure(bench: Benchmark, tuning: dict, threads: int, repeats: int, at_most: int) -> dict:
    """All repeats, and their medians."""
    bf16 = machine.fast_bf16()
    bench.load(held_out=False)
    held_out = [row["held_out"] for row in tuning["tried"] if row["held_out"] is not None]
    guess = 0.95 * min(held_out) if held_out else -math.inf  # below what is to be beaten on test data, most likely
    bench.near = bench.far * min(held_out) if held_out else math.inf
    runs = []
    for seed in range(repeats):
        print(f"repeat {seed}, {threads} threads", flush=True)
        runs.append(race(contestants(bench, Plain(**tuning["chosen"]), bf16, at_most), seed, guess))
    rows = {row["name"]: [run["rows"][i] for run in runs] for i, row in enumerate(runs[0]["rows"])}

    def ratio(name: str, against: str) -> float | None:
        return median([row["ratios"][against] for row in rows[name]], 4)

    precisions = ("bf16", "fp32") if bf16 else ("fp32",)
    pairs = {pair: pair.split("/") for pair in RATIOS}
    ladder = [name for name in rows if name == PUBLISHED or name[0] == "+"]
    names = {name: name for name in ladder} | {"short fp32": bench.last_rung}
    names |= {"short bf16": "+ bf16"} if bf16 else {}
    recipes = {name: asdict(getattr(bench.recipe, name.upper())) for name in ("page", "short")}
    result = {
        "benchmark": bench.name,
        "date": date.today().isoformat(),
        "device": f"cpu, {threads} thread{'s' * (threads > 1)}, {precisions[0]}",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "repeats": repeats,
        "targets": {name: median([run["targets"][name] for run in runs], 4) for name in ("published", "tuned")},
        "seconds_plain": median([run["seconds"]["published"] for run in runs], 1),
        "ratios": {p: {pair: ratio(f"{a} {p}", b) for pair, (a, b) in pairs.items()} for p in precisions},
        "decomposition": [{"name": said, "time_ratio": ratio(name, "published")} for name, said in names.items()],
        "tuning": tuning,
        "settings": {"plain": asdict(bench.published)} | recipes,
    }
    result |= bench.figures(result) | {"runs": store.tidy(runs)}
    return result | {"readme": words(bench, result)}


def words(bench: Benchmark, result: dict) -> list[str]:
    """The README's lines, of a receipt's numbers alone."""
    times = [(step, step["time_ratio"] or math.inf) for step in result["decomposition"]]
    slower = [b for (_, before), (b, now) in pairwise(times) if b["name"][0] == "+" and now > before]
    names = "; ".join(step["name"] + " (not there in its steps)" * (step["time_ratio"] is None) for step in slower)
    slow = f" Steps on the way that made it slower: {names}." if slower else ""
    page, short = result["settings"]["page"], result["settings"]["short"]
    changed = ", ".join(f"{name} {value} for {page[name]}" for name, value in short.items() if value != page[name])
    ends = [bench.quality.format(result["targets"][name]) for name in ("published", "tuned")]
    line = f"`benchmarks/{bench.name}.py`: the plain recipe as published ends at {ends[0]}, and tuned on held-out data "
    line += f"({Plain(**result['tuning']['chosen'])}) at {ends[1]}."
    for precision, ratios in result["ratios"].items():
        parts = {pair: part(ratio) for pair, ratio in ratios.items()}
        line += f" Time to the same quality over theirs, in {precision}: chapter {bench.chapter}'s own recipe "
        line += f"{parts['page/published']} and {parts['page/tuned']}; a short recipe, not the page's, "
        line += f"{parts['short/published']} and {parts['short/tuned']}."
    line += bench.remark(result)
    line += f" (Medians of {result['repeats']}, {result['device']}, {result['date']}. The short recipe: {changed}.)"
    return [line + slow]


def main(bench: Benchmark, argv: list[str] | None = None) -> dict | None:
    """The command line of a benchmark; gives the result, or None where nothing is measured."""
    parser = argparse.ArgumentParser(description=f"Time to quality: chapter {bench.chapter} against a plain recipe.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--save", action="store_true", help=f"write benchmarks/{bench.name}.json")
    parser.add_argument(
        "--tune", action="store_true", help="only search the plain recipe's rate and schedule; store it"
    )
    parser.add_argument("--further", action="store_true", help="with --tune: keep the rows of the stored search")
    parser.add_argument("--words", action="store_true", help="only write the README's lines of the receipt anew")
    parser.add_argument("--trial", type=int, help=argparse.SUPPRESS)  # steps at most, for tests; stand-ins are allowed
    args = parser.parse_args(argv)
    if args.trial and args.save:
        parser.error("a trial is not saved")
    path = FOLDER / f"{bench.name}.json"
    stored = receipts.read(path) if path.is_file() else {}
    if args.words:
        return save(stored | {"readme": words(bench, stored)})
    torch.set_num_threads(args.threads)
    at_most = args.trial or 10**9
    bench.trial = bool(args.trial)
    known = stored.get("tuning") or bench.tuned and {"date": None, "tried": [], "chosen": asdict(bench.tuned)}
    tuning = (
        known if known and not args.tune else tune(bench, at_most, known["tried"] if known and args.further else [])
    )
    if args.tune:
        return {"tuning": tuning} if args.trial else save(stored | {"benchmark": bench.name, "tuning": tuning})
    result = measure(bench, tuning, args.threads, args.repeats, at_most)
    print(*result["readme"], sep="\n")
    if args.save:
        save(result)
    return result


def save(result: dict) -> None:
    """Writes benchmarks/<name>.json."""
    path = FOLDER / f"{result['benchmark']}.json"
    store.write_text(path, json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    print("Written:", path.name)


def finite(value: float) -> float | None:
    """value, or None for what JSON has no number for."""
    return value if math.isfinite(value) else None


def median(values: list[float | None], digits: int) -> float | None:
    """The median, where what was never reached counts as infinite; None where it is."""
    found = finite(statistics.median(math.inf if value is None else value for value in values))
    return found if found is None else round(found, digits)


def part(ratio: float | None) -> str:
    """A ratio as it is read: 0.05 is "1/20.0", 1.5 is "1.5"; None is "not reached"."""
    return "not reached" if ratio is None else f"1/{1 / ratio:.1f}" if ratio < 1 else f"{ratio:.1f}"


def genuine(bench: Benchmark, name: str) -> None:
    """Ends the benchmark where stand-ins have come in place of the data, unless it is a trial."""
    if data.standin_in_use() and not bench.trial:
        raise SystemExit(f"the benchmark needs the genuine data (aigc-course fetch {name})")


def split(images: Tensor, held_out: bool) -> tuple[Tensor, Tensor]:
    """What is trained on and what is judged on: MNIST's training and test images, or of the former 5,000 at random.

    Its last 5,000 would not do: the order of MNIST is not a random one.
    """
    if not held_out:
        return images, data.mnist("test").images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    n = min(5000, len(images) // 5)
    return images[order[n:]], images[order[:n]]


class PerItem(Dataset):
    """Images as data sets are usually served: a Python call, a PIL image and a conversion for each, in [0, 1]."""

    def __init__(self, images: Tensor, size: int = 28):
        self.images, self.size = images[:, 0].mul(255).round().byte(), size  # (N, 28, 28), as MNIST's files hold them

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        image = Image.fromarray(self.images[i].numpy())
        if image.width != self.size:
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        return pixels.view(1, self.size, self.size).float().div(255)

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """Pass after pass, through a DataLoader."""
        loader = DataLoader(self, batch_size=batch_size, shuffle=True)
        while True:
            yield from loader
