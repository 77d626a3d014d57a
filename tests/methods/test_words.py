"""Words from their company, against counting by hand, SciPy, scikit-learn and closed forms."""

import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import log_loss, mutual_info_score

from aigc_course import words
from aigc_course.plumbing import rooms

recipe = rooms.recipe("words")
FOUR = torch.tensor([[4, 6, 2, 1], [6, 4, 1, 2], [2, 1, 12, 9], [1, 2, 9, 16.0]])
UNLIKE = torch.tensor([[4, 6, 0], [1, 4, 0], [7, 1, 0], [1, 2, 0.0]])  # words in rows; a context that never occurs
TOY = [["the", "cat", "sat", "on", "the", "mat"], ["the", "dog", "sat"], [], ["cat"]]


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_words_are_split_in_lower_case_and_keep_apostrophes():
    assert words.split("I can't pay: CARD-1 (£5)!") == ["i", "can't", "pay", "card", "1", "5"]


def test_a_vocabulary_begins_with_the_frequent_words():
    assert words.vocabulary(TOY) == {"the": 0, "cat": 1, "sat": 2, "dog": 3, "mat": 4, "on": 5}
    assert list(words.vocabulary(TOY, 2)) == ["the", "cat", "sat"]


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("at_least", [1, 2])
def test_company_is_what_is_counted_by_hand(window, at_least):
    place, expected = words.vocabulary(TOY, at_least), Counter()
    for text in TOY:
        for i, a in enumerate(text):
            for j, b in enumerate(text):
                expected[a, b] += i != j and abs(i - j) <= window
    counts = words.cooccurrence(TOY, place, window)
    assert {(a, b): counts[i, j].item() for a, i in place.items() for b, j in place.items()} == {
        (a, b): expected[a, b] for a in place for b in place
    }


def test_no_pair_reaches_into_the_next_text():
    counts = words.cooccurrence([["a"], ["b"]], {"a": 0, "b": 1}, 9)
    assert counts.sum() == 0


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="window is 0"):
        words.cooccurrence(TOY, words.vocabulary(TOY), 0)


def test_the_mean_of_pmi_is_scikit_learns_mutual_information():
    rows, cols = zip(*[(i, j) for i in range(4) for j in range(4) for _ in range(int(FOUR[i, j]))], strict=True)
    mean = (FOUR / FOUR.sum() * words.pmi(FOUR)).sum().item()
    assert mean == pytest.approx(mutual_info_score(rows, cols), abs=1e-6)


def test_smoothing_takes_weight_from_rare_contexts():
    """Levy, Goldberg & Dagan (2015): P_alpha(c) = n_c^alpha / sum."""
    n = np.array([[6.0, 2], [10, 0]])
    share = n.sum(0) ** 0.75 / (n.sum(0) ** 0.75).sum()
    expected = math.log(2 / 8 / share[1])
    found = words.pmi(torch.tensor(n), 0.75)
    assert found[0, 1].item() == pytest.approx(expected) and found[1, 1] == -math.inf
    assert found[0, 1] < words.pmi(torch.tensor(n))[0, 1]


def test_ppmi_is_shifted_and_never_negative():
    found = words.ppmi(FOUR, 0.5, 2)
    torch.testing.assert_close(found, (words.pmi(FOUR, 0.5) - math.log(2)).clamp(min=0))
    assert (words.ppmi(torch.eye(3)) == torch.eye(3) * math.log(3)).all()


def test_pmi_refuses_what_are_no_counts():
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        words.pmi(-torch.eye(2))


def test_noise_of_power_zero_is_uniform_over_the_contexts_that_occur():
    assert words.noise(torch.tensor([[3.0, 0, 1]]), 0).tolist() == [0.5, 0, 0.5]


def test_factors_are_those_of_scikit_learn_up_to_sign():
    matrix = seeded(12, 9)
    expected = TruncatedSVD(3, algorithm="arpack", random_state=0).fit_transform(matrix.double().numpy())
    found = words.factors(matrix, 3, power=1).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)


def test_the_loss_is_that_of_a_classifier_of_weighted_pairs():
    """scikit-learn's log_loss of real (1) and drawn (0) pairs, times the 1 + k of them that each real pair brings."""
    scores, k, alpha = seeded(4, 4), 3, 0.75
    seen = (FOUR / FOUR.sum()).double()
    drawn = k * seen.sum(1, keepdim=True) * words.noise(FOUR.double(), alpha)
    weights = torch.cat([seen.flatten(), drawn.flatten()]).numpy()
    p = scores.double().sigmoid().flatten().repeat(2).numpy()
    expected = (1 + k) * log_loss([1] * 16 + [0] * 16, p, sample_weight=weights)
    assert words.sgns_loss(scores, FOUR, k, alpha).item() == pytest.approx(expected, rel=1e-5)


