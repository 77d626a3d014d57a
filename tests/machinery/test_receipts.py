"""Receipts: combining seeds, writing whole, reading back."""

import json
import math

import pytest

from aigc_course import receipts
from aigc_course.backstage import readme, store
from aigc_course.plumbing import rooms, settings


def run(seed=0, **more):
    claim = {"text": "sharp", "figure": "loss", "bound": "<= 95", "value": 94.0, "met": True}
    base = {
        "seed": seed,
        "profile": "lesson",
        "device": "cpu, 2 cores, bf16",
        "torch": "2.13.0+cpu",
        "minutes": 3.14159,
    }
    base |= {"peak_gb": 1.2345678, "data": {"mnist": "upstream"}, "figures": {"loss": 93.4}, "claims": [claim]}
    return base | more


def claim(bound, value, met):
    return {"text": "t", "figure": "f", "bound": bound, "value": value, "met": met}


def test_a_receipt_reads_as_the_design_shows_and_is_stable(tmp_path):
    receipt = store.combine("03_vae", [run(0, figures={"b": 1.23456789, "a": 2})], "abc", "2026-11-22")
    assert list(receipt) == ["chapter", "profile", "device", "torch", "date", "digest", "data", "runs", "claims"]
    assert receipt["runs"] == [{"seed": 0, "minutes": 3.1416, "peak_gb": 1.2346, "figures": {"a": 2, "b": 1.2346}}]
    assert list(receipt["runs"][0]["figures"]) == ["a", "b"]
    path = store.write(receipt, tmp_path)
    assert path == tmp_path / "03_vae/receipt.lesson-cpu.json" and receipts.read(path) == receipt
    text = path.read_bytes()
    assert store.write(receipts.read(path), tmp_path).read_bytes() == text and b"\r" not in text
    assert [other.name for other in path.parent.iterdir()] == [path.name]  # no temporary file is left


@pytest.mark.parametrize(
    ("bound", "values", "verdicts", "worst", "met"),
    [
        ("<= 95", [90.0, 94.0, 92.0], [True, True, True], 94.0, True),
        ("<= 95", [90.0, 96.0], [True, False], 96.0, False),
        (">= 0.97", [0.99, 0.98], [True, True], 0.98, True),
        ("> 0.97", [0.99, 0.5], [True, False], 0.5, False),
        (None, [1.0, 2.0], [None, None], 2.0, None),
        ("<= 95", [90.0, None], [True, False], 90.0, False),  # a figure that one seed never recorded
        ("<= 95", [math.nan, 90.0], [False, True], "nan", False),
    ],
)
def test_a_claim_is_met_only_where_every_seed_meets_it(bound, values, verdicts, worst, met):
    runs = [run(i, claims=[claim(bound, v, m)]) for i, (v, m) in enumerate(zip(values, verdicts, strict=True))]
    combined = store.combine("03_vae", runs, "abc", "2026-11-22")["claims"]
    assert combined == [{"text": "t", "figure": "f", "bound": bound, "value": worst, "met": met}]
    json.dumps(combined, allow_nan=False)


def test_a_claim_that_a_seed_never_made_is_not_met():
    assert store.combine("c", [run(0), run(1, claims=[])], "abc", "2026-11-22")["claims"][0]["met"] is False


def test_one_seed_on_stand_in_data_makes_the_receipt_one_of_stand_ins():
    runs = [run(0), run(1, data={"mnist": "stand-in"}), run(2)]
    assert store.combine("c", runs, "abc", "2026-11-22")["data"] == {"mnist": "stand-in"}


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ("cpu, 2 cores, bf16", "cpu"),
        ("cuda, Tesla T4, 16 GB, fp32", "cuda"),
        ("mps, 8 cores, fp32", "mps"),
        ("cpu", "cpu"),
    ],
)
def test_device_kinds(device, kind):
    assert store.device_kind(device) == kind


