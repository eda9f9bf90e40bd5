"""Deprecated aliases of `empo_rewards.datasets`, until the next release."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "SelectedPrompt": "empo_rewards.datasets:Prompt",
        "Difficulty": "empo_rewards.datasets:Difficulty",
        "DatasetFormat": "empo_rewards.datasets:DatasetFormat",
        "write_dataset": "empo_rewards.datasets:write_dataset",
    },
)
