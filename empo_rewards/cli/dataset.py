"""`empo-rewards dataset`: a trainer's training and validation files from prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from empo_rewards.cli.console import InstructionOption, MapOption, err, foreign, out
from empo_rewards.datasets import DatasetFormat, MadeFile, make_dataset
from empo_rewards.errors import counted
from empo_rewards.reading.mapping import parse_mapping

SHOWN_ROWS = 10
"""So many rows without a prompt are shown."""


def dataset(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Prompts: text (one a line), JSON lines, JSON, CSV, Parquet, or a dataset of the Hugging Face Hub.",
        ),
    ],
    form: Annotated[DatasetFormat, typer.Option("--for", help="The trainer that reads the files.")],
    folder: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where train and val go.")] = Path(),
    instruction: InstructionOption = None,
    val: Annotated[int, typer.Option(min=0, help="Hold out so many prompts, drawn at random, for validation.")] = 0,
    labelled_val: Annotated[
        str | None, typer.Option(metavar="FILE", help="Validation prompts, each with a label.")
    ] = None,
    mapping: MapOption = None,
    data_source: Annotated[
        str | None, typer.Option("--name", help="The data set's name, for rows that do not say it.")
    ] = None,
    split: Annotated[str, typer.Option(help="The split of a dataset of the Hub.")] = "train",
    limit: Annotated[int | None, typer.Option(min=1, help="Read so many rows.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw for validation.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Write the training and validation files of a trainer, from prompts with or without labels."""
    made = make_dataset(
        source,
        folder,
        form=form,
        instruction=instruction,
        val=val,
        labelled_val=labelled_val,
        mapping=parse_mapping(mapping or []),
        data_source=data_source,
        split=split,
        limit=limit,
        seed=seed,
        overwrite=overwrite,
    )
    for bad in made.bad[:SHOWN_ROWS]:
        err.print(foreign(f"{bad.source}:{bad.line}: {bad.cause}"), soft_wrap=True)
    if made.repeated:
        err.print(f"{counted(made.repeated, 'row')} left out: the prompt is repeated")
    if made.held_out:
        err.print(f"{counted(made.held_out, 'prompt')} left out of training, for the validation file has the same")
    _show(made.train)
    if made.val is not None:
        _show(made.val)
    if made.bad:
        err.print(f"{counted(len(made.bad), 'row')} without a prompt that can be read")
        raise typer.Exit(3)


def _show(file: MadeFile) -> None:
    out.print(foreign(f"{file.path}: {file.prompts:,} prompts, {file.labelled:,} with a label"), soft_wrap=True)
