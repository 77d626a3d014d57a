"""Right and wrong answers to the exercises of 22_market_sentiment; test_check.py runs them."""

import math
import warnings

import numpy as np
import torch

TABLE = torch.tensor([[3.0, 3, 0], [2, 13, 1], [1, 3, 4]])
F1 = 2 * TABLE.diag() / (TABLE.sum(0) + TABLE.sum(1))


def decide_loop(p, cost, price):
    said = []
    for row in p.tolist():
        means = [sum(row[i] * float(cost[i][j]) for i in range(3)) for j in range(3)]
        said.append(3 if min(means) > price else means.index(min(means)))
    return said


def decide_update(p, cost, price):
    best, least = torch.full((len(p),), 3), torch.full((len(p),), price)
    for j in (2, 1, 0):  # backwards: what costs as much as the best so far comes first
        mean = p @ cost[:, j]
        best, least = torch.where(mean <= least, j, best), torch.minimum(mean, least)
    return best


def decide_assign(p, cost, price):
    least, said = torch.min(p @ cost, dim=1)
    said[least > price] = 3
    return said


def with_person(p, cost, price, first=0):
    """A person is a column more, or the first of four."""
    person = torch.full((len(p), 1), price)
    columns = [person, p @ cost] if first else [p @ cost, person]
    return (torch.cat(columns, 1).argmin(1) - first) % 4


def numpy_where(p, cost, price):
    means = np.asarray(p) @ np.asarray(cost)
    return np.where(means.min(axis=1) > price, 3, np.argmin(means, axis=1))


def handed(p, cost, price, person=3):
    means = p @ cost
    return torch.where((means <= price).any(1), means.argmin(1), person)


def decide_last(p, cost, price):
    """Of equal ones the last."""
    means = (p @ cost).tolist()
    return torch.tensor([3 if min(row) > price else max(range(3), key=lambda j: (-row[j], j)) for row in means])


def kept(p, cost, price):
    """Only the rows that stay."""
    means = p @ cost
    return means.argmin(1)[means.amin(1) <= price]


def where(when):
    """The right class, handed over where `when` says so."""
    return lambda p, cost, price: torch.where(when(p, p @ cost, price), 3, (p @ cost).argmin(1))


def of_means(expected):
    """The right rule for other costs."""

    def decide(p, cost, price):
        least, said = expected(p, cost).min(1)
        return torch.where(least > price, 3, said)

    return decide


def likeliest(p, cost, price):
    said = p.argmax(1)
    return torch.where((p @ cost)[torch.arange(len(p)), said] > price, 3, said)


def by_scikit_learn(truth, said, **how):
    from sklearn.metrics import f1_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f1_score(truth.numpy(), said.numpy(), **{"average": "macro", "labels": [0, 1, 2]} | how)


def by_loop(truth, said, absent=0.0, skip=False, beta=1.0):
    scores = []
    for k in range(3):
        hits = misses = alarms = 0
        for t, s in zip(truth.tolist(), said.tolist(), strict=True):
            hits += t == k and s == k
            misses += t == k and s != k
            alarms += t != k and s == k
        if hits + misses + alarms:
            scores.append((1 + beta**2) * hits / ((1 + beta**2) * hits + beta**2 * misses + alarms))
        elif not skip:
            scores.append(absent)
    return sum(scores) / len(scores)


def by_table(truth, said):
    table = np.zeros((3, 3))
    np.add.at(table, (truth.numpy(), said.numpy()), 1)
    hits = np.diag(table)
    with np.errstate(all="ignore"):
        p, r = hits / table.sum(0), hits / table.sum(1)
        return np.nan_to_num(2 * p * r / (p + r)).mean()


def one_hot(x):
    return torch.nn.functional.one_hot(x, 3).double()


def hits(truth, said):
    return (one_hot(truth) * one_hot(said)).sum(0)


