"""Exercises of 11_gpt."""

from aigc_course.plumbing.grading import Wrong, call, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "11.1",
    hint="A count is worth something once it has been seen several times. With ten times the text, how often has a"
    " context of seven characters been seen? And can a table of the same order still know its own text by heart?",
    solution="""
# Longer contexts are seen often enough to help; no table knows so much text by heart.
answer_1 = {"best order": "rises", "validation nats": "falls", "training nats": "rises"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("rises", "falls", "stays"))
    if said == {"best order": "falls", "validation nats": "rises", "training nats": "falls"}:
        raise Wrong("all three are the wrong way round: this is what less text does.")
    reasons = {
        "best order falls": "the best order does not fall: with more text a longer context has been seen more often.",
        "best order stays": "the best order does not stay: where counting stops improving depends on how much text"
        " there is, because the counts of long contexts are too thin.",
        "validation nats rises": "the validation loss does not rise: every estimate comes from more counts.",
        "validation nats stays": "the validation loss does not stay: every estimate comes from more counts.",
        "training nats falls": "the training loss does not fall: a context that occurred once had one known successor,"
        " and now it has several.",
        "training nats stays": "the training loss does not stay: contexts that occurred once, and were known by heart,"
        " now occur with several successors.",
    }
    if wrong := [reasons[f"{key} {word}"] for key, word in said.items() if word != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "The two losses come closer to each other: that is what more data does to any model."


@exercise(
    "11.2",
    hint="The probability of the whole text is a product. Its logarithm is a sum; how many characters share it?",
    solution="""
import math

