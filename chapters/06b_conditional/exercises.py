"""Exercises of 06b_conditional."""

import re
from collections.abc import Mapping

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


class NearOrFar(tasks.Words):
    """The words of the page's text, too: "far off", "still near"."""

    def grade(self, answer, truth):
        if isinstance(answer, Mapping):
            longer = re.compile(r"^\W*still\s+(?=near)|(?<=far)[\s-]+off(?=\W*$)", re.IGNORECASE)
            answer = {key: longer.sub("", word) if isinstance(word, str) else word for key, word in answer.items()}
        super().grade(answer, truth)


@exercise(
    "06b.1",
    hint="The liar's images are real ones in another order. What does a distance over all images know of labels? The"
    " stamp's ten images are right, each; how large is the spread within a class?",
    solution="""
# The liar keeps the mixture and loses the labels; the stamp keeps the labels and loses the spread.
answer_1 = {"liar_accuracy": "far", "liar_fd": "near", "stamp_accuracy": "near"}
answer_1["stamp_within"] = "far"
""",
    praise="Each cheat fools one measure; the distance within a class catches both.",
)
def answer_1(truth):
    mistakes = {
        "liar_accuracy near": "the liar gives the digit that was asked for one time in ten: its accuracy is chance.",
        "liar_fd far": "the liar's images, taken together, are as good and as varied as real ones, and a distance over"
        " all images never sees what was asked for.",
        "stamp_accuracy far": "each of the stamp's images is perfect, and of the right class: accuracy cannot see that"
        " it is always the same one.",
        "stamp_within near": "within a class the stamp has no spread at all, and a Fréchet distance compares spreads.",
    }
    return NearOrFar(("near", "far"), mistakes)


@exercise(
    "06b.2",
    hint="Two ways lead to a hit: the digit is right and the judge says so; or the digit is another one, and the judge"
    " errs to just the one that was asked for. How likely is each?",
    solution="""
right = 0.6 * 0.7  # the digit asked for, and recognised
lucky = 0.4 * 0.3 / 9  # another digit, and the judge's error, one of nine, is the one asked for
answer_2 = right + lucky  # 0.433
""",
    praise="A judge that errs lowers what is measured: print the accuracy of real images beside it.",
)
def answer_2(truth):
    mistakes = {
        "a wrong digit can count as a hit too: the judge may take it for the one that was asked for.": 0.42,
        "the judge's error has nine directions, not ten, and only one of them is the digit that was asked for.":
            (0.42 + 0.12, 0.42 + 0.4 * 0.3 / 10),
        "this is how often the generator obeys; the judge errs on right digits too.": (0.6, 0.6 + 0.4 * 0.3 / 9),
        "this is the judge's accuracy on real images; the generator does not always obey.": 0.7,
        "this is the share of misses.": 1 - 0.42 - 0.12 / 9,
        "multiply what must happen together: obeyed and recognised; or missed, misread, and that as the one of nine.":
            (0.3, 0.65, 0.42 + 0.4 * 0.7 / 9, 0.42 + 0.4 / 9, 0.42 + 0.3 / 9, 0.42 + 0.6 * 0.3 / 9, 0.42 + 1 / 9),
        "each of the nine wrong digits can be taken for the one that was asked for: add up all nine.":
            0.42 + 0.4 * 0.3 / 81,
        "this is near, but rounded too coarsely: three decimals are asked for.": 0.43,
    }  # fmt: skip
    begin = "Multiply along each of the two ways to a hit, then add."
    return tasks.Number(0.0005, mistakes, begin, low=0, high=1)


@exercise(
    "06b.3",
    hint="`V[y]` has one row for each image. A product with the features, summed over D, is the part that knows the"
    " label; `h @ w + b` is the part that does not.",
    solution="""
def my_scores(h, y, w, b, V):
    return h @ w + b + (V[y] * h).sum(dim=1)  # (B,)
""",
    praise="One score for an image and its label together.",
)
def my_scores(truth):
    import torch

    def case(B, D, C, seed, y):
        return (
            noise(B, D, seed=seed),
            y,
            noise(D, seed=seed + 1),
            noise(1, seed=seed + 2)[0],
            noise(C, D, seed=seed + 3),
        )

    cases = [case(4, 3, 5, 0, torch.tensor([2, 0, 4, 2])), case(1, 2, 3, 10, torch.tensor([1])),
             case(3, 3, 3, 20, torch.tensor([2, 2, 0]))]  # fmt: skip
    mistakes = {
        "the label is not used: v_y · h is missing.": lambda h, y, w, b, V: h @ w + b,
        "only the label's part is here: w · h + b is missing, or one of the two.": (
            lambda h, y, w, b, V: (V[y] * h).sum(1), lambda h, y, w, b, V: (V[y] * h).sum(1) + b,
        ),
        "the bias b is missing.": lambda h, y, w, b, V: h @ w + (V[y] * h).sum(1),
        "each image has a label of its own, counted from 0: here one label's vector serves all, or another's.": (
            lambda h, y, w, b, V: h @ w + b + (V[y - 1] * h).sum(1),
            lambda h, y, w, b, V: h @ w + b + (V[(y + 1) % len(V)] * h).sum(1),
            lambda h, y, w, b, V: h @ w + b + h @ V[0], lambda h, y, w, b, V: h @ w + b + h @ V[y[0]],
            lambda h, y, w, b, V: h @ w + b + h @ V[y[-1]],
        ),
        "these are scores of all classes, or of each image with each label; take the one of the image's own label.": (
            lambda h, y, w, b, V: (h @ w + b)[:, None] + h @ V.T, lambda h, y, w, b, V: h @ w + b + V[y] @ h.T,
            lambda h, y, w, b, V: (h @ w + b)[:, None] + h @ V[y].T, lambda h, y, w, b, V: h @ w + b + h @ V[y].T,
        ),
        "the products are summed, averaged or maximised over all classes or images; only the label's vector counts.": (
            lambda h, y, w, b, V: h @ w + b + (V[y] @ h.T).sum(1), lambda h, y, w, b, V: h @ w + b + (V[y] * h).sum(),
            lambda h, y, w, b, V: h @ w + b + (V[y] @ h.T).sum(0),
            lambda h, y, w, b, V: h @ w + b + (h @ V.T).sum(1), lambda h, y, w, b, V: h @ w + b + (h @ V.T).mean(1),
            lambda h, y, w, b, V: h @ w + b + (h @ V.T).amax(1),
        ),
        "v_y · h is the sum of D products: not their mean, not the products themselves, nor the sum of v_y.": (
            lambda h, y, w, b, V: h @ w + b + V[y].sum(1), lambda h, y, w, b, V: h @ w + b + (V[y] * h).mean(1),
            lambda h, y, w, b, V: h @ w + b + V[y].mean(1),
            lambda h, y, w, b, V: (h @ w + b)[:, None] + V[y] * h, lambda h, y, w, b, V: h * w + b + V[y] * h,
        ),
        "the two parts are added, w · h + b and v_y · h: they are not multiplied, nor is w with v_y.": (
            lambda h, y, w, b, V: (V[y] * w * h).sum(1) + b, lambda h, y, w, b, V: (h @ w + b) * (V[y] * h).sum(1),
            lambda h, y, w, b, V: h @ w + b + (V[y] * w).sum(1), lambda h, y, w, b, V: h @ w * (V[y] * h).sum(1) + b,
            lambda h, y, w, b, V: h @ w + b + (V[y] * w * h).sum(1),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes, gradients={"h": "", "w": "", "b": "", "V": ""})
