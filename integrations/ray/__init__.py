"""Scoring on Ray Data: folders of rollouts, or a `ray.data.Dataset`, by actors on one machine or a cluster."""

from __future__ import annotations

from empo_rewards.integrations.ray.files import score_files
from empo_rewards.integrations.ray.stages import score_dataset

__all__ = ["score_dataset", "score_files"]
