"""Exercises of 20b_shop_copy."""

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise

tasks = rooms.shared("tasks")


@exercise(
    "20b.1",
    hint="Take 100 texts: 40 wrong, 60 right. How many of each pass? The wrong ones among these, by all that pass.",
    solution="""
wrong, right = 0.4 * (1 - 0.9), 0.6 * (1 - 0.2)  # that pass
answer_1 = wrong / (wrong + right)
""",
    praise="From 40 % to 7.7 %: the gate helps, and one text in thirteen that goes out is still wrong. How good a"
    " passed text is depends on the writer, not on the gate alone.",
)
def answer_1(truth):
    mistakes = {
        "this is the share of all texts that are wrong and pass; of those that pass is asked.": 0.04,
        "the gate refuses right texts, too: a fifth of them does not pass.": 0.0625,
        "this is the share of wrong texts that pass; of texts that pass, the wrong ones are asked.": 0.1,
        "this is the share of wrong ones among the *refused*.": 0.75,
        "this is the share of right ones among those that pass.": 0.923077,
        "this is the share of right ones among the refused.": 0.25,
        "this is the share of all texts that pass, or that do not; divide the wrong that pass by it.": (0.52, 0.48),
        "as many wrong as right texts would give this; 40 % are wrong and 60 % right.": 0.111111,
    }
    return tasks.Number(0.001, mistakes, begin="Count 40 wrong and 60 right texts at the gate.", low=0, high=1)


