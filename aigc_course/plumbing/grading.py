"""What graders stand on: verdicts, the register of exercises, and a fence around the learner's code.

In a page's back room, `chapters/NN_name/exercises.py`, a function under `@exercise` takes the solution's value and
returns a task, of the kinds in `chapters/tasks.py`: what is right, and which mistakes have a sentence.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import inspect
import math
import random
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
    """name: what the stub defines; solution: Python that defines it; task(truth): what grades."""

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
        with fenced(0) if "torch" in sys.modules else contextlib.nullcontext():
            task = self.task(truth)  # before the clock starts: it may import PyTorch
        try:
            with limited(SECONDS):
                task.grade(answer, truth)
        except TooLong:
            raise Wrong(f"stopped after {SECONDS:g} seconds. Is there a loop that never ends?") from None
        return self.praise


registry: dict[str, Exercise] = {}


def exercise(number: str, *, hint: str, solution: str, praise: str) -> Callable[[Callable], Callable]:
    """Register the decorated task, called like what the stub defines, as the exercise `number`, such as "03.1"."""

    def register(task: Callable[[Any], Any]) -> Callable[[Any], Any]:
        registry[number] = Exercise(task.__name__, hint, solution.strip("\n"), praise, task)
        return task

    return register


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
        pause = 0.1
        while not ends.wait(pause):
            wall, computed = (clock() - start for clock, start in zip(clocks, begin, strict=True))
            if min(wall, computed) >= seconds or wall >= 6 * seconds:
                interrupt(here, ctypes.py_object(TooLong))
                pause = 0.5  # for what is to be put back

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
            text = re.sub(r"^\s*[^\W\d][^=≈]*[=≈]", "", value.replace("−", "-")).strip("=≈~\"'` \t\r\n").rstrip(".")
            text = re.sub(r"(?<=\d)(\s*[a-zA-Z]{2,}\b){1,3}$", "", text)  # a unit behind, a name before
            text = text.replace(",", "") if re.match(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.|$)", text) else text
            text = re.sub(r"\s*/\s*", "/", text)
            value = Fraction(text) if "/" in text else float(text)  # of 1e99999999 a fraction would have all digits
        value = float(value)
    except (TypeError, ValueError, ArithmeticError, RuntimeError):
        raise Wrong(f"the answer must be one number; what came is `{text_of(answer)}`.") from None
    if not math.isfinite(value):
        raise Wrong(f"the answer must be a finite number; what came is {value}.")
    return value


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Fixed standard normal numbers: float32, on the CPU, the same whatever the learner has seeded."""
    import torch

    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), device="cpu", dtype=torch.float32)


def call(function: Any, truth: Callable, inputs: Sequence[Any], seed: int = 0) -> Any:
    """What `function` returns for copies of `inputs` (as NumPy arrays where it fails on tensors), behind the fence.

    Raises Wrong where it raises or changes an argument, NotAttempted where it is a stub.
    """
    import torch

    names, errors = inspect.signature(truth).parameters, []
    for convert in (torch.clone, lambda x: x.detach().clone().numpy()):
        try:
            with fenced(seed):
                copies = [convert(x) if torch.is_tensor(x) else x if callable(x) else copy.deepcopy(x) for x in inputs]
                value = function(*copies)
        except (KeyboardInterrupt, TooLong):
            raise
        except BaseException as error:
            errors.append(error)
            continue
        for name, before, after in zip(names, inputs, copies, strict=True):
            if torch.is_tensor(before):
                same = torch.equal(before.nan_to_num(), torch.as_tensor(after).nan_to_num())
                same &= not before.requires_grad or getattr(after, "requires_grad", True)  # `detach_`
            if not (same if torch.is_tensor(before) else before == after):
                raise Wrong(f"your function changes its argument `{name}` in place; compute a new one instead.")
        if value is None or value is ...:
            raise NotAttempted(f"`{truth.__name__}` returns nothing; if you have written it, a `return` is missing.")
        return value
    if isinstance(errors[0], NotImplementedError) and "not implemented for" not in text_of(errors[0], str):
        raise NotAttempted(f"Write `{usage(truth)}` in the cell above, run that cell, then this one.")
    given = ", ".join(f"{name} = {told(x)}" for name, x in zip(names, inputs, strict=True))
    raise Wrong(f"`{usage(truth)}` raises {error_text(errors[0], function)}, when called with {given}.")


def usage(truth: Callable) -> str:
    """How the function is called: `kl_of_rows(p, q)`."""
    return f"{truth.__name__}({', '.join(inspect.signature(truth).parameters)})"


def told(x: Any) -> str:
    """A tensor's numbers where they are few, otherwise its shape; what a function's docstring says; other things."""
    if not hasattr(x, "tolist"):
        return (getattr(x, "__doc__", "") or "a function") if callable(x) else text_of(x)
    if x.numel() > 8:
        return f"a tensor of shape {tuple(x.shape)}"
    return re.sub(r"-?\d+\.\d+(e[+-]\d+)?", lambda number: f"{float(number[0]):.4g}", str(x.tolist()))