def test_words_are_in_rows_and_contexts_in_columns():
    """Four words, three contexts: noise is drawn by the contexts' counts, and the last one is never met nor drawn."""
    seen = (UNLIKE / UNLIKE.sum()).double()
    rows, columns = seen.sum(1).tolist(), seen.sum(0).tolist()
    best, loss = {}, 0.0
    for i in range(4):
        for j in range(2):
            real, drawn = seen[i, j].item(), 3 * rows[i] * columns[j]
            best[i, j] = math.log(real / drawn) if real else -math.inf
            loss -= real * math.log(real / (real + drawn)) + drawn * math.log(drawn / (real + drawn))
    assert words.least_loss(UNLIKE, 3).item() == pytest.approx(loss, abs=1e-6)
    scores = torch.tensor([[best[i, 0], best[i, 1], 0.7] for i in range(4)])
    assert words.sgns_loss(scores, UNLIKE, 3).item() == pytest.approx(loss, abs=1e-6)
    shuffled = UNLIKE[[1, 0, 3, 2]]
    torch.testing.assert_close(words.pmi(shuffled), words.pmi(UNLIKE)[[1, 0, 3, 2]])


def test_a_corpus_of_nothing_has_no_company():
    assert words.cooccurrence([], {"a": 0}, 2).tolist() == [[0.0]]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_no_scores_lose_less_than_pmi_less_log_k(k):
    best = words.pmi(FOUR, 1) - math.log(k)
    least = words.least_loss(FOUR, k, 1)
    torch.testing.assert_close(words.sgns_loss(best, FOUR, k, 1), least)
    for seed in range(5):
        assert words.sgns_loss(best + 0.3 * seeded(4, 4, seed=seed), FOUR, k, 1) > least


def test_the_least_loss_is_a_jensen_shannon_divergence():
    seen = (FOUR / FOUR.sum()).double().numpy()
    chance = np.outer(seen.sum(1), seen.sum(0))
    expected = 2 * math.log(2) - 2 * jensenshannon(seen.flatten(), chance.flatten()) ** 2
    assert words.least_loss(FOUR, 1, 1).item() == pytest.approx(expected, abs=1e-6)
    k, total = 4, (seen + 4 * chance).flatten()  # and for more negatives a sum of divergences from the mixture
    by_scipy = -(rel_entr(seen.flatten(), total) + rel_entr(k * chance.flatten(), total)).sum()
    assert words.least_loss(FOUR, k, 1).item() == pytest.approx(by_scipy, abs=1e-6)


def test_a_pair_that_never_occurs_costs_nothing_at_the_least():
    counts = torch.tensor([[1.0, 0], [0, 1]])  # diagonal: told apart with probability 1 / (1 + k/2)
    k = 2
    expected = -(math.log(1 / 2) + math.log(1 / 2))  # a = b = 1/2 on the diagonal, two entries of each kind
    assert words.least_loss(counts, k, 1).item() == pytest.approx(expected)


def test_drawn_pairs_lose_the_same_on_average():
    torch.manual_seed(0)
    w, c, k, n = seeded(4, 3), seeded(4, 3, seed=1), 2, 200_000
    pairs = torch.multinomial(FOUR.flatten(), n, replacement=True)
    negatives = torch.multinomial(words.noise(FOUR, 0.75), k * n, replacement=True).view(n, k)
    first, second = pairs // 4, pairs % 4
    lost = F.softplus(-(w[first] * c[second]).sum(1)) + F.softplus((w[first][:, None] * c[negatives]).sum(2)).sum(1)
    expected = words.sgns_loss(w @ c.T, FOUR, k, 0.75).item()
    assert abs(lost.mean().item() - expected) < 5 * lost.std().item() / math.sqrt(n)


def test_the_recipe_finds_pmi_where_dimensions_are_enough():
    settings = replace(recipe.PAGE, dim=8, k=2.0, alpha=1.0, penalty=0.0, n_steps=600, batch_size=4)
    torch.manual_seed(0)
    model = recipe.build(settings, FOUR)
    losses = [loss.item() for loss in recipe.fit(model, settings, FOUR)]
    with torch.no_grad():
        scores = model(torch.arange(4))
    torch.testing.assert_close(scores, words.pmi(FOUR) - math.log(2), atol=0.02, rtol=0)
    assert losses[-1] == pytest.approx(words.least_loss(FOUR, 2, 1).item(), abs=1e-4)


def test_a_batch_of_words_has_the_loss_of_all_on_average():
    settings = replace(recipe.PAGE, dim=5, penalty=0.0, n_steps=4, batch_size=1, lr=0.0)
    torch.manual_seed(0)
    model = recipe.build(settings, FOUR)
    mean = torch.stack(list(recipe.fit(model, settings, FOUR))).mean()  # one pass: each word once
    with torch.no_grad():
        scores = model(torch.arange(4))
    torch.testing.assert_close(mean, words.sgns_loss(scores, FOUR, settings.k, settings.alpha))


