"""Claims: whether a figure is within its bound, and in which words that is said."""

import math
import sys
from typing import Any

from aigc_course.plumbing import fetch
from aigc_course.plumbing.stored import holds


def judge(
    figure: str, text: str, value: float | None, profile: str,
    *, lesson: str | None = None, full: str | None = None, standin: str | None = None,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """A claim as receipts keep it, with met: True, False or None (not claimed); and its verdict in words.

    Raises ValueError for a bad bound, whatever the profile.
    """
    for bound in (lesson, full, standin):
        holds(0, "<= 0" if bound is None else bound)  # a mistake in any of them shows in every profile
    if isinstance(value, int) and finite(value) is None:
        value = math.inf if value > 0 else -math.inf  # no float is as large
    bound = standin if fetch.standin_in_use() else full if profile == "full" else lesson
    if bound is None or (profile == "smoke" and value is not None):
        of_data = fetch.standin_in_use() and profile != "smoke"
        met, verdict = None, f"not claimed {'with stand-in data' if of_data else f'in the {profile} profile'}"
    else:
        met = finite(value) is not None and holds(value, bound)  # inf comes of a division by 0
        verdict = "held" if met else "NOT HELD"
    return {"text": text, "figure": figure, "bound": bound, "value": value, "met": met}, verdict


def line(claim: dict[str, Any], verdict: str) -> str:
    """A claim in one line."""
    shown = "was never recorded" if claim["value"] is None else f"= {claim['value']:.4g}"
    claimed = "" if claim["met"] is None else f", claimed {claim['bound']}"
    return f"{verdict}: {claim['text']} ({claim['figure']} {shown}{claimed}; {data()})"


def row(claim: dict[str, Any], verdict: str) -> dict[str, Any]:
    """A claim as a row of the table of claims."""
    why = ": never recorded" if claim["value"] is None and claim["met"] is False else ""
    bound = None if claim["met"] is None else claim["bound"]
    shown = {"claim": claim["text"], "figure": claim["figure"], "value": claim["value"]}
    return shown | {"bound": bound, "verdict": verdict + why}


def data() -> str:
    """What data this run has had, and from where."""
    return f"data: {', '.join(f'{name} {source}' for name, source in fetch.used.items()) or 'none'}"


def finite(value: float | None) -> float | None:
    """The value, or None for what JSON does not know."""
    return value if value is not None and abs(value) <= sys.float_info.max else None
