#!/usr/bin/env bash
# EMPO with OpenRLHF 0.9.1 to 0.10.3, by the HTTP reward server, which this script starts and ends
# (docs/openrlhf.md says when to prefer it to the agent file).
#
#   MODEL=Qwen/Qwen2.5-Math-7B DATA=prompts.jsonl bash configs/openrlhf/server_older.sh [more flags of OpenRLHF]
#
# Run it in the environment of the trainer, with a ray cluster up. Only this machine needs empo-rewards (with the extra
# "server"); with several nodes set HOST to its address.
set -euo pipefail

MODEL=${MODEL:?the model to train: a name or a path}
DATA=${DATA:?prompts: JSON lines with "input", as empo-rewards select writes them}
LABEL_KEY=${LABEL_KEY:-}          # a column of answers; it feeds metrics and evaluation, never a reward
EVAL_DATA=${EVAL_DATA:-}          # labelled prompts to evaluate on; none: no evaluation
REWARD=${REWARD:-empo-math}       # a preset, or the path of a YAML file
HOST=${HOST:-127.0.0.1}           # where the server listens: this machine's address, as the other nodes see it
PORT=${PORT:-5000}
WORKERS=${WORKERS:-4}             # processes that score
SAMPLES=${SAMPLES:-16}            # the group size G
PROMPTS=${PROMPTS:-128}           # prompts a step
GPUS=${GPUS:-8}
OUT=${OUT:-./empo-openrlhf}
RAY_ADDRESS=${RAY_ADDRESS:-http://127.0.0.1:8265}

# One server for all engines: two that share no state would each see a part of every group.
#   --scores reward: dynamic filtering, where it is on, must not see labels.
empo-rewards serve --config "$REWARD" --group-size "$SAMPLES" --host "$HOST" --port "$PORT" --workers "$WORKERS" \
  --scores reward &
server=$!
trap 'kill "$server"' EXIT
until python3 -c "import urllib.request as r; r.urlopen('http://$HOST:$PORT/ready')" 2>/dev/null; do
  kill -0 "$server"   # it has ended, and said why
  sleep 1
done

evaluation=()
if [[ -n $EVAL_DATA ]]; then
  # OpenRLHF posts an evaluation to the same address, where nothing tells it from training: so it has the same size.
  # What OpenRLHF reports is the mean reward; the agent file can pay an evaluation its accuracy.
  evaluation=(--eval_dataset "$EVAL_DATA" --eval_steps 10 --eval_n_samples_per_prompt "$SAMPLES")
fi
labels=()
if [[ -n $LABEL_KEY ]]; then
  labels=(--label_key "$LABEL_KEY")
fi

arguments=(
  --remote_rm_url "http://$HOST:$PORT/get_reward?run=$(date +%s)"

  --pretrain "$MODEL"
  --prompt_data "$DATA"
  --input_key input
  --apply_chat_template
  --max_len 4096
  --save_path "$OUT"

  # G responses a prompt at temperature 1; one on-policy step over all of them.
  --n_samples_per_prompt "$SAMPLES"
  --rollout_batch_size "$PROMPTS"
  --temperature 1.0
  --train_batch_size $((PROMPTS * SAMPLES))

  # Group-relative advantages (GRPO): a group without rewards, all paid one constant, has none.
  --advantage_estimator group_norm
  --use_kl_loss
  --kl_estimator k3
  --init_kl_coef 0.001
  --actor_learning_rate 1e-6

  # To replace groups without signal by new prompts, add: groups whose mean reward is not within the range go, that is
  # those of G different answers (1/G) and of one answer (1). --neutral 0 of the server makes unscored ones go too.
  #   --dynamic_filtering --dynamic_filtering_reward_range 0.07 1.0

  # One node, everything on the same GPUs.
  --actor_num_gpus_per_node "$GPUS"
  --ref_num_gpus_per_node "$GPUS"
  --vllm_num_engines "$GPUS"
  --vllm_gpu_memory_utilization 0.6
  --colocate_all_models
  --vllm_enable_sleep
  --deepspeed_enable_sleep
  --zero_stage 3
  --packing_samples
  --gradient_checkpointing
)

ray job submit --address "$RAY_ADDRESS" -- \
  python3 -m openrlhf.cli.train_ppo_ray "${arguments[@]}" "${labels[@]}" "${evaluation[@]}" "$@"
