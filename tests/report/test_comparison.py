"""What differs between two scores, and the command that compares configurations and files of scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from empo_rewards import Group, Scorer
from empo_rewards.cli.app import app
from empo_rewards.errors import EmpoError, GroupError
from empo_rewards.group import Cause, GroupScore, Status
from empo_rewards.report.comparison import Change, changes

EXAMPLE = Path(__file__).parents[2] / "examples" / "rollouts.jsonl"
EXACT = '{"preset": "empo-math", "equivalence": "exact"}'


def scored(*answers: str | None, reference: str | None = None, backend: str = "math") -> GroupScore:
    texts = ["" if answer is None else rf"\boxed{{{answer}}}" for answer in answers]
    with Scorer({"preset": "empo-math", "equivalence": backend}) as scorer:
        return scorer.score(Group("?", texts, reference=reference))


def test_a_score_does_not_differ_from_itself() -> None:
    score = scored("1/2", "0.5", "3", None, reference="3")
    assert changes(score, score) == ()


def test_clusters_that_split_change_rewards_entropy_and_the_majority_label() -> None:
    one = scored("1/2", "0.5", "\\frac12", "3", "3", reference="0.5")
    other = scored("1/2", "0.5", "\\frac12", "3", "3", reference="0.5", backend="exact")
    found = (Change.SPLIT, Change.REWARDS, Change.ENTROPY, Change.MAJORITY, Change.SPOILT)
    assert changes(one, other) == found
    assert set(changes(other, one)) == {Change.JOINED, *found[1:4], Change.GAINED}


def test_answers_that_are_found_lost_or_read_otherwise() -> None:
    one, other = scored("1", "2", None), scored("1", None, "2")
    assert {Change.FOUND, Change.LOST} <= set(changes(one, other))
    assert changes(scored("1", "2"), scored("1", "3")) == (Change.ANSWERS,)


def test_an_outcome_counts() -> None:
    score = scored("1", "1")
    assert changes(score, replace(score, status=Status.PARTIAL)) == (Change.OUTCOME,)
    assert Change.OUTCOME in changes(score, replace(score, cause=Cause.ENTROPY_LOW))


def test_scores_of_other_groups_are_refused() -> None:
    with pytest.raises(GroupError, match="2 responses in one score and 3 in the other"):
        changes(scored("1", "2"), scored("1", "2", "3"))


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(done.exception, EmpoError):
        assert code == 2
        return str(done.exception)
    assert done.exit_code == code, done.output
    return done.output


def test_compare_names_exactly_the_groups_whose_scores_differ(tmp_path: Path) -> None:
    """The oracle scores each group on its own with both configurations."""
    rows = [json.loads(line) for line in EXAMPLE.read_text().splitlines()]
    groups = [Group(row["prompt"], row["responses"], reference=row["reference"], id=row["id"]) for row in rows]
    with Scorer("empo-math") as one, Scorer(json.loads(EXACT)) as other:
        pairs = [(one.score(group), other.score(group)) for group in groups]
    differ = [a.id for a, b in pairs if (a.rewards, a.metrics["accuracy"]) != (b.rewards, b.metrics["accuracy"])]
    said = json.loads(run("compare", "empo-math", EXACT, EXAMPLE, "--json"))
    rewards = [group["id"] for group in said["changed_groups"] if {"rewards", "majority wrong"} & set(group["changes"])]
    assert said["groups"] == len(groups)
    assert rewards == [name for name in differ if name in rewards]
    assert {a.id for a, b in pairs if a.rewards != b.rewards} <= set(rewards)
    assert len(rewards) >= 8


def test_files_of_scores_are_compared_without_their_rollouts(tmp_path: Path) -> None:
    for name, config in (("a", "empo-math"), ("b", "ttrl")):
        run("score", EXAMPLE, "--config", config, "--out", tmp_path / f"{name}.jsonl")
    table = run("compare", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert "groups that differ" in table
    same = json.loads(run("compare", tmp_path / "a.jsonl", tmp_path / "a.jsonl", "--json"))
    assert same["changed"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("empo-math", "ttrl"), "compare A B ROLLOUTS"),
        (("empo-math", "{preset", EXAMPLE), "not a JSON mapping"),
        (("empo-math", "no-such-preset", EXAMPLE), "no-such-preset"),
    ],
)
def test_wrong_use_is_told_in_a_line(arguments: tuple[object, ...], message: str) -> None:
    assert message in run("compare", *arguments, code=2)


def test_scores_of_other_rollouts_are_refused(tmp_path: Path) -> None:
    scores, fewer = tmp_path / "scores.jsonl", tmp_path / "fewer.jsonl"
    run("score", EXAMPLE, "--out", scores)
    fewer.write_text("".join(scores.read_text().splitlines(keepends=True)[:-1]))
    assert "ends before" in run("compare", scores, fewer, code=2)
    shuffled = tmp_path / "shuffled.jsonl"
    shuffled.write_text("".join(reversed(scores.read_text().splitlines(keepends=True))))
    assert "not scores of the same rollouts" in run("compare", scores, shuffled, code=2)
