"""What travels between the stages: groups that are to be scored, and scores, as Arrow tables.

A row of either may be a bad row of the input instead: then `rejected` says why, and `row` shows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from empo_rewards.group import Group, GroupScore
from empo_rewards.reading import Located, ReadGroup, Rejected

TEXT: pa.DataType = pa.large_string()
NUMBER: pa.DataType = pa.float64()
COUNT: pa.DataType = pa.int64()
FLAG: pa.DataType = pa.bool_()

PLACE = {"source": TEXT, "line": COUNT, "rejected": TEXT, "row": TEXT}
"""Where a row of the input stands, and why it is bad (null: it is not)."""

LOCATED = pa.schema({"group": TEXT, **PLACE})
"""Groups that are to be scored, as JSON: their metadata and labels may be anything."""

ANSWER = pa.struct(
    list({"text": TEXT, "kind": TEXT, "extractor": TEXT, "start": COUNT, "end": COUNT, "truncated": FLAG}.items())
)

SCORES = pa.schema(
    {
        "id": TEXT,
        "rewards": pa.list_(NUMBER),
        "answers": pa.list_(ANSWER),
        "clusters": pa.list_(COUNT),
        "cluster_shares": pa.list_(NUMBER),
        "entropy": NUMBER,
        "status": TEXT,
        "cause": TEXT,
        "detail": TEXT,
        "metrics": pa.map_(TEXT, NUMBER),
        "flags": pa.list_(pa.list_(TEXT)),
        "correct": pa.list_(FLAG),
        "advantage_scale": NUMBER,
        "advantage_shift": NUMBER,
        "trained": pa.list_(FLAG),
        "size": COUNT,
        "expected_size": COUNT,
        **PLACE,
    }
)
"""Scores: the fields of `GroupScore`."""


def table_of(rows: Iterable[Mapping[str, Any]], schema: Any) -> Any:
    """A table; what a row does not have is null."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def located_row(item: Located) -> dict[str, Any]:
    """A group, or a bad row, as a row of `LOCATED`."""
    if isinstance(item, Rejected):
        return {"source": item.source, "line": item.line, "rejected": item.cause, "row": item.row}
    return {"source": item.source, "line": item.line, "group": json.dumps(vars(item.group), default=str)}


def located_of(row: Mapping[str, Any]) -> Located:
    """The inverse of `located_row`."""
    if row["rejected"] is not None:
        return Rejected(row["line"], row["rejected"], row["source"], row["row"] or "")
    return ReadGroup(Group(**json.loads(row["group"])), row["line"], row["source"])


def score_row(score: GroupScore, place: ReadGroup) -> dict[str, Any]:
    """A score as a row of `SCORES`."""
    values = score.to_dict()
    return {**values, "metrics": list(values["metrics"].items()), "source": place.source, "line": place.line}


def scores_in(table: Any) -> Iterator[GroupScore | Rejected]:
    """The scores and bad rows of a table with the schema `SCORES`."""
    for row in table.to_pylist():
        if row["rejected"] is not None:
            yield Rejected(row["line"], row["rejected"], row["source"], row["row"] or "")
        else:
            yield GroupScore.from_dict({**row, "metrics": dict(row["metrics"])})
