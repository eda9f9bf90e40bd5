"""`score --engine ray`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from empo_rewards import extras
from empo_rewards.cli.summary import Summary
from empo_rewards.config import ScorerConfig
from empo_rewards.errors import InputError
from empo_rewards.files import resolved
from empo_rewards.group import GroupScore
from empo_rewards.reading import ReadOptions, Rejected
from empo_rewards.reading.sources import STDIN


def score_on_ray(
    sources: list[str],
    target: Path | None,
    settings: ScorerConfig,
    reading: ReadOptions,
    actors: int,
    overwrite: bool,
) -> Summary:
    """Score files on Ray; the totals over all of them."""
    extras.require("ray", "--engine ray")
    if target is None or str(target) == STDIN:
        raise InputError("--engine ray writes a folder: --out FOLDER")
    files = import_module("empo_rewards.integrations.ray.files")
    totals = files.score_files(
        sources, resolved(target), totals_of, config=settings, reading=reading, actors=actors, overwrite=overwrite
    )
    summary = Summary()
    for total in totals:
        summary.merge(total)
    return summary


def totals_of(results: Iterable[GroupScore | Rejected]) -> Summary:
    """The totals over some scores and bad rows."""
    summary = Summary()
    for result in results:
        if isinstance(result, Rejected):
            summary.reject(str(result))
        else:
            summary.add(result)
    return summary
