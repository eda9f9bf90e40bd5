"""Rows as other tools write them: for each format a file, and the groups that it holds.

The shapes are those of the tools' own output: vLLM 0.12 (`RequestOutput`), OpenAI's API reference,
lm-evaluation-harness 0.4 (`--log_samples`), TRL 1 (`log_completions`), verl 0.9 (`rollout_data_dir`), verifiers 0.1
(`vf-eval -s`) and 0.4 (`vf-eval`), inspect_ai 0.3 (JSON logs), OpenRLHF (`batch_inference`).
"""

from __future__ import annotations

import json
from typing import Any

from empo_rewards import Group

QUESTION = "What is 1 + 1?"
USER = [{"role": "user", "content": QUESTION}]
ONE, TWO = r"It is \boxed{2}.", r"\boxed{3}"


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def choice(index: int, text: str, logprobs: list[float] | None = None) -> dict[str, Any]:
    content = None if logprobs is None else [{"token": "t", "logprob": value, "bytes": [1]} for value in logprobs]
    return {
        "index": index,
        "message": {**assistant(text), "refusal": None},
        "logprobs": content and {"content": content},
        "finish_reason": "stop",
    }


def completion(index: int, text: str) -> dict[str, Any]:
    return {
        "index": index,
        "text": text,
        "token_ids": [5, 7],
        "cumulative_logprob": -1.5,
        "logprobs": [
            {"5": {"logprob": -1.0, "rank": 1, "decoded_token": "a"}, "9": {"logprob": -2.0, "rank": 2}},
            {"7": {"logprob": -0.5, "rank": 1, "decoded_token": "b"}},
        ],
        "finish_reason": "stop",
    }


CASES: dict[str, tuple[list[dict[str, Any]], list[Group]]] = {
    "vllm": (
        [
            {
                "request_id": "0",
                "prompt": QUESTION,
                "prompt_token_ids": [1, 2],
                "outputs": [completion(0, ONE), completion(1, TWO)],
                "finished": True,
            }
        ],
        [Group(QUESTION, [ONE, TWO], id="0", token_logprobs=[[-1.0, -0.5]] * 2)],
    ),
    "openai": (
        [
            {"id": "chatcmpl-1", "messages": USER, "choices": [choice(0, ONE, [-0.5]), choice(1, TWO, [-0.25])]},
            {
                "request": {"model": "m", "messages": USER, "n": 2},
                "response": {"id": "cmpl-2", "choices": [{"index": 0, "text": ONE}, {"index": 1, "text": TWO}]},
            },
        ],
        [
            Group(USER, [ONE, TWO], id="chatcmpl-1", token_logprobs=[[-0.5], [-0.25]]),
            Group(USER, [ONE, TWO]),
        ],
    ),
    "openai_batch": (
        [
            {
                "id": "batch_req_1",
                "custom_id": "question-7",
                "response": {
                    "status_code": 200,
                    "request_id": "r",
                    "body": {"choices": [choice(0, ONE), choice(1, TWO)]},
                },
                "error": None,
            }
        ],
        [Group("", [ONE, TWO], id="question-7")],
    ),
    "messages": (
        [{"messages": [*USER, assistant(ONE)], "answer": "2"}, {"messages": [*USER, assistant(TWO)], "answer": "2"}],
        [Group(USER, [ONE, TWO], reference="2")],
    ),
    "sharegpt": (
        [
            {"id": f"s{n}", "conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": text}]}
            for n, text in enumerate((ONE, TWO))
        ],
        [Group(USER, [ONE, TWO])],
    ),
    "lm_eval": (
        [
            {
                "doc_id": 0,
                "doc": {"question": QUESTION, "answer": "#### 2"},
                "target": "2",
                "arguments": {
                    "gen_args_0": {"arg_0": f"Q: {QUESTION}\nA:", "arg_1": {"until": ["Q:"], "do_sample": True}}
                },
                "resps": [[ONE, TWO]],
                "filtered_resps": ["2"],
                "filter": "strict-match",
                "metrics": ["exact_match"],
                "exact_match": 1.0,
            },
            {
                "doc_id": 1,
                "doc": {"question": QUESTION},
                "target": "2",
                "arguments": [[f"Q: {QUESTION}\nA:", {"until": ["Q:"]}]],
                "resps": [[TWO]],
            },
            {  # of a chat model: the messages as JSON in a list of one text
                "doc_id": 2,
                "doc": {"question": QUESTION},
                "target": "2",
                "arguments": {"gen_args_0": {"arg_0": [json.dumps(USER)], "arg_1": {"until": ["Q:"]}}},
                "resps": [[ONE, TWO]],
            },
        ],
        [
            Group(f"Q: {QUESTION}\nA:", [ONE, TWO], "2", "0", metadata={"question": QUESTION, "answer": "#### 2"}),
            Group(f"Q: {QUESTION}\nA:", [TWO], "2", "1", metadata={"question": QUESTION}),
            Group(USER, [ONE, TWO], "2", "2", metadata={"question": QUESTION}),
        ],
    ),
    "verifiers": (
        [
            {
                "example_id": 3,
                "prompt": USER,
                "completion": [
                    {"role": "assistant", "content": "", "tool_calls": ["..."]},
                    {"role": "tool", "content": "4"},
                    assistant(text),
                ],
                "answer": "2",
                "reward": 1.0,
                "task": "sums",
                "info": {"level": 1},
            }
            for text in (ONE, TWO)
        ],
        [Group(USER, [ONE, TWO], reference="2", id="3")],
    ),
    "verifiers_traces": (
        [
            {
                "id": "e",
                "env": {"id": "sums"},
                "task": {"type": "Sum", "data": {"idx": 0, "prompt": QUESTION, "answer": "2"}, "key": "k", "hash": "h"},
                "ok": True,
                "is_timeout": False,
                "errors": [],
                "traces": [
                    {
                        "version": 1,
                        "agent": {"name": "solver", "trainable": True},
                        "nodes": [
                            {"message": USER[0], "sampled": False},
                            {"parent": 0, "message": assistant("4"), "sampled": True},
                            {"parent": 1, "message": {"role": "tool", "content": "4"}, "sampled": False},
                            {"parent": 2, "message": assistant(text), "sampled": True},
                        ],
                        "ok": True,
                    },
                    {"agent": {"name": "judge", "trainable": False}, "nodes": [], "ok": True},
                ],
            }
            for text in (ONE, TWO)
        ],
        [Group(USER, [ONE, TWO], reference="2", id="k")],
    ),
    "inspect": (
        [
            {
                "version": 2,
                "status": "success",
                "eval": {"task": "sums", "model": "m"},
                "samples": [
                    {
                        "id": 1,
                        "epoch": epoch,
                        "input": QUESTION,
                        "target": "2",
                        "messages": [*USER, assistant(text)],
                        "output": {"model": "m", "choices": [{"message": assistant(text), "stop_reason": "stop"}]},
                    }
                    for epoch, text in enumerate((ONE, TWO), 1)
                ],
            }
        ],
        [Group(QUESTION, [ONE, TWO], reference="2", id="1")],
    ),
}
"""The rows of a file, and its groups, by the name of the format."""

