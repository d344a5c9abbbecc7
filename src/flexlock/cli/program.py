"""The ``flexlock`` command: subcommands, each a small module that is loaded when it is used.

A subcommand is a module of `flexlock.cli.commands` with ``main(argv) -> int``, and a line in
`COMMANDS`. Its parser comes from `flexlock.cli.command.make_parser`, which adds ``--json`` and the
exit statuses to its help.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from flexlock.errors import ConfigError
from flexlock.reporting import INTERRUPTED, exit_on_errors
from flexlock.spelling import nearest

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "run": "run a function of a file or module, with options like a decorated script",
    "show": "print the run sheet of a run",
    "status": "say where runs and the tasks of sweeps are: running, complete, failed, lost ...",
    "export": "write the results of a sweep as CSV, JSON or Parquet",
    "worker": "add workers to the tasks of a sweep",
    "verify": "check what still holds of a run's code, data, earlier runs and outputs",
    "diff": "compare two runs: code, config, data, environment, results",
    "why": "say why a run would or would not be run again",
    "log": "print a run and the runs that it builds on",
    "ls": "list the runs below a folder",
    "graph": "draw how runs build on each other",
    "report": "write one HTML page about the runs below a folder",
    "tag": "name runs, so that they and their code are kept",
    "gc": "move runs that nobody needs to a trash folder, and back",
    "push": "publish runs with their code, data and earlier runs",
    "pull": "get pushed runs by the name of their tag",
    "rerun": "run a run again and compare what it leaves",
    "doctor": "look after this machine and the runs of a folder",
    "py2cfg": "print the config of a function's signature",
}
"""Name -> what it does, in the order of the help. The module has the name of the command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit status.

    Args:
        argv: The words of the command line; those of this process by default.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_help(), end="")
        return 0 if words else 2
    if words[0] == "--version":
        print(_version())
        return 0
    try:
        with exit_on_errors():
            return _command(words[0])(words[1:])
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        return 0


def _command(name: str) -> Callable[[Sequence[str]], int]:
    if name not in COMMANDS:
        raise ConfigError(
            f"There is no command {name!r}.{nearest(name, COMMANDS)}", hint="Try flexlock --help."
        )
    module = import_module(f"flexlock.cli.commands.{name.replace('-', '_')}")
    command: Callable[[Sequence[str]], int] = module.main
    return command


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{summary}" for name, summary in COMMANDS.items()]
    return (
        "usage: flexlock COMMAND [options]\n\n"
        "Run sheets: which code, configuration, data and earlier runs a result was made of.\n\n"
        "commands:\n" + "\n".join(lines) + "\n\n"
        "examples:\n"
        "  flexlock run train.py -o lr 0.1      run `main` of a file with another value\n"
        "  flexlock status results              say where its runs are\n"
        "  flexlock diff results/a results/b    say what makes two runs different\n\n"
        "flexlock COMMAND --help explains one. Every command has --json.\n"
        "exit status: 0 done, 1 failed or different, 2 wrong use, 130 interrupted\n"
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"flexlock {version('derivaml')}"
    except PackageNotFoundError:
        return "flexlock (not installed)"
