"""Exercises of 05_dcgan."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "05.1",
    hint="`.detach()` ends the graph at the image: from there no gradient goes on to the generator. Which of the two"
    " losses can still go through `fake`? The discriminator's own weights are not behind `fake`.",
    solution="""
# detach() cuts the way from a loss to the generator, never the way to the discriminator.
answer_1 = {"d_loss_to_d": "yes", "d_loss_to_g": "yes", "g_loss_to_d": "yes", "g_loss_to_g": "no"}
""",
    praise="The generator learns nothing from its own loss, and is taught to be caught.",
)
def answer_1(truth):
    mistakes = {
        "d_loss_to_g no, g_loss_to_g yes": "these two belong to the right step; here the uses of `fake` are swapped:"
        " which loss is cut off now?",
        "d_loss_to_d no": "the discriminator's loss reaches its own weights, whatever happens to the images.",
        "d_loss_to_g no": "without `.detach()` the discriminator's loss goes on through `fake` to the generator.",
        "g_loss_to_d no": "the generator's loss still goes through the discriminator, whose weights get a gradient:"
        " `.detach()` cuts only the way that leads from there to the generator.",
        "g_loss_to_g yes": "the generator's loss sees detached images: its way to the generator is cut.",
    }
    return tasks.Words(("yes", "no"), mistakes)


@exercise(
    "05.2",
    hint="2 C C' k² for each pixel, but for the pixels of which side? A transposed convolution stamps once for each"
    " pixel that it reads.",
    solution="""
answer_2 = 2 * 64 * 32 * 6**2 * 7**2  # 7,225,344: at the small size
""",
    praise="A kernel of 3 after the enlargement would cost the same; our kernel of 4 has 4/9 of it.",
)
def answer_2(truth):
    layer = 2 * 64 * 32
    mistakes = {
        "this counts the output's pixels; a transposed convolution stamps once for each input pixel.":
            (layer * 36 * 196, layer * 6 * 196),
        "the kernel's side is 6 here, not 4 as in the page's `up_1`.": (layer * 16 * 49, layer * 16 * 196),
        "this is half or twice of what is due: 2 for the addition, 64, 32, 6 × 6, and 7 × 7 pixels that are read.":
            (truth / 2, truth * 2),
        "the kernel has 6 × 6 places: its side is squared.": (layer * 6 * 49, layer * 49),
        "this is for one pixel or a row of them, or the kernel's weights alone: 7 × 7 are stamped.":
            (layer * 36, layer * 36 * 7, layer * 18),
        "padding cuts off what was stamped: it changes neither the kernel's side, 6, nor the 7 × 7"
        " pixels that are read.":
            (layer * 4 * 49, layer * 36 * 11**2, layer * 36 * 18**2, layer * 36 * 9),
        "each of 64 channels stamps onto each of 32: the two numbers are multiplied.":
            (truth / 64, truth / 32, truth * 96 / 2048),
        "one image is asked for, forward, written out to three digits: no batch, no backward pass,"
        " no MFLOP.":
            (64 * truth, 3 * truth, truth / 1e6, 7.2e6, 7e6),
    }  # fmt: skip
    return tasks.Number(0.001 * truth, mistakes, begin="Write it as 2 C C' k² times a number of pixels.", low=0)


@exercise(
    "05.3",
    hint="With the target t, the cross-entropy of a logit l is -t log D - (1 - t) log(1 - D), D = sigmoid(l). Which of"
    " the two kinds of image has the target 0.9, and which keeps 0?",
    solution="""
import torch.nn.functional as F


def smoothed_loss(real, fake):
    on_real = 0.9 * F.softplus(-real) + 0.1 * F.softplus(real)  # -0.9 log D - 0.1 log(1 - D)
    return on_real.mean() + F.softplus(fake).mean()
