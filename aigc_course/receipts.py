"""Receipts: what each chapter reached, where and when; digests that find stale outputs; the README's table."""

import ast
import base64
import hashlib
import json
import math
import os
import re
import statistics
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
# OWNER/REPO, up to a ".git", the end of a sentence or of the address
ADDRESS = r"[\w.-]+/[\w.-]+?(?=(?:\.git)?(?:[^\w.-]|\.\s|\.?$))"


def root() -> Path | None:
    """The checkout that this package lies in, or None when it was installed from a wheel."""
    parent = PACKAGE.parent
    return parent if (parent / "pyproject.toml").is_file() and (parent / "notebooks").is_dir() else None


def folder() -> Path:
    """Where the stored receipts are: `receipts/` of the checkout, or the copy that travels in the wheel."""
    return root() / "receipts" if root() else PACKAGE / "_receipts"


def load(chapter: str, profile: str | None = None, *, where: Path | None = None) -> dict[str, Any]:
    """The stored receipt of a chapter, `load("03_vae")`, of a benchmark ("bench_vae") or a study ("05_dcgan.study").

    profile: "lesson" or "full"; None takes "lesson" where there is one. Of several devices the newest counts.
    Raises FileNotFoundError, in one sentence, where there is none.
    """
    if (path := (where or folder()) / f"{chapter}.json").is_file():
        return read(path)
    found = [read(path) for path in sorted((where or folder()).glob(f"{chapter}.{profile or '*'}-*.json"))]
    if not found:
        wanted = f"{chapter} in the {profile} profile" if profile else chapter
        how = f"`aigc-course run {chapter} --save` writes one" if chapter[:1].isdigit() else "see benchmarks/"
        raise FileNotFoundError(f"there is no receipt of {wanted}: {how}")
    return max(found, key=lambda receipt: (receipt["profile"] == "lesson", receipt["date"]))


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


# --- writing -----------------------------------------------------------------------------------------------


def device_kind(device: str) -> str:
    """ "cpu", "cuda" or "mps", from a device as a receipt words it ("cpu, 2 cores, bf16")."""
    word = re.split(r"[\s,:·]", device.strip().lower(), maxsplit=1)[0]
    return word if word in ("cpu", "mps") else "cuda"


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
        {key: _tidy(run.get(key)) for key in keys} | {"figures": _tidy(dict(sorted(run.get("figures", {}).items())))}
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
        combined.append({"text": text, "figure": figure, "bound": bound, "value": _tidy(worst), "met": verdict})
    return combined