def by_one_hot(truth, said):
    true, claimed = one_hot(truth), one_hot(said)
    p, r = (hits(truth, said) / x.sum(0).clamp(min=1e-12) for x in (claimed, true))
    return (2 * p * r / (p + r + 1e-12)).mean()


def by_bincount(truth, said):
    table = torch.bincount(3 * truth + said, minlength=9).view(3, 3)
    return sum(2 * table[k, k] / max(1, table[k].sum() + table[:, k].sum()) for k in range(3)) / 3


def unguarded(truth, said, mean=torch.mean):
    p = torch.stack([((truth == k) & (said == k)).sum() / (said == k).sum() for k in range(3)])
    r = torch.stack([((truth == k) & (said == k)).sum() / (truth == k).sum() for k in range(3)])
    return mean(2 * p * r / (p + r))


def divides_by_nothing(truth, said):
    total = 0.0
    for k in range(3):
        hits = sum(1 for t, s in zip(truth.tolist(), said.tolist(), strict=True) if t == s == k)
        p, r = hits / said.tolist().count(k), hits / truth.tolist().count(k)
        total += 2 * p * r / (p + r)
    return total / 3


RIGHT = {
    "22.1": [
        0.619, 0.6194, "0.619", F1.mean(), np.float64(F1.mean()), "61.9 %", "≈ 0.619", "0.619.",
        (6 / 12 + 26 / 35 + 8 / 13) / 3, torch.tensor([0.6194]), "1691/2730",
    ],
    "22.2": [
        decide_loop,
        decide_update,
        decide_assign,
        with_person,
        numpy_where,
        handed,
        of_means(lambda p, cost: torch.einsum("bi,ij->bj", p, cost)),
        of_means(lambda p, cost: (p[:, :, None] * cost).sum(1)),
        of_means(lambda p, cost: p.double() @ cost.double()),
        lambda p, cost, price: (p @ torch.cat([cost, torch.full((3, 1), price)], 1)).argmin(1),
        lambda p, cost, price: torch.vmap(lambda row: torch.cat([row @ cost, torch.tensor([price])]).argmin())(p),
        lambda p, cost, price: torch.nn.functional.pad(p @ cost, (0, 1), value=price).argmin(1).to(torch.uint8),
        lambda p, cost, price: where(lambda p, means, price: means.amin(1) > price)(p, cost, price).float(),
        lambda p, cost, price: where(lambda p, means, price: ~(means.amin(1) <= price))(p, cost, price).tolist(),
        lambda p, cost, price: torch.tensor([
            3 if (row @ cost).min() > price else int((row @ cost).argmin()) for row in p], dtype=torch.int32),
        lambda p, cost, price: [
            min(range(4), key=[*(row @ cost).tolist(), price].__getitem__) for row in p],
        lambda p, cost, price: ((cost.T @ p.T).amin(0) > price).int() * (3 - (cost.T @ p.T).argmin(0))
        + (cost.T @ p.T).argmin(0),
    ],
    "22.3": [
        by_scikit_learn,
        lambda truth, said: by_scikit_learn(truth, said, zero_division=0),
        by_loop,
        by_table,
        by_one_hot,
        by_bincount,
        lambda truth, said: unguarded(truth, said, lambda f1: f1.nan_to_num().mean()),
        lambda truth, said: torch.tensor(by_loop(truth, said)),
        lambda truth, said: float(by_bincount(truth, said)),
    ],
}  # fmt: skip

