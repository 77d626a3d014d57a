"""The study of 02_representations: what each change of the views buys, and what labels alone are worth.

Every row is one training of the page's rival: the encoder and one layer, on n labels and nothing else. The labels are
drawn anew with each seed from 55,000 training images; accuracy is on the 5,000 others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from aigc_course import contrast, data
from aigc_course.plumbing import machine, rooms

SHORT = {"STEPS": {"views": 2, "labels": 2}}  # for `aigc-course study 02 --same`
STEPS = {"views": 200, "labels": 400}  # half of the page's, and as many
ALL = "turn scale shear shift bend thick"
VIEWS = {"none": "", **{name: name for name in ALL.split()}, "all": ALL, "all, and flips": f"{ALL} flip"}


def run(seeds: list[int]) -> dict[str, Any]:
    """{"rows"} of part ("views", "labels"), variant, n, seed, accuracy."""
    images, labels, _ = data.mnist("train", device="cpu")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    n_held = min(5000, len(images) // 5)
    held, rest = order[:n_held], order[n_held:]
    recipe, rows = rooms.recipe("contrast"), []

    def train(part: str, variant: str, n: int, seed: int, changes: str) -> None:
        some = rest[contrast.few(labels[rest], n, seed)]
        settings = replace(recipe.RIVAL, changes=changes, n_steps=STEPS[part])
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=machine.fast_bf16())
        torch.manual_seed(seed)
        model, average = recipe.build(settings, images)
        given = {"seed": seed, "autocast": autocast, "bf16": machine.fast_bf16()}
        for _ in recipe.fit(model, average, settings, images[some], labels[some], **given):
            pass
        found = contrast.embed(average.model, images[held], autocast=autocast).argmax(dim=1) == labels[held]
        rows.append({"part": part, "variant": variant, "n": n, "seed": seed, "accuracy": found.double().mean().item()})
        print(rows[-1], flush=True)

    for seed in seeds:
        for variant, changes in VIEWS.items():
            train("views", variant, 100, seed, changes)
        for n in (10, 1_000):
            train("labels", "none", n, seed, "")
            train("labels", "all", n, seed, ALL)
    return {"device": f"cpu, {torch.get_num_threads()} threads", "rows": rows}
