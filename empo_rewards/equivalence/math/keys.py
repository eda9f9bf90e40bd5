"""Keys: what an answer is, what merely decorates it, and which answers of a set are the same by their keys."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from empo_rewards.clustering import UnionFind
from empo_rewards.equivalence.math.algebra import Value, quotient
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.shapes import Measure, Opaque, Shape, readings
from empo_rewards.equivalence.math.units import Unit, scale


class Option(NamedTuple):
    """One of the things that an ambiguous answer may be, by a convention: "comma:decimal" or "comma:list" for 3,14.

    `said` is the answer in one spelling.
    """

    convention: str
    said: str
    shape: Shape
    facets: Mapping[str, Hashable] = MappingProxyType({})


class Key(NamedTuple):
    """The canonical form of an answer.

    Args:
        shape: what the answer is. Equal shapes are equal answers, decoration aside.
        facets: what decorates it, by the kind of decoration: `label` (x in x = 5), `unit`, `base`, `choice`.
        readings: other shapes that it may be read as, where the set holds one such answer only: (3, 4) as the bare
            list 3, 4; (B) 5 as B; y = 2x as its equation.
        decimal: whether it is written with a decimal point.
        work: what reading it cost.
        failed: whether reading it failed by a fault: equal text is equal, nothing else is known of it.
        options: what else it may be, by convention; `settle` takes one for all answers of a set, or none.
    """

    shape: Shape
    facets: Mapping[str, Hashable] = MappingProxyType({})
    readings: tuple[Shape, ...] = ()
    decimal: bool = False
    work: int = 1
    failed: bool = False
    options: tuple[Option, ...] = ()


_LITTLE, _LITTLE_BYTES = 64, 1_500
"""Work past which a key may be large, and the bytes of one that cost less."""


def footprint(key: Key) -> int:
    """Bytes that a key takes, roughly; what it holds twice counts once."""
    if key.work <= _LITTLE:
        return _LITTLE_BYTES
    size, seen = 0, set()
    rest: list[object] = [*key]
    while rest:
        thing = rest.pop()
        size += 80
        if isinstance(thing, str):
            size += len(thing)
        elif isinstance(thing, (int, Fraction)):
            size += (thing.numerator.bit_length() + thing.denominator.bit_length()) // 8
        elif id(thing) not in seen:
            seen.add(id(thing))
            if isinstance(thing, Mapping):
                rest += thing.items()
            elif isinstance(thing, Value):
                rest += (thing.terms, thing.over)
            elif isinstance(thing, (tuple, frozenset)):
                rest += thing
    return size


def join_readings(keys: Sequence[Key], classes: UnionFind) -> list[Key]:
    """Joins a shape to the one class that can be read as it; where two different classes can, it joins neither.

    From the most decorated readings to the barest, so that a class is whole before something barer joins it. Returns
    the keys, a joined one with the decorations that its claimants agree on: x - 5 = 0 then is about x, as x = 5 is.
    """
    by_shape: dict[Shape, list[int]] = defaultdict(list)
    claims: dict[Shape, list[int]] = defaultdict(list)
    rank: dict[Shape, int] = {}
    for position, key in enumerate(keys):
        by_shape[key.shape].append(position)
        for level, reading in enumerate(key.readings):
            claims[reading].append(position)
            rank[reading] = max(level, rank.get(reading, 0))
    result = list(keys)
    for reading in sorted(claims, key=lambda reading: rank[reading]):
        owners = {classes.find(position) for position in claims[reading]}
        if reading not in by_shape or len(owners) != 1:
            continue
        (owner,) = owners
        if _has_rival(reading, owner, keys, by_shape, classes):
            continue
        first, *others = (keys[position].facets.items() for position in claims[reading])
        agreed = dict(set(first).intersection(*others))
        for position in by_shape[reading]:
            classes.union(owner, position)
            result[position] = keys[position]._replace(facets={**agreed, **keys[position].facets})
    return result


def _has_rival(
    reading: Shape, owner: int, keys: Sequence[Key], by_shape: Mapping[Shape, list[int]], classes: UnionFind
) -> bool:
    """Whether the class can be read as another shape of that type, which the set holds too: (3, 4) and (4, 3)."""
    if isinstance(reading, Value):
        return False
    here = classes.find(by_shape[reading][0])
    others = {other for place, key in enumerate(keys) if classes.find(place) == owner for other in key.readings}
    rivals = (other for other in others if type(other) is type(reading) and other in by_shape)
    return any(classes.find(by_shape[other][0]) != here for other in rivals)


def resolve_facets(keys: Sequence[Key], policy: MathPolicy) -> list[Hashable]:
    """For keys of one meaning: a value each, equal where their decorations agree.

    A decoration that a key lacks is filled in where the class holds exactly one of its kind: 5 is x = 5, but beside
    x = 5 and y = 5 it is neither.
    """
    kinds = sorted({kind for key in keys for kind in key.facets})
    columns = []
    for kind in kinds:
        found = {key.facets[kind] for key in keys if kind in key.facets}
        strict = (kind == "unit" and policy.units == "strict") or (kind == "base" and policy.bases == "strict")
        fill = next(iter(found)) if len(found) == 1 and not strict else None
        columns.append([key.facets.get(kind, fill) for key in keys])
    return [tuple(column[k] for column in columns) for k in range(len(keys))]


def compatible(a: Mapping[str, Hashable], b: Mapping[str, Hashable]) -> bool:
    """Whether no decoration of one contradicts the other's."""
    return all(b[kind] == value for kind, value in a.items() if kind in b)


