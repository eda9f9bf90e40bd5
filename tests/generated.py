"""Data for tests and benchmarks: groups of responses, short answers and hostile texts, the same for the same seed.

The groups have the form of rollouts: rows with `prompt`, `responses` and `reference`. They stand in for a model's own
where only the form and the variety count; what is right about them is known by construction, not by the library.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, isqrt
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write JSON lines, gzipped if the path says so."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())
    return path


# --- mathematics -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A problem with the spellings of its answer and of wrong answers; every wrong one has another value."""

    prompt: str
    right: tuple[str, ...]
    wrong: tuple[tuple[str, ...], ...]


def _fraction(value: Fraction) -> tuple[str, ...]:
    sign, top, bottom = "-" if value < 0 else "", abs(value.numerator), value.denominator
    if bottom == 1:
        return (f"{sign}{top}", f"{sign}{top}.0", f"\\text{{{sign}{top}}}")
    return (f"{sign}\\frac{{{top}}}{{{bottom}}}", f"{sign}{top}/{bottom}", f"{sign}\\dfrac{{{top}}}{{{bottom}}}")


def _roots(dice: random.Random) -> Problem:
    a, b, c = dice.randint(2, 9), dice.randint(3, 20), dice.randint(1, 30)
    values = (Fraction(b, a), Fraction(-b, a), Fraction(-c, a), Fraction(b, 2 * a))
    distinct = [value for value in dict.fromkeys(values[1:]) if value != values[0]]
    prompt = f"Find the sum of the roots of ${a}x^2 - {b}x - {c} = 0$."
    return Problem(prompt, _fraction(values[0]), tuple(map(_fraction, distinct)))


def _interval(dice: random.Random) -> Problem:
    middle, radius = dice.randint(4, 20), dice.randint(1, 3)

    def spellings(low: int, high: int) -> tuple[str, ...]:
        return (f"({low}, {high})", f"{low} < x < {high}", f"x \\in \\left({low}, {high}\\right)")

    wrong = ((middle - radius, middle), (middle, middle + radius), (-middle - radius, radius - middle))
    prompt = f"For which real $x$ is $|x - {middle}| < {radius}$?"
    return Problem(prompt, spellings(middle - radius, middle + radius), tuple(spellings(*ends) for ends in wrong))


def _hypotenuse(dice: random.Random) -> Problem:
    a, b = dice.randint(2, 12), dice.randint(13, 30)

    def spellings(square: int) -> tuple[str, ...]:
        factor = max(k for k in range(1, isqrt(square) + 1) if square % (k * k) == 0)
        rest = square // factor**2
        if rest == 1:
            return (str(factor), f"\\sqrt{{{square}}}")
        return (f"{factor if factor > 1 else ''}\\sqrt{{{rest}}}", f"\\sqrt{{{square}}}")

    prompt = f"The legs of a right triangle measure {a} and {b}. How long is its hypotenuse?"
    return Problem(prompt, spellings(a * a + b * b), (spellings(b * b - a * a), spellings((a + b) ** 2)))


def _pair(dice: random.Random) -> Problem:
    x, y = dice.randint(5, 20), dice.randint(1, 4)

    def spellings(first: int, second: int) -> tuple[str, ...]:
        return (f"({first}, {second})", f"(x, y) = ({first}, {second})", f"x = {first}, y = {second}")

    prompt = f"Solve $x + y = {x + y}$, $x - y = {x - y}$."
    return Problem(prompt, spellings(x, y), (spellings(y, x), spellings(x, -y), spellings(x + 1, y - 1)))


def _divisor(dice: random.Random) -> Problem:
    a, b = dice.randint(2, 40) * 6, dice.randint(41, 90) * 6
    right = gcd(a, b)
    prompt = f"What is the greatest common divisor of {a} and {b}?"
    return Problem(prompt, _fraction(Fraction(right)), tuple(_fraction(Fraction(right * k)) for k in (2, 3, 7)))


_KINDS: tuple[Callable[[random.Random], Problem], ...] = (_roots, _interval, _hypotenuse, _pair, _divisor)

