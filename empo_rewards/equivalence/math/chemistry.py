"""Chemical formulas and reactions, read from plain text: letters that are elements do not multiply."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from empo_rewards.equivalence.math.keys import Key
from empo_rewards.equivalence.math.lexer import Unreadable, demand
from empo_rewards.equivalence.math.names import listed
from empo_rewards.equivalence.math.shapes import Chemical

MAX_CHARS = 200  # no reaction that is an answer is longer

ELEMENTS = frozenset(listed(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr "
    "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir "
    "Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am"
))  # fmt: skip
ELEMENT = f"(?:{'|'.join(sorted(ELEMENTS, key=len, reverse=True))})"  # a pattern for the symbol of one
_MARKUP = re.compile(r"[{}_ ]")
_EQUILIBRIUM = re.compile(r"\\(?:rightleftharpoons|leftrightarrow)(?![A-Za-z])|⇌|<=>|<-+>")
_FORWARD = re.compile(r"\\(?:(?:long)?rightarrow|to)(?![A-Za-z])|\\xrightarrow(?:\[[^\]]*\])?|-+>")
_ARROW = re.compile("([→⇌=])")
_PLUS = re.compile(r"(?<=[A-Za-z0-9)\]])\+(?=\d*[A-Z(\[])|(?<=[+-])\+(?=\d*[A-Z(\[])")
"""A plus between two species, and no charge."""
_SPECIES = re.compile(r"(\d+(?:/\d+)?)?((?:[A-Z][a-z]?\d*|\(|\)\d*|\[|\]\d*|·)+)(\^?\d*[+-])?(\((?:aq|s|l|g)\))?")
_PIECE = re.compile(r"([A-Z][a-z]?)(\d*)|([(\[])|[)\]](\d*)")
_ION = re.compile(r"([A-Z][a-z]?)([2-4])")
_CHARGE = re.compile(r"\^\+(\d+)")
_MANY = 9  # atoms of one element: more belong to a compound of carbon, hydrogen or oxygen
_NEEDED = re.compile(r"[A-Z][a-z]?(?:\)?[_{]*\d|\)?\^?\{?\d?[+-]|[A-Za-z ()]*(?:->|=|→|\\[a-z]+arrow|\\to))")
"""What no formula lacks: an element with its count or charge, or the arrow of a reaction after it."""
_ORBITALS = re.compile(r"d?sp\^?\{?\d\}?(?:d\^?\{?\d?\}?)?")


_Species = NamedTuple("_Species", [("text", str), ("state", str), ("atoms", "Counter[str]"), ("sure", bool)])
"""One species: its text in one spelling, its state, its atoms, and whether it is a formula beyond doubt."""


def read(text: str) -> Key | None:
    """A formula or a reaction as such, its states as a decoration; None for what may as well be algebra."""
    if len(text) > MAX_CHARS or _NEEDED.search(text) is None:
        orbitals = _ORBITALS.fullmatch(text)
        return Key(Chemical(_MARKUP.sub("", text).replace("^", ""), frozenset())) if orbitals is not None else None
    first, *then = _ARROW.split(_MARKUP.sub("", _FORWARD.sub("→", _EQUILIBRIUM.sub("⇌", text))))
    try:
        sides = [[_species(part) for part in _PLUS.split(_CHARGE.sub(r"^\1+", side))] for side in (first, *then[1:])]
    except Unreadable:
        return None
    species = [one for side in sides for one in side]
    if len(sides) > 2 or (not then and not (len(species) == 1 and species[0].sure)):
        return None
    atoms = [sum((one.atoms for one in side), Counter[str]()) for side in sides]
    if then[:1] == ["="] and (atoms[0] != atoms[1] or not any(one.sure for one in species)):
        return None  # a balance of elements tells a reaction from an equation
    written = (" + ".join(sorted(one.text for one in side)) for side in sides)
    balance = {(f"{number} {name}", count) for number, side in enumerate(atoms) for name, count in side.items()}
    states = " ".join(sorted(f"{one.text} {one.state}" for one in species if one.state))
    formula = "".join(then[:1]).replace("=", "→").join(written)
    return Key(Chemical(formula, frozenset(balance)), {"states": states} if states else {})


def _species(text: str) -> _Species:
    coefficient, formula, charge, state = demand(_SPECIES.fullmatch(text)).groups("")
    ion = _ION.fullmatch(formula) if charge in ("+", "-") else None
    if ion is not None:  # Fe3+
        formula, charge = ion[1], ion[2] + charge
    counts = [int(count) for count in re.findall(r"\d+", formula)]
    most = max(counts, default=0)
    atoms = _atoms(formula)
    demand(min(counts, default=2) >= 2 and most <= 9_999)
    demand(most <= _MANY or atoms.keys() & {"C", "H", "O"})  # SW19
    demand(not formula.startswith("(") or len(atoms) > 1)  # (B) 5
    sure = bool(charge) or (bool(counts) and (len(atoms) > 1 or not coefficient))
    if coefficient.isdecimal():
        atoms = Counter({name: number * int(coefficient) for name, number in atoms.items()})
    if charge:
        atoms[f"charge {charge[-1]}"] = int(charge.strip("^+-") or 1)
    return _Species(coefficient + formula + charge.strip("^"), state, atoms, sure)


def _atoms(formula: str) -> Counter[str]:
    """The atoms of a formula; raises `Unreadable` for what is no formula."""
    stack: list[Counter[str]] = [Counter()]
    for element, count, opening, repeated in _PIECE.findall(formula):
        if element:
            stack[-1][element] += int(count or 1)
        elif opening:
            stack.append(Counter())
        elif len(stack) > 1:
            group = stack.pop()
            stack[-1].update({name: number * int(repeated or 1) for name, number in group.items()})
    demand(len(stack) == 1 and stack[0].keys() <= ELEMENTS)
    return stack[0]
