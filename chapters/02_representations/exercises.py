"""Exercises of 02_representations."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "02.1",
    hint="Turn the page upside down. Which digits are then another digit, which the same, and which none at all?",
    solution="""
# A 0 and an 8 stay what they are. A 6 becomes a 9: who sees a 9 must be told what it was.
told = "told"
answer_1 = {"0": "no", "8": "no", "6": told, "9": told, "4": "yes", "7": "yes"}
""",
    praise="A pretext task teaches what its answer needs: of a well-formed 0 nothing, of a 6 what is not in the image.",
)
def answer_1(truth):
    alike = "a 0 or an 8 that is turned by half a turn looks as it did before; what is there to see?"
    both = "a 6 turned by half a turn is a 9 upright, and a 9 a 6: from the image alone both answers fit."
    seen = "upside down a 4 or a 7 is no digit: nobody has to be told which it is to see that."
    same = "knowing which digit it is does not help: a 0 and an 8 look the same both ways."
    none = "half a turn makes of a 4 or a 7 what is no digit at all, and that can be seen."
    known = "who knows that it is a 6, or a 9, can say which way up it is: the belly of a 6 belongs below."
    mistakes = {
        "0 yes, 8 yes": alike, "0 yes": alike, "8 yes": alike,
        "6 yes, 9 yes": both, "6 yes": both, "9 yes": both,
        "6 no, 9 no": known, "6 no": known, "9 no": known,
        "4 told, 7 told": seen, "4 told": seen, "7 told": seen,
        "0 told, 8 told": same, "0 told": same, "8 told": same,
        "4 no, 7 no": none, "4 no": none, "7 no": none,
    }  # fmt: skip
    return tasks.Words(("yes", "no", "told"), mistakes)


@exercise(
    "02.2",
    hint="Take one view. It has three others: its partner, with a cosine of 1, and two views of the other image, with a"
    " cosine of −1. Divide by the temperature, and take the cross-entropy of the partner.",
    solution="""
import math

# -log(exp(2) / (exp(2) + 2 exp(-2))), and the same for each of the four views
answer_2 = math.log(1 + 2 * math.exp(-4))  # 0.036
""",
    praise="No embedding of two images has less: two points of a sphere are never further apart.",
)
def answer_2(truth):
    def loss(others, gap, own=0.0):
        """With so many others, whose logits lie by gap below the partner's; own: of the view itself, counted too."""
        return math.log(1 + others * math.exp(-gap) + own)

    mistakes = {
        "each view has just two others of the other image, and both are in the sum.": (
            loss(1, 4), loss(3, 4), math.log(1 + 6 * math.exp(-8 / 3)),
        ),
        "cosines go from 1 to −1: the difference is 2, and over the temperature 4.": (
            loss(2, 2), loss(1, 2), loss(2, 8), loss(2, 2) / math.log(2),
        ),
        "divide the cosines by the temperature; they are not multiplied by it, nor left as they are.": (
            loss(2, 1), loss(1, 1), math.log(1 + 2 * math.exp(-2 * 0.5**2)),
        ),
        "no view is its own partner: it does not stand in the sum.": (
            loss(2, 4, 1.0), loss(1, 4, 1.0), loss(2, 2, 1.0),
        ),
        "this is the loss of views that cannot be told apart, the logarithm of how many there are; these can.": (
            math.log(3), math.log(4), math.log(2),
        ),
        "this is the sum over views; the loss is their mean.": (4 * loss(2, 4), 2 * loss(2, 4)),
        "this is the chance of the right answer, or of a wrong one, or cut off where it is to be rounded; the loss is"
        " minus the logarithm of the chance of the right one.": (
            math.exp(-loss(2, 4)), 1 - math.exp(-loss(2, 4)), 0.035,
        ),
        "this is in bits, or by the logarithm to base 10; nats take the natural logarithm.": (
            loss(2, 4) / math.log(2), loss(2, 4) / math.log(10),
        ),
    }  # fmt: skip
    return tasks.Number(0.0005, mistakes, "Write out one view's sum: of four views all but itself are in it.", low=0)


