"""`aigc-course run NN --same` and `study NN --same`: stamps for code that moved while no figure changed.

The code that the stored outputs were made with is taken from git, and it and the present code run one seed each on this
machine, since figures differ from processor to processor. Only if all figures are equal is the new digest written.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aigc_course.backstage import digest as digests
from aigc_course.backstage import store
from aigc_course.plumbing import machine, rooms
from aigc_course.receipts import check, read

TIMES = ("seconds", "minutes", "ms", "time", "date", "device", "torch")  # of a study: what no two runs have in common
STUDY = """
import importlib.util, inspect, itertools, json, sys, types
path, seed, short, target = sys.argv[1:5]
spec = importlib.util.spec_from_file_location("study", path)
sys.modules["study"] = study = importlib.util.module_from_spec(spec)
spec.loader.exec_module(study)
if sys.argv.pop() == "fp32":  # this processor would imitate bfloat16, a hundred times as slowly
    import contextlib, torch
    torch.autocast = lambda *args, **kwargs: contextlib.nullcontext()
ticks = itertools.count()  # what trains for a time shall train for so many looks at the clock
study.time = types.SimpleNamespace(**dict.fromkeys(("perf_counter", "process_time"), lambda: next(ticks) / 4))
short = json.loads(short, object_hook=lambda pairs: {int(k) if k.isdecimal() else k: v for k, v in pairs.items()})
for name, value in short.items():  # N_STEPS: a constant; fit.n_steps: what a function takes where it is not told
    of, _, argument = name.rpartition(".")
    if of:
        function = getattr(study, of)
        taken = {key: p.default for key, p in inspect.signature(function).parameters.items()} | {argument: value}
        n = len(function.__defaults__ or ())
        function.__defaults__ = tuple(list(taken.values())[function.__code__.co_argcount - n :][:n])
        function.__kwdefaults__ = {key: taken[key] for key in function.__kwdefaults__ or ()}
    elif name.isupper():
        setattr(study, name, type(getattr(study, name))(value))
found = study.run([int(seed)], **{name: value for name, value in short.items() if name.islower() and "." not in name})
with open(target, "w") as file:
    json.dump(found, file, default=lambda value: value.tolist())
"""


class NotSame(Exception):
    """The figures differ, or there is nothing to compare with: one sentence."""


def page(path: Path, profile: str | None = None) -> str:
    """Stamps a page's outputs and receipts with the digest of the present code if all its figures are the same.

    profile: in which both run; None is that of the stored outputs. Returns what was done. Raises NotSame.
    """
    stored, now = read(path)["metadata"].get("aigc", {}), digests.digest(path)
    old = stored.get("digest", "")
    kept = {p: r for p in sorted((rooms.place("chapters") / path.stem).glob("receipt.*.json"))
            if p.is_file() and (r := check(read(p), p))["digest"] == old}  # fmt: skip
    if not kept:
        raise NotSame(f"{path.stem} has no receipt of the code that its outputs are of: run it with --save")
    if now == old and all(receipt["digest"] == now for receipt in kept.values()):
        return f"{path.stem}: its code is that of its outputs; nothing to stamp"
    seed, profile = next(iter(kept.values()))["runs"][0]["seed"], profile or stored.get("profile") or "lesson"
    with _former(old) as (commit, tree):
        before, device = _figures(tree, path.stem, profile, seed)
    after, _ = _figures(rooms.root(), path.stem, profile, seed)
    if digests.digest(path) != now:
        raise NotSame(f"{path.stem}: its code changed while it ran")
    n = _compare(path.stem, before, after, set(stored.get("timed", ())))
    proof = {"date": _today(), "commit": commit, "profile": profile, "seed": seed, "device": device, "figures": n}
    for place, receipt in kept.items():
        store.write_text(place, _json(receipt | {"digest": now, "same": proof}))
    notebook = read(path)  # words may have changed meanwhile
    notebook["metadata"]["aigc"]["digest"] = now
    store.write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return f"{path.stem}: {n} figures are the same in {profile} with seed {seed}; stamped"


def study(chapter: str) -> str:
    """The same for a page's study: old and new code run its SHORT settings with its first seed."""
    place = rooms.place("chapters") / chapter / "study.json"
    stored, now = check(read(place), place), digests.study_digest(chapter)
    if not isinstance(stored.get("seeds"), list) or not stored["seeds"]:
        raise NotSame(f"{chapter}/study.json is damaged: it has no seeds; make it anew")
    if stored["digest"] == now:
        return f"{chapter}: the study's code is that of its rows; nothing to stamp"
    seed, short = stored["seeds"][0], rooms.module(chapter, "study").SHORT
    with _former(stored["digest"]) as (commit, tree):
        before = _rows(tree, chapter, seed, short)
    after = _rows(rooms.root(), chapter, seed, short)
    if digests.study_digest(chapter) != now:
        raise NotSame(f"{chapter}: the study's code changed while it ran")
    n = _compare(chapter, _flat(before), _flat(after), set())
    proof = {"date": _today(), "commit": commit, "seed": seed, "settings": short, "figures": n}
    store.write_text(place, _json(stored | {"digest": now, "same": proof}))
    return f"{chapter}: {n} figures of the study are the same in its short form with seed {seed}; stamped"


