"""From an answer's text to its key: what it is, in canonical form, and what decorates it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from empo_rewards.equivalence.math import balls, chemistry, dates, nodes, shapes, units
from empo_rewards.equivalence.math.algebra import (
    Budget,
    E,
    Func,
    Monomial,
    Rational,
    TooLarge,
    Undefined,
    Value,
    add,
    atom,
    clear,
    constant,
    leading_sign,
    primitive,
    quotient,
    same,
    spend,
)
from empo_rewards.equivalence.math.keys import Key, Option
from empo_rewards.equivalence.math.labels import is_function, label_of, names_a_function, names_of
from empo_rewards.equivalence.math.lexer import Token, Unreadable, fold, lex, plain
from empo_rewards.equivalence.math.limits import MAX_BASED_DIGITS, MAX_CHARS, MAX_WORK
from empo_rewards.equivalence.math.nodes import Node
from empo_rewards.equivalence.math.numerals import decimal_comma, integer_parameter, is_amount, literal, spoken
from empo_rewards.equivalence.math.parser import parse
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.scalars import Scalars, has_grid
from empo_rewards.equivalence.math.shapes import INFINITY, MINUS_INFINITY, Ordered, SetOf, Shape, items, ordered
from empo_rewards.equivalence.math.units import Unit
from empo_rewards.equivalence.math.words import SILENT, name_in_words, words_of, words_of_text

_PLAIN_NUMBER = re.compile(r"([+-]?)(\d{1,18}(?:\.\d{1,18})?)\.?", re.ASCII)
_PLAIN_FRACTION = re.compile(r"([+-]?)\\[dt]?frac\{(\d{1,18})\}\{([1-9]\d{0,17})\}", re.ASCII)
_PLAIN_LETTERS = frozenset("abcdfghjklmnopqrstuvwxyzABDEFGHJKLMNOPQRSTUVWXYZ")
"""Letters that stand for nothing else, alone: e and i are numbers, C and I are spelled small as well."""

_TOKEN_WORK = 5
"""Units of work that a token costs until it is syntax."""


def key_of(text: str, policy: MathPolicy) -> Key:
    """The key of an answer, within the bounds of `limits`. Never raises for what the text holds."""
    simple = _plain_key(text)
    if simple is not None:
        return simple
    if len(text) > MAX_CHARS:
        return Key(shapes.Opaque(text), work=len(text) >> 4)
    folded = fold(text)
    if len(folded) > 2 * MAX_CHARS:  # a character may fold to many
        return Key(shapes.Opaque(text), work=len(text) >> 2)
    if "\\frac" not in folded and "\\sqrt" not in folded:
        said = plain(folded)
        found = dates.read(said, policy) or chemistry.read(said)
        if found is not None:
            return found._replace(work=len(text))
    try:
        tokens = lex(folded)
    except Unreadable:
        words = words_of_text(folded)
        return Key(words or shapes.Opaque(" ".join(folded.split())), work=len(text) >> 2)
    with Budget().counted() as budget:
        key = _key_of_tokens(tokens, folded, policy)
    return key._replace(work=MAX_WORK - int(max(0, budget.left)))


def _key_of_tokens(tokens: list[Token], folded: str, policy: MathPolicy) -> Key:
    spend(_TOKEN_WORK * len(tokens))
    if {"word", "run", "∈"}.isdisjoint([token.kind for token in tokens]):
        return _Reader(policy, tokens).key(folded)
    called, spelled_out = name_in_words(spoken(tokens))
    parameter = integer_parameter(spelled_out)
    words = words_of(spelled_out) if parameter is None else None
    if words is not None:
        return Key(words)
    if parameter is not None:
        plainly, key = (_Reader(policy, part).key(folded) for part in parameter)
        key = key._replace(readings=(*key.readings, plainly.shape))
    else:
        key = _Reader(policy, spelled_out).key(folded)
    facets = {**key.facets, **called}
    if policy.units == "ignore_when_bare" and is_amount(tokens):
        facets.setdefault("unit", ())
    return key._replace(facets=facets)


def unread_key(text: str, *, failed: bool) -> Key:
    """The key of an answer that is not read: equal text is equal, nothing else is known."""
    return Key(shapes.Opaque(text), work=0, failed=failed)


def _plain_key(text: str) -> Key | None:
    """The key of a bare number, fraction or letter, which most answers are; None for anything else."""
    number = _PLAIN_NUMBER.fullmatch(text)
    if number:
        value = literal(number[2])
        return Key(constant(-value if number[1] == "-" else value), decimal="." in number[2])
    fraction = _PLAIN_FRACTION.fullmatch(text)
    if fraction:
        value = quotient(int(fraction[2]), int(fraction[3]))
        return Key(constant(-value if fraction[1] == "-" else value))
    return Key(atom(text)) if text in _PLAIN_LETTERS else None


class _Part(NamedTuple):
    """One item of an answer: its shapes (two of a ±), what decorates it, how else it may be read."""

    shapes: tuple[Shape, ...]
    facets: Mapping[str, Hashable] = MappingProxyType({})
    readings: tuple[Shape, ...] = ()
    inequality: bool = False

    @property
    def shape(self) -> Shape:
        """Its one shape; raises `Unreadable` where there are two."""
        if len(self.shapes) != 1:
            raise Unreadable
        return self.shapes[0]

    @property
    def value(self) -> Value:
        """Its one shape, if that is a value."""
        if not isinstance(self.shape, Value):
            raise Unreadable
        return self.shape

    @property
    def bare(self) -> Shape:
        """Its one shape, if nothing decorates it."""
        if self.facets:
            raise Unreadable
        return self.shape

    @property
    def is_symbol(self) -> bool:
        """Whether it is one bare letter."""
        shape = self.shapes[0]
        return not self.facets and isinstance(shape, Value) and [shape] == [atom(name) for name in shape.symbols]


class _Reader(Scalars):
    """Reads one answer: its syntax as shapes, by the kind of its nodes."""

    def __init__(self, policy: MathPolicy, tokens: list[Token], *, respell: bool = False) -> None:
        super().__init__(policy, respell=respell)
        self.tokens = tokens
        self.kinds = {token.kind for token in tokens}
        self.composed = any("unit " in token.text or token.text == "∈Z" for token in tokens)

    def key(self, folded: str) -> Key:
        """The key of the answer that the tokens are."""
        if self.kinds <= SILENT:
            return Key(shapes.Text(folded))
        decimal = "." in folded and any(token.kind == "num" and "." in token.text for token in self.tokens)
        try:
            listing, unsure = parse(self.tokens)
            part = self.listing(listing)
            shape = part.shapes[0] if len(part.shapes) == 1 else items(part.shapes)
            options = self.options(shape, part.facets, unsure)
        except (Unreadable, TooLarge, Undefined):
            return Key(shapes.Opaque(_joined(self.tokens)), decimal=decimal)
        readings, facets = part.readings, part.facets
        if self.policy.units == "ignore":
            facets = {kind: value for kind, value in facets.items() if kind != "unit"}
        letters = (letter for token in self.tokens if token.kind in ("sym", "run") for letter in token.text)
        if isinstance(shape, Value) and not {"C", "I"}.isdisjoint(letters):
            readings = (*readings, *self.respelled(listing, shape))
        if self.policy.decimal_comma == "decimal" and "," in self.kinds:
            number = decimal_comma(self.tokens)
            shape = shape if number is None else constant(number)
        if self.policy.ordered_is_set and isinstance(shape, Ordered) and shape.ends in ("", "()"):
            shape = SetOf(frozenset(shape.elements))
        return Key(shape, facets, (*readings, *shapes.readings(shape)), decimal, options=options)

    def respelled(self, listing: nodes.Listing, shape: Shape) -> tuple[Shape, ...]:
        """The answer with another spelling of constants, where that is another shape."""
        try:
            found = _Reader(self.policy, self.tokens, respell=True).listing(listing).shapes
        except (Unreadable, TooLarge, Undefined):
            return ()
        return found if len(found) == 1 and found[0] != shape else ()

    def options(self, shape: Shape, facets: Mapping[str, Hashable], unsure: Mapping[str, Unit]) -> tuple[Option, ...]:
        """What an ambiguous answer may be: 3,14 a decimal or a list; 2600g grams or a product; £5 or 5 lb pounds."""
        said = _joined(self.tokens)
        comma = decimal_comma(self.tokens) if "," in self.kinds else None
        if comma is not None and self.policy.decimal_comma == "settled":
            return Option("comma:list", said, shape, facets), Option("comma:decimal", said, constant(comma))
        if unsure and isinstance(shape, Value):
            return _letters_or_unit(said, shape, facets, *next(iter(unsure.items())))
        words = any(token.text == "to" for token in self.tokens)
        if isinstance(shape, shapes.Range) and words and not facets and balls.sign_of(shape.low) == 1:
            return Option("to:range", said, shape), Option("to:ratio", said, shapes.Ratio((shape.high / shape.low,)))
        if [token.kind for token in self.tokens] == ["num", "-", "num"] and not isinstance(shape, shapes.Range):
            low, high = (constant(literal(token.text)) for token in self.tokens[::2])
            found = self.range(low, high)
            return (Option("dash:range", said, found),) if found else ()
        if facets.get("unit") == (("pound", 1),):
            return tuple(Option(f"pound:{unit}", said, shape, {**facets, "unit": ((unit, 1),)}) for unit in ("lb", "£"))
        return ()

    # Lists

    def listing(self, listing: nodes.Listing) -> _Part:
        """Items side by side."""
        if len(listing.items) == 1:
            return self.part(listing.items[0])
        first = listing.items[0]
        if isinstance(first, nodes.Comparing) and first.operators == ("≠",):
            return self.excluded(first, listing.items[1:])
        if all(isinstance(item, nodes.Qualified) for item in listing.items):
            return self.qualified(cast("tuple[nodes.Qualified, ...]", listing.items))
        if ";" in listing.separators and "," in listing.separators:
            listing = _regrouped(listing)
        return self.combined([self.part(item) for item in listing.items], listing.separators)

    def combined(self, parts: list[_Part], separators: tuple[str, ...]) -> _Part:  # noqa: PLR0912 - one a kind of list
        """Items side by side as one part: a list, values by name, or a union of inequalities."""
        labels = [part.facets.get("label") for part in parts]
        logical = not {"∧", "∨"}.isdisjoint(separators)
        marks = {{"∧": "and", "∨": "or"}.get(mark, mark) for mark in separators}
        if "or" in marks or logical:
            bare = all(part.is_symbol for part in parts)
            if None in labels if logical else (len(set(labels)) > 1 or bare):
                raise Unreadable  # x = 2 or y = 3, p or q: neither a list nor values by name
        facets: dict[str, Hashable] = {}
        given = {part.facets["unit"] for part in parts if "unit" in part.facets}
        if len(given) > 1:
            return self.quantities(parts, marks)
        if given:
            facets["unit"] = given.pop()
        if any(set(part.facets) - {"unit", "label"} for part in parts):
            raise Unreadable
        if all(part.inequality for part in parts) and len(set(labels)) == 1:
            return self.alternatives(parts, marks, facets | {"label": labels[0]}, logical=logical)
        everything = tuple(shape for part in parts for shape in part.shapes)
        if labels[0] is not None and set(labels[1:]) <= {None, labels[0]}:
            facets["label"] = labels[0]
        elif None not in labels:
            base = _common_base([str(label) for label in labels])
            if base is None and len(set(labels)) == len(labels) == len(everything):
                return self.named([str(label) for label in labels], everything, facets)
            if base is None:
                raise Unreadable
            facets["label"] = base
        elif set(labels) != {None}:
            raise Unreadable
        if any(isinstance(shape, shapes.Opaque) for shape in everything):
            return _Part((Ordered(everything, ""),), facets)  # 6-4, 6-3: scores keep their order
        joined = {"and", "or"} & marks if "label" not in facets else set()
        if len(joined) == 1:
            facets["joined"] = joined.pop()
        return _Part((items(everything),), facets, _unnamed(everything))

    def quantities(self, parts: list[_Part], marks: set[str]) -> _Part:
        """Quantities in different units: a compound one (3 hours and 20 minutes), else each by its label."""
        if "or" in marks or any(set(part.facets) != {"unit"} for part in parts):
            raise Unreadable
        values, given = [part.value for part in parts], [cast("Unit", part.facets["unit"]) for part in parts]
        scales = [units.scale(unit) for unit in given]
        if len({dimension for _, dimension in scales}) == 1:
            if any(small[0] >= large[0] for large, small in pairwise(scales)):
                raise Unreadable
            return self.compound(values, given)
        names = [units.spelled(unit) for unit in given]
        if len(set(names)) < len(names):
            raise Unreadable
        return _Part((shapes.Named(frozenset(zip(names, values, strict=True))),), {}, (items(values),))

    def compound(self, values: Iterable[Value], given: Iterable[Unit]) -> _Part:
        """Quantities of one dimension, added up in its base units."""
        scales = [units.scale(unit) for unit in given]
        if len({dimension for _, dimension in scales}) != 1:
            raise Unreadable
        total = add(*(value * quotient(factor, 1) for value, (factor, _) in zip(values, scales, strict=True)))
        return _Part((shapes.Measure(total, scales[0][1]),))

    def qualified(self, found: Sequence[nodes.Qualified]) -> _Part:
        """$3000 at 10%, $2000 at 8%: each value by what is said of it."""
        parts = [self.part(item.body) for item in found]
        names = [item.words for item in found]
        if any(part.facets != parts[0].facets for part in parts) or len(set(names)) < len(names):
            raise Unreadable
        return self.named(names, tuple(part.shape for part in parts), parts[0].facets)

    def excluded(self, first: nodes.Comparing, others: tuple[Node, ...] = ()) -> _Part:
        """x ≠ 2, -3 or x ≠ 2, x ≠ -3: every real number but those."""
        label = label_of(first.operands[0])
        points: list[Value] = []
        for each in (first, *others):
            relation = each if isinstance(each, nodes.Comparing) else nodes.Comparing((first.operands[0], each), ("≠",))
            if label is None or relation.operators != ("≠",) or label_of(relation.operands[0]) != label:
                raise Unreadable
            points += self.branches(relation.operands[1])
        return _Part((shapes.complement(points),), {"label": label}, inequality=True)

    def named(self, names: Sequence[str], values: tuple[Shape, ...], facets: Mapping[str, Hashable]) -> _Part:
        """Values by name; in the order written they may be read as a tuple."""
        pair = ordered(values, "()")
        readings = dict.fromkeys((pair, *shapes.readings(pair)))
        return _Part((shapes.Named(frozenset(zip(names, values, strict=True))),), facets, tuple(readings))

    def alternatives(self, parts: list[_Part], marks: set[str], facets: dict[str, Hashable], *, logical: bool) -> _Part:
        """Inequalities about one name: what satisfies all of them where "and" joins them, else their union."""
        spans = [_intervals(shape) for part in parts for shape in part.shapes]
        conjunction = "and" in marks and "or" not in marks
        result = shapes.intersection(*spans) if conjunction else None
        if result is None or result == shapes.EMPTY:
            if conjunction and logical:
                raise Unreadable
            result = shapes.union([interval for span in spans for interval in span])
        return _Part((result,), facets, inequality=True)

    # One item

    def part(self, node: Node) -> _Part:
        """One item, by its kind; an expression that is none of them by its value."""
        kind = _PARTS.get(type(node))
        found = kind(self, node) if kind is not None else None
        return found if found is not None else self.scalar_part(node)

    def scalar_part(self, node: Node) -> _Part:
        """An expression."""
        if "begin" in self.kinds and has_grid(node):
            return _Part((self.grid(node),))
        values = tuple(dict.fromkeys(self.branches(node)))
        return _Part(tuple(map(self.decomposed, values)) if self.composed else values)

    def quantity(self, node: nodes.Quantity) -> _Part:
        """A value with its unit; $99 - $72 is a difference, or a range."""
        numbers = _bare_difference(node.body) if isinstance(node.body, nodes.Sum) else []
        if numbers:
            span = self.range(*map(constant, map(literal, numbers))) if len(numbers) == 2 else None
            if span is None:
                raise Unreadable
            return _Part((span,), {"unit": node.unit})
        return self.decorated(node.body, unit=node.unit)

    def marked(self, node: nodes.Postfix | nodes.Signed) -> _Part | None:
        """-45°, a quantity in degrees; 50%, which a policy may read as 50; None for other signs and marks."""
        if _is_percent(node) and self.policy.percent == "either":
            return self.scalar_part(node)._replace(readings=(self.value(node.body),))
        bare = _without_degrees(node)
        return None if bare is None else self.decorated(bare, unit=(("°", 1),))

    def decorated(self, node: Node, **facets: Hashable) -> _Part:
        """A part with more said of it."""
        inner = self.part(node)
        return inner._replace(facets={**inner.facets, **facets})

    def choice(self, node: nodes.ChoiceLetter) -> _Part:
        """(B) 5, which may be read as B."""
        inner = self.decorated(node.body, choice=node.letter)
        return inner._replace(readings=(*inner.readings, atom(E if node.letter == "e" else node.letter)))

    def based(self, node: nodes.Based) -> _Part:
        """204_5."""
        if self.policy.bases == "value":
            return _Part((constant(_in_base(node.digits, node.base)),))
        return _Part((constant(literal(node.digits)),), {"base": node.base})

    def sum(self, node: nodes.Sum) -> _Part | None:
        """3-1, A-B-C as they are; 1999-2003 and 10-20% as ranges; None for what is a sum or difference for certain."""
        percent = len(node.parts) == 2 and _is_percent(node.parts[1].body)
        if percent:  # the sign after the second number is the first one's too
            bodies = [part.body.body if _is_percent(part.body) else part.body for part in node.parts]  # type: ignore[union-attr]  # a percent sign stands after a body
            node = nodes.Sum(
                tuple(nodes.Signed(part.sign, body) for part, body in zip(node.parts, bodies, strict=True))
            )
        numbers = _bare_difference(node)
        found: Shape | None = None
        if percent:
            if not numbers:
                return None
            values = [self.value(nodes.Postfix("%", nodes.Num(text))) for text in numbers]
            found = self.range(*values) or shapes.Opaque("-".join((*numbers, "%")))
        elif len(numbers) == 2 and all(len(text) == 4 and text.isdecimal() for text in numbers):
            found = self.range(*map(constant, map(literal, numbers)))
        return _Part((found or shapes.Opaque("-".join(numbers)),)) if numbers else None

    def product(self, node: nodes.Product) -> _Part | None:
        """What may be no product: a sequence, date, version, size (3 1 4 2, 3/4/24, 1.2.3, 2 x 3), a point D(3, 4)."""
        (_, first), *others = node.factors
        texts = [factor.text for _, factor in node.factors if isinstance(factor, nodes.Num)]
        marks = {mark for mark, _ in others}
        if len(texts) == len(node.factors) > 1:
            if marks == {" "}:
                return _Part((Ordered(tuple(constant(literal(text)) for text in texts), ""),))
            undone = marks == {""} or (marks == {"/"} and len(texts) > 2)
            return _Part((shapes.Opaque(next(iter(marks)).join(texts)),)) if undone else None
        if len(texts) == 2 and len(others) == 2 and isinstance(others[0][1], nodes.Sym) and not marks - {"", " "}:
            return _Part((shapes.Opaque(f"{texts[0]} {others[0][1].name} {texts[1]}"),))
        if len(others) == 1 and isinstance(first, nodes.Sym) and first.name[:1].isupper():
            ((mark, bracket),) = others
            if not mark and isinstance(bracket, nodes.Bracket) and bracket.opening + bracket.closing == "()":
                point = bracket.items.items
                if len(point) > 1:
                    reading = ordered(tuple(map(self.value, point)), "()")
                    return self.scalar_part(node)._replace(readings=(reading,))
        return None

    def modular(self, node: nodes.Modular) -> _Part:
        """x ≡ 3 (mod 7): a class of residues, of x."""
        label = None if node.left is None else label_of(node.left)
        if node.relations > 1 or (label is None and (node.relations or node.left is not None)):
            raise Unreadable
        shape = self.congruence(self.value(node.residue), self.value(node.modulus))
        return _Part((shape,), {} if label is None else {"label": label})

    def congruence(self, residue: Value, modulus: Value) -> shapes.Congruence:
        """The class of a residue: its least member that is not negative, and a positive modulus."""
        turns, size = (residue / modulus).rational, balls.sign_of(modulus)
        if size is None:
            raise Unreadable
        if turns is not None:
            residue = modulus * (turns - math.floor(turns))
        return shapes.Congruence(residue, modulus if size > 0 else -modulus)

    def range(self, low: Value, high: Value) -> shapes.Range | None:
        """From low to high, if that is upwards for certain."""
        return shapes.Range(low, high) if shapes.before(low, high) else None

    def span(self, node: nodes.Span) -> _Part:
        """3 to 5 days: a range. Bare numbers may be a ratio too; 3 to 1 is one."""
        if _is_percent(node.high) and isinstance(node.low, nodes.Num):
            node = nodes.Span(nodes.Postfix("%", node.low), node.high)  # 10 to 20 percent
        low, high = self.part(node.low), self.part(node.high)
        facets = {**high.facets, **low.facets}
        if low.facets and low.facets != high.facets:
            raise Unreadable
        found: Shape | None = self.range(low.value, high.value)
        if found is None and not facets and balls.sign_of(high.value) == 1:
            found = shapes.Ratio((high.value / low.value,))
        if found is None:
            raise Unreadable
        return _Part((found,), facets)

    def bound(self, node: nodes.Bound) -> _Part:
        """> 5 years: a half-line."""
        inner = self.part(node.body)
        if "label" in inner.facets:
            raise Unreadable
        ray = _ray("", inner.value, above=node.operator in ">≥", strict=node.operator in "<>")
        return ray._replace(facets=inner.facets)

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
        vector = any(parts[name] for name in names[:3])
        if value.over is not None or (vector and (parts[""] or parts["∈Z"])) or not (vector or parts["∈Z"]):
            raise Unreadable
        if not vector:
            return self.congruence(Value(parts[""]), Value(parts["∈Z"]))
        return ordered(tuple(Value(parts[name]) for name in (names[:3] if parts["unit k"] else names[:2])), "()")

    # Brackets, sets, matrices

    def bracket(self, node: nodes.Bracket) -> _Part:
        """A tuple, an interval, a set; what brackets hold alone."""
        inner = [self.part(item) for item in node.items.items]
        single = len(inner) == 1
        if node.opening in ("{", r"\{"):
            if single and len(inner[0].shapes) == 1 and node.opening == "{":
                return inner[0]
            listed = inner[0] if single else self.combined(inner, node.items.separators)
            if any(isinstance(part.shapes[0], shapes.Equation) or part.inequality for part in inner):
                raise Unreadable
            if isinstance(listed.shapes[0], shapes.Named):
                return listed
            return _Part((SetOf(frozenset(shape for part in inner for shape in part.shapes)),), listed.facets)
        if single and (len(inner[0].shapes) == 1 or node.opening == "("):
            return inner[0]
        facets = self.combined(inner, node.items.separators).facets
        ends = node.opening + node.closing
        if "label" in facets or (ends in ("[)", "(]") and len(inner) != 2):
            raise Unreadable
        return _Part((ordered(tuple(part.shape for part in inner), ends),), facets)

    def set_operation(self, node: nodes.Combined) -> _Part:
        """Unions, intersections and differences of finite sets and of intervals."""
        left, right = (_as_set(self.part(side).bare) for side in (node.left, node.right))
        if isinstance(left, SetOf) and isinstance(right, SetOf):
            a, b = left.elements, right.elements
            if node.operator != "∪" and not (shapes.exact(left) and shapes.exact(right)):
                raise Unreadable
            return _Part((SetOf({"∪": a | b, "∩": a & b, "∖": a - b}[node.operator]),))
        if node.operator == "∪":
            return _Part((shapes.union(_intervals(left) + _intervals(right)),))
        if node.operator == "∖":
            if not isinstance(right, SetOf):
                raise Unreadable
            right = shapes.complement(right.elements)
        return _Part((_intersection(_intervals(left), _intervals(right)),))

    def builder(self, node: nodes.Builder) -> _Part:
        """{x | condition}: what the condition says about x."""
        variable = node.variable
        if (
            isinstance(variable, nodes.Comparing)
            and variable[1:] == (("∈",),)
            and variable.operands[1] == nodes.Constant("R")
        ):
            variable = variable.operands[0]
        part = self.listing(node.condition)
        if not isinstance(variable, nodes.Sym) or part.facets != {"label": variable.name}:
            raise Unreadable
        return _Part((part.shape,))

    def proportion(self, node: nodes.Proportion) -> _Part:
        """a : b : c."""
        first, *others = map(self.value, node.parts)
        if not first.terms:
            raise Unreadable
        return _Part((shapes.Ratio(tuple(value / first for value in others)),))

    def system(self, node: nodes.Grid) -> _Part | None:
        """Equations under one another, in a brace or aligned; None for a matrix."""
        if any(len(row) != 1 or not isinstance(row[0], nodes.Comparing) for row in node.rows):
            return None
        return self.listing(nodes.Listing(tuple(row[0] for row in node.rows), (",",) * (len(node.rows) - 1)))

    def grid(self, node: Node) -> Shape:
        """A matrix; a row or column is a vector."""
        rows = self.matrix(node)
        if len(rows) == 1 and self.policy.vectors == "same":
            return Ordered(rows[0], "")
        return Ordered(tuple(row[0] for row in rows), "") if {len(row) for row in rows} == {1} else shapes.Matrix(rows)

    # Relations

    def relation(self, node: nodes.Comparing) -> _Part:
        """By its operators."""
        for operators, read in _RELATIONS:
            if set(node.operators) <= operators and (len(node.operators) == 1 or read in _CHAINED):
                return read(self, node)
        raise Unreadable

    def equality(self, node: nodes.Comparing) -> _Part:  # noqa: PLR0911 - one return a kind of equality
        """A name's value, a chain of equal values, an equation."""
        operands = list(node.operands)
        if "≈" in node.operators:
            operands = _exact_side(operands, node.operators.index("≈") + 1)
        first, last = operands[0], operands[-1]
        names = names_of(first)
        if names is not None:
            return self.assignment(names, last)
        if len(operands) == 1:
            return self.part(first)
        label = label_of(first) or (first.name if isinstance(first, nodes.Sym) and first.name in "ie" else None)
        if len(operands) == 2 and label is not None and len(label) > 1 and len(label_of(last) or "") > 1:
            return self.shared([label], last)  # MC = MR
        if len(operands) > 2 and label is not None:
            labels = [label_of(operand) for operand in operands[:-1]]
            if None not in labels and len(set(labels)) == len(labels):
                return self.shared([str(name) for name in labels], last)
        if label is None and len(operands) == 2 and label_of(last) is not None and not nodes.mentions(first, last):
            first, last = last, first
            label = label_of(first)
        if label is not None:
            return self.labelled(label, first, last)
        values = [self.value(operand.body if isinstance(operand, nodes.Quantity) else operand) for operand in operands]
        symbolic = [bool(value.symbols) for value in values]
        if same(values[0], values[-1]) or not any(symbolic):
            return self.part(last)
        if len(values) != 2:
            if any(symbolic[1:]) or any(balls.sign_of(value - values[-1]) for value in values[1:-1]):
                raise Unreadable
            return self.decorated(last, label=values[0].text)  # a + b + c = 12 + 25 + 25 = 62
        asked = not symbolic[1] and bool(values[1].terms) and _is_of_names(first)
        return _Part((_equation(*values),), {}, (values[1],) if asked else ())

    def shared(self, names: list[str], value: Node) -> _Part:
        """x = y = 3: one value under several names, which may be read as the value; x = y = z, which has none."""
        label = label_of(value)
        if label is not None:
            return _Part((atom(Func("all equal", tuple(map(atom, sorted((*names, label)))))),))
        part = self.part(value)
        named = self.named(names, (part.shape,) * len(names), part.facets)
        return named._replace(readings=(*named.readings, part.shape))

    def assignment(self, names: list[str], value: Node) -> _Part:
        """(p, q) = (3, 2)."""
        part = self.part(value)
        shape = part.shape
        if isinstance(shape, Ordered) and len(shape.elements) == len(names) == len(set(names)):
            return self.named(names, shape.elements, part.facets)
        if isinstance(shape, shapes.Items) and all(isinstance(element, Ordered) for element, _ in shape.counts):
            return part
        raise Unreadable

    def labelled(self, label: str, name: Node, value: Node) -> _Part:
        """x = 5: a value by its name, which may be read as an equation."""
        part = self.part(value)
        readings, shape = part.readings, part.shapes[0]
        if len(part.shapes) == 1 and isinstance(shape, Value) and not part.facets:
            plainly = atom(label.partition("(")[0]) if is_function(name) or isinstance(name, nodes.Proportion) else None
            readings = (*readings, _equation(plainly or self.value(name), shape))
            if shape.symbols and names_a_function(name):
                label = "y"
        elif is_function(name):
            label = label.partition("(")[0]
        return part._replace(facets={**part.facets, "label": label}, readings=readings)

    def inclusion(self, node: nodes.Comparing) -> _Part:
        """Whether one finite set holds another: true or false."""
        small, large = (_as_set(self.part(operand).bare) for operand in node.operands)
        if node.operators == ("⊇",):
            small, large = large, small
        if not (isinstance(small, SetOf) and isinstance(large, SetOf) and shapes.exact(small) and shapes.exact(large)):
            raise Unreadable
        return _Part((shapes.Text("true" if small.elements <= large.elements else "false"),))

    def membership(self, node: nodes.Comparing) -> _Part:
        """x ∈ S, x ∉ S."""
        label = label_of(node.operands[0])
        part = self.part(node.operands[1])
        if label is None or (node.operators == ("∉",) and not isinstance(part.shapes[0], SetOf)):
            raise Unreadable
        if node.operators == ("∉",):
            part = part._replace(shapes=(shapes.complement(cast("SetOf", part.shapes[0]).elements),))
        return part._replace(facets={**part.facets, "label": label})

    def inequality(self, node: nodes.Comparing) -> _Part:
        """a < x <= b, solved for the symbol that it is linear in."""
        inner = next(
            (part.args[0] for part in node.operands if isinstance(part, nodes.Call) and part.name == "abs"), None
        )
        linear = None if inner is None else _linear(self.value(inner))
        if inner is not None and linear is not None:
            return self.of_magnitude(node, nodes.Call("abs", (inner,)), *linear)
        operands, operators = node.operands, node.operators
        if operators[0] in ">≥":
            turned = {">": "<", "≥": "≤"}
            operands, operators = operands[::-1], tuple(turned[operator] for operator in operators[::-1])
        if len(operands) == 2:
            return self.half_line(*operands, operators[0])
        if len(operands) != 3:
            raise Unreadable
        small, middle, large = operands
        label = label_of(middle)
        if label is not None and not (nodes.mentions(small, middle) or nodes.mentions(large, middle)):
            left = _ray(label, self.value(small), above=True, strict=operators[0] == "<")
            right = _ray(label, self.value(large), above=False, strict=operators[1] == "<")
        else:
            left, right = self.half_line(small, middle, operators[0]), self.half_line(middle, large, operators[1])
        spans = _intervals(left.shape), _intervals(right.shape)
        if left.facets != right.facets:
            raise Unreadable
        return left._replace(shapes=(shapes.intersection(*spans) or _unchecked(*spans),))

    def of_magnitude(self, node: nodes.Comparing, size: Node, name: str, factor: Rational, rest: Value) -> _Part:
        """1 < |ax + b| < 2 as what it says about x, a real number; `size` is |ax + b|."""
        operands = tuple(nodes.Sym("| |") if operand == size else operand for operand in node.operands)
        part = self.inequality(nodes.Comparing(operands, node.operators))
        if part.facets != {"label": "| |"}:
            raise Unreadable
        spans = _intervals(_intersection(_intervals(part.shape), [Ordered((constant(0), INFINITY), "[)")]))
        both = [*spans, *map(_mirrored, spans)]
        if factor < 0:
            factor, rest = -factor, -rest
        found = [Ordered(tuple(_moved(end, factor, rest) for end in ends), marks) for ends, marks in both]
        return _Part((shapes.union(found),), {"label": name}, inequality=True)

    def half_line(self, small: Node, large: Node, operator: str) -> _Part:
        """small < large, solved for the one symbol that it is linear in; else as it stands."""
        strict = operator == "<"
        for name, other, above in ((small, large, False), (large, small, True)):
            label = label_of(name)
            if label is not None and label_of(other) is None and not nodes.mentions(other, name):
                return _ray(label, self.value(other), above=above, strict=strict)
        difference = self.value(small) - self.value(large)
        if difference.over is not None or not difference.symbols:
            raise Unreadable
        linear = _linear(difference)
        if linear is not None:
            symbol, factor, rest = linear
            return _ray(symbol, -rest / factor, above=factor < 0, strict=strict)
        return _Part((shapes.Equation(operator, Value(primitive(difference.terms))),))


