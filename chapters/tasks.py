"""What the exercises are made of: three kinds of task, and the slips that can happen in any of them.

A task says what is right and which mistakes have a sentence. A mistake is a wrong answer, written once: the grader
compares with it, and the tests hand it in.
"""

from __future__ import annotations

import contextlib
import decimal
import inspect
import math
import numbers
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aigc_course.plumbing.grading import (
    NotAttempted,
    TooLong,
    Wrong,
    call,
    fenced,
    noise,
    number_of,
    text_of,
    told,
    usage,
)

if TYPE_CHECKING:
    from torch import Tensor

SLIPS = {  # what came and what is due, or what a mistake gives: the two are equal where the slip was made
    "the sign is turned: this is minus what is due.": lambda got, due: (got, -due),
    "this is in bits; nats take the natural logarithm.": lambda got, due: (got, due / math.log(2)),
    "this is the exponential of what is due.": lambda got, due: (got, due.exp()),
    "this is the logarithm of what is due.": lambda got, due: (got, due.log()),
    "this is the root of what is due.": lambda got, due: (got, due.sqrt()),
    "this is the square of what is due.": lambda got, due: (got, due.square()),
    "this is one divided by what is due.": lambda got, due: (got, 1 / due),
    "the sign is lost: these are absolute values.": lambda got, due: (got, due.abs()),
    "it is 0 in every case that was tried.": lambda got, due: (got, 0 * due),
    "negative values are cut off at 0.": lambda got, due: (got, due.clamp(min=0)),
    "every value is twice what is due.": lambda got, due: (got, 2 * due),
    "every value is half of what is due.": lambda got, due: (got, due / 2),
    "this is in per cent.": lambda got, due: (got, 100 * due),
    "values are rounded to whole numbers.": lambda got, due: (got, due.round()),
    "the digits after the point are cut off.": lambda got, due: (got, due.trunc()),
    "this is one minus what is due.": lambda got, due: (got, 1 - due),
    "the rows are added up as well; each has a value of its own.": lambda got, due: (got, due.sum(0)),
    "the rows are averaged as well; each has a value of its own.": lambda got, due: (got, due.mean(0)),
    "every row has the mean of all; each has a value of its own.": lambda got, due: (got, 0 * due + due.mean(0)),
    "every row has the first one's value; each has its own.": lambda got, due: (got, 0 * due + due[0]),
    "everything is added up to one number.": lambda got, due: (got, due.sum()),
    "everything is averaged to one number.": lambda got, due: (got, due.mean()),
    "each value is repeated along a new axis: were (B, 1) and (B,) broadcast?": lambda got, due: (
        got,
        due[..., None].expand(*due.shape, got.shape[-1]),
    ),
    "a sum over the first axis is missing.": lambda got, due: (got.sum(0), due),
    "a mean over the first axis is missing.": lambda got, due: (got.mean(0), due),
    "a sum over the last axis is missing.": lambda got, due: (got.sum(-1), due),
    "a mean over the last axis is missing.": lambda got, due: (got.mean(-1), due),
    "a sum over all values is missing.": lambda got, due: (got.sum(), due),
    "a mean over all values is missing.": lambda got, due: (got.mean(), due),
    "the result is transposed: two axes are swapped.": lambda got, due: (got, due.mT),
    "the result is in reverse order.": lambda got, due: (got, due.flip(0)),
    "the result is scaled to length 1.": lambda got, due: (got, due / due.norm()),
}


