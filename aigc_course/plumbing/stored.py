"""What commands stored, as files: receipts and studies that are read, checked, and studies made into flat rows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NUMBER = int | float
RECEIPT = {"chapter": str, "profile": str, "device": str, "date": str, "digest": str}
RECEIPT |= {"data": dict, "runs": list, "claims": list}
RUN = {"minutes": NUMBER, "peak_gb": NUMBER | None, "figures": dict}
CLAIM = {"text": str, "figure": str, "bound": str | None, "value": NUMBER | str | None, "met": bool | None}
STUDY = {"chapter": str, "device": str, "date": str, "digest": str, "data": dict}


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


def flat(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a stored study as flat dicts, in whatever way it keeps them: see `receipts.rows`."""
    if isinstance(study.get("rows"), list):
        return [dict(row) for row in study["rows"]]
    found = [{"variant" if key == "name" else key: v for key, v in row.items()} for row in study.get("runs", ())]
    found += [{"variant": name, **row} for name, row in study.get("rows", {}).items()]
    for group, part in study.get("parts", {}).items():
        found += [{"group": group, "variant": name, **row} for name, row in part.items()]
    found += [{"group": "scaling", **row} for row in study.get("scaling", {}).get("runs", ())]
    for i, seed in enumerate(study["seeds"] if "vae" in study else ()):
        found.append({"variant": "vae", "seed": seed, **{name: values[i] for name, values in study["vae"].items()}})
    return found
