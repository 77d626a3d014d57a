"""Receipts: combining seeds, digests, reading back."""

import json
import math
import textwrap
from pathlib import Path

import pytest

from aigc_course import receipts
from aigc_course.backstage import digest as digests
from aigc_course.backstage import store


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
    receipt = store.combine("03_vae", [run(0, figures={"b": 1.23456789, "a": 2})], "abc", "2026-11-22")
    assert list(receipt) == ["chapter", "profile", "device", "torch", "date", "digest", "data", "runs", "claims"]
    assert receipt["runs"] == [{"seed": 0, "minutes": 3.1416, "peak_gb": 1.2346, "figures": {"a": 2, "b": 1.2346}}]
    assert list(receipt["runs"][0]["figures"]) == ["a", "b"]
    path = store.write(receipt, tmp_path)
    assert path.name == "03_vae.lesson-cpu.json" and receipts.read(path) == receipt
    text = path.read_bytes()
    assert store.write(receipts.read(path), tmp_path).read_bytes() == text and b"\r" not in text
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
    combined = store.combine("03_vae", runs, "abc", "2026-11-22")["claims"]
    assert combined == [{"text": "t", "figure": "f", "bound": bound, "value": worst, "met": met}]
    json.dumps(combined, allow_nan=False)


def test_a_claim_that_a_seed_never_made_is_not_met():
    assert store.combine("c", [run(0), run(1, claims=[])], "abc", "2026-11-22")["claims"][0]["met"] is False


def test_one_seed_on_stand_in_data_makes_the_receipt_one_of_stand_ins():
    runs = [run(0), run(1, data={"mnist": "stand-in"}), run(2)]
    assert store.combine("c", runs, "abc", "2026-11-22")["data"] == {"mnist": "stand-in"}


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
    assert store.device_kind(device) == kind


def test_load_and_figures(tmp_path):
    for profile, losses in {"lesson": [93.0, 95.0, 94.5], "full": [80.0]}.items():
        runs = [run(i, profile=profile, figures={"loss": loss}) for i, loss in enumerate(losses)]
        store.write(store.combine("03_vae", runs, "abc", "2026-11-22"), tmp_path)
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


PACKAGE = {
    "vae": """
        import torch
        from torch import nn
        from aigc_course.train import LIMIT as limit, helper
        from . import plot
        SIZE = 3
        class Base(nn.Module):
            def width(self):
                return SIZE
        class VAE(Base):
            def loss(self, x):
                return helper(x)
        def fit(x):
            "Words."
            from aigc_course import metrics  # inside a function
            model = VAE()
            return metrics.distance(x) + limit
        def sample(x):
            return torch.randn(x)
        @plot.counted
        def decorated():
            return 1
    """,
    "train": """
        from aigc_course.plot import style
        LIMIT, OTHER = 1, 2
        def helper(x):
            return _deeper(x)
        def _deeper(x):
            return x
        def free(x):
            return style(x)
    """,
    "plot": """
        STYLE = {}
        def counted(f):
            return f
        def style(x):
            return STYLE
        STYLE["dpi"] = preset()
        def preset():
            return 100
        if STYLE:
            MODE = 1
    """,
    "metrics": """
        import math
        def distance(x):
            return math.sqrt(x)
        def other(x):
            return (1,
                    x)
    """,
    "alone": """
        def f():
            return 1
    """,
}


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    for name, source in PACKAGE.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source))
    (folder / "__init__.py").write_text("__version__ = '1'\n")
    return folder


def edit(package, module, old, new):
    text = (package / f"{module}.py").read_text()
    assert text.count(old) == 1
    (package / f"{module}.py").write_text(text.replace(old, new))


FIT = "from aigc_course import vae\nvae.fit(1)"


