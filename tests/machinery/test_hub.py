"""Models by name: the shipped one, a local stand-in for the hub that serves another, and what happens when it fails."""

import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch
from safetensors.torch import load_file, save_file
from server import Server

from aigc_course import hub, receipts, widgets
from aigc_course.backstage import cli
from aigc_course.plumbing import fetch, models, web
from aigc_course.plumbing.settings import cache_dir

SHA = "0123456789abcdef0123456789abcdef01234567"
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "12b_generating.ipynb"
PEOPLES = "HF_TOKEN HTTP_PROXY HTTPS_PROXY http_proxy https_proxy NO_PROXY no_proxy REQUESTS_CA_BUNDLE".split()


class Hub(Server):
    """Answers what is asked of a hub, for `repos` {name: {file: bytes}}, in a with block.

    `sha`: the commit that it names. `fault`: what it does wrong, to all or in one file {name: fault}. `tokens`: names
    that want a token, with those that they take. `asked` lists (method, path, headers).
    """

    def __init__(self, repos):
        super().__init__({}, _handler)
        self.repos, self.asked, self.sha, self.fault, self.gated, self.private = repos, [], SHA, {}, set(), {}

    def downloads(self):
        return [path.rsplit("/", 1)[-1] for path, _ in self.asked if "/resolve/" in path]


def _handler(hub_):
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, content=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def drip(self, content):
            for i in range(len(content)):
                self.wfile.write(content[i : i + 1])
                if hub_.closing.wait(0.05):
                    return

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            hub_.asked.append((path, dict(self.headers)))
            listing = re.fullmatch(r"/api/models/(.+?)/revision/main", path)
            file = re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path)
            repo, name = (listing or file)[1], file[3] if file else "listing"
            fault = hub_.fault.get(name) or hub_.fault.get("*")
            if fault in (401, 403, 429, 500):
                return self.answer(fault, Retry_After="3600")
            if fault == "silent":
                return hub_.closing.wait(60)
            if fault == "head":
                return self.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Long: x\r\n" * 1000)
            if repo not in hub_.repos:
                return self.answer(404, X_Error_Code="RepoNotFound")
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if repo in hub_.gated:
                return self.answer(403, X_Error_Code="GatedRepo")
            if token not in hub_.private.get(repo, token):
                return self.answer(401)
            files = hub_.repos[repo]
            if listing:
                rows = [self.row(name, content) for name, content in files.items()]
                content = json.dumps({"id": repo, "sha": hub_.sha, "siblings": rows}).encode()
                return self.answer(200, b"<html>Please log in" if fault == "page" else content)
            content = files[name]
            if fault == "alter":
                content = content[:-1] + bytes([content[-1] ^ 1])
            if fault == "long":
                content += bytes(100_000)
            if fault == "cut":
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                return self.wfile.write(content[: len(content) // 2])
            if fault == "drip":
                self.send_response(200)
                self.end_headers()
                return self.drip(content)
            self.answer(200, content)

        def row(self, name, content):
            """As the hub lists a file: what is large lies in another store, by its SHA-256, the rest in git."""
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            lfs = {"lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}}
            size = hub_.fault.get("size") or len(content)
            return {"rfilename": name, "size": size, "blobId": git} | (lfs if name.endswith(".safetensors") else {})

        def handle(self):
            try:
                super().handle()
            except OSError:
                pass  # the client has gone

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The files of a Qwen3 with few random weights, the course's tokenizer and a chat template of its own."""
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    place = tmp_path_factory.mktemp("tiny")
    tokenizer = AutoTokenizer.from_pretrained(fetch.embedded("course_gpt2/config.json").parent)
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
        "modeling.py": b"code, never fetched",
        "onnx/config.json": b"{}",
    }


@pytest.fixture
def server(tiny, monkeypatch, tmp_path):
    for name in PEOPLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "theirs"))
    with Hub({"tiny/qwen": tiny}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("AIGC_QUIET", "1")
        monkeypatch.setenv("AIGC_TIMEOUT", "2")
        yield running


@pytest.fixture
def folder(tiny, tmp_path):
    """The tiny model in a folder of its own."""
    place = tmp_path / "folder"
    place.mkdir()
    for name, content in tiny.items():
        if "/" not in name:
            (place / name).write_bytes(content)
    return place


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
    assert re.search(rf"tiny/qwen: fetching \d\.\d MB from {server.url}", capsys.readouterr().out)
    assert {"model.safetensors", "tokenizer.json"} <= set(server.downloads())
    assert not {"pytorch_model.bin", "modeling.py"} & set(server.downloads()), "neither pickles nor code are fetched"
    assert not any("onnx" in path for path, _ in server.asked)
    text = found.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    assert text == "<user>Hi\n<assistant><no thoughts>", "its own template, not ours"


# --- the caches ---------------------------------------------------------------------------------------------------


def test_what_is_in_the_cache_needs_no_hub(server, monkeypatch, capsys):
    files = models.fetch("tiny/qwen")
    before = len(server.asked)
    server.close()
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    capsys.readouterr()
    assert models.fetch("tiny/qwen") == files and len(server.asked) == before and capsys.readouterr().out == ""
    assert {path.parent for path in files} == {cache_dir() / "hub" / "models--tiny--qwen" / "snapshots" / SHA}


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"!")])
def test_what_is_gone_or_altered_in_the_cache_is_fetched_again_and_only_that(server, monkeypatch, tiny, change):
    place = models.fetch("tiny/qwen")[0].parent
    change(place / "model.safetensors")
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    words = "(lacks model.safetensors|model.safetensors has not the checksum .*), and AIGC_OFFLINE=1 forbids"
    with pytest.raises(models.HubError, match=words):
        models.fetch("tiny/qwen")
    monkeypatch.delenv("AIGC_OFFLINE")
    server.asked.clear()
    models.fetch("tiny/qwen")
    assert server.downloads() == ["model.safetensors"]
    assert (place / "model.safetensors").read_bytes() == tiny["model.safetensors"]


