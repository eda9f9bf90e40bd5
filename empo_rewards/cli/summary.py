"""The table that `score` ends with."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from empo_rewards.group import Cause

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
    "pass_at_g": "pass@G",
}
"""Metrics that are shown as means over the groups that have them, in this order."""


class Summary:
    """Adds up rows of scores, as they are written, so that those of an earlier run count too."""

    def __init__(self) -> None:
        self.groups = 0
        self.responses = 0
        self.rejected = 0
        self.by_status: Counter[str] = Counter()
        self.by_cause: Counter[str] = Counter()
        self._values: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.undecided = 0.0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one group's row (`GroupScore.to_dict`)."""
        self.groups += 1
        self.responses += row["size"]
        self.by_status[row["status"]] += 1
        if row["cause"] is not None:
            self.by_cause[row["cause"]] += 1
        for name in MEANS:
            if name in row["metrics"]:
                total = self._values[name]
                total[0] += row["metrics"][name]
                total[1] += 1
        self.undecided += row["metrics"].get("undecided_pairs", 0.0)

    def mean(self, name: str) -> float:
        """The mean of a metric over the groups that have it; NaN where none has."""
        total, count = self._values[name]
        return total / count if count else math.nan

    @property
    def faults(self) -> int:
        """Groups that a fault left without rewards."""
        return sum(count for cause, count in self.by_cause.items() if Cause(cause).is_fault)

    @property
    def exit_code(self) -> int:
        """0, 3 (rows were rejected), 4 (faults) or 5 (both)."""
        return {(False, False): 0, (True, False): 3, (False, True): 4, (True, True): 5}[
            self.rejected > 0, self.faults > 0
        ]

    def table(self) -> Table:
        """The table."""
        table = Table("", "", show_header=False)
        table.add_row("groups", f"{self.groups:,}")
        table.add_row("responses", f"{self.responses:,}")
        for status, count in sorted(self.by_status.items()):
            table.add_row(status, f"{count:,}")
        for cause, count in sorted(self.by_cause.items()):
            table.add_row(f"  {cause}", f"{count:,}")
        if self.rejected:
            table.add_row("rejected rows", f"{self.rejected:,}")
        if self.undecided:
            table.add_row("undecided pairs (counted as different)", f"{self.undecided:,.0f}")
        for name, label in MEANS.items():
            if name in self._values:
                table.add_row(label, f"{self.mean(name):.4f}")
        return table
