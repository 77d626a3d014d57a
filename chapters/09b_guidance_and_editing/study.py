"""The study of 09b_guidance_and_editing: few steps, with and without a teacher.

A network of page 09's recipe, at the levels of page 09b and with as many steps, walks in 10, 4, 2 and 1 evaluations;
then students, taught by it, in 4, 2 and 1: the four-step student learns from three steps of the teacher for each of
its own, the two-step student from two of the four-step one, the one-step student from two of the two-step one. All see
55,000 training digits and are judged by the Fréchet distance of N_JUDGED samples to the 5,000 held-out ones.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from aigc_course import data, diffusion, guidance, metrics, optim, train
from aigc_course.plumbing import machine, rooms

SHORT = {"N_TEACHER": 2, "N_STUDENT": {4: 2, 2: 1, 1: 1}, "N_JUDGED": 60}  # for `aigc-course study 09b --same`
N_TEACHER, N_STUDENT = 3_000, {4: 1_200, 2: 600, 1: 600}  # steps of training
N_JUDGED, PEAKS = 5_000, (5e-3, 2e-3)  # samples and held-out images; rates of the students' kernels and of the rest
TANGENTS = {4: (4.0, 1.4, 0.4), 2: (1.4,), 1: ()}  # of the angles between pi/2 and 0


def angles(n: int) -> list[float]:
    """Those of n steps."""
    return [math.pi / 2, *map(math.atan, TANGENTS[n]), 0.0]


def autocast() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=machine.fast_bf16())


def taught(teacher: diffusion.UNet, way: Sequence[float], n: int, n_steps: int, x: Tensor, y: Tensor, seed: int):
    """A copy of the teacher that learns to do in a step of `way` what the teacher does in n. x: (N, 1, H, W)."""
    student = copy.deepcopy(teacher).requires_grad_()
    optimizers = diffusion.optimizers(student, PEAKS[1], PEAKS[0], bf16=machine.fast_bf16())
    average, parts = optim.Average(student), list(pairwise(way))
    rows = (diffusion.to_unit(teacher, x), y)
    for i, (x_0, labels) in enumerate(train.batches(rows, 128, n_steps, seed=seed, progress=False)):
        angle, after = parts[torch.randint(len(parts), ()).item()]
        noisy, _ = diffusion.noised(x_0, torch.randn_like(x_0), angle)
        with autocast():
            v = guidance.shortcut(teacher, noisy, angle, after, labels, n=n)
            guess = student(noisy, torch.full((len(noisy),), angle), labels).float()
        for optimizer, peak in zip(optimizers, PEAKS, strict=True):
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] = peak * min(1, (i + 1) / 100, (1 - i / n_steps) / 0.7)
        (guess - v).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
        average.update()
    return average.model


def run(seeds: list[int]) -> dict:
    """{"device", "rows" of variant, seed, n (evaluations), seconds (of the student's training), fd, read}."""
    recipe, judge, rows = rooms.recipe("diffusion"), metrics.classifier(), []
    x, y, _ = data.mnist("train", device="cpu")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    (held_x, x), (held_y, y) = (part[order].tensor_split([min(5000, len(x) // 5)]) for part in (x, y))
    real, asked = metrics.features(held_x, model=judge), held_y[:N_JUDGED]

    def judged(
        variant: str, seed: int, n: int, model: diffusion.UNet, walk, way: Sequence[float], seconds=None
    ) -> None:
        def go(noise: Tensor, labels: Tensor, g: torch.Generator) -> Tensor:
            return walk(model, noise, way, 0.0, labels, generator=g)

        seen = metrics.features(guidance.sample(model, asked, go, seed=1, autocast=autocast()), model=judge)
        read = (judge.head(seen.relu()).argmax(1) == asked).double().mean().item()
        fd = metrics.frechet_distance(seen, real)
        rows.append({"variant": variant, "seed": seed, "n": n, "seconds": seconds, "fd": fd, "read": read})
        print(rows[-1], flush=True)

    for seed in seeds:
        settings = replace(recipe.PAGE, n_steps=N_TEACHER, level=0.5)
        torch.manual_seed(seed)
        model, average = recipe.build(settings, x)
        for _ in recipe.fit(model, average, settings, x, y, seed=seed, autocast=autocast(), bf16=machine.fast_bf16()):
            pass
        teacher = average.model
        judged("multistep, 10", seed, 10, teacher, guidance.multistep, guidance.curved(10))
        for n in TANGENTS:
            judged(f"DDIM, {n}", seed, n, teacher, diffusion.walk, angles(n))
        judged("multistep, 4", seed, 4, teacher, guidance.multistep, angles(4))
        for n, n_of_teacher in ((4, 3), (2, 2), (1, 2)):
            began = time.perf_counter()
            teacher = taught(teacher, angles(n), n_of_teacher, N_STUDENT[n], x, y, seed)
            judged(f"student, {n}", seed, n, teacher, diffusion.walk, angles(n), time.perf_counter() - began)
    return {"device": f"cpu, {torch.get_num_threads()} threads", "rows": rows}
