"""Waits until all nodes have joined ray's cluster: `python3 -m empo_rewards.integrations.verl.nodes NODES [SECONDS]`.

verl asks for all GPUs when it starts, and fails where a node is still missing.
"""

from __future__ import annotations

import sys
import time

import ray

from empo_rewards.errors import EmpoError

PAUSE_SECONDS = 1.0


def wait_for_nodes(count: int, seconds: float) -> None:
    """Return when at least `count` nodes are alive.

    Raises:
        EmpoError: they were not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while (alive := sum(node["Alive"] for node in ray.nodes())) < count:
        if time.monotonic() > deadline:
            raise EmpoError(
                f"{alive} of {count} nodes have joined within {seconds:g} s: start the others, or set NODES"
            )
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Wait in the cluster that ray's own rules find (`RAY_ADDRESS`, or the one of this machine)."""
    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    try:
        wait_for_nodes(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 900)
    except EmpoError as error:
        sys.exit(f"error: {error}")
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
