"""From an answer's text to tokens, in one pass that is linear in its length.

Unicode forms are folded to the LaTeX that they stand for, what only sets the type (spacing, sizing, fonts, `$`, boxes)
is dropped, and numbers are recognised in their many notations.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar

from empo_rewards.equivalence.math import names
from empo_rewards.equivalence.math.limits import MAX_TOKENS
from empo_rewards.equivalence.math.table import SPELLINGS
from empo_rewards.latex import command

T = TypeVar("T")


class Unreadable(Exception):  # noqa: N818 - an answer that is no expression is data
    """The text is not an expression that the keys can read."""


def demand(found: T | None) -> T:
    """What was found; raises `Unreadable` where nothing was, or where a condition does not hold."""
    if not found:
        raise Unreadable
    return found


class Token(NamedTuple):
    """One token."""

    kind: str  # `num`, `sym`, `run` (letters side by side), `word` (set as text), one of `names`, or the mark itself
    text: str  # what it says, in folded form
    spaced: bool  # whether space stands before it


_UP, _DOWN = f"[{names.SUPERSCRIPTS}]+", f"[{names.SUBSCRIPTS}]+"
_SCRIPT = re.compile(f"(?P<over>{_UP}⁄{_DOWN})|(?P<up>{_UP})|{_DOWN}")
_DEGREE = re.compile(
    r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![A-Za-z]))|\\(?:degree|textdegree)(?![A-Za-z])(?:\{\})?"
    r"|(?<=\d)\^ ?(?:\{ ?(?:o|\\(?:text|mathrm) ?\{ ?o ?\}) ?\}|o(?![A-Za-z]))"
)
_PRIMES = re.compile(r"\^ ?(?:\{ ?((?:\\prime ?)+)\}|(\\prime)(?![A-Za-z]))")
_BLANKS = re.compile(r" +(?=[(\[]|\\left)")
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z]{2})")
"""A backslash that was escaped once too often: no row of a matrix begins here."""
_WIDE_COMMA = re.compile(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))")
_YEARS = re.compile(r"(?<!\d)(\d{4}) ?--+ ?(?=\d{4}(?!\d))")
_WRAPPED = re.compile(r"\*\*(.+)\*\*|'([^']*)'|\"([^\"]*)\"|“([^”]*)”|`([^`]*)`", re.DOTALL)


def fold(text: str) -> str:
    """The text with Unicode forms as LaTeX: ½ is \\frac{1}{2}, x² is x^{2}, zero-width characters are gone."""
    if not text.isascii():
        text = _SCRIPT.sub(_fold_script, _WIDE_COMMA.sub(",", text)).translate(names.FOLDED)
        if not text.isascii():
            text = "".join(map(_fold_character, unicodedata.normalize("NFKC", text))).translate(names.FOLDED)
    if not text.isprintable():
        text = "".join(c for c in text if c >= " " or c in "\t\n\r")
    text = text.strip()
    while wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[wrapped.lastindex or 1].strip()
    text = text.strip("`")
    if "--" in text:
        text = _YEARS.sub(r"\1-", text)
    if "\\\\" in text and "\\begin" not in text:
        text = _DOUBLED.sub("\\\\", text)
    if "\\prime" in text:
        text = _PRIMES.sub(lambda match: "'" * match[0].count("p"), text)
    return _DEGREE.sub("°", text)


def _fold_script(match: re.Match[str]) -> str:
    """x², x₂, ³⁄₄."""
    written = match[0].translate(names.SCRIPTS)
    if match["over"]:
        return "\\frac{{{}}}{{{}}}".format(*written.split("⁄"))
    return f"{'^' if match['up'] else '_'}{{{written}}}"


def _fold_character(character: str) -> str:
    if character < "\x7f":
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cf", "Mn"):
        return ""
    return " " if category.startswith("Z") else character


_STYLES = ("style", "text", "upright")
_STYLED = re.compile(command(*(name for name, (kind, _) in names.COMMANDS.items() if kind in _STYLES)) + r"\*?")
_SET_APART = re.compile(r"\\(?:[ ,;:!>\n()\[\]]|q?quad(?![A-Za-z])|left(?![A-Za-z])|right(?![A-Za-z]))|[~$]")


def plain(folded: str) -> str:
    """A folded text without what only sets its type: styles, spacing, delimiters, braces around words."""
    if "\\" in folded or "$" in folded or "~" in folded or "{" in folded:
        folded = _SET_APART.sub(" ", _STYLED.sub("", folded)).replace("{", "").replace("}", "")
    return " ".join(folded.split()).rstrip(".")


_AMOUNT = re.compile(r"\$ ?(?=\d)")
_MARKS = {
    "**": "^", "...": "…", "<=": "≤", ">=": "≥", "!=": "≠", "==": "=", "=<": "≤", "=>": "⇒", "->": "→",
    "、": ",", "∗": "*", "⩽": "≤", "⩾": "≥", "≦": "≤", "≧": "≥", "≅": "≡",
} | dict.fromkeys("€£¥¢₹₽₩", "$")  # fmt: skip
"""The kind of a mark, where it is not the mark itself."""
_ALONE = frozenset("+/^_,;:|()[]%&°?")  # marks that are a token, whatever stands beside them
_SPACES = frozenset(" ~\t\n\r\x1f\x85")
SEPARATORS = frozenset({",", ";", "and", "or"})
_NO_ITEM = SEPARATORS | {"word", "\\\\", "&"}
_DEEPER = dict.fromkeys(("(", "[", r"\{"), 1) | dict.fromkeys((")", "]", r"\}"), -1)  # how a bracket changes the depth
_ARGUMENT = frozenset({"frac", "sqrt", "binom", "}"})  # what braces follow that hold one expression, and no list


class _Lexer:
    """One text's tokens.

    `style` is the style that the next brace sets, `braces` what each open one is: "group", "argument", or a style,
    whose braces only delimit it. `depth` counts the brackets around a list; `wide` says that a wide space was met.
    """

    def __init__(self, text: str) -> None:
        self.text = text.replace("{-}", "-").replace("{,}", "\x1f").replace(",\\!", "\x1f").replace("\\!", "")
        self.tokens: list[Token] = []
        self.spaced = self.wide = False
        self.braces: list[str] = []
        self.depth, self.style = 0, ""
        signs, escaped = text.count("$"), text.count("\\$")
        # a dollar sign is one, and does not delimit a formula: an odd one, or $5-$10
        self.currency = (signs - escaped) % 2 == 1 or (not escaped and len(_AMOUNT.findall(text)) == signs)
        self.listed = ", " in text

    def run(self) -> list[Token]:
        text, position, end = self.text, 0, len(self.text)
        while position < end:
            if len(self.tokens) > MAX_TOKENS:
                raise Unreadable
            if (mark := text[position]) in _ALONE:
                self.emit(mark, mark)
                position += 1
            elif mark in _SPACES:
                self.spaced = True
                position += 1
            elif match := _TOKEN.match(text, position):  # it does: any character is a mark
                position = _READERS[match.lastgroup](self, match) or match.end()
        return self.tokens

    def emit(self, kind: str, text: str) -> None:
        if self.style or self.wide:
            # a wide space separates items, unless a separator, an end or a word stands beside it
            if self.wide and self.tokens and self.tokens[-1].kind not in SEPARATORS and kind not in _NO_ITEM:
                self.tokens.append(Token(",", ",", True))
            self.style, self.wide = "", False
        if kind in _DEEPER:
            self.depth = max(0, self.depth + _DEEPER[kind])
        self.tokens.append(Token(kind, text, self.spaced))
        self.spaced = False

    # Readers of what a row of `_TOKENS` matches; where the next token begins, if not at the end of the match

    def repeating(self, match: re.Match[str]) -> None:
        """0.1\\overline{6}, 0.1(6), 0.\\dot1\\dot6, 0.1666...: as 0.1(6)."""
        whole = match["whole"] or match["before"]
        repeated = match["once"] or match["twice"] or "".join(filter(str.isdecimal, match[0][len(whole) :]))
        self.emit("num", f"{whole}({repeated})")

    def grouped(self, match: re.Match[str]) -> int | None:
        """1,000 and 1 000; in brackets a comma is none of the number's where another one separates."""
        written = match[0]
        if match.lastgroup == "commas" and self.depth and not self.listed:
            written = written.partition(",")[0]
        self.emit("num", re.sub(r"\D" if match.lastgroup == "dotted" else r"[^\d.]", "", written))
        return match.start() + len(written)

    def based(self, match: re.Match[str]) -> None:
        """0x2A: a decimal number of which the base is said."""
        for kind, text in (("num", str(int(match[0], 0))), ("_", "_"), ("num", "10")):
            self.emit(kind, text)

    def mark(self, match: re.Match[str]) -> None:
        kind = _MARKS.get(match[0], match[0])
        if kind != "\\" and (match[0] != "$" or self.currency):
            self.emit(kind, match[0] if kind == "$" else kind)

    def open_brace(self, match: re.Match[str]) -> None:
        argument = bool(self.tokens) and self.tokens[-1].kind in _ARGUMENT
        self.braces.append(self.style or ("argument" if argument else "group"))
        if not self.style:
            self.depth += not argument
            self.emit("{", "{")
        self.style = ""

    def close_brace(self, match: re.Match[str]) -> None:
        demand(self.braces)
        kind = self.braces.pop()
        if kind in ("group", "argument"):
            self.depth = max(0, self.depth - (kind == "group"))
            self.emit("}", "}")
        self.spaced = self.spaced or kind in ("text", "upright")

    def letters(self, match: re.Match[str]) -> int | None:
        run, lower, ahead = match[0], match[0].lower(), self.text[match.end() : match.end() + 2]
        style = self.braces[-1] if self.braces else ""
        as_text = style in ("text", "upright")
        # a function where brackets or a command follow, or set upright: \mathrm{min} after a number is its unit
        beside_number = bool(self.tokens) and self.tokens[-1].kind == "num"
        applied = ahead in ("}(", "}{", "}\\") or (style == "upright" and not beside_number)
        if ahead[:1] == "{" and len(run) > 2 and run in names.COMMANDS and not as_text:
            return self.named(run, match.end())  # frac{1}{2}: a command that lost its backslash
        if lower in ("and", "or"):
            self.emit(lower, lower)
        elif as_text and lower in ("mod", "pmod"):
            self.emit("mod", "mod")
        elif run in SPELLINGS and (not as_text or applied):
            self.emit("func", SPELLINGS[run])
        elif as_text:
            self.emit("sym" if style == "upright" and run in names.UPRIGHT_SYMBOLS else "word", run)
        else:
            self.emit(*(names.PLAIN_NAMES.get(lower) or ("sym" if len(run) == 1 else "run", run)))
        return None

    def command(self, match: re.Match[str]) -> int:
        name, end = match[0][1:].rstrip("*"), match.end()
        if name[:1].isalpha() and name not in names.COMMANDS and name not in SPELLINGS:
            # a command that runs into the letters after it (\quadx) is the longest that it starts with
            sizes = range(min(len(name), names.LONGEST_COMMAND), 1, -1)
            known = (size for size in sizes if name[:size] in names.COMMANDS or name[:size] in SPELLINGS)
            name = name[: next(known, len(name))]
            end = match.start() + 1 + len(name)
        return self.named(name, end)

    def named(self, name: str, end: int) -> int:
        """A command by its name, whose argument begins at `end`."""
        kind, text = ("func", SPELLINGS[name]) if name in SPELLINGS else names.COMMANDS.get(name, ("cmd", name))
        if kind in ("skip", "quad"):
            self.spaced = self.spaced or not name.startswith(("left", "right", "big", "Big", "!"))
            self.wide = self.wide or kind == "quad"
        elif kind in _STYLES:
            self.style = kind
            self.spaced = self.spaced or kind != "style"
        elif kind in ("begin", "end"):
            raise Unreadable  # no environment follows
        else:
            self.emit(kind, text)
            if kind == "sym" and (blanks := _BLANKS.match(self.text, end)):  # TeX skips them: Φ (2)
                return blanks.end()
        return end


