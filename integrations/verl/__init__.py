"""verl: a reward manager that brings each prompt's rollouts together, and what stands around it.

- `plugin`: what verl imports; it registers the parts below by name.
- `manager`: the reward manager of verl 0.7.1 and later (`reward.reward_manager.name=empo`).
- `agent_loop`: an agent-loop manager that knows phase, group size and losses exactly; one more line of configuration.
- `advantage`: the advantage estimator `empo_grpo`, for scales and abstentions that a reward cannot carry.
- `legacy`: the batch manager of verl 0.4.1 to 0.6.

`client` is what a reward worker has of the rendezvous, `rendezvous` is the named actor behind it; `rows`, `settings`,
`phases` and `verdicts` are pure. docs/verl.md is the user's page.
"""
