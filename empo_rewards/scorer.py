"""The Scorer: from a group to its score, by way of answers, clusters, entropy and rewards."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from types import TracebackType

from empo_rewards import config as configuration
from empo_rewards import plugins as plugin_loading
from empo_rewards.clustering import Clusters, answer_set, cluster
from empo_rewards.config import Component, ScorerConfig, Source
from empo_rewards.entropy import EntropyEstimator, Evidence
from empo_rewards.equivalence import AnswerSet, EquivalenceBackend, Relation
from empo_rewards.errors import EquivalenceError, PluginError
from empo_rewards.extraction import Extractor, ExtractorWithAudit
from empo_rewards.extraction.pipeline import extract
from empo_rewards.group import Answer, AnswerKind, Cause, Group, GroupScore, Status
from empo_rewards.guards import Guard, Penalty
from empo_rewards.hookspecs import Observer
from empo_rewards.strategies import Rewards, Strategy, Verdict

log = logging.getLogger("empo_rewards")

BATCH_SIZE = 64
"""Groups that `score_many` compares in one call of the backend."""

ASYNC_THREADS = 4
"""Calls of `ascore` that are scored at the same time; more wait their turn. Scoring is CPU work."""


class _StageError(Exception):
    """A stage failed on a group; carries what the score will say."""

    def __init__(self, cause: Cause, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.cause = cause


@dataclass
class _Draft:
    """A group on its way through the stages."""

    group: Group
    answers: tuple[Answer, ...] = ()
    penalties: tuple[tuple[tuple[str, Penalty], ...], ...] = ()
    votes: tuple[str | None, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    clusters: Clusters | None = None
    entropy: float | None = None
    failure: _StageError | None = None

    @property
    def answer_set(self) -> AnswerSet:
        return answer_set(self.votes, self.group.prompt_text)


class Scorer:
    """Scores groups. Pure but for its observers: the same group gets the same score, whatever came before.

    Safe to share between threads. It pickles (as its configuration; the copy starts its own processes), and `close`,
    or leaving it as a context manager, ends every process that it started.

    Args:
        config: a configuration, or what `load_config` makes one from.
        plugins: modules or objects with hooks, beside those that are installed.

    Raises:
        ConfigError, PluginError, MissingExtraError: the configuration cannot be built; nothing was started.
    """

    def __init__(self, config: Source | ScorerConfig, *, plugins: Sequence[object] = ()) -> None:
        registry = plugin_loading.load(plugins)
        self.config = configuration.load_config(config, registry)
        self._plugins = tuple(plugins)

        def named(kind: str, components: Sequence[Component], path: str) -> tuple[tuple[str, object], ...]:
            return tuple(
                (component.name, configuration.create(registry, kind, component, f"{path}[{position}]"))
                for position, component in enumerate(components)
            )

        self._extractors: tuple[tuple[str, Extractor], ...] = named(  # type: ignore[assignment] # `create` checks
            "extractor", self.config.extraction.extractors, "extraction.extractors"
        )
        self._guards: tuple[tuple[str, Guard], ...] = named(  # type: ignore[assignment] # `create` checks
            "guard", self.config.guards, "guards"
        )
        self._observers: tuple[tuple[str, Observer], ...] = named(  # type: ignore[assignment] # `create` checks
            "observer", self.config.observers, "observers"
        )
        create = configuration.create
        self._estimator: EntropyEstimator = create(registry, "entropy estimator", self.config.entropy, "entropy")
        self._strategy: Strategy = create(registry, "strategy", self.config.strategy, "strategy")
        self._backend: EquivalenceBackend = create(
            registry, "equivalence backend", self.config.equivalence, "equivalence"
        )
        self._threads, self._pid = _new_threads(), os.getpid()

    @classmethod
    def from_config(cls, source: Source | ScorerConfig, *, plugins: Sequence[object] = ()) -> Scorer:
        """A scorer from a preset's name, the path of a YAML file, or a mapping (see `load_config`)."""
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
        close = getattr(self._backend, "close", None)
        if close is not None:
            close()
        self._threads.shutdown()
        self._threads = _new_threads()

    def score(self, group: Group) -> GroupScore:
        """The score of one group."""
        return self._score_batch([group])[0]

    def score_many(self, groups: Iterable[Group], *, batch_size: int = BATCH_SIZE) -> Iterator[GroupScore]:
        """The scores of many groups, in order; never holds more than `batch_size` groups."""
        remaining = iter(groups)
        while batch := list(islice(remaining, batch_size)):
            yield from self._score_batch(batch)

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
            if isinstance(extractor, ExtractorWithAudit)
            for rule, answer in extractor.audit(response, prompt).items()
        }

    def _score_batch(self, groups: Sequence[Group]) -> list[GroupScore]:
        drafts = [self._read(group) for group in groups]
        whole = [draft for draft in drafts if draft.failure is None]
        sets = [draft.answer_set for draft in whole]
        for draft, answers, relation in zip(whole, sets, self._relate(sets), strict=True):
            if isinstance(relation, Exception):
                draft.failure = _StageError(Cause.EQUIVALENCE_FAILED, relation)
                continue
            draft.clusters = cluster(draft.votes, answers, relation)
            draft.metrics["undecided_pairs"] = float(len(relation.undecided))
            draft.metrics.update({f"equivalence/{name}": value for name, value in relation.metrics.items()})
        correct = self._check_references(whole)
        scores = []
        for draft, right in zip(drafts, [correct.get(id(draft)) for draft in drafts], strict=True):
            score = self._finish(draft, right)
            for name, observer in self._observers:
                try:
                    observer(draft.group, score)
                except Exception as error:
                    raise PluginError(f"the observer {name!r} failed: {type(error).__name__}: {error}") from error
            scores.append(score)
        return scores

    def _read(self, group: Group) -> _Draft:
        """Answers, and what the guards say of them."""
        draft = _Draft(group)
        prompt = group.prompt_text
        try:
            draft.answers = tuple(self.extract(response, prompt) for response in group.responses)
            audits = [self.audit(response, prompt) for response in group.responses]
        except Exception as error:  # noqa: BLE001 - the boundary of `errors`: a fault becomes an unscored group
            draft.failure = _StageError(Cause.EXTRACTION_FAILED, error)
            draft.answers = tuple(Answer("", AnswerKind.BLANK) for _ in group.responses)
            draft.votes = (None,) * len(group)
            return draft
        if any(audits):
            disagree = sum(len(set(audit.values()) - {None}) > 1 for audit in audits)
            draft.metrics["extraction_disagreement"] = disagree / len(group)
        try:
            caught = [(name, guard(group, draft.answers)) for name, guard in self._guards]
            draft.penalties = tuple(
                tuple((name, penalty) for name, verdicts in caught if (penalty := verdicts[position]) is not None)
                for position in range(len(group))
            )
        except Exception as error:  # noqa: BLE001 - as above
            draft.failure = _StageError(Cause.GUARD_FAILED, error)
            draft.penalties = ((),) * len(group)
        draft.votes = tuple(
            answer.text if answer.kind is AnswerKind.ANSWER and not any(p.void for _, p in penalties) else None
            for answer, penalties in zip(draft.answers, draft.penalties, strict=True)
        )
        return draft

    def _relate(self, sets: Sequence[AnswerSet]) -> list[Relation | Exception]:
        """One relation for each set, or why there is none. A set that fails costs no other set its relation."""
        try:
            relations = list(self._backend.relate(sets)) if sets else []
            if len(relations) != len(sets):
                raise EquivalenceError(f"the backend gave {len(relations)} relations for {len(sets)} sets of answers")
            return list(relations)
        except Exception as error:  # noqa: BLE001 - the boundary of `errors`
            return [error] if len(sets) == 1 else [self._relate([answers])[0] for answers in sets]

    def _check_references(self, drafts: Sequence[_Draft]) -> dict[int, tuple[bool, ...]]:
        """Which responses agree with their group's reference, by `id` of the draft.

        In calls of its own, after the answers were compared: a reference cannot change a cluster. One comparison for
        each cluster, by its representative.
        """
        asked = [draft for draft in drafts if draft.clusters is not None and draft.group.reference is not None]
        pairs: dict[tuple[str, str], AnswerSet] = {}
        for draft in asked:
            for text in draft.clusters.representatives:  # type: ignore[union-attr] # filtered above
                pair = (text, self._gold(draft.group))
                pairs[pair] = AnswerSet(tuple(dict.fromkeys(pair)), draft.group.prompt_text)
        relations = dict(zip(pairs, self._relate(list(pairs.values())), strict=True))
        correct = {}
        for draft in asked:
            clusters, gold = draft.clusters, self._gold(draft.group)
            assert clusters is not None  # noqa: S101 - filtered above
            verdicts = [relations[text, gold] for text in clusters.representatives]
            failed = next((verdict for verdict in verdicts if isinstance(verdict, Exception)), None)
            if failed is not None:
                log.warning("%s: its reference could not be compared: %s", _name(draft.group), failed)
                draft.metrics["reference_failed"] = 1.0
                continue
            right = {
                k
                for k, (text, verdict) in enumerate(zip(clusters.representatives, verdicts, strict=True))
                if text == gold or (isinstance(verdict, Relation) and verdict.equal)
            }
            correct[id(draft)] = tuple(label in right for label in clusters.labels)
        return correct

    def _gold(self, group: Group) -> str:
        """The reference's answer: what the extractors find in it, else all of it."""
        reference = group.reference or ""
        found = self.extract(reference, group.prompt_text)
        return found.text if found.kind is AnswerKind.ANSWER else reference.strip()

    def _finish(self, draft: _Draft, correct: tuple[bool, ...] | None) -> GroupScore:
        """Entropy, rewards, gates, penalties."""
        group = draft.group
        expected = group.expected_size or len(group)
        rewards, cause, detail = Rewards((None,) * len(group)), None, None
        try:
            if draft.failure is not None:
                raise draft.failure
            rewards, cause, detail = self._reward(draft, correct)
        except _StageError as failure:
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
            metrics={**draft.metrics, **_metrics(draft, correct)},
            flags=tuple(tuple(name for name, _ in penalties) for penalties in draft.penalties),
            correct=correct,
            advantage_scale=rewards.advantage_scale,
            id=group.id,
            size=len(group),
            expected_size=expected,
        )

    def _reward(self, draft: _Draft, correct: tuple[bool, ...] | None) -> tuple[Rewards, Cause | None, str | None]:
        """The rewards of a group whose clusters are known, and the gate that stopped it."""
        group, clusters = draft.group, draft.clusters
        assert clusters is not None  # noqa: S101 - a group without clusters has failed before
        size = len(group)
        try:
            draft.entropy = float(self._estimator(Evidence(group, clusters)))
        except Exception as error:
            raise _StageError(Cause.ENTROPY_FAILED, error) from error
        gate = self.config.gates.outside(draft.entropy, clusters)
        if gate is not None:
            return Rewards((self.config.gates.reward,) * size), *gate
        uses_reference = getattr(self._strategy, "uses_reference", False)
        try:
            verdict = Verdict(
                replace(group, reference=None), clusters, draft.entropy, correct if uses_reference else None
            )
            rewards = self._strategy(verdict)
            if len(rewards.rewards) != size:
                raise PluginError(f"the strategy gave {len(rewards.rewards)} rewards for {size} responses")
        except Exception as error:
            raise _StageError(Cause.STRATEGY_FAILED, error) from error
        if all(reward is None for reward in rewards.rewards):
            return rewards, Cause.ABSTAINED, f"the strategy {self.config.strategy.name!r} gave no reward"
        return replace(rewards, rewards=_penalised(rewards.rewards, draft)), None, None


