"""Right and wrong answers to the exercises of 09b_guidance_and_editing; test_check.py runs them."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch


def guided_rows(told, free, angle, w, low, high):
    rows = []
    for t, f, a in zip(told, free, angle, strict=True):
        rows.append(f + w * (t - f) if low <= a <= high else t)
    return torch.stack(rows)


def guided_lists(told, free, angle, w, low, high):
    rows = zip(told.tolist(), free.tolist(), angle.tolist(), strict=True)
    return [[w * t + (1 - w) * f if low <= a <= high else t for t, f in zip(*pair, strict=True)] for *pair, a in rows]


def guided_indexed(told, free, angle, w, low, high):
    v, inside = told.clone(), (angle >= low) & (angle <= high)
    v[inside] = torch.lerp(free[inside], told[inside], w)
    return v


def guided_weights(told, free, angle, w, low, high):
    """A weight a row, which is 1 outside."""
    weight = torch.ones_like(angle).masked_fill((angle - low) * (high - angle) >= 0, w)
    return free + torch.einsum("b,bd->bd", weight, told - free)


def guided_outside(told, free, angle, w, low, high):
    """What is added to `told`, and where it is not."""
    outside = (angle < low) | (angle > high)
    return told + (w - 1) * (told - free) * ~outside.unsqueeze(1)


def guided_numpy(told, free, angle, w, low, high):
    """NumPy's methods, which tensors have not."""
    inside = (angle.astype(np.float64) == angle.clip(low, high))[:, np.newaxis]
    return np.where(inside, free + w * (told.astype(np.float64) - free), told)


def guided(inside=None, outside=None, rows=None):
    def answer(told, free, angle, w, low, high):
        chosen = ((angle >= low) & (angle <= high) if rows is None else rows(angle, low, high)).reshape(-1, 1)
        there = free + w * (told - free) if inside is None else inside(told, free, w)
        return torch.where(chosen, there, told if outside is None else outside(told, free, w))

    return answer


def guided_in_place(told, free, angle, w, low, high):
    inside = (low <= angle) & (angle <= high)
    told[inside] = free[inside] + w * (told - free)[inside]
    return told


def ell(angle):
    return math.log(math.tan(angle))


def step(x, guess, angle, after):
    return math.cos(after) * guess + math.sin(after) * (x - math.cos(angle) * guess) / math.sin(angle)


def second_lagrange(x, x_0, x_0_before, before, angle, after):
    """The line by its values at two points."""
    a, b, middle = ell(before), ell(angle), (ell(angle) + ell(after)) / 2
    guess = x_0_before * (middle - b) / (a - b) + x_0 * (middle - a) / (b - a)
    return step(x, guess, angle, after)


def second_paper(x, x_0, x_0_before, before, angle, after):
    """As in algorithm 2 of Lu et al.: lambda is minus l."""
    h, r = ell(angle) - ell(after), (ell(before) - ell(angle)) / (ell(angle) - ell(after))
    D = (1 + 1 / (2 * r)) * x_0 - 1 / (2 * r) * x_0_before
    return math.sin(after) / math.sin(angle) * x - math.cos(after) * math.expm1(-h) * D


def second_from_before(x, x_0, x_0_before, before, angle, after):
    """The line from x_0_before on, in logarithms of the signal-to-noise ratio."""
    first, now, then = (2 * math.log(math.cos(a) / math.sin(a)) for a in (before, angle, after))
    guess = torch.lerp(x_0_before, x_0, (now + (then - now) / 2 - first) / (now - first))
    eps = (x - math.cos(angle) * guess) / math.sin(angle)
    return math.cos(after) * guess + math.sin(after) * eps


def second_fit(x, x_0, x_0_before, before, angle, after):
    y = np.stack([x_0_before.numpy().ravel(), x_0.numpy().ravel()]).astype(np.float64)
    slope, start = np.polyfit([ell(before), ell(angle)], y, 1)
    guess = (start + slope * (ell(angle) + ell(after)) / 2).reshape(x.shape)
    return step(x, torch.as_tensor(guess), angle, after)


def second_tensors(x, x_0, x_0_before, *angles):
    angles = torch.tensor(angles, dtype=torch.float64)
    logs = angles.tan().log2()
    guess = x_0 + (logs[2] - logs[1]) / (logs[1] - logs[0]) / 2 * (x_0 - x_0_before)
    c, s = angles.cos(), angles.sin()
    return c[2] * guess + s[2] * ((x - c[1] * guess) / s[1])


