"""Muon: an optimizer for the matrices inside a network, which levels the singular values of each step.

Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def orthogonalise(G: Tensor, n_steps: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """Roughly U V^T of each matrix's singular value decomposition G = U S V^T: (..., m, n), of any scale, to the same.

    Five steps of a quintic Newton-Schulz iteration bring the singular values that are not tiny into about [0.7, 1.2],
    by matrix products alone; tiny ones grow up to 485-fold. dtype: in which they are computed, by default float32.

    Source: Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    X = G.reshape(-1, *G.shape[-2:]).to(dtype or torch.float32)
    tall = X.shape[-2] > X.shape[-1]
    X = X.mT if tall else X
    X = X / (X.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(n_steps):
        A = X @ X.mT  # then X becomes aX + (bA + cA²)X, each product with its sum in one call
        X = torch.baddbmm(X, torch.baddbmm(A, A, A, beta=b, alpha=c), X, beta=a)
    return (X.mT if tall else X).reshape(G.shape).to(G.dtype)


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
