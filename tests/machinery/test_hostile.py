"""Hostile input, of whatever kind: each is met with one sentence, in bounded time, and changes nothing outside."""

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from server import Server, alone_with
from small_course import chapter

from aigc_course import metrics, plot, receipts, runtime
from aigc_course.backstage import cli, lab, pages, readme, report, runner, same, store
from aigc_course.plumbing import claims, console, fetch, grading, models, rooms, settings

CODES = "\x1b]0;title\x07\x1b[31m\u202e"
RECEIPT = {
    "chapter": "00_first",
    **{"profile": "lesson", "device": "cpu", "torch": "2", "date": "2026-11-01", "digest": "d", "data": {}},
    "runs": [{"seed": 0, "minutes": 1.0, "peak_gb": 0.5, "figures": {"loss": 90.0}}],
    "claims": [],
}


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A course with one page, and executions that take no kernel."""

    def execute(notebook, name, bar, **options):
        found = {"profile": "lesson", "device": "cpu", "torch": "2", "peak_gb": 0.1, "minutes": 0.1, "seed": 0}
        return runner.Outcome(notebook, found | {"data": {}, "figures": {"loss": 1.0}, "claims": []})

    (tmp_path / "pyproject.toml").write_text('Repository = "https://github.com/o/r"\n')
    (tmp_path / "README.md").write_text("<!-- table -->\n<!-- /table -->\n")
    chapter(tmp_path, "00_first", setup="x = 1")
    monkeypatch.setattr(rooms, "root", lambda: tmp_path)
    monkeypatch.setattr(runner, "execute", execute)
    return tmp_path


# --- files outside -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="/dev is of POSIX")
def test_a_device_is_not_replaced_by_a_file(monkeypatch):
    monkeypatch.setattr(settings.tempfile, "TemporaryDirectory", None)  # should it go on, it stops here
    with pytest.raises(OSError, match="is a device"):
        settings.write_atomically(Path("/dev/null"), lambda part: part.write_text("x"))


def test_working_copies_are_not_taken_aside_through_a_link(repo, tmp_path_factory, monkeypatch):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "00_first.ipynb").write_text("mine")
    (repo / "my-notebooks").symlink_to(outside)
    for act in (lab.refresh, lambda: lab.reset(repo / "notebooks/00_first.ipynb")):
        with pytest.raises(OSError, match="is a link"):
            act()
    monkeypatch.chdir(repo)
    monkeypatch.setattr(rooms, "root", lambda: None)
    (repo / "aigc-notebooks").symlink_to(outside)
    with pytest.raises(OSError, match="is a link"):
        lab.refresh()
    assert [(file.name, file.read_text()) for file in outside.iterdir()] == [("00_first.ipynb", "mine")]


def test_a_cache_of_models_that_is_a_link_is_not_written_through(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/hub").symlink_to(tmp_path / "theirs")
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "_get", lambda url, *args: pytest.fail("asked"))
    with pytest.raises(models.HubError, match="is a link, which is not followed"):
        models.fetch("o/m")
    assert not list((tmp_path / "theirs").iterdir())


def test_models_are_not_copied_through_a_link(tmp_path, monkeypatch, capsys):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "to/o").symlink_to(tmp_path / "theirs")
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(models, "fetch", lambda name: [tmp_path / "config.json"])
    assert cli.main(["fetch", "--model", "o/m", "--to", str(tmp_path / "to")]) == 1
    assert "is a link, which is not followed" in capsys.readouterr().out and not list((tmp_path / "theirs").iterdir())


def test_receipts_are_not_stored_through_a_link(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "00_first").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="is a link"):
        store.write(RECEIPT, tmp_path)
    assert not list((tmp_path / "theirs").iterdir())


def test_what_a_killed_process_left_goes_after_a_day_and_nothing_else(tmp_path):
    left, new, own = (tmp_path / f".c.pt.{end}" for end in ("a2345678", "b2345678", "backup"))
    for folder, file in ((left, "c.pt"), (new, "c.pt"), (own, "c.pt")):
        folder.mkdir()
        (folder / file).write_text("half")
    mixed = tmp_path / ".c.pt.c2345678"
    mixed.mkdir()
    (mixed / "mine").write_text("mine")
    for folder in (left, own, mixed):
        os.utime(folder, (1, 1))
    settings.write_atomically(tmp_path / "c.pt", lambda part: part.write_text("whole"))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in (new, own, mixed)) + ["c.pt"]


# --- wrong numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, bound", [(np.inf, ">= 15"), (-np.inf, "<= 3"), (np.nan, ">= 0")])
def test_a_claim_is_not_held_by_what_is_no_number(value, bound, monkeypatch):
    monkeypatch.setattr(claims.fetch, "used", {})  # stand-ins of an earlier test: nothing would be claimed
    assert claims.judge("ratio", "much faster", value, "lesson", lesson=bound)[0]["met"] is False


@pytest.mark.parametrize("bound", ["<= inf", ">= -inf", "<= 1e999", "<= nan"])
def test_a_bound_that_holds_always_or_never_is_none(bound, monkeypatch):
    monkeypatch.setattr(claims.fetch, "used", {})
    with pytest.raises(ValueError, match="a bound reads like"):
        claims.judge("ratio", "much faster", 1.0, "lesson", lesson=bound)


def test_several_numbers_are_no_figure():
    import torch

    run = runtime.setup(0)
    for several in (np.zeros(2), np.zeros(0), torch.zeros(2), torch.zeros(0), [1.0]):
        with pytest.raises(TypeError, match="the figure loss must be a number"):
            run.record("loss", several)
    assert run.record("loss", torch.ones(1)) == run.record("loss", np.float32(1)) == 1.0


@pytest.mark.parametrize("change", [{"chapter": "01_second"}, {"profile": "full"}])
def test_a_receipt_is_of_its_own_chapter_and_profile(change, repo):
    place = repo / "chapters/00_first/receipt.lesson-cpu.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(RECEIPT))
    assert receipts.load("00_first", where=repo / "chapters")["digest"] == "d"
    place.write_text(json.dumps(RECEIPT | change))
    with pytest.raises(ValueError, match=f"{next(iter(change))} is not as it should be"):
        receipts.load("00_first", where=repo / "chapters")


def test_a_figure_too_large_for_a_float_is_shown_and_holds_nothing(monkeypatch):
    monkeypatch.setattr(claims.fetch, "used", {})
    for value, shown in ((10**400, "= inf"), (-(10**400), "= -inf")):
        claim, verdict = claims.judge("ratio", "much faster", value, "lesson", lesson=">= 15")
        assert claim["met"] is False and shown in claims.line(claim, verdict)


def test_a_number_too_large_for_a_float_does_not_reach_a_run_file():
    assert claims.finite(10**400) is None and claims.finite(1.5) == 1.5 and claims.finite(np.nan) is None


@pytest.mark.parametrize("name", ["*", "0?_first", ""])
def test_a_receipt_is_found_by_its_name_alone(repo, name):
    (repo / "chapters/00_first/receipt.lesson-cpu.json").write_text(json.dumps(RECEIPT))
    assert receipts.load("00_first")["digest"] == "d"
    with pytest.raises(FileNotFoundError):
        receipts.load(name)


# --- without end -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["NaN", "Infinity", "0.5", "1" + "0" * 400, "null"])
def test_a_hub_that_lists_no_size_is_refused_before_anything_is_fetched(size, tmp_path, monkeypatch):
    listed = '{"sha": "%s", "siblings": [{"rfilename": "config.json", "size": %s, "blobId": "%s"}]}'
    refused(listed % ("0" * 40, size, "0" * 40), tmp_path, monkeypatch)


def test_sizes_of_a_hub_do_not_cancel_out(tmp_path, monkeypatch):
    rows = [{"rfilename": f"{i}.json", "size": 9 * 10**9 if i else -44 * 10**9, "blobId": "0" * 40} for i in range(6)]
    refused(json.dumps({"sha": "0" * 40, "siblings": rows}), tmp_path, monkeypatch)


def test_a_hub_whose_listing_nests_is_refused(tmp_path, monkeypatch):
    refused("[" * 200_000, tmp_path, monkeypatch)


def refused(listing, tmp_path, monkeypatch):
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    asked = []
    monkeypatch.setattr(models, "_get", lambda url, *args: asked.append(url) or listing.encode())
    with pytest.raises(models.HubError, match="lists no commit, sizes and checksums"):
        models.fetch("o/m")
    assert len(asked) == 1


@pytest.mark.parametrize("file", ["config.json", "digests"])
@pytest.mark.parametrize("content", ["[" * 200_000, None, '{"architectures": 5}', '{"architectures": {"a": 1}}'])
def test_odd_settings_of_a_model_get_a_sentence(file, content, tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["GPT2LMHeadModel"]}')
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    if content is None:
        with (tmp_path / file).open("wb") as sparse:
            sparse.truncate(10**10)
    else:
        (tmp_path / file).write_text(content)
    if file == "digests" and content and content.startswith("{"):
        return
    with pytest.raises(models.HubError, match="have not the form of a model's"):
        models.check(tmp_path, "m")


def test_a_huge_file_that_nobody_knows_is_not_read_through(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["GPT2LMHeadModel"]}')
    (tmp_path / "tokenizer.json").write_text("{}")
    with (tmp_path / "model.safetensors").open("wb") as sparse:
        sparse.truncate(10**12)
    assert len(models.check(tmp_path, "m")) == 3


def test_a_link_out_of_a_cache_is_refused_by_whatever_name_it_leads(tmp_path):
    (tmp_path / "outside.safetensors").write_text("{}")
    place = tmp_path / "hub/snapshot"
    place.mkdir(parents=True)
    (place / "config.json").write_text('{"architectures": ["GPT2LMHeadModel"]}')
    (place / "tokenizer.json").write_text("{}")
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in place.iterdir()}
    (place / models.DIGESTS).write_text(json.dumps(digests))
    (place / "model.safetensors").symlink_to(tmp_path / "outside.safetensors")
    with pytest.raises(models.HubError, match="leads out of"):
        models.check(place, "m", tmp_path / "hub")


@pytest.mark.parametrize("text", ["", "run = 3", "def run(seeds:\n"])
def test_a_study_that_is_none_gets_a_sentence(text, repo, monkeypatch, capsys):
    (repo / "chapters/00_first").mkdir(parents=True, exist_ok=True)
    (repo / "chapters/00_first/study.py").write_text(text)
    assert cli.main(["study", "00"]) == 2
    assert "chapters/00_first/study.py cannot be used: " in capsys.readouterr().err


def test_a_models_kind_is_said_without_codes(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [CODES]}))
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(models.HubError, match="is no causal language model") as caught:
        models.check(tmp_path, "m")
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are of POSIX")
def test_pipes_are_not_waited_for(repo, capsys):
    import torch

    from aigc_course import train

    os.mkfifo(repo / "c.pt")
    model = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="c.pt is a folder, a pipe or a device, or too large, and no checkpoint"):
        next(train.batches(torch.ones(4, 1), 2, 3, resume=train.Resume(repo / "c.pt", model=model), progress=False))
    os.mkfifo(repo / "chapters/00_first/receipt.lesson-cpu.json")
    assert cli.main(["table"]) == 0
    page = repo / "notebooks/00_first.ipynb"
    page.unlink()
    os.mkfifo(page)
    with pytest.raises(pages.Problem, match="00_first.ipynb cannot be read: it is no file"):
        pages.load(page)
    assert cli.main(["run"]) in (0, 1, 2)


@pytest.mark.parametrize("text", ["1e99999999", "-1e-99999999", "1e999"])
def test_numbers_with_huge_exponents_are_read_at_once(text):
    try:
        assert grading.number_of(text) == 0
    except grading.Wrong as wrong:
        assert "finite" in str(wrong)
    assert grading.number_of("1/3") == pytest.approx(1 / 3) and grading.number_of("15,360") == 15360


# --- secrets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address, shown",
    [
        ("http://CORP\\me:secret@host:1/x", "http://host:1/x"),
        ("http://corp/me:secret@host", "http://host"),
        ("http://host:8000/x?mail=a@b.c&token=secret", "http://…"),
        ("http://host:8000?token=sec@secret", "http://…"),
        ("http://me:12?secret@host", "http://host"),
        ("me:secret@host/https://mirror/x", "host/https://mirror/x"),
        ("http://host/x?mail=a@b.c&token=secret", "http://host/x"),
    ],
)
def test_what_stands_before_a_host_or_in_a_query_is_not_shown(address, shown):
    assert settings.public(address) == shown


@pytest.mark.parametrize("proxy", ["socks5://me:secret@127.0.0.1:9", "http://"])
def test_a_proxy_that_cannot_be_used_is_named(proxy, tmp_path, monkeypatch):
    with Server({"/tinyshakespeare/input.txt": b"x"}) as server:
        alone_with(server, tmp_path, monkeypatch)
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(fetch.DataError, match="the proxy .* is of no use") as caught:
            fetch.fetch("tinyshakespeare")
    assert "secret" not in str(caught.value) and "HTTP_PROXY" in str(caught.value)


# --- injection ---------------------------------------------------------------------------------------------------


def test_codes_of_a_terminal_are_not_passed_on():
    assert not re.search("[\x1b\x07\u202e]", console.clean(f"a {CODES} b")) and console.clean("a\tb\n·") == "a\tb\n·"
    found = json.loads(json.dumps(RECEIPT))
    found["runs"][0]["figures"] = {CODES: 1.0}
    assert readme.figures_text(found).isprintable()


def test_a_claim_names_a_figure(monkeypatch):
    run = runtime.setup(0)
    for name in ("<b>", CODES, "a b", 5):
        with pytest.raises(ValueError, match="a claim is about a figure"):
            run.claim(name, "it is low")


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
@pytest.mark.parametrize("name", [os.fsdecode(b"na\xefve"), f"a{CODES}", "two\nlines"])
def test_a_guest_with_any_name_is_run_and_kept(repo, name, capsys):
    path = repo / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), path)
    assert cli.main(["run", str(path)]) == 0
    shown = capsys.readouterr().out
    assert not re.search("[\x1b\x07\u202e\udcef]", shown) and list((repo / "build").rglob("receipt.*.json"))


# --- tracebacks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["run", "--to", "~nosuchuser/x"], ["run", "~nosuchuser/x.ipynb"]])
def test_a_stranger_s_home_gets_a_sentence(repo, words, monkeypatch):
    monkeypatch.chdir(repo)
    assert cli.main(words) in (0, 2)


def test_a_device_that_does_not_work_gets_a_sentence(repo, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_DEVICE", "mps" if sys.platform != "darwin" else "cuda")
    assert cli.main(["run", "--changed"]) == 2
    assert "AIGC_DEVICE" in capsys.readouterr().err


def test_a_page_with_a_number_like_nan_gets_a_sentence(repo, capsys):
    page = repo / "notebooks/00_first.ipynb"
    page.write_text(page.read_text().replace('"nbformat_minor": 5', '"nbformat_minor": 5, "x": NaN'))
    assert cli.main(["run"]) == 1
    assert "00_first.ipynb is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["page", "receipt"])
def test_stamping_what_is_damaged_gets_a_sentence(repo, damage, capsys):
    place = repo / "chapters/00_first/receipt.lesson-cpu.json"
    place.write_text("{" if damage == "receipt" else json.dumps(RECEIPT))
    if damage == "page":
        (repo / "notebooks/00_first.ipynb").write_text("[]")
    assert cli.main(["run", "00", "--same"]) in (1, 2)
    shown = "".join(capsys.readouterr())
    assert "00_first" in shown and "damaged" in shown


@pytest.mark.parametrize("more", [{"rows": [1]}, {"rows": [None]}, {"runs": [1]}])
def test_a_damaged_study_gets_a_sentence(repo, more):
    head = {key: RECEIPT[key] for key in ("chapter", "device", "date", "digest", "data")}
    (repo / "chapters/00_first/study.json").write_text(json.dumps(head | more))
    with pytest.raises(ValueError, match=r"study\.json is damaged: rows"):
        receipts.rows("00_first.study")


def test_a_study_without_seeds_is_not_stamped(repo, capsys):
    head = {key: RECEIPT[key] for key in ("chapter", "device", "date", "digest", "data")}
    (repo / "chapters/00_first/study.json").write_text(json.dumps(head | {"rows": []}))
    (repo / "chapters/00_first/study.py").write_text("def run(seeds): return {}\n")
    assert cli.main(["study", "00", "--same"]) == 1
    assert "has no seeds" in capsys.readouterr().out


@pytest.mark.parametrize("key, value", [("headline", [1]), ("picture", "setup")])
def test_odd_metadata_of_a_page_gets_a_sentence(repo, key, value, capsys):
    (repo / "chapters/00_first/receipt.lesson-cpu.json").write_text(json.dumps(RECEIPT))
    page = repo / "notebooks/00_first.ipynb"
    made = nbformat.read(page, 4)
    made.metadata.aigc |= {"headline_text": "{}" if key == "headline" else "", key: value}
    made.cells[1].outputs = [nbformat.v4.new_output("display_data", {"image/png": "no picture"})]
    nbformat.write(made, page)
    assert cli.main(["table"]) == 2
    assert "00_first.ipynb" in capsys.readouterr().err


def test_a_working_copy_that_nests_is_left_alone(repo):
    lab.refresh()
    copy, page = repo / "my-notebooks/00_first.ipynb", repo / "notebooks/00_first.ipynb"
    copy.write_text("[" * 200_000)
    page.write_text(page.read_text().replace("x = 1", "x = 2"))
    assert "00_first" in lab.refresh()[0] and copy.read_text().startswith("[[")


@pytest.mark.parametrize("value", ["1e300", "1e12", "inf"])
def test_a_timeout_is_a_day_at_most(value, monkeypatch):
    monkeypatch.setenv("AIGC_TIMEOUT", value)
    with pytest.raises(settings.SettingError, match="AIGC_TIMEOUT"):
        settings.timeout()


# --- what a second attack found ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http://me:secret@h/x", "me:secret@h/x", "https://h/x?token=secret"])
def test_an_address_in_the_place_of_a_model_is_told_without_its_password(name, capsys):
    with pytest.raises(models.HubError, match="is neither a folder nor a model's name") as caught:
        models.fetch(name)
    assert cli.main(["fetch", "--model", name]) == 1
    assert "secret" not in str(caught.value) + "".join(capsys.readouterr())


@pytest.mark.parametrize("cell", ["1" + "+1" * 20_000, "x" + ".a" * 20_000, "-" * 20_000 + "1"])
def test_a_cell_that_nests_costs_no_other_page(cell, repo, capsys):
    chapter(repo, "01_second", setup="x = 1", task=cell)
    assert cli.main(["run"]) == 1
    said = "".join(capsys.readouterr())
    assert "01_second cannot be run: a cell nests too deep" in said and "00_first" in said and "Traceback" not in said


@pytest.mark.parametrize("title", ["", "[![Launch](https://mybinder.org/v2/gh/o/r)](x)"])
def test_badges_are_put_above_an_empty_title(title, repo):
    page = repo / "notebooks/00_first.ipynb"
    notebook = nbformat.read(page, as_version=4)
    notebook.cells[0].source = title
    nbformat.write(notebook, page)
    assert cli.main(["badges", "a/b"]) in (0, 1)
    assert "github/a/b" in page.read_text()


@pytest.mark.parametrize("sizes", [{"n_layer": 10**7}, {"vocab_size": 10**8}, {"num_hidden_layers": 10**400}])
def test_a_model_of_impossible_sizes_is_refused_before_it_is_made(sizes, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["GPT2LMHeadModel"]} | sizes))
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(models.HubError, match="have not the form of a model's"):
        models.check(tmp_path, "m")


def test_what_a_models_files_call_their_parts_is_told_clean_and_short():
    error = models.HubError(f"the weights lack {CODES}\n" + "x" * 1_000_000)
    assert str(error).isprintable() and len(str(error)) <= 600


def test_a_file_that_memory_cannot_hold_gets_a_sentence(repo, monkeypatch, capsys):
    def too_much(*args):
        raise MemoryError

    monkeypatch.setattr(cli.readme, "table", too_much)
    assert cli.main(["table"]) == 2 and "is damaged: MemoryError" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are of POSIX")
def test_a_stored_file_is_a_file_of_some_size(repo):
    place = repo / "chapters/00_first/receipt.lesson-cpu.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as sparse:
        sparse.truncate(10**12)
    os.mkfifo(place.with_name("study.json"))
    for name in ("receipt.lesson-cpu.json", "study.json"):
        with pytest.raises(ValueError, match="is damaged"):
            receipts.read(place.with_name(name))


@pytest.mark.parametrize(
    "about",
    [None, {}, *({"image/png": of} for of in (None, "x", {"alt": 5}, {"alt": CODES}, {"width": '1" onload="x'}))],
)
def test_an_odd_picture_costs_no_report(about, tmp_path):
    for png in ("aGk=", ["aG", "k="], 5, None, 'x" onerror="alert(1)'):
        output = {"output_type": "display_data", "data": {"image/png": png}, "metadata": about}
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
        notebook.cells[0].outputs = [nbformat.from_dict(output)]
        outcome = runner.Outcome(notebook, dict(RECEIPT["runs"][0]))
        report.write([outcome], [["a", "1", "2", "3", "4"]], [], tmp_path / "r.html")
        page = (tmp_path / "r.html").read_text()
        assert "\x1b" not in page and not re.search(r'<img[^>]*[\s"]on(error|load)=', page)


def test_a_dollar_is_a_dollar_in_the_tables():
    assert "$" not in readme.words("5 $x$ and $y$")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are of POSIX")
@pytest.mark.parametrize("name", ["README.md", "pyproject.toml", "CONTRIBUTING.md"])
@pytest.mark.parametrize("kind", ["pipe", "sparse"])
def test_texts_of_the_checkout_are_files_of_some_size(name, kind, repo, capsys):
    (repo / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(repo / name)
    else:
        with (repo / name).open("wb") as sparse:
            sparse.truncate(10**12)
    assert cli.main(["badges", "a/b"]) == 2 and f"{name} is no file of a text's size" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are of POSIX")
def test_pages_and_originals_that_are_no_files_are_neither_read_nor_copied(repo):
    lab.refresh()
    page, original = repo / "notebooks/00_first.ipynb", repo / "my-notebooks/originals/00_first.ipynb"
    original.unlink()
    os.mkfifo(original)
    lab.refresh()
    with page.open("wb") as sparse:
        sparse.truncate(10**12)
    with pytest.raises(OSError, match="is too large for a notebook"):
        lab.reset(page)
    with pytest.raises(pages.Problem, match="00_first.ipynb"):
        pages.load(page)


def test_half_a_character_in_a_label_costs_no_figure():
    import matplotlib.pyplot as plt

    from aigc_course.plumbing import drawing

    fig, ax = plt.subplots()
    ax.set(xlabel="a \ud800\nb", ylabel=CODES)
    assert drawing.png(fig).startswith(b"\x89PNG")


def test_a_failure_is_reported_without_codes(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    outcome = runner.Outcome(notebook, dict(RECEIPT["runs"][0]), f"\x1b[31mValueError\x1b[0m: {CODES}")
    report.write([outcome], [["a", "1", "2", "3", "4"]], [], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "ValueError" in page and "\x1b" not in page and "\u202e" not in page


# --- what a third attack found ------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="/dev is of POSIX")
@pytest.mark.parametrize("path", ["/dev/stdout", "/usr/../dev/null", "/dev/../dev/zero"])
def test_nothing_in_dev_is_replaced_by_whatever_way(path, monkeypatch):
    monkeypatch.setattr(settings.tempfile, "TemporaryDirectory", None)
    with pytest.raises(OSError, match="is a device"):
        settings.write_atomically(Path(path), lambda part: part.write_text("x"))


def test_a_stand_in_for_a_model_names_no_password(monkeypatch, capsys):
    from aigc_course import hub

    monkeypatch.setenv("AIGC_STANDIN", "1")
    hub.model("http://me:secret@host/x?token=secret")
    said = capsys.readouterr().out
    assert "stands in for http://host/x" in said and "secret" not in said


@pytest.mark.parametrize("word", ["http://me:secret@h/x", "me:secret@h/x.ipynb"])
@pytest.mark.parametrize("command", ["run", "study", "reset", "fetch", "badges"])
def test_what_was_typed_is_repeated_without_its_password(command, word, repo, capsys):
    assert cli.main([command, word]) == 2
    assert "secret" not in capsys.readouterr().err


def tensors_of(folder, change):
    """The course's checkpoint in a folder, with changed tensors."""
    import shutil

    from safetensors.torch import load_file, save_file

    place = shutil.copytree(Path(fetch.embedded("course_gpt2/config.json")).parent, folder / "m")
    weights = load_file(place / "model.safetensors")
    change(weights)
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    return place