def settle(keys: list[Key]) -> list[Key]:
    """Ambiguous answers by the one convention that the rest of the set bears out; where two are borne out, undecided.

    Conventions are settled for the whole set at once, so that no answer stands between two that differ: beside 3.14
    the text 3,14 is a decimal, beside (3, 14) a list, and beside both it is neither.
    """
    if not any(key.options for key in keys):
        return keys
    known: dict[Shape, list[Mapping[str, Hashable]]] = defaultdict(list)
    for key in keys:
        if not key.options:
            for shape in (key.shape, *key.readings):
                known[shape].append(key.facets)
    measures = {_measure(key) for key in keys if not key.options} - {None}
    borne_out: dict[str, set[str]] = defaultdict(set)
    leanings: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        for place, option in enumerate(key.options):
            family, unit = option.convention.partition(":")[0], option.facets.get("unit")
            found = [facets for shape in (option.shape, *readings(option.shape)) for facets in known.get(shape, ())]
            if _measure(Key(option.shape, option.facets)) in measures or any(
                unit is None or facets.get("unit") == unit for facets in found
            ):
                borne_out[family].add(option.convention)
            if not place:
                leanings[family].add(option.convention)
    for family, conventions in leanings.items():
        if len(conventions) > 1 and not borne_out[family]:  # 5 N beside 5N: a space makes the unit
            borne_out[family] = conventions - {"letters:product"}
    return [_settled(key, borne_out) if key.options else key for key in keys]


def _settled(key: Key, borne_out: Mapping[str, set[str]]) -> Key:
    conventions = borne_out[key.options[0].convention.partition(":")[0]]
    if len(conventions) > 1:
        return key._replace(shape=Opaque(key.options[0].said), facets={}, readings=(), options=())
    chosen = next((option for option in key.options if option.convention in conventions), None)
    if chosen is None:
        return key._replace(options=())
    return key._replace(shape=chosen.shape, facets=chosen.facets, readings=readings(chosen.shape), options=())


def convert(keys: Sequence[Key], groups: list[list[int]]) -> list[list[int]]:
    """Joins groups of one quantity in different units (5 km, 5000 m).

    Bare numbers then join none of them: 5 and 5000 are not the same.
    """
    quantity: dict[tuple[Value, Unit], list[list[int]]] = defaultdict(list)
    result = []
    for group in groups:
        measures = {measure for measure in (_measure(keys[position]) for position in group) if measure is not None}
        if len(measures) == 1:
            quantity[measures.pop()].append(group)
        else:
            result.append(group)
    for parts in quantity.values():
        apart = [] if len(parts) == 1 else [_bare(part, keys) for part in parts]
        result += [part for part in apart if part]
        result.append(sorted(p for part in parts for p in part if not any(p in numbers for numbers in apart)))
    return result


def _bare(group: list[int], keys: Sequence[Key]) -> list[int]:
    """The members of a group that have no unit."""
    return [p for p in group if "unit" not in keys[p].facets and not isinstance(keys[p].shape, Measure)]


def _measure(key: Key) -> tuple[Value, Unit] | None:
    """A quantity in base units; None for what has no unit."""
    if isinstance(key.shape, Measure):
        return key.shape.value, key.shape.dimension
    unit = key.facets.get("unit")
    if not isinstance(key.shape, Value) or not isinstance(unit, tuple) or set(key.facets) - {"unit"}:
        return None
    factor, dimension = scale(unit)
    return key.shape * quotient(factor.numerator, factor.denominator), dimension


def letters_of_one_name(keys: Collection[Key], prompt: str) -> dict[str, str]:
    """Letters that a set holds in both cases and its prompt in one only: P as p, where the prompt speaks of p alone."""
    if not prompt:
        return {}
    each = [{name for name in symbols_of(key) if len(name) == 1 and name.isalpha()} for key in keys]
    found = set().union(*each) - set("aiAI")
    both = {letter for letter in found if letter.swapcase() in found}
    both -= {letter for letters in each for letter in letters if letter.swapcase() in letters}  # GMm
    spoken = {letter for letter in both if re.search(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", prompt)}
    return {letter: letter.swapcase() for letter in both - spoken if letter.swapcase() in spoken}


def symbols_of(key: Key) -> frozenset[str]:
    """The symbols of a value."""
    return key.shape.symbols if isinstance(key.shape, Value) else frozenset()
