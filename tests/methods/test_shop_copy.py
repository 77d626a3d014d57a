"""Page 20b's own cells: what its gate refuses and passes, what it escapes, and a model of another architecture."""

import json
from pathlib import Path

import matplotlib
import pytest
import torch

from aigc_course.plumbing import fetch

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "20b_shop_copy.ipynb"


def run_to(last):
    """The names of the page's code cells up to the one with the id `last`."""
    matplotlib.use("agg")
    names = {"__name__": "__main__"}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and cell["id"] != "setup":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
        elif cell["id"] == "setup":
            exec("".join(cell["source"]).split("aigc_course.expect(course)")[1], names)
        if cell["id"] == last:
            return names
    raise ValueError(f"{NOTEBOOK.name} has no cell {last}")


@pytest.fixture(scope="module")
def page():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIGC_PROFILE", "smoke")
        patch.setenv("AIGC_QUIET", "1")
        return run_to("shown")


@pytest.mark.parametrize(
    ("copy", "rules"),
    [
        ("质保三年，一壶煮出 6 杯。", set()),
        ("质保 ３ 年，一壶煮出六杯。", set()),
        ("最近搬了家？这把壶一煮就是 6 杯。", set()),
        ("质保 6 年。", {"number"}),
        ("质保十三年。", {"number"}),
        ("只要 34.9 元。", {"number"}),
        ("只要 34.9 欧元。", set()),
        ("重 2 千克的摩卡壶。", {"number"}),
        ("十分好用的一把壶。", set()),
        ("千万别错过，万一卖完了呢？", set()),
        ("十分钟煮好。", {"number"}),
        ("二十分钟煮好。", {"number"}),
        ("只有四十分贝。", {"number"}),
        ("一万一千个家庭在用。", {"number"}),
        ("卖了三千万元。", {"number"}),
        ("质保一年。", set()),  # wrong, and not seen: the page says so
        ("最好的一把壶。", {"word"}),
        ("橄榄木的手柄。", {"borrowed"}),
        ("A pot, of course.", {"language"}),
        ("香" * 121, {"length"}),
    ],
)
def test_the_gate_refuses_by_the_rule_that_is_broken_and_by_no_other(page, copy, rules):
    assert set(page["faults"](page["shop"][0], copy)) == rules


@pytest.mark.parametrize(
    ("figure", "value"),
    [("2.6", 2.6), ("三", 3), ("两", 2), ("十", 10), ("十二", 12), ("二十四", 24), ("一百二十", 120), ("三千", 3000)],
)
def test_a_numeral_is_the_number_that_it_writes(page, figure, value):
    assert page["value"](figure) == value


@pytest.mark.parametrize(
    ("copy", "pairs"),
    [
        ("五千克", {(5, "公斤")}),
        ("5 千克", {(5, "公斤")}),
        ("三千克重、三千瓦", {(3, "公斤"), (3000, "瓦")}),
        ("十分钟、二十分钟，四十分贝", {(10, "分钟"), (20, "分钟"), (40, "分贝")}),
        ("十分安静，千万别急，万一", set()),
        ("一万一千米", {(11000, "米")}),
        ("65 到 128 厘米，二×三米", {(65, "厘米"), (128, "厘米"), (2, "米"), (3, "米")}),
    ],
)
def test_numbers_are_read_with_their_units_and_fixed_words_are_not(page, copy, pairs):
    assert page["numbers"](copy) == pairs


def test_an_ad_names_what_it_sells_and_its_age_limit(page):
    kite = next(product for product in page["shop"] if product["id"] == "P054")
    must = (page["NAME"], page["AGE"])
    assert page["faults"](kite, "风正好，翼展 140 厘米。", must) == {"missing": [page["AGE"], page["NAME"]]}
    assert not page["faults"](kite, "六岁起放 Puddlefox 风筝，六岁以上也行。", must)


def test_names_and_cells_do_nothing_where_they_are_shown(page):
    assert "<img" not in page["listing"]("<img onerror=alert(1)>", "<b>三年</b>")
    assert page["spreadsheet"]([("=1+1", "", "-2", "三年")]).strip() == "'=1+1,,'-2,三年"


def test_a_model_of_another_architecture_writes_and_the_gate_stands_behind_it(tmp_path, monkeypatch):
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(fetch.embedded("course_gpt2/config.json").parent)
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 1024, "vocab_size": len(tokenizer)}
    Qwen3ForCausalLM(Qwen3Config(**sizes, bos_token_id=0, eos_token_id=0, pad_token_id=1)).save_pretrained(tmp_path)
    for name, value in {"AIGC_PROFILE": "smoke", "AIGC_QUIET": "1", "AIGC_MODEL": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    page = run_to("model-table")
    assert page["chat"].config.model_type == "qwen3" and page["run"].figures["public_passes"] == 0
    assert "model_passes" not in page["run"].figures
    pot = page["shop"][0]
    assert page["publish"](pot, ["nonsense"]) == (page["fill"](pot), "form")
    right = "Tarnholt 摩卡壶，质保三年，一壶煮出 6 杯。"
    assert page["publish"](pot, ["质保 6 年的摩卡壶。", right]) == (right, "model")
