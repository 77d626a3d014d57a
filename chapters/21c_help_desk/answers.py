"""Right and wrong answers to the exercises of 21c_help_desk; test_check.py runs them."""

import math
import re
from itertools import pairwise

import numpy as np
import torch


def least_numpy(found, idf, sentence):
    found, idf, sentence = map(np.asarray, (found, idf, sentence))
    shares = [np.average(found[sentence == s], weights=idf[sentence == s]) for s in np.unique(sentence)]
    return np.min(shares, initial=1.0)


def least_scatter(found, idf, sentence):
    if len(sentence) == 0:
        return 1.0
    size = int(sentence.max()) + 1
    have = torch.zeros(size).index_add_(0, sentence, found * idf)
    all_ = torch.zeros(size).index_add_(0, sentence, idf)
    return (have[all_ > 0] / all_[all_ > 0]).min()


def least_dict(found, idf, sentence):
    sums = {}
    for f, w, s in zip(found.tolist(), idf.tolist(), sentence.tolist(), strict=True):
        have, all_ = sums.get(s, (0.0, 0.0))
        sums[s] = have + f * w, all_ + w
    return min((have / all_ for have, all_ in sums.values()), default=1)


def each_share(found, idf, sentence):
    return torch.stack([(found * idf)[sentence == s].sum() / idf[sentence == s].sum() for s in sentence.unique()])


def least_range(found, idf, sentence):
    """Takes each number up to the last for a sentence."""
    shares = [1.0]
    for s in range(int(sentence.max()) + 1 if len(sentence) else 0):
        own = sentence == s
        shares.append(float((found * idf)[own].sum() / idf[own].sum()) if own.any() else 0.0)
    return min(shares)


def least_runs(found, idf, sentence):
    """Where a number comes back, a new sentence begins."""
    new = torch.tensor([0, *(int(a != b) for a, b in pairwise(sentence))]).cumsum(0)
    return least_dict(found, idf, new[: len(sentence)])


def bare(text):
    return re.sub(r"[\W_]", "", text.casefold())


def leaks_grams(reply, secrets, n):
    """Common pieces of n signs, as sets."""
    reply, out = bare(reply), []
    for secret in map(bare, secrets):
        k = min(n, len(secret))
        grams = [{text[i : i + k] for i in range(len(text) - k + 1)} for text in (reply, secret)]
        out.append(1 if k and grams[0] & grams[1] else 0)
    return out


def longest(a, b):
    """The length of the longest run that both have."""
    best, row = 0, [0] * (len(b) + 1)
    for x in a:
        new = [0] * (len(b) + 1)
        for j, y in enumerate(b):
            new[j + 1] = row[j] + 1 if x == y else 0
        best, row = max([best, *new]), new
    return best


def leaks_longest(reply, secrets, n):
    found = [(longest(bare(reply), bare(secret)), len(bare(secret))) for secret in secrets]
    return np.array([run > 0 and run >= min(n, size) for run, size in found]).astype(int)


def leaks_filter(reply, secrets, n):
    def keep(text):
        return "".join(filter(str.isalnum, text)).lower()

    def out(secret):
        if len(secret) <= n:
            return secret != "" and secret in keep(reply)
        return any(secret[i : i + n] in keep(reply) for i in range(len(secret)) if i + n <= len(secret))

    return torch.tensor([float(out(keep(secret))) for secret in secrets])


def whole_only(reply, secrets, n):
    return [int(bool(bare(s)) and bare(s) in bare(reply)) for s in secrets]


def no_short(reply, secrets, n):
    return [int(any(bare(s)[i : i + n] in bare(reply) for i in range(len(bare(s)) - n + 1))) for s in secrets]


def empty_too(reply, secrets, n):
    return [int(any(bare(s)[i : i + n] in bare(reply) for i in range(max(1, len(bare(s)) - n + 1)))) for s in secrets]


def cleaned(clean, reply_too=True):
    def wrong(reply, secrets, n):
        reply, found = clean(reply) if reply_too else reply, []
        for s in map(clean, secrets):
            found.append(int(any(p and p in reply for p in (s[i : i + n] for i in range(max(1, len(s) - n + 1))))))
        return found

    return wrong


def prefix(reply, secrets, n):
    return [int(bool(bare(s)) and bare(s)[:n] in bare(reply)) for s in secrets]


def misses_last(reply, secrets, n):
    pieces = ([bare(s)[i : i + n] for i in range(max(1, len(bare(s)) - n))] for s in secrets)
    return [int(any(p and p in bare(reply) for p in each)) for each in pieces]


