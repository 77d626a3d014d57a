"""Widgets: a redraw changes the picture, quickly; where widgets do not work a still picture stands in."""

import base64
import datetime
import html
import io
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aigc_course import sentiment, widgets

REPO = Path(__file__).parents[2]
ALT = re.compile('<img alt="([^"]*)" src="data:image/png;base64,([^"]+)"/?>')


@pytest.fixture
def shown(monkeypatch):
    """What the widgets display."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **kwargs: calls.append((data, kwargs)))
    return calls


def read(page):
    """The picture of a widget's HTML, or of a PNG."""
    png = page if isinstance(page, bytes) else base64.b64decode(ALT.search(page)[2])
    return np.asarray(Image.open(io.BytesIO(png)))


def test_png_is_the_picture():
    picture = np.array([[0.0, 0.5], [1.0, 2.0]])
    assert read(widgets.png(picture, height=2)).tolist() == [[0, 128], [255, 255]]
    assert read(widgets.png(torch.zeros(28, 28))).shape == (280, 280)
    assert read(widgets.png(np.zeros((4, 6, 3), np.uint8), height=8)).shape == (8, 12, 3)


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((2, 2, 2)), np.zeros((2, 2), int)])
def test_bad_pictures_are_named(bad):
    with pytest.raises(ValueError, match="a picture is"):
        widgets.png(bad)


def test_a_slider_redraws_the_picture(shown):
    box = widgets.explore(lambda v, w: np.full((4, 4), v * w), alt="grey", v=(0.0, 1.0, 0.5), w=[1, 2], height=4)
    slider, picker, image, caption = box.children
    before = image.value
    slider.value = 0.25
    assert read(image.value)[0, 0] == 64 and image.value != before
    picker.value = 2
    assert read(image.value)[0, 0] == 128


def test_a_still_picture_stands_in(shown):
    box = widgets.explore(lambda n: np.full((4, 4), n / 9), alt='one "grey" square', n=(0, 9, 3))
    (alive, _), (still, _) = shown  # fmt: skip
    assert alive["application/vnd.jupyter.widget-view+json"]["model_id"] == box.model_id
    assert still["text/plain"] == 'one "grey" square'
    assert ALT.search(still["text/html"])[1] == ALT.search(box.children[1].value)[1] == "one &quot;grey&quot; square"


def test_an_exported_page_shows_the_still_picture_with_its_words():
    """The widget's own place is empty there: its height is 0 without the network."""
    exporters = pytest.importorskip("nbconvert.exporters")
    import nbclient
    import nbformat

    cell = "from aigc_course import widgets\nimport numpy as np\n" + (
        "_ = widgets.explore(lambda n: np.full((4, 4), n / 9), alt='one grey square', n=(0, 9, 3))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    env = os.environ | {"PYTHONPATH": str(REPO)}
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120).execute(env=env)
    assert notebook.metadata.widgets  # as JupyterLab and `aigc-course run` store it
    page, _ = exporters.HTMLExporter().from_notebook_node(notebook)
    shown, state = page.split('type="application/vnd.jupyter.widget-state+json"')  # what a browser shows, and data
    assert [found[1] for found in ALT.finditer(shown)] == ["one grey square"] and "IntSlider" in state


def test_long_names_are_not_cut(shown):
    box = widgets.explore(
        lambda **values: np.zeros((2, 2)), alt="black", thickness_by=(0.0, 1.0, 0.5), word="a", s=[1, 2]
    )
    assert [control.style.description_width for control in box.children[:3]] == ["initial"] * 3


def test_a_caption_says_what_to_do_after_a_restart(shown):
    box = widgets.explore(lambda n: np.zeros((2, 2)), alt="black", n=(0, 9, 3))
    assert "After a restart of the kernel, run all cells from the top" in box.children[-1].value


