"""Copy from attributes: placeholders for what is copied, words as tokens, slot errors, and a choice among samples.
Built in view in notebook 20. A meaning representation (MR) is a dict of attributes, {"name": "Blue Spice", "area":
"riverside"}; two values of one attribute are joined by " and ".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np

WORD = re.compile(r"\bx_\w+|£?\d+(?:[.,-]£?\d+)*(?:-[a-z]+)?|[^\W\d_]+(?:['’-][^\W\d_]+)*|\S")


def parts(value: str) -> list[str]:
    """The values that one attribute has: "cheap and high" has two."""
    return value.split(" and ")


def copied(records: Iterable[dict], least: float = 0.9) -> tuple[str, ...]:
    """The slots whose values stand as they are in most texts of records ({"mr", "text"}): a placeholder can do."""
    there = {}
    for record in records:
        for slot, value in record["mr"].items():
            found = all(place(part).search(record["text"].lower()) for part in parts(value))
            there.setdefault(slot, []).append(found)
    return tuple(slot for slot, found in there.items() if sum(found) > least * len(found))


@cache
def place(value: str) -> re.Pattern:
    """Where a value stands in a text in lower case, with a "the" or without, in either spelling of "centre"."""
    value = " ".join(value.lower().split())
    core = re.escape(value.removeprefix("the ")).replace("centre", "cent(?:re|er)")
    return re.compile((r"(?:\bthe )?" if value.startswith("the ") else "") + rf"(?<!\w){core}(?!\w)")


def placeholder(slot: str, i: int = 0) -> str:
    """The token in place of a slot's value, or of its second one."""
    return "x_" + re.sub(r"\W", "_", slot.lower()) + ("_2" if i else "")


def delexicalise(mr: Mapping[str, str], text: str, slots: Iterable[str]) -> list[str]:
    """The words of a text in lower case, with placeholders for the values of slots. Longer values are found first."""
    text = text.lower()
    found = [(part, placeholder(slot, i)) for slot in slots if slot in mr for i, part in enumerate(parts(mr[slot])[:2])]
    for value, token in sorted(found, key=lambda pair: -len(pair[0])):
        text = place(value).sub(f" {token} ", text)
    return WORD.findall(text)


def relexicalise(mr: Mapping[str, str], words: Sequence[str], slots: Iterable[str]) -> str:
    """Words as a text: values for placeholders, punctuation and "a" or "an" set right, a capital for each sentence."""
    text = " ".join(words)
    found = {placeholder(slot, i): part for slot in slots if slot in mr for i, part in enumerate(parts(mr[slot])[:2])}
    an = lambda m: m[1] + "n" * (found.get(m[2], m[2])[:1] in [*"aeiouAEIOU"])  # noqa: E731
    text = re.sub(r"\b([Aa])n?(?= (x_\w+|\w))", an, text)
    text = re.sub(r"x_\w+", lambda token: found.get(token[0], ""), text)
    text = re.sub(r" ([.,!?;:%)])|(?<=\() | (?='s\b)| (?=' s\b)|(?<= ') (?=s\b)", r"\1", text)
    text = re.sub(r"\b[Tt]he (?=[Tt]he\b)| +(?= )", "", text).strip()
    return re.sub(r"(?:^|(?<=[.!?] ))[a-z]", lambda letter: letter[0].upper(), text)


def linearise(mr: Mapping[str, str], slots: Iterable[str], copied: Iterable[str]) -> tuple[str, ...]:
    """An MR as tokens, one a slot: "area=*" (copied), "near=-" (absent), "priceRange=low"; at the end second values."""
    found = {slot: ["*" if slot in set(copied) else part for part in parts(mr[slot])[:2]] for slot in mr}
    seconds = [f"{slot}+={found[slot][1]}" for slot in slots if len(found.get(slot, "")) == 2]
    return (*(f"{slot}={found.get(slot, '-')[0]}" for slot in slots), *seconds)


def _said(words: str, nouns: str) -> str:
    """An adjective before its noun ("high price", "poor customer rating"), or after it ("the price range is high")."""
    link = r"(?:(?:customer|overall|food|the|its|to|by|price|average)[- ])?"
    verb = r"(?: ?ranges?)?(?: (?:for|of|by|among) (?:\w+ )?\w+)?(?:,| is| are| it| being| of| as|:|-)?"
    few = r"(?: (?:a|an|very|quite|only|also|fairly|somewhat))*"
    return rf"\b(?:{words})(?:ly)?[- ]{link}(?:{nouns})|\b(?:{nouns}){verb}{few} (?:{words})(?:ly)?\b"


