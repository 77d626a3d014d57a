"""Receipts: combining seeds, digests, reading back."""

import json
import math
from pathlib import Path

import pytest

from aigc_course import receipts


def run(seed=0, **more):
    claim = {"text": "sharp", "figure": "loss", "bound": "<= 95", "value": 94.0, "met": True}
    base = {
        "seed": seed,
        "profile": "lesson",
        "device": "cpu, 2 cores, bf16",
        "torch": "2.13.0+cpu",
        "minutes": 3.14159,
    }
    base |= {"peak_gb": 1.2345678, "data": {"mnist": "upstream"}, "figures": {"loss": 93.4}, "claims": [claim]}
    return base | more


def claim(bound, value, met):
    return {"text": "t", "figure": "f", "bound": bound, "value": value, "met": met}


def test_a_receipt_reads_as_the_design_shows_and_is_stable(tmp_path):
    receipt = receipts.combine("03_vae", [run(0, figures={"b": 1.23456789, "a": 2})], "abc", "2026-11-22")
    assert list(receipt) == ["chapter", "profile", "device", "torch", "date", "digest", "data", "runs", "claims"]
    assert receipt["runs"] == [{"seed": 0, "minutes": 3.1416, "peak_gb": 1.2346, "figures": {"a": 2, "b": 1.2346}}]
    assert list(receipt["runs"][0]["figures"]) == ["a", "b"]
    path = receipts.write(receipt, tmp_path)
    assert path.name == "03_vae.lesson-cpu.json" and receipts.read(path) == receipt
    text = path.read_bytes()
    assert receipts.write(receipts.read(path), tmp_path).read_bytes() == text and b"\r" not in text
    assert [other.name for other in tmp_path.iterdir()] == [path.name]  # no temporary file is left


@pytest.mark.parametrize(
    ("bound", "values", "verdicts", "worst", "met"),
    [
        ("<= 95", [90.0, 94.0, 92.0], [True, True, True], 94.0, True),
        ("<= 95", [90.0, 96.0], [True, False], 96.0, False),
        (">= 0.97", [0.99, 0.98], [True, True], 0.98, True),
        ("> 0.97", [0.99, 0.5], [True, False], 0.5, False),
        (None, [1.0, 2.0], [None, None], 2.0, None),
        ("<= 95", [90.0, None], [True, False], 90.0, False),  # a figure that one seed never recorded
        ("<= 95", [math.nan, 90.0], [False, True], "nan", False),
    ],
)
def test_a_claim_is_met_only_where_every_seed_meets_it(bound, values, verdicts, worst, met):
    runs = [run(i, claims=[claim(bound, v, m)]) for i, (v, m) in enumerate(zip(values, verdicts, strict=True))]
    combined = receipts.combine("03_vae", runs, "abc", "2026-11-22")["claims"]
    assert combined == [{"text": "t", "figure": "f", "bound": bound, "value": worst, "met": met}]
    json.dumps(combined, allow_nan=False)


def test_a_claim_that_a_seed_never_made_is_not_met():
    assert receipts.combine("c", [run(0), run(1, claims=[])], "abc", "2026-11-22")["claims"][0]["met"] is False


def test_one_seed_on_stand_in_data_makes_the_receipt_one_of_stand_ins():
    runs = [run(0), run(1, data={"mnist": "stand-in"}), run(2)]
    assert receipts.combine("c", runs, "abc", "2026-11-22")["data"] == {"mnist": "stand-in"}


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ("cpu, 2 cores, bf16", "cpu"),
        ("cuda, Tesla T4, 16 GB, fp32", "cuda"),
        ("mps, 8 cores, fp32", "mps"),
        ("cpu", "cpu"),
    ],
)
def test_device_kinds(device, kind):
    assert receipts.device_kind(device) == kind


