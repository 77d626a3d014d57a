"""Retrieval: BM25 against its formula, the contrastive loss against cross-entropy, an encoder that learns, ranks fused,
and a public sentence encoder: a small stand-in of its architecture, from a folder (test_hub fetches it)."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.feature_extraction.text import TfidfVectorizer

from aigc_course import support, widgets
from aigc_course.plumbing.models import HubError

ROOM = widgets.of("21_customer_service")
DOCUMENTS = ["The refund is sent to the card.", "Parcel late? Ask the carrier: the number is in the mail.", "Wrap it"]


def by_the_formula(documents, text, k1, b):
    read = [support.words(document) for document in documents]
    mean = sum(len(document) for document in read) / len(read)
    scores = []
    for document in read:
        total = 0.0
        for word in support.words(text):
            having = sum(word in other for other in read)
            idf = math.log(1 + (len(read) - having + 0.5) / (having + 0.5))
            n = document.count(word)
            total += idf * n * (k1 + 1) / (n + k1 * (1 - b + b * len(document) / mean))
        scores.append(total)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.5, 0.0), (2.0, 1.0)])
def test_bm25_is_its_formula(k1, b):
    texts = ["the the late parcel", "card", "nothing of this", "", "REFUND the card!"]
    found = support.BM25(DOCUMENTS, k1, b).scores(texts)
    np.testing.assert_allclose(found, [by_the_formula(DOCUMENTS, text, k1, b) for text in texts], rtol=1e-12)
    assert (found[2:4] == 0).all() and found.shape == (5, 3)


def test_bm25_by_its_usual_settings():
    np.testing.assert_allclose(
        support.BM25(DOCUMENTS).scores(["the late card"])[0], by_the_formula(DOCUMENTS, "the late card", 1.2, 0.75)
    )


def test_bm25_without_saturation_and_length_is_tf_idf():
    """With a huge k1 and b = 0 a count is not damped: n times (k1 + 1) / k1 times the idf."""
    vectorizer = TfidfVectorizer(analyzer=support.words, use_idf=False, norm=None)
    n = vectorizer.fit_transform(DOCUMENTS).toarray()
    idf = np.log(1 + (3 - (n > 0).sum(0) + 0.5) / ((n > 0).sum(0) + 0.5))
    query = vectorizer.transform(["the card is late"]).toarray()[0]
    found = support.BM25(DOCUMENTS, 1e9, 0.0).scores(["the card is late"])[0]
    np.testing.assert_allclose(found, n @ (idf * query), rtol=1e-6)


def test_units_are_words_pairs_and_pieces():
    assert support.units("My mug, my mug!") == ["#<mug", "#<my>", "#mug>", "mug", "mug my", "my", "my mug"]
    assert support.units("") == support.units("?!") == []
    assert set(support.units("parcell")) & set(support.units("parcel")) >= {"#<par", "#parc", "#arce", "#rcel"}


def test_the_loss_with_one_positive_is_cross_entropy():
    a, b = (F.normalize(torch.randn(n, 8), dim=1) for n in (5, 9))
    due = torch.tensor([3, 0, 8, 8, 1])
    found = support.contrastive_loss(a, b, F.one_hot(due, 9).bool(), temperature=0.2)
    torch.testing.assert_close(found, F.cross_entropy(a @ b.T / 0.2, due))


def test_the_loss_is_a_mean_over_the_positives():
    a, b = torch.randn(2, 4).double(), torch.randn(3, 4).double()
    positive = torch.tensor([[True, True, False], [False, False, True]])
    p = (a @ b.T / 0.07).softmax(1)
    due = -((p[0, 0].log() + p[0, 1].log()) / 2 + p[1, 2].log()) / 2
    torch.testing.assert_close(support.contrastive_loss(a, b, positive), due)


def test_vectors_have_length_one_and_nothing_known_is_zero():
    torch.manual_seed(0)
    model = support.Encoder(DOCUMENTS, width=16)
    found = model.encode([*DOCUMENTS, "zzz", "", "The refund zzz"])
    torch.testing.assert_close(found.norm(dim=1), torch.tensor([1.0, 1, 1, 0, 0, 1]))
    by_hand = sum(model.idf[i] * model.vectors.weight[i] for i in model.bags(["Wrap it"])[0])
    torch.testing.assert_close(found[2], F.normalize(by_hand.detach(), dim=0))
    rare, common = model.idf[model.place["refund"]], model.idf[model.place["the"]]
    assert rare > common >= 1
    torch.testing.assert_close(rare.item(), 1 + math.log(4 / 2))


def test_half_of_the_units_can_be_left_out():
    torch.manual_seed(0)
    model = support.Encoder(DOCUMENTS, width=16)
    bags = model.bags(DOCUMENTS)
    assert not torch.allclose(model(bags, 0.5), model(bags, 0.5))
    torch.testing.assert_close(model(bags, 1.0), torch.zeros(3, 16))
    torch.testing.assert_close(model(bags), model(bags))


ARTICLES = ["Money back: refunds take five days.", "Late parcels: ask the carrier.", "Gift wrapping costs three euros."]
ASKED = [
    ("when do I see my cash again", 0), ("cash not on my account yet", 0), ("my account shows no cash", 0),
    ("where is my box", 1), ("the box has been lost on its way", 1), ("box still on its way", 1),
    ("can you put a bow round it", 2), ("a bow and nice paper please", 2), ("paper with a bow", 2),
]  # fmt: skip


def nearest(model):
    return (model.encode(["no cash on my account", "box on its way", "a paper bow"]) @ model.encode(ARTICLES).T).argmax(
        1
    )


def test_an_encoder_learns_words_that_no_article_has():
    texts, of = zip(*ASKED, strict=True)
    model = support.train(ARTICLES, texts, of, n_steps=60, seed=0, width=16, batch_size=8)
    assert nearest(model).tolist() == [0, 1, 2] and not model.training
    again = support.train(ARTICLES, texts, of, n_steps=60, seed=0, width=16, batch_size=8)
    torch.testing.assert_close(model.vectors.weight, again.vectors.weight, rtol=0, atol=0)


def test_an_encoder_of_shuffled_labels_learns_them():
    texts, of = zip(*ASKED, strict=True)
    model = support.train(ARTICLES, texts, [(i + 1) % 3 for i in of], n_steps=60, seed=0, width=16, batch_size=8)
    assert nearest(model).tolist() == [1, 2, 0]


def test_training_is_the_loop_of_the_page():
    texts, of = zip(*ASKED, strict=True)
    found = support.train(ARTICLES, texts, of, n_steps=5, seed=3)
    torch.manual_seed(3)
    model = support.Encoder([*ARTICLES, *texts], 128)
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=1e-2)
    bags, answers, of = model.bags(texts), model.bags(ARTICLES), torch.tensor(of)
    for step in range(5):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 5)
        batch = torch.randint(len(of), (64,))
        present = of[batch].unique()
        q = model([bags[i] for i in batch], 0.4)
        candidates = model([answers[i] for i in present] + [bags[i] for i in batch], 0.4)
        loss = support.contrastive_loss(q, candidates, of[batch, None] == torch.cat([present, of[batch]]), 0.07)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(found.vectors.weight, model.vectors.weight)


def test_fused_ranks_by_hand():
    one, two = np.array([[0.9, 0.1, 0.5]]), np.array([[3.0, 9.0, 1.0]])
    np.testing.assert_allclose(support.fuse(one, two), [[1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62 + 1 / 63]])
    np.testing.assert_allclose(support.fuse(one, two, k=0), [[1.5, 1 + 1 / 3, 0.5 + 1 / 3]])
    np.testing.assert_allclose(support.fuse(one * 100, two - 5), support.fuse(one, two))  # scales do not matter
    np.testing.assert_allclose(support.fuse(np.zeros((1, 3)), k=0), [[1, 1 / 2, 1 / 3]])  # equals keep their order


def test_a_public_encoder_is_the_mean_of_the_last_states(encoder_folder):
    from transformers import AutoModel, AutoTokenizer

    texts = ["late", "where is my parcel and my second parcel", "refund"] * 13  # more than one batch of 32
    found = ROOM.public_encoder(str(encoder_folder))(texts)
    tokenizer, model = AutoTokenizer.from_pretrained(encoder_folder), AutoModel.from_pretrained(encoder_folder).eval()
    with torch.no_grad():
        alone = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state.mean(dim=1) for text in texts]
    torch.testing.assert_close(found, F.normalize(torch.cat(alone), dim=1), rtol=1e-4, atol=1e-5)


def test_a_model_that_continues_texts_is_no_encoder():
    from aigc_course import data

    shipped = data.embedded("course_gpt2/config.json").parent
    with pytest.raises(HubError, match="is no encoder but GPT2LMHeadModel"):
        ROOM.public_encoder(str(shipped))


def test_an_encoder_that_nobody_has(monkeypatch, tmp_path):
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    with pytest.raises(HubError, match="is not in the cache"):
        ROOM.public_encoder("nobody/has-this")


def test_a_search_is_its_parts():
    of = [[asked for asked, j in ASKED if i == j] for i in range(3)]
    articles = [{"id": f"A{i}", "title": "Help", "body": text, "asked": of[i][:2]} for i, text in enumerate(ARTICLES)]
    further = [{"article": f"A{i}", "text": of[i][2]} for i in range(3)]
    search = support.Search(articles, further, n_steps=40, seed=0)
    texts = ["no cash on my account", "a box on its way"]
    q = search.encoder.encode(texts)
    near = (q @ search.questions.T).numpy().reshape(2, 3, 3).mean(axis=2)  # three questions an article: all are nearest
    vectors = (q @ search.articles.T).numpy() + near
    np.testing.assert_allclose(search.scores(texts), support.fuse(search.bm25.scores(texts), vectors))
    assert search.scores(texts).argmax(axis=1).tolist() == [0, 1]
    with pytest.raises(KeyError, match="A9"):
        support.Search(articles, [{"article": "A9", "text": "?"}], n_steps=1, seed=0)
