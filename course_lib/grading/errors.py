"""What is said when something cannot be done; texts of anybody's, fit for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


class Refusal(Exception):
    """Something that cannot be done, in a sentence with its remedy."""


def clean(text: object, length: int = 200) -> str:
    """Return at most `length` characters of the text, without control characters."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:length])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines with aligned columns, fit for a terminal."""
    cleaned = [[clean(cell, 300) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cleaned, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cleaned]
    return "\n".join(line.rstrip() for line in lines)