def hubs_own_cache(tmp_path, files):
    """The layout of huggingface_hub: links into blobs, which have the hub's checksums as names."""
    base = tmp_path / "theirs" / "models--tiny--qwen"
    place, blobs = base / "snapshots" / SHA, base / "blobs"
    for path in (place, blobs, base / "refs"):
        path.mkdir(parents=True)
    (base / "refs" / "main").write_text(SHA)
    for name, content in files.items():
        if "/" not in name:
            lfs = hashlib.sha256(content).hexdigest()
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            blob = blobs / (lfs if name.endswith(".safetensors") else git)
            blob.write_bytes(content)
            (place / name).symlink_to(Path("../../blobs") / blob.name)
    return place


def test_a_model_in_the_hubs_own_cache_is_used_where_it_lies(server, tmp_path, tiny):
    place = hubs_own_cache(tmp_path, tiny)
    assert models.fetch("tiny/qwen")[0].parent == place and not server.asked


def test_a_shared_store_of_the_hubs_own_cache_is_followed(server, tmp_path, tiny):
    """Newer versions of its library let blobs be links again, to files whose names are no SHA-256."""
    blob = hubs_own_cache(tmp_path, tiny) / "model.safetensors"
    blob, store = blob.parent / blob.readlink(), tmp_path / "theirs" / "blobs" / "00" / ("0" * 64)
    store.parent.mkdir(parents=True)
    blob.rename(store)
    blob.symlink_to(store)
    assert models.fetch("tiny/qwen") and not server.asked


def test_what_is_altered_in_the_hubs_own_cache_is_fetched_into_ours(server, tmp_path, tiny):
    theirs = (hubs_own_cache(tmp_path, tiny) / "model.safetensors").resolve()
    theirs.write_bytes(b"other weights")
    place = models.fetch("tiny/qwen")[0].parent
    assert place.is_relative_to(cache_dir()) and theirs.read_bytes() == b"other weights"


