"""The commands of LaTeX that set the type of what they enclose: one table for all rooms that read past them."""

from __future__ import annotations

TEXT = ("text", "textbf", "textit", "textrm", "textnormal", "textsf", "texttt", "textup", "mbox", "hbox", "emph")
"""Commands whose argument is words."""

FONTS = ("mathrm", "mathbf", "mathit", "mathsf", "mathtt", "boldsymbol")
"""Commands that set the font of their argument in a formula."""

SWITCHES = ("bf", "rm", "it", "sf")
"""Commands that set the font of all that follows."""

BOXES = ("boxed", "fbox", "framebox")
"""Commands that frame their argument."""


def command(*names: str) -> str:
    r"""A regular expression for any of these commands, with its backslash: `\text` does not match in `\textbf`."""
    return rf"\\(?:{'|'.join(names)})(?![A-Za-z])"


STYLE = command(*TEXT, *FONTS, *SWITCHES)
"""A regular expression for a command that only sets the type."""
