"""Receipts: what each page reached, where and when, as `aigc-course run --save` wrote it."""

import json
import statistics
from pathlib import Path
from typing import Any

from aigc_course.plumbing import rooms


def load(chapter: str, profile: str | None = None, *, where: Path | None = None) -> dict[str, Any]:
    """The stored receipt of a chapter, `load("03_vae")`, of a benchmark ("bench_vae") or a study ("05_dcgan.study").

    profile: "lesson" or "full"; None takes "lesson" where there is one. Of several devices the newest counts.
    Raises FileNotFoundError, in one sentence, where there is none.
    """
    found = [read(path) for path in _paths(chapter, profile, where)]
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


def read(path: Path) -> dict[str, Any]:
    """One JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
