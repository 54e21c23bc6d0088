"""Where verdicts are stored, and how: OUT/grades/NAME/STUDENT.json."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from pathlib import Path

from course_lib.files import write_whole
from course_lib.grading.verdict import Verdict, read

write = partial(write_whole, mode=0o644, parents=True)  # whatever the umask of who grades


def verdicts(out: Path, name: str) -> dict[str, Verdict]:
    """Return {student: the stored verdict}; a file that is none is passed over."""
    found: dict[str, Verdict] = {}
    for path in sorted((out / "grades" / name).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            verdict = read(json.loads(path.read_text(encoding="utf-8")))
            if verdict.student == path.stem:
                found[path.stem] = verdict
    return found


def place(out: Path, name: str, student: str) -> Path:
    """Return where the verdict of a student is stored."""
    return out / "grades" / name / f"{student}.json"


def text(verdict: Verdict) -> bytes:
    """Return what is stored of a verdict."""
    return (json.dumps(verdict.stored(), indent=1, ensure_ascii=False) + "\n").encode()
