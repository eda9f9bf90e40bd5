"""The `Scorer`: runs all stages from a group to its score (answers, clusters, entropy, rewards)."""

from __future__ import annotations

import asyncio
import logging
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from types import TracebackType
from typing import Literal, SupportsFloat, TypeVar, overload

from empo_rewards import metrics
from empo_rewards.clustering import answer_set, cluster, expand_similarities
from empo_rewards.config import Component, ScorerConfig, Source, load_located
from empo_rewards.errors import ConfigError, GroupError, PluginError, StageError, stage
from empo_rewards.extraction.pipeline import extract, reference_answer
from empo_rewards.group import Answer, AnswerKind, Cause, Group, GroupScore, Status
from empo_rewards.metrics import finite
from empo_rewards.per_process import PerProcess
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
    Reason,
    Relation,
    Rewards,
    Strategy,
    StrategyInput,
)
from empo_rewards.references import LabelledClusters, check
from empo_rewards.relations import relate
from empo_rewards.turns import checkpoint
from empo_rewards.voters import different_weights, has_sides, trained_members

T = TypeVar("T")

log = logging.getLogger("empo_rewards")

BATCH_SIZE = 64
"""Default number of groups that `score_many` compares in one call of the backend."""

ASYNC_THREADS = 4
"""Number of `ascore` calls scored concurrently; further calls queue. Scoring is CPU-bound."""


PROBES = 3
"""Number of sets retried singly after the backend raised for a batch; if all fail, the backend itself has failed."""


BLANK = Answer("", AnswerKind.BLANK)


@dataclass(frozen=True)
class PairReason:
    """Why two responses of a group are in one cluster, or are not.

    Args:
        relation: "equal" (one cluster), "different", or "undecided" (counted as different).
        rule, facts: the backend's reason (see `Reason`), or what kept the two from being compared.
    """

    relation: Literal["equal", "different", "undecided"]
    rule: str
    facts: Mapping[str, str | float] = field(default_factory=dict)