def test_load_and_figures(tmp_path):
    for profile, losses in {"lesson": [93.0, 95.0, 94.5], "full": [80.0]}.items():
        runs = [run(i, profile=profile, figures={"loss": loss}) for i, loss in enumerate(losses)]
        receipts.write(receipts.combine("03_vae", runs, "abc", "2026-11-22"), tmp_path)
    assert receipts.load("03_vae", where=tmp_path)["profile"] == "lesson"
    assert receipts.figures("03_vae", where=tmp_path) == {"loss": 94.5}
    assert receipts.figures("03_vae", "full", where=tmp_path) == {"loss": 80.0}
    assert receipts.figures_text(receipts.load("03_vae", where=tmp_path)) == "loss 94.5 (93–95)"
    (tmp_path / "bench_vae.json").write_text('{"time_ratio": 0.08}')
    assert receipts.load("bench_vae", where=tmp_path) == {"time_ratio": 0.08}
    with pytest.raises(FileNotFoundError, match="no receipt of bench_gan: see benchmarks/"):
        receipts.load("bench_gan", where=tmp_path)
    with pytest.raises(FileNotFoundError, match="no receipt of 04_gan: `aigc-course run 04_gan --save`"):
        receipts.load("04_gan", where=tmp_path)


def notebook(path: Path, *cells: str, markdown: str = "words", outputs: bool = False) -> Path:
    code = [{"cell_type": "code", "id": f"c{i}", "source": source, "metadata": {}, "outputs": ["x"] * outputs}
            for i, source in enumerate(cells)]  # fmt: skip
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": [markdown]}, *code], "metadata": {}}))
    return path


@pytest.fixture
def package(tmp_path):
    """A package of four modules: vae imports train (inside a function), train imports plot; metrics is alone."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "vae.py").write_text("def f():\n    from . import train\n")
    (folder / "train.py").write_text("from aigc_course.plot import style\n")
    (folder / "plot.py").write_text("style = 1\n")
    (folder / "metrics.py").write_text("import aigc_course.plot as p\n")
    return folder


def test_digest_counts_code_cells_and_imported_modules_and_nothing_else(tmp_path, package):
    path = tmp_path / "a.ipynb"
    cells = ("%pip install x\nfrom aigc_course import vae", "x = 1")
    digest = receipts.digest(notebook(path, *cells), package)
    assert len(digest) == 64
    assert receipts.digest(notebook(path, *cells, markdown="other words", outputs=True), package) == digest
    assert receipts.digest(notebook(path, cells[0], "x = 2"), package) != digest
    assert receipts.digest(notebook(path, *cells[::-1]), package) != digest  # the order counts
    parts = receipts.digest(notebook(path, "ab", "c"), package)
    assert receipts.digest(notebook(path, "a", "bc"), package) != parts  # cells do not run together
    notebook(path, *cells)
    (package / "metrics.py").write_text("changed = 1\n")  # not imported
    (package / "__init__.py").write_text("__version__ = '2'\n")
    assert receipts.digest(path, package) == digest
    (package / "plot.py").write_text("style = 2\n")  # imported through two others
    assert receipts.digest(path, package) != digest


@pytest.mark.parametrize(
    "source",
    [
        "from aigc_course import vae",
        "import numpy as np\nfrom aigc_course import (\n    data,\n    vae as v,\n)",
        "from aigc_course.vae import f",
        "import aigc_course.vae",
        "if COLAB:\n    %pip install -q aigc-course\nfrom aigc_course import vae",
        "!ls\nfrom aigc_course import vae",
    ],
)
def test_every_way_to_import_a_module_counts(tmp_path, package, source):
    path = notebook(tmp_path / "a.ipynb", source)
    digest = receipts.digest(path, package)
    (package / "vae.py").write_text("changed = 1\n")
    assert receipts.digest(path, package) != digest


def test_a_fork_has_the_same_digest(tmp_path, package):
    def digest(address):
        return receipts.digest(
            notebook(tmp_path / "a.ipynb", f'%pip install "x @ git+https://github.com/{address}"'), package
        )

    assert digest("a/b@v0.1.0") == digest("teacher/her.course@v0.2.0") == digest("t/c.git@main")
    assert digest("a/b@v0.1.0") != receipts.digest(notebook(tmp_path / "a.ipynb", "%pip install other"), package)


def test_a_notebook_without_stored_outputs_is_stale(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "x = 1")
    assert receipts.stale(path)
    content = receipts.read(path)
    content["metadata"]["aigc"] = {"digest": receipts.digest(path)}
    path.write_text(json.dumps(content))
    assert not receipts.stale(path)


def test_the_wheel_and_the_checkout_each_have_their_receipts(tmp_path, monkeypatch):
    assert receipts.folder() == receipts.PACKAGE.parent / "receipts"
    monkeypatch.setattr(receipts, "PACKAGE", tmp_path / "site-packages/aigc_course")
    assert receipts.root() is None and receipts.folder() == tmp_path / "site-packages/aigc_course/_receipts"
