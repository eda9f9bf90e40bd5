"""The tables and figures of EMPO (arXiv 2504.05812), one command each.

    python benchmarks/reproduce_empo.py math [--sets FOLDER] [--url URL | --train] [--model NAME]

Makes what is missing: the trainer's files and, for each model, its launch lines (with --train the training), then the
evaluation; and shows the results beside the published numbers, as a table and a figure. Finished results are kept, so
that it can be stopped and run again at any time. docs/reproduce.md says what it needs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reproduce import shown, tiny
from reproduce.steps import Engine, Folders, make, results_of
from reproduce.tables import EXPERIMENTS, MODELS

from empo_rewards.cli.app import INTERRUPTED
from empo_rewards.errors import EmpoError

REPOSITORY = Path(__file__).parents[1]
WORK = REPOSITORY / "build" / "reproduce"


def main() -> None:
    """Parse the command line and make the experiments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=f"{', '.join(EXPERIMENTS)}; all of them")
    parser.add_argument("--work", type=Path, default=WORK, help="the sets' files, models and rollouts")
    parser.add_argument("--sets", type=Path, help="the files of prompts, as they are published (WORK/sets)")
    parser.add_argument("--results", type=Path, help="results and figures (benchmarks/results/reproduce)")
    parser.add_argument("--model", action="append", default=[], choices=MODELS, metavar="NAME", help="only this one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the requests, or of vLLM")
    parser.add_argument("-n", type=int, help="responses to a problem, where it is not one")
    parser.add_argument("--names", action="store_true", help="only print the names of the models")
    parser.add_argument("--tiny", action="store_true", help="make tiny models and made-up sets in WORK, and use them")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--url", action="append", help="a server whose models have the names of those here, with its /v1")
    how.add_argument("--train", action="store_true", help="run the launch lines")
    given = parser.parse_args()
    if unknown := sorted(set(given.experiments) - set(EXPERIMENTS)):
        parser.error(f"no experiment is called {unknown[0]!r}: {', '.join(EXPERIMENTS)}")
    names = given.experiments or list(EXPERIMENTS)
    try:
        if given.tiny:
            tiny.write(given.work, MODELS.values())
        elif tiny.is_tiny(given.work):
            sys.exit(f"error: {given.work} has tiny models: use --tiny, or another folder")
        if given.names:
            print(*dict.fromkeys(model.name for name in names for model in EXPERIMENTS[name].models))
            return
        results = given.results or REPOSITORY / "benchmarks" / "results" / "reproduce" / ("tiny" if given.tiny else "")
        folders = Folders(given.sets or given.work / "sets", given.work, results)
        engine = Engine(folders, tuple(given.url or ()), tuple(given.set), given.n, given.tiny)
        missing = [text for name in names for text in reproduce(name, engine, given.model, given.train)]
    except EmpoError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    for text in dict.fromkeys(missing):
        print(text, file=sys.stderr)
    sys.exit(1 if missing else 0)


def reproduce(name: str, engine: Engine, only: Sequence[str], trains: bool) -> list[str]:
    """Make what is missing of an experiment, and show what there is of it. What is still missing, a text each."""
    experiment = EXPERIMENTS[name]
    missing = make(experiment, engine, only=only, trains=trains)
    results = results_of(experiment, engine)
    print(f"{experiment.title}\n\n{shown.markdown(experiment, results)}\n")
    if any(results.values()):
        try:
            from reproduce.drawing import draw  # noqa: PLC0415 - it needs matplotlib
        except ImportError as error:
            return [*missing, f"no figure is drawn: {error}"]
        draw(experiment, results, engine.folders.results / f"{name}.svg")
    return missing


if __name__ == "__main__":
    main()