_PARTS: dict[type, Callable[[_Reader, Any], _Part | None]] = {
    nodes.Num: lambda self, node: _Part((constant(literal(node.text)),)),
    nodes.Sym: lambda self, node: _Part((self.symbol(node.name),)),
    nodes.Comparing: _Reader.relation,
    nodes.Quantity: _Reader.quantity,
    nodes.Compound: lambda self, node: self.compound(
        (self.value(part.body) for part in node.parts), (part.unit for part in node.parts)
    ),
    nodes.Modular: _Reader.modular,
    nodes.Span: _Reader.span,
    nodes.Bound: _Reader.bound,
    nodes.Listing: _Reader.listing,
    nodes.ChoiceLetter: _Reader.choice,
    nodes.Bracket: _Reader.bracket,
    nodes.Based: _Reader.based,
    nodes.Constant: lambda self, node: {"∅": _Part((shapes.EMPTY,)), "R": _Part((shapes.REALS,))}.get(node.name),
    nodes.Combined: _Reader.set_operation,
    nodes.Builder: _Reader.builder,
    nodes.Proportion: _Reader.proportion,
    nodes.Grid: _Reader.system,
    nodes.Sum: _Reader.sum,
    nodes.Product: _Reader.product,
    nodes.Postfix: _Reader.marked,
    nodes.Signed: _Reader.marked,
}
"""How each kind of node is read; None, or no entry: as an expression."""

