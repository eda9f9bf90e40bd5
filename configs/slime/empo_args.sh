# Label-free group rewards for any slime run: source this file in its script, and pass "${EMPO_ARGS[@]}" to train.py.
#   source "$(empo-rewards path presets)/slime/empo_args.sh"
# EMPO_CONFIG (optional): the YAML file for --custom-config-path, with a key `empo_config`.
EMPO_ARGS=(
  --group-rm
  --custom-rm-path empo_rewards.integrations.slime.custom_rm
  --eval-function-path empo_rewards.integrations.slime.evaluate
  --custom-rollout-log-function-path empo_rewards.integrations.slime.log_rollout
  --custom-config-path "${EMPO_CONFIG:-$(empo-rewards path presets)/slime/empo.yaml}"
  --advantage-estimator grpo
  --n-samples-per-prompt 16
  --rollout-temperature 1.0
)
