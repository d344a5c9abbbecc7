"""What the subcommands of ``flexlock`` share: a parser with ``--json``, options, JSON output."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flexlock.cli.options import OptionFormatter, UsageParser
from flexlock.errors import ConfigError, FlexLockError

__all__ = [
    "SCHEMA_VERSION",
    "add_option",
    "existing_folder",
    "exiting_with",
    "make_parser",
    "print_json",
]

SCHEMA_VERSION = 1
"""Version of the JSON that commands print; it grows when a field changes its meaning."""


def make_parser(
    name: str,
    description: str,
    statuses: Mapping[int, str],
    *,
    usage: str | None = None,
    examples: Mapping[str, str] | None = None,
) -> UsageParser:
    """Return the parser of a subcommand.

    Args:
        name: The subcommand.
        description: What it does.
        statuses: Exit status -> when.
        usage: The usage line, where the usual one does not say it.
        examples: Command lines -> what they do.
    """
    ends = "\n".join(f"  {status}  {when}" for status, when in sorted(statuses.items()))
    shown = "".join(f"  {line}\n      {what}\n" for line, what in (examples or {}).items())
    parser = UsageParser(
        prog=f"flexlock {name}",
        usage=usage,
        description=description,
        epilog=f"examples:\n{shown}\nexit status:\n{ends}" if shown else f"exit status:\n{ends}",
        formatter_class=OptionFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser


def add_option(parser: argparse._ActionsContainer, *names: str, **settings: Any) -> None:
    """Add an option that may be written with ``_`` and with ``-`` inside."""
    dashed = [f"--{name[2:].replace('_', '-')}" for name in names if "_" in name]
    parser.add_argument(*names, *dashed, **settings)


def existing_folder(text: str) -> Path:
    """Return a folder that was named on the command line.

    Raises:
        ConfigError: There is none.
    """
    path = Path(text)
    if not path.is_dir():
        raise ConfigError(f"There is no folder {text!r}.", hint="Correct the path.", path=text)
    return path


@contextmanager
def exiting_with(status: int) -> Iterator[None]:
    """End with a status after an error of ours, where 1 already says something else."""
    try:
        yield
    except FlexLockError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(status)


def print_json(facts: Mapping[str, Any]) -> None:
    """Print facts as JSON, with the version of their layout."""
    print(json.dumps({"schema_version": SCHEMA_VERSION, **facts}, indent=2, default=str))
