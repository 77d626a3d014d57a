"""Guidance, walks of second order, filling in, shortcuts: against exact Gaussians and the schedulers of diffusers."""

import math

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Generator

from aigc_course import diffusion, guidance

COVARIANCE = torch.tensor([[1.0, 0.8, 0.3], [0.8, 2.0, -0.4], [0.3, -0.4, 0.5]])
MEAN = torch.tensor([0.5, -1.0, 0.2])


def exact(x, angle, *given, mean=MEAN, covariance=COVARIANCE):
    """The velocity of N(mean, covariance), by the rule for Gaussians: x_0 given x."""
    c, s = angle[0].cos().to(x), angle[0].sin().to(x)
    mean, covariance = mean.to(x), covariance.to(x)
    gain = c * covariance @ torch.linalg.inv(c**2 * covariance + s**2 * torch.eye(len(mean)).to(x))
    x_0 = mean + (x - c * mean) @ gain.T
    return c * (x - c * x_0) / s - s * x_0 if s > 1e-6 else -0 * x


def carried(x, angle, after):
    """Where the ODE of `exact` leads, in closed form: along each axis the spread goes with the angle."""
    values, axes = torch.linalg.eigh(COVARIANCE.double())

    def spread(a):
        return (math.cos(a) ** 2 * values + math.sin(a) ** 2).sqrt()

    seen = (x - math.cos(angle) * MEAN.double()) @ axes
    return math.cos(after) * MEAN.double() + (seen * spread(after) / spread(angle)) @ axes.T


def points(n=16, seed=0):
    return torch.randn(n, 3, generator=Generator().manual_seed(seed), dtype=torch.float64)


def off(walk, n, first=1.4, last=0.2, **options):
    angles = [first + i / n * (last - first) for i in range(n + 1)]
    return (walk(exact, points(), angles, **options) - carried(points(), first, last)).abs().max().item()


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("n", [2, 5, 9])
def test_walks_are_those_of_diffusers_scheduler(order, n):
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="v_prediction", solver_order=order, use_karras_sigmas=True, euler_at_final=True
    )
    scheduler.set_timesteps(n)
    sigmas = scheduler.sigmas.tolist()  # n of them, and 0
    x = points().float()
    theirs = x.clone()
    for sigma, t in zip(sigmas, scheduler.timesteps, strict=False):
        angle = torch.full((len(x),), math.atan(sigma))
        theirs = scheduler.step(exact(theirs, angle), t, theirs).prev_sample
    walk = guidance.multistep if order == 2 else diffusion.walk
    ours = walk(exact, x, [math.atan(sigma) for sigma in sigmas])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("n", [4, 10, 33])
def test_curved_angles_are_karras_levels_but_for_the_first(n):
    angles = guidance.curved(n, least=0.02, most=80.0)
    scheduler = DPMSolverMultistepScheduler()
    theirs = scheduler._convert_to_karras(torch.tensor([80.0, 0.02]), n)
    assert len(angles) == n + 1 and angles[0] == math.pi / 2 and angles[-1] == 0
    assert [math.tan(a) for a in angles[1:-1]] == pytest.approx(list(theirs[1:]), rel=1e-4)
    assert all(a > b for a, b in zip(angles, angles[1:], strict=False))


def test_curved_needs_two_evaluations():
    assert guidance.curved(2)[1] == pytest.approx(math.atan(0.05))
    with pytest.raises(ValueError, match="n is 1"):
        guidance.curved(1)


@pytest.mark.parametrize(("walk", "order"), [(diffusion.walk, 1), (guidance.multistep, 2), (guidance.heun, 2)])
def test_orders_of_the_walks(walk, order):
    """Twice the steps, half or a quarter of the error: against the closed form of a Gaussian's ODE."""
    assert off(walk, 80) / off(walk, 160) == pytest.approx(2**order, rel=0.15)


def test_multistep_is_nearer_than_first_order_with_as_many_evaluations():
    assert off(guidance.multistep, 10) < 0.3 * off(diffusion.walk, 10)


def test_multistep_ends_and_begins_as_the_walk_of_first_order():
    whole = [math.pi / 2, 0.9, 0.0]  # the first step has nothing before it, the last leads to x_0 itself
    torch.testing.assert_close(guidance.multistep(exact, points(), whole), diffusion.walk(exact, points(), whole))