NORM = "transformer.h.0.ln_1.weight"


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda w: w.update({NORM: w[NORM].long()}), "hold transformer.h.0.ln_1.weight as 'I64', which is no float"),
        (lambda w: w.update({NORM.removeprefix("transformer."): w[NORM].clone()}), "hold one of them twice"),
        (lambda w: w.pop("transformer.wte.weight"), "are fewer than its embedding has|missing"),
    ],
)
def test_weights_that_are_none_are_refused_by_their_headers(change, sentence, tmp_path):
    from aigc_course import gpt

    with pytest.raises(ValueError, match=sentence):
        gpt.checkpoint(tensors_of(tmp_path, change))


def test_a_vocabulary_that_the_weights_do_not_have_is_refused_before_it_is_made(tmp_path):
    place = tensors_of(tmp_path, lambda weights: None)
    config = json.loads((place / "config.json").read_bytes())
    (place / "config.json").write_text(json.dumps(config | {"vocab_size": 20_000_000, "n_embd": 16, "n_head": 1}))
    with pytest.raises(models.HubError, match="are fewer than its embedding has"):
        models.check(place, "m")


@pytest.mark.parametrize("digest", ["a" * 63, "A" * 64, "g" * 64])
def test_a_damaged_checksum_switches_nothing_off(digest, tmp_path):
    place = tensors_of(tmp_path, lambda weights: None)
    (place / models.DIGESTS).write_text(json.dumps({"model.safetensors": digest}))
    with pytest.raises(models.HubError, match="has not the checksum"):
        models.check(place, "m")


