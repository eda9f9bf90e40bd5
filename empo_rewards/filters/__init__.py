"""Filters: gates for groups, guards for responses."""
