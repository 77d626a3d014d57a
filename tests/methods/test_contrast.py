"""Contrast against independent calculations: views, the encoder, NT-Xent, ranks, the probe; and its recipe."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from aigc_course import contrast
from aigc_course.plumbing import machine, rooms

recipe = rooms.recipe("contrast")


def seeded(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def blob(n=1, row=13.5, column=13.5, size=28):
    """Images of a smooth round spot at (row, column), which tells where a view moved it."""
    p = torch.arange(size, dtype=torch.float32)
    return torch.exp(-((p[:, None] - row) ** 2 + (p - column) ** 2) / 8).expand(n, 1, size, size)


def place(x):
    """The centre of mass of each image, (N, 2): row, column, from the middle, in pixels."""
    p = torch.arange(x.shape[-1]) - (x.shape[-1] - 1) / 2
    mass = x.sum(dim=(1, 2, 3))
    return torch.stack([(x.sum(dim=3)[:, 0] * p).sum(1) / mass, (x.sum(dim=2)[:, 0] * p).sum(1) / mass], dim=1)


# --- views ---------------------------------------------------------------------------------------------------


def test_views_of_no_strength_are_the_images():
    x = torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(contrast.views(x), x, atol=1e-4, rtol=0)


def test_views_stay_images_and_differ_within_a_batch():
    torch.manual_seed(0)
    x = torch.rand(1, 1, 12, 16).expand(6, -1, -1, -1)
    before = x.clone()
    v = contrast.views(x, **contrast.STRENGTHS)
    assert v.shape == x.shape and v.min() >= 0 and v.max() <= 1 + 1e-5 and torch.equal(x, before)
    assert torch.cdist(v.flatten(1), v.flatten(1)).fill_diagonal_(1).min() > 0.1


def test_a_turn_keeps_the_distance_from_the_middle_and_is_even_within_its_bound():
    torch.manual_seed(0)
    at = place(contrast.views(blob(2000, column=19.5), turn=0.5))  # 6 pixels right of the middle
    torch.testing.assert_close(at.norm(dim=1), torch.full((2000,), 6.0), atol=0.05, rtol=0)
    angle = torch.atan2(at[:, 0], at[:, 1])
    assert angle.abs().max() < 0.51 and angle.std().item() == pytest.approx(0.5 / math.sqrt(3), rel=0.05)


def test_a_shift_moves_by_shares_of_half_the_width():
    torch.manual_seed(0)
    at = place(contrast.views(blob(2000), shift=0.2)) / 14
    assert at.abs().max() < 0.2 + 1e-3 and abs(at.mean()) < 0.01
    torch.testing.assert_close(at.std(dim=0), torch.full((2,), 0.2 / math.sqrt(3)), rtol=0.06, atol=0)
    assert abs(torch.corrcoef(at.T)[0, 1]) < 0.1  # down and to the right by chances of their own


def test_what_comes_from_beside_an_image_is_black():
    torch.manual_seed(0)
    moved = contrast.views(torch.ones(50, 1, 28, 28), shift=0.5)
    assert moved.amin(dim=(1, 2, 3)).median() == 0 and moved.amax(dim=(1, 2, 3)).min() > 0.999


def test_turning_and_leaning_together_keep_areas():
    torch.manual_seed(0)
    x = blob(200)
    areas = contrast.views(x, turn=0.6, shear=0.6).sum(dim=(1, 2, 3))
    torch.testing.assert_close(areas, x.sum(dim=(1, 2, 3)), rtol=0.01, atol=0)


def test_scales_are_even_in_their_logarithm_and_of_each_side_alone():
    torch.manual_seed(0)
    at = place(contrast.views(blob(2000, row=19.5, column=19.5), scale=0.2)).div(6).log()
    assert at.abs().max() < 0.21
    torch.testing.assert_close(at.std(dim=0), torch.full((2,), 0.2 / math.sqrt(3)), rtol=0.06, atol=0)
    assert abs(torch.corrcoef(at.T)[0, 1]) < 0.1


def test_a_shear_leans_without_changing_heights():
    torch.manual_seed(0)
    at = place(contrast.views(blob(2000, row=19.5), shear=0.3))
    torch.testing.assert_close(at[:, 0], torch.full((2000,), 6.0), atol=0.05, rtol=0)
    assert at[:, 1].abs().max() < 1.85 and at[:, 1].std().item() == pytest.approx(1.8 / math.sqrt(3), rel=0.06)


def test_bending_fetches_from_beside_by_its_spread():
    torch.manual_seed(0)
    column = (torch.arange(28.0) / 28).expand(4000, 1, 28, 28)  # where a pixel is fetched from
    beside = 28 * contrast.views(column, bend=0.05)[:, 0, 9, [9, 13, 18]] - torch.tensor([9, 13, 18])
    nodes = beside[:, [0, 2]]  # the nodes of the 4 x 4 grid are at 0, 9, 18 and 27
    assert nodes.std().item() == pytest.approx(0.05 * 14, rel=0.05) and abs(nodes.mean()) < 0.03
    between = torch.corrcoef(beside.T)
    assert between[0, 2].abs() < 0.05 and between[0, 1] > 0.5  # smooth from node to node


def test_bending_is_of_each_direction_alone_and_has_no_kink():
    torch.manual_seed(0)
    places = torch.arange(28.0)
    ramp = ((places + places[:, None]) / 56).expand(4000, 1, 28, 28)  # bends down and to the right add up in it
    bent = 56 * contrast.views(ramp, bend=0.05)[:, 0, 9]
    assert bent[:, 9].std().item() == pytest.approx(math.sqrt(2) * 0.05 * 14, rel=0.05)
    kink = bent[:, 8] - 2 * bent[:, 9] + bent[:, 10]  # at a node; lines from node to node would have sqrt(6) / 9
    assert kink.std() < 0.5 * math.sqrt(6) / 9 * bent[:, 9].std()


def test_strokes_grow_and_shrink_by_a_pixel_at_most():
    torch.manual_seed(0)
    x = torch.zeros(500, 1, 9, 9)
    x[:, :, :, 3:6] = 1  # three pixels wide
    width = contrast.views(x, thick=1.0).sum(dim=(1, 2, 3)) / 9
    assert width.min() >= 1 - 1e-4 and width.max() <= 5 + 1e-4
    assert width.min() < 1.1 and width.max() > 4.9 and width.mean().item() == pytest.approx(3, abs=0.2)


def test_views_takes_images_alone():
    for shape in ((3, 784), (3, 28, 28)):
        with pytest.raises(ValueError, match=re.escape(str(shape))):
            contrast.views(torch.zeros(shape))


# --- the encoder ---------------------------------------------------------------------------------------------


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return contrast.Encoder(4, 1, mean=0.1, spread=0.3).eval()


def test_features_are_of_each_image_alone(encoder):
    x = torch.rand(6, 1, 28, 28)
    z = encoder(x)
    assert z.shape == (6, 16) == (6, encoder.width)
    torch.testing.assert_close(encoder(x[2:3]), z[2:3], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(contrast.embed(encoder, x, batch_size=4), z.detach(), atol=1e-5, rtol=1e-4)


def test_grey_values_are_standardised_first(encoder):
    other = contrast.Encoder(4, 1).eval()
    other.load_state_dict(encoder.state_dict())
    x = torch.rand(3, 1, 12, 12)
    torch.testing.assert_close(other((x - 0.1) / 0.3), encoder(x))


def test_a_block_adds_to_what_passes_by():
    block, x = contrast.Block(3), seeded(8, 3, 4, 4)
    torch.nn.init.zeros_(block.last.weight)
    torch.testing.assert_close(block(x), x)
    block(x).square().sum().backward()
    assert block.last.weight.grad.abs().max() > 0


def test_the_network_is_that_of_its_description():
    def normed(x):
        var, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0, keepdim=True)
        return F.silu((x - mean) / (var + 1e-5).sqrt())

    def through(block, x):
        h = F.conv2d(normed(x), block.first.weight, padding=1)
        return x + F.conv2d(normed(h), block.last.weight, padding=1)

    torch.manual_seed(0)
    net, x = contrast.Encoder(4, 2).double(), seeded(6, 1, 20, 16, dtype=torch.float64)
    pixels = torch.stack([x[:, 0, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)
    h = through(net.fine, F.conv2d(pixels, net.first.weight, net.first.bias, padding=1))
    h = F.conv2d(h, net.down.weight, net.down.bias, stride=2)
    assert net.down.weight.shape == (8, 4, 2, 2) and len(net.coarse) == 2
    for block in net.coarse:
        h = through(block, h)
    h = F.conv2d(normed(h), net.last.weight, net.last.bias, stride=2)
    found = net(x)
    torch.testing.assert_close(found, normed(h).mean(dim=(2, 3)))
    found.square().sum().backward()
    assert all(weight.grad is not None for weight in net.parameters())


def test_in_training_a_batch_is_standardised_and_afterwards_images_stand_alone(encoder):
    encoder.norm_1.register_forward_hook(lambda module, given, made: seen.append(made))
    x, seen = torch.rand(32, 1, 28, 28), []
    encoder.train()(x)
    torch.testing.assert_close(seen[0].mean(dim=(0, 2, 3)), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[0].std(dim=(0, 2, 3)), torch.ones(8), atol=1e-2, rtol=0)


def test_embedding_is_in_eval_mode_in_parts_without_gradients_and_in_the_precision_asked_for():
    class Model(torch.nn.Linear):
        def forward(self, x):
            seen.append((len(x), self.training, torch.is_autocast_enabled("cpu")))
            return super().forward(x.flatten(1))

    model, x, seen = Model(4, 3), torch.rand(7, 1, 2, 2), []
    z = contrast.embed(model, x, autocast=torch.autocast("cpu", torch.bfloat16), batch_size=3)
    assert seen == [(3, False, True), (3, False, True), (1, False, True)] and model.training
    assert z.dtype == torch.float32 and not z.requires_grad and torch.equal(z, z.bfloat16().float())


def test_each_optimizer_has_its_own_rate():
    for bf16, dtype in ((False, None), (True, torch.bfloat16)):
        muon, adamw = contrast.optimizers(contrast.Encoder(8, 1), 0.004, 0.05, bf16=bf16)
        assert muon.dtype is dtype and muon.param_groups[0]["lr"] == 0.05
        assert adamw.param_groups[0]["lr"] == 0.004 and adamw.param_groups[0]["betas"] == (0.9, 0.99)


def test_every_weight_is_given_to_one_optimizer():
    model = torch.nn.Sequential(contrast.Encoder(8, 1), contrast.two_layers(32, 5))
    muon, adamw = contrast.optimizers(model)
    inside, rest = ({id(w) for w in weights} for weights in (muon.kernels, adamw.param_groups[0]["params"]))
    assert inside == {id(w) for w in model.parameters() if w.ndim == 4} - {id(model[0].first.weight)}
    assert not inside & rest and inside | rest == {id(w) for w in model.parameters()}


# --- the loss ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.1, 0.5, 3.0])
def test_the_loss_is_equation_1(temperature):
    z_1, z_2 = seeded(2, 5, 3, dtype=torch.float64).unbind()
    views = np.stack([z_1.numpy(), z_2.numpy()], axis=1).reshape(10, 3)  # 2k and 2k + 1 are one image, as in the paper
    length = np.linalg.norm(views, axis=1)
    similar = np.exp(views @ views.T / np.outer(length, length) / temperature)
    each = [-math.log(similar[i, i ^ 1] / sum(similar[i, k] for k in range(10) if k != i)) for i in range(10)]
    assert contrast.nt_xent(z_1, z_2, temperature).item() == pytest.approx(np.mean(each), rel=1e-9)


def test_views_that_cannot_be_told_apart_cost_the_logarithm_of_the_others():
    same = seeded(1, 4).expand(6, -1)
    assert contrast.nt_xent(same, 2 * same, 0.2).item() == pytest.approx(math.log(11), abs=1e-5)


def test_no_embedding_is_better_than_a_simplex_of_aligned_pairs():
    N, temperature = 5, 0.3
    simplex = torch.eye(N, dtype=torch.float64) - 1 / N
    least = math.log1p(2 * (N - 1) * math.exp(-N / (N - 1) / temperature))
    assert contrast.nt_xent(simplex, simplex, temperature).item() == pytest.approx(least, rel=1e-9)
    for seed in range(50):
        z_1, z_2 = simplex + 0.3 * seeded(2, N, N, seed=seed, dtype=torch.float64)
        assert contrast.nt_xent(z_1, z_2, temperature) > least


def test_the_gradient_agrees_with_differences():
    z = seeded(2, 3, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: contrast.nt_xent(*z, 0.5), z)


def test_views_must_come_in_pairs():
    for a, b in ((torch.zeros(3, 2), torch.zeros(2, 2)), (torch.zeros(3), torch.zeros(3))):
        with pytest.raises(ValueError, match="must be"):
            contrast.nt_xent(a, b)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_effective_rank_counts_directions_of_equal_spread(rank):
    z = torch.cat([torch.eye(rank), -torch.eye(rank)]) @ torch.linalg.qr(seeded(8, 8))[0][:rank]
    assert contrast.effective_rank(3 * z + 7) == pytest.approx(rank, rel=1e-4)
    assert contrast.effective_rank(1e-3 * (z + torch.arange(8))) == pytest.approx(rank, rel=1e-3)  # wherever


def test_the_effective_rank_of_unequal_spreads_and_of_a_point():
    z = torch.diag(torch.tensor([1.0, 2.0]))
    z = torch.cat([z, -z])  # eigenvalues 1 and 4: shares 0.2 and 0.8
    assert contrast.effective_rank(z) == pytest.approx(math.exp(-0.2 * math.log(0.2) - 0.8 * math.log(0.8)), rel=1e-5)
    assert contrast.effective_rank(torch.ones(5, 3)) == pytest.approx(1)


# --- the probe -----------------------------------------------------------------------------------------------


def test_few_labels_are_as_many_of_each_class_and_new_with_each_seed():
    labels = torch.arange(200) % 10
    rows = contrast.few(labels, 50, seed=3)
    assert labels[rows].bincount().tolist() == [5] * 10 and len(rows.unique()) == 50
    assert rows.max() >= 150 and (labels % 4)[contrast.few(labels % 4, 8, 0, 4)].bincount().tolist() == [2] * 4
    assert contrast.few(torch.arange(60) % 12, 24, 0, 12).remainder(12).bincount().tolist() == [2] * 12
    assert torch.equal(rows, contrast.few(labels, 50, seed=3))
    assert not torch.equal(rows, contrast.few(labels, 50, seed=4))
    with pytest.raises(ValueError, match="15 labels"):
        contrast.few(labels, 15)
    with pytest.raises(ValueError, match="210 labels"):
        contrast.few(labels, 210)  # there are 200


@pytest.mark.skipif(not machine.fast_bf16(), reason="bfloat16 is emulated here, and is not used")
def test_the_loss_is_as_exact_under_autocast():
    """Its product of all views with all is not in bfloat16, which has three digits."""
    z = seeded(2, 64, 16)
    with torch.autocast("cpu", torch.bfloat16):
        half = contrast.nt_xent(*z, 0.1)
    torch.testing.assert_close(half, contrast.nt_xent(*z, 0.1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("l2", [0.001, 0.01, 1.0])
def test_the_probe_is_scikit_learns_logistic_regression(l2):
    from sklearn.linear_model import LogisticRegression

    x, y = 3 * seeded(60, 5) + 1, torch.arange(60) % 4
    x += seeded(4, 5, seed=1)[y]
    x *= torch.tensor([0.2, 1.0, 2.0, 5.0, 9.0])
    spread = x.std(0, correction=0)
    scaled = ((x - x.mean(0)) / (spread + spread.square().mean() ** 0.5)).numpy()
    theirs = LogisticRegression(C=1 / (l2 * 60), tol=1e-8, max_iter=5000).fit(scaled, y.numpy())
    ours = contrast.probe(x, y, l2, n_classes=4)
    np.testing.assert_allclose(ours(x).softmax(1).numpy(), theirs.predict_proba(scaled), atol=5e-4)


def test_the_probe_takes_more_features_than_labels_and_constant_ones():
    x, y = torch.cat([seeded(20, 30), torch.full((20, 2), 0.7)], dim=1), torch.arange(20) % 10
    layer = contrast.probe(x, y, 1e-3)
    assert (layer(x).argmax(1) == y).all() and (layer.weight[:, 30:].abs() < 1e-6).all()
    assert not layer.weight.requires_grad


def test_the_probe_does_not_depend_on_the_unit_of_the_features_and_of_nothing_learns_nothing():
    x, y = seeded(40, 6), torch.arange(40) % 10
    found = contrast.probe(x, y)(x)
    for unit in (1e-4, 1e3):
        torch.testing.assert_close(contrast.probe(unit * x, y)(unit * x), found, atol=1e-3, rtol=0)
    same = torch.full((40, 6), 0.7)
    torch.testing.assert_close(contrast.probe(same, y)(same).softmax(1), torch.full((40, 10), 0.1), atol=1e-4, rtol=0)


# --- the recipe ----------------------------------------------------------------------------------------------


def test_the_rates_rise_stay_and_fall():
    found = [recipe.rate(step, recipe.PAGE) for step in range(recipe.PAGE.n_steps)]
    assert found[0] == 0.02 and found[49] == max(found) == 1 and 0 < found[-1] < 0.01


@pytest.mark.parametrize("task", ["contrast", "rotation", "masking", "labels"])
def test_a_short_training_repeats_itself(task):
    settings = replace(recipe.PAGE, task=task, channels=4, n_blocks=1, n_steps=6, batch_size=16)
    images, ended = torch.rand(40, 1, 16, 16, generator=torch.Generator().manual_seed(0)) ** 2, []
    for _ in range(2):
        torch.manual_seed(0)
        model, average = recipe.build(settings, images)
        start = average.model[0].first.weight.clone()
        losses = torch.stack(list(recipe.fit(model, average, settings, images, torch.arange(40) % 10)))
        assert losses.isfinite().all() and not torch.equal(average.model[0].first.weight, start)
        ended.append(losses)
    assert torch.equal(*ended)
    first = {"contrast": math.log(31), "rotation": math.log(4), "labels": math.log(10)}
    assert task not in first or losses[0] == pytest.approx(first[task], abs=0.5)


def test_the_rate_is_a_fiftieth_more_with_each_step_and_falls_in_a_line():
    settings = replace(recipe.PAGE, n_steps=200, fall=0.5)
    steps = np.arange(200)
    expected = np.interp(steps, [-1, 49, 100, 200], [0, 1, 1, 0])
    np.testing.assert_allclose([recipe.rate(int(step), settings) for step in steps], expected, rtol=1e-12)


@pytest.mark.parametrize("task", ["contrast", "rotation", "masking", "labels"])
def test_every_task_is_given_a_view_of_each_image(task, monkeypatch):
    monkeypatch.setattr(contrast, "views", lambda x, **strengths: x / 2)
    settings, seen = replace(recipe.PAGE, task=task, hidden=0.3), []
    x = torch.linspace(0.4, 1, 24)[:, None, None, None] * torch.ones(1, 1, 12, 20 if task == "masking" else 12)

    def model(v):
        seen.append(v)
        return torch.zeros(len(v), x[0].numel()) if task == "masking" else torch.eye(len(v))

    loss = recipe.loss_of(model, settings, x, torch.arange(24) % 10)
    light = seen[0].flatten(1).amax(dim=1).view(-1, 24)
    torch.testing.assert_close(light, (x[:, 0, 0, 0] / 2).expand(2 if task == "contrast" else 1, -1))
    if task == "masking":  # patches of four by four, of which 3 in 10 are hidden, each image's own
        hidden = seen[0] == 0
        assert loss.item() == pytest.approx((x.expand_as(hidden)[hidden] / 2).square().mean().item(), rel=1e-5)
        assert hidden.float().mean().item() == pytest.approx(0.3, abs=0.07) and len(hidden.unique(dim=0)) > 12


def test_a_flip_mirrors_half_of_the_views(monkeypatch):
    monkeypatch.setattr(contrast, "views", lambda x, **strengths: x / 2)
    x, seen = torch.rand(400, 1, 8, 8), []

    def model(v):
        seen.append(v)
        return torch.zeros(400, 10)

    for changes in ("flip", ""):
        recipe.loss_of(model, replace(recipe.PAGE, task="labels", changes=changes), x, torch.arange(400) % 10)
    same, mirrored = (torch.isclose(seen[0], y, atol=1e-4).flatten(1).all(dim=1) for y in (x / 2, x.flip(3) / 2))
    assert (same ^ mirrored).all() and mirrored.float().mean().item() == pytest.approx(0.5, abs=0.1)
    torch.testing.assert_close(seen[1], x / 2, atol=1e-4, rtol=0)


def test_few_images_are_repeated_to_fill_a_batch_and_seeds_make_other_orders(monkeypatch):
    batches = []
    monkeypatch.setattr(recipe, "loss_of", lambda model, settings, x, y: batches.append(y) or model[1].weight.sum())
    settings = replace(recipe.PAGE, task="labels", channels=4, n_blocks=1, n_steps=2, batch_size=25)
    for seed in (0, 1):
        images = torch.rand(10, 1, 12, 12)
        model, average = recipe.build(settings, images)
        list(recipe.fit(model, average, settings, images, torch.arange(10), seed=seed))
    assert all(y.bincount(minlength=10).max() <= 3 for y in batches) and not torch.equal(batches[0], batches[2])


def test_the_first_steps_are_those_of_the_rates_and_of_fresh_gradients(monkeypatch):
    """Of a constant gradient AdamW steps by its rate, and shrinks weights by a hundredth of it."""
    monkeypatch.setattr(recipe, "loss_of", lambda model, settings, x: model[1][2].bias.sum())
    settings = replace(recipe.PAGE, channels=4, n_blocks=1, n_steps=100, batch_size=4)
    images = torch.rand(8, 1, 12, 12)
    model, average = recipe.build(settings, images)
    with torch.no_grad():
        model[1][2].bias.zero_()
    expected = 0.0
    for step, loss in enumerate(recipe.fit(model, average, settings, images)):
        rate = settings.lr * recipe.rate(step, settings)
        expected = expected * (1 - 0.01 * rate) - rate
        assert model[1][2].bias.grad.unique().item() == 1 and not loss.requires_grad
        torch.testing.assert_close(model[1][2].bias.detach(), torch.full((64,), expected), rtol=1e-4, atol=1e-7)


def test_a_training_computes_in_the_precision_asked_for(monkeypatch):
    seen = []
    optimizers = contrast.optimizers
    monkeypatch.setattr(contrast, "optimizers", lambda *args, bf16: seen.append(bf16) or optimizers(*args))
    settings = replace(recipe.PAGE, channels=4, n_blocks=1, n_steps=1, batch_size=4)
    images = torch.rand(8, 1, 12, 12)
    model, average = recipe.build(settings, images)
    model[0].register_forward_hook(lambda module, given, made: seen.append(torch.is_autocast_enabled("cpu")))
    list(recipe.fit(model, average, settings, images, autocast=torch.autocast("cpu", torch.bfloat16), bf16=True))
    assert seen == [True, True]


def test_rotation_says_how_often_an_image_was_turned():
    """A model that compares with the four turns of a T, centred, tells them all; the loss is then nearly 0."""
    settings, x = replace(recipe.PAGE, task="rotation", changes=""), torch.zeros(50, 1, 28, 28)
    x[:, 0, 5:7, 8:20] = x[:, 0, 5:19, 13:15] = 1.0
    turned = torch.cat([contrast.centred(x[:1]).rot90(k, (2, 3)) for k in range(4)])  # against the clock

    def model(v):
        logits = -(v - turned.transpose(0, 1)).square().sum(dim=(2, 3))  # (B, 4)
        assert logits.argmax(1).unique().tolist() == [0, 1, 2, 3]
        return logits

    assert recipe.loss_of(model, settings, x) < 1e-3


def test_rotation_cannot_be_told_by_where_the_ink_lies():
    """Wherever a spot lies in the image, after centring its turns are one: no answer is better than log 4."""
    settings = replace(recipe.PAGE, task="rotation", changes="")

    def model(x):
        ink = x.double()
        top, bottom = ink[:, 0, :14].sum(dim=(1, 2)), ink[:, 0, 14:].sum(dim=(1, 2))
        left, right = ink[:, 0, :, :14].sum(dim=(1, 2)), ink[:, 0, :, 14:].sum(dim=(1, 2))
        return 10 * torch.stack([top, left, bottom, right], dim=1)

    for row in (9.0, 14.0, 18.0):
        assert recipe.loss_of(model, settings, blob(50, row=row)).item() == pytest.approx(math.log(4), abs=1e-3)


def test_centred_moves_the_centre_of_mass_to_the_middle():
    """As SciPy's bilinear shift does, and in the same way wherever the same shape lies."""
    x = torch.zeros(1, 1, 28, 20)
    x[0, 0, 9:15, 4:7], x[0, 0, 9:11, 4:12] = 0.5, 1.0
    down, right = ndimage.center_of_mass(x[0, 0].numpy())
    expected = ndimage.shift(x[0, 0].numpy(), (13.5 - down, 9.5 - right), order=1)
    found = contrast.centred(x)
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-5)
    np.testing.assert_allclose(ndimage.center_of_mass(found[0, 0].numpy()), (13.5, 9.5), atol=1e-4)
    torch.testing.assert_close(contrast.centred(x.roll((3, -2), (2, 3))), found, rtol=0, atol=1e-5)
    torch.testing.assert_close(contrast.centred(found), found, rtol=0, atol=1e-4)
    several = contrast.centred(torch.cat([x, x.roll(3, 2), torch.zeros_like(x)]))  # each by its own centre
    torch.testing.assert_close(several, torch.cat([found, found, torch.zeros_like(x)]), rtol=0, atol=1e-5)


