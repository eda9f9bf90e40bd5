"""Which rows are validation rows: verl does not say, so the user declares it; checked against the data files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from empo_rewards.errors import ConfigError

log = logging.getLogger("empo_rewards")


class DataOrigin(NamedTuple):
    """The data source and the split of a row, where its data set has them."""

    data_source: str | None
    split: str | None


class ValidationRule(BaseModel):
    """How validation rows are recognised; either mark is enough.

    Args:
        data_sources: values of `data_source`.
        splits: values of `extra_info.split`, which verl's own preprocessing writes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_sources: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("test", "val", "valid", "validation", "dev", "eval")

    def covers(self, origin: DataOrigin) -> bool:
        """Whether a row of this origin is a validation row."""
        return origin.data_source in self.data_sources or origin.split in self.splits


def check_declaration(rule: ValidationRule, train: Iterable[DataOrigin], val: Iterable[DataOrigin]) -> None:
    """Check the declaration against the origins of the training and the validation data.

    Raises:
        ConfigError: a validation row would be taken for a training row, and wait for a group that does not exist; or a
            training row for a validation row, and be rewarded by its label.
    """
    way_out = "or leave agent_loop_manager_class out: the agent loops of verl 0.9 tell the phase of each row"
    missed = sorted({str(origin.data_source) for origin in val if not rule.covers(origin)})
    if missed:
        raise ConfigError(
            "verl does not tell validation rows from training rows, and nothing marks those of "
            f"{', '.join(missed)}: set ++reward.reward_kwargs.validation.data_sources=[{','.join(missed)}], "
            f"if no training row has such a source, {way_out}"
        )
    caught = sorted({f"{origin.data_source} ({origin.split})" for origin in train if rule.covers(origin)})
    if caught:
        raise ConfigError(
            f"training rows of {', '.join(caught)} would be rewarded by their label, because "
            f"reward.reward_kwargs.validation marks them as validation rows: change it or the data, {way_out}"
        )


def origins(files: object) -> set[DataOrigin]:
    """The distinct origins of the rows of local Parquet files; a file that is not one is named in the log.

    Args:
        files: a path or a list of them, as in `data.train_files`; None: no files.
    """
    found: set[DataOrigin] = set()
    paths = [files] if isinstance(files, str) else list(files) if isinstance(files, Iterable) else []
    for name in paths:
        path = Path(str(name)).expanduser()
        if path.suffix != ".parquet" or not path.is_file():
            log.warning("%s is no Parquet file here: which of its rows are for validation is not checked", name)
            continue
        found |= _origins_of(path)
    return found


def _origins_of(path: Path) -> set[DataOrigin]:
    schema = pq.read_schema(path)
    info = schema.field("extra_info").type if "extra_info" in schema.names else None
    has_split = info is not None and pa.types.is_struct(info) and info.get_field_index("split") >= 0
    wanted = [
        name
        for name, there in (("data_source", "data_source" in schema.names), ("extra_info.split", has_split))
        if there
    ]
    if not wanted:
        return {DataOrigin(None, None)}
    table = pq.ParquetFile(path).read(columns=wanted)
    columns = {
        "data_source": table["data_source"] if "data_source" in wanted else pa.nulls(len(table), pa.string()),
        "split": pc.struct_field(table["extra_info"], "split") if has_split else pa.nulls(len(table), pa.string()),
    }
    rows = pa.table(columns).group_by(["data_source", "split"]).aggregate([]).to_pylist()
    return {DataOrigin(_text(row["data_source"]), _text(row["split"])) for row in rows}


def origin_of(row: Mapping[str, object]) -> DataOrigin:
    """The origin of a row, from its non-tensor fields."""
    info = row.get("extra_info")
    split = info.get("split") if isinstance(info, Mapping) else None
    return DataOrigin(_text(row.get("data_source")), _text(split))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
