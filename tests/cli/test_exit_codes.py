"""The contract of the command line: an error is one line, with the exit code that the page names."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import table

from empo_rewards import ConfigError, Group, GroupError, Scorer, hookimpl
from empo_rewards.cli import app, console, paths
from empo_rewards.cli import score as score_command
from empo_rewards.cli.app import BUG, run
from empo_rewards.config import Component, ScorerConfig, load_config
from empo_rewards.plugins.registry import Registry, load
from empo_rewards.protocols import Reader

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "rollouts.jsonl"
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
BOXED = r"\boxed{1}"


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consoles of one width, that write where the test looks."""
    monkeypatch.setenv("COLUMNS", "200")
    for name, stderr in (("out", False), ("err", True)):
        made = console.Console(stderr=stderr, width=200, color_system=None)
        for module in [module for key, module in sys.modules.items() if key.startswith("empo_rewards.cli.")]:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, made)


Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command here; its exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def write(path: Path, *rows: object) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["equivalent", "1", "1.0", "--set", "decimal_tolerance=-1"], "decimal_tolerance must be in [0, 1), not -1.0"),
        (["equivalent", "1", "1.0", "--set", "x={"], "--set x={: not YAML: expected the node content"),
        (["config", "show", "--set", "deadline=2020-99-99"], "--set deadline=2020-99-99 is not YAML: month must be"),
        (["config", "show", "--set", f"deadline={'9' * 5000}"], "is not YAML: Exceeds the limit (4300 digits)"),
        (["config", "show", "--set", "strategy=&a {name: share, x: *a}"], "is not YAML: maximum recursion depth"),
        (["score", ""], "an input has no name"),
        (["score", EXAMPLE, "--set", "equivalence.decimal_tolerance=-1"], "equivalence: decimal_tolerance must be in"),
        (["score", EXAMPLE, "--set", "strategy={"], "--set strategy={: not YAML"),
        (["score", EXAMPLE, "--set", "guards=[{name: copied, rouge_l: 7}]"], "guards[0]: rouge_l is 7.0; it lies in"),
        (
            ["score", EXAMPLE, "--set", "guards=[{name: blank, reward: .nan}]"],
            "guards[0].reward: input should be a fin",
        ),
        (["score", EXAMPLE, "-c", "scrl", "--set", "strategy.margin=2"], "margin is 2.0; a share lies in [0, 1]"),
        (["score", EXAMPLE, "--set", "guards=3"], "guards: must be a list"),
        (["score", EXAMPLE, "--set", "gates=3"], "gates: must be keys and values"),
        (["score", EXAMPLE, "--set", "gates={reward: 1e308}"], "reward is 1e+308; its size must be at most 1e+100"),
        (["serve", "--group-size", "2", "--neutral", "-1e308"], "neutral must be a number of a size of at most 1e+100"),
        (["score", EXAMPLE, "--format", "vlm"], "no format is called 'vlm'; did you mean 'vllm'?"),
        (["score", EXAMPLE, "--nope"], "No such option: --nope (empo-rewards score --help)"),
        (["score"], "Missing argument 'INPUT...' (empo-rewards score --help)"),
        (["scor"], "No such command 'scor'"),
        (["select", EXAMPLE, "--entropy", "0..1"], "Missing option '--out' / '-o'"),
        (["explain", EXAMPLE, "--group-size", "0"], "Invalid value for '--group-size'"),
        (["config", "show", "empo-maths"], "did you mean 'empo-math'?"),
        (["dataset", EXAMPLE, "--for", "verll"], "'verll' is not one of"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(say: Say, arguments: list[object], message: str) -> None:
    code, out, err = say(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset: empo-math\nequivalence:\n  decimal_tolerance: -1\n", ", line 2: equivalence: decimal_tolerance must"),
        ("gates:\n  entropy:\n    low: x\n", ", line 3: gates.entropy.low: input should be a valid number"),
        ("strategy: empo\n\nstrategy: ttrl\n", ", line 3: the key 'strategy' is given twice"),
        ("gates:\n  reward: 0\n  min_share: 0.5\n  reward: 1\n", ", line 4: the key 'reward' is given twice"),
        ("guards:\n- blank\n- {name: copied, rouge_l: 7}\n", ", line 3: guards[1]: rouge_l is 7.0; it lies in [0, 1]"),
        ("guards:\n- blank\n- blanc\n", ", line 3: guards[1]: no guard is called 'blanc'; did you mean 'blank'?"),
        ("gates: {\nx: 1\n", ", line 3: not YAML: "),
        (
            "".join(f"x{n}: &x{n} [{f'*x{n - 1}, ' * 9}]\n" for n in range(9)).replace("*x-1, ", ""),
            ": more than 10,000",
        ),
        ("stratgy: x\n", ", line 1: stratgy: unknown key; did you mean 'strategy'?"),
    ],
)
def test_an_error_in_a_file_names_the_file_and_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        Scorer(path)
    assert f"{path}{message}" in str(error.value)


