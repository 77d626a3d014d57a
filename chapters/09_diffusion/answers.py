"""Right and wrong answers to the exercises of 09_diffusion; test_check.py runs them."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch


def velocity_by_x_0(x, eps, angle):
    angle = angle.view(-1, 1)
    x_0 = (x - torch.sin(angle) * eps) / torch.cos(angle)
    return torch.cos(angle) * eps - torch.sin(angle) * x_0


def velocity_by_rows(x, eps, angle):
    rows = zip(x.tolist(), eps.tolist(), angle.tolist(), strict=True)
    return [[(e - math.sin(t) * y) / math.cos(t) for y, e in zip(a, b, strict=True)] for a, b, t in rows]


def velocity_einsum(x, eps, angle):
    return torch.einsum("b,bd->bd", 1 / angle.cos(), eps) - torch.einsum("b,bd->bd", angle.tan(), x)


def velocity_numpy(x, eps, angle):
    """NumPy's methods, which tensors have not."""
    angle = angle.astype(np.float64)[:, np.newaxis]
    return eps / np.cos(angle) - np.tan(angle) * x


def velocity_solved(x, eps, angle):
    """x and v are x_0 and ε, turned: two equations a row, solved for x_0 and v."""
    c, s, one, zero = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    left = torch.stack([torch.stack([c, zero], 1), torch.stack([s, one], 1)], 1)  # (B, 2, 2)
    right = torch.stack([x - s[:, None] * eps, c[:, None] * eps], 1)  # (B, 2, D)
    return torch.linalg.solve(left.double(), right.double())[:, 1].float()


def ddim_points(x, eps, a, s, a_next, s_next):
    """Along the straight line on which x / a goes with s / a."""
    return a_next * (x / a + (s_next / a_next - s / a) * eps)


def ddim_euler(x, eps, a, s, a_next, s_next):
    x_0 = (x - s * eps) / a
    return x + (a_next - a) * x_0 + (s_next - s) * eps


def ddim_rows(x, eps, a, s, a_next, s_next):
    new = torch.empty_like(x)
    for b in range(len(x)):
        for d in range(x.shape[1]):
            new[b, d] = a_next * (x[b, d].item() - s * eps[b, d].item()) / a + s_next * eps[b, d].item()
    return new


def ddim_numpy(x, eps, a, s, a_next, s_next):
    """NumPy's methods, which tensors have not."""
    x_0 = (x.astype(np.float64) - s * eps) / a
    return a_next * x_0 + s_next * eps.astype(np.float64)


def ddim_matrix(x, eps, a, s, a_next, s_next):
    turn = torch.tensor([a_next, s_next]) @ torch.linalg.inv(torch.tensor([[a, s], [0.0, 1.0]]))
    return torch.tensordot(turn, torch.stack([x, eps]), dims=1)


def ddim_tensors(x, eps, *levels):
    a, s, a_next, s_next = map(torch.tensor, levels)
    return torch.addcmul(s_next * eps, a_next / a, x - s * eps)


def ddim_clipped(x, eps, a, s, a_next, s_next):
    return a_next * ((x - s * eps) / a).clip(-1, 1) + s_next * eps


def ddim_variances(x, eps, a, s, a_next, s_next):
    """alpha_bar as most code has it."""
    x_0 = (x - math.sqrt(1 - a) * eps) / math.sqrt(a)
    return math.sqrt(a_next) * x_0 + math.sqrt(1 - a_next) * eps


def ddim_circle(x, eps, a, s, a_next, s_next):
    return a_next * (x - math.sqrt(1 - a**2) * eps) / a + math.sqrt(1 - a_next**2) * eps


def ddim_fresh(x, eps, a, s, a_next, s_next):
    return a_next * (x - s * eps) / a + s_next * torch.randn_like(x)


def ddim_same_noise(x, eps, a, s, a_next, s_next):
    return a_next * (x - s * eps) / a + s_next * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def ddpm_mean(x, eps, a, s, a_next, s_next):
    beta = 1 - (a / a_next) ** 2
    return (x - beta / s * eps) / math.sqrt(1 - beta)


def ddim_in_place(x, eps, a, s, a_next, s_next):
    x -= s * eps
    return a_next * x / a + s_next * eps


def heun_corrected(velocity, x, angle, after):
    """Euler's step, and half of what the velocity has changed by."""
    first = velocity(x, angle)
    euler = x + (after - angle) * first
    return euler + (after - angle) / 2 * (velocity(euler, after) - first)


def heun_points(velocity, x, angle, after):
    """The mean of x and of two Euler steps."""
    there = x + (after - angle) * velocity(x, angle)
    return torch.lerp(x, there + (after - angle) * velocity(there, after), 0.5)


