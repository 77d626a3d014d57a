"""Exercises of 09_diffusion."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "09.1",
    hint="Put φ = 0, then φ = π/2, into x and into each of the three. Where are the two the same?",
    solution="""
# x is x_0 at φ = 0 and ε at φ = π/2. There v is ε and -x_0: each time what x does not show.
answer_1 = {"x_0": "data", "eps": "noise", "v": "neither"}
""",
    praise="At both ends v is the part that x hides, so no level is a gift.",
)
def answer_1(truth):
    mistakes = {
        "x_0 noise, eps data": "these two are the wrong way round: near the data, x is nearly x_0; is it nearly ε"
        " there?",
        "x_0 noise": "near the noise, x is nearly ε and holds next to nothing of x_0.",
        "x_0 neither": "there is an end at which sin φ is near 0: what is left of x there?",
        "eps data": "near the data, x is nearly x_0: the little noise in it is hard to see.",
        "eps neither": "there is an end at which cos φ is near 0: what is left of x there?",
        "v data": "near the data, v is nearly ε, which x does not show there.",
        "v noise": "near the noise, v is nearly −x_0, which x does not show there.",
    }
    return tasks.Words(("data", "noise", "neither"), mistakes)


@exercise(
    "09.2",
    hint="Each step multiplies what is there by √(1 − β) and adds noise of variance β. The noises are independent: keep"
    " book of a² and of the variance, step by step, or use that they add up to 1.",
    solution="""
alpha_bar = (1 - 0.1) * (1 - 0.2) * (1 - 0.4)  # a² = 0.432
answer_2 = (1 - alpha_bar) ** 0.5  # 0.754
""",
    praise="a is 0.657, and a² + s² = 1: cos and sin of one angle.",
)
def answer_2(truth):
    betas = (0.1, 0.2, 0.4)
    first, second, third = (math.sqrt(beta) for beta in betas)
    alpha_bar = math.prod(1 - beta for beta in betas)

    def deviation(*betas, keeps=lambda beta: 1 - beta, adds=lambda beta: beta):
        """After steps that keep a share of the variance and add some."""
        variance = 0.0
        for beta in betas:
            variance = keeps(beta) * variance + adds(beta)
        return math.sqrt(variance)

    def square(beta):
        return beta**2

    def lower(beta):
        return (1 - beta) ** 2

    mistakes = {
        "this is the variance of the noise; its standard deviation is asked for.": 1 - alpha_bar,
        "this is a, the factor before x_0, or its square; the noise is asked for.": (alpha_bar**0.5, alpha_bar),
        "each step also shrinks the noise that is already there: the βs do not just add up.":
            (sum(betas), sum(betas) ** 0.5),
        "standard deviations do not add up, nor is their mean asked for: variances add up, each noise's as shrunk by"
        " the steps after it.": (
            first + second + third, (first + second + third) / 3,
            third + math.sqrt(1 - betas[2]) * (second + math.sqrt(1 - betas[1]) * first),
        ),
        "this is of one step, or of fewer than three; all three count.": (
            first, second, third, deviation(*betas[:2]), deviation(*betas[:2]) ** 2, deviation(*betas[1:]),
            deviation(betas[0], betas[2]),
        ),
        "s² is 1 − a², and a² is the product of the three 1 − β: not of the βs, not squared again, and not a.": (
            math.sqrt(1 - alpha_bar**2), 1 - alpha_bar**2, math.sqrt(1 - alpha_bar**0.5), 1 - alpha_bar**0.5,
            math.sqrt(1 - math.prod(betas)), 1 - math.prod(betas), math.sqrt(math.prod(betas)), math.prod(betas),
        ),
        "β is the variance of the noise of a step, and 1 − β what is left of the other variance: neither is a standard"
        " deviation, nor a factor of x.": (
            deviation(*betas, adds=square), deviation(*betas, adds=square) ** 2, sum(map(square, betas)) ** 0.5,
            deviation(*betas, keeps=lower), deviation(*betas, keeps=lower) ** 2,
            deviation(*betas, keeps=lower, adds=square), deviation(*betas, keeps=lower, adds=square) ** 2,
            math.sqrt(1 - (1 - first) * (1 - second) * (1 - third)),
        ),
        "each step has a β of its own; here their mean serves three times.": deviation(*[sum(betas) / 3] * 3),
    }  # fmt: skip
    return tasks.Number(0.0005, mistakes, "Multiply what each step leaves of the variance of x_0.", low=0, high=1)


@exercise(
    "09.3",
    hint="The velocity needs x_0. Solve x = cos φ · x_0 + sin φ · ε for it, and put it in v = cos φ · ε − sin φ · x_0."
    " `angle[:, None]` has shape (B, 1).",
    solution="""
