"""Dates, years of an era and times of day, read from plain text: none of them is arithmetic."""

from __future__ import annotations

import re
from calendar import monthrange

from empo_rewards.equivalence.math.algebra import constant, quotient
from empo_rewards.equivalence.math.keys import Key, Option
from empo_rewards.equivalence.math.names import listed
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.shapes import Aligned, Clock, Date, Opaque

MAX_CHARS = 60
"""No date is longer."""

_FORMULA = re.compile(r"[\\^=()\[\]<>+*%|]")
"""Characters that no date holds."""
_NAMES = listed("january february march april may june july august september october november december")
_MONTHS = {name[:size]: k for k, name in enumerate(_NAMES, 1) for size in (3, len(name))} | {"sept": 9}
_MONTH = f"(?P<m>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\\.?"
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>\d{4})"
_WEEKDAY = re.compile(r"(?:on )?(?:mon|tues|wednes|thurs|fri|satur|sun)day,? ")
_FORMS = [
    re.compile(form)
    for form in (
        rf"{_YEAR}([-/.])(?P<m>\d{{1,2}})\2(?P<d>\d{{1,2}})",
        rf"{_MONTH} {_DAY}(?:,? {_YEAR})?",
        rf"(?:the )?{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR})?",
        rf"{_MONTH},? {_YEAR}",
    )
]
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_ERA = re.compile(r"(?:(a\.?d\.?) ?(\d{1,4})|(\d{1,4}) ?(b\.?c\.?(?:e\.?)?|a\.?d\.?|c\.?e\.?))")
_DECADE = re.compile(r"(?:the )?(\d{3}0)'?s")
_CLOCK = re.compile(r"(\d{1,2})(?::([0-5]\d))? ?([ap])\.? ?m\.?")
_TIME = re.compile(r"(\d{1,2}):([0-5]\d)")


def read(text: str, policy: MathPolicy) -> Key | None:
    """What a plain text says as a date, a year of an era, or a time of day; None for anything else."""
    if len(text) > MAX_CHARS or _FORMULA.search(text) is not None:
        return None
    text = text.lower()
    if not any(character.isdecimal() for character in text):
        return {"noon": Key(Clock(12, 0)), "midnight": Key(Clock(0, 0))}.get(text)
    text = _WEEKDAY.sub("", text, count=1)
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            said = match.groupdict()
            month = _MONTHS.get(said["m"]) or int(said["m"])
            return _date(said.get("y"), month, said.get("d"))
    return _numeric(text, policy.date_order) or _era(text) or _clock(text, either=policy.clock == "either")


def _date(year: str | None, month: int, day: str | None) -> Key | None:
    """A date as such, if there is one; of what is not said, None."""
    if not 1 <= month <= 12 or (day and not 1 <= int(day) <= monthrange(int(year or 2000), month)[1]):
        return None
    return Key(Date(int(year) if year else None, month, int(day) if day else None))


def _numeric(text: str, order: str) -> Key | None:
    """Day and month in digits: in the order that is possible, or the declared one; undecided where neither tells."""
    match = _NUMERIC.fullmatch(text)
    if match is None:
        return None
    first, mark, second, year = match.groups()
    day_first = _date(year, int(second), first)
    month_first = None if mark == "." else _date(year, int(first), second)
    if day_first is None or month_first is None or day_first == month_first:
        return day_first or month_first or Key(Opaque(text))
    return {"day first": day_first, "month first": month_first}.get(order, Key(Opaque(text)))


def _era(text: str) -> Key | None:
    match = _ERA.fullmatch(text)
    if match is not None:
        era = "AD" if match[1] or match[4][0] != "b" else "BC"
        return Key(constant(int(match[2] or match[3])), {"unit": ((era, 1),)})
    match = _DECADE.fullmatch(text)
    return Key(Opaque(match[1] + "s")) if match is not None else None


def _clock(text: str, *, either: bool) -> Key | None:
    """A time with a.m. or p.m. is one; without, h:mm is a time of 24 hours, or a ratio where the set has it."""
    match = _CLOCK.fullmatch(text)
    if match is not None and 1 <= int(match[1]) <= 12:
        return Key(Clock(int(match[1]) % 12 + (12 if match[3] == "p" else 0), int(match[2] or 0)))
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 24:
        return None
    hours, minutes = int(match[1]), int(match[2])
    options = [Option("time:24 hours", text, Clock(hours, minutes))]
    if either and 1 <= hours <= 12:
        options = [Option(f"time:{half}", text, Clock(hours % 12 + half, minutes)) for half in (0, 12)]
    if hours:
        options.append(Option("time:ratio", text, Aligned("ratio", (constant(quotient(minutes, hours)),))))
    return Key(Clock(hours, minutes), options=tuple(options))
