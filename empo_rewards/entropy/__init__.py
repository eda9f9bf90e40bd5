"""Estimators of semantic entropy: from cluster sizes, log-likelihoods, and similarities."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "Evidence": "empo_rewards.protocols:EntropyInput",
        "EntropyEstimator": "empo_rewards.protocols:EntropyEstimator",
        "plug_in": "empo_rewards.entropy.counts:plug_in",
        "miller_madow": "empo_rewards.entropy.counts:miller_madow",
        "zhang": "empo_rewards.entropy.counts:zhang",
        "chao_shen": "empo_rewards.entropy.counts:chao_shen",
        "PlugIn": "empo_rewards.entropy.counts:PlugIn",
        "MillerMadow": "empo_rewards.entropy.counts:MillerMadow",
        "Zhang": "empo_rewards.entropy.counts:Zhang",
        "ChaoShen": "empo_rewards.entropy.counts:ChaoShen",
        "rao": "empo_rewards.entropy.likelihoods:rao_blackwell",
        "Rao": "empo_rewards.entropy.likelihoods:RaoBlackwell",
        "log_likelihoods": "empo_rewards.entropy.likelihoods:log_likelihoods",
        "logsumexp": "empo_rewards.entropy.likelihoods:logsumexp",
    },
)
