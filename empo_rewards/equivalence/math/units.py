"""Units of measurement: their spellings, and the exact factors between those of one dimension.

The table of units is `_UNITS`: a row is the symbol, its names, the factor to the base units, and the dimension.
A word that is no unit of the table is a label (12 apples): a dimension of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from empo_rewards.equivalence.math.names import listed

Unit = tuple[tuple[str, int], ...]
"""Powers of unit names, in alphabetical order."""

_SI: dict[str, tuple[str, str, str]] = {
    "m": ("meter metre", "1", "m"), "g": ("gram gramme gm", "1", "g"), "s": ("second sec", "1", "s"),
    "L": ("liter litre l ltr", "1/1000", "m:3"), "N": ("newton", "1000", "g:1 m:1 s:-2"),
    "J": ("joule", "1000", "g:1 m:2 s:-2"), "W": ("watt", "1000", "g:1 m:2 s:-3"),
    "V": ("volt", "1000", "g:1 m:2 s:-3 A:-1"), "A": ("ampere amp", "1", "A"),
    "Pa": ("pascal", "1000", "g:1 m:-1 s:-2"), "Hz": ("hertz", "1", "s:-1"), "mol": ("mole", "1", "mol"),
    "Ω": ("ohm Omega", "1000", "g:1 m:2 s:-3 A:-2"), "T": ("tesla", "1000", "g:1 s:-2 A:-1"),
    "C": ("coulomb", "1", "A:1 s:1"), "F": ("farad", "1/1000", "A:2 s:4 g:-1 m:-2"),
    "Wh": ("watthour", "3600000", "g:1 m:2 s:-2"), "eV": ("electronvolt", "1", "eV"), "cal": ("calorie", "1", "cal"),
    "pc": ("parsec", "1", "pc"), "bar": ("bar", "100000000", "g:1 m:-1 s:-2"), "B": ("byte", "1", "B"),
}  # fmt: skip
_PREFIXES = {
    "k": ("kilo", 3), "M": ("mega", 6), "G": ("giga", 9), "T": ("tera", 12), "c": ("centi", -2), "d": ("deci", -1),
    "m": ("milli", -3), "μ": ("micro", -6), "n": ("nano", -9), "p": ("pico", -12),
}  # fmt: skip
"""Names and powers of ten."""
_UNITS: dict[str, tuple[str, str, str]] = _SI | {
    "in": ("inch inche ins", "127/5000", "m"), "ft": ("foot feet", "381/1250", "m"),
    "yd": ("yard yds", "1143/1250", "m"), "mi": ("mile", "201168/125", "m"), "min": ("minute mins", "60", "s"),
    "h": ("hour hr hrs", "3600", "s"), "day": ("day d", "86400", "s"), "wk": ("week wks", "604800", "s"),
    "mo": ("month", "1", "month"), "yr": ("year yrs", "12", "month"), "lb": ("lbs pound-mass", "45359237/100000", "g"),
    "oz": ("ounce", "45359237/1600000", "g"), "t": ("tonne", "1000000", "g"), "gal": ("gallon", "1", "gal"),
    "qt": ("quart", "1/4", "gal"), "pt": ("pint", "1/8", "gal"), "cup": ("cup", "1/16", "gal"),
    "atm": ("atmosphere", "101325000", "g:1 m:-1 s:-2"), "ha": ("hectare", "10000", "m:2"), "K": ("kelvin", "1", "K"),
    "°": ("degree deg", "1", "°"), "rad": ("radian", "1", "rad"), "°C": ("celsius centigrade", "1", "°C"),
    "°F": ("fahrenheit", "1", "°F"), "$": ("dollar usd USD buck", "1", "$"), "¢": ("cent", "1/100", "$"),
    "€": ("euro eur EUR", "1", "€"), "£": ("pound-sterling gbp GBP", "1", "£"), "%": ("percent pct", "1", "%"),
    "BC": ("bce", "1", "BC"), "AD": ("ce", "1", "AD"), "times": ("× *", "1", "times"), "unit": ("units", "1", "unit"),
}  # fmt: skip
_COMPOUND = {
    "mph": "mi:1 h:-1", "kph": "km:1 h:-1", "kmh": "km:1 h:-1", "mps": "m:1 s:-1", "cc": "cm:3", "molar": "mol:1 L:-1",
}  # fmt: skip
"""Abbreviations of several units."""


def _powers(text: str) -> dict[str, int]:
    """The powers of names that are written as g:1 m:2 s:-2."""
    parts = (part.partition(":") for part in text.split())
    return {name: int(power or 1) for name, _, power in parts}


_SCALES: dict[str, tuple[Fraction, dict[str, int]]] = {}
_ALIASES: dict[str, str] = {}


def register(symbol: str, names: str, factor: str = "1", dimension: str = "", *, prefixed: bool = False) -> None:
    """Adds a unit: its symbol, its names, its factor to the base units of its dimension, whether it takes prefixes."""
    base = _powers(dimension or symbol)
    _SCALES[symbol] = Fraction(factor), base
    _ALIASES.update(dict.fromkeys(names.split(), symbol))
    for prefix, (spoken, power) in _PREFIXES.items() if prefixed else ():
        if prefix + symbol not in _UNITS:
            _SCALES[prefix + symbol] = Fraction(factor) * Fraction(10) ** power, base
            _ALIASES.update({spoken + name: prefix + symbol for name in names.split() if len(name) > 3})


for _symbol, _row in _UNITS.items():
    register(_symbol, *_row, prefixed=_symbol in _SI)
_ALIASES |= {"kilo": "kg", "kgs": "kg", "ml": "mL", "dl": "dL", "cl": "cL", "um": "μm", "micron": "μm", "us": "μs"}

SYMBOLS = (
    frozenset(name for name in (*_SCALES, *_COMPOUND) if len(name) > 1 and name.isascii() and name.isalpha())
    - {"in", "times", "unit", "day", "cup", "bar", "BC", "AD", "mo"}
) | frozenset(listed("AU mL ml rpm dB psi deg sq pct hr hrs mins sec secs lbs yrs USD EUR GBP"))
"""Abbreviations of more than one letter that are read as a unit after a number, also where they are not set as text."""

TIMES = frozenset(listed("hr min sec day wk mo yr"))
"""Abbreviations behind a slash that are a unit of whatever stands before it."""

LETTERS = frozenset("msgNJWVAKLTFCh")
"""Single letters that are read as a unit where they stand apart from the number before them: 5 N."""

DEGREES: dict[Unit, Unit] = {((name, 1),): ((f"°{name}", 1),) for name in "CF"}
"""Units whose letters may be those of a scale of temperature, where the sign of degrees is left out: 100 C."""

PRODUCTS = frozenset(listed(
    "mg ms ns nm pm mm mV mA kV mN mJ mT mF pF nF pN nN pA nA nC pC mC kC cL dL cg mL pc GW MW TW kT kN kA MN ha"
))  # fmt: skip
"""Abbreviations that may as well be a product of two symbols where they touch the number: 2mg."""

NOT_UNITS = frozenset(listed(
    "if for when where with is are was be the of in on at from by to as such that then than there which who whose what "
    "all any some no not none each every only one two or and a an it its has have does do can cannot must given since "
    "below above less more fewer over under off because so thus hence i.e e.g let approximately about per"
))  # fmt: skip
"""Words after a value that say more than its unit."""

POWERS = {"square": 2, "sq": 2, "cubic": 3}  # words before a unit that say its power

MOST_NAMES = 5  # names of one unit, and units of one quantity

QUALIFIERS = frozenset({"at", "for", "from", "in"})
"""Words that tell one value of a list from another: $3000 at 10%, $2000 at 8%."""

PROSE = frozenset(listed(
    "is are was be the of for where when which such that then than there these those whose what any every has have "
    "does cannot must given because thus hence let with without between either neither"
))  # fmt: skip
"""Words that no formula contains: an answer with one of them is a sentence."""


def name_of(word: str) -> str:
    """The canonical name of a unit's word: abbreviations as they are, words in the singular and in small letters."""
    if word in _SCALES or word in SYMBOLS:
        return _ALIASES.get(word, word)
    lower = word.lower()
    for candidate in (word, lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if candidate in _ALIASES or (candidate in _SCALES and len(candidate) > 1):
            return _ALIASES.get(candidate, candidate)
    if len(lower) <= 3 or lower.endswith("ss"):
        return word if len(word) <= 2 else lower
    if lower.endswith("ies"):
        return lower[:-3] + "y"
    return lower[:-2] if lower.endswith(("xes", "ses", "ches", "shes")) else lower.removesuffix("s")


def _collected(powers: Iterable[tuple[str, int]]) -> Unit:
    """A unit from powers of names, of which one may stand there several times."""
    found: Counter[str] = Counter()
    for name, power in powers:
        found[name] += power
    return tuple(sorted((name, power) for name, power in found.items() if power))


def canonical(powers: dict[str, int]) -> Unit:
    """A unit from the powers of its names. The words "unit" and "old" (16 years old) say nothing, "square units" do."""
    scale = next((name for name in ("°C", "°F", "C", "F") if name in powers), None)
    if "°" in powers and scale is not None:
        powers = {name: power for name, power in powers.items() if name not in ("°", scale)} | {"°" + scale[-1]: 1}
    silent = {"unit", "old"} if powers.keys() & {"yr", "mo", "day", "wk"} else {"unit"}
    return _collected(
        (part, power * exponent)
        for name, power in powers.items()
        for part, exponent in _powers(_COMPOUND.get(name, name)).items()
        if part not in silent or abs(power * exponent) > 1
    )


def scale(unit: Unit) -> tuple[Fraction, Unit]:
    """The factor of a unit to the base units of its dimension, and the dimension as powers of base units."""
    rows = [(_SCALES.get(name, (Fraction(1), {name: 1})), power) for name, power in unit]
    factor = math.prod((own ** max(-12, min(12, power)) for (own, _), power in rows), start=Fraction(1))
    return factor, _collected((part, power * exponent) for (_, base), power in rows for part, exponent in base.items())


def spelled(unit: Unit) -> str:
    """A unit as text: m s^-2."""
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in unit)
