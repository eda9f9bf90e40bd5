"""A real server process on the loopback interface, and groups with rewards computed by hand."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).parent / "empo-rewards")
SLOW_PLUGIN = Path(__file__).parent / "slow_plugin"
EXACT = ("--set", "equivalence={name: exact, normalize: false}")

sys.path.insert(0, str(ROOT / "benchmarks"))
# A script's folder is no package.
from load import Behaviour, Group, Member, added_latencies, quantile, replay  # noqa: E402

__all__ = ["Behaviour", "Group", "Member", "added_latencies", "quantile", "replay"]

STARTING_SECONDS = 180


class Server:
    """One `empo-rewards serve`.

    Args:
        options: of the command.
        descriptors: the limit of open files.
        environment: what is added to ours.
    """

    def __init__(self, *options: str, port: int = 0, descriptors: int | None = None, **environment: str) -> None:
        limit = [] if descriptors is None else ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"]
        self.process = subprocess.Popen(
            [*limit, COMMAND, "serve", "--port", str(port), *options],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
        )
        self.log: list[str] = []
        self._listening = threading.Event()
        self.reading = threading.Event()
        """Whether somebody reads the log."""
        self.reading.set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listening.wait(STARTING_SECONDS) or self.process.poll() is not None:
            self.process.kill()
            raise AssertionError("the server did not start:\n" + "".join(self.log))
        found = re.search(r"listening on (http://127\.0\.0\.1:(\d+))", "".join(self.log))
        assert found is not None, self.log
        self.url, self.port = found[1], int(found[2])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            if "listening on" in line:
                self._listening.set()
            self.reading.wait()
        self._listening.set()

    @property
    def text(self) -> str:
        """The log so far."""
        return "".join(self.log)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal, wait for the end, and give its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def get(self, path: str) -> httpx.Response:
        """A GET."""
        return httpx.get(self.url + path, timeout=30)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """A POST."""
        return httpx.post(self.url + path, **{"timeout": 60, **options})

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        return metric_sum(self.get("/metrics").text, name, labels)

    def counting(self) -> Callable[..., float]:
        """A function as `metric`, of what is counted from now on."""
        before = self.get("/metrics").text
        return lambda name, **labels: self.metric(name, **labels) - metric_sum(before, name, labels)

    def wait_for(self, name: str, value: float, **labels: str) -> None:
        """Wait until a metric has a value; at most half a minute."""
        eventually(lambda: self.metric(name, **labels) == value, f"{name} {labels} is not {value}")


def metric_sum(text: str, name: str, labels: Mapping[str, str]) -> float:
    """The sum of a metric's samples that have these labels, in the text that `/metrics` gives."""
    total = 0.0
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(\{{.*\}})? (\S+)", line)
        if found and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
            total += float(found[2])
    return total


def peak_megabytes(pid: int) -> float:
    """The most memory that a process and those below it have had, as the sum of each one's peak."""
    total = 0
    for one in {pid} | children(pid):
        status = Path(f"/proc/{one}/status").read_text()
        total += int(status.partition("VmHWM:")[2].split()[0])
    return total / 1024


@contextmanager
def serving(*options: str, port: int = 0, descriptors: int | None = None, **environment: str) -> Iterator[Server]:
    """A server that ends with the block; a traceback in its log is a failure."""
    server = Server(*options, port=port, descriptors=descriptors, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
    before, found, after = server.text.partition("Traceback")
    assert not found, before[-1000:] + found + after[:10_000]


@contextmanager
def slow_serving(*options: str) -> Iterator[Server]:
    """A server whose answers say how they are compared (see `slow_plugin`)."""
    path = os.pathsep.join(filter(None, (str(SLOW_PLUGIN), os.environ.get("PYTHONPATH", ""))))
    with serving("--set", "equivalence={name: slow}", *options, PYTHONPATH=path) as server:
        yield server


def eventually(is_so: Callable[[], bool], otherwise: str, seconds: float = 30) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)


def boxed(prompt: str, answers: Sequence[object], reference: str | None = None) -> Group:
    """A group with these answers."""
    return Group(prompt, [rf" I think it is \boxed{{{answer}}}." for answer in answers], reference)


def made_up(count: int, size: int, seed: int = 0, prompts: int | None = None) -> list[Group]:
    """Groups with up to 5 different answers; of `prompts` different prompts, each its own."""
    dice = random.Random(seed)
    return [
        boxed(f"Problem {n % (prompts or count)} of {seed}: ", [dice.randrange(5) for _ in range(size)], "1")
        for n in range(count)
    ]


def shares(group: Group) -> list[float]:
    """EMPO's reward by hand: the share of the group that gave the same answer. The texts are equal where it is."""
    counts = Counter(group.responses)
    return [counts[response] / len(group.responses) for response in group.responses]


def assert_rewards(groups: Sequence[Group], members: Sequence[Member], but: frozenset[int] = frozenset()) -> None:
    """Every member of every group, but of those in `but`, got its reward by hand; its score is its correctness."""
    for member in members:
        if member.group in but:
            continue
        group = groups[member.group]
        assert member.answer is not None, (member, group.prompt)
        assert member.answer["rewards"] == shares(group)[member.place], (member, group.prompt)
        assert member.answer["extra_logs"]["empo/scored"] == 1
        if group.reference is not None:
            assert member.answer["scores"] == (f"{{{group.reference}}}" in group.responses[member.place])


def children(pid: int) -> set[int]:
    """The processes below one."""
    found: set[int] = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found |= {child} | children(child)
    return found


def commands(pids: set[int]) -> dict[int, str]:
    """Their command lines, of those that live."""
    lines = {}
    for pid in pids:
        path = Path(f"/proc/{pid}")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            if (path / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                lines[pid] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return lines
