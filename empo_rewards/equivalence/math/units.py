"""Units by their many names. They are labels here: nothing is converted."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


Unit = tuple[tuple[str, int], ...]
"""Powers of unit names, in alphabetical order."""

_NAMES = {
    "m": "meter metre", "cm": "centimeter centimetre", "mm": "millimeter millimetre", "km": "kilometer kilometre",
    "in": "inch inche", "ft": "foot feet", "yd": "yard", "mi": "mile",
    "s": "sec second", "min": "minute mins", "h": "hr hour", "ms": "millisecond",
    "g": "gram gm", "kg": "kilogram kilo", "mg": "milligram", "lb": "pound lbs",
    "L": "liter litre l", "mL": "milliliter millilitre ml",
    "N": "newton", "J": "joule", "kJ": "kilojoule", "W": "watt", "V": "volt", "A": "ampere amp", "Pa": "pascal",
    "K": "kelvin", "Hz": "hertz", "mol": "mole", "rad": "radian", "C": "coulomb", "T": "tesla", "F": "farad",
    "°": "degree deg", "$": "dollar usd", "¢": "cent", "€": "euro eur", "%": "percent pct",
    "unit": "units",
}  # fmt: skip
ALIASES = {alias: name for name, aliases in _NAMES.items() for alias in aliases.split()}

SYMBOLS = frozenset(
    _words(
        "cm mm km nm pm kg mg mL kJ kW MW MHz GHz kHz Hz eV keV MeV GeV kPa MPa Pa mol rad ft mi yd lb oz hr min sec "
        "ms ns cc pc kpc Mpc AU mph kph rpm dB kV mV mA kcal cal atm psi deg sq ml pct"
    )
)
"""Abbreviations of more than one letter that are read as a unit after a number, also where they are not set as text."""

LETTERS = frozenset("msgNJWVAKLTHFCh")
"""Single letters that are read as a unit where they stand apart from the number before them: 5 N."""

NOT_UNITS = frozenset(
    _words(
        "if for when where with is are was be the of in on at from by to as such that then than "
        "there which who whose what "
        "all any some no not none each every only one two or and a an it its has have does do can "
        "cannot must given since "
        "because so thus hence i.e e.g let approximately about per"
    )
)
"""Words after a value that say more than its unit."""

PROSE = frozenset(
    _words(
        "is are was be the of for where when which such that then than there these those whose what any every "
        "has have does cannot must given because thus hence let with without between either neither"
    )
)
"""Words that no formula contains: an answer with one of them is a sentence."""


def name_of(word: str) -> str:
    """The canonical name of a unit's word: abbreviations as they are, words in the singular and in small letters."""
    if len(word) <= 2 or word in SYMBOLS:
        return ALIASES.get(word, word)
    lower = word.lower()
    for candidate in (lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if candidate in ALIASES:
            return ALIASES[candidate]
    return lower.removesuffix("s") if len(lower) > 3 and not lower.endswith("ss") else lower


def canonical(powers: dict[str, int]) -> Unit:
    """A unit from the powers of its names. The word "unit" says nothing, whatever its power."""
    return tuple(sorted((name, power) for name, power in powers.items() if power and name != "unit"))
