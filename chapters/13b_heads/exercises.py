"""Exercises of 13b_heads."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "13b.1",
    hint="Think of coins: how often do ten tosses all fall on one side? And how unusual are 110 heads in 210 tosses,"
    " whose standard deviation is about 7?",
    solution="""
# Ten tosses on one side have p = 2 / 2 ** 10, about 0.002.
# 110 heads in 210 tosses are 5 more than expected, less than one standard deviation of 7.
answer_1 = {"10 and 0": "yes", "110 and 100": "no"}
""",
    praise="The same ten questions more: what counts is on how many the two disagree.",
)
def answer_1(truth):
    mistakes = {
        "10 and 0 no, 110 and 100 yes": "the two are the wrong way round: where they disagree often, ten more are soon"
        " won by chance.",
        "10 and 0 no": "ten tosses of a fair coin all fall on one side once in about 500 times.",
        "110 and 100 yes": "of 210 tosses 105 are expected, give or take 7: 110 is nothing unusual.",
    }
    return tasks.Words(("yes", "no"), mistakes)


@exercise(
    "13b.2",
    hint="Twelve questions are decided, 10 and 2. Add the ways to choose 0, 1 and 2 of 12, divide by 2 ** 12, and count"
    " both sides.",
    solution="""
import math

answer_2 = 2 * sum(math.comb(12, k) for k in range(3)) / 2**12  # 2 (1 + 12 + 66) / 4096 = 0.0386
""",
    praise="About 0.039: chance would do this, or more, once in 26 times.",
)
def answer_2(truth):
    def tail(n, k):
        return sum(math.comb(n, i) for i in range(k + 1)) / 2**n

    mistakes = {
        "this is one side; a lead of the other classifier would surprise as much: count it twice.":
            (tail(12, 2), 0.019),
        "this is the probability of exactly 2 (or 10): add what is rarer still.": (
            math.comb(12, 2) / 2**12, 2 * math.comb(12, 2) / 2**12,
        ),
        "2 itself belongs to the sum: k goes from 0 to 2.": (tail(12, 1), 2 * tail(12, 1), 2**-12, 2**-11),
        "the sum begins at k = 0 (or this is cut off or rounded too far: three decimals).":
            (tail(12, 2) - 2**-12, 2 * tail(12, 2) - 2**-11, 0.04),
        "there are 12 questions on which they disagree, not 10.": (tail(10, 2), 2 * tail(10, 2)),
        "this is the probability of 9 or fewer, or what is left of 1: sum over the smaller of the two numbers.": (
            tail(12, 10), 1 - truth, 1 - tail(12, 2), 2 * tail(12, 10),
        ),
        "this is the approximation by chi-squared; with so few questions take the exact sum.": (
            math.erfc((64 / 12 / 2) ** 0.5), math.erfc((49 / 12 / 2) ** 0.5),
        ),
        "this is the statistic, not its p.": (64 / 12, 49 / 12),
    }  # fmt: skip
    return tasks.Number(0.00045, mistakes, begin="How likely are 0, 1 or 2 heads in 12 tosses?", low=0, high=1)


@exercise(
    "13b.3",
    hint="Queries from x, keys and values from h: scores (T, S), divided by the root of the number of columns of W_q."
    " The softmax is over the prompt's S tokens.",
    solution="""
import math


def cross_attention(x, h, W_q, W_k, W_v):
    q, k, v = x @ W_q, h @ W_k, h @ W_v                   # (T, d), (S, d), (S, d)
    scores = q @ k.T / math.sqrt(W_q.shape[1])            # (T, S)
    return scores.softmax(dim=1) @ v                      # (T, d)
