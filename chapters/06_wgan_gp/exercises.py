"""Exercises of 06_wgan_gp."""

from aigc_course.plumbing.grading import Wrong, call, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "06.1",
    hint="Two heaps that do not overlap: what must be carried, and how far? And can the Jensen-Shannon divergence, made"
    " of the densities at each single point, see how far apart two points are?",
    solution="""
# Every grain goes twice as far; log 2 is reached as soon as the two do not overlap.
answer_1 = {"w1": "doubles", "jsd": "stays"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("stays", "doubles", "quadruples"))
    if said == {"w1": "stays", "jsd": "doubles"}:
        raise Wrong("the two are the wrong way round: which of them measures a distance on the line?")
    reasons = {
        "w1 stays": "W1 does not stay: the same earth is carried, but twice as far.",
        "w1 quadruples": "W1 takes the distance itself; with its square (that is W2²) the cost would quadruple.",
        "jsd doubles": "the divergence cannot double: it is at its largest value, log 2, once nothing overlaps.",
        "jsd quadruples": "the divergence cannot quadruple: it is at its largest value, log 2, once nothing overlaps.",
    }
    if wrong := [reasons[f"{key} {word}"] for key, word in said.items() if word != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "One of the two still says which way to go when nothing overlaps."


@exercise(
    "06.2",
    hint="Walk along the line from the left. Between two neighbouring points, the earth that must cross is the"
    " difference of the two sums so far; it crosses the whole gap.",
    solution="""
gaps = [1, 2, 3]  # between 0, 1, 3 and 6
cross = [0.5 - 0.2, 0.6 - 0.4, 0.7 - 0.9]  # what the sums so far differ by
answer_2 = sum(abs(c) * gap for c, gap in zip(cross, gaps))  # 1.3
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.005:
        return "0.3 units over a gap of 1, 0.2 over a gap of 2 and 0.2 over a gap of 3."
    mistakes = {
        -1.3: "the size is right, the sign is not: a distance is never negative.",
        0.1: "this is the difference of the two means: earth that goes left is counted against earth that goes right."
        " Both cost. Take absolute values before you sum.",
        -0.1: "this is the difference of the two means: earth that goes left is counted against earth that goes right."
        " Both cost. Take absolute values before you sum.",
        0.7: "the gaps are left out: 0.2 units that cross a gap of 3 cost 0.6.",
        0.5: "this is the earth that moves at all (the total variation distance); how far it goes is missing.",
        1.0: "this sums the differences of the heaps, without any distance; sum the differences of the sums so far,"
        " times the gaps.",
        3.3: "each grain pays the square of its way here (that is W2²); the plain way is asked for.",
        1.817: "this is the root of W2²: the squares of the ways were averaged; average the ways themselves.",
        0.65: "half of it: no factor ½ belongs here, each grain is carried once.",
        2.6: "twice too much: each grain is carried once, from P to Q.",
        2.1: "each difference is multiplied by the position of the point; multiply by the gap to the next point.",
        0.8: "each difference is multiplied by the position of the left point; multiply by the gap to the next point.",
        0.9: "one gap is missing: there are three, of 1, 2 and 3.",
        0.325: "the average over the four points is not asked for; the sum over the gaps is.",
        2.5: "each point's own difference is multiplied by its position; take the differences of the sums so far.",
    }
    name_mistake(value, mistakes, within=0.006)
    size = "never negative" if value < 0 else f"{'smaller' if value > truth else 'larger'} than {value:.4g}"
    raise Wrong(f"this distance is {size}. Sum (earth that must cross) × (length of the gap) over the three gaps.")


