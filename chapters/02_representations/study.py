"""The study of 02_representations: what each change of the views buys, and what labels are worth without contrast.

Part "views": the page's rival, the encoder and one layer, trained on 100 labels and nothing else. Part "labels": the
same on 10, 100 and 1,000, without views and with all; and labels that spread over a graph of nearest neighbours, which
sees all 55,000 training images, 10, 100 or 1,000 of them with labels, and learns nothing. Labels are drawn anew with
each seed; accuracy is on the 5,000 held-out training images, which are not in the graph.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from aigc_course import contrast, data, metrics
from aigc_course.plumbing import machine, rooms

SHORT = {"STEPS": {"views": 2, "labels": 2}, "N_GRAPH": 3_000}  # for `aigc-course study 02 --same`
STEPS = {"views": 200, "labels": 400}  # half of the page's, and as many
N_GRAPH, NEIGHBOURS, SPREAD, ROUNDS = 55_000, 10, 0.99, 100  # not tuned
ALL = "turn scale shear shift bend thick"
VIEWS = {"none": "", **{name: name for name in ALL.split()}, "all": ALL, "all, and flips": f"{ALL} flip"}


def upright(x: Tensor) -> Tensor:
    """Digits (N, 1, H, W), sheared so that they do not lean: rows and columns of ink are uncorrelated."""
    x, at = contrast.centred(x), torch.arange(x.shape[-1]) - (x.shape[-1] - 1) / 2
    mixed = torch.einsum("nij,i,j->n", x[:, 0], at, at)
    slope = mixed / torch.einsum("nij,i->n", x[:, 0], at.square()).clamp(min=1e-6)
    affine = torch.eye(2, 3).repeat(len(x), 1, 1)
    affine[:, 0, 1] = slope  # a row further down is fetched from further right, as far as the ink lies there
    return F.grid_sample(x, F.affine_grid(affine, list(x.shape), align_corners=False), align_corners=False)


class Graph:
    """Nearest neighbours of images by the cosine of 60 principal directions of upright, blurred digits.

    Source: Zhou et al. (2004), Learning with local and global consistency, of labels that spread.
    """

    def __init__(self, x: Tensor):
        soft = self.soft(x)
        self.mean = soft.mean(dim=0)
        self.directions = torch.linalg.eigh((soft - self.mean).T @ (soft - self.mean))[1][:, -60:]  # of most variance
        self.bank = self.features(x)
        found = metrics.nearest(self.bank, self.bank, NEIGHBOURS + 1)[1]
        rows, columns = np.repeat(np.arange(len(x)), NEIGHBOURS + 1), found.flatten().numpy()
        links = sparse.csr_array((np.ones(len(rows)), (rows, columns)), (len(x), len(x)))
        links = links.maximum(links.T)  # neighbours of either
        links.setdiag(0)
        scale = sparse.diags_array(links.sum(axis=1) ** -0.5)
        self.links = scale @ links @ scale

    @staticmethod
    def soft(x: Tensor) -> Tensor:
        return F.avg_pool2d(upright(x), 3, 1, 1).flatten(1)

    def features(self, x: Tensor) -> Tensor:
        return F.normalize((self.soft(x) - self.mean) @ self.directions, dim=1)

    def spread(self, some: Tensor, labels: Tensor) -> Tensor:
        """Scores (N, 10) of all, from labels (n,) of `some` (n,): each round mixes a digit's with its neighbours'."""
        known = np.zeros((len(self.bank), 10))
        known[some.numpy(), labels.numpy()] = 1.0
        scores = known
        for _ in range(ROUNDS):
            scores = SPREAD * (self.links @ scores) + (1 - SPREAD) * known
        return torch.from_numpy(scores / scores.sum(axis=0))  # each digit counts alike

    def read(self, near: Tensor, scores: Tensor) -> Tensor:
        """The digits of others (M,), by the scores of their neighbours near (M, NEIGHBOURS) in the graph."""
        return scores[near].mean(dim=1).argmax(dim=1)


def run(seeds: list[int]) -> dict[str, Any]:
    """{"rows"} of part ("views", "labels"), variant, n, seed, accuracy."""
    images, labels, _ = data.mnist("train", device="cpu")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    n_held = min(5000, len(images) // 5)
    held, rest = order[:n_held], order[n_held:][:N_GRAPH]
    recipe, rows, graph = rooms.recipe("contrast"), [], Graph(images[rest])
    near = metrics.nearest(graph.features(images[held]), graph.bank, NEIGHBOURS)[1]

    def judged(part: str, variant: str, n: int, seed: int, answers: Tensor) -> None:
        right = (answers == labels[held]).double().mean().item()
        rows.append({"part": part, "variant": variant, "n": n, "seed": seed, "accuracy": right})
        print(rows[-1], flush=True)

    def train(part: str, variant: str, n: int, seed: int, changes: str) -> None:
        some = rest[contrast.few(labels[rest], n, seed)]
        settings = replace(recipe.RIVAL, changes=changes, n_steps=STEPS[part])
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=machine.fast_bf16())
        torch.manual_seed(seed)
        model, average = recipe.build(settings, images)
        given = {"seed": seed, "autocast": autocast, "bf16": machine.fast_bf16()}
        for _ in recipe.fit(model, average, settings, images[some], labels[some], **given):
            pass
        judged(part, variant, n, seed, contrast.embed(average.model, images[held], autocast=autocast).argmax(dim=1))

    for seed in seeds:
        for variant, changes in VIEWS.items():
            train("views", variant, 100, seed, changes)
        for n in (10, 100, 1_000):
            train("labels", "alone", n, seed, "")
            train("labels", "with views", n, seed, ALL)
            some = contrast.few(labels[rest], n, seed)
            judged("labels", "spread over a graph", n, seed, graph.read(near, graph.spread(some, labels[rest][some])))
    n = torch.get_num_threads()
    return {"device": f"cpu, {n} thread{'s' * (n > 1)}", "rows": rows}
