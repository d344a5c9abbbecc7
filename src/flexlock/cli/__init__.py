"""The command line: of decorated scripts (`clicfg`) and of the ``flexlock`` command.

* ``decorator`` is `clicfg`; ``entry`` is what it knows of a function; ``invocation`` decides
  whether a call reads the command line; ``options`` reads it, ``help_text`` explains it.
* ``dispatch`` makes a ``calls.Call`` of both, which ``single`` runs once or ``many`` for tasks.
* ``program`` is the ``flexlock`` command, one module of ``commands`` for each subcommand.
* ``reporting`` writes the few lines that people see.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["diff", "main", "run", "status"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ``flexlock`` command and return its exit status."""
    from flexlock.cli.program import main as start

    return start(argv)


def run() -> int:
    """Be ``flexlock-run``, another name of ``flexlock run``."""
    return main(["run", *sys.argv[1:]])


def diff() -> int:
    """Be ``flexlock-diff``, another name of ``flexlock diff``."""
    return main(["diff", *sys.argv[1:]])


def status() -> int:
    """Be ``flexlock-status``, another name of ``flexlock status``."""
    return main(["status", *sys.argv[1:]])
