"""Run ids sort by time and never collide."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flexlock.lock.identity import new_run_id


def test_ids_have_26_characters_of_base_32() -> None:
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", new_run_id())


def test_ids_of_one_process_grow() -> None:
    ids = [new_run_id() for _ in range(2_000)]
    assert ids == sorted(set(ids))


def test_threads_get_different_ids() -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: new_run_id(), range(2_000)))
    assert len(set(ids)) == 2_000


def run(code: str) -> list[str]:
    """Return the words that a fresh process prints."""
    sources = str(Path(__file__).parents[3] / "src")
    command = [sys.executable, "-c", f"from flexlock.lock.identity import new_run_id\n{code}"]
    done = subprocess.run(
        command, env={"PYTHONPATH": sources}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_ids_grow_when_the_clock_goes_back() -> None:
    ids = run(
        "import time\n"
        "now = time.time_ns()\n"
        "moments = iter([now + 10**12, now, now - 10**12])\n"
        "time.time_ns = lambda: next(moments)\n"
        "print(*[new_run_id() for _ in range(3)])"
    )
    assert len(ids) == 3
    assert ids == sorted(set(ids))


def test_ids_of_another_process_differ_and_sort_after_older_ones() -> None:
    before = new_run_id()
    time.sleep(0.002)  # ids are ordered by the millisecond
    (other,) = run("print(new_run_id())")
    assert other > before
