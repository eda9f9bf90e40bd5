"""Dates, years of an era and times of day, read from plain text: none of them is arithmetic."""

from __future__ import annotations

import re
from calendar import monthrange

from empo_rewards.equivalence.math.algebra import constant, quotient
from empo_rewards.equivalence.math.keys import AnswerReading, Option
from empo_rewards.equivalence.math.names import listed
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.shapes import Clock, Date, Opaque, Ratio

MAX_CHARS = 60
"""No date is longer."""

_FORMULA = re.compile(r"[\\^=()\[\]<>+*%|]")
"""Characters that no date holds."""
_NAMES = listed("january february march april may june july august september october november december")
_MONTHS = {name[:size]: k for k, name in enumerate(_NAMES, 1) for size in (3, len(name))} | {"sept": 9}
_MONTH = f"({'|'.join(sorted(_MONTHS, key=len, reverse=True))})\\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_WEEKDAY = re.compile(r"(?:on )?(?:mon|tues|wednes|thurs|fri|satur|sun)day,? ")
_FORMS = (
    (re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})"), "y-md"),
    (re.compile(rf"{_MONTH} {_DAY}(?:,? (\d{{4}}))?"), "mdy"),
    (re.compile(rf"(?:the )?{_DAY}(?: of)? {_MONTH}(?:,? (\d{{4}}))?"), "dmy"),
    (re.compile(rf"{_MONTH},? (\d{{4}})"), "my"),
)
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_ERA = re.compile(r"(?:(a\.?d\.?) ?(\d{1,4})|(\d{1,4}) ?(b\.?c\.?(?:e\.?)?|a\.?d\.?|c\.?e\.?))")
_DECADE = re.compile(r"(?:the )?(\d{3}0)'?s")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))? ?([ap])\.? ?m\.?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})")


def read(text: str, policy: MathPolicy) -> AnswerReading | None:
    """What a plain text says as a date, a year of an era, or a time of day; None for anything else."""
    if _FORMULA.search(text) is not None or len(text) > MAX_CHARS:
        return None
    if not any(character.isdigit() for character in text):
        return {"noon": _time(12, 0), "midnight": _time(0, 0)}.get(text.lower())
    text = _WEEKDAY.sub("", text.lower(), count=1)
    for form, order in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            parts = dict(zip(order, match.groups(), strict=True))
            month = parts["m"]
            year, day = parts.get("y"), parts.get("d")
            return _date(int(year) if year else None, _MONTHS.get(month) or int(month), int(day) if day else None)
    return _numeric(text, policy.date_order) or _era(text) or _clock(text, either=policy.clock == "either")


def _date(year: int | None, month: int, day: int | None) -> AnswerReading | None:
    if not 1 <= month <= 12 or (day is not None and not 1 <= day <= monthrange(year or 2000, month)[1]):
        return None
    return AnswerReading(Date(year, month, day))


def _numeric(text: str, order: str) -> AnswerReading | None:
    """Day and month in digits: in the order that is possible, or the declared one; undecided where neither tells."""
    match = _NUMERIC.fullmatch(text)
    if match is None:
        return None
    first, mark, second, year = int(match[1]), match[2], int(match[3]), int(match[4])
    day_first, month_first = _date(year, second, first), _date(year, first, second)
    if mark == "." or day_first == month_first or month_first is None:
        return day_first or AnswerReading(Opaque(text))
    if day_first is None:
        return month_first
    return {"day first": day_first, "month first": month_first}.get(order, AnswerReading(Opaque(text)))


def _era(text: str) -> AnswerReading | None:
    match = _ERA.fullmatch(text)
    if match is not None:
        era = "AD" if match[1] or match[4][0] != "b" else "BC"
        return AnswerReading(constant(int(match[2] or match[3])), {"unit": ((era, 1),)})
    match = _DECADE.fullmatch(text)
    return AnswerReading(Opaque(match[1] + "s")) if match is not None else None


def _clock(text: str, *, either: bool) -> AnswerReading | None:
    """A time with a.m. or p.m. is one; without, h:mm is a time of 24 hours, or a ratio where the set has it."""
    match = _CLOCK.fullmatch(text)
    if match is not None and 1 <= int(match[1]) <= 12 and int(match[2] or 0) < 60 and not match[3]:
        return _time(int(match[1]) % 12 + (12 if match[4] == "p" else 0), int(match[2] or 0))
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 24 or int(match[2]) > 59:
        return None
    hours, minutes = int(match[1]), int(match[2])
    options = [Option("time:24 hours", text, Clock(hours, minutes))]
    if either and 1 <= hours <= 12:
        options = [Option(f"time:{half}", text, Clock(hours % 12 + half, minutes)) for half in (0, 12)]
    if hours:
        options.append(Option("time:ratio", text, Ratio((constant(quotient(minutes, hours)),))))
    return AnswerReading(Clock(hours, minutes), options=tuple(options))


def _time(hours: int, minutes: int) -> AnswerReading:
    return AnswerReading(Clock(hours, minutes))
