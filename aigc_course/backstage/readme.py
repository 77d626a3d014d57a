"""What the README and chapters/README.md show of the pages: badges, tables, benchmark lines, pictures."""

import base64
import re
import statistics
from contextlib import suppress
from pathlib import Path
from typing import Any

from aigc_course import receipts
from aigc_course.backstage.pages import Problem, load
from aigc_course.plumbing import rooms

COLAB = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
BINDER = "[![Launch in Binder](https://mybinder.org/badge_logo.svg)]"
HEAD = """# What each chapter reached

`aigc-course table` writes this page from the receipts beside it. Figures are medians over the seeds, with the smallest
and largest in brackets; minutes and memory are of the machine that is named.
"""


def words(text: Any) -> str:
    """Text as markdown that shows it as it is, in one line: no tags, no formatting, no cells of a table."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace("$", "&#36;")
    return re.sub(r"[\\`*\[\]|~]|^[#>+-]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)


def one_line(text: Any) -> str:
    """Text in one line of what can be printed: no codes of a terminal, no marks that turn its direction."""
    return "".join(letter for letter in " ".join(str(text).split()) if letter.isprintable())


def claim_text(claim: dict[str, Any]) -> str:
    """One claim of a receipt as a sentence, with the worst value of all seeds."""
    verdict = {True: "holds", False: "does NOT hold", None: "not claimed"}[claim["met"]]
    value = claim["value"] if claim["value"] is not None else "never recorded"
    return one_line(f"{verdict}: {claim['text']} ({claim['figure']} {value}, claimed {claim['bound'] or 'nothing'})")


def spread(values: list[float], form: str = ".4g") -> str:
    """The median in words, with the smallest and largest where there are several: "93.8 (93.5–94.1)"."""
    text = f"{statistics.median(values):{form}}"
    return text if len(values) == 1 else f"{text} ({min(values):{form}}–{max(values):{form}})"


def figures_text(receipt: dict[str, Any]) -> str:
    """The figures of a receipt in one line: "fd 12.3 (11.9–12.8), grey_loss 93.8 (93.5–94.1)"."""
    return ", ".join(f"{one_line(name)} {spread(values)}" for name, values in receipts.columns(receipt).items())


SETUP = """# Colab and Kaggle install the course here, at this page's version. Elsewhere nothing is installed.
from os import environ, system

course = "git+https://github.com/{address}@v{version}"
if {{"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"}} & set(environ):
    system(f"pip show -qq aigc-course || pip install -q {{course}}")

import aigc_course  # missing? pip install what `course` says (Kaggle: Internet on; no tag: @main)

