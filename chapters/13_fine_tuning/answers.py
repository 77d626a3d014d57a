"""Right and wrong answers of chapter 13, for tests/test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F


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


def reattached(logits, ids, answer):
    return torch.tensor(with_ignore_index(logits, ids, answer).item(), requires_grad=True)


def half_detached(logits, ids, answer):
    nats = logits.logsumexp(-1).detach()[:, :-1] - logits[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    return nats[answer[:, 1:]].mean()


def in_numpy(logits, ids, answer):
    return nats_of(torch.tensor(logits.numpy()), ids)[answer[:, 1:]].mean()


RIGHT = {
    "13.1": [
        {"lead": "Shrinks", "adapter": " stays "},
        {"adapter": "STAYS.", "lead": "shrinks.", "why": "shapes"},
        {"lead": "\nshrinks", "adapter": "'stays'"},
        {"lead": "“Shrinks”", "adapter": "stays\t"},
    ],
    "13.2": [
        15_360,
        15_360.0,
        "15360",
        np.int64(15_360),
        torch.tensor(15_360),
        4 * (768 + 3_072),
        "15,360",
        "15,360 weights",
        "15360.0",
        "= 15,360",
        np.float32(15360),
    ],
    "13.3": [
        with_ignore_index,
        in_loops,
        lambda logits, ids, answer: nats_of(logits, ids)[answer[:, 1:]].mean(),
        lambda logits, ids, answer: F.cross_entropy(logits[:, :-1][answer[:, 1:]], ids[:, 1:][answer[:, 1:]]),
        lambda x, i, a: -(x[:, :-1].log_softmax(-1) * F.one_hot(i[:, 1:], x.shape[-1])).sum(-1)[a[:, 1:]].mean(),
        lambda x, i, a: (
            F.nll_loss(x[:, :-1].log_softmax(-1).mT, i[:, 1:], reduction="none") * a[:, 1:] / a[:, 1:].sum()
        ).sum(),
        lambda x, i, a: torch.stack(
            [F.cross_entropy(x[b, t - 1], i[b, t]) for b, t in a.nonzero().tolist() if t]
        ).mean(),
    ],
    "13.4": [
        lambda W, A, B, alpha: W + (alpha / len(A)) * (B @ A),
        lambda W, A, B, alpha: torch.addmm(W, B, A, alpha=alpha / B.shape[1]),
        lambda W, A, B, alpha: np.asarray(W) + alpha * np.asarray(B) @ np.asarray(A) / len(A),
        lambda W, A, B, alpha: W + torch.einsum("or,ri->oi", B, A) * alpha / A.size(0),
        lambda W, A, B, alpha: torch.stack([(W + alpha * (B @ A) / A.shape[0]) @ e for e in torch.eye(W.shape[1])], 1),
        lambda W, A, B, alpha: W + sum(alpha / len(A) * torch.outer(b, a) for a, b in zip(A, B.T, strict=True)),
        lambda W, A, B, alpha: torch.lerp(W, W + B @ A, alpha / len(A)),
        lambda W, A, B, alpha: [
            [
                float(W[o, i]) + alpha / len(A) * sum(float(B[o, r] * A[r, i]) for r in range(len(A)))
                for i in range(W.shape[1])
            ]
            for o in range(len(W))
        ],
    ],
}

WRONG = {
    "13.1": [
        ({"lead": "grows", "adapter": "grows"}, "more to gain.*same matrices"),
        ({"lead": "stays", "adapter": "grows"}, "few examples do not give.*And.*same matrices"),
        ({"lead": "grows", "adapter": "shrinks"}, "more to gain.*And nothing in r"),
        ({"lead": "falls", "adapter": "stays"}, 'must be "grows", "shrinks" or "stays"'),
        ({"lead": 0, "adapter": 1}, 'must be "grows", "shrinks" or "stays"'),
        (["shrinks", "stays"], "must be a dict"),
        ({"lead": "shrinks"}, "must be a dict"),
    ],
    "13.2": [
        ("2,359,296", "layer itself"),
        (3_072, "this is A alone"),
        ("12,288", "B alone"),
        (30_720, "rank is 4 here"),
        (15_300, "larger than 15,300"),
        (1_000, "larger than 1,000"),
        (10**6, "smaller than"),
        (math.nan, "finite"),
        ("many", "must be one number"),
        (-15_360, "never negative"),
    ],
    "13.3": [
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean().detach(), "no gradient leads"),
        (
            lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean().detach().requires_grad_(),
            "no gradient reaches",
        ),
        (reattached, "no gradient reaches"),
        (in_numpy, "numpy"),
        (half_detached, "not the gradient that"),
        (lambda x, i, a: nats_of(x, i) * a[:, 1:], "the sum over the answers is divided by the"),
        (3, "the answer must be the function"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean() / math.log(2), "bits"),
        (lambda x, i, a: -nats_of(x, i)[a[:, 1:]].mean(), "minus"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].mean().exp(), "this is the exponential of what is due"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].median(), "not the median"),
        (lambda x, i, a: nats_of(x[:1], i[:1])[a[:1, 1:]].mean(), "or only a part is scored"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:] & ~a[:, :-1]].mean(), "or only a part is scored"),
        (lambda x, i, a: (nats_of(x, i) * a[:, 1:]).sum() / a.sum(), "right unless an answer starts at the first"),
        (lambda x, i, a: F.cross_entropy(x[a], i[a]), "the logits are not shifted"),
        (lambda x, i, a: F.cross_entropy(x[:, :-1].flatten(0, 1), (i * a)[:, 1:].flatten()), "sets ids or logits to 0"),
        (lambda x, i, a: F.cross_entropy((x * a[..., None])[:, :-1].mT, i[:, 1:]), "sets ids or logits to 0"),
        (lambda x, i, a: F.cross_entropy(x[:, :-1].mT, (i * a)[:, 1:], ignore_index=0), "0 is an id like others"),
        (lambda x, i, a: nats_of(x, i)[a[:, 1:]].max(), "it returns"),
        (lambda x, i, a: nats_of(x, i)[a[:, :-1]].mean(), "the mask is that of the places"),
        (lambda x, i, a: nats_of(x, i)[~a[:, 1:]].mean(), "turned round"),
        (lambda x, i, a: F.cross_entropy(x[a][:-1], i[a][1:]), "after the answer's tokens are picked"),
        (lambda x, i, a: F.nll_loss(x[:, :-1].log_softmax(1)[a[:, 1:]], i[:, 1:][a[:, 1:]]), "over the vocabulary"),
        (lambda x, i, a: ((nats_of(x, i) * a[:, :-1]).sum(1) / a[:, :-1].sum(1)).mean(), "the mask is that of"),
        (lambda x, i, a: torch.stack([unshifted(*row) for row in zip(x, i, a, strict=True)]).mean(), "not shifted"),
    ],
    "13.4": [
        (lambda W, A, B, alpha: W + alpha / len(A) * A @ B, "A B"),
        (lambda W, A, B, alpha: W.add_(alpha / len(A) * B @ A), "in place"),
        (lambda W, A, B, alpha: (W + alpha / len(A) * B @ A).T, "transposed"),
        (
            lambda W, A, B, alpha: W + alpha / torch.linalg.matrix_rank(B @ A) * B @ A,
            "do not measure it",
        ),
        (lambda W, A, B, alpha: W + alpha / len(A) * (B @ A).abs(), "not the whole of B A"),
        (lambda W, A, B, alpha: W + alpha / 4 * B @ A, "alpha is divided by something else"),
        (lambda W, A, B, alpha: W + 0.5 * alpha / len(A) * B @ A, "alpha is divided by something else"),
        (lambda W, A, B, alpha: (W + alpha / len(A) * B @ A) / 2, "every value is half of what is due"),
        (lambda W, A, B, alpha: W + alpha / len(A) * B.mean() * A.mean(), "not the whole of B A"),
        (lambda W, A, B, alpha: W + alpha / len(A) * (A.T @ B.T).reshape(W.shape), "not the whole of B A"),
        (lambda W, A, B, alpha: W + alpha / (len(A) + 1) * B @ A, "alpha is divided by something else"),
        (lambda W, A, B: W + B @ A, "raises `TypeError"),
        (lambda W, A, B, alpha: W * (alpha / len(A) * B @ A), "does not multiply W"),
        (lambda W, A, B, alpha: W + alpha / min(W.shape) * B @ A, "alpha is divided by something else"),
        (lambda W, A, B, alpha: W + alpha / len(A) * B[:, :1] @ A[:1], "not the whole of B A"),
        (lambda W, A, B, alpha: W + (alpha / len(A)) ** 0.5 * B @ A, "no root is taken here"),
        (lambda W, A, B, alpha: W + alpha / len(A) * B.exp() @ A, "it returns"),
    ],
}
