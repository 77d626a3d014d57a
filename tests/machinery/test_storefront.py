"""The storefront data: formats, ids, labels that stand in the text, nothing twice, a card in step."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

from aigc_course import data

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "data" / "storefront"
SPEC = importlib.util.spec_from_file_location("storefront_card", REPO / "makers" / "storefront_card.py")
storefront_card = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(storefront_card)

RECORDS = {kind: data.storefront(kind) for kind in storefront_card.KINDS}
PRODUCTS, HEADLINES, TICKETS = RECORDS["products"], RECORDS["headlines"], RECORDS["tickets"]
TEXTS = storefront_card.texts_of(RECORDS)


def is_text(value):
    return isinstance(value, str) and value.strip() == value and value != ""


# --- formats: a field may be added, so these name what must be there and nothing that must not -----------------


@pytest.mark.parametrize(("kind", "letter"), [("products", "P"), ("headlines", "H"), ("tickets", "T")])
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
    for headline in HEADLINES:
        assert is_text(headline["title"]) and headline["entities"], headline["id"]
        assert set(headline["entities"].values()) <= set(storefront_card.SENTIMENTS), headline["id"]


def test_tickets_have_the_fields_of_the_card():
    for ticket in TICKETS:
        assert is_text(ticket["text"]) and re.fullmatch(r"[a-z]+(_[a-z]+)*", ticket["intent"]), ticket["id"]
        assert is_text(ticket.get("reply", "none")), ticket["id"]


# --- how much of what ----------------------------------------------------------------------------------------


def test_there_is_as_much_as_promised():
    assert len(PRODUCTS) >= 72
    categories = Counter(product["category"] for product in PRODUCTS)
    assert len(categories) >= 12 and min(categories.values()) >= 5
    assert len(TICKETS) >= 300
    intents = Counter(ticket["intent"] for ticket in TICKETS)
    assert len(intents) == 20 and min(intents.values()) >= 12
    assert sum("reply" in ticket for ticket in TICKETS) >= 100


def test_headlines_are_balanced_and_many_name_several_companies():
    entities = [pair for headline in HEADLINES for pair in headline["entities"].items()]
    several = [set(headline["entities"].values()) for headline in HEADLINES if len(headline["entities"]) > 1]
    assert len(HEADLINES) >= 200 and len(several) >= 60 and sum(len(found) > 1 for found in several) >= 35
    shares = {s: sum(sentiment == s for _, sentiment in entities) / len(entities) for s in storefront_card.SENTIMENTS}
    assert shares == pytest.approx({"positive": 0.40, "neutral": 0.25, "negative": 0.35}, abs=0.03)
    by_company = {company: [s for name, s in entities if name == company] for company, _ in entities}
    assert len(by_company) >= 40
    given_away = [name for name, found in by_company.items() if len(found) > 3 and len(set(found)) == 1]
    assert not given_away, f"the name alone tells the sentiment: {given_away}"


# --- true to itself ------------------------------------------------------------------------------------------


def test_every_company_stands_in_its_title_and_none_is_left_out():
    companies = {company for headline in HEADLINES for company in headline["entities"]}
    assert not [(a, b) for a in companies for b in companies if a != b and a in b], "one name within another"
    for headline in HEADLINES:
        assert {name for name in companies if name in headline["title"]} == set(headline["entities"]), headline["id"]


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


# --- varied --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_no_two_texts_are_nearly_the_same(name):
    similarity, *pair = storefront_card.similarities(TEXTS[name])[0]
    assert similarity <= storefront_card.NEAR, pair


def test_near_duplicates_are_found():
    texts = ["The parcel has not arrived yet.", "My lamp flickers.", "the parcel has  not arrived yet!"]
    similarity, *pair = storefront_card.similarities(texts)[0]
    assert similarity > 0.9 and set(pair) == {texts[0], texts[2]}


def test_copy_and_headlines_open_differently():
    assert storefront_card.openings(TEXTS["copy of products"]) == 0
    assert storefront_card.openings(TEXTS["titles of headlines"]) == 0


def test_measures_of_diversity_on_a_known_text():
    assert storefront_card.distinct(["a b a b", "b a"], 1) == 2 / 6
    assert storefront_card.distinct(["a b a b", "b a"], 2) == 2 / 4  # ab, ba, ab and ba: nothing across the texts
    assert storefront_card.type_token_ratio(["a b", "a c"], window=2, step=1) == 1.0
    assert storefront_card.type_token_ratio(["a a", "b b"], window=2, step=2) == 0.5


def test_vocabulary_is_rich():
    assert storefront_card.type_token_ratio(TEXTS["copy of products"]) > 0.48
    assert storefront_card.type_token_ratio(TEXTS["texts of tickets"]) > 0.40


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
