"""The entry point of the command: it loads the command line, and an interrupt meanwhile ends it without a traceback."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from empo_rewards.cli import app  # noqa: PLC0415 - this takes most of a second
    except KeyboardInterrupt:
        sys.exit(130)
    app.main()


if __name__ == "__main__":
    main()
