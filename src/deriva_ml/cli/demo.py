"""``create-demo-catalog``: make the demo catalog, and say where it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .endings import ended_by

__all__ = ["main"]

_PROGRAM = "create-demo-catalog"

_EPILOG = """\
examples:
  create-demo-catalog --host localhost --features --datasets   among this machine's catalogs
  create-demo-catalog --path ./demo                            in a directory of its own

exit status: 0 when the catalog was made; 1 when that failed; 2 when the command line was not
understood, the directory is taken, or the server is not there.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when the catalog was made."""
    options = _options(arguments)
    from deriva_ml.core.exceptions import DerivaMLException
    from deriva_ml.demo_catalog import create_demo_catalog

    place = options.host if options.path is None else str(options.path.absolute())
    try:
        catalog = create_demo_catalog(
            place,
            options.domain_schema,
            create_features=options.features,
            create_datasets=options.datasets,
            on_exit_delete=False,
        )
    except DerivaMLException as error:
        return ended_by(_PROGRAM, error)
    print(catalog.url)
    catalog.close()
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Make a small catalog with made-up subjects and pictures, and print where it "
        "is. It stays until it is deleted.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--host", help="localhost, a server, or the URL of a database")
    place.add_argument("--path", type=Path, help="the directory that the catalog shall be")
    parser.add_argument(
        "--domain_schema",
        "--domain-schema",
        default="demo-schema",
        metavar="NAME",
        help="schema of its tables (default: %(default)s)",
    )
    parser.add_argument("--features", action="store_true", help="with features and their values")
    parser.add_argument("--datasets", action="store_true", help="with nested datasets")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
