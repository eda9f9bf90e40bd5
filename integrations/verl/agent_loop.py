"""An agent-loop manager for both of verl's trainers that knows what a reward manager is not told.

`actor_rollout_ref.rollout.agent.agent_loop_manager_class=empo_rewards.integrations.verl.agent_loop.EMPOAgentLoopManager`

The agent-loop workers know of each row whether it is for validation, how large its group is, and whether its generation
failed. They meet the groups themselves: no row waits inside a reward worker, and no group waits for a lost row.
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
from empo_rewards.integrations.verl.client import Client

FIELD = "empo_member"
"""The non-tensor field in which v0's manager hands a row's place to its workers."""


class Place(NamedTuple):
    """What is known of the row that the current task generates."""

    uid: str
    member: Member
    size: int
    validate: bool


@dataclass
class Visit:
    """A row's way through its task."""

    place: Place
    met: bool = False
    """Whether it was sent to its group."""


_visit: ContextVar[Visit] = ContextVar("empo_rewards_visit")


class EMPOAgentLoopManager:
    """What the configuration names: makes the manager that the configured trainer needs."""

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
    """A mixin for verl's agent-loop workers: a row that is generated meets its group, one that fails is reported."""

    config: Any
    tokenizer: Any
    reward_loop_worker_handles: Any
    _client: Client | None = None

    async def _run_agent_loop(self, sampling_params: Any, trajectory: Mapping[str, Any], **kwargs: Any) -> Any:
        place = self._place_of(trajectory, kwargs)
        visit = Visit(place)
        token = _visit.set(visit)
        try:
            return await super()._run_agent_loop(sampling_params, trajectory, **kwargs)  # type: ignore[misc] # verl's
        finally:
            _visit.reset(token)
            # It failed, or had no output, or its agent loop rewards it itself: the group does not wait for it.
            if not visit.met and not place.validate:
                await asyncio.shield(self.client.forget(place.uid, place.member, place.size))

    async def _compute_score(self, outputs: Any, kwargs: Mapping[str, Any]) -> None:
        final = outputs[-1]
        if final.reward_score is not None or self.reward_loop_worker_handles is None:
            await super()._compute_score(outputs, kwargs=kwargs)  # type: ignore[misc] # verl's
            return
        start = perf_counter()
        visit = _visit.get()
        place, visit.met = visit.place, True
        response = await asyncio.to_thread(self.tokenizer.decode, final.response_ids, skip_special_tokens=True)
        row = rows.of_fields(kwargs, rows.prompt_text(kwargs["raw_prompt"]), response)
        row = row._replace(uid=place.uid, member=place.member, size=place.size)
        verdict = await (self.client.validate(row) if place.validate else self.client.train(row))
        final.reward_score = verdict.reward
        final.extra_fields["reward_extra_info"] = verdict.metrics
        final.metrics.compute_score = perf_counter() - start

    @property
    def client(self) -> Client:
        """This worker's way to the rendezvous, made when it is first used."""
        if self._client is None:
            self._client = Client(settings.read(settings.plain(self.config)))
        return self._client

    def _place_of(self, trajectory: Mapping[str, Any], kwargs: dict[str, Any]) -> Place:
        raise NotImplementedError


class StreamingWorker(GroupedWorker, AgentLoopWorker):
    """v0: the manager has counted the groups."""

    def _place_of(self, trajectory: Mapping[str, Any], kwargs: dict[str, Any]) -> Place:
        member, size = kwargs.pop(FIELD)
        return Place(str(kwargs["uid"]), int(member), int(size), bool(trajectory["validate"]))


class StreamingManager(AgentLoopManager):
    """v0: sees the whole batch, and so how many rows each uid has."""

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
    """v1's manager and worker, made where they are needed: their modules need TransferQueue."""
    from verl.trainer.ppo.v1.agent_loop_tq import (  # noqa: PLC0415 - needs TransferQueue, which v0 lacks
        AgentLoopManagerTQ,
        AgentLoopWorkerTQ,
    )

    decorated: Any = AgentLoopWorkerTQ
    plain_worker = decorated.__ray_actor_class__  # the class under ray's decorator

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

        def _place_of(self, trajectory: Mapping[str, Any], kwargs: dict[str, Any]) -> Place:
            uid = str(kwargs["uid"])
            return Place(uid, int(kwargs["session_id"]), self._sizes[uid], bool(trajectory["validate"]))

    class QueueManager(AgentLoopManagerTQ):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.agent_loop_workers_class = ray.remote(QueueWorker)

    return QueueManager
