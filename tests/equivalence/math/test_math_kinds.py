"""Kinds of answers that are no plain expressions: each is read as what it is, and joins nothing it looks like."""

import datetime
import json
import random
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest

from empo_rewards.equivalence.math import MathEquivalence, MathPolicy
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.equivalence.math.names import listed
from empo_rewards.equivalence.math.shapes import Opaque, Text
from empo_rewards.protocols import AnswerSet

KINDS = json.loads((Path(__file__).parent / "kinds.json").read_text(encoding="utf-8"))
SAME = [(case["kind"], *pair) for case in KINDS for pair in case.get("same", ())]
DIFFERENT = [(case["kind"], *pair) for case in KINDS for pair in case.get("different", ())]


@pytest.fixture(scope="module")
def math():
    return MathEquivalence()


def verdict(backend, a, b):
    """True, False or None of two answers; the same in either order."""
    found = []
    for texts in ((a, b), (b, a)):
        (relation,) = backend.relate([AnswerSet(texts)])
        found.append(True if relation.equal else None if relation.undecided else False)
    assert found[0] is found[1], "the order of the answers counted"
    return found[0]


def clusters(backend, *texts):
    """The classes of a set of answers."""
    (relation,) = backend.relate([AnswerSet(texts)])
    classes = [{text} for text in texts]
    for i, j in relation.equal:
        one = next(c for c in classes if texts[i] in c)
        other = next(c for c in classes if texts[j] in c)
        if one is not other:
            one |= other
            classes.remove(other)
    return {frozenset(c) for c in classes}


@pytest.mark.parametrize(("kind", "a", "b"), SAME)
def test_one_answer_in_two_spellings_is_one(math, kind, a, b):
    assert verdict(math, a, b) is True


@pytest.mark.parametrize(("kind", "a", "b"), DIFFERENT)
def test_two_answers_of_a_kind_stay_two(math, kind, a, b):
    assert verdict(math, a, b) is not True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("3-1", "2"),
        ("03/04/2024", "3 April 2024"),
        ("A-B-C", "B-A-C"),
        ("1.2.3", "1.2.4"),
        ("p \\land q", "p \\lor q"),
        ("2 x 3", "6"),
        ("555-1234", "-679"),
        ("C2H5OH", "C2H6O"),
        ("6-4, 6-3", "6-3, 6-4"),
    ],
)
def test_what_cannot_be_read_surely_is_undecided(math, a, b):
    assert verdict(math, a, b) is None
    assert verdict(math, a, f" {a} ") is True


# What a set settles


@pytest.mark.parametrize(
    ("ambiguous", "readings"),
    [
        ("3,14", ("3.14", "(3, 14)")),
        ("5 pounds", ("£5", "5 lb")),
        ("2600g", ("2.6 kg", "2600 \\cdot g")),
        ("1 to 3", ("1:3", "from 1 to 3")),
        ("2 or 3, 5", ("2, 3, 5",)),
    ],
)
def test_an_ambiguous_answer_joins_the_one_reading_that_the_set_holds_and_bridges_none(math, ambiguous, readings):
    for reading in readings:
        assert clusters(math, ambiguous, reading) == {frozenset({ambiguous, reading})}
    if len(readings) > 1:
        for texts in permutations((ambiguous, *readings)):
            assert clusters(math, *texts) == {frozenset({text}) for text in texts}


def test_a_decimal_comma_is_settled_for_the_whole_set(math):
    assert clusters(math, "1,5", "1.5", "2,5", "5/2") == {frozenset({"1,5", "1.5"}), frozenset({"2,5", "5/2"})}


def test_a_bare_number_joins_a_quantity_in_one_unit_and_bridges_none(math):
    assert clusters(math, "5 km", "5 kilometers", "5") == {frozenset({"5 km", "5 kilometers", "5"})}
    assert clusters(math, "5 km", "5000 m", "5", "5000") == {
        frozenset({"5 km", "5000 m"}),
        frozenset({"5"}),
        frozenset({"5000"}),
    }
    assert clusters(math, "5 km", "5 m", "5") == {frozenset({text}) for text in ("5 km", "5 m", "5")}
    assert clusters(math, "5 m/s", "5\\text{ m/s}", "5 \\cdot m / s") == {
        frozenset({text}) for text in ("5 m/s", "5\\text{ m/s}", "5 \\cdot m / s")
    }