@contextmanager
def _former(digest: str) -> Iterator[tuple[str, Path]]:
    """The commit that brought a digest, and a tree of it that is gone afterwards."""
    here = ["git", "-C", str(rooms.root())]
    found = subprocess.run([*here, "log", "--reverse", "--format=%H", f"-S{digest}"], capture_output=True, text=True)
    if not digest or found.returncode or not found.stdout:
        raise NotSame("git has no commit of the code that the stored outputs are of: run with --save")
    commit = found.stdout.split()[0]
    with tempfile.TemporaryDirectory(prefix="aigc-same-") as scratch:
        tree = Path(scratch) / "tree"
        subprocess.run([*here, "worktree", "add", "--detach", str(tree), commit], check=True, capture_output=True)
        try:
            yield commit, tree
        finally:
            subprocess.run([*here, "worktree", "remove", "--force", str(tree)], capture_output=True)


def _python(tree: Path, *words: str) -> None:
    """Runs Python with the package of a tree; NotSame with its last words where it fails."""
    done = subprocess.run([sys.executable, *words], cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)},
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise NotSame(f"the code of one side fails: {' '.join((done.stdout + done.stderr).split()[-60:])}")


def _figures(tree: Path, chapter: str, profile: str, seed: int) -> tuple[dict[str, Any], str]:
    """What a page reaches with the code of a tree, as its receipt has it, and on which device."""
    cli = "backstage.cli" if (tree / "aigc_course/backstage/cli.py").is_file() else "cli"
    _python(tree, "-m", f"aigc_course.{cli}", "run", chapter, "--seeds", str(seed), "--profile", profile)
    newest = max((tree / "build").rglob(f"*.{profile}-*.json"), key=lambda path: path.stat().st_mtime)
    receipt = read(newest)
    if receipt["chapter"] != chapter:
        raise NotSame(f"{chapter}: its run wrote no receipt")
    return receipt["runs"][0]["figures"], receipt["device"]


def _rows(tree: Path, chapter: str, seed: int, short: dict[str, Any]) -> Any:
    """What a study finds with the code of a tree."""
    places = [tree / "chapters" / chapter / "study.py", tree / "aigc_course/studies" / f"ch{chapter[:2]}.py"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise NotSame(f"{chapter}: the code of its study had none")
    precision = "bf16" if machine.fast_bf16() else "fp32"
    with tempfile.TemporaryDirectory(prefix="aigc-same-") as scratch:
        target = Path(scratch) / "rows.json"
        _python(tree, "-c", STUDY, str(path), str(seed), json.dumps(short), str(target), precision)
        return store.tidy(read(target))


def _flat(found: Any, name: str = "") -> dict[str, Any]:
    """Nested results as {"runs.0.fd": 12.3}, without what no two runs have in common."""
    items = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else None
    if items is None:
        return {name: found}
    return {k: v for key, value in items if key not in TIMES for k, v in _flat(value, f"{name}.{key}").items()}


def _compare(name: str, before: dict[str, Any], after: dict[str, Any], timed: set[str]) -> int:
    """How many figures were compared; NotSame where a name or a value differs."""
    names = (before.keys() | after.keys()) - timed
    other = {key: (before.get(key), after.get(key)) for key in sorted(names) if before.get(key) != after.get(key)}
    if other or not names:
        shown = ", ".join(f"{key} {a} → {b}" for key, (a, b) in list(other.items())[:8])
        raise NotSame(f"{name}: {len(other)} of {len(names)} figures are not the same: {shown}")
    return len(names)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