@pytest.mark.parametrize(
    "change, what",
    [
        ({"device": "cuda, A100"}, "device"),
        ({"runs": RECEIPT["runs"] * 2}, "the seeds"),
        ({"claims": [{"text": "low", "figure": "loss", "bound": "<= 91", "value": 99, "met": True}]}, "claim on loss"),
        ({"claims": [{"text": "low", "figure": "loss", "bound": "91", "value": 90, "met": True}]}, "claim on loss"),
    ],
)
def test_a_receipt_that_contradicts_itself_is_damaged(change, what, repo):
    path = repo / "chapters/00_first/receipt.lesson-cpu.json"
    with pytest.raises(ValueError, match=f"damaged: .*{what} is not as it should be"):
        receipts.check(RECEIPT | change, path)
    assert receipts.check(dict(RECEIPT), path)


@pytest.mark.parametrize("change", [{"chapter": "05_dcgan"}, {"rows": [["ab", "cd"]]}])
def test_a_study_of_another_page_or_form_is_damaged(change, repo):
    study = {key: RECEIPT[key] for key in ("chapter", "device", "date", "digest", "data")} | {"rows": [{"a": 1}]}
    path = repo / "chapters/00_first/study.json"
    assert receipts.check(study, path)
    with pytest.raises(ValueError, match="is damaged"):
        receipts.check(study | change, path)


