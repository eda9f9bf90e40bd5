"""`empo-rewards extract`: the answer that is extracted from each response."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from empo_rewards.cli.console import (
    ConfigOption,
    FormatOption,
    LimitOption,
    MapOption,
    SetOption,
    SourcesArgument,
    err,
    foreign,
    out,
    print_json,
    reading_from,
    scorer_from,
)
from empo_rewards.cli.summary import Summary
from empo_rewards.group import Group
from empo_rewards.reading import Rejected, read_groups
from empo_rewards.scorer import Scorer


def extract(
    sources: SourcesArgument,
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Show the responses on which the multiple-choice rules disagree.")
    ] = False,
    form: FormatOption = None,
    mapping: MapOption = None,
    limit: LimitOption = None,
) -> None:
    """Print the answer of each response as a JSON line, with what found it and where; or audit the rules."""
    summary = Summary()
    counts: Counter[str] = Counter()
    with scorer_from(config, assignments) as scorer:
        for located in read_groups(sources, reading_from(None, form, mapping, limit)):
            if isinstance(located, Rejected):
                summary.reject(str(located))
                err.print(foreign(str(located)), soft_wrap=True)
                continue
            summary.groups += 1
            if audit:
                counts.update(_audit(scorer, located.group, located.line))
            else:
                counts.update(_answers(scorer, located.group, located.line))
    summary.check_read()
    if audit and not counts:
        err.print("no rule applied: audit with a preset that extracts choices (empo-choice), on prompts that list them")
    else:
        err.print(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))
    raise typer.Exit(summary.exit_code)


def _answers(scorer: Scorer, group: Group, line: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for position, response in enumerate(group.responses):
        answer = scorer.extract(response, group.prompt_text)
        counts[answer.extractor or answer.kind.value] += 1
        row = {"id": group.id, "line": line, "response": position, **asdict(answer), "kind": answer.kind.value}
        print_json(row)
    return counts


def _audit(scorer: Scorer, group: Group, line: int) -> Counter[str]:
    """Print the responses of a group on which the rules disagree; return how many agree and disagree."""
    counts: Counter[str] = Counter()
    for position, response in enumerate(group.responses):
        found = scorer.audit(response, group.prompt_text)
        if not found:
            continue
        answers = {answer for answer in found.values() if answer is not None}
        counts["rules disagree" if len(answers) > 1 else "rules agree"] += 1
        if len(answers) > 1:
            title = f"group {group.id or line}, response {position}"
            table = Table("rule", "answer", title=foreign(title), title_justify="left")
            for rule, answer in found.items():
                table.add_row(rule, foreign(answer or "(nothing)"))
            out.print(table)
    return counts
