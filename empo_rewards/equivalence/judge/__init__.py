"""Equivalence by a judge: a language model that is asked whether two answers mean the same.

    pairs -> quoting -> questions (three forms) -> engine -> generations -> probability of Yes -> PairVerdict

`judgement` runs these steps. The engines are `servers` (HTTP: `client`, `endpoints`, `wire`) and `in_process`
(vllm.LLM); `backend` makes an equivalence backend of each.
"""

from __future__ import annotations

from empo_rewards.completions.client import Limits
from empo_rewards.equivalence.judge.backend import InProcessJudgeEquivalence, JudgeEquivalence
from empo_rewards.equivalence.judge.judgement import Asking, Prices

__all__ = ["Asking", "InProcessJudgeEquivalence", "JudgeEquivalence", "Limits", "Prices"]
