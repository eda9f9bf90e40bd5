"""Size of the installed package with its dependencies, and CPU time of its imports.

    python benchmarks/bench_install.py

Run it in an environment without other packages (pip and setuptools are not counted). Fails above the size stated in
the README.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import sysconfig
from pathlib import Path

PROMISED_MB = 70
NOT_COUNTED = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "wheel")
RUNS = 7


def size_mb(folder: Path) -> float:
    """Size of the files below a folder in megabytes (10^6 bytes), including byte code."""
    parts = [part for part in folder.iterdir() if not part.name.startswith(NOT_COUNTED)]
    files = [file for part in parts for file in (part.rglob("*") if part.is_dir() else [part]) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def import_seconds(code: str) -> float:
    """CPU time of an interpreter that runs `code`, minus that of one that runs nothing."""
    return statistics.median(_cpu(code) - _cpu("pass") for _ in range(RUNS))


def _cpu(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    size = size_mb(Path(sysconfig.get_path("purelib")))
    print(f"base install: {size:.0f} MB")
    for code in ("import empo_rewards", "from empo_rewards import Scorer", "from empo_rewards import equivalent"):
        print(f"{code}: {import_seconds(code):.2f} s of CPU")
    if size > PROMISED_MB:
        sys.exit(f"the base install is promised to take at most {PROMISED_MB} MB")
