"""CycleGAN: the translator, the discriminator's patches, the losses, fitted glyphs, the scores, and the recipe."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from sklearn.neighbors import NearestNeighbors

from aigc_course import cyclegan, data, gan, metrics, optim
from aigc_course.plumbing import rooms

recipe = rooms.recipe("cyclegan")
HEI, KAI = -1.0, 1.0


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def glyphs(n, seed=0, margin=4):
    """Ink in the middle of paper."""
    x = torch.full((n, 1, 32, 32), -1.0)
    x[:, :, margin:-margin, margin:-margin] = seeded(n, 1, 32 - 2 * margin, 32 - 2 * margin, seed=seed).tanh()
    return x


def stirred(model, seed=0):
    """The model with no weight left at 0."""
    for i, weight in enumerate(model.parameters()):
        weight.data += 0.05 * seeded(*weight.shape, seed=seed + i)
    return model


# --- the networks --------------------------------------------------------------------------------------------


def test_untrained_it_gives_back_its_input_a_little_paler():
    x = glyphs(3)
    for to in (HEI, KAI):
        torch.testing.assert_close(cyclegan.Translator(8)(x, to), torch.tanh(2 * x))


def test_each_glyph_goes_to_the_typeface_that_is_wanted_for_it():
    model, x = stirred(cyclegan.Translator(8)), glyphs(4)
    to_kai, to_hei, mixed = model(x, KAI), model(x, HEI), model(x, torch.tensor([KAI, HEI, HEI, KAI]))
    assert (to_kai - to_hei).abs().amax(dim=(1, 2, 3)).min() > 1e-3
    torch.testing.assert_close(mixed, torch.stack([to_kai[0], to_hei[1], to_hei[2], to_kai[3]]))
    assert to_kai.shape == x.shape and to_kai.abs().max() <= 1 and to_kai.dtype == torch.float32
    torch.testing.assert_close(model(x[:1], KAI), to_kai[:1])  # no glyph hears of the others
    assert model(torch.zeros(2, 1, 8, 12), KAI).shape == (2, 1, 8, 12)


def test_a_stroke_can_be_moved_by_ten_pixels():
    """What an output pixel depends on reaches at least so far in all directions."""
    model, x = stirred(cyclegan.Translator(8)), glyphs(1).requires_grad_()
    model(x, KAI)[0, 0, 16, 16].backward()
    rows, columns = (x.grad[0, 0].abs() > 0).nonzero().T
    assert rows.min() <= 6 and rows.max() >= 26 and columns.min() <= 6 and columns.max() >= 26


def convolutions(model):
    """conv(name, h, ...) with the weights of that name."""
    weights = dict(model.named_parameters())
    return lambda name, h, **how: F.conv2d(h, weights[f"{name}.weight"], weights[f"{name}.bias"], **how)


def test_the_translator_written_out():
    model, x = stirred(cyclegan.Translator(4, n_blocks=2)), glyphs(2)
    conv = convolutions(model)

    def block(name, h):
        return h + conv(f"{name}.last", F.silu(conv(f"{name}.first", F.silu(h), padding=1)), padding=1)

    h = F.pixel_unshuffle(x, 2)
    fine = block("fine_1", conv("first", torch.cat([h, torch.full_like(h[:, :1], 0.5)], dim=1), padding=1))
    coarse = block("coarse.1", block("coarse.0", conv("down", fine, stride=2)))
    up = F.conv_transpose2d(coarse, model.up.weight, model.up.bias, stride=2)
    change = F.pixel_shuffle(conv("last", F.silu(block("fine_2", fine + up)), padding=1), 2)
    torch.testing.assert_close(model(x, 0.5), torch.tanh(2 * x + change))


def test_the_discriminator_written_out():
    model, x = stirred(cyclegan.Discriminator(4)), glyphs(2)
    conv, h = convolutions(model), F.pixel_unshuffle(x, 2)
    for name, how in {"first": {}, "down_1": {"stride": 2}, "small": {}}.items():
        h = F.leaky_relu(conv(name, h, padding=1, **how), 0.2)
    maps = [conv("last_small", h)]
    for name, how in {"down_2": {"stride": 2}, "large": {}}.items():
        h = F.leaky_relu(conv(name, h, padding=1, **how), 0.2)
    maps.append(conv("last_large", h))
    for ours, both in zip(model(x, torch.tensor([KAI, HEI])), maps, strict=True):
        torch.testing.assert_close(ours, torch.stack([both[0, 1], both[1, 0]]))


def test_sizes_and_starts():
    assert sum(weight.numel() for weight in cyclegan.Translator().parameters()) == 277_668
    assert sum(weight.numel() for weight in cyclegan.Discriminator().parameters()) == 350_116
    x = seeded(2, 4, 6, 6)
    assert torch.equal(cyclegan.Block(4)(x), x)


def test_half_precision():
    x = glyphs(2)
    with torch.autocast("cpu", torch.bfloat16):
        maps = cyclegan.Discriminator(4)(x, torch.ones(2))
        assert [logits.dtype for logits in maps] == [torch.float32] * 2
        assert cyclegan.Translator(4)(x, KAI).dtype == torch.float32
    close = (x + 0.01).bfloat16()
    assert cyclegan.score(close, x)[0] == pytest.approx((close.float() - x).abs().mean().item(), abs=1e-6)


@pytest.mark.parametrize(("which", "side"), [(0, 20), (1, 32)])
def test_what_a_patch_sees(which, side):
    model, x = stirred(cyclegan.Discriminator(8)), glyphs(1).requires_grad_()
    logits = model(x, torch.tensor([KAI]))[which]
    assert logits.shape == ((1, 8, 8) if which == 0 else (1, 4, 4))
    logits[0, logits.shape[1] // 2, logits.shape[2] // 2].backward()
    rows, columns = (x.grad[0, 0].abs() > 0).nonzero().T
    assert [(t.max() - t.min() + 1).item() for t in (rows, columns)] == [side, side]


def test_the_discriminator_has_another_opinion_for_each_typeface():
    model, x = stirred(cyclegan.Discriminator(8)), glyphs(4)
    as_kai, as_hei = (model(x, torch.full((4,), of)) for of in (KAI, HEI))
    mixed = model(x, torch.tensor([KAI, HEI, KAI, HEI]))
    for kai, hei, both in zip(as_kai, as_hei, mixed, strict=True):
        assert (kai - hei).abs().max() > 1e-3
        torch.testing.assert_close(both, torch.stack([kai[0], hei[1], kai[2], hei[3]]))


# --- losses --------------------------------------------------------------------------------------------------


def test_the_hinge_loss_agrees_with_torch():
    real, fake = ([seeded(3, 8, 8, seed=s), 2 * seeded(3, 4, 4, seed=s + 1)] for s in (0, 2))
    expected = sum(
        F.margin_ranking_loss(t, torch.zeros_like(t), torch.full_like(t, sign), margin=1.0)
        for sign, maps in ((1.0, real), (-1.0, fake))
        for t in maps
    )
    torch.testing.assert_close(cyclegan.discriminator_loss(real, fake), expected)
    sure = [torch.full((2, 8, 8), 1.5)]
    assert cyclegan.discriminator_loss(sure, [-sure[0]]) == 0
    with pytest.raises(ValueError):
        cyclegan.discriminator_loss(real, fake[:1])


def test_the_translator_is_pulled_alike_by_each_map():
    fake = [seeded(2, 8, 8).requires_grad_(), seeded(2, 4, 4).requires_grad_()]
    loss = cyclegan.translator_loss(fake)
    torch.testing.assert_close(loss, -(fake[0].mean() + fake[1].mean()))
    loss.backward()
    for t in fake:
        torch.testing.assert_close(t.grad, torch.full_like(t, -1 / t.numel()))


# --- glyphs moved --------------------------------------------------------------------------------------------


def test_shifted_glyphs_are_rolled_ones():
    x = glyphs(64)
    torch.manual_seed(0)
    new, found = cyclegan.shifted(x, 2), set()
    for old, one in zip(x, new, strict=True):
        ways = [(d, r) for d in range(-2, 3) for r in range(-2, 3) if torch.equal(one, old.roll((d, r), (1, 2)))]
        assert len(ways) == 1
        found |= set(ways)
    assert len(found) > 15, "each glyph has a way of its own"
    assert torch.equal(cyclegan.shifted(x, 0), x)
    full = cyclegan.shifted(torch.ones(200, 1, 8, 8))
    assert full[:, :, 1:-1, 1:-1].eq(1).all() and set(full.unique().tolist()) == {-1, 1}  # paper comes in


def test_pairs_are_shifted_alike():
    pairs = F.pad(seeded(20, 2, 8, 12), [2] * 4, value=-1)
    new = cyclegan.shifted(pairs)
    ways = [(d, r) for d in (-1, 0, 1) for r in (-1, 0, 1)]
    assert new.shape == pairs.shape
    assert all(sum(torch.equal(b, a.roll(way, (1, 2))) for way in ways) == 1 for a, b in zip(pairs, new, strict=True))


def test_place_is_the_first_two_moments_of_the_mean_ink():
    x = glyphs(20, margin=4)
    mean = (x + 1).mean(dim=(0, 1)).double().numpy()
    centre, spread = cyclegan.place(x)
    assert centre.tolist() == pytest.approx(ndimage.center_of_mass(mean), abs=1e-4)
    for axis in (0, 1):
        at, weights = np.arange(mean.shape[axis]), mean.sum(axis=1 - axis)
        variance = np.average((at - centre[axis].item()) ** 2, weights=weights)
        assert spread[axis].item() == pytest.approx(variance**0.5, rel=1e-4)


def test_fitted_glyphs_lie_as_those_that_were_wanted():
    x = F.pad(F.interpolate((glyphs(20, margin=4) + 1) / 2, size=(20, 20), mode="bilinear"), (3, 9, 8, 4)) * 2 - 1
    y = F.pad((glyphs(30, seed=1, margin=4) + 1) / 2, (8, 8, 6, 10))[:, :, :32, :32] * 2 - 1
    new, (centre, spread) = cyclegan.fitted(x, x, y), cyclegan.place(y)
    torch.testing.assert_close(cyclegan.place(new)[0], centre, atol=0.25, rtol=0)
    torch.testing.assert_close(cyclegan.place(new)[1], spread, atol=0.25, rtol=0)  # mixing pixels widens a little
    assert new.shape == x.shape and new.min() >= -1 and new.max() <= 1
    torch.testing.assert_close(cyclegan.fitted(x, y, y), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("down", "right"), [(2, 0), (-2, 1), (0, -3)])
def test_where_only_the_centre_differs_glyphs_are_rolled(down, right):
    x = F.pad(glyphs(5, margin=2) + 1, (4, 4, 4, 4)) - 1
    new = x.roll((down, right), (2, 3))
    torch.testing.assert_close(cyclegan.fitted(x, x, new), new, atol=1e-4, rtol=0)


# --- scores and steps ----------------------------------------------------------------------------------------


def test_scores_agree_with_scikit_learn():
    truth = seeded(40, 1, 4, 4)
    x = truth + 1.5 * seeded(40, 1, 4, 4, seed=1)
    nearest = NearestNeighbors(n_neighbors=1).fit(truth.flatten(1)).kneighbors(x.flatten(1))[1][:, 0]
    mae, found = cyclegan.score(x, truth)
    assert mae == pytest.approx((x - truth).abs().mean().item())
    assert 0.1 < found < 0.9 and found == pytest.approx((nearest == np.arange(40)).mean())
    assert cyclegan.score(truth, truth) == (0, 1) and cyclegan.score(truth.roll(1, 0), truth)[1] == 0
    with pytest.raises(ValueError, match=r"\(39, 1, 4, 4\)"):
        cyclegan.score(x[:39], truth)


@pytest.mark.parametrize("model", [cyclegan.Translator(4), cyclegan.Discriminator(4)])
def test_every_weight_has_one_optimizer(model):
    adam, muon = cyclegan.optimizers(model, 1e-3, 0.02)
    inside = {id(kernel) for kernel in muon.kernels}
    rest = {id(weight) for weight in adam.param_groups[0]["params"]}
    assert not inside & rest and inside | rest == {id(weight) for weight in model.parameters()}
    assert adam.param_groups[0]["lr"] == 1e-3 and muon.param_groups[0]["lr"] == 0.02
    named = {id(weight): name for name, weight in model.named_parameters()}
    assert all(name.endswith("weight") and name.count(".") for name in (named[i] for i in inside))
    assert not {named[i] for i in inside} & {"first.weight", "last.weight", "last_small.weight", "last_large.weight"}
    assert isinstance(muon, optim.KernelMuon)
    group = adam.param_groups[0]
    assert group["betas"] == (0.5, 0.99) and group["weight_decay"] == 0 and muon.param_groups[0]["momentum"] == 0.9
    assert muon.dtype is None and cyclegan.optimizers(model, 1e-3, 0.02, bf16=True)[1].dtype is torch.bfloat16


def test_descend_steps_down_the_loss_alone():
    a, b = (torch.nn.Parameter(torch.tensor([3.0])) for _ in range(2))
    a.grad = torch.tensor([100.0])  # of something else: forgotten
    cyclegan.descend([torch.optim.SGD([a], 0.1), torch.optim.SGD([b], 0.5)], (a**2 + b).sum())
    torch.testing.assert_close(torch.cat([a, b]).detach(), torch.tensor([3 - 0.1 * 6, 3 - 0.5]))


# --- the recipe ----------------------------------------------------------------------------------------------


def test_the_halves_and_what_is_held_out_share_no_character():
    x, y, held_out = recipe.halves(3755)
    assert (len(x), len(y), len(held_out)) == (1500, 1500, 755)
    assert len(set(torch.cat([x, y, held_out]).tolist())) == 3755


def test_a_short_training_repeats_itself():
    settings = replace(recipe.PAGE, channels=4, n_blocks=1, n_steps=5, batch_size=4)
    x, y, ended = glyphs(12), glyphs(10, seed=5).roll(1, 2), []
    for _ in range(2):
        torch.manual_seed(0)
        model, average, judge = recipe.build(settings)
        before = [weight.clone() for weight in (*judge.parameters(), *average.model.parameters())]
        errors = torch.stack(list(recipe.fit(model, average, judge, settings, x, y)))
        assert errors.isfinite().all() and len(errors) == 5
        after = [*judge.parameters(), *average.model.parameters()]
        assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) > len(after) / 2
        assert all(weight.requires_grad for weight in judge.parameters())
        ended.append(errors)
    assert torch.equal(*ended)


def test_with_the_cycle_alone_the_way_back_is_learnt():
    """Without a discriminator's pull the translator becomes its own inverse."""
    settings = replace(recipe.PAGE, channels=8, n_blocks=1, n_steps=60, batch_size=8, cycle=1e4)
    torch.manual_seed(0)
    model, average, judge = recipe.build(settings)
    grey = [0.3 * glyphs(16, seed=seed).sign() for seed in (0, 3)]
    errors = list(recipe.fit(model, average, judge, settings, *grey))
    assert errors[-1] < 0.5 * errors[0]