def _stars(n: str) -> str:
    """A rating of n: "1 out of 5", "one star", "rated 1"."""
    five = rf"\b(?:{n})[- ]?(?:out of|o[nu][rt] of|/|of)[- ]?(?:a )?(?:5|five)"
    return rf"{five}|(?<!-)\b(?:{n})[- ]?stars?|\brat\w+ (?:of |is |it )?(?:a |as )?(?:{n})\b(?![- ](?:o[nu][rt]|star))"


_PRICE, _RATING = r"pric\w*|cost\w*", r"rat(?:ed|es?|ings?)\b|reviews?|customer satisfaction"
_PEOPLE, _NOT = r"(?:famil(?:y|ies)|kids?|child(?:ren)?)", r"(?:\bnot?\b|n't|\bnon\b|\bnever\b|\bun)"
_FIT = r"\b(?:welcom\w*|suitable|good|great|perfect|friendly|ideal|allow\w*|open|bring|cater\w*|for)\b(?: \w+){0,4}"
MEANINGS = {  # what a text in lower case says of a slot that has a few values, in E2E
    "eatType": {"coffee shop": r"coffee[- ]?(?:shop|house)|caf[eé]", "restaurant": "restaurant", "pub": r"\bpubs?\b"},
    "food": {food: rf"\b{food.lower()}\b" for food in ("Chinese", "French", "Indian", "Italian", "Japanese")}
    | {"English": r"\b(?:english|british)\b", "Fast food": r"\bfast[- ]food"},
    "area": {
        "city centre": r"(?:city|town)'?s?[- ]?cent(?:er|re)|in the cent(?:er|re)|cent(?:er|re) of (?:the )?[ct]",
        "riverside": r"\briver",
    },
    "priceRange": {
        "less than £20": r"(?:less th[ae]n|under|below|lower than|up to) ?(?:£ ?)?(?:20|twenty)",
        "£20-25": r"\b(?:20|twenty) ?(?:-|–|to|and) ?(?:£ ?)?(?:25|twenty)",
        "more than £30": r"(?:more th[ae]n|over|above|at least|higher than) ?(?:£ ?)?(?:30|thirty)|30 (?:and|or) ",
        "cheap": r"\bcheap\w*|\binexpensive|" + _said("low|lower|budget|affordable", _PRICE),
        "moderate": r"mid[- ](?:pric|rang)\w*|" + _said("moderate|reasonable|reasonab|average|medium|mid|fair", _PRICE),
        "high": r"\bexpensive|pricey|" + _said("high|higher|upper", _PRICE),
    },
    "customer rating": {f"{n} out of 5": _stars(f"{n}|{word}") for n, word in ((1, "one"), (3, "three"), (5, "five"))}
    | {
        "low": _said("low|lower|poor|bad", _RATING),
        "average": _said("average|medium|mediocre|moderate|mid|decent", _RATING),
        "high": _said("high|higher|excellent|great|good|well|top", _RATING),
    },
    "familyFriendly": {
        "no": rf"{_NOT}[^.,;]{{0,40}}?{_PEOPLE}|{_PEOPLE}[^.,;]{{0,20}}?(?:\bnot\b|n't|unfriend|unwelcome)"
        r"|adults?[- ](?:only|orient)",
        "yes": rf"{_PEOPLE}[a-z]{{0,3}}[- ]?(?:orient|friend|welcom|atmosphere)|{_FIT} {_PEOPLE}"
        rf"|{_PEOPLE} (?:are )?(?:allowed|welcome)|all ages",
    },
}
IN_WORDS = {"less than £20": "cheap", "£20-25": "moderate", "more than £30": "high"}  # a number may be said in words
IN_WORDS |= {"1 out of 5": "low", "3 out of 5": "average", "5 out of 5": "high"}


