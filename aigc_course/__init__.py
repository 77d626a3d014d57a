"""Helper package of the course: what several notebooks share and what would distract in any of them."""

import os

__version__ = "0.1.0"


def expect(source: str) -> None:
    """What a page asks before it imports anything else: is the package of the page's version? Says so if it is not.

    source: where the page's setup cell installs from; what follows "@v" there is the version. Idle threads are told to
    sleep as well, of which PyTorch takes notice only while it is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _, found, wanted = source.rpartition("@v")
    if found and wanted != __version__:
        print(
            f"This page is of version {wanted} of the course, and version {__version__} is installed. If a cell fails, "
            "take both from one version: `aigc-course reset` with the chapter's number renews the page and keeps yours."
        )
