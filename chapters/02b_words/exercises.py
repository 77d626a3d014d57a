"""Exercises of 02b_words."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "02b.1",
    hint="The product is ln P(w, c) − ln P(w) − ln P(c) − ln k, of probabilities. Which of the four moves?",
    solution="""
# ln k is taken off; doubled counts leave probabilities as they are; P(w, c) stands above
answer_1 = {"k": "falls", "corpus": "stays", "together": "rises"}
""",
    praise="PMI − ln k is all there is to say: of probabilities, so that the corpus's size is not in it.",
)
def answer_1(truth):
    mistakes = {
        "k rises, together falls": "the wrong way round: more negatives push down, more meetings pull up.",
        "k rises": "each negative says that a pair is a drawn one: more of them push the logit down.",
        "k stays": "real pairs are now fewer among all that are shown: the odds change, and the logit with them.",
        "corpus rises": "all counts double, also those of the words alone: what happens to the probabilities?",
        "corpus falls": "all counts double, also the pair's own: what happens to the probabilities?",
        "together falls": "the pair is met more often than before, and by chance as often as before.",
        "together stays": "PMI compares the meetings with those by chance; only one of the two has changed.",
    }
    return tasks.Words(("rises", "falls", "stays"), mistakes)


@exercise(
    "02b.2",
    hint="P(w, c) = 8/1,000, P(w) = 20/1,000, P(c) = 50/1,000. PMI is a natural logarithm; then comes ln k.",
    solution="""
from math import log

pmi = log((8 / 1000) / (20 / 1000 * 50 / 1000))  # ln 8: eight times as often as by chance
answer_2 = pmi - log(5)  # ln 1.6 = 0.470
""",
    praise="The logit says: such a pair is 1.6 times as often a real one as one of the five drawn.",
)
def answer_2(truth):
    ln = math.log
    mistakes = {
        "this is PMI; of k negatives ln k is taken off.": ln(8),
        "ln k is taken off, not added.": ln(40),
        "k is inside the logarithm: ln k is taken off, not k itself, and PMI is not divided by k or ln k.":
            (ln(8) - 5, ln(8) / 5, ln(8) / ln(5)),
        "this is without a logarithm.": (1.6, 8.0, 40.0, 0.2, 8 - ln(5), 3.0),
        "this is to base 2 or 10; nats take the natural logarithm.":
            (math.log2(1.6), math.log10(1.6), 3 - ln(5), math.log10(8) - ln(5), math.log10(8), math.log2(8) - 5),
        "chance is P(w) times P(c), both as shares of the 1,000 pairs: here one of them, or the 1,000, is left out.":
            (ln(8 / 20) - ln(5), ln(8 / 50) - ln(5), ln(8 / 1000) - ln(5), ln(8 / 20), ln(8 / 50), ln(8 / 1000),
             ln(0.16 / 20) - ln(5)),
        "the sign is turned: the pair is met more often than by chance, and k is 5.": (-ln(1.6), -ln(8)),
        "this is the probability that such a pair is real; its logit is asked for.": (1.6 / 2.6, 8 / 13),
    }  # fmt: skip
    return tasks.Number(0.0005, mistakes, begin="Begin with how often the two would meet by chance, once in 1,000.")


@exercise(
    "02b.3",
    hint="`counts.sum(dim=1, keepdim=True)` are the words' counts; those of contexts, `counts.sum(dim=0)`, get the"
    " power and are then divided by their sum. ln 0 is −∞, which `clamp(min=0)` makes 0.",
    solution="""
import math


def shifted_ppmi(counts, k, alpha):
    P_wc = counts / counts.sum()
    P_w = P_wc.sum(dim=1, keepdim=True)  # (V, 1)
    P_c = counts.sum(dim=0) ** alpha
    P_c = P_c / P_c.sum()  # (C,)
    return ((P_wc / (P_w * P_c)).log() - math.log(k)).clamp(min=0)
