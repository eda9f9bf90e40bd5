"""Which runs answer which question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, product
from typing import Any

from .jobs import Job, Measurement, Training
from .settings import SIZES

DEVELOPMENT_BASE = 0
"""The seed of the bases that settings were chosen on; judged are others."""

PROOF_BASES = (11, 12)
PROOF_METHODS = ("empo", "majority", "reference", "random")
PROOF_SEEDS = (1, 2, 3)

MEANS = ("srt", "share", "band", "kl", "scrl", "guards")
"""What the library offers against collapse."""

MAP_SEED = 1

_HASTY: dict[str, Any] = {"prompts": 12, "learning_rate": 2e-4, "warm_up": 4}

TRIED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("empo", {"steps": 60}),
    ("empo", _HASTY),
    ("reference", _HASTY),
)
"""What the settings were chosen from: methods and changes, on the strongest base of the development seed."""


def proof(size: str) -> list[Job]:
    """Does it teach as much as labels? The strongest base of each seed, on fresh prompts."""
    last = SIZES[size].checkpoints[-1]
    jobs: list[Job] = [Measurement(size, base, last, "fresh") for base in PROOF_BASES]
    for seed, base, method in product(PROOF_SEEDS, PROOF_BASES, PROOF_METHODS):
        jobs.append(Training(size, base, last, "fresh", method, seed))
    return jobs


def atlas(size: str) -> list[Job]:
    """From which bases? Every checkpoint with labels and without, then what the library offers, from the middle on."""
    checkpoints = SIZES[size].checkpoints
    middle = len(checkpoints) // 2 - 1
    order = sorted(checkpoints, key=lambda checkpoint: abs(checkpoints.index(checkpoint) - middle))
    places = list(product(order, PROOF_BASES))
    jobs: list[Job] = [Measurement(size, base, checkpoint, "fresh") for checkpoint, base in places]
    plain = product(("reference", "empo"), places)
    means = ((method, place) for place, method in product(places, MEANS))
    for method, (checkpoint, base) in chain(plain, means):
        jobs.append(Training(size, base, checkpoint, "fresh", method, MAP_SEED))
    return jobs


def development(size: str) -> list[Job]:
    """How the settings were chosen."""
    checkpoints = SIZES[size].checkpoints
    places = (checkpoints[len(checkpoints) // 3], checkpoints[-1])
    jobs: list[Job] = [Measurement(size, DEVELOPMENT_BASE, checkpoint, "development") for checkpoint in places]
    train = partial(Training, size, DEVELOPMENT_BASE, checkpoints[-1], "development")
    jobs += [train(method, 0, replace(SIZES[size].settings, **changes)) for method, changes in TRIED]
    return jobs


PLANS = {"development": development, "proof": proof, "map": atlas}


def every_job(size: str) -> Mapping[str, Job]:
    """All jobs of all plans and what they need, by name."""

    def with_needs(job: Job) -> Iterator[Job]:
        yield job
        for needed in job.needs:
            yield from with_needs(needed)

    return {job.name: job for plan in PLANS.values() for planned in plan(size) for job in with_needs(planned)}
