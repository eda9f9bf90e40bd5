"""Bounds of what is held at a time, shared fairly between clients."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from empo_rewards.gather.types import GatherFullError, GatherLimits

RESOURCES = ("groups", "members", "bytes")


@dataclass
class Share:
    """What one client holds.

    Args:
        held: how much of each resource.
        open: how to give up each of its groups that wait for members, the newest last.
    """

    held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESOURCES, 0))
    open: dict[object, Callable[[], None]] = field(default_factory=dict)


class Room:
    """Counts the groups, members and bytes that clients hold, and refuses what would pass a bound.

    A client may have all the room that others do not use. When there is no more, one with less than its fair share (a
    bound divided by the clients that hold something) takes it from the client that has most: that loses its newest open
    group (longest queue drop; Suter et al. 1999). So nobody can lock others out, and a single client is only refused.

    One room may be shared by several rendezvous and whatever else holds bytes.

    Args:
        limits: `max_groups`, `max_members` and `max_bytes`.
    """

    def __init__(self, limits: GatherLimits) -> None:
        self._most = {name: int(getattr(limits, f"max_{name}")) for name in RESOURCES}
        self._shares: dict[Hashable, Share] = {}
        self._held = dict.fromkeys(RESOURCES, 0)
        self._forgetting: list[Callable[[], bool]] = []
        self.remembered_bytes = 0
        """Bytes that are given up where others need them."""

    @property
    def held_bytes(self) -> int:
        """All bytes that are held, without the remembered ones."""
        return self._held["bytes"]

    def forgets_by(self, forget_oldest: Callable[[], bool]) -> None:
        """Add a way to free remembered bytes: it forgets something, and says whether there was anything."""
        self._forgetting.append(forget_oldest)

    def lacks(self, members: int) -> str | None:
        """Which bound a new group of so many members would pass; None where there is room."""
        return next((name for name, more in (("groups", 1), ("members", members)) if self._over(name, more)), None)

    def take(self, client: Hashable, *, groups: int = 0, members: int = 0, bytes: int = 0) -> None:  # noqa: A002 - it is what it is
        """Let a client hold more.

        Raises:
            GatherFullError: there is no room; nothing was changed but that others may have lost a group.
        """
        share = self._shares.get(client) or Share()
        asked = {"groups": groups, "members": members, "bytes": bytes}
        for name, more in asked.items():
            while more and self._over(name, more):
                self._give_up_for(client, share, name, more)
        while bytes and self._over("bytes", self.remembered_bytes + bytes) and any(one() for one in self._forgetting):
            pass
        self._shares[client] = share
        self._add(share, asked, 1)

    def give(self, client: Hashable, *, groups: int = 0, members: int = 0, bytes: int = 0) -> None:  # noqa: A002 - as above
        """Give room back."""
        share = self._shares[client]
        self._add(share, {"groups": groups, "members": members, "bytes": bytes}, -1)
        if not any(share.held.values()):
            del self._shares[client]

    def count(self, client: Hashable, *, bytes: int) -> None:  # noqa: A002 - as above
        """Count bytes that are held already (or, less than 0, no more), whatever the bound says."""
        self._add(self._shares.setdefault(client, Share()), {"bytes": bytes}, 1)
        self.give(client)

    def opened(self, client: Hashable, group: object, give_up: Callable[[], None]) -> None:
        """Name an open group of a client that holds something, and how it is given up."""
        self._shares[client].open[group] = give_up

    def closed(self, client: Hashable, group: object) -> None:
        """Say that a group takes no more members: it is not given up any more."""
        self._shares[client].open.pop(group, None)

    def _over(self, name: str, more: int) -> bool:
        return self._held[name] + more > self._most[name]

    def _add(self, share: Share, amounts: dict[str, int], sign: int) -> None:
        for name, amount in amounts.items():
            share.held[name] += sign * amount
            self._held[name] += sign * amount

    def _give_up_for(self, client: Hashable, share: Share, name: str, more: int) -> None:
        """Make the client that holds most give up its newest open group, if this one has less than its fair share."""
        clients = len(self._shares) + (client not in self._shares)
        if share.held[name] + more <= self._most[name] // clients:
            heaviest = max(self._shares.values(), key=lambda one: one.held[name])
            if heaviest is not share and heaviest.open:
                _, give_up = heaviest.open.popitem()
                give_up()
                return
        held, most = self._held[name], self._most[name]
        raise GatherFullError(f"{held} {name} are held, and {more} more would pass {most} (max_{name})")
