"""The library of The Statue Within, a course on magnitude pruning."""

__version__ = "0.1.0"