def stripes(n, dim, seed=0):
    """Typefaces of strokes in one direction alone: 2 for rows, 3 for columns."""
    lines = seeded(n, 1, *((32, 1) if dim == 2 else (1, 32)), seed=seed).sign()
    return 0.5 * lines.expand(n, 1, 32, 32)


def test_the_discriminator_learns_what_is_real_and_the_translator_to_please_it():
    settings = replace(recipe.PAGE, channels=8, n_blocks=1, n_steps=60, batch_size=8)
    x, y = stripes(16, 2), stripes(16, 3, seed=3)

    def logits(judge, glyphs, of):
        return sum(part.mean().item() for part in judge(glyphs, torch.full((len(glyphs),), of)))

    torch.manual_seed(0)
    model, average, judge = recipe.build(settings)
    list(recipe.fit(model, average, judge, settings, x, y))
    with torch.no_grad():
        assert (
            logits(judge, y, KAI) > logits(judge, x, KAI) + 0.5 and logits(judge, x, HEI) > logits(judge, y, HEI) + 0.5
        )
    torch.manual_seed(0)
    model, average, judge = recipe.build(settings)
    with torch.no_grad():
        before = logits(judge, model(x, KAI), KAI) + logits(judge, model(y, HEI), HEI)
    list(recipe.fit(model, average, judge, replace(settings, faster=0.0, cycle=0.0), x, y))
    with torch.no_grad():  # before a judge that learns nothing
        assert logits(judge, model(x, KAI), KAI) + logits(judge, model(y, HEI), HEI) > before + 0.05


