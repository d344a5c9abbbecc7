"""Tasks on a real Slurm of one node."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flexlock.lock.document import read_lock
from flexlock.run.owner import Owner
from flexlock.tasks.cluster.jobs import SCHEDULERS, Job, known_jobs
from flexlock.tasks.cluster.slurm import Slurm
from flexlock.tasks.liveness import judge_workers
from flexlock.tasks.queue.opening import find_queue
from flexlock.tasks.queue.records import WorkerRow
from sweeps import Sweep, until

SCRIPT = """
import os, signal, time
from pathlib import Path
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    seconds = 0.0
    save_dir = "out"

@clicfg(config_class=Config)
def main(cfg):
    ask = signal.getsignal(signal.SIGUSR1)
    def told(*arguments):
        ask(*arguments)
        Path("told").touch()
    signal.signal(signal.SIGUSR1, told)
    with open("journal", "a") as file:
        file.write(f"start {cfg.param}\\n")
    print("task", cfg.param, os.environ.get("SLURM_ARRAY_TASK_ID"))
    until = time.monotonic() + cfg.seconds
    while time.monotonic() < until and not Path("go").exists():
        time.sleep(0.05)
    with open("journal", "a") as file:
        file.write(f"end {cfg.param}\\n")
    return cfg.param

if __name__ == "__main__":
    main()
