"""Ad copy: placeholders and back, slot errors of texts whose errors are known, the choice of least expected loss."""

import time

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from aigc_course import adcopy

COPIED = ("name", "near", "food", "eatType", "area")
KNOWN = {"name": {"Blue Spice", "The Cambridge Blue"}, "near": {"Burger King", "Raja Indian Cuisine", "Café Rouge"}}
MR = {
    "name": "Blue Spice", "eatType": "coffee shop", "food": "Indian", "priceRange": "less than £20",
    "customer rating": "1 out of 5", "area": "city centre", "familyFriendly": "no", "near": "Burger King",
}  # fmt: skip
TEXT = (
    "Blue Spice is an Indian coffee shop near Burger King in the city centre. It costs less than £20, is rated 1 out of"
    " 5 and is not family-friendly."
)


def test_a_right_text_has_no_errors_and_comes_back_from_placeholders():
    words = adcopy.delexicalise(MR, TEXT, COPIED)
    assert words[:6] == ["x_name", "is", "an", "x_food", "x_eattype", "near"] and "x_area" in words
    assert adcopy.relexicalise(MR, words, COPIED) == TEXT
    assert adcopy.slot_errors(MR, TEXT, KNOWN) == {}


@pytest.mark.parametrize(
    ("old", "new", "errors"),
    [
        ("Blue Spice", "The Cambridge Blue", {"name": "wrong"}),
        ("Blue Spice is", "It is", {"name": "missing"}),
        (" near Burger King", "", {"near": "missing"}),
        ("near Burger King", "near Raja Indian Cuisine", {"near": "wrong"}),
        ("an Indian", "a Chinese", {"food": "wrong"}),
        ("an Indian", "a British", {"food": "wrong"}),
        ("an Indian ", "a ", {"food": "missing"}),
        ("coffee shop", "pub", {"eatType": "wrong"}),
        ("coffee shop", "coffee shop and pub", {"eatType": "wrong"}),
        (" in the city centre", " in the center of the city", {}),
        (" in the city centre", " by the river", {"area": "wrong"}),
        (" in the city centre", "", {"area": "missing"}),
        ("It costs less than £20,", "It", {"priceRange": "missing"}),
        ("costs less than £20", "is cheap", {}),
        ("costs less than £20", "is low-priced", {}),
        ("costs less than £20", "is not inexpensive: it costs more than £30", {"priceRange": "wrong"}),
        ("costs less than £20", "has high prices", {"priceRange": "wrong"}),
        ("costs less than £20", "costs £20-25", {"priceRange": "wrong"}),
        ("is rated 1 out of 5", "has a low customer rating", {}),
        ("is rated 1 out of 5", "has one star", {}),
        ("is rated 1 out of 5", "is highly rated", {"customer rating": "wrong"}),
        ("is rated 1 out of 5", "has 5 stars", {"customer rating": "wrong"}),
        (", is rated 1 out of 5", "", {"customer rating": "missing"}),
        ("is not family-friendly", "is family-friendly", {"familyFriendly": "wrong"}),
        ("is not family-friendly", "welcomes families with children", {"familyFriendly": "wrong"}),
        ("is not family-friendly", "has no place for kids", {}),
        (" and is not family-friendly", "", {"familyFriendly": "missing"}),
    ],
)
def test_an_error_is_found_where_it_is_and_nowhere_else(old, new, errors):
    assert old in TEXT
    assert adcopy.slot_errors(MR, TEXT.replace(old, new), KNOWN) == errors


@pytest.mark.parametrize("slot", [slot for slot in MR if slot != "name"])
def test_what_the_facts_do_not_hold_is_added(slot):
    mr = {key: value for key, value in MR.items() if key != slot}
    assert adcopy.slot_errors(mr, TEXT, KNOWN) == {slot: "added"}


def test_a_number_may_become_a_word_but_a_word_no_number():
    high = MR | {"customer rating": "high", "priceRange": "cheap"}
    said = TEXT.replace("rated 1 out of 5", "highly rated").replace("costs less than £20", "is cheap")
    assert adcopy.slot_errors(high, said, KNOWN) == {}
    assert adcopy.slot_errors(high, said.replace("highly rated", "rated 5 out of 5"), KNOWN) == {
        "customer rating": "wrong"
    }
    assert adcopy.slot_errors(high, said.replace("is cheap", "costs less than £20"), KNOWN) == {"priceRange": "wrong"}


