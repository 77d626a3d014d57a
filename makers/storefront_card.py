"""The measured figures in the card of the storefront data, data/storefront/README.md.

    python makers/storefront_card.py            # print the tables
    python makers/storefront_card.py --save     # write them into the card
    python makers/storefront_card.py --check    # exit 1 where the card says something else

Similarity is the Jaccard index of two texts' sets of character 5-grams (lower case, runs of spaces made one).
Distinct-n is the number of different n-grams of words over the number of all (Li et al. 2016, arXiv:1510.03055), none
of which crosses from text to text. It falls with the size of a file, so the type-token ratio is given as well: the
different words in 1,000 running words, over 1,000, the mean over windows that start at every hundredth word.

Faithfulness: each figure and each number word (two to a hundred, compounds included) in a product's copy must occur in
its attributes, its name or its price. This finds an invented number; it cannot find an invented colour.

Chinese copy has no spaces between words: its similarity is of character 3-grams and its opening is four characters. A
number in it must be in the product as above, and one with a unit of the table must be there with that unit in English.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.sparse import triu
from sklearn.feature_extraction.text import CountVectorizer

from aigc_course import data

FOLDER = Path(__file__).resolve().parent.parent / "data" / "storefront"
START, END = "<!-- figures: python makers/storefront_card.py --save -->", "<!-- end of figures -->"
NEAR = 0.5  # a pair of texts above this similarity is called near-duplicate
KINDS = ("products", "headlines", "tickets", "articles", "questions", "hostile", "later", "episodes", "canaries")
SENTIMENTS = ("positive", "neutral", "negative")

UNITS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
)
NUMBERS = {word: n for n, word in enumerate([*UNITS.split(), "nineteen"], 2)}
TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
ONES = {"one": 1, **{word: n for word, n in NUMBERS.items() if n < 10}}

HAN = re.compile("[\u4e00-\u9fff]")
DIGITS_ZH = {**{digit: n for n, digit in enumerate("一二三四五六七八九", 1)}, "两": 2, "双": 2}
POWERS_ZH = {"十": 10, "百": 100, "千": 1000, "万": 10000}
NUMBER_ZH = re.compile(rf"\d+(?:\.\d+)?|[{''.join([*DIGITS_ZH, *POWERS_ZH])}]+")
UNITS_ZH = {
    "毫升": "ml", "升": "litres?", "毫米": "mm", "厘米": "cm", "米": "m", "英寸": "inches", "克": "g", "公斤": "kg",
    "分钟": "minutes", "小时": "hours", "个小时": "hours", "个月": "months", "年": "years", "岁": "years", "瓦": "W",
    "伏": "V", "牛米": "Nm", "℃": "°C", "分贝": "dB", "流明": "lumens", "杯": "cups", "欧元": "EUR",
}  # fmt: skip
UNIT_ZH = re.compile(rf" ?({'|'.join(sorted(UNITS_ZH, key=len, reverse=True))})")
# Superlatives that an advertisement in China must not hold, and words of health that no attribute supports.
FORBIDDEN_ZH = (
    "最 第一 国家级 世界级 顶级 顶尖 极致 极品 唯一 独一无二 绝无仅有 首选 绝对 永久 万能 百分之百 100% "
    "治疗 缓解 预防 保健 养生 助眠 护眼 护颈 抗菌 健康"
).split()


# --- texts ---------------------------------------------------------------------------------------------------


def records(kind: str) -> list[dict]:
    """The lines of one file, those too that `data.storefront` does not load."""
    lines = data.embedded(f"storefront/{kind}.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line.strip()]


def words(text: str) -> list[str]:
    return re.findall(r"\w+(?:['.,-]\w+)*", text.lower())


def grams(text: str, n: int = 5) -> set[str]:
    text = " ".join(text.lower().split())
    return {text[i : i + n] for i in range(max(1, len(text) - n + 1))}


def similarities(texts: list[str], n: int = 5) -> list[tuple[float, str, str]]:
    """(Jaccard index, text, text) of the pair that is most alike and of all over NEAR, the most similar first."""
    found = CountVectorizer(analyzer=lambda text: grams(text, n), binary=True).fit_transform(texts)
    both, sizes = triu(found @ found.T, k=1).tocoo(), np.asarray(found.sum(1)).ravel()
    index = both.data / (sizes[both.row] + sizes[both.col] - both.data)
    return [(index[i], texts[both.row[i]], texts[both.col[i]]) for i in first(index)]


def first(index: np.ndarray) -> list[int]:
    """Where the largest is, and all that are over NEAR, the largest first: of millions of pairs these are few."""
    over = np.flatnonzero(index >= min(NEAR, index.max()))
    return over[index[over].argsort()[::-1]].tolist()


def likeness(texts: list[str], others: list[str], n: int = 5) -> list[tuple[float, str, str]]:
    """(Jaccard index, text, other) of the pairs of two lists, as above."""
    grams_of = CountVectorizer(analyzer=lambda text: grams(text, n), binary=True).fit([*texts, *others])
    one, two = grams_of.transform(texts), grams_of.transform(others)
    both, sizes, other_sizes = (one @ two.T).tocoo(), np.asarray(one.sum(1)).ravel(), np.asarray(two.sum(1)).ravel()
    index = both.data / (sizes[both.row] + other_sizes[both.col] - both.data)
    return [(index[i], texts[both.row[i]], others[both.col[i]]) for i in first(index)]


def distinct(texts: list[str], n: int) -> float:
    tokens = [words(text) for text in texts]
    found = [tuple(w[i : i + n]) for w in tokens for i in range(len(w) - n + 1)]
    return len(set(found)) / len(found)


def type_token_ratio(texts: list[str], window: int = 1000, step: int = 100) -> float:
    running = [word for text in texts for word in words(text)]
    starts = range(0, max(1, len(running) - window + 1), step)
    ratios = [len(set(running[i : i + window])) / len(running[i : i + window]) for i in starts]
    return sum(ratios) / len(ratios)


def openings(texts: list[str]) -> int:
    """How many texts begin with three words with which another text begins as well."""
    counts = Counter(tuple(words(text)[:3]) for text in texts)
    return sum(count for count in counts.values() if count > 1)


def chinese_openings(texts: list[str]) -> int:
    """How many texts begin with four letters, digits or Chinese characters with which another begins as well."""
    counts = Counter(re.sub(r"\W", "", text)[:4] for text in texts)
    return sum(count for count in counts.values() if count > 1)


# --- faithfulness --------------------------------------------------------------------------------------------


def numbers(text: str) -> list[float]:
    """The numbers in a text, as figures or as words: "60 lamps", "sixty lamps", "sixty-two", "three hundred".

    "One" is left out, since it is a pronoun as often as a number.
    """
    found = []
    tokens = re.findall(r"\d+(?:\.\d+)?|[a-z]+", text.lower())
    i = 0
    while i < len(tokens):
        token, after = tokens[i], tokens[i + 1] if i + 1 < len(tokens) else ""
        i += 1
        if token[0].isdigit():
            found.append(float(token))
        elif token in TENS:
            found.append(float(TENS[token] + ONES.get(after, 0)))
            i += after in ONES
        elif after == "hundred" and token in ONES:
            found.append(100.0 * ONES[token])
            i += 1
        elif token in NUMBERS:
            found.append(float(NUMBERS[token]))
    return found


def unsupported(product: dict) -> list[tuple[float, str]]:
    """(number, copy) where a piece of copy holds a number that name, attributes and price do not."""
    source = " ".join([product["name"], *(f"{key}: {value}" for key, value in product["attributes"].items())])
    known = {*numbers(source.replace(":", " ")), float(product["price"])}
    return [(number, text) for text in product["copy"] for number in numbers(text) if number not in known]


# --- Chinese copy --------------------------------------------------------------------------------------------


def chinese_numbers(text: str) -> list[tuple[float, str]]:
    """(number, unit in English or "") in a Chinese text, as figures or numerals: "60 盏", "六十盏", "两年", "双灯".

    一 alone is left out, since it is an article as often as a number. A numeral in an idiom or in a weekday counts.
    """
    found = []
    for match in NUMBER_ZH.finditer(text):
        total = digit = 0
        if match[0][0].isdigit():
            total = float(match[0])
        elif set(match[0]) == {"一"}:
            continue
        else:
            for character in match[0]:
                if character in POWERS_ZH:
                    total, digit = total + (digit or 1) * POWERS_ZH[character], 0
                else:
                    digit = DIGITS_ZH[character]
        unit = UNIT_ZH.match(text, match.end())
        found.append((float(total + digit), UNITS_ZH[unit[1]] if unit else ""))
    return found


def chinese_unsupported(product: dict) -> list[tuple[float, str]]:
    """(number, copy) where a piece of Chinese copy holds a number, or one with that unit, that the product has not."""
    source = " ".join([product["name"], *product["attributes"].values(), f"{product['price']:g} EUR"])
    known = {*numbers(source.replace("twice", "two times"))}
    return [
        (number, text)
        for text in product["copy_zh"]
        for number, unit in chinese_numbers(text)
        if number not in known
        or unit
        and not re.search(rf"(?<![\d.]){number:g}(?: (?:x|to) [\d.]+)* ?{unit}\b", source)
    ]


def chinese_faults(product: dict) -> list[str]:
    """What of the card's rules the Chinese copy of a product breaks, a word for each."""
    texts = product["copy_zh"]
    if not (isinstance(texts, list) and len(texts) == 2 and all(isinstance(t, str) and t == t.strip() for t in texts)):
        return ["format"]
    beside = r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9%+℃][\u4e00-\u9fff]|  "
    broken = {
        "length": any(not 40 <= len(HAN.findall(text)) <= 90 for text in texts),
        "brand": not any(product["name"].split()[0] in text for text in texts),
        "simplified": any(text.encode("gb2312", "ignore").decode("gb2312") != text for text in texts),
        "punctuation": any(re.search(r"[,;:!?()\"']|\.(?!\d)|[^。！？”]$", text) for text in texts),
        "spaces": any(re.search(beside, text) for text in texts),
        "forbidden": any(word in text for word in FORBIDDEN_ZH for text in texts),
        "numbers": bool(chinese_unsupported(product)),
    }
    return [name for name, found in broken.items() if found]


