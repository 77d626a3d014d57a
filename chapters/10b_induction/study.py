"""The study of 10b_induction: one layer's chances, and each part left out, with several seeds.

The model is the page's, with the same names; `tests/methods/test_attention.py` holds the two together.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHORT = {"n_steps": 2, "n_test": 20}  # for `aigc-course study 10b --same`
N_SYMBOLS, N_FIRST, N_PIECE, WIDTH, D, BATCH, LR = 64, 32, 16, 64, 32, 64, 3e-3
TWO, ONE = {"n_layers": 2, "n_heads": 2}, {"n_layers": 1, "n_heads": 4}  # of equally many weights
VARIANTS = {  # name: the model, and what is changed in training
    "two layers": (TWO, {}),
    "one layer": (ONE, {}),
    "one layer, four times the steps": (ONE, {"times": 4}),
    "one layer, a third of the rate": (ONE, {"lr": LR / 3}),
    "one layer, three times the rate": (ONE, {"lr": 3 * LR}),
    "one layer, given the note": ({"n_layers": 1, "n_heads": 2, "note": True}, {}),
    "without mask": (TWO | {"without": "mask"}, {}),
    "without sum": (TWO | {"without": "sum"}, {}),
    "without normalisation": (TWO | {"without": "normalisation"}, {}),
    "without sum and normalisation": (TWO | {"without": "sum and normalisation"}, {}),
    "without division": (TWO | {"without": "division"}, {}),
    "without division, a lower rate": (TWO | {"without": "division"}, {"lr": LR / math.sqrt(D)}),
    "without positions": (TWO | {"without": "positions"}, {}),
}


def sequences(n: int, seed: int) -> Tensor:
    """(n, 48): 32 different symbols of 64, then a piece of 16 of them again."""
    g = torch.Generator().manual_seed(seed)
    first = torch.rand(n, N_SYMBOLS, generator=g).argsort(dim=1)[:, :N_FIRST]
    start = torch.randint(N_FIRST - N_PIECE + 1, (n, 1), generator=g)
    return torch.cat([first, first.gather(1, start + torch.arange(N_PIECE))], dim=1)


def rotary(x: Tensor) -> Tensor:
    """Rotary positions of (..., T, d)."""
    omega = 10_000 ** (-torch.arange(0, D, 2) / D)
    angle = torch.arange(x.shape[-2])[:, None] * omega
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=-1)


class Layer(nn.Module):
    """Attention on a residual stream (B, T, D); half of the heads have positions."""

    def __init__(self, n_heads: int, without: str = "", note: bool = False):
        super().__init__()
        self.n_heads, self.without, self.norm = n_heads, without, nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * n_heads * D, bias=False)
        self.out = nn.Linear(n_heads * D, WIDTH, bias=False)
        self.mix = nn.Parameter(torch.zeros(n_heads, 1, 1)) if note else None

    def forward(self, x: Tensor) -> Tensor:
        h, (B, T, _) = x if "normalisation" in self.without else self.norm(x), x.shape
        q, k, v = self.qkv(h).view(B, T, 3, self.n_heads, D).permute(2, 0, 3, 1, 4)
        if self.mix is not None:
            k = torch.lerp(F.pad(k[:, :, :-1], (0, 0, 1, 0)), k, self.mix.sigmoid())
        if "positions" not in self.without:
            half = self.n_heads // 2
            q, k = (torch.cat([rotary(t[:, :half]), t[:, half:]], dim=1) for t in (q, k))
        scores = q @ k.mT / (1 if "division" in self.without else math.sqrt(D))
        if "mask" not in self.without:
            scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -math.inf)
        y = self.out((scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))
        return y if "sum" in self.without else x + y


class Stack(nn.Module):
    """(B, T) symbols to (B, T, symbols) logits of the next."""

    def __init__(self, n_layers: int, n_heads: int, without: str = "", note: bool = False):
        super().__init__()
        self.token = nn.Embedding(N_SYMBOLS, WIDTH)
        self.layers = nn.Sequential(*(Layer(n_heads, without, note) for _ in range(n_layers)))
        self.norm = nn.Identity() if "normalisation" in without else nn.LayerNorm(WIDTH)
        self.to_logits = nn.Linear(WIDTH, N_SYMBOLS, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.to_logits(self.norm(self.layers(self.token(ids))))


def _train(seed: int, n_steps: int, n_test: int, shape: dict, lr: float = LR, times: int = 1) -> float:
    """The accuracy on unseen sequences, each symbol from its prefix alone."""
    n_steps = n_steps * times
    torch.manual_seed(seed)
    model, x = Stack(**shape), sequences(BATCH * n_steps, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98))
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min(1.0, 10 * i / n_steps + 0.02, (1 - i / n_steps) / 0.3)
    )
    for batch in x.split(BATCH):
        logits = model(batch[:, :-1])[:, N_FIRST:].flatten(0, 1)
        loss = F.cross_entropy(logits, batch[:, N_FIRST + 1 :].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    test = sequences(n_test, 1_000_000 + seed)
    with torch.no_grad():
        hits = [model(test[:, :t])[:, -1].argmax(dim=1) == test[:, t] for t in range(N_FIRST + 1, test.shape[1])]
    return torch.stack(hits).float().mean().item()


def run(seeds: list[int], *, n_steps: int = 500, n_test: int = 500) -> dict[str, Any]:
    """One row a run: variant, seed, accuracy."""
    rows = []
    for seed in seeds:
        for name, (shape, how) in VARIANTS.items():
            accuracy = round(_train(seed, n_steps, n_test, shape, **how), 4)
            rows.append({"variant": name, "seed": seed, "accuracy": accuracy})
            print(f"seed {seed} {name}: {accuracy}", flush=True)
    return {"study": "10b_induction", "seeds": list(seeds), "steps": n_steps, "rows": rows}
