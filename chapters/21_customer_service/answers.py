"""Right and wrong answers to the exercises of 21_customer_service; test_check.py runs them."""

import math
from fractions import Fraction

import numpy as np
import torch


def fused_loop(ranks, weights):
    fused = [0.0] * len(ranks[0])
    for row, weight in zip(ranks.tolist(), weights.tolist(), strict=True):
        for n, rank in enumerate(row):
            fused[n] += weight / (60 + rank)
    return fused


def fused_matrix(ranks, weights):
    return weights @ (60.0 + ranks).reciprocal()


def fused_einsum(ranks, weights):
    return torch.einsum("l,ln->n", weights.double(), 1 / (60 + ranks.double()))


def fused_numpy(ranks, weights):
    return np.average(1 / (60 + np.asarray(ranks)), axis=0, weights=np.asarray(weights)) * np.asarray(weights).sum()


def fused_only_numpy(ranks, weights):
    """NumPy's methods, which tensors have not."""
    return (weights[:, np.newaxis] / (60 + ranks.astype(np.float64))).sum(axis=0)


def fused_transposed(ranks, weights):
    return (weights / (60 + ranks).T).sum(1)


def hit_rows(scores, right, k):
    """Row by row, with sorted."""
    found = []
    for row, good in zip(scores.tolist(), right.tolist(), strict=True):
        best = sorted(range(len(row)), key=lambda n: row[n], reverse=True)[:k]
        found.append(any(good[n] for n in best))
    return found


def recall_loop(scores, right, k):
    return sum(hit_rows(scores, right, k)) / len(scores)


def recall_places(scores, right, k):
    """The best right article's place, from the articles above it."""
    best = scores.masked_fill(~right, -math.inf).max(1, keepdim=True).values
    return ((scores > best).sum(1) < k).double().mean()


def recall_twice_sorted(scores, right, k):
    places = scores.argsort(1, descending=True).argsort(1) + 1
    return (right & (places <= k)).any(1).float().mean().item()


def recall_threshold(scores, right, k):
    least = scores.sort(1, descending=True).values[:, k - 1 : k]
    return ((scores >= least) & right).any(1).sum() / len(scores)


def recall_numpy(scores, right, k):
    order = np.argsort(-np.asarray(scores), axis=1)[:, :k]
    return np.take_along_axis(np.asarray(right), order, axis=1).any(axis=1).mean()


def recall_only_numpy(scores, right, k):
    """NumPy's methods, which tensors have not."""
    order = scores.argpartition(-k, axis=1)[:, -k:]
    return np.mean([good[best].any() for good, best in zip(right, order, strict=True)])


def recall_triples(scores, right, k):
    """For each pair of articles of a row, which is above."""
    above = (scores[:, None, :] > scores[:, :, None]).sum(2)  # (B, N)
    return 1 - (above.masked_fill(~right, scores.shape[1]).amin(1) >= k).float().mean()


def recall_scattered(scores, right, k):
    chosen = torch.zeros_like(right).scatter(1, scores.topk(k, sorted=False).indices, True)
    return (chosen * right).amax(1).float().mean(0)


def order_of(ranks, weights):
    return torch.tensor(fused_loop(ranks, weights)).argsort(descending=True)


def row_of(scores, right, k, share):
    """The mean over rows of share(whether right by place, number of right ones)."""
    order = scores.argsort(1, descending=True)
    return np.mean([share([bool(g[n]) for n in o], int(g.sum())) for g, o in zip(right, order, strict=True)])


def first_right_only(scores, right, k):
    column = right.int().argmax(1)
    return (scores.argsort(1, descending=True)[:, :k] == column[:, None]).any(1).float().mean()


def rank_not_inverted(scores, right, k):
    ranks = scores.argsort(1, descending=True) + 1
    return (right & (ranks <= k)).any(1).float().mean()


def times_right(scores, right, k):
    best = (scores * right).max(1).values
    return (best >= scores.topk(k, 1).values[:, -1]).float().mean()


def in_place(scores, right, k):
    scores[~right] = -math.inf
    return 1.0


