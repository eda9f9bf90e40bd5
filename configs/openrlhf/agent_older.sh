#!/usr/bin/env bash
# EMPO with OpenRLHF 0.9.1 to 0.10.3, by the agent file: the recommended way (docs/openrlhf.md says why).
#
#   MODEL=Qwen/Qwen2.5-Math-7B DATA=prompts.jsonl bash configs/openrlhf/agent_older.sh [more flags of OpenRLHF]
#
# Run it in the environment of the trainer, with a ray cluster up. Every node needs empo-rewards installed alike.
set -euo pipefail

MODEL=${MODEL:?the model to train: a name or a path}
DATA=${DATA:?prompts: JSON lines with "input", as empo-rewards select writes them}
LABEL_KEY=${LABEL_KEY:-}          # a column of answers; it feeds metrics and evaluation, never a reward
EVAL_DATA=${EVAL_DATA:-}          # labelled prompts to evaluate on; none: no evaluation
REWARD=${REWARD:-empo-math}       # a preset, or the path of a YAML file that every node has
SAMPLES=${SAMPLES:-16}            # the group size G
EVAL_SAMPLES=${EVAL_SAMPLES:-4}   # must differ from SAMPLES: the size tells the adapter what is an evaluation
PROMPTS=${PROMPTS:-128}           # prompts a step
GPUS=${GPUS:-8}
OUT=${OUT:-./empo-openrlhf}
RAY_ADDRESS=${RAY_ADDRESS:-http://127.0.0.1:8265}

# What the engines' actors are to know; ray hands it to all of them.
#   EMPO_REWARDS_SCORES=reward: dynamic filtering, where it is on, must not see labels.
environment="\"EMPO_REWARDS_CONFIG\": \"$REWARD\", \"EMPO_REWARDS_SCORES\": \"reward\""
evaluation=()
if [[ -n $EVAL_DATA ]]; then
  # An evaluation is paid its accuracy, which is what OpenRLHF then reports as pass@1 and pass@k.
  environment+=", \"EMPO_REWARDS_GROUP_SIZE\": \"$SAMPLES\", \"EMPO_REWARDS_EVALUATION_SIZE\": \"$EVAL_SAMPLES\""
  evaluation=(--eval_dataset "$EVAL_DATA" --eval_steps 10 --eval_n_samples_per_prompt "$EVAL_SAMPLES")
fi
labels=()
if [[ -n $LABEL_KEY ]]; then
  labels=(--label_key "$LABEL_KEY")
fi

arguments=(
  --agent_func_path "$(empo-rewards path openrlhf/agent_func)"

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
  # those of G different answers (1/G) and of one answer (1). EMPO_REWARDS_NEUTRAL=0 makes unscored groups go too.
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

exec ray job submit --address "$RAY_ADDRESS" --runtime-env-json "{\"env_vars\": {$environment}}" -- \
  python3 -m openrlhf.cli.train_ppo_ray "${arguments[@]}" "${labels[@]}" "${evaluation[@]}" "$@"