def test_studies_and_pictures_are_not_stored_through_a_link(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "00_first").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="is a link"):
        store.write_study("00_first", {"device": "cpu"}, {"rows": []}, tmp_path)
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("result", ["None", "[1]", "{(1, 2): 3}", "{'a': {1, 2}}"])
def test_what_cannot_be_stored_of_a_study_is_kept(result, repo, monkeypatch, capsys, tmp_path):
    (repo / "chapters/00_first").mkdir(parents=True, exist_ok=True)
    (repo / "chapters/00_first/study.py").write_text(f"def run(seeds):\n    return {result}\n")
    assert cli.main(["study", "00"]) == 2
    where = re.search(r"cannot be stored \(.*\); it is in (\S+study.txt)", capsys.readouterr().err)
    assert Path(where[1]).read_text() == repr(eval(result))


def test_a_dollar_begins_no_formula_in_what_is_shown_as_html():
    assert console.escaped("$5 & $6") == "<span>$</span>5 &amp; <span>$</span>6"


def test_a_label_that_is_no_formula_is_drawn_as_it_is():
    from aigc_course import plot

    plot.lines({r"$\x$": [1, 2], "$x_1$": [2, 3]}, xlabel=r"from $\q to $", ylabel="y")
    plot.images(np.zeros((1, 8, 8)), value_range=(0, 1), labels=[r"$\x$"], alt="a square")


