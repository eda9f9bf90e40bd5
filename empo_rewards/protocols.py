"""The contract of plugins: the base class of each kind, and the types of its input and output.

A plugin's class derives from the base class of its kind. The public attributes of the base class are its
*capabilities*; `check_contract` compares an instance with them, so that a misspelt capability is an error when the
scorer is built instead of a silent default.
"""

from __future__ import annotations

import difflib
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import NamedTuple, TypeVar, get_type_hints

from empo_rewards.errors import PluginError
from empo_rewards.group import Answer, Group, GroupScore

# Extraction


class Extracted(NamedTuple):
    """An answer found in a response: its text and its position (characters, end exclusive)."""

    text: str
    start: int
    end: int
    truncated: bool = False


class Extractor(ABC):
    """Finds the answer in a response, in time linear in the response's length.

    Responses are untrusted input, and extractors run in the caller's process: use no backtracking regular expression,
    and evaluate nothing.
    """

    evidence: str = ""
    """How sure its evidence is: "container", "announcement", "mention", or "" for a level of its own. Of neighbours of
    one level in a configuration, the one whose answer stands last in the response counts."""

    @abstractmethod
    def __call__(self, response: str, prompt: str) -> Extracted | None:
        """The answer; None if the extractor's rule does not apply.

        Args:
            response: the searched part of the response: its end, after the thinking block if that is skipped.
            prompt: the prompt's text, for rules that need the choices it lists.
        """

    def audit(self, response: str, prompt: str) -> dict[str, str | None]:
        """The answer of each rule by name, for an extractor made of several rules that are known to disagree.

        Empty if the extractor has one rule only, or does not apply to the prompt.
        """
        return {}

    def read(self, answer: str, prompt: str) -> str | None:
        """The form that the extractor gives to an answer that was written down, as a reference is; None for none."""
        return None


# Equivalence


