"""A real Slurm of one node on this machine, for tests.

It needs no systemd, nothing set up before and only the loopback address: its own munge with its own
key, a controller and a node, all in one folder and on free ports, so that several may run side by
side. The workers of one test session share one: the first that asks starts it, the last stops it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["missing_for_slurm", "onebox_slurm"]

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")
ENDINGS = {
    "slurmd": (signal.SIGTERM, signal.SIGKILL),
    "slurmctld": (signal.SIGKILL,),
    "munged": (signal.SIGKILL,),
}

CONFIGURATION = """\
ClusterName=onebox
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1,default_queue_depth=1000
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
MaxArraySize=10001
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=stopped Nodes={host} Default=NO MaxTime=INFINITE State=DOWN
"""


def missing_for_slurm() -> str | None:
    """Returns why a Slurm cannot be started here, or None when it can."""
    if os.geteuid() != 0:
        return "a Slurm of one node is started as root, and this is another user"
    absent = [name for name in PROGRAMS if _program(name) is None]
    return f"Slurm is not installed: {', '.join(absent)} missing" if absent else None


@pytest.fixture(scope="session")
def onebox_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Has a Slurm of one node, partition ``main``, at which this process's commands aim.

    Gives the file that ``SLURM_CONF`` names. The partition ``stopped`` takes jobs and starts none.
    """
    reason = missing_for_slurm()
    if reason is not None:
        pytest.skip(reason)
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    with shared_slurm(base / "slurm") as configuration, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(configuration))
        yield configuration


@contextmanager
def shared_slurm(folder: Path) -> Iterator[Path]:
    """Starts a Slurm in a folder unless another process has, and stops it after the last use."""
    folder.mkdir(exist_ok=True)
    users = folder / "users"
    with _locked(folder):
        count = int(users.read_text()) if users.exists() else 0
        if not count:
            start(folder)
        users.write_text(str(count + 1))
    try:
        yield folder / "slurm.conf"
    finally:
        with _locked(folder):
            count = int(users.read_text()) - 1
            users.write_text(str(count))
            if not count:
                stop(folder)


def start(folder: Path) -> None:
    """Starts munge, the controller and the node, and waits until the node takes jobs."""
    for name in ("state", "spool"):
        (folder / name).mkdir(exist_ok=True)
    key = folder / "munge.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
    controller_port, node_port = _free_ports(2)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
        )
    )
    try:
        _run(
            "munged",
            "--force",
            f"--key-file={key}",
            f"--socket={folder / 'munge.socket'}",
            f"--pid-file={folder / 'munged.pid'}",
            f"--log-file={folder / 'munged.log'}",
            f"--seed-file={folder / 'munge.seed'}",
            "--num-threads=2",
        )
        _run("slurmctld", "-c", "-f", str(configuration))
        _run("slurmd", "-c", "-f", str(configuration))
        _until_idle(folder)
    except BaseException:
        stop(folder)
        raise


def stop(folder: Path) -> None:
    """Ends the jobs and then the three programs, by the ids they wrote down."""
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    if (folder / "slurmctld.pid").exists():
        subprocess.run(
            ["scancel", "--full", "--signal=KILL", "--user=root"],
            env=environment,
            capture_output=True,
            timeout=30,
            check=False,
        )
    # The node ends its jobs first; what the other two would save at their end is thrown away.
    for name, numbers in ENDINGS.items():
        note = folder / f"{name}.pid"
        try:
            pid = int(note.read_text())
        except (FileNotFoundError, ValueError):
            continue
        for number in numbers:
            _end(pid, name, number)
        note.unlink(missing_ok=True)
    for name in ("state", "spool"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _end(pid: int, name: str, number: signal.Signals) -> None:
    """Signals a process if it is still the program of that name, and waits for its end."""
    if _name_of(pid) == name:
        os.kill(pid, number)
    end = time.monotonic() + 10
    while _name_of(pid) == name and time.monotonic() < end:
        time.sleep(0.02)


def _name_of(pid: int) -> str | None:
    """Returns the program of a process, None when it has ended, be it reaped or not."""
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if after.split()[0] == "Z" else before.partition("(")[2]


def _until_idle(folder: Path) -> None:
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    end = time.monotonic() + 60
    answer = ""
    while time.monotonic() < end:
        asked = subprocess.run(
            ["sinfo", "--noheader", "--partition=main", "--format=%T"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        answer = asked.stdout.strip() or asked.stderr.strip()
        if answer == "idle":
            return
        time.sleep(0.1)
    logs = {p.name: p.read_text()[-2000:] for p in folder.glob("*.log")}
    raise RuntimeError(f"The node is not idle after a minute ({answer}): {json.dumps(logs)}")


def _run(name: str, *arguments: str) -> None:
    program = _program(name)
    assert program is not None
    done = subprocess.run(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr}")


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(SYSTEM_FOLDERS))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
