"""Right and wrong answers to the exercises of 02b_words; test_check.py runs them."""

import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

GOOD = {"k": "falls", "corpus": "stays", "together": "rises"}


def ppmi_logs(counts, k, alpha):
    """Of logarithms of counts."""
    n, context = counts.double(), counts.double().sum(0).pow(alpha)
    chance = n.sum(1, keepdim=True).log() + context.log() - context.sum().log()
    return torch.where(counts > 0, n.clamp(min=0.5).log() - chance - math.log(k), 0.0).clamp(min=0).float()


def ppmi_numpy(counts, k, alpha):
    n = counts.numpy().astype(np.float64)
    context = n.sum(axis=0) ** alpha
    by_chance = k * np.outer(n.sum(axis=1), context / context.sum())
    return np.log(np.maximum(n / by_chance, 1))


def ppmi_rows(counts, k, alpha):
    context = [sum(column) ** alpha for column in zip(*counts.tolist(), strict=True)]
    rows = []
    for row in counts.tolist():
        share = [n / sum(row) / (c / sum(context)) / k for n, c in zip(row, context, strict=True)]
        rows.append([max(0.0, math.log(x)) if x > 0 else 0.0 for x in share])
    return torch.tensor(rows)


def loss_softplus(w, c, negatives):
    real, drawn = torch.einsum("bd,bd->b", w, c), torch.einsum("bd,bkd->bk", w, negatives)
    return (F.softplus(-real) + F.softplus(drawn).sum(1)).mean()


def loss_entropy(w, c, negatives):
    logits = torch.cat([c[:, None], negatives], dim=1) @ w[:, :, None]
    target = torch.zeros_like(logits)
    target[:, 0] = 1
    return F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(w)


def loss_rows(w, c, negatives):
    total = 0.0
    for one, near, far in zip(w, c, negatives, strict=True):
        total += np.logaddexp(0, -(one @ near).item()) + sum(np.logaddexp(0, (one @ n).item()) for n in far)
    return total / len(w)


def company_bincount(ids, V, window):
    counts = torch.zeros(V * V)
    for distance in range(1, window + 1):
        counts += torch.bincount(ids[:-distance] * V + ids[distance:], minlength=V * V)
    counts = counts.view(V, V)
    return counts + counts.T


def company_matrix(ids, V, window):
    one, place = F.one_hot(ids, V).float(), torch.arange(len(ids))
    far = (place[:, None] - place).abs()
    return one.T @ ((far > 0) & (far <= window)).float() @ one


def company_slices(ids, V, window):
    counts = [[0] * V for _ in range(V)]
    ids = ids.tolist()
    for i, a in enumerate(ids):
        for b in ids[max(0, i - window) : i] + ids[i + 1 : i + window + 1]:
            counts[a][b] += 1
    return counts


def company_slips(ids, V, window):
    """A negative start of a slice."""
    counts = torch.zeros(V, V)
    for i, a in enumerate(ids.tolist()):
        for b in ids[i + 1 : i + window].tolist():
            counts[a, b] += 1
            counts[b, a] += 1
    return counts


def weighed(counts, alpha, words=1.0):
    context, word = counts.sum(0) ** alpha, counts.sum(1, keepdim=True) ** words
    return (counts / counts.sum() / (context / context.sum()) / (word / word.sum())).log()


RIGHT = {
    "02b.1": [GOOD | {"k": " Falls."}, GOOD | {"why": "odds"}, dict(reversed(GOOD.items())),
              GOOD | {"corpus": "STAYS"}],
    "02b.2": [0.47, "0.470", math.log(1.6), Fraction(47, 100), np.float32(0.47), "≈ 0.470", torch.tensor(0.47)],
    "02b.3": [ppmi_logs, ppmi_numpy, ppmi_rows,
              lambda n, k, a: (weighed(n, a) - math.log(k)).relu(),
              lambda n, k, a: (weighed(n, a) - math.log(k)).nan_to_num(neginf=0).clamp(min=0)],
    "02b.4": [loss_softplus, loss_entropy, loss_rows,
              lambda w, c, n: -F.logsigmoid(torch.cat([(w * c).sum(1, keepdim=True), -(n @ w[:, :, None])[..., 0]], 1))
              .sum(1).mean()],
    "02b.5": [company_matrix, company_slices, company_bincount,
              lambda i, V, w: company_matrix(i, V, w).long(), lambda i, V, w: company_matrix(i.flip(0), V, w)],
}  # fmt: skip

