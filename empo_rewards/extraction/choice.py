r"""Multiple choice: the choices that a prompt lists, and the letter that a response picks.

The rules in use are known to disagree (2503.14996), so each stands here by its own name, and `audit_choice` shows what
each of them says of a response.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.phrases import FinalAnswer
from empo_rewards.extraction.spans import bare_span, last_of, strip_span, text_end
from empo_rewards.extraction.thinking import skip_thinking
from empo_rewards.protocols import Extracted, Extractor

# ------------------------------------------------------------------------------------------------- the prompt's choices


class _Style(NamedTuple):
    """A way of listing choices: how a letter is marked, and how many in a row make a list of them."""

    marker: re.Pattern[str]
    at_least: int


_LATEX_WRAP = r"\\(?:textbf|textrm|text|mathrm|mathbf|mbox|rm|bf)[ \t]{0,2}\{?[ \t]{0,2}"
# The surer a mark is, the fewer of it make a list: "(A)" in a sentence may be a set, "A." an initial, "A:" a speaker.
_STYLES = (
    _Style(re.compile(rf"\(?{_LATEX_WRAP}\(?(?P<letter>[A-Z])(?:\}}?[ \t]{{0,2}}\)|\.)[ \t~\\]{{0,4}}\}}?"), 2),
    _Style(
        re.compile(r"^[ \t]{0,8}(?:[-*•][ \t]{1,3})?\*{0,2}[(\[]?(?P<letter>[A-Z])[.)\]]\*{0,2}(?=\s)", re.MULTILINE), 2
    ),
    _Style(
        re.compile(r"^[ \t]{0,8}(?:[-*•][ \t]{1,3})?\*{0,2}(?P<letter>[A-Z])\*{0,2}:\*{0,2}(?=\s)", re.MULTILINE), 3
    ),
    _Style(re.compile(r"(?<![\w}\\^])[(\[](?P<letter>[A-Z])[)\]]"), 3),
    _Style(re.compile(r"(?<![\w.({\\-])(?P<letter>[A-Z])[.)](?=[ \t])"), 3),
)
_CHOICE_EDGE = re.compile(r"(?:\\q?quad|\\hspace\*?\{[^{}]{0,20}\}|\\[ ,;:!~]|\\\\|[\s~$,;])+")
_CHOICE_CHARS = 1_000
"""A choice's text has no more characters than this."""


def choices_of(prompt: str) -> dict[str, str]:
    r"""The choices that a prompt lists, by letter; empty where it lists none.

    Read are `A) ...`, `A. ...`, `(A) ...`, `[A] ...`, `A: ...` on lines of their own or in a row, and
    `\textbf{(A)}\ ...`. The letters must run from A without a gap; of several lists (examples that come first) the last
    counts.

    Args:
        prompt: the prompt's text.
    """
    for style in _STYLES:
        run = _last_run(style.marker.finditer(prompt), style.at_least)
        if run:
            starts = [marker.end() for marker in run]
            ends = [marker.start() for marker in run[1:]] + [_last_choice_end(prompt, starts[-1])]
            return {
                marker["letter"]: _choice_text(prompt[start : min(end, start + _CHOICE_CHARS)])
                for marker, start, end in zip(run, starts, ends, strict=True)
            }
    return {}


def _last_run(markers: Iterator[re.Match[str]], at_least: int) -> list[re.Match[str]]:
    """The last run A, B, C, ... of at least so many letters; marks that do not go on with it are passed over."""
    last: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for marker in markers:
        letter = marker["letter"]
        if run and ord(letter) == ord(run[-1]["letter"]) + 1:
            run.append(marker)
        elif letter == "A":
            run = [marker]
        if len(run) >= at_least:
            last = run
    return last


def _last_choice_end(prompt: str, start: int) -> int:
    newline = prompt.find("\n", start)
    return len(prompt) if newline < 0 else newline


def _choice_text(piece: str) -> str:
    lead = _CHOICE_EDGE.match(piece)
    piece = piece if lead is None else piece[lead.end() :]
    # What separates two choices stands at the end; the class of characters is tried once, on the reversed order.
    end = len(piece)
    for edge in _CHOICE_EDGE.finditer(piece):
        if edge.end() == end:
            piece = piece[: edge.start()]
    start, end = bare_span(piece, 0, len(piece))
    return piece[start:end]


# ------------------------------------------------------------------------------------------------- the response's pick

