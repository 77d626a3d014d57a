"""Exercises of 09b_guidance_and_editing."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "09b.1",
    hint="Guidance goes further the way the label changes the velocity: towards images that the label fits best. Which"
    " of the four looks at the label, which at each generated image, which at each real one? And what must be known for"
    " `free + w * (told - free)`?",
    solution="""
# Images crowd where the label is surest: more are good, fewer kinds are there, at twice the cost.
answer_1 = {"accuracy": "rises", "recall": "falls", "precision": "rises", "evaluations": "rises"}
""",
    praise="Twenty guided steps cost what forty cost without guidance: the even comparison is with those.",
)
def answer_1(truth):
    asked = "guidance goes further the way the label leads: what becomes of digits that might be read as another class?"
    crowd = "recall counts real images: think of unusual ones, which fit their label badly. What comes near them?"
    likely = (
        "precision counts generated images: which of them lack a real neighbour, and does guidance draw them closer?"
    )
    twice = "with w = 1, `free + w * (told - free)` is `told` alone; with w = 3, what else is the network asked for?"
    mistakes = {
        "recall rises, precision falls": "precision and recall are the wrong way round: recall counts real images,"
        " precision generated ones.",
        "accuracy falls": asked,
        "accuracy stays": asked,
        "recall rises": crowd,
        "recall stays": crowd,
        "precision falls": likely,
        "precision stays": likely,
        "evaluations falls": twice,
        "evaluations stays": twice,
    }
    return tasks.Words(("rises", "falls", "stays"), mistakes)


@exercise(
    "09b.2",
    hint="Take the logarithm: a Gaussian of mean m and variance v has −x²/(2v) + x m/v there. Powers multiply it, a"
    " division subtracts. Then compare with what stands before x² and before x.",
    solution="""
one_over_v = 3 / 1 - 2 / 4  # what stands before -x²/2: 2.5
m_over_v = 3 * 2 / 1 - 2 * 0 / 4  # what stands before x: 6
answer_2 = m_over_v / one_over_v  # 2.4
""",
    praise="It lies beyond the class's own mean of 2. A walk that is guided with w = 3 ends farther out still, at a"
    " mean of 3, and narrower: with a variance of 1/16, where this density has 0.4.",
)
def answer_2(truth):
    def mean(told=3.0, free=2.0, one=1.0, all_=4.0):
        """With these exponents of p(x|y), below p(x), and variances."""
        return (told * 2 / one) / (told / one - free / all_)

    mistakes = {
        "this is the variance, its root, or one over it; the mean is asked for.": (0.4, math.sqrt(0.4), 2.5),
        "this is the class's own mean, what p(x|y) gives alone: dividing by p(x)² must do something.":
            mean(free=0),
        "means are not extended by themselves: each counts with its exponent over its variance, and the sum of these"
        " divides.": (6.0, 8.0, 0.8),
        "so it would be if p(x) had a variance of 16: 4 is the variance itself, not to be squared.": mean(all_=16),
        "a walk that is guided with w = 3 ends here, which does not draw from this density; and so it would be if p(x)"
        " had a variance of 2, but 4 is the variance itself.": mean(all_=2),
        "so it is where p(x) is multiplied with: a division subtracts its exponent.":
            (mean(free=-2), mean(free=-1), mean(told=1, free=-1), mean(told=1, free=-2), 6 / 5),
        "so it would be with other exponents: p(x|y) has 3, and p(x), below, has 2.": (
            mean(free=1), mean(told=2, free=1), mean(told=2), mean(told=1), mean(told=4, free=3), mean(free=3),
        ),
        "each mean counts with its exponent over its own variance: here a variance multiplies, or stands with the other"
        " Gaussian, or the two are swapped.": (
            6 / (3 * 1 - 2 * 4), 6 / (3 * 1 + 2 * 4), mean(one=4, all_=1), (0 - 2 * 2) / (3 / 4 - 2 / 1),
        ),
    }  # fmt: skip
    return tasks.Number(0.0005, mistakes, "Begin with the logarithm: collect what stands before x² and before x.")


@exercise(
    "09b.3",
    hint="Two comparisons of `angle`, joined by `&`, give a truth value a row; `[:, None]` makes it (B, 1)."
    " `torch.where` takes one velocity where it is true, the other where not.",
    solution="""
