"""Exercises of 20c_ab_test."""

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise

tasks = rooms.shared("tasks")


@exercise(
    "20c.1",
    hint="The equation of section 2. The lift is 0.005, the variances 0.02 · 0.98 and 0.025 · 0.975 add up, and the two"
    " z are 1.96 and 0.84.",
    solution="""
from statistics import NormalDist

z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)  # 1.96 + 0.84
answer_1 = z**2 * (0.02 * 0.98 + 0.025 * 0.975) / 0.005**2
""",
    praise="A quarter more clicks, and still 27,600 readers for both texts together: rare clicks are slow witnesses.",
)
def answer_1(truth):
    mistakes = {
        "this is what both texts need together; it is asked for each.": 2 * truth,
        "this is the z of one side, 1.64; on two sides half of α lies beyond each, so it is 1.96.": 10_875.3,
        "the power is left out: this would find the lift in half of the experiments.": 6_757.2,
        "one text's variance is missing: both rates are measured, so both variances add up.": (6_153.5, 7_652.5),
        "the lift is squared in the denominator, in rates: 0.005², neither 0.005 nor points of per cent.":
            (69.0303, 0.345151, 1.380606),
        "the sum of the two z is squared, not each of them and not none: (1.96 + 0.84)².": (4_928.0, 8_003.2),
        "this is the relative lift of 25 %; the equation takes the difference of the rates.": (5.522423, 0.005522),
        "this is for a power of 90 %, whose z is 1.28; 80 % has 0.84.": 18_482.0,
    }  # fmt: skip
    return tasks.Number(30, mistakes, begin="Put 0.02 and 0.025 into the equation of section 2.", low=0)


