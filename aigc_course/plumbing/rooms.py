"""Where things lie: the checkout, the back room of each page, and the copies of both in an installed wheel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parent.parent


def root() -> Path | None:
    """The checkout that this package lies in, or None when it was installed from a wheel."""
    parent = PACKAGE.parent
    return parent if (parent / "pyproject.toml").is_file() and (parent / "notebooks").is_dir() else None


def place(name: str) -> Path:
    """A folder of the repository, such as "chapters", or the copy of it that travels in the wheel, `_chapters`."""
    return root() / name if root() else PACKAGE / f"_{name}"


def rooms() -> list[Path]:
    """The back rooms of all pages, in order: chapters/03_vae and so on."""
    return sorted(path for path in place("chapters").glob("[0-9]*") if path.is_dir())


def module(page: str, name: str) -> ModuleType | None:
    """A module of a page's back room, `module("03_vae", "exercises")`; None where the room has none of that name."""
    return _load(place("chapters") / page / f"{name}.py", f"aigc_course_chapters.{page}.{name}")


def shared(name: str) -> ModuleType:
    """A module that the back rooms share, `shared("tasks")` for chapters/tasks.py."""
    return _load(place("chapters") / f"{name}.py", f"aigc_course_chapters.{name}")


def recipe(name: str) -> ModuleType | None:
    """A recipe, `recipe("vae")` for recipes/vae.py, for the studies and benchmarks of a checkout."""
    return _load(place("recipes") / f"{name}.py", f"aigc_course_recipes.{name}")


def _load(path: Path, name: str) -> ModuleType | None:
    if name in sys.modules and sys.modules[name].__file__ == str(path):
        return sys.modules[name]
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
