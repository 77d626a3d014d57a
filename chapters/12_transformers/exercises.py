"""Exercises of 12_transformers."""

import math

from aigc_course.plumbing.grading import Wrong, call, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "12.1",
    hint="Fewer, longer tokens carry the same text. Its probability is the same, so its nats are shared by fewer; and"
    " an even guess has more tokens to choose from.",
    solution="""
# Fewer tokens share the same nats, and ln 4096 is more than ln 512.
answer_1 = {"tokens": "falls", "nats per token": "rises", "even guess": "rises"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("rises", "falls", "stays"))
    if said == {"tokens": "rises", "nats per token": "falls", "even guess": "falls"}:
        raise Wrong("all three are the wrong way round: this is what a smaller vocabulary does.")
    reasons = {
        "tokens rises": "the number of tokens does not rise: merges only replace two tokens by one.",
        "tokens stays": "the number of tokens does not stay: each further merge shortens the texts that it occurs in.",
        "nats per token falls": "the nats per token do not fall: the whole text has the same nats, and fewer tokens"
        " share them.",
        "nats per token stays": "the nats per token do not stay: the nats per byte would, and a token has more bytes.",
        "even guess falls": "the even guess does not get better: it chooses among more tokens, and has ln V nats.",
        "even guess stays": "the even guess does not stay: its nats are ln V, and V grows.",
    }
    if wrong := [reasons[f"{key} {word}"] for key, word in said.items() if word != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "So a loss per token says little unless the tokenizer is named; per byte of the text it can be compared."


@exercise(
    "12.2",
    hint="400 tokens of 3.0 nats each make the nats of the text. Divide by its bytes, not its tokens.",
    solution="""
import math

answer_2 = math.exp(3.0 * 400 / 1000)  # 3.32
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.006:
        return "e to the power of 1.2: as if one of about 3.3 equally likely bytes came next."
    mistakes = {
        1.2: "these are the nats per byte; the perplexity is the exponential of them.",
        math.exp(3): "this is the perplexity per token; share the nats among the bytes first.",
        math.exp(7.5): "the tokens per byte are upside down: a text has fewer tokens than bytes, so a byte fewer nats.",
        7.5: "the tokens per byte are upside down, and the exponential is missing.",
        2**1.2: "this is 2 to the power of the nats; nats take e.",
        1.2 / math.log(2): "these are bits per byte; the perplexity is e to the nats per byte.",
        math.exp(3) * 0.4: "the perplexity per token was multiplied by the tokens per byte. Multiply the nats, then"
        " take the exponential: a perplexity is no sum.",
        1200.0: "these are the nats of the whole text; share them among its bytes, and take the exponential.",
        math.exp(-1.2): "this is the mean probability of a byte (geometric); the perplexity is its inverse.",
        math.exp(0.003): "3.0 nats were shared among the bytes; each of the 400 tokens has 3.0.",
        math.exp(0.0075): "3.0 nats were shared among the tokens; each of them has 3.0.",
        10**1.2: "this is 10 to the power of the nats; nats take e.",
        0.4: "these are the tokens per byte.",
        3.0: "these are the nats per token.",
        math.log(3.0) * 0.4: "3.0 is in nats already, a logarithm; no other is needed.",
    }
    name_mistake(value, mistakes, within=lambda wrong: 0.004 * wrong + 5e-4, relative=True)
    if value < 1:
        raise Wrong("a perplexity is never below 1: that would be a byte with a probability above 1.")
    raise Wrong(f"it is {'smaller' if value > truth else 'larger'} than {value:.4g}. Begin with the nats of the text.")