def second_numpy(x, x_0, x_0_before, before, angle, after):
    """NumPy's methods, which tensors have not."""
    x, x_0, old = (y.astype(np.float64) for y in (x, x_0, x_0_before))
    h_before, h = -np.diff(np.log(np.tan([before, angle, after])))
    guess = x_0 + 0.5 * h / h_before * (x_0 - old)
    return np.cos(after) * guess + np.sin(after) / np.sin(angle) * (x - np.cos(angle) * guess)


def second_rows(x, x_0, x_0_before, before, angle, after):
    new, r = torch.empty_like(x), np.log(np.tan(angle) / np.tan(after)) / np.log(np.tan(before) / np.tan(angle)) / 2
    for b in range(len(x)):
        for d in range(x.shape[1]):
            guess = x_0[b, d] + r * (x_0[b, d] - x_0_before[b, d])
            new[b, d] = step(x[b, d], guess, angle, after)
    return new


def second(r, f=ell):
    """A step whose line runs on by r(h, h_before), lengths by f."""

    def answer(x, x_0, x_0_before, before, angle, after):
        guess = x_0 + r(f(angle) - f(after), f(before) - f(angle)) * (x_0 - x_0_before)
        return step(x, guess, angle, after)

    return answer


def half(h, h_before):
    return h / (2 * h_before)


def guess_of(x_0, x_0_before, before, angle, after):
    return x_0 + half(ell(angle) - ell(after), ell(before) - ell(angle)) * (x_0 - x_0_before)


def middle_of_angles(x, x_0, x_0_before, before, angle, after):
    middle = ell((angle + after) / 2)
    return step(x, x_0 + (ell(angle) - middle) / (ell(before) - ell(angle)) * (x_0 - x_0_before), angle, after)


def old_noise(x, x_0, x_0_before, before, angle, after):
    eps = (x - math.cos(angle) * x_0) / math.sin(angle)
    return math.cos(after) * guess_of(x_0, x_0_before, before, angle, after) + math.sin(after) * eps


def old_x_0(x, x_0, x_0_before, before, angle, after):
    eps = (x - math.cos(angle) * guess_of(x_0, x_0_before, before, angle, after)) / math.sin(angle)
    return math.cos(after) * x_0 + math.sin(after) * eps


def second_torch(x, x_0, x_0_before, before, angle, after):
    """PyTorch's functions, which take no numbers."""
    l_before, l_now, l_after = (torch.log(torch.tan(a)) for a in (before, angle, after))
    return step(x, x_0 + (l_now - l_after) / 2 / (l_before - l_now) * (x_0 - x_0_before), angle, after)


def second_in_place(x, x_0, x_0_before, before, angle, after):
    x_0 += half(ell(angle) - ell(after), ell(before) - ell(angle)) * (x_0 - x_0_before)
    return step(x, x_0, angle, after)


def known_where(x, known, mask, eps, angle):
    return torch.where(mask.bool(), known * math.cos(angle) + eps * math.sin(angle), x)


def known_indexed(x, known, mask, eps, angle):
    new, there = x.clone(), mask == 1
    new[:, there] = math.cos(angle) * known[:, there] + math.sin(angle) * eps[:, there]
    return new


def known_pixels(x, known, mask, eps, angle):
    new = x.tolist()
    for b, h, w in np.ndindex(*x.shape):
        if mask[h, w] > 0.5:
            new[b][h][w] = float(np.cos(angle) * known[b, h, w] + np.sin(angle) * eps[b, h, w])
    return new


def known_einsum(x, known, mask, eps, angle):
    factors = torch.tensor([math.cos(angle), math.sin(angle), -1.0])
    return x + torch.einsum("hw,k,kbhw->bhw", mask, factors, torch.stack([known, eps, x]))


def known_numpy(x, known, mask, eps, angle):
    """NumPy's methods, which tensors have not."""
    mask = mask[np.newaxis].astype(np.float64)
    return x * (1 - mask) + mask * (np.cos(angle) * known + np.sin(angle) * eps)


def known_tensors(x, known, mask, eps, angle):
    angle, mask = torch.full((len(x), 1, 1), angle), mask.expand_as(x)
    return torch.lerp(x, angle.cos() * known + angle.sin() * eps, mask)


def known_package(x, known, mask, eps, angle):
    from aigc_course import diffusion

    return mask * diffusion.noised(known, eps, angle)[0] + x.masked_fill(mask > 0, 0)