""",
    praise="One line of difference to self-attention: keys and values come from the other text.",
)
def cross_attention(truth):
    import torch

    def of(weights, values=lambda x, h, V: h @ V):  # rules for the weights of (q, k), and for the values
        return lambda x, h, Q, K, V: weights(x @ Q, h @ K) @ values(x, h, V)

    def scaled(q, k):
        return q @ k.T / math.sqrt(q.shape[1])

    def case(T, S, D, d, seed=0):
        shapes = (T, D), (S, D), (D, d), (D, d), (D, d)
        return tuple(noise(*shape, seed=seed + i) for i, shape in enumerate(shapes))

    def masked(q, k, scale=1.0):
        future = torch.ones(len(q), len(k), dtype=torch.bool).triu(1)
        return (scale * scaled(q, k)).masked_fill(future, -math.inf).softmax(1)

    mistakes = {
        "the two texts are swapped: queries come from x, the text that is being written.": (
            lambda x, h, Q, K, V: truth(h, x, Q, K, V),
            lambda x, h, Q, K, V: ((h @ Q) @ (x @ K).T).softmax(1) @ (x @ V),
        ),
        "queries come from x, keys and values from h: this is self-attention, or the texts are joined.": (
            lambda x, h, Q, K, V: truth(x, x, Q, K, V), lambda x, h, Q, K, V: truth(h, h, Q, K, V),
            lambda x, h, Q, K, V: truth(x, torch.cat([x, h]), Q, K, V),
            lambda x, h, Q, K, V: truth(torch.cat([x, h]), torch.cat([x, h]), Q, K, V)[: len(x)],
        ),
        "the scores are divided by the root of d, the number of columns of `W_q`; here they are not, or by something"
        " else.": (
            of(lambda q, k: (q @ k.T).softmax(1)), of(lambda q, k: (q @ k.T / q.shape[1]).softmax(1)),
            lambda x, h, Q, K, V: (x @ Q @ (h @ K).T / math.sqrt(len(Q))).softmax(1) @ (h @ V),
            of(lambda q, k: (q @ k.T / math.sqrt(len(k))).softmax(1)),
            of(lambda q, k: (q @ k.T * math.sqrt(q.shape[1])).softmax(1)),
            of(lambda q, k: (q @ k.T).softmax(1) / math.sqrt(q.shape[1])),
            of(lambda q, k: (q @ k.T / math.sqrt(len(q))).softmax(1)),
            lambda x, h, Q, K, V: (x @ Q @ (h @ K).T / len(Q)).softmax(1) @ (h @ V),
        ),
        "the softmax runs over the prompt, so that each row of weights sums to 1; here it runs over the other axis, or"
        " over all.": (
            of(lambda q, k: scaled(q, k).softmax(0)),
            of(lambda q, k: scaled(q, k).flatten().softmax(0).view(len(q), -1)),
        ),
        "the softmax over the scores is missing, or something else stands for it: weights are above 0, sum to 1, and"
        " are larger for higher scores.": (
            of(scaled), of(lambda q, k: scaled(q, k).exp()), of(lambda q, k: scaled(q, k).sigmoid()),
            of(lambda q, k: scaled(q, k).log_softmax(1)), of(lambda q, k: (-scaled(q, k)).softmax(1)),
            of(lambda q, k: scaled(q, k) / scaled(q, k).sum(1, keepdim=True)),
            of(lambda q, k: (scaled(q, k) == scaled(q, k).amax(1, keepdim=True)).float()),
            of(lambda q, k: torch.full((len(q), len(k)), 1 / len(k))), of(lambda q, k: (q @ k.T).log_softmax(1)),
            of(lambda q, k: scaled(q, k).softmax(1).softmax(1)), of(lambda q, k: q @ k.T),
            lambda x, h, Q, K, V: (scaled(x @ Q, h @ K) @ (h @ V)).softmax(1),
            of(lambda q, k: scaled(q, k).relu() / scaled(q, k).relu().sum(1, keepdim=True)),
        ),
        "the prompt is read as a whole: no part of it is hidden by a causal mask, or left out.":
            (of(masked), of(lambda q, k: masked(q, k, math.sqrt(q.shape[1]))),
             lambda x, h, Q, K, V: truth(x, h[-1:], Q, K, V)),
        "`W_q` goes with x and `W_k` with h: here the two are swapped, or one takes the other's place, too.": (
            lambda x, h, Q, K, V: truth(x, h, K, Q, V), lambda x, h, Q, K, V: truth(x, h, Q, Q, V),
            lambda x, h, Q, K, V: truth(x, h, K, K, V), lambda x, h, Q, K, V: truth(x, h, V, K, V),
            lambda x, h, Q, K, V: truth(x, h, Q, V, V),
        ),
        "the values are `h @ W_v`; here a matrix is missing or is another's.": (
            lambda x, h, Q, K, V: truth(x, h, Q, K, K), lambda x, h, Q, K, V: truth(x, h, Q, K, Q),
            of(lambda q, k: scaled(q, k).softmax(1), lambda x, h, V: h), lambda x, h, Q, K, V: truth(x, h, Q, V, K),
            of(lambda q, k: scaled(q, k).softmax(1), lambda x, h, V: h.flip(0) @ V),
        ),
    }  # fmt: skip
    return tasks.Function(
        [case(3, 5, 4, 2), case(4, 2, 6, 3, 10), case(5, 5, 4, 4, 20), case(1, 3, 2, 5, 30)], mistakes
    )


@exercise(
    "13b.4",
    hint='Write a function for one sentence first: go through the tags with one more "O" at the end, remember where an'
    ' entity began, and close it when the tag is not "I". Then intersect the two sets of pairs.',
    solution="""