def heun_tableau(velocity, x, angle, after):
    slopes, h = [], after - angle
    for c, row in ((0.0, []), (1.0, [1.0])):
        slopes.append(velocity(x + h * sum(w * k for w, k in zip(row, slopes, strict=True)), angle + c * h))
    return x + h * torch.stack(slopes).mean(dim=0)


def heun_rows(velocity, x, angle, after):
    rows = []
    for row in x.split(1):
        start = velocity(row, angle)
        end = velocity(row + start * (after - angle), after)
        rows.append(row + np.trapezoid([start.numpy(), end.numpy()], [angle, after], axis=0))
    return torch.cat([torch.as_tensor(row) for row in rows])


def heun_backwards(velocity, x, angle, after):
    """h with the other sign, and taken off."""
    h = angle - after
    start = velocity(x, angle)
    return x - 0.5 * h * start - 0.5 * h * velocity(x - h * start, angle - h)


def heun_tensors(velocity, x, angle, after):
    angle, after = torch.tensor(angle), torch.tensor([after])
    start = velocity(x.double(), angle)
    return x + torch.einsum("n,nbd->bd", (after - angle).expand(2) / 2,
                            torch.stack([start, velocity(x + (after - angle) * start, after)]).float())  # fmt: skip


def heun_numpy(velocity, x, angle, after):
    """NumPy's methods, which tensors have not."""
    x = x.astype(np.float64)
    start = velocity(x, angle)
    return x + (after - angle) * np.mean([start, velocity(x + (after - angle) * start, after)], axis=0)


def heun(velocity, x, angle, after, far=1.0):
    start = velocity(x, angle)
    return x + far * (after - angle) * (start + velocity(x + (after - angle) * start, after)) / 2


def midpoint(velocity, x, angle, after):
    h = after - angle
    return x + h * velocity(x + h / 2 * velocity(x, angle), angle + h / 2)


def euler(velocity, x, angle, after):
    return x + (after - angle) * velocity(x, angle)


def twice_corrected(velocity, x, angle, after):
    h, start = after - angle, velocity(x, angle)
    there = x + h * (start + velocity(x + h * start, after)) / 2
    return x + h * (start + velocity(there, after)) / 2


def runge_kutta(velocity, x, angle, after):
    h, middle = after - angle, (angle + after) / 2
    k_1 = velocity(x, angle)
    k_2 = velocity(x + h / 2 * k_1, middle)
    k_3 = velocity(x + h / 2 * k_2, middle)
    return x + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + velocity(x + h * k_3, after))


def ralston(velocity, x, angle, after):
    h, start = after - angle, velocity(x, angle)
    return x + h * (start / 4 + velocity(x + 2 / 3 * h * start, angle + 2 / 3 * h) * 3 / 4)


def heun_in_place(velocity, x, angle, after):
    start = velocity(x, angle)
    x += (after - angle) * start
    return x + (after - angle) / 2 * (velocity(x, after) - start)


def heun_batch(velocity, x, angle, after):
    """Angles a row, though `velocity` takes a number."""
    h, angles = after - angle, torch.full((len(x), 1), angle)
    start = velocity(x, angles)
    return x + h * (start + velocity(x + h * start, angles + h)) / 2


GOOD = {"x_0": "data", "eps": "noise", "v": "neither"}
ALONE = r"^(?!.* And )[\d.]+ wrong: "  # and no second sentence
c, s = (lambda angle: angle.cos()[:, None]), (lambda angle: angle.sin()[:, None])

