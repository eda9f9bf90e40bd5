"""A soak under faults of every kind: each reward that is paid is compared with its group's offline score."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import secrets
import signal
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from hostile import corpus, mutants, odd_json, send
from serving import COMMAND, Behaviour, Group, Member, Server, children, replay

from empo_rewards import Group as OfflineGroup
from empo_rewards import Scorer

EXAMPLES = Path(__file__).parents[2] / "examples" / "rollouts.jsonl"
CLOCK = Path(__file__).parent / "stepping_clock"
GROUP_SIZE = 8
SCORE_SECONDS = 5.0
OPTIONS = (
    *("--group-size", str(GROUP_SIZE), "--workers", "2", "--report-groups", "50"),
    *("--idle-seconds", "4", "--total-seconds", "20"),
)
STARTED_BYTES = 50 * 2**20
"""A worker that has less memory is still importing."""

STUBBORN = {"tries": 2000, "retry_seconds": 0.3, "spread_seconds": 1.0, "patience_seconds": 30.0}
"""Callers that outlast every restart."""


@dataclass
class Tally:
    """What came of the groups of all lanes.

    Args:
        seconds: how long it took.
        groups, members: submitted.
        paid: members with a reward of their own.
        unscored: members without, by cause.
        unanswered: members that no try brought an answer.
        wrong: members whose reward is not that of their group's offline score.
        faults: how often each fault was injected.
        exits: how long SIGTERM took.
        commands: how often the command line was run; all but the last run of each job was killed or refused.
    """

    seconds: float = 0.0

    groups: int = 0
    members: int = 0
    paid: int = 0
    unscored: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    wrong: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    exits: list[float] = field(default_factory=list)
    commands: int = 0


class Soak:
    """Lanes of innocent callers, and an injector of faults, against one address at which a server is restarted.

    Args:
        folder: for the files of the command line.
        seed: of what is submitted when, and of the faults.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self._folder = folder
        self.tally = Tally()
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._logs: list[str] = []
        path = os.pathsep.join(filter(None, (str(CLOCK), os.environ.get("PYTHONPATH", ""))))
        self._environment = {"PYTHONPATH": path}
        self._server = Server(*OPTIONS, "--score-seconds", str(SCORE_SECONDS), **self._environment)
        self._hostile = corpus(self._server.get("/openapi.json").json(), 3)
        rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
        self._pool = [Group(row["prompt"], row["responses"][:GROUP_SIZE]) for row in rows]
        self._scorer = Scorer("empo-math")

    @property
    def url(self) -> str:
        """The address, which is the same after a restart."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def log(self) -> str:
        """What all servers have logged."""
        return "".join([*self._logs, self._server.text])

    def run(self, minutes: float) -> Tally:
        """Run so long, and until each fault was injected; then check that a quiet server scores everything."""
        lanes: list[Callable[[], None]] = [self._lane_of_single_samples, self._lane_of_whole_groups]
        lanes.append(self._lane_of_the_command_line)
        # Two runs at once, on the same prompts.
        twins = random.Random(1)
        shared = [self._groups(4, twins) for _ in range(50)]
        lanes += [lambda: self._lane_with_ids(shared), lambda: self._lane_with_ids(shared)]
        threads = [threading.Thread(target=self._guarded, args=(lane,)) for lane in lanes]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        end = began + 60 * minutes
        try:
            while time.monotonic() < end or not self._faults.keys() <= self.tally.faults.keys():
                self._inject()
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        self.tally.seconds = time.monotonic() - began
        unscored = self.tally.unscored.total()
        for number in range(3):
            groups = self._groups(4, random.Random(f"quiet {number}"))
            self._judge(groups, asyncio.run(replay(groups, self.url, Behaviour(**STUBBORN))))
        if self.tally.unscored.total() > unscored:
            self.tally.wrong.append("a quiet server left groups unscored after the faults")
        self._stop_server(signal.SIGTERM)
        return self.tally

    # Innocent callers.

    def _groups(self, count: int, dice: random.Random) -> list[Group]:
        """Groups of the examples under prompts of their own."""
        chosen = [dice.choice(self._pool) for _ in range(count)]
        return [
            Group(f"({secrets.token_hex(6)}) {group.prompt}", dice.sample(list(group.responses), GROUP_SIZE))
            for group in chosen
        ]

    def _guarded(self, lane: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                lane()
            except Exception as error:
                with self._lock:
                    self.tally.wrong.append(f"{lane}: {error!r}")
                raise

    def _lane_of_single_samples(self) -> None:
        groups = self._groups(4, self._dice)
        self._judge(groups, asyncio.run(replay(groups, self.url, Behaviour(**STUBBORN))))

    def _lane_with_ids(self, shared: list[list[Group]]) -> None:
        dice = random.Random()
        groups = dice.choice(shared)
        behaviour = Behaviour(**STUBBORN, ids=True, disconnect=0.2, never=0.02, seed=dice.randrange(2**32))
        self._judge(groups, asyncio.run(replay(groups, self.url, behaviour)))

    def _lane_of_whole_groups(self) -> None:
        groups = self._groups(3, self._dice)
        body = {"groups": [{"prompt": group.prompt, "responses": list(group.responses)} for group in groups]}
        for _ in range(STUBBORN["tries"]):
            with contextlib.suppress(httpx.HTTPError):
                answer = httpx.post(f"{self.url}/score", json=body, timeout=30)
                if answer.status_code == 200:
                    break
            time.sleep(STUBBORN["retry_seconds"])
        else:
            self.tally.unanswered += len(groups) * GROUP_SIZE
            return
        for group, score in zip(groups, answer.json()["scores"], strict=True):
            self._judge_group(group, dict(enumerate(score["rewards"])), score["cause"])

    def _lane_of_the_command_line(self) -> None:
        """One job, whose runs are killed, find the disk full, or meet another run, until one of them ends."""
        folder = self._folder / secrets.token_hex(4)
        folder.mkdir()
        groups, source, out = self._groups(60, self._dice), folder / "in.jsonl", folder / "out.jsonl"
        rows = [json.dumps({"prompt": group.prompt, "responses": list(group.responses)}) for group in groups]
        source.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
        dice = random.Random(folder.name)
        command = [COMMAND, "score", str(source), "--out", str(out), "--resume"]
        codes: set[int] = set()
        while 0 not in codes:
            kind = "whole" if self._over.is_set() else dice.choice(["whole", "killed", "killed", "full", "two"])
            size = (out.stat().st_size if out.exists() else 0) // 1024 + 20
            limited = ["bash", "-c", 'ulimit -f "$0"; exec "$@"', str(size)] if kind == "full" else []
            runs = [
                subprocess.Popen([*limited, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for _ in range(2 if kind == "two" else 1)
            ]
            if kind == "killed":
                time.sleep(dice.uniform(0.5, 5.0))
                runs[0].kill()
            codes = {run.wait() for run in runs}
            with self._lock:
                self.tally.commands += len(runs)
                self.tally.faults[f"the command line: {kind}"] += 1
                if not codes <= {0, 2, -signal.SIGKILL}:
                    self.tally.wrong.append(f"{command}: exit codes {codes}")
        scores = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        for group, score in zip(groups, scores, strict=True):
            self._judge_group(group, dict(enumerate(score["rewards"])), score["cause"])

    def _judge(self, groups: Sequence[Group], members: Sequence[Member]) -> None:
        for number, group in enumerate(groups):
            rewards: dict[int, float | None] = {}
            cause = None
            for member in members:
                if member.group != number or member.sent is None:
                    continue
                if member.answer is None:
                    with self._lock:
                        self.tally.unanswered += 1
                elif "reward" in member.answer:
                    rewards[member.place] = member.answer["reward"]
                    cause = cause or member.answer["group"]["cause"]
                else:
                    logs = member.answer["extra_logs"]
                    rewards[member.place] = member.answer["rewards"] if logs["empo/scored"] else None
                    cause = cause or next((name[14:] for name in logs if "/unscored/" in name and logs[name]), None)
            self._judge_group(group, rewards, cause)

    def _judge_group(self, group: Group, rewards: dict[int, float | None], cause: str | None) -> None:
        with self._lock:
            offline = self._scorer.score(OfflineGroup(group.prompt, group.responses))
            self.tally.groups += 1
            for place, reward in rewards.items():
                self.tally.members += 1
                if reward is not None:
                    self.tally.paid += 1
                    if reward != offline.rewards[place]:
                        self.tally.wrong.append(f"{group.prompt!r}[{place}]: {reward}, not {offline.rewards[place]}")
                elif offline.rewards[place] is not None:
                    self.tally.unscored[str(cause)] += 1

    # Faults.

    @property
    def _faults(self) -> dict[str, Callable[[], None]]:
        return {
            "a worker is killed": lambda: self._signal_worker(signal.SIGKILL),
            "a worker hangs for a moment": lambda: self._hang_worker(1.0),
            "a worker hangs for good": lambda: self._hang_worker(None),
            "the server hangs for a moment": self._hang_server,
            "the server is killed": lambda: self._restart(signal.SIGKILL),
            "the server is told to stop": lambda: self._restart(signal.SIGTERM),
            "no descriptors are left": self._without_descriptors,
            "no memory is left to a worker": self._without_memory,
            "readers are slow": self._slow_readers,
            "requests stop in the middle": self._half_requests,
            "requests are fuzzed": self._fuzz,
            "answers are hostile": self._hostile_groups,
        }

    def _inject(self) -> None:
        faults = self._faults
        due = [name for name in faults if name not in self.tally.faults] or list(faults)
        name = self._dice.choice(due)
        with contextlib.suppress(
            ProcessLookupError, FileNotFoundError, httpx.HTTPError
        ):  # the process or server has just ended
            faults[name]()
            self.tally.faults[name] += 1
        time.sleep(self._dice.uniform(0.2, 1.0))

    def _workers(self) -> list[int]:
        found = [
            pid
            for pid in children(self._server.process.pid)
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        if not found:
            raise ProcessLookupError
        return found

    def _signal_worker(self, number: int) -> int:
        worker = self._dice.choice(self._workers())
        os.kill(worker, number)
        return worker

    def _hang_worker(self, seconds: float | None) -> None:
        worker = self._signal_worker(signal.SIGSTOP)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(worker, signal.SIGCONT)

    def _hang_server(self) -> None:
        self._server.process.send_signal(signal.SIGSTOP)
        time.sleep(self._dice.uniform(0.5, 2.0))
        self._server.process.send_signal(signal.SIGCONT)

    def _stop_server(self, number: int) -> None:
        stopped = children(self._server.process.pid)
        began = time.monotonic()
        self._server.stop(number, seconds=60)
        for pid in stopped:  # one that hangs for good could not see that its server has gone
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        if number == signal.SIGTERM:
            self.tally.exits.append(time.monotonic() - began)
        self._logs.append(self._server.text)

    def _restart(self, number: int) -> None:
        port = self._server.port
        self._stop_server(number)
        self._server = Server(*OPTIONS, "--score-seconds", str(SCORE_SECONDS), port=port, **self._environment)

    @contextlib.contextmanager
    def _limit(self, pid: int, kind: int, soft: int) -> Iterator[None]:
        before = resource.prlimit(pid, kind)
        resource.prlimit(pid, kind, (soft, before[1]))
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, kind, before)

    def _without_descriptors(self) -> None:
        pid = self._server.process.pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        with self._limit(pid, resource.RLIMIT_NOFILE, used + 4):
            time.sleep(2.0)

    def _without_memory(self) -> None:
        worker = self._dice.choice(self._workers())
        pages, resident = map(int, Path(f"/proc/{worker}/statm").read_text().split()[:2])
        if resident * resource.getpagesize() < STARTED_BYTES:
            raise ProcessLookupError  # it still imports: Python itself would print a traceback
        with self._limit(worker, resource.RLIMIT_AS, pages * resource.getpagesize() + 2**20):
            time.sleep(2.0)

    def _connections(self, count: int) -> Iterator[socket.socket]:
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                with contextlib.suppress(OSError):
                    connection = socket.create_connection(("127.0.0.1", self._server.port), timeout=2)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    yield stack.enter_context(connection)

    def _slow_readers(self) -> None:
        """They ask for long answers, again and again, and read a few bytes."""
        body = json.dumps({"groups": [{"prompt": "q" * 10**4, "responses": ["x" * 10**4] * 8}] * 4}).encode()
        request = b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        for connection in self._connections(10):
            with contextlib.suppress(OSError):
                connection.settimeout(0.2)
                connection.sendall(request * 3)
                connection.recv(10)

    def _half_requests(self) -> None:
        for number, connection in enumerate(self._connections(30)):
            with contextlib.suppress(OSError):
                connection.sendall(self._dice.choice(self._hostile)[: 40 * (number + 1)])

    def _fuzz(self) -> None:
        answers = asyncio.run(send(self._server.port, mutants(self._hostile, 100, self._dice.randrange(2**32))))
        with self._lock:
            self.tally.wrong += [f"{request!r}: {answer!r}" for request, answer in answers.undocumented]

    def _hostile_groups(self) -> None:
        """Groups that are expensive to compare; nobody waits for them."""
        for _ in range(4):
            body: dict[str, Any] = {
                "prompt": "q",
                "responses": [rf"\boxed{{{text}{n}}}" for n in range(16) for text in self._dice.choices(EXPENSIVE)],
            }
            with contextlib.suppress(httpx.HTTPError):
                httpx.post(f"{self.url}/score", json=body, timeout=0.3)
            with contextlib.suppress(httpx.HTTPError):
                httpx.post(f"{self.url}/score", content=odd_json(self._dice), timeout=0.3)


EXPENSIVE = (
    r"\int_0^1 \sqrt{\sin(x^3+e^x)}\,dx+",
    r"(\sqrt{2}+\sqrt{3}+\sqrt{5}+\sqrt{7}+\sqrt{11}+\sqrt{13}+\sqrt{17})^{9}+",
    r"(a+b+c+d+e+f)^{12}-(a+b+c)^{12}+",
    r"\sin^{300000000}x+",
    r"10^{30}!+",
    r"\prod_{k=1}^{999}(1+\frac{1}{k^2})+",
)
"""Answers that took a long time to compare, or to refuse."""
