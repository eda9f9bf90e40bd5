"""From an answer's text to tokens, in one pass that is linear in its length.

Unicode forms are folded to the LaTeX that they stand for, what only sets the type (spacing, sizing, fonts, `$`, boxes)
is dropped, and numbers are recognised in their many notations.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from empo_rewards.equivalence.math import names
from empo_rewards.equivalence.math.limits import MAX_TOKENS
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


_SUPER = re.compile(f"[{''.join(map(chr, names.SUPERSCRIPTS))}]+")
_SUB = re.compile(f"[{''.join(map(chr, names.SUBSCRIPTS))}]+")
_DEGREE = re.compile(
    r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![A-Za-z]))|\\(?:degree|textdegree)(?![A-Za-z])(?:\{\})?"
    r"|(?<=\d)\^ ?(?:\{ ?(?:o|\\(?:text|mathrm) ?\{ ?o ?\}) ?\}|o(?![A-Za-z]))"
)
_PRIMES = re.compile(r"\^ ?(?:\{ ?((?:\\prime ?)+)\}|(\\prime)(?![A-Za-z]))")
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z]{2})")
"""A backslash that was escaped once too often: no row of a matrix begins here."""
_WIDE_COMMA = re.compile(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))")
_SLANTED = re.compile("(?<![⁰¹²³⁴-⁹])([⁰¹²³⁴-⁹]+)⁄([₀-₉]+)")
_YEARS = re.compile(r"(?<!\d)(\d{4}) ?--+ ?(?=\d{4}(?!\d))")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"|“([^”]*)”|`([^`]*)`")


def fold(text: str) -> str:
    """The text with Unicode forms as LaTeX: ½ is \\frac{1}{2}, x² is x^{2}, zero-width characters are gone."""
    if not text.isascii():
        text = _WIDE_COMMA.sub(",", text)
        text = _SLANTED.sub(
            lambda m: f"\\frac{{{m[1]}}}{{{m[2]}}}".translate(names.SUPERSCRIPTS | names.SUBSCRIPTS), text
        )
        text = _SUPER.sub(lambda m: "^{" + m[0].translate(names.SUPERSCRIPTS) + "}", text)
        text = _SUB.sub(lambda m: "_{" + m[0].translate(names.SUBSCRIPTS) + "}", text)
        text = text.translate(names.FOLDED)
        if not text.isascii():
            text = "".join(map(_fold_character, unicodedata.normalize("NFKC", text))).translate(names.FOLDED)
    text = "".join(c for c in text if c >= " " or c in "\t\n\r") if not text.isprintable() else text
    text = text.strip()
    if text.startswith("**") and text.endswith("**") and len(text) > 4:
        text = text[2:-2].strip()
    text = _YEARS.sub(r"\1-", text) if "--" in text else text
    quoted = _QUOTED.fullmatch(text)
    text = (quoted[quoted.lastindex or 1] if quoted is not None else text.strip("`")).strip()
    if "\\\\" in text and "\\begin" not in text:
        text = _DOUBLED.sub("\\\\", text)
    if "\\prime" in text:
        text = _PRIMES.sub(lambda match: "'" * match[0].count("p"), text)
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


_STYLES = sorted((name for name, (kind, _) in names.COMMANDS.items() if kind in ("style", "text", "upright")), key=len)
_STYLED = re.compile(rf"\\(?:{'|'.join(reversed(_STYLES))})(?![A-Za-z])\*?")
_SET_APART = re.compile(r"\\(?:[ ,;:!>\n()\[\]]|q?quad(?![A-Za-z])|left(?![A-Za-z])|right(?![A-Za-z]))|[~$]")


def plain(folded: str) -> str:
    """A folded text without what only sets its type: styles, spacing, delimiters, braces around words."""
    if "\\" in folded or "$" in folded or "~" in folded or "{" in folded:
        folded = _SET_APART.sub(" ", _STYLED.sub("", folded)).replace("{", "").replace("}", "")
    return " ".join(folded.split()).rstrip(".")


_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,12}(?![A-Za-z\d.]))?")
_GOES_ON = frozenset(".,\x1f ~\\(xX")
"""What may follow the digits of a number that is written in another notation than `_NUMBER`."""
_REPEATING = re.compile(
    r"(\d+\.\d*)(?:\\(?:overline|bar) ?\{(\d+)\}|\((\d+)\)|\\dot ?\{?(\d)\}?(?:(\d*)\\dot ?\{?(\d)\}?)?)"
)
_DOTS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3}){2,}(?![\d.])")
_GROUPED = re.compile(r"\d{1,3}(?:\x1f *\d{3})+(?!\d)(?:\.\d+)?")
_COMMAS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d+)?")
_SPACES = re.compile(r"[1-9]\d{0,2}(?:(?: |\\,|\\;|~)\d{3})+(?!\d|,\d|\.\d| ?/| ?\\frac)")
_NO_DIGIT = re.compile(r"[^\d.]")
_ONGOING = re.compile(r"(\d*\.\d*?)((\d+?)\3{2,}|(\d{2,}?)\4)")
"""A decimal whose last digits repeat, three times one or twice several: before dots it goes on so."""
_LONGEST_ONGOING = 40
_DOTS_AFTER = re.compile(r" ?(?:\.\.\.|\\[lc]?dots(?![A-Za-z]))")
_TIMES_X = re.compile(r"\s?[xX]\s?(?=10\s?\^)")
_AMOUNT = re.compile(r"\$ ?(?=\d)")
_BASIS = re.compile(r" ?\{? ?\\?([ijk])(?:math)?(?![A-Za-z]) ?\}?")
_BOLD = frozenset({"mathbf", "boldsymbol", "bm", "pmb", "vec", "hat"})
"""Commands that make i, j, k the unit vectors."""

_TOKEN = re.compile(
    r"(?P<digits>\d|\.(?=\d))|(?P<space>[\s~]+)|(?P<letters>[A-Za-z]+)|(?P<command>\\(?:[A-Za-z]+\*?|.))"
    r"|(?P<foreign>(?:(?![A-Za-z])[^\W\d_])+)|(?P<mark>\*\*|\.\.\.|[<>!=~]=|=[<>]|->|!!|.)",
    re.DOTALL,
)
_ALONE = frozenset("+/^_,;:|()[]%&°?")
"""Marks that are a token, whatever stands beside them."""
_MARKS = {
    "**": "^", "...": "…", "<=": "≤", ">=": "≥", "!=": "≠", "==": "=", "=<": "≤", "=>": "⇒", "->": "→", "~=": "≈",
    "、": ",",
} | dict.fromkeys("€£¥¢₹₽₩", "$")  # fmt: skip
"""The kind of a mark, where it is not the mark itself."""
_SEPARATORS = frozenset({",", ";", "and", "or"})
_NO_ITEM = _SEPARATORS | {"word", "\\\\", "&"}
_DEEPER = dict.fromkeys(("(", "[", r"\{"), 1) | dict.fromkeys((")", "]", r"\}"), -1)
"""How a bracket changes the depth."""
_ARGUMENT = frozenset({"frac", "sqrt", "binom", "}"})
"""What braces follow that hold one expression, and no list."""


class _Lexer:
    """One text's tokens.

    `style` is the style that the next brace sets, `braces` what each open one is: "group", "argument", or a style,
    whose braces only delimit it. `depth` counts the brackets around a list; `wide` says that a wide space was met.
    """

    def __init__(self, text: str) -> None:
        self.text = text.replace("{,}", "\x1f").replace(",\\!", "\x1f").replace("\\!", "")
        self.tokens: list[Token] = []
        self.spaced = self.wide = False
        self.braces: list[str] = []
        self.depth = 0
        self.style = ""
        self.currency = "$" in text and self.has_currency()
        self.listed = ", " in text
        self.dotted = "..." in text or "dots" in text

    def has_currency(self) -> bool:
        """Whether a dollar sign is one, and does not delimit a formula: an odd one, or $5-$10."""
        signs, escaped = self.text.count("$"), self.text.count("\\$")
        return (signs - escaped) % 2 == 1 or (not escaped and len(_AMOUNT.findall(self.text)) == signs)

    def run(self) -> list[Token]:
        text, position, length = self.text, 0, len(self.text)
        long = length > MAX_TOKENS
        while position < length:
            if long and len(self.tokens) > MAX_TOKENS:
                raise Unreadable
            character = text[position]
            if character in _ALONE:
                self.emit(character, character)
                position += 1
            elif character == " ":
                self.spaced = True
                position += 1
            else:
                match = _TOKEN.match(text, position)
                assert match is not None and match.lastgroup is not None  # noqa: S101, PT018 - any character is a mark
                position = _READERS[match.lastgroup](self, match[0], position, match.end())
        return self.tokens

    def emit(self, kind: str, text: str) -> None:
        if self.style or self.wide:
            # a wide space separates items, unless a separator, an end or a word stands beside it
            if self.wide and self.tokens and self.tokens[-1].kind not in _SEPARATORS and kind not in _NO_ITEM:
                self.tokens.append(Token(",", ",", True))
            self.style, self.wide = "", False
        if kind in _DEEPER:
            self.depth = max(0, self.depth + _DEEPER[kind])
        self.tokens.append(Token(kind, text, self.spaced))
        self.spaced = False

    # One reader a group of `_TOKEN`: of the text between two positions; where the next token begins.

    def space(self, text: str, start: int, end: int) -> int:
        self.spaced = True
        return end

    def foreign(self, text: str, start: int, end: int) -> int:
        self.emit("word", text)
        return end

    def mark(self, text: str, start: int, end: int) -> int:
        if text == "{":
            self.open_brace()
        elif text == "}":
            self.close_brace()
        elif text != "\\" and (text != "$" or self.currency):
            kind = _MARKS.get(text, text)
            self.emit(kind, text if kind == "$" else kind)
        return end

    def open_brace(self) -> None:
        if self.style:
            self.braces.append(self.style)
            self.style = ""
            return
        argument = bool(self.tokens) and self.tokens[-1].kind in _ARGUMENT
        self.braces.append("argument" if argument else "group")
        self.depth += not argument
        self.emit("{", "{")

    def close_brace(self) -> None:
        if not self.braces:
            raise Unreadable
        kind = self.braces.pop()
        if kind in ("group", "argument"):
            self.depth = max(0, self.depth - (kind == "group"))
            self.emit("}", "}")
        self.spaced = self.spaced or kind in ("text", "upright")

    def digits(self, text: str, start: int, end: int) -> int:
        match = _NUMBER.match(self.text, start)
        assert match is not None  # noqa: S101 - it begins with a digit, or with a point before one
        if self.text[match.end() : match.end() + 1] in _GOES_ON:
            return self.other_notation(start, match)
        self.emit("num", match[0])
        return match.end()

    def other_notation(self, start: int, plain_number: re.Match[str]) -> int:
        """0.\\overline{3}, 1.234.567, 1{,}000, 1,000, 1 000, 0.333..., 3x10^2: else the plain number."""
        repeating = _REPEATING.match(self.text, start)
        if repeating:
            self.emit("num", f"{repeating[1]}({''.join(filter(None, repeating.groups()[1:]))})")
            return repeating.end()
        if not (start and (self.text[start - 1] in ".,_^" or self.text[start - 1].isdecimal())):
            for notation in (_DOTS, _GROUPED, _COMMAS, _SPACES):
                grouped = notation.match(self.text, start)
                if grouped and (notation is not _COMMAS or not self.depth or self.listed):
                    digits = _NO_DIGIT.sub("", grouped[0])
                    self.emit("num", digits.replace(".", "") if notation is _DOTS else digits)
                    return grouped.end()
        dots = _DOTS_AFTER.match(self.text, plain_number.end()) if self.dotted else None
        ongoing = _ONGOING.fullmatch(plain_number[0]) if dots and len(plain_number[0]) <= _LONGEST_ONGOING else None
        if ongoing and dots:
            self.emit("num", f"{ongoing[1]}({ongoing[3] or ongoing[4]})")
            return dots.end()
        self.emit("num", plain_number[0])
        times = _TIMES_X.match(self.text, plain_number.end())
        if times:
            self.emit("*", "*")
        return (times or plain_number).end()

    def letters(self, run: str, start: int, end: int) -> int:
        lower = run.lower()
        style = self.braces[-1] if self.braces else ""
        as_text = style in ("text", "upright")
        ahead = self.text[end : end + 2]
        if ahead[:1] == "{" and len(run) > 2 and run in names.COMMANDS and not as_text:
            return self.named(run, end)  # frac{1}{2}: a command that lost its backslash
        if lower in ("and", "or"):
            kind, text = lower, lower
        elif as_text and lower in ("mod", "pmod"):
            kind, text = "mod", "mod"
        elif run in SPELLINGS and (
            not as_text
            or ahead in ("}(", "}{", "}\\")
            or (style == "upright" and not (self.tokens and self.tokens[-1].kind == "num"))
        ):
            kind, text = "func", SPELLINGS[run]
        elif as_text:
            kind, text = "sym" if style == "upright" and run in names.UPRIGHT_SYMBOLS else "word", run
        else:
            kind, text = names.PLAIN_NAMES.get(lower) or ("sym" if len(run) == 1 else "run", run)
        self.emit(kind, text)
        return end

    def command(self, written: str, start: int, end: int) -> int:
        if written in (r"\(", r"\)", r"\[", r"\]"):
            self.spaced = True
            return end
        name = written[1:].rstrip("*")
        if name[:1].isalpha() and name not in names.COMMANDS and name not in SPELLINGS:
            # a command that runs into the letters after it (\quadx) is the longest that it starts with
            sizes = range(min(len(name), names.LONGEST_COMMAND), 1, -1)
            known = (size for size in sizes if name[:size] in names.COMMANDS or name[:size] in SPELLINGS)
            name = name[: next(known, len(name))]
            end = start + 1 + len(name)
        return self.named(name, end)

    def named(self, name: str, end: int) -> int:
        """A command by its name, whose argument begins at `end`."""
        kind, text = ("func", SPELLINGS[name]) if name in SPELLINGS else names.COMMANDS.get(name, ("cmd", name))
        basis = _BASIS.match(self.text, end) if name in _BOLD else None
        argument = self.text.find("}", end, end + 40) + 1 if self.text[end : end + 1] == "{" else 0
        if basis is not None:
            self.emit("sym", f"unit {basis[1]}")
            return basis.end()
        if kind in ("skip", "quad"):
            self.spaced, self.wide = True, self.wide or kind == "quad"
            return end + (name in ("left", "right") and self.text[end : end + 1] == ".")
        if kind in ("style", "text", "upright"):
            self.style = kind
            self.spaced = self.spaced or kind != "style"
            return end
        if kind == "color":
            return argument or end
        if kind in ("begin", "end"):
            if not argument:
                raise Unreadable
            environment = self.text[end + 1 : argument - 1].rstrip("*")
            self.emit(kind, environment)
            columns = kind == "begin" and environment == "array" and self.text[argument : argument + 1] == "{"
            return (columns and self.text.find("}", argument, argument + 40) + 1) or argument
        self.emit(kind, text)
        return end


_READERS = {name: getattr(_Lexer, name) for name in _TOKEN.groupindex}


def lex(folded: str) -> list[Token]:
    """The tokens of a folded text; raises `Unreadable`."""
    return _Lexer(folded).run()
