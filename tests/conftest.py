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
