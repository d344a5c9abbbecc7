"""``flexlock show``: print the run sheet of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flexlock.cli.command import make_parser, print_json

if TYPE_CHECKING:
    from flexlock.lock.record import RepoState, RunLock

_STATUSES = {
    0: "printed",
    1: "there is no run sheet, or it cannot be read",
    2: "wrong use",
}
_EXAMPLES = {
    "flexlock show results/train": "what it was made of and how it ended",
}


def main(argv: Sequence[str]) -> int:
    """Print a run sheet, as text for people or as it stands in the file."""
    parser = make_parser(
        "show",
        "Print what a run was made of: config, code, data, earlier runs, and how it ended.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument("run", type=Path, help="a run directory, or a run.lock")
    arguments = parser.parse_args(argv)
    from flexlock.lock.document import read_lock, sheet_path, to_document
    from flexlock.run import run_status

    sheet = sheet_path(arguments.run)
    lock = read_lock(sheet)
    status = run_status(sheet.parent) if sheet.name == "run.lock" else None
    name = status.name if status is not None else lock.status
    if arguments.json:
        print_json({"path": str(sheet), "status": name, "run": to_document(lock)})
        return 0
    why = f" - {status.why}" if status is not None and status.why else ""
    print(f"{lock.id}  {name}{why}")
    print("\n".join(_lines(lock)))
    return 0


def _lines(lock: RunLock) -> Iterator[str]:
    from flexlock.lock.record import REUSED, REUSED_FROM
    from flexlock.lock.yamlfile import dump, to_data

    caller = lock.caller
    yield f"started   {lock.timestamp}"
    if caller.file or caller.module:
        yield f"program   {caller.file or caller.module}:{caller.function}"
    if caller.argv:
        yield f"command   {' '.join(caller.argv)}"
    if lock.parent:
        yield f"part of   {lock.parent}"
    if lock.note:
        yield f"note      {lock.note}"
    if REUSED in lock.extra:
        place = lock.extra.get(REUSED_FROM)
        yield f"reused    {lock.extra[REUSED]} in {place}: this run itself was not run"
    for name, repo in lock.repos.items():
        yield f"code      {name}: {_code(repo)}"
    for name, data in lock.data.items():
        yield f"data      {name}: {data.path} ({data.algorithm}:{str(data.hash)[:12]})"
    for name, prev in lock.prevs.items():
        used = f", used {', '.join(prev.consumed)}" if prev.consumed else ""
        yield f"earlier   {name}: {prev.path} ({prev.status or 'unknown'}{used})"
    for name, output in lock.outputs.items():
        yield f"output    {name}: {output.path} ({output.algorithm}:{str(output.hash)[:12]})"
    if lock.env and lock.env.python:
        yield f"python    {lock.env.python} on {lock.env.platform}"
    for warning in lock.warnings:
        yield f"warning   {warning}"
    for title, tree in (("config", lock.config), ("result", lock.result)):
        if tree not in (None, {}):
            text = dump(to_data({title: tree}, lambda place: None)).rstrip()
            yield text


def _code(repo: RepoState) -> str:
    if repo.tree is None:
        return repo.reason or "unknown"
    changed = ", with changes that are not committed" if repo.is_dirty else ""
    commit = (repo.base or repo.commit or "none")[:12]
    return f"commit {commit}, tree {repo.tree[:12]}{changed}"
