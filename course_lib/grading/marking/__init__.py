"""Answers against what was expected: values cross here as plain data, and nothing else compares."""
