"""What 05b_measuring teaches, pinned: its functions, and why recall survives noise and coverage does not."""

import ast
import math
from pathlib import Path

import pytest
import torch

from aigc_course import metrics, receipts

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page():
    """radius, inside and coverage, as the page defines them."""
    cells = receipts.read(REPO / "notebooks/05b_measuring.ipynb")["cells"]
    (source,) = ["".join(cell["source"]) for cell in cells if cell["id"] == "balls-code"]
    found = {"torch": torch, "metrics": metrics}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            exec(ast.unparse(node), found)
    return found


def cloud(n, dimensions, seed, spread=1.0):
    return spread * torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed))


def test_the_balls_of_the_page_give_the_packages_precision_and_recall(page):
    real, fake = cloud(300, 5, 0), 0.3 + cloud(200, 5, 1, spread=0.7)
    ours = [page["inside"](a, b, page["radius"](b, 3)).double().mean().item() for a, b in ((fake, real), (real, fake))]
    assert ours == pytest.approx(metrics.precision_recall(real, fake), abs=1e-6)
    assert 0.1 < ours[1] < ours[0] < 1


def test_coverage_by_hand(page):
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])  # distances to the second neighbour: 2, 1, 2, 9
    assert page["coverage"](real, torch.tensor([[3.5]]), k=2) == 0.5  # inside those of 2 and of 10
    assert page["coverage"](real, real + 0.1, k=2) == 1
    assert page["coverage"](real, torch.tensor([[-50.0]]), k=2) == 0


@pytest.mark.parametrize(("N", "M", "dimensions"), [(400, 400, 2), (400, 100, 20)])
def test_coverage_of_one_distribution_is_the_expected_one(page, N, M, dimensions):
    found = [page["coverage"](cloud(N, dimensions, s), cloud(M, dimensions, s + 100)) for s in range(10)]
    expected = 1 - math.prod((N - i) / (N + M - i) for i in range(1, 6))
    assert sum(found) / 10 == pytest.approx(expected, abs=0.02)


def test_outliers_raise_recall_by_their_radii_and_leave_coverage(page):
    """Ten good points among far noise: their balls grow until they hold the real cloud."""
    real, good = cloud(500, 8, 0), cloud(500, 8, 1)
    noise = torch.cat([good[:10], 20 + cloud(490, 8, 2, spread=5.0)])
    inside, radius = page["inside"], page["radius"]
    alone = inside(real, good[:10], radius(good, 3)[:10]).double().mean().item()
    grown = inside(real, noise[:10], radius(noise, 3)[:10]).double().mean().item()
    assert alone < 0.2 and grown > 0.8
    assert metrics.precision_recall(real, noise)[1] >= grown and page["coverage"](real, noise) < 0.2


def test_a_shifted_copy_is_no_copy_in_pixels(classes=10):
    images = (cloud(classes, 28 * 28, 0) > 1).float().view(-1, 1, 28, 28)
    assert metrics.nearest(images, images)[0].max() == 0
    assert metrics.nearest(images.roll(1, dims=3), images)[0].min() > 5
