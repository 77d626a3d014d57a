"""What the benchmarks of recipes side by side share: when a loss was reached, medians over repeats, the receipt."""

from __future__ import annotations

import json
import math
import platform
import statistics
from datetime import date
from pathlib import Path

import torch

from aigc_course.backstage import store

FOLDER = Path(__file__).resolve().parent


def time_to(points: list[tuple[float, float]], target: float) -> float:
    """Seconds of training until the first (seconds, figure) at or below target; infinity where it is never reached."""
    return next((seconds for seconds, reached in points if reached <= target), math.inf)


def finite(value: float) -> float | None:
    """value, or None for what JSON has no number for."""
    return value if math.isfinite(value) else None


def median(values: list[float | None], digits: int) -> float | None:
    """The median, where what was never reached counts as infinite; None where it is."""
    found = statistics.median(math.inf if value is None else value for value in values)
    return round(found, digits) if math.isfinite(found) else None


def part(ratio: float | None) -> str:
    """A ratio as it is read: 0.05 is "1/20.0"; None, never reached, is "more than all"."""
    return f"1/{1 / ratio:.1f}" if ratio else "more than all"


def head(name: str, threads: int, bf16: bool, repeats: int) -> dict:
    """The first entries of every benchmark's receipt: what ran, when and on what."""
    return {
        "benchmark": name,
        "date": date.today().isoformat(),
        "device": f"cpu, {threads} thread{'s' * (threads > 1)}, {'bf16' if bf16 else 'fp32'}",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "repeats": repeats,
    }


def save(result: dict) -> None:
    """Writes benchmarks/<name>.json."""
    path = FOLDER / f"{result['benchmark']}.json"
    store.write_text(path, json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    print("Written:", path.relative_to(FOLDER.parent))
