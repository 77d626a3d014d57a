"""Exercises of 21b_handover."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise

tasks = rooms.shared("tasks")


@exercise(
    "21b.1",
    hint="Count in hours: λ = 24, μ = 12, so a = 2. Three steps of the recursion give B, then C, then the mean wait in"
    " hours.",
    solution="""
a, B = 24 / 12, 1.0
for k in (1, 2, 3):
    B = a * B / (k + a * B)  # 2/3, 2/5, 4/19
C = B / (1 - a / 3 * (1 - B))  # 4/9 of the tickets wait
answer_1 = 60 * C / (3 * 12 - 24)
""",
    praise="Four in nine tickets wait, those five minutes on average, and so all of them two minutes and a bit. With a"
    " fourth person it would be under half a minute.",
)
def answer_1(truth):
    mistakes = {
        "this is in hours; minutes are asked for.": 0.037037,
        "this is C, the share of tickets that wait at all; divide it by cμ − λ.": 0.444444,
        "so long wait those that wait at all; the mean is over all tickets.": 5.0,
        "this takes Erlang B, the share that a system without a queue turns away; C is larger.": (1.052632, 0.210526),
        "the work itself counts here, too; a wait ends when somebody begins.": (7.222222, 5.0 + 2.22),
        "divide C by cμ − λ, what is left of an hour's capacity, not by cμ or by μ or λ.": (
            0.740741,
            2.222222 * 12 / 24,
        ),
        "so long waits who stands before one person who is three times as quick.": 3.333333,
        "this is the mean number of tickets that wait, λ times the wait in hours.": 0.888889,
    }
    return tasks.Number(0.006, mistakes, begin="Begin with B for one person, then two, then three.", low=0)


@exercise(
    "21b.2",
    hint="`(1 - p) * c_wrong` is the expected cost of each answer, (B, K). Its smallest value in a row, and where that"
    " is, are one call: `min(dim=1)`.",
    solution="""
import torch


def decide(p, c_wrong, c_person):
    cost, k = ((1 - p) * c_wrong).min(dim=1)  # (B,): of the cheapest answer, and which
    return torch.where(cost <= c_person, k, -1)
""",
    praise="A likely intent whose error is dear is now left to a person, or to a cheaper answer. The page's rule is the"
    " case in which all errors cost the same.",
)
def decide(truth):
    import torch

    def rule(cost=lambda p, c: (1 - p) * c, pick=None, enough=lambda cost, most: cost <= most, out=-1):
        def wrong(p, c_wrong, c_person):
            costs = cost(p, c_wrong)
            k = pick(p, costs) if pick else costs.min(dim=1).indices
            least = costs.gather(1, k[:, None])[:, 0]
            return torch.where(enough(least, c_person), k, out)

        return wrong

    def likely(p, costs):
        return p.argmax(dim=1)

    def last(p, costs):
        K = costs.shape[1]
        return K - 1 - costs.flip(1).min(dim=1).indices

    def likelier(p, costs):  # of several with the least cost
        return torch.where(costs == costs.min(dim=1, keepdim=True).values, p, -1).argmax(dim=1)

    def by_true(p, c):  # what it costs by the intent that is meant
        return (p * c).sum(1, keepdim=True) - p * c

    def one_price(of):
        def wrong(p, c_wrong, c_person):
            top, k = p.max(dim=1)
            return torch.where((1 - top) * of(c_wrong) <= c_person, k, -1)

        return wrong

    def costs_alone(p, c_wrong, c_person):
        return ((1 - p) * c_wrong).min(dim=1).values

    def or_price(p, c_wrong, c_person):
        return costs_alone(p, c_wrong, c_person).clamp(max=c_person)

    cases = [
        ([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]], [8.0, 16.0], 3),
        ([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]], [8.0, 40.0, 16.0], 4),
        ([[0.75, 0.25]], [16.0, 4.0], 3.5),
        ([[0.5, 0.5]], [4.0, 4.0], 2),
        ([[0.25, 0.5, 0.25], [1.0, 0.0, 0.0], [0.0, 0.875, 0.125]], [2.0, 64.0, 1.0], 1),
        ([[1.0], [1.0]], [9.0], 0),
        ([[0.625, 0.375], [0.375, 0.625]], [10.0, 10.0], 3.0),
        ([[0.875, 0.0625, 0.0625], [0.0625, 0.0625, 0.875]], [48.0, 6.0, 24.0], 6.0),
        ([[0.25, 0.25, 0.5], [0.125, 0.125, 0.75]], [4.0, 4.0, 12.0], 8),
        ([[0.125, 0.875, 0.0], [0.25, 0.75, 0.0], [0.875, 0.125, 0.0], [0.625, 0.25, 0.125]], [1.0, 3.0, 4.0], 2),
    ]
    mistakes = {
        "take the intent whose answer costs least, which need not be the most likely one.": (
            rule(pick=likely), one_price(torch.mean), one_price(torch.max), one_price(torch.min),
        ),
        "an answer is also given where its cost is exactly `c_person`.": rule(enough=lambda cost, most: cost < most),
        "an answer costs something where it is wrong, with probability 1 − p, not where it is right.":
            (rule(cost=lambda p, c: p * c), rule(cost=lambda p, c: -p * c)),
        "the price is that of the intent which is *answered*, not of those that may be meant.":
            (rule(cost=by_true), rule(cost=lambda p, c: (p * c).sum(1, keepdim=True) + 0 * p)),
        "the comparison is turned, or missing: where the cost is above `c_person` a person does it, and −1 is due.":
            (rule(enough=lambda cost, most: cost > most), rule(enough=lambda cost, most: cost < math.inf),
             rule(enough=lambda cost, most: cost >= most)),
        "what goes to a person is −1, and places count from 0.": (
            rule(out=0), lambda p, c, most: truth(p, c, most) + 1, lambda p, c, most: rule(out=p.shape[1])(p, c, most),
            lambda p, c, most: torch.where(truth(p, c, most) < 0, -1, truth(p, c, most) + 1),
        ),
        "of several with the same cost the first one is due.": (rule(pick=last), rule(pick=likelier)),
        "the places are asked for, not what they cost or whether there is an answer.":
            (costs_alone, or_price, lambda p, c, most: (truth(p, c, most) >= 0).float()),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "21b.3",
    hint="Sort `right` by falling confidence. `cumsum` of the wrong ones, divided by 1 … N, is the curve; its mean is"
    " the number.",
    solution="""
