"""``flexlock why``: whether a run would be run again, and what has changed since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import existing_folder, exiting_with, make_parser, print_json

_STATUSES = {
    0: "a finished run is the same: --skip_if_done would reuse it",
    1: "none is; what differs from the nearest is printed",
    2: "wrong use, or a run sheet cannot be read",
}
_EXAMPLES = {
    "flexlock why results/train": "what changed since this run: code, data, earlier runs, outputs",
    "flexlock why results/a --against results/b": "why b does not stand for a",
}


def main(argv: Sequence[str]) -> int:
    """Explain, key by key, why a run would or would not be reused."""
    parser = make_parser(
        "why",
        "Say whether a run would be run again now by --skip_if_done, and why: its function and\n"
        "config are taken from its sheet, its code and data are looked at as they are now.\n"
        "Nothing is written, no commit is made.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("run", type=Path, help="a run directory, or a run.lock")
    parser.add_argument(
        "--against", metavar="RUN", type=Path, help="compare with this run instead, sheet by sheet"
    )
    parser.add_argument(
        "--in", dest="folders", metavar="DIR", action="append", type=existing_folder, default=[],
        help="where finished runs are (default: the folder that the run is in); repeatable",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    from flexlock.reuse import Match, why_again, why_not

    with exiting_with(2):
        if arguments.against is not None:
            found = why_not(arguments.run, arguments.against)
        else:
            found = why_again(arguments.run, arguments.folders or None)
    if arguments.json:
        print_json(found.to_json())
    else:
        print(found)
    return 0 if isinstance(found, Match) else 1
