"""Stands for a httptools that is not installed."""

raise ImportError("not installed")
