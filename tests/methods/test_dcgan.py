"""What 05_dcgan teaches, pinned: why the printed step fails, what a step costs, what its study returns."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from aigc_course import gan
from aigc_course.plumbing import rooms

ch05 = rooms.module("05_dcgan", "study")


@pytest.fixture
def players():
    torch.manual_seed(0)
    return gan.Generator(8, 4), gan.Discriminator(4, 16)


def step(players, how, retain_graph=False, update=True):
    """A step in the printed order: the generator first, then the discriminator on the same images."""
    generator, discriminator = players
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3)
    fake = generator(torch.randn(6, 8))
    gan.generator_loss(discriminator(fake)).backward(retain_graph=retain_graph)
    before = [p.grad.clone() for p in generator.parameters()]
    if update:
        optimizer.step()
    real = torch.rand(6, 1, 28, 28) * 2 - 1
    gan.discriminator_loss(discriminator(real), discriminator(how(fake))).backward()
    return any(not torch.equal(a, p.grad) for a, p in zip(before, generator.parameters(), strict=True))


def test_images_that_are_not_detached_meet_a_graph_that_is_freed(players):
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        step(players, lambda fake: fake)


def test_keeping_the_graph_moves_the_failure_to_weights_changed_in_place(players):
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        step(players, lambda fake: fake, retain_graph=True)


def test_without_an_update_the_discriminators_loss_reaches_the_generator(players):
    assert step(players, lambda fake: fake, retain_graph=True, update=False)


def test_detached_images_leave_the_generator_alone(players):
    assert not step(players, lambda fake: fake.detach())


def test_flops_of_a_step_are_those_of_the_formula():
    generator, discriminator = gan.Generator(64, 32), gan.Discriminator(32, 256)

    def conv(n_in, n_out, k, pixels):
        return 2 * n_in * n_out * k**2 * pixels

    of_g = [conv(64, 3136, 1, 1), conv(64, 32, 4, 7**2), conv(32, 1, 4, 14**2)]  # transposed: at the small size
    of_d = [conv(1, 32, 4, 14**2), conv(32, 64, 4, 7**2), conv(3136, 256, 1, 1), conv(256, 1, 1, 1)]
    with FlopCounterMode(display=False) as counter:
        fake = generator(torch.randn(4, 64))
        gan.generator_loss(discriminator(fake)).backward()
        gan.discriminator_loss(discriminator(torch.zeros(4, 1, 28, 28)), discriminator(fake.detach())).backward()
    assert counter.get_total_flops() == 4 * (3 * sum(of_g) - of_g[0] + 9 * sum(of_d) - 2 * of_d[0])


def test_study_has_a_row_for_each_variant_and_seed(monkeypatch):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    chosen = {name: ch05.VARIANTS[name] for name in ("spectral norm", "R1, falling rate")}
    monkeypatch.setattr(ch05, "VARIANTS", chosen)
    result = ch05.run([0, 1], n_steps=2, n_long=3, n_samples=60)
    wanted = [(name, 2) for name in chosen] + [(name, 3) for name in ch05.IN_THE_END]
    found = [(row["variant"], row["steps"], row["seed"]) for row in result["rows"]]
    assert found == [(name, steps, s) for s in (0, 1) for name, steps in wanted] and result["fd_floor"] > 0
    for row in result["rows"]:
        assert row["fd"] > 0 and row["fd_average"] > 0 and 0 <= row["smallest_average"] <= 0.1
