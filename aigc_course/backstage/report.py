"""What a run reached, in words: a table for the terminal, and one HTML page with all that was executed."""

import base64
import copy
import html
import importlib.util
import re
import shutil
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat

from aigc_course.backstage import store
from aigc_course.backstage.readme import claim_text, figures_text, spread, words
from aigc_course.backstage.runner import Outcome
from aigc_course.plumbing import drawing
from aigc_course.plumbing.console import clean

HEADER = ["chapter", "minutes", "peak GB", "claims met", "figures"]


def row(name: str, outcomes: list[Outcome], receipt: dict[str, Any] | None) -> list[str]:
    """A chapter's line of the table, from its executions and from its receipt, None where one of them failed."""
    minutes = spread([outcome.run["minutes"] for outcome in outcomes], ".1f")
    cells = [name, minutes, f"{max(outcome.run['peak_gb'] for outcome in outcomes):.2f}"]
    if receipt is None:
        return [*cells, "FAILED", ""]
    met = [claim["met"] for claim in receipt["claims"] if claim["met"] is not None]
    return [*cells, f"{sum(met)} of {len(met)}" if met else "not claimed", figures_text(receipt)]


def table(rows: list[list[str]]) -> str:
    """Rows as aligned text; the last column wraps, or stands below where there is no room for it."""
    rows = [HEADER, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER) - 1)]
    lines = []
    for row in rows:
        head = "".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=False))
        room = shutil.get_terminal_size().columns - len(head)
        if room < 40:  # too narrow for a column: below
            room, indent = room + len(head) - 4, " " * 4
            lines += [head, *(indent + text for text in textwrap.wrap(row[-1], max(room, 20)))]
        else:
            body = textwrap.wrap(row[-1], room) or [""]
            lines += [head + body[0], *(" " * len(head) + text for text in body[1:])]
    return "\n".join(line.rstrip() for line in lines)


def plain(text: str) -> str:
    """Text without a terminal's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def write(outcomes: list[Outcome], rows: list[list[str]], claims: list[tuple[str, dict]], target: Path) -> str:
    """Writes tables and all executed chapters as one HTML page; returns a sentence about it.

    Pictures are embedded; only formulas ask for something from outside (MathJax). Raises whatever a broken nbconvert
    raises.
    """
    if importlib.util.find_spec("nbconvert") is None:
        return "No HTML report, because nbconvert is missing: python -m pip install nbconvert"
    from nbconvert.exporters import HTMLExporter

    lines = ["| " + " | ".join(map(words, row)) + " |" for row in [HEADER, *rows]]
    said = [f"- {words(f'{name}: {claim_text(claim)}')}" for name, claim in claims]
    head = ["# aigc-course run", store.today(), "\n".join([lines[0], "|---" * len(HEADER) + "|", *lines[1:]])]
    cells = [nbformat.v4.new_markdown_cell("\n\n".join([*head, "\n".join(said)]))]
    for outcome in outcomes:
        if outcome.error:
            failure = nbformat.v4.new_output("stream", name="stderr", text=clean(plain(outcome.error)))
            cells.append(nbformat.v4.new_code_cell(outputs=[failure]))
        cells += copy.deepcopy(outcome.notebook.cells)
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"(?m)^\[!\[.*$", "", cell.source)  # badges are pictures from elsewhere
        for output in cell.get("outputs", []):
            _without_kernel(output)
    page = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    page.metadata.title = "aigc-course run"
    alone = {"embed_images": True, "require_js_url": "", "jquery_url": "", "mermaid_js_url": ""}
    content, _ = HTMLExporter(**alone).from_notebook_node(page)
    store.write_text(target, content)
    return f"Report: {target} (one file; only formulas need the network, for MathJax)"


def _without_kernel(output: dict[str, Any]) -> None:
    """Makes an output one that a page can show by itself: words in place of a widget, alternative texts on pictures."""
    data = output.get("data", {})
    if data.pop("application/vnd.jupyter.widget-view+json", None) and set(data) <= {"text/plain"}:
        data["text/html"] = "<em>(something to play with: open the notebook)</em>"
    about = output.get("metadata") or {}
    alts = {kind: said["alt"] for kind, said in about.items() if isinstance(said, dict) and "alt" in said}
    for kind in [kind for kind, content in data.items() if isinstance(content, list)]:  # of lines
        data[kind] = "".join(map(str, data[kind]))
    pictures = {}
    for kind in [kind for kind in data if re.fullmatch(r"image/[\w.+-]+", kind)]:
        content = data[kind] if isinstance(data[kind], str) else ""
        if kind == "image/svg+xml":
            pictures[kind] = base64.b64encode(content.encode(errors="replace")).decode()
            with suppress(ValueError, SyntaxError):  # no XML
                alts.setdefault(kind, drawing.described(content.encode(errors="replace")))
        else:
            data[kind] = pictures[kind] = re.sub("[^A-Za-z0-9+/=]", "", content)  # base64, no end of an attribute
    if "metadata" in output:
        output["metadata"] = {}  # sizes and words, of which nbconvert escapes none
    for kind, content in pictures.items():  # nbconvert drops the words
        if isinstance(alt := alts.get(kind), str) and alt and "text/html" not in data:
            data["text/html"] = f'<img src="data:{kind};base64,{content}" alt="{html.escape(clean(alt))}">'
