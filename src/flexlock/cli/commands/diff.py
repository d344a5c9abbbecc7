"""``flexlock diff``: what two runs have in common, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import exiting_with, make_parser, print_json

_STATUSES = {
    0: "the same code, config, data and earlier runs (results and environment may differ)",
    1: "they differ",
    2: "wrong use, or a run sheet cannot be read",
}
_EXAMPLES = {
    "flexlock diff results/a results/b": "each config key, file of the code, and data that differs",
    "flexlock diff results/a results/b --code": "with the changes of the code, line by line",
}


def main(argv: Sequence[str]) -> int:
    """Compare two runs key by key and file by file."""
    parser = make_parser(
        "diff",
        "Compare two runs: code by its files, config key by key, data by hashes, the environment\n"
        "and the results. Where and when a run was makes no difference.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("first", type=Path, help="a run directory, or a run.lock")
    parser.add_argument("other", type=Path, help="another")
    parser.add_argument("--code", action="store_true", help="show the changes of the code as text")
    parser.add_argument(
        "--ignore", metavar="KEY", action="append", default=[],
        help="a key of the config that does not count; repeatable",
    )  # fmt: skip
    for name, what in (("include", "counts"), ("exclude", "does not count")):
        parser.add_argument(
            f"--{name}", metavar="PATH", action="append", default=[],
            help=f"code that {what}, as git names paths; repeatable",
        )  # fmt: skip
    arguments = parser.parse_args(argv)
    from flexlock.comparing import code_diff, compare
    from flexlock.lock.document import read_lock, sheet_path
    from flexlock.sharing.relocating import at_home

    with exiting_with(2):
        sheets = [sheet_path(path) for path in (arguments.first, arguments.other)]
        first, other = (at_home(read_lock(sheet), sheet) for sheet in sheets)
        found = compare(
            first,
            other,
            ignore=arguments.ignore,
            include=arguments.include,
            exclude=arguments.exclude,
        )
        text = code_diff(first, other) if arguments.code else None
    if arguments.json:
        facts = found.to_json()
        print_json({**facts, "code": text} if arguments.code else facts)
    else:
        print(found)
        if text:
            print(f"\n{text}", end="")
    return 0 if found.is_match else 1
