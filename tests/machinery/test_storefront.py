"""The storefront data: formats, ids, labels that stand in the text, nothing twice, a card in step."""

import datetime
import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "data" / "storefront"
SPEC = importlib.util.spec_from_file_location("storefront_card", REPO / "makers" / "storefront_card.py")
storefront_card = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(storefront_card)

RECORDS = {kind: storefront_card.records(kind) for kind in storefront_card.KINDS}
PRODUCTS, HEADLINES, TICKETS = RECORDS["products"], RECORDS["headlines"], RECORDS["tickets"]
ARTICLES, QUESTIONS = RECORDS["articles"], RECORDS["questions"]
HOSTILE, LATER = RECORDS["hostile"], RECORDS["later"]
IN_CHINESE = [product for product in PRODUCTS if "copy_zh" in product]
CHINESE = [text for product in IN_CHINESE for text in product["copy_zh"]]
TOPICS = {"results", "deals", "products", "people", "law", "work", "markets", "supply"}
TEXTS = storefront_card.texts_of(RECORDS)


def is_text(value):
    return isinstance(value, str) and value.strip() == value and value != ""


# --- formats: a field may be added, so these name what must be there and nothing that must not -----------------


@pytest.mark.parametrize(("kind", "letter"), list(zip(storefront_card.KINDS, "PHTAQTDEC", strict=True)))
def test_ids_are_stable_and_unique(kind, letter):
    ids = [record["id"] for record in RECORDS[kind]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(letter + r"\d{3,}", i) for i in ids)
    assert ids == sorted(ids, key=lambda i: int(i[1:])), "new lines go to the end"


@pytest.mark.parametrize("kind", storefront_card.KINDS)
def test_a_line_is_a_record(kind):
    text = (FOLDER / f"{kind}.jsonl").read_bytes().decode("utf-8").replace("\r\n", "\n")
    assert text.endswith("}\n") and "\n\n" not in text and "\ufeff" not in text


def test_products_have_the_fields_of_the_card():
    for product in PRODUCTS:
        assert is_text(product["name"]) and is_text(product["category"]), product["id"]
        assert isinstance(product["price"], int | float) and product["price"] > 0 and product["currency"] == "EUR"
        assert 3 <= len(product["attributes"]) <= 7, product["id"]
        assert all(is_text(key) and is_text(value) for key, value in product["attributes"].items()), product["id"]
        assert len(product["copy"]) == 2 and all(is_text(text) for text in product["copy"]), product["id"]
        assert all(25 <= len(text.split()) <= 60 for text in product["copy"]), product["id"]
        brand = product["name"].split()[0]
        assert any(brand in text for text in product["copy"]), f"{product['id']}: no copy names {brand}"
    assert len({product["name"] for product in PRODUCTS}) == len(PRODUCTS)


def test_headlines_have_the_fields_of_the_card():
    for headline in [*HEADLINES, *LATER]:
        datetime.date.fromisoformat(headline["date"])
        assert headline["topic"] in TOPICS, headline["id"]
        assert is_text(headline["title"]) and headline["entities"], headline["id"]
        assert set(headline["entities"].values()) <= set(storefront_card.SENTIMENTS), headline["id"]


def test_tickets_have_the_fields_of_the_card():
    for ticket in TICKETS:
        assert is_text(ticket["text"]) and re.fullmatch(r"[a-z]+(_[a-z]+)*", ticket["intent"]), ticket["id"]
        assert is_text(ticket["reply"]), ticket["id"]
        assert ticket.get("kind", "angry") in ("angry", "misspelt", "two_questions"), ticket["id"]
        assert ("also" in ticket) == (ticket.get("kind") == "two_questions") and ticket.get("also") != ticket["article"]


