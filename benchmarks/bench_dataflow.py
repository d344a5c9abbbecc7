"""Measures the dataflow against plain Python calls and, when asked, against the published package.

    python benchmarks/bench_dataflow.py                  ours against plain Python
    python benchmarks/bench_dataflow.py --peer           and the published `sf-hamilton`
    python benchmarks/bench_dataflow.py --family execute --quick

The peer is installed into a temporary environment of its own, which is removed afterwards. Both
sides run the same worker (this file, in a process of their own, public API only), one after the
other in turn, so that a busy machine disturbs both alike. Figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = ("import", "build", "execute", "parallel", "memory")
SHAPES = ("chain", "wide", "random")
SIZES = (10, 100, 1000, 5000)
QUICK_SIZES = (10, 100, 1000)
YARDSTICK = "import asyncio, json, sqlite3"
Figures = dict[str, float]

# What the project asks for: (figure, partner, at most this ratio). `peer` is the same figure of the
# published package, the other partners are measured beside ours in the same worker.
GOALS = {
    "import": [("import", "peer", 0.25), ("import", "yardstick", 2.0)],
    "build": [("build", "peer", 0.5)],
    "execute": [
        ("first", "peer", 0.25),
        ("first", "plain", 10.0),
        ("next", "peer", 0.25),
        ("next", "plain", 10.0),
        ("often", "peer", 0.25),
        ("often", "plain", 10.0),
    ],
    "parallel": [("parallel threads, 1 ms", "pool", 1.5)],
}
PARTNERS = ("plain", "yardstick", "pool")
# And at most this much, whatever others do.
LIMITS = {"parallel synchronous": 50.0, "memory": 3.0}
SMALLEST_AGAINST_PLAIN = 100
LONGEST_S = 20.0


def source_of(shape: str, size: int) -> tuple[str, list[str]]:
    """Returns the text of a module of trivial functions, and the names to request."""
    chooser = random.Random(size)
    lines = []
    for i in range(size):
        if shape == "chain":
            parents = [f"f{i - 1}"] if i else ["x"]
        elif shape == "wide":
            parents = ["x"]
        else:
            count = min(3, i)
            parents = [f"f{n}" for n in chooser.sample(range(i), count)] or ["x"]
        parameters = ", ".join(f"{p}: int" for p in parents)
        lines.append(f"def f{i}({parameters}) -> int:\n    return {parents[0]} + 1\n")
    names = [f"f{i}" for i in range(size)] if shape != "chain" else [f"f{size - 1}"]
    return "\n".join(lines), names


def loaded(text: str, folder: Path, name: str) -> ModuleType:
    """Writes a module to a folder on the path and imports it."""
    import importlib

    (folder / f"{name}.py").write_text(text)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    return importlib.import_module(name)


def best_of(work: Callable[[], Any], repeats: int) -> float:
    """Returns the shortest time of several calls, in seconds."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def plain_runner(module: ModuleType) -> Callable[[], None]:
    """Returns hand-written execution: every function called in dependency order."""
    import inspect

    functions = sorted(
        (f for n, f in vars(module).items() if n.startswith("f") and callable(f)),
        key=lambda f: int(f.__name__[1:]),
    )
    lines = ["def run(x, F):"]
    for i, function in enumerate(functions):
        arguments = ", ".join(inspect.signature(function).parameters)
        lines.append(f"    f{i} = F[{i}]({arguments})")
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)
    return lambda: scope["run"](1, functions)


def work_import(folder: Path, quick: bool) -> Figures:
    """Times a fresh process that imports the driver, and one that imports the yardstick."""
    found: Figures = {}
    for name, code in (("import", "import hamilton.driver"), ("yardstick", YARDSTICK)):
        timed = (
            "import time; t = time.perf_counter()\n"
            f"{code}\n"
            "import sys; print(time.perf_counter() - t, len(sys.modules))"
        )
        times = []
        for _ in range(3 if quick else 7):
            answer = subprocess.run(
                [sys.executable, "-c", timed], capture_output=True, text=True, check=True
            )
            seconds, modules = answer.stdout.split()[-2:]
            times.append(float(seconds))
        found[f"{name} [s]"] = statistics.median(times)
        found[f"{name} [modules]"] = float(modules)
    return found


def work_build(folder: Path, quick: bool) -> Figures:
    """Times the construction of drivers, per function."""
    from hamilton import driver

    found: Figures = {}
    for shape in SHAPES:
        for size in QUICK_SIZES if quick else SIZES:
            text, _ = source_of(shape, size)
            module = loaded(text, folder, f"build_{shape}_{size}")

            def build(module: ModuleType = module) -> Any:
                return driver.Builder().with_modules(module).build()

            build()
            seconds = best_of(build, 3 if size > 1000 else 7)
            found[f"build {shape} {size} [us/function]"] = seconds / size * 1e6
    return found


