"""The monitor's alarm among the server's metrics."""

from __future__ import annotations

from prometheus_client import generate_latest

from empo_rewards import GroupScore, Status
from empo_rewards.gather import GatherLimits
from empo_rewards.gather.room import Room
from empo_rewards.server.metrics import Metrics


def score(**metrics: float) -> GroupScore:
    return GroupScore((None,), (), (), (), None, Status.UNSCORED, metrics=metrics)


def test_the_alarm_is_absent_without_a_monitor_and_stays() -> None:
    metrics = Metrics({}, Room(GatherLimits()))

    def shown() -> list[str]:
        lines = generate_latest(metrics.registry).decode().splitlines()
        return [line for line in lines if line.startswith("empo_rewards_monitor_alarm")]

    metrics.group("training", score(), 0.1)
    assert shown() == []
    metrics.group("training", score(**{"monitor/alarm": 0.0}), 0.1)
    assert shown() == ['empo_rewards_monitor_alarm{phase="training"} 0.0']
    metrics.group("training", score(**{"monitor/alarm": 1.0}), 0.1)
    metrics.group("training", score(**{"monitor/alarm": 0.0}), 0.1)  # of another worker
    assert shown() == ['empo_rewards_monitor_alarm{phase="training"} 1.0']
