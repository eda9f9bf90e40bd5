"""Answers in words: which they are, and what they say."""

from __future__ import annotations

import re
from collections.abc import Hashable

from empo_rewards.equivalence.math import shapes, units
from empo_rewards.equivalence.math.algebra import atom
from empo_rewards.equivalence.math.chemistry import ELEMENT, ELEMENTS
from empo_rewards.equivalence.math.lexer import Token
from empo_rewards.equivalence.math.names import listed
from empo_rewards.equivalence.math.parser import is_word
from empo_rewards.equivalence.math.shapes import Shape, Text

_FORMULA = frozenset("=≈<>≤≥≠+*/^_∈∪:") | {"frac", "sqrt", "func"}
_NO_NAMES = frozenset(listed(
    "no not none never except unless undefined impossible invalid false without if when for at than only twice half "
    "double reciprocal inverse opposite over under above below"
))  # fmt: skip
"""Words that no name of a value holds: no solution for k = 2, twice x = 5."""
SILENT = frozenset({".", ",", "!", "?", "'", '"', "`", "$", "{", "}", "(", ")"})
_SUBSTANCE = re.compile(f"{ELEMENT}+")
_SYMBOLS = {name for name in ELEMENTS if len(name) == 2} - set(listed("As At Be He Ho In No Am La Pa"))
"""Elements whose symbols are no words."""


def words_of(tokens: list[Token]) -> Shape | None:
    """The answer as words, where it is a sentence or a word and no formula."""
    spoken = [token for token in tokens if token.kind in ("word", "run")]
    if not spoken:
        return None
    first = tokens[0]
    long = any(len(token.text) >= 3 for token in spoken)
    prose = any(token.text.lower() in units.PROSE and (long or token.kind == "word") for token in spoken)
    if not prose and (first.kind == "num" or not _FORMULA.isdisjoint([token.kind for token in tokens])):
        return None
    worded = first in spoken and (first.text.lower() == "no" or len(first.text) >= (3 if first.kind == "run" else 2))
    listing = first.kind == "sym" and len(spoken) >= 2 and all(t.kind in ("word", "run", "sym") for t in tokens)
    if not (prose or worded or listing):
        return None
    said = [token.text for token in tokens if token.kind not in SILENT]
    word, lower = said[0], [text.casefold() for text in said]
    vocal = not set("aeiouy").isdisjoint(lower[0]) and (len(word) > 3 or word[1:].islower())
    known = word in units.SYMBOLS or _SUBSTANCE.fullmatch(word) is not None  # kWh, HCl
    if len(said) == 1 and first.kind == "run" and word.isascii() and not (vocal or known or word.isupper()):
        return None  # mgh, nRT, VIt
    substance = word[0].isupper() and word.capitalize() in _SYMBOLS  # CO, Co
    genes = lower[0][::2] == lower[0][1::2] and not word[1:].islower()  # AaBb
    return Text(word) if len(said) == 1 and (substance or genes) else _said(lower)


def name_in_words(tokens: list[Token]) -> tuple[dict[str, Hashable], list[Token]]:
    """What the words before a sign of equality call the value, and the tokens after it: Area = 5, Total cost: $5.

    `called` holds the words, `label` the letters among them: side AB = 5. The tokens as they are where none name it.
    """
    if len(tokens) > 1 and tokens[0].text in ("pH", "pOH", "pKa", "pKb"):
        return {"called": tokens[0].text}, tokens[1 + (tokens[1].kind == "=") :]
    kinds = [token.kind for token in tokens]
    mark = next((k for k, kind in enumerate(kinds) if kind in ("=", ":")), -1)
    before, after = tokens[:mark], tokens[mark + 1 :]
    said, value = {*kinds[:mark]}, kinds[mark + 1 :]
    if kinds.count("=") + kinds.count(":") != 1 or not said <= {"word", "run", "sym"} or {*value} <= {"word", "run"}:
        return {}, tokens
    if kinds[mark] == ":" and value[0] not in ("num", "$", "frac", "sqrt", "-"):
        return {}, tokens
    letters = [token.text for token in before if token.kind == "sym" or token.text.isupper()]
    words = [token for token in before if token.kind != "sym" and not token.text.isupper()]
    named = any(is_word(token.text) or (token.kind == "word" and len(token.text) > 2) for token in words)
    if len(letters) > 1 or not named or not _NO_NAMES.isdisjoint(token.text.lower() for token in words):
        return {}, tokens
    called: dict[str, Hashable] = {"called": " ".join(token.text for token in words).casefold()}
    return called | ({"label": letters[0]} if letters else {}), after


def words_of_text(folded: str) -> Shape | None:
    """Words in a text that is no sequence of tokens."""
    words = folded.casefold().replace("\\text", " ").replace("{", " ").replace("}", " ").split()
    return _said(words) if words and words[0].isalpha() and len(words[0]) > 2 else None


_SAID: dict[str, Shape] = {
    r"(?:all|any|every) real(?: number)?s?|(?:(?:the )?set of (?:all )?)?real numbers": shapes.REALS,
    r"(?:there (?:is|are) )?no (?:real )?solutions?|(?:the )?empty set|null set": shapes.EMPTY,
    r"dne|d n e|(?:(?:the )?limit )?does not exist": Text("does not exist"),
    r"(?:infinitely many|infinite) solutions|infinitely many": Text("infinitely many"),
}
"""Phrases that say what a sign says too, or each other."""


def _said(words: list[str]) -> Shape:
    said = " ".join(words)
    if len(words) == 2 and words[0] in ("option", "choice", "answer") and len(words[1]) == 1:
        return atom(words[1].upper())
    return next((shape for phrases, shape in _SAID.items() if re.fullmatch(phrases, said)), Text(said))