def _penalised(rewards: Sequence[float | None], draft: _Draft) -> tuple[float | None, ...]:
    """The lowest penalty of those that a response has, in place of its reward."""
    result = []
    for reward, penalties in zip(rewards, draft.penalties, strict=True):
        given = [penalty.reward for _, penalty in penalties if penalty.reward is not None]
        result.append(min(given) if given else reward)
    return tuple(result)


def _metrics(draft: _Draft, correct: tuple[bool, ...] | None) -> dict[str, float]:
    """Numbers about a group, for a logger."""
    size = len(draft.group)
    metrics = {
        "blanks": sum(answer.kind is AnswerKind.BLANK for answer in draft.answers) / size,
        "refusals": sum(answer.kind is AnswerKind.REFUSAL for answer in draft.answers) / size,
        "truncated": sum(answer.truncated for answer in draft.answers) / size,
        "flagged": sum(bool(penalties) for penalties in draft.penalties) / size,
    }
    clusters = draft.clusters
    if clusters is None:
        return metrics
    metrics["clusters"] = float(len(clusters.sizes))
    metrics["largest_share"] = clusters.largest_share
    metrics["unanimous"] = float(clusters.largest_share == 1)
    if draft.entropy is not None:
        metrics["entropy"] = draft.entropy
    if correct is not None:
        right = {label for label, good in zip(clusters.labels, correct, strict=True) if good}
        metrics["accuracy"] = sum(correct) / size
        metrics["pass_at_g"] = float(any(correct))
        # Tied clusters are equally good pseudo-labels: the expectation of picking one of them.
        metrics["pseudo_label_accuracy"] = len(right & clusters.modal) / len(clusters.modal) if clusters.modal else 0.0
    return metrics


