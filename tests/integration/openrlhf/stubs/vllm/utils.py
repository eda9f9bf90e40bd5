"""Stub of vLLM's module of the same name."""

import uuid


def random_uuid() -> str:
    return uuid.uuid4().hex
