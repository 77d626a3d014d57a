"""Exercises of 04_gan."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "04.1",
    hint="With the logit l, D = sigmoid(l). The slope of log(1 - D) by l is -D, that of -log D is -(1 - D). What is D"
    " where the discriminator is sure that an image is generated?",
    solution="""
# l goes to minus infinity, D to 0: the slope -D goes to 0, the slope -(1 - D) to -1.
answer_1 = {"saturating": "vanishes", "non_saturating": "stays"}
""",
    praise="The weaker the generator, the more it needs the non-saturating loss.",
)
def answer_1(truth):
    mistakes = {
        "saturating stays, non_saturating vanishes": "the two are the wrong way round: which of the slopes, -D and"
        " -(1 - D), is near 0 where D is?",
        "saturating stays": "the slope of log(1 - D) by the logit is -D, and D itself goes to 0.",
        "saturating explodes": "log(1 - D) tends to log 1 = 0, a flat line: nothing explodes where D goes to 0.",
        "non_saturating vanishes": "the slope of -log D is -(1 - D); D going to 0 does not make it small.",
        "non_saturating explodes": "-log D itself grows without end, but as a function of the logit it is a straight"
        " line there: its slope has a limit.",
    }
    return tasks.Words(("vanishes", "stays", "explodes"), mistakes)


@exercise(
    "04.2",
    hint="On its mode p = 1/8 and p_g = 1, elsewhere p_g = 0. D* = p / (p + p_g) is one number on the mode and another"
    " on the rest. Put both into V = E_p log D + E_g log(1 - D), each weighted with how often p and p_g go there.",
    solution="""
import math

d_mode = (1 / 8) / (1 / 8 + 1)  # 1/9; on the other seven modes D* = 1, and log 1 = 0
answer_2 = 1 / 8 * math.log(d_mode) + math.log(1 - d_mode)  # -0.3924
""",
    praise="-0.3924 nats: far above -2 log 2 = -1.3863, so the discriminator sees the collapse.",
)
def answer_2(truth):
    real, fake, two = math.log(1 / 9), math.log(8 / 9), math.log(2)
    mistakes = {
        "one of the two parts is missing: V = E_p log D* + E_g log(1 - D*).": (real / 8, fake),
        "the weights are wrong: one real point in eight lies on the mode, and every generated one.":
            (real + fake, (real + fake) / 8, real / 8 + 7 / 8 * fake),
        "the size is right, the sign is not: both logarithms are of numbers below 1.": -truth,
        "this is the value where p_g equals p; a collapsed generator is told apart.": (-2 * two, -two),
        "nats take the natural logarithm; this has base 2 or 10, or is rounded too far: three"
        " decimals.":
            (truth / two, truth / math.log(10), -0.39, -0.4),
        "D* on the mode is p / (p + p_g) = (1/8) / (1/8 + 1), which is neither 1/8 nor 1/2; 1 - D* is the large one.":
            (math.log(1 / 8) / 8 + math.log(7 / 8), fake / 8 + real, -two * 9 / 8),
        "this is the JSD of p and p_g, or twice that, or a 2 is missing; V is 2 JSD - 2 log 2.":
            (truth + 2 * two, truth / 2 + two, truth / 2 - two, truth + two),
        "this is D*, 1 - D* or log D* on the mode, or KL(p_g || p) = log 8. Put D* into V.":
            (1 / 9, 8 / 9, real, 3 * two),
    }  # fmt: skip
    begin = "Write down D* on the mode and elsewhere, then both means."
    return tasks.Number(0.0005, mistakes, begin, high=0)  # -0.393 is what D* = 1/8 gives


@exercise(
    "04.3",
    hint="-log sigmoid(l) = log(1 + e^(-l)). PyTorch has a function for log(1 + e^x) that neither overflows nor rounds"
    " to zero. The article's sign makes the generator avoid what looks real: which one do you need?",
    solution="""
import torch.nn.functional as F


def my_generator_loss(logits):
    return F.softplus(-logits).mean()  # (B,) -> ()
