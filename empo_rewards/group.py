"""Input and output types of the scorer: `Group` and `GroupScore`."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from functools import cache
from numbers import Integral, Rational, Real
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from empo_rewards.errors import GroupError

MAX_NUMBER = 1e100
"""The largest size of a reward or metric: sums and squares of them stay finite."""

Message = Mapping[str, Any]
"""One chat message: `role` and `content`."""

MAX_VOTE_WEIGHT = 1e6
"""Bound on the weight of a vote: the sums of a group's weights stay exact enough to compare."""

Label = str | tuple[str, ...] | None
"""Normalised gold answer: one text, a tuple of accepted texts, or None."""


def read_label(value: object) -> Label:
    """Normalise a gold answer: a text, a number, or a list (tuple, array) of accepted texts and numbers.

    A blank text, an empty list, None and NaN mean that there is no label.

    Raises:
        GroupError: the value has another type.
    """
    if isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray | memoryview | Mapping | Set):
        try:
            members = list(value)
        except TypeError:  # an array without dimensions
            raise _no_label(value) from None
        texts = tuple(dict.fromkeys(text for one in members if (text := _label_text(one)) is not None))
        return (texts[0] if len(texts) == 1 else texts) or None
    return _label_text(value)


def _label_text(value: object) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | Real | Decimal):
        raise _no_label(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else str(value)
    if not isinstance(value, str | Rational) and math.isnan(float(value)):
        return None
    try:
        return str(value)
    except ValueError as error:  # an integer with more digits than Python converts
        raise GroupError(f"a reference cannot be written as text: {error}") from error


def _no_label(value: object) -> GroupError:
    return GroupError(f"a reference must be a text, a number, or a list of them, not {type(value).__name__}")


@dataclass(frozen=True)
class Group:
    """All responses sampled for one prompt.

    Args:
        prompt: the prompt's text, or its chat messages.
        responses: G texts, in any order; G >= 1.
        reference: the gold answer: a text, a number, or a list of accepted ones; None, "", [] and NaN: no label (see
            `read_label`). It is used for metrics only; the `reference` strategy alone uses it for rewards.
        id: the caller's identifier of the group; copied to the score.
        token_logprobs: for each response the natural log-probabilities of its tokens; None if not available.
        data_source: the name of the data set.
        metadata: arbitrary data, passed to observers unchanged.
        expected_size: the number of responses that were sampled, if some may have been lost. None: `responses` is
            complete.
        trained: for each response whether it is trained on; the others only vote, and have no reward. At least one is,
            unless members were lost. None: all, or as many as the configuration's `trained` says.
        vote_weights: for each response the weight of its vote, at least 0, and not all 0; None: equal weights.
        sides: for each response the name of its side, where a group holds rollouts of several (a paraphrase, a
            teacher). None: there is one.

    Raises:
        GroupError: a field does not have this form.
    """

    prompt: str | Sequence[Message]
    responses: Sequence[str]
    reference: str | float | Sequence[str | float] | None = None
    id: str | None = None
    token_logprobs: Sequence[Sequence[float]] | None = None
    data_source: str | None = None
    metadata: Mapping[str, Any] | None = None
    expected_size: int | None = None
    trained: Sequence[bool] | None = None
    vote_weights: Sequence[float] | None = None
    sides: Sequence[str] | None = None

    def __post_init__(self) -> None:
        where = "group" if self.id is None else f"group {self.id!r}"
        if isinstance(self.responses, str) or not isinstance(self.responses, Sequence):
            raise GroupError(f"{where}: responses must be a list of texts, not {type(self.responses).__name__}")
        if not self.responses:
            raise GroupError(f"{where}: responses is empty; a group needs at least one response")
        for position, response in enumerate(self.responses):
            if not isinstance(response, str):
                raise GroupError(f"{where}: responses[{position}] must be a text, not {type(response).__name__}")
        try:
            object.__setattr__(self, "reference", read_label(self.reference))
        except GroupError as error:
            raise GroupError(f"{where}: {error}") from error
        if self.id is not None and not isinstance(self.id, str):
            raise GroupError(f"{where}: id must be a text, not {type(self.id).__name__}")
        _check_prompt(self.prompt, where)
        if self.token_logprobs is not None:
            _check_logprobs(self.token_logprobs, len(self.responses), where)
        if self.expected_size is not None:
            if isinstance(self.expected_size, bool) or not isinstance(self.expected_size, Integral):
                raise GroupError(f"{where}: expected_size must be an integer, not {type(self.expected_size).__name__}")
            object.__setattr__(self, "expected_size", int(self.expected_size))
            if self.expected_size < len(self.responses):
                raise GroupError(
                    f"{where}: expected_size is {self.expected_size} but there are {len(self.responses)} responses"
                )
        _check_members("trained", self.trained, len(self.responses), where)
        _check_members("sides", self.sides, len(self.responses), where)
        check_vote_weights(self.vote_weights, len(self.responses), where)
        if self.vote_weights is not None and not any(self.vote_weights):
            raise GroupError(f"{where}: vote_weights are all 0; a group needs a vote")
        is_whole = self.expected_size in (None, len(self.responses))
        if self.trained is not None and is_whole and not any(self.trained):
            raise GroupError(f"{where}: no response is trained on; a group of votes alone rewards nothing")

    def __len__(self) -> int:
        return len(self.responses)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The accepted gold answers; empty without a label."""
        label = read_label(self.reference)
        return () if label is None else (label,) if isinstance(label, str) else label

    @property
    def prompt_text(self) -> str:
        """The prompt as one text: the contents of its messages, joined by line breaks."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(content_text(message["content"]) for message in self.prompt)


def content_text(content: object) -> str:
    """A message's content as text: of a multimodal list the text parts, empty if there are none."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(
            str(part["text"]) for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)
        )
    return ""


def _check_prompt(prompt: object, where: str) -> None:
    if isinstance(prompt, str):
        return
    if not isinstance(prompt, Sequence):
        raise GroupError(f"{where}: prompt must be a text or a list of messages, not {type(prompt).__name__}")
    for position, message in enumerate(prompt):
        if not isinstance(message, Mapping) or "content" not in message:
            raise GroupError(f"{where}: prompt[{position}] must be a message with `role` and `content`")


def _check_logprobs(logprobs: object, size: int, where: str) -> None:
    if not isinstance(logprobs, Sequence) or len(logprobs) != size:
        raise GroupError(f"{where}: token_logprobs must have one list for each of the {size} responses")
    for position, values in enumerate(logprobs):
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise GroupError(f"{where}: token_logprobs[{position}] must be a list of numbers")
        for value in values:
            if not isinstance(value, int | float) or not (-sys.float_info.max <= value <= 0 or value == -math.inf):
                raise GroupError(f"{where}: token_logprobs[{position}] holds {value!r}; a log-probability is <= 0")


_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "trained": ((bool,), "true or false"),
    "vote_weights": ((int, float), "a number"),
    "sides": ((str,), "a text"),
}
"""The types of the values of a group's fields that have one for each response, and what they are in words."""


def _check_members(name: str, values: object, size: int, where: str) -> None:
    """Check a field that has a value for each response, or is None."""
    if values is None:
        return
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != size:
        raise GroupError(f"{where}: {name} must have one value for each of the {size} responses")
    kinds, wanted = _KINDS[name]
    for position, value in enumerate(values):
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise GroupError(f"{where}: {name}[{position}] must be {wanted}, not {type(value).__name__}")


def check_vote_weights(weights: Sequence[float] | None, size: int, where: str) -> None:
    """Check the weights of the votes of `size` responses; None is none.

    Raises:
        GroupError: they are not one number in [0, `MAX_VOTE_WEIGHT`] for each.
    """
    _check_members("vote_weights", weights, size, where)
    for position, weight in enumerate(weights or ()):
        if not 0 <= weight <= MAX_VOTE_WEIGHT:  # NaN neither
            raise GroupError(f"{where}: vote_weights[{position}] is {weight}; it lies in [0, {MAX_VOTE_WEIGHT:,.0f}]")


class AnswerKind(str, Enum):
    """Kind of an extracted answer."""

    ANSWER = "answer"
    BLANK = "blank"
    REFUSAL = "refusal"


@dataclass(frozen=True)
class Answer:
    """The answer extracted from a response.

    Args:
        text: the answer as written; empty if none was found.
        kind: an answer, a blank, or a refusal.
        extractor: the name of the extractor that found it; None if none did.
        start, end: the position of `text` in the response (characters, end exclusive); None if nothing was found.
        truncated: the answer was cut off (a `\\boxed{` without its closing brace).
    """

    text: str
    kind: AnswerKind = AnswerKind.ANSWER
    extractor: str | None = None
    start: int | None = None
    end: int | None = None
    truncated: bool = False


class Status(str, Enum):
    """Whether a group has rewards."""

    SCORED = "scored"
    PARTIAL = "partial"
    """Scored from fewer members than expected (configuration `incomplete: partial`)."""
    UNSCORED = "unscored"
    """No rewards, because of a fault, a missing member, or a gate; see `cause`."""


class Cause(str, Enum):
    """Why a group has no rewards of its own: a fault, a missing member, a gate, or the strategy's abstention."""

    INCOMPLETE = "incomplete"
    """Fewer members arrived than expected."""
    EXTRACTION_FAILED = "extraction_failed"
    GUARD_FAILED = "guard_failed"
    EQUIVALENCE_FAILED = "equivalence_failed"
    ENTROPY_FAILED = "entropy_failed"
    STRATEGY_FAILED = "strategy_failed"
    SCORING_FAILED = "scoring_failed"
    """The scoring process died or hung."""
    ENTROPY_LOW = "entropy_low"
    ENTROPY_HIGH = "entropy_high"
    SHARE_LOW = "share_low"
    ABSTAINED = "abstained"
    """The strategy abstained on every response of the group."""

    @property
    def is_fault(self) -> bool:
        """Whether it is a failure, as opposed to a configured choice to give no signal."""
        return self not in (Cause.ENTROPY_LOW, Cause.ENTROPY_HIGH, Cause.SHARE_LOW, Cause.ABSTAINED)


@dataclass(frozen=True)
class GroupScore:
    """The score of one group. Sequences follow the order of the group's responses unless stated otherwise.

    Args:
        rewards: one reward per response. None: no signal (each response of an unscored group; a response on which the
            strategy abstains; one that is not trained on).
        answers: one answer per response.
        clusters: one cluster id per response. Ids count from 0 by decreasing size; each blank has its own id.
        cluster_shares: n_k/G for each cluster id, with weighted votes the share of the weights; they sum to 1.
        entropy: semantic entropy in nats; None if it could not be estimated.
        status, cause, detail: whether there are rewards; if not, a code and a sentence. A gate's cause is also set if
            the gate is configured to give a constant reward.
        metrics: numbers to log.
        flags: for each response the names of the guards that fired.
        correct: for each response whether it agrees with the reference; None if unknown.
        advantage_scale, advantage_shift: factor for this group's advantages (SEED-GRPO), and what is added to them
            afterwards (RESTRAIN); 1 and 0 for other strategies.
        id: the group's id.
        size, expected_size: how many members were seen, and how many were expected.
        trained: for each response whether it is trained on; None: all are.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(allow_inf_nan=False)

    rewards: tuple[float | None, ...]
    answers: tuple[Answer, ...]
    clusters: tuple[int, ...]
    cluster_shares: tuple[float, ...]
    entropy: float | None
    status: Status
    cause: Cause | None = None
    detail: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[tuple[str, ...], ...] = ()
    correct: tuple[bool, ...] | None = None
    advantage_scale: float = 1.0
    id: str | None = None
    size: int = 0
    expected_size: int = 0
    trained: tuple[bool, ...] | None = None
    advantage_shift: float = 0.0

    @classmethod
    def unscored(cls, group: Group, cause: Cause, detail: str, **known: Any) -> GroupScore:
        """The score of a group without rewards.

        Args:
            group: the group.
            cause, detail: why it has no rewards.
            known: values of other fields, by name; default: blank answers and no clusters.
        """
        size = len(group)
        values: dict[str, Any] = {
            "rewards": (None,) * size,
            "answers": (Answer("", AnswerKind.BLANK),) * size,
            "clusters": (),
            "cluster_shares": (),
            "entropy": None,
            "id": group.id,
            "size": size,
            "expected_size": group.expected_size or size,
            "trained": None if group.trained is None else tuple(group.trained),
            **known,
        }
        return cls(status=Status.UNSCORED, cause=cause, detail=detail, **values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GroupScore:
        """The inverse of `to_dict`, also after a round trip through JSON; unknown keys are ignored.

        Raises:
            GroupError: a field is missing or has an invalid value.
        """
        try:
            score = _score_adapter().validate_python(dict(values) if isinstance(values, Mapping) else values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "its type"
            raise GroupError(f"not a group's score: {place}: {first['msg']}") from error
        size = len(score.rewards)
        parts = {"answers": score.answers, "clusters": score.clusters, "flags": score.flags, "correct": score.correct}
        parts["trained"] = score.trained
        for name, part in parts.items():
            if part is not None and len(part) != size and (part or name == "answers"):
                raise GroupError(f"not a group's score: {name} has {len(part)} entries for {size} rewards")
        if score.clusters and {*score.clusters} != {*range(len(score.cluster_shares))}:
            raise GroupError(f"not a group's score: clusters does not count to {len(score.cluster_shares)}, the shares")
        if not all(0 <= share <= 1 for share in score.cluster_shares):
            raise GroupError("not a group's score: cluster_shares has a number that is not in [0, 1]")
        if any(abs(reward) > MAX_NUMBER for reward in score.rewards if reward is not None):
            raise GroupError(f"not a group's score: a reward's size is more than {MAX_NUMBER:g}")
        if not size or values.get("size", size) != size:
            raise GroupError(f"not a group's score: size is {score.size} for {size} rewards")
        return replace(score, size=size, expected_size=max(size, score.expected_size))

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON-ready values."""
        return {
            **vars(self),
            "answers": [{**vars(answer), "kind": answer.kind.value} for answer in self.answers],
            "status": self.status.value,
            "cause": None if self.cause is None else self.cause.value,
            "metrics": dict(self.metrics),
        }


@cache
def _score_adapter() -> TypeAdapter[GroupScore]:
    return TypeAdapter(GroupScore)
