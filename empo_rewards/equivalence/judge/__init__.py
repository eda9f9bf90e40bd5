"""Equivalence by a judge: a language model that is asked whether two answers say the same.

    pairs -> quoting -> questions (three forms) -> an engine -> replies -> probability of Yes -> Verdict

`judgement` goes this way. The engines are `servers` (HTTP: `client`, `endpoints`, `wire`, on an `event_loop` of its
own) and `in_process` (vllm.LLM); `backend` makes the two backends of them.
"""

from __future__ import annotations

from empo_rewards.equivalence.judge.backend import InProcessJudgeEquivalence, JudgeEquivalence
from empo_rewards.equivalence.judge.client import Limits
from empo_rewards.equivalence.judge.judgement import Asking, Prices

__all__ = ["Asking", "InProcessJudgeEquivalence", "JudgeEquivalence", "Limits", "Prices"]