"""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("onebox_slurm")]


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    """A script that waits for the file ``go``; its jobs end with the test."""
    monkeypatch.setenv("FLEXLOCK_POLL_INTERVAL", "0.5")
    made = Sweep(tmp_path)
    yield made
    (tmp_path / "go").touch()
    for job in made.rows() and jobs(made):
        Slurm().cancel(job.id)


def jobs(sweep: Sweep) -> list[Job]:
    queue = find_queue(sweep.root)
    found = known_jobs(queue)
    queue.close()
    return found


def prepare(sweep: Sweep, count: int, settings: str) -> None:
    sweep.write(SCRIPT, count)
    (sweep.folder / "slurm.yaml").write_text(settings)


SLURM = ("--slurm_config=slurm.yaml",)
LONG = (*SLURM, "-o", "seconds=60")


def test_an_array_of_workers_runs_every_task_once(sweep: Sweep) -> None:
    prepare(sweep, 5, "partition: main\narray: 2\nmem: 100\n")
    done = sweep.run(*SLURM)
    assert done.returncode == 0, done.stderr
    assert [(row.state, row.outcome.result) for row in sweep.rows()] == [
        ("done", n) for n in range(1, 6)
    ]
    (job,) = jobs(sweep)
    assert job.elements == (f"{job.id}_0", f"{job.id}_1")
    assert {row.owner for row in sweep.rows()} <= {f"slurm-{one}" for one in job.elements}
    assert {worker.job for worker in sweep.workers()} <= set(job.elements)
    assert "task 1" in done.stdout
    sheet = read_lock(sweep.root / "param=1")
    assert (sheet.status, sheet.parent) == ("complete", read_lock(sweep.root).id)
    assert sweep.run(*SLURM).returncode == 0
    assert len(sweep.journal()) == 10


def test_no_wait_prints_the_job_and_the_same_command_waits_for_it(sweep: Sweep) -> None:
    prepare(sweep, 2, "array: 2\nmem: 100\n")
    submitted = sweep.run(*SLURM, "--no_wait", "-q")
    assert submitted.returncode == 0, submitted.stderr
    again = sweep.run(*SLURM)
    assert again.returncode == 0, again.stderr
    assert sweep.states() == ["done", "done"]
    assert [job.id for job in jobs(sweep)] == [submitted.stdout.strip()]


def test_a_cancelled_element_is_replaced_and_its_task_runs_again(sweep: Sweep) -> None:
    prepare(sweep, 3, "array: 2\nmem: 100\n")
    controller = sweep.start(*LONG)
    until(lambda: len(sweep.running()) == 2)
    first = sweep.running()[0]
    Slurm().cancel(first.owner.removeprefix("slurm-"))
    until(lambda: sweep.rows()[first.index].outcome is not None)
    (sweep.folder / "go").touch()
    _, errors = controller.communicate(timeout=90)
    assert controller.returncode == 0, errors
    assert set(sweep.states()) == {"done"}
    assert sweep.rows()[first.index].attempt == 2
    ends = Counter(line for line in sweep.journal() if "end" in line)
    assert set(ends.values()) == {1}


def test_a_killed_controller_changes_nothing_for_the_workers(sweep: Sweep) -> None:
    prepare(sweep, 4, "array: 2\nmem: 100\n")
    controller = sweep.start(*LONG)
    until(lambda: len(sweep.running()) == 2)
    controller.kill()
    controller.communicate()
    (sweep.folder / "go").touch()
    until(lambda: set(sweep.states()) == {"done"})
    assert {row.attempt for row in sweep.rows()} == {1}
    again = sweep.run(*LONG)
    assert again.returncode == 0, again.stderr
    assert "4 done, 4 of them before" in again.stderr


def test_a_lost_sweep_is_taken_up_by_the_same_command(sweep: Sweep) -> None:
    prepare(sweep, 4, "array: 2\nmem: 100\n")
    submitted = sweep.run(*LONG, "--no_wait")
    until(lambda: len(sweep.running()) == 2)
    Slurm().cancel(submitted.stdout.strip())
    (sweep.folder / "go").touch()
    again = sweep.run(*LONG)
    assert again.returncode == 0, again.stderr
    assert set(sweep.states()) == {"done"}
    assert len(jobs(sweep)) == 2


def test_workers_that_cannot_start_are_an_error_with_the_reason(sweep: Sweep) -> None:
    prepare(sweep, 2, "array: 1\nmem: 100\nsetup: [exit 3]\n")
    done = sweep.run(*SLURM)
    assert done.returncode == 1
    assert "ended and left tasks" in done.stderr
    assert sweep.states() == ["pending", "pending"]


def test_refused_settings_leave_the_tasks_pending(sweep: Sweep) -> None:
    prepare(sweep, 1, "partition: nowhere\n")
    done = sweep.run(*SLURM)
    assert done.returncode == 1
    assert "invalid partition" in done.stderr.lower()
    assert sweep.states() == ["pending"]


def test_after_waits_for_other_jobs(sweep: Sweep) -> None:
    prepare(sweep, 1, "mem: 100\n")
    script = sweep.folder / "first.sh"
    script.write_text(
        f"#!/bin/bash\ncd {sweep.folder}\n"
        "until [ -e go ]; do sleep 0.1; done; echo first >> journal\n"
    )
    batch = ["sbatch", "--parsable", "--mem=100", "--output=/dev/null", str(script)]
    made = subprocess.run(batch, capture_output=True, text=True, check=True)
    submitted = sweep.run(*SLURM, "--after", made.stdout.strip(), "--no_wait")
    states = Slurm().states([f"{submitted.stdout.strip()}_0"])
    assert list(states.values()) == ["PENDING"]
    (sweep.folder / "go").touch()
    until(lambda: sweep.states() == ["done"])
    assert sweep.journal() == ["first", "start 1", "end 1"]


def test_ctrl_c_ends_the_waiting_and_not_the_workers(sweep: Sweep) -> None:
    prepare(sweep, 1, "mem: 100\n")
    controller = sweep.start(*LONG)
    until(lambda: sweep.running())
    controller.send_signal(signal.SIGINT)
    _, errors = controller.communicate(timeout=30)
    assert controller.returncode == 130
    assert "the workers go on" in errors
    (sweep.folder / "go").touch()
    until(lambda: sweep.states() == ["done"])


def test_workers_finish_their_task_before_the_time_limit(sweep: Sweep) -> None:
    prepare(sweep, 2, "array: 1\nmem: 100\n")
    submitted = sweep.run(*LONG, "--no_wait")
    until(lambda: sweep.running())
    # What Slurm does by itself, at the time that --signal asks for.
    element = f"{submitted.stdout.strip()}_0"
    until(lambda: sweep.journal())
    subprocess.run(["scancel", "--batch", "--signal=USR1", element], check=True)
    until(lambda: (sweep.folder / "told").exists())
    (sweep.folder / "go").touch()
    until(lambda: any(worker.ended for worker in sweep.workers()))
    assert sweep.states() == ["done", "pending"]


def test_workers_elsewhere_are_judged_by_the_state_of_their_job(sweep: Sweep) -> None:
    prepare(sweep, 1, "mem: 100\n")
    submitted = sweep.run(*LONG, "--no_wait")
    element = f"{submitted.stdout.strip()}_0"
    elsewhere = Owner(1, "1", "another-host", "")
    row = WorkerRow("w", "slurm", elsewhere, element, lease_until=0.0)
    until(lambda: sweep.running())
    assert judge_workers([row], SCHEDULERS)["w"].alive
    Slurm().cancel(element)
    until(lambda: not judge_workers([row], SCHEDULERS)["w"].alive)
    assert judge_workers([row], SCHEDULERS)["w"].why == f"job {element} is CANCELLED"
