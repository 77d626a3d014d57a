"""What only the page of A/B tests shows: paths of z, the bounds of three tests, and how often each of them stops."""

from collections.abc import Callable, Mapping
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from aigc_course import widgets
from aigc_course.plumbing.console import img

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, REACH = 760, 260, 40, 26, 12, 5.0
COLOURS = {"p < 0.05 at any look": (190, 75, 0), "O'Brien–Fleming": (0, 100, 170), "mixture": (0, 110, 70)}
N_RUNS, N_PATHS = 1_000, 12


def bench(
    z_test: Callable[..., np.ndarray], log_mixture: Callable[..., np.ndarray], *, tau: float, alpha: float, seed: int
) -> Any:
    """Sliders for A's rate, B's lift, looks (one a day) and visitors a text and day; paths, bounds, verdicts.

    z_test(C_A, C_B, n) and log_mixture(C_A, C_B, n, tau): the page's own, of clicks so far (N, looks) and visitors a
    text (looks,). tau: of the mixture, whatever the lift. Returns the box.
    """

    z_once = NormalDist().inv_cdf(1 - alpha / 2)

    @cache
    def constant(looks: int) -> float:
        """O'Brien–Fleming's c: the largest |S_k| / sqrt(looks) of random walks passes it in a share alpha of them."""
        steps = np.random.default_rng([seed, 1, looks]).standard_normal((20_000, looks))
        return float(np.quantile(np.abs(steps.cumsum(axis=1)).max(axis=1) / np.sqrt(looks), 1 - alpha))

    def draw(rate_A: float, lift: float, looks: int, visitors_a_day: int) -> str:
        rng, rates = np.random.default_rng(seed), np.clip(np.array([rate_A, rate_A + lift]) / 100, 0, 1)
        C_A, C_B = (rng.binomial(visitors_a_day, p, (N_RUNS, looks)).cumsum(axis=1) for p in rates)
        n = visitors_a_day * np.arange(1, looks + 1)
        with np.errstate(divide="ignore", invalid="ignore"):  # no click yet: no evidence
            z, mixed = np.nan_to_num(z_test(C_A, C_B, n)), np.nan_to_num(log_mixture(C_A, C_B, n, tau))
        p, grows = rates.mean(), n * tau**2
        V = 2 * p * (1 - p)
        edge = np.sqrt((V + grows) / grows * (2 * np.log(1 / alpha) + np.log((V + grows) / V)))
        bounds = (np.full(looks, z_once), constant(looks) * np.sqrt(n[-1] / n), edge)
        stops = {"fixed: the last look": (np.abs(z) >= z_once) & (n == n[-1])}
        crossed = (np.abs(z) >= bounds[0], np.abs(z) >= bounds[1], mixed >= -np.log(alpha))
        stops |= dict(zip(COLOURS, crossed, strict=True))
        alt = f"Twelve paths of z over {looks} looks and three bounds; below, how often each test stops."
        picture = img(widgets.png(_chart(z[:N_PATHS], dict(zip(COLOURS, bounds, strict=True))), height=HEIGHT), alt)
        return picture + _table(stops, z, n, equal=abs(lift) < 1e-9)

    alt = "Paths of z of twelve simulated experiments, the bounds of three tests, and how often each test stops."
    return widgets.explore(
        draw, alt=alt, rate_A=(1.0, 20.0, 4.0, 0.5), lift=(-1.0, 2.0, 0.6, 0.1), looks=(1, 60, 20, 1),
        visitors_a_day=(100, 3_000, 900, 100),
    )  # fmt: skip


def _chart(z: np.ndarray, bounds: Mapping[str, np.ndarray]) -> np.ndarray:
    """Paths of z, the first in black, and the bounds of both sides as lines: (HEIGHT, WIDTH, 3) uint8."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, looks = ImageDraw.Draw(picture), z.shape[1]

    def at(values: np.ndarray) -> list[tuple[float, float]]:
        x = LEFT + (WIDTH - LEFT - 14) * (np.arange(looks) + 1) / looks
        y = TOP + (HEIGHT - TOP - BOTTOM) * (REACH - np.clip(values, -REACH, REACH)) / (2 * REACH)
        points = list(zip(x.tolist(), y.tolist(), strict=True))
        return points if looks > 1 else [(LEFT, points[0][1]), *points]

    for value in (-4, -2, 0, 2, 4):
        y = at(np.full(looks, float(value)))[0][1]
        pen.line([(LEFT, y), (WIDTH - 14, y)], fill=(225, 225, 225))
        pen.text((12, y - 6), f"{value}", fill="black")
    for look in sorted({1, looks // 2, looks} - {0}):
        x = at(z[0])[look - looks - 1][0]
        pen.text((min(x - 12, WIDTH - 44), HEIGHT - BOTTOM + 6), f"day {look}", fill="black")
    pen.text((12, 1), "z", fill="black")
    for path in z[:0:-1]:
        pen.line(at(path), fill=(185, 185, 185))
    for i, (name, bound) in enumerate(bounds.items()):
        for side in (1, -1):
            inside = [point for point in at(side * bound) if TOP < point[1] < HEIGHT - BOTTOM]
            pen.line(inside, fill=COLOURS[name], width=2)
        pen.text((LEFT + 12 + 190 * i, 1), name.replace("–", "-"), fill=COLOURS[name])
    pen.line(at(z[0]), fill="black", width=2)
    return np.asarray(picture)


def _table(stops: Mapping[str, np.ndarray], z: np.ndarray, n: np.ndarray, equal: bool) -> str:
    """How often each test stops for B and for A, its mean visitors, and what it says of the black path."""
    rows = ""
    for name, stop in stops.items():
        found, look = stop.any(axis=1), np.where(stop.any(axis=1), stop.argmax(axis=1), len(n) - 1)
        up = z[np.arange(len(z)), look] > 0
        said = f"{'B' if up[0] else 'A'} on day {look[0] + 1}" if found[0] else "nothing found"
        shares = "".join(f"<td>{share:.1%}</td>" for share in ((found & up).mean(), (found & ~up).mean()))
        name, mean = name.replace("<", "&lt;"), 2 * n[look].mean()
        rows += f"<tr><td>{name}</td>{shares}<td>{mean:,.0f}</td><td>{said}</td></tr>"
    head = "".join(f"<th>{word}</th>" for word in ("test", "calls B", "calls A", "mean visitors", "the black path"))
    note = "The rates are equal: each call is a false alarm." if equal else "Of a thousand experiments:"
    return f"<p>{note}</p><table><tr>{head}</tr>{rows}</table>"
