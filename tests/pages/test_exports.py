"""What `jupyter nbconvert` makes of the stored pages: slides, and one HTML file with pictures that have words."""

import re
from pathlib import Path

import nbformat
import pytest

nbconvert = pytest.importorskip("nbconvert", reason="nbconvert is not installed")

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


EXPORTED = [path for path in NOTEBOOKS if path.stem in ("00_start_here", "03_vae")]  # the others are made the same way


def prose(cell):
    return re.sub(r"(?s)```.*?```", "", cell.source) if cell.cell_type == "markdown" else ""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_section_begins_a_slide_and_no_slide_is_endless(path):
    cells = nbformat.read(path, as_version=4).cells
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in cells]
    headed = [bool(re.search(r"(?m)^##? ", prose(cell))) for cell in cells]
    assert [kind == "slide" for kind in kinds] == headed, "a slide begins where a cell has a heading"
    slides = "".join("|" if kind in ("slide", "subslide") else "." for kind in kinds).split("|")
    assert max(map(len, slides)) <= 3, "a slide holds words, code and what it shows, and little more"
    assert len(slides) >= sum(len(re.findall(r"(?m)^## ", prose(cell))) for cell in cells)


@pytest.mark.parametrize("path", EXPORTED, ids=lambda path: path.stem)
def test_slides_are_as_many_as_the_cells_say(path):
    notebook = nbformat.read(path, as_version=4)
    kinds = [cell.metadata.slideshow.slide_type for cell in notebook.cells]
    html, _ = nbconvert.SlidesExporter().from_notebook_node(notebook)
    assert html.count("<section") == 2 * kinds.count("slide") + kinds.count("subslide")  # a slide is two of them


@pytest.mark.parametrize("path", EXPORTED, ids=lambda path: path.stem)
def test_every_picture_of_the_html_has_words(path):
    html, _ = nbconvert.HTMLExporter().from_notebook_node(nbformat.read(path, as_version=4))
    pictures = re.findall(r"<img\b[^>]*>", html)
    wordless = [
        tag[:80] for tag in pictures if not re.search(r'alt=\\?"(?!No description)[^"]*\w', tag)
    ]  # \\" within a widget
    assert pictures and not wordless
