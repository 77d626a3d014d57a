"""Exercises of 20_ad_copy."""

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise

tasks = rooms.shared("tasks")


@exercise(
    "20.1",
    hint="Count every missing, wrong or added slot as one error, and divide by all the slots of all three MRs.",
    solution="answer_1 = (1 + 2 + 0) / (4 + 8 + 8)  # one left out; one wrong and one added; none",
    praise="Three errors on twenty slots: 15 %, although two texts of three are wrong. Say which of the two you mean.",
)
def answer_1(truth):
    mistakes = {
        "2 of 3 is the share of texts with an error; the errors are counted a slot.": 2 / 3,
        "there are three errors: one missing, one wrong and one added.": 2 / 20,
        "it is one rate over all slots: the errors over the 20 slots of the MRs.": (1 / 4 + 2 / 8 + 0) / 3,
        "divide by the slots of the MRs; the slot that was added is in none of them.": 3 / 21,
        "the third text's slots count as well, although it is right.": 3 / 12,
        "three is the number of errors; divide it by the number of slots.": 3,
        "this is the share that is right; the errors are asked for.": 17 / 20,
        "a rate between 0 and 1 is asked for, not a percentage.": 15,
    }
    return tasks.Number(0.0005, mistakes, begin="Count the errors, then the slots.", low=0, high=1)


@exercise(
    "20.2",
    hint="`zip(*(words[k:] for k in range(n)))` gives the runs of one text. Collect those of all texts in one list; a"
    " set of it has each once.",
    solution="""
def distinct(texts, n):
    runs = [run for words in texts for run in zip(*(words[k:] for k in range(n)))]
    return len(set(runs)) / len(runs) if runs else 0.0
""",
    praise="It depends on how many texts there are: more texts repeat more. Compare it only at equal numbers of words.",
)
def distinct(truth):
    def runs(words, n):
        return list(zip(*(words[k:] for k in range(n)), strict=False))

    def joined(texts, n):
        found = runs([word for words in texts for word in words], n)
        return len(set(found)) / len(found) if found else 0.0

    def mean(texts, n):
        shares = [len(set(runs(words, n))) / len(runs(words, n)) for words in texts if runs(words, n)]
        return sum(shares) / len(shares) if shares else 0.0

    def per_word(texts, n):
        total = sum(map(len, texts))
        return len({run for words in texts for run in runs(words, n)}) / total if total else 0.0

    def count(texts, n):
        return float(len({run for words in texts for run in runs(words, n)}))

    def apart(texts, n):  # blocks instead of every place
        found = [tuple(words[i : i + n]) for words in texts for i in range(0, len(words) - n + 1, n)]
        return len(set(found)) / len(found) if found else 0.0

    def up_to(texts, n):
        found = [run for k in range(1, n + 1) for words in texts for run in runs(words, k)]
        return len(set(found)) / len(found) if found else 0.0

    def within(texts, n):
        found = [run for words in texts for run in runs(words, n)]
        return sum(len(set(runs(words, n))) for words in texts) / len(found) if found else 0.0

    def unordered(texts, n):
        found = [run for words in texts for run in runs(words, n)]
        return len({tuple(sorted(run)) for run in found}) / len(found) if found else 0.0

    a, b = "the mill is a pub by the river".split(), "the mill is a pub near the mill".split()
    cases = [
        ([a, b], 1), ([a, b], 2), ([b, b, a], 3), ([["x", "y"], ["y", "x"], ["x", "y", "x", "y"]], 2), ([a], 9),
        ([["x"], []], 2), ([["ab", "c"], ["a", "bc"]], 2),
        ([a, []], 2), ([["x"], ["y"]], 2), ([["x", "x", "x", "x", "x"]], 2),
    ]  # fmt: skip
    mistakes = {
        "runs do not cross from one text into the next: take them text by text.": joined,
        "it is one share over all texts, not the mean of each text's own.": mean,
        "divide by the number of runs of n words, which is smaller than the number of words.": per_word,
        "this is how many different runs there are; divide by how many there are in all.": count,
        "a run begins at every word, not only at every n-th.": apart,
        "only runs of exactly n words count, not the shorter ones too.": up_to,
        "a run that stands in two texts counts once among the different ones: collect them over all texts.": within,
        "the order of a run's words counts: “x y” is not “y x”.": unordered,
    }
    return tasks.Function(cases, mistakes)