def replaced(formula, turned=False):
    def answer(x, known, mask, eps, angle):
        there = (mask == 0) if turned else (mask == 1)
        return torch.where(there, formula(x, known, eps, math.cos(angle), math.sin(angle)), x)

    return answer


def known_fresh(x, known, mask, eps, angle):
    return mask * (math.cos(angle) * known + math.sin(angle) * torch.randn_like(x)) + (1 - mask) * x


def known_in_place(x, known, mask, eps, angle):
    x[:, mask > 0] = (math.cos(angle) * known + math.sin(angle) * eps)[:, mask > 0]
    return x


GOOD = {"accuracy": "rises", "recall": "falls", "precision": "rises", "evaluations": "rises"}
ALONE = r"^(?!.* And )[\w.]+ wrong: "  # and no second sentence
c, s = math.cos, math.sin

RIGHT = {
    "09b.1": [
        GOOD | {"accuracy": "Rises."},
        GOOD | {"recall": "“falls”"},
        GOOD | {"why": "the label leads further"},
        GOOD | {"evaluations": "'RISES'\n"},
        dict(reversed(GOOD.items())),
        GOOD | {"precision": np.str_("rises")},
    ],
    "09b.2": [2.4, "2.400", "12/5", "m = 2.4", "≈ 2.4", Fraction(12, 5), Decimal("2.4"), torch.tensor([2.4]),
              np.float32(2.4), 6 / 2.5, float(np.roots([2.5, -6])[0])],
    "09b.3": [
        guided_rows,
        guided_lists,
        guided_indexed,
        guided_weights,
        guided_outside,
        guided_numpy,
        lambda told, free, angle, w, low, high: torch.where(
            (angle.clamp(low, high) == angle).view(-1, 1), (1 - w) * free.double() + w * told.double(), told.double()
        ),
        lambda told, free, angle, w, low, high: told + (w - 1) * torch.diag(
            (angle >= low).float() * (angle <= high)) @ (told - free),
        lambda told, free, angle, w, low, high: (
            (told - free).T * torch.where(torch.logical_or(angle > high, angle < low), 1.0, w) + free.T).T,
        lambda told, free, angle, w, low, high: np.where(
            np.logical_and(np.asarray(angle) >= low, np.asarray(angle) <= high)[:, None], w * told + free - w * free,
            told),
    ],
    "09b.4": [
        second_lagrange,
        second_paper,
        second_from_before,
        second_fit,
        second_tensors,
        second_numpy,
        second_rows,
        second(lambda h, h_before: 0.5 * h / h_before, lambda a: -2 * math.log10(math.tan(a))),
        lambda x, x_0, *rest: second(half)(x.double(), x_0.double(), *rest),
        lambda x, y, old, b, a, n: s(n) / s(a) * x + s(a - n) / s(a) * guess_of(y, old, b, a, n),
        lambda x, y, old, b, a, n: second(half, lambda p: math.log(s(p)) - math.log(c(p)))(x, y, old, b, a, n),
    ],
    "09b.5": [
        known_where,
        known_indexed,
        known_pixels,
        known_einsum,
        known_numpy,
        known_tensors,
        known_package,
        lambda x, known, mask, eps, angle: x + mask * (c(angle) * known + s(angle) * eps - x),
        lambda x, k, mask, e, a: x * (1 - mask) + k * (mask * c(a)) + e * (mask * s(a)),
        lambda x, k, mask, e, a: torch.stack([
            m * y + (1 - m) * old for m, y, old in zip([mask.double()] * len(x), k * c(a) + e * s(a), x, strict=True)
        ]),
        lambda x, k, mask, e, a: np.where(np.asarray(mask) != 0, np.cos(a) * np.asarray(k) + np.sin(a) * np.asarray(e),
                                          np.asarray(x)),
    ],
}  # fmt: skip

