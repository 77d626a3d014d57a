"""The study of 11_gpt: what each part of the modern recipe buys, measured on the last twentieth of the training part.

Those characters (0.855 to 0.9 of the file) are not trained on; the validation part is not touched. Models of 4 layers
and 128 features, equal steps; the plain recipe is nanoGPT's model and AdamW at rate 0.003. The parts are added one by
one, then each is taken from the full recipe, then two are replaced by what others use. With the embeddings of pairs and
triples the rate of all embeddings is 0.01.
"""

import math
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, gpt, metrics, optim, text

SHORT = {"fit.n_steps": 1, "fit.width": 32, "N_SCORED": 300, "BATCH_SIZE": 2, "CONTEXT": 32}  # for --same
N_STEPS, BATCH_SIZE, CONTEXT, N_LAYERS, WIDTH, HEAD = 150, 8, 128, 4, 128, 32
N_SCORED = 25_000  # characters of the held-out part
PARTS = {  # name in the table: flag
    "rotary positions": "rotary",
    "normalisation without weights, of q and k too": "norm",
    "ReLU² for GELU, no biases": "relu2",
    "what is added begins at zero, output not tied": "zero",
    "embeddings of pairs and triples": "groups",
    "Muon for AdamW": "muon",
}
ALL = frozenset(PARTS.values())
INSTEAD = {
    "gated SiLU for ReLU²": ALL - {"relu2"} | {"gated"},
    "a convolution of 4 for pairs and triples": ALL - {"groups"} | {"conv"},
}


