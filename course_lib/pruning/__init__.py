"""Pruning: score, select, refit."""
