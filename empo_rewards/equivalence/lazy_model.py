"""A model that is loaded where it is first needed: what the embedding and the inference backend have in common."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from empo_rewards.errors import EquivalenceError

Model = TypeVar("Model")


class ModelError(EquivalenceError):
    """A model cannot be loaded, or is none of the kind: nothing can be compared with it."""


class LazyModel(Generic[Model]):
    """A model that threads share one at a time. A forked child loads its own: torch's threads do not survive a fork.

    Args:
        name: of the model, for the message where it cannot be had.
        load: loads it.
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
        """The model, for the block alone.

        Raises:
            ModelError: it cannot be loaded. The next use tries again.
        """
        if self._pid != os.getpid():  # nor does a lock that another thread held
            self._begin()
        with self._lock:
            if self._model is None:
                try:
                    self._model = self._load()
                except ModelError:
                    raise
                except Exception as error:  # the libraries raise what they like
                    raise ModelError(f"{self.name} cannot be loaded: {type(error).__name__}: {error}") from error
            yield self._model
