"""Receipts: what each chapter reached, where and when; digests that find stale outputs; the README's table."""

import ast
import base64
import hashlib
import json
import math
import os
import re
import statistics
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
# OWNER/REPO, up to a ".git", the end of a sentence or of the address
ADDRESS = r"[\w.-]+/[\w.-]+?(?=(?:\.git)?(?:[^\w.-]|\.\s|\.?$))"


def root() -> Path | None:
    """The checkout that this package lies in, or None when it was installed from a wheel."""
    parent = PACKAGE.parent
    return parent if (parent / "pyproject.toml").is_file() and (parent / "notebooks").is_dir() else None


def folder() -> Path:
    """Where the stored receipts are: `receipts/` of the checkout, or the copy that travels in the wheel."""
    return root() / "receipts" if root() else PACKAGE / "_receipts"


def load(chapter: str, profile: str | None = None, *, where: Path | None = None) -> dict[str, Any]:
    """The stored receipt of a chapter, `load("03_vae")`, of a benchmark ("bench_vae") or a study ("05_dcgan.study").

    profile: "lesson" or "full"; None takes "lesson" where there is one. Of several devices the newest counts.
    Raises FileNotFoundError, in one sentence, where there is none.
    """
    if (path := (where or folder()) / f"{chapter}.json").is_file():
        return read(path)
    found = [read(path) for path in sorted((where or folder()).glob(f"{chapter}.{profile or '*'}-*.json"))]
    if not found:
        wanted = f"{chapter} in the {profile} profile" if profile else chapter
        how = f"`aigc-course run {chapter} --save` writes one" if chapter[:1].isdigit() else "see benchmarks/"
        raise FileNotFoundError(f"there is no receipt of {wanted}: {how}")
    return max(found, key=lambda receipt: (receipt["profile"] == "lesson", receipt["date"]))


def figures(chapter: str, profile: str | None = None, *, where: Path | None = None) -> dict[str, float]:
    """The medians over the seeds of a chapter's recorded figures, by name, in the units that the chapter gives."""
    return {
        name: statistics.median(values)
        for name, values in _columns(load(chapter, profile, where=where)["runs"]).items()
    }


def _columns(runs: list[dict[str, Any]]) -> dict[str, list[float]]:
    names = dict.fromkeys(name for run in runs for name in run["figures"])
    columns = {name: [run["figures"][name] for run in runs if name in run["figures"]] for name in names}
    return {name: values for name, values in columns.items() if all(isinstance(v, int | float) for v in values)}


def spread(values: list[float], form: str = ".4g") -> str:
    """The median in words, with the smallest and largest where there are several: "93.8 (93.5–94.1)"."""
    text = f"{statistics.median(values):{form}}"
    return text if len(values) == 1 else f"{text} ({min(values):{form}}–{max(values):{form}})"


def figures_text(receipt: dict[str, Any], names: list[str] | None = None) -> str:
    """Figures of a receipt in one line, those named or all: "fd 12.3 (11.9–12.8), grey_loss 93.8 (93.5–94.1)"."""
    columns = _columns(receipt["runs"])
    return ", ".join(f"{name} {spread(columns[name])}" for name in names or columns if name in columns)


# --- writing -----------------------------------------------------------------------------------------------


def device_kind(device: str) -> str:
    """ "cpu", "cuda" or "mps", from a device as a receipt words it ("cpu, 2 cores, bf16")."""
    word = re.split(r"[\s,:·]", device.strip().lower(), maxsplit=1)[0]
    return word if word in ("cpu", "mps") else "cuda"


def combine(chapter: str, runs: list[dict[str, Any]], digest: str, date: str) -> dict[str, Any]:
    """One receipt from the run files of several seeds (`runtime.Run` writes them), as DESIGN.md lays it out.

    A claim is met only where it is met in every seed; its value is the worst of them. The data count as a
    stand-in where any seed used one. date: ISO, such as "2026-11-22".
    """
    first = runs[0]
    data: dict[str, str] = {}
    for name, source in sorted(item for run in runs for item in run.get("data", {}).items()):
        data[name] = "stand-in" if "stand-in" in (source, data.get(name)) else source
    keys = ("seed", "minutes", "peak_gb")
    shown = [
        {key: _tidy(run.get(key)) for key in keys} | {"figures": _tidy(dict(sorted(run.get("figures", {}).items())))}
        for run in runs
    ]
    head = {"chapter": chapter} | {key: first.get(key) for key in ("profile", "device", "torch")}
    return head | {"date": date, "digest": digest, "data": data, "runs": shown, "claims": _claims(runs)}


