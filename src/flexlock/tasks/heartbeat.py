"""A small process beside a worker that keeps up its lease while a task runs.

A process and not a thread of the worker: user code forks, and a child that was forked while another
thread held a lock may never get it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["heartbeat", "main"]

_LOOK_S = 0.5


def heartbeat(queue: Path, worker: str, lease_s: float) -> subprocess.Popen[bytes]:
    """Start the process; it ends by itself soon after the caller has ended."""
    arguments = [str(queue), worker, str(os.getpid()), str(lease_s)]
    return subprocess.Popen(
        [sys.executable, "-m", "flexlock.tasks.heartbeat", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def main(argv: list[str]) -> None:
    """Renew a worker's lease, four times in each, as long as the worker is the parent."""
    path, worker, parent, lease_s = argv
    beat_s = float(lease_s) / 4
    due = time.monotonic() + beat_s
    while os.getppid() == int(parent):
        if time.monotonic() >= due:
            _renew(Path(path), worker, float(lease_s))
            due = time.monotonic() + beat_s
        time.sleep(min(_LOOK_S, beat_s))


def _renew(path: Path, worker: str, lease_s: float) -> None:
    # Imported late: most workers end before their first beat.
    from flexlock.errors import QueueError
    from flexlock.tasks.queue.opening import find_queue

    try:
        queue = find_queue(path)
        queue.renew(worker, lease_s)
        queue.close()
    except QueueError:
        return  # busy or moved: the next beat tries again


if __name__ == "__main__":
    main(sys.argv[1:])
