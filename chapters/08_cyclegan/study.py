"""The study of 08_cyclegan: two tasks, with and without an identity loss, beside what needs no network.

Hei to kai, as on the page, and kai to song. A training half of the source is 1,500 characters: 200 of them, drawn anew
with each seed, are left out of training and judged; the page's 755 test characters are not touched. Retrieval is
among the 200. The CycleGAN is the page's recipe in half its steps, so that all fits in half an hour; the network that
is given pairs trains as long as the page's. The identity loss is |G(y) - y| + |F(x) - x| with half the cycle's
weight, as in Zhu et al. (2017), arXiv:1703.10593. All networks are given the source moved and scaled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aigc_course import cyclegan, data, gan, train
from aigc_course.plumbing import machine, rooms

SHORT = {"N_STEPS": 2, "N_PAIRS": 2}  # for `aigc-course study 08 --same`
N_STEPS, N_PAIRS = 1_000, 1_000  # the page's are 2,000 and 1,000
N_JUDGED, WEIGHTS = 200, {"CycleGAN": 0.0, "with an identity loss": 5.0}  # of the identity loss; the cycle's is 10
TASKS = {"hei to kai": ("hei", "kai"), "kai to song": ("kai", "song")}


def autocast() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=machine.fast_bf16())


def unpaired(recipe: Any, x: Tensor, y: Tensor, weight: float, seed: int) -> cyclegan.Translator:
    """The page's CycleGAN, by the recipe, with an identity loss of this weight. x, y: (N, 1, 32, 32)."""
    settings = replace(recipe.PAGE, n_steps=N_STEPS)
    torch.manual_seed(seed)
    model, average, judge = recipe.build(settings)

    def identity(real: Tensor, of: Tensor) -> Tensor:
        """What is in a typeface already is to stay as it is; like the recipe's cycle, a mean over both typefaces."""
        return weight * (model(real, of) - real).abs().mean()

    how = {"besides": identity if weight else None, "autocast": autocast(), "bf16": machine.fast_bf16()}
    for _ in recipe.fit(model, average, judge, settings, x, y, seed=seed, **how):
        pass
    return average.model


def paired(recipe: Any, x: Tensor, y: Tensor, seed: int) -> cyclegan.Translator:
    """The page's yardstick: the same network, given pairs (x, y), lowers the error itself."""
    settings = replace(recipe.PAGE, n_steps=N_PAIRS)
    torch.manual_seed(seed)
    model, average, _ = recipe.build(settings)
    both = cyclegan.optimizers(model, settings.lr, settings.lr_kernels, bf16=machine.fast_bf16())
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in both]
    pairs = train.batches(torch.cat([x, y], dim=1), 2 * settings.batch_size, N_PAIRS, seed=seed, progress=False)
    for step, batch in enumerate(pairs):
        for optimizer, peak in zip(both, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * recipe.rate(step, settings)
        source, truth = cyclegan.shifted(batch).split(1, dim=1)
        with autocast():
            loss = (model(source, 1.0) - truth).abs().mean()
        cyclegan.descend(both, loss)
        average.update()
    return average.model


def run(seeds: list[int]) -> dict[str, Any]:
    """{"device", "rows" of task, variant, seed, error (mean absolute, greys from 0 to 1), retrieval (recall@1)}."""
    recipe, rows = rooms.recipe("cyclegan"), []

    def judged(task: str, variant: str, seed: int, guess: Tensor, truth: Tensor) -> None:
        error, found = cyclegan.score(guess, gan.to_grey(truth))
        rows.append({"task": task, "variant": variant, "seed": seed, "error": error, "retrieval": found})
        print(rows[-1], flush=True)

    for seed in seeds:
        for task, names in TASKS.items():
            source, wanted = (gan.to_tanh(data.hanzi(name, device="cpu").images) for name in names)
            half, other, _ = recipe.halves(len(source))
            mixed = half[torch.randperm(len(half), generator=torch.Generator().manual_seed(seed))]
            held, seen = mixed[:N_JUDGED], mixed[N_JUDGED:]
            truth, y = wanted[held], wanted[other]
            judged(task, "as it is", seed, gan.to_grey(source[held]), truth)
            source = cyclegan.fitted(source, source[seen], y)
            x, test, grey = source[seen], source[held], gan.to_grey(source[held])
            judged(task, "moved and scaled", seed, grey, truth)
            paler = min(1.0, ((y + 1).mean() / (x + 1).mean()).item())  # the mean ink of y; no pair says it
            judged(task, "scaled and softer", seed, paler * F.avg_pool2d(grey, 3, 1, 1), truth)
            models = {name: unpaired(recipe, x, y, w, seed) for name, w in WEIGHTS.items()}
            models["given pairs"] = paired(recipe, x, wanted[seen], seed)
            for variant, model in models.items():
                with train.evaluating(model, autocast()), torch.no_grad():
                    judged(task, variant, seed, gan.to_grey(model(test, 1.0)), truth)
    n = torch.get_num_threads()
    return {"device": f"cpu, {n} thread{'s' * (n > 1)}", "rows": rows}
