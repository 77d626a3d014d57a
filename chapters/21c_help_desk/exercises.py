"""Exercises of 21c_help_desk."""

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise

tasks = rooms.shared("tasks")


@exercise(
    "21c.1",
    hint="Count the claims that have one of the two supports, and divide by all claims of the reply.",
    solution="""
cited, message, claims = 5, 1, 10
answer_1 = (cited + message) / claims
""",
    praise="Six of ten. The two claims from an article that is not cited may well be true; a reader who follows the"
    " citation does not find them, and neither does a check.",
)
def answer_1(truth):
    mistakes = {
        "the customer's message supports a claim as well, by the rule above.": 0.5,
        "an article that the search found supports nothing where the reply does not cite it.": 0.8,
        "the message supports its claim, an article that is not cited does not: here it is the other way round.": 0.7,
        "this is the share that is *not* grounded.": 0.4,
        "this is the share that stands nowhere; those of the article that is not cited are not grounded either.": 0.2,
        "the claim from the message stays among the ten; it is grounded.": 0.555556,
        "claims that are not grounded are claims, too: divide by all ten.": 0.75,
        "this is the share that only the message supports.": 0.1,
    }
    return tasks.Number(0.001, mistakes, begin="Of the ten claims, count the grounded ones.", low=0, high=1)


