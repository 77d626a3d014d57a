"""What `table` and `badges` write: the README's table, the page of receipts, badges; nothing that can break them."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from small_course import chapter

from aigc_course import receipts
from aigc_course.backstage import cli, readme, store
from aigc_course.backstage import digest as digests

REPO = Path(cli.__file__).parents[2]


def test_badges_restamp_everything_that_names_the_repository(repo, capsys):
    install = 'repo = get("AIGC_REPO", "https://github.com/old-owner/old-repo")\ncourse = f"x @ git+{repo}@v0.0.1"'
    path = chapter(repo, "03_vae", setup=install, other="# https://github.com/pytorch/pytorch")
    (repo / "README.md").write_text(
        "git clone https://github.com/old-owner/old-repo\nhttps://github.com/pytorch/pytorch\n"
    )
    digest = digests.digest(path)
    before = path.read_bytes()
    assert cli.main(["badges", "--check"]) == 1 and path.read_bytes() == before  # there are none yet
    assert cli.main(["badges", "teacher/her.course"]) == 0
    notebook = nbformat.read(path, as_version=4)
    title = notebook.cells[0].source
    assert title.startswith("# 03_vae\n\n[![Open in Colab]") and title.endswith("\n\nWhat it is about.")
    assert "https://colab.research.google.com/github/teacher/her.course/blob/main/notebooks/03_vae.ipynb" in title
    assert "https://mybinder.org/v2/gh/teacher/her.course/main?labpath=notebooks/03_vae.ipynb" in title
    assert '"https://github.com/teacher/her.course")' in notebook.cells[1].source
    assert f'git+{{repo}}@v{cli.__version__}"' in notebook.cells[1].source
    assert notebook.cells[2].source == "# https://github.com/pytorch/pytorch"
    shown = (repo / "README.md").read_text()
    assert shown == "git clone https://github.com/teacher/her.course\nhttps://github.com/pytorch/pytorch\n"
    assert 'Repository = "https://github.com/teacher/her.course"' in (repo / "pyproject.toml").read_text()
    assert digests.digest(path) == digest  # a fork's outputs are not stale for it
    assert cli.main(["badges", "--check"]) == 0
    before = path.read_bytes()
    assert cli.main(["badges"]) == 0 and path.read_bytes() == before
    path.write_text(json.dumps(json.loads(before)))  # formatted in another way
    assert cli.main(["badges", "--check"]) == 0
    assert cli.main(["badges", "teacher/other"]) == 0 and cli.main(["badges", "--check"]) == 0
    assert path.read_text().count("teacher/other") == 3 and "her.course" not in path.read_text()
    assert cli.main(["badges", "no-address"]) == 2


@pytest.mark.parametrize("address", ["no-address", "../evil", "a/..", "a/b/c", "-a/b", "a/b c", "a/é", "a/.", "a/"])
def test_an_address_that_cannot_be_one_is_refused(repo, capsys, address):
    path = chapter(repo, "03_vae", setup="1")
    before = path.read_bytes()
    assert cli.main(["badges", "--", address]) == 2 and path.read_bytes() == before
    assert capsys.readouterr().err == f"aigc-course: {address} is not of the form OWNER/REPO\n"


def test_badges_put_the_setup_before_the_imports_of_a_new_page(repo):
    path = chapter(repo, "03_vae", setup="import torch")
    assert cli.main(["badges", "teacher/her.course"]) == 0
    source = nbformat.read(path, as_version=4).cells[1].source
    assert source == f"{readme.SETUP.format(address='teacher/her.course', version=cli.__version__)}\nimport torch"
    assert f'course = "git+https://github.com/teacher/her.course@v{cli.__version__}"' in source
    assert cli.main(["badges", "--check"]) == 0


def test_badges_say_which_notebooks_get_none(repo, capsys):
    good = chapter(repo, "03_vae", setup="1")
    chapter(repo, "04_gan", setup="1").write_text("")
    bare = json.loads(chapter(repo, "05_dcgan", setup="1").read_text()) | {"nbformat_minor": 0}
    for cell in bare["cells"]:
        del cell["id"]
    (repo / "notebooks/05_dcgan.ipynb").write_text(json.dumps(bare))
    (repo / "notebooks/06_mine.ipynb").write_text("{}")
    assert cli.main(["badges"]) == 1
    shown = capsys.readouterr().out
    assert "✗ 04_gan.ipynb is damaged: it is empty" in shown and "colab-badge" in good.read_text()
    assert "✗ 05_dcgan.ipynb has no cells called title and setup, so it gets no badges" in shown
    assert "chapters/NN_name: 06_mine.ipynb\n" in shown


def test_badges_know_the_cells_of_a_notebook_that_colab_saved(repo):
    path = chapter(repo, "03_vae", setup="1")
    old = json.loads(path.read_text()) | {"nbformat_minor": 0}
    for cell in old["cells"]:
        cell["metadata"]["id"] = cell.pop("id")
    path.write_text(json.dumps(old))
    assert cli.main(["badges"]) == 0 and "colab-badge" in path.read_text()


RUN = {"profile": "lesson", "device": "cpu, 2 cores, bf16", "data": {"mnist": "upstream"}, "peak_gb": 1.44}
PAGE = "top\n<!-- table -->\nold\n<!-- /table -->\n<!-- bench -->\n<!-- /bench -->\nend\n"


@pytest.fixture
def measured(repo):
    """A repository with a README, a chapter with a receipt of three seeds, one without, and a benchmark."""
    path = chapter(repo, "03_vae", setup="1")
    made = nbformat.read(path, as_version=4)
    made.metadata.aigc |= {"question": "What is a VAE?", "headline": "loss"}
    made.metadata.aigc.headline_text = "test loss {}; plain recipe {plain}"
    made.cells[0].source = "# 3 · Autoencoders, and more\n\nWords."
    nbformat.write(made, path)
    chapter(repo, "04_gan", setup="1")
    figures = [{"loss": 90 + m, "plain": 105.6} for m in (3.0, 3.2, 3.9)]
    runs = [RUN | {"seed": i, "minutes": f["loss"] - 90, "figures": f} for i, f in enumerate(figures)]
    claim = {"text": "a low loss", "figure": "loss", "bound": "<= 94", "value": 93.9, "met": True}
    runs = [run | {"claims": [claim]} for run in runs]
    store.write(store.combine("03_vae", runs, "d", "2026-01-01"), repo / "chapters")
    (repo / "benchmarks").mkdir()
    (repo / "benchmarks/vae.json").write_text('{"readme": ["twelve times as `fast`"]}')
    (repo / "README.md").write_text(PAGE)
    return repo


def test_table_is_written_from_receipts(measured, capsys):
    page = measured / "README.md"
    page.write_text("nothing")
    assert cli.main(["table"]) == 2
    page.write_text(PAGE)
    assert cli.main(["table", "--check"]) == 1 and page.read_text() == PAGE
    assert not (measured / "chapters/README.md").exists()
    assert cli.main(["table"]) == 0
    assert "Rewritten: README.md\nRewritten: chapters/README.md\n" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    row = "| [3 · Autoencoders](notebooks/03_vae.ipynb) | What is a VAE? | test loss 93.2; plain recipe 105.6 | 3.2 |"
    assert row in text and "| not yet measured |  | [!" in text and "- twelve times as `fast`\n" in text
    assert text.startswith("top\n") and text.endswith("<!-- /bench -->\nend\n") and "old\n" not in text
    assert "github/old-owner/old-repo/blob/main/notebooks/03_vae.ipynb" in text
    assert cli.main(["table", "--check"]) == 0


def test_the_page_beside_the_receipts_says_all(measured):
    assert cli.main(["table"]) == 0
    text = (measured / "chapters/README.md").read_text(encoding="utf-8")
    assert "## [3 · Autoencoders, and more](../notebooks/03_vae.ipynb)\n\nhow to test\n" in text
    facts = "lesson on cpu, 2 cores, bf16 · 3.2 (3.0–3.9) minutes · peak memory 1.4 GB · data: mnist"
    facts += " · 3 seeds · 2026-01-01"
    assert f"\n{facts}\n" in text and "| loss | 93.2 (93–93.9) |\n| plain | 105.6 (105.6–105.6) |\n" in text
    assert "- holds: a low loss (loss 93.9, claimed &lt;= 94)\n" in text
    assert "## [04_gan](../notebooks/04_gan.ipynb)" in text and "Not yet measured" in text


EVIL = "a|b\n<!-- /table --><script>x</script> [c](d) `e` \\g<1> @@bench@@"


def test_what_a_receipt_says_cannot_break_the_readme(measured):
    path = measured / "chapters/03_vae/receipt.lesson-cpu.json"
    receipt = receipts.read(path)
    receipt["device"], receipt["date"], receipt["data"] = f"cpu, {EVIL}", EVIL, {EVIL: EVIL}
    receipt["claims"][0]["text"] = EVIL
    for run in receipt["runs"]:
        run["figures"][EVIL] = 1
    path.write_text(json.dumps(receipt))
    (measured / "benchmarks/vae.json").write_text(json.dumps({"readme": [EVIL]}))
    made = nbformat.read(measured / "notebooks/03_vae.ipynb", as_version=4)
    made.metadata.aigc |= dict.fromkeys(("question", "headline_text", "summary"), EVIL)
    made.cells[0].source = f"# 3 {EVIL.replace(chr(10), ' ')}"
    nbformat.write(made, measured / "notebooks/03_vae.ipynb")
    assert cli.main(["table"]) == 0 and cli.main(["table", "--check"]) == 0
    for name, n_rows in (("README.md", 4), ("chapters/README.md", 5)):
        text = (measured / name).read_text(encoding="utf-8")
        assert "<script>" not in text and text.count("<!-- /table -->") == (name == "README.md")
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len(rows) == n_rows and {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6 if n_rows == 4 else 3}
    assert (measured / "README.md").read_text().endswith("<!-- /bench -->\nend\n")


CODES = "\x1b[2J\x1b]0;title\x07 red \u202egnp.exe\u202c\x00\x9b31m\r over"  # a terminal clears, beeps, turns the text


def test_codes_of_a_terminal_in_a_receipt_are_shown_nowhere(measured, capsys):
    path = measured / "chapters/03_vae/receipt.lesson-cpu.json"
    receipt = receipts.read(path)
    receipt["device"], receipt["date"], receipt["data"] = f"cpu, {CODES}", CODES, {CODES: CODES}
    receipt["claims"][0] |= {"text": CODES, "bound": CODES, "value": CODES, "met": False}
    path.write_text(json.dumps(receipt))
    (measured / "benchmarks/vae.json").write_text(json.dumps({"readme": [CODES]}))
    made = nbformat.read(measured / "notebooks/03_vae.ipynb", as_version=4)
    made.metadata.aigc |= dict.fromkeys(("question", "headline_text", "summary"), CODES)
    nbformat.write(made, measured / "notebooks/03_vae.ipynb")
    assert cli.main(["table"]) == 0
    shown = readme.claim_text(receipt["claims"][0]) + capsys.readouterr().out
    for text in (shown, *((measured / name).read_text("utf-8") for name in ("README.md", "chapters/README.md"))):
        assert text.replace("\n", "").isprintable()
        assert "gnp.exe" in text and "over" in text


NO_JSON = "it is not JSON, or has a number like NaN"


def test_damaged_receipts_notebooks_and_benchmarks_are_told_and_nothing_is_written(measured, capsys):
    for name, content, said in [
        ("chapters/03_vae/receipt.lesson-cpu.json", "[", "03_vae/receipt.lesson-cpu.json is damaged: " + NO_JSON),
        ("benchmarks/vae.json", "[]", "benchmarks/vae.json is damaged: a part is not as it should be"),
        ("benchmarks/vae.json", f'{{"ratio": 1{"0" * 400}}}', "benchmarks/vae.json is damaged: " + NO_JSON),
        ("benchmarks/vae.json", '{"ratio": Infinity}', "benchmarks/vae.json is damaged: " + NO_JSON),
        ("benchmarks/vae.json", '{"readme": "x"}', "vae.json is damaged: readme is no list of lines"),
        ("notebooks/04_gan.ipynb", "", "04_gan.ipynb is damaged: it is empty"),
    ]:
        before = (measured / name).read_text()
        (measured / name).write_text(content)
        assert cli.main(["table"]) == 2 and (measured / "README.md").read_text() == PAGE
        assert re.fullmatch(rf"aigc-course: {said}; [^\n]*\n", capsys.readouterr().err)
        (measured / name).write_text(before)
    made = nbformat.read(measured / "notebooks/03_vae.ipynb", as_version=4)
    made.metadata.aigc.headline = "other"
    nbformat.write(made, measured / "notebooks/03_vae.ipynb")
    assert cli.main(["table"]) == 2 and "its receipt has no figure other" in capsys.readouterr().err


def test_a_copy_of_a_page_stays_out_of_the_readme(measured, capsys):
    (measured / "notebooks/03_vae-Copy1.ipynb").write_bytes((measured / "notebooks/03_vae.ipynb").read_bytes())
    assert cli.main(["table"]) == 0 and "Copy1" not in (measured / "README.md").read_text()
    assert "chapters/NN_name: 03_vae-Copy1.ipynb\n" in capsys.readouterr().out


def test_a_row_of_the_readme_has_few_words():
    """At most 100 characters of text, without where the links lead and without the badge."""
    page = (REPO / "README.md").read_text(encoding="utf-8").split("<!-- table -->")[1].split("<!-- /table -->")[0]
    for row in page.strip().splitlines()[2:]:
        cells = row.strip("| ").split(" | ")
        text = "".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell) for cell in cells[:-1])
        assert len(cells) == 5 and all(cells) and len(text) <= 100, f"{len(text)}: {text}"
