"""OpenRLHF's remote reward protocol: request bodies to samples, sample rewards to response bodies.

    {"query": [prompt + response, ...], "prompts": [...], "labels": [...]}

Since 0.9.1 a body holds one sample, before that a batch; 0.5 sends no `labels`; some versions send empty lists. A body
of one is answered with numbers, because the trainer wraps them in a tensor itself (a list would give the shape (1, 1));
a batch, and any body of 0.5, with lists. `extra_logs` must be numbers under the same keys for every sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any

from empo_rewards.errors import GroupError
from empo_rewards.gather.samples import LOG_PREFIX, SAMPLE_METRICS, Sample, SampleReward
from empo_rewards.group import Label, read_label
from empo_rewards.server.bodies import decode
from empo_rewards.server.errors import RequestError
from empo_rewards.server.transcript import response_of

ABSENT = 0.0
"""Stands in `extra_logs` for a number that a group does not have. To correct a mean over all samples for it, divide by
the mean of `labelled` or `scored`."""


class ScoresField(str, Enum):
    """What OpenRLHF's `scores` holds."""

    ACCURACY = "accuracy"
    """1 or 0 by agreement with the label where there is one, else the reward."""
    REWARD = "reward"
    """The reward, always."""


@dataclass(frozen=True)
class Submission:
    """The samples of one request body.

    Args:
        samples: in the body's order.
        bare: answer with numbers instead of lists.
        whole_queries: how many samples' prompts were not found in their query, so that all of it is the response.
    """

    samples: tuple[Sample, ...]
    bare: bool
    whole_queries: int = 0


def read(body: object) -> Submission:
    """The samples of a request body.

    Raises:
        RequestError: 422; it names the field.
    """
    if not isinstance(body, dict):
        raise _wrong(f"the body must be an object with `query` and `prompts`, not {_type(body)}")
    queries = _texts(body, "query")
    prompts = _texts(body, "prompts")
    labels = body.get("labels")
    if labels is None:
        labels = [None] * len(queries)
    elif not isinstance(labels, list):
        raise _wrong(f"`labels` must be a list, not {_type(labels)}")
    for name, values in (("prompts", prompts), ("labels", labels)):
        if len(values) != len(queries):
            raise _wrong(f"`{name}` has {len(values)} entries, but `query` has {len(queries)}")
    samples, whole_queries = [], 0
    for position, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True)):
        response = response_of(query, prompt)
        if response is None:
            response = query
            whole_queries += 1
        samples.append(Sample(prompt, response, _reference(label, position)))
    return Submission(tuple(samples), len(samples) == 1 and "labels" in body, whole_queries)


def read_submission(body: bytes) -> Submission:
    """The samples of a request body.

    Raises:
        RequestError: 400 or 422.
    """
    return read(decode(body))


def answer(submission: Submission, results: Sequence[SampleReward], scores: ScoresField) -> dict[str, Any]:
    """The response body for a submission and the rewards of its samples, in order."""
    rows = [{LOG_PREFIX + k: v for k, v in result.metrics(ABSENT).items()} for result in results]
    rewards = [result.reward for result in results]
    grades = [
        result.reward if result.correct is None or scores is ScoresField.REWARD else float(result.correct)
        for result in results
    ]
    if submission.bare:
        return {"rewards": rewards[0], "scores": grades[0], "extra_logs": rows[0]}
    columns = {LOG_PREFIX + name: [row[LOG_PREFIX + name] for row in rows] for name in SAMPLE_METRICS}
    return {"rewards": rewards, "scores": grades, "extra_logs": columns}


def _texts(body: dict[str, Any], name: str) -> list[str]:
    values = body.get(name)
    if values is None:
        raise _wrong(f"`{name}` is missing")
    if not isinstance(values, list):
        raise _wrong(f"`{name}` must be a list of texts, not {_type(values)}")
    for position, value in enumerate(values):
        if not isinstance(value, str):
            raise _wrong(f"{name}[{position}] must be a text, not {_type(value)}")
    return values


def _reference(label: object, position: int) -> Label:
    try:
        return read_label(label)
    except GroupError as error:
        raise _wrong(f"labels[{position}]: {error}") from error


def _type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _wrong(message: str) -> RequestError:
    return RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
