"""Exercises of 22_market_sentiment."""

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "22.1",
    hint="One class at a time: twice its hits, on the diagonal, divided by its row's and its column's sum together."
    " Average last.",
    solution="""
table = [[3, 3, 0], [2, 13, 1], [1, 3, 4]]
rows = [sum(row) for row in table]  # how often each class is true
columns = [sum(row[k] for row in table) for k in range(3)]  # how often it was said
f1 = [2 * table[k][k] / (rows[k] + columns[k]) for k in range(3)]  # 6 / 12, 26 / 35, 8 / 13
answer_1 = sum(f1) / 3  # 0.619
""",
    praise="That is the harmonic mean of precision (hits by column) and recall (hits by row). It knows no costs: good"
    " news read as bad is one error, like any other.",
)
def answer_1(truth):
    table = [[3, 3, 0], [2, 13, 1], [1, 3, 4]]
    hits = [table[k][k] for k in range(3)]
    recall = [hits[k] / sum(table[k]) for k in range(3)]
    precision = [hits[k] / sum(row[k] for row in table) for k in range(3)]
    f1 = [2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True)]

    def mean(values):
        values = list(values)
        return sum(values) / len(values)

    def of_both(function):
        return mean(function(p, r) for p, r in zip(precision, recall, strict=True))

    p, r, right = mean(precision), mean(recall), sum(hits) / sum(map(sum, table))
    weighted = sum(sum(row) * f for row, f in zip(table, f1, strict=True)) / sum(map(sum, table))
    mistakes = {
        f"{right:.3f} is the share of right answers, {sum(hits)} of {sum(map(sum, table))}: F1 is about one class, and"
        " its mean over the three counts each alike.": right,
        f"{r:.3f} is the mean recall, {p:.3f} the mean precision, {weighted:.3f} the F1 weighted by how often a class"
        " is true: macro F1 has recall and precision in it, and counts each class alike.": (r, p, weighted),
        "averaged too early, or in another way: a class's F1 is the harmonic mean of its own precision and recall, and"
        " the mean of the three F1 comes last.": (2 * p * r / (p + r), of_both(lambda p, r: (p + r) / 2)),
        "near this is a single class's F1, or the mean of two of them; the mean of all three is asked for, neutral's as"
        " well.": (*f1, (f1[0] + f1[2]) / 2, (f1[0] + f1[1]) / 2, (f1[1] + f1[2]) / 2),
        "F1 is twice the product of precision and recall, divided by their sum: a part of it is missing here, or it is"
        " another mean.": (
            truth / 2, of_both(lambda p, r: p * r), of_both(lambda p, r: 2 * p * r),
            of_both(lambda p, r: 1 / (1 / p + 1 / r - 1)), of_both(lambda p, r: (p * r) ** 0.5),
        ),
        "no F1 is above 1: divide the sum of the three by 3, and leave per cent alone.": (3 * truth, 100 * truth),
        "rounded too far: three decimals are asked for.": 0.62,
        "this is one minus a score: hits count, not errors.": (1 - truth, 1 - r),
    }  # fmt: skip
    return tasks.Number(0.0005, mistakes, begin="Begin with the hits of each class.", low=0, high=1)


