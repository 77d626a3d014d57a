"""What only the page of alerts shows: a dashboard of moods, alarms, and the headlines behind them."""

import datetime
import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from aigc_course import sentiment, widgets
from aigc_course.plumbing.console import img

COLOURS = {-1: (213, 94, 0), 1: (0, 114, 178)}  # for the worse, for the better
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 250, 46, 26, 12


def dashboard(
    rows: Sequence[sentiment.Row], days: np.ndarray, moods: Mapping[str, np.ndarray],
    companies: Mapping[str, Sequence[int]], *, weights: Mapping[str, Mapping[int, np.ndarray]],
    first_day: datetime.date,
) -> Any:  # fmt: skip
    """Pickers of company and of whose moods, a slider for the threshold; the two sums, alarms, and the headlines.

    rows and days (N,): headlines and their days, counted from first_day. moods: {whose: (N,) places in LABELS}.
    companies: {name: its rows in the order of days}. weights: {whose: {-1 or 1: (3,) scores}}. Returns the box.
    """

    def draw(company: str, judge: str, threshold: float) -> str:
        places = np.asarray(companies[company])
        judged, day = moods[judge][places], days[places]
        sums = {sign: sentiment.cusum(score[judged], threshold) for sign, score in weights[judge].items()}
        alarms = sorted((i, sign) for sign, (_, found) in sums.items() for i in found)
        alt = f"The sums for {company}, with {len(alarms)} alarms at a threshold of {threshold:.1f}."
        return img(widgets.png(_chart(day, sums, threshold, int(days.max())), height=HEIGHT), alt) + _table(
            [rows[i] for i in places], judged, day, alarms, sums, first_day
        )

    alt = "Two sums over ten months of one company's headlines, alarms, and the headlines behind the last alarm."
    return widgets.explore(draw, alt=alt, company=list(companies), judge=list(moods), threshold=(0.5, 8.0, 4.5, 0.25))


def _chart(day: np.ndarray, sums: Mapping[int, tuple], threshold: float, last: int) -> np.ndarray:
    """The sums as steps over the days, the threshold dotted, alarms as triangles: (HEIGHT, WIDTH, 3) uint8."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    top = max(threshold, *(path.max(initial=0) for path, _ in sums.values())) * 1.3  # the legend has a place

    def at(t: float, value: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - 12) * t / max(1, last), HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top

    pen.line([at(0, 0), at(last, 0)], fill="black")
    for x in range(LEFT, WIDTH - 12, 8):
        pen.line([(x, at(0, threshold)[1]), (x + 3, at(0, threshold)[1])], fill="gray")
    pen.text((4, at(0, threshold)[1] - 6), f"{threshold:.1f}", fill="gray")
    for t in range(0, last + 1, 30):
        pen.text((at(t, 0)[0], HEIGHT - BOTTOM + 6), f"day {t}", fill="black")
    for sign, (path, alarms) in sums.items():
        pen.text((LEFT + 12, TOP + 7 * (1 - sign)), f"for the {'better' if sign > 0 else 'worse'}", fill=COLOURS[sign])
        points, value = [at(0, 0)], 0.0
        for i, t in enumerate(day):
            points += [at(t, value), at(t, path[i])]
            value = 0.0 if i in alarms else path[i]
            points += [at(t, value)] if i in alarms else []
        pen.line([*points, at(last, value)], fill=COLOURS[sign], width=2)
        for i in alarms:
            x, y = at(day[i], path[i])
            pen.polygon([(x - 5, y - 9), (x + 5, y - 9), (x, y)], fill=COLOURS[sign])
    return np.asarray(picture)


def _table(rows, judged, day, alarms, sums, first_day) -> str:
    """The headlines since the sum of the last alarm left 0, or the last five; text is escaped."""
    if alarms:
        last, sign = alarms[-1]
        start = next((i + 1 for i in range(last - 1, -1, -1) if sums[sign][0][i] <= 0 or i in sums[sign][1]), 0)
        n = "1 alarm" if len(alarms) == 1 else f"{len(alarms)} alarms"
        what = f"{n}, the last one for the {'better' if sign > 0 else 'worse'}. The headlines behind it:"
        shown = range(start, last + 1)
    else:
        what, shown = "No alarm. The last headlines:", range(max(0, len(rows) - 5), len(rows))
    lines = "".join(
        f"<tr><td>{first_day + datetime.timedelta(days=int(day[i]))}</td><td>{sentiment.LABELS[judged[i]]}</td>"
        f"<td>{html.escape(rows[i].title)}</td></tr>"
        for i in shown
    )
    head = "<tr><th>day</th><th>mood</th><th>headline</th></tr>"
    return f"<p>{what}</p><table>{head}{lines}</table>"
