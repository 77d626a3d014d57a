"""Receipts: what each page reached, where and when, as `aigc-course run --save` wrote it."""

import statistics
from pathlib import Path
from typing import Any

from aigc_course.plumbing import rooms, stored
from aigc_course.plumbing.stored import check, read


def load(chapter: str, profile: str | None = None, *, where: Path | None = None) -> dict[str, Any]:
    """The stored receipt of a chapter, `load("03_vae")`, of a benchmark ("bench_vae") or a study ("05_dcgan.study").

    profile: "lesson" or "full"; None takes "lesson" where there is one. Of several devices the newest counts.
    Raises FileNotFoundError, in one sentence, where there is none, and ValueError where it is damaged.
    """
    found = [check(read(path), path) for path in _paths(chapter, profile, where)]
    if not found:
        wanted = f"{chapter} in the {profile} profile" if profile else chapter
        command = f"study {chapter.removesuffix('.study')}" if chapter.endswith(".study") else f"run {chapter}"
        how = f"`aigc-course {command} --save` writes one" if chapter[:1].isdigit() else "see benchmarks/"
        raise FileNotFoundError(f"there is no receipt of {wanted}: {how}")
    return max(found, key=lambda receipt: (receipt.get("profile") == "lesson", receipt.get("date", "")))


def _paths(chapter: str, profile: str | None, where: Path | None) -> list[Path]:
    """The files that may hold what `load` is asked for; where: a folder laid out as chapters/, or benchmarks/."""
    if chapter.startswith("bench_"):
        paths = [(where or rooms.place("benchmarks")) / f"{chapter.removeprefix('bench_')}.json"]
    elif chapter.endswith(".study"):
        paths = [(where or rooms.place("chapters")) / chapter.removesuffix(".study") / "study.json"]
    else:
        paths = sorted(((where or rooms.place("chapters")) / chapter).glob(f"receipt.{profile or '*'}-*.json"))
    return [path for path in paths if path.is_file()]


def rows(study: str, *, where: Path | None = None) -> list[dict[str, Any]]:
    """The rows of a stored study, `rows("05_dcgan.study")`, as flat dicts, in whatever way the study keeps them.

    A row has what was varied (variant, or task, start, n), perhaps its group among others of the study, the seed where
    seeds were kept apart, and figures by name. A new study keeps such dicts itself, as a list under "rows".
    """
    return stored.flat(load(study, where=where))


def figures(chapter: str, profile: str | None = None, *, where: Path | None = None) -> dict[str, float]:
    """The medians over the seeds of a chapter's recorded figures, by name, in the units that the chapter gives."""
    return {name: statistics.median(values) for name, values in columns(load(chapter, profile, where=where)).items()}


def columns(receipt: dict[str, Any]) -> dict[str, list[float]]:
    """The recorded figures of a receipt, by name: a value for each seed."""
    runs = [run["figures"] for run in receipt["runs"]]
    names = dict.fromkeys(name for run in runs for name in run)
    values = {name: [run[name] for run in runs if name in run] for name in names}
    return {name: column for name, column in values.items() if all(isinstance(v, int | float) for v in column)}
