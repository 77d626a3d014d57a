"""Helper package of the course: what several notebooks share and what would distract in any of them."""

__version__ = "0.1.0"