p = [1 / 2, 1 / 4, 1 / 8, 1 / 8]
answer_2 = -sum(math.log(x) for x in p) / len(p)  # 1.5596 nats, 2.25 bits
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.01:
        return "2.25 bits; the perplexity is e to this power, about 4.8 equally likely characters."
    mistakes = {
        2.25: "this is in bits; nats take the natural logarithm.",
        9.0: "this is the sum in bits; nats per character take the natural logarithm, and a mean.",
        6.2383: "this is the whole text; per character it is shared by four.",
        -1.5596: "this is the mean log-probability; the loss is its negative.",
        -6.2383: "this is the log-probability of the whole text; the loss per character is minus its mean.",
        1.3863: "this is minus the log of the mean probability; take the mean of the logarithms.",
        4.7568: "this is the perplexity; its logarithm is asked for.",
        0.6773: "the logarithm has base 10; nats take the natural one.",
        0.25: "this is the mean probability; the loss is the mean of minus its logarithms.",
        0.00195: "this is the probability of the whole text; the loss is minus its logarithm, per character.",
        1.2130: "this is the entropy of the four numbers as if they were one distribution: each is the probability of"
        " a character that came, so each logarithm counts once, not weighted.",
        1.75: "this is the entropy, in bits, of the four numbers as if they were one distribution: each logarithm"
        " counts once, and in nats.",
        0.2102: "this is the geometric mean of the probabilities; the loss is minus its logarithm.",
        2.0794: "this is divided by three; four characters were predicted, the first one too.",
        3.1192: "this is divided by two; four characters share the sum.",
    }
    name_mistake(value, mistakes, within=lambda wrong: 0.004 * abs(wrong) + 5e-4)
    if value < 0:
        raise Wrong("a loss in nats is never negative: no probability is above 1.")
    side = "smaller" if value > truth else "larger"
    raise Wrong(f"the loss is {side} than {value:.4g}. Begin with the first character: -ln ½ = 0.693.")


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
)
def my_loss(answer, truth):
    import torch

    def ids(V, *shape, seed=0):
        return torch.randint(V, shape, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")

    cases = [
        ("2 texts of 5 characters, 7 symbols", noise(2, 5, 7), ids(7, 2, 5)),
        ("3 texts of 8 characters, 4 symbols, in float64", noise(3, 8, 4, seed=1).double(), ids(4, 3, 8, seed=1)),
        ("one text of 2 characters, 3 symbols", noise(1, 2, 3, seed=2), ids(3, 1, 2, seed=2)),
    ]
    ce = "(lambda a, b, r='mean': __import__('torch').nn.functional.cross_entropy(a.transpose(1, 2), b, reduction=r))"
    mistakes = {
        f"{ce}(logits, ids)": "the labels are not shifted: the model is asked for the character that it is given, and"
        " learns to copy.",
        f"{ce}(logits[:, 1:], ids[:, :-1])": "the shift goes the wrong way: this asks each place for the character"
        " before it.",
        f"{ce}(logits, ids.roll(-1, 1))": "`roll` wraps around: the last place is asked for the first character of the"
        " text. It has no answer; leave it out.",
        f"{ce}(logits, ids.roll(1, 1))": "`roll` goes the wrong way, and wraps around.",
        f"{ce}(logits[:, :-1], ids[:, :-1])": "the labels are not shifted: the last place was dropped on both sides.",
        f"{ce}(logits[:, 1:], ids[:, 1:])": "the labels are not shifted: the first place was dropped on both sides.",
        f"{ce}(logits[:, :-1], ids[:, 1:], 'sum')": "the nats are summed; the mean over all places is asked for.",
        f"{ce}(logits[:, :-1], ids[:, 1:], 'sum') / ids.shape[0]": "this is the sum for each text; divide by the"
        " number of predicted characters.",
        f"{ce}(logits[:, :-1], ids[:, 1:], 'sum') / ids.numel()": "a text of T characters has T - 1 predictions, not"
        " T: divide by those.",
        f"{ce}(logits[:, :-1], ids[:, 1:], 'none').mean(1)": "one number for all is asked for, not one for each text.",
        f"{ce}(logits[:, :-1], ids[:, 1:], 'none')": "the mean is missing: one number is asked for.",
        f"{ce}(logits[:, :-1].softmax(-1), ids[:, 1:])": "`cross_entropy` takes logits: a softmax before it squeezes"
        " them twice.",
        "-want": "this is the mean log-probability; the loss is its negative.",
        "want / log(2)": "this is in bits; nats take the natural logarithm.",
        "want.exp()": "this is the perplexity; the loss is its logarithm.",
        f"{ce}(logits[:, :-2], ids[:, 2:])": "the shift is by two: each place must foretell the next character.",
        f"{ce}(logits[:, -2:-1], ids[:, -1:])": "only the last character is scored; each place makes a prediction.",
    }
    compare(answer, truth, cases, mistakes)
    logits = noise(2, 5, 7).requires_grad_()
    loss = call(answer, truth, (logits, ids(7, 2, 5)), "logits that require a gradient")
    if not (hasattr(loss, "requires_grad") and loss.requires_grad):
        raise Wrong("the value is right, but no gradient reaches `logits`: `detach`, `no_grad` or NumPy cuts it off.")
    return "T - 1 predictions from T characters, each from those before it."


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
)
def discounted(answer, truth):
    def case(B, V, d, seed=0, empty=False):
        counts = (noise(B, V, seed=seed) * 3).clamp(min=0).round()
        counts[:, 0] += 2
        if empty:
            counts[1] = 0
        return counts, noise(B, V, seed=seed + 1).softmax(dim=1), d

    cases = [
        ("3 contexts, 6 symbols, d = 0.75", *case(3, 6, 0.75)),
        ("2 contexts, 4 symbols, d = 0.5", *case(2, 4, 0.5, seed=2)),
        ("a context that was never seen, with d = 0.75", *case(3, 5, 0.75, seed=4, empty=True)),
    ]
    names = "(lambda C, n: {})(counts.sum(1, keepdim=True), (counts > 0).sum(1, keepdim=True))"

    def of(expression):  # where something was counted; elsewhere the shorter context's estimate
        return names.format(f"__import__('torch').where(C > 0, {expression}, shorter)")

    left = "(counts - d).clamp(min=0)"
    mistakes = {
        names.format(f"({left} + d * n * shorter) / C"): "a context that was never seen gives 0 / 0: there the shorter"
        " one's estimate stands.",
        names.format(f"({left} + d * n * shorter) / C.clamp(min=1)"): "a context that was never seen gets only zeros:"
        " there the shorter one's estimate stands.",
        of(f"{left} / C"): "the probability that the discount frees is given to nobody: the rows do not sum to 1.",
        of(f"{left} / {left}.sum(1, keepdim=True)"): "the rest is scaled up to 1: what was not counted keeps"
        " probability 0. Give what is free to the shorter context's estimate.",
        of("counts / C"): "nothing is discounted: what was never counted has probability 0, and its loss is infinite.",
        of(f"({left} + d * shorter) / C"): "d is taken from each of the n different symbols, so d · n is free, not d.",
        of(f"({left} + d * C * shorter) / C"): "d is taken once from each different symbol, not once for each count.",
        of(f"({left} + d * counts.shape[1] * shorter) / C"): "d is taken only from symbols that were counted; n is"
        " their number, not V.",
        of("(counts - d + d * n * shorter) / C"): "d is taken from symbols with a count of 0 too: their share becomes"
        " negative. Cut it off at 0.",
        of("(counts - d + d * counts.shape[1] * shorter) / C"): "d is taken from symbols with a count of 0 too.",
        of("(counts + n * shorter) / (C + n)"): "this is Witten and Bell's rule; take d from each count instead.",
        of("(counts + d * n * shorter) / (C + d * n)"): "nothing is taken from the counts: d · n is added to the total"
        " instead, in the manner of Witten and Bell.",
        of("(1 - d) * counts / C + d * shorter"): "this mixes by a fixed share d; take d from each count instead.",
        of(f"({left} + d * n / counts.shape[1]) / C"): "what is free is spread evenly; the shorter context's estimate"
        " says better where it belongs.",
        of(f"{left} + d * n * shorter"): "the counts are not divided by their total.",
        of(f"({left} + (counts.shape[1] - n) * d * shorter) / C"): "n is the number of symbols that were counted, not"
        " of those that were not.",
        of("(d * counts + (1 - d) * C * shorter) / C"): "this multiplies the counts by d; subtract d from each.",
        "want.log()": "these are log-probabilities; probabilities are asked for.",
    }
    compare(answer, truth, cases, mistakes)
    return "Absolute discounting, the base of Kneser and Ney's counts."