def test_a_file_in_the_place_of_a_link_in_the_hubs_own_cache_is_not_believed(server, tmp_path, tiny):
    """An editor that saves a file anew leaves such a one, which has no checksum."""
    place = hubs_own_cache(tmp_path, tiny)
    (place / "tokenizer.json").unlink()
    (place / "tokenizer.json").write_bytes(tiny["tokenizer.json"].replace(b"the", b"teh"))
    assert models.fetch("tiny/qwen")[0].parent.is_relative_to(cache_dir())


def test_where_the_hubs_own_cache_has_no_links_its_files_are_used(server, tmp_path, tiny):
    """As on Windows without the right to make links: there its library keeps no checksums."""
    place = hubs_own_cache(tmp_path, tiny)
    for path in place.iterdir():
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert models.fetch("tiny/qwen")[0].parent == place and not server.asked


@pytest.mark.parametrize("noted", [None, {}, {"model.safetensors": ""}, {"model.safetensors": "of another kind"}])
def test_what_has_no_checksum_in_our_cache_is_not_believed(server, monkeypatch, noted):
    place = models.fetch("tiny/qwen")[0].parent
    digests = json.loads((place / models.DIGESTS).read_text())
    if noted is None:
        (place / models.DIGESTS).unlink()
    else:
        (place / models.DIGESTS).write_text(json.dumps(digests | noted if noted else {}))
    monkeypatch.setenv("AIGC_OFFLINE", "1")
    with pytest.raises(models.HubError, match="has not the checksum that it came with, and AIGC_OFFLINE=1 forbids"):
        models.fetch("tiny/qwen")
    monkeypatch.delenv("AIGC_OFFLINE")
    server.asked.clear()
    assert models.fetch("tiny/qwen") and not server.downloads()  # the hub's list tells that the files are right
    assert json.loads((place / models.DIGESTS).read_text()) == digests


def test_what_the_hub_does_not_list_is_not_loaded_from_our_cache(server):
    place = models.fetch("tiny/qwen")[0].parent
    (place / "special_tokens_map.json").write_text('{"eos_token": "the"}')
    for _ in range(2):
        with pytest.raises(models.HubError, match="special_tokens_map.json has not the checksum .*; delete it"):
            models.fetch("tiny/qwen")
    (place / "special_tokens_map.json").unlink()
    assert models.fetch("tiny/qwen")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(60, func_only=True)
@pytest.mark.parametrize("name", ["refs/main", *(f"snapshots/{SHA}/{name}" for name in (
    "config.json", "model.safetensors", models.DIGESTS))])  # fmt: skip
@pytest.mark.parametrize("cache", ["ours", "the hub's own"])
def test_a_pipe_in_a_cache_is_not_waited_at(server, tmp_path, tiny, cache, name):
    base = hubs_own_cache(tmp_path, tiny).parents[1] if cache != "ours" else models.fetch("tiny/qwen")[0].parents[2]
    (base / name).unlink(missing_ok=True)
    os.mkfifo(base / name)
    files = {path.name: path for path in models.fetch("tiny/qwen")}
    assert all(path.is_file() for path in files.values()) and {"config.json", "model.safetensors"} <= files.keys()
    assert cache != "ours" or (base / name).is_file()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.parametrize("mode", [0o2775, 0o755, 0o700])
def test_a_cache_stays_as_shared_as_its_folder(server, mode):
    """Where the person who fetches has umask 077, others could not read what came into the cache of a class."""
    cache_dir().mkdir()
    cache_dir().chmod(mode)
    before = os.umask(0o077)
    try:
        models.fetch("tiny/qwen")
    finally:
        os.umask(before)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in cache_dir().rglob("*") if path.name != ".lock"}
    folders = {path for path in found if path.is_dir()}
    assert {found[path] for path in folders} == {mode} and len(folders) == 5
    assert {found[path] for path in found.keys() - folders} == {mode & 0o444 | 0o600}


