"""Exercises of 05_dcgan."""

from aigc_course.plumbing.grading import Wrong, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "05.1",
    hint="`.detach()` ends the graph at the image: from there no gradient goes on to the generator. Which of the two"
    " losses can still go through `fake`? The discriminator's own weights are not behind `fake`.",
    solution="""
# detach() cuts the way from a loss to the generator, never the way to the discriminator.
answer_1 = {"d_loss_to_d": "yes", "d_loss_to_g": "yes", "g_loss_to_d": "yes", "g_loss_to_g": "no"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("yes", "no"))
    if said["d_loss_to_g"] == "no" and said["g_loss_to_g"] == "yes":
        raise Wrong("this is the right step; here the two uses of `fake` are swapped: which loss is cut off now?")
    reasons = {
        "d_loss_to_d": "the discriminator's loss reaches its own weights, whatever happens to the images.",
        "d_loss_to_g": "without `.detach()` the discriminator's loss goes on through `fake` to the generator.",
        "g_loss_to_d": "the generator's loss goes through the discriminator, whose weights get a gradient too, unless"
        " `requires_grad_(False)` forbids it.",
        "g_loss_to_g": "the generator's loss sees detached images: its way to the generator is cut.",
    }
    if wrong := [reasons[key] for key in truth if said[key] != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "The generator learns nothing from its own loss, and is taught to be caught."


@exercise(
    "05.2",
    hint="2 C C' k² for each pixel, but for the pixels of which side? A transposed convolution stamps once for each"
    " pixel that it reads.",
    solution="""