def test_a_preset_by_its_path_begins_at_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "base").mkdir(parents=True)
    write(tmp_path / "runs" / "base" / "base.yaml", "strategy: majority", "gates: {min_share: 7}")
    run_file = write(tmp_path / "runs" / "run.yaml", "preset: ./base/base.yaml", "gates: {min_share: 0.5}")
    monkeypatch.chdir(tmp_path)
    config = load_config("runs/run.yaml", {})
    assert (config.strategy.name, config.gates.min_share) == ("majority", 0.5)
    write(run_file, "preset: base/base.yaml", "incomplete: partial")
    with pytest.raises(ConfigError, match=r"base\.yaml, line 2: gates\.min_share: input should be less than or equal"):
        load_config("runs/run.yaml", {})
    write(run_file, "preset: nowhere.yaml")
    with pytest.raises(ConfigError, match=r"'nowhere\.yaml' is neither a preset nor a file, looked for in runs"):
        load_config("runs/run.yaml", load().presets)


def test_a_bug_says_that_it_is_one_and_has_a_code_of_its_own(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("of\nours")

    monkeypatch.setattr("empo_rewards.cli.equivalent.compare.equivalent", broken)
    code, _, err = say("equivalent", "1", "2")
    assert code == BUG == 70
    assert err.startswith("error: this is a bug of empo-rewards (KeyError: ")
    assert err.count("\n") == 1
    report = Path(err.rpartition(" with ")[2].strip())
    text = report.read_text(encoding="utf-8")
    report.unlink()
    assert "Traceback" in text
    assert "KeyError" in text
    assert "command: " in text


class Raises:
    """A plugin whose factory raises."""

    @hookimpl
    def register_guards(self, register: Any) -> None:
        def guard(words: int = 3) -> None:
            raise ValueError(f"{words} words are\ntoo few")

        register("raises", guard)


def test_a_factory_of_a_plugin_that_raises_is_one_line_with_the_plugin_s_name() -> None:
    with pytest.raises(Exception, match=r"^Raises: the guard 'raises' cannot be made: ValueError: 3 words are too few"):
        Scorer({"preset": "empo-math", "guards": ["raises"]}, plugins=[Raises()])


def test_a_file_of_which_no_row_can_be_read_is_an_error(say: Say, tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", {"prompt": "p", "generations": ["a"]}, "not json")
    for command in (
        ["score", file],
        ["extract", file],
        ["evaluate", file],
        ["collapse-step", file],
        ["select", file, "--entropy", "0..", "-o", tmp_path / "x.jsonl"],
    ):
        code, _, err = say(*command)
        assert code == 2
        assert f"error: no row can be read, of 2: {file}:1: no responses among the fields" in err
        assert "--map responses=generations" in err
    code, _, err = say("explain", file)
    assert (code, "there is no group; " in err) == (2, True)
    code, _, err = say("score", write(file, {"prompt": "p", "responses": [BOXED]}, "not json"))
    assert code == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"prompt": "p", "responses": [BOXED], "label": True}],
            "1 group scored without the label: label",
        ),
        (
            [{"prompt": "p", "response": BOXED, "label": n} for n in (1, 2)],
            "different ones, as in ['1', '2']",
        ),
        (
            [{"uid": n // 4, "prompt": f"{n // 4}", "response": BOXED} for n in range(17)],
            "4 responses in 4 groups, fewer in 1, paid as if whole: --group-size 4",
        ),
    ],
)
def test_what_is_left_out_or_looks_lost_is_said(say: Say, tmp_path: Path, rows: list[Any], message: str) -> None:
    code, _, err = say("score", write(tmp_path / "in.jsonl", *rows))
    assert code == 0
    assert message in err


