"""Exercises of 10_attention."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "10.1",
    hint="C's output is a weighted mean of the values of A, B and C. Without positions, does a weight depend on where a"
    " token stands? What does the causal mask hide from the last token? And what do rotary positions add to a score?",
    solution="""
# C sees A and B in every case; only with positions does it matter which of the two is nearer.
answer_1 = {"plain": "same", "causal": "same", "rotary": "other"}
""",
    praise="Order enters through positions; for the last token a causal mask hides nothing.",
)
def answer_1(truth):
    mistakes = {
        "plain other, causal other, rotary same": "all three are the wrong way round: which knows of order at all?",
        "plain other": "without positions the scores depend on the tokens only, and a sum does not care about order.",
        "causal other": "C is the last token, so the mask hides nothing from it: it still sees the same two others.",
        "rotary same": "with rotary positions the scores depend on the distance, and A and B have changed theirs.",
    }
    return tasks.Words(("same", "other"), mistakes)


@exercise(
    "10.2",
    hint="The two products of query and key are 4 and 0. How long is a key, and what is the root of that? A weight is"
    " e to the power of its score, divided by the sum of both powers.",
    solution="""
import math

w = [math.exp(4 / math.sqrt(4)), math.exp(0 / math.sqrt(4))]
answer_2 = (w[0] * 10 + w[1] * 40) / sum(w)  # 13.576
""",
    praise="13.576; an answer within 0.02 counts.",
)
def answer_2(truth):
    def mean(score, base=math.e, values=(10, 40)):
        return (base**score * values[0] + values[1]) / (base**score + 1)

    mistakes = {
        "the score is 4, neither less nor a cosine, divided by the root of the key's length, 4: not by 4, by the number"
        " of keys' root, or not at all; and before the softmax.":
            (mean(4), mean(1), mean(8), mean(4 / 2**0.5), mean(2**0.5), mean(0.5), mean(4) / 2, mean(2) / 2),
        "the two values or the signs are swapped: which key does the query resemble?":
            (mean(2, values=(40, 10)), mean(4, values=(40, 10)), mean(1, values=(40, 10)), mean(-4)),
        "this is the plain mean of the values, or the value of one key, as in a hard dictionary: both keys have a"
        " weight, by their scores.": (25.0, 10.0),
        "this is a score times a value, or one key's value alone: the softmax is missing.": (20.0, 80.0, 40.0),
        "the softmax has base 2 or 10, or shares of the scores; take e.": (16.0, mean(2, base=10), mean(4, base=2)),
        "the weights do not sum to 1: each is a power, divided by the sum of both powers.":
            (10 * math.e**2 + 40, 10 * math.e**4 + 40, 10 * math.e**2, 10 * math.e + 40, 50.0,
             10 / (1 + math.e**-2) + 20),
        "this is the weight of one value, or that value times its weight; asked for is the weighted mean of both.":
            (1 / (1 + math.e**-2), 1 / (1 + math.e**2), 10 / (1 + math.e**-2), 40 / (1 + math.e**2)),
        "this is near, but rounded on the way or too coarsely: two decimals are asked for.": (13.5, 13.6, 14.0),
    }  # fmt: skip
    begin = "Write down the two scores, divide them, and take the softmax."
    return tasks.Number(0.02, mistakes, begin=begin, low=10, high=40)


@exercise(
    "10.3",
    hint="Divide the scores by the root of the last size of q. A lower-triangular matrix of ones says who may look:"
    " where it is 0, put minus infinity in the scores, then take the softmax over the keys.",
    solution="""
import math

import torch


def my_attention(q, k, v):
    T, d = q.shape[-2:]
    scores = q @ k.transpose(-2, -1) / math.sqrt(d)                    # (B, T, T)
    past = torch.ones(T, T, dtype=torch.bool, device=q.device).tril()  # a token sees itself, too
    return scores.masked_fill(~past, -math.inf).softmax(dim=-1) @ v    # (B, T, d)
