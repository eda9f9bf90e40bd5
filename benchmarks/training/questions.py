"""Questions with short answers in words: six families, their disjoint sets, and the label of a response."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path

FILE = Path(__file__).with_name("questions.json")
"""By family and kind: the form of the question, and the accepted answers to each (`|` between several)."""

DEVELOPMENT_FAMILIES = ("animals", "elements")
"""The families on which settings are selected; the others are used for evaluation only."""

SETS = ("prompts", "probes", "test")
SHARES = (0.55, 0.15)
"""The shares of the questions of each kind for training and for probes; the rest is held out."""

BARE_WORDS = 3
"""The longest accepted answers have so many words."""


@dataclass(frozen=True)
class Question:
    """A question.

    Args:
        family, kind: what it is about.
        text: the question, with the instruction to give the answer only.
        accepted: all accepted answers.
        rivals: answers that are wrong here: of a choice, the other options; else the answers to the other questions of
            the kind. None of them is part of the question itself.
    """

    family: str
    kind: str
    text: str
    accepted: tuple[str, ...]
    rivals: tuple[str, ...]

    @property
    def answer(self) -> list[str]:
        """All accepted answers, as a label."""
        return list(self.accepted)

    @property
    def prompt(self) -> list[dict[str, str]]:
        """The question as a conversation."""
        return [{"role": "user", "content": self.text}]

    def is_right(self, response: str) -> bool:
        """The label of a response: it holds an accepted answer, word by word, and none of the rivals.

        Capitals, accents, punctuation and articles do not count; spelling does. What follows a "not" is not held.
        """
        words = words_of(response)
        return any(_holds(words, answer) for answer in self.accepted) and not any(
            _holds(words, rival) for rival in self.rivals
        )


def is_bare(response: str) -> bool:
    """Whether a response has the form that was asked for: a few words on one line that are no sentence."""
    words = words_of(response)
    return 0 < len(words) <= BARE_WORDS and not {"is", "are", "was"} & {*words} and "\n" not in response.strip()


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, without accents and articles."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("ł", "l"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter)).replace("'", "")
    return [word for word in re.findall(r"[a-z0-9]+", plain) if word not in ("a", "an", "the")]


def _holds(words: Sequence[str], phrase: str) -> bool:
    wanted = words_of(phrase)
    places = range(len(words) - len(wanted) + 1)
    return any(list(words[at : at + len(wanted)]) == wanted and words[at - 1 : at] != ["not"] for at in places)


@cache
def questions() -> tuple[Question, ...]:
    """All questions."""
    families = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        question
        for family, kinds in families.items()
        for kind, content in kinds.items()
        for question in _of_kind(family, kind, content["prompt"], content["answers"])
    )


def _of_kind(family: str, kind: str, form: str, answers: Mapping[str, str]) -> Iterator[Question]:
    every = dict.fromkeys(chain.from_iterable(accepted.split("|") for accepted in answers.values()))
    for subject, listed in answers.items():
        text, accepted = form.format(subject), tuple(listed.split("|"))
        options = re.split(r", or |, ", subject.partition(": ")[2].rstrip("?"))
        asked = words_of(subject)
        rivals = tuple(
            answer
            for answer in (options if len(options) > 1 else every)
            if not any(_holds(words_of(right), answer) or _holds(words_of(answer), right) for right in accepted)
            and (len(options) > 1 or not _holds(asked, answer))
        )
        yield Question(family, kind, text, accepted, rivals)


@cache
def sets() -> Mapping[str, tuple[Question, ...]]:
    """`prompts` (for training), `probes` and `test` (held out), each also as `development ...`: disjoint, always equal.

    Families take turns in each, so that they are about equally many among the first of a set.
    """
    found: dict[str, tuple[Question, ...]] = {}
    for prefix in ("development ", ""):
        parts: dict[str, dict[str, list[Question]]] = {name: {} for name in SETS}
        for kind in dict.fromkeys(question.kind for question in questions()):
            of_kind = [question for question in questions() if question.kind == kind]
            family = of_kind[0].family
            if (family in DEVELOPMENT_FAMILIES) != bool(prefix):
                continue
            of_kind.sort(key=lambda question: sha256(question.text.encode()).digest())
            ends = [round(sum(SHARES[:place]) * len(of_kind)) for place in range(3)] + [len(of_kind)]
            for name, start, end in zip(SETS, ends, ends[1:], strict=False):
                parts[name].setdefault(family, []).extend(of_kind[start:end])
        for name, families in parts.items():
            for members in families.values():
                members.sort(key=lambda question: sha256(question.text.encode()).digest())
            rounds = zip_longest(*families.values())
            found[prefix + name] = tuple(question for turn in rounds for question in turn if question is not None)
    return found


@cache
def by_text() -> Mapping[str, Question]:
    """Each question by its text."""
    return {question.text: question for question in questions()}
