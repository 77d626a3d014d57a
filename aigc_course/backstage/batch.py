"""`aigc-course run`: pages one after another, each with every seed; what they reached is shown, kept, and stored."""

import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from aigc_course.backstage import digest as digests
from aigc_course.backstage import report, runner, store
from aigc_course.backstage.pages import Problem, code_cells, load
from aigc_course.backstage.readme import claim_text, one_line
from aigc_course.plumbing import rooms

BAR = "{desc} {percentage:3.0f} %|{bar}| {n_fmt}/{total_fmt} cells, {elapsed}"  # cells differ too much to forecast


def run(
    chapters: list[Path],
    results: Path,
    *,
    guests: Collection[Path] = (),
    profile: str | None = None,
    seeds: list[int] | None = None,
    timeout: int = 1200,
    limit_minutes: float | None = None,
    save: bool = False,
) -> int:
    """Executes notebooks, each with every seed, under a progress bar; says what they reached; keeps it under results.

    results/NN_name/ holds executed copies and the receipt, results/report-*.html shows this run. guests: those of the
    chapters that are no pages of the course; they run in their own folder. With `save`, outputs and receipts of pages
    that held are stored in the repository. Returns 0; 1 where something failed or does not hold; 130 after Ctrl-C.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through `finally`, so that the kernel ends too
    started, problems, notes, sound = time.monotonic(), [], [], []
    for path in chapters:
        name = f"{one_line(path.stem)}-{sha256(os.fsencode(path)).hexdigest()[:8]}" if path in guests else path.stem
        try:
            sound.append((path, load(path), store.writable(results / name)))
        except Problem as problem:
            problems.append(str(problem))
    n_cells = sum(len(code_cells(notebook)) for _, notebook, _ in sound) * len(seeds or [0])
    bar = tqdm(total=n_cells, bar_format=BAR, disable=None, file=sys.stdout, leave=False, dynamic_ncols=True)
    rows, claims, shown, interrupted = [], [], [], False
    try:
        for number, (path, notebook, folder) in enumerate(sound):
            stem = one_line(path.stem)  # a guest's may hold codes of a terminal, or half a character
            if limit_minutes is not None and time.monotonic() - started > 60 * limit_minutes:
                left = ", ".join(other.stem for other, *_ in sound[number:])
                notes.append(f"Left out after {limit_minutes:g} minutes: {left}")
                break
            try:
                digest = digests.digest(path)
            except (RecursionError, MemoryError, ValueError):
                problems.append(f"{stem} cannot be run: a cell nests too deep, or has a number of thousands of digits")
                continue
            settings = {"timeout": timeout, "cwd": path.parent if path in guests else None}
            label = f"{number + 1}/{len(sound)} {stem}"
            try:
                outcomes, failed = _seeds(notebook, folder, stem, bar, label, profile, seeds, settings)
            except OSError as error:  # no room for the kernel's own files
                problems.append(f"{stem} cannot be run: {error.strerror or error}")
                continue
            problems, receipt = problems + failed, None
            if not outcomes[-1].error:
                receipt = store.combine(folder.name, [outcome.run for outcome in outcomes], digest, store.today())
                problems += _kept(stem, lambda receipt=receipt: store.write(receipt, results))
                claims += [(stem, claim) for claim in receipt["claims"]]
                broken = [claim for claim in receipt["claims"] if claim["met"] is False]
                problems += [f"{stem}: {claim_text(claim)}" for claim in broken]
                if save:
                    said, refused = _save(path, notebook, outcomes[0], receipt, bool(broken))
                    notes, problems = notes + said, problems + refused
            rows.append(report.row(stem, outcomes, receipt))
            shown.append(outcomes[0] if receipt else outcomes[-1])
    except KeyboardInterrupt:
        interrupted = True
    finally:
        bar.close()
    if rows:
        print(f"\n{report.table(rows)}\n")
        target = results / f"report-{datetime.now():%Y-%m-%d-%H%M%S}-{os.getpid()}.html"
        try:
            notes.append(report.write(shown, rows, claims, target))
        except Exception as error:  # whatever a broken nbconvert raises: it costs the report, not what was reached
            problems.append(f"no HTML report ({type(error).__name__}: {' '.join(str(error).split())[:200]})")
    print("\n".join([*notes, *(f"✗ {problem}" for problem in problems)]))
    if interrupted:
        print("Interrupted; the kernel was ended.")
    return 130 if interrupted else int(bool(problems))


def _seeds(
    notebook: NotebookNode,
    folder: Path,
    name: str,
    bar: tqdm,
    label: str,
    profile: str | None,
    seeds: list[int] | None,
    settings: dict[str, Any],
) -> tuple[list[runner.Outcome], list[str]]:
    """Executes a notebook with each seed until one fails, and keeps the copies. Returns outcomes and problems."""
    outcomes, problems = [], []
    for seed in seeds or [None]:
        said = label if seed is None else f"{label} · seed {seed}"
        if bar.disable:
            print(f"{said} …", flush=True)
        wanted = {"AIGC_PROFILE": profile, "AIGC_SEED": None if seed is None else str(seed)}
        variables = {key: value for key, value in wanted.items() if value}
        outcome = runner.execute(notebook, name, bar, label=said, variables=variables, **settings)
        copy = folder / (name + (f".seed{seed}" if outcomes else "") + ".ipynb")
        text = nbformat.writes(outcome.notebook) + "\n"
        problems += _kept(name, lambda copy=copy, text=text: store.write_text(copy, text))
        outcomes.append(outcome)
        bar.write(f"{said}: {'FAILED' if outcome.error else 'done'} in {outcome.run['minutes']:.1f} min")
        if outcome.error:
            bar.write(f"\n{outcome.error if sys.stdout.isatty() else report.plain(outcome.error)}\n")
            return outcomes, [*problems, f"{name} failed" + (f" with seed {seed}" if seed is not None else "")]
    return outcomes, problems


def _kept(name: str, write: Callable[[], object]) -> list[str]:
    """Writes what was reached. Where that fails, a sentence; the run goes on."""
    try:
        write()
    except OSError as error:
        return [f"{name}: its results cannot be kept ({error.strerror or error}): name another folder with --to"]
    return []


def _save(
    path: Path, ran: NotebookNode, outcome: runner.Outcome, receipt: dict[str, Any], broken: bool
) -> tuple[list[str], list[str]]:
    """Stores outputs and receipt, unless something speaks against it. Returns what was done, and what was refused."""
    reason = ""
    if broken:
        reason = "a claim does not hold"
    elif outcome.run["profile"] == "smoke":
        reason = "it ran in smoke"
    elif "stand-in" in receipt["data"].values():
        reason = "it ran on stand-in data"
    elif machine := _machine_path(outcome.notebook):
        reason = f"an output holds a path of this machine: {machine}"
    else:
        try:
            now = load(path)
            if digests.digest(path) != receipt["digest"] or _sources(now) != _sources(ran):
                reason = "its code changed while it ran"
            else:
                place = store.write(receipt, rooms.place("chapters"))
                notes = store_outputs(path, now, outcome.notebook, receipt)
                return [*notes, f"Saved: {path.name} and {place.name}"], []
        except (Problem, OSError) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
    return [], [f"{path.stem}: not saved, because {reason}"]


def _sources(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in code_cells(notebook)]


def store_outputs(path: Path, notebook: NotebookNode, executed: NotebookNode, receipt: dict[str, Any]) -> list[str]:
    """Stores the outputs and widget state of an execution in the notebook, and where they come from as metadata "aigc".

    What went to stderr is left out; the sentences returned say so.
    """
    notes = []
    for cell, fresh in zip(code_cells(notebook), code_cells(executed), strict=True):
        warnings = [output for output in fresh.outputs if output.get("name") == "stderr"]
        notes += [f"{path.stem}, cell {cell.id}: not stored (stderr): {text.text.strip()[:200]}" for text in warnings]
        cell.outputs = [output for output in fresh.outputs if output not in warnings]
        cell.execution_count = fresh.execution_count
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata |= {key: executed.metadata[key] for key in ["widgets"] if key in executed.metadata}
    made = {key: receipt[key] for key in ("digest", "profile", "device", "date")}
    notebook.metadata.aigc = {**notebook.metadata.get("aigc", {}), **made}
    store.write_text(path, nbformat.writes(notebook) + "\n")
    return notes


def _machine_path(notebook: nbformat.NotebookNode) -> str:
    """A cell and the path of this machine that its text outputs hold, or ""."""
    folders = {Path.home(), Path.cwd(), rooms.PACKAGE.parent, Path(tempfile.gettempdir()), Path(sys.prefix)}
    names = "|".join(re.escape(str(folder)) for folder in folders if len(folder.parts) > 1)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            texts = [output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))]
            text = re.sub(r"base64,[\w/+=\s]+", "", "\n".join(texts))  # the letters of a picture may spell a path
            if output.get("name") != "stderr" and (found := re.search(rf"(?<![\w/.-])({names})(?![\w-])", text)):
                return f"{found[0]} in cell {cell.id}"
    return ""
