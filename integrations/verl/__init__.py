"""verl: a reward manager that gathers each prompt's rollouts into a group.

- `plugin`: imported by verl; registers the parts below by name.
- `manager`: the reward manager of verl 0.7.1 and later (`reward.reward_manager.name=empo`).
- `agent_loop`: an agent-loop manager that knows phase, group size and lost rows exactly; one more line of
  configuration.
- `advantage`: the advantage estimator `empo_grpo`, for scales and abstentions, which a reward cannot carry.
- `legacy`: the batch manager of verl 0.4.1 to 0.6.

`client` is a reward worker's access to the rendezvous, which is a named ray actor (`rendezvous`, found by `shards`).
`rows`, `batches`, `settings`, `validation` and `row_rewards` are pure functions and types. docs/verl.md is the user's
page.
"""