def each(mistakes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(sentence, wrong answer): a sentence may stand for several forms of one mistake."""
    for sentence, wrong in mistakes.items():
        yield from ((sentence, one) for one in (wrong if isinstance(wrong, tuple) else (wrong,)))


@dataclass(frozen=True)
class Words:
    """One of `words` for each key of the truth; 2 is as good as "2".

    mistakes: {"kl rises" or "kl rises, fd falls": sentence}.
    """

    words: Sequence[str]
    mistakes: Mapping[str, str]

    def wrong_answers(self, truth: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        """Each mistake: its sentence, and an answer that makes it."""
        for said, sentence in self.mistakes.items():
            yield sentence, {**truth, **self.parts(said)}

    @staticmethod
    def parts(said: str) -> dict[str, str]:
        """{"nats per token": "rises", "kl": "falls"} for "nats per token rises, kl falls"."""
        return dict(pair.rsplit(" ", 1) for pair in said.split(", "))

    def grade(self, answer: Any, truth: Mapping[str, str]) -> None:
        """Raise Wrong unless the answer is a dict with the words of the truth, whatever their case and quotes."""
        if not isinstance(answer, Mapping) or not truth.keys() <= answer.keys():
            raise Wrong(f"the prediction must be a dict with the keys {_listed(truth, 'and')}.")
        wrong, found = {}, []
        for key, due in truth.items():
            word = answer[key]
            word = word.item() if getattr(word, "shape", None) == () else word  # a tensor of one number
            word = f"{word:g}" if isinstance(word, numbers.Real) and not isinstance(word, bool) else word
            word = re.sub(r"^\W+|\W+$", "", word).lower() if isinstance(word, str) else word
            if word is None or word is ... or isinstance(word, str) and not word:
                raise NotAttempted(f'"{key}" has no value.')
            if not isinstance(word, str) or word not in self.words:
                raise Wrong(f'"{key}" must be {_listed(self.words, "or")}; what came is `{text_of(answer[key])}`.')
            wrong |= {key: word} if word != due else {}
        for said, sentence in self.mistakes.items():
            if self.parts(said).items() <= wrong.items():
                found.append(sentence)
                wrong = {key: word for key, word in wrong.items() if key not in self.parts(said)}
        if found or wrong:
            raise Wrong(" And ".join(found + [f'"{key}" is not "{word}".' for key, word in wrong.items()]))


def _listed(names: Sequence[str], last: str) -> str:
    """ "a", "b" and "c"."""
    *others, final = [f'"{name}"' for name in names]
    return f"{', '.join(others)} {last} {final}"


@dataclass(frozen=True)
class Number:
    """A number, so near to the truth. mistakes: {sentence: the wrong value or values that it explains}.

    begin: where to begin, said to others; low, high: what the number can be at all.
    """

    within: float
    mistakes: Mapping[str, float | tuple[float, ...]]
    begin: str
    low: float = -math.inf
    high: float = math.inf

    def wrong_answers(self, truth: float) -> Iterator[tuple[str, float]]:
        """Each mistake: its sentence, and a value that it gives."""
        return each(self.mistakes)

    def grade(self, answer: Any, truth: float) -> None:
        """Raise Wrong unless the answer is near enough, with the nearest mistake's sentence where one is near."""
        share = isinstance(answer, str) and answer.strip().endswith("%") and self.high == 1
        value = number_of(answer.strip().rstrip("% ")) / 100 if share else number_of(answer)
        if abs(value - truth) <= self.within:
            return
        alike = [pair for pair in each(self.mistakes) if abs(value - pair[1]) <= 0.2 * abs(pair[1]) or not pair[1]]
        near = [(abs(value - wrong), sentence) for sentence, wrong in alike]
        near = [pair for pair in near if pair[0] <= self.within + (0.002 * abs(value) if self.within else 0)]
        if near:
            raise Wrong(min(near)[1])
        if not self.low <= value <= self.high:
            bound = f"below {self.low:g}" if value < self.low else f"above {self.high:g}"
            raise Wrong(f"it is never {'negative' if bound == 'below 0' else bound}. {self.begin}")
        raise Wrong(f"it is {'smaller' if value > truth else 'larger'} than {value:,.6g}. {self.begin}")


@dataclass(frozen=True)
class Function:
    """A function that equals the truth, to 1e-4, on `cases`: tuples of arguments, a list of numbers for a tensor.

    mistakes: {sentence: wrong function or functions}, named where it gives the answer's values on all cases. edges:
    {sentence of such a mistake: cases on which alone it shows}. gradients: {argument: what to say where the gradient
    that reaches it is not the truth's, or ""}; of an argument that is a function, that of its attribute `weight`.
    at_edges: where gradients count on the edges, too, what to say where they differ there.
    """

    cases: Sequence[tuple]
    mistakes: Mapping[str, Callable | tuple[Callable, ...]]
    edges: Mapping[str, Sequence[tuple]] = field(default_factory=dict)
    gradients: Mapping[str, str] = field(default_factory=dict)
    at_edges: str = ""

    def __post_init__(self) -> None:
        """Take a gradient before a check's clock starts: PyTorch imports SymPy for its first, and half is no import."""
        if self.gradients:
            import torch

            x = torch.ones(1, requires_grad=True)
            torch.autograd.grad(x, x, torch.ones(1))

    def wrong_answers(self, truth: Callable) -> Iterator[tuple[str, Callable]]:
        """Each mistake: its sentence, and a function that makes it."""
        return each(self.mistakes)

    def grade(self, answer: Any, truth: Callable) -> None:
        """Raise Wrong unless the answer is such a function."""
        import torch

        if not callable(answer) or isinstance(answer, (torch.Tensor, type)):
            raise Wrong(f"the answer must be the function `{usage(truth)}` itself, passed without calling it.")
        names, cases = list(inspect.signature(truth).parameters), [_arguments(case) for case in self.cases]
        due, got = ([_tensor(call(function, truth, case)) for case in cases] for function in (truth, answer))
        raw, got = got, [_number(g, d) for g, d in zip(got, due, strict=True)]
        huge = any(g.numel() > 1e6 for g in got)
        if not huge and not _same(got[0], _number(_tensor(call(answer, truth, cases[0], seed=1)), due[0])):
            raise Wrong("your function gives other values when called again: it must use nothing but its arguments.")
        if not all(map(_same, got, due)):
            found = ""  # what is tried now, the answer need not survive: it ends on the cases
            with contextlib.suppress(TooLong), fenced(0):
                found = not huge and (self._name(cases, raw, due) or _unused(answer, truth, names, cases))
            with fenced(0):
                raise Wrong(found or _difference(names, cases, got, due))
        for sentence, edges in self.edges.items():
            for case in map(_arguments, edges):
                try:
                    value, right = (_tensor(call(function, truth, case)) for function in (answer, truth))
                    value = _number(value, right)
                except NotAttempted:
                    raise
                except Wrong as error:
                    raise Wrong(f"{sentence} Here {error}") from None
                if not _same(value, right):
                    raise Wrong(f"{sentence} F{_difference(names, [case], [value], [right])[1:]}")
        edges = [_arguments(case) for edges in self.edges.values() for case in edges] if self.at_edges else []
        for i, case in enumerate([*cases, *edges] if self.gradients else ()):
            hints = self.gradients if i < len(cases) else dict.fromkeys(self.gradients, self.at_edges)
            case = dict(zip(names, case, strict=True))
            due, got = (self._slopes(function, truth, case) for function in (truth, answer))
            for name, hint in hints.items():
                if not _same(got[name], due[name]):
                    what = "not the gradient that reaches" if due[name].any() else "a gradient reaches"
                    what = what if got[name].any() else "no gradient reaches"
                    raise Wrong(f"the values are right, but {what} `{name}`. {hint}".rstrip())

    def _name(self, cases: list, got: list, due: list) -> str:
        """The mistake that gives the answer's values on all cases, or one that does before a slip, or ""."""
        import torch

        got, starts = [g.double() for g in got], [("", [d.double() for d in due])]
        if all(_same(g.flatten(), d.flatten()) for g, d in zip(got, due, strict=True)):
            return ""  # only the shape is wrong, which `_difference` says
        for sentence, wrong in each(self.mistakes):
            starts.append((sentence, [_attempt(wrong, *case) for case in cases]))
            if all(map(_same, got, starts[-1][1])):
                return sentence
        for sentence, values in starts:
            for slip, pair in SLIPS.items():
                pairs = [_attempt(pair, g, v) for g, v in zip(got, values, strict=True)]
                if slip.endswith(" own.") and not any(d.ndim for d in due):
                    slip = slip.split(";")[0] + "."  # no row has a value of its own
                if all(p and _same(*p) for p in pairs) and any(p[0].isfinite().any() for p in pairs):
                    return f"{sentence} And {slip.replace('what is due', 'that')}" if sentence else slip
        if all(g.shape == d.shape for g, d in zip(got, due, strict=True)):
            came, right = (torch.cat([x.cpu().flatten() for x in side]) for side in (got, due))
            for change, say, undo in ((came / right, "{:.4g} times what is due", lambda x, c: x / c),
                                      (came - right, "off by {:+.4g}", lambda x, c: x - c)):  # fmt: skip
                change = change[right.abs() > 1e-3]
                if len(change) > 2 and change.isfinite().all() and _same(undo(came, change[0]), right):
                    return f"every value is {say.format(change[0].item())}."
        return ""

    def _slopes(self, function: Callable, truth: Callable, case: dict) -> dict[str, Tensor]:
        """{argument: the gradient that reaches it}, 0 where none does."""
        import torch

        inputs = {name: x.clone().requires_grad_() if name in self.gradients and torch.is_tensor(x) else x
                  for name, x in case.items()}  # fmt: skip
        leaves = {name: getattr(inputs[name], "weight", inputs[name]) for name in self.gradients}
        for leaf in leaves.values():
            leaf.grad = None
        value = call(function, truth, list(inputs.values()))
        if not (torch.is_tensor(value) and value.requires_grad):
            ways = (
                "`detach`, `no_grad`, `item`" + ", no `create_graph`" * any(map(callable, case.values())) + " or NumPy"
            )
            raise Wrong(f"the values are right, but no gradient leads back from them: {ways} cuts it off."
                        f" {' '.join(self.gradients.values())}".rstrip())  # fmt: skip
        with fenced(0):
            value.backward(noise(*value.shape, seed=9).to(value))
        return {name: 0 * leaf if leaf.grad is None else leaf.grad.clone() for name, leaf in leaves.items()}


def _unused(answer: Callable, truth: Callable, names: list, cases: list) -> str:
    """The argument that the truth uses and the answer does not, in any of the cases, or ""."""
    import torch

    def still(i: int, case: list) -> tuple[bool, bool]:
        """Whether answer and truth stay what they are when argument i is another."""
        x = case[i]
        others = [x.flatten().flip(0).view(x.shape), x.flatten().roll(1).view(x.shape)]
        halved = x.flatten() * (torch.arange(x.numel()) % 2)
        others += [1.1 * x + 0.1, x + 100.0, halved.view(x.shape)] if x.is_floating_point() else []
        others += [0 * x + end for end in (x.min(), x.max())] if x.numel() else []
        inputs = [case, *([*case[:i], other, *case[i + 1 :]] for other in others)]
        one, due = ([_tensor(call(f, truth, changed)) for changed in inputs] for f in (answer, truth))
        return one[0].isfinite().any() and all(_same(one[0], x) for x in one), all(_same(due[0], x) for x in due)

    for i, name in enumerate(names):
        with contextlib.suppress(Wrong):
            found = [still(i, case) for case in cases if torch.is_tensor(case[i])]
            if found and all(mine for mine, _ in found) and not all(due for _, due in found):
                return f"`{name}` changes nothing: it is not used, or cancels."
    return ""


def _arguments(case: Sequence[Any]) -> list:
    """Lists of numbers as float32 tensors, the rest as it is."""
    import torch

    with contextlib.suppress(ValueError, TypeError):  # lists of words
        return [torch.tensor(x, device="cpu", dtype=torch.float32) if isinstance(x, list) else x for x in case]
    return list(case)


def _tensor(value: Any) -> Tensor:
    """What a function returned, a tensor, array, number or list, as a tensor, where and as large as it was."""
    import torch

    try:
        with torch.device("cpu"):
            value = float(value) if isinstance(value, (numbers.Rational, decimal.Decimal)) else value
            if type(value).__module__ == "numpy":  # numbers as objects are numbers, as of np.frompyfunc
                value = value.astype(float) if value.dtype == object else value.copy()
            tensor = torch.as_tensor(value).detach()
    except Exception:
        raise Wrong(f"your function must return one tensor or number; it returns `{text_of(value)}`.") from None
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise Wrong(f"your function must return real numbers; it returns {tensor.dtype}.")
    return tensor


def _number(got: Tensor, due: Tensor) -> Tensor:
    """What came; where a number is due and one came in a shape of (1,), that number."""
    return got.reshape(()) if due.ndim == 0 and got.shape == (1,) else got


def _attempt(function: Callable, *inputs: Any) -> Any:
    """What a function of ours returns, a pair of tensors or one in float64; None where it raises."""
    try:
        value = function(*inputs)
        return value if isinstance(value, tuple) else _tensor(value).double()
    except Exception:
        return None


def _same(a: Any, b: Any) -> bool:
    """Equal to 1e-4; the shapes come first, so that nothing huge is converted."""
    if a is None or b is None or a.shape != b.shape:
        return False
    a, b = (x.detach().cpu().double() for x in (a, b))
    return a.allclose(b, rtol=1e-4, atol=1e-4, equal_nan=True)


def _difference(names: Sequence[str], cases: list, got: list, due: list) -> str:
    """The smallest case that fails: what went in, what came and what is due."""
    failing = [i for i, pair in enumerate(zip(got, due, strict=True)) if not _same(*pair)]
    some = f"right in {len(cases) - len(failing)} of {len(cases)} cases; " * (len(failing) < len(cases))
    i = min(failing, key=lambda i: sum(x.numel() for x in cases[i] if hasattr(x, "numel")))
    if got[i].shape != due[i].shape:
        axis = "an axis is left over, `keepdim`?" if got[i].ndim > due[i].ndim else "an axis is lost, `squeeze`?"
        why = f" ({axis})" if got[i].numel() == due[i].numel() else ""
        came, right = f"shape {tuple(got[i].shape)}", f"{tuple(due[i].shape)} is due{why}"
    else:
        wrong = ~got[i].double().isclose(due[i].double(), rtol=1e-4, atol=1e-4, equal_nan=True).flatten()
        at = max(0, min(int(wrong.int().argmax()) - 1, wrong.numel() - 4))
        came, right = ("… " * (at > 0) + told(x.flatten()[at : at + 4]) + " …" * (x.numel() > at + 4)
                       for x in (got[i], due[i]))  # fmt: skip
        right += " is due"
    inputs = ", ".join(f"{name} = {told(x)}" for name, x in zip(names, cases[i], strict=True))
    return f"{some}for {inputs}, it returns {came} where {right}."
