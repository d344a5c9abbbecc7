"""Runs in their directories: ownership, how they end, what is written."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from flexlock.errors import LockError, MissingDataError, OccupiedError
from flexlock.lock.document import read_lock
from flexlock.lock.identity import new_run_id
from flexlock.lock.record import RunLock
from flexlock.run import current_run, open_run, run_status


def sheet() -> RunLock:
    return RunLock(id=new_run_id(), timestamp="2026-01-01T00:00:00+00:00", config={"a": 1})


def side_file(folder: Path, name: str) -> dict[str, object]:
    return dict(json.loads((folder / name).read_text()))


def start(folder: Path, body: str) -> "subprocess.Popen[bytes]":
    """A process that opens a run, says so, and goes on with `body`."""
    code = (
        "import os, signal, sys, time; from pathlib import Path\n"
        "from flexlock.run import open_run\n"
        "from flexlock.lock.record import RunLock\n"
        "lock = RunLock(id='X' * 26, timestamp='2026-01-01T00:00:00+00:00')\n"
        "with open_run(Path(sys.argv[1]), lock=lock) as run:\n"
        "    print('open', flush=True)\n" + "".join(f"    {line}\n" for line in body.splitlines())
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    return process


def test_a_run_that_returns_is_complete(tmp_path: Path) -> None:
    with open_run(tmp_path / "new" / "run", lock=sheet()) as run:
        assert current_run() is run
        assert run_status(run.save_dir).name == "running"
        assert read_lock(run.sheet).status == "running"
        run.result = {"accuracy": 0.5}
    assert current_run() is None
    assert run_status(run.save_dir).name == "complete"
    assert read_lock(run.sheet).result == {"accuracy": 0.5}
    assert side_file(run.save_dir, "run.complete")["has_result"] is True
    assert not (run.save_dir / "run.owner").exists()


def test_an_exception_is_written_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_run(tmp_path, lock=sheet(), task_id="7"):
        1 / 0  # noqa: B018
    facts = side_file(tmp_path, "run.error")
    assert facts["exc_type"] == "ZeroDivisionError"
    assert facts["task_id"] == "7"
    assert "1 / 0" in str(facts["traceback"])
    status = run_status(tmp_path)
    assert (status.name, status.why) == ("failed", "ZeroDivisionError: division by zero")
    assert read_lock(tmp_path).status == "failed"


def test_the_next_success_removes_the_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), open_run(tmp_path, lock=sheet()):
        raise ValueError("no")
    with open_run(tmp_path, lock=sheet()):
        pass
    assert run_status(tmp_path).name == "complete"
    assert not (tmp_path / "run.error").exists()


@pytest.mark.parametrize(
    ("raised", "name", "why"),
    [
        (SystemExit(0), "complete", ""),
        (SystemExit(), "complete", ""),
        (SystemExit(4), "failed", "It ended with exit status 4."),
        (SystemExit("because"), "failed", "It ended with exit status 1."),
        (KeyboardInterrupt(), "interrupted", "It was stopped by SIGINT."),
    ],
)
def test_exits_are_written(tmp_path: Path, raised: BaseException, name: str, why: str) -> None:
    with pytest.raises(type(raised)), open_run(tmp_path, lock=sheet()):
        raise raised
    status = run_status(tmp_path)
    assert (status.name, status.why) == (name, why)
    assert read_lock(tmp_path).status == name


def test_termination_is_an_interruption(tmp_path: Path) -> None:
    process = start(tmp_path, "signal.pause()")
    process.terminate()
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    status = run_status(tmp_path)
    assert (status.name, status.why) == ("interrupted", "It was stopped by SIGTERM.")


def test_a_killed_run_is_lost_and_its_directory_free(tmp_path: Path) -> None:
    process = start(tmp_path, "signal.pause()")
    assert run_status(tmp_path).name == "running"
    process.kill()
    process.communicate()
    assert run_status(tmp_path).name == "lost"
    with open_run(tmp_path, lock=sheet()) as run:
        assert run_status(tmp_path).id == run.lock.id if run.lock else False
    assert run_status(tmp_path).name == "complete"
    assert (tmp_path / f"run.lock.{'X' * 26}").exists()


def test_a_live_run_is_not_disturbed(tmp_path: Path) -> None:
    process = start(tmp_path, "signal.pause()")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OccupiedError, match=str(process.pid)), open_run(tmp_path, lock=sheet()):
        pytest.fail("the block must not run")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    process.kill()
    process.communicate()


def test_one_process_cannot_run_twice_in_a_directory(tmp_path: Path) -> None:
    with open_run(tmp_path), pytest.raises(OccupiedError, match="This process"), open_run(tmp_path):
        pytest.fail("the block must not run")


def test_a_later_process_with_the_same_number_is_another(tmp_path: Path) -> None:
    facts = {"pid": os.getpid(), "started": "1", "host": os.uname().nodename, "boot": ""}
    (tmp_path / "run.owner").write_text(json.dumps(facts))
    with open_run(tmp_path) as run:
        assert run_status(run.save_dir).name == "running"


def test_a_run_elsewhere_cannot_be_told(tmp_path: Path) -> None:
    facts = {"pid": 1, "started": "1", "host": "elsewhere", "boot": "b"}
    (tmp_path / "run.owner").write_text(json.dumps(facts))
    status = run_status(tmp_path)
    assert (status.name, status.certain) == ("running", False)
    with pytest.raises(OccupiedError, match="remove"), open_run(tmp_path):
        pytest.fail("the block must not run")


def test_of_many_that_start_at_once_one_wins(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from flexlock.errors import OccupiedError; from flexlock.run import open_run\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    with open_run(Path(sys.argv[1])):\n"
        "        print('mine', flush=True); sys.stdin.readline()\n"
        "except OccupiedError:\n"
        "    print('taken', flush=True)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.stdout.readline() for process in processes if process.stdout]
    for process in processes:
        process.communicate("end\n")
    assert sorted(said) == ["mine\n"] + ["taken\n"] * 5


def test_earlier_sheets_are_kept(tmp_path: Path) -> None:
    first, second = sheet(), sheet()
    for lock in (first, second, sheet()):
        with open_run(tmp_path, lock=lock):
            pass
    assert read_lock(tmp_path / f"run.lock.{first.id}").status == "complete"
    assert read_lock(tmp_path / f"run.lock.{second.id}").status == "complete"
    assert run_status(tmp_path).id not in (first.id, second.id)


def test_a_damaged_earlier_sheet_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("{half")
    assert run_status(tmp_path).name == "corrupt"
    with open_run(tmp_path, lock=sheet()):
        pass
    kept = [p for p in tmp_path.iterdir() if p.name.startswith("run.lock.unread-")]
    assert [p.read_text() for p in kept] == ["{half"]
    assert run_status(tmp_path).name == "complete"


def test_a_richer_sheet_is_of_the_same_run(tmp_path: Path) -> None:
    with open_run(tmp_path, lock=sheet()) as run:
        assert run.lock is not None
        identity = run.lock.id
        run.write_lock(RunLock(id="other", timestamp="later", config={"a": 1, "b": 2}))
    lock = read_lock(tmp_path)
    assert (lock.id, lock.status, lock.config) == (identity, "complete", {"a": 1, "b": 2})
    assert not list(tmp_path.glob("run.lock.*"))


def test_values_that_are_not_data_keep_type_and_text(tmp_path: Path) -> None:
    with open_run(tmp_path, lock=sheet()) as run:
        run.result = {"path": Path("/x"), "nan": float("nan"), "list": (1, 2)}
    result = read_lock(tmp_path).result
    assert result["list"] == [1, 2]
    assert result["nan"] == "nan"
    assert result["path"]["repr"] == "PosixPath('/x')"


def test_a_huge_result_is_left_out_with_advice(tmp_path: Path) -> None:
    with open_run(tmp_path, lock=sheet()) as run:
        run.result = "x" * (2 << 20)
    lock = read_lock(tmp_path)
    assert lock.status == "complete"
    assert "Write it to a file" in lock.warnings[-1]
    assert (tmp_path / "run.lock").stat().st_size < 10_000


def test_declared_outputs_are_hashed(tmp_path: Path) -> None:
    with open_run(tmp_path, lock=sheet()) as run:
        (tmp_path / "out.txt").write_text("hello")
        run.outputs["report"] = tmp_path / "out.txt"
    output = read_lock(tmp_path).outputs["report"]
    assert (output.bytes, output.algorithm) == (5, "blake3")


def test_a_run_that_leaves_no_output_has_failed(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="report"), open_run(tmp_path, lock=sheet()) as run:
        run.outputs["report"] = tmp_path / "none.txt"
    assert run_status(tmp_path).name == "failed"
    assert read_lock(tmp_path).outputs == {}


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LockError, match="file"), open_run(tmp_path / "file" / "run"):
        pytest.fail("the block must not run")


def run_until_the_disk_is_full(folder: Path, lock: RunLock, result: object) -> None:
    with open_run(folder, lock=lock) as run:
        run.result = result
        with (folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while filler.write(b"x" * 4096):
                pass


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_at_the_end_loses_no_result(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("this system does not let us mount a small disk")
    try:
        lock = sheet()
        with pytest.raises(LockError, match="its result is in") as caught:
            run_until_the_disk_is_full(disk / "run", lock, {"score": 0.25})
        assert caught.value.facts["exit_status"] == 3
        kept = Path(str(caught.value).split("its result is in '")[1].split("'")[0])
        assert json.loads(kept.read_text())["result"] == {"score": 0.25}
        kept.unlink()
        assert read_lock(disk / "run").id == lock.id
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_killing_at_any_moment_leaves_a_whole_sheet(tmp_path: Path) -> None:
    body = (
        "run.result = 1\n"
        "run.__class__\n"
        "for n in range(10**6):\n"
        "    run.write_lock(RunLock(id='y', timestamp='t', config={'n': n, 'fill': 'x' * 2000}))"
    )
    for number in range(8):
        process = start(tmp_path, body)
        time.sleep(0.003 * number)  # a moment of its own for each, not a wait for something
        process.kill()
        process.communicate()
        assert read_lock(tmp_path).status == "running"
        assert run_status(tmp_path).name == "lost"
