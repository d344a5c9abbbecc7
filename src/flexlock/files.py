"""Writing files so that a reader sees the old content or the new one, never a part.

Small on purpose: everything that `flexlock` writes as one file goes through `write_atomically`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["sync_directory", "write_atomically"]


def write_atomically(path: Path, data: bytes | str, *, sync: bool = True) -> None:
    """Replace the content of `path` in one step; text is written as UTF-8.

    The content goes to a temporary file beside `path`, which then takes its place. The parent
    directory must exist. A symbolic link at `path` is followed, an existing file keeps its mode.

    Args:
        path: The file to write.
        data: Its whole content.
        sync: Whether to wait until file and directory entry are on the disk, so that they
            survive a loss of power.

    Raises:
        OSError: The file cannot be written; then `path` is as it was and nothing is left over.
    """
    content = data.encode() if isinstance(data, str) else data
    # Plain functions of `os`: a sweep calls this thousands of times.
    target = os.path.realpath(path) if os.path.islink(path) else os.fspath(path)  # noqa: PTH114
    folder, name = os.path.split(target)
    temporary = f"{folder or '.'}/.{name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        _write_new(temporary, content, mode=_mode_of(target), sync=sync)
        os.replace(temporary, target)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    if sync:
        sync_directory(Path(folder or "."))


def sync_directory(path: Path) -> None:
    """Wait until the entries of a directory are on the disk, where the file system can tell."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return  # e.g. Windows cannot open directories; the rename itself was atomic
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot sync directories
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_new(path: str, content: bytes, *, mode: int | None, sync: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        written = os.write(descriptor, content)
        while written < len(content):
            written += os.write(descriptor, content[written:])
        if mode is not None:
            os.chmod(path, mode)  # noqa: PTH101
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode_of(path: str) -> int | None:
    try:
        return os.stat(path).st_mode & 0o7777  # noqa: PTH116
    except FileNotFoundError:
        return None
