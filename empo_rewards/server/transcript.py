"""The response in a transcript: what follows the prompt, where the two come back as one decoded text.

A trainer tokenises the prompt, appends the generated tokens and decodes all of them. Decoding may change white space,
and a prompt that was too long has lost its beginning.
"""

from __future__ import annotations

MIN_OVERLAP = 24
"""So many characters of a cut prompt must be there, white space left out: fewer may agree by chance."""

_HALF_A_CHARACTER = "\N{REPLACEMENT CHARACTER}"
"""What a decoder makes of a character that a cut has halved."""


def response_of(transcript: str, prompt: str) -> str | None:
    """What follows the prompt in its transcript; None where the prompt cannot be found there. Linear.

    Found is the whole prompt, else the same but for white space, else the longest end of it that the transcript begins
    with (white space left out). But for the first case, white space at the start of the response is lost.
    """
    if transcript.startswith(prompt):
        return transcript[len(prompt) :]
    transcript = transcript.lstrip(_HALF_A_CHARACTER)
    bare_prompt = "".join(prompt.split())
    bare_start = "".join(transcript[: _window(transcript, len(bare_prompt))].split())
    if bare_start.startswith(bare_prompt):
        return _behind(transcript, len(bare_prompt))
    overlap = _overlap(bare_prompt, bare_start)
    return _behind(transcript, overlap) if overlap >= MIN_OVERLAP else None


def _window(transcript: str, size: int) -> int:
    """Where `size` characters that are no white space have been seen."""
    seen = 0
    for position, char in enumerate(transcript):
        if seen == size:
            return position
        seen += not char.isspace()
    return len(transcript)


def _behind(transcript: str, size: int) -> str:
    return transcript[_window(transcript, size) :].lstrip()


def _overlap(text: str, start: str) -> int:
    """The length of the longest end of `text` that `start` begins with (Knuth, Morris and Pratt)."""
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
