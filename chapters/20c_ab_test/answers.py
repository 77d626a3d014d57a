"""Right and wrong answers to the exercises of 20c_ab_test; test_check.py runs them."""

import itertools
import math

import numpy as np
import torch


def valid_loop(log_ratio):
    p, seen = 1.0, []
    for x in log_ratio.tolist():
        p = min(p, math.exp(-x))
        seen.append(p)
    return seen


def valid_max(log_ratio):
    """1 over the largest Λ so far, and 1."""
    return 1 / torch.cummax(log_ratio, 0).values.exp().clamp(min=1)


def valid_numpy(log_ratio):
    return np.minimum.accumulate(np.minimum(1, np.exp(-np.asarray(log_ratio, dtype=float))))


def valid_accumulate(log_ratio):
    return torch.tensor(list(itertools.accumulate((-log_ratio).exp(), min, initial=torch.tensor(1.0)))[1:])


def stops_array(p, x, h):
    """With an array from the lowest to the highest difference."""
    reach = int(x.abs().max()) * len(h)
    at = torch.zeros(2 * reach + 1, dtype=torch.float64)
    at[reach], S, stopped = 1, torch.arange(-reach, reach + 1), 0.0
    for bound in h:
        after = torch.zeros_like(at)
        for grows, k in zip(x.tolist(), p.double(), strict=True):
            after += k * at.roll(grows)
        far = S.abs() >= bound
        stopped, at = stopped + after[far].sum(), after * ~far
    return stopped


def stops_paths(p, x, h):
    """All paths, one by one."""
    total = 0.0
    for path in itertools.product(range(len(p)), repeat=len(h)):
        sums = x[list(path)].cumsum(0)
        if (sums.abs() >= h).any():
            total += math.prod(p[k].item() for k in path)
    return total


def stops_rest(p, x, h):
    """One less what never stops."""

    def goes_on(S, t):
        if t == len(h):
            return 1.0
        after = [(S + a, b) for a, b in zip(x.tolist(), p.tolist(), strict=True) if abs(S + a) < int(h[t])]
        return sum(b * goes_on(end, t + 1) for end, b in after)

    return torch.tensor([1 - goes_on(0, 0)])


def stops_numpy(p, x, h):
    going, left, steps = {0: np.float64(1)}, [], list(zip(np.asarray(x), np.asarray(p), strict=True))
    for bound in np.asarray(h):
        grown = [(S + a, q * b) for (S, q), (a, b) in itertools.product(going.items(), steps)]
        left.append(sum(q for S, q in grown if abs(S) >= bound))
        going = {S: sum(q for other, q in grown if other == S) for S, _ in grown if abs(S) < bound}
    return sum(left)


def last_look(p, x, h):
    return stops_paths(p, x, torch.cat([0 * h[:-1] + 99, h[-1:]]))


def one_sided(p, x, h):
    total = 0.0
    for path in itertools.product(range(len(p)), repeat=len(h)):
        if (x[list(path)].cumsum(0) >= h).any():
            total += math.prod(p[k].item() for k in path)
    return total


def counted_again(p, x, h):
    total = 0.0
    for path in itertools.product(range(len(p)), repeat=len(h)):
        total += (x[list(path)].cumsum(0).abs() >= h).sum() * math.prod(p[k].item() for k in path)
    return total


def overwrites(p, x, h):
    going, stopped = {0: 1.0}, 0.0
    for bound in h.tolist():
        after = {}
        for S, q in going.items():
            for a, b in zip(x.tolist(), p.tolist(), strict=True):
                if abs(S + a) >= bound:
                    stopped += q * b
                else:
                    after[S + a] = q * b
        going = after
    return stopped


def simulated(p, x, h, n=400):
    path = x[torch.multinomial(p, n * len(h), replacement=True)].view(n, -1).cumsum(1)
    return (path.abs() >= h).any(1).float().mean()


N = 13_806.04

