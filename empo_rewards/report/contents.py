"""What is in a report: the numbers of every group, in columns, and the texts of as many groups as there is room for."""

from __future__ import annotations

import gzip
import json
import math
import random
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from empo_rewards._version import __version__
from empo_rewards.errors import StageError
from empo_rewards.group import Group, GroupScore
from empo_rewards.monitor import Monitor
from empo_rewards.report.comparison import Change
from empo_rewards.report.numbers import (
    LEAST,
    MEANS,
    SURE,
    GroupNumbers,
    expectation,
    mean,
    overview,
    step_means,
    step_of,
)
from empo_rewards.scorer import PairReason

EXCERPT = 160
"""Characters of a prompt and of a majority answer in the table, which are also what its search sees."""

PART_BYTES = 256 * 1024
"""About how much of the texts, as JSON, the page decodes at a time."""

MAX_REASONED = 24
"""Groups with more different answers than this get no reasons in the page: there would be too many pairs."""

OVERVIEW_PART = 0.1
"""The part of the time that a growing report's overview may take to compute, where it takes longer than ..."""

QUICK_SECONDS = 0.05
"""... this; else it is computed whenever it is asked for."""

MAX_POINTS = 300
"""Points of a curve over the steps; past it a point is the mean of several steps."""

ID_CHARS = 1_000
"""Characters of an id that the page holds."""

COLUMNS = (
    *("id", "prompt", "majority", "share", "entropy", "clusters", "size", "blanks", "flagged", "undecided"),
    *("accuracy", "right", "outcome", "changes", "part", "slot", "expected"),
)

Why = Callable[[Group, Iterable[tuple[int, int]]], Sequence[PairReason]]
"""The reasons for pairs of responses of a group: `Scorer.why`."""


