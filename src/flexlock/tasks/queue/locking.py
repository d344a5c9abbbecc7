"""Whether SQLite can rely on the locks of a file system.

Network file systems may refuse locks, or grant them to each host by itself. The first shows when a
lock is tried; the second only in the options of the mount.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
from pathlib import Path

__all__ = ["can_lock", "mount_options"]

_LOCAL_ONLY = frozenset({"nolock", "localflock", "local_lock=all", "local_lock=posix"})
_MOUNTS = Path("/proc/self/mountinfo")


def can_lock(directory: Path) -> bool:
    """Return whether two processes can exclude each other by locks on files in a directory."""
    if _MOUNTS.is_file() and mount_options(directory, _MOUNTS.read_text()) & _LOCAL_ONLY:
        return False
    try:
        import fcntl
    except ImportError:  # Windows: locks are part of opening a file
        return True
    if not hasattr(fcntl, "F_OFD_SETLK"):
        return True
    probe = directory / f".flexlock-{secrets.token_hex(8)}.lock"
    descriptors = [os.open(probe, os.O_RDWR | os.O_CREAT, 0o600), os.open(probe, os.O_RDWR)]
    try:
        return _lock(descriptors[0]) and not _lock(descriptors[1])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(OSError):
            probe.unlink()


def mount_options(directory: Path, mounts: str) -> frozenset[str]:
    """Return the options of the file system that holds a directory.

    Args:
        directory: An existing directory.
        mounts: The content of ``/proc/self/mountinfo``.
    """
    wanted = os.path.realpath(directory)
    best, options = "", frozenset[str]()
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split()
        if len(fields) < 6:
            continue
        point = fields[4].replace("\\040", " ")
        inside = wanted == point or wanted.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best = point
            options = frozenset(",".join([fields[5], *source.split()[2:]]).split(","))
    return options


def _lock(descriptor: int) -> bool:
    """Try to lock the whole file for this open file (not for the process)."""
    import fcntl

    # struct flock: type, whence, start, length, process
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)
    except OSError:
        return False
    return True