@dataclass(frozen=True)
class AnswerSet:
    """The distinct answers of one group.

    Args:
        texts: distinct texts in canonical order: by decreasing count, then by text. A backend that compares with
            representatives takes them in this order, so that its result does not depend on arrival order.
        prompt: the prompt's text, for backends that compare in its context.
        similarities: whether the relation must include `similarities`. Set only for a backend with
            `gives_similarities = True` and an entropy estimator that uses them, because they may need every pair.
        settled: pairs (i, j), i < j, that the caller decides itself. A backend may skip them; its verdicts about them
            are ignored.
    """

    texts: tuple[str, ...]
    prompt: str = ""
    similarities: bool = False
    settled: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Relation:
    """A backend's result for one `AnswerSet`. Pairs are positions (i, j), i < j, in its `texts`.

    A pair is the same (`equal`), `different`, or not known. Pairs that are not known do not join two texts, and do not
    prevent that others join them.

    Args:
        equal: pairs of equivalent texts. Their transitive closure is used, so a spanning set is enough.
        undecided: pairs that could not be decided within the bounds. They count as different, and are reported.
        metrics: numbers about the work done (comparisons, model evaluations). They may depend on caches, and are
            ignored when two relations are compared for equality.
        similarities: if requested, the similarity of each two texts, from 0 to 1 (the same): K rows of K numbers for K
            texts, symmetric, 1 on the diagonal.
        different: pairs of texts known to differ. They are never put into one cluster, also not through a third text
            that is equivalent to both. Disjoint from `equal`.
        strengths: confidence in pairs of `equal`, in (0, 1]; 1 for pairs not listed. If a different pair does not allow
            two equal pairs to be joined both, the stronger one is joined; of two equally strong ones, neither.
    """

    equal: tuple[tuple[int, int], ...] = ()
    undecided: tuple[tuple[int, int], ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict, compare=False)
    similarities: Sequence[Sequence[float]] | None = None
    different: tuple[tuple[int, int], ...] = ()
    strengths: Mapping[tuple[int, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """Why a backend holds two answers for the same, for different, or for undecided.

    Args:
        rule: the rule that decided, in a few words, as in "canonical forms" or "cosine of embeddings".
        facts: what the rule looked at, by name: forms, similarities, thresholds, a judge's answer.
        equal: what the rule says of the two alone; None where it does not say. Clusters may differ: two answers may be
            joined through a third, or kept apart by one.
    """

    rule: str
    facts: Mapping[str, str | float] = field(default_factory=dict)
    equal: bool | None = None


class EquivalenceBackend(ABC):
    """Decides which answers mean the same. The relation is symmetric and does not depend on the order of the sets.

    On failure (a dead server) it raises, or returns the exception in place of the relation of each affected set; a
    failure is never reported as "different".
    """

    gives_similarities: bool = False
    """Whether it fills `Relation.similarities` for sets that request them."""

    asks_a_model: bool = False
    """Whether a comparison costs a large model's evaluation or a request (a judge): a report then gives reasons only
    where the user wants them asked for."""

    @abstractmethod
    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """One relation per set. A call has the sets of all groups of a batch, so that a backend can batch over them."""

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """The reason for what `relate` says of two texts of a set (in any order), for people who look at a group.

        It is asked for single pairs, and never while training. By default the pair is compared alone.
        """
        alone = AnswerSet((answers.texts[i], answers.texts[j]), answers.prompt, self.gives_similarities)
        relation = self.relate([alone])[0]
        if isinstance(relation, Exception):
            raise relation
        said = "equal" if relation.equal else "undecided" if relation.undecided else "different"
        facts: dict[str, str | float] = {"alone": said}
        if relation.similarities is not None:
            facts["similarity"] = relation.similarities[0][1]
        return Reason("decided by the backend", facts, None if said == "undecided" else said == "equal")

    def close(self) -> None:  # noqa: B027 - most backends hold nothing
        """Release processes and connections; a later `relate` starts them again."""


# Entropy


@dataclass(frozen=True)
class Clusters:
    """The meaning clusters of a group of G responses.

    Args:
        labels: one cluster id per response. Ids count from 0 by decreasing size, then by the canonical order of the
            cluster's first text, so that they depend on the set of answers alone. Clusters of voters come first.
        sizes: n_k of each id.
        voters: the number of ids that are clusters of valid answers. Each further id is the singleton cluster of a
            response without a valid answer (a blank, a refusal, one voided by a guard), even if their texts are equal.
        representatives: for each cluster of voters its first text in canonical order.
        masses: for each id the sum of the weights of its votes, where votes have weights (ids count by decreasing mass
            then). Empty: each vote counts 1, as in `sizes`.
    """

    labels: tuple[int, ...]
    sizes: tuple[int, ...]
    voters: int
    representatives: tuple[str, ...]
    masses: tuple[float, ...] = ()

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """n_k/G for each cluster id; with weights the cluster's part of them."""
        counted = self.masses or self.sizes
        total = math.fsum(counted)
        return tuple(mass / total for mass in counted)

    @cached_property
    def modal(self) -> frozenset[int]:
        """The ids of the largest clusters of voters, by share: several if tied, none without votes."""
        voted = (self.masses or self.sizes)[: self.voters]
        return frozenset(k for k, mass in enumerate(voted) if mass == max(voted) > 0)

    @property
    def largest_share(self) -> float:
        """The share of the largest cluster of voters; 0 without votes."""
        return max(self.shares[: self.voters], default=0.0)

    def votes(self, response: int) -> bool:
        """Whether a response has a valid answer."""
        return self.labels[response] < self.voters


@dataclass(frozen=True)
class EntropyInput:
    """Input of an entropy estimator.

    Args:
        group: the group, without its reference.
        clusters: its meaning clusters.
        similarities: similarities of the responses, from 0 to 1: G rows of G numbers in the order of the responses,
            symmetric, 1 on the diagonal. None unless the estimator has `uses_similarities = True`.
    """

    group: Group
    clusters: Clusters
    similarities: tuple[tuple[float, ...], ...] | None = None


class EntropyEstimator(ABC):
    """Estimates the semantic entropy of a group, in nats."""

    uses_similarities: bool = False
    """Whether it needs `EntropyInput.similarities`; the equivalence backend must then have `gives_similarities`."""

    uses_logprobs: bool = False
    """Whether it needs the group's token log-probabilities; a group without them is then unscored."""

    in_nats: bool = True
    """Whether its result is an entropy in nats. If not, gates and strategies that compare it with ln G are refused."""

    @abstractmethod
    def __call__(self, given: EntropyInput) -> float:
        """The estimate. Raises if the input lacks what the estimator needs."""


# Rewards


@dataclass(frozen=True)
class StrategyInput:
    """Input of a strategy.

    Args:
        group: the group, without its reference.
        clusters: its meaning clusters.
        entropy: its semantic entropy in nats.
        correct: for each response whether it agrees with the reference. None unless the strategy has
            `uses_reference = True` and the group has a reference.
    """

    group: Group
    clusters: Clusters
    entropy: float
    correct: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class Rewards:
    """Output of a strategy.

    Args:
        rewards: one per response; None: it abstains. Those of responses that are not trained on are dropped.
        advantage_scale: factor for the group's advantages.
        advantage_shift: what is added to each advantage of the group after that.
    """

    rewards: tuple[float | None, ...]
    advantage_scale: float = 1.0
    advantage_shift: float = 0.0


class Strategy(ABC):
    """Turns a group's clusters into rewards."""

    formula: str = ""
    """The reward of a response, in a few words, for tables."""

    paper: str = ""
    """The paper that it follows, or what it is for."""

    uses_reference: bool = False
    """Whether it is given `StrategyInput.correct`; for supervised controls only."""

    uses_nats: bool = False
    """Whether it compares the entropy with ln G; an estimator that is not in nats is then refused."""

    uses_logprobs: bool = False
    """Whether it needs the group's token log-probabilities; a group without them is then unscored."""

    scales_advantages: bool = False
    """Whether its `Rewards.advantage_scale` or `advantage_shift` may differ from 1 and 0; the trainer applies them."""

    gives_advantages: bool = False
    """Whether its rewards are advantages but for their mean: the trainer must not divide them by their deviation."""

    uses_weights: bool = False
    """Whether it follows the weights of votes, by `Clusters.shares` and what derives from it, or uses no votes. A group
    whose votes have different weights is unscored with any other."""

    uses_sides: bool = False
    """Whether it follows the sides of a group, or uses no votes. A group of several is unscored with any other."""

    @abstractmethod
    def __call__(self, given: StrategyInput) -> Rewards:
        """One reward per response, in the order of the responses."""

    def close(self) -> None:  # noqa: B027 - most strategies hold nothing
        """Release connections; a later call starts them again."""


# Filters and observers


@dataclass(frozen=True)
class Penalty:
    """A guard's penalty for a response.

    Args:
        reward: replaces the strategy's reward; None keeps it.
        void: the answer does not vote: it joins no cluster.
    """

    reward: float | None = 0.0
    void: bool = False


class Guard(ABC):
    """Inspects a group's answers before they are compared, and penalises responses."""

    @abstractmethod
    def __call__(self, group: Group, answers: Sequence[Answer]) -> Sequence[Penalty | None]:
        """One penalty, or None, per response."""


class Observer(ABC):
    """Receives each group with its score, in the order of scoring; it cannot change them."""

    @abstractmethod
    def __call__(self, group: Group, score: GroupScore) -> None:
        """Called once per group."""

    def metrics(self) -> Mapping[str, float]:
        """Numbers about the run so far; they are added to each score's metrics under the observer's name."""
        return {}


# The check of the contract

# Reading


class Reader(ABC):
    """Reads one form of rollouts: turns a row of a file into rows with the package's own fields.

    Those fields are `prompt` (a text or chat messages), and `responses` (a list of texts: a whole group) or `response`
    (one member of a group); optionally `reference`, `id`, `uid`, `step`, `token_logprobs`, `data_source`, `metadata`.
    """

    about: str = ""
    """What writes such rows, and their fields, for messages and the list of formats."""
    ending: str = ""
    """The ending of files that `open` reads; empty where the rows stand in JSON lines, CSV or Parquet."""

    @abstractmethod
    def recognises(self, row: Mapping[str, object]) -> bool:
        """Whether a row has this form, by a look at its fields."""

    @abstractmethod
    def convert(self, row: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
        """The rows with the package's own fields. A part that is not as expected may be passed on: it is checked."""

    def variant(self, row: Mapping[str, object]) -> str | None:
        """For a form that writes the same responses several times in a file, what tells the times apart; else None.

        Rows of another variant than the file's first row are left out.
        """
        return None

    def open(self, path: Path) -> Iterable[Mapping[str, object]]:
        """The rows of a file with this ending."""
        raise NotImplementedError


Kind = TypeVar("Kind", Extractor, EquivalenceBackend, EntropyEstimator, Strategy, Guard, Observer, Reader)

BASES: Mapping[str, type] = {
    "extractor": Extractor,
    "equivalence backend": EquivalenceBackend,
    "entropy estimator": EntropyEstimator,
    "strategy": Strategy,
    "guard": Guard,
    "observer": Observer,
    "reader": Reader,
}
"""The base class of each kind of component."""


MISSPELT = 0.85
"""Similarity (difflib's ratio) of names from which an option or an attribute of an instance is a misspelt capability:
`use_reference` is, `reference` is not."""


@dataclass(frozen=True)
class DefaultComponent:
    """Metadata of a factory's annotation: the name of the nested component to build if none is configured."""

    name: str


def check_contract(made: object, base: type[Kind], options: Sequence[str]) -> Kind:
    """Check that what a factory made fulfils the contract of its kind, and return it.

    A plain function is wrapped in an instance with the default capabilities.

    Args:
        made: the instance.
        base: the base class of its kind.
        options: the names of the factory's options, which may be attributes of the class, as a dataclass's fields may.

    Raises:
        PluginError: it does not derive from the base class; a capability has the wrong type; a public attribute of its
            class is neither an option, a field nor declared; the name of an attribute, option or method is close to a
            declared one; or one of the kind's methods is asynchronous.
    """
    if isinstance(made, FunctionType) and "__call__" in vars(base):
        made = _from_function(base, made)
    if not isinstance(made, base):
        what = (
            f"the class {made.__name__}, not an instance"
            if isinstance(made, type)
            else f"an object of type {_type_name(made)}"
        )
        raise PluginError(f"made {what}, which does not derive from empo_rewards.protocols.{base.__name__}")
    _check_declared(made, base)
    _check_undeclared(made, base, (*options, *(option.name for option in (fields(made) if is_dataclass(made) else ()))))
    return made


def _check_declared(made: object, base: type) -> None:
    """Check the types of the capabilities, and that the methods of the kind are plain functions."""
    for name, wanted in get_type_hints(base).items():
        if not isinstance(value := getattr(made, name), wanted):
            given = repr(value) if isinstance(value, str | int | None) else f"an object of type {_type_name(value)}"
            raise PluginError(f"sets {name} = {given}; it must be a {wanted.__name__}")
    for name, value in vars(base).items():
        if isinstance(value, FunctionType) and _is_async(getattr(made, name)):
            raise PluginError(f"has an asynchronous {name}; it is called without `await`, and must be a plain function")


def _check_undeclared(made: object, base: type, options: Sequence[str]) -> None:
    """Check for misspelt names, and for attributes of its class that nothing declares."""
    declared = {name for name in vars(base) if not name.startswith("_")}
    capabilities = get_type_hints(base)
    owners = type(made).__mro__
    attributes: Mapping[str, object] = getattr(made, "__dict__", {})
    for name in (*options, *attributes, *(name for owner in owners for name in vars(owner))):
        if name not in declared and (meant := difflib.get_close_matches(name, capabilities, n=1, cutoff=MISSPELT)):
            raise _undeclared(name, base, meant)
    for owner in owners:
        if owner is base or not issubclass(owner, base):
            continue
        for name, value in vars(owner).items():
            if name.startswith("_") or name in declared or name in options or name.isupper():
                continue
            close = difflib.get_close_matches(name, declared, n=1, cutoff=0.75)
            if close or not (callable(value) or hasattr(value, "__get__")):
                raise _undeclared(name, base, close)


def _undeclared(name: str, base: type, close: Sequence[str]) -> PluginError:
    declared = ", ".join(sorted(name for name in vars(base) if not name.startswith("_")))
    meant = f"did you mean {close[0]!r}?" if close else f"declared are: {declared or 'none'}"
    return PluginError(f"has the attribute {name!r}, which no {base.__name__} declares; {meant}")


def _type_name(value: object) -> str:
    return (
        type(value).__qualname__
        if type(value).__module__ == "builtins"
        else f"{type(value).__module__}.{type(value).__qualname__}"
    )


def _is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _from_function(base: type[Kind], function: Callable[..., object]) -> Kind:
    """An instance of a base class whose `__call__` is the function."""
    made: type[Kind] = type(base.__name__, (base,), {"__call__": staticmethod(function)})
    return made()
