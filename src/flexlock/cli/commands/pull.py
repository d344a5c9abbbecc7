"""``flexlock pull``: get pushed runs, their code and their data by the name of a tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from flexlock.cli.command import add_option, make_parser, print_json

_STATUSES = {
    0: "pulled, or can be pulled (--dry_run)",
    1: "no such tag, other content is in the way, or an object is missing or damaged",
    2: "wrong use",
}
_EXAMPLES = {
    "flexlock pull paper/v1": "in a clone of the repository",
    "flexlock pull paper/v1 --repo git@host:group/project.git --into project": "in a new folder",
    "flexlock pull paper/v1 --only code": "code and run sheets, no data",
}


def main(argv: Sequence[str]) -> int:
    """Pull the runs of a tag; what is there and differs is never replaced without --force."""
    parser = make_parser(
        "pull",
        "Pull the runs of a tag: code, run sheets and data, each hash checked.\n"
        "Nothing is written outside of the folder, and nothing that differs is replaced.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("tag", help="the name under which the runs were pushed")
    parser.add_argument(
        "--repo", metavar="URL", help="the main repository (default: origin of the folder's clone)"
    )
    parser.add_argument(
        "--store", metavar="WHERE", help="where the data is (default: where it was pushed to)"
    )
    parser.add_argument(
        "--into", metavar="DIR", type=Path, default=Path(), help="the folder (default: this one)"
    )
    parser.add_argument(
        "--link",
        choices=("auto", "copy", "symlink", "hardlink", "reflink"),
        default="auto",
        help="how files of a store on this machine get to their places (default: auto)",
    )
    parser.add_argument("--only", choices=("code", "data"), type=str.lower, help="pull this alone")
    parser.add_argument("--force", action="store_true", help="replace data and sheets that differ")
    add_option(parser, "--dry_run", action="store_true", help="check, write nothing")
    arguments = parser.parse_args(argv)
    from flexlock.sharing.pull import pull

    report = pull(
        arguments.tag,
        repo=arguments.repo,
        store=arguments.store,
        into=arguments.into,
        link=arguments.link,
        only=arguments.only,
        force=arguments.force,
        dry_run=arguments.dry_run,
    )
    if arguments.json:
        print_json(asdict(report))
    else:
        print(report)
    return 0
