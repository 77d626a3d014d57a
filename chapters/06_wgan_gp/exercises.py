"""Exercises of 06_wgan_gp."""

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "06.1",
    hint="Two heaps that do not overlap: what must be carried, and how far? And can the Jensen-Shannon divergence, made"
    " of the densities at each single point, see how far apart two points are?",
    solution="""
# Every grain goes twice as far; log 2 is reached as soon as the two do not overlap.
answer_1 = {"w1": "doubles", "jsd": "stays"}
""",
    praise="One of the two still says which way to go when nothing overlaps.",
)
def answer_1(truth):
    mistakes = {
        "w1 stays, jsd doubles": "the two are the wrong way round: which of them measures a distance on the line?",
        "w1 stays": "W1 does not stay: the same earth is carried, but twice as far.",
        "w1 quadruples": "W1 takes the distance itself; with its square (that is W2²) the cost would quadruple.",
        "jsd doubles": "the divergence cannot double: it is at its largest value, log 2, once nothing overlaps.",
        "jsd quadruples": "the divergence cannot quadruple: it is at its largest value, log 2, once nothing overlaps.",
    }
    return tasks.Words(("stays", "doubles", "quadruples"), mistakes)


@exercise(
    "06.2",
    hint="Walk along the line from the left. Between two neighbouring points, the earth that must cross is the"
    " difference of the two sums so far; it crosses the whole gap.",
    solution="""
gaps = [1, 2, 3]  # between 0, 1, 3 and 6
cross = [0.5 - 0.2, 0.6 - 0.4, 0.7 - 0.9]  # what the sums so far differ by
answer_2 = sum(abs(c) * gap for c, gap in zip(cross, gaps))  # 1.3
""",
    praise="0.3 units over a gap of 1, 0.2 over a gap of 2 and 0.2 over a gap of 3.",
)
def answer_2(truth):
    mistakes = {
        "the size is right, the sign is not: a distance is never negative.": -1.3,
        "this is the difference of the two means: earth that goes left is counted against earth that goes right."
        " Both cost. Take absolute values before you sum.": (0.1, -0.1),
        "the heaps' own differences are added up, without gaps, or the first gap is left out; add up the differences of"
        " the sums so far, each times its gap.": 1.0,
        "the heaps' own differences are used, or a plan that is not the cheapest; take the differences of the sums so"
        " far, times the gaps.": (0.5, 2.5, 2.2, 1.7),
        "each grain pays the square of its way here (that is W2²), or the root of that; the plain way is asked for.":
            (3.3, 3.3**0.5, 3.7, 3.7**0.5, 2.9, 2.9**0.5),
        "each grain is carried once, from P to Q: no factor ½ or 2, and no average over points or gaps.":
            (0.65, 2.6, 0.325, 1.3 / 3, 1.3 / 6),
        "the differences are multiplied by places; multiply by the gaps: 1, 2 and 3.": (2.1, 0.8, 3.2),
        "a gap is missing, or all are, or one is not as long as it should be: there are three, of 1, 2 and 3.":
            (0.7, 0.9, 0.3, 1.1, 1.5),
    }  # fmt: skip
    begin = "Sum (earth that must cross) × (length of the gap) over the three gaps."
    return tasks.Number(0.005, mistakes, begin=begin, low=0)