_OPENINGS = ("Let us work it out step by step.", "First I write down what is given.", "We can do this directly.")
_STEPS = (
    "Collecting the terms and simplifying leaves one expression to evaluate.",
    "Substituting back confirms each of the steps.",
    "We get $k = {n}$, so that the next term is ${n} + {m}$.",
    "For $n = {n}$ the sum is below {m}, and for $n = {m}$ it is not.",
    "Wait, I should check the sign: {n} - {m} is not {m} - {n}.",
    "This case cannot occur, for {n} does not divide {m}.",
    "\\[ \\frac{{{n}}}{{{m}}} + x = \\frac{{{m}}}{{{n}}} \\]",
)
_ENDINGS = (
    "The answer is $\\boxed{{{answer}}}$.",
    "Therefore \\[ \\boxed{{{answer}}} \\]",
    "Final answer: ${answer}$",
    "<answer>{answer}</answer>",
    "#### {answer}",
)


def reasoning(dice: random.Random, steps: int) -> str:
    """Text as a model writes it before its answer."""
    lines = [dice.choice(_OPENINGS)]
    for number in range(steps):
        lines.append(dice.choice(_STEPS).format(n=number + dice.randint(2, 9), m=10 + number * 10))
    return "\n".join(lines)


def response(dice: random.Random, answer: str | None, steps: int = 5) -> str:
    """One response with its answer in one of the usual places; None: it ends without one."""
    text = reasoning(dice, steps)
    if answer is None:
        return text
    ending = dice.choice(_ENDINGS).format(answer=answer)
    return f"<think>{text}</think>\n{ending}" if dice.random() < 0.2 else f"{text}\n{ending}"


