"""Exercises of 13_fine_tuning."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "13.1",
    hint="With few examples, what can a network from scratch know of words and of copying? With many, where can it get"
    " that from? And an adapter is two matrices a layer: which numbers set their shapes?",
    solution="""
# Many examples teach the network from scratch what the other knew.
# The shapes of an adapter do not depend on the data.
answer_1 = {"lead": "shrinks", "adapter": "stays"}
""",
    praise="On E2E thousands of examples give a part of what pre-training gave; rank and layers set an adapter's size.",
)
def answer_1(truth):
    mistakes = {
        "lead stays, adapter shrinks": "the two are the wrong way round: which of them depends on the data?",
        "lead grows": "with more examples both get better, but the one from scratch has more to gain: it can learn from"
        " them what the other one brought along.",
        "lead stays": "the lead is what few examples do not give; many examples give a part of it.",
        "adapter grows": "more examples train the same matrices for longer: the adapter has r (d_in + d_out) weights a"
        " layer, whatever the data.",
        "adapter shrinks": "nothing in r (d_in + d_out) depends on the number of examples.",
    }
    return tasks.Words(("grows", "shrinks", "stays"), mistakes)


@exercise(
    "13.2",
    hint="A takes 768 features to r, B takes r to 3,072. How many numbers does each hold? W itself does not learn.",
    solution="""
answer_2 = 4 * 768 + 3_072 * 4  # A is (4, 768) and B is (3072, 4): 15,360 weights
""",
    praise="15,360 weights, 0.65 % of the 2,359,296 in the layer's own matrix.",
)
def answer_2(truth):
    layer = 768 * 3072
    mistakes = {
        "the layer itself is counted; it is frozen.": (layer, layer + 3072, layer + truth, layer + 3072 + truth),
        "this is A alone; B learns as well.": 4 * 768,
        "this is B alone; A learns as well.": 4 * 3072,
        "a bias is counted; LoRA adds none, and the layer's own is frozen.": (truth + 3072, truth + 4, truth + 3076),
        "the rank is missing, or there twice (or these are bytes): each matrix has it once.": (768 + 3072, 4 * truth),
        "the rank is 4 here (the notebook's is 8), and each weight counts once.": (2 * truth, truth // 2, 3 * truth),
        "add the sizes of A and B, do not multiply them: r (d_in + d_out).": (4 * layer, 16 * layer),
        "A starts from 768 features, and B goes to 3,072; there is no matrix between them.":
            (4 * (768 + 768), 4 * (3072 + 3072), truth + 16),
    }  # fmt: skip
    return tasks.Number(0, mistakes, begin="Write down the shapes of A and B; a number of weights is exact.", low=0)


@exercise(
    "13.3",
    hint="logits[:, :-1] are about ids[:, 1:], and answer[:, 1:] says which of those count."
    ' `F.cross_entropy(…, reduction="none")` wants the classes on the second axis. Divide by the number that counts.',
    solution="""
import torch.nn.functional as F


def my_answer_loss(logits, ids, answer):
    logits = logits[:, :-1].transpose(1, 2)                            # (B, V, T - 1)
    nats = F.cross_entropy(logits, ids[:, 1:], reduction="none")       # (B, T - 1)
    due = answer[:, 1:]
    return (nats * due).sum() / due.sum()
