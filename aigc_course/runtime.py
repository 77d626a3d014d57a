"""What a run is and what it reached: seed, device, precision, profile, budgets, figures, claims."""

import json
import random
import re
import sys
import time
import tomllib
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aigc_course.plumbing import claims, fetch, machine, rooms, style, tables
from aigc_course.plumbing.console import say
from aigc_course.plumbing.settings import setting, write_atomically

if TYPE_CHECKING:
    import torch
T = TypeVar("T")
NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
MARKUP = re.compile(r"<[a-zA-Z/!?]|-->")  # tags and comments, which would break the pages that show claims


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
            named[key] = given.item() if hasattr(given, "item") and len(given.ravel()) == 1 else given
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
        tables.show([claims.row(*one) for one in found], digits=4, note=claims.data())
        _insist(*found)

    def claim(
        self, figure: str, text: str, *, lesson: str | None = None, full: str | None = None, standin: str | None = None
    ) -> bool | None:
        """Print whether a recorded figure is within its bound: True (held), False (not held), None (not claimed).

        text: what is claimed, in one line without markup. lesson, full: bounds such as "<= 95" for that profile;
        standin: for either with stand-in data. Where there is none, and in the smoke profile, nothing is claimed; a
        figure that was never recorded does not hold in any.
        Raises ClaimFailed where the claim does not hold and AIGC_STRICT is 1, ValueError for a bad bound or text.
        """
        found = self._judge(figure, text, lesson=lesson, full=full, standin=standin)
        say(claims.line(*found))
        _insist(found)
        return found[0]["met"]

    def _judge(self, figure: str, text: str, **bounds: str | None) -> tuple[dict[str, Any], str]:
        if not isinstance(figure, str) or not NAME.fullmatch(figure):
            raise ValueError(f"a claim is about a figure by the name under which it is recorded, not {figure!r}")
        if not isinstance(text, str) or not text.strip() or not text.isprintable() or MARKUP.search(text):
            raise ValueError(f"a claim is one line of words, without <tags> and comments, not {text!r}")
        found = claims.judge(figure, text, self.figures.get(figure), self.profile, **bounds)
        self.claimed[figure, text] = found[0]
        self._write()
        return found

    def _write(self) -> None:
        """Write what is known so far to AIGC_RUN_FILE, where `aigc-course run` looks for it."""
        if not (path := setting("AIGC_RUN_FILE")):
            return
        state = {"seed": self.seed, "profile": self.profile, "device": self.device_text, "torch": self.torch}
        state |= {"minutes": (time.perf_counter() - self.started) / 60, "data": dict(fetch.used)}
        state |= {"peak_gb": machine.peak_gb()}
        if self.device.type == "cuda":
            state["peak_gpu_gb"] = sys.modules["torch"].cuda.max_memory_allocated() / 1e9
        state["figures"] = {name: claims.finite(value) for name, value in self.figures.items()}
        state["claims"] = [claim | {"value": claims.finite(claim["value"])} for claim in self.claimed.values()]
        write_atomically(Path(path), lambda file: file.write_text(json.dumps(state, indent=1), encoding="utf-8"))


def _insist(*found: tuple[dict[str, Any], str]) -> None:
    """Raise ClaimFailed where AIGC_STRICT is 1 and a claim does not hold."""
    failed = [claims.line(*one) for one in found if one[0]["met"] is False]
    if failed and setting("AIGC_STRICT", "0", "1") == "1":
        raise ClaimFailed("\n".join(failed))


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
