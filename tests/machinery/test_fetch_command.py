"""`aigc-course fetch`: data sets into the cache, or into a folder that serves a class as a mirror."""

import hashlib
import os
import stat

import pytest

from aigc_course.backstage import cli
from aigc_course.plumbing import fetch

CONTENT = b"some data"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror that has the sets toy and spare, and lacks the set lost; no network."""
    row = fetch.Row("toy", "a.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "http://127.0.0.1:9/a", "", "")
    rows = {name: [row._replace(dataset=name)] for name in ("toy", "lost", "spare")}
    monkeypatch.setattr(fetch, "registry", lambda: rows)
    monkeypatch.setattr(fetch, "SPARE", ("spare",))
    monkeypatch.setattr(fetch, "unkept", {})
    for name in ("toy", "spare"):
        (tmp_path / "mirror" / name).mkdir(parents=True)
        (tmp_path / "mirror" / name / "a.bin").write_bytes(CONTENT)
    for name, value in {"DATA_MIRROR": tmp_path / "mirror", "CACHE": tmp_path / "cache", "OFFLINE": "1"}.items():
        monkeypatch.setenv(f"AIGC_{name}", str(value))
    return tmp_path / "mirror"


def test_a_mirror_is_made_from_a_mirror(mirror, tmp_path, capsys):
    assert cli.main(["fetch", "toy", "--to", str(tmp_path / "class")]) == 0
    assert (tmp_path / "class/toy/a.bin").read_bytes() == CONTENT
    shown = capsys.readouterr().out
    assert f"toy: 1 file, 0.0 MB, verified, in {tmp_path / 'class/toy'}" in shown
    assert f"Learners set AIGC_DATA_MIRROR to {tmp_path / 'class'}, or to where" in shown


def test_all_are_those_that_chapters_use_and_one_that_fails_hides_nothing(mirror, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fetch", "--all", "--to", "class"]) == 1
    shown = capsys.readouterr().out
    assert "toy: 1 file" in shown and "✗ lost: lost cannot be had: " in shown and "spare" not in shown
    assert f"Learners set AIGC_DATA_MIRROR to {tmp_path / 'class'}, or to where" in shown
    assert cli.main(["fetch", "--all", "spare", "--to", "class"]) == 1 and (tmp_path / "class/spare/a.bin").is_file()
    assert cli.main(["fetch", "spare"]) == 0
    assert (
        cli.main(["fetch", "lost", "--to", "class"]) == 1 and "Learners" not in capsys.readouterr().out.split("✗")[-1]
    )
    assert cli.main(["fetch"]) == 2 and cli.main(["fetch", "nothing", "toy"]) == 2
    assert "there is no data set called nothing; say which of" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_told(mirror, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["fetch", "toy", "--to", str(tmp_path / "file")]) == 1
    assert f"✗ toy: {tmp_path / 'file' / 'toy'} cannot be written: " in capsys.readouterr().out
    monkeypatch.delenv("AIGC_OFFLINE")
    monkeypatch.delenv("AIGC_DATA_MIRROR")
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(fetch, "ask", lambda *what: (CONTENT, ""))
    assert cli.main(["fetch", "toy"]) == 1
    shown = capsys.readouterr().out
    assert "cannot be stored (" in shown and "✗ toy: it was fetched, and could not be stored" in shown


@pytest.mark.skipif(os.name == "nt", reason="links want rights on Windows")
def test_links_in_the_folder_of_a_class_are_replaced(mirror, tmp_path):
    (tmp_path / "class/toy").mkdir(parents=True)
    (tmp_path / "precious").write_text("mine")
    for name in ("a.bin", "a.bin.tmp"):
        (tmp_path / "class/toy" / name).symlink_to(tmp_path / "precious")
    assert cli.main(["fetch", "toy", "--to", str(tmp_path / "class")]) == 0
    assert (tmp_path / "precious").read_text() == "mine" and (tmp_path / "class/toy/a.bin").read_bytes() == CONTENT


# --- planted links, secrets without a scheme -------------------------------------------------------------------


def test_a_link_in_the_cache_or_in_the_place_of_a_mirror_is_not_followed(tmp_path, monkeypatch, capsys):
    """A link may lead to somebody's own files, which have the name of a data set's by chance or by malice."""
    content = b"some data"
    digest = hashlib.sha256(content).hexdigest()
    row = fetch.Row("toy", "a.bin", len(content), digest, "http://127.0.0.1:9/a", "CC0", "us")
    monkeypatch.setattr(fetch, "registry", lambda: {"toy": [row]})
    mirror, own, cache = tmp_path / "mirror/toy", tmp_path / "own", tmp_path / "cache"
    for folder in (mirror, own, cache, tmp_path / "to"):
        folder.mkdir(parents=True)
    (mirror / "a.bin").write_bytes(content)
    (own / "a.bin").write_text("my own thesis")
    (tmp_path / "to/toy").symlink_to(own)
    monkeypatch.setenv("AIGC_CACHE", str(cache))
    monkeypatch.setenv("AIGC_DATA_MIRROR", str(tmp_path / "mirror"))
    assert cli.main(["fetch", "toy", "--to", str(tmp_path / "to")]) == 1
    assert "is a link, which is not followed" in capsys.readouterr().out
    (cache / "toy").symlink_to(own)
    monkeypatch.delenv("AIGC_DATA_MIRROR")
    monkeypatch.setattr(fetch, "_download", lambda row, faults, progress: content)
    monkeypatch.setattr(fetch, "unkept", {})
    assert list(fetch.fetch("toy").values()) == [content]
    assert (own / "a.bin").read_text() == "my own thesis" and sorted(p.name for p in own.iterdir()) == ["a.bin"]


@pytest.mark.parametrize(
    "value", ["user:secret@127.0.0.1:9", "http:/u:secret@h", "https:u:secret@h", "u:se/cret@h", "u:secret@h/x@y"]
)
def test_a_password_in_an_address_without_a_scheme_is_never_shown(value, monkeypatch, capsys):
    monkeypatch.setenv("AIGC_DATA_MIRROR", value)
    assert cli.main(["fetch", "mnist"]) == 2
    assert cli.main(["doctor"]) in (0, 1)
    shown = "".join(capsys.readouterr())
    assert "secret" not in shown and "se/cret" not in shown and "AIGC_DATA_MIRROR" in shown


# --- who may read a cache ---------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.parametrize("mode", [0o2775, 0o755, 0o700])
def test_a_cache_stays_as_shared_as_its_folder_and_other_folders_as_the_person_wants(
    mirror, tmp_path, monkeypatch, mode
):
    """With umask 077 a class could not read what its teacher had fetched for it."""
    cache, others = tmp_path / "cache", tmp_path / "others"
    for folder in (cache, others):
        folder.mkdir()
        folder.chmod(mode)
    monkeypatch.delenv("AIGC_OFFLINE")
    monkeypatch.delenv("AIGC_DATA_MIRROR")
    monkeypatch.setattr(fetch, "ask", lambda *what: (CONTENT, ""))
    before = os.umask(0o077)
    try:
        assert cli.main(["fetch", "toy"]) == cli.main(["fetch", "toy", "--to", str(others / "own")]) == 0
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes[cache / "toy"] == mode and modes[cache / "toy/a.bin"] == mode & 0o444 | 0o600
    assert modes[others / "own"] & 0o777 == modes[others / "own/toy"] & 0o777 == 0o700
    assert modes[others / "own/toy/a.bin"] == 0o600
