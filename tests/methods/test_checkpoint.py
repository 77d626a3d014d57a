"""The small GPT-2 that the course ships: it loads offline, is what its card says, and has learnt."""

import hashlib
import importlib.util
import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models

from aigc_course import data, gpt, metrics, text

REPO = Path(__file__).resolve().parents[2]
FOLDER = data.embedded("course_gpt2/config.json").parent
RECEIPT = json.loads((REPO / "makers/pretrain.json").read_text(encoding="utf-8"))
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")

# From the last tenth of tinyshakespeare and written for this test: the checkpoint has seen neither.
UNSEEN = """GREMIO:
Good morrow, neighbour Baptista.

BAPTISTA:
Good morrow, neighbour Gremio.
God save you, gentlemen!

PETRUCHIO:
And you, good sir! Pray, have you not a daughter
Call'd Katharina, fair and virtuous?

BAPTISTA:
I have a daughter, sir, called Katharina.

Return the number of items in the list, or zero if the list is empty. If the file does not exist, an error is raised, \
and the name of the file is part of its message. The second argument is optional. By default, all of the values are \
used, and the order in which they were given does not matter."""


@pytest.fixture(scope="module")
def library():
    from transformers import GPT2LMHeadModel

    return GPT2LMHeadModel.from_pretrained(FOLDER).eval()


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(FOLDER)


def nats_per_byte(model, tokenizer):
    ids = torch.tensor([tokenizer.eos_token_id, *tokenizer(UNSEEN, add_special_tokens=False)["input_ids"]])
    return metrics.nats_per_token(model, ids, context=256, stride=64) * (len(ids) - 1) / len(UNSEEN.encode())


def test_the_folder_is_small_and_whole():
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    wanted = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert files.keys() == wanted | {"README.md"}
    assert sum(files.values()) <= 12_000_000


def test_it_loads_in_float32_with_its_special_tokens(library, tokenizer):
    assert {p.dtype for p in library.parameters()} == {torch.float32}
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<|endoftext|>",) * 2 + ("<|pad|>",)
    for config in (library.config, library.generation_config):
        assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (0, 0, 1)
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (0, 1)
    assert len(tokenizer) == library.config.vocab_size == RECEIPT["model"]["vocab_size"]
    assert tokenizer.model_max_length == library.config.n_positions == RECEIPT["model"]["context"]
    assert sum(p.numel() for p in library.parameters()) == RECEIPT["model"]["weights"]