def _new_threads() -> ThreadPoolExecutor:
    """Threads of the scorer's own, started at first use.

    Not the event loop's executor: a framework may have filled that with callers who wait for this very score.
    """
    return ThreadPoolExecutor(ASYNC_THREADS, thread_name_prefix="empo-rewards")


def _name(group: Group) -> str:
    return "a group" if group.id is None else f"group {group.id!r}"


def _rebuild(config: ScorerConfig, plugins: Sequence[object]) -> Scorer:
    return Scorer(config, plugins=plugins)


def equivalent(a: str, b: str, backend: str | EquivalenceBackend = "math", **options: object) -> bool | None:
    """Whether two answers mean the same; None where that could not be decided within the bounds.

    Args:
        a, b: answers (not whole responses), in any order.
        backend: a registered name, or an instance: for many pairs make one, it keeps its caches and processes.
        options: of the backend, where it is named.

    Raises:
        ConfigError: no such backend or option.
        Exception: what the backend raises where it cannot answer at all.
    """
    if not isinstance(backend, str):
        return _compare(a, b, backend)
    component = Component.model_validate({"name": backend, **options})
    made = configuration.create(plugin_loading.load(), "equivalence backend", component, "equivalence")
    try:
        return _compare(a, b, made)
    finally:
        close = getattr(made, "close", None)
        if close is not None:
            close()


def _compare(a: str, b: str, backend: EquivalenceBackend) -> bool | None:
    if a == b:
        return True
    (relation,) = backend.relate([AnswerSet(tuple(sorted((a, b))))])
    if relation.equal:
        return True
    return None if relation.undecided else False
