"""Caches of backends: bounded, keyed by content, shared between processes, without effect on results."""

from __future__ import annotations

import logging
import multiprocessing
import sqlite3
import threading
from pathlib import Path

import pytest

from empo_rewards import ConfigError
from empo_rewards.equivalence.memory import BATCH, ContentMemory, fingerprint
from empo_rewards.equivalence.rounds import Pair


def memory(
    path: Path | None = None, size: int = 1_000, namespace: tuple[str, ...] = ("test",)
) -> ContentMemory[object, str]:
    return ContentMemory(namespace, size, None if path is None else str(path), str.encode, bytes.decode)


def test_values_come_back_by_content() -> None:
    kept = memory()
    kept.put_many({Pair("a", "b"): "one", Pair("a", "b", "prompt"): "two", "\ud800": "three"})
    asked = [Pair("a", "b"), Pair("a", "b", "prompt"), Pair("a", "c"), "\ud800"]
    assert kept.get_many(asked) == {Pair("a", "b"): "one", Pair("a", "b", "prompt"): "two", "\ud800": "three"}


def test_memory_is_bounded_and_the_file_keeps_the_rest(tmp_path: Path) -> None:
    keys = [f"text {k}" for k in range(3 * BATCH)]
    small, filed = memory(size=10), memory(tmp_path / "cache.sqlite", size=10)
    for kept in (small, filed):
        kept.put_many({key: key.upper() for key in keys})
    assert small.get_many(keys) == {key: key.upper() for key in keys[-10:]}
    assert filed.get_many(keys) == {key: key.upper() for key in keys}


def test_a_file_serves_another_instance_of_the_same_namespace_only(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    memory(path).put_many({"key": "value"})
    assert memory(path).get_many(["key"]) == {"key": "value"}
    assert memory(path, namespace=("another",)).get_many(["key"]) == {}
    assert b"key" not in path.read_bytes(), "texts do not go to the file"


def test_threads_share_a_file(tmp_path: Path) -> None:
    kept = memory(tmp_path / "cache.sqlite", size=1)

    def write(start: int) -> None:
        for k in range(start, start + 50):
            kept.put_many({f"{k}": f"value {k}"})

    threads = [threading.Thread(target=write, args=(50 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [f"{k}" for k in range(200)]
    assert kept.get_many(keys) == {key: f"value {key}" for key in keys}


def _in_a_child(kept: ContentMemory[object, str], answers: multiprocessing.Queue[dict[object, str]]) -> None:
    kept.put_many({"child": "two"})
    answers.put(kept.get_many(["parent", "child"]))


def test_a_forked_child_has_a_memory_of_its_own_and_the_same_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    kept = memory(tmp_path / "cache.sqlite")
    kept.put_many({"parent": "one"})
    answers: multiprocessing.Queue[dict[object, str]] = context.Queue()
    child = context.Process(target=_in_a_child, args=(kept, answers))
    child.start()
    assert answers.get(timeout=60) == {"parent": "one", "child": "two"}
    child.join()
    assert kept.get_many(["parent", "child"]) == {"parent": "one", "child": "two"}


def test_a_file_that_cannot_be_used_is_said_once_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"this is no database, however long it may be" * 100)
    kept = memory(path)
    with caplog.at_level(logging.WARNING, logger="empo_rewards"):
        for _ in range(3):
            kept.put_many({"key": "value"})
            assert kept.get_many(["key", "other"]) == {"key": "value"}
    assert len(caplog.records) == 1
    assert "not a database" in caplog.text
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(path).execute("SELECT 1 FROM entries")


def test_a_folder_that_is_not_there_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="its folder does not exist"):
        memory(tmp_path / "missing" / "cache.sqlite")


def test_a_models_fingerprint_changes_with_its_files(tmp_path: Path) -> None:
    assert fingerprint("org/model") == "org/model"
    (tmp_path / "config.json").write_text("{}")
    first = fingerprint(str(tmp_path))
    assert fingerprint(str(tmp_path)) == first
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert fingerprint(str(tmp_path)) != first
