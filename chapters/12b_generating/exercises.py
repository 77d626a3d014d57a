"""Exercises of 12b_generating."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "12b.1",
    hint="Nats are minus a logarithm: turn each answer's into a probability. Divide the first by the sum of all three.",
    solution="""
import math

p = [math.exp(-nats) for nats in (4.1, 4.6, 6.0)]
answer_1 = p[0] / sum(p)  # 0.57
""",
    praise="A softmax over minus the nats. That it is over one half says nothing about how likely the model finds any.",
)
def answer_1(truth):
    nats = (4.1, 4.6, 6.0)
    e = [math.exp(-x) for x in nats]
    up = [math.exp(x) for x in nats]
    two, ten = ([base**-x for x in nats] for base in (2, 10))
    mistakes = {
        "this is the probability among all texts; divide it by the sum of the three.": (e[0], 0.02),
        "fewer nats are likelier: the sign in the exponent is turned, so this is large for what is unlikely.":
            up[0] / sum(up),
        "nats cannot be shared like this: take the exponential of minus each, then divide by the sum.": (
            nats[0] / sum(nats), 1 - nats[0] / sum(nats), (1 / nats[0]) / sum(1 / x for x in nats),
        ),
        "this is the second or the third answer's probability, or both together; the first is asked for.":
            (e[1] / sum(e), e[2] / sum(e), 1 - e[0] / sum(e)),
        "nats take e as the base of the power, not 2 or 10.": (two[0] / sum(two), ten[0] / sum(ten)),
        "divide by the sum of all three, not of two.": (e[0] / (e[0] + e[1]), e[0] / (e[0] + e[2])),
        "these are the odds, the ratio to the others; divide by the sum of all three.": e[0] / (e[1] + e[2]),
    }  # fmt: skip
    return tasks.Number(0.006, mistakes, begin="Begin with the probability of each answer.", low=0, high=1)


@exercise(
    "12b.2",
    hint="torch.cumsum along the row counts the real tokens up to each place, that place included. Positions begin at"
    " 0. What does padding get, and where would it be negative?",
    solution="""
def my_positions(mask):
    return (mask.cumsum(dim=1) - 1).clamp(min=0)  # (B, T)
""",
    praise="Every row counts from its first real token, as if it stood alone.",
)
def my_positions(truth):
    import torch

    def left(T, *lengths):
        return (torch.tensor([[0] * (T - n) + [1] * n for n in lengths], device="cpu"),)

    def place(mask):
        return torch.arange(mask.shape[1]).expand_as(mask)

    def padding(mask):
        return mask.shape[1] - mask.sum(1, keepdim=True)

    cases = [left(5, 3, 5, 1), left(7, 4, 2), left(3, 3), left(6, 1, 2, 6, 3), left(12, 12, 11), left(2, 1)]
    mistakes = {
        "these are the places in the tensor: a row's first real token must have position 0.":
            (place, lambda m: place(m) * m),
        "the first real token has position 1: the running sum counts it already.":
            (lambda m: m.cumsum(1), lambda m: m.cumsum(1).clamp(min=1)),
        "right for the real tokens; padding should get 0.": (
            lambda m: m.cumsum(1) - 1, lambda m: (m.cumsum(1) - 1) % m.shape[1], lambda m: place(m) - padding(m),
            lambda m: (place(m) - padding(m)).abs(), lambda m: (m.cumsum(1) - 1).where(m > 0, 1),
            lambda m: (m.cumsum(1) - 1).where(m > 0, -100), lambda m: (m.cumsum(1) - 1).where(m > 0, m.shape[1] - 1),
        ),
        "the running sum goes down the batch; it must go along each row.":
            (lambda m: m.cumsum(0) - 1, lambda m: (m.cumsum(0) - 1).clamp(min=0), lambda m: m.cumsum(0)),
        "the number of real tokens was subtracted; it is the number of padding tokens.":
            (lambda m: (place(m) - m.sum(1, keepdim=True)).clamp(min=0), lambda m: place(m) - m.sum(1, keepdim=True)),
        "this counts from the end of the row; the first real token has 0.": (
            lambda m: m.flip(1).cumsum(1).flip(1) - 1, lambda m: (m.flip(1).cumsum(1).flip(1) - 1).clamp(min=0) * m,
            lambda m: place(m).flip(1) * m, lambda m: place(m).flip(1),
        ),
        "this is the mask, or counts the padding; count the real tokens along the row.":
            (lambda m: m, lambda m: 1 - m, lambda m: (1 - m).cumsum(1), lambda m: ((1 - m).cumsum(1) - 1).clamp(min=0)),
        "all rows have the same positions; each row has its own padding.": (
            lambda m: truth(m)[0], lambda m: truth(m)[:1].expand_as(m),
            lambda m: (place(m) - padding(m).max()).clamp(min=0),
            lambda m: (place(m) - padding(m).min()).clamp(min=0),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "12b.3",
    hint="logits.gather(1, ids) picks the logits of a row's own tokens; torch.where changes them by their sign; scatter"
    " puts them back. The same value is put back however often a token stands there.",
    solution="""