""",
    praise="Scaled and causal: this is `scaled_dot_product_attention(q, k, v, is_causal=True)`.",
)
def my_attention(truth):
    import torch

    def attend(scale=lambda T, d: d**0.5, seen=torch.tril, hidden=-math.inf, axis=-1, after=False):
        def wrong(q, k, v):
            scores, past = q @ k.mT / scale(*q.shape[-2:]), seen(torch.ones(q.shape[1], q.shape[1]))
            return (scores.softmax(axis) * past if after else scores.masked_fill(past == 0, hidden).softmax(axis)) @ v

        return wrong

    cases = [tuple(size * noise(*shape, seed=s) for s in range(3))
             for shape, size in (((2, 5, 4), 1), ((1, 3, 16), 2), ((3, 7, 2), 2), ((2, 1, 4), 1))]  # fmt: skip
    cases += [tuple(noise(1, 20, 3, seed=s) for s in range(3))]
    cases += [([[[1.0, 0.0], [0.0, 2.0]]], [[[1.0, 1.0], [0.0, 3.0]]], [[[1.0, 2.0], [3.0, 5.0]]])]
    leak = "the future still leaks, a little: a large negative score is not enough where scores are large."
    mistakes = {
        "every token sees the future: the mask is missing; as printed, so is the division.":
            (attend(seen=torch.ones_like), attend(lambda T, d: 1, torch.ones_like)),
        "the scores are divided by the root of d, the number of features: not by d, another number, or the tokens'"
        " number or its root, nor multiplied, nor after the softmax.": (
            attend(lambda T, d: 8), attend(lambda T, d: T),
            attend(lambda T, d: 1), attend(lambda T, d: d), attend(lambda T, d: T**0.5), attend(lambda T, d: d**-0.5),
            lambda q, k, v: attend(lambda T, d: 1)(q, k, v) / q.shape[-1] ** 0.5,
        ),
        "the mask is the wrong way round, or off by one: a token sees itself and those before it, and nothing else.":
            (attend(seen=torch.triu), attend(seen=lambda ones: ones.triu(1)), attend(seen=lambda ones: ones.tril(-1)),
             attend(seen=lambda ones: ones.tril(1)),
             attend(lambda T, d: 1, torch.triu), attend(lambda T, d: 1, lambda ones: ones.triu(1)),
             attend(lambda T, d: 1, lambda ones: ones.tril(-1)), attend(lambda T, d: 1, lambda ones: ones.tril(1)),
             lambda q, k, v: attend(seen=lambda ones: ones.tril(-1))(q, k, v).nan_to_num(),
             lambda q, k, v: attend(seen=lambda ones: ones.triu(1))(q, k, v).nan_to_num()),
        "query, key and value play each other's part, or the values none: each query's weights over the keys multiply"
        " the values.": (
            lambda q, k, v: truth(q, k, torch.eye(q.shape[1]).expand(len(q), -1, -1)), lambda q, k, v: truth(q, k, k),
            lambda q, k, v: truth(k, q, v), lambda q, k, v: truth(q, k, q), lambda q, k, v: truth(q, v, k),
        ),
        "the softmax runs over the queries, or is missing: each query's weights over the keys sum to 1.": (
            attend(axis=-2), attend(axis=0), lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).tril() @ v,
            lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).exp().tril() @ v,
            lambda q, k, v: attend(axis=-2)(q, k, v).nan_to_num(), lambda q, k, v: (q @ k.mT).tril() @ v,
        ),
        "the mask does not work: a hidden score that is 0, or only smaller, still has weight (e⁰ = 1), and after the"
        " softmax the weights no longer sum to 1. Which score gives weight 0?": (
            attend(hidden=0.0), attend(hidden=-1.0), attend(after=True), attend(lambda T, d: 1, hidden=0.0),
            attend(lambda T, d: 1, after=True), attend(lambda T, d: 1, hidden=-1.0),
            lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5 + torch.ones(q.shape[1], q.shape[1]).tril()).softmax(-1) @ v,
        ),
        "it is NaN: 0 times infinity is (put minus infinity where the mask says so: `masked_fill`, `where`), and so is"
        " the softmax of nothing but minus infinity.":
            lambda q, k, v: (q @ k.mT - math.inf * torch.ones(q.shape[1], q.shape[1]).triu(1)).softmax(-1) @ v,
        leak: attend(hidden=-16.0),
    }  # fmt: skip
    edges = {leak: [([[[20.0], [20.0]]], [[[-4.0], [0.2]]], [[[1.0], [5.0]]])]}
    return tasks.Function(cases, mistakes, edges)


@exercise(
    "10.4",
    hint="With i = 0, 1, … d/2 - 1, the speeds are 10000 ** (-2 i / d). The angle of row t in plane i is places[t]"
    " times speed i. Split x in two halves along the features, turn, and put the halves together again.",
    solution="""
import torch