@exercise(
    "20.3",
    hint="Take the candidates with the fewest errors, and the square part of U that belongs to them. Set its diagonal"
    " to 0 before you sum a row.",
    solution="""
import torch


def best(U, errors):
    keep = (errors == errors.min()).nonzero().flatten()
    part = U[keep][:, keep].clone()
    part.fill_diagonal_(0)
    return int(keep[part.sum(dim=1).argmax()])
""",
    praise="Here the check decides who may be chosen and who votes. On the page wrong texts vote, too: with few right"
    " ones their votes are less noise than none.",
)
def best(truth):
    def chosen(keep=lambda e: e == e.min(), voters=lambda e: e == e.min(), turn=False, own=False, worst=False,
               place=False):  # fmt: skip
        def wrong(U, errors):
            U = (U.T if turn else U).clone()
            if not own:
                U.fill_diagonal_(0)
            rows, columns = keep(errors).nonzero().flatten(), voters(errors).nonzero().flatten()
            votes = U[rows][:, columns].sum(dim=1)
            i = int(votes.argmin() if worst else votes.argmax())
            return i if place else int(rows[i])

        return wrong

    def every(errors):
        return errors == errors

    def right(errors):
        return errors == 0 if (errors == 0).any() else errors == errors

    def most(errors):
        return errors == errors.max()

    def unchosen(U, errors):
        U = U.clone().fill_diagonal_(0)
        return int((errors - U.sum(dim=1) / 1_000).argmin())

    u = [[1.0, 0.2, 0.6, 0.1, 0.3], [0.4, 1.0, 0.5, 0.9, 0.2], [0.7, 0.1, 1.0, 0.3, 0.8], [0.2, 0.8, 0.1, 0.3, 0.6],
         [0.5, 0.6, 0.2, 0.9, 0.4]]  # fmt: skip
    cases = [
        (u, [0.0, 0.0, 0.0, 0.0, 0.0]), (u, [1.0, 0.0, 2.0, 0.0, 0.0]), (u, [2.0, 1.0, 1.0, 3.0, 1.0]),
        (u, [0.0, 3.0, 0.0, 1.0, 0.0]), (u, [2.0, 2.0, 2.0, 1.0, 2.0]), ([[0.7]], [0.0]), ([[0.7]], [4.0]),
        ([[0.0, 0.5], [0.5, 0.0]], [0.0, 0.0]), ([[0.9, 0.1, 0.2], [0.3, 0.0, 0.1], [0.1, 0.5, 0.0]], [0.0, 0.0, 0.0]),
        ([[9.0, 0.1, 5.0], [0.2, 0.0, 5.0], [5.0, 5.0, 5.0]], [0.0, 0.0, 1.0]),
        ([[0.0, 0.5, 0.0], [0.4, 0.0, 0.9], [0.0, 0.0, 0.0]], [0.0, 0.0, 1.0]),
        ([[0.0, 0.5, 0.5, 0.5], [0.6, 0.0, 0.6, 0.0], [0.1, 0.1, 0.0, 0.1], [0.1, 0.1, 0.1, 0.0]], [0.0] * 4),
        ([[0.0, -3.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [0.0, 0.0, 1.0]),
        ([[0.0, 200.0, 0.0], [100.0, 0.0, 900.0], [500.0, 500.0, 0.0]], [0.0, 0.0, 1.0]),
        (u, [1.0, 1.0, 0.0, 0.0, 1.0]), (u, [0.0, 0.0, 1.0, 1.0, 1.0]), (u, [0.0, 1.0, 0.0, 2.0, 2.0]),
    ]  # fmt: skip
    mistakes = {
        "the errors decide first: only candidates with the fewest may be chosen.": chosen(every, every),
        "only candidates with the fewest errors vote; the others' columns do not count.":
            (chosen(voters=every), unchosen),
        "a candidate does not vote for itself: leave U[i, i] out.": chosen(own=True),
        "U[i, j] is how good i is if j were right: sum over j, along the row of i.": chosen(turn=True),
        "return the place among all candidates, not among those that are left.": chosen(place=True),
        "the highest mean is chosen, not the lowest.": chosen(worst=True),
        "the fewest errors may be more than 0: then those with the fewest are still compared with each other.":
            chosen(keep=right, voters=right),
        "the candidates with the fewest errors are wanted, not those with the most.": chosen(most, most),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
