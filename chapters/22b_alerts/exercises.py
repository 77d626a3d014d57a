"""Exercises of 22b_alerts."""

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise

tasks = rooms.shared("tasks")


@exercise(
    "22b.1",
    hint="Write S under each headline: the S before plus the score, and 0 in place of what would be negative. Stop at"
    " the first S of 5 or more.",
    solution="""
S, answer_1 = 0, 0
for score in (-1, 2, -1, -1, 2, 2, -1, 2, 2, -1, 2):
    answer_1 += 1
    S = max(0, S + score)  # 0, 2, 1, 0, 2, 4, 3, 5
    if S >= 5:
        break
""",
    praise="After the fourth headline S was 0 again, and four more were enough. What came before is forgotten: that is"
    " what the floor does.",
)
def answer_1(truth):
    mistakes = {
        "it is headline 9 where S may fall below 0, or where 5 itself does not ring: it may not, and 5 does.": 9,
        "at headline 7, S is 3, which is too little; if you counted from 0, count from 1.": 7,
        "it is headline 6 where negative scores are left out; they are added as well, down to 0.": 6,
        "it is headline 4 where the signs are left out: a score of −1 takes 1 off S.": 4,
        "5 is the threshold, and S when it rings; the number of the headline is asked for.": 5,
        "headlines 10 and 11 come after the first alarm: stop where S is 5 or more for the first time.": (10, 11),
        "S is still far below 5 at the first, second and third headline.": (1, 2, 3),
        "this is not one of the headlines; they are counted from 1 to 11, and it does ring.": (0, 12),
    }
    return tasks.Number(0, mistakes, begin="Write S under each headline, one by one.", low=1, high=11)