""",
    praise="Only what the model has to write costs, and each output is judged by the token after it.",
)
def my_answer_loss(truth):
    import torch

    def nats(x, i):  # (B, T)
        return torch.nn.functional.cross_entropy(x.transpose(1, 2), i, reduction="none")

    def of(rule):  # a rule for the nats of the places with a target, their mask, and that of the places themselves
        return lambda x, i, a: rule(nats(x[:, :-1], i[:, 1:]), a[:, 1:], a[:, :-1])

    def case(T, V, starts, ends, seed=0):
        ids = (noise(len(starts), T, seed=seed + 1) * 1000).long() % V
        mask = (torch.arange(T) >= torch.tensor(starts)[:, None]) & (torch.arange(T) < torch.tensor(ends)[:, None])
        return 2 * noise(len(starts), T, V, seed=seed), ids, mask

    cases = [case(9, 7, [3, 5, 2], [9, 8, 6]), case(12, 5, [6, 2, 9, 4], [12, 7, 11, 12], 3),
             case(6, 4, [5, 1], [6, 6], 7), case(5, 3, [2], [4], 9)]  # fmt: skip
    first = (
        "right unless an answer starts at the first token, which nothing predicts: it does not count. Shift the mask"
    )
    first += " and the logits before you flatten."
    mistakes = {
        "the logits are not shifted: the output at place t is about token t + 1, not t.": (
            lambda x, i, a: nats(x, i)[a].mean(), lambda x, i, a: nats(x, i).mean(),
            lambda x, i, a: nats(x[:, 1:], i[:, 1:])[a[:, 1:]].mean(), lambda x, i, a: nats(x, i)[a].sum(),
            lambda x, i, a: ((nats(x, i) * a).sum(1) / a.sum(1)).mean(),
        ),
        "the prompt and the padding cost too: the mask is not used, or it sets ids or logits to 0, which then cost. It"
        " is the nats that it picks.": (
            of(lambda n, due, here: n.mean()), lambda x, i, a: nats(x[:, :-1], (i * a)[:, 1:]).mean(),
            lambda x, i, a: nats((x * a[..., None])[:, :-1], i[:, 1:]).mean(),
            lambda x, i, a: nats(x[:, :-1] * a[:, 1:, None], i[:, 1:]).mean(),
            lambda x, i, a: nats((x * a[..., None])[:, :-1], (i * a)[:, 1:]).mean(),
        ),
        "the mask is that of the places, or it is turned round; it belongs to the targets, so it is shifted with them.":
            (of(lambda n, due, here: n[here].mean()), of(lambda n, due, here: n[~due].mean()),
             of(lambda n, due, here: ((n * here).sum(1) / here.sum(1)).mean()),
             of(lambda n, due, here: n[~here].mean())),
        "the sum over the answers is divided by the number of answer tokens, of all sequences; and it is the mean, not"
        " the median.": (
            of(lambda n, due, here: (n * due).mean()), of(lambda n, due, here: n[due].sum()),
            of(lambda n, due, here: (n * due).sum() / len(n)),
            lambda x, i, a: truth(x, i, a) * a[:, 1:].sum() / i.numel(),
            of(lambda n, due, here: n[due].median()), of(lambda n, due, here: n[due].quantile(0.5)),
        ),
        "each sequence is averaged first, so that a token of a short answer counts more, or only a part is scored; take"
        " the mean over all answer tokens (0 is an id like others).": (
            lambda x, i, a: nats(x[:, :-1], i[:, 1:])[(i * a)[:, 1:] > 0].mean(),
            of(lambda n, due, here: ((n * due).sum(1) / due.sum(1)).mean()),
            of(lambda n, due, here: n[:1][due[:1]].mean()), of(lambda n, due, here: n[due & ~here].mean()),
            of(lambda n, due, here: n[due & here].mean()),
            of(lambda n, due, here: n[due & (due.flip(1).cumsum(1).flip(1) == 1)].mean()),
            of(lambda n, due, here: n[due & (due.flip(1).cumsum(1).flip(1) > 1)].mean()),
        ),
        "the logarithm of the softmax is taken once, over the vocabulary: `F.cross_entropy` does it itself.": (
            lambda x, i, a: truth(x.softmax(-1), i, a), of(lambda n, due, here: (-n).exp()[due].mean()),
            lambda x, i, a: -x[:, :-1].log_softmax(1).gather(-1, i[:, 1:, None])[..., 0][a[:, 1:]].mean(),
            lambda x, i, a: -x.log_softmax(1)[:, :-1].gather(-1, i[:, 1:, None])[..., 0][a[:, 1:]].mean(),
            lambda x, i, a: truth(x.log_softmax(1), i, a), lambda x, i, a: truth(x.softmax(1), i, a),
            lambda x, i, a: -x[:, :-1].gather(-1, i[:, 1:, None])[..., 0][a[:, 1:]].mean(),
            lambda x, i, a: nats(x[:, :-1].reshape(len(x), x.shape[2], -1).mT, i[:, 1:])[a[:, 1:]].mean(),
        ),
        "the shift goes the wrong way, is by two, or comes after the answer's tokens are picked: the output at t is"
        " about token t + 1.": (
            lambda x, i, a: nats(x[a][None, :-1], i[a][None, 1:]).mean(),
            lambda x, i, a: nats(x[:, :-2], i[:, 2:])[a[:, 2:]].mean(),
            lambda x, i, a: nats(x[:, 1:], i[:, :-1])[a[:, :-1]].mean(),
            lambda x, i, a: nats(x[:, 1:], i[:, :-1])[a[:, 1:]].mean(),
        ),
        first: (
            lambda x, i, a: (nats(x[:, :-1], i[:, 1:]) * a[:, 1:]).sum() / a.sum(),
            lambda x, i, a: nats(x.flatten(0, 1)[None, :-1], i.flatten()[None, 1:])[a.flatten()[None, 1:]].mean(),
        ),
    }  # fmt: skip
    edges = {first: [case(6, 4, [0, 2], [3, 6], 11), case(4, 3, [0, 0], [4, 2], 15)]}
    return tasks.Function(cases, mistakes, edges, gradients={"logits": ""})


@exercise(
    "13.4",
    hint="B A has the shape of W: which of the two products of A and B is that? The rank is the number of A's rows.",
    solution="""
def merge(W, A, B, alpha):
    return W + alpha / A.shape[0] * B @ A  # (out, in)
