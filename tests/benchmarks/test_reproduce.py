"""The reproduction of EMPO's tables with stand-ins for vLLM and verl; tests/integration/vllm has a real server."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from local_server import Answer
from pages import quoted, table
from sampling_server import SamplingServer, prompt_of

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from reproduce import shown, tiny
from reproduce.steps import Engine, Folders, launch_lines, make, prepare_set, results_of
from reproduce.tables import EXPERIMENTS, GPQA, MATH500, MMLU_PRO, MODELS, Model

from empo_rewards import Scorer
from empo_rewards.cli.app import INTERRUPTED
from empo_rewards.config import merge
from empo_rewards.errors import InputError, MissingExtraError

ROOT = Path(__file__).parents[2]
COMMAND = str(ROOT / "benchmarks" / "reproduce_empo.py")
TRAINED = [model for model in MODELS.values() if model.is_trained]
MATH, PASS_AT_K, ENTROPY = (EXPERIMENTS[name] for name in ("math", "pass-at-k", "entropy"))
BASE = "qwen2.5-math-7b/base"


def answered(body: dict[str, Any]) -> Answer:
    r"""Right on the easy third of the problems, in all responses; elsewhere in the first of several."""
    easy = "easy" in prompt_of(body)
    texts = [rf"\boxed{{{1 if easy else 2 if place == 0 and body['n'] > 1 else 3}}}" for place in range(body["n"])]
    return 200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"} for text in texts]}


@pytest.fixture
def server() -> Iterator[SamplingServer]:
    with SamplingServer() as running:
        running.answer = answered
        running.models = (200, {"data": [{"id": name} for name in MODELS]})
        yield running


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    tiny.write_sets(tmp_path / "sets")
    return Folders(tmp_path / "sets", tmp_path / "work", tmp_path / "results")


def rows(experiment: Any, engine: Engine) -> list[list[str]]:
    """The table's rows, without its header."""
    text = shown.markdown(experiment, results_of(experiment, engine))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_a_table_beside_the_published_numbers(server: SamplingServer, folders: Folders) -> None:
    engine = Engine(folders, (server.url,))
    only = ["octothinker-3b/base", "octothinker-3b/empo"]
    assert make(MATH, engine, only=only) == []
    made = {tuple(row[:2]): row[2:] for row in rows(MATH, engine)}
    third = ["33.3"] * 7
    assert made["OctoThinker-3B-Long", ""] == [*third, "–"]
    assert made["OctoThinker-3B-Long", "empo"] == [*third, "27.6"]
    assert made["OctoThinker-3B-Long", "labels"] == ["–"] * 7 + ["31.0"]
    asked = server.requests[0]
    assert (asked["n"], asked["temperature"], asked["max_tokens"]) == (1, 0, 16384)


def test_what_was_made_is_not_made_again(server: SamplingServer, folders: Folders) -> None:
    """The server goes away in the middle; what it had answered is kept, and shared between the experiments."""
    engine = Engine(folders, (server.url,))
    only = ["qwen2.5-math-1.5b/empo"]
    server.answer = lambda body: answered(body) if len(server.requests) < 13 else (401, {})
    (missed,) = make(MATH, engine, only=only)
    assert missed == "qwen2.5-math-1.5b/empo: empo-rewards evaluate has ended with code 2"
    assert rows(MATH, engine)[2][2:4] == ["33.3", "–"]
    server.answer = answered
    assert make(MATH, engine, only=only) == []
    assert rows(MATH, engine)[2][2:] == ["33.3"] * 7 + ["42.6"]
    prompts = [prompt_of(request) for request in server.requests]
    assert len(set(prompts)) == 6 * tiny.PROBLEMS
    asked = len(prompts)
    assert make(MATH, engine, only=only) == make(EXPERIMENTS["group-size"], engine, only=only) == []
    assert len(server.requests) == asked