import torch


def guided_between(told, free, angle, w, low, high):
    inside = ((low <= angle) & (angle <= high))[:, None]  # (B, 1)
    return torch.where(inside, free + w * (told - free), told)
""",
    praise="In a walk all rows have one angle, so that outside the interval `free` need not be computed at all.",
)
def guided_between(truth):
    import torch

    def between(angle, low, high):
        return (low <= angle) & (angle <= high)

    def of(inside=lambda t, f, w: f + w * (t - f), outside=lambda t, f, w: t, rows=between):
        """inside(told, free, w) where rows(angle, low, high), outside(told, free, w) elsewhere."""

        def wrong(told, free, angle, w, low, high):
            chosen = rows(angle, low, high)[:, None]
            return torch.where(chosen, inside(told, free, w), outside(told, free, w))

        return wrong

    def case(D, angle, w, low, high, seed):
        B = len(angle)
        return noise(B, D, seed=seed), noise(B, D, seed=seed + 1), torch.tensor(angle, device="cpu"), w, low, high

    def edge(angle):
        return [[1.0]] * len(angle), [[0.5]] * len(angle), angle, 3.0, 0.5, 1.25

    cases = [
        case(3, [0.2, 0.6, 1.4, 1.0], 3.0, 0.5, 1.25, 0), case(5, [0.7, 0.1, 1.5, 0.9, 1.3, 0.3], 1.5, 0.4, 1.2, 10),
        case(3, [1.5, 0.8, 0.3], 4.0, 0.5, 1.0, 20), case(4, [0.1, 1.3], 0.5, 0.0, 0.75, 30),
        ([[2.0]], [[0.5]], [0.9], 3.0, 0.5, 1.25), ([[2.0]], [[0.5]], [1.5], 3.0, 0.5, 1.25),
    ]  # fmt: skip
    ends = "`at least` and `at most` include the ends: a row whose angle is `low` or `high` is guided, too."
    mistakes = {
        "w counts from `free` on, whatever it is: here it counts from `told` on, as in the paper, or w − 1, w + 1 or 1"
        " stands for it.": (
            of(lambda t, f, w: t + w * (t - f)), of(lambda t, f, w: f + (w - 1) * (t - f)),
            of(lambda t, f, w: t + (w + 1) * (t - f)), of(lambda t, f, w: f + max(w, 1) * (t - f)),
        ),
        "`told` and `free` are swapped, or a sign is turned: the label changes `free` to `told`, so that is"
        " `told - free`, and it is added.": (
            of(lambda t, f, w: t + w * (f - t)), of(lambda t, f, w: f + w * (f - t)),
            of(lambda t, f, w: t + w * (f - t), lambda t, f, w: f), of(lambda t, f, w: f + w * (t + f)),
            of(lambda t, f, w: f + w * (f - t), lambda t, f, w: f), of(lambda t, f, w: t - (w - 1) * (t - f)),
        ),
        "w multiplies what the label changes, all of it and nothing else, and `free` is added once.": (
            of(lambda t, f, w: w * (t - f)), of(lambda t, f, w: f + w * t), of(lambda t, f, w: w * t),
            of(lambda t, f, w: w * t - f), of(lambda t, f, w: w * (f + t)), of(lambda t, f, w: f + t + w * (t - f)),
            of(lambda t, f, w: f + (t - f) / w), of(lambda t, f, w: w * f),
            of(lambda t, f, w: w * t + (w - 1) * f), of(lambda t, f, w: w * f + t - f), of(lambda t, f, w: t + w * f),
            of(lambda t, f, w: f + w * t, lambda t, f, w: f), of(lambda t, f, w: w * (t - f), lambda t, f, w: w * t),
            of(outside=lambda t, f, w: w * t),
        ),
        "rows outside get `told`: here they get `free`, or nothing.": (
            of(outside=lambda t, f, w: f), of(outside=lambda t, f, w: 0 * t),
            of(lambda t, f, w: t + w * (t - f), lambda t, f, w: f), of(lambda t, f, w: w * (t - f), lambda t, f, w: f),
            of(lambda t, f, w: w * (t - f), lambda t, f, w: 0 * t),
        ),
        "the rows are the wrong way round: those between `low` and `high` are guided, the others are not.":
            of(rows=lambda a, low, high: ~between(a, low, high)),
        "both bounds count: here all rows are guided, or none, or one bound alone decides.": (
            of(rows=lambda a, low, high: a == a), of(rows=lambda a, low, high: a != a),
            of(rows=lambda a, low, high: a >= low), of(rows=lambda a, low, high: a <= high),
            of(rows=lambda a, low, high: a < low), of(rows=lambda a, low, high: a > high),
        ),
        "each row has an angle of its own: here one row, or the mean, decides for all.": (
            of(rows=lambda a, low, high: between(a, low, high)[:1].expand(len(a))),
            of(rows=lambda a, low, high: between(a, low, high)[-1:].expand(len(a))),
            of(rows=lambda a, low, high: between(a, low, high).any().expand(len(a))),
            of(rows=lambda a, low, high: between(a, low, high).all().expand(len(a))),
            of(rows=lambda a, low, high: between(a.mean(), low, high).expand(len(a))),
        ),
        ends: (
            of(rows=lambda a, low, high: (low < a) & (a < high)), of(rows=lambda a, low, high: (low <= a) & (a < high)),
            of(rows=lambda a, low, high: (low < a) & (a <= high)),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes, edges={ends: [edge([0.5]), edge([1.25]), edge([1.5, 1.25, 0.75, 0.5])]})


@exercise(
    "09b.4",
    hint="Three lines. How far does the line run on, as a share of the distance in ℓ between the two predictions? Add"
    " that share of x_0 − x_0_before to x_0. With this guess, solve x = cos φ · x_0 + sin φ · ε for ε, at `angle`; mix"
    " both anew at `after`.",
    solution="""
