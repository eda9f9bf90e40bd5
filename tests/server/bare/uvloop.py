"""Stands for a uvloop that is not installed."""

raise ImportError("not installed")
