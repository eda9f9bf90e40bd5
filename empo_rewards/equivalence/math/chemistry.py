"""Chemical formulas and reactions, read from plain text: letters that are elements do not multiply."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from empo_rewards.equivalence.math.keys import AnswerReading
from empo_rewards.equivalence.math.names import listed
from empo_rewards.equivalence.math.shapes import Chemical

MAX_CHARS = 200
"""No reaction that is an answer is longer."""

_ELEMENTS = frozenset(
    listed(
        "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr "
        "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir "
        "Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am"
    )
)
_MARKUP = re.compile(r"[{}_ ]")
_ARROWS = re.compile(r"\\(?:(?:long)?rightarrow|to)(?![A-Za-z])|\\xrightarrow(?:\[[^\]]*\])?|-+>|→")
_BOTH_WAYS = re.compile(r"\\(?:rightleftharpoons|leftrightarrow)(?![A-Za-z])|⇌|<=>|<-+>")
_ARROW = re.compile("[→⇌=]")
_SPECIES = re.compile(r"(\d+(?:/\d+)?)?((?:[A-Z][a-z]?\d*|\(|\)\d*|\[|\]\d*|·)+)(\^?\d*[+-])?(\((?:aq|s|l|g)\))?")
_PIECE = re.compile(r"([A-Z][a-z]?)(\d*)|([(\[])|[)\]](\d*)")
_ION = re.compile(r"([A-Z][a-z]?)([2-4])")
_CHARGE = re.compile(r"\^\+(\d+)")
_MANY = 9
"""A larger count of atoms belongs to a compound of carbon, hydrogen or oxygen."""
_NEEDED = re.compile(r"[A-Z][a-z]?(?:\)?[_{]*\d|\)?\^?\{?\d?[+-]|[A-Za-z ()]*(?:->|=|→|\\[a-z]+arrow|\\to))")
"""What no formula lacks: an element with its count or charge, or the arrow of a reaction after it."""
_LONGEST_ORBITAL = 12
_ORBITALS = re.compile(r"d?sp\^?\d(?:d\^?\d?)?")


def read(text: str) -> AnswerReading | None:
    """A formula or a reaction as such, its states as a decoration; None for what may as well be algebra."""
    if len(text) > MAX_CHARS or _NEEDED.search(text) is None:
        found = _ORBITALS.fullmatch(_MARKUP.sub("", text)) if len(text) <= _LONGEST_ORBITAL else None
        return AnswerReading(Chemical(found[0].replace("^", ""), frozenset())) if found is not None else None
    plain = _MARKUP.sub("", _ARROWS.sub("→", _BOTH_WAYS.sub("⇌", text)))
    sides = [_side(part) for part in _ARROW.split(plain)]
    if any(side is None for side in sides) or len(sides) > 2:
        return None
    known = [side for side in sides if side is not None]
    if len(known) == 1 and (len(known[0]) != 1 or not known[0][0].sure):
        return None
    atoms = [_total(side) for side in known]
    arrow = _ARROW.search(plain)
    if (
        arrow is not None
        and arrow[0] == "="
        and (atoms[0] != atoms[1] or not any(one.sure for side in known for one in side))
    ):
        return None  # a balance of elements tells a reaction from an equation
    sides_written = (" + ".join(sorted(one.text for one in side)) for side in known)
    balance = {(f"{number} {name}", count) for number, side in enumerate(atoms) for name, count in side.items()}
    states = " ".join(sorted(f"{one.text} {one.state}" for side in known for one in side if one.state))
    return AnswerReading(
        Chemical((arrow[0] if arrow else "").replace("=", "→").join(sides_written), frozenset(balance)),
        {"states": states} if states else {},
    )


class _Species(NamedTuple):
    """One species: its text in one spelling, its state, its atoms, and whether it is a formula beyond doubt."""

    text: str
    state: str
    atoms: Counter[str]
    sure: bool


def _total(side: list[_Species]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in side:
        total.update(one.atoms)
    return total


def _side(text: str) -> list[_Species] | None:
    """The species of one side of a reaction; None where one is no formula."""
    text = _CHARGE.sub(lambda match: f"^{match[1]}+", text)
    parts = re.split(r"(?<=[A-Za-z0-9)\]])\+(?=\d*[A-Z(\[])|(?<=[+-])\+(?=\d*[A-Z(\[])", text)
    found = [_species(part) for part in parts]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None


def _species(text: str) -> _Species | None:
    match = _SPECIES.fullmatch(text)
    if match is None:
        return None
    coefficient, formula, charge, state = match.groups("")
    ion = _ION.fullmatch(formula) if charge in ("+", "-") else None
    if ion is not None:  # Fe3+
        formula, charge = ion[1], ion[2] + charge
    found = _atoms(formula)
    if found is None:
        return None
    atoms, counted = found
    sure = bool(charge) or (counted and (len(atoms) > 1 or not coefficient))
    if coefficient.isdigit():
        atoms = Counter({name: number * int(coefficient) for name, number in atoms.items()})
    if charge:
        atoms[f"charge {charge[-1]}"] = int(charge.strip("^+-") or 1)
    return _Species(coefficient + formula + charge.strip("^"), state, atoms, sure)


def _atoms(formula: str) -> tuple[Counter[str], bool] | None:
    """The atoms of a formula, and whether any of them is counted; None for what is no formula."""
    stack: list[Counter[str]] = [Counter()]
    counts: list[str] = []
    for element, count, opening, repeated in _PIECE.findall(formula):
        counts.append(count or repeated)
        if element:
            stack[-1][element] += int(count or 1)
        elif opening:
            stack.append(Counter())
        elif len(stack) > 1:
            group = stack.pop()
            stack[-1].update({name: number * int(repeated or 1) for name, number in group.items()})
    atoms = stack[0]
    numbers = [int(count) for count in counts if count]
    if (
        len(stack) != 1
        or not atoms.keys() <= _ELEMENTS
        or min(numbers, default=2) < 2
        or max(numbers, default=0) > 9_999
    ):
        return None
    if max(numbers, default=0) > _MANY and not atoms.keys() & {"C", "H", "O"}:
        return None  # SW19
    if formula.startswith("(") and len(atoms) < 2:
        return None  # (B) 5
    return atoms, bool(numbers)
