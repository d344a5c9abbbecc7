"""``deriva-ml-config``: list, check and propose a project's configuration."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .connection_options import add_catalog
from .endings import BAD_INPUT, FAILED, ended_by

if TYPE_CHECKING:
    from deriva_ml.config import BootstrapReport, ConfigValidationReport
    from deriva_ml.core.base import DerivaML

__all__ = ["main"]

_PROGRAM = "deriva-ml-config"
_CONFIGS = Path("src/configs")

_DESCRIPTION = """\
Look after the configuration of a project: Python modules in a package (src/configs) that put
options into groups. They are read as text here; nothing of them is run, but by 'list'.
"""

_EPILOG = """\
examples:
  deriva-ml-config list --json                       what there is to choose from, for programs
  deriva-ml-config check                             do the RIDs and versions exist?
  deriva-ml-config check src/configs/datasets.py --host data.example.org --catalog 7
  deriva-ml-config propose                           print modules with what the catalog has
  deriva-ml-config propose --kind datasets --type Training --write src/configs
  deriva-ml-config context --host localhost --catalog digits
                                                     write .deriva-context.json

Without --host, the catalog is the one that .deriva-context.json names, in this directory or above.

exit status: 0 when all went well; 1 when 'check' found something wrong, or when 'propose --write'
cannot write; 2 when the command line was not understood, something that it names does not exist or
is not usable, or the catalog cannot be reached or does not answer as it should.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    listing = _command(commands, "list", _list, "show groups, options and named sweeps")
    listing.add_argument(
        "directory", nargs="?", type=Path, default=_CONFIGS, help="the package (%(default)s)"
    )
    check = _command(commands, "check", _check, "check what files name against the catalog")
    check.add_argument(
        "paths", nargs="*", type=Path, default=[_CONFIGS], help="files, packages (src/configs)"
    )
    propose = _command(commands, "propose", _propose, "propose options from what the catalog has")
    propose.add_argument(
        "--kind",
        action="append",
        choices=("deriva_ml", "datasets", "assets", "workflow"),
        help="only this group; may be given several times",
    )
    propose.add_argument(
        "--type", action="append", metavar="TYPE", help="datasets of this type (several times)"
    )
    propose.add_argument(
        "--write", metavar="DIR", type=Path, help="write modules that are not there yet"
    )
    for command in (listing, check, propose):
        command.add_argument("--json", action="store_true", help="print JSON instead of text")
    context = _command(commands, "context", _context, "write which catalog the project belongs to")
    context.add_argument("--default-schema", metavar="S", help="where new tables go")
    context.add_argument("--working-dir", metavar="DIR", type=Path, help="where runs work")
    context.add_argument(
        "--directory", metavar="DIR", type=Path, default=Path(), help="the project (here)"
    )
    for command in (check, propose, context):
        add_catalog(command, from_context=command is not context)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    work: Callable[[argparse.Namespace], int],
    about: str,
) -> argparse.ArgumentParser:
    made = commands.add_parser(
        name, help=about, description=about.capitalize() + ".", allow_abbrev=False
    )
    made.set_defaults(work=work)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    given = _parser().parse_args(words)
    given.words = words
    from deriva_ml.core.exceptions import DerivaMLException

    try:
        status: int = given.work(given)
    except DerivaMLException as error:
        return ended_by(_PROGRAM, error, writing=False)
    return status


def _list(given: argparse.Namespace) -> int:
    from .light_loading import load_for_listing
    from .listing import options_json, options_text
    from .project import load_package

    status = load_for_listing(
        lambda: load_package(given.directory), "deriva_ml.cli.config", given.words
    )
    if status is not None:
        return status
    print(options_json() if given.json else options_text("deriva_model"))
    return 0


def _connected(given: argparse.Namespace) -> DerivaML:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.core.context import place_of

    return DerivaML(**place_of(given.host, given.catalog))


def _check(given: argparse.Namespace) -> int:
    from deriva_ml.core.exceptions import DerivaMLNotFoundError

    for path in given.paths:
        if not path.exists():
            raise DerivaMLNotFoundError(
                f"There is no {str(path)!r} to check; name files or packages of configurations."
            )
    ml = _connected(given)
    try:
        reports = [
            ml.validate_config_directory(path) if path.is_dir() else ml.validate_config_file(path)
            for path in given.paths
        ]
    finally:
        ml.catalog.close()
    report = _together(reports)
    print(report.model_dump_json(indent=2) if given.json else report.to_text())
    return 0 if report.all_valid else FAILED


def _together(reports: Sequence[ConfigValidationReport]) -> ConfigValidationReport:
    """Reports on several paths as one."""
    from deriva_ml.config import ConfigValidationReport

    return ConfigValidationReport(
        file_count=sum(r.file_count for r in reports),
        entry_count=sum(r.entry_count for r in reports),
        all_valid=all(r.all_valid for r in reports),
        results=[result for r in reports for result in r.results],
        parse_errors=[error for r in reports for error in r.parse_errors],
    )


def _propose(given: argparse.Namespace) -> int:
    ml = _connected(given)
    try:
        report = ml.bootstrap_config(kinds=given.kind, dataset_type_filter=given.type)
    finally:
        ml.catalog.close()
    status = 0
    if given.write is not None:
        status = _write(report, given.write, as_json=given.json)
    elif given.json:
        print(report.model_dump_json(indent=2))
    else:
        print(report.to_code())
    reasons = Counter((skipped.kind, skipped.reason) for skipped in report.skipped)
    for (kind, reason), count in sorted(reasons.items()):
        print(f"{_PROGRAM}: left out of {kind}: {count}. {reason}", file=sys.stderr)
    return status


def _write(report: BootstrapReport, directory: Path, *, as_json: bool) -> int:
    """Write modules and say which; those that are there stay as they are."""
    from deriva_ml.core.exceptions import DerivaMLConfigurationError

    try:
        written, kept = report.write_to(directory)
    except DerivaMLConfigurationError as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return FAILED
    if as_json:
        told = {"written": [str(file) for file in written], "kept": [str(file) for file in kept]}
        print(json.dumps(told, indent=2))
        return 0
    for file in written:
        print(f"written: {file}")
    for file in kept:
        print(f"kept, because it is there: {file}")
    return 0


def _context(given: argparse.Namespace) -> int:
    from deriva_ml.core.context import write_context

    if given.host is None:
        print(f"{_PROGRAM}: context needs --host, such as --host localhost", file=sys.stderr)
        return BAD_INPUT
    written = write_context(
        given.directory,
        given.host,
        given.catalog or 1,
        default_schema=given.default_schema,
        working_dir=given.working_dir,
    )
    print(written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
