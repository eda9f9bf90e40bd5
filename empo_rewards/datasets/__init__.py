"""Datasets for trainers: from prompts in any form to the files that verl, OpenRLHF, TRL and slime read.

from empo_rewards.datasets import make_dataset

made = make_dataset("prompts.jsonl", "data", form="verl", instruction="boxed", val=48)
made.train.path, made.val.path  # data/train.parquet, data/val.parquet
"""

from __future__ import annotations

from empo_rewards.datasets.instructions import INSTRUCTIONS, Instruction
from empo_rewards.datasets.making import MadeDataset, MadeFile, make_dataset
from empo_rewards.datasets.prompts import BadPrompt, Difficulty, Prompt, read_prompts
from empo_rewards.datasets.writing import DatasetFormat, write_dataset

__all__ = [
    "INSTRUCTIONS",
    "BadPrompt",
    "DatasetFormat",
    "Difficulty",
    "Instruction",
    "MadeDataset",
    "MadeFile",
    "Prompt",
    "make_dataset",
    "read_prompts",
    "write_dataset",
]
