"""Run the benchmarks of the catalog and of datasets, and print what they measured.

The dataflow has programs of its own: ``bench_dataflow.py`` and ``bench_dataflow_cache.py``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sqlite3
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "src"), str(ROOT / "tests" / "support")]

from measure import Comparison

PARTS = (
    "read_rows",
    "write_rows",
    "databases",
    "serve_rows",
    "service",
    "objects_http",
    "datasets",
    "published",
    "denormalize",
    "bags",
    "lineage",
    "commit",
    "sweeps",
    "imports",
    "commands",
)


def main() -> None:
    """Run all parts, or the one that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="run one part")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    parser.add_argument(
        "--directory",
        type=Path,
        help="where files are written; one in memory (/dev/shm) leaves the disk out",
    )
    options = parser.parse_args()
    print(_machine())
    found: list[Comparison] = []
    for part in (options.only,) if options.only else PARTS:
        with tempfile.TemporaryDirectory(
            prefix=f"bench-{part}-", dir=options.directory
        ) as directory:
            for comparison in importlib.import_module(part).main(Path(directory)):
                print(_line(comparison), flush=True)
                found.append(comparison)
    if options.json:
        options.json.write_text(json.dumps([_facts(c) for c in found], indent=2) + "\n")


def _machine() -> str:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}{load}"
    )


def _line(found: Comparison) -> str:
    told = f"{found.name}: {found.ours_s:.3f} s"
    if found.ratio is not None and found.spread is not None:
        low, high = found.spread
        told += f", {found.limit_name} {found.limit_s:.3f} s: {found.ratio:.2f}x"
        told += f" ({low:.2f} to {high:.2f})"
    goal = f"{found.goal}x" if found.goal is not None else f"{found.goal_s} s"
    if found.met is not None:
        told += f"; goal {goal} {'met' if found.met else 'MISSED'}"
    return told + (f"; {found.note}" if found.note else "")


def _facts(found: Comparison) -> dict[str, object]:
    return {
        "name": found.name,
        "ours_s": found.ours_s,
        "limit": found.limit_name,
        "limit_s": found.limit_s,
        "ratio": found.ratio,
        "spread": found.spread,
        "goal": found.goal,
        "goal_s": found.goal_s,
        "met": found.met,
    }


if __name__ == "__main__":
    main()