""",
    praise="The loss of Goodfellow et al. (2014), section 3, and it does not overflow.",
)
def my_generator_loss(truth):
    cases = [(2 * noise(8),), (noise(1),), (3 * noise(6, seed=1),), ([0.5, 1.0],)]
    overflow = (
        "right for small logits only: where the sigmoid rounds to 0 or exp overflows, it is infinite or cut off, and so"
    )
    overflow += " is the slope. Use a function of the logit that is made for this."
    mistakes = {
        "this is E log(1 - D), the saturating loss; its slope is near 0 where D is.": lambda x: -truth(-x),
        "this is -E log(1 - D): it falls as the discriminator gets surer of a fake.": lambda x: truth(-x),
        "the logarithm is missing: this is the mean of a probability, or another GAN's loss.": (
            lambda x: -x.sigmoid().mean(), lambda x: (1 - x.sigmoid()).mean(),
            lambda x: x.sigmoid().mean(), lambda x: (x.sigmoid() - 1).square().mean(),
            lambda x: (x - 1).square().mean(), lambda x: (1 - x).clamp(min=0).mean(),
        ),
        "the logits are averaged, not the losses (ending there it is the critic's of chapter 06); asked for is -E log"
        " sigmoid(l).": (lambda x: -x.mean(), lambda x: x.mean(), lambda x: truth(x.mean()[None])),
        "the values are added up; take the mean over the batch.": lambda x: truth(x) * len(x),
        "this is the logarithm of the mean; asked for is the mean of the logarithms.":
            lambda x: -x.sigmoid().mean().log(),
        "both losses are added, or D(G(z)) enters twice: there is one term only.":
            (lambda x: truth(x) + truth(-x), lambda x: truth(2 * x)),
        overflow: (
            lambda x: -x.sigmoid().log().mean(), lambda x: -(x.sigmoid() + 1e-8).log().mean(),
            lambda x: -x.sigmoid().log().clamp(min=-100).mean(), lambda x: truth(x.clamp(-20, 20)),
        ),
    }  # fmt: skip
    far = [([-300.0, 200.0, 1.0],), ([300.0, -60.0],), ([-1000.0, 2.0],), ([0.0, 2.0],)]
    branch = "It is wrong for large logits or at 0: does a branch that `torch.where` drops overflow"
    branch += ", or have `abs` and `clamp` a kink there?"
    return tasks.Function(cases, mistakes, {overflow: far}, {"logits": ""}, at_edges=branch)


@exercise(
    "04.4",
    hint="`torch.cdist(x, centres)` has the distances (N, K). Which share of ALL N samples lies within 3 std of each"
    " centre? In how many columns is that at least 0.01?",
    solution="""
import torch


def my_count_modes(x, centres, std):
    near = torch.cdist(x, centres) <= 3 * std         # (N, K)
    return (near.float().mean(dim=0) >= 0.01).sum()   # ()