@exercise(
    "20b.2",
    hint="Keep a list of the forms given. For each form of the hash compare it with the last of that list, not with the"
    " hash's form before; where they are equal, append `(form + 1) % n_forms`.",
    solution="""
import torch


def apart(forms, n_forms):
    given = []
    for form in forms.tolist():
        same = given and form == given[-1]
        given.append((form + 1) % n_forms if same else form)
    return torch.tensor(given)  # (T,)
""",
    praise="No two neighbours share a form now. The price: a new product may change the texts behind it, as far as the"
    " next one whose form comes out as before.",
)
def apart(truth):
    import torch

    def walk(forms, n_forms, *, step=1, wrap=True, old=False):
        given, hashed = [], forms.tolist()
        for t, form in enumerate(hashed):
            same = t and form == (hashed[t - 1] if old else given[-1])
            moved = form + step
            given.append((moved % n_forms if wrap else moved) if same else form)
        return torch.tensor(given)

    def first_moves(forms, n_forms):  # the earlier of two
        return truth(forms.flip(0), n_forms).flip(0)

    def ring(forms, n_forms):  # the first has the last before it
        given = truth(torch.cat([forms[-1:], forms]), n_forms)
        return given[1:]

    def skips(forms, n_forms):  # whoever comes after a moved one is not looked at
        given, moved = [], False
        for form in forms.tolist():
            moved = bool(given) and form == given[-1] and not moved
            given.append((form + 1) % n_forms if moved else form)
        return torch.tensor(given)

    def by_given(forms, n_forms):  # the next after another free form: looks ahead
        given, hashed = [], forms.tolist()
        for t, form in enumerate(hashed):
            while form in (given[-1:] + hashed[t + 1 : t + 2]) and given and hashed[t] == given[-1]:
                form = (form + 1) % n_forms
            given.append(form)
        return torch.tensor(given)

    cases = [
        ([1.0, 1.0, 2.0, 0.0, 0.0, 1.0, 2.0, 2.0], 3),
        ([4.0, 4.0, 0.0, 1.0, 3.0, 3.0, 3.0, 3.0], 5),
        ([0.0, 1.0, 2.0, 0.0], 3),
        ([2.0, 2.0], 3),
        ([1.0], 4),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 4),
        ([3.0, 0.0, 0.0, 3.0, 3.0, 2.0], 4),
        ([1.0, 0.0, 1.0, 1.0], 2),
        ([2.0, 0.0, 0.0, 1.0, 2.0], 3),
    ]
    mistakes = {
        "a form is compared with the one *given* to the product before it, not with the hash's: after a move the next"
        " may be equal again.": (lambda f, n: walk(f, n, old=True), skips,
                                 lambda f, n: walk(f, n, old=True, wrap=False)),
        "after the last form comes 0: the forms are 0 to n_forms − 1.": (
            lambda f, n: walk(f, n, wrap=False), lambda f, n: walk(f, n - 1), lambda f, n: walk(f, n + 1),
            lambda f, n: walk(f, n, wrap=False).clamp(max=n - 1),
        ),
        "it becomes the *next* form; here it is the one before, or the one after the next.":
            (lambda f, n: walk(f, n, step=-1), lambda f, n: walk(f, n, step=2)),
        "of two equal neighbours the later one moves: go through from the first on.": first_moves,
        "the first product has none before it, and keeps its form: index −1 is the last.":
            (ring, lambda f, n: torch.where(f == f.roll(1), (f + 1) % n, f)),
        "only a form that equals the one before it moves; the others stay what the hash gave.": (
            lambda f, n: torch.arange(len(f)) % n, lambda f, n: (f + 1) % n,
            lambda f, n: (f[0] + torch.arange(len(f))) % n,
        ),
        "what comes after does not matter: a form moves on by one, whatever the next product has.": by_given,
        "the forms given are asked for, not where or how often one moved.": (
            lambda f, n: (truth(f, n) != f).float(), lambda f, n: (truth(f, n) != f).sum(),
            lambda f, n: (truth(f, n) != f).nonzero().flatten(),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)


@exercise(
    "20b.3",
    hint="One pattern finds number and unit: `(\\d+(?:\\.\\d+)?|[一二三四五六七八九十两]+)"
    " ?(unit|…)`, the longest unit first. `re.findall` gives the pairs, of `facts` as of `text`. For a"
    " numeral, split it at 十: nothing before it is one ten, nothing behind it no ones.",
    solution="""
import re


def unsupported(text, facts, units):
    unit = "|".join(map(re.escape, sorted(units, key=len, reverse=True)))  # the longest first
    pattern = rf"(\\d+(?:\\.\\d+)?|[一二三四五六七八九十两]+) ?({unit})"

    def value(number):
        if number[0].isdigit():
            return float(number)
        signs = "零一二三四五六七八九"
        tens, ten, ones = number.replace("两", "二").rpartition("十")
        return 10.0 * (signs.index(tens or "一") if ten else 0) + (signs.index(ones) if ones else 0)

    known = {(value(number), of) for number, of in re.findall(pattern, facts)}
    found = [(value(number), of) for number, of in re.findall(pattern, text)]
    return [number for number, of in found if (number, of) not in known]
""",
    praise="That is the number rule for numbers with a unit. What it cannot find is a right number at a wrong place"
    " with a right unit: 3 years of warranty for the handle instead of the pot.",
)
def unsupported(truth):
    import re

    figures, signs = r"\d+(?:\.\d+)?", "一二三四五六七八九十两"

    def value(number):
        if number[0].isdigit():
            return float(number)
        tens, ten, ones = number.replace("两", "二").rpartition("十")
        return 10.0 * (("零" + signs).index(tens or "一") if ten else 0) + (("零" + signs).index(ones) if ones else 0)

    def rule(
        number=rf"{figures}|[{signs}]+", gap=" ?", value=value, longest=True, known=None, keep=lambda found: found,
        alike=lambda one, all_: one in all_,
    ):  # fmt: skip
        def wrong(text, facts, units):
            order = sorted(units, key=len, reverse=True) if longest else sorted(units, key=len)
            pattern = re.compile(rf"({number}){gap}({'|'.join(map(re.escape, order))})")
            have = [(value(n), of) for n, of in (known or pattern).findall(facts)]
            found = [(value(n), of) for n, of in pattern.findall(text)]
            return keep([pair[0] for pair in found if not alike(pair, have)])

        return wrong

    def digit_by_digit(number):  # 十二 as 10 + 2, 二十 as 2 + 10
        if number[0].isdigit():
            return float(number)
        return float(sum(10 if sign == "十" else ("零" + signs).index(sign) for sign in number.replace("两", "二")))

    def no_unit(text, facts, units):
        numbers = [[value(n) for n in re.findall(rf"{figures}|[{signs}]+", part)] for part in (text, facts)]
        return [n for n in numbers[0] if n not in numbers[1]]

    def supported(text, facts, units):
        return rule(alike=lambda one, all_: one not in all_)(text, facts, units)

    def used_up(text, facts, units):  # each fact supports one mention
        pattern = re.compile(rf"({figures}|[{signs}]+) ?({'|'.join(sorted(units, key=len, reverse=True))})")
        have, wrong = [(value(n), of) for n, of in pattern.findall(facts)], []
        for n, of in pattern.findall(text):
            if (value(n), of) in have:
                have.remove((value(n), of))
            else:
                wrong.append(value(n))
        return wrong

    def in_facts(text, facts, units):  # the written number and unit, looked for as a string
        pattern = re.compile(rf"({figures}|[{signs}]+) ?({'|'.join(sorted(units, key=len, reverse=True))})")
        return [value(m[1]) for m in pattern.finditer(text) if m[0] not in facts]

    cases = [
        ("质保 5 年", "质保 3 年", ("年",)),
        ("质保三年，一壶煮出 6 杯", "容量 6 杯，质保 3 年", ("杯", "年")),
        ("质保 6 年，一壶 3 杯", "容量 6 杯，质保 3 年", ("杯", "年")),
        ("重 2.6 公斤，长 38厘米，用 15 个小时", "2.6 公斤，38 升，15 小时", ("公斤", "升", "厘米", "小时", "个小时")),
        ("十二分钟、二十分钟、二十四分钟，两小时", "12 分钟，24 小时，20 分", ("分", "分钟", "小时")),
        ("20 升，九十九升，十升，1.5 升", "20 升，5 升", ("升",)),
        ("有 4 个轮子，三位密码锁，5 年，7 年，5 年", "质保 3 年", ("年",)),
        ("没有数字", "质保 3 年", ("年",)),
        ("重 120 克，高 18 毫米，宽 2 米", "重 120 克，高 18 米，宽 2 毫米", ("克", "米", "毫米")),
        ("三十年，40 年，二年", "三年，四十年，两年", ("年",)),
        ("1.1 升，11 升", "每只 1.1 升", ("升",)),
        ("一年，7 瓦", "7  瓦，1 年", ("年", "瓦")),
        ("3 年，三年，5 年", "质保 3 年", ("年",)),
        ("一年，十一年，7 瓦", "7 瓦，2 年", ("年", "瓦")),
        ("7  瓦，5 瓦", "3 瓦", ("瓦",)),
    ]
    mistakes = {
        "a number is right only *with its unit*: 6 cups do not make 6 years.":
            (rule(alike=lambda one, all_: one[0] in [n for n, _ in all_]), no_unit),
        "numerals count, too: 三年 is 3 years, in the text and in the facts.": (
            rule(number=figures), rule(known=re.compile(r"(\d+(?:\.\d+)?) ?([^\d\s，]+)")), in_facts,
        ),
        "figures count, too: 3 年 as well as 三年.": rule(number=f"[{signs}]+"),
        "a decimal point belongs to its number: 2.6 is neither 6 nor 2.": (
            rule(number=rf"\d+|[{signs}]+"), rule(value=lambda n: float(int(value(n)))),
        ),
        "一 is one, 十 ten, 十二 twelve, 二十 twenty, 二十四 twenty-four: split a numeral at 十, and leave 一 in.": (
            rule(value=digit_by_digit), rule(number=rf"{figures}|[{signs}]"),
            rule(number=rf"{figures}|[一二三四五六七八九两]+"),
            lambda text, facts, units: truth(text.replace("一", ""), facts, units),
            lambda text, facts, units: truth(text.replace("一", ""), facts.replace("一", ""), units),
        ),
        "of the units that fit the longest counts: 分钟 is minutes, not the points 分. And 小时 may stand after one"
        " space, or after none, but not after two.": (
            rule(longest=False), rule(gap=" "), rule(gap=""), rule(gap=" *"),
            lambda text, facts, units: truth(text.replace(" ", ""), facts.replace(" ", ""), units),
        ),
        "in their order and as often as they stand in the text: nothing is sorted, and nothing left out that came"
        " before; and one fact supports all mentions of it.": (
            used_up, rule(keep=lambda f: list(dict.fromkeys(f))), rule(keep=sorted),
            rule(keep=lambda f: sorted(set(f))), rule(keep=lambda f: f[:1]),
        ),
        "those that the facts do *not* have are asked for, by value, from the text: not those that they have, not all,"
        " and not their number.": (
            supported, rule(alike=lambda one, all_: False), rule(keep=len),
            lambda text, facts, units: truth(facts, text, units),
        ),
    }  # fmt: skip
    return tasks.Function(cases, mistakes)