""",
    praise="One-sided label smoothing, as Salimans et al. (2016) advise it.",
)
def smoothed_loss(truth):
    def softplus(x):
        return x.clamp(min=0) + (1 + (-x.abs()).exp()).log()

    def ce(x, target, softplus=softplus):  # -target log D - (1 - target) log(1 - D)
        return target * softplus(-x) + (1 - target) * softplus(x)

    def unsafe(x):
        return (1 + x.exp()).log()

    def once_more(x):
        return 1 / (1 + (-x).exp())

    def by_probabilities(r, f):
        return -(0.9 * r.log() + 0.1 * (1 - r).log()).mean() - (1 - f).log().mean()

    cases = [(2 * noise(8), 2 * noise(8, seed=1)), (noise(1), noise(5, seed=1)), ([0.5], [-0.5])]
    cases += [([1.0], [2.0])]
    apart = "take each kind's mean by itself, over all its images, then add the two to one number."
    overflow = (
        "right for small logits only: exp overflows, sigmoid rounds to 0 or 1, or BCELoss cuts its logarithm off."
    )
    overflow += " `F.softplus` or `binary_cross_entropy_with_logits` does not."
    mistakes = {
        "real images do not have the target 0.9: with 1 nothing is smoothed.": tuple(
            lambda r, f, t=t: ce(r, t).mean() + ce(f, 0).mean() for t in (1, 0.95, 0.8)
        ),
        "generated images are smoothed; only real ones are to be: a generated one is never taught as real.": tuple(
            lambda r, f, t=t, u=u: ce(r, t).mean() + ce(f, u).mean()
            for t in (0.9, 1, 0.95)
            for u in (0.1, 0.9, 0.05)
        ),
        "0.9 is a target, no factor: it leaves 0.1 for the other outcome, the term with log(1 - D) of real images.": (
            lambda r, f: 0.9 * ce(r, 1).mean() + ce(f, 0).mean(),
            lambda r, f: 0.9 * (ce(r, 1).mean() + ce(f, 0).mean()),
            lambda r, f: ce(r, 1).mean() - math.log(0.9) + ce(f, 0).mean(),
            lambda r, f: ce(0.9 * r, 1).mean() + ce(f, 0).mean(),
            *(lambda r, f, u=u: 0.9 * ce(r, 1).mean() + u * ce(f, 0).mean() for u in (0.1, 1.1)),
            lambda r, f: 0.9 * ce(r, 1).mean() - 0.1 * ce(r, 0).mean() + ce(f, 0).mean(),
        ),
        "0.9 and 0.1, or real and generated images, are swapped: positive logits mean real.": (
            lambda r, f: ce(r, 0.1).mean() + ce(f, 0).mean(), lambda r, f: ce(r, 0.1).mean() + ce(f, 1).mean(),
            lambda r, f: ce(r, 0.9).mean() + ce(f, 1).mean(), lambda r, f: truth(f, r),
        ),
        "logits are not probabilities: D is the sigmoid of a logit, taken once (`..._with_logits` does it itself).": (
            lambda r, f: truth(once_more(r), once_more(f)), by_probabilities,
        ),
        "the part of the real or of the generated images is missing, or has the wrong sign.": (
            lambda r, f: ce(r, 0.9).mean(), lambda r, f: ce(f, 0).mean(),
            lambda r, f: ce(r, 0.9).mean() - ce(f, 0).mean(), lambda r, f: ce(f, 0).mean() - ce(r, 0.9).mean(),
        ),
        apart: (
            lambda r, f: truth(r[: len(f)], f[: len(r)]),
            lambda r, f: ce(r, 0.9).sum() + ce(f, 0).sum(),
            lambda r, f: (ce(r, 0.9).sum() + ce(f, 0).sum()) / (len(r) + len(f)),
            lambda r, f: [ce(r, 0.9).mean().item(), ce(f, 0).mean().item()],
        ),
        overflow: (
            lambda r, f: ce(r, 0.9, unsafe).mean() + ce(f, 0, unsafe).mean(),
            lambda r, f: truth(r.clamp(-18, 18), f.clamp(-18, 18)),
        ),
    }  # fmt: skip
    far = [([200.0, -200.0], [200.0, -200.0]), ([-30.0], [30.0]), ([0.0, 2.0], [0.0, -1.0])]
    branch = "It is wrong for large logits or at 0: does a branch that `torch.where` drops overflow"
    branch += ", or have `abs` and `clamp` a kink there?"
    edges, slopes = {apart: [(noise(3), noise(5, seed=1))], overflow: far}, {"real": "", "fake": ""}
    return tasks.Function(cases, mistakes, edges, slopes, at_edges=branch)


@exercise(
    "05.4",
    hint="Each input value stamps the whole kernel, scaled by itself, onto the output, starting at stride times its own"
    " place. Stamps that overlap add up. How long must the output be for the last stamp?",
    solution="""
