"""Tasks on PBS, whose programs are played by three small recorded ones.

They keep to the command lines and outputs of OpenPBS: ``qsub`` reads the directives, starts the
elements of an array as processes with ``PBS_JOBID``, and prints the id; ``qstat -x -t -f`` prints
job by job in full; ``qdel`` ends a job.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flexlock.tasks.cluster.jobs import known_jobs
from flexlock.tasks.cluster.pbs import Pbs
from flexlock.tasks.queue.opening import find_queue
from sweeps import Sweep, until

PROGRAMS = """
import json, os, re, signal, subprocess, sys
from pathlib import Path

state = Path(os.environ["FAKE_PBS"])
name, words = Path(sys.argv[0]).name, sys.argv[1:]
with (state / "calls").open("a") as file:
    file.write(f"{name} {' '.join(words)}\\n")

def alive(pid):
    try:
        os.kill(pid, 0)
        text = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"

def qsub():
    script = Path(words[-1])
    text = script.read_text()
    array = re.search(r"^#PBS -J (\\d+)-(\\d+)", text, re.M)
    number = len(list(state.glob("*.job"))) + 1
    job = f"{number}[].srv" if array else f"{number}.srv"
    elements = {job: None}
    if array:
        span = range(int(array[1]), int(array[2]) + 1)
        elements = {f"{number}[{n}].srv": str(n) for n in span}
    pids = {}
    for element, index in elements.items():
        env = {**os.environ, "PBS_JOBID": element}
        if index is not None:
            env["PBS_ARRAY_INDEX"] = index
        with (state / f"{element}.out").open("w") as output:
            process = subprocess.Popen(
                ["/bin/bash", str(script)], env=env, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )
        pids[element] = process.pid
    (state / f"{number}.job").write_text(json.dumps({"job": job, "pids": pids}))
    print(job)

def jobs():
    return [json.loads(file.read_text()) for file in sorted(state.glob("*.job"))]

def qstat():
    found = [job for job in jobs() if job["job"] == words[-1]]
    if not found:
        sys.exit(f"qstat: Unknown Job Id {words[-1]}")
    pids = found[0]["pids"]
    if "[]" in words[-1]:
        print(f"Job Id: {words[-1]}\\n    job_state = B\\n")
    for element, pid in pids.items():
        letter = "R" if alive(pid) else ("X" if "[" in element else "F")
        print(f"Job Id: {element}\\n    Job_Name = job\\n    job_state = {letter}\\n")

def qdel():
    for job in jobs():
        for element, pid in job["pids"].items():
            if words[0] in (job["job"], element) and alive(pid):
                os.killpg(pid, signal.SIGTERM)

globals()[name]()
"""

SCRIPT = """
import os, time
from pathlib import Path
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    wait = False
    save_dir = "out"

@clicfg(config_class=Config)
def main(cfg):
    with open("journal", "a") as file:
        file.write(f"{cfg.param} {os.environ.get('PBS_ARRAY_INDEX')}\\n")
    while cfg.wait and not Path("go").exists():
        time.sleep(0.02)
    return cfg.param

if __name__ == "__main__":
    main()
"""

PBS = ("--pbs_config=pbs.yaml",)


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("qsub", "qstat", "qdel"):
        (programs / name).write_text(f"#!{sys.executable}\n{PROGRAMS}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("FAKE_PBS", str(tmp_path))
    monkeypatch.setenv("FLEXLOCK_POLL_INTERVAL", "0.2")
    made = Sweep(tmp_path)
    made.write(SCRIPT, 4)
    yield made
    (tmp_path / "go").touch()
    if made.rows():
        until(lambda: all(worker.ended for worker in made.workers()))


def test_an_array_of_workers_runs_every_task(sweep: Sweep) -> None:
    (sweep.folder / "pbs.yaml").write_text("queue: long\nwalltime: 01:00:00\narray: 2\n")
    done = sweep.run(*PBS, "--after", "9.srv")
    assert done.returncode == 0, done.stderr
    assert [row.outcome.result for row in sweep.rows()] == [1, 2, 3, 4]
    assert {line.split()[1] for line in sweep.journal()} <= {"0", "1"}
    assert {worker.job for worker in sweep.workers()} <= {"1[0].srv", "1[1].srv"}
    calls = (sweep.folder / "calls").read_text()
    assert calls.startswith("qsub -W depend=afterok:9.srv ")
    assert (sweep.root / "pbs_logs").is_dir()


def test_a_deleted_element_is_replaced(sweep: Sweep) -> None:
    (sweep.folder / "pbs.yaml").write_text("array: 1\n")
    controller = sweep.start(*PBS, "-o", "wait=true")
    until(lambda: len(sweep.running()) == 1)
    queue = find_queue(sweep.root)
    (job,) = known_jobs(queue)
    queue.close()
    Pbs().cancel(job.id)
    until(lambda: sweep.rows()[0].outcome is not None)
    (sweep.folder / "go").touch()
    _, errors = controller.communicate(timeout=60)
    assert controller.returncode == 0, errors
    assert sweep.states() == ["done"] * 4
    assert sweep.rows()[0].attempt == 2
    assert errors.count("submitted job") == 2