RIGHT = {
    "09.1": [
        GOOD | {"x_0": " DATA."},
        GOOD | {"why": "ends"},
        GOOD | {"v": "'Neither'\n"},
        GOOD | {"eps": "“noise”", "v": "NEITHER\t"},
        dict(reversed(GOOD.items())),
        GOOD | {"eps": np.str_("noise")},
    ],
    "09.2": [0.754, "0.7537", "s = 0.754", "≈ 0.754", Fraction(754, 1000), Decimal("0.754"), torch.tensor([0.7537]),
             np.float32(0.7537), "754/1000", (1 - 0.9 * 0.8 * 0.6) ** 0.5, math.sin(math.acos(0.432**0.5))],
    "09.3": [
        velocity_by_x_0,
        velocity_by_rows,
        velocity_einsum,
        velocity_numpy,
        velocity_solved,
        lambda x, eps, angle: ((eps.T - angle.sin() * x.T) / angle.cos()).T,
        lambda x, eps, angle: c(angle) * eps - s(angle) ** 2 / c(angle) * (x / s(angle) - eps),
        lambda x, eps, angle: (c(angle) * x - (x - s(angle) * eps) / c(angle)) / s(angle),
        lambda x, eps, angle: torch.diag(1 / angle.cos()) @ (eps - angle.sin().diag() @ x),
        lambda x, eps, angle: (eps - s(angle.double()) * x) / (c(angle.double()) + 1e-8),
    ],
    "09.4": [
        ddim_points,
        ddim_euler,
        ddim_rows,
        ddim_numpy,
        ddim_matrix,
        ddim_tensors,
        lambda x, eps, a, s, a_next, s_next: a_next / a * x + (s_next - a_next * s / a) * eps,
        lambda x, eps, a, s, a_next, s_next: s_next / s * x + (a_next - a * s_next / s) * (x - s * eps) / a,
        lambda x, eps, a, s, a_next, s_next: np.asarray(x) * a_next / a + (s_next - a_next * s / a) * np.asarray(eps),
        lambda x, eps, *n: [[(y - n[1] * e) / n[0] * n[2] + n[3] * e for y, e in zip(*rows, strict=True)]
                            for rows in zip(x.tolist(), eps.tolist(), strict=True)],
    ],
    "09.5": [
        heun_corrected,
        heun_points,
        heun_tableau,
        heun_rows,
        heun_backwards,
        heun_tensors,
        heun_numpy,
        lambda velocity, x, angle, after: heun(velocity, x.clone().requires_grad_(), angle, after),
        lambda velocity, x, angle, after: heun(lambda y, at: velocity(y, np.float32(at)), x, angle, after),
        lambda velocity, x, angle, after: (heun(velocity, x, angle, after) + heun_corrected(velocity, x, angle, after))
        / 2,
    ],
}  # fmt: skip

