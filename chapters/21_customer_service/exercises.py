"""Exercises of 21_customer_service."""

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise

tasks = rooms.shared("tasks")


@exercise(
    "21.1",
    hint="Two factors. The logarithm has N = 5 and N_w = 2, because two documents have the word. The fraction has n = 2"
    " and, for the length, 8 words over the 10 that documents have on average.",
    solution="""
from math import log

idf = log(1 + (5 - 2 + 0.5) / (2 + 0.5))  # ln 2.4
length = 1 - 0.75 + 0.75 * 8 / 10  # 1 for a document of mean length
answer_1 = idf * 2 * (1.2 + 1) / (2 + 1.2 * length)
""",
    praise="The fraction is 1.46. However often the word came, it would stay below k_1 + 1 = 2.2: whoever repeats"
    " himself gains little.",
)
def answer_1(truth):
    from math import log, log10

    ln = log(2.4)

    def score(n=2, ratio=0.8, k=1.2, b=0.75, idf=ln, above=2.2):
        return idf * n * above / (n + k * (1 - b + b * ratio))

    def over(denominator):
        return ln * 4.4 / denominator

    mistakes = {
        "the first factor is section 1's ln(1 + 3.5/2.5), 1 + inside ln: other formulas are without ln, 1 + or halves,"
        " as ln(5/2), or have 1 + before ln.": tuple(
            score(idf=idf) for idf in (
                log(1.4), log(2.5), log(3.5), log(5 / 3), log(6 / 3), log(1 + 3.5 / 2), log(1 + 3 / 2.5),
                1 + log(1.4), 1 + log(2.5), 1 + log(5 / 3), 1 + log(6 / 3), 1 + log(2.4), 1.4, 2.4, 2.5, 3.5,
            )
        ),
        "the first factor is a natural logarithm, to base e; here it has another base, 2 or 10, or is left out.":
            (score(idf=1), score(idf=log10(2.4)), score(idf=ln / log(2))),
        "the length is 8 words over the mean of all five, 10: not 10 over 8, not 8 alone, nor over all 50, over the"
        " mean of the others or of the two with the word.": (
            score(ratio=1.25), score(ratio=8), score(ratio=0.16), score(ratio=8 / 10.5), score(ratio=8 / 9),
        ),
        "below, k_1 multiplies all of 1 − b + b · 8/10: here it multiplies a part, 8 is over the longest, 12, 1 − b or"
        " a sign is lost, b is 0 or 1, or b is swapped with 1 − b or k_1.": (  # 12 for 10 and a part: both give 1.328
            score(b=0.25), score(b=0), score(b=1), score(k=0.75, b=1.2, above=1.75), over(2 + 0.3 + 0.6),
            over(2 + 1.2 * 0.4), over(2 + 1.2 * 0.6), over(2 + 1.2 - 0.75 + 0.6), over(2 + 1.2 * (0.25 - 0.6)),
            over(2 + 1.2 * (1 + 0.6)),
        ),
        "n is how often the word is in the *first* document, above and below: twice, not once, and not as often as in"
        " all documents.": (score(n=1), score(n=3), score(n=1) * 2, score() / 2,
                                 score(n=1, ratio=1.2)),
        "the fraction is n (k_1 + 1) over n + k_1 (…): here k_1 + 1, its parentheses or its 1 are missing above, or it"
        " stands below, or n is missing below, or the denominator or all of it.": (
            score(above=1), score(above=1.2), score(above=1.7), score(k=2.2), ln, 2 * ln, 4.4 * ln, over(1.02),
        ),
        "N_w counts documents: two of the five have the word, however often.": tuple(
            score(idf=log(1 + (5.5 - n) / (n + 0.5))) for n in (1, 3, 4)
        ),
        "nearly; something was rounded on the way: keep all digits up to the end.":
            (score(idf=0.88), score(idf=0.9), score(idf=0.87), ln * 1.46, 0.88 * 1.46, 0.87 * 1.46, 1.28, 1.3),
    }  # fmt: skip
    return tasks.Number(0.001, mistakes, begin="Compute the logarithm first, then the fraction, then both.", low=0)


