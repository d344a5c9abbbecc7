"""Measures what caching and drawing cost per node, beside joblib's cache and the `dot` program.

    PYTHONPATH=src python benchmarks/bench_dataflow_cache.py
    PYTHONPATH=src python benchmarks/bench_dataflow_cache.py --quick

The graphs are random, their functions trivial, the stores on disk. Figures are medians over the
rounds; "added" is the time of a run less that of the same run without a cache.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from types import ModuleType

from hamilton import ad_hoc_utils, driver

# Milliseconds per node that a miss and a hit of a small value may add.
MISS_MS, HIT_MS = 0.5, 0.1


def random_graph(size: int) -> ModuleType:
    """Returns a module of `size` functions, each taking up to three earlier ones."""
    chooser = random.Random(size)
    lines = ["def n0(x: int) -> int:\n    return x\n"]
    for i in range(1, size):
        parents = chooser.sample(range(i), min(3, i))
        parameters = ", ".join(f"n{p}: int" for p in parents)
        lines.append(f"def n{i}({parameters}) -> int:\n    return {i}\n")
    return ad_hoc_utils.module_from_source("\n".join(lines))


def timed(work: Callable[[], object]) -> float:
    """Returns the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cache_figures(size: int) -> dict[str, float]:
    """Returns milliseconds per node: without a cache, and added by misses and hits."""
    module = random_graph(size)
    names = [f"n{i}" for i in range(size)]

    def built(path: str | None) -> driver.Driver:
        builder = driver.Builder().with_modules(module)
        return (builder.with_cache(path) if path else builder).build()

    def run(dr: driver.Driver) -> float:
        return timed(lambda: dr.execute(names, inputs={"x": 1})) / size * 1e3

    plain_driver = built(None)
    run(plain_driver)
    plain = run(plain_driver)
    with tempfile.TemporaryDirectory() as folder:
        dr = built(folder)
        return {
            "no cache": plain,
            "miss, added": run(dr) - plain,
            "hit, same driver, added": run(dr) - plain,
            "hit, new driver, added": run(built(folder)) - plain,
        }


def joblib_figures(size: int) -> dict[str, float]:
    """Returns milliseconds per call of joblib's cache, for calls that miss and hit."""
    try:
        import joblib
    except ImportError:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        cached = joblib.Memory(folder, verbose=0).cache(_one_more)
        calls = range(size)
        miss = timed(lambda: [cached(i) for i in calls]) / size * 1e3
        hit = timed(lambda: [cached(i) for i in calls]) / size * 1e3
    return {"joblib.Memory miss": miss, "joblib.Memory hit": hit}


def _one_more(x: int) -> int:
    return x + 1


def drawing_figures(size: int) -> dict[str, float]:
    """Returns milliseconds to draw a graph: the built-in SVG, and graphviz where it is there."""
    from hamilton.visualization.dot import dot_program, render_dot
    from hamilton.visualization.svg import to_svg

    dr = driver.Builder().with_modules(random_graph(size)).build()
    found = {"picture": timed(dr.display_all_functions) * 1e3}
    picture = dr.display_all_functions()
    found["SVG, built in"] = timed(lambda: to_svg(picture.drawing)) * 1e3
    if dot_program() is not None:
        found["SVG by dot"] = timed(lambda: render_dot(picture.source, "svg")) * 1e3
    return found


def medians(measure: Callable[[int], dict[str, float]], size: int, rounds: int) -> dict[str, float]:
    """Returns the median of each figure over the rounds."""
    found = [measure(size) for _ in range(rounds)]
    return {name: statistics.median(f[name] for f in found) for name in found[0]}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, smaller graphs")
    options = parser.parse_args()
    rounds, sizes = (1, (100,)) if options.quick else (5, (100, 500))
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors")
    for size in sizes:
        figures = medians(cache_figures, size, rounds)
        figures.update(medians(joblib_figures, size, rounds))
        print(f"\n{size} nodes, milliseconds per node")
        for name, value in figures.items():
            limit = MISS_MS if name.startswith("miss") else HIT_MS if name[:4] == "hit," else None
            verdict = "" if limit is None else f"   budget {limit}: {_met(value, limit)}"
            print(f"  {name:28} {value:9.4f}{verdict}")
    size = 100 if options.quick else 200
    print(f"\nDrawing {size} nodes, milliseconds")
    for name, value in medians(drawing_figures, size, rounds).items():
        print(f"  {name:28} {value:9.1f}")


def _met(value: float, limit: float) -> str:
    return "met" if value <= limit else "missed"


if __name__ == "__main__":
    main()
