"""How things are shown: in a notebook or a console, in characters that it knows; pictures with words; progress."""

import base64
import html
import math
import re
import sys
import time

from aigc_course.plumbing.settings import setting


def in_notebook() -> bool:
    """True in a Jupyter or Colab kernel, False in a terminal or a script."""
    return "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel")


def clean(text: str, encoding: str = "utf-8") -> str:
    """The text with ? for a terminal's codes, and for what the encoding lacks: half a surrogate pair, "·" in ASCII."""
    text = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "?", text)
    return text.encode(encoding, "replace").decode(encoding)


def escaped(text: str) -> str:
    """The text as HTML; a dollar in it begins no formula."""
    return html.escape(text).replace("$", "<span>$</span>")


def say(text: str) -> None:
    """Print, whatever characters the console knows."""
    print(clean(text, getattr(sys.stdout, "encoding", None) or "utf-8"), flush=True)


def img(picture: bytes, alt: str, kind: str = "png") -> str:
    """A picture as HTML with its words: of an output that is image/png, a screen reader hears none in JupyterLab."""
    return f'<img alt="{html.escape(clean(alt))}" src="data:image/{kind};base64,{base64.b64encode(picture).decode()}">'


def send(page: str, plain: str, printed: str | None = None) -> None:
    """Show HTML, and `plain` where there is none, in a notebook; elsewhere print `plain`, or `printed` for it."""
    if not in_notebook():
        return say(plain if printed is None else printed)
    from IPython.display import display

    display({"text/html": clean(page), "text/plain": clean(plain)}, raw=True)


class Progress:
    """A bar, drawn at most four times a second, in a terminal or a notebook; elsewhere only the line that it leaves."""

    def __init__(self, start: int, n_steps: int):
        self.start, self.n_steps, self.began, self.due = start, n_steps, time.perf_counter(), math.inf
        self.handle = self.bar = None
        if setting("AIGC_QUIET", "0", "1") == "1":
            return
        if in_notebook():
            from IPython.display import display

            self.handle, self.due = display(self._bundle(start), raw=True, display_id=True), 0.0
        elif sys.stderr.isatty():
            from tqdm import tqdm

            self.bar, self.due = tqdm(total=n_steps, initial=start, unit=" steps", leave=False, dynamic_ncols=True), 0.0

    def _bundle(self, step: int) -> dict[str, str]:
        took = time.perf_counter() - self.began
        left = took / max(1, step - self.start) * (self.n_steps - step)
        text = f"step {step:,} of {self.n_steps:,}, {_seconds(took)}, about {_seconds(left)} left"
        bar = f'<progress value="{step}" max="{self.n_steps}" style="width: 20em"></progress>'
        return {"text/plain": text, "text/html": f"{bar} {text}"}

    def show(self, step: int) -> None:
        self.due = time.perf_counter() + 0.25
        if self.handle is not None:
            self.handle.update(self._bundle(step), raw=True)
        else:
            self.bar.update(step - self.bar.n)

    def close(self, left_at: int | None) -> None:
        took = _seconds(time.perf_counter() - self.began)
        text = f"{self.n_steps - self.start:,} steps in {took}"
        if left_at is not None:
            text = f"stopped at step {left_at:,} of {self.n_steps:,} after {took}"
        text += f" (resumed after step {self.start:,})" if self.start else ""
        if self.handle is not None:
            return self.handle.update({"text/plain": text}, raw=True)
        if self.bar is not None:
            self.bar.close()
        say(text)


def _seconds(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 119.5 else f"{seconds:.{1 if seconds < 9.95 else 0}f} s"