@exercise(
    "06.3",
    hint="The critic wants high scores for real images and low ones for generated images; a loss is minimised. The"
    " penalty is a mean over images of (slope - 1)².",
    solution="""
def my_critic_loss(real, fake, slopes, lam):
    return fake.mean() - real.mean() + lam * ((slopes - 1) ** 2).mean()
""",
)
def my_critic_loss(answer, truth):
    lam = noise(1).new_tensor(10.0)
    cases = [
        ("4 images", noise(4), noise(4, seed=1), noise(4, seed=2).abs(), lam),
        ("3 images, lam = 0.5", noise(3, seed=3), noise(3, seed=4), noise(3, seed=5).abs() + 1, lam / 20),
        ("2 images in float64", *(noise(2, seed=s).abs().double() for s in (6, 7, 8)), lam.double()),
        ("slopes of 1, which cost nothing", [3.0, 1.0], [1.0, 0.0], [1.0, 1.0], lam),
        ("slopes of 0, which cost lam", [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], lam),
    ]
    penalty = "lam * ((slopes - 1) ** 2).mean()"
    gap = "real.mean() - fake.mean()"
    mistakes = {
        f"real.mean() + fake.mean() + {penalty}": "this is what the article prints: both scores have a plus, so that"
        " nothing tells real from generated.",
        f"{gap} + {penalty}": "the critic's signs are turned: this loss rewards low scores for real images.",
        f"{gap} - {penalty}": "this is minus the loss: it is the quantity to maximise.",
        f"-real.mean() - fake.mean() + {penalty}": "both scores have a minus: generated images must get low scores.",
        f"fake.mean() - real.mean() - {penalty}": "the penalty has the wrong sign: slopes far from 1 are rewarded.",
        "fake.mean() - real.mean()": "the penalty is missing.",
        f"fake.mean() + {penalty}": "the real scores are missing.",
        f"-real.mean() + {penalty}": "the generated scores are missing.",
        penalty: "the scores are missing: this is the penalty alone.",
        "fake.mean() - real.mean() + ((slopes - 1) ** 2).mean()": "the penalty's weight lam is missing.",
        "fake.mean() - real.mean() + lam * (slopes.mean() - 1) ** 2": "this pulls the mean slope to 1; each image's own"
        " slope should be near 1. Square first, then average.",
        "fake.mean() - real.mean() + lam * (slopes**2).mean()": "slopes are pulled to 0 here, not to 1.",
        "fake.mean() - real.mean() + lam * slopes.mean()": "the slope itself is the penalty here; it is (slope - 1)².",
        "fake.mean() - real.mean() + lam * (slopes - 1).mean()": "the square is missing: slopes below 1 are rewarded.",
        "fake.mean() - real.mean() + lam * (slopes - 1).abs().mean()": "the distance from 1 must be squared.",
        "fake.mean() - real.mean() + lam * ((slopes**2 - 1) ** 2).mean()": "slopes are norms already; do not square"
        " them before 1 is subtracted.",
        "fake.mean() - real.mean() + lam * ((slopes - 1).clamp(min=0) ** 2).mean()": "this is the one-sided penalty,"
        " which forgives slopes below 1. It works too, but asked for is the paper's (slope - 1)².",
        "fake.sum() - real.sum() + lam * ((slopes - 1) ** 2).sum()": "these are sums; take means over the images.",
        "fake.mean() - real.mean() + lam * ((slopes - 1) ** 2).sum()": "the penalty is a sum; take its mean.",
        f"fake - real + {penalty}": "the scores are not averaged: a loss is one number.",
        "fake - real + lam * (slopes - 1) ** 2": "nothing is averaged: a loss is one number, a mean over the images.",
        "(fake.mean() - real.mean()).abs() + lam * ((slopes - 1) ** 2).mean()": "no absolute value belongs here: it"
        " would punish a critic that tells the two apart.",
        "fake.mean() - real.mean() + lam / 2 * ((slopes - 1) ** 2).mean()": "the factor ½ is not in the paper's loss.",
    }
    compare(answer, truth, cases, mistakes)
    return "Equation 3 of Gulrajani et al. (2017), as a loss to minimise."


@exercise(
    "06.4",
    hint="Make points x = t real + (1 - t) fake that require gradients. `torch.autograd.grad` of the summed scores"
    " gives one gradient an image, since no score depends on another image. The penalty will be differentiated once"
    " more: what must the call be told?",
    solution="""
import torch


def my_slopes(critic, real, fake, t):
    x = (t * real + (1 - t) * fake).detach().requires_grad_()  # (B, D)
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.norm(dim=1)  # (B,)
""",
)
def my_slopes(answer, truth):
    import torch

    weight = noise(3, seed=9)

    def straight(x):  # slope |weight| everywhere
        return x @ weight.to(x)

    def bowl(x):  # slope |x|: says where it was taken
        return 0.5 * (x**2).sum(dim=1)

    def wave(x):
        return (x**3).sum(dim=1) / 3 + x[:, 0] * x[:, 1]

    t = torch.tensor([[0.1], [0.4], [0.8], [0.95]])
    cases = [
        ("a cubic critic and 4 pairs of points", wave, noise(4, 3), noise(4, 3, seed=1), t),
        ("a critic ½|x|² and 4 pairs", bowl, noise(4, 3), noise(4, 3, seed=1), t),
        (
            "½|x|² and 2 pairs in float64",
            bowl,
            *(noise(2, 3, seed=s).double() for s in (2, 3)),
            t[1:3].double(),
        ),
        ("a linear critic, whose slope is the same everywhere", straight, noise(4, 3), noise(4, 3, seed=1), t),
        ("a critic ½|x|², real = (3, 4), fake = (0, 0), t = ½", bowl, [[3.0, 4.0]], [[0.0, 0.0]], [[0.5]]),
    ]
    mistakes = {
        "truth(critic, real, real, t)": "the slopes are taken at the real points; take them between the two.",
        "truth(critic, fake, fake, t)": "the slopes are taken at the generated points; take them between the two.",
        "truth(critic, fake, real, t)": "t and 1 - t are swapped: t = 1 must give the real point.",
        "truth(critic, real, fake, 0 * t + 0.5)": "t is left out: the slopes are taken in the middle.",
        "truth(critic, real + fake, 0 * real, 0 * t + 1)": "real and generated are added, without weights.",
        "truth(critic, real, 0 * fake, t)": "the generated points are left out.",
        "(want - 1) ** 2": "these are the penalties; asked for are the slopes themselves.",
        "((want - 1) ** 2).mean()": "this is the penalty's mean; asked for is one slope for each pair, shape (B,).",
        "want**2": "these are the squared norms: a root is missing.",
        "(want**2).sum() ** 0.5": "one norm over the whole batch: each pair has a slope of its own, shape (B,).",
        "want.mean()": "the slopes are averaged; one for each pair is asked for, shape (B,).",
        "want.sum()": "the slopes are added up; one for each pair is asked for, shape (B,).",
        "want / len(real)": "the gradient of the mean score is B times too small; sum the scores instead.",
        "(want**2).sum() ** 0.5 / len(real)": "one norm over the whole batch, of the mean score.",
        "want[:, None]": "an axis is left over: one number for each pair, shape (B,).",
    }
    with torch.enable_grad():  # also where the learner has turned gradients off
        compare(answer, truth, cases, mistakes)
        scale = torch.tensor(2.0, requires_grad=True)
        inputs = (lambda x: scale * bowl(x), noise(4, 3), noise(4, 3, seed=1), t)
        slopes = call(answer, truth, inputs, "a critic whose weight requires gradients")
        if not (torch.is_tensor(slopes) and slopes.requires_grad):
            raise Wrong(
                "the values are right, but no gradient leads from the slopes to the critic's weights, so a penalty"
                " would teach nothing: `create_graph=True` keeps it, `detach` cuts it."
            )
        slopes.sum().backward()
        due = truth(bowl, *inputs[1:]).sum()
        if scale.grad is None or not scale.grad.allclose(due.detach(), rtol=1e-3):
            raise Wrong("the values are right, but not the gradient that reaches the critic's weights.")
    return "One slope for each pair, and the penalty can be differentiated."


