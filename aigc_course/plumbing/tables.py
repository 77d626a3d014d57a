"""Tables: rows of figures, as HTML in a notebook and as aligned text elsewhere."""

import itertools
import math
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from aigc_course.plumbing.console import escaped, send

WIDEST = 60  # characters of a column of aligned text; what is longer wraps


def text_of(value: Any, digits: int) -> str:
    """A number with so many significant digits, or all that it has before the point (0.0123, 4.50, 12,346); words."""
    if value is None:
        return "–"
    if not _is_number(value):
        return " ".join(str(value).split())
    if isinstance(value, int) or value == 0 or not math.isfinite(value):
        return f"{value:,}".removesuffix(".0")
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 9.999 counts as 10.0
    if not -5 < exponent < 15:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def show(rows: Mapping | Iterable[Mapping], digits: int = 3, title: str | None = None, note: str = "") -> None:
    """Show rows, {name: {column: value}} or dicts: in a notebook as HTML, elsewhere as text; below them a note."""
    records = [{"": k, **row} for k, row in rows.items()] if isinstance(rows, Mapping) else [{**row} for row in rows]
    columns = list(dict.fromkeys(name for record in records for name in record))
    if not columns:
        raise ValueError("a table has at least one row with one column; this one has none")
    values = [[v.item() if hasattr(v := record.get(name), "item") else v for name in columns] for record in records]
    right = [any(map(_is_number, c)) and all(v is None or _is_number(v) for v in c) for c in zip(*values, strict=True)]
    cells = [[str(name) for name in columns], *([text_of(v, digits) for v in row] for row in values)]
    plain = [title] * bool(title) + [_aligned(cells, right)] + [note] * bool(note)
    send(_html(cells, right, title, note, names=isinstance(rows, Mapping)), "\n".join(plain))


def _html(cells: list[list[str]], right: list[bool], title: str | None, note: str, names: bool) -> str:
    def row(texts: list[str], header: bool) -> str:
        said = ""
        for i, text in enumerate(texts):
            tag = ' scope="col"' if header else ' scope="row"' if names and i == 0 else ""
            side = "right" if right[i] else "left"  # said twice: GitHub keeps no style, JupyterLab's overrules align
            kind = "th" if tag else "td"
            said += f'<{kind}{tag} align="{side}" style="text-align: {side}">{escaped(text)}</{kind}>'
        return f"<tr>{said}</tr>"

    caption = f"<caption>{escaped(title)}</caption>" if title else ""
    head, *body = (row(texts, header=texts is cells[0]) for texts in cells)
    below = f"<p><em>{escaped(note)}</em></p>" if note else ""
    return f"<table>{caption}<thead>{head}</thead><tbody>{''.join(body)}</tbody></table>{below}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _aligned(cells: list[list[str]], right: list[bool]) -> str:
    lines = []
    for row in cells:
        lines += itertools.zip_longest(*(textwrap.wrap(text, WIDEST) or [""] for text in row), fillvalue="")
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for i, line in enumerate(lines):
        gaps = [" " * (width - _width(text)) for text, width in zip(line, widths, strict=True)]
        parts = [gap + text if r else text + gap for gap, text, r in zip(gaps, line, right, strict=True)]
        lines[i] = "  ".join(parts).rstrip()
    return "\n".join(lines)
