"""Load generator: replay groups against a reward server as a trainer would, one sample per post, in any order.

    python benchmarks/load.py http://127.0.0.1:5000 rollouts.jsonl --disconnect 0.05 --never 0.02 --ids

Each group's members are posted to /get_reward at random times. A fraction of the callers hang up while they wait and
post again; a fraction of the members is never posted. Failed posts are retried after a second, up to five posts in
all, as in OpenRLHF. Prints posts per second, the results, and the latency of each answer after its group's last member.
The server's group size must be that of the data, or use --group-size to take that many members of each group.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import random
import secrets
import statistics
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from data import read_rows


@dataclass(frozen=True)
class Group:
    """The responses to one prompt, as a trainer would post them."""

    prompt: str
    responses: Sequence[str]
    reference: str | None = None

    def bodies(self) -> list[bytes]:
        """The body of each member's post."""
        return [
            json.dumps({"query": [self.prompt + text], "prompts": [self.prompt], "labels": [self.reference]}).encode()
            for text in self.responses
        ]

    def identified_bodies(self) -> list[bytes]:
        """The bodies of the members with ids, without the ids, which stand in the path."""
        shared = {"prompt": self.prompt, "reference": self.reference, "group_size": len(self.responses)}
        return [json.dumps({**shared, "response": text}).encode() for text in self.responses]


def hostile_bodies() -> list[bytes]:
    """Groups for /score that cost as much as a model's output can: nested formulas, many answers, long texts."""
    formula = r"\boxed{\int_0^{%d} \frac{\sin(x^{%d})}{\sqrt{1+x}}\,dx + (x+%d)^{40}(y+1)^{40}}"
    groups = [
        [formula % (n + 1, n, n) for n in range(512)],
        [rf"\boxed{{(\sqrt{{x+{n}}}+\sqrt{{y+{n + 1}}}+z+1)^{{12}}}}" for n in range(16)],
        [rf"\boxed{{\sqrt{{{n}}}+\sin({n} x)}}" for n in range(1024)],
        [f"{'<think>' * 285_000}{n}" for n in range(4)],
    ]
    return [json.dumps({"prompt": "p", "responses": responses}).encode() for responses in groups]


@dataclass(frozen=True)
class Behaviour:
    """Behaviour of the simulated callers.

    Args:
        spread_seconds: members are posted at random times within this time of the start.
        patience_seconds: timeout of a post, after which it is retried.
        tries: maximum posts per member.
        retry_seconds: pause between two tries.
        disconnect: fraction of members whose caller hangs up once, at a random time within `hang_up_seconds`.
        never: fraction of members that are never posted.
        path: where members without ids are posted.
        ids: post members under ids of their own instead, so that a retry is recognised even if its answer was lost.
        hostile: how many callers have hostile groups scored meanwhile, one after the other.
        head_start: seconds for which these are alone: what is measured is the time beside them, not their arrival.
        clients: how many clients there are, each with an address of its own if there are several (on this machine).
        seed: the random seed.
    """

    spread_seconds: float = 1.0
    patience_seconds: float = 180.0
    tries: int = 5
    retry_seconds: float = 1.0
    disconnect: float = 0.0
    hang_up_seconds: float = 0.5
    never: float = 0.0
    path: str = "/get_reward"
    ids: bool = False
    hostile: int = 0
    head_start: float = 3.0
    clients: int = 1
    seed: int = 0


REFUSED = -1
"""What stands for a status where the server takes no connections."""


@dataclass
class Member:
    """Result of one member.

    Args:
        group, place: indices of the group and of the response in it.
        sent: time of its last post; None if it was never posted.
        answered: time of its answer.
        statuses: the statuses of its posts; 0 if the connection ended without an answer, `REFUSED` if there was none.
        answer: the last body of status 200.
    """

    group: int
    place: int
    sent: float | None = None
    answered: float | None = None
    statuses: list[int] = field(default_factory=list)
    answer: dict[str, Any] | None = None


