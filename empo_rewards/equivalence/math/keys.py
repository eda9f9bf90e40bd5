"""Keys: what an answer is, what merely decorates it, and which answers of a set are the same by their keys."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, cast

from empo_rewards.clustering import UnionFind
from empo_rewards.equivalence.math import shapes
from empo_rewards.equivalence.math.algebra import TooLarge, Value, quotient
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.shapes import Aligned, Opaque, Shape, kind_of, readings
from empo_rewards.equivalence.math.units import Unit, scale

Facets: TypeAlias = Mapping[str, Hashable]
"""What decorates an answer, by the kind of decoration: `label` (x in x = 5), `unit`, `base`, `choice`."""


class Option(NamedTuple):
    """One of the things that an ambiguous answer may be, by a convention."""

    convention: str  # comma:decimal or comma:list for 3,14
    said: str  # the answer in one spelling
    shape: Shape
    facets: Facets = MappingProxyType({})


class Key(NamedTuple):
    """The canonical form of an answer, or of a part of one."""

    shape: Shape  # what it is: equal shapes are equal answers, decoration aside
    facets: Facets = MappingProxyType({})  # what decorates it
    readings: tuple[Shape, ...] = ()
    """Other shapes that it may be read as, where the set holds one such answer only: (3, 4) as the bare list 3, 4;
    (B) 5 as B; y = 2x as its equation."""
    decimal: bool = False  # whether it is written with a decimal point
    work: int = 1  # what reading it cost
    failed: bool = False  # whether reading it failed by a fault: equal text is equal, nothing else is known of it
    options: tuple[Option, ...] = ()  # what else it may be: `settle` takes one convention for a whole set, or none
    inequality: bool = False  # whether it is where an inequality says that something lies


_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")  # A letter that stands alone

_LITTLE, _BYTES = 64, 24
"""Work that every key may have cost, and the bytes of a key for each unit of work: what takes memory costs work."""


def footprint(key: Key) -> int:
    """Bytes that a key takes, roughly."""
    return max(_LITTLE, key.work) * _BYTES


def settle(keys: list[Key]) -> list[Key]:
    """Ambiguous answers by the one convention that the rest of the set bears out; where two are borne out, undecided.

    Conventions are settled for the whole set at once, so that no answer stands between two that differ: beside 3.14
    the text 3,14 is a decimal, beside (3, 14) a list, and beside both it is neither.
    """
    ambiguous = [key for key in keys if key.options]
    if not ambiguous:
        return keys
    known: set[Hashable] = set()
    for key in keys:
        if not key.options:
            given = {None, key.facets.get("unit")}
            known.update((shape, unit) for shape in (key.shape, *key.readings) for unit in given)
            known.add(_measure(key))
    known.discard(None)
    borne_out: set[str] = set()
    for option in chain(*(key.options for key in ambiguous)):
        forms = (option.shape, *readings(option.shape))
        if not known.isdisjoint({_measure(option), *((form, option.facets.get("unit")) for form in forms)}):
            borne_out.add(option.convention)
    first = {key.options[0].convention for key in ambiguous}
    if {"letters:product", "letters:unit"} <= first and not any(name.startswith("letters") for name in borne_out):
        borne_out.add("letters:unit")  # 5 N beside 5N: a space makes the unit
    return [_settled(key, borne_out) if key.options else key for key in keys]


def _settled(key: Key, borne_out: set[str]) -> Key:
    found = [option for option in key.options if option.convention in borne_out]
    if len(found) > 1:
        return Key(Opaque(found[0].said), decimal=key.decimal, work=key.work)
    for _, _, shape, facets in found:
        key = key._replace(shape=shape, facets=facets, readings=readings(shape))
    return key._replace(options=())


def equal_groups(keys: Sequence[Key], classes: UnionFind, policy: MathPolicy) -> list[list[int]]:
    """The keys that are equal, as positions: those of one class whose decorations agree. Joins classes by readings."""
    keys = _join_readings(keys, classes)
    members: dict[int, list[int]] = defaultdict(list)
    for position in range(len(keys)):
        members[classes.find(position)].append(position)
    groups = [group for positions in members.values() for group in _agreeing(keys, positions, policy)]
    return _converted(keys, groups) if policy.convert_units else groups


def _agreeing(keys: Sequence[Key], positions: list[int], policy: MathPolicy) -> Iterable[list[int]]:
    """Keys of one meaning by their decorations.

    A decoration that a key lacks is filled in where the class holds exactly one of its kind: 5 is x = 5, but beside
    x = 5 and y = 5 it is neither.
    """
    given: dict[str, set[Hashable]] = defaultdict(set)
    for kind, value in chain(*(keys[position].facets.items() for position in positions)):
        given[kind].add(value)
    if not given:
        return [positions]
    strict = {"unit": policy.units == "strict", "base": policy.bases == "strict"}
    fill = {kind: value for kind, (value, *others) in given.items() if not others and not strict.get(kind)}
    alike: dict[object, list[int]] = defaultdict(list)
    for position in positions:
        alike[frozenset({**fill, **keys[position].facets}.items())].append(position)
    return alike.values()


def _join_readings(keys: Sequence[Key], classes: UnionFind) -> list[Key]:
    """Joins a shape to the one class that can be read as it; where two different classes can, it joins neither.

    From the most decorated readings to the barest, so that a class is whole before something barer joins it. Returns
    the keys, a joined one with the decorations that its claimants agree on: x - 5 = 0 then is about x, as x = 5 is.
    """
    by_shape: dict[Shape, list[int]] = defaultdict(list)
    claims: dict[Shape, list[int]] = defaultdict(list)
    rank: dict[Shape, int] = {}
    sure: set[Shape] = set()  # beside 2 < x < 3 the pair (2, 3) is no list; beside x = 2 or x = 3 a list is no pair
    for key in keys:
        if isinstance(key.shape, shapes.Spans) or (isinstance(key.shape, shapes.SetOf) and "label" in key.facets):
            sure.update(key.readings)
    for position, key in enumerate(keys):
        by_shape[key.shape].append(position)
        for level, reading in enumerate(key.readings):
            kinds = kind_of(key.shape), kind_of(reading)
            if kinds != (shapes.Ordered, shapes.Items) or sure.isdisjoint((key.shape, reading)):
                claims[reading].append(position)
                rank[reading] = max(level, rank.get(reading, 0))
    find, result = classes.find, list(keys)
    present = sorted(filter(by_shape.__contains__, claims), key=rank.__getitem__)
    for reading in present:
        owners, here = {find(position) for position in claims[reading]}, find(by_shape[reading][0])
        rivals = (  # another shape of that type, which the set holds too: (3, 4) and (4, 3)
            kind_of(other) == kind_of(reading)
            and find(by_shape[other][0]) != here
            and not owners.isdisjoint(map(find, claims[other]))
            for other in present
        )
        if len(owners) > 1 or (not isinstance(reading, Value) and any(rivals)):
            continue
        first, *others = (keys[position].facets.items() for position in claims[reading])
        agreed = dict(set(first).intersection(*others))
        for position in by_shape[reading]:
            classes.union(claims[reading][0], position)
            result[position] = keys[position]._replace(facets={**agreed, **keys[position].facets})
    for position, key in enumerate(result):
        match key:  # what an equation gives has a name of its own: x/y = 5 is 5, but not x = 5
            case Key(shapes.Equation(_, terms), facets, (Value() as value,)) if "label" not in facets:
                result[position] = key._replace(facets={**facets, "label": (terms + value).text, "called": "="})
    return result


def _converted(keys: Sequence[Key], groups: list[list[int]]) -> list[list[int]]:
    """Joins groups of one quantity in different units (5 km, 5000 m).

    Bare numbers then join none of them: 5 and 5000 are not the same.
    """
    quantity: dict[object, list[list[int]]] = defaultdict(list)
    for number, group in enumerate(groups):
        measures = {_measure(keys[position]) for position in group} - {None}
        quantity[measures.pop() if len(measures) == 1 else number].append(group)
    bare = [kind_of(key.shape) != "quantity" and "unit" not in key.facets for key in keys]
    result = []
    for parts in quantity.values():
        unmeasured = [[p for p in part if bare[p]] for part in parts if len(parts) > 1]
        result += [sorted({*chain(*parts)}.difference(*unmeasured)), *filter(None, unmeasured)]
    return result


def _measure(said: Key | Option) -> tuple[Shape, Hashable] | None:
    """A quantity in base units; None for what has no unit, and past the size of numbers."""
    match said.shape:
        case Aligned("quantity", (value,), dimension):
            return value, dimension
        case Value() as value if said.facets.keys() == {"unit"}:
            factor, dimension = scale(cast("Unit", said.facets["unit"]))
            with suppress(TooLarge):
                return value * quotient(factor, 1), dimension
    return None


def in_one_case(keys: Mapping[str, Key], prompt: str) -> dict[str, str]:
    """Answers whose letters the set holds in both cases and the prompt in one only, with these in its case.

    P is p where the prompt speaks of p alone. By text; `keys` are what the texts are read as.
    """
    values = ((text, key.shape) for text, key in keys.items() if isinstance(key.shape, Value))
    letters = {text: set(filter(_LETTER.fullmatch, value.symbols)) for text, value in values}
    mixed = {letter for some in letters.values() for letter in some if letter.swapcase() in some}  # GMm
    found, spoken = set().union(*letters.values()) - mixed - set("aiAI"), set(_LETTER.findall(prompt))
    renamed = {letter: letter.swapcase() for letter in found - spoken if letter.swapcase() in found & spoken}
    return {
        text: _LETTER.sub(lambda match: renamed.get(match[0], match[0]), text)
        for text, some in letters.items()
        if not some.isdisjoint(renamed)
    }
