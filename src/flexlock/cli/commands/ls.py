"""``flexlock ls``: the runs below folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flexlock.cli.command import existing_folder, make_parser, print_json

if TYPE_CHECKING:
    from flexlock.listing import FoundRun

_STATUSES = {0: "printed, also when there are none", 2: "wrong use"}
_EXAMPLES = {
    "flexlock ls results": "every run below results, oldest first",
    "flexlock ls --status failed --status lost -v": "those that need a look, and why",
}
_WIDTH = 48


def main(argv: Sequence[str]) -> int:
    """List runs with their status, function and result."""
    parser = make_parser(
        "ls", "List the runs at and below folders, oldest first.", _STATUSES, examples=_EXAMPLES
    )
    parser.add_argument(
        "folders", nargs="*", metavar="DIR", type=existing_folder, default=[Path()],
        help="folders (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--status", metavar="STATUS", action="append", default=[],
        help="only runs that are complete, failed, lost ...; repeatable",
    )  # fmt: skip
    parser.add_argument("-v", "--verbose", action="store_true", help="also ids, tags and reasons")
    arguments = parser.parse_args(argv)
    from flexlock.listing import find_runs
    from flexlock.tags import list_tags

    found = {run.path.resolve(): run for folder in arguments.folders for run in find_runs(folder)}
    runs = [r for r in found.values() if not arguments.status or r.status.name in arguments.status]
    tags: dict[str, list[str]] = {}
    for tag in {tag for folder in arguments.folders for tag in list_tags(folder)}:
        tags.setdefault(tag.run, []).append(tag.name)
    if arguments.json:
        rows = [
            {**run.to_json(), "tags": sorted(tags.get(run.status.id or "", []))} for run in runs
        ]
        print_json({"runs": rows})
        return 0
    for run in runs:
        print("\n".join(_lines(run, tags, verbose=arguments.verbose)))
    return 0


def _lines(run: FoundRun, tags: dict[str, list[str]], *, verbose: bool) -> Iterator[str]:
    lock = run.lock
    when = lock.timestamp[:19].replace("T", " ") if lock else " " * 19
    function = (lock.caller.function if lock else None) or ""
    result = "" if lock is None or lock.result is None else str(lock.result)
    short = result if len(result) <= _WIDTH else f"{result[: _WIDTH - 3]}..."
    yield f"{when}  {run.status.name:<11}  {run.path}  {function}  {short}".rstrip()
    if not verbose:
        return
    indent = " " * 21
    if run.status.id:
        named = "".join(f"  {name}" for name in sorted(tags.get(run.status.id, [])))
        yield f"{indent}{run.status.id}{named}"
    if run.status.why:
        yield f"{indent}{run.status.why}"
