"""The language models of notebooks 11 to 13: GPT-2 as it was, a modern GPT that learns faster, and a cache.

Both models read ids, (B, T), and give the logits of the next one, (B, T, V). With a `Cache` they read only what is new.

Sources: Radford et al. (2019), Language Models are Unsupervised Multitask Learners; Vaswani et al. (2017),
arXiv:1706.03762; Karpathy, nanoGPT, for the sizes of its Shakespeare recipes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, optim
from aigc_course.plumbing import models

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class GPT2Config:
    """Sizes of a `GPT2`; width is a multiple of n_heads."""

    vocab_size: int
    context: int = 128  # tokens that the model can see
    n_layers: int = 4
    n_heads: int = 4
    width: int = 128  # features per token
    dropout: float = 0.0


class Cache:
    """Keys and values of the tokens that a model has read, so that they are not computed again.

    model: a GPT2 or a GPT. Holds (n_layers, B, heads, context, width / heads) of each, and `length` tokens so far.
    """

    def __init__(self, model: LanguageModel, batch_size: int = 1):
        config, weight = model.config, next(model.parameters())
        shape = (config.n_layers, batch_size, config.n_heads, config.context, config.width // config.n_heads)
        self.keys = torch.zeros(shape, device=weight.device)
        self.values = torch.zeros(shape, device=weight.device)
        self.ids = torch.zeros(batch_size, config.context, dtype=torch.long, device=weight.device)
        self.length = 0

    def add(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keeps k and v, (B, heads, T, d) of the new tokens, and returns those of all tokens so far."""
        start, end = self.length, self.length + k.shape[2]
        self.keys[layer, :, :, start:end], self.values[layer, :, :, start:end] = k, v
        return self.keys[layer, :, :, :end].to(k.dtype), self.values[layer, :, :, :end].to(v.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None = None) -> Tensor:
    """Attention of the last T of S tokens: q (B, heads, T, d), k and v (B, heads, S, d), gives (B, T, heads * d).

    seen: bool, broadcastable to (B, heads, T, S): the tokens that each may see; None is causal. One that may see none
    gets the mean of all values, where -inf in each score would give NaN. Written out, since for the short contexts here
    that trains three times as fast in bfloat16 on a CPU as PyTorch's fused kernel; on a GPU the fused one is used.
    """
    T, S = q.shape[2], k.shape[2]
    if q.is_cuda and T == S and seen is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    scores = (q / math.sqrt(q.shape[-1])) @ k.mT  # (B, heads, T, S)
    if seen is not None:
        scores = scores.masked_fill(~seen, -1e4)
    elif T > 1:  # a single query, the newest, sees everything
        future = torch.full((T, S), -math.inf, dtype=scores.dtype, device=q.device).triu(S - T + 1)
        scores = scores + future
    return (scores.softmax(dim=-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)


class GPT2Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); x is (B, T, D)."""

    def __init__(self, config: GPT2Config, layer: int):
        super().__init__()
        D = config.width
        self.layer, self.n_heads, self.dropout = layer, config.n_heads, config.dropout
        self.norm_1, self.norm_2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.up, self.down = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def forward(self, x: Tensor, cache: Cache | None = None, seen: Tensor | None = None) -> Tensor:
        B, T, D = x.shape
        qkv = self.qkv(self.norm_1(x)).view(B, T, 3, self.n_heads, D // self.n_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, D/heads)
        if cache is not None:
            k, v = cache.add(self.layer, k, v)
        x = x + F.dropout(self.out(attend(q, k, v, seen)), self.dropout, self.training)
        h = F.gelu(self.up(self.norm_2(x)), approximate="tanh")
        return x + F.dropout(self.down(h), self.dropout, self.training)


class LanguageModel(nn.Module):
    """What a `GPT2` and a `GPT` share: a `config`, and a place for what they have read."""

    def cache(self, batch_size: int = 1) -> Cache:
        """An empty cache for batch_size sequences."""
        return Cache(self, batch_size)

    def place(self, ids: Tensor, cache: Cache | None) -> int:
        """The position of the first of the ids, which the cache keeps. ValueError for too many, or another shape."""
        if ids.ndim != 2 or ids.is_floating_point():
            raise ValueError(f"ids are whole numbers of shape (B, T), not {ids.dtype} of {tuple(ids.shape)}")
        start = 0 if cache is None else cache.length
        if start + ids.shape[1] > self.config.context:
            raise ValueError(f"{start} + {ids.shape[1]} tokens do not fit into a context of {self.config.context}")
        if cache is not None:
            if cache.ids.shape[0] != ids.shape[0]:
                raise ValueError(f"the cache is for {cache.ids.shape[0]} sequences, not for {ids.shape[0]}")
            cache.ids[:, start : start + ids.shape[1]] = ids
        return start


class GPT2(LanguageModel):
    """GPT-2: learned positions, LayerNorm before each part, GELU, the output layer tied to the token embedding."""

    def __init__(self, config: GPT2Config):
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab_size, config.width)
        self.position = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(GPT2Block(config, i) for i in range(config.n_layers))
        self.norm = nn.LayerNorm(config.width)
        for name, p in self.named_parameters():
            if p.ndim == 2:  # what is added to the residual stream is smaller the more layers add to it
                is_sum = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * config.n_layers) if is_sum else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def states(
        self, ids: Tensor, cache: Cache | None = None, *, seen: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        """ids (B, T) to what the output layer reads, (B, T, D). ValueError for more tokens than the context has.

        seen: which tokens each may see, as in `attend`. positions: (T,) or (B, T), by default the next ones.
        """
        start = self.place(ids, cache)
        if positions is None:
            positions = torch.arange(start, start + ids.shape[1], device=ids.device)
        x = F.dropout(self.token(ids) + self.position(positions), self.config.dropout, self.training)
        for block in self.blocks:
            x = block(x, cache, seen)
        if cache is not None:
            cache.length = start + ids.shape[1]
        return self.norm(x)

    def forward(self, ids: Tensor, cache: Cache | None = None, **masks: Tensor | None) -> Tensor:
        """ids (B, T) to logits (B, T, V); the arguments are those of `states`."""
        return F.linear(self.states(ids, cache, **masks), self.token.weight)


def weight_names(model: GPT2) -> Iterable[tuple[str, str, bool]]:
    """(our name, the library's name, whether the library stores the matrix transposed), weight by weight."""
    yield from (("token.weight", "wte.weight", False), ("position.weight", "wpe.weight", False))
    parts = {"norm_1": "ln_1", "qkv": "attn.c_attn", "out": "attn.c_proj", "norm_2": "ln_2"}
    parts |= {"up": "mlp.c_fc", "down": "mlp.c_proj"}
    for i in range(model.config.n_layers):
        for ours, theirs in parts.items():
            yield f"blocks.{i}.{ours}.weight", f"h.{i}.{theirs}.weight", "norm" not in ours
            yield f"blocks.{i}.{ours}.bias", f"h.{i}.{theirs}.bias", False
    yield from (("norm.weight", "ln_f.weight", False), ("norm.bias", "ln_f.bias", False))


@torch.no_grad()
def to_transformers(model: GPT2) -> Any:
    """The same model as the transformers library's GPT2LMHeadModel, in evaluation mode, with copies of the weights.

    The library's linear layers are `Conv1D`, whose matrix is stored transposed: (in, out).
    """
    from transformers import GPT2Config as LibraryConfig
    from transformers import GPT2LMHeadModel

    c = model.config
    drop = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), c.dropout)
    sizes = {"n_positions": c.context, "n_embd": c.width, "n_layer": c.n_layers, "n_head": c.n_heads}
    library = GPT2LMHeadModel(
        LibraryConfig(vocab_size=c.vocab_size, bos_token_id=0, eos_token_id=0, pad_token_id=0, **sizes, **drop)
    )
    ours, theirs = model.state_dict(), library.transformer.state_dict()
    for name, other, transposed in weight_names(model):
        theirs[other].copy_(ours[name].T if transposed else ours[name])
    return library.to(model.token.weight.device).eval()


