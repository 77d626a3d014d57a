"""What the README shows of the pages: badges, the table of chapters, benchmark lines, pictures."""

import base64
import statistics
from pathlib import Path

from aigc_course.plumbing import rooms
from aigc_course.receipts import figures_text, load, read


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
    """The README's benchmark lines: from each `benchmarks/*.json` its "readme" lines, or else its plain figures."""
    lines = []
    for path in sorted((where or rooms.place("benchmarks")).glob("*.json")):
        content = read(path)
        plain = [f"{name} {value:.4g}" for name, value in content.items() if type(value) in (int, float)]
        lines += [f"- {line}" for line in content.get("readme") or [f"{path.stem}: {', '.join(plain)}"]]
    return "\n".join(lines)