def _tidy(value: Any) -> Any:
    """Floats to five significant digits, as a receipt should not pretend to more; NaN, which JSON lacks, as a word."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _tidy(entry) for key, entry in value.items()}
    return [_tidy(entry) for entry in value] if isinstance(value, list | tuple) else value


def read(path: Path) -> dict[str, Any]:
    """One JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write(receipt: dict[str, Any], where: Path) -> Path:
    """Writes a receipt as `<chapter>.<profile>-<device kind>.json` into a folder, whole or not at all."""
    path = where / f"{receipt['chapter']}.{receipt['profile']}-{device_kind(receipt['device'])}.json"
    write_text(path, json.dumps(receipt, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def write_text(path: Path, text: str) -> None:
    """Writes a text file under a temporary name and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, path)


# --- digests -----------------------------------------------------------------------------------------------


def digest(notebook: Path, package: Path = PACKAGE) -> str:
    """SHA-256 over a notebook's code cells and the package modules that they import, one through another too.

    Markdown, outputs and metadata do not count, nor does the address and version that the setup cell installs from
    (a fork changes them).
    """
    sources = ["".join(cell["source"]) for cell in read(Path(notebook))["cells"] if cell["cell_type"] == "code"]
    seen: set[str] = set()
    waiting = {name for source in sources for name in _imports(source)}
    while waiting:
        name = waiting.pop()
        if name not in seen and (package / f"{name}.py").is_file():
            seen.add(name)
            waiting |= _imports((package / f"{name}.py").read_text(encoding="utf-8"))
    modules = [f"{name}\n" + (package / f"{name}.py").read_text(encoding="utf-8") for name in sorted(seen)]
    cells = [re.sub(r"(git\+\S*?)@[\w.+-]+", r"\1", source).strip() for source in sources]
    cells = [re.sub(rf"github\.com/{ADDRESS}(\.git)?", "github.com", source) for source in cells]
    return hashlib.sha256(json.dumps(cells + modules).encode()).hexdigest()


def _imports(source: str) -> set[str]:
    """Names of modules of this package that a piece of source imports (a name that is no module may be among them)."""
    for text in (source, re.sub(r"(?m)^([ \t]*)[%!].*$", r"\1pass", source)):  # then without IPython's magics
        try:
            nodes = list(ast.walk(ast.parse(text)))
            break
        except SyntaxError:
            nodes = []
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {part.name.split(".")[1] for part in node.names if part.name.startswith("aigc_course.")}
        elif isinstance(node, ast.ImportFrom):
            module = "aigc_course." * node.level + (node.module or "")
            if module.rstrip(".") == "aigc_course":
                names |= {part.name for part in node.names}
            elif module.startswith("aigc_course."):
                names.add(module.split(".")[1])
    return names


def stale(notebook: Path) -> bool:
    """Whether a notebook's code changed after its outputs were stored, or none were ever stored by `run --save`."""
    return read(Path(notebook))["metadata"].get("aigc", {}).get("digest") != digest(notebook)


# --- what the README shows ---------------------------------------------------------------------------------


def badges(address: str, name: str) -> str:
    """The Colab and Binder badges of a notebook, as one line of markdown. address: OWNER/REPO; name: "03_vae"."""
    colab = f"https://colab.research.google.com/github/{address}/blob/main/notebooks/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{address}/main?labpath=notebooks/{name}.ipynb"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![Launch in Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def table(notebooks: list[Path], address: str, *, where: Path | None = None) -> str:
    """The README's table of chapters, as markdown, from the notebooks' metadata and their receipts.

    Metadata "aigc" of a notebook: "summary" (what it teaches), "data", and "figures", the names to show (else all).
    """
    lines = [
        "| notebook | what it teaches | data | minutes | peak memory | figures | open |",
        "|---|---|---|---|---|---|---|",
    ]
    for path in notebooks:
        known = read(path)["metadata"].get("aigc", {})
        cells = [f"[{path.stem}](notebooks/{path.name})", known.get("summary", ""), known.get("data", ""), "", "", ""]
        try:
            receipt = load(path.stem, where=where)
        except FileNotFoundError:
            cells[3] = "not yet measured"
        else:
            runs = receipt["runs"]
            standin = [name for name, source in receipt["data"].items() if source == "stand-in"]
            cells[2] = ", ".join(name + " (stand-in)" * (name in standin) for name in receipt["data"]) or "none"
            cells[3] = f"{statistics.median(run['minutes'] for run in runs):.1f} ({receipt['device']})"
            cells[4] = f"{max(run['peak_gb'] or 0 for run in runs):.1f} GB"
            cells[5] = figures_text(receipt, known.get("figures"))
        lines.append(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in [*cells, badges(address, path.stem)]) + " |"
        )
    return "\n".join(lines)


def picture(notebook: Path) -> bytes | None:
    """PNG of the stored figure of the cell that metadata aigc.picture names; None where there is none."""
    content = read(notebook)
    wanted = content["metadata"].get("aigc", {}).get("picture")
    for cell in content["cells"]:
        for output in cell.get("outputs", ()) if cell.get("id") == wanted else ():
            if png := output.get("data", {}).get("image/png"):
                return base64.b64decode("".join(png))
    return None


def bench(where: Path | None = None) -> str:
    """The README's benchmark lines: from each `bench_*.json` its "readme" lines, or else its plain figures."""
    lines = []
    for path in sorted((where or folder()).glob("bench_*.json")):
        content = read(path)
        plain = [f"{name} {value:.4g}" for name, value in content.items() if type(value) in (int, float)]
        lines += [f"- {line}" for line in content.get("readme") or [f"{path.stem}: {', '.join(plain)}"]]
    return "\n".join(lines)
