"""The adversarial networks' parts: ranges, shapes, losses against independent calculations, one batch overfitted."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aigc_course import gan

PAIRS = [(gan.MLPGenerator(16), gan.MLPDiscriminator()), (gan.Generator(16, 4), gan.Discriminator(4, 8))]
PAIRS_NAMED = pytest.mark.parametrize("generator, discriminator", PAIRS, ids=["mlp", "convolutional"])


def test_ranges_go_there_and_back():
    x = torch.rand(5, 1, 28, 28)
    assert gan.to_tanh(torch.tensor([0.0, 1.0])).tolist() == [-1, 1]
    torch.testing.assert_close(gan.to_grey(gan.to_tanh(x)), x)
    assert gan.to_grey(torch.full((1, 1, 2, 2), -1.0001, dtype=torch.bfloat16)).min() == 0  # rounding stays in range


@PAIRS_NAMED
def test_shapes_ranges_and_gradients(generator, discriminator):
    x = generator(torch.randn(6, 16))
    assert x.shape == (6, 1, 28, 28) and x.abs().max() <= 1
    logits = discriminator(x)
    assert logits.shape == (6,)
    gan.generator_loss(logits).backward()
    assert all(p.grad.abs().sum() > 0 for p in [*generator.parameters(), *discriminator.parameters()])


def test_losses_are_those_of_the_paper():
    real, fake = torch.randn(2, 50, dtype=torch.float64)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    value = d_real.log().mean() + (1 - d_fake).log().mean()  # V(D, G), Goodfellow et al. (2014), equation 1
    torch.testing.assert_close(gan.discriminator_loss(real, fake).double(), -value)
    torch.testing.assert_close(gan.generator_loss(fake).double(), -d_fake.log().mean())
    ones, zeros = torch.ones(50), torch.zeros(50)
    by_torch = F.binary_cross_entropy_with_logits(real.float(), ones) + F.binary_cross_entropy_with_logits(
        fake.float(), zeros
    )
    torch.testing.assert_close(gan.discriminator_loss(real, fake), by_torch)
    assert math.isclose(gan.discriminator_loss(zeros, zeros), 2 * math.log(2), rel_tol=1e-6)  # D = 1/2


def test_losses_do_not_overflow():
    far = torch.tensor([-1e4, 1e4])
    assert gan.discriminator_loss(far, far).isfinite() and gan.generator_loss(far).isfinite()
    assert gan.generator_loss(far.bfloat16()).dtype is torch.float32


def test_r1_of_a_linear_discriminator_is_its_squared_weight():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(784, 1), nn.Flatten(0))
    weight = linear[1].weight
    x = torch.randn(7, 1, 28, 28)
    penalty = gan.r1_penalty(linear, x)
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())  # it can be trained
    assert x.grad is None and not x.requires_grad


def test_r1_agrees_with_finite_differences():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0)).double()
    x, step = torch.randn(2, 1, 28, 28, dtype=torch.float64), 1e-6
    slopes = []
    for i in range(784):
        shift = torch.zeros(784, dtype=torch.float64).index_fill(0, torch.tensor([i]), step).view(1, 1, 28, 28)
        slopes.append((model(x + shift) - model(x - shift)) / (2 * step))
    expected = torch.stack(slopes).square().sum(0).mean()
    torch.testing.assert_close(gan.r1_penalty(model, x), expected, rtol=1e-5, atol=1e-8)


@PAIRS_NAMED
def test_sample_follows_its_seed_and_leaves_the_model_as_it_was(generator, discriminator):
    generator.train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    x = gan.sample(generator, 7, seed=3, batch_size=4)
    assert x.shape == (7, 1, 28, 28) and 0 <= x.min() and x.max() <= 1 and x.dtype is torch.float32
    torch.testing.assert_close(x, gan.sample(generator, 7, seed=3, batch_size=7))
    assert not torch.equal(x, gan.sample(generator, 7, seed=4))
    assert generator.training and all(torch.equal(before[k], v) for k, v in generator.state_dict().items())
    state = torch.get_rng_state()
    gan.sample(generator, 2)
    assert torch.equal(state, torch.get_rng_state())


def test_logits_come_from_the_features():
    discriminator = gan.Discriminator(4, 8)
    x = torch.randn(3, 1, 28, 28)
    assert discriminator.features(x).shape == (3, 8)
    torch.testing.assert_close(discriminator.out(discriminator.features(x)).squeeze(1), discriminator(x))


def test_a_discriminator_tells_two_kinds_apart():
    torch.manual_seed(0)
    model = gan.Discriminator(4, 16)
    real, fake = torch.rand(32, 1, 28, 28) - 1, torch.rand(32, 1, 28, 28)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(30):
        loss = gan.discriminator_loss(model(real), model(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05


def test_the_articles_networks_take_other_sizes():
    generator, discriminator = gan.MLPGenerator(3, shape=(2, 5, 4)), gan.MLPDiscriminator(shape=(2, 5, 4))
    assert gan.sample(generator, 6).shape == (6, 2, 5, 4) and discriminator(gan.sample(generator, 6)).shape == (6,)


def test_the_articles_networks_are_linear_layers_with_leaky_relu_and_normalise_when_asked():
    discriminator, x = gan.MLPDiscriminator(), torch.randn(3, 784)
    hidden = x
    for layer in (discriminator.net[0], discriminator.net[2]):
        hidden = torch.nn.functional.leaky_relu(layer(hidden), 0.2)
    torch.testing.assert_close(discriminator(x.view(3, 1, 28, 28)), discriminator.net[4](hidden)[:, 0])
    kinds = [sum(isinstance(m, torch.nn.BatchNorm1d) for m in gan.MLPGenerator(4, norm).modules()) for norm in (0, 1)]
    assert kinds == [0, 3]


def test_values_beyond_the_range_of_tanh_are_cut_off():
    assert gan.to_grey(torch.tensor([-3.0, 3.0])).tolist() == [0, 1]


def test_bad_shapes_raise():
    with pytest.raises(RuntimeError):
        gan.Generator(16)(torch.randn(2, 17))
