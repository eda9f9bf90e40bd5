"""Properties of the keys for any input; the oracle is `fractions.Fraction`, or evaluation at rational points."""

import contextlib
from fractions import Fraction
from operator import add, mul, sub, truediv

from hypothesis import given, settings
from hypothesis import strategies as st

from empo_rewards.equivalence.math import MathEquivalence, MathPolicy
from empo_rewards.equivalence.math.algebra import Budget, TooLarge, Undefined, Value, parts_of
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.equivalence.math.shapes import compare
from empo_rewards.protocols import AnswerSet

POLICY = MathPolicy()
KEYS = MathEquivalence()
CHARACTERS = "0123456789xyabniCI+-*/^_(){}[]|,;:.=<>!%$&~'\" ½²√≤\u200b"
COMMANDS = (
    "\\frac \\sqrt \\pi \\left( \\right) \\text{ \\{ \\} \\infty \\pm \\cup \\le \\sin \\log \\\\ \\in \\circ "
    "\\overline{ \\begin{pmatrix} \\end{pmatrix} \\mid \\binom \\cdot \\int \\ne \\quad \\approx and or cm e mod"
)
FRAGMENTS = [*CHARACTERS, *COMMANDS.split()]
answers = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)
rationals = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6)


def shape(text):
    return key_of(text, POLICY).shape


def number(text):
    """The rational number that an answer's key says."""
    found = shape(text)
    assert isinstance(found, Value), text
    assert found.rational is not None, text
    return Fraction(found.rational)


@given(answers, answers)
def test_comparison_is_total_and_symmetric(a, b):
    assert compare(shape(a), shape(b)) is compare(shape(b), shape(a))
    there, back = KEYS.relate([AnswerSet((a, b))]), KEYS.relate([AnswerSet((b, a))])
    assert (there[0].equal, there[0].undecided) == (back[0].equal, back[0].undecided)


@given(answers)
def test_comparison_is_reflexive(a):
    assert shape(a) == shape(a)
    assert compare(shape(a), shape(a)) is True


@given(st.lists(answers, min_size=2, max_size=7, unique=True), st.randoms(use_true_random=False))
def test_clusters_do_not_depend_on_the_order_of_the_texts(texts, random):
    def partition(ordered):
        parent = {text: {text} for text in ordered}
        for i, j in KEYS.relate([AnswerSet(tuple(ordered))])[0].equal:
            joined = parent[ordered[i]] | parent[ordered[j]]
            for text in joined:
                parent[text] = joined
        return {frozenset(members) for members in parent.values()}

    shuffled = list(texts)
    random.shuffle(shuffled)
    assert partition(texts) == partition(shuffled)


@given(rationals)
def test_a_number_is_the_same_in_every_notation(q):
    top, bottom = q.numerator, q.denominator
    sign = "-" if top < 0 else ""
    notations = [
        f"{top}/{bottom}",
        f"\\frac{{{top}}}{{{bottom}}}",
        f"{sign}\\dfrac{{{abs(top)}}}{{{bottom}}}",
        f"{sign} \\frac {{ {3 * abs(top)} }} {{ {3 * bottom} }}",
        f"$ {top} / {bottom} $",
        f"\\left( {top}/{bottom} \\right)",
        f"x = {top}/{bottom}",
        f"{top}\\cdot {bottom}^{{-1}}",
        f"\\boxed{{{top}/{bottom}}}",
        f"{100 * top}/{bottom} \\%",
    ]
    whole, rest = divmod(abs(top), bottom)
    if whole and rest:
        notations += [f"{sign}{whole} {rest}/{bottom}", f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}"]
    assert [number(text) for text in notations] == [q] * len(notations)


@given(st.integers(-(10**15), 10**15), st.integers(0, 12))
def test_decimals_and_thousands(digits, places):
    q = Fraction(digits, 10**places)
    sign, text = "-" if digits < 0 else "", str(abs(digits)).rjust(places + 1, "0")
    whole, decimals = text[: len(text) - places], text[len(text) - places :]
    tail = "." + decimals if decimals else ""
    grouped = f"{int(whole):,}"
    notations = [
        sign + whole + tail,
        sign + whole + (tail or ".") + "000",
        sign + grouped + tail,
        sign + grouped.replace(",", "{,}") + tail,
        sign + grouped.replace(",", ",\\!") + tail,
        f"{digits}e-{places}",
        f"{digits} \\times 10^{{-{places}}}",
        f"{digits}*10^(-{places})",
    ]
    assert [number(text) for text in notations] == [q] * len(notations)


