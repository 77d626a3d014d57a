"""Models by name: the shipped one, a local stand-in for the hub that serves another, and what happens when it fails."""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch
from server import Server

from aigc_course import data, hub, receipts

SHA = "0123456789abcdef0123456789abcdef01234567"
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "12_transformers.ipynb"


class Hub(Server):
    """Answers what huggingface_hub asks of a hub, for `repos` {name: {file: bytes}}, in a with block.

    `broken`: answer 500 to all. `gated`: names that ask for consent. `asked` lists (method, path).
    """

    def __init__(self, repos):
        super().__init__({}, _handler)
        self.repos, self.asked, self.broken, self.gated = repos, [], False, set()

    def downloads(self):
        return [path.rsplit("/", 1)[-1] for method, path in self.asked if method == "GET" and "/resolve/" in path]


def _handler(hub_):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, content=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            hub_.asked.append((self.command, path))
            if hub_.broken:
                return self.answer(500)
            found = re.fullmatch(r"/api/models/(.+?)(?:/(revision|tree)/[^/]+)?", path)
            file = re.fullmatch(r"/(.+?)/resolve/[^/]+/(.+)", path)
            repo = (found or file)[1] if found or file else None
            if repo not in hub_.repos:
                return self.answer(404, X_Error_Code="RepoNotFound")
            if repo in hub_.gated:
                return self.answer(403, X_Error_Code="GatedRepo")
            files = hub_.repos[repo]
            if found:
                listed = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
                content = {"id": repo, "modelId": repo, "sha": SHA, "siblings": listed, "private": False, "tags": []}
                if found[2] == "tree":
                    content = [
                        {"type": "file", "path": name, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                        for name, c in files.items()
                    ]
                return self.answer(200, json.dumps(content).encode(), Content_Type="application/json")
            if file[2] not in files:
                return self.answer(404, X_Error_Code="EntryNotFound")
            content = files[file[2]]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            return self.answer(200, content, ETag=etag, X_Repo_Commit=SHA, Accept_Ranges="bytes")

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The files of a Qwen3 with few random weights, the course's tokenizer and a chat template of its own."""
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    place = tmp_path_factory.mktemp("tiny")
    tokenizer = AutoTokenizer.from_pretrained(data.embedded("course_gpt2/config.json").parent)
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% if not enable_thinking %}<no thoughts>{% endif %}{% endif %}"
    )
    tokenizer.save_pretrained(place)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 1024, "vocab_size": len(tokenizer)}
    ids = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
    Qwen3ForCausalLM(Qwen3Config(**sizes, **ids)).save_pretrained(place)
    return {path.name: path.read_bytes() for path in place.iterdir()} | {
        "pytorch_model.bin": b"a pickle, never fetched",
        "onnx/config.json": b"{}",
    }


@pytest.fixture
def server(tiny, monkeypatch, tmp_path):
    with Hub({"tiny/qwen": tiny}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("AIGC_QUIET", "1")
        monkeypatch.setattr(hub, "_failures", set())
        yield running


def test_the_shipped_model_needs_no_network(server):
    found = hub.model()
    assert found.name == "course_gpt2" and not found.model.training and not server.asked
    assert found.tokenizer.pad_token_id is not None and found.tokenizer.chat_template == hub.CHAT
    assert {p.dtype for p in found.model.parameters()} == {torch.float32}
    talk = [{"role": "user", "content": " What news? "}]
    assert found.tokenizer.apply_chat_template(talk, tokenize=False) == "USER:\nWhat news?\n\n"
    assert found.tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True).endswith(
        "ASSISTANT:\n"
    )