def test_a_page_with_a_number_of_thousands_of_digits_costs_no_other(repo, capsys):
    chapter(repo, "01_second", setup="x = 1", other="y = 0x" + "f" * 5_000)
    assert cli.main(["run"]) == 1
    assert "01_second cannot be run: a cell nests too deep, or has a number" in capsys.readouterr().out


def test_an_interrupted_command_says_so(repo, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "fetch", stop)
    assert cli.main(["fetch", "tang300"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_picture_in_lines_costs_no_report():
    output = {"data": {"image/svg+xml": ["<svg>", "</svg>"], "text/plain": "a"}, "metadata": {}}
    report._without_kernel(output)
    assert output["data"]["image/svg+xml"] == "<svg></svg>"


@pytest.mark.parametrize(
    ("kind", "content", "about"),
    [
        ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'><title>seen \"words\"</title></svg>", {}),
        ("image/jpeg", "aGk=", {"image/jpeg": {"alt": 'seen "words"'}}),
        ("image/png", "aGk=", {"image/png": {"alt": 'seen "words"'}}),
    ],
)
def test_words_of_pictures_of_each_kind_reach_the_report(kind, content, about):
    output = {"data": {kind: content, "text/plain": "a"}, "metadata": about}
    report._without_kernel(output)
    assert 'alt="seen &quot;words&quot;' in output["data"]["text/html"] and output["metadata"] == {}


@pytest.mark.parametrize("content", ["<svg", "", 5, None, "<!DOCTYPE x [<!ENTITY a 'b'>]><svg>&a;&c;</svg>"])
def test_a_drawing_that_is_none_costs_no_report(content):
    output = {"data": {"image/svg+xml": content, "text/plain": "a"}, "metadata": {"image/svg+xml": {"alt": 5}}}
    report._without_kernel(output)
    assert "text/html" not in output["data"]


def test_a_table_is_not_written_through_a_link(repo, tmp_path_factory, capsys):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "README.md").write_text("mine")
    shutil.rmtree(repo / "chapters", ignore_errors=True)
    (repo / "chapters").symlink_to(outside)
    assert cli.main(["table"]) != 0
    assert (outside / "README.md").read_text() == "mine" and "is a link" in "".join(capsys.readouterr())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", ["x", "bank"])
def test_nearest_refuses_what_is_not_finite(bad, place):
    found = {"x": torch.rand(3, 4), "bank": torch.rand(9, 4)}
    found[place][1, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        metrics.nearest(**found)


def test_half_a_character_in_a_legend_costs_no_figure():
    plot.lines({"a \ud800": [1, 2], "b": [2, 1]}, xlabel="x", ylabel="y", alt="two lines")


@pytest.mark.parametrize(
    "message",
    [
        'publish({"text/plain": "x"}, update=True, transient={})',
        'publish({"text/plain": "x"}, update=True, transient={"display_id": [1]})',
        'publish({"text/plain": 5, "text/html": None})',
    ],
)
def test_an_odd_message_of_a_kernel_ends_its_page_alone(message, tmp_path, monkeypatch, capsys):
    (tmp_path / "README.md").write_text("")
    for name, code in (("a", f"get_ipython().display_pub.{message}"), ("b", "print(1)")):
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), tmp_path / f"{name}.ipynb")
    monkeypatch.chdir(tmp_path)
    code = cli.main(["run", "a.ipynb", "b.ipynb", "--profile", "smoke", "--to", str(tmp_path / "out")])
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said and "2/2 b: done" in said and code == ("a failed in cell" in said)


def test_a_study_compared_writes_nothing_into_the_checkout(repo, tmp_path_factory, monkeypatch):
    outside = tmp_path_factory.mktemp("outside") / "mine.txt"
    outside.write_text("mine")
    (repo / "build").mkdir(exist_ok=True)
    (repo / "build" / "00_first.same.json").symlink_to(outside)
    study = repo / "chapters" / "00_first" / "study.py"
    study.parent.mkdir(parents=True, exist_ok=True)
    study.write_text("def run(seeds): return {}")

    def python(tree, *words):
        Path(words[5]).write_text('{"fd": 1.0}')

    monkeypatch.setattr(same, "_python", python)
    assert same._rows(repo, "00_first", 0, {}) == {"fd": 1.0} and outside.read_text() == "mine"


def test_signatures_are_not_kept_through_a_link(repo, tmp_path_factory, capsys):
    outside = tmp_path_factory.mktemp("outside") / "db"
    own = repo / "my-notebooks" / ".jupyter"
    own.mkdir(parents=True)
    (own / "nbsignatures.db").symlink_to(outside)
    lab.refresh()
    assert not outside.exists() and "could not be signed" in capsys.readouterr().err