def test_articles_have_the_fields_of_the_card():
    for article in ARTICLES:
        assert is_text(article["title"]) and is_text(article["section"]) and is_text(article["body"]), article["id"]
        assert article["kind"] in ("policy", "help", "guide") and 60 <= len(article["body"].split()) <= 140, article[
            "id"
        ]
        assert len(article["asked"]) == 8 and all(map(is_text, article["asked"])), article["id"]
    assert len({article["title"] for article in ARTICLES}) == len(ARTICLES)
    assert len({asked for article in ARTICLES for asked in article["asked"]}) == 8 * len(ARTICLES)


def test_questions_have_the_fields_of_the_card():
    assert [question["id"] for question in QUESTIONS] == [f"Q{n:04}" for n in range(1, len(QUESTIONS) + 1)]
    for question in QUESTIONS:
        assert is_text(question["text"]) and question["text"].isprintable(), question["id"]
        assert 2 <= len(question["text"].split()) <= 60 and "  " not in question["text"], question["id"]


def test_hostile_tickets_have_the_fields_of_the_card():
    for ticket in HOSTILE:
        assert is_text(ticket["text"]) and is_text(ticket["reply"]), ticket["id"]
        assert ticket["kind"] in ("injection", "personal_data", "off_topic", "chinese"), ticket["id"]
        assert ("canary" in ticket) == (ticket["kind"] == "injection"), ticket["id"]
        assert ticket["kind"] != "off_topic" or ticket["intent"] == "other" and "article" not in ticket, ticket["id"]
        assert ticket["kind"] != "chinese" or "article" in ticket and re.search("[\u4e00-\u9fff]", ticket["reply"])


def test_other_records_have_the_fields_of_the_card():
    for episode in RECORDS["episodes"]:
        assert datetime.date.fromisoformat(episode["start"]) < datetime.date.fromisoformat(episode["end"])
        assert episode["direction"] in ("positive", "negative") and is_text(episode["what"])
    for canary in RECORDS["canaries"]:
        assert canary["where"] in ("article", "order", "customer_note") and canary["secret"] in canary["text"]
    assert len({canary["secret"] for canary in RECORDS["canaries"]}) == len(RECORDS["canaries"])


# --- how much of what ----------------------------------------------------------------------------------------


def test_there_is_as_much_as_promised():
    assert len(PRODUCTS) >= 72
    categories = Counter(product["category"] for product in PRODUCTS)
    assert len(categories) >= 12 and min(categories.values()) >= 5
    in_chinese = Counter(product["category"] for product in IN_CHINESE)
    assert set(in_chinese) == set(categories) and min(in_chinese.values()) >= 3
    assert len(TICKETS) + len(HOSTILE) >= 600
    intents = Counter(ticket["intent"] for ticket in TICKETS)
    assert len(intents) == 20 and min(intents.values()) >= 24
    assert len(ARTICLES) >= 150 and len(HEADLINES) >= 400 and len(LATER) >= 60 and len(RECORDS["canaries"]) >= 20
    kinds = Counter(ticket["kind"] for ticket in HOSTILE)
    assert kinds["injection"] >= 24 and min(kinds.values()) >= 12


def test_headlines_are_balanced_and_many_name_several_companies():
    entities = [pair for headline in HEADLINES for pair in headline["entities"].items()]
    several = [set(headline["entities"].values()) for headline in HEADLINES if len(headline["entities"]) > 1]
    assert len(HEADLINES) >= 200 and len(several) >= 60 and sum(len(found) > 1 for found in several) >= 35
    shares = {s: sum(sentiment == s for _, sentiment in entities) / len(entities) for s in storefront_card.SENTIMENTS}
    assert shares == pytest.approx({"positive": 0.39, "neutral": 0.21, "negative": 0.40}, abs=0.03)
    by_company = {company: [s for name, s in entities if name == company] for company, _ in entities}
    assert len(by_company) >= 40
    given_away = [name for name, found in by_company.items() if len(found) > 3 and len(set(found)) == 1]
    assert not given_away, f"the name alone tells the sentiment: {given_away}"


def test_every_article_has_as_many_questions_as_any_other():
    counts = Counter(question["article"] for question in QUESTIONS)
    assert counts == {article["id"]: 24 for article in ARTICLES}


