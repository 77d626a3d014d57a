"""The command line: `aigc-course run | study | lab | reset | app | fetch | doctor | test | table | badges`.

Each command imports what it needs, so that `aigc-course --help` answers at once.
"""

import argparse
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from aigc_course import __version__, receipts
from aigc_course.backstage import digest as digests
from aigc_course.backstage import lab as labs
from aigc_course.backstage import readme, store
from aigc_course.backstage.pages import Problem, choose, load, pages
from aigc_course.backstage.pages import text as text_of
from aigc_course.plumbing import machine, rooms, settings
from aigc_course.plumbing.console import clean


def notebooks_folder() -> Path:
    """The notebooks: those of the checkout, else the working copies in ./aigc-notebooks."""
    if rooms.root():
        return rooms.root() / "notebooks"
    for sentence in labs.refresh():
        print(sentence)
    return labs.folder()


def changed(notebooks: list[Path], profile: str | None) -> list[Path]:
    """The notebooks whose code is not that of their stored receipt for this profile and kind of device."""
    here = machine.describe()
    profile, kind = profile or here["profile"], store.device_kind(str(here["device"]))
    same = [path for path in notebooks if _is_measured(path, f"receipt.{profile}-{kind}.json")]
    if same:
        names = ", ".join(path.stem for path in same)
        print(f"Left out, because nothing changed since the receipt for {profile}-{kind}: {names}")
    return [path for path in notebooks if path not in same]


def _is_measured(path: Path, receipt: str) -> bool:
    """Whether a page's code is that of a stored receipt; not where one of the two is damaged, and the run says so."""
    place = rooms.place("chapters") / path.stem / receipt
    try:
        load(path)
        return place.is_file() and receipts.check(receipts.read(place), place)["digest"] == digests.digest(path)
    except (Problem, ValueError):
        return False


def run(args: argparse.Namespace) -> int:
    """Executes chapters in fresh kernels and checks their claims. Copies, receipts and a report go to build/."""
    known, others = pages(notebooks_folder())
    if others and not args.chapter:
        print(others)
    chapters = choose(known, args.chapter, files=True)
    guests = [path for path in chapters if path not in known]
    if args.save and (args.profile or os.environ.get("AIGC_PROFILE")) == "smoke":
        raise Problem("stored outputs come from a lesson or full run, never from smoke: leave out --save")
    if guests and (args.save or args.same):
        raise Problem(
            f"{guests[0].name} is not one of the course's pages: leave out {'--save' if args.save else '--same'}"
        )
    if args.same:
        return _stamp(chapters, lambda same, path: same.page(path, args.profile))
    if args.changed and not (chapters := changed(chapters, args.profile)):
        return 0
    from aigc_course.backstage import batch

    options = {name: getattr(args, name) for name in ("profile", "seeds", "timeout", "limit_minutes", "save")}
    return batch.run(chapters, store.results(args.to), guests=guests, **options)


def _stamp(chapters: list[Path], stamp: Callable) -> int:
    """Stamps pages or studies whose code moved while no figure changed. Exit code 1: a figure did, or nothing tells."""
    from aigc_course.backstage import same

    refused = 0
    for path in chapters:
        try:
            load(path)
            print(stamp(same, path))
        except (same.NotSame, ValueError) as reason:  # ValueError: a damaged receipt
            refused = 1
            print(f"✗ {reason}")
    return refused


