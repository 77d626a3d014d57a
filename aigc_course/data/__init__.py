"""Data sets as tensors or records. Where the genuine files cannot be had, a stand-in takes their place, announced.

Where files come from and how they are verified is told in `aigc_course.plumbing.fetch`.
"""

from aigc_course.data.images import Glyphs, ImageSet, digits, fashion_mnist, hanzi, mnist
from aigc_course.data.texts import (
    Text,
    banking77,
    banking77_labels,
    e2e,
    e2e_references,
    sentfin,
    shakespeare,
    storefront,
    tang_poems,
)
from aigc_course.plumbing.fetch import DataError, embedded, standin_in_use, standin_note
from aigc_course.plumbing.standins import docstrings

__all__ = [
    "DataError", "Glyphs", "ImageSet", "Text", "banking77", "banking77_labels", "digits", "docstrings", "e2e",
    "e2e_references", "embedded", "fashion_mnist", "hanzi", "mnist", "sentfin", "shakespeare", "standin_in_use",
    "standin_note", "storefront", "tang_poems"
]  # fmt: skip
