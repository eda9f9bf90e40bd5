"""From an answer's text to tokens, in one pass that is linear in its length.

Unicode forms are folded to the LaTeX that they stand for, what only sets the type (spacing, sizing, fonts, `$`, boxes)
is dropped, and numbers are recognised in their many notations.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from empo_rewards.equivalence.math.limits import MAX_TOKENS
from empo_rewards.equivalence.math.names import (
    ACCENTS,
    COMMANDS,
    FOLDED,
    LONGEST_COMMAND,
    PLAIN_NAMES,
    SKIPPED,
    STYLES,
    SUBSCRIPTS,
    SUPERSCRIPTS,
    TEXT_STYLES,
    UPRIGHT_SYMBOLS,
)
from empo_rewards.equivalence.math.table import SPELLINGS


class Unreadable(Exception):  # noqa: N818 - an answer that is no expression is data
    """The text is not an expression that the keys can read."""


class Token(NamedTuple):
    """One token.

    Args:
        kind: `num`, `sym`, `run` (letters side by side), `word` (letters set as text), `func`, `cmd`, `end`, or the
            punctuation mark itself.
        text: what it says, in folded form.
        spaced: whether space stands before it.
    """

    kind: str
    text: str
    spaced: bool


_SUPER = re.compile(f"[{''.join(map(chr, SUPERSCRIPTS))}]+")
_SUB = re.compile(f"[{''.join(map(chr, SUBSCRIPTS))}]+")
_DEGREE = re.compile(
    r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![A-Za-z]))|\\(?:degree|textdegree)(?![A-Za-z])(?:\{\})?"
    r"|(?<=\d)\^ ?(?:\{ ?(?:o|\\(?:text|mathrm) ?\{ ?o ?\}) ?\}|o(?![A-Za-z]))"
)
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z]{2})")
"""A backslash that was escaped once too often: no row of a matrix begins here."""
_WIDE_COMMA = re.compile(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))")
_SLANTED = re.compile("(?<![⁰¹²³⁴-⁹])([⁰¹²³⁴-⁹]+)⁄([₀-₉]+)")
_YEARS = re.compile(r"(?<!\d)(\d{4}) ?--+ ?(?=\d{4}(?!\d))")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"|“([^”]*)”|`([^`]*)`")
_KEPT_CONTROLS = "\t\n\r"


def fold(text: str) -> str:
    """The text with Unicode forms as LaTeX: ½ is \\frac{1}{2}, x² is x^{2}, zero-width characters are gone."""
    if not text.isascii():
        text = _WIDE_COMMA.sub(",", text)
        text = _SLANTED.sub(lambda m: f"\\frac{{{m[1]}}}{{{m[2]}}}".translate(SUPERSCRIPTS | SUBSCRIPTS), text)
        text = _SUPER.sub(lambda m: "^{" + m[0].translate(SUPERSCRIPTS) + "}", text)
        text = _SUB.sub(lambda m: "_{" + m[0].translate(SUBSCRIPTS) + "}", text)
        text = text.translate(FOLDED)
        if not text.isascii():
            text = "".join(map(_fold_character, unicodedata.normalize("NFKC", text))).translate(FOLDED)
    text = "".join(c for c in text if c >= " " or c in _KEPT_CONTROLS) if not text.isprintable() else text
    text = text.strip()
    if text.startswith("**") and text.endswith("**") and len(text) > 4:
        text = text[2:-2].strip()
    text = _YEARS.sub(r"\1-", text) if "--" in text else text
    quoted = _QUOTED.fullmatch(text)
    text = (quoted[quoted.lastindex or 1] if quoted is not None else text.strip("`")).strip()
    if "\\\\" in text and "\\begin" not in text:
        text = _DOUBLED.sub("\\\\", text)
    return _DEGREE.sub("°", text)


def _fold_character(character: str) -> str:
    if character < "\x7f":
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cf", "Mn"):
        return ""
    return " " if category.startswith("Z") else character


_STYLED = re.compile(rf"\\(?:{'|'.join(sorted((*TEXT_STYLES, *STYLES), key=len, reverse=True))})(?![A-Za-z])\*?")
_SET_APART = re.compile(r"\\(?:[ ,;:!>\n()\[\]]|q?quad(?![A-Za-z])|left(?![A-Za-z])|right(?![A-Za-z]))|[~$]")


def plain(folded: str) -> str:
    """A folded text without what only sets its type: styles, spacing, delimiters, braces around words."""
    if "\\" in folded or "$" in folded or "~" in folded or "{" in folded:
        folded = _SET_APART.sub(" ", _STYLED.sub("", folded)).replace("{", "").replace("}", "")
    return " ".join(folded.split()).rstrip(".")


_EXPONENT = r"(?:[eE][+-]?\d{1,12}(?![A-Za-z\d.]))?"
_FRACTION = r"(?:\.\d+)?"
_REPEATING = re.compile(
    r"(\d+\.\d*)(?:\\(?:overline|bar) ?\{(\d+)\}|\((\d+)\)|\\dot ?\{?(\d)\}?(?:(\d*)\\dot ?\{?(\d)\}?)?)"
)
_GROUPED = re.compile(r"\d{1,3}(?:\x1f *\d{3})+(?!\d)" + _FRACTION)
_COMMAS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?!\d)" + _FRACTION)
_SPACES = re.compile(r"[1-9]\d{0,2}(?:(?: |\\,|\\;|~)\d{3})+(?!\d|,\d|\.\d| ?/| ?\\frac)")
_DOTS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3}){2,}(?![\d.])")
_ONGOING = re.compile(r"(\d*\.\d*?)((\d+?)\3{2,}|(\d{2,}?)\4)")
"""A decimal whose last digits repeat, three times one or twice several: before dots it goes on so."""
_LONGEST_ONGOING = 40
_DOTS_AFTER = re.compile(r" ?(?:\.\.\.|\\(?:l|c)?dots(?![A-Za-z]))")
_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)" + _EXPONENT)
_AMOUNT = re.compile(r"\$ ?(?=\d)")
_LETTERS = re.compile(r"[A-Za-z]+")
_COMMAND = re.compile(r"\\(?:[A-Za-z]+\*?|.)", re.DOTALL)
_SPACE = re.compile(r"\s+")
_TIMES_X = re.compile(r"\s?[xX]\s?(?=10\s?\^)")
_DELIMITERS = {r"\(", r"\)", r"\[", r"\]"}
_NO_DIGIT = re.compile(r"[^\d.]")
_DIGITS = frozenset("0123456789")
_CURRENCIES = frozenset("€£¥¢₹₽₩")
_SIGNS = frozenset("+/^_,;:|")
"""Characters that are a token, whatever stands beside them."""


_TAKES_ARGUMENTS = frozenset({"frac", "sqrt", "binom", "}"})
"""What braces follow that hold one expression, and no list."""
_BASIS = re.compile(r" ?\{? ?\\?([ijk])(?:math)?(?![A-Za-z]) ?\}?")
_BOLD = frozenset({"mathbf", "boldsymbol", "bm", "pmb", "vec", "hat"})
"""Commands that make i, j, k the unit vectors."""


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text.replace("{,}", "\x1f").replace(",\\!", "\x1f").replace("\\!", "")
        self.tokens: list[Token] = []
        self.spaced = False
        self.braces: list[str] = []
        self.depth = 0
        self.pending: str | None = None
        self.currency = self.text.count("$") - self.text.count("\\$")
        if self.currency and not self.currency % 2 and len(_AMOUNT.findall(self.text)) == self.text.count("$"):
            self.currency = 1  # $5-$10
        self.listed = ", " in text
        self.dotted = "..." in text or "dots" in text

    def run(self) -> list[Token]:
        position, length = 0, len(self.text)
        while position < length:
            position = self.step(position)
            if len(self.tokens) > MAX_TOKENS:
                raise Unreadable
        return self.tokens

    def emit(self, kind: str, text: str) -> None:
        self.tokens.append(Token(kind, text, self.spaced))
        self.spaced = False

    def step(self, at: int) -> int:  # noqa: PLR0911, PLR0912 - one branch a kind of character
        character = self.text[at]
        if character in _DIGITS or (character == "." and self.text[at + 1 : at + 2] in _DIGITS):
            return self.number(at)
        if character == "\\":
            return self.command(at)
        if character.isspace() or character == "~":
            self.spaced = True
            match = _SPACE.match(self.text, at)
            return match.end() if match else at + 1
        if character.isascii() and character.isalpha():
            return self.letters(at)
        if character == "$":
            if self.currency % 2:
                self.emit("$", "$")
            return at + 1
        if character == "{":
            self.open_brace(at)
            return at + 1
        if character == "}":
            self.close_brace(at)
            return at + 1
        self.pending = None
        if character in _SIGNS:
            self.emit(character, character)
            return at + 1
        if character.isalpha():
            end = at + 1
            while end < len(self.text) and self.text[end].isalpha() and not self.text[end].isascii():
                end += 1
            self.emit("word", self.text[at:end])
            return end
        if character == "*" and self.text.startswith("**", at):
            self.emit("^", "^")
            return at + 2
        two = _PAIRS.get(self.text[at : at + 2])
        if two:
            self.emit(two, two)
            return at + 2
        if self.text.startswith("...", at):
            self.emit("…", "…")
            return at + 3
        if character in "([":
            self.depth += 1
        elif character in ")]":
            self.depth = max(0, self.depth - 1)
        if character in _CURRENCIES:
            self.emit("$", character)
            return at + 1
        kind = "," if character in "\x1f、" else character
        self.emit(kind, kind)
        return at + 1

    def open_brace(self, at: int) -> None:
        """Opens a group; the braces of a style (\\text{...}) only delimit it."""
        if self.pending is not None:
            self.braces.append(self.pending)
            self.pending = None
            return
        argument = bool(self.tokens) and self.tokens[-1].kind in _TAKES_ARGUMENTS
        self.braces.append("argument" if argument else "group")
        self.depth += not argument
        self.emit("{", "{")

    def close_brace(self, at: int) -> None:
        kind = self.braces.pop() if self.braces else "stray"
        if kind in ("group", "argument"):
            self.depth = max(0, self.depth - (kind == "group"))
            self.emit("}", "}")
        elif kind in ("text", "upright"):
            self.spaced = True
        elif kind == "stray":
            raise Unreadable

    @property
    def as_text(self) -> bool:
        return bool(self.braces) and self.braces[-1] in ("text", "upright")

    def number(self, at: int) -> int:
        self.pending = None
        match = _REPEATING.match(self.text, at)
        if match:
            whole, bar, brackets, first, middle, last = match.groups()
            repeated = bar or brackets or (first + (middle or "") + (last or ""))
            self.emit("num", f"{whole}({repeated})")
            return match.end()
        thousands = _DOTS.match(self.text, at)
        if thousands and not self.glued(at):
            self.emit("num", thousands[0].replace(".", ""))
            return thousands.end()
        match = _NUMBER.match(self.text, at)
        assert match is not None  # noqa: S101 - `at` stands on a digit, or on a point before one
        after = self.text[match.end() : match.end() + 1]
        if after and after in "\x1f, ~\\" and not self.glued(at):
            for pattern in (_GROUPED, _COMMAS, _SPACES):
                grouped = pattern.match(self.text, at)
                if grouped and (pattern is not _COMMAS or not self.depth or self.listed):
                    self.emit("num", _NO_DIGIT.sub("", grouped[0]))
                    return grouped.end()
        dots = _DOTS_AFTER.match(self.text, match.end()) if self.dotted else None
        if dots and len(match[0]) <= _LONGEST_ONGOING:
            ongoing = _ONGOING.fullmatch(match[0])
            if ongoing:
                self.emit("num", f"{ongoing[1]}({ongoing[3] or ongoing[4]})")
                return dots.end()
        self.emit("num", match[0])
        times = _TIMES_X.match(self.text, match.end())
        if times:
            self.emit("*", "*")
            return times.end()
        return match.end()

    def glued(self, at: int) -> bool:
        """Whether the digits continue something: the decimals of a number, or a letter's index."""
        return at > 0 and (self.text[at - 1] in ".,_^" or self.text[at - 1].isdigit())

    def letters(self, at: int) -> int:
        self.pending = None
        match = _LETTERS.match(self.text, at)
        assert match is not None  # noqa: S101 - `at` stands on a letter
        self.letter_run(match[0], match.end())
        return match.end()

    def letter_run(self, run: str, end: int) -> None:
        lower = run.lower()
        if self.text[end : end + 1] == "{" and run in COMMANDS and len(run) > 2 and not self.as_text:
            self.named_command(run, end)  # frac{1}{2}: a command that lost its backslash
        elif lower in ("and", "or"):
            self.emit(lower, lower)
        elif self.as_text:
            upright = self.braces[-1] == "upright"
            if lower in ("mod", "pmod"):
                self.emit("mod", "mod")
            elif upright and run in UPRIGHT_SYMBOLS:
                self.emit("sym", run)
            elif (run in SPELLINGS and self.text[end : end + 2] in ("}(", "}{", "}\\")) or (
                upright and run in SPELLINGS and not (self.tokens and self.tokens[-1].kind == "num")
            ):
                self.emit("func", SPELLINGS[run])
            else:
                self.emit("word", run)
        elif run in SPELLINGS:
            self.emit("func", SPELLINGS[run])
        elif lower in PLAIN_NAMES:
            kind, text = PLAIN_NAMES[lower]
            self.emit(kind, text)
        elif len(run) == 1:
            self.emit("sym", run)
        else:
            self.emit("run", run)

    def command(self, at: int) -> int:
        match = _COMMAND.match(self.text, at)
        if match is None:
            return at + 1
        name, end = match[0][1:].rstrip("*"), match.end()
        if match[0] in _DELIMITERS:
            self.spaced = True
            return end
        if name and name[0].isalpha() and name not in COMMANDS and name not in SPELLINGS:
            name, end = self.known_prefix(name, at)
        return self.named_command(name, end)

    def known_prefix(self, name: str, at: int) -> tuple[str, int]:
        """A command that runs into the letters after it (\\quadx) is the longest command that it starts with."""
        for size in range(min(len(name), LONGEST_COMMAND), 1, -1):
            if name[:size] in COMMANDS or name[:size] in SPELLINGS:
                return name[:size], at + 1 + size
        return name, at + 1 + len(name)

    def named_command(self, name: str, end: int) -> int:  # noqa: PLR0911, PLR0912 - one branch a kind of command
        if name in SKIPPED:
            self.spaced = True
            if name in ("left", "right", "mleft", "mright") and self.text[end : end + 1] == ".":
                return end + 1
            return end
        basis = _BASIS.match(self.text, end) if name in _BOLD else None
        if basis is not None:
            self.emit("sym", f"unit {basis[1]}")
            return basis.end()
        if name in TEXT_STYLES or name in STYLES:
            self.pending = TEXT_STYLES.get(name, "style")
            self.spaced = self.spaced or name in TEXT_STYLES
            return end
        self.pending = None
        if name in COMMANDS and COMMANDS[name][0] == "color":
            close = self.text.find("}", end, end + 40)
            return close + 1 if self.text[end : end + 1] == "{" and close > 0 else end
        if name in SPELLINGS:
            self.emit("func", SPELLINGS[name])
        elif name in ("begin", "end"):
            close = self.text.find("}", end, end + 24)
            if self.text[end : end + 1] != "{" or close < 0:
                raise Unreadable
            self.emit(name, self.text[end + 1 : close].rstrip("*"))
            return self.skip_columns(close + 1) if name == "begin" else close + 1
        elif name in COMMANDS:
            kind, text = COMMANDS[name]
            if kind in ("(", "[", r"\{"):
                self.depth += 1
            elif kind in (")", "]", r"\}"):
                self.depth = max(0, self.depth - 1)
            self.emit(kind, text)
        elif name in ACCENTS:
            self.emit("accent", name)
        else:
            self.emit("cmd", name)
        return end

    def skip_columns(self, at: int) -> int:
        """Skips the column specification of an array: {cc|c}."""
        if self.tokens[-1].text == "array" and self.text[at : at + 1] == "{":
            close = self.text.find("}", at, at + 40)
            return close + 1 if close > 0 else at
        return at


_PAIRS = {"<=": "≤", ">=": "≥", "!=": "≠", "==": "=", "=<": "≤", "=>": "⇒", "->": "→", "~=": "≈", "!!": "!!"}


def lex(folded: str) -> list[Token]:
    """The tokens of a folded text; raises `Unreadable`."""
    return _Lexer(folded).run()