@exercise(
    "22b.2",
    hint="Four things at each headline, in this order: add its score, cut off at 0, note S, and set S back if it is h"
    " or more.",
    solution="""
import torch


def watch(scores, h):
    S, seen = 0.0, []
    for score in scores.tolist():
        S = max(0.0, S + score)
        seen.append(S)
        if S >= h:  # it rings
            S = 0.0
    return torch.tensor(seen)  # (T,)
""",
    praise="Because S is noted before it is set back, `watch(scores, h) >= h` gives the alarms, and what stands there"
    " says by how much.",
)
def watch(truth):
    import torch

    def chart(add=lambda S, score: max(0.0, S + score), rings=lambda S, h: S >= h, after=lambda S, h, score: 0.0,
              show=lambda S, h: S):  # fmt: skip
        def wrong(scores, h):
            S, seen = 0.0, []
            for score in scores.tolist():
                S = add(S, score)
                seen.append(show(S, h))
                S = after(S, h, score) if rings(S, h) else S
            return torch.tensor(seen)

        return wrong

    def never(S, h):
        return False

    def skips(scores, h):
        S, seen = 0.0, []
        for score in scores.tolist():
            S = 0.0 if S >= h else max(0.0, S + score)
            seen.append(S)
        return torch.tensor(seen)

    def before(scores, h):  # from the start on, and 0 after an alarm
        seen = truth(scores, h)
        return torch.cat([torch.zeros(1), seen.masked_fill(seen >= h, 0.0)])

    def first_as_it_is(scores, h):
        S = scores[:1]
        return torch.cat([S, truth(torch.cat([S * (S < h) + scores[1:2], scores[2:]]), h)])

    def stops(keep):
        def wrong(scores, h):
            seen = truth(scores, h)
            alarms = (seen >= h).nonzero().flatten().tolist()
            return keep(seen, alarms[0] + 1) if alarms else seen

        return wrong

    cases = [
        ([-1.0, 2.0, -1.0, -1.0, 2.0, 2.0, -1.0, 2.0, 2.0, -1.0, 2.0], 5),
        ([3.0, 4.0, -1.0, 6.0, 2.0, 2.0, 2.0, -5.0, 1.0], 6),
        ([-3.0, 2.0, 2.5, -5.0, 2.0, 2.0, 1.0, -0.5], 4),
        ([-2.0, -1.5, -3.0], 1),
        ([0.5, 1.0, 2.0], 3.5),
        ([2.0, -0.5, 2.0, -0.5, 1.0, -1.0], 3.5),
        ([4.0], 3),
        ([-1.0], 2),
        ([2.0, 2.0, 2.0, 0.0, 9.0, 9.0, -1.0, 0.5], 2),
    ]
    mistakes = {
        "it is not set back: after an alarm the next headline begins from 0.": chart(rings=never),
        "S is set back before it is noted, so that alarms cannot be seen: return it as it stands before.":
            (chart(show=lambda S, h: 0.0 if S >= h else S), chart(show=lambda S, h: 0.0 if S > h else S,
                                                                    rings=lambda S, h: S > h)),
        "it rings where S is h or more: at exactly h, too, and not where S is less.":
            (chart(rings=lambda S, h: S > h), chart(rings=lambda S, h: S < h),
             chart(rings=lambda S, h: S > h, after=lambda S, h, score: S - h)),
        "S is never below 0: of 0 and the sum the larger is kept at each headline, once its score is added.": (
            chart(add=lambda S, score: S + score), chart(add=lambda S, score: S + score, rings=never),
            chart(add=lambda S, score: max(0.0, S) + score),
            chart(add=lambda S, score: max(0.0, S) + score, rings=never),
            chart(add=lambda S, score: S + score, show=lambda S, h: max(0.0, S)),
            chart(add=lambda S, score: S + score, show=lambda S, h: max(0.0, S), rings=never),
            chart(add=lambda S, score: S + score, rings=lambda S, h: S > h),
            chart(add=lambda S, score: min(0.0, S + score)),
            chart(add=lambda S, score: S + score, show=lambda S, h: 0.0 if S >= h else S), first_as_it_is,
        ),
        "after an alarm all begins from 0: nothing of its S or its score is carried over.": (
            chart(after=lambda S, h, score: S - h), chart(after=lambda S, h, score: max(0.0, score)),
            chart(after=lambda S, h, score: S % h), chart(after=lambda S, h, score: h),
            chart(after=lambda S, h, score: score),
        ),
        "it goes on after an alarm, and the very next headline's score counts: none is left out.": (
            skips, stops(lambda seen, n: seen[:n]), stops(lambda seen, n: torch.cat([seen[:n], 0 * seen[n:]])),
            stops(lambda seen, n: torch.cat([seen[:n], 0 * seen[n:] + seen[n - 1]])),
        ),
        "these are the alarms, S before each headline or from the start on, or S cut off at h; return S itself after"
        " each headline, also where it is more than h.": (
            chart(show=lambda S, h: float(S >= h)), chart(show=lambda S, h: min(S, float(h))),
            chart(show=lambda S, h: min(S, float(h)), rings=never), chart(show=lambda S, h: S if S >= h else 0.0),
            lambda scores, h: before(scores, h)[:-1], before,
            lambda scores, h: torch.cat([torch.zeros(1), truth(scores, h)]),
            lambda scores, h: torch.cat([torch.zeros(1), truth(scores, h)])[:-1],
        ),
        "the signs of the scores are turned, or negative scores are left out or set S to 0: each is added as it is.": (
            chart(add=lambda S, score: max(0.0, S - score)), chart(add=lambda S, score: S + abs(score)),
            chart(add=lambda S, score: S + max(0.0, score)), chart(add=lambda S, score: (S + score) * (score > 0)),
            chart(add=lambda S, score: (S + score) * (score >= 0)),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "22b.3",
    hint="With Q, (h, h), the probabilities to go from one S to another below h, L = 1 + Q L: bring L to one side, and"
    " `torch.linalg.solve` does the rest. Several scores may lead to the same S, above all to 0: their p add up. What"
    " leads to h or more has no column.",
    solution="""
import torch


def run_length(p, x, h):
    Q = torch.zeros(h, h, dtype=torch.float64)  # row: S now, column: S next, both below h
    for S in range(h):
        for chance, score in zip(p.tolist(), x.tolist()):
            after = max(0, S + int(score))
            if after < h:
                Q[S, after] += chance
    ones = torch.ones(h, dtype=torch.float64)
    return torch.linalg.solve(torch.eye(h, dtype=torch.float64) - Q, ones)[0]  # L(0)
""",
    praise="No simulation is needed to set a threshold: raise h until the wait for a false alarm is as long as you can"
    " bear. The price is a later true one.",
)
def run_length(truth):
    import torch

    def steps(p, x, h):
        return [(S, S + score, chance) for S in range(h) for chance, score in zip(p.tolist(), x.tolist(), strict=True)]

    def matrix(p, x, h, to=lambda after: max(0, after), add=True):
        Q = torch.zeros(h, h, dtype=torch.float64)
        for S, after, chance in steps(p, x, h):
            if -h <= to(after) < h:
                Q[S, to(after)] = chance + (Q[S, to(after)] if add else 0.0)
        return Q

    def waits(Q, due=None):
        return torch.linalg.solve(torch.eye(len(Q)).double() - Q, torch.ones(len(Q)).double() if due is None else due)

    def lost_below(p, x, h):
        return waits(matrix(p, x, h, to=lambda after: after if after >= 0 else h))[0]

    def up_to(n):  # the chance to be still waiting, added up over n headlines
        def wrong(p, x, h):
            Q = matrix(p, x, h)
            return waits(Q, 1 - torch.linalg.matrix_power(Q, n).sum(1))[0]

        return wrong

    def stays(p, x, h):  # S, where it would be below 0
        Q = torch.zeros(h, h, dtype=torch.float64)
        for S, after, chance in steps(p, x, h):
            if (to := after if after >= 0 else S) < h:
                Q[S, to] += chance
        return waits(Q)[0]

    def once(keep):  # of equal scores the last or the first alone
        def wrong(p, x, h):
            pairs = list(zip(x.tolist(), p.tolist(), strict=True))
            some = dict(pairs if keep == "last" else pairs[::-1])
            return truth(torch.tensor(list(some.values())), torch.tensor(list(some)), h)

        return wrong

    def geometric(more):
        return lambda p, x, h: 1 / p[x > h if more else x >= h].sum()

    def rings_at_all(p, x, h):
        Q = matrix(p, x, h)
        return waits(Q, 1 - Q.sum(1))[0]

    def case(p, x, h):
        return p, torch.tensor(x, device="cpu"), h

    cases = [
        case([0.25, 0.75], [1, -1], 1),
        case([0.5, 0.5], [-1, 2], 3),
        case([0.625, 0.375], [-1, 2], 5),
        case([0.5, 0.25, 0.25], [0, 1, -1], 2),
        case([0.125, 0.5, 0.375], [7, -1, 1], 3),
        case([0.25, 0.125, 0.25, 0.125, 0.25], [2, -1, 1, -2, -1], 4),
        case([0.5, 0.5], [1, 0], 4),
        case([0.5, 0.125, 0.25, 0.125], [0, 3, 0, -1], 1),
        case([0.25, 0.25, 0.5], [3, 1, -2], 6),
        case([0.75, 0.25], [-1, 2], 7),  # a long wait: 74 headlines
    ]
    mistakes = {
        "the CUSUM collects: several scores add up to h, and it is held at 0. So it is neither one by the probability"
        " of a score of h or more, nor h by the mean score.": (
            geometric(more=False), geometric(more=True), lambda p, x, h: h / (p * x).sum(),
            lambda p, x, h: h / (p * x.clamp(min=0)).sum(),
        ),
        "a sum below 0 leads to S = 0: here it is lost, leads elsewhere, or is an index below 0, which counts from the"
        " end.": (
            stays,
            lost_below, lambda p, x, h: waits(matrix(p, x, h, to=lambda after: after))[0],
            lambda p, x, h: waits(matrix(p, x, h, to=lambda after: max(after, -after)))[0],
        ),
        "each headline counts 1, the first and the one that rings, too: the system's right side is 1 everywhere.": (
            lambda p, x, h: truth(p, x, h) - 1, rings_at_all, lambda p, x, h: 0.0 * truth(p, x, h),
            lambda p, x, h: waits(matrix(p, x, h), matrix(p, x, h).sum(1))[0],
        ),
        "the CUSUM begins at 0, so L(0) is asked for: not all of L, its mean or its sum, nor another entry, or one of"
        " the inverse alone.": (
            lambda p, x, h: waits(matrix(p, x, h)), lambda p, x, h: waits(matrix(p, x, h))[-1],
            lambda p, x, h: waits(matrix(p, x, h)).mean(), lambda p, x, h: waits(matrix(p, x, h)).sum(),
            lambda p, x, h: waits(matrix(p, x, h))[min(1, h - 1)],
            lambda p, x, h: torch.linalg.inv(torch.eye(h).double() - matrix(p, x, h))[0, 0],
            lambda p, x, h: torch.linalg.inv(torch.eye(h).double() - matrix(p, x, h))[0].mean(),
        ),
        "the matrix is transposed: a row is S now, a column S next, and L belongs to the columns.":
            lambda p, x, h: waits(matrix(p, x, h).T)[0],
        "from h on L is 0: it rings at h as well, and no headline counts after it. The unknowns are L(0) to L(h − 1).":
            (lambda p, x, h: truth(p, x, h + 1), lambda p, x, h: truth(p, x, h) + 1),
        "scores that lead to the same S, as equal ones do or those that end at 0, add up; here one of them replaces the"
        " others.": (
            lambda p, x, h: waits(matrix(p, x, h, add=False))[0], once("last"), once("first"),
            lambda p, x, h: waits(matrix(p.flip(0), x.flip(0), h, add=False))[0],
        ),
        "L stands on both sides: bring it to one and solve. Here the matrix is another, or too few steps are summed.": (
            lambda p, x, h: waits(-matrix(p, x, h))[0], *map(up_to, (2, 10, 20, 50, 100, 200, 500)),
            lambda p, x, h: 1 - matrix(p, x, h)[0].sum(),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
