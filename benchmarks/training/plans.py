"""Plans: the sets of runs for each question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, product
from typing import Any

from .jobs import Job, Measurement, Training
from .settings import SIZES, SMOLLM, Settings
from .words_jobs import TEMPERATURES, WordsMeasurement, WordsTraining

DEVELOPMENT_BASE = 0
"""The seed of the bases used to select settings; other bases are used for evaluation."""

PROOF_BASES = (11, 12)
PROOF_METHODS = ("empo", "majority", "reference", "random")
PROOF_SEEDS = (1, 2, 3)

BEST_MEANS = "kl-strong"
"""The best remedy against collapse on the development bases."""

MEANS = ("kl", "share", "scrl", "band", "guards", "unscaled")
"""Other remedies: a weaker KL term, the library's components, and a setting of the trainer."""

MAP_SEEDS = (1, 2, 3)

_HASTY: dict[str, Any] = {"prompts": 12, "learning_rate": 2e-4, "warm_up": 4}

TRIED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("empo", {"steps": 60}),
    ("empo", _HASTY),
    ("reference", _HASTY),
)
"""The candidates among which settings were selected (method, changes), on the strongest development base."""


MONITOR_BASES = (13, 14)
"""Bases used for evaluation only, not to select any settings."""

FAST = (5e-4, 1e-3)
"""Learning rates of five and ten times the default, at which a run may collapse within a few steps."""


def fast(size: str, rate: float) -> Settings:
    """A few steps at such a rate, evaluated after each."""
    usual = SIZES[size].settings
    return replace(usual, steps=16, prompts=2 * usual.prompts, learning_rate=rate, evaluate_every=1)


def proof(size: str) -> list[Job]:
    """Comparison with labels: the strongest base of each seed, on fresh prompts."""
    last = SIZES[size].checkpoints[-1]
    jobs: list[Job] = [Measurement(size, base, last, "fresh") for base in PROOF_BASES]
    for seed, base, method in product(PROOF_SEEDS, PROOF_BASES, PROOF_METHODS):
        jobs.append(Training(size, base, last, "fresh", method, seed))
    return jobs


def atlas(size: str) -> list[Job]:
    """Dependence on the base: each with and without labels; those in the middle also with remedies and more seeds."""
    checkpoints = SIZES[size].checkpoints
    places = list(product(checkpoints, PROOF_BASES))
    jobs: list[Job] = [Measurement(size, base, checkpoint, "fresh") for checkpoint, base in places]
    plain = product(MAP_SEEDS[:1], places, ("reference", "empo"))
    central = list(product(middle(size), PROOF_BASES))
    best = product(MAP_SEEDS, central, ("empo", BEST_MEANS))
    others = product(MAP_SEEDS[:1], central, MEANS)
    rest = product(MAP_SEEDS[:1], places, (BEST_MEANS,))
    ceiling = product(MAP_SEEDS[:2], central, ("reference",))
    runs = dict.fromkeys(chain(plain, best, others, rest, ceiling))
    return jobs + [Training(size, base, checkpoint, "fresh", method, seed) for seed, (checkpoint, base), method in runs]


def middle(size: str) -> tuple[int, ...]:
    """The checkpoints of bases of medium strength."""
    return SIZES[size].checkpoints[1:4]


def development(size: str) -> list[Job]:
    """Selection of settings: GRPO's on the strongest base, remedies and the monitor's on the others."""
    checkpoints = SIZES[size].checkpoints
    last = checkpoints[-1]
    jobs: list[Job] = [Measurement(size, DEVELOPMENT_BASE, checkpoint, "development") for checkpoint in checkpoints]
    train = partial(Training, size, DEVELOPMENT_BASE)
    jobs += [train(last, "development", name, 0, replace(SIZES[size].settings, **changes)) for name, changes in TRIED]
    jobs += [train(place, "development", "empo", 0) for place in checkpoints]
    jobs += [train(last, "development", "random", seed) for seed in (0, 1)]
    means = ("kl", "kl-strong", "unscaled")
    jobs += [train(place, "development", mean, 0) for place, mean in product(middle(size), means)]
    jobs += [train(place, "development", "kl-stiff", 0) for place in middle(size)[:2]]
    jobs += [
        train(place, "development", "empo", 0, fast(size, rate)) for place, rate in product(checkpoints[2::2], FAST)
    ]
    return jobs


def falls(size: str) -> list[Job]:
    """More runs for the monitor: random rewards on bases not used by the proof; runs with more probes, more often."""
    checkpoints = SIZES[size].checkpoints
    coins = product(checkpoints[3:-1], PROOF_BASES)
    jobs: list[Job] = [Training(size, base, checkpoint, "fresh", "random", 1) for checkpoint, base in coins]
    watched = replace(SIZES[size].settings, probes=96, probe_every=2)
    places = product(checkpoints[:4], PROOF_BASES)
    return jobs + [Training(size, base, checkpoint, "fresh", "empo", 4, watched) for checkpoint, base in places]


