"""`score` on many responses: one worker, two, a plain loop over `Scorer.score`, and Ray Data.

    python benchmarks/bench_score.py --data groups.jsonl.gz --groups 62500 --runs loop one two ray

Each run is a process of its own. Reported: wall and CPU seconds, responses a second, and the peak of the memory of all
of its processes (proportional set size, sampled), beside a digest of the rewards, which has to be the same for all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent))

from data import add_data_option, math_rows

SIZE = 16
"""Responses of a group; those of the data are drawn with repetition."""

LOOP = """
import json, sys
from empo_rewards import Scorer
from empo_rewards.reading import ReadGroup, read_groups
with Scorer("empo-math") as scorer, open(sys.argv[2], "w") as out:
    for item in read_groups(sys.argv[1]):
        out.write(json.dumps(scorer.score(item.group).to_dict()) + chr(10))
"""

SCORE = (sys.executable, "-m", "empo_rewards", "score")

COMMANDS: dict[str, tuple[str, ...]] = {
    "loop": (sys.executable, "-c", LOOP, "IN", "OUT"),
    "one": (*SCORE, "IN", "--out", "OUT"),
    "two": (*SCORE, "IN", "--out", "OUT", "--workers", "2"),
    "ray": (*SCORE, "IN", "--out", "OUT", "--engine", "ray", "--workers", "2"),
}


def write_groups(path: Path, rows: list[dict[str, Any]], count: int) -> None:
    """A file of so many groups of `SIZE` responses, made of the groups of the data."""
    dice = random.Random(7)
    with path.open("w") as file:
        for number in range(count):
            row = rows[number % len(rows)]
            responses = [dice.choice(row["responses"]) for _ in range(SIZE)]
            group = {"id": str(number), "prompt": row["prompt"], "responses": responses}
            file.write(json.dumps({**group, "reference": row.get("reference")}) + "\n")


def processes_of(session: int) -> Iterator[int]:
    """The processes of a session."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if os.getsid(int(entry.name)) == session:
                    yield int(entry.name)
            except ProcessLookupError:
                continue


def memory_of(session: int) -> float:
    """The memory (MiB) of all processes of a session; what they share counts once."""
    total = 0
    for process in processes_of(session):
        try:
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # it ended meanwhile
            continue
    return total / 1024


def rewards_in(out: Path) -> Iterator[list[float | None]]:
    """The rewards of each group, in the order of the ids."""
    if out.is_dir():
        import pyarrow.parquet as pq  # noqa: PLC0415 - only Ray writes a folder

        records = pq.read_table(out, columns=["id", "rewards"]).to_pylist()
    else:
        with out.open() as lines:
            records = [{"id": r["id"], "rewards": r["rewards"]} for r in map(json.loads, lines)]
    for record in sorted(records, key=lambda one: int(one["id"])):
        yield record["rewards"]


def measure(name: str, source: Path, out: Path) -> dict[str, Any]:
    """One run."""
    command = [{"IN": str(source), "OUT": str(out)}.get(part, part) for part in COMMANDS[name]]
    before, started = os.times(), time.monotonic()
    peak, ended = 0.0, threading.Event()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.5):
            peak = max(peak, memory_of(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        code = process.wait()
    finally:  # also where this process is told to end
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        wall = time.monotonic() - started
        ended.set()
        watcher.join()
    if code:
        raise SystemExit(f"{name}: exit code {code}")
    now = os.times()
    cpu = now.children_user + now.children_system - before.children_user - before.children_system
    digest = hashlib.sha256()
    groups = 0
    for rewards in rewards_in(out):
        groups += 1
        digest.update(json.dumps(rewards).encode())
    return {
        "run": name,
        "responses": groups * SIZE,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "responses_per_s": round(groups * SIZE / wall),
        "peak_mib": round(peak),
        "rewards": digest.hexdigest()[:16],
    }


def main() -> None:
    """Measure the runs that are asked for, and print each as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_option(parser)
    parser.add_argument("--groups", type=int, default=6_250)
    parser.add_argument("--runs", nargs="+", choices=list(COMMANDS), default=["loop", "one", "two"])
    parser.add_argument("--folder", type=Path, help="where the files go; a file of that many groups is used again")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        source = folder / f"groups-{given.groups}.jsonl"
        if not source.exists():
            write_groups(source, math_rows(given.data, SIZE), given.groups)
        for name in given.runs:
            out = folder / ("scores" if name == "ray" else "scores.jsonl")
            for left in (out, Path(f"{out}.rejected")):  # of a run that was stopped
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink(missing_ok=True)
            print(json.dumps(measure(name, source, out)), flush=True)
            if out.is_file():
                out.unlink()


if __name__ == "__main__":
    main()