def test_load_and_figures(tmp_path):
    for profile, losses in {"lesson": [93.0, 95.0, 94.5], "full": [80.0]}.items():
        runs = [run(i, profile=profile, figures={"loss": loss}) for i, loss in enumerate(losses)]
        store.write(store.combine("03_vae", runs, "abc", "2026-11-22"), tmp_path)
    assert receipts.load("03_vae", where=tmp_path)["profile"] == "lesson"
    assert receipts.figures("03_vae", where=tmp_path) == {"loss": 94.5}
    assert receipts.figures("03_vae", "full", where=tmp_path) == {"loss": 80.0}
    assert readme.figures_text(receipts.load("03_vae", where=tmp_path)) == "loss 94.5 (93–95)"
    (tmp_path / "vae.json").write_text('{"time_ratio": 0.08}')
    assert receipts.load("bench_vae", where=tmp_path) == {"time_ratio": 0.08}
    with pytest.raises(FileNotFoundError, match="no receipt of bench_gan: see benchmarks/"):
        receipts.load("bench_gan", where=tmp_path)
    with pytest.raises(FileNotFoundError, match="no receipt of 04_gan: `aigc-course run 04_gan --save`"):
        receipts.load("04_gan", where=tmp_path)


def test_a_study_is_read_from_the_back_room_of_its_page(tmp_path):
    head = {"device": "cpu", "date": "2026-11-22", "digest": "abc", "data": {"mnist": "upstream"}}
    path = store.write_study("05_dcgan", head, {"rows": [{"fd": 1.23456789}]}, tmp_path)
    assert path == tmp_path / "05_dcgan/study.json"
    assert receipts.load("05_dcgan.study", where=tmp_path)["rows"] == [{"fd": 1.2346}]


@pytest.mark.parametrize(
    "change",
    [
        {"runs": []},
        {"runs": [{"minutes": "<script>", "peak_gb": 1, "figures": {}}]},
        {"runs": [{"minutes": 1, "figures": {}}]},
        {"runs": [1]},
        {"claims": [{"text": "t"}]},
        {"data": ["mnist"]},
        {"data": {"mnist": ["upstream"]}},
        {"runs": [{"minutes": 1, "peak_gb": 1, "figures": {"loss": [93.4]}}]},
        {"claims": [claim("<= 95", [94.0], True)]},
        {"claims": {}},
        {"digest": None},
        {"device": 1},
    ],
    ids=str,
)
def test_a_forged_receipt_is_told_in_a_sentence(tmp_path, change):
    path = store.write(store.combine("03_vae", [run()], "abc", "2026-11-22"), tmp_path)
    path.write_text(json.dumps(receipts.read(path) | change))
    said = r"03_vae/receipt.lesson-cpu.json is damaged: [^\n]{1,20} is not as it should be; make it anew"
    with pytest.raises(ValueError, match=f"^{said}$"):
        receipts.load("03_vae", where=tmp_path)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" + "0" * 400, "1" + "0" * 5000])
def test_a_number_that_is_none_is_told_in_a_sentence(tmp_path, number):
    """Such integers were read, and were a traceback as soon as they were written as a float."""
    head = {"device": "cpu", "date": "2026-11-22", "digest": "abc", "data": {}}
    paths = {
        "03_vae": store.write(store.combine("03_vae", [run(figures={"loss": 765})], "abc", "2026-11-22"), tmp_path),
        "03_vae.study": store.write_study("03_vae", head, {"rows": [{"fd": 765}]}, tmp_path),
    }
    for name, path in paths.items():
        assert receipts.load(name, where=tmp_path)
        text = path.read_text()
        assert text.count("765") == 1
        path.write_text(text.replace("765", number))
        with pytest.raises(ValueError, match=rf"^03_vae/{path.name} is damaged: [^\n]*number like NaN; make it anew$"):
            receipts.load(name, where=tmp_path)


