"""Reading of rollouts: files of any container and form to groups, in bounded memory."""

from __future__ import annotations

from empo_rewards.reading.rollouts import Located, ReadGroup, Rejected, read_groups

__all__ = ["Located", "ReadGroup", "Rejected", "read_groups"]