def stated(
    mr: Mapping[str, str], text: str, known: Mapping[str, Iterable[str]], meanings: Mapping[str, Mapping]
) -> tuple[dict[str, set[str]], str]:
    """{slot: what a text says of it}, and what is left of the text in lower case; the arguments are `slot_errors`'s."""
    rest, plain = re.sub(r"\s+", " ", text.lower()), [slot for slot in {**known, **mr} if slot not in meanings]
    said = {slot: set() for slot in {**dict.fromkeys(plain), **meanings}}
    values = {(value, slot) for slot in plain for value in {*known.get(slot, ()), *parts(mr.get(slot, ""))} if value}
    for value, slot in sorted(values, key=lambda pair: (-len(pair[0]), pair)):
        if place(value).search(rest):
            said[slot].add(value)
            rest = place(value).sub(" it ", rest)  # taken out: "The Cambridge Blue" says nothing of a colour
    for slot, patterns in meanings.items():
        said[slot] = {value for value, pattern in patterns.items() if re.search(pattern, rest)}
    return said, rest


def settle(
    mr: Mapping[str, str], said: Mapping[str, set[str]], rest: str, meanings: Mapping[str, Mapping]
) -> dict[str, set[str]]:
    """What `stated` found, where one thing was said in two ways: a "no" holds its "yes", a number its word."""
    said = {slot: set(found) for slot, found in said.items()}
    for slot, patterns in meanings.items():
        want, have = set(parts(mr.get(slot, ""))) - {""}, said[slot]
        if "no" in have and not re.search(patterns["yes"], re.sub(patterns["no"], "", rest)):
            have = {"no"}
        in_words = {IN_WORDS[value]: value for value in want if value in IN_WORDS}
        numbers = {value for value in have if value in IN_WORDS}
        have = numbers or {in_words.get(value, value) for value in have}
        said[slot] = have | {value for value in want - {*patterns} if place(value).search(rest)}
    return said


def slot_errors(
    mr: Mapping[str, str], text: str, known: Mapping[str, Iterable[str]], meanings: Mapping[str, Mapping] = MEANINGS
) -> dict[str, str]:
    """{slot: "missing", "wrong" or "added"}: what a text says less than its MR, otherwise, or beyond it; {} is right.

    known: {slot: values} of slots that a text gives word by word, such as all names, which could stand in place of its
    own. meanings: {slot: {value: pattern}}. A slot in neither has to stand as its value. A number of the MR may be said
    in words ("low" for "1 out of 5"); a word may not become a number.

    Source: the slot error rate of Dušek, Howcroft and Rieser (2019), arXiv:1911.03905, with patterns of our own.
    """
    errors = {}
    for slot, found in settle(mr, *stated(mr, text, known, meanings), meanings).items():
        want = set(parts(mr[slot])) if slot in mr else set()
        if found != want:
            errors[slot] = "missing" if not found - want else "wrong" if want else "added"
    return errors


def expected_bleu(candidates: Sequence[Sequence[str]]) -> np.ndarray:
    """The mean sentence BLEU (smoothed by one from pairs on) of each of N candidates, with the others as references.

    candidates: lists of words, drawn from one model for one MR. Returns (N,), 0 to 1: an estimate, from samples, of
    the score to be expected, whose highest is the choice of least expected loss (minimum Bayes risk).

    Sources: Kumar and Byrne (2004), N04-1022; Lin and Och (2004), C04-1072 (the smoothing).
    """
    N, n_words = len(candidates), np.array([len(words) for words in candidates], float)
    log_p = np.zeros((N, N))  # of candidate i against candidate j
    for n in range(1, 5):
        counts = [Counter(zip(*(words[k:] for k in range(n)), strict=False)) for words in candidates]
        place = {gram: i for i, gram in enumerate(dict.fromkeys(gram for count in counts for gram in count))}
        table = np.zeros((N, len(place)), np.float32)
        for row, count in zip(table, counts, strict=True):
            row[[place[gram] for gram in count]] = list(count.values())
        shared = np.array([np.minimum(table, row).sum(axis=1) for row in table], float)
        total, add = np.maximum(n_words - n + 1, 0)[:, None], int(n > 1)
        log_p += np.log(np.maximum(shared + add, 1e-300) / np.maximum(total + add, 1)) / 4
    brevity = np.minimum(0, 1 - n_words[None] / np.maximum(n_words[:, None], 1))
    score = np.exp(log_p + brevity)
    np.fill_diagonal(score, 0)
    return score.sum(axis=1) / max(1, N - 1)
