"""The engine inside this process: `vllm.LLM`, loaded at the first question."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, cast

from empo_rewards.equivalence.judge.questions import GeneratedToken, Generation, Messages, Request
from empo_rewards.equivalence.lazy_model import LazyModel
from empo_rewards.errors import EquivalenceError


class InProcess:
    """One model. Safe to share between threads, which take turns; a forked child loads its own.

    Args:
        model: a name on a hub, or a local path.
        top_logprobs: how many of the likeliest tokens to keep.
        arguments: of `vllm.LLM`.
        chat_template_kwargs: for the chat template.
    """

    def __init__(
        self, model: str, top_logprobs: int, arguments: Mapping[str, Any], chat_template_kwargs: Mapping[str, Any]
    ) -> None:
        arguments = {"model": model, "max_logprobs": top_logprobs, **arguments}
        self._top_logprobs, self._chat_template_kwargs = top_logprobs, dict(chat_template_kwargs)
        self._llm: LazyModel[Any] = LazyModel(model, lambda: _load(arguments), _unload)
        weakref.finalize(self, self._llm.close)

    def ask(self, requests: Sequence[Request]) -> Sequence[Generation | Exception]:
        """The generation for each request, or why there is none. All of them are of one form."""
        try:
            with self._llm.use() as llm:
                return self._generate(llm, requests)
        except Exception as error:  # noqa: BLE001 - whatever vLLM raises befell each of these questions
            failure = EquivalenceError(f"vLLM could not answer: {type(error).__name__}: {error}")
            failure.__cause__ = error
            return [failure] * len(requests)

    def close(self) -> None:
        """Unload the model, once its use has ended; `ask` loads it anew."""
        self._llm.close()

    def _generate(self, llm: Any, requests: Sequence[Request]) -> list[Generation | Exception]:
        """One batch; where vLLM refuses it because of one of its requests (too long a prompt), in halves."""
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415 - an optional extra

        try:
            return [_generation(output) for output in self._outputs(llm, requests)]
        except EngineDeadError:
            raise
        except Exception as error:  # noqa: BLE001 - its refusals have no class in common over its releases
            if len(requests) > 1:
                half = len(requests) // 2
                return [*self._generate(llm, requests[:half]), *self._generate(llm, requests[half:])]
            failure = EquivalenceError(f"vLLM refused the question: {error}")
            failure.__cause__ = error
            return [failure]

    def _outputs(self, llm: Any, requests: Sequence[Request]) -> Sequence[Any]:
        if not requests:
            return []
        parameters = self._parameters(requests[0])
        prompts = [request.prompt for request in requests]
        if isinstance(prompts[0], str):
            completed: Sequence[Any] = llm.generate(prompts, sampling_params=parameters, use_tqdm=False)
            return completed
        chats = [[dict(message) for message in messages] for messages in cast("list[Messages]", prompts)]
        answered: Sequence[Any] = llm.chat(
            chats, sampling_params=parameters, use_tqdm=False, chat_template_kwargs=self._chat_template_kwargs
        )
        return answered

    def _parameters(self, request: Request) -> Any:
        from vllm import SamplingParams  # noqa: PLC0415 - an optional extra
        from vllm.sampling_params import StructuredOutputsParams  # noqa: PLC0415 - an optional extra

        schema = None if request.schema is None else StructuredOutputsParams(json=dict(request.schema))
        return SamplingParams(
            temperature=0.0,
            max_tokens=request.max_tokens,
            logprobs=self._top_logprobs if request.logprobs else None,
            structured_outputs=schema,
        )


def _load(arguments: Mapping[str, Any]) -> Any:
    import vllm  # noqa: PLC0415 - an optional extra, and slow to import

    return vllm.LLM(**arguments)


def _unload(llm: Any) -> None:
    """End the engine's process: vLLM freezes its objects, so dropping the reference ends nothing."""
    llm.llm_engine.engine_core.shutdown()


def _generation(output: Any) -> Generation:
    """vLLM's `RequestOutput` as a generation."""
    (generated,) = output.outputs
    tokens = []
    for token, likeliest in zip(generated.token_ids, generated.logprobs or (), strict=False):
        words = {key: (found.decoded_token or "", found.logprob) for key, found in likeliest.items()}
        tokens.append(GeneratedToken(words[token][0], tuple(words.values())))
    return Generation(generated.text, tuple(tokens), len(output.prompt_token_ids), len(generated.token_ids))
