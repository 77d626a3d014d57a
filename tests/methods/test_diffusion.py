"""Diffusion against independent calculations: the angle, DDPM's and flow matching's steps, exact walks, the bound."""

import copy
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal, kl_divergence

from aigc_course import diffusion, optim
from aigc_course.plumbing import rooms

recipe = rooms.recipe("diffusion")
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)  # Ho et al. (2020), section 4
ALPHA_BAR = (1 - BETAS).cumprod(0)


def seeded(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def known(x_0):
    """A model that knows the image: eps follows from x = cos x_0 + sin eps, and v = cos eps - sin x_0."""

    def model(x, angle):
        c, s = (f(angle).view(-1, *[1] * (x.ndim - 1)) for f in (torch.cos, torch.sin))
        return c * (x - c * x_0) / s - s * x_0

    return model


def gaussian(mean, covariance):
    """The best velocity for data from N(mean, covariance): E[x_0 | x] by the rule for jointly normal vectors."""

    def model(x, angle):
        c, s = angle[0].cos().to(x), angle[0].sin().to(x)
        gain = c * covariance @ torch.linalg.inv(c**2 * covariance + s**2 * torch.eye(len(mean)).to(x))
        x_0 = mean + (x - c * mean) @ gain.T
        return c * (x - c * x_0) / s - s * x_0

    return model


@pytest.fixture
def model():
    return stirred(diffusion.UNet(4, 1, 3, mean=0.5, spread=0.2, size=(8, 12)))


def stirred(model, seed=0):
    """The network with other weights, so that nothing in it is zero."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model


# --- the angle -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_parts_undo_noised(dtype):
    x_0, eps = seeded(2, 5, 1, 3, 4, dtype=dtype)
    for angle in (torch.rand(5) * math.pi / 2, torch.tensor(0.4), 1.1):
        found = diffusion.parts(*diffusion.noised(x_0, eps, angle), angle)
        torch.testing.assert_close(found, (x_0, eps), atol=1e-6, rtol=1e-6)


def test_an_angle_of_zero_is_the_image_and_a_right_angle_the_noise():
    x_0, eps = seeded(2, 3, 2)
    torch.testing.assert_close(diffusion.noised(x_0, eps, 0.0), (x_0, eps))
    torch.testing.assert_close(diffusion.noised(x_0, eps, math.pi / 2), (eps, -x_0))


def test_each_image_has_its_own_angle():
    x_0, eps = seeded(2, 3, 3)  # as many pixels as images: a mistaken axis would pass unseen
    angles = torch.tensor([0.1, 0.7, 1.3])
    alone = [diffusion.noised(x_0[i : i + 1], eps[i : i + 1], angles[i]) for i in range(3)]
    torch.testing.assert_close(diffusion.noised(x_0, eps, angles), tuple(map(torch.cat, zip(*alone, strict=True))))


def test_the_velocity_is_the_derivative_by_the_angle():
    x_0, eps = seeded(2, 6, 5, dtype=torch.float64)
    angles = torch.linspace(0.05, 1.5, 6, requires_grad=True)
    x, v = diffusion.noised(x_0, eps, angles)
    slopes = [torch.autograd.grad(x[:, i].sum(), angles, retain_graph=True)[0] for i in range(5)]
    torch.testing.assert_close(v.float(), torch.stack(slopes, dim=1), atol=1e-6, rtol=1e-6)


def test_the_chain_of_ddpm_is_one_jump_to_its_angle():
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(BETAS.tolist()):
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        if t % 100 == 0:
            angle = ALPHA_BAR[t].sqrt().acos()
            one, none = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
            assert diffusion.noised(one, none, angle)[0].item() == pytest.approx(mean, abs=1e-6)
            assert diffusion.noised(none, one, angle)[0].item() ** 2 == pytest.approx(variance, abs=1e-6)


def test_times_on_the_straight_path_are_even():
    angles = torch.tensor(diffusion.straight(7), dtype=torch.float64)
    times = angles.sin() / (angles.sin() + angles.cos())
    torch.testing.assert_close(times, torch.linspace(1, 0, 8, dtype=torch.float64))
    assert angles[-1] == 0  # exactly, since there no noise is added


def test_angles_that_do_not_fit_are_named():
    x = torch.zeros(3, 4)
    for angle in (torch.zeros(2), torch.zeros(1), torch.zeros(3, 1), torch.zeros(3, 4)):
        for f in (diffusion.noised, diffusion.parts):
            with pytest.raises(ValueError, match=r"must be one number or \(3,\)"):
                f(x, x, angle)


# --- walks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("angles", [[math.pi / 2, 0.0], [1.2, 0.0], diffusion.straight(5)], ids=["jump", "part", "5"])
def test_a_network_that_knows_the_image_finds_it(fresh, angles):
    x_0 = seeded(4, 1, 2, 3)
    found = diffusion.walk(known(x_0), seeded(4, 1, 2, 3, seed=1), angles, fresh)
    torch.testing.assert_close(found, x_0, atol=1e-5, rtol=0)


@pytest.mark.parametrize("t", [1, 30, 500, 999])
def test_the_share_of_ddpm_gives_its_posterior(t):
    """Ho et al. (2020), equation 7: the mean and the variance of x_{t-1}, given x_t and x_0."""
    beta, now, before = BETAS[t].item(), ALPHA_BAR[t].item(), ALPHA_BAR[t - 1].item()
    x_0, x = -0.7, 1.3
    mean = math.sqrt(before) * beta / (1 - now) * x_0 + math.sqrt(1 - beta) * (1 - before) / (1 - now) * x
    sigma = math.sqrt((1 - before) / (1 - now) * beta)
    torch.manual_seed(t)
    n, angles = 100_000, [math.acos(math.sqrt(now)), math.acos(math.sqrt(before))]
    found = diffusion.walk(known(x_0), torch.full((n, 1), x), angles, sigma / math.sqrt(1 - before))
    assert abs(found.mean().item() - mean) < 5 * sigma / math.sqrt(n) + 1e-5
    assert found.std().item() == pytest.approx(sigma, rel=5 / math.sqrt(2 * n))


MEAN = torch.tensor([1.0, -0.5])
COVARIANCE = torch.tensor([[0.5, 0.3], [0.3, 0.4]])


def assert_moments(x, mean, covariance, slack=0.0):
    noise = 5 * covariance.diagonal().max().item() / math.sqrt(len(x))
    torch.testing.assert_close(x.mean(0), mean, atol=noise + slack, rtol=0)
    torch.testing.assert_close(x.T.cov(), covariance, atol=2 * noise + slack, rtol=0)


def test_without_fresh_noise_the_exact_network_draws_the_data():
    x = diffusion.walk(gaussian(MEAN, COVARIANCE), seeded(40_000, 2), diffusion.straight(100))
    assert_moments(x, MEAN, COVARIANCE, slack=0.005)


def test_with_the_shares_of_ddpm_the_exact_network_draws_the_data():
    angles = [*ALPHA_BAR.sqrt().acos().flip(0)[::4].tolist(), 0.0]
    torch.manual_seed(0)
    x = torch.randn(40_000, 2)
    for angle, after in pairwise(angles):  # sigma² of Song et al. (2021), equation 16, eta = 1
        beta = 1 - (math.cos(angle) / math.cos(after)) ** 2
        share = min(1.0, math.sqrt(beta) / math.sin(angle))
        x = diffusion.walk(gaussian(MEAN, COVARIANCE), x, [angle, after], share)
    assert_moments(x, MEAN, COVARIANCE, slack=0.01)


@pytest.mark.parametrize("fresh", [0.5, 1.0])
def test_a_fixed_share_gives_the_moments_of_equation_12(fresh):
    """The exact network is linear, so that mean and covariance follow from step to step without a draw."""
    angles = diffusion.straight(12)
    mean, covariance, eye = torch.zeros(2), torch.eye(2), torch.eye(2)
    for angle, after in pairwise(angles):
        a, a_next = math.cos(angle) ** 2, math.cos(after) ** 2  # alpha_bar
        sigma = fresh * math.sqrt(1 - a_next)
        gain = math.sqrt(a) * COVARIANCE @ torch.linalg.inv(a * COVARIANCE + (1 - a) * eye)
        along = math.sqrt(max(0.0, 1 - a_next - sigma**2) / (1 - a))  # of x - sqrt(a) x_0
        push = (math.sqrt(a_next) - along * math.sqrt(a)) * gain + along * eye
        offset = (math.sqrt(a_next) - along * math.sqrt(a)) * (MEAN - math.sqrt(a) * gain @ MEAN)
        mean, covariance = push @ mean + offset, push @ covariance @ push.T + sigma**2 * eye
    torch.manual_seed(0)
    x = diffusion.walk(gaussian(MEAN, COVARIANCE), torch.randn(40_000, 2), angles, fresh)
    assert_moments(x, mean, covariance)
    torch.testing.assert_close(mean, MEAN, atol=1e-4, rtol=0)
    assert (covariance.diagonal() < COVARIANCE.diagonal()).all()  # but too narrow, and more so the larger the share


def test_without_fresh_noise_a_walk_is_euler_on_the_straight_path(model):
    """Lipman et al. (2023): z = (1 - t) x_0 + t eps, dz/dt = eps - x_0; x is z, divided by |(1 - t, t)|."""
    x = seeded(3, 1, 8, 12)
    labels, n = torch.tensor([0, 3, 1]), 9
    found = diffusion.walk(model, x, diffusion.straight(n), 0.0, labels)
    z = x.double()
    with torch.no_grad():
        for i in range(n):
            t = 1 - i / n
            norm = math.hypot(1 - t, t)
            angle = torch.full((3,), math.atan2(t, 1 - t))
            v = model((z / norm).float(), angle, labels)
            c, s = (1 - t) / norm, t / norm
            z = z - ((s * z / norm + c * v) - (c * z / norm - s * v)) / n
    torch.testing.assert_close(found, z.float(), atol=1e-5, rtol=1e-5)


def test_the_last_step_adds_no_noise():
    x, ended = seeded(50, 3), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        state = diffusion.walk(known(0.3), x, [1.3, 0.8], 0.7)
        ended.append((state, diffusion.walk(lambda x, angle: x.sin(), x, [0.8, 0.0], 0.7)))
    assert not torch.equal(ended[0][0], ended[1][0]) and torch.equal(ended[0][1], ended[1][1])
    generator = torch.get_rng_state()
    diffusion.walk(known(0.3), x, [1.3, 0.0], 0.7)
    diffusion.walk(known(0.3), x, [1.3, 0.8, 0.0], 0.0)
    assert torch.equal(generator, torch.get_rng_state())  # nothing is drawn that is not used


def test_half_precision_stays_in_the_network():
    x = seeded(5, 4)
    found = diffusion.walk(lambda x, angle: (x * 0.3).bfloat16(), x, diffusion.straight(3))
    assert found.dtype is torch.float32 and not found.requires_grad


@pytest.mark.parametrize("fresh", [-0.1, 1.01, math.nan])
def test_a_share_outside_its_range_is_named(fresh):
    with pytest.raises(ValueError, match="it is from 0 to 1"):
        diffusion.walk(known(0.0), torch.zeros(1, 1), [1.0, 0.0], fresh)


# --- the network ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (4, 12)])
def test_the_network_starts_at_zero_and_keeps_the_shape(size):
    model, x = diffusion.UNet(8, 2), seeded(2, 1, *size)
    assert torch.equal(model(x, torch.rand(2)), torch.zeros_like(x))
    assert stirred(model)(x, torch.rand(2)).shape == x.shape


def test_the_finest_maps_are_half_the_images_size_and_the_coarse_ones_twice_as_many():
    model, seen = diffusion.UNet(8, 2), {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, given, out, name=name: seen.update({name: tuple(out.shape)}))
    model(torch.zeros(3, 1, 28, 20), torch.zeros(3))
    assert seen["first"] == seen["fine_1"] == seen["up"] == seen["fine_2"] == (3, 8, 14, 10)
    assert seen["down"] == seen["coarse.0"] == seen["coarse.1"] == (3, 16, 7, 5)
    assert len(model.coarse) == 2 and seen["level"] == (3, 32)
    page = diffusion.UNet()
    assert page.size == (28, 28) and page.grey.tolist() == [0, 1] and page.first.out_channels == 32
    assert len(page.coarse) == 3


def test_an_image_does_not_see_its_neighbours_in_the_batch(model):
    x, angle, y = seeded(4, 1, 8, 12), torch.linspace(0.1, 1.5, 4), torch.tensor([0, 3, 1, 2])
    alone = torch.cat([model(x[i : i + 1], angle[i : i + 1], y[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(model(x, angle, y), alone, atol=1e-5, rtol=1e-4)


def test_levels_are_cosines_and_sines_of_octaves():
    level, seen = diffusion.Level(6), []
    level.first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    out, angle = level(torch.tensor([0.2, 1.1])), np.array([[0.2], [1.1]])
    times = np.array([1, 2, 4, 8, 16, 32, 64, 128])
    expected = torch.tensor(np.concatenate([np.cos(times * angle), np.sin(times * angle)], axis=1)).float()
    torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(out, F.silu(level.last(F.silu(level.first(expected)))), atol=1e-4, rtol=1e-4)


def test_a_label_is_added_to_the_level():
    level = diffusion.Level(6, 3)
    angle, y = torch.tensor([0.2, 1.1]), torch.tensor([3, 1])  # 3, the number of classes, is none
    with torch.no_grad():
        level.last.weight.zero_()
    torch.testing.assert_close(level(angle, y), F.silu(level.last.bias + level.label.weight[[3, 1]]))
    with pytest.raises(IndexError):
        level(angle, torch.tensor([4, 0]))


def test_labels_change_the_velocities(model):
    x, angle = seeded(1, 1, 8, 12).expand(4, -1, -1, -1), torch.full((4,), 0.8)
    out = model(x, angle, torch.arange(4))
    assert all((out[i] - out[j]).abs().max() > 1e-4 for i in range(4) for j in range(i))
    assert model.n_classes == 3 and diffusion.UNet(4, 1).level.label is None


def test_a_block_starts_as_the_identity_and_is_scaled_and_shifted_between_its_convolutions():
    block, x, e = diffusion.Block(3, 5), seeded(2, 3, 6, 6), seeded(2, 5, seed=1)
    torch.testing.assert_close(block(x, e), x)
    stirred(block)
    h, (a, b) = F.conv2d(x * x.sigmoid(), block.first.weight, block.first.bias, padding=1), block.level(e).split(3, 1)
    h = torch.stack([h[i] + h[i] * a[i].view(3, 1, 1) + b[i].view(3, 1, 1) for i in range(2)])
    expected = x + F.conv2d(h * h.sigmoid(), block.last.weight, block.last.bias, padding=1)
    torch.testing.assert_close(block(x, e), expected)


def test_every_weight_has_an_effect(model):
    model(seeded(2, 1, 8, 12), torch.tensor([0.3, 1.2]), torch.tensor([1, 3])).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_the_way_past_the_coarse_maps_and_the_way_through_them(model):
    x, angle, y = seeded(2, 1, 8, 12), torch.tensor([0.3, 1.2]), torch.tensor([1, 3])
    e = model.level(angle, y)
    fine = model.fine_1(model.first(F.pixel_unshuffle(x, 2)), e)
    coarse = model.coarse[0](F.conv2d(fine, model.down.weight, model.down.bias, stride=2), e)
    h = model.fine_2(fine + F.conv_transpose2d(coarse, model.up.weight, model.up.bias, stride=2), e)
    expected = F.pixel_shuffle(F.conv2d(h * h.sigmoid(), model.last.weight, model.last.bias, padding=1), 2)
    torch.testing.assert_close(model(x, angle, y), expected, atol=1e-5, rtol=1e-4)


def test_one_batch_can_be_overfitted():
    torch.manual_seed(0)
    model = diffusion.UNet(8, 1, size=(8, 8))
    angle = torch.linspace(0.2, 1.4, 16)
    x, v = diffusion.noised(*seeded(2, 16, 1, 8, 8), angle)
    optimizers, losses = diffusion.optimizers(model), []
    for _ in range(60):
        loss = (model(x, angle) - v).square().mean()
        losses.append(loss.item())
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    assert losses[-1] < losses[0] / 3


def test_each_weight_has_one_optimizer(model):
    muon, adamw = diffusion.optimizers(model, 0.1, 0.2)
    names = {weight: name for name, weight in model.named_parameters()}
    kernels, rest = [{names[w] for w in ws} for ws in (muon.kernels, adamw.param_groups[0]["params"])]
    assert kernels == {f"{block}.{conv}.weight" for block in ("fine_1", "fine_2", "coarse.0")
                       for conv in ("first", "last")} | {"down.weight"}  # fmt: skip
    assert kernels | rest == set(names.values()) and not kernels & rest
    assert muon.param_groups[0]["lr"] == 0.2 and adamw.param_groups[0]["lr"] == 0.1 and muon.dtype is None
    assert adamw.param_groups[0]["betas"] == (0.9, 0.99) and adamw.param_groups[0]["fused"]
    assert diffusion.optimizers(model, bf16=True)[0].dtype is torch.bfloat16


# --- samples -------------------------------------------------------------------------------------------------


def test_samples_are_pictures_and_leave_the_model_as_it_was(model):
    y = torch.tensor([0, 1, 2, 3, 0])
    model.train()
    x = diffusion.sample(model, 5, y, angles=diffusion.straight(4))
    assert x.shape == (5, 1, 8, 12) and 0 <= x.min() and x.max() <= 1 and x.dtype is torch.float32
    assert not x.requires_grad and all(module.training for module in model.modules())


def test_the_starting_noise_follows_the_seed_and_labels_their_images(model):
    y, options = torch.tensor([0, 1, 2, 3, 0]), {"angles": diffusion.straight(4), "fresh": 0}
    x = diffusion.sample(model, 5, y, seed=3, **options)
    torch.testing.assert_close(x, diffusion.sample(model, 5, y, seed=3, batch_size=2, **options), rtol=1e-4, atol=1e-5)
    assert not torch.equal(x, diffusion.sample(model, 5, y, seed=4, **options))
    assert torch.equal(diffusion.sample(model, 5, y, **options), diffusion.sample(model, 5, y, seed=0, **options))
    others = diffusion.sample(model, 5, torch.tensor([0, 1, 2, 3, 1]), seed=3, **options)
    torch.testing.assert_close(x[:4], others[:4], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(x[4], others[4])


def test_the_seed_alone_decides_and_the_global_generator_is_left_alone(model):
    y, state = torch.tensor([0, 1, 2]), torch.get_rng_state()
    a, b = (diffusion.sample(model, 3, y, angles=diffusion.straight(4), fresh=0.5) for _ in range(2))
    assert torch.equal(a, b) and torch.equal(state, torch.get_rng_state())


def test_an_untrained_network_gives_its_mean_and_a_smaller_spread():
    """With v = 0 a step from a to b multiplies x by cos a cos b + sin a sin b."""
    model, angles = diffusion.UNet(4, 0, mean=0.4, spread=0.05, size=(8, 8)), [math.pi / 2, 1.0, 0.3, 0.0]
    torch.testing.assert_close(diffusion.sample(model, 3, angles=[math.pi / 2, 0.0]), torch.full((3, 1, 8, 8), 0.4))
    x, n = diffusion.sample(model, 300, angles=angles, fresh=0), 300 * 64
    spread = 0.05 * math.cos(math.pi / 2 - 1) * math.cos(0.7) * math.cos(0.3)
    assert abs(x.mean().item() - 0.4) < 5 * spread / math.sqrt(n)
    assert x.std().item() == pytest.approx(spread, rel=5 / math.sqrt(2 * n))
    torch.testing.assert_close(diffusion.to_unit(model, torch.tensor([0.4, 0.45, 0.3])), torch.tensor([0.0, 1.0, -2.0]))
    broad = diffusion.sample(diffusion.UNet(4, 0, mean=0.4, spread=3, size=(8, 8)), 20, angles=angles)
    assert broad.min() == 0 and broad.max() == 1  # cut off


def test_a_sample_is_forty_evaluations_with_fresh_noise(monkeypatch):
    model, seen, drawn = diffusion.UNet(4, 0, size=(8, 8)), [], []
    model.register_forward_hook(lambda _, given, out: seen.append(given[1][0].item()))
    walk = diffusion.walk
    monkeypatch.setattr(diffusion, "walk", lambda *given, **more: drawn.append(given[3]) or walk(*given, **more))
    assert diffusion.sample(model, 2).shape == (2, 1, 8, 8)
    t = np.arange(40, 0, -1) / 40
    np.testing.assert_allclose(seen, np.arctan2(t, 1 - t), atol=1e-6)
    assert drawn == [recipe.PAGE.fresh] == [0.45] and recipe.PAGE.n_walk == 40


# --- the bound in bits ---------------------------------------------------------------------------------------

H, W, GREY = 4, 6, (0.3, 0.25)
VALUES = (torch.arange(256) / 255 - GREY[0]) / GREY[1]


class Fake(nn.Module):
    """A model of pictures of mean and spread GREY by a function of x, the angle and what else is given."""

    def __init__(self, f):
        super().__init__()
        self.register_buffer("grey", torch.tensor(GREY))
        self.f = f

    def forward(self, x, angle, *given):
        return self.f(x, angle, *given)


def independent(log_prior):
    """The best velocity where the pixels are independent draws from their priors: E[x_0 | x] by Bayes' rule."""

    def f(x, angle):
        c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
        likely = -0.5 * ((x.flatten(1)[:, :, None] - c * VALUES) / s) ** 2
        x_0 = ((log_prior + likely).softmax(dim=2) @ VALUES).view_as(x)
        return known(x_0)(x, angle)

    return Fake(f)


NOTHING = Fake(lambda x, angle: torch.zeros_like(x))


@pytest.fixture
def log_prior():
    return (4 * seeded(H * W, 256)).log_softmax(dim=1)


def draws(log_prior, n):
    """Pictures from the prior, and -log2 of their probabilities over the number of pixels."""
    levels = torch.multinomial(log_prior.exp(), n, replacement=True, generator=torch.Generator().manual_seed(1)).T
    bits = -log_prior.expand(n, -1, -1).gather(2, levels[:, :, None]).sum(dim=(1, 2)) / (H * W * math.log(2))
    return (levels / 255).view(n, 1, H, W), bits


def assert_mean(x, expected, at_most):
    """The mean of draws is the expected one, but for five standard errors, which must not exceed at_most."""
    noise = 5 * (x.std() / math.sqrt(len(x))).item()
    assert noise < at_most and abs(x.mean().item() - expected) < noise


@pytest.mark.parametrize("low", [-2.5, -1.0])
def test_the_bound_of_the_exact_network_is_the_entropy(log_prior, low):
    images, bits = draws(log_prior, 400)
    torch.manual_seed(0)
    found = diffusion.bits_per_pixel(independent(log_prior), images, log_prior, low=low)
    assert found.shape == (400,)
    assert_mean(found - bits, 0, at_most=0.1)
    assert abs(found.mean().item() + (log_prior.exp() * log_prior).sum().item() / (H * W * math.log(2))) < 0.15
    assert diffusion.bits_per_pixel(NOTHING, images, log_prior, low=low).mean() > found.mean() + 1


def test_a_wrong_prior_costs_its_divergence_or_less(log_prior):
    images, bits = draws(log_prior, 200)
    torch.manual_seed(0)
    found = diffusion.bits_per_pixel(independent(log_prior), images, log_prior.flip(0), low=-2.5)
    assert found.mean() > bits.mean() + 0.2


def test_no_knowledge_costs_at_least_eight_bits():
    uniform, images = torch.zeros(H * W, 256), torch.randint(256, (200, 1, H, W)) / 255
    torch.manual_seed(0)
    assert diffusion.bits_per_pixel(NOTHING, images, uniform).mean() > 8
    exact = diffusion.bits_per_pixel(independent(uniform), images, uniform)
    assert_mean(exact, 8, at_most=0.2)


def test_the_integral_over_levels_agrees_with_quadrature(log_prior):
    """With v_hat = 0, E|v|² = cos² D + sin² |x_0|²; so far down, at low, the values are seen without doubt."""
    image, low, high = draws(log_prior, 1)[0], -9.0, 1.0
    norm = ((image - GREY[0]) / GREY[1]).square().sum().item()
    a = np.arctan(np.exp(np.linspace(low, high, 10_001)))
    integral = np.trapezoid(np.cos(a) ** 2 * (np.cos(a) ** 2 * H * W + np.sin(a) ** 2 * norm), dx=(high - low) / 10_000)
    c, s = math.cos(a[-1]), math.sin(a[-1])
    kl = 0.5 * (c**2 * norm + H * W * (s**2 - 1 - 2 * math.log(s)))
    torch.manual_seed(0)
    options = {"low": low, "high": high}
    found = diffusion.bits_per_pixel(NOTHING, image.expand(2000, -1, -1, -1), log_prior, **options, n=7)
    assert_mean(found, (integral + kl) / (H * W * math.log(2)), at_most=0.2)


def test_the_two_ends_agree_with_quadrature_and_torch(log_prior):
    """A network that is given the image leaves only the values' cost at low and the divergence at high."""
    image, low, high = draws(log_prior, 1)[0], -2.5, 0.3
    x_0 = ((image - GREY[0]) / GREY[1]).double().flatten()
    angle = math.atan(math.exp(high))
    q = Normal(math.cos(angle) * x_0, math.sin(angle))
    nats = kl_divergence(q, Normal(torch.tensor(0.0).double(), 1.0)).sum().item()
    nodes, weights = (torch.tensor(a) for a in np.polynomial.hermite_e.hermegauss(60))  # of exp(-z² / 2)
    noise = math.exp(low)  # tan of the angle: of x / cos
    for i, level in enumerate((image.flatten() * 255).round().long()):
        seen = Normal(VALUES.double(), noise).log_prob((x_0[i] + noise * nodes)[:, None]) + log_prior[i]
        nats -= (seen.log_softmax(dim=1)[:, level] * weights).sum().item() / math.sqrt(2 * math.pi)
    many = image.expand(1000, -1, -1, -1)
    given = (many - GREY[0]) / GREY[1]
    exact = Fake(lambda x, angle, x_0: known(x_0)(x, angle))
    torch.manual_seed(0)
    found = diffusion.bits_per_pixel(exact, many, log_prior, given, low=low, high=high)
    assert_mean(found, nats / (H * W * math.log(2)), at_most=0.1)


def test_more_levels_cost_less_noise(log_prior):
    image, seen = draws(log_prior, 1)[0].expand(300, -1, -1, -1), []
    torch.manual_seed(0)
    few, many = (diffusion.bits_per_pixel(NOTHING, image, log_prior, n=n) for n in (1, 20))
    assert many.std() < few.std() / 3 and abs(many.mean() - few.mean()) < 5 * few.std() / math.sqrt(300)
    counted = Fake(lambda x, angle: seen.append(angle.tan().log()) or torch.zeros_like(x))
    diffusion.bits_per_pixel(counted, image, log_prior)
    parts = torch.linspace(-2.5, 5, 21)
    assert len(seen) == 20 and all(
        (a - 1e-3 <= s).all() and (s <= b + 1e-3).all() for s, (a, b) in zip(seen, pairwise(parts), strict=True)
    )


# --- Muon for kernels ----------------------------------------------------------------------------------------


def kernels():
    return [nn.Parameter(seeded(*shape, seed=i)) for i, shape in enumerate([(6, 4, 3, 3), (9, 2, 2, 2), (6, 4, 3, 3)])]


def test_kernel_muon_is_muon_on_flattened_kernels():
    ours = [nn.Parameter(k.detach().to(memory_format=torch.channels_last)) for k in kernels()]
    theirs = [nn.Parameter(k.detach().flatten(1)) for k in kernels()]
    options = {"momentum": 0.9, "weight_decay": 0.1}
    a, b = optim.KernelMuon(ours, 0.05, **options), optim.Muon(theirs, 0.05, **options)
    for step in range(4):
        for i, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            gradient = seeded(*our.shape, seed=10 * step + i)
            our.grad, their.grad = gradient.to(memory_format=torch.channels_last), gradient.flatten(1)
        for optimizer in (a, b):
            optimizer.param_groups[0]["lr"] = 0.05 / (step + 1)
            optimizer.step()
        for our, their, start in zip(ours, theirs, kernels(), strict=True):
            torch.testing.assert_close(our.flatten(1), their, atol=1e-6, rtol=1e-6)
            assert not torch.equal(our, start) and our.is_contiguous(memory_format=torch.channels_last)


def test_kernels_without_a_gradient_stay_and_zero_grad_takes_them_all():
    ours = kernels()
    optimizer = optim.KernelMuon(ours)
    assert optimizer.param_groups[0]["lr"] == optim.Muon([torch.zeros(1, 1)]).param_groups[0]["lr"]
    for kernel in ours:
        kernel.grad = torch.ones_like(kernel)
    optimizer.step()
    optimizer.zero_grad()
    assert all(kernel.grad is None for kernel in ours)
    before = [kernel.detach().clone() for kernel in ours]
    optimizer.step()
    assert all(map(torch.equal, ours, before))
    ours[1].grad = torch.ones_like(ours[1])
    optimizer.step()
    assert [torch.equal(kernel, old) for kernel, old in zip(ours, before, strict=True)] == [True, False, True]


def test_kernel_muon_goes_on_from_its_state():
    def steps(optimizer, ours, n):
        for step in range(n):
            for i, kernel in enumerate(ours):
                kernel.grad = seeded(*kernel.shape, seed=10 * step + i)
            optimizer.step()

    ours = kernels()
    optimizer = optim.KernelMuon(ours)
    steps(optimizer, ours, 2)
    others = [nn.Parameter(kernel.detach().clone()) for kernel in ours]
    other = optim.KernelMuon(others)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps(optimizer, ours, 2)
    steps(other, others, 2)
    assert all(map(torch.equal, ours, others))


def test_weights_that_are_loaded_after_the_optimizer_is_made_are_kept():
    ours = kernels()
    optimizer = optim.KernelMuon(ours, lr=0.0)
    with torch.no_grad():
        for kernel in ours:
            kernel.fill_(3.0)
    for kernel in ours:
        kernel.grad = torch.ones_like(kernel)
    optimizer.step()
    assert all((kernel == 3).all() for kernel in ours)


def test_a_bias_is_no_kernel():
    with pytest.raises((ValueError, IndexError)):
        optim.KernelMuon([nn.Parameter(torch.zeros(3))])


# --- the recipe ----------------------------------------------------------------------------------------------


def test_the_rates_rise_stay_and_fall():
    page = recipe.PAGE
    found = [recipe.rate(step, page) for step in range(page.n_steps)]
    assert found[0] == 0.01 and found[49] == 0.5 and found[98] < found[99] == 1
    assert found[page.n_steps // 5] == 1 and found[page.n_steps // 2] == pytest.approx(0.5 / 0.7)
    assert found[-1] == pytest.approx(1 / (page.n_steps * 0.7)) and min(found) > 0
    assert max(recipe.rate(step, recipe.SHORT) for step in range(recipe.SHORT.n_steps)) == 1


@pytest.mark.parametrize("labels", [True, False])
def test_a_short_training_repeats_itself_and_is_sampled(labels):
    settings = replace(recipe.PAGE, channels=4, n_blocks=1, n_steps=12, batch_size=16, labels=labels, n_walk=3)
    images, y = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)) ** 2, torch.arange(40) % 10
    ended = []
    for _ in range(2):
        torch.manual_seed(0)
        model, average = recipe.build(settings, images)
        start = average.model.state_dict()["first.weight"].clone()
        losses = torch.stack(list(recipe.fit(model, average, settings, images, y)))
        assert losses.isfinite().all() and losses[0] == pytest.approx(1, abs=0.2)  # v has spread 1, v_hat is 0
        assert not torch.equal(average.model.first.weight, start)
        ended.append(losses)
    assert torch.equal(*ended) and model.size == (8, 8) and model.n_classes == 10 * labels
    torch.testing.assert_close(model.grey, torch.stack([images.mean(), images.std()]))
    x = recipe.sample(average.model, settings, y, 6)
    assert x.shape == (6, 1, 8, 8) and 0 <= x.min() and x.max() <= 1
