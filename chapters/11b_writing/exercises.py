"""Exercises of 11b_writing."""

from aigc_course.plumbing.grading import Wrong, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "11b.1",
    hint="Order them by size. top-k counts; top-p adds up until it has enough, the one that passes the mark included;"
    " min-p compares each with the largest.",
    solution="""
# 0.40 + 0.25 = 0.65 is less than 0.7, so top-p takes a third; min-p keeps what has 0.12 or more.
answer_1 = {"top_k": "2", "top_p": "3", "min_p": "4"}
""",
)
def answer_1(answer, truth):
    if isinstance(answer, dict):  # numbers are as good as their digits
        answer = {k: str(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in answer.items()}
    said = prediction_of(answer, truth, ("1", "2", "3", "4", "5"))
    reasons = {
        "top_k": "top_k = 2 keeps two characters, whatever their probabilities.",
        "top_p 2": "the two likeliest have 0.65 together: that is not yet 0.7.",
        "top_p 4": "three have 0.80 together, which is at least 0.7: a fourth is not needed.",
        "top_p 1": "top_p = 0.7 is no bound for one character: the likeliest are added up until they have 0.7.",
        "top_p 5": "top_p = 0.7 stops as soon as the likeliest have 0.7 together.",
        "min_p 1": "min_p = 0.3 is a share of the largest, 0.3 × 0.40 = 0.12, not a probability.",
        "min_p 2": "min_p = 0.3 asks for 0.3 × 0.40 = 0.12 or more: count again.",
        "min_p 3": "min_p = 0.3 asks for 0.3 × 0.40 = 0.12 or more: 0.13 is enough.",
        "min_p 5": "min_p = 0.3 asks for 0.3 × 0.40 = 0.12 or more: 0.07 is too little.",
    }
    wrong = [key for key, word in said.items() if word != truth[key]]
    if wrong:
        raise Wrong(" And ".join(reasons.get(f"{key} {said[key]}", reasons.get(key)) for key in wrong))
    return "Where the model is sure, top-p and min-p keep few, and where it hesitates many; top-k always keeps k."


@exercise(
    "11b.2",
    hint="Two tensors a layer; in each, all heads' features of each token; two bytes a number.",
    solution="""
# keys and values, layers, heads, features, tokens, bytes
answer_2 = 2 * 32 * 32 * 128 * 4096 * 2 / 1e9  # 2.147 GB
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.025 * truth:  # 2.1 and 2.2 are well rounded
        return "With 8 heads of keys and values in place of 32 it is a quarter: that is what grouped queries are for."
    mistakes = {
        2.0: "this is in GiB, 2³⁰ bytes; a GB has 10⁹.",
        1.0737: "this is half: keys and values are two tensors.",
        4.2950: "this is for numbers of four bytes; 16 bits are two.",
        0.067109: "this is for one layer, or one head: there are 32 of each.",
        0.53687: "this is a quarter: all 32 heads have keys and values here.",
        2147.48: "this is in MB.",
        2147483648: "this is in bytes; a GB has 10⁹.",
        0.000524288: "this is for one token; there are 4,096.",
        0.524288: "this is for one token in MB; 4,096 tokens are asked for, in GB.",
        0.0020972: "one factor of 1,024 is missing: is it the layers times the heads?",
        17.1799: "this is in gigabits; a byte has 8 bits.",
        68.7195: "the heads, or the layers, are counted twice: 32 × 32, once each.",
    }
    name_mistake(value, mistakes, within=lambda wrong: 0.02 * wrong)
    raise Wrong(f"the cache is {'smaller' if value > truth else 'larger'} than {value:.4g} GB. Begin with one layer.")


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
)
def attend_to_cache(answer, truth):
    def case(B, heads, T, S, d, seed=0):
        q, k, v = (noise(B, heads, n, d, seed=seed + i) for i, n in enumerate((T, S, S)))
        return q, k, v

    cases = [
        ("3 new tokens after 4 that are cached", *case(2, 2, 3, 7, 4)),
        ("one new token after 5", *case(1, 2, 1, 6, 3, seed=3)),
        ("4 tokens and an empty cache", *case(1, 1, 4, 4, 2, seed=6)),
        ("2 new tokens after 1, in float64", *(t.double() for t in case(1, 3, 2, 3, 4, seed=9))),
    ]
    make = "(lambda torch, T, S, d: {})(__import__('torch'), q.shape[-2], k.shape[-2], q.shape[-1])"

    def of(scale="d ** 0.5", hidden="torch.ones(T, S).triu(S - T + 1).bool()", axis=-1, fill="-float('inf')"):
        scores = f"(q @ k.mT / {scale}).masked_fill({hidden}, {fill})"
        return make.format(f"{scores}.softmax({axis}).nan_to_num() @ v")

    mistakes = {
        of(hidden="torch.zeros(T, S).bool()"): "nothing is hidden: of several new tokens the first sees the others.",
        of(hidden="torch.ones(T, S).triu(1).bool()"): "the triangle begins at the first key (as `is_causal=True` does):"
        " a single new token would see one key only. It must end at the last.",
        of(hidden="torch.ones(T, S).triu(S - T).bool()"): "a token must see itself; the diagonal is hidden too.",
        of(hidden="torch.ones(T, S).triu(S - T + 2).bool()"): "each token sees one of the future: the triangle is off"
        " by one.",
        of(hidden="torch.ones(T, S).tril(S - T).bool()"): "the mask is inverted: the past is hidden, the future seen.",
        of(hidden="torch.ones(T, S).tril(S - T - 1).bool()"): "the mask is inverted: each token sees only itself and"
        " what comes after it.",
        of(scale="1"): "the scores are not divided by the root of d.",
        of(scale="d"): "the scores are divided by d; it is the root of d.",
        of(scale="S ** 0.5"): "the root of the number of keys stands below; it is that of d, the features of a key.",
        of(scale="(d * q.shape[1]) ** 0.5"): "the root of all heads' features stands below; it is that of one head's.",
        of(fill="0.0"): "hidden scores become 0, which the softmax counts as e⁰ = 1; they must be minus infinity.",
        of(axis=-2): "the softmax runs over the queries; each query's weights over the keys must sum to 1.",
        make.format("((q @ k.mT / d ** 0.5).softmax(-1) * torch.ones(T, S).tril(S - T)) @ v"): "the future is hidden"
        " after the softmax: the weights that are left do not sum to 1. Mask the scores.",
        make.format("(q @ k.mT / d ** 0.5).masked_fill(torch.ones(T, S).triu(S - T + 1).bool(), 0) @ v"): "the softmax"
        " is missing.",
        "want.transpose(1, 2).flatten(2)": "the heads are put side by side already; keep (B, heads, T, d).",
    }
    compare(answer, truth, cases, mistakes)
    return "With T = S it trains, with T = 1 it writes: one function for both."