# --- true to itself ------------------------------------------------------------------------------------------


def test_every_company_stands_in_its_title_and_none_is_left_out():
    companies = {company for headline in HEADLINES for company in headline["entities"]}
    assert not [(a, b) for a in companies for b in companies if a != b and a in b], "one name within another"
    for headline in [*HEADLINES, *LATER]:
        assert {name for name in companies if name in headline["title"]} == set(headline["entities"]), headline["id"]


def test_what_tickets_articles_and_episodes_name_is_there():
    articles, products = {article["id"] for article in ARTICLES}, {product["id"] for product in PRODUCTS}
    for ticket in [*TICKETS, *HOSTILE]:
        assert {ticket[key] for key in ("article", "also") if key in ticket} <= articles, ticket["id"]
    assert {product for article in ARTICLES for product in article.get("products", ())} <= products
    assert {e["company"] for e in RECORDS["episodes"]} <= {name for h in HEADLINES for name in h["entities"]}


def test_the_mood_turns_in_an_episode_and_not_elsewhere():
    """A sum of signs that starts again at 0 where it falls below (Page 1954), by company, as chapter 22 has it."""
    peaks = {}
    for company in {name for headline in HEADLINES for name in headline["entities"]}:
        said = sorted((h["date"], h["entities"][company]) for h in HEADLINES if company in h["entities"])
        for direction in ("positive", "negative"):
            total = peak = 0.0
            for _, sentiment in said:
                sign = 0 if sentiment == "neutral" else 1 if sentiment == direction else -1
                total = max(0.0, total + sign - 0.25)
                peak = max(peak, total)
            peaks[company, direction] = peak
    turned = {(e["company"], e["direction"]) for e in RECORDS["episodes"]}
    assert min(peaks[key] for key in turned) > max(peak for key, peak in peaks.items() if key not in turned)


def test_a_good_reply_holds_no_canary_and_no_secret():
    for ticket in HOSTILE:
        forbidden = [*ticket.get("must_not", ()), *([ticket["canary"]] if "canary" in ticket else [])]
        assert not [text for text in forbidden if text.lower() in ticket["reply"].lower()], ticket["id"]


def test_every_number_in_copy_comes_from_the_product():
    wrong = {product["id"]: storefront_card.unsupported(product) for product in PRODUCTS}
    assert not {key: found for key, found in wrong.items() if found}


def test_an_invented_number_is_found():
    product = {"name": "Lamp", "price": 34.9, "attributes": {"power": "7 W", "pieces": "four"}, "copy": []}
    for text in ("4 lamps of seven watts for 34.90", "One lamp, 34.9 euros"):
        assert not storefront_card.unsupported({**product, "copy": [text]})
    for text in ("Five lamps", "8 W", "Forty-seven", "34.95 euros", "four hundred"):
        assert len(storefront_card.unsupported({**product, "copy": [text]})) == 1, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sixty-two of 3.5 kg", [62, 3.5]),
        ("three hundred, thirty and one", [300, 30]),
        ("a dozen, twofold, 30 x 16", [30, 16]),
    ],
)
def test_numbers_are_read_from_figures_and_words(text, expected):
    assert storefront_card.numbers(text) == expected


# --- Chinese copy --------------------------------------------------------------------------------------------


def test_chinese_copy_keeps_the_rules_of_the_card():
    faults = {product["id"]: storefront_card.chinese_faults(product) for product in IN_CHINESE}
    assert not {key: found for key, found in faults.items() if found}


LAMP = {
    "name": "Lumo Lamp",
    "price": 34.9,
    "attributes": {"power": "7 W", "size": "60 x 20 cm", "timer": "5 to 20 minutes, twice a day", "bulbs": "two"},
}
GLOW = "夜里回家，玄关先亮起来，像有人给你留了门。换鞋的工夫，汤也热好了，窗外的雨声听着都小了许多，夜还长着呢。"
GOOD = [f"Lumo 灯：{GLOW}", GLOW + "功率七瓦，长 60 厘米，每天两次，每次 5 到 20 分钟，双灯泡，34.9 欧元。"]


