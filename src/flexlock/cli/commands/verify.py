"""``flexlock verify``: check what still holds of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import make_parser, print_json

_STATUSES = {
    0: "everything that could be looked at is as it was",
    1: "something changed or is missing, or there is no readable run sheet",
    2: "wrong use",
}
_EXAMPLES = {
    "flexlock verify results/train": "code, data, earlier runs and outputs",
    "flexlock verify results/train --only data": "the data alone",
}


def main(argv: Sequence[str]) -> int:
    """Compare a run sheet with the code, data, earlier runs and outputs of today."""
    parser = make_parser(
        "verify",
        "Check what still holds of a run: its code, data, earlier runs and outputs.\n"
        "Data is read again only where it changed on the disk since it was last hashed.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("run", type=Path, help="a run directory, its run.lock, or a path inside")
    parser.add_argument(
        "--only",
        action="append",
        choices=("code", "data", "prevs", "outputs"),
        help="look at this alone; repeatable",
    )
    parser.add_argument("--root", type=Path, help="where relative paths start from")
    arguments = parser.parse_args(argv)
    from flexlock.verifying import SECTIONS, verify

    found = verify(arguments.run, root=arguments.root, sections=arguments.only or SECTIONS)
    if arguments.json:
        print_json(found.to_dict())
    else:
        print(found)
    return 0 if found.holds else 1
