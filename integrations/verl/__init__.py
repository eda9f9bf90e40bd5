"""verl: a reward manager that gathers each prompt's rollouts into a group.

- `plugin`: imported by verl; registers the parts below by name.
- `manager`: the reward manager of verl 0.7.1 and later (`reward.reward_manager.name=empo`).
- `agent_loop`: agent-loop workers that know phase, group size and lost rows, and submit rows to their groups.
- `hooks`, `trainer_hooks`: what is replaced in verl, so that each run has these workers, and its log EMPO's numbers.
- `advantage`: the advantage estimator `empo_grpo`, for scales and abstentions, which a reward cannot carry.
- `legacy`: the batch manager of verl 0.4.1 to 0.6.

`shards` is a process's access to the rendezvous, which are named ray actors (`rendezvous`). `rows`, `batches`,
`settings`, `validation` and `row_rewards` are pure functions and types. docs/verl.md is the user's page.
"""
