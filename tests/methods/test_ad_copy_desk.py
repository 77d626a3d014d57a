"""The back room of page 20: the second checker, each a text and its errors; the desk; what readers found."""

import pytest

from aigc_course import adcopy, widgets
from aigc_course.plumbing import rooms

room, slot_errors = widgets.of("20_ad_copy"), rooms.module("20_ad_copy", "second_checker").slot_errors

FULL = {
    "name": "Blue Spice",
    "eatType": "coffee shop",
    "food": "Chinese",
    "priceRange": "less than £20",
    "customer rating": "1 out of 5",
    "area": "riverside",
    "familyFriendly": "no",
    "near": "Burger King",
}
NAME = {"name": "The Mill"}


def mill(**slots: str) -> dict[str, str]:
    return NAME | {slot.replace("_", " "): value for slot, value in slots.items()}


FACTS = [
    # whole descriptions
    (
        FULL,
        "Blue Spice is a Chinese coffee shop by the river near Burger King. It costs less than twenty pounds, is "
        "rated one out of five and is not family-friendly.",
        {},
    ),
    (
        FULL,
        "blue spice is a cheap chinese coffee shop near burger king on the riverside , adults only , with a low "
        "customer rating .",
        {},
    ),
    (
        FULL,
        "Blue Spice is a pub.",
        {
            "eatType": "wrong",
            "food": "missing",
            "priceRange": "missing",
            "area": "missing",
            "customer rating": "missing",
            "familyFriendly": "missing",
            "near": "missing",
        },
    ),
    # family friendly
    (mill(familyFriendly="yes"), "The Mill is kid friendly.", {}),
    (mill(familyFriendly="yes"), "At The Mill children are welcome.", {}),
    (
        mill(familyFriendly="yes"),
        "The Mill is family friendly, not far from the city centre.",
        {"area": "added"},
    ),
    (mill(familyFriendly="yes"), "The Mill is not expensive and family friendly.", {"priceRange": "added"}),
    (mill(familyFriendly="no"), "The Mill is a non-family-friendly place.", {}),
    (mill(familyFriendly="no"), "The Mill isn't suitable for children.", {}),
    (mill(familyFriendly="no"), "Children are not allowed at The Mill.", {}),
    (mill(familyFriendly="no"), "the mill is family friendly .", {"familyFriendly": "wrong"}),
    (
        mill(familyFriendly="no"),
        "The Mill is family friendly. It is not family friendly.",
        {"familyFriendly": "wrong"},
    ),
    (NAME, "The Mill welcomes families.", {"familyFriendly": "added"}),
    # price against rating
    (
        mill(priceRange="high", customer_rating="low"),
        "The Mill has a high price range and a low customer rating.",
        {},
    ),
    (
        mill(priceRange="high", customer_rating="low"),
        "The Mill has low prices and a high rating.",
        {"priceRange": "wrong", "customer rating": "wrong"},
    ),
    (
        mill(priceRange="moderate", customer_rating="average"),
        "The averagely rated Mill is moderately priced.",
        {},
    ),
    (
        mill(priceRange="moderate"),
        "the mill has an average customer rating",
        {"priceRange": "missing", "customer rating": "added"},
    ),
    (
        mill(priceRange="high", customer_rating="high"),
        "price range is high customer rating is high at the mill",
        {},
    ),
    (
        mill(priceRange="high", customer_rating="low"),
        "the mill 's price range is high customer rating is low",
        {},
    ),
    (mill(priceRange="cheap"), "The prices at The Mill are low.", {}),
    (mill(priceRange="cheap"), "The Mill is inexpensive.", {}),
    (mill(priceRange="cheap"), "The Mill is expensive.", {"priceRange": "wrong"}),
    (mill(priceRange="£20-25"), "You pay £20 – £25 at The Mill.", {}),
    (mill(priceRange="£20-25"), "The Mill charges twenty to twenty-five pounds.", {}),
    (mill(priceRange="more than £30"), "The Mill costs over £30.", {}),
    (mill(priceRange="more than £30"), "The Mill is less than £30.", {"priceRange": "wrong"}),
    (mill(customer_rating="1 out of 5"), "The Mill is a one-star place.", {}),
    (mill(customer_rating="5 out of 5"), "The Mill is rated 1 out of 5 stars.", {"customer rating": "wrong"}),
    (mill(customer_rating="high"), "The Mill does not have a high rating.", {"customer rating": "wrong"}),
    (
        mill(customer_rating="3 out of 5"),
        "The Mill has 3 of 5 and a low rating.",
        {"customer rating": "wrong"},
    ),
    (
        mill(customer_rating="1 out of 5 and 5 out of 5"),
        "The Mill, rated 1 out of 5.",
        {"customer rating": "missing"},
    ),
    # area and kind
    (mill(area="city centre"), "The Mill is in the center of the city.", {}),
    (mill(area="city centre"), "The Mill is in the city centre by the river.", {"area": "wrong"}),
    (NAME, "The Mill is a restaurant.", {"eatType": "added"}),
    (mill(eatType="pub"), "The Mill is a coffee shop.", {"eatType": "wrong"}),
    # names, neighbours and food
    (mill(near="Raja Indian Cuisine"), "The Mill is a place near Raja Indian Cuisine.", {}),
    (mill(near="Raja Indian Cuisine"), "The Mill, near Café Sicilia.", {"near": "wrong"}),
    (mill(near="The Jolly Pub"), "The Mill is near the Jolly Pub.", {}),
    (mill(near="Cafe Brazil"), "the mill is near café brazil near the portland arms", {"near": "wrong"}),
    (NAME, "The Mill is located near the Station Hotel.", {"near": "added"}),
    (NAME, "The Mill is near The Eagle.", {"near": "added"}),
    (mill(), "There is a place called Bingo House.", {"name": "wrong"}),
    (mill(), "The Eagle is a place.", {"name": "wrong"}),
    (mill(), "This is a nice place.", {"name": "missing"}),
    ({"name": "Riverside Pub", "food": "Thai"}, "Riverside Pub serves Thai food.", {}),
    (mill(food="English"), "The Mill serves British food.", {}),
    (mill(food="Thai"), "The Mill serves Indian food.", {"food": "wrong"}),
    (mill(food="Fast food"), "The Mill serves fast food.", {}),
    (NAME, "The Mill offers Peruvian cuisine, Bolivian dishes.", {"food": "added"}),
    ({"name": "The Cambridge Blue", "area": "riverside"}, "The Cambridge Blue is at the riverside.", {}),
]