def test_a_study_on_data_that_have_no_name_is_damaged(tmp_path):
    head = {"device": "cpu", "date": "2026-11-22", "digest": "abc", "data": {"mnist": ["upstream"]}}
    store.write_study("05_dcgan", head, {"rows": []}, tmp_path)
    with pytest.raises(ValueError, match="^05_dcgan/study.json is damaged: data is not as it should be; make it anew$"):
        receipts.load("05_dcgan.study", where=tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "1", "[" * 100_000, '{"chapter": "05_dcgan"}'])
@pytest.mark.parametrize("name", ["receipt.lesson-cpu.json", "study.json"])
def test_a_damaged_file_is_told_in_a_sentence(tmp_path, name, content):
    (tmp_path / "05_dcgan").mkdir()
    (tmp_path / "05_dcgan" / name).write_text(content)
    with pytest.raises(ValueError, match=rf"^05_dcgan/{name} is damaged: .*; make it anew$"):
        receipts.load("05_dcgan" + ".study" * (name == "study.json"), where=tmp_path)


def test_a_file_is_written_whole_or_not_at_all_and_through_no_link(tmp_path, monkeypatch):
    path, mine = tmp_path / "a.json", tmp_path / "mine.txt"
    mine.write_text("mine")
    path.symlink_to(mine)
    store.write_text(path, "whole")
    assert path.read_text() == "whole" and not path.is_symlink() and mine.read_text() == "mine"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write_text(path, "half")
    assert path.read_text() == "whole" and sorted(tmp_path.iterdir()) == [path, mine]


def test_the_wheel_and_the_checkout_each_have_their_receipts(tmp_path, monkeypatch):
    assert rooms.place("chapters") == rooms.PACKAGE.parent / "chapters"
    monkeypatch.setattr(rooms, "PACKAGE", tmp_path / "site-packages/aigc_course")
    store.write(store.combine("03_vae", [run()], "abc", "2026-11-22"), rooms.PACKAGE / "_chapters")
    assert rooms.root() is None and receipts.load("03_vae")["digest"] == "abc"


HEAD = {"chapter": "05_dcgan", "device": "cpu", "date": "2026-11-25", "digest": "d", "data": {}, "seeds": [0, 1]}


@pytest.mark.parametrize(
    ("kept", "rows"),
    [
        ({"rows": [{"variant": "a", "seed": 0, "fd": 1}]}, [{"variant": "a", "seed": 0, "fd": 1}]),
        ({"runs": [{"name": "a", "seed": 0, "fd": 1}]}, [{"variant": "a", "seed": 0, "fd": 1}]),
        ({"runs": [{"task": "e2e", "n": 10, "score": 8}]}, [{"task": "e2e", "n": 10, "score": 8}]),
        (
            {"rows": {"whole": {"fd": 1}}, "vae": {"fd": [3, 4], "mse": [5, 6]}},
            [
                {"variant": "whole", "fd": 1},
                {"variant": "vae", "seed": 0, "fd": 3, "mse": 5},
                {"variant": "vae", "seed": 1, "fd": 4, "mse": 6},
            ],
        ),
    ],
)
def test_the_rows_of_a_study_are_flat_dicts_however_it_keeps_them(kept, rows, tmp_path):
    (tmp_path / "05_dcgan").mkdir()
    (tmp_path / "05_dcgan/study.json").write_text(json.dumps(HEAD | kept))
    assert receipts.rows("05_dcgan.study", where=tmp_path) == rows


@pytest.mark.parametrize("page", [path.parent.name for path in sorted(rooms.place("chapters").glob("*/study.json"))])
def test_the_rows_of_every_stored_study_are_read(page):
    """All figures that the study stores in its rows are in the flat ones."""
    rows, stored = receipts.rows(f"{page}.study"), receipts.load(f"{page}.study")
    kept = [stored.get(key, []) for key in ("rows", "runs", "vae")]
    assert rows and all(isinstance(value, str | int | float | None) for row in rows for value in row.values())

    def numbers(part):
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return isinstance(part, float) + sum(map(numbers, parts))

    assert numbers(rows) == numbers(kept)
