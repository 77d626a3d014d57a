"""Exercises of 10_attention."""

from aigc_course.plumbing.grading import (
    Wrong,
    call,
    compare,
    exercise,
    name_mistake,
    noise,
    number_of,
    prediction_of,
    tensor_of,
)


@exercise(
    "10.1",
    hint="C's output is a weighted mean of the values of A, B and C. Without positions, does a weight depend on where a"
    " token stands? What does the causal mask hide from the last token? And what do rotary positions add to a score?",
    solution="""
# C sees A and B in every case; only with positions does it matter which of the two is nearer.
answer_1 = {"plain": "same", "causal": "same", "rotary": "other"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("same", "other"))
    if all(said[key] != word for key, word in truth.items()):
        raise Wrong("all three are the wrong way round: which of them knows of order at all?")
    reasons = {
        "plain": "without positions the scores depend on the tokens only, and a sum does not care about order.",
        "causal": "C is the last token, so the mask hides nothing from it: it still sees the same two others.",
        "rotary": "with rotary positions the scores depend on the distance, and A and B have changed theirs.",
    }
    if wrong := [reasons[key] for key in truth if said[key] != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "Order enters through positions; for the last token a causal mask hides nothing."


@exercise(
    "10.2",
    hint="The two products of query and key are 4 and 0. How long is a key, and what is the root of that? A weight is"
    " e to the power of its score, divided by the sum of both powers.",
    solution="""
import math

w = [math.exp(4 / math.sqrt(4)), math.exp(0 / math.sqrt(4))]
answer_2 = (w[0] * 10 + w[1] * 40) / sum(w)  # 13.576
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.02:
        return f"{truth:.3f}; an answer within 0.02 counts."
    mistakes = {
        "(exp(4) * 10 + 40) / (exp(4) + 1)": "the scores are not divided by the root of the key's length.",
        "(exp(1) * 10 + 40) / (exp(1) + 1)": "the scores are divided by d itself; take its root.",
        "(exp(2) * 40 + 10) / (exp(2) + 1)": "the two values are swapped: which key does the query resemble?",
        "(exp(4) * 40 + 10) / (exp(4) + 1)": "the two values are swapped, and the scores are not divided.",
        "25": "this is the plain mean of the values: the scores play no part.",
        "10": "this is the value of the best key, as in a hard dictionary; the other key has a weight too.",
        "20": "this is the scaled score times the value: the softmax is missing.",
        "40": "this is the score times the value (or the second value alone): the softmax is missing.",
        "(4 * 10 + 40) / 5": "the softmax has base 2; take e.",
        "(exp(2) * 10 + 40)": "the powers are not divided by their sum.",
        "exp(2) / (exp(2) + 1)": "this is the weight of the first value; asked for is the weighted mean of the values.",
        "1 / (exp(2) + 1)": "this is the weight of the second value; asked for is the weighted mean of the values.",
        "(exp(8) * 10 + 40) / (exp(8) + 1)": "the scores are multiplied by the root instead of divided.",
        "(exp(4 / sqrt(2)) * 10 + 40) / (exp(4 / sqrt(2)) + 1)": "d is 4, the length of a key, not the number of keys.",
        "(exp(-2) * 10 + 40) / (exp(-2) + 1)": "the scores have the wrong sign: a larger product gives more weight.",
    }
    name_mistake(value, mistakes, within=0.02)
    if not 10 <= value <= 40:
        raise Wrong("a weighted mean of 10 and 40 lies between them.")
    raise Wrong("the weights are not right. Write down the two scores, divide them, and take the softmax.")


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
)
def my_attention(answer, truth):
    import torch

    q, k, v = (noise(2, 5, 4, seed=seed) for seed in range(3))
    late = v.clone()
    late[:, -1] += 1.0
    first, other = (
        tensor_of(call(answer, truth, (q, k, x), "tensors of shape (2, 5, 4), after a change of the last value"))
        for x in (v, late)
    )
    cases = [
        ("tensors of shape (2, 5, 4)", q, k, v),
        ("tensors of shape (1, 3, 16), in float64", *(2 * noise(1, 3, 16, seed=s).double() for s in range(3))),
        ("tensors of shape (3, 7, 2)", *(3 * noise(3, 7, 2, seed=s) for s in range(3))),
        ("one token", *(noise(2, 1, 4, seed=s) for s in range(3))),
    ]
    size, low = "q.shape[-1]", "want.new_ones(q.shape[1], q.shape[1]).tril()"
    full, inf = "q @ k.transpose(1, 2)", "float('inf')"
    soft, masked = "({}).softmax(-1) @ v", "({}).masked_fill({} == 0, -" + inf + ").softmax({}) @ v"
    scaled = f"{full} / {size} ** 0.5"
    above = low.replace("tril()", "triu()")
    strict = low.replace("tril()", "tril(-1)")
    mistakes = {
        soft.format(full): "as printed: neither divided by the root of d nor masked.",
        soft.format(scaled): "every token sees the future: the mask is missing.",
        masked.format(full, low, -1): "the scores are not divided by the root of d.",
        masked.format(f"{full} / {size}", low, -1): "the scores are divided by d; take its root.",
        masked.format(f"{full} / q.shape[1] ** 0.5", low, -1): "the scores are divided by the root of the number of"
        " tokens; take that of the features, d.",
        masked.format(f"{full} * {size} ** 0.5", low, -1): "the scores are multiplied by the root of d; divide.",
        masked.format(scaled, above, -1): "the mask is the wrong way round: the past is hidden and the future seen.",
        masked.format(scaled, strict, -1): "a token does not see itself, and the first one sees nothing at all (its"
        " softmax is not a number): keep the diagonal.",
        masked.format(scaled, low, -2): "the softmax runs over the queries; each query's weights over the keys must"
        " sum to 1.",
        f"(({scaled}) * {low}).softmax(-1) @ v": "the masked scores are 0, and e to the power of 0 is 1: the future"
        " still gets weight. Which score gives weight 0?",
        f"(({scaled}).softmax(-1) * {low}) @ v": "the mask comes after the softmax, so that the weights of a row no"
        " longer sum to 1: put it before.",
        f"({scaled}).masked_fill({low} == 0, -{inf}).softmax(-1)": "these are the weights; multiply them by the"
        " values.",
        f"({scaled}).masked_fill({low} == 0, -{inf}).softmax(-1) @ k": "the weights are applied to the keys; the values"
        " are what is fetched.",
        f"(k @ q.transpose(1, 2) / {size} ** 0.5).masked_fill({low} == 0, -{inf}).softmax(-1) @ v": "queries and keys"
        " are swapped: row t of the scores belongs to query t.",
    }
    compare(answer, truth, cases, mistakes)
    if first.shape == other.shape and not torch.equal(first[:, :-1], other[:, :-1]):
        raise Wrong("the last value still reaches earlier outputs, a little: a large negative score is not enough.")
    return "Scaled and causal: this is `scaled_dot_product_attention(q, k, v, is_causal=True)`."


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
)
def my_rotary(answer, truth):
    import torch

    cases = [
        ("5 rows of 8 features at the places 0, 1, 2, 7, 30", noise(5, 8), [0.0, 1.0, 2.0, 7.0, 30.0]),
        ("3 rows of 4 features, all at place 3", noise(3, 4, seed=1), [3.0, 3.0, 3.0]),
        ("6 rows of 16 features from place 10 on", noise(6, 16, seed=2), torch.arange(10.0, 16.0)),
        ("2 rows of 2 features at the places 1 and 2", noise(2, 2, seed=3), [1.0, 2.0]),
        ("one row at place 0, which is not turned", noise(1, 4, seed=4), [0.0]),
    ]
    i, torch_of_truth = "want.new_ones(x.shape[1] // 2).cumsum(0).sub(1)", "truth.__globals__['torch']"

    def turned(
        speed=f"10000.0 ** (-2 * {i} / x.shape[1])", first="a C - b S", second="a S + b C", odd=False, woven=False
    ):
        """An expression for the rotary positions with a mistake; a and b are the two features of each plane."""
        words = {"a": "x.chunk(2, 1)[0]", "b": "x.chunk(2, 1)[1]", "C": "* A.cos()", "S": "* A.sin()"}
        if odd:
            words |= {"a": "x[:, ::2]", "b": "x[:, 1::2]"}
        pair = ", ".join(" ".join(words.get(word, word) for word in half.split()) for half in (first, second))
        join = "stack([{}], 2).flatten(1)" if woven else "cat([{}], 1)"
        return f"(lambda A: {torch_of_truth}.{join.format(pair)})(places[:, None] * ({speed}))"

    mistakes = {
        "x * 1.0": "nothing is turned.",
        "truth(x, -places)": "turned the other way: look at the signs.",
        turned(odd=True, woven=True): "neighbouring features are paired; asked for is feature i with feature i + d/2.",
        turned(
            speed=f"10000.0 ** (-{i} / x.shape[1])"
        ): "the exponent of the speeds is half of what it should be: -2 i / d.",
        turned(
            speed=f"10000.0 ** (-2 * {i} / (x.shape[1] // 2))"
        ): "the exponent of the speeds is twice what it should be: d is the number of features, not of planes.",
        turned(speed=f"10000.0 ** (2 * {i} / x.shape[1])"): "the speeds rise with i; they must fall: a minus is missing"
        " in the exponent.",
        turned(speed=f"1.0 + 0 * {i}"): "every plane is turned at the same speed.",
        turned(speed=f"1000.0 ** (-2 * {i} / x.shape[1])"): "the base is 1000; asked for is 10000.",
        "truth(x, 0 * places + want.new_ones(len(x)).cumsum(0) - 1)": "`places` is left out: the rows are taken to"
        " stand at 0, 1, 2, …",
        "truth(x, places + 1)": "every row is one place too far: place 0 is not turned.",
        "truth(x, places * 3.141592653589793 / 180)": "the angles are taken as degrees; they are in radians.",
        turned(first="a S - b C", second="a C + b S"): "sine and cosine are swapped.",
        turned(first="a C + b S"): "no turn: one of the sines needs a minus, so that lengths stay as they are.",
        turned(second="b C - a S"): "no turn: only one of the sines has a minus.",
        turned(first="a C", second="b S"): "each half is scaled, not turned: both halves of the result"
        " need both halves of x.",
        turned(woven=True): "the result is woven, first and second half in turn; put the halves behind each other.",
    }
    compare(answer, truth, cases, mistakes)
    return "Lengths stay, and the product of two rows depends on the distance of their places."