import math


def second_order_step(x, x_0, x_0_before, before, angle, after):
    l_before, l, l_after = (math.log(math.tan(phi)) for phi in (before, angle, after))
    share = (l - l_after) / 2 / (l_before - l)  # of the distance between the two predictions
    guess = x_0 + share * (x_0 - x_0_before)  # in the middle of the step
    eps = (x - math.cos(angle) * guess) / math.sin(angle)
    return math.cos(after) * guess + math.sin(after) * eps
""",
    praise="Heun's step asks the network twice; this one asks once, since the other prediction is left from before.",
)
def second_order_step(truth):
    def level(angle):
        return math.log(math.tan(angle))

    def mixed(x, guess, angle, after):
        """The step with this guess of x_0."""
        eps = (x - math.cos(angle) * guess) / math.sin(angle)
        return math.cos(after) * guess + math.sin(after) * eps

    def share(before, angle, after, f=level):
        return (f(angle) - f(after)) / (2 * (f(before) - f(angle)))

    def to(guess):
        """guess(x_0, x_0_before, before, angle, after)."""
        return lambda x, y, old, b, a, n: mixed(x, guess(y, old, b, a, n), a, n)

    def by(r, scale=1.0):
        """The line runs on by the share r(before, angle, after), times scale."""
        return to(lambda y, old, *angles: y + scale * r(*angles) * (y - old))

    def of(formula):
        """formula(x, guess, angle, after), with the guess that is right."""
        return lambda x, y, old, b, a, n: formula(x, y + share(b, a, n) * (y - old), a, n)

    def turned(before, angle, after):
        return (level(before) - level(angle)) / (level(angle) - level(after))

    def long(before, angle, after):
        return (level(angle) - level(after)) / (level(before) - level(after))

    def mid(middle):
        return lambda b, a, n: (level(a) - level(middle(a, n))) / (level(b) - level(a))

    def other_noise(x, y, old, b, a, n):  # that of x_0_before
        guess = y + share(b, a, n) * (y - old)
        return math.cos(n) * guess + math.sin(n) * (x - math.cos(a) * old) / math.sin(a)

    def kept(scale=1.0):  # the noise that goes with x_0 as it came
        return lambda x, y, old, b, a, n: mixed(x, y, a, n) + math.cos(n) * scale * share(b, a, n) * (y - old)

    def half_kept(x, y, old, b, a, n):  # the noise of the guess, but x_0 as it came
        guess = y + share(b, a, n) * (y - old)
        return math.cos(n) * y + math.sin(n) * (x - math.cos(a) * guess) / math.sin(a)

    scales = (float, math.tan, math.sin, math.cos, math.log, lambda a: math.log(math.sin(a)),
              lambda a: math.log(math.cos(a)), lambda a: 1 / math.tan(a), lambda a: math.tan(a) ** 2,
              lambda a: math.cos(a) ** 2, lambda a: a**2)  # fmt: skip
    c, s = math.cos, math.sin
    cases = [
        (*noise(3, 4, 3), 1.3, 1.0, 0.5), (*noise(3, 2, 5, seed=1), 1.1, 0.4, 0.3),
        (*noise(3, 3, 2, seed=2), 1.5, 1.35, 0.7), (*noise(3, 2, 4, seed=3), 0.6, 0.5, 0.15),
        ([[1.0]], [[0.5]], [[0.2]], 1.2, 0.9, 0.7),
    ]  # fmt: skip
    mistakes = {
        "this is a step of first order: x_0 is one of the predictions, or their mean, and no line is extended.": (
            to(lambda y, old, *angles: y), to(lambda y, old, *angles: old),
            to(lambda y, old, *angles: (y + old) / 2),
        ),
        "the line runs on to the middle of the step: the ratio of the two steps is halved, once.":
            (by(share, 2), by(share, 4), by(share, 0.5)),
        "the line runs on by the step to come, over the step that was: here the ratio is turned, or left out, or"
        " another length stands in it.": (
            by(turned, 0.5), by(turned), by(turned, 2), by(lambda *angles: 0.5), by(lambda *angles: 1.0),
            by(long), by(long, 0.5), by(lambda b, a, n: (level(a) - level(n)) / 2),
            by(lambda b, a, n: (level(a) - level(n)) / 2 * (level(b) - level(a))),
            by(lambda b, a, n: (level(a) - (level(b) + level(n)) / 2) / (level(b) - level(a))),
            by(lambda b, a, n: (level(a) + level(n)) / 2 / (level(b) - level(a))),
            by(lambda b, a, n: level(a - n) / (2 * level(b - a))),
            by(lambda b, a, n: level(a) - level(n)),
        ),
        "lengths and the middle are taken in ℓ = log tan φ; here in the angle, its tangent, or another quantity.": (
            *(by(lambda b, a, n, f=f: share(b, a, n, f)) for f in scales),
            *(by(lambda b, a, n, f=f: share(b, a, n, f), 2) for f in scales),
            by(mid(lambda a, n: (a + n) / 2)), by(mid(lambda a, n: math.atan((math.tan(a) + math.tan(n)) / 2))),
        ),
        "the line leads from x_0_before through x_0 and on: here it runs back, the two are swapped, or it goes on from"
        " x_0_before.": (
            by(share, -1), by(share, -2), by(share, -0.5),
            to(lambda y, old, *angles: old + share(*angles) * (old - y)),
            to(lambda y, old, *angles: old + 2 * share(*angles) * (old - y)),
            to(lambda y, old, *angles: old + share(*angles) * (y - old)),
            to(lambda y, old, *angles: old + 2 * share(*angles) * (y - old)),
        ),
        "x_0 as extended and the noise belong together: read the noise off x with this x_0, and mix it with this one.":
            (kept(), kept(2), half_kept, other_noise),
        "x is cos φ · x_0 + sin φ · ε, at `angle` when ε is read off, at `after` when both are mixed: here a factor is"
        " missing or another one.": (
            of(lambda x, g, a, n: c(n) * g + s(n) * (x - c(a) * g)), of(lambda x, g, a, n: c(n) * g + s(n) * x),
            of(lambda x, g, a, n: c(n) * g + s(n) * (x - g) / s(a)), of(lambda x, g, a, n: c(n) * g + s(n) * (x - g)),
            of(lambda x, g, a, n: s(n) * g + c(n) * (x - c(a) * g) / s(a)), of(lambda x, g, a, n: x),
            of(lambda x, g, a, n: c(n) * g + s(n) * (x - s(a) * g) / c(a)),
            of(lambda x, g, a, n: s(n) * g + c(n) * (x - s(a) * g) / c(a)),
            of(lambda x, g, a, n: g + s(n) * (x - c(a) * g) / s(a)), of(lambda x, g, a, n: mixed(x, g, n, a)),
            of(lambda x, g, a, n: c(n) * g + (x - c(a) * g) / s(a)), of(lambda x, g, a, n: g + (x - c(a) * g) / s(a)),
            of(lambda x, g, a, n: c(n) * g + s(n) * (x + c(a) * g) / s(a)),
            of(lambda x, g, a, n: c(n) * g + s(n) * (x - c(a) * g) / c(a)),
            of(lambda x, g, a, n: c(n) * g + s(n) * (x - c(a) * g / s(a))),
            of(lambda x, g, a, n: c(n) * g - s(n) * (x - c(a) * g) / s(a)),
            of(lambda x, g, a, n: c(n) * g + s(n) * x / s(a)),
            of(lambda x, g, a, n: mixed(x, g, a, math.atan(math.sqrt(math.tan(a) * math.tan(n))))),
            lambda x, y, old, b, a, n: mixed(x, y + share(b, a, n) * (y - old), b, n),
            lambda x, y, old, b, a, n: mixed(x, y + share(b, a, n) * (y - old), b, a),
        ),
        "x at `after` is asked for, with its noise: this is x_0, with a factor or not, the noise, or a velocity.": (
            of(lambda x, g, a, n: g), of(lambda x, g, a, n: c(n) * g), of(lambda x, g, a, n: (x - c(a) * g) / s(a)),
            of(lambda x, g, a, n: s(n) * (x - c(a) * g) / s(a)),
            of(lambda x, g, a, n: c(a) * (x - c(a) * g) / s(a) - s(a) * g),
            of(lambda x, g, a, n: c(n) * (x - c(a) * g) / s(a) - s(n) * g),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "09b.5",
    hint="How noisy would the known picture be at this angle? That is chapter 09's x. Multiplied by `mask`, only its"
    " known pixels are left; what must x be multiplied by, so that the sum has each pixel once?",
    solution="""
