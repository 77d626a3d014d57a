"""Exercises of 11_gpt."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "11.1",
    hint="A count is worth something once it has been seen several times. With ten times the text, how often has a"
    " context of seven characters been seen? And can a table of the same order still know its own text by heart?",
    solution="""
# Longer contexts are seen often enough to help; no table knows so much text by heart.
answer_1 = {"best order": "rises", "validation nats": "falls", "training nats": "rises"}
""",
    praise="The two losses come closer to each other: that is what more data does to any model.",
)
def answer_1(truth):
    mistakes = {
        "best order falls, validation nats rises, training nats falls": "all three are the wrong way round.",
        "best order falls": "the best order does not fall: with more text a longer context has been seen more often.",
        "best order stays": "the best order does not stay: where counting stops improving depends on the amount of"
        " text, because the counts of long contexts are too thin.",
        "validation nats rises": "the validation loss does not rise: every estimate comes from more counts.",
        "validation nats stays": "the validation loss does not stay: every estimate comes from more counts.",
        "training nats falls": "the training loss does not fall: a context that occurred once had one known successor,"
        " and now it has several.",
        "training nats stays": "the training loss does not stay: contexts that occurred once, and were known by heart,"
        " now occur with several successors.",
    }
    return tasks.Words(("rises", "falls", "stays"), mistakes)


@exercise(
    "11.2",
    hint="The probability of the whole text is a product. Its logarithm is a sum; how many characters share it?",
    solution="""
import math

p = [1 / 2, 1 / 4, 1 / 8, 1 / 8]
answer_2 = -sum(math.log(x) for x in p) / len(p)  # 1.5596 nats, 2.25 bits
""",
    praise="2.25 bits; the perplexity is e to this power, about 4.8 equally likely characters.",
)
def answer_2(truth):
    ln2 = math.log(2)
    mistakes = {
        "nats take the natural logarithm; this has base 2 or 10.": (2.25, 9.0, truth / math.log(10)),
        "this is the whole text, or a part of it; per character it is shared by four.": (9 * ln2, 3 * ln2, 4.5 * ln2),
        "this is a log-probability; the loss is minus its mean.": (-truth, -9 * ln2),
        "this is minus the log of the mean probability; take the mean of the logarithms.": 2 * ln2,
        "this is the perplexity; its logarithm is asked for.": math.exp(truth),
        "this is a probability, of the text or a mean one; the loss is minus the mean of the logarithms.":
            (0.25, 1 / 512, math.exp(-truth)),
        "this is the entropy of the four numbers as if they were one distribution: each is the probability of a"
        " character that came, so each logarithm counts once.": (1.75 * ln2, 1.75),
        "the logarithms are not all counted: ln ½, ln ¼ and twice ln ⅛.": (1.5 * ln2, 6 * ln2),
    }  # fmt: skip
    return tasks.Number(0.01, mistakes, begin="Begin with the first character: -ln ½ = 0.693.", low=0)


@exercise(
    "11.3",
    hint="The logits at place t tell of the character at t + 1. For which places is the answer known, and which logits"
    " have none?",
    solution="""
import torch.nn.functional as F


def my_loss(logits, ids):
    V = logits.shape[-1]  # (B, T, V), and ids (B, T)
    return F.cross_entropy(logits[:, :-1].reshape(-1, V), ids[:, 1:].reshape(-1))
""",
    praise="T - 1 predictions from T characters, each from those before it.",
)
def my_loss(truth):
    import torch

    def ce(logits, ids, how="mean"):
        return torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids, reduction=how)

    def ids(V, *shape):
        return torch.randint(V, shape, generator=torch.Generator("cpu").manual_seed(0), device="cpu")

    cases = [(noise(2, 5, 7), ids(7, 2, 5)), (noise(3, 8, 4, seed=1), ids(4, 3, 8)), (noise(1, 4, 5), ids(5, 1, 4)),
             (noise(2, 3, 2, seed=2), torch.tensor([[0, 1, 1], [1, 0, 0]]))]  # fmt: skip
    mistakes = {
        "the labels are not shifted: the model is asked for the character that it is given, and learns to copy.":
            (ce, lambda x, y: ce(x[:, :-1], y[:, :-1]), lambda x, y: ce(x[:, 1:], y[:, 1:])),
        "the shift goes the wrong way: this asks each place for the character before it.":
            (lambda x, y: ce(x[:, 1:], y[:, :-1]), lambda x, y: ce(x, y.roll(1, 1))),
        "the last place of a text is asked for the first character of one: `roll` wraps around, and after flattening"
        " the shift runs into the next text. It has no answer; leave it out.": (
            lambda x, y: ce(x, y.roll(-1, 1)), lambda x, y: ce(x.flatten(0, 1)[None, :-1], y.flatten()[None, 1:]),
        ),
        "the shift is by two: each place must predict the next character.": lambda x, y: ce(x[:, :-2], y[:, 2:]),
        "a text of T characters has T - 1 predictions: the mean is over those, of all texts.": (
            lambda x, y: ce(x[:, :-1], y[:, 1:], "sum"), lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / len(y),
            lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / y.numel(),
            lambda x, y: ce(x[:, :-1], y[:, 1:], "none").mean(1),
        ),
        "`cross_entropy` takes logits: a softmax before it squeezes them twice.": (
            lambda x, y: ce(x[:, :-1].softmax(-1), y[:, 1:]),
            lambda x, y: -x.softmax(-1)[:, :-1].gather(-1, y[:, 1:, None]).mean(),
            lambda x, y: -x[:, :-1].gather(-1, y[:, 1:, None]).mean(),
        ),
        "only one character of each text is scored; each place makes a prediction.":
            (lambda x, y: ce(x[:, -2:-1], y[:, -1:]), lambda x, y: ce(x[:, :1], y[:, 1:2])),
        "places and symbols are mixed: `cross_entropy` wants the symbols on the second axis; `transpose` swaps, `view`"
        " does not.": lambda x, y: ce(x[:, :-1].reshape(len(x), x.shape[2], -1).transpose(1, 2), y[:, 1:]),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "11.4",
    hint="Take d from each count that is not 0: how many are these, and how much probability is free then? It goes to"
    " the shorter context's estimate. Where nothing was counted, all of it does.",
    solution="""