def test_heun_goes_both_ways():
    angles = [0.2 + i / 100 * 1.2 for i in range(101)]
    there = guidance.heun(exact, points(), angles)
    torch.testing.assert_close(there, carried(points(), 0.2, 1.4), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(guidance.heun(exact, there, angles[::-1]), points(), atol=1e-4, rtol=1e-4)


def test_fresh_noise_keeps_the_data_s_covariance():
    """A walk of many short steps ends at the data's distribution, whatever the share of fresh noise."""
    x, g = torch.randn(40_000, 3, generator=Generator().manual_seed(1)), Generator().manual_seed(2)
    ends = guidance.multistep(exact, x, guidance.curved(80, least=0.02), 0.3, generator=g)
    torch.testing.assert_close(ends.mean(0), MEAN, atol=0.03, rtol=0)
    torch.testing.assert_close(ends.T.cov(), COVARIANCE, atol=0.08, rtol=0)
    again = guidance.multistep(exact, x, guidance.curved(80, least=0.02), 0.3, generator=Generator().manual_seed(2))
    assert torch.equal(ends, again)


@pytest.mark.parametrize("fresh", [-0.1, 1.1])
def test_a_share_of_fresh_noise_is_a_share(fresh):
    with pytest.raises(ValueError, match="fresh is"):
        guidance.multistep(exact, points(), [1.0, 0.5], fresh)


class Told:
    """A model whose velocity is 100 y + x, and that counts whom it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, x, angle, y):
        self.asked.append((len(x), y.tolist()))
        return 100.0 * y[:, None] + x


@pytest.mark.parametrize(("weight", "due"), [(0.0, 900.0), (1.0, 300.0), (2.0, -300.0), (3.5, -1200.0)])
def test_guidance_goes_beyond_the_told_velocity(weight, due):
    model, x, y = Told(), torch.zeros(2, 3), torch.tensor([3, 3])
    v = guidance.guided(model, weight, 9)(x, torch.full((2,), 0.7), y)
    torch.testing.assert_close(v, torch.full((2, 3), due))  # 900 + weight (300 - 900)
    assert y.tolist() == [3, 3]


def test_no_guidance_costs_one_evaluation_and_guidance_two():
    angle, y = torch.full((2,), 0.7, dtype=torch.float64), torch.tensor([3, 4])
    for weight, between, n in [(1, guidance.ALL, 1), (2, (0.8, 1.2), 1), (2, (0.7, 0.7), 2), (2, (0.1, 1.2), 2)]:
        model = Told()
        guidance.guided(model, weight, 9, between)(torch.zeros(2, 3), angle, y)
        assert sum(rows for rows, _ in model.asked) == 2 * n
        assert {label for _, labels in model.asked for label in labels} == ({3, 4} if n == 1 else {3, 4, 9})


def test_outside_the_interval_the_label_is_told():
    model, x, y = Told(), torch.ones(2, 3), torch.tensor([3, 4])
    velocity = guidance.guided(model, 3.0, 9, between=(0.5, 1.0))
    for angle, told in ((0.4, True), (0.6, False), (1.1, True)):
        v = velocity(x, torch.full((2,), angle), y)
        assert torch.equal(v, model(x, None, y)) is told


def test_guided_walks_of_gaussians_end_where_the_scores_lead():
    """Told N(2, 1), free N(0, 4): w = 1 and 0 give these, w = 3 not the sharpened density."""
    variances, means = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 0.0])

    def model(x, angle, y):
        c, s = angle.cos()[:, None], angle.sin()[:, None]
        var, mean = variances[y][:, None], means[y][:, None]
        gap = (x - c * mean) / (c**2 * var + s**2)
        return c * s * gap - s * (mean + c * var * gap)

    x, y = torch.randn(20_000, 1, generator=Generator().manual_seed(0)), torch.zeros(20_000, dtype=torch.long)
    ends = {w: guidance.heun(guidance.guided(model, w, 1), x, diffusion.straight(60), y) for w in (0.0, 1.0, 3.0)}
    found = {w: (end.mean().item(), end.std().item()) for w, end in ends.items()}
    assert found[0.0] == pytest.approx((0, 2), abs=0.04)
    assert found[1.0] == pytest.approx((2, 1), abs=0.02)
    precision = 3 / 1 - 2 / 4  # of p(x|y)³ / p(x)²
    sharpened = 3 * 2 / precision, precision**-0.5
    assert found[3.0][0] > sharpened[0] + 0.5 and found[3.0][1] < sharpened[1] - 0.1


def test_guidance_holds_at_both_ends_of_its_angles():
    """A walk's angles are float32, where pi/2 is rounded up: its first step is guided, and so are both bounds."""
    asked = []

    def model(x, angle, y):
        asked.extend(zip(angle.tolist(), y.tolist(), strict=True))
        return torch.where(y == 9, 1.0, 0.0)[:, None] * x

    x, y, way = torch.randn(3, 2), torch.tensor([0, 1, 2]), guidance.curved(4)
    free = guidance.multistep(lambda x, angle, y: x, x, way, 0.0, y)
    assert torch.equal(guidance.multistep(guidance.guided(model, 0.0, 9), x, way, 0.0, y), free)
    asked.clear()
    guidance.multistep(guidance.guided(model, 2.0, 9, (way[3], way[1])), x, way, 0.0, y)
    assert {round(angle, 4) for angle, label in asked if label == 9} == {round(angle, 4) for angle in way[1:4]}


def test_walks_refuse_what_they_cannot_walk():
    x = torch.randn(2, 3)
    for angles in ([0.0, 1.0], [1.0, 1.0], [1.2, 0.3, 0.5]):
        with pytest.raises(ValueError, match="angles must fall"):
            guidance.multistep(lambda x, angle: x, x, angles)
    for fresh in (-0.1, 1.5):
        with pytest.raises(ValueError, match="from 0 to 1"):
            guidance.fill(lambda x, angle: x, x, torch.ones(3), [1.0, 0.0], fresh)


def conditional(known):
    """Mean and variance of the two last numbers of N(MEAN, COVARIANCE), the first given."""
    gain = COVARIANCE[1:, 0] / COVARIANCE[0, 0]
    left = COVARIANCE - COVARIANCE[:, :1] @ COVARIANCE[:1] / COVARIANCE[0, 0]
    return MEAN[1:] + gain * (known - MEAN[0]), left[1:, 1:]


def filled(look, n=60, fresh=0.4):
    known, mask = torch.full((6_000, 3), 2.0), torch.tensor([1.0, 0.0, 0.0])
    g = Generator().manual_seed(3)
    return guidance.fill(exact, known, mask, guidance.curved(n), fresh, look=look, generator=g)


@pytest.mark.parametrize("look", [False, True])
def test_filling_in_leaves_what_is_known(look):
    x = filled(look, n=6)
    assert x.shape == (6_000, 3) and not x.requires_grad
    torch.testing.assert_close(x[:, 0], torch.full((6_000,), 2.0))


def test_who_looks_comes_nearer_to_the_truth_than_who_pastes():
    """The rest of a Gaussian, given a part, is known exactly; pasting hears of that part too late."""
    mean, variance = conditional(2.0)
    looked, pasted = ((filled(look)[:, 1:].mean(0) - mean).abs().max().item() for look in (True, False))
    assert looked < 0.12 < 0.3 < pasted < 0.9
    torch.testing.assert_close(filled(True)[:, 1:].T.cov(), variance, atol=0.25, rtol=0)


def test_filling_in_nothing_or_all():
    known, g = points(5).float(), Generator().manual_seed(0)
    for look in (False, True):
        whole = guidance.fill(exact, known, torch.ones(3), guidance.curved(4), 0.4, look=look, generator=g)
        torch.testing.assert_close(whole, known)
    none = guidance.fill(exact, known, torch.zeros(3), guidance.curved(12), generator=Generator().manual_seed(7))
    start = torch.randn(5, 3, generator=Generator().manual_seed(7))
    torch.testing.assert_close(none, diffusion.walk(exact, start, guidance.curved(12)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 3])
def test_one_step_with_the_shortcut_leads_where_the_teacher_s_steps_lead(n):
    x, first, last = points(), 1.3, 0.6
    v = guidance.shortcut(exact, x, first, last, n=n)
    one = diffusion.walk(lambda x, angle: v, x, [first, last])
    way = [first + i / n * (last - first) for i in range(n + 1)]
    torch.testing.assert_close(one, guidance.multistep(exact, x, way), atol=1e-6, rtol=1e-5)
    if n == 1:
        torch.testing.assert_close(v, exact(x, torch.full((len(x),), first)), atol=1e-5, rtol=1e-5)


def net(**options):
    torch.manual_seed(0)
    return diffusion.UNet(8, 1, n_classes=10, mean=0.1, spread=0.3, **options)


def test_samples_are_grey_values_and_fixed_by_their_seed():
    y, model = torch.arange(7) % 10, net(size=(12, 8))

    def way(x, labels, generator):
        return guidance.multistep(model, x, guidance.curved(3), 0.4, labels, generator=generator)

    x = guidance.sample(model, y, way, seed=3, batch_size=4)
    assert x.shape == (7, 1, 12, 8) and 0 <= x.min() and x.max() <= 1 and not x.requires_grad
    assert torch.equal(x, guidance.sample(model, y, way, seed=3, batch_size=4))
    assert not torch.equal(x, guidance.sample(model, y, way, seed=4, batch_size=4))


def test_samples_are_the_walk_s_and_in_the_order_of_their_labels():
    model, y = net(size=(4, 4)), torch.arange(5)
    x = guidance.sample(model, y, lambda x, labels, g: labels.view(-1, 1, 1, 1) / 2 + 0 * x, batch_size=2)
    torch.testing.assert_close(x[:, 0, 0, 0], (0.1 + 0.3 * y / 2).clamp(0, 1))


def test_grey_undoes_unit():
    model, grey = net(), torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(guidance.to_grey(model, diffusion.to_unit(model, grey)), grey)
    assert guidance.to_grey(model, torch.tensor([-9.0, 9.0])).tolist() == [0.0, 1.0]


def test_arguments_are_left_as_they_are():
    x, known, mask = points().float(), points(seed=1).float(), torch.tensor([1.0, 0.0, 1.0])
    before = x.clone(), known.clone()
    guidance.multistep(exact, x, [1.2, 0.6, 0.0], 0.3)
    guidance.heun(exact, x, [1.2, 0.6])
    guidance.fill(exact, known, mask, [1.2, 0.6, 0.0], 0.3, look=True)
    guidance.shortcut(exact, x, 1.2, 0.6)
    assert torch.equal(x, before[0]) and torch.equal(known, before[1]) and not known.requires_grad


def test_from_pure_noise_two_steps_are_of_first_order():
    way = [math.pi / 2, 0.9, 0.5, 0.0]
    torch.testing.assert_close(guidance.multistep(exact, points(), way), diffusion.walk(exact, points(), way))


def test_labels_reach_the_model_in_every_walk():
    seen, y = [], torch.zeros(16)

    def model(x, angle, *given):
        seen.append(given)
        return exact(x, angle)

    guidance.multistep(model, points(), [1.2, 0.6, 0.0], 0.0, y)
    guidance.heun(model, points(), [1.2, 0.6], y)
    guidance.shortcut(model, points(), 1.2, 0.6, y)
    for look in (False, True):
        guidance.fill(model, points().float(), torch.ones(3), [1.2, 0.6, 0.0], 0.3, y, look=look)
    assert len(seen) == 2 + 2 + 3 + 2 + 2 and all(given == (y,) or given[0] is y for given in seen)


def test_only_who_looks_keeps_gradients():
    scale, flags = torch.ones((), requires_grad=True), []

    def model(x, angle, *given):
        flags.append((torch.is_grad_enabled(), x.requires_grad))
        return scale * exact(x, angle)

    x, mask = points().float(), torch.zeros(3)
    ends = [
        guidance.multistep(model, x, [1.2, 0.6]),
        guidance.heun(model, x, [1.2, 0.6]),
        guidance.shortcut(model, x, 1.2, 0.6),
        guidance.fill(model, x, mask, [1.2, 0.6, 0.0]),
    ]
    assert set(flags) == {(False, False)} and not any(end.requires_grad for end in ends)
    flags.clear()
    guidance.fill(model, x, mask, [1.2, 0.6, 0.0], look=True)
    assert set(flags) == {(True, True)}


def test_half_precision_stays_inside_the_model():
    x = points().float()

    def model(x, angle, *given):
        return exact(x.float(), angle).bfloat16()

    def whole(x, angle, *given):
        return model(x, angle).float()

    for walk in (guidance.multistep, guidance.heun, guidance.shortcut):
        way = (1.2, 0.6) if walk is guidance.shortcut else ([1.2, 0.9, 0.6],)
        assert torch.equal(walk(model, x, *way), walk(whole, x, *way))
    angle, y = torch.full((16,), 0.9), torch.ones(16)
    assert torch.equal(guidance.guided(model, 2.0, 9)(x, angle, y), guidance.guided(whole, 2.0, 9)(x, angle, y))


def test_random_numbers_are_drawn_where_noise_is_fresh():
    for angles, fresh, n in (([1.2, 0.0], 0.4, 0), ([1.2, 0.6, 0.0], 0.0, 0), ([1.2, 0.6, 0.0], 1.0, 1)):
        given, due = Generator().manual_seed(5), Generator().manual_seed(5)
        guidance.multistep(exact, points().float(), angles, fresh, generator=given)
        for _ in range(n):
            torch.randn(16, 3, generator=due)
        assert torch.equal(given.get_state(), due.get_state())


def test_pasting_step_by_step():
    """Against the rule written out: what is drawn, with fresh noise, then the known part, with noise of its own."""
    known, mask, angles = points().float(), torch.tensor([1.0, 0.0, 1.0]), [1.4, 0.9, 0.3, 0.0]
    g = Generator().manual_seed(4)

    def noise():
        return torch.randn(known.shape, generator=g)

    x = noise()
    for angle, after in zip(angles, angles[1:], strict=False):
        at = torch.full((16,), angle)
        x_0, eps = diffusion.parts(x, exact(x, at), at)
        x = math.cos(after) * x_0 + math.sin(after) * (math.sqrt(1 - 0.4**2) * eps + 0.4 * noise())
        x = mask * (math.cos(after) * known + math.sin(after) * noise()) + (1 - mask) * x
    ours = guidance.fill(exact, known, mask, angles, 0.4, generator=Generator().manual_seed(4))
    torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-4)


