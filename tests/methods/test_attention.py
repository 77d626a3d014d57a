"""Facts that pages 10 and 10b state, and what their cells define, against PyTorch's own functions."""

import ast
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aigc_course import gpt, receipts
from aigc_course.check import exercises
from aigc_course.plumbing import rooms

EXERCISES = exercises()
REPO = Path(__file__).resolve().parents[2]


def defined(page, **given):
    """The functions and classes of a page."""
    found = {"torch": torch, "F": F, "nn": nn, "math": math, "run": SimpleNamespace(device="cpu", seed=0), **given}
    for cell in receipts.read(REPO / f"notebooks/{page}.ipynb")["cells"]:
        if cell["cell_type"] == "code" and not cell["id"].startswith("exercise"):
            for node in ast.parse("".join(cell["source"])).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    exec(ast.unparse(node), found)
    return SimpleNamespace(**{name: value for name, value in found.items() if not name.startswith("_")})


@pytest.fixture(scope="module")
def attention():
    return defined("10_attention")


@pytest.fixture(scope="module")
def induction():
    sizes = {"n_symbols": 64, "n_first": 32, "n_piece": 16, "width": 64, "d": 32}
    return defined("10b_induction", **sizes)


def test_the_solution_of_attention_is_pytorchs():
    q, k, v = torch.randn(3, 2, 9, 8)
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(EXERCISES["10.3"].truth()(q, k, v), expected)


def test_the_printed_attention_saturates():
    """E 4.2.1: without the division the variance of the scores is d, and the softmax is nearly one-hot."""
    q, k = torch.randn(2, 500, 256, generator=torch.Generator().manual_seed(0))
    scores = q @ k.T
    assert scores.var().item() == pytest.approx(256, rel=0.1)
    assert scores.softmax(1).amax(1).median() > 0.9 > 0.5 > (scores / 16).softmax(1).amax(1).median()


def test_the_printed_feed_forward_cannot_be_negative():
    """D 4.1: a last ReLU leaves nothing below 0; with W2 ReLU(W1 x + b1) + b2 both signs come out."""
    first, second = torch.nn.Linear(4, 32), torch.nn.Linear(32, 4)
    y = second(first(torch.randn(200, 4)).relu())
    assert y.relu().min() >= 0 > y.min()


def test_a_feed_forward_without_inner_bias_bends_at_zero_only():
    """E 4.2.1: W2 ReLU(W1 x) + b is straight on each side of 0."""
    first, second = torch.nn.Linear(1, 32, bias=False), torch.nn.Linear(32, 1)
    y = second(first(torch.linspace(0.1, 5, 50)[:, None]).relu())
    torch.testing.assert_close(y.diff(dim=0, n=2), torch.zeros(48, 1), atol=1e-5, rtol=0)


def test_rotary_scores_depend_on_the_distance_only():
    """In float64: an angle of 1,000 radians in float32 is known to 6e-5 only."""
    rotary = EXERCISES["10.4"].truth()
    q, k = torch.randn(2, 1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([[5.0], [60.0], [1000.0]], dtype=torch.float64)
    scores = [(rotary(q, t) @ rotary(k, t - 5).T).item() for t in places]
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-9)


def test_the_induction_score_of_perfect_and_useless_maps():
    score = EXERCISES["10b.3"].truth()
    tokens = torch.tensor([3, 1, 4, 0, 3, 1, 4])
    perfect = torch.zeros(7, 7)
    perfect[torch.arange(4, 7), torch.arange(1, 4)] = 1.0
    assert score(perfect, tokens) == 1
    assert score(torch.full((7, 7), 1 / 7), tokens).item() == pytest.approx(1 / 7)
    assert score(perfect, torch.arange(7)) == 0


# --- page 10 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pre", "post"])
def test_the_block_of_the_page_is_pytorchs(attention, kind):
    ours = attention.Block(16, 2, kind)
    theirs = nn.TransformerEncoderLayer(16, 2, 64, 0.0, batch_first=True, norm_first=kind == "pre")
    attention.load(theirs, ours)
    x, mask = torch.randn(2, 5, 16), torch.ones(5, 5, dtype=torch.bool).tril()
    torch.testing.assert_close(ours(x, mask), theirs(x, src_mask=~mask))


