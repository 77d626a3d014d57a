"""Exercises of 11_gpt."""

import math
import re

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import Wrong, exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "11.1",
    hint="A count is worth something once it has been seen several times. With ten times the text, how often has a"
    " context of seven characters been seen? And can a table of the same order still know its own text by heart?",
    solution="""
# Contexts are seen often enough to help; no table knows so much text by heart.
answer_1 = {"validation nats": "falls", "training nats": "rises"}
""",
    praise="The two losses come closer to each other: that is what more data does to any model.",
)
def answer_1(truth):
    mistakes = {
        "validation nats rises, training nats falls": "both are the wrong way round.",
        "validation nats rises": "the validation loss does not rise: every estimate comes from more counts.",
        "validation nats stays": "the validation loss does not stay: every estimate comes from more counts.",
        "training nats falls": "the training loss does not fall: a context that occurred once had one known successor,"
        " and now it has several.",
        "training nats stays": "the training loss does not stay: contexts that occurred once, and were known by heart,"
        " now occur with several successors.",
    }
    return tasks.Words(("rises", "falls", "stays"), mistakes)


class PerCharacter(tasks.Number):
    """A number below 10, perhaps with its unit, such as "nats per character", or a decimal comma."""

    def grade(self, answer, truth):
        if isinstance(answer, str):
            if re.search(r"\bbits?\b", answer):
                raise Wrong("this is said to be in bits; asked for are nats.")
            answer = re.sub(r"\s*(per|/|a) *char\w*", "", answer).replace(",", ".")
        super().grade(answer, truth)


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
        "nats take the natural logarithm; this has base 2 or 10, or bits were divided by ln 2: multiply.":
            (2.25, 9.0, truth / math.log(10), 2.25 / ln2, 9 / ln2),
        "this is the whole text, or a part of it; per character it is shared by four.": (9 * ln2, 3 * ln2, 4.5 * ln2),
        "this is a log-probability; the loss is minus its mean.": (-truth, -9 * ln2),
        "the mean of four logarithms is asked for: here the mean was taken before the logarithm, or ⅛ counted once.":
            (2 * ln2, math.log(5.5), 5.5),
        "this is the perplexity, or a probability, of the text or a mean one; the loss is minus the mean of the"
        " logarithms.": (math.exp(truth), 0.25, 1 / 512, math.exp(-truth)),
        "this is near, but rounded too coarsely, or cut off: two decimals are asked for.": (1.6, 1.5),
        "this is the entropy of the four numbers as if they were one distribution: each is the probability of a"
        " character that came, so each logarithm counts once.": (1.75 * ln2, 1.75, 1.75 * ln2 / 4),
        "the logarithms are not all counted: ln ½, ln ¼ and twice ln ⅛.": (1.5 * ln2, 6 * ln2, 2.5 * ln2, ln2),
    }  # fmt: skip
    return PerCharacter(0.006, mistakes, begin="Begin with the first character: -ln ½ = 0.693.", low=0)


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

    whole = slice(None)

    def some(x, y, texts=whole, places=whole):
        return ce(x[texts, :-1][:, places], y[texts, 1:][:, places])

    mistakes = {
        "the labels are not shifted: the model is asked for the character that it is given, and learns to copy.":
            (ce, lambda x, y: ce(x[:, :-1], y[:, :-1]), lambda x, y: ce(x[:, 1:], y[:, 1:])),
        "the shift goes wrong: place t predicts the character at t + 1 of the same text, not the one before, not the"
        " one after that, and not another text's.": (
            lambda x, y: ce(x[:, 1:], y[:, :-1]), lambda x, y: ce(x, y.roll(1, 1)),
            lambda x, y: ce(x[:, :-2], y[:, 2:]), lambda x, y: ce(x[:-1], y[1:]),
        ),
        "the last place of a text is asked for the first character of one: `roll` wraps around, and after flattening"
        " the shift runs into the next text. It has no answer; leave it out.": (
            lambda x, y: ce(x, y.roll(-1, 1)), lambda x, y: ce(x.flatten(0, 1)[None, :-1], y.flatten()[None, 1:]),
        ),
        "0 is a symbol like the others: do not fill up with it, and do not ignore it. Leave the last place out.": (
            lambda x, y: ce(x, torch.nn.functional.pad(y[:, 1:], (0, 1))),
            lambda x, y: torch.nn.functional.cross_entropy(x[:, :-1].transpose(1, 2), y[:, 1:], ignore_index=0),
        ),
        "a text of T characters has T - 1 predictions: the mean is over their logarithms, in all texts, not over V.": (
            lambda x, y: ce(x[:, :-1], y[:, 1:], "sum"), lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / len(y),
            lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / y.numel(), lambda x, y: some(x, y) / x.shape[-1],
            lambda x, y: ce(x[:, :-1], y[:, 1:], "none").mean(1),
            lambda x, y: -(-ce(x[:, :-1], y[:, 1:], "none")).exp().mean().log(),
        ),
        "`cross_entropy` takes logits: a softmax before it squeezes them twice, and they have no logarithm.": (
            lambda x, y: ce(x[:, :-1].softmax(-1), y[:, 1:]),
            lambda x, y: -x.softmax(-1)[:, :-1].gather(-1, y[:, 1:, None]).mean(),
            lambda x, y: -x[:, :-1].gather(-1, y[:, 1:, None]).mean(),
            lambda x, y: -x[:, :-1].gather(-1, y[:, 1:, None]).log().mean(),
        ),
        "only some of the predictions are scored: each place but the last makes one, in each text.": (
            lambda x, y: some(x, y, places=slice(-1, None)), lambda x, y: some(x, y, places=slice(1)),
            lambda x, y: some(x, y, places=slice(-1)), lambda x, y: some(x, y, places=slice(1, None)),
            lambda x, y: some(x, y, slice(1)), lambda x, y: some(x, y, slice(-1, None)),
        ),
        "places, symbols or texts are mixed: the softmax is over the symbols, which `cross_entropy` wants on the second"
        " axis; `transpose` swaps, `view` does not.": (
            lambda x, y: ce(x[:, :-1].mT.reshape(1, -1, x.shape[2]), y[:, 1:].reshape(1, -1)),
            lambda x, y: ce(x[:, :-1].transpose(0, 1).reshape(1, -1, x.shape[2]), y[:, 1:].reshape(1, -1)),
            lambda x, y: ce(x[:, :-1].log_softmax(1), y[:, 1:]),
            lambda x, y: ce(x[:, :-1].reshape(len(x), x.shape[2], -1).transpose(1, 2), y[:, 1:]),
            lambda x, y: -x.log_softmax(1)[:, :-1].gather(-1, y[:, 1:, None]).mean(),
            lambda x, y: -x[:, :-1].log_softmax(1).gather(-1, y[:, 1:, None]).mean(),
        ),
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
        case(3, 6, 0.05),  # small: what is made of `shorter` shows, even if d is taken from it
        case(2, 4, 0.5, seed=2),
        case(3, 6, 0.75),
        case(4, 5, 0.9, seed=6),
        ([[2.0, 1.0, 0.0]], [[0.2, 0.3, 0.5]], 0.5),
    ]
    unseen = "right where something was counted; a context that was never seen takes the shorter one's, only that one."

    def normal(p):
        return p / p.sum(1, keepdim=True)

    mistakes = {
        "the probability that the discount frees goes to the wrong place: it is one number a row, d · n / c(h), and all"
        " symbols share it as `shorter` says.": (
            rule(lambda c, s, d, C, n: 0), rule(lambda c, s, d, C, n: d * n / c.shape[1]),
            rule(lambda c, s, d, C, n: d * n * s / s.where(c == 0, 0 * s).sum(1, keepdim=True) * (c == 0)),
            rule(lambda c, s, d, C, n: d * n * s * (c == 0)), rule(lambda c, s, d, C, n: C * s * (c == 0)),
            rule(lambda c, s, d, C, n: (C - (c - d).clamp(min=0)) * s), rule(lambda c, s, d, C, n: d * n),
            rule(lambda c, s, d, C, n: d * n * (s - d).clamp(min=0)),
            lambda c, s, d: normal(rule(lambda *x: 0)(c, s, d)),
        ),
        "nothing is taken from the counts, so that the rows do not sum to 1 or unseen symbols get nothing.":
            (lambda c, s, d: rule(lambda *x: 0)(c, s, 0), rule(kept=lambda c, d: c)),
        "d is taken from each of the n different symbols that a row has counted, so d · n is free: n is neither 1, nor"
        " all counts, nor all symbols, nor those not counted, nor those counted once.": (
            rule(lambda c, s, d, C, n: d * s), rule(lambda c, s, d, C, n: d * C * s),
            rule(lambda c, s, d, C, n: d * c.shape[1] * s), rule(lambda c, s, d, C, n: (c.shape[1] - n) * d * s),
            rule(lambda c, s, d, C, n: n * s), rule(lambda c, s, d, C, n: d * (c > 0).sum() * s),
            rule(lambda c, s, d, C, n: (1 - d) * n * s), rule(lambda c, s, d, C, n: d * C * s / c.shape[1]),
            rule(lambda c, s, d, C, n: d * (c == 1).sum(1, keepdim=True) * s),
            rule(lambda c, s, d, C, n: d * (c > 1).sum(1, keepdim=True) * s),
            rule(lambda c, s, d, C, n: d * (c > 0).sum(0, keepdim=True) * s),
            lambda c, s, d: normal(rule(lambda c, s, d, C, n: d * s)(c, s, d)),
        ),
        "d is taken from symbols with a count of 0 too: c - d is negative there. Cut it off at 0, before anything is"
        " added.": (
            lambda c, s, d: rule(kept=lambda c, d: c - d)(c, s, d).clamp(min=0),
            rule(kept=lambda c, d: c - d), rule(lambda c, s, d, C, n: d * c.shape[1] * s, lambda c, d: c - d),
            rule(kept=lambda c, d: (c - d).abs()),
        ),
        "this is the rule of Witten and Bell, or like it; take d from each count instead.": (
            rule(lambda c, s, d, C, n: n * s, lambda c, d: c, lambda c, C: C + (c > 0).sum(1, keepdim=True)),
            lambda c, s, d: rule(kept=lambda c, d: c, over=lambda c, C: C + d * (c > 0).sum(1, keepdim=True))(c, s, d),
        ),
        "subtract d, as it is, from each count that is not 0: it is no factor or share, nothing to add, and not 1.": (
            rule(lambda c, s, d, C, n: d * C * s, lambda c, d: (1 - d) * c),
            rule(lambda c, s, d, C, n: (1 - d) * C * s, lambda c, d: d * c),
            rule(kept=lambda c, d: c * d), rule(kept=lambda c, d: c + d),
            rule(kept=lambda c, d: (c - 1).clamp(min=0)),
            rule(lambda c, s, d, C, n: n * s, lambda c, d: (c - 1).clamp(min=0)),
        ),
        "both parts are divided by the row's total of the counts c(h), and by nothing else.": (
            rule(over=lambda c, C: 1 + 0 * C), rule(lambda c, s, d, C, n: d * n * s * C),
            rule(over=lambda c, C: c.sum() + 0 * C), rule(over=lambda c, C: c.sum(0, keepdim=True).clamp(min=1)),
            lambda c, s, d: rule(over=lambda c, C: (c - d).clamp(min=0).sum(1, keepdim=True))(c, s, d),
            lambda c, s, d: rule(over=lambda c, C: C - d * (c > 0).sum(1, keepdim=True))(c, s, d),
            lambda c, s, d: truth(c.T, s.T, d).T, lambda c, s, d: truth(c, s, d) / truth(c, s, d).sum(),
        ),
        unseen: (
            lambda c, s, d: truth(c, s, d).where(c.sum(1, keepdim=True) > 0, math.nan * s),
            lambda c, s, d: truth(c, s, d) * (c.sum(1, keepdim=True) > 0),
            lambda c, s, d: truth(c, s, d) if c.sum(1).all() else s,
        ),
    }  # fmt: skip
    edges = {unseen: [([[0.0, 0.0], [1.0, 0.0]], [[0.4, 0.6], [0.5, 0.5]], 0.5), case(3, 5, 0.75, 4, empty=True)]}
    return tasks.Function(cases, mistakes, edges)
