"""A small course for tests of the command line: notebooks that record what a real chapter would."""

from pathlib import Path

import nbformat
import psutil

RECORD = """
import json, os, sys
path, seed = os.environ["AIGC_RUN_FILE"], int(os.environ.get("AIGC_SEED", 7))
loss = 90.0 + seed
profile = os.environ.get("AIGC_PROFILE", "lesson")
state = {"seed": seed, "profile": profile, "device": "cpu, 2 cores, bf16", "torch": "2", "minutes": 9,
         "peak_gb": 0.5, "data": {"mnist": "upstream"}, "figures": {"loss": loss},
         "claims": [{"text": "a low loss", "figure": "loss", "bound": "<= 91", "value": loss, "met": loss <= 91}]}
with open(path, "w") as file:
    json.dump(state, file)
print("seed", seed)
"""


def notebook(path: Path, **cells: str) -> Path:
    """Writes a notebook of code cells, by id, under a title."""
    made = nbformat.v4.new_notebook(metadata={"aigc": {"summary": "how to test"}})
    made.cells.append(nbformat.v4.new_markdown_cell(f"# {path.stem}\n\nWhat it is about.", id="title"))
    made.cells += [nbformat.v4.new_code_cell(source.strip(), id=id) for id, source in cells.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)
    return path


def tag(path: Path, word: str, *ids: str) -> Path:
    """Gives the cells with these ids a tag."""
    made = nbformat.read(path, as_version=4)
    for cell in made.cells:
        if cell.id in ids:
            cell.metadata.setdefault("tags", []).append(word)
    nbformat.write(made, path)
    return path


def chapter(repo: Path, name: str, **cells: str) -> Path:
    """Writes a page with its back room."""
    (repo / "chapters" / name).mkdir(parents=True, exist_ok=True)
    return notebook(repo / "notebooks" / f"{name}.ipynb", **cells)


def stored(repo: Path) -> list[str]:
    """The files in the back rooms: what only --save and table write."""
    return [path.name for path in (repo / "chapters").rglob("*") if path.is_file()]


def kernels() -> list[psutil.Process]:
    """The kernels that this process has started and not ended."""
    return [p for p in psutil.Process().children(recursive=True) if "ipykernel_launcher" in " ".join(p.cmdline())]
