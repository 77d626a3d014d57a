"""LoRA, loss masks, padded generation and heads, each against an independent calculation."""

import copy
import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from aigc_course import data, finetune, gpt, heads, metrics, text
from aigc_course.plumbing import rooms

ch13 = rooms.module("13_fine_tuning", "study")


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = gpt.GPT2(gpt.GPT2Config(50, context=48, n_layers=2, n_heads=2, width=16)).eval()
    for p in model.parameters():
        if p.ndim == 2:
            torch.nn.init.normal_(p, std=0.3)  # so that the tokens it writes are not all the same
    return model


@pytest.fixture
def tokenizer():
    words = ["<end>", "<pad>", *"abcdefghijklmnopqrstuvwxyz:;=>"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return tokenizer


def test_states_are_the_models_own_with_the_causal_mask(model):
    ids = torch.randint(50, (3, 12))
    torch.testing.assert_close(F.linear(finetune.states(model, ids), model.token.weight), model(ids))
    mask = torch.ones(12, 12, dtype=torch.bool).tril()
    torch.testing.assert_close(finetune.states(model, ids, seen=mask), finetune.states(model, ids))


def test_states_without_the_mask_see_the_future_and_not_the_padding(model):
    ids, real = torch.randint(50, (1, 8)), torch.arange(8)[None] < 6
    changed, padded = ids.clone(), ids.clone()
    changed[0, 5], padded[0, 7] = (ids[0, 5] + 1) % 50, (ids[0, 7] + 1) % 50
    seen = real[:, None, None]
    first = finetune.states(model, ids, seen=seen)[0, 0]
    assert not torch.allclose(first, finetune.states(model, changed, seen=seen)[0, 0])
    torch.testing.assert_close(first, finetune.states(model, padded, seen=seen)[0, 0])


@pytest.mark.parametrize("batch_size", [2, 64])
def test_padded_batches_write_what_each_prompt_gives_alone(model, batch_size):
    prompts = [torch.randint(1, 50, (n,)).tolist() for n in (9, 3, 14, 9, 1)]
    found = finetune.generate(model, prompts, 20, batch_size=batch_size, stop=-1)
    for prompt, tokens in zip(prompts, found, strict=True):
        alone = text.generate(model, torch.tensor([prompt]), 20, temperature=0)[0, len(prompt) :].tolist()
        assert tokens == alone


def test_generation_ends_at_the_stop_token_and_at_the_context(model):
    prompt = [3, 4, 5]
    free = finetune.generate(model, [prompt], 60, stop=-1)[0]
    assert len(free) == 48 - 3  # the context is full
    stop = free[4]
    assert finetune.generate(model, [prompt], 60, stop=stop)[0] == free[: free.index(stop)]


def test_a_batch_ends_where_its_longest_prompt_fills_the_context(model):
    long, short = torch.randint(1, 50, (40,)).tolist(), [3, 4, 5]
    alone = finetune.generate(model, [short], 20, stop=-1)[0]
    found = finetune.generate(model, [long, short], 20, stop=-1)
    assert [len(tokens) for tokens in found] == [8, 8] and found[1] == alone[:8]
    assert len(finetune.generate(model, [long, short], 20, batch_size=1, stop=-1)[1]) == 20
    with pytest.raises(ValueError, match="shorter than the context of 48"):
        finetune.generate(model, [[1] * 48], 5)
    with pytest.raises(ValueError, match="n_tokens is 0"):
        finetune.generate(model, [short], 0)


def test_what_does_not_fit_into_the_context_is_refused_or_cut(model, tokenizer):
    cut = finetune.examples([("a=>", "xyz")], tokenizer, context=6)
    assert cut.lengths == [6] and cut.answer.sum() == 3
    with pytest.raises(ValueError, match="leaves no place"):
        finetune.examples([("a=>", "x"), ("abc=>", "x")], tokenizer, context=5)
    with pytest.raises(ValueError, match="do not fit"):
        finetune.states(model, torch.zeros(1, 49, dtype=torch.long))


def test_generation_leaves_the_mode_as_it_was(model):
    model.train()
    finetune.generate(model, [[3, 4]], 2)
    assert model.training


def test_lora_begins_as_the_model_and_merges_to_what_it_became(model):
    ids, tuned = torch.randint(50, (2, 7)), copy.deepcopy(model)
    free = finetune.add_lora(tuned, rank=3, alpha=6)
    assert torch.equal(tuned(ids), model(ids))
    per_layer = sum(3 * (n_in + n_out) for n_in, n_out in ((16, 16), (16, 64), (64, 16)))
    assert sum(p.numel() for p in free) == 2 * per_layer
    for p in free:
        torch.nn.init.normal_(p)
    out = tuned(ids)
    assert not torch.allclose(out, model(ids))
    merged = finetune.merge_lora(tuned)
    assert not any(isinstance(m, finetune.LoRA) for m in merged.modules())
    torch.testing.assert_close(merged(ids), out, rtol=1e-4, atol=1e-4)


def test_lora_equals_its_formula_and_trains_nothing_else():
    linear = torch.nn.Linear(5, 4)
    lora, x = finetune.LoRA(linear, rank=2, alpha=8), torch.randn(3, 5)
    torch.nn.init.normal_(lora.B)
    torch.testing.assert_close(lora(x), x @ (linear.weight + 4 * lora.B @ lora.A).T + linear.bias)
    assert {name for name, p in lora.named_parameters() if p.requires_grad} == {"A", "B"}
    with pytest.raises(ValueError, match="rank is 0"):
        finetune.LoRA(linear, rank=0)
    with pytest.raises(ValueError, match="no layers called"):
        finetune.add_lora(torch.nn.Sequential(linear), names=("query",))


def test_examples_mark_the_answer_and_its_end(tokenizer):
    examples = finetune.examples([("a:b=>", "xy"), ("a=>", "z")], tokenizer)
    assert examples.lengths == [9, 6]  # the space before an answer is a token; so is the end
    assert examples.answer.sum(1).tolist() == [4, 3]
    assert examples.ids[0, 8] == finetune.END and examples.answer[0, 8] and not examples.answer[0, 4]
    ids, answer = examples.rows(torch.tensor([1]))
    assert ids.shape == answer.shape == (1, examples.ids.shape[1])  # a multiple of 16, or all that there is


def test_answer_loss_is_cross_entropy_with_the_rest_ignored(model):
    ids, answer = torch.randint(50, (4, 10)), torch.rand(4, 10) < 0.4
    targets = ids[:, 1:].masked_fill(~answer[:, 1:], -100)
    expected = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(finetune.answer_loss(model, ids, answer), expected)


def test_buckets_visit_each_row_and_keep_lengths_together():
    lengths = torch.randint(1, 100, (64,)).tolist()
    batches = list(finetune.buckets(lengths, 8, 8, progress=False))
    assert sorted(torch.cat(batches).tolist()) == list(range(64))
    spread = sum(max(lengths[i] for i in b.tolist()) for b in batches)
    random_order = sum(max(lengths[i : i + 8]) for i in range(0, 64, 8))
    assert spread < random_order
    few = list(finetune.buckets([3, 4, 5], 8, 2, progress=False))
    assert [len(b) for b in few] == [8, 8] and set(few[0].tolist()) == {0, 1, 2}


def test_one_batch_can_be_overfitted_and_lora_leaves_the_rest(model, tokenizer):
    examples = finetune.examples([("a:b=>", "xyz")] * 4, tokenizer)
    before = copy.deepcopy(model.state_dict())
    finetune.add_lora(model, rank=4)
    log = finetune.fit(model, lambda rows: finetune.answer_loss(model, *examples.rows(rows)), examples.lengths,
                       batch_size=4, n_steps=60, lr=0.03, progress=False)  # fmt: skip
    assert log["loss"][-1] < 0.3 * log["loss"][0]
    after = {name.replace(".linear", ""): p for name, p in model.state_dict().items()}
    assert all(torch.equal(after[name], p) for name, p in before.items())


def test_muon_takes_the_matrices_of_the_blocks(model):
    adam, muon = finetune.optimizers_for(model, 1e-3, lr_muon=0.02)
    expected = {id(p) for p in model.blocks.parameters() if p.ndim == 2}
    assert {id(p) for g in muon.param_groups for p in g["params"]} == expected
    taken = [id(p) for o in (adam, muon) for g in o.param_groups for p in g["params"]]
    assert sorted(taken) == sorted(id(p) for p in model.parameters())


def test_pieces_weigh_as_scikit_learn_does():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["where is my card", "my card is lost", "card payment", "payment is late, my payment", "where is it"]
    pieces = heads.Pieces(texts)
    numbers, weights, lengths = pieces([texts[3]])
    assert numbers.shape == weights.shape == (1, lengths[0])
    reference = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=r"\w+|[^\w\s]")
    row = reference.fit(texts).transform([texts[3]]).tocoo()
    names = reference.get_feature_names_out()
    expected = {f"w{names[i]}": v for i, v in zip(row.col, row.data, strict=True)}
    known = dict(zip(numbers[0].tolist(), weights[0].tolist(), strict=True))
    found = {p: known[n] for p, n in pieces._number.items() if n in known and p[0] == "w"}
    assert found == pytest.approx(expected, abs=1e-5)
    assert pieces(["zzz"])[2] == [0]