@dataclass
class _Draft:
    """State of a group between the stages."""

    group: Group
    unlabelled: Group
    """The group without its reference, for all stages that influence rewards."""
    trained: tuple[bool, ...] | None
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
    """Scores groups. A group's score does not depend on other groups, except for the metrics of observers.

    Thread-safe. Pickles as its configuration; the copy starts its own processes. `close`, or leaving the context
    manager, ends every process that it started.

    Args:
        config: a preset's name, the path of a YAML file, a mapping (see `load_config`), or a `ScorerConfig`.
        plugins: modules or objects with hooks, in addition to the installed ones.

    Raises:
        ConfigError, PluginError, MissingExtraError: the configuration cannot be built; nothing was started.
    """

    def __init__(self, config: Source | ScorerConfig = "empo-math", *, plugins: Sequence[object] = ()) -> None:
        registry = load(plugins)
        self.config, places = load_located(config, registry.presets)
        self._plugins = tuple(plugins)
        with places.named():
            self._build(registry)
        self._threads = PerProcess(_new_threads)

    def _build(self, registry: Registry) -> None:
        """Build the components of the configuration.

        Raises:
            ConfigError, PluginError, MissingExtraError: one of them cannot be built.
        """

        def named(base: type[Kind], components: Sequence[Component], path: str) -> tuple[tuple[str, Kind], ...]:
            return tuple(
                (component.name, registry.create(base, component, f"{path}[{position}]"))
                for position, component in enumerate(components)
            )

        self._extractors = named(Extractor, self.config.extraction.extractors, "extraction.extractors")
        self._audited = tuple(item for item in self._extractors if type(item[1]).audit is not Extractor.audit)
        self._guards = named(Guard, self.config.guards, "guards")
        self._observers = named(Observer, self.config.observers, "observers")
        self._failed_observers: set[str] = set()
        self._estimator = registry.create(EntropyEstimator, self.config.entropy, "entropy")
        self._strategy = registry.create(Strategy, self.config.strategy, "strategy")
        self._backend = registry.create(EquivalenceBackend, self.config.equivalence, "equivalence")
        self._check_estimator(registry)

    def _check_estimator(self, registry: Registry) -> None:
        """Check that the backend gives similarities if the estimator needs them, and that nats are used consistently.

        Raises:
            ConfigError: one of the two does not hold.
        """
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
        """Deprecated alias of `Scorer(source)`."""
        warnings.warn("Scorer.from_config(x) is now Scorer(x)", DeprecationWarning, stacklevel=2)
        return cls(source, plugins=plugins)

    @property
    def scales_advantages(self) -> bool:
        """Whether the strategy gives advantages a scale or a shift, which the trainer has to apply."""
        return self._strategy.scales_advantages

    def warn_of_lost_scales(self, trainer: str) -> None:
        """Warn where the strategy gives advantages a scale or a shift, of a trainer that applies neither."""
        if self.scales_advantages:
            log.warning(
                "%s does not apply the scale and the shift that the strategy %r gives to advantages, so the method is "
                "not whole; verl applies them, with the estimator empo_grpo",
                trainer,
                self.config.strategy.name,
            )

    @property
    def asks_a_model(self) -> bool:
        """Whether comparing answers asks a large model or a server (see `EquivalenceBackend`)."""
        return self._backend.asks_a_model

    @property
    def gives_advantages(self) -> bool:
        """Whether rewards must not be divided by their deviation (see `Strategy.gives_advantages`)."""
        return self._strategy.gives_advantages

    @property
    def uses_logprobs(self) -> bool:
        """Whether groups without token log-probabilities are unscored."""
        return self._estimator.uses_logprobs or self._strategy.uses_logprobs

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.config, self._plugins)

    def __enter__(self) -> Scorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes and threads that the scorer started. A closed scorer can be used again."""
        self._backend.close()
        self._strategy.close()
        if (threads := self._threads.pop()) is not None:
            threads.shutdown()

    def score(self, group: Group) -> GroupScore:
        """The score of one group.

        Raises:
            GroupError: it is no `Group`.
        """
        return self._score_batch([_checked_group(group)])[0]

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
        """Iterate over the scores of many groups, in order.

        Args:
            groups: read lazily; at most `batch_size` groups are held at a time. Where reading them raises, the groups
                read before are scored and yielded first.
            batch_size: number of groups compared in one call of the backend.
            with_groups: yield pairs of a group and its score.

        Raises:
            ConfigError: `batch_size` is below 1.
            GroupError: after the scores of the groups before it, where an item is no group.
            Exception: what reading `groups` raises, after the scores of the groups read before.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1")
        return self._pairs(groups, batch_size) if with_groups else (s for _, s in self._pairs(groups, batch_size))

    def _pairs(self, groups: Iterable[Group], batch_size: int) -> Iterator[tuple[Group, GroupScore]]:
        faults: list[Exception] = []
        remaining = until_fault(map(_checked_group, groups), faults)
        while batch := list(islice(remaining, batch_size)):
            yield from zip(batch, self._score_batch(batch), strict=True)
        for fault in faults:
            raise fault

    async def ascore(self, group: Group) -> GroupScore:
        """`score`, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads.get(), self.score, group)

    def why(self, group: Group, pairs: Iterable[tuple[int, int]]) -> list[PairReason]:
        """The reason for each pair of responses, given by their positions; computed when asked, and never for rewards.

        Raises:
            GroupError: a position is not one of the group's.
            StageError: the answers of the group cannot be compared.
        """
        draft, pairs = self._read(group), list(pairs)
        for i, j in pairs:
            if not (0 <= i < len(group) and 0 <= j < len(group)):
                raise GroupError(f"{_name(group)}: no pair {i}, {j} among {len(group)} responses, counted from 0")
        compared = self._compare([draft])
        if draft.failure is not None:
            raise draft.failure
        with stage(Cause.EQUIVALENCE_FAILED):
            return [self._why(*compared[0], i, j) for i, j in pairs]

    def _why(self, draft: _Draft, answers: AnswerSet, relation: Relation, i: int, j: int) -> PairReason:
        left, right = draft.votes[i], draft.votes[j]
        if left is None or right is None:
            silent = i if left is None else j
            voided = draft.answers[silent].kind is AnswerKind.ANSWER
            said = "a guard took its vote" if voided else f"it has no answer ({draft.answers[silent].kind.value})"
            return PairReason("equal" if i == j else "different", "not compared", {f"response {silent}": said})
        if left == right:
            return PairReason("equal", "the same text", {"both": left})
        a, b = answers.texts.index(left), answers.texts.index(right)
        reason = _checked_reason(self._backend.why(answers, a, b))
        clusters = draft.clusters
        assert clusters is not None  # noqa: S101 - set by `why`
        joined, facts = clusters.labels[i] == clusters.labels[j], reason.facts
        if reason.equal is not None and reason.equal is not joined:
            facts = {**facts, "clusters": "joined through other answers" if joined else "kept apart by other answers"}
        undecided = not joined and (min(a, b), max(a, b)) in relation.undecided
        return PairReason("equal" if joined else "undecided" if undecided else "different", reason.rule, facts)

    def extract(self, response: str, prompt: str = "") -> Answer:
        """Extract the answer of one response, as `score` does."""
        checkpoint()
        return extract(response, prompt, self._extractors, skip=self.config.extraction.skip_thinking)

    def audit(self, response: str, prompt: str) -> dict[str, str | None]:
        """The answer of each rule, for extractors with several rules; empty if none of them applies to the prompt."""
        checkpoint()
        return {
            f"{name}.{rule}": answer
            for name, extractor in self._audited
            for rule, answer in extractor.audit(response, prompt).items()
        }

    def _score_batch(self, groups: Sequence[Group]) -> list[GroupScore]:
        drafts = [self._read(group) for group in groups]
        for draft, answers, relation in self._compare(drafts):
            if answers.similarities and relation.similarities is not None:
                draft.similarities = expand_similarities(draft.votes, answers, relation.similarities)
            draft.metrics["undecided_pairs"] = float(len(relation.undecided))
            draft.metrics.update({f"equivalence/{name}": value for name, value in relation.metrics.items()})
        self._check_references(drafts)
        return [self._observed(draft.group, self._finish(draft)) for draft in drafts]

    def _compare(self, drafts: Sequence[_Draft]) -> list[tuple[_Draft, AnswerSet, Relation]]:
        """Compare and cluster the answers of each draft. One that has failed, or fails here, is left out."""
        whole = [draft for draft in drafts if draft.failure is None]
        sets = [answer_set(d.votes, d.group.prompt_text, similarities=self._estimator.uses_similarities) for d in whole]
        compared = []
        for draft, answers, relation in zip(whole, sets, self._relate(sets), strict=True):
            if isinstance(relation, Exception):
                draft.failure = StageError(Cause.EQUIVALENCE_FAILED, relation)
                continue
            draft.clusters = cluster(draft.votes, answers, relation, different_weights(draft.group))
            compared.append((draft, answers, relation))
        return compared

    def _observed(self, group: Group, score: GroupScore) -> GroupScore:
        """Call the observers, and return the score with their metrics added.

        If an observer raises, its metrics are replaced by `NAME/failed` = 1, and its first failure is logged.
        """
        said: dict[str, float] = {}
        for name, observer in self._observers:
            try:
                observer(group, score)
                said.update({f"{name}/{key}": value for key, value in metrics.numbers(observer.metrics()).items()})
            except Exception as error:
                said[f"{name}/failed"] = 1.0
                if name not in self._failed_observers:
                    self._failed_observers.add(name)
                    log.error("the observer %r failed, and its numbers are missing: %r", name, error, exc_info=error)
        return replace(score, metrics={**score.metrics, **said}) if said else score

    def _read(self, group: Group) -> _Draft:
        """Extract the answers of a group and apply the guards."""
        size, prompt = len(group), group.prompt_text
        trained = trained_members(group, self.config.trained)
        is_plain = group.reference is None and trained is None
        draft = _Draft(group, group if is_plain else replace(group, reference=None, trained=trained), trained)
        draft.answers, draft.votes, draft.penalties = (BLANK,) * size, (None,) * size, ((),) * size
        try:
            with stage(Cause.EXTRACTION_FAILED):
                draft.answers = tuple(self.extract(response, prompt) for response in group.responses)
                audits = [self.audit(response, prompt) for response in group.responses] if self._audited else []
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
        """For each response the penalties of the guards that fired, with the guards' names."""
        found: list[list[tuple[str, Penalty]]] = [[] for _ in draft.group.responses]
        for name, guard in self._guards:
            checkpoint()
            given = guard(draft.unlabelled, draft.answers)
            verdicts = _per_response(given, len(draft.group), f"the guard {name!r} gave", "verdicts")
            for penalties, verdict in zip(found, verdicts, strict=True):
                if (penalty := _checked_penalty(name, verdict)) is not None:
                    penalties.append((name, penalty))
        return tuple(map(tuple, found))

    def _relate(self, sets: Sequence[AnswerSet]) -> list[Relation | Exception]:
        """One relation per set, or the exception that prevented it; a failing set does not affect the others.

        If the backend raises for a batch, `PROBES` of its sets are retried singly; if all of them fail, the failure
        applies to the whole batch. Otherwise the batch is retried by halves.
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
        """The backend's relations of these sets, validated; or the exception that it raised."""
        try:
            return relate(self._backend, sets)
        except Exception as error:  # noqa: BLE001 - returned as data: it concerns some of the sets only
            return error

    def _check_references(self, drafts: Sequence[_Draft]) -> None:
        """Set `correct` for each group that has a reference."""
        asked = [
            (draft, LabelledClusters(draft.clusters, self._gold(draft.group), draft.group.prompt_text))
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
        """Compute entropy, gates, rewards and penalties, and build the score."""
        group = draft.group
        expected = group.expected_size or len(group)
        rewards, cause, detail = Rewards((None,) * len(group)), None, None
        try:
            if draft.failure is not None:
                raise draft.failure
            rewards, cause, detail = self._reward(draft)
            rewards = replace(rewards, rewards=_of_trained(rewards.rewards, draft.trained))
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
            trained=draft.trained,
            advantage_shift=rewards.advantage_shift,
        )

    def _reward(self, draft: _Draft) -> tuple[Rewards, Cause | None, str | None]:
        """The rewards of a group whose clusters are known; with cause and detail if a gate or abstention stopped it."""
        group, clusters = draft.unlabelled, draft.clusters
        assert clusters is not None  # noqa: S101 - a group without clusters has failed at an earlier stage
        size = len(group)
        with stage(Cause.ENTROPY_FAILED):
            draft.entropy = finite(self._estimator(EntropyInput(group, clusters, draft.similarities)), "the entropy")
        gate = self.config.gates.outside(draft.entropy, clusters)
        if gate is not None:
            stopped: tuple[float | None, ...] = (self.config.gates.reward,) * size
            return Rewards(_penalised(stopped, draft) if self.config.gates.guards_apply else stopped), *gate
        with stage(Cause.STRATEGY_FAILED):
            self._check_votes(group)
            correct = draft.correct if self._strategy.uses_reference else None
            rewards = self._strategy(StrategyInput(group, clusters, draft.entropy, correct))
            if not isinstance(rewards, Rewards):
                raise PluginError(f"the strategy gave a {type(rewards).__name__} where Rewards were wanted")
            given = _per_response(rewards.rewards, size, "the strategy gave", "rewards")
            rewards = Rewards(
                tuple(None if reward is None else finite(reward, "a reward") for reward in given),
                finite(rewards.advantage_scale, "advantage_scale"),
                finite(rewards.advantage_shift, "advantage_shift"),
            )
        if all(reward is None for reward in _of_trained(rewards.rewards, draft.trained)):
            return rewards, Cause.ABSTAINED, f"the strategy {self.config.strategy.name!r} gave no reward"
        return replace(rewards, rewards=_penalised(rewards.rewards, draft)), None, None

    def _check_votes(self, group: Group) -> None:
        """Check that the strategy follows the weights and sides of a group that has them.

        Raises:
            GroupError: it does not.
        """
        name = self.config.strategy.name
        if different_weights(group) is not None and not self._strategy.uses_weights:
            raise GroupError(f"its votes have weights, which the strategy {name!r} does not follow")
        if has_sides(group) and not self._strategy.uses_sides:
            raise GroupError(f"it has several sides, which the strategy {name!r} does not tell apart")


