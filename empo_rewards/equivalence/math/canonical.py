"""From an answer's text to its key: what it is, in canonical form, and what decorates it."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple, cast

from empo_rewards.equivalence.math import balls, chemistry, dates, functions, shapes, units
from empo_rewards.equivalence.math.algebra import (
    PI,
    Budget,
    E,
    Func,
    I,
    Monomial,
    Rational,
    TooLarge,
    Undefined,
    Value,
    add,
    atom,
    clear,
    constant,
    divide,
    leading_sign,
    multiply,
    negative,
    power,
    primitive,
    quotient,
    same,
)
from empo_rewards.equivalence.math.keys import Key, Option
from empo_rewards.equivalence.math.labels import is_function, label_of, mentions, names_a_function, names_of
from empo_rewards.equivalence.math.lexer import Token, Unreadable, fold, lex, plain
from empo_rewards.equivalence.math.limits import (
    MAX_BASED_DIGITS,
    MAX_CHARS,
    MAX_DETERMINANT,
    MAX_LITERAL_DIGITS,
    MAX_WORK,
)
from empo_rewards.equivalence.math.nodes import (
    Based,
    Bound,
    Bracket,
    Builder,
    Call,
    ChoiceLetter,
    Combined,
    Comparing,
    Compound,
    Constant,
    Grid,
    Listing,
    Mixed,
    Modular,
    Node,
    Num,
    Postfix,
    Power,
    Product,
    Proportion,
    Qualified,
    Quantity,
    Signed,
    Span,
    Sum,
    Sym,
    Word,
)
from empo_rewards.equivalence.math.numbers import decimal_comma, digit_count, long_number
from empo_rewards.equivalence.math.numerals import integer_parameter, is_amount, spoken
from empo_rewards.equivalence.math.parser import parse_by
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.shapes import (
    INFINITY,
    MINUS_INFINITY,
    REALS,
    Congruence,
    Equation,
    Items,
    Matrix,
    Measure,
    Named,
    Opaque,
    Ordered,
    Range,
    Ratio,
    SetOf,
    Shape,
    Text,
    items,
    number_of,
    ordered,
)
from empo_rewards.equivalence.math.table import LETTERS
from empo_rewards.equivalence.math.units import Unit
from empo_rewards.equivalence.math.words import SILENT, name_in_words, words_of, words_of_text

_PLAIN_NUMBER = re.compile(r"([+-]?)(\d{1,18}(?:\.\d{1,18})?)\.?")
_PLAIN_FRACTION = re.compile(r"([+-]?)\\[dt]?frac\{(\d{1,18})\}\{([1-9]\d{0,17})\}")
_CONSTANTS = {"e": atom(E), "i": atom(I), "π": atom(PI)}
_RESPELLED = re.compile(r"C(_.*)?|I")
"""Symbols that some write otherwise: constants of integration, as c or C, and the imaginary unit, as i or I."""
_APPLIED = frozenset({"f", "g", "h", "f'", "g'"})
"""Letters that are functions of what stands in brackets after them, beside those of the table; others are factors."""
_HALF_TURN = 180
_SHORT = 18
"""Digits of a number that needs no check of its size."""
_PLAIN_LETTERS = frozenset("abcdfghjklmnopqrstuvwxyzABDEFGHJKLMNOPQRSTUVWXYZ")
"""Letters that stand for nothing else, alone: e and i are numbers, C and I are spelled small as well."""


def key_of(text: str, policy: MathPolicy) -> Key:  # noqa: PLR0911 - one return a way to read
    """The key of an answer, within the bounds of `limits`. Never raises for what the text holds."""
    simple = _plain_key(text)
    if simple is not None:
        return simple
    if len(text) > MAX_CHARS:
        return Key(long_number(text) or Opaque(text), work=len(text) >> 4)
    folded = fold(text)
    if len(folded) > 2 * MAX_CHARS:  # a character may fold to many
        return Key(Opaque(text), work=len(text) >> 2)
    if "\\frac" not in folded and "\\sqrt" not in folded:
        said = plain(folded)
        found = dates.read(said, policy) or chemistry.read(said)
        if found is not None:
            return found._replace(work=len(text))
    try:
        tokens = lex(folded)
    except Unreadable:
        words = words_of_text(folded)
        return Key(words or Opaque(" ".join(folded.split())), work=len(text) >> 2)
    called, spelled_out = name_in_words(spoken(tokens))
    parameter = integer_parameter(spelled_out)
    words = words_of(spelled_out) if parameter is None else None
    if words is not None:
        return Key(words, work=4 * len(tokens))
    budget = Budget()
    if parameter is not None:
        plainly, key = (_Reader(policy, part, budget).key(folded) for part in parameter)
        key = key._replace(readings=(*key.readings, plainly.shape))
    else:
        key = _Reader(policy, spelled_out, budget).key(folded)
    facets = {**key.facets, **called}
    if policy.units == "ignore_when_bare" and is_amount(tokens):
        facets.setdefault("unit", ())
    return key._replace(facets=facets, work=MAX_WORK - max(0, budget.left) + 8 * len(tokens))


def unread_key(text: str, *, failed: bool) -> Key:
    """The key of an answer that is not read: equal text is equal, nothing else is known."""
    return Key(Opaque(text), work=0, failed=failed)


def _plain_key(text: str) -> Key | None:
    """The key of a bare number, fraction or letter, which most answers are; None for anything else."""
    plain = _PLAIN_NUMBER.fullmatch(text)
    if plain:
        value = number_of(plain[2])
        return Key(constant(-value if plain[1] == "-" else value), decimal="." in plain[2])
    fraction = _PLAIN_FRACTION.fullmatch(text)
    if fraction:
        value = quotient(int(fraction[2]), int(fraction[3]))
        return Key(constant(-value if fraction[1] == "-" else value))
    if text in _PLAIN_LETTERS:
        return Key(atom(text))
    return None


class _Part(NamedTuple):
    """One item of an answer: its shapes (two of a ±), what decorates it, how else it may be read."""

    shapes: tuple[Shape, ...]
    facets: dict[str, Hashable]
    readings: tuple[Shape, ...] = ()
    inequality: bool = False

    @property
    def symbol(self) -> bool:
        """Whether it is one bare letter."""
        shape = self.shapes[0]
        return (
            not self.facets
            and isinstance(shape, Value)
            and [*shape.terms] == [frozenset({(str(next(iter(shape.atoms), "")), 1)})]
        )


class _Reader:
    """Reads one answer. Holds its policy, its tokens and its budget."""

    def __init__(self, policy: MathPolicy, tokens: list[Token], budget: Budget, *, respell: bool = False) -> None:
        self.policy = policy
        self.respell = respell
        self.tokens = tokens
        self.kinds = {token.kind for token in tokens}
        self.composed = any("unit " in token.text or token.text == "∈Z" for token in tokens)
        self.budget = budget
        self.plus_minus = 0
        """Which branch of ± is being computed: 1, -1, or 0 outside of one."""

    def key(self, folded: str) -> Key:
        if self.kinds <= SILENT:
            return Key(Text(folded))
        decimal = "." in folded and any(token.kind == "num" and "." in token.text for token in self.tokens)
        try:
            listing, unsure = parse_by(self.tokens)
            part = self.listing(listing)
            if len(part.shapes) > 1:
                part = part._replace(shapes=(items(part.shapes),))
        except (Unreadable, TooLarge, Undefined):
            shape = long_number(folded.replace("\\!", "").replace("{,}", ",")) or Opaque(_joined(self.tokens))
            return Key(shape, decimal=decimal)
        (shape,) = part.shapes
        facets = part.facets
        if self.policy.units == "ignore":
            facets = {kind: value for kind, value in facets.items() if kind != "unit"}
        readings = part.readings
        if isinstance(shape, Value) and any(
            letter in "CI" for token in self.tokens if token.kind in ("sym", "run") for letter in token.text
        ):
            respelled = (other.shapes[0] for other in self.otherwise(respell=True))
            readings = (*readings, *(other for other in respelled if other != shape))
        if self.policy.decimal_comma == "decimal" and "," in self.kinds:
            shape = decimal_comma(self.tokens) or shape
        options = self.options(shape, facets, unsure)
        if self.policy.ordered_is_set and isinstance(shape, Ordered) and shape.ends in ("", "()"):
            shape = SetOf(frozenset(shape.elements))
        return Key(shape, facets, (*readings, *shapes.readings(shape)), decimal, options=options)

    def otherwise(self, *, respell: bool = False, units_read: str = "spaced") -> list[_Part]:
        """The one part that the tokens are with another spelling of constants, or another reading of single letters."""
        other = _Reader(self.policy, self.tokens, self.budget, respell=respell)
        try:
            part = other.listing(parse_by(self.tokens, units_read)[0])
        except (Unreadable, TooLarge, Undefined):
            return []
        return [part] if len(part.shapes) == 1 else []

    def options(self, shape: Shape, facets: Mapping[str, Hashable], unsure: set[str]) -> tuple[Option, ...]:
        """What an ambiguous answer may be: 3,14 a decimal or a list; 2600g grams or a product; £5 or 5 lb pounds."""
        said = _joined(self.tokens)
        comma = decimal_comma(self.tokens) if "," in self.kinds else None
        if comma is not None and self.policy.decimal_comma == "settled":
            return Option("comma:list", said, shape, facets), Option("comma:decimal", said, comma)
        if "glued" in unsure:
            parts = self.otherwise(units_read="all")
            found = [Option("letters:unit", said, part.shapes[0], part.facets) for part in parts]
            return (Option("letters:product", said, shape, facets), *found)
        if "spaced" in unsure:  # 5 N
            parts = self.otherwise(units_read="none")
            found = [Option("letters:product", said, part.shapes[0], part.facets) for part in parts]
            return (Option("letters:unit", said, shape, facets), *found)
        if (
            isinstance(shape, Range)
            and balls.sign_of(shape.low, self.budget) == 1
            and not facets
            and any(token.text == "to" for token in self.tokens)
        ):
            ratio = divide(shape.high, shape.low, self.budget)
            return Option("to:range", said, shape), Option("to:ratio", said, Ratio((ratio,)))
        if facets.get("unit") == (("pound", 1),):
            return tuple(Option(f"pound:{unit}", said, shape, {**facets, "unit": ((unit, 1),)}) for unit in ("lb", "£"))
        return ()

    # Lists

    def listing(self, listing: Listing) -> _Part:
        if len(listing.items) == 1:
            return self.part(listing.items[0])
        first = listing.items[0]
        if isinstance(first, Comparing) and first.operators == ("≠",):
            return self.excluded(first, listing.items[1:])
        if all(isinstance(item, Qualified) for item in listing.items):
            return self.qualified([item for item in listing.items if isinstance(item, Qualified)])
        if ";" in listing.separators and "," in listing.separators:
            listing = _regrouped(listing)
        return self.combined([self.part(item) for item in listing.items], listing.separators)

    def combined(self, parts: list[_Part], separators: tuple[str, ...]) -> _Part:  # noqa: PLR0912 - one a kind of list
        """Items side by side as one part: a list, values by name, or a union of inequalities."""
        labels = [part.facets.get("label") for part in parts]
        logical = not {"∧", "∨"}.isdisjoint(separators)
        separators = tuple({"∧": "and", "∨": "or"}.get(mark, mark) for mark in separators)
        if "or" in separators or logical:
            bare = all(part.symbol for part in parts)
            if (len(set(labels)) > 1 or bare) if not logical else None in labels:
                raise Unreadable  # x = 2 or y = 3, p or q: neither a list nor values by name
        facets: dict[str, Hashable] = {}
        given = {part.facets["unit"] for part in parts if "unit" in part.facets}
        if len(given) > 1:
            return self.quantities(parts, separators)
        if given:
            facets["unit"] = next(iter(given))
        if any(set(part.facets) - {"unit", "label"} for part in parts):
            raise Unreadable
        if all(part.inequality for part in parts) and len(set(labels)) == 1:
            return self.alternatives(parts, separators, facets | {"label": labels[0]}, logical=logical)
        everything = tuple(shape for part in parts for shape in part.shapes)
        if labels[0] is not None and (set(labels[1:]) <= {None, labels[0]}):
            facets["label"] = labels[0]
        elif None not in labels:
            base = _common_base([str(label) for label in labels])
            if base:
                facets["label"] = base
            elif len(set(labels)) == len(labels) == len(everything):
                return self.named([str(label) for label in labels], everything, facets)
            else:
                raise Unreadable
        elif set(labels) != {None}:
            raise Unreadable
        if any(isinstance(shape, Opaque) for shape in everything):
            return _Part((Ordered(everything, ""),), facets)  # 6-4, 6-3: scores keep their order
        joined = {"and", "or"}.intersection(separators) if "label" not in facets else set()
        if len(joined) == 1:
            facets["joined"] = joined.pop()
        return _Part((items(everything),), facets, _unnamed(everything))

    def quantities(self, parts: list[_Part], separators: tuple[str, ...]) -> _Part:
        """Quantities in different units: a compound one (3 hours and 20 minutes), else each by its label."""
        found = [(part.shapes[0], part.facets.get("unit")) for part in parts if len(part.shapes) == 1]
        values = [value for value, unit in found if isinstance(value, Value) and unit is not None]
        given = [cast("Unit", unit) for _, unit in found if unit is not None]
        if len(values) != len(parts) or "or" in separators or any(set(part.facets) != {"unit"} for part in parts):
            raise Unreadable
        scales = [units.scale(unit) for unit in given]
        if len({dimension for _, dimension in scales}) == 1:
            if any(small[0] >= large[0] for large, small in pairwise(scales)):
                raise Unreadable
            return self.compound(values, given)
        names = [units.spelled(unit) for unit in given]
        if len(set(names)) < len(names):
            raise Unreadable
        shape = Named(frozenset(zip(names, values, strict=True)))
        return _Part((shape,), {}, (items(values),))

    def compound(self, values: list[Value], given: list[Unit]) -> _Part:
        """Quantities of one dimension, added up in its base units."""
        scales = [units.scale(unit) for unit in given]
        if len({dimension for _, dimension in scales}) != 1:
            raise Unreadable
        total = add(
            *(
                multiply(value, constant(quotient(factor.numerator, factor.denominator)), self.budget)
                for value, (factor, _) in zip(values, scales, strict=True)
            ),
            budget=self.budget,
        )
        return _Part((Measure(total, scales[0][1]),), {})

    def qualified(self, items: list[Qualified]) -> _Part:
        """$3000 at 10%, $2000 at 8%: each value by what is said of it."""
        parts = [self.part(item.body) for item in items]
        facets = parts[0].facets
        names = [item.words for item in items]
        if any(part.facets != facets or len(part.shapes) != 1 for part in parts) or len(set(names)) < len(names):
            raise Unreadable
        return self.named(names, tuple(part.shapes[0] for part in parts), facets)

    def excluded(self, first: Comparing, others: tuple[Node, ...]) -> _Part:
        """x ≠ 2, -3 or x ≠ 2, x ≠ -3: every real number but those."""
        label = label_of(first.operands[0])
        points = list(self.branches(first.operands[1]))
        for other in others:
            if isinstance(other, Comparing):
                if other.operators != ("≠",) or label_of(other.operands[0]) != label:
                    raise Unreadable
                points += self.branches(other.operands[1])
            else:
                points += self.branches(other)
        if label is None:
            raise Unreadable
        return _Part((shapes.complement(points),), {"label": label}, inequality=True)

    def named(self, names: list[str], values: tuple[Shape, ...], facets: dict[str, Hashable]) -> _Part:
        """Values by name; in the order written they may be read as a tuple."""
        shape = Named(frozenset(zip(names, values, strict=True)))
        pair = ordered(values, "()")
        return _Part((shape,), facets, tuple(dict.fromkeys((pair, *shapes.readings(pair)))))

    def alternatives(
        self, parts: list[_Part], separators: tuple[str, ...], facets: dict[str, Hashable], *, logical: bool
    ) -> _Part:
        spans = [shapes.intervals(shape) for part in parts for shape in part.shapes]
        known = [span for span in spans if span is not None]
        if len(known) != len(spans):
            raise Unreadable
        if "and" in separators and "or" not in separators:
            result: Shape | None = shapes.union(known[0])
            for span in known[1:]:
                current = shapes.intervals(result) if result is not None else None
                result = shapes.intersection(current, span) if current else None
            if result is None or result == shapes.EMPTY:
                if logical:
                    raise Unreadable
                result = shapes.union([interval for span in known for interval in span])
        else:
            result = shapes.union([interval for span in known for interval in span])
        return _Part((result,), facets, inequality=True)

    # One item

    def part(self, node: Node) -> _Part:  # noqa: PLR0911, PLR0912 - one return a kind of node
        if isinstance(node, Sym) or (isinstance(node, Num) and len(node.text) <= _SHORT and node.text.isdigit()):
            return _Part((self.value(node),), {})
        if isinstance(node, Comparing):
            return self.relation(node)
        if isinstance(node, Quantity):
            if isinstance(node.body, Sum) and (numbers := _bare_difference(node.body)):
                if len(numbers) == 2 and (span := self.range(*map(constant, map(self.literal, numbers)))):
                    return _Part((span,), {"unit": node.unit})
                raise Unreadable  # $99 - $72: a difference, or a range
            inner = self.part(node.body)
            return inner._replace(facets={**inner.facets, "unit": node.unit})
        if isinstance(node, Compound):
            values = [self.value(part.body) for part in node.parts]
            return self.compound(values, [part.unit for part in node.parts])
        if isinstance(node, Modular):
            return self.modular(node)
        if isinstance(node, Span):
            return self.span(node)
        if isinstance(node, Bound):
            return self.bound(node)
        if isinstance(node, Listing):
            return self.listing(node)
        if isinstance(node, ChoiceLetter):
            inner = self.part(node.body)
            letter = atom(E) if node.letter == "e" else atom(node.letter)
            return inner._replace(facets={**inner.facets, "choice": node.letter}, readings=(*inner.readings, letter))
        if isinstance(node, Bracket):
            return self.bracket(node)
        if isinstance(node, Based):
            if self.policy.bases == "value":
                return _Part((constant(_in_base(node.digits, node.base)),), {})
            return _Part((constant(self.literal(node.digits)),), {"base": node.base})
        if isinstance(node, (Postfix, Signed)) and _is_degrees(node):
            inner = self.part(_without_degrees(node))
            return inner._replace(facets={**inner.facets, "unit": (("°", 1),)})
        if isinstance(node, Grid) and _is_system(node):
            return self.listing(Listing(tuple(row[0] for row in node.rows), (",",) * (len(node.rows) - 1)))
        undone = self.no_arithmetic(node)
        if undone is not None:
            return _Part((undone,), {})
        structured = self.structured(node)
        if structured is not None:
            return _Part((structured,), {})
        return self.scalar_part(node)

    def no_arithmetic(self, node: Node) -> Shape | None:
        """What looks like arithmetic and may be a score, an order, a date, a version: 3-1, A-B-C, 3/4/24, 1.2.3.

        Years that rise are a range, numbers side by side a sequence. None for an expression.
        """
        if isinstance(node, Sum):
            return self.difference(node)
        if not isinstance(node, Product) or len(node.factors) < 2:
            return None
        texts = [factor.text for _, factor in node.factors if isinstance(factor, Num)]
        marks = {mark for mark, _ in node.factors[1:]}
        if len(texts) == len(node.factors):
            if marks == {" "}:
                return Ordered(tuple(constant(self.literal(text)) for text in texts), "")
            undone = marks == {""} or (marks == {"/"} and len(texts) > 2)  # 1.2.3, 3/4/24
            return Opaque(next(iter(marks)).join(texts)) if undone else None
        middle = node.factors[1][1]
        if len(texts) == 2 and len(node.factors) == 3 and isinstance(middle, Sym) and not marks - {"", " "}:
            return Opaque(f"{texts[0]} {middle.name} {texts[1]}")  # 2 R 3, 2 x 3
        return None

    def difference(self, node: Sum) -> Shape | None:
        """3-1, A-B-C; 1999-2003 and 10-20% as ranges; None for what is a sum or difference for certain."""
        percent = len(node.parts) == 2 and _is_percent(node.parts[1].body)
        if percent:  # the sign after the second number is the first one's too
            bare = [part.body.body if _is_percent(part.body) else part.body for part in node.parts]  # type: ignore[union-attr]  # a percent sign stands after a body
            node = Sum(tuple(Signed(part.sign, body) for part, body in zip(node.parts, bare, strict=True)))
        numbers = _bare_difference(node)
        if percent and numbers:
            values = [self.value(Postfix("%", Num(text))) for text in numbers]
            return self.range(values[0], values[1]) or Opaque("-".join((*numbers, "%")))
        years = len(numbers) == 2 and all(len(text) == 4 and text.isdigit() for text in numbers)
        found = self.range(*map(constant, map(self.literal, numbers))) if years else None
        written = "-".join(numbers or _letters_in_order(node))
        return found or (Opaque(written) if written else None)

    def modular(self, node: Modular) -> _Part:
        """x ≡ 3 (mod 7): a class of residues, of x."""
        if node.relations > 1 or (node.relations and node.left is None):
            raise Unreadable
        label = None if node.left is None else label_of(node.left)
        if node.left is not None and label is None:
            raise Unreadable
        shape = self.congruence(self.value(node.residue), self.value(node.modulus))
        return _Part((shape,), {} if label is None else {"label": label})

    def congruence(self, residue: Value, modulus: Value) -> Congruence:
        """The class of a residue: its least member that is not negative, and a positive modulus."""
        quotient_of = divide(residue, modulus, self.budget).rational
        size = balls.sign_of(modulus, self.budget)
        if size is None or not modulus.terms:
            raise Unreadable
        if quotient_of is not None:
            residue = multiply(constant(quotient_of - math.floor(quotient_of)), modulus, self.budget)
        elif residue.rational is not None and isinstance(modulus.rational, int | Fraction):
            raise Unreadable
        return Congruence(residue, modulus if size > 0 else negative(modulus))

    def range(self, low: Value, high: Value) -> Range | None:
        """From low to high, if that is upwards for certain."""
        return Range(low, high) if shapes.before(low, high) else None

    def span(self, node: Span) -> _Part:
        """3 to 5 days: a range. Bare numbers may be a ratio too; 3 to 1 is one."""
        if isinstance(node.high, Postfix) and node.high.mark == "%" and isinstance(node.low, Num):
            node = Span(Postfix("%", node.low), node.high)  # 10 to 20 percent
        low, high = self.part(node.low), self.part(node.high)
        facets = {**high.facets, **low.facets}
        values = [shape for part in (low, high) for shape in part.shapes if isinstance(shape, Value)]
        if len(values) != 2 or len(low.shapes) != 1 or (low.facets and low.facets != high.facets):
            raise Unreadable
        first, last = values
        found = self.range(first, last)
        if facets or found is None or isinstance(node.low, Postfix):
            if found is None and not facets and balls.sign_of(last, self.budget) == 1:
                return _Part((Ratio((divide(last, first, self.budget),)),), {})
            if found is None:
                raise Unreadable
            return _Part((found,), facets)
        return _Part((found,), {})

    def bound(self, node: Bound) -> _Part:
        """> 5 years: a half-line."""
        inner = self.part(node.body)
        (shape,) = inner.shapes
        if not isinstance(shape, Value) or "label" in inner.facets:
            raise Unreadable
        ray = self.ray("", shape, above=node.operator in ">≥", strict=node.operator in "<>")
        return ray._replace(facets=inner.facets)

    def structured(self, node: Node) -> Shape | None:  # noqa: PLR0911 - one return a kind of node
        """Sets, matrices and ratios; None for what is a scalar."""
        if isinstance(node, Constant) and node.name == "∅":
            return shapes.EMPTY
        if isinstance(node, Constant) and node.name == "R":
            return REALS
        if isinstance(node, Combined):
            return self.set_operation(node)
        if isinstance(node, Builder):
            return self.builder(node)
        if isinstance(node, Proportion):
            return self.proportion(node)
        if "begin" in self.kinds and _has_grid(node):
            return self.grid(node)
        return None

    def scalar_part(self, node: Node) -> _Part:
        if isinstance(node, Num) and digit_count(node.text) > MAX_LITERAL_DIGITS:
            long = long_number(node.text)
            if long is None:
                raise TooLarge
            return _Part((long,), {})
        values = tuple(dict.fromkeys(self.branches(node)))
        if self.composed:
            return _Part(tuple(map(self.decomposed, values)), {})
        readings: tuple[Shape, ...] = self.point(node)
        if isinstance(node, Postfix) and node.mark == "%" and self.policy.percent == "either":
            readings = (self.value(node.body),)
        return _Part(values, {}, readings)

    def point(self, node: Node) -> tuple[Shape, ...]:
        """D(3, 4) may be the point (3, 4) by its name."""
        if not isinstance(node, Product) or len(node.factors) != 2:
            return ()
        (_, name), (mark, bracket) = node.factors
        if not isinstance(name, Sym) or not name.name[0].isupper() or mark or not isinstance(bracket, Bracket):
            return ()
        if bracket.opening + bracket.closing != "()" or len(bracket.items.items) < 2:
            return ()
        return (ordered(tuple(self.value(item) for item in bracket.items.items), "()"),)

    def decomposed(self, value: Value) -> Shape:
        """i + 2j of unit vectors as (1, 2); a + bk with k an integer as the residues a modulo b."""
        names = ("unit i", "unit j", "unit k", "∈Z")
        parts: dict[str, dict[Monomial, Rational]] = {name: {} for name in (*names, "")}
        for monomial, coefficient in value.terms.items():
            found = [(name, exponent) for name, exponent in monomial if name in names]
            if len(found) > 1 or (found and found[0][1] != 1):
                raise Unreadable
            name = str(found[0][0]) if found else ""
            parts[name][monomial - {(name, 1)}] = coefficient
        if value.over is not None:
            raise Unreadable
        if parts["∈Z"] and not any(parts[name] for name in names[:3]):
            return self.congruence(Value(parts[""]), Value(parts["∈Z"]))
        if parts[""] or parts["∈Z"]:
            raise Unreadable
        return ordered(tuple(Value(parts[name]) for name in (names[:3] if parts["unit k"] else names[:2])), "()")

    def branches(self, node: Node) -> Iterator[Value]:
        """The value, or the two values of an expression with ±."""
        signs = _plus_minus_signs(node) if "±" in self.kinds or "∓" in self.kinds else []
        if not signs:
            yield self.value(node)
            return
        if signs.count("±") > 1:  # whether they go together cannot be told
            raise Unreadable
        for branch in (1, -1):
            self.plus_minus = branch
            yield self.value(node)
        self.plus_minus = 0

    def single(self, node: Node) -> Shape:
        """A node that must be one shape without decoration."""
        part = self.part(node)
        if len(part.shapes) != 1 or part.facets:
            raise Unreadable
        return part.shapes[0]

    # Brackets, sets, matrices

    def bracket(self, node: Bracket) -> _Part:
        inner = [self.part(item) for item in node.items.items]
        if node.opening in ("{", r"\{"):
            if len(inner) == 1 and len(inner[0].shapes) == 1 and node.opening == "{":
                return inner[0]
            listed = self.combined(inner, node.items.separators) if len(inner) > 1 else inner[0]
            elements = frozenset(shape for part in inner for shape in part.shapes)
            if any(isinstance(part.shapes[0], Equation) or part.inequality for part in inner):
                raise Unreadable
            if isinstance(listed.shapes[0], Named):
                return listed
            return _Part((SetOf(elements),), listed.facets)
        if len(inner) == 1 and (len(inner[0].shapes) == 1 or node.opening == "("):
            return inner[0]
        facets = self.combined(inner, node.items.separators).facets
        if "label" in facets or any(len(part.shapes) != 1 for part in inner):
            raise Unreadable
        elements_in_order = tuple(part.shapes[0] for part in inner)
        ends = node.opening + node.closing
        if ends in ("[)", "(]") and len(inner) != 2:
            raise Unreadable
        return _Part((ordered(elements_in_order, ends),), facets)

    def set_operation(self, node: Combined) -> Shape:
        left, right = (
            SetOf(frozenset((shape,))) if isinstance(shape, Value) else shape
            for shape in (self.single(node.left), self.single(node.right))
        )
        if isinstance(left, SetOf) and isinstance(right, SetOf):
            if node.operator == "∪":
                return SetOf(left.elements | right.elements)
            if not (shapes.exact(left) and shapes.exact(right)):
                raise Unreadable
            return SetOf(left.elements & right.elements if node.operator == "∩" else left.elements - right.elements)
        spans = shapes.intervals(left), shapes.intervals(right)
        if spans[0] is None or spans[1] is None:
            raise Unreadable
        if node.operator == "∪":
            return shapes.union(spans[0] + spans[1])
        if node.operator == "∖":
            if not isinstance(right, SetOf):
                raise Unreadable
            spans = spans[0], shapes.intervals(shapes.complement(right.elements))
        left_spans, right_spans = spans
        result = (
            shapes.intersection(left_spans, right_spans) if left_spans is not None and right_spans is not None else None
        )
        if result is None:
            raise Unreadable
        return result

    def builder(self, node: Builder) -> Shape:
        """{x | condition}: what the condition says about x."""
        variable = node.variable
        if isinstance(variable, Comparing) and variable.operators == ("∈",) and variable.operands[1] == Constant("R"):
            variable = variable.operands[0]
        part = self.listing(node.condition)
        if not isinstance(variable, Sym) or part.facets != {"label": variable.name} or len(part.shapes) != 1:
            raise Unreadable
        return part.shapes[0]

    def proportion(self, node: Proportion) -> Shape:
        values = [self.value(part) for part in node.parts]
        if not values[0].terms:
            raise Unreadable
        return Ratio(tuple(divide(value, values[0], self.budget) for value in values[1:]))

    def grid(self, node: Node) -> Shape:
        rows = self.matrix(node)
        if rows is None:
            raise Unreadable
        if len(rows) == 1 and self.policy.vectors == "same":
            return Ordered(rows[0], "")
        if all(len(row) == 1 for row in rows):
            return Ordered(tuple(row[0] for row in rows), "")
        return Matrix(rows)

    def matrix(self, node: Node) -> tuple[tuple[Value, ...], ...] | None:  # noqa: PLR0911 - one return a kind of node
        """The entries of a matrix, a multiple of one, or a sum of such."""
        if isinstance(node, Grid):
            if node.environment == "cases" or any(len(row) != len(node.rows[0]) for row in node.rows):
                raise Unreadable
            return tuple(tuple(self.value(entry) for entry in row) for row in node.rows)
        if isinstance(node, Bracket) and len(node.items.items) == 1:
            return self.matrix(node.items.items[0])
        if isinstance(node, Signed) and node.sign in "+-":
            rows = self.matrix(node.body)
            return _scaled(rows, constant(1 if node.sign == "+" else -1), self.budget) if rows else None
        if (
            isinstance(node, Product)
            and all(mark != "/" for mark, _ in node.factors)
            and _has_grid(node.factors[-1][1])
        ):
            rows = self.matrix(node.factors[-1][1])
            if rows and not any(_has_grid(factor) for _, factor in node.factors[:-1]):
                return _scaled(rows, self.value(Product(node.factors[:-1])), self.budget)
            left = self.matrix(Product(node.factors[:-1]) if len(node.factors) > 2 else node.factors[0][1])
            return _matrix_product(left, rows, self.budget) if left and rows else None
        if isinstance(node, Sum):
            parts = [self.matrix(part) for part in node.parts]
            sizes = {(len(rows), len(rows[0])) if rows else None for rows in parts}
            if len(sizes) == 1 and None not in sizes:
                known = [rows for rows in parts if rows]
                return tuple(
                    tuple(add(*(rows[i][j] for rows in known), budget=self.budget) for j in range(len(known[0][0])))
                    for i in range(len(known[0]))
                )
        return None

    # Relations

    def relation(self, node: Comparing) -> _Part:
        if set(node.operators) <= {"=", "≈"}:
            return self.equality(node)
        if node.operators in (("⊆",), ("⊇",)):
            return self.inclusion(node)
        if node.operators in (("∈",), ("∉",)):
            return self.membership(node)
        if node.operators == ("≠",):
            return self.excluded(node, ())
        if set(node.operators) <= {"<", "≤"} or set(node.operators) <= {">", "≥"}:
            return self.inequality(node)
        raise Unreadable

    def equality(self, node: Comparing) -> _Part:  # noqa: PLR0911 - one return a kind of equality
        operands = list(node.operands)
        if "≈" in node.operators:
            operands = _exact_side(operands, node.operators.index("≈") + 1)
        first, last = operands[0], operands[-1]
        names = names_of(first)
        if names is not None:
            return self.assignment(names, last)
        if len(operands) == 1:
            return self.part(first)
        label = label_of(first) or (first.name if isinstance(first, Sym) and first.name in "ie" else None)
        if len(operands) == 2 and label is not None and len(label) > 1 and len(label_of(last) or "") > 1:
            return self.shared([label], last)  # MC = MR
        if len(operands) > 2 and label is not None:
            labels = [label_of(operand) for operand in operands[:-1]]
            if None not in labels and len(set(labels)) == len(labels):
                return self.shared([str(name) for name in labels], last)
        if label is None and len(operands) == 2 and label_of(last) is not None and not mentions(first, last):
            first, last = last, first
            label = label_of(first)
        if label is not None:
            return self.labelled(label, first, last)
        values = [self.value(operand.body if isinstance(operand, Quantity) else operand) for operand in operands]
        symbolic = [bool(value.symbols) for value in values]
        if same(values[0], values[-1], self.budget) or not any(symbolic):
            return self.part(last)
        if len(values) != 2:
            steps = [add(value, negative(values[-1]), budget=self.budget) for value in values[1:-1]]
            if any(symbolic[1:]) or any(balls.sign_of(step, self.budget) for step in steps):
                raise Unreadable
            part = self.part(last)  # a + b + c = 12 + 25 + 25 = 62
            return part._replace(facets={**part.facets, "label": values[0].text})
        asked = not symbolic[1] and bool(values[1].terms) and _is_of_names(first)
        return _Part((self.equation(values[0], values[1]),), {}, (values[1],) if asked else ())

    def shared(self, names: list[str], value: Node) -> _Part:
        """x = y = 3: one value under several names, which may be read as the value; x = y = z, which has none."""
        label = label_of(value)
        if label is not None:
            return _Part((atom(Func("all equal", tuple(atom(name) for name in sorted((*names, label))))),), {})
        part = self.part(value)
        if len(part.shapes) != 1:
            raise Unreadable
        named = self.named(names, part.shapes * len(names), part.facets)
        return named._replace(readings=(*named.readings, part.shapes[0]))

    def assignment(self, names: list[str], value: Node) -> _Part:
        """(p, q) = (3, 2)."""
        part = self.part(value)
        (shape,) = part.shapes
        if isinstance(shape, Ordered) and len(shape.elements) == len(names) == len(set(names)):
            return self.named(names, shape.elements, part.facets)
        if isinstance(shape, Items) and all(isinstance(s, Ordered) for s, _ in shape.counts):
            return part
        raise Unreadable

    def labelled(self, label: str, name: Node, value: Node) -> _Part:
        part = self.part(value)
        readings = part.readings
        shape = part.shapes[0]
        if len(part.shapes) == 1 and isinstance(shape, Value) and not part.facets:
            if is_function(name):
                symbol = atom(label.partition("(")[0])
            else:
                symbol = self.value(name) if not isinstance(name, Proportion) else atom(label)
            readings = (*readings, self.equation(symbol, shape))
            if shape.symbols and names_a_function(name):
                label = "y"
        elif is_function(name):
            label = label.partition("(")[0]
        return part._replace(facets={**part.facets, "label": label}, readings=readings)

    def equation(self, left: Value, right: Value) -> Shape:
        """left = right as a polynomial up to a factor."""
        difference = add(left, negative(right), budget=self.budget)
        if not difference.terms:
            raise Undefined
        terms = primitive(clear(difference, self.budget))
        return Equation("=", Value(terms if leading_sign(terms) > 0 else {m: -c for m, c in terms.items()}))

    def inclusion(self, node: Comparing) -> _Part:
        """Whether one finite set holds another: true or false."""
        found = [self.single(operand) for operand in node.operands]
        sides = [SetOf(frozenset((shape,))) if isinstance(shape, Value) else shape for shape in found]
        small, large = sides if node.operators == ("⊆",) else reversed(sides)
        if not (isinstance(small, SetOf) and isinstance(large, SetOf) and shapes.exact(small) and shapes.exact(large)):
            raise Unreadable
        return _Part((Text("true" if small.elements <= large.elements else "false"),), {})

    def membership(self, node: Comparing) -> _Part:
        label = label_of(node.operands[0])
        if label is None:
            raise Unreadable
        part = self.part(node.operands[1])
        if node.operators == ("∉",):
            if not isinstance(part.shapes[0], SetOf):
                raise Unreadable
            part = part._replace(shapes=(shapes.complement(part.shapes[0].elements),))
        return part._replace(facets={**part.facets, "label": label})

    def inequality(self, node: Comparing) -> _Part:
        inner = next((part.args[0] for part in node.operands if isinstance(part, Call) and part.name == "abs"), None)
        if isinstance(inner, Sym):
            return self.of_magnitude(node, inner)
        operands, operators = list(node.operands), list(node.operators)
        if operators[0] in ">≥":
            operands.reverse()
            operators = ["<" if operator == ">" else "≤" for operator in reversed(operators)]
        if len(operands) == 2:
            return self.half_line(operands[0], operands[1], operators[0])
        if len(operands) != 3:
            raise Unreadable
        small, middle, large = operands
        label = label_of(middle)
        if label is not None and not (mentions(small, middle) or mentions(large, middle)):
            left = self.ray(label, self.value(small), above=True, strict=operators[0] == "<")
            right = self.ray(label, self.value(large), above=False, strict=operators[1] == "<")
        else:
            left, right = self.half_line(small, middle, operators[0]), self.half_line(middle, large, operators[1])
        spans = shapes.intervals(left.shapes[0]), shapes.intervals(right.shapes[0])
        if left.facets != right.facets or spans[0] is None or spans[1] is None:
            raise Unreadable
        result = shapes.intersection(spans[0], spans[1])
        if result is None:
            result = self.unchecked(spans[0], spans[1])
        return _Part((result,), left.facets, inequality=True)

    def of_magnitude(self, node: Comparing, inner: Sym) -> _Part:
        """1 < |x| < 2 as what it says about x, a real number."""
        size = Sym(f"|{inner.name}|")
        operands = tuple(size if operand == Call("abs", (inner,)) else operand for operand in node.operands)
        part = self.inequality(Comparing(operands, node.operators))
        spans = shapes.intervals(part.shapes[0])
        positive = shapes.intersection(spans, [Ordered((constant(0), INFINITY), "[)")]) if spans else None
        spans = shapes.intervals(positive) if positive is not None else None
        if spans is None or part.facets != {"label": size.name}:
            raise Unreadable
        turned = {"(": ")", "[": "]", ")": "(", "]": "["}
        mirrored = [
            Ordered((self.minus(high), self.minus(low)), turned[ends[1]] + turned[ends[0]])
            for (low, high), ends in spans
        ]
        return _Part((shapes.union([*spans, *mirrored]),), {"label": inner.name}, inequality=True)

    @staticmethod
    def minus(shape: Shape) -> Value:
        if not isinstance(shape, Value):
            raise Unreadable
        return negative(shape)

    @staticmethod
    def unchecked(left: list[Ordered], right: list[Ordered]) -> Shape:
        """a < x < b with symbols for ends, taken at its word."""
        (low,), (high,) = left, right
        if low.elements[1] != INFINITY or high.elements[0] != MINUS_INFINITY:
            raise Unreadable
        return Ordered((low.elements[0], high.elements[1]), low.ends[0] + high.ends[1])

    def half_line(self, small: Node, large: Node, operator: str) -> _Part:
        """small < large, solved for the one symbol that it is linear in; else as it stands."""
        strict = operator == "<"
        for name, other, above in ((small, large, False), (large, small, True)):
            label = label_of(name)
            if label is not None and label_of(other) is None and not mentions(other, name):
                return self.ray(label, self.value(other), above=above, strict=strict)
        values = self.value(small), self.value(large)
        difference = add(values[0], negative(values[1]), budget=self.budget)
        symbols = [name for name in difference.atoms if isinstance(name, str) and name not in (PI, E, I)]
        if len(symbols) == 1 and difference.over is None:
            linear = frozenset(((symbols[0], 1),))
            rest = Value({m: c for m, c in difference.terms.items() if m != linear})
            factor = difference.terms.get(linear)
            if factor is not None and not rest.symbols:
                bound = divide(negative(rest), constant(factor), self.budget)
                return self.ray(symbols[0], bound, above=factor < 0, strict=strict)
        if difference.symbols and difference.over is None:
            return _Part((Equation(operator, Value(primitive(difference.terms))),), {})
        raise Unreadable

    @staticmethod
    def ray(label: str, bound: Value, *, above: bool, strict: bool) -> _Part:
        shape = (
            ordered((bound, INFINITY), "()" if strict else "[)")
            if above
            else ordered((MINUS_INFINITY, bound), "()" if strict else "(]")
        )
        return _Part((shape,), {"label": label}, inequality=True)

    # Scalars

    def literal(self, text: str) -> int | Fraction:
        if digit_count(text) > MAX_LITERAL_DIGITS:
            raise TooLarge
        return number_of(text)

    def value(self, node: Node) -> Value:  # noqa: PLR0911 - one return a kind of node
        """An expression's exact value."""
        if isinstance(node, Num):
            short = len(node.text) <= _SHORT and node.text.isdigit()
            return constant(int(node.text) if short else self.literal(node.text))
        if isinstance(node, Sym):
            return self.symbol(node.name)
        if isinstance(node, Word):
            return self.word(node.text)
        if isinstance(node, Signed):
            return self.signed(node)
        if isinstance(node, Sum):
            return add(*(self.signed(part) for part in node.parts), budget=self.budget)
        if isinstance(node, Product):
            return self.product(node)
        if isinstance(node, Power):
            return power(self.value(node.base), self.value(node.exponent), self.budget)
        if isinstance(node, Call):
            if node.name.startswith("lim") and _is_constant_in(node.args[2], node.args[0]):
                return self.value(node.args[2])
            args = tuple(self.value(arg) for arg in node.args)
            if node.name == "log" and len(args) == 1 and self.policy.log == "decimal":
                args = (constant(10), *args)
            return functions.apply(node.name, args, self.budget)
        if isinstance(node, Mixed):
            whole, top, bottom = (int(self.literal(text)) for text in node)
            return constant(quotient(whole * bottom + top, bottom))
        return self.wrapped(node)

    def wrapped(self, node: Node) -> Value:
        if isinstance(node, Postfix):
            body = self.value(node.body)
            if node.mark == "%":
                scale = 1 if self.policy.percent == "number" else Fraction(1, 100)
                return multiply(body, constant(scale), self.budget)
            if node.mark == "°":
                return multiply(body, Value({frozenset(((PI, 1),)): Fraction(1, _HALF_TURN)}), self.budget)
            name = "factorial" if node.mark == "!" else "double factorial"
            return functions.apply(name, (body,), self.budget)
        if isinstance(node, Bracket) and len(node.items.items) == 1:
            return self.value(node.items.items[0])
        if isinstance(node, Grid) and node.environment == "vmatrix":
            return _determinant(self.matrix(node) or (), self.budget)
        if isinstance(node, Constant):
            return INFINITY if node.name == "∞" else atom(f"set {node.name}")
        raise Unreadable

    def symbol(self, name: str) -> Value:
        """A symbol or constant by its name."""
        if self.respell and _RESPELLED.fullmatch(name):
            return atom(I) if name == "I" else atom(name.lower())
        return _CONSTANTS.get(name) or atom(name)

    def word(self, text: str) -> Value:
        """A name set as text: a product of its letters where it may be one (AB, mgh), one symbol where it is a word."""
        if text.isalpha() and text.isascii() and len(text) <= 3 and (text.isupper() or set("aeiou").isdisjoint(text)):
            result = constant(1)
            for letter in text:
                result = multiply(result, self.symbol(letter), self.budget)
            return result
        return atom(f"word {text}")

    def signed(self, node: Signed) -> Value:
        body = self.value(node.body)
        if node.sign in "±∓":
            if not self.plus_minus:
                raise Unreadable
            return body if (node.sign == "±") == (self.plus_minus > 0) else negative(body)
        return body if node.sign == "+" else negative(body)

    def product(self, node: Product) -> Value:
        result: Value | None = None
        factors = node.factors
        skip = False
        for position, (mark, factor) in enumerate(factors):
            if skip:
                skip = False
                continue
            following = factors[position + 1] if position + 1 < len(factors) else None
            if isinstance(factor, Sym) and following is not None and _applies(factor, *following):
                assert isinstance(following[1], Bracket)  # noqa: S101 - what `_applies` says
                args = tuple(self.value(item) for item in following[1].items.items)
                value, skip = functions.apply(factor.name, args, self.budget), True
            else:
                value = self.value(factor)
            if result is None:
                result = value
            elif mark == "/":
                result = divide(result, value, self.budget)
            else:
                result = multiply(result, value, self.budget)
        assert result is not None  # noqa: S101 - a product has a factor
        return result


