"""The bounds of reading and comparing. Past any of them something stays undecided; none changes a verdict.

The unit of work is about a microsecond: a product of two terms takes four or more, a ball's operation three to five.
"""

from __future__ import annotations

MAX_CHARS = 20_000
"""Characters of an answer that is read as an expression. Real answers stay under 2,000; longer ones are rambling."""

MAX_TOKENS = 1_700
"""Tokens of an expression: what a page of formulas has, and few enough that a refusal costs milliseconds."""

MAX_DEPTH = 40
"""Nested brackets, and marks that wrap what stands before them (x!!!). Each costs up to 15 frames of Python's stack,
whose default limit of 1,000 the caller shares."""

MAX_LITERAL_DIGITS = 20_000
"""Digits of a number, written out."""

MAX_BITS = 1 << 15
"""Bits of a numerator or denominator (9,864 digits): gcd stays under a millisecond, and 2006! still fits."""

MAX_TERMS = 400
"""Terms of an expanded polynomial."""

MAX_WORK = 9_000
"""Units of work that reading one answer may cost."""

MAX_GROUP_WORK = 600_000
"""Units that reading and then comparing the answers of one group may cost, the shortest first: past it the others are
not read, or undecided."""

MAX_REFINING = 7_000
"""Units that enclosing one answer may cost, at all points and precisions together."""

MAX_EXPONENT = 4_096
"""Integer exponent up to which a sum is expanded (the terms stop most of them long before)."""

MAX_EXPONENT_BITS = 1 << 14
"""Bits of the exponent of a symbol."""

MAX_INTERVALS = 64
"""Intervals of a union: sorting and joining them by exact comparison is quadratic."""

MAX_PAIRED = 32
"""Members of two collections without order that are compared each with each."""

MAX_DETERMINANT = 5
"""Rows of a determinant, which is computed by minors."""

MAX_FACTORIAL = 2_500
"""Largest n of a computed n!: its 25,000 bits fit MAX_BITS."""

TRIAL_PRIMES, TRIAL_PRIMES_BELOW = 303, 2_000
"""Radicands are factored by this many primes, those below this; a cofactor under its square is prime for certain."""

MAX_CHOICES = 4
"""Arguments of a max that is written by |x|."""

MAX_BASED_DIGITS = 400
"""Digits of a number in another base that is converted."""

MAX_VALUE_BITS = 1 << 20
"""|log2| of the largest and smallest value that a ball may have: past it FLINT's exponents need memory of their own."""

MAX_ARGUMENT_BITS = 1 << 12
"""log2 of the largest argument of a function that is enclosed. FLINT does not raise where it cannot have the memory, it
ends the process: sizes are read off a ball before each call that they bound."""

MAX_GAMMA_BITS = 12
"""log2 of the largest argument of the gamma function, binomial coefficients and zeta: precision makes them dear."""

MAX_DEGREE = 64
"""Degree of a root that is enclosed."""

MAX_EXACT_BITS = 1_024
"""Bits up to which a rational number is carried exactly beside its ball."""

MAX_MEASURE = 360
"""Denominator of a rational multiple of π whose sine is known as an algebraic number."""

PRECISIONS = (128, 512, 1_024, 4_096)
"""Bits at which values are enclosed, one after the other, until they can be told apart or are proved equal."""

CACHE_BYTES = 8 << 20
"""Memory that read answers may take."""
