"""The ranks of a run, and gathering one value from each."""

from __future__ import annotations

import sys
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Ranks(NamedTuple):
    """This process' rank and the number of ranks."""

    rank: int = 0
    world_size: int = 1


def ranks() -> Ranks:
    """The ranks of torch's default process group. Without torch, or without a process group, there is one."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return Ranks()
    return Ranks(distributed.get_rank(), distributed.get_world_size())


def gather(value: T) -> list[T]:
    """The values of all ranks, by rank. A collective: each rank must call it, in the same order as the others.

    Raises:
        RuntimeError: a rank has died: at once with gloo, after the process group's timeout with NCCL.
    """
    world_size = ranks().world_size
    if world_size == 1:
        return [value]
    values: list[T | None] = [None] * world_size
    sys.modules["torch.distributed"].all_gather_object(values, value)
    return values  # type: ignore[return-value] # each was filled in