class Connection(asyncio.Protocol):
    """One connection of a minimal HTTP/1.1 client, whose cost is small compared with the server's."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None
        self._buffer = bytearray()
        self._head = self._length = 0
        self._is_last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect an answer until its length is reached."""
        self._buffer += data
        if not self._head:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = end + 4
            lines = bytes(self._buffer[:end]).lower().split(b"\r\n")
            lengths = [line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")]
            self._length = int(lengths[0]) if lengths else 0
            self._is_last = b"connection: close" in lines
        if len(self._buffer) >= self._head + self._length:
            status = int(self._buffer[9:12])
            body = bytes(self._buffer[self._head : self._head + self._length])
            del self._buffer[: self._head + self._length]
            self._head = 0
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result((status, body))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the pending request."""
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error or ConnectionResetError("the server closed the connection"))

    @property
    def usable(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing() and not self._is_last

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and wait for its answer."""
        if self._transport is None:
            raise ConnectionResetError("the connection is closed")
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled() or waiter.exception() is not None:
                raise
            # The answer arrived while hanging up: it is kept and not requested again, because neither the server nor
            # TCP could distinguish that from a caller that lost it.
            return waiter.result()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


class Client:
    """HTTP client of one server, with persistent connections.

    Args:
        url: the server's URL; a password in it is the server's key.
        number: of the client; each but 0 has an address of its own in 127.0.0.0/8.
    """

    def __init__(self, url: str, number: int = 0) -> None:
        parts = urlsplit(url)
        self._address = (f"127.1.{number >> 8}.{number & 255}", 0) if number else None
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._headers = b"host: %s\r\ncontent-type: application/json\r\n" % self._host.encode()
        if parts.password is not None:
            pair = base64.b64encode(f"{parts.username}:{unquote(parts.password)}".encode())
            self._headers += b"authorization: Basic %s\r\n" % pair
        self._idle: deque[Connection] = deque()

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer.

        A cancelled call hangs up, unless it has its answer.

        Raises:
            OSError: there was no answer.
        """
        connection = self._idle.pop() if self._idle else None
        if connection is None or not connection.usable:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(Connection, self._host, self._port, local_addr=self._address)
        request = b"POST %s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n" % (path.encode(), self._headers, len(body))
        try:
            answer = await connection.exchange(request + body)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()


async def replay(groups: Sequence[Group], url: str, behaviour: Behaviour) -> list[Member]:
    """Post all members of all groups; their results in the order of the groups."""
    dice = random.Random(behaviour.seed)
    clients = [Client(url, number) for number in range(behaviour.clients)]
    run = secrets.token_hex(4)  # the server remembers the groups of earlier runs
    plans = []
    for number, group in enumerate(groups):
        for place, body in enumerate(group.identified_bodies() if behaviour.ids else group.bodies()):
            path = f"/v1/groups/{run}.{number}/members/{place}" if behaviour.ids else behaviour.path
            fate = dice.random()
            hang_up = dice.uniform(0, behaviour.hang_up_seconds) if fate < behaviour.disconnect else None
            comes = fate < 1 - behaviour.never
            delay = dice.uniform(0, behaviour.spread_seconds)
            plans.append((Member(number, place), path, body, comes, delay, hang_up))
    bodies = hostile_bodies() if behaviour.hostile else []
    harassing = [asyncio.ensure_future(_harass(Client(url), bodies, n)) for n in range(behaviour.hostile)]
    if harassing:
        await asyncio.sleep(behaviour.head_start)
    try:
        await asyncio.gather(
            *(
                _caller(clients[number % len(clients)], behaviour, member, path, body, delay, hang)
                for number, (member, path, body, comes, delay, hang) in enumerate(plans)
                if comes
            )
        )
    finally:
        for one in harassing:
            one.cancel()
        await asyncio.gather(*harassing, return_exceptions=True)
        for client in clients:
            client.close()
    return [member for member, *_ in plans]


async def _harass(client: Client, bodies: Sequence[bytes], number: int) -> None:
    while True:
        number += 1
        with contextlib.suppress(OSError):
            status, _ = await client.post("/score", bodies[number % len(bodies)])
            if status != 200:
                await asyncio.sleep(0.1)


async def _caller(
    client: Client, behaviour: Behaviour, member: Member, path: str, body: bytes, delay: float, hang_up: float | None
) -> None:
    await asyncio.sleep(delay)
    for attempt in range(behaviour.tries):
        if attempt:
            await asyncio.sleep(behaviour.retry_seconds)
        member.sent = time.perf_counter()
        patience = behaviour.patience_seconds if hang_up is None or attempt else hang_up
        try:
            status, answer = await asyncio.wait_for(client.post(path, body), patience)
        except (OSError, asyncio.TimeoutError) as error:
            member.statuses.append(REFUSED if isinstance(error, ConnectionRefusedError) else 0)
            continue
        member.statuses.append(status)
        if status == 200:
            member.answered = time.perf_counter()
            member.answer = json.loads(answer)
            return


def added_latencies(members: Iterable[Member]) -> list[float]:
    """For each answered member of a complete group the seconds from the group's last post to its answer."""
    by_group: dict[int, list[Member]] = {}
    for member in members:
        by_group.setdefault(member.group, []).append(member)
    latencies = []
    for peers in by_group.values():
        sent = [member.sent for member in peers if member.sent is not None]
        if len(sent) == len(peers):
            latencies += [member.answered - max(sent) for member in peers if member.answered is not None]
    return latencies


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def groups_of(rows: Iterable[Mapping[str, Any]], size: int | None) -> Iterator[Group]:
    """The groups of rows with `prompt`, `responses` and perhaps `reference`; of `size` members each."""
    for row in rows:
        responses = row["responses"][:size]
        if size is None or len(responses) == size:
            yield Group(row["prompt"], responses, row.get("reference"))


def main() -> None:
    """Replay a file, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("input", type=Path)
    parser.add_argument("--group-size", type=int)
    for name, default in (("spread-seconds", 1.0), ("patience-seconds", 180.0), ("disconnect", 0.0), ("never", 0.0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--path", default="/get_reward")
    parser.add_argument("--hostile", type=int, default=0, help="callers that have hostile groups scored meanwhile")
    parser.add_argument("--clients", type=int, default=1, help="with addresses of their own, on one machine")
    parser.add_argument("--ids", action="store_true", help="members have ids: retries are exact")
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args())
    url, groups = options.pop("url"), list(groups_of(read_rows(options.pop("input")), options.pop("group_size")))
    started = time.perf_counter()
    members = asyncio.run(replay(groups, url, Behaviour(**options)))
    seconds = time.perf_counter() - started
    answers = [member.answer for member in members if member.answer is not None]
    posts = Counter(status for member in members for status in member.statuses)
    print(f"{len(groups)} groups, {len(members)} members, {seconds:.2f} s, {posts.total() / seconds:.0f} posts/s")
    print("posts by status (0: no answer):", dict(sorted(posts.items())))
    unscored = sum(
        answer["reward"] is None if options["ids"] else not answer["extra_logs"]["empo/scored"] for answer in answers
    )
    print("answered:", len(answers), "unscored:", unscored)
    if latencies := added_latencies(members):
        middle, tail = statistics.median(latencies) * 1e3, quantile(latencies, 0.99) * 1e3
        print(f"after the group's last member: median {middle:.1f} ms, p99 {tail:.1f} ms")


if __name__ == "__main__":
    main()
