"""Running text that every Python brings along, to stand in for a corpus that cannot be had."""

from __future__ import annotations

import ast
import functools
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from aigc_course.plumbing import fetch

NO_DOCSTRINGS = {  # folders of the standard library that docstrings() leaves out: not of it, tests, or tables
    "site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3", "encodings", "pydoc_data", "turtledemo"
}  # fmt: skip


@functools.cache
def docstrings() -> str:
    """Docstrings of the standard library of the Python that runs this: real English, technical, without a download.

    Modules in order of their paths, each with its classes and functions; exact repeats once; blank lines between. The
    sources are parsed, not imported, in about 2 s. Docstrings with anything but printable ASCII and line breaks (a
    handful) are left out, so there are at most 96 symbols. Python 3.11 has 7,874 docstrings, 1.7 million characters;
    another version has another text. Raises DataError where Python came without its sources.

    Source: Python's standard library, PSF licence 2.
    """
    root = Path(sysconfig.get_path("stdlib"))
    paths = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in NO_DOCSTRINGS]
        paths += [Path(folder, name) for name in names if name.endswith(".py")]
    texts: dict[str, None] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd escapes in Python's own sources
        for path in sorted(paths, key=lambda path: path.relative_to(root).parts):
            with suppress(SyntaxError, ValueError, OSError):
                texts.update(dict.fromkeys(_docstrings(ast.parse(path.read_bytes()))))
    text = "\n\n".join(text for text in texts if text and re.fullmatch(r"[\n -~]+", text))
    if len(text) < 100_000:
        why = f"{root} has too few of the standard library's sources ({len(paths)}) to gather docstrings from"
        raise fetch.DataError(f"{why}; use a Python that has them, as those of python.org, conda and uv do.")
    return text


def _docstrings(node: ast.AST) -> Iterator[str]:
    """Docstrings of a module, class or function and of all those in it, in order."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield (ast.get_docstring(node) or "").strip()
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        for child in getattr(node, field, ()):
            yield from _docstrings(child)