# --- the card ------------------------------------------------------------------------------------------------


def texts_of(records: dict[str, list[dict]]) -> dict[str, list[str]]:
    return {
        "copy of products": [text for product in records["products"] for text in product["copy"]],
        "titles of headlines": [headline["title"] for headline in records["headlines"]],
        "texts of tickets": [ticket["text"] for ticket in records["tickets"]],
        "replies of tickets": [ticket["reply"] for ticket in records["tickets"] if "reply" in ticket],
        "articles": [article["body"] for article in records["articles"]],
        "ways of asking": [asked for article in records["articles"] for asked in article["asked"]],
        "questions": [question["text"] for question in records["questions"]],
        "hostile texts": [ticket["text"] for ticket in records["hostile"]],
        "later titles": [headline["title"] for headline in records["later"]],
    }


def listing(counts: Counter) -> str:
    """Names with the same count together, the largest first: "7 each of a, b; 6 each of c"."""
    groups: dict[int, list[str]] = {}
    for name, count in sorted(counts.items()):
        groups.setdefault(count, []).append(name)
    return "; ".join(f"{count} each of {', '.join(groups[count])}" for count in sorted(groups, reverse=True))


def against(texts: list[str], others: list[str]) -> str:
    """The largest similarity of a text with one of others, and how many pairs are near-duplicates."""
    pairs = likeness(texts, others)
    return f"{pairs[0][0]:.2f}; pairs over {NEAR}: {sum(index > NEAR for index, _, _ in pairs)}"


