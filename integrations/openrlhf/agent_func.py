"""The agent file: `--train.agent_func_path FILE` (before 0.10.4 `--agent_func_path FILE`).

Group rewards inside the engine's own ray actor, without a server: OpenRLHF samples all responses of a prompt in one
task of one actor, so groups are exact, whatever prompts repeat and whatever size an evaluation has. Configured by the
environment variables of `OpenRLHFSettings`. `empo-rewards path openrlhf/agent_func` prints this file's path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from openrlhf.utils.agent import SingleTurnAgentExecutor

from empo_rewards.errors import EmpoError
from empo_rewards.gather import GatherLimits
from empo_rewards.gather.samples import Sample, token_logprobs
from empo_rewards.group import read_label
from empo_rewards.integrations.openrlhf.rewards import GroupRewards
from empo_rewards.integrations.openrlhf.settings import OpenRLHFSettings

_DAY = 86_400.0

LIMITS = GatherLimits(
    idle_seconds=_DAY,
    total_seconds=_DAY,
    score_seconds=_DAY,
    remember_seconds=60.0,
    max_remembered=64,
)
"""Generation and gathering share one process: no sample is lost on the way, so deadlines are a day, and none is sent
twice, so few groups are remembered."""


class _SampledGroup:
    """The samples of one call of `generate_responses`."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.size = 0
        self.is_counted = False


class AgentExecutor(SingleTurnAgentExecutor):
    """OpenRLHF's own single-turn executor, with the group's reward in place of a remote one.

    Raises:
        ConfigError, PluginError, MissingExtraError: the settings or the configuration are wrong; OpenRLHF then ends
            while it starts its engines.
    """

    def __init__(self) -> None:
        super().__init__()
        settings = OpenRLHFSettings.from_environment()
        self._rewards = GroupRewards(settings, LIMITS)
        self._groups: WeakKeyDictionary[asyncio.Task[Any], _SampledGroup] = WeakKeyDictionary()
        self._keys = map("rollout {}".format, count())

    def execute(
        self,
        prompt: str,
        label: Any,
        sampling_params: Any,
        max_length: int,
        hf_tokenizer: Any,
        llm_engine: Any,
        *images: Any,
        **others: Any,
    ) -> Awaitable[dict[str, Any]]:
        """Generate one sample, and reward it once its group is complete.

        A plain function that returns an awaitable: OpenRLHF calls it n times in one task before any of the n samples
        starts, and these calls count the group.
        """
        group = self._group_of_this_task()
        member = group.size
        group.size += 1
        generate = partial(
            super().execute, prompt, label, sampling_params, max_length, hf_tokenizer, llm_engine, *images, **others
        )
        return self._sample(group, member, generate, partial(_sample_of, prompt, label, hf_tokenizer))

    async def close(self) -> None:
        """Release all waiting samples; OpenRLHF never calls this, but kills the actor."""
        await self._rewards.close()

    def _group_of_this_task(self) -> _SampledGroup:
        task = asyncio.current_task()
        if task is None:
            raise EmpoError("AgentExecutor.execute must be called in an asyncio task, which tells groups apart")
        group = self._groups.get(task)
        if group is None or group.is_counted:
            group = self._groups[task] = _SampledGroup(next(self._keys))
        return group

    async def _sample(
        self,
        group: _SampledGroup,
        member: int,
        generate: Callable[[], Awaitable[dict[str, Any]]],
        read: Callable[[dict[str, Any]], Sample],
    ) -> dict[str, Any]:
        group.is_counted = True
        try:
            self._rewards.check_size(group.size)
            output = await generate()
            sample = read(output)
        except BaseException:  # cancelled ones too: the group must not wait for this sample
            self._rewards.forget(group.key, member, group.size)
            raise
        result = await self._rewards.reward(sample, group.key, member, group.size)
        output.update(reward=result.reward, scores=result.score, extra_logs=result.logs)
        return output


def _sample_of(prompt: str, label: Any, tokenizer: Any, output: dict[str, Any]) -> Sample:
    """The sample in OpenRLHF's output; its response is the text of the generated tokens.

    Special tokens at its end are dropped; those within are kept, because the marks of a thinking block may be such.
    """
    start, end = output["action_ranges"][-1]
    tokens, special = list(output["observation_tokens"][start:end]), set(tokenizer.all_special_ids)
    while tokens and tokens[-1] in special:
        tokens.pop()
    logprobs = output["rollout_log_probs"]
    return Sample(
        prompt,
        tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False),
        read_label(label),
        token_logprobs=token_logprobs(None if logprobs is None else logprobs[start:end]),
    )
