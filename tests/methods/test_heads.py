"""What 13 and 13b do in view, pinned: classes are not spliced, halves fit, McNemar's p, and what a lookalike held."""

import ast
import math
import os
import random
import re
from pathlib import Path

import pytest
import torch
from scipy.stats import binomtest

from aigc_course import data, receipts
from aigc_course.plumbing import fetch

REPO = Path(__file__).resolve().parents[2]


def functions(page, *cells, **known):
    """What the cells of a page define, functions and classes, run with what is known."""
    found = {"torch": torch, "math": math, "re": re} | known
    for cell in receipts.read(REPO / f"notebooks/{page}.ipynb")["cells"]:
        for node in ast.parse("".join(cell["source"])).body if cell["id"] in cells else ():
            if isinstance(node, ast.FunctionDef):
                exec(ast.unparse(node), found)
    return found


@pytest.fixture(scope="module")
def heads_page():
    return functions("13b_heads", "splice", "optimizers", "mcnemar")


def test_a_partner_is_of_the_same_class_and_not_always_oneself(heads_page):
    torch.manual_seed(0)
    y = torch.randint(7, (300,))
    partner = heads_page["partners"](y)
    assert torch.equal(y[partner], y) and partner.sort().values.tolist() == list(range(300))
    assert (partner != torch.arange(300)).sum() > 200


def test_a_spliced_text_is_half_of_one_and_half_of_the_other(heads_page):
    a, b = (
        torch.tensor([[1, 2, 3, 4, 0, 0], [1, 2, 3, 0, 0, 0]]),
        torch.tensor([[5, 6, 7, 8, 9, 0], [5, 0, 0, 0, 0, 0]]),
    )
    new, there = heads_page["splice"](a, a > 0, b, b > 0)
    assert [row[real].tolist() for row, real in zip(new, there, strict=True)] == [[1, 2, 7, 8, 9], [1, 2, 5]]


def test_noise_hides_tokens_and_splices_no_other_classes(heads_page):
    """Two classes with tokens of their own: whatever is disturbed, no text holds tokens of both."""
    torch.manual_seed(0)
    y = torch.arange(400) % 2
    ids = 10 + 10 * y[:, None] + torch.randint(10, (400, 8))
    real, partner = torch.ones_like(ids, dtype=torch.bool), heads_page["partners"](y)
    new, there = heads_page["disturb"](ids, real, ids[partner], real[partner])
    kept = (new != 1) & there
    assert torch.equal(new[kept] // 10 - 1, y[:, None].expand_as(new)[kept])
    assert 0.05 < (new == 1).double().mean() < 0.15 and 0.1 < (new[kept] != ids[kept]).double().mean() < 0.3


def test_mcnemar_is_the_binomial_test_of_the_questions_that_differ(heads_page):
    draw = random.Random(0)
    for n, p in ((40, 0.5), (300, 0.9), (5, 0.3)):
        first, second = (torch.tensor([draw.random() < p for _ in range(n)]) for _ in range(2))
        row = heads_page["mcnemar"](first, second)
        a, b = row["only the first right"], row["only the second right"]
        assert (a, b) == ((first & ~second).sum(), (second & ~first).sum())
        assert row["p"] == pytest.approx(binomtest(a, a + b).pvalue if a + b else 1.0)
    assert heads_page["mcnemar"](first, first)["p"] == 1


def test_the_copier_takes_the_nearest_and_swaps_values_once():
    few = [
        {"mr": {"name": "Aromi", "food": "French", "near": "Aromi Hall"}, "text": "Aromi near Aromi Hall is French."},
        {"mr": {"name": "Zizzi", "area": "riverside"}, "text": "Zizzi is by the riverside."},
    ]
    copier = functions("13_fine_tuning", "copier", few=few)["copier"]
    assert copier({"name": "French", "food": "Aromi", "near": "X"}) == "French near X is Aromi."
    assert copier({"name": "Loch", "area": "city centre"}) == "Loch is by the city centre."
    assert copier({}) == "Zizzi is by the riverside."


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    folder = Path(os.environ.get("AIGC_DATA_MIRROR") or REPO.parent / "shared/data")
    if not (folder / "e2e").is_dir():
        pytest.skip("no mirror folder with the genuine texts: set AIGC_DATA_MIRROR")
    for name, value in {"DATA_MIRROR": str(folder), "CACHE": str(tmp_path), "STANDIN": "0", "OFFLINE": "1"}.items():
        monkeypatch.setenv(f"AIGC_{name}", value)
    monkeypatch.setattr(fetch, "used", {})


def test_page_13_says_which_values_the_catalogue_holds(monkeypatch, mirror):
    monkeypatch.syspath_prepend(str(REPO / "makers"))
    import catalogue

    (source,) = [
        "".join(cell["source"])
        for cell in receipts.read(REPO / "notebooks/13_fine_tuning.ipynb")["cells"]
        if cell["id"] == "lookalike"
    ]
    said = ast.literal_eval(ast.parse(source).body[0].value)
    lines = [document.split(" =>")[0] for document in catalogue.documents(1_200_000)]
    held = {part.split(": ", 1)[1] for line in lines for part in line.split("; ")}
    values = {(key, value) for row in data.e2e("test") for key, value in row["mr"].items()}
    assert {(key, value) for key, value in values if value in held} == {(k, v) for k, vs in said.items() for v in vs}