def study(args: argparse.Namespace) -> int:
    """Runs a chapter's study, a table that takes longer than its lesson, and writes it under build/."""
    import time

    from aigc_course.plumbing import fetch

    chapters = choose(pages(notebooks_folder())[0], [args.chapter])
    if len(chapters) > 1:
        raise Problem(f"{args.chapter} can be {' or '.join(path.stem for path in chapters)}: say which")
    name = chapters[0].stem
    if not (rooms.place("chapters") / name / "study.py").is_file():
        there = ", ".join(room.name for room in rooms.rooms() if (room / "study.py").is_file()) or "none"
        raise Problem(f"{name} has no study, chapters/{name}/study.py; these have: {there}")
    if args.same:
        return _stamp(chapters, lambda same, path: same.study(path.stem))
    if args.save and os.environ.get("AIGC_PROFILE") == "smoke":
        raise Problem("a stored study comes from a run in full, never from smoke: leave out --save")
    results = store.writable(store.results(args.to) / name).parent
    machine.calm()  # before PyTorch is loaded
    try:
        module, digest = rooms.module(name, "study"), digests.study_digest(name)
        if not callable(getattr(module, "run", None)):
            raise ValueError("it has no function run(seeds)")
    except (SyntaxError, ValueError) as error:
        raise Problem(f"chapters/{name}/study.py cannot be used: {error}") from error
    here, started = machine.describe(), time.monotonic()
    try:
        result = module.run(args.seeds)
    except KeyboardInterrupt:
        print("Interrupted; nothing was written.")
        return 130
    minutes = (time.monotonic() - started) / 60
    head = {"device": here["device"], "torch": here["torch"], "date": store.today(), "seeds": args.seeds}
    head |= {"minutes": minutes, "digest": digest, "data": dict(fetch.used)}
    try:
        written = store.write_study(name, head, result, results)
    except OSError:  # a disk that became full in the meantime
        written = store.write_study(name, head, result, Path(tempfile.mkdtemp(prefix="aigc-study-")))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:  # no numbers and texts in dicts and lists
        spare = Path(tempfile.mkdtemp(prefix="aigc-study-")) / "study.txt"
        spare.write_text(repr(result), encoding="utf-8")
        raise Problem(f"what the study found cannot be stored ({error}); it is in {spare}") from None
    print(f"{name}: seeds {', '.join(map(str, args.seeds))} in {minutes:.1f} min, written to {written}")
    if not args.save:
        return 0
    reason = "it ran on stand-in data" if fetch.standin_in_use() else ""
    reason = "its code changed while it ran" if digests.study_digest(name) != digest else reason
    if reason:
        print(f"✗ {name}: not saved, because {reason}")
        return 1
    print(f"Saved: {store.write_study(name, head, result, rooms.place('chapters')).name}")
    return 0


def lab(args: argparse.Namespace) -> int:
    """Opens working copies of the pages in JupyterLab; further options go to it. Copies you edited stay as they are."""
    return labs.start(args.extra)


def reset(args: argparse.Namespace) -> int:
    """Makes fresh working copies of chapters; the old ones stay beside them, under another name."""
    wanted = [Path(word).name.removesuffix(".ipynb") for word in args.chapter]  # a copy's path means its page
    for page in choose(sorted(rooms.place("notebooks").glob("[0-9]*.ipynb")), wanted):
        try:
            print(labs.reset(page))
        except OSError as error:
            raise Problem(f"{page.stem} cannot be copied to {labs.folder()}: {error.strerror or error}") from error
    return 0


def app(args: argparse.Namespace) -> int:
    """Shows a page's product as an app in the browser, without its code: the cells with the tag `app`, by Voilà."""
    from aigc_course.backstage import app as apps

    found = choose(pages(notebooks_folder())[0], [args.chapter], files=True)
    if len(found) > 1:
        raise Problem(f"{args.chapter} can be {' or '.join(path.stem for path in found)}: say which")
    return apps.start(found[0], port=args.port, browser=not args.no_browser)