""",
    praise="Shifted PPMI is what Levy and Goldberg put in skip-gram's place: no training, and zeros that need no room.",
)
def shifted_ppmi(truth):
    import torch

    def made(n, k, alpha, rows=None, cols=None, sum_c=True, cut=True, shift=True, log=torch.log):
        """Shifted PPMI, with a part left out or another."""
        P = n / n.sum()
        P_w = P.sum(1, keepdim=True) if rows is None else rows(P)
        P_c = n.sum(0) ** alpha if cols is None else cols(n)
        P_c = P_c / P_c.sum() if sum_c else P_c
        x = log(P / (P_w * P_c)) - (math.log(k) if shift else 0)
        return x.clamp(min=0) if cut else x

    def table(*shape, seed):
        x = (3 * noise(*shape, seed=seed).abs()).round().float()
        x[:, 0] += 1
        x[0] += 1
        return x

    cases = [
        (table(3, 4, seed=1), 1.0, 0.75),
        (table(4, 3, seed=2), 0.5, 0.5),
        (table(5, 5, seed=3), 0.01, 0.75),
        (table(2, 6, seed=4), 0.6, 1.0),
        (torch.eye(6) * 4 + 1, 2.0, 0.5),
    ]
    mistakes = {
        "ln k is taken off: it is not left out, added, or k itself.": (
            lambda n, k, a: made(n, k, a, shift=False),
            lambda n, k, a: made(n, 1 / k, a),
            lambda n, k, a: (made(n, 1, a, cut=False) - k).clamp(min=0),
            lambda n, k, a: (made(n, 1, a, cut=False) / k).clamp(min=0),
        ),
        "k is taken off before values below 0 are cut, not after.": (
            lambda n, k, a: made(n, 1, a) - math.log(k),
            lambda n, k, a: (made(n, 1, a) - math.log(k)).clamp(min=0),
            lambda n, k, a: torch.where(made(n, 1, a, cut=False) > 0, made(n, k, a, cut=False), 0.0),
            lambda n, k, a: torch.where(made(n, 1, a, cut=False) > 0, made(n, k, a), 0.0),
        ),
        "values below 0, and −∞ of what never occurs, are set to 0; here some are left.": (
            lambda n, k, a: made(n, k, a, cut=False),
            lambda n, k, a: torch.where(n > 0, made(n, k, a, cut=False), 0.0),
            lambda n, k, a: made(n, k, a, cut=False).abs(),
        ),
        "contexts are smoothed: their counts get the power alpha.": (
            lambda n, k, a: made(n, k, 1.0), lambda n, k, a: made(n, k, 1 / a), lambda n, k, a: made(n, k, -a),
        ),
        "only the contexts are smoothed: not the words, and not the pairs.": (
            lambda n, k, a: made(n, k, 1.0, rows=lambda P: (r := P.sum(1, keepdim=True) ** a) / r.sum()),
            lambda n, k, a: made(n, k, a, rows=lambda P: (r := P.sum(1, keepdim=True) ** a) / r.sum()),
            lambda n, k, a: made(n, k, 1.0, cols=lambda n: (n**a).sum(0)),
            lambda n, k, a: made(n**a, k, 1.0), lambda n, k, a: made(n**a, k, a),
        ),
        "after the power the contexts' shares must sum to 1 again: divide by their sum.": (
            lambda n, k, a: made(n, k, a, sum_c=False),
            lambda n, k, a: made(n, k, a, cols=lambda n: (n.sum(0) / n.sum()) ** a, sum_c=False),
            lambda n, k, a: made(n, k, a, cols=lambda n: n.sum(0) ** a / n.sum(), sum_c=False),
        ),
        "words are in rows, contexts in columns; chance is the product of both shares, each a sum over an axis.":
        (
            lambda n, k, a: made(n, k, a, rows=lambda P: 1.0),
            lambda n, k, a: made(n, k, a, cols=lambda n: n[0] * 0 + 1),
            lambda n, k, a: made(n, k, a, rows=lambda P: P.mean(1, keepdim=True)),
        ),
        "this is without the logarithm, or with another base; nats take the natural one.": (
            lambda n, k, a: made(n, k, a, log=torch.log2), lambda n, k, a: made(n, k, a, log=torch.log10),
            lambda n, k, a: made(n, 1, a, log=lambda x: x) / k, lambda n, k, a: made(n, k, a, log=torch.log1p),
            lambda n, k, a: made(n, 1, a, log=lambda x: x),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "02b.4",
    hint="`(w * c).sum(dim=1)` are the products of the pairs; those of negatives need `w[:, None]`. `F.logsigmoid` is"
    " finite where `sigmoid` is 0.",
    solution="""
import torch.nn.functional as F


def drawn_loss(w, c, negatives):
    real = F.logsigmoid((w * c).sum(dim=1))  # (B,)
    drawn = F.logsigmoid(-(w[:, None] * negatives).sum(dim=2)).sum(dim=1)  # (B,)
    return -(real + drawn).mean()