WRONG = {
    "09b.1": [
        (GOOD | {"recall": "rises", "precision": "falls"}, f"{ALONE}precision and recall are the wrong way round"),
        (GOOD | {"accuracy": "falls"}, f"{ALONE}guidance goes further"),
        (GOOD | {"accuracy": "stays"}, f"{ALONE}guidance goes further"),
        (GOOD | {"recall": "rises"}, f"{ALONE}recall counts real images"),
        (GOOD | {"recall": "stays"}, f"{ALONE}recall counts real images"),
        (GOOD | {"precision": "falls"}, f"{ALONE}precision counts generated"),
        (GOOD | {"precision": "stays"}, f"{ALONE}precision counts generated"),
        (GOOD | {"evaluations": "stays"}, f"{ALONE}with w = 1"),
        (GOOD | {"evaluations": "falls"}, f"{ALONE}with w = 1"),
        (dict.fromkeys(GOOD, "rises"), f"{ALONE}recall counts real images"),
        (dict.fromkeys(GOOD, "stays"), "guidance goes .* And recall .* And precision .* And with w"),
        (GOOD | {"recall": "stays", "precision": "falls"}, "recall counts.* And precision counts"),
        (GOOD | {"evaluations": "doubles"}, '"evaluations" must be "rises", "falls" or "stays"'),
        (GOOD | {"evaluations": 2}, '"evaluations" must be'),
        ({"accuracy": "rises"}, "must be a dict with the keys"),
        (["rises", "falls", "rises", "rises"], "must be a dict"),
    ],
    "09b.2": [
        (0.4, "this is the variance"), (0.632, "its root"), (2.5, "one over it"), (2, "class's own mean"),
        (6, "are not extended by themselves"), ("8", "are not extended by themselves"),
        (2.087, "variance of 16"), (3.0, "does not draw from"), (1.714, "a division subtracts"),
        (1.6, "a division subtracts"), (1.846, "a division subtracts"), (2.182, "other exponents"),
        (2.286, "other exponents"), (2.667, "other exponents"), (4.0, "other exponents"), (2.462, "other exponents"),
        (-1.2, "over its own variance"), (0.545, "over its own variance"), (3.2, "the two are swapped"),
        (2.38, "it is larger than 2.38"), (2.41, "it is smaller than 2.41"), (-2.4, "it is larger than -2.4"),
        (0, "it is larger than 0"), ("2,4", "one number"), ([2.4, 0.4], "one number"), (math.inf, "finite"),
        ("two", "one number"),
    ],
    "09b.3": [
        (guided(lambda t, f, w: t + w * (t - f)), f"{ALONE}w counts from `free` on"),
        (guided(lambda t, f, w: (1 + w) * t - w * f), "as in the paper"),
        (guided(lambda t, f, w: f + (w - 1) * (t - f)), "w − 1"),
        (guided(lambda t, f, w: t + w * (f - t)), f"{ALONE}`told` and `free` are swapped"),
        (lambda t, f, *more: guided_rows(f, t, *more), "`told` and `free` are swapped"),
        (guided(lambda t, f, w: f - w * (t - f)), "or a sign is turned"),
        (guided(lambda t, f, w: w * (t - f)), f"{ALONE}w multiplies what the label changes"),
        (guided(lambda t, f, w: f + w * t), f"{ALONE}w multiplies what the label changes"),
        (guided(lambda t, f, w: w * t - f), f"{ALONE}w multiplies what the label changes"),
        (guided(lambda t, f, w: w * (f + t - f)), f"{ALONE}w multiplies what the label changes"),
        (guided(outside=lambda t, f, w: f), f"{ALONE}rows outside get `told`"),
        (guided(outside=lambda t, f, w: 0 * f), "or nothing"),
        (guided(outside=lambda t, f, w: f + w * (t - f), inside=lambda t, f, w: t), "the wrong way round"),
        (guided(rows=lambda a, low, high: (a <= low) | (a >= high)), "the wrong way round"),
        (lambda t, f, a, w, low, high: f + w * (t - f), f"{ALONE}both bounds count"),
        (lambda t, f, a, w, low, high: t, f"{ALONE}both bounds count"),
        (guided(rows=lambda a, low, high: (a >= low) | (a <= high)), f"{ALONE}both bounds count"),
        (guided(rows=lambda a, low, high: a >= low), f"{ALONE}both bounds count"),
        (guided(rows=lambda a, low, high: a <= high), "one bound alone"),
        (lambda t, f, a, w, low, high: f + w * (t - f) if low <= a[0] <= high else t, "an angle of its own"),
        (lambda t, f, a, w, low, high: f + w * (t - f) if low <= a.mean() <= high else t, "an angle of its own"),
        (guided(rows=lambda a, low, high: (a > low) & (a < high)), "include the ends.* For told = "),
        (guided(rows=lambda a, low, high: (a >= low) & (a < high)), "include the ends.* For told = "),
        (guided(rows=lambda a, low, high: (a > low) & (a <= high)), "include the ends"),
        (lambda t, f, a, w, low, high: f + w * (t - f) if low <= a <= high else t, "raises `(Runtime|Value)Error"),
        (lambda t, f, a, w, low, high: torch.where((low <= a) & (a <= high), f + w * (t - f), t), "raises `Runtime"),
        (lambda t, f, a, w, low, high: t[(low <= a) & (a <= high)], "it returns"),
        (lambda *n: guided_rows(*n).mean(0), "averaged"),
        (lambda *n: -guided_rows(*n), "sign is turned"),
        (guided_in_place, "in place"),
        (lambda t, f, a, w: f + w * (t - f), "raises `TypeError"),
        (lambda t, f, a, w, low, high: (t, f), "one tensor|it returns"),
        (torch.zeros(2, 3), "the answer must be the function"),
    ],
    "09b.4": [
        (lambda x, y, old, b, a, n: step(x, y, a, n), f"{ALONE}this is a step of first order"),
        (lambda x, y, old, b, a, n: step(x, old, a, n), f"{ALONE}this is a step of first order"),
        (lambda x, y, old, b, a, n: step(x, torch.lerp(old, y, 0.5), a, n), f"{ALONE}this is a step of first order"),
        (second(lambda h, before: h / before), f"{ALONE}the line runs on to the middle"),
        (second(lambda h, before: 2 * h / before), f"{ALONE}the line runs on to the middle"),
        (second(lambda h, before: before / h / 2), f"{ALONE}.*the ratio is turned"),
        (second(lambda h, before: before / h), f"{ALONE}.*the ratio is turned"),
        (second(lambda h, before: 0.5), f"{ALONE}.*or left out"),
        (second(lambda h, before: 1), f"{ALONE}.*or left out"),
        (second(lambda h, before: h / 2 / (h + before)), f"{ALONE}.*another length stands in it"),
        (second(half, float), f"{ALONE}lengths and the middle"),
        (second(half, math.tan), f"{ALONE}lengths and the middle"),
        (second(half, math.log), f"{ALONE}lengths and the middle"),
        (second(half, math.sin), f"{ALONE}lengths and the middle"),
        (second(lambda h, before: h / before, math.tan), f"{ALONE}lengths and the middle"),
        (middle_of_angles, f"{ALONE}lengths and the middle"),
        (second(lambda h, before: -h / before / 2), f"{ALONE}the line leads from x_0_before"),
        (lambda x, y, old, *rest: second(half)(x, old, y, *rest), f"{ALONE}the line leads from x_0_before"),
        (lambda x, y, old, b, a, n: step(x, old + guess_of(y, old, b, a, n) - y, a, n), "goes on from x_0_before"),
        (old_noise, f"{ALONE}x_0 as extended and the noise belong together"),
        (old_x_0, f"{ALONE}x_0 as extended and the noise belong together"),
        (lambda x, y, old, b, a, n: c(n) * guess_of(y, old, b, a, n) + s(n) * x, f"{ALONE}x is cos φ"),
        (lambda x, y, old, b, a, n: step(x, guess_of(y, old, b, a, n), n, a), f"{ALONE}x is cos φ"),
        (lambda x, y, old, b, a, n: step(x, guess_of(y, old, b, a, n), b, n), f"{ALONE}x is cos φ"),
        (lambda x, y, old, b, a, n: s(n) / s(a) * (x - guess_of(y, old, b, a, n)) + c(n) * guess_of(y, old, b, a, n),
         f"{ALONE}x is cos φ"),
        (lambda x, y, old, b, a, n: guess_of(y, old, b, a, n), f"{ALONE}x at `after` is asked for"),
        (lambda x, y, old, b, a, n: c(n) * guess_of(y, old, b, a, n), f"{ALONE}x at `after` is asked for"),
        (lambda x, y, old, b, a, n: (x - c(a) * guess_of(y, old, b, a, n)) / s(a), "the noise, or a velocity"),
        (lambda x, y, old, b, a, n: second(half)(x, y, old, b, a, n) - x, f"{ALONE}.*it returns"),
        (lambda x, y, old, b, a, n: step(x, guess_of(y, old, b, a, n).clamp(-1, 1), a, n), f"{ALONE}.*it returns"),
        (lambda x, y, old, b, a, n: second(half)(x, y, y, b, a, n) * 2, "first order.* And every value is twice"),
        (second_torch, "raises `TypeError"),
        (lambda *n: second_numpy(*n) * 2, "twice what is due"),
        (second_in_place, "in place"),
        (lambda *n: second(half)(*n).sum(1), "it returns|sum|added"),
        (lambda *n: (second(half)(*n), n[1]), "one tensor|it returns"),
        (lambda x, y, old, b, a, n: x, f"{ALONE}"),
        (lambda x, y, b, a, n: x, "raises `TypeError"),
        (2.4, "the answer must be the function"),
    ],
    "09b.5": [
        (replaced(lambda x, k, e, c, s: c * k + s * e, turned=True), f"{ALONE}the mask is turned"),
        (replaced(lambda x, k, e, c, s: k, turned=True), f"{ALONE}the mask is turned"),
        (replaced(lambda x, k, e, c, s: k), f"{ALONE}the known picture comes without noise"),
        (replaced(lambda x, k, e, c, s: c * k), f"{ALONE}the known picture comes without noise"),
        (replaced(lambda x, k, e, c, s: k + s * e), f"{ALONE}the picture has the factor cos φ"),
        (replaced(lambda x, k, e, c, s: k + s / c * e), f"{ALONE}the picture has the factor cos φ"),
        (replaced(lambda x, k, e, c, s: s * e), f"{ALONE}.*only the noise is put in"),
        (replaced(lambda x, k, e, c, s: k + e), f"{ALONE}the picture has the factor cos φ"),
        (replaced(lambda x, k, e, c, s: c * k + e), f"{ALONE}.*none is missing"),
        (replaced(lambda x, k, e, c, s: c**2 * k + s**2 * e), f"{ALONE}.*no square or root"),
        (replaced(lambda x, k, e, c, s: math.sqrt(c) * k + math.sqrt(s) * e), f"{ALONE}.*no square or root"),
        (replaced(lambda x, k, e, c, s: c * k + (1 - c) * e), f"{ALONE}.*do not add up to 1"),
        (replaced(lambda x, k, e, c, s: s * k + c * e), f"{ALONE}cos φ and sin φ are swapped"),
        (replaced(lambda x, k, e, c, s: c * e - s * k), f"{ALONE}cos φ and sin φ are swapped, or a sign"),
        (replaced(lambda x, k, e, c, s: c * k - s * e), f"{ALONE}cos φ and sin φ are swapped, or a sign"),
        (lambda x, k, m, e, a: c(a) * k + s(a) * e, f"{ALONE}where the picture is hidden"),
        (lambda x, k, m, e, a: m * (c(a) * k + s(a) * e), f"{ALONE}where the picture is hidden"),
        (lambda x, k, m, e, a: c(a) * (m * k + (1 - m) * x) + s(a) * e, f"{ALONE}where the picture is hidden"),
        (lambda x, k, m, e, a: m * c(a) * k + s(a) * e + (1 - m) * x, f"{ALONE}where the picture is hidden"),
        (lambda x, k, m, e, a: m * c(a) * k + s(a) * e, f"{ALONE}where the picture is hidden"),
        (lambda x, k, m, e, a: x + m * (c(a) * k + s(a) * e), f"{ALONE}where the picture is known, x is replaced"),
        (lambda x, k, m, e, a: x, f"{ALONE}where the picture is known, x is replaced"),
        (replaced(lambda x, k, e, c, s: c * k + s * x), "nor taken for noise"),
        (lambda x, k, m, e, a: known_where(x, k, m, e, math.radians(a)), f"{ALONE}.*taken for degrees"),
        (lambda x, k, m, e, a: known_where(x, k, m, e[0], a), f"{ALONE}.*one picture or noise serves all"),
        (lambda x, k, m, e, a: known_where(x, k[0], m, e, a), f"{ALONE}.*one picture or noise serves all"),
        (lambda x, k, m, e, a: m * k + (1 - m) * x + s(a) * e, "stays as it is, and nothing is added"),
        (lambda x, k, m, e, a: known_where(x, k, m, e, a).clamp(0, 1), f"{ALONE}.*it returns"),
        (lambda x, k, m, e, a: known_where(x, k, m.T, e, a), "raises"),
        (lambda x, k, m, e, a: torch.where(m, c(a) * k + s(a) * e, x), "raises `RuntimeError"),
        (lambda x, k, m, e, a: m * torch.cos(a) * k + (1 - m) * x, "raises `TypeError"),
        (lambda x, k, m, e, a: known_where(x, k, m, e, a).mean(0), "averaged|it returns"),
        (lambda x, k, m, e, a: known_where(x, k, m, e, a)[:, None], "an axis is left over|repeated"),
        (known_fresh, "other values when called again"),
        (known_in_place, "in place"),
        (lambda x, k, m, e: m * k + (1 - m) * x, "raises `TypeError"),
        ("cos known + sin eps", "the answer must be the function"),
    ],
}  # fmt: skip
