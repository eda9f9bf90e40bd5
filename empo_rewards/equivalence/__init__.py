"""Equivalence backends: which answers of a group mean the same."""
