"""Groups flat rows (one response a row) on disk.

The members of a group may be anywhere in a file, so no group is known to be complete before its end. Until then they
are kept in a temporary SQLite database, which goes to disk past a few megabytes. Its file has no name, so that a
SIGKILL does not leave it behind; `SQLITE_TMPDIR` or `TMPDIR` says in which folder.

Rows belong to one group if they have

- the same `uid` (the framework's id of a group) and the same prompt;
- or, without a uid, the same prompt. An `id` of such rows may be the group's (a problem number) or the row's (a sample
  number). If more than half of the rows with an id share it with another row of the same prompt, ids are taken for the
  groups', and divide the rows of a prompt; else for the rows', and are ignored.

Rows of different steps never belong to one group: they come from different policies. One uid with two prompts makes
two groups, so that files whose uids start from 0 can be concatenated.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple, TypeVar

from empo_rewards.errors import GroupError, InputError
from empo_rewards.gather.samples import Sample, group_of
from empo_rewards.group import Group, Message, read_label
from empo_rewards.reading.rows import FlatRow, GroupKeys

CACHE_KIB = 16 * 1024
"""Memory that the database may use before it writes to disk."""

_SCHEMA = """
CREATE TABLE groups (gid INTEGER PRIMARY KEY, key BLOB UNIQUE, uid_key BLOB, id_key BLOB, prompt_key BLOB, prompt TEXT);
CREATE TABLE members (named INTEGER, prompted INTEGER, line INTEGER, content TEXT);
CREATE TABLE strays (key BLOB);
"""

T = TypeVar("T")


class _Arrival(NamedTuple):
    """A row of a group, in the order of arrival; `content` is None where the row was bad."""

    gid: int
    line: int
    content: str | None


class Grouping:
    """Collects flat rows, then yields their groups in the order of their first rows.

    Raises:
        InputError: there is no room on the disk for the members of a large file.
    """

    def __init__(self) -> None:
        # The caller may go on iterating in another thread, but never in two at once.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")
        self._count = 0

    def close(self) -> None:
        """Delete the database."""
        self._db.close()

    def add(self, line: int, row: FlatRow) -> None:
        """Add a row."""
        content = json.dumps(
            [
                row.response,
                row.token_logprobs,
                row.reference,
                row.data_source,
                row.metadata,
                row.keys.uid or row.keys.id,
                row.label_fault,
                row.trained,
                row.vote_weight,
                row.side,
            ],
            default=str,
        )
        _on_disk(lambda: self._place(row.keys, line, content, row.prompt))

    def add_lost(self, line: int, keys: GroupKeys) -> None:
        """Count a bad row as a missing member of its group."""
        if not keys.partial:
            _on_disk(lambda: self._place(keys, line, None, None))
            return
        key = next(key for key in _names(keys) if key is not None)
        _on_disk(lambda: self._db.execute("INSERT INTO strays VALUES (?)", (key,)))

    def _place(self, keys: GroupKeys, line: int, content: str | None, prompt: str | Sequence[Message] | None) -> None:
        if keys.uid is not None:
            named = prompted = self._gid("uid", keys.uid, keys, prompt)
        else:
            prompted = named = self._gid("prompt", None, keys, prompt)
            if keys.id is not None:
                named = self._gid("id", keys.id, keys, prompt)
        self._db.execute("INSERT INTO members VALUES (?, ?, ?, ?)", (named, prompted, line, content))

    def _gid(self, kind: str, name: str | None, keys: GroupKeys, prompt: str | Sequence[Message] | None) -> int:
        """The number of a group; groups are numbered in the order of their first rows."""
        key = _key(kind, keys.step, name, keys.prompt)
        known = self._db.execute("SELECT gid, prompt IS NULL FROM groups WHERE key = ?", (key,)).fetchone()
        if known is None:
            self._count += 1
            row = (self._count, key, *_names(keys), _stored(prompt))
            self._db.execute("INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?)", row)
            return self._count
        gid, unnamed = known
        if unnamed and prompt is not None:
            self._db.execute("UPDATE groups SET prompt = ? WHERE gid = ?", (_stored(prompt), gid))
        return int(gid)

    def groups(self, group_size: int | None = None) -> Iterator[tuple[int, Group | GroupError]]:
        """Each group with the line of its first readable row; the error in place of one whose rows make no group.

        Args:
            group_size: how many rows make a group. More rows of one key are cut in the order of arrival (the members
                of a prompt's groups are exchangeable); fewer make a group that expects `group_size` members.
        """
        by = "named" if _on_disk(self._ids_name_groups) else "prompted"
        _on_disk(lambda: self._db.execute(f"CREATE INDEX by_group ON members ({by})"))
        _on_disk(lambda: self._db.execute("CREATE INDEX by_key ON strays (key)"))
        rows = self._db.execute(f"SELECT {by}, line, content FROM members ORDER BY {by}, rowid")  # noqa: S608 (two constants)
        for gid, arrivals in groupby((_Arrival(*row) for row in rows), key=lambda arrival: arrival.gid):
            prompt, strays = self._prompt(gid), 0 if group_size else self._strays(gid)
            while chunk := list(islice(arrivals, group_size)):
                present = [arrival for arrival in chunk if arrival.content is not None]
                if present:
                    try:
                        yield present[0].line, _assemble(prompt, present, group_size or len(chunk) + strays)
                    except GroupError as error:
                        yield present[0].line, error

    def _ids_name_groups(self) -> bool:
        shared, total = self._db.execute(
            "SELECT total(CASE WHEN n > 1 THEN n END), total(n) FROM"
            " (SELECT count(*) AS n FROM members WHERE named <> prompted GROUP BY named)"
        ).fetchone()
        return bool(2 * shared > total)

    def _prompt(self, gid: int) -> Any:
        (prompt,) = self._db.execute("SELECT prompt FROM groups WHERE gid = ?", (gid,)).fetchone()
        return None if prompt is None else json.loads(prompt)

    def _strays(self, gid: int) -> int:
        """How many bad rows with only one readable key have a key of this group."""
        row: tuple[int] = self._db.execute(
            "SELECT count(*) FROM groups JOIN strays ON strays.key IN (uid_key, id_key, prompt_key) WHERE gid = ?",
            (gid,),
        ).fetchone()
        return row[0]


def _assemble(prompt: Any, arrivals: Iterable[_Arrival], expected_size: int) -> Group:
    contents = [json.loads(arrival.content or "") for arrival in arrivals]
    responses, logprobs, references, sources, metadata, names, faults, *roles = map(list, zip(*contents, strict=True))
    conflicts: dict[str, Any] = {}
    shared = metadata[0] if all(one == metadata[0] for one in metadata) else None
    whole: dict[str, Any] = dict(shared) if shared is not None else {}
    if shared is None and any(metadata):
        whole["members"] = metadata
    missing = logprobs.count(None)
    if 0 < missing < len(logprobs):
        conflicts["token_logprobs"] = f"missing in {missing} of {len(logprobs)} rows"
    for name, values in (("reference", references), ("data_source", sources)):
        distinct = sorted({str(value) for value in values if value is not None})
        if len(distinct) > 1:
            conflicts[name] = distinct
    fault = next(filter(None, faults), None)
    if fault is not None and not any(references):
        conflicts["reference"] = fault
    if conflicts:
        whole["conflicts"] = conflicts
    samples = [
        Sample("", response, read_label(reference), source, values, *role)
        for response, reference, source, values, *role in zip(
            responses, references, sources, logprobs, *roles, strict=True
        )
    ]
    group_id = names[0] if len(set(names)) == 1 else None
    return group_of(samples, id=group_id, expected_size=expected_size, prompt=prompt, metadata=whole or None)


def _names(keys: GroupKeys) -> tuple[bytes | None, bytes | None, bytes | None]:
    """The keys that stand for the uid, the id and the prompt alone, for bad rows of which only one can be read."""
    step, uid, row_id, prompt, _ = keys
    return (
        None if uid is None else _key("any prompt, uid", step, uid),
        None if row_id is None else _key("any prompt, id", step, row_id),
        None if prompt is None else _key("any name", step, prompt),
    )


def _key(*parts: str | bytes | None) -> bytes:
    """A 16-byte digest of the parts."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else (part or "").encode()
        digest.update(b"-" if part is None else b"%d:%b" % (len(data), data))
    return digest.digest()


def _stored(prompt: str | Sequence[Message] | None) -> str | None:
    return None if prompt is None else json.dumps(prompt, default=str)


def _on_disk(action: Callable[[], T]) -> T:
    try:
        return action()
    except (sqlite3.OperationalError, sqlite3.DataError) as error:
        raise InputError(
            f"flat rows could not be grouped on disk ({error}): set SQLITE_TMPDIR to a folder with room for the file"
        ) from error
