"""Fine-tuning of the course's small GPT-2, for notebooks 13 and 20 to 22: LoRA, examples with loss masks, generation.

Texts are right-padded, so that causal attention needs no mask; what is generated is left-padded, with a mask.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import data, gpt, train

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = 0  # the checkpoint's end-of-text token


def checkpoint(folder: str | os.PathLike | None = None) -> tuple[gpt.GPT2, Tokenizer]:
    """The course's pre-trained GPT-2 and its tokenizer, without the transformers library (which takes 10 s to import).

    folder: another one in the library's format; None is `data/course_gpt2`. The model is in evaluation mode.
    ValueError where the folder's configuration is not GPT-2's own, or the weights are not of it.
    """
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    folder = Path(folder) if folder is not None else data.embedded("course_gpt2/config.json").parent
    c = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    usual = {"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "n_inner": None}
    if odd := [key for key, value in usual.items() if c.get(key, value) != value]:
        raise ValueError(f"{folder / 'config.json'} is not of GPT-2's own shape: {', '.join(odd)}")
    model = gpt.GPT2(gpt.GPT2Config(c["vocab_size"], c["n_positions"], c["n_layer"], c["n_head"], c["n_embd"]))
    ours, theirs = model.state_dict(), load_file(folder / "model.safetensors")
    for name, other, transposed in gpt.weight_names(model):
        weight = theirs.get(f"transformer.{other}")
        if weight is None or (weight.T if transposed else weight).shape != ours[name].shape:
            raise ValueError(f"{folder / 'model.safetensors'} has no fitting weight transformer.{other}")
        ours[name].copy_(weight.T if transposed else weight)
    return model.eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


# --- LoRA ----------------------------------------------------------------------------------------------------


class LoRA(nn.Module):
    """A linear layer that stays as it is, plus a product of two thin matrices that learns: W x + (alpha / r) B A x.

    A (r, in) is random and B (out, r) zero, so that at first nothing changes. ValueError for a rank below 1.

    Source: Hu et al. (2021), arXiv:2106.09685, eq. 3.
    """

    def __init__(self, linear: nn.Linear, rank: int = 8, alpha: float = 16.0):
        super().__init__()
        if rank < 1:
            raise ValueError(f"the rank is {rank}; it starts at 1")
        self.linear, self.scale = linear.requires_grad_(False), alpha / rank
        like = {"device": linear.weight.device, "dtype": linear.weight.dtype}
        self.A = nn.Parameter(torch.empty(rank, linear.in_features, **like))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, **like))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))  # as peft does

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + F.linear(F.linear(x, self.A), self.B) * self.scale

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The linear layer with the product added to its weights: as quick as before."""
        self.linear.weight += self.scale * self.B @ self.A
        return self.linear


def add_lora(
    model: nn.Module, rank: int = 8, alpha: float = 16.0, names: Sequence[str] = ("out", "up", "down")
) -> list[nn.Parameter]:
    """Freezes the model, in place, and puts a LoRA around each linear layer called one of names. Returns what learns.

    By default queries, keys and values stay as they are: a small network that copies by them unlearns it otherwise.
    ValueError where there is no such layer.
    """
    model.requires_grad_(False)
    places = [(parent, name) for parent in model.modules() for name, _ in parent.named_children() if name in names]
    if not places:
        raise ValueError(f"the model has no layers called {', '.join(names)}")
    for parent, name in places:
        setattr(parent, name, LoRA(getattr(parent, name), rank, alpha))
    return [p for p in model.parameters() if p.requires_grad]