def test_grouped_queries_are_pytorchs(attention):
    q, k, v = torch.randn(2, 6, 7, 8), *torch.randn(2, 2, 3, 7, 8)
    torch.testing.assert_close(attention.grouped(q, k, v), F.scaled_dot_product_attention(q, k, v, enable_gqa=True))


def test_rotary_of_the_page_is_the_exercises(attention):
    x = torch.randn(9, 8)
    torch.testing.assert_close(attention.rotary(x), EXERCISES["10.4"].truth()(x, torch.arange(9)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("added", [False, True], ids=["bool", "-inf"])
def test_a_row_that_may_see_nothing_is_nan_0_or_a_mean(attention, dtype, added):
    """NaN by the formula, 0 by PyTorch's fused function, the mean of all values by gpt.attend."""
    q, k, v = torch.randn(3, 1, 2, 4, 8).to(dtype)
    seen = torch.ones(4, 4, dtype=torch.bool).tril()
    seen[0] = False
    by_formula = attention.attention(q, k, v, seen)[0]
    mask = torch.zeros(4, 4, dtype=dtype).masked_fill(~seen, -math.inf) if added else seen
    fused = F.scaled_dot_product_attention(q, k, v, mask)
    assert by_formula[:, :, 0].isnan().all() and (fused[:, :, 0] == 0).all()
    torch.testing.assert_close(fused[:, :, 1:], by_formula[:, :, 1:], atol=0.02, rtol=0.02)
    torch.testing.assert_close(gpt.attend(q, k, v, seen)[:, 0], v.mean(dim=2).flatten(1), atol=0.02, rtol=0.02)


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_librarys_module_gives_nan_or_0(weights, training):
    """0 without weights; with them NaN up to version 2.13 at least, which newer ones may change (its issue 160064)."""
    layer = nn.MultiheadAttention(8, 2, bias=False, batch_first=True).train(training)
    x, hidden = torch.randn(1, 3, 8), torch.ones(3, 3, dtype=torch.bool).triu(1)
    hidden[0] = True
    first = layer(x, x, x, attn_mask=hidden, need_weights=weights)[0][0, 0]
    assert (first == 0).all() or weights and first.isnan().all()


# --- page 10b ------------------------------------------------------------------------------------------------


def test_the_rules_without_a_network(induction):
    x, start = induction.sequences(2_000, seed=5)
    assert (x.sort(dim=1).values.diff(dim=1) == 0).sum(dim=1).eq(16).all()  # 32 symbols, 16 of them twice
    torch.testing.assert_close(x[:, 32:], x.gather(1, start + torch.arange(16)))
    assert induction.accuracy(induction.look_up, x) == 1
    assert induction.accuracy(induction.place, x) == pytest.approx(1 / 17, abs=0.01)


def test_two_layers_of_two_heads_have_the_weights_of_one_layer_of_four(induction):
    two, one = (sum(p.numel() for p in induction.Stack(n, h).parameters()) for n, h in ((2, 2), (1, 4)))
    assert two - one == 2 * 64  # one more normalisation


@pytest.mark.parametrize("note", [False, True])
def test_a_stack_cannot_see_the_future_unless_its_mask_is_left_out(induction, note):
    a = torch.randint(64, (2, 9), generator=torch.Generator().manual_seed(0))
    b = a.clone()
    b[:, -1] = (b[:, -1] + 1) % 64
    model, open_ = induction.Stack(2, 2, note=note), induction.Stack(2, 2, "mask", note)
    torch.testing.assert_close(model(a)[:, :-1], model(b)[:, :-1])
    assert not torch.allclose(open_(a)[:, :-1], open_(b)[:, :-1])


def test_the_study_trains_the_pages_model(induction):
    study = rooms.module("10b_induction", "study")
    ids = study.sequences(4, seed=2)
    assert torch.equal(ids, induction.sequences(4, seed=2)[0])
    for shape, _ in study.VARIANTS.values():
        torch.manual_seed(0)
        theirs = induction.Stack(**shape)
        torch.manual_seed(0)
        ours = study.Stack(**shape)
        torch.testing.assert_close(ours(ids), theirs(ids))