RIGHT = {
    "20c.1": [13_806, 13_806.04, "13,806", "13,807 readers", np.int64(13_806), torch.tensor(13_790.2), 2.8**2 * 1759,
              13_809.9],
    "20c.2": [
        valid_loop,
        valid_max,
        valid_numpy,
        valid_accumulate,
        lambda log_ratio: tuple(valid_loop(log_ratio)),
        lambda log_ratio: torch.stack([(-log_ratio[: t + 1].max()).exp().clamp(max=1) for t in range(len(log_ratio))]),
        lambda log_ratio: np.array(valid_loop(log_ratio), dtype=object),
    ],
    "20c.3": [
        stops_array,
        stops_paths,
        stops_rest,
        stops_numpy,
        lambda p, x, h: np.float32(stops_paths(p, x, h)),
        lambda p, x, h: stops_array(p.double(), x, h.float()),
    ],
}  # fmt: skip

WRONG = {
    "20c.1": [
        (2 * N, "both texts need together"), (10_875, "one side"), (6_757, "power is left out"),
        (6_154, "one text's variance"), (7_653, "one text's variance"), (69.03, "squared in the denominator"),
        (4_928, "sum of the two z is squared"), (18_482, "power of 90 %"), (5.52, "relative lift"),
        (17_940, "it is smaller than"), (1_000, "it is larger than"), (-5, "never negative"),
        ("many", "one number"), ([13_806, 13_806], "one number"), (math.inf, "finite"), (13_700, "it is larger"),
    ],
    "20c.2": [
        (lambda x: (-x).exp(), "may not rise"),
        (lambda x: (-x).exp().clamp(max=1), "may not rise"),
        (lambda x: torch.cummin((-x).exp(), 0).values, "never above"),
        (lambda x: torch.cummin(x.exp().clamp(max=1), 0).values, "sign is turned before"),
        (lambda x: torch.cummax((-x).exp().clamp(max=1), 0).values, "largest 1/Λ"),
        (lambda x: 0 * x + min(1, float((-x.max()).exp())), "knows the looks before"),
        (lambda x: min(1, float((-x.max()).exp())), "the last one alone"),
        (lambda x: [1.0, *valid_loop(x)], "besides"),
        (lambda x: (-x.cumsum(0)).exp().clamp(max=1), "no sum or product"),
        (lambda x: np.log(valid_loop(x)), "logarithm of what is due"),
        (lambda x: torch.cummax(x, 0).values, "logarithm is not undone"),
        (lambda x: [float(p <= 0.05) for p in valid_loop(x)], "it returns|rounded"),
        (lambda x: [p <= 0.05 for p in valid_loop(x)], "real numbers"),
        (lambda x: x.neg_().exp_().clamp_(max=1), "in place"),
        (lambda x: 1 - np.array(valid_loop(x)), "one minus"),
        (lambda x: [[p] for p in valid_loop(x)], "shape"),
        (lambda: 1, "raises `TypeError"),
        (torch.zeros(3), "the answer must be the function"),
    ],
    "20c.3": [
        (one_sided, "one direction alone"),
        (lambda p, x, h: one_sided(p, -x, h), "one direction alone"),
        (last_look, "last look alone"),
        (counted_again, "stops again"),
        (lambda p, x, h: stops_paths(p, x, h + 1), "exactly h"),
        (lambda p, x, h: stops_paths(p, x, h[0].repeat(len(h))), "a bound of its own"),
        (lambda p, x, h: stops_paths(p, x, h[:-1]), "a bound of its own"),
        (lambda p, x, h: 1 - math.prod(1 - float(p[x.abs() >= bound].sum()) for bound in h), "sum of all growths"),
        (overwrites, "replaces the other"),
        (lambda p, x, h: 1 - stops_paths(p, x, h), "one minus"),
        (lambda p, x, h: 100 * stops_paths(p, x, h), "per cent"),
        (lambda p, x, h: stops_paths(torch.ones(len(p)) / len(p), x, h), "`p` changes nothing"),
        (simulated, "other values when called again|it returns"),
        (lambda p, x, h: torch.ones(len(h)) * stops_paths(p, x, h), "repeated along"),
        (lambda p, x, h: 0.05, "it returns|changes nothing"),
        (lambda p, x, h: p.cumsum_(0)[-1], "in place"),
        (lambda p, x: 0.5, "raises `TypeError"),
        (0.248, "the answer must be the function"),
    ],
}  # fmt: skip
