r"""Column arithmetic with a scratchpad: problems, their disjoint sets, and a teacher that makes errors.

A problem of three digits is `457+368=`. Its solution goes from the lowest column up, one clause per column (digits,
carry in, carry out and digit), and ends in a box: `7+8+0=15;5+6+1=12;4+3+1=08;\boxed{0825}`. Subtraction borrows
where addition carries. All prompts of a size have equal length, and so have all well-formed solutions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

TOKENS = ("<pad>", "<eos>", "<unk>", *"0123456789+-=;}", "\\boxed{")
"""The vocabulary; a token's id is its index."""

TOKEN_PATTERN = r"\\boxed\{|."

_BOX = re.compile(r"\\boxed\{([0-9]+)\}")


@dataclass(frozen=True)
class Task:
    """A set of problems.

    Args:
        digits: number of digits of each operand.
        operations: a subset of `+-`.
    """

    digits: int = 3
    operations: str = "+"

    @property
    def prompt_tokens(self) -> int:
        """Number of tokens of every prompt."""
        return 2 * self.digits + 2

    @property
    def solution_tokens(self) -> int:
        """Number of tokens of every well-formed solution, including the end token."""
        return 10 * self.digits + 4

    def draw(self, dice: random.Random) -> Problem:
        """Draw a problem uniformly."""
        a, b = dice.randrange(10**self.digits), dice.randrange(10**self.digits)
        operation = dice.choice(self.operations)
        if operation == "-" and a < b:
            a, b = b, a
        return Problem(a, b, operation, self.digits)


@dataclass(frozen=True)
class Problem:
    """Two operands of a number of digits; in a subtraction the first is at least the second."""

    a: int
    b: int
    operation: str
    digits: int

    @classmethod
    def from_prompt(cls, prompt: str) -> Problem:
        """The problem that a prompt states."""
        operation = "-" if "-" in prompt else "+"
        a, b = prompt.removesuffix("=").split(operation)
        return cls(int(a), int(b), operation, len(a))

    @property
    def prompt(self) -> str:
        """The prompt."""
        return f"{self.a:0{self.digits}d}{self.operation}{self.b:0{self.digits}d}="

    @property
    def answer(self) -> str:
        """The right answer, with leading zeros, in the form of the solutions."""
        value = self.a + self.b if self.operation == "+" else self.a - self.b
        return f"{value:0{self.digits + 1}d}"


@dataclass(frozen=True)
class Noise:
    """The teacher's errors.

    Args:
        slip: probability that a column is wrong.
        slip_hard: the same if the two digits sum to 11 or more (in a subtraction: if it borrows).
        forgets: probability that a solution omits every carry: an error on which samples agree.
    """

    slip: float = 0.07
    slip_hard: float = 0.25
    forgets: float = 0.25


HELD_OUT = {"development prompts": 2000, "development test": 256, "prompts": 2000, "test": 256}
"""Sets of problems, with their sizes: for the selection of settings, and for the evaluation."""


def held_out(task: Task) -> Mapping[str, tuple[Problem, ...]]:
    """The sets of `HELD_OUT`: disjoint, equal in every run, and not used in pre-training."""
    dice = random.Random(f"held out {task}")
    drawn: dict[Problem, None] = {}
    while len(drawn) < sum(HELD_OUT.values()):
        drawn[task.draw(dice)] = None
    problems, sets, start = tuple(drawn), {}, 0
    for name, size in HELD_OUT.items():
        sets[name] = problems[start : start + size]
        start += size
    return sets


def solution(problem: Problem, noise: Noise, dice: random.Random) -> str:
    """One solution by the teacher, possibly with errors."""
    forgets = dice.random() < noise.forgets
    carry, clauses, result = 0, [], []
    for a, b in zip(_digits(problem.a, problem.digits), _digits(problem.b, problem.digits), strict=True):
        adds = problem.operation == "+"
        carried, digit = divmod(a + b + carry, 10) if adds else (int(a - b - carry < 0), (a - b - carry) % 10)
        hard = a + b >= 11 if adds else a < b
        if dice.random() < (noise.slip_hard if hard else noise.slip):
            wrong = [pair for pair in range(20) if pair != 10 * carried + digit]
            carried, digit = divmod(dice.choice(wrong), 10)
        clauses.append(f"{a}{problem.operation}{b}{problem.operation}{carry}={carried}{digit};")
        result.append(digit)
        carry = 0 if forgets else carried
    result.append(carry if problem.operation == "+" else 0)
    return "".join(clauses) + "\\boxed{" + "".join(map(str, reversed(result))) + "}"


def _digits(number: int, count: int) -> list[int]:
    """Decimal digits, lowest first."""
    return [number // 10**place % 10 for place in range(count)]


def boxed(text: str) -> str | None:
    """The last complete box of digits. Independent of the library, which is under test."""
    found = _BOX.findall(text)
    return found[-1] if found else None