def work_execute(folder: Path, quick: bool) -> Figures:
    """Times requests, per node, beside the same calls written by hand.

    `first` is the first run of a new driver, whatever it has to prepare included; `next` is the
    second to the tenth run; `often` is a run after twenty.
    """
    from hamilton import driver

    sys.setrecursionlimit(100_000)
    found: Figures = {}
    for shape in SHAPES:
        for size in QUICK_SIZES if quick else SIZES:
            text, names = source_of(shape, size)
            module = loaded(text, folder, f"execute_{shape}_{size}")
            plain = plain_runner(module)
            plain()
            first, following = [], []
            for _ in range(3 if size > 1000 else 10):
                dr = driver.Builder().with_modules(module).build()

                def run(dr: Any = dr, names: list[str] = names) -> Any:
                    return dr.execute(names, inputs={"x": 1})

                first.append(best_of(run, 1))
                following.append(best_of(run, 9))
            for _ in range(10):  # the request is one that is made again and again
                run()
            repeats = 5 if size > 1000 else 20
            for name, seconds in (
                ("first", statistics.median(first)),
                ("next", statistics.median(following)),
                ("often", best_of(run, repeats)),
                ("plain", best_of(plain, repeats)),
            ):
                found[f"{name} {shape} {size} [us/node]"] = seconds / size * 1e6
    return found


PARALLEL = """
import time
from hamilton.htypes import Collect, Parallelizable

def item(n: int) -> Parallelizable[int]:
    for i in range(n):
        yield i

def worked(item: int, seconds: float) -> int:
    if seconds:
        time.sleep(seconds)
    return item + 1

def total(worked: Collect[int]) -> int:
    return sum(worked)
"""


def work_parallel(folder: Path, quick: bool) -> Figures:
    """Times items through a parallel block, per item: trivial ones, and ones of 1 ms of waiting.

    A size is left out when the one before it says that it would take too long.
    """
    from concurrent.futures import ThreadPoolExecutor

    from hamilton import driver
    from hamilton.execution import executors

    module = loaded(PARALLEL, folder, "parallel_items")
    cases = {
        "synchronous": (executors.SynchronousLocalTaskExecutor(), 0.0, (100, 1000, 10_000)),
        "threads": (executors.MultiThreadingExecutor(max_tasks=10), 0.0, (100, 1000)),
        "threads, 1 ms": (executors.MultiThreadingExecutor(max_tasks=10), 0.001, (1000,)),
        "processes": (executors.MultiProcessingExecutor(max_tasks=2), 0.0, (100, 1000)),
    }
    found: Figures = {}
    for name, (executor, wait, sizes) in cases.items():
        dr = (
            driver.Builder()
            .with_modules(module)
            .enable_dynamic_execution(allow_experimental_mode=True)
            .with_remote_executor(executor)
            .build()
        )
        seconds = 0.0
        for size in sizes:
            if seconds * 100 > LONGEST_S:  # ten times the items, and time may grow as its square
                break

            def run(dr: Any = dr, size: int = size, wait: float = wait) -> Any:
                return dr.execute(["total"], inputs={"n": size, "seconds": wait})

            seconds = best_of(run, 3)
            found[f"parallel {name} {size} [us/item]"] = seconds / size * 1e6

    def pooled() -> None:
        with ThreadPoolExecutor(max_workers=10) as pool:
            sum(pool.map(lambda item: module.worked(item, 0.001), range(1000)))

    found["pool threads, 1 ms 1000 [us/item]"] = best_of(pooled, 3) * 1e3
    return found


def memory_runs(module: ModuleType, folder: Path) -> dict[str, Callable[[], Any]]:
    """Returns how to run the chain in each way in which the package at hand can run it."""
    import asyncio

    from hamilton import async_driver, driver
    from hamilton.execution import executors
    from hamilton.lifecycle import NodeExecutionHook

    class Silent(NodeExecutionHook):
        def run_before_node_execution(self, **kwargs: Any) -> None:
            pass

        def run_after_node_execution(self, **kwargs: Any) -> None:
            pass

    def builder() -> Any:
        return driver.Builder().with_modules(module)

    def dynamic(executor: Any) -> Any:
        tasks = builder().enable_dynamic_execution(allow_experimental_mode=True)
        return tasks.with_local_executor(executor).build()

    async def awaited() -> Any:
        dr = await async_driver.Builder().with_modules(module).build()
        return await dr.execute(["f39"], inputs={})

    def cached(name: str) -> Any:
        return builder().with_cache(str(folder / name)).build()

    flat = builder().build()
    threads = executors.MultiThreadingExecutor(max_tasks=2)
    return {
        "flat": lambda: flat.execute(["f39"]),
        "flat, often": lambda: [flat.execute(["f39"]) and None for _ in range(15)],
        "hooks": lambda: builder().with_adapters(Silent()).build().execute(["f39"]),
        "dynamic": lambda: dynamic(executors.SynchronousLocalTaskExecutor()).execute(["f39"]),
        "dynamic, threads": lambda: dynamic(threads).execute(["f39"]),
        "async": lambda: asyncio.run(awaited()),
        "cached": lambda: cached("c").execute(["f39"]),
        "read back": lambda: cached("c").execute(["f39"]),
    }