@exercise(
    "12.3",
    hint="torch.cumsum along the row counts the real tokens up to each place, that place included. Positions begin at"
    " 0. What does padding get, and where would it be negative?",
    solution="""
def my_positions(mask):
    return (mask.cumsum(dim=1) - 1).clamp(min=0)  # (B, T)
""",
)
def my_positions(answer, truth):
    import torch

    def left(T, *lengths):
        return torch.tensor([[0] * (T - n) + [1] * n for n in lengths], device="cpu")

    cases = [
        ("rows with 3, 5 and 1 real tokens of 5", left(5, 3, 5, 1)),
        ("rows with 4 and 2 real tokens of 7", left(7, 4, 2)),
        ("one row without padding", left(3, 3)),
        ("four rows of 6", left(6, 1, 2, 6, 3)),
    ]
    place = "__import__('torch').arange(mask.shape[1])"
    n, pad = "mask.sum(1, keepdim=True)", "(mask.shape[1] - mask.sum(1, keepdim=True))"
    mistakes = {
        f"{place}.expand_as(mask)": "these are the places in the tensor, whatever the mask says: a row's first real"
        " token must have position 0.",
        f"{place} * mask": "padding has 0, but real tokens have their place in the tensor: the first one of a row must"
        " have position 0.",
        "mask.cumsum(1)": "the first real token has position 1: the running sum counts it already.",
        "mask.cumsum(1) - 1": "right for the real tokens; padding gets -1, which no table of positions has.",
        "(mask.cumsum(1) - 1) % mask.shape[1]": "padding gets the last position; it should get 0.",
        "mask.cumsum(0) - 1": "the running sum goes down the batch; it must go along each row.",
        "(mask.cumsum(0) - 1).clamp(min=0)": "the running sum goes down the batch; it must go along each row.",
        "mask.cumsum(0)": "the running sum goes down the batch; it must go along each row.",
        "mask.cumsum(1) * mask": "the first real token has position 1: subtract one.",
        f"{place} - {pad}": "right for the real tokens; padding gets negative positions, which no table has.",
        f"({place} - {n}).clamp(min=0)": "the number of real tokens was subtracted; it is the number of padding"
        " tokens.",
        f"{place} - {n}": "the number of real tokens was subtracted; it is the number of padding tokens.",
        f"({place} - {pad}).abs()": "padding gets positions that count down; it should get 0.",
        "mask.flip(1).cumsum(1).flip(1) - 1": "this counts from the end of the row; the first real token has 0.",
        "(mask.flip(1).cumsum(1).flip(1) - 1).clamp(min=0) * mask": "this counts from the end of the row; the first"
        " real token has 0.",
        "mask": "this is the mask itself; count the real tokens along the row.",
        "1 - mask": "this is the mask turned round; count the real tokens along the row.",
        "(1 - mask).cumsum(1)": "this counts the padding; count the real tokens.",
        "mask.cumsum(1).clamp(min=1)": "the first real token has position 1, and so has padding: subtract one.",
        f"{place}.flip(0) * mask": "the positions run backwards.",
        "want[:, -1]": "only the last position; each place needs one, shape (B, T).",
        "want[0].expand_as(want)": "all rows have the first row's positions; each row has its own padding.",
    }
    compare(answer, truth, cases, mistakes)
    value = call(answer, truth, (left(5, 3, 5),), "rows with 3 and 5 real tokens")
    if getattr(value, "is_floating_point", lambda: False)():
        raise Wrong("the values are right, but an embedding takes whole numbers: keep the mask's integer type.")
    return "Every row counts from its first real token, as if it stood alone."


