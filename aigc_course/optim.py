"""Muon, an optimizer for the matrices inside a network, and a running average of weights that serves at any time."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def orthogonalise(G: Tensor, n_steps: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """Roughly U V^T of each matrix's singular value decomposition G = U S V^T: (..., m, n), of any scale, to the same.

    Five steps of a quintic Newton-Schulz iteration bring the singular values that are not tiny into about [0.7, 1.2],
    by matrix products alone; tiny ones grow up to 485-fold. dtype: in which they are computed, by default float32.

    Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    X = G.to(dtype or torch.float32)
    tall = X.shape[-2] > X.shape[-1]
    X = X.mT if tall else X
    X = X / (X.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(n_steps):
        A = X @ X.mT
        X = a * X + (b * A + c * A @ A) @ X
    return (X.mT if tall else X).to(G.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are orthogonalised before they are applied; for 2-D weights inside the network.

    Matrices of one shape are orthogonalised together. The step is lr * sqrt(max(1, rows / columns)), as in the source;
    weight_decay shrinks the weights by lr * weight_decay first. dtype: of the Newton-Schulz products.

    Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype | None = None,
    ):
        params = list(params)
        if any(p.ndim != 2 for p in params):
            raise ValueError("Muon takes matrices; give the other weights to AdamW")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                gradients = [p.grad for p in params]
                buffers = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in params]
                torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
                ahead = torch.stack(torch._foreach_lerp(gradients, buffers, group["momentum"]))  # Nesterov
                updates = orthogonalise(ahead, dtype=self.dtype).unbind(0)
                if group["weight_decay"]:
                    torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(params, updates, alpha=-group["lr"] * max(1, shape[0] / shape[1]) ** 0.5)


class Average:
    """A running average of a model's weights: `update()` after each optimizer step, then use `model`, in eval mode.

    Update n, from 0, makes a weight d average + (1 - d) new with d = n / (n + 9), at most `decay`. Up to there about
    the last tenth of all steps counts, so that it serves at any time (Karras et al. 2024, arXiv:2312.02696), while in
    an EMA of fixed decay the untrained weights stay long. Running statistics are averaged too; integers are copied.
    """

    def __init__(self, model: nn.Module, decay: float = 1.0):
        self.decay, self.n, self._source = decay, 0, model
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self) -> None:
        weight, self.n = 1 - min(self.decay, self.n / (self.n + 9)), self.n + 1
        for tensors in (nn.Module.parameters, nn.Module.buffers):
            for average, new in zip(tensors(self.model), tensors(self._source), strict=True):
                average.lerp_(new, weight) if average.is_floating_point() else average.copy_(new)

    def state_dict(self) -> dict:
        return {"decay": self.decay, "n": self.n, "average": self.model.state_dict()}

    def load_state_dict(self, state: Mapping) -> None:
        self.n = state["n"]
        self.model.load_state_dict(state["average"])


class KernelMuon(Muon):
    """Muon for the kernels of convolutions, (n_out, n_in, k, k): each is taken as a matrix (n_out, n_in·k·k).

    options: as of Muon. Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
    """

    def __init__(self, kernels: Iterable[Tensor], lr: float = 0.02, **options: Any):
        self.kernels = list(kernels)
        super().__init__([nn.Parameter(kernel.detach().flatten(1).clone()) for kernel in self.kernels], lr, **options)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for kernel in self.kernels:
            kernel.grad = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        matrices = self.param_groups[0]["params"]
        for matrix, kernel in zip(matrices, self.kernels, strict=True):
            matrix.copy_(kernel.flatten(1))  # they may have been loaded anew
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        super().step()
        for matrix, kernel in zip(matrices, self.kernels, strict=True):
            kernel.copy_(matrix.view_as(kernel))
