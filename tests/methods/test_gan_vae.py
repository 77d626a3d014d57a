"""Facts behind 07_vae_gan: why the printed loss fails, whose gradient goes where, what the attributes measure."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from aigc_course import gan, vae
from aigc_course.check import exercises
from aigc_course.plumbing import rooms

ch07 = rooms.module("07_vae_gan", "study")


def test_the_printed_loss_is_zero_for_every_input_and_so_is_its_gradient():
    for seed in range(5):
        torch.manual_seed(seed)
        x, y = torch.rand(8, 784), torch.rand(8, 784, requires_grad=True)
        loss = (x - y).mean() + (y - x).mean()
        loss.backward()
        assert abs(loss.item()) < 1e-7 and y.grad.abs().max() == 0


def test_two_sigmoids_in_a_row_can_hardly_say_anything():
    verdict = torch.linspace(-100, 100, 1001).sigmoid().sigmoid()
    assert verdict.min() >= 0.5 and verdict.max() <= 0.7311


def test_look_agrees_with_the_discriminator():
    torch.manual_seed(0)
    discriminator, x = gan.Discriminator(), torch.rand(3, 1, 28, 28)
    features, logit = ch07.look(discriminator, x)
    assert features.shape == (3, 64 * 49)
    torch.testing.assert_close(logit, discriminator(x))


def test_relative_distance_knows_its_ends_and_no_unit():
    torch.manual_seed(0)
    x, y = torch.randn(2, 50, 7)
    assert ch07.relative(x, x) == 0
    assert ch07.relative(x, x.mean(0).expand_as(x)).item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(ch07.relative(1000 * x, 1000 * y), ch07.relative(x, y))
    half = (x + x.mean(0)) / 2  # half of each difference to the mean is lost, so a quarter of its square
    assert ch07.relative(x, half).item() == pytest.approx(0.25, abs=1e-5)


def test_backward_with_inputs_trains_only_what_is_named():
    torch.manual_seed(0)
    encoder, decoder, discriminator = vae.mlp(784, 16, 1, 8), gan.Generator(4, 4), gan.Discriminator(4, 8)
    x = torch.rand(4, 1, 28, 28)
    mu, log_var = encoder(x.flatten(1)).chunk(2, dim=1)
    restored = decoder(vae.reparameterise(mu, log_var, torch.randn_like(mu)))
    loss = F.mse_loss(ch07.look(discriminator, restored)[0], ch07.look(discriminator, x)[0].detach())
    would = torch.autograd.grad(loss, list(discriminator.parameters()), retain_graph=True, allow_unused=True)
    assert any(slope is not None and slope.abs().max() > 0 for slope in would)
    loss.backward(inputs=list(encoder.parameters()), retain_graph=True)
    assert all(p.grad is None for net in (decoder, discriminator) for p in net.parameters())
    assert any(p.grad.abs().max() > 0 for p in encoder.parameters())
    loss.backward(inputs=list(decoder.parameters()))
    assert all(p.grad is None for p in discriminator.parameters())


@pytest.mark.parametrize("a", [-0.3, 0.1, 0.25])
def test_a_shear_adds_its_amount_to_the_slant(a):
    slant = exercises()["07.3"].truth()
    image = np.zeros((28, 28))
    image[8:20, 10:18] = np.random.default_rng(0).random((12, 8))
    centre = (image.sum(1) * np.arange(28)).sum() / image.sum()
    sheared = ndimage.affine_transform(image, [[1, 0], [a, 1]], offset=[0, -a * centre], order=1)
    before, after = slant(torch.tensor(np.stack([image, sheared])))
    assert (after - before).item() == pytest.approx(a, abs=1e-6)


def test_an_attribute_vector_recovers_a_known_direction():
    torch.manual_seed(0)
    direction, labels, values = torch.tensor([1.0, -2.0, 0.5]), torch.arange(3000) % 10, torch.randn(3000)
    codes = 5 * torch.randn(10, 3)[labels] + values[:, None] * direction + 0.1 * torch.randn(3000, 3)
    found = exercises()["07.5"].truth()(codes, values, labels)
    torch.testing.assert_close(found, direction, atol=0.02, rtol=0)