class Variant(nn.Module):
    """A GPT with the parts that are asked for; without any it is GPT-2. ids (B, T) to logits (B, T, V)."""

    def __init__(self, V: int, parts: frozenset[str], width: int = WIDTH):
        super().__init__()
        self.parts, self.n_heads, D = parts, width // HEAD, width
        bias = "relu2" not in parts and "gated" not in parts
        groups = "groups" in parts
        self.embedding = gpt.GroupEmbedding(gpt.GPTConfig(V, width=D)) if groups else nn.Embedding(V, D)
        self.position = None if "rotary" in parts else nn.Embedding(CONTEXT, D)
        self.conv = nn.Parameter(torch.zeros(3, D)) if "conv" in parts else None
        inner = {"gated": 8 * D // 3}.get("gated" if "gated" in parts else "", 4 * D)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm_1": self._norm(D),
                    "norm_2": self._norm(D),
                    "qkv": nn.Linear(D, 3 * D, bias=bias),
                    "out": nn.Linear(D, D, bias=bias),
                    "up": nn.Linear(D, inner * (2 if "gated" in parts else 1), bias=bias),
                    "down": nn.Linear(inner, D, bias=bias),
                }
            )
            for _ in range(N_LAYERS)
        )
        self.norm = self._norm(D)
        self.head = nn.Linear(D, V, bias=False)
        self._start(V)
        angle = torch.arange(CONTEXT)[:, None] * 1024 ** -torch.linspace(0, 1, HEAD // 2)
        self.register_buffer("cos", angle.cos()[:, None, None], persistent=False)
        self.register_buffer("sin", angle.sin()[:, None, None], persistent=False)

    def _norm(self, D: int) -> nn.Module:
        return nn.LayerNorm(D, elementwise_affine="norm" not in self.parts)

    def _start(self, V: int) -> None:
        zero = "zero" in self.parts
        for name, p in self.layers.named_parameters():
            is_sum = "out." in name or "down." in name
            if p.ndim == 2 and zero:
                nn.init.normal_(p, std=0 if is_sum else 0.8 / math.sqrt(p.shape[1]))
            elif p.ndim == 2:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * N_LAYERS) if is_sum else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        if "groups" not in self.parts:
            nn.init.normal_(self.embedding.weight, std=0.5 if zero else 0.02)
        if self.position is not None:
            nn.init.normal_(self.position.weight, std=0.02)
        if zero:
            nn.init.zeros_(self.head.weight)
        else:  # tied: the matrix that reads is the one that writes
            token = self.embedding.token if "groups" in self.parts else self.embedding
            self.head.weight = token.weight
            if "groups" in self.parts:
                nn.init.normal_(token.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        B, T = ids.shape
        x = self.embedding(F.pad(ids, (2, 0)) if "groups" in self.parts else ids)
        if self.conv is not None:
            x = x + sum(F.pad(x, (0, 0, j + 1, 0))[:, :T] * w for j, w in enumerate(self.conv))
        if self.position is not None:
            x = x + self.position.weight[:T]
        if "norm" in self.parts:
            x = gpt.norm(x)
        cos, sin = self.cos[:T], self.sin[:T]
        for layer in self.layers:
            qkv = layer["qkv"](layer["norm_1"](x)).view(B, T, 3, self.n_heads, HEAD)
            q_k, v = qkv.split([2, 1], dim=2)
            if "norm" in self.parts:
                q_k = gpt.norm(q_k)
            if self.position is None:
                q_k = gpt.rotate(q_k, cos.to(q_k.dtype), sin.to(q_k.dtype))
            q, k = q_k.permute(2, 0, 3, 1, 4)
            q = 1.5 * q if "norm" in self.parts else q
            x = x + layer["out"](gpt.attend(q, k, v.squeeze(2).transpose(1, 2)))
            h = layer["up"](layer["norm_2"](x))
            if "gated" in self.parts:
                gate, h = h.chunk(2, dim=-1)
                h = F.silu(gate) * h
            else:
                h = F.relu(h).square() if "relu2" in self.parts else F.gelu(h, approximate="tanh")
            x = x + layer["down"](h)
        return self.head(self.norm(x))


def fit(
    seen: Tensor, held_out: Tensor, V: int, parts: frozenset[str], *, seed: int, n_steps: int = N_STEPS,
    width: int = WIDTH, bf16: bool = True,
) -> dict[str, float]:  # fmt: skip
    """One training on seen (N,): the held-out loss in nats per character, ms a step, weights in the blocks."""
    torch.manual_seed(seed)
    model = Variant(V, parts, width)
    inside = [p for p in model.layers.parameters() if p.ndim == 2]
    ids = {id(p) for p in inside}
    tables = [p for n, p in model.named_parameters() if n.startswith("embedding") and p is not model.head.weight]
    rest = [p for p in model.parameters() if id(p) not in ids | {id(t) for t in tables}]
    groups = [{"params": tables, "lr": 1e-2 if "groups" in parts else 3e-3}, {"params": rest, "lr": 3e-3}]
    optimizers = [
        torch.optim.AdamW([g for g in groups if g["params"]], betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    ]
    if "muon" in parts:
        optimizers.append(optim.Muon(inside, lr=0.014, dtype=torch.bfloat16 if bf16 else None))
    else:
        optimizers[0].add_param_group({"params": inside, "lr": 3e-3})
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda step: gpt.schedule(step, n_steps)) for o in optimizers]
    began = time.perf_counter()
    for x, y in text.batches(seen, BATCH_SIZE, CONTEXT, n_steps, seed=seed, progress=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(x)
        F.cross_entropy(logits.float().flatten(0, 1), y.flatten()).backward()
        nn.utils.clip_grad_norm_(rest, 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    ms = (time.perf_counter() - began) / n_steps * 1000
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        nats = metrics.nats_per_token(model, held_out, context=CONTEXT, stride=CONTEXT)
    return {"nats": nats, "ms": ms, "weights": sum(p.numel() for p in inside)}


def run(seeds: list[int]) -> dict:
    """{"n_steps", "device", "rows": [{"group", "variant", "seed", "nats", "ms"}]}."""
    source = data.shakespeare()
    characters = text.Characters(source.train + source.val)
    ids, V = characters.encode(source.train), characters.vocab_size
    cut = len(ids) * 19 // 20
    seen, held_out = ids[:cut], ids[cut : cut + N_SCORED]

    known, rows = {}, []

    def add(group: str, variant: str, parts: frozenset[str], bf16: bool = True) -> None:
        for seed in seeds:
            case = (parts, bf16, seed)
            if case not in known:
                known[case] = fit(seen, held_out, V, parts, seed=seed, bf16=bf16)
            rows.append({"group": group, "variant": variant, "seed": seed, **known[case]})
            print(rows[-1], flush=True)

    added, parts = "added one by one", frozenset()
    add(added, "plain GPT-2, AdamW", parts)
    for name, flag in PARTS.items():
        parts = parts | {flag}
        add(added, f"+ {name}", parts)
    without = "the full recipe without"
    add(without, "nothing left out", ALL)
    for name, flag in PARTS.items():
        add(without, name, ALL - {flag})
    add(without, "bfloat16 (in float32)", ALL, bf16=False)
    for name, other in INSTEAD.items():
        add("the full recipe with", name, other)
    return {"n_steps": N_STEPS, "device": f"cpu, {torch.get_num_threads()} threads", "rows": rows}
