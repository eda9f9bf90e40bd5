"""The bodies of the routes: pydantic models that check them, and their OpenAPI description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from empo_rewards.gather.samples import Sample
from empo_rewards.group import Group, read_label

MAX_GROUP_SIZE = 65_536
"""A larger group size in a request is taken for a mistake: room for that many members would be reserved."""

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

    def sample(self) -> Sample:
        """The sample."""
        logprobs = None if self.token_logprobs is None else tuple(self.token_logprobs)
        return Sample(self.prompt, self.response, read_label(self.reference), self.data_source, logprobs)


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


def _column(*types: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": list(types)}}


def _one_or_many(kind: str) -> dict[str, Any]:
    return {"anyOf": [{"type": kind}, {"type": "array", "items": {"type": kind}}]}


REWARD_DOCUMENTATION: dict[str, Any] = {
    "description": "A batch of one or many samples. Waits until the group of each is whole. A body of one sample with "
    "`labels` is answered with numbers, any other with lists.",
    "parameters": [
        {"name": "group_size", "in": "query", "schema": {"type": "integer", "minimum": 1}},
        {"name": "X-Group-Size", "in": "header", "schema": {"type": "integer", "minimum": 1}},
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["query", "prompts"],
                    "properties": {
                        "query": _column("string"),
                        "prompts": _column("string"),
                        "labels": _column("string", "number", "array", "null"),
                    },
                }
            }
        },
    },
    "responses": {
        "200": {
            "description": "One reward a sample.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "rewards": _one_or_many("number"),
                            "scores": _one_or_many("number"),
                            "extra_logs": {"type": "object", "additionalProperties": _one_or_many("number")},
                            "detail": {"type": "string"},
                        },
                    }
                }
            },
        }
    },
}
