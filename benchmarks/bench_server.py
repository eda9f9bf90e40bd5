"""Benchmark of the reward server: throughput relative to a bare route, added latency, memory of waiting members.

    python benchmarks/bench_server.py                 everything, in a few minutes
    python benchmarks/bench_server.py --only latency --data rollouts.jsonl.gz

- throughput: single posts per second to /get_reward (string equivalence, groups of 16, out of order), as a ratio to a
  bare FastAPI route that echoes the same bodies, on the same stack, in alternating rounds of one run.
- latency: `empo-math` on real groups at a steady rate, from the last member of a group to each of its answers; and the
  time to score those groups without a server.
- memory: the rendezvous alone, with 100,000 waiting members.
- hostile: `empo-math`, from the last member of a group to each of its answers, alone and beside callers that have
  groups scored that cost as much as they can; the most of them also where they arrive all at once, with the others.
- stopping: SIGTERM beside 64 such callers, while samples wait for their groups: seconds to the exit, and the answers.
- incomplete: posts of many clients whose groups never complete; memory and descriptors at the start, after the deadline
  of a first post of each, before and after a round of `--posts` (before: after another such round, because Python keeps
  the memory of the most connections that it has had at a time).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data import add_data_option, math_rows
from load import REFUSED, Behaviour, Client, Group, Member, added_latencies, groups_of, quantile, replay

from empo_rewards import Group as WholeGroup
from empo_rewards import Scorer

GROUP_SIZE = 16
CONNECTIONS = 320
"""Concurrent posts. More than a group plus the disorder of arrivals; otherwise all of them could be waiting members."""

DISORDER = 240
"""Maximum number of positions by which a member is early or late."""

SLOW_TO_START = [rf"\boxed{{{text}}}" for text in (r"\sin^2 x+\cos^2 x", "1", r"2\sin x\cos x", r"\sin(2x)")]
"""Answers that no key decides: they start the symbolic stage before anything is measured."""

WORDS = ("so", "we", "take", "the", "sum", "of", "both", "sides", "and", "then", "divide", "by", "four", "again")

ECHO = """
import sys
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI()

@app.post("/get_reward")
async def echo(request: Request):
    return JSONResponse(await request.json())

