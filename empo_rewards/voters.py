"""Members of a group that only vote, and those of them that are trained on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from empo_rewards.group import Group


def trained_members(group: Group, count: int | None) -> tuple[bool, ...] | None:
    """For each response whether it is trained on; None: all are.

    Where the group does not say it itself, `count` of its responses are. Papers train on the first ones; here they are
    drawn by a hash of the group's texts, because where members have no ids the first to arrive are the shortest. The
    draw depends on the group's responses alone, not on their order.

    Args:
        group: the group.
        count: how many members are trained on; None: all.
    """
    if group.trained is not None:
        return tuple(group.trained)
    if count is None or count >= len(group):
        return None
    salt = _digest(sorted(map(_encoded, group.responses)))
    seen: Counter[str] = Counter()
    ranks = []
    for response in group.responses:
        ranks.append(_digest([salt, _encoded(response), str(seen[response]).encode()]))
        seen[response] += 1
    last = sorted(ranks)[count - 1]
    return tuple(rank <= last for rank in ranks)


def different_weights(group: Group) -> Sequence[float] | None:
    """The weights of the group's votes; None where they are all the same."""
    return group.vote_weights if group.vote_weights is not None and len(set(group.vote_weights)) > 1 else None


def has_sides(group: Group) -> bool:
    """Whether the group has responses of several sides."""
    return group.sides is not None and len(set(group.sides)) > 1


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _digest(parts: Sequence[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(b"%d:%b" % (len(part), part))
    return digest.digest()
