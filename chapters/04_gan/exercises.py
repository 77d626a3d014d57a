"""Exercises of 04_gan."""

import math

from aigc_course.plumbing.grading import Wrong, call, compare, exercise, name_mistake, noise, number_of, prediction_of


@exercise(
    "04.1",
    hint="With the logit l, D = sigmoid(l). The slope of log(1 - D) by l is -D, that of -log D is -(1 - D). What is D"
    " where the discriminator is sure that an image is generated?",
    solution="""
# l goes to minus infinity, D to 0: the slope -D goes to 0, the slope -(1 - D) to -1.
answer_1 = {"saturating": "vanishes", "non_saturating": "stays"}
""",
)
def answer_1(answer, truth):
    said = prediction_of(answer, truth, ("vanishes", "stays", "explodes"))
    if said == {"saturating": "stays", "non_saturating": "vanishes"}:
        raise Wrong("the two are the wrong way round: which of the slopes, -D and -(1 - D), is near 0 where D is?")
    reasons = {
        "saturating stays": "the slope of log(1 - D) by the logit is -D, and D itself goes to 0.",
        "saturating explodes": "log(1 - D) tends to log 1 = 0, a flat line: nothing explodes where D goes to 0.",
        "non_saturating vanishes": "the slope of -log D by the logit is -(1 - D); D going to 0 does not make it small.",
        "non_saturating explodes": "-log D itself grows without end, but as a function of the logit it is a straight"
        " line there: its slope has a limit.",
    }
    if wrong := [reasons[f"{key} {word}"] for key, word in said.items() if word != truth[key]]:
        raise Wrong(" And ".join(wrong))
    return "The weaker the generator, the more it needs the non-saturating loss."


@exercise(
    "04.2",
    hint="On its mode p = 1/8 and p_g = 1, elsewhere p_g = 0. D* = p / (p + p_g) is one number on the mode and another"
    " on the rest. Put both into V = E_p log D + E_g log(1 - D), each weighted with how often p and p_g go there.",
    solution="""
import math

d_mode = (1 / 8) / (1 / 8 + 1)  # 1/9; on the other seven modes D* = 1, and log 1 = 0
answer_2 = 1 / 8 * math.log(d_mode) + math.log(1 - d_mode)  # -0.3924
""",
)
def answer_2(answer, truth):
    value = number_of(answer)
    if abs(value - truth) <= 0.0006:
        return f"{truth:.4f} nats: far above -2 log 2 = {-2 * math.log(2):.4f}, so the discriminator sees the collapse."
    mistakes = {
        "log(1/9) / 8": "this is the part of the real points; that of the generated ones, E_g log(1 - D*), is missing.",
        "log(8/9)": "this is the part of the generated points; that of the real ones, E_p log D*, is missing.",
        "log(1/9) + log(8/9)": "one real point in eight lies on the mode, one time in eight: weigh log D* there.",
        "(log(1/9) + log(8/9)) / 8": "all generated points lie on the mode: their part is not divided by 8.",
        "-(log(1/9) / 8 + log(8/9))": "the size is right, the sign is not: both logarithms are of numbers below 1.",
        "-2 * log(2)": "this is the value where p_g equals p; a collapsed generator is told apart.",
        "-log(4) / 2": "the value is not half of that at equilibrium: put D* on the mode and elsewhere into V.",
        "(log(1/9) / 8 + log(8/9)) / log(2)": "this is in bits; nats take the natural logarithm throughout.",
        "(log(1/9) / 8 + log(8/9)) / log(10)": "the logarithm has base 10; nats take the natural one.",
        "log(1/8) / 8 + log(7/8)": "D* on the mode is p / (p + p_g) = (1/8) / (1/8 + 1), which is not 1/8.",
        "log(8/9) / 8 + log(1/9)": "D* and 1 - D* are swapped: on the mode D* = (1/8) / (1/8 + 1) is small.",
        "log(1/9) / 8 + 7/8 * log(8/9)": "E_g runs over generated points, and all of them lie on the one mode.",
        "log(1/9) / 8 + log(8/9) + 2 * log(2)": "this is twice the JSD between p and p_g; V is smaller by 2 log 2.",
        "(log(1/9) / 8 + log(8/9)) / 2 + log(2)": "this is the JSD between p and p_g, not the value of the game.",
        "1/8 * log(1/2) + 7/8 * log(1) + log(1/2)": "D = 1/2 on the mode is not the best: p_g is eight times p there.",
        "1/9": "this is D* on the mode. Put it into V.",
    }
    name_mistake(value, mistakes, within=0.0006)
    if value > 0:
        raise Wrong("V is a mean of logarithms of probabilities: it cannot be positive.")
    size = "smaller" if value > truth else "larger"
    raise Wrong(f"V is {size} than {value:.4g} nats. Write down D* on the mode and elsewhere, then both means.")