uvicorn.run(app, host="127.0.0.1", port=0, access_log=False, log_level="info")
"""


@dataclass(frozen=True)
class Running:
    """A server process under measurement."""

    url: str
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.process.pid


@contextmanager
def started(command: Sequence[str]) -> Iterator[Running]:
    """Context manager of a server process: started when it logs its address, stopped by SIGTERM."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "http://127.0.0.1:" in line:
                url = "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split()[0]
                break
        else:
            raise SystemExit(f"{command[:3]} ended before it listened")
        yield Running(url, process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def serve(*options: str, config: str = "empo-math") -> list[str]:
    """The command line of a server on a free port."""
    command = [str(Path(sys.executable).parent / "empo-rewards"), "serve", "--config", config, "--port", "0"]
    return [*command, "--log-level", "info", *options]


def made_up(count: int, seed: int) -> list[Group]:
    """Synthetic groups of responses of the length of a short chain of thought."""
    dice = random.Random(seed)

    def response() -> str:
        return " ".join(dice.choices(WORDS, k=220)) + rf" \boxed{{{dice.randrange(6)}}}"

    return [
        Group(
            f"Problem {seed}.{n}: " + " ".join(dice.choices(WORDS, k=60)), [response() for _ in range(GROUP_SIZE)], "3"
        )
        for n in range(count)
    ]


def in_disorder(groups: Sequence[Group], seed: int) -> list[bytes]:
    """All bodies, each moved by up to `DISORDER` positions."""
    dice = random.Random(seed)
    bodies = [body for group in groups for body in group.bodies()]
    places = sorted(range(len(bodies)), key=lambda place: place + dice.uniform(0, DISORDER))
    return [bodies[place] for place in places]


async def flood(url: str, bodies: Sequence[bytes]) -> float:
    """Posts per second, with `CONNECTIONS` concurrent posts."""
    client, queue = Client(url), iter(bodies)

    async def caller() -> None:
        for body in queue:
            status, answer = await client.post("/get_reward", body)
            if status != 200:
                raise SystemExit(f"{status}: {answer.decode()[:300]}")

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    client.close()
    return len(bodies) / (time.perf_counter() - began)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, which is independent of other load on the machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def throughput(options: argparse.Namespace) -> dict[str, Any]:
    """Posts per second, compared with a bare route."""
    ratios, rates, costs = [], [], []
    exact = ["--set", "equivalence={name: exact}", "--group-size", str(GROUP_SIZE)]
    with started([sys.executable, "-c", ECHO]) as bare, started(serve(*exact)) as ours:
        for number in range(options.rounds + 1):
            bodies = in_disorder(made_up(options.groups, number), number)
            before = cpu_seconds(bare.pid), cpu_seconds(ours.pid)
            echo, reward = (asyncio.run(flood(server.url, bodies)) for server in (bare, ours))
            if number:  # the first round is warm-up
                ratios.append(reward / echo)
                rates.append((echo, reward))
                costs.append(
                    [(cpu_seconds(s.pid) - b) / len(bodies) for s, b in zip((bare, ours), before, strict=True)]
                )
    return {
        "ratio_median": statistics.median(ratios),
        "ratio_lowest": min(ratios),
        "echo_posts_per_second": statistics.median(echo for echo, _ in rates),
        "reward_posts_per_second": statistics.median(reward for _, reward in rates),
        "echo_cpu_us_per_post": statistics.median(echo for echo, _ in costs) * 1e6,
        "reward_cpu_us_per_post": statistics.median(reward for _, reward in costs) * 1e6,
    }


def offline_seconds(groups: Sequence[WholeGroup]) -> list[float]:
    """Seconds to score each group in this process, after warm-up."""
    taken = []
    with Scorer("empo-math") as scorer:
        scorer.score(WholeGroup("Warm", SLOW_TO_START))
        for group in groups:
            began = time.perf_counter()
            scorer.score(group)
            taken.append(time.perf_counter() - began)
    return taken


def latency(options: argparse.Namespace) -> dict[str, Any]:
    """Latency from a group's last member to its answers."""
    size = options.group_size
    groups = list(groups_of(math_rows(options.data, size), size))
    behaviour = Behaviour(spread_seconds=len(groups) / options.groups_per_second)
    with started(serve("--group-size", str(size), "--workers", str(options.workers))) as server:
        warm = [Group(f"Warm {n}: ", (SLOW_TO_START * size)[:size]) for n in range(4 * options.workers)]
        asyncio.run(replay(warm, server.url, Behaviour(spread_seconds=0.1)))
        members = asyncio.run(replay(groups, server.url, behaviour))
    latencies = added_latencies(members)
    offline = offline_seconds([WholeGroup(group.prompt, group.responses, group.reference) for group in groups])
    return {
        "data": options.data.name if options.data else "generated",
        "groups": len(groups),
        "group_size": size,
        "workers": options.workers,
        "groups_per_second": options.groups_per_second,
        **{f"p{int(share * 100)}_ms": quantile(latencies, share) * 1e3 for share in (0.5, 0.9, 0.99)},
        **{f"offline_p{int(share * 100)}_ms": quantile(offline, share) * 1e3 for share in (0.5, 0.9, 0.99)},
    }


PARKED = 100_000

_PARK = """
import asyncio, json, sys
from empo_rewards.gather import GatherLimits
from empo_rewards.gather.samples import Sample, SampleScorer

async def never(group):
    raise AssertionError("no group is whole")

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

async def main(members, size, length):
    before = resident()
    scorer = SampleScorer(never, size, GatherLimits(max_members=10**7))
    tasks = []
    for number in range(members * size // (size - 1) + size):
        if number % size:  # one of each group does not come
            sample = Sample(f"prompt {number // size}", f"{number}: ".ljust(length, "x"))
            tasks.append(asyncio.create_task(scorer.submit(sample)))
    await asyncio.sleep(0)
    stats = scorer.stats()
    assert stats.waiting == stats.held_members >= members, stats
    print(json.dumps({"members": stats.waiting, "added_mb": (resident() - before) / 2**20}))
    await scorer.close()
    await asyncio.gather(*tasks, return_exceptions=True)

asyncio.run(main(*map(int, sys.argv[1:])))
"""


def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Memory of 100,000 waiting members with responses of 2,000 characters."""
    command = [sys.executable, "-c", _PARK, str(PARKED), str(GROUP_SIZE), "2000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def footprint(pid: int) -> dict[str, float]:
    """Resident memory, descriptors and processes of a process and its descendants."""
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in pids]
    return {
        "resident_mb": sum(pages) * resource.getpagesize() / 2**20,
        "descriptors": sum(1 for one in pids for _ in Path(f"/proc/{one}/fd").iterdir()),
        "processes": len(pids),
    }


def hostile(options: argparse.Namespace) -> dict[str, Any]:
    """Latency of innocent groups beside hostile ones."""
    figures: dict[str, Any] = {}
    with started(serve("--group-size", str(GROUP_SIZE), "--workers", str(options.workers))) as server:
        asyncio.run(replay(made_up(8, 1), server.url, Behaviour()))
        for callers, at_once in ((0, False), *((n, False) for n in options.hostile), (max(options.hostile), True)):
            groups = made_up(options.groups, 10 + callers + at_once)
            name = f"beside_{callers}{'_at_once' if at_once else ''}"
            behaviour = Behaviour(
                spread_seconds=len(groups) / options.groups_per_second,
                hostile=callers,
                head_start=0.0 if at_once else 3.0,
                seed=callers,
            )
            members = asyncio.run(replay(groups, server.url, behaviour))
            latencies = added_latencies(members)
            unscored = sum(
                member.answer is None or not member.answer["extra_logs"]["empo/scored"] for member in members
            )
            for share in (0.5, 0.99):
                figures[f"{name}_p{int(share * 100)}_ms"] = quantile(latencies, share) * 1e3
            figures[f"{name}_unscored"] = unscored
            figures[f"{name}_p99_ratio"] = figures[f"{name}_p99_ms"] / figures["beside_0_p99_ms"]
    return figures


def stopping(options: argparse.Namespace) -> dict[str, Any]:
    """How long SIGTERM takes in the middle of scoring, and how many callers were not answered."""
    seconds: list[float] = []
    answers: Counter[int] = Counter()
    for number in range(options.rounds):
        members: list[Member] = []
        limits = ("--group-size", str(GROUP_SIZE), "--workers", str(options.workers))
        with started(serve(*limits)) as server:
            behaviour = Behaviour(spread_seconds=2.0, never=0.02, tries=1, hostile=64, seed=number)
            load = replay(made_up(32, number), server.url, behaviour)
            callers = threading.Thread(target=lambda: members.extend(asyncio.run(load)))  # noqa: B023 - ends within it
            callers.start()
            time.sleep(behaviour.head_start + 1.8)
            began = time.monotonic()
            server.process.terminate()
            server.process.wait()
            seconds.append(time.monotonic() - began)
            callers.join()
        answers.update(status for member in members for status in member.statuses)
    answered, refused, not_connected = (answers.pop(status, 0) for status in (200, 503, REFUSED))
    return {
        "exits": len(seconds),
        "median_seconds": statistics.median(seconds),
        "slowest_seconds": max(seconds),
        "answered": answered,
        "refused_503": refused,
        "not_connected": not_connected,
        "others_by_status": dict(answers),
    }


IDLE_SECONDS = 5


def incomplete(options: argparse.Namespace) -> dict[str, Any]:
    """Footprint before and after many posts whose groups never complete."""
    limits = ("--idle-seconds", str(IDLE_SECONDS), "--group-size", "2", "--set", "equivalence={name: exact}")

    def post(count: int, clients: int, seed: int) -> int:
        """The number of posts that were answered as they must be."""
        groups = [Group(f"Problem {seed}.{n}: " + " ".join(WORDS), [r"\boxed{1}"]) for n in range(count)]
        behaviour = Behaviour(spread_seconds=count / options.posts_per_second, clients=clients, seed=seed)
        members = asyncio.run(replay(groups, server.url, behaviour))
        return sum(member.answer is not None and not member.answer["extra_logs"]["empo/scored"] for member in members)

    answered = 0
    with started(serve(*limits)) as server:
        at = {"start": footprint(server.pid)}
        for seed, (when, count) in enumerate(
            [("first", options.clients), ("before", options.posts), ("after", options.posts)]
        ):
            answered += post(count, options.clients, seed)
            time.sleep(IDLE_SECONDS)
            at[when] = footprint(server.pid)
    return {
        "posts": options.clients + 2 * options.posts,
        "clients": options.clients,
        "answered_as_incomplete": answered,
        **{f"{name}_{when}": found for when, names in at.items() for name, found in names.items()},
        "memory_ratio": at["after"]["resident_mb"] / at["before"]["resident_mb"],
    }


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "throughput": throughput,
    "latency": latency,
    "memory": memory,
    "hostile": hostile,
    "stopping": stopping,
    "incomplete": incomplete,
}


def main() -> None:
    """Measure, and print one table (or JSON)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(MEASUREMENTS), action="append")
    parser.add_argument("--rounds", type=int, default=5, help="of the throughput")
    parser.add_argument("--groups", type=int, default=128, help="in each of them")
    add_data_option(parser)
    parser.add_argument("--group-size", type=int, default=4, help="of the latency's groups; smaller ones are left out")
    parser.add_argument("--groups-per-second", type=float, default=5.0, help="for the latency")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--hostile", type=int, nargs="*", default=[4, 16, 64], help="numbers of hostile callers")
    parser.add_argument("--posts", type=int, default=50_000, help="that never complete their groups")
    parser.add_argument("--clients", type=int, default=10_000, help="that post them")
    parser.add_argument("--posts-per-second", type=float, default=500.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the callers are connections of this process
    results = {name: MEASUREMENTS[name](options) for name in options.only or MEASUREMENTS}
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for name, figures in results.items():
        print(name)
        for figure, value in figures.items():
            print(f"  {figure:28} {value:.3f}" if isinstance(value, float) else f"  {figure:28} {value}")


if __name__ == "__main__":
    main()
