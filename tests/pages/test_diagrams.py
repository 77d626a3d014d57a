"""Diagrams, chapters/NN_name/diagram.svg or diagram_NAME.svg: sound, alone, with words, and readable on any ground.

A text's ground is the last filled rectangle before it that holds its point, else the page: white or dark. So a diagram
that begins with a rectangle as large as its viewBox has its own ground. Colours are attributes (fill="#rrggbb"), no
CSS, and groups move by translate(x, y) only, so that this can be seen here.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.colors
import pytest

REPO = Path(__file__).resolve().parents[2]
DIAGRAMS = sorted((REPO / "chapters").glob("*/diagram*.svg"))
PAGE = ("#ffffff", "#111111")  # the grounds of light and dark notebooks
ENOUGH = 4.5  # contrast of text, WCAG 2.1, 1.4.3; 3 on the page itself, where no colour reaches it on both grounds


def tag(node):
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(color)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def number(node, name, whole=0.0):
    """An attribute as a number: 0 where it is missing, "100%" as the whole."""
    text = node.get(name, "0").split()[0].removesuffix("px")
    return float(text[:-1]) * whole / 100 if text.endswith("%") else float(text)


def faults(text):
    """What is wrong with a diagram."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return [f"it is not XML: {error}"]
    found = [f"it has no <{name}>" for name in ("title", "desc") if not (root.findtext(f"{{*}}{name}") or "").strip()]
    found += [] if tag(root) == "svg" and root.get("viewBox") else ["it is no <svg> with a viewBox"]
    if found:
        return found
    box = [float(part) for part in root.get("viewBox").replace(",", " ").split()]
    grounds = []

    def visit(node, x, y, fill, at):
        kind = tag(node)
        for name, value in node.attrib.items():
            name = name.rpartition("}")[2]
            if name.startswith("on") or name in ("style", "class"):
                found.append(f"<{kind}> has {name}={value!r}")
            if name == "href" and not value.startswith("#") or re.search(r"url\((?!['\"]?#)", value):
                found.append(f"<{kind}> refers to {value!r}")
        moved = re.fullmatch(r"translate\(([-\d.]+)[ ,]*([-\d.]+)?\)", node.get("transform", "translate(0)"))
        if moved:
            x, y = x + float(moved[1]), y + float(moved[2] or 0)
        fill = node.get("fill", fill)
        if kind == "rect" and fill != "none" and not fill.startswith("url") and moved:
            left, top = x + number(node, "x"), y + number(node, "y")
            grounds.append(
                (left, top, left + number(node, "width", box[2]), top + number(node, "height", box[3]), fill)
            )
        if kind in ("text", "tspan"):
            at = [x + number(node, "x") if "x" in node.attrib or not at else at[0],
                  y + number(node, "y") if "y" in node.attrib or not at else at[1]]  # fmt: skip
        if kind in ("text", "tspan") and (node.text or "").strip():
            under = [g for *area, g in grounds if area[0] <= at[0] <= area[2] and area[1] <= at[1] <= area[3]]
            words = " ".join(node.text.split())
            for ground in under[-1:] or PAGE:
                if contrast(fill, ground) < (ENOUGH if under else 3):
                    found.append(f"{words!r} in {fill} is hard to read on {ground}")
        for part in node:
            if kind not in ("defs", "marker", "title", "desc") and tag(part) not in ("defs", "marker"):
                visit(part, x, y, fill, at)

    for node in root.iter():
        if tag(node) in ("script", "style", "foreignObject", "image", "animate", "set"):
            found.append(f"it has a <{tag(node)}>")
    visit(root, 0.0, 0.0, "#000000", None)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("path", DIAGRAMS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_diagram_is_readable_everywhere(path):
    assert path.stat().st_size < 30_000
    assert faults(path.read_text(encoding="utf-8")) == []


GOOD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100"><title>Two players</title><desc>One makes, one
judges.</desc><defs><marker id="arrow"><path d="M0 0L4 2L0 4Z"/></marker></defs><rect width="200" height="100"
fill="#ffffff"/><g transform="translate(10, 20)"><rect x="0" y="0" width="80" height="40" fill="#1d3557"/><text x="8"
y="20" fill="#ffffff">generator</text></g><path d="M90 40H120" marker-end="url(#arrow)"/><text x="130" y="40"
fill="#222222">images</text></svg>"""


def test_a_good_diagram_has_no_faults():
    assert faults(GOOD) == []
    free = re.sub(r'<rect width="200".*?/>', "", GOOD, flags=re.S).replace('fill="#222222"', 'fill="#777777"')
    assert faults(free) == []  # without a ground of its own, grey is read on both


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("</svg>", "", "it is not XML"),
        ("<title>Two players</title>", "", "it has no <title>"),
        ("One makes, one\njudges.", "", "it has no <desc>"),
        ('viewBox="0 0 200 100"', "", "no <svg> with a viewBox"),
        ("<defs>", "<script/><defs>", "it has a <script>"),
        ("<defs>", "<defs><style>text {fill: red}</style>", "it has a <style>"),
        ("<path d=\"M90", '<path onclick="x()" d="M90', "has onclick"),
        ("<path d=\"M90", '<path style="fill: red" d="M90', "has style"),
        ("<path d=\"M90", '<path fill="url(https://x/y)" d="M90', "refers to"),
        ("<defs>", '<use href="https://x/y.svg#a"/><defs>', "refers to"),
        ('fill="#222222"', 'fill="#dddddd"', "'images' in #dddddd is hard to read on #ffffff"),
        (">images<", '><tspan fill="#dddddd">images</tspan><', "'images' in #dddddd is hard to read on #ffffff"),
        (">generator<", '><tspan x="190" y="90">generator</tspan><', "in #ffffff is hard to read on #ffffff"),
        ('fill="#222222"', "", None),  # black on its own white ground
        ('y="20" fill="#ffffff"', 'y="20"', "'generator' in #000000 is hard to read on #1d3557"),
        ('<rect width="200" height="100"\nfill="#ffffff"/>', "", "'images' in #222222 is hard to read on #111111"),
    ],
)  # fmt: skip
def test_faults_are_found(old, new, said):
    assert old in GOOD
    found = faults(GOOD.replace(old, new))
    assert any(said in fault for fault in found) if said else found == []