def test_who_looks_pastes_at_the_end_only():
    known, given, due = points().float(), Generator().manual_seed(4), Generator().manual_seed(4)
    guidance.fill(exact, known, torch.ones(3), [1.4, 0.9, 0.3, 0.0], 0.0, look=True, generator=given)
    for _ in range(2):  # the start, and the last paste
        torch.randn(known.shape, generator=due)
    assert torch.equal(given.get_state(), due.get_state())


def test_defaults():
    assert guidance.ALL == (0, math.pi / 2)
    assert guidance.curved(3)[1] == pytest.approx(math.atan(((40 ** (1 / 7) + 0.05 ** (1 / 7)) / 2) ** 7))
    x, mask, ends = points().float(), torch.tensor([1.0, 0.0, 0.0]), []
    for options in ({}, {"look": False}):
        g = Generator().manual_seed(1)
        ends.append(guidance.fill(exact, x, mask, [1.4, 0.9, 0.3, 0.0], 0.3, generator=g, **options))
    assert torch.equal(*ends)


def test_each_sample_starts_from_noise_of_its_own():
    got, g = [], Generator().manual_seed(3)

    def way(x, labels, generator):
        got.append(x.clone())
        torch.randn(1, generator=generator)
        return x

    guidance.sample(net(size=(4, 4)), torch.arange(5), way, seed=3, batch_size=2)
    for x in got:
        assert torch.equal(x, torch.randn(len(x), 1, 4, 4, generator=g))
        torch.randn(1, generator=g)
    assert [len(x) for x in got] == [2, 2, 1]


def test_sampling_is_done_in_evaluation_mode_and_in_the_context_that_is_given():
    model, seen = net(size=(4, 4)).train(), []

    def way(x, labels, generator):
        seen.append((model.training, torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()))
        return x

    guidance.sample(model, torch.arange(2), way, autocast=torch.autocast("cpu", torch.bfloat16))
    assert seen == [(False, True, False)] and model.training