_WRAP = re.compile(
    r"\\(?:textbf|textit|textrm|text|mathrm|mathbf|mathit|mbox|bf|rm|boxed|fbox)(?![A-Za-z])|\\[ ,;!]|[\s${}*_`]"
)
_PICKED = re.compile(
    r"(?:(?:option|choice|answer) ?)?(?:[(\[](?P<round>[A-Z])[)\]]|(?P<bare>[A-Z])(?:[.):]|\Z))", re.IGNORECASE
)
_MARKUP = re.compile(r"\\(?:textbf|textit|textrm|text|mathrm|mathbf|mathit|mbox|bf|rm)(?![A-Za-z])|\\[ ,;!]|[\s$*`]")
_FRACTION = re.compile(r"\\[dt]?frac(?:(\w)(\w))?")
_PICK_CHARS = 200
"""A pick stands in the first so many characters of an answer."""


def _picked(answer: str, choices: Mapping[str, str]) -> str | None:
    r"""The letter of an answer that is one: `B`, `(B)`, `B. text`, `\textbf{(B)}\ 5`, "option B"."""
    plain = " ".join(_WRAP.sub(" ", answer[:_PICK_CHARS]).split())
    match = _PICKED.match(plain)
    if match is None:
        return None
    letter = match["round"] or match["bare"]
    if letter.islower():  # "b" is the choice only where nothing else stands there, and no choice is called so
        if match.end() != len(plain) or letter in (_folded(text) for text in choices.values()):
            return None
        letter = letter.upper()
    return letter if letter in choices else None


def _folded(text: str) -> str:
    """A choice's text for comparison: letters folded, without spacing, markup or a pair of braces around it all."""
    plain = "".join(_MARKUP.sub(" ", text).split()).casefold().rstrip(".")
    plain = _FRACTION.sub(lambda match: r"\frac" + (f"{{{match[1]}}}{{{match[2]}}}" if match[1] else ""), plain)
    return plain[1:-1] if plain.startswith("{") and plain.find("}") == len(plain) - 1 else plain


def _by_text(answer: str, choices: Mapping[str, str]) -> str | None:
    """The letter of the one choice whose text an answer repeats."""
    folded = _folded(answer)
    letters = [letter for letter, text in choices.items() if folded and _folded(text) == folded]
    return letters[0] if len(letters) == 1 else None


def _boxed(response: str, choices: Mapping[str, str]) -> Extracted | None:
    r"""The last box holds a letter: `\boxed{B}`, `\boxed{\textbf{(B)}\ 5}`."""
    return _read(LastBox()(response), choices, _picked)


