"""The equivalence backends `judge` (behind servers) and `judge_in_process` (vLLM in this process)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from empo_rewards.completions.client import Limits
from empo_rewards.equivalence.judge.in_process import InProcess
from empo_rewards.equivalence.judge.judgement import Asking, Engine, Prices, judge, reason_of
from empo_rewards.equivalence.judge.servers import servers_from
from empo_rewards.equivalence.memory import fingerprint, verdict_memory
from empo_rewards.equivalence.rounds import Memory, asked_pair, relate_in_rounds
from empo_rewards.extras import require
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Reason, Relation

GENERAL_VERIFIER = "TIGER-Lab/general-verifier"

MEMORY_SIZE = 65_536
"""Verdicts that are kept in memory."""


class JudgeEquivalence(EquivalenceBackend):
    """Asks a language model behind OpenAI-compatible servers (vLLM, SGLang, llama.cpp, OpenAI, ...) about each pair.

    Pairs are compared in rounds over all groups at once (see `equivalence.rounds`). A question without an answer makes
    its group unscored; it never counts as "different". Safe to share between threads; copies (pickled, forked) have
    connections of their own.

    Args:
        url: the base URL with its `/v1`, or a list of several servers with the same model: questions are spread over
            them, and retried at another one where one fails.
        model: the name by which the servers know the model.
        asking: how the judge is asked, and what counts as Yes.
        limits: concurrency, deadlines, retries.
        api_key_variable: the environment variable that holds the API key. The key itself stands in no configuration,
            log, message or pickle.
        extra_body: further keys of each request, as the servers define them (`chat_template_kwargs`, `seed`, ...).
        prices: of tokens; they give groups the metric `equivalence/cost`.
        cache: an SQLite file that keeps verdicts beyond this process; None: they are kept in memory only. The model is
            identified by its name.

    Raises:
        ConfigError: a URL, the API key or the cache's folder cannot be used.
        MissingExtraError: httpx is not installed.
    """

    gives_similarities = True
    asks_a_model = True

    def __init__(
        self,
        url: str | list[str] = "http://localhost:8000/v1",
        model: str = GENERAL_VERIFIER,
        asking: Asking = Asking(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        api_key_variable: str | None = None,
        extra_body: dict[str, Any] | None = None,
        prices: Prices = Prices(),  # noqa: B008 - frozen
        cache: str | None = None,
    ) -> None:
        require("judge", "the equivalence backend 'judge'")
        self._options = (url, model, asking, limits, api_key_variable, extra_body, prices, cache)
        self._engine = servers_from(url, model, limits, api_key_variable, extra_body, top_logprobs=asking.top_logprobs)
        self._asking, self._prices = asking, prices
        self._memories = _memories(model, asking, extra_body or {}, cache)

    def __reduce__(self) -> tuple[type[JudgeEquivalence], tuple[object, ...]]:
        return JudgeEquivalence, self._options

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """The relation of each set by the judge, or the error where it could not be asked."""
        return _relate(sets, self._engine, self._asking, self._prices, self._memories)

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """The judge's words on the pair, and its probability of Yes; it is asked anew."""
        return _why(answers, i, j, self._engine, self._asking)

    def close(self) -> None:
        """End the connections; `relate` starts them anew."""
        self._engine.close()


class InProcessJudgeEquivalence(EquivalenceBackend):
    """Asks a language model that vLLM runs inside this process: for offline scoring without a server.

    The model is loaded at the first comparison; copies (pickled, forked) load their own.

    Args:
        model: a name on a hub, or a local path.
        asking: how the judge is asked, and what counts as Yes.
        engine: arguments of `vllm.LLM` (`dtype`, `gpu_memory_utilization`, `tensor_parallel_size`, ...).
        chat_template_kwargs: for the chat template, where `asking.form` is a chat (`enable_thinking: false`, ...).
        cache: an SQLite file that keeps verdicts beyond this process; None: they are kept in memory only.

    Raises:
        ConfigError: the cache's folder does not exist.
        MissingExtraError: vllm is not installed.
    """

    gives_similarities = True
    asks_a_model = True

    def __init__(
        self,
        model: str = GENERAL_VERIFIER,
        asking: Asking = Asking(),  # noqa: B008 - frozen
        engine: dict[str, Any] | None = None,
        chat_template_kwargs: dict[str, Any] | None = None,
        cache: str | None = None,
    ) -> None:
        require("vllm", "the equivalence backend 'judge_in_process'")
        self._options = (model, asking, engine, chat_template_kwargs, cache)
        self._engine = InProcess(model, asking.top_logprobs, engine or {}, chat_template_kwargs or {})
        self._asking = asking
        options = {"engine": engine, "chat_template_kwargs": chat_template_kwargs}
        self._memories = _memories(fingerprint(model), asking, options, cache)

    def __reduce__(self) -> tuple[type[InProcessJudgeEquivalence], tuple[object, ...]]:
        return InProcessJudgeEquivalence, self._options

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """The relation of each set by the judge, or the error where it could not be asked."""
        return _relate(sets, self._engine, self._asking, Prices(), self._memories)

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """The judge's words on the pair, and its probability of Yes; it is asked anew."""
        return _why(answers, i, j, self._engine, self._asking)

    def close(self) -> None:
        """Unload the model; `relate` loads it anew."""
        self._engine.close()


def _relate(
    sets: Sequence[AnswerSet], engine: Engine, asking: Asking, prices: Prices, memories: Mapping[bool, Memory]
) -> Sequence[Relation | Exception]:
    similarities = any(answers.similarities for answers in sets)
    return relate_in_rounds(
        sets,
        partial(judge, engine=engine, asking=asking, prices=prices, similarities=similarities),
        memory=memories[similarities],
        complete=asking.complete,
        in_context=asking.in_context,
    )


def _why(answers: AnswerSet, i: int, j: int, engine: Engine, asking: Asking) -> Reason:
    pair = asked_pair(answers, i, j, in_context=asking.in_context)
    return pair if isinstance(pair, Reason) else reason_of(pair, engine, asking)


def _memories(model: str, asking: Asking, options: Mapping[str, Any], cache: str | None) -> Mapping[bool, Memory]:
    """Caches of verdicts without and with similarities, keyed by everything that they depend on."""
    namespace = ("judge", model, asking.model_dump_json(), repr(options))
    return {
        similarities: verdict_memory((*namespace, str(similarities)), MEMORY_SIZE, cache)
        for similarities in (False, True)
    }
