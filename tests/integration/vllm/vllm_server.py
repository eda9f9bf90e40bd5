"""vLLM's OpenAI-compatible server, as a process that tests may stop and kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

STARTS_WITHIN = 300.0
"""Seconds; a busy machine of two cores has needed a hundred."""

ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


class VllmServer:
    """The server's processes: the API and, below it, the engine.

    Args:
        names: by which it knows the model.
        length: the longest prompt with its response, in tokens.
    """

    def __init__(
        self, model: Path, log: Path, port: int | None = None, names: Sequence[str] = ("tiny",), length: int = 512
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port or int(free.getsockname()[1])
        self.log = log
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
        command += ["--served-model-name", *names, "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--dtype", "float32", "--max-model-len", str(length), "--max-num-seqs", "16", "--enforce-eager"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **ENVIRONMENT},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def wait(self) -> None:
        """Until it serves."""
        until = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.5)
        raise RuntimeError(f"vLLM does not serve: {self.log.read_text(errors='replace')[-3000:]}")

    def signal(self, number: signal.Signals) -> None:
        """To all of its processes."""
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """At once."""
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
        self._process.wait()
