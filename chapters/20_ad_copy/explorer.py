"""What only the page of ad copy shows: a second judge, what readers found, and a copy desk."""

import base64
import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aigc_course import adcopy, widgets
from aigc_course.plumbing import rooms
from aigc_course.plumbing.console import clean

TONES = "usual", "inviting", "unusual"
INVITING = re.compile(r"\b(?:you|your|try|visit|come|head|why not|looking for|want)\b", re.IGNORECASE)
FORMULA = re.compile(r"[\s\x00\u200b\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")  # what a spreadsheet may run
LABELS = Path(__file__).with_name("labels.jsonl")


def second_errors(mr: Mapping[str, str], text: str) -> dict[str, str]:
    """`adcopy.slot_errors` by another author, who did not see it: {slot: "missing", "wrong" or "added"}."""
    return rooms.module("20_ad_copy", "second_checker").slot_errors(mr, text)


def labels() -> list[dict]:
    """Lines that readers compared with their facts: {"way": chosen or greedy, "mr", "text", "errors": {slot: kind}}."""
    return [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]


def spreadsheet(rows: Iterable[Sequence[str]], columns: Sequence[str] = ("product", "text")) -> str:
    """Rows as CSV, below the names of their columns; what a spreadsheet would run (=, +, -, @) gets an apostrophe."""
    file = io.StringIO()
    safe = [["'" + cell if FORMULA.match(cell) else cell for cell in row] for row in rows]
    csv.writer(file).writerows([columns, *safe])
    return file.getvalue()


def ranked(texts: Sequence[str]) -> dict[str, list[str]]:
    """Different texts in the order of each tone: nearest to all others, speaking to the reader, or farthest first."""
    texts = list(dict.fromkeys(texts))
    score = dict(zip(texts, adcopy.expected_bleu([adcopy.WORD.findall(text.lower()) for text in texts]), strict=True))
    usual = sorted(texts, key=score.get, reverse=True)
    inviting = sorted(usual, key=lambda text: not INVITING.search(text))
    return {"usual": usual, "inviting": inviting, "unusual": usual[::-1]}


def desk(
    products: Mapping[str, Mapping[str, str]],
    candidates: Mapping[str, Sequence[str]],
    errors: Callable[[Mapping[str, str], str], Mapping[str, str]],
    *,
    banned: Sequence[str] = (),
    n_shown: int = 5,
) -> Any:
    """Pick a product, a tone and a length; see candidates with what the checker says of each; choose; take a CSV along.

    products: {name: MR}. candidates: {name: its texts}. errors: a checker such as `adcopy.slot_errors`, of an MR and a
    text. banned: words for which a candidate is not shown. Texts without errors come first. Returns the ipywidgets box,
    whose children are product, tone, words, candidate, button and page; its `chosen` is the list of (product, text).
    """
    import ipywidgets

    if not products:
        raise ValueError("a desk needs a product")
    candidates = {name: list(candidates.get(name, ())) for name in products}
    banned, style = [banned] if isinstance(banned, str) else banned, {"description_width": "initial"}
    product = ipywidgets.Dropdown(
        options=[(clean(name), name) for name in products], description="product", style=style
    )
    tone = ipywidgets.ToggleButtons(options=list(TONES), description="tone", style=style | {"button_width": "auto"})
    words = ipywidgets.IntSlider(30, min=8, max=90, description="words, at most", style=style, layout={"width": "32em"})
    pick = ipywidgets.ToggleButtons(options=["1"], description="candidate", style=style | {"button_width": "auto"})
    button = ipywidgets.Button(description="choose it")
    page, chosen = ipywidgets.HTML(), []
    wrong = {name: {text: errors(products[name], text) for text in texts} for name, texts in candidates.items()}
    order = {name: ranked(texts) for name, texts in candidates.items()}
    unfit = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in banned) or r"(?!)", re.IGNORECASE)

    def shown() -> list[str]:
        name = product.value
        fit = [t for t in order[name][tone.value] if len(t.split()) <= words.value and not unfit.search(t)]
        return sorted(fit, key=lambda text: len(wrong[name][text]))[:n_shown]

    def redraw(change: Any = None) -> None:
        name, texts = product.value, shown()
        facts = "; ".join(f"{slot}: {value}" for slot, value in products[name].items())
        rows = "".join(
            f"<tr><td>{i}</td><td style='text-align:left'>{html.escape(text)}</td><td>{len(text.split())}</td><td>"
            + (html.escape(", ".join(f"{s}: {kind}" for s, kind in wrong[name][text].items())) or "facts right")
            + "</td></tr>"
            for i, text in enumerate(texts, 1)
        )
        head = "<tr><th></th><th>text</th><th>words</th><th>the checker says</th></tr>"
        table = (
            f"<table>{head}{rows}</table>"
            if texts
            else "<p>No candidate is left: allow more words, or fewer rules.</p>"
        )
        pick.options = [str(i + 1) for i in range(max(1, len(texts)))]
        button.disabled = not texts
        page.value = clean(f"<p><b>{html.escape(facts)}</b></p>{table}{basket()}")

    def basket() -> str:
        if not chosen:
            return "<p>Nothing chosen yet.</p>"
        file = base64.b64encode(spreadsheet(chosen).encode("utf-8-sig", "replace")).decode()
        link = f"<a download='copy.csv' href='data:text/csv;base64,{file}'>copy.csv</a>"
        rows = "".join(f"<li>{html.escape(name)}: {html.escape(text)}</li>" for name, text in chosen)
        return f"<p>{len(chosen)} chosen: {link}</p><ol>{rows}</ol>"

    def choose(_: Any) -> None:
        if (place := int(pick.value) - 1) < len(texts := shown()):
            chosen.append((product.value, texts[place]))
        redraw()

    for control in (product, tone, words):
        control.observe(redraw, "value")
    button.on_click(choose)
    redraw()
    note = ipywidgets.HTML(widgets.RESTARTED)
    box = ipywidgets.VBox([product, tone, words, pick, button, page, note], layout={"align_items": "flex-start"})
    box.redraw, box.chosen = redraw, chosen
    widgets.show(box, page.value, "Facts of a product, candidate texts, and what the checker says of each.")
    return box