def test_groups_of_one_size_and_of_a_size_that_was_given_need_no_remark(say: Say, tmp_path: Path) -> None:
    rows = [{"uid": n // 4, "prompt": f"{n // 4}", "response": BOXED} for n in range(17)]
    file = write(tmp_path / "in.jsonl", *rows)
    assert say("score", file, "--group-size", "4") == (4, *say("score", file, "--group-size", "4")[1:])
    assert "paid as if" not in say("score", file, "--group-size", "4")[2]
    assert "paid as if" not in say("score", write(file, *rows[:16]))[2]


def test_a_run_without_answers_says_so_and_names_the_extractor(say: Say, tmp_path: Path) -> None:
    responses = [f"I think. [[ {n} ]]" for n in range(16)]
    file = write(tmp_path / "in.jsonl", *({"prompt": f"q{n}", "responses": responses} for n in range(20)))
    code, _, err = say("score", file, "--set", "extraction=[boxed]")
    assert code == 0
    assert "320 of 320 responses have no answer that boxed would find; they end:" in err
    assert "…I think. [[ 0 ]]" in err
    assert "--set extraction=[" in err
    spoken = write(file, {"prompt": "q", "responses": ["The final answer is 4."] * 4})
    assert (
        "final_answer finds an answer in 4 of 4 of them: --set extraction=[final_answer]"
        in say("score", spoken, "--set", "extraction=[boxed]")[2]
    )
    assert "have no answer" not in say("score", spoken)[2]


@pytest.mark.parametrize("preset", sorted(load().presets))
def test_a_configuration_in_full_is_the_same_configuration(say: Say, preset: str) -> None:
    """Its components have all of their options; those that the preset gives have its values."""
    code, out, _ = say("config", "show", preset)
    assert code == 0
    given, full = load_config(preset, load().presets), load_config(yaml.safe_load(out), load().presets)
    assert (full.gates, full.incomplete, full.extraction.skip_thinking) == (
        given.gates,
        given.incomplete,
        given.extraction.skip_thinking,
    )
    for mine, shown in zip(components(given), components(full), strict=True):
        assert mine.name == shown.name
        assert mine.options == {name: shown.options[name] for name in mine.options}


def components(config: ScorerConfig) -> list[Component]:
    return [
        *config.extraction.extractors, config.equivalence, config.entropy, config.strategy, *config.guards,
        *config.observers,
    ]  # fmt: skip


def test_a_configuration_in_full_says_what_each_key_means(say: Say) -> None:
    out = say("config", "show", "empo-math", "--set", "gates.min_share=0.5")[1]
    assert "min_share: 0.5  # default: null; the minimum share of the largest cluster" in out
    assert "decimal_tolerance: null  # None: decimals are exact" in out
    code, out, _ = say("presets")
    assert code == 0
    assert all(name in out for name in load().presets)


def test_a_file_to_begin_with(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "empo.yaml"
    assert say("config", "init", file, "--preset", "ttrl")[0] == 0
    text = file.read_text(encoding="utf-8")
    assert load_config(file, load().presets) == load_config("ttrl", load().presets)
    whole = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and "What it" not in line
    )
    assert load_config(yaml.safe_load(whole), load().presets).strategy.name == "majority"
    code, _, err = say("config", "init", file)
    assert (code, "exists: --overwrite" in err) == (2, True)


def test_select_writes_what_other_trainers_read(say: Say, tmp_path: Path) -> None:
    for trainer, field in (("plain", "prompt"), ("trl", "prompt"), ("slime", "prompt"), ("openrlhf", "input")):
        out = tmp_path / f"{trainer}.jsonl"
        assert say("select", EXAMPLE, "--entropy", "0.2..1.8", "--for", trainer, "--out", out)[0] == 0
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        assert rows
        assert all(field in row for row in rows)
    assert isinstance(json.loads((tmp_path / "plain.jsonl").read_text().splitlines()[0])["prompt"], str)


def test_the_shell_is_offered_presets_formats_and_paths() -> None:
    assert console.complete_preset("empo-m") == ["empo-math"]
    assert paths.complete_name("openrlhf/agent") == ["openrlhf/agent_func"]
    assert {"presets", "verl", "trl", "slime", "openrlhf"} <= set(paths.complete_name(""))
    assert set(console.complete_format("o")) == {"own", "openai", "openai_batch"}


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([Group("q", ["a"])], "a Group is scored, not an object of type list: score_many(groups) scores several"),
        ({"prompt": "q"}, "a Group is scored, not an object of type dict: give Group(prompt, [response, ...])"),
    ],
)
def test_score_says_what_to_give(given: Any, what: str) -> None:
    with Scorer({"preset": "empo-math", "equivalence": "exact"}) as scorer, pytest.raises(GroupError) as error:
        scorer.score(given)
    assert str(error.value) == what


def test_an_output_reached_by_a_name_of_another_ending_is_resumed(say: Say, tmp_path: Path) -> None:
    """What the file is, is said by the name that a link leads to."""
    out, link = tmp_path / "real.jsonl.gz", tmp_path / "scores.jsonl"
    link.symlink_to(out)
    assert say("score", EXAMPLE, "--out", link)[0] == 0
    written = out.read_bytes()
    assert say("score", EXAMPLE, "--out", link, "--resume")[0] == 0
    assert out.read_bytes() == written


