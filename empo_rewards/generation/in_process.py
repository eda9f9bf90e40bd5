"""Samples by vLLM in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from empo_rewards.errors import ConfigError, EmpoError, described
from empo_rewards.extras import require
from empo_rewards.generation.sampling import Asked, Item, Refused, Response, Sampled, Sampler, Sampling

BATCH = 256
"""Prompts that vLLM gets at once. It schedules them itself; a killed job loses those that it has not returned."""


class VllmSampler(Sampler):
    """Samples from a model that vLLM loads into this process.

    Args:
        model: a name on a hub, or a local path.
        sampling: how responses are sampled.
        engine: arguments of `vllm.LLM` (`dtype`, `max_model_len`, `gpu_memory_utilization`, ...).

    Raises:
        MissingExtraError: vllm is not installed.
        EmpoError: the model cannot be loaded.
    """

    def __init__(self, model: str, sampling: Sampling, engine: Mapping[str, Any] | None = None) -> None:
        require("vllm", "sampling in this process")
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # standard output is for results
        import vllm  # noqa: PLC0415 - an optional extra, and slow to import

        self._sampling = sampling
        try:
            self._llm = vllm.LLM(model=model, **(engine or {}))
        except Exception as error:
            raise EmpoError(f"vLLM cannot load {model}: {described(error)}") from error

    def sample(
        self,
        prompts: Iterable[tuple[Item, Asked | Refused]],
        done: Callable[[Item, Sampled | Refused], None],
        *,
        first: int = 0,
    ) -> None:
        """See `Sampler.sample`."""
        remaining = iter(prompts)
        while batch := list(islice(remaining, BATCH)):
            outcomes = self._outcomes([prompt for _, prompt in batch], first)
            for (item, _), outcome in zip(batch, outcomes, strict=True):
                done(item, outcome)
            first += len(batch)

    def close(self) -> None:
        """End the engine's process: vLLM freezes its objects, so dropping the reference ends nothing."""
        self._llm.llm_engine.engine_core.shutdown()

    def _outcomes(self, prompts: Sequence[Asked | Refused], first: int) -> list[Sampled | Refused]:
        outcomes: list[Sampled | Refused | None] = [None] * len(prompts)
        asked: list[tuple[int, Asked]] = []
        for place, prompt in enumerate(prompts):
            try:
                if isinstance(prompt, Refused):
                    outcomes[place] = prompt
                else:
                    asked.append((place, self._sampling.asked(prompt)))
            except ConfigError as error:
                outcomes[place] = Refused(str(error))
        for (place, _), outcome in zip(asked, self._generate(asked, first), strict=True):
            outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _generate(self, asked: Sequence[tuple[int, Asked]], first: int) -> list[Sampled | Refused]:
        """One batch; where vLLM refuses it because of one of its prompts (too long a one), in halves."""
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415 - an optional extra

        if not asked:
            return []
        prompts = [prompt for _, prompt in asked]
        parameters = [self._parameters(first + place) for place, _ in asked]
        try:
            if self._sampling.chat:
                chats = [[dict(message) for message in prompt if isinstance(message, Mapping)] for prompt in prompts]
                return list(map(_sampled, self._llm.chat(chats, sampling_params=parameters, use_tqdm=False)))
            return list(map(_sampled, self._llm.generate(prompts, sampling_params=parameters, use_tqdm=False)))
        except EngineDeadError as error:
            raise EmpoError(f"vLLM's engine has died: {described(error)}: run again with --resume") from error
        except Exception as error:  # noqa: BLE001 - its refusals have no class in common over its releases
            if len(asked) > 1:
                half = len(asked) // 2
                return [*self._generate(asked[:half], first), *self._generate(asked[half:], first)]
            return [Refused(f"vLLM refuses the prompt: {described(error)}")]

    def _parameters(self, position: int) -> Any:
        from vllm import SamplingParams  # noqa: PLC0415 - an optional extra

        sampling = self._sampling
        given = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed_of(position, 0)}
        return SamplingParams(
            n=sampling.n,
            max_tokens=sampling.max_tokens,  # None: up to the model's length
            logprobs=0 if sampling.logprobs else None,
            **{name: value for name, value in given.items() if value is not None},
        )


def _sampled(output: Any) -> Sampled:
    """vLLM's `RequestOutput` as what was sampled."""
    return Sampled(
        tuple(
            Response(generated.text, generated.finish_reason, _logprobs(generated))
            for generated in sorted(output.outputs, key=lambda one: one.index)
        ),
        len(output.prompt_token_ids),
        sum(len(generated.token_ids) for generated in output.outputs),
    )


def _logprobs(generated: Any) -> tuple[float, ...] | None:
    if generated.logprobs is None:
        return None
    pairs = zip(generated.token_ids, generated.logprobs, strict=True)
    return tuple(min(candidates[token].logprob, 0.0) for token, candidates in pairs)
