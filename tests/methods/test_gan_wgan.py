"""What chapter 06 adds to `aigc_course.gan`: the gradient penalty and the networks that take a label."""

import pytest
import torch

from aigc_course import gan


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_penalty_of_a_linear_critic_has_a_closed_form():
    direction = draws(7)
    penalty = gan.gradient_penalty(lambda x: x @ direction, draws(5, 7), draws(5, 7, seed=1))
    torch.testing.assert_close(penalty, (direction.norm() - 1) ** 2)


def test_penalty_takes_each_image_by_itself():
    """Two images with slopes 1 and 3: mean of 0 and 4, not the penalty of a joint norm or of a mean slope."""
    real = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    penalty = gan.gradient_penalty(lambda x: 0.5 * (x**2).sum(1), real, real.clone())
    torch.testing.assert_close(penalty, torch.tensor(2.0))


def test_penalty_is_taken_between_real_and_generated_points():
    seen = []
    gan.gradient_penalty(lambda x: seen.append(x) or x.sum(1), torch.ones(1000, 1), torch.zeros(1000, 1))
    t = seen[0].detach()
    assert 0 <= t.min() < 0.02 and 0.98 < t.max() <= 1 and abs(t.mean() - 0.5) < 0.05


def test_penalty_agrees_with_finite_differences_on_a_network():
    torch.manual_seed(0)
    critic = gan.Discriminator(channels=4, hidden=8).double()
    x = draws(1, 1, 28, 28).double()
    penalty = gan.gradient_penalty(critic, x, x)
    step, slope = 1e-5, 0.0
    for pixel in torch.eye(784, dtype=torch.double).view(784, 1, 28, 28).split(196):
        with torch.no_grad():
            slope += ((critic(x + step * pixel) - critic(x - step * pixel)) / (2 * step)).square().sum()
    torch.testing.assert_close(penalty.double(), (slope.sqrt() - 1) ** 2, rtol=1e-3, atol=1e-5)


def test_penalty_teaches_the_critic_and_nobody_else():
    critic, real = gan.ConditionalCritic(channels=4, hidden=8), draws(6, 1, 28, 28)
    fake, y = draws(6, 1, 28, 28, seed=1).requires_grad_(), torch.arange(6)
    gan.gradient_penalty(lambda x: critic(x, y), real, fake).backward()
    assert critic.down_1.weight.grad.abs().sum() > 0 and critic.embed.weight.grad.abs().sum() > 0
    assert fake.grad is None and not real.requires_grad


def test_penalty_brings_slopes_to_one():
    torch.manual_seed(0)
    critic, real, fake = torch.nn.Linear(3, 1), draws(8, 3), draws(8, 3, seed=1)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        gan.gradient_penalty(lambda x: critic(x)[:, 0], real, fake).backward()
        optimizer.step()
    assert abs(critic.weight.norm().item() - 1) < 1e-3


def test_penalty_repeats_with_a_generator():
    pairs = draws(5, 3), draws(5, 3, seed=1)
    a, b = (
        gan.gradient_penalty(lambda x: (x**3).sum(1), *pairs, generator=torch.Generator().manual_seed(4))
        for _ in range(2)
    )
    assert a == b


def test_penalty_rejects_pairs_of_different_shapes():
    with pytest.raises(ValueError, match=r"real images have shape \(2, 3\), generated ones \(4, 3\)"):
        gan.gradient_penalty(lambda x: x.sum(1), torch.zeros(2, 3), torch.zeros(4, 3))


def test_conditional_networks_use_the_label():
    torch.manual_seed(0)
    generator, critic = gan.ConditionalGenerator(8, channels=4).eval(), gan.ConditionalCritic(channels=4, hidden=16)
    torch.nn.init.normal_(critic.embed.weight)
    z, y = draws(10, 8), torch.arange(10)
    images = generator(z[:1].expand(10, -1), y)
    assert images.shape == (10, 1, 28, 28) and images.abs().max() <= 1 and generator.latent_dim == 8
    assert (images[1:] - images[0]).abs().amax(dim=(1, 2, 3)).min() > 0
    assert critic(images, y).shape == (10,)
    assert not torch.allclose(critic(images, y), critic(images, (y + 1) % 10))


def test_critic_starts_as_one_of_images_alone_and_adds_a_projection():
    torch.manual_seed(0)
    critic, x, y = gan.ConditionalCritic(channels=4, hidden=16), draws(4, 1, 28, 28), torch.tensor([1, 3, 3, 9])
    alone = gan.Discriminator.forward(critic, x)
    torch.testing.assert_close(critic(x, y), alone)
    torch.nn.init.normal_(critic.embed.weight)
    extra = torch.stack([critic.embed.weight[c] @ h for c, h in zip(y, critic.features(x), strict=True)])
    torch.testing.assert_close(critic(x, y), alone + extra)


def test_second_head_names_classes_from_the_same_features():
    critic, x, y = gan.ConditionalCritic(channels=4, hidden=16), draws(4, 1, 28, 28), torch.arange(4)
    scores, classes = critic.scores_and_classes(x, y)
    assert classes.shape == (4, 10)
    torch.testing.assert_close(scores, critic(x, y))
    torch.testing.assert_close(classes, critic.name(critic.features(x)))


def test_scores_of_one_image_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    critic, x, y = gan.ConditionalCritic(channels=4, hidden=16), draws(6, 1, 28, 28), torch.arange(6)
    torch.testing.assert_close(critic(x, y)[:2], critic(x[:2], y[:2]))
