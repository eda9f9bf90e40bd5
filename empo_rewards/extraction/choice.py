r"""Multiple choice: the choices that a prompt lists, and the letter that a response picks.

The rules in use are known to disagree (2503.14996), so each stands here by its own name, and `audit_choice` shows what
each of them says of a response.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType
from typing import NamedTuple

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.containers import AnswerKey, AnswerTag, Hashes
from empo_rewards.extraction.phrases import FinalAnswer
from empo_rewards.extraction.spans import bare_span, latest, strip_span, text_end
from empo_rewards.extraction.thinking import skip_thinking, turn_end
from empo_rewards.extraction.wording import COUNTERFACTUAL
from empo_rewards.latex import BOXES, FONTS, STYLE, SWITCHES, TEXT, command
from empo_rewards.protocols import Extracted, Extractor

# ------------------------------------------------------------------------------------------------- the prompt's choices


class _Style(NamedTuple):
    """A way of listing choices: how a letter is marked, and how many in a row make a list of them."""

    marker: re.Pattern[str]
    at_least: int


_LATEX_WRAP = rf"{STYLE}[ \t]{{0,2}}\{{?[ \t]{{0,2}}"
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


@lru_cache(maxsize=16)
def choices_of(prompt: str) -> Mapping[str, str]:
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
            return MappingProxyType(
                {
                    marker["letter"]: _choice_text(prompt[start : min(end, start + _CHOICE_CHARS)])
                    for marker, start, end in zip(run, starts, ends, strict=True)
                }
            )
    return MappingProxyType({})


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

_WRAP = re.compile(rf"{command(*TEXT, *FONTS, *SWITCHES, *BOXES)}|\\[ ,;!]|[\s${{}}*_`\"]")
_PICKED = re.compile(
    r"(?:(?-i:the|la|el|die|der|das|il|le|a|o) )?(?:(?:correct |final |best )?(?:option|choice|answer|statement|letter"
    r"|letra|lettre|lettera|buchstabe|буква"
    r"|opción|opção|opzione|alternativa|выбор|вариант|选项|選項)s?(?: is)?[ :：]{0,2})?"
    r"(?:[(\[（【](?P<round>[A-Z])[)\]）】]"
    r"|(?P<bare>[A-Z])(?P<mark>[.):：、．]|\Z| ?(?:[-–—(（,，。:]| (?=is\b|because\b|since\b|as\b)|选项|項|项)|(?= )))",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"(?:(?:options?|choices?|statements?|both) ?)?[(\[]?[A-Z][)\]]?(?:(?: ?[,、，&/;和及](?: ?and)? ?| and "
    r"| )?[(\[]?[A-Z][)\]]?){1,25}\.?"
)
_BEGINS_SEVERAL = re.compile(
    r"[(\[]?(?P<one>[A-Z])[)\]]?(?: ?(?:,|、|，|&|,? and|,? or|/|和|及) ?)[(\[]?(?P<two>[A-Z])[)\]]?(?![\w'])"
)
_TEXT_AND_LETTER = re.compile(r"(?P<text>[^()\[\]]{2,}) [(\[][A-Z][)\]]")
_LETTER = re.compile(r"(?<![A-Za-z])[A-Z](?![a-z])|(?<=[A-Z])[A-Z](?![a-z])")
_IT = re.compile(r"(?:the answer|it|this) (?=can(?:not|'t) be )", re.IGNORECASE)
_MARKUP = re.compile(rf"{STYLE}|\\[ ,;!]|[\s$*`]")
_TEXT = re.compile(rf"{command(*TEXT, *FONTS)}\s{{0,2}}\{{([^{{}}]{{0,200}})\}}")
_FRACTION = re.compile(r"\\[dt]?frac(?:(\w)(\w))?")
_PICK_CHARS = 200
"""A pick stands in the first so many characters of an answer."""


def picked(answer: str, choices: Mapping[str, str]) -> str | None:
    r"""What an answer picks: a letter (`B`, `(B)`, `B. text`, `\textbf{(B)}\ 5`, "option B", the text of one choice).

    Several letters are several: "(A) and (C)" is "AC", in the alphabet's order. None where an answer is none of these.
    """
    plain = " ".join(_WRAP.sub(" ", answer[:_PICK_CHARS]).split()).rstrip("!")
    bracketed = _TEXT_AND_LETTER.fullmatch(plain)
    if bracketed is not None and (by_text := _by_text(bracketed["text"], choices)) is not None:
        return by_text
    if _SEVERAL.fullmatch(plain):
        by_text, letters = _by_text(answer, choices), set(_LETTER.findall(plain))  # "I and II" is a choice's text too
        return by_text or ("".join(sorted(letters)) if len(letters) > 1 and letters <= set(choices) else None)
    match = _PICKED.match(plain)
    if match is None or _BEGINS_SEVERAL.match(plain):
        return _by_text(answer, choices)
    letter = match["round"] or match["bare"]
    if letter.islower():  # "b" is the choice only where nothing else stands there, and no choice is called so
        if match.end() != len(plain) or letter in (_folded(text) for text in choices.values()):
            return _by_text(answer, choices)
        letter = letter.upper()
    if match["bare"] and not match["mark"] and match.end() < len(plain):  # "C 7": a letter before its own text
        rest = _folded(plain[match.end() :])
        own = _folded(choices.get(letter, ""))
        if not (own and rest.startswith(own)):
            return _by_text(answer, choices)
    return letter if letter in choices else _by_text(answer, choices)


def _folded(text: str) -> str:
    """A choice's text for comparison: letters folded, without spacing, markup or a pair of braces around it all."""
    plain = "".join(_MARKUP.sub(" ", _TEXT.sub(r"\1", _IT.sub("", text))).split()).casefold().rstrip(".;")
    plain = _FRACTION.sub(lambda match: r"\frac" + (f"{{{match[1]}}}{{{match[2]}}}" if match[1] else ""), plain)
    return plain[1:-1] if plain.startswith("{") and plain.find("}") == len(plain) - 1 else plain


