"""The bounds of the canonical keys. Past any of them a value is left to the symbolic stage; none changes a verdict."""

from __future__ import annotations

MAX_CHARS = 20_000
"""Characters of an answer that is read as an expression. Real answers stay under 2,000; longer ones are rambling."""

MAX_TOKENS = 4_000
"""Tokens of an expression: what a page of formulas has, and few enough that a refusal costs milliseconds."""

MAX_DEPTH = 40
"""Nested brackets. Each costs up to 15 frames of Python's stack, whose default limit of 1,000 the caller shares.
Brackets that only repeat others are dropped before."""

MAX_LITERAL_DIGITS = 4_000
"""Digits of a number that becomes an int: under Python's own limit of 4,300, past which int() raises. Longer numbers
are compared as strings of digits."""

MAX_BITS = 1 << 15
"""Bits of a numerator or denominator (9,864 digits): gcd stays under a millisecond, and 2006! still fits."""

MAX_TERMS = 400
"""Terms of an expanded polynomial."""

MAX_WORK = 50_000
"""Products of two terms that one answer may cost in all: about 50 ms at the very worst."""

MAX_EXPONENT = 4_096
"""Integer exponent up to which a sum is expanded (the terms stop most of them long before)."""

MAX_INTERVALS = 64
"""Intervals of a union: sorting and joining them by exact comparison is quadratic."""

MAX_FACTORIAL = 2_500
"""Largest n of a computed n!: its 25,000 bits fit MAX_BITS."""

TRIAL_PRIMES_BELOW = 2_000
"""Radicands are factored by the primes below this; a cofactor under its square is prime for certain."""

MAX_BASED_DIGITS = 400
"""Digits of a number in another base that is converted."""
