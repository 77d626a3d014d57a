"""Digests of the code that a page's stored outputs, or a study, were made with: they find what is stale."""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from aigc_course.plumbing import rooms
from aigc_course.plumbing.rooms import PACKAGE
from aigc_course.receipts import read

# OWNER/REPO, up to a ".git", the end of a sentence or of the address
ADDRESS = r"[\w.-]+/[\w.-]+?(?=(?:\.git)?(?:[^\w.-]|\.\s|\.?$))"
Names = tuple[str, ...]  # of a module, or of what it defines: ("aigc_course", "metrics", "features")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
QUIET = {"dataclass", "contextmanager", "torch.no_grad", "functools.cache"}  # decorators that register nothing
FROM_TEXT = {"exec", "eval", "globals", "locals", "vars", "__import__", "import_module"}
SILENT = tuple(  # what cannot change a figure, by dotted name: what is under it does not count
    f"aigc_course.{name}"
    for name in (
        *("backstage", "check", "plot", "plumbing", "receipts", "widgets", "train._Progress", "train.Resume"),
        *("runtime.ClaimFailed", "runtime.Run.claim", "runtime.Run.claims", "runtime.Run.record", "runtime.Run._write"),
        "runtime.Run._judge",
    )
)
SHOWN = {
    "plot",
    "widgets",
    "explorer",
    "print",
    "check",
    "display",
    "plt",
    "fig",
    "ax",
    "axes",
}  # their words are words


def digest(notebook: Path, package: Path = PACKAGE) -> str:
    """SHA-256 over the code of a page that can change a figure, and the definitions of the package that it reaches.

    Of the page its code cells count, without layout and comments, without the words in calls of `SHOWN`, and without
    exercises and checks; of the cell `setup` its imports, of the cell `claims` what it records. Of the package all
    counts that is reached by name, directly or not, but for docstrings, layout and what is `SILENT`.
    """
    trees = [tree for cell in read(Path(notebook))["cells"] if (tree := _counted(cell)) and tree.body]
    reach = _Reach(package)
    reach.module((), [node for tree in trees for node in tree.body])
    reach.all_of(())
    return hashlib.sha256(json.dumps([[_plain(tree.body) for tree in trees], reach.texts()]).encode()).hexdigest()


def study_digest(chapter: str, package: Path = PACKAGE, study: Path | None = None) -> str:
    """SHA-256 over a page's study, `chapters/NN_name/study.py`, its recipes, and what both reach of the package."""
    path = study or rooms.place("chapters") / chapter / "study.py"
    if not path.is_file():
        raise FileNotFoundError(f"there is no study chapters/{chapter}/study.py")
    text, reach = path.read_text(encoding="utf-8"), _Reach(package)
    files = {name: rooms.place("recipes") / f"{name}.py" for name in re.findall(r'rooms\.recipe\("(\w+)"\)', text)}
    for name, file in {"study": path, **files}.items():
        reach.module((name,), ast.parse(file.read_text(encoding="utf-8")).body)
        reach.all_of((name,))
    return hashlib.sha256(json.dumps(reach.texts()).encode()).hexdigest()


def _counted(cell: dict[str, Any]) -> ast.Module | None:
    """What counts of a cell; None for words, exercises and checks. What only IPython reads is code from text."""
    tags = set(cell.get("metadata", {}).get("tags", ()))
    if cell["cell_type"] != "code" or tags & {"exercise", "check"}:
        return None
    source = "".join(cell["source"])
    as_text = re.sub(r"(?m)^([ \t]*)([%!].*)$", lambda line: f"{line[1]}exec({line[2]!r})", source)
    for text in (source, as_text, f"exec({source!r})"):
        with suppress(SyntaxError):
            tree = ast.parse(text)
            break
    if cell.get("id") == "setup":
        tree.body = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    if cell.get("id") == "claims":
        tree.body = [node for node in tree.body if "'record'" in ast.dump(node)]
    return _Wordless().visit(tree)


class _Wordless(ast.NodeTransformer):
    """Takes out words: the texts among the arguments of plot.show(…), print(…) and so on, and those of errors."""

    def __init__(self) -> None:
        self.inside = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        root: ast.AST = node.func
        while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
            root = root.func if isinstance(root, ast.Call) else root.value
        shown = isinstance(root, ast.Name) and root.id in SHOWN
        self.inside += shown
        self.generic_visit(node)
        self.inside -= shown
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.inside += 1
        self.generic_visit(node)
        self.inside -= 1
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if self.inside and isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        if not self.inside:
            return node
        values = [ast.FormattedValue(self.visit(v.value), -1) for v in node.values if isinstance(v, ast.FormattedValue)]
        return ast.JoinedStr(values)


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

    def load(self, path: Names) -> Names:
        """Imports the modules along a path, as Python does, and returns the last of them."""
        last: Names = ()
        if _silent(path):
            return last
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
                if not _silent(meaning):
                    self.found[module, 0, f"{name} = {'.'.join(meaning)}"] = None
                    self.follow(meaning + attributes)
            else:
                self.visit(module, meaning)

    def visit(self, module: Names, node: ast.stmt) -> None:
        """Counts a statement at the top of a module, and follows the names in it."""
        if (module, node.number, "") in self.found or _silent((*module, getattr(node, "name", ""))):
            return
        if isinstance(node, ast.ClassDef):
            node.body = [part for part in node.body if not _silent((*module, node.name, getattr(part, "name", "")))]
        self.found[module, node.number, ""] = _plain(_Wordless().visit(node))
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


def _silent(path: Names) -> bool:
    return ".".join(path).startswith(tuple(f"{name}." for name in SILENT)) or ".".join(path) in SILENT


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


def study_stale(chapter: str) -> bool:
    """Whether the code of a stored study, `chapters/<chapter>/study.json`, changed after it was run."""
    return read(rooms.place("chapters") / chapter / "study.json")["digest"] != study_digest(chapter)
