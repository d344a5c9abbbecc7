"""``flexlock export``: the table of results of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import make_parser, print_json

_STATUSES = {0: "written", 1: "there is no task queue, or a library is missing", 2: "wrong use"}
_EXAMPLES = {
    "flexlock export results/sweep table.csv": "a row for each task",
}


def main(argv: Sequence[str]) -> int:
    """Write a row for each task: its values, state, result, times and memory."""
    parser = make_parser(
        "export",
        "Write the tasks of a sweep as a table: values, state, result, times, memory.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("sweep", type=Path, help="the sweep's save_dir, or its task queue")
    parser.add_argument("file", type=Path, help="the table: .csv, .json or .parquet")
    parser.add_argument(
        "--state",
        action="append",
        default=[],
        choices=("pending", "running", "done", "failed", "interrupted"),
        help="only tasks in this state; repeatable",
    )
    arguments = parser.parse_args(argv)
    from flexlock.tasks.commands import export_queue

    count = export_queue(arguments.sweep, arguments.file, arguments.state)
    if arguments.json:
        print_json({"file": str(arguments.file), "tasks": count})
    else:
        print(f"{count} tasks in {arguments.file}")
    return 0