def velocity_of(x, eps, angle):
    c, s = angle.cos()[:, None], angle.sin()[:, None]  # (B, 1)
    return (eps - s * x) / c  # cos² + sin² = 1
""",
    praise="Near the noise, cos φ is small, and a small error of the predicted noise becomes a large one of v.",
)
def velocity_of(truth):
    import torch

    def of(formula):
        """formula(x, eps, cos, sin), of one angle a row."""
        return lambda x, eps, angle: formula(x, eps, angle.cos()[:, None], angle.sin()[:, None])

    def case(B, D, seed):
        angle = 0.2 + 1.1 * torch.rand(B, generator=torch.Generator().manual_seed(seed))
        return noise(B, D, seed=seed), noise(B, D, seed=seed + 1), angle

    cases = [case(4, 3, 0), case(2, 5, 10), case(3, 3, 20), ([[1.0]], [[0.5]], [0.6]), ([[1.0]], [[0.5]], [1.5])]
    mistakes = {
        "x stands here in the place of x_0; x_0 is what is left of x without its noise, over cos φ.": (
            of(lambda x, e, c, s: c * e - s * x), of(lambda x, e, c, s: c * e - s * x / c),
        ),
        "this is x_0, or ε − x_0, the velocity of the straight path; cos φ · ε − sin φ · x_0 is asked for.": (
            of(lambda x, e, c, s: (x - s * e) / c), of(lambda x, e, c, s: e - (x - s * e) / c),
        ),
        "x without its noise is cos φ · x_0: divide by cos φ.": (
            of(lambda x, e, c, s: c * e - s * (x - s * e)), of(lambda x, e, c, s: c * e - s * (x - e)),
            of(lambda x, e, c, s: e - s * x), of(lambda x, e, c, s: c * e - s * (x - e) / c),
        ),
        "divide by cos φ, and all of it: not by sin φ or cos² φ, not only one part, and do not multiply.": (
            of(lambda x, e, c, s: (e - s * x) / s), of(lambda x, e, c, s: c * e - s * (x - s * e) / s),
            of(lambda x, e, c, s: (e - s * x) * c), of(lambda x, e, c, s: (e - s * x) / c**2),
            of(lambda x, e, c, s: e - s * x / c), of(lambda x, e, c, s: e / c - s * x),
            of(lambda x, e, c, s: c * e - s * (x - s * e) * c), of(lambda x, e, c, s: c * e - s * x - s * e / c),
            of(lambda x, e, c, s: c * e - s * (x - s * e / c)),
        ),
        "a sign is turned: x_0 is x minus its noise, over cos φ, and in v it has a minus.": (
            of(lambda x, e, c, s: (e + s * x) / c), of(lambda x, e, c, s: c * e - s * (x + s * e) / c),
            of(lambda x, e, c, s: c * e + s * (x - s * e) / c), of(lambda x, e, c, s: (-e - s * x) / c),
        ),
        "cos φ and sin φ are swapped: x holds cos φ of x_0 and sin φ of ε, v cos φ of ε and minus sin φ of x_0.": (
            of(lambda x, e, c, s: (e - c * x) / s), of(lambda x, e, c, s: s * e - c * (x - s * e) / c),
            of(lambda x, e, c, s: c * e - s * (x - c * e) / s), of(lambda x, e, c, s: c * (x - s * e) / c - s * e),
            of(lambda x, e, c, s: (x - c * e) / s), of(lambda x, e, c, s: c * e - s * (x - c * e) / c),
        ),
        "this turns x with ε by the angle, as one turns x with v to get x_0 or ε, or noises x once more; x and ε stand"
        " at no right angle.": (
            of(lambda x, e, c, s: c * x - s * e), of(lambda x, e, c, s: s * x + c * e),
            of(lambda x, e, c, s: c * x + s * e),
        ),
        "each row has an angle of its own, in radians: here one serves all, or they are taken for degrees.": (
            lambda x, eps, angle: truth(x, eps, 0 * angle + angle[0]),
            lambda x, eps, angle: truth(x, eps, 0 * angle + angle[-1]),
            lambda x, eps, angle: truth(x, eps, 0 * angle + angle.mean()),
            lambda x, eps, angle: truth(x, eps, angle.deg2rad()), lambda x, eps, angle: truth(x, eps, angle.rad2deg()),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "09.4",
    hint="Two lines: which x_0 do x and the predicted noise amount to, at a and s? Then mix it with the same noise"
    " anew, at a_next and s_next.",
    solution="""