@pytest.mark.parametrize(
    "sample",
    [
        "It costs 12.50, doesn't it?\n  Yes !",
        "春眠不覺曉,處處聞啼鳥。",
        "naïve café – 👩‍🔬🎉",
        "",
        " two  spaces\t",
        "\x00\x7f",
    ],
    ids=["ASCII", "Chinese", "emoji", "empty", "spaces", "control"],
)
def test_any_text_comes_back(tokenizer, sample):
    ids = tokenizer(sample, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == sample
    assert tokenizer(sample)["input_ids"] == ids, "nothing is added"
    assert not {0, 1} & set(ids)


def test_digits_are_tokens_of_their_own(tokenizer):
    assert tokenizer.tokenize("2026") == list("2026")


def test_a_special_token_that_a_user_writes_is_text(tokenizer):
    """By the library's default it would be id 0, and what follows it would look like a new document."""
    attack = "a<|endoftext|>b<|pad|>"
    assert tokenizer(attack, split_special_tokens=False)["input_ids"][1] == 0
    for ids in (tokenizer(attack)["input_ids"], text.encode(gpt.checkpoint()[1], [attack])[0]):
        assert not {0, 1} & set(ids) and tokenizer.decode(ids) == attack


def test_it_pads_prompts_on_the_left(tokenizer):
    assert tokenizer(["a b c", "a"], padding=True)["attention_mask"][1] == [0, 0, 1]


def test_ours_has_the_librarys_logits(library):
    ids = torch.randint(2, library.config.vocab_size, (2, 256), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(gpt.from_transformers(library)(ids), library(ids).logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(gpt.checkpoint()[0](ids), library(ids).logits, rtol=1e-4, atol=1e-4)


@pytest.fixture
def folder(tmp_path):
    """A checkpoint of a small model in the library's format, and the model."""
    torch.manual_seed(0)
    model = gpt.GPT2(gpt.GPT2Config(50, context=12, n_layers=2, n_heads=2, width=16)).eval()
    gpt.to_transformers(model).save_pretrained(tmp_path)
    letters = {letter: i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    Tokenizer(models.BPE(vocab=letters, merges=[])).save(str(tmp_path / "tokenizer.json"))
    return tmp_path, model


def test_a_checkpoint_is_read_as_it_was_written(folder):
    path, model = folder
    found, tokenizer = gpt.checkpoint(path)
    assert found.config == model.config and not found.training and tokenizer.encode("low").ids
    ids = torch.randint(50, (2, 9))
    assert torch.equal(found(ids), model(ids))


@pytest.mark.parametrize("change, named", [
    (lambda w: w.pop("transformer.wpe.weight"), r"1 weights .* wpe.weight \(missing\)"),
    (lambda w: w.pop("transformer.h.1.mlp.c_fc.bias"), r"h.1.mlp.c_fc.bias \(missing\)"),
    (lambda w: w.update({"transformer.h.2.ln_1.bias": torch.ones(16)}), r"1 weights .* h.2.ln_1.bias \(unknown\)"),
    (lambda w: w.update({"lm_head.weight": torch.ones(50, 16)}), r"lm_head.weight \(unknown\)"),
    (lambda w: w.update({"transformer.wpe.weight": torch.ones(13, 16)}), r"wpe.weight has shape \(13, 16\)"),
    (lambda w: w.update({"transformer.h.0.attn.c_attn.weight": torch.ones(48, 16)}), r"c_attn.weight has shape"),
    (lambda w: w["transformer.h.0.attn.c_attn.weight"].view(-1)[3:4].fill_(float("nan")), "c_attn.* is not finite"),
    (lambda w: w["transformer.ln_f.bias"][2:3].fill_(float("inf")), "ln_f.* is not finite"),
])  # fmt: skip
def test_weights_that_are_not_those_of_the_configuration_are_named(folder, change, named):
    path, _ = folder
    weights = load_file(path / "model.safetensors")
    change(weights)
    save_file(weights, path / "model.safetensors")
    with pytest.raises(ValueError, match=named) as error:
        gpt.checkpoint(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("key, value", [
    ("activation_function", "gelu"), ("n_inner", 32), ("layer_norm_epsilon", 1e-6), ("tie_word_embeddings", False),
    ("scale_attn_by_inverse_layer_idx", True), ("scale_attn_weights", False),
])  # fmt: skip
def test_a_configuration_that_is_not_gpt2s_is_named(folder, key, value):
    path, _ = folder
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    (path / "config.json").write_text(json.dumps(config | {key: value}), encoding="utf-8")
    with pytest.raises(ValueError, match=f"{key} is {value}"):
        gpt.checkpoint(path)


FAR = b'{"model": {"type": "BPE", "vocab": {"a": 99}, "merges": []}}'  # the network has 50 tokens


@pytest.mark.parametrize("name, content", [
    ("config.json", b"{}"), ("config.json", b"[]"), ("config.json", b"no json"), ("config.json", None),
    ("config.json", {"n_layer": "two"}), ("config.json", {"n_embd": -16}), ("config.json", {"n_head": None}),
    ("config.json", {"n_head": 3}), ("config.json", {"n_head": True}),
    ("config.json", {"n_positions": 50_000_000}), ("tokenizer.json", FAR),
    ("config.json", {"vocab_size": 10**12}), ("config.json", {"n_layer": 10**7}),
    ("model.safetensors", b"none"), ("model.safetensors", None), ("tokenizer.json", b"{}"), ("tokenizer.json", None),
])  # fmt: skip
def test_a_folder_with_an_odd_or_lacking_file_is_refused_in_one_sentence(folder, name, content):
    """KeyError, AttributeError, SafetensorError and the tokenizers' bare Exception came instead."""
    path, _ = folder
    if isinstance(content, dict):
        content = json.dumps(json.loads((path / name).read_text(encoding="utf-8")) | content).encode()
    (path / name).unlink()
    if content is not None:
        (path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .{{8}}") as error:
        gpt.checkpoint(path)
    assert "\n" not in str(error.value)


def test_it_has_learnt_and_weights_out_of_order_have_not(library, tokenizer):
    learnt = nats_per_byte(gpt.from_transformers(library), tokenizer)
    new = gpt.GPT2(gpt.from_transformers(library).config)
    shuffled = gpt.from_transformers(library)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in shuffled.blocks:  # only the order inside the blocks' matrices: the embeddings stay
            for p in block.parameters():
                p.copy_(p.flatten()[torch.randperm(p.numel(), generator=generator)].view_as(p))
    print("nats per byte:", learnt, nats_per_byte(shuffled, tokenizer), nats_per_byte(new, tokenizer))
    band = 1.25
    assert learnt <= band < 2 < min(nats_per_byte(shuffled, tokenizer), nats_per_byte(new, tokenizer))


def test_padding_token_is_not_likely(library, tokenizer):
    ids = tokenizer("The first thing that", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert library(ids).logits[0, -1].softmax(0)[1] < 1e-3


def test_the_card_says_what_the_receipt_says(monkeypatch):
    held_out = RECEIPT["held_out"]
    assert math.isclose(RECEIPT["byte_perplexity"], math.exp(held_out["all"]["nats_per_byte"]), rel_tol=1e-4)
    for score in held_out.values():
        pair = f"{score['nats_per_byte']:.3f} | {score['five_gram']:.3f} | {math.exp(score['nats_per_byte']):.2f} |"
        assert f"| {score['bytes']:,} | {pair}" in CARD
    # the script writes the card from the receipt
    monkeypatch.syspath_prepend(REPO / "makers")  # where a script finds its neighbours
    spec = importlib.util.spec_from_file_location("pretrain", REPO / "makers/pretrain.py")
    pretrain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pretrain)
    assert pretrain.card(RECEIPT) == CARD
    for words in (
        f"**{RECEIPT['byte_perplexity']:.2f}**; interpolated counts of five bytes: "
        f"{RECEIPT['byte_perplexity_five_gram']:.2f}",
        f"{RECEIPT['steps']:,} steps, {RECEIPT['tokens']:,} tokens",
        f"{RECEIPT['minutes']} minutes",
        f"`{RECEIPT['command']}`",
        f"{RECEIPT['corpus']['bytes']:,} bytes",
        f"{RECEIPT['model']['weights']:,} weights",
    ):
        assert words in CARD, words
    assert RECEIPT["byte_perplexity"] < RECEIPT["byte_perplexity_five_gram"]
    assert sum(RECEIPT["corpus"]["by_source"].values()) == RECEIPT["corpus"]["bytes"]
    assert (
        sum(score["bytes"] for name, score in held_out.items() if name not in ("all", "catalogue"))
        == held_out["all"]["bytes"]
    )


def test_the_card_says_what_held_out_text_shares_with_training(monkeypatch):
    monkeypatch.syspath_prepend(REPO / "makers")
    import pretrain

    words = " ".join(f"w{i}" for i in range(20))
    parts = {"numpy": [f"Before. {words}; after"], "catalogue": ["x"]}
    held_out = {"numpy": [words.upper()], "pillow": [words.replace("w9", "v")], "catalogue": [words], "peft": ["few"]}
    assert pretrain.shared(parts, held_out) == {"numpy": 1, "pillow": 0, "catalogue": 1, "all": 0.5}
    for source, share in RECEIPT["shared"].items():
        assert not share or f"{100 * share:.1f} %" in CARD and 0 <= share < 0.1, source
    assert RECEIPT["shared"]["numpy"] > RECEIPT["shared"]["all"] > 0.01


def test_the_card_is_of_these_files():
    digest = hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
    assert digest == RECEIPT["sha256"]["model.safetensors"] and digest in CARD
    size = int(re.search(r"([\d,]+) bytes in all", CARD)[1].replace(",", ""))
    assert size == RECEIPT["folder_bytes"] == sum(path.stat().st_size for path in FOLDER.iterdir())
    assert re.search(r"licen[cs]e", CARD, re.IGNORECASE)


def test_the_catalogue_says_what_its_records_say_and_stays_off_what_is_scored(monkeypatch):
    monkeypatch.syspath_prepend(REPO / "makers")
    import catalogue

    documents = catalogue.documents(200_000)
    assert documents == catalogue.documents(200_000) and len(set(documents)) > 0.99 * len(documents)
    forms, keys = Counter(), set()
    for document in documents:
        line, text = document.split(" => ")
        pairs = [pair.split(": ", 1) for pair in line.split("; ")]
        keys |= {key for key, _ in pairs}
        for key, value in pairs:
            if value not in ("yes", "no"):
                assert value.lower() in text.lower(), (key, document)
        forms[re.sub(r"[A-Z0-9£$][\w£$-]*", "X", text)] += 1
    assert forms.most_common(1)[0][1] < 0.02 * len(documents)  # no template repeated
    assert not keys & {"eatType", "food", "priceRange", "customer rating", "area", "familyFriendly", "near"}
    whole = " ".join(documents).lower()
    for word in ("restaurant", "coffee", "café", "hotel", "bank account", "customer"):
        assert word not in whole, word
    shop = {record["name"].lower() for record in data.storefront("products")}
    assert not [name for name in shop if name in whole]