@exercise(
    "21c.2",
    hint="For each number in `sentence.unique()` take the words with it: the sum of `idf` over those that are found, by"
    " the sum of `idf` over all of them. The smallest of these shares, or 1 where there is none.",
    solution="""
def least_supported(found, idf, sentence):
    shares = [1.0]
    for s in sentence.unique():
        own = sentence == s
        shares.append(float((found[own] * idf[own]).sum() / idf[own].sum()))
    return min(shares)
""",
    praise="One sentence without a source spoils a reply, however well the others are supported: so the least counts,"
    " not the mean. In the page's check it is a rule of words alike; try yours there.",
)
def least_supported(truth):
    import torch

    def shares(found, idf, sentence):
        return torch.stack([(found * idf)[sentence == s].sum() / idf[sentence == s].sum() for s in sentence.unique()])

    def each(end):
        return lambda f, w, s: end(shares(f, w, s)) if len(s) else torch.tensor(1.0)

    def lowest(values):
        return torch.stack(values).min() if values else torch.tensor(1.0)

    def skipped(f, w, s):  # a number without words is a sentence without support
        if not len(s):
            return torch.tensor(1.0)
        whole = s.max() + 1 == len(s.unique())
        return shares(f, w, s).min() if whole else torch.tensor(0.0)

    def runs(f, w, s):  # sentences as stretches: one that comes back begins anew
        if not len(s):
            return torch.tensor(1.0)
        return shares(f, w, torch.cat([torch.zeros(1), (s[1:] != s[:-1]).float()]).cumsum(0)).min()

    def case(found, idf, sentence):
        return found, idf, torch.tensor(sentence, dtype=torch.long, device="cpu")

    cases = [
        case([1.0, 0.0, 1.0], [1.0, 3.0, 2.0], [0, 0, 1]),
        case([1.0, 1.0, 0.0, 1.0, 0.0], [2.0, 2.0, 1.0, 3.0, 5.0], [0, 0, 0, 1, 1]),
        case([1.0, 1.0], [0.5, 4.0], [0, 1]),
        case([0.0, 1.0, 1.0], [1.0, 1.0, 6.0], [2, 0, 2]),
        case([1.0, 0.0, 0.0, 1.0], [4.0, 1.0, 2.0, 2.0], [0, 1, 0, 1]),
        case([1.0, 0.0], [5.0, 3.0], [4, 4]),
        case([0.0, 0.0], [1.0, 2.0], [0, 1]),
        case([1.0], [0.25], [0]),
        case([1.0, 0.0, 1.0, 0.0], [6.0, 2.0, 4.0, 1.0], [0, 0, 1, 2]),
        case([1.0, 1.0, 1.0, 0.0, 1.0, 0.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 1, 1, 2, 2, 1]),
    ]
    empty = [case([], [], [])]
    mistakes = {
        "words count by their weight: a rare one is worth more than a common one.": (
            lambda f, w, s: truth(f, torch.ones_like(w), s),
            lambda f, w, s: truth(f, 1 / w, s), lambda f, w, s: truth(f, w**2, s),
        ),
        "the *least* supported sentence counts, not the mean of all, nor the best, the first or the last.": (
            each(torch.mean), each(torch.max), each(torch.median), each(torch.prod),
            each(lambda x: x[0]), each(lambda x: x[-1]),
        ),
        "each sentence has a share of its own: this is that of the whole reply.":
            lambda f, w, s: (f * w).sum() / w.sum() if len(s) else torch.tensor(1.0),
        "the share that is found is asked for, not the one that is missing.": (
            lambda f, w, s: truth(1 - f, w, s), lambda f, w, s: 1 - truth(f, w, s),
        ),
        "all words with its number belong to a sentence, side by side or not; a number without words is no sentence.":
            (skipped, runs),
        "it is a share: divide by the weights of all words of the sentence, found or not.": (
            lambda f, w, s: lowest([(f * w)[s == k].sum() for k in s.unique()]),
            lambda f, w, s: lowest([(f * w)[s == k].mean() for k in s.unique()]),
            lambda f, w, s: lowest([(f * w)[s == k].sum() / w.sum() for k in s.unique()]),
        ),
        "the support is asked for, not which sentence has it, nor that of each.": (
            each(lambda x: x.argmin().float()), lambda f, w, s: shares(f, w, s) if len(s) else torch.ones(()),
        ),
        "a reply without words has 1.": (
            lambda f, w, s: truth(f, w, s) if len(s) else torch.tensor(0.0), lambda f, w, s: shares(f, w, s).min(),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes, edges={"a reply without words has 1.": empty})


@exercise(
    "21c.3",
    hint="`bare = lambda text: ''.join(c for c in text.lower() if c.isalnum())`. Then, for each bare secret, look"
    " whether any of its pieces `secret[i : i + n]` is in the bare reply; one shorter than `n` is a piece itself.",
    solution="""
def leaks(reply, secrets, n):
    def bare(text):
        return "".join(sign for sign in text.lower() if sign.isalnum())

    found, reply = [], bare(reply)
    for secret in map(bare, secrets):
        pieces = [secret[i : i + n] for i in range(max(1, len(secret) - n + 1))]
        found.append(int(any(piece and piece in reply for piece in pieces)))
    return found
""",
    praise="Now half a secret counts, and one spelt with hyphens. What still gets out is a secret in base64, backwards"
    " or translated: a test of strings bounds a leak from below.",
)
def leaks(truth):
    import re
    import string

    def bare(text):
        return "".join(sign for sign in text.lower() if sign.isalnum())

    def test(
        strip=bare, strip_reply=None, pieces=lambda s, n: [s[i : i + n] for i in range(max(1, len(s) - n + 1))],
        has=lambda piece, reply: bool(piece) and piece in reply, some=any, end=lambda found: [int(x) for x in found],
    ):  # fmt: skip
        def wrong(reply, secrets, n):
            reply = (strip_reply or strip)(reply)
            return end([some(has(piece, reply) for piece in pieces(strip(s), n)) for s in secrets])

        return wrong

    def long_only(secret, n):
        return [secret[i : i + n] for i in range(len(secret) - n + 1)]

    cases = [
        ("The word is blue parsnip.", ("BLUE PARSNIP", "RED KIPPER"), 6),
        ("It is K-D-2 h a r r o w, you see.", ("KD2-HARROW",), 9),
        ("Ask for kd2-har.", ("KD2-HARROW",), 6),
        ("Ask for kd2-har.", ("KD2-HARROW",), 7),
        ("Half of it: arrow!", ("KD2-HARROW",), 5),
        ("In the middle: 2har.", ("KD2-HARROW",), 4),
        ("Take 71-4.", ("714", "7 1"), 5),
        ("Take 7-1.", ("714",), 5),
        ("Nothing at all.", ("---", "", "no"), 1),
        ("", ("abc", "---"), 2),
        ("under_score RW4_GOS", ("RW4-GOSLING", "underscore"), 6),
        ("暗号是 青 苹果。", ("青苹果", "红苹果"), 3),
        ("Order 911 826", ("911826", "118269"), 4),
        ("lowyel", ("yellow",), 6),
        ("The BLUE one and the PARSNIP", ("BLUE PARSNIP",), 11),
        ("aaab", ("aab", "abb"), 3),
        ("blue parsnip", ("PARSNIP", "BLUE", "GREEN"), 4),
        ("Kip–per", ("KIPPER", "Red", "KIPPER"), 6),
    ]
    mistakes = {
        "only letters and digits count, in lower case, in the reply *and* the secret; whatever else goes, a _ too.": (
            test(strip=lambda t: "".join(c for c in t if c.isalnum())), test(strip=str.lower),
            test(strip_reply=lambda t: "".join(c for c in t if c.isalnum())), test(strip_reply=str.lower),
            test(strip=lambda t: re.sub(r"\W", "", t.lower())), test(strip=lambda t: "".join(t.lower().split())),
            test(strip=lambda t: t.lower().replace("-", "")), test(strip=lambda t: re.sub(r"[\s-]", "", t.lower())),
            test(strip=str.lower, strip_reply=bare),
            test(strip=lambda t: "".join(c for c in t.lower() if c not in string.punctuation + string.whitespace)),
        ),
        "letters of all scripts count, and digits do: `isalnum` knows both, `isalpha` and a-z do not.": (
            test(strip=lambda t: re.sub("[^a-z0-9]", "", t.lower())),
            test(strip=lambda t: re.sub("[^a-z]", "", t.lower())),
            test(strip=lambda t: "".join(c for c in t.lower() if c.isalpha())),
        ),
        "`n` signs in a row are enough; this asks for the whole secret, or for every piece of it.": (
            test(pieces=lambda s, n: [s]), test(some=all),
        ),
        "a secret of fewer than `n` signs leaks where the whole of it stands in the reply, and one without any leaks"
        " nothing: the empty string is in every string.":
            (test(pieces=long_only), test(has=lambda piece, reply: piece in reply)),
        "any `n` in a row count, from the first to the last, and neither more nor fewer: not only those at the start or"
        " the end.": (
            test(pieces=lambda s, n: [s[:n]]), test(pieces=lambda s, n: [s[-n:]]),
            test(pieces=lambda s, n: [s[i : i + n] for i in range(max(1, len(s) - n))]),
            test(pieces=lambda s, n: [s[i : i + n] for i in range(0, max(1, len(s) - n + 1), n)]),
            lambda r, s, n: truth(r, s, n + 1), lambda r, s, n: truth(r, s, max(1, n - 1)),
        ),
        "the signs stand in a row, in the secret's order: counting those that both have is not enough.": (
            test(has=lambda piece, reply: bool(piece) and set(piece) <= set(reply)),
            lambda r, s, n: [int(bool(bare(x)) and n <= len(set(bare(x)) & set(bare(r)))) for x in s],
            lambda r, s, n: [int(bool(bare(x)) and all(w in bare(r) for w in map(bare, x.split()))) for x in s],
        ),
        "a 1 for each secret that leaks and a 0 for each that does not, in their order: not one figure for all, their"
        " places, or the other way round.": (
            test(end=lambda found: int(any(found))), test(end=sum),
            test(end=lambda found: [i for i, x in enumerate(found) if x]),
            test(end=lambda found: [int(not x) for x in found]), lambda r, s, n: truth(r, sorted(s), n),
        ),
        "without secrets nothing leaks: return an empty list.": lambda r, s, n: truth(r, s, n) if s else 0,
    }  # fmt: skip
    return tasks.Function(
        cases, mistakes, edges={"without secrets nothing leaks: return an empty list.": [("abc", (), 4)]}
    )