@exercise(
    "04.3",
    hint="-log sigmoid(l) = log(1 + e^(-l)). PyTorch has a function for log(1 + e^x) that neither overflows nor rounds"
    " to zero. The article's sign makes the generator avoid what looks real: which one do you need?",
    solution="""
import torch.nn.functional as F


def my_generator_loss(logits):
    return F.softplus(-logits).mean()  # (B,) -> ()
""",
)
def my_generator_loss(answer, truth):
    import torch

    cases = [
        ("8 logits", 2 * noise(8)),
        ("one logit", noise(1)),
        ("6 logits, in float64", 3 * noise(6, seed=1).double()),
        ("logits of -300 and 200, where the sigmoid is 0 or 1", [-300.0, 200.0, 1.0]),
        ("two logits of 0", [0.0, 0.0]),
    ]
    sig, safe = "logits.sigmoid()", "(-logits).relu() + (1 + (-logits.abs()).exp()).log()"
    mistakes = {
        "-want": "the sign is turned: this is E log D, which the printed loss minimises; then D(G(z)) falls.",
        f"-(logits + {safe}).mean()": "this is E log(1 - D), the saturating loss; its slope is near 0 where D is.",
        f"(logits + {safe}).mean()": "this is -E log(1 - D): it falls as the discriminator gets surer of a fake.",
        f"-{sig}.mean()": "the logarithm is missing.",
        f"(1 - {sig}).mean()": "the logarithm is missing.",
        f"{sig}.mean()": "the logarithm is missing, and the sign is turned.",
        "-logits.mean()": "the logits are averaged (the critic's loss of chapter 06); asked for is -E log sigmoid(l).",
        "want * len(logits)": "the sum is asked of nobody: take the mean over the batch.",
        safe: "the result has one number an image; take the mean over the batch.",
        f"-({sig}.mean()).log()": "this is the logarithm of the mean; asked for is the mean of the logarithms.",
        f"-{sig}.log().mean()": "right for small logits only: where the sigmoid rounds to 0, its logarithm is infinite."
        " Use a function that takes the logit itself.",
        f"-({sig} + 1e-8).log().mean()": "a small number inside the logarithm hides the overflow: the loss stops at 18"
        " and its slope with it. Use a function that takes the logit itself.",
        f"-({sig} + 1e-12).log().mean()": "a small number inside the logarithm hides the overflow: the loss stops at 28"
        " and its slope with it. Use a function that takes the logit itself.",
        f"-{sig}.clamp(min=1e-7).log().mean()": "clamping hides the overflow: the loss stops at 16 and its slope is 0"
        " there. Use a function that takes the logit itself.",
        f"-{sig}.log().clamp(min=-100).mean()": "binary cross-entropy of probabilities stops at 100, and its slope with"
        " it. Use the function that takes the logit itself.",
        "want / log(2)": "this is in bits; take the natural logarithm.",
        "want / 2": "half of the loss: there is one term only, and nothing to average it with.",
    }
    compare(answer, truth, cases, mistakes)
    leaf = (2 * noise(8)).requires_grad_()
    value = call(answer, truth, (leaf,), "logits that require gradients")
    if not (torch.is_tensor(value) and value.requires_grad):
        raise Wrong("the value is right, but no gradient reaches the logits: `detach`, `item` or NumPy cuts it.")
    value.backward()
    due = -(-leaf.detach()).sigmoid() / len(leaf)
    if leaf.grad is None or not leaf.grad.allclose(due, rtol=1e-3, atol=1e-5):
        raise Wrong("the value is right, but not the gradient that reaches the logits: is a part of it cut off?")
    return "The loss of Goodfellow et al. (2014), section 3, and it does not overflow."


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
)
def my_count_modes(answer, truth):
    import torch

    def cloud(counts, offsets, std, seed, outside=0):
        """Samples on K modes, counts[k] of them offsets[k] std away from the centre, and `outside` far from all."""
        angle = torch.arange(len(counts)) * 2 * math.pi / len(counts)
        centres = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
        each, way = torch.tensor(counts), torch.nn.functional.normalize(noise(sum(counts), 2, seed=seed))
        far = torch.tensor(offsets).repeat_interleave(each)[:, None]
        x = centres.repeat_interleave(each, dim=0) + far * std * way
        return torch.cat([x, torch.tensor([9.0, 0.0]) + 0.1 * noise(outside, 2, seed=seed)]), centres, std

    counts = [60, 60, 30, 60, 60, 20, 20, 30, 30, 20, 20, 4, 4, 4, 2, 2]  # the last five are too rare to count
    offsets = [0.5, 1.5, 1.5, 2.5, 2.5, 2.5, 2.5, 3.5, 9.0, 9.0, 9.0, 0.5, 0.5, 0.5, 0.5, 0.5]  # counted: the first 7
    cases = [
        ("16 modes, some rare, some missed by several std", *cloud(counts, offsets, 0.04, 1, 74)),
        ("1,000 samples with 12, 9 and 5 on three modes", *cloud([12, 9, 5], [1.0] * 3, 0.05, 2, 974)),
        ("5 modes in the plane, all hit", *cloud([50] * 5, [1.0] * 5, 0.1, 3)),
        ("no sample near any mode", *cloud([0] * 8, [1.0] * 8, 0.05, 4, 100)),
        ("100 samples, one on each of 2 modes, with std 0.5", *cloud([1, 1], [0.5, 0.5], 0.5, 5, 98)),
    ]
    d, share = "inputs[0].cpu().double()[:, None].sub(inputs[1].double()).norm(dim=2)", ".double().mean(0)"
    mistakes = {
        f"(({d} <= std){share} >= 0.01).sum()": "you took one standard deviation; asked for is within three.",
        f"(({d} <= 2 * std){share} >= 0.01).sum()": "you took two standard deviations; asked for is within three.",
        f"(({d} <= 3 * std**2){share} >= 0.01).sum()": "the variance stands where the standard deviation should.",
        f"(({d} ** 2 <= 3 * std){share} >= 0.01).sum()": "the squared distance is compared with 3 std.",
        f"(({d} <= 3){share} >= 0.01).sum()": "std is left out: the radius is 3 std, not 3.",
        f"({d}.argmin(1)[:, None] == inputs[0].new_tensor(range(len(centres)))){share}.ge(0.01).sum()": "each sample is"
        " given to its nearest mode, however far away; only those within 3 std count.",
        f"(({d} <= 3 * std){share} > 0).sum()": "one sample is not enough: a mode counts with 1 % of all samples.",
        f"(({d} <= 3 * std){share} >= 0.1).sum()": "the threshold is 10 %; asked for is 1 %.",
        f"(({d} <= 3 * std).double().sum(0) >= 0.01).sum()": "the number of samples is compared with 0.01; take their"
        " share.",
        f"(({d} <= 3 * std).double().sum(0) / ({d} <= 3 * std).double().sum() >= 0.01).sum()": "the share is taken of"
        " the samples that lie near some mode; it must be of all samples.",
        f"({d} <= 3 * std){share}.ge(0.01).double().mean()": "the share of the modes; asked for is their number.",
        f"len(centres) - (({d} <= 3 * std){share} >= 0.01).sum()": "this counts the modes that are missing.",
        f"({d} <= 3 * std).any(1).sum()": "this counts the samples near some mode: the mean must run"
        " over the samples, not over the modes.",
        f"({d} <= 3 * std).any(1).double().mean()": "this is the share of samples near some mode; asked for is the"
        " number of modes.",
        f"({d} <= 3 * std){share}": "this is the share of each mode; how many of them reach 0.01?",
        f"({d} <= 3 * std){share} >= 0.01": "this says of each mode whether it counts; add them up.",
        f"(({d} <= 3 * std){share} >= 0.01).double()": "this says of each mode whether it counts; add them up.",
        "want - 1": "one mode too few.",
    }
    compare(answer, truth, cases, mistakes)
    return "Modes are counted the way the claims of this chapter count them."


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
)
def my_r1_penalty(answer, truth):
    import torch

    w, m = noise(6, seed=1), noise(6, 6, seed=2)

    def linear(x):
        return torch.as_tensor(x).flatten(1) @ w

    def curved(x):
        x = torch.as_tensor(x).flatten(1)
        return ((x @ m) * x).sum(dim=1) + x.tanh() @ w

    def single(x):
        return torch.as_tensor(x).square().sum(dim=1) / 2

    cases = [
        ("a curved discriminator, 4 images of 6 pixels", curved, noise(4, 6)),
        ("5 images of shape (1, 2, 3)", curved, noise(5, 1, 2, 3, seed=3)),
        ("a linear discriminator, whose slope is its weight", linear, noise(3, 6)),
        ("D(x) = ‖x‖²/2, whose slope is x, and one image", single, [[3.0, 4.0]]),
        ("the same and two images", single, [[3.0, 4.0], [0.0, 1.0]]),
    ]
    slope = (
        "(lambda y: __import__('torch').autograd.grad(discriminator(y).sum(), y)[0].flatten(1))"
        "(x.clone().requires_grad_())"
    )
    mistakes = {
        f"{slope}.norm(dim=1).mean()": "the norm is not squared.",
        f"{slope}.norm(dim=1).mean() ** 2": "the mean norm is squared; asked for is the mean of the squared norms.",
        f"({slope}.norm(dim=1) - 1).square().mean()": "this is the gradient penalty of chapter 06, which pulls the norm"
        " to 1; R1 pulls it to 0.",
        f"{slope}.square().mean()": "the pixels are averaged; the squared norm is their sum.",
        f"{slope}.square().sum()": "the images are added up; take their mean.",
        f"{slope}.square().sum(1)": "one number for the batch is asked for: take the mean over the images.",
        f"{slope}.sum(1).square().mean()": "the slopes are added before they are squared.",
        f"{slope}.mean(0).square().sum()": "the slopes are averaged over the batch before they are squared: `.mean(0)`"
        " comes last.",
        f"{slope}.square().sum(1).mean() / len(x) ** 2": "the discriminator's outputs were averaged before the"
        " gradient was taken: every slope is divided by the batch size. Take the gradient of their sum.",
        f"{slope}.square().sum() / len(x) ** 3": "the outputs were averaged before the gradient was taken.",
        "want / 2": "the ½ belongs to the weight, gamma / 2; the penalty itself has none.",
        "-want": "the sign is turned: a penalty is added to a loss that is minimised.",
        "want ** 0.5": "the root is taken at the end; the penalty is the mean of squared norms.",
        f"{slope}.abs().sum(1).mean()": "absolute values are added up; squares are asked for.",
        "discriminator(x).square().mean()": "the outputs are squared; asked for is their slope by x.",
        "x.flatten(1).square().sum(1).mean()": "the images are squared; asked for is the slope of D at them.",
    }
    with torch.enable_grad():  # also where the learner has turned gradients off
        compare(answer, truth, cases, mistakes)
        weight = w.clone().requires_grad_()
        value = call(
            answer, truth, (lambda x: torch.as_tensor(x).tanh() @ weight, noise(4, 6)), "a weight to be trained"
        )
        if not (torch.is_tensor(value) and value.requires_grad):
            raise Wrong(
                "the value is right, but it cannot train the discriminator: `create_graph=True` is missing, or"
                " `detach`, `item` or NumPy cuts it off."
            )
        value.backward()
        if weight.grad is None or not weight.grad.abs().sum() > 0:
            raise Wrong("the value is right, but no gradient reaches the discriminator's weights.")
    return "The penalty of Mescheder et al. (2018), equation 9, and it trains the discriminator."
