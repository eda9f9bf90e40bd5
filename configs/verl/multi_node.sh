#!/usr/bin/env bash
# EMPO with verl (0.9) on several nodes of 8 GPUs; training begins when all of them have joined.
#
# On the first node:   NODES=2 HEAD=10.0.0.1 RANK=0 TRAIN=... VAL=... bash multi_node.sh [KEY=VALUE ...]
# On every other one:  NODES=2 HEAD=10.0.0.1 RANK=1 bash multi_node.sh
#
# HEAD is the first node's address as the others see it. The package and the data must be on every node. CONFIG is one
# of the configurations beside this script: qwen2.5-math-7b-megatron (the default), or any of single_node.sh, with FSDP.
# JOIN_SECONDS is how long the first node waits for the others.
set -euo pipefail
: "${NODES:?how many nodes}" "${HEAD:?the address of the first node}" "${RANK:?the number of this node, from 0}"
PORT="${PORT:-6379}"

if [ "$RANK" -ne 0 ]; then
  exec ray start --address "$HEAD:$PORT" --block
fi

: "${TRAIN:?the Parquet file of the training prompts}" "${VAL:?the Parquet file of the validation prompts}"
CONFIGS="$(empo-rewards path presets)/verl"

ray start --head --node-ip-address "$HEAD" --port "$PORT"
trap 'ray stop' EXIT
python3 -m empo_rewards.integrations.verl.nodes "$NODES" "${JOIN_SECONDS:-900}"

python3 -m verl.trainer.main_ppo --config-path "$CONFIGS" --config-name "${CONFIG:-qwen2.5-math-7b-megatron}" \
  data.train_files="$TRAIN" \
  data.val_files="$VAL" \
  trainer.nnodes="$NODES" \
  +ray_kwargs.ray_init.address=auto \
  "$@"