def ddim_step(x, eps, a, s, a_next, s_next):
    x_0 = (x - s * eps) / a
    return a_next * x_0 + s_next * eps
""",
    praise="It asks for no schedule and no small step: any two levels, in either direction.",
)
def ddim_step(truth):
    def at(numbers):
        """The step with other numbers than a, s, a_next and s_next: numbers(a, s, b, t)."""
        return lambda x, eps, *levels: truth(x, eps, *numbers(*levels))

    def root(square):  # 0 where there is none
        return math.sqrt(max(0.0, square))

    def ddpm(x, eps, a, s, b, t):  # the mean of its step
        alpha = a**2 / b**2
        return (x - (1 - alpha) / s * eps) / math.sqrt(alpha)

    def clipped(x, eps, a, s, b, t):
        return b * ((x - s * eps) / a).clamp(-1, 1) + t * eps

    def case(B, D, seed, *levels):
        return noise(B, D, seed=seed), noise(B, D, seed=seed + 1), *levels

    cases = [case(4, 3, 0, 0.3, 0.7, 0.6, 0.4), case(2, 5, 10, 0.6, 0.8, 0.8, 0.6), case(3, 2, 20, 0.8, 0.2, 0.5, 0.5),
             case(2, 3, 30, 0.5, 0.5, 1.0, 0.0), case(2, 4, 40, 0.8, 0.6, 0.28, 0.96),
             ([[2.0]], [[1.0]], 0.5, 0.5, 0.75, 0.25)]  # fmt: skip
    mistakes = {
        "x without its noise is a x_0: divide by a, then multiply by a_next.": (
            at(lambda a, s, b, t: (a, s, a, t)), at(lambda a, s, b, t: (1, s, b, t)),
            at(lambda a, s, b, t: (1, 1, b, t)),
            at(lambda a, s, b, t: (1, s / a, b, t)), at(lambda a, s, b, t: (1 / a, s, b, t)),
            at(lambda a, s, b, t: (s, s, b, t)),
        ),
        "the noise that is in x is not taken out, or not as much as s says, before x_0 is mixed anew.": (
            at(lambda a, s, b, t: (a, 0, b, t)), at(lambda a, s, b, t: (1, 0, b, t)),
            at(lambda a, s, b, t: (a, 1, b, t)), at(lambda a, s, b, t: (a, a * s, b, t)),
            at(lambda a, s, b, t: (a, a, b, t)), at(lambda a, s, b, t: (a, 0, b, 0)),
        ),
        "this is x_0, with a factor or not, without noise; x at the next level is asked for.": (
            at(lambda a, s, b, t: (a, s, 1, 0)), at(lambda a, s, b, t: (1, s, 1, 0)),
            at(lambda a, s, b, t: (a, s, b, 0)),
        ),
        "x_0 is mixed with a_next and the noise with s_next; here one of them, or both, have another factor.": (
            at(lambda a, s, b, t: (a, s, b, s)), at(lambda a, s, b, t: (a, s, 1, t)),
            at(lambda a, s, b, t: (a, s, b, 1)),
            at(lambda a, s, b, t: (a, s, b, t - s)), at(lambda a, s, b, t: (a, s, b - a, t - s)),
            at(lambda a, s, b, t: (a, s, b / a, t)),
        ),
        "two of the numbers are swapped: a and s belong to x, a_next and s_next to the result; a goes with x_0, s with"
        " ε.": (
            at(lambda a, s, b, t: (a, s, t, b)), at(lambda a, s, b, t: (s, a, b, t)),
            at(lambda a, s, b, t: (s, a, t, b)), at(lambda a, s, b, t: (b, t, a, s)),
            at(lambda a, s, b, t: (a, t, b, s)), at(lambda a, s, b, t: (b, s, a, t)),
            at(lambda a, s, b, t: (a, t, b, t)),
        ),
        "a and s are the factors themselves: no root, no square, and neither follows from the other, since a² + s² need"
        " not be 1, nor a + s.": (
            at(lambda a, s, b, t: (a**0.5, s**0.5, b**0.5, t**0.5)), at(lambda a, s, b, t: (a, s**0.5, b, t**0.5)),
            at(lambda a, s, b, t: (a**0.5, s, b**0.5, t)), at(lambda a, s, b, t: (a**2, s**2, b**2, t**2)),
            at(lambda a, s, b, t: (a, s**2, b, t**2)), at(lambda a, s, b, t: (a**2, s, b**2, t)),
            at(lambda a, s, b, t: (a**0.5, root(1 - a), b**0.5, root(1 - b))),
            at(lambda a, s, b, t: (a, root(1 - a**2), b, root(1 - b**2))),
            at(lambda a, s, b, t: (a, root(1 - a**2), b, t)), at(lambda a, s, b, t: (a, s, b, root(1 - b**2))),
            at(lambda a, s, b, t: (root(1 - s**2), s, root(1 - t**2), t)),
            at(lambda a, s, b, t: (root(1 - s**2), s, b, t)), at(lambda a, s, b, t: (a, s, root(1 - t**2), t)),
            at(lambda a, s, b, t: (a, 1 - a, b, 1 - b)), at(lambda a, s, b, t: (1 - s, s, 1 - t, t)),
            at(lambda a, s, b, t: (a, 1 - a, b, t)), at(lambda a, s, b, t: (a, s, b, 1 - b)),
            at(lambda a, s, b, t: (1 - s, s, b, t)), at(lambda a, s, b, t: (a, s, 1 - t, t)),
            at(lambda a, s, b, t: (a, s, a + s - t, t)), at(lambda a, s, b, t: (a, s, b, t**0.5)),
            at(lambda a, s, b, t: (a, s, b, t**2)),
        ),
        "a sign is turned: the noise is taken out of x with s, and put in again with s_next.": (
            at(lambda a, s, b, t: (a, -s, b, t)), at(lambda a, s, b, t: (a, s, b, -t)),
            at(lambda a, s, b, t: (a, -s, b, -t)),
        ),
        "this is another step: DDPM's mean, one that takes ε for the velocity, or one whose x_0 is cut off at ±1; mix"
        " x_0 and ε as they are.": (
            ddpm, clipped, at(lambda a, s, b, t: (1 / a, s / a, b, t)),
            lambda x, eps, a, s, b, t: b * (a * x - s * eps) + t * (s * x + a * eps),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "09.5",
    hint="The step is h = after − angle, of either sign. Ask `velocity` twice: at x and `angle`, then at Euler's point"
    " and `after`. Advance from x.",
    solution="""