def test_pieces_of_words_weigh_as_scikit_learn_does():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["where is my card", "my card is lost", "card payment", "payment is late for my payment", "where is it"]
    pieces = heads.Pieces(texts)
    numbers, weights, _ = pieces([texts[3]])
    reference = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
    row = reference.fit(texts).transform([texts[3]]).tocoo()
    names = reference.get_feature_names_out()
    expected = {f"c{names[i]}": v for i, v in zip(row.col, row.data, strict=True)}
    known = dict(zip(numbers[0].tolist(), weights[0].tolist(), strict=True))
    found = {p: known[n] for p, n in pieces._number.items() if n in known and p[0] == "c"}
    assert found == pytest.approx(expected, abs=1e-5)


def test_classifier_ignores_padding_and_adds_the_table(model):
    classifier = heads.Classifier(model, 5, n_pieces=9).eval()
    ids, real = torch.randint(50, (2, 6)), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    pieces = torch.tensor([[1, 2, 0], [3, 0, 0]]), torch.tensor([[0.6, 0.8, 0.0], [1.0, 0.0, 0.0]])
    logits = classifier(ids, real, pieces)
    alone = classifier(ids[1:, :4], real[1:, :4], (pieces[0][1:], pieces[1][1:]))
    torch.testing.assert_close(logits[1:], alone, rtol=1e-4, atol=1e-5)
    torch.nn.init.normal_(classifier.table.weight)
    rise = classifier(ids, real, pieces) - logits
    expected = (
        1.5 * 5 * torch.stack([(w[:, None] * classifier.table.weight[n]).sum(0) for n, w in zip(*pieces, strict=True)])
    )
    torch.testing.assert_close(rise, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tags, expected", [
    ("O B I O B", {(1, 3), (4, 5)}), ("B B I", {(0, 1), (1, 3)}), ("O I I O", {(1, 3)}), ("O O", set()), ("", set()),
])  # fmt: skip
def test_spans_of_bio_tags(tags, expected):
    assert metrics.spans(tags.split()) == expected