def _claims(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_key: dict[tuple, list[dict[str, Any]]] = {}
    for run in runs:
        for claim in run.get("claims", []):
            by_key.setdefault((claim["text"], claim["figure"], claim.get("bound")), []).append(claim)
    combined = []
    for (text, figure, bound), claims in by_key.items():
        met = [claim["met"] for claim in claims]
        values = [claim["value"] for claim in claims if isinstance(claim.get("value"), int | float)]
        worst = next((v for v in values if math.isnan(v)), None)
        if values and worst is None:
            worst = min(values) if str(bound).lstrip().startswith(">") else max(values)
        # A claim that a seed did not reach counts as not met; one that no seed makes (smoke) stays open.
        verdict = False if False in met or len(met) < len(runs) else (None if None in met else True)
        combined.append({"text": text, "figure": figure, "bound": bound, "value": _tidy(worst), "met": verdict})
    return combined


def _tidy(value: Any) -> Any:
    """Floats to five significant digits, as a receipt should not pretend to more; NaN, which JSON lacks, as a word."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _tidy(entry) for key, entry in value.items()}
    return [_tidy(entry) for entry in value] if isinstance(value, list | tuple) else value


def read(path: Path) -> dict[str, Any]:
    """One JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write(receipt: dict[str, Any], where: Path) -> Path:
    """Writes a receipt as `<chapter>.<profile>-<device kind>.json` into a folder, whole or not at all."""
    path = where / f"{receipt['chapter']}.{receipt['profile']}-{device_kind(receipt['device'])}.json"
    write_text(path, json.dumps(receipt, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def write_study(chapter: str, head: dict[str, Any], result: dict[str, Any], where: Path) -> Path:
    """Writes what a study found, below a head that says where it comes from, as `<chapter>.study.json`.

    result: numbers, text, tensors and arrays, in dicts and lists; floats are kept to five digits. It may say better
    than the head on which device it ran.
    """
    if taken := {"chapter", "date", "minutes", "digest", "data"} & result.keys():
        raise ValueError(f"a study cannot call its results {', '.join(sorted(taken))}: the head says this")
    path = where / f"{chapter}.study.json"
    study = _tidy({"chapter": chapter} | head | result)
    options = {"ensure_ascii": False, "allow_nan": False, "default": lambda value: _tidy(value.tolist())}
    write_text(path, json.dumps(study, indent=1, **options) + "\n")
    return path


def write_text(path: Path, text: str) -> None:
    """Writes a text file under a temporary name and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, path)


# --- digests -----------------------------------------------------------------------------------------------

Names = tuple[str, ...]  # of a module, or of what it defines: ("aigc_course", "metrics", "features")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
QUIET = {"dataclass", "contextmanager", "torch.no_grad", "functools.cache"}  # decorators that register nothing
FROM_TEXT = {"exec", "eval", "globals", "locals", "vars", "__import__", "import_module"}


def digest(notebook: Path, package: Path = PACKAGE) -> str:
    """SHA-256 over a notebook's code cells and the definitions of the package that they reach, directly or not.

    Markdown, outputs and metadata do not count, nor does the address and version that the setup cell installs from
    (a fork changes them), nor do the package's comments, docstrings and layout, nor the exercises, which `check` finds
    by their numbers.
    """
    sources = ["".join(cell["source"]) for cell in read(Path(notebook))["cells"] if cell["cell_type"] == "code"]
    cells = [re.sub(r"(git\+\S*?)@[\w.+-]+", r"\1", source).strip() for source in sources]
    cells = [re.sub(rf"github\.com/{ADDRESS}(\.git)?", "github.com", source) for source in cells]
    reach = _Reach(package)
    reach.notebook(sources)
    return hashlib.sha256(json.dumps([cells, reach.texts()]).encode()).hexdigest()


def study_digest(chapter: str, package: Path | None = None) -> str:
    """SHA-256 over a chapter's study, `aigc_course/studies/chNN.py`, and the definitions of the package it reaches."""
    reach, path = _Reach(package or PACKAGE), ("aigc_course", "studies", f"ch{chapter[:2]}")
    if reach.load(path) != path:
        raise FileNotFoundError(f"there is no study {'/'.join(path)}.py")
    reach.follow(path)
    return hashlib.sha256(json.dumps(reach.texts()).encode()).hexdigest()


class _Reach:
    """The definitions of the package that code reaches, by name from one to the next.

    A definition is a statement at the top of a module: a function, a whole class, an assignment. A statement there
    that may have an effect counts as soon as its module is imported. Where names cannot tell (a module is passed on or
    asked for something that it does not define; `import *`), all definitions of that module count; where code runs
    from text, those of the modules that are at hand there as well.
    """

    def __init__(self, package: Path):
        self.package = package
        self.bound: dict[Names, dict[str, list[ast.stmt | Names]]] = {}  # by module: what a name there may stand for
        self.found: dict[tuple[Names, int, str], Any] = {}
        self.asked: set[tuple[Names, str, Names]] = set()

    def texts(self) -> list[Any]:
        """What was found, in an order that does not depend on the way to it."""
        return [[key[0], key[2], self.found[key]] for key in sorted(self.found) if key[0]]

    def notebook(self, sources: list[str]) -> None:
        """Visits all cells, as one module without a name. What only IPython can read counts as code from text."""
        trees = []
        for source in sources:
            for text in (source, re.sub(r"(?m)^([ \t]*)[%!].*$", r"\1exec", source), "exec"):
                with suppress(SyntaxError):
                    trees.append(ast.parse(text))
                    break
        self.module((), [node for tree in trees for node in tree.body])
        self.all_of(())

    def load(self, path: Names) -> Names:
        """Imports the modules along a path, as Python does, and returns the last of them."""
        last: Names = ()
        for n in range(2, len(path) + 1) if path[:1] == ("aigc_course",) else ():
            file, folder = self.package.joinpath(*path[1:n]).with_suffix(".py"), path[: n - 1]
            if file.with_suffix("").is_dir():
                file, folder = file.with_suffix("") / "__init__.py", path[:n]
            if file.is_file():
                last = path[:n]
                if last not in self.bound:
                    self.module(last, ast.parse(file.read_text(encoding="utf-8")).body, folder)
        return last

    def module(self, module: Names, body: list[ast.stmt], folder: Names = ()) -> None:
        """Takes note of a module's definitions and imports, and visits the statements with an effect."""
        bound = self.bound[module] = {}
        for number, node in enumerate(body, start=1):
            node.number = number
            for child in ast.walk(node):
                for name, path in _imports(child, folder):  # those inside functions too
                    bound.setdefault(name, []).append(path)
                if child is node or not isinstance(node, DEFINITIONS):
                    if isinstance(child, DEFINITIONS):
                        bound.setdefault(child.name, []).append(node)
                    elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                        bound.setdefault(child.id, []).append(node)
            if _has_effect(node):
                bound.setdefault("", []).append(node)
        for name, paths in list(bound.items()):
            for path in (path for path in paths if isinstance(path, tuple)):
                self.follow(path) if name == "*" else self.load(path)
        self.name(module, "")

    def name(self, module: Names, name: str, attributes: Names = ()) -> None:
        """Follows what a name may stand for in a module, and the attributes that are asked of it."""
        if (module, name, attributes) in self.asked:
            return
        self.asked.add((module, name, attributes))
        for meaning in self.bound[module].get(name, ()):
            if isinstance(meaning, tuple):
                self.found[module, 0, f"{name} = {'.'.join(meaning)}"] = None
                self.follow(meaning + attributes)
            else:
                self.visit(module, meaning)

    def visit(self, module: Names, node: ast.stmt) -> None:
        """Counts a statement at the top of a module, and follows the names in it."""
        if (module, node.number, "") in self.found:
            return
        self.found[module, node.number, ""] = _plain(node)
        for name, *attributes in _names(node):
            self.name(module, name, tuple(attributes))
            if name in FROM_TEXT or [name, *attributes] == ["importlib", "import_module"]:
                self.all_of(module, imported=True)

    def follow(self, path: Names) -> None:
        """Follows a path into the package: to the definition that it names, else to all of the module."""
        if module := self.load(path):
            first, *attributes = [*path[len(module) :], ""]
            if first and first in self.bound[module]:
                self.name(module, first, tuple(attributes[:-1]))
            else:
                self.all_of(module)

    def all_of(self, module: Names, imported: bool = False) -> None:
        """Visits all statements of a module, and with `imported` follows all that it imports."""
        for meaning in [meaning for meanings in self.bound[module].values() for meaning in meanings]:
            if not isinstance(meaning, tuple):
                self.visit(module, meaning)
            elif imported:
                self.follow(meaning)


def _imports(node: ast.AST, folder: Names) -> Iterator[tuple[str, Names]]:
    """What an import statement binds, a name and the path that it stands for; for other nodes nothing."""
    if isinstance(node, ast.Import):
        for part in node.names:
            path = tuple(part.name.split("."))
            yield part.asname or path[0], path if part.asname else path[:1]
            yield "import", path  # no name is this; `import aigc_course.vae` binds `aigc_course`, but loads the module
    elif isinstance(node, ast.ImportFrom):
        above = folder[: len(folder) + 1 - node.level] if node.level else ()
        for part in node.names:
            path = (*above, *(node.module or "").split(".")) if node.module else above
            yield part.asname or part.name, path if part.name == "*" else (*path, part.name)


def _names(node: ast.AST) -> Iterator[list[str]]:
    """The names that code reads, with attributes asked of them: metrics.features(x) has [metrics, features], [x]."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield [node.id, *attributes]
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _has_effect(node: ast.stmt) -> bool:
    """Whether a statement at the top of a module may do more than bind names, so that it counts if they are unused."""
    if isinstance(node, DEFINITIONS):
        return any(".".join(next(_names(decorator), ())) not in QUIET for decorator in node.decorator_list)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        stores = (n for n in ast.walk(node) if isinstance(n, ast.Attribute | ast.Subscript))
        return any(isinstance(n.ctx, ast.Store) for n in stores) or any(isinstance(n, ast.Call) for n in ast.walk(node))
    return not (isinstance(node, ast.Import | ast.ImportFrom) or _plain([node]) == [])


def _plain(node: Any) -> Any:
    """A syntax tree as lists, the same in every Python: no positions, no empty fields, no docstrings or comments."""
    if isinstance(node, list):
        return [_plain(n) for n in node if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    if isinstance(node, ast.JoinedStr):  # in 3.12 a format may end with an empty text
        return ["JoinedStr", *(_plain(n) for n in node.values if not (isinstance(n, ast.Constant) and n.value == ""))]
    if isinstance(node, ast.AST):
        fields = sorted(ast.iter_fields(node))
        return [type(node).__name__, *([name, _plain(value)] for name, value in fields if value not in (None, []))]
    return repr(node)


def stale(notebook: Path) -> bool:
    """Whether a notebook's code changed after its outputs were stored, or none were ever stored by `run --save`."""
    return read(Path(notebook))["metadata"].get("aigc", {}).get("digest") != digest(notebook)


def study_stale(study: Path, package: Path | None = None) -> bool:
    """Whether the code of a stored study, `receipts/<chapter>.study.json`, changed after it was run."""
    return read(study)["digest"] != study_digest(study.name, package)


# --- what the README shows ---------------------------------------------------------------------------------


def badges(address: str, name: str) -> str:
    """The Colab and Binder badges of a notebook, as one line of markdown. address: OWNER/REPO; name: "03_vae"."""
    colab = f"https://colab.research.google.com/github/{address}/blob/main/notebooks/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{address}/main?labpath=notebooks/{name}.ipynb"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![Launch in Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def table(notebooks: list[Path], address: str, *, where: Path | None = None) -> str:
    """The README's table of chapters, as markdown, from the notebooks' metadata and their receipts.

    Metadata "aigc" of a notebook: "summary" (what it teaches), "data", and "figures", the names to show (else all).
    """
    lines = [
        "| notebook | what it teaches | data | minutes | peak memory | figures | open |",
        "|---|---|---|---|---|---|---|",
    ]
    for path in notebooks:
        known = read(path)["metadata"].get("aigc", {})
        cells = [f"[{path.stem}](notebooks/{path.name})", known.get("summary", ""), known.get("data", ""), "", "", ""]
        try:
            receipt = load(path.stem, where=where)
        except FileNotFoundError:
            cells[3] = "not yet measured"
        else:
            runs = receipt["runs"]
            standin = [name for name, source in receipt["data"].items() if source == "stand-in"]
            cells[2] = ", ".join(name + " (stand-in)" * (name in standin) for name in receipt["data"]) or "none"
            cells[3] = f"{statistics.median(run['minutes'] for run in runs):.1f} ({receipt['device']})"
            cells[4] = f"{max(run['peak_gb'] or 0 for run in runs):.1f} GB"
            cells[5] = figures_text(receipt, known.get("figures"))
        lines.append(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in [*cells, badges(address, path.stem)]) + " |"
        )
    return "\n".join(lines)


def picture(notebook: Path) -> bytes | None:
    """PNG of the stored figure of the cell that metadata aigc.picture names; None where there is none."""
    content = read(notebook)
    wanted = content["metadata"].get("aigc", {}).get("picture")
    for cell in content["cells"]:
        for output in cell.get("outputs", ()) if cell.get("id") == wanted else ():
            if png := output.get("data", {}).get("image/png"):
                return base64.b64decode("".join(png))
    return None


def bench(where: Path | None = None) -> str:
    """The README's benchmark lines: from each `bench_*.json` its "readme" lines, or else its plain figures."""
    lines = []
    for path in sorted((where or folder()).glob("bench_*.json")):
        content = read(path)
        plain = [f"{name} {value:.4g}" for name, value in content.items() if type(value) in (int, float)]
        lines += [f"- {line}" for line in content.get("readme") or [f"{path.stem}: {', '.join(plain)}"]]
    return "\n".join(lines)
