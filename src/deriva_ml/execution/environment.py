"""What surrounds a run: packages, Python, system, hardware. Nothing secret is recorded."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["RECORDED_VARIABLES", "environment_snapshot", "write_environment_snapshot"]

RECORDED_VARIABLES = (
    "CONDA_DEFAULT_ENV",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "LANG",
    "LC_ALL",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_CPUS_PER_TASK",
    "SLURM_JOB_ID",
    "SLURM_JOB_PARTITION",
    "TF_DETERMINISTIC_OPS",
    "TZ",
    "VIRTUAL_ENV",
)
"""Environment variables that are recorded: they change results, and hold no secrets."""

_GPU_TIMEOUT_S = 10
_NAME_AND_VERSION = (
    re.compile(r"^Name:[ \t]*(.*\S)", re.MULTILINE | re.IGNORECASE),
    re.compile(r"^Version:[ \t]*(.*\S)", re.MULTILINE | re.IGNORECASE),
)


def environment_snapshot(also: Iterable[str] = ()) -> dict[str, Any]:
    """Return the surroundings of this process as plain JSON values.

    Args:
        also: Names of environment variables to record besides `RECORDED_VARIABLES`. All others
            stay out: they hold tokens and passwords, and the record is read by many.
    """
    names = (*RECORDED_VARIABLES, *also)
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": {
            "version": sys.version,
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "path": sys.path,
        },
        "system": {
            "platform": platform.platform(),
            "system": platform.system(),
            "release": platform.release(),
            "version": platform.version(),
            "node": platform.node(),
        },
        "hardware": {
            "machine": platform.machine(),
            "processor": platform.processor(),
            "cpus": os.cpu_count(),
            "cpus_usable": _usable_cpus(),
            "memory_bytes": _memory_bytes(),
            "gpus": _gpus(),
        },
        "variables": {name: os.environ[name] for name in names if name in os.environ},
        "packages": _packages(),
    }


def write_environment_snapshot(directory: Path, also: Iterable[str] = ()) -> Path:
    """Write the snapshot as JSON to ``environment_snapshot_<time>.txt`` and return the path."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    target = directory / f"environment_snapshot_{stamp}.txt"
    text = json.dumps(environment_snapshot(also), indent=2, sort_keys=False)
    target.write_text(text + "\n", encoding="utf-8")
    return target


def _packages() -> dict[str, str]:
    """Return the installed distributions and their versions, by name."""
    return dict(_packages_in(tuple((path, _changed(path)) for path in sys.path)))


def _changed(path: str) -> int | None:
    """When a directory of packages changed last; None when it cannot be said."""
    try:
        return os.stat(path or os.curdir).st_mtime_ns  # noqa: PTH116 - "" is this directory
    except OSError:
        return None


@lru_cache(maxsize=1)  # hundreds of files are read, and a sweep makes many executions
def _packages_in(where: tuple[tuple[str, int | None], ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name, version = _name_and_version(distribution)
        if name and version:
            found.setdefault(name, version)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _name_and_version(distribution: metadata.Distribution) -> tuple[str, str]:
    """Two fields of a distribution's metadata; to parse all of them takes ten times as long."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    head = text.partition("\n\n")[0]
    name, version = (field.search(head) for field in _NAME_AND_VERSION)
    return (name[1] if name else ""), (version[1] if version else "")


def _usable_cpus() -> int | None:
    """Return the number of processors that this process may use, where the system says."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory_bytes() -> int | None:
    """Return the main memory of the machine, where the system says."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _gpus() -> list[str]:
    """Return NVIDIA's graphics processors as ``name, driver, memory`` lines."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            [program, *query], capture_output=True, text=True, check=False, timeout=_GPU_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
