"""From an answer's text to its key: what it is, in canonical form, and what decorates it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, cast

from empo_rewards.equivalence.math import algebra, balls, chemistry, dates, nodes, shapes, units
from empo_rewards.equivalence.math.algebra import ZERO, Rational, TooLarge, Undefined, Value, atom, constant, quotient
from empo_rewards.equivalence.math.keys import Facets, Key, Option
from empo_rewards.equivalence.math.labels import label_of, names_a_function, names_of
from empo_rewards.equivalence.math.lexer import Token, Unreadable, demand, fold, lex, plain
from empo_rewards.equivalence.math.limits import MAX_BASED_DIGITS, MAX_CHARS, MAX_WORK
from empo_rewards.equivalence.math.nodes import Node
from empo_rewards.equivalence.math.numerals import decimal_comma, integer_parameter, is_amount, literal, spoken
from empo_rewards.equivalence.math.parser import parse
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.scalars import Scalars, has_grid
from empo_rewards.equivalence.math.shapes import INFINITY, Aligned, Ordered, SetOf, Shape, by_name, items, ordered
from empo_rewards.equivalence.math.units import Unit
from empo_rewards.equivalence.math.words import SILENT, name_in_words, words_of, words_of_text

_PLAIN = re.compile(
    r"([+-]?)(?:(\d{1,18}(?:\.\d{1,18})?)\.?|\\[dt]?frac\{(\d{1,18})\}\{([1-9]\d{0,17})\}|([abcdfghj-zABDEFGHJ-Z]))",
    re.ASCII,
)
"""A bare number, fraction or letter, which most answers are: e and i are numbers, C and I are spelled small as well."""


def key_of(text: str, policy: MathPolicy) -> Key:
    """The key of an answer, within the bounds of `limits`. Never raises for what the text holds."""
    match = _PLAIN.fullmatch(text)
    if match is not None:
        sign, number, top, bottom, letter = match.groups()
        value = atom(letter) if letter else _number(number) if number else constant(quotient(int(top), int(bottom)))
        return Key(-value if sign == "-" else value, decimal="." in (number or ""))
    if len(text) > MAX_CHARS or len(folded := fold(text)) > 2 * MAX_CHARS:  # a character may fold to many
        return Key(shapes.Opaque(text), work=len(text) >> 4)
    if "\\frac" not in folded and "\\sqrt" not in folded:
        said = plain(folded)
        if (found := dates.read(said, policy) or chemistry.read(said)) is not None:
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
    if any(isinstance(other.shape, shapes.Spans) for other in plainly):  # 1 ≤ n ≤ 5, n ∈ ℤ is no interval
        plainly, key = [], _Reader(policy, spelled_out).key(folded)
    amount = policy.units == "ignore_when_bare" and is_amount(tokens)
    facets = {**({"unit": ()} if amount else {}), **key.facets, **called}
    return key._replace(readings=(*key.readings, *(other.shape for other in plainly)), facets=facets)


def _value(part: Key) -> Value:
    """The shape of an item, if that is a value."""
    return demand(part.shape if isinstance(part.shape, Value) else None)


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
            options = self.options(part.shape, part.facets, unsure, comma)
            symbols = part.shape.symbols if isinstance(part.shape, Value) else frozenset()
        except (Unreadable, TooLarge, Undefined):
            return Key(shapes.Opaque(_joined(self.tokens)), decimal=decimal)
        shape, facets, readings = part[:3]
        if self.policy.units == "ignore":
            facets = {kind: value for kind, value in facets.items() if kind != "unit"}
        said = [token.text for token in self.tokens if token.kind not in SILENT]
        if isinstance(shape, Value) and len(said) == 1 and len(said[0]) == 2 and said[0].isupper():
            facets = {**facets, "spelled": said[0]}  # IV, VI: numerals, genes, an order
        if not self.respell and any(name[0] in "CI" for name in symbols):
            other = _Reader(self.policy, self.tokens, respell=True).key(folded).shape
            readings += (other,) if isinstance(other, Value) and other != shape else ()
        if self.policy.decimal_comma == "decimal" and comma is not None:
            shape = constant(comma)
        forms = [shape, *readings]
        if not {"±", "∓"}.isdisjoint(self.kinds):
            forms = [SetOf(frozenset(dict(x[0]))) if isinstance(x, shapes.Items) else x for x in forms]
        forms += shapes.readings(forms[0])
        if self.policy.ordered_is_set:
            forms = [SetOf(frozenset(x[0])) if isinstance(x, Ordered) and x.ends in ("", "()") else x for x in forms]
        return Key(forms[0], facets, tuple(forms[1:]), decimal, options=options)

    def options(
        self, shape: Shape, facets: Facets, unsure: Mapping[str, Unit], comma: Rational | None
    ) -> tuple[Option, ...]:
        """What an ambiguous answer may be: 3,14 a decimal or a list; 2600g grams or a product; £5 or 5 lb pounds."""
        found: list[tuple[str, Shape, Facets]] = []
        texts = [token.text for token in self.tokens]
        match shape:
            case _ if comma is not None and self.policy.decimal_comma == "settled":
                found = [("comma:list", shape, facets), ("comma:decimal", constant(comma), {})]
            case Value() if unsure:
                found = _letters_or_unit(shape, facets, *next(iter(unsure.items())))
            case Aligned("range", (Value() as low, Value() as high)) if "to" in texts and not facets:
                if balls.sign_of(low) == 1:
                    found = [("to:range", shape, {}), ("to:ratio", Aligned("ratio", (high / low,)), {})]
            case shapes.Opaque() if [token.kind for token in self.tokens] == ["num", "-", "num"]:
                span = shapes.rising(*map(_number, texts[::2]))
                found = [("dash:range", span, {})] if span else []
            case _ if facets.get("unit") == (("pound", 1),):
                found = [(f"pound:{unit}", shape, {**facets, "unit": ((unit, 1),)}) for unit in ("lb", "£")]
        return tuple(Option(name, _joined(self.tokens), other, decorated) for name, other, decorated in found)

    # Lists

    def listing(self, listing: nodes.Listing) -> Key:
        """Items side by side."""
        first, *others = given = listing.items
        if not others:
            return self.part(first)
        if isinstance(first, nodes.Comparing) and first.operators == ("≠",):  # x ≠ 2, -3 or x ≠ 2, x ≠ -3
            name = first.operands[0]
            relations = (
                each if isinstance(each, nodes.Comparing) else nodes.Comparing((name, each), ("≠",)) for each in given
            )
            return self.combined(self.parts(relations), ("and",))
        if {",", ";"}.issubset(listing.separators):  # a, b; c, d: a list of two lists
            cuts = [k for k, separator in enumerate((*listing.separators, ";"), 1) if separator == ";"]
            groups = (nodes.Listing(given[i:j], (",",) * (j - i - 1)) for i, j in pairwise((0, *cuts)))
            return self.combined([*map(self.listing, groups)], (";",))
        # $3000 at 10%, $2000 at 8%: each by what is said of it
        parts = [self.decorated(each.body, label=each.words) for each in given if isinstance(each, nodes.Qualified)]
        demand(len(parts) in (0, len(given)))
        return self.combined(parts or self.parts(given), listing.separators)

    def parts(self, given: Iterable[Node]) -> list[Key]:
        """Items one by one; of one with ± both values."""
        found: list[Key] = []
        for part in map(self.part, given):
            both = part.shape.counts if isinstance(part.shape, shapes.Items) else ()
            found += [part._replace(shape=shape) for shape, _ in both] or [part]
        return found

    def combined(self, parts: list[Key], separators: tuple[str, ...]) -> Key:
        """Items side by side as one: a list, values by name, or what relations about one name say together."""
        labels, whole = [p.facets.get("called", p.facets.get("label")) for p in parts], tuple(p.shape for p in parts)
        marks = {{"∧": "and", "∨": "or"}.get(mark, mark) for mark in separators}
        logical, named = not {"∧", "∨"}.isdisjoint(separators), set(labels) - {None}
        if logical:
            demand(None not in labels)
        elif "or" in marks:  # x = 2 or y = 3, p or q: neither a list nor values by name; x = 2 or 3 is a list
            letters = {atom(name) for shape in whole if isinstance(shape, Value) for name in shape.symbols}
            bare = letters.issuperset(whole) and not any(part.facets for part in parts)
            demand(len(named) < 2 and not bare)
        given = {part.facets["unit"] for part in parts if "unit" in part.facets}
        if len(given) > 1:
            return self.quantities(parts, marks)
        demand(all(part.facets.keys() <= {"unit", "label", "called"} for part in parts))
        facets: dict[str, Hashable] = {"unit": given.pop()} if given else {}
        label = labels[0]
        if len(named) > 1:
            names = [str(demand(name)) for name in labels]
            bases, _, indices = zip(*(name.partition("_") for name in set(names)), strict=True)
            if len(set(bases)) > 1 or not all(map(str.isdecimal, indices)):
                demand(len(named) == len(names))
                return self.named(names, whole, facets)
            label = bases[0]  # of x_1, x_2: numbered names of one unknown
        demand(label is not None or not named)
        facets |= {"label": label} if label is not None else {}
        joined = marks & {"and", "or"}
        if all(part.inequality for part in parts) and len(set(labels)) == 1:
            spans = [shapes.intervals(shape) for shape in whole]
            result = shapes.EMPTY if joined == {"or"} else shapes.combined("∩", *spans)
            if result == shapes.EMPTY and not (logical and joined == {"and"}):  # x < 1, x > 2: the one or the other
                demand(joined != {"and"})
                result = shapes.combined("∪", *spans)
            return Key(result, facets, inequality=True)
        if any(isinstance(shape, shapes.Opaque) for shape in whole):
            return Key(Ordered(whole, ""), facets)  # 6-4, 6-3: scores keep their order
        if label is None and len(joined) == 1:
            facets["joined"] = joined.pop()
        return Key(SetOf(frozenset(whole)) if len(named) == 1 else items(whole), facets)  # x = 2 or x = 3: a set

    def quantities(self, parts: Sequence[Key], marks: Iterable[str] = ()) -> Key:
        """Quantities in different units: a compound one (3 hours and 20 minutes), else each by its label."""
        demand("or" not in marks and all(part.facets.keys() == {"unit"} for part in parts))
        values, given = [*map(_value, parts)], [cast("Unit", part.facets["unit"]) for part in parts]
        factors, dimensions = zip(*map(units.scale, given), strict=True)
        if len(set(dimensions)) == 1:
            demand(all(small < large for large, small in pairwise(factors)))
            total = algebra.add(*(value * quotient(factor, 1) for value, factor in zip(values, factors, strict=True)))
            return Key(Aligned("quantity", (total,), dimensions[0]))
        names = [units.spelled(unit) for unit in given]
        demand(len(set(names)) == len(names))
        return Key(by_name(names, values), {}, (items(values),))

    def named(self, names: Sequence[str], values: tuple[Shape, ...], facets: Facets) -> Key:
        """Values by name; in the order of their names they may be read as a tuple."""
        points = (Ordered(values, ""), ordered(values, "()")) if [*names] == sorted(names) else ()
        return Key(by_name(names, values), facets, (*points, items(values)))

    # One item

    def part(self, node: Node) -> Key:
        """One item, by its kind; an expression that is none of them by its value."""
        return _PARTS.get(type(node), _Reader.scalar_part)(self, node) or self.scalar_part(node)

    def scalar_part(self, node: Node) -> Key:
        """An expression; a matrix, of which a row or column is a vector."""
        if "begin" in self.kinds and has_grid(node):
            rows = self.matrix(node)
            if len(rows) == 1 and self.policy.vectors == "same":
                rows = tuple(zip(*rows, strict=True))
            entries = tuple(chain(*rows))
            return Key(Ordered(entries, "") if len(rows[0]) == 1 else Aligned("matrix", entries, len(rows)))
        match node:
            case nodes.Call("max" | "min" | "gcd" | "lcm" as name, (value,)):  # max 5, min 3: values by their names
                return self.decorated(value, label=name)
        values = {self.decomposed(value) if self.composed else value for value in self.branches(node)}
        return Key(items(values) if len(values) > 1 else values.pop())

    def quantity(self, node: nodes.Quantity) -> Key:
        """A value with its unit; $99 - $72 is a difference, or a range."""
        factors = node.body.factors if isinstance(node.body, nodes.Product) else ()
        demand({type(factor) for _, factor in factors} != {nodes.Num} or factors[1][0] == "/")  # 3 × 4 matrix
        numbers, mark = _bare_difference(node.body)
        if numbers and not mark:
            demand(len(numbers) == 2)
            return Key(demand(shapes.rising(*map(_number, numbers))), {"unit": node.unit})
        return self.decorated(node.body, unit=node.unit)

    def marked(self, node: nodes.Postfix | nodes.Signed) -> Key | None:
        """-45°, a quantity in degrees; 50%, which a policy may read as 50; None for other signs and marks."""
        match node:
            case nodes.Postfix("%", body) if self.policy.percent == "either":
                return self.scalar_part(node)._replace(readings=(self.value(body),))
            case nodes.Postfix("°", body):
                return self.decorated(body, unit=(("°", 1),))
            case nodes.Signed("+" | "-" as sign, nodes.Postfix("°", body)):
                return self.decorated(nodes.Signed(sign, body), unit=(("°", 1),))
        return None

    def decorated(self, node: Node, **facets: Hashable) -> Key:
        """A part with more said of it."""
        inner = self.part(node)
        return inner._replace(facets={**inner.facets, **facets})

    def choice(self, node: nodes.ChoiceLetter) -> Key:
        """(B) 5, which may be read as B."""
        inner = self.decorated(node.body, choice=node.letter)
        return inner._replace(readings=(*inner.readings, self.symbol(node.letter)))

    def based(self, node: nodes.Based) -> Key:
        """204_5."""
        if self.policy.bases == "value":
            demand(node.digits.isdecimal() and len(node.digits) <= MAX_BASED_DIGITS)
            demand(max(1, *map(int, node.digits)) < node.base <= 10)
            return Key(constant(int(node.digits, node.base)))
        return Key(_number(node.digits), {"base": node.base})

    def sum(self, node: nodes.Sum) -> Key | None:
        """3-1, A-B-C as they are; 1999-2003 and 10-20% as ranges; None for what is a sum or difference for certain."""
        match node.parts:
            case (nodes.Signed("+", nodes.Constant() as all_of), nodes.Signed("-", nodes.Bracket(r"\{") as points)):
                return self.set_operation(nodes.Combined("∖", all_of, points))
        numbers, mark = _bare_difference(node)
        years = len(numbers) == 2 and all(len(text) == 4 and text.isdecimal() for text in numbers)
        ends = (self.value(nodes.Postfix(mark, nodes.Num(text)) if mark else nodes.Num(text)) for text in numbers)
        span = shapes.rising(*ends) if mark or years else None
        return Key(span or shapes.Opaque("-".join(numbers) + mark)) if numbers else None

    def product(self, node: nodes.Product) -> Key | None:
        """What may be no product: a sequence, date, version, size (3 1 4 2, 3/4/24, 1.2.3, 2 x 3), a point D(3, 4)."""
        texts = [factor.text for _, factor in node.factors if isinstance(factor, nodes.Num)]
        marks = {mark for mark, _ in node.factors[1:]}
        if len(texts) == len(node.factors) > 1:
            if marks == {" "}:
                return Key(Ordered(tuple(map(_number, texts)), ""))
            undone = marks == {""} or (marks == {"/"} and len(texts) > 2)
            return Key(shapes.Opaque(marks.pop().join(texts))) if undone else None
        match node.factors:
            case ((_, nodes.Num(low)), (_, nodes.Sym(name)), (_, nodes.Num(high))) if marks <= {"", " "}:
                return Key(shapes.Opaque(f"{low} {name} {high}"))
            case ((_, nodes.Sym(name)), ("", nodes.Bracket("(", nodes.Listing(point), ")"))):
                if name[:1].isupper() and len(point) > 1:
                    reading = Ordered(tuple(map(self.value, point)), "")
                    return self.scalar_part(node)._replace(readings=(reading, *shapes.readings(reading)))
        return None

    def modular(self, node: nodes.Modular) -> Key:
        """x ≡ 3 (mod 7): a class of residues, of x."""
        label = None if node.left is None else demand(label_of(node.left))
        demand(node.relations == (label is not None))
        shape = self.congruence(self.value(node.residue), self.value(node.modulus))
        return Key(shape, {"label": label} if label else {})

    def congruence(self, residue: Value, modulus: Value) -> Aligned:
        """The class of a residue: its least member that is not negative, and a positive modulus."""
        turns, size = (residue / modulus).rational, demand(balls.sign_of(modulus))
        if turns is not None:
            residue = modulus * (turns - math.floor(turns))
        return Aligned("residues", (residue, modulus if size > 0 else -modulus))

    def span(self, node: nodes.Span) -> Key:
        """3 to 5 days: a range. Bare numbers may be a ratio too; 3 to 1 is one."""
        match node:
            case nodes.Span(nodes.Num() as number, nodes.Postfix("%") as percentage):  # 10 to 20 percent
                node = nodes.Span(nodes.Postfix("%", number), percentage)
        low, high = self.part(node.low), self.part(node.high)
        facets = {**high.facets, **low.facets}
        demand(not low.facets or low.facets == high.facets)
        ends = _value(low), _value(high)
        found = shapes.rising(*ends)
        if found is None:
            demand(not facets and balls.sign_of(ends[1]) == 1)
            found = Aligned("ratio", (ends[1] / ends[0],))
        return Key(found, facets)

    def bound(self, node: nodes.Bound) -> Key:
        """> 5 years: a half-line."""
        inner = self.part(node.body)
        demand("label" not in inner.facets)
        return _ray(_value(inner), inner.facets, above=node.operator in ">≥", strict=node.operator in "<>")

    def decomposed(self, value: Value) -> Shape:
        """i + 2j of unit vectors as (1, 2); a + bk with k an integer as the residues a modulo b."""
        parts: dict[str, dict[algebra.Monomial, Rational]]
        parts = {name: {} for name in ("unit i", "unit j", "unit k", "∈Z", "")}
        for monomial, coefficient in value.terms.items():
            (name, exponent), *others = [(name, exponent) for name, exponent in monomial if name in parts] or [("", 1)]
            demand(exponent == 1 and not others)
            parts[str(name)][monomial - {(name, 1)}] = coefficient
        i, j, k, modulus, rest = map(Value, parts.values())
        vector = bool(i.terms or j.terms or k.terms)
        demand(value.over is None and vector != bool(modulus.terms) and not (vector and rest.terms))
        return Ordered((i, j, k) if k.terms else (i, j), "") if vector else self.congruence(rest, modulus)

    # Brackets, sets, matrices

    def bracket(self, node: nodes.Bracket) -> Key:
        """A tuple, an interval, a set; what brackets hold alone."""
        given, braces = node.items.items, node.opening in ("{", r"\{")
        inner = self.parts(given) if braces else [*map(self.part, given)]
        if len(given) == len(inner) == 1 and node.opening != r"\{":
            return inner[0]
        listed = inner[0] if len(given) == 1 else self.combined(inner, node.items.separators)
        elements, ends = tuple(part.shape for part in inner), node.opening + node.closing
        if braces:
            demand(not any(isinstance(part.shape, shapes.Equation) or part.inequality for part in inner))
            named = shapes.kind_of(listed.shape) == "named"
            return listed if named else Key(SetOf(frozenset(elements)), listed.facets)
        demand(ends != "[]" or {*node.items.separators} != {",", ";"})  # [1; 2, 3], a continued fraction
        demand("label" not in listed.facets and (ends in ("()", "[]") or len(inner) == 2))
        demand(shapes.Items not in map(type, elements))  # (±1, 2)
        return Key(ordered(elements, ends), listed.facets)

    def set_operation(self, node: nodes.Combined) -> Key:
        """Unions, intersections and differences of finite sets and of intervals; whether a finite set holds another."""
        found: list[Shape] = []
        for part in map(self.part, (node.left, node.right)):
            demand(not part.facets and not (isinstance(part.shape, Value) and part.shape.symbols))  # ℤ∖{0}, A∪B
            found.append(SetOf(frozenset((part.shape,))) if isinstance(part.shape, Value) else part.shape)
        left, right = found
        if isinstance(left, SetOf) and isinstance(right, SetOf):
            demand(node.operator == "∪" or (shapes.exact(left) and shapes.exact(right)))
            result = shapes.OPERATIONS[node.operator](left.elements, right.elements)
            return Key(shapes.Text(str(result).lower()) if isinstance(result, bool) else SetOf(result))
        demand(node.operator not in ("⊆", "⊇"))
        return Key(shapes.combined(node.operator, shapes.intervals(left), shapes.intervals(right)))

    def builder(self, node: nodes.Builder) -> Key:
        """{x | condition}: what the condition says about x."""
        part = self.listing(node.condition)
        match node.variable:
            case nodes.Sym(name) | nodes.Comparing((nodes.Sym(name), nodes.Constant("R")), ("∈",)):
                demand(part.facets == {"label": name})
                return Key(part.shape)
        raise Unreadable

    def proportion(self, node: nodes.Proportion) -> Key:
        """a : b : c."""
        first, *others = map(self.value, node.parts)
        demand(any(value.terms for value in others))  # 3:0 and 4:0 are scores
        return Key(Aligned("ratio", tuple(value / first for value in others)))

    def system(self, node: nodes.Grid) -> Key | None:
        """Equations under one another, in a brace or aligned; None for a matrix."""
        if any(len(row) != 1 or not isinstance(row[0], nodes.Comparing) for row in node.rows):
            return None
        return self.listing(nodes.Listing(tuple(row[0] for row in node.rows), (",",) * (len(node.rows) - 1)))

    # Relations

    def relation(self, node: nodes.Comparing) -> Key:
        """By its operators, of which those of equality and order may be several."""
        operators, operands = set(node.operators), node.operands
        if operators <= {"=", "≈"}:
            return self.equality(node)
        if operators <= {"<", "≤"} or operators <= {">", "≥"}:  # a < x <= b: what its relations say together
            about = operands[1] if len(operands) > 2 else None
            parts = [self.half_line(*each, about) for each in zip(operands, node.operators, operands[1:], strict=False)]
            return self.combined(parts, ("∧",)) if len(parts) > 1 else parts[0]
        (operator,), (left, right) = node.operators, demand(operands if len(operands) == 2 else None)
        if operator in ("⊆", "⊇"):
            return self.set_operation(nodes.Combined(operator, left, right))
        if operator == "≠":  # x ∉ {right}
            right = nodes.Bracket(r"\{", nodes.Listing((right,), ()), r"\}")
        part = self.decorated(right, label=demand(label_of(left)))
        if operator == "∈":
            inside = shapes.interval(part.shape)
            return part._replace(shape=inside, inequality=isinstance(inside, shapes.Spans))
        outside = shapes.combined("∖", shapes.intervals(shapes.REALS), shapes.intervals(part.shape))
        return part._replace(shape=outside, inequality=operator == "≠")

    def equality(self, node: nodes.Comparing) -> Key:  # noqa: PLR0911 - one return a kind of equality
        """A name's value, a chain of equal values, an equation."""
        operands = list(node.operands)
        if "≈" in node.operators:
            operands = _exact_side(operands, node.operators.index("≈") + 1)
        first, last = operands[0], operands[-1]
        if (names := names_of(first)) is not None:  # (p, q) = (3, 2)
            part = self.part(last)
            if isinstance(part.shape, Ordered) and len(part.shape.elements) == len(names) == len(set(names)):
                return self.named(names, part.shape.elements, part.facets)
            raise Unreadable
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
            demand(not any(symbolic[1:]) and not any(balls.sign_of(value - values[-1]) for value in values[1:-1]))
            return self.decorated(last, label=values[0].text)  # a + b + c = 12 + 25 + 25 = 62
        asked = not symbolic[1] and bool(values[1].terms) and _is_of_names(first)
        return Key(_equation(*values), {}, (values[1],) if asked else ())

    def shared(self, names: list[str], value: Node) -> Key:
        """x = y = 3: one value under several names, which may be read as the value; x = y = z, which has none."""
        label = label_of(value)
        if label is not None:
            return Key(atom(algebra.Func("all equal", tuple(map(atom, sorted((*names, label)))))))
        part = self.part(value)
        named = self.named(names, (part.shape,) * len(names), part.facets)
        return named._replace(readings=(*named.readings, part.shape))

    def labelled(self, label: str, name: Node, value: Node) -> Key:
        """x = 5: a value by its name, which may be read as an equation."""
        part = self.part(value)
        readings, shape = part.readings, part.shape
        if isinstance(shape, Value) and not part.facets:
            named = "(" in label or isinstance(name, (nodes.Proportion, nodes.Call))
            readings = (*readings, _equation(atom(label) if named else self.value(name), shape))
            if shape.symbols and names_a_function(name):  # y is the function that is asked for, f or g
                part = part._replace(facets={} if label in ("y", "Y", "y(x)") else {"called": label})
                label = "y"
        return part._replace(facets={**part.facets, "label": label}, readings=readings)

    def half_line(self, left: Node, operator: str, right: Node, about: Node | None) -> Key:
        """left < right as what it says about the one symbol of it, or about the name `about`; else as it stands."""
        small, large = (left, right) if operator in "<≤" else (right, left)
        strict = operator in "<>"
        for name, other, above in ((small, large, False), (large, small, True)):
            label, magnitude = label_of(name), isinstance(other, nodes.Call) and other.name == "abs"
            is_name = label_of(other) is None and not magnitude  # |x| < a is about x as well as a
            if label is not None and (name == about or is_name) and not nodes.mentions(other, name):
                return _ray(self.value(other), {"label": label}, above=above, strict=strict)
        difference = self.value(small) - self.value(large)
        demand(difference.over is None and difference.symbols)
        solved = _solved(difference, [Ordered((shapes.MINUS_INFINITY, ZERO), "()" if strict else "(]")])
        return solved or Key(shapes.Equation("<" if strict else "≤", Value(algebra.primitive(difference.terms))))


