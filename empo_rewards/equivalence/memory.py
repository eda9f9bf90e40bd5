"""What backends remember: a bounded cache by content, and a file behind it where several runs are to share one."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from empo_rewards.equivalence.cache import LruCache
from empo_rewards.equivalence.rounds import Pair, PairVerdict
from empo_rewards.errors import ConfigError

log = logging.getLogger("empo_rewards")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

BUSY_SECONDS = 10.0
"""How long a process waits for another one that writes to the file."""

BATCH = 500
"""Keys of one query: below the least number of parameters that SQLite takes."""


class ContentMemory(Generic[K, V]):
    """Values by a digest of their keys' content, so that long texts cost no more than short ones.

    Safe to share between threads; a forked child begins anew, and several processes may use one file.

    Args:
        namespace: what the values depend on beside the key: the backend, its model and its options.
        size: entries that are kept in memory.
        path: an SQLite file that is read where the memory has no value, and that each new value goes to. It holds
            digests and values, no texts. None: no file.
        dump, load: a value as bytes, and back.

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
        self._namespace, self._size, self._path = repr(tuple(namespace)), size, path
        self._dump, self._load = dump, load
        self._inherited: list[_File | None] = []
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._values: LruCache[bytes, V] = LruCache(self._size)
        self._file = None if self._path is None else _File(self._path)

    def get_many(self, keys: Sequence[K]) -> dict[K, V]:
        """The values that are known."""
        if self._pid != os.getpid():  # locks and connections do not survive a fork
            self._inherited.append(self._file)  # SQLite: a child must not even close what its parent opened
            self._begin()
        digests = {key: self._digest(key) for key in keys}
        found = {key: value for key, digest in digests.items() if (value := self._values.get(digest)) is not None}
        if self._file is not None and len(found) < len(digests):
            missing = {digest: key for key, digest in digests.items() if key not in found}
            for digest, data in self._file.get_many(list(missing)).items():
                value = self._load(data)
                found[missing[digest]] = value
                self._values.put(digest, value)
        return found

    def put_many(self, values: Mapping[K, V]) -> None:
        """Keeps values."""
        entries = {self._digest(key): value for key, value in values.items()}
        for digest, value in entries.items():
            self._values.put(digest, value)
        if self._file is not None:
            self._file.put_many((digest, self._dump(value)) for digest, value in entries.items())

    def _digest(self, key: K) -> bytes:
        return hashlib.sha256(f"{self._namespace}\0{key!r}".encode()).digest()


def verdict_memory(namespace: Sequence[str], size: int, path: str | None) -> ContentMemory[Pair, PairVerdict]:
    """A memory of verdicts on pairs, without what they cost; see `ContentMemory`."""
    return ContentMemory(namespace, size, path, _dump_verdict, _load_verdict)


def _dump_verdict(verdict: PairVerdict) -> bytes:
    return json.dumps([verdict.equal, verdict.similarity, verdict.truncated]).encode()


def _load_verdict(data: bytes) -> PairVerdict:
    equal, similarity, truncated = json.loads(data)
    return PairVerdict(equal, similarity, truncated)


class _File:
    """A table of values in an SQLite file. Where the file fails it is left alone: it saves time, and nothing else."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._failed = False

    def get_many(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values that the file holds."""

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            for start in range(0, len(digests), BATCH):
                part = digests[start : start + BATCH]
                query = f"SELECT digest, value FROM entries WHERE digest IN ({','.join('?' * len(part))})"  # noqa: S608 - question marks
                found.update(connection.execute(query, part))
            return found

        return self._with(read) or {}

    def put_many(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Writes values."""

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
    connection.execute("PRAGMA synchronous=OFF")  # what a power cut loses is computed again
    connection.execute("CREATE TABLE IF NOT EXISTS entries (digest BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
    return connection


def fingerprint(model: str) -> str:
    """What a model's name stands for; of a local path the sizes and times of its files: a new model has new values."""
    path = Path(model)
    if not path.exists():
        return model
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return repr([(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for file in files])