def test_names_hide_nothing_and_are_no_facts_themselves():
    mr = {"name": "The Cambridge Blue", "near": "Raja Indian Cuisine"}
    assert adcopy.slot_errors(mr, "The Cambridge Blue is close to Raja Indian Cuisine.", KNOWN) == {}
    assert adcopy.slot_errors(mr, "Cambridge Blue, near Raja Indian Cuisine, serves Indian food.", KNOWN) == {
        "food": "added"
    }


def test_two_values_are_both_due():
    mr = {"name": "Blue Spice", "eatType": "coffee shop and restaurant", "priceRange": "cheap and high"}
    words = adcopy.delexicalise(mr, "Blue Spice is a coffee shop, a restaurant, cheap.", COPIED)
    assert words == ["x_name", "is", "a", "x_eattype", ",", "a", "x_eattype_2", ",", "cheap", "."]
    assert adcopy.slot_errors(mr, adcopy.relexicalise(mr, words, COPIED), KNOWN) == {"priceRange": "missing"}
    assert adcopy.linearise(mr, ("area", *mr), COPIED) == (
        "area=-", "name=*", "eatType=*", "priceRange=cheap", "eatType+=*", "priceRange+=high",
    )  # fmt: skip


def test_slots_without_patterns_stand_as_they_are():
    mr = {"name": "Lumisk Pendant", "material": "aluminium", "weight": "1.2 kg"}
    errors = adcopy.slot_errors(mr, "The Lumisk Pendant is aluminium.", {}, {})
    assert errors == {"weight": "missing"}


def test_copied_slots_are_those_that_people_copy():
    records = [{"mr": {"name": f"N{i}x", "price": "high"}, "text": f"N{i}x is {'high' if i < 5 else 'dear'}."}
               for i in range(10)]  # fmt: skip
    assert adcopy.copied(records) == ("name",) and set(adcopy.copied(records, 0.4)) == {"name", "price"}


@pytest.mark.parametrize(
    ("words", "due"),
    [
        ("x_name 's prices", "Blue Spice's prices"),
        ("a x_food pub . an x_eattype", "An Indian pub. A coffee shop"),
        ("the x_near", "The Burger King"),
        ("x_unknown food", "Food"),
        ("", ""),
    ],
)
def test_relexicalising_sets_the_small_things_right(words, due):
    assert adcopy.relexicalise(MR, words.split(), (*COPIED, "near")) == due


def test_expected_bleu_is_the_mean_of_sentence_bleus_by_another_library():
    texts = ["the cat sat on the mat today", "the cat sat on a mat", "a dog sat on the mat today", "birds sing"]
    bleu = BLEU(smooth_method="add-k", smooth_value=1, effective_order=False, tokenize="none")
    due = [np.mean([bleu.sentence_score(a, [b]).score for j, b in enumerate(texts) if j != i]) / 100
           for i, a in enumerate(texts)]  # fmt: skip
    found = adcopy.expected_bleu([text.split() for text in texts])
    assert np.allclose(found, due, atol=1e-6), (found, due)
    assert found.argmax() == np.argmax(due)


@pytest.mark.parametrize("candidates", [[["a"]], [["a", "b"]] * 3, [[], ["a"]], [["a"], ["b"]]])
def test_expected_bleu_of_few_and_short_candidates_is_finite(candidates):
    found = adcopy.expected_bleu(candidates)
    assert found.shape == (len(candidates),) and np.isfinite(found).all() and (found >= 0).all()
    if len(candidates) == 3:
        assert found == pytest.approx([1, 1, 1])
    else:
        assert found == pytest.approx([0] * len(candidates), abs=0.01)


def test_copied_is_more_than_the_share():
    records = [{"mr": {"p": "high"}, "text": "high" if i < 9 else "dear"} for i in range(10)]
    assert adcopy.copied(records) == ()


@pytest.mark.parametrize("text", ["Bluebell is a pub.", "A TrueBlue pub.", "Blue2 is a pub."])
def test_a_value_stands_as_a_whole_word(text):
    assert adcopy.slot_errors({"name": "Blue", "eatType": "pub"}, text, {}) == {"name": "missing"}