def test_entity_f1_by_hand():
    true, said = [list("OBIOB"), list("BO")], [list("OBIOO"), list("BB")]
    assert metrics.entity_f1(true, said) == pytest.approx(2 * 2 / (3 + 3))
    assert metrics.entity_f1(true, true) == 1 and metrics.entity_f1(true, [list("OOOOO"), list("OO")]) == 0
    for other in (said[:1], [said[0], list("B")]):
        with pytest.raises(ValueError, match="not as many"):
            metrics.entity_f1(true, other)


def test_word_tags_find_names_as_whole_words():
    words, tags = heads.word_tags(
        "Larsen & Toubro's rival Tata Motors up, Tata flat", ["Tata", "Tata Motors", "Larsen & Toubro"]
    )
    assert tags == "B I I O O O B I O O B O".split()
    assert heads.word_tags("Tatas rise", ["Tata"])[1] == ["O", "O"]


def test_a_checkpoint_that_does_not_fit_is_refused(model, tokenizer, tmp_path):
    state, c = model.state_dict(), model.config
    weights = {f"transformer.{other}": (state[name].T if transposed else state[name]).contiguous()
               for name, other, transposed in gpt.weight_names(model)}  # fmt: skip
    save_file(weights, tmp_path / "model.safetensors")
    sizes = {"vocab_size": 50, "n_positions": 48, "n_layer": 2, "n_head": 2, "n_embd": 16}
    (tmp_path / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    found, read = finetune.checkpoint(tmp_path)
    assert found.config == c and read.get_vocab_size() == tokenizer.get_vocab_size()
    ids = torch.randint(50, (2, 9))
    torch.testing.assert_close(found(ids), model(ids))
    (tmp_path / "config.json").write_text(json.dumps(sizes | {"activation_function": "gelu"}), encoding="utf-8")
    with pytest.raises(ValueError, match="activation_function"):
        finetune.checkpoint(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    weights.pop("transformer.wpe.weight")
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="wpe"):
        finetune.checkpoint(tmp_path)


def test_a_classifier_learns_from_few_texts(tokenizer):
    records = [{"text": text, "label": label} for label, text in enumerate(("abab", "cdcd", "efef")) for _ in range(8)]
    torch.manual_seed(0)
    body = gpt.GPT2(gpt.GPT2Config(tokenizer.get_vocab_size(), context=48, n_layers=1, n_heads=2, width=16))
    pieces = heads.Pieces([record["text"] for record in records])
    texts = heads.labelled(records, tokenizer, pieces)
    model = heads.Classifier(body, 3, n_pieces=pieces.n_pieces)

    def loss(rows):
        return F.cross_entropy(model(*texts.batch(rows)), texts.labels[rows])

    finetune.fit(model, loss, texts.lengths, batch_size=8, n_steps=60, lr=0.01, progress=False)
    logits = heads.predict(model, texts, batch_size=5)
    assert (logits.argmax(1) == texts.labels).all()
    one = heads.predict(model, texts, batch_size=1)
    torch.testing.assert_close(logits, one, rtol=1e-4, atol=1e-4)


def test_study_has_a_row_for_each_task_start_size_and_seed(monkeypatch, tmp_path):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    monkeypatch.setattr(data, "used", {})
    monkeypatch.setattr(ch13, "SIZES", (6, 10**6))
    for name in ("STEPS", "RATES"):
        monkeypatch.setattr(
            ch13, name, {task: values[: 2 if name == "STEPS" else 4] for task, values in getattr(ch13, name).items()}
        )
    result = ch13.run([0, 1], n_tested=3, scale=0.01)
    rows = [(row["task"], row["start"], row["seed"]) for row in result["runs"] if row["n"] == 6]
    assert rows == [(task, start, s) for task in ("e2e", "banking77") for s in (0, 1) for start in ch13.STARTS]
    assert len(result["runs"]) == len(rows) + 2 * len(ch13.STARTS)  # all examples with the first seed only
    assert {row["trained"] for row in result["runs"] if row["task"] == "e2e"} == {73_728, 2_615_424}
    assert not list(tmp_path.glob("study-13-*"))