@exercise(
    "10.5",
    hint="For each t, go back from t - 1 until you meet the same token: that place is s. Collect weights[t, s + 1] in a"
    " list, and mind the case in which the list stays empty.",
    solution="""
import torch


def induction_score(weights, tokens):
    found = []
    for t in range(len(tokens)):
        before = [s for s in range(t) if tokens[s] == tokens[t]]
        if before:
            found.append(weights[t, before[-1] + 1])
    return torch.stack(found).mean() if found else weights.new_zeros(())
""",
)
def induction_score(answer, truth):
    import torch

    def grid(T, seed):
        return noise(T, T, seed=seed).softmax(dim=1)

    cases = [
        ("8 tokens, 0 1 2 3 1 2 0 1", grid(8, 0), torch.tensor([0, 1, 2, 3, 1, 2, 0, 1])),
        ("12 tokens out of four, each several times", grid(12, 1), torch.tensor([3, 1, 0, 2, 1, 1, 3, 0, 2, 2, 1, 3])),
        ("7 tokens, 5 6 7 5 6 7 5", grid(7, 2), torch.tensor([5, 6, 7, 5, 6, 7, 5])),
        ("4 tokens, none of them twice", grid(4, 3), torch.tensor([4, 2, 9, 0])),
        ("two equal tokens", torch.tensor([[1.0, 0.0], [0.25, 0.75]]), torch.tensor([8, 8])),
    ]

    def score(place, pick="max", over="len(P)", matrix="weights"):
        """An expression for the score with a mistake; P holds the pairs of places (t, s)."""
        earlier = "[s for s in range(t) if tokens[s] == tokens[t]]"
        pairs = f"[(t, {pick}({earlier})) for t in range(len(tokens)) if {earlier}]"
        mean = f"sum(float({matrix}[t, {place}]) for t, s in P) / max(1, {over})"
        return f"(lambda P: weights.new_tensor({mean}))({pairs})"

    mistakes = {
        score("s"): "this is the weight on the previous occurrence itself; asked for is the place after it.",
        score("s + 1", pick="min"): "the first occurrence is taken; asked for is the most recent one.",
        score("s", pick="min"): "this is the weight on the first occurrence itself; asked for is the place after the"
        " most recent one.",
        score(
            "s + 1", over="len(tokens)"
        ): "the mean runs over all places; only those with a previous occurrence count.",
        score("s + 1", over="1"): "the weights are added up; their mean is asked for.",
        score("s - 1"): "this is the place before the previous occurrence; asked for is the one after it.",
        score("s + 1", matrix="weights.T"): "rows and columns are swapped: the row is the place that looks.",
        score("t - 1"): "this is the weight on the place before t: it finds a previous-token head.",
        score("t"): "this is the weight of a place on itself.",
        "weights.diagonal(-1).mean()": "this is the mean weight on the place before: it finds a previous-token head.",
        "weights.mean()": "this is the mean of the whole map; which of its entries are asked for?",
    }
    compare(answer, truth, cases, mistakes)
    return "The measure of section 11, for any text: near 1 for an induction head, near 1/T by chance."
