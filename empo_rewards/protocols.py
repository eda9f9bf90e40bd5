"""The contract of plugins: for each kind its base class, what it is handed, and what it gives back.

A plugin's class derives from the base class of its kind. The attributes of the base class are the *capabilities* that
the scorer asks for; `check_contract` compares what a factory made with them, so that a misspelt capability is an error
when the scorer is built and not a silent default.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import NamedTuple, TypeVar, get_type_hints

from empo_rewards.errors import PluginError
from empo_rewards.group import Answer, Group, GroupScore

# Extraction


class Extracted(NamedTuple):
    """An answer found in a response: its text and where it stands (characters, end exclusive)."""

    text: str
    start: int
    end: int
    truncated: bool = False


class Extractor(ABC):
    """Finds the answer in a response, in time linear in its length.

    A response is hostile input: an extractor runs in the caller's process, so no backtracking regular expression and
    nothing that evaluates.
    """

    evidence: str = ""
    """How sure its evidence is: "container", "announcement", "mention", or "" for a level of its own. Of neighbours of
    one level in a configuration, the one whose answer stands last in the response counts."""

    @abstractmethod
    def __call__(self, response: str, prompt: str) -> Extracted | None:
        """The answer; None where the extractor's rule does not apply.

        Args:
            response: the part of the response that is looked at.
            prompt: the prompt's text, for rules that need the choices it lists.
        """

    def audit(self, response: str, prompt: str) -> dict[str, str | None]:
        """The answer of each rule by its name, of an extractor made of rules that are known to disagree.

        Empty where the extractor has one rule, or does not apply to the prompt.
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
        texts: distinct texts in canonical order: by falling count, then by text. A backend that compares with
            representatives takes them in this order, so that arrival order cannot matter.
        prompt: the prompt's text, for backends that compare in its context.
        similarities: whether the relation must carry `similarities`. Asked only of a backend that says
            `gives_similarities = True`, and only where the entropy estimator rests on them: they may need every pair.
    """

    texts: tuple[str, ...]
    prompt: str = ""
    similarities: bool = False


@dataclass(frozen=True)
class Relation:
    """What a backend found out about one `AnswerSet`; pairs are positions (i, j), i < j, in its `texts`.

    Args:
        equal: pairs that mean the same. Their transitive closure is what counts, so a spanning set is enough.
        undecided: pairs that could not be decided within the bounds. They count as different, and are reported.
        metrics: numbers about the work done (comparisons, model evaluations). They may depend on what a cache holds,
            and count for nothing where two relations are compared.
        similarities: where they were asked for, how alike two texts are, from 0 (nothing in common) to 1 (the same):
            K rows of K numbers for K texts, symmetric, 1 on the diagonal.
    """

    equal: tuple[tuple[int, int], ...] = ()
    undecided: tuple[tuple[int, int], ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict, compare=False)
    similarities: Sequence[Sequence[float]] | None = None


class EquivalenceBackend(ABC):
    """Says which answers mean the same; symmetric, and independent of the order of the sets.

    Where it cannot answer at all (a dead server) it raises, or gives the exception in place of the relation of each set
    concerned; it never answers "different" for a fault.
    """

    gives_similarities: bool = False
    """Whether it fills `Relation.similarities` for the sets that ask for them."""

    @abstractmethod
    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """One relation for each set; all sets of a call come at once, so that a backend can batch over groups."""

    def close(self) -> None:  # noqa: B027 - most backends hold nothing
        """Release the processes and connections that it holds; `relate` starts them anew."""


# Entropy


@dataclass(frozen=True)
class Clusters:
    """The meaning clusters of a group of G responses.

    Args:
        labels: one cluster id a response. Ids count from 0 by falling size, then by the canonical order of the
            cluster's first text, so that they depend on the set of answers alone. The clusters of voters come first.
        sizes: n_k of each id.
        voters: how many of the ids are clusters of answers. Each id from there on is the singleton cluster of a
            response without a valid answer (a blank, a refusal, one that a guard voided), even where texts are equal.
        representatives: for each cluster of voters its first text in canonical order.
    """

    labels: tuple[int, ...]
    sizes: tuple[int, ...]
    voters: int
    representatives: tuple[str, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """n_k/G for each cluster id."""
        return tuple(size / len(self.labels) for size in self.sizes)

    @cached_property
    def modal(self) -> frozenset[int]:
        """The ids of the largest clusters of voters: several where they tie, none where nobody voted."""
        voted = self.sizes[: self.voters]
        return frozenset(k for k, size in enumerate(voted) if size == max(voted))

    @property
    def largest_share(self) -> float:
        """The share of the largest cluster of voters; 0 where nobody voted."""
        return max(self.sizes[: self.voters], default=0) / len(self.labels)

    def votes(self, response: int) -> bool:
        """Whether a response has an answer that counts."""
        return self.labels[response] < self.voters


@dataclass(frozen=True)
class EntropyInput:
    """What an entropy estimate may rest on.

    Args:
        group: the group, without its reference.
        clusters: its meaning clusters.
        similarities: how alike two responses are, from 0 to 1: G rows of G numbers in the order of the responses,
            symmetric, 1 on the diagonal. None but for an estimator that says `uses_similarities = True`.
    """

    group: Group
    clusters: Clusters
    similarities: tuple[tuple[float, ...], ...] | None = None


class EntropyEstimator(ABC):
    """Estimates the semantic entropy of a group, in nats."""

    uses_similarities: bool = False
    """Whether it needs `EntropyInput.similarities`; the equivalence backend must then say `gives_similarities`."""

    in_nats: bool = True
    """Whether it measures an entropy in nats. If not, a gate or strategy that sets it against ln G is refused."""

    @abstractmethod
    def __call__(self, given: EntropyInput) -> float:
        """The estimate. Raises where the input does not carry what it needs."""


# Rewards


@dataclass(frozen=True)
class StrategyInput:
    """What a strategy is given.

    Args:
        group: the group, without its reference.
        clusters: its meaning clusters.
        entropy: its semantic entropy in nats.
        correct: for each response whether it agrees with the reference. None but for a strategy that says
            `uses_reference = True`, and there None where the group has no reference.
    """

    group: Group
    clusters: Clusters
    entropy: float
    correct: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class Rewards:
    """What a strategy gives: one reward a response (None: it abstains), and the scale of the group's advantages."""

    rewards: tuple[float | None, ...]
    advantage_scale: float = 1.0


