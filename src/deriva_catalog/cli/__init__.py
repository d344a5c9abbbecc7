"""``deriva-catalog``: the catalogs of this machine, who may use them, and logins at servers.

Nothing heavy is imported before the command line is understood, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..loading import loading, own_process
from .housekeeping import add_housekeeping
from .serving import add_serve
from .signin import add_signin
from .users import add_users

__all__ = ["main"]

_PROGRAM = "deriva-catalog"
_DESCRIPTION = """\
Make, list, inspect, copy, check and serve the catalogs of this machine, and log in to those of
others.

A CATALOG is an identifier or alias ('digits'), the directory of a catalog ('./data'), or one of
a PostgreSQL database ('postgresql://user@host/database#digits'). Where it is read only, '@' and
a snapshot or a time may follow ('digits@2026-11-01').
"""
_EXAMPLES = """\
examples:
  deriva-catalog init digits                  make a catalog and call it 'digits'
  deriva-catalog init ./data                  make one in a directory of its own
  deriva-catalog list                         what there is
  deriva-catalog info digits                  its tables, rows, size and latest snapshot
  deriva-catalog backup digits digits.tar.gz  copy everything into one file, while it is in use
  deriva-catalog restore digits.tar.gz again  make a catalog of the copy and call it 'again'
  deriva-catalog copy digits postgresql://kim@host/lab#digits
                                              move to a database, with all history
  deriva-catalog check digits                 read and verify every row, version and file
  deriva-catalog gc                           delete the bytes of files that nothing needs
  deriva-catalog undelete digits /hatrac/a    bring a file back that was deleted
  deriva-catalog serve                        serve them over HTTP, with a link to log in
  deriva-catalog user add kim                 let kim log in there
  deriva-catalog login catalog.example.org    log in to a server
  deriva-catalog whoami                       who you are, and where

The catalogs lie below DERIVA_ML_HOME if it is set, else in the user's data directory.

exit status: 0 when all went well; 1 when 'check' found something, you are not logged in
('whoami'), or the storage failed; 2 when the command line was not understood or names something
that is not there.
"""


_CATALOG = "a name, a directory, or URL#NAME of a database"
_OBJECTS = "the store for its files, such as s3://bucket/prefix; default: beside the catalog"
_TARGET = (
    "what it will be called, a directory of its own ('./data'), or a PostgreSQL database and "
    "what it will be called there"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words of the command line; default: those of this process.

    Returns:
        The exit status.
    """
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:  # argparse has told why
        return int(stop.code or 0)
    if arguments is None:
        own_process()
    with loading():
        from ..errors import CatalogError
        from . import commands

    try:
        return int(commands.COMMANDS[options.command](options))
    except CatalogError as error:
        print(f"{_PROGRAM}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if 400 <= error.status < 500 else 1
    except KeyboardInterrupt:
        print(f"{_PROGRAM}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        return 0


class _Version(argparse.Action):
    """Prints the version, which is looked up only then: reading a package's facts takes time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"{_PROGRAM} {version('derivaml')}")
        except PackageNotFoundError:
            print(f"{_PROGRAM} (not installed)")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str, more: str = "") -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.{more}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.add_argument("--json", action="store_true", help="print JSON, for scripts")
        return made

    init = command("init", "make an empty catalog")
    init.add_argument("target", metavar="NAME|DIR|URL#NAME", help=_TARGET)
    init.add_argument(
        "--id", help="the identifier that it keeps for good; default: the next number"
    )
    init.add_argument("--title", help="a title for people")
    init.add_argument("--description", help="what it is for")
    init.add_argument("--objects", metavar="URL", help=_OBJECTS)
    listing = command("list", "list the catalogs of this machine, or of a database")
    listing.add_argument(
        "database", metavar="DATABASE", nargs="?", help="the URL of a PostgreSQL database"
    )
    info = command("info", "show the tables, rows, size and latest snapshot of a catalog")
    info.add_argument("catalog", metavar="CATALOG[@SNAPSHOT]", help=_CATALOG)
    _add_copying(command)
    check = command(
        "check",
        "verify every row, version and file of a catalog",
        "\n\nReads everything. The exit status is 1 when something is wrong. '/hatrac' stands for "
        "the\nservice's own files, or 'URL#/hatrac' for those in a database.",
    )
    check.add_argument("catalog", metavar="CATALOG|/hatrac", help=_CATALOG)
    check.add_argument(
        "--no-files", action="store_true", help="leave out the files: rows and history only"
    )
    add_housekeeping(command)
    add_serve(command)
    add_users(command)
    add_signin(command)
    return parser


def _add_copying(command: Callable[..., argparse.ArgumentParser]) -> None:
    backup = command(
        "backup",
        "copy a catalog, which may be in use meanwhile",
        "\n\nA directory is itself a catalog that can be opened; its files are hard links on the "
        "same\ndevice. A name that ends in .tar, .tar.gz or .tgz makes one file.",
    )
    backup.add_argument("catalog", metavar="CATALOG", help=_CATALOG)
    backup.add_argument("destination", metavar="FILE|DIR", help="must not exist")
    copy = command(
        "copy",
        "copy a catalog with its history and objects, also from or to a PostgreSQL database",
        "\n\nThe copy appears when it is complete. The original stays and may be in use.\n"
        "A catalog in a database is written 'postgresql://user@host/database#NAME'.",
    )
    copy.add_argument("catalog", metavar="CATALOG", help=_CATALOG)
    copy.add_argument("target", metavar="NAME|DIR|URL#NAME", help=_TARGET)
    copy.add_argument(
        "--id", help="the identifier that it keeps for good; default: the next number"
    )
    copy.add_argument("--objects", metavar="URL", help=_OBJECTS)
    delete = command(
        "delete",
        "remove a catalog and all that it holds, for good",
        "\n\nWithout --yes it only says what would be removed. 'backup' keeps a copy.",
    )
    delete.add_argument("catalog", metavar="CATALOG", help=_CATALOG)
    delete.add_argument("--yes", action="store_true", help="really: nothing brings it back")
    restore = command(
        "restore",
        "make a catalog of a backup",
        "\n\nThe backup stays as it is. History, rights and files are those of the original.",
    )
    restore.add_argument("source", metavar="FILE|DIR", help="what 'backup' wrote")
    restore.add_argument("target", metavar="NAME|DIR|URL#NAME", help=_TARGET)
    restore.add_argument(
        "--id", help="the identifier that it keeps for good; default: the next number"
    )
