"""The house: which room may import which, no circle, no private name across a wall, and how large each room is."""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PACKAGE = REPO / "aigc_course"
FILES = sorted(PACKAGE.rglob("*.py"))
METHODS = ("vae", "gan", "diffusion", "guidance", "cyclegan", "contrast", "gpt", "lora", "heads", "text", "ngram")
METHODS += ("optim", "sentiment", "adcopy", "support", "words")
CORE = ("runtime", "data", "train", "plot", "metrics", "check", "receipts", "widgets", "hub")
FLOORS = {"plumbing": 0, **dict.fromkeys(CORE, 1), **dict.fromkeys(METHODS, 2), "backstage": 3, "": 0}
OUTSIDE = ("recipes", "benchmarks", "makers", "chapters", "tests")
LIMITS = {"core and methods": 4525, "the core": 1755, "a method": 200, "the GPT": 400, "plumbing": 2010}


def module(path):
    """aigc_course.data.images for aigc_course/data/images.py; a folder for its __init__.py."""
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


def room(name):
    return (name.split(".") + [""])[1]


def imports(path):
    """(module of the course or the top folder that is imported, the name taken from it, whether only for types)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    typing = {id(child) for guard in guards for part in guard.body for child in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", id(node) in typing
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (
                    (whole, "", id(node) in typing)
                    if whole in MODULES
                    else (node.module, alias.name, id(node) in typing)
                )


def arrows(types_too=False):
    """{module: the modules of the course that it imports, those inside functions too}."""
    return {
        name: {target for target, _, typing in imports(path) if target in MODULES and (types_too or not typing)}
        for name, path in MODULES.items()
    }


def test_every_module_has_a_room():
    assert {room(name) for name in MODULES} == set(FLOORS), "name the new room in METHODS or CORE"


def test_imports_go_one_way():
    up = [f"{name} imports {target}" for name, targets in arrows(types_too=True).items() for target in targets
          if FLOORS[room(name)] < FLOORS[room(target)]]  # fmt: skip
    assert not up, "page → methods → core → plumbing, and backstage is imported by nothing"


def test_nothing_in_the_package_imports_what_stands_outside():
    found = [f"{name} imports {target}" for name, path in MODULES.items() for target, *_ in imports(path)
             if target.split(".")[0] in OUTSIDE]  # fmt: skip
    assert not found


def test_pages_and_back_rooms_do_not_import_backstage():
    rooms = [path for path in (REPO / "chapters").rglob("*.py") if path.name != "study.py"]
    texts = {path: path.read_text(encoding="utf-8") for path in [*rooms, *(REPO / "notebooks").glob("*.ipynb")]}
    assert not [path.name for path, text in texts.items() if re.search(r"(?:from|import) aigc_course\.backstage", text)]


def test_there_is_no_circle():
    left = arrows()
    while leaves := [name for name, targets in left.items() if not targets & left.keys() - {name}]:
        for name in leaves:
            del left[name]
    assert not left, f"these import each other in a circle: {sorted(left)}"


def aliases(path):
    """{name in the file: module of the course that it stands for}."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (whole := f"{node.module}.{alias.name}") in MODULES:
                    yield alias.asname or alias.name, whole


@pytest.mark.parametrize("folder", ["aigc_course", "chapters", "recipes", "benchmarks", "makers"])
def test_no_private_name_is_used_from_another_module(folder):
    found = []
    for path in sorted((REPO / folder).rglob("*.py")):
        known = dict(aliases(path))
        taken = [(target, name) for target, name, _ in imports(path) if target.startswith("aigc_course")]
        found += [f"{path.name}: {pair}" for pair in taken if re.match("_[^_]", pair[1])]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
                if node.attr.startswith("_") and not node.attr.startswith("__"):
                    found.append(f"{path.name}: {node.value.id}.{node.attr}")
    assert not found


def lines(*rooms):
    return sum(
        len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items() if room(name) in rooms
    )


def test_the_house_is_small(capsys):
    """The totals, printed: what a learner reads, and the plumbing, which is needed and not for reading."""
    sizes = {name: lines(name) for name in METHODS}
    totals = {
        "core and methods": lines("", *CORE, *METHODS),
        "the core": lines(*CORE),
        "plumbing": lines("plumbing"),
        "a method": max(size for name, size in sizes.items() if name != "gpt"),
        "the GPT": sizes["gpt"],
    }
    with capsys.disabled():
        print("\nlines:", ", ".join(f"{name} {n:,}" for name, n in totals.items()), end=" ")
    assert not {name: (n, LIMITS[name]) for name, n in totals.items() if n > LIMITS[name]}


def words(path):
    """How often each word stands in a file; of a notebook in its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    return Counter(re.findall(r"\w+", text))


def test_a_public_function_of_the_package_serves_somebody():
    """A name that only tests use is deleted: what a later page needs is written with that page."""
    outside = [path for folder in OUTSIDE[:-1] for path in (REPO / folder).rglob("*.py") if path.name != "answers.py"]
    counts = {path: words(path) for path in [*FILES, *outside, *(REPO / "notebooks").glob("*.ipynb")]}
    used, unused = sum(counts.values(), Counter()), []
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body if room(name) != "backstage" else ():
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                faces = sum(counts[file][node.name] for file in FILES if file.name == "__init__.py" and file != path)
                if used[node.name] <= 1 + faces:
                    unused.append(f"{name}.{node.name}")
    assert not unused