WRONG = {
    "22.1": [
        (20 / 30, "share of right answers"), (0.667, "share of right answers"), ("66.7 %", "share of right answers"),
        (0.604, "mean recall"), (0.661, "mean precision"), (0.6614, "mean precision"), (0.66, "F1 weighted"),
        (0.6603, "F1 weighted"), (0.631, "averaged too early"), (0.633, "averaged too early"),
        (0.743, "single class"), (0.615, "single class"), (0.5, "single class"), (0.558, "mean of two"),
        (0.621, "mean of two"), (0.679, "mean of two"), (0.31, "a part"), (0.402, "a part"), (0.456, "a part"),
        (0.804, "a part"), (0.626, "another mean"), (1.858, "divide the sum of the three by 3"),
        (61.9, "leave per cent alone"), (0.62, "rounded too far"), ("62 %", "rounded too far"),
        (0.381, "one minus a score"), (0.396, "one minus a score"), (0.6, "larger than 0.6"),
        (0.618, "larger than 0.618"), (0.632, "averaged too early"), (0.55, "larger than 0.55"),
        (-0.619, "never negative"), (0.7, "smaller than 0.7"), (1.208, "never above 1"), ("two thirds", "one number"),
        (F1, "one number"), (math.nan, "finite"), (12, "never above 1"),
    ],
    "22.2": [
        (lambda p, cost, price: (p @ cost).argmin(1), "no headline goes"),
        (lambda p, cost, price: p.argmax(1), "no headline goes"),
        (where(lambda p, means, price: means.amin(1) < price), "turned round"),
        (where(lambda p, means, price: means.amin(1) <= price), "turned round"),
        (where(lambda p, means, price: means.amin(1) >= price), "costs as much as a person stays"),
        (lambda *inputs: with_person(*inputs, first=1), "costs as much as a person stays"),
        (decide_last, "of equal classes the first"),
        (where(lambda p, means, price: p.amax(1) < price), "it is a probability"),
        (where(lambda p, means, price: 1 - p.amax(1) > price), "it is a probability"),
        (where(lambda p, means, price: means[torch.arange(len(p)), p.argmax(1)] > price), "another class's or"),
        (where(lambda p, means, price: means.mean(1) > price), "or a sum, mean"),
        (where(lambda p, means, price: means.sum(1) > price), "or a sum, mean"),
        (where(lambda p, means, price: means.amax(1) > price), "largest of several"),
        (where(lambda p, means, price: (means > price).any(1)), "largest of several"),
        (where(lambda p, means, price: means.min() > price), "headline's cost"),
        (where(lambda p, means, price: means.amin(1) / 3 > price), "held against `price`"),
        (where(lambda p, means, price: p.amax(1) < 0.5), "it is a probability"),
        (where(lambda p, means, price: -(p * p.log()).sum(1) > price), "it returns"),
        (where(lambda p, means, price: (means.amin(1) > price).any()), "headline's cost"),
        (lambda p, cost, price: ((p @ cost) <= price).int().argmax(1), "it returns"),
        (lambda *inputs: [None if j == 3 else j for j in handed(*inputs).tolist()], "one tensor or number"),
        (of_means(lambda p, cost: p @ cost.T), "swapped"),
        (of_means(lambda p, cost: (cost @ p.T).T), "swapped"),
        (lambda p, cost, price: (p @ cost.T).argmin(1), "swapped"),
        (likeliest, "The likeliest class can be dear"),
        (lambda p, cost, price: torch.where((p @ cost).amin(1) > price, 3, p.argmax(1)), "costs least on average"),
        (lambda p, cost, price: torch.where((p @ cost).amin(1) > price, 3, (p @ cost).argmax(1)), "costs least"),
        (of_means(lambda p, cost: p @ (cost * (1 - torch.eye(3)))), "the diagonal's as well"),
        (of_means(lambda p, cost: p * cost.mean(0)), "each cost of a column"),
        (of_means(lambda p, cost: cost[p.argmax(1)]), "each cost of a column"),
        (of_means(lambda p, cost: p.softmax(1) @ cost), "it returns"),
        (of_means(lambda p, cost: (1 - p) @ cost), "it returns"),
        (lambda p, cost, price: (p @ cost).min(1).values, "these are costs"),
        (lambda p, cost, price: (p @ cost).min(1).values.clamp(max=price), "these are costs"),
        (lambda p, cost, price: p @ cost, "these are costs"),
        (lambda *inputs: handed(*inputs, person=-1), "the person is 3"),
        (lambda *inputs: handed(*inputs, person=4), "the person is 3"),
        (lambda *inputs: handed(*inputs, person=0), "the person is 3"),
        (lambda *inputs: handed(*inputs, person=math.nan), "the person is 3"),
        (lambda *inputs: handed(*inputs, person=99), "it returns"),
        (lambda *inputs: handed(*inputs) + 1, "the classes are 0, 1 and 2"),
        (lambda *inputs: (handed(*inputs) + 1) % 4, "the classes are 0, 1 and 2"),
        (lambda *inputs: handed(*inputs) + (handed(*inputs) < 3), "the classes are 0, 1 and 2"),
        (of_means(lambda p, cost: (p @ cost).mean(0).expand(len(p), 3)), "this is not the class that costs least"),
        (lambda p, cost, price: (p @ cost).argmax(1), "this is not the class that costs least"),
        (lambda p, cost, price: handed(p.T, cost, price), "it returns|raises"),
        (lambda *inputs: handed(*inputs)[:, None], "keepdim"),
        (lambda *inputs: handed(*inputs).squeeze(), "it returns"),
        (kept, "it returns shape"),
        (lambda *inputs: torch.nn.functional.one_hot(handed(*inputs), 4), "it returns"),
        (lambda p, cost, price: cost.sub_(price) @ p.T, "in place"),
        (lambda p, cost, price: (p @ cost).amin(1) > price, "real numbers"),
        (lambda p, cost, price: 3 if (p @ cost).amin(1) > price else (p @ cost).argmin(1), "raises"),
        (lambda p, cost: (p @ cost).argmin(1), "raises `TypeError"),
        (torch.zeros(3), "the answer must be the function"),
    ],
    "22.3": [
        (lambda t, s: (t == s).float().mean(), "counts right answers"),
        (lambda t, s: by_scikit_learn(t, s, average="micro"), "counts right answers"),
        (lambda t, s: by_scikit_learn(t, s, average="weighted"), "weighted by how often"),
        (lambda t, s: by_scikit_learn(t, s, labels=None), "the mean is still over three"),
        (lambda t, s: by_scikit_learn(t, s, zero_division=1), "F1 of 0"),
        (lambda t, s: by_scikit_learn(t, s, labels=[0, 2]), "one class or two"),
        (lambda t, s: by_scikit_learn(t, s, average=None), "a mean over the first axis is missing"),
        (unguarded, "without a hit has an F1 of 0"),
        (lambda t, s: unguarded(t, s, torch.nanmean), "without a hit has an F1 of 0"),
        (divides_by_nothing, "without a hit has an F1 of 0.* raises `ZeroDivisionError"),
        (lambda t, s: by_loop(t, s, skip=True), "the mean is still over three"),
        (lambda t, s: by_loop(t, s, absent=1.0), "the mean is still over three"),
        (lambda t, s: by_loop(t, s, absent=math.nan), "the mean is still over three"),
        (lambda t, s: 3 * by_loop(t, s), "3 times what is due"),
        (lambda t, s: by_loop(t, s) / 2, "harmonic mean|half"),
        (lambda t, s: by_loop(t, s, beta=2.0), "it returns"),
        (lambda t, s: 100 * by_loop(t, s), "per cent"),
        (lambda t, s: 1 - by_loop(t, s), "one minus"),
        (lambda t, s: hits(t, s) @ (1 / one_hot(s).sum(0)) / 3, "precision or of recall alone"),
        (lambda t, s: hits(t, s) @ (1 / one_hot(t).sum(0)) / 3, "precision or of recall alone"),
        (lambda t, s: round(by_loop(t, s), 2), "it returns"),
        (lambda t, s: t.float().mean(), "`said` changes nothing"),
        (0.632, "the answer must be the function"),
    ],
}  # fmt: skip