def looping_response(dice: random.Random) -> str:
    """A response that ends in one text repeated until its tokens are used up."""
    unit = dice.choice(("\\boxed{}. ", "Wait, let me check. ", reasoning(dice, 2) + "\n", "0", "\n\n**Answer:** "))
    text = reasoning(dice, 5) + "\n" + unit * (3_000 // len(unit) + 5)
    return text[: len(text) - dice.randrange(len(unit))]


def math_groups(count: int, size: int = 16, seed: int = 0) -> list[Row]:
    """Groups of responses to mathematical problems, from unanimous to hopeless; `size` responses each."""
    dice = random.Random(f"math {seed}")
    rows = []
    for number in range(count):
        problem = _KINDS[number % len(_KINDS)](dice)
        skill = dice.random()
        responses = []
        for _ in range(size):
            luck = dice.random()
            spellings = problem.right if luck < skill else dice.choice(problem.wrong)
            responses.append(response(dice, dice.choice(spellings) if luck < 0.97 else None, dice.randint(2, 12)))
        rows.append({"prompt": problem.prompt, "responses": responses, "reference": problem.right[0]})
    return rows


# --- short answers ---------------------------------------------------------------------------------------------------

_FACTS: dict[str, dict[str, tuple[str, ...]]] = {
    "What is the capital of {}?": {
        "Australia": ("Canberra",),
        "Canada": ("Ottawa",),
        "Brazil": ("Brasília", "Brasilia"),
        "Turkey": ("Ankara",),
        "Morocco": ("Rabat",),
        "New Zealand": ("Wellington",),
        "Kazakhstan": ("Astana",),
        "the United States": ("Washington, D.C.", "Washington DC"),
        "Switzerland": ("Bern", "Berne"),
        "Vietnam": ("Hanoi",),
    },
    "Who wrote {}?": {
        "Hamlet": ("William Shakespeare", "Shakespeare"),
        "Faust": ("Johann Wolfgang von Goethe", "Goethe", "J. W. von Goethe"),
        "War and Peace": ("Leo Tolstoy", "Tolstoy"),
        "Emma": ("Jane Austen", "Austen"),
        "The Trial": ("Franz Kafka", "Kafka"),
        "Ulysses": ("James Joyce", "Joyce"),
        "Dracula": ("Bram Stoker", "Stoker"),
    },
    "Which element has the symbol {}?": {
        "Fe": ("iron",),
        "Au": ("gold",),
        "Al": ("aluminium", "aluminum"),
        "S": ("sulphur", "sulfur"),
        "W": ("tungsten", "wolfram"),
        "Hg": ("mercury", "quicksilver"),
        "Sn": ("tin",),
    },
    "In which year did {}?": {
        "the Second World War end": ("1945",),
        "the Berlin Wall fall": ("1989", "in 1989"),
        "people first walk on the moon": ("1969", "in 1969"),
        "the Titanic sink": ("1912", "in 1912"),
        "the French Revolution begin": ("1789", "in 1789"),
    },
    "How many {}?": {
        "legs has a spider": ("8", "eight"),
        "strings has a violin": ("4", "four"),
        "planets has the solar system": ("8", "eight"),
        "players has a football team on the pitch": ("11", "eleven"),
        "days has a leap year": ("366",),
    },
}
_FORMS = ("{}", "{}", "{}", "{}.", "It is {}.", "the {}", "{} (I think)")


def short_answer_groups(count: int = 34, size: int = 20, seed: int = 0) -> list[Row]:
    """Groups of short answers to questions of fact: the right answer and those of like questions, in several forms."""
    dice = random.Random(f"short answers {seed}")
    questions = [(form, what) for form, facts in _FACTS.items() for what in facts]
    rows = []
    for number in range(count):
        form, what = questions[number % len(questions)]
        skill, right = dice.random(), _FACTS[form][what]
        rivals = [names for names in _FACTS[form].values() if names[0] != right[0]]
        favourites = dice.sample(rivals, 3)
        names = [right if dice.random() < skill else dice.choice(favourites) for _ in range(size)]
        responses = [dice.choice(_FORMS).format(dice.choice(spellings)) for spellings in names]
        blank = dice.randrange(2 * size)
        responses[blank:] = ["", *responses[blank + 1 :]] if blank < size else []
        rows.append({"prompt": form.format(what), "responses": responses, "reference": right[0]})
    return rows


# --- hostile texts ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hostile:
    """A text that exhausts, confuses or misleads a reader of answers, and another to compare it with."""

    kind: str
    text: str
    other: str = "1"


def hostile_texts(seed: int = 0) -> list[Hostile]:
    """Texts of every kind: towers, huge numbers, deep nesting, garbage, odd characters, attempts to run code."""
    dice = random.Random(f"hostile {seed}")
    letters = "0123456789abxyz+-*/^_=,.!|()[]{}\\$% \n"
    texts = {
        "power": [
            "3^{3^{3^{3}}}", "2^{3^{400}}", "10**10**10", "8^8^8^8", "e^{10^{12}}", "x^{10^{8}}", "\\sqrt{3}^{10^{9}}",
            "(1+10^{-8})^{10^{8}}", "(a+b+c+d)^{500}", "0.5^{10^{7}}", "(-1)^{10^{20}}",
        ],
        "factorial": [
            "200000!", "(10^{7})!", "((6!)!)!", "\\binom{10^{5}}{5\\cdot 10^{4}}", "\\prod_{k=1}^{10^6} (k+1)",
            "\\sum_{k=1}^{10^{12}} k^2", "\\sum_{n=1}^{\\infty} n^{-1.001}", "\\sum_{a=1}^{9999}\\sum_{b=1}^{9999}ab",
        ],
        "nested": [
            "\\sqrt{5+" * 30 + "x" + "}" * 30, "\\frac{2}{3+" * 80 + "y" + "}" * 80, "\\cos(" * 40 + "z" + ")" * 40,
            "|" * 301 + "x" + "|" * 301, "\\log " * 400 + "2", "x_{" * 300 + "1" + "}" * 300, "2^{" * 400 + "}" * 400,
            "\\boxed{" * 600 + "4" + "}" * 600, "\\text{" * 500 + "a" + "}" * 500, "\\left(" * 300 + "\\right)" * 300,
        ],
        "brackets": ["(" * n + "7" + ")" * m for n in (60, 3_000) for m in (0, 60, 3_000)]
        + ["{" * n + "7" + "}" * m for n in (60, 3_000) for m in (0, 3_000)]
        + ["[(" * 900 + "])" * 900, ")" * 5_000, "}{" * 4_000],
        "number": [
            "7" * 4_301, "7" * 60_000, "7." + "1" * 60_000, "0." + "6" * 5_000, "1e400000", "1e-400000",
            "-" + "9" * 5_000, "1," + "000," * 9_000 + "000", "1 " + "000 " * 9_000, "0" * 50_000 + "1",
            "1.2.3." * 5_000, "12:34:" * 4_000,
        ],
        "long": [
            "2+" * 15_000 + "2", "\\( " * 9_000, "\\[ x " * 9_000, "the answer is " * 4_000, "final answer\n" * 4_000,
            "#### " * 9_000, "A. " * 9_000, "<answer>" * 5_000, "</think>" * 5_000, "\\boxed" * 9_000, "5 cm " * 9_000,
            ", and ".join(f"x_{{{n}}}={n}" for n in range(900)), "+".join(f"a_{n}" for n in range(700)), "-" * 40_000,
            "{" + ",".join(map(str, range(5_000))) + "}",
        ],
        "garbage": ["".join(dice.choices(letters, k=size)) for size in (30, 300, 3_000, 60_000) for _ in "123"],
        "characters": [
            "⅓", "3τ", "∛8", "٧", "≥−2", "3⁄4", "¼π", "∄", "7\u00a0", "7\x00", "𝟕", "÷", "\u202e7", "\u200b7\ufeff",
            "\ud800", "e\u0301" * 3_000, "\u0301" * 5_000, "👩‍👩‍👧" * 900, "七十七", "Ⅶ", "７", "²³", "x̄",
            "\r\n\x1b[31m7",
        ],
        "sets": [
            "[3,4)", "(b,a)", "\\{y\\mid y<1\\}", "\\varnothing", "\\bigcap_{k=1}^{\\infty}(0,1/k)", "(1,2),(2,1)",
            "\\begin{pmatrix}" + "\\frac{x^2-4}{x-2}&" * 40 + "1\\end{pmatrix}", "[0,1]\\setminus\\mathbb{Q}", "(,)",
            "(1,",
        ],
        "relations": [
            "y=7", "7=y", "g(x)=3x", "x^2-y^2=4", "|x|+|x+1|+|x+2|<9", "a=b=c=a", "x<y<x", "1=2", "x:=3", "3<2",
            "x^9-4x^7+x^3-5=0",
        ],
        "values": [
            "\\frac{1}{3001!}", "2^{-120}", "10^{-18}", "\\cos(10^{30})", "\\log_3 5", "\\frac{0}{0}", "0^{-2}",
            "\\sqrt{-9}", "\\sqrt[3]{7+5\\sqrt2}-\\sqrt[3]{5\\sqrt2-7}", "\\int_0^1 x^x dx",
            "\\lim_{x\\to0}\\frac{\\sin x}{x}", "\\infty-\\infty", "\\frac{\\sqrt{x^2}}{x}", "\\arcsin 7",
            "\\gcd(12^{200},18^{200})", "10^{5000} \\bmod 97", "\\lfloor -\\infty \\rfloor",
        ],
        "units": [
            "30%", "7\\text{ kg}", "7 kg", "\\$7", "7.00", "7 000", "9:45", "\\text{(C)}", "C", "\\text{No}",
            "110_{3}", "0.\\overline{7}", "1.7320508", "2.72", "7 kg m s kg m s", "7^\\circ{}^\\circ", "7\\%\\%",
        ],
        "code": [
            "__import__('os').system('true')", "exec('pass')", "().__class__.__mro__", "eval(chr(49))", "lambda: 1",
            "{{7*7}}", "%s%s%n", "\\input{/etc/hostname}", "\\write18{true}", "${jndi:x}", "'; drop table a; --",
            "<script>", "\\def\\a{\\a\\a}\\a",
        ],
        "boxes": [
            "\\boxed{\\frac{3}{4}", "\\boxed", "\\boxed{", "$\\boxed{7}$ or \\boxed{8}", "\\fbox{8}",
            "\\boxed{\\boxed{8}}", "#### 8", "The answer is: 8", "\\boxed{x=\\boxed{8}}", "   ", "\n\n", "",
            "\\boxed{}", "\\boxed 8", "}\\boxed{8",
        ],
    }  # fmt: skip
    pairs = [Hostile(kind, text) for kind, found in texts.items() for text in found]
    boxed = [Hostile(kind, f"\\boxed{{{text}}}", "\\boxed{1}") for kind in ("power", "garbage") for text in texts[kind]]
    alike = [
        Hostile("long", "+".join(f"x_{n}" for n in range(400)), "+".join(f"x_{n}" for n in reversed(range(400)))),
        Hostile("long", "b" * 2_000, "b" * 1_999 + "c"),
        Hostile("number", "7" * 9_000, "7" * 8_999 + "8"),
        Hostile("relations", "x^9-4x^7+x^3-5=0", "3x^9-12x^7+3x^3-15=0"),
    ]
    return [*pairs, *boxed, *alike]