_RELATIONS = (
    ({"=", "≈"}, _Reader.equality),
    ({"<", "≤"}, _Reader.inequality),
    ({">", "≥"}, _Reader.inequality),
    ({"⊆", "⊇"}, _Reader.inclusion),
    ({"∈", "∉"}, _Reader.membership),
    ({"≠"}, _Reader.excluded),
)
_CHAINED = (_Reader.equality, _Reader.inequality)
"""Relations of more than two sides that are read."""


# Shapes


def _intervals(shape: Shape) -> list[Ordered]:
    """A set of real numbers as intervals; raises `Unreadable` for what is none."""
    found = shapes.intervals(shape)
    if found is None:
        raise Unreadable
    return found


def _intersection(left: list[Ordered], right: list[Ordered]) -> Shape:
    result = shapes.intersection(left, right)
    if result is None:
        raise Unreadable
    return result


def _unchecked(left: list[Ordered], right: list[Ordered]) -> Shape:
    """a < x < b with symbols for ends, taken at its word."""
    (low,), (high,) = left, right
    if low.elements[1] != INFINITY or high.elements[0] != MINUS_INFINITY:
        raise Unreadable
    return Ordered((low.elements[0], high.elements[1]), low.ends[0] + high.ends[1])


def _mirrored(span: Ordered) -> Ordered:
    """An interval on the other side of zero."""
    ends = span.ends.translate(str.maketrans("([)]", ")](["))
    low, high = (_Part((element,)).value for element in span.elements)
    return Ordered((-high, -low), ends[::-1])