def fused_again(ranks, weights):
    """The page's `fuse`, which takes the ranks for scores."""
    places = [np.argsort(np.argsort(-np.asarray(row), kind="stable")) + 1 for row in ranks]
    return sum(weight / (60 + row) for weight, row in zip(np.asarray(weights), places, strict=True))


S = math.log(2.4) * 4.4 / 3.02
ALONE = r"^(?!.* And )[\d.]+ wrong: "  # and no second sentence

RIGHT = {
    "21.1": [1.276, 1.275517, S, "1.2755", "≈ 1.2755", np.float32(S), torch.tensor([S]), Fraction(1276, 1000),
             "answer = 1.276", 0.8755 * 1.457],
    "21.2": [
        fused_loop,
        fused_matrix,
        fused_einsum,
        fused_numpy,
        fused_only_numpy,
        fused_transposed,
        lambda ranks, weights: tuple(fused_loop(ranks, weights)),
        lambda ranks, weights: sum(w / (60 + row) for w, row in zip(weights, ranks, strict=True)),
        lambda ranks, weights: np.array(fused_loop(ranks, weights), dtype=object),
        lambda ranks, weights: torch.stack([(weights / (60 + ranks[:, n])).sum() for n in range(ranks.shape[1])]),
        lambda ranks, weights: [Fraction(x) * 1.0 for x in fused_loop(ranks, weights)],
        lambda ranks, weights: (weights.diag() @ (ranks + 60.0).pow(-1)).sum(dim=-2),
    ],
    "21.3": [
        recall_loop,
        recall_places,
        recall_twice_sorted,
        recall_threshold,
        recall_numpy,
        recall_only_numpy,
        recall_triples,
        recall_scattered,
        lambda scores, right, k: Fraction(sum(hit_rows(scores, right, k)), len(scores)),
        lambda scores, right, k: [recall_loop(scores, right, k)],
        lambda scores, right, k: np.float64(recall_loop(scores, right, k)),
        lambda scores, right, k: 1 - row_of(scores, right, k, lambda hits, n: not any(hits[:k])),
    ],
}  # fmt: skip

