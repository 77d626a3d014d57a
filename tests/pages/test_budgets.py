"""How long a page may be: words, code, cells, what of its code only shows; and that it has a diagram.

words     of the markdown cells, as between white space: formulas, addresses and badges count, too
lines     of all code cells (setup, exercises and checks too): neither blank nor only a comment
cell      the longest code cell, in such lines
run       the longest stretch of code cells with no markdown between them, in such lines
shown     per cent of the lines that plot, print or keep books: statements whose first name is in SHOWN or that call
          run.record or run.claims, and loops, conditions and functions that hold nothing else; imports do not count
width     of the widest line of code, in characters; how the setup cell begins is the same on all pages, and not counted
diagrams  that are missing: 1 for a page that never calls plot.diagram
"""

import ast
from pathlib import Path

import pytest

from aigc_course.receipts import read

REPO = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
LIMITS = {"words": 2500, "lines": 300, "cell": 24, "run": 30, "shown": 25, "width": 100, "diagrams": 0}
SHOWN = {"plot", "plt", "fig", "figure", "ax", "axes", "print", "display", "widgets", "receipts"}
END = "aigc_course.expect(course)\n"  # of what begins every setup cell: test_setup_cell.py


def text_of(cell):
    return "".join(cell["source"])


def code_lines(text):
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def words(nb):
    return sum(len(text_of(cell).split()) for cell in nb["cells"] if cell["cell_type"] == "markdown")


def runs(nb):
    """The code lines of each stretch of code cells."""
    found = [0]
    for cell in nb["cells"]:
        if cell["cell_type"] == "code":
            found[-1] += len(code_lines(text_of(cell)))
        else:
            found.append(0)
    return found


def only_shows(node):
    """Whether a statement does nothing but show or keep books."""
    if isinstance(node, ast.For | ast.While | ast.If | ast.With | ast.FunctionDef | ast.Try):
        parts = [node.body, getattr(node, "orelse", []), getattr(node, "finalbody", [])]
        parts += [handler.body for handler in getattr(node, "handlers", [])]
        return all(only_shows(part) or isinstance(part, ast.Pass) for body in parts for part in body)
    simple = isinstance(node, ast.Expr | ast.Assign | ast.AugAssign | ast.Return)
    value = node.value if simple else None
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return True  # a docstring is as its function
    called = False
    while isinstance(value, ast.Call | ast.Attribute | ast.Subscript):
        called |= isinstance(value, ast.Call)
        inner = value.func if isinstance(value, ast.Call) else value.value
        if isinstance(value, ast.Attribute) and value.attr in ("record", "claims") and ast.unparse(inner) == "run":
            return called
        value = inner
    return called and isinstance(value, ast.Name) and value.id in SHOWN


def shown(nb):
    """Per cent of the lines of code, but for imports, that only show."""
    both = [0, 0]
    for text in (text_of(cell) for cell in nb["cells"] if cell["cell_type"] == "code"):
        lines = text.splitlines()

        def add(body, lines=lines):
            for node in body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    continue
                first, inner = min([node, *getattr(node, "decorator_list", [])], key=lambda n: n.lineno).lineno, []
                if not only_shows(node):
                    inner = [part for name in ("body", "orelse", "finalbody") for part in getattr(node, name, [])]
                    inner = [part for part in inner if isinstance(part, ast.stmt)] if isinstance(node, ast.stmt) else []
                mine = code_lines("\n".join(lines[first - 1 : node.end_lineno]))
                theirs = [code_lines("\n".join(lines[part.lineno - 1 : part.end_lineno])) for part in inner]
                both[1] += len(mine) - sum(map(len, theirs))
                both[0] += len(mine) if only_shows(node) else 0
                add(inner)

        add(ast.parse(text).body)
    return round(100 * both[0] / max(1, both[1]))


def measure(nb):
    code = [text_of(cell) for cell in nb["cells"] if cell["cell_type"] == "code"]
    return {
        "words": words(nb),
        "lines": sum(len(code_lines(text)) for text in code),
        "cell": max(len(code_lines(text)) for text in code),
        "run": max(runs(nb)),
        "shown": shown(nb),
        "width": max(len(line) for text in code for line in text.rpartition(END)[2].splitlines()),
        "diagrams": int(not any("plot.diagram(" in text for text in code)),
    }


def over(found, limits):
    return {name: f"{found[name]}, at most {limits[name]}" for name in limits if found[name] > limits[name]}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_keeps_to_its_budget(path):
    assert not over(measure(read(path)), LIMITS)


# --- the counting --------------------------------------------------------------------------------------------


def page(*cells):
    """Code cells, and markdown ones that begin with #!."""
    kinds = ["markdown" if text.startswith("#!") else "code" for text in cells]
    return {
        "cells": [{"cell_type": k, "source": text.removeprefix("#!")} for k, text in zip(kinds, cells, strict=True)]
    }


def test_words_are_those_between_white_space():
    assert words(page("#!## A *VAE's* two-stage map of $x_0$:", "x = 'no words'")) == 7


def test_code_is_counted_without_blanks_and_comments():
    nb = page("#!Words.", "# why\nx = 1\n\ny = 2", "z = 3", "#!Words.", "w = '" + "x" * 96 + "'")
    found = measure(nb)
    assert (found["lines"], found["cell"], found["run"], found["width"], found["diagrams"]) == (4, 2, 3, 102, 1)
    assert measure(page("plot.diagram('05_dcgan')"))["diagrams"] == 0


@pytest.mark.parametrize(
    ("code", "per_cent"),
    [
        ("import os\nx = f(1)\nprint(x)", 50),
        ("fig, axes = plt.subplots(1, 2)\naxes[0].plot(x)\nx = train(y)\nz = x.plot", 50),
        ("run.record(**row,\n    fd=1)\nx = record(2)\nn = run.budget(smoke=1, lesson=2, full=3)", 50),
        ("fd = run.record('fd', measure(x))\nrun.claims('03_vae')", 100),
        ("for x in batches:\n    loss(x)\n    print(x)", 33),
        ("for ax in axes:\n    ax.set(title='t')\n    plot.images(x, ax=ax)", 100),
        ("def draw(x):\n    '''Words.'''\n    ax.plot(x)\n    return plot.show(ax.figure)\ny = 1", 80),
        ("def f(x):\n    return x + 1", 0),
        ("if ok:\n    x = 1\nelse:\n    print(x)", 25),
    ],
)  # fmt: skip
def test_what_only_shows(code, per_cent):
    assert shown(page(code)) == per_cent
