"""The language models: no look at the future, a cache that changes nothing, the library's logits, Muon."""

import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from aigc_course import gpt, optim, text

MODELS = {"GPT2": (gpt.GPT2, gpt.GPT2Config), "GPT": (gpt.GPT, gpt.GPTConfig)}


@pytest.fixture(params=MODELS)
def model(request):
    """A small one whose weights are all large enough to matter."""
    make, config = MODELS[request.param]
    torch.manual_seed(0)
    model = make(config(vocab_size=11, context=12, n_layers=2, n_heads=2, width=16)).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model


@pytest.fixture
def ids():
    return torch.randint(11, (3, 12), generator=torch.Generator().manual_seed(1))


def test_logits_have_a_row_for_each_token(model, ids):
    assert model(ids).shape == (3, 12, 11) and model(ids[:, :1]).shape == (3, 1, 11)
    assert model(ids).std() > 0.1


def test_a_model_cannot_see_the_future(model, ids):
    logits = model(ids)
    for t in range(12):
        changed = ids.clone()
        changed[:, t] = (changed[:, t] + 1) % 11
        difference = (model(changed) - logits).abs().amax(dim=(0, 2))
        assert (difference[:t] < 1e-5).all() and difference[t] > 1e-4


def test_a_model_knows_the_order(model, ids):
    swapped = ids.clone()
    swapped[:, [2, 3]] = ids[:, [3, 2]]
    different = ids[:, 2] != ids[:, 3]
    assert ((model(swapped) - model(ids))[different, 6:].abs().amax(dim=(1, 2)) > 1e-4).all()


@pytest.mark.parametrize("parts", [[12], [1] * 12, [5, 1, 1, 3, 2], [4, 4, 4]])
def test_a_cache_gives_the_same_logits(model, ids, parts):
    cache, found = gpt.Cache(model, batch_size=3), []
    for part in ids.split(parts, dim=1):
        found.append(model(part, cache))
    assert cache.length == 12
    torch.testing.assert_close(torch.cat(found, dim=1), model(ids), atol=2e-5, rtol=1e-4)


def test_weights_begin_small_enough_for_a_uniform_guess(ids):
    torch.manual_seed(0)
    for make, config in MODELS.values():
        logits = make(config(vocab_size=11, context=12, width=64))(ids)
        assert F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item() == pytest.approx(
            math.log(11), abs=0.5
        )


def test_one_batch_can_be_overfitted(ids):
    for make, config in MODELS.values():
        torch.manual_seed(0)
        model = make(config(vocab_size=11, context=12, n_layers=2, n_heads=2, width=32))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(80):
            loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss < 0.3


@pytest.mark.parametrize("bad, message", [
    (torch.zeros(3, 13, dtype=torch.long), r"0 \+ 13 tokens do not fit into a context of 12"),
    (torch.zeros(3, dtype=torch.long), r"shape \(B, T\), not torch.int64 of \(3,\)"),
    (torch.zeros(3, 4), "not torch.float32"),
])  # fmt: skip
def test_ids_that_do_not_fit_are_named(model, bad, message):
    with pytest.raises(ValueError, match=message):
        model(bad)


def test_a_full_cache_and_another_batch_are_named(model, ids):
    cache = gpt.Cache(model, batch_size=3)
    model(ids[:, :10], cache)
    with pytest.raises(ValueError, match=r"10 \+ 3 tokens"):
        model(ids[:, :3], cache)
    with pytest.raises(ValueError, match="cache is for 3 sequences, not for 1"):
        model(ids[:1, :1], cache)


def test_generation_works_with_each_model(model, ids):
    slow = text.generate(model, ids[:, :3], 20, temperature=0, cache=False)
    assert torch.equal(text.generate(model, ids[:, :3], 20, temperature=0), slow)


@pytest.mark.parametrize("T, S", [(5, 5), (1, 5), (3, 5)])
def test_attention_of_the_last_tokens_is_that_of_all(T, S):
    q, k, v = torch.randn(3, 2, 4, S, 8, generator=torch.Generator().manual_seed(0))
    scores = (q @ k.mT / math.sqrt(8)).masked_fill(torch.ones(S, S, dtype=torch.bool).triu(1), -math.inf)
    expected = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)[:, S - T :]
    torch.testing.assert_close(gpt.attend(q[:, :, S - T :], k, v), expected)


