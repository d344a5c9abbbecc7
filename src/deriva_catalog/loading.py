"""What a command imports before it begins, without a search for garbage in it.

Modules are made of objects that stay. Python looks through them for garbage again and again while
more are imported, and once more when the process ends, which is a quarter of the time of a short
command. Only a process that is a command's own is treated so: elsewhere the objects of others would
be kept from being collected. What comes later is collected as ever, at the end of the process too:
a model may have left a file open that is written out only then.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["loading", "own_process"]

_owned: list[bool] = []


def own_process() -> None:
    """Say that this process is a command's own: whoever starts a command, does so first."""
    _owned.append(True)


@contextmanager
def loading() -> Iterator[None]:
    """Within the block, where the process is a command's own, no garbage is looked for.

    What is there at its end is left out of later searches. A program that has switched them off
    is left alone.
    """
    if not _owned or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