""",
    praise="Modes are counted the way the claims of this chapter count them.",
)
def my_count_modes(truth):
    import torch

    def cloud(counts, offsets, std, seed, outside=0, radius=2.0):
        """Samples on K modes, counts[k] of them offsets[k] std away from the centre, and `outside` far from all."""
        angle = torch.arange(len(counts)) * 2 * math.pi / len(counts)
        centres = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
        each, way = torch.tensor(counts), torch.nn.functional.normalize(noise(sum(counts), 2, seed=seed))
        far = torch.tensor(offsets).repeat_interleave(each)[:, None]
        x = centres.repeat_interleave(each, dim=0) + far * std * way
        return torch.cat([x, torch.tensor([9.0, 0.0]) + 0.1 * noise(outside, 2, seed=seed)]), centres, std

    def count(reach=lambda std: 3 * std, enough=lambda near: near.double().mean(0) >= 0.01, power=1):
        return lambda x, c, std: enough(torch.cdist(x, c) ** power <= reach(std)).sum()

    def nearest(x, c):  # (N, K), one True a row
        return torch.nn.functional.one_hot(torch.cdist(x, c).argmin(1), len(c)) > 0

    counts = [30, 60, 4, 60, 20, 2, 30, 4, 20, 60, 60, 2, 30, 20, 4, 20]  # below 5 is too rare to count
    offsets = [3.5, 0.5, 0.5, 1.5, 9.0, 0.5, 1.5, 0.5, 2.5, 2.5, 2.5, 0.5, 9.0, 9.0, 0.5, 2.5]  # 7 of 16 are counted
    cases = [
        cloud(counts, offsets, 0.04, 1, 74),
        cloud([12, 9, 5], [1.0] * 3, 0.05, 2, 974),
        cloud([50] * 5, [1.0] * 5, 0.1, 3),
        cloud([0] * 8, [1.0] * 8, 0.05, 4, 100),
        cloud([1, 1], [0.5, 0.5], 0.5, 5, 98),
        cloud([3, 2, 1, 2], [1.0] * 4, 0.1, 6, 132),  # 1 % of 140 are 1.4 samples
        ([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], [[0.0, 0.0], [4.0, 0.0]], 0.5),
        ([[2.5, 2.5], [10.0, 3.4], [22.9, 0.0], [31.9, 0.0]], [[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [30.0, 0.0]], 1.0),
        ([[1.8, -1.8], [8.8, 0.0], [0.0, 9.5]], [[0.0, 0.0], [7.0, 0.0], [0.0, 7.0]], 0.7),
        ([[1.5, 0.0]], [[0.0, 0.0], [4.0, 0.0]], 0.5),  # on the edge
    ]
    overlap = (
        "right for modes that lie apart only: a sample may lie within 3 std of several centres, and counts for each."
    )
    mistakes = {
        "near a centre is a disc of three standard deviations, its edge too: no other radius, no"
        " square.": (
            count(lambda std: std), count(lambda std: 2 * std), count(lambda std: 3),
            count(lambda std: 3 * std**2),
            lambda x, c, std: (3 * std > torch.cdist(x, c)).double().mean(0).ge(0.01).sum(),
            *(lambda x, c, s, p=p: (torch.cdist(x, c, p) <= 3 * s).float().mean(0).ge(0.01).sum()
              for p in (1, math.inf)),
        ),
        "the squared distance is compared with 3 std, 3 std² or 9 std: square all of 3 std.": (
            count(power=2), count(lambda std: 3 * std**2, power=2),
            count(lambda std: 9 * std, power=2),
        ),
        "each sample is given to its nearest mode, however far away; only those within 3 std count.":
            lambda x, c, std: (nearest(x, c).double().mean(0) >= 0.01).sum(),
        "the threshold is 1 % of all samples: not one sample, nor more than 1 %, nor another share.": (
            count(enough=lambda near: near.any(0)), count(enough=lambda near: near.double().mean(0) >= 0.1),
            count(enough=lambda near: near.sum(0) >= 0.01 * (near.any(1).sum())),
            count(enough=lambda near: near.double().mean(0) > 0.01),
            count(enough=lambda near: near.sum(0) >= len(near) // 100),
            count(enough=lambda near: near.sum(0) >= 10),
            count(enough=lambda near: near.sum(0) > 1),
            count(enough=lambda near: near.double().mean(0) >= 0.05),
            count(enough=lambda near: near.double().mean(0) >= 1),
            count(enough=lambda near: near.sum(0) >= round(len(near) / 100)),
        ),
        "this is the share of the modes, or the number of those that are missing; their number is asked for.":
            (lambda x, c, std: truth(x, c, std) / len(c), lambda x, c, std: len(c) - truth(x, c, std)),
        "this counts samples near some mode; count modes: the mean runs over the samples, not over the modes.": (
            count(enough=lambda near: near.any(1)), count(enough=lambda near: near.double().mean(1) >= 0.01),
            lambda x, c, std: (torch.cdist(x, c) <= 3 * std).any(1).double().mean(),
        ),
        "this has one number for each mode; how many of them reach 1 % of all samples?": (
            lambda x, c, std: (torch.cdist(x, c) <= 3 * std).double().mean(0),
            lambda x, c, std: (torch.cdist(x, c) <= 3 * std).sum(0),
        ),
        overlap: lambda x, c, std: (torch.nn.functional.one_hot(torch.cdist(x, c).argmin(1), len(c)).double()
                                    * (torch.cdist(x, c) <= 3 * std)).mean(0).ge(0.01).sum(),
    }  # fmt: skip
    return tasks.Function(
        cases,
        mistakes,
        edges={overlap: [([[0.1, 0.0]], [[0.0, 0.0], [1.0, 0.0]], 0.5), cloud([9, 0, 9], [1.0] * 3, 1.0, 7)]},
    )


@exercise(
    "04.5",
    hint="x needs `requires_grad_()` on a copy, `torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)`"
    " gives every image's own gradient. Square, sum within an image, average over the batch.",
    solution="""
