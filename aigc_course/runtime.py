"""What the machine offers and what a run reached: seed, device, precision, profile, figures, claims."""

import json
import math
import operator
import os
import platform
import random
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
FULL_GB = 8  # GPU memory, in 1e9 bytes, from which the full profile is the default
COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


class ClaimFailed(AssertionError):
    """A claim of the notebook does not hold (raised only with AIGC_STRICT=1)."""


def setting(name: str, *choices: str) -> str | None:
    """The environment variable `name`, None where unset or empty; ValueError where it is none of `choices`."""
    value = os.environ.get(name, "").strip()
    if value and choices and value not in choices:
        raise ValueError(f"{name} is {value!r}; it can be {', '.join(choices)}, or unset")
    return value or None


def cache_dir() -> Path:
    """The folder for downloads: AIGC_CACHE, or the platform's usual one. It need not exist yet."""
    if chosen := setting("AIGC_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "aigc_course" / "Cache"
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "aigc_course"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write(temporary)`, wait until the disk has what it wrote, and only then give it the name `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    write(temporary)
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def in_notebook() -> bool:
    """True in a Jupyter or Colab kernel, False in a terminal or a script."""
    return "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel")


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_gb() -> float:
    """The most memory that this process has held, in 1e9 bytes."""
    try:  # Linux; there ru_maxrss starts at the size of the process that started this one
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e9
    except (OSError, IndexError):
        if sys.platform == "win32":
            import psutil

            return psutil.Process().memory_info().peak_wset / 1e9
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def _bf16_speedup(width: int = 512, repeats: int = 10) -> float:
    """How many times faster this CPU multiplies two (width, width) matrices in bfloat16 than in float32."""
    import torch

    pairs = [(dtype, torch.ones(width, width, dtype=dtype)) for dtype in (torch.float32, torch.bfloat16)]
    best = {dtype: math.inf for dtype, _ in pairs}  # the quickest of several: the machine may have other work too
    for i in range(repeats):
        for dtype, a in pairs:
            start = time.perf_counter()
            a @ a
            best[dtype] = min(best[dtype], time.perf_counter() - start)
        if i >= 2 and best[torch.bfloat16] > 4 * best[torch.float32]:
            break  # emulated: a hundred times as slow, so that more of it would be felt
    return best[torch.float32] / best[torch.bfloat16]


def _machine() -> dict:
    """What `setup` and `describe` say of the machine; ValueError for a setting that cannot be met."""
    import torch

    name = "cuda" if torch.cuda.is_available() else "cpu"
    if chosen := setting("AIGC_DEVICE"):
        try:
            name = torch.empty(1, device=chosen).device.type
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"AIGC_DEVICE is {chosen!r}, which is not here; it can be cpu, cuda, mps, unset"
            ) from error
    gpu_gb = torch.cuda.get_device_properties(name).total_memory / 1e9 if name == "cuda" else None
    if chosen := setting("AIGC_DTYPE", "float32", "bfloat16"):
        bf16 = chosen == "bfloat16"
    elif name == "cuda":  # the hardware's word, not PyTorch's: a T4 (7.5) "supports" bfloat16, and emulates it
        bf16 = torch.cuda.get_device_capability(name) >= (8, 0)
    else:
        bf16 = name == "cpu" and _bf16_speedup() >= 1.3
    text = f"cuda, {torch.cuda.get_device_name(name)}, {gpu_gb:.0f} GB" if gpu_gb else f"{name}, {cores()} cores"
    return {
        "device": torch.device(name),
        "dtype": torch.bfloat16 if bf16 else torch.float32,
        "profile": setting("AIGC_PROFILE", "smoke", "lesson", "full")
        or ("full" if (gpu_gb or 0) >= FULL_GB else "lesson"),
        "device_text": f"{text}, {'bf16' if bf16 else 'fp32'}",
        "gpu_memory_gb": gpu_gb,
        "torch": str(torch.__version__),
    }


def describe() -> dict[str, object]:
    """The machine, for `aigc-course doctor`: python, cores, memory_gb, torch, device, dtype, gpu_memory_gb, profile.

    What cannot be known (without PyTorch: the last five) is None. Raises ValueError for a bad AIGC_ setting.
    """
    found = dict.fromkeys(("python", "cores", "memory_gb", "torch", "device", "dtype", "gpu_memory_gb", "profile"))
    found |= {"python": platform.python_version(), "cores": cores()}
    try:
        import psutil

        found["memory_gb"] = psutil.virtual_memory().total / 1e9
        machine = _machine()
    except (ImportError, OSError):  # OSError: a PyTorch whose libraries do not load
        return found
    found |= {"device": machine["device_text"], "dtype": str(machine["dtype"]).removeprefix("torch.")}
    return found | {key: machine[key] for key in ("torch", "gpu_memory_gb", "profile")}


