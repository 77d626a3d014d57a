"""Receipts as a run writes them: combined over seeds, tidied, whole or not at all."""

import json
import math
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aigc_course.backstage.pages import Problem
from aigc_course.plumbing import rooms, settings
from aigc_course.plumbing.stored import device_kind


def results(to: str | None) -> Path:
    """The folder for what runs and studies reach: the one that is named, else build/ of the checkout, else ./build."""
    return writable(Path(os.path.expanduser(to)).resolve() if to else (rooms.root() or Path.cwd()) / "build")


def writable(folder: Path) -> Path:
    """Makes a folder of results. Raises Problem where that or writing in it fails, and where a link stands there."""
    mend = "name another folder with --to DIR"
    if folder.is_symlink():
        raise Problem(f"{folder} is a link, which no results are written through: remove it, or {mend}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise Problem(f"{folder} cannot be written ({error.strerror or error}): {mend}") from error


def today() -> str:
    """The date, UTC, as receipts hold it."""
    return datetime.now(UTC).date().isoformat()


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
        {key: tidy(run.get(key)) for key in keys} | {"figures": tidy(dict(sorted(run.get("figures", {}).items())))}
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
        combined.append({"text": text, "figure": figure, "bound": bound, "value": tidy(worst), "met": verdict})
    return combined


def tidy(value: Any) -> Any:
    """Floats to five significant digits, as a receipt should not pretend to more; NaN, which JSON lacks, as a word."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: tidy(entry) for key, entry in value.items()}
    return [tidy(entry) for entry in value] if isinstance(value, list | tuple) else value


def write(receipt: dict[str, Any], where: Path) -> Path:
    """Writes a receipt as `<chapter>/receipt.<profile>-<device kind>.json` into a folder, whole or not at all."""
    path = where / receipt["chapter"] / f"receipt.{receipt['profile']}-{device_kind(receipt['device'])}.json"
    settings.own_folder(path.parent)
    write_text(path, json.dumps(receipt, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def write_study(chapter: str, head: dict[str, Any], result: dict[str, Any], where: Path) -> Path:
    """Writes what a study found, below a head that says where it comes from, as `<chapter>/study.json`.

    result: numbers, text, tensors and arrays, in dicts and lists; floats are kept to five digits. It may say better
    than the head on which device it ran.
    """
    if not isinstance(result, dict):
        raise ValueError(f"a study gives a dict, not {type(result).__name__}")
    if taken := {"chapter", "date", "minutes", "digest", "data"} & result.keys():
        raise ValueError(f"a study cannot call its results {', '.join(sorted(taken))}: the head says this")
    path = settings.own_folder(where / chapter) / "study.json"
    study = tidy({"chapter": chapter} | head | result)
    options = {"ensure_ascii": False, "allow_nan": False, "default": lambda value: tidy(value.tolist())}
    write_text(path, json.dumps(study, indent=1, **options) + "\n")
    return path


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all. OSError leaves nothing."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, as `write_text` does. A link at its place is replaced, not followed."""
    settings.write_atomically(path, lambda part: part.write_bytes(content))
