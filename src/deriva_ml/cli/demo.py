"""``create-demo-catalog``: make the demo catalog, and say where it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]


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
        print(f"create-demo-catalog: {error}", file=sys.stderr)
        return 1
    print(catalog.url)
    catalog.close()
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="create-demo-catalog",
        description="Make a small catalog with made-up subjects and pictures, and print where it "
        "is. It stays until it is deleted.",
        epilog="exit status: 0 when the catalog was made, 1 when not, 2 when the command line was "
        "not understood.",
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
