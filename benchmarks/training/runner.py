"""Runs jobs in several processes; existing results are not made again."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .jobs import Job
from .store import Store

_STEP, _DONE = "step", "done"
"""Messages of a worker on its standard output, one per line: `step 3 60 NAME`, `done NAME`."""


def pending(jobs: Iterable[Job], store: Store) -> list[Job]:
    """The jobs that are not done, with their requirements, without duplicates."""
    found: dict[str, Job] = {}

    def visit(job: Job) -> None:
        if job.name not in found and not job.is_done(store):
            for needed in job.needs:
                visit(needed)
            found[job.name] = job

    for job in jobs:
        visit(job)
    return list(found.values())


async def make(jobs: Sequence[Job], store: Store, command: Sequence[str], *, workers: int, batch: int) -> list[str]:
    """Run jobs in worker processes, in the order of their requirements.

    Args:
        jobs: the result of `pending`.
        store: the store; a job is done if its result is there.
        command: command line to which the names of jobs are appended; it runs them one after the other, because loading
            torch and TRL takes longer than a short run.
        workers, batch: number of processes, and maximum number of jobs per process.

    Returns:
        The names of the jobs that are not done; their errors were written to standard error.
    """
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns) as bar:
        every = bar.add_task("runs", total=len(jobs))
        slots = asyncio.Semaphore(workers)

        async def process(names: Sequence[str]) -> None:
            async with slots:
                await _follow([*command, *names], bar, lambda: bar.advance(every))

        waiting = list(jobs)
        while ready := [job.name for job in waiting if all(needed.is_done(store) for needed in job.needs)]:
            waiting = [job for job in waiting if job.name not in ready]
            size = max(1, min(batch, -(-len(ready) // workers)))
            await asyncio.gather(*(process(ready[at : at + size]) for at in range(0, len(ready), size)))
    return [job.name for job in jobs if not job.is_done(store)]


async def _follow(command: Sequence[str], bar: Progress, advance: Callable[[], None]) -> None:
    """Run one process to its end, and show its progress. It is ended if this process ends."""
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    task = bar.add_task("starting", total=None)
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            words = line.decode(errors="replace").split()
            if words[:1] == [_STEP]:
                bar.update(task, completed=int(words[1]), total=int(words[2]), description=words[3])
            elif words[:1] == [_DONE]:
                advance()
        await process.wait()
    finally:
        bar.remove_task(task)
        if process.returncode is None:
            process.terminate()


def make_here(jobs: Sequence[Job], store: Store) -> bool:
    """Worker side: run jobs in this process and print messages; return whether all of them succeeded."""
    whole = True
    for job in jobs:

        def tell(done: int, total: int, name: str = job.name) -> None:
            print(_STEP, done, total, name, flush=True)

        try:
            job.run(store, tell)
            print(_DONE, job.name, flush=True)
        except Exception:  # noqa: BLE001 - a failed run must not prevent the following ones
            print(f"{job.name}:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
            whole = False
    return whole
