"""``flexlock doctor``: what is missing on this machine, and which runs need a hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from flexlock.cli.command import existing_folder, make_parser, print_json

_STATUSES = {
    0: "no problem, or the run was completed",
    1: "there are problems, or the run cannot be completed",
    2: "wrong use",
}
_EXAMPLES = {
    "flexlock doctor": "look at programs, caches and the runs below this folder",
    "flexlock doctor --adopt results/train": "complete a run that was killed after its last output",
}


def main(argv: Sequence[str]) -> int:
    """Examine this machine and the runs of a folder, or complete one of them."""
    parser = make_parser(
        "doctor",
        "Look at what runs need (git, rclone, Slurm, the cache, locks of the file system) and at\n"
        "the runs below a folder: lost ones, and sheets that cannot be read.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", type=existing_folder, default=Path(),
        help="the folder (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--adopt", metavar="RUN", type=existing_folder,
        help="complete this run if all outputs that it declared are there and valid",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    from flexlock.doctor import adopt, examine

    if arguments.adopt is not None:
        lock = adopt(arguments.adopt)
        outputs = sorted(lock.outputs)
        if arguments.json:
            print_json({"adopted": lock.id, "outputs": outputs})
        else:
            print(f"completed run {lock.id}; its outputs are valid: {', '.join(outputs)}")
        return 0
    checks = examine(arguments.folder)
    if arguments.json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        print("\n".join(map(str, checks)))
    return 1 if any(check.state == "problem" for check in checks) else 0
