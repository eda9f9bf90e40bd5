"""Generate rollouts.jsonl: synthetic responses to small problems, as of a policy of medium strength.

    python examples/make_rollouts.py > examples/rollouts.jsonl

All texts were written for this file. Answers are right and wrong, in the notations that models use; some responses are
blank, refusals or cut off, so that every part of a score is demonstrated.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

GROUP_SIZE = 8


@dataclass(frozen=True)
class Problem:
    """A problem, its right answer in several notations, typical wrong answers, and the probability of a right one."""

    name: str
    prompt: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    ease: float


PROBLEMS = (
    Problem(
        "sum-of-roots",
        "Find the sum of the roots of $2x^2 - 3x - 7 = 0$.",
        (r"\frac{3}{2}", "1.5", "3/2", r"\dfrac32", r"1\frac{1}{2}"),
        (r"-\frac{3}{2}", r"\frac{7}{2}", "3"),
        0.6,
    ),
    Problem("primes", "How many primes lie between 20 and 40?", ("4", "4.0", r"\text{4}"), ("3", "5", "6"), 0.7),
    Problem(
        "hypotenuse",
        "The legs of a right triangle measure 2 and 4. How long is its hypotenuse?",
        (r"2\sqrt{5}", r"\sqrt{20}", r"2\sqrt5"),
        (r"\sqrt{6}", "6", r"2\sqrt{3}"),
        0.6,
    ),
    Problem(
        "interval",
        "For which real $x$ is $|x - 1| < 3$?",
        ("(-2, 4)", "-2 < x < 4", r"x \in (-2,4)", r"\left(-2,\,4\right)"),
        ("(-4, 2)", "[-2, 4]", "x < 4"),
        0.5,
    ),
    Problem(
        "percent",
        "A coat of 80 euros is sold for 60. By what part was it reduced?",
        (r"25\%", "0.25", r"\frac14", r"25 \%"),
        (r"20\%", "20", r"33\%"),
        0.7,
    ),
    Problem(
        "pair",
        "Solve $x + y = 7$, $x - y = 1$ for $(x, y)$.",
        ("(4, 3)", "x = 4, y = 3", r"(x,y)=(4,3)"),
        ("(3, 4)", "(4, 4)"),
        0.8,
    ),
    Problem(
        "circle",
        "What is the area of a circle of diameter 6?",
        (r"9\pi", r"9 \pi", "9π", r"\pi \cdot 9"),
        (r"36\pi", r"6\pi", "28.26"),
        0.7,
    ),
    Problem(
        "factor",
        "Factor $x^2 - 5x + 6$.",
        ("(x-2)(x-3)", "(x - 3)(x - 2)", r"\left(x-2\right)\left(x-3\right)"),
        ("(x-1)(x-6)", "(x+2)(x+3)"),
        0.7,
    ),
    Problem(
        "mean",
        "Anna scored 7, 9, 4 and 10. What is her mean score?",
        ("7.5", r"\frac{15}{2}", "7.50"),
        ("8", "30"),
        0.8,
    ),
    Problem("large", "Compute $2^{20}$.", ("1048576", "1,048,576", r"2^{20}"), ("1024000", "1,000,000"), 0.6),
    Problem("complex", "Compute $(1 + i)^4$.", ("-4", "-4 + 0i"), ("4", "-4i", "2i"), 0.5),
    Problem(
        "angles",
        "Two angles of a triangle are $35^\\circ$ and $75^\\circ$. How large is the third?",
        (r"70^\circ", "70", "70°", r"70 \text{ degrees}"),
        (r"110^\circ", "60"),
        0.8,
    ),
    Problem(
        "dice",
        "Two fair dice are rolled. What is the probability of a sum of 9?",
        (r"\frac{1}{9}", r"\frac{4}{36}", "1/9"),
        (r"\frac{1}{12}", r"\frac{1}{6}", r"\frac{5}{36}"),
        0.5,
    ),
    Problem(
        "sequence",
        "The sequence 3, 7, 11, … is arithmetic. What is its 50th term?",
        ("199", "199."),
        ("203", "195", "200"),
        0.6,
    ),
    Problem(
        "speed",
        "A train covers 210 km in 2.5 hours. How fast is it, in km/h?",
        ("84", r"84 \text{ km/h}", "84.0"),
        ("525", "105", "80"),
        0.8,
    ),
    Problem("logarithm", r"Simplify $\log_2 48 - \log_2 3$.", ("4", r"\log_2 16"), ("45", r"\log_2 45", "16"), 0.6),
    Problem(
        "hard",
        "How many subsets of {1, …, 10} have an odd sum and no two neighbours?",
        ("68",),
        ("64", "71", "72", "55", "144", "32"),
        0.05,
    ),
    Problem("easy", "What is 17 + 25?", ("42",), ("32",), 1.0),
)

OPENINGS = (
    "Let us work it out step by step.",
    "First I write down what is given.",
    "We can do this directly.",
    "I set this up as follows.",
)
BODIES = (
    "Collecting the terms and simplifying leaves one expression to evaluate.",
    "Substituting back confirms each of the steps.",
    "The rest is arithmetic, which I checked twice.",
    "Nothing else needs to be considered here.",
)


def respond(problem: Problem, dice: random.Random) -> str:
    """Generate one response."""
    text = f"{dice.choice(OPENINGS)} {dice.choice(BODIES)}"
    fate = dice.random()
    if problem.ease < 1 and fate < 0.04:
        return f"{text} So we have to look at the cases one after the other. In the first of them"
    if problem.ease < 1 and fate < 0.06:
        return "I'm sorry, but I can't help with that."
    answer = dice.choice(problem.right if dice.random() < problem.ease else problem.wrong)
    if fate < 0.75:
        return f"{text}\n\nThe answer is $\\boxed{{{answer}}}$."
    if fate < 0.9:
        return f"{text}\n\nFinal answer: ${answer}$"
    return f"<think>{text}</think>\n<answer>{answer}</answer>"


def main() -> None:
    """Print one group per line."""
    dice = random.Random(2504_05812)  # noqa: S311 - not used for cryptography
    for problem in PROBLEMS:
        responses = [respond(problem, dice) for _ in range(GROUP_SIZE)]
        group = {"id": problem.name, "prompt": problem.prompt, "responses": responses, "reference": problem.right[0]}
        print(json.dumps(group, ensure_ascii=False))


if __name__ == "__main__":
    main()
