"""What commands stored, as files: receipts and studies that are read, checked, and studies made into flat rows."""

import json
import math
import operator
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
NUMBER, LARGEST = int | float, 100_000_000  # bytes of a file
RUN = {"minutes": NUMBER, "peak_gb": NUMBER | None, "figures": {...: NUMBER | str | None}}
CLAIM = {"text": str, "figure": str, "bound": str | None, "value": NUMBER | str | None, "met": bool | None}
STUDY = {"chapter": str, "device": str, "date": str, "digest": str, "data": {...: str}}
RECEIPT = STUDY | {"profile": str, "runs": [RUN], "claims": [CLAIM]}


def read(path: Path) -> Any:
    """One JSON file. Raises ValueError where it is none, or holds what is no number to a computer: NaN, 400 digits."""

    def finite(text: str, kind: type = float) -> float:
        if not math.isfinite(float(text)):
            raise ValueError(text)
        return kind(text)

    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ValueError
        numbers = {"parse_float": finite, "parse_constant": finite, "parse_int": lambda text: finite(text, int)}
        return json.loads(path.read_bytes(), **numbers)
    except (ValueError, RecursionError):
        why = "it is not JSON, or has a number like NaN"
        raise ValueError(f"{path.parent.name}/{path.name} is damaged: {why}; make it anew") from None


def check(found: Any, path: Path) -> Any:
    """What `read` found in a receipt or a study. Raises ValueError where it lacks what others read in it."""
    receipt = path.stem.startswith("receipt.")
    wrong = fault(found, RECEIPT if receipt else STUDY if path.stem == "study" else {})
    try:
        wrong = wrong or (path.stem == "study" and not all(flat(found)) and "rows")
    except (TypeError, ValueError, AttributeError, LookupError):
        wrong = "rows"
    if (receipt or path.stem == "study") and not wrong:
        profile, _, kind = path.stem.partition(".")[2].partition("-")
        place = {"chapter": path.parent.name} | ({"profile": profile} if receipt else {})
        wrong = next((key for key, due in place.items() if found[key] != due), "")
        wrong = wrong or (receipt and (device_kind(found["device"]) != kind and "device"))
    if receipt and not wrong:
        seeds, met = {str(run.get("seed")) for run in found["runs"]}, [c for c in found["claims"] if c["met"]]
        odd = [c["figure"] for c in met if not _held(c)]
        wrong = "the seeds" if len(seeds) < len(found["runs"]) else f"the claim on {odd[0]}" if odd else ""
    if wrong or (receipt and not found["runs"]):
        why = f"{wrong or 'runs'} is not as it should be"
        raise ValueError(f"{path.parent.name}/{path.name} is damaged: {why}; make it anew")
    return found


def device_kind(device: str) -> str:
    """ "cpu", "cuda" or "mps", from a device as a receipt words it ("cpu, 2 cores, bf16")."""
    word = re.split(r"[\s,:·]", device.strip().lower(), maxsplit=1)[0]
    return word if word in ("cpu", "mps") else "cuda"


def holds(value: float, bound: str) -> bool:
    """Whether a value is within a bound such as "<= 95". ValueError for what is no bound."""
    try:
        comparison, limit = bound.split()
        if not math.isfinite(float(limit)):
            raise ValueError
        return COMPARISONS[comparison](value, float(limit))
    except (AttributeError, KeyError, ValueError):
        raise ValueError(f'a bound reads like "<= 95" or ">= 0.97", not {bound!r}') from None


def _held(claim: dict[str, Any]) -> bool:
    try:
        return isinstance(claim["value"], NUMBER) and holds(claim["value"], claim["bound"])
    except ValueError:
        return False


def fault(part: Any, kind: Any, name: str = "a part") -> str:
    """The name of the first part that is not of its kind, or "".

    kind: a type, [the kind of each entry], {name: its kind} or, for any names, {...: their kind}.
    """
    if isinstance(kind, dict) and isinstance(part, dict):
        parts = [(part.get(key, ...), kind[key], key) for key in kind if key is not ...]
        parts += [(value, kind[...], name) for value in part.values() if ... in kind]
    elif isinstance(kind, list) and isinstance(part, list):
        parts = [(entry, kind[0], name) for entry in part]
    else:
        return name if isinstance(kind, list | dict) or not isinstance(part, kind) else ""
    return next(filter(None, (fault(*each) for each in parts)), "")


def flat(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a stored study as flat dicts, in whatever way it keeps them: see `receipts.rows`."""
    if isinstance(study.get("rows"), list):
        return [{**row} for row in study["rows"]]
    found = [{"variant" if key == "name" else key: v for key, v in row.items()} for row in study.get("runs", ())]
    found += [{"variant": name, **row} for name, row in study.get("rows", {}).items()]
    for i, seed in enumerate(study["seeds"] if "vae" in study else ()):
        found.append({"variant": "vae", "seed": seed, **{name: values[i] for name, values in study["vae"].items()}})
    return found
