"""Reading of the documentation's pages: blocks of code, and tables as rows of cells."""

from __future__ import annotations


def code_blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    parts = page.split(f"```{language}\n")[1:]
    return [part.partition("```")[0] for part in parts]


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table(page: str, *header: str) -> list[list[str]]:
    """The rows of the tables whose header begins with these cells."""
    rows: list[list[str]] = []
    wanted = False
    for line, after in zip(page.splitlines(), [*page.splitlines()[1:], ""], strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if after.startswith("| ---"):
            wanted = cells[: len(header)] == list(header)
        elif not cells:
            wanted = False
        elif wanted and not line.startswith("| ---"):
            rows.append(cells)
    return rows


def quoted(text: str) -> list[str]:
    """What stands in backquotes."""
    return text.split("`")[1::2]
