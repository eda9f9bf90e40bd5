"""Totals over scored groups: the table that `score` prints, and the exit code."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from empo_rewards.errors import InputError, counted
from empo_rewards.group import Cause, Group, GroupScore, Status

MEANS = {
    "entropy": "mean entropy (nats)",
    "unanimous": "unanimous groups",
    "largest_share": "mean largest share",
    "blanks": "blank responses",
    "refusals": "refusals",
    "truncated": "cut-off answers",
    "flagged": "responses caught by a guard",
    "extraction_disagreement": "responses on which the choice rules disagree",
    "accuracy": "accuracy",
    "pseudo_label_accuracy": "pseudo-label accuracy",
    "reward_accuracy": "reward accuracy",
    "pass_at_g": "pass@G",
}
"""Metrics whose mean over the groups that have them is shown, in this order, with their labels."""


class Summary:
    """Totals over the scores of groups, and the number of rejected rows. It pickles."""

    def __init__(self) -> None:
        self.groups = 0
        self.responses = 0
        self.rejected = 0
        self.first_rejection = ""
        self.left_out = 0
        self.first_variant = ""
        self.sizes: Counter[int] = Counter()
        self.incomplete = 0
        self.lost_labels = 0
        self.first_lost_label = ""
        self.by_status: Counter[Status] = Counter()
        self.by_cause: Counter[Cause] = Counter()
        self._totals: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()
        self.undecided = 0.0

    def reject(self, where_and_why: str) -> None:
        """Count one bad row."""
        self.rejected += 1
        self.first_rejection = self.first_rejection or where_and_why

    def check_read(self) -> None:
        """Check that rows could be read.

        Raises:
            InputError: there were rows, and none of them could.
        """
        if self.rejected and not self.groups:
            raise InputError(f"no row can be read, of {self.rejected:,}: {self.first_rejection}")

    def leave_out(self, variant: str) -> None:
        """Count one row that repeats the responses of those of a variant."""
        self.left_out += 1
        self.first_variant = self.first_variant or variant

    def add(self, score: GroupScore, group: Group | None = None) -> None:
        """Count one group; with the group itself, also what reading it has left out."""
        conflict = ((group.metadata or {}).get("conflicts") or {}) if group is not None else {}
        if isinstance(conflict, Mapping) and "reference" in conflict:
            self.lost_labels += 1
            self.first_lost_label = self.first_lost_label or str(conflict["reference"])
        self.sizes[score.size] += 1
        self.incomplete += score.size < score.expected_size
        self.groups += 1
        self.responses += score.size
        self.by_status[score.status] += 1
        if score.cause is not None:
            self.by_cause[score.cause] += 1
        for name in MEANS:
            if name in score.metrics:
                self._totals[name] += score.metrics[name]  # type: ignore[assignment] # a counter of numbers
                self._numbers[name] += 1
        self.undecided += score.metrics.get("undecided_pairs", 0.0)

    def merge(self, later: Summary) -> None:
        """Add the totals of the groups that follow."""
        self.first_rejection = self.first_rejection or later.first_rejection
        self.first_lost_label = self.first_lost_label or later.first_lost_label
        self.first_variant = self.first_variant or later.first_variant
        for name in ("groups", "responses", "rejected", "left_out", "incomplete", "lost_labels", "undecided"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        for name in ("sizes", "by_status", "by_cause", "_totals", "_numbers"):
            getattr(self, name).update(getattr(later, name))

    def mean(self, name: str) -> float:
        """The mean of a metric over the groups that have it; NaN where none has."""
        return self._totals[name] / self._numbers[name] if self._numbers[name] else math.nan

    @property
    def faults(self) -> int:
        """Groups that a fault left without rewards."""
        return sum(count for cause, count in self.by_cause.items() if cause.is_fault)

    @property
    def exit_code(self) -> int:
        """0, 3 (rows were rejected), 4 (faults left groups unscored) or 5 (both)."""
        return {(False, False): 0, (True, False): 3, (False, True): 4, (True, True): 5}[
            self.rejected > 0, self.faults > 0
        ]

    def remarks(self, group_size: int | None) -> Iterator[str]:
        """What a user should know beside the table, a line each."""
        if self.left_out:
            yield (
                f"{counted(self.left_out, 'row')} left out, with the responses of others for another filter than"
                f" {self.first_variant}"
            )
        if self.lost_labels:
            yield (
                f"{counted(self.lost_labels, 'group')} scored without the label: {self.first_lost_label}"
                if not self.first_lost_label.startswith("[")
                else f"{counted(self.lost_labels, 'group')} scored without a label: the rows have different ones,"
                f" as in {self.first_lost_label}"
            )
        if group_size is None and not self.incomplete and 2 * self.sizes[1] > self.groups:
            yield (
                f"one response, compared with nothing, in {self.sizes[1]:,} of {counted(self.groups, 'group')}; "
                "rows make a group by equal prompts, and by equal uids where they have them"
            )
        (usual, count), *others = self.sizes.most_common() or [(0, 0)]
        if group_size is None and others and not self.incomplete and count > self.groups / 2:
            smaller = sum(number for size, number in others if size < usual)
            if smaller:
                yield (
                    f"{usual} responses in {counted(count, 'group')}, fewer in {smaller:,}, paid as if whole:"
                    f" --group-size {usual} leaves what is not whole unscored"
                )

    def to_dict(self) -> dict[str, Any]:
        """The totals and means, JSON-ready."""
        return {
            "groups": self.groups,
            "responses": self.responses,
            "status": {status.value: count for status, count in sorted(self.by_status.items())},
            "causes": {cause.value: count for cause, count in sorted(self.by_cause.items())},
            "rejected_rows": self.rejected,
            "undecided_pairs": self.undecided,
            "means": {name: self.mean(name) for name in MEANS if name in self._numbers},
            "exit_code": self.exit_code,
        }

    def table(self) -> Table:
        """The totals and means as a table."""
        table = Table("", "", show_header=False)
        table.add_row("groups", f"{self.groups:,}")
        table.add_row("responses", f"{self.responses:,}")
        for status, count in sorted(self.by_status.items()):
            table.add_row(status.value, f"{count:,}")
        for cause, count in sorted(self.by_cause.items()):
            table.add_row(f"  {cause.value}", f"{count:,}")
        if self.rejected:
            table.add_row("rejected rows", f"{self.rejected:,}")
        if self.undecided:
            table.add_row("undecided pairs (counted as different)", f"{self.undecided:,.0f}")
        for name, label in MEANS.items():
            if name in self._numbers:
                table.add_row(label, f"{self.mean(name):.4f}")
        return table
