"""Measures sweeps: a thousand trivial tasks on two workers, beside a bare pool of processes.

    python benchmarks/bench_tasks.py
    python benchmarks/bench_tasks.py --tasks 300 --rounds 3

Ours is the whole command, from the start of the interpreter to its end: a script with ``clicfg`` in
a git repository, a directory, a run sheet and an end mark for each task. The pool (loky) is a whole
program too; it makes the same calls and writes nothing, a second one writes as many files. All run
in turn, so that a busy machine disturbs them alike; processor seconds of the whole process tree
stand beside wall seconds, because they move less with the load. The same command once more, when
all is done, is measured as well. All modules are compiled before, as those of installed packages
are.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / "src"
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost")

SCRIPT = """
from flexlock import clicfg

class Config:
    param = 1
    save_dir = "results/sweep"

@clicfg(config_class=Config)
def main(cfg):
    return cfg.param + 1

if __name__ == "__main__":
    main()
"""

POOL = """
import sys
from loky import ProcessPoolExecutor

def main(param):
    return param + 1

if __name__ == "__main__":
    with ProcessPoolExecutor(max_workers=2) as pool:
        calls = [pool.submit(main, n) for n in range(int(sys.argv[1]))]
        assert sum(call.result() for call in calls) > 0
"""


WRITING_POOL = """
import os, sys
from loky import ProcessPoolExecutor

def write(path, text):
    descriptor = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.write(descriptor, text)
    os.close(descriptor)
    os.replace(path + ".tmp", path)

def main(param):
    folder = f"results/pool/{param}"
    os.makedirs(folder)
    write(folder + "/run.lock", b"x" * 1500)
    write(folder + "/run.lock", b"x" * 1500)
    write(folder + "/run.complete", b"x" * 400)
    return param + 1

if __name__ == "__main__":
    with ProcessPoolExecutor(max_workers=2) as pool:
        calls = [pool.submit(main, n) for n in range(int(sys.argv[1]))]
        assert sum(call.result() for call in calls) > 0
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to work: another disk, or /dev/shm")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-tasks-", dir=options.folder) as directory:
        found = _measure(Path(directory), options.tasks, options.rounds)
    print(
        f"{options.tasks} trivial tasks, 2 workers, load {os.getloadavg()[0]:.1f}; CPU in brackets"
    )
    for name, times in found.items():
        print(f"  {name}: {_median(times, 0):.2f} s ({_median(times, 1):.2f})")
    for beside in ("bare pool", "pool that writes as many files"):
        for number, unit in ((0, "wall"), (1, "CPU")):
            pairs = zip(found["first"], found[beside], strict=True)
            ratios = [ours[number] / pool[number] for ours, pool in pairs]
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"  first / {beside}, {unit}: {statistics.median(ratios):.2f} ({spread})")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def _measure(folder: Path, tasks: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return (wall seconds, processor seconds) for each round of each thing."""
    (folder / "job.py").write_text(SCRIPT)
    (folder / "pool.py").write_text(POOL)
    (folder / "writing.py").write_text(WRITING_POOL)
    (folder / "tasks.txt").write_text("".join(f"{n}\n" for n in range(tasks)))
    (folder / ".gitignore").write_text("results\ncompiled\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    sweep = ["job.py", "--tasks", "tasks.txt", "--task_to", "param", "--n_jobs=2", "-q"]
    names = ("first", "again", "bare pool", "pool that writes as many files")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for words in (sweep, ["pool.py", "2"]):
        _timed(folder, words)
    for _ in range(rounds):
        shutil.rmtree(folder / "results", ignore_errors=True)
        found["first"].append(_timed(folder, sweep))
        found["bare pool"].append(_timed(folder, ["pool.py", str(tasks)]))
        found["again"].append(_timed(folder, sweep))
        writing = _timed(folder, ["writing.py", str(tasks)])
        found["pool that writes as many files"].append(writing)
    return found


def _timed(folder: Path, words: Sequence[str]) -> tuple[float, float]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _median(times: list[tuple[float, float]], number: int) -> float:
    return statistics.median(one[number] for one in times)


if __name__ == "__main__":
    main()
