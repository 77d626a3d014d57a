"""Right and wrong answers to the exercises of 20b_shop_copy; test_check.py runs them."""

import math
import re
from collections import Counter

import numpy as np
import torch

SIGNS = "零一二三四五六七八九"


def apart_tensor(forms, n_forms):
    given = forms.clone()
    for t in range(1, len(forms)):
        if given[t] == given[t - 1]:
            given[t] = (given[t] + 1) % n_forms
    return given


def apart_numpy(forms, n_forms):
    given = np.array(forms, dtype=int)
    for t in range(1, len(given)):
        given[t] = (given[t] + (given[t] == given[t - 1])) % n_forms
    return given


def apart_before(forms, n_forms):
    before, given = None, []
    for form in forms:
        form = int(form)
        if form == before:
            form = form + 1 if form + 1 < n_forms else 0
        given.append(form)
        before = form
    return given


def apart_old(forms, n_forms):
    given = forms.clone()
    for t in range(1, len(forms)):
        if forms[t] == forms[t - 1]:
            given[t] = (forms[t] + 1) % n_forms
    return given


def apart_ring(forms, n_forms):
    given = forms.clone()
    for t in range(len(forms)):
        if given[t] == given[t - 1]:
            given[t] = (given[t] + 1) % n_forms
    return given


def apart_no_end(forms, n_forms):
    given = forms.clone()
    for t in range(1, len(forms)):
        given[t] += given[t] == given[t - 1]
    return given


def apart_earlier(forms, n_forms):
    return apart_tensor(forms.flip(0), n_forms).flip(0)


NUMERALS = {"两": 2}
for n in range(1, 100):
    tens, ones = divmod(n, 10)
    NUMERALS[("" if tens < 2 else SIGNS[tens]) + "十" * (tens > 0) + (SIGNS[ones] if ones else "")] = n


def pairs_by_table(text, units):
    """Numerals by a table of all."""
    order = sorted(NUMERALS, key=len, reverse=True)
    found = re.finditer(
        rf"(?P<n>\d+\.\d+|\d+|{'|'.join(order)})[ ]?(?P<u>{'|'.join(sorted(units, key=lambda u: -len(u)))})", text
    )
    return [(float(NUMERALS.get(m["n"], 0) or m["n"]), m["u"]) for m in found]


def unsupported_table(text, facts, units):
    return [n for n, of in pairs_by_table(text, units) if (n, of) not in pairs_by_table(facts, units)]


def unsupported_replaced(text, facts, units):
    """Numerals to figures first, in both."""

    def figures(copy):
        return re.sub("|".join(sorted(NUMERALS, key=len, reverse=True)), lambda m: str(NUMERALS[m[0]]), copy)

    def pairs(copy):
        unit = "|".join(sorted(units, key=len)[::-1])
        return [(float(n), of) for n, of in re.findall(rf"(\d*\.?\d+) ?({unit})", figures(copy))]

    return np.array([n for n, of in pairs(text) if (n, of) not in pairs(facts)])


def unsupported_scan(text, facts, units):
    """Sign by sign, without patterns."""

    def pairs(copy):
        found, i = [], 0
        while i < len(copy):
            j = i
            while j < len(copy) and (copy[j].isdigit() or copy[j] == "." and copy[j + 1 : j + 2].isdigit()):
                j += 1
            if j == i:
                while j < len(copy) and copy[j] in SIGNS[1:] + "十两":
                    j += 1
            if j == i:
                i += 1
                continue
            rest = copy[j:].removeprefix(" ")
            fits = [unit for unit in units if rest.startswith(unit)]
            if fits:
                found.append((float(NUMERALS.get(copy[i:j]) or copy[i:j]), max(fits, key=len)))
            i = j
        return found

    due = pairs(facts)
    return torch.tensor([n for n, of in pairs(text) if (n, of) not in due])


def unsupported_once(text, facts, units):
    """Each fact supports one mention: a multiset."""
    due = Counter(pairs_by_table(facts, units))
    wrong = []
    for pair in pairs_by_table(text, units):
        due[pair] -= 1
        wrong += [pair[0]] if due[pair] < 0 else []
    return wrong


def changed(number=r"\d+\.\d+|\d+|[一二三四五六七八九十两]+", gap="[ ]?", shortest=False, by=None):
    def wrong(text, facts, units):
        order = sorted(units, key=len, reverse=not shortest)

        def pairs(copy):
            found = re.findall(rf"({number}){gap}({'|'.join(order)})", copy)
            return [(float(NUMERALS.get(n) or n), of) for n, of in found]

        due = pairs(facts)
        if by:
            return by(pairs(text), due)
        return [n for n, of in pairs(text) if (n, of) not in due]

    return wrong