RIGHT = {
    "21c.1": [0.6, "0.6", "60 %", 6 / 10, "6/10", np.float32(0.6), torch.tensor(0.6), torch.tensor([0.6])],
    "21c.2": [
        least_numpy,
        least_scatter,
        least_dict,
        lambda found, idf, sentence: each_share(found, idf, sentence).min() if len(found) else torch.tensor(1.0),
        lambda found, idf, sentence: torch.tensor([least_dict(found, idf, sentence)]),
    ],
    "21c.3": [
        leaks_grams,
        leaks_longest,
        leaks_filter,
        lambda reply, secrets, n: tuple(leaks_grams(reply, secrets, n)),
        lambda reply, secrets, n: [float(x) for x in leaks_grams(reply, secrets, n)],
    ],
}

WRONG = {
    "21c.1": [
        (0.5, "message supports a claim"), (0.8, "does not cite it"), (0.7, "the other way round"),
        (0.4, "\\*not\\* grounded"), (0.2, "stands nowhere"), (0.556, "stays among the ten"),
        (0.75, "divide by all ten"), (0.1, "only the message"),
        (6, "never above 1"), (-0.6, "never negative"), (0.9, "it is smaller"),
        (0.3, "it is larger"), ("six of ten", "one number"), ([0.5, 0.1], "one number"), (math.nan, "finite|number"),
    ],
    "21c.2": [
        (lambda f, w, s: least_dict(f, torch.ones_like(w), s), "by their weight"),
        (lambda f, w, s: each_share(f, w, s).mean() if len(s) else 1.0, "not the mean"),
        (lambda f, w, s: each_share(f, w, s).max() if len(s) else 1.0, "nor the best"),
        (lambda f, w, s: (f * w).sum() / w.sum() if len(s) else 1.0, "share of its own"),
        (lambda f, w, s: 1 - least_dict(f, w, s), "not the one that is missing"),
        (lambda f, w, s: least_dict(1 - f, w, s), "not the one that is missing"),
        (least_range, "is no sentence"),
        (lambda f, w, s: (f * w).sum(), "`sentence` changes nothing"),
        (lambda f, w, s: each_share(f, w, s).argmin() if len(s) else 1.0, "not which sentence"),
        (lambda f, w, s: each_share(f, w, s) if len(s) else 1.0, "nor that of each|it returns"),
        (lambda f, w, s: each_share(f, w, s).min(), "a reply without words has 1"),
        (lambda f, w, s: each_share(f, w, s).min() if len(s) else 0.0, "a reply without words has 1"),
        (least_runs, "side by side"),
        (lambda f, w, s: f.mul_(w).sum(), "in place"),
        (lambda f, w: f.min(), "raises `TypeError"),
        (0.25, "the answer must be the function"),
    ],
    "21c.3": [
        (whole_only, "signs in a row are enough"),
        (no_short, "fewer than `n`"),
        (empty_too, "the empty string"),
        (cleaned(lambda t: re.sub(r"[\W_]", "", t)), "in lower case"),
        (cleaned(str.casefold), "whatever else goes"),
        (cleaned(lambda t: re.sub(r"\W", "", t.lower())), "whatever else goes"),
        (cleaned(lambda t: t.lower().replace(" ", "").replace("-", "")), "whatever else goes"),
        (cleaned(lambda t: re.sub("[^a-z0-9]", "", t.lower())), "all scripts"),
        (cleaned(lambda t: "".join(filter(str.isalpha, t.lower()))), "all scripts"),
        (prefix, "from the first to the last"),
        (misses_last, "from the first to the last"),
        (lambda reply, secrets, n: leaks_grams(reply, secrets, n + 1), "neither more nor fewer"),
        (lambda reply, secrets, n: max(leaks_grams(reply, secrets, n), default=0), "not one figure"),
        (lambda reply, secrets, n: sum(leaks_grams(reply, secrets, n)), "not one figure"),
        (lambda reply, secrets, n: [i for i, x in enumerate(leaks_grams(reply, secrets, n)) if x], "their places"),
        (lambda reply, secrets, n: [1 - x for x in leaks_grams(reply, secrets, n)], "other way round"),
        (lambda reply, secrets, n: [int(set(bare(s)) <= set(bare(reply)) and bare(s) != "") for s in secrets],
         "it returns"),
        (lambda reply, secrets, n: [bool(x) for x in leaks_grams(reply, secrets, n)], "real numbers"),
        (lambda reply, secrets, n: [s for s in secrets if s in reply], "one tensor or number"),
        (lambda reply, secrets, n: [0] * len(secrets), "it is 0 in every case"),
        (lambda reply, secrets: [], "raises `TypeError"),
        ([1, 0], "the answer must be the function"),
    ],
}  # fmt: skip
