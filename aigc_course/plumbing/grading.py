"""What graders are made of: verdicts, three kinds of task, and a fence around the learner's code.

In a page's back room, `chapters/NN_name/exercises.py`, a function under `@exercise` takes the solution's value and
returns a `Words`, `Number` or `Function`: what is right, and which mistakes have a sentence.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import inspect
import math
import random
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SECONDS = 10.0  # that a check may take


class Wrong(Exception):
    """Ends a check: a sentence or two for the learner, code in backticks."""

    status, heading = "wrong", "wrong: "


class NotAttempted(Wrong):
    """The stub is as it was."""

    status, heading = "not attempted", "not attempted yet. "


class TooLong(BaseException):
    """What `limited` raises; not an Exception, because answers catch those."""


@dataclass(frozen=True)
class Exercise:
    """name: what the stub defines; solution: Python that defines it; task(truth): a Words, Number or Function."""

    name: str
    hint: str
    solution: str
    praise: str
    task: Callable[[Any], Any]

    def truth(self) -> Any:
        """What the solution defines."""
        names: dict[str, Any] = {}
        exec(self.solution, names)
        return names[self.name]

    def grade(self, answer: Any) -> str:
        """The praise of a right answer; raises Wrong for others, and for one that takes more than SECONDS."""
        truth = self.truth()
        task = self.task(truth)  # before the clock starts: it may import PyTorch
        try:
            with limited(SECONDS):
                task.grade(answer, truth)
        except TooLong:
            raise Wrong(f"stopped after {SECONDS:g} seconds. Is there a loop that never ends?") from None
        return self.praise


registry: dict[str, Exercise] = {}
slips: dict[
    str, Callable
] = {}  # mistakes of any function, {sentence: (got, due) -> two tensors, equal where it is made}


def exercise(number: str, *, hint: str, solution: str, praise: str) -> Callable[[Callable], Callable]:
    """Register the decorated task, called like what the stub defines, as the exercise `number`, such as "03.1"."""

    def register(task: Callable[[Any], Any]) -> Callable[[Any], Any]:
        registry[number] = Exercise(task.__name__, hint, solution.strip("\n"), praise, task)
        return task

    return register


def each(mistakes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(sentence, wrong answer): a sentence may stand for several."""
    for sentence, wrong in mistakes.items():
        yield from ((sentence, one) for one in (wrong if isinstance(wrong, tuple) else (wrong,)))


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooLong in this thread when the block has computed for longer, again and again where the block catches it.

    A busy machine's other work does not count, up to six times the seconds. This works on every platform, but C code
    comes to its end first: a `time.sleep`, or one huge matrix product.
    """
    ends, here = threading.Event(), ctypes.c_ulong(threading.get_ident())
    interrupt, clocks = ctypes.pythonapi.PyThreadState_SetAsyncExc, (time.monotonic, time.process_time)
    begin = [clock() for clock in clocks]

    def watch() -> None:
        while not ends.wait(0.1):
            wall, computed = (clock() - start for clock, start in zip(clocks, begin, strict=True))
            if min(wall, computed) >= seconds or wall >= 6 * seconds:
                interrupt(here, ctypes.py_object(TooLong))

    watchdog = threading.Thread(target=watch, daemon=True)
    watchdog.start()
    try:
        yield
    finally:
        while watchdog.is_alive():
            with contextlib.suppress(TooLong):
                ends.set()
                watchdog.join()
        interrupt(here, None)  # what was raised too late is taken back


@contextlib.contextmanager
def fenced(seed: int) -> Iterator[None]:
    """PyTorch's usual settings, on the CPU, and random numbers by `seed`; afterwards all is as the learner had it."""
    import numpy as np
    import torch

    settings = [
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_default_device, torch.set_default_device),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    ]
    before, numbers = [get() for get, _ in settings], (random.getstate(), np.random.get_state())
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=cuda), torch.inference_mode(False), torch.enable_grad():
        try:
            torch.set_default_dtype(torch.float32)
            for sow in (random.seed, np.random.seed, torch.default_generator.manual_seed):
                sow(seed)
            with torch.device("cpu"):
                yield
        finally:
            random.setstate(numbers[0]), np.random.set_state(numbers[1])
            for (get, put), kept in zip(settings, before, strict=True):
                if get() != kept:
                    put(kept)


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
    """The answer as a finite float: a number, text such as "1.31 nats" or "15,360", or a tensor of one element."""
    try:
        value = answer.item() if hasattr(answer, "item") else answer
        if isinstance(value, str) and value.lower() not in ("nan", "inf"):
            text = re.sub(r"(?<=\d)\s*[a-zA-Z]{2,}$", "", value.replace("−", "-").strip("=≈~\"'` \t\r\n"))
            value = Fraction(text.replace(",", "") if re.match(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.|$)", text) else text)
        value = float(value)
    except (TypeError, ValueError, ArithmeticError, RuntimeError):
        raise Wrong(f"the answer must be one number; what came is `{text_of(answer)}`.") from None
    if not math.isfinite(value):
        raise Wrong(f"the answer must be a finite number; what came is {value}.")
    return value


def _listed(names: Sequence[str], last: str) -> str:
    """ "a", "b" and "c"."""
    *others, final = [f'"{name}"' for name in names]
    return f"{', '.join(others)} {last} {final}"


def said_by(text: str) -> dict[str, str]:
    """{"nats per token": "rises", "kl": "falls"} for "nats per token rises, kl falls"."""
    return dict(pair.rsplit(" ", 1) for pair in text.split(", "))


@dataclass(frozen=True)
class Words:
    """One of `words` for each key of the truth. mistakes: {"kl rises" or "kl rises, fd falls": sentence}, long first."""

    words: Sequence[str]
    mistakes: Mapping[str, str]

    def grade(self, answer: Any, truth: Mapping[str, str]) -> None:
        """Raise Wrong unless the answer is a dict with the words of the truth, whatever their case and quotes."""
        if not isinstance(answer, Mapping) or not truth.keys() <= answer.keys():
            raise Wrong(f"the prediction must be a dict with the keys {_listed(truth, 'and')}.")
        wrong, found = {}, []
        for key, due in truth.items():
            word = answer[key]
            word = re.sub(r"^\W+|\W+$", "", word).lower() if isinstance(word, str) else word
            if word is None or word is ... or isinstance(word, str) and not word:
                raise NotAttempted(f'"{key}" has no value.')
            if not isinstance(word, str) or word not in self.words:
                raise Wrong(f'"{key}" must be {_listed(self.words, "or")}; what came is `{text_of(answer[key])}`.')
            wrong |= {key: word} if word != due else {}
        for said, sentence in self.mistakes.items():
            if (words := said_by(said)).items() <= wrong.items():
                found.append(sentence)
                wrong = {key: word for key, word in wrong.items() if key not in words}
        if found or wrong:
            raise Wrong(" And ".join(found + [f'"{key}" is not "{word}".' for key, word in wrong.items()]))


@dataclass(frozen=True)
class Number:
    """A number, so near to the truth. mistakes: {sentence: the wrong value or values that it explains}.

    begin: where to begin, said to others; low, high: what the number can be at all.
    """

    within: float
    mistakes: Mapping[str, float | tuple[float, ...]]
    begin: str
    low: float = -math.inf
    high: float = math.inf

    def grade(self, answer: Any, truth: float) -> None:
        """Raise Wrong unless the answer is near enough, with the nearest mistake's sentence where one is near."""
        value = number_of(answer)
        if abs(value - truth) <= self.within:
            return
        near = [(abs(value - wrong), sentence) for sentence, wrong in each(self.mistakes)]
        near = [pair for pair in near if pair[0] <= self.within + (0.002 * abs(value) if self.within else 0)]
        if near:
            raise Wrong(min(near)[1])
        if not self.low <= value <= self.high:
            raise Wrong(f"it lies between {self.low:g} and {self.high:g}. {self.begin}".replace(" and inf", " and ∞"))
        raise Wrong(f"it is {'smaller' if value > truth else 'larger'} than {value:,.6g}. {self.begin}")


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Fixed standard normal numbers: float32, on the CPU, the same whatever the learner has seeded."""
    import torch

    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), device="cpu", dtype=torch.float32)


@dataclass(frozen=True)
class Function:
    """A function that equals the truth, to 1e-4, on `cases`: tuples of arguments, a list of numbers for a tensor.

    mistakes: {sentence: wrong function or functions}, named where it gives the answer's values on all cases. edges:
    {sentence of such a mistake: cases on which alone it shows}. gradients: {argument: what to say where the gradient
    that reaches it is not the truth's, or ""}; of an argument that is a function, that of its attribute `weight`. whole: the result
    has an integer type.
    """

    cases: Sequence[tuple]
    mistakes: Mapping[str, Callable | tuple[Callable, ...]]
    edges: Mapping[str, Sequence[tuple]] = field(default_factory=dict)
    gradients: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False

    def grade(self, answer: Any, truth: Callable) -> None:
        """Raise Wrong unless the answer is such a function."""
        import torch

        names = list(inspect.signature(truth).parameters)
        if not callable(answer) or isinstance(answer, (torch.Tensor, type)):
            raise Wrong(f"the answer must be the function `{_usage(truth)}` itself, passed without calling it.")
        cases = [_arguments(case) for case in self.cases]
        with fenced(0):
            due = [_tensor(truth(*case)) for case in cases]
        got = [_tensor(call(answer, truth, case)) for case in cases]
        if not _same(got[0], _tensor(call(answer, truth, cases[0], seed=1))):
            raise Wrong("your function gives other values when called again: it must use nothing but its arguments.")
        if not all(map(_same, got, due)):
            with fenced(0):
                raise Wrong(self._name(cases, got, due) or _difference(names, cases, got, due))
        for sentence, edges in self.edges.items():
            for case in map(_arguments, edges):
                try:
                    value, right = (_tensor(call(function, truth, case)) for function in (answer, truth))
                except NotAttempted:
                    raise
                except Wrong as error:
                    raise Wrong(f"{sentence} Here {error}") from None
                if not _same(value, right):
                    raise Wrong(f"{sentence} F{_difference(names, [case], [value], [right])[1:]}")
        if self.whole and got[0].is_floating_point():
            raise Wrong("the values are right, but whole numbers are asked for: keep an integer type.")
        for case in cases if self.gradients else ():
            due, got = (
                self._slopes(function, truth, dict(zip(names, case, strict=True))) for function in (truth, answer)
            )
            for name, hint in self.gradients.items():
                if not _same(got[name], due[name]):
                    what = "not the gradient that reaches" if got[name].any() and due[name].any() else (
                        "a gradient reaches" if got[name].any() else "no gradient reaches")  # fmt: skip
                    raise Wrong(f"the values are right, but {what} `{name}`. {hint}".rstrip())

    def _name(self, cases: list, got: list, due: list) -> str:
        """The mistake that gives the answer's values on all cases, or one that does before a slip, or ""."""
        if max(g.numel() for g in got) > 1e6:
            return ""
        got, starts = [g.double() for g in got], [("", [d.double() for d in due])]
        if all(_same(g.flatten(), d.flatten()) for g, d in zip(got, due, strict=True)):
            return ""
        for sentence, wrong in each(self.mistakes):
            starts.append((sentence, [_attempt(wrong, *case) for case in cases]))
            if all(map(_same, got, starts[-1][1])):
                return sentence
        for sentence, values in starts:
            for slip, pair in slips.items():
                pairs = [_attempt(pair, g, v) for g, v in zip(got, values, strict=True)]
                if all(p and _same(*p) for p in pairs) and any(p[0].isfinite().any() for p in pairs):
                    return f"{sentence} And {slip}".removeprefix(" And ")
        return ""

    def _slopes(self, function: Callable, truth: Callable, case: dict) -> dict[str, Tensor]:
        """{argument: the gradient that reaches it}, 0 where none does."""
        import torch

        inputs = {name: x.clone().requires_grad_() if name in self.gradients and torch.is_tensor(x) else x
                  for name, x in case.items()}  # fmt: skip
        leaves = {name: getattr(inputs[name], "weight", inputs[name]) for name in self.gradients}
        for leaf in leaves.values():
            leaf.grad = None
        value = call(function, truth, list(inputs.values()))
        if not (torch.is_tensor(value) and value.requires_grad):
            hint = " ".join(self.gradients.values())
            raise Wrong(f"the values are right, but no gradient reaches `{'` and `'.join(leaves)}`: `detach`,"
                        f" `no_grad`, `item` or NumPy cuts it off. {hint}".rstrip())  # fmt: skip
        with fenced(0):
            value.backward(noise(*value.shape, seed=9).to(value))
        return {
            name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad.clone() for name, leaf in leaves.items()
        }


def call(function: Any, truth: Callable, inputs: Sequence[Any], seed: int = 0) -> Any:
    """What `function` returns for copies of `inputs` (as NumPy arrays where it fails on tensors), behind the fence.

    Raises Wrong where it raises or changes an argument, NotAttempted where it is a stub.
    """
    import torch

    names, errors = inspect.signature(truth).parameters, []
    for convert in (torch.clone, lambda x: x.detach().clone().numpy()):
        copies = [convert(x) if torch.is_tensor(x) else x if callable(x) else copy.deepcopy(x) for x in inputs]
        try:
            with fenced(seed):
                value = function(*copies)
        except (KeyboardInterrupt, TooLong):
            raise
        except BaseException as error:
            errors.append(error)
            continue
        for name, before, after in zip(names, inputs, copies, strict=True):
            if torch.is_tensor(before):
                same = torch.equal(before.nan_to_num(), torch.as_tensor(after).nan_to_num())
            if not (same if torch.is_tensor(before) else before == after):
                raise Wrong(f"your function changes its argument `{name}` in place; compute a new one instead.")
        if value is None or value is ...:
            raise NotAttempted(f"`{truth.__name__}` returns nothing; if you have written it, a `return` is missing.")
        return value
    if isinstance(errors[0], NotImplementedError) and "not implemented for" not in text_of(errors[0], str):
        raise NotAttempted(f"Write `{_usage(truth)}` in the cell above, run that cell, then this one.")
    raise Wrong(f"`{_usage(truth)}` raises {error_text(errors[0], function)}, when called with {_told(names, inputs)}.")


def _usage(truth: Callable) -> str:
    return f"{truth.__name__}({', '.join(inspect.signature(truth).parameters)})"


def _arguments(case: Sequence[Any]) -> list:
    """Lists of numbers as float32 tensors, the rest as it is."""
    import torch

    with contextlib.suppress(ValueError, TypeError):
        return [torch.tensor(x, device="cpu", dtype=torch.float32) if isinstance(x, list) else x for x in case]
    return list(case)


def _tensor(value: Any) -> Tensor:
    """What a function returned, a tensor, array, number or list, as a tensor, where and as large as it was."""
    import torch

    try:
        with torch.device("cpu"):
            tensor = torch.as_tensor(value.copy() if type(value).__module__ == "numpy" else value).detach()
    except Exception:
        raise Wrong(f"your function must return one tensor; it returns `{text_of(value)}`.") from None
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise Wrong(f"your function must return real numbers; it returns {tensor.dtype}.")
    return tensor


def _attempt(function: Callable, *inputs: Any) -> Any:
    """What a function of ours returns, a pair of tensors or one in float64; None where it raises."""
    try:
        value = function(*inputs)
        return value if isinstance(value, tuple) else _tensor(value).double()
    except Exception:
        return None


def _same(a: Any, b: Any) -> bool:
    """Equal to 1e-4; the shapes come first, so that nothing huge is converted."""
    if a is None or b is None or a.shape != b.shape:
        return False
    a, b = (x.detach().cpu().double() for x in (a, b))
    return a.allclose(b, rtol=1e-4, atol=1e-4, equal_nan=True)


def _short(x: Any) -> str:
    """A tensor's numbers where they are few, otherwise its shape; what a function's docstring says; other things."""
    if not hasattr(x, "tolist"):
        return getattr(x, "__doc__", "") if callable(x) else text_of(x)
    numbers = re.sub(r"-?\d+\.\d+(e[+-]\d+)?", lambda number: f"{float(number[0]):.4g}", str(x.tolist()))
    return numbers if x.numel() <= 8 else f"a tensor of shape {tuple(x.shape)}"


def _told(names: Sequence[str], inputs: Sequence[Any]) -> str:
    return ", ".join(f"{name} = {_short(x)}" for name, x in zip(names, inputs, strict=True))


def _difference(names: Sequence[str], cases: list, got: list, due: list) -> str:
    """The smallest case that fails: what went in, what came and what is due."""
    failing = [i for i, pair in enumerate(zip(got, due, strict=True)) if not _same(*pair)]
    i = min(failing, key=lambda i: sum(x.numel() for x in cases[i] if hasattr(x, "numel")))
    if got[i].shape != due[i].shape:
        axis = "an axis is left over, `keepdim`?" if got[i].ndim > due[i].ndim else "an axis is lost, `squeeze`?"
        why = f" ({axis})" if got[i].numel() == due[i].numel() else ""
        came, right = f"shape {tuple(got[i].shape)}", f"{tuple(due[i].shape)} is due{why}"
    else:
        came, right = (_short(x.flatten()[:4]) + " …" * (x.numel() > 4) for x in (got[i], due[i]))
        right += " is due"
    return f"for {_told(names, cases[i])}, it returns {came} where {right}."
