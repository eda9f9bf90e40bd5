"""The bounds of reading and comparing. Past any of them something stays undecided; none changes a verdict.

The unit of work is about a microsecond: a product of two terms takes four or more, a ball's operation three to five.
FLINT does not raise where it cannot have the memory, it ends the process: sizes are read off a ball before each call.
"""

from __future__ import annotations

# Work
MAX_WORK = 9_000  # of reading one answer
MAX_GROUP_WORK = 600_000  # of reading and comparing the answers of a group, the shortest first: past it the rest stays
MAX_REFINING = 7_000  # of enclosing one answer, at all points and precisions together

# Text
MAX_CHARS = 20_000  # of an answer that is read as an expression: real ones stay under 2,000, longer ones are rambling
MAX_TOKENS = 1_300  # of an expression: a page of formulas, and few enough that a refusal costs milliseconds
MAX_DEPTH = 40  # of brackets, and of marks (x!!!): each costs up to 15 frames of the 1,000 that the caller shares
MAX_LITERAL_DIGITS = 20_000  # of a number, written out
MAX_BASED_DIGITS = 400  # of a number in another base that is converted

# Exact values
MAX_BITS = 1 << 15  # of a numerator or denominator (9,864 digits): gcd stays under a millisecond, and 2006! still fits
MAX_TERMS = 400  # of an expanded polynomial
MAX_EXPONENT = 4_096  # integer, up to which a sum is expanded (the terms stop most of them long before)
MAX_EXPONENT_BITS = 1 << 14  # of the exponent of a symbol
MAX_FACTORIAL = 2_500  # n of a computed n!: its 25,000 bits fit MAX_BITS
MAX_DETERMINANT = 5  # rows of a determinant, which is computed by minors
MAX_CHOICES = 4  # arguments of a max that is written by |x|
MAX_INTERVALS = 64  # of a union: sorting and joining them by exact comparison is quadratic
MAX_PAIRED = 32  # members of two collections without order that are compared each with each
TRIAL_PRIMES, TRIAL_PRIMES_BELOW = 303, 2_000  # by which radicands are factored; a cofactor under its square is prime

# Enclosures
PRECISIONS = (128, 512, 1_024, 4_096)  # bits, one after the other, until values are told apart or proved equal
MAX_VALUE_BITS = 1 << 20  # |log2| of a ball's value: past it FLINT's exponents need memory of their own
MAX_ARGUMENT_BITS = 1 << 12  # log2 of a function's argument
MAX_GAMMA_BITS = 12  # log2 of an argument of gamma, binomial coefficients and zeta: precision makes them dear
MAX_DEGREE = 64  # of a root
MAX_EXACT_BITS = 1_024  # up to which a rational number is carried exactly beside its ball
MAX_MEASURE = 360  # denominator of a rational multiple of π whose sine is known as an algebraic number

# Answers that were read
CACHE_BYTES = 8 << 20  # that they may take
MAX_CACHED_CHARS = 1_000  # of one that is kept: longer ones hardly come twice
MAX_SHOWN_FORM = 300  # characters of a canonical form in a reason
