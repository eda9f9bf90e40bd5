"""What the report says about many groups: pure functions of their numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from empo_rewards.group import Status
from empo_rewards.metrics import Z95, pass_at_k, powers, wilson

SURE = 0.8
"""From this share of its largest cluster on, a group counts as sure of its majority."""

BINS = 20

ENTROPY_BINS = 8
"""Bins of the charts of accuracy by entropy; each holds about as many groups as the others."""

MAX_NAMES = 30
"""Extractors and guards that the overview counts, the commonest first."""

MEANS = (
    "entropy",
    "largest_share",
    "unanimous",
    "clusters",
    "blanks",
    "refusals",
    "truncated",
    "flagged",
    "accuracy",
    "pseudo_label_accuracy",
    "reward_accuracy",
)

LABELLED = frozenset(("accuracy", "pseudo_label_accuracy", "largest_share"))
"""Metrics that every group with a label and clusters has."""


@dataclass(frozen=True)
class GroupNumbers:
    """The numbers of one group that the report keeps.

    Args:
        status, cause: of the score.
        size, expected: members seen, and members expected.
        rewards: those that there are.
        lengths: characters of each answer that was found.
        metrics: those of the score's metrics that `MEANS` names.
        right: for each response whether it agrees with the label; None without a label.
        source: the data source, or "".
        step: the training step; None where the rollouts have none.
        found_by: how many answers each extractor found, and in parentheses what else there is in place of an answer.
        guards: on how many responses each guard fired.
    """

    status: Status
    cause: str | None
    size: int
    expected: int
    rewards: tuple[float, ...]
    lengths: tuple[int, ...]
    metrics: Mapping[str, float]
    right: tuple[bool, ...] | None
    source: str = ""
    step: float | None = None
    found_by: tuple[tuple[str, int], ...] = ()
    guards: tuple[tuple[str, int], ...] = ()

    @property
    def majority_is_right(self) -> bool | None:
        """See the function of this name."""
        return majority_is_right(self.metrics)

    @property
    def is_labelled(self) -> bool:
        """Whether it has all that `labelled` says of a group."""
        return self.right is not None and self.metrics.keys() >= LABELLED


def step_of(metadata: Mapping[str, Any] | None) -> float | None:
    """The training step of a group, which rollouts carry as metadata; None without one, or where it is no number."""
    try:
        step = float((metadata or {}).get("step", math.nan))
    except (TypeError, ValueError, OverflowError):
        return None
    return step if math.isfinite(step) else None


def majority_is_right(metrics: Mapping[str, float]) -> bool | None:
    """Whether the majority is the label; with tied majorities, whether more than half of them are; None without one."""
    value = metrics.get("pseudo_label_accuracy")
    return None if value is None else value > 0.5


def overview(groups: Sequence[GroupNumbers]) -> dict[str, Any]:
    """The numbers of the report's first view, JSON-ready."""
    usual = Counter(group.size for group in groups).most_common(1)[0][0] if groups else 0
    entropies = [group.metrics["entropy"] for group in groups if "entropy" in group.metrics]
    rewards = [reward for group in groups for reward in group.rewards]
    shares = [group.metrics["largest_share"] for group in groups if "largest_share" in group.metrics]
    return {
        "groups": len(groups),
        "responses": sum(group.size for group in groups),
        "status": dict(Counter(group.status.value for group in groups)),
        "causes": dict(Counter(group.cause for group in groups if group.cause is not None).most_common()),
        "sizes": {str(size): count for size, count in sorted(Counter(group.size for group in groups).items())},
        "ragged": sum(group.size < max(group.expected, usual) for group in groups),
        "means": means(groups),
        "entropy": histogram(entropies, BINS, low=0.0) if entropies else None,
        "largest_share": histogram(shares, BINS, low=0.0, high=1.0),
        "rewards": histogram(rewards, BINS) if rewards else None,
        "answer_lengths": histogram([length for group in groups for length in group.lengths], BINS, low=0.0),
        "found_by": counted(group.found_by for group in groups),
        "guards": counted(group.guards for group in groups),
        "labels": labelled(groups),
        "expectation": expectation(shares),
        "sources": by_source(groups),
    }


