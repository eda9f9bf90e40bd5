"""The symbolic stage: tables of equal, different and undecided pairs."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from empo_rewards.equivalence.math.symbolic import compare, read

EQUAL = [
    ("x+1", "1+x"),
    (r"\frac{x^2-1}{x-1}", "x+1"),
    (r"\sqrt{5+2\sqrt6}", r"\sqrt2+\sqrt3"),
    (r"\sqrt[3]{2+\sqrt5}+\sqrt[3]{2-\sqrt5}", "1"),
    (r"\sqrt[3]{-8}", "-2"),
    (r"\sqrt{-4}", "2i"),
    (r"e^{i\pi}", "-1"),
    (r"\sin^2x+\cos^2x", "1"),
    (r"\tan^2 y+1", r"\sec^2 y"),
    (r"\cos 36^\circ", r"\frac{1+\sqrt5}{4}"),
    (r"\arctan 1", r"\frac{\pi}{4}"),
    (r"\log_2 8", "3"),
    (r"\sqrt{x^2}", "|x|"),
    (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
    ("(-1)^n", r"\cos(\pi n)"),
    ("n!", "n(n-1)!"),
    ("7!!", "105"),
    (r"\frac{dy}{dx}=3y+x", "x+3y"),
    ("f(x)+1", "1+f(x)"),
    (r"C_1e^{2x}+C_2e^{-x}", r"C_2e^{-x}+C_1e^{2x}"),
    ("10^{400}+1-10^{400}", "1"),
    (r"\gcd(10^{100},6^{100})", "2^{100}"),
    (r"\lfloor 2.5\rfloor", "2"),
    (r"\max(1,2)", "2"),
    (r"50\%", "0.5"),
    (r"0.\overline{3}", r"\frac13"),
    (r"\sum_{k=1}^{10^9} k", "500000000500000000"),
    (r"\sum_{k=1}^{10} k^2", "385"),
    (r"\prod_{k=1}^{5} k", "120"),
    (r"\sum_{n=1}^\infty\frac1{n^2}", r"\frac{\pi^2}{6}"),
    (r"\int_0^1 \frac{\ln(1+x)}{1+x^2}dx", r"\frac{\pi\ln2}{8}"),
    (r"\int_0^\infty e^{-x^2}dx", r"\frac{\sqrt\pi}{2}"),
    (r"\int x dx", r"\frac{x^2}{2}"),
    (r"\int_0^1 x + 1 dx", r"\frac32"),
    (r"\int_0^\pi \sin x dx", "2"),
    (r"\lim_{x\to 0} \frac{\sin x}{x}", "1"),
    (r"\lim_{n\to\infty} (1+1/n)^n", "e"),
    (r"\frac{d}{dx}x^2", "2x"),
    ("x^2+y^2=1", "y^2=1-x^2"),
    ("x^7+3x^5-x^3+2x-17=0", "2x^7+6x^5-2x^3+4x-34=0"),
    ("y=2x", "x=y/2"),
    ("2x+3y<6", "-2x-3y>-6"),
    ("x=5", "5"),
    ("y=2x+3", "f(x)=2x+3"),
    ("x<3", r"(-\infty,3)"),
    ("x^2<4", "(-2,2)"),
    (r"|x-1|+|x-2|+|x-3|<5", r"\frac13<x<\frac{11}3"),
    (r"1\leq|z|\leq \frac{3}{2}", r"z \in [-\frac{3}{2}, -1] \cup [1, \frac{3}{2}]"),
    (r"\frac{1}{x}<1", r"(-\infty,0)\cup(1,\infty)"),
    (r"\mathbb{R}\setminus\{3\}", r"(-\infty,3)\cup(3,\infty)"),
    (r"x<1\text{ or }x>3", r"(-\infty,1)\cup(3,\infty)"),
    (r"x\neq3", r"(-\infty,3)\cup(3,\infty)"),
    (r"\{1,2\}", r"\{2,1\}"),
    (r"x=\pm2", "2,-2"),
    ("[6,4,0]", "6,4,0"),
    ("(1,2)", "1,2"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&\frac{8}{2}\end{bmatrix}"),
    (
        r"\begin{pmatrix}1&1\\0&1\end{pmatrix}\begin{pmatrix}1&2\\0&1\end{pmatrix}",
        r"\begin{pmatrix}1&3\\0&1\end{pmatrix}",
    ),
    (r"2\begin{pmatrix}1\\2\end{pmatrix}+\begin{pmatrix}0\\1\end{pmatrix}", r"\begin{pmatrix}2\\5\end{pmatrix}"),
    (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
    (r"\begin{pmatrix}\frac{x^2-1}{x-1}&1\end{pmatrix}", r"\begin{pmatrix}x+1&1\end{pmatrix}"),
]

DIFFERENT = [
    (r"\sqrt{10^{40}+1}", "10^{20}"),
    (r"\sqrt{10^{400}+1}", "10^{200}"),
    (r"\sqrt{10^{400}+1}-10^{200}", "0"),
    ("2.88e-19", "2.91e-19"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
    ("1/2^{99}", "1/2^{98}"),
    ("10^{-16}", "0"),
    ("e^{-50}", "0"),
    (r"e^{\pi\sqrt{163}}", "262537412640768744"),
    (r"\sin(10^{22})", "-0.8522008497671888"),
    ("0.3333333333333333", r"\frac13"),
    (r"\pi", "3.14159265358979"),
    (r"\pi", "180"),
    ("3", "3.4"),
    (r"\int_0^1 \frac{\ln(1+x)}{1+x^2}dx", "0.2721982"),
    ("9^{9^{9}}", "42"),
    (r"e^{10^{10}}", "42"),
    (r"\binom{2024}{1012}", "42"),
    ("x^{1000}+1", "x^{1000}"),
    (r"\sqrt{x^2}", "x"),
    (r"\frac{\sqrt{x^2+2xy+y^2}}{x+y}", "1"),
    ("(n+2)!!", "n!!"),
    (r"\frac{dy}{dx}=3y", r"\frac{dy}{dt}=3y"),
    ("4e^{5t}", "4e^{5x}"),
    ("f(x)+1", "2+f(x)"),
    ("901", "902"),
    (r"10\text{ km}", r"10\text{ m}"),
    ("x=5", "y=5"),
    ("x=1,y=3", "x=2,y=3"),
    ("P=MC", "MR=MC"),
    ("2x+y-3z=0", "2x+y+3z=0"),
    ("x^2+y^2=1", "x^2+y^2=2"),
    ("2x+3y<6", "2x+3y>6"),
    (r"x^2\le 4", "(-2,2)"),
    ("(1,2)", "(2,1)"),
    ("(1,2)", "[1,2]"),
    ("(1,2)", r"\{1,2\}"),
    (r"\infty", r"-\infty"),
    (r"\infty", "5"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1&3\end{pmatrix}"),
    ("x'", "x"),
]

UNDECIDED = [
    ("7^{7^{7^{7}}}", "42"),  # out of reach
    ("((5!)!)!", "42"),
    (r"e^{-10^{30}}", "0"),  # not zero, and no precision tells
    (r"1+e^{-10^{30}}", "1"),
    (r"\frac{1}{0}", r"\infty"),  # undefined
    (r"\frac{1}{0}", r"\frac{1}{0}"),
    ("x>1, x<3", "(1,3)"),  # a comma does not say whether it means and, or or
    (r"\frac{y}{x}=2", "y=2x"),  # no multiples of each other, and nearly the same
    ("f(2)", "5"),  # what f is, is not said
    (r"\frac{1}{2", r"\frac12"),
    (r"\begin{pmatrix}1&2\end{pmatrix}\begin{pmatrix}1&2\end{pmatrix}", "5"),  # shapes that do not fit
    ("", "0"),
    ("!", "!"),
    ("1" * 5000, "2" * 5000),
]


def verdict(a: str, b: str) -> bool | None:
    return compare(read(a), read(b)).equal


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equal(a: str, b: str) -> None:
    assert verdict(a, b) is True
    assert verdict(b, a) is True


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different(a: str, b: str) -> None:
    assert verdict(a, b) is False
    assert verdict(b, a) is False


@pytest.mark.parametrize(("a", "b"), UNDECIDED)
def test_undecided(a: str, b: str) -> None:
    assert verdict(a, b) is None
    assert verdict(b, a) is None


@pytest.mark.parametrize(
    ("a", "b", "probed"),
    [
        (r"\sqrt{5+2\sqrt6}", r"\sqrt2+\sqrt3", False),  # algebraic: the separation bound is a proof
        (r"\frac12+\frac13", r"\frac56", False),
        (r"\arctan 1", r"\frac{\pi}{4}", True),
        (r"\frac{x^2-1}{x-1}", "x+1", True),
        ("x^2+y^2=1", "y^2=1-x^2", True),
    ],
)
def test_agreement_without_a_proof_is_marked(a: str, b: str, probed: bool) -> None:
    outcome = compare(read(a), read(b))
    assert outcome.equal is True
    assert outcome.probed is probed


def test_a_verdict_does_not_depend_on_what_was_compared_before() -> None:
    reading = read(r"\sqrt{5+2\sqrt6}")
    for other in (r"\sqrt{7}+\sqrt[3]{11}", r"\sqrt{13}", r"\sqrt[5]{17}"):
        assert compare(reading, read(other)).equal is False
    assert compare(reading, read(r"\sqrt2+\sqrt3")) == compare(read(r"\sqrt{5+2\sqrt6}"), read(r"\sqrt2+\sqrt3"))


@st.composite
def polynomials(draw: st.DrawFn) -> tuple[str, sympy.Poly]:
    """A product of linear factors as text, and what it is by sympy's own arithmetic."""
    x = sympy.Symbol("x")
    factors = draw(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 9)), min_size=1, max_size=4))
    text = "".join(f"({a}x{b:+d})" for b, a in factors)
    value = sympy.Poly(1, x)
    for b, a in factors:
        value *= sympy.Poly(a * x + b, x)
    return text, value


