"""Reading many files: small ones quickly, one after the other; slow disks by several threads.

A small file that the page cache holds costs a few system calls, and threads that take turns at
those are slower than one. Threads pay when calls wait (for a disk, a network) or hash for long.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from flexlock.data.hashing import (
    OPEN_FLAGS,
    SMALL_FILE,
    Content,
    Progress,
    digest_of,
    read_content,
    stamp_of,
)
from flexlock.errors import DataError

__all__ = ["Batch", "Outcome", "batches", "read_batches"]

Batch = tuple[str, Sequence[str]]
"""A folder, and names of files in it."""

Outcome = Content | DataError
"""What a file holds, or why it cannot be read."""

_BATCH = 64
_WAITING_THREADS = 8
_LONG_BYTES = 128 << 10
"""Hashing a file of this size takes longer than to hand it to another thread."""
_HAS_DIR_FD = os.open in os.supports_dir_fd


def batches(folder: str, names: Sequence[str]) -> Iterator[Batch]:
    """Cut the files of a folder into batches that are worth a thread each."""
    for start in range(0, len(names), _BATCH):
        yield folder, names[start : start + _BATCH]


def read_batches(
    work: Sequence[Batch], algorithm: str, progress: Progress | None = None
) -> list[list[Outcome]]:
    """Read the files of each batch and return the outcomes, in their order.

    The first batch shows what the rest will be like, and how many threads it is worth.
    """
    if not work:
        return []
    waits = _waits()
    outcomes = [_read_batch(work[0], algorithm, progress)]
    threads = _threads_for(outcomes[0], _waits() - waits)
    if threads == 1:
        return outcomes + [_read_batch(batch, algorithm, progress) for batch in work[1:]]
    with ThreadPoolExecutor(threads, thread_name_prefix="flexlock-hash") as pool:
        jobs = [pool.submit(_read_batch, batch, algorithm, progress) for batch in work[1:]]
        try:
            return outcomes + [job.result() for job in jobs]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _threads_for(outcomes: Sequence[Outcome], waits: int) -> int:
    if waits > len(outcomes) // 4:
        return _WAITING_THREADS
    sizes = [content.size for content in outcomes if isinstance(content, Content)]
    if sizes and sum(sizes) / len(sizes) >= _LONG_BYTES:
        return min(_cores(), _WAITING_THREADS)
    return 1


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _waits() -> int:
    """Return how often this thread has waited for something so far; 0 where that is not told."""
    try:
        import resource

        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    except (ImportError, AttributeError):
        return 0


def _read_batch(batch: Batch, algorithm: str, progress: Progress | None) -> list[Outcome]:
    folder, names = batch
    if not _HAS_DIR_FD:
        return [_read_carefully(f"{folder}/{name}", algorithm, progress) for name in names]
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # each file says why
        return [_read_carefully(f"{folder}/{name}", algorithm, progress) for name in names]
    try:
        return _read_quickly(descriptor, batch, algorithm, progress)
    finally:
        os.close(descriptor)


def _read_quickly(
    folder: int, batch: Batch, algorithm: str, progress: Progress | None
) -> list[Outcome]:
    """Read small files one after the other, and hand all others to `read_content`.

    The same as `read_content` for each; written out, because for small files the calls of Python
    functions, and the kernel's way along long paths, would cost more than the hashing.
    """
    digest = digest_of(algorithm)
    os_open, fstat, read, close, is_regular = os.open, os.fstat, os.read, os.close, stat.S_ISREG
    path, names = batch
    outcomes: list[Outcome] = []
    for name in names:
        try:
            file = os_open(name, OPEN_FLAGS, dir_fd=folder)
            try:
                before = fstat(file)
                size = before.st_size
                if size <= SMALL_FILE and is_regular(before.st_mode):
                    data = read(file, size + 1)
                    after = fstat(file)
                    if (
                        len(data) == size
                        and after.st_ctime_ns == before.st_ctime_ns
                        and after.st_mtime_ns == before.st_mtime_ns
                    ):
                        outcomes.append(Content(stamp_of(after), digest(data), size))
                        if progress is not None:
                            progress(size)
                        continue
            finally:
                close(file)
        except OSError:  # said in our words by:
            pass
        outcomes.append(_read_carefully(f"{path}/{name}", algorithm, progress))
    return outcomes


def _read_carefully(path: str, algorithm: str, progress: Progress | None) -> Outcome:
    try:
        return read_content(path, algorithm, progress)
    except DataError as error:
        return error
