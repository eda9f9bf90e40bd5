"""Caches of what backends computed, keyed by content: bounded in memory, and an SQLite file that runs can share."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from empo_rewards.equivalence.cache import LruCache
from empo_rewards.equivalence.rounds import Pair, PairVerdict
from empo_rewards.errors import ConfigError
from empo_rewards.per_process import PerProcess

log = logging.getLogger("empo_rewards")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

BUSY_SECONDS = 10.0
"""How long a process waits for another one that is writing to the file."""

BATCH = 500
"""Keys in one query, below the smallest limit on parameters that SQLite is built with (999)."""


class ContentMemory(Generic[K, V]):
    """A cache keyed by digests of its keys' content, so that its size does not depend on the length of texts.

    Thread-safe; a forked child starts with an empty cache, and several processes may use one file.

    Args:
        namespace: what the values depend on beside the key: the backend, its model and its options.
        size: entries that are kept in memory.
        path: an SQLite file, read where memory has no value and written with each new value. It holds digests and
            values, no texts. None: no file.
        dump, load: convert a value to bytes and back.

    Raises:
        ConfigError: the file's folder does not exist.
    """

    def __init__(
        self,
        namespace: Sequence[str],
        size: int,
        path: str | None,
        dump: Callable[[V], bytes],
        load: Callable[[bytes], V],
    ) -> None:
        if path is not None and not Path(path).absolute().parent.is_dir():
            raise ConfigError(f"cache is {path!r}; its folder does not exist")
        self._namespace, self._dump, self._load = repr(tuple(namespace)), dump, load
        self._kept: PerProcess[_ProcessCache[V]] = PerProcess(partial(_ProcessCache, size, path))

    def get_many(self, keys: Sequence[K]) -> dict[K, V]:
        """The values that are known."""
        kept = self._kept.get()
        digests = {key: self._digest(key) for key in keys}
        found = {key: value for key, digest in digests.items() if (value := kept.values.get(digest)) is not None}
        if kept.file is not None and len(found) < len(digests):
            missing = {digest: key for key, digest in digests.items() if key not in found}
            for digest, data in kept.file.get_many(list(missing)).items():
                value = self._load(data)
                found[missing[digest]] = value
                kept.values.put(digest, value)
        return found

    def put_many(self, values: Mapping[K, V]) -> None:
        """Keep values."""
        kept = self._kept.get()
        entries = {self._digest(key): value for key, value in values.items()}
        for digest, value in entries.items():
            kept.values.put(digest, value)
        if kept.file is not None:
            kept.file.put_many((digest, self._dump(value)) for digest, value in entries.items())

    def _digest(self, key: K) -> bytes:
        return hashlib.sha256(f"{self._namespace}\0{key!r}".encode()).digest()


def verdict_memory(namespace: Sequence[str], size: int, path: str | None) -> ContentMemory[Pair, PairVerdict]:
    """A cache of verdicts on pairs, without their costs; see `ContentMemory`."""
    return ContentMemory(namespace, size, path, _dump_verdict, _load_verdict)


def _dump_verdict(verdict: PairVerdict) -> bytes:
    return json.dumps([verdict.equal, verdict.similarity, verdict.truncated]).encode()


def _load_verdict(data: bytes) -> PairVerdict:
    equal, similarity, truncated = json.loads(data)
    return PairVerdict(equal, similarity, truncated)


class _ProcessCache(Generic[V]):
    """The cache of one process."""

    def __init__(self, size: int, path: str | None) -> None:
        self.values: LruCache[bytes, V] = LruCache(size)
        self.file = None if path is None else _File(path)


class _File:
    """A table of values in an SQLite file. After its first error the file is not used again: it only saves time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._failed = False

    def get_many(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Read values."""

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            for start in range(0, len(digests), BATCH):
                part = digests[start : start + BATCH]
                query = f"SELECT digest, value FROM entries WHERE digest IN ({','.join('?' * len(part))})"  # noqa: S608 - question marks
                found.update(connection.execute(query, part))
            return found

        return self._with(read) or {}

    def put_many(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Write values."""

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", entries)

        self._with(write)

    def _with(self, use: Callable[[sqlite3.Connection], V]) -> V | None:
        with self._lock:
            if self._failed:
                return None
            try:
                if self._connection is None:
                    self._connection = _connect(self._path)
                return use(self._connection)
            except sqlite3.Error as error:
                self._failed = True
                log.warning("the cache %s cannot be used and is left alone: %s", self._path, error)
                return None


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)  # `_File` has a lock
    connection.execute("PRAGMA journal_mode=WAL")  # readers do not wait for a writer
    connection.execute("PRAGMA synchronous=OFF")  # values lost in a power cut are computed again
    connection.execute("CREATE TABLE IF NOT EXISTS entries (digest BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
    return connection


def fingerprint(model: str) -> str:
    """A text that changes with the model: its name, or for a local path the names, sizes and times of its files."""
    path = Path(model)
    if not path.exists():
        return model
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return repr([(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for file in files])
