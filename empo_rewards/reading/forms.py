"""The forms of rollouts that generators, trainers and evaluations write, one reader for each.

A row with the package's own fields (`rows.py`) is read as it is; for others the first reader that recognises them is
used, in the order of `BUILT_IN`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from empo_rewards.errors import InputError
from empo_rewards.group import content_text
from empo_rewards.protocols import Reader
from empo_rewards.reading.rows import PROMPT, REFERENCE, RESPONSE, RESPONSES, RowError, first_of

OWN = "own"
"""The name of the package's own form."""

Row = Mapping[str, Any]

FORM_FIELDS = frozenset(
    (
        "choices", "request", "request_id", "custom_id", "error", "messages", "conversations", "resps", "arguments",
        "doc", "doc_id", "example_id", "samples", "eval", "epoch", "choices", "body",
    )
)  # fmt: skip
"""The fields of these forms beside the package's own."""


def is_own(row: Row) -> bool:
    """Whether a row has responses in the package's own fields: a list of texts, or one text."""
    responses = first_of(row, RESPONSES)[1]
    if responses is not None:
        return isinstance(responses, list) and all(isinstance(item, str) for item in responses[:1])
    return isinstance(first_of(row, RESPONSE)[1], str)


def _is_list_of(value: object, *keys: str) -> bool:
    """Whether a value is a list whose first item is an object with one of the keys."""
    return (
        isinstance(value, list) and bool(value) and isinstance(value[0], Mapping) and any(k in value[0] for k in keys)
    )


def _own(row: Row, **fields: Any) -> dict[str, Any]:
    """A row's prompt, label and other fields of the package's own, with these beside them; None is left out."""
    kept = {name: value for name, value in row.items() if name not in (*RESPONSES, *RESPONSE)}
    return {**kept, **{name: value for name, value in fields.items() if value is not None}}


def _reply(messages: object) -> str | None:
    """The text of the last message, if it is the assistant's; tool calls have none."""
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], Mapping):
        return None
    last = messages[-1]
    return content_text(last.get("content")) if last.get("role") == "assistant" else None


def _sampled(
    row: Row, prompt: Any, texts: list[Any], logprobs: list[list[float] | None], **fields: Any
) -> dict[str, Any]:
    """What one request gave: a group; of one response a flat row, as the other samples may be requests of their own.

    A request whose prompt is not known is a group by itself: nothing says which others belong to it.
    """
    known = None if None in logprobs else logprobs
    if len(texts) == 1 and prompt and isinstance(texts[0], str):
        return _own(row, prompt=prompt, response=texts[0], token_logprobs=known and known[0], **fields)
    return _own(row, prompt=prompt, responses=texts, token_logprobs=known, **fields)


class VllmOutputs(Reader):
    """vLLM's `RequestOutput`s, dumped with their fields."""

    about = "vLLM's offline outputs: prompt, outputs (objects with text, and token_ids with logprobs)"

    def recognises(self, row: Row) -> bool:
        """By `outputs`, a list of objects with a `text`."""
        return _is_list_of(row.get("outputs"), "text")

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One group a request of several responses."""
        outputs = row["outputs"]
        logprobs = [self._logprobs(output) for output in outputs]
        texts = [output.get("text") for output in outputs]
        return [_sampled(row, first_of(row, PROMPT)[1], texts, logprobs, id=row.get("id", row.get("request_id")))]

    @staticmethod
    def _logprobs(output: Row) -> list[float] | None:
        """The log-probabilities of the sampled tokens, of those of several candidates at each position."""
        ids, candidates = output.get("token_ids"), output.get("logprobs")
        if not isinstance(ids, list) or not isinstance(candidates, list) or len(ids) != len(candidates):
            return None
        found = []
        for token, choice in zip(ids, candidates, strict=True):
            entry = choice.get(str(token), choice.get(token)) if isinstance(choice, Mapping) else None
            value = entry.get("logprob") if isinstance(entry, Mapping) else entry
            if not isinstance(value, int | float):
                return None
            found.append(float(value))
        return found


def _choices(body: Row, row: Row, prompt: Any, **fields: Any) -> list[dict[str, Any]]:
    """The group, or flat row, of an OpenAI-compatible response."""
    choices = body["choices"]
    texts = [
        choice.get("text") if "text" in choice else (choice.get("message") or {}).get("content") for choice in choices
    ]
    logprobs = [_choice_logprobs(choice.get("logprobs")) for choice in choices]
    contents = ["" if text is None else content_text(text) for text in texts]
    return [_sampled(row, prompt, contents, logprobs, **fields)]


def _choice_logprobs(logprobs: object) -> list[float] | None:
    """Of a chat completion (`content`, objects) or of a completion (`token_logprobs`)."""
    if not isinstance(logprobs, Mapping):
        return None
    values = logprobs.get("token_logprobs")
    if isinstance(content := logprobs.get("content"), list):
        values = [token.get("logprob") if isinstance(token, Mapping) else None for token in content]
    known = isinstance(values, list) and all(isinstance(value, int | float) for value in values)
    return list(map(float, values)) if known and isinstance(values, list) else None


class OpenAIChoices(Reader):
    """Responses of OpenAI-compatible servers, kept with their prompts."""

    about = "responses of OpenAI-compatible servers: choices, and prompt or messages (or request, which has them)"

    def recognises(self, row: Row) -> bool:
        """By `choices`, a list of objects with a `message` or a `text`, here or in `response`."""
        return _is_list_of(self._body(row).get("choices"), "message", "text")

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One group a reply of several choices."""
        request = row.get("request") if isinstance(row.get("request"), Mapping) else {}
        asked = {**request, **row}  # type: ignore[dict-item] # a mapping, as checked
        prompt = first_of(asked, PROMPT)[1]
        return _choices(self._body(row), row, "" if prompt is None else prompt)

    @staticmethod
    def _body(row: Row) -> Row:
        response = row.get("response")
        return response if isinstance(response, Mapping) and "choices" in response else row


