"""Who runs in a directory: one process, told apart from a later one with the same number.

A process number alone says little: numbers are given again. With the host, the moment when the
process started and the boot of the machine it names one process for good.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Owner", "is_alive", "owner_from_json", "this_process"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_START_FIELD = 19  # of /proc/PID/stat, counted after the name in brackets; see proc(5), "starttime"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process on a machine.

    `started` is in ticks since the boot where the system tells them, else a text of its own; it is
    only ever compared. `boot` is empty where the system does not name its boots.
    """

    pid: int
    started: str
    host: str
    boot: str

    def to_json(self) -> str:
        """Return the owner as one line of JSON."""
        return json.dumps(asdict(self))


def this_process() -> Owner:
    """Return the process that asks."""
    pid = os.getpid()
    return Owner(pid, _started(pid) or "", socket.gethostname(), _boot())


def owner_from_json(text: str) -> Owner | None:
    """Return the owner that `Owner.to_json` wrote, or None when the text is something else."""
    try:
        fields: Mapping[str, Any] = json.loads(text)
        return Owner(
            int(fields["pid"]), str(fields["started"]), str(fields["host"]), str(fields["boot"])
        )
    except (ValueError, KeyError, TypeError):
        return None


def is_alive(owner: Owner) -> bool | None:
    """Return whether the process still runs, or None when it is on a machine we cannot ask."""
    if owner.host != socket.gethostname():
        return None
    if owner.boot != _boot():
        return False
    started = _started(owner.pid)
    return started is not None and started == owner.started


@cache
def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Return when a process started, or None when there is none, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_elsewhere(pid)
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[_START_FIELD]


def _started_elsewhere(pid: int) -> str | None:
    import psutil  # only where there is no /proc

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return None