@pytest.mark.parametrize("mr, text, errors", FACTS)
def test_facts(mr: dict[str, str], text: str, errors: dict[str, str]) -> None:
    assert slot_errors(mr, text) == errors


def test_readers_and_checkers_agree_but_for_what_no_list_has():
    read = room.labels()
    assert [sum(one["way"] == way for one in read) for way in ("chosen", "greedy")] == [200, 100]
    found = [(one["errors"], room.second_errors(one["mr"], one["text"])) for one in read]
    missed = [errors for errors, seen in found if errors.keys() - seen.keys()]
    assert all(errors.get("food") == "added" for errors in missed) and len(missed) <= 3  # breakfast
    assert sum(bool(seen.keys() - errors.keys()) for errors, seen in found) <= 1


HOSTILE = "<img onerror=alert(1) src=x>"


def desk(candidates, **settings):
    products = {name: {"name": name, "area": HOSTILE} for name in candidates}
    return room.desk(products, candidates, lambda mr, text: adcopy.slot_errors(mr, text, {}, {}), **settings)


def test_the_desk_shows_text_as_text_and_chooses(capsys):
    box = desk({HOSTILE: [HOSTILE, "=1+1", "best " * 70], "a\x00": ["one\ud800"], "a\x01": ["two"], "empty": []})
    product, tone, words, pick, button, page, _ = box.children
    assert "<img" not in page.value and "&lt;img" in page.value and "area: missing" in page.value
    for value in ("usual", "inviting", "unusual"):
        tone.value = value
    pick.value = pick.options[-1]
    button.click()
    product.value = "a\x00"
    button.click()
    product.value = "a\x01"
    assert "two" in page.value and "one" in page.value.partition("<ol>")[2]
    product.value = "empty"
    assert "No candidate is left" in page.value and button.disabled
    assert [name for name, _ in box.chosen] == [HOSTILE, "a\x00"] and "<img" not in page.value


def test_words_that_are_banned_are_not_shown():
    box = desk({"a": ["the best pub", "a pub"], "b": ["a pub"]}, banned="best")
    assert "best" not in box.children[5].value and "a pub" in box.children[5].value
    with pytest.raises(ValueError, match="a product"):
        room.desk({}, {}, lambda mr, text: {})


@pytest.mark.parametrize(
    "cell", ["=1", "+1", "-1", "@x", " =1", "\ufeff=1", "\u200b=1", "\xa0=1", "\n=1", "＝1", "\tx"]
)
def test_no_cell_of_the_spreadsheet_is_a_formula(cell):
    assert room.spreadsheet([("a", cell)]).splitlines()[1].startswith(("a,'", "a,\"'"))
    assert room.spreadsheet([("a", "good, 5-star")]).splitlines()[1] == 'a,"good, 5-star"'