import torch


def my_r1_penalty(discriminator, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)  # like x
    return slope.flatten(1).square().sum(dim=1).mean()
""",
    praise="The penalty of Mescheder et al. (2018), equation 9, and it trains the discriminator.",
)
def my_r1_penalty(truth):
    import torch

    weight, bend = noise(6, seed=1).requires_grad_(), noise(6, 6, seed=2)  # no random numbers below: vmap refuses them

    def curved(x):
        "a curved one"
        x = torch.as_tensor(x).flatten(1)
        return (x @ bend * x).sum(dim=1) + x.tanh() @ weight

    def bowl(x):
        "w ‖x‖²/2 with w = 1"
        return bowl.weight * torch.as_tensor(x).square().sum(dim=1) / 2

    curved.weight, bowl.weight = weight, torch.ones((), requires_grad=True)

    def slopes(d, x, of=lambda logit: logit):
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(of(d(x)).sum(), x)[0].flatten(1)

    def along(d, x, axis):
        return slopes(d, x).view(x.shape).square().sum(axis).mean()

    cases = [(curved, noise(4, 6)), (curved, noise(5, 6, seed=3)), (curved, noise(1, 6, seed=4)),
             (bowl, [[3.0, 4.0]]), (bowl, [[3.0, 4.0], [0.0, 1.0]])]  # fmt: skip
    flat = "right for x of shape (B, D) only: the squares are summed over all axes but the first."
    mistakes = {
        "the norm is not squared, or the mean of the norms is, or absolute values are added up:"
        " square, then sum, then take the mean.": (
            lambda d, x: slopes(d, x).norm(dim=1).mean(),
            lambda d, x: slopes(d, x).norm(dim=1).mean() ** 2,
            lambda d, x: slopes(d, x).abs().sum(1).mean(),
        ),
        "this is the gradient penalty of chapter 06, which pulls the norm to 1; R1 pulls it to 0.":
            lambda d, x: (slopes(d, x).norm(dim=1) - 1).square().mean(),
        "the pixels are averaged; the squared norm is their sum.":
            (lambda d, x: slopes(d, x).square().mean(), lambda d, x: slopes(d, x).square().mean(1).sum()),
        "the images are added up; take their mean.": lambda d, x: slopes(d, x).square().sum(),
        "the slopes are added or averaged before they are squared: the mean over images comes last.": (
            lambda d, x: slopes(d, x).sum(1).square().mean(), lambda d, x: slopes(d, x).mean(0).square().sum(),
            lambda d, x: slopes(d, x).sum(0).square().sum(),
            lambda d, x: slopes(d, x).mean(1).square().mean(),
        ),
        "the outputs were averaged before the gradient was taken: every slope is divided by the batch size. Take the"
        " gradient of their sum.": (lambda d, x: truth(d, x) / len(x) ** 2, lambda d, x: truth(d, x) / len(x)),
        "the outputs or the images are squared, or the logit is put through a sigmoid: asked for is"
        " the logit's slope by the images.": (
            lambda d, x: d(x).square().mean(), lambda d, x: x.flatten(1).square().sum(1).mean(),
            lambda d, x: slopes(d, x, torch.sigmoid).square().sum(1).mean(),
            lambda d, x: slopes(d, x, torch.nn.functional.logsigmoid).square().sum(1).mean(),
        ),
        flat: (lambda d, x: along(d, x, 1), lambda d, x: along(d, x, -1)),
    }  # fmt: skip
    edges = {flat: [(curved, noise(5, 1, 2, 3, seed=3)), (curved, noise(2, 3, 2, seed=5))]}
    hint = "All of the penalty must train it: detach no part; `torch.autograd.grad` needs `create_graph=True` for that."
    hint += " `backward` also adds to the weights' own gradients."
    return tasks.Function(cases, mistakes, edges, gradients={"discriminator": hint})