@exercise(
    "06.5",
    hint="Sort all N + M values. Between two neighbours both distribution functions are constant: the share of `a` and"
    " the share of `b` that are not larger. `torch.searchsorted(sorted, values, right=True)` counts them.",
    solution="""
import torch


def my_w1(a, b):
    x = torch.cat([a, b]).sort().values  # (N + M,)
    cdf_a = torch.searchsorted(a.sort().values, x[:-1], right=True) / len(a)
    cdf_b = torch.searchsorted(b.sort().values, x[:-1], right=True) / len(b)
    return ((cdf_a - cdf_b).abs() * x.diff()).sum()
""",
)
def my_w1(answer, truth):
    cases = [
        ("5 values against 3", noise(5), noise(3, seed=1)),
        ("4 values against 7, in float64", noise(4, seed=2).double(), 2 * noise(7, seed=3).double() + 1),
        ("6 values against 2 that lie far away", noise(6, seed=4), noise(2, seed=5) + 9),
        ("2 values against 4 around them", [-0.5, 0.5], [-3.0, -1.0, 2.0, 2.5]),
        ("1 and 3 against 2", [1.0, 3.0], [2.0]),
        ("3, 1 and 2 against 2, 3 and 1", [3.0, 1.0, 2.0], [2.0, 3.0, 1.0]),
    ]
    n = "min(len(a), len(b))"
    mistakes = {
        "(a.mean() - b.mean()).abs()": "this is the distance of the means: earth that goes left and earth that goes"
        " right cancel. Two sets with one mean can be far apart.",
        "a.mean() - b.mean()": "this is the difference of the means; ways to the left and to the right cancel.",
        f"(a.sort().values[:{n}] - b.sort().values[:{n}]).abs().mean()": "the longer sample is cut off: sorted pairs"
        " work for equal sizes only. Use the two distribution functions.",
        f"(a[:{n}] - b[:{n}]).abs().mean()": "values are paired as they came, and the longer sample is cut off.",
        "(a[:, None] - b).abs().mean()": "this is the mean distance of all pairs, as if each grain went everywhere; the"
        " cheapest plan is asked for. It must be 0 for equal samples.",
        "(a[:, None] - b).abs().min(1).values.mean()": "each value goes to its nearest neighbour here, so one place can"
        " receive everything. Each place takes its own share only.",
        "2 * want": "twice too much.",
        "want / 2": "half of it.",
        "-want": "a distance is never negative.",
        "want.square()": "the square of the distance is returned.",
        "want * (len(a) + len(b) - 1)": "counts and gaps are right, but something is not divided by its number.",
        "want / (len(a) + len(b) - 1)": "the gaps are averaged; add them up.",
        "want[None]": "an axis is left over: the distance is one number.",
    }
    compare(answer, truth, cases, mistakes)
    return "The area between two distribution functions, for samples of any sizes."