def _of_trained(rewards: tuple[float | None, ...], trained: tuple[bool, ...] | None) -> tuple[float | None, ...]:
    """The rewards, with None for responses that are not trained on."""
    if trained is None:
        return rewards
    return tuple(reward if paid else None for reward, paid in zip(rewards, trained, strict=True))


def until_fault(items: Iterable[T], faults: list[Exception]) -> Iterator[T]:
    """The items up to where reading them raises; the exception is appended to `faults`, to be raised later."""
    try:
        yield from items
    except Exception as fault:  # noqa: BLE001 - the caller raises it
        faults.append(fault)


def _checked_group(group: Group) -> Group:
    if not isinstance(group, Group):
        many = isinstance(group, list | tuple) and bool(group) and isinstance(group[0], Group)
        what = "score_many(groups) scores several" if many else "give Group(prompt, [response, ...])"
        raise GroupError(f"a Group is scored, not an object of type {type(group).__name__}: {what}")
    return group


def _per_response(given: Iterable[T], size: int, who: str, what: str) -> tuple[T, ...]:
    """What a plugin gave for the responses of a group, as a tuple.

    Raises:
        PluginError: it is not one for each response, in their order.
    """
    if isinstance(given, Set | Mapping) or not isinstance(given, Sized) or not isinstance(given, Iterable):
        raise PluginError(f"{who} a {type(given).__name__} where a list of {what} was wanted")
    if len(given) != size:
        raise PluginError(f"{who} {len(given)} {what} where {size} were wanted")
    return tuple(given)


