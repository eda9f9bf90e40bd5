"""Groups whose members stand in rows of their own, brought together on disk.

Members of one group may be anywhere in a file, so nothing is known to be complete before its end. They wait in a
private temporary database of SQLite's: it spills to disk past a few megabytes, and its file has no name, so that
not even a SIGKILL leaves it behind. (`SQLITE_TMPDIR` or `TMPDIR` says where.)

Which rows belong together:

- those of one `uid` and one prompt: a uid is what a framework names a group by;
- without a uid, those of one prompt. Where such rows have an `id`, it may name the group (a problem's number) or the
  row (a sample's number): only the whole file tells. If more than half of the rows share theirs with another row of
  the same prompt, ids name groups and split a prompt's rows; else they name rows and split nothing.

Rows of different steps never belong together: they come from different policies. One uid with two prompts is two
groups, so that files whose uids start from 0 can be put one after the other.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple, TypeVar

from empo_rewards.cli.rows import FlatRow, GroupKeys
from empo_rewards.errors import InputError
from empo_rewards.gather.samples import Sample, group_of
from empo_rewards.group import Group, Message, read_label

CACHE_KIB = 16 * 1024
"""Memory that the database may use before it goes to disk."""

_SCHEMA = """
CREATE TABLE groups (gid INTEGER PRIMARY KEY, key BLOB UNIQUE, uid_key BLOB, id_key BLOB, prompt_key BLOB, prompt TEXT);
CREATE TABLE members (named INTEGER, prompted INTEGER, line INTEGER, content TEXT);
CREATE TABLE strays (key BLOB);
"""

T = TypeVar("T")


class _Arrival(NamedTuple):
    """A row's place in its group; without content where the row was bad."""

    gid: int
    line: int
    content: str | None


class Grouping:
    """Collects flat rows, then gives their groups in the order of their first rows.

    Raises:
        InputError: there is no room on the disk for the members of a large file.
    """

    def __init__(self) -> None:
        # The caller may finish the iteration in another thread than it began in; never in two at once.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")
        self._count = 0

    def close(self) -> None:
        """Gives the disk space back."""
        self._db.close()

    def add(self, line: int, member: FlatRow) -> None:
        """Adds a member."""
        content = json.dumps(
            [
                member.response,
                member.token_logprobs,
                member.reference,
                member.data_source,
                member.metadata,
                member.keys.uid or member.keys.id,
            ],
            default=str,
        )
        _on_disk(lambda: self._place(member.keys, line, content, member.prompt))

    def add_lost(self, line: int, keys: GroupKeys) -> None:
        """Counts a member whose row is bad: its group is known to have had one more."""
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
        """The group's number; numbers rise in the order of first rows."""
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

    def groups(self, group_size: int | None = None) -> Iterator[tuple[int, Group]]:
        """Each group with the line of its first readable row.

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
                    yield present[0].line, _assemble(prompt, present, group_size or len(chunk) + strays)

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
        """Lost members whose row says no more than one name, where it is this group's."""
        row: tuple[int] = self._db.execute(
            "SELECT count(*) FROM groups JOIN strays ON strays.key IN (uid_key, id_key, prompt_key) WHERE gid = ?",
            (gid,),
        ).fetchone()
        return row[0]


def _assemble(prompt: Any, arrivals: Iterable[_Arrival], expected_size: int) -> Group:
    contents = [json.loads(arrival.content or "") for arrival in arrivals]
    responses, logprobs, references, sources, metadata, names = map(list, zip(*contents, strict=True))
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
    if conflicts:
        whole["conflicts"] = conflicts
    samples = [
        Sample("", response, read_label(reference), source, values)
        for response, reference, source, values in zip(responses, references, sources, logprobs, strict=True)
    ]
    group_id = names[0] if len(set(names)) == 1 else None
    return group_of(samples, id=group_id, expected_size=expected_size, prompt=prompt, metadata=whole or None)


def _names(keys: GroupKeys) -> tuple[bytes | None, bytes | None, bytes | None]:
    """The keys under which a row that says no more than its uid, its id or its prompt finds its group."""
    step, uid, row_id, prompt, _ = keys
    return (
        None if uid is None else _key("any prompt, uid", step, uid),
        None if row_id is None else _key("any prompt, id", step, row_id),
        None if prompt is None else _key("any name", step, prompt),
    )


def _key(*parts: str | bytes | None) -> bytes:
    """A short key that differs where any part does."""
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
