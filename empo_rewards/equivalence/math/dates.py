"""Dates, years of an era and times of day, read from plain text: none of them is arithmetic."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable

from empo_rewards.equivalence.math.algebra import constant, quotient
from empo_rewards.equivalence.math.keys import Key, Option
from empo_rewards.equivalence.math.names import listed
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.shapes import Aligned, Clock, Date, Opaque

MAX_CHARS = 60  # no date is longer

_FORMULA = re.compile(r"[\\^=()\[\]<>+*%|]")  # characters that no date holds
_NAMES = listed("january february march april may june july august september october november december")
_MONTHS = {name[:size]: k for k, name in enumerate(_NAMES, 1) for size in (3, len(name))} | {"sept": 9}
_MONTH = f"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_WEEKDAY = re.compile(r"^(?:on )?(mon|tues|wednes|thurs|fri|satur|sun)day,? (?:at )?")


def read(text: str, policy: MathPolicy) -> Key | None:
    """What a plain text says as a date, a year of an era, or a time of day; None for anything else."""
    if len(text) > MAX_CHARS or _FORMULA.search(text) is not None:
        return None
    text = text.lower()
    if not any(character.isdecimal() for character in text):
        return {"noon": Key(Clock(12, 0)), "midnight": Key(Clock(0, 0))}.get(text)
    *weekday, text = _WEEKDAY.split(text)
    matches = ((form.fullmatch(text), found) for form, found in _FORMS.items())
    key = next((found(match, policy) for match, found in matches if match is not None), None)
    return key._replace(facets={**key.facets, "weekday": weekday[1]}, options=()) if key and weekday else key


def _date(said: re.Match[str], policy: MathPolicy) -> Key | None:
    """A date in which each part is known by its place or its name."""
    return _dated(**said.groupdict())


def _dated(month: str, day: str | None = None, year: str | None = None) -> Key | None:
    """A date, if there is one; of what is not said, None."""
    date = Date(int(year) if year else None, int(_MONTHS.get(month, month)), int(day) if day else None)
    possible = 1 <= date.month <= 12 and (not day or 1 <= int(day) <= monthrange(date.year or 2000, date.month)[1])
    return Key(date) if possible else None


def _numeric(said: re.Match[str], policy: MathPolicy) -> Key | None:
    """Day and month in digits: in the order that is possible, or the declared one; undecided where neither tells."""
    first, mark, second, year = said.groups()
    day_first = _dated(second, first, year)
    month_first = None if mark == "." else _dated(first, second, year)
    if day_first is None or month_first is None or day_first == month_first:
        return day_first or month_first or Key(Opaque(said[0]))
    return {"day first": day_first, "month first": month_first}.get(policy.date_order, Key(Opaque(said[0])))


def _year(said: re.Match[str], policy: MathPolicy) -> Key:
    era = "AD" if said[1] or said[4][0] != "b" else "BC"
    return Key(constant(int(said[2] or said[3])), {"unit": ((era, 1),)})


def _clock(said: re.Match[str], policy: MathPolicy) -> Key | None:
    """A time with a.m. or p.m. is one; without, h:mm is a time of 24 hours, or a ratio where the set has it."""
    hours, minutes, half = int(said[1]), int(said[2] or 0), said[3]
    if half:
        return Key(Clock(hours % 12 + 12 * (half == "p"), minutes)) if 1 <= hours <= 12 else None
    if hours > 24:
        return None
    options = [Option("time:24 hours", said[0], Clock(hours, minutes))]
    if policy.clock == "either" and 1 <= hours <= 12:
        options = [Option(f"time:{later}", said[0], Clock(hours % 12 + later, minutes)) for later in (0, 12)]
    if hours:
        options.append(Option("time:ratio", said[0], Aligned("ratio", (constant(quotient(minutes, hours)),))))
    return Key(Clock(hours, minutes), options=tuple(options))


_FORMS: dict[re.Pattern[str], Callable[[re.Match[str], MathPolicy], Key | None]] = {
    re.compile(rf"{_YEAR}([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}})"): _date,
    re.compile(rf"{_MONTH} {_DAY}(?:,? {_YEAR})?"): _date,
    re.compile(rf"(?:the )?{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR})?"): _date,
    re.compile(rf"{_MONTH},? {_YEAR}"): _date,
    re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})"): _numeric,
    re.compile(r"(?:(a\.?d\.?) ?(\d{1,4})|(\d{1,4}) ?(b\.?c\.?(?:e\.?)?|a\.?d\.?|c\.?e\.?))"): _year,
    re.compile(r"(?:the )?(\d{3}0)'?s"): lambda said, policy: Key(Opaque(said[1] + "s")),
    re.compile(r"(\d{1,2})(?::([0-5]\d))?(?: ?([ap])\.? ?m\.?|(?<=:\d\d))"): _clock,
}
"""How dates and times are written, and what each of them says."""