def test_pass_at_k_and_entropy_by_hand(server: SamplingServer, folders: Folders) -> None:
    engine = Engine(folders, (server.url,), n=4)
    assert make(PASS_AT_K, engine, only=[BASE]) == make(ENTROPY, engine, only=[BASE]) == []
    # A third of the problems has 4 right responses of 4, the others have 1.
    expected = [100 * (1 / 3 + 2 / 3 * chance) for chance in (1 / 4, 1 / 2, 1)]
    assert rows(PASS_AT_K, engine)[0] == ["Qwen2.5-Math-7B", "", "MATH500", *(f"{value:.1f}" for value in expected)]
    assert rows(ENTROPY, engine)[0] == ["Qwen2.5-Math-7B", "", "MATH500", "100.0", "25.0", "25.0", "-1.00"]
    assert rows(ENTROPY, engine)[-1] == ["Qwen2.5-Math-7B", "empo", "OlympiadBench", *["–"] * 4]


def test_a_problem_without_responses_is_marked(server: SamplingServer, folders: Folders) -> None:
    server.answer = lambda body: (400, {}) if "number 0 " in prompt_of(body) else answered(body)
    engine = Engine(folders, (server.url,), n=1)
    assert make(PASS_AT_K, engine, only=[BASE]) == []
    assert rows(PASS_AT_K, engine)[0][2:] == ["MATH500", "25.0*"]
    assert rows(MATH, engine)[6][2:5] == ["25.0*", "–", "–"]
    assert make(MATH, engine, only=[BASE]) == []
    assert rows(MATH, engine)[6][-2:] == ["25.0*", "–"]


def test_tiny_models_are_never_taken_for_those_that_they_stand_for() -> None:
    found = {"prompts": 9, "metrics": {"accuracy": {"mean": 0.5, "problems": 9}}}
    real = {"qwen2.5-math-7b/empo": {"math500": found}}
    assert "| Qwen2.5-Math-7B | empo | 50.0 |" in shown.markdown(MATH, real)
    assert "| 51.6 |" in shown.markdown(MATH, real)
    text = shown.markdown(MATH, {"qwen2.5-math-7b/empo": {"math500": {**found, "stands_in": True}}})
    assert "| tiny, for Qwen2.5-Math-7B | (empo) | 50.0 |" in text
    assert "51.6" not in text