@pytest.mark.parametrize(
    "where", ["", "snapshots", f"snapshots/{SHA}", f"snapshots/{SHA}/config.json", "refs", ".lock"]
)
def test_a_link_out_of_the_cache_is_not_followed(server, tmp_path, where):
    base, outside = cache_dir() / "hub" / "models--tiny--qwen", tmp_path / "outside"
    outside.mkdir()
    (base / where).parent.mkdir(parents=True, exist_ok=True)
    (base / where).symlink_to(outside if "." not in where else outside / "file")
    with pytest.raises(models.HubError, match=r"leads out of .*; delete it|is a link, which is not followed"):
        models.fetch("tiny/qwen")
    assert not list(outside.iterdir())


def test_a_note_in_the_cache_that_is_no_commit_is_not_followed(server, tmp_path, folder):
    base = cache_dir() / "hub" / "models--tiny--qwen"
    (base / "refs").mkdir(parents=True)
    (base / "snapshots").mkdir()
    (base / "refs" / "main").write_text(f"../../../../{folder.name}")
    assert models.fetch("tiny/qwen")[0].parent == base / "snapshots" / SHA


def test_a_process_that_keeps_the_lock_is_told_of_and_not_waited_for_without_end(server, monkeypatch, capsys):
    from filelock import FileLock

    monkeypatch.setattr(models, "PATIENCE", 0.1)
    base = cache_dir() / "hub" / "models--tiny--qwen"
    base.mkdir(parents=True)
    with FileLock(base / ".lock"):
        assert models.fetch("tiny/qwen")
    assert "Another process is fetching tiny/qwen" in capsys.readouterr().out


# --- what can go wrong on the way ---------------------------------------------------------------------------------


def closed(server, monkeypatch):
    server.close()


def does(fault, file="*"):
    return lambda server, monkeypatch: server.fault.update({file: fault})


def sets(name, value):
    return lambda server, monkeypatch: monkeypatch.setenv(name, value)


def hub_offline(server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def gated(server, monkeypatch):
    server.gated.add("tiny/qwen")


def private(server, monkeypatch):
    server.private["tiny/qwen"] = ["right"]
    monkeypatch.setenv("HF_TOKEN", "right")


def without(name):
    def spoil(server, monkeypatch):
        server.repos = {"tiny/qwen": {k: v for k, v in server.repos["tiny/qwen"].items() if k != name}}

    return spoil


def elsewhere(server, monkeypatch):
    server.sha = "../../../../../outside"


def full(server, monkeypatch):
    monkeypatch.setattr(models, "write_atomically", lambda path, write: write(Path("/dev/full")))


def no_room(server, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))


def no_folder(server, monkeypatch):
    cache_dir().parent.mkdir(exist_ok=True)
    cache_dir().write_text("a file in its place")


def nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