def test_a_bare_list_does_not_join_what_and_and_or_tell_apart(math):
    assert verdict(math, "2 or 3", "2, 3") is verdict(math, "2 and 3", "2, 3") is True
    assert clusters(math, "2 or 3", "2 and 3", "2, 3") == {frozenset({t}) for t in ("2 or 3", "2 and 3", "2, 3")}


@pytest.mark.parametrize(
    "expected",
    [
        [{"2 < x < 3", "(2, 3)"}, {"2, 3"}],  # the pair is no list here
        [{"2 < x < 3"}, {"(2, 3)"}, {"\\begin{pmatrix} 2 \\\\ 3 \\end{pmatrix}"}],  # nor an interval, nor a vector
        [{"x = 2 or x = 3", "2, 3"}, {"(2, 3)"}],  # the list is of solutions here
        [{"\\frac{x}{y} = 5"}, {"x = 5"}, {"5"}],
        [{"f(x) = 2x"}, {"g(x) = 2x"}, {"y = 2x"}],
        [{"3 - x", "y = 3 - x", "x + y = 3", "f(x) = 3 - x"}],
        [{"IV"}, {"VI"}, {"V \\cdot I"}],
        [{"9 am EST"}, {"9 am PST"}, {"9 am"}],
        [{"\\emptyset", "\\{\\}"}, {"\\{\\emptyset\\}"}, {"\\{\\{\\emptyset\\}\\}"}],
    ],
)
def test_no_answer_stands_between_two_that_differ(math, expected):
    texts = sorted(text for cluster in expected for text in cluster)
    for some in (texts, texts[::-1]):
        assert clusters(math, *some) == set(map(frozenset, expected))


def test_the_prompt_says_which_case_a_letter_has(math):
    def equal(prompt, *texts):
        return bool(math.relate([AnswerSet(texts, prompt)])[0].equal)

    texts = ("F = 3\\sqrt{Q}", "3\\sqrt{q}")
    assert equal("Write the cost in terms of q.", *texts)
    assert equal("Let Q be the output.", *texts)
    assert not equal("", *texts)
    assert not equal("The firm makes q, the market Q.", *texts)
    assert not equal("A mass m at a distance r.", "GMm/r", "Gmm/r")


def test_values_by_what_is_said_of_them(math):
    text = "\\$300 \\text{ at 7%}, \\$200 \\text{ at 5%}"
    assert verdict(math, text, "300, 200") is True
    assert verdict(math, text, "\\$200 \\text{ at 5%}, \\$300 \\text{ at 7%}") is True
    assert verdict(math, text, "\\$200 \\text{ at 7%}, \\$300 \\text{ at 5%}") is not True


def test_letters_beside_the_words_of_a_name_tell_unknowns_apart(math):
    assert verdict(math, "Side AB = 5", "AB = 5") is verdict(math, "Then x = 5", "x = 5") is True
    assert verdict(math, "Side AB = 5", "CD = 5") is verdict(math, "Then x = 5", "y = 5") is False
    assert verdict(math, "Side AB = 5", "Side CD = 5") is False


# The declared choices


@pytest.mark.parametrize(
    ("option", "a", "b", "default", "otherwise"),
    [
        ({"convert_units": False}, "5 km", "5000 m", True, False),
        ({"bases": "strict"}, "2516_8", "2516", True, False),
        ({"bases": "value"}, "2516_8", "1358", False, True),
        ({"log": "decimal"}, "\\log 100", "2", False, True),
        ({"clock": "either"}, "9:00", "9:00 PM", False, True),
        ({"date_order": "day first"}, "03/04/2024", "3 April 2024", None, True),
        ({"date_order": "month first"}, "03/04/2024", "March 4, 2024", None, True),
        ({"decimal_comma": "list"}, "3,14", "3.14", True, False),
        ({"decimal_comma": "decimal"}, "3,14", "(3, 14)", True, False),
        ({"vectors": "shape"}, r"\begin{bmatrix}1&2\end{bmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", True, False),
        ({"units": "strict"}, "5 mph", "5", True, False),
    ],
)
def test_each_choice_is_an_option(math, option, a, b, default, otherwise):
    assert verdict(math, a, b) is default
    assert verdict(MathEquivalence(**option), a, b) is otherwise


def test_an_unknown_value_of_a_choice_is_refused():
    with pytest.raises(ValueError, match="clock must be one of '24 hours', 'either', not 'noon'"):
        MathEquivalence(clock="noon")  # type: ignore[arg-type]


# Generated: the oracles are Python's own dates, fractions and integers

_SMALL = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = listed("twenty thirty forty fifty sixty seventy eighty ninety")


