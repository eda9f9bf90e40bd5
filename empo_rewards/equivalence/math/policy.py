"""What a comparison of mathematical answers takes for granted: each choice declared once, with its default."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass
from typing import Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class MathPolicy:
    """The declared choices.

    Args:
        percent: what 50% is. "fraction": 0.5, and not 50. "number": 50, and not 0.5. "either": 0.5, and also 50
            where the set holds no other reading of 50. "asked": "number" where the prompt asks for a percentage,
            "fraction" elsewhere.
        decimal_tolerance: None: decimals are exact, 0.33 is not 1/3. A number: two real answers of which at least one
            is written with a decimal point are equal when they differ by at most this share of the larger one.
            A tolerance is not transitive; clusters are its connected components.
        units: "ignore_when_bare": 5 equals 5 cm unless the set also holds 5 in another unit; then the bare one joins
            neither. "strict": 5 is not 5 cm. "ignore": 5 cm is 5, and so is 5 km.
        ordered_is_set: whether (1, 2), {1, 2} and (2, 1) are the same.
        convert_units: whether 5 km is 5000 m: exact factors between units of one dimension, as 1 in = 2.54 cm.
        bases: "ignore_when_bare": 2516_8 equals 2516 unless the set also holds it in another base. "strict": it does
            not. "value": it is 1358.
        log: what log without a base is: "natural", or "decimal".
        clock: whether 9:00 without a.m. or p.m. is one of "24 hours", or in "either" half of a day, as the set has it.
        date_order: what 03/04/2024 is: "undecided", "day first" or "month first". 13/04/2024 can be one only.
        decimal_comma: whether 3,14 is a "list", a "decimal", or "settled" for the whole set by its other answers.
        vectors: whether a row vector is the "same" as the column of its entries, or differs by its "shape".
    """

    percent: Literal["asked", "fraction", "number", "either"] = "asked"
    decimal_tolerance: float | None = None
    units: Literal["ignore_when_bare", "strict", "ignore"] = "ignore_when_bare"
    ordered_is_set: bool = False
    convert_units: bool = True
    bases: Literal["ignore_when_bare", "strict", "value"] = "ignore_when_bare"
    log: Literal["natural", "decimal"] = "natural"
    clock: Literal["24 hours", "either"] = "24 hours"
    date_order: Literal["undecided", "day first", "month first"] = "undecided"
    decimal_comma: Literal["settled", "list", "decimal"] = "settled"
    vectors: Literal["same", "shape"] = "same"

    def __post_init__(self) -> None:
        if self.decimal_tolerance is not None and not 0 <= self.decimal_tolerance < 1:
            raise ValueError(f"decimal_tolerance must be in [0, 1), not {self.decimal_tolerance!r}")
        for name, allowed in _ALLOWED.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {getattr(self, name)!r}")

    def for_prompt(self, prompt: str) -> MathPolicy:
        """The choices for the answers to one prompt, none of them left to what it asks for."""
        if self.percent != "asked":
            return self
        return MathPolicy("number" if _ASKS_FOR_PERCENTAGE.search(prompt) else "fraction", *astuple(self)[1:])


_ALLOWED = {name: get_args(hint) for name, hint in get_type_hints(MathPolicy).items() if get_origin(hint) is Literal}
"""The values of each choice."""

_ASKS_FOR_PERCENTAGE = re.compile(
    r"\b(?:what|which|how (?:many|much)|find|give|determine|calculate|compute|estimate|express)\b[^.?!\n\d%]{0,60}"
    r"\bper ?cent(?!ile)|\b(?:in|as)(?: an?)? per ?cent(?!ile)",
    re.IGNORECASE,
)
"""A prompt that asks for a percentage: "what percent of", "find the percentage", "as a percent". No number may stand
between: "What is the price after a discount of 20 percent?" asks for none."""
