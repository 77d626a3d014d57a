"""Right and wrong answers of page 13b, for tests/machinery/test_check.py."""

import math
import re

import numpy as np
import torch
import torch.nn.functional as F


def spans(tags, orphan=True, split=True, end=True, ends=True):
    found, start = set(), None
    for i, tag in enumerate([*tags, "O"] if end else tags):
        if start is not None and (tag == "O" or (split and tag == "B")):
            found.add((start, i if ends else 0))
            start = None
        if start is None and (tag == "B" or (orphan and tag == "I")):
            start = i
    return found


def counts(true, predicted, **how):
    pairs = [(spans(t, **how), spans(p, **how)) for t, p in zip(true, predicted, strict=True)]
    return sum(len(t & p) for t, p in pairs), sum(len(t) for t, _ in pairs), sum(len(p) for _, p in pairs)


def f1(true, predicted, **how):
    right, due, said = counts(true, predicted, **how)
    return 2 * right / (due + said) if due + said else 0.0


def f1_from_ratios(true, predicted):
    right, due, said = counts(true, predicted)
    precision, recall = right / max(1, said), right / due
    return 2 * precision * recall / (precision + recall) if right else 0.0


def harmonic_mean(true, predicted):  # it divides by 0 where none is right
    right, due, said = counts(true, predicted)
    return 2 / (due / right + said / right)


def mean_of_sentences(true, predicted):
    return np.mean([f1([t], [p]) for t, p in zip(true, predicted, strict=True)])


def by_tags(true, predicted):
    from sklearn.metrics import f1_score

    return f1_score(sum(true, []), sum(predicted, []), average="macro")


def contained(true, predicted):
    """An entity is right where it lies in a true one."""
    right = sum(any(a <= c and d <= b for a, b in spans(t)) for t, p in zip(true, predicted, strict=True)
                for c, d in spans(p))  # fmt: skip
    return 2 * right / sum(counts(true, predicted)[1:])


def cut_to_the_first(true, predicted):
    n = len(true[0])
    return f1([row[:n] for row in true], [row[:n] for row in predicted])


def cleared(true, predicted):
    value = f1(true, predicted)
    true.clear()
    return value


def found(rows):
    out = set()
    for n, row in enumerate(rows):
        text = "".join(row)
        out |= {(n, m.start(), m.end()) for m in re.finditer("BI*|(?<![BI])I+", text)}
    return out


def attention(x, h, W_q, W_k, W_v):
    return F.scaled_dot_product_attention((x @ W_q)[None], (h @ W_k)[None], (h @ W_v)[None])[0]


def in_loops(x, h, W_q, W_k, W_v):
    rows = []
    for one in x @ W_q:
        scores = torch.stack([one @ (token @ W_k) for token in h]) / W_q.shape[1] ** 0.5
        weights = scores.exp() / scores.exp().sum()
        rows.append(sum(w * (token @ W_v) for w, token in zip(weights, h, strict=True)))
    return torch.stack(rows)


def in_numpy(x, h, W_q, W_k, W_v):
    x, h, W_q, W_k, W_v = (np.asarray(tensor) for tensor in (x, h, W_q, W_k, W_v))
    e = np.exp(x @ W_q @ (h @ W_k).T / np.sqrt(W_k.shape[1]))
    return e / e.sum(1, keepdims=True) @ h @ W_v


RIGHT = {
    "13b.1": [
        {"10 and 0": "Yes", "110 and 100": " no "},
        {"110 and 100": "NO.", "10 and 0": "yes.", "why": "coins"},
        {"10 and 0": "\nyes", "110 and 100": "'no'"},
    ],
    "13b.2": [
        2 * (1 + 12 + 66) / 4096,
        0.0386,
        "0.039",
        "0.03857",
        np.float32(0.038574),
        torch.tensor(0.0385742),
        2 * sum(math.comb(12, k) for k in (0, 1, 2)) / 2**12,
    ],
    "13b.3": [
        attention,
        in_loops,
        in_numpy,
        lambda x, h, W_q, W_k, W_v: (x @ W_q @ W_k.T @ h.T / W_q.shape[-1] ** 0.5).softmax(-1) @ (h @ W_v),
        lambda x, h, W_q, W_k, W_v: torch.einsum(
            "ts,sd->td", torch.softmax(torch.einsum("td,sd->ts", x @ W_q, h @ W_k) / math.sqrt(W_k.size(1)), 1), h @ W_v
        ),
    ],
    "13b.4": [
        f1,
        f1_from_ratios,
        lambda t, p: round(f1(t, p), 4),
        lambda t, p: np.float64(f1(t, p)),
        lambda t, p: torch.tensor(f1(t, p)),
        lambda t, p: 2 * len((a := found(t)) & (b := found(p))) / (len(a) + len(b)),
        lambda t, p: np.array(f1(t, p)),
        lambda t, p: f1(*([list(row) for row in rows] for rows in (t, p))),
    ],
}

