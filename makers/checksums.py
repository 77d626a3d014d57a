"""The SHA-256 of every file in data/ but the cards, as `data/SHA256SUMS`, by which the package knows the files again.

    python makers/checksums.py              # writes the table; the other makers do it after theirs
    cd data && sha256sum --check SHA256SUMS # the same comparison without the course

`data.embedded` refuses a file that is not as the table has it: after a change on purpose, write the table anew.
"""

import hashlib
from pathlib import Path

from aigc_course.backstage import store

DATA, SUMS = Path(__file__).resolve().parents[1] / "data", "SHA256SUMS"


def table(data: Path = DATA) -> str:
    """A line for each file, sorted: its digest, two spaces, and its path in data/."""
    files = {path.relative_to(data).as_posix(): path for path in data.rglob("*") if path.is_file()}
    carried = sorted(name for name in files if name != SUMS and not name.endswith(".md"))
    return "".join(f"{hashlib.sha256(files[name].read_bytes()).hexdigest()}  {name}\n" for name in carried)


def write(data: Path = DATA) -> None:
    """Writes the table beside the files."""
    store.write_text(data / SUMS, table(data))


if __name__ == "__main__":
    write()
