"""`empo-rewards serve`: rewards over HTTP."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from empo_rewards import extras
from empo_rewards.cli.console import ConfigOption, SetOption, err, scorer_from
from empo_rewards.errors import ConfigError, InputError
from empo_rewards.gather import GatherLimits
from empo_rewards.server.openrlhf import ScoresField

API_KEY_VARIABLE = "EMPO_REWARDS_API_KEY"
"""The environment variable that may hold the API key: every user of the machine can read options."""


class LogLevel(str, Enum):
    """The lowest level that is logged; debug: every request."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def serve(
    group_size: Annotated[int, typer.Option(min=1, help="How many responses the trainer samples a prompt.")],
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 for other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free; the log says which.")] = 5000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that score.")] = 1,
    eval_group_size: Annotated[
        int | None, typer.Option(min=1, help="The group size of /eval/get_reward, where it is another.")
    ] = None,
    idle_seconds: Annotated[
        float, typer.Option(help="A group ends unscored when nothing new was heard of it for so long.")
    ] = 600.0,
    total_seconds: Annotated[
        float, typer.Option(help="And so long after its first member came; OpenRLHF waits 900 s in all.")
    ] = 840.0,
    score_seconds: Annotated[float, typer.Option(help="What scoring one group may take.")] = 600.0,
    max_members: Annotated[
        int, typer.Option(help="Samples that may wait, by the sizes of their groups; more are refused with 429.")
    ] = GatherLimits.max_members,
    max_held_mb: Annotated[
        int, typer.Option(min=1, help="What bodies, groups and answers may take in memory; more is refused with 429.")
    ] = GatherLimits.max_bytes // 2**20,
    max_body_mb: Annotated[int, typer.Option(min=1, help="A longer body is refused with 413.")] = 32,
    neutral: Annotated[
        float | None,
        typer.Option(help="What unscored samples are given; the default is the running mean of the rewards."),
    ] = None,
    scores: Annotated[
        ScoresField, typer.Option(help="What `scores` holds: where there is a label, accuracy; or the reward always.")
    ] = ScoresField.ACCURACY,
    api_key_file: Annotated[
        Path | None, typer.Option(help=f"A file with the key that callers must show; or set {API_KEY_VARIABLE}.")
    ] = None,
    report_groups: Annotated[
        int, typer.Option(min=0, max=10_000, help="Show the last so many groups, with their texts, as a page at /.")
    ] = 0,
    log_level: Annotated[LogLevel, typer.Option(help="debug: every request.")] = LogLevel.INFO,
) -> None:
    """Serve rewards over HTTP: single samples, gathered into groups, and whole groups."""
    extras.require("server", "serve")
    from empo_rewards.server.logs import set_up  # noqa: PLC0415 - only here
    from empo_rewards.server.process import run  # noqa: PLC0415 - needs the extra
    from empo_rewards.server.service import ServerSettings  # noqa: PLC0415 - needs the extra

    set_up(log_level.value.upper())
    settings = ServerSettings(
        group_size=group_size,
        eval_group_size=eval_group_size,
        workers=workers,
        limits=GatherLimits(
            idle_seconds=idle_seconds,
            total_seconds=total_seconds,
            score_seconds=score_seconds,
            max_members=max_members,
            max_bytes=max_held_mb * 2**20,
        ),
        neutral=neutral,
        scores=scores,
        api_key=_api_key(api_key_file),
        max_body_bytes=max_body_mb * 2**20,
        report_groups=report_groups,
    )
    if settings.api_key is None and host not in ("127.0.0.1", "::1", "localhost"):
        err.print(f"no API key is set: whoever can reach {host} can post (--api-key-file)", highlight=False)
    with scorer_from(config, assignments) as scorer:
        run(scorer, settings, host, port)


def _api_key(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(API_KEY_VARIABLE)
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the API key cannot be read: {error}") from error
    if not key:
        raise ConfigError(f"{file} is empty: it must hold the API key")
    return key