def _fetch_models(names: list[str], to: str | None) -> int:
    """Downloads models and verifies them, into the cache or each into a folder of its own below `to`."""
    from aigc_course.plumbing import models

    failed = False
    for name in names:
        try:
            files = models.fetch(name)
            folder = Path(to).absolute() / name if to else files[0].parent
            for place in [folder.parent] * ("/" in name) + [folder] if to else []:
                settings.own_folder(place)
            for file in files if to else []:
                settings.write_atomically(folder / file.name, functools.partial(shutil.copyfile, file))
            if to:  # with their checksums, so that a copy that is altered later is known
                text = json.dumps({file.name: _sha256(file) for file in files})
                settings.write_atomically(folder / models.DIGESTS, functools.partial(Path.write_text, data=text))
                models.check(folder, name)
            size = sum(file.stat().st_size for file in files) / 1e6
            print(f"{name}: {len(files)} file{'s' * (len(files) > 1)}, {size:.1f} MB, verified, in {folder}")
            print(f"Learners set AIGC_MODEL to {folder if to else name}.")
        except (models.HubError, OSError) as error:
            failed = True
            print(f"✗ {settings.public(name)}: {error}")
    return int(failed)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(args: argparse.Namespace) -> int:
    """Downloads datasets and verifies them, into the cache or into a folder laid out as a mirror, for a class."""
    if args.model:
        rest = argparse.Namespace(**vars(args) | {"model": []})
        return max(_fetch_models(args.model, args.to), fetch(rest) if args.dataset or args.all else 0)
    from aigc_course.plumbing import fetch as files_of

    known, brought, failed = files_of.registry(), 0, False
    wanted = [name for name in known if name in args.dataset or (args.all and name not in files_of.SPARE)]
    if not wanted or not set(args.dataset) <= set(known):
        unknown = ", ".join(settings.public(name) for name in args.dataset if name not in known)
        why = f"there is no data set called {unknown}; " if unknown else ""
        raise Problem(f"{why}say which of {', '.join(known)}, or --all")
    for name in wanted:
        folder = args.to or "the cache"
        try:
            files = files_of.fetch(name)
            folder = Path(args.to).absolute() / name if args.to else next(iter(files)).parent
            if args.to:
                settings.own_folder(folder)
            for path, content in files.items() if args.to else ():
                settings.write_atomically(folder / path.name, functools.partial(Path.write_bytes, data=content))
            if not args.to and files.keys() & files_of.unkept.keys():
                raise files_of.DataError("it was fetched, and could not be stored; see above.")
        except (files_of.DataError, OSError) as error:
            failed = True
            text = f"{folder} cannot be written: {error.strerror or error}" if isinstance(error, OSError) else error
            print(f"✗ {name}: {text}")
            continue
        brought += 1
        size = sum(map(len, files.values())) / 1e6
        print(f"{name}: {len(files)} file{'s' * (len(files) > 1)}, {size:.1f} MB, verified, in {folder}")
    if args.to and brought:
        print(f"Learners set AIGC_DATA_MIRROR to {Path(args.to).absolute()}, or to where you serve that folder.")
    return int(failed)


def doctor(args: argparse.Namespace) -> int:
    """Says what this machine offers, and what to do about each problem. Exit code 1: the course cannot run."""
    from aigc_course.backstage.doctor import examine

    return examine()


def test(args: argparse.Namespace) -> int:
    """Runs all tests, among them every notebook under nbval in the smoke profile, with the network off for data."""
    env = os.environ | {"AIGC_PROFILE": "smoke", "AIGC_STRICT": "1", "AIGC_OFFLINE": "1", "AIGC_QUIET": "1"}
    machine.calm(env)
    env.setdefault("OMP_NUM_THREADS", "1")  # two workers with two threads each would crowd two cores
    command = [sys.executable, "-m", "pytest", "tests", "notebooks", "-n", "2", "--dist", "loadscope", "--timeout=600"]
    command += ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300", *args.extra]
    return subprocess.call(command, env=env, cwd=_checkout())


def table(args: argparse.Namespace) -> int:
    """Rewrites the README's table of chapters and its benchmark lines, and chapters/README.md, from the receipts."""
    page, rest = _checkout() / "README.md", _checkout() / "chapters" / "README.md"
    text = text_of(page)
    notebooks, pictures = _course_pages(), {}
    try:
        blocks = {"table": readme.table(notebooks, _address()), "bench": readme.bench()}
        texts = {rest: readme.receipts_page(notebooks, _address())}
        for path in notebooks:  # the figure that stands for a chapter is the one in its stored outputs
            pictures[_checkout() / "chapters" / path.stem / "picture.png"] = readme.picture(path)
    except ValueError as error:
        raise Problem(str(error)) from error
    for name, block in blocks.items():
        lines = rf"(?s)(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, found = re.subn(lines, lambda old, block=block: f"{old[1]}{block}\n{old[2]}", text)
        if name == "table" and not found:
            raise Problem("README.md has no lines <!-- table --> and <!-- /table --> to write between")
    for place, picture in pictures.items():
        size = place.stat().st_size if place.is_file() else -1
        if picture and not args.check and not (size == len(picture) and place.read_bytes() == picture):
            store.write_bytes(settings.own_folder(place.parent) / place.name, picture)
    return _rewrite({page: text, **texts}, args)