WRONG = {
    "21.1": [
        (1.335, "halves, as ln\\(5/2\\)"), (0.4902, "without ln, 1 \\+"), (1.9472, "1 \\+ before ln"),
        (2.792, "1 \\+ before ln"), (2.4668, "1 \\+ before ln"), (3.4967, "without ln"), (1.8252, "or halves"),
        (1.457, "another base"), (0.554, "another base"), (1.84, "another base"),
        (1.1247, "10 over 8"), (0.4055, "8 alone"), (1.5761, "over all 50"), (1.29, "mean of the others"),
        (1.2426, "the two with the word"), (1.3283, "multiplies a part, 8 is over the longest"),
        (1.5533, "sign is lost"), (2.438, "sign is lost"), (1.4162, "1 − b or a sign is lost"), (1.263, "a part"),
        (1.2268, "swapped"), (1.1923, "swapped"), (1.2038, "b is 0 or 1"), (1.3014, "b is 0 or 1"),
        (0.9535, "twice, not once"), (0.8093, "twice, not once"), (1.4373, "as in all"),
        (0.9856, "its parentheses"), (0.5798, "missing above"), (0.9954, "stands below"), (3.7765, "n is missing"),
        (0.8755, "all of it"), (1.7509, "denominator"), (0.7853, "counts documents"), ("2.02", "documents"),
        (1.2821, "rounded on the way"), (1.3, "rounded on the way"), (0.1, "it is larger"),
        (2.2, "1 \\+ before ln"), (9, "it is smaller"), (-1.01, "never negative"), ("much", "one number"),
        ([1.276, 0.0], "one number"), (math.inf, "finite"),
    ],
    "21.2": [
        (lambda ranks, weights: (1 / (60 + ranks)).sum(0), "count alike"),
        (lambda ranks, weights: (1 / (60 + ranks)).mean(0), "count alike"),
        (lambda ranks, weights: torch.ones(len(ranks)) @ (1 / (60 + ranks)) * weights.mean(), "count alike"),
        (lambda ranks, weights: fused_matrix(ranks, weights / weights.sum()), "not divided by their sum"),
        (lambda ranks, weights: (weights[:, None] / (60 + ranks)).mean(0), "number of lists"),
        (lambda ranks, weights: fused_matrix(ranks, torch.softmax(weights, 0)), "weights as they are"),
        (lambda ranks, weights: weights @ (1 / ranks), "60 is added"),
        (lambda ranks, weights: fused_loop(ranks + 1, weights), "rank 1 already"),
        (lambda ranks, weights: (weights[:, None] / (59 + ranks)).sum(0), "rank 1 already"),
        (lambda ranks, weights: (1 / (60 + weights[:, None] * ranks)).sum(0), "multiplies no rank"),
        (lambda ranks, weights: weights @ ranks.float(), "multiplies no rank"),
        (lambda ranks, weights: (1 / (weights[:, None] * (60 + ranks))).sum(0), "multiplies no rank"),
        (lambda ranks, weights: (weights[:, None] / (60 + ranks)).sum(1), "not over the articles"),
        (lambda ranks, weights: (weights[:, None] / (60 + ranks)).sum(), "added up"),
        (lambda ranks, weights: weights[:, None] / (60 + ranks), "over the lists"),
        (lambda ranks, weights: (weights / (60 + ranks)).sum(0), "raises `RuntimeError"),
        (lambda ranks, weights: (weights / (60 + ranks)).sum(0) if len(weights) == ranks.shape[1]
         else fused_matrix(ranks, weights), "it returns"),
        (order_of, "they are not sorted"),
        (lambda ranks, weights: order_of(ranks, weights).argsort() + 1, "no ranks"),
        (lambda ranks, weights: sorted(fused_loop(ranks, weights), reverse=True), "they are not sorted"),
        (lambda ranks, weights: weights.sum() / (60 + ranks.float().mean(0)), "not averaged"),
        (lambda ranks, weights: weights.sum() / (60 + weights @ ranks.float() / weights.sum()), "not averaged"),
        (lambda ranks, weights: (weights[:, None] / (60 + ranks)).prod(0), "no product"),
        (lambda ranks, weights: (weights[:, None] / (60 + ranks)).max(0).values, "maximum"),
        (lambda ranks, weights: 1 / (60 + weights @ ranks.float() / weights.sum()), f"{ALONE}each .*not averaged"),
        (lambda ranks, weights: 1 / (60 + np.average(ranks, axis=0, weights=weights)), f"{ALONE}each .*not averaged"),
        (fused_again, f"{ALONE}the ranks are given"),
        (lambda ranks, weights: fused_loop(ranks.shape[1] + 1 - ranks, weights), f"{ALONE}the ranks are given"),
        (lambda ranks, weights: fused_matrix(ranks.argsort(1) + 1, weights), f"{ALONE}the ranks are given"),
        (lambda ranks, weights: fused_matrix((-ranks).argsort(1), weights), f"{ALONE}the ranks are given"),
        (lambda ranks, weights: fused_matrix(ranks.sort(1)[0], weights), f"{ALONE}the ranks are given"),
        (lambda ranks, weights: fused_loop(ranks.roll(1, 1), weights), f"{ALONE}right in .*it returns"),
        (lambda ranks, weights: fused_matrix(ranks, weights).half(), f"{ALONE}right in .*it returns"),
        (lambda ranks, weights: (weights[:, None] / (60 - ranks)).sum(0), f"{ALONE}60 is added .* subtracted"),
        (lambda ranks, weights: [w / (60 + row) for w, row in zip(weights, ranks, strict=True)][-1],
         f"{ALONE}it is the sum over all lists"),
        (lambda ranks, weights: fused_matrix(ranks, weights) / fused_matrix(ranks, weights).sum(), f"{ALONE}.*to 1\\."),
        (lambda ranks, weights: weights[:, None].div(60 + ranks, rounding_mode="floor").sum(0), "it returns"),
        (lambda ranks, weights: weights.long() @ (1 // (60 + ranks)), "it is 0 in every case"),
        (lambda ranks, weights: -fused_matrix(ranks, weights), "sign is turned"),
        (lambda ranks, weights: 100 * fused_matrix(ranks, weights), "per cent"),
        (lambda ranks, weights: weights.div_(weights.sum()) @ (1 / (60 + ranks)), "in place"),
        (lambda ranks, weights: ranks.add_(60).reciprocal().T @ weights, "in place"),
        (lambda ranks: 1 / (60 + ranks), "raises `TypeError"),
        (lambda ranks, weights: dict(enumerate(fused_loop(ranks, weights))), "one tensor or number"),
        (torch.zeros(3), "the answer must be the function"),
    ],
    "21.3": [
        (lambda scores, right, k: recall_loop(-scores, right, k), "not the lowest"),
        (lambda scores, right, k: right.gather(1, scores.argsort(1)[:, :k]).any(1).float().mean(), "not the lowest"),
        (lambda scores, right, k: right[:, :k].any(1).float().mean(), "k columns as they stand"),
        (lambda scores, right, k: ((scores >= scores.flatten().topk(k).values[-1]) & right).any(1).float().mean(),
         "all rows together"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: sum(hits[:k]) / k), "precision"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: sum(hits[:k]) / n), "of the right ones"),
        (lambda scores, right, k: right.gather(1, scores.topk(k, 1)[1]).sum() / right.sum(), "of the right ones"),
        (lambda scores, right, k: right.gather(1, scores.topk(k, 1)[1]).sum(1).float().mean(), "articles are counted"),
        (first_right_only, "first or last right one"),
        (lambda scores, right, k: first_right_only(scores.flip(1), right.flip(1), k), "first or last right one"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: sum(hits[:k]) == n), "all right ones"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: all(hits[:k])), "all of the k"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: sum(hits[:k]) == 1), "exactly one"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: hits[k - 1]), "not place k alone"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: hits.index(True) + 1 == k), "place k alone"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: any(hits[: k + 1])), "one place more"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: any(hits[: k - 1])), "more or less"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: hits[0]), "nor 1 alone"),
        (lambda scores, right, k: sum(hit_rows(scores, right, k)), "not how many"),
        (lambda scores, right, k: torch.tensor(hit_rows(scores, right, k)).float(), "each row's own"),
        (lambda scores, right, k: sum(hit_rows(scores, right, k)) / right.sum(), "nor over articles"),
        (lambda scores, right, k: float(hit_rows(scores, right, k)[0]), f"{ALONE}the \\*share\\* .* the first"),
        (lambda scores, right, k: recall_loop(scores[:1], right[:1], k), f"{ALONE}the \\*share\\* .* the first"),
        (lambda scores, right, k: float(hit_rows(scores, right, k)[-1]), f"{ALONE}the \\*share\\* .* the last"),
        (lambda scores, right, k: float(right[0, scores[0].argmax()]), f"{ALONE}right in .*it returns"),
        (lambda scores, right, k: right[0, scores[0].topk(k)[1]].float(), f"{ALONE}.*it returns"),
        (lambda scores, right, k: hit_rows(scores, right, k)[0] / len(scores), f"{ALONE}right in .*it returns"),
        (lambda scores, right, k: torch.tensor(hit_rows(scores, right, k)), "real numbers"),
        (lambda scores, right, k: row_of(scores, right, k, lambda hits, n: 1 / (1 + hits.index(True))), "this is MRR"),
        (lambda scores, right, k: row_of(scores, right, k, lambda h, n: any(h[:k]) / (1 + h.index(True))), "is MRR"),
        (rank_not_inverted, "sort twice"),
        (times_right, "above negative scores"),
        (lambda scores, right, k: recall_loop(scores.masked_fill(~right, -99), right, k), "always 1"),
        (lambda scores, right, k: 1 - recall_loop(scores, right, k), "one minus"),
        (lambda scores, right, k: 100 * recall_loop(scores, right, k), "per cent"),
        (lambda scores, right, k: recall_loop(scores, right, 3), "it returns"),
        (lambda scores, right, k: ((scores > 0) & right).any(1).float().mean(), "it returns"),
        (lambda scores, right, k: 1.0, "always 1"),
        (in_place, "in place"),
        (lambda scores, right: 1.0, "raises `TypeError"),
        (0.85, "the answer must be the function"),
    ],
}  # fmt: skip
