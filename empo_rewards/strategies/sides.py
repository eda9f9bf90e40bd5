"""Strategies for groups with rollouts of several sides: a paraphrase of the prompt, or a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.errors import GroupError
from empo_rewards.protocols import Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class CoRewarding(Strategy):
    """Co-rewarding: 1 for an answer that is the majority of the *other* sides, else 0 (arXiv 2508.00410).

    Co-rewarding-I: one side answers the prompt, the other a paraphrase of it, and each labels the other. II: one side
    is the policy's, the other that of a slowly updated teacher, whose rollouts are not trained on. Without a majority
    on the other sides, because they have no answer or do not vote, the reward is 0. Of tied majorities each counts;
    the authors' code takes the one that it met first.
    """

    formula = "1 in a largest cluster of the other sides, else 0"
    paper = "Co-rewarding, arXiv 2508.00410"

    uses_weights = True
    uses_sides = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        by_side = side_shares(given, "co_rewarding")
        sides = given.group.sides or ()
        labels = {}
        for side in by_side:
            others = [shares for other, shares in by_side.items() if other != side]
            labels[side] = _largest([sum(parts) for parts in zip(*others, strict=True)])
        return Rewards(
            tuple(float(k in labels[side]) for k, side in zip(given.clusters.labels, sides, strict=True)),
        )


@dataclass(frozen=True)
class SelfHarmony(Strategy):
    """Self-Harmony: 1 for the answer with the largest harmonic mean of its shares on both sides, else 0.

    The label is argmax_a 2 p(a) p'(a) / (p(a) + p'(a)), with the shares p among the rollouts of the prompt and p' among
    those of its reframing (arXiv 2511.01191). Without an answer that both sides have, no answer is the label. Of tied
    answers each counts.
    """

    formula = "1 for argmax of 2pp'/(p + p') over both sides, else 0"
    paper = "Self-Harmony, arXiv 2511.01191"

    uses_weights = True
    uses_sides = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        by_side = side_shares(given, "self_harmony")
        if len(by_side) != 2:
            raise GroupError(f"the strategy `self_harmony` needs two sides, and this group has {len(by_side)}")
        one, other = by_side.values()
        label = _largest([2 * p * q / (p + q) if p and q else 0.0 for p, q in zip(one, other, strict=True)])
        return Rewards(tuple(float(k in label) for k in given.clusters.labels))


def side_shares(given: StrategyInput, who: str) -> dict[str, list[float]]:
    """For each side, in the order of their names, the share of each answer among its votes.

    A response without an answer counts in the votes of its side, as it does in those of a group.

    Args:
        given: of the strategy.
        who: the strategy's name, for messages.

    Raises:
        GroupError: the group has fewer than two sides.
    """
    group, clusters = given.group, given.clusters
    names = sorted(set(group.sides or ()))
    if len(names) < 2:
        raise GroupError(f"the strategy `{who}` needs rollouts of two sides, and this group has those of one")
    weights = group.vote_weights or (1.0,) * len(group)
    masses = {name: [0.0] * clusters.voters for name in names}
    totals = dict.fromkeys(names, 0.0)
    for side, k, weight in zip(group.sides or (), clusters.labels, weights, strict=True):
        totals[side] += weight
        if k < clusters.voters:
            masses[side][k] += weight
    return {name: [mass / (totals[name] or 1.0) for mass in masses[name]] for name in names}


def _largest(shares: Sequence[float]) -> frozenset[int]:
    """The answers with the largest share, where that is above 0."""
    top = max(shares, default=0.0)
    return frozenset(k for k, share in enumerate(shares) if share == top > 0)
