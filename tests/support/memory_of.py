"""How much memory another process of this machine takes at most, in bytes; on Linux."""

from __future__ import annotations

from pathlib import Path


def forget_peak(pid: int) -> None:
    """Let the peak begin at what the process has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most that the process had in memory since then."""
    return _field(pid, "VmHWM")


def now(pid: int) -> int:
    """What the process has in memory now."""
    return _field(pid, "VmRSS")


def _field(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name}")