ADDRESS, WAY = r"http://127.0.0.1:\d+", "; look at the connection and at HF_ENDPOINT, and try again"
LIST, CHECKSUM = (
    "lists no commit, sizes and checksums of tiny/qwen; open it",
    "another size or checksum than it lists; try",
)
FAULTS = {
    "no hub": (closed, rf"because {ADDRESS} could not be read \(Connection refused\){WAY}"),
    "a broken hub": (does(500), rf"because {ADDRESS} answered 500 \(Internal Server Error.*\); try again later"),
    "a busy hub": (does(429), rf"because {ADDRESS} answered 429 \(Too Many Requests.*\); try again later"),
    "a silent hub": (does("silent"), rf"{ADDRESS} stalled: nothing came in 2 s{WAY}"),
    "silent weights": (does("silent", "model.safetensors"), rf"{ADDRESS} stalled: nothing came in 2 s{WAY}"),
    "a head letter by letter": (does("head"), rf"{ADDRESS} stalled: nothing came in 2 s{WAY}"),
    "a body letter by letter": (does("drip", "model.safetensors"), rf"{ADDRESS} stalled: only \d+ bytes came in 2 s"),
    "a connection that is cut": (does("cut", "model.safetensors"), rf"{ADDRESS} (could not be read|sends model)"),
    "weights that are altered": (does("alter", "model.safetensors"), CHECKSUM),
    "weights that do not end": (does("long", "model.safetensors"), CHECKSUM),
    "a login page": (does("page"), LIST),
    "a commit that is a path": (elsewhere, LIST),
    "terms": (gated, rf"tiny/qwen asks at {ADDRESS} for consent to its terms; give it there and set HF_TOKEN"),
    "a closed model": (private, r"has no model tiny/qwen; .* \(a private one wants HF_TOKEN and https\)"),
    "no weights": (without("model.safetensors"), "tiny/qwen lacks model.safetensors; choose a model"),
    "no tokenizer": (without("tokenizer.json"), "lacks a tokenizer; choose a model"),
    "a giant": (does(10**10, "size"), r"has 60,000.0 MB, and .* takes 10,000.0; make room there, set AIGC_CACHE, or"),
    "no room": (no_room, r"has 1.4 MB, and .* takes 0.0; make room there, set AIGC_CACHE, or"),
    "a full disk": (full, r"cannot be kept in .* \(No space left on device\); make room, or set AIGC_CACHE"),
    "a file in the cache's place": (no_folder, r"cannot be kept in .* \(.*\); make room, or set AIGC_CACHE"),
    "offline": (
        sets("AIGC_OFFLINE", "1"),
        "qwen is not in the cache, and AIGC_OFFLINE=1 forbids to fetch it; unset AIGC",
    ),
    "the hub's offline": (hub_offline, "qwen is not in the cache, and HF_HUB_OFFLINE=1 forbids to fetch it; unset HF"),
    "an endpoint that is none": (sets("HF_ENDPOINT", "mirror"), f"mirror is no address that can be asked{WAY}"),
    "a proxy": (
        sets("http_proxy", nobody_listens()),
        "because the proxy .* is of no use .*; correct or unset HTTP_PROXY",
    ),
}


@pytest.mark.parametrize("spoil, words", FAULTS.values(), ids=FAULTS)
def test_each_cause_has_its_own_sentence_and_remedy(server, monkeypatch, tmp_path, spoil, words):
    spoil(server, monkeypatch)
    started = time.monotonic()
    with pytest.raises(models.HubError, match=words) as caught:
        models.fetch("tiny/qwen")
    assert time.monotonic() - started < 30 and "\n" not in str(caught.value) and not (tmp_path / "outside").exists()
    assert not (cache_dir() / "hub" / "models--tiny--qwen" / "refs" / "main").exists() or "lacks" in words


@pytest.mark.parametrize("name", ["no name/at all/", "a/b/c", "../x", "a--b", "~nosuchuser/x", "./x", "x" * 200, "é"])
def test_a_name_that_is_none_is_not_asked_for(server, monkeypatch, name):
    monkeypatch.setenv("AIGC_STANDIN", "0")
    with pytest.raises(hub.HubError, match="neither a folder nor a model's name, such as Qwen/Qwen3-0.6B"):
        hub.model(name)
    assert not server.asked


def test_a_model_too_large_is_not_begun(server):
    server.fault["size"] = 10**10
    with pytest.raises(models.HubError):
        models.fetch("tiny/qwen")
    assert not server.downloads()


def test_a_whole_file_has_an_end_too(server, monkeypatch):
    """A hub that is fast enough for the moment, and too slow for a gigabyte."""
    monkeypatch.setattr(models, "SLOWEST", 1e9)
    monkeypatch.setattr(models, "timeout", lambda: 0.3)
    monkeypatch.setattr(web, "SLOWEST", 1)
    server.fault["model.safetensors"] = "drip"
    with pytest.raises(models.HubError, match=r"needs too long: only 0.0 of 1.1 MB came"):
        models.fetch("tiny/qwen")


# --- who is told the token ----------------------------------------------------------------------------------------