import math


def keep_known(x, known, mask, eps, angle):
    noisy = math.cos(angle) * known + math.sin(angle) * eps
    return mask * noisy + (1 - mask) * x
""",
    praise="At the last angle, 0, the known pixels are the picture's own, exactly. RePaint walks back and forth, so"
    " that both parts come to agree.",
)
def keep_known(truth):
    import torch

    def of(formula, turned=False):
        """formula(x, known, eps, cos, sin) where the mask is 1, x elsewhere; turned: the other way round."""

        def wrong(x, known, mask, eps, angle):
            mask = 1 - mask if turned else mask
            return mask * formula(x, known, eps, math.cos(angle), math.sin(angle)) + (1 - mask) * x

        return wrong

    def hidden(formula):
        """formula(x, known, eps, cos, sin) where the mask is 0."""

        def wrong(x, known, mask, eps, angle):
            other = formula(x, known, eps, math.cos(angle), math.sin(angle))
            return mask * truth(x, known, mask, eps, angle) + (1 - mask) * other

        return wrong

    def noisy(x, k, e, c, s):
        return c * k + s * e

    def case(B, H, W, angle, seed):
        mask = (noise(H, W, seed=seed + 9) > 0).float()
        mask[0, 0], mask[-1, -1] = 1.0, 0.0
        return noise(B, H, W, seed=seed), noise(B, H, W, seed=seed + 1), mask, noise(B, H, W, seed=seed + 2), angle

    cases = [
        case(3, 4, 5, 0.9, 0), case(2, 3, 6, 0.4, 20), case(4, 2, 2, 1.4, 40), case(5, 4, 3, 0.6, 60),
        ([[[3.0, 2.0]]], [[[1.0, 0.5]]], [[1.0, 0.0]], [[[2.0, 0.25]]], 1.1),
    ]  # fmt: skip
    mistakes = {
        "the mask is turned: 1 stands where the picture is known, and there x is replaced.":
            (of(noisy, True), of(lambda x, k, e, c, s: k, True)),
        "the known picture comes without noise, into an x that has as much as `angle` says.":
            (of(lambda x, k, e, c, s: k), of(lambda x, k, e, c, s: c * k)),
        "the picture has the factor cos φ: here it is missing, or only the noise is put in.": (
            of(lambda x, k, e, c, s: k + s * e), of(lambda x, k, e, c, s: s * e), of(lambda x, k, e, c, s: e),
            of(lambda x, k, e, c, s: k + s / c * e), of(lambda x, k, e, c, s: k + e),
        ),
        "the factors are cos φ of the picture and sin φ of the noise themselves: none is missing, no square or root,"
        " and they do not add up to 1.": (
            of(lambda x, k, e, c, s: c * k + e), of(lambda x, k, e, c, s: c**2 * k + s**2 * e),
            of(lambda x, k, e, c, s: c * k + s**2 * e), of(lambda x, k, e, c, s: c**2 * k + s * e),
            of(lambda x, k, e, c, s: c**0.5 * k + s**0.5 * e), of(lambda x, k, e, c, s: c * k + s**0.5 * e),
            of(lambda x, k, e, c, s: c * k + (1 - c) * e), of(lambda x, k, e, c, s: (1 - s) * k + s * e),
            of(lambda x, k, e, c, s: c * (k + s * e)), of(lambda x, k, e, c, s: c * (k + e)),
            lambda x, known, mask, eps, a: mask * ((1 - a) * known + a * eps) + (1 - mask) * x,
            lambda x, known, mask, eps, a: mask * (known + a * eps) + (1 - mask) * x,
            lambda x, known, mask, eps, a: mask * torch.lerp(known, eps, a * 2 / math.pi) + (1 - mask) * x,
            lambda x, known, mask, eps, a: mask * (max(0, 1 - a**2) ** 0.5 * known + a * eps) + (1 - mask) * x,
        ),
        "cos φ and sin φ are swapped, or a sign is turned.": (
            of(lambda x, k, e, c, s: s * k + c * e), of(lambda x, k, e, c, s: c * k - s * e),
            of(lambda x, k, e, c, s: c * e - s * k), of(lambda x, k, e, c, s: s * k - c * e),
        ),
        "where the picture is hidden, x stays as it is, and nothing is added: x there is as noisy as it should be.": (
            hidden(noisy), hidden(lambda x, k, e, c, s: 0 * x), hidden(lambda x, k, e, c, s: e),
            hidden(lambda x, k, e, c, s: s * e), hidden(lambda x, k, e, c, s: c * x + s * e),
            hidden(lambda x, k, e, c, s: x + s * e), hidden(lambda x, k, e, c, s: x + c * k + s * e),
            hidden(lambda x, k, e, c, s: x + c * k), hidden(lambda x, k, e, c, s: c * x),
            hidden(lambda x, k, e, c, s: x + e), hidden(lambda x, k, e, c, s: s * x), hidden(lambda x, k, e, c, s: k),
            lambda x, known, mask, eps, a: mask * known + (1 - mask) * x + math.sin(a) * eps,
            lambda x, known, mask, eps, a: mask * math.cos(a) * known + (1 - mask) * (x + math.sin(a) * eps),
            lambda x, known, mask, eps, a: mask * known + (1 - mask) * (math.cos(a) * x + math.sin(a) * eps),
        ),
        "where the picture is known, x is replaced: it is neither kept, nor added to, averaged, nor taken for noise.": (
            lambda x, known, mask, eps, a: x, of(lambda x, k, e, c, s: x + c * k + s * e),
            of(lambda x, k, e, c, s: (x + c * k + s * e) / 2), of(lambda x, k, e, c, s: c * k + s * x),
            of(lambda x, k, e, c, s: x + k), of(lambda x, k, e, c, s: c * x + s * e),
            of(lambda x, k, e, c, s: x + s * e), of(lambda x, k, e, c, s: x + c * k),
            of(lambda x, k, e, c, s: (x + k) / 2),
        ),
        "the angle is in radians, and each picture has its own `known` and `eps`: here it is taken for degrees, or one"
        " picture or noise serves all.": (
            lambda x, known, mask, eps, a: truth(x, known, mask, eps, math.radians(a)),
            lambda x, known, mask, eps, a: truth(x, known, mask, eps, math.degrees(a)),
            lambda x, known, mask, eps, a: truth(x, known[:1].expand_as(x), mask, eps, a),
            lambda x, known, mask, eps, a: truth(x, known, mask, eps[:1].expand_as(x), a),
            lambda x, known, mask, eps, a: truth(x, known[:1].expand_as(x), mask, eps[:1].expand_as(x), a),
            lambda x, known, mask, eps, a: truth(x, torch.zeros_like(x) + known.mean(0), mask, eps, a),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
