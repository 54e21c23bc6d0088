"""What `course bench` measures.

Each module of this folder but `command` is one entry, called by the module's name, and has a
function `measure() -> list[Measurement]`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One measured number, and the most or the least that it may be.

    what: what was measured, in words, with its size.
    value: the number, usually a ratio of two times taken side by side in this run.
    limit: the course's promise, `value <= limit`; None where nothing is promised.
    unit: what the number counts.
    least: the promise `value >= least`, for numbers that should be large.
    """

    what: str
    value: float
    limit: float | None = None
    unit: str = "x"
    least: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the promises hold (a number that is not a number keeps none)."""
        return (self.limit is None or self.value <= self.limit) and (
            self.least is None or self.value >= self.least
        )

    @property
    def promise(self) -> str:
        """The promise in words, and whether it holds; nothing where nothing is promised."""
        bounds = [("at most", self.limit), ("at least", self.least)]
        words = ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
        return words and f"  ({words}: {'kept' if self.kept else 'NOT KEPT'})"