@given(st.integers(0, 999), st.text("0123456789", max_size=5), st.text("0123456789", min_size=1, max_size=6))
def test_repeating_decimals(whole, fixed, repeated):
    q = Fraction(
        int(f"{whole}{fixed}{repeated}") - int(f"{whole}{fixed}"), 10 ** len(fixed) * (10 ** len(repeated) - 1)
    )
    assert number(f"{whole}.{fixed}\\overline{{{repeated}}}") == q


@given(st.integers(1, 10**4), st.integers(2, 4))
def test_roots_agree_with_integer_arithmetic(n, degree):
    assert number(f"\\sqrt[{degree}]{{{n**degree}}}") == n
    assert number(f"(\\sqrt[{degree}]{{{n}}})^{degree}") == n
    assert number(f"\\frac{{1}}{{\\sqrt{{{n}}}}} \\cdot \\sqrt{{{n}}}") == 1


# Random rational functions, as text and as an exact function of x and y.


def binary(operator, apply):
    return lambda pair: (
        f"({pair[0][0]}{operator}{pair[1][0]})",
        lambda x, y: apply(pair[0][1](x, y), pair[1][1](x, y)),
    )


def combined(children):
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(binary("+", lambda a, b: a + b)),
        pairs.map(binary("-", lambda a, b: a - b)),
        pairs.map(binary(" \\cdot ", lambda a, b: a * b)),
        pairs.map(lambda p: (f"\\frac{{{p[0][0]}}}{{{p[1][0]}}}", lambda x, y: p[0][1](x, y) / p[1][1](x, y))),
        children.map(lambda c: (f"({c[0]})^2", lambda x, y: c[1](x, y) ** 2)),
    )


leaves = st.one_of(
    st.integers(-9, 9).map(lambda n: (f"({n})", lambda x, y: Fraction(n))),
    st.just(("x", lambda x, y: x)),
    st.just(("y", lambda x, y: y)),
)
expressions = st.recursive(leaves, combined, max_leaves=6)
POINTS = [(Fraction(7919, 101), Fraction(-104729, 307)), (Fraction(13, 7907), Fraction(65537, 11))]


def values(function):
    """The values at the points; None where it is not defined at one of them."""
    try:
        return [function(x, y) for x, y in POINTS]
    except ZeroDivisionError:
        return None


@settings(max_examples=300)
@given(expressions, expressions)
def test_rational_functions_are_compared_as_functions(a, b):
    left, right = values(a[1]), values(b[1])
    if left is None or right is None:
        return
    verdict = compare(shape(a[0]), shape(b[0]))
    assert verdict is (left == right)


def parts(value):
    """All values in a value, with copies of their terms."""
    found = [(value, dict(value.terms), None if value.over is None else dict(value.over))]
    return found + [part for name in value.atoms for inner in parts_of(name) for part in parts(inner)]


functions = st.recursive(
    expressions.map(lambda pair: pair[0]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from((r"\sin({})", r"\sqrt{{{}}}", "|{}|", r"\ln({})", "e^{{{}}}", "({})!")), inner).map(
            lambda made: made[0].format(made[1])
        ),
        st.tuples(inner, inner).map(lambda made: f"({made[0]})({made[1]})-({made[1]})"),
    ),
    max_leaves=3,
)


@given(functions, functions)
def test_no_operation_changes_a_value(a, b):
    left, right = shape(a), shape(b)
    if not (isinstance(left, Value) and isinstance(right, Value)):
        return
    before = parts(left) + parts(right)
    compare(left, right)
    for operation in (add, mul, sub, truediv, pow):
        with contextlib.suppress(TooLarge, Undefined), Budget().counted():
            operation(left, right)
    assert all(value.terms == terms and value.over == over for value, terms, over in before)


@given(expressions)
def test_spacing_and_delimiters_do_not_matter(a):
    text = a[0]
    spaced = text.replace("(", "\\left( ").replace(")", " \\right)").replace("+", " + ")
    for variant in (f"${text}$", f"\\[ {text} \\]", spaced, f"\\displaystyle {text}", f"{{{text}}}", f"**{text}**"):
        assert compare(shape(text), shape(variant)) is True or values(a[1]) is None


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5))
def test_lists_are_unordered_and_tuples_are_not(numbers):
    bare, backwards = ", ".join(map(str, numbers)), ",".join(map(str, reversed(numbers)))
    assert shape(bare) == shape(backwards) or len(numbers) == 2  # "1,2" may also be read as a decimal, not as its shape
    same = numbers == numbers[::-1]
    assert (shape(f"({bare})") == shape(f"({backwards})")) is same
