"""Finds the response in a transcript: prompt and response, decoded as one text.

A trainer tokenises the prompt, appends the generated tokens and decodes all of them. Decoding may change white space,
and a prompt that was too long is truncated at its start.
"""

from __future__ import annotations

MIN_OVERLAP = 24
"""Characters of a truncated prompt that must be found, white space not counted: fewer may match by chance."""

_HALF_A_CHARACTER = "\N{REPLACEMENT CHARACTER}"
"""What a decoder gives for the bytes of a character that was cut."""


def response_of(transcript: str, prompt: str) -> str | None:
    """What follows the prompt in its transcript; None where the prompt is not found. Linear time.

    Looked for at the start of the transcript: the whole prompt; else the whole prompt without white space; else the
    longest suffix of it without white space. In the last two cases the response is stripped of leading white space.
    """
    if transcript.startswith(prompt):
        return transcript[len(prompt) :]
    transcript = transcript.lstrip(_HALF_A_CHARACTER)
    bare_prompt = "".join(prompt.split())
    bare_start = "".join(transcript[: _end_of(transcript, len(bare_prompt))].split())
    if bare_start.startswith(bare_prompt):
        return _after(transcript, len(bare_prompt))
    overlap = _overlap(bare_prompt, bare_start)
    return _after(transcript, overlap) if overlap >= MIN_OVERLAP else None


def _end_of(transcript: str, size: int) -> int:
    """The position in `transcript` after its first `size` characters that are not white space."""
    seen = 0
    for position, char in enumerate(transcript):
        if seen == size:
            return position
        seen += not char.isspace()
    return len(transcript)


def _after(transcript: str, size: int) -> str:
    return transcript[_end_of(transcript, size) :].lstrip()


def _overlap(text: str, start: str) -> int:
    """The length of the longest suffix of `text` that is a prefix of `start` (Knuth, Morris and Pratt)."""
    failure = [0] * len(start)
    length = 0
    for position in range(1, len(start)):
        while length and start[position] != start[length]:
            length = failure[length - 1]
        length += start[position] == start[length]
        failure[position] = length
    length = 0
    for char in text:
        if length == len(start):
            length = failure[length - 1] if length else 0
        while length and char != start[length]:
            length = failure[length - 1]
        if start and char == start[length]:
            length += 1
    return length
