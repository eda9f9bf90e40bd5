"""Pieces of the input to lines of the output: what `score` does in this process, or in others.

A worker gets bytes and gives lines back, so that this process copies and counts, and neither decodes nor encodes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from empo_rewards.cli.blanks import Blanks
from empo_rewards.cli.journal import Journal, line_of
from empo_rewards.cli.parallel import InOrder
from empo_rewards.cli.summary import Summary
from empo_rewards.group import Group, GroupScore
from empo_rewards.plugins.registry import load
from empo_rewards.reading.grouping import Grouping
from empo_rewards.reading.rollouts import (
    Found,
    InputFile,
    LeftOut,
    Located,
    Member,
    Piece,
    ReadGroup,
    ReadOptions,
    Rejected,
    flat_groups,
    no_rows,
)
from empo_rewards.workers import StreamScorer, Task

PIECE_GROUPS = 16
"""Groups of flat rows that are scored at once."""

WORKER_ROWS = 16
"""Rows of a piece, where several processes score: few enough to keep all of them busy to the end."""


@dataclass(frozen=True)
class Known:
    """A piece whose rows have been decoded. It pickles."""

    items: Sequence[Located]

    def located(self, reading: ReadOptions) -> Iterator[Located]:
        """The groups and bad rows."""
        return iter(self.items)


@dataclass
class ScoredPiece:
    """What came of a piece of the input.

    Args:
        lines: the scores as JSON, one a group.
        rejected: the bad rows.
        members: flat rows, whose groups are not known yet.
        summary: totals over the scores.
        blanks: the responses without an answer, where they are counted.
        line: the last line that has a group.
    """

    lines: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)
    blanks: Blanks | None = None
    line: int = 0


@dataclass(frozen=True)
class PieceScorer:
    """A scorer for pieces. It pickles; a copy has readers of its own.

    Args:
        scorer: scores the groups.
        reading: how rows become groups.
        strict: stop a piece at its first bad row.
        encode: whether the lines of the output are wanted.
        ascii_only: escape what is not ASCII in them.
    """

    scorer: StreamScorer
    reading: ReadOptions
    strict: bool = False
    encode: bool = True
    ascii_only: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        options = {name: value for name, value in vars(self.reading).items() if name != "readers"}
        return _with_readers, (options, self.scorer, self.strict, self.encode, self.ascii_only)

    def score_many(self, groups: Iterable[Group], /) -> Iterator[GroupScore]:
        """One score a group, in order."""
        return self.scorer.score_many(groups)

    def close(self) -> None:
        """Close the scorer."""
        self.scorer.close()

    def part(self, piece: Piece | Known, watch: bool) -> ScoredPiece:
        """Score a piece; with `watch`, count the responses without an answer."""
        part = ScoredPiece(blanks=Blanks() if watch else None)
        groups: list[ReadGroup] = []
        for item in piece.located(self.reading):
            if isinstance(item, ReadGroup):
                groups.append(item)
            elif isinstance(item, Member):
                part.members.append(item)
            elif isinstance(item, LeftOut):
                part.summary.leave_out(item.variant)
            else:
                part.rejected.append(item)
                if self.strict:
                    break
        for read, score in zip(groups, self.scorer.score_many(read.group for read in groups), strict=True):
            part.line = read.line
            part.summary.add(score, read.group)
            if part.blanks is not None:
                part.blanks.add(read.group, score)
            if self.encode:
                record = {"id": score.id, "source": read.source, "line": read.line, **score.to_dict()}
                part.lines.append(line_of(record, ascii_only=self.ascii_only))
        return part


def _with_readers(options: dict[str, Any], *others: Any) -> PieceScorer:
    scorer, strict, encode, ascii_only = others
    return PieceScorer(scorer, ReadOptions(readers=load().readers, **options), strict, encode, ascii_only)


def _score_piece(piece: Piece | Known, watch: bool, scorer: StreamScorer) -> ScoredPiece:
    """The task of a worker, whose scorer is a `PieceScorer`."""
    assert isinstance(scorer, PieceScorer)  # noqa: S101 - `ScoringRun` has made the pool with one
    return scorer.part(piece, watch)


class ScoringRun:
    """The pieces of an input in order, and what comes of each.

    Rows are decoded where groups are scored, except where groups have to be counted before: those that the output has
    already, and those up to a limit.

    Args:
        files: the input.
        reading: how rows become groups.
        journal: says what is in the output already; None: nothing is.
        watched: whether responses without an answer are still counted.
    """

    def __init__(
        self, files: Sequence[InputFile], reading: ReadOptions, journal: Journal | None, watched: Callable[[], bool]
    ) -> None:
        self._files, self._reading, self._journal, self._watched = files, reading, journal, watched
        self._groups, self._empty = 0, True

    def parts(self, do: InOrder) -> Generator[ScoredPiece, None, None]:
        """What comes of each piece, in the order of the input.

        Raises:
            InputError: there are no rows; what reading raises, after what was read before.
        """
        for flat, part in do(self._tasks()):
            if part is not None:
                self._empty = self._empty and not (part.summary.groups or part.rejected or part.members)
                for member in part.members:
                    member.join(flat.grouping)
                yield part
                continue
            for _, grouped in do((None, self._task(known)) for known in flat.known(self._reading)):
                if grouped is not None:
                    yield grouped
        if self._empty:
            raise no_rows(self._files[-1][0])
        if self._journal is not None:
            self._journal.check_all_left_out()

    def _tasks(self) -> Iterator[tuple[_FlatRows, Task[ScoredPiece] | None]]:
        """The task of each piece, with the flat rows of its file; no task at the end of a file."""
        for name, pieces in self._files:
            flat = _FlatRows(name, Grouping())
            for piece in pieces:
                known = self._counted(piece.located(self._reading), flat) if self._counting else piece
                yield flat, self._task(known)
                if self._at_limit:
                    return
            if not self._counting:
                yield flat, None
                continue
            for whole in flat.known(self._reading):  # all rows of the file were decoded here
                yield flat, self._task(self._counted(whole.items, flat))
                if self._at_limit:
                    return

    @property
    def _at_limit(self) -> bool:
        return self._reading.limit is not None and self._groups >= self._reading.limit

    @property
    def _counting(self) -> bool:
        return self._reading.limit is not None or (self._journal is not None and self._journal.skips)

    def _counted(self, items: Iterable[Found], flat: _FlatRows) -> Known:
        """The groups that are to be scored, and the bad rows."""
        left: list[Located] = []
        for item in items:
            self._empty = False
            if isinstance(item, Member):
                item.join(flat.grouping)
                continue
            if isinstance(item, LeftOut):
                continue
            self._groups += isinstance(item, ReadGroup)
            if isinstance(item, ReadGroup) and self._journal is not None and self._journal.skips:
                self._journal.skip()
            else:
                left.append(item)
            if self._at_limit:
                break
        return Known(left)

    def _task(self, piece: Piece | Known) -> Task[ScoredPiece]:
        return partial(_score_piece, piece, self._watched())


@dataclass(frozen=True)
class _FlatRows:
    """The flat rows of a file."""

    name: str
    grouping: Grouping

    def known(self, reading: ReadOptions) -> Iterator[Known]:
        """Their groups, at the end of the file; afterwards they are deleted."""
        with closing(self.grouping):
            groups = flat_groups(self.name, self.grouping, reading)
            while some := list(islice(groups, PIECE_GROUPS)):
                yield Known(some)