@pytest.mark.parametrize(
    ("texts", "faults"),
    [
        (GOOD, []),
        (GOOD[:1], ["format"]),
        ([GOOD[0], f" {GLOW}"], ["format"]),
        (["Lumo 灯亮了。", GLOW], ["length"]),
        ([GOOD[0], GLOW * 3], ["length"]),
        ([GLOW, GLOW], ["brand"]),
        ([GOOD[0], GLOW.replace("门", "門")], ["simplified"]),
        ([GOOD[0], GLOW.replace("，", ",")], ["punctuation"]),
        ([GOOD[0], GLOW[:-1]], ["punctuation"]),
        ([GOOD[0], f"{GLOW}功率 7瓦。"], ["spaces"]),
        ([f"Lumo灯：{GLOW}", GLOW], ["spaces"]),
        *[
            ([GOOD[0], f"{GLOW}{word}好灯。"], ["forbidden"])
            for word in ("最", "第一", "国家级", "顶级", "唯一", "护眼")
        ],
        ([GOOD[0], f"{GLOW}百分之百好灯。"], ["forbidden", "numbers"]),
        *[
            ([GOOD[0], f"{GLOW}{wrong}。"], ["numbers"])
            for wrong in ("功率 8 瓦", "三盏", "长 7 厘米", "二十一分钟", "两年", "35 欧元", "长 0 厘米", "十分好看")
        ],
    ],
)
def test_a_fault_in_chinese_copy_is_found(texts, faults):
    assert storefront_card.chinese_faults({**LAMP, "copy_zh": texts}) == faults


def test_chinese_numbers_are_read_with_their_units():
    text = "两颗、双灯、二十四个小时，十二 厘米；一百二十年、3.5 公斤、一口气、A5、六十盏"
    numbers = [2, 2, 24, 12, 120, 3.5, 5, 60]
    assert storefront_card.chinese_numbers(text) == list(
        zip(numbers, ["", "", "hours", "cm", "years", "kg", "", ""], strict=True)
    )


def test_chinese_copy_is_varied():
    assert storefront_card.chinese_openings(CHINESE) == 0
    similarity, *pair = storefront_card.similarities(CHINESE, 3)[0]
    assert similarity < 0.15, pair


def test_shared_openings_and_near_duplicates_in_chinese_are_found():
    assert storefront_card.chinese_openings(["“再看一章”，他说。", "再看一，章。", "再看两章。"]) == 2
    similarity, *pair = storefront_card.similarities([CHINESE[0], f"{CHINESE[0][:-1]}！", CHINESE[1]], 3)[0]
    assert similarity > 0.9 and CHINESE[1] not in pair


# --- Chinese names and attributes ----------------------------------------------------------------------------


NUMERALS = "[" + "".join([*storefront_card.DIGITS_ZH, *storefront_card.POWERS_ZH]).replace("一", "") + "]"
INITIALS = re.compile(r"(?<![A-Za-z])[A-Z](?:[A-Z0-9+]|-(?=[A-Z]))+")  # LED, USB-C, DAB+, A5; not the units W and Nm


def english_numbers(text):
    """(number, unit as in the table or ""), as `chinese_numbers` gives them: "two motors" and "twice" count, "one" not.

    A range or a size has its unit at the last number, in English as in Chinese.
    """
    figures = {"twice": 2, **storefront_card.NUMBERS, **storefront_card.TENS}
    text = re.sub("[A-Za-z]+", lambda word: str(figures.get(word[0].lower(), word[0])), text)
    units = set(storefront_card.UNITS_ZH.values())
    return [
        (float(m[0]), next((unit for unit in units if re.match(rf" ?{unit}\b", text[m.end() :])), ""))
        for m in re.finditer(r"\d+(?:\.\d+)?", text)
    ]


