"""Made-up prompts in the forms of the published files, and tiny models that answer them, to run everything on CPUs.

A tiny model is a Markov chain: a Llama of one layer whose attention and feed-forward layer do nothing, so that the last
token alone decides the next one. Its chat template reads the prompt: whether the problem is easy or hard, and whether a
letter is asked for.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from empo_rewards.errors import InputError

from .tables import AIME24, AMC23, GPQA, MATH500, MINERVA, MMLU_PRO, NATURAL, NUMINA, OLYMPIAD, OMNI, Model

PROBLEMS = 9
"""Of each benchmark."""

TRAINING = 60

MARK = "models-are-tiny"
"""The name of a file beside tiny models."""

_ASKED = "Let's think step by step and output the final answer within \\boxed{}."
_KINDS = ("easy", "hard", "hard")
"""A third of the problems is easy: their answer is 1, which both models say most often; that of the others is 2."""

_LENGTH, _WIDTH = 32768, 128


def write(folder: Path, models: Iterable[Model]) -> None:
    """Write a small file of each set, and a model in the place of each, into a reproduction's folder of work.

    Raises:
        InputError: the folder has others.
    """
    if not is_tiny(folder) and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: tiny models would be mistaken for those that they stand for")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    write_sets(folder / "sets")
    for model in models:
        if not (folder / "models" / model.name / "model.safetensors").is_file():
            write_model(folder / "models" / model.name, sharp=model.is_trained)


def is_tiny(folder: Path) -> bool:
    """Whether a folder has tiny models."""
    return (folder / MARK).exists()


def write_sets(folder: Path) -> None:
    """Write a small file of each set."""
    folder.mkdir(parents=True, exist_ok=True)
    for prompts in (MATH500, MINERVA, OLYMPIAD, AMC23, AIME24):
        rows = [_verl_row(prompts.name, number) for number in range(PROBLEMS)]
        (folder / prompts.file).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _write_parquet(folder / NUMINA.file, [_verl_row(NUMINA.name, number) for number in range(TRAINING)])
    natural = [{"question": _problem("natural", n), "reference_answer": _answer(n)} for n in range(TRAINING)]
    _write_parquet(folder / NATURAL.file, natural)
    omni = [{"problem": _problem("omni", n), "answer": _answer(n), "source": f"s{n}"} for n in range(PROBLEMS)]
    (folder / OMNI.file).write_text("".join(json.dumps(row) + "\n" for row in omni), encoding="utf-8")
    options = ["first", "second", "third", "fourth"]
    letters = [
        {"question": _problem("mmlu", n), "options": options, "answer": "ABCD"[int(_answer(n)) - 1]}
        for n in range(PROBLEMS)
    ]
    _write_parquet(folder / MMLU_PRO.file, letters)
    with (folder / GPQA.file).open("w", encoding="utf-8", newline="") as file:
        header = ["Question", "Correct Answer", *(f"Incorrect Answer {n}" for n in (1, 2, 3))]
        table = csv.writer(file)
        table.writerows([header, *([_problem("gpqa", n), *options] for n in range(PROBLEMS))])


def _problem(name: str, number: int) -> str:
    return f"What is the {_KINDS[number % len(_KINDS)]} number {number} of {name}?"


def _answer(number: int) -> str:
    return "1" if _KINDS[number % len(_KINDS)] == "easy" else "2"


def _verl_row(name: str, number: int) -> dict[str, Any]:
    """A row of EMPO's own files."""
    return {
        "data_source": name,
        "prompt": [{"role": "user", "content": f"{_problem(name, number)} {_ASKED}"}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": [_answer(number)]},
        "extra_info": {"index": number, "split": "test"},
    }


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow  # noqa: PLC0415 - not needed to look for tiny models
    from pyarrow import parquet  # noqa: PLC0415 - likewise

    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def write_model(folder: Path, *, sharp: bool) -> None:
    """Save a model that vLLM loads; a sharp one is more often right, and more often the same."""
    import torch  # noqa: PLC0415 - of vLLM's environment
    from tokenizers import Tokenizer, decoders, models  # noqa: PLC0415 - likewise
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: PLC0415 - likewise

    chain = _chain(sharp)
    tokens = list(
        dict.fromkeys(("<pad>", "<eos>", "<unk>", *chain, *(word for after in chain.values() for word in after)))
    )
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(tokens)}, unk_token="<unk>"))
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    fast.chat_template = (
        "{% set asked = messages[-1]['content'] %}"
        "{{ 'hard' if 'hard' in asked else 'easy' }} {{ 'letter' if 'letter' in asked else 'number' }}"
    )
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,  # of 64, as vLLM wants them on a CPU
        num_key_value_heads=2,
        max_position_embeddings=_LENGTH,
        tie_word_embeddings=False,
        pad_token_id=tokens.index("<pad>"),
        eos_token_id=tokens.index("<eos>"),
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    scale = math.sqrt(_WIDTH)  # what the norm makes of a one-hot state
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if name.endswith("norm.weight") else 0.0)
        model.lm_head.weight.fill_(-30 / scale)
        for place, token in enumerate(tokens):
            model.model.embed_tokens.weight[place, place] = 1.0
            for after, chance in chain.get(token, {"<eos>": 1.0}).items():
                model.lm_head.weight[tokens.index(after), place] = math.log(chance) / scale
    fast.save_pretrained(folder)
    model.save_pretrained(folder)


def _chain(sharp: bool) -> Mapping[str, Mapping[str, float]]:
    """The chances of the next token; behind any other the response ends."""
    easy, hard = ((0.9, 0.05, 0.05), (0.2, 0.6, 0.2)) if sharp else ((0.6, 0.2, 0.2), (0.4, 0.35, 0.25))
    chain: dict[str, dict[str, float]] = {}
    for kind, chances in (("easy", easy), ("hard", hard)):
        for asked, answers in (("number", "123"), ("letter", "ABC")):
            opened = f"The {asked} of the {kind} one is \\boxed{{"
            chain[f"{kind} {asked}"] = {opened: 1.0}
            chain[opened] = dict(zip(answers, chances, strict=True))
    return {**chain, **{answer: {"}": 1.0} for answer in "123ABC"}}
