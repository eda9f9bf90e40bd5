"""The examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_example_rollouts_are_what_their_script_prints() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "make_rollouts.py"], capture_output=True, check=True, env={"PYTHONUTF8": "1"}
    )
    assert done.stdout == (EXAMPLES / "rollouts.jsonl").read_bytes()
