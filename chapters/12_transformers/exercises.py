"""Exercises of 12_transformers."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "12.1",
    hint="Fewer, longer tokens carry the same text. Its probability is the same, so its nats are shared by fewer; and"
    " an even guess has more tokens to choose from.",
    solution="""
# Fewer tokens share the same nats, and ln 4096 is more than ln 512.
answer_1 = {"tokens": "falls", "nats per token": "rises", "even guess": "rises"}
""",
    praise="So a loss per token says little unless the tokenizer is named; per byte of the text it can be compared.",
)
def answer_1(truth):
    mistakes = {
        "tokens rises, nats per token falls, even guess falls": "all three are the wrong way round: this is what a"
        " smaller vocabulary does.",
        "tokens rises": "the number of tokens does not rise: merges only replace two tokens by one.",
        "tokens stays": "the number of tokens does not stay: each further merge shortens the texts that it occurs in.",
        "nats per token falls": "the nats per token do not fall: fewer tokens share the text's nats.",
        "nats per token stays": "the nats per token do not stay: the nats per byte would, and a token has more bytes.",
        "even guess falls": "the even guess does not get better: it chooses among more tokens, and has ln V nats.",
        "even guess stays": "the even guess does not stay: its nats are ln V, and V grows.",
    }
    return tasks.Words(("rises", "falls", "stays"), mistakes)


@exercise(
    "12.2",
    hint="400 tokens of 3.0 nats each make the nats of the text. Divide by its bytes, not its tokens.",
    solution="""
import math

answer_2 = math.exp(3.0 * 400 / 1000)  # 3.32
""",
    praise="e to the power of 1.2: as if one of about 3.3 equally likely bytes came next.",
)
def answer_2(truth):
    e = math.exp
    mistakes = {
        "these are nats or bits per byte; the perplexity is the exponential of the nats.": (1.2, 1.2 / math.log(2)),
        "this is the perplexity per token; share the nats among the bytes first.": e(3),
        "the tokens per byte are upside down: a text has fewer tokens than bytes, so a byte fewer nats.": (e(7.5), 7.5),
        "nats take e as the base of the power, not 2 or 10.": (2**1.2, 10**1.2, 2**3.0),
        "the perplexity per token was multiplied or divided. Share the nats, then take the exponential: a perplexity is"
        " no sum.": (e(3) * 0.4, e(3) / 0.4, e(3) * 400, e(3) / 1000),
        "these are the nats of the whole text, or those of a token; share the text's among its bytes, and take the"
        " exponential.": (1200.0, 3.0),
        "this is the mean probability of a byte (geometric); the perplexity is its inverse.": e(-1.2),
        "all 400 tokens have 3.0 nats each; these are shared by 1,000 bytes, and two decimals are asked for.": (
            e(0.003),
            e(0.0075),
            0.4,
            2.5,
            e(0.4),
            e(3 * 0.399),
            3.3,
        ),
    }
    return tasks.Number(0.006, mistakes, begin="Begin with the nats of the text.", low=1)


@exercise(
    "12.3",
    hint="logits[:, :-1] and labels[:, 1:] are partners. Flatten both, so that all rows are averaged together, and let"
    " ignore_index do its work.",
    solution="""
import torch.nn.functional as F


def my_library_loss(logits, labels):
    V = logits.shape[-1]  # (B, T, V), and labels (B, T)
    partners = labels[:, 1:].reshape(-1)
    return F.cross_entropy(logits[:, :-1].reshape(-1, V), partners, ignore_index=-100)
