"""Reading of rollouts: files of any container and form to groups, in bounded memory."""

from __future__ import annotations

from empo_rewards.reading.rollouts import Located, ReadGroup, ReadOptions, Rejected, read_groups

__all__ = ["Located", "ReadGroup", "ReadOptions", "Rejected", "read_groups"]