_BASIS = r"(?:\\|(?=[a-z]+\{))(?:mathbf|boldsymbol|bm|pmb|vec|hat) ?\{? ?\\?(?P<vector>[ijk])(?:math)?(?![A-Za-z]) ?\}?"
"""i, j, k as the unit vectors."""
_ENVIRONMENT = r"\\?(?P<edge>begin|end)\{(?P<name>[^}*]{0,38})\*?\}(?:(?<=begin\{array\})\{[^}]{0,38}\})?"
_APART = r"\\[()\[\]]|\\(?:left|right)\.|\\?(?:color|textcolor|colorbox)\{[^}]{0,38}\}"
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,12}(?![A-Za-z\d.]))?"
_FIRST = r"(?<![.,_^\d])"
_DOTS = r" ?(?:\.\.\.|\\[lc]?dots(?![A-Za-z]))"
_REPEATED = r"\\(?:overline|bar) ?\{\d+\}|\(\d+\)|\\dot ?\{?\d\}?(?:\d*\\dot ?\{?\d\}?)?"
_ONGOING = r"(?P<before>\d*\.\d*?)(?:(?P<once>\d+?)(?P=once){2,}|(?P<twice>\d{2,}?)(?P=twice))"
"""A decimal whose last digits repeat, three times one or twice several: before dots it goes on so."""
_Reading: TypeAlias = Callable[[_Lexer, re.Match[str]], "int | None"]
_TOKENS: dict[str, tuple[str, _Reading]] = {
    "based": (r"0(?:[xX][\dA-Fa-f]{1,16}|[bB][01]{1,64}|[oO][0-7]{1,21})(?![\w^])", _Lexer.based),
    # a number that nothing follows which the other notations of numbers have
    "number": (_NUMBER + r"(?![\d.,\x1f ~\\(xXeE])", lambda lexer, match: lexer.emit("num", match[0])),
    "times": (r"(?:(?<=\d)|(?<=\d\s))[xX]\s?(?=10\s?\^)", lambda lexer, match: lexer.emit("*", "*")),
    # letters that are no command without its backslash
    "run": ("[A-Za-z]+(?![A-Za-z{])", _Lexer.letters),
    "open": (r"\{", _Lexer.open_brace),
    "close": (r"\}", _Lexer.close_brace),
    "repeating": (rf"(?P<whole>\d+\.\d*)(?:{_REPEATED})", _Lexer.repeating),
    "dotted": (_FIRST + r"[1-9]\d{0,2}(?:\.\d{3}){2,}(?![\d.])", _Lexer.grouped),
    "grouped": (_FIRST + r"\d{1,3}(?:\x1f *\d{3})+(?!\d)(?:\.\d+)?", _Lexer.grouped),
    "commas": (_FIRST + r"[1-9]\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d+)?", _Lexer.grouped),
    "spaces": (_FIRST + r"[1-9]\d{0,2}(?:(?: |\\,|\\;|~)\d{3})+(?!\d|,\d|\.\d| ?/| ?\\frac)", _Lexer.grouped),
    "ongoing": (rf"(?=\d{{0,20}}\.\d{{1,38}}{_DOTS}){_ONGOING}{_DOTS}", _Lexer.repeating),
    "digits": (_NUMBER, lambda lexer, match: lexer.emit("num", match[0])),
    "environment": (_ENVIRONMENT, lambda lexer, match: lexer.emit(match["edge"], match["name"])),
    "apart": (_APART, lambda lexer, match: lexer.named(" ", match.end())),
    "basis": (_BASIS, lambda lexer, match: lexer.emit("sym", f"unit {match['vector']}")),
    "letters": ("[A-Za-z]+", _Lexer.letters),
    "command": (r"\\(?:[A-Za-z]+\*?|.)", _Lexer.command),
    "foreign": (r"(?:(?![A-Za-z])[^\W\d_])+", lambda lexer, match: lexer.emit("word", match[0])),
    "mark": (r"\*\*|\.\.\.|[<>!=]=|=[<>]|->|!!|.", _Lexer.mark),
}
"""How each token is written, and what reads it; the usual ones first."""
_READERS: dict[str | None, _Reading] = {name: reader for name, (_, reader) in _TOKENS.items()}
_TOKEN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, (pattern, _) in _TOKENS.items()), re.DOTALL)


def lex(folded: str) -> list[Token]:
    """The tokens of a folded text; raises `Unreadable`."""
    return _Lexer(folded).run()
