"""The commands as a user runs them: real processes and files."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from empo_rewards.cli import console
from empo_rewards.cli.app import main
from empo_rewards.extras import EXTRAS

COMMAND = str(Path(sys.executable).parent / "empo-rewards")
EXAMPLE = Path(__file__).parents[2] / "examples" / "rollouts.jsonl"


def run(
    *arguments: str | Path, code: int = 0, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command; its exit code must be `code`.

    Without an environment of its own it runs in a fork of this process, which has imported everything already: that
    saves most of its time.
    """
    words = [COMMAND, *map(str, arguments)]
    if environment:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, **environment},
        )
    else:
        done = forked(words, stdin or "")
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def forked(words: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
    """What the command does in a fork of this process, on a terminal's width of 200."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                for number, file in enumerate((given, out, err)):
                    os.dup2(file.fileno(), number)
                streams = [open(n, "w" if n else "r", closefd=False) for n in range(3)]  # noqa: SIM115 - until the exit
                sys.stdin, sys.stdout, sys.stderr = streams
                console.out.width = console.err.width = 200
                logging.getLogger().handlers.clear()  # the tests' own
                sys.argv = words
                main()
            except SystemExit as ending:
                code = ending.code
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(status), *texts)


def rows(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, *groups: object) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(group) + "\n" for group in groups), encoding="utf-8")
    return path


def test_score_writes_one_line_a_group_and_shows_the_table(tmp_path: Path) -> None:
    out = tmp_path / "scores.jsonl"
    done = run("score", EXAMPLE, "--out", out)
    groups = rows(EXAMPLE)
    scores = rows(out)
    assert [score["id"] for score in scores] == [group["id"] for group in groups]
    assert all(len(score["rewards"]) == len(group["responses"]) for score, group in zip(scores, groups, strict=True))
    assert not (tmp_path / "scores.jsonl.rejected.jsonl").exists()
    for label in ("groups", "scored", "mean entropy", "unanimous", "blank", "accuracy", "pseudo-label accuracy"):
        assert label in done.stderr + done.stdout
    assert {"rewards", "answers", "clusters", "entropy", "cluster_shares", "status", "cause", "metrics", "id"} <= set(
        scores[0]
    )


def test_score_reads_standard_input_and_writes_standard_output() -> None:
    group = {"prompt": "1+1", "responses": [r"\boxed{2}", r"\boxed{2.0}", r"\boxed{3}", "?"]}
    done = run("score", "-", "--out", "-", stdin=json.dumps(group) + "\n")
    (score,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert score["rewards"] == [0.5, 0.5, 0.25, 0]


def test_score_without_an_output_shows_the_table_only() -> None:
    done = run("score", EXAMPLE)
    assert "groups" in done.stdout


def test_settings_change_the_score(tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", {"prompt": "q", "responses": [r"\boxed{1}", r"\boxed{1}", r"\boxed{2}"]})
    done = run("score", file, "-c", "ttrl", "--set", "strategy.ties=none", "--out", "-")
    assert json.loads(done.stdout)["rewards"] == [1, 1, 0]


def test_workers_give_the_same_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    run("score", EXAMPLE, "--out", one)
    run("score", EXAMPLE, "--out", two, "--workers", "2")
    assert rows(one) == rows(two)


def test_flat_rows_and_group_size(tmp_path: Path) -> None:
    flat = [{"uid": "u", "prompt": "q", "response": rf"\boxed{{{i % 2}}}"} for i in range(5)]
    file = write(tmp_path / "flat.jsonl", *flat)
    whole = json.loads(run("score", file, "--out", "-").stdout)
    assert (whole["size"], whole["id"]) == (5, "u")
    done = run("score", file, "--out", "-", "--group-size", "4", code=4)
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["status"], first["size"]) == ("scored", 4)
    assert (second["status"], second["cause"], second["size"], second["expected_size"]) == (
        "unscored",
        "incomplete",
        1,
        4,
    )
    assert second["rewards"] == [None]


def test_bad_rows_are_rejected_with_line_and_cause_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = {"prompt": "q", "responses": [r"\boxed{1}"]}
    lines = [
        json.dumps(good),
        "{broken",
        json.dumps({"prompt": "q"}),
        json.dumps({"prompt": "q", "responses": [1]}),
        json.dumps(good),
    ]
    file, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    file.write_text("\n".join(lines) + "\n")
    done = run("score", file, "--out", out, code=3)
    assert len(rows(out)) == 2
    rejected = rows(tmp_path / "out.jsonl.rejected.jsonl")
    assert [row["line"] for row in rejected] == [2, 3, 4]
    assert all(row["cause"] for row in rejected)
    assert "in.jsonl:2:" in done.stderr
    strict = run("score", file, "--out", tmp_path / "strict.jsonl", "--strict", code=2)
    assert "line 2" in strict.stderr


def test_a_killed_run_resumes_with_nothing_lost_and_nothing_twice(tmp_path: Path) -> None:
    groups = [
        {
            "id": str(i),
            "prompt": f"q{i}",
            "responses": [rf"\boxed{{{(i * j) % 5}}}" for j in range(8)],
            "reference": "0",
        }
        for i in range(3_000)
    ]
    source, out, whole = write(tmp_path / "in.jsonl", *groups), tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    run("score", source, "--out", whole)
    kills = 0
    for attempt in range(20):
        process = subprocess.Popen(
            [COMMAND, "score", str(source), "--out", str(out), "--resume"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = out.stat().st_size if out.exists() else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if kills < 3 and out.exists() and out.stat().st_size > before + 20_000 * (attempt + 1):
                process.send_signal(signal.SIGKILL)
                kills += 1
            time.sleep(0.002)
        if process.wait(timeout=60) == 0:
            break
    assert kills == 3
    assert out.read_bytes() == whole.read_bytes()
    other = run("score", source, "--out", out, "--resume", "-c", "ttrl", code=2)
    assert "another job" in other.stderr


def test_an_output_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run("score", EXAMPLE, "--out", out)
    done = run("score", EXAMPLE, "--out", out, code=2)
    assert "--resume" in done.stderr
    run("score", EXAMPLE, "--out", out, "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "missing.jsonl"], "missing.jsonl: there is no such file"),
        (["score", EXAMPLE, "-c", "empo-maths"], "did you mean 'empo-math'?"),
        (["score", EXAMPLE, "--set", "stratgy=x"], "stratgy: unknown key; did you mean 'strategy'?"),
        (["score", EXAMPLE, "--set", "gates.entropy.low=x"], "gates.entropy.low: input should be a valid number"),
        (["equivalent", "1", "1", "--backend", "maths"], "did you mean 'math'?"),
        (["path", "verll"], "no adapter is called 'verll'"),
        (["explain", EXAMPLE, "--id", "nobody"], "no group has the id 'nobody'"),
        (["select", EXAMPLE, "--entropy", "2..1", "--out", "x.jsonl"], "2..1"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(arguments: list[str | Path], message: str, tmp_path: Path) -> None:
    done = run(*arguments, code=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("a", "b", "code", "word"), [("1/2", "0.5", 0, "equal"), ("3", "3.4", 1, "different")])
def test_equivalent(a: str, b: str, code: int, word: str) -> None:
    assert run("equivalent", a, b, code=code).stdout.strip() == word


def test_equivalent_takes_negative_numbers_and_options() -> None:
    run("equivalent", "--", "-5", "-5.0")
    run("equivalent", "Yes.", "yes", "--backend", "exact")
    run("equivalent", "Yes.", "yes", "--backend", "exact", "--set", "normalize=false", code=1)


def test_explain_shows_why() -> None:
    done = run("explain", EXAMPLE, "--id", "sum-of-roots")
    assert "semantic entropy" in done.stdout
    assert "boxed" in done.stdout
    assert "the reference touched no reward" in done.stdout


def test_explain_shows_the_worst_groups_and_reasons_as_json() -> None:
    scores = [json.loads(line) for line in run("score", EXAMPLE, "--out", "-").stdout.splitlines()]
    worst = sorted(scores, key=lambda score: -score["entropy"])[:3]
    said = run("explain", EXAMPLE, "--worst", "entropy", "-n", "3", "--why", "0", "1", "--json").stdout.splitlines()
    records = [json.loads(line) for line in said]
    assert [record["entropy"] for record in records] == [score["entropy"] for score in worst]
    for record in records:
        assert record["why"][0]["pair"] == [0, 1]
        together = record["clusters"][0] == record["clusters"][1]
        assert (record["why"][0]["relation"] == "equal") is together
    least = min(scores, key=lambda score: score["metrics"]["largest_share"])
    [record] = map(json.loads, run("explain", EXAMPLE, "--worst", "share", "--json").stdout.splitlines())
    assert record["metrics"]["largest_share"] == least["metrics"]["largest_share"]


def test_explain_finds_groups_by_line_and_id_and_tells_bad_rows(tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", {"id": "a", "prompt": "q", "responses": [r"\boxed{1}"]}, {"nothing": 1})
    with file.open("a") as more:
        more.write(json.dumps({"id": "b", "prompt": "p", "responses": [r"\boxed{2}", "none"]}) + "\n")
    done = run("explain", file, "--line", "3", "--id", "a", "--json")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["a", "b"]
    assert "in.jsonl:2: no prompt and no responses" in done.stderr
    assert "no group has line 2" in run("explain", file, "--line", "2", code=2).stderr
    assert "no pair 0, 7" in run("explain", file, "--why", "0", "7", code=2).stderr


def test_explain_fails_where_a_group_is_unscored() -> None:
    shown = run("explain", EXAMPLE, "--set", "gates.min_share=0.99", "--worst", "cause", code=1)
    assert "unscored: share_low" in shown.stdout


def test_nothing_that_a_model_wrote_acts_in_the_terminal(tmp_path: Path) -> None:
    hostile = "\x1b[2J\x1b]0;forged\x07\u202e\u2066[bold]x[/bold]\r"
    row = {
        "id": hostile,
        "prompt": hostile,
        "responses": [rf"{hostile} \boxed{{{hostile}}} {hostile}"],
        "reference": "1",
    }
    done = run("explain", write(tmp_path / "in.jsonl", row), "--why", "0", "0")
    assert not set("\x1b\x07\u202e\u2066\r") & set(done.stdout + done.stderr)
    assert "[bold]x[/bold]" in done.stdout


def test_extract_says_what_fired_and_where(tmp_path: Path) -> None:
    response = r"Thus \boxed{42}."
    file = write(tmp_path / "in.jsonl", {"id": "a", "prompt": "q", "responses": [response, "no idea"]})
    first, second = (json.loads(line) for line in run("extract", file).stdout.splitlines())
    assert (first["text"], first["extractor"], response[first["start"] : first["end"]]) == ("42", "boxed", "42")
    assert second["kind"] == "blank"


def test_extract_audit_shows_where_the_choice_rules_disagree(tmp_path: Path) -> None:
    prompt = "Which is prime?\nA) 4\nB) 7\nC) 9\nD) 8"
    torn = "Option A is even, and (C) is a square. The answer is (B)."
    file = write(tmp_path / "in.jsonl", {"prompt": prompt, "responses": [torn, r"\boxed{B}"]})
    done = run("extract", file, "--audit", "-c", "empo-choice")
    assert "response 0" in done.stdout
    assert "response 1" not in done.stdout
    assert "rules disagree: 1" in done.stderr
    score = json.loads(run("score", file, "-c", "empo-choice", "--out", "-").stdout)
    assert score["metrics"]["extraction_disagreement"] == 0.5
    assert score["rewards"] == [1, 1]


def test_plugins_lists_what_is_registered_by_whom() -> None:
    done = run("plugins")
    for name in ("empo", "majority_threshold", "plug_in", "boxed", "math", "copied", "ttrl", "built-in"):
        assert name in done.stdout


def test_what_is_printed_as_tables_is_had_as_json(tmp_path: Path) -> None:
    components = json.loads(run("plugins", "--json").stdout)
    assert {entry["name"] for entry in components["strategy"]} >= {"empo", "majority"}
    (copied,) = (entry for entry in components["guard"] if entry["name"] == "copied")
    assert copied["from"] == "built-in"
    assert "void" in copied["options"]
    state = json.loads(run("doctor", "--json").stdout)
    assert {name: bool(extra["missing"]) for name, extra in state["extras"].items()} == {
        name: bool(extra.missing()) for name, extra in EXTRAS.items()
    }
    same = json.loads(run("equivalent", "1/2", "0.5", "--json").stdout)
    assert same == {"a": "1/2", "b": "0.5", "backend": "math", "relation": "equal"}
    scores = tmp_path / "scores.jsonl"
    totals = json.loads(run("score", EXAMPLE, "--out", scores, "--json").stdout)
    records = [json.loads(line) for line in scores.read_text().splitlines()]
    assert (totals["groups"], totals["status"], totals["exit_code"]) == (len(records), {"scored": len(records)}, 0)
    assert totals["means"]["entropy"] == pytest.approx(sum(r["entropy"] for r in records) / len(records))
    kept = json.loads(
        run("select", EXAMPLE, "--entropy", "0.3..1.2", "--out", tmp_path / "kept.jsonl", "--json").stdout
    )
    assert kept["kept"] == sum(0.3 <= record["entropy"] <= 1.2 for record in records)


def test_json_and_scores_do_not_mix_on_standard_output() -> None:
    assert "--json and --out -" in run("score", EXAMPLE, "--out", "-", "--json", code=2).stderr


def test_doctor_says_what_each_extra_would_add() -> None:
    done = run("doctor")
    for name, extra in EXTRAS.items():
        advised = f"pip install 'empo-rewards[{name}]'" in done.stdout
        assert advised == bool(extra.missing()), (name, done.stdout)
    assert "pip install 'empo-rewards[embedding]'" in done.stdout
    assert "not installed" in done.stdout


@pytest.mark.parametrize(("arguments", "extra"), [(["score", EXAMPLE, "--set", "equivalence=embedding"], "embedding")])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    arguments: list[str | Path], extra: str, tmp_path: Path
) -> None:
    # An environment that has everything must not hide the message: the package is made impossible to find.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'sentence_transformers' else find(name, *a)\n"
    )
    done = run(*arguments, code=2, PYTHONPATH=str(tmp_path))
    assert "sentence_transformers, which is not installed" in done.stderr
    assert f"pip install 'empo-rewards[{extra}]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_path_prints_a_folder_or_a_file_that_is_there() -> None:
    assert (Path(run("path", "presets").stdout.strip()) / "empo-math.yaml").is_file()
    folder = Path(run("path", "openrlhf").stdout.strip())
    for name in ("agent_func", "reward_func.py"):
        file = Path(run("path", f"openrlhf/{name}").stdout.strip())
        assert file.parent == folder
        assert file.read_text(encoding="utf-8")
    assert "did you mean 'openrlhf'" in run("path", "openrlfh", code=2).stderr
    assert "did you mean 'agent_func'" in run("path", "openrlhf/agent_fun", code=2).stderr


def test_select_writes_the_prompts_worth_training_on(tmp_path: Path) -> None:
    groups = [
        {"id": "all", "prompt": "easy", "responses": [r"\boxed{1}"] * 4, "reference": "1"},
        {
            "id": "half",
            "prompt": "fair",
            "responses": [r"\boxed{1}", r"\boxed{1}", r"\boxed{2}", r"\boxed{2}"],
            "reference": "1",
        },
        {"id": "none", "prompt": "hard", "responses": [rf"\boxed{{{i}}}" for i in range(4)], "reference": "9"},
    ]
    source = write(tmp_path / "in.jsonl.part", *groups).rename(tmp_path / "in.jsonl")
    openrlhf = tmp_path / "train.jsonl"
    run("select", source, "--entropy", "0.1..1.2", "--out", openrlhf)
    (row,) = rows(openrlhf)
    assert "fair" in json.dumps(row["input"])
    by_rate = tmp_path / "rate.jsonl"
    run("select", source, "--pass-rate", "..0.5", "--out", by_rate)
    assert len(rows(by_rate)) == 2
    import pyarrow.parquet as pq

    verl = tmp_path / "train.parquet"
    run("select", source, "--entropy", "0.1..", "--out", verl)
    table = pq.read_table(verl).to_pylist()
    assert [row["prompt"][-1]["content"] for row in table] == ["fair", "hard"]
    assert table[0]["reward_model"]["ground_truth"] == "1"


def test_select_keeps_all_accepted_answers(tmp_path: Path) -> None:
    answers = (r"\boxed{1}", r"\boxed{2}")
    one, two = (
        {"prompt": name, "responses": answers, "reference": label} for name, label in (("a", "1"), ("b", ["1", "2"]))
    )
    for form, name, label in (("plain", "out.jsonl", "reference"), ("openrlhf", "out2.jsonl", "label")):
        run(
            "select",
            write(tmp_path / "in.jsonl", one, two),
            "--entropy",
            "0..",
            "--for",
            form,
            "--out",
            tmp_path / name,
        )
        assert [row[label] for row in rows(tmp_path / name)] == [["1"], ["1", "2"]]
        run(
            "select",
            write(tmp_path / "in.jsonl", one),
            "--entropy",
            "0..",
            "--for",
            form,
            "--out",
            tmp_path / f"1{name}",
        )
        assert [row[label] for row in rows(tmp_path / f"1{name}")] == ["1"]


def test_select_takes_neither_a_device_nor_its_input_for_its_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jsonl")
    source = tmp_path / "in.jsonl"
    source.write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "link.jsonl").symlink_to(source)
    for name, why in (("fifo.jsonl", "must be a file"), ("link.jsonl", "part of the input")):
        done = run("select", source, "--entropy", "0..", "--out", tmp_path / name, "--overwrite", code=2)
        assert why in done.stderr
    assert source.read_bytes() == EXAMPLE.read_bytes()


def test_a_row_that_does_not_fit_in_memory_is_one_line_and_what_came_before_it_is_kept(tmp_path: Path) -> None:
    small, large = ({"prompt": "q", "responses": ["1" * n]} for n in (1, 60_000_000))
    source, out = write(tmp_path / "in.jsonl", small, large, small), tmp_path / "out.jsonl"
    done = shell(f"ulimit -v 250000; $E score {source} --out {out}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "out of memory" in done.stderr
    assert len(rows(out)) == 1
    run("score", source, "--out", out, "--resume")
    assert len(rows(out)) == 3


def test_gzip_in(tmp_path: Path) -> None:
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(EXAMPLE.read_bytes()))
    plain, unpacked = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    run("score", EXAMPLE, "--out", plain)
    run("score", packed, "--out", unpacked)
    assert [{**row, "source": ""} for row in rows(plain)] == [{**row, "source": ""} for row in rows(unpacked)]


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which `$E` is the command and `$X` the example."""
    environment = {**os.environ, "E": COMMAND, "X": str(EXAMPLE), "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


def test_a_reader_that_leaves_early_is_no_crash() -> None:
    done = shell("$E extract $X | head -1; exit ${PIPESTATUS[0]}")
    assert json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("arguments", "redirection", "why"),
    [
        ("score $X --out -", ">/dev/full", "No space left on device"),
        ("score $X", ">&-", "Bad file descriptor"),
        ("extract $X", ">/dev/full", "No space left on device"),
        ("equivalent 1 1", ">&-", "Bad file descriptor"),
    ],
)
def test_standard_output_that_cannot_be_written_is_one_line_and_code_2(
    arguments: str, redirection: str, why: str
) -> None:
    done = shell(f"$E {arguments} {redirection}")
    assert (done.returncode, done.stderr) == (2, f"error: standard output: cannot be written: {why}\n")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2>&- <&-"])
def test_standard_error_that_cannot_be_written_changes_no_result(redirection: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b'{"prompt": "cut o\n' + EXAMPLE.read_bytes())
    done = shell(f"$E score {broken} --out - {redirection}")
    assert (done.returncode, len(done.stdout.splitlines())) == (3, len(rows(EXAMPLE)))
    assert shell(f"$E score missing {redirection}").returncode == 2


def test_what_standard_output_has_no_character_for_is_escaped(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", {"prompt": "π?", "responses": [r"\boxed{π}"]})
    done = shell(f"export PYTHONIOENCODING=ascii; $E explain {source}; $E extract {source} 2>&1 | head -1")
    *shown, record = done.stdout.splitlines()
    assert shown[0] == r"> \u03c0?"
    assert json.loads(record)["text"] == "π"


def test_what_is_opened_never_gets_the_descriptor_of_a_closed_standard_stream(tmp_path: Path) -> None:
    """Else what a C library prints would end up in the output."""
    code = (
        "import os, sys; from empo_rewards.cli.console import check_standard_streams;"
        "check_standard_streams(); file = open('out', 'wb'); os._exit(file.fileno())"
    )
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        assert shell(f"cd {tmp_path}; {sys.executable} -c {shlex.quote(code)} {closed}").returncode > 2


def test_an_output_on_a_disk_that_fills_is_one_line_and_is_resumed(tmp_path: Path) -> None:
    out, whole = tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    run("score", EXAMPLE, "--out", whole)
    done = shell(f"ulimit -f 8; $E score $X --out {out}")
    assert (done.returncode, done.stderr) == (2, f"error: {out}: cannot be written: File too large\n")
    assert 0 < len(rows(out)) < len(rows(whole))
    run("score", EXAMPLE, "--out", out, "--resume")
    assert out.read_bytes() == whole.read_bytes()


def test_version() -> None:
    from empo_rewards import __version__

    assert shell("$E --version").stdout.strip() == __version__
