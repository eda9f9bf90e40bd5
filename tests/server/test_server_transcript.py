"""Extraction of the response from a transcript."""

from __future__ import annotations

import pytest

from empo_rewards.server.transcript import MIN_OVERLAP, response_of

PROMPT = "<|im_start|>user\nWhat is  1 + 1? Box it: \\boxed{}.<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("transcript", "prompt", "response"),
    [
        (PROMPT + "It is \\boxed{2}", PROMPT, "It is \\boxed{2}"),
        (PROMPT, PROMPT, ""),
        ("", "", ""),
        ("all of it", "", "all of it"),
        # Decoding has changed white space: at the start, within, or all of it.
        (" " + PROMPT + " It is 2", PROMPT, "It is 2"),
        (PROMPT.replace("  ", " ") + "2", PROMPT, "2"),
        ("".join(PROMPT.split()) + " 2", PROMPT, "2"),
        # The prompt was too long and has lost its beginning; it may start within a character.
        (PROMPT[20:] + "It is 2", PROMPT, "It is 2"),
        ("\ufffd" + PROMPT[20:] + "It is 2", PROMPT, "It is 2"),
        ("abab" * 8 + "abac", "xy" + "abab" * 8, "abac"),
        # What agrees by chance only is no prompt.
        ("ab and so on", "The end is ab", None),
        ("x" * (MIN_OVERLAP - 1) + "y", "q" + "x" * (MIN_OVERLAP - 1), None),
        ("x" * MIN_OVERLAP + "y", "q" + "x" * MIN_OVERLAP, "y"),
        ("something else", PROMPT, None),
        ("", PROMPT, None),
    ],
)
def test_what_follows_the_prompt(transcript: str, prompt: str, response: str | None) -> None:
    assert response_of(transcript, prompt) == response
