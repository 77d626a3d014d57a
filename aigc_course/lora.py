"""Fine-tuning of the course's small GPT-2, for notebooks 13 and 20 to 22: LoRA, examples with loss masks, answers.
Texts are right-padded, so that causal attention needs no mask; prompts to go on from are left-padded, with a mask.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import gpt, text, train

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = 0  # the checkpoint's end-of-text token


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


def add_lora(
    model: nn.Module, rank: int = 8, alpha: float = 16.0, names: Sequence[str] = ("out", "up", "down")
) -> list[nn.Parameter]:
    """Freezes the model, in place, and puts a LoRA around each linear layer called one of names. Returns what learns.

    By default queries, keys and values stay as they are: a small network that copies by them unlearns it otherwise.
    ValueError where there is no such layer, or one that is not linear, such as one that has its LoRA.
    """
    places = [(parent, name) for parent in model.modules() for name, _ in parent.named_children() if name in names]
    if not places:
        raise ValueError(f"the model has no layers called {', '.join(names)}")
    if odd := [name for parent, name in places if not isinstance(getattr(parent, name), nn.Linear)]:
        raise ValueError(f"{odd[0]} is not a linear layer (any more: add_lora works once on a model)")
    model.requires_grad_(False)
    for parent, name in places:
        setattr(parent, name, LoRA(getattr(parent, name), rank, alpha))
    return [p for p in model.parameters() if p.requires_grad]


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

    The checkpoint knows this form from `makers/catalogue.py`.
    """
    return "; ".join(f"{key}: {value}" for key, value in mr.items()) + " =>"


def examples(
    pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer, *, context: int = 256, device: torch.device | str = "cpu"
) -> Examples:
    """(prompt, answer) pairs as token ids; an answer begins with a space and ends with the end-of-text token.

    What is longer than the context loses its end. ValueError for a prompt that leaves no place for an answer.
    """
    prompts = text.encode(tokenizer, [prompt for prompt, _ in pairs])
    answers = text.encode(tokenizer, [f" {answer}" for _, answer in pairs])
    if any(len(prompt) >= context for prompt in prompts):
        raise ValueError(f"a prompt fills the context of {context} tokens and leaves no place for an answer")
    ids, lengths = pad([[*p, *a, END][:context] for p, a in zip(prompts, answers, strict=True)])
    place, starts = torch.arange(ids.shape[1]), torch.tensor([len(prompt) for prompt in prompts])
    answer = (place >= starts[:, None]) & (place < torch.tensor(lengths)[:, None])
    return Examples(ids.to(device), answer.to(device), lengths)


def pad(sequences: Sequence[Sequence[int]], value: int = END, *, left: bool = False) -> tuple[Tensor, list[int]]:
    """Lists of ids as one tensor (N, longest), filled up with value on the right (or left), and their lengths."""
    rows, side = [torch.tensor(ids, dtype=torch.long) for ids in sequences], "left" if left else "right"
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value, padding_side=side)
    return ids, [len(row) for row in rows]


def buckets(
    lengths: Sequence[int], batch_size: int, n_steps: int, *, seed: int = 0, pool: int = 8, progress: bool = True
) -> Iterator[Tensor]:
    """Yield n_steps index tensors (batch_size,), on the host, of rows of similar length.

    Each pass has an order of its own. Of each `pool` batches the rows are sorted by length before they are cut into
    batches, whose order is random again: less padding, at little cost in randomness. Fewer rows than a batch repeat.
    """
    order, queue = random.Random(seed), []
    for _ in train.batches(torch.zeros(1), 1, n_steps, progress=progress):  # for its progress bar
        if not queue:
            rows = list(range(len(lengths)))
            order.shuffle(rows)
            rows += [order.randrange(len(rows)) for _ in range(-len(rows) % batch_size)]  # to fill up the last batch
            for i in range(0, len(rows), pool * batch_size):
                part = sorted(rows[i : i + pool * batch_size], key=lengths.__getitem__)
                batches = [part[j : j + batch_size] for j in range(0, len(part), batch_size)]
                order.shuffle(batches)
                queue.extend(batches)
        yield torch.tensor(queue.pop(0))


def answer_loss(model: gpt.GPT2, ids: Tensor, answer: Tensor) -> Tensor:
    """Mean of -log p of the tokens where answer is True, in nats, given all before them. ids, answer: (B, T).

    The output layer, a quarter of the work here, is computed only where a loss is due.
    """
    due = answer[:, 1:]
    x = model.states(ids[:, :-1])[due]  # (number of answer tokens, D)
    return F.cross_entropy(F.linear(x, model.token.weight).float(), ids[:, 1:][due])


def fit(
    model: nn.Module,
    loss: Callable[[Tensor], Tensor],
    lengths: Sequence[int],
    optimizers: Sequence[torch.optim.Optimizer],
    *,
    batch_size: int,
    n_steps: int,
    seed: int = 0,
    autocast: AbstractContextManager | None = None,
    progress: bool = True,
) -> train.Log:
    """Trains what is free in a model, in place: n_steps of batches of similar length, rates up for a tenth, then down.

    loss: takes the rows of a batch (batch_size,), on the host, and gives a scalar. Gradients longer than 1 are cut.
    optimizers: their rates are the peaks.
    """
    groups = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    free, log = [p for p in model.parameters() if p.requires_grad], train.Log()
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


def complete(
    model: gpt.GPT2, prompts: Sequence[Sequence[int]], n_tokens: int = 80, *, batch_size: int = 64, stop: int = END
) -> list[list[int]]:
    """Greedy continuations of prompts of any lengths, up to the token stop or n_tokens: what each prompt gives alone.

    Prompts of similar length share a batch, padded on the left (`text.generate`). Where its longest fills the context,
    all of a batch go on from the last half.
    """
    found, by_length = [[] for _ in prompts], sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for first in range(0, len(prompts), batch_size):
        rows = by_length[first : first + batch_size]
        ids, lengths = pad([prompts[i] for i in rows], left=True)
        T, device = ids.shape[1], model.token.weight.device
        real = (torch.arange(T) >= T - torch.tensor(lengths)[:, None]).to(device)
        written = text.generate(model, ids.to(device), n_tokens, real=real, temperature=0, stop=stop)
        for i, tokens in zip(rows, written[:, T:].tolist(), strict=True):
            found[i] = tokens[: tokens.index(stop)] if stop in tokens else tokens
    return found
