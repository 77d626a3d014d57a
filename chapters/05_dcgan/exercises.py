"""Exercises of 05_dcgan."""

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
        "d_loss_to_g no, g_loss_to_g yes": "this is the right step; here the two uses of `fake` are swapped: which loss"
        " is cut off now?",
        "d_loss_to_d no": "the discriminator's loss reaches its own weights, whatever happens to the images.",
        "d_loss_to_g no": "without `.detach()` the discriminator's loss goes on through `fake` to the generator.",
        "g_loss_to_d no": "the generator's loss goes through the discriminator, whose weights get a gradient too,"
        " unless `requires_grad_(False)` forbids it.",
        "g_loss_to_g yes": "the generator's loss sees detached images: its way to the generator is cut.",
    }
    return tasks.Words(("yes", "no"), mistakes)


@exercise(
    "05.2",
    hint="2 C C' k² for each pixel, but for the pixels of which side? A transposed convolution stamps once for each"
    " pixel that it reads.",
    solution="""
answer_2 = 2 * 64 * 32 * 4**2 * 7**2  # 3,211,264: at the small size
""",
    praise="A convolution after the enlargement, with a kernel of 3, needs 2.25 times as much.",
)
def answer_2(truth):
    layer = 2 * 64 * 32
    mistakes = {
        "this counts the output's pixels; a transposed convolution stamps once for each input pixel.": layer * 16 * 196,
        "this is the convolution with a kernel of 3 after the enlargement.": layer * 9 * 196,
        "the factor 2 is missing: each multiplication comes with an addition.": truth / 2,
        "the kernel has 4 × 4 places: its side is 4 here, and squared.": (layer * 4 * 49, layer * 9 * 49, layer * 49),
        "this is for one pixel, or for one row of them: 7 × 7 are stamped.": (layer * 16, layer * 16 * 7),
        "each of 64 channels stamps onto each of 32: the two numbers are multiplied.":
            (truth / 64, truth / 32, truth * 96 / 2048),
        "one image is asked for, and forward: not a batch, and not the backward pass.": (64 * truth, 3 * truth),
        "so few are far too few: write the number out, not in thousands or millions.": (truth / 1e6, truth / 1e3),
    }  # fmt: skip
    return tasks.Number(0.005 * truth, mistakes, begin="Write it as 2 C C' k² times a number of pixels.", low=0)


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

    cases = [(2 * noise(8), 2 * noise(8, seed=1)), (noise(3), noise(5, seed=1)), ([0.5], [-0.5]), ([1.0], [2.0])]
    overflow = "right for small logits only: exp overflows at 200. `F.softplus` or `binary_cross_entropy_with_logits`"
    overflow += " does not."
    mistakes = {
        "the labels are not smoothed: real images still have the target 1.":
            lambda r, f: ce(r, 1).mean() + ce(f, 0).mean(),
        "generated images are smoothed; only real ones are to be: a generated image must never be taught as real.":
            (lambda r, f: ce(r, 0.9).mean() + ce(f, 0.1).mean(), lambda r, f: ce(r, 1).mean() + ce(f, 0.1).mean()),
        "a target of 0.9 leaves 0.1 for the other outcome: the term with log(1 - D) of real images is missing.":
            lambda r, f: 0.9 * ce(r, 1).mean() + ce(f, 0).mean(),
        "0.9 and 0.1 are swapped: this teaches that real images are mostly generated.":
            lambda r, f: ce(r, 0.1).mean() + ce(f, 0).mean(),
        "this teaches that generated images are real, or real ones generated: positive logits mean real.": (
            lambda r, f: ce(r, 0.1).mean() + ce(f, 1).mean(), lambda r, f: ce(r, 0.9).mean() + ce(f, 1).mean(),
            lambda r, f: truth(f, r),
        ),
        "the part of the real or of the generated images is missing, or has the wrong sign.": (
            lambda r, f: ce(r, 0.9).mean(), lambda r, f: ce(f, 0).mean(),
            lambda r, f: ce(r, 0.9).mean() - ce(f, 0).mean(), lambda r, f: ce(f, 0).mean() - ce(r, 0.9).mean(),
        ),
        "take the mean of each kind by itself, then add the two.": (
            lambda r, f: ce(r, 0.9).sum() + ce(f, 0).sum(),
            lambda r, f: (ce(r, 0.9).sum() + ce(f, 0).sum()) / (len(r) + len(f)),
        ),
        overflow: (
            lambda r, f: ce(r, 0.9, unsafe).mean() + ce(f, 0, unsafe).mean(),
            lambda r, f: truth(r.clamp(-18, 18), f.clamp(-18, 18)),
        ),
    }  # fmt: skip
    edges = {overflow: [([200.0, -200.0], [200.0, -200.0]), ([-30.0], [30.0])]}
    return tasks.Function(cases, mistakes, edges, gradients={"real": "", "fake": ""})


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
    def last_stamp_wins(x, w, stride):
        y = 0 * truth(x, w, stride)
        for i in range(len(x)):
            y[i * stride : i * stride + len(w)] = x[i] * w
        return y

    cases = [(noise(5), noise(4, seed=1), 2), (noise(4, seed=2), noise(3, seed=3), 1), (noise(3), noise(2, seed=1), 3),
             ([2.0], [1.0, 2.0, 3.0, 4.0], 2), ([1.0, 10.0], [1.0, 2.0, 3.0], 2)]  # fmt: skip
    mistakes = {
        "the kernel is turned round: stamp it as it is.": lambda x, w, s: truth(x, w.flip(0), s),
        "the input runs from the end to the start.": lambda x, w, s: truth(x.flip(0), w, s),
        "the stride is ignored: neighbouring stamps are `stride` places apart.":
            (lambda x, w, s: truth(x, w, 1), lambda x, w, s: truth(x, w, 2)),
        "stamps overwrite each other where they overlap; add them up.": last_stamp_wins,
        "the length is wrong: the result has (L - 1) · stride + k places, without padding.": (
            lambda x, w, s: truth(x, w, s)[1:-1], lambda x, w, s: truth(x, w, s)[: len(x) * s],
            lambda x, w, s: truth(x, w, s)[:-1],
        ),
        "the values are divided; stamps add up, they are not averaged.": (
            lambda x, w, s: truth(x, w, s) / s, lambda x, w, s: truth(x, w, s) / len(w),
            lambda x, w, s: truth(x, w / w.sum(), s),
        ),
        "the kernel's or the input's values are not used: each stamp is x[i] times w.":
            (lambda x, w, s: truth(x, 0 * w + 1, s), lambda x, w, s: truth(0 * x + 1, w, s)),
        "the roles of input and kernel are swapped.": lambda x, w, s: truth(w, x, s),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
