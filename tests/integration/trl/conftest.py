"""Tests that need TRL: the session `trl` of noxfile.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is fetched: models are made here
sys.path.insert(0, str(Path(__file__).parent))