@exercise(
    "12.4",
    hint="logits[:, :-1] and labels[:, 1:] are partners. Flatten both, so that all rows are averaged together, and let"
    " ignore_index do its work.",
    solution="""
import torch.nn.functional as F


def my_library_loss(logits, labels):
    V = logits.shape[-1]  # (B, T, V), and labels (B, T)
    partners = labels[:, 1:].reshape(-1)
    return F.cross_entropy(logits[:, :-1].reshape(-1, V), partners, ignore_index=-100)
""",
)
def my_library_loss(answer, truth):
    import torch

    def labels(V, B, T, hidden, seed=0):
        ids = torch.randint(V, (B, T), generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
        for row, n in enumerate(hidden):
            ids[row, :n] = -100
        return ids

    cases = [
        ("2 rows of 6, of which the first 3 and 0 are -100", noise(2, 6, 5), labels(5, 2, 6, (3, 0))),
        ("3 rows of 8, in float64", noise(3, 8, 4, seed=1).double(), labels(4, 3, 8, (2, 5, 1), seed=1)),
        ("one row of 3 without -100", noise(1, 3, 4, seed=2), labels(4, 1, 3, (0,), seed=2)),
        ("2 rows of 7, of which the last 2 and 0 are -100", noise(2, 7, 6, seed=3), labels(6, 2, 7, (2, 0), 3).flip(1)),
    ]
    ce = "(lambda a, b, r='mean': __import__('torch').nn.functional.cross_entropy(a.transpose(1, 2), b, reduction=r))"
    a, b = "logits[:, :-1]", "labels[:, 1:]"
    n = "(labels[:, 1:] >= 0)"
    mistakes = {
        f"{ce}(logits, labels)": "nothing is shifted: the logits at a place tell of the next one.",
        f"{ce}(logits[:, :-2], labels[:, 2:])": "this shifts twice: each place is asked for the token after the next.",
        f"{ce}(logits[:, 1:], labels[:, :-1])": "the shift goes the wrong way: this asks for the token before.",
        f"{ce}({a}, labels[:, :-1])": "nothing is shifted: the last place was dropped on both sides.",
        f"{ce}(logits[:, 1:], {b})": "nothing is shifted: the first place was dropped on both sides.",
        f"{ce}(logits, labels.roll(-1, 1))": "`roll` wraps around: the last place is asked for the first token.",
        f"{ce}({a}, {b}.clamp(min=0))": "-100 was turned into the id 0: those places must not count at all.",
        f"{ce}({a}, {b} % logits.shape[-1])": "-100 was turned into an id: those places must not count at all.",
        f"{ce}({a}, {b}, 'none').mean()": "the sum is divided by all places; those with -100 do not count.",
        f"{ce}({a}, {b}, 'sum') / (labels >= 0).sum()": "the sum is divided by all labels that are not -100; the first"
        " one of a row is never predicted, so it does not count (this is what `Trainer` does).",
        f"{ce}({a}, {b}, 'sum') / labels.numel()": "the sum is divided by all labels; only predicted ones that are not"
        " -100 count.",
        f"{ce}({a}, {b}, 'sum')": "the nats are summed; the mean is asked for.",
        f"{ce}({a}, {b}, 'sum') / len(labels)": "this is the sum for each row; divide by the places that count.",
        f"({ce}({a}, {b}, 'none').sum(1) / {n}.sum(1)).mean()": "each row is averaged by itself first, so that short"
        " rows weigh more; average over the places of all rows together.",
        f"{ce}({a}, {b}, 'none').sum(1) / {n}.sum(1)": "one number for all rows is asked for.",
        f"{ce}({a}, {b}, 'none')": "the mean is missing: one number is asked for.",
        f"{ce}({a}.softmax(-1), {b})": "`cross_entropy` takes logits: a softmax before it squeezes them twice.",
        "-want": "this is the mean log-probability; the loss is its negative.",
        "want.exp()": "this is the perplexity; the loss is its logarithm.",
        "want / log(2)": "this is in bits; nats take the natural logarithm.",
        f"{ce}(logits[:, -2:-1], labels[:, -1:])": "only the last token is scored; each place makes a prediction.",
    }
    compare(answer, truth, cases, mistakes)
    logits = noise(2, 6, 5).requires_grad_()
    loss = call(answer, truth, (logits, labels(5, 2, 6, (3, 0))), "logits that require a gradient")
    if not (hasattr(loss, "requires_grad") and loss.requires_grad):
        raise Wrong("the value is right, but no gradient reaches `logits`: `detach`, `no_grad` or NumPy cuts it off.")
    return "This is `model(ids, labels=labels).loss`; chapter 13 hides the question with -100 and trains on the answer."


@exercise(
    "12.5",
    hint="Walk through the ids with a position i. If ids[i] and ids[i + 1] are the pair, keep `new` and go on at i + 2;"
    " otherwise keep ids[i] and go on at i + 1. Mind the last id, which has no neighbour.",
    solution="""
def merge_ids(ids, left, right, new):
    merged, i, old = [], 0, ids.tolist()
    while i < len(old):
        found = old[i : i + 2] == [left, right]
        merged.append(new if found else old[i])
        i += 2 if found else 1
    return ids.new_tensor(merged)
""",
)
def merge_ids(answer, truth):
    import torch

    def ids(*numbers):
        return torch.tensor(numbers, device="cpu")

    cases = [
        ("ids 1 2 3 1 2 4 2 1 and the pair 1 2", ids(1, 2, 3, 1, 2, 4, 2, 1), 1, 2, 9),
        ("ids 5 1 1 1 2 1 1 and the pair 1 1", ids(5, 1, 1, 1, 2, 1, 1), 1, 1, 7),
        ("ids 3 4 and the pair 3 4", ids(3, 4), 3, 4, 8),
        ("ids without the pair", ids(2, 1, 2, 2, 3, 1), 1, 2, 9),
        ("ids 2 2 2 2 2 and the pair 2 2", ids(2, 2, 2, 2, 2), 2, 2, 6),
        ("ids in which the new one makes a pair: 1 2 2 with 1 2 as 1", ids(1, 2, 2, 3), 1, 2, 1),
    ]
    step = (
        "(lambda f: __import__('torch').tensor(f(ids.tolist(), left, right, new), dtype=ids.dtype))"
        "(lambda old, left, right, new: {})"
    )
    # from right to left: turn everything round, merge, turn back
    backwards = "truth(ids.flip(0), right, left, new).flip(0)"
    hit = "[i for i in range(len(old) - 1) if old[i] == left and old[i + 1] == right]"
    mistakes = {
        "ids": "nothing is merged: the ids come back as they were.",
        "truth(ids, right, left, new)": "the pair is taken the wrong way round: `left` comes first.",
        backwards: "it runs from right to left: of three equal ids the first two must be merged.",
        step.format(f"(lambda h: old[: h[0]] + [new] + old[h[0] + 2 :] if h else old)({hit})"): "only the first"
        " occurrence is merged; all of them should be.",
        step.format(f"(lambda h: old[: h[-1]] + [new] + old[h[-1] + 2 :] if h else old)({hit})"): "only the last"
        " occurrence is merged; all of them should be.",
        step.format(
            f"(lambda h: [new if i in h else x for i, x in enumerate(old) if i in h or i - 1 not in h])({hit})"
        ): "pairs that overlap are all merged: a token that has been merged is used up.",
        step.format(
            f"(lambda h: [new if i in h else x for i, x in enumerate(old)])({hit})"
        ): "the second id of the pair is still there: two ids become one.",
        step.format(
            f"(lambda h: [new if i in h or i - 1 in h else x for i, x in enumerate(old)])({hit})"
        ): "both ids of the pair became `new`: two ids become one.",
        step.format(
            f"(lambda h: [x for i, x in enumerate(old) if i not in h and i - 1 not in h])({hit})"
        ): "the pairs are deleted; each should become `new`.",
        step.format(
            "[new if x == left else x for i, x in enumerate(old) if not (x == right and i and old[i - 1] == left)]"
        ): "every `left` is replaced, even where `right` does not follow.",
        "want[:-1]": "the last id is lost: the walk ends one too early.",
        "want[1:]": "the first id is lost.",
        step.format(
            "(lambda f: f(f, old))(lambda f, o: next((f(f, o[:i] + [new] + o[i + 2 :]) for i in range(len(o) - 1) if"
            " o[i : i + 2] == [left, right]), o))"
        ): "what was merged is merged again in the same step; go on after the new token.",
    }
    compare(answer, truth, cases, mistakes)
    return "One merge; a tokenizer applies its list of merges in the order in which they were learnt."
