"""What jobs in other processes print, kept away from the table of their sweep.

The table is drawn on the terminal by the process that launches the jobs. What that process prints
itself goes above the table; what its workers print would go right through it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import TaskFunction
from omegaconf import DictConfig

from flexlock.tasks.output import flush_streams

__all__ = ["BesideTable", "off_the_terminal"]

_STREAMS = {1: "stdout.log", 2: "stderr.log"}


@dataclass(frozen=True, slots=True)
class BesideTable:
    """A job's function, which in a worker keeps off the terminal that has the table.

    Attributes:
        function: The function.
        launching: The number of the process that launches the jobs.
    """

    function: TaskFunction
    launching: int

    def __call__(self, config: DictConfig) -> Any:
        """Call the function with the job's configuration."""
        if os.getpid() == self.launching:
            return self.function(config)
        with off_the_terminal(Path(HydraConfig.get().runtime.output_dir)):
            return self.function(config)


@contextmanager
def off_the_terminal(directory: Path) -> Iterator[None]:
    """Append what is printed in the block to files, where it would go to a terminal with a table.

    There is a table if standard error is a terminal, see `sweep_screen.watch`. Elsewhere everything
    goes where it always did.

    Args:
        directory: Where ``stdout.log`` and ``stderr.log`` are kept.
    """
    if not os.isatty(2):
        yield
        return
    from .sweep_screen import is_quiet

    with ExitStack() as stack:
        if not is_quiet():
            for number, name in _STREAMS.items():
                if os.isatty(number):
                    stack.enter_context(_appended(number, directory / name))
        yield


@contextmanager
def _appended(number: int, file: Path) -> Iterator[None]:
    """Have a file descriptor lead to the end of a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = os.dup(number)
    try:
        flush_streams()
        other = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(other, number)
        os.close(other)
        yield
    finally:
        flush_streams()
        os.dup2(before, number)
        os.close(before)
