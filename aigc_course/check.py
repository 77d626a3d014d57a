"""Exercise checks: right, wrong and why, or not attempted yet; they never raise in a learner's notebook.

`check("03.1")` grades what the cell above defines, `check("03.1", answer)` any answer; `check.hint("03.1")` and
`check.solution("03.1")` help. The graders of a page stand in its back room, `chapters/NN_name/exercises.py`.
"""

from __future__ import annotations

import difflib
import inspect
import re
import warnings
from dataclasses import dataclass

from aigc_course.plumbing import grading, rooms
from aigc_course.plumbing.console import escaped, send
from aigc_course.plumbing.grading import Exercise, NotAttempted, Wrong, text_of

UNSAID = object()  # no answer was passed
COLOURS = {"right": "#009e73", "wrong": "#d55e00", "not attempted": "#888888", "unknown": "#d55e00"}


@dataclass(frozen=True)
class Result:
    """status: "right", "wrong", "not attempted" or "unknown"; message: the text that was shown. True when right."""

    status: str
    message: str

    def __bool__(self) -> bool:
        return self.status == "right"

    def _ipython_display_(self) -> None:
        """Show nothing: the check has shown its message."""


def exercises() -> dict[str, Exercise]:
    """All exercises by number."""
    for room in rooms.rooms():
        rooms.module(room.name, "exercises")
    return dict(sorted(grading.registry.items()))


class Check:
    """`check("03.1")`, `check("03.1", answer)`, `check.hint("03.1")`, `check.solution("03.1")`."""

    def __call__(self, number: object = "", answer: object = UNSAID, *more: object) -> Result:
        """Grade `answer`, or what the caller's page holds under the exercise's name, and show what was found."""
        number, found = self._find(number)
        if found is None:
            return Result("unknown", number)
        try:
            if more:
                raise Wrong(f'`check` takes one answer: `check("{number}", {found.name})`.')
            if answer is UNSAID:
                page = inspect.currentframe().f_back.f_globals
                if found.name not in page:
                    raise NotAttempted(f"There is no `{found.name}` yet: run the cell above, then this one.")
                answer = page[found.name]
            if answer is None or answer is ...:
                raise NotAttempted(f"Fill in `{found.name}` in the cell above, run that cell, then this one.")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                status, text = "right", f"right. {found.grade(answer)}"
        except Wrong as verdict:
            status, text = verdict.status, f'{verdict.heading}{verdict} A hint: `check.hint("{number}")`.'
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # not even sys.exit() in an answer may end the learner's notebook
            status, text = "wrong", f"wrong: this answer cannot be checked, it raises {grading.error_text(error)}."
        return Result(status, _show(f"{number} {text}", status))

    def hint(self, number: object = "") -> None:
        """Show a hint that leaves the answer to the learner."""
        number, found = self._find(number)
        if found:
            _show(f"{number} hint. {found.hint}")

    def solution(self, number: object = "") -> None:
        """Show a solution, as Python that can be pasted in the exercise's cell."""
        number, found = self._find(number)
        if found:
            _show(f"{number} solution; others may be as good.", code=found.solution)

    def _find(self, number: object) -> tuple[str, Exercise | None]:
        """The number as text and its exercise; or the sentence that was shown, and None."""
        name, known = text_of(number, str), exercises()
        if name in known:
            return name, known[name]
        guesses = [k for k in known if k == f"0{name}" or k.split(".")[0] == name.split(".")[0]]  # of that page
        near = "".join(f" Did you mean `{guess}`?" for guess in guesses or difflib.get_close_matches(name, known, n=1))
        return _show(f"There is no exercise {name!r}.{near} Exercises: {', '.join(known)}.", "unknown"), None


check = Check()


def _show(text: str, status: str = "not attempted", code: str = "") -> str:
    """Display `text` and below it `code`, as HTML and as plain text that say the same; print() outside IPython."""
    plain = f"{text}\n\n{code}" if code else text
    body = re.sub("`([^`]+)`", r"<code>\1</code>", escaped(text))
    body += f"<pre>{escaped(code)}</pre>" if code else ""
    send(f'<div style="border-left: 4px solid {COLOURS[status]}; padding-left: 0.6em">{body}</div>', plain)
    return plain