def _linear(value: Value) -> tuple[str, Rational, Value] | None:
    """x, a and b of ax + b with constants a and b; None for any other value."""
    if value.over is not None or len(value.symbols) != 1:
        return None
    (name,) = value.symbols
    head = frozenset(((name, 1),))
    factor, rest = value.terms.get(head), Value({m: c for m, c in value.terms.items() if m != head})
    return None if factor is None or rest.symbols else (name, factor, rest)


def _moved(end: Shape, factor: Rational, rest: Value) -> Shape:
    """What ax + b is at an end, for a > 0."""
    return end if end in (INFINITY, MINUS_INFINITY) else (_Part((end,)).value - rest) / factor


def _ray(label: str, bound: Value, *, above: bool, strict: bool) -> _Part:
    shape = (
        ordered((bound, INFINITY), "()" if strict else "[)")
        if above
        else ordered((MINUS_INFINITY, bound), "()" if strict else "(]")
    )
    return _Part((shape,), {"label": label}, inequality=True)


def _as_set(shape: Shape) -> Shape:
    """A value as the set of it."""
    return SetOf(frozenset((shape,))) if isinstance(shape, Value) else shape


def _equation(left: Value, right: Value) -> Shape:
    """left = right as a polynomial up to a factor."""
    difference = left - right
    if not difference.terms:
        raise Undefined
    terms = primitive(clear(difference))
    return shapes.Equation("=", Value({m: c * leading_sign(terms) for m, c in terms.items()}))