@exercise(
    "22.2",
    hint="What does it cost on average to say class j? Sum over the true classes i: how probable is i, and what does j"
    " cost then? That is one matrix product. Hold the least of each row against the price.",
    solution="""
def decide(p, cost, price):
    means = p @ cost  # (B, 3): what each class costs on average
    return means.argmin(dim=1).masked_fill(means.amin(dim=1) > price, 3)  # (B,)
""",
    praise="Handing over is a fourth choice with a cost of its own. Doubt alone does not decide: where errors are cheap"
    " a doubtful headline stays, and where they are dear a surer one goes.",
)
def decide(truth):
    import torch

    desk = [[0.0, 4.0, 10.0], [1.0, 0.0, 1.0], [6.0, 2.0, 0.0]]  # the page's
    fees = [[2.0, 1.0, 4.0], [0.5, 1.5, 3.0], [5.0, 2.5, -1.0]]  # a right answer is not free, or earns
    rare = [[1.0, 4.0, 3.0], [2.5, -2.0, 0.0], [0.0, 2.0, 0.5]]
    cases = [
        ((2 * noise(12, 3, seed=22)).softmax(1), desk, 0.7), ((1.5 * noise(9, 3, seed=4)).softmax(1), fees, 1.2),
        (noise(8, 3, seed=2).softmax(1), rare, 0.8), (noise(5, 3, seed=7).softmax(1), fees, 6.0),  # all stay
        (noise(4, 3, seed=8).softmax(1), desk, 0.2),  # all go
        ([[0.5, 0.375, 0.125]], desk, 2.5), ([[0.5, 0.125, 0.375]], fees, 1.5),
        ([[0.125, 0.75, 0.125], [0.75, 0.125, 0.125], [0.125, 0.25, 0.625]], rare, 0.5),
    ]  # fmt: skip

    def means(p, cost):
        return p @ cost

    def says(choice):  # another class, handed over as is due
        return lambda p, cost, price: choice(p, cost).masked_fill(means(p, cost).amin(1) > price, 3)

    def over(when):  # the class that is due, handed over at another time
        return lambda p, cost, price: means(p, cost).argmin(1).masked_fill(when(p, means(p, cost), price), 3)

    def by(costs):  # all as is due, but with other costs
        return lambda p, cost, price: costs(p, cost).argmin(1).masked_fill(costs(p, cost).amin(1) > price, 3)

    def called(person):  # 3 is another number
        def wrong(p, cost, price):
            said = truth(p, cost, price).double()
            return said.masked_fill(said == 3, price if person is None else person)

        return wrong

    def of_likeliest(p, costs):
        return costs.gather(1, p.argmax(1, keepdim=True))[:, 0]

    ties = (
        "right where no two costs are equal: of equal classes the first is asked for, and what costs as much as a"
        " person stays with the machine."
    )
    mistakes = {
        "no headline goes to the person: 3 is due where even the cheapest class costs more than `price`.":
            (lambda p, cost, price: (p @ cost).argmin(1), lambda p, cost, price: p.argmax(1)),
        "turned round: a headline goes to the person where the machine costs more than `price`, and here where it costs"
        " less.": over(lambda p, costs, price: costs.amin(1) < price),
        "the classes are right, but what is held against `price` is not the average cost of the cheapest: it is a"
        " probability, another class's or headline's cost, or a sum, mean or largest of several.": (
            over(lambda p, costs, price: p.amax(1) < price), over(lambda p, costs, price: 1 - p.amax(1) > price),
            over(lambda p, costs, price: p.amax(1) > price), over(lambda p, costs, price: p.amax(1) < 1 - price),
            over(lambda p, costs, price: p.gather(1, costs.argmin(1, keepdim=True))[:, 0] < price),
            over(lambda p, costs, price: of_likeliest(p, costs) > price),
            over(lambda p, costs, price: costs.mean(1) > price), over(lambda p, costs, price: costs.sum(1) > price),
            over(lambda p, costs, price: costs.amax(1) > price), over(lambda p, costs, price: costs.amin() > price),
            over(lambda p, costs, price: costs.median(1)[0] > price), over(lambda p, costs, price: price < p.amin(1)),
            over(lambda p, costs, price: costs.amin(1).mean() > price),
            over(lambda p, costs, price: costs.amin(1).sum() > price), over(lambda p, costs, price: p.amax(1) < 0.5),
            over(lambda p, costs, price: costs.amin(1) / 3 > price), over(lambda p, costs, price: costs[:, 0] > price),
            over(lambda p, costs, price: costs[:, 1] > price), over(lambda p, costs, price: costs[:, 2] > price),
        ),
        "rows and columns of `cost` are swapped: p belongs to the true class, the row; a column is what is said.": (
            by(lambda p, cost: p @ cost.T), lambda p, cost, price: (p @ cost.T).argmin(1),
            says(lambda p, cost: (p @ cost.T).argmin(1)),
            lambda p, cost, price: (p @ cost).argmin(1).masked_fill((p @ cost.T).amin(1) > price, 3),
        ),
        "this is not the class that costs least on average: weigh each cost of a column, the diagonal's as well, by the"
        " p of its row, and add the three up. The likeliest class can be dear.": (
            says(lambda p, cost: p.argmax(1)), says(lambda p, cost: (p @ cost).argmax(1)),
            lambda p, cost, price: p.argmax(1).masked_fill(of_likeliest(p, p @ cost) > price, 3),
            lambda p, cost, price: (p @ cost).argmax(1).masked_fill((p @ cost).amax(1) > price, 3),
            by(lambda p, cost: p @ (cost - cost.diag().diag())), by(lambda p, cost: cost[p.argmax(1)]),
            by(lambda p, cost: cost.sum(0).expand_as(p)), by(lambda p, cost: cost.mean(0).expand_as(p)),
            by(lambda p, cost: p * cost.sum(0)), by(lambda p, cost: p * cost.sum(1)),
            by(lambda p, cost: p * cost.mean(0)), by(lambda p, cost: (p[:, :, None] * cost).amax(1)),
            by(lambda p, cost: (p @ cost).mean(0).expand_as(p)), lambda p, cost, price: (p @ cost).argmax(1),
        ),
        "these are costs; the number of the class that costs least is asked for, or 3.": (
            lambda p, cost, price: (p @ cost).amin(1), lambda p, cost, price: (p @ cost).amin(1).clamp(max=price),
            lambda p, cost, price: p @ cost, lambda p, cost, price: (p @ cost).clamp(max=price),
            lambda p, cost, price: (p @ cost).amin(1).where((p @ cost).amin(1) <= price, 3.0),
        ),
        "who decides is right, but the numbers are not: the classes are 0, 1 and 2, and the person is 3.": (
            *map(called, (-1, 0, 4, torch.nan, None)), lambda *a: truth(*a) + 1,
            lambda *a: (truth(*a) + 1).clamp(max=3), lambda *a: (truth(*a) + 1) % 4,
        ),
        ties: (over(lambda p, costs, price: costs.amin(1) >= price),
               says(lambda p, cost: 2 - (p @ cost).flip(1).argmin(1))),
    }  # fmt: skip
    equal = [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    return tasks.Function(cases, mistakes, edges={
        ties: [
            ([[0.5, 0.5, 0.0]], equal, 1.5),  # all three
            ([[0.0, 0.5, 0.5]], [[9.0, 0.0, 0.0], [3.0, 1.0, 2.0], [4.0, 2.0, 1.0]], 2.0),  # the last two
            ([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]], [[0.0, 9.0, 1.0], [2.0, 9.0, 1.0], [0.0, 9.0, 0.0]], 0.625),
            ([[0.25, 0.5, 0.25]], desk, 1.5),  # machine and person
            ([[0.5, 0.5, 0.0]], equal, 1.0),  # all four
            ([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]], equal, 0.5),  # goes, stays, machine and person
        ],
    })  # fmt: skip