def work_memory(folder: Path, quick: bool) -> Figures:
    """Measures the peak of a chain of 40 arrays of 8 MiB, in arrays, in every way to run it."""
    lines = ["import numpy as np\n\ndef f0() -> np.ndarray:\n    return np.ones(1 << 20)\n"]
    lines += [
        f"def f{i}(f{i - 1}: np.ndarray) -> np.ndarray:\n    return f{i - 1} + 1\n"
        for i in range(1, 40)
    ]
    module = loaded("\n".join(lines), folder, "memory_chain")
    found: Figures = {}
    for mode, run in memory_runs(module, folder).items():
        tracemalloc.start()
        run()
        found[f"memory {mode} [arrays]"] = tracemalloc.get_traced_memory()[1] / (1 << 23)
        tracemalloc.stop()
    return found


WORKERS: dict[str, Callable[[Path, bool], Figures]] = {
    "import": work_import,
    "build": work_build,
    "execute": work_execute,
    "parallel": work_parallel,
    "memory": work_memory,
}


def worker(family: str, quick: bool) -> None:
    """Runs one family in this process and prints its figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(WORKERS[family](Path(folder), quick)))


def measured(python: str, family: str, quick: bool, path: str) -> Figures:
    """Runs a worker in another interpreter and returns its figures."""
    command = [python, str(Path(__file__).resolve()), "--worker", family]
    if quick:
        command.append("--quick")
    environment = {**os.environ, "PYTHONPATH": path, "HAMILTON_TELEMETRY_ENABLED": "false"}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if answer.returncode:
        raise RuntimeError(f"The {family} worker failed under {python}:\n{answer.stderr[-2000:]}")
    figures: Figures = json.loads(answer.stdout.splitlines()[-1])
    return figures


@contextmanager
def peer_environment() -> Iterator[str]:
    """Makes a temporary environment with the published package; yields its interpreter."""
    import venv

    folder = Path(tempfile.mkdtemp(prefix="dataflow-peer-"))
    try:
        venv.create(folder, with_pip=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        install = [str(python), "-m", "pip", "install", "--quiet", "sf-hamilton", "packaging"]
        subprocess.run(install, check=True)
        yield str(python)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def medians(rounds: list[Figures]) -> Figures:
    """Returns the median of each figure over the rounds."""
    return {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}


def goal_of(family: str, name: str, partner: str) -> float | None:
    """Returns the ratio a figure has to meet against a partner, if there is one."""
    if partner == "plain" and int(name.split()[2]) < SMALLEST_AGAINST_PLAIN:
        return None
    for figure, other, ratio in GOALS.get(family, []):
        if other == partner and name.startswith(f"{figure} "):
            return ratio
    return None


def partners_of(name: str, ours: Figures, peer: Figures | None) -> Figures:
    """Returns the figures that a figure is to be compared with, by partner."""
    found = {}
    for partner in PARTNERS:
        other = ours.get(f"{partner} {name.split(' ', 1)[1]}")
        if other:
            found[partner] = other
    if peer and peer.get(name):
        found["peer"] = peer[name]
    return found


def report(family: str, ours: Figures, peer: Figures | None) -> None:
    """Prints the figures of a family with their ratios and whether the goals are met."""
    print(f"\n{family}")
    for name, value in ours.items():
        if name.startswith(tuple(f"{partner} " for partner in PARTNERS)):
            continue
        line = f"  {name:42} {value:12.4g}"
        for figure, limit in LIMITS.items():
            if name.startswith(f"{figure} "):
                line += f"   limit {limit:g}: {'ok' if value <= limit else 'OVER'}"
        for partner, other in partners_of(name, ours, peer).items():
            goal = goal_of(family, name, partner)
            verdict = "" if goal is None else " ok" if value / other <= goal else f" OVER {goal}"
            line += f"   {value / other:8.3f} x {partner}{verdict}"
        print(line)


def main() -> None:
    """Runs the families and prints the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--family", choices=FAMILIES, action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--worker", choices=FAMILIES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        worker(chosen.worker, chosen.quick)
        return
    families = chosen.family or FAMILIES
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if not chosen.peer:
        for family in families:
            rounds = [
                measured(sys.executable, family, chosen.quick, str(ROOT / "src"))
                for _ in range(chosen.rounds)
            ]
            report(family, medians(rounds), None)
        return
    with peer_environment() as python:
        for family in families:
            ours, peer = [], []
            for _ in range(chosen.rounds):
                ours.append(measured(sys.executable, family, chosen.quick, str(ROOT / "src")))
                peer.append(measured(python, family, chosen.quick, ""))
            report(family, medians(ours), medians(peer))


if __name__ == "__main__":
    main()
