"""Exercises of 11b_writing."""

import math
import re

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import Wrong, exercise, noise

tasks = rooms.shared("tasks")
GIB = "this is in GiB, 2³⁰ bytes; a GB has 10⁹."


class Gigabytes(tasks.Number):
    """A number of GB: with another unit behind it another one is meant."""

    def grade(self, answer, truth):
        if isinstance(answer, str) and re.search(r"\dgib", answer.lower().replace(" ", "")):
            raise Wrong(GIB)
        if isinstance(answer, str) and (unit := re.search(r"\d([kmt]i?b)", answer.lower().replace(" ", ""))):
            raise Wrong(f"asked for are GB, not {unit[1].upper()}.")
        super().grade(answer, truth)


@exercise(
    "11b.1",
    hint="Order them by size. top-k counts; top-p adds up until it has enough, the one that passes the mark included;"
    " min-p compares each with the largest.",
    solution="""
# 0.40 + 0.25 = 0.65 is less than 0.7, so top-p takes a third; min-p keeps what has 0.12 or more.
answer_1 = {"top_k": "2", "top_p": "3", "min_p": "4"}
""",
    praise="Where the model is sure, top-p and min-p keep few, and where it hesitates many; top-k always keeps k.",
)
def answer_1(truth):
    mistakes = {"top_k 3, top_p 2, min_p 1": "these three count what is cut away; asked for is how many are left."}
    mistakes |= dict.fromkeys(
        [f"top_k {n}" for n in "1345"], "top_k = 2 keeps two characters, whatever their probabilities."
    ) | {
        "top_p 1": "top_p = 0.7 is no bound for one character: the likeliest are added up until they have 0.7.",
        "top_p 2": "the two likeliest have 0.65 together: that is not yet 0.7.",
        "top_p 4": "three have 0.80 together, which is at least 0.7: no further one is needed.",
        "top_p 5": "three have 0.80 together, which is at least 0.7: no further one is needed.",
        "min_p 1": "min_p = 0.3 is a share of the largest, 0.3 × 0.40 = 0.12, not a probability.",
        "min_p 2": "min_p = 0.3 asks for 0.3 × 0.40 = 0.12 or more: 0.15 and 0.13 are enough.",
        "min_p 3": "min_p = 0.3 asks for 0.3 × 0.40 = 0.12 or more: 0.15 and 0.13 are enough.",
        "min_p 5": "min_p = 0.3 asks for 0.3 × 0.40 = 0.12 or more: 0.07 is too little.",
    }
    return tasks.Words(("1", "2", "3", "4", "5"), mistakes)


@exercise(
    "11b.2",
    hint="Two tensors a layer; in each, all heads' features of each token; two bytes a number.",
    solution="""
# keys and values, layers, heads, features, tokens, bytes
answer_2 = 2 * 32 * 32 * 128 * 4096 * 2 / 1e9  # 2.147 GB
""",
    praise="With 8 heads of keys and values in place of 32 it is a quarter: that is what grouped queries are for.",
)
def answer_2(truth):
    mistakes = {
        GIB: 2.0,
        "this is half of it: keys and values are two tensors, and 16 bits are two bytes.": truth / 2,
        "16 bits are two bytes: not four, and not counted one by one.": (2 * truth, 8 * truth),
        "far too little: 32 layers, 32 heads of 128 features and 4,096 tokens count, not one of them.":
            (truth / 32, truth / 32**2, truth / 4096, truth / 128),
        "this is for one token in MB; 4,096 tokens are asked for, in GB.": (1000 * truth / 4096, 0.5),
        "this is a quarter: all 32 heads have keys and values here, and each number has two bytes.": truth / 4,
        "this is in MB or in bytes; a GB has 10⁹ bytes.": (1e3 * truth, 2048.0, 1e9 * truth),
        "the heads or the layers are counted twice: 32 × 32, once each.": 32 * truth,
    }  # fmt: skip
    begin = "Begin with one layer, in bytes."
    return Gigabytes(0.006, mistakes, begin, low=0)