import torch


def area(confidence, right):
    order = confidence.argsort(descending=True)
    wrong = (1 - right[order]).cumsum(0)
    n = torch.arange(1, len(right) + 1, device=right.device)
    return (wrong / n).mean()
""",
    praise="It is 0 for a machine without errors, and as high as the error rate for one that does not know what it does"
    " not know. Two machines with the same accuracy can differ widely.",
)
def area(truth):
    import torch

    def curve(confidence, right, falling=True, by_n=True, of_right=False):
        order = confidence.argsort(descending=falling)
        wrong = (right if of_right else 1 - right)[order].cumsum(0)
        return wrong / (torch.arange(1, len(right) + 1) if by_n else len(right))

    def unsorted(confidence, right):
        return ((1 - right).cumsum(0) / torch.arange(1, len(right) + 1)).mean()

    def trapezoid(confidence, right):
        n = torch.arange(1, len(right) + 1) / len(right)
        return torch.trapezoid(curve(confidence, right), n)

    def from_nought(confidence, right):
        return torch.cat([torch.zeros(1), curve(confidence, right)]).mean()

    def expected(confidence, right):
        return curve(confidence, confidence).mean()

    cases = [
        ([0.9, 0.5, 0.7, 0.6], [1.0, 0.0, 1.0, 0.0]),
        ([0.2, 0.8, 0.4, 0.99, 0.6], [0.0, 1.0, 1.0, 0.0, 1.0]),
        ([0.9, 0.8, 0.7], [1.0, 1.0, 1.0]),
        ([0.1, 0.8, 0.3], [0.0, 0.0, 0.0]),
        ([0.75], [0.0]),
        ([0.31, 0.32], [0.0, 1.0]),
        ([0.5, 0.99, 0.98, 0.1, 0.2, 0.9], [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]),
        ([-1.0, 3.0, 2.0, 0.5], [0.0, 1.0, 0.0, 1.0]),
    ]
    mistakes = {
        "the surest come first: sort by falling confidence, and `right` along with it.":
            (lambda c, r: curve(c, r, falling=False).mean(), unsorted,
             lambda c, r: ((1 - r[c.argsort().argsort()]).cumsum(0) / torch.arange(1, len(r) + 1)).mean()),
        "this counts right answers; the wrong ones are asked for.": lambda c, r: curve(c, r, of_right=True).mean(),
        "among the n surest the share is by n, not by N.": lambda c, r: curve(c, r, by_n=False).mean(),
        "this is the error rate of all answers, the last point of the curve; its mean is asked for.":
            (lambda c, r: (1 - r).mean(), lambda c, r: curve(c, r)[-1]),
        "n runs from 1 to N, both included, and each n counts the same: this begins at 0, leaves one out, or takes the"
        " area by trapezia.": (from_nought, trapezoid, lambda c, r: curve(c, r)[:-1].sum() / len(r),
                               lambda c, r: curve(c, r)[1:].sum() / len(r)),
        "this is the curve or its sum; the mean over n is one number.":
            (curve, lambda c, r: curve(c, r).sum()),
        "confidence only sorts; whether an answer is wrong stands in `right`.":
            (expected, lambda c, r: ((1 - r) * c).mean(), lambda c, r: (1 - c).mean()),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
