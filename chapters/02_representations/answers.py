"""Right and wrong answers to the exercises of 02_representations; test_check.py runs them."""

import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

TURNED = {"0": "no", "8": "no", "6": "told", "9": "told", "4": "yes", "7": "yes"}


def towers_by_hand(z_1, z_2, temperature):
    loss = 0
    for a, b in ((z_1, z_2), (z_2, z_1)):
        for i in range(len(a)):
            logits = F.cosine_similarity(a[i : i + 1], b) / temperature
            loss = loss + logits.logsumexp(0) - logits[i]
    return loss / (2 * len(z_1))


def towers_one_matrix(z_1, z_2, temperature):
    logits = (z_1 / z_1.norm(dim=1, keepdim=True)) @ (z_2 / z_2.norm(dim=1, keepdim=True)).mT / temperature
    return -(logits.log_softmax(1).diagonal() + logits.log_softmax(0).diagonal()).mean() / 2


def towers_exponentials(z_1, z_2, temperature):
    similar = torch.exp(F.normalize(z_1) @ F.normalize(z_2).T / temperature)
    own = similar.diag()
    return 0.5 * ((similar.sum(1) / own).log().mean() + (similar.sum(0) / own).log().mean())


def towers_in_place(z_1, z_2, temperature):
    z_1 /= z_1.norm(dim=1, keepdim=True)
    return towers_by_hand(z_1, z_2, temperature)


def means_by_one_hot(x, y, x_new, n_classes):
    share = F.one_hot(y, n_classes).float()
    means = (share.T @ x) / share.sum(0)[:, None]
    return -(torch.cdist(x_new.double(), means.double()) ** 2).float()


def means_by_rows(x, y, x_new, n_classes):
    found = torch.zeros(len(x_new), n_classes)
    for m in range(len(x_new)):
        for k in range(n_classes):
            found[m, k] = -((x_new[m] - x[y == k].mean(0)) ** 2).sum()
    return found


def means_expanded(x, y, x_new, n_classes):
    means = torch.stack([x[y == k].sum(0) / (y == k).sum() for k in range(n_classes)])
    return 2 * x_new @ means.T - x_new.square().sum(1, keepdim=True) - means.square().sum(1)


def means_numpy(x, y, x_new, n_classes):
    """NumPy's methods, which tensors have not."""
    means = np.stack([x[y == k].astype(np.float64).mean(axis=0) for k in range(n_classes)])
    return -((x_new[:, np.newaxis] - means) ** 2).sum(axis=-1)


def labels_by_loops(z, y, temperature):
    z, loss = F.normalize(z, dim=1), 0
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        below = torch.stack([z[i] @ z[j] / temperature for j in others]).logsumexp(0)
        mine = [z[i] @ z[j] / temperature - below for j in others if y[j] == y[i]]
        loss = loss - sum(mine) / len(mine)
    return loss / len(z)


def labels_off_diagonal(z, y, temperature):
    n = len(z)
    keep = ~torch.eye(n, dtype=torch.bool)
    logits = (F.normalize(z, dim=1) @ F.normalize(z, dim=1).T / temperature)[keep].view(n, n - 1)
    same = (y[:, None] == y)[keep].view(n, n - 1)
    log_p = logits - logits.logsumexp(1, keepdim=True)
    return -torch.stack([row[mask].mean() for row, mask in zip(log_p, same, strict=True)]).mean()


def labels_soft_targets(z, y, temperature):
    cosines = F.cosine_similarity(z[:, None], z[None], dim=2) / temperature
    cosines = cosines - 1e9 * torch.eye(len(z))
    target = ((y[:, None] == y) & ~torch.eye(len(z), dtype=torch.bool)).float()
    return F.cross_entropy(cosines, target / target.sum(1, keepdim=True))


def labels_cut(z, y, temperature):
    return labels_by_loops(z.detach(), y, temperature)


