"""Reward strategies: from meaning clusters to one reward a response."""