def test_a_token_that_may_see_nothing_gets_the_mean_and_not_nan():
    """With -inf in each score, as in chapter 10, it is 0 / 0, and the next layer carries the NaN to all who see it."""
    q, k, v = torch.randn(3, 1, 2, 3, 8, generator=torch.Generator().manual_seed(0))
    seen = torch.tensor([[False, False, False], [True, True, False], [True, True, True]])
    found = gpt.attend(q, k, v, seen)
    torch.testing.assert_close(found[:, 0], v.mean(dim=2).flatten(1))
    scores = (q @ k.mT / math.sqrt(8)).masked_fill(~seen, -math.inf)
    by_definition = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    assert by_definition[:, 0].isnan().all()
    torch.testing.assert_close(found[:, 1:], by_definition[:, 1:])


def test_states_are_what_the_output_layer_reads_and_a_causal_mask_changes_nothing(ids):
    torch.manual_seed(0)
    model = gpt.GPT2(gpt.GPT2Config(vocab_size=11, context=12, n_layers=2, n_heads=2, width=16)).eval()
    assert torch.equal(F.linear(model.states(ids), model.token.weight), model(ids))
    mask = torch.ones(12, 12, dtype=torch.bool).tril()
    torch.testing.assert_close(model.states(ids, seen=mask), model.states(ids))
    torch.testing.assert_close(model(ids, positions=torch.arange(12).expand(3, 12)), model(ids))


def test_states_without_the_mask_see_the_future_and_not_the_padding(ids):
    torch.manual_seed(0)
    model = gpt.GPT2(gpt.GPT2Config(vocab_size=11, context=12, n_layers=2, n_heads=2, width=16)).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    changed, padded, seen = ids.clone(), ids.clone(), (torch.arange(12) < 9)[None, None, None]
    changed[:, 8], padded[:, 10] = (ids[:, 8] + 1) % 11, (ids[:, 10] + 1) % 11
    first = model.states(ids, seen=seen)[:, 0]
    assert not torch.allclose(first, model.states(changed, seen=seen)[:, 0])
    torch.testing.assert_close(first, model.states(padded, seen=seen)[:, 0])


# --- the library ------------------------------------------------------------------------------------------------------


def test_the_library_gives_the_same_logits_and_the_way_back():
    torch.manual_seed(0)
    model = gpt.GPT2(gpt.GPT2Config(vocab_size=13, context=10, n_layers=3, n_heads=2, width=24)).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    ids = torch.randint(13, (2, 10))
    library = gpt.to_transformers(model)
    torch.testing.assert_close(library(ids).logits, model(ids), atol=1e-4, rtol=1e-4)
    back = gpt.from_transformers(library)
    assert back.config == model.config
    torch.testing.assert_close(back(ids), model(ids))
    with torch.no_grad():  # copies, not views
        model.token.weight.zero_()
    assert library.transformer.wte.weight.abs().sum() > 0


def test_another_shape_than_gpt2s_is_named():
    from transformers import GPT2Config, GPT2LMHeadModel

    library = GPT2LMHeadModel(GPT2Config(vocab_size=5, n_positions=4, n_embd=8, n_layer=1, n_head=1,
                                         activation_function="relu"))  # fmt: skip
    with pytest.raises(ValueError, match="activation_function is relu"):
        gpt.from_transformers(library)


# --- Muon -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 16), (8, 24), (24, 8), (5, 12, 20)])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_orthogonalising_brings_singular_values_near_one(shape, scale):
    G = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * scale
    U, S, Vh = torch.linalg.svd(G, full_matrices=False)
    X = optim.orthogonalise(G)
    assert X.shape == G.shape and X.dtype == G.dtype
    values = torch.linalg.svdvals(X)
    assert values.max() < 1.3 and values.median() > 0.6
    along = (U.mT @ X @ Vh.mT).diagonal(dim1=-2, dim2=-1)  # same directions, other lengths
    torch.testing.assert_close(along.sort(-1).values, values.sort(-1).values, atol=2e-3, rtol=2e-3)


