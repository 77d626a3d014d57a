"""What only the page of handover shows: a threshold, prices and people, and what they make of share, error and wait."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from aigc_course import widgets
from aigc_course.plumbing.console import img

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, MIDDLE = 760, 260, 56, 30, 26, 400
RISK, WAIT, SLOWEST = (166, 38, 29), (59, 139, 196), 30.0  # minutes: longer waits stay at the upper edge


def explorer(
    confidence: np.ndarray, right: np.ndarray, minutes: np.ndarray, per_hour: float,
    wait_of: Callable[[float, float, int], float], start: float = 0.9, *, back: float = 16.0,
) -> Any:  # fmt: skip
    """Sliders for the threshold, two prices and the number of people; two curves, and what follows from the choice.

    confidence, right, minutes (N,): of each ticket, how sure the machine is, whether it is right, and what a person
    needs. back: minutes for a wrong answer that comes back. wait_of(tickets an hour, minutes, people): the mean wait.
    start: the first threshold, at most 0.99. Returns the box.
    """
    order = np.argsort(-confidence)
    wrong = np.concatenate([[0], np.cumsum(~right[order])])
    work = np.concatenate([[0.0], np.cumsum(minutes[order])])
    N = len(order)

    def behind(n: int, people: int) -> tuple[float, float, float]:
        """Tickets an hour that reach people, their mean minutes and wait, where the surest n are answered."""
        reach = N - n + wrong[n]
        each = (work[N] - work[n] + back * wrong[n]) / max(1, reach)
        rate = per_hour * reach / N
        return rate, each, wait_of(rate, each, people) if reach else 0.0

    def draw(threshold: float, wrong_costs: float, person_costs: float, people: int) -> str:
        n = int((confidence >= threshold).sum())
        rate, each, wait = behind(n, people)
        places = np.unique(np.linspace(0, N, 101).round().astype(int))
        risks = [(m / N, 100 * wrong[m] / m) for m in places if m >= min(N, 20)]
        waits = [(m / N, behind(int(m), people)[2]) for m in places]
        now = (n / N, 100 * wrong[n] / max(1, n)), (n / N, wait)
        rule = max(0.0, 1 - person_costs / wrong_costs)
        by_rule, m = _cost(rule, wrong_costs, person_costs), int((confidence >= rule).sum())
        rows = {
            "answered by the machine": f"{n / N:.1%}",
            "wrong of those": f"{wrong[n] / n:.1%}" if n else "–",
            "reach a person, an hour": f"{rate:.1f}, of {each:.1f} minutes each",
            "mean wait": f"{wait:.1f} minutes" if math.isfinite(wait) else "the queue grows for ever",
            "cost a ticket": f"{_cost(threshold, wrong_costs, person_costs):.2f}; all by people {person_costs:.2f}",
            "the rule at these prices": f"p ≥ {rule:.3f}: {m / N:.1%} answered, {by_rule:.2f} a ticket",
        }
        cells = "".join(f"<tr><td>{name}</td><td>{said}</td></tr>" for name, said in rows.items())
        alt = f"At a threshold of {threshold:.3f} the machine answers {n / N:.0%}."
        return f"{img(widgets.png(_chart(risks, waits, now), height=HEIGHT), alt)}<table>{cells}</table>"

    def _cost(threshold: float, wrong_costs: float, person_costs: float) -> float:
        n = int((confidence >= threshold).sum())
        return (wrong_costs * wrong[n] + person_costs * (N - n)) / N

    alt = "Risk against coverage and the mean wait against coverage, with a dot at the chosen threshold, and a table."
    return widgets.explore(
        draw, alt=alt, threshold=(0.0, 1.0, round(min(float(start), 0.99), 3), 0.001),
        wrong_costs=(1.0, 100.0, 30.0, 1.0), person_costs=(0.5, 20.0, 3.0, 0.5), people=(1, 12, 4),
    )  # fmt: skip


def _chart(risks: list, waits: list, now: tuple) -> np.ndarray:
    """Two panels side by side, dots at the present choice: (HEIGHT, WIDTH, 3) uint8."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    top = max(1.0, max(risk for _, risk in risks) * 1.1)
    panels = (
        (LEFT, MIDDLE - 24, top, risks, RISK, now[0], "wrong, %, by the share answered"),
        (
            MIDDLE + LEFT - 20,
            WIDTH - 26,
            SLOWEST,
            waits,
            WAIT,
            now[1],
            "mean wait, minutes, by the share answered",
        ),
    )
    for left, right, high, curve, colour, dot, title in panels:

        def at(x: float, y: float, left=left, right=right, high=high) -> tuple[float, float]:
            y = min(y, high) if math.isfinite(y) else high
            return left + (right - left) * x, HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * y / high

        pen.text((left, 6), title, fill=colour)
        pen.line([at(0, high), at(0, 0), at(1, 0)], fill="black")
        for x in (0.0, 0.25, 0.5, 0.75, 1.0):
            pen.text((at(x, 0)[0] - 12, HEIGHT - BOTTOM + 6), f"{100 * x:.0f} %", fill="black")
        for part in (0.5, 1.0):
            pen.text((left - 34, at(0, part * high)[1] - 6), f"{part * high:.1f}", fill="black")
        if len(curve) > 1:
            pen.line([at(x, y) for x, y in curve], fill=colour, width=2)
        x, y = at(*dot)
        pen.ellipse([x - 5, y - 5, x + 5, y + 5], fill="black")
    return np.asarray(picture)