def test_longer_values_are_found_first():
    mr = {"name": "Blue", "near": "Blue Spice"}
    assert adcopy.delexicalise(mr, "Blue near Blue Spice", ("name", "near")) == ["x_name", "near", "x_near"]
    known = {"name": {"Blue", "Blue Spice", "Spice"}}
    assert adcopy.slot_errors({"name": "Blue Spice", "eatType": "pub"}, "Blue Spice is a pub.", known) == {}
    assert adcopy.delexicalise({"area": "city centre"}, "in the city center", ("area",)) == ["in", "the", "x_area"]


@pytest.mark.parametrize(
    ("slot", "value", "texts"),
    [
        ("customer rating", "1 out of 5", ["a one-star place", "1/5 customer rating", "rated 1", "rating of 1"]),
        (
            "customer rating",
            "3 out of 5",
            ["three stars", "rated three out of five", "a mediocre rating", "rated as 3"],
        ),
        ("customer rating", "5 out of 5", ["5 star", "well rated", "customer rating is very high"]),
        ("customer rating", "average", ["average rating", "mediocre reviews", "customer reviews are average"]),
        (
            "priceRange",
            "£20-25",
            ["£20-25", "20 to 25 pounds", "twenty and twenty five", "moderately priced", "mid-range"],
        ),
        ("priceRange", "more than £30", ["over £30", "more than thirty", "£30 and up", "pricey", "a high price range"]),
        ("priceRange", "less than £20", ["under £20", "less than twenty", "inexpensive", "costs are low", "low-cost"]),
        ("priceRange", "high", ["expensive", "pricey", "price range is very high"]),
        ("priceRange", "cheap", ["inexpensive", "cheaply", "prices are low"]),
        ("priceRange", "moderate", ["mid-priced", "moderate prices"]),
        ("familyFriendly", "no", ["adults only", "un-family-friendly", "not a very good place at all for children"]),
        ("familyFriendly", "yes", ["all ages", "kids are welcome", "children allowed", "great for all of the family"]),
        ("food", "Fast food", ["fast-food", "fast food"]),
        ("eatType", "coffee shop", ["coffee house", "coffee-shop", "café", "cafe"]),
    ],
)
def test_what_a_text_can_mean(slot, value, texts):
    assert {text: adcopy.slot_errors({slot: value}, text, {}) for text in texts} == dict.fromkeys(texts, {})


@pytest.mark.parametrize(
    ("mr", "text"),
    [
        ({"area": "riverside"}, "driver"),
        ({"priceRange": "high"}, "inexpensive"),
        ({"eatType": "pub"}, "public"),
        ({"customer rating": "1 out of 5"}, "three-one stars"),
        ({"customer rating": "1 out of 5"}, "rated 10"),
        ({"customer rating": "3 out of 5"}, "rated 1 out of 5"),
    ],
)
def test_parts_of_words_say_nothing(mr, text):
    assert set(adcopy.slot_errors(mr, text, {})) >= set(mr)


def test_a_no_does_not_hide_a_yes_and_a_new_value_stands_as_it_is():
    found = adcopy.slot_errors({"familyFriendly": "no"}, "not family-friendly. Kids are welcome.", {})
    assert found == {"familyFriendly": "wrong"}
    assert adcopy.slot_errors({"food": "Thai"}, "Thai food", {}) == {}
    assert adcopy.slot_errors({"food": "Thai"}, "food", {}) == {"food": "missing"}
    mr = {"name": "Oak", "eatType": "coffee shop"}
    assert adcopy.slot_errors(mr, "coffee Oak shop", {}) == {"eatType": "missing"}  # what is taken out leaves a word


@pytest.mark.parametrize("slot", ["size 1", "h2o", "5g", "größe", "Shop's", "name"])
def test_placeholders_of_any_slot_come_back(slot):
    words = adcopy.delexicalise({slot: "Plan A"}, "it is a Plan A.", (slot,))
    assert adcopy.relexicalise({slot: "Plan A"}, words, (slot,)) == "It is a Plan A."


@pytest.mark.parametrize("word", ["kid", "child", "rat", "family", "cater", "allow", "welcom", "not ", "price ", " "])
def test_hostile_texts_are_read_in_a_moment(word):
    started = time.process_time()
    adcopy.slot_errors(MR, word * 10_000, KNOWN)
    assert time.process_time() - started < 5  # a quadratic pattern took longer than 4 s at a tenth of it