class OpenAIBatch(Reader):
    """The output file of OpenAI's batch interface (vLLM's `run_batch` writes the same)."""

    about = "output of OpenAI's batch interface: custom_id, response.body.choices"

    def recognises(self, row: Row) -> bool:
        """By `custom_id` and `response`."""
        return "custom_id" in row and "response" in row

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One group a request; its prompt stands in the batch's input only."""
        response = row["response"]
        body = response.get("body") if isinstance(response, Mapping) else None
        if not isinstance(body, Mapping) or not _is_list_of(body.get("choices"), "message", "text"):
            error = row.get("error") or (body or {}).get("error") or "no choices"
            raise RowError(f"the request {row['custom_id']} failed: {json.dumps(error, default=str)[:300]}")
        return _choices(body, {}, first_of(row, PROMPT)[1] or "", id=str(row["custom_id"]))


class ChatMessages(Reader):
    """Conversations whose last message is the response."""

    about = "chats: messages, the last of them the assistant's"

    def recognises(self, row: Row) -> bool:
        """By `messages` that end with the assistant's, and no other prompt."""
        return _reply(row.get("messages")) is not None

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One response a row."""
        messages = row["messages"]
        return [_own({**row, "messages": None}, prompt=messages[:-1], response=_reply(messages))]


ROLES: Mapping[object, str] = {"human": "user", "gpt": "assistant"}
"""ShareGPT's names of roles."""


class ShareGpt(Reader):
    """Conversations in ShareGPT's form."""

    about = "ShareGPT: conversations of from (human, gpt, system) and value"

    def recognises(self, row: Row) -> bool:
        """By `conversations`, a list of objects with `from`."""
        return _is_list_of(row.get("conversations"), "from")

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One response a row."""
        turns = [turn for turn in row["conversations"] if isinstance(turn, Mapping)]
        messages = [{"role": ROLES.get(t.get("from"), t.get("from")), "content": t.get("value")} for t in turns]
        return [_own(row, prompt=messages[:-1], response=_reply(messages))]


class LmEvalSamples(Reader):
    """The samples that lm-evaluation-harness logs (`--log_samples`)."""

    about = "lm-evaluation-harness samples: doc, arguments, resps, target"

    def recognises(self, row: Row) -> bool:
        """By `resps` and `doc`."""
        return "resps" in row and "doc" in row

    def variant(self, row: Row) -> str | None:
        """The filter: each document stands once for each of them, with the same responses."""
        name = row.get("filter")
        return name if isinstance(name, str) else None

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One group a document: the repeats of its request."""
        resps = row["resps"]
        nested = isinstance(resps, list) and bool(resps) and isinstance(resps[0], list)
        if nested and len(resps) > 1 and all(isinstance(text, str) for text in resps[0]):
            raise RowError(f"resps holds the texts of {len(resps)} requests: only documents with one can be scored")
        responses = resps[0] if nested else resps
        if not isinstance(responses, list) or not all(isinstance(text, str) for text in responses):
            raise RowError("resps holds no generated texts: only tasks that generate can be scored")
        arguments = row.get("arguments")
        first = next(iter(arguments.values()), None) if isinstance(arguments, Mapping) else arguments and arguments[0]
        prompt = next(iter(first.values()), None) if isinstance(first, Mapping) else first[0] if first else None
        doc_id = row.get("doc_id")
        return [
            {
                "prompt": self._messages(prompt),
                "responses": responses,
                "reference": row.get("target"),
                "id": None if doc_id is None else str(doc_id),
                "metadata": row["doc"],
            }
        ]

    @staticmethod
    def _messages(prompt: Any) -> Any:
        """A prompt with chat messages, which stand as JSON in a list of one text; another one as it is."""
        if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
            return json.loads(prompt[0])
        return prompt


