"""Answers -> relation: which answers of a group mean the same."""