def test_a_line_to_type_in_and_html(shown):
    box = widgets.explore(lambda text: f"<b>{len(text)}</b>", alt="a number", text="a\ud800c")
    line, page, _ = box.children
    assert line.value == "a?c" and page.value == "<b>3</b>"  # half a character would end the kernel's message
    line.value = "four"
    assert page.value == "<b>4</b>" and "<b>3</b>" in shown[1][0]["text/html"]


@pytest.mark.parametrize("spec", [[3], [], (1, 1, 1), (2, 1, 1), 3, None])
def test_a_control_that_cannot_be_moved_is_refused(spec, shown):
    with pytest.raises(ValueError, match="v = .* cannot be moved: a control is .* a list of two or more"):
        widgets.explore(lambda v: np.zeros((2, 2)), alt="x", v=spec)
    assert shown == []


def test_a_page_without_an_explorer_is_named():
    with pytest.raises(
        ValueError,
        match="the page '99_none' has no explorer of its own; 02_representations, 02b_words, 03_vae, .* have one",
    ):
        widgets.of("99_none")


def test_whole_numbers_get_a_slider_of_whole_numbers(shown):
    box = widgets.explore(lambda n: np.zeros((2, 2)), alt="black", n=(0, 9, 3))
    assert type(box.children[0]).__name__ == "IntSlider" and box.children[0].value == 3


# The explorers of pages


@pytest.fixture
def explorer(shown):
    torch.manual_seed(0)
    decoder = torch.nn.Linear(2, 784)
    codes = np.array([[1.0, 1.0], [1.2, 0.8], [-2.0, 0.0], [-2.0, 0.4]])
    return widgets.of("03_vae").latent_explorer(
        lambda z: decoder(z).sigmoid().view(28, 28), codes, [0, 0, 1, 1], alt="map and digit", names=["a", "b"]
    )


def test_explorer_follows_sliders_and_classes(explorer):
    picker, z1, z2, image, _ = explorer.children
    before = image.value
    z1.value = 1.5
    assert image.value != before
    picker.value = 1
    assert (z1.value, z2.value) == pytest.approx((-2.0, 0.2), abs=0.06)


def test_explorer_refuses_codes_that_cannot_be_drawn(shown):
    with pytest.raises(ValueError, match=r"codes have shape \(4, 3\)"):
        widgets.of("03_vae").latent_explorer(lambda z: z, np.zeros((4, 3)), np.zeros(4, int), alt="x")


def maps_of(layers=2, heads=3, T=6):
    g = torch.Generator().manual_seed(0)
    scores = 3 * torch.randn(layers, heads, T, T, generator=g)
    return scores.masked_fill(torch.ones(T, T).triu(1) > 0, -math.inf).softmax(dim=-1)