def test_a_further_loss_is_lowered_too():
    """An identity loss alone: what is in its typeface already is kept more nearly than by the untrained network."""
    settings = replace(recipe.PAGE, channels=8, n_blocks=1, n_steps=60, batch_size=8, cycle=0.0)
    torch.manual_seed(0)
    model, average, judge = recipe.build(settings)
    changes = []

    def identity(real, of):
        changes.append((model(real, of) - real).abs().mean())
        return 1e4 * changes[-1]

    grey = [0.3 * glyphs(16, seed=seed).sign() for seed in (0, 3)]
    list(recipe.fit(model, average, judge, settings, *grey, besides=identity))
    assert len(changes) == 60 and changes[-1] < 0.7 * changes[0]


# --- the study -----------------------------------------------------------------------------------------------


def test_the_study_has_a_row_for_each_task_variant_and_seed(monkeypatch):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    study = rooms.module("08_cyclegan", "study")
    for name, value in study.SHORT.items():
        monkeypatch.setattr(study, name, value)
    rows = study.run([0, 1])["rows"]
    variants = ("as it is", "moved and scaled", "scaled and softer", *study.WEIGHTS, "given pairs")
    wanted = [(seed, task, variant) for seed in (0, 1) for task in study.TASKS for variant in variants]
    assert [(row["seed"], row["task"], row["variant"]) for row in rows] == wanted
    assert all(0 < row["error"] < 1 and 0 <= row["retrieval"] <= 1 for row in rows)


def test_the_study_judges_characters_that_training_does_not_see_and_the_page_does_not_test(monkeypatch):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    study, seen, truths = rooms.module("08_cyclegan", "study"), [], []
    untrained = cyclegan.Translator()
    monkeypatch.setattr(study, "TASKS", {"hei to kai": ("hei", "kai")})
    monkeypatch.setattr(study, "unpaired", lambda recipe, x, y, *rest: seen.extend([x, y]) or untrained)
    monkeypatch.setattr(study, "paired", lambda recipe, x, y, seed: seen.append(y) or untrained)
    monkeypatch.setattr(cyclegan, "score", lambda guess, truth: truths.append(truth) or (0.5, 0.5))
    study.run([0])
    kai = data.hanzi("kai", device="cpu").images

    def which(x):
        distance, rows = metrics.nearest(x, kai)
        assert distance.max() < 0.05
        return set(rows[:, 0].tolist())

    in_hei, in_kai, held_out = (set(part.tolist()) for part in recipe.halves(len(kai)))
    judged, given = which(truths[0]), which(gan.to_grey(seen[-1]))
    assert len(judged) == study.N_JUDGED and judged | given == in_hei and not judged & (given | in_kai | held_out)
    assert which(gan.to_grey(seen[1])) == in_kai
