#!/usr/bin/env bash
# EMPO on free-form questions with verl (0.9) on one node of 8 GPUs: six train, one serves the judge.
#
#   TRAIN=train.parquet VAL=val.parquet bash natural.sh [KEY=VALUE ...]
#
# TRAIN and VAL: `empo-rewards dataset ... --for verl --instruction empo-natural`. The judge is vLLM's server in an
# environment of its own if VLLM names its `vllm`; its log is judge.log.
set -euo pipefail
: "${TRAIN:?the Parquet file of the training prompts}" "${VAL:?the Parquet file of the validation prompts}"
CONFIGS="$(empo-rewards path presets)/verl"
JUDGE_MODEL="${JUDGE_MODEL:-TIGER-Lab/general-verifier}"
JUDGE_PORT="${JUDGE_PORT:-8000}"
JUDGE_SECONDS="${JUDGE_SECONDS:-900}"

CUDA_VISIBLE_DEVICES="${JUDGE_GPU:-7}" "${VLLM:-vllm}" serve "$JUDGE_MODEL" --port "$JUDGE_PORT" >judge.log 2>&1 &
JUDGE=$!
trap 'kill "$JUDGE" 2>/dev/null || true' EXIT

until python3 -c "import urllib.request; urllib.request.urlopen('http://localhost:$JUDGE_PORT/health', timeout=5)" 2>/dev/null; do
  kill -0 "$JUDGE" 2>/dev/null || { echo "the judge has ended: see judge.log" >&2; exit 1; }
  [ "$SECONDS" -lt "$JUDGE_SECONDS" ] || { echo "the judge does not answer after $JUDGE_SECONDS s: see judge.log" >&2; exit 1; }
  sleep 1
done

CUDA_VISIBLE_DEVICES="${TRAIN_GPUS:-0,1,2,3,4,5}" \
  python3 -m verl.trainer.main_ppo --config-path "$CONFIGS" --config-name qwen2.5-natural \
  data.train_files="$TRAIN" \
  data.val_files="$VAL" \
  +reward.reward_kwargs.scorer.equivalence="{url: 'http://localhost:$JUDGE_PORT/v1', model: '$JUDGE_MODEL'}" \
  "$@"
