"""A model that is loaded at first use, shared by the embedding and the entailment backend."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from empo_rewards.errors import EquivalenceError

Model = TypeVar("Model")


class ModelError(EquivalenceError):
    """A model cannot be loaded, or is not of the required kind."""


class LazyModel(Generic[Model]):
    """A model that one thread at a time may use. A forked child loads its own: torch's threads do not survive a fork.

    Args:
        name: the model's name, for error messages.
        load: loads and returns the model.
    """

    def __init__(self, name: str, load: Callable[[], Model]) -> None:
        self.name = name
        self._load = load
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._model: Model | None = None

    @contextmanager
    def use(self) -> Iterator[Model]:
        """Context manager that gives exclusive use of the model.

        Raises:
            ModelError: it cannot be loaded. The next use tries again.
        """
        if self._pid != os.getpid():  # a lock that another thread held does not survive a fork either
            self._begin()
        with self._lock:
            if self._model is None:
                try:
                    self._model = self._load()
                except ModelError:
                    raise
                except Exception as error:  # the libraries' exceptions have no common class
                    raise ModelError(f"{self.name} cannot be loaded: {type(error).__name__}: {error}") from error
            yield self._model