def test_twins_share_a_words_places_and_nothing_else_changes():
    texts = [["a", "b"] * 500]
    (found,) = words.twins(texts, ["a"], 0)
    assert {word.partition("·")[0] for word in found[::2]} == {"a"} and found[1::2] == ["b"] * 500
    n = Counter(found)
    assert abs(n["a·1"] - 250) < 60 and n["a·1"] + n["a·2"] == 500
    assert words.twins(texts, ["a"], 0) == [found] and words.twins(texts, ["a"], 1) != [found]


def test_nearest_goes_by_the_angle_and_leaves_the_word_out():
    vectors = torch.tensor([[1.0, 0], [9, 1], [0, 1], [-1, 0]])
    assert words.nearest(vectors)[0].tolist() == [1, 2, 3]


def test_changes_of_a_text():
    rng, text = random.Random(0), list("abcdefghij") * 100
    exchanged = words.exchange(text, {"a": ["x"], "b": ["y", "z"]}, 0.3, rng)
    assert 20 < exchanged.count("x") < 40 and set(exchanged) <= {*"abcdefghijxyz"} and exchanged[2::10] == ["c"] * 100
    assert words.exchange(text, {"a": ["x"]}, 0, rng) == text
    assert 600 < len(words.drop(text, 0.3, rng)) < 800 and words.drop(["a"], 1.0, rng) == ["a"]
    swapped = words.swap(text, 0.1, rng)
    assert sorted(swapped) == sorted(text) and 100 < sum(a != b for a, b in zip(swapped, text, strict=True)) <= 200
    assert text == list("abcdefghij") * 100


def test_pmi_of_a_rare_pair_in_a_large_corpus_is_not_cut():
    found = words.pmi(torch.tensor([[1e6, 0], [0, 1.0]]))
    assert found[1, 1].item() == pytest.approx(math.log(1e6 + 1))


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2)])
def test_pmi_is_of_a_matrix(shape):
    with pytest.raises(ValueError, match="counts are a matrix"):
        words.pmi(torch.ones(shape))


def test_a_power_weighs_the_factors_directions():
    matrix = torch.diag(torch.tensor([9.0, 4.0, 1.0]))
    for power, expected in ((0.0, [1.0, 1.0]), (0.5, [3.0, 2.0]), (1.0, [9.0, 4.0])):
        torch.testing.assert_close(words.factors(matrix, 2, power).norm(dim=0), torch.tensor(expected))


def test_skip_grams_words_are_in_rows_and_its_contexts_in_columns():
    model = words.SkipGram(5, 3)
    expected = torch.stack([model.contexts.weight @ model.words.weight[i] for i in (2, 0)])
    torch.testing.assert_close(model(torch.tensor([2, 0])), expected)


def test_long_vectors_are_no_nearer():
    assert words.nearest(torch.tensor([[1.0, 0], [1, 0.1], [50, 50]]))[0].tolist() == [1, 2]


def test_what_is_left_of_a_dropped_text_is_any_of_its_words():
    rng = random.Random(0)
    assert {*(words.drop(["a", "b", "c"], 1.0, rng)[0] for _ in range(50))} == {"a", "b", "c"}


def test_a_share_of_swaps_is_rounded():
    rng = random.Random(0)
    assert {*("".join(words.swap("ab", 0.4, rng)) for _ in range(50))} == {"ab", "ba"}


def test_the_penalty_shortens_all_vectors_by_a_rate_that_falls():
    """Adam goes by the gradient's sign where it hardly changes: a whole rate, then half of it, towards 0."""
    settings = replace(recipe.PAGE, dim=5, penalty=1e4, n_steps=2, batch_size=4, lr=1e-4)
    torch.manual_seed(0)
    model = recipe.build(settings, FOUR)
    before = [p.detach().clone() for p in model.parameters()]
    assert before[0].shape == (4, 5)
    list(recipe.fit(model, settings, FOUR))
    for old, new in zip(before, model.parameters(), strict=True):
        far = old.abs() > 0.01
        torch.testing.assert_close((old - new)[far], 1.5e-4 * old.sign()[far], atol=1e-5, rtol=0)


def test_a_batchs_lengths_are_means():
    """A word's mean squared length is estimated by its batch: with one word of four, its gradient is four times."""
    settings = replace(recipe.PAGE, dim=5, penalty=1e4, n_steps=1, lr=0.0)
    found = []
    for size in (1, 4):
        torch.manual_seed(0)
        model = recipe.build(settings, FOUR)
        list(recipe.fit(model, replace(settings, batch_size=size), FOUR))
        found.append(model.words.weight.grad)
    (i,) = found[0].abs().sum(1).nonzero()
    torch.testing.assert_close(found[0][i], 4 * found[1][i], rtol=1e-3, atol=0)


def test_each_seed_has_an_order_of_its_own():
    settings = replace(recipe.PAGE, dim=5, penalty=0.0, n_steps=4, batch_size=1, lr=0.0)
    torch.manual_seed(0)
    model = recipe.build(settings, FOUR)
    assert len({tuple(loss.item() for loss in recipe.fit(model, settings, FOUR, seed=seed)) for seed in range(5)}) > 1
