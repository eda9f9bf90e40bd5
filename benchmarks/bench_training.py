"""Benchmark of training without labels, by base model: a small language model, TRL's GRPOTrainer, and EMPOReward.

    python benchmarks/bench_training.py make proof map [--workers 2] [--size small] [--through "nice -n 10"]

Makes the missing runs, a few processes at a time with one thread each, then the summary and the plots of all results.
It can be stopped and restarted at any time. Needs an environment with torch, trl, pyarrow and matplotlib. `development`
are the runs used to select the settings; `here NAME` makes single runs in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from itertools import chain
from pathlib import Path

from training.plans import PLANS, every_job, jobs_of
from training.runner import make, make_here, pending
from training.settings import SIZES
from training.store import REPOSITORY, Store


def store_of(arguments: argparse.Namespace) -> Store:
    """The store with the folders of a size."""
    return Store(arguments.results / arguments.size, arguments.work / arguments.size)


def plan(arguments: argparse.Namespace) -> None:
    """Make the runs of some plans."""
    store = store_of(arguments)
    jobs = pending(list(chain.from_iterable(jobs_of(arguments.size, name) for name in arguments.plans)), store)
    if arguments.list:
        print(*(job.name for job in jobs), sep="\n")
        return
    folders = ("--size", arguments.size, "--results", str(arguments.results), "--work", str(arguments.work))
    command = (*shlex.split(arguments.through), sys.executable, __file__, "here", *folders)
    missing = asyncio.run(make(jobs, store, command, workers=arguments.workers, batch=arguments.batch))
    report(arguments)
    if missing:
        raise SystemExit("not made: " + ", ".join(missing))


def here(arguments: argparse.Namespace) -> None:
    """Make some runs in this process."""
    jobs = every_job(arguments.size)
    raise SystemExit(not make_here([jobs[name] for name in arguments.names], store_of(arguments)))


def report(arguments: argparse.Namespace) -> None:
    """Pack, summarize and plot all results."""
    from training import plots, summary, words_summary  # noqa: PLC0415 - a run's process needs no matplotlib

    store = store_of(arguments)
    store.pack()
    if arguments.size == "smollm":
        found = words_summary.summarize(store)
        store.write_report("summary", found)
        plots.draw_words(found, store)
        print(*words_summary.tables(found).values(), sep="\n\n")
        return
    found = summary.summarize(store)
    store.write_report("summary", found)
    plots.draw(found, store)
    print(summary.table(found))


def watch(arguments: argparse.Namespace) -> None:
    """Replay the existing runs against the collapse monitor."""
    from training.replay import replay, tally  # noqa: PLC0415 - no other command needs it

    store = store_of(arguments)
    found = replay(store, arguments.probes)
    if arguments.probes is None:
        store.write_report("monitor", {"runs": found})
    for name, run in found.items():
        print(f"{name}: pass@1 fell at step {run['fallen']}, alarm at step {run['alarm']}")
    print(tally(found))


def main() -> None:
    """Parse the command line and run the command."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--size", choices=(*SIZES, "smollm"), default="small")
    options.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results" / "training")
    options.add_argument(
        "--work",
        type=Path,
        default=REPOSITORY / "build" / "training",
        help="where models are kept, and runs until they are all made",
    )
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make", parents=[options], help="make the runs of some plans, and the report")
    making.add_argument("plans", nargs="+", choices=PLANS)
    making.add_argument("--workers", type=int, default=2, help="processes at a time")
    making.add_argument("--batch", type=int, default=3, help="runs that a process makes")
    making.add_argument("--through", default="", help="a command that each process is started with")
    making.add_argument("--list", action="store_true", help="only tell which runs are not there")
    making.set_defaults(run=plan)
    working = commands.add_parser("here", parents=[options], help="make some runs in this process, by their names")
    working.add_argument("names", nargs="+")
    working.set_defaults(run=here)
    reporting = commands.add_parser("report", parents=[options], help="summarize and plot what is there")
    reporting.set_defaults(run=report)
    watching = commands.add_parser("watch", parents=[options], help="let the collapse monitor see the runs")
    watching.add_argument("--probes", type=int, help="show it so many of a run's, and keep nothing")
    watching.set_defaults(run=watch)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
