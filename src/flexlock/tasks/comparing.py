"""What done tasks were made of, beside what there is now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from flexlock.code.changes import changed_files
from flexlock.data.tracking import rehash
from flexlock.errors import CodeError, DataError, LockError
from flexlock.lock.document import read_lock
from flexlock.tasks.plan import Plan, read_plan
from flexlock.tasks.preparing import Sweep
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.records import TaskRow
from flexlock.tasks.reconciling import Comparison

__all__ = ["compare_with"]

_MOST_NAMES = 5


def compare_with(sweep: Sweep, queue: TaskQueue) -> Comparison:
    """Return what compares earlier plans of a queue with the present code and data."""
    seen: dict[str, str] = {}

    def code_changes(before: Plan) -> str:
        if before.id not in seen:
            seen[before.id] = _code_changes(before, sweep)
        return seen[before.id]

    return Comparison(
        find_plan=cache(lambda identity: read_plan(queue, identity)),
        code_changes=code_changes,
        inputs_of=lambda row: _present_inputs(sweep.root, row),
    )


def _code_changes(before: Plan, sweep: Sweep) -> str:
    """Return the names of files that differ; task lists and the table of results are no code."""
    repos = {} if sweep.sheet is None else sweep.sheet.repos
    tables = () if sweep.options.export is None else (sweep.options.export,)
    lists = {path.resolve() for path in (*sweep.sources, *tables)}
    names: list[str] = []
    for name, state in repos.items():
        if before.code.get(name) == state.tree:
            continue
        try:
            files = changed_files(Path(state.path), before.code.get(name) or "", state.tree or "")
        except CodeError:
            return "of another version"
        names += [file for file in files if Path(state.path, file).resolve() not in lists]
    if before.code.keys() - repos.keys():
        return "of another repository"
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _present_inputs(root: Path, row: TaskRow) -> Mapping[str, str]:
    """Return the present hashes of the data that only this task has."""
    names = row.outcome.data if row.outcome is not None else {}
    if not names:
        return {}
    try:
        states = read_lock(root / row.directory).data
    except LockError:
        return dict.fromkeys(names, "unknown")
    found = {}
    for name in names:
        try:
            now = rehash(states[name])
            found[name] = f"{now.algorithm}:{now.hash}"
        except (DataError, KeyError):
            found[name] = "missing"
    return found