import torch


def penalise(logits, ids, penalty):
    mine = logits.gather(1, ids)  # (B, T)
    return logits.scatter(1, ids, torch.where(mine > 0, mine / penalty, mine * penalty))
""",
    praise="This is what `repetition_penalty` does. The prompt's own tokens are penalised too.",
)
def penalise(truth):
    import torch

    def case(V, ids, penalty, seed):
        return 3 * noise(len(ids), V, seed=seed), torch.tensor(ids, device="cpu"), penalty

    cases = [
        case(7, [[1, 2, 3], [4, 4, 0]], 1.3, 0), case(5, [[0, 1, 2, 3, 3], [2, 2, 2, 2, 2], [4, 0, 4, 0, 1]], 2.0, 1),
        case(4, [[2]], 1.5, 2), case(9, [[8, 1, 8, 1, 8, 5]], 1.2, 3),
    ]  # fmt: skip

    def there(logits, ids):
        return torch.zeros_like(logits).scatter(1, ids, 1.0)

    def often(logits, ids):
        return torch.zeros_like(logits).scatter_add(1, ids, torch.ones(ids.shape))

    def by(change):  # the logits of tokens that are there are changed, each once
        return lambda logits, ids, penalty: logits.where(there(logits, ids) == 0, change(logits, penalty))

    def all_rows(logits, ids, penalty):
        return truth(logits, ids.flatten().expand(len(logits), -1), penalty)

    def each_time(change):
        def wrong(logits, ids, penalty):
            for t in range(ids.shape[1]):
                logits = change(logits, ids[:, t : t + 1], penalty)
            return logits

        return wrong

    mistakes = {
        "a negative logit that is divided becomes larger, and one that stays is not penalised: multiply it.": (
            by(lambda z, p: z / p), by(lambda z, p: torch.where(z > 0, z / p, z)), each_time(by(lambda z, p: z / p)),
        ),
        "a positive logit that is multiplied becomes larger, and one that stays is not penalised: divide it.": (
            by(lambda z, p: z * p), by(lambda z, p: torch.where(z > 0, z, z * p)), each_time(by(lambda z, p: z * p)),
        ),
        "the other way round: this makes what is there likelier.":
            by(lambda z, p: torch.where(z > 0, z * p, z / p)),
        "the penalty is subtracted; it divides or multiplies.": (
            by(lambda z, p: z - p), by(lambda z, p: z - math.log(p)), each_time(by(lambda z, p: z - p)),
        ),
        "each row is penalised for its own tokens only, not for those of the other rows.":
            (all_rows, lambda z, ids, p: truth(z, ids[:1].expand(len(z), -1), p)),
        "once for a token, however often it stands there.": each_time(truth),
        "the logits of tokens that are not there stay: here they change as well, or instead, or are not returned.": (
            lambda z, ids, p: truth(z, ids, p).gather(1, ids),
            lambda z, ids, p: torch.where(z > 0, z / p, z * p), lambda z, ids, p: z / p,
            lambda z, ids, p: torch.where(there(z, ids) == 0, torch.where(z > 0, z / p, z * p), z),
        ),
        "no token is penalised, or only a part of its row's, or they are forbidden: each of them gets less likely.": (
            lambda z, ids, p: z, lambda z, ids, p: truth(z, ids[:, -1:], p), lambda z, ids, p: truth(z, ids[:, :1], p),
            lambda z, ids, p: z.where(often(z, ids) < 2, truth(z, ids, p)),
            lambda z, ids, p: z.where(often(z, ids) != 1, truth(z, ids, p)),
            lambda z, ids, p: z.masked_fill(there(z, ids) > 0, -1e9),
            lambda z, ids, p: z.masked_fill(there(z, ids) > 0, -math.inf),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