def _unnamed(everything: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """A list of values by name as the list of tuples in the order of the names."""
    if not any(isinstance(shape, shapes.Named) for shape in everything):
        return ()
    return (
        items(
            ordered(tuple(value for _, value in sorted(shape.values, key=lambda pair: pair[0])), "()")
            if isinstance(shape, shapes.Named)
            else shape
            for shape in everything
        ),
    )


def _letters_or_unit(
    said: str, value: Value, facets: Mapping[str, Hashable], how: str, unit: Unit
) -> tuple[Option, ...]:
    """2600g and 5 N: a quantity, or a product of letters; 100 C: of degrees, too."""
    letters = math.prod((atom(letter, power) for name, power in unit for letter in name), start=constant(1))
    if how == "glued":
        quantity = Option("letters:unit", said, value / letters, {**facets, "unit": unit})
        return Option("letters:product", said, value, facets), quantity
    bare = {kind: found for kind, found in facets.items() if kind != "unit"}
    scale = units.DEGREES.get(unit)
    degrees = [Option("letters:degrees", said, value, {**facets, "unit": scale})] if scale else []
    product = Option("letters:product", said, value * letters, bare)
    return Option("letters:unit", said, value, facets), product, *degrees


# Syntax


def _exact_side(operands: list[Node], cut: int) -> list[Node]:
    """What stands before the first ≈, unless it is only a name, or rounded and what stands after it is not."""
    before, after = operands[cut - 1], operands[cut]
    if (cut == 1 and label_of(before) is not None) or (_is_decimal(before) and not _is_decimal(after)):
        return [*operands[: cut - 1], *operands[cut:]] if _is_decimal(before) else operands
    return operands[:cut]


def _is_decimal(node: Node) -> bool:
    """Whether it is a number in digits, with its sign and unit."""
    while isinstance(node, (nodes.Quantity, nodes.Signed)):
        node = node.body
    return isinstance(node, nodes.Num)


def _joined(tokens: list[Token]) -> str:
    """The tokens of what cannot be read, so that spacing does not matter: letters apart, digits together."""
    return " ".join(" ".join(token.text) if token.kind in ("run", "word") else token.text for token in tokens)


def _regrouped(listing: nodes.Listing) -> nodes.Listing:
    """a, b; c, d as a list of two lists."""
    groups: list[list[Node]] = [[listing.items[0]]]
    for separator, item in zip(listing.separators, listing.items[1:], strict=True):
        if separator == ";":
            groups.append([])
        groups[-1].append(item)
    found = tuple(
        group[0] if len(group) == 1 else nodes.Listing(tuple(group), (",",) * (len(group) - 1)) for group in groups
    )
    return nodes.Listing(found, (";",) * (len(found) - 1))


def _common_base(labels: list[str]) -> str | None:
    """x for x_1, x_2: numbered names of one unknown."""
    bases, _, indices = zip(*(label.partition("_") for label in labels), strict=True)
    alike = len(set(bases)) == 1 and len(set(indices)) == len(labels) and all(index.isdecimal() for index in indices)
    return bases[0] if alike else None


def _is_of_names(node: Node) -> bool:
    """Whether it is a sum, difference, product or quotient of bare letters, as questions ask for: m + n."""
    names: list[Node] = []
    if isinstance(node, nodes.Sum):
        names = [part.body for part in node.parts if part.sign in "+-"]
    elif isinstance(node, nodes.Product):
        names = [nodes.inside(factor) for _, factor in node.factors]
    return len(set(names)) == len(names) > 1 and all(isinstance(name, nodes.Sym) for name in names)


def _in_base(digits: str, base: int) -> int:
    if not digits.isdecimal() or not 2 <= base <= 10 or len(digits) > MAX_BASED_DIGITS or int(max(digits)) >= base:
        raise Unreadable
    return int(digits, base)


def _bare_difference(node: nodes.Sum) -> list[str]:
    """The texts of a difference of bare numbers or of three and more capital letters: 3-1, A-B-C; else empty."""
    first, *others = (part.sign for part in node.parts)
    bodies = [part.body for part in node.parts]
    numbers = [body.text for body in bodies if isinstance(body, nodes.Num)]
    letters = [body.name for body in bodies if isinstance(body, nodes.Sym) and len(body.name) == 1 < len(others)]
    found = numbers or [letter for letter in letters if letter.isupper()]
    return found if len(found) == len(bodies) and first == "+" and set(others) == {"-"} else []


def _without_degrees(node: Node) -> Node | None:
    """-45 of -45°; None for what is not in degrees."""
    if isinstance(node, nodes.Signed) and node.sign in "+-":
        body = _without_degrees(node.body)
        return None if body is None else nodes.Signed(node.sign, body)
    return node.body if isinstance(node, nodes.Postfix) and node.mark == "°" else None


def _is_percent(node: Node) -> bool:
    return isinstance(node, nodes.Postfix) and node.mark == "%"