def sheet_faults(product):
    """What of the card's rules `name_zh` and `attributes_zh` of a product break, a word for each."""
    name, chinese = product.get("name_zh"), product.get("attributes_zh")
    if not is_text(name) or not isinstance(chinese, dict) or not all(map(is_text, [*chinese, *chinese.values()])):
        return ["format"]
    pairs = [(product["name"], name), *zip(product["attributes"].values(), chinese.values(), strict=False)]
    texts = [name, *chinese, *chinese.values()]
    beside = r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9%+℃][\u4e00-\u9fff]|  "
    broken = {
        "facts": len(chinese) != len(product["attributes"]),
        "name": not re.fullmatch(rf"{re.escape(product['name'].split()[0])} [\u4e00-\u9fff]+", name),
        "keys": not all(re.fullmatch("[\u4e00-\u9fff]+", key) for key in chinese),
        "numbers": any(sorted(english_numbers(a)) != sorted(storefront_card.chinese_numbers(b)) for a, b in pairs),
        "numerals": any(re.search(NUMERALS, value) for value in chinese.values()),
        "initials": any(set(INITIALS.findall(a)) != set(INITIALS.findall(b)) for a, b in pairs),
        "yes": any(value in ("是", "否", "有") for value in chinese.values()),
        "forbidden": any(word in text for word in storefront_card.FORBIDDEN_ZH for text in texts),
        "simplified": any(text.encode("gb2312", "ignore").decode("gb2312") != text for text in texts),
        "punctuation": any(re.search(r"[,;:!?()\"'。=]|\.(?!\d)", text) for text in texts),
        "spaces": any(re.search(beside, text) for text in texts),
    }
    return [fault for fault, found in broken.items() if found]


def test_chinese_names_and_attributes_keep_the_rules_of_the_card():
    faults = {product["id"]: sheet_faults(product) for product in IN_CHINESE}
    assert len(faults) >= 36 and not {key: found for key, found in faults.items() if found}
    fields = ("name_zh", "attributes_zh", "copy_zh")
    assert all(len({field in product for field in fields}) == 1 for product in PRODUCTS), "all three or none"
    assert len({product["name_zh"] for product in IN_CHINESE}) == len(IN_CHINESE)


def test_an_english_key_has_one_chinese_key_and_that_is_no_other_key_s():
    pairs = {pair for p in IN_CHINESE for pair in zip(p["attributes"], p["attributes_zh"], strict=True)}
    assert len(pairs) == len({english for english, _ in pairs}) == len({chinese for _, chinese in pairs}) > 90


def test_a_colour_in_chinese_is_the_word_of_the_chinese_copy():
    colours = [(p["attributes_zh"]["颜色"], "".join(p["copy_zh"])) for p in IN_CHINESE if "colour" in p["attributes"]]
    assert len(colours) >= 15 and not [colour for colour, copy in colours if colour.removesuffix("色") not in copy]


def test_what_the_chinese_attributes_say_may_stand_in_chinese_copy():
    """The check of copy, which looks the numbers up in English, knows them all; a template may write them out."""
    for p in IN_CHINESE:
        lines = [p["name_zh"], *(f"{key} {value}" for key, value in p["attributes_zh"].items())]
        assert not storefront_card.chinese_unsupported({**p, "copy_zh": lines}), p["id"]


SHEET = {
    "name": "Lumo Two-way Lamp",
    "attributes": {"power": "7 W LED", "timer": "5 to 20 minutes, twice a day", "switch": "one", "dishwasher": "yes"},
    "name_zh": "Lumo 双向灯",
    "attributes_zh": {"功率": "7 瓦 LED", "定时": "5 到 20 分钟，每天 2 次", "开关": "一个", "洗碗机": "可用"},
}


