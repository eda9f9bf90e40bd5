"""Agent-loop workers that know the phase, the group size and the lost rows, for all of verl's trainers.

A reward manager is not told these; the agent-loop workers know them, and submit the rows themselves: no row waits
inside a reward worker, and no group waits for a lost row. `hooks` puts them in place of verl's own workers.
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
from verl import DataProto
from verl.experimental.agent_loop import AgentLoopWorker

from empo_rewards.gather import Member
from empo_rewards.integrations.verl import rows, settings
from empo_rewards.integrations.verl.rows import Tokens
from empo_rewards.integrations.verl.shards import Shards

FIELD = "empo_member"
"""The field of a row by which its `Membership` passes through verl."""


class Membership(NamedTuple):
    """A row's place in its group.

    Args:
        size: of the group.
        member: its id; None: its `session_id` is.
    """

    size: int
    member: Member | None = None


@dataclass
class RowPlace:
    """The group, member id and phase of the row that the current task generates.

    Args:
        uid, member, size: of its group; its id there; the group's size.
        validate: whether it is a validation row.
        submitted: whether it was submitted to its group.
    """

    uid: str
    member: Member
    size: int
    validate: bool
    submitted: bool = False


_current: ContextVar[RowPlace | None] = ContextVar("empo_rewards_place")
"""The place of the current task's row; None where the trainer gives rows no uid."""


class GroupedWorker:
    """A mixin for verl's agent-loop workers: submits generated rows to their group, and reports failed ones as lost."""

    config: Any
    tokenizer: Any
    reward_loop_worker_handles: Any
    _shards: Shards | None = None

    async def generate_sequences(self, batch: Any) -> Any:
        """As verl's own. Of a v0 batch that its manager did not number, it has whole groups."""
        if isinstance(batch, DataProto):
            number_members(batch)
        return await super().generate_sequences(batch)  # type: ignore[misc] # verl's

    async def _run_prompt(self, prompt: dict[str, Any], sampling_params: Any, trajectory: Any, **kwargs: Any) -> None:
        """v1: all sessions of a prompt."""
        rollout = self.config.actor_rollout_ref.rollout
        size = prompt.get("__rollout_n__", rollout.val_kwargs.n if trajectory["validate"] else rollout.n)
        prompt[FIELD] = Membership(int(size))
        await super()._run_prompt(prompt, sampling_params, trajectory=trajectory, **kwargs)  # type: ignore[misc] # verl's

    async def _run_agent_loop(self, sampling_params: Any, trajectory: Mapping[str, Any], **kwargs: Any) -> Any:
        place = _place(kwargs, bool(trajectory["validate"]))
        token = _current.set(place)
        try:
            return await super()._run_agent_loop(sampling_params, trajectory, **kwargs)  # type: ignore[misc] # verl's
        finally:
            _current.reset(token)
            # It failed, had no output, or was rewarded by its agent loop: the group must not wait for it.
            if place is not None and not place.submitted and not place.validate:
                await asyncio.shield(self.shards.forget(place.uid, place.member, place.size))

    async def _compute_score(self, outputs: Any, kwargs: Mapping[str, Any]) -> None:
        final, place = outputs[-1], _current.get()
        if final.reward_score is not None or self.reward_loop_worker_handles is None or place is None:
            await super()._compute_score(outputs, kwargs=kwargs)  # type: ignore[misc] # verl's
            return
        start = perf_counter()
        tokens = Tokens(final.prompt_ids, final.response_ids, final.response_mask, final.response_logprobs)
        row = await asyncio.to_thread(rows.of_fields, kwargs, tokens, self.tokenizer)
        row = row._replace(uid=place.uid, member=place.member, size=place.size)
        place.submitted = True
        if place.validate:
            (given,) = await self.shards.validate([row])
        else:
            given = await self.shards.train(row)
        final.reward_score = given.reward
        final.extra_fields["reward_extra_info"] = given.metrics
        final.metrics.compute_score = perf_counter() - start

    @property
    def shards(self) -> Shards:
        """This worker's access to the rendezvous, made at first use."""
        if self._shards is None:
            self._shards = Shards(settings.read(settings.plain(self.config)))
        return self._shards


def _place(fields: dict[str, Any], validate: bool) -> RowPlace | None:
    """The place of the row with these fields, of which `FIELD` is taken out."""
    membership: Membership | None = fields.pop(FIELD, None)
    if membership is None:
        return None
    member = int(fields["session_id"]) if membership.member is None else membership.member
    return RowPlace(str(fields["uid"]), member, membership.size, validate)


def number_members(batch: Any) -> None:
    """Give each row of a v0 batch its `Membership`, once; nothing where the rows have no uid.

    Args:
        batch: has all rows of its groups.
    """
    fields = batch.non_tensor_batch
    if "uid" not in fields or FIELD in fields:
        return
    uids = [str(uid) for uid in fields["uid"]]
    sizes, seen = Counter(uids), Counter[str]()
    places = np.empty(len(uids), dtype=object)
    for row, uid in enumerate(uids):
        places[row] = Membership(sizes[uid], seen[uid])
        seen[uid] += 1
    fields[FIELD] = places


def grouped(workers: Any) -> Any:
    """A class of agent-loop workers with `GroupedWorker` mixed in.

    Args:
        workers: a class as ray's decorator returns it. One that is no `AgentLoopWorker` is returned as it is.
    """
    plain: type = workers.__ray_actor_class__
    if not issubclass(plain, AgentLoopWorker) or issubclass(plain, GroupedWorker):
        return workers
    mixed = type(f"Grouped{plain.__name__}", (GroupedWorker, plain), {})
    options = getattr(workers, "_default_options", None)
    return ray.remote(**options)(mixed) if options else ray.remote(mixed)
