"""What only the page of the transformers library shows: a text in the tokens of several tokenizers."""

import html
from collections.abc import Callable, Sequence
from typing import Any

from aigc_course import widgets

COLOURS = ("#cfe3f1", "#f6d5d1", "#f7e7b9", "#d9ead3", "#e4d9ee")
BOX = "border:1px solid #999;border-radius:3px;margin:1px;padding:1px 3px;color:black;display:inline-block"


def token_viewer(splitters: dict[str, Callable[[str], Sequence[bytes]]], text: str, *, alt: str) -> Any:
    """A line to type in and a picker of tokenizers, above the tokens of the text as coloured boxes.

    splitters: by name, what gives the tokens of a text as bytes. text: what stands in the line at first. A token that
    is no text of its own (a piece of a character) is shown as hexadecimal digits, a space as ␣ and a line break as ⏎.
    Returns the ipywidgets box. ValueError where there are fewer than two splitters.
    """
    if len(splitters) < 2:
        raise ValueError(f"token_viewer compares two tokenizers or more, not {len(splitters)}")

    def draw(text: str, tokenizer: str) -> str:
        try:
            tokens = [_shown(token) for token in splitters[tokenizer](text)]
        except ValueError as error:  # of a tokenizer that does not know a character
            return f"<i>{html.escape(str(error))}</i>"
        boxes = (
            f'<span style="{BOX};background:{COLOURS[i % len(COLOURS)]}">{html.escape(token)}</span>'
            for i, token in enumerate(tokens)
        )
        return f"{len(tokens)} tokens, {len(text)} characters, {len(text.encode())} bytes<br>{' '.join(boxes)}"

    return widgets.explore(draw, alt=alt, text=text, tokenizer=list(splitters))


def _shown(token: bytes) -> str:
    try:
        return token.decode().replace(" ", "␣").replace("\n", "⏎")
    except UnicodeDecodeError:
        return token.hex(" ").upper()