_PARTS: dict[type, Callable[[_Reader, Any], Key | None]] = {
    nodes.Num: lambda self, node: Key(_number(node.text)),
    nodes.Sym: lambda self, node: Key(self.symbol(node.name)),
    nodes.Comparing: _Reader.relation,
    nodes.Quantity: _Reader.quantity,
    nodes.Compound: lambda self, node: self.quantities(self.parts(node.parts)),
    nodes.Modular: _Reader.modular,
    nodes.Span: _Reader.span,
    nodes.Bound: _Reader.bound,
    nodes.Listing: _Reader.listing,
    nodes.ChoiceLetter: _Reader.choice,
    nodes.Bracket: _Reader.bracket,
    nodes.Based: _Reader.based,
    nodes.Constant: lambda self, node: {"∅": Key(shapes.EMPTY), "R": Key(shapes.REALS)}.get(node.name),
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


def _solved(value: Value, within: Iterable[Ordered]) -> Key | None:
    """x, and where it lies if a value in it does; None for a value that is not ax + b or a|...| + b."""
    heads = [monomial for monomial in value.terms if Value({monomial: 1}).symbols]
    if value.over is not None or len(heads) != 1 or [exponent for _, exponent in heads[0]] != [1]:
        return None
    ((name, _),) = heads[0]
    rest = Value({monomial: coefficient for monomial, coefficient in value.terms.items() if monomial != heads[0]})
    spans = [_moved(span, value.terms[heads[0]], rest) for span in within]
    if isinstance(name, str):
        return Key(shapes.combined("∪", spans), {"label": name}, inequality=True)
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


def _ray(bound: Value, facets: Facets, *, above: bool, strict: bool) -> Key:
    """What lies above or below a bound."""
    ends = (bound, INFINITY) if above else (shapes.MINUS_INFINITY, bound)
    return Key(ordered(ends, "()" if strict else "[]"), facets, inequality=True)


def _equation(left: Value, right: Value) -> Shape:
    """left = right as a polynomial up to a factor."""
    difference = left - right
    demand(difference.terms)
    terms = algebra.primitive(algebra.clear(difference))
    return shapes.Equation("=", Value({m: c * algebra.leading_sign(terms) for m, c in terms.items()}))


def _letters_or_unit(value: Value, facets: Facets, how: str, unit: Unit) -> list[tuple[str, Shape, Facets]]:
    """2600g and 5 N: a quantity, or a product of letters; 100 C: of degrees, too."""
    letters = algebra.product(atom(letter, power) for name, power in unit for letter in name)
    number = value / letters if how == "glued" else value
    bare = {kind: found for kind, found in facets.items() if kind != "unit"}
    found: list[tuple[str, Shape, Facets]]
    found = [("letters:unit", number, {**bare, "unit": unit}), ("letters:product", number * letters, bare)]
    degrees = [("letters:degrees", number, {**bare, "unit": units.DEGREES[unit]})] if unit in units.DEGREES else []
    return [*(reversed(found) if how == "glued" else found), *degrees]


# Syntax


def _exact_side(operands: list[Node], cut: int) -> list[Node]:
    """What stands before the first ≈, unless it is only a name, or rounded and what stands after it is not."""
    before, after = operands[cut - 1], operands[cut]
    if _is_decimal(before) and not _is_decimal(after):
        return [*operands[: cut - 1], *operands[cut:]]
    return operands if cut == 1 and label_of(before) is not None else operands[:cut]


def _is_decimal(node: Node) -> bool:
    """Whether it is a number in digits, with its sign and unit."""
    while isinstance(node, (nodes.Quantity, nodes.Signed)):
        node = node.body
    return isinstance(node, nodes.Num)


def _joined(tokens: list[Token]) -> str:
    """The tokens of what cannot be read: spaces, a last period and braces around one token do not matter."""
    text = " ".join(" ".join(token.text) if token.kind in ("run", "word") else token.text for token in tokens)
    return re.sub(r"\{ (\S+) \}", r"\1", text).rstrip(" .")


def _is_of_names(node: Node) -> bool:
    """Whether it is a sum, difference, product or quotient of bare letters, as questions ask for: m + n."""
    names = [nodes.inside(part[1]) for part in node[0]] if isinstance(node, (nodes.Sum, nodes.Product)) else []
    return len(set(names)) == len(names) > 1 and all(map(label_of, names))


def _bare_difference(node: Node) -> tuple[list[str], str]:
    """The texts of a difference of bare numbers or of three and more capital letters, and its sign of percent.

    3-1, A-B-C, 10-20%: the sign after the second number is the first one's too. Both empty for any other node.
    """
    match node:
        case nodes.Sum(
            (("+", nodes.Num(low) | nodes.Postfix("%", nodes.Num(low))), ("-", nodes.Postfix("%", nodes.Num(high))))
        ):
            return [low, high], "%"
        case nodes.Sum(parts) if "".join(part.sign for part in parts).rstrip("-") == "+":
            numbers = [part.body.text for part in parts if isinstance(part.body, nodes.Num)]
            names = [part.body.name for part in parts if isinstance(part.body, nodes.Sym)]
            letters = [name for name in names if len(name) == 1 < len(parts) - 1 and name.isupper()]
            found = numbers or letters
            return (found if len(found) == len(parts) else []), ""
    return [], ""