def test_digest_counts_the_code_cells_and_nothing_else_of_a_notebook(tmp_path, package):
    path = tmp_path / "a.ipynb"
    cells = (FIT, "x = 1")
    digest = digests.digest(notebook(path, *cells), package)
    assert len(digest) == 64 and digests.digest(path, package) == digest
    assert digests.digest(notebook(path, *cells, markdown="other words", outputs=True), package) == digest
    assert digests.digest(notebook(path, cells[0], "x = 2"), package) != digest
    assert digests.digest(notebook(path, *cells[::-1]), package) != digest  # the order counts
    parts = digests.digest(notebook(path, "ab", "c"), package)
    assert digests.digest(notebook(path, "a", "bc"), package) != parts  # cells do not run together


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("vae", "SIZE = 3", "SIZE = 4"),  # a constant, named by the base class of a class that is used
        ("vae", "return SIZE", "return 2 * SIZE"),  # a method of the base class
        ("vae", "return helper(x)", "return -helper(x)"),
        ("vae", "class VAE(Base)", "class VAE(nn.Module)"),
        ("vae", "from torch import nn", "from mine import nn"),
        ("vae", "train import LIMIT as limit", "train import OTHER as limit"),
        ("vae", "distance(x) +", "distance(x) -"),
        ("vae", "@plot.counted\ndef", "def"),  # a decorator that may register what it decorates
        ("vae", "return 1", "return 2"),  # which then counts as well
        ("train", "LIMIT, OTHER = 1, 2", "LIMIT, OTHER = 2, 2"),
        ("train", "return _deeper(x)", "return -_deeper(x)"),
        ("train", "return x", "return x + 1"),  # through two others
        ("plot", "return f", "return lambda: f"),
        ("plot", 'STYLE["dpi"] = preset()', 'STYLE["size"] = preset()'),  # has an effect when it is imported
        ("plot", "STYLE = {}", "STYLE = {1: 2}"),
        ("plot", "return 100", "return 200"),  # called by it
        ("plot", "MODE = 1", "MODE = 2"),
        ("metrics", "import math", "import cmath as math"),
        ("metrics", "return math.sqrt(x)", "return math.exp(x)"),  # of a module imported inside a function
        ("metrics", "import math", "import math\nprint(1)"),
    ],
)
def test_what_is_used_counts(tmp_path, package, module, old, new):
    path = notebook(tmp_path / "a.ipynb", FIT)
    digest = digests.digest(path, package)
    text = (package / f"{module}.py").read_text()
    edit(package, module, old, new)
    assert digests.digest(path, package) != digest
    (package / f"{module}.py").write_text(text)
    assert digests.digest(path, package) == digest


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("vae", "return torch.randn(x)", "return torch.rand(x)"),
        ("vae", "SIZE = 3", "MORE = 1\nSIZE = 3\n\n\ndef unrelated():\n    return SIZE\n"),
        ("vae", '"Words."', '"""Other words,\n    in two lines."""'),
        ("vae", "  # inside a function", ""),
        ("vae", "x) + limit", "x) + (\n        limit  # a number\n    )"),
        ("train", "return style(x)", "return 1"),
        ("train", "def free(x)", "def renamed(x)"),
        ("plot", "return STYLE\n", "return 1\n"),
        ("metrics", "return (1,\n            x)", "return 2"),
        ("metrics", "import math", "import math, cmath"),
        ("alone", "return 1", "return 2"),
        ("__init__", "'1'", "'2'"),
    ],
)
def test_what_is_not_used_does_not_count(tmp_path, package, module, old, new):
    path = notebook(tmp_path / "a.ipynb", FIT)
    digest = digests.digest(path, package)
    edit(package, module, old, new)
    assert digests.digest(path, package) == digest


@pytest.mark.parametrize(
    "source",
    [
        "from aigc_course import metrics\nmetrics.distance(1)",
        "import numpy as np\nfrom aigc_course import (\n    data,\n    metrics as m,\n)\nnp.abs(m.distance(1))",
        "from aigc_course.metrics import distance as d\nd(1)",
        "import aigc_course.metrics\naigc_course.metrics.distance(1)",
        "import aigc_course.metrics as m\nprint(m.distance)",
        "def f():\n    from aigc_course import metrics\n    return metrics.distance",
        "if COLAB:\n    from aigc_course import metrics\nelse:\n    metrics = None\nx = [metrics.distance]",
        "from aigc_course import vae\nvae.fit(0)",
        "from aigc_course import vae\nf = vae.metrics.distance",
    ],
)
def test_names_tell_what_is_used(tmp_path, package, source):
    path = notebook(tmp_path / "a.ipynb", source, "x = 1")
    digest = digests.digest(path, package)
    edit(package, "metrics", "(1,\n            x)", "2")
    assert digests.digest(path, package) == digest
    edit(package, "metrics", "math.sqrt", "math.exp")
    assert digests.digest(path, package) != digest


