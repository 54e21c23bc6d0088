"""What `course bench` measures.

Each module of this folder but `command` is one entry, called by the module's name, and has a
function `measure() -> list[Measurement]`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One measured number and the most that it may be.

    what: what was measured, in words, with its size.
    value: the number, usually a ratio of two times taken side by side in this run.
    limit: the course's promise, `value <= limit`; None where nothing is promised.
    unit: what the number counts.
    """

    what: str
    value: float
    limit: float | None = None
    unit: str = "x"

    @property
    def kept(self) -> bool:
        """Whether the promise holds (a number that is not a number keeps none)."""
        return self.limit is None or self.value <= self.limit
