"""Settings: one reading for command line, kernels and doctor; secrets; files whole or not at all."""

import os
import stat
import threading
from pathlib import Path

import pytest

from aigc_course.plumbing import settings


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://host:8000/mnist", "http://host:8000/mnist"),
        ("https://cdn.example/gh/owner/repo@v1/data", "https://cdn.example/gh/owner/repo@v1/data"),
        ("http://me:secret@host:8000/x", "http://host:8000/x"),
        ("http://me:sec@ret@host/x", "http://host/x"),
        ("http://me:sec/ret@host:1/x", "http://host:1/x"),
        ("http://me:123/secret@host", "http://host"),
        ("http://u:sec/ret@host", "http://host"),
        ("http://me:sec?ret@host/x", "http://host/x"),
        ("http://me:sec#ret@host/x", "http://host/x"),
        ("https://secret@host/", "https://host/"),
        ("https://me:secret@[::1]:80/x", "https://[::1]:80/x"),
        ("https://host/x?token=secret", "https://host/x"),
        ("https://host/x;token=secret", "https://host/x"),
        ("h/x?token=secret", "h/x…"),
        ("/data/what?/a;b", "/data/what?/a;b"),
        ("ftp://me:secret@host", "ftp://host"),
        ("me:secret@host:8000/x", "host:8000/x"),
        ("course-data", "course-data"),
        ("/mnt/@data", "/mnt/@data"),
        (r"C:\data@home", r"C:\data@home"),
    ],
)
def test_public_hides_users_passwords_and_queries(address, shown):
    assert settings.public(address) == shown


def test_paths_are_made_absolute_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "model").mkdir()
    env = {
        "AIGC_CACHE": "~/cache",
        "AIGC_DATA_MIRROR": "../course-data",
        "AIGC_MODEL": "model",
        "AIGC_ENCODER": "model",
        "HF_HOME": "~nobody-of-that-name/hf",
        "XDG_CACHE_HOME": "",
        "PATH": "bin",
    }
    settings.absolute_paths(env)
    assert env == {
        "AIGC_CACHE": str(tmp_path / "home/cache") if os.name != "nt" else env["AIGC_CACHE"],
        "AIGC_DATA_MIRROR": str(tmp_path / "../course-data"),
        "AIGC_MODEL": str(tmp_path / "model"),
        "AIGC_ENCODER": str(tmp_path / "model"),
        "HF_HOME": "~nobody-of-that-name/hf",  # told where it is used
        "XDG_CACHE_HOME": "",
        "PATH": "bin",
    }
    env = {"AIGC_DATA_MIRROR": "http://mirror/x", "AIGC_MODEL": "Qwen/Qwen3-0.6B", "AIGC_ENCODER": "o/n"}
    settings.absolute_paths(env)
    assert env == {"AIGC_DATA_MIRROR": "http://mirror/x", "AIGC_MODEL": "Qwen/Qwen3-0.6B", "AIGC_ENCODER": "o/n"}


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch, tmp_path):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    for name in ("AIGC_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(settings.SettingError, match="no home folder; set AIGC_CACHE to a folder"):
        settings.cache_dir()
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path))
    assert settings.cache_dir() == tmp_path


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path, precious = tmp_path / "new/file", tmp_path / "precious"
    old = os.umask(0o027)
    try:
        settings.write_atomically(path, lambda part: part.write_text("whole"))
    finally:
        os.umask(old)
    assert path.read_text() == "whole"
    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o640, "the umask does not count"

    def fail(part):
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        settings.write_atomically(path, fail)
    assert path.read_text() == "whole" and [file.name for file in path.parent.iterdir()] == ["file"]
    if os.name != "nt":
        precious.write_text("mine")
        path.unlink()
        for link in (path, path.with_name("file.tmp")):
            link.symlink_to(precious)
        settings.write_atomically(path, lambda part: part.write_text("new"))
        assert precious.read_text() == "mine" and path.read_text() == "new" and not path.is_symlink()


def test_two_writers_of_one_file_do_not_share_a_temporary_one(tmp_path):
    both, seen = threading.Barrier(2), []

    def write(part):
        seen.append(part)
        part.write_text(str(part))
        both.wait(10)

    threads = [threading.Thread(target=settings.write_atomically, args=(tmp_path / "file", write)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(seen)) == 2 and (tmp_path / "file").read_text() in map(str, seen)