def monitor(size: str) -> list[Job]:
    """Evaluation of the monitor: bases of other seeds, more probes, and curves on as many problems as the end."""
    checkpoints = SIZES[size].checkpoints[:-1]
    precise: dict[str, Any] = {"watched": SIZES[size].judged, "probes": 96}
    usual = replace(SIZES[size].settings, **precise, probe_every=2)
    runs: list[tuple[Sequence[int], str, int, Settings]] = [
        (checkpoints, "empo", 1, usual),
        (checkpoints[-3::2], "empo", 1, replace(fast(size, FAST[0]), **precise)),
        (checkpoints[-1:], "random", 1, usual),
        (checkpoints, BEST_MEANS, 1, usual),
        (checkpoints[1:-1], "empo", 2, usual),
        *((checkpoints[-3::2], "empo", 2, replace(fast(size, rate), **precise, probe_every=1)) for rate in FAST),
    ]
    return [
        Training(size, base, checkpoint, "fresh", method, seed, settings)
        for places, method, seed, settings in runs
        for checkpoint, base in product(places, MONITOR_BASES)
    ]


PUBLISHED_PLACES = ((350, 15), (400, 15), (500, 15), (400, 16), (500, 16), (700, 16))
"""Bases of medium strength (majority shares of .25 to .45), made on another machine than those of the map: there the
same seed gives another base, so that they have baselines of their own."""

PUBLISHED_DEVELOPMENT = ((500, 17), (700, 17))


def published(size: str) -> list[Job]:
    """Methods of other papers, and more votes than are trained on, on bases of medium strength, beside baselines.

    RESTRAIN's constants are selected on another base before. What was best, the KL term, has all seeds.
    """
    usual = SIZES[size].settings
    more = replace(usual, group=2 * usual.group)
    tried = product(PUBLISHED_DEVELOPMENT, ("restrain", "restrain-wide", "restrain-strict"))
    jobs: list[Job] = [
        Training(size, base, checkpoint, "development", method, 0) for (checkpoint, base), method in tried
    ]
    jobs += [Measurement(size, base, checkpoint, "fresh") for checkpoint, base in PUBLISHED_PLACES]
    methods = (
        *((name, None) for name in ("reference", "empo", BEST_MEANS, "restrain-strict")),
        *((name, more) for name in ("scrl-32", "votes", "votes-kl")),
    )
    runs = [(MAP_SEEDS[0], place, *method) for place, method in product(PUBLISHED_PLACES, methods)]
    runs += [(seed, place, BEST_MEANS, None) for seed, place in product(MAP_SEEDS[1:], PUBLISHED_PLACES)]
    return jobs + [
        Training(size, base, checkpoint, "fresh", method, seed, settings)
        for seed, (checkpoint, base), method, settings in runs
    ]


WORDS_SEEDS = (1, 2)
WORDS_ORDER = ("empo", "reference", "random", "exact", "kl", "majority", "minilm")

WORDS_TRIED: tuple[dict[str, Any], ...] = ({"learning_rate": 3e-4}, {"learning_rate": 1e-4}, {})
"""The candidates among which the settings of `smollm` were selected."""


def words_proof() -> list[Job]:
    """Comparison with labels on questions in words, one seed of all methods before the next."""
    runs = [WordsTraining("fresh", method, seed) for seed, method in product(WORDS_SEEDS, WORDS_ORDER)]
    return [*(WordsMeasurement("fresh", at) for at in TEMPERATURES), *runs]


def words_development() -> list[Job]:
    """Selection of settings on other families and another seed."""
    tried = (replace(SMOLLM.settings, **changes) for changes in WORDS_TRIED)
    return [
        *(WordsMeasurement("development", at) for at in TEMPERATURES),
        *(WordsTraining("development", "empo", 0, settings) for settings in tried),
        WordsTraining("development", "reference", 0),
    ]


PLANS = {
    "development": development,
    "proof": proof,
    "map": atlas,
    "falls": falls,
    "monitor": monitor,
    "published": published,
}
WORDS_PLANS = {"development": words_development, "proof": words_proof}


def jobs_of(size: str, plan: str) -> list[Job]:
    """The jobs of a plan.

    Raises:
        SystemExit: there is no such plan for the size.
    """
    if size != "smollm":
        return PLANS[plan](size)
    if plan not in WORDS_PLANS:
        raise SystemExit(f"size smollm has the plans {', '.join(WORDS_PLANS)}, not {plan}")
    return WORDS_PLANS[plan]()


def every_job(size: str) -> Mapping[str, Job]:
    """All jobs of all plans and their requirements, by name."""

    def with_needs(job: Job) -> Iterator[Job]:
        yield job
        for needed in job.needs:
            yield from with_needs(needed)

    plans = WORDS_PLANS if size == "smollm" else PLANS
    return {job.name: job for plan in plans for planned in jobs_of(size, plan) for job in with_needs(planned)}