def my_entity_f1(true, predicted):
    def spans(tags):
        found, start = set(), None
        for i, tag in enumerate([*tags, "O"]):
            if start is not None and tag != "I":
                found.add((start, i))
                start = None
            if tag == "B" or (tag == "I" and start is None):
                start = i
        return found

    pairs = [(spans(t), spans(p)) for t, p in zip(true, predicted)]
    right = sum(len(t & p) for t, p in pairs)
    return 2 * right / sum(len(t) + len(p) for t, p in pairs)
""",
    praise="Names are counted whole, over all sentences: this is how CoNLL scores.",
)
def my_entity_f1(truth):
    def spans(row, orphan=True, first=True, split=True, end=True):
        found, start = set(), None
        for i, tag in enumerate([*row, "O"] if end else row):
            if start is not None and (tag == "O" or (tag == "B" and split)):
                found.add((start, i))
                start = None
            if start is None and (tag == "B" or (tag == "I" and (orphan if i else first))):
                start = i
        return found

    def ratio(a, b):
        return a / b if b else 0.0

    def scored(score=lambda n, due, said: ratio(2 * n, due + said), spans=spans, same=lambda a, b: len(a & b)):
        def wrong(t, p):
            pairs = [(spans(a), spans(b)) for a, b in zip(t, p, strict=True)]
            return score(*map(sum, ([same(*x) for x in pairs], [len(a) for a, _ in pairs], [len(b) for _, b in pairs])))

        return wrong

    def spelled(**how):
        return scored(spans=lambda row: spans(row, **how))

    def words(score):
        return lambda t, p: score([(a, b) for x, y in zip(t, p, strict=True) for a, b in zip(x, y, strict=True)])

    def inside(pairs):  # how many tags are no "O"
        return sum(2 - (a + b).count("O") for a, b in pairs)

    def by_tag(pairs):  # {tag: its F1}
        tags = {tag for pair in pairs for tag in pair}
        return {x: ratio(2 * sum(a == b == x for a, b in pairs), sum((*pair,).count(x) for pair in pairs))
                for x in tags}  # fmt: skip

    def sentences(t, p):
        values = [scored()([a], [b]) for a, b in zip(t, p, strict=True)]
        return sum(values) / len(values)

    def one_set(t, p):
        a, b = (set().union(*map(spans, rows)) for rows in (t, p))
        return ratio(2 * len(a & b), len(a) + len(b))

    def only_true(t, p):  # in what is predicted, such an I begins none
        pairs = [(spans(a), spans(b, orphan=False, first=False)) for a, b in zip(t, p, strict=True)]
        return ratio(2 * sum(len(a & b) for a, b in pairs), sum(len(a) + len(b) for a, b in pairs))

    def within(a, b):
        return sum(any(x[0] <= y[0] and y[1] <= x[1] for x in a) for y in b)

    def overlap(a, b):
        return sum(any(x[0] < y[1] and y[0] < x[1] for x in a) for y in b)

    texts = ["O B I O B|O O B O", "O B I O O|O B B O", "B I I O O B", "B I O O O B", "O B I B I|B O", "O B I I I|B O",
             "B I O O O B", "O O B I O B", "O B I O B O", "O I I O B O",
             "B I B I B|B O O O O O B", "O O O O B|B O O O O O O",
             "B O|B O", "B O|O O", "O B|B I O B", "O B|I I O B",
             "O O B I|B", "O O B I|O", "B O|O O", "B O|O B"]  # fmt: skip
    tags = [[row.split() for row in text.split("|")] for text in texts]
    none = "right where an entity is; where none is right, or none is said, F1 is 0, though a ratio has a 0 below."
    edges = {none: [([["B", "I", "O"]], [["O", "O", "O"]]), ([["B", "O"]], [["O", "B"]])]}
    mistakes = {
        "this counts words; count whole entities, right at both ends.": (
            words(lambda pairs: ratio(sum(a == b for a, b in pairs), len(pairs))),
            words(lambda pairs: ratio(2 * sum(a == b != "O" for a, b in pairs), inside(pairs))),
            words(lambda pairs: ratio(2 * sum("O" not in a + b for a, b in pairs), inside(pairs))),
            words(lambda pairs: sum(by_tag(pairs).values()) / len(by_tag(pairs))),
            words(lambda pairs: sum(by_tag(pairs)[a] for a, _ in pairs) / len(pairs)),
            words(lambda pairs: sum(by_tag(pairs).get(tag, 0.0) for tag in "BI") / 2),
        ),
        "the F1 is 2 n_right / (n_said + n_due): not the recall or the precision alone, and no other ratio.": (
            scored(lambda n, due, said: ratio(n, due)), scored(lambda n, due, said: ratio(n, said)),
            scored(lambda n, due, said: (ratio(n, due) + ratio(n, said)) / 2),
            scored(lambda n, due, said: (ratio(n, due) * ratio(n, said)) ** 0.5),
            scored(lambda n, due, said: ratio(n, due + said - n)), scored(lambda n, due, said: ratio(n, due + said)),
        ),
        "each sentence has its own score and these are averaged; count over all sentences, then divide.":
            (sentences, lambda t, p: sum(a == b for a, b in zip(t, p, strict=True)) / len(t)),
        "an `I` that follows an `O`, or begins a sentence, begins an entity, too.":
            (spelled(orphan=False, first=False), spelled(orphan=False), spelled(first=False), only_true),
        "keep the sentences apart: equal places in two of them are two entities, and an entity ends with its sentence,"
        " and is not lost there.": (one_set, lambda t, p: scored()([sum(t, [])], [sum(p, [])]), spelled(end=False),
                                  spelled(orphan=False, first=False, end=False),
                                  scored(spans=lambda row: spans(row[:-1]))),
        "a `B` right after an entity must end it and begin the next one.": spelled(split=False),
        none: scored(lambda n, due, said: 2 * n / (due + said) if n else math.nan),
        "an entity is right only if both its ends are: here one end or an overlap is enough, or only its `B`.": (
            scored(same=lambda a, b: len({s for s, _ in a} & {s for s, _ in b})), scored(same=overlap),
            scored(same=lambda a, b: len({e for _, e in a} & {e for _, e in b})), scored(same=within),
            scored(spans=lambda row: {i for i, tag in enumerate(row) if tag == "B"}),
        ),
    }  # fmt: skip
    return tasks.Function(list(zip(tags[::2], tags[1::2], strict=True)), mistakes, edges)
