"""Generated identities are found, and near misses of them are never merged.

An expression is a text and a function of x and y that Python computes. A twin is the expression after rules of
mathematics; a near miss is one after false rules, kept where Python's own arithmetic shows a point at which the two
differ.
"""

import math
import random

import pytest

from empo_rewards.equivalence.math import MathEquivalence
from empo_rewards.protocols import AnswerSet

IDENTITIES, NEAR_MISSES = 200, 1_000
SCALES = (1, 2, 3, 7, 10, 50, 100, 1_000, 10**5, 10**9)
PLACES = (0.0007, 0.3, 0.9, 1.7, 2.6, 5.3, 11.9, 47.1, 130.7, 2_000.3)


def leaf(text, function):
    return text, function


X, Y = leaf("x", lambda x, y: x), leaf("y", lambda x, y: y)


def constant(value):
    return (f"({value})" if value < 0 else str(value)), lambda x, y: float(value)


def unary(template, apply):
    return lambda a: (template.format(a[0]), lambda x, y: apply(a[1](x, y)))


def binary(template, apply):
    return lambda a, b: (template.format(a[0], b[0]), lambda x, y: apply(a[1](x, y), b[1](x, y)))


add = binary("({}+{})", lambda a, b: a + b)
subtract = binary("({}-{})", lambda a, b: a - b)
times = binary(r"({})\cdot({})", lambda a, b: a * b)
over = binary(r"\frac{{{}}}{{{}}}", lambda a, b: a / b)
larger = binary(r"\max({},{})", max)
smaller = binary(r"\min({},{})", min)
minus = unary("(-{})", lambda a: -a)
square = unary("({})^2", lambda a: a * a)
magnitude = unary("|{}|", abs)
root = unary(r"\sqrt{{{}}}", math.sqrt)
below = unary(r"\lfloor {} \rfloor", math.floor)
above = unary(r"\lceil {} \rceil", math.ceil)
sine, cosine = unary(r"\sin({})", math.sin), unary(r"\cos({})", math.cos)
exponential = unary("e^{{{}}}", math.exp)
hyperbolic = unary(r"\tanh({})", math.tanh)
cosh = unary(r"\cosh({})", math.cosh)
TWO, ONE = constant(2), constant(1)

TRUE_RULES = [
    lambda a, b: (magnitude(a), larger(a, minus(a))),
    lambda a, b: (larger(a, b), over(add(add(a, b), magnitude(subtract(a, b))), TWO)),
    lambda a, b: (smaller(a, b), subtract(add(a, b), larger(a, b))),
    lambda a, b: (smaller(a, b), minus(larger(minus(a), minus(b)))),
    lambda a, b: (root(square(a)), magnitude(a)),
    lambda a, b: (square(magnitude(a)), square(a)),
    lambda a, b: (magnitude(subtract(a, b)), magnitude(subtract(b, a))),
    lambda a, b: (times(magnitude(a), magnitude(b)), magnitude(times(a, b))),
    lambda a, b: (hyperbolic(a), subtract(ONE, over(TWO, add(exponential(times(TWO, a)), ONE)))),
    lambda a, b: (cosh(a), over(add(exponential(a), exponential(minus(a))), TWO)),
    lambda a, b: (sine(times(TWO, a)), times(TWO, times(sine(a), cosine(a)))),
    lambda a, b: (cosine(times(TWO, a)), subtract(ONE, times(TWO, square(sine(a))))),
    lambda a, b: (sine(add(a, b)), add(times(sine(a), cosine(b)), times(cosine(a), sine(b)))),
    lambda a, b: (subtract(square(a), square(b)), times(subtract(a, b), add(a, b))),
    lambda a, b: (below(add(a, constant(3))), add(below(a), constant(3))),
    lambda a, b: (above(a), minus(below(minus(a)))),
]
FALSE_RULES = [
    lambda a, b: (magnitude(a), a),
    lambda a, b: (magnitude(a), minus(a)),
    lambda a, b: (magnitude(add(a, b)), add(magnitude(a), magnitude(b))),
    lambda a, b: (larger(a, b), a),
    lambda a, b: (smaller(a, b), b),
    lambda a, b: (larger(a, b), over(add(add(a, b), subtract(a, b)), TWO)),
    lambda a, b: (root(square(a)), a),
    lambda a, b: (root(square(subtract(a, b))), subtract(b, a)),
    lambda a, b: (add(magnitude(a), magnitude(b)), magnitude(add(a, b))),
    lambda a, b: (hyperbolic(a), ONE),
    lambda a, b: (hyperbolic(square(a)), over(square(a), magnitude(square(a)))),
    lambda a, b: (above(a), add(below(a), ONE)),
    lambda a, b: (below(over(a, TWO)), over(below(a), TWO)),
    lambda a, b: (below(a), subtract(a, over(ONE, TWO))),
    lambda a, b: (larger(a, smaller(b, ONE)), smaller(larger(a, b), ONE)),
    lambda a, b: (sine(a), cosine(a)),
    lambda a, b: (larger(a, constant(10**9)), constant(10**9)),
    lambda a, b: (add(magnitude(a), magnitude(add(a, ONE))), magnitude(add(times(TWO, a), ONE))),
]


