"""The engine inside this process: vllm.LLM, loaded at the first question."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, cast

from empo_rewards.equivalence.judge.questions import Messages, Reply, Request, Token
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
        self._arguments = {"model": model, "max_logprobs": top_logprobs, **arguments}
        self._top_logprobs, self._chat_template_kwargs = top_logprobs, dict(chat_template_kwargs)
        self._seats: dict[int, _Seat] = {}
        weakref.finalize(self, _unload_own, self._seats)

    def ask(self, requests: Sequence[Request]) -> Sequence[Reply | Exception]:
        """The reply to each request, or why there is none. All of them are of one form."""
        seat = self._seats.setdefault(os.getpid(), _Seat())  # setdefault is atomic
        with seat.lock:
            try:
                if seat.llm is None:
                    import vllm  # noqa: PLC0415 - an optional extra, and slow to import

                    seat.llm = vllm.LLM(**self._arguments)
                return self._generate(seat.llm, requests)
            except Exception as error:  # noqa: BLE001 - whatever vLLM raises befell each of these questions
                seat.unload()  # it may have died: the next call loads it anew
                failure = EquivalenceError(f"vLLM could not answer: {type(error).__name__}: {error}")
                failure.__cause__ = error
                return [failure] * len(requests)

    def close(self) -> None:
        """Unloads the model, when what is under way has ended; `ask` loads it anew."""
        _unload_own(self._seats)

    def _generate(self, llm: Any, requests: Sequence[Request]) -> list[Reply | Exception]:
        """One batch; where vLLM refuses it for one of its requests (too long a prompt), in halves."""
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415 - an optional extra

        try:
            return [_reply(output) for output in self._outputs(llm, requests)]
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


class _Seat:
    """What one process has: at first nothing."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.llm: Any = None

    def unload(self) -> None:
        """Ends the engine's process; whoever calls holds the lock."""
        if self.llm is not None:
            self.llm.llm_engine.engine_core.shutdown()  # vLLM freezes its objects: to let go of them ends nothing
            self.llm = None


def _unload_own(seats: dict[int, _Seat]) -> None:
    seat = seats.pop(os.getpid(), None)
    if seat is not None:
        with seat.lock:
            seat.unload()


def _reply(output: Any) -> Reply:
    """vLLM's output as a reply."""
    (generated,) = output.outputs
    tokens = []
    for token, likeliest in zip(generated.token_ids, generated.logprobs or (), strict=False):
        words = {key: (found.decoded_token or "", found.logprob) for key, found in likeliest.items()}
        tokens.append(Token(words[token][0], tuple(words.values())))
    return Reply(generated.text, tuple(tokens), len(output.prompt_token_ids), len(generated.token_ids))
