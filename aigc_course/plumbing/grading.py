"""What graders are made of: verdicts, reading an answer, calling a learner's function, comparing it with the solution.

A grader stands under `@exercise` in a page's back room, `chapters/NN_name/exercises.py`: it returns what to say of a
right answer and raises `Wrong` with a sentence that names the mistake.
"""

from __future__ import annotations

import inspect
import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class Wrong(Exception):
    """Ends a check: a sentence or two for the learner, code in backticks."""

    status, heading = "wrong", "wrong: "


class NotAttempted(Wrong):
    """The stub is as it was."""

    status, heading = "not attempted", "not attempted yet. "


@dataclass(frozen=True)
class Exercise:
    """name: what the stub defines; solution: Python that defines it; grade(answer, truth) returns praise or raises."""

    name: str
    hint: str
    solution: str
    grade: Callable[[Any, Any], str]

    def truth(self) -> Any:
        """What the solution defines."""
        names: dict[str, Any] = {}
        exec(self.solution, names)
        return names[self.name]


registry: dict[str, Exercise] = {}


def exercise(number: str, *, hint: str, solution: str) -> Callable[[Callable], Callable]:
    """Register the decorated grader, called like what the stub defines, as the exercise `number`, such as "03.1"."""

    def register(grade: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
        registry[number] = Exercise(grade.__name__, hint, solution.strip("\n"), grade)
        return grade

    return register


def text_of(value: Any, write: Callable[[Any], str] = repr) -> str:
    """The learner's object on one line of at most 120 printable characters, whatever its own methods do."""
    try:
        text = str(write(value))[:500]
    except (Exception, SystemExit):
        text = f"<{type(value).__name__}>"
    text = " ".join("".join(c if c.isprintable() else " " for c in text).replace("`", "'").split())
    return text if len(text) <= 120 else f"{text[:119]}…"


def error_text(error: BaseException, function: Any = None) -> str:
    """The error's type and text, and the line of `function` that raised it."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file and frame.line]
    text = f"`{type(error).__name__}: {text_of(error, str)}`".replace(": `", "`")
    return f"{text} in the line `{text_of(lines[-1], str)}`" if lines else text


def number_of(answer: Any) -> float:
    """The answer as a finite float, from a number, text such as "1.31", or a tensor or array of one element."""
    try:
        value = float(answer.item() if hasattr(answer, "item") else answer)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"the answer must be one number; what came is `{text_of(answer)}`.") from None
    if not math.isfinite(value):
        raise Wrong(f"the answer must be a finite number; what came is {value}.")
    return value


def prediction_of(answer: Any, keys: Iterable[str], words: Sequence[str]) -> dict[str, str]:
    """What the learner predicts: for each of the keys one of the words, from a dict, whatever its case and full stops.

    Raises Wrong for other words or keys that are missing, NotAttempted where a value is.
    """
    keys = list(keys)
    if not isinstance(answer, Mapping) or not set(keys) <= answer.keys():
        raise Wrong(f"the prediction must be a dict with the keys {_listed(keys, 'and')}.")
    said = {key: answer[key].strip(" .").lower() if isinstance(answer[key], str) else answer[key] for key in keys}
    for key, word in said.items():
        if word is None or word is ... or isinstance(word, str) and not word:
            raise NotAttempted(f'"{key}" has no value.')
        if not isinstance(word, str) or word not in words:
            raise Wrong(f'"{key}" must be {_listed(words, "or")}; what came is `{text_of(answer[key])}`.')
    return said


def _listed(names: Sequence[str], last: str) -> str:
    """ "a", "b" and "c"."""
    *others, final = [f'"{name}"' for name in names]
    return f"{', '.join(others)} {last} {final}"


def name_mistake(
    value: float, mistakes: Mapping[Any, str], within: float | Callable[[float], float], *, relative: bool = False
) -> None:
    """Raise Wrong with the sentence of the mistake that gives the nearest value, unless that is not within reach.

    mistakes: {its value, or an expression of it with the names of `math`: what to tell the learner}. within: how near
    the value must be, or that as a function of the mistake's. relative: nearest in proportion to the mistake's value.
    """
    found = [(eval(m, vars(math).copy()) if isinstance(m, str) else m, sentence) for m, sentence in mistakes.items()]
    nearest, sentence = min(found, key=lambda pair: abs(value - pair[0]) / (pair[0] if relative else 1))
    if abs(value - nearest) <= (within(nearest) if callable(within) else within):
        raise Wrong(sentence)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Fixed standard normal numbers: float32, on the CPU, the same whatever the learner has seeded."""
    import torch

    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), device="cpu", dtype=torch.float32)


