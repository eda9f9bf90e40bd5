"""Deprecated aliases of `empo_rewards.gather.samples`, until the next release."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "Payment": "empo_rewards.gather.samples:SampleReward",
        "PAYMENT_METRICS": "empo_rewards.gather.samples:SAMPLE_METRICS",
        "payments": "empo_rewards.gather.samples:sample_rewards",
        "Neutral": "empo_rewards.gather.samples:NeutralReward",
        "reference_of": "empo_rewards.group:read_label",
        "Sample": "empo_rewards.gather.samples:Sample",
        "SampleScorer": "empo_rewards.gather.samples:SampleScorer",
        "LOG_PREFIX": "empo_rewards.gather.samples:LOG_PREFIX",
        "METRICS": "empo_rewards.gather.samples:METRICS",
        "mean_metrics": "empo_rewards.gather.samples:mean_metrics",
    },
)
