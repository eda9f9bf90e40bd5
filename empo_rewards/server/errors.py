"""Errors of the server: they concern one request, and are answered with an HTTP status."""

from __future__ import annotations

from empo_rewards.errors import EmpoError


class CallerGoneError(Exception):
    """The caller closed its connection: nobody reads the answer."""


class RequestError(EmpoError):
    """A request is refused.

    Args:
        status: the HTTP status.
        message: what was wrong with it, in one sentence.
        retry: whether the same request may succeed in a moment.
        unread: whether a part of the request's body has not been read, so that its connection must be closed.
    """

    def __init__(self, status: int, message: str, retry: bool = False, unread: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.retry = retry
        self.unread = unread

    def __reduce__(self) -> tuple[type[RequestError], tuple[int, str, bool, bool]]:
        return RequestError, (self.status, str(self), self.retry, self.unread)