@pytest.mark.parametrize(
    "cells",
    [
        ["from aigc_course import metrics", "show(metrics)"],
        ["from aigc_course import metrics as m", "getattr(m, name)(1)"],
        ["from aigc_course.metrics import *", "other(1)"],
        ["from aigc_course import metrics", "metrics.__dict__[name](1)"],
        ["from aigc_course import metrics", "exec(text)"],
        ["from importlib import import_module\nfrom aigc_course import metrics", "x = import_module(name)"],
        ["import aigc_course.metrics as m", "x = m"],
        ["if COLAB:\n    %pip install -q aigc-course\nfrom aigc_course import metrics"],
        ["!ls\nfrom aigc_course import metrics"],
        ["from aigc_course import metrics", "%timeit metrics.other(1)"],
        ["from aigc_course import metrics", "%%capture\nmetrics.other(1)"],
        ["from aigc_course import metrics", "%%bash\nls | wc"],
    ],
)
def test_where_names_cannot_tell_the_whole_module_counts(tmp_path, package, cells):
    path = notebook(tmp_path / "a.ipynb", *cells)
    digest = digests.digest(path, package)
    edit(package, "metrics", "(1,\n            x)", "2")
    assert digests.digest(path, package) != digest


def test_modules_that_import_each_other_and_folders_of_modules(tmp_path, package):
    folder = package / "studies"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .common import once\n")
    (folder / "common.py").write_text("from . import ch05\ndef once():\n    return ch05.run\ndef free(): return 1\n")
    text = "from .. import train\nfrom . import common, once\ndef run(seeds): return train.helper(once())\n"
    (folder / "ch05.py").write_text(text + "def unused(): pass\n")
    path = notebook(tmp_path / "a.ipynb", "from aigc_course.studies import ch05\nch05.run([0])")

    def digests():
        return digests.digest(path, package), digests.study_digest("05_dcgan", package)

    before = digests()
    edit(package, "studies/common", "return 1", "return 2")
    assert digests() == before
    edit(package, "studies/ch05", "pass", "return 1")
    after = digests()
    assert after[0] == before[0] and after[1] != before[1]  # of the study itself all counts
    edit(package, "train", "return x", "return x + 1")
    assert not set(digests()) & {*before, *after}


EVERYTHING = """
def f(a, /, b: "int" = -1, *c, d=None, e: list[int] = [1.5, 2j], **g) -> None:
    '''Words.'''
    x = f"{a!r:>{b}} {b=} {{}}" "and" rf'\\d{c[0]:.2f}'  # words
    return x, b"bytes", u"u", 0x10, 1_000, ..., True, lambda *, k=1: {**g, "k": k}
class C(Base, metaclass=M):
    y: int
    async def z(self):
        async with a as (b, c):
            return [i async for i in b if (j := i)]
match f:
    case C(y=1, z=[_, *rest]) | {"k": None} if rest: pass
    case other: pass
try: pass
except* ValueError as error: raise error from None
"""


def test_a_digest_is_the_same_in_every_python():
    """CI runs this with each version that the course supports; what they parse differently is in the text."""
    plain = json.dumps(digests._plain(digests.ast.parse(EVERYTHING)))
    assert receipts.hashlib.sha256(plain.encode()).hexdigest()[:16] == "b17c599f2baa98af"


def test_a_fork_has_the_same_digest(tmp_path, package):
    def digest(address):
        return digests.digest(
            notebook(tmp_path / "a.ipynb", f'%pip install "x @ git+https://github.com/{address}"'), package
        )

    assert digest("a/b@v0.1.0") == digest("teacher/her.course@v0.2.0") == digest("t/c.git@main")
    assert digest("a/b@v0.1.0") != digests.digest(notebook(tmp_path / "a.ipynb", "%pip install other"), package)


def test_a_notebook_without_stored_outputs_is_stale(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "x = 1")
    assert digests.stale(path)
    content = receipts.read(path)
    content["metadata"]["aigc"] = {"digest": digests.digest(path)}
    path.write_text(json.dumps(content))
    assert not digests.stale(path)


def test_the_wheel_and_the_checkout_each_have_their_receipts(tmp_path, monkeypatch):
    assert receipts.folder() == receipts.PACKAGE.parent / "receipts"
    monkeypatch.setattr(receipts, "PACKAGE", tmp_path / "site-packages/aigc_course")
    assert receipts.root() is None and receipts.folder() == tmp_path / "site-packages/aigc_course/_receipts"