@exercise(
    "22.3",
    hint="A class's F1 is twice its hits, divided by how often it is true and how often it is said, together. Where"
    " that is 0, so are the hits: divide by 1 instead. Always three classes.",
    solution="""
import torch


def macro_f1(truth, said):
    classes = torch.arange(3, device=truth.device)[:, None]
    true, claimed = truth == classes, said == classes  # (3, N)
    hits, counts = (true & claimed).sum(dim=1), true.sum(dim=1) + claimed.sum(dim=1)
    return (2 * hits / counts.clamp(min=1)).mean()
""",
    praise="Each class counts a third, however rare it is: a model that always says the commonest class has the F1 of"
    " one class, divided by three.",
)
def macro_f1(truth):
    import torch

    def case(true, said):
        return torch.tensor(true, device="cpu"), torch.tensor(said, device="cpu")

    def counts(true, said):
        """Hits, how often each class is true, how often it is said: (3,) each."""
        one = torch.arange(3)[:, None]
        return ((true == one) & (said == one)).sum(1), (true == one).sum(1), (said == one).sum(1)

    def f1(true, said):
        hits, trues, saids = counts(true, said)
        return 2 * hits / (trues + saids)

    def by(score, mean=torch.mean):  # of each class's precision and recall
        def wrong(true, said):
            hits, trues, saids = counts(true, said)
            return mean(score(hits / saids, hits / trues))

        return wrong

    def of_means(true, said):
        p, r = by(lambda p, r: p)(true, said), by(lambda p, r: r)(true, said)
        return 2 * p * r / (p + r)

    def only(*classes):
        return lambda true, said: f1(true, said)[list(classes)].mean()

    def of_those(where):
        return lambda true, said: f1(true, said).nan_to_num()[where(*counts(true, said))].mean()

    def against_the_rest(true, said):
        return torch.stack([((true == k) == (said == k)).float().mean() for k in range(3)]).mean()

    no_hit = "right where each class is hit at least once; one without a hit has an F1 of 0, which counts in the mean."
    absent = (
        "right where each class is true or said somewhere; one that is neither has an F1 of 0, and the mean is still"
        " over three."
    )
    mistakes = {
        "this counts right answers, over all or of each class against the rest (accuracy, micro F1): F1 is about one"
        " class, and what is neither it nor called so is not in it.":
            (lambda true, said: (true == said).float().mean(), against_the_rest),
        "the classes are weighted by how often they are true or said; in macro F1 each counts a third.": (
            lambda true, said: (f1(true, said) * counts(true, said)[1]).sum() / len(true),
            lambda true, said: (f1(true, said) * counts(true, said)[2]).sum() / len(true),
        ),
        "this is the mean of precision or of recall alone; F1 has both.": (by(lambda p, r: p), by(lambda p, r: r)),
        "precision and recall are averaged over the classes first; each class has its own F1, and the mean comes last.":
            of_means,
        "F1 is the harmonic mean of precision and recall, 2PR / (P + R): this is another mean, or a part is missing.": (
            by(lambda p, r: (p + r) / 2), by(lambda p, r: (p * r).sqrt()), by(lambda p, r: p * r / (p + r)),
            by(lambda p, r: p * r), by(lambda p, r: 2 * p * r), by(lambda p, r: 1 / (1 / p + 1 / r - 1)),
        ),
        "this is the F1 of one class or two; the mean of all three is asked for.":
            (only(0), only(1), only(2), only(0, 2), only(0, 1), only(1, 2)),
        no_hit: (
            by(lambda p, r: 2 * p * r / (p + r)), by(lambda p, r: 2 * p * r / (p + r), torch.nanmean),
            of_those(lambda hits, trues, saids: trues > 0), of_those(lambda hits, trues, saids: saids > 0),
        ),
        absent: (
            of_those(lambda hits, trues, saids: trues + saids > 0), only(0, 1, 2),
            lambda true, said: f1(true, said).nan_to_num(1.0).mean(),
        ),
    }  # fmt: skip
    cases = [
        case([0, 1, 1, 2, 1, 0, 2, 1], [0, 1, 2, 2, 1, 1, 1, 1]),
        case([2, 1, 1, 0, 1, 1, 2, 1, 1, 0, 1, 1, 2], [2, 1, 0, 0, 1, 2, 1, 1, 1, 0, 1, 0, 0]),
        case([2, 2, 2, 0, 1, 2], [2, 0, 2, 0, 1, 0]),
        case([0, 1, 2, 2], [0, 1, 2, 1]),
        case([1, 0, 2], [1, 0, 2]),
        case([0] * 12 + [1] * 30 + [2] * 18, ([0] * 7 + [1, 2] * 12 + [2, 0, 1, 1, 1, 2, 2] * 5)[:60]),
    ]
    edges = {
        no_hit: [
            case([0, 1, 2, 1, 0], [0, 1, 1, 1, 0]),  # 2 is never said
            case([0, 1, 1, 0], [0, 1, 2, 0]),  # 2 is never true
            case([0, 2, 1, 1], [0, 1, 2, 1]),  # 2 is both, but never at once
            case([1, 1, 0, 0, 2], [0, 1, 2, 0, 0]),
        ],
        absent: [
            case([0, 1, 1, 0], [0, 1, 0, 0]),
            case([1, 2, 2], [1, 2, 1]),
            case([2, 2, 2], [2, 2, 2]),
            case([1], [1]),
            case([0], [2]),
            case([0, 0, 0], [1, 1, 1]),
        ],
    }
    return tasks.Function(cases, mistakes, edges)
