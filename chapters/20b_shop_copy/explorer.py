"""What only the page of shop copy shows: a product's text by form, a text of one's own, and what each rule says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aigc_course import widgets
from aigc_course.plumbing.console import escaped

RULES = {
    "number": "a number that the product has not", "word": "a forbidden word", "borrowed": "another product's",
    "missing": "must be mentioned (品名 is brand or kind)", "length": "characters too many",
    "language": "too little Chinese",
}  # fmt: skip
PLACES = {"catalogue": (), "ad": ("品名", "适用年龄")}  # name, age limit


def picker(
    products: Sequence[Mapping[str, Any]], fill: Callable[..., str], faults: Callable[..., Mapping[str, Any]],
    everything: Mapping[str, Iterable[str]], *, n_forms: int,
) -> Any:  # fmt: skip
    """Pickers of product, form and place, a slider for the length, a line for a text of one's own; what each rule says.

    fill(product, form): the page's form, None for the hash's choice. faults(product, copy, must, most): {rule: what}.
    everything: {id: what a form must mention}. Returns the box.
    """
    by_name = {product["name"]: product for product in products}

    def draw(product: str, form: str, place: str, length: int, own_text: str) -> str:
        chosen = by_name[product]
        must = PLACES.get(place, everything[chosen["id"]])
        texts = {"by form": fill(chosen, None if form == "hash" else int(form) - 1)}
        texts |= {"yours": own_text} if own_text.strip() else {}
        facts = "；".join(f"{key}：{value}" for key, value in chosen["attributes_zh"].items())
        parts = [f"<p><b>{escaped(chosen['name_zh'])}</b>，{chosen['price']:g} 欧元：{escaped(facts)}</p>"]
        for who, copy in texts.items():
            found = faults(chosen, copy, must, length)
            verdict = "refused" if found else "may go out"
            rows = "".join(
                f"<tr><td>{rule}</td><td style='text-align:left'>"
                f"{escaped(f'{why}: {_said(found[rule])}') if rule in found else 'keeps it'}</td></tr>"
                for rule, why in RULES.items()
            )
            parts.append(
                f"<p>{who}, {len(copy)} characters, <b>{verdict}</b>: {escaped(copy)}</p><table>{rows}</table>"
            )
        return "".join(parts)

    alt = "Facts of a product, its text by form and one of your own, and what each of six rules says of both."
    return widgets.explore(
        draw, alt=alt, product=list(by_name), form=["hash", *map(str, range(1, n_forms + 1))],
        place=[*PLACES, "form"], length=(40, 160, 120, 10), own_text="质保 6 年，最佳之选",
    )  # fmt: skip


def _said(what: Any) -> str:
    """{(6.0, "年")} as "6 年", words with commas, a count as it is, True as nothing."""
    if isinstance(what, bool | int):
        return "" if what is True else str(what)
    return ", ".join(sorted(one if isinstance(one, str) else f"{one[0]:g} {one[1]}".strip() for one in what))