@pytest.fixture
def secure(server, monkeypatch, tmp_path):
    """The hub over https, with a certificate that requests is told to trust."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate")
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *names]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
    monkeypatch.setenv("HF_ENDPOINT", server.url.replace("http:", "https:"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    return server


def sent(server):
    return [headers["Authorization"] for _, headers in server.asked if "Authorization" in headers]


def test_a_public_model_is_asked_for_without_a_token(secure, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "expired")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert models.fetch("tiny/qwen") and not sent(secure)


def test_a_closed_model_gets_the_token_over_https(secure, monkeypatch):
    secure.private["tiny/qwen"] = ["right"]
    monkeypatch.setenv("HF_TOKEN", "right")
    assert models.fetch("tiny/qwen") and set(sent(secure)) == {"Bearer right"}


@pytest.mark.parametrize("token", ["expired…", "half a character \udc80"])
def test_a_token_that_is_refused_is_named(secure, monkeypatch, token):
    secure.private["tiny/qwen"] = ["right"]
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(models.HubError, match=r"https://127.0.0.1:\d+ refuses the token in HF_TOKEN; renew it there"):
        models.fetch("tiny/qwen")


def test_a_token_is_never_sent_over_http(server, monkeypatch):
    private(server, monkeypatch)
    with pytest.raises(models.HubError, match="wants HF_TOKEN and https"):
        models.fetch("tiny/qwen")
    assert not sent(server)


def test_a_certificate_that_is_not_trusted_is_named(secure, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(models.HubError, match=r"certificate that is not trusted .*; set REQUESTS_CA_BUNDLE"):
        models.fetch("tiny/qwen")


def test_a_password_in_the_address_is_used_and_not_shown(server, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", server.url.replace("//", "//me:secret@"))
    assert models.fetch("tiny/qwen") and set(sent(server)) == {"Basic bWU6c2VjcmV0"}
    server.close()
    with pytest.raises(models.HubError) as caught:
        models.fetch("tiny/other")
    assert "secret" not in capsys.readouterr().out + str(caught.value)


# --- models that are none -----------------------------------------------------------------------------------------


def test_a_model_that_cannot_be_had_is_announced_and_replaced(server, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_MODEL", "gpt-3")
    assert hub.model().name == "course_gpt2"
    said = capsys.readouterr().out
    assert "has no model gpt-3; look for its name" in said and said.rstrip().endswith("small model stands in for it.")
    monkeypatch.setenv("AIGC_STANDIN", "0")
    with pytest.raises(hub.HubError, match="has no model gpt-3"):
        hub.model()


def test_weights_that_cannot_be_read_are_replaced_too(server, monkeypatch, capsys):
    """The hub has them so, with the right checksum: only loading tells."""
    files = server.repos["tiny/qwen"]
    server.repos = {"tiny/qwen": files | {"model.safetensors": files["model.safetensors"][:5000]}}
    assert hub.model("tiny/qwen").name == "course_gpt2"
    assert "the files of tiny/qwen cannot be loaded here (SafetensorError: " in capsys.readouterr().out


def test_standin_1_means_the_shipped_model_without_asking(server, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_STANDIN", "1")
    assert hub.model("tiny/qwen").name == "course_gpt2" and not server.asked
    assert "AIGC_STANDIN=1 is set" in capsys.readouterr().out


def test_a_folder_is_a_model_too(server, folder):
    assert hub.model(str(folder)).model.config.model_type == "qwen3" and not server.asked


def tensors(change):
    def spoil(place):
        weights = load_file(place / "model.safetensors")
        change(weights)
        save_file(weights, place / "model.safetensors", {"format": "pt"})

    return spoil


def config(**changes):
    def spoil(place):
        path = place / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def writes(name, content):
    return lambda place: (place / name).write_bytes(content)


def sharded(place):
    weights = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (place / "model.safetensors").rename(place / "model-1.safetensors")
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))


def cut(weights):
    """Each token's row of the network but the last one's."""
    weights |= {name: w[:-1].clone() for name, w in weights.items() if len(w) == 4096}


def without_tokens(place):
    path = place / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content |= {"added_tokens": [], "model": content["model"] | {"vocab": {}, "merges": []}}
    path.write_text(json.dumps(content), encoding="utf-8")
    for other in ("tokenizer_config.json", "special_tokens_map.json"):
        (place / other).unlink(missing_ok=True)


EMBED, GATE, NORM = "model.embed_tokens.weight", "model.layers.1.mlp.gate_proj.weight", "model.norm.weight"
WRONG = {
    "a tensor lacks": (tensors(lambda w: w.pop(GATE)), rf"do not fit its config.json: {GATE} is missing; choose"),
    "a tensor too many": (tensors(lambda w: w.update(x=torch.ones(2))), "do not fit its config.json: x is unknown"),
    "another shape": (
        tensors(lambda w: w.update({NORM: torch.ones(5)})),
        rf"config.json: .*{NORM}.* has another shape",
    ),
    "no numbers": (tensors(lambda w: w[NORM].fill_(torch.nan)), "hold or give what is no number; choose another"),
    "no number far down": (tensors(lambda w: w[EMBED][-1].fill_(torch.nan)), "hold or give what is no number; choose"),
    "fewer tokens than its tokenizer": (
        lambda place: (tensors(cut)(place), config(vocab_size=4095)(place)),
        "the tokenizer of .* has no tokens, or more than its network; choose",
    ),
    "a tokenizer without tokens": (
        without_tokens,
        "the .json files of .* have not the form of a model's; choose",
    ),
    "fewer layers": (config(num_hidden_layers=1, layer_types=None), "do not fit its config.json: .* is unknown"),
    "half a file": (
        lambda place: (place / "model.safetensors").write_bytes(b"x" * 99),
        "cannot be loaded here .Safeten",
    ),
    "an empty file": (writes("model.safetensors", b""), "cannot be loaded here .SafetensorError: .*; choose another"),
    "a shard lacks": (sharded, "lacks model-2.safetensors; choose a model that has"),
    "no config": (lambda place: (place / "config.json").unlink(), "lacks config.json; choose a model"),
    "a config that is none": (writes("config.json", b"<html>"), "the .json files of .* have not the form"),
    "an index that is none": (
        lambda place: (sharded(place), writes("model.safetensors.index.json", b"[]")(place)),
        "the .json files of .* have not the form",
    ),
    "no such network": (config(model_type="no such"), "cannot be loaded here"),
    "a word for a number": (config(num_hidden_layers="two"), "cannot be loaded here"),
    "a sorter": (config(architectures=["BertForMaskedLM"]), "is no causal language model but BertForMaskedLM; choose"),
    "an adapter": (writes("adapter_config.json", b"{}"), "is no causal language model but an adapter; choose"),
    "a pickle": (
        lambda place: (place / "model.safetensors").rename(place / "pytorch_model.bin"),
        "lacks model.safetensors",
    ),
}


@pytest.mark.parametrize("spoil, words", WRONG.values(), ids=WRONG)
def test_a_folder_without_a_right_model_is_refused_in_one_sentence(server, folder, monkeypatch, spoil, words):
    spoil(folder)
    monkeypatch.setenv("AIGC_MODEL", str(folder))
    with pytest.raises(hub.HubError, match=words) as caught:
        hub.model()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600 and not server.asked


def test_a_bert_is_refused_also_where_it_is_called_a_language_model(server, folder, monkeypatch):
    from transformers import BertConfig, BertForMaskedLM

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(**sizes, vocab_size=50, initializer_range=1.0)).save_pretrained(folder)
    with pytest.raises(hub.HubError, match="is no causal language model but BertForMaskedLM"):
        hub.model(str(folder))
    config(architectures=["BertLMHeadModel"])(folder)
    with pytest.raises(hub.HubError, match="its first output sees the second token"):
        hub.model(str(folder))


def test_constants_that_old_files_hold_beside_the_weights_are_no_fault(server, folder):
    """As in distilgpt2: the mask of attention is a buffer there."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_layer": 1, "n_embd": 16, "n_head": 2, "vocab_size": 4096, "n_positions": 8}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
    masks = {"bias": torch.ones(1, 1, 8, 8), "masked_bias": torch.tensor(-1e4)}
    tensors(lambda w: w.update({f"transformer.h.0.attn.{name}": mask for name, mask in masks.items()}))(folder)
    assert hub.model(str(folder)).model.config.model_type == "gpt2"


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_fetches_models_too(server, monkeypatch, tmp_path, capsys):
    assert cli.main(["fetch", "--model", "tiny/qwen"]) == 0
    assert re.search(r"tiny/qwen: \d+ files, \d\.\d MB, verified, in .*snapshots", capsys.readouterr().out)
    assert cli.main(["fetch", "--model", "tiny/qwen", "--to", str(tmp_path / "class")]) == 0
    assert f"Learners set AIGC_MODEL to {tmp_path / 'class' / 'tiny' / 'qwen'}" in capsys.readouterr().out
    assert models.check(tmp_path / "class" / "tiny" / "qwen", "it")
    assert cli.main(["fetch", "--model", "gpt-3"]) == 1 and "has no model gpt-3" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["our cache", "the hub's own cache"])