def _by_text(answer: str, choices: Mapping[str, str]) -> str | None:
    """The letter of the one choice whose text an answer repeats."""
    folded = _folded(answer)
    letters = [letter for letter, text in choices.items() if folded and _folded(text) == folded]
    return letters[0] if len(letters) == 1 else None


_EXPLICIT: Mapping[str, tuple[Extractor, ...]] = {
    "container": (AnswerTag(), LastBox(), AnswerKey(), Hashes()),
    "announced": (FinalAnswer(choices=True),),
}
"""The rules of what holds the answer, and of what announces it: "the correct option is B", "故选：B"."""


def _held(rule: str, response: str, choices: Mapping[str, str]) -> list[Extracted]:
    """What the extractors of an explicit rule find, picks or not."""
    listed = "\n".join(choices.values())
    held = [one for extractor in _EXPLICIT[rule] if (one := extractor(response, listed)) is not None]
    return [one for one in held if rule != "announced" or not _goes_through(response, one.start)]


def _last_pick(held: Iterable[Extracted], choices: Mapping[str, str]) -> Extracted | None:
    picks = [(one, picked(one.text, choices)) for one in held]
    return latest(one._replace(text=pick) for one, pick in picks if pick is not None)


def _explicit(rule: str, response: str, choices: Mapping[str, str]) -> Extracted | None:
    return _last_pick(_held(rule, response, choices), choices)


