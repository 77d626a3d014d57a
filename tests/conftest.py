"""What all tests share: a course that has no settings, no cache and no network for data unless a test gives them.

Notebooks that nbval executes in the same call get the smoke profile, strict claims, an empty cache and no mirror, so
that they must do with the embedded stand-ins. A test finds none of these settings, and the same empty cache.
"""

import os
import tempfile

import kernels
import pytest

MIRROR = os.environ.get("AIGC_DATA_MIRROR")
NOTEBOOKS = {"AIGC_PROFILE": "smoke", "AIGC_STRICT": "1", "AIGC_OFFLINE": "1", "AIGC_QUIET": "1"}


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long, so that its file starts first and no worker ends alone")
    if getattr(config.option, "nbval_lax", False) or getattr(config.option, "nbval", False):
        kernels.warm()
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # xdist keeps the order that is made below
    if not hasattr(config, "workerinput"):  # xdist's workers inherit the environment
        cache = tempfile.TemporaryDirectory(prefix="aigc-cache-")
        config.add_cleanup(cache.cleanup)
        os.environ["AIGC_CACHE"] = cache.name


def pytest_collection_modifyitems(items):
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, item.path.suffix != ".ipynb"))


def pytest_collection_finish():
    """From here on the environment is that of the notebooks' kernels; the fixture below keeps it from the tests."""
    for name in [name for name in os.environ if name.startswith("AIGC_") and name != "AIGC_CACHE"]:
        del os.environ[name]
    os.environ.update(NOTEBOOKS)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Tests set what they need; only where the genuine data lie is taken from outside."""
    for name in [name for name in os.environ if name.startswith("AIGC_") and name != "AIGC_CACHE"]:
        monkeypatch.delenv(name)
    if MIRROR:
        monkeypatch.setenv("AIGC_DATA_MIRROR", MIRROR)


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    """A small network of all-MiniLM-L6-v2's architecture, BertModel, with random weights and a tokenizer of letters."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder, letters = tmp_path_factory.mktemp("encoder") / "tiny-encoder", "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = {"single": "[CLS] $A [SEP]", "special_tokens": [("[CLS]", 2), ("[SEP]", 3)]}
    tokenizer.post_processor = processors.TemplateProcessing(**special)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = BertModel(BertConfig(vocab_size=len(pieces), max_position_embeddings=300, **sizes))
    network.save_pretrained(folder)
    return folder