import torch


def discounted(counts, shorter, d):
    total = counts.sum(dim=1, keepdim=True)  # (B, 1)
    different = (counts > 0).sum(dim=1, keepdim=True)
    p = ((counts - d).clamp(min=0) + d * different * shorter) / total.clamp(min=1)
    return torch.where(total > 0, p, shorter)  # (B, V)
""",
    praise="Absolute discounting, the base of Kneser and Ney's counts.",
)
def discounted(truth):
    def rule(free=lambda c, s, d, C, n: d * n * s, kept=lambda c, d: (c - d).clamp(min=0), over=lambda c, C: C):
        def wrong(c, s, d):
            C, n = c.sum(1, keepdim=True), (c > 0).sum(1, keepdim=True)
            p = (kept(c, d) + free(c, s, d, C, n)) / over(c, C).clamp(min=1e-9)
            return p.where(C > 0, s)

        return wrong

    def case(B, V, d, seed=0, empty=False):
        counts = (noise(B, V, seed=seed) * 3).clamp(min=0).round()
        counts[:, 0] += 2
        counts[1:2] *= not empty
        return counts, noise(B, V, seed=seed + 1).softmax(dim=1), d

    cases = [
        case(3, 6, 0.75),
        case(2, 4, 0.5, seed=2),
        case(4, 5, 0.9, seed=6),
        ([[2.0, 1.0, 0.0]], [[0.2, 0.3, 0.5]], 0.5),
    ]
    unseen = "right where something was counted; a context that was never seen takes the shorter one's estimate."
    mistakes = {
        "the probability that the discount frees goes to the wrong place: it is shared as `shorter` says.": (
            rule(lambda c, s, d, C, n: 0), rule(lambda c, s, d, C, n: d * n / c.shape[1]),
            rule(lambda c, s, d, C, n: d * n * s / s.where(c == 0, 0 * s).sum(1, keepdim=True) * (c == 0)),
            lambda c, s, d: rule(lambda *x: 0)(c, s, d) / rule(lambda *x: 0)(c, s, d).sum(1, keepdim=True),
        ),
        "nothing is taken from the counts, so that the rows do not sum to 1 or unseen symbols get nothing.":
            (lambda c, s, d: rule(lambda *x: 0)(c, s, 0), rule(kept=lambda c, d: c)),
        "d is taken from each of the n different symbols that were counted, so d · n is free: n is neither 1, nor all"
        " counts, nor all symbols, nor those not counted.": (
            rule(lambda c, s, d, C, n: d * s), rule(lambda c, s, d, C, n: d * C * s),
            rule(lambda c, s, d, C, n: d * c.shape[1] * s), rule(lambda c, s, d, C, n: (c.shape[1] - n) * d * s),
            rule(lambda c, s, d, C, n: n * s), rule(lambda c, s, d, C, n: d * (c > 0).sum() * s),
        ),
        "d is taken from symbols with a count of 0 too: their share becomes negative. Cut it off at 0.":
            (rule(kept=lambda c, d: c - d), rule(lambda c, s, d, C, n: d * c.shape[1] * s, lambda c, d: c - d)),
        "this is the rule of Witten and Bell, or like it; take d from each count instead.": (
            rule(lambda c, s, d, C, n: n * s, lambda c, d: c, lambda c, C: C + (c > 0).sum(1, keepdim=True)),
            lambda c, s, d: rule(kept=lambda c, d: c, over=lambda c, C: C + d * (c > 0).sum(1, keepdim=True))(c, s, d),
        ),
        "this mixes by a fixed share d; subtract d from each count instead.": (
            rule(lambda c, s, d, C, n: d * C * s, lambda c, d: (1 - d) * c),
            rule(lambda c, s, d, C, n: (1 - d) * C * s, lambda c, d: d * c),
        ),
        "both parts are divided by the total of the counts c(h).": (
            rule(over=lambda c, C: 1 + 0 * C), rule(lambda c, s, d, C, n: d * n * s * C),
            rule(over=lambda c, C: c.sum() + 0 * C),
        ),
        unseen: (
            lambda c, s, d: truth(c, s, d).where(c.sum(1, keepdim=True) > 0, math.nan * s),
            lambda c, s, d: truth(c, s, d) * (c.sum(1, keepdim=True) > 0),
        ),
    }  # fmt: skip
    edges = {unseen: [([[0.0, 0.0], [1.0, 0.0]], [[0.4, 0.6], [0.5, 0.5]], 0.5), case(3, 5, 0.75, 4, empty=True)]}
    return tasks.Function(cases, mistakes, edges)
