"""Programs in a response: a line of one announces nothing but a number or a text that it assigns to `answer`."""

from __future__ import annotations

import re

from empo_rewards.protocols import Extracted

_FENCE = re.compile(r"^[ \t]{0,8}(?:```|~~~)[ \t]{0,4}(?P<language>[\w+#-]{0,20})[ \t]{0,4}$", re.MULTILINE)
_NO_PROGRAMS = frozenset({"", "text", "txt", "plaintext", "latex", "tex", "math", "md", "markdown", "json", "output"})
_STATEMENT = (
    r"(?:(?:let|const|var|int|float|double)[ \t]+\w+[ \t]*=|(?:return|import|def|echo|SELECT|#include)[ \t]"
    r"|(?:print|printf|console\.\w{1,9}|System\.out\.\w{1,9})[ \t]?\()"
)
_STATEMENTS = re.compile(rf"\n[ \t]{{0,40}}{_STATEMENT}")
_CALL = (  # of what is no function of mathematics; in "area(ABC) = 57" none is called
    r"(?<![\\.])\b(?!(?:sin|cos|tan|cot|sec|csc|log|exp|sqrt|max|min|gcd|lcm|det|arc[a-z]{3}|mod|final_answer)\()"
    r"[A-Za-z_]\w{2,40}(?:\.\w{1,40}){0,4}\((?![^\n]{0,120}\)[ \t]{0,4}=)"
)
_EXPRESSION = rf"[^\n]{{0,80}}?(?:{_CALL}|<<|;[ \t]*\Z|\bfor \w+ in\b)"
_LINE = re.compile(rf"[ \t]{{0,40}}(?:{_STATEMENT}|{_EXPRESSION})")
_ANNOUNCING = re.compile(rf"[ \t]{{0,40}}(?:(?=[^\n]*[=(]){_STATEMENT}|\w{{0,12}}answer\w{{0,12}}[ \t]*={_EXPRESSION})")
_ASSIGNS = re.compile(
    r"[ \t]{0,40}(?:(?:let|const|var|int|float|double)[ \t]+)?\w{0,12}answer\w{0,12}[ \t]*=[ \t]*"
    r"(?P<value>[-+]?[0-9][0-9_.]{0,30}|\"[^\"\n]{1,60}\"|'[^'\n]{1,60}')[ \t]*;?[ \t]*(?:(?:#|//).{0,80})?(?:\n|\Z)",
    re.IGNORECASE,
)
LINE_CHARS = 160
"""Of a longer line no more is read."""


def fenced_programs(text: str) -> list[tuple[int, int]]:
    """The spans of the code fences that hold programs; one that is never closed reaches to the text's end."""
    spans: list[tuple[int, int]] = []
    marks = _FENCE.finditer(text) if "```" in text else iter(())
    for opening in marks:
        closing = next(marks, None)
        start, end = opening.end(), len(text) if closing is None else closing.start()
        if opening["language"].lower() not in _NO_PROGRAMS or _STATEMENTS.search(text, start, end):
            spans.append((start, end))
    return spans


def is_program(line: str) -> bool:
    """Whether a line is one of a program: a declaration, a statement, or a call of what is no mathematical function."""
    return _LINE.match(line[:LINE_CHARS]) is not None


def is_code(text: str, start: int, end: int, limit: int) -> bool:
    """Whether the announcement in a span is part of a statement: `answer = f(x)`, `print("The answer is", y)`."""
    newline = text.find("\n", end, min(limit, end + LINE_CHARS))
    line = text[_line_start(text, start) : newline if newline >= 0 else min(limit, end + LINE_CHARS)]
    return _ANNOUNCING.match(line) is not None


def assigned(text: str, position: int) -> Extracted | None:
    """The number or text that the program's line at a position assigns to a name such as `answer`."""
    found = _ASSIGNS.match(text, _line_start(text, position))
    return None if found is None else Extracted(found["value"].strip("\"'"), *found.span("value"))


def _line_start(text: str, position: int) -> int:
    """Where the line begins that a position stands in; the position itself in a longer line than is read."""
    newline = text.rfind("\n", max(0, position - LINE_CHARS), position)
    return newline + 1 if newline >= 0 else 0 if position <= LINE_CHARS else position