def operand(dice):
    """A linear or quadratic expression, with constants of one scale."""
    scale = dice.choice(SCALES)
    c = constant(dice.randint(-9, 9) * scale + dice.randint(0, 3))
    return dice.choice([
        lambda: X, lambda: Y, lambda: subtract(X, c), lambda: add(Y, c), lambda: add(X, Y), lambda: subtract(X, Y),
        lambda: subtract(times(constant(dice.randint(2, 9)), X), c), lambda: over(X, constant(scale + 1)),
        lambda: add(square(X), c), lambda: c,
    ])()  # fmt: skip


def within(dice, pair):
    """Both sides in the same surroundings."""
    c = constant(dice.randint(1, 9) * dice.choice(SCALES))
    surroundings = dice.choice([
        lambda e: e, lambda e: add(e, X), lambda e: times(c, e), lambda e: subtract(c, e),
        lambda e: add(times(e, Y), c),
    ])  # fmt: skip
    return surroundings(pair[0]), surroundings(pair[1])


def differ_somewhere(a, b):
    """Whether Python's floats show a point where a and b are both defined and far from equal."""
    zeros = [s * p * q for s in (1, -1) for p in PLACES for q in (1, 10**3, 10**6)]
    for x in zeros:
        for y in (0.4, -0.7, 3.3, -1_234.5):
            try:
                left, right = a[1](x, y), b[1](x, y)
            except (ValueError, ZeroDivisionError, OverflowError):
                continue
            if abs(left - right) > 1e-6 * (1 + abs(left) + abs(right)):
                return True
    return False


def pairs(rules, count, seed, kept):
    dice = random.Random(seed)
    found = []
    while len(found) < count:
        pair = within(dice, dice.choice(rules)(operand(dice), operand(dice)))
        if kept(*pair):
            found.append((pair[0][0], pair[1][0]))
    return found


@pytest.fixture(scope="module")
def backend():
    return MathEquivalence()


def verdict(backend, a, b):
    if a == b:
        return True
    (relation,) = backend.relate([AnswerSet((a, b))])
    return True if relation.equal else None if relation.undecided else False


def test_identities_are_found(backend):
    made = pairs(TRUE_RULES, IDENTITIES, 12, lambda a, b: not differ_somewhere(a, b))
    verdicts = [(verdict(backend, a, b), a, b) for a, b in made]
    assert [pair for pair in verdicts if pair[0] is False] == []
    assert sum(pair[0] is True for pair in verdicts) >= 0.9 * IDENTITIES


def test_near_misses_are_not_merged(backend):
    made = pairs(FALSE_RULES, NEAR_MISSES, 21, differ_somewhere)
    assert [(a, b) for a, b in made if verdict(backend, a, b) is True] == []


def test_a_narrow_gap_between_two_branches_is_seen(backend):
    for c in SCALES:
        assert verdict(backend, f"|x-{c}|+|x-{c + 1}|", f"|2x-{2 * c + 1}|") is not True
        assert verdict(backend, rf"\max(x,{c})+\min(x,{c + 1})", f"x+{c}") is not True
        assert verdict(backend, rf"|x-\frac1{{{c}}}|+|x|", rf"|2x-\frac1{{{c}}}|") is not True


