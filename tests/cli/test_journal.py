"""The output of a job: after a kill at any time it is completed without loss or duplicates."""

from __future__ import annotations

import gzip
import itertools
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from empo_rewards.cli import journal as journal_module
from empo_rewards.cli import outputs as outputs_module
from empo_rewards.cli.journal import open_journal, read_records
from empo_rewards.errors import InputError
from empo_rewards.reading.rollouts import read_groups

SETTINGS = {"config": {"preset": "empo-math"}, "group_size": None}
MODES: list[dict[str, bool]] = [{}, {"resume": True}, {"overwrite": True}]


def write_input(path: Path, count: int) -> Path:
    """Groups, with a bad row after every third."""
    with path.open("w") as file:
        for n in range(count):
            file.write(json.dumps({"id": n, "prompt": f"p{n}", "responses": ["ä" * (n % 7), str(n)]}) + "\n")
            if n % 3 == 2:
                file.write(f'{{"bad": {n}\n')
    return path


def run_job(source: Path, out: Path, *, resume: bool = False, overwrite: bool = False, pause: float = 0.0) -> int:
    """Writes what is pending; how many groups the output then holds."""
    with open_journal(out, source=source, settings=SETTINGS, resume=resume, overwrite=overwrite) as journal:
        for item in journal.pending(read_groups(source)):
            time.sleep(pause)
            journal.write({"id": item.group.id, "line": item.line, "text": item.group.responses[0]})
    return journal.groups_done


