"""Exercises of 08_cyclegan."""

from itertools import permutations
from math import comb

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "08.1",
    hint="Ask of each: do its translations, taken together, look like real kai? Does the way back find the input?",
    solution="""
# An empty page is no kai glyph, and nothing leads back from it. A copy comes back, but is hei.
# Swapped glyphs are perfect kai, each as often as it should be, and the way back undoes the swap.
answer_1 = {"empty": "both", "copy": "adversarial", "swapped": "neither"}
""",
    praise="Only the hidden pairs see a swap: that is what the losses leave open.",
)
def answer_1(truth):
    perfect = "each swapped glyph is perfect kai, and each comes as often as it should, so that no discriminator knows"
    perfect += " from which input it was made; and the way back undoes the swap."
    mistakes = {
        "empty adversarial": "an empty page is the same for every character: what can a way back make of it?",
        "empty cycle": "an empty page is no kai glyph, which a discriminator learns at once.",
        "empty neither": "an empty page is no kai glyph, and no way back can tell which character it was.",
        "copy cycle": "a copy, copied back, is the input: its cycle is 0. But does it look like kai?",
        "copy both": "a copy, copied back, is the input: its cycle is 0.",
        "copy neither": "a copy is hei, and the discriminator compares it with kai.",
        "swapped cycle": "the way back undoes the swap: the input returns.",
        "swapped adversarial": perfect,
        "swapped both": perfect,
    }
    return tasks.Words(("adversarial", "cycle", "both", "neither"), mistakes)


@exercise(
    "08.2",
    hint="A map is an order of the four. Count those with exactly two in their own place (which two? and the others?),"
    " with exactly three, with four. `itertools.permutations` can count them.",
    solution="""
from itertools import permutations

right = [sum(i == j for i, j in enumerate(order)) for order in permutations(range(4))]
answer_2 = sum(n >= 2 for n in right) / len(right)  # 7 of 24
""",
    praise="Six maps have two right, none has three, one has four. On average one character is right, however many"
    " there are.",
)
def answer_2(truth):
    right = [sum(i == j for i, j in enumerate(order)) for order in permutations(range(4))]

    def share(wanted):
        return sum(map(wanted, right)) / len(right)

    drawn = [comb(4, n) * 0.25**n * 0.75 ** (4 - n) for n in range(5)]
    mistakes = {
        "this is the share with exactly two right, or with all four: at least two means both.": (
            share(lambda n: n == 2), share(lambda n: n == 4),
        ),
        "this is the share with at least one right, or with exactly one, at most one, or none: at least two are asked"
        " for.": (
            share(lambda n: n >= 1), share(lambda n: n == 1), share(lambda n: n <= 1), share(lambda n: n == 0),
        ),
        "it is cut off, or has fewer decimals: round to three.": (0.29, 0.291, 0.3),
        "three right and one wrong cannot be: for the fourth only its own glyph is left.": (11 / 24, 10 / 24, 4 / 24),
        "here each character is drawn by itself, with a chance of 1/4; a map with an inverse gives no glyph twice.": (
            sum(drawn[2:]), drawn[2], sum(drawn[1:]),
        ),
        "maps in which all four are right are counted more than once: whoever fixes two and arranges the rest in any"
        " way meets them for each choice of two.": 0.5,
        "this is how many maps, or how many are right on average; a share of the 24 is asked for.": (7.0, 6.0, 1.0),
        "this is a half of the truth, its double, or has another total: there are 4! = 24 maps.": (
            7 / 48, 7 / 16, 7 / 256, 7 / 64, 7 / 12,
        ),
    }  # fmt: skip
    return tasks.Number(0.0005, mistakes, "List the 24 orders of four things.", low=0, high=1)


