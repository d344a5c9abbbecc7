"""``flexlock gc``: move runs that nobody needs to a trash folder, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import add_option, existing_folder, make_parser, print_json

_STATUSES = {
    0: "done, or nothing to do",
    1: "runs cannot be moved back, because something else lies there",
    2: "wrong use",
}
_EXAMPLES = {
    "flexlock gc results": "say what could go and why the rest stays; nothing is moved",
    "flexlock gc results --yes": "move it to results/.flexlock/trash/<time>",
    "flexlock gc --restore results/.flexlock/trash/20261120T210252.191218": "move it back",
}


def main(argv: Sequence[str]) -> int:
    """Say, or do, what can be cleaned up."""
    parser = make_parser(
        "gc",
        "Find runs that nobody needs: they have no tag, no run builds on them, they are not going\n"
        "on, and hold no files that no sheet knows. By default they are only listed. With --yes\n"
        "they move to a trash folder, from where --restore brings them back; nothing is deleted.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", type=existing_folder, default=Path(),
        help="the folder (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--incomplete", action="store_true", help="only runs that failed, were stopped or got lost"
    )
    add_option(
        parser, "--all_files", action="store_true",
        help="also runs with files that are not recorded as outputs",
    )  # fmt: skip
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--yes", action="store_true", help="move them to the trash")
    add_option(doing, "-n", "--dry_run", action="store_true", help="only say it (the default)")
    doing.add_argument("--restore", metavar="TRASH", type=Path, help="move a trash folder back")
    arguments = parser.parse_args(argv)
    from flexlock.cleaning import collect, move_to_trash, restore

    if arguments.restore is not None:
        places = restore(arguments.restore)
        if arguments.json:
            print_json({"restored": [str(place) for place in places]})
        else:
            print("\n".join(f"restored {place}" for place in places))
        return 0
    going, staying = collect(
        arguments.folder, incomplete_only=arguments.incomplete, all_files=arguments.all_files
    )
    trash = move_to_trash(arguments.folder, going) if arguments.yes else None
    if arguments.json:
        print_json(
            {
                "trash": None if trash is None else str(trash),
                "going": [{"path": str(c.path), "bytes": c.bytes, "why": c.why} for c in going],
                "staying": [{"path": str(path), "why": why} for path, why in staying],
            }
        )
        return 0
    from flexlock.data.progress import size_text

    verb = "moved" if trash is not None else "could go:"
    for item in going:
        print(f"{verb} {item.path} ({size_text(item.bytes)}; {item.why})")
    for path, why in staying:
        print(f"stays {path}: {why}")
    if trash is not None:
        print(f"They are in {trash}; flexlock gc --restore {trash} brings them back.")
    elif going:
        print("Nothing was moved; --yes moves them to a trash folder.")
    return 0