def my_rotary(x, places):
    d = x.shape[1]
    omega = 10_000.0 ** (-torch.arange(0, d, 2, device=x.device) / d)  # (d/2,)
    angle = places[:, None] * omega                                    # (T, d/2)
    a, b = x[:, : d // 2], x[:, d // 2 :]
    turned = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
    return torch.cat(turned, dim=1)
""",
    praise="Lengths stay, and the product of two rows depends on the distance of their places.",
)
def my_rotary(truth):
    import torch

    def halves(x):
        return x.chunk(2, 1)

    def odd(x):
        return x[:, ::2], x[:, 1::2]

    def woven(pair):
        return torch.stack(pair, 2).flatten(1)

    def rotary(
        speed=lambda i, d: 10_000.0 ** (-2 * i / d), turn=None, take=halves, put=lambda pair: torch.cat(pair, 1)
    ):
        def wrong(x, places):
            a, b = take(x)
            angle = places[:, None] * speed(torch.arange(x.shape[1] // 2), x.shape[1])
            c, s = angle.cos(), angle.sin()
            return put(turn(a, b, c, s) if turn else (a * c - b * s, a * s + b * c))

        return wrong

    def by_neighbours(x, places):  # the turned half is right, the angles come in pairs
        d = x.shape[1]
        angle = (places[:, None] * 10_000.0 ** (-2 * torch.arange(d // 2) / d)).repeat_interleave(2, 1)
        return x * angle.cos() + torch.cat([-x[:, d // 2 :], x[:, : d // 2]], 1) * angle.sin()

    cases = [(noise(5, 8), [0.0, 1.0, 2.0, 7.0, 30.0]), (noise(3, 4, seed=1), [3.0, 3.0, 3.0]),
             (noise(6, 16, seed=2), torch.arange(10.0, 16.0)), (noise(2, 2, seed=3), [1.0, 2.0]),
             (noise(4, 6, seed=5), [9.0, 2.5, 5.0, 0.0]), (noise(1, 4, seed=4), [0.0]),
             (noise(3, 4, seed=6), [600.3, 1500.7, 2047.25])]  # fmt: skip
    mistakes = {
        "nothing is turned, or in the other direction: look at the signs.":
            (lambda x, p: 1 * x, lambda x, p: truth(x, -p)),
        "feature i is paired with feature i + d/2, and the halves stay behind each other: do not take or weave"
        " neighbours.": (
            rotary(take=odd, put=woven), rotary(put=woven), rotary(take=odd),
            by_neighbours,
        ),
        "the speeds are wrong: 10000 to the power of -2 i / d, for i = 0, 1, … d/2 - 1.": (
            rotary(lambda i, d: 10_000.0 ** (-i / d)), rotary(lambda i, d: 10_000.0 ** (-4 * i / d)),
            rotary(lambda i, d: 10_000.0 ** (2 * i / d)), rotary(lambda i, d: 1 + 0 * i),
            rotary(lambda i, d: 1_000.0 ** (-2 * i / d)), rotary(lambda i, d: 10_000.0 ** (-2 * (i + 1) / d)),
            rotary(lambda i, d: (-2 * i / d).exp()), rotary(lambda i, d: 10_000.0 ** (-i / max(1, d / 2 - 1))),
            rotary(lambda i, d: 10_000.0 ** (-2 * i.flip(0) / d)), rotary(lambda i, d: 10_000.0 * (-2 * i / d)),
            rotary(lambda i, d: 10_000.0 ** (-2 * i // d)), rotary(lambda i, d: (i == 0).float()),
        ),
        "`places` is left out or changed: taken as 0, 1, 2, …, in another order, as whole numbers, or divided.": (
            lambda x, p: truth(x, torch.arange(len(x))), lambda x, p: truth(x, torch.arange(len(x)) + 1),
            lambda x, p: truth(x, p - p.min()), lambda x, p: truth(x, p.sort().values),
            lambda x, p: truth(x[p.argsort()], p.sort().values),
            lambda x, p: truth(x, p.flip(0)), lambda x, p: truth(x, p.floor()), lambda x, p: truth(x, p.round()),
            lambda x, p: truth(x, p / len(p)), lambda x, p: truth(x, p / p.max().clamp(min=1)),
        ),
        "every row is one place too far: place 0 is not turned.": lambda x, p: truth(x, p + 1),
        "the angles are taken as degrees, or as turns; they are in radians.":
            (lambda x, p: truth(x, p * math.pi / 180), lambda x, p: truth(x, p * 2 * math.pi)),
        "this is no turn: the old a and b become (a cos - b sin, a sin + b cos), nothing is added, and lengths stay.": (
            rotary(turn=lambda a, b, c, s: (a * s - b * c, a * c + b * s)),
            rotary(turn=lambda a, b, c, s: (a * c + b * s, a * s + b * c)),
            rotary(turn=lambda a, b, c, s: (a * c - b * s, a * c + b * s)),
            rotary(turn=lambda a, b, c, s: (a * c - b * s, b * c - a * s)),
            rotary(turn=lambda a, b, c, s: (a * c, b * s)), rotary(turn=lambda a, b, c, s: (a * c, b * c)),
            rotary(turn=lambda a, b, c, s: (a * c - b * s, (a * c - b * s) * s + b * c)),
            rotary(turn=lambda a, b, c, s: (a + c, b + s)), rotary(turn=lambda a, b, c, s: (a + s, b + c)),
            lambda x, p: x + truth(x, p), rotary(turn=lambda a, b, c, s: (a + s, b + c), take=odd, put=woven),
        ),
        "the halves are put together in the wrong order.": lambda x, p: truth(x, p).roll(x.shape[1] // 2, 1),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
