"""Guidance, faster walks, filling in and distillation of notebook 09b, for the networks and angles of `diffusion`.

A model gives velocities: (x (B, ...), angle (B,), labels (B,)) to x's shape. The label n_classes stands for no label.

Sources: Ho & Salimans (2022), arXiv:2207.12598; Kynkäänniemi et al. (2024), arXiv:2404.07724; Lu et al. (2022),
arXiv:2211.01095; Karras et al. (2022), arXiv:2206.00364; Ho et al. (2022), arXiv:2204.03458; Salimans & Ho (2022),
arXiv:2202.00512.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise

import torch
from torch import Generator, Tensor

from aigc_course import train
from aigc_course.diffusion import Model, UNet, noised, parts

ALL = (0.0, math.pi / 2)  # all angles


def curved(n: int, least: float = 0.05, most: float = 40.0, rho: float = 7.0) -> list[float]:
    """n + 1 angles for n evaluations, n > 1: pi/2, then n - 1 whose tangents' rho-th roots are evenly spaced, then 0.

    The spacing begins at `most`, in whose place pi/2 stands, and ends at `least`.
    Source: Karras et al. (2022), arXiv:2206.00364, equation 5; the tangent is their sigma.
    """
    if n < 2:
        raise ValueError(f"n is {n}; at least 2 evaluations are needed")
    first, last = most ** (1 / rho), least ** (1 / rho)
    return [math.pi / 2, *(math.atan((first + i / (n - 1) * (last - first)) ** rho) for i in range(1, n)), 0.0]


def guided(model: Model, weight: float, none: int, between: tuple[float, float] = ALL) -> Model:
    """The model whose velocity is v_free + weight (v_told - v_free) at angles `between`, and v_told at all others.

    none: the label that stands for no label. weight 1: no guidance, one evaluation of the network in place of two.
    The walk must be at one angle with all of x. Source: Ho & Salimans (2022), arXiv:2207.12598, equation 6, whose w is
    weight - 1; of the interval Kynkäänniemi et al. (2024), arXiv:2404.07724.
    """

    def velocity(x: Tensor, angle: Tensor, y: Tensor) -> Tensor:
        low, high = angle.new_tensor(between)  # rounded as the angle is: pi/2 is not above pi/2
        if weight == 1 or not low <= angle[0] <= high:
            return model(x, angle, y)
        both = model(torch.cat([x, x]), torch.cat([angle, angle]), torch.cat([y, torch.full_like(y, none)]))
        told, free = both.float().chunk(2)
        return free + weight * (told - free)

    return velocity


def _level(angle: float) -> float:
    """log tan(angle), also at both ends."""
    if angle >= math.pi / 2 - 1e-9:
        return math.inf
    return math.log(math.tan(angle)) if angle > 0 else -math.inf


@torch.no_grad()
def multistep(
    model: Model, x: Tensor, angles: Sequence[float], fresh: float = 0.0, *given: Tensor, generator: Generator = None
) -> Tensor:
    """`diffusion.walk` of second order for as many evaluations: x_0 as the last two predict it for the step's middle.

    The middle is meant in log tan(angle). The first step, the second after one from pi/2, and the one to 0 are of first
    order. angles fall; fresh: kappa, from 0 to 1, else ValueError.
    Source: Lu et al. (2022), arXiv:2211.01095, algorithm 2 (DPM-Solver++ (2M)), in terms of the angle.
    """
    if not 0 <= fresh <= 1 or any(a <= b for a, b in pairwise(angles)):
        raise ValueError(f"fresh is {fresh}, from 0 to 1; angles must fall, from pi/2 at most: {list(angles)}")
    before, step_before = None, math.inf
    for angle, after in pairwise(angles):
        at, step = torch.full((len(x),), float(angle), device=x.device), _level(angle) - _level(after)
        x_0 = guess = parts(x, model(x, at, *given).float(), at)[0]
        if before is not None and after > 0:
            guess = x_0 + step / (2 * step_before) * (x_0 - before)
        eps = (x - math.cos(angle) * guess) / math.sin(angle)
        if fresh and after > 0:
            noise = torch.randn(x.shape, generator=generator).to(x.device)
            eps = math.sqrt(1 - fresh**2) * eps + fresh * noise
        x, before, step_before = math.cos(after) * guess + math.sin(after) * eps, x_0, step
    return x


@torch.no_grad()
def heun(model: Model, x: Tensor, angles: Sequence[float], *given: Tensor) -> Tensor:
    """Heun's method for dx/d(angle) = v, either way, from x (B, ...) at the first angle; two evaluations a step."""
    for angle, after in pairwise(angles):
        here, there = (torch.full((len(x),), float(a), device=x.device) for a in (angle, after))
        v, h = model(x, here, *given).float(), after - angle
        x = x + h / 2 * (v + model(x + h * v, there, *given).float())
    return x