@given(polynomials(), polynomials())
@settings(max_examples=60, deadline=None)
def test_products_against_expansion(first: tuple[str, sympy.Poly], second: tuple[str, sympy.Poly]) -> None:
    for (text, value), (_, other) in ((first, first), (first, second)):
        assert verdict(text, sympy.latex(other.as_expr())) is (value == other)


@given(st.fractions(), st.fractions(), st.integers(2, 10**30))
@settings(max_examples=60, deadline=None)
def test_surds_against_integer_arithmetic(a: object, b: object, n: int) -> None:
    left = rf"{sympy.latex(sympy.Rational(str(a)))}\cdot\sqrt{{{n}}}"
    right = rf"{sympy.latex(sympy.Rational(str(b)))}\cdot\sqrt{{{n}}}"
    assert verdict(left, right) is (a == b)


PAYLOADS = [
    "__import__('os').system('touch {mark}')",
    "eval(compile('open(\"{mark}\",\"w\")','x','exec'))",
    'exec(\'open("{mark}","w")\')',
    "pi and open('{mark}','w')",
    r"\text{{__import__('os').system('touch {mark}')}}+1",
    r"\operatorname{{__import__}}(\text{{'os'}})",
    r"f(lambda:open('{mark}','w'))",
    r"x_{{__import__('os').system('touch {mark}')}}^2",
    r"\sum_{{n=1}}^{{3}} \text{{__import__('os').system('touch {mark}')}}",
    r"\int_0^1 \text{{open('{mark}','w')}} dx",
    "(lambda: open('{mark}', 'w'))()",
    "{{0.__class__.__init__.__globals__}}",
    "%(x)s{{}}{{0}}$(touch {mark})`touch {mark}`",
    "cos\nsystem\n(S'touch {mark}'\ntR.",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_a_text_is_executed(payload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "executed"
    called: list[str] = []

    def trap(name: str):
        def trapped(*args: object, **kwargs: object) -> None:
            called.append(name)
            raise AssertionError(f"{name} was called")

        return trapped

    text = payload.format(mark=mark)
    compare(read("x+1"), read(r"\sum_{k=1}^{\infty}\frac1{k^2}"))  # whatever is generated once is generated by now
    monkeypatch.setattr(builtins, "eval", trap("eval"))
    monkeypatch.setattr(os, "system", trap("os.system"))
    monkeypatch.setattr(subprocess, "Popen", trap("Popen"))
    monkeypatch.setattr(pickle, "loads", trap("pickle.loads"))
    monkeypatch.setattr(sympy, "parse_expr", trap("parse_expr"))
    reading = read(text)
    for other in ("1", "x+1", text, text + "+0"):
        compare(reading, read(other))
    monkeypatch.undo()
    assert called == []
    assert not mark.exists()


def test_sympy_is_not_imported_with_the_package() -> None:
    script = "import sys, empo_rewards.equivalence.math; print('sympy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def written_pairs() -> list[tuple[str, str]]:
    """Pairs of different answers that the cases beside this file name."""
    cases = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))
    return [pair for case in cases for pair in combinations(case.get("different", ()), 2)]


@pytest.mark.parametrize(("a", "b"), written_pairs())
def test_no_false_merge_on_written_pairs(a: str, b: str) -> None:
    assert verdict(a, b) is not True
