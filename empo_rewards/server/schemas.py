"""The bodies of the routes: pydantic models that check them, and their OpenAPI description."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from empo_rewards.gather.samples import Sample
from empo_rewards.group import MAX_VOTE_WEIGHT, Group, read_label
from empo_rewards.server.bodies import decode
from empo_rewards.server.errors import RequestError

MAX_GROUP_SIZE = 65_536
"""A larger group size in a request is taken for a mistake: room for that many members would be reserved."""

MAX_PATH = 200
"""A longer name of a field is cut in a message: it may be a key that the caller made up."""

Body = TypeVar("Body", bound=BaseModel)

Reference = str | int | float | list[str | int | float | None] | None
"""A label, as `Group` takes it: a text, a number, or a list of accepted ones."""


class GroupBody(BaseModel):
    """A whole group: the fields of `empo_rewards.Group`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str | list[dict[str, Any]]
    responses: list[str] = Field(min_length=1)
    reference: Reference = None
    id: str | None = None
    token_logprobs: list[list[float]] | None = None
    data_source: str | None = None
    metadata: dict[str, Any] | None = None
    expected_size: int | None = None
    trained: list[bool] | None = None
    vote_weights: list[float] | None = None
    sides: list[str] | None = None

    def group(self) -> Group:
        """The group."""
        return Group(**self.model_dump())


class MemberBody(BaseModel):
    """One member of a group; the ids of both are in the path."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str
    response: str
    reference: Reference = None
    data_source: str | None = None
    token_logprobs: list[float] | None = None
    group_size: int | None = Field(default=None, ge=1, le=MAX_GROUP_SIZE)
    trained: bool | None = None
    vote_weight: float = Field(default=1.0, ge=0, le=MAX_VOTE_WEIGHT, allow_inf_nan=False)
    side: str | None = None

    def sample(self) -> Sample:
        """The sample."""
        logprobs = None if self.token_logprobs is None else tuple(self.token_logprobs)
        label = read_label(self.reference)
        return Sample(
            self.prompt, self.response, label, self.data_source, logprobs, self.trained, self.vote_weight, self.side
        )


def read_groups(body: object) -> tuple[bool, list[Group]]:
    """The groups of a body of `/score`: one, or (True) several under `groups`.

    Raises:
        RequestError: 422; it names the field.
        GroupError: one of them is no group.
    """
    many = isinstance(body, dict) and "groups" in body
    given = body["groups"] if many else [body]  # type: ignore[index] # it is a dict
    if not isinstance(given, list) or (many and len(body) > 1):  # type: ignore[arg-type] # as above
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "`groups` must be a list, and the only field")
    return many, [_validated(GroupBody, one, f"groups[{n}]" if many else "").group() for n, one in enumerate(given)]


def read_member(body: bytes) -> tuple[Sample, int | None]:
    """The sample of a body of `/v1/groups`, and the size of its group.

    Raises:
        RequestError: 400 or 422; it names the field.
        GroupError: a field does not have the form that a group asks for.
    """
    member = _validated(MemberBody, decode(body))
    return member.sample(), member.group_size


def _validated(model: type[Body], value: object, place: str = "") -> Body:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, problems(error.errors(), place)) from error


def problems(found: Sequence[Any], place: str = "") -> str:
    """The first of pydantic's problems in one line, without the input value."""
    first = found[0]
    path = ".".join(filter(None, (place, *map(str, first["loc"])))) or "the body"
    path = path if len(path) <= MAX_PATH else path[:MAX_PATH] + "…"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{path}: {first['msg'][:1].lower()}{first['msg'][1:]}{more}"


_GROUP_SCHEMA = GroupBody.model_json_schema()
GROUPS_SCHEMA = {
    "oneOf": [
        _GROUP_SCHEMA,
        {
            "type": "object",
            "required": ["groups"],
            "additionalProperties": False,
            "properties": {"groups": {"type": "array", "items": _GROUP_SCHEMA}},
        },
    ]
}


class RewardBody(BaseModel):
    """OpenRLHF's body, which `openrlhf.read` reads."""

    query: list[str]
    prompts: list[str]
    labels: list[Reference] | None = None


class RewardAnswer(BaseModel):
    """What `openrlhf.answer` writes."""

    rewards: float | list[float]
    scores: float | list[float]
    extra_logs: dict[str, float | list[float]]
    detail: str | None = None


def json_content(schema: dict[str, Any]) -> dict[str, Any]:
    """The content of a body of this schema, for OpenAPI."""
    return {"content": {"application/json": {"schema": schema}}}


PARAMETERS: list[dict[str, Any]] = [
    {"name": "group_size", "in": "query", "schema": {"type": "integer", "minimum": 1}},
    {"name": "X-Group-Size", "in": "header", "schema": {"type": "integer", "minimum": 1}},
    {"name": "run", "in": "query", "schema": {"type": "string", "minLength": 1}},
    {"name": "X-Run", "in": "header", "schema": {"type": "string", "minLength": 1}},
]
"""What a request may say of its samples beside their body."""

REWARD_DOCUMENTATION: dict[str, Any] = {
    "description": "A batch of one or many samples. Waits until the group of each is whole. A body of one sample with "
    "`labels` is answered with numbers, any other with lists.",
    "parameters": PARAMETERS,
    "requestBody": {"required": True, **json_content(RewardBody.model_json_schema())},
    "responses": {
        "200": {"description": "One reward a sample.", **json_content(RewardAnswer.model_json_schema())},
    },
}
