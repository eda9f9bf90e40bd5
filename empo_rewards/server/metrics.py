"""The Prometheus metrics of `/metrics`: groups, requests, and the state of each phase's rendezvous."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from empo_rewards.gather.room import Room
from empo_rewards.gather.samples import SampleScorer
from empo_rewards.group import AnswerKind, Cause, GroupScore

_GAUGES = {
    "open_groups": "Groups that wait for members",
    "scoring_groups": "Groups that are being scored",
    "waiting": "Callers that wait for their group",
    "held_members": "Members of groups that have not ended",
    "held_bytes": "Bytes of groups that have not ended, about",
    "oldest_seconds": "Age of the oldest group that waits for members",
}
_COUNTERS = {
    "members": "Members taken in",
    "joined": "Submissions that joined a member that was there already: retries",
    "conflicts": "Submissions that contradict their group",
    "withdrawn": "Waits that the caller gave up",
    "forgotten": "Members that were said not to come",
    "late": "Submissions to a group that had ended without them",
    "surplus": "Submissions to a group that was full",
    "refused": "Submissions refused at a bound",
    "failed": "Groups whose scoring failed",
}
_ENDINGS = {
    "completed": "complete",
    "shortened": "lost",
    "expired_idle": "idle",
    "expired_total": "total",
    "given_up": "given_up",
    "evicted": "evicted",
}
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600)
_NATS = (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.5)
_SHARES = tuple(n / 10 for n in range(1, 11))


class Metrics:
    """The metrics of one server, in a registry of its own.

    Args:
        phases: the rendezvous of each phase; their state is read whenever the metrics are.
        room: where all bytes that are held are counted.
    """

    def __init__(self, phases: Mapping[str, SampleScorer], room: Room) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Rendezvous(phases))

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"empo_rewards_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"empo_rewards_{name}", text, labels, buckets=buckets, registry=self.registry)

        everything = Gauge("empo_rewards_all_held_bytes", "Bytes of bodies, groups and answers", registry=self.registry)
        everything.set_function(lambda: room.held_bytes)
        self.connections = Gauge("empo_rewards_connections", "Open connections", registry=self.registry)
        self._groups = counter("groups", "Groups by how they were scored", "phase", "status", "cause")
        self._unanimous = counter("unanimous_groups", "Groups with one answer", "phase")
        self._responses = counter("responses", "Responses by what was found in them", "phase", "answer")
        self._entropy = histogram("entropy_nats", "Semantic entropy of a group", _NATS, "phase")
        self._share = histogram("largest_share", "Share of a group's largest cluster", _SHARES, "phase")
        self._score_seconds = histogram("score_seconds", "From a gathered group to its score", _SECONDS, "phase")
        text = "1 from the monitor's alarm on: agreement no longer teaches"
        self._alarm = Gauge("empo_rewards_monitor_alarm", text, ["phase"], registry=self.registry)
        self._requests = counter("requests", "Requests by route and status", "route", "status")
        self._request_counts: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._request_seconds = histogram("request_seconds", "From a request to its answer", _SECONDS, "route")
        self.report_left_out = counter("report_left_out", "Groups that came too fast for the report at /")
        self.whole_queries = counter(
            "whole_queries", "Samples whose prompt was not found in their query: all of it counted as the response"
        )

    def group(self, phase: str, score: GroupScore, seconds: float) -> None:
        """Count one scored group."""
        self._groups.labels(phase, score.status.value, score.cause.value if score.cause else "").inc()
        self._score_seconds.labels(phase).observe(seconds)
        if score.cause not in (Cause.SCORING_FAILED, Cause.EXTRACTION_FAILED):  # else no answer was looked for
            for kind in AnswerKind:
                found = sum(answer.kind is kind for answer in score.answers)
                self._responses.labels(phase, kind.value).inc(found)
        if score.entropy is not None:
            self._entropy.labels(phase).observe(score.entropy)
        if score.cluster_shares:
            self._share.labels(phase).observe(score.metrics["largest_share"])
            self._unanimous.labels(phase).inc(score.metrics["unanimous"])

        if (alarm := score.metrics.get("monitor/alarm")) is not None:
            gauge = self._alarm.labels(phase)  # 0 from here on; absent without a monitor
            if alarm:  # stays 1: each worker has a monitor of its own, and one may see it before the others
                gauge.set(1)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        count = self._request_counts.get((route, status))
        if count is None:  # cached: `labels` costs more than counting
            count = self._requests.labels(route, str(status)), self._request_seconds.labels(route)
            self._request_counts[route, status] = count
        count[0].inc()
        count[1].observe(seconds)


class _Rendezvous(Collector):
    """The state of each phase's rendezvous at the time of collection."""

    def __init__(self, phases: Mapping[str, SampleScorer]) -> None:
        self._phases = phases

    def describe(self) -> list[Metric]:
        return []  # without this the registry calls `collect` to learn the names

    def collect(self) -> Iterator[Metric]:
        stats = {phase: scorer.stats() for phase, scorer in self._phases.items()}
        for name, text in _GAUGES.items():
            gauge = GaugeMetricFamily(f"empo_rewards_{name}", text, labels=["phase"])
            for phase, state in stats.items():
                gauge.add_metric([phase], getattr(state, name))
            yield gauge
        for name, text in _COUNTERS.items():
            counter = CounterMetricFamily(f"empo_rewards_gather_{name}", text, labels=["phase"])
            for phase, state in stats.items():
                counter.add_metric([phase], getattr(state, name))
            yield counter
        ended = CounterMetricFamily(
            "empo_rewards_gather_groups", "Groups by why they stopped gathering", labels=["phase", "ending"]
        )
        for phase, state in stats.items():
            for name, ending in _ENDINGS.items():
                ended.add_metric([phase, ending], getattr(state, name))
        yield ended
        cut = GaugeMetricFamily(
            "empo_rewards_groups_cut", "1 where groups keep ending at one fraction of their size", labels=["phase"]
        )
        for phase, scorer in self._phases.items():
            cut.add_metric([phase], float(scorer.diagnosis() is not None))
        yield cut
