"""What is known of one submission: the machine's verdict, and what a person gave."""

from __future__ import annotations

from typing import Any

Verdict = dict[str, Any]

# {task or written answer: what a person gave it}: "points" (None: none), "extra", "comment".
Given = dict[str, dict[str, Any]]
