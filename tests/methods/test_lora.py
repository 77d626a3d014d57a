"""LoRA, loss masks, completions and heads, each against an independent calculation."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union
from tokenizers import Tokenizer, models, pre_tokenizers

from aigc_course import gpt, heads, lora, metrics, text
from aigc_course.plumbing import fetch, rooms

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


@pytest.mark.parametrize("batch_size", [2, 64])
def test_padded_batches_write_what_each_prompt_gives_alone(model, batch_size):
    prompts = [torch.randint(1, 50, (n,)).tolist() for n in (9, 3, 14, 9, 1)]
    found = lora.complete(model, prompts, 20, batch_size=batch_size, stop=-1)
    for prompt, tokens in zip(prompts, found, strict=True):
        alone = text.generate(model, torch.tensor([prompt]), 20, temperature=0)[0, len(prompt) :].tolist()
        assert tokens == alone


def test_completion_ends_at_the_stop_token_and_goes_beyond_the_context(model):
    prompt = [3, 4, 5]
    free = lora.complete(model, [prompt], 60, stop=-1)[0]
    assert len(free) == 60  # beyond the context of 48
    stop = free[4]
    assert lora.complete(model, [prompt], 60, stop=stop)[0] == free[: free.index(stop)]


def test_a_batch_whose_longest_fills_the_context_goes_on_from_the_last_half(model):
    long, short = torch.randint(1, 50, (40,)).tolist(), [3, 4, 5]
    found = lora.complete(model, [long, short], 20, stop=-1)
    alone = [lora.complete(model, [prompt], 20, stop=-1)[0] for prompt in (long, short)]
    assert found == alone and [len(tokens) for tokens in found] == [20, 20]


def test_no_prompts_have_no_completions_and_an_empty_one_is_named(model):
    assert lora.complete(model, [], 5) == []
    for prompts in ([[]], [[3, 4], []]):
        with pytest.raises(ValueError, match="a token or more"):
            lora.complete(model, prompts, 5)


@pytest.mark.parametrize("pair", [("a=>", "x\ud800"), ("\udfff=>", "x")])
def test_half_of_a_surrogate_pair_is_named(tokenizer, pair):
    with pytest.raises(ValueError, match=r"holds '\\ud[8f][0f][0f]', half of a surrogate pair"):
        lora.examples([("a=>", "b"), pair], tokenizer)
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        heads.labelled([{"text": "".join(pair), "label": 0}], tokenizer)


def test_what_does_not_fit_into_the_context_is_refused_or_cut(model, tokenizer):
    cut = lora.examples([("a=>", "xyz")], tokenizer, context=6)
    assert cut.lengths == [6] and cut.answer.sum() == 3
    with pytest.raises(ValueError, match="leaves no place"):
        lora.examples([("a=>", "x"), ("abc=>", "x")], tokenizer, context=5)
    with pytest.raises(ValueError, match="do not fit"):
        model.states(torch.zeros(1, 49, dtype=torch.long))


def test_generation_leaves_the_mode_as_it_was(model):
    model.train()
    lora.complete(model, [[3, 4]], 2)
    assert model.training


def test_lora_begins_as_the_model_and_becomes_another(model):
    ids, tuned = torch.randint(50, (2, 7)), copy.deepcopy(model)
    free = lora.add_lora(tuned, rank=3, alpha=6)
    assert torch.equal(tuned(ids), model(ids))
    per_layer = sum(3 * (n_in + n_out) for n_in, n_out in ((16, 16), (16, 64), (64, 16)))
    assert sum(p.numel() for p in free) == 2 * per_layer
    for p in free:
        torch.nn.init.normal_(p)
    assert not torch.allclose(tuned(ids), model(ids))


def test_lora_is_added_once(model):
    lora.add_lora(model)
    before = [name for name, _ in model.named_parameters()]
    with pytest.raises(ValueError, match="out is not a linear layer .*once"):
        lora.add_lora(model)
    assert [name for name, _ in model.named_parameters()] == before


def test_an_adapter_is_a_small_file_that_brings_the_outputs_back(model, tmp_path):
    ids, tuned, again = torch.randint(50, (2, 7)), copy.deepcopy(model), copy.deepcopy(model)
    for p in lora.add_lora(tuned, rank=2):
        torch.nn.init.normal_(p)
    save_file({name: p.detach() for name, p in tuned.named_parameters() if p.requires_grad}, tmp_path / "adapter")
    lora.add_lora(again, rank=2)
    missed = again.load_state_dict(load_file(tmp_path / "adapter"), strict=False)
    assert not missed.unexpected_keys and torch.equal(again(ids), tuned(ids))
    assert not any(name.endswith((".A", ".B")) for name in missed.missing_keys)
    assert (tmp_path / "adapter").stat().st_size < 4 * sum(p.numel() for p in model.parameters()) / 3


def test_lora_equals_its_formula_and_trains_nothing_else():
    linear = torch.nn.Linear(5, 4)
    layer, x = lora.LoRA(linear, rank=2, alpha=8), torch.randn(3, 5)
    torch.nn.init.normal_(layer.B)
    torch.testing.assert_close(layer(x), x @ (linear.weight + 4 * layer.B @ layer.A).T + linear.bias)
    assert {name for name, p in layer.named_parameters() if p.requires_grad} == {"A", "B"}
    with pytest.raises(ValueError, match="rank is 0"):
        lora.LoRA(linear, rank=0)
    with pytest.raises(ValueError, match="no layers called"):
        lora.add_lora(torch.nn.Sequential(linear), names=("query",))


def test_examples_mark_the_answer_and_its_end(tokenizer):
    examples = lora.examples([("a:b=>", "xy"), ("a=>", "z")], tokenizer)
    assert examples.lengths == [9, 6]  # the space before an answer is a token; so is the end
    assert examples.answer.sum(1).tolist() == [4, 3]
    assert examples.ids[0, 8] == lora.END and examples.answer[0, 8] and not examples.answer[0, 4]
    ids, answer = examples.rows(torch.tensor([1]))
    assert ids.shape == answer.shape == (1, examples.ids.shape[1])  # a multiple of 16, or all that there is


def test_answer_loss_is_cross_entropy_with_the_rest_ignored(model):
    ids, answer = torch.randint(50, (4, 10)), torch.rand(4, 10) < 0.4
    targets = ids[:, 1:].masked_fill(~answer[:, 1:], -100)
    expected = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(lora.answer_loss(model, ids, answer), expected)


def test_buckets_visit_each_row_and_keep_lengths_together():
    lengths = torch.randint(1, 100, (64,)).tolist()
    batches = list(lora.buckets(lengths, 8, 8, progress=False))
    assert sorted(torch.cat(batches).tolist()) == list(range(64))
    spread = sum(max(lengths[i] for i in b.tolist()) for b in batches)
    random_order = sum(max(lengths[i : i + 8]) for i in range(0, 64, 8))
    assert spread < random_order
    few = list(lora.buckets([3, 4, 5], 8, 2, progress=False))
    assert [len(b) for b in few] == [8, 8] and set(few[0].tolist()) == {0, 1, 2}


def test_one_batch_can_be_overfitted_and_lora_leaves_the_rest(model, tokenizer):
    examples = lora.examples([("a:b=>", "xyz")] * 4, tokenizer)
    before = copy.deepcopy(model.state_dict())
    lora.add_lora(model, rank=4)
    adamw = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.03)
    log = lora.fit(model, lambda rows: lora.answer_loss(model, *examples.rows(rows)), examples.lengths, [adamw],
                   batch_size=4, n_steps=60, progress=False)  # fmt: skip
    assert log["loss"][-1] < 0.3 * log["loss"][0]
    after = {name.replace(".linear", ""): p for name, p in model.state_dict().items()}
    assert all(torch.equal(after[name], p) for name, p in before.items())


def test_rates_rise_for_a_tenth_of_the_steps_and_fall_to_nearly_nothing(model, tokenizer):
    examples, rates = lora.examples([("a:b=>", "xyz")] * 4, tokenizer), []
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1), torch.optim.SGD([torch.zeros(1)], lr=2.0)]

    def loss(rows):
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers])
        return lora.answer_loss(model, *examples.rows(rows))

    lora.fit(model, loss, examples.lengths, optimizers, batch_size=4, n_steps=20, progress=False)
    shares = np.array(rates) / [0.1, 2.0]
    np.testing.assert_allclose(shares[:, 0], shares[:, 1])
    assert shares[0, 0] == 0.5 and shares[:, 0].argmax() == 1 and shares[1, 0] == 1
    assert (np.diff(shares[2:, 0]) < 0).all() and shares[-1, 0] == pytest.approx(1 / 18)


def test_classifier_ignores_padding_and_adds_a_sparse_matrix_times_the_table(model):
    classifier = heads.Classifier(model, 5, n_pieces=9).eval()
    ids, real = torch.randint(50, (3, 6)), torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True] * 6])
    matrix = torch.tensor([[0, 0.6, 0.8, 0, 0, 0, 0, 0, 0], [0] * 9, [0, 0, 0, 1, 0, 0, 0, 0, 0]])
    pieces = torch.tensor([1, 2, 3]), torch.tensor([0.6, 0.8, 1.0]), torch.tensor([0, 2, 2])  # the second text has none
    logits = classifier(ids, real, pieces)
    alone = classifier(ids[1:2, :4], real[1:2, :4], (pieces[0][:0], pieces[1][:0], torch.tensor([0])))
    torch.testing.assert_close(logits[1:2], alone, rtol=1e-4, atol=1e-5)
    torch.nn.init.normal_(classifier.table.weight)
    rise = classifier(ids, real, pieces) - logits
    torch.testing.assert_close(rise, 1.5 * 5 * matrix @ classifier.table.weight, rtol=1e-4, atol=1e-5)


def test_a_batch_of_labelled_texts_is_rows_of_the_vectorizers_matrix(tokenizer):
    records = [{"text": t, "label": i} for i, t in enumerate(("abc abd", "xyz", "abd xyz xyz", " ABC "))]
    vectorizer = make_union(TfidfVectorizer(sublinear_tf=True), TfidfVectorizer(analyzer="char", ngram_range=(2, 3)))
    texts = heads.labelled(records, tokenizer, vectorizer.fit([r["text"] for r in records[:3]]))
    ids, real, (columns, values, starts) = texts.batch(torch.tensor([2, 3, 0]))
    assert real.sum(1).tolist() == [11, 3, 7] and starts[0] == 0 and len(starts) == 3
    dense = torch.zeros(3, texts.pieces.shape[1])
    for row, (first, last) in enumerate(zip(starts, [*starts[1:], len(columns)], strict=True)):
        dense[row, columns[first:last]] = values[first:last]
    expected = vectorizer.transform(["abd xyz xyz", "abc", "abc abd"]).toarray()
    np.testing.assert_allclose(dense.numpy(), expected, atol=1e-6)
    assert heads.labelled(records, tokenizer).batch(torch.tensor([1]))[2] is None


@pytest.mark.parametrize("tags, expected", [
    ("O B I O B", {(1, 3), (4, 5)}), ("B B I", {(0, 1), (1, 3)}), ("O I I O", {(1, 3)}), ("O O", set()), ("", set()),
])  # fmt: skip
def test_spans_of_bio_tags(tags, expected):
    assert metrics.spans(tags.split()) == expected


@pytest.mark.parametrize("tags", ["OBI", ["B-PER", "O"], ["b"], [["B", "I"]], [0, 1]])
def test_what_is_no_list_of_bio_tags_is_named(tags):
    with pytest.raises((ValueError, TypeError), match="list of B, I and O"):
        metrics.spans(tags)
    with pytest.raises((ValueError, TypeError), match="list of B, I and O"):
        metrics.entity_f1([tags], [tags])


def test_one_sentence_in_place_of_a_list_of_them_is_named():
    with pytest.raises(ValueError, match="not 'B'"):  # each tag would count as a sentence of one letter
        metrics.entity_f1(["B", "I"], ["B", "O"])


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


def test_a_classifier_learns_from_few_texts(tokenizer):
    records = [{"text": text, "label": label} for label, text in enumerate(("abab", "cdcd", "efef")) for _ in range(8)]
    torch.manual_seed(0)
    body = gpt.GPT2(gpt.GPT2Config(tokenizer.get_vocab_size(), context=48, n_layers=1, n_heads=2, width=16))
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)).fit([record["text"] for record in records])
    texts = heads.labelled(records, tokenizer, vectorizer)
    model = heads.Classifier(body, 3, n_pieces=texts.pieces.shape[1])

    def loss(rows):
        return F.cross_entropy(model(*texts.batch(rows)), texts.labels[rows])

    adamw = torch.optim.AdamW(model.parameters(), lr=0.01)
    lora.fit(model, loss, texts.lengths, [adamw], batch_size=8, n_steps=60, progress=False)
    logits = heads.predict(model, texts, batch_size=5)
    assert (logits.argmax(1) == texts.labels).all()
    one = heads.predict(model, texts, batch_size=1)
    torch.testing.assert_close(logits, one, rtol=1e-4, atol=1e-4)


def test_study_has_a_row_for_each_task_start_size_and_seed(monkeypatch, tmp_path):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    monkeypatch.setattr(fetch, "used", {})
    monkeypatch.setattr(ch13, "SIZES", (6, 10**6))
    monkeypatch.setattr(ch13, "BATCH", {"e2e": 2, "banking77": 4})
    monkeypatch.setattr(ch13, "_autocast", nullcontext)  # a processor without bfloat16 takes minutes to imitate it
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
