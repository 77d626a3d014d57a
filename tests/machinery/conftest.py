"""What tests of the command line share: a checkout of their own."""

import pytest

from aigc_course.plumbing import rooms


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository without chapters, in a folder of its own; the command line takes it for the checkout."""
    repo = tmp_path / "repo"
    (repo / "notebooks").mkdir(parents=True)
    (repo / "chapters").mkdir()
    address = 'version = "1"\n[project.urls]\nRepository = "https://github.com/old-owner/old-repo"\n'
    (repo / "pyproject.toml").write_text(address, encoding="utf-8")
    monkeypatch.setattr(rooms, "root", lambda: repo)
    return repo