def test_a_model_that_is_altered_in_the_folder_of_a_class_is_refused(server, tmp_path, tiny, capsys, source):
    if source != "our cache":
        hubs_own_cache(tmp_path, tiny)
    assert cli.main(["fetch", "--model", "tiny/qwen", "--to", str(tmp_path / "class")]) == 0
    folder = tmp_path / "class" / "tiny" / "qwen"
    assert hub.model(str(folder)).model.config.model_type == "qwen3"
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(hub.HubError, match="model.safetensors has not the checksum that it came with; delete it and"):
        hub.model(str(folder))
    assert cli.main(["fetch", "--model", "tiny/qwen", "--to", str(tmp_path / "class")]) == 0  # that mends it
    assert hub.model(str(folder)).name == str(folder)
    (folder / "notes.txt").write_text("a file of the learner's own")
    assert hub.model(str(folder))


# --- the page -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["course_gpt2", "tiny/qwen"])
def test_the_notebook_chats_with_either(server, monkeypatch, capsys, name):
    """The cells of sections 4 and 5, as page 12b has them, with the shipped model and with one from the hub."""
    monkeypatch.setenv("AIGC_MODEL", name)
    monkeypatch.setenv("AIGC_PROFILE", "smoke")
    monkeypatch.setenv("AIGC_DEVICE", "cpu")
    cells = {cell["id"]: "".join(cell["source"]) for cell in receipts.read(NOTEBOOK)["cells"]}
    names = {}
    for cell in ("setup", "settings", "hub", "parse", "ask", "headlines", "choose"):
        exec(compile(cells[cell], cell, "exec"), names)
    assert names["name_of_chat"] == name and set(names["chosen"]) == {"as before", "reversed", "none"}
    for chosen in names["chosen"].values():
        assert len(chosen) == len(names["test"]) == 6 and set(chosen) <= set(names["LABELS"])
    said = capsys.readouterr().out
    assert ("<assistant><no thoughts>" in said) == (name == "tiny/qwen")
    assert "three examples" in said and "chosen" in said


def test_a_sentence_encoder_comes_from_the_hub(server, encoder_folder, monkeypatch):
    encoder = widgets.of("21_customer_service").public_encoder
    server.repos["tiny/encoder"] = {path.name: path.read_bytes() for path in encoder_folder.iterdir()}
    found = encoder("tiny/encoder")(["late parcel"])
    torch.testing.assert_close(found, encoder(str(encoder_folder))(["late parcel"]))
    server.asked.clear()
    torch.testing.assert_close(encoder("tiny/encoder")(["late parcel"]), found)
    assert not server.asked, "it is in the cache now"
    monkeypatch.setenv("AIGC_STANDIN", "0")
    with pytest.raises(hub.HubError, match="is no causal language model but BertModel"):
        hub.model("tiny/encoder")
    with pytest.raises(hub.HubError, match="is no encoder but Qwen3ForCausalLM"):
        encoder("tiny/qwen")
