"""``deriva-ml-check-schema``: whether a catalog has what this release works with."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from deriva_ml import __version__

from .connection_options import add_catalog

if TYPE_CHECKING:
    from deriva_ml.schema.checking import SchemaReport

__all__ = ["main"]

_PROGRAM = "deriva-ml-check-schema"
_DESCRIPTION = """\
Compare the ML schema of a catalog, its tables, columns, foreign keys and terms, with the one that
this release creates. Lines with - name what the catalog lacks, lines with + what it has beyond
that, lines with ~ columns of another type. Nothing is changed.
"""
_EPILOG = """\
examples:
  deriva-ml-check-schema --host localhost --catalog digits
  deriva-ml-check-schema --json                   the catalog of .deriva-context.json

exit status: 0 when the catalog lacks nothing; 1 when it lacks something; 2 when the command line
was not understood, the catalog cannot be reached, or it has no ML schema.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_catalog(parser)
    add = parser.add_argument
    add("--ml-schema", metavar="NAME", default="deriva-ml", help="its ML schema (%(default)s)")
    add("--json", action="store_true", help="print JSON")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(argv)
    from deriva_ml.core.exceptions import DerivaMLException

    try:
        report = _report(options)
    except DerivaMLException as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 2
    if options.json:
        found = {"complete": report.is_complete, "missing_terms": report.missing_terms}
        print(json.dumps(found | asdict(report.differences), indent=2))
    else:
        print(report.render())
    return 0 if report.is_complete else 1


def _report(options: argparse.Namespace) -> SchemaReport:
    from deriva_catalog.catalog import connect
    from deriva_ml.core.context import place_of
    from deriva_ml.core.exceptions import translated
    from deriva_ml.core.host import is_directory
    from deriva_ml.schema.checking import check_ml_schema

    # A directory is one catalog, so its default number says nothing.
    place = place_of(options.host, options.catalog)
    host, number = place["hostname"], place.get("catalog_id", 1)
    single = is_directory(host) and str(number) == "1"
    with translated():
        catalog = connect(host, None if single else number)
    try:
        return check_ml_schema(catalog, options.ml_schema)
    finally:
        catalog.close()


if __name__ == "__main__":
    sys.exit(main())