def merge_lora(model: nn.Module) -> nn.Module:
    """Adds each LoRA to the layer that it is around, in place, and removes it. Returns the model."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LoRA):
                setattr(parent, name, child.merged())
    return model.requires_grad_(True)


# --- examples ------------------------------------------------------------------------------------------------


class Examples(NamedTuple):
    """Prompts with answers: ids (N, T), right-padded; answer (N, T), True where a token belongs to the answer."""

    ids: Tensor
    answer: Tensor
    lengths: list[int]  # on the host, so that a batch can be cut to its longest without waiting for the device

    def rows(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """ids and answer of some rows, (B, T), cut to the longest of these or a little above. index: (B,), on the host.

        T is a multiple of 16: PyTorch keeps kernels for each size it has met, which for all lengths took 0.5 GB more.
        """
        longest = 16 * math.ceil(max(self.lengths[i] for i in index.tolist()) / 16)
        index = index.to(self.ids.device)
        return self.ids[index, :longest], self.answer[index, :longest]


def prompt_of(mr: dict[str, str]) -> str:
    """Attributes as an instruction that the model continues: "name: Blue Spice; area: riverside =>".

    The checkpoint knows this form from `benchmarks/catalogue.py`.
    """
    return "; ".join(f"{key}: {value}" for key, value in mr.items()) + " =>"


def examples(
    pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer, *, context: int = 256, device: torch.device | str = "cpu"
) -> Examples:
    """(prompt, answer) pairs as token ids; an answer begins with a space and ends with the end-of-text token.

    What is longer than the context loses its end. ValueError for a prompt that leaves no place for an answer.
    """
    prompts = tokenizer.encode_batch([prompt for prompt, _ in pairs], add_special_tokens=False)
    answers = tokenizer.encode_batch([f" {answer}" for _, answer in pairs], add_special_tokens=False)
    if any(len(prompt.ids) >= context for prompt in prompts):
        raise ValueError(f"a prompt fills the context of {context} tokens and leaves no place for an answer")
    both = [([*p.ids, *a.ids, END][:context], len(p.ids)) for p, a in zip(prompts, answers, strict=True)]
    ids, lengths = pad([row for row, _ in both])
    place = torch.arange(ids.shape[1])
    starts = torch.tensor([start for _, start in both])
    answer = (place >= starts[:, None]) & (place < torch.tensor(lengths)[:, None])
    return Examples(ids.to(device), answer.to(device), lengths)


def pad(sequences: Sequence[Sequence[int]], value: int = END, *, left: bool = False) -> tuple[Tensor, list[int]]:
    """Lists of ids as one tensor (N, longest), filled up with value on the right (or left), and their lengths."""
    lengths = [len(sequence) for sequence in sequences]
    ids = torch.full((len(sequences), max(lengths)), value)
    for row, sequence in zip(ids, sequences, strict=True):
        row[len(row) - len(sequence) if left else 0 :][: len(sequence)] = torch.tensor(sequence)
    return ids, lengths


def buckets(
    lengths: Sequence[int], batch_size: int, n_steps: int, *, seed: int = 0, pool: int = 8, progress: bool = True
) -> Iterator[Tensor]:
    """Yield n_steps index tensors (batch_size,), on the host, of rows of similar length.

    Each pass has an order of its own. Of each `pool` batches the rows are sorted by length before they are cut into
    batches, whose order is random again: less padding, at little cost in randomness. Fewer rows than a batch repeat.
    """
    order = random.Random(seed)
    queue: list[list[int]] = []

    def refill() -> None:
        rows = list(range(len(lengths)))
        order.shuffle(rows)
        while len(rows) % batch_size:  # the last batch of a pass is filled up
            rows.append(order.randrange(len(lengths)))
        for i in range(0, len(rows), pool * batch_size):
            part = sorted(rows[i : i + pool * batch_size], key=lambda row: lengths[row])
            batches = [part[j : j + batch_size] for j in range(0, len(part), batch_size)]
            order.shuffle(batches)
            queue.extend(batches)

    for _ in train.batches(torch.zeros(1), 1, n_steps, progress=progress):  # for its progress bar
        if not queue:
            refill()
        yield torch.tensor(queue.pop(0))


# --- the model -----------------------------------------------------------------------------------------------


def states(
    model: gpt.GPT2,
    ids: Tensor,
    *,
    seen: Tensor | None = None,
    positions: Tensor | None = None,
    cache: gpt.Cache | None = None,
) -> Tensor:
    """The states (B, T, D) that GPT-2 computes before its output layer, normalised, with a free choice of mask.

    seen: bool, broadcastable to (B, heads, T, S): which of the S tokens each of the T new ones may see; None is
    causal. positions: (T,) or (B, T), by default counted from the cache's length.
    """
    B, T = ids.shape
    start = gpt.place(model, ids, cache)
    if positions is None:
        positions = torch.arange(start, start + T, device=ids.device)
    x = F.dropout(model.token(ids) + model.position(positions), model.config.dropout, model.training)
    for block in model.blocks:
        qkv = block.qkv(block.norm_1(x)).view(B, T, 3, block.n_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, D/heads)
        if cache is not None:
            k, v = cache.add(block.layer, k, v)
        y = gpt.attend(q, k, v) if seen is None else _attend(q, k, v, seen)
        x = x + F.dropout(block.out(y), block.dropout, block.training)
        h = F.gelu(block.up(block.norm_2(x)), approximate="tanh")
        x = x + F.dropout(block.down(h), block.dropout, block.training)
    if cache is not None:
        cache.length = start + T
    return model.norm(x)


def _attend(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """Written out: for short texts in bfloat16 on a CPU this trains faster than PyTorch's fused attention."""
    scores = ((q / math.sqrt(q.shape[-1])) @ k.mT).masked_fill(~seen, -1e4)
    return (scores.softmax(dim=-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)


def answer_loss(model: gpt.GPT2, ids: Tensor, answer: Tensor) -> Tensor:
    """Mean of -log p of the tokens where answer is True, in nats, given all before them. ids, answer: (B, T).

    The output layer, a quarter of the work here, is computed only where a loss is due.
    """
    due = answer[:, 1:]
    x = states(model, ids[:, :-1])[due]  # (number of answer tokens, D)
    return F.cross_entropy(F.linear(x, model.token.weight).float(), ids[:, 1:][due])


def optimizers_for(model: nn.Module, lr: float, *, lr_muon: float | None = None) -> list[torch.optim.Optimizer]:
    """AdamW for all that learns, or, with lr_muon, Muon for the matrices of the blocks and AdamW for the rest."""
    free = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in free if lr_muon and "blocks." in name and p.ndim == 2]
    taken = {id(p) for p in matrices}
    adamw = torch.optim.AdamW([p for _, p in free if id(p) not in taken], lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    return [adamw, gpt.Muon(matrices, lr=lr_muon)] if matrices else [adamw]


def fit(
    model: nn.Module,
    loss: Callable[[Tensor], Tensor],
    lengths: Sequence[int],
    *,
    batch_size: int,
    n_steps: int,
    lr: float,
    lr_muon: float | None = None,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    progress: bool = True,
) -> train.Log:
    """Trains what is free in a model, in place: n_steps of batches of similar length, rate up for a tenth, then down.

    loss: takes the rows of a batch (batch_size,), on the host, and gives a scalar. Gradients longer than 1 are cut.
    lr_muon: see `optimizers_for`.
    """
    optimizers = optimizers_for(model, lr, lr_muon=lr_muon)
    groups = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    free = [p for p in model.parameters() if p.requires_grad]
    log = train.Log()
    model.train()
    for step, rows in enumerate(buckets(lengths, batch_size, n_steps, seed=seed, progress=progress)):
        for group, peak in groups:
            group["lr"] = peak * min(10 * (step + 1) / n_steps, (n_steps - step) / (0.9 * n_steps), 1.0)
        model.zero_grad()
        with autocast or nullcontext():
            value = loss(rows)
        value.backward()
        nn.utils.clip_grad_norm_(free, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        log(loss=value)
    model.eval()
    return log


@torch.no_grad()
def generate(
    model: gpt.GPT2, prompts: Sequence[Sequence[int]], n_tokens: int = 80, *, batch_size: int = 64, stop: int = END
) -> list[list[int]]:
    """Greedy continuations of prompts of any lengths, up to the token `stop` or n_tokens.

    Prompts of similar length share a batch. They are padded on the left, the padding is masked, and positions are
    counted from each prompt's own beginning, so that the tokens are those that each prompt gives alone; but all of a
    batch end where its longest has filled the context. ValueError for n_tokens below 1 and for a prompt that fills it.
    """
    device, found, context = model.token.weight.device, [[] for _ in prompts], model.config.context
    if n_tokens < 1 or any(len(prompt) >= context for prompt in prompts):
        raise ValueError(f"n_tokens is {n_tokens}, to be 1 or more; prompts are shorter than the context of {context}")
    by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for first in range(0, len(by_length), batch_size):
        rows = by_length[first : first + batch_size]
        ids, lengths = pad([prompts[i] for i in rows], left=True)
        B, T = ids.shape
        total = min(T + n_tokens, context)
        real = torch.arange(total) >= T - torch.tensor(lengths)[:, None]  # (B, total): not padding
        positions = (real.cumsum(1) - 1).clamp(min=0).to(device)
        ids, real, cache = ids.to(device), real.to(device), gpt.Cache(model, B)
        seen = torch.ones(T, T, dtype=torch.bool, device=device).tril() & real[:, None, None, :T]
        done, new = torch.zeros(B, dtype=torch.bool, device=device), []
        with train.evaluating(model, None):
            x = states(model, ids, seen=seen, positions=positions[:, :T], cache=cache)[:, -1]
            for place in range(T, total):
                token = F.linear(x, model.token.weight).argmax(1)
                new.append(token)
                done |= token == stop
                if place + 1 == total or (len(new) % 8 == 0 and done.all()):
                    break
                at, here = real[:, None, None, : place + 1], positions[:, place : place + 1]
                x = states(model, token[:, None], seen=at, positions=here, cache=cache)[:, -1]
        for i, tokens in zip(rows, torch.stack(new, dim=1).tolist(), strict=True):
            found[i] = tokens[: tokens.index(stop)] if stop in tokens else tokens
    return found
