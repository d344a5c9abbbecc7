"""``deriva-ml-upload``: upload what the executions of this machine left behind."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .connection_options import add_catalog

if TYPE_CHECKING:
    from deriva_ml.execution.report import UploadReport, WorkspacePendingSummary

__all__ = ["main"]

_PROGRAM = "deriva-ml-upload"
_SHOWN = 10

_DESCRIPTION = """\
Upload the outputs of executions that ended before they were uploaded: all that this machine
has for a catalog, or those that are named. What is uploaded already is not sent again.
"""

_EPILOG = """\
examples:
  deriva-ml-upload --host data.example.org --catalog 7   all that waits for this catalog
  deriva-ml-upload --execution 1-ABC --clean             one run of the project's catalog
  deriva-ml-upload --mode offline                        only say what waits

exit status: 0 when everything is uploaded; 1 when some of it is not; 2 when the command line
was not understood or the catalog cannot be reached.
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
    add(
        "--execution",
        metavar="RID",
        action="append",
        help="an execution to upload; may be given several times (default: all that ended)",
    )
    add("--clean", action="store_true", help="remove the files of executions afterwards")
    add("--working-dir", metavar="DIR", type=Path, help="working directory of the executions")
    add(
        "--mode",
        choices=("online", "offline"),
        default="online",
        help="offline: only say what waits, without the catalog",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    given = parser.parse_args(argv)
    if given.clean and given.mode == "offline":
        parser.error("--clean goes with --mode online: offline, nothing is uploaded or removed")
    from deriva_ml.core.exceptions import DerivaMLException, DerivaMLUploadError

    try:
        return _run(given)
    except DerivaMLUploadError as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 1
    except DerivaMLException as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 2


def _run(given: argparse.Namespace) -> int:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.core.context import place_of
    from deriva_ml.core.exceptions import DerivaMLNotFoundError

    place = place_of(given.host, given.catalog)
    if given.working_dir is not None:
        if not given.working_dir.expanduser().is_dir():  # it would be made, and nothing found in it
            raise DerivaMLNotFoundError(
                f"There is no directory {str(given.working_dir)!r}. Name the one that the runs had "
                "as working_dir."
            )
        place["working_dir"] = given.working_dir
    ml = DerivaML(**place, mode=given.mode)
    if given.mode == "offline":
        summary = _chosen(ml.pending_summary(), given.execution)
        print(summary.render())
        return 1 if summary.has_pending else 0
    try:
        report = ml.commit_pending_executions(
            execution_rids=given.execution, clean_folder=given.clean
        )
    finally:
        ml.catalog.close()
    return _tell(report)


def _chosen(
    summary: WorkspacePendingSummary, rids: Sequence[str] | None
) -> WorkspacePendingSummary:
    """What waits of the executions that are named; of all where none is.

    Raises:
        DerivaMLNotFoundError: Nothing is here of one of them.
    """
    from deriva_ml.core.exceptions import DerivaMLNotFoundError

    if not rids:
        return summary
    known = {each.execution_rid for each in summary.per_execution}
    if missing := sorted(set(rids) - known):
        raise DerivaMLNotFoundError(
            f"This machine has nothing of the executions {', '.join(missing)}; it has "
            f"{', '.join(sorted(known)) or 'none'}."
        )
    return replace(
        summary, per_execution=tuple(s for s in summary.per_execution if s.execution_rid in rids)
    )


def _tell(report: UploadReport) -> int:
    """Print counts and the first errors; returns the exit status."""
    print(
        f"{len(report.execution_rids)} executions: {report.total_uploaded} uploaded, "
        f"{report.total_failed} failed."
    )
    for table, counts in sorted(report.per_table.items()):
        print(f"  {table}: {counts['uploaded']} uploaded, {counts['failed']} failed")
    for error in report.errors[:_SHOWN]:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
    if len(report.errors) > _SHOWN:
        print(f"{_PROGRAM}: and {len(report.errors) - _SHOWN} errors more", file=sys.stderr)
    return 1 if report.errors or report.total_failed else 0


if __name__ == "__main__":
    sys.exit(main())
