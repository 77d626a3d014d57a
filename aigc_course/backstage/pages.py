"""Notebooks as files: which are pages of the course, which are meant by a word, and what is wrong with one."""

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_course.plumbing import rooms, settings, stored
from aigc_course.plumbing.console import clean

if TYPE_CHECKING:
    from nbformat import NotebookNode

NAME = re.compile(r"\d\d[a-z]?_\w+", re.ASCII)  # 05_dcgan, 05b_measuring
ID = re.compile(r"[\w-]{1,64}", re.ASCII)


class Problem(Exception):
    """Something that the person who typed the command can mend: one sentence, exit code 2."""


def is_page(path: Path) -> bool:
    """Whether a notebook is called as a page is, and has a back room, chapters/NN_name."""
    return bool(NAME.fullmatch(path.stem)) and (rooms.place("chapters") / path.stem).is_dir()


def pages(folder: Path) -> tuple[list[Path], str]:
    """The course's pages in a folder, in order, and a sentence about the other notebooks there, or ""."""
    notebooks = sorted(folder.glob("*.ipynb"))
    others = ", ".join(path.name for path in notebooks if not is_page(path))
    said = f"Left out, because a page is called NN_name and has a back room chapters/NN_name: {others}"
    return [path for path in notebooks if is_page(path)], clean(said) if others else ""


def choose(notebooks: list[Path], wanted: list[str], *, files: bool = False) -> list[Path]:
    """The pages meant by "03", "3", "03_vae" or a path; all of them where nothing is asked for.

    files: a path may also name a notebook that is no page. Raises Problem where nothing is meant.
    """
    chosen: list[Path] = []
    for word in wanted:
        if word.endswith(".ipynb") or Path(word).name != word:
            chosen.append(_named(notebooks, word, files))
            continue
        number = re.fullmatch(r"(\d{1,2})([a-z]?)", word, re.ASCII)
        start = f"{int(number[1]):02d}{number[2]}_" if number else f"{word}_"
        found = [path for path in notebooks if path.stem == word or path.stem.startswith(start) and number]
        if not found:
            there = ", ".join(path.stem for path in notebooks) or "none at all"
            raise Problem(f"there is no chapter {settings.public(word)}, only {there}")
        chosen += found
    return list(dict.fromkeys(chosen)) if wanted else notebooks


def _named(notebooks: list[Path], word: str, files: bool) -> Path:
    path = Path(os.path.expanduser(word)).absolute()
    if not path.is_file():
        raise Problem(f"there is no file {settings.public(word)}")
    page = next((page for page in notebooks if page.is_file() and page.samefile(path)), None)
    if page is None and not files:
        raise Problem(f"{word} is not one of the course's pages")
    return page or path


def text(path: Path) -> str:
    """A text file of the checkout. Raises Problem for a pipe, which would be waited for, and for one without end."""
    if path.exists() and (not path.is_file() or path.stat().st_size > stored.LARGEST):
        raise Problem(f"{path.name} is no file of a text's size")
    return path.read_text(encoding="utf-8")


def load(path: Path) -> "NotebookNode":
    """A notebook, sound and in format 4.5. Raises Problem, which says what is wrong with the file.

    Formats before 4.5 know no cell ids; Colab keeps them in the cell's metadata, and other cells are called by number.
    """
    import nbformat

    try:
        if path.exists() and (not path.is_file() or path.stat().st_size > stored.LARGEST):  # a pipe would be waited for
            raise Problem(f"{path.name} cannot be read: it is no file of a notebook's size")
        content = json.loads(path.read_bytes())
        stored.read(path)  # ValueError for a number like NaN, as where the digest is taken
        if not isinstance(content, dict) or content.get("nbformat") != 4:
            raise ValueError("it is not in notebook format 4")
        taken: set[str] = set()
        for number, cell in enumerate(content["cells"], start=1):
            known = [cell.get("id"), cell["metadata"].get("id")]
            ids = [id for id in known if isinstance(id, str) and ID.fullmatch(id) and id not in taken]
            cell["id"] = [*ids, f"cell-{number}"][0]
            taken.add(cell["id"])
        content["nbformat_minor"] = 5
        nbformat.validate(content)
        if not isinstance(content["metadata"].get("aigc", {}), dict):
            raise ValueError("its metadata aigc is no table")
        text = json.dumps(content, ensure_ascii=False)
        text.encode()  # half a character cannot be written
        return nbformat.v4.reads(text)
    except OSError as error:
        raise Problem(f"{path.name} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, nbformat.ValidationError) as error:
        raise Problem(f"{path.name} is damaged: {_fault(error)}; put back a copy that opens in Jupyter") from error


def _fault(error: Exception) -> str:
    """What an error says of a damaged notebook, in a few words."""
    if isinstance(error, json.JSONDecodeError):
        return "it is empty" if not error.doc.strip() else f"it is not JSON from line {error.lineno} on"
    if isinstance(error, UnicodeError):
        return "its text is not UTF-8"
    if isinstance(error, ValueError):
        return " ".join(str(error).split())[:120]
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return "its parts are not those of a notebook"


def code_cells(notebook: "NotebookNode") -> list[Any]:
    """The code cells that hold something."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