def card(records: dict[str, list[dict]]) -> str:
    products, headlines, tickets = records["products"], records["headlines"], records["tickets"]
    entities = [pair for headline in headlines for pair in headline["entities"].items()]
    several = [set(headline["entities"].values()) for headline in headlines if len(headline["entities"]) > 1]
    sentiments = Counter(sentiment for _, sentiment in entities)
    shares = ", ".join(f"{s} {sentiments[s]} ({sentiments[s] / len(entities):.1%})" for s in SENTIMENTS)
    companies = Counter(company for company, _ in entities)
    mentioned = [number for product in products for text in product["copy"] for number in numbers(text)]
    sizes = [len(product["attributes"]) for product in products]
    prices = sorted(product["price"] for product in products)
    n_wrong = sum(len(unsupported(product)) for product in products)
    n_replies = sum("reply" in ticket for ticket in tickets)
    days = sorted(headline["date"] for headline in headlines)
    later = [pair for headline in records["later"] for pair in headline["entities"].items()]
    answering = Counter(ticket["article"] for ticket in tickets)
    chinese = [product for product in products if "copy_zh" in product]
    in_chinese = [text for product in chinese for text in product["copy_zh"]]
    lengths = [len(HAN.findall(text)) for text in in_chinese]
    columns = texts_of(records)
    asked, questions, texts = columns["ways of asking"], columns["questions"], columns["texts of tickets"]
    by_article: dict[str, list[str]] = {}
    for question in records["questions"]:
        by_article.setdefault(question["article"], []).append(question["text"])
    each = sorted({len(found) for found in by_article.values()})
    n_words = [len(text.split()) for text in questions]
    counts = {
        "products": f"{len(products):,}, each with two pieces of copy",
        "products by category": listing(Counter(product["category"] for product in products)),
        "attributes of a product": f"{min(sizes)} to {max(sizes)}, mean {sum(sizes) / len(sizes):.1f}",
        "prices, EUR": f"{prices[0]:.2f} to {prices[-1]:.2f}",
        "numbers in copy": f"{len(mentioned):,}; not in attributes, name or price: {n_wrong}",
        "products with Chinese copy": f"{len(chinese)}: {listing(Counter(p['category'] for p in chinese))}",
        "Chinese copy": f"{len(in_chinese)} texts of {min(lengths)} to {max(lengths)} Chinese characters, mean "
        f"{sum(lengths) / len(lengths):.1f}; that share their first four: {chinese_openings(in_chinese)}",
        "largest similarity of two Chinese texts": f"{similarities(in_chinese, 3)[0][0]:.2f}",
        "numbers in Chinese copy": f"{sum(len(chinese_numbers(text)) for text in in_chinese)}; not in attributes, "
        f"name or price: {sum(len(chinese_unsupported(product)) for product in chinese)}",
        "headlines": f"{len(headlines):,}; with two or more companies: {len(several)}",
        "headlines with unequal sentiments": f"{sum(len(s) > 1 for s in several)}; "
        f"positive and negative in one: {sum({'positive', 'negative'} <= s for s in several)}",
        "companies": f"{len(companies)}, each named {min(companies.values())} to {max(companies.values())} times",
        "entities by sentiment": f"{len(entities)}: {shares}",
        "dates of headlines": f"{days[0]} to {days[-1]}, {len(set(days))} days",
        "headlines by topic": listing(Counter(headline["topic"] for headline in headlines)),
        "episodes": f"{len(records['episodes'])}, of {listing(Counter(e['direction'] for e in records['episodes']))}",
        "later headlines": f"{len(records['later'])}; entities: {listing(Counter(s for _, s in later))}",
        "tickets": f"{len(tickets):,}; with a reply: {n_replies}; each with the article that answers it",
        "tickets by intent": listing(Counter(ticket["intent"] for ticket in tickets)),
        "tickets of a kind": listing(Counter(ticket["kind"] for ticket in tickets if "kind" in ticket)),
        "articles": f"{len(records['articles'])}; that answer a ticket: {len(answering)}; most tickets of one: "
        f"{max(answering.values())}",
        "articles by section": listing(Counter(article["section"] for article in records["articles"])),
        "questions": f"{len(questions):,}; for each of {len(by_article)} articles: {' to '.join(map(str, each))}; "
        f"of {min(n_words)} to {max(n_words)} words",
        "questions of one article that share their first three words": f"{sum(map(openings, by_article.values()))}",
        "largest similarity of a question and a way of asking": against(questions, asked),
        "largest similarity of a question and a ticket's text": against(questions, texts),
        "largest similarity of a question and a hostile text": against(questions, columns["hostile texts"]),
        "largest similarity of a way of asking and a ticket's text": against(asked, texts),
        "hostile tickets": listing(Counter(ticket["kind"] for ticket in records["hostile"])),
        "planted texts": listing(Counter(canary["where"] for canary in records["canaries"])),
    }
    rows = ["| count | |", "|---|---|", *(f"| {name} | {value} |" for name, value in counts.items()), ""]

    rows += [f"| measure | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    pairs = {name: similarities(texts) for name, texts in columns.items()}
    measures = {
        "texts": lambda name, texts: f"{len(texts):,}",
        "words": lambda name, texts: f"{sum(len(words(text)) for text in texts):,}",
        "mean words": lambda name, texts: f"{sum(len(words(text)) for text in texts) / len(texts):.1f}",
        "exact duplicates": lambda name, texts: f"{len(texts) - len({' '.join(t.lower().split()) for t in texts})}",
        "largest similarity of two texts": lambda name, texts: f"{pairs[name][0][0]:.2f}",
        f"pairs with a similarity over {NEAR}": lambda name, texts: f"{sum(s > NEAR for s, _, _ in pairs[name])}",
        "texts that share their first three words": lambda name, texts: f"{openings(texts)}",
        "distinct-1": lambda name, texts: f"{distinct(texts, 1):.3f}",
        "distinct-2": lambda name, texts: f"{distinct(texts, 2):.3f}",
        "type-token ratio in 1,000 words": lambda name, texts: f"{type_token_ratio(texts):.3f}",
    }
    for measure, figure in measures.items():
        rows.append(f"| {measure} | {' | '.join(figure(name, texts) for name, texts in columns.items())} |")
    return "\n".join(rows)


def checksums(folder: Path = FOLDER) -> str:
    """Bytes and SHA-256 of the files with the line ends of the repository, whatever a checkout made of them."""
    rows = ["| file | bytes | SHA-256 |", "|---|--:|---|"]
    for kind in KINDS:
        content = (folder / f"{kind}.jsonl").read_bytes().replace(b"\r\n", b"\n")
        rows.append(f"| `{kind}.jsonl` | {len(content):,} | `{hashlib.sha256(content).hexdigest()}` |")
    return "\n".join(rows)


def tables() -> str:
    return f"{checksums()}\n\n{card({kind: records(kind) for kind in KINDS})}"


def in_card(readme: str) -> str:
    """The tables as the card has them."""
    if readme.count(START) != 1 or readme.count(END) != 1:
        raise ValueError(f"the card must hold the lines {START} and {END} once each")
    return readme.split(START)[1].split(END)[0].strip()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Figures of the storefront data's card.")
    parser.add_argument("--save", action="store_true", help="write the tables into the card")
    parser.add_argument("--check", action="store_true", help="exit 1 where the card's tables are others")
    options = parser.parse_args(arguments)
    path = FOLDER / "README.md"
    now = tables()
    print(now)
    if options.save:
        before, after = path.read_text(encoding="utf-8").split(START)[0], path.read_text(encoding="utf-8").split(END)[1]
        path.write_text(f"{before}{START}\n\n{now}\n\n{END}{after}", encoding="utf-8", newline="\n")
    if options.check and in_card(path.read_text(encoding="utf-8")) != now:
        print("data/storefront/README.md is out of step: python makers/storefront_card.py --save", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