aigc_course.expect(course)
"""


def badges(address: str, name: str) -> str:
    """The Colab and Binder badges of a notebook, as one line of markdown. address: OWNER/REPO; name: "03_vae"."""
    binder = f"https://mybinder.org/v2/gh/{address}/main?labpath=notebooks/{name}.ipynb"
    return f"{_colab(address, name)} {BINDER}({binder})"


def _colab(address: str, name: str) -> str:
    return f"{COLAB}(https://colab.research.google.com/github/{address}/blob/main/notebooks/{name}.ipynb)"


def table(notebooks: list[Path], address: str) -> str:
    """The README's table of chapters: title, question, one figure beside its baseline, minutes, badge.

    Of a page's metadata "aigc", "question" is what it asks, and "headline_text" has words, {} for the figure that
    "headline" names and {other} for others. A row has few words: the rest is in `receipts_page`.
    """
    lines = ["| chapter | question | reached | minutes | open |", "|---|---|---|---|---|"]
    for path in notebooks:
        notebook, reached, minutes = load(path), "not yet measured", ""
        known = notebook.metadata.get("aigc", {})
        if stored(path):
            receipt = receipts.load(path.stem)
            reached = _headline(path, known, receipts.columns(receipt))
            minutes = f"{statistics.median(run['minutes'] for run in receipt['runs']):.1f}"
        short = re.split("[,:]", _title(notebook, path))[0]
        cells = [f"[{words(short)}](notebooks/{path.name})", words(known.get("question", "")), words(reached), minutes]
        lines.append(f"| {' | '.join(cells)} | {_colab(address, path.stem)} |")
    return "\n".join(lines)


def receipts_page(notebooks: list[Path], address: str) -> str:
    """All that the stored receipts hold, as a page of markdown that lies in chapters/."""
    parts = [HEAD]
    for path in notebooks:
        notebook = load(path)
        known = notebook.metadata.get("aigc", {})
        parts += [f"## [{words(_title(notebook, path))}](../notebooks/{path.name})", words(known.get("summary", ""))]
        parts += [badges(address, path.stem), *map(_receipt, stored(path))]
        parts += [] if stored(path) else [f"Not yet measured. Data: {words(known.get('data', 'none'))}."]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def stored(notebook: Path) -> list[dict[str, Any]]:
    """The receipts of a page, of all profiles and devices. Raises ValueError for a damaged one."""
    paths = sorted((rooms.place("chapters") / notebook.stem).glob("receipt.*.json"))
    return [receipts.check(receipts.read(path), path) for path in paths if path.is_file()]


def _receipt(receipt: dict[str, Any]) -> str:
    """One receipt as markdown: facts, figures, claims."""
    runs = receipt["runs"]
    data = ", ".join(name + " (stand-in)" * (source == "stand-in") for name, source in receipt["data"].items())
    facts = [
        f"{receipt['profile']} on {receipt['device']}",
        f"{spread([run['minutes'] for run in runs], '.1f')} minutes",
        f"peak memory {max(run['peak_gb'] or 0 for run in runs):.1f} GB",
        f"data: {data or 'none'}",
        "1 seed" if len(runs) == 1 else f"{len(runs)} seeds",
        receipt["date"],
    ]
    figures = [f"| {words(name)} | {spread(values)} |" for name, values in receipts.columns(receipt).items()]
    head = ["| figure | median (smallest–largest) |", "|---|---|"] if figures else []
    claims = [f"- {words(claim_text(claim))}" for claim in receipt["claims"]]
    return "\n\n".join("\n".join(lines) for lines in ([words(" · ".join(facts))], [*head, *figures], claims) if lines)


def _title(notebook: Any, path: Path) -> str:
    found = re.search(r"(?m)^# +(.+)$", "\n".join(cell.source for cell in notebook.cells[:1]))
    return found[1] if found else path.stem


def _headline(path: Path, known: dict[str, Any], columns: dict[str, list[float]]) -> str:
    """A page's headline with the medians of its figures in it. Raises Problem for a figure that it does not have."""

    def median(name: re.Match) -> str:
        figure = name[1] or str(known.get("headline"))
        if figure not in columns:
            raise Problem(f"{path.name}: its receipt has no figure {figure}, which its headline_text shows")
        return f"{statistics.median(columns[figure]):.4g}"

    return re.sub(r"\{(\w*)\}", median, str(known.get("headline_text", "")))


def picture(notebook: Path) -> bytes | None:
    """PNG of the stored figure of the cell that metadata aigc.picture names; None where there is none."""
    content = load(notebook)
    wanted = content.metadata.get("aigc", {}).get("picture")
    for cell in content.cells:
        for output in cell.get("outputs", ()) if cell.id == wanted else ():
            shown = output.get("data", {})
            found = re.search(r'src="data:image/png;base64,([^"]+)"', "".join(shown.get("text/html", "")))
            if png := shown.get("image/png") or (found and found[1]):
                with suppress(ValueError):
                    return base64.b64decode("".join(png))
                raise Problem(f"{notebook.name}: the picture of its cell {wanted} is no PNG")
    return None


def bench(where: Path | None = None) -> str:
    """The README's benchmark lines: from each `benchmarks/*.json` its "readme" lines, or else its plain figures.

    Raises ValueError for a damaged file.
    """
    lines = []
    for path in sorted((where or rooms.place("benchmarks")).glob("*.json")):
        content = receipts.check(receipts.read(path), path)
        plain = [f"{name} {value:.4g}" for name, value in content.items() if type(value) in (int, float)]
        said = content.get("readme") or [f"{path.stem}: {', '.join(plain)}"]
        if not isinstance(said, list):
            raise ValueError(f"{path.name} is damaged: readme is no list of lines; make it anew")
        texts = [re.sub(r"[][]", r"\\\g<0>", one_line(text)).replace("<", "&lt;") for text in said]
        lines += [f"- {text}" for text in texts]
    return "\n".join(lines)
