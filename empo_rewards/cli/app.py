"""The `empo-rewards` command.

Exit codes: 0 done; 2 wrong usage, configuration or input, or an output that cannot be written, in one line; 3 done, but
rows were rejected; 4 done, but a fault left groups unscored; 5 both; 70 a bug of the package, 130 interrupted, 141 the
reader of the output has gone. `equivalent`: 0 equal, 1 different, 3 undecided. `verl-check`, `doctor --verl`: 1 where a
check failed. `explain`: 1 where a group that is shown is unscored.
"""

from __future__ import annotations

import platform
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence

import typer
from typer.main import get_command

from empo_rewards._version import __version__
from empo_rewards.cli import (
    compare,
    dataset,
    doctor,
    equivalent,
    evaluate,
    explain,
    extract,
    generate,
    paths,
    plugins,
    report,
    score,
    select,
    serve,
    settings,
    verl_check,
)
from empo_rewards.cli.console import WRONG, check_standard_streams, fail
from empo_rewards.errors import EmpoError, described

BUG, INTERRUPTED, BROKEN_PIPE = 70, 130, 141
"""Exit codes: 70 is EX_SOFTWARE of sysexits.h, the others those of a process that SIGINT or SIGPIPE ends."""

app = typer.Typer(
    name="empo-rewards",
    help="Label-free rewards from semantic entropy: score groups of responses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("generate")(generate.generate)
app.command("score")(score.score)
app.command("serve")(serve.serve)
app.command("explain")(explain.explain)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("evaluate")(evaluate.evaluate)
app.command("collapse-step")(evaluate.collapse)
app.command("equivalent")(equivalent.equivalent)
app.command("extract")(extract.extract)
app.command("select")(select.select)
app.command("dataset")(dataset.dataset)
app.command("plugins")(plugins.plugins)
app.command("presets")(settings.presets)
app.add_typer(settings.config, name="config")
app.command("doctor")(doctor.doctor)
app.command("path")(paths.path)
app.command("verl-check")(verl_check.verl_check)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Label-free rewards from semantic entropy."""


def main() -> None:
    """Run the command line; every error leaves through here, in one line and with its exit code."""
    check_standard_streams()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command line. An error is one line on standard error, without a traceback."""
    try:
        try:
            code = get_command(app)(list(arguments), prog_name="empo-rewards", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except EmpoError as error:
        return fail(str(error))
    except MemoryError:
        return fail(
            "out of memory: shorter rows, fewer --workers, or a higher limit are needed; --resume completes a score"
        )
    except (typer.Abort, KeyboardInterrupt) as error:  # click makes Abort of KeyboardInterrupt, and of EOFError
        return _unexpected(error.__cause__) if isinstance(error.__cause__, EOFError) else INTERRUPTED
    except BrokenPipeError:
        # The reader of standard output has exited, as in `| head`: end as SIGPIPE would, without a traceback.
        sys.stderr.close()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last boundary: nothing below may end in a traceback
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception) -> int:
    """The exit code of an error that no command has told in its own words: wrong usage, a file's, or a bug."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined] # an exception of click, or of typer's copy of it
        return WRONG
    if hasattr(error, "format_message"):  # wrong usage: click's, or typer's copy of it
        command = getattr(getattr(error, "ctx", None), "command_path", "empo-rewards")
        return fail(f"{' '.join(error.format_message().split()).rstrip('.')} ({command} --help)")
    if isinstance(error, OSError):
        return fail(" ".join(filter(None, (error.strerror or str(error), error.filename and f"({error.filename})"))))
    fail(f"this is a bug of empo-rewards ({described(error)}): please report it with {_bug_report(error)}")
    return BUG


def _bug_report(error: Exception) -> str:
    """The path of a new file with what a report needs: versions, the command, and the traceback."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="empo-rewards-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write(f"empo-rewards {__version__}, Python {sys.version}, {platform.platform()}\n")
        file.write(f"command: {shlex.join(sys.argv)}\n\n")
        file.writelines(traceback.format_exception(error))
    return file.name