def test_tiny_models_have_a_folder_of_their_own(tmp_path: Path) -> None:
    tiny.write(tmp_path / "own", ())
    tiny.write(tmp_path / "own", ())
    assert tiny.is_tiny(tmp_path / "own")
    (tmp_path / "real" / "models").mkdir(parents=True)
    with pytest.raises(InputError, match="real is not empty: tiny models would be mistaken"):
        tiny.write(tmp_path / "real", ())
    given = ("--work", str(tmp_path / "own"), "math")
    done = subprocess.run([sys.executable, COMMAND, *given], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {tmp_path / 'own'} has tiny models: use --tiny, or another folder\n"


def test_the_command_without_anything(tmp_path: Path) -> None:
    """It says what is missing, shows the published numbers, and needs no matplotlib."""
    folders = ("--work", str(tmp_path), "--results", str(tmp_path / "results"))
    tiny.write_sets(tmp_path / "sets")
    given = (*folders, "math", "--model", "octothinker-3b/empo")
    done = subprocess.run([sys.executable, COMMAND, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "| OctoThinker-3B-Long | empo |" + " – |" * 7 + " 27.6 |" in done.stdout
    assert "octothinker-3b/empo is not there; this trains it:" in done.stderr
    assert "CONFIG=octothinker-3b bash" in done.stderr
    assert not (tmp_path / "results").exists()


def test_damaged_results_are_said(folders: Folders) -> None:
    folders.result(MODELS[BASE]).parent.mkdir(parents=True)
    folders.result(MODELS[BASE]).write_text("{")
    with pytest.raises(InputError, match=r"base.json: damaged results"):
        results_of(MATH, Engine(folders))


def test_an_interruption_ends_all(server: SamplingServer, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reproduce.steps.run", lambda arguments: INTERRUPTED)
    with pytest.raises(KeyboardInterrupt):
        make(MATH, Engine(folders, (server.url,)))


def test_a_model_that_no_server_has_is_to_be_trained(server: SamplingServer, folders: Folders) -> None:
    server.models = (200, {"data": [{"id": BASE}]})
    engine = Engine(folders, (server.url,))
    (labels, empo) = make(PASS_AT_K, engine, only=["qwen2.5-math-7b/labels", "qwen2.5-math-7b/empo"])
    assert labels.startswith("qwen2.5-math-7b/labels is not there; this trains it:\n  TRAIN=")
    assert f"{folders.work}/train/numina_math/train.parquet" in empo
    assert (folders.work / "train" / "numina_math" / "val.parquet").is_file()
    assert server.requests == []
    server.models = (200, {"data": []})
    assert make(PASS_AT_K, Engine(folders, (server.url,)), only=[BASE]) == [f"{BASE}: no server has it"]


PYTHON = """#!{python}
import os, pathlib, shutil, sys
if sys.argv[2] == "verl.trainer.main_ppo":
    given = dict(argument.split("=", 1) for argument in sys.argv if "=" in argument)
    assert all(pathlib.Path(given[f"data.{{name}}_files"]).is_file() for name in ("train", "val"))
    checkpoints = pathlib.Path(given["trainer.default_local_dir"])
    (checkpoints / "global_step_300" / "actor").mkdir(parents=True)
    (checkpoints / "latest_checkpointed_iteration.txt").write_text("300")
else:
    assert sys.argv[2:4] == ["verl.model_merger", "merge"]
    given = dict(zip(sys.argv[4::2], sys.argv[5::2]))
    shutil.copytree(given["--local_dir"], given["--target_dir"])
"""
"""A stand-in for verl's trainer, which saves an empty checkpoint, and for its merger."""


def test_training_ends_with_a_model(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "bin" / "python3"
    stand_in.parent.mkdir()
    stand_in.write_text(PYTHON.format(python=sys.executable), encoding="utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{Path(sys.executable).parent}:/usr/bin:/bin")
    name = "qwen2.5-math-7b/empo"
    (missed,) = make(PASS_AT_K, Engine(folders), only=[name], trains=True)
    assert folders.model(MODELS[name]).is_dir()
    assert missed == f"{name}: empo-rewards evaluate has ended with code 2"  # there is no vLLM here


def test_training_that_fails_is_said(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").write_text("#!/bin/sh\nexit 7\n", encoding="utf-8")
    (tmp_path / "bin" / "bash").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (missed,) = make(PASS_AT_K, Engine(folders), only=["qwen2.5-math-7b/empo"], trains=True)
    assert missed == "qwen2.5-math-7b/empo: training qwen2.5-math-7b/empo has ended with code 7"


@pytest.mark.parametrize(
    "model", [model for model in MODELS.values() if model.is_trained], ids=lambda model: model.name
)
def test_the_launch_lines_set_up_a_scorer(model: Model, tmp_path: Path) -> None:
    """The scorer's settings among a model's overrides are those of a configuration that can be built."""
    folders = Folders(tmp_path, tmp_path, tmp_path)
    line, merging = launch_lines(model, folders)
    environment = dict(part.split("=", 1) for part in shlex.split(line)[:3])
    assert (ROOT / "configs" / "verl" / f"{environment['CONFIG']}.yaml").is_file()
    assert (ROOT / "configs" / "verl" / model.base.script).is_file()
    assert str(folders.model(model)) in shlex.split(merging)
    settings: dict[str, Any] = {"preset": "empo-math"}
    for override in model.overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key.startswith("reward.reward_kwargs.scorer."):
            nested = yaml.safe_load(value.replace(":", ": "))
            for part in reversed(key.removeprefix("reward.reward_kwargs.scorer.").split(".")):
                nested = {part: nested}
            settings = merge(settings, nested)
    with suppress(MissingExtraError):  # of nli and embedding, which are not installed here
        Scorer(settings).close()


def test_published_sets_in_their_own_forms(folders: Folders) -> None:
    path, count = prepare_set(MATH500, folders)
    first = json.loads(path.read_text().splitlines()[0])
    assert count == tiny.PROBLEMS
    assert first["prompt"][0]["content"].startswith("What is the easy number 0 of math500? Let's think")
    assert (first["reference"], first["data_source"]) == (["1"], "math500")
    (row,) = (json.loads(line) for line in prepare_set(MMLU_PRO, folders)[0].read_text().splitlines()[1:2])
    assert row["prompt"] == "What is the hard number 1 of mmlu?\nA. first\nB. second\nC. third\nD. fourth"
    assert row["reference"] == ["B"]


def test_the_order_of_choices_is_drawn_by_the_question(folders: Folders) -> None:
    text = prepare_set(GPQA, folders)[0].read_text()
    made = [json.loads(line) for line in text.splitlines()]
    for row in made:
        _, *options = row["prompt"].split("\n")
        (letter,) = row["reference"]
        assert options["ABCD".index(letter)] == f"{letter}. first"
        assert sorted(option[3:] for option in options) == ["first", "fourth", "second", "third"]
    assert len({row["reference"][0] for row in made}) > 1
    assert prepare_set(GPQA, folders)[0].read_text() == text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "Which?", "options": ["x", "y"], "answer": "C"}, "no question with options and a right one"),
        ({"question": "Which?", "options": ["x"] * 11, "answer": "A"}, "no question with options and a right one"),
        ({"question": None, "options": ["x"], "answer": "A"}, "no question with options and a right one"),
        ({"question": "Which?", "options": "x", "answer": "A"}, "no question with options and a right one"),
    ],
)
def test_rows_of_another_form_are_refused(folders: Folders, row: dict[str, Any], said: str) -> None:
    from reproduce.steps import _multiple_choice

    path = folders.sets / "choices.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert MMLU_PRO.choices is not None
    with pytest.raises(InputError, match=f"choices.jsonl:1: {said}"):
        list(_multiple_choice(path, "mmlu", MMLU_PRO.choices))


def test_problems_without_labels_are_left_out(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    with (folders.sets / MATH500.file).open("a") as file:
        file.write('{"prompt": "What?", "answer": null}\n')
    assert prepare_set(MATH500, folders)[1] == tiny.PROBLEMS
    assert "1 problems have no label, and are left out" in capsys.readouterr().err


def test_a_set_that_is_damaged_and_one_that_is_not_there(folders: Folders) -> None:
    (folders.sets / MATH500.file).write_text('{"answer": "1"}\n')
    with pytest.raises(InputError, match=r"math500.jsonl:1: "):
        prepare_set(MATH500, folders)
    (folders.sets / MATH500.file).unlink()
    with pytest.raises(InputError, match=r"MATH500: .*math500.jsonl is not there; it comes from https://github.com/Qi"):
        prepare_set(MATH500, folders)


def test_a_server_that_is_none(folders: Folders) -> None:
    with pytest.raises(InputError, match=r"http://127.0.0.1:9/v1/models does not list a server's models"):
        make(MATH, Engine(folders, ("http://127.0.0.1:9/v1",)))


def test_equal_parts_by_entropy() -> None:
    pairs = [(0.5, 0.0), (0.1, 1.0), (0.2, 0.5), (0.9, 0.0)]
    assert shown.by_entropy(pairs) == [(0.1, 1.0), (0.2, 0.5), (pytest.approx(0.7), 0.0)]
    assert shown.by_entropy(pairs[:2]) == []
    assert shown.correlation([(0.5, 1.0), (0.5, 0.0)]) is None


@pytest.mark.parametrize(("name", "made"), [("math", ""), ("pass-at-k", "tiny"), ("entropy", "tiny")])
def test_the_page_has_the_results_that_are_kept(name: str, made: str) -> None:
    page = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
    kept = Folders(ROOT, ROOT, ROOT / "benchmarks" / "results" / "reproduce" / made)
    found = results_of(EXPERIMENTS[name], Engine(kept, n=8 if made else None))
    assert f"\n{shown.markdown(EXPERIMENTS[name], found)}\n" in page
    assert any(found.values()) is bool(made)  # "none of the paper's numbers has been produced"


def test_the_page_names_every_experiment() -> None:
    page = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
    assert [quoted(row[0])[0] for row in table(page, "command", "compares")] == list(EXPERIMENTS)
