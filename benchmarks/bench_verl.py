"""Benchmark of the adapter's overhead: the same rows through verl's naive manager and the adapter's, in one run.

    python benchmarks/bench_verl.py [--rows N] [--workers N] [--repeats N] [--waiting N] [--data FILE] [--json FILE]

Needs an environment with verl (the nox session `verl` has one). Responses are those of a
file of groups, or generated; a byte-level tokenizer, so that no model is needed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import ray
from data import add_data_option, math_rows
from omegaconf import OmegaConf
from transformers import AutoTokenizer

from empo_rewards.gather.samples import Sample
from empo_rewards.integrations.verl import settings
from empo_rewards.integrations.verl.row_rewards import RowReward, of_fault
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.shards import Shards
from empo_rewards.integrations.verl.validation import DataOrigin

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration" / "verl"))
support = import_module("verl_support")

N = 16
LENGTH = 2048
"""Maximum response length in tokens (bytes); longer responses are cut at the front, which keeps their answers."""


def rollouts(groups: Sequence[Mapping[str, Any]], count: int) -> list[tuple[str, str]]:
    """(uid, response) in shuffled order: groups of `N` drawn from the responses of groups."""
    dice = random.Random(0)
    rows = []
    for uid in range(count // N):
        pool = groups[uid % len(groups)]["responses"]
        rows += [(f"uid-{uid}", dice.choice(pool)[-LENGTH:]) for _ in range(N)]
    dice.shuffle(rows)
    return rows


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


MANAGERS = {
    "naive": ["reward.reward_manager.name=naive"],
    "empo": [],
    "monitored": ["+reward.reward_kwargs.scorer={preset: empo-math, observers: [monitor]}"],
}
"""The configurations that are compared."""


def through_manager(name: str, model: Path, data: Any, workers: int, repeats: int) -> dict[str, float]:
    """The wall time of verl's `compute_rm_score` with a manager: the first call, and the median of the others."""
    manager = support.reward_loop(support.config(model, *MANAGERS[name], workers=workers, n=N))
    times = [seconds(lambda: manager.compute_rm_score(data)) for _ in range(repeats + 1)]
    support.end(manager)
    return {"cold_s": times[0], "warm_s": statistics.median(times[1:])}


def waiting(model: Path, tokenizer: Any, count: int, workers: int) -> dict[str, float]:
    """Single rows that all wait in the reward workers at once: the wall time, and how many went wrong."""
    manager = support.reward_loop(support.config(model, workers=workers, n=N))
    rows = support.made_up_rows(count // N, N)
    data = support.batch(tokenizer, rows)
    single = [data.select_idxs([row]) for row in range(len(rows))]
    start = time.perf_counter()
    calls = [manager.reward_loop_workers[row % workers].compute_score.remote(one) for row, one in enumerate(single)]
    found = ray.get(calls)
    taken = time.perf_counter() - start
    support.end(manager)
    uids, texts = ([row[part] for row in rows] for part in (0, 1))
    rewards, _ = support.offline(uids, texts, [f"question of {uid}" for uid in uids])
    return {
        "rows": len(rows),
        "seconds": taken,
        "unscored": sum(row["reward_extra_info"]["scored"] != 1 for row in found),
        "not_as_offline": sum(row["reward_score"] != reward for row, reward in zip(found, rewards, strict=True)),
    }


class Echo:
    """An actor without work: measures ray's own cost of one call per row."""

    async def submit(self, row: RolloutRow) -> RowReward:
        """Something of the size of our answers."""
        return of_fault("refused", float(row.member is not None))


def through_rendezvous(model: Path, rows: list[tuple[str, str]], repeats: int) -> dict[str, float]:
    """Milliseconds per row with string equivalence: batched; one call per row; and ray's own part of the latter."""
    scorer = "+reward.reward_kwargs.scorer={preset: empo-math, equivalence: exact}"
    config = support.config(model, scorer, workers=1, n=N)
    shards = Shards(settings.read(OmegaConf.to_container(config, resolve=True)))
    echo = ray.remote(Echo).options(num_cpus=0, max_concurrency=1_000_000).remote()

    def made(repeat: int) -> list[RolloutRow]:
        return [
            RolloutRow(Sample("p", text), DataOrigin(None, None), f"{repeat} {uid}", member)
            for member, (uid, text) in enumerate(rows)
        ]

    async def echoed(row: RolloutRow) -> RowReward:
        return await echo.submit.remote(row)

    async def run() -> dict[str, float]:
        times: dict[str, list[float]] = {"batch": [], "single": [], "ray": []}
        for repeat in range(repeats + 1):
            batch, single = made(2 * repeat), made(2 * repeat + 1)
            start = time.perf_counter()
            await shards.train_batch(batch)
            times["batch"].append(time.perf_counter() - start)
            for name, call in (("single", shards.train), ("ray", echoed)):
                start = time.perf_counter()
                await asyncio.gather(*(call(row) for row in single))
                times[name].append(time.perf_counter() - start)
        return {name: 1000 * statistics.median(values[1:]) / len(rows) for name, values in times.items()}

    return asyncio.run(run())


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--waiting", type=int, default=16384)
    add_data_option(parser)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = rollouts(math_rows(arguments.data, N), arguments.rows)
    with tempfile.TemporaryDirectory() as folder, support.ray_session():
        model = support.make_model(Path(folder))
        data = support.batch(AutoTokenizer.from_pretrained(model), rows, length=LENGTH)
        data.non_tensor_batch["data_source"] = support.objects(["lighteval/MATH"] * len(rows))
        naive, empo, monitored = (
            through_manager(name, model, data, arguments.workers, arguments.repeats) for name in MANAGERS
        )
        alone = through_rendezvous(model, rows, arguments.repeats)
        for shard in support.rendezvous_actors():
            ray.kill(shard)
        waited = waiting(model, AutoTokenizer.from_pretrained(model), arguments.waiting, arguments.workers)
    result = {
        "rows": len(rows),
        "workers": arguments.workers,
        "naive": naive,
        "empo": empo,
        "monitored": monitored,
        "ratio_cold": empo["cold_s"] / naive["cold_s"],
        "ratio_warm": empo["warm_s"] / naive["warm_s"],
        "rendezvous_ms_a_row": alone,
        "waiting": waited,
    }
    print(f"{len(rows)} rows, {arguments.workers} reward workers    first call    median of {arguments.repeats}")
    print(f"verl's naive manager                {naive['cold_s']:9.2f} s {naive['warm_s']:13.2f} s")
    print(f"the empo manager                    {empo['cold_s']:9.2f} s {empo['warm_s']:13.2f} s")
    print(f"with the monitor                    {monitored['cold_s']:9.2f} s {monitored['warm_s']:13.2f} s")
    print(f"ratio                               {result['ratio_cold']:9.2f}   {result['ratio_warm']:13.2f}")
    print(
        f"the rendezvous alone, ms a row: {alone['batch']:.2f} in a batch; {alone['single']:.2f} with a call a row, ",
        end="",
    )
    print(f"of which ray's own call takes {alone['ray']:.2f}")
    print(
        f"{waited['rows']} rows waiting at once: {waited['seconds']:.1f} s, {waited['unscored']} unscored, "
        f"{waited['not_as_offline']} not as offline"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