RIGHT = {
    "20b.1": [0.0769, 0.076923, 1 / 13, "0.077", "7.7 %", torch.tensor(1 / 13), np.float32(0.0772), "1/13"],
    "20b.2": [
        apart_tensor,
        apart_numpy,
        apart_before,
        lambda forms, n_forms: tuple(apart_before(forms, n_forms)),
        lambda forms, n_forms: apart_tensor(forms.long(), n_forms),
        lambda forms, n_forms: apart_numpy(forms, n_forms).astype(object),
    ],
    "20b.3": [
        unsupported_table,
        unsupported_replaced,
        unsupported_scan,
        lambda text, facts, units: tuple(unsupported_table(text, facts, units)),
        lambda text, facts, units: torch.tensor(unsupported_table(text, facts, units), dtype=torch.float64),
    ],
}

WRONG = {
    "20b.1": [
        (0.04, "of those that pass is asked"), (0.0625, "a fifth of them"), (0.1, "the wrong ones are asked"),
        (0.75, "the \\*refused"), (0.923, "share of right ones among those that pass"),
        (0.25, "right ones among the refused"),
        (0.52, "divide the wrong"), (0.48, "divide the wrong"), (0.1111, "40 % are wrong"), (7.69, "never above 1"),
        (0.4, "it is smaller"), (-1, "never negative"), ("few", "one number"), ([0.04, 0.48], "one number"),
        (math.nan, "finite|number"),
    ],
    "20b.2": [
        (apart_old, "not with the hash's"),
        (apart_ring, "index −1"),
        (apart_no_end, "after the last form comes 0"),
        (apart_earlier, "the later one moves"),
        (lambda forms, n_forms: torch.where(forms == forms.roll(1), (forms + 1) % n_forms, forms), "index −1"),
        (lambda forms, n_forms: torch.arange(len(forms)) % n_forms, "the others stay"),
        (lambda forms, n_forms: apart_tensor(forms, n_forms) != forms, "real numbers"),
        (lambda forms, n_forms: (apart_tensor(forms, n_forms) != forms).int(), "not where or how often"),
        (lambda forms, n_forms: forms, "it returns"),
        (lambda forms, n_forms: apart_tensor(forms, 3), "it returns"),
        (lambda forms, n_forms: apart_tensor(forms, n_forms)[:, None], "it returns"),
        (lambda forms, n_forms: forms.add_(1), "in place"),
        (lambda forms: forms, "raises `TypeError"),
        (torch.zeros(3), "the answer must be the function"),
    ],
    "20b.3": [
        (changed(by=lambda found, due: [n for n, _ in found if n not in [m for m, _ in due]]), "with its unit"),
        (changed(number=r"\d+\.\d+|\d+"), "numerals count"),
        (changed(number="[一二三四五六七八九十两]+"), "figures count"),
        (changed(number=r"\d+|[一二三四五六七八九十两]+"), "decimal point"),
        (changed(number=r"\d+\.\d+|\d+|[一二三四五六七八九十两]"), "split a numeral"),
        (changed(shortest=True), "the longest counts"),
        (changed(gap=" "), "or after none"),
        (changed(gap=""), "or after none"),
        (changed(by=lambda found, due: sorted(pair[0] for pair in found if pair not in due)), "nothing is sorted"),
        (changed(by=lambda found, due: list(dict.fromkeys(p[0] for p in found if p not in due))), "as often"),
        (unsupported_once, "one fact supports all"),
        (lambda text, facts, units: unsupported_table(text.replace("一", ""), facts, units), "leave 一 in"),
        (lambda t, f, units: unsupported_table(t.replace(" ", ""), f.replace(" ", ""), units), "not after two"),
        (changed(gap=r"\s*"), "not after two"),
        (changed(by=lambda found, due: [pair[0] for pair in found if pair in due]), "not those that they have"),
        (changed(by=lambda found, due: [pair[0] for pair in found]), "not all"),
        (changed(by=lambda found, due: len([pair for pair in found if pair not in due])), "not their number"),
        (changed(by=lambda found, due: [pair for pair in found if pair not in due]), "one tensor or number"),
        (changed(by=lambda found, due: {pair[0] for pair in found if pair not in due}), "one tensor or number"),
        (lambda text, facts, units: [], "it returns"),
        (lambda text, facts: [], "raises `TypeError"),
        ([5.0], "the answer must be the function"),
    ],
}  # fmt: skip
