#!/usr/bin/env bash
# EMPO with verl (0.9) on one node of 8 GPUs.
#
#   TRAIN=train.parquet VAL=val.parquet bash single_node.sh [KEY=VALUE ...]
#
# TRAIN and VAL are what `empo-rewards dataset --for verl` writes. CONFIG is one of the configurations beside this
# script: qwen2.5-math-7b (the default), qwen2.5-math-1.5b, octothinker-3b. Anything behind the script's name overrides
# the configuration: `trainer.logger=[console,wandb]`, `actor_rollout_ref.model.path=...`.
set -euo pipefail
: "${TRAIN:?the Parquet file of the training prompts}" "${VAL:?the Parquet file of the validation prompts}"

CONFIGS="$(empo-rewards path presets)/verl"

exec python3 -m verl.trainer.main_ppo --config-path "$CONFIGS" --config-name "${CONFIG:-qwen2.5-math-7b}" \
  data.train_files="$TRAIN" \
  data.val_files="$VAL" \
  "$@"
