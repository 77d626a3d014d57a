"""Text for the language models of notebooks 11 to 13: characters as numbers, batches, and drawing new text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aigc_course import train

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Characters:
    """Numbers for the characters of a text, in the order of their code points. `symbols` holds them, `vocab_size` says
    how many there are."""

    def __init__(self, text: str):
        self.symbols = "".join(sorted(set(text)))
        self.vocab_size = len(self.symbols)
        self._number = {symbol: i for i, symbol in enumerate(self.symbols)}

    def encode(self, text: str) -> Tensor:
        """(N,) int64. ValueError names a character that is not among the symbols."""
        try:
            return torch.tensor([self._number[c] for c in text], dtype=torch.long)
        except KeyError as error:
            raise ValueError(f"the character {error} is not among the {self.vocab_size} that are known") from None

    def decode(self, ids: Tensor) -> str:
        """The text of ids (N,)."""
        return "".join(self.symbols[i] for i in ids.tolist())


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Each text's token ids, nothing added. ValueError for half of a surrogate pair, which no tokenizer takes."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(f"a text holds {half!r}, half of a surrogate pair, which is no character") from None
    return [encoded.ids for encoded in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def batches(
    ids: Tensor, batch_size: int, context: int, n_steps: int, *, seed: int = 0, progress: bool = True
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield n_steps batches x, y, each (B, context): windows of ids (N,) from random places; y is x one token later.

    A pass visits each place once as the beginning of a window, in an order of its own (`train.batches`); windows
    overlap, so that a pass reads each token about `context` times. ValueError for sizes that do not fit.
    """
    if ids.ndim != 1 or len(ids) <= context:
        raise ValueError(f"ids have shape {tuple(ids.shape)}; windows of {context} need (N,) with N > {context}")
    offsets = torch.arange(context + 1, device=ids.device)
    places = torch.arange(len(ids) - context, device=ids.device)
    for start in train.batches(places, batch_size, n_steps, seed=seed, progress=progress):
        window = ids[start[:, None] + offsets]  # (B, context + 1)
        yield window[:, :-1], window[:, 1:]


def filter_logits(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Tensor:
    """Logits (..., V) divided by the temperature, with -inf where a token may not be drawn. Applied in this order:

    temperature: 0 keeps only the largest. top_k: the k likeliest stay. top_p: the likeliest stay until together they
    have at least this probability. min_p: those stay that have at least this share of the likeliest one's probability.
    ValueError for a setting that is out of range.

    Sources: Fan et al. (2018), arXiv:1805.04833; Holtzman et al. (2020), arXiv:1904.09751; Nguyen et al. (2024),
    arXiv:2407.01082.
    """
    if temperature != 0 and not 1e-6 <= temperature < torch.inf:
        raise ValueError(f"temperature is {temperature}; it is 0, or finite and at least 1e-6")
    if top_k is not None and not top_k >= 1:
        raise ValueError(f"top_k is {top_k}; it starts at 1")
    for name, value in (("top_p", top_p), ("min_p", min_p)):
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"{name} is {value}; it lies in (0, 1]")
    if temperature == 0:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, best, 0.0)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        kth = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    if top_p is not None and top_p < 1:  # at 1 nothing is cut, where rounding in the sum would
        ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
        before = ordered.cumsum(dim=-1) - ordered  # probability of those that are likelier
        excluded = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
        logits = logits.masked_fill(excluded, -torch.inf)
    if min_p is not None:
        p = logits.softmax(dim=-1)
        logits = logits.masked_fill(p < min_p * p.amax(dim=-1, keepdim=True), -torch.inf)
    return logits


@torch.no_grad()
def generate(
    model: nn.Module,
    ids: Tensor,
    n_tokens: int,
    *,
    real: Tensor | None = None,
    seed: int | None = None,
    cache: bool = True,
    stop: int | None = None,
    **settings: float | None,
) -> Tensor:
    """Read ids (B, T) and write n_tokens more: (B, T + n_tokens), or fewer where each row has written the token stop.

    model: a GPT2 or a GPT of `gpt`. settings: those of `filter_logits`; temperature 0 is greedy. seed: of the drawing,
    or None to go on with PyTorch's own. cache: keep keys and values instead of reading everything again for each token;
    the tokens are the same but for rounding. Of a longer prompt the last `context` tokens are read; when the context is
    full, the text goes on from its last half, read anew. real: (B, T), False for what fills up prompts on the left (for
    a GPT2): nothing sees it, and positions begin with each prompt. After a stop a row goes on with stops.
    ValueError for an empty prompt.
    """
    if ids.ndim != 2 or not ids.numel() or (real is not None and not real[:, -1].all()):
        raise ValueError(f"prompts have shape {tuple(ids.shape)}, to be (B, T), each of a token or more, the last ones")
    context, generator = model.config.context, None if seed is None else torch.Generator(ids.device).manual_seed(seed)
    first, memory = max(0, ids.shape[1] - context), model.cache(len(ids)) if cache else None
    done = torch.zeros_like(ids[:, :1], dtype=torch.bool)
    real = None if real is None else F.pad(real, (0, n_tokens), value=True)
    with train.evaluating(model):
        for _ in range(n_tokens):
            if ids.shape[1] - first > context:
                first, memory = ids.shape[1] - max(1, context // 2), model.cache(len(ids)) if cache else None
            T = ids.shape[1] - first - (memory.length if cache else 0)  # tokens that it has not read
            masks = {} if real is None else _masks(real[:, first : ids.shape[1]], T)
            logits = filter_logits(model(ids[:, -T:], memory, **masks)[:, -1].float(), **settings)
            if settings.get("temperature") == 0:
                new = logits.argmax(dim=-1, keepdim=True)
            else:
                new = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)
            if stop is not None:
                new = new.masked_fill(done, stop)
                done |= new == stop
            ids = torch.cat([ids, new], dim=1)
            if stop is not None and done.all():
                break
    return ids


def _masks(real: Tensor, T: int) -> dict[str, Tensor]:
    """What each of the last T of S tokens may see, (B, 1, T, S), and their positions, (B, T). real: (B, S)."""
    S = real.shape[1]
    past = torch.ones(T, S, dtype=torch.bool, device=real.device).tril(S - T)
    return {"seen": past & real[:, None, None], "positions": (real.cumsum(1) - 1).clamp(min=0)[:, S - T :]}