def counted(parts: Iterable[Iterable[tuple[str, int]]]) -> dict[str, int]:
    """The sums of counts by name, of the `MAX_NAMES` commonest names."""
    sums: Counter[str] = Counter()
    for part in parts:
        for name, count in part:
            sums[name] += count
    return dict(sums.most_common(MAX_NAMES))


def means(groups: Sequence[GroupNumbers]) -> dict[str, float]:
    """The mean of each metric in `MEANS` over the groups that have it."""
    found = {}
    for name in MEANS:
        values = [group.metrics[name] for group in groups if name in group.metrics]
        if values:
            found[name] = mean(values)
    return found


def mean(values: Sequence[float]) -> float:
    """The mean, also of numbers whose sum is not finite."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


def step_means(groups: Sequence[GroupNumbers]) -> dict[str, float]:
    """What the curves over the steps show of the groups of one: `means`, the mean reward, and the unscored share."""
    rewards = [reward for group in groups for reward in group.rewards]
    unscored = sum(group.status is Status.UNSCORED for group in groups) / len(groups)
    return {**means(groups), **({"reward": mean(rewards)} if rewards else {}), "unscored": unscored}


def histogram(
    values: Sequence[float], bins: int, *, low: float | None = None, high: float | None = None
) -> dict[str, list[float] | list[int]]:
    """Counts of equally wide bins: `bins + 1` edges, `bins` counts; the last bin holds its upper edge too."""
    low = min(values, default=0.0) if low is None else low
    high = max(values, default=1.0) if high is None else high
    if high <= low:
        high = low + 1.0
    width = high / bins - low / bins  # the difference itself may not be finite
    if not width > 0:  # numbers too large, or too close, to be told apart
        low, high = sorted((low / 2, high)) if low else (0.0, 1.0)
        width = high / bins - low / bins
    counts = [0] * bins
    for value in values:
        # A value on an edge is in the bin above it, also where a division falls short of a whole number.
        counts[min(bins - 1, max(0, int(value / width - low / width + 1e-9)))] += 1
    return {"edges": [low * (1 - k / bins) + high * (k / bins) for k in range(bins + 1)], "counts": counts}


def labelled(groups: Sequence[GroupNumbers]) -> dict[str, Any] | None:
    """What the labels say: None where no group has one."""
    known = [group for group in groups if group.is_labelled]
    if not known:
        return None
    wrong_and_sure = sum(not group.majority_is_right and group.metrics["largest_share"] >= SURE for group in known)
    with_entropy = sorted(
        (group for group in known if "entropy" in group.metrics), key=lambda group: group.metrics["entropy"]
    )
    found = means(known)
    return {
        "groups": len(known),
        "accuracy": found["accuracy"],
        "pseudo_label_accuracy": found["pseudo_label_accuracy"],
        "reward_accuracy": found.get("reward_accuracy"),
        "sure": SURE,
        "wrong_and_sure": wrong_and_sure,
        "auroc": auroc(
            [-group.metrics["entropy"] for group in with_entropy],
            [bool(group.majority_is_right) for group in with_entropy],
        ),
        "accuracy_by_entropy": [
            _bin(part, mean_interval([group.metrics["accuracy"] for group in part]))
            for part in _parts(with_entropy, ENTROPY_BINS)
        ],
        "majority_by_entropy": [
            _bin(part, wilson(sum(bool(group.majority_is_right) for group in part), len(part)))
            for part in _parts(with_entropy, ENTROPY_BINS)
        ],
        "pass_at_k": [[k, value] for k, value in pass_at_powers(known)],
    }


def _parts(ordered: Sequence[GroupNumbers], parts: int) -> list[Sequence[GroupNumbers]]:
    """At most `parts` runs of about equal length; groups of one entropy stay together."""
    found: list[Sequence[GroupNumbers]] = []
    start = 0
    for k in range(1, parts + 1):
        end = max(start, round(k * len(ordered) / parts))
        while 0 < end < len(ordered) and ordered[end].metrics["entropy"] == ordered[end - 1].metrics["entropy"]:
            end += 1
        if end > start:
            found.append(ordered[start:end])
        start = end
    return found


def _bin(part: Sequence[GroupNumbers], interval: tuple[float, float, float]) -> dict[str, float]:
    rate, least, most = interval
    low, high = part[0].metrics["entropy"], part[-1].metrics["entropy"]
    return {"low": low, "high": high, "groups": len(part), "rate": rate, "least": least, "most": most}


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of values in [0, 1] and its 95% interval by the normal approximation, cut to [0, 1]."""
    middle = mean(values)
    if len(values) == 1:
        return middle, 0.0, 1.0
    variance = math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)
    half = Z95 * math.sqrt(variance / len(values))
    return middle, max(0.0, middle - half), min(1.0, middle + half)


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """The area under the ROC curve: the chance that a positive scores above a negative, ties counted half.

    None where all are positive, or all negative.
    """
    positives = sum(positive)
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    order = sorted(range(len(scores)), key=lambda k: scores[k])
    ranks = 0.0
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        ranks += (start + end + 1) / 2 * sum(positive[k] for k in order[start:end])
        start = end
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def pass_at_powers(groups: Sequence[GroupNumbers]) -> list[tuple[int, float]]:
    """pass@k for k = 1, 2, 4, ... and the most frequent size, over the groups with at least k responses.

    Of sizes that are equally frequent the largest counts.
    """
    counts = [(len(group.right), sum(group.right)) for group in groups if group.right]
    if not counts:
        return []
    sizes = Counter(size for size, _ in counts)
    largest = max(sizes, key=lambda size: (sizes[size], size))
    found = []
    for k in powers(largest):
        values = [pass_at_k(size, right, k) for size, right in counts if size >= k]
        found.append((k, math.fsum(values) / len(values)))
    return found


