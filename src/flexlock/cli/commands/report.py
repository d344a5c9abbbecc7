"""``flexlock report``: one HTML page about the runs below a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import existing_folder, make_parser, print_json

_STATUSES = {0: "written", 1: "the page cannot be written", 2: "wrong use"}
_EXAMPLES = {"flexlock report results --out runs.html": "a page to look at, or to send to someone"}


def main(argv: Sequence[str]) -> int:
    """Write the page."""
    parser = make_parser(
        "report",
        "Write one HTML page about runs: their status, config, code, data, results and links.\n"
        "It needs nothing beside it and loads nothing.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", type=existing_folder, default=Path(),
        help="the folder (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--out", "-O", metavar="FILE", type=Path, default=Path("runs.html"),
        help="the page (default: runs.html)",
    )  # fmt: skip
    parser.add_argument("--title", default="Runs", help="its heading (default: Runs)")
    arguments = parser.parse_args(argv)
    from flexlock.errors import LockError
    from flexlock.files import write_atomically
    from flexlock.listing import find_runs
    from flexlock.report import report_html

    runs = find_runs(arguments.folder)
    page = report_html(runs, title=arguments.title, root=arguments.folder)
    try:
        write_atomically(arguments.out, page)
    except OSError as error:
        message = f"The page {str(arguments.out)!r} cannot be written: {error.strerror}."
        raise LockError(message, hint="Name another file with --out.") from error
    if arguments.json:
        print_json({"page": str(arguments.out), "runs": len(runs)})
    else:
        print(f"{arguments.out}: {len(runs)} runs")
    return 0