def _boxed_text(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The last box holds a choice's text."""
    return _read(LastBox()(response), choices, _by_text)


def _phrase(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The last "the answer is (B)", "Answer: B"."""
    found = FinalAnswer()(response)
    if found is not None and (bare := _BARE_LETTER.fullmatch(found.text)):  # "B, which is 5"
        return _found(bare["letter"], found.start, choices)
    return _read(found, choices, _picked)


def _phrase_text(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The last "the answer is" with a choice's text."""
    return _read(FinalAnswer()(response), choices, _by_text)


_BARE_LETTER = re.compile(r"(?P<letter>[B-Z])[\s,](?:(?!\b[A-Z]\b)[\s\S])*")  # "A dog" begins with an article
_BOLD = re.compile(
    r"\\(?:textbf|mathbf|text|mathrm) ?\{ ?\(?(?P<letter>[A-Z])\)?[.:]? ?\}|\*\*\(?(?P<star>[A-Z])[).]?\*\*"
)
_OPTION = re.compile(r"\b(?:option|choice)s?[ :]{1,2}[*(\[]{0,3}(?P<letter>[A-Z])(?![\w'])", re.IGNORECASE)
_ROUND = re.compile(r"(?<![\w}\\^])\((?P<letter>[A-Z])\)")
_LONE = re.compile(r"[*_$(\[ ]{0,6}(?P<letter>[A-Z])(?:[*_$)\] ]{0,6}\Z|[*_$ ]{0,4}[.):][*_$ ]{0,4}(?:\Z|\s))")


def _bold(response: str, choices: Mapping[str, str]) -> Extracted | None:
    r"""The last letter in bold: `\textbf{(B)}`, `**B**`."""
    return _last(_BOLD, response, choices)


def _option(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The last "option B" or "choice (B)"."""
    return _last(_OPTION, response, choices)


def _option_first(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The first "option B" or "choice (B)"."""
    return _first(_OPTION, response, choices)


def _parenthesised(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The last "(B)"."""
    return _last(_ROUND, response, choices)


def _parenthesised_first(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The first "(B)"."""
    return _first(_ROUND, response, choices)


def _last_line(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The last line is a letter, or begins with one as the choices do: "B", "B.", "(B)", "B) text"."""
    start, end = _last_line_span(response)
    match = _LONE.match(response, start, end)
    return None if match is None else _found(match["letter"], match.start("letter"), choices)


def _last_line_text(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The last line is a choice's text."""
    start, end = bare_span(response, *_last_line_span(response))
    letter = _by_text(response[start:end], choices)
    return None if letter is None else Extracted(letter, start, end)


def _last_line_span(response: str) -> tuple[int, int]:
    end = text_end(response)
    return strip_span(response, response.rfind("\n", 0, end) + 1, end)


def _read(
    found: Extracted | None, choices: Mapping[str, str], reader: Callable[[str, Mapping[str, str]], str | None]
) -> Extracted | None:
    letter = None if found is None else reader(found.text, choices)
    return None if found is None or letter is None else Extracted(letter, found.start, found.end, found.truncated)


def _several_picked(found: Extracted | None, choices: Mapping[str, str]) -> bool:
    """Whether an answer names two choices or more: "(A) and (C)"."""
    return found is not None and len({match["letter"] for match in _ROUND.finditer(found.text)} & set(choices)) > 1


def _found(letter: str, position: int, choices: Mapping[str, str]) -> Extracted | None:
    return Extracted(letter, position, position + 1) if letter in choices else None


def _matches(pattern: re.Pattern[str], response: str, choices: Mapping[str, str]) -> Iterator[Extracted]:
    for match in pattern.finditer(response):
        group = "letter" if match["letter"] else "star"
        if match[group] in choices:
            yield Extracted(match[group], *match.span(group))


def _first(pattern: re.Pattern[str], response: str, choices: Mapping[str, str]) -> Extracted | None:
    return next(_matches(pattern, response, choices), None)


def _last(pattern: re.Pattern[str], response: str, choices: Mapping[str, str]) -> Extracted | None:
    return last_of(_matches(pattern, response, choices))


Rule = Callable[[str, Mapping[str, str]], Extracted | None]

RULES: Mapping[str, Rule] = {
    "boxed": _boxed,
    "boxed_text": _boxed_text,
    "phrase": _phrase,
    "phrase_text": _phrase_text,
    "last_line": _last_line,
    "last_line_text": _last_line_text,
    "bold": _bold,
    "option": _option,
    "option_first": _option_first,
    "parenthesised": _parenthesised,
    "parenthesised_first": _parenthesised_first,
}
"""The rules by name, from the surest down."""

DEFAULT_RULES = (
    "boxed",
    "boxed_text",
    "phrase",
    "phrase_text",
    "last_line",
    "last_line_text",
    "bold",
    "option",
    "parenthesised",
)
_BOX_RULES = frozenset({"boxed", "boxed_text"})


@dataclass(frozen=True)
class Choice(Extractor):
    """The letter that a response picks, where the prompt lists choices; elsewhere it finds nothing.

    The rules are tried in order, and the first that finds one of the prompt's letters decides. Where the response has a
    box, the box is its answer: only the rules that read it apply, and a stray "(A)" beside it does not. An answer that
    names several choices is left to the extractors behind.

    Args:
        rules: names out of `RULES`.
    """

    rules: tuple[str, ...] = DEFAULT_RULES

    def __post_init__(self) -> None:
        unknown = [rule for rule in self.rules if rule not in RULES]
        if unknown or not self.rules:
            problem = f"no rule is called {unknown[0]!r}" if unknown else "rules is empty"
            raise ConfigError(f"choice: {problem}; there are {', '.join(RULES)}")

    def __call__(self, response: str, prompt: str) -> Extracted | None:
        """The letter and where it stands (or the text of the choice that gave it), or None."""
        choices = choices_of(prompt)
        if not choices:
            return None
        box = LastBox()(response)
        if _several_picked(box or FinalAnswer()(response), choices):
            return None
        for name in self.rules:
            if box is not None and name not in _BOX_RULES:
                continue
            found = RULES[name](response, choices)
            if found is not None:
                return found
        return None

    def audit(self, response: str, prompt: str) -> dict[str, str | None]:
        """What each of all rules says (see `audit_choice`)."""
        return audit_choice(response, prompt)


def audit_choice(response: str, prompt: str) -> dict[str, str | None]:
    """The letter that each rule finds alone, behind the thinking; empty where the prompt lists no choices."""
    choices = choices_of(prompt)
    if not choices:
        return {}
    visible = response[skip_thinking(response) :]
    found = {name: rule(visible, choices) for name, rule in RULES.items()}
    return {name: None if answer is None else answer.text for name, answer in found.items()}