def in_words(number):
    """An integer below 10^9 as it is said."""
    for scale, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= scale:
            rest = number % scale
            link = " and " if scale == 100 else " "
            return f"{in_words(number // scale)} {name}" + (link + in_words(rest) if rest else "")
    if number < 20:
        return _SMALL[number]
    return _TENS[number // 10 - 2] + (f"-{_SMALL[number % 10]}" if number % 10 else "")


@pytest.mark.parametrize("seed", range(60))
def test_numbers_in_words_are_their_values(math, seed):
    number = random.Random(seed).randrange(10 ** random.Random(seed).randint(1, 8))
    assert verdict(math, in_words(number), str(number)) is True
    assert verdict(math, in_words(number), str(number + 1)) is not True
    assert verdict(math, f"minus {in_words(number + 1)}", str(-number - 1)) is True


@pytest.mark.parametrize("seed", range(40))
def test_a_date_is_the_same_in_each_of_its_forms_and_no_other_day(math, seed):
    rng = random.Random(seed)
    day = datetime.date(rng.randint(1800, 2100), 1, 1) + datetime.timedelta(days=rng.randrange(365))
    forms = [day.isoformat(), f"{day:%B} {day.day}, {day.year}", f"{day.day} {day:%b} {day.year}"]
    if day.day > 12:
        forms += [f"{day:%d/%m/%Y}", f"{day:%m/%d/%Y}"]
    assert clusters(math, *forms) == {frozenset(forms)}
    other = day + datetime.timedelta(days=rng.choice((-400, -31, -1, 1, 30, 366)))
    assert all(verdict(math, form, other.isoformat()) is False for form in forms)


_FACTORS = {
    ("km", "m"): 1000, ("m", "cm"): 100, ("cm", "mm"): 10, ("kg", "g"): 1000, ("hours", "minutes"): 60,
    ("minutes", "seconds"): 60, ("days", "hours"): 24, ("feet", "inches"): 12, ("yards", "feet"): 3,
    ("liters", "mL"): 1000,
    ("inches", "cm"): Fraction(254, 100), ("kJ", "J"): 1000, ("dollars", "cents"): 100, ("m^2", "cm^2"): 10**4,
    ("m/s", "km/h"): Fraction(36, 10), ("lb", "oz"): 16, ("weeks", "days"): 7, ("years", "months"): 12,
}  # fmt: skip


@pytest.mark.parametrize(("units", "factor"), _FACTORS.items())
def test_units_of_one_dimension_are_converted_exactly(math, units, factor):
    rng = random.Random(str(units))
    for _ in range(5):
        number = Fraction(rng.randint(1, 400), rng.choice((1, 2, 4, 5)))
        large = f"{float(number):g} {units[0]}"
        assert verdict(math, large, f"{float(number * factor):.9g} {units[1]}") is True
        assert verdict(math, large, f"{float(number * factor) + 0.25:.9g} {units[1]}") is False


# One reading for answers in words


@pytest.mark.parametrize(
    "text",
    ["5 years", "3 to 5 days", "two and a half", "July 4, 2024", "H2O", "9 am", "more than 5", "9 cats and 2 dogs"],
)
def test_a_quantity_is_no_sentence(text):
    assert not isinstance(key_of(text, MathPolicy()).shape, (Text, Opaque))


@pytest.mark.parametrize("text", ["Paris", "the price rises", "mother of pearl", "square root of the length"])
def test_a_sentence_is_no_quantity(text):
    assert isinstance(key_of(text, MathPolicy()).shape, Text)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("5 years", "more than 5 years", False),
        ("3 to 5 days", "5 days", False),
        ("3 to 5 days", "3-5 days", True),
        ("at most 5", "at least 5", False),
        ("about 12", "12", True),
        ("2 million", "2", False),
        ("Paris", "5", False),
        ("July 4", "July 4, 2024", None),
    ],
)
def test_quantities_in_words_are_the_same_or_differ(math, a, b, expected):
    assert verdict(math, a, b) is expected


# Bounds


@pytest.mark.parametrize(
    "piece",
    [
        "1-",
        "3 hours ",
        "5 m/",
        "million ",
        "twenty-",
        "1.",
        "$1-",
        "H2",
        "2H2 + ",
        "x2",
        "half ",
        "a+b=",
        "3 to ",
        "k\\in\\mathbb{Z},",
    ],
)
def test_long_rubbish_of_each_kind_is_read_in_linear_work(piece):
    short, long = (key_of(piece * count, MathPolicy()) for count in (110, 1_100))
    assert long.work <= 30 * short.work
