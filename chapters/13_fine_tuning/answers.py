"""Right and wrong answers of chapter 13, for tests/test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def stub_raises(*args):
    raise NotImplementedError


def nats_of(logits, ids):
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")


def with_ignore_index(logits, ids, answer):
    targets = ids[:, 1:].masked_fill(~answer[:, 1:], -100)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=-100)


def in_loops(logits, ids, answer):
    total, n = 0.0, 0
    for b in range(len(ids)):
        for t in range(1, ids.shape[1]):
            if answer[b, t]:
                total, n = total - logits[b, t - 1].log_softmax(0)[ids[b, t]], n + 1
    return total / n


def unshifted(logits, ids, answer):
    return F.cross_entropy(logits[answer], ids[answer])


def spans(tags, orphan=True, split=True, end=True, ends=True):
    found, start = set(), None
    for i, tag in enumerate([*tags, "O"] if end else tags):
        if start is not None and (tag == "O" or (split and tag == "B")):
            found.add((start, i if ends else 0))
            start = None
        if start is None and (tag == "B" or (orphan and tag == "I")):
            start = i
    return found


def counts(true, predicted, **how):
    pairs = [(spans(t, **how), spans(p, **how)) for t, p in zip(true, predicted, strict=True)]
    return sum(len(t & p) for t, p in pairs), sum(len(t) for t, _ in pairs), sum(len(p) for _, p in pairs)


def f1(true, predicted, **how):
    right, due, said = counts(true, predicted, **how)
    return 2 * right / (due + said) if due + said else 0.0


def f1_from_ratios(true, predicted):
    right, due, said = counts(true, predicted)
    precision, recall = right / said, right / due
    return 2 * precision * recall / (precision + recall) if right else 0.0


def words(true, predicted):
    return [(a, b) for t, p in zip(true, predicted, strict=True) for a, b in zip(t, p, strict=True)]


def accuracy(true, predicted):
    return np.mean([a == b for a, b in words(true, predicted)])


def word_f1(true, predicted):
    pairs = words(true, predicted)
    return 2 * sum(a == b != "O" for a, b in pairs) / sum((a != "O") + (b != "O") for a, b in pairs)


def mean_of_sentences(true, predicted):
    return np.mean([f1([t], [p]) for t, p in zip(true, predicted, strict=True)])


def joined(true, predicted):
    return f1([sum(true, [])], [sum(predicted, [])])


def in_one_set(true, predicted):
    a, b = (set().union(*map(spans, rows)) for rows in (true, predicted))
    return 2 * len(a & b) / (len(a) + len(b))


def first_is_lost(true, predicted):
    return f1(*([["O" if tag == "I" and i == 0 else tag for i, tag in enumerate(row)] for row in rows]
                for rows in (true, predicted)))  # fmt: skip


def cut_to_the_first(true, predicted):
    n = len(true[0])
    return f1([row[:n] for row in true], [row[:n] for row in predicted])


def reattached(logits, ids, answer):
    return torch.tensor(with_ignore_index(logits, ids, answer).item(), requires_grad=True)


def half_detached(logits, ids, answer):
    nats = logits.logsumexp(-1).detach()[:, :-1] - logits[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    return nats[answer[:, 1:]].mean()


def in_numpy(logits, ids, answer):
    return nats_of(torch.tensor(logits.numpy()), ids)[answer[:, 1:]].mean()


def cleared(true, predicted):
    value = f1(true, predicted)
    true.clear()
    return value


RIGHT = {
    "13.1": [
        {"lead": "Shrinks", "adapter": " stays "},
        {"adapter": "STAYS.", "lead": "shrinks.", "why": "shapes"},
    ],
    "13.2": [15_360, 15_360.0, "15360", np.int64(15_360), torch.tensor(15_360), 4 * (768 + 3_072)],
    "13.3": [
        with_ignore_index, in_loops,
        lambda logits, ids, answer: nats_of(logits, ids)[answer[:, 1:]].mean(),
        lambda logits, ids, answer: F.cross_entropy(logits[:, :-1][answer[:, 1:]], ids[:, 1:][answer[:, 1:]]),
    ],
    "13.4": [
        lambda W, A, B, alpha: W + (alpha / len(A)) * (B @ A),
        lambda W, A, B, alpha: torch.addmm(W, B, A, alpha=alpha / B.shape[1]),
        lambda W, A, B, alpha: np.asarray(W) + alpha * np.asarray(B) @ np.asarray(A) / len(A),
        lambda W, A, B, alpha: W + torch.einsum("or,ri->oi", B, A) * alpha / A.size(0),
    ],
    "13.5": [
        f1, f1_from_ratios, lambda t, p: round(f1(t, p), 4),
        lambda t, p: np.float64(f1(t, p)), lambda t, p: torch.tensor(f1(t, p)),
    ],
}  # fmt: skip

FUNCTIONS = ("13.3", "13.4", "13.5")
STUBS = {number: [(None,), (...,), (stub_raises,), (lambda *a: None,), (lambda *a: ...,)] for number in FUNCTIONS} | {
    "13.1": [(None,), ({"lead": None, "adapter": None},), ({"lead": "", "adapter": "stays"},),
             ({"lead": "shrinks", "adapter": ...},)],
    "13.2": [(None,), (...,)],
}  # fmt: skip

WRONG = {
    "13.1": [
        ({"lead": "stays", "adapter": "shrinks"}, "wrong way round"),
        ({"lead": "grows", "adapter": "stays"}, "more to gain"),
        ({"lead": "stays", "adapter": "stays"}, "few examples do not give"),
        ({"lead": "shrinks", "adapter": "grows"}, "same matrices"),
        ({"lead": "shrinks", "adapter": "shrinks"}, "depends on the number"),
        ({"lead": "grows", "adapter": "grows"}, "more to gain.*same matrices"),
        ({"lead": "falls", "adapter": "stays"}, 'must be "grows", "shrinks" or "stays"'),
        ({"lead": 0, "adapter": 1}, 'must be "grows", "shrinks" or "stays"'),
        (["shrinks", "stays"], "must be a dict"),
        ({"lead": "shrinks"}, "must be a dict"),
        ("shrinks", "must be a dict"),
    ],
    "13.2": [
        (768 * 3072, "frozen"),
        (768 * 3072 + 3072, "with its bias"),
        (768 * 3072 + 15_360, "counted too"),
        (4 * 768, "A alone"),
        (4 * 3072, "B alone"),
        (15_360 + 3072, "a bias is counted"),
        (768 + 3072, "rank is missing"),
        (2 * 15_360, "twice too much"),
        (4 * 15_360, "these are bytes"),
        (4 * 768 * 3072, "not multiplied"),
        (4 * (768 + 768), "B goes to 3,072"),
        (15_300, "exact"),
        (1_000, "more than"),
        (10**6, "fewer than"),
        (math.nan, "finite"),
        ("many", "must be one number"),
    ],
    "13.3": [
        (unshifted, "not shifted"),
        (lambda x, i, a: F.cross_entropy(x.flatten(0, 1), i.flatten()), "broken listing"),
        (lambda x, i, a: nats_of(x, i).mean(), "mask is not used"),
        (lambda x, i, a: nats_of(x, i)[a[:, :-1]].mean(), "shifted with them"),
        (lambda x, i, a: (nats_of(x, i) * a[:, 1:]).mean(), "number of all tokens"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].sum(), "sum over the answers"),
        (lambda x, i, a: ((nats_of(x, i) * a[:, 1:]).sum(1) / a[:, 1:].sum(1)).mean(), "each sequence is averaged"),
        (lambda x, i, a: (nats_of(x, i) * a[:, 1:]).sum() / len(i), "number of sequences"),
        (lambda x, i, a: -nats_of(x, i)[a[:, 1:]].mean(), "sign is turned"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean() / math.log(2), "in bits"),
        (lambda x, i, a: nats_of(x, i)[~a[:, 1:]].mean(), "turned round"),
        (lambda x, i, a: -x[:, :-1].gather(-1, i[:, 1:, None])[..., 0][a[:, 1:]].mean(), "softmax is missing"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean().exp(), "perplexity"),
        (lambda x, i, a: F.cross_entropy(x[:, 1:][a[:, :-1]], i[:, :-1][a[:, :-1]]), "wrong way"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean().detach(), "no gradient reaches"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean().detach().requires_grad_(), "no gradient reaches"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean().item(), "no gradient reaches"),
        (reattached, "no gradient reaches"),
        (in_numpy, "no gradient reaches"),
        (half_detached, "cuts a part"),
        (lambda x, i, a: F.cross_entropy(x.softmax(-1)[:, :-1][a[:, 1:]], i[:, 1:][a[:, 1:]]), "softmax is there"),
        (lambda x, i, a: F.cross_entropy(x[:, :-1].reshape(len(i), x.shape[2], -1), i[:, 1:], reduction="none")[
            a[:, 1:]].mean(), "mixes places and tokens"),
        (lambda x, i, a: nats_of(x, i) * a[:, 1:], "returns shape"),
        (3, "function `my_answer_loss"),
    ],
    "13.4": [
        (lambda W, A, B, alpha: W + B @ A, "scale is missing"),
        (lambda W, A, B, alpha: W + alpha * B @ A, "not divided by the rank"),
        (lambda W, A, B, alpha: W + B @ A / len(A), "alpha is missing"),
        (lambda W, A, B, alpha: W + alpha * len(A) * B @ A, "multiplied by the rank"),
        (lambda W, A, B, alpha: W + alpha / A.shape[1] * B @ A, "number of features"),
        (lambda W, A, B, alpha: W + alpha / len(B) * B @ A, "number of outputs"),
        (lambda W, A, B, alpha: W + alpha / math.sqrt(len(A)) * B @ A, "rank-stabilised"),
        (lambda W, A, B, alpha: alpha / len(A) * B @ A, "W itself is missing"),
        (lambda W, A, B, alpha: B @ A, "W and the scale"),
        (lambda W, A, B, alpha: alpha * B @ A, "W is missing"),
        (lambda W, A, B, alpha: W + alpha / 8 * B @ A, "notebook's `rank`"),
        (lambda W, A, B, alpha: W + alpha / torch.linalg.matrix_rank(B @ A) * B @ A, "has not learnt yet"),
        (lambda W, A, B, alpha: W - alpha / len(A) * B @ A, "subtracted"),
        (lambda W, A, B, alpha: W, "left out"),
        (lambda W, A, B, alpha: (W + alpha / len(A) * B @ A).T, "transposed"),
        (lambda W, A, B, alpha: (W + B @ A) * alpha / len(A), "W is scaled as well"),
        (lambda W, A, B, alpha: W + alpha // len(A) * B @ A, "rounded down"),
        (lambda W, A, B, alpha: W + alpha / len(A) * A @ B, "raises"),
        (lambda W, A, B, alpha: W.add_(alpha / len(A) * B @ A), "changes its argument `W` in place"),
    ],
    "13.5": [
        (accuracy, "most of them are O"),
        (word_f1, "F1 of words: count"),
        (lambda t, p: counts(t, p)[0] / counts(t, p)[1], "recall"),
        (lambda t, p: counts(t, p)[0] / counts(t, p)[2], "precision"),
        (mean_of_sentences, "averaged"),
        (lambda t, p: f1(t, p, orphan=False), "must begin an entity"),
        (lambda t, p: f1(t, p, split=False), "must end it"),
        (lambda t, p: f1(t, p, end=False), "ends with the sentence"),
        (in_one_set, "keep the sentences apart"),
        (first_is_lost, "at the beginning of a sentence"),
        (joined, "sentences are joined"),
        (cut_to_the_first, "different lengths"),
        (lambda t, p: f1(t, p, ends=False), "only the beginnings"),
        (lambda t, p: f1(t, p) / 2, "half of it"),
        (lambda t, p: 100 * f1(t, p), "per cent"),
        (lambda t, p: 1 - f1(t, p), "one minus"),
        (lambda t, p: f1(t, p) / (2 - f1(t, p)), "union"),
        (cleared, "changes the lists"),
        (lambda t, p: [f1(t, p)], "must be one number"),
        (0.5, "function `my_entity_f1"),
    ],
}  # fmt: skip
