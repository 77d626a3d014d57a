"""Digests: what counts as the code of a page's figures, and what does not."""

import ast
import hashlib
import json
import textwrap
from pathlib import Path

import pytest

from aigc_course import receipts
from aigc_course.backstage import digest as digests


def notebook(path: Path, *cells: str, markdown: str = "words", outputs: bool = False, **more: dict) -> Path:
    """more: by a cell's source, other metadata or another id for it."""
    code = [{"cell_type": "code", "id": f"c{i}", "source": source, "metadata": {}, "outputs": ["x"] * outputs}
            | more.get("of", {}).get(source, {}) for i, source in enumerate(cells)]  # fmt: skip
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": [markdown]}, *code], "metadata": {}}))
    return path


PACKAGE = {
    "vae": """
        import torch
        from torch import nn
        from aigc_course.train import LIMIT as limit, helper
        from . import draw
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
        @draw.counted
        def decorated():
            return 1
    """,
    "train": """
        from aigc_course.draw import style
        LIMIT, OTHER = 1, 2
        def helper(x):
            return _deeper(x)
        def _deeper(x):
            return x
        def free(x):
            return style(x)
    """,
    "draw": """
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
        ("vae", "@draw.counted\ndef", "def"),  # a decorator that may register what it decorates
        ("vae", "return 1", "return 2"),  # which then counts as well
        ("train", "LIMIT, OTHER = 1, 2", "LIMIT, OTHER = 2, 2"),
        ("train", "return _deeper(x)", "return -_deeper(x)"),
        ("train", "return x", "return x + 1"),  # through two others
        ("draw", "return f", "return lambda: f"),
        ("draw", 'STYLE["dpi"] = preset()', 'STYLE["size"] = preset()'),  # has an effect when it is imported
        ("draw", "STYLE = {}", "STYLE = {1: 2}"),
        ("draw", "return 100", "return 200"),  # called by it
        ("draw", "MODE = 1", "MODE = 2"),
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
        ("draw", "return STYLE\n", "return 1\n"),
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
    folder = package / "deep"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .common import once\n")
    (folder / "common.py").write_text("from . import more\ndef once():\n    return more.run\ndef free(): return 1\n")
    text = "from .. import train\nfrom . import common, once\ndef run(seeds): return train.helper(once())\n"
    (folder / "more.py").write_text(text + "def unused(): pass\n")
    path = notebook(tmp_path / "a.ipynb", "from aigc_course.deep import more\nmore.run([0])")
    before = digests.digest(path, package)
    edit(package, "deep/common", "return 1", "return 2")
    edit(package, "deep/more", "pass", "return 1")
    assert digests.digest(path, package) == before
    edit(package, "train", "return x", "return x + 1")
    assert digests.digest(path, package) != before


def test_of_a_study_all_counts_and_what_it_reaches(tmp_path, package, monkeypatch):
    study = tmp_path / "study.py"
    study.write_text("from aigc_course import train\ndef run(seeds): return train.helper(1)\ndef unused(): pass\n")

    def digest():
        return digests.study_digest("05_dcgan", package, study)

    before = digest()
    edit(package, "train", "return style(x)", "return 1")
    assert digest() == before
    study.write_text(study.read_text().replace("pass", "return 1"))
    after = digest()
    edit(package, "train", "return x", "return x + 1")
    assert len({before, after, digest()}) == 3
    before = digest()
    study.write_text(study.read_text() + "recipe = rooms.recipe('vae')\n".replace("'", '"'))
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/vae.py").write_text("LR = 1\n")
    monkeypatch.setattr(digests.rooms, "place", lambda name: tmp_path / name)
    with_recipe = digest()
    (tmp_path / "recipes/vae.py").write_text("LR = 2\n")
    assert len({before, with_recipe, digest()}) == 3  # what a recipe says counts as well
    with pytest.raises(FileNotFoundError, match="no study chapters/97_other/study.py"):
        digests.study_digest("97_other")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("plot.show(fig, alt='falls')", "plot.show(fig, alt='rises')"),
        ("print(f'loss {loss:.3f} nats')", "print(f'the loss is {loss:.2f}')"),
        ("ax.set(xlabel='step', title=f'{n} steps')", "ax.set(xlabel='steps', title=f'after {n}')"),
        ("axes[0].set_title('a')", "axes[0].set_title('b')"),
        ("x = 1  # one", "x = (\n    1\n)"),
        ("if x < 0:\n    raise ValueError(f'{x} is bad')", "if x < 0:\n    raise ValueError(f'no {x}, please')"),
    ],
)
def test_words_and_layout_do_not_count(tmp_path, package, one, other):
    digest = digests.digest(notebook(tmp_path / "a.ipynb", FIT, one), package)
    assert digests.digest(notebook(tmp_path / "a.ipynb", FIT, other), package) == digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("plot.show(draw(1), alt='a')", "plot.show(draw(2), alt='a')"),  # what is computed for a figure may use chance
        ("print(f'{loss()}')", "print(f'{gain()}')"),
        ("run.record('fd', 1)", "run.record('kid', 1)"),
        ("x = 'bf16'", "x = 'fp32'"),
        ("fit(mode='a')", "fit(mode='b')"),
        ("raise ValueError('a')", "raise TypeError('a')"),
    ],
)
def test_what_is_computed_counts_also_where_it_is_shown(tmp_path, package, one, other):
    digest = digests.digest(notebook(tmp_path / "a.ipynb", FIT, one), package)
    assert digests.digest(notebook(tmp_path / "a.ipynb", FIT, other), package) != digest


def test_exercises_checks_claims_and_installation_do_not_count(tmp_path, package):
    install, task = "import os\nif COLAB:\n    import torch\n    install('v1')", "answer = None"
    of = {install: {"id": "setup"}, task: {"metadata": {"tags": ["exercise"]}}}
    path, claims = tmp_path / "a.ipynb", "x = 1\nrun.claims('03_vae')"
    more = "run.record('a', 1)\n" + claims
    digest = digests.digest(notebook(path, install, FIT, of=of), package)
    assert digests.digest(notebook(path, install, FIT, task, of=of), package) == digest
    assert digests.digest(notebook(path, install, FIT, claims, of=of | {claims: {"id": "claims"}}), package) == digest
    assert digests.digest(notebook(path, install, FIT, claims, of=of), package) != digest  # in another cell it counts
    assert digests.digest(notebook(path, install, FIT, more, of=of | {more: {"id": "claims"}}), package) != digest
    other = "import os, math\nif COLAB:\n    import torch\n    install('v1')"
    assert digests.digest(notebook(path, other, FIT, of=of | {other: {"id": "setup"}}), package) != digest
    again = install.replace("v1", "v2")
    assert digests.digest(notebook(path, again, FIT, of=of | {again: {"id": "setup"}}), package) == digest


@pytest.mark.parametrize("name", ["plot", "check", "widgets", "receipts", "plumbing"])
def test_what_only_shows_fetches_or_grades_is_silent(tmp_path, package, name):
    (package / f"{name}.py").write_text("def f():\n    return 1\n")
    path = notebook(tmp_path / "a.ipynb", f"from aigc_course import {name}\n{name}.f()")
    digest = digests.digest(path, package)
    edit(package, name, "return 1", "return 2")
    assert digests.digest(path, package) == digest


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
    plain = json.dumps(digests._plain(ast.parse(EVERYTHING)))
    assert hashlib.sha256(plain.encode()).hexdigest()[:16] == "b17c599f2baa98af"


def test_a_notebook_without_stored_outputs_is_stale(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "x = 1")
    assert digests.stale(path)
    content = receipts.read(path)
    content["metadata"]["aigc"] = {"digest": digests.digest(path)}
    path.write_text(json.dumps(content))
    assert not digests.stale(path)
