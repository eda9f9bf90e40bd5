"""Learning without labels, end to end: a small language model, TRL's GRPOTrainer, and rewards of empo_rewards.

task -> model -> pretrain -> (evaluate) -> grpo -> summary -> plots; `jobs` says what one run is, `plans` which runs
answer which question, and `runner` makes them. Nothing in here is part of the library.
"""