_LONE = re.compile(r"[*_$(\[（【#> ]{0,8}(?P<letter>[A-Z])(?:[*_$)\]）】. ]{0,6}\Z|[*_$ ]{0,4}[.):）】、])")
_ITEM = re.compile(
    r"^[ \t]{0,8}(?:(?P<heading>#{1,6}[ \t]{1,3})|[-*•][ \t]{1,3}|[0-9]{1,2}[.)][ \t]{1,3})?[*(\[]{0,4}"
    r"(?P<option>(?:Option|Choice|Statement)[ \t])?[*(\[]{0,3}(?P<letter>[A-Z])[*)\]]{0,4}"
    r"(?:[.:)）]|[ \t]-|(?<=\))|(?(option)[ \t]{0,3}$|(?!)))",
    re.MULTILINE,
)
_CUES = (  # before a letter that ends its line
    r"(?:[Ss]o|[Tt]hus|[Tt]herefore|[Hh]ence|[Cc]learly|(?:[Ii]t|[Tt]his|[Tt]hat)(?: is|'s| must be)|go(?:ing)? with"
    r"|∴|i\.e\.|[Oo]pt for|[Cc]hoos(?:e|ing)|[Pp]ick|[Ss]elect|(?:right|correct) one is|[Cc]orrect:)"
)
_CORRECT = re.compile(
    r"(?<![A-Za-z0-9_.'\\^{])[*(\[]{0,3}(?P<letter>[A-Z])[*)\]]{0,3}(?:[ \t]?(?:选项|選項|项|項))?"
    r"(?:[ \t](?:is|must be|would be|seems|appears)(?: therefore| thus| clearly| the only)?[ \t](?:to be )?(?:the )?"
    r"(?:correct|right|best|true|answer)\b|(?:是|为)?(?:正确|對|正確))"
    rf"|(?:\b|(?=∴)){_CUES}(?:,?[ \t](?:probably|likely|then|option|answer))?,?[ \t]"
    r"[*(\[]{0,3}(?P<chosen>[A-Z])[*)\]]{0,4}[.!]?(?=[ \t]{0,4}(?:\n|\Z))"
)
_BOLD = re.compile(
    r"\\(?:textbf|mathbf|text|mathrm) ?\{ ?\((?P<letter>[A-Z])\)[.:]? ?\}?|\*\*\(?(?P<star>[A-Z])(?:\*\*|[).:])"
)
_OPTION = re.compile(r"\b(?:option|choice)[ :]{1,2}[*(\[]{0,3}(?P<letter>[A-Z])(?![\w'])", re.IGNORECASE)
_ROUND = re.compile(r"(?<![\w}\\^])\((?P<letter>[A-Z])\)")
_DENIED_BEFORE = re.compile(
    r"(?:n['’]t|\b(?:not|cannot|eliminates?|eliminating|rules? out|ruling out|rejects?|excludes?|except|unlike|than"
    r"|neither|nor|versus|why|doubt|unlikely|anything but|far from|mistake|error|misconception|trap|distractor))\b"
    r"(?:(?!but\b)[^.,;:\n]){0,24}\Z|\b(?:amp(?:ere)?s?|bytes?|coulombs?|celsius|farads?|gauss|henrys?|joules?)[ \t]\Z",
    re.IGNORECASE,
)
_DENIED_BEHIND = re.compile(
    r"[\])*]{0,4}[ \t]?\?|[\])*]{0,4}[^.,;\n]{0,40}?\b(?:incorrect|wrong|false|invalid|not|isn't|doesn't|cannot|can't"
    r"|eliminated?|ruled out|excluded|fails|unlikely|irrelevant)\b",
    re.IGNORECASE,
)
_LEADS_TO_LIST = re.compile(
    r"\b(?:options?|choices?|alternatives|statements|answers|possibilities|candidates|each|every|consider(?:ing)?)\b",
    re.IGNORECASE,
)
_LEAD_CHARS = 120
_AROUND_CHARS = 48
_SUPPOSED_CHARS = 96
_SHORT_CHARS = 8
_OWN_CHARS = 4
"""A choice's text of so many characters may begin a sentence about something else ("A) 4 is even")."""
_LAST_CHARS = 600
"""A mention counts in the last so many characters: what stands before is working."""