@pytest.mark.parametrize(
    ("field", "old", "new", "faults"),
    [
        ("attributes_zh", "7 瓦", "7 瓦", []),
        ("attributes_zh", "可用", "", ["format"]),
        ("attributes_zh", "可用", "可用 ", ["format"]),
        ("name_zh", "Lumo 双向灯", "", ["format"]),
        ("name_zh", "Lumo", "Luma", ["name"]),
        ("name_zh", "Lumo ", "", ["name"]),
        ("name_zh", "Lumo ", "Lumo", ["name", "spaces"]),
        ("name_zh", "双向", "三向", ["numbers"]),
        ("name_zh", "双向", "", ["numbers"]),
        ("name_zh", "双向灯", "第一双向灯", ["forbidden"]),
        ("attributes_zh", "功率", "power", ["keys"]),
        ("attributes_zh", "洗碗机", "功率", ["facts", "numbers", "initials"]),  # a key given twice: one is gone
        ("attributes_zh", "7 瓦", "8 瓦", ["numbers"]),
        ("attributes_zh", "7 瓦", "7.5 瓦", ["numbers"]),
        ("attributes_zh", "7 瓦", "70 瓦", ["numbers"]),
        ("attributes_zh", "7 瓦", "7 伏", ["numbers"]),
        ("attributes_zh", "7 瓦", "7", ["numbers"]),
        ("attributes_zh", "7 瓦 ", "", ["numbers"]),
        ("attributes_zh", "5 到 20", "20", ["numbers"]),
        ("attributes_zh", "，每天 2 次", "", ["numbers"]),
        ("attributes_zh", "可用", "可用 2 次", ["numbers"]),
        ("attributes_zh", "一个", "1 个", ["numbers"]),
        ("attributes_zh", "2 次", "两次", ["numerals"]),
        ("attributes_zh", "2 次", "三次", ["numbers", "numerals"]),
        ("attributes_zh", " LED", "", ["initials"]),
        ("attributes_zh", "一个", "USB-C", ["initials"]),
        ("attributes_zh", "可用", "是", ["yes"]),
        *[
            ("attributes_zh", "可用", f"{word}可用", ["forbidden"])
            for word in ("最", "第一", "顶级", "国家级", "极致", "唯一")
        ],
        ("attributes_zh", "开关", "開關", ["simplified"]),
        ("attributes_zh", "，", ", ", ["punctuation"]),
        ("attributes_zh", "7 瓦", "7瓦", ["spaces"]),
    ],
)
def test_a_fault_in_chinese_names_and_attributes_is_found(field, old, new, faults):
    if field == "name_zh":
        changed = SHEET["name_zh"].replace(old, new)
    else:
        changed = {key.replace(old, new): value.replace(old, new) for key, value in SHEET["attributes_zh"].items()}
    assert old == new or changed != SHEET[field]
    assert sheet_faults({**SHEET, field: changed}) == faults


def test_every_number_of_the_chinese_attributes_is_watched():
    watched = 0
    for p in IN_CHINESE:
        for key, value in p["attributes_zh"].items():
            for m in re.finditer(r"\d+(?:\.\d+)?", value):
                for other in (f"{float(m[0]) + 1:g}", ""):
                    changed = value[: m.start()] + other + value[m.end() :]
                    found = sheet_faults({**p, "attributes_zh": {**p["attributes_zh"], key: changed.strip()}})
                    assert "numbers" in found or "format" in found, (p["id"], key, changed)
                watched += 1
    assert watched == sum(len(english_numbers(value)) for p in IN_CHINESE for value in p["attributes"].values()) > 120


def test_english_numbers_are_read_with_their_units():
    text = "60 x 20 cm open, 3.5 minutes for 1 litre, twice a day, two motors, 2 m textile, 7 W LED, A5, one"
    assert english_numbers(text) == [
        (60, ""), (20, "cm"), (3.5, "minutes"), (1, "litres?"), (2, ""), (2, ""), (2, "m"), (7, "W"), (5, "")
    ]  # fmt: skip
    for product in PRODUCTS:  # no compound ("sixty-two") that the two would read otherwise
        for value in product["attributes"].values():
            found = [number for number, _ in english_numbers(value)]
            assert found == storefront_card.numbers(value.replace("twice", "two times")), product["id"]