class Strategy(ABC):
    """Turns a group's clusters into rewards."""

    uses_reference: bool = False
    """Whether it is given `StrategyInput.correct`: a supervised control, by name."""

    uses_nats: bool = False
    """Whether it sets the entropy against ln G; an estimator that is not in nats is then refused."""

    @abstractmethod
    def __call__(self, given: StrategyInput) -> Rewards:
        """One reward a response, in the order of the responses."""


# Filters and observers


@dataclass(frozen=True)
class Penalty:
    """What a guard imposes on a response.

    Args:
        reward: replaces the strategy's reward; None leaves it.
        void: the answer does not vote: it joins no cluster.
    """

    reward: float | None = 0.0
    void: bool = False


class Guard(ABC):
    """Inspects a group's answers before they are compared, and penalises responses."""

    @abstractmethod
    def __call__(self, group: Group, answers: Sequence[Answer]) -> Sequence[Penalty | None]:
        """One penalty or None for each response."""


class Observer(ABC):
    """Sees each group with its score, in the order of scoring; it cannot change them."""

    @abstractmethod
    def __call__(self, group: Group, score: GroupScore) -> None:
        """Called once a group."""

    def metrics(self) -> Mapping[str, float]:
        """Numbers of the run so far; they stand in each score's metrics under the observer's name."""
        return {}


# The check of the contract

Kind = TypeVar("Kind", Extractor, EquivalenceBackend, EntropyEstimator, Strategy, Guard, Observer)

BASES: Mapping[str, type] = {
    "extractor": Extractor,
    "equivalence backend": EquivalenceBackend,
    "entropy estimator": EntropyEstimator,
    "strategy": Strategy,
    "guard": Guard,
    "observer": Observer,
}
"""The base class of each kind that a configuration names."""


@dataclass(frozen=True)
class DefaultComponent:
    """In a factory's annotation: the component that `create` builds for a nested plugin which is not configured."""

    name: str


def check_contract(made: object, base: type[Kind], options: Sequence[str]) -> Kind:
    """What a factory made, once it is known to fulfil the contract of its kind.

    A plain function is taken for an instance without any capability.

    Args:
        made: the instance.
        base: the base class of its kind.
        options: the names of the factory's options, which may be class attributes (a dataclass's defaults).

    Raises:
        PluginError: it does not derive from the base class, a capability has the wrong type, or its class has a public
            attribute that is neither an option nor declared, or a method whose name is nearly a declared one.
    """
    if isinstance(made, FunctionType) and "__call__" in vars(base):
        return _from_function(base, made)
    if not isinstance(made, base):
        raise PluginError(f"made {made!r}, which does not derive from empo_rewards.protocols.{base.__name__}")
    declared = {name for name in vars(base) if not name.startswith("_")}
    for name, wanted in get_type_hints(base).items():
        if not isinstance(getattr(made, name), wanted):
            raise PluginError(f"sets {name} = {getattr(made, name)!r}; it must be a {wanted.__name__}")
    for owner in type(made).__mro__:
        if owner is base or not issubclass(owner, base):
            continue
        for name, value in vars(owner).items():
            if name.startswith("_") or name in declared or name in options or name.isupper():
                continue
            close = difflib.get_close_matches(name, declared, n=1, cutoff=0.75)
            if close or not (callable(value) or hasattr(value, "__get__")):
                meant = f"; did you mean {close[0]!r}?" if close else f"; declared are: {', '.join(sorted(declared))}"
                raise PluginError(f"has the attribute {name!r}, which no {base.__name__} declares{meant}")
    return made


def _from_function(base: type[Kind], function: Callable[..., object]) -> Kind:
    """An instance of a base class whose call is a function."""
    made: type[Kind] = type(base.__name__, (base,), {"__call__": staticmethod(function)})
    return made()
