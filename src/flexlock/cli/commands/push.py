"""``flexlock push``: publish runs with their code, data and earlier runs under one tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from flexlock.cli.command import add_option, make_parser, print_json

_STATUSES = {
    0: "pushed, was there already, or can be pushed (--dry_run)",
    1: "data changed since the run, files need --yes, the tag is taken, or git or the store failed",
    2: "wrong use",
}
_EXAMPLES = {
    "flexlock push results/train --store /mnt/store --dry_run": "check everything, send nothing",
    "flexlock push results/train --tag paper/v1 --store rclone:remote:runs": "as paper/v1",
}


def main(argv: Sequence[str]) -> int:
    """Push runs; an interrupted push shows nothing and is resumed by repeating it."""
    parser = make_parser(
        "push",
        "Push runs with all their earlier runs: the code to a branch and a tag of the git remote,\n"
        "the data to a store. Objects go first, the tag last; repeat an interrupted push.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories")
    parser.add_argument("--tag", metavar="NAME", help="the name (default: runs/<run id>)")
    add_option(
        parser, "--git_remote", metavar="NAME", default="origin",
        help="the git remote of each repository (default: origin)",
    )  # fmt: skip
    parser.add_argument(
        "--store",
        metavar="WHERE",
        help="a folder, file://..., s3://bucket/path or rclone:remote:path "
        "(default: FLEXLOCK_STORE, or git config flexlock.store)",
    )
    add_option(
        parser, "--with_outputs", action="store_true", help="also what the runs have produced"
    )
    parser.add_argument("--only", choices=("code", "data"), type=str.lower, help="push this alone")
    parser.add_argument(
        "--yes", action="store_true", help="publish files that were never committed"
    )
    add_option(parser, "--dry_run", action="store_true", help="check everything, send nothing")
    arguments = parser.parse_args(argv)
    from flexlock.sharing.push import push

    report = push(
        arguments.runs,
        tag=arguments.tag,
        git_remote=arguments.git_remote,
        store=arguments.store,
        with_outputs=arguments.with_outputs,
        only=arguments.only,
        yes=arguments.yes,
        dry_run=arguments.dry_run,
    )
    if arguments.json:
        print_json(asdict(report))
        return 0
    print(report)
    if report.dry_run and report.shown:
        print("needs --yes, because these files were never committed:")
        print("\n".join(f"  {path}" for path in report.shown))
    return 0