@exercise(
    "11b.3",
    hint="The T new tokens are the last of S. New token i stands at place S - T + i: which keys may it see? With T = S"
    " this must be the usual triangle, with T = 1 nothing is hidden.",
    solution="""
import math

import torch


def attend_to_cache(q, k, v):
    T, S, d = q.shape[-2], k.shape[-2], q.shape[-1]
    future = torch.ones(T, S, dtype=torch.bool, device=q.device).triu(S - T + 1)
    scores = (q @ k.mT / math.sqrt(d)).masked_fill(future, -math.inf)  # (B, heads, T, S)
    return scores.softmax(dim=-1) @ v  # (B, heads, T, d)
""",
    praise="With T = S it trains, with T = 1 it writes: one function for both.",
)
def attend_to_cache(truth):
    import torch

    def attend(hidden=lambda T, S: torch.ones(T, S).triu(S - T + 1), scale=lambda q, k: q.shape[-1] ** 0.5,
               fill=-math.inf, axis=-1, after=False):  # fmt: skip
        def wrong(q, k, v):
            scores, mask = q @ k.mT / scale(q, k), hidden(q.shape[-2], k.shape[-2])
            weights = scores.softmax(axis) * (1 - mask) if after else scores.masked_fill(mask > 0, fill).softmax(axis)
            return weights @ v

        return wrong

    def both(hidden):  # with minus infinity, where a row can be hidden as a whole, and with a large number
        return attend(hidden), attend(hidden, fill=-1e9)

    def first_keys(T, S):
        return torch.ones(T, S).triu(1)

    def added(lower):  # the mask is added as it is: what is seen, or what is hidden, gets another score
        def wrong(q, k, v):
            past = torch.ones(q.shape[-2], k.shape[-2]).tril(k.shape[-2] - q.shape[-2])
            return (q @ k.mT / q.shape[-1] ** 0.5 + lower(past)).softmax(-1) @ v

        return wrong

    def case(B, heads, T, S, d, seed=0):
        return tuple(noise(B, heads, n, d, seed=seed + i) for i, n in enumerate((T, S, S)))

    cases = [case(2, 2, 3, 7, 4), case(1, 2, 1, 6, 3, 3), case(1, 1, 4, 4, 2, 6), case(1, 3, 2, 3, 4, 9),
             case(1, 1, 2, 3, 1, 12), ([[[[4.0], [4.0]]]], [[[[-4.0], [4.0]]]], [[[[1.0], [2.0]]]])]  # fmt: skip
    mistakes = {
        "nothing is hidden: of several new tokens the first sees the others.": (
            attend(lambda T, S: torch.zeros(T, S)), attend(lambda T, S: torch.zeros(T, S), scale=lambda q, k: 1),
        ),
        "the triangle begins at the first key, as `is_causal=True` lays it: the first new token would see one key only."
        " It must end at the last key.": (
            attend(first_keys), attend(first_keys, scale=lambda q, k: 1),
            attend(lambda T, S: first_keys(T, S) * (T > 1)),
        ),
        "the triangle is off by one: a token sees itself, and nothing after it.": (
            *both(lambda T, S: torch.ones(T, S).triu(S - T)), attend(lambda T, S: torch.ones(T, S).triu(S - T + 2)),
            lambda q, k, v: attend(lambda T, S: torch.ones(T, S).triu(S - T))(q, k, v).nan_to_num(),
        ),
        "the past is hidden: the mask is inverted, its offset has the wrong sign, or the older keys are left out.": (
            *both(lambda T, S: torch.ones(T, S).tril(S - T)), *both(lambda T, S: torch.ones(T, S).tril(S - T - 1)),
            lambda q, k, v: attend(lambda T, S: torch.ones(T, S).tril(S - T))(q, k, v).nan_to_num(),
            *both(lambda T, S: torch.ones(T, S).triu(T - S + 1)),
            lambda q, k, v: truth(q, k[:, :, -q.shape[2] :], v[:, :, -q.shape[2] :]),
        ),
        "the scores are divided by the root of d, the features of one head's key; here they are not, or by something"
        " else.": (
            attend(scale=lambda q, k: 1), attend(scale=lambda q, k: q.shape[-1]),
            attend(scale=lambda q, k: k.shape[-2] ** 0.5), attend(scale=lambda q, k: (q.shape[-1] * q.shape[1]) ** 0.5),
            attend(scale=lambda q, k: q.shape[-2] ** 0.5), attend(scale=lambda q, k: q.shape[1] ** 0.5),
            attend(scale=lambda q, k: q.shape[-1] ** -0.5),
            lambda q, k, v: attend(scale=lambda q, k: 1)(q, k, v) / q.shape[-1] ** 0.5,
        ),
        "hidden scores become 0 or a little smaller, or weights become 0 after the softmax; put minus infinity in the"
        " scores, so that the weights sum to 1.": (
            attend(fill=0.0), attend(after=True), attend(fill=-1.0), attend(fill=-10.0), added(lambda past: past),
            added(lambda past: past - 1),
        ),
        "the softmax runs over queries or heads, or is missing; each query's weights over the keys must sum to 1.": (
            attend(axis=-2), attend(axis=1, fill=-1e9), lambda q, k, v: attend(axis=-2)(q, k, v).nan_to_num(),
            lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).tril(k.shape[-2] - q.shape[-2]) @ v,
        ),
        "the heads are put side by side already, or only the newest token is kept; return (B, heads, T, d).": (
            lambda q, k, v: truth(q, k, v).transpose(1, 2).flatten(2), lambda q, k, v: truth(q, k, v)[:, :, -1:],
            lambda q, k, v: truth(q, k, v)[:, :, -1], lambda q, k, v: truth(q, k, v).transpose(1, 2),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