# Syntax


def _exact_side(operands: list[Node], cut: int) -> list[Node]:
    """What stands before the first ≈, unless it is only a name, or rounded and what stands after it is not."""
    before, after = operands[cut - 1], operands[cut]
    if (cut == 1 and label_of(before) is not None) or (_is_decimal(before) and not _is_decimal(after)):
        return [*operands[: cut - 1], *operands[cut:]] if _is_decimal(before) else operands
    return operands[:cut]


def _is_decimal(node: Node) -> bool:
    """Whether it is a number in digits, with its sign and unit."""
    while isinstance(node, (Quantity, Signed)):
        node = node.body
    return isinstance(node, Num)


def _joined(tokens: list[Token]) -> str:
    """The tokens of what cannot be read, so that spacing does not matter: letters apart, digits together."""
    return " ".join(" ".join(token.text) if token.kind in ("run", "word") else token.text for token in tokens)


def _regrouped(listing: Listing) -> Listing:
    """a, b; c, d as a list of two lists."""
    groups: list[list[Node]] = [[listing.items[0]]]
    for separator, item in zip(listing.separators, listing.items[1:], strict=True):
        if separator == ";":
            groups.append([item])
        else:
            groups[-1].append(item)
    nodes: list[Node] = [
        group[0] if len(group) == 1 else Listing(tuple(group), (",",) * (len(group) - 1)) for group in groups
    ]
    return Listing(tuple(nodes), (";",) * (len(nodes) - 1))