WRONG = {
    "13b.1": [
        ({"10 and 0": "no", "110 and 100": "no"}, "once in about 500 times"),
        ({"10 and 0": "yes", "110 and 100": "yes"}, "nothing unusual"),
        ({"10 and 0": "no", "110 and 100": "yes"}, "wrong way round"),
        ({"10 and 0": "maybe", "110 and 100": "no"}, 'must be "yes" or "no"'),
        ({"10 and 0": True, "110 and 100": False}, 'must be "yes" or "no"'),
        (["yes", "no"], "must be a dict"),
        ({"10 and 0": "yes"}, "must be a dict"),
    ],
    "13b.2": [
        (79 / 4096, "one side"),
        (66 / 4096, "exactly 2"),
        (2 * 13 / 4096, "2 itself belongs"),
        (2 * 78 / 4096, "begins at k = 0"),
        (2 * 56 / 1024, "12 questions on which"),
        (0.0209, "chi-squared"),
        (5.333, "the statistic"),
        (0.5, "larger|smaller"),
        (-0.04, "never negative"),
        (3.86, "never above 1"),
        (0.04, "rounded too far"),
        (2 / 4096, "2 itself belongs"),
        ("small", "must be one number"),
        (math.nan, "finite"),
    ],
    "13b.3": [
        (lambda x, h, W_q, W_k, W_v: attention(x, x, W_q, W_k, W_v), "this is self-attention"),
        (lambda x, h, W_q, W_k, W_v: attention(x, torch.cat([x, h]), W_q, W_k, W_v), "or the texts are joined"),
        (lambda x, h, W_q, W_k, W_v: attention(h, x, W_q, W_k, W_v), "the two texts are swapped"),
        (lambda x, h, W_q, W_k, W_v: (x @ W_q @ (h @ W_k).T).softmax(1) @ (h @ W_v), "root of d"),
        (lambda x, h, W_q, W_k, W_v: x @ W_q @ (h @ W_k).T / W_q.shape[1] ** 0.5 @ (h @ W_v), "the scores is missing"),
        (lambda x, h, W_q, W_k, W_v: attention(x, h, W_q, W_k, W_v).T, "transposed"),
        (lambda x, h, W_q, W_k, W_v: attention(x, h, W_k, W_q, W_v), "here the two are swapped"),
        (lambda x, h, W_q, W_k, W_v: attention(x, h, W_q, W_q, W_v), "one takes the other's place"),
        (lambda x, h, W_q, W_k, W_v: (h @ W_v)[(x @ W_q @ (h @ W_k).T).argmax(1)], "something else stands for it"),
        (lambda x, h, W_q, W_k, W_v: (h @ W_v).mean(0).expand(len(x), -1), "something else stands for it"),
        (lambda x, h, W_q, W_k, W_v: attention(x, h, 2 * W_q, W_k, W_v), "it returns"),
        (lambda x, h, W_q, W_k, W_v: attention(x, h, W_q, W_k, W_k), "a matrix is missing or is another's"),
        (lambda x, h, W_q, W_k, W_v: attention(x, h.flip(0) * 0.5, W_q, W_k, W_v), "it returns"),
        (lambda x, h, W_q, W_k, W_v: attention(x, h, W_q, W_k, W_v) + x.mean(), "it returns"),
        (3, "the answer must be the function"),
        (lambda x, h, Q, K, V: (h @ Q @ (x @ K).T).softmax(1) @ (x @ V), "the two texts are swapped"),
        (lambda x, h, Q, K, V: (x @ Q @ (h @ K).T / len(Q)).softmax(1) @ (h @ V), "or by something else"),
        (
            lambda x, h, Q, K, V: torch.nn.functional.scaled_dot_product_attention(x @ Q, h @ K, h @ V, is_causal=True),
            "a causal mask",
        ),
    ],
    "13b.4": [
        (cleared, "your function changes its argument `true` in"),
        (cut_to_the_first, "it returns"),
        (lambda t, p: [[f1(t, p)]], "keepdim"),
        (0.5, "the answer must be the function"),
        (lambda t, p: 100 * f1(t, p), "per cent"),
        (lambda t, p: 1 - f1(t, p), "one minus"),
        (lambda t, p: f1(t, p) / 2, r"the F1 is 2 n_right / \(n_said \+ n_due\)"),
        (lambda t, p: counts(t, p)[0], "it returns"),
        (lambda t, p: (counts(t, p)[0] / counts(t, p)[1] + counts(t, p)[0] / counts(t, p)[2]) / 2, "other ratio"),
        (lambda t, p: np.mean([a == b for a, b in zip(t, p, strict=True)]), "has its own score"),
        (by_tags, "this counts words"),
        (lambda t, p: f1([row[:-1] for row in t], [row[:-1] for row in p]), "and is not lost there"),
        (lambda t, p: f1(t, p, orphan=False, end=False), "and is not lost there"),
        (contained, "both its ends are"),
        (lambda t, p: f1(t[:1], p[:1]), "it returns"),
        (lambda t, p: f1(t, p, end=False), "and is not lost there"),
        (mean_of_sentences, "each sentence has its own score and these are"),
        (
            lambda t, p: 2 / (1 / (counts(t, p)[0] / counts(t, p)[1]) + counts(t, p)[2] / counts(t, p)[0]),
            "right where an entity is",
        ),
        (lambda t, p: np.sqrt(counts(t, p)[0] / counts(t, p)[1] * counts(t, p)[0] / counts(t, p)[2]), "other ratio"),
    ],
}