answer_2 = 2 * 64 * 32 * 4**2 * 7**2  # 3,211,264: at the small size
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.005 * truth:
        return "A convolution after the enlargement, with a kernel of 3, needs 2.25 times as much."
    layer = 2 * 64 * 32
    mistakes = {
        layer * 16 * 196: "this counts the output's pixels; a transposed convolution stamps once for each input pixel.",
        layer * 9 * 196: "this is the convolution with a kernel of 3 after the enlargement.",
        layer * 8 * 49: "the factor 2 is missing: each multiplication comes with an addition.",
        layer * 4 * 49: "the kernel has 4 × 4 places; its side must be squared.",
        layer * 9 * 49: "the kernel has a side of 4 here, not 3.",
        layer * 16: "this is for one pixel; how many are stamped?",
        layer * 16 * 7: "7 × 7 pixels are stamped, not 7.",
        layer * 16 * 49 * 64: "this is for a batch of 64; one image is asked for.",
        layer * 16 * 49 * 3: "this counts the backward pass as well.",
        truth / 1e6: "this is in millions.",
    }
    name_mistake(value, mistakes, within=lambda mistake: 0.005 * mistake, relative=True)
    size = "smaller" if value > truth else "larger"
    raise Wrong(f"the number is {size} than {value:,.4g}. Write it as 2 C C' k² times a number of pixels.")


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
)
def smoothed_loss(answer, truth):
    cases = [
        ("8 logits of each kind", 2 * noise(8), 2 * noise(8, seed=1)),
        ("3 real logits and 5 generated ones, in float64", noise(3).double(), noise(5, seed=1).double()),
        ("logits of 200 and -200, where sigmoid is 1 or 0", [200.0, -200.0], [200.0, -200.0]),
        ("one logit of each kind, both 0", [0.0], [0.0]),
    ]

    def softplus(x):
        return f"({x}.clamp(min=0) + (1 + (-{x}.abs()).exp()).log())"

    def overflowing(x):
        return f"(1 + {x}.exp()).log()"

    up = {name: softplus(name) for name in ("real", "fake")}  # -log(1 - D)
    down = {name: softplus(f"(-{name})") for name in ("real", "fake")}  # -log D
    right, fakes = f"(0.9 * {down['real']} + 0.1 * {up['real']})", up["fake"]
    mistakes = {
        f"{down['real']}.mean() + {fakes}.mean()": "the labels are not smoothed: real images still have the target 1.",
        f"{right}.mean() + (0.9 * {fakes} + 0.1 * {down['fake']}).mean()": "generated images are smoothed as well; only"
        " real ones are to be: a generated image must never be taught as partly real.",
        f"{down['real']}.mean() + (0.9 * {fakes} + 0.1 * {down['fake']}).mean()": "the generated images are smoothed,"
        " the real ones are not: it must be the other way round.",
        f"0.9 * {down['real']}.mean() + {fakes}.mean()": "a target of 0.9 leaves 0.1 for the other outcome: the term"
        " with log(1 - D) of real images is missing.",
        f"(0.1 * {down['real']} + 0.9 * {up['real']}).mean() + {fakes}.mean()": "0.9 and 0.1 are swapped: this teaches"
        " that real images are mostly generated.",
        f"(0.9 * {up['real']} + 0.1 * {down['real']}).mean() + {down['fake']}.mean()": "the logits have the wrong sign:"
        " positive means real.",
        f"{right}.mean() + {down['fake']}.mean()": "this teaches that generated images are real: it is the generator's"
        " loss.",
        f"{right}.mean()": "the part of the generated images is missing.",
        f"{fakes}.mean()": "the part of the real images is missing.",
        f"{right}.mean() - {fakes}.mean()": "the part of the generated images has the wrong sign.",
        "-want": "this is the value that D maximises; the loss that it minimises has the other sign.",
        "want / 2": "the two parts are averaged; their sum is asked for.",
        "want / log(2)": "this is in bits; nats take the natural logarithm.",
        f"{right}.sum() + {fakes}.sum()": "the images are summed; the mean of each kind is asked for.",
        f"({right}.sum() + {fakes}.sum()) / (len(real) + len(fake))": "the mean runs over both kinds together; take one"
        " of each kind, then add.",
        f"(0.9 * {overflowing('(-real)')} + 0.1 * {overflowing('real')}).mean() + {overflowing('fake')}.mean()": "right"
        " for small logits only: exp overflows at 200. `F.softplus` or `binary_cross_entropy_with_logits` does not.",
    }
    compare(answer, truth, cases, mistakes)
    return "One-sided label smoothing, as Salimans et al. (2016) advise it."


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
)
def transposed(answer, truth):
    cases = [
        ("5 values, a kernel of 4, stride 2", noise(5), noise(4, seed=1), 2),
        ("4 values, a kernel of 3, stride 1", noise(4, seed=2), noise(3, seed=3), 1),
        ("3 values, a kernel of 2, stride 3, in float64", noise(3).double(), noise(2, seed=1).double(), 3),
        ("one value, a kernel of 4, stride 2", [2.0], [1.0, 2.0, 3.0, 4.0], 2),
        ("the values 1 and 10, the kernel 1, 2, 3, stride 2", [1.0, 10.0], [1.0, 2.0, 3.0], 2),
    ]
    mistakes = {
        "truth(x, w.flip(0), stride)": "the kernel is turned round: stamp it as it is.",
        "truth(x.flip(0), w, stride)": "the input runs from the end to the start.",
        "truth(x, w, 1)": "the stride is ignored: neighbouring stamps are `stride` places apart.",
        "truth(x, w, 2)": "the stride is always 2 in your function; use the argument.",
        "want[1:-1]": "a padding of 1 is cut off at both ends; none is asked for.",
        "want[: len(x) * stride]": "the output has stride times the input's length, and the last stamp is cut off.",
        "want[: len(want) - 1]": "the output is one too short: the last stamp needs all its places.",
        "truth(x, w / stride, stride)": "the result is divided by the stride.",
        "truth(x, w / len(w), stride)": "the kernel is divided by its length; stamps add up, they are not averaged.",
        "truth(x, w / w.sum(), stride)": "the kernel is normalised; use it as it is.",
        "truth(x, w * 0 + 1, stride)": "the kernel's values are not used: every stamp is a row of ones.",
        "truth(x * 0 + 1, w, stride)": "the stamps are not scaled by the input's values.",
        "truth(w, x, stride)": "the roles of input and kernel are swapped.",
    }
    compare(answer, truth, cases, mistakes)
    return "It equals `F.conv_transpose1d`, and the gradient of `F.conv1d` by its input."
