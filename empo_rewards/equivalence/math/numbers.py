"""Numbers that stand alone and need care: longer than an int is made from, or with a decimal comma."""

from __future__ import annotations

import re
from fractions import Fraction

from empo_rewards.equivalence.math.algebra import constant, quotient
from empo_rewards.equivalence.math.lexer import Token
from empo_rewards.equivalence.math.limits import MAX_LITERAL_DIGITS
from empo_rewards.equivalence.math.shapes import Long, Shape, number_of

_LONG_NUMBER = re.compile(r"([+-]?)(\d[\d,]*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,12}))?")


def digit_count(text: str) -> int:
    """How many digits a number takes when it is written out."""
    mantissa, _, exponent = text.lower().partition("e")
    return len(mantissa) + (abs(int(exponent)) if exponent else 0)


def long_number(text: str) -> Shape | None:
    """A number of any length as digits and exponent, read without making an int of it; None for what is none."""
    match = _LONG_NUMBER.fullmatch(text.strip().removesuffix("."))
    if match is None:
        return None
    sign, whole, decimals, exponent = match.groups()
    if "," in whole:
        groups = whole.split(",")
        if not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:]):
            return None
        whole = "".join(groups)
    whole = whole.lstrip("0")
    digits = whole + (decimals or "")
    stripped = digits.lstrip("0")
    power_of_ten = int(exponent or 0) + len(whole) - (len(digits) - len(stripped))
    stripped = stripped.rstrip("0")
    if not stripped:
        return constant(0)
    if max(len(stripped), abs(power_of_ten)) <= MAX_LITERAL_DIGITS // 2:
        value = int(stripped) * Fraction(10) ** (power_of_ten - len(stripped))
        return constant(quotient(-value if sign == "-" else value, 1))
    return Long(-1 if sign == "-" else 1, stripped, power_of_ten)


def decimal_comma(tokens: list[Token]) -> Shape | None:
    """0,5 as a decimal: two numbers with nothing but a comma between them."""
    negative_sign = bool(tokens) and tokens[0].kind == "-"
    numbers = tokens[1:] if negative_sign else tokens
    if [token.kind for token in numbers] != ["num", ",", "num"] or numbers[1].spaced or numbers[2].spaced:
        return None
    whole, decimals = numbers[0].text, numbers[2].text
    if not (whole.isdigit() and decimals.isdigit()) or len(whole) + len(decimals) > MAX_LITERAL_DIGITS:
        return None
    value = number_of(f"{whole}.{decimals}")
    return constant(-value if negative_sign else value)