def test_the_viewer_shows_a_still_picture_with_words(shown):
    widgets.of("10b_induction").attention_viewer(maps_of(), list("abcdef"), alt="six tokens")
    (alive, _), (still, _) = shown  # fmt: skip
    assert alive["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert still["text/plain"] == "six tokens" and '<img alt="six tokens" src="data' in still["text/html"]


def test_the_viewer_draws_the_map_and_what_the_query_looks_at(shown):
    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, :, 0] = 1.0  # every place looks at the first
    box = widgets.of("10b_induction").attention_viewer(maps, list("abcd"), alt="all look at a", query=2)
    picture = read(box.children[-2].value)
    cell = 336 // 4
    assert picture[18 + cell // 2, cell // 2].tolist() == [0, 0, 0]
    assert picture[18 + cell // 2, cell + cell // 2].tolist() == [255, 255, 255]
    left = 4 * cell + 30
    assert picture[22, left + 4].tolist() == [0, 0, 0] and picture[22, left + 34].tolist() == [255, 255, 255]
    assert picture[18, left + 60].tolist() == [166, 38, 29]  # the query is framed


def test_each_control_of_the_viewer_redraws(shown):
    box = widgets.of("10b_induction").attention_viewer(
        maps_of(), list("abcdef"), alt="six tokens", layer=2, head=3, query=4
    )
    layer, head, query, image, _ = box.children
    assert (layer.value, head.value, query.value) == (2, 3, 4)
    seen = {image.value}
    for control, value in ((layer, 1), (head, 2), (query, 0)):
        control.value = value
        seen.add(image.value)
    assert len(seen) == 4


@pytest.mark.parametrize("maps, tokens, options, words", [
    (torch.zeros(2, 3, 6, 6), "abcde", {}, "for 5 tokens"),
    (torch.zeros(3, 6, 6), "abcdef", {}, "expected"),
    (torch.zeros(2, 3, 6, 5), "abcde", {}, "expected"),
    (torch.zeros(2, 3, 6, 6), "abcdef", {"layer": 3}, "no layer 3"),
    (torch.zeros(2, 3, 6, 6), "abcdef", {"head": 0}, "head 0"),
    (torch.zeros(2, 3, 6, 6), "abcdef", {"query": 6}, "query 6"),
])  # fmt: skip
def test_maps_that_do_not_fit_are_named(shown, maps, tokens, options, words):
    with pytest.raises(ValueError, match=words):
        widgets.of("10b_induction").attention_viewer(maps, list(tokens), alt="x", **options)


def test_the_viewer_copes_with_one_token_and_with_long_words(shown):
    box = widgets.of("10b_induction").attention_viewer(torch.ones(1, 1, 1, 1), ["extraordinarily"], alt="one word")
    assert len(box.children) == 2  # nothing to move
    widgets.of("10b_induction").attention_viewer(
        torch.full((1, 1, 400, 400), 1 / 400), ["word"] * 400, alt="many words"
    )
    widgets.of("10b_induction").attention_viewer(torch.ones(1, 1, 1, 1), ["half a character: \ud800"], alt="one word")


def test_sampling_explorer_redraws(shown):
    explorer = widgets.of("11b_writing")
    logits = torch.randn(9, generator=torch.Generator().manual_seed(0))
    box = explorer.sampling_explorer(logits, list("abcdefghi"), alt="bars of nine letters")
    *sliders, image, _ = box.children
    assert [slider.description for slider in sliders] == ["temperature", "top_k", "top_p", "min_p"]
    for slider, value in zip(sliders, (0.5, 3, 0.5, 0.4), strict=True):
        before = image.value
        slider.value = value
        assert image.value != before or slider is sliders[-1]
    sliders[0].value = 0.0
    assert (
        shown[1][0]["text/plain"] == "bars of nine letters"
        and '<img alt="bars of nine letters"' in shown[1][0]["text/html"]
    )
    assert "<pre>" not in image.value
    with pytest.raises(ValueError, match="9,.* and there are 2 names"):
        explorer.sampling_explorer(logits, ["a", "b"], alt="x")


def test_sampling_explorer_writes_with_the_settings_of_its_sliders(shown):
    """The page asks for a min_p that still writes words: then words must be seen."""
    box = widgets.of("11b_writing").sampling_explorer(
        torch.arange(9.0), list("abcdefghi"), alt="bars", write=lambda **settings: f"<{sorted(settings.items())}>"
    )
    *sliders, page, _ = box.children
    sliders[3].value = 0.25
    said = "[('min_p', 0.25), ('temperature', 1.0), ('top_k', 9), ('top_p', 1.0)]"
    assert page.value.endswith(f"<pre>{html.escape(f'<{said}>')}</pre>")
    assert not any(slider.continuous_update for slider in sliders)  # else each notch would write


def test_the_token_viewer_shows_tokens_and_follows_the_text(shown):
    def ascii_only(text):
        if not text.isascii():
            raise ValueError("é is not known")
        return [c.encode() for c in text]

    splitters = {"bytes": lambda text: [bytes([b]) for b in text.encode()], "letters": ascii_only}
    box = widgets.of("12_transformers").token_viewer(splitters, "a <b", alt="four tokens")
    line, picker, page, _ = box.children
    assert page.value.startswith("4 tokens, 4 characters, 4 bytes") and "␣" in page.value and "&lt;" in page.value
    line.value = "é"
    assert page.value.startswith("2 tokens, 1 characters, 2 bytes") and ">C3<" in page.value and ">A9<" in page.value
    picker.value = "letters"
    assert page.value == "<i>é is not known</i>"
    line.value = "a\ud800"  # half of a character, which no message to a browser can hold
    assert page.value.startswith("2 tokens, 2 characters, 2 bytes") and ">?<" in page.value
    (_, _), (still, _) = shown  # fmt: skip
    assert still["text/plain"] == "four tokens" and "4 tokens, 4 characters, 4 bytes" in still["text/html"]
    for few in ({}, {"bytes": splitters["bytes"]}):
        with pytest.raises(ValueError, match=f"two tokenizers or more, not {len(few)}"):
            widgets.of("12_transformers").token_viewer(few, "a", alt="nothing")


# --- products ------------------------------------------------------------------------------------------------

HOSTILE = '<img onerror="alert(1)" src=x>'


def newsroom():
    firms = [f"Firm{chr(65 + i)}x" for i in range(12)]
    records = [
        {"title": f"{a} beats {b} in court", "entities": {a: "positive", b: "negative"}}
        for a, b in zip(firms, firms[1:] + firms[:1], strict=True)
    ]
    rows = sentiment.rows([*records, *({"title": f"{a} names a date", "entities": {a: "neutral"}} for a in firms)])
    return rows, np.array([row.label for row in rows])


def test_the_reader_of_headlines_judges_each_company(shown):
    rows, labels = newsroom()
    model = sentiment.classifier().fit(rows, labels)
    reader = widgets.of("22_market_sentiment").headline_reader(model, title="Orro beats Alm in court", names=["Orro"])
    assert "<b>positive</b>" in reader.children[2].value and "negative" not in reader.children[2].value
    reader.children[1].value = "Orro; Alm; Nobody"
    said = reader.children[2].value
    assert "<b>positive</b>" in said and "<b>negative</b>" in said and "is not in the headline" in said
    reader.children[1].value = " ; "
    assert "<b>" not in reader.children[2].value


def test_the_reader_of_headlines_shows_no_live_html(shown):
    rows, labels = newsroom()
    model = sentiment.classifier().fit(rows, labels)
    reader = widgets.of("22_market_sentiment").headline_reader(model, title="A beats B", names=["A"])
    reader.children[0].value = f"{HOSTILE} beats B in court"
    reader.children[1].value = f"{HOSTILE}; B"
    assert "<img" not in reader.children[2].value and "&lt;img onerror" in reader.children[2].value


def test_the_dashboard_rings_where_the_sum_reaches_the_threshold(shown):
    row = sentiment.Row(f"{HOSTILE} falls again", HOSTILE, (), 0)
    weights = {who: {-1: np.array([1.0, -0.5, -1.0]), 1: np.array([-1.0, -0.5, 1.0])} for who in ("people", "model")}
    board = widgets.of("22b_alerts").dashboard(
        [row] * 6, np.arange(0, 60, 10), {"people": np.array([2, 0, 0, 0, 1, 1]), "model": np.ones(6, int)},
        {HOSTILE: range(6), "Firm": range(3)}, weights=weights, first_day=datetime.date(2026, 1, 5),
    )  # fmt: skip
    page = board.children[3]
    assert "No alarm" in page.value  # at the first threshold
    board.children[2].value = 3.0
    assert "1 alarm, the last one for the worse" in page.value
    assert page.value.count("<td>negative</td>") == 3 and "2026-01-15" in page.value  # those behind it, no other
    assert "<img onerror" not in page.value and "&lt;img onerror" in page.value
    board.children[2].value = 4.0
    assert "No alarm" in page.value
    board.children[1].value = "model"
    assert "No alarm" in page.value and "<td>neutral</td>" in page.value
    board.children[0].value = "Firm"
    assert page.value.count("<tr>") == 4