def test_a_setting_puts_a_public_model_in_its_place(server, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_MODEL", "tiny/qwen")
    found = hub.model(dtype=torch.bfloat16)
    assert (found.name, type(found.model).__name__) == ("tiny/qwen", "Qwen3ForCausalLM") and not found.model.training
    assert {p.dtype for p in found.model.parameters()} == {torch.bfloat16}
    assert f"tiny/qwen: fetching from {server.url}" in capsys.readouterr().out
    assert "model.safetensors" in server.downloads() and "tokenizer.json" in server.downloads()
    assert not {"pytorch_model.bin"} & set(server.downloads()), "pickles are never fetched"
    assert not any("onnx" in path for method, path in server.asked if "/resolve/" in path)
    text = found.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    assert text == "<user>Hi\n<assistant><no thoughts>", "its own template, not ours"


def test_what_is_in_the_cache_needs_no_hub(server, monkeypatch, capsys):
    hub.model("tiny/qwen")
    before = len(server.asked)
    assert hub.model("tiny/qwen").name == "tiny/qwen" and len(server.asked) == before
    server.close()
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    capsys.readouterr()
    assert hub.model("tiny/qwen").name == "tiny/qwen"
    assert capsys.readouterr().out == ""


def test_half_a_model_in_the_cache_is_fetched_again(server):
    place, _ = hub.folder("tiny/qwen")
    (place / "model.safetensors").unlink()
    assert hub.missing(place) == ["model.safetensors"]
    assert hub.missing(hub.folder("tiny/qwen")[0]) == []


def test_shards_are_counted(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "model-1.safetensors").write_bytes(b"")
    assert hub.missing(tmp_path) == ["model-2.safetensors"]


def closed(server, monkeypatch):
    server.close()


def broken(server, monkeypatch):
    server.broken = True


def offline(server, monkeypatch):
    monkeypatch.setenv("AIGC_OFFLINE", "1")


def gated(server, monkeypatch):
    server.gated.add("tiny/qwen")


def no_weights(server, monkeypatch):
    server.repos = {"tiny/qwen": {k: v for k, v in server.repos["tiny/qwen"].items() if k != "model.safetensors"}}


FAULTS = [
    (closed, "tiny/qwen", r"cannot be had from http://127.0.0.1:\d+ \(\w+\); look at the connection"),
    (broken, "tiny/qwen", r"cannot be had from http://127.0.0.1:\d+ \(\w+\); look at the connection"),
    (offline, "tiny/qwen", "not in the cache and AIGC_OFFLINE=1 forbids to fetch it; unset AIGC_OFFLINE"),
    (gated, "tiny/qwen", "asks at .* for consent"),
    (no_weights, "tiny/qwen", "lacks model.safetensors; choose a model"),
    (lambda *_: None, "gpt-3", "has no model gpt-3; look for its name"),
    (lambda *_: None, "no name/at all/", "neither a folder nor a model's name"),
]


@pytest.mark.parametrize("spoil, name, words", FAULTS, ids=[words[:24] for *_, words in FAULTS])
def test_a_model_that_cannot_be_had_is_announced_once_and_replaced(server, monkeypatch, capsys, spoil, name, words):
    spoil(server, monkeypatch)
    monkeypatch.setenv("AIGC_MODEL", name)
    assert hub.model().name == "course_gpt2"
    said = capsys.readouterr().out
    assert re.search(words, said) and said.rstrip().endswith("small model stands in for it.")
    asked = len(server.asked)
    assert hub.model().name == "course_gpt2" and len(server.asked) == asked, "not tried twice"
    assert "cannot be had (see above)" in capsys.readouterr().out
    monkeypatch.setenv("AIGC_STANDIN", "0")
    with pytest.raises(hub.HubError, match=words):
        hub.model()


def test_standin_1_means_the_shipped_model_without_asking(server, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    assert hub.model("tiny/qwen").name == "course_gpt2" and not server.asked
    assert "AIGC_STANDIN=1 is set" in capsys.readouterr().out


def test_a_folder_is_a_model_too(server, tiny, tmp_path):
    for name, content in tiny.items():
        if "/" not in name:
            (tmp_path / name).write_bytes(content)
    assert hub.model(str(tmp_path)).model.config.model_type == "qwen3" and not server.asked
    (tmp_path / "config.json").write_text('{"model_type": "no such"}')
    with pytest.raises(hub.HubError, match="no causal language model"):
        hub.model(str(tmp_path))


@pytest.mark.parametrize("name", ["course_gpt2", "tiny/qwen"])
def test_the_notebook_chats_with_either(server, monkeypatch, capsys, name):
    """The cells of section 11, as the notebook has them, with the shipped model and with one from the hub."""
    monkeypatch.setenv("AIGC_MODEL", name)
    monkeypatch.setenv("AIGC_PROFILE", "smoke")
    monkeypatch.setenv("AIGC_DEVICE", "cpu")
    cells = {cell["id"]: "".join(cell["source"]) for cell in receipts.read(NOTEBOOK)["cells"]}
    names = {}
    for cell in ("setup", "settings", "hub", "parse", "ask", "headlines", "choose"):
        exec(compile(cells[cell], cell, "exec"), names)
    assert names["name_of_chat"] == name and len(names["chosen"]) == len(names["test"]) == 6
    assert set(names["chosen"]) <= set(names["LABELS"])
    said = capsys.readouterr().out
    assert ("<assistant><no thoughts>" in said) == (name == "tiny/qwen")
    assert "three examples" in said and "valid" in said
