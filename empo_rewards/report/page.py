"""Writes a report as one page for a browser, with its data inside it."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from pathlib import Path
from typing import IO

from empo_rewards.files import whole_file
from empo_rewards.report.contents import Contents, packed


def template() -> str:
    """The page, as it was built from `web/`."""
    return files("empo_rewards.report").joinpath("page.html").read_text(encoding="utf-8")


def live_page(title: str, seconds: float) -> str:
    """The page that asks the server that sent it for its data, and for what is new every so many seconds."""
    data = f'<script type="text/plain" id="live">{float(seconds)}</script>'
    before, after = template().split("{{data}}")
    return _titled(before, title, connect="; connect-src 'self'") + data + after


def write_page(contents: Contents, target: Path) -> None:
    """Write the report to `target`, which appears when it is whole.

    Raises:
        InputError: the file cannot be written.
    """
    with whole_file(target) as part, part.open("w", encoding="utf-8") as file:
        _write(contents, file)


def _write(contents: Contents, file: IO[str]) -> None:
    before, after = template().split("{{data}}")
    file.write(_titled(before, contents.title))
    for number, part in enumerate(contents.parts()):
        file.write(f'<script type="application/gzip" id="part-{number}">{part}</script>\n')
    # The index comes after the parts, which say where each group's texts are.
    index = json.dumps(contents.index(), allow_nan=False).encode()
    file.write(f'<script type="application/gzip" id="index">{packed(index)}</script>')
    file.write(after)


def _titled(head: str, title: str, connect: str = "") -> str:
    sound = title.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be written
    return head.replace("{{title}}", html.escape(sound), 1).replace("{{connect}}", connect, 1)