@exercise(
    "21.2",
    hint="`1 / (60 + ranks)` is a table, one list a row. To weigh its rows, `weights` needs a second axis:"
    " `weights[:, None]`. The sum goes over the lists.",
    solution="""
def fuse_weighted(ranks, weights):
    votes = weights[:, None] / (60 + ranks)  # (L, N): what each list gives to each article
    return votes.sum(0)  # (N,)
""",
    praise="Only ranks go in, so lists whose scores have nothing in common can be fused. What the weights should be,"
    " tuning tickets can say; the frozen ones may not.",
)
def fuse_weighted(truth):
    import torch

    def inverse(ranks):
        return 1 / (60 + ranks)

    def order(r, w):
        return truth(r, w).argsort(descending=True, stable=True)

    def case(ranks, weights):
        return torch.tensor(ranks, device="cpu"), weights

    cases = [
        case([[1, 2, 3, 4], [3, 1, 4, 2], [4, 3, 1, 2]], [183.0, 61.0, 122.0]),
        case([[2, 3, 1], [3, 1, 2], [1, 3, 2]], [100.0, 20.0, 300.0]),
        case([[6, 1, 5, 2, 4, 3], [2, 5, 1, 6, 3, 4]], [250.0, 90.0]),
        case([[1, 2], [2, 1], [2, 1], [1, 2], [2, 1]], [40.0, 90.0, 80.0, 160.0, 10.0]),
        case([[3, 1, 2]], [150.0]),
        case([[1, 2, 3], [3, 2, 1]], [0.0, 200.0]),
        case([[2, 1], [1, 2]], [1.0, 3.0]),
        case([[1], [1], [1]], [61.0, 30.5, 122.0]),
        case([[1]], [305.0]),
        case([[*range(1, 41)], [*range(40, 0, -1)]], [150.0, 90.0]),  # far apart: 1 over a mean is no mean of 1 over
    ]
    mistakes = {
        "the lists count by their weights: here all count alike.": (
            lambda r, w: inverse(r).sum(0), lambda r, w: inverse(r).mean(0), lambda r, w: inverse(r).sum(0) * w.mean(),
            lambda r, w: inverse(r).sum(0) * w.sum(), lambda r, w: inverse(r).sum(0) / w.sum(),
            lambda r, w: inverse(r + 1).sum(0), lambda r, w: inverse(r - 1).sum(0), lambda r, w: (1 / r).sum(0),
        ),
        "it is the sum over all lists, not the first or last alone, of the weights as they are: it is not divided by"
        " their sum, by the number of lists or so that all sum to 1.": (
            lambda r, w: truth(r, w) / w.sum(), lambda r, w: truth(r, w) / len(w),
            lambda r, w: truth(r, w.softmax(0)), lambda r, w: truth(r, w / w.max()),
            lambda r, w: truth(r, w / w.norm()), lambda r, w: truth(r, w) / truth(r, w).sum(),
            lambda r, w: w[-1] * inverse(r[-1]), lambda r, w: w[0] * inverse(r[0]),
        ),
        "60 is added to each rank, and is not left out or put elsewhere; the best has rank 1 already, so its list gives"
        " weight/61. No rank is subtracted, and nothing else is added or taken off.": (
            lambda r, w: truth(r - 60, w), lambda r, w: (w[:, None] / r).sum(0) / 60, lambda r, w: (w @ (1 / r + 60)),
            lambda r, w: (w @ (1 / r)) + 60, lambda r, w: truth(60 * r - 60, w), lambda r, w: truth(-r, w),
            lambda r, w: truth(r + 1, w), lambda r, w: truth(r - 1, w),
        ),
        "the ranks are given: they are not ranked again, sorted or turned round; 1 is the best.": (
            lambda r, w: truth(r.shape[1] + 1 - r, w), lambda r, w: truth(r.shape[1] - r, w),
            lambda r, w: truth(r.argsort(1), w), lambda r, w: truth(r.argsort(1) + 1, w),
            lambda r, w: truth(r.argsort(1, descending=True), w),
            lambda r, w: truth(r.argsort(1, descending=True) + 1, w),
            lambda r, w: truth(r.sort(1).values, w), lambda r, w: truth(r.sort(1, descending=True).values, w),
        ),
        "the weight stands above the fraction bar and 60 + rank below: the weight multiplies no rank.": (
            lambda r, w: (1 / (60 + w[:, None] * r)).sum(0), lambda r, w: (1 / (w[:, None] * (60 + r))).sum(0),
            lambda r, w: w @ r.float(), lambda r, w: w @ (60 + r.float()), lambda r, w: (w[:, None] / 60 + r).sum(0),
            lambda r, w: (inverse(r) ** w[:, None]).sum(0), lambda r, w: (1 / (60 + r / w[:, None])).sum(0),
            lambda r, w: (1 / (w[:, None] + r)).sum(0), lambda r, w: (w[:, None] + inverse(r)).sum(0),
        ),
        "each *article* gets one number, (N,): the sum goes over the lists, axis 0, not over the articles.": (
            lambda r, w: (w[:, None] * inverse(r)).sum(1), lambda r, w: (w[:, None] * inverse(r)).mean(1),
            lambda r, w: w[:, None] * inverse(r), lambda r, w: w * inverse(r).sum(1),
        ),
        "the scores are asked for, in the order of the articles: they are not sorted, and no ranks or places.": (
            order, lambda r, w: order(r, w) + 1, lambda r, w: order(r, w).argsort(),
            lambda r, w: order(r, w).argsort() + 1, lambda r, w: order(r, w)[0], lambda r, w: order(r, w).flip(0),
            lambda r, w: truth(r, w).sort(descending=True).values, lambda r, w: truth(r, w).sort().values,
            lambda r, w: truth(r, w).max(),
        ),
        "each list gives its own fraction, and these are added: their ranks are not averaged or added first, and no"
        " product or maximum is taken.": (
            lambda r, w: w.sum() / (60 + r.float().mean(0)), lambda r, w: w.sum() / (60 + w @ r.float() / w.sum()),
            lambda r, w: w.sum() / (60 + r).sum(0), lambda r, w: w.sum() / (60 + r.sum(0)),
            lambda r, w: (w[:, None] * inverse(r)).prod(0), lambda r, w: (w[:, None] * inverse(r)).amax(0),
            lambda r, w: 1 / (60 + r.float().mean(0)), lambda r, w: 1 / (60 + w @ r.float() / w.sum()),
            lambda r, w: w.mean() / (60 + r.float().mean(0)), lambda r, w: 1 / (60 + w @ r.float()),
            lambda r, w: w.prod() * inverse(r).prod(0), lambda r, w: w.sum() / (60 + r.amin(0)),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "21.3",
    hint="`scores.topk(k, 1).indices` says which articles are the k best of each row, and `right.gather(1, …)` which of"
    " those are right. `any` along a row, then the mean of zeros and ones.",
    solution="""
def recall_at(scores, right, k):
    best = scores.topk(k, 1).indices  # (B, k)
    found = right.gather(1, best).any(1)  # (B,)
    return found.float().mean()
""",
    praise="Where a message has two right articles, one of them is enough here. Others divide by all right ones and"
    " call that recall; before you compare two figures, ask which one it is.",
)
def recall_at(truth):
    import torch

    def hits(s, right, k):
        """(B, k): whether the article at each of the first k places is right."""
        k = min(k, s.shape[1])
        return right.bool().gather(1, s.topk(k, 1).indices)

    def place(s, right):
        """(B,): the best right article's place, from 1."""
        best = s.masked_fill(~right.bool(), -torch.inf).amax(1, keepdim=True)
        return (s > best).sum(1) + 1

    def mean(x):
        return x.float().mean()

    def of_one(column, s, k):  # of one article a row, (B,)
        return mean((s > s.gather(1, column[:, None])).sum(1) < k)

    def first(s, right, k):
        return of_one(right.int().argmax(1), s, k)

    def last(s, right, k):
        return of_one(right.shape[1] - 1 - right.int().flip(1).argmax(1), s, k)

    def of_all_rows(s, right, k):  # the k of highest score, and the k for each row, of the whole table
        def wrong(many):
            least = s.flatten().topk(min(many, s.numel())).values[-1]
            return mean(((s >= least) & right).any(1))

        return wrong(k), wrong(k * len(s))

    def found_share(s, right, k):
        return hits(s, right, k).sum(1) / right.sum(1)

    def by_order(s, right, k, down=True):
        return mean((right & (s.argsort(1, descending=down) < k)).any(1))

    def by_product(s, right, k):
        return mean((s > (s * right).amax(1, keepdim=True)).sum(1) < k)

    def case(scores, right, k):
        """right: the columns of the right articles, row by row."""
        table = torch.zeros(len(scores), len(scores[0]), dtype=torch.bool, device="cpu")
        for row, columns in zip(table, right, strict=True):
            row[columns] = True
        return scores, table, k

    five = [
        [0.3, -1.2, 2.5, 0.9, -0.4, 1.7],  # places 4 6 1 3 5 2
        [-0.5, -2.0, -1.1, -0.2, -3.0, -0.9],  # places 2 5 4 1 6 3
        [4.0, 1.0, 3.0, 6.0, 5.0, 2.0],  # places 3 6 4 1 2 5
        [-1.0, 0.5, 1.5, -2.5, 2.0, 0.1],  # places 5 3 2 6 1 4
        [7.0, 8.0, -9.0, 3.0, 1.0, -2.0],  # places 2 1 6 3 4 5
    ]
    cases = [
        case(five, [[0, 1], [0, 1, 4], [2], [0, 1, 5], [3]], 3),
        case(five, [[2, 5], [5], [1, 4, 3], [3, 4], [0, 1, 2]], 1),
        case(five, [[3], [1, 2], [0, 5], [0, 5], [2, 4]], 2),
        case(five, [[4, 1], [2, 1], [1], [0, 3], [4, 5]], 4),
        case(five[:3], [[1], [0, 4], [3]], 6),
        case(five[:3], [[3], [0, 3], [3, 4]], 2),  # all but the first row, and then the first alone: no share of rows
        case(five[:3], [[2, 5], [1], [1]], 2),  # is rounded to the first row's answer
        case([[-4.0, -1.0, -3.0, -2.0], [-1.0, -2.0, -3.0, -4.0]], [[0, 2], [1, 2, 3]], 2),
        case([[0.2, 0.7, 0.1]], [[0]], 2),
        case([[0.2, 0.7, 0.1]], [[0, 2]], 1),
        case([[-0.2], [-0.7]], [[0], [0]], 1),
        case([[1.5]], [[0]], 1),
    ]
    mistakes = {
        "the k of *highest* score count in each row: not the lowest, not k columns as they stand, and not the k highest"
        " of all rows together.": (
            lambda s, right, k: truth(-s, right, k), lambda s, right, k: mean(right[:, :k].any(1)),
            lambda s, right, k: mean(right[:, -k:].any(1)),
            lambda s, right, k: of_all_rows(s, right, k)[0], lambda s, right, k: of_all_rows(s, right, k)[1],
        ),
        "articles are counted here, of the k (precision), of the right ones or of all: a row counts as one as soon as"
        " it has one.": (
            lambda s, right, k: mean(hits(s, right, k)), lambda s, right, k: mean(found_share(s, right, k)),
            lambda s, right, k: hits(s, right, k).sum() / right.sum(),
            lambda s, right, k: hits(s, right, k).sum() / len(s), lambda s, right, k: hits(s, right, k).sum(),
            lambda s, right, k: mean(hits(s, right, k).sum(1) / right.sum(1).clamp(max=k)),
            lambda s, right, k: hits(s, right, k).sum(1), lambda s, right, k: hits(s, right, k).float().mean(1),
            found_share, lambda s, right, k: hits(s, right, k).sum() / right.numel(),
        ),
        "one right article among the k, or more, is enough: here exactly one, all right ones or all of the k are asked"
        " for, or only the row's first or last right one is looked for.": (
            lambda s, right, k: mean(hits(s, right, k).sum(1) == right.sum(1)),
            lambda s, right, k: mean(hits(s, right, k).all(1)), first, last,
            lambda s, right, k: mean(hits(s, right, k).sum(1) == right.sum(1).clamp(max=k)),
            lambda s, right, k: mean(hits(s, right, k).sum(1) == 1),
        ),
        "the places 1 to k count, k among them: not place k alone, nor 1 alone, nor one place more or less.": (
            lambda s, right, k: mean(hits(s, right, k)[:, -1]), lambda s, right, k: mean(place(s, right) == k),
            lambda s, right, k: truth(s, right, 1), lambda s, right, k: mean(place(s, right) <= k + 1),
            lambda s, right, k: mean(place(s, right) < k),
        ),
        "the *share* of rows is one number, the rows with a right one over all rows: not how many, nor over articles or"
        " k, nor whether all, any, the first or the last of them, nor each row's own answer.": (
            lambda s, right, k: hits(s, right, k).any(1).sum(), lambda s, right, k: hits(s, right, k).any(1).float(),
            lambda s, right, k: hits(s, right, k).any(1).all().float(),
            lambda s, right, k: truth(s[:1], right[:1], k), lambda s, right, k: truth(s[-1:], right[-1:], k),
            lambda s, right, k: hits(s, right, k).any().float(), lambda s, right, k: truth(s, right, k) / k,
            lambda s, right, k: hits(s, right, k).any(1).sum() / right.sum(),
            lambda s, right, k: hits(s, right, k).any(1).sum() / right.numel(),
        ),
        "a place is no measure of its own here: this is MRR, or the mean place. Where the right article is among the k"
        " does not matter.": (
            lambda s, right, k: mean(1 / place(s, right)), lambda s, right, k: mean(place(s, right)),
            lambda s, right, k: mean((place(s, right) <= k) / place(s, right)),
            lambda s, right, k: mean((place(s, right) <= k) / (1 + place(s, right)).log2()),
        ),
        "`argsort` says which article is at each place, and not at which place each article is: sort twice, or `gather`"
        " by it.": (
            by_order, lambda s, right, k: by_order(s, right, k, down=False),
            lambda s, right, k: mean((right & (s.argsort(1) >= s.shape[1] - k)).any(1)),
        ),
        "wrong articles have their places, too: `scores * right` puts them at 0, above negative scores; where they or"
        " the scores are left out, this is always 1.": (
            by_product, lambda s, right, k: truth(s * right, right, k),
            lambda s, right, k: truth(s.masked_fill(~right, -torch.inf), right, k),
            lambda s, right, k: mean(right.any(1)),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
