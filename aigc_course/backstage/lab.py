"""`aigc-course lab` and `aigc-course reset`: the pages as working copies of the learner's own, in JupyterLab.

JupyterLab saves as it runs, and a page that it saved in notebooks/ would stop the next `git pull`. So learners work in
copies. `originals/` beside them holds what each was copied from: a page to look up, and what tells an edited copy.
"""

import errno
import json
import os
import shutil
import sys
from pathlib import Path

from aigc_course.backstage.pages import Problem
from aigc_course.plumbing import machine, rooms, stored
from aigc_course.plumbing.settings import own_folder, write_atomically

FIRST = "00_start_here.ipynb"
WORDS = """# Your notebooks

These are working copies: run and change them as you like. An update of the course leaves alone what you changed.
The folder `originals` holds the pages that these copies were made from; JupyterLab shows them read-only.

- `aigc-course reset 03` takes a fresh copy of chapter 03 and keeps yours beside it, as `old-03_….ipynb`.
- After an update, `aigc-course lab` renews the copies that you did not edit and names those that it left alone.
"""


def folder() -> Path:
    """Where the working copies lie: my-notebooks/ in a checkout, which git ignores, else ./aigc-notebooks."""
    return rooms.root() / "my-notebooks" if rooms.root() else Path("aigc-notebooks").absolute()


def refresh() -> list[str]:
    """Copies pages that have no working copy, renews copies that nobody edited. Returns sentences about the others."""
    own_folder(folder())  # not through a link
    edited, ran = [], []
    for page in sorted(rooms.place("notebooks").glob("[0-9]*.ipynb")):
        copy, base = folder() / page.name, folder() / "originals" / page.name
        mine, old, new = map(_bytes, (copy, base, page))
        if mine is not None and old == new:
            continue  # the course has nothing newer
        if mine in (None, old, new):
            _place(page)
        elif _cells(copy) and _cells(copy) in (_cells(base), _cells(page)):
            ran.append(_aside(copy).name)  # run, but not edited: the outputs stay under another name
            _place(page)
        else:
            edited.append(page.stem)
    readme = folder() / "README.md"
    if not readme.exists():
        write_atomically(readme, lambda file: file.write_text(WORDS, encoding="utf-8"))
    told = [f"Renewed, with the outputs of your runs kept in {', '.join(ran)}."] if ran else []
    if edited:
        numbers = " ".join(name.split("_")[0] for name in edited)
        told.append(
            f"The course has newer pages, but you edited your copies, which stay: {', '.join(edited)}. "
            f"`aigc-course reset {numbers}` takes the new ones and keeps yours under another name."
        )
    return told


def reset(page: Path) -> str:
    """Makes a fresh working copy of a page. Returns a sentence about it and about where the old one is now."""
    copy = own_folder(folder()) / page.name
    kept = f", your old copy is now {_aside(copy).name}" if copy.exists() and _bytes(copy) != _bytes(page) else ""
    _place(page)
    return f"{page.stem} is fresh in {folder().name}/{kept}."


def start(options: list[str]) -> int:
    """Opens the working copies in JupyterLab, until Ctrl-C. Returns an exit code. options: further ones for it.

    Raises Problem where JupyterLab does not load, or the disk takes no copies.
    """
    try:
        from jupyterlab.labapp import LabApp
    except Exception as error:  # whatever a broken installation raises
        raise Problem(f'JupyterLab cannot be loaded ({error}): python -m pip install -U "jupyterlab>=4.2"') from error
    try:
        for sentence in refresh():
            print(sentence)
    except OSError as error:
        raise Problem(f"the notebooks cannot be copied to {folder()}: {error.strerror or error}") from error
    top = rooms.root() or folder()  # of what JupyterLab shows: the README and data/ too
    own = folder() / ".jupyter"  # signatures and open tabs of the course, apart from the learner's other work
    machine.calm(os.environ)  # kernels inherit it
    print("Starting JupyterLab, which can take a minute …", flush=True)
    ours, theirs = str(Path(__file__).with_name("jupyter")), os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [ours, theirs]))
    LabApp.launch_instance(
        [
            f"--ServerApp.root_dir={top}",
            f"--LabApp.default_url=/lab/tree/{(folder() / FIRST).relative_to(top).as_posix()}",
            "--ServerApp.contents_manager_class=aigc_course.backstage.contents.Contents",
            f"--NotebookNotary.data_dir={own}",
            f"--LabApp.workspaces_dir={own / 'workspaces'}",
            "--ServerApp.answer_yes=True",  # one Ctrl-C ends it
            "--allow-root",
            "--Application.log_level=WARN",
            *options,
        ]
    )
    return 0


def _place(page: Path) -> None:
    """Makes a working copy of a page, and beside it the original; both whole or not at all."""
    if _bytes(page) is None:
        raise OSError(errno.EINVAL, "is no file", str(page))
    for target in (folder() / page.name, folder() / "originals" / page.name):
        own_folder(target.parent)
        write_atomically(target, lambda file: shutil.copyfile(page, file))
    try:
        import nbformat
        from nbformat.sign import NotebookNotary

        own = own_folder(folder() / ".jupyter")
        if any((own / name).is_symlink() for name in ("nbsignatures.db", "notebook_secret")):
            raise OSError(errno.ELOOP, "has links, which are not followed; remove them", str(own))
        notary = NotebookNotary(data_dir=str(folder() / ".jupyter"))
        notary.sign(nbformat.read(page, as_version=4))  # the outputs are the course's own: shown without a question
        notary.store.close()
    except Exception as error:  # JupyterLab then shows the page as not trusted, no more
        print(f"The outputs of {page.stem} could not be signed: {error}", file=sys.stderr)


def _aside(copy: Path) -> Path:
    """Gives a copy a name that is free, old-03_vae.ipynb or old-03_vae-2.ipynb, and returns it."""
    n, free = 1, copy.with_name(f"old-{copy.name}")
    while free.exists():
        n += 1
        free = copy.with_name(f"old-{copy.stem}-{n}.ipynb")
    return copy.rename(free)


def _bytes(path: Path) -> bytes | None:
    if path.is_file() and path.stat().st_size > stored.LARGEST:
        raise OSError(errno.EFBIG, "is too large for a notebook", str(path))
    return path.read_bytes() if path.is_file() else None


def _cells(path: Path) -> list[tuple[str, str]] | None:
    """What a learner may have edited: kind and text of each cell. None where the file is no notebook."""
    try:
        cells = json.loads(_bytes(path) or b"")["cells"]
        return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
