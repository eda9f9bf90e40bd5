"""Numbers as they are written: digits with a point, an exponent, a repeated part, or a decimal comma."""

from __future__ import annotations

from fractions import Fraction

from flint import fmpz

from empo_rewards.equivalence.math.algebra import Rational, TooLarge, quotient, spend
from empo_rewards.equivalence.math.lexer import Token
from empo_rewards.equivalence.math.limits import MAX_LITERAL_DIGITS

_SHORT = 18
"""Digits of a number that needs no check of its size."""


def literal(text: str) -> Rational:
    """The exact value of 12, 1.5, 1e-3 or 0.1(6); raises `TooLarge` past `MAX_LITERAL_DIGITS`."""
    if len(text) <= _SHORT and text.isdecimal():
        return int(text)
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, repeated = mantissa.removesuffix(")").partition("(")
    integer, _, decimals = whole.partition(".")
    if len(exponent) > _SHORT or len(mantissa) + abs(int(exponent or 0)) > MAX_LITERAL_DIGITS:
        raise TooLarge
    spend(len(mantissa) >> 2)
    value: Rational = int(fmpz(integer + decimals or "0"))  # int() refuses more than 4,300 digits
    if repeated:
        value += Fraction(int(fmpz(repeated)), 10 ** len(repeated) - 1)
    shift = int(exponent or 0) - len(decimals)
    return value * 10**shift if shift >= 0 else quotient(value, 10**-shift)


def decimal_comma(tokens: list[Token]) -> Rational | None:
    """0,5 as a decimal: two numbers with nothing but a comma between them; None for others."""
    sign = -1 if tokens[0].kind == "-" else 1
    numbers = tokens[1:] if sign < 0 else tokens
    if [token.kind for token in numbers] != ["num", ",", "num"] or numbers[1].spaced or numbers[2].spaced:
        return None
    whole, decimals = numbers[0].text, numbers[2].text
    return sign * literal(f"{whole}.{decimals}") if whole.isdecimal() and decimals.isdecimal() else None