def from_transformers(library: Any) -> GPT2:
    """The library's GPT-2 as ours, with copies of the weights, in evaluation mode. ValueError as in `from_weights`."""
    return from_weights(library.config.to_dict(), library.transformer.state_dict()).to(library.device)


def checkpoint(folder: str | os.PathLike | None = None) -> tuple[GPT2, Tokenizer]:
    """The course's pre-trained GPT-2 and its tokenizer, without the transformers library (which takes 10 s to import).

    folder: another one in the library's format; None is `data/course_gpt2`. ValueError where it holds no whole GPT-2.
    """
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    folder = Path(folder) if folder is not None else data.embedded("course_gpt2/config.json").parent
    try:
        models.check(folder, folder.name)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
        model = from_weights(config, {name.removeprefix("transformer."): p for name, p in weights.items()})
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        if max(tokenizer.get_vocab().values()) >= config["vocab_size"]:
            raise ValueError("the tokenizer has tokens that the network does not know")
    except Exception as error:  # the libraries raise many kinds
        raise ValueError(f"{folder}: {error}") from None
    tokenizer.encode_special_tokens = True  # "<|endoftext|>" in a text is text: only the caller ends one
    return model, tokenizer


@torch.no_grad()
def from_weights(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> GPT2:
    """A GPT2 in evaluation mode from a configuration and weights by the library's names, which are copied.

    ValueError where the configuration is not GPT-2's own, or the weights are not exactly those of it.
    """
    c, sizes = {"n_inner": None, "resid_pdrop": 0.1} | dict(config), ("vocab_size", "n_positions", "n_layer")
    sizes += ("n_head", "n_embd")
    if odd := [size for size in sizes if type(c.get(size)) is not int or c[size] < 1]:
        raise ValueError(f"the configuration has no {', '.join(odd)}")
    if c["n_embd"] % c["n_head"]:
        raise ValueError(f"n_embd is {c['n_embd']}, and n_head, {c['n_head']}, does not divide it")
    usual = {"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True}
    usual |= {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False}
    odd = [key for key, value in usual.items() if c.get(key, value) != value]
    if odd := odd + ["n_inner"] * (c["n_inner"] not in (None, 4 * c["n_embd"])):
        raise ValueError(f"not GPT-2's own configuration: {', '.join(f'{key} is {c[key]}' for key in odd)}")
    model = GPT2(GPT2Config(*(c[key] for key in (*sizes, "resid_pdrop"))))
    ours, names = model.state_dict(), {other: (name, transposed) for name, other, transposed in weight_names(model)}
    if different := sorted(names.keys() ^ weights.keys()):
        kinds = "unknown" if different[0] in weights else "missing"
        raise ValueError(f"{len(different)} weights are missing or unknown, such as {different[0]} ({kinds})")
    for other, (name, transposed) in names.items():
        weight = weights[other].T if transposed else weights[other]
        if weight.shape != ours[name].shape or not weight.isfinite().all():
            raise ValueError(f"{other} has shape {tuple(weights[other].shape)}: it does not fit, or is not finite")
        ours[name].copy_(weight)
    return model.eval()


@dataclass(frozen=True)
class GPTConfig:
    """Sizes of a `GPT`; width is a multiple of 2 n_heads, as rotary positions turn pairs of features."""

    vocab_size: int
    context: int = 128  # tokens that the model can see
    n_layers: int = 6
    n_heads: int = 2
    width: int = 128  # features per token
    n_buckets: int = 16_384  # rows of each table of token groups
    dropout: float = 0.0  # of the token groups' embeddings


class GroupEmbedding(nn.Module):
    """A token's embedding, plus one for the pair and one for the triple of tokens that end there: (B, T, D).

    Groups that fall into the same of the n_buckets rows share it. It is what a table of counts knows, as something to
    learn and to go on from.

    Source: the hash n-gram embeddings of Pagnoni et al. (2024), arXiv:2412.09871, section 3.2.1.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        V = config.vocab_size
        self.vocab_size, self.dropout = V, config.dropout
        self.token = nn.Embedding(V, config.width)
        self.pair = nn.Embedding(min(V**2, config.n_buckets), config.width)
        self.triple = nn.Embedding(min(V**3, config.n_buckets), config.width)
        for table, std in ((self.token, 0.5), (self.pair, 0.1), (self.triple, 0.02)):
            nn.init.normal_(table.weight, std=std)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B, 2 + T): the two tokens before, then the T tokens whose embeddings are wanted."""
        V = self.vocab_size
        pair = ids[:, 1:] + V * ids[:, :-1]
        triple = pair[:, 1:] + V * V * ids[:, :-2]
        groups = self.pair(bucket(pair[:, 1:], V**2, len(self.pair.weight)))
        groups = groups + self.triple(bucket(triple, V**3, len(self.triple.weight)))
        return self.token(ids[:, 2:]) + F.dropout(groups, self.dropout, self.training)


def bucket(group: Tensor, n_groups: int, n_rows: int) -> Tensor:
    """A row from 0 to n_rows - 1 for each number of a group: its own where there are enough, else spread evenly.

    Spread by Knuth's multiplicative hash: the high bits of the product depend on all of the number's, the low ones only
    on its low ones, so that a remainder would put all groups that end alike into few rows.
    """
    return group if n_groups <= n_rows else group * 2_654_435_761 % 2**32 * n_rows >> 32


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the pairs (x_i, x_{i + d/2}) of x (..., d) by the angles whose cos and sin are (..., d/2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def norm(x: Tensor) -> Tensor:
    """(..., D) to mean 0 and variance 1 along D, without weights."""
    return F.layer_norm(x, x.shape[-1:])


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), without biases; x is (B, T, D)."""

    def __init__(self, config: GPTConfig, layer: int):
        super().__init__()
        D = config.width
        self.layer, self.n_heads = layer, config.n_heads
        self.qkv, self.out = nn.Linear(D, 3 * D, bias=False), nn.Linear(D, D, bias=False)
        self.up, self.down = nn.Linear(D, 4 * D, bias=False), nn.Linear(4 * D, D, bias=False)
        for linear in (self.qkv, self.up):
            nn.init.normal_(linear.weight, std=0.8 / math.sqrt(D))
        for linear in (self.out, self.down):  # at first a block changes nothing
            nn.init.zeros_(linear.weight)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None = None) -> Tensor:
        B, T, D = x.shape
        q_k, v = self.qkv(norm(x)).view(B, T, 3, self.n_heads, D // self.n_heads).split([2, 1], dim=2)
        q, k = rotate(norm(q_k), cos, sin).permute(2, 0, 3, 1, 4)  # each (B, heads, T, D/heads)
        v = v.squeeze(2).transpose(1, 2)
        if cache is not None:
            k, v = cache.add(self.layer, k, v)
        x = x + self.out(attend(1.5 * q, k, v))  # normalised queries cannot grow by themselves
        return x + self.down(F.relu(self.up(norm(x))).square())


class GPT(LanguageModel):
    """A GPT that learns faster: embeddings of token groups, rotary positions, normalised queries and keys, ReLU².

    Sources: Su et al. (2021), arXiv:2104.09864 (rotary positions); Henry et al. (2020), arXiv:2010.04245 (normalised
    queries and keys); So et al. (2021), arXiv:2109.08668 (squared ReLU).
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.embedding = GroupEmbedding(config)
        self.blocks = nn.ModuleList(Block(config, i) for i in range(config.n_layers))
        self.head = nn.Linear(config.width, config.vocab_size, bias=False)
        nn.init.zeros_(self.head.weight)
        d = config.width // config.n_heads
        angle = torch.arange(config.context)[:, None] * 1024 ** -torch.linspace(0, 1, d // 2)  # (context, d/2)
        self.register_buffer("cos", angle.cos()[:, None, None], persistent=False)  # for (B, T, 2, heads, d/2)
        self.register_buffer("sin", angle.sin()[:, None, None], persistent=False)

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """ids (B, T) to logits (B, T, V). Two ids 0 are taken to stand before the first.

        ValueError for more tokens than the context has.
        """
        start, T = self.place(ids, cache), ids.shape[1]
        before = F.pad(ids, (2, 0)) if cache is None else F.pad(cache.ids, (2, 0))[:, start : start + T + 2]
        x = norm(self.embedding(before))
        dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        x = x.to(dtype)  # the residual stream too, in the precision of the matrix products
        cos, sin = self.cos[start : start + T].to(dtype), self.sin[start : start + T].to(dtype)
        for block in self.blocks:
            x = block(x, cos, sin, cache)
        if cache is not None:
            cache.length = start + T
        return self.head(norm(x))


def optimizers(
    model: LanguageModel, *, lr: float = 0.014, lr_embedding: float = 0.01, lr_rest: float = 3e-3, bf16: bool = False
) -> list[torch.optim.Optimizer]:
    """Muon (lr) for the matrices inside the blocks; AdamW for the embeddings (lr_embedding) and all else (lr_rest).

    bf16: compute Muon's products in bfloat16.
    """
    inside = [p for p in model.blocks.parameters() if p.ndim == 2]
    embeddings = [p for name, p in model.named_parameters() if name.split(".")[0] in ("embedding", "token", "position")]
    known = {id(p) for p in inside + embeddings}
    rest = [p for p in model.parameters() if id(p) not in known]
    groups = [{"params": embeddings, "lr": lr_embedding}] + ([{"params": rest, "lr": lr_rest}] if rest else [])
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return [optim.Muon(inside, lr=lr, dtype=torch.bfloat16 if bf16 else None), adamw]


def schedule(step: int, n_steps: int, fall: float = 0.5) -> float:
    """The share of the peak learning rate: 20 steps of warm-up, constant, then a straight fall over the last part.

    fall: the share of the steps in which it falls, to a fiftieth.
    """
    return min(1.0, (step + 1) / 20, 0.02 + 0.98 * (1 - step / n_steps) / fall)
