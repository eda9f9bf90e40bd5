"""The table of functions: each row under hostile arguments; a row, a notation and a unit added in their one place."""

import json
import resource
import subprocess
import sys
import textwrap

import pytest

from empo_rewards.equivalence.math import MathEquivalence, names, table, units
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.table import TABLE, Function, register
from empo_rewards.protocols import AnswerSet

ARGUMENTS = [
    *("0", "1", "-1", "1/2", "-7/3", "2500", "2501", "-2500", "4095", "4097", "10^6", "10^{30}+1/3", "-10^{30}"),
    *("10^{300}", "10^{-300}", "-10^{-300}", "2^{30000}", "2^{-30000}", "e^{1000}", "e^{-1000}", "e^{e^{e^{e}}}"),
    *("1+10^{-4000}", "\\pi", "\\sqrt2+\\sqrt3", "\\sqrt[60]{2}", "x", "10^{9}x", "x^{1000}", "i", "1/x", "\\infty"),
]

HOSTILE = """
    import json, resource, sys
    from fractions import Fraction
    from empo_rewards.equivalence.math import balls, functions
    from empo_rewards.equivalence.math.algebra import Budget, Func, TooLarge, Undefined, Value, atom
    from empo_rewards.equivalence.math.canonical import key_of
    from empo_rewards.equivalence.math.limits import PRECISIONS
    from empo_rewards.equivalence.math.policy import MathPolicy
    from empo_rewards.equivalence.math.table import TABLE

    values = [key_of(text, MathPolicy()).shape for text in json.loads(sys.argv[1])]
    assert all(isinstance(value, Value) for value in values)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for row in TABLE.values():
        print(row.name, flush=True)
        for k, value in enumerate(values):
            for other in {values[(k * step + step) % len(values)] for step in (0, 3, 11, 17)}:
                args = (value, other)[: max(row.arity[0], min(2, row.arity[1]))]
                found = [atom(Func(row.name, args))]
                try:
                    with Budget().counted():
                        found.append(functions.apply(row.name, args))
                except (TooLarge, Undefined):
                    pass
                for precision in PRECISIONS:
                    for each in found:
                        at = balls.Evaluator({"x": Fraction(7, 3)}, precision, real=k % 2 == 0)
                        try:
                            with Budget(15_000).counted():
                                balls.at_precision(precision, lambda: at.value(each))
                        except (balls.NoValue, TooLarge):
                            pass
                if row.arity[1] == 1:
                    break
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_every_row_keeps_its_bounds():
    """FLINT ends the process where it cannot have the memory: the child has 60 s of CPU, and 64 MiB over its base."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HOSTILE), json.dumps(ARGUMENTS)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)),
    )
    *rows, memory = done.stdout.split("\n")[:-1]
    assert done.returncode == 0, (rows, memory, done.stderr[-2_000:])
    assert len(rows) > 40
    assert int(memory) < 64 * 1024


def equal(a, b):
    return bool(MathEquivalence().relate([AnswerSet((a, b))])[0].equal)


def test_a_function_is_added_in_one_place(monkeypatch):
    for known in (table.TABLE, table.SPELLINGS):
        monkeypatch.setitem(known, "cube", None)  # so that it is gone afterwards
    register(Function("cube", ("cube",), exact=lambda x: x**3))
    assert equal(r"\cube(x+1)", "(x+1)^3")
    assert equal(r"\operatorname{cube}(2)", "8")
    assert not equal(r"\cube(x)", "x^2")


def test_a_function_by_its_enclosure_alone(monkeypatch):
    for known in (table.TABLE, table.SPELLINGS):
        monkeypatch.setitem(known, "si", None)
    register(Function("si", ("Si",), flint="si"))
    assert equal(r"\Si(2x)+\sin^2 x", r"\Si(x+x)+1-\cos^2 x")
    assert not equal(r"\Si(2)", "1.6054129768026948")
    (relation,) = MathEquivalence().relate([AnswerSet((r"\Si(2)", "1.6054129768026948"))])
    assert relation.undecided == ()  # it is enclosed, and refuted


def test_a_sign_is_told_by_as_many_digits_as_it_takes():
    """10^50 + 5·10^-51 and 10^50 are one at the first precision."""
    for text, value in [(r"\sgn(\sqrt{10^{100}+1}-10^{50})", "1"), (r"\sgn(10^{50}-\sqrt{10^{100}+1})", "-1")]:
        assert equal(text, value)
        assert not equal(text, "0")


def test_the_size_of_a_complex_number():
    assert equal("|3+4i|", "5")
    assert equal("|3+4i|^2", "25")
    assert equal("|x+iy|", r"\sqrt{x^2+y^2}")
    assert not equal("|3+4i|", "7")


def test_binomials_and_factorials_of_symbols():
    assert equal(r"\binom{n}{k}+\binom{n}{k+1}", r"\binom{n+1}{k+1}")
    assert equal(r"\frac{(n+2)!}{n!}", "(n+1)(n+2)")
    assert equal("(n+2)!!/n!!", "n+2")
    assert not equal(r"\binom{n}{2}", "n(n+1)/2")


def test_odd_functions_are_zero_at_zero():
    for name in ("sin", "tan", "arcsin", "arctan", "sgn", "sinh"):
        assert equal(rf"\{name}(0)+x", "x")


def test_a_notation_is_added_in_one_place(monkeypatch):
    monkeypatch.setitem(names.COMMANDS, "thrice", ("num", "3"))
    assert equal(r"\thrice x", "3x")


def test_a_unit_is_added_in_one_place(monkeypatch):
    assert not equal("2 smoots", r"3.4036\text{ m}")
    monkeypatch.setattr(units, "_SCALES", dict(units._SCALES))
    monkeypatch.setattr(units, "_ALIASES", dict(units._ALIASES))
    units.register("smoot", "smoots", "1.7018", "m")
    assert equal("2 smoots", r"3.4036\text{ m}")


def test_a_row_without_rules_is_read_and_nothing_is_known_of_it(monkeypatch):
    for known in (table.TABLE, table.SPELLINGS):
        monkeypatch.setitem(known, "glub", None)
    register(Function("glub", ("glub",)))
    assert equal(r"\glub(x+1)", r"\glub(1+x)")
    (relation,) = MathEquivalence().relate([AnswerSet((r"\glub(x)", r"\glub(2x)"))])
    assert relation.undecided == ((0, 1),)


def test_no_name_is_spelled_twice():
    spelled = [spelling for row in TABLE.values() for spelling in row.spellings]
    assert len(spelled) == len(set(spelled))


@pytest.mark.parametrize(
    "row", [row for row in TABLE.values() if row.spellings and row.arity[0] == 1 and not row.letter]
)
def test_every_spelling_is_read_as_its_function(row):
    first, *others = (key_of(rf"\{spelling}(x+2)", MathPolicy()).shape for spelling in row.spellings)
    assert all(other == first for other in others)