@exercise(
    "02.3",
    hint="One matrix holds the cosines of all pairs, z_1 by z_2, over the temperature. The right answers are on its"
    " diagonal: once for its rows, once for its columns.",
    solution="""
import torch


def two_towers(z_1, z_2, temperature):
    z_1, z_2 = (torch.nn.functional.normalize(z, dim=1) for z in (z_1, z_2))
    logits = z_1 @ z_2.T / temperature  # (N, N)
    right = torch.arange(len(z_1))
    rows, columns = (torch.nn.functional.cross_entropy(a, right) for a in (logits, logits.T))
    return (rows + columns) / 2
""",
    praise="With images on one side and their captions on the other, this is the loss of CLIP (Radford et al. 2021).",
)
def two_towers(truth):
    import torch
    import torch.nn.functional as F

    def of(change):
        """change(logits, logits.T, right answers) of cosines over the temperature."""

        def wrong(z_1, z_2, temperature):
            logits = F.normalize(z_1, dim=1) @ F.normalize(z_2, dim=1).T / temperature
            return change(logits, logits.T, torch.arange(len(z_1)))

        return wrong

    def nt_xent(z_1, z_2, temperature, fill=-math.inf):
        z = F.normalize(torch.cat([z_1, z_2]), dim=1)
        logits = z @ z.T / temperature
        logits = logits if fill is None else logits.fill_diagonal_(fill)
        return F.cross_entropy(logits, torch.arange(len(z)).roll(len(z_1)))

    def unscaled(z_1, z_2, temperature):
        logits = z_1 @ z_2.T / temperature
        return (F.cross_entropy(logits, torch.arange(len(z_1))) + F.cross_entropy(logits.T, torch.arange(len(z_1)))) / 2

    def mean_length(z_1, z_2, temperature):
        return unscaled(z_1 / z_1.norm(), z_2 / z_2.norm(), temperature)

    def columns_scaled(z_1, z_2, temperature):
        return unscaled(F.normalize(z_1, dim=0), F.normalize(z_2, dim=0), temperature)

    def margins(logits):
        """Without the partner in the sum below."""
        right = logits.diagonal()
        return (logits.masked_fill(torch.eye(len(logits), dtype=torch.bool), -math.inf).logsumexp(1) - right).mean()

    cases = [
        (noise(4, 3, seed=0), noise(4, 3, seed=1), 0.5), (noise(3, 3, seed=2), noise(3, 3, seed=3), 0.2),
        (noise(5, 2, seed=4), 3 * noise(5, 2, seed=5), 1.5), ([[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, 1.0]], 1.0),
    ]  # fmt: skip
    mistakes = {
        "this asks one side only; the mean of both directions, rows and columns, is due.": (
            of(lambda a, b, right: F.cross_entropy(a, right)), of(lambda a, b, right: F.cross_entropy(b, right)),
        ),
        "this is the sum of the two directions; their mean is due.": of(
            lambda a, b, right: F.cross_entropy(a, right) + F.cross_entropy(b, right)
        ),
        "here views of one side are compared with each other, too; each z_1 is compared with all z_2, no other z_1.": (
            nt_xent, lambda a, b, t: nt_xent(a, b, t, None), lambda a, b, t: (truth(a, a, t) + truth(b, b, t)) / 2,
            lambda a, b, t: F.cross_entropy(
                torch.cat(
                    [F.normalize(a) @ F.normalize(b).T, (F.normalize(a) @ F.normalize(a).T).fill_diagonal_(-math.inf)],
                    dim=1,
                ) / t,
                torch.arange(len(a)),
            ),
        ),
        "the vectors are not scaled to length 1, each row by its own length; cosines are due.": (
            unscaled, mean_length, columns_scaled, lambda a, b, t: unscaled(F.normalize(a), b, t),
            lambda a, b, t: unscaled(a, F.normalize(b), t),
        ),
        "the cosines are divided by the temperature, once, and nothing else is: here it stands"
        " elsewhere, or nowhere.": (
            lambda a, b, t: truth(a, b, 1 / t), lambda a, b, t: truth(a, b, 1.0), lambda a, b, t: truth(a, b, t**2),
            lambda a, b, t: truth(a, b, t) / t, lambda a, b, t: truth(a, b, t**0.5), lambda a, b, t: truth(a, b, t) * t,
        ),
        "the partner belongs into the sum below the line, too.": (
            of(lambda a, b, right: (margins(a) + margins(b)) / 2),
            of(lambda a, b, right: F.cross_entropy(a.clone().fill_diagonal_(-math.inf), right)),
        ),
        "the mean over the N images is due, once: not the sum, nor a mean divided by N again.": (
            lambda a, b, t: truth(a, b, t) / len(a), lambda a, b, t: 2 * truth(a, b, t) / len(a),
            of(lambda a, b, right: len(a) * (F.cross_entropy(a, right) + F.cross_entropy(b, right)) / 2),
            of(lambda a, b, right: len(a) * (F.cross_entropy(a, right) + F.cross_entropy(b, right))),
        ),
        "the partners stand on the diagonal: row i of z_1 goes with row i of z_2.": of(
            lambda a, b, right: (F.cross_entropy(a, right.roll(1)) + F.cross_entropy(b, right.roll(1))) / 2
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes, gradients={"z_1": "", "z_2": ""})


@exercise(
    "02.4",
    hint="A mean a class, (n_classes, D); then the squared distance of each new row to each mean, by broadcasting:"
    " `x_new[:, None] - means` has shape (M, n_classes, D).",
    solution="""
import torch


def mean_probe(x, y, x_new, n_classes):
    means = torch.stack([x[y == k].mean(dim=0) for k in range(n_classes)])  # (n_classes, D)
    return -(x_new[:, None] - means).square().sum(dim=2)
""",
    praise="It trains nothing. With one label a class it is the nearest neighbour (Snell et al. 2017).",
)
def mean_probe(truth):
    import torch

    def of(change):
        """change(differences (M, n_classes, D)) to (M, n_classes)."""

        def wrong(x, y, x_new, n_classes):
            means = torch.stack([x[y == k].mean(dim=0) for k in range(n_classes)])
            return change(x_new[:, None] - means)

        return wrong

    def by(centre):
        """centre(the rows of a class) in the place of their mean."""
        return lambda x, y, x_new, n_classes: (
            -torch.stack([(x_new - centre(x[y == k])).square().sum(dim=1) for k in range(n_classes)], dim=1)
        )

    def products(x, y, x_new, n_classes):
        return x_new @ torch.stack([x[y == k].mean(dim=0) for k in range(n_classes)]).T

    def cosines(x, y, x_new, n_classes):
        means = torch.stack([x[y == k].mean(dim=0) for k in range(n_classes)])
        return torch.nn.functional.normalize(x_new, dim=1) @ torch.nn.functional.normalize(means, dim=1).T

    def nearest(x, y, x_new, n_classes):
        squared = (x_new[:, None] - x).square().sum(dim=2)
        return -torch.stack([squared[:, y == k].min(dim=1).values for k in range(n_classes)], dim=1)

    def each_mean(x, y, x_new, n_classes):
        squared = (x_new[:, None] - x).square().sum(dim=2)
        return -torch.stack([squared[:, y == k].mean(dim=1) for k in range(n_classes)], dim=1)

    def over_all(x, y, x_new, n_classes):
        return by(lambda rows: rows.sum(dim=0) / len(x))(x, y, x_new, n_classes)

    def case(n, M, D, n_classes, seed):
        y = torch.arange(n) % n_classes
        y = torch.where(torch.arange(n) > 2 * n_classes, 0, y).flip(0)  # more of class 0, in no order
        return noise(n, D, seed=seed), y, noise(M, D, seed=seed + 1), n_classes

    cases = [case(9, 4, 3, 3, 0), case(8, 2, 5, 2, 10), case(12, 3, 3, 4, 20), case(3, 5, 2, 3, 30),
             ([[0.0], [2.0], [6.0]], torch.tensor([0, 0, 1]), [[1.0], [5.0]], 2)]  # fmt: skip
    mistakes = {
        "this is the distance; minus its square is due.": of(lambda d: -d.norm(dim=2)),
        "the sign is turned: a nearer mean has the larger logit.": (
            of(lambda d: d.square().sum(dim=2)), of(lambda d: d.norm(dim=2)),
        ),
        "add up the squares over the features; their mean, half of it or another distance is not asked for.": (
            of(lambda d: -d.square().mean(dim=2)), of(lambda d: -d.square().sum(dim=2) / 2),
            of(lambda d: -d.abs().sum(dim=2)), of(lambda d: -d.sum(dim=2).square()),
        ),
        "these are products or cosines with the means, or a square is left out; squared distances are asked for.": (
            products, cosines, lambda x, y, x_new, n: truth(x, y, x_new, n) + x_new.square().sum(1, keepdim=True),
            lambda x, y, x_new, n: (truth(x, y, x_new, n) + x_new.square().sum(1, keepdim=True)) / 2,
        ),
        "these are logarithms of probabilities, or probabilities; the logits themselves are asked for.": (
            of(lambda d: (-d.square().sum(dim=2)).log_softmax(1)), of(lambda d: (-d.square().sum(dim=2)).softmax(1)),
        ),
        "the distance to the mean of a class is asked for, not to its nearest row, nor the mean of distances.": (
            nearest, each_mean,
        ),
        "divide each class's sum by how many rows that class has: it is neither the sum, nor over all rows.": (
            by(lambda rows: rows.sum(dim=0)), over_all, by(lambda rows: rows.sum(dim=0) / (len(rows) + 1)),
            lambda x, y, x_new, n: by(lambda rows: rows.sum(dim=0) * n / len(x))(x, y, x_new, n),
        ),
        "the mean of a class is taken of all its rows, feature by feature; one row, a median, or one"
        " number for all, is another thing.": (
            by(lambda rows: rows[0]), by(lambda rows: rows[-1]), by(lambda rows: rows[-1] / len(rows)),
            by(lambda rows: rows.median(dim=0).values), by(lambda rows: rows.mean()),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "02.5",
    hint="Logits as in NT-Xent, the diagonal at −∞. `log_softmax(dim=1)` gives each view's log-probabilities of the"
    " others. Average them over those with the same label, then over the views.",
    solution="""
import torch


def with_labels(z, y, temperature):
    z = torch.nn.functional.normalize(z, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool)
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    log_p = logits.log_softmax(dim=1).masked_fill(itself, 0.0)  # 0 times -inf is no number
    partner = (y[:, None] == y) & ~itself
    return -((log_p * partner).sum(dim=1) / partner.sum(dim=1)).mean()
""",
    praise="This is supervised contrast (Khosla et al. 2020). With each image's number as its label it is NT-Xent.",
)
def with_labels(truth):
    import torch
    import torch.nn.functional as F

    def log_p(z, temperature, itself=False):
        z = F.normalize(z, dim=1)
        own = torch.eye(len(z), dtype=torch.bool)
        logits = z @ z.T / temperature
        logits = logits if itself else logits.masked_fill(own, -math.inf)
        return logits.log_softmax(dim=1).masked_fill(own & ~torch.tensor(itself), 0.0)

    def partners(y, itself=False):
        return (y[:, None] == y) & (torch.tensor(itself) | ~torch.eye(len(y), dtype=torch.bool))

    def of(change):
        """change(log-probabilities (V, V), partners (V, V))."""
        return lambda z, y, temperature: change(log_p(z, temperature), partners(y))

    def itself_too(z, y, temperature):
        a, p = log_p(z, temperature, True), partners(y, True)
        return -((a * p).sum(1) / p.sum(1)).mean()

    def itself_below(z, y, temperature):
        a, p = log_p(z, temperature, True), partners(y)
        return -((a * p).sum(1) / p.sum(1)).mean()

    def inside(z, y, temperature):
        a, p = log_p(z, temperature), partners(y)
        return -((a.exp() * p).sum(1) / p.sum(1)).log().mean()

    def inside_sum(z, y, temperature):
        a, p = log_p(z, temperature), partners(y)
        return -(a.exp() * p).sum(1).log().mean()

    def unscaled(z, y, temperature):
        logits = (z @ z.T / temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), -math.inf)
        a, p = logits.log_softmax(1).masked_fill(torch.eye(len(z), dtype=torch.bool), 0.0), partners(y)
        return -((a * p).sum(1) / p.sum(1)).mean()

    def first(z, y, temperature):
        a, p = log_p(z, temperature), partners(y)
        return -a[torch.arange(len(z)), p.int().argmax(1)].mean()

    def against_others(z, y, temperature):
        """Partners are compared with those of other labels alone."""
        z = F.normalize(z, dim=1)
        logits, p = z @ z.T / temperature, partners(y)
        below = logits.masked_fill(y[:, None] == y, -math.inf).logsumexp(1, keepdim=True)
        return -(((logits - below) * p).sum(1) / p.sum(1)).mean()

    def diagonal(z, y, temperature, fill):
        """With that logit of a view with itself."""
        z = F.normalize(z, dim=1)
        a, p = (z @ z.T / temperature).fill_diagonal_(fill).log_softmax(1), partners(y)
        return -((a * p).sum(1) / p.sum(1)).mean()

    def one_against_others(z, y, temperature):
        """Below the line, a partner and those of other labels."""
        z = F.normalize(z, dim=1)
        logits, p = z @ z.T / temperature, partners(y)
        below = logits.masked_fill(y[:, None] == y, -math.inf).logsumexp(1, keepdim=True)
        return -(((logits - torch.logaddexp(logits, below)) * p).sum(1) / p.sum(1)).mean()

    def case(labels, D, seed, temperature):
        return noise(len(labels), D, seed=seed), torch.tensor(labels), temperature

    cases = [case([0, 0, 1, 1, 0], 3, 0, 0.5), case([2, 1, 2, 1, 1, 2, 2], 2, 1, 0.2), case([0, 1, 0, 1], 4, 2, 1.5),
             case([3, 3, 5, 5, 5, 5], 3, 3, 0.8)]  # fmt: skip
    mistakes = {
        "no view is its own partner, nor does it stand in the sum below the line.": (
            itself_too, itself_below, lambda z, y, t: diagonal(z, y, t, 0.0),
        ),
        "the logarithm comes first, then the mean over partners; here the mean or the sum is inside the logarithm.": (
            inside, inside_sum, of(lambda a, p: -((a.exp() * p).sum(1) / p.sum(1)).mean().log()),
        ),
        "each view's sum over partners is divided by how many it has.": (
            of(lambda a, p: -((a * p).sum(1) / (p.sum(1) + 1)).mean()), of(lambda a, p: -(a * p).sum(1).mean()),
            of(lambda a, p: -(a * p).mean()),
            of(lambda a, p: -(a * p).sum(1).div(len(a) - 1).mean()),
        ),
        "average over a view's partners first, then over all views alike: neither all pairs at once,"
        " nor label by label.": (
            of(lambda a, p: -(a * p).sum() / p.sum()), of(lambda a, p: -(a * p.triu()).sum() / p.triu().sum()),
            lambda z, y, t: -torch.stack([log_p(z, t)[partners(y) & (y == k)].mean() for k in y.unique()]).mean(),
        ),
        "the mean over views is due, not the sum.": of(lambda a, p: -((a * p).sum(1) / p.sum(1)).sum()),
        "the vectors are not scaled to length 1, each row by its own length; cosines are due.": (
            unscaled, lambda z, y, t: unscaled(F.normalize(z, dim=0), y, t),
            lambda z, y, t: unscaled(z / z.norm(), y, t),
        ),
        "the cosines are divided by the temperature, once, and nothing else is: here it stands"
        " elsewhere, or nowhere.": (
            lambda z, y, t: truth(z, y, 1 / t), lambda z, y, t: truth(z, y, 1.0), lambda z, y, t: truth(z, y, t**2),
            lambda z, y, t: truth(z, y, t) * t, lambda z, y, t: truth(z, y, t) / t,
            lambda z, y, t: truth(z, y, t) * t / 0.07,
        ),
        "all partners count, and below the line all other views: here some are left out.": (
            first, against_others, one_against_others, of(lambda a, p: -a.masked_fill(~p, -math.inf).amax(1).mean()),
            of(lambda a, p: -a.masked_fill(~p, math.inf).amin(1).mean()),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes, gradients={"z": ""})