""",
    praise="Its mean over all draws is section 1's loss; word2vec takes a step after each pair.",
)
def drawn_loss(truth):
    import torch
    import torch.nn.functional as F

    ls = F.logsigmoid

    def real(w, c):
        return (w * c).sum(1)

    def drawn(w, n):
        return (w[:, None] * n).sum(2)  # (B, K)

    def case(B, K, D, seed, size=1.0):
        return tuple(size * noise(*shape, seed=seed + i).float() for i, shape in enumerate([(B, D), (B, D), (B, K, D)]))

    huge = (torch.tensor([[40.0, 0.0]]), torch.tensor([[-25.0, 1.0]]), torch.tensor([[[25.0, 0.0], [1.0, 1.0]]]))
    cases = [case(4, 5, 3, 1), case(3, 2, 6, 11, 0.7), case(2, 3, 4, 21), case(5, 1, 2, 31), case(1, 4, 3, 41)]
    stable = "dot products may be large: ln of a sigmoid that has become 0 is −∞; `F.logsigmoid` is right there, too."
    mistakes = {
        "negatives are drawn pairs: the logit counts against them, so its sign is turned inside the sigmoid.": (
            lambda w, c, n: -(ls(real(w, c)) + ls(drawn(w, n)).sum(1)).mean(),
            lambda w, c, n: -(ls(real(w, c)) - ls(drawn(w, n)).sum(1)).mean(),
        ),
        "each negative of a pair counts in full: they are added up, not averaged, and none is left out.": (
            lambda w, c, n: -(ls(real(w, c)) + ls(-drawn(w, n)).mean(1)).mean(),
            lambda w, c, n: -(ls(real(w, c)) + ls(-drawn(w, n)).mean()).mean(),
            lambda w, c, n: -(ls(real(w, c)) + ls(-drawn(w, n))[:, 0]).mean(),
            lambda w, c, n: -(ls(real(w, c)).sum() + ls(-drawn(w, n)).sum()) / (len(w) * (1 + n.shape[1])),
        ),
        "the mean goes over the pairs; here they are added up, or each has its own.": (
            lambda w, c, n: -(ls(real(w, c)) + ls(-drawn(w, n)).sum(1)).sum(),
            lambda w, c, n: -(ls(real(w, c)) + ls(-drawn(w, n)).sum(1)),
            lambda w, c, n: -(ls(real(w, c)).mean() + ls(-drawn(w, n)).sum()),
        ),
        "real pairs and negatives both belong to the loss, each with the logarithm of a sigmoid.": (
            lambda w, c, n: -ls(real(w, c)).mean(), lambda w, c, n: -ls(-drawn(w, n)).sum(1).mean(),
            lambda w, c, n: -(real(w, c).sigmoid() + (-drawn(w, n)).sigmoid().sum(1)).mean(),
            lambda w, c, n: -(real(w, c) - drawn(w, n).sum(1)).mean(),
        ),
        "each negative has a product, and a sigmoid, of its own: first these, then the sum.": (
            lambda w, c, n: -(ls(real(w, c)) + ls(-drawn(w, n).sum(1))).mean(),
            lambda w, c, n: -(ls(real(w, c)) + ls(-drawn(w, n).mean(1))).mean(),
            lambda w, c, n: -(ls(real(w, c)) + n.shape[1] * ls(-drawn(w, n).mean(1))).mean(),
        ),
        "each negative goes with w, not with c.": (
            lambda w, c, n: -(ls(real(w, c)) + ls(-drawn(c, n)).sum(1)).mean(),
        ),
        "this is a softmax over the candidates; here each pair is judged by itself, by a sigmoid.": (
            lambda w, c, n: -(torch.cat([real(w, c)[:, None], drawn(w, n)], 1).log_softmax(1)[:, 0]).mean(),
        ),
        stable: lambda w, c, n: -(real(w, c).sigmoid().log() + (1 - drawn(w, n).sigmoid()).log().sum(1)).mean(),
    }  # fmt: skip
    return tasks.Function(cases, mistakes, edges={stable: [huge, (-huge[0], *huge[1:])]})


@exercise(
    "02b.5",
    hint="For each distance from 1 to `window`, `ids[:-distance]` and `ids[distance:]` are the pairs. Each pair counts"
    " in both directions.",
    solution="""
import torch


