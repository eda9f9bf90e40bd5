"""A model that is loaded when it is first needed, shared by all backends that run one in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from empo_rewards.errors import EquivalenceError
from empo_rewards.per_process import PerProcess

Model = TypeVar("Model")


class ModelError(EquivalenceError):
    """A model cannot be loaded, or is not of the kind that is needed: nothing can be compared with it."""


class LazyModel(Generic[Model]):
    """A model that threads use one at a time. A forked child loads its own: torch's threads do not survive a fork.

    Args:
        name: of the model, for the message where it cannot be loaded.
        load: loads it.
        unload: ends it. Where this is given, a model whose use raised is unloaded too, and loaded anew by the next use:
            it may have died.
    """

    def __init__(self, name: str, load: Callable[[], Model], unload: Callable[[Model], object] | None = None) -> None:
        self.name = name
        self._load, self._unload = load, unload
        self._slot: PerProcess[_Slot[Model]] = PerProcess(_Slot)

    @contextmanager
    def use(self) -> Iterator[Model]:
        """Context manager that gives exclusive use of the model.

        Raises:
            ModelError: it cannot be loaded. The next use tries again.
        """
        slot = self._slot.get()
        with slot.lock:
            if slot.model is None:
                slot.model = self._loaded()
            try:
                yield slot.model
            except BaseException:  # an interrupted use too may leave the model in a bad state
                if self._unload is not None:
                    self._end(slot)
                raise

    def close(self) -> None:
        """Unload the model of this process once its use has ended; the next use loads it anew."""
        slot = self._slot.pop()
        if slot is not None:
            with slot.lock:
                self._end(slot)

    def _loaded(self) -> Model:
        try:
            return self._load()
        except ModelError:
            raise
        except Exception as error:  # the libraries raise what they like
            raise ModelError(f"{self.name} cannot be loaded: {type(error).__name__}: {error}") from error

    def _end(self, slot: _Slot[Model]) -> None:
        model, slot.model = slot.model, None
        if model is not None and self._unload is not None:
            self._unload(model)


class _Slot(Generic[Model]):
    """What one process has loaded: at first nothing."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.model: Model | None = None