@exercise(
    "06.3",
    hint="The critic wants high scores for real images and low ones for generated images; a loss is minimised. The"
    " penalty is a mean over images of (slope - 1)².",
    solution="""
def my_critic_loss(real, fake, slopes, lam):
    return fake.mean() - real.mean() + lam * ((slopes - 1) ** 2).mean()
""",
    praise="Equation 3 of Gulrajani et al. (2017), as a loss to minimise.",
)
def my_critic_loss(truth):
    from torch.nn.functional import softplus

    def loss(real=-1, fake=1, penalty=lambda s: ((s - 1) ** 2).mean(), weight=lambda lam: lam):
        return lambda r, f, s, lam: fake * f.mean() + real * r.mean() + weight(lam) * penalty(s)

    def case(n, lam, seed):
        return noise(n, seed=seed), noise(n, seed=seed + 1), noise(n, seed=seed + 2).abs() + 0.2, lam

    alone = loss(real=0, fake=0)  # the penalty

    cases = [case(4, 10.0, 0), case(3, 0.5, 3), case(1, 2.0, 6), ([3.0, 1.0], [1.0, 0.0], [1.0, 1.0], 10.0),
             ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], 10.0)]  # fmt: skip
    mistakes = {
        "this is what the article prints: both scores have the same sign, so that nothing tells real from generated.":
            (loss(real=1), loss(fake=-1)),
        "the critic's signs are turned: this loss rewards low scores for real images.": loss(real=1, fake=-1),
        "the penalty is missing, has the wrong sign or not the weight lam, without a ½.": (
            loss(weight=lambda lam: 0), loss(weight=lambda lam: -lam), loss(weight=lambda lam: 1),
            loss(weight=lambda lam: lam / 2), loss(weight=lambda lam: 10),
        ),
        "all scores count, real and generated, and as they are: no sigmoid, no logarithm, no absolute value.": (
            loss(real=0), loss(fake=0), alone,
            lambda r, f, s, lam: f.sigmoid().mean() - r.sigmoid().mean() + alone(r, f, s, lam),
            lambda r, f, s, lam: softplus(f).mean() + softplus(-r).mean() + alone(r, f, s, lam),
            lambda r, f, s, lam: (f.mean() - r.mean()).abs() + alone(r, f, s, lam),
            lambda r, f, s, lam: (f - r).abs().mean() + alone(r, f, s, lam),
        ),
        "this pulls the mean slope to 1; each image's own slope should be near 1. Square first, then average.":
            loss(penalty=lambda s: (s.mean() - 1) ** 2),
        "the penalty of one image is (slope - 1)²: subtract 1 from the slope as it is, then square; no root.": (
            loss(penalty=lambda s: (s**2).mean()), loss(penalty=lambda s: s.mean()),
            loss(penalty=lambda s: (s - 1).mean()), loss(penalty=lambda s: (s - 1).abs().mean()),
            loss(penalty=lambda s: ((s**2 - 1) ** 2).mean()), loss(penalty=lambda s: (s - 1).norm()),
            loss(penalty=lambda s: ((s - 1) ** 2).mean().sqrt()),
        ),
        "this is the one-sided penalty, which forgives slopes on one side of 1. It works too, but asked for is the"
        " paper's (slope - 1)².": (loss(penalty=lambda s: ((s - 1).clamp(min=0) ** 2).mean()),
                                   loss(penalty=lambda s: ((s - 1).clamp(max=0) ** 2).mean())),
        "these are sums, or nothing is averaged; each part is a mean over the images.": (
            lambda r, f, s, lam: f.sum() - r.sum() + lam * ((s - 1) ** 2).sum(),
            lambda r, f, s, lam: f.mean() - r.mean() + lam * ((s - 1) ** 2).sum(),
            lambda r, f, s, lam: f.sum() - r.sum() + lam * ((s - 1) ** 2).mean(),
            lambda r, f, s, lam: f - r + lam * ((s - 1) ** 2).mean(),
            lambda r, f, s, lam: f.mean() - r.mean() + lam * (s - 1) ** 2,
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes, gradients={"real": "", "fake": "", "slopes": ""})


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
    praise="One slope for each pair, and the penalty can be differentiated.",
)
def my_slopes(truth):
    import torch

    def straight(x):
        "one that is linear"
        return x @ straight.weight

    def bowl(x):
        "w |x|²/2 with w = 1"
        return bowl.weight * (x**2).sum(dim=1) / 2

    def wave(x):
        "a cubic one"
        return wave.weight * (x**3).sum(dim=1) / 3 + x[:, 0] * x[:, 1]

    def gradient(critic, real, fake, t):
        x = (t * real + (1 - t) * fake).requires_grad_()
        return torch.autograd.grad(critic(x).sum(), x)[0]

    straight.weight = noise(3, seed=9).requires_grad_()
    wave.weight, bowl.weight = (torch.ones((), requires_grad=True) for _ in range(2))
    pairs, t = (noise(4, 3), noise(4, 3, seed=1)), torch.tensor([[0.1], [0.4], [0.8], [0.95]])
    cases = [(wave, *pairs, t), (bowl, *pairs, t), (bowl, noise(1, 2, seed=2), noise(1, 2, seed=3), [[0.3]]),
             (straight, *pairs, t), (bowl, [[3.0, 4.0]], [[0.0, 0.0]], [[0.5]])]  # fmt: skip
    mistakes = {
        "the slopes are taken at the real or at the generated points; take them between the two.":
            (lambda c, r, f, t: truth(c, r, r, t), lambda c, r, f, t: truth(c, f, f, t)),
        "t and 1 - t are swapped: t = 1 must give the real point.": lambda c, r, f, t: truth(c, f, r, t),
        "each pair has a t of its own: it is left out here, or one stands for all.": (
            lambda c, r, f, t: truth(c, r, f, 0 * t + 0.5), lambda c, r, f, t: truth(c, r, f, t.mean()),
            lambda c, r, f, t: truth(c, r, f, t[:1]),
        ),
        "real and generated points are weighted with t and 1 - t, which add up to 1.": (
            lambda c, r, f, t: truth(c, r + f, r, 0 * t + 1), lambda c, r, f, t: truth(c, r, 0 * f, t),
            lambda c, r, f, t: truth(c, t * r + f, r, 0 * t + 1), lambda c, r, f, t: truth(c, r - f, 0 * f, t),
        ),
        "these are the penalties; asked for are the slopes themselves.": (
            lambda c, r, f, t: (truth(c, r, f, t) - 1) ** 2,
            lambda c, r, f, t: ((truth(c, r, f, t) - 1) ** 2).mean(),
        ),
        "this is one norm over the whole batch: each pair has a slope of its own, shape (B,).":
            lambda c, r, f, t: truth(c, r, f, t).norm(),
        "the gradient of the mean score is B times too small; sum the scores instead.":
            (lambda c, r, f, t: truth(c, r, f, t) / len(r), lambda c, r, f, t: truth(c, r, f, t).norm() / len(r)),
        "a slope is the root of the sum of a gradient's squares over the D features, one number a pair.": (
            lambda c, r, f, t: truth(c, r, f, t) / r.shape[1] ** 0.5,
            lambda c, r, f, t: truth(c, r, f, t) ** 2 / r.shape[1], lambda c, r, f, t: truth(c, r, f, t) ** 2,
            gradient, lambda *x: gradient(*x).abs().sum(1), lambda *x: gradient(*x).abs().amax(1),
            lambda *x: gradient(*x).sum(1), lambda *x: gradient(*x).mean(1), lambda *x: gradient(*x).abs().mean(1),
            lambda *x: gradient(*x).amax(1), lambda *x: gradient(*x).norm(dim=0),
        ),
    }  # fmt: skip
    hint = "A penalty must teach the critic: `create_graph=True` keeps the way back, `detach` cuts it. `backward` also"
    hint += " adds to the weights' own gradients: take `torch.autograd.grad`."
    return tasks.Function(cases, mistakes, gradients={"critic": hint})


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
    praise="The area between two distribution functions, for samples of any sizes.",
)
def my_w1(truth):
    import torch

    def short(a, b):
        n = min(len(a), len(b))
        return (a.sort().values[:n] - b.sort().values[:n]).abs().mean()

    def grown(a, b):  # repeated until it is as long as the other
        return a.repeat(-(-len(b) // len(a)))[: max(len(a), len(b))]

    def filled(a, b):  # with zeros
        return torch.cat([a, a.new_zeros(max(0, len(b) - len(a)))])

    def quantiles(levels, middle=False):
        def wrong(a, b):
            n = levels(len(a), len(b))
            u = (torch.arange(n) + 0.5) / n if middle else torch.linspace(0, 1, n)
            return (a.quantile(u) - b.quantile(u)).abs().mean()

        return wrong

    def squares(a, b):
        a, b = a.sort().values.repeat_interleave(len(b)), b.sort().values.repeat_interleave(len(a))
        return (a - b).square().mean()

    def areas(a, b, power=1, to=torch.le, scale=lambda x: 1):
        grid = a.new_tensor(sorted([*a.tolist(), *b.tolist()]))
        f, g = (to(x[:, None], grid).double().mean(0)[:-1] * scale(x) for x in (a, b))
        gaps = (f - g).abs()
        return (gaps**power * grid.diff()).sum(), gaps.sum(), gaps.max()

    cases = [(noise(5), noise(3, seed=1)), (noise(4, seed=2), 2 * noise(7, seed=3) + 1),
             (noise(6, seed=4), noise(2, seed=5) + 9), ([-0.5, 0.5], [-3.0, -1.0, 2.0, 2.5]), ([1.0, 3.0], [2.0]),
             ([3.0, 1.0, 2.0], [2.0, 3.0, 1.0]), ([0.0, 0.0, 1.0], [0.0, 2.0]),
             ([0.0] * 2 + [9.0] * 5, [0.0] * 3 + [9.0] * 8)]  # fmt: skip
    mistakes = {
        "this is the distance of the means: earth that goes left and earth that goes right cancel. Two sets with one"
        " mean can be far apart.": (lambda a, b: (a.mean() - b.mean()).abs(), lambda a, b: a.mean() - b.mean()),
        "the samples are made equally long, cut off, filled up or repeated: sorted pairs work for equal sizes only. Use"
        " the two distribution functions.":
            (short, lambda a, b: (a[: len(b)] - b[: len(a)]).abs().mean(),
             lambda a, b: short(a[: len(b)], b[: len(a)]), lambda a, b: short(grown(a, b), grown(b, a)),
             lambda a, b: short(filled(a, b), filled(b, a))),
        "both samples must be sorted before equal shares of them are paired.": (
            lambda a, b: (a.repeat_interleave(len(b)) - b.repeat_interleave(len(a))).abs().mean(),
            lambda a, b: (a.repeat(len(b)) - b.repeat(len(a))).abs().mean(),
            lambda a, b: (a.sort().values.repeat(len(b)) - b.sort().values.repeat(len(a))).abs().mean(),
        ),
        "these quantiles are interpolated, or at levels that miss some steps: a sample's distribution function is a"
        " staircase, constant between neighbours of all N + M values.": tuple(map(quantiles, (
            max, min, lambda n, m: n + m, lambda n, m: n * m, *(lambda n, m, k=k: k for k in (100, 101, 1000, 1001)),
        ))) + tuple(quantiles(lambda n, m, k=k: k, middle=True) for k in (100, 1000)),
        "this is the mean distance of all pairs, or that to the nearest value; in the cheapest plan each value sends,"
        " or takes, its own share only.": (
            lambda a, b: (a[:, None] - b).abs().mean(),
            lambda a, b: (a[:, None] - b).abs().amin(1).mean(), lambda a, b: (a[:, None] - b).abs().amin(0).mean(),
            lambda a, b: ((a[:, None] - b).abs().amin(1).mean() + (a[:, None] - b).abs().amin(0).mean()) / 2,
        ),
        "add up (difference of the shares) × (gap to the next value): no counts for shares, no gap left out, no mean"
        " over the gaps, no sum over pairs, and a value is itself among those not larger.": (
            lambda a, b: truth(a, b) / (len(a) + len(b) - 1), lambda a, b: areas(a, b)[1],
            lambda a, b: areas(a, b)[1] / (len(a) + len(b) - 1), lambda a, b: areas(a, b)[1] / (len(a) + len(b)),
            lambda a, b: truth(a, b) * len(a) * len(b), lambda a, b: areas(a, b, to=torch.le, scale=len)[0],
            lambda a, b: areas(a, b, to=torch.lt)[0],
        ),
        "the ways, or the differences of the distribution functions, are squared; take them as they are.": (
            lambda a, b: areas(a, b, power=2)[0], lambda a, b: areas(a, b, power=2)[0] ** 0.5,
            lambda a, b: squares(a, b), lambda a, b: squares(a, b) ** 0.5,
        ),
        "this is the largest difference of the distribution functions (Kolmogorov and Smirnov's), or compares the ends"
        " or the medians only; the area between them is asked for.": (
            lambda a, b: areas(a, b)[2],
            lambda a, b: (a.max() - b.max()).abs(), lambda a, b: (a.median() - b.median()).abs(),
            lambda a, b: (a.quantile(0.5) - b.quantile(0.5)).abs(),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