@exercise(
    "20c.2",
    hint="1/Λ is `(-log_ratio).exp()`. `torch.cummin(p, 0).values` is the smallest so far; `clamp` keeps it at 1 or"
    " below.",
    solution="""
import torch


def always_valid(log_ratio):
    p = (-log_ratio).exp().clamp(max=1)  # 1/Λ after each look
    return torch.cummin(p, 0).values  # (T,)
""",
    praise="It never rises, so it can be shown on a dashboard all day: the first time that it is 0.05 or less is when"
    " the test stops.",
)
def always_valid(truth):
    import torch

    def inverse(log_ratio):
        return (-log_ratio).exp()

    def smallest(p):
        return torch.cummin(p, 0).values

    cases = [
        ([-0.5, 1.0, 0.25, 2.0, 1.5, 3.5, -1.0],),
        ([0.5, -0.75, 1.25, 1.0, 4.0],),
        ([-2.0, -1.0, -0.25],),
        ([3.0, 2.0, 1.0, -1.0],),
        ([0.0, 0.5],),
        ([-1.5],),
        ([2.5],),
    ]
    mistakes = {
        "it may not rise: p is the smallest of all looks so far, not that of the last look alone.":
            (lambda x: inverse(x).clamp(max=1), inverse),
        "it begins at 1 and is never above: where 1/Λ is more than 1, p is 1.": lambda x: smallest(inverse(x)),
        "it is 1/Λ, and `log_ratio` holds log Λ: the sign is turned before `exp`, or 1 divided by it after.": (
            lambda x: smallest(x.exp().clamp(max=1)), lambda x: smallest(x.exp()), lambda x: x.exp().clamp(max=1),
            lambda x: torch.cummax(x.exp(), 0).values, lambda x: torch.cummax(x.exp().clamp(max=1), 0).values,
        ),
        "the logarithm is not undone: 1/Λ takes `exp`.": (
            lambda x: smallest((1 / x).clamp(max=1)), lambda x: smallest(-x), lambda x: smallest((-x).clamp(max=1)),
            lambda x: smallest(1 / x), lambda x: torch.cummax(x, 0).values, lambda x: -torch.cummax(x, 0).values,
        ),
        "Λ was largest where p is smallest: here the largest 1/Λ so far is kept.": (
            lambda x: torch.cummax(inverse(x), 0).values, lambda x: torch.cummax(inverse(x).clamp(max=1), 0).values,
        ),
        "p after a look knows the looks before it, not those that come: here all have the smallest of all, or time runs"
        " backwards.": (
            lambda x: 0 * x + truth(x)[-1], lambda x: smallest(inverse(x).clamp(max=1).flip(0)).flip(0),
        ),
        "p after each look is asked for, (T,): here is the last one alone, or the 1 before the first look besides.": (
            lambda x: truth(x)[-1], lambda x: torch.cat([torch.ones(1), truth(x)]),
            lambda x: torch.cat([torch.ones(1), truth(x)])[:-1],
        ),
        "it is no sum or product over looks: Λ after a look counts all visitors already, those before too.": (
            lambda x: inverse(x.cumsum(0)).clamp(max=1), lambda x: smallest(inverse(x.cumsum(0)).clamp(max=1)),
            lambda x: inverse(x.cumsum(0)), lambda x: inverse(x).clamp(max=1).cumprod(0),
            lambda x: (inverse(x).cumsum(0) / torch.arange(1, len(x) + 1)).clamp(max=1),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "20c.3",
    hint="Keep a dict {difference: probability}, {0: 1.0} at first. At each look make a new one from all pairs of a"
    " difference and a growth; probabilities of equal sums add up. What is h[t] or more away from 0 leaves the dict,"
    " and its probability is what you return in the end.",
    solution="""
def stops(p, x, h):
    going, called = {0: 1.0}, 0.0  # probability of each difference that has not stopped
    for bound in h.tolist():
        after = {}
        for S, chance in going.items():
            for grows, k in zip(x.tolist(), p.tolist()):
                if abs(S + grows) >= bound:
                    called += chance * k
                else:
                    after[S + grows] = after.get(S + grows, 0.0) + chance * k
        going = after
    return called
""",
    praise="With this, a bound's constant needs no simulation: raise h until the probability under equal rates is 0.05."
    " So was the 24.8 % computed, in 1969.",
)
def stops(truth):
    import torch

    def follow(p, x, h, hit=lambda S, bound: abs(S) >= bound, kept=lambda chance: 0.0, before=False, add=True):
        """The probability, with a slip. kept: of what stopped, what goes on; before: it looks before it grows."""
        going, stopped = {0: 1.0}, 0.0
        for bound in h.tolist():
            after = {}
            for S, chance in going.items():
                if before and hit(S, bound):
                    stopped += chance
                    continue
                for grows, k in zip(x.tolist(), p.tolist(), strict=True):
                    end, q = S + grows, chance * k
                    if not before and hit(end, bound):
                        stopped += q
                        q = kept(q)
                    if q:
                        after[end] = q + (after.get(end, 0.0) if add else 0.0)
            going = after
        return stopped

    def spread(p, x, h):
        """The probability of each difference after all looks, stopped or not."""
        going = {0: 1.0}
        for _ in h:
            after = {}
            for S, chance in going.items():
                for grows, k in zip(x.tolist(), p.tolist(), strict=True):
                    after[S + grows] = after.get(S + grows, 0.0) + chance * k
            going = after
        return going

    def at_the_end(p, x, h):
        return sum(q for S, q in spread(p, x, h).items() if abs(S) >= h[-1])

    def steps(p, x, h):  # each growth against the bound, not the sum
        left = 1.0
        for bound in h.tolist():
            left *= 1 - p[x.abs() >= bound].sum()
        return 1 - left

    def independent(p, x, h):
        left = 1.0
        for t in range(len(h)):
            left *= 1 - at_the_end(p, x, h[: t + 1])
        return 1 - left

    def case(p, x, h):
        return p, torch.tensor(x, device="cpu"), torch.tensor(h, device="cpu")

    cases = [
        case([0.5, 0.5], [1, -1], [2, 2, 2, 2]),
        case([0.25, 0.5, 0.25], [1, 0, -1], [3, 2, 2]),
        case([0.25, 0.75], [2, -1], [4, 3, 3, 2]),
        case([0.125, 0.25, 0.25, 0.25, 0.125], [2, 1, 0, -1, -2], [4, 4, 3, 3, 3]),
        case([0.25, 0.25, 0.5], [1, 1, -1], [1]),
        case([0.5, 0.25, 0.25], [0, 3, -2], [3, 5, 1]),
        case([0.375, 0.625], [-1, 1], [2, 3, 4, 4, 5]),
        case([0.25, 0.25, 0.25, 0.25], [1, -1, 2, -1], [2, 1]),
        case([0.5, 0.5], [1, -1], [6, 6]),
    ]
    mistakes = {
        "one direction alone is watched: it stops where A leads by h as well, not only where B does.": (
            lambda p, x, h: follow(p, x, h, hit=lambda S, bound: S >= bound),
            lambda p, x, h: follow(p, x, h, hit=lambda S, bound: -S >= bound),
            lambda p, x, h: 2 * follow(p, x, h, hit=lambda S, bound: S >= bound),
        ),
        "this is the probability at the last look alone: what stopped before counts, though it would have come back.":
            (at_the_end, lambda p, x, h: follow(p, x, h[-1:])),
        "what has stopped goes on and stops again: it leaves, and is counted once.": (
            lambda p, x, h: follow(p, x, h, kept=lambda chance: chance),
            lambda p, x, h: min(1.0, follow(p, x, h, kept=lambda chance: chance)),
        ),
        "it stops where the difference is h or more: at exactly h, too.": (
            lambda p, x, h: follow(p, x, h, hit=lambda S, bound: abs(S) > bound),
            lambda p, x, h: truth(p, x, h + 1),
        ),
        "each look has a bound of its own: h[t] belongs to look t, the first to the first growth.": (
            lambda p, x, h: truth(p, x, 0 * h + h[0]), lambda p, x, h: truth(p, x, 0 * h + h[-1]),
            lambda p, x, h: truth(p, x, h.flip(0)), lambda p, x, h: truth(p, x, 0 * h + h.max()),
            lambda p, x, h: truth(p, x, 0 * h + h.min()), lambda p, x, h: follow(p, x, h, before=True),
            lambda p, x, h: truth(p, x, h[:-1]), lambda p, x, h: truth(p, x, h.roll(1)),
        ),
        "it is the sum of all growths so far that is compared with h, not the growth since the last look.":
            (steps, lambda p, x, h: 1 - (1 - p[x.abs() >= h[-1]].sum()) ** len(h)),
        "the looks are not independent: a path that was far from 0 is far from it at the next look, too. Follow the"
        " paths.": (independent, lambda p, x, h: 1 - (1 - at_the_end(p, x, h)) ** len(h)),
        "of two ways to the same difference one replaces the other: their probabilities add up.":
            lambda p, x, h: follow(p, x, h, add=False),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
