"""What a run is and what it reached: seed, device, precision, profile, budgets, figures, claims."""

import json
import math
import operator
import random
import re
import sys
import time
import tomllib
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aigc_course.plumbing import fetch, machine, rooms, style, tables
from aigc_course.plumbing.console import say
from aigc_course.plumbing.settings import setting, write_atomically

if TYPE_CHECKING:
    import torch
T = TypeVar("T")
NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
MARKUP = re.compile(r"<[a-zA-Z/!?]|-->")  # tags and comments, which would break the pages that show claims
COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


class ClaimFailed(AssertionError):
    """A claim of the notebook does not hold (raised only with AIGC_STRICT=1)."""


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
    claimed: dict[tuple[str, str], dict] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def budget(self, *, smoke: T, lesson: T, full: T) -> T:
        """The value for this run's profile."""
        return {"smoke": smoke, "lesson": lesson, "full": full}[self.profile]

    def autocast(self) -> AbstractContextManager:
        """Inside, matrix products run in bfloat16 where that is faster, else in float32."""
        import torch

        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16)

    def record(self, name: str | None = None, value: Any = None, /, **figures: Any) -> float | None:
        """Keep a figure (a number, or a tensor or array with one element) under `name`, and return it as a number.

        `record(fd=…, kid=…)` keeps several, or none where one of them is bad, and returns None. A name has letters,
        digits and _, since it stands in receipts, in tables and in claims; else ValueError. TypeError for no number.
        """
        named = figures if figures and name is None else {name: value, **figures}
        for key, given in named.items():
            if not isinstance(key, str) or not NAME.fullmatch(key):
                raise ValueError(f"a figure is called like iwae_500, with letters, digits and _, not {key!r}")
            named[key] = given.item() if hasattr(given, "item") else given
            if not isinstance(named[key], int | float):
                raise TypeError(f"the figure {key} must be a number, not {type(given).__name__}")
        self.figures |= named
        self._write()
        return None if figures else named[name]

    def claims(self, page: str) -> None:
        """Show in one table what the back room of a page claims, `chapters/<page>/claims.toml`, each as by `claim`.

        An entry has figure, text, and the bounds lesson, full, standin; with optional = true it waits for its figure.
        Raises ClaimFailed, below the whole table, where a claim does not hold and AIGC_STRICT is 1.
        """
        entries = tomllib.loads((rooms.place("chapters") / page / "claims.toml").read_text(encoding="utf-8"))["claim"]
        found = [self._judge(**e) for e in entries if not e.pop("optional", False) or e["figure"] in self.figures]
        tables.show([row for row, *_ in found], digits=4, note=_data())
        _insist([line for _, line, met in found if met is False])

    def claim(
        self, figure: str, text: str, *, lesson: str | None = None, full: str | None = None, standin: str | None = None
    ) -> bool | None:
        """Print whether a recorded figure is within its bound: True (held), False (not held), None (not claimed).

        text: what is claimed, in one line without markup. lesson, full: bounds such as "<= 95" for that profile;
        standin: for either with stand-in data. Where there is none, and in the smoke profile, nothing is claimed; a
        figure that was never recorded does not hold in any.
        Raises ClaimFailed where the claim does not hold and AIGC_STRICT is 1, ValueError for a bad bound or text.
        """
        _, line, met = self._judge(figure, text, lesson, full, standin)
        say(line)
        _insist([line] if met is False else [])
        return met

    def _judge(
        self, figure: str, text: str, lesson: str | None = None, full: str | None = None, standin: str | None = None
    ) -> tuple[dict[str, Any], str, bool | None]:
        """Keep a claim and whether it is met. Returns its row in the table of claims, its line, and met."""
        if not isinstance(text, str) or not text.strip() or not text.isprintable() or MARKUP.search(text):
            raise ValueError(f"a claim is one line of words, without <tags> and comments, not {text!r}")
        for bound in (lesson, full, standin):
            _holds(0, "<= 0" if bound is None else bound)  # a mistake in any of them shows in every profile
        bound = standin if fetch.standin_in_use() else full if self.profile == "full" else lesson
        value, met = self.figures.get(figure), None
        if bound is None or (self.profile == "smoke" and value is not None):
            of_data = fetch.standin_in_use() and self.profile != "smoke"
            reason = "with stand-in data" if of_data else f"in the {self.profile} profile"
            verdict, claimed = f"not claimed {reason}", ""
        else:
            met = value is not None and _holds(value, bound)
            verdict, claimed = "held" if met else "NOT HELD", f", claimed {bound}"
        self.claimed[figure, text] = {"text": text, "figure": figure, "bound": bound, "value": value, "met": met}
        self._write()
        shown = "was never recorded" if value is None else f"= {value:.4g}"
        row = {"claim": text, "figure": figure, "value": value, "bound": bound if claimed else None}
        row["verdict"] = verdict if value is not None or not claimed else f"{verdict}: never recorded"
        return row, f"{verdict}: {text} ({figure} {shown}{claimed}; {_data()})", met

    def _write(self) -> None:
        """Write what is known so far to AIGC_RUN_FILE, where `aigc-course run` looks for it."""
        if not (path := setting("AIGC_RUN_FILE")):
            return
        state = {"seed": self.seed, "profile": self.profile, "device": self.device_text, "torch": self.torch}
        state |= {"minutes": (time.perf_counter() - self.started) / 60, "data": dict(fetch.used)}
        state |= {"peak_gb": machine.peak_gb()}
        if self.device.type == "cuda":
            state["peak_gpu_gb"] = sys.modules["torch"].cuda.max_memory_allocated() / 1e9
        state["figures"] = {name: _finite(value) for name, value in self.figures.items()}
        state["claims"] = [claim | {"value": _finite(claim["value"])} for claim in self.claimed.values()]
        write_atomically(Path(path), lambda file: file.write_text(json.dumps(state, indent=1), encoding="utf-8"))


def _data() -> str:
    return f"data: {', '.join(f'{name} {source}' for name, source in fetch.used.items()) or 'none'}"


def _insist(lines: list[str]) -> None:
    if lines and setting("AIGC_STRICT", "0", "1") == "1":
        raise ClaimFailed("\n".join(lines))


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
    if not re.fullmatch("[0-9]{1,20}", chosen) or int(chosen) >= 2**64:
        what = "AIGC_SEED" if setting("AIGC_SEED") else "the seed"
        raise ValueError(f"{what} must be a whole number from 0 to 2**64 - 1, not {chosen!r}")
    run = Run(int(chosen), **machine.examine())
    random.seed(run.seed)
    np.random.seed(run.seed % 2**32)
    torch.manual_seed(run.seed)
    if run.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    if "matplotlib" in sys.modules:
        style.apply()
    say(f"profile {run.profile} · {run.device_text} · torch {run.torch} · seed {run.seed}")
    run._write()
    return run