def heun_step(velocity, x, angle, after):
    h = after - angle
    start = velocity(x, angle)
    end = velocity(x + h * start, after)
    return x + h * (start + end) / 2
""",
    praise="Two calls a step; halve the steps, and the error is a quarter, where Euler's is a half.",
)
def heun_step(truth):
    def grows(x, angle):
        "x"
        return 1.0 * x

    def clock(x, angle):
        "3 φ², whatever x is"
        return 0 * x + 3 * float(angle) ** 2

    def bends(x, angle):
        "a function of both"
        return math.cos(2 * float(angle)) * x - 0.4 * x**2 + float(angle)

    def couples(x, angle):
        "one that mixes features"
        return (1 + float(angle)) * x.sum(-1, keepdims=True) - 2 * x

    def go(first=0.5, second=0.5, way=1.0, start=lambda a, b: a, end=lambda a, b: b, step=lambda a, b: b - a):
        """first and second: the weights of the velocities at x, start and on the way to Euler's point, end."""

        def wrong(velocity, x, angle, after):
            h, u = step(angle, after), velocity(x, start(angle, after))
            return x + h * (first * u + second * velocity(x + way * h * u, end(angle, after)))

        return wrong

    def of(formula):
        """formula(velocity, x, after, h, u), with the step h and the velocity u at x and angle."""
        return lambda velocity, x, a, b: formula(velocity, x, b, b - a, velocity(x, a))

    def early(a, b):
        return a

    def middle(a, b):
        return (a + b) / 2

    def late(a, b):
        return b

    cases = [(bends, noise(4, 3), 0.3, 0.9), (bends, noise(2, 5, seed=1), 1.5, 1.1),
             (couples, noise(3, 2, seed=2), 1.2, 0.9), (couples, noise(2, 4, seed=3), 0.2, 0.5),
             (clock, [[1.0, 2.0]], 0.2, 0.6), (grows, [[1.0]], 0.5, 1.0)]  # fmt: skip
    mistakes = {
        "this is Euler's step, or half of it: the velocity where it leads must count, too.": (go(1, 0), go(0.5, 0)),
        "the mean of two velocities is asked for, at the start and at Euler's point; here one counts, later or in the"
        " middle, or half of their difference.": (
            go(-0.5, 0.5),
            go(0, 1), go(0, 1, 0), go(0, 1, 0.5, end=middle), go(0, 1, 0.5), go(0, 1, 0.5, end=early),
            go(0, 1, 0, end=middle), go(0, 1, end=early),
        ),
        "the second velocity is taken at x, or on half of the way; take it at the point to which Euler's step leads.":
            (go(way=0), go(way=0.5), go(way=0.5, end=middle), go(way=0, end=middle)),
        "each velocity has its own time: the first `angle`, the second `after`.": (
            go(end=early), go(end=middle), go(end=lambda a, b: b - a), go(start=late), go(start=late, end=early),
            of(lambda v, x, b, h, u: x + h * (v(x, b) + v(x + h * u, b)) / 2),
        ),
        "this goes twice as far, half as far, in two steps, or on from Euler's point: advance once, from x, with the"
        " *mean* of both.": (
            go(1, 1), go(0.25, 0.25), go(1.5, 0.5), go(1, 0.5), go(1, 1, 0.5),
            lambda velocity, x, a, b: truth(velocity, truth(velocity, x, a, (a + b) / 2), (a + b) / 2, b),
        ),
        "the step is `after` minus `angle`: its sign is turned or lost here, or another number stands for it.": (
            lambda velocity, x, angle, after: truth(velocity, x, after, angle), go(step=lambda a, b: a - b),
            go(step=lambda a, b: abs(b - a)), go(-0.5, -0.5), go(way=-1), go(step=late), go(step=early),
            of(lambda v, x, b, h, u: x + abs(h) * (u + v(x + h * u, b)) / 2),
        ),
        "a velocity is multiplied by the step, once each time: to Euler's point, and from x on.": (
            of(lambda v, x, b, h, u: x + (u + v(x + h * u, b)) / 2), go(step=lambda a, b: 1),
            of(lambda v, x, b, h, u: x + h * (u + v(x + u, b)) / 2),
            of(lambda v, x, b, h, u: x + h**2 * (u + v(x + h * u, b)) / 2),
            of(lambda v, x, b, h, u: x + (h * u + v(x + h * u, b)) / 2),
        ),
        "x at `after` is asked for: not the change alone, not a velocity, not a mean of points; and Euler's step"
        " starts from x.": (
            of(lambda v, x, b, h, u: h * (u + v(x + h * u, b)) / 2), go(0.75, 0.25),
            of(lambda v, x, b, h, u: (u + v(x + h * u, b)) / 2),
            of(lambda v, x, b, h, u: x + h * (u + v(h * u, b)) / 2),
            of(lambda v, x, b, h, u: x + h * (u + v(u, b)) / 2),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
