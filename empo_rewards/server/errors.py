"""What the server answers in place of a result."""

from __future__ import annotations

from empo_rewards.errors import EmpoError


class RequestError(EmpoError):
    """A request is refused.

    Args:
        status: the HTTP status.
        message: what was wrong with it, in one sentence.
        retry: whether the same request may succeed in a moment.
    """

    def __init__(self, status: int, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.retry = retry
