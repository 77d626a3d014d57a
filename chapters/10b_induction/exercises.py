"""Exercises of 10b_induction."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "10b.1",
    hint="One layer takes a weighted mean of what stands before, with weights by place and by content. Which of the"
    " three asks for a symbol by what its *neighbour* is?",
    solution="""
# By place: one. A mean of all that was read holds the counts: one.
# By what stood before it: two, of which the first writes the note.
answer_1 = {"three_back": "one", "most_frequent": "one", "what_followed": "two"}
""",
    praise="By place or by content one look-up is enough; by a neighbour's content the note must be written first.",
)
def answer_1(truth):
    mistakes = {
        "three_back two, most_frequent two, what_followed one": "all three are the wrong way round: which of them needs"
        " a note about a neighbour?",
        "three_back two": "rotary positions make a score depend on the distance: one head can look three places back.",
        "most_frequent two": "equal weights on all that was read give the shares of the symbols: one layer counts.",
        "what_followed one": "the place to find is marked by its neighbour, the place before it, and a key knows its"
        " own symbol only: a first layer must write the note.",
    }
    return tasks.Words(("one", "two"), mistakes)


@exercise(
    "10b.2",
    hint="At how many places can the piece begin? Each of them is one distance. All symbols are different, so at any"
    " other distance the rule is never right.",
    solution="""
