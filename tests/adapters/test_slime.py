"""slime's adapter at slime's call sites: group rewards, evaluation, logging."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

import slime_call_sites as slime
from slime_call_sites import Sample, Status

from empo_rewards import ConfigError, Group, GroupError, Scorer
from empo_rewards.cli.paths import find


@pytest.fixture(autouse=True)
def _slime(monkeypatch: pytest.MonkeyPatch) -> None:
    slime.install(monkeypatch)


def group(*answers: object, index: int = 0, label: str | None = None, prompt: Any = "p") -> list[Sample]:
    return [Sample(index, i, prompt, rf"so \boxed{{{answer}}}", label) for i, answer in enumerate(answers)]


def rewards_of(samples: Sequence[Sample]) -> list[Any]:
    return [sample.reward for sample in samples]


def test_each_group_gets_the_rewards_of_its_offline_score() -> None:
    groups = [group("1/2", 0.5, 3, 3, index=1), group(1, 1, 1, 2, index=2), group(*"abcd", index=3)]
    done = slime.train(slime.arguments(), groups)
    with Scorer("empo-math") as scorer:
        for samples in done:
            offline = scorer.score(Group("p", [sample.response for sample in samples]))
            assert rewards_of(samples) == list(offline.rewards)
    assert rewards_of(done[0]) == [0.5] * 4
    assert rewards_of(done[1]) == [0.75, 0.75, 0.75, 0.25]


def test_conversations() -> None:
    [done] = slime.train(slime.arguments(), [group(1, 1, 2, 3, prompt=[{"role": "user", "content": "p"}])])
    assert rewards_of(done) == [0.5, 0.5, 0.25, 0.25]


def test_advantages_that_slime_does_not_scale_are_told(caplog: pytest.LogCaptureFixture) -> None:
    slime.train(slime.arguments(empo_config="seed-grpo"), [group(1, 1, 2, 3)])
    assert "slime does not apply the scale" in caplog.text


def test_every_sample_has_a_number_where_the_group_has_none(tmp_path: Path) -> None:
    config = tmp_path / "gated.yaml"
    config.write_text("preset: empo-math\ngates: {min_share: 0.6}\n", encoding="utf-8")
    args = slime.arguments(empo_config=str(config))
    first, second = slime.train(args, [group(1, 1, 1, 1)]), slime.train(args, [group(1, 1, 2, 3)])
    assert rewards_of(first[0]) == [1] * 4
    assert rewards_of(second[0]) == [1] * 4  # the mean of the rewards so far: one constant, so no advantage
    assert [sample.metadata["empo_rewards"]["unscored/share_low"] for sample in second[0]] == [1] * 4


def test_a_sample_that_was_lost_makes_its_group_incomplete() -> None:
    samples = group(1, 1, 1, 2)
    samples[1].status, samples[2].status = Status.FAILED, Status.TRUNCATED
    [done] = slime.train(slime.arguments(), [samples])
    assert len(set(rewards_of(done))) == 1
    assert [sample.metadata["empo_rewards"]["unscored/incomplete"] for sample in done] == [1] * 4


def test_a_lost_sample_is_paid_the_mean_of_the_others_where_these_are_scored(tmp_path: Path) -> None:
    config = tmp_path / "partial.yaml"
    config.write_text("preset: empo-math\nincomplete: partial\n", encoding="utf-8")
    samples = group(1, 1, 1, 2)
    samples[1].status, samples[1].response = Status.ABORTED, ""
    [done] = slime.train(slime.arguments(empo_config=str(config)), [samples])
    assert rewards_of(done) == pytest.approx([2 / 3, 5 / 9, 2 / 3, 1 / 3])


def test_a_group_of_which_nothing_came_still_has_a_number_for_each() -> None:
    samples = group(1, 2, 3)
    for sample in samples:
        sample.status = Status.ABORTED
    [done] = slime.train(slime.arguments(), [samples])
    assert len(rewards_of(done)) == 3
    assert len(set(rewards_of(done))) == 1
    assert None not in rewards_of(done)


def test_without_the_group_no_reward_is_made_up() -> None:
    with pytest.raises(ConfigError, match="--group-rm"):
        slime.train(slime.arguments(group_rm=False), [group(1, 1, label="1")])


def test_what_is_no_group_is_refused() -> None:
    with pytest.raises(GroupError, match="branch into several samples"):
        slime.train(slime.arguments(), [[group(1, 1), group(2, 2)]])
    with pytest.raises(GroupError, match="different prompts"):
        slime.train(slime.arguments(), [[*group(1), *group(1, prompt="q")]])


def test_the_log_probabilities_of_the_rollout_reach_the_estimator(tmp_path: Path) -> None:
    config = tmp_path / "likelihoods.yaml"
    config.write_text("preset: empo-math\nentropy: rao_blackwell\n", encoding="utf-8")
    samples = group(1, 1, 2)
    for sample, mean in zip(samples, (-0.2, -0.4, -1.0), strict=True):
        sample.rollout_log_probs = [mean, mean]
    [done] = slime.train(slime.arguments(empo_config=str(config)), [samples])
    assert done[0].metadata["empo_rewards"]["entropy"] == pytest.approx(0.497773, abs=1e-6)


def test_an_evaluation_is_the_accuracy_of_single_samples() -> None:
    args = slime.arguments()
    samples = [*group(2, 3, "4/2", label="2"), *group(5)]
    data = slime.load_function(args.eval_function_path)(args, 7, samples, evaluation=True)
    assert rewards_of(data[:3]) == [1, 0, 1]
    assert math.isnan(data[3].reward)  # no label: not known, which is not wrong
    branched = [group(2, 3, label="2")]
    [both] = slime.load_function(args.eval_function_path)(args, 7, branched, evaluation=True)
    assert rewards_of(both) == [1, 0]


def test_training_after_an_evaluation_has_its_groups() -> None:
    args = slime.arguments()
    slime.load_function(args.eval_function_path)(args, 0, group(2, 3, label="2"), evaluation=True)
    assert args.group_rm
    [done] = slime.train(args, [group(1, 1, 1, 2, label="2")])
    assert rewards_of(done) == [0.75, 0.75, 0.75, 0.25]


def test_the_log_has_the_means_of_the_metrics() -> None:
    args = slime.arguments()
    done = slime.train(args, [group(1, 1, 1, 1, label="1"), group(1, 1, 2, 3, label="2", index=1)])
    flat = [sample for samples in done for sample in samples]
    logged = slime.log_rollout_data(args, flat, {"rollout/dropped": 2})
    assert logged["rollout/dropped"] == 2
    expected = {"empo/largest_share": 0.75, "empo/accuracy": 0.625, "empo/labelled": 1, "empo/scored": 1}
    assert {name: logged[name] for name in expected} == expected
    assert slime.log_rollout_data(args, flat, None) == {"perf/rollout_time": 0.5}


def test_a_samples_metadata_say_its_answer_and_cluster() -> None:
    """They are in slime's debug dumps, and are not averaged for the log."""
    args = slime.arguments()
    [done] = slime.train(args, [group("1/2", 0.5, 3)])
    details = [sample.metadata["empo_rewards_details"] for sample in done]
    assert details == [
        {"answer": answer, "cluster": cluster, "share": share, "cause": ""}
        for answer, cluster, share in (("1/2", "0", "0.667"), ("0.5", "0", "0.667"), ("3", "1", "0.333"))
    ]
    assert "empo/answer" not in slime.log_rollout_data(args, done, {})


def test_the_arguments_that_are_shipped_name_what_there_is() -> None:
    script = find("presets") / "slime" / "empo_args.sh"
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", 'source "$0" && printf "%s\\n" "${EMPO_ARGS[@]}"', script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    given = {name: value for name, value in pairwise(lines) if name.startswith("--")}
    functions = {name: slime.load_function(value) for name, value in given.items() if value.startswith("empo_rewards.")}
    assert set(functions) == {"--custom-rm-path", "--eval-function-path", "--custom-rollout-log-function-path"}
    assert all(map(callable, functions.values()))
    args = slime.arguments(**yaml.safe_load(Path(given["--custom-config-path"]).read_text(encoding="utf-8")))
    [done_group] = slime.train(args, [group(1, 1, 1, 2)])
    assert rewards_of(done_group) == [0.75, 0.75, 0.75, 0.25]
