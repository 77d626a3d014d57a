"""Right and wrong answers of chapter 10, for tests/test_check.py."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def attend(q, k, v, scale=None, mask="past", dim=-1, values=None):
    scores = q @ k.transpose(-2, -1) / (math.sqrt(q.shape[-1]) if scale is None else scale(q))
    ones = torch.ones(scores.shape[-2:])
    keep = {"past": ones.tril(), "future": ones.triu(), "strict": ones.tril(-1), "none": ones}[mask]
    weights = scores.masked_fill(keep == 0, -math.inf).softmax(dim)
    return weights @ (v if values is None else values)


def attend_additive(q, k, v):
    T = q.shape[1]
    return (q @ k.mT * q.shape[-1] ** -0.5 + torch.full((T, T), -math.inf).triu(1)).softmax(-1) @ v


def attend_loop(q, k, v):
    rows = []
    for t in range(q.shape[1]):
        scores = (q[:, t : t + 1] * k[:, : t + 1]).sum(-1) / math.sqrt(q.shape[-1])
        rows.append((scores.softmax(-1)[:, :, None] * v[:, : t + 1]).sum(1))
    return torch.stack(rows, 1)


def attend_large(q, k, v):  # -1e9 in place of minus infinity: the weight is 0 in floating point
    past = torch.ones(q.shape[1], q.shape[1]).tril()
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(past == 0, -1e9).softmax(-1) @ v


def attend_soft(q, k, v):
    past = torch.ones(q.shape[1], q.shape[1]).tril()
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(past == 0, -16.0).softmax(-1) @ v


def attend_in_place(q, k, v):
    q /= math.sqrt(q.shape[-1])
    return attend(q, k, v, scale=lambda q: 1)


def rotate(x, places, base=10_000.0, exponent=None, sign=1, pairs="halves", woven=False, kind="turn"):
    d = x.shape[1]
    omega = base ** ((-2 * torch.arange(d // 2) / d) if exponent is None else exponent(torch.arange(d // 2), d))
    angle = sign * places[:, None] * omega
    c, s = angle.cos(), angle.sin()
    a, b = x.chunk(2, 1) if pairs == "halves" else (x[:, ::2], x[:, 1::2])
    parts = {"turn": (a * c - b * s, a * s + b * c), "swapped": (a * s - b * c, a * c + b * s),
             "no minus": (a * c + b * s, a * s + b * c), "other minus": (a * c - b * s, b * c - a * s),
             "scaled": (a * c, b * s)}[kind]  # fmt: skip
    return torch.stack(parts, 2).flatten(1) if woven else torch.cat(parts, 1)


def rotate_complex(x, places):
    d = x.shape[1]
    z = torch.complex(x[:, : d // 2], x[:, d // 2 :])
    angle = places[:, None] * 10_000 ** (-torch.arange(0, d, 2) / d)
    z = z * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([z.real, z.imag], 1)


def rotate_half(x, places):  # in the manner of many libraries
    d = x.shape[1]
    angle = torch.outer(places, 1 / 10_000 ** (torch.arange(0, d, 2) / d)).repeat(1, 2)
    return x * angle.cos() + torch.cat([-x[:, d // 2 :], x[:, : d // 2]], 1) * angle.sin()


def rotate_in_turn(x, places):  # b is made of the new a
    d = x.shape[1]
    angle = places[:, None] * 10_000 ** (-torch.arange(0, d, 2) / d)
    a, b = x[:, : d // 2].clone(), x[:, d // 2 :].clone()
    a = a * angle.cos() - b * angle.sin()
    b = a * angle.sin() + b * angle.cos()
    return torch.cat([a, b], 1)


def rotate_interleaved(x, places):
    d = x.shape[1]
    angle = torch.outer(places, 1 / 10_000 ** (torch.arange(0, d, 2) / d)).repeat_interleave(2, dim=1)
    return x * angle.cos() + torch.cat([-x[:, d // 2 :], x[:, : d // 2]], 1) * angle.sin()


def rotate_numpy(x, places):
    x, places, d = np.asarray(x), np.asarray(places), x.shape[1]
    angle = places[:, None] * 10_000.0 ** (-np.arange(0, d, 2) / d)
    a, b = x[:, : d // 2], x[:, d // 2 :]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], 1)


RIGHT = {
    "10.1": [
        {"plain": "Same", "causal": " same ", "rotary": "OTHER."},
        {"rotary": "other", "causal": "same", "plain": "same.", "why": "sums"},
        {"plain": "same\n", "causal": "'SAME'", "rotary": "\tother"},
        {"plain": "“same”", "causal": "same", "rotary": "Other!"},
    ],
    "10.2": [
        (math.exp(2) * 10 + 40) / (math.exp(2) + 1),
        13.576,
        13.58,
        "13.58",
        np.float32(13.576),
        torch.tensor([13.576]),
        "13.576",
        "≈13.58",
        float(torch.tensor([2.0, 0]).softmax(0) @ torch.tensor([10.0, 40])),
    ],
    "10.3": [
        attend,
        attend_additive,
        attend_loop,
        attend_large,
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: attend(q.double(), k.double(), v.double()),
        lambda q, k, v: torch.stack([attend(*(x[i : i + 1] for x in (q, k, v)))[0] for i in range(len(q))]),
        lambda q, k, v: (lambda w: (w / w.sum(-1, keepdim=True)) @ v)((q @ k.mT / q.shape[-1] ** 0.5).exp().tril()),
        lambda q, k, v: F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None], is_causal=True)[:, 0],
        lambda q, k, v: torch.einsum(
            "bts,bsd->btd",
            (
                torch.einsum("btd,bsd->bts", q, k) * q.shape[-1] ** -0.5
                - 1e9 * torch.ones(q.shape[1], q.shape[1]).triu(1)
            ).softmax(-1),
            v,
        ),
    ],
    "10.4": [
        rotate,
        rotate_complex,
        rotate_half,
        rotate_numpy,
        lambda x, p: torch.stack([rotate(row[None], place[None])[0] for row, place in zip(x, p, strict=True)]),
        lambda x, p: (
            torch.cat(
                [
                    torch.stack(
                        [
                            torch.tensor([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])
                            @ x[i, [j, j + x.shape[1] // 2]]
                            for i in range(len(x))
                            for t in [float(p[i]) * 10_000 ** (-2 * j / x.shape[1])]
                        ]
                    ).T[:, None]
                    for j in range(x.shape[1] // 2)
                ],
                1,
            )
            .flatten(0, 1)
            .T
        ),
        lambda x, p: rotate(x.double(), p.double()),
    ],
}

WRONG = {
    "10.1": [
        ({"plain": "other", "causal": "other", "rotary": "other"}, "does not care.*hides nothing"),
        ({"plain": "same", "causal": "other", "rotary": "same"}, "hides nothing.*changed theirs"),
        ({"plain": "other", "causal": "same", "rotary": "same"}, "does not care.*changed theirs"),
        ({"plain": "same", "causal": "different", "rotary": "other"}, 'must be "same" or "other"'),
        ({"plain": True, "causal": True, "rotary": False}, 'must be "same" or "other"'),
        ({"plain": "same", "causal": "same"}, "must be a dict"),
        (["same", "same", "other"], "must be a dict"),
    ],
    "10.2": [
        (10.54, "root of the key"),
        (18.07, "root of the key"),
        (36.42, "swapped"),
        (25, "plain mean"),
        (16, "base 2"),
        (50, "do not sum to 1"),
        (60, "never above 40"),
        (10 * math.e + 40, "do not sum to 1"),
        (10 / (1 + math.exp(-2)) + 40 / 2, "do not sum to 1"),
        (21.33, "a cosine"),
        (5.27, "before the softmax"),
        (31.93, "swapped"),
        (13.6, "two decimals"),
        (10, "both keys have a weight"),
        (30, "smaller than 30"),
        ("thirteen", "must be one number"),
        (math.nan, "finite"),
        (0.88, "weight of one value"),
        (8.81, "that value times its weight"),
        (40, "a score times a value, or one key's"),
    ],
    "10.3": [
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v), "every token sees the future"),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: 8), "another number"),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: 1, mask="future"), "the wrong way round"),
        (lambda q, k, v: attend(q, k, v, mask="strict", dim=-2), "nothing but minus infinity"),
        (lambda q, k, v: attend(q, k, v, dim=0), "each query's weights over the keys sum to 1"),
        (lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).exp().tril() @ v, "or is missing"),
        (
            lambda q, k, v: F.scaled_dot_product_attention(q, k, v, torch.ones(q.shape[1], q.shape[1]).tril()),
            "or only smaller, still has weight",
        ),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: 1), "the scores are divided by the root of d, the"),
        (lambda q, k, v: attend(q, k, v).sum(1), "it returns"),
        (lambda q, k, v: attend(q, k, v) + v, "it returns"),
        (
            lambda q, k, v: attend(q, k, v, mask="none").cumsum(1) / torch.arange(1, q.shape[1] + 1)[:, None],
            "it returns",
        ),
        (attend_in_place, "in place"),
        (attend_soft, "the future still leaks, a little"),
        (lambda q, k, v: (q @ k.mT).softmax(-1) @ v, "sees the future.*as printed"),
        (
            lambda q, k, v: (
                (q @ k.mT / q.shape[-1] ** 0.5 + torch.ones(q.shape[1], q.shape[1]).triu(1) * -math.inf).softmax(-1) @ v
            ),
            "0 times infinity",
        ),
        (lambda q, k, v: (1 - torch.ones(q.shape[1], q.shape[1]).tril()) * -math.inf @ v, "0 times infinity"),
        (lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).tril() @ v, "or is missing"),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: 1) / math.sqrt(q.shape[-1]), "nor after the softmax"),
        (lambda q, k, v: attend(q, k, v, values=q), "each other's part"),
        (lambda q, k, v: attend(q, k, v, mask="strict").nan_to_num(), "off by one"),
        (lambda q, k, v: torch.stack([v[:, : t + 1].mean(1) for t in range(v.shape[1])], 1), "`q` changes nothing"),
        (lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).tril().softmax(-1) @ v, "the mask does not work"),
        (lambda q, k, v: (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).tril() @ v, "the mask does not work"),
        (lambda q, k, v: attend(F.normalize(q, dim=-1), F.normalize(k, dim=-1), v), "it returns"),
        (lambda q, k, v: F.scaled_dot_product_attention(q[0], k[0], v[0], is_causal=True), "squeeze"),
        (lambda q, k, v: attend(q, k, v, scale=lambda q: q.shape[-1]), "the scores are divided by the root of d, the"),
    ],
    "10.4": [
        (lambda x, p: rotate(x, p)[:, ::2], "it returns"),
        (lambda x, p: rotate(x, p.half().float()), "it returns"),
        (lambda x, p: rotate(x, p % 512), "it returns"),
        (lambda x, p: rotate(x, p, base=100.0), "the speeds are wrong"),
        (lambda x, p: rotate(x, p, exponent=lambda i, d: -2 * i / (d / 2)), "the speeds are wrong"),
        (lambda x, p: rotate(x, torch.zeros_like(p)), "nothing is turned, or in the other direction"),
        (lambda x, p: rotate(x, p / len(p)), "or divided"),
        (lambda x, p: rotate(x, p.long()), "as whole numbers"),
        (lambda x, p: x + rotate(x, p), "nothing is added"),
        (lambda x, p: rotate(x, p.flip(0)), "in another order"),
        (rotate_in_turn, "the old a and b"),
        (lambda x, p: rotate(x[p.argsort()], p.sort().values), "in another order"),
        (lambda x, p: rotate(x, p, exponent=lambda i, d: -2 * i // d), "the speeds are wrong"),
        (rotate_interleaved, "do not take or weave"),
        (lambda x, p: rotate(x, p, base=math.e), "the speeds are wrong"),
        (lambda x, p: rotate(x, p, exponent=lambda i, d: -2 * (d / 2 - 1 - i) / d), "the speeds are wrong"),
        (lambda x, p: rotate(x, p.cummax(0).values), "it returns"),
        (lambda x, p: rotate_half(x, p) * 2, "twice"),
        (lambda x, p: rotate(x, p.clamp(max=9)), "it returns"),
        (lambda x, p: rotate(x, p.round().clamp(min=1)), "it returns"),
        (lambda x, p: x.mul_(2) / 2, "in place"),
        (lambda x, p: rotate(x, p[:, None]), "keepdim"),
        (lambda x, p: rotate(x, p, pairs="odd"), r"feature i is paired with feature i \+ d/2, and"),
    ],
}
