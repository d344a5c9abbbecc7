"""A process beside the worker keeps up its lease, and ends with it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from flexlock.run.owner import Owner, is_alive, this_process
from flexlock.tasks.queue.records import WorkerRow
from flexlock.tasks.queue.sqlite import SqliteQueue
from sweeps import until

PARENT = """
import sys
from pathlib import Path
from flexlock.run.owner import Owner
from flexlock.tasks.heartbeat import heartbeat
beat = heartbeat(Path(sys.argv[1]), "w", 0.8)
print(beat.pid, flush=True)
sys.stdin.read()
"""


def test_the_lease_is_renewed_until_the_worker_is_gone(tmp_path: Path) -> None:
    queue = SqliteQueue(tmp_path / "q")
    queue.begin_worker(WorkerRow("w", "local", this_process(), lease_until=0.0))
    command = [sys.executable, "-c", PARENT, str(queue.path)]
    parent = subprocess.Popen(command, stdin=-1, stdout=-1, text=True)
    pid = int(parent.stdout.readline())
    beat = Owner(pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19], "", "")
    beat = Owner(pid, beat.started, this_process().host, this_process().boot)
    until(lambda: queue.workers()[0].lease_until > time.time())
    parent.kill()
    parent.communicate()
    until(lambda: not is_alive(beat))
    queue.close()