def _checked_penalty(guard: str, given: object) -> Penalty | None:
    if given is None:
        return None
    if not isinstance(given, Penalty):
        raise PluginError(f"the guard {guard!r} gave a {type(given).__name__} where a Penalty or None was wanted")
    return replace(given, reward=None if given.reward is None else finite(given.reward, f"the reward of {guard!r}"))


def _checked_reason(given: object) -> Reason:
    """A backend's reason with facts that JSON has a form for: numbers that are finite, and texts of all else.

    Raises:
        PluginError: it is no reason.
    """
    if not isinstance(given, Reason) or not isinstance(given.facts, Mapping) or given.equal not in (None, True, False):
        raise PluginError(f"`why` of the equivalence backend gave a {type(given).__name__}, not a Reason with facts")

    def plain(value: object) -> str | float:
        if isinstance(value, str):
            return str(value)
        if isinstance(value, SupportsFloat) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        return str(value)

    return Reason(str(given.rule), {str(name): plain(value) for name, value in given.facts.items()}, given.equal)


def _penalised(rewards: Sequence[float | None], draft: _Draft) -> tuple[float | None, ...]:
    """Replace the reward of each penalised response by the lowest of its penalties."""
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
    """The scorer's own thread pool; threads start at first use.

    The event loop's default executor could deadlock: a framework may have filled it with callers waiting for the score.
    """
    return ThreadPoolExecutor(ASYNC_THREADS, thread_name_prefix="empo-rewards")


def _name(group: Group) -> str:
    return "a group" if group.id is None else f"group {group.id!r}"


def _rebuild(config: ScorerConfig, plugins: Sequence[object]) -> Scorer:
    return Scorer(config, plugins=plugins)
