"""Applies the extractors to a response in order, and reads the answer in a reference."""

from __future__ import annotations

from collections.abc import Sequence

from empo_rewards.errors import PluginError
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.containers import Hashes
from empo_rewards.extraction.corrections import alike, correction, is_withdrawn, taken_back
from empo_rewards.extraction.refusals import is_blank, is_refusal
from empo_rewards.extraction.thinking import opens_thinking, skip_thinking, turn_end
from empo_rewards.group import Answer, AnswerKind
from empo_rewards.protocols import Extracted, Extractor

MAX_CHARS = 65_536
"""Of a longer response only so many characters at its end are looked at: an answer stands at the end, and extractors
run in the caller's process."""


def extract(
    response: str,
    prompt: str,
    extractors: Sequence[tuple[str, Extractor]],
    *,
    skip: bool = True,
    max_chars: int = MAX_CHARS,
) -> Answer:
    """The answer of a response: of the first extractor that finds one that is not blank.

    Extractors of one level of evidence (their attribute `evidence`) that stand beside each other are tried together,
    and of what they find the last in the response counts; so does an announcement behind a container that the response
    takes back. What corrects the answer right behind it is the answer. One that declines to answer is a refusal, and so
    is a response in which nothing was found and that, as a whole, declines. Where nothing else was found it is blank.

    Args:
        response: the whole response; the answer's positions count in it.
        prompt: the prompt's text.
        extractors: names and extractors, in the order in which they are tried.
        skip: look only at what speaks: behind the thinking block, where there is one, and before a next question.
        max_chars: how much of the response's end is looked at.

    Raises:
        PluginError: an extractor gave something that is no span of the response. What it raises itself goes through.
    """
    begin = skip_thinking(response, opened=opens_thinking(prompt)) if skip else 0
    end = turn_end(response, begin, prompt)
    offset = max(begin, end - max_chars)
    visible = response[offset:end]
    answers: list[tuple[str, Extracted]] = []
    level = None
    for name, extractor in extractors:
        goes_on = (extractor.evidence or name) == level
        corrects = not goes_on and extractor.evidence == "announcement"
        if answers and not goes_on and not (corrects and taken_back(visible, _last(answers)[1].end)):
            break
        level = extractor.evidence or name
        found = extractor(visible, prompt)
        if found is None or is_blank((one := _checked(name, found, len(visible))).text):
            continue
        if not (corrects and answers) or alike(one.text, _last(answers)[1].text):
            answers.append((name, one))
    if answers:
        name, last = _last(answers)
        said = taken_back(visible, last.end)
        better = None if said is None else correction(visible, last, said)
        if better is not None:
            form = dict(extractors)[name].read(better.text, prompt)
            last = better if form is None else better._replace(text=form)
        elif said is not None and is_withdrawn(visible, said):
            return Answer("", AnswerKind.BLANK)
        kind = AnswerKind.REFUSAL if is_refusal(last.text) else AnswerKind.ANSWER
        return Answer(last.text, kind, name, offset + last.start, offset + last.end, last.truncated)
    kind = AnswerKind.REFUSAL if is_refusal(visible.strip()) else AnswerKind.BLANK
    return Answer("", kind)


def reference_answer(reference: str, prompt: str, extractors: Sequence[tuple[str, Extractor]]) -> str:
    """The answer in a reference: the text as it is written, with a box or a last line `#### ...` in it opened.

    A reference is no response: "Nothing is the answer to all" announces nothing. An extractor that gives answers a form
    of its own (its method `read`: the letter of a choice) gives it to the reference too.
    """
    container = LastBox(truncated="skip")(reference) or Hashes()(reference)
    text = reference.strip() if container is None else container.text
    for _, extractor in extractors:
        form = extractor.read(text, prompt)
        if form is not None:
            return form
    return text


def _last(answers: list[tuple[str, Extracted]]) -> tuple[str, Extracted]:
    """The answer that stands last, with its extractor's name; a cut-off one only where all are."""
    return max(answers, key=lambda pair: (not pair[1].truncated, pair[1].start))


def _checked(name: str, found: object, length: int) -> Extracted:
    """Validate what an extractor found: a text with its span in the response."""
    if not isinstance(found, Extracted):
        raise PluginError(f"the extractor {name!r} must give an Extracted or None, not {type(found).__name__}")
    if not isinstance(found.text, str):
        raise PluginError(f"the extractor {name!r} gave a text that is {type(found.text).__name__}, not str")
    positions = (found.start, found.end)
    if not all(type(position) is int for position in positions) or not 0 <= found.start <= found.end <= length:
        raise PluginError(f"the extractor {name!r} gave the span {positions!r} in a response of {length} characters")
    return found._replace(truncated=bool(found.truncated))
