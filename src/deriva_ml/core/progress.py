"""Progress bars for work on many bytes: seen on a terminal or in a notebook, silent elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Advance", "byte_progress"]


class Advance(Protocol):
    """Told the bytes that were worked on since the last call; from any thread."""

    def __call__(self, count: int, /) -> object:
        """Advance by `count` bytes."""
        ...


@contextmanager
def byte_progress(doing: str, total: int) -> Iterator[Advance]:
    """Show a bar for `total` bytes while the block runs, if somebody can see it.

    Args:
        doing: What is done, in front of the bar.
        total: Bytes in all.
    """
    if total == 0 or not (sys.stderr.isatty() or _in_a_kernel()):
        yield _nothing
        return
    from tqdm.auto import tqdm

    lock = threading.Lock()
    with tqdm(total=total, desc=doing, unit="B", unit_scale=True, leave=False) as bar:

        def advance(count: int, /) -> None:
            with lock:
                bar.update(count)

        yield advance


def _nothing(count: int, /) -> None:
    """Nobody is looking."""


def _in_a_kernel() -> bool:
    """Whether this process is the kernel of a notebook, not one that has it imported."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
