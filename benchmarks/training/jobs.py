"""Jobs: pre-train a base, measure it, or train it. Jobs are independent, and each makes one result file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .methods import METHODS
from .settings import SIZES, Settings
from .store import Store, made_by
from .task import held_out

Progress = Callable[[int, int], None]

Prompts = Literal["development", "fresh"]

_TRAINED_ON = {"development": "development prompts", "fresh": "prompts"}
_TESTED_ON = {"development": "development test", "fresh": "test"}


class Job(Protocol):
    """A run."""

    @property
    def name(self) -> str:
        """Unique name; the path of its result."""
        ...

    @property
    def needs(self) -> tuple[Job, ...]:
        """The jobs that must be done before."""
        ...

    def is_done(self, store: Store) -> bool:
        """Whether its results exist."""
        ...

    def run(self, store: Store, progress: Progress) -> None:
        """Run the job, and store the result."""
        ...


@dataclass(frozen=True)
class Pretraining:
    """Make the bases of one seed, one per checkpoint."""

    size: str
    seed: int

    @property
    def name(self) -> str:
        """Named by the seed."""
        return f"pretraining/{self.seed}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """No other job."""
        return ()

    def is_done(self, store: Store) -> bool:
        """Whether both the result and the models exist; models can be deleted while results are kept."""
        bases = (store.base(self.seed, checkpoint) for checkpoint in SIZES[self.size].checkpoints)
        return store.has(self.name) and all(base.is_dir() for base in bases)

    def run(self, store: Store, progress: Progress) -> None:
        """Pre-train, and store models and losses."""
        from .pretrain import pretrain  # noqa: PLC0415 - planning and plotting need no torch

        size = SIZES[self.size]
        start = now()
        made = pretrain(size, self.seed, lambda checkpoint: store.base(self.seed, checkpoint), progress)
        store.write(self.name, {**origin(start), **made})


class StoredJob:
    """Base class of jobs on a base whose result is stored under the job's name."""

    prompts: Prompts

    @property
    def name(self) -> str:
        """Named by the prompts, `_base`, and `_what`."""
        return f"{self.prompts}/{self._base}/{self._what}"

    @property
    def _base(self) -> str:
        raise NotImplementedError

    @property
    def _what(self) -> str:
        raise NotImplementedError

    def is_done(self, store: Store) -> bool:
        """Whether its result exists."""
        return store.has(self.name)


class TrainingJob(StoredJob):
    """Base class of jobs that train with one method and seed."""

    method: str
    seed: int
    changed: Settings | None

    @property
    def _what(self) -> str:
        """Name by everything that can differ."""
        return f"{self.method}-{self.seed}{self._label}"

    @property
    def _label(self) -> str:
        """Settings that differ from the defaults."""
        return "" if self.changed is None else self.changed.label(self._defaults)

    @property
    def _defaults(self) -> Settings:
        raise NotImplementedError


@dataclass(frozen=True)
class _OnBase(StoredJob):
    """Base class of jobs on a base, given by its seed and its number of pre-training steps."""

    size: str
    base: int
    checkpoint: int
    prompts: Prompts

    @property
    def _base(self) -> str:
        return f"{self.base}-{self.checkpoint}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The base."""
        return (Pretraining(self.size, self.base),)


@dataclass(frozen=True)
class Measurement(_OnBase):
    """Measure a base without training, at temperature 1 and at `COLD`: the baselines."""

    @property
    def _what(self) -> str:
        return "base"

    def run(self, store: Store, progress: Progress) -> None:
        """Evaluate, and store both evaluations."""
        from .evaluate import COLD, evaluate  # noqa: PLC0415 - as above
        from .model import new_tokenizer, saved_model  # noqa: PLC0415

        start = now()
        size, model = SIZES[self.size], saved_model(store.base(self.base, self.checkpoint))
        test = held_out(size.task)[_TESTED_ON[self.prompts]][: size.judged]
        measured: dict[str, Any] = {}
        for done, (key, temperature) in enumerate((("base", 1.0), ("colder", COLD)), 1):
            measured[key] = evaluate(model, new_tokenizer(), size.task, test, temperature=temperature).to_dict()
            progress(done, 2)
        store.write(self.name, {**origin(start), **measured})


@dataclass(frozen=True)
class Training(TrainingJob, _OnBase):
    """Train a base with one method and seed."""

    method: str
    seed: int
    changed: Settings | None = None

    @property
    def _defaults(self) -> Settings:
        return SIZES[self.size].settings

    def run(self, store: Store, progress: Progress) -> None:
        """Train, and store the run and the groups that it scored."""
        from .evaluate import SLACK_TOKENS, evaluate  # noqa: PLC0415 - as above
        from .grpo import Problems, Trainee, train  # noqa: PLC0415
        from .model import new_tokenizer, saved_model  # noqa: PLC0415
        from .record import Recorder  # noqa: PLC0415

        start = now()
        size, model = SIZES[self.size], saved_model(store.base(self.base, self.checkpoint))
        problems, test = (held_out(size.task)[sets[self.prompts]] for sets in (_TRAINED_ON, _TESTED_ON))
        method = METHODS[self.method]
        settings = self.changed or size.settings
        given = Problems(problems, test[size.judged :][: settings.probes])
        tokenizer, watched = new_tokenizer(), test[: settings.watched]
        trainee = Trainee(
            model,
            tokenizer,
            size.task.solution_tokens + SLACK_TOKENS,
            lambda trained: evaluate(trained, tokenizer, size.task, watched).to_dict(),
            {},
        )
        recorder = Recorder(frozenset(problem.prompt for problem in given.probes))
        run, groups = train(trainee, method, settings, self.seed, given, recorder, progress)
        after = evaluate(model, tokenizer, size.task, test[: size.judged]).to_dict()
        store.write_groups(self.name, groups)
        what = {"method": self.method, "seed": self.seed, "changed": self._label}
        store.write(self.name, {**origin(start), **what, "after": after, **run})


def origin(start: tuple[float, float]) -> dict[str, Any]:
    """Provenance of a result, its CPU time, and its wall time (including other load on the machine).

    Args:
        start: `now()` when it began.
    """
    from .model import device_name  # noqa: PLC0415 - as above

    computed, passed = (round(after - before, 1) for after, before in zip(now(), start, strict=True))
    return {**made_by(device_name()), "seconds": passed, "cpu_seconds": computed}


def now() -> tuple[float, float]:
    """The CPU time of this process, and the wall clock, in seconds."""
    return time.process_time(), time.perf_counter()
