"""The `empo-rewards` command.

Exit codes: 0 done; 2 wrong usage, configuration or input, in one line; 3 done, but rows were rejected; 4 done, but a
fault left groups unscored; 5 both. `equivalent`: 0 equal, 1 different, 3 undecided.
"""

from __future__ import annotations

import sys

import typer

from empo_rewards._version import __version__
from empo_rewards.cli import (
    compare,
    doctor,
    equivalent,
    explain,
    extract,
    paths,
    plugins,
    report,
    score,
    select,
    serve,
    verl_check,
)
from empo_rewards.cli.console import fail
from empo_rewards.errors import EmpoError

app = typer.Typer(
    name="empo-rewards",
    help="Label-free rewards from semantic entropy: score groups of responses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("score")(score.score)
app.command("serve")(serve.serve)
app.command("explain")(explain.explain)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("equivalent")(equivalent.equivalent)
app.command("extract")(extract.extract)
app.command("select")(select.select)
app.command("plugins")(plugins.plugins)
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
    """Run the command line. An `EmpoError` is one line on standard error and exit code 2."""
    try:
        app()
    except EmpoError as error:
        fail(str(error))
        sys.exit(2)
    except BrokenPipeError:
        # The reader of standard output has exited, as in `| head`: end as SIGPIPE would, without a traceback.
        sys.stderr.close()
        sys.exit(141)