TRY, TRY_WITH_KL = 0.4, 0.2
"""The mean shares of the most frequent answer from which the map in docs/training.md recommends training."""

LEAST = 8
"""Groups from which on anything is said."""


def expectation(shares: Sequence[float]) -> str | None:
    """Where these groups stand on the map of docs/training.md, in a few sentences; None for fewer than `LEAST`."""
    if len(shares) < LEAST:
        return None
    share, least, most = mean_interval(shares)
    place = f"The mean share of the most frequent answer is {share:.2f} (95% interval {least:.2f} to {most:.2f})."
    if least >= TRY:
        advice = "From 0.4 on, training without labels recovered most of the gain of labels: try it."
    elif most < TRY_WITH_KL:
        advice = "Below 0.2, agreement was not on right answers: train the base first, or choose easier prompts."
    elif least >= TRY_WITH_KL and most < TRY:
        advice = "Between 0.2 and 0.4, plain training often reinforced errors: try it with a KL term."
    else:
        advice = "That interval crosses a border (0.2: train the base first; 0.4: a KL term): sample more prompts."
    return f"{place} {advice} The map is of small models on sums; its borders move with the task and the model."


def by_source(groups: Sequence[GroupNumbers]) -> list[dict[str, Any]]:
    """The means of each data source, the largest first."""
    found: dict[str, list[GroupNumbers]] = {}
    for group in groups:
        found.setdefault(group.source, []).append(group)
    return [
        {
            "name": name or "(none)",
            "groups": len(members),
            "scored": sum(member.status is Status.SCORED for member in members),
            **means(members),
        }
        for name, members in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