def test_an_output_that_a_pattern_of_the_input_matches_is_refused(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the job could not be resumed, because its input has changed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    write(tmp_path / "a" / "part-1.jsonl", {"prompt": "q", "responses": [BOXED]})
    code, _, err = say("score", "**/*.jsonl", "--out", "a/out.jsonl")
    assert (code, "would become part of the input" in err, (tmp_path / "a" / "out.jsonl").exists()) == (2, True, False)
    for more in ([], ["--resume"]):
        assert say("score", "a/part-*.jsonl", "--out", "a/out.jsonl", *more)[0] == 0


def test_a_folder_of_files_that_a_reader_opens_is_scored_and_resumed(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Logs(Reader):
        ending = ".log"

        def recognises(self, row: Mapping[str, object]) -> bool:
            return False

        def convert(self, row: Mapping[str, object]) -> list[Mapping[str, object]]:
            raise NotImplementedError

        def open(self, path: Path) -> list[Mapping[str, object]]:
            return [{"prompt": path.read_text(), "responses": [BOXED]}]

    monkeypatch.setattr(Registry, "readers", {"logs": Logs()})
    job = ["score", tmp_path / "in", "--out", tmp_path / "out.jsonl"]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.log").write_text("q1")
    assert say(*job)[0] == 0
    assert say(*job, "--resume")[0] == 0
    (tmp_path / "in" / "2.log").write_text("q2")
    code, _, err = say(*job, "--resume")
    assert (code, "is of another job" in err) == (2, True)


def test_rewards_that_no_sum_can_hold_are_a_fault_of_their_groups_and_no_bug(say: Say, tmp_path: Path) -> None:
    """Two of 1e308 have no mean."""
    rows = [{"prompt": f"{n}", "responses": ["", "", BOXED] if n else [BOXED] * 3} for n in range(3)]
    out = tmp_path / "out.jsonl"
    absurd = "guards=[{name: blank, reward: -1e308}]"
    assert say("score", write(tmp_path / "in.jsonl", *rows), "--set", absurd, "--out", out)[0] == 4
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["rewards"][0] for record in records] == [1, None, None]
    assert records[1]["detail"].endswith("the reward of 'blank' is -1e+308; its size must be at most 1e+100")
    assert say("report", out, "--out", tmp_path / "a.html")[0] == 0
    records[0]["rewards"] = [1e308] * 3
    code, _, err = say("report", write(out, *records), "--out", tmp_path / "b.html")
    assert (code, "score 1: not a group's score: a reward's size is more than 1e+100" in err) == (2, True)


def test_groups_of_one_response_are_pointed_at(say: Say, tmp_path: Path) -> None:
    """They are compared with nothing; mostly the rows have a uid each, or their prompts differ."""
    rows = [{"prompt": "q", "uid": str(n), "response": BOXED} for n in range(4)]
    code, _, err = say("score", write(tmp_path / "in.jsonl", *rows))
    assert (code, "one response, compared with nothing, in 4 of 4 groups" in err) == (0, True)


def test_a_file_that_ends_too_early_is_no_interruption(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """EOFError and Ctrl-C are one to the library that parses the arguments."""

    def ends(*arguments: object) -> None:
        raise EOFError("there is no more")

    monkeypatch.setattr(score_command, "read_pieces", ends)
    assert say("score", EXAMPLE)[0] == 70


def test_a_file_to_begin_with_finds_what_it_builds_on_and_is_not_itself_that(say: Say, tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text("preset: ttrl\n")
    (tmp_path / "runs").mkdir()
    assert say("config", "init", tmp_path / "runs" / "a: b.yaml", "--preset", base)[0] == 0
    assert Scorer(tmp_path / "runs" / "a: b.yaml").config == Scorer("ttrl").config
    code, _, err = say("config", "init", base, "--preset", base, "--overwrite")
    assert (code, base.read_text()) == (2, "preset: ttrl\n")
    assert "would build on itself" in err


def test_the_page_lists_the_exit_codes_and_the_commands() -> None:
    assert [int(code) for code, _ in table(PAGE, "exit code")] == [0, 1, 2, 3, 4, 5, 70, 130, 141]
    listed = {cells[0].split("`")[1].split()[0] for cells in table(PAGE, "command")}
    commands = {command.name for command in app.app.registered_commands}
    assert listed == commands | {"config"}
