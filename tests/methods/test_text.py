"""Characters, batches, filters, generation and counts, and the measures of text."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from aigc_course import gpt, metrics, text
from aigc_course.ngram import KneserNey, NGram, adaptive, discounts

LINE = "to be, or not to be: that is the question. whether 'tis nobler in the mind to suffer "


@pytest.fixture(scope="module")
def ids():
    return text.Characters(LINE).encode(LINE * 4)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = gpt.GPT2(gpt.GPT2Config(vocab_size=text.Characters(LINE).vocab_size, context=16, n_layers=2, width=32))
    for p in model.parameters():  # larger matrices, so that what it writes depends on what it reads
        if p.ndim == 2:
            torch.nn.init.normal_(p, std=0.3)
    return model


# --- characters and batches -------------------------------------------------------------------------------------------


def test_decoding_an_encoding_returns_the_text():
    characters = text.Characters("hello, world\n")
    assert characters.decode(characters.encode("low world")) == "low world"
    assert characters.symbols == "".join(sorted(set("hello, world\n"))) and characters.vocab_size == 10
    assert characters.encode("").shape == (0,)


def test_an_unknown_character_is_named():
    with pytest.raises(ValueError, match="'ß' is not among the 4"):
        text.Characters("abcd").encode("abßd")


def test_targets_are_one_later_and_each_place_comes_once():
    ids = torch.arange(21)
    found = list(text.batches(ids, 4, context=5, n_steps=4, seed=3, progress=False))
    for x, y in found:
        assert x.shape == y.shape == (4, 5) and torch.equal(y, x + 1) and (x[:, 1:] == x[:, :-1] + 1).all()
    assert sorted(torch.cat([x[:, 0] for x, _ in found]).tolist()) == list(range(16))
    again = list(text.batches(ids, 4, context=5, n_steps=4, seed=3, progress=False))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(found, again, strict=True))


@pytest.mark.parametrize("ids, context", [(torch.arange(5), 5), (torch.zeros(4, 4, dtype=torch.long), 2)])
def test_texts_too_short_for_a_window_are_named(ids, context):
    with pytest.raises(ValueError, match="windows of"):
        next(text.batches(ids, 1, context, 1, progress=False))


# --- filters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def logits():
    return torch.randn(50, 30, generator=torch.Generator().manual_seed(0)) * 2


def kept(logits):
    return logits.isfinite()


def test_without_settings_nothing_changes(logits):
    assert torch.equal(text.filter_logits(logits), logits)
    assert torch.equal(text.filter_logits(logits, top_k=30, top_p=1.0), logits)
    torch.testing.assert_close(text.filter_logits(logits, temperature=0.5), logits * 2)


def test_temperature_zero_keeps_the_largest(logits):
    left = text.filter_logits(logits, temperature=0)
    assert (kept(left).sum(-1) == 1).all() and torch.equal(left.argmax(-1), logits.argmax(-1))


@pytest.mark.parametrize("k", [1, 7, 30, 99])
def test_top_k_keeps_the_k_largest(logits, k):
    left = text.filter_logits(logits, top_k=k)
    assert (kept(left).sum(-1) == min(k, 30)).all()
    for row, new in zip(logits, left, strict=True):
        assert set(row.argsort(descending=True)[:k].tolist()) == set(kept(new).nonzero().flatten().tolist())


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9, 1.0])
def test_top_p_keeps_the_smallest_set_that_is_likely_enough(logits, p):
    for row, new in zip(logits, text.filter_logits(logits, top_p=p), strict=True):
        probabilities, total, expected = row.double().softmax(0), 0.0, set()
        for i in probabilities.argsort(descending=True).tolist():
            if total < p - 1e-9:
                expected.add(i)
                total += probabilities[i].item()
        assert set(kept(new).nonzero().flatten().tolist()) == expected


def test_min_p_is_relative_to_the_likeliest(logits):
    p, left = logits.softmax(-1), text.filter_logits(logits, min_p=0.1)
    assert torch.equal(kept(left), p >= 0.1 * p.amax(-1, keepdim=True))
    assert (kept(text.filter_logits(logits, min_p=1.0)).sum(-1) == 1).all()


def test_filters_agree_with_the_library(logits):
    from transformers.generation import logits_process as library

    for settings, theirs in [
        ({"top_k": 5}, library.TopKLogitsWarper(5)),
        ({"top_p": 0.8}, library.TopPLogitsWarper(0.8)),
        ({"min_p": 0.2}, library.MinPLogitsWarper(0.2)),
        ({"temperature": 0.7}, library.TemperatureLogitsWarper(0.7)),
    ]:
        torch.testing.assert_close(text.filter_logits(logits, **settings), theirs(None, logits.clone()))


def test_filters_leave_their_argument_as_it_was(logits):
    before = logits.clone()
    text.filter_logits(logits, temperature=0.5, top_k=3, top_p=0.5, min_p=0.1)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 1e4])
def test_no_temperature_that_is_taken_gives_nan(logits, temperature):
    p = text.filter_logits(logits * 40, temperature=temperature, top_k=9, top_p=0.9, min_p=0.1).softmax(-1)
    torch.testing.assert_close(p.sum(-1), torch.ones(50))


@pytest.mark.parametrize("bad", [
    {"temperature": -1}, {"temperature": 1e-38}, {"temperature": math.nan}, {"temperature": math.inf},
    {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_p": math.nan}, {"min_p": 0.0},
])  # fmt: skip
def test_settings_out_of_range_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        text.filter_logits(torch.zeros(3), **bad)


# --- generation -------------------------------------------------------------------------------------------------------


def test_cache_writes_the_same_tokens(model, ids):
    for n in (10, 40):  # within the context, and beyond it
        slow = text.generate(model, ids[None, :4], n, temperature=0, cache=False)
        assert torch.equal(text.generate(model, ids[None, :4], n, temperature=0), slow) and slow.shape == (1, 4 + n)
    drawn = [text.generate(model, ids[:8].view(2, 4), 12, seed=1, cache=cache) for cache in (True, False)]
    assert torch.equal(*drawn) and drawn[0].shape == (2, 16)


def test_greedy_takes_the_likeliest_each_time(model, ids):
    written = text.generate(model, ids[None, :4], 8, temperature=0)
    for t in range(4, 12):
        assert written[0, t] == model(written[:, :t])[0, -1].argmax()


def test_drawing_follows_the_model(model, ids):
    start = ids[None, :5].expand(4000, 5)
    drawn = text.generate(model, start, 1, temperature=0.7, top_k=4, seed=0)[:, -1]
    p = text.filter_logits(model(start[:1])[0, -1], temperature=0.7, top_k=4).softmax(0)
    share = torch.bincount(drawn, minlength=len(p)) / len(drawn)
    assert (share - p).abs().max() < 0.03 and (share[p == 0] == 0).all()


def test_generation_stops_where_each_row_has_and_keeps_the_mode(model, ids):
    model.train()
    start = ids[:12].view(3, 4)
    free = text.generate(model, start, 20, temperature=0)
    stop = int(free[1, 6])
    written = text.generate(model, start, 20, temperature=0, stop=stop)
    ends = [row.index(stop) if stop in row else 20 for row in free[:, 4:].tolist()]
    assert written.shape[1] == 4 + min(20, max(ends) + 1) and model.training
    for row, alone, end in zip(written[:, 4:].tolist(), free[:, 4:].tolist(), ends, strict=True):
        assert row[:end] == alone[:end] and set(row[end:]) <= {stop}


@pytest.mark.parametrize("cache", [True, False])
def test_of_a_long_prompt_the_last_tokens_are_read(model, ids, cache):
    long = ids[:200].view(5, 40)  # the context is 16
    written = text.generate(model, long, 1, temperature=0, cache=cache)
    assert torch.equal(written[:, :-1], long)
    assert torch.equal(written[:, -1], model(long[:, -16:])[:, -1].argmax(-1))
    assert not torch.equal(written[:, -1], model(long[:, :16])[:, -1].argmax(-1))


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"seed": 3, "top_k": 1}, {"temperature": 0, "cache": False}])
def test_padding_on_the_left_changes_no_token(model, ids, settings):
    prompts = [ids[20:29], ids[3:6], ids[50:51]]
    padded, real = torch.full((3, 9), 1), torch.zeros(3, 9, dtype=torch.bool)
    for row, there, prompt in zip(padded, real, prompts, strict=True):
        row[9 - len(prompt) :], there[9 - len(prompt) :] = prompt, True
    written = text.generate(model, padded, 7, real=real, **settings)
    assert not torch.equal(written, text.generate(model, padded, 7, **settings))
    for prompt, row in zip(prompts, written, strict=True):
        assert torch.equal(row[9:], text.generate(model, prompt[None], 7, **settings)[0, len(prompt) :])


@pytest.mark.parametrize(
    "shape, real", [((1, 0), None), ((0, 3), None), ((3,), None), ((2, 3), [[True] * 3, [False] * 3])]
)
def test_an_empty_prompt_is_named(model, shape, real):
    with pytest.raises(ValueError, match="prompts have shape .* a token or more"):
        text.generate(model, torch.zeros(shape, dtype=torch.long), 2, real=None if real is None else torch.tensor(real))


def test_a_seed_repeats_the_drawing(model, ids):
    a, b, c = (text.generate(model, ids[None, :4], 12, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


# --- counts -----------------------------------------------------------------------------------------------------------


def slow_counts(ids, order):
    followers = defaultdict(Counter)
    for i in range(len(ids)):
        for k in range(min(order, i + 1)):
            followers[tuple(ids[i - k : i])][ids[i]] += 1
    return followers


def slow_probability(followers, context, symbol, V):
    shorter = slow_probability(followers, context[1:], symbol, V) if context else 1 / V
    if context not in followers:
        return shorter
    n, total = len(followers[context]), sum(followers[context].values())
    return (followers[context][symbol] + n * shorter) / (total + n)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_counts_agree_with_dictionaries(order):
    generator = torch.Generator().manual_seed(order)
    ids, new = torch.randint(5, (300,), generator=generator), torch.randint(6, (80,), generator=generator)
    followers, b = slow_counts(ids.tolist(), order), new.tolist()
    expected = [slow_probability(followers, tuple(b[max(0, i - order + 1) : i]), b[i], 6) for i in range(len(b))]
    model = NGram(ids, order, 6)
    np.testing.assert_allclose(model.probabilities(new), expected, rtol=1e-12)
    np.testing.assert_allclose(model.nats(new), -np.log(expected), rtol=1e-12)


@pytest.mark.parametrize("kind", [NGram, KneserNey])
@pytest.mark.parametrize("context", [[0, 1, 2], [4, 4, 4], []])
def test_probabilities_sum_to_one(context, kind):
    model = kind(torch.randint(4, (200,), generator=torch.Generator().manual_seed(0)), 4, 5)
    total = sum(model.probabilities(torch.tensor([*context, symbol]))[-1] for symbol in range(5))
    assert total == pytest.approx(1, abs=1e-12)


def test_order_one_knows_how_often_each_symbol_came():
    ids = torch.tensor([0, 0, 0, 1])
    np.testing.assert_allclose(NGram(ids, 1, 3).probabilities(torch.arange(3)),
                               [(3 + 2 / 3) / 6, (1 + 2 / 3) / 6, (2 / 3) / 6])  # fmt: skip


def kneser_ney_by_sets(ids, order, V):
    """A function of (context, symbol), from sets of left neighbours and a loop over all symbols."""
    places = [tuple(ids[i : i + k]) for k in range(1, order + 2) for i in range(len(ids) - k + 1)]
    often, left = Counter(places), defaultdict(set)
    for group in set(places):
        left[group[1:]].add(group[0])

    def count(group, k):  # k: the length of the groups that are compared
        return often[group] if k == order else len(left[group])

    D = {}
    for k in range(1, order + 1):
        found = Counter(count(group, k) for group in {g for g in places if len(g) == k})
        n1, n2, n3, n4 = (found[i] for i in (1, 2, 3, 4))
        if min(n1, n2, n3, n4) == 0:
            D[k] = 0, 0.5, 1, 1.5
            continue
        y = n1 / (n1 + 2 * n2)
        D[k] = 0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
        if not all(0 < d <= i for i, d in enumerate(D[k][1:], start=1)):
            D[k] = 0, 0.5, 1, 1.5

    def p(context, symbol):
        k = len(context) + 1
        lower = p(context[1:], symbol) if context else 1 / V
        counts = {w: count((*context, w), k) for w in range(V)}
        total = sum(counts.values())
        if total == 0:
            return lower
        freed = sum(D[k][min(c, 3)] for c in counts.values())
        own = counts[symbol]
        return (own - D[k][min(own, 3)]) / total + freed / total * lower

    return p


@pytest.mark.parametrize("order, n", [(1, 300), (2, 300), (3, 2_000), (4, 2_000)])
def test_kneser_ney_agrees_with_sets(order, n):
    generator = torch.Generator().manual_seed(order)
    skewed = torch.rand(n, generator=generator).pow(2).mul(9).long()  # common and rare symbols
    new = torch.randint(10, (60,), generator=generator)
    p, b = kneser_ney_by_sets(skewed.tolist(), order, 10), new.tolist()
    expected = [p(tuple(b[max(0, i - order + 1) : i]), b[i]) for i in range(len(b))]
    np.testing.assert_allclose(KneserNey(skewed, order, 10).probabilities(new), expected, rtol=1e-12)


def test_kneser_ney_by_hand():
    model = KneserNey(torch.tensor([0, 0, 0, 1, 0]), 2, 3)  # pairs 00 twice, 01, 10; 0 follows two symbols, 1 one
    found = [model.probabilities(torch.tensor([0, w])).tolist() for w in range(3)]
    np.testing.assert_allclose(found, [[1 / 2, 7 / 12], [1 / 2, 1 / 3], [1 / 2, 1 / 12]])
    np.testing.assert_allclose([model.probabilities(torch.tensor([w]))[0] for w in range(3)], [1 / 2, 1 / 3, 1 / 6])


def test_discounts_by_hand():
    np.testing.assert_allclose(discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])), [0.5, 1.25, 1.0])
    np.testing.assert_allclose(discounts(np.array([1, 1, 5])), [0.5, 1, 1.5])
    np.testing.assert_allclose(discounts(np.array([1, 2, 3, 4, 4, 4])), [0.5, 1, 1.5])  # D of 3 would be below 0


def test_kneser_ney_counts_a_rare_context_by_its_company():
    """The symbol 1 is frequent but follows 0 only: after something new it is less likely than 2, which follows many."""
    ids = torch.tensor([0, 1] * 50 + [3, 2, 4, 2, 5, 2, 6, 2])
    p = [KneserNey(ids, 2, 8).probabilities(torch.tensor([7, w]))[-1] for w in (1, 2)]
    assert p[1] > 2 * p[0] and NGram(ids, 2, 8).probabilities(torch.tensor([7, 1]))[-1] > p[1]


@pytest.mark.parametrize("every", [1, 7, 50, 100])
def test_adaptive_counts_know_what_was_read_and_nothing_of_what_comes(every):
    ids = torch.randint(5, (160,), generator=torch.Generator().manual_seed(0))
    counted, new = ids[:60], ids[60:]
    p = adaptive(counted, new, 3, 5, every=every)
    for i in (0, 1, 6, 7, 8, 49, 50, 51, 99):
        model = KneserNey(ids[: 60 + i // every * every], 3, 5)
        assert p[i] == pytest.approx(model.probabilities(new[: i + 1])[-1], rel=1e-12)
    assert len(p) == 100 and (every < 100 or np.array_equal(p, KneserNey(counted, 3, 5).probabilities(new)))


@pytest.mark.parametrize("kind", [NGram, KneserNey])
@pytest.mark.parametrize(
    "ids, order, V", [([0, 1], 0, 2), ([0, 2], 1, 2), ([-1], 1, 2), ([], 1, 2), ([0, 1], 40, 65), ([[0]], 1, 2)]
)
def test_what_cannot_be_counted_is_named(ids, order, V, kind):
    with pytest.raises(ValueError, match="order|ids must be"):
        kind(torch.tensor(ids, dtype=torch.long), order, V)


# --- measures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context, stride", [(16, 16), (16, 8), (16, 5), (8, 1), (7, 3)])
def test_every_token_is_scored_once_with_enough_before_it(model, context, stride):
    ids = torch.randint(model.config.vocab_size, (61,), generator=torch.Generator().manual_seed(0))
    expected, start = [], 0
    while len(expected) < len(ids) - 1:  # one window at a time; the last one ends with the text
        first = min(start, len(ids) - 1 - context)
        window = ids[first : first + context + 1]
        nats = F.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="none")
        expected += nats[len(expected) - first :].tolist()
        start += stride
    assert len(expected) == 60
    for batch_size in (1, 3, 64):
        found = metrics.nats_per_token(model, ids, context=context, stride=stride, batch_size=batch_size)
        assert found == pytest.approx(sum(expected) / 60, abs=1e-5)


def test_a_uniform_model_has_the_log_of_its_symbols():
    class Uniform(torch.nn.Module):
        def forward(self, ids):
            return torch.zeros(*ids.shape, 7)

    assert metrics.nats_per_token(Uniform(), torch.zeros(50, dtype=torch.long), context=9, stride=4) == pytest.approx(
        math.log(7), abs=1e-6
    )


def test_counts_as_a_model_have_the_same_nats(ids):
    V = int(ids.max()) + 1
    counts = NGram(ids, 3, V)

    class Counted(torch.nn.Module):
        def forward(self, ids):
            rows = [[[counts.probabilities(torch.tensor([*row[: t + 1], w]))[-1] for w in range(V)]
                     for t in range(len(row))] for row in ids.tolist()]  # fmt: skip
            return torch.tensor(rows).log()

    found = metrics.nats_per_token(Counted(), ids[:40], context=8, stride=4)
    assert found == pytest.approx(counts.nats(ids[:40])[1:].mean(), abs=1e-5)


def test_the_mode_of_the_model_is_kept(model, ids):
    model.train()
    metrics.nats_per_token(model, ids, context=16, stride=16)
    assert model.training


@pytest.mark.parametrize("shape, context, stride", [((1,), 4, 1), ((9,), 4, 0), ((9,), 0, 1), ((3, 3), 4, 1)])
def test_what_cannot_be_scored_is_named(model, shape, context, stride):
    with pytest.raises(ValueError, match="expected"):
        metrics.nats_per_token(model, torch.zeros(shape, dtype=torch.long), context=context, stride=stride)


@pytest.mark.parametrize("sample, corpus, longest", [
    ("xxabcdyy", "zabcdez", "abcd"), ("abc", "abc", "abc"), ("abc", "xyz", ""), ("", "abc", ""),
    ("abxcd", "ab cd", "ab"), ("aaaa", "baab", "aa"),
])  # fmt: skip
def test_longest_overlap(sample, corpus, longest):
    assert metrics.longest_overlap(sample, corpus) == longest


def test_longest_overlap_agrees_with_trying_everything():
    generator = np.random.default_rng(0)
    sample, corpus = ("".join(generator.choice(list("ab "), n)) for n in (40, 200))
    pieces = {sample[i:j] for i in range(40) for j in range(i, 41)}
    assert len(metrics.longest_overlap(sample, corpus)) == max(len(p) for p in pieces if p in corpus)


def test_bleu():
    said = "the cat sat on the mat ."
    assert metrics.bleu([said], [[said]]) == pytest.approx(100)
    assert metrics.bleu([said], [["something else entirely , you see"]]) < 5
    assert metrics.bleu([said, said], [["no .", said], [said]]) == pytest.approx(100)
    # by hand: 4-grams 1 of 2, 3-grams 2 of 3, pairs 3 of 4, words 4 of 5; as long as its reference
    by_hand = 100 * (1 / 2 * 2 / 3 * 3 / 4 * 4 / 5) ** 0.25
    assert metrics.bleu(["a b c d x"], [["a b c d e"]]) == pytest.approx(by_hand, abs=0.01)


@pytest.mark.parametrize("texts, references", [
    (["a b c d"], ["a b c d"]), ("a b c d", [["a b c d"]]), (["a b c d"], "a b c d"), (("a b c d",), ("a b c d",)),
    (["a", "a b c d"], [["a"], "a b c d"]),
])  # fmt: skip
def test_bleu_of_a_text_in_place_of_a_list_is_named(texts, references):
    with pytest.raises(TypeError, match="'a b c d' is a text in place of a list"):
        metrics.bleu(texts, references)


@pytest.mark.parametrize("sample, corpus", [("a", ["a", "b"]), (["a"], "a"), (list("ab"), list("abc"))])
def test_longest_overlap_of_what_is_no_text_is_named(sample, corpus):
    with pytest.raises(TypeError, match="one text each, not .*list"):
        metrics.longest_overlap(sample, corpus)


@pytest.mark.parametrize("texts, references", [([], []), (["a"], []), (["a"], [[]]), (["a", "b"], [["a"]])])
def test_bleu_without_references_is_named(texts, references):
    with pytest.raises(ValueError, match="at least one"):
        metrics.bleu(texts, references)


def test_top_p_of_one_cuts_nothing_not_even_by_rounding():
    z = torch.randn(5, 65, generator=torch.Generator().manual_seed(0)) * 8
    assert torch.equal(text.filter_logits(z, top_p=1.0), z)