OWN_CASES: dict[str, tuple[list[dict[str, Any]], list[Group]]] = {
    "a group a row": (
        [{"prompt": QUESTION, "responses": [ONE, TWO], "reference": "2", "id": "a"}],
        [Group(QUESTION, [ONE, TWO], "2", "a")],
    ),
    "a response a row": (
        [{"uid": "u", "prompt": QUESTION, "response": text} for text in (ONE, TWO)],
        [Group(QUESTION, [ONE, TWO], id="u")],
    ),
    "verl, rollout dumps": (
        [{"input": QUESTION, "output": text, "gts": "2", "score": 0.5, "step": 1} for text in (ONE, TWO)],
        [Group(QUESTION, [ONE, TWO], "2", metadata={"step": "1"})],
    ),
    "verl, rollout dumps of the v1 trainer": (
        [
            {"input": QUESTION, "output": text, "gts": "2", "score": 0.5, "step": 1, "uid": f"{uid}_{session}_0"}
            for uid in ("6f1c", "9a_0_0")
            for session, text in enumerate((ONE, TWO))
        ],
        [Group(QUESTION, [ONE, TWO], "2", uid, metadata={"step": "1"}) for uid in ("6f1c", "9a_0_0")],
    ),
    "verl, datasets with responses": (
        [
            {
                "data_source": "sums",
                "prompt": USER,
                "ability": "math",
                "reward_model": {"style": "rule", "ground_truth": "2"},
                "extra_info": {"index": 0, "split": "train"},
                "responses": [ONE, TWO],
            }
        ],
        [Group(USER, [ONE, TWO], "2", data_source="sums", metadata={"index": 0, "split": "train"})],
    ),
    "TRL, logged completions": (
        [{"step": 1, "prompt": QUESTION, "completion": text, "empo": 0.5, "advantage": 0.0} for text in (ONE, TWO)],
        [Group(QUESTION, [ONE, TWO], metadata={"step": "1"})],
    ),
    "OpenRLHF, generated samples": (
        [{"input": QUESTION, "output": text} for text in (ONE, TWO)],
        [Group(QUESTION, [ONE, TWO])],
    ),
}
"""The same for rows with the package's own fields, by the name of what writes them."""