def call(function: Any, truth: Callable, inputs: Sequence[Any], label: str, seed: int = 0) -> Any:
    """What `function` returns for copies of `inputs` (as NumPy arrays where it fails on tensors).

    Raises Wrong where it raises or changes an argument, NotAttempted where it is a stub. What it draws depends on
    `seed` and leaves the learner's generator as it was.
    """
    import torch

    names, errors = inspect.signature(truth).parameters, []
    usage = f"{truth.__name__}({', '.join(names)})"
    if not callable(function) or isinstance(function, (torch.Tensor, type)):
        raise Wrong(f"the answer must be the function `{usage}` itself, passed without calling it.")
    for convert in (torch.clone, lambda x: x.detach().clone().numpy()):
        try:
            with torch.device("cpu"), torch.enable_grad(), torch.random.fork_rng(devices=[]):
                copies = [convert(x) if torch.is_tensor(x) else x for x in inputs]
                torch.default_generator.manual_seed(seed)
                value = function(*copies)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            errors.append(error)
            continue
        for name, before, after in zip(names, inputs, copies, strict=True):
            if torch.is_tensor(before) and not _same(before.detach(), torch.as_tensor(after).detach()):
                raise Wrong(f"your function changes its argument `{name}` in place; compute a new tensor instead.")
        if value is None or value is ...:
            raise NotAttempted(f"`{truth.__name__}` returns nothing; if you have written it, a `return` is missing.")
        return value
    if isinstance(errors[0], NotImplementedError) and "not implemented for" not in text_of(errors[0], str):
        raise NotAttempted(f"Write `{usage}` in the cell above, run that cell, then this one.")
    raise Wrong(f"`{usage}` raises {error_text(errors[0], function)}, when called with {label}.")


def tensor_of(value: Any) -> Tensor:
    """What the learner's function returned, a tensor, array, number or list, as a float64 tensor on the CPU."""
    import torch

    try:
        tensor = torch.as_tensor(value).detach().cpu()
    except Exception:
        raise Wrong(f"your function must return one tensor; it returns `{text_of(value)}`.") from None
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise Wrong(f"your function must return real numbers; it returns {tensor.dtype}.")
    return tensor.double()


def compare(function: Any, truth: Callable, cases: Sequence[tuple], mistakes: dict[str, str]) -> None:
    """Raise Wrong unless `function` equals `truth`, to 1e-4, on all `cases`: (label, *arguments), general ones first.

    A list among the arguments stands for a float32 tensor. mistakes: {wrong expression: what to tell the learner whose
    function gives its values}; it is written with truth's arguments, `inputs` (all of them), `truth` and `want`.
    """
    import torch

    parameters, seen, differences = list(inspect.signature(truth).parameters), [], []
    for label, *inputs in cases:
        inputs = [torch.tensor(x, device="cpu", dtype=torch.float32) if isinstance(x, list) else x for x in inputs]
        got, again = (tensor_of(call(function, truth, inputs, label, seed)) for seed in (0, 1))
        if not _same(got, again):
            raise Wrong("your function gives other values when called again: it must use nothing but its arguments.")
        want = truth(*inputs)
        names = {"inputs": inputs, "truth": truth, "want": want, "log": math.log}
        seen.append((names | dict(zip(parameters, inputs, strict=True)), got))
        if not _same(got, want):
            for expression, sentence in mistakes.items():
                if all(_same(value, eval(expression, dict(names))) for names, value in reversed(seen)):
                    raise Wrong(sentence)
            differences.append(_difference(got, want.double(), label))
    if differences:
        raise Wrong(max(differences, key=lambda found: found[0])[1])


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.double().allclose(b.double(), rtol=1e-4, atol=1e-4, equal_nan=True)


def _difference(got: Tensor, want: Tensor, label: str) -> tuple[float, str]:
    """How well the sentence explains the difference (of plain values, the smallest case does best); the sentence."""
    if got.shape != want.shape:
        axis = "an axis is left over, `keepdim`?" if got.ndim > want.ndim else "an axis is lost, `squeeze`?"
        why = f" ({axis})" if got.numel() == want.numel() else ""
        return 3, f"for {label}, it returns shape {tuple(got.shape)} where {tuple(want.shape)} is due{why}."
    for rank, change, say in ((2, got / want, "{:.3g} times what it should be"), (1, got - want, "off by {:+.3g}")):
        if change.numel() > 2 and change.isfinite().all() and _same(change, change.mean().expand_as(change)):
            return rank, f"for {label}, every value is {say.format(change.mean().item())}."
    first = [", ".join(f"{x:.4g}" for x in t.flatten()[:3].tolist()) + ", …" * (t.numel() > 3) for t in (got, want)]
    return 1 / (1 + got.numel()), f"for {label}, it returns {first[0]} where {first[1]} is due."
