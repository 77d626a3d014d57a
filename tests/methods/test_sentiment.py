"""Sentiment towards a company: masking, features that know where, folds of titles, the sum with a floor."""

import numpy as np
import pytest

from aigc_course import sentiment
from aigc_course.sentiment import Row, features, masked, pieces

TITLE = "Quorrin shares jump, but rival Pelluxo slips 3%"


def test_a_row_for_each_company_knows_the_others():
    records = [{"title": "A beats B", "entities": {"A": "positive", "B": "negative"}}]
    assert sentiment.rows(records) == [Row("A beats B", "A", ("B",), 2), Row("A beats B", "B", ("A",), 0)]


@pytest.mark.parametrize(
    ("title", "entity", "others", "due"),
    [
        (TITLE, "Quorrin", ("Pelluxo",), "zzent shares jump , but rival zzoth slips NUMPCT"),
        (TITLE, "Pelluxo", ("Quorrin",), "zzoth shares jump , but rival zzent slips NUMPCT"),
        ("Bank of Ulm buys Bank", "Bank", ("Bank of Ulm",), "zzoth buys zzent"),
        ("Bank of Ulm buys Bank", "Bank of Ulm", ("Bank",), "zzent buys zzoth"),
        ("A+ (B) pays 1,200.50 for 12 per cent", "A+ (B)", (), "zzent pays NUM for NUMPCT"),
        ("nobody is named", "Quorrin", (), "nobody is named"),
        ("", "Quorrin", (), ""),
        ("q", "", (), "q"),
    ],
)
def test_masking(title, entity, others, due):
    assert " ".join(masked(title, entity, others)) == due


def test_features_say_where_a_word_stands():
    first, second = features(TITLE, "Quorrin", ("Pelluxo",)), features(TITLE, "Pelluxo", ("Quorrin",))
    assert {"after: jump", "at +2: jump", "clause: jump", "first", "first, between: jump", "rivals: 1"} <= set(first)
    assert {"before: jump", "at +1: slips", "clause: slips", "second", "second, between: jump"} <= set(second)
    assert "clause: slips" not in first and "clause: jump" not in second and "at -6: zzoth" not in second
    assert " jump" in pieces(TITLE, "Quorrin", ("Pelluxo",))
    assert "before:  jum" in pieces(TITLE, "Pelluxo", ("Quorrin",))
    assert "after:  jum" in pieces(TITLE, "Quorrin", ("Pelluxo",))


def test_what_is_not_found_or_empty_does_not_raise():
    assert features("", "Quorrin") == [] == pieces("", "Quorrin")
    assert "after: is" in features("nobody is named", "Quorrin")


def test_the_linear_model_learns_who_beats_whom():
    names = [f"Firm{chr(65 + i)}x" for i in range(20)]
    records = [
        {"title": f"{a} beats {b} in court", "entities": {a: "positive", b: "negative"}}
        for a, b in zip(names, names[1:] + names[:1], strict=True)
    ]
    rows = sentiment.rows(records)
    labels = np.array([row.label for row in rows])
    model = sentiment.classifier().fit(rows[:30], labels[:30])
    assert (model.predict(rows[30:]) == labels[30:]).all()


@pytest.mark.parametrize("n", [2, 5])
def test_rows_of_one_title_are_in_one_fold(n):
    rows = [Row(f"title {i % 40}", f"firm {i}", (), 0) for i in range(100)]
    fold = sentiment.folds(rows, n, seed=3)
    by_title = {}
    for row, k in zip(rows, fold, strict=True):
        by_title.setdefault(row.title, set()).add(int(k))
    assert all(len(found) == 1 for found in by_title.values())
    sizes = np.bincount([found.pop() for found in by_title.values()])
    assert len(sizes) == n and sizes.max() - sizes.min() <= 1
    assert (fold == sentiment.folds(rows, n, seed=3)).all() and (fold != sentiment.folds(rows, n, seed=4)).any()


def test_the_sum_is_the_plain_sum_less_its_lowest():
    """Page (1954): without an alarm, S is C less the smallest value that C has had, 0 included."""
    x = np.random.default_rng(0).normal(size=500)
    path, alarms = sentiment.cusum(x, np.inf)
    total = np.cumsum(x)
    assert np.allclose(path, total - np.minimum(0, np.minimum.accumulate(total))) and alarms == []


def test_after_an_alarm_the_sum_begins_anew():
    path, alarms = sentiment.cusum([2, -1, 2, 3, 1, -5, 4], 3)
    assert path.tolist() == [2, 1, 3, 3, 1, 0, 4] and alarms == [2, 3, 6]
    assert sentiment.cusum([], 1)[1] == []


def test_the_time_to_a_false_alarm_is_that_of_brook_and_evans():
    """Brook and Evans (1972): the mean run length solves (I - Q) L = 1, Q being the steps that stay below h."""
    p, x, h = {-1: 0.6, 1: 0.3, 2: 0.1}, np.array([-1, 1, 2]), 5
    Q = np.zeros((h, h))
    for S in range(h):
        for step, share in p.items():
            if max(0, S + step) < h:
                Q[S, max(0, S + step)] += share
    due = np.linalg.solve(np.eye(h) - Q, np.ones(h))[0]
    scores = np.random.default_rng(1).choice(x, p=list(p.values()), size=400_000)
    alarms = sentiment.cusum(scores, h)[1]
    lengths = np.diff([-1, *alarms])
    assert abs(lengths.mean() - due) < 4 * lengths.std() / np.sqrt(len(lengths))


@pytest.mark.parametrize("threshold", [0, -1, float("nan")])
def test_a_threshold_is_above_0(threshold):
    with pytest.raises(ValueError, match="above 0"):
        sentiment.cusum([1.0], threshold)
