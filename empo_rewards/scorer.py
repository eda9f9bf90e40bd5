"""The Scorer: from a group to its score, by way of answers, clusters, entropy and rewards."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from types import TracebackType
from typing import Literal, overload

from empo_rewards import metrics
from empo_rewards.clustering import answer_set, cluster, expand_similarities
from empo_rewards.config import Component, ScorerConfig, Source, load_config
from empo_rewards.errors import ConfigError, PluginError, StageError, stage
from empo_rewards.extraction.pipeline import extract, reference_answer
from empo_rewards.group import Answer, AnswerKind, Cause, Group, GroupScore, Status
from empo_rewards.plugins.registry import Registry, load
from empo_rewards.protocols import (
    AnswerSet,
    Clusters,
    EntropyEstimator,
    EntropyInput,
    EquivalenceBackend,
    Extractor,
    Guard,
    Kind,
    Observer,
    Penalty,
    Relation,
    Rewards,
    Strategy,
    StrategyInput,
)
from empo_rewards.references import Question, check

log = logging.getLogger("empo_rewards")

BATCH_SIZE = 64
"""Groups that `score_many` compares in one call of the backend."""

ROUNDING = 1e-5
"""By how much a similarity may miss what it must be: models compute them in single precision."""

ASYNC_THREADS = 4
"""Calls of `ascore` that are scored at the same time; more wait their turn. Scoring is CPU work."""


PROBES = 3
"""Sets of a batch that are asked alone where the backend raised for the batch: if all fail, it is the backend."""


BLANK = Answer("", AnswerKind.BLANK)


@dataclass
class _Draft:
    """A group on its way through the stages."""

    group: Group
    unlabelled: Group
    """The group without its reference: what everything sees that a reward can depend on."""
    answers: tuple[Answer, ...] = ()
    penalties: tuple[tuple[tuple[str, Penalty], ...], ...] = ()
    votes: tuple[str | None, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    clusters: Clusters | None = None
    similarities: tuple[tuple[float, ...], ...] | None = None
    entropy: float | None = None
    correct: tuple[bool, ...] | None = None
    failure: StageError | None = None

    @property
    def flags(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(name for name, _ in penalties) for penalties in self.penalties)


class Scorer:
    """Scores groups. The same group gets the same score, whatever came before; but for what observers say of the run.

    Safe to share between threads. It pickles (as its configuration; the copy starts its own processes), and `close`,
    or leaving it as a context manager, ends every process that it started.

    Args:
        config: a preset's name, the path of a YAML file, a mapping (see `load_config`), or a configuration.
        plugins: modules or objects with hooks, beside those that are installed.

    Raises:
        ConfigError, PluginError, MissingExtraError: the configuration cannot be built; nothing was started.
    """

    def __init__(self, config: Source | ScorerConfig = "empo-math", *, plugins: Sequence[object] = ()) -> None:
        registry = load(plugins)
        self.config = load_config(config, registry.presets)
        self._plugins = tuple(plugins)

        def named(base: type[Kind], components: Sequence[Component], path: str) -> tuple[tuple[str, Kind], ...]:
            return tuple(
                (component.name, registry.create(base, component, f"{path}[{position}]"))
                for position, component in enumerate(components)
            )

        self._extractors = named(Extractor, self.config.extraction.extractors, "extraction.extractors")
        self._guards = named(Guard, self.config.guards, "guards")
        self._observers = named(Observer, self.config.observers, "observers")
        self._failed_observers: set[str] = set()
        self._estimator = registry.create(EntropyEstimator, self.config.entropy, "entropy")
        self._strategy = registry.create(Strategy, self.config.strategy, "strategy")
        self._backend = registry.create(EquivalenceBackend, self.config.equivalence, "equivalence")
        self._check_estimator(registry)
        self._threads, self._pid = _new_threads(), os.getpid()

    def _check_estimator(self, registry: Registry) -> None:
        """Check that the backend gives similarities where the estimator needs them, and nats where they are needed."""
        name = self.config.entropy.name
        if self._estimator.uses_similarities and not self._backend.gives_similarities:
            able = sorted(
                other
                for other, entry in registry.entries["equivalence backend"].items()
                if isinstance(entry.factory, type)
                and issubclass(entry.factory, EquivalenceBackend)
                and entry.factory.gives_similarities
            )
            raise ConfigError(
                f"entropy: {name!r} needs similarities of answers, which the equivalence backend "
                f"{self.config.equivalence.name!r} does not give; of the backends these do: {', '.join(able) or 'none'}"
            )
        if self._estimator.in_nats:
            return
        if self.config.gates.entropy.unit == "relative":
            raise ConfigError(f"gates.entropy.unit: relative is to ln G, and what {name!r} measures is not in nats")
        if self._strategy.uses_nats:
            strategy = self.config.strategy.name
            raise ConfigError(
                f"strategy: {strategy!r} sets entropy against ln G, and what {name!r} measures is not in nats"
            )

    @classmethod
    def from_config(cls, source: Source | ScorerConfig, *, plugins: Sequence[object] = ()) -> Scorer:
        """The former way to say `Scorer(source)`."""
        warnings.warn("Scorer.from_config(x) is now Scorer(x)", DeprecationWarning, stacklevel=2)
        return cls(source, plugins=plugins)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.config, self._plugins)

    def __enter__(self) -> Scorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes and threads that scoring started. A closed scorer can be used again."""
        self._backend.close()
        self._threads.shutdown()
        self._threads = _new_threads()

    def score(self, group: Group) -> GroupScore:
        """The score of one group."""
        return self._score_batch([group])[0]

    @overload
    def score_many(
        self, groups: Iterable[Group], *, batch_size: int = ..., with_groups: Literal[False] = ...
    ) -> Iterator[GroupScore]: ...
    @overload
    def score_many(
        self, groups: Iterable[Group], *, batch_size: int = ..., with_groups: Literal[True]
    ) -> Iterator[tuple[Group, GroupScore]]: ...
    def score_many(
        self, groups: Iterable[Group], *, batch_size: int = BATCH_SIZE, with_groups: bool = False
    ) -> Iterator[GroupScore] | Iterator[tuple[Group, GroupScore]]:
        """The scores of many groups, in order, each behind its group where `with_groups` asks for it.

        Args:
            groups: read as scoring gets on; never more than `batch_size` are held.
            batch_size: groups that are compared in one call of the backend.
            with_groups: whether pairs of a group and its score are given.
        """
        return self._pairs(groups, batch_size) if with_groups else (s for _, s in self._pairs(groups, batch_size))

    def _pairs(self, groups: Iterable[Group], batch_size: int) -> Iterator[tuple[Group, GroupScore]]:
        remaining = iter(groups)
        while batch := list(islice(remaining, batch_size)):
            yield from zip(batch, self._score_batch(batch), strict=True)

    async def ascore(self, group: Group) -> GroupScore:
        """`score`, off the event loop."""
        if self._pid != os.getpid():  # threads do not survive a fork
            self._threads, self._pid = _new_threads(), os.getpid()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.score, group)

    def extract(self, response: str, prompt: str = "") -> Answer:
        """The answer of one response, as `score` would find it."""
        return extract(response, prompt, self._extractors, skip=self.config.extraction.skip_thinking)

    def audit(self, response: str, prompt: str) -> dict[str, str | None]:
        """What each rule of the extractors that have several says; empty where none of them applies to the prompt."""
        return {
            f"{name}.{rule}": answer
            for name, extractor in self._extractors
            for rule, answer in extractor.audit(response, prompt).items()
        }

    def _score_batch(self, groups: Sequence[Group]) -> list[GroupScore]:
        drafts = [self._read(group) for group in groups]
        whole = [draft for draft in drafts if draft.failure is None]
        sets = [answer_set(d.votes, d.group.prompt_text, similarities=self._estimator.uses_similarities) for d in whole]
        for draft, answers, relation in zip(whole, sets, self._relate(sets), strict=True):
            if isinstance(relation, Exception):
                draft.failure = StageError(Cause.EQUIVALENCE_FAILED, relation)
                continue
            draft.clusters = cluster(draft.votes, answers, relation)
            if answers.similarities and relation.similarities is not None:
                draft.similarities = expand_similarities(draft.votes, answers, relation.similarities)
            draft.metrics["undecided_pairs"] = float(len(relation.undecided))
            draft.metrics.update({f"equivalence/{name}": value for name, value in relation.metrics.items()})
        self._check_references(whole)
        return [self._observed(draft.group, self._finish(draft)) for draft in drafts]

    def _observed(self, group: Group, score: GroupScore) -> GroupScore:
        """The score with what the observers say of the run so far.

        An observer that raises costs its own numbers: its `failed` is 1, and the log names it once.
        """
        said: dict[str, float] = {}
        for name, observer in self._observers:
            try:
                observer(group, score)
                said.update({f"{name}/{key}": value for key, value in observer.metrics().items()})
            except Exception as error:
                said[f"{name}/failed"] = 1.0
                if name not in self._failed_observers:
                    self._failed_observers.add(name)
                    log.error("the observer %r failed, and its numbers are missing: %r", name, error, exc_info=error)
        return replace(score, metrics={**score.metrics, **said}) if said else score

    def _read(self, group: Group) -> _Draft:
        """Answers, and what the guards say of them."""
        size, prompt = len(group), group.prompt_text
        draft = _Draft(group, group if group.reference is None else replace(group, reference=None))
        draft.answers, draft.votes, draft.penalties = (BLANK,) * size, (None,) * size, ((),) * size
        try:
            with stage(Cause.EXTRACTION_FAILED):
                draft.answers = tuple(self.extract(response, prompt) for response in group.responses)
                audits = [self.audit(response, prompt) for response in group.responses]
            if any(audits):
                disagree = sum(len(set(audit.values()) - {None}) > 1 for audit in audits)
                draft.metrics["extraction_disagreement"] = disagree / size
            with stage(Cause.GUARD_FAILED):
                draft.penalties = self._penalties(draft)
        except StageError as failure:
            draft.failure = failure
            return draft
        draft.votes = tuple(
            answer.text if answer.kind is AnswerKind.ANSWER and not any(p.void for _, p in penalties) else None
            for answer, penalties in zip(draft.answers, draft.penalties, strict=True)
        )
        return draft

    def _penalties(self, draft: _Draft) -> tuple[tuple[tuple[str, Penalty], ...], ...]:
        """For each response the penalties of the guards that caught it, by their names."""
        caught = [(name, guard(draft.unlabelled, draft.answers)) for name, guard in self._guards]
        for name, verdicts in caught:
            _same_length(verdicts, len(draft.group), f"the guard {name!r} gave", "verdicts")
        return tuple(
            tuple((name, penalty) for name, verdicts in caught if (penalty := verdicts[position]) is not None)
            for position in range(len(draft.group))
        )

    def _relate(self, sets: Sequence[AnswerSet]) -> list[Relation | Exception]:
        """One relation for each set, or why there is none. A set that fails costs no other set its relation.

        Where the backend raises for a batch, a few of its sets are asked alone; if all of them fail it is the backend
        that fails. Otherwise each half is asked by itself.
        """
        found = self._ask(sets)
        if not isinstance(found, Exception):
            return found
        if len(sets) > PROBES:
            probes = [sets[position * (len(sets) - 1) // (PROBES - 1)] for position in range(PROBES)]
            if all(isinstance(self._ask([probe]), Exception) for probe in probes):
                return [found] * len(sets)
        return self._relate_by_halves(sets, found)

    def _relate_by_halves(self, sets: Sequence[AnswerSet], error: Exception) -> list[Relation | Exception]:
        if len(sets) == 1:
            return [error]
        relations: list[Relation | Exception] = []
        for half in (sets[: len(sets) // 2], sets[len(sets) // 2 :]):
            found = self._ask(half)
            relations += self._relate_by_halves(half, found) if isinstance(found, Exception) else found
        return relations

    def _ask(self, sets: Sequence[AnswerSet]) -> list[Relation | Exception] | Exception:
        """The backend's relations of these sets, checked; or what was raised."""
        try:
            relations = list(self._backend.relate(sets)) if sets else []
            _same_length(relations, len(sets), "the backend gave", "relations")
            for answers, relation in zip(sets, relations, strict=True):
                if isinstance(relation, Relation):
                    _check_pairs(relation, len(answers.texts))
                    if answers.similarities:
                        _check_similarities(relation.similarities, len(answers.texts))
        except Exception as error:  # noqa: BLE001 - given back as data: it belongs to some of the sets
            return error
        return relations

    def _check_references(self, drafts: Sequence[_Draft]) -> None:
        """Fill in which responses agree with their group's reference, where there is one."""
        asked = [
            (draft, Question(draft.clusters, self._gold(draft.group), draft.group.prompt_text))
            for draft in drafts
            if draft.clusters is not None and draft.group.accepted
        ]
        for (draft, _), correct in zip(asked, check([question for _, question in asked], self._relate), strict=True):
            if isinstance(correct, Exception):
                log.warning("%s: its reference could not be compared: %s", _name(draft.group), correct)
                draft.metrics["reference_failed"] = 1.0
            else:
                draft.correct = correct

    def _gold(self, group: Group) -> tuple[str, ...]:
        """The accepted answers, each as it is written."""
        return tuple(reference_answer(label, group.prompt_text, self._extractors) for label in group.accepted)

    def _finish(self, draft: _Draft) -> GroupScore:
        """Entropy, rewards, gates, penalties."""
        group = draft.group
        expected = group.expected_size or len(group)
        rewards, cause, detail = Rewards((None,) * len(group)), None, None
        try:
            if draft.failure is not None:
                raise draft.failure
            rewards, cause, detail = self._reward(draft)
        except StageError as failure:
            cause, detail = failure.cause, str(failure)
            log.warning("%s is unscored: %s: %s", _name(group), cause.value, detail)
        if expected > len(group) and not (cause and cause.is_fault):
            if self.config.incomplete == "unscored":
                rewards = replace(rewards, rewards=(None,) * len(group))
            cause, detail = Cause.INCOMPLETE, f"{len(group)} of {expected} members came"
        unscored = all(reward is None for reward in rewards.rewards)
        partial = Status.PARTIAL if expected > len(group) else Status.SCORED
        clusters = draft.clusters
        return GroupScore(
            rewards=rewards.rewards,
            answers=draft.answers,
            clusters=clusters.labels if clusters else (),
            cluster_shares=clusters.shares if clusters else (),
            entropy=draft.entropy,
            status=Status.UNSCORED if unscored else partial,
            cause=cause,
            detail=detail,
            metrics=_metrics(draft),
            flags=draft.flags,
            correct=draft.correct,
            advantage_scale=rewards.advantage_scale,
            id=group.id,
            size=len(group),
            expected_size=expected,
        )

    def _reward(self, draft: _Draft) -> tuple[Rewards, Cause | None, str | None]:
        """The rewards of a group whose clusters are known, and the gate that stopped it."""
        group, clusters = draft.unlabelled, draft.clusters
        assert clusters is not None  # noqa: S101 - a group without clusters has failed before
        size = len(group)
        with stage(Cause.ENTROPY_FAILED):
            draft.entropy = _finite(self._estimator(EntropyInput(group, clusters, draft.similarities)))
        gate = self.config.gates.outside(draft.entropy, clusters)
        if gate is not None:
            return Rewards((self.config.gates.reward,) * size), *gate
        with stage(Cause.STRATEGY_FAILED):
            correct = draft.correct if self._strategy.uses_reference else None
            rewards = self._strategy(StrategyInput(group, clusters, draft.entropy, correct))
            _same_length(rewards.rewards, size, "the strategy gave", "rewards")
            for number in (*rewards.rewards, rewards.advantage_scale):
                if number is not None:
                    _finite(number)
        if all(reward is None for reward in rewards.rewards):
            return rewards, Cause.ABSTAINED, f"the strategy {self.config.strategy.name!r} gave no reward"
        return replace(rewards, rewards=_penalised(rewards.rewards, draft)), None, None


def _finite(number: float) -> float:
    """The number, where it is one that a trainer can use."""
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number to train on")
    return float(number)


def _same_length(given: Sized, wanted: int, who: str, what: str) -> None:
    if len(given) != wanted:
        raise PluginError(f"{who} {len(given)} {what} where {wanted} were wanted")


def _check_pairs(relation: Relation, size: int) -> None:
    """Each pair must be (i, j) with i < j < size: one that is not would join answers that nobody compared."""
    for i, j in (*relation.equal, *relation.undecided):
        if not 0 <= i < j < size:
            raise PluginError(f"the backend gave the pair ({i}, {j}) for {size} answers")


def _check_similarities(rows: Sequence[Sequence[float]] | None, size: int) -> None:
    """They must be those of `size` texts: in [0, 1], symmetric, 1 on the diagonal; all of it but for rounding."""
    if rows is None:
        raise PluginError("the backend gave no similarities where they were asked for")
    _same_length(rows, size, "the backend gave", "rows of similarities")
    for i, row in enumerate(rows):
        _same_length(row, size, "the backend gave", "similarities in a row")
        for j in range(i + 1):
            value = row[j]
            if not -ROUNDING <= value <= 1 + ROUNDING:  # NaN too
                raise PluginError(f"the backend gave the similarity {value}; it lies in [0, 1]")
            if not abs(value - (1.0 if i == j else rows[j][i])) <= ROUNDING:
                raise PluginError("the backend gave similarities that are not symmetric with ones on the diagonal")


def _penalised(rewards: Sequence[float | None], draft: _Draft) -> tuple[float | None, ...]:
    """The lowest penalty of those that a response has, in place of its reward."""
    result = []
    for reward, penalties in zip(rewards, draft.penalties, strict=True):
        given = [penalty.reward for _, penalty in penalties if penalty.reward is not None]
        result.append(min(given) if given else reward)
    return tuple(result)


def _metrics(draft: _Draft) -> dict[str, float]:
    found = {**draft.metrics, **metrics.of_answers(draft.answers, draft.flags)}
    if draft.clusters is not None:
        found.update(metrics.of_clusters(draft.clusters))
        if draft.correct is not None:
            found.update(metrics.of_labels(draft.clusters, draft.correct))
    if draft.entropy is not None:
        found["entropy"] = draft.entropy
    return found


def _new_threads() -> ThreadPoolExecutor:
    """Threads of the scorer's own, started at first use.

    Not the event loop's executor: a framework may have filled that with callers who wait for this very score.
    """
    return ThreadPoolExecutor(ASYNC_THREADS, thread_name_prefix="empo-rewards")


def _name(group: Group) -> str:
    return "a group" if group.id is None else f"group {group.id!r}"


def _rebuild(config: ScorerConfig, plugins: Sequence[object]) -> Scorer:
    return Scorer(config, plugins=plugins)
