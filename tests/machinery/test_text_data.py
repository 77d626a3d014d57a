"""Data sets of text: made-up files through a local server, as for images; genuine ones are read where a mirror is."""

import json
import os
import string
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
from server import Server, alone_with, write_registry
from test_data import check_sentence, failure

from aigc_course import data
from aigc_course.plumbing import fetch

REPO = Path(data.__file__).parents[2]
MR = "name[Aromi], food[Chinese], food[French], near[Café Rouge]"
FILES = {  # small files in the form of the genuine ones
    "tinyshakespeare/input.txt": "First Citizen:\nWe are accounted poor citizens.\n" * 10,
    "tang300/tang300.json": json.dumps(
        [
            {
                "title": "馬嵬坡",
                "author": "鄭畋",
                "paragraphs": ["[玄]宗回馬楊妃死，雲雨雖亡日月新。"],
                "tags": ["唐诗"],
            },
            {"title": "馬嵬", "author": "佚名", "paragraphs": ["玄宗回馬楊妃死，雲雨雖亡日月新。"], "tags": []},
        ]
    ),
    "banking77/categories.json": '["lost_card", "exchange_rate"]',
    "banking77/train.csv": 'text,category\nWhat is the rate?,exchange_rate\n"I lost it,\nhelp",lost_card\n',
    "banking77/test.csv": "text,category\nWhere is my card?,lost_card\n",
    "e2e/devel-fixed.no-ol.csv": "mr,ref,fixed,orig_mr\n"
    + "".join(f'"name[Bar {i}], food[{i}]",Bar {i} serves {i}.,0,\n' for i in range(100)),
    "e2e/test-fixed.csv": f'mr,ref,fixed,orig_mr\n"{MR}","Aromi, near Café Rouge.",0,\n"{MR}",Aromi!,1,\n',
    "sentfin/SEntFiN.csv": "S No.,Title,Decisions,Words\n"
    "1,Moody's and BP fall,\"{'Moody's': 'neutral', 'BP': 'negative'}\",4\n"
    '2,L&T up,"{""L&T"": \'positive\'}",2\n',
}
STANDINS = {  # small files in the form of those that the course carries
    "poems.json": '[{"title": "夜", "author": "course", "lines": ["月白風清。"]}]',
    "storefront/products.jsonl": "\n".join(
        json.dumps({
            "id": f"p{i}", "name": f"Lamp {i}", "category": "lamps", "price": i + 0.5, "currency": "EUR",
            "attributes": {"colour": "red", "watts": 5}, "copy": [f"Lamp {i} glows.", f"Meet Lamp {i}."],
        })
        for i in range(20)
    ),
    "storefront/tickets.jsonl": "\n".join(
        json.dumps({"id": f"t{i}", "text": f"Question {i}", "intent": "rare" if i == 20 else "ab"[i % 2]})
        for i in range(25)
    ) + "\n",
    "storefront/headlines.jsonl": '{"id": "h0", "title": "Norlin up", "entities": {"Norlin": "positive"}}\n',
}  # fmt: skip
LOADERS = {
    "tinyshakespeare": data.shakespeare,
    "tang300": data.tang_poems,
    "banking77": lambda: data.banking77("train"),
    "e2e": lambda: data.e2e("train"),
    "sentfin": data.sentfin,
}
every_set = pytest.mark.parametrize("dataset", LOADERS)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server that is the upstream address of made-up texts; no other source, an empty cache, no stand-in."""
    with Server({f"/{name}": content.encode() for name, content in FILES.items()}) as server:
        alone_with(server, tmp_path, monkeypatch)
        server.cache = tmp_path / "cache"
        yield server


@pytest.fixture
def carried(tmp_path, monkeypatch):
    """Small stand-ins in the place of those that the course carries."""
    for name, content in STANDINS.items():
        (tmp_path / "carried" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "carried" / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(fetch, "embedded", lambda name: tmp_path / "carried" / name)


@pytest.fixture
def mirror(monkeypatch, tmp_path) -> Path:
    """The genuine files; no stand-in, no network, an empty cache."""
    folder = Path(os.environ.get("AIGC_DATA_MIRROR") or REPO.parent / "shared/data")
    if not (folder / "e2e").is_dir():
        pytest.skip("no mirror folder with the genuine texts: set AIGC_DATA_MIRROR")
    settings = {"DATA_MIRROR": str(folder), "CACHE": str(tmp_path / "cache"), "STANDIN": "0", "OFFLINE": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"AIGC_{name}", value)
    monkeypatch.setattr(fetch, "used", {})
    return folder


# --- what is loaded -------------------------------------------------------------------------------------------------


def test_downloads_once_and_decodes(site):
    text = FILES["tinyshakespeare/input.txt"]
    for _ in range(2):
        assert data.shakespeare() == data.Text(text[:423], text[423:], "tinyshakespeare")
        assert data.tang_poems() == [
            {"title": "馬嵬坡", "author": "鄭畋", "lines": ["玄宗回馬楊妃死，", "雲雨雖亡日月新。"]}
        ]
        assert data.banking77("train") == [
            {"text": "What is the rate?", "label": 1},
            {"text": "I lost it,\nhelp", "label": 0},
        ]
        assert data.banking77("test") == [{"text": "Where is my card?", "label": 0}]
        assert data.banking77_labels() == ["lost_card", "exchange_rate"]
        mr = {"name": "Aromi", "food": "Chinese and French", "near": "Café Rouge"}
        assert data.e2e("test") == [{"mr": mr, "text": "Aromi, near Café Rouge."}, {"mr": mr, "text": "Aromi!"}]
        assert data.sentfin() == [
            {"title": "Moody's and BP fall", "entities": {"Moody's": "neutral", "BP": "negative"}},
            {"title": "L&T up", "entities": {"L&T": "positive"}},
        ]
    assert sorted(site.gets) == sorted(site.files)
    assert set(fetch.used) == set(LOADERS) and set(fetch.used.values()) == {"upstream"}
    assert data.standin_note() == "" and not data.standin_in_use()


def test_e2e_splits(site):
    train, val = data.e2e("train"), data.e2e("val")
    assert len(train) + len(val) == 100 and 3 <= len(val) <= 20
    assert not {record["text"] for record in train} & {record["text"] for record in val}
    assert data.e2e("val") == val, "the split changes from call to call"
    lines = FILES["e2e/devel-fixed.no-ol.csv"].splitlines()
    changed = "\n".join([lines[0], *(f"{line}".replace("name[Bar", "name[Pub") for line in lines[1:60]), *lines[60:]])
    site.files["/e2e/devel-fixed.no-ol.csv"] = changed.encode()
    write_registry(fetch.REGISTRY, site.url, site.files)
    foods = [record["mr"]["food"] for record in val]
    assert [record["mr"]["food"] for record in data.e2e("val")] == foods, "a name decides about the split"


def test_e2e_references():
    records = [
        {"mr": {"name": "A", "food": "B"}, "text": "one"},
        {"mr": {"name": "C"}, "text": "two"},
        {"mr": {"food": "B", "name": "A"}, "text": "three"},
        {"mr": {"name": "A", "food": "B"}, "text": "one"},
    ]
    assert data.e2e_references(records) == [({"name": "A", "food": "B"}, ["one", "three"]), ({"name": "C"}, ["two"])]
    assert data.e2e_references([]) == []


def test_genuine_shakespeare(mirror):
    text = data.shakespeare()
    assert (len(text.train), len(text.val)) == (1_003_854, 111_540) and len(set(text.train + text.val)) == 65
    assert text.train.startswith("First Citizen:\nBefore we proceed") and text.val.startswith("?\n\nGREMIO:")


def test_genuine_tang_poems(mirror):
    poems = data.tang_poems()
    lines = [line for poem in poems for line in poem["lines"]]
    assert (len(poems), len(lines), len({poem["author"] for poem in poems})) == (353, 3481, 84)
    assert len(set("".join(lines))) == 2571 and len({"".join(poem["lines"]) for poem in poems}) == 353
    assert all(line[-1] in "，。？！" and not set(line[:-1]) & set("，。？！" + string.printable) for line in lines)
    assert sum(len(line) in (6, 8) for line in lines) == 3377, "most lines have 5 or 7 characters"
    assert poems[0]["title"] == "在嶽詠蟬" and poems[0]["lines"][:2] == ["西陸蟬聲唱，", "南冠客思侵。"]
    assert all(set(poem) == {"title", "author", "lines"} and poem["title"] and poem["author"] for poem in poems)


def test_genuine_banking77(mirror):
    train, test, labels = data.banking77("train"), data.banking77("test"), data.banking77_labels()
    assert (len(train), len(test), len(labels)) == (10_003, 3080, 77)
    counts = Counter(record["label"] for record in train)
    assert sorted(counts) == list(range(77)) and (min(counts.values()), max(counts.values())) == (35, 187)
    assert set(Counter(record["label"] for record in test).values()) == {40}
    assert train[0] == {"text": "I am still waiting on my card?", "label": 0} and labels[0] == "card_arrival"
    seen = {" ".join(record["text"].lower().split()) for record in train}
    assert sum(" ".join(record["text"].lower().split()) in seen for record in test) == 7


def test_genuine_e2e(mirror):
    parts = {split: data.e2e(split) for split in ("train", "val", "test")}
    assert {split: len(records) for split, records in parts.items()} == {"train": 3856, "val": 443, "test": 4693}
    groups = {split: data.e2e_references(records) for split, records in parts.items()}
    assert {split: len(group) for split, group in groups.items()} == {"train": 1332, "val": 152, "test": 1847}
    patterns = {}
    for split, records in parts.items():  # placeholders for name and near, written otherwise than in the loader
        hidden = [{**record["mr"], **dict.fromkeys({"name", "near"} & set(record["mr"]), "_")} for record in records]
        patterns[split] = {frozenset(mr.items()) for mr in hidden}
    assert not patterns["train"] & (patterns["val"] | patterns["test"]) and not patterns["val"] & patterns["test"]
    attributes = {"name", "eatType", "food", "priceRange", "customer rating", "area", "familyFriendly", "near"}
    records = [record for records in parts.values() for record in records]
    assert {key for record in records for key in record["mr"]} == attributes
    assert all(record["text"].strip() and all(record["mr"].values()) for record in records)


def test_genuine_sentfin(mirror):
    records = data.sentfin()
    sentiments = Counter(sentiment for record in records for sentiment in record["entities"].values())
    assert len(records) == 10_753 and sentiments == {"neutral": 5517, "positive": 5074, "negative": 3814}
    by_title = {}
    for record in records:
        by_title.setdefault(record["title"], set()).add(frozenset(record["entities"].items()))
    assert len(by_title) == 10_686 and sum(len(kinds) > 1 for kinds in by_title.values()) == 12
    assert sum(any(name not in record["title"] for name in record["entities"]) for record in records) == 19
    assert {"Sebi": "neutral", "Osian's Art Fund": "neutral"} in [record["entities"] for record in records]


def test_docstrings():
    text = data.docstrings()
    print(f"{len(text):,} characters of docstrings")
    assert 800_000 < len(text) < 4_000_000
    assert set(text) <= set(string.printable) - set("\t\r\v\f") and len(set(text)) > 90
    assert json.JSONEncoder.__doc__.strip().splitlines()[0] in text and "Whether tests run" not in text
    places = [text.index(words) for words in ("Abstract Base Classes", "JSON (JavaScript Object Notation)", "XPath")]
    assert places == sorted(places), "modules are not in order"
    paragraph = "Return a shallow copy of a list."
    assert text.count(f"\n\n{paragraph}\n\n") <= 1
    assert data.docstrings() is text


def test_docstrings_of_a_small_library(tmp_path, monkeypatch):
    library = {
        "b.py": '"""Module b."""\nclass C:\n    """A C.\n\n        indented."""\n    async def f():\n        "Of f."\n',
        "a.py": 'try:\n    def g():\n        """Of g, \\d."""\nexcept E:\n    def h():\n        """Of h."""\n',
        "c.py": '"""Module b."""\ndef café():\n    """Café."""\ndef e():\n    ""\n',
        "broken.py": "print 'two'",
        "test/t.py": '"""A test."""',
        "site-packages/s.py": '"""A package."""',
        "d/e.py": '"""Inner."""',
        "long.py": f'"""{"long " * 20_000}"""',
    }
    for name, content in library.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    expected = ["Of g, \\d.", "Of h.", "Module b.", "A C.\n\nindented.", "Of f.", "Inner."]
    gather = data.docstrings.__wrapped__
    assert gather().startswith("\n\n".join(expected) + "\n\nlong long") and gather().endswith(" long")
    (tmp_path / "long.py").unlink()
    with pytest.raises(data.DataError) as caught:
        gather()
    assert str(tmp_path) in check_sentence(str(caught.value))


# --- stand-ins ------------------------------------------------------------------------------------------------------


def test_standins_on_request(site, carried, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    text = data.shakespeare()
    assert text.train + text.val == data.docstrings() and text.name == "docstrings (stand-in)"
    assert len(text.train) == int(0.9 * len(data.docstrings()))
    assert data.tang_poems() == [{"title": "夜", "author": "course", "lines": ["月白風清。"]}]
    assert data.sentfin() == [{"title": "Norlin up", "entities": {"Norlin": "positive"}}]
    data.e2e("train"), data.banking77("train")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and all("AIGC_STANDIN=1 is set" in line and "stand in for" in line for line in lines)
    assert site.gets == [] and fetch.used == dict.fromkeys(LOADERS, "stand-in")
    assert data.standin_note().startswith("stand-in data: docstrings of Python's standard library, poems")
    assert data.standin_in_use()


def test_standin_of_banking77(site, carried, monkeypatch):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    train, test = data.banking77("train"), data.banking77("test")
    assert data.banking77_labels() == ["a", "b", "rare"]
    assert Counter(record["label"] for record in train) == {0: 9, 1: 9, 2: 1}
    assert Counter(record["label"] for record in test) == {0: 3, 1: 3}
    texts = [record["text"] for record in train + test]
    assert sorted(texts) == sorted(f"Question {i}" for i in range(25))
    intents = {ticket["text"]: ticket["intent"] for ticket in data.storefront("tickets")}
    assert all(intents[r["text"]] == data.banking77_labels()[r["label"]] for r in train + test)


def test_standin_of_e2e(site, carried, monkeypatch):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    parts = {split: data.e2e(split) for split in ("train", "val", "test")}
    assert {split: len(records) for split, records in parts.items()} == {"train": 32, "val": 4, "test": 4}
    names = {split: {record["mr"]["name"] for record in records} for split, records in parts.items()}
    assert len(names["train"] | names["val"] | names["test"]) == 20
    record = next(r for records in parts.values() for r in records if r["text"] == "Lamp 7 glows.")
    assert record["mr"] == {"name": "Lamp 7", "colour": "red", "watts": "5", "price": "7.50 EUR"}
    assert all(len(texts) == 2 for _, texts in data.e2e_references(parts["train"]))


def test_standins_the_course_carries(monkeypatch, capsys):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    monkeypatch.setattr(fetch, "used", {})
    labels, tickets = data.banking77_labels(), {split: data.banking77(split) for split in ("train", "test")}
    assert len(labels) >= 20 and all({r["label"] for r in part} == set(range(len(labels))) for part in tickets.values())
    texts = {split: {record["text"] for record in part} for split, part in tickets.items()}
    assert len(texts["train"] | texts["test"]) >= 300 and not texts["train"] & texts["test"]
    products = {split: data.e2e(split) for split in ("train", "val", "test")}
    assert sum(len(data.e2e_references(records)) for records in products.values()) >= 60
    for record in [record for records in products.values() for record in records]:
        assert all(isinstance(value, str) and value for value in record["mr"].values()) and record["text"]
    headlines = data.sentfin()
    assert len(headlines) >= 200 and {"title", "entities"} == set(headlines[0])
    assert {s for r in headlines for s in r["entities"].values()} == {"positive", "neutral", "negative"}
    assert all(name in record["title"] for record in headlines for name in record["entities"])
    poems = data.tang_poems()
    assert len(poems) >= 3 and all(poem["title"] and poem["author"] and len(poem["lines"]) >= 2 for poem in poems)


@every_set
def test_standin_takes_over_and_never_mixes(site, carried, monkeypatch, capsys, dataset):
    monkeypatch.delenv("AIGC_STANDIN")
    site.faults["*"] = "404"
    name, other = fetch.TEXTS[dataset]
    standin = LOADERS[dataset]()
    message = check_sentence(capsys.readouterr().out)
    assert "answered 404" in message and f"until then {other} stand in for {name}." in message
    assert fetch.used == {dataset: "stand-in"} and data.standin_note() == f"stand-in data: {other}"
    n_gets = len(site.gets)
    assert LOADERS[dataset]() == standin and len(site.gets) == n_gets  # not tried again
    assert capsys.readouterr().out == f"{name} is still missing (see above), so {other} stand in for it.\n"
    site.faults.clear()
    monkeypatch.setenv("AIGC_DATA_MIRROR", site.url)  # other settings: tried again
    assert LOADERS[dataset]() != standin and fetch.used == {dataset: "upstream"}
    assert "run the notebook again from its first cell" in capsys.readouterr().out
    for path in (site.cache / dataset).iterdir():
        path.unlink()
    site.faults["*"] = "404"
    assert "answered 404" in failure(LOADERS[dataset])  # the genuine text is in use


def test_storefront_asks_for_a_kind_that_exists(carried):
    assert len(data.storefront("products")) == 20 and data.storefront("tickets")[0]["text"] == "Question 0"
    with pytest.raises(ValueError, match="'customers'"):
        data.storefront("customers")


# --- what goes wrong ------------------------------------------------------------------------------------------------


@every_set
def test_altered_offline_and_forbidden(site, monkeypatch, dataset):
    load, n_files = LOADERS[dataset], sum(name.startswith(dataset + "/") for name in FILES)
    site.faults["*"] = "alter"
    assert "sent an altered file" in failure(load) and fetch.used == {}
    site.faults["*"] = ["alter"]  # only the first answer
    genuine = load()
    for path in (site.cache / dataset).glob("*.*"):
        path.write_bytes(b"altered")
    site.gets.clear()
    assert load() == genuine and len(site.gets) == n_files
    for path in (site.cache / dataset).glob("*.*"):
        path.write_bytes(b"altered")
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    message = failure(load)
    assert "is altered" in message and "AIGC_OFFLINE=1 forbids the network" in message
    assert f"aigc-course fetch {dataset}" in message and len(site.gets) == n_files


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tinyshakespeare/input.txt", b"\xff\xfe", "UnicodeDecodeError"),
        ("tang300/tang300.json", b"<html>", "JSONDecodeError"),
        ("tang300/tang300.json", b'[{"title": "x"}]', "paragraphs"),
        ("banking77/train.csv", b"text,category\nHi,greeting\n", "greeting"),
        ("banking77/train.csv", b"question,category\nHi,lost_card\n", "text"),
        ("e2e/devel-fixed.no-ol.csv", b"mr,ref\nname Aromi,Aromi!\n", "'name Aromi'"),
        ("sentfin/SEntFiN.csv", b"Title,Decisions\nBP falls,\"{'BP: 'negative'}\"\n", "no dict"),
        ("sentfin/SEntFiN.csv", b"Title,Decisions\nBP falls,\"{'BP': 'bad'}\"\n", "no sentiments"),
        ("sentfin/SEntFiN.csv", b"Title,Decisions\nBP falls,{}\n", "no sentiments"),
        ("sentfin/SEntFiN.csv", b"Title,Decisions\nBP falls,__import__('os')\n", "no dict"),
    ],
)
def test_registered_files_of_another_form(site, name, content, says):
    site.files[f"/{name}"] = content
    write_registry(fetch.REGISTRY, site.url, site.files)
    message = failure(LOADERS[name.split("/")[0]])
    assert says in message and "rows in the registry" in message, message


def test_bad_splits(site):
    with pytest.raises(ValueError, match="'val'"):
        data.banking77("val")
    with pytest.raises(ValueError, match="'dev'"):
        data.e2e("dev")
    assert site.gets == [] and fetch.used == {}
