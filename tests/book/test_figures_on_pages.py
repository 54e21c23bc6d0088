"""The words of every figure, on the pages of the book: in the figure, and not on each other."""

import pytest
from tests.test_chapters import CHAPTERS  # placeholder
