"""``flexlock worker``: more workers for the tasks of a sweep."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import make_parser, print_json

_STATUSES = {
    0: "no task is left, and none failed",
    1: "some task failed, or workers could not start",
    2: "wrong use",
    130: "interrupted",
}
_EXAMPLES = {
    "flexlock worker results/sweep --n_jobs 4": "four more workers on this machine",
}


def main(argv: Sequence[str]) -> int:
    """Run pending tasks of a queue with workers here or on a cluster."""
    parser = make_parser(
        "worker",
        "Add workers to the tasks of a sweep: to help the command that made them, or to go on\n"
        "for it. Which tasks run, and what they run, was decided by that command.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("sweep", type=Path, help="the sweep's save_dir, or its task queue")
    parser.add_argument("-q", "--quiet", action="store_true", help="print failures only")
    from flexlock.tasks.options import add_worker_arguments, task_options

    add_worker_arguments(parser)
    arguments = parser.parse_args(argv)
    from flexlock.tasks.commands import run_workers

    report = run_workers(arguments.sweep, task_options(arguments))
    if arguments.json:
        failed = [row.name for row in report.failed]
        print_json({"counts": report.counts, "failed": failed, "jobs": list(report.jobs)})
    else:
        print(report, file=sys.stderr)
        for job in report.jobs:
            print(job)
    return report.exit_status