# the piece begins at place 0, 1, ... or 40 - 10
answer_2 = 1 / (40 - 10 + 1)  # 0.032
""",
    praise="0.032: with 32 symbols and a piece of 16 it is 1/17, where one layer ends.",
)
def answer_2(truth):
    mistakes = {
        "off by one: from place 0 to place 30, both included, it can begin at 31 places.": (1 / 30, 1 / 29, 1 / 32),
        "a piece of 10 cannot begin at each of the 40 places, nor of the 50 places that are read: it must fit in.":
            (1 / 40, 1 / 39, 1 / 41, 1 / 50, 1 / 49),
        "this is near, but rounded too coarsely: three decimals are asked for.": 0.03,
        "this is a share of the places in the piece, or the piece's share of the places; at how many can it begin?":
            (1 / 10, 1 / 9, 10 / 40, 10 / 50, 10 / 41, 9 / 40),
        "this is the number of distances, or in per cent; asked for is a share.": (31.0, 30.0, 100 / 31, 3.2, 3.23),
        "this is the share that is wrong.": (30 / 31, 0.97),
        "this is how many of the 10 symbols are right, or leaves out the first of them; asked for is the share of all"
        " 10.": (10 / 31, 0.32, 9 / 31, 9 / 310),
        "this is the share in section 1, with 32 symbols and a piece of 16; here there are 40, and 10.":
            (1 / 17, 0.06, 1 / 16, 0.04),
    }  # fmt: skip
    return tasks.Number(0.0005, mistakes, begin="Count the places at which the piece can begin.", low=0, high=1)


@exercise(
    "10b.3",
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
    praise="The measure of section 4, for any text: near 1 for an induction head, near 1/T by chance.",
)
def induction_score(truth):
    import torch

    def score(place=lambda t, s: s + 1, pick=max, over=lambda n, ids: n, turned=False, row=lambda t: t, apart=0):
        def wrong(w, tokens):
            w, ids = (w.T if turned else w), tokens.tolist()
            pairs = [(t, pick(s for s in range(t) if ids[s] == ids[t])) for t in range(len(ids)) if ids[t] in ids[:t]]
            pairs = [(t, s) for t, s in pairs if t - s > apart]
            return sum(float(w[row(t), place(t, s)]) for t, s in pairs) / max(1, over(len(pairs), ids))

        return wrong

    def found(w, tokens):  # how often the largest weight is there
        return score()((w == w.amax(dim=1, keepdim=True)).float(), tokens)

    def all_pairs(w, tokens):
        ids = tokens.tolist()
        found = [float(w[t, s + 1]) for t in range(len(ids)) for s in range(t) if ids[s] == ids[t]]
        return sum(found) / max(1, len(found))

    def by_place(of):  # the weights after all of a place's occurrences, as one number
        def wrong(w, tokens):
            ids = tokens.tolist()
            all_of = [[float(w[t, s + 1]) for s in range(t) if ids[s] == ids[t]] for t in range(len(ids))]
            return sum(of(found) for found in all_of if found) / max(1, sum(map(bool, all_of)))

        return wrong

    def once(w, tokens, first=False):  # one place a token
        last, found = {}, {}
        for t, token in enumerate(tokens.tolist()):
            if token in last and not (first and token in found):
                found[token] = float(w[t, last[token] + 1])
            last[token] = t
        return sum(found.values()) / max(1, len(found))

    def falsy(w, tokens):  # place 0 is taken for none
        ids, found = tokens.tolist(), []
        for t in range(len(ids)):
            s = max([s for s in range(t) if ids[s] == ids[t]], default=0)
            found += [float(w[t, s + 1])] if s else []
        return sum(found) / max(1, len(found))

    def case(seed, *tokens):
        return noise(len(tokens), len(tokens), seed=seed).softmax(dim=1), torch.tensor(tokens)

    cases = [case(0, 0, 1, 2, 3, 1, 2, 0, 1), case(1, 3, 1, 0, 2, 1, 1, 3, 0, 2, 2, 1, 3), case(2, 5, 6, 7, 5, 6, 7, 5),
             case(4, 300, 12, 300, 300, 12),
             case(6, 21, 11, 31, 21, 1, 41, 11), ([[1.0, 0.0], [0.25, 0.75]], torch.tensor([8, 8])),
             ([[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [1.0, 0.0, 0.0]], torch.tensor([7, 7, 7])),
             case(7, -1, 5, 1, 5, -1, 1), case(8, 300, 44, 300, 2, 44)]  # fmt: skip
    none = "right where a token occurs twice, but not where none does: the score is 0 there."
    mistakes = {
        "this is the weight on the previous occurrence itself, or on a place before it or farther on, or at its"
        " distance, or of another row; asked for is the one after, in row t.": (
            score(lambda t, s: t - s), score(lambda t, s: t - s - 1),
            score(lambda t, s: s), score(lambda t, s: s - 1), score(lambda t, s: s, pick=min),
            score(lambda t, s: min(s + 2, t)), score(row=lambda t: t - 1),
        ),
        "the first occurrence is taken, or all are; asked for is the most recent one.": (
            score(pick=min), all_pairs, by_place(lambda w: sum(w) / len(w)), by_place(sum), by_place(max),
        ),
        "the weights are added up, or divided by another number than that of the places with a previous occurrence.": (
            score(over=lambda n, ids: 1), score(over=lambda n, ids: len(ids)), score(over=lambda n, ids: len(ids) - 1),
            score(over=lambda n, ids: len(set(ids))), score(over=lambda n, ids: n + 1),
        ),
        "rows and columns are swapped: the row is the place that looks.":
            (score(turned=True), score(lambda t, s: s, turned=True)),
        "this is the weight on the place before, as of a previous-token head, or of a place on itself, or the mean or"
        " the largest of the map, or how often the largest weight is there; which of its entries are asked for?": (
            found, lambda w, tokens: w.max(),
            score(lambda t, s: t - 1), lambda w, tokens: w.diagonal(-1).mean(),
            score(lambda t, s: t), lambda w, tokens: w.mean(), lambda w, tokens: w.diagonal().mean(),
        ),
        "a place right after its previous occurrence counts, too: s + 1 is then t itself.": (
            score(apart=1), score(lambda t, s: min(s + 1, t - 1)),
            lambda w, tokens: truth(w.tril(-1), tokens),
        ),
        "each place whose token has come before counts: a third time too, and where s is 0.": (
            once, lambda w, tokens: once(w, tokens, first=True), falsy,
        ),
        none: lambda w, tokens: truth(w, tokens) if len(tokens.unique()) < len(tokens) else math.nan,
    }  # fmt: skip
    return tasks.Function(cases, mistakes, edges={none: [case(3, 4, 2, 9, 0)]})
