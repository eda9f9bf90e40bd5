"""From an answer's text to its key: what it is, in canonical form, and what decorates it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import accumulate, chain, groupby, pairwise
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeGuard, TypeVar, cast

from empo_rewards.equivalence.math import algebra, balls, chemistry, dates, nodes, shapes, units
from empo_rewards.equivalence.math.algebra import ZERO, Rational, TooLarge, Undefined, Value, atom, constant, quotient
from empo_rewards.equivalence.math.keys import Facets, Key, Option
from empo_rewards.equivalence.math.labels import is_function, label_of, names_a_function, names_of
from empo_rewards.equivalence.math.lexer import Token, Unreadable, fold, lex, plain
from empo_rewards.equivalence.math.limits import MAX_BASED_DIGITS, MAX_CHARS, MAX_WORK
from empo_rewards.equivalence.math.nodes import Node
from empo_rewards.equivalence.math.numerals import decimal_comma, integer_parameter, is_amount, literal, spoken
from empo_rewards.equivalence.math.parser import parse
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.scalars import Scalars, has_grid
from empo_rewards.equivalence.math.shapes import INFINITY, Aligned, Ordered, SetOf, Shape, by_name, items, ordered
from empo_rewards.equivalence.math.units import Unit
from empo_rewards.equivalence.math.words import SILENT, name_in_words, words_of, words_of_text

T = TypeVar("T")

_PLAIN = re.compile(r"([+-]?)(?:(\d{1,18}(?:\.\d{1,18})?)\.?|\\[dt]?frac\{(\d{1,18})\}\{([1-9]\d{0,17})\})", re.ASCII)
"""A bare number or fraction, which most answers are."""
_PLAIN_LETTERS = frozenset("abcdfghjklmnopqrstuvwxyzABDEFGHJKLMNOPQRSTUVWXYZ")
"""Letters that stand for nothing else, alone: e and i are numbers, C and I are spelled small as well."""


def key_of(text: str, policy: MathPolicy) -> Key:
    """The key of an answer, within the bounds of `limits`. Never raises for what the text holds."""
    match = _PLAIN.fullmatch(text)
    if match is not None:
        sign, number, top, bottom = match.groups()
        value = literal(number) if number else quotient(int(top), int(bottom))
        return Key(constant(-value if sign == "-" else value), decimal="." in (number or ""))
    if text in _PLAIN_LETTERS:
        return Key(atom(text))
    if len(text) > MAX_CHARS or len(folded := fold(text)) > 2 * MAX_CHARS:  # a character may fold to many
        return Key(shapes.Opaque(text), work=len(text) >> 4)
    if "\\frac" not in folded and "\\sqrt" not in folded:
        said = plain(folded)
        found = dates.read(said, policy) or chemistry.read(said)
        if found is not None:
            return found._replace(work=len(text))
    try:
        tokens = lex(folded)
    except Unreadable:
        return Key(words_of_text(folded) or shapes.Opaque(" ".join(folded.split())), work=len(text) >> 2)
    with algebra.Budget().counted() as budget:
        key = _key_of_tokens(tokens, folded, policy)
    return key._replace(work=MAX_WORK - int(max(0, budget.left)))


def _key_of_tokens(tokens: list[Token], folded: str, policy: MathPolicy) -> Key:
    algebra.spend(5 * len(tokens))  # what they cost until they are syntax
    if {"word", "run", "∈"}.isdisjoint([token.kind for token in tokens]):
        return _Reader(policy, tokens).key(folded)
    called, spelled_out = name_in_words(spoken(tokens))
    parameter = integer_parameter(spelled_out)
    words = words_of(spelled_out) if parameter is None else None
    if words is not None:
        return Key(words)
    *plainly, key = (_Reader(policy, part).key(folded) for part in parameter or (spelled_out,))
    key = key._replace(readings=(*key.readings, *(other.shape for other in plainly)))
    facets = {**key.facets, **called}
    if policy.units == "ignore_when_bare" and is_amount(tokens):
        facets.setdefault("unit", ())
    return key._replace(facets=facets)


def _demand(condition: object) -> None:
    """Raises `Unreadable` where a condition does not hold."""
    if not condition:
        raise Unreadable


def _known(found: T | None) -> T:
    """What was found; raises `Unreadable` where nothing was."""
    if found is None:
        raise Unreadable
    return found


class _Part(NamedTuple):
    """One item of an answer: its shapes (two of a ±), what decorates it, how else it may be read."""

    shapes: tuple[Shape, ...]
    facets: Facets = MappingProxyType({})
    readings: tuple[Shape, ...] = ()
    inequality: bool = False

    @property
    def shape(self) -> Shape:
        """Its one shape; raises `Unreadable` where there are two."""
        _demand(len(self.shapes) == 1)
        return self.shapes[0]

    @property
    def value(self) -> Value:
        """Its one shape, if that is a value."""
        return _known(self.shape if isinstance(self.shape, Value) else None)

    @property
    def as_set(self) -> Shape:
        """Its one shape, if nothing decorates it; a value as the set of it."""
        _demand(not self.facets)
        return SetOf(frozenset((self.shape,))) if isinstance(self.shape, Value) else self.shape


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
        decimal = any("." in token.text for token in self.tokens if token.kind == "num")
        comma = decimal_comma(self.tokens) if "," in self.kinds else None
        try:
            listing, unsure, self.applied = parse(self.tokens)
            part = self.listing(listing)
            shape = part.shapes[0] if len(part.shapes) == 1 else items(part.shapes)
            options = self.options(shape, part.facets, unsure, comma)
        except (Unreadable, TooLarge, Undefined):
            return Key(shapes.Opaque(_joined(self.tokens)), decimal=decimal)
        readings, facets = part.readings, part.facets
        if self.policy.units == "ignore":
            facets = {kind: value for kind, value in facets.items() if kind != "unit"}
        letters = (letter for token in self.tokens if token.kind in ("sym", "run") for letter in token.text)
        if isinstance(shape, Value) and not self.respell and not {"C", "I"}.isdisjoint(letters):
            other = _Reader(self.policy, self.tokens, respell=True).key(folded).shape
            readings += (other,) if isinstance(other, Value) and other != shape else ()
        if self.policy.decimal_comma == "decimal" and comma is not None:
            shape = constant(comma)
        if self.policy.ordered_is_set and isinstance(shape, Ordered) and shape.ends in ("", "()"):
            shape = SetOf(frozenset(shape.elements))
        return Key(shape, facets, (*readings, *shapes.readings(shape)), decimal, options=options)

    def options(
        self, shape: Shape, facets: Facets, unsure: Mapping[str, Unit], comma: Rational | None
    ) -> tuple[Option, ...]:
        """What an ambiguous answer may be: 3,14 a decimal or a list; 2600g grams or a product; £5 or 5 lb pounds."""
        found: list[tuple[str, Shape, Facets]] = []
        words = any(token.text == "to" for token in self.tokens)
        if comma is not None and self.policy.decimal_comma == "settled":
            found = [("comma:list", shape, facets), ("comma:decimal", constant(comma), {})]
        elif unsure and isinstance(shape, Value):
            found = _letters_or_unit(shape, facets, *next(iter(unsure.items())))
        elif words and not facets and shapes.kind_of(shape) == "range":
            low, high = cast("tuple[Value, Value]", cast("Aligned", shape).parts)
            if balls.sign_of(low) == 1:
                found = [("to:range", shape, {}), ("to:ratio", Aligned("ratio", (high / low,)), {})]
        elif [token.kind for token in self.tokens] == ["num", "-", "num"] and isinstance(shape, shapes.Opaque):
            span = shapes.rising(*(_number(token.text) for token in self.tokens[::2]))
            found = [("dash:range", span, {})] if span else []
        elif facets.get("unit") == (("pound", 1),):
            found = [(f"pound:{unit}", shape, {**facets, "unit": ((unit, 1),)}) for unit in ("lb", "£")]
        return tuple(Option(name, _joined(self.tokens), other, decorated) for name, other, decorated in found)

    # Lists

    def listing(self, listing: nodes.Listing) -> _Part:
        """Items side by side."""
        first, *others = listing.items
        if not others:
            return self.part(first)
        if isinstance(first, nodes.Comparing) and first.operators == ("≠",):  # x ≠ 2, -3 or x ≠ 2, x ≠ -3
            name = first.operands[0]
            relations = (
                each if isinstance(each, nodes.Comparing) else nodes.Comparing((name, each), ("≠",)) for each in others
            )
            return self.conjunction([self.part(relation) for relation in (first, *relations)])
        # $3000 at 10%, $2000 at 8%: each by what is said of it
        parts = [
            self.decorated(each.body, label=each.words) for each in listing.items if isinstance(each, nodes.Qualified)
        ]
        if not parts:
            listing = _regrouped(listing) if {",", ";"}.issubset(listing.separators) else listing
            parts = [self.part(item) for item in listing.items]
        _demand(len(parts) == len(listing.items))
        return self.combined(parts, listing.separators)

    def combined(self, parts: list[_Part], separators: tuple[str, ...]) -> _Part:
        """Items side by side as one part: a list, values by name, or a union of inequalities."""
        labels = [part.facets.get("label") for part in parts]
        named = set(labels) - {None}
        logical = not {"∧", "∨"}.isdisjoint(separators)
        marks = {{"∧": "and", "∨": "or"}.get(mark, mark) for mark in separators}
        if logical:
            _demand(None not in labels)
        elif "or" in marks:  # x = 2 or y = 3, p or q: neither a list nor values by name
            bare = [shape for part in parts for shape in part.shapes if isinstance(shape, Value) and not part.facets]
            letters = [shape for shape in bare if shape in map(atom, shape.symbols)]
            _demand(len(set(labels)) == 1 and len(letters) < len(parts))
        given = {part.facets["unit"] for part in parts if "unit" in part.facets}
        if len(given) > 1:
            return self.quantities(parts, marks)
        _demand(all(part.facets.keys() <= {"unit", "label"} for part in parts))
        facets: dict[str, Hashable] = {"unit": given.pop()} if given else {}
        everything = tuple(shape for part in parts for shape in part.shapes)
        label = labels[0]
        if len(named) > 1:
            names = [str(_known(name)) for name in labels]
            bases, _, indices = zip(*(name.partition("_") for name in names), strict=True)
            if len(set(bases)) > 1 or len(set(indices)) < len(names) or not all(map(str.isdecimal, indices)):
                _demand(len(named) == len(names) == len(everything))
                return self.named(names, everything, facets)
            label = bases[0]  # of x_1, x_2: numbered names of one unknown
        _demand(label is not None or not named)
        facets |= {"label": label} if label is not None else {}
        if all(part.inequality for part in parts) and len(set(labels)) == 1:
            spans, both = [shapes.intervals(shape) for shape in everything], marks & {"and", "or"} == {"and"}
            result = shapes.combined("∩", *spans) if both else shapes.EMPTY
            if result == shapes.EMPTY:  # x < 1 and x > 2: the one and the other
                _demand(not (both and logical))
                result = shapes.combined("∪", *spans)
            return _Part((result,), facets, inequality=True)
        if any(isinstance(shape, shapes.Opaque) for shape in everything):
            return _Part((Ordered(everything, ""),), facets)  # 6-4, 6-3: scores keep their order
        joined = marks & {"and", "or"}
        if label is None and len(joined) == 1:
            facets["joined"] = joined.pop()
        return _Part((items(everything),), facets)

    def quantities(self, parts: list[_Part], marks: set[str]) -> _Part:
        """Quantities in different units: a compound one (3 hours and 20 minutes), else each by its label."""
        _demand("or" not in marks and all(part.facets.keys() == {"unit"} for part in parts))
        values, given = [part.value for part in parts], [cast("Unit", part.facets["unit"]) for part in parts]
        scales = [units.scale(unit) for unit in given]
        if len({dimension for _, dimension in scales}) == 1:
            _demand(all(small < large for (large, _), (small, _) in pairwise(scales)))
            return self.compound(zip(values, given, strict=True))
        names = [units.spelled(unit) for unit in given]
        _demand(len(set(names)) == len(names))
        return _Part((by_name(names, values),), {}, (items(values),))

    def compound(self, quantities: Iterable[tuple[Value, Unit]]) -> _Part:
        """Quantities of one dimension, added up in its base units."""
        scaled = [(value, *units.scale(unit)) for value, unit in quantities]
        dimension, *others = {dimension for _, _, dimension in scaled}
        _demand(not others)
        total = algebra.add(*(value * quotient(factor, 1) for value, factor, _ in scaled))
        return _Part((Aligned("quantity", (total,), dimension),))

    def named(self, names: Sequence[str], values: tuple[Shape, ...], facets: Facets) -> _Part:
        """Values by name; in the order written they may be read as a tuple."""
        pair = ordered(values, "()")
        readings = dict.fromkeys((pair, *shapes.readings(pair)))
        return _Part((by_name(names, values),), facets, tuple(readings))

    # One item

    def part(self, node: Node) -> _Part:
        """One item, by its kind; an expression that is none of them by its value."""
        return _PARTS.get(type(node), _Reader.scalar_part)(self, node) or self.scalar_part(node)

    def scalar_part(self, node: Node) -> _Part:
        """An expression; a matrix, of which a row or column is a vector."""
        if "begin" in self.kinds and has_grid(node):
            rows = self.matrix(node)
            if len(rows) == 1 and self.policy.vectors == "same":
                rows = tuple(zip(*rows, strict=True))
            if len(rows[0]) == 1:
                return _Part((Ordered(tuple(chain(*rows)), ""),))
            return _Part((Aligned("matrix", tuple(chain(*rows)), len(rows)),))
        values = tuple(dict.fromkeys(self.branches(node)))
        return _Part(tuple(map(self.decomposed, values)) if self.composed else values)

    def quantity(self, node: nodes.Quantity) -> _Part:
        """A value with its unit; $99 - $72 is a difference, or a range."""
        if isinstance(node.body, nodes.Product):  # 3 × 4 matrix
            _demand(not all(isinstance(factor, nodes.Num) for _, factor in node.body.factors))
        numbers, mark = _bare_difference(node.body)
        if numbers and not mark:
            _demand(len(numbers) == 2)
            return _Part((_known(shapes.rising(*map(_number, numbers))),), {"unit": node.unit})
        return self.decorated(node.body, unit=node.unit)

    def marked(self, node: nodes.Postfix | nodes.Signed) -> _Part | None:
        """-45°, a quantity in degrees; 50%, which a policy may read as 50; None for other signs and marks."""
        match node:
            case nodes.Postfix("%", body) if self.policy.percent == "either":
                return self.scalar_part(node)._replace(readings=(self.value(body),))
            case nodes.Postfix("°", body):
                return self.decorated(body, unit=(("°", 1),))
            case nodes.Signed("+" | "-" as sign, nodes.Postfix("°") | nodes.Quantity() as inner):
                part = self.part(inner)
                return part._replace(shapes=(self.value(nodes.Signed(sign, inner.body)),))
        return None

    def decorated(self, node: Node, **facets: Hashable) -> _Part:
        """A part with more said of it."""
        inner = self.part(node)
        return inner._replace(facets={**inner.facets, **facets})

    def choice(self, node: nodes.ChoiceLetter) -> _Part:
        """(B) 5, which may be read as B."""
        inner = self.decorated(node.body, choice=node.letter)
        return inner._replace(readings=(*inner.readings, atom(algebra.E if node.letter == "e" else node.letter)))

    def based(self, node: nodes.Based) -> _Part:
        """204_5."""
        if self.policy.bases == "value":
            digits, base = node.digits, node.base
            _demand(digits.isdecimal() and 2 <= base <= 10 and len(digits) <= MAX_BASED_DIGITS)
            _demand(int(max(digits)) < base)
            return _Part((constant(int(digits, base)),))
        return _Part((_number(node.digits),), {"base": node.base})

    def sum(self, node: nodes.Sum) -> _Part | None:
        """3-1, A-B-C as they are; 1999-2003 and 10-20% as ranges; None for what is a sum or difference for certain."""
        numbers, mark = _bare_difference(node)
        years = len(numbers) == 2 and all(len(text) == 4 and text.isdecimal() for text in numbers)
        found: Shape | None = None
        if mark or years:
            found = shapes.rising(
                *(self.value(nodes.Postfix("%", nodes.Num(t)) if mark else nodes.Num(t)) for t in numbers)
            )
        return _Part((found or shapes.Opaque("-".join(numbers) + mark),)) if numbers else None

    def product(self, node: nodes.Product) -> _Part | None:
        """What may be no product: a sequence, date, version, size (3 1 4 2, 3/4/24, 1.2.3, 2 x 3), a point D(3, 4)."""
        texts = [factor.text for _, factor in node.factors if isinstance(factor, nodes.Num)]
        marks = {mark for mark, _ in node.factors[1:]}
        if len(texts) == len(node.factors) > 1:
            if marks == {" "}:
                return _Part((Ordered(tuple(map(_number, texts)), ""),))
            undone = marks == {""} or (marks == {"/"} and len(texts) > 2)
            return _Part((shapes.Opaque(marks.pop().join(texts)),)) if undone else None
        match node.factors:
            case ((_, nodes.Num(low)), (_, nodes.Sym(name)), (_, nodes.Num(high))) if marks <= {"", " "}:
                return _Part((shapes.Opaque(f"{low} {name} {high}"),))
            case ((_, nodes.Sym(name)), ("", nodes.Bracket("(", nodes.Listing(point), ")"))):
                if name[:1].isupper() and len(point) > 1:
                    reading = ordered(tuple(map(self.value, point)), "()")
                    return self.scalar_part(node)._replace(readings=(reading,))
        return None

    def modular(self, node: nodes.Modular) -> _Part:
        """x ≡ 3 (mod 7): a class of residues, of x."""
        label = None if node.left is None else label_of(node.left)
        _demand(node.relations <= 1 and (label is not None or (not node.relations and node.left is None)))
        shape = self.congruence(self.value(node.residue), self.value(node.modulus))
        return _Part((shape,), {} if label is None else {"label": label})

    def congruence(self, residue: Value, modulus: Value) -> Aligned:
        """The class of a residue: its least member that is not negative, and a positive modulus."""
        turns, size = (residue / modulus).rational, _known(balls.sign_of(modulus))
        if turns is not None:
            residue = modulus * (turns - math.floor(turns))
        return Aligned("residues", (residue, modulus if size > 0 else -modulus))

    def span(self, node: nodes.Span) -> _Part:
        """3 to 5 days: a range. Bare numbers may be a ratio too; 3 to 1 is one."""
        if _is_percent(node.high) and isinstance(node.low, nodes.Num):
            node = nodes.Span(nodes.Postfix("%", node.low), node.high)  # 10 to 20 percent
        low, high = self.part(node.low), self.part(node.high)
        facets = {**high.facets, **low.facets}
        _demand(not low.facets or low.facets == high.facets)
        found = shapes.rising(low.value, high.value)
        if found is None:
            _demand(not facets and balls.sign_of(high.value) == 1)
            found = Aligned("ratio", (high.value / low.value,))
        return _Part((found,), facets)

    def bound(self, node: nodes.Bound) -> _Part:
        """> 5 years: a half-line."""
        inner = self.part(node.body)
        _demand("label" not in inner.facets)
        ray = _ray("", inner.value, above=node.operator in ">≥", strict=node.operator in "<>")
        return ray._replace(facets=inner.facets)

    def decomposed(self, value: Value) -> Shape:
        """i + 2j of unit vectors as (1, 2); a + bk with k an integer as the residues a modulo b."""
        parts: dict[str, dict[algebra.Monomial, Rational]] = {
            "unit i": {},
            "unit j": {},
            "unit k": {},
            "∈Z": {},
            "": {},
        }
        for monomial, coefficient in value.terms.items():
            (name, exponent), *others = [(name, exponent) for name, exponent in monomial if name in parts] or [("", 1)]
            _demand(exponent == 1 and not others)
            parts[str(name)][monomial - {(name, 1)}] = coefficient
        i, j, k, modulus, rest = map(Value, parts.values())
        vector = bool(i.terms or j.terms or k.terms)
        _demand(value.over is None and vector != bool(modulus.terms) and not (vector and rest.terms))
        return ordered((i, j, k) if k.terms else (i, j), "()") if vector else self.congruence(rest, modulus)

    # Brackets, sets, matrices

    def bracket(self, node: nodes.Bracket) -> _Part:
        """A tuple, an interval, a set; what brackets hold alone."""
        inner = [self.part(item) for item in node.items.items]
        braces, single = node.opening in ("{", r"\{"), len(inner) == 1
        if single and node.opening != r"\{" and (len(inner[0].shapes) == 1 or node.opening == "("):
            return inner[0]
        listed = inner[0] if single else self.combined(inner, node.items.separators)
        if braces:
            _demand(not any(isinstance(part.shapes[0], shapes.Equation) or part.inequality for part in inner))
            if shapes.kind_of(listed.shapes[0]) == "named":
                return listed
            return _Part((SetOf(frozenset(shape for part in inner for shape in part.shapes)),), listed.facets)
        ends = node.opening + node.closing
        _demand(ends != "[]" or {*node.items.separators} != {",", ";"})  # [1; 2, 3], a continued fraction
        _demand("label" not in listed.facets and (ends in ("()", "[]") or len(inner) == 2))
        return _Part((ordered(tuple(part.shape for part in inner), ends),), listed.facets)

    def set_operation(self, node: nodes.Combined) -> _Part:
        """Unions, intersections and differences of finite sets and of intervals."""
        left, right = (self.part(side).as_set for side in (node.left, node.right))
        if isinstance(left, SetOf) and isinstance(right, SetOf):
            _demand(node.operator == "∪" or (shapes.exact(left) and shapes.exact(right)))
            return _Part((SetOf(shapes.OPERATIONS[node.operator](left.elements, right.elements)),))
        return _Part((shapes.combined(node.operator, shapes.intervals(left), shapes.intervals(right)),))

    def builder(self, node: nodes.Builder) -> _Part:
        """{x | condition}: what the condition says about x."""
        part = self.listing(node.condition)
        match node.variable:
            case nodes.Sym(name) | nodes.Comparing((nodes.Sym(name), nodes.Constant("R")), ("∈",)):
                _demand(part.facets == {"label": name})
                return _Part((part.shape,))
        raise Unreadable

    def proportion(self, node: nodes.Proportion) -> _Part:
        """a : b : c."""
        first, *others = map(self.value, node.parts)
        _demand(first.terms)
        return _Part((Aligned("ratio", tuple(value / first for value in others)),))

    def system(self, node: nodes.Grid) -> _Part | None:
        """Equations under one another, in a brace or aligned; None for a matrix."""
        if any(len(row) != 1 or not isinstance(row[0], nodes.Comparing) for row in node.rows):
            return None
        return self.listing(nodes.Listing(tuple(row[0] for row in node.rows), (",",) * (len(node.rows) - 1)))

    # Relations

    def relation(self, node: nodes.Comparing) -> _Part:
        """By its operators, of which those of equality and order may be several."""
        operators = set(node.operators)
        if operators <= {"=", "≈"}:
            return self.equality(node)
        if operators <= {"<", "≤"} or operators <= {">", "≥"}:
            return self.inequality(node)
        _demand(len(node.operators) == 1)
        return self.inclusion(node) if operators <= {"⊆", "⊇"} else self.membership(node)

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
        labels = [label_of(operand) or "" for operand in operands[:-1]]
        several = len(labels) > 1 or (len(labels[0]) > 1 and len(label_of(last) or "") > 1)
        if several and all(labels) and len(set(labels)) == len(labels):  # x = y = 3, MC = MR
            return self.shared(labels, last)
        if label is None and len(operands) == 2 and label_of(last) is not None and not nodes.mentions(first, last):
            first, last = last, first
            label = label_of(first)
        if label is not None:
            return self.labelled(label, first, last)
        values = [self.value(operand.body if isinstance(operand, nodes.Quantity) else operand) for operand in operands]
        symbolic = [bool(value.symbols) for value in values]
        if algebra.same(values[0], values[-1]) or not any(symbolic):
            return self.part(last)
        if len(values) != 2:
            _demand(not any(symbolic[1:]) and not any(balls.sign_of(value - values[-1]) for value in values[1:-1]))
            return self.decorated(last, label=values[0].text)  # a + b + c = 12 + 25 + 25 = 62
        asked = not symbolic[1] and bool(values[1].terms) and _is_of_names(first)
        return _Part((_equation(*values),), {}, (values[1],) if asked else ())

    def shared(self, names: list[str], value: Node) -> _Part:
        """x = y = 3: one value under several names, which may be read as the value; x = y = z, which has none."""
        label = label_of(value)
        if label is not None:
            return _Part((atom(algebra.Func("all equal", tuple(map(atom, sorted((*names, label)))))),))
        part = self.part(value)
        named = self.named(names, (part.shape,) * len(names), part.facets)
        return named._replace(readings=(*named.readings, part.shape))

    def assignment(self, names: list[str], value: Node) -> _Part:
        """(p, q) = (3, 2)."""
        part = self.part(value)
        shape = part.shape
        if isinstance(shape, Ordered) and len(shape.elements) == len(names) == len(set(names)):
            return self.named(names, shape.elements, part.facets)
        _demand(isinstance(shape, shapes.Items) and all(isinstance(element, Ordered) for element, _ in shape.counts))
        return part

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
        small, large = (self.part(operand).as_set for operand in node.operands)
        if node.operators == ("⊇",):
            small, large = large, small
        if isinstance(small, SetOf) and isinstance(large, SetOf) and shapes.exact(small) and shapes.exact(large):
            return _Part((shapes.Text("true" if small.elements <= large.elements else "false"),))
        raise Unreadable

    def membership(self, node: nodes.Comparing) -> _Part:
        """x ∈ S, x ∉ S, x ≠ 2."""
        label, (_, given), (operator,) = _known(label_of(node.operands[0])), node.operands, node.operators
        if operator == "≠":
            return _Part((shapes.complement(self.branches(given)),), {"label": label}, inequality=True)
        part = self.decorated(given, label=label)
        if operator == "∈":
            return part
        points = part.shapes[0].elements if isinstance(part.shapes[0], SetOf) else None
        return part._replace(shapes=(shapes.complement(_known(points)),))

    def inequality(self, node: nodes.Comparing) -> _Part:
        """a < x <= b: what its relations say together."""
        about = node.operands[1] if len(node.operators) > 1 else None
        relations = zip(node.operands, node.operators, node.operands[1:], strict=False)
        return self.conjunction([self.half_line(*relation, about) for relation in relations])

    def conjunction(self, parts: Sequence[_Part]) -> _Part:
        """What relations about one name say together."""
        first, *others = parts
        _demand(all(other.facets == first.facets for other in others))
        spans = (shapes.intervals(part.shape) for part in parts)
        return first._replace(shapes=(shapes.combined("∩", *spans),)) if others else first

    def half_line(self, left: Node, operator: str, right: Node, about: Node | None) -> _Part:
        """left < right as what it says about the one symbol of it, or about the name `about`; else as it stands."""
        small, large = (left, right) if operator in "<≤" else (right, left)
        strict = operator in "<>"
        for name, other, above in ((small, large, False), (large, small, True)):
            label, magnitude = label_of(name), isinstance(other, nodes.Call) and other.name == "abs"
            is_name = label_of(other) is None and not magnitude  # |x| < a is about x as well as a
            if label is not None and (name == about or is_name) and not nodes.mentions(other, name):
                return _ray(label, self.value(other), above=above, strict=strict)
        difference = self.value(small) - self.value(large)
        _demand(difference.over is None and difference.symbols)
        solved = _solved(difference, [Ordered((shapes.MINUS_INFINITY, ZERO), "()" if strict else "(]")])
        if solved is None:
            return _Part((shapes.Equation("<" if strict else "≤", Value(algebra.primitive(difference.terms))),))
        label, shape = solved
        return _Part((shape,), {"label": label}, inequality=True)


_PARTS: dict[type, Callable[[_Reader, Any], _Part | None]] = {
    nodes.Num: lambda self, node: _Part((_number(node.text),)),
    nodes.Sym: lambda self, node: _Part((self.symbol(node.name),)),
    nodes.Comparing: _Reader.relation,
    nodes.Quantity: _Reader.quantity,
    nodes.Compound: lambda self, node: self.compound((self.value(body), unit) for body, unit in node.parts),
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


# Shapes


def _number(text: str) -> Value:
    """A number in digits."""
    return constant(literal(text))


def _solved(value: Value, within: Iterable[Ordered]) -> tuple[str, Shape] | None:
    """x, and where it lies if a value in it does; None for a value that is not ax + b or a|...| + b."""
    heads = [monomial for monomial in value.terms if Value({monomial: 1}).symbols]
    if value.over is not None or len(heads) != 1 or [exponent for _, exponent in heads[0]] != [1]:
        return None
    ((name, _),) = heads[0]
    rest = Value({monomial: coefficient for monomial, coefficient in value.terms.items() if monomial != heads[0]})
    spans = [_moved(span, value.terms[heads[0]], rest) for span in within]
    if isinstance(name, str):
        return name, shapes.combined("∪", spans)
    if not isinstance(name, algebra.Func) or name.name != "abs":
        return None
    sizes = shapes.intervals(shapes.combined("∩", spans, [Ordered((ZERO, INFINITY), "[)")]))
    return _solved(name.args[0], [*sizes, *(_moved(size, -1, ZERO) for size in sizes)])


def _moved(span: Ordered, factor: Rational, rest: Value) -> Ordered:
    """Where x lies if ax + b lies in an interval."""
    low, high = (
        (end if factor > 0 else -end) if end in (INFINITY, shapes.MINUS_INFINITY) else (end - rest) / factor
        for end in cast("tuple[Value, ...]", span.elements)
    )
    if factor > 0:
        return Ordered((low, high), span.ends)
    return Ordered((high, low), span.ends[::-1].translate(str.maketrans("([)]", ")]([")))


def _ray(label: str, bound: Value, *, above: bool, strict: bool) -> _Part:
    ends = (bound, INFINITY) if above else (shapes.MINUS_INFINITY, bound)
    return _Part((ordered(ends, "()" if strict else "[]"),), {"label": label}, inequality=True)


def _equation(left: Value, right: Value) -> Shape:
    """left = right as a polynomial up to a factor."""
    difference = left - right
    _demand(difference.terms)
    terms = algebra.primitive(algebra.clear(difference))
    return shapes.Equation("=", Value({m: c * algebra.leading_sign(terms) for m, c in terms.items()}))


def _letters_or_unit(value: Value, facets: Facets, how: str, unit: Unit) -> list[tuple[str, Shape, Facets]]:
    """2600g and 5 N: a quantity, or a product of letters; 100 C: of degrees, too."""
    letters = math.prod((atom(letter, power) for name, power in unit for letter in name), start=constant(1))
    if how == "glued":
        return [("letters:product", value, facets), ("letters:unit", value / letters, {**facets, "unit": unit})]
    bare = {kind: found for kind, found in facets.items() if kind != "unit"}
    scale = units.DEGREES.get(unit)
    degrees = [("letters:degrees", value, {**facets, "unit": scale})] if scale else []
    return [("letters:unit", value, facets), ("letters:product", value * letters, bare), *degrees]


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
    places = accumulate((separator == ";" for separator in listing.separators), initial=0)
    groups = [
        [item for _, item in group] for _, group in groupby(zip(places, listing.items, strict=True), itemgetter(0))
    ]
    found = tuple(nodes.Listing(tuple(group), (",",) * (len(group) - 1)) for group in groups)
    return nodes.Listing(found, (";",) * (len(found) - 1))


def _is_of_names(node: Node) -> bool:
    """Whether it is a sum, difference, product or quotient of bare letters, as questions ask for: m + n."""
    names: list[Node] = []
    if isinstance(node, nodes.Sum):
        names = [part.body for part in node.parts if part.sign in "+-"]
    elif isinstance(node, nodes.Product):
        names = [nodes.inside(factor) for _, factor in node.factors]
    return len(set(names)) == len(names) > 1 and all(isinstance(name, nodes.Sym) for name in names)


def _bare_difference(node: Node) -> tuple[list[str], str]:
    """The texts of a difference of bare numbers or of three and more capital letters, and its sign of percent.

    3-1, A-B-C, 10-20%: the sign after the second number is the first one's too. Both empty for any other node.
    """
    if not isinstance(node, nodes.Sum):
        return [], ""
    first, *others = (part.sign for part in node.parts)
    bodies = [part.body for part in node.parts]
    percent = len(bodies) == 2 and _is_percent(bodies[1])
    if percent:
        bodies = [body.body if _is_percent(body) else body for body in bodies]
    numbers = [body.text for body in bodies if isinstance(body, nodes.Num)]
    letters = [body.name for body in bodies if isinstance(body, nodes.Sym) and len(body.name) == 1 < len(others)]
    found = numbers or [letter for letter in letters if letter.isupper()]
    bare = len(found) == len(bodies) and first == "+" and set(others) == {"-"}
    return (found, "%" * percent) if bare else ([], "")


def _is_percent(node: Node) -> TypeGuard[nodes.Postfix]:
    return isinstance(node, nodes.Postfix) and node.mark == "%"
