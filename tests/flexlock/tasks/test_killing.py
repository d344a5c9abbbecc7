"""Whatever is killed, repeating the command ends with every task done once.

``FLEXLOCK_TEST_KILLS`` is how often the run of a hundred tasks is killed, three times by default.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flexlock.lock.document import read_lock
from flexlock.run import run_status
from flexlock.run.owner import is_alive
from sweeps import Sweep, until

KILLS = int(os.environ.get("FLEXLOCK_TEST_KILLS", "3"))

HUNDRED = """
import os, time
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    save_dir = "out"

def note(what):
    with open("journal", "a") as file:
        file.write(f"{what}\\n")

@clicfg(config_class=Config)
def main(cfg):
    note(f"start {cfg.param}")
    time.sleep(0.01 if cfg.param % 5 else 0.05)
    note(f"end {cfg.param}")
    return cfg.param

if __name__ == "__main__":
    main()
"""

WAITING = """
import os, signal, time
from pathlib import Path
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    stubborn = False
    save_dir = "out"

@clicfg(config_class=Config)
def main(cfg):
    with open("journal", "a") as file:
        file.write(f"start {cfg.param}\\n")
    if cfg.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        while not Path("go").exists():
            time.sleep(0.02)
    finally:
        with open("journal", "a") as file:
            file.write(f"end {cfg.param}\\n")
    return cfg.param

if __name__ == "__main__":
    main()
"""

SELF_KILLING = """
import os
from pathlib import Path
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    save_dir = "out"

@clicfg(config_class=Config)
def main(cfg):
    print("begin", cfg.param, flush=True)
    once = Path(f"once{cfg.param}")
    if cfg.param == 2 or (cfg.param == 3 and not once.exists()):
        once.touch()
        os.kill(os.getpid(), 9)
    return cfg.param

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    yield Sweep(tmp_path)
    (tmp_path / "go").touch()  # so that nothing waits on after a test that failed


def living(sweep: Sweep) -> list[int]:
    """Return the processes of workers that have not said goodbye."""
    rows = sweep.rows() and sweep.workers()
    return [row.process.pid for row in rows if row.ended is None and is_alive(row.process)]


def until_more(sweep: Sweep, process: subprocess.Popen[str]) -> None:
    """Wait until a task of the command writes something, or the command ends."""
    before = len(sweep.journal())
    until(lambda: len(sweep.journal()) > before or process.poll() is not None)


def kill_something(sweep: Sweep, controller_pid: int, chance: random.Random) -> None:
    workers = living(sweep)
    victims = [controller_pid, *workers] if chance.random() < 0.5 else workers or [controller_pid]
    victim = chance.choice(victims)
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_a_run_that_is_killed_again_and_again_loses_and_doubles_nothing(sweep: Sweep) -> None:
    chance = random.Random()
    sweep.write(HUNDRED, 100)
    kills = 0
    while kills < KILLS and set(sweep.states()) != {"done"}:
        process = sweep.start("--n_jobs=2", "-q")
        until_more(sweep, process)
        time.sleep(chance.uniform(0, 0.5))
        kill_something(sweep, process.pid, chance)
        kills += 1
        time.sleep(chance.uniform(0, 0.3))
        process.kill()
        process.communicate()
    done = sweep.run("--n_jobs=2")
    assert done.returncode == 0, done.stderr
    rows = sweep.rows()
    assert [(row.state, row.outcome.result) for row in rows] == [("done", n) for n in range(1, 101)]
    ends = Counter(line for line in sweep.journal() if line.startswith("end"))
    assert len(ends) == 100
    # A process can die between the last line of a task and the mark of its end.
    assert sum(ends.values()) <= 100 + 2 * kills
    starts = sum(line.startswith("start") for line in sweep.journal())
    # It can also die after the sheet of an attempt and before its first line.
    assert starts <= sum(row.attempt for row in rows) <= starts + 2 * kills
    assert all(run_status(sweep.root / row.directory).name == "complete" for row in rows)


def test_a_task_that_kills_its_worker_is_tried_twice_and_named(sweep: Sweep) -> None:
    sweep.write(SELF_KILLING, 5)
    done = sweep.run("--n_jobs=2", "-q")
    assert done.returncode == 1
    rows = sweep.rows()
    assert [row.state for row in rows] == ["done", "failed", "done", "done", "done"]
    assert [row.attempt for row in rows] == [1, 2, 2, 1, 1]
    assert rows[1].outcome.reason.startswith("killed by SIGKILL")
    assert "param=2 failed: killed by SIGKILL" in done.stderr
    assert (sweep.root / "param=2" / "stdout.log").read_text() == "begin 2\n"
    assert (sweep.root / "param=2" / "stdout.log.1").read_text() == "begin 2\n"
    assert run_status(sweep.root / "param=2").name == "interrupted"
    once = sweep.run("--n_jobs=2", "-q", "--max_attempts", "1")
    assert once.returncode == 1
    assert sweep.rows()[1].attempt == 3