class Contents:
    """Collects the data of a report, group by group.

    Args:
        title: shown as the page's heading.
        max_bytes: bytes of texts that the page holds, before they are compressed (to about a quarter). Once it is full,
            a uniform sample of the groups keeps its texts; groups that had a fault or a wrong and sure majority are
            kept before others.
        why: gives the reasons for pairs of answers; None: the page says that they are not known.
        groups_per_step: of groups that have no training step so many, in their order, count as one.
    """

    def __init__(
        self,
        title: str,
        *,
        max_bytes: int = 128 * 2**20,
        why: Why | None = None,
        groups_per_step: int | None = None,
    ) -> None:
        self.title = title
        self.first = 0
        """The number of the first row that is held: those before were forgotten."""
        self.numbers: list[GroupNumbers] = []
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.comparison: dict[str, Any] | None = None
        """The totals of a comparison (see `Differences.to_dict`), where the report is of one."""
        self.why_not = "Write the report with the rollouts and --config, and it says why."
        """What the page says where `why` is None."""
        self._max_bytes = max_bytes
        self._why = why
        self._groups_per_step = groups_per_step
        self._texts: dict[int, bytes] = {}
        self._held = 0
        self._rank: dict[int, float] = {}
        """A random number below 1, and 1 more for groups that matter most; those of the highest ranks are held."""
        self._lowest = 0.0
        self._random = random.Random(0)  # noqa: S311 - a sample, not a secret
        self._monitor = Monitor()
        self._signs: dict[float, dict[str, float]] = {}
        """The monitor's numbers at the end of each step."""
        self._overview: dict[str, Any] | None = None
        """The overview of the groups when it was computed last."""
        self._is_current = False
        self._next_overview = 0.0
        self._contradictions = 0
        """Groups where a reason says "equal" of two clusters, or "different" of one: another configuration's."""

    def add(
        self,
        group: Group | None,
        score: GroupScore,
        *,
        before: GroupScore | None = None,
        changes: Sequence[Change] = (),
    ) -> None:
        """Take in a score, with its group where the rollouts are at hand.

        In a comparison: with another score of the same group, and what differs.
        """
        row = self.rows
        numbers = numbers_of(group, score)
        if numbers.step is None and self._groups_per_step is not None:
            numbers = replace(numbers, step=float(row // self._groups_per_step + 1))
        self.numbers.append(numbers)
        for name, value in _cells(group, score, numbers, changes).items():
            self.columns[name].append(value)
        if group is not None and numbers.step is not None:
            self._monitor(group, score)
            self._signs[numbers.step] = {f"monitor/{name}": value for name, value in self._monitor.metrics().items()}
        self._is_current = False
        failed = score.cause is not None and score.cause.is_fault
        rank = self._random.random() + (failed or self._wrong_and_sure())
        if rank > self._lowest:
            self._keep(row, rank, self._detail(group, score, before))

    @property
    def rows(self) -> int:
        """How many rows there were so far: the number of the next one."""
        return self.first + len(self.numbers)

    @property
    def is_current(self) -> bool:
        """Whether the overview that was computed last has all groups."""
        return self._is_current

    def forget(self, count: int) -> None:
        """Forget the first groups that are held. The others keep the numbers of their rows."""
        for row in range(self.first, self.first + count):
            self._held -= len(self._texts.pop(row, b""))
            self._rank.pop(row, None)
        for values in (self.numbers, *self.columns.values()):
            del values[:count]
        self.first += count
        self._is_current = False

    def index(self, *, after: int = 0, fresh: bool = True) -> dict[str, Any]:
        """The page's index: the overview, and the columns of the rows that are held from `after` on.

        Args:
            after: the rows that the page has.
            fresh: whether the overview must have all groups; if not, computing it takes a small part of the time
                (`OVERVIEW_PART`), however fast the groups come.
        """
        if not self._is_current and (fresh or self._overview is None or time.monotonic() >= self._next_overview):
            start = time.monotonic()
            self._overview = {**overview(self.numbers), "steps": self._over_steps()}
            self._is_current = True
            if self.comparison is not None:
                self._overview["expectation"] = None  # groups that differ are no sample of the rollouts
            elif self._overview["steps"] is not None:
                self._overview["expectation"] = self._expectation_at_first()
            self._next_overview = start + max(0.0, time.monotonic() - start - QUICK_SECONDS) / OVERVIEW_PART
        return {
            "title": self.title,
            "version": __version__,
            "notices": [*self._sampled(), *self._contradicted()],
            "comparison": self.comparison,
            "first": self.first,
            "rows": self.rows,
            "overview": self._overview,
            "columns": {name: values[max(0, after - self.first) :] for name, values in self.columns.items()},
        }

    def detail(self, row: int) -> Any:
        """The texts of one group; None where they are not held."""
        return json.loads(self._texts[row]) if row in self._texts else None

    def parts(self) -> Iterator[str]:
        """The texts in parts, each compressed and in base64; sets the columns `part` and `slot`."""
        part: list[bytes] = []
        number = size = 0
        for row in sorted(self._texts):
            place = row - self.first
            self.columns["part"][place], self.columns["slot"][place] = number, len(part)
            part.append(self._texts[row])
            size += len(part[-1])
            if size >= PART_BYTES:
                yield packed(b"[" + b",".join(part) + b"]")
                part, size, number = [], 0, number + 1
        if part:
            yield packed(b"[" + b",".join(part) + b"]")

    # Texts

    def _detail(self, group: Group | None, score: GroupScore, before: GroupScore | None) -> bytes:
        texts = list(dict.fromkeys(answer.text for answer in score.answers if answer.text))
        first = {text: position for position, text in reversed(list(enumerate(a.text for a in score.answers)))}
        reasons, why_not = None, self._why_not(texts)
        if group is not None and self._why is not None and score.clusters and len(texts) <= MAX_REASONED:
            pairs = [(first[one], first[other]) for one, other in combinations(texts, 2)]
            try:
                found = self._why(group, pairs)
            except StageError as error:
                found, why_not = [], f"The reasons could not be found: {error}"
            names = (f"{i},{j}" for i, j in combinations(range(len(texts)), 2))
            reasons = {name: vars(reason) for name, reason in zip(names, found, strict=False)}
            self._contradictions += any(
                (reason.relation == "equal") != (score.clusters[i] == score.clusters[j])
                for (i, j), reason in zip(pairs, found, strict=False)
            )
        fields = ["answers", "clusters", "cluster_shares", "rewards", "flags", "correct", "detail"]
        record, earlier = score.to_dict(), None if before is None else before.to_dict()
        detail = {
            **{name: record[name] for name in fields},
            "before": None if earlier is None else {name: earlier[name] for name in (*fields, "entropy", "status")},
            "prompt": None if group is None else group.prompt_text,
            "responses": None if group is None else list(group.responses),
            "reference": [] if group is None else list(group.accepted),
            "advantages": advantages(score),
            "texts": texts,
            "texts_clusters": [score.clusters[first[text]] for text in texts] if score.clusters else [0] * len(texts),
            "reasons": reasons,
            "why_not": why_not,
        }
        return json.dumps(detail, allow_nan=False).encode()

    def _why_not(self, texts: Sequence[str]) -> str:
        if self._why is None:
            return self.why_not
        return f"There are {len(texts)} different answers, too many pairs for the page: use explain --why I J."

    def _wrong_and_sure(self) -> bool:
        """Whether the group that was added last is so."""
        return self.columns["right"][-1] == 0 and (self.columns["share"][-1] or 0) >= SURE

    def _keep(self, row: int, rank: float, text: bytes) -> None:
        """Hold a group's texts. Past the bound those of the lowest ranks go, and no lower rank is held any more."""
        self._texts[row], self._rank[row] = text, rank
        self._held += len(text)
        if self._held <= self._max_bytes:
            return
        for lowest in sorted(self._rank, key=self._rank.__getitem__):
            if self._held <= 0.9 * self._max_bytes or len(self._texts) == 1:
                break
            self._held -= len(self._texts.pop(lowest))
            self._lowest = self._rank.pop(lowest)

    def _sampled(self) -> list[str]:
        if len(self._texts) == len(self.numbers):
            return []
        said = (
            f"The page has the numbers of all {len(self.numbers):,} groups and the texts of a sample of "
            f"{len(self._texts):,}: groups with a fault, or a wrong and sure majority, first, then others at random. "
            "--max-megabytes sets its size."
        )
        return [said]

    def _contradicted(self) -> list[str]:
        if not self._contradictions:
            return []
        said = (
            f"In {self._contradictions:,} groups the reasons contradict the clusters: --config is not what made these "
            "scores, or its model answers otherwise now."
        )
        return [said]

    # Steps

    def _expectation_at_first(self) -> str | None:
        """What to expect of training that begins as the run did: by the groups of its first steps."""
        ordered = sorted((n for n in self.numbers if n.step is not None), key=lambda numbers: numbers.step or 0.0)
        first = [numbers for numbers in ordered if numbers.step == ordered[0].step]
        shares = [
            n.metrics["largest_share"] for n in max(first, ordered[:LEAST], key=len) if "largest_share" in n.metrics
        ]
        found = expectation(shares)
        return found and f"By the groups of the first steps: {found[0].lower()}{found[1:]}"

    def _over_steps(self) -> dict[str, Any] | None:
        by_step: dict[float, list[GroupNumbers]] = {}
        for numbers in self.numbers:
            if numbers.step is not None:
                by_step.setdefault(numbers.step, []).append(numbers)
        if len(by_step) < 2:
            return None
        steps = sorted(by_step)
        width = math.ceil(len(steps) / MAX_POINTS)
        points = [steps[start : start + width] for start in range(0, len(steps), width)]
        rows = [
            {
                "step": point[-1],
                **step_means([numbers for step in point for numbers in by_step[step]]),
                **self._signs.get(point[-1], {}),
            }
            for point in points
        ]
        signs = sorted({name for row in self._signs.values() for name in row} - {"monitor/alarm"})
        return {
            "rows": rows,
            "steps_a_point": width,
            "signs": [name.removeprefix("monitor/") for name in signs],
            "alarm": next((step for step in steps if self._signs.get(step, {}).get("monitor/alarm")), None),
        }


def numbers_of(group: Group | None, score: GroupScore) -> GroupNumbers:
    """The numbers of one group."""
    return GroupNumbers(
        status=score.status,
        cause=None if score.cause is None else score.cause.value,
        size=score.size,
        expected=score.expected_size,
        rewards=tuple(reward for reward in score.rewards if reward is not None),
        lengths=tuple(len(answer.text) for answer in score.answers if answer.text),
        found_by=_counts(answer.extractor or f"({answer.kind.value})" for answer in score.answers),
        guards=_counts(name for names in score.flags for name in names),
        metrics={name: score.metrics[name] for name in MEANS if name in score.metrics},
        right=score.correct,
        source=(group.data_source or "") if group is not None else "",
        step=None if group is None else step_of(group.metadata),
    )


def _counts(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(names).items())


def advantages(score: GroupScore) -> list[float | None] | None:
    """(r - mean)/std of the rewards of a group, times its scale, plus its shift: the advantages of GRPO.

    As in arXiv 2402.03300, sec. 4.1.2, with the sample's standard deviation, as TRL's and verl's trainers take it; None
    for a group with fewer than two rewards.
    """
    rewards = [reward for reward in score.rewards if reward is not None]
    if len(rewards) < 2:
        return None
    center = mean(rewards)
    deviation = math.hypot(*(reward - center for reward in rewards)) / math.sqrt(len(rewards) - 1)
    found = [
        None
        if reward is None
        else score.advantage_scale * (reward - center) / (deviation + 1e-6) + score.advantage_shift
        for reward in score.rewards
    ]
    # Rewards near the largest number have no finite deviation.
    return found if all(value is None or math.isfinite(value) for value in found) else None


def _cells(group: Group | None, score: GroupScore, numbers: GroupNumbers, changes: Sequence[Change]) -> dict[str, Any]:
    """One group's row of the table."""
    metrics = score.metrics
    voted = metrics.get("largest_share") != 0
    largest = next((a.text for a, k in zip(score.answers, score.clusters, strict=False) if k == 0 and voted), "")
    right = numbers.majority_is_right
    return {
        "id": (score.id or "")[:ID_CHARS],
        "prompt": "" if group is None else " ".join(group.prompt_text[: 4 * EXCERPT].split())[:EXCERPT],
        "majority": largest[:EXCERPT],
        "share": metrics.get("largest_share"),
        "entropy": score.entropy,
        "clusters": len(score.cluster_shares),
        "size": score.size,
        "blanks": round(metrics.get("blanks", 0.0) * score.size),
        "flagged": sum(bool(names) for names in score.flags),
        "undecided": int(metrics.get("undecided_pairs", 0)),
        "accuracy": metrics.get("accuracy"),
        "right": None if right is None else int(right),
        "outcome": score.status.value if score.cause is None else score.cause.value,
        "changes": ", ".join(change.value for change in changes),
        "part": -1,
        "slot": 0,
        "expected": score.expected_size,
    }


def packed(data: bytes) -> str:
    """Bytes compressed and in base64, as a block of the page holds them."""
    return b64encode(gzip.compress(data, 6, mtime=0)).decode("ascii")
