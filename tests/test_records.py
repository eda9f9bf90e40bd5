"""The observer `record`, and what reads what it writes: the report, `explain`, `score`."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from empo_rewards import ConfigError, Group, GroupScore, Scorer
from empo_rewards.cli.app import app
from empo_rewards.records import Recorder


def config(folder: Path, **options: object) -> dict[str, Any]:
    return {"preset": "empo-math", "observers": [{"name": "record", "folder": str(folder), **options}]}


def groups(count: int = 6) -> list[Group]:
    return [
        Group(
            [{"role": "user", "content": f"What is {k}/2?"}],
            [rf"\boxed{{{k}/2}}", rf"\boxed{{{k / 2}}}", rf"\boxed{{{k + 7}}}"],
            reference=[f"{k}/2"],
            id=f"g{k}",
            data_source="halves",
            metadata={"step": k // 2},
        )
        for k in range(count)
    ]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_each_group_is_written_with_its_score_and_can_be_read_again(tmp_path: Path) -> None:
    with Scorer(config(tmp_path / "run")) as scorer:
        scores = list(scorer.score_many(groups()))
    written = records(tmp_path / "run")
    assert [GroupScore.from_dict(record) for record in written] == scores
    run("score", tmp_path / "run", "--out", tmp_path / "again.jsonl")
    again = [GroupScore.from_dict(json.loads(line)) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert again == scores
    shown = json.loads(run("explain", tmp_path / "run", "--id", "g3", "--json"))
    assert (shown["prompt"], shown["responses"]) == ("What is 3/2?", list(groups()[3].responses))


def test_the_report_has_the_groups_of_all_processes_in_the_order_of_time(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Scorer(config(folder)) as scorer:
        scorer.score(groups()[0])
        with multiprocessing.get_context("fork").Pool(1) as pool:
            pool.map(_score_in_child, [(str(folder), 1)])
        for group in groups()[2:]:
            scorer.score(group)
    assert len(list(folder.glob("*.jsonl"))) == 2
    run("report", folder, "--config", "empo-math", "--out", tmp_path / "page.html")
    from empo_rewards.cli.console import reading_from
    from empo_rewards.cli.shown import shown

    read = list(shown(folder, None, reading_from(None, None, None), None))
    assert [score.id for _, score in read] == [f"g{k}" for k in range(6)]
    assert [group.metadata for group, _ in read if group] == [{"step": k // 2} for k in range(6)]


def _score_in_child(given: tuple[str, int]) -> None:
    folder, number = given
    with Scorer(config(Path(folder))) as scorer:
        scorer.score(groups()[number])


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    many = [Group("q", [rf"\boxed{{{k}}}" + "x" * 50_000] * 3, id=str(k)) for k in range(40)]

    async def score_all(scorer: Scorer) -> None:
        await asyncio.gather(*map(scorer.ascore, many))

    with Scorer(config(tmp_path)) as scorer:
        asyncio.run(score_all(scorer))
    assert sorted(int(record["id"]) for record in records(tmp_path)) == list(range(40))


def test_a_process_writes_no_more_than_its_bound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long = [Group("q", [rf"\boxed{{{k}}}" + "x" * 10_000], id=str(k)) for k in range(20)]
    with caplog.at_level(logging.WARNING), Scorer(config(tmp_path, max_megabytes=0.1)) as scorer:
        assert all(score.rewards == (1.0,) for score in scorer.score_many(long))
    (file,) = tmp_path.glob("*.jsonl")
    assert 50_000 < file.stat().st_size <= 0.1 * 2**20
    assert [message for message in caplog.messages if "max_megabytes" in message] != []
    assert sum("max_megabytes" in message for message in caplog.messages) == 1


def test_metadata_that_json_has_no_form_for_become_text(tmp_path: Path) -> None:
    with Scorer(config(tmp_path)) as scorer:
        scorer.score(Group("q", [r"\boxed{1}"], metadata={"path": Path("x"), "half": "\ud83d"}))
    assert records(tmp_path)[0]["metadata"] == {"path": "x", "half": "\ud83d"}


@pytest.mark.parametrize("options", [{"folder": "/dev/null/x"}, {"folder": "f", "max_megabytes": 0}])
def test_what_cannot_be_is_refused(options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        Recorder(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"responses": ["one"]}, "not as many responses as rewards"),
        ({"responses": ["1", "2", "3"]}, "response 0 ends before the place of its answer"),
        ({"prompt": 5}, "score 1: prompt must be"),
    ],
)
def test_a_damaged_record_is_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with Scorer(config(tmp_path)) as scorer:
        scorer.score(groups()[0])
    (file,) = tmp_path.glob("*.jsonl")
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}) + "\n")
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "page.html")])
    assert message in str(done.exception)
