"""How things are shown: in a notebook or a console, in characters that it knows, pictures with their words."""

import base64
import html
import sys


def in_notebook() -> bool:
    """True in a Jupyter or Colab kernel, False in a terminal or a script."""
    return "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel")


def clean(text: str, encoding: str = "utf-8") -> str:
    """The text with ? for what the encoding lacks: lone halves of surrogate pairs in any, "·" in ASCII."""
    return text.encode(encoding, "replace").decode(encoding)


def say(text: str) -> None:
    """Print, whatever characters the console knows."""
    print(clean(text, getattr(sys.stdout, "encoding", None) or "utf-8"))


def img(png: bytes, alt: str) -> str:
    """A PNG as HTML with its words: of an output that is image/png, a screen reader hears none in JupyterLab."""
    return f'<img alt="{html.escape(clean(alt))}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