@dataclass
class Run:
    """One run of a notebook: made by `setup`, it knows the machine, and keeps figures and claims."""

    seed: int
    device: "torch.device"
    dtype: "torch.dtype"  # bfloat16 where this machine multiplies faster with it, else float32
    profile: str
    device_text: str
    gpu_memory_gb: float | None
    torch: str
    figures: dict[str, float] = field(default_factory=dict)
    claims: dict[tuple[str, str], dict] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def budget(self, *, smoke: T, lesson: T, full: T) -> T:
        """The value for this run's profile."""
        return {"smoke": smoke, "lesson": lesson, "full": full}[self.profile]

    def autocast(self) -> AbstractContextManager:
        """Inside, matrix products run in bfloat16 where that is faster, else in float32."""
        import torch

        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16)

    def record(self, name: str, value: float) -> float:
        """Keep a figure (a number, or a tensor or array with one element) under `name`, and return it as a number."""
        number = value.item() if hasattr(value, "item") else value
        if not isinstance(number, int | float):
            raise TypeError(f"the figure {name} must be a number, not {type(value).__name__}")
        self.figures[name] = number
        self._write()
        return number

    def claim(
        self, figure: str, text: str, *, lesson: str | None = None, full: str | None = None, standin: str | None = None
    ) -> bool | None:
        """Print whether a recorded figure is within its bound: True (held), False (not held), None (not claimed).

        lesson, full: bounds such as "<= 95" for that profile; standin: for either with stand-in data. Where there is
        none, and in the smoke profile, nothing is claimed; a figure that was never recorded does not hold in any.
        Raises ClaimFailed where the claim does not hold and AIGC_STRICT is 1, ValueError for a bad bound.
        """
        from aigc_course import data

        for bound in (lesson, full, standin):
            _holds(0, "<= 0" if bound is None else bound)  # a mistake in any of them shows in every profile
        bound = standin if data.standin_in_use() else full if self.profile == "full" else lesson
        value, met = self.figures.get(figure), None
        if bound is None or (self.profile == "smoke" and value is not None):
            of_data = data.standin_in_use() and self.profile != "smoke"
            verdict, claimed = (
                f"not claimed {'with stand-in data' if of_data else f'in the {self.profile} profile'}",
                "",
            )
        else:
            met = value is not None and _holds(value, bound)
            verdict, claimed = "held" if met else "NOT HELD", f", claimed {bound}"
        shown = "was never recorded" if value is None else f"= {value:.4g}"
        used = ", ".join(f"{name} {source}" for name, source in data.used.items()) or "none"
        line = f"{verdict}: {text} ({figure} {shown}{claimed}; data: {used})"
        print(line)
        self.claims[figure, text] = {"text": text, "figure": figure, "bound": bound, "value": value, "met": met}
        self._write()
        if met is False and setting("AIGC_STRICT", "0", "1") == "1":
            raise ClaimFailed(line)
        return met

    def _write(self) -> None:
        """Write what is known so far to AIGC_RUN_FILE, where `aigc-course run` looks for it."""
        if not (path := setting("AIGC_RUN_FILE")):
            return
        from aigc_course import data

        state = {"seed": self.seed, "profile": self.profile, "device": self.device_text, "torch": self.torch}
        state |= {"minutes": (time.perf_counter() - self.started) / 60, "peak_gb": peak_gb(), "data": dict(data.used)}
        if self.device.type == "cuda":
            state["peak_gpu_gb"] = sys.modules["torch"].cuda.max_memory_allocated() / 1e9
        state["figures"] = {name: _finite(value) for name, value in self.figures.items()}
        state["claims"] = [claim | {"value": _finite(claim["value"])} for claim in self.claims.values()]
        write_atomically(Path(path), lambda file: file.write_text(json.dumps(state, indent=1), encoding="utf-8"))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None  # JSON knows no NaN


def _holds(value: float, bound: str) -> bool:
    try:
        comparison, limit = bound.split()
        return COMPARISONS[comparison](value, float(limit))
    except (AttributeError, KeyError, ValueError):
        raise ValueError(f'a bound reads like "<= 95" or ">= 0.97", not {bound!r}') from None


def setup(seed: int = 0) -> Run:
    """Seed Python, NumPy and PyTorch, choose device, precision and profile, and say so in one line.

    AIGC_SEED, AIGC_DEVICE (cpu, cuda, mps), AIGC_DTYPE (float32, bfloat16) and AIGC_PROFILE (smoke, lesson, full) have
    the last word; ValueError names one that cannot be met. Sets the course's figure style where matplotlib is loaded.
    """
    import numpy as np
    import torch

    chosen = setting("AIGC_SEED") or str(seed)
    if not chosen.isdecimal():
        raise ValueError(f"the seed must be a whole number from 0 on, not {chosen!r}")
    run = Run(int(chosen), **_machine())
    random.seed(run.seed)
    np.random.seed(run.seed % 2**32)
    torch.manual_seed(run.seed)
    if run.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    if "matplotlib" in sys.modules:
        from aigc_course import plot

        plot.style()
    print(f"profile {run.profile} · {run.device_text} · torch {run.torch} · seed {run.seed}")
    run._write()
    return run