@exercise(
    "08.3",
    hint="Three steps: translate x; add the noise to the translation; take that back. Then the mean of |… − x|.",
    solution="""
def noisy_cycle(x, noise, there, back):
    return (back(there(x) + noise) - x).abs().mean()
""",
    praise="With noise of 0 it is the cycle of training. The difference is what small values carried.",
)
def noisy_cycle(truth):
    def bends(x):
        "1.5 x + 0.2 x²"
        return 1.5 * x + 0.2 * x**2

    def shrinks(x):
        "0.6 x - 0.1"
        return 0.6 * x - 0.1

    def mixes(x):
        "x + 2 · the mean of its row"
        return x + 2 * x.mean(-1, keepdims=True)

    def of(formula):
        """formula(x, noise, there, back), and the mean of its absolute values."""
        return lambda x, noise, there, back: formula(x, noise, there, back).abs().mean()

    cases = [(noise(4, 3), 0.5 * noise(4, 3, seed=1), bends, shrinks),
             (noise(2, 5, seed=2), noise(2, 5, seed=3), shrinks, bends),
             (noise(3, 2, seed=4), 0.3 * noise(3, 2, seed=5), mixes, shrinks),
             ([[1.0, -1.0]], [[0.5, 0.25]], shrinks, mixes)]  # fmt: skip
    mistakes = {
        "the noise is added to the input, before it is translated; add it to the translation alone.": (
            of(lambda x, e, there, back: back(there(x + e)) - x),
            of(lambda x, e, there, back: back(there(x + e)) - x - e),
            of(lambda x, e, there, back: back(there(x + e) + e) - x),
        ),
        "the noise is added at the end, after the way back; add it to the translation alone.": (
            of(lambda x, e, there, back: back(there(x)) + e - x),
            of(lambda x, e, there, back: back(there(x) + e) + e - x),
            of(lambda x, e, there, back: back(there(x)) + back(e) - x),
        ),
        "`noise` changes nothing: this is the cycle without it.": of(lambda x, e, there, back: back(there(x)) - x),
        "compare with the input x, as it is: not with the translation, the way back without noise, or nothing.": (
            of(lambda x, e, there, back: back(there(x) + e) - there(x)),
            of(lambda x, e, there, back: back(there(x) + e) - there(x) - e),
            of(lambda x, e, there, back: back(there(x) + e)), of(lambda x, e, there, back: back(there(x) + e) - e),
            of(lambda x, e, there, back: back(there(x) + e) - back(there(x))),
            of(lambda x, e, there, back: back(there(x) + e) - x - e),
        ),
        "the way goes `there` first, then `back`; here one is left out, or they are swapped.": (
            of(lambda x, e, there, back: there(back(x) + e) - x), of(lambda x, e, there, back: there(x) + e - x),
            of(lambda x, e, there, back: back(x + e) - x), of(lambda x, e, there, back: there(x + e) - x),
            of(lambda x, e, there, back: there(there(x) + e) - x),
        ),
        "the mean of absolute values is asked for: not of squares, no root, no median, no maximum, no signed values.": (
            lambda x, e, there, back: (back(there(x) + e) - x).square().mean(),
            lambda x, e, there, back: (back(there(x) + e) - x).square().mean().sqrt(),
            lambda x, e, there, back: (back(there(x) + e) - x).mean(),
            lambda x, e, there, back: (back(there(x) + e) - x).mean().abs(),
            lambda x, e, there, back: (back(there(x) + e) - x).norm(),
            lambda x, e, there, back: (back(there(x) + e) - x).norm(dim=-1).mean(),
            lambda x, e, there, back: (back(there(x) + e) - x).abs().median(),
            lambda x, e, there, back: (back(there(x) + e) - x).abs().max(),
            lambda x, e, there, back: (back(there(x) + e).abs() - x.abs()).mean(),
        ),
        "one mean over all values is asked for, of the way from x: not a sum, nor one for each row, nor the other way's"
        " error, from `back` to `there`, beside it.": (
            lambda x, e, there, back: (back(there(x) + e) - x).abs().sum(),
            lambda x, e, there, back: (back(there(x) + e) - x).abs().mean(-1),
            lambda x, e, there, back: (back(there(x) + e) - x).abs().mean(0),
            lambda x, e, there, back: (back(there(x) + e) - x).abs().sum(-1).mean(),
            lambda x, e, there, back: truth(x, e, there, back) + truth(x, e, back, there),
        ),
        "the noise has a plus, and the factor 1; it is added as it is, and nothing is clamped.": (
            of(lambda x, e, there, back: back(there(x) - e) - x), of(lambda x, e, there, back: back(there(x) * e) - x),
            of(lambda x, e, there, back: back(there(x) * (1 + e)) - x),
            of(lambda x, e, there, back: back(there(x) + 0.05 * e) - x),
            of(lambda x, e, there, back: back(there(x) + e.abs()) - x),
            of(lambda x, e, there, back: back(there(x) + e / e.std()) - x),
            of(lambda x, e, there, back: back((there(x) + e).clamp(-1, 1)) - x),
            of(lambda x, e, there, back: back((there(x) + e).clamp(0, 1)) - x),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "08.4",
    hint="Two means: how far the logits of real glyphs are from 1, squared, and those of translations from 0.",
    solution="""
def least_squares(real, fake):
    return (real - 1).square().mean() + fake.square().mean()
""",
    praise="It never stops pulling: a logit of 5 for a real glyph costs 16, where the hinge loss is content.",
)
def least_squares(truth):
    import torch

    def of(up, down):
        """(real - up)² and (fake - down)², two means."""
        return lambda r, f: (r - up).square().mean() + (f - down).square().mean()

    cases = [(noise(4, 3), noise(4, 3, seed=1)), (noise(2, 3, 3, seed=2), 2 * noise(2, 3, 3, seed=3)),
             (noise(3, 2, 2, seed=4), noise(1, 4, 4, seed=5)), ([[2.0, 0.0]], [[1.0, -3.0]])]  # fmt: skip
    mistakes = {
        "the targets are swapped: real glyphs are to have 1, translations 0.": (of(0, 1), lambda r, f: truth(f, r)),
        "translations are to have 0 here, as in Zhu et al., not −1; real glyphs 1.": (of(1, -1), of(0, -1)),
        "both terms have one target here, or another than 1 and 0: real glyphs have 1, translations 0.": (
            of(1, 1), of(0, 0), of(-1, 0), of(0.9, 0),
        ),
        "one of the two terms is missing, or this is the translator's loss.": (
            lambda r, f: (r - 1).square().mean(), lambda r, f: f.square().mean(), lambda r, f: (f - 1).square().mean(),
        ),
        "this is a hinge loss or a cross-entropy, takes a sigmoid first, or lacks a square.": (
            lambda r, f: (1 - r).relu().mean() + (1 + f).relu().mean(),
            lambda r, f: (1 - r).relu().square().mean() + f.relu().square().mean(),
            lambda r, f: (r - 1).abs().mean() + f.abs().mean(),
            lambda r, f: (1 - r).relu().square().mean() + (1 + f).relu().square().mean(),
            lambda r, f: (r.sigmoid() - 1).square().mean() + f.sigmoid().square().mean(),
            lambda r, f: (1 + (-r).exp()).log().mean() + (1 + f.exp()).log().mean(),
            lambda r, f: f.mean() - r.mean(), lambda r, f: (r - 1).mean() + f.square().mean(),
            lambda r, f: (r - 1).square().mean() + f.mean(), lambda r, f: (r**2 - 1).mean() + f.square().mean(),
        ),
        "take the mean of the squares, not the square of the mean, nor its root.": (
            lambda r, f: (r.mean() - 1).square() + f.mean().square(),
            lambda r, f: (r - 1).square().mean().sqrt() + f.square().mean().sqrt(),
        ),
        "take a mean over all logits, patches too, and add the two means; no sums, no common mean of both.": (
            lambda r, f: (r - 1).square().sum() + f.square().sum(),
            lambda r, f: (r - 1).square().flatten(1).sum(1).mean() + f.square().flatten(1).sum(1).mean(),
            lambda r, f: ((r - 1).square().sum() + f.square().sum()) / (r.numel() + f.numel()),
            lambda r, f: ((r - 1).square().sum() + f.square().sum()) / r.numel(),
            lambda r, f: (r - 1).square().flatten(1).mean(1).sum() + f.square().flatten(1).mean(1).sum(),
            lambda r, f: (r - 1).square().sum() + f.square().mean(),
        ),
        "the two terms are added, as they are, to one number: both are errors.": (
            lambda r, f: torch.stack([(r - 1).square().mean(), f.square().mean()]),
            lambda r, f: (r - 1).square().mean() - f.square().mean(),
            lambda r, f: f.square().mean() - (r - 1).square().mean(),
            lambda r, f: (r - 1).square().mean() * f.square().mean(),
            lambda r, f: (r - 1).square().mean() + f.square().mean() / 2,
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "08.5",
    hint="`torch.cdist(guess, truth)` has the distance of each guess (row) to each truth (column). In which column is"
    " each row smallest?",
    solution="""
import torch


def retrieval(guess, truth):
    nearest = torch.cdist(guess, truth).argmin(dim=1)
    return (nearest == torch.arange(len(guess))).double().mean()
""",
    praise="It asks for the right character, and not for a small error: a paler glyph has a smaller error, too.",
)
def retrieval(truth):
    import torch

    def share(table):
        """For how many rows of a table (B, B) the smallest value is on the diagonal."""
        return (table.argmin(1) == torch.arange(len(table))).double().mean()

    def second(table):
        """For how many rows the second smallest value is on the diagonal."""
        return (table.argsort(1)[:, 1] == torch.arange(len(table))).double().mean()

    def case(B, D, seed, error):
        right = noise(B, D, seed=seed) * (1 + 2 * noise(B, 1, seed=seed + 1).abs())
        return right + error * noise(B, D, seed=seed + 2), right

    cases = [case(9, 1, 90, 9.0), case(12, 3, 10, 1.2), case(16, 2, 20, 0.8), case(20, 4, 30, 1.5),
             case(25, 2, 70, 0.5), case(14, 3, 50, 2.0), ([[1.0], [2.0], [9.0]], [[0.0], [3.0], [8.0]])]  # fmt: skip
    mistakes = {
        "this asks for the nearest guess of each truth; the nearest truth of each guess is asked for.":
            lambda g, t: share(torch.cdist(t, g)),
        "the distance is Euclidean: this is the sum, or the largest, of absolute differences, or of signed"
        " ones.": (
            lambda g, t: share(torch.cdist(g, t, p=1)), lambda g, t: share(torch.cdist(g, t, p=torch.inf)),
            lambda g, t: share((g[:, None] - t).sum(2).abs()),
        ),
        "this takes the largest dot product, or the smallest angle; the smallest distance is asked for.": (
            lambda g, t: share(-g @ t.T),
            lambda g, t: share(-(g / g.norm(dim=1, keepdim=True)) @ (t / t.norm(dim=1, keepdim=True)).T),
        ),
        "the nearest truth counts, and it alone: this takes the farthest, the second, or several, or is always 0.": (
            lambda g, t: share(-torch.cdist(g, t)), lambda g, t: second(torch.cdist(g, t)),
            lambda g, t: second(torch.cdist(g, t)) + share(torch.cdist(g, t)),
        ),
        "this is how many are right, or wrong, or the share of those that are wrong; the share that is right is asked"
        " for.": (
            lambda g, t: len(g) * share(torch.cdist(g, t)), lambda g, t: len(g) * (1 - share(torch.cdist(g, t))),
            lambda g, t: 1 - share(torch.cdist(g, t)),
        ),
        "each row has a nearest truth of its own: this finds one number in the whole table (`dim=1` is missing), or"
        " counts one row alone.": (
            lambda g, t: (torch.cdist(g, t).argmin() == torch.arange(len(g))).double().mean(),
            lambda g, t: (torch.cdist(g, t).diagonal() == torch.cdist(g, t).min()).double().mean(),
            lambda g, t: (torch.cdist(g, t)[0].argmin() == 0).double() / len(g),
        ),
        "this is an error or a mean distance: which truth is the nearest does not enter.": (
            lambda g, t: (g - t).abs().mean(), lambda g, t: (g - t).norm(dim=1).mean(),
            lambda g, t: torch.cdist(g, t).amin(1).mean(), lambda g, t: (g - t).square().mean(),
        ),
        "each guess must be compared with all truths: this is 1 or 1/B whatever comes, as when they are compared with"
        " themselves, or signed differences are added up before they are squared.": (
            lambda g, t: share(torch.cdist(g, g)), lambda g, t: share(torch.cdist(t, t)),
            lambda g, t: share((g[:, None] - t).sum(2)),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