""",
    praise="One matrix product once, and the layer is as quick as it was before the adapter.",
)
def merge(truth):
    import torch

    def case(n_out, n_in, rank, alpha, seed=0):
        return noise(n_out, n_in, seed=seed), noise(rank, n_in, seed=seed + 1), noise(n_out, rank, seed=seed + 2), alpha

    cases = [case(7, 5, 2, 6.0), case(4, 6, 3, 16.0, 4), case(5, 5, 4, 2.0, 8), case(2, 2, 1, 0.0, 12),
             ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [0.0, 1.0]], [[1.0, 3.0], [1.0, 0.0]], 4)]  # fmt: skip
    still = "the rank is A's number of rows, also where B is 0 or rows of A are alike: do not measure it."
    mistakes = {
        "the scale is missing: alpha / r.": lambda W, A, B, alpha: W + B @ A,
        "alpha is divided by the rank, the number of A's rows; here it is not, is missing or is turned upside down.": (
            lambda W, A, B, alpha: W + alpha * B @ A, lambda W, A, B, alpha: W + B @ A / len(A),
            lambda W, A, B, alpha: W + alpha * len(A) * B @ A,
            lambda W, A, B, alpha: W + len(A) / alpha * B @ A if alpha else W + math.inf * B @ A,
        ),
        "alpha is divided by something else, or loses its decimals; the rank is the axis that A and B share.": (
            lambda W, A, B, alpha: W + alpha / A.shape[1] * B @ A, lambda W, A, B, alpha: W + alpha / len(B) * B @ A,
            lambda W, A, B, alpha: W + alpha / 8 * B @ A, lambda W, A, B, alpha: W + alpha // len(A) * B @ A,
            lambda W, A, B, alpha: W + round(alpha / len(A)) * B @ A,
            lambda W, A, B, alpha: W + alpha / 4 * B @ A, lambda W, A, B, alpha: W + alpha / 16 * B @ A,
            lambda W, A, B, alpha: W + alpha / 2 * B @ A, lambda W, A, B, alpha: W + alpha / (len(A) + 1) * B @ A,
            lambda W, A, B, alpha: W + alpha / (2 * len(A)) * B @ A,
            lambda W, A, B, alpha: W + alpha / len(A) ** 2 * B @ A,
            lambda W, A, B, alpha: W + alpha / min(W.shape) * B @ A,
            lambda W, A, B, alpha: W + alpha / max(W.shape) * B @ A,
        ),
        "no root is taken here: dividing by the root of the rank is another method, rank-stabilised LoRA.": (
            lambda W, A, B, alpha: W + alpha / len(A) ** 0.5 * B @ A,
            lambda W, A, B, alpha: W + (alpha / len(A)) ** 0.5 * B @ A,
            lambda W, A, B, alpha: W + alpha**0.5 / len(A) * B @ A,
        ),
        "this is what is added, or a part of it; W itself is missing.": (
            lambda W, A, B, alpha: alpha / len(A) * B @ A, lambda W, A, B, alpha: B @ A,
            lambda W, A, B, alpha: alpha * B @ A, lambda W, A, B, alpha: W,
        ),
        "the product is added to W, once: it is not subtracted, does not multiply W, and the scale is its own.": (
            lambda W, A, B, alpha: 2 * W - truth(W, A, B, alpha), lambda W, A, B, alpha: (W + B @ A) * alpha / len(A),
            lambda W, A, B, alpha: W * alpha / len(A) + B @ A,
            lambda W, A, B, alpha: W * truth(0 * W + 1, A, B, alpha), lambda W, A, B, alpha: W * truth(0, A, B, alpha),
            lambda W, A, B, alpha: W + (alpha / len(A)) ** 2 * B @ A,
        ),
        "this is not the whole of B A: the product sums over all r rows of A, with B's columns in their order.": (
            lambda W, A, B, alpha: W + alpha / len(A) * B[:, :1] @ A[:1],
            lambda W, A, B, alpha: W + alpha / len(A) * B[:, -1:] @ A[-1:],
            lambda W, A, B, alpha: W + alpha / len(A) * B.mean(1, keepdim=True) * A.mean(0),
            lambda W, A, B, alpha: W + alpha / len(A) * B.sum(1, keepdim=True) * A.sum(0),
            lambda W, A, B, alpha: W + alpha / len(A) * B.mean() * A.mean(),
            lambda W, A, B, alpha: W + alpha / len(A) * (A.T @ B.T).reshape(W.shape),
            lambda W, A, B, alpha: W + alpha / len(A) * B @ A.flip(0),
            lambda W, A, B, alpha: W + alpha / len(A) * B.reshape(len(A), -1).T @ A,
            lambda W, A, B, alpha: W + alpha / len(A) * B @ A.reshape(-1, len(A)).T,
            lambda W, A, B, alpha: W + alpha / len(A) * (B @ A).abs(),
        ),
        still: lambda W, A, B, alpha: W + alpha / torch.linalg.matrix_rank(A) * B @ A,
    }  # fmt: skip
    W, A, B, _ = case(3, 4, 2, 6.0, 16)
    twice = A[:1].repeat(2, 1)
    return tasks.Function(
        cases, mistakes, edges={still: [(W, A, 0 * B, 6.0), (W, twice, B, 6.0), (W, A, B @ B.T @ B, 6.0)]}
    )
