"""Faults of every kind at once: whatever is paid is the offline score of its group, and the server recovers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from soak import Soak


def test_every_reward_that_is_paid_under_faults_is_the_offline_score_of_its_group(
    request: pytest.FixtureRequest, tmp_path: Path, figures: dict[str, Any]
) -> None:
    soak = Soak(tmp_path)
    tally = soak.run(request.config.getoption("--soak-minutes"))
    figures |= vars(tally)
    (tmp_path / "log").write_text(soak.log)
    assert tally.wrong == []
    assert tally.unanswered == 0
    assert tally.paid > tally.members / 2
    before, traceback, after = soak.log.partition("Traceback")
    assert not traceback, before[-500:] + traceback + after[:5_000]
