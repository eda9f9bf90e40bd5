"""Groups of responses to prompts: sampled from OpenAI-compatible servers, or by vLLM in this process."""

from __future__ import annotations

from empo_rewards.generation.in_process import VllmSampler
from empo_rewards.generation.sampling import Refused, Sampled, Sampler, Sampling
from empo_rewards.generation.server import ServerSampler

__all__ = ["Refused", "Sampled", "Sampler", "Sampling", "ServerSampler", "VllmSampler"]
