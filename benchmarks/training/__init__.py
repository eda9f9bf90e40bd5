"""End-to-end benchmark of learning without labels: a small language model, TRL's GRPOTrainer, and EMPOReward.

task -> model -> pretrain -> (evaluate) -> grpo -> summary -> plots; `jobs` defines single runs, `plans` the sets of
runs, and `runner` makes them. Not part of the library.
"""