WRONG = {
    "02b.1": [
        (GOOD | {"k": "rises", "together": "falls"}, "wrong way round"),
        (GOOD | {"k": "rises"}, "push the logit down"),
        (GOOD | {"k": "stays"}, "the odds change"),
        (GOOD | {"corpus": "rises"}, "also those of the words alone"),
        (GOOD | {"corpus": "falls"}, "also the pair's own"),
        (GOOD | {"together": "stays"}, "only one of the two has changed"),
        (GOOD | {"together": "falls"}, "more often than before"),
        (GOOD | {"k": "doubles"}, 'must be "rises", "falls" or "stays"'),
        (["falls", "stays", "rises"], "must be a dict"),
    ],
    "02b.2": [
        (2.079, "this is PMI"), (3.689, "not added"), (0.678, "base 2 or 10"), (0.204, "base 2 or 10"),
        (1.6, "without a logarithm"), (8, "without a logarithm"), (-0.47, "sign is turned"),
        (0.416, "k is inside the logarithm"), (1.292, "k is inside the logarithm"), (-2.526, "is left out"),
        (0.615, "its logit is asked for"), ("much", "one number"), (0.5, "it is smaller than 0.5"),
        (0.471, "it is smaller than 0.471"), (0.469, "it is larger than 0.469"),
    ],
    "02b.3": [
        (lambda n, k, a: weighed(n, a).clamp(min=0), "ln k is taken off"),
        (lambda n, k, a: (weighed(n, a) - k).clamp(min=0), "ln k is taken off"),
        (lambda n, k, a: weighed(n, a).clamp(min=0) - math.log(k), "before values below 0"),
        (lambda n, k, a: weighed(n, a) - math.log(k), "are set to 0"),
        (lambda n, k, a: (weighed(n, 1.0) - math.log(k)).clamp(min=0), "contexts are smoothed"),
        (lambda n, k, a: (weighed(n, a, a) - math.log(k)).clamp(min=0), "only the contexts"),
        (lambda n, k, a: (weighed(n.T, a).T - math.log(k)).clamp(min=0), "only the contexts"),
        (lambda n, k, a: (weighed(n, a) - math.log(k)).clamp(min=0) / math.log(2), "bits|another base"),
        (lambda n, k, a: n.clamp_(min=1), "in place"),
        (lambda n, k: n, "raises `TypeError"),
    ],
    "02b.4": [
        (lambda w, c, n: loss_softplus(w, c, n) + 0 * (w * c).sum(1).exp().mean(), "may be large"),
        (lambda w, c, n: -(F.logsigmoid((w * c).sum(1)) + F.logsigmoid((w[:, None] * n).sum(2)).sum(1)).mean(),
         "its sign is turned"),
        (lambda w, c, n: -(F.logsigmoid((w * c).sum(1)) + F.logsigmoid(-(w[:, None] * n).sum(2)).mean(1)).mean(),
         "not averaged"),
        (lambda w, c, n: loss_softplus(w, c, n) * len(w), "added up"),
        (lambda w, c, n: F.softplus(-(w * c).sum(1)).mean(), "both belong"),
        (lambda w, c, n: -loss_softplus(w, c, n), "the sign is turned"),
        (lambda w, c, n: F.softplus(-(w * c).sum(1)).mean() + F.softplus((c[:, None] * n).sum(2)).sum(1).mean(),
         "not with c"),
        (lambda w, c, n: -((w * c).sum(1).sigmoid().log()
                           + (1 - (w[:, None] * n).sum(2).sigmoid()).log().sum(1)).mean(),
         "products may be large"),
        (lambda w, c, n: F.softplus(w @ c.T).mean(), "`negatives` changes nothing"),
    ],
    "02b.5": [
        (lambda i, V, w: company_slips(i, V, w), "from 1 up to"),
        (lambda i, V, w: company_matrix(i, V, w).triu(), "it returns"),
        (lambda i, V, w: company_matrix(i, V, w).fill_diagonal_(0), "the diagonal is not 0"),
        (lambda i, V, w: (company_matrix(i, V, w) > 0).float(), "each meeting counts"),
        (lambda i, V, w: company_matrix(i, V, w) / 2, "half of what is due"),
        (lambda i, V, w: company_matrix(i, V, w) * 2, "here twice"),
        (lambda i, V, w: company_matrix(i, V, w) + F.one_hot(i, V).sum(0).diag(), "distance 0"),
        (lambda i, V, w: company_matrix(i, V, w + 1), "one more"),
        (lambda i, V, w: company_matrix(i, V, w)[0], "it returns"),
    ],
}  # fmt: skip
