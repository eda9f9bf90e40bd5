"""The tables and figures of EMPO (arXiv 2504.05812), one command each.

    python benchmarks/reproduce_empo.py math [--sets FOLDER] [--url URL | --train] [--model NAME]

Makes what is missing: the trainer's files and, for each model, its launch lines (with --train the training), then the
evaluation; and shows the results beside the published numbers, as a table and a figure. Finished results are kept, so
that it can be stopped and run again at any time. docs/reproduce.md says what it needs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reproduce import shown
from reproduce.steps import Engine, Folders, make, read_results
from reproduce.tables import EXPERIMENTS, MODELS

from empo_rewards.errors import EmpoError

REPOSITORY = Path(__file__).parents[1]
WORK = REPOSITORY / "build" / "reproduce"


def main() -> None:
    """Parse the command line and make the experiments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=f"{', '.join(EXPERIMENTS)}; all of them")
    parser.add_argument(
        "--sets", type=Path, default=REPOSITORY / "build" / "reproduce" / "sets", help="the sets' files"
    )
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "reproduce", help="models and rollouts")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results" / "reproduce")
    parser.add_argument("--model", action="append", default=[], choices=MODELS, metavar="NAME", help="only this one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the requests, or of vLLM")
    parser.add_argument("-n", type=int, help="responses to a problem, where it is not one")
    parser.add_argument("--names", action="store_true", help="only print the names of the models")
    parser.add_argument("--tiny", type=Path, metavar="FOLDER", help="only make tiny models and made-up sets there")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--url", action="append", help="a server whose models have the names of those here, with its /v1")
    how.add_argument("--train", action="store_true", help="run the launch lines")
    given = parser.parse_args()
    if unknown := sorted(set(given.experiments) - set(EXPERIMENTS)):
        parser.error(f"no experiment is called {unknown[0]!r}: {', '.join(EXPERIMENTS)}")
    names = given.experiments or list(EXPERIMENTS)
    if given.names:
        print(*dict.fromkeys(model.name for name in names for model in EXPERIMENTS[name].models))
        return
    if given.tiny is not None:
        from reproduce import tiny  # noqa: PLC0415 - the only part that needs torch

        tiny.write_sets(given.tiny / "sets")
        for name, sharp in (("base", False), ("trained", True)):
            tiny.write_model(given.tiny / name, sharp=sharp)
        return
    folders = Folders(given.sets, given.work, given.results)
    engine = Engine(folders, tuple(given.url or ()), tuple(given.set), given.n)
    missing: dict[str, None] = {}
    for name in names:
        experiment = EXPERIMENTS[name]
        try:
            missing.update(dict.fromkeys(make(name, engine, folders, only=given.model, trains=given.train)))
        except EmpoError as error:
            sys.exit(f"error: {error}")
        results = read_results(folders.result(name))
        print(f"{experiment.title}\n\n{shown.markdown(experiment, results)}\n")
        if any(results.values()):
            from reproduce.drawing import draw  # noqa: PLC0415 - without results no matplotlib is needed

            draw(experiment, results, folders.result(name).with_suffix(".svg"))
    for line in missing:
        print(line, file=sys.stderr)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