ALONE = r"^\S+ not yet: "
RIGHT = {
    "02.1": [
        {"0": "No", "8": "no ", "6": "told", "9": '"told"', "4": "yes", "7": "YES"},
        TURNED | {"5": "yes"},
        dict(reversed(TURNED.items())),
    ],
    "02.2": [0.036, "0.0360", math.log1p(2 * math.exp(-4)), Fraction(36, 1000), torch.tensor(0.03598)],
    "02.3": [towers_by_hand, towers_one_matrix, towers_exponentials],
    "02.4": [means_by_one_hot, means_by_rows, means_expanded],
    "02.5": [labels_by_loops, labels_off_diagonal, labels_soft_targets],
}
WRONG = {
    "02.1": [
        (TURNED | {"0": "yes"}, "what is there to see"),
        (TURNED | {"8": "yes"}, "what is there to see"),
        (TURNED | {"0": "yes", "8": "yes"}, "what is there to see"),
        (TURNED | {"6": "yes", "9": "yes"}, "both answers fit"),
        (TURNED | {"6": "no", "9": "no"}, "belly of a 6"),
        (TURNED | {"9": "no"}, "belly of a 6"),
        (TURNED | {"0": "told"}, "does not help"),
        (TURNED | {"4": "no"}, "half a turn makes of a 4"),
        (TURNED | {"7": "no"}, "half a turn makes of a 4 or a 7"),
        (TURNED | {"4": "maybe"}, "must be"),
        (["no"] * 6, "a dict with the keys"),
    ],
    "02.2": [
        (math.log(1 + math.exp(-4)), "two others of the other image"),
        (math.log(1 + 2 * math.exp(-2)), "the difference is 2"),
        (math.log(1 + 2 * math.exp(-1)), "divide the cosines"),
        (math.log(2 + 2 * math.exp(-4)), "no view is its own partner"),
        (math.log(3), "cannot be told apart"),
        (4 * math.log(1 + 2 * math.exp(-4)), "the loss is their mean"),
        (1 / (1 + 2 * math.exp(-4)), "the chance of the right answer"),
        (math.log2(1 + 2 * math.exp(-4)), "in bits"),
        (-0.036, "never negative"),
        (0.5, "smaller than 0.5"),
    ],
    "02.3": [
        (lambda a, b, t: F.cross_entropy(F.normalize(a) @ F.normalize(b).T / t, torch.arange(len(a))), "one side only"),
        (lambda a, b, t: F.cross_entropy(F.normalize(b) @ F.normalize(a).T / t, torch.arange(len(a))), "one side only"),
        (lambda a, b, t: 2 * towers_by_hand(a, b, t), "sum of the two directions|twice"),
        (lambda a, b, t: towers_by_hand(a, b, 1 / t), "divided by the temperature, once"),
        (lambda a, b, t: towers_by_hand(a, b, 1.0), "divided by the temperature, once"),
        (lambda a, b, t: towers_by_hand(a, b.roll(1, 0), t), "it returns|row i of z_1"),
        (lambda a, b, t: len(a) * towers_by_hand(a, b, t), "not the sum"),
        (lambda a, b, t: -towers_by_hand(a, b, t), "sign is turned"),
        (lambda a, b, t: towers_by_hand(a, b, t) / math.log(2), "in bits"),
        (lambda a, b, t: towers_by_hand(a.detach(), b, t), "no gradient reaches `z_1`"),
        (lambda a, b, t: towers_by_hand(a, b, t).item(), "cuts it off"),
        (towers_in_place, "in place"),
        ("the mean", "the answer must be the function"),
    ],
    "02.4": [
        (lambda x, y, new, n: -(-means_by_rows(x, y, new, n)).sqrt(), "minus its square"),
        (lambda x, y, new, n: -means_by_rows(x, y, new, n), "the sign is turned"),
        (lambda x, y, new, n: means_by_rows(x, y, new, n) / x.shape[1], "their mean"),
        (lambda x, y, new, n: means_by_rows(x, y, new, n).softmax(1), "logits themselves"),
        (lambda x, y, new, n: means_by_rows(x, y, new, n).argmax(1), "it returns"),
        (lambda x, y, new, n: means_by_rows(x, y, new, n).T, "transposed|it returns"),
        (lambda x, y, new, n: means_by_rows(x, y, x, n), "it returns|not used"),
        (lambda x, y, new, n: new @ torch.stack([x[y == k].mean(0) for k in range(n)]).T, "products or cosines"),
        (lambda x, y, new, n: -torch.stack([(new - x[y == k].sum(0)).square().sum(1) for k in range(n)], 1), "neither"),
        (lambda x, y, new: x, "raises `TypeError"),
    ],
    "02.5": [
        (lambda z, y, t: labels_by_loops(z, y, 1 / t), "divided by the temperature, once"),
        (lambda z, y, t: labels_by_loops(z, y, 1.0), "divided by the temperature, once"),
        (lambda z, y, t: len(z) * labels_by_loops(z, y, t), "not the sum"),
        (lambda z, y, t: -labels_by_loops(z, y, t), "sign is turned"),
        (lambda z, y, t: labels_by_loops(z, y.flip(0), t), "it returns"),
        (labels_cut, "cuts it off|no gradient"),
        (lambda z, y, t: labels_by_loops(z, torch.arange(len(z)) // 2, t), "raises|it returns"),
        (lambda z, y, t: F.cross_entropy(z @ z.T / t, y), "it returns|raises"),
        (lambda z, y: z, "raises `TypeError"),
    ],
}  # fmt: skip
