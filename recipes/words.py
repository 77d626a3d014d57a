"""The skip-gram vectors of page 02b in one file: settings, training, how far the loss is from its least.

    python recipes/words.py --seed 0        # the page's recipe: seconds on one core
    python recipes/words.py --penalty 0     # every setting is a flag

Counts and losses are `aigc_course.words`, which page 02b builds in view. `PAGE` is what that page trains, though on all
messages where the page leaves out a tenth; `SHORT` gives up quality for time.

Sources: Mikolov et al. (2013), arXiv:1310.4546; Levy & Goldberg (2014), NeurIPS.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from aigc_course import data, train, words
from aigc_course.runtime import setup


@dataclass(frozen=True)
class Settings:
    dim: int = 100  # of a word's vector
    k: float = 5.0  # negatives for each pair
    alpha: float = 0.75  # negatives are drawn from the counts of contexts to this power
    penalty: float = 0.02  # times the mean squared length of a vector
    n_steps: int = 600
    batch_size: int = 128  # words a step, each with all its contexts
    lr: float = 0.03  # of Adam, at first: it falls in a line to zero
    window: int = 2  # words to either side
    at_least: int = 5  # rarer words have no vector


PAGE = Settings()
SHORT = replace(PAGE, n_steps=60)


def build(settings: Settings, counts: Tensor) -> words.SkipGram:
    """The untrained vectors for counts (V, V)."""
    return words.SkipGram(len(counts), settings.dim).to(counts.device)


def fit(
    model: words.SkipGram, settings: Settings, counts: Tensor, *, seed: int = 0, progress: bool = False
) -> Iterator[Tensor]:
    """Trains the vectors step by step: yields each step's estimate of the loss, in nats a pair. counts: (V, V)."""
    V, (seen, drawn) = len(counts), words.real_and_drawn(counts, settings.k, settings.alpha)
    optimizer = torch.optim.Adam(model.parameters(), settings.lr)
    rows, sizes = torch.arange(V, device=counts.device), (min(settings.batch_size, V), settings.n_steps)
    batches = train.batches(rows, *sizes, seed=seed, progress=progress)
    for step, i in enumerate(batches):
        scores = model(i)
        loss = -V / len(i) * (seen[i] * F.logsigmoid(scores) + drawn[i] * F.logsigmoid(-scores)).sum()
        lengths = model.words(i).square().sum() / len(i) + model.contexts.weight.square().sum() / V
        optimizer.param_groups[0]["lr"] = settings.lr * (1 - step / settings.n_steps)
        optimizer.zero_grad()
        (loss + settings.penalty * lengths).backward()
        optimizer.step()
        yield loss.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="begin from SHORT instead of PAGE")
    for field in fields(Settings):
        parser.add_argument(f"--{field.name.replace('_', '-')}", default=None, type=type(field.default))
    args = parser.parse_args()
    given = {f.name: value for f in fields(Settings) if (value := getattr(args, f.name)) is not None}
    settings = replace(SHORT if args.short else PAGE, **given)
    run = setup(args.seed)
    print(settings)
    texts = [words.split(record["text"]) for record in data.banking77("train")]
    place = words.vocabulary(texts, settings.at_least)
    counts = words.cooccurrence(texts, place, settings.window).to(run.device)
    torch.manual_seed(run.seed)
    model = build(settings, counts)
    for _ in fit(model, settings, counts, seed=run.seed, progress=True):
        pass
    with torch.no_grad():
        loss = words.sgns_loss(model(torch.arange(len(place), device=run.device)), counts, settings.k, settings.alpha)
    least = words.least_loss(counts, settings.k, settings.alpha)
    print(f"{len(place):,} words, loss {loss:.3f} nats a pair, the least is {least:.3f}")


if __name__ == "__main__":
    main()
