"""Receipts: what each page reached, where and when, as `aigc-course run --save` wrote it."""

import json
import statistics
from pathlib import Path
from typing import Any

from aigc_course.plumbing import rooms, tables

NUMBER = int | float
RECEIPT = {"chapter": str, "profile": str, "device": str, "date": str, "digest": str}
RECEIPT |= {"data": dict, "runs": list, "claims": list}
RUN = {"minutes": NUMBER, "peak_gb": NUMBER | None, "figures": dict}
CLAIM = {"text": str, "figure": str, "bound": str | None, "value": NUMBER | str | None, "met": bool | None}
STUDY = {"chapter": str, "device": str, "date": str, "digest": str, "data": dict}


def load(chapter: str, profile: str | None = None, *, where: Path | None = None) -> dict[str, Any]:
    """The stored receipt of a chapter, `load("03_vae")`, of a benchmark ("bench_vae") or a study ("05_dcgan.study").

    profile: "lesson" or "full"; None takes "lesson" where there is one. Of several devices the newest counts.
    Raises FileNotFoundError, in one sentence, where there is none, and ValueError where it is damaged.
    """
    found = [check(read(path), path) for path in _paths(chapter, profile, where)]
    if not found:
        wanted = f"{chapter} in the {profile} profile" if profile else chapter
        how = f"`aigc-course run {chapter} --save` writes one" if chapter[:1].isdigit() else "see benchmarks/"
        raise FileNotFoundError(f"there is no receipt of {wanted}: {how}")
    return max(found, key=lambda receipt: (receipt.get("profile") == "lesson", receipt.get("date", "")))


def _paths(chapter: str, profile: str | None, where: Path | None) -> list[Path]:
    """The files that may hold what `load` is asked for; where: a folder laid out as chapters/, or benchmarks/."""
    if chapter.startswith("bench_"):
        paths = [(where or rooms.place("benchmarks")) / f"{chapter.removeprefix('bench_')}.json"]
    elif chapter.endswith(".study"):
        paths = [(where or rooms.place("chapters")) / chapter.removesuffix(".study") / "study.json"]
    else:
        paths = sorted((where or rooms.place("chapters")).glob(f"{chapter}/receipt.{profile or '*'}-*.json"))
    return [path for path in paths if path.is_file()]


def rows(study: str, *, where: Path | None = None) -> list[dict[str, Any]]:
    """The rows of a stored study, `rows("05_dcgan.study")`, as flat dicts, in whatever way the study keeps them.

    A row has what was varied (variant, or task, start, n), perhaps its group among others of the study, the seed where
    seeds were kept apart, and figures by name. A new study keeps such dicts itself, as a list under "rows".
    """
    return tables.of_study(load(study, where=where))


def figures(chapter: str, profile: str | None = None, *, where: Path | None = None) -> dict[str, float]:
    """The medians over the seeds of a chapter's recorded figures, by name, in the units that the chapter gives."""
    return {name: statistics.median(values) for name, values in columns(load(chapter, profile, where=where)).items()}


def columns(receipt: dict[str, Any]) -> dict[str, list[float]]:
    """The recorded figures of a receipt, by name: a value for each seed."""
    runs = [run["figures"] for run in receipt["runs"]]
    names = dict.fromkeys(name for run in runs for name in run)
    values = {name: [run[name] for run in runs if name in run] for name in names}
    return {name: column for name, column in values.items() if all(isinstance(v, int | float) for v in column)}


def spread(values: list[float], form: str = ".4g") -> str:
    """The median in words, with the smallest and largest where there are several: "93.8 (93.5–94.1)"."""
    text = f"{statistics.median(values):{form}}"
    return text if len(values) == 1 else f"{text} ({min(values):{form}}–{max(values):{form}})"


def figures_text(receipt: dict[str, Any]) -> str:
    """The figures of a receipt in one line: "fd 12.3 (11.9–12.8), grey_loss 93.8 (93.5–94.1)"."""
    return ", ".join(f"{name} {spread(values)}" for name, values in columns(receipt).items())


def read(path: Path) -> Any:
    """One JSON file. Raises ValueError where it is none."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise ValueError(f"{path.parent.name}/{path.name} is damaged: it is not JSON; make it anew") from None


def check(found: Any, path: Path) -> Any:
    """What `read` found in a receipt or a study. Raises ValueError where it lacks what others read in it."""
    receipt = path.stem.startswith("receipt.")
    faults = lacking(found, RECEIPT if receipt else STUDY if path.stem == "study" else {})
    if receipt and not faults:
        parts = [*((run, RUN) for run in found["runs"]), *((claim, CLAIM) for claim in found["claims"])]
        faults = [name for part, kinds in parts for name in lacking(part, kinds)] + ["runs"] * (not found["runs"])
    if faults:
        raise ValueError(f"{path.parent.name}/{path.name} is damaged: {faults[0]} is not as it should be; make it anew")
    return found


def lacking(part: Any, kinds: dict[str, Any]) -> list[str]:
    """The names under which a part of a receipt holds nothing of the right kind."""
    if not isinstance(part, dict):
        return ["a part"]
    return [name for name, kind in kinds.items() if name not in part or not isinstance(part[name], kind)]