def test_a_batch_is_orthogonalised_one_by_one():
    G = torch.randn(3, 6, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(optim.orthogonalise(G), torch.stack([optim.orthogonalise(g) for g in G]))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon of its own")
def test_muon_steps_like_pytorchs():
    torch.manual_seed(0)
    shapes = [(12, 8), (8, 12), (8, 8), (8, 12)]
    ours, theirs = ([torch.nn.Parameter(torch.full(s, 0.1)) for s in shapes] for _ in range(2))
    a = optim.Muon(ours, lr=0.02, momentum=0.9, weight_decay=0.1)
    b = torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=0.1, nesterov=True)
    for _ in range(4):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        a.step()
        b.step()
    for p, q in zip(ours, theirs, strict=True):  # theirs computes in bfloat16
        moved = (p - 0.1).norm()
        assert (p - q).norm() < 0.05 * moved


def test_muon_learns_and_refuses_vectors():
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(8, 8, bias=False), torch.randn(64, 8)
    target, first = x @ torch.randn(8, 8), None
    optimizer = optim.Muon(layer.parameters(), lr=0.05)
    for _ in range(100):
        loss = (layer(x) - target).square().mean()
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2 * first
    with pytest.raises(ValueError, match="matrices"):
        optim.Muon([torch.nn.Parameter(torch.zeros(3))])


def test_weights_without_a_gradient_stay():
    p, q = (torch.nn.Parameter(torch.ones(4, 4)) for _ in range(2))
    optimizer = optim.Muon([p, q], lr=0.1)
    p.grad = torch.eye(4)
    optimizer.step()
    assert torch.equal(q, torch.ones(4, 4)) and not torch.equal(p, torch.ones(4, 4))


def test_the_module_does_not_load_the_library():
    code = "import sys; from aigc_course import gpt; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the parts of the modern one --------------------------------------------------------------------------------------


def test_rotated_scores_depend_on_the_distance_alone():
    q, k = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    angle = torch.arange(40)[:, None] * 1024 ** -torch.linspace(0, 1, 8)
    turn = lambda x, t: gpt.rotate(x, angle[t].cos(), angle[t].sin())  # noqa: E731
    near, far = turn(q, 3) @ turn(k, 5), turn(q, 33) @ turn(k, 35)
    torch.testing.assert_close(near, far, atol=1e-4, rtol=1e-4)
    assert abs(near - turn(q, 3) @ turn(k, 6)) > 1e-3
    torch.testing.assert_close(turn(q, 7).norm(), q.norm())
    by_numbers = torch.view_as_complex(torch.stack(q.chunk(2), dim=-1)) * torch.polar(torch.ones(8), angle[7])
    torch.testing.assert_close(turn(q, 7), torch.cat([by_numbers.real, by_numbers.imag]))


def test_groups_get_rows_of_their_own_where_there_are_enough():
    groups = torch.arange(49)
    assert torch.equal(gpt.bucket(groups, 49, 64), groups)
    shared = gpt.bucket(torch.arange(100_000), 100_000, 1000)
    assert shared.min() >= 0 and shared.max() < 1000
    assert 50 < torch.bincount(shared, minlength=1000).min() and torch.bincount(shared).max() < 200
    alike = gpt.bucket(torch.arange(1000) * 2**14, 2**30, 2**14)  # equal in their low bits
    assert len(alike.unique()) > 900


def test_an_embedding_knows_the_last_three_tokens_and_no_more():
    torch.manual_seed(0)
    embedding = gpt.GroupEmbedding(gpt.GPTConfig(vocab_size=7, width=8)).eval()
    ids = torch.tensor([[0, 0, 1, 2, 3, 4]])
    x = embedding(ids)
    assert x.shape == (1, 4, 8)
    for place in range(6):  # embedding i reads tokens i, i + 1 and i + 2
        changed = ids.clone()
        changed[0, place] = 6
        different = (embedding(changed) - x).abs().amax(dim=(0, 2)) > 1e-6
        assert different.tolist() == [i <= place <= i + 2 for i in range(4)]


def test_the_modern_one_begins_with_a_uniform_guess_of_blocks_that_change_nothing():
    torch.manual_seed(0)
    model = gpt.GPT(gpt.GPTConfig(vocab_size=11, context=8, n_layers=2, width=16))
    ids = torch.randint(11, (2, 8))
    assert (model(ids) == 0).all()
    x = torch.randn(1, 8, 16)
    assert torch.equal(model.blocks[0](x, model.cos, model.sin), x)


def test_norm_has_mean_zero_and_variance_one():
    x = gpt.norm(torch.randn(5, 64) * 3 + 2)
    assert x.mean(-1).abs().max() < 1e-5 and (x.var(-1, correction=0) - 1).abs().max() < 1e-3
