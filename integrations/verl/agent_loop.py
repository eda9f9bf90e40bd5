"""An agent-loop manager for verl's v0 and v1 trainers that knows phase, group size and lost rows.

`actor_rollout_ref.rollout.agent.agent_loop_manager_class=empo_rewards.integrations.verl.agent_loop.EMPOAgentLoopManager`

A reward manager is not told these; the agent-loop workers know them, and submit the rows themselves: no row waits
inside a reward worker, and no group waits for a lost row.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import ray
from verl.experimental.agent_loop import AgentLoopManager, AgentLoopWorker

from empo_rewards.gather import Member
from empo_rewards.integrations.verl import rows, settings
from empo_rewards.integrations.verl.client import RewardClient

FIELD = "empo_member"
"""The non-tensor field by which v0's manager passes a row's member id and group size to its workers."""


class RowPlace(NamedTuple):
    """The group, member id and phase of the row that the current task generates."""

    uid: str
    member: Member
    size: int
    validate: bool


@dataclass
class RowState:
    """The state of a row within its task."""

    place: RowPlace
    submitted: bool = False
    """Whether it was submitted to its group."""


_state: ContextVar[RowState] = ContextVar("empo_rewards_state")


class EMPOAgentLoopManager:
    """The class named in the configuration; makes the manager for the configured trainer."""

    @classmethod
    def create(cls, config: Any, *args: Any, **kwargs: Any) -> Any:
        """As verl's own `create`.

        Raises:
            ConfigError: the adapter's configuration is wrong.
        """
        settings.read(settings.plain(config))
        if config.trainer.use_v1:
            return _v1_manager().create(config, *args, **kwargs)
        return StreamingManager.create(config, *args, **kwargs)


class GroupedWorker:
    """A mixin for verl's agent-loop workers: submits generated rows to their group, and reports failed ones as lost."""

    config: Any
    tokenizer: Any
    reward_loop_worker_handles: Any
    _client: RewardClient | None = None

    async def _run_agent_loop(self, sampling_params: Any, trajectory: Mapping[str, Any], **kwargs: Any) -> Any:
        place = self._place_of(trajectory, kwargs)
        state = RowState(place)
        token = _state.set(state)
        try:
            return await super()._run_agent_loop(sampling_params, trajectory, **kwargs)  # type: ignore[misc] # verl's
        finally:
            _state.reset(token)
            # It failed, had no output, or was rewarded by its agent loop: the group must not wait for it.
            if not state.submitted and not place.validate:
                await asyncio.shield(self.client.forget(place.uid, place.member, place.size))

    async def _compute_score(self, outputs: Any, kwargs: Mapping[str, Any]) -> None:
        final = outputs[-1]
        if final.reward_score is not None or self.reward_loop_worker_handles is None:
            await super()._compute_score(outputs, kwargs=kwargs)  # type: ignore[misc] # verl's
            return
        start = perf_counter()
        state = _state.get()
        place, state.submitted = state.place, True
        response = await asyncio.to_thread(self.tokenizer.decode, final.response_ids, skip_special_tokens=True)
        row = rows.of_fields(kwargs, rows.prompt_text(kwargs["raw_prompt"]), response)
        row = row._replace(uid=place.uid, member=place.member, size=place.size)
        given = await (self.client.validate(row) if place.validate else self.client.train(row))
        final.reward_score = given.reward
        final.extra_fields["reward_extra_info"] = given.metrics
        final.metrics.compute_score = perf_counter() - start

    @property
    def client(self) -> RewardClient:
        """This worker's client of the rendezvous, made at first use."""
        if self._client is None:
            self._client = RewardClient(settings.read(settings.plain(self.config)))
        return self._client

    def _place_of(self, trajectory: Mapping[str, Any], kwargs: dict[str, Any]) -> RowPlace:
        raise NotImplementedError


class StreamingWorker(GroupedWorker, AgentLoopWorker):
    """v0: the manager has numbered the members of each group."""

    def _place_of(self, trajectory: Mapping[str, Any], kwargs: dict[str, Any]) -> RowPlace:
        member, size = kwargs.pop(FIELD)
        return RowPlace(str(kwargs["uid"]), int(member), int(size), bool(trajectory["validate"]))


class StreamingManager(AgentLoopManager):
    """v0: sees the whole batch, and so the size of each group."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.agent_loop_workers_class = ray.remote(StreamingWorker)
        super().__init__(*args, **kwargs)

    def generate_sequences(self, prompts: Any) -> Any:
        """As verl's own, with each row's place in its group."""
        uids = [str(uid) for uid in prompts.non_tensor_batch["uid"]]
        sizes, seen = Counter(uids), Counter[str]()
        places = np.empty(len(uids), dtype=object)
        for row, uid in enumerate(uids):
            places[row] = (seen[uid], sizes[uid])
            seen[uid] += 1
        prompts.non_tensor_batch[FIELD] = places
        return super().generate_sequences(prompts)


def _v1_manager() -> Any:
    """v1's manager and worker, defined at need: their modules import TransferQueue."""
    from verl.trainer.ppo.v1.agent_loop_tq import (  # noqa: PLC0415 - needs TransferQueue, which v0 lacks
        AgentLoopManagerTQ,
        AgentLoopWorkerTQ,
    )

    decorated: Any = AgentLoopWorkerTQ
    plain_worker = decorated.__ray_actor_class__  # the class that ray's decorator wraps

    class QueueWorker(GroupedWorker, plain_worker):  # type: ignore[misc, valid-type] # verl has no types
        """v1: one worker runs all sessions of a prompt."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._sizes: dict[str, int] = {}

        async def _run_prompt(self, prompt: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            uid = str(prompt["uid"])
            self._sizes[uid] = int(prompt.get("__rollout_n__", self.config.actor_rollout_ref.rollout.n))
            try:
                await super()._run_prompt(prompt, *args, **kwargs)
            finally:
                del self._sizes[uid]

        def _place_of(self, trajectory: Mapping[str, Any], kwargs: dict[str, Any]) -> RowPlace:
            uid = str(kwargs["uid"])
            return RowPlace(uid, int(kwargs["session_id"]), self._sizes[uid], bool(trajectory["validate"]))

    class QueueManager(AgentLoopManagerTQ):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.agent_loop_workers_class = ray.remote(QueueWorker)

    return QueueManager