def test_ctrl_c_interrupts_the_tasks_and_the_same_command_goes_on(sweep: Sweep) -> None:
    sweep.write(WAITING, 4)
    process = sweep.start("--n_jobs=2")
    until(lambda: len(sweep.journal()) == 2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert sorted(sweep.states()) == ["interrupted", "interrupted", "pending", "pending"]
    assert sum(line.startswith("end") for line in sweep.journal()) == 2
    assert "param=1 interrupted: stopped by SIGTERM" in errors
    assert read_lock(sweep.root).status == "interrupted"
    assert read_lock(sweep.root / "param=1").status == "interrupted"
    assert living(sweep) == []
    (sweep.folder / "go").touch()
    assert sweep.run("--n_jobs=2").returncode == 0
    assert sweep.states() == ["done"] * 4


def test_a_second_ctrl_c_does_not_wait(sweep: Sweep) -> None:
    sweep.write(WAITING, 2)
    process = sweep.start("--n_jobs=2", "-o", "stubborn=true")
    until(lambda: len(sweep.journal()) == 2)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    until(lambda: sweep.states() and _stop_noted(sweep))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - started < 8
    assert sweep.states() == ["interrupted", "interrupted"]
    assert living(sweep) == []


def _stop_noted(sweep: Sweep) -> bool:
    from flexlock.tasks.queue.opening import find_queue

    queue = find_queue(sweep.root)
    note = queue.read_note("stop")
    queue.close()
    return note is not None


def test_signals_to_a_run_in_one_process(sweep: Sweep) -> None:
    sweep.write(WAITING, 2)
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = sweep.start()
        until_more(sweep, process)
        process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode == status
        assert sweep.states() == ["interrupted", "pending"]
        assert sweep.rows()[0].outcome.reason == f"stopped by {number.name}"


def test_a_task_of_a_killed_command_is_waited_for_and_not_doubled(sweep: Sweep) -> None:
    sweep.write(WAITING, 2)
    first = sweep.start("--n_jobs=2", "-q")
    until(lambda: len(sweep.journal()) == 2)
    first.kill()
    first.communicate()
    second = sweep.start("--n_jobs=2")
    until(lambda: _is_at_work(sweep, second.pid))
    (sweep.folder / "go").touch()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert len(sweep.journal()) == 4
    assert [row.attempt for row in sweep.rows()] == [1, 1]


def _is_at_work(sweep: Sweep, pid: int) -> bool:
    owner = sweep.root / "run.owner"
    return owner.exists() and f'"pid": {pid}' in owner.read_text()


def test_a_second_command_is_refused_or_helps(sweep: Sweep) -> None:
    sweep.write(WAITING, 2)
    first = sweep.start("--n_jobs=1")
    until(lambda: len(sweep.journal()) == 1)
    refused = sweep.run()
    assert refused.returncode == 1
    assert "A run is going on" in refused.stderr
    helper = sweep.start("--attach")
    until(lambda: len(sweep.journal()) == 2)
    (sweep.folder / "go").touch()
    for process in (first, helper):
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert sweep.states() == ["done", "done"]
    assert len({row.owner for row in sweep.rows()}) == 2
    assert len(sweep.journal()) == 4


def test_workers_that_cannot_load_the_function_end_the_command(sweep: Sweep) -> None:
    broken = HUNDRED.replace(
        "import os, time", "import os, time, sys\nassert 'worker' not in sys.argv[0]"
    )
    sweep.write(broken, 3)
    done = sweep.run("--n_jobs=2")
    assert done.returncode == 1
    assert "A worker could not start: AssertionError" in done.stderr
    assert sweep.states() == ["pending"] * 3


def test_a_long_task_holds_up_no_other(sweep: Sweep) -> None:
    slow_one = HUNDRED.replace(
        "    time.sleep(0.01 if cfg.param % 5 else 0.05)\n",
        '    while cfg.param == 30 and not os.path.exists("go"):\n        time.sleep(0.02)\n',
    )
    sweep.write(slow_one, 60)
    process = sweep.start("--n_jobs=2", "-q")
    until(lambda: Counter(sweep.states()) == {"done": 59, "running": 1})
    (sweep.folder / "go").touch()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(sweep.journal()) == 120