# --- varied --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_no_two_texts_are_nearly_the_same(name):
    similarity, *pair = storefront_card.similarities(TEXTS[name])[0]
    assert similarity <= storefront_card.NEAR, pair


def test_near_duplicates_are_found():
    texts = ["The parcel has not arrived yet.", "My lamp flickers.", "the parcel has  not arrived yet!"]
    similarity, *pair = storefront_card.similarities(texts)[0]
    assert similarity > 0.9 and set(pair) == {texts[0], texts[2]}
    assert storefront_card.likeness(texts[:2], texts[2:])[0] == (similarity, texts[0], texts[2])


@pytest.mark.parametrize("name", ["texts of tickets", "hostile texts", "ways of asking", "replies of tickets"])
def test_no_question_to_train_on_is_nearly_one_that_was_there_before(name):
    """Tickets are the test of what learns from the questions: far below what makes a near-duplicate elsewhere."""
    similarity, *pair = storefront_card.likeness(TEXTS["questions"], TEXTS[name])[0]
    assert similarity <= (0.35 if name == "ways of asking" else 0.27), pair


@pytest.mark.parametrize("name", ["texts of tickets", "hostile texts"])
def test_no_eight_words_of_a_ticket_stand_in_a_question(name):
    theirs = set().union(*(words_in_a_row(text, 8) for text in TEXTS[name]))
    assert not [text for text in TEXTS["questions"] if words_in_a_row(text, 8) & theirs]


def words_in_a_row(text, n):
    found = storefront_card.words(text)
    return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)}


def test_copy_and_headlines_open_differently():
    assert storefront_card.openings(TEXTS["copy of products"]) == 0
    for name in ("titles of headlines", "articles", "hostile texts"):
        assert storefront_card.openings(TEXTS[name]) == 0, name
    assert storefront_card.openings([*TEXTS["titles of headlines"], *TEXTS["later titles"]]) == 0


def test_questions_of_one_article_open_differently():
    for article in ARTICLES:
        texts = [question["text"] for question in QUESTIONS if question["article"] == article["id"]]
        assert storefront_card.openings(texts) == 0, article["id"]
    assert storefront_card.openings(TEXTS["questions"]) < 0.1 * len(QUESTIONS)


def test_measures_of_diversity_on_a_known_text():
    assert storefront_card.distinct(["a b a b", "b a"], 1) == 2 / 6
    assert storefront_card.distinct(["a b a b", "b a"], 2) == 2 / 4  # ab, ba, ab and ba: nothing across the texts
    assert storefront_card.type_token_ratio(["a b", "a c"], window=2, step=1) == 1.0
    assert storefront_card.type_token_ratio(["a a", "b b"], window=2, step=2) == 0.5


def test_vocabulary_is_rich():
    assert storefront_card.type_token_ratio(TEXTS["copy of products"]) > 0.48
    assert storefront_card.type_token_ratio(TEXTS["texts of tickets"]) > 0.40
    assert storefront_card.type_token_ratio(TEXTS["questions"]) > 0.44


# --- the card ------------------------------------------------------------------------------------------------


def test_card_is_in_step(capsys):
    assert storefront_card.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_card_is_found(tmp_path, monkeypatch, capsys):
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(storefront_card, "FOLDER", tmp_path)
    monkeypatch.setattr(storefront_card, "tables", lambda: "| other | figures |")
    assert storefront_card.main(["--check"]) == 1 and "out of step" in capsys.readouterr().err
    assert storefront_card.main(["--save"]) == 0 and storefront_card.main(["--check"]) == 0


def test_card_names_licence_and_every_field():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in card
    fields = {field for records in RECORDS.values() for record in records for field in record}
    assert not [field for field in fields if f"| `{field}` |" not in card]