def badges(args: argparse.Namespace) -> int:
    """Stamps the repository's address into badges, setup cells, README and the other files that name it."""
    import nbformat

    old = _address()
    new = args.address or old
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*/[\w-][\w.-]*", new, re.ASCII):
        raise Problem(f"{settings.public(new)} is not of the form OWNER/REPO")

    def stamp(text: str) -> str:
        """In what is cloned, installed, opened in Colab or Binder; and wherever the old address stands."""
        places = r"git clone https://github\.com/|git\+https://github\.com/|colab\S+/github/|mybinder\.org/v2/gh/"
        text = re.sub(rf"({places}){digests.ADDRESS}", rf"\g<1>{new}", text)
        return re.sub(rf"(github\.com/){re.escape(old)}(?![\w-])", rf"\g<1>{new}", text)

    texts, problems = {}, []
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md", "CITATION.cff"):
        if (path := _checkout() / name).exists():
            texts[path] = stamp(text_of(path))
    for path in _course_pages():
        try:
            notebook = load(path)
        except Problem as problem:
            problems.append(str(problem))
            continue
        cells = {cell.id: cell for cell in notebook.cells}
        if not {"title", "setup"} <= cells.keys():
            problems.append(f"{path.name} has no cells called title and setup, so it gets no badges: put back its ids")
            continue
        title, setup = cells["title"], cells["setup"]
        before = title.source, setup.source
        first, *rest = [line for line in title.source.splitlines() if "mybinder.org/v2/" not in line] or [""]
        text = "\n".join(rest).strip("\n")
        title.source = f"{first}\n\n{readme.badges(new, path.stem)}\n\n{text}".rstrip("\n")
        if "git+" not in setup.source:  # a new page: its imports alone
            setup.source = f"{readme.SETUP.format(address=new, version=__version__)}\n{setup.source}"
        setup.source = re.sub(rf"(https://github\.com/){digests.ADDRESS}", rf"\g<1>{new}", setup.source)
        setup.source = re.sub(r"(git\+\S*?@v)\d[\w.]*\w", rf"\g<1>{__version__}", setup.source)
        if (title.source, setup.source) != before:
            texts[path] = nbformat.writes(notebook) + "\n"
    stale = _rewrite(texts, args)
    for problem in problems:
        print(f"✗ {problem}")
    return int(stale or bool(problems))


def _course_pages() -> list[Path]:
    """The pages of the checkout; says which other notebooks lie there."""
    known, others = pages(_checkout() / "notebooks")
    if others:
        print(others)
    return known


def _checkout() -> Path:
    if not rooms.root():
        raise Problem("this command works on a checkout of the course's repository, not on an installed package")
    return rooms.root()


def _address() -> str:
    text = text_of(_checkout() / "pyproject.toml")
    found = re.search(r'(?m)^Repository = "https://github\.com/([\w.-]+/[\w.-]+)"', text)
    if not found:
        raise Problem('pyproject.toml has no line Repository = "https://github.com/OWNER/REPO"')
    return found[1]


def _rewrite(texts: dict[Path, str], args: argparse.Namespace) -> int:
    """Writes the files whose text differs, or with --check only names them."""
    old = {path: text_of(path) if path.exists() else "" for path in texts}
    stale = {path: text for path, text in texts.items() if old[path] != text}
    for path, text in stale.items():
        if not args.check:
            store.write_text(settings.own_folder(path.parent) / path.name, text)
        name = path.relative_to(_checkout()).as_posix()
        print(f"✗ {name} is stale: aigc-course {args.command} mends it" if args.check else f"Rewritten: {name}")
    return int(args.check and bool(stale))