def _first_line(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The first line is a letter, or a letter with its text, and more follows: "C\n\n7 is prime."."""
    start, _ = strip_span(response, 0, len(response))
    newline = response.find("\n", start)
    return None if newline < 0 or _goes_through(response, start) else _lone(response, start, newline, choices)


def _last_line(response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The last line is a letter, or a letter with its text, or that text; and not the last of a list of the choices."""
    end = text_end(response)
    start, end = strip_span(response, response.rfind("\n", 0, end) + 1, end)
    return None if _items(response, start) or _goes_through(response, start) else _lone(response, start, end, choices)


def _lone(response: str, start: int, end: int, choices: Mapping[str, str]) -> Extracted | None:
    """What a line picks that holds nothing else."""
    start, end = bare_span(response, start, end)
    line = response[start:end]
    match = _LONE.match(line)
    if match is None or _SEVERAL.fullmatch(line):
        short = len(line) <= _SHORT_CHARS or _SEVERAL.fullmatch(line)
        pick = picked(line, choices) if short else _by_text(line, choices)
    else:
        letter, rest = match["letter"], _folded(line[match.end() :])
        own = _folded(choices.get(letter, ""))
        own_text = own.startswith(rest) or (len(own) > _OWN_CHARS and rest.startswith(own))
        pick = letter if letter in choices and own_text else None
    return None if pick is None else Extracted(pick, start, end)


def _items(response: str, before: int) -> set[int]:
    """Where the letters stand with which lines go through the choices one by one, where lines do so."""
    items = list(_ITEM.finditer(response, 0, before))
    return {item.start("letter") for item in items} if len({item["letter"] for item in items}) > 1 else set()


def _goes_through(response: str, position: int) -> bool:
    """Whether a line begins to go through the choices: "A. one" before "B. two", or behind "Possible answers:".

    Args:
        response: the whole response.
        position: the line's beginning, or where its letter stands.
    """
    start = response.rfind("\n", 0, position) + 1
    item = _ITEM.match(response, start)
    if item is None or item.end() < position or item["letter"] not in {"A", "B"}:
        return False
    before = strip_span(response, 0, start)[1]
    line = response.rfind("\n", 0, before) + 1
    previous = _ITEM.match(response, line, before)
    if item["letter"] == "B":
        return previous is not None and previous["letter"] == "A"
    following = _ITEM.search(response, item.end())
    if (following is not None and following["letter"] == "B") or (item["heading"] and item.end() < text_end(response)):
        return True
    return _LEADS_TO_LIST.search(response, max(line, before - _LEAD_CHARS), before) is not None


def _only(pattern: re.Pattern[str], response: str, choices: Mapping[str, str]) -> Extracted | None:
    """The one letter that a pattern finds in the last line where it finds any, denied ones and list items aside."""
    end = text_end(response)
    found: Extracted | None = None
    items = _items(response, end)
    for match in reversed(list(pattern.finditer(response, max(0, end - _LAST_CHARS), end))):
        group = match.lastgroup or "letter"
        letter = match[group].upper()
        if letter not in choices or match.start(group) in items or _goes_through(response, match.start(group)):
            continue
        before = response[max(0, match.start() - _AROUND_CHARS) : match.start()]
        if _DENIED_BEFORE.search(before) or _DENIED_BEHIND.match(response, match.end(), match.end() + _AROUND_CHARS):
            continue
        if COUNTERFACTUAL.search(response, max(0, match.start() - _SUPPOSED_CHARS), match.start()):
            continue
        if found is None:
            found = Extracted(letter, *match.span(group))
        elif found.text != letter:
            return found if response.find("\n", match.end(), found.start) >= 0 else None
    return found


Rule = Callable[[str, Mapping[str, str]], Extracted | None]

RULES: Mapping[str, Rule] = {
    **{rule: partial(_explicit, rule) for rule in _EXPLICIT},
    "last_line": _last_line,
    "first_line": _first_line,
    "called_correct": partial(_only, _CORRECT),  # "C is correct"
    "bold": partial(_only, _BOLD),  # `**B**`
    "option": partial(_only, _OPTION),  # "option B"
    "parenthesised": partial(_only, _ROUND),  # "(B)"
}
"""The rules by name, from the surest down: what holds the answer, what announces it, and six kinds of mention."""


@dataclass(frozen=True)
class Choice(Extractor):
    """The letter that a response picks, where the prompt lists choices; elsewhere it finds nothing.

    The rules are tried in order, and the first that finds one of the prompt's letters decides. An announcement of a
    letter behind the last container corrects it. Where a container or an announcement holds something else, that is the
    answer, left to the extractors behind: a stray "(A)" beside it is not.

    Args:
        rules: names out of `RULES`.
    """

    rules: tuple[str, ...] = tuple(RULES)

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
        held = {} if _EXPLICIT.keys().isdisjoint(self.rules) else {r: _held(r, response, choices) for r in _EXPLICIT}
        picks = {rule: _last_pick(held[rule], choices) for rule in held if rule in self.rules}
        contained, announced = picks.get("container"), picks.get("announced")
        if contained is not None and announced is not None:
            return announced if announced.start > contained.end else contained
        if contained is not None or announced is not None or any(held.values()):
            return contained or announced
        mentions = (RULES[name](response, choices) for name in self.rules if name not in _EXPLICIT)
        return next((mention for mention in mentions if mention is not None), None)

    def read(self, answer: str, prompt: str) -> str | None:
        """What an answer that was written down, as a reference is, picks."""
        choices = choices_of(prompt)
        return picked(answer, choices) if choices else None

    def audit(self, response: str, prompt: str) -> dict[str, str | None]:
        """What each of all rules says (see `audit_choice`)."""
        return audit_choice(response, prompt)


def audit_choice(response: str, prompt: str) -> dict[str, str | None]:
    """The letter that each rule finds alone, in the part that speaks; empty where the prompt lists no choices."""
    choices = choices_of(prompt)
    if not choices:
        return {}
    start = skip_thinking(response)
    visible = response[start : turn_end(response, start, prompt)]
    found = {name: rule(visible, choices) for name, rule in RULES.items()}
    return {name: None if answer is None else answer.text for name, answer in found.items()}
