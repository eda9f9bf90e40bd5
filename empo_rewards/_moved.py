"""Deprecated aliases of names that were moved or renamed; they work for one release, with a warning."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def moved(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module-level `__getattr__` that resolves former names and warns.

    Args:
        module: the name of the module with the former names.
        names: for each former name the new one, as `module:name`.
    """

    def find(name: str) -> Any:
        if name == "__all__":  # asked for by `from module import *`
            return list(names)
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, new = names[name].partition(":")
        warnings.warn(f"{module}.{name} is now {place}.{new}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(place), new)

    return find