def test_a_change_that_is_misspelt_is_no_change_unseen():
    settings = replace(recipe.PAGE, task="labels", changes="trun scale")
    with pytest.raises(KeyError, match="trun"):
        recipe.loss_of(lambda v: torch.zeros(len(v), 10), settings, torch.rand(2, 1, 28, 28), torch.zeros(2).long())


def test_ten_images_fill_a_batch_of_fifty_each_as_often(monkeypatch):
    """And with its own label, in each step."""
    settings = replace(recipe.RIVAL, n_steps=2, channels=8, n_blocks=1)
    images, labels, seen = torch.rand(10, 1, 28, 28), torch.arange(10), []
    model, average = recipe.build(settings, images)

    def loss_of(model, settings, x, y):
        seen.append((x, y))
        return model(x).square().mean()

    monkeypatch.setattr(recipe, "loss_of", loss_of)
    assert len(list(recipe.fit(model, average, settings, images, labels))) == 2
    for x, y in seen:
        assert y.bincount().tolist() == [5] * 10 and torch.equal(x, images[y])


def test_masking_hides_half_and_asks_for_the_hidden_alone():
    settings, seen = replace(recipe.PAGE, task="masking", changes=""), []
    x = torch.rand(200, 1, 28, 28) * 0.5 + 0.5

    def model(v):
        seen.append(v)
        return torch.where(v == 0, 0.25, 99.0).flatten(1)  # wrong wherever it is not asked

    loss = recipe.loss_of(model, settings, x)
    hidden = seen[0] == 0
    assert hidden.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert torch.equal(hidden[:, :, ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3), hidden)
    assert loss.item() == pytest.approx((x[hidden] - 0.25).square().mean().item(), rel=1e-3)


def test_the_two_views_of_an_image_are_the_pair():
    """Without augmentation both views are the image: where images are far apart the loss is at its least."""
    settings = replace(recipe.PAGE, changes="", temperature=0.1)
    x = torch.eye(4).view(4, 1, 2, 2)
    assert recipe.loss_of(lambda v: v.flatten(1), settings, x).item() == pytest.approx(
        F.softplus(torch.tensor(math.log(6) - 10)).item(), rel=0.05
    )