""",
    praise="This is `model(ids, labels=labels).loss`; chapter 13 hides the question with -100.",
)
def my_library_loss(truth):
    import torch

    def ce(logits, labels, how="mean"):
        return torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction=how)

    def case(V, T, hidden, seed=0, end=False):
        ids = torch.randint(V, (len(hidden), T), generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
        for row, n in enumerate(hidden):
            ids[row, :n] = -100
        return noise(len(hidden), T, V, seed=seed), ids.flip(1) if end else ids

    cases = [case(5, 6, (3, 0)), case(4, 8, (2, 5, 1), 1), case(4, 3, (0,), 2), case(6, 7, (2, 0), 3, end=True),
             case(2, 3, (1, 0), 4)]  # fmt: skip
    mistakes = {
        "nothing is shifted: the logits at a place tell of the next one.":
            (ce, lambda x, y: ce(x[:, :-1], y[:, :-1]), lambda x, y: ce(x[:, 1:], y[:, 1:]),
             lambda x, y: ce(x, y, "sum"), lambda x, y: ce(x, y.clamp(min=0)), lambda x, y: ce(x, y, "none").mean(),
             lambda x, y: torch.stack([ce(x[i : i + 1], y[i : i + 1]) for i in range(len(y))]).mean()),
        "the shift is by two, goes the wrong way, wraps around, is filled up with an id, or runs into the next row when"
        " flattened: each place is asked for the next token of its row.": (
            lambda x, y: ce(x, torch.cat([y[:, 1:], 0 * y[:, :1]], 1)),
            lambda x, y: ce(x.flatten(0, 1)[None, :-1], y.flatten()[None, 1:]),
            lambda x, y: ce(x[:, :-2], y[:, 2:]), lambda x, y: ce(x[:, 1:], y[:, :-1]),
            lambda x, y: ce(x, y.roll(-1, 1)), lambda x, y: ce(x, y.roll(1, 1)),
        ),
        "-100 was turned into an id, or an id left out: the places with -100 must not count, and only those.": (
            lambda x, y: truth(x, y.clamp(min=0)), lambda x, y: truth(x, y % x.shape[-1]),
            lambda x, y: truth(x, y.abs() % x.shape[-1]), lambda x, y: truth(x, y.masked_fill(y == 0, -100)),
            lambda x, y: ce(x[:, :-1], y[:, 1:].clamp(min=0), "sum") / (y[:, 1:] >= 0).sum(),
        ),
        "the sum is divided by the wrong number: labels with -100 and the first of each row are not predicted, and do"
        " not count.": (
            lambda x, y: ce(x[:, :-1], y[:, 1:], "none").mean(),
            lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / y.numel(),
            lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / x.numel(),
            lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / (y >= 0).sum(),
            lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / (y[:, :-1] >= 0).sum(),
            lambda x, y: ce(x[:, :-1], y[:, 1:], "none")[y[:, :-1] >= 0].mean(),
            lambda x, y: truth(x, y) * (y >= 0).double().mean(),
        ),
        "the nats are summed, or summed for each row; the mean over the places that count is asked for.":
            (lambda x, y: ce(x[:, :-1], y[:, 1:], "sum"), lambda x, y: ce(x[:, :-1], y[:, 1:], "sum") / len(y)),
        "each row is averaged by itself, so that short rows weigh more; average over all rows' places together.": (
            lambda x, y: torch.stack([truth(x[i : i + 1], y[i : i + 1]) for i in range(len(y))]).mean(),
            lambda x, y: torch.stack([truth(x[i : i + 1], y[i : i + 1]) for i in range(len(y))]),
        ),
        "`cross_entropy` takes logits, with a class for each id: here a softmax comes before it, over this axis or"
        " another, none is taken, or the axes are mixed.": (
            lambda x, y: truth(x.softmax(-1), y), lambda x, y: truth(x.log_softmax(1), y),
            lambda x, y: truth(x.softmax(1), y), lambda x, y: truth(x.log_softmax(0), y),
            lambda x, y: torch.nn.functional.nll_loss(x[:, :-1].mT, y[:, 1:]),
            lambda x, y: ce(x[:, :-1].reshape(len(x), x.shape[2], -1).mT, y[:, 1:]),
        ),
        "only a part is scored, the first or the last prediction, or one row; each place of each row counts.": (
            lambda x, y: ce(x[:, -2:-1], y[:, -1:]), lambda x, y: ce(x[:, :1], y[:, 1:2]),
            lambda x, y: truth(x[:1], y[:1]), lambda x, y: truth(x[-1:], y[-1:]),
            lambda x, y: ce(x[:, 1:-1], y[:, 2:]), lambda x, y: ce(x[:, :-2], y[:, 1:-1]),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "12.4",
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
    praise="One merge; a tokenizer applies its list of merges in the order in which they were learnt.",
)
def merge_ids(truth):
    import torch

    def rule(keep):  # keep(places of the pair, i, ids) -> what stays of place i, a list
        def wrong(ids, left, right, new):
            old = ids.tolist()
            hits = [i for i in range(len(old) - 1) if old[i] == left and old[i + 1] == right]
            return ids.new_tensor([x for i in range(len(old)) for x in keep(hits, i, old, new)])

        return wrong

    def once(pick):  # the pair is merged at one place only
        return rule(lambda hits, i, old, new: (
            [new] if hits and i == pick(hits) else [] if hits and i == pick(hits) + 1 else [old[i]]))  # fmt: skip

    def again(ids, left, right, new):
        while not torch.equal(ids, shorter := once(min)(ids, left, right, new)):
            ids = shorter
        return ids

    def alone(change=lambda x, a, b, new: [x], put=lambda a, b, new: [new], step=2, early=0):
        """Ids that the merge leaves are changed, too; or another thing is put for a pair, or the walk is another."""

        def wrong(ids, left, right, new):
            out, i, old = [], 0, ids.tolist()
            while i < len(old) - early:
                found = old[i : i + 2] == [left, right]
                out += put(left, right, new) if found else change(old[i], left, right, new)
                i += step if found else 1
            return ids.new_tensor(out)

        return wrong

    def by_twos(put):  # the ids are cut into twos, and these compared with the pair
        def wrong(ids, left, right, new):
            twos = (ids[i : i + 2].tolist() for i in range(0, len(ids), 2))
            return ids.new_tensor([x for two in twos for x in (put(*two, new) if two == [left, right] else two)])

        return wrong

    def as_text(ids, left, right, new):
        words = " ".join(map(str, ids.tolist())).replace(f"{left} {right}", str(new))
        return ids.new_tensor([int(word) for word in words.split()])

    cases = [(torch.tensor(ids), *pair) for ids, pair in (
        ([1, 2, 3, 1, 2, 4, 2, 1], (1, 2, 9)), ([5, 1, 1, 1, 2, 1, 1], (1, 1, 7)), ([3, 4], (3, 4, 8)),
        ([2, 1, 2, 2, 3, 1], (1, 2, 9)), ([2, 2, 2, 2, 2], (2, 2, 6)), ([1, 2, 2, 3], (1, 2, 1)),
        ([1, 2, 3, 3, 2], (3, 5, 9)))]  # fmt: skip
    digits = (
        "right for small ids only, or of one digit: ids are numbers, and `1 2` does not occur in `31 25` or in `1 20`."
    )
    mistakes = {
        "nothing is merged, only one occurrence, or all but the one at the end; all of them should be.": (
            lambda ids, a, b, new: ids, once(min), once(max),
            lambda ids, a, b, new: torch.cat([truth(ids[:-1], a, b, new), ids[-1:]]),
        ),
        "the pair is taken the wrong way round, or both ways: `left` comes first.": (
            lambda ids, a, b, new: truth(ids, b, a, new),
            lambda ids, a, b, new: truth(truth(ids, a, b, new), b, a, new),
            lambda ids, a, b, new: truth(truth(ids, b, a, new), a, b, new),
        ),
        "it runs from right to left: of three equal ids the first two must be merged.":
            lambda ids, a, b, new: truth(ids.flip(0), b, a, new).flip(0),
        "an id that is not in a pair is changed or lost: a `left` or a `right` that stands alone stays.": (
            alone(lambda x, a, b, new: [new] if x == a else [x]), alone(lambda x, a, b, new: [new] if x == b else [x]),
            alone(lambda x, a, b, new: [new] if x in (a, b) else [x]), alone(lambda x, a, b, new: [x] * (x != b)),
            alone(lambda x, a, b, new: [x] * (x != a)), alone(lambda x, a, b, new: [x] * (x not in (a, b))),
            lambda ids, a, b, new: ids.where(ids != a, new), lambda ids, a, b, new: ids.where(ids != b, new),
            lambda ids, a, b, new: ids.where((ids != a) & (ids != b), new),
            lambda ids, a, b, new: ids.where(ids != a, new)[
                [i == 0 or ids[i - 1 : i + 1].tolist() != [a, b] for i in range(len(ids))]
            ],
        ),
        "what has been merged is used up: pairs that overlap, or that a new id makes, are not merged in the same step.":
            (rule(lambda hits, i, old, new: [new] if i in hits else [] if i - 1 in hits else [old[i]]), again,
             rule(lambda hits, i, old, new: [] if i - 1 in hits else [new] if i in hits else [old[i]])),
        "two ids become one, and this is the id `new`.": (
            rule(lambda hits, i, old, new: [new] if i in hits else [old[i]]),
            rule(lambda hits, i, old, new: [new] if i in hits or i - 1 in hits else [old[i]]),
            rule(lambda hits, i, old, new: [] if i in hits or i - 1 in hits else [old[i]]),
            rule(lambda hits, i, old, new: [new, old[i]] if i in hits else [old[i]]),
            alone(put=lambda a, b, new: []), alone(put=lambda a, b, new: [new, new]),
            alone(put=lambda a, b, new: [new, a, b]), alone(put=lambda a, b, new: [a, b, new]),
            lambda ids, a, b, new: truth(ids, a, b, a), lambda ids, a, b, new: truth(ids, a, b, b),
            lambda ids, a, b, new: truth(ids, a, b, a + b), lambda ids, a, b, new: truth(ids, a, b, 256),
        ),
        "an id is lost, added or moved, or pairs are sought at every second place only: walk through all ids in their"
        " order.": (
            lambda *a: truth(*a)[:-1], lambda *a: truth(*a)[1:], lambda *a: truth(*a).sort().values,
            lambda *a: truth(*a).unique(), lambda ids, *pair: truth(ids[:-1], *pair),
            lambda ids, *pair: truth(ids[: len(ids) // 2 * 2], *pair),
            lambda ids, a, b, new: torch.cat([truth(ids, a, b, new), ids.new_tensor([new])]),
            by_twos(lambda a, b, new: [new]), by_twos(lambda a, b, new: [new, a]),
            alone(early=1), alone(step=3), alone(step=3, early=1),
            lambda ids, *pair: by_twos(lambda a, b, new: [new])(ids[: len(ids) // 2 * 2], *pair),
        ),
        digits: as_text,
    }  # fmt: skip
    edges = {
        digits: [(torch.tensor([31, 25, 1, 20, 11, 2, 1, 2]), 1, 2, 40), (torch.tensor([256, 300, 25]), 256, 300, 301)]
    }
    return tasks.Function(cases, mistakes, edges)
