"""Exercises of 05_dcgan."""

from aigc_course.plumbing.grading import Wrong, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "05.1",
    hint="Ten perfect images. Does each of them lie among real ones? How many of the real ones lie near one of the ten?"
    " The Fréchet distance sees means and covariances: what is the spread within a class?",
    solution="""
# Each image is real, hardly any real one is near, classes are equal, their spread is missing.
answer_1 = {"precision": "high", "recall": "low", "smallest_class": "high", "fd": "high"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("high", "low"))
    if said["precision"] == "low" and said["recall"] == "high":
        raise Wrong("precision and recall are the wrong way round: precision asks about the generated images.")
    reasons = {
        "precision": "precision asks whether generated images lie among real ones, and these ten are real.",
        "recall": "recall asks for the share of real images near a generated one: ten points cover hardly any.",
        "smallest_class": "every class gets a tenth of the images, so the smallest share is as large as it can be.",
        "fd": "the means fit, but the spread within a class is missing, and the Fréchet distance compares spreads.",
    }
    if wrong := [reasons[key] for key in truth if said[key] != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "Precision and the classes are fooled; recall and the Fréchet distance are not."


@exercise(
    "05.2",
    hint="In one dimension the matrices are numbers: (m_1 - m_2)² + v_1 + v_2 - 2 (v_1 v_2)^(1/2), with variances v."
    " Can the last three terms be written as one square?",
    solution="""
mean_1, sigma_1, mean_2, sigma_2 = 1.0, 3.0, -1.0, 2.0
answer_2 = (mean_1 - mean_2) ** 2 + (sigma_1 - sigma_2) ** 2  # 5
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.005:
        return "It is the squared distance of the points (mean, standard deviation)."
    mistakes = {
        "5 ** 0.5": "this is the root of it; the Fréchet distance is reported as d², without the root.",
        "4 + 3 + 2 - 2 * 6 ** 0.5": "3 and 2 are standard deviations; you used them as variances.",
        "4 + 9 + 4": "the term with the root of the product of the variances is missing.",
        "4 + 9 + 4 - 36 ** 0.5": "the root of the product of the variances counts twice.",
        "4 + 9 + 4 - 2 * 36": "the root of the product of the variances is missing.",
        "4 + (9 - 4) ** 2": "the variances are subtracted and squared, or the root of their product has the wrong"
        " sign.",
        "4 + 9 - 4": "the difference of the variances is no distance: it can be negative.",
        "1": "the part of the means is missing: they are 1 and -1, and their difference is not 0.",
        "4": "the part of the standard deviations is missing.",
        "2 + 1": "the difference of the means must be squared.",
        "2 + 5": "neither part is squared as it must be.",
        "4 + 81 + 16 - 2 * 36": "9 and 4 are the variances already; you squared them again.",
        "log(2 / 3) + (9 + 4) / 8 - 0.5": "this is a KL divergence; the Fréchet distance has no logarithm.",
        "log(3 / 2) + (4 + 4) / 18 - 0.5": "this is a KL divergence; a Fréchet distance has no logarithm.",
        "2 * 5": "twice too much.",
        "5 / 2": "this is half of it.",
    }
    name_mistake(value, mistakes, within=0.005)
    size = "never negative" if value < 0 else f"{'smaller' if value > truth else 'larger'} than {value:.4g}"
    raise Wrong(f"this distance is {size}. Write down the part of the means, then that of the variances.")


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


@exercise(
    "05.5",
    hint="Three means of k(x, y) = (x·y / D + 1)³: over pairs of two different rows of a, over pairs of two different"
    " rows of b, and, twice and with a minus, over pairs of a row of a and a row of b.",
    solution="""
def my_kernel_distance(a, b):
    def k(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x):
        return (k(x, x).sum() - k(x, x).trace()) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * k(a, b).mean()
""",
)
def my_kernel_distance(answer, truth):
    cases = [
        ("6 and 9 points in 4 dimensions", noise(6, 4), 0.5 + noise(9, 4, seed=1)),
        ("5 and 3 points in one dimension, in float64", noise(5, 1).double(), noise(3, 1, seed=1).double()),
        ("the points 0 and 1 against the same", [[0.0], [1.0]], [[0.0], [1.0]]),
    ]

    def k(x, y, scale="/ a.shape[1] + 1", power="3"):
        return f"(({x} @ {y}.T {scale}) ** {power})"

    def off(x, **how):
        return f"(({k(x, x, **how)}.sum() - {k(x, x, **how)}.trace()) / (len({x}) * (len({x}) - 1)))"

    def halved(x):
        return f"({k(x, x)}.sum() - {k(x, x)}.trace()) / len({x}) ** 2"

    def distance(**how):
        return f"{off('a', **how)} + {off('b', **how)} - 2 * {k('a', 'b', **how)}.mean()"

    aa, bb, ab = (k(*pair) for pair in ("aa", "bb", "ab"))
    mistakes = {
        f"{aa}.mean() + {bb}.mean() - 2 * {ab}.mean()": "pairs of a point and itself are counted: this is the biased"
        " estimate, too large on average.",
        f"{halved('a')} + {halved('b')} - 2 * {ab}.mean()": "the diagonal is taken out of the sum, but the mean still"
        " divides by n²; how many pairs are left?",
        f"{off('a')} + {off('b')} - {ab}.mean()": "the mean over mixed pairs counts twice.",
        f"{off('a')} + {off('b')} + 2 * {ab}.mean()": "the mean over mixed pairs has the wrong sign.",
        f"{off('a')} + {off('b')}": "the mean over mixed pairs is missing.",
        f"{off('a')} - 2 * {ab}.mean()": "the mean over pairs of b is missing.",
        f"{off('b')} - 2 * {ab}.mean()": "the mean over pairs of a is missing.",
        distance(power="2"): "the kernel is squared; it is the third power.",
        distance(power="1"): "the kernel is linear: it lacks the third power, and so sees the means only.",
        distance(scale="+ 1"): "x·y is not divided by the number of dimensions.",
        distance(scale="/ a.shape[1]"): "the + 1 in the kernel is missing.",
        distance(scale="/ len(a) + 1"): "x·y is divided by the number of points; it must be the number of dimensions.",
        distance(scale="/ a.shape[1] ** 0.5 + 1"): "x·y is divided by the root of D, as in attention; here it is D.",
        "(a.mean(0) - b.mean(0)).square().sum()": "this is the squared distance of the means; the kernel sees more.",
        "-want": "this is minus the distance.",
        "want.abs().sqrt()": "the root is taken; the squared MMD is asked for, which may be negative.",
        "want.clamp(min=0)": "negative values are cut off: an unbiased estimate of 0 must be allowed to be negative.",
        "2 * want": "twice too much.",
        "want / 2": "this is half of it.",
    }
    compare(answer, truth, cases, mistakes)
    return "This is the kernel distance, unbiased; single values may be negative."