def contents(out: Path) -> dict[str, bytes]:
    """The files of a job by what follows OUT in their names."""
    return {path.name.removeprefix(out.name): path.read_bytes() for path in out.parent.glob(out.name + "*")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_input(tmp_path / "in.jsonl", 10)


def outputs(tmp_path: Path, name: str) -> tuple[Path, Path]:
    """Where the job under test writes, and where an uninterrupted one does."""
    for folder in ("job", "whole"):
        (tmp_path / folder).mkdir()
    return tmp_path / "job" / name, tmp_path / "whole" / name


class TestWriting:
    def test_one_line_a_group_in_input_order_and_bad_rows_apart(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        assert run_job(source, out) == 10
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert [line["id"] for line in lines] == [str(n) for n in range(10)]
        rejected = [json.loads(line) for line in (tmp_path / "out.jsonl.rejected.jsonl").read_text().splitlines()]
        assert [(row["line"], row["row"]) for row in rejected] == [
            (4, '{"bad": 2'),
            (8, '{"bad": 5'),
            (12, '{"bad": 8'),
        ]
        assert all("malformed JSON" in row["cause"] and row["source"] == str(source) for row in rejected)

    def test_no_file_of_rejected_rows_where_there_are_none(self, tmp_path: Path) -> None:
        source = write_input(tmp_path / "in.jsonl", 2)
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        assert sorted(contents(out)) == ["", ".journal.json"]

    def test_gzip(self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journal_module, "MEMBER_BYTES", 100)
        out = tmp_path / "out.jsonl.gz"
        run_job(source, out)
        assert [record["id"] for record in read_records(out)] == [str(n) for n in range(10)]
        assert out.read_bytes().count(b"\x1f\x8b\x08") > 1

    def test_read_records_of_a_plain_file(self, source: Path, tmp_path: Path) -> None:
        run_job(source, tmp_path / "out.jsonl")
        assert [record["line"] for record in read_records(tmp_path / "out.jsonl")] == [1, 2, 3, 5, 6, 7, 9, 10, 11, 13]

    def test_a_line_is_there_as_soon_as_it_is_written(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        with open_journal(out, source=source, settings=SETTINGS) as journal:
            journal.write({"id": "0"})
            size = out.stat().st_size
            assert size == len('{"id": "0"}\n')

    def test_text_that_no_utf8_carries(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        with open_journal(out, source=source, settings=SETTINGS) as journal:
            journal.write({"answer": "\ud800"})
        assert json.loads(out.read_bytes()) == {"answer": "\ud800"}

    def test_a_number_that_json_has_no_form_for(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        with (
            open_journal(out, source=source, settings=SETTINGS) as journal,
            pytest.raises(InputError, match=r"out\.jsonl: the record of 'g' cannot be written"),
        ):
            journal.write({"id": "g", "entropy": float("nan")})
        assert out.read_bytes() == b""

    @pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
    def test_a_file_that_takes_no_more_ends_with_a_whole_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        source = write_input(tmp_path / "in.jsonl", 40)
        out, whole = outputs(tmp_path, name)
        monkeypatch.setattr(journal_module, "MEMBER_BYTES", 100)
        run_job(source, whole)

        def limited_job() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            with pytest.raises(InputError, match="cannot be written: File too large"):
                run_job(source, out)

        assert in_child(limited_job) == 0
        assert 0 < len(list(read_records(out))) < 40
        run_job(source, out, resume=True)
        assert list(read_records(out)) == list(read_records(whole))

    def test_a_compressed_output_is_about_as_small_as_gzip_makes_it(self, tmp_path: Path) -> None:
        source = write_input(tmp_path / "in.jsonl", 2_000)
        out = tmp_path / "out.jsonl.gz"
        run_job(source, out)
        assert out.stat().st_size < 1.1 * len(gzip.compress(gzip.decompress(out.read_bytes())))


class TestResuming:
    def test_a_finished_job_has_nothing_left_to_do(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        before = contents(out)
        run_job(source, out, resume=True)
        assert contents(out) == before

    def test_a_job_that_never_began_begins(self, source: Path, tmp_path: Path) -> None:
        run_job(source, tmp_path / "out.jsonl", resume=True)
        assert len(list(read_records(tmp_path / "out.jsonl"))) == 10

    def test_groups_with_one_id_are_counted_not_compared(self, tmp_path: Path) -> None:
        source = tmp_path / "in.jsonl"
        source.write_text('{"id": "same", "prompt": "p", "responses": ["a"]}\n' * 4)
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        whole = out.read_bytes()
        out.write_bytes(whole[: len(whole) // 2 + 3])
        run_job(source, out, resume=True)
        assert out.read_bytes() == whole

    @pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
    def test_any_torn_end(self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setattr(journal_module, "MEMBER_BYTES", 150)
        out = tmp_path / name
        run_job(source, out)
        whole = contents(out)
        for size in range(0, len(whole[""]) + 1, 3):
            out.write_bytes(whole[""][:size])
            rejected = whole[".rejected.jsonl"]
            (tmp_path / f"{name}.rejected.jsonl").write_bytes(rejected[: size % len(rejected)])
            run_job(source, out, resume=True)
            assert contents(out) == whole

    @pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
    def test_zeros_after_a_power_cut(self, source: Path, tmp_path: Path, name: str) -> None:
        out = tmp_path / name
        run_job(source, out)
        whole = out.read_bytes()
        out.write_bytes(whole + b"\0" * 5_000)
        run_job(source, out, resume=True)
        assert out.read_bytes() == whole

    def test_overwriting_begins_anew(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        smaller = write_input(tmp_path / "smaller.jsonl", 2)
        run_job(smaller, out, overwrite=True)
        assert [record["id"] for record in read_records(out)] == ["0", "1"]
        assert sorted(contents(out)) == ["", ".journal.json"]


class TestRefusing:
    def test_both_switches(self, source: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="exclude each other"):
            run_job(source, tmp_path / "out.jsonl", resume=True, overwrite=True)

    def test_an_output_that_exists(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        before = contents(out)
        with pytest.raises(InputError, match=r"out\.jsonl exists: --resume .*--overwrite"):
            run_job(source, out)
        assert contents(out) == before

    def test_rejected_rows_that_exist(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "out.jsonl.rejected.jsonl").write_text("precious\n")
        with pytest.raises(InputError, match=r"rejected\.jsonl exists"):
            run_job(source, tmp_path / "out.jsonl")

    @pytest.mark.parametrize(
        ("change", "difference"),
        [
            (
                lambda job: job["settings"]["config"].update(preset="ttrl"),
                'settings.config.preset was "ttrl", is "empo-math"',
            ),
            (lambda job: job["settings"].update(group_size=8), "settings.group_size was 8, is null"),
            (lambda job: job.update(version="0.0.1"), 'version was "0.0.1", is '),
            (lambda job: job["input"][0].update(bytes=1), "input[0].bytes was 1, is "),
            (lambda job: job["input"].append({}), "input was "),
        ],
    )
    def test_another_job(
        self, source: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], difference: str
    ) -> None:
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        sidecar = tmp_path / "out.jsonl.journal.json"
        job = json.loads(sidecar.read_text())
        change(job)
        sidecar.write_text(json.dumps(job))
        with pytest.raises(InputError) as error:
            run_job(source, out, resume=True)
        assert difference in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("position", [0, 0.5, -2])
    def test_an_input_in_which_one_byte_has_changed(self, tmp_path: Path, position: float) -> None:
        source = write_input(tmp_path / "in.jsonl", 5_000)
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        data = bytearray(source.read_bytes())
        data[position if isinstance(position, int) else int(position * len(data))] ^= 1
        source.write_bytes(data)
        with pytest.raises(InputError, match=r"input\[0\]\.sha256 was"):
            run_job(source, out, resume=True)

    def test_a_folder_of_which_one_dump_has_changed(self, tmp_path: Path) -> None:
        dumps = tmp_path / "dumps"
        dumps.mkdir()
        for step in range(3):
            write_input(dumps / f"{step}.jsonl", 2)
        out = tmp_path / "out.jsonl"
        run_job(dumps, out)
        (dumps / "1.jsonl").write_text((dumps / "1.jsonl").read_text().replace("p1", "p9"))
        with pytest.raises(InputError, match=r"input\[1\]\.sha256 was"):
            run_job(dumps, out, resume=True)

    def test_an_output_without_its_sidecar(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        (tmp_path / "out.jsonl.journal.json").unlink()
        with pytest.raises(InputError, match=r"out\.jsonl\.journal\.json.*is missing"):
            run_job(source, out, resume=True)

    def test_a_sidecar_that_is_damaged(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        (tmp_path / "out.jsonl.journal.json").write_text("{")
        with pytest.raises(InputError, match="cannot be read"):
            run_job(source, out, resume=True)

    def test_an_output_that_something_else_added_to(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        with out.open("a") as file:
            file.write("{}\n")
        with pytest.raises(InputError, match="something else wrote to it"):
            run_job(source, out, resume=True)

    def test_standard_input(self, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        with open_journal(out, source="-", settings=SETTINGS):
            pass
        with pytest.raises(InputError, match="cannot be resumed: save the rollouts to a file"):
            run_job(Path("-"), out, resume=True)

    def test_a_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="cannot be resumed"):
            run_job(tmp_path / "pipe", tmp_path / "out.jsonl", resume=True)

    def test_an_output_that_would_be_part_of_the_input(self, source: Path, tmp_path: Path) -> None:
        before = source.read_bytes()
        for mode in MODES:
            with pytest.raises(InputError, match="part of the input"):
                run_job(source, source, **mode)
        assert source.read_bytes() == before
        dumps = tmp_path / "dumps"
        dumps.mkdir()
        write_input(dumps / "1.jsonl", 1)
        with pytest.raises(InputError, match="part of the input"):
            run_job(dumps, dumps / "out.jsonl")

    @pytest.mark.parametrize("part", ["", ".rejected.jsonl", ".journal.json"])
    @pytest.mark.parametrize("link", [os.link, os.symlink])
    def test_a_file_of_the_output_that_is_the_input_under_another_name(
        self, source: Path, tmp_path: Path, part: str, link: Callable[[Path, Path], None]
    ) -> None:
        before = source.read_bytes()
        link(source, tmp_path / f"out.jsonl{part}")
        for mode in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match="part of the input"):
                run_job(source, tmp_path / "out.jsonl", **mode)
        assert source.read_bytes() == before

    def test_an_output_that_is_standard_input(self, source: Path, tmp_path: Path) -> None:
        before = source.read_bytes()

        def from_itself() -> None:
            os.dup2(os.open(source, os.O_RDONLY), 0)
            run_job(Path("-"), source, overwrite=True)

        assert in_child(from_itself) == 1
        assert source.read_bytes() == before

    def test_a_folder_that_is_missing_and_a_name_that_is_too_long(self, source: Path, tmp_path: Path) -> None:
        for out in (tmp_path / "missing" / "out.jsonl", source / "out.jsonl"):
            with pytest.raises(InputError, match="does not exist"):
                run_job(source, out)
        with pytest.raises(InputError, match="File name too long"):
            run_job(source, tmp_path / ("o" * 250))
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(InputError, match="symbolic links"):
            run_job(source, tmp_path / "loop")

    @pytest.mark.parametrize("part", ["", ".rejected.jsonl", ".journal.json"])
    @pytest.mark.parametrize(
        "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/full")], ids=["folder", "fifo", "device"]
    )
    def test_a_part_of_the_output_that_is_no_file(
        self, source: Path, tmp_path: Path, part: str, make: Callable[[Path], None]
    ) -> None:
        make(tmp_path / f"out.jsonl{part}")
        for mode in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match="must be a file"):
                run_job(source, tmp_path / "out.jsonl", **mode)

    def test_a_second_process(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        with open_journal(out, source=source, settings=SETTINGS) as journal:
            journal.write({"id": "0"})
            assert len(list(read_records(out))) == 1  # reading it does not unlock it
            for mode in MODES:
                assert in_child(lambda mode=mode: run_job(source, out, **mode)) == 1
            assert len(out.read_bytes().splitlines()) == 1
        assert in_child(lambda: run_job(source, out, resume=True)) == 0

    @pytest.mark.parametrize("name", ["symbolic", "hard", "folder/out.jsonl", "../{tmp}/out.jsonl"])
    def test_a_second_process_that_reaches_the_output_by_another_name(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        out = tmp_path / "out.jsonl"
        out.touch()
        (tmp_path / "symbolic").symlink_to(out)
        (tmp_path / "hard").hardlink_to(out)
        (tmp_path / "folder").symlink_to(tmp_path)
        other = Path(name.format(tmp=tmp_path.name))
        assert other.samefile(out)
        with open_journal(out, source=source, settings=SETTINGS, overwrite=True) as journal:
            journal.write({"id": "0"})
            files = set(tmp_path.iterdir())
            for mode in MODES:
                assert in_child(lambda mode=mode: run_job(source, other, **mode)) == 1
            journal.write({"id": "1"})
            assert set(tmp_path.iterdir()) == files
        assert [record["id"] for record in read_records(out)] == ["0", "1"]

    @pytest.mark.parametrize("part", [".rejected.jsonl", ".journal.json"])
    def test_a_second_process_whose_output_is_what_lies_beside_the_first_one_s(
        self, source: Path, tmp_path: Path, part: str
    ) -> None:
        out = tmp_path / "out.jsonl"
        run_job(source, out)
        before = contents(out)
        with open_journal(out, source=source, settings=SETTINGS, resume=True):
            assert in_child(lambda: run_job(source, Path(f"{out}{part}"), overwrite=True)) == 1
        assert contents(out) == before

    def test_two_processes_at_once(self, source: Path, tmp_path: Path) -> None:
        """Whichever wins: what is there is the work of one job, whole."""
        other = write_input(tmp_path / "other.jsonl", 30)
        out, whole = outputs(tmp_path, "out.jsonl")
        whole_of = {}
        for given in (source, other):
            run_job(given, whole, overwrite=True)
            whole_of[given] = contents(whole)
        context = multiprocessing.get_context("fork")
        for round_ in range(20):
            mode = MODES[round_ % 3]
            start = context.Barrier(2)

            def race(given: Path, mode: dict[str, bool] = mode, start: Any = start) -> None:
                start.wait()
                run_job(given, out, **mode)

            jobs = [context.Process(target=refused_or_done, args=(race, given)) for given in (source, other)]
            for job in jobs:
                job.start()
            for job in jobs:
                job.join()
            codes = [job.exitcode for job in jobs]
            assert 0 in codes
            assert set(codes) <= {0, 1}
            done = [whole_of[given] for given, code in zip((source, other), codes, strict=True) if code == 0]
            assert contents(out) in done, mode
            for path in out.parent.iterdir():
                path.unlink()

    def test_resuming_where_another_job_may_have_written_by_a_second_name(self, source: Path, tmp_path: Path) -> None:
        out, second = tmp_path / "out.jsonl", tmp_path / "second.jsonl"
        run_job(source, out)
        second.hardlink_to(out)
        other = write_input(tmp_path / "other.jsonl", 4)
        run_job(other, second, overwrite=True)
        with pytest.raises(InputError, match="a hard link"):
            run_job(source, out, resume=True)

    def test_resuming_by_another_name(self, source: Path, tmp_path: Path) -> None:
        out, link = tmp_path / "out.jsonl", tmp_path / "elsewhere" / "link.jsonl"
        link.parent.mkdir()
        link.symlink_to(out)
        run_job(source, out)
        whole = contents(out)
        out.write_bytes(whole[""][:-20])
        run_job(source, link, resume=True)
        assert contents(out) == whole
        assert list(link.parent.iterdir()) == [link]

    @pytest.mark.parametrize("move", ["rename", "delete", "replace", "delete the folder"])
    @pytest.mark.parametrize("moment", ["before a line", "after the last line"])
    def test_an_output_that_is_moved_while_it_is_written(
        self, source: Path, tmp_path: Path, move: str, moment: str
    ) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        out, other = folder / "out.jsonl", tmp_path / "other.jsonl"

        def moved() -> None:
            if move == "rename":
                out.rename(other)
            elif move == "replace":
                other.touch()
                other.replace(out)
            else:
                out.unlink()
            if move == "delete the folder":
                shutil.rmtree(folder)

        def job() -> None:
            with open_journal(out, source=source, settings=SETTINGS) as journal:
                journal.write({"id": "0"})
                moved()
                if moment == "before a line":
                    journal.write({"id": "1"})
                    raise AssertionError("it was written")

        with pytest.raises(InputError, match=r"out\.jsonl was moved, replaced or deleted"):
            job()
        if move == "rename":
            assert [record["id"] for record in read_records(other)] == ["0"]
        if move == "replace":
            assert out.read_bytes() == b""

    def test_a_forked_child_that_outlives_a_killed_process_does_not_keep_others_out(
        self, source: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.jsonl"
        survivor = multiprocessing.get_context("fork").Value("i", 0)

        def killed_job() -> None:
            with open_journal(out, source=source, settings=SETTINGS):
                if os.fork() == 0:
                    survivor.value = os.getpid()  # it has given up what it inherited
                    time.sleep(600)
                while not survivor.value:
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGKILL)

        assert in_child(killed_job) == -signal.SIGKILL
        try:
            assert run_job(source, out, resume=True) == 10
        finally:
            os.kill(survivor.value, signal.SIGKILL)


def refused_or_done(action: Callable[..., object], *arguments: object) -> None:
    """Ends this process: 0 done, 1 an InputError."""
    try:
        action(*arguments)
    except InputError:
        os._exit(1)
    os._exit(0)


def in_child(action: Callable[[], object]) -> int | None:
    """Runs something in a forked process: 0 done, 1 an InputError, -9 killed."""
    process = multiprocessing.get_context("fork").Process(target=refused_or_done, args=(action,))
    process.start()
    process.join()
    return process.exitcode


def trace_journal(at_line: Callable[[int], None]) -> None:
    """Calls a function before each line of the journal's code, with a number that identifies the line."""

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        if frame.f_code.co_filename not in (journal_module.__file__, outputs_module.__file__):
            return None
        if event == "line":
            at_line(hash((frame.f_code.co_filename, frame.f_lineno)))
        return trace

    sys.settrace(trace)


def kill_at_line(step: int) -> None:
    """Kills this process before the n-th line of the journal's code that it executes."""
    steps = itertools.count(1)
    trace_journal(lambda line: os.kill(os.getpid(), signal.SIGKILL) if next(steps) == step else None)


def kill_at_byte(size: int) -> None:
    """Kills this process where it writes beyond so many bytes of a file; those before are written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def lines_executed(job: Callable[[], object], file: Path) -> list[int]:
    """The numbers of the lines of the journal's code that a job executes, in their order."""
    lines: list[int] = []

    def traced() -> None:
        trace_journal(lines.append)
        job()
        sys.settrace(None)
        file.write_text(json.dumps(lines))

    assert in_child(traced) == 0
    return json.loads(file.read_text())


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
@pytest.mark.parametrize("first", [{}, {"overwrite": True}], ids=["new", "overwrite"])
@pytest.mark.parametrize(("kill", "killed_by"), [(kill_at_line, signal.SIGKILL), (kill_at_byte, signal.SIGXFSZ)])
def test_killed_anywhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    figures: dict[str, int],
    name: str,
    first: dict[str, bool],
    kill: Callable[[int], None],
    killed_by: signal.Signals,
) -> None:
    """Before every sixth of the first and last executions of lines, and at every 18th byte; `--exhaustive`: at each."""
    monkeypatch.setattr(journal_module, "MEMBER_BYTES", 100)
    source = write_input(tmp_path / "in.jsonl", 3)
    other = write_input(tmp_path / "other.jsonl", 4)
    out, whole = outputs(tmp_path, name)
    run_job(source, whole)
    expected = contents(whole)

    def begin() -> None:
        for path in out.parent.iterdir():
            path.unlink()
        if first:
            run_job(other, out)

    def deadly_job(moment: int, mode: dict[str, bool]) -> int | None:
        return in_child(lambda: (kill(moment), run_job(source, out, **mode)))

    begin()
    lines = lines_executed(lambda: run_job(source, out, **first), tmp_path / "lines")
    every = request.config.getoption("--exhaustive")
    if kill is kill_at_byte:
        moments = list(range(1, max(map(len, expected.values())), 1 if every else 18))
    elif every:
        moments = list(range(1, len(lines) + 1))
    else:
        firsts = {line: step for step, line in reversed(list(enumerate(lines, 1)))}
        lasts = {line: step for step, line in enumerate(lines, 1)}
        moments = sorted({*firsts.values(), *lasts.values()})[::6]
    for moment in moments:
        begin()
        assert deadly_job(moment, first) == -killed_by
        # Killed in a resumed run too, at a moment that differs from round to round.
        deadly_job(37 * moment % 101 + 1, {"resume": True})
        if deadly_job(10**9, {"resume": True}) != 0:
            assert first, "killed before the old output had gone: what is left is refused as another job's"
            run_job(source, out, overwrite=True)
        assert contents(out) == expected
    assert len(moments) > 10
    figures["kills"] = len(moments)


JOB = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_journal
test_journal.run_job(Path(sys.argv[2]), Path(sys.argv[3]), resume=True, pause=0.002)
"""


def test_killed_from_outside_at_random_moments(tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", 300)
    out, whole = outputs(tmp_path, "out.jsonl")
    run_job(source, whole)
    moments = random.Random(20)
    kills = 0
    while True:
        process = subprocess.Popen([sys.executable, "-c", JOB, Path(__file__).parent, source, out])
        lines_before = out.read_bytes().count(b"\n") if out.exists() else 0
        while process.poll() is None:
            # The moment is counted from the first new line, so that every run gets on however slow its start is.
            if out.exists() and out.read_bytes().count(b"\n") > lines_before:
                time.sleep(moments.uniform(0, 0.2))
                process.kill()
                break
            time.sleep(0.002)
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
    assert kills >= 2
    assert contents(out) == contents(whole)


def test_gzip_members_are_what_gzip_reads(source: Path, tmp_path: Path) -> None:
    run_job(source, tmp_path / "out.jsonl")
    run_job(source, tmp_path / "out.jsonl.gz")
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == (tmp_path / "out.jsonl").read_bytes()