def main(argv: list[str] | None = None) -> int:
    """Runs a command. Returns its exit code: 0 all well, 1 something does not hold, 2 a mistake in the command."""
    parser = argparse.ArgumentParser(prog="aigc-course", description="A course in generative AI that people run.")
    parser.add_argument("--version", action="version", version=f"aigc-course {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(function: Callable[[argparse.Namespace], int], text: str) -> Callable:
        command = commands.add_parser(function.__name__, help=text, description=function.__doc__)
        command.set_defaults(function=function)
        return command.add_argument

    option = add(run, "execute chapters and check their claims")
    option("chapter", nargs="*", help="03, 03_vae or a path; without any, all of them")
    option("--profile", choices=["smoke", "lesson", "full"], help="default: what the machine deserves")
    option("--seeds", nargs="+", type=int, metavar="N", help="run once for each; default: the notebook's own seed")
    option("--save", action="store_true", help="store the first seed's outputs and the receipt in the repository")
    option("--changed", action="store_true", help="only chapters whose code changed since their receipt")
    option("--same", action="store_true", help="stamp chapters whose code moved, if a run shows the same figures")
    option("--to", metavar="DIR", help="a folder for the results, instead of build/")
    option("--limit-minutes", type=float, metavar="M", help="start no further chapter after M minutes")
    option("--timeout", type=int, default=1200, metavar="S", help="seconds that a cell may take (1200)")
    option = add(study, "run a chapter's study, a table that takes longer than its lesson")
    option("chapter", help="05, 05_dcgan or a path")
    option("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="default: 0 1 2")
    option("--save", action="store_true", help="store it in chapters/, from which the notebook draws it")
    option("--same", action="store_true", help="stamp a study whose code moved, if its short form finds the same")
    option("--to", metavar="DIR", help="a folder for the results, instead of build/")
    add(lab, "open the course in JupyterLab; further options go to it")
    add(reset, "a fresh working copy of a chapter; yours stays under another name")(
        "chapter", nargs="+", help="03, 03_vae or a path"
    )
    option = add(app, "show a chapter's product as an app in the browser")
    option("chapter", help="22b, 22b_name or a path")
    option("--port", type=int, default=0, metavar="N", help="default: one that is free")
    option("--no-browser", action="store_true", help="only say where it is")
    option = add(fetch, "download datasets, for later or for a class without a network")
    option("dataset", nargs="*")
    option("--all", action="store_true", help="every dataset that a chapter uses")
    option("--model", action="append", default=[], metavar="NAME", help="a language model, such as Qwen/Qwen3-0.6B")
    option("--to", metavar="DIR", help="a folder to lay out as a mirror, instead of the cache")
    add(doctor, "what this machine offers, and what to do about problems")
    add(test, "run all tests; further options go to pytest")
    add(table, "rewrite the README's table and chapters/README.md from the receipts")(
        "--check", action="store_true", help="only say what is stale"
    )
    option = add(badges, "stamp the repository's address into badges and setup cells")
    option("address", nargs="?", metavar="OWNER/REPO", help="default: the address in pyproject.toml")
    option("--check", action="store_true", help="only say what is stale")
    args, args_extra = parser.parse_known_args(argv)
    if args_extra and args.command not in ("lab", "test"):
        parser.error(f"unrecognized arguments: {' '.join(args_extra)}")
    args.extra = args_extra
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without a character shows "?" for it
    settings.absolute_paths(os.environ)
    if getattr(args, "to", None):
        args.to = os.path.expanduser(args.to)
    try:
        code = args.function(args)
        if sys.stdout:  # None where it was closed
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("aigc-course: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has gone, as `head` goes after ten lines; nothing more is written
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except (Problem, settings.SettingError, ModuleNotFoundError) as problem:
        hint = ": `aigc-course doctor` says what to install" if isinstance(problem, ModuleNotFoundError) else ""
        print(f"aigc-course: {clean(str(problem))}{hint}", file=sys.stderr)
        return 2
    except (UnicodeError, OverflowError, RecursionError, MemoryError) as error:  # a file that holds what it must not
        why = str(error) or type(error).__name__
        print(f"aigc-course: a file that this command reads is damaged: {why}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a file that is not ours
        print(f"aigc-course: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
