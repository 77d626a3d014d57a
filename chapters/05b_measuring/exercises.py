"""Exercises of 05b_measuring."""

from aigc_course.plumbing.grading import Wrong, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "05b.1",
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
    "05b.2",
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
    "05b.3",
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