def company(ids, V, window):
    table = torch.zeros(V, V)
    for i, a in enumerate(ids.tolist()):
        for j, b in enumerate(ids.tolist()):
            if i != j and abs(i - j) <= window:
                table[a, b] += 1
    return table
""",
    praise="A word that stands twice in a window is its own company: on the diagonal it counts both ways, too.",
)
def company(truth):
    import torch

    def made(ids, V, window, first=1, beyond=0, both=True, weight=lambda d: 1.0, keep=lambda a, b: True):
        """The counts, with a part left out or another."""
        counts, ids = torch.zeros(V, V), ids.tolist()
        for i, a in enumerate(ids):
            for j, b in enumerate(ids):
                d = abs(i - j)
                if first <= d <= window + beyond and (both is True or (j > i) == (both == "after")) and keep(a, b):
                    counts[a, b] += weight(d)
        return counts

    def taken(places):
        """For the i-th of T, the words at places(i, window, T), whatever these are."""

        def wrong(ids, V, window):
            counts = torch.zeros(V, V)
            for i in range(len(ids)):
                for j in places(i, window, len(ids)):
                    counts[ids[i], ids[j]] += 1
            return counts

        return wrong

    def beside(i, w):
        return [*range(i - w, i), *range(i + 1, i + w + 1)]

    def assigned(ids, V, window):
        counts = torch.zeros(V, V)
        for d in range(1, window + 1):
            counts[ids[:-d], ids[d:]] += 1
            counts[ids[d:], ids[:-d]] += 1
        return counts

    def ids(*places):
        return torch.tensor(places, device="cpu")

    cases = [
        (ids(0, 1, 2, 3, 1), 4, 2),
        (ids(2, 0, 2, 1, 1, 0, 3), 5, 1),
        (ids(4, 4, 1, 0, 2, 4, 3, 0), 5, 3),
        (ids(1, 0, 1, 0, 2, 2), 3, 2),
        (ids(0, 1), 2, 5),
        (ids(1, 2, 2, 1, 0, 1), 4, 2),
    ]
    mistakes = {
        "the window goes to both sides; here only one is counted.": (
            lambda i, V, w: made(i, V, w, both="after"), lambda i, V, w: made(i, V, w, both="before"),
        ),
        "a word is not its own company where it stands: distance 0 does not count.":
            lambda i, V, w: made(i, V, w, first=0),
        "the text ends at both ends: a place below 0 or behind the last is nobody's, not the other end's.": (
            taken(lambda i, w, T: [j % T for j in beside(i, w)]),
            taken(lambda i, w, T: [j for j in beside(i, w) if -T <= j < T]),
            taken(lambda i, w, T: [*range(T)[i - w : i], *range(T)[i + 1 : i + 1 + w]]),
            lambda i, V, w: (n := taken(lambda i, w, T: range(T)[i - w : i + w + 1])(i, V, w)) - n.diag().diag(),
        ),
        "another occurrence of a word counts, too: the diagonal is not 0.":
            lambda i, V, w: made(i, V, w, keep=lambda a, b: a != b),
        "all distances from 1 up to and with `window` count: not one fewer, one more, or the last alone.": (
            lambda i, V, w: made(i, V, w, beyond=-1), lambda i, V, w: made(i, V, w, beyond=1),
            lambda i, V, w: made(i, V, w, first=w), lambda i, V, w: made(i, V, 1), lambda i, V, w: made(i, V, 99),
        ),
        "each meeting counts: a pair that met twice has 2, not 1; with tensors `counts[a, b] += 1` loses some"
        " (loop, or `index_put_` with `accumulate`).": (
            lambda i, V, w: made(i, V, w).clamp(max=1), assigned,
        ),
        "counts are asked for, near and far within the window alike, 1 each: no weights, no shares.": (
            lambda i, V, w: made(i, V, w, weight=lambda d: 1 / d),
            lambda i, V, w: made(i, V, w, weight=lambda d: (w + 1 - d) / w),
            lambda i, V, w: made(i, V, w) / made(i, V, w).sum(),
            lambda i, V, w: made(i, V, w) / made(i, V, w).sum(1, keepdim=True).clamp(min=1),
        ),
        "a pair counts once in each direction; here twice, or half, also on the diagonal alone.": (
            lambda i, V, w: 2 * made(i, V, w), lambda i, V, w: made(i, V, w) + made(i, V, w).diag().diag(),
            lambda i, V, w: made(i, V, w) - made(i, V, w).diag().diag() / 2,
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