def _unnamed(everything: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """A list of values by name as the list of tuples in the order of the names."""
    if not any(isinstance(shape, Named) for shape in everything):
        return ()
    tuples = [
        ordered(tuple(value for _, value in sorted(shape.values, key=lambda pair: pair[0])), "()")
        if isinstance(shape, Named)
        else shape
        for shape in everything
    ]
    return (items(tuples),)


def _common_base(labels: list[str]) -> str | None:
    """x for x_1, x_2: numbered names of one unknown."""
    bases = {label.partition("_")[0] for label in labels}
    indices = {label.partition("_")[2] for label in labels}
    if len(bases) == 1 and len(indices) == len(labels) and all(index.isdigit() for index in indices):
        return bases.pop()
    return None


def _is_degrees(node: Node) -> bool:
    while isinstance(node, Signed) and node.sign in "+-":
        node = node.body
    return isinstance(node, Postfix) and node.mark == "°"


def _without_degrees(node: Node) -> Node:
    if isinstance(node, Signed):
        return Signed(node.sign, _without_degrees(node.body))
    assert isinstance(node, Postfix)  # noqa: S101 - what `_is_degrees` says
    return node.body


def _is_constant_in(node: Node, variable: Node) -> bool:
    """Whether no name in an expression holds the variable's, not as an index either: a_n is not constant in n."""
    if not isinstance(variable, Sym):
        return False
    if isinstance(node, (Sym, Word)):
        return variable.name not in node[0]
    return all(_is_constant_in(part, variable) for part in node if isinstance(part, tuple))  # type: ignore[arg-type]  # nodes are tuples of nodes


def _is_system(node: Grid) -> bool:
    """Whether every row is one relation: equations under one another, in a brace or aligned."""
    return all(len(row) == 1 and isinstance(row[0], Comparing) for row in node.rows)


def _has_grid(node: Node) -> bool:
    """Whether a matrix stands in an arithmetic expression."""
    if isinstance(node, Grid):
        return node.environment != "vmatrix"
    if isinstance(node, Signed):
        return _has_grid(node.body)
    if isinstance(node, Sum):
        return any(_has_grid(part) for part in node.parts)
    if isinstance(node, Product):
        return any(_has_grid(factor) for _, factor in node.factors)
    if isinstance(node, Bracket) and len(node.items.items) == 1:
        return _has_grid(node.items.items[0])
    return False


def _plus_minus_signs(node: Node) -> list[str]:  # noqa: PLR0911 - one return a kind of node
    """Every ± and ∓ of an expression."""
    if isinstance(node, Signed):
        return ([node.sign] if node.sign in "±∓" else []) + _plus_minus_signs(node.body)
    if isinstance(node, Sum):
        return [sign for part in node.parts for sign in _plus_minus_signs(part)]
    if isinstance(node, Product):
        return [sign for _, factor in node.factors for sign in _plus_minus_signs(factor)]
    if isinstance(node, Power):
        return _plus_minus_signs(node.base) + _plus_minus_signs(node.exponent)
    if isinstance(node, Call):
        return [sign for arg in node.args for sign in _plus_minus_signs(arg)]
    if isinstance(node, Postfix):
        return _plus_minus_signs(node.body)
    if isinstance(node, Bracket):
        return [sign for item in node.items.items for sign in _plus_minus_signs(item)]
    return []


def _is_of_names(node: Node) -> bool:
    """Whether it is a sum, difference, product or quotient of bare letters, as questions ask for: m + n."""
    if isinstance(node, Sum):
        names = [part.body for part in node.parts if part.sign in "+-"]
    else:
        names = [_inside(factor) for _, factor in node.factors] if isinstance(node, Product) else []
    return len(set(names)) == len(names) > 1 and all(isinstance(name, Sym) for name in names)


def _inside(node: Node) -> Node:
    """What brackets hold, where it is one expression."""
    return node.items.items[0] if isinstance(node, Bracket) and len(node.items.items) == 1 else node


def _in_base(digits: str, base: int) -> int:
    if not digits.isdigit() or not 2 <= base <= 10 or len(digits) > MAX_BASED_DIGITS or int(max(digits)) >= base:
        raise Unreadable
    return int(digits, base)


def _bare_difference(node: Sum) -> list[str]:
    """The numbers of a difference of bare ones, 3 - 1; empty for any other sum."""
    numbers = [part.body.text for part in node.parts if isinstance(part.body, Num)]
    signs = [part.sign for part in node.parts]
    return numbers if len(numbers) == len(signs) and signs[0] == "+" and set(signs[1:]) == {"-"} else []


def _is_percent(node: Node) -> bool:
    return isinstance(node, Postfix) and node.mark == "%"


def _letters_in_order(node: Sum) -> list[str]:
    """The capital letters of A-B-C; empty for any other sum."""
    names = [part.body.name for part in node.parts if isinstance(part.body, Sym)]
    plain = len(names) == len(node.parts) > 2 and all(len(name) == 1 and name.isupper() for name in names)
    return names if plain and {part.sign for part in node.parts[1:]} == {"-"} else []


def _applies(function: Sym, mark: str, argument: Node) -> bool:
    """Whether a letter before brackets is a function of what they hold: one of `_APPLIED`, or of two arguments."""
    if mark not in ("",) or not isinstance(argument, Bracket) or argument.opening != "(":
        return False
    name = function.name.partition("_")[0]
    return name in _APPLIED or name in LETTERS or len(argument.items.items) > 1


def _determinant(rows: tuple[tuple[Value, ...], ...], budget: Budget) -> Value:
    """By the first row; raises `Undefined` where the matrix is not square."""
    if not 0 < len(rows) == len(rows[0]) or len(rows) > MAX_DETERMINANT:
        raise Undefined
    if len(rows) == 1:
        return rows[0][0]
    minors = [tuple(row[:k] + row[k + 1 :] for row in rows[1:]) for k in range(len(rows))]
    parts = [multiply(entry, _determinant(minor, budget), budget) for entry, minor in zip(rows[0], minors, strict=True)]
    return add(*(negative(part) if k % 2 else part for k, part in enumerate(parts)), budget=budget)


def _matrix_product(
    left: tuple[tuple[Value, ...], ...], right: tuple[tuple[Value, ...], ...], budget: Budget
) -> tuple[tuple[Value, ...], ...]:
    if len(left[0]) != len(right):
        raise Undefined
    columns = list(zip(*right, strict=True))
    return tuple(
        tuple(
            add(*(multiply(a, b, budget) for a, b in zip(row, column, strict=True)), budget=budget)
            for column in columns
        )
        for row in left
    )


def _scaled(rows: tuple[tuple[Value, ...], ...], factor: Value, budget: Budget) -> tuple[tuple[Value, ...], ...]:
    return tuple(tuple(multiply(entry, factor, budget) for entry in row) for row in rows)