def fill(
    model: Model, known: Tensor, mask: Tensor, angles: Sequence[float], fresh: float = 0.0, *given: Tensor,
    look: bool = False, generator: Generator = None,
) -> Tensor:  # fmt: skip
    """Pictures that are `known` (B, ...) where mask is 1, and the rest, where it is 0, by a walk from noise.

    At each level the known part is put in, with noise anew. look: instead x_0 goes down the slope, by x, of its own
    squared error where it is known, over 2 cos(angle), or 0.1 if that is more, which takes the model's gradient; at the
    end the known part is put in. fresh: kappa, from 0 to 1, else ValueError. Source: Ho et al. (2022),
    arXiv:2204.03458, section 3.1; ours is the slope for an error of variance sin², theirs for one of tan².
    """

    if not 0 <= fresh <= 1:
        raise ValueError(f"fresh is {fresh}; it is from 0 to 1")

    def noise() -> Tensor:
        return torch.randn(known.shape, generator=generator).to(known.device)

    x = noise()
    for angle, after in pairwise(angles):
        at = torch.full((len(x),), float(angle), device=x.device)
        with torch.set_grad_enabled(look):
            x = x.detach().requires_grad_(look)
            x_0 = parts(x, model(x, at, *given).float(), at)[0]
            error = (mask * (x_0 - known)).square().sum()
        if look:
            x_0 = x_0 - torch.autograd.grad(error, x)[0] / (2 * max(0.05, math.cos(angle)))
        x, x_0 = x.detach(), x_0.detach()
        eps = (x - math.cos(angle) * x_0) / math.sin(angle)
        eps = math.sqrt(1 - fresh**2) * eps + fresh * noise() if fresh else eps
        x = math.cos(after) * x_0 + math.sin(after) * eps
        if not look or after == 0:
            x = mask * noised(known, noise(), after)[0] + (1 - mask) * x
    return x


@torch.no_grad()
def shortcut(teacher: Model, x: Tensor, angle: float, after: float, *given: Tensor, n: int = 3) -> Tensor:
    """The velocity (B, ...) with which one step from x at `angle` comes to where n of the teacher's lead, at `after`.

    Source: Salimans & Ho (2022), arXiv:2202.00512, algorithm 2, in terms of the angle; there two steps of DDIM.
    """
    end = multistep(teacher, x, [angle + i / n * (after - angle) for i in range(n + 1)], 0.0, *given)
    return (math.cos(angle - after) * x - end) / math.sin(angle - after)


def sample(
    model: UNet, y: Tensor, way: Callable[[Tensor, Tensor, Generator], Tensor], *, seed: int = 0,
    autocast: AbstractContextManager | None = None, batch_size: int = 500,
) -> Tensor:  # fmt: skip
    """Images (N, 1, H, W) in [0, 1] for labels y (N,): way(noise, labels, generator) walks a batch to angle 0."""
    generator, found = torch.Generator().manual_seed(seed), []
    with train.evaluating(model, autocast), torch.no_grad():
        for labels in y.split(batch_size):
            noise = torch.randn(len(labels), 1, *model.size, generator=generator).to(model.grey.device)
            found.append(to_grey(model, way(noise, labels, generator)))
    return torch.cat(found)


def to_grey(model: UNet, x: Tensor) -> Tensor:
    """The inverse of `diffusion.to_unit`: grey values, cut off at 0 and 1."""
    return (x * model.grey[1] + model.grey[0]).clamp(0, 1)
