"""``flexlock log``: a run and the runs that it builds on, as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import make_parser, print_json

_STATUSES = {
    0: "printed",
    1: "there is no run sheet, or it cannot be read",
    2: "wrong use",
}
_EXAMPLES = {"flexlock log results/evaluate": "evaluate, what it used, and what that used"}


def main(argv: Sequence[str]) -> int:
    """Print the lineage of a run."""
    parser = make_parser(
        "log",
        "Print a run and its earlier runs as a tree: what it used, and what that used.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("run", type=Path, help="a run directory, or a run.lock")
    arguments = parser.parse_args(argv)
    from flexlock.listing import lineage_json, lineage_text

    if arguments.json:
        print_json(lineage_json(arguments.run))
    else:
        print(lineage_text(arguments.run))
    return 0
