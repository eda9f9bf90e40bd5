"""From a file of prompts to a trainer's training and validation files."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from empo_rewards.datasets.instructions import Instruction, find_instruction
from empo_rewards.datasets.prompts import BadPrompt, Prompt, read_prompts
from empo_rewards.datasets.writing import DatasetFormat, write_dataset
from empo_rewards.errors import InputError
from empo_rewards.reading.rows import prompt_digest


@dataclass(frozen=True)
class MadeFile:
    """A file that was written: its path, its number of prompts, and how many of them have a label."""

    path: Path
    prompts: int
    labelled: int


@dataclass(frozen=True)
class MadeDataset:
    """What `make_dataset` did.

    Args:
        train, val: the files; `val` is None where no validation was asked for.
        repeated: how many rows repeated a prompt and were left out.
        held_out: how many training prompts were left out because the validation file has them.
        bad: the rows without a prompt.
    """

    train: MadeFile
    val: MadeFile | None
    repeated: int
    held_out: int
    bad: tuple[BadPrompt, ...]


def make_dataset(  # noqa: PLR0913 - the options of the command `dataset`, by keyword
    source: str | Path,
    out: str | Path = ".",
    *,
    form: DatasetFormat | str,
    instruction: str | Instruction | None = None,
    val: int = 0,
    labelled_val: str | Path | None = None,
    mapping: Mapping[str, str] | None = None,
    data_source: str | None = None,
    split: str = "train",
    limit: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> MadeDataset:
    """Write `train` and, where it is asked for, `val` in a trainer's format, into a folder.

    A prompt is written once, and never into both files.

    Args:
        source: the prompts: a file, or a dataset's name on the Hub (`read_prompts`).
        out: the folder; made where it is missing.
        form: the trainer.
        instruction: the name of an instruction, or its text (`find_instruction`); None: prompts as they are.
        val: hold out so many prompts, drawn at random, for validation.
        labelled_val: take validation from this file, of which every prompt must have a label.
        mapping: fields by their paths in a row.
        data_source: the name of the data set, for rows that do not say it; None: the name of the source.
        split: the split of a dataset on the Hub.
        limit: read so many rows of the source.
        seed: of the draw.
        overwrite: replace files that exist.

    Raises:
        InputError: nothing can be read; fewer than `val` + 1 prompts; a validation prompt without a label; a file
            exists or cannot be written.
    """
    form = DatasetFormat(form)
    if val < 0 or (val and labelled_val is not None):
        raise InputError("validation is either a number of prompts to hold out, or a file with labels")
    asked = find_instruction(instruction) if isinstance(instruction, str) else instruction
    bad: list[BadPrompt] = []
    train, repeated = _distinct(source, bad, mapping, split, limit, data_source)
    held_out = 0
    chosen: list[Prompt] = []
    if labelled_val is not None:
        chosen, _ = _distinct(labelled_val, bad, mapping, split, None, data_source)
        without = sum(prompt.reference is None for prompt in chosen)
        if without:
            raise InputError(f"{labelled_val}: {without} of {len(chosen)} prompts have no label")
        validated = {prompt_digest(prompt.prompt) for prompt in chosen}
        kept = [prompt for prompt in train if prompt_digest(prompt.prompt) not in validated]
        train, held_out = kept, len(train) - len(kept)
    elif val:
        if val >= len(train):
            raise InputError(f"{source} has {len(train)} prompts, of which {val} cannot be held out")
        positions = set(random.Random(seed).sample(range(len(train)), val))  # noqa: S311 - no secret
        chosen = [prompt for position, prompt in enumerate(train) if position in positions]
        train = [prompt for position, prompt in enumerate(train) if position not in positions]
    if not train:
        raise InputError(f"{source}: no prompt is left to train on")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made: {error.strerror}") from error
    files = {"train": train, "val": chosen} if chosen else {"train": train}
    several = any(isinstance(prompt.reference, tuple) for prompts in files.values() for prompt in prompts)
    paths = {name: folder / f"{name}{form.ending}" for name in files}
    for path in paths.values():
        if path.exists():
            given = [name for name in (source, labelled_val) if name is not None and Path(name).exists()]
            if any(path.samefile(name) for name in given):
                raise InputError(f"{path} is part of the input: choose another folder (--out)")
            if not overwrite:
                raise InputError(f"{path} exists: --overwrite replaces it, or choose another folder (--out)")
    made = {
        name: _write(prompts, paths[name], form, asked, "train" if name == "train" else "test", several)
        for name, prompts in files.items()
    }
    return MadeDataset(made["train"], made.get("val"), repeated, held_out, tuple(bad))


def _distinct(
    source: str | Path,
    bad: list[BadPrompt],
    mapping: Mapping[str, str] | None,
    split: str,
    limit: int | None,
    data_source: str | None,
) -> tuple[list[Prompt], int]:
    """The prompts of a source, each once, and how many rows repeated one; rows without one are added to `bad`."""
    name = data_source or Path(str(source)).name.partition(".")[0] or None
    found: dict[bytes, Prompt] = {}
    rows = faulty = 0
    for item in read_prompts(source, mapping=mapping, split=split, limit=limit):
        if isinstance(item, BadPrompt):
            bad.append(item)
            faulty += 1
            continue
        rows += 1
        found.setdefault(prompt_digest(item.prompt), replace(item, data_source=item.data_source or name))
    if not found:
        first = f": the first row: {bad[-faulty].cause}" if faulty else ""
        raise InputError(f"{source}: there is no prompt{first}")
    return list(found.values()), rows - len(found)


def _write(
    prompts: Sequence[Prompt], path: Path, form: DatasetFormat, asked: Instruction | None, split: str, several: bool
) -> MadeFile:
    asking = (prompt if asked is None else asked.apply(prompt) for prompt in prompts)
    write_dataset(asking, path, form=form, split=split, several=several, overwrite=True)
    return MadeFile(path, len(prompts), sum(prompt.reference is not None for prompt in prompts))