EQUAL = [
    (r"\sqrt{5+2\sqrt6}", r"\sqrt2+\sqrt3"),
    (r"\sqrt[3]{2+\sqrt5}+\sqrt[3]{2-\sqrt5}", "1"),
    (r"\cos 36^\circ", r"\frac{1+\sqrt5}{4}"),
    (r"e^{i\pi/3}", r"\frac{1+i\sqrt3}{2}"),
    (r"\ln x+\ln y", r"\ln(xy)"),
    (r"\binom nk", r"\frac{n!}{k!(n-k)!}"),
    ("(-1)^n", r"\cos(\pi n)"),
    ("n!", "n(n-1)!"),
    (r"\Gamma(3)", "2"),
    (r"\sinh^{-1} x", r"\ln(x+\sqrt{x^2+1})"),
    (r"(\sqrt{x+1}-1)^2", r"x+2-2\sqrt{x+1}"),
    (r"\begin{vmatrix}a&b\\c&d\end{vmatrix}", "ad-bc"),
    ("2y=2\\sin 2x", r"y=2\sin x\cos x"),
    (r"\frac{dy}{dx}=\sin 2x", r"2\sin x\cos x"),
    (r"(2\sin x\cos x, 1)", r"(\sin 2x, 1)"),
    (r"\{\sin 2x, 1\}", r"\{1, 2\sin x\cos x\}"),
    (r"\sqrt{\frac{x}{x+1}}", r"\frac{\sqrt{x}}{\sqrt{x+1}}"),
    (r"\sqrt{\frac{1}{1+\pi}}", r"\frac{1}{\sqrt{1+\pi}}"),
    (r"\frac{x^n+1}{2}-\frac12", r"\frac{x^{n+1}}{2x}"),
    (r"|2^x|", "2^x"),
    (r"(n+3) \bmod 3", r"n \bmod 3"),
]
APART = [
    (r"\zeta(2)", r"2\zeta"),
    (r"\Gamma(3)", r"3\Gamma"),
    ("W(1)", "W"),
    (r"\tanh(1000)", "1"),
    (r"\sqrt{10^{400}+1}", "10^{200}"),
    (r"e^{\pi\sqrt{163}}", "262537412640768744"),
    (r"\sin(10^{22})", "-0.8522008497671888"),
    ("e^{-50}", "0"),
    (r"\sqrt2+\sqrt3+10^{-60}", r"\sqrt2+\sqrt3"),
    (r"\sqrt{x^2}", "x"),
    (r"\frac{\sqrt{x^2+2xy+y^2}}{x+y}", "1"),
    ("f(x)+1", "g(x)+1"),
    ("f(2)", "5"),
    (r"\arctan(\tan x)", "x"),
    (r"\frac{dy}{dx}=3y", r"\frac{dy}{dt}=3y"),
    (r"\lfloor x\rfloor", r"x-\frac12"),
    (r"\sqrt{\frac{x}{x+1}}", r"\sqrt{x}"),
    (r"\sqrt[3]{\frac{2}{x+1}}", r"\sqrt[3]{2}"),
    (r"\sqrt{\frac{1}{1+\pi}}", "1"),
    ("|e^{ix}|", "e^{ix}"),
    ("x^n", "|x|^n"),
]


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equal(backend, a, b):
    assert verdict(backend, a, b) is verdict(backend, b, a) is True


@pytest.mark.parametrize(("a", "b"), APART)
def test_apart(backend, a, b):
    assert verdict(backend, a, b) is verdict(backend, b, a)
    assert verdict(backend, a, b) is not True


def test_names_do_not_matter(backend):
    dice = random.Random(5)
    names = ("x", "y"), ("t", "u"), ("\\alpha", "k")
    for rules, seed in ((TRUE_RULES, 31), (FALSE_RULES, 32)):
        for a, b in pairs(rules, 40, seed, lambda a, b: True):
            renamed = dice.choice(names)
            table = str.maketrans({"x": renamed[0] + " ", "y": renamed[1] + " "})
            twin = tuple(text.replace("\\max", "MA").replace("\\exp", "EX").translate(table).replace("MA", "\\max")
                         for text in (a, b))  # fmt: skip
            assert (verdict(backend, a, b) is True) == (verdict(backend, *twin) is True), (a, b, twin)


def test_the_verdict_is_symmetric_and_true_is_transitive(backend):
    dice = random.Random(7)
    for _ in range(40):
        rule = dice.choice(TRUE_RULES)
        first, second = rule(operand(dice), operand(dice))
        texts = [first[0], second[0], add(first, constant(0))[0], subtract(second, constant(0))[0]]
        for a in texts:
            for b in texts:
                assert verdict(backend, a, b) is verdict(backend, b, a)
        sure = [[verdict(backend, a, b) is True for b in texts] for a in texts]
        for i in range(4):
            for j in range(4):
                for k in range(4):
                    assert not (sure[i][j] and sure[j][k]) or sure[i][k]


@pytest.mark.parametrize(("a", "b"), [("x^n", "x^n+x"), ("a^b", "b^a"), ("(x+1)^n", "x^n+1")])
def test_powers_with_symbols_are_refuted(a, b):
    (relation,) = MathEquivalence().relate([AnswerSet((a, b))])
    assert not relation.equal
    assert not relation.undecided