class VerifiersResults(Reader):
    """The results that verifiers saves (`vf-eval --save-results`): a rollout a row."""

    about = "verifiers' saved results: prompt and completion (both messages), answer, example_id"

    def recognises(self, row: Row) -> bool:
        """By `completion`, a list of messages."""
        return _is_list_of(row.get("completion"), "role")

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One response a row: the assistant's last message."""
        replies = [m for m in row["completion"] if isinstance(m, Mapping) and m.get("role") == "assistant"]
        example = row.get("example_id", row.get("id"))
        reply = content_text(replies[-1].get("content")) if replies else ""
        read = _own(row, response=reply, id=None if example is None else str(example))
        return [{**read, "response": None} if row.get("error") else read]


class VerifiersTraces(Reader):
    """The traces that verifiers saves since 0.4: a rollout a row, its messages as nodes that name their parent."""

    about = "verifiers' traces.jsonl: task (with its data), traces of nodes (objects with message and sampled)"

    def recognises(self, row: Row) -> bool:
        """By `traces` and `task`."""
        return isinstance(row.get("traces"), list) and isinstance(row.get("task"), Mapping)

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One response a trace that is trained on; one that failed has none, and is missing from its group."""
        task, data = row["task"], row["task"].get("data") or {}
        traces = [trace for trace in row["traces"] if (trace.get("agent") or {}).get("trainable", True)]
        name = task.get("key") or task.get("hash") or data.get("idx")
        return [
            {
                "prompt": self._prompt(trace) or None,
                "response": self._reply(trace) if trace.get("ok") else None,
                "reference": first_of(data, REFERENCE)[1],
                "id": None if name is None else str(name),
            }
            for trace in traces or [{}]
        ]

    @staticmethod
    def _prompt(trace: Row) -> list[dict[str, Any]]:
        """The messages before the first that the model wrote."""
        before = takewhile(lambda node: not node.get("sampled"), trace.get("nodes") or [])
        return [node["message"] for node in before]

    @staticmethod
    def _reply(trace: Row) -> str:
        """What the model wrote last; in a trace with subagents, what the root agent did."""
        if isinstance(trace.get("root_reply"), str):
            return str(trace["root_reply"])
        written = [node["message"] for node in trace.get("nodes") or [] if node.get("sampled")]
        return content_text(written[-1].get("content")) if written else ""


class InspectLog(Reader):
    """Logs of inspect: `.eval` files through its own library, and its JSON logs."""

    about = "inspect logs (.eval by the package inspect_ai, or .json): samples with input, output, target"
    ending = ".eval"

    def recognises(self, row: Row) -> bool:
        """By `eval` and `samples`, of a whole log; or by a sample's own fields."""
        return ("eval" in row and "samples" in row) or ("input" in row and self._completion(row) is not None)

    def convert(self, row: Row) -> list[dict[str, Any]]:
        """One response a sample and epoch; one that failed has none, and is missing from its group."""
        samples = row["samples"] or [] if "samples" in row else [row]
        return [
            {
                "prompt": sample.get("input"),
                "response": None if sample.get("error") else self._completion(sample),
                "reference": sample.get("target"),
                "id": None if sample.get("id") is None else str(sample["id"]),
                "metadata": sample.get("metadata") or None,
            }
            for sample in samples
        ]

    def open(self, path: Path) -> Iterable[Row]:
        """The samples of a log, one at a time."""
        try:
            from inspect_ai.log import read_eval_log_samples  # noqa: PLC0415 - not a dependency
        except ImportError as error:
            raise InputError(f"{path}: .eval logs are read by inspect's own library: pip install inspect_ai") from error
        for sample in read_eval_log_samples(str(path), all_samples_required=False):
            yield sample.model_dump(mode="json")

    @staticmethod
    def _completion(sample: Row) -> str | None:
        """The text of a sample's output; its choices hold it where `completion` is not written."""
        output = sample.get("output")
        if not isinstance(output, Mapping) or not ("choices" in output or "completion" in output):
            return None
        if isinstance(output.get("completion"), str) and output["completion"]:
            return str(output["completion"])
        choices = output.get("choices") or [{}]
        return content_text((choices[0].get("message") or {}).get("content"))


BUILT_IN: Mapping[str, Reader] = {
    "inspect": InspectLog(),
    "openai_batch": OpenAIBatch(),
    "openai": OpenAIChoices(),
    "vllm": VllmOutputs(),
    "verifiers": VerifiersResults(),
    "verifiers_traces": VerifiersTraces(),
    "lm_eval": LmEvalSamples(),
    "messages": ChatMessages(),
    "sharegpt": ShareGpt(),
}
"""The built-in readers by name, in the order in which they are asked."""