WRONG = {
    "09.1": [
        (GOOD | {"x_0": "noise", "eps": "data"}, "the wrong way round"),
        (GOOD | {"x_0": "noise"}, "next to nothing of x_0"),
        (GOOD | {"x_0": "neither"}, "sin φ is near 0"),
        (GOOD | {"eps": "data"}, "hard to see"),
        (GOOD | {"eps": "neither"}, "cos φ is near 0"),
        (GOOD | {"v": "data"}, "v is nearly ε"),
        (GOOD | {"v": "noise"}, "v is nearly −x_0"),
        (dict.fromkeys(GOOD, "neither"), "sin φ is near 0.* And .*cos φ is near 0"),
        (dict.fromkeys(GOOD, "data"), "hard to see.* And .*v is nearly ε"),
        (GOOD | {"v": "both"}, '"v" must be "data", "noise" or "neither"'),
        (GOOD | {"v": 0}, '"v" must be'),
        ({"x_0": "data"}, "must be a dict with the keys"),
        (["data", "noise", "neither"], "must be a dict"),
    ],
    "09.2": [
        (0.568, "this is the variance"), ("56.8 %", "this is the variance"), (0.657, "this is a, the factor"),
        (0.432, "or its square"), (0.7, "do not just add up"), (0.837, "do not just add up"),
        (1.396, "standard deviations do not add up"), (0.465, "nor is their mean"), (0.1, "it is larger than 0.1"),
        (0.632, "this is of one step"), (0.316, "this is of one step"), (0.529, "of fewer than three"),
        (0.902, "not squared again"), (0.585, "and not a"), (0.343, "and not a"),
        (0.996, "not of the βs"),
        (0.4345, "neither is a standard"), (0.458, "neither is a standard"), (0.741, "their mean"),
        (0.992, "not of the βs"), (0.75, "it is larger than 0.75"), (0.76, "it is smaller than 0.76"),
        (1.5, "never above 1"),
        (-0.754, "never negative"), (75.4, "never above 1"), ("0,754", "one number"), ([0.754, 0.657], "one number"),
        (math.nan, "finite"), ("large", "one number"),
    ],
    "09.3": [
        (lambda x, eps, angle: c(angle) * eps - s(angle) * x, f"{ALONE}x stands here in the place of x_0"),
        (lambda x, eps, angle: (x - s(angle) * eps) / c(angle), f"{ALONE}this is x_0"),
        (lambda x, eps, angle: c(angle) * eps - s(angle) * (x - s(angle) * eps), f"{ALONE}x without its noise"),
        (lambda x, eps, angle: eps - s(angle) * x, f"{ALONE}x without its noise"),
        (lambda x, eps, angle: (eps - s(angle) * x) / s(angle), f"{ALONE}.*not by sin φ"),
        (lambda x, eps, angle: (eps - s(angle) * x) * c(angle), f"{ALONE}.*do not multiply"),
        (lambda x, eps, angle: eps - s(angle) * x / c(angle), f"{ALONE}.*not only one part"),
        (lambda x, eps, angle: eps - torch.tan(angle)[:, None] * x, f"{ALONE}.*not only one part"),
        (lambda x, eps, angle: (eps + s(angle) * x) / c(angle), f"{ALONE}a sign is turned"),
        (lambda x, eps, angle: (s(angle) * x - eps) / c(angle), f"{ALONE}the sign is turned"),
        (lambda x, eps, angle: c(angle) * eps + s(angle) * (x - s(angle) * eps) / c(angle), "a sign is turned"),
        (lambda x, eps, angle: (eps - c(angle) * x) / s(angle), "are swapped"),
        (lambda x, eps, angle: c(angle) * x - s(angle) * eps, f"{ALONE}this turns x with ε"),
        (lambda x, eps, angle: s(angle) * x + c(angle) * eps, f"{ALONE}this turns x with ε"),
        (lambda x, eps, angle: velocity_by_x_0(x, eps, angle[:1].expand(len(x))), "an angle of its own"),
        (lambda x, eps, angle: velocity_by_x_0(x, eps, angle.mean().expand(len(x))), "an angle of its own"),
        (lambda x, eps, angle: velocity_by_x_0(x, eps, torch.deg2rad(angle)), "taken for degrees"),
        (lambda x, eps, angle: (eps - angle.sin() * x) / angle.cos(), "raises `RuntimeError"),
        (lambda x, eps, angle: velocity_by_x_0(x, eps, angle).sum(1), "sum over the last axis|rows|it returns"),
        (lambda x, eps, angle: 2 * velocity_by_x_0(x, eps, angle), "twice what is due"),
        (lambda x, eps, angle: eps, "changes nothing"),
        (lambda x, eps, angle: x, "changes nothing"),
        (lambda x, eps, angle: (eps - angle[:, None] * x) / c(angle), f"{ALONE}.*it returns"),
        (lambda x, eps, angle: eps.sub_(s(angle) * x) / c(angle), "in place"),
        (lambda x, eps, angle: velocity_by_x_0(x, eps, angle).half(), f"{ALONE}.*it returns"),
        (lambda x, eps, angle: (eps - math.sin(angle) * x) / math.cos(angle), "raises"),
        (lambda x, eps: (eps - x) / 2, "raises `TypeError"),
        (torch.zeros(2, 3), "the answer must be the function"),
    ],
    "09.4": [
        (lambda x, eps, a, s, b, t: b * (x - s * eps) + t * eps, f"{ALONE}x without its noise is a x_0"),
        (lambda x, eps, a, s, b, t: b * (x - s * eps / a) + t * eps, f"{ALONE}x without its noise is a x_0"),
        (lambda x, eps, a, s, b, t: b * (x - s * eps) * a + t * eps, f"{ALONE}x without its noise is a x_0"),
        (lambda x, eps, a, s, b, t: b * x / a + t * eps, f"{ALONE}the noise that is in x"),
        (lambda x, eps, a, s, b, t: b * x + t * eps, f"{ALONE}the noise that is in x"),
        (lambda x, eps, a, s, b, t: b * (x - eps) / a + t * eps, "not as much as s says"),
        (lambda x, eps, a, s, b, t: (x - s * eps) / a, f"{ALONE}this is x_0"),
        (lambda x, eps, a, s, b, t: b * (x - s * eps) / a, f"{ALONE}this is x_0, with a factor or not"),
        (lambda x, eps, a, s, b, t: b * (x - s * eps) / a + s * eps, "have another factor"),
        (lambda x, eps, a, s, b, t: a * (x - s * eps) / a + t * eps, "then multiply by a_next"),
        (lambda x, eps, a, s, b, t: x - (s - t) * eps, "then multiply by a_next"),
        (lambda x, eps, a, s, b, t: (x - s * eps) / a + t * eps, "have another factor"),
        (lambda x, eps, a, s, b, t: t * (x - s * eps) / a + b * eps, "two of the numbers are swapped"),
        (lambda x, eps, a, s, b, t: b * (x - a * eps) / s + t * eps, "two of the numbers are swapped"),
        (lambda x, eps, a, s, b, t: ddim_euler(x, eps, b, t, a, s) if t else x * 0, "it returns"),
        (lambda x, eps, a, s, b, t: a * (x - t * eps) / b + s * eps, "a and s belong to x"),
        (ddim_variances, f"{ALONE}a and s are the factors themselves"),
        (ddim_circle, f"{ALONE}.*a² \\+ s² need not be 1"),
        (lambda x, eps, a, s, b, t: b * (x - (1 - a) * eps) / a + (1 - b) * eps, f"{ALONE}.*nor a \\+ s"),
        (lambda x, eps, a, s, b, t: b**0.5 * (x - s**0.5 * eps) / a**0.5 + t**0.5 * eps, "no root"),
        (lambda x, eps, a, s, b, t: b * (x + s * eps) / a + t * eps, "a sign is turned"),
        (lambda x, eps, a, s, b, t: b * (x - s * eps) / a - t * eps, "a sign is turned"),
        (ddim_clipped, "cut off at ±1"),
        (ddpm_mean, "DDPM's mean"),
        (ddim_fresh, "other values when called again"),
        (ddim_same_noise, f"{ALONE}.*it returns"),
        (ddim_in_place, "in place"),
        (lambda x, eps, a, s, b, t: -ddim_euler(x, eps, a, s, b, t), "sign is turned"),
        (lambda x, eps, a, s, b, t: ddim_euler(x, eps, a, s, b, t).clamp(-1, 1), "it returns"),
        (lambda x, eps, a, s, b, t: ddim_euler(x, eps, a, s, b, t).mean(0), "averaged"),
        (lambda x, eps, a, s, b, t: (ddim_euler(x, eps, a, s, b, t), eps), "it returns|one tensor"),
        (lambda x, eps, a, s: (x - s * eps) / a, "raises `TypeError"),
        ("0.5 x_0", "the answer must be the function"),
    ],
    "09.5": [
        (euler, f"{ALONE}this is Euler's step"),
        (midpoint, f"{ALONE}the mean of two velocities"),
        (lambda v, x, a, b: x + (b - a) * v(euler(v, x, a, b), b), f"{ALONE}the mean of two velocities"),
        (lambda v, x, a, b: x + (b - a) * (v(x, a) + v(x, b)) / 2, f"{ALONE}the second velocity is taken at x"),
        (lambda v, x, a, b: x + (b - a) * (v(x, a) + v(x + (b - a) / 2 * v(x, a), b)) / 2, "on half of the way"),
        (lambda v, x, a, b: x + (b - a) * (v(x, a) + v(euler(v, x, a, b), a)) / 2, f"{ALONE}each velocity has its"),
        (lambda v, x, a, b: x + (b - a) * (v(x, b) + v(euler(v, x, a, b), b)) / 2, f"{ALONE}each velocity has its"),
        (lambda v, x, a, b: heun(v, x, a, b, far=2), f"{ALONE}this goes twice as far"),
        (lambda v, x, a, b: heun(v, x, a, b, far=0.5), f"{ALONE}this goes twice as far, half"),
        (lambda v, x, a, b: euler(v, x, a, b) - x + heun(v, x, a, b), "on from Euler's point"),
        (lambda v, x, a, b: heun(v, x, b, a), "its sign is turned"),
        (lambda v, x, a, b: heun(v, x, a, b, far=-1), "its sign is turned"),
        (lambda v, x, a, b: x + abs(b - a) * (v(x, a) + v(x + abs(b - a) * v(x, a), b)) / 2, "or lost"),
        (lambda v, x, a, b: x + b * (v(x, a) + v(x + b * v(x, a), b)) / 2, "another number stands for it"),
        (lambda v, x, a, b: x + (v(x, a) + v(euler(v, x, a, b), b)) / 2, "multiplied by the step"),
        (lambda v, x, a, b: x + (b - a) * (v(x, a) + v(x + v(x, a), b)) / 2, "multiplied by the step"),
        (lambda v, x, a, b: heun(v, x, a, b) - x, "not the change alone"),
        (lambda v, x, a, b: (v(x, a) + v(euler(v, x, a, b), b)) / 2, "not a velocity"),
        (twice_corrected, f"{ALONE}.*it returns"),
        (runge_kutta, f"{ALONE}.*it returns"),
        (ralston, f"{ALONE}.*it returns"),
        (lambda v, x, a, b: heun(v, heun(v, x, a, (a + b) / 2), (a + b) / 2, b), "in two steps"),
        (heun_in_place, "in place"),
        (heun_batch, "raises `(Runtime|Value)Error"),
        (lambda v, x, a, b: heun(v, x, a, b).sum(1), "it returns|summed|added|sum over"),
        (lambda v, x, a, b: (v(x, a), b), "it returns|one tensor"),
        (lambda v, x, a: x, "raises `TypeError"),
        (0.5, "the answer must be the function"),
    ],
}  # fmt: skip