def transposed(x, w, stride):
    stamped = x.new_zeros((len(x) - 1) * stride + len(w))
    for i in range(len(x)):
        stamped[i * stride : i * stride + len(w)] += x[i] * w
    return stamped
""",
    praise="It equals `F.conv_transpose1d`, and the gradient of `F.conv1d` by its input.",
)
def transposed(truth):
    from torch import cat
    from torch.nn.functional import conv1d

    def windows(x, w, stride):
        return conv1d(x[None, None], w[None, None], stride=stride)[0, 0]

    def one_stamp_wins(x, w, stride, places):
        y = 0 * truth(x, w, stride)
        for i in places:
            y[i * stride : i * stride + len(w)] = x[i] * w
        return y

    def averaged(x, w, stride):
        return truth(x, w, stride) / truth(0 * x + 1, 0 * w + 1, stride).clamp(min=1)

    def longer(y, n):
        return cat([y, y.new_zeros(n)])

    cases = [(noise(5), noise(4, seed=1), 2), (noise(4, seed=2), noise(3, seed=3), 1), (noise(3), noise(2, seed=1), 3),
             ([2.0, 1.0], [3.0, 4.0], 2), ([1.0, 10.0, 100.0], [1.0, 2.0, 3.0], 2)]  # fmt: skip
    all_values = "not all values of kernel and input are used: each stamp is x[i] times all of w."
    mistakes = {
        "the kernel or the input is turned round: stamp x[0] first, and each stamp is w as it is.":
            (lambda x, w, s: truth(x, w.flip(0), s), lambda x, w, s: truth(x.flip(0), w, s)),
        "this is the ordinary convolution: it reads a window and writes one number. Turn it round.":
            (windows, lambda x, w, s: windows(x, w.flip(0), s), lambda x, w, s: windows(x, w, 1)),
        "the stride is ignored or misused: neighbouring stamps are `stride` places apart.": (
            lambda x, w, s: truth(x.repeat_interleave(s), w, 1),
            lambda x, w, s: truth(x.repeat_interleave(s)[: (len(x) - 1) * s + 1], w, 1),
            lambda x, w, s: truth(x, w, s + 1), lambda x, w, s: truth(x, w, 1)[::s],
            lambda x, w, s: truth(x, w, 1), lambda x, w, s: truth(x, w, 2),
            lambda x, w, s: longer(truth(x, w, 1), (len(x) - 1) * (s - 1)),
            lambda x, w, s: truth(x, w, len(w)),
        ),
        "stamps overwrite each other where they overlap; add them up.": (
            lambda x, w, s: one_stamp_wins(x, w, s, range(len(x))),
            lambda x, w, s: one_stamp_wins(x, w, s, reversed(range(len(x)))),
        ),
        "the length is wrong: the result has (L - 1) · stride + k places, without padding.": (
            lambda x, w, s: truth(x, w, s)[1:-1], lambda x, w, s: truth(x, w, s)[: len(x) * s],
            lambda x, w, s: truth(x, w, s)[:-1], lambda x, w, s: longer(truth(x, w, s), s),
            lambda x, w, s: longer(truth(x, w, s), s - 1),
        ),
        "the values are divided; stamps add up, they are not averaged.": (
            lambda x, w, s: truth(x, w, s) / s, lambda x, w, s: truth(x, w, s) / len(w),
            lambda x, w, s: truth(x, w / w.sum(), s), averaged,
        ),
        all_values: (
            lambda x, w, s: truth(x, 0 * w + 1, s), lambda x, w, s: truth(0 * x + 1, w, s),
            lambda x, w, s: truth(cat([x[:-1], 0 * x[-1:]]), w, s),
            lambda x, w, s: truth(cat([0 * x[:1], x[1:]]), w, s),
            lambda x, w, s: truth(x, cat([w[:s], 0 * w[s:]]), s),
            lambda x, w, s: truth(x, cat([w[: len(x)], 0 * w[len(x) :]]), s),
        ),
        "the roles of input and kernel are swapped: `stride` parts the stamps, not the kernel's"
        " values.": (
            lambda x, w, s: truth(w, x, s),
            lambda x, w, s: longer(truth(w, x, s), (s - 1) * (len(x) - len(w))),
        ),
    }  # fmt: skip
    short = [([2.0], [1.0, 2.0, 3.0, 4.0], 2), ([1.0, 10.0], [1.0, 2.0, 3.0], 2)]
    return tasks.Function(cases, mistakes, edges={all_values: short})
