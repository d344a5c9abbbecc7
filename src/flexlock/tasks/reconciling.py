"""What a command has to do with tasks that its queue knows already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flexlock.tasks.model import Retry, Task
from flexlock.tasks.placing import stored_directory
from flexlock.tasks.plan import Plan
from flexlock.tasks.queue.records import TaskRow
from flexlock.tasks.traces import has_ended_well

__all__ = ["Comparison", "Decision", "decide"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Looks up what done tasks were made of.

    Attributes:
        find_plan: Returns an earlier plan of the queue.
        code_changes: Names the files that differ between the code of an earlier plan and the
            present code; empty when none does that counts.
        inputs_of: Returns the present hashes of the data that only one task has.
    """

    find_plan: Callable[[str], Plan | None]
    code_changes: Callable[[Plan], str]
    inputs_of: Callable[[TaskRow], Mapping[str, str]]


@dataclass(slots=True)
class Decision:
    """What to do with the tasks of a command.

    Attributes:
        new: Tasks that the queue does not know.
        again: Ids of tasks to make pending, each with the reason.
        running: Ids of tasks that a living worker has.
        done: Ids of tasks that are done and stay so.
        left: Ids of tasks without success that are not tried again.
        changed: Ids of done tasks whose code or data are other ones now, each with what.
        shelved: Ids of pending tasks that this command's list does not have.
    """

    new: list[TaskRow] = field(default_factory=list)
    again: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)
    shelved: list[str] = field(default_factory=list)

    @property
    def has_work(self) -> bool:
        """Whether any task is to be run or waited for."""
        return bool(self.new or self.again or self.running)


def decide(
    tasks: Sequence[Task],
    directories: Sequence[Path],
    rows: Sequence[TaskRow],
    plan: Plan,
    *,
    root: Path,
    comparison: Comparison,
    retry: Retry,
    rerun_changed: bool,
) -> Decision:
    """Compare the tasks of a command with those of its queue.

    A task that is done stays so unless the config changed, its directory has lost the mark of a
    complete run, or it is asked for (`retry` is ``all``, or `rerun_changed` and it did change).

    Args:
        tasks: What the command wants.
        directories: Where each of them writes, when it is new.
        rows: What the queue has.
        plan: What the command runs.
        root: The sweep's directory.
        comparison: Looks up what done tasks were made of.
        retry: Which tasks of earlier commands run again.
        rerun_changed: Whether done tasks with other code or data run again.
    """
    known = {row.id: row for row in rows}
    wanted = {task.id for task in tasks}
    decision = Decision()
    for task, directory in zip(tasks, directories, strict=True):
        row = known.get(task.id)
        if row is None:
            place = stored_directory(directory, root)
            decision.new.append(
                TaskRow(task.id, task.index, task.name, task.values, place, plan=plan.id)
            )
        elif row.state == "running":
            decision.running.append(row.id)
        elif row.state == "pending":
            decision.again[row.id] = "pending"
        elif row.state != "done":
            _decide_unsuccessful(decision, row, retry)
        else:
            _decide_done(decision, row, plan, root, comparison, retry, rerun_changed)
    decision.shelved = [
        row.id for row in rows if row.state == "pending" and row.plan and row.id not in wanted
    ]
    return decision


def _decide_unsuccessful(decision: Decision, row: TaskRow, retry: Retry) -> None:
    if retry == "none":
        decision.left.append(row.id)
    else:
        decision.again[row.id] = row.state


def _decide_done(
    decision: Decision,
    row: TaskRow,
    plan: Plan,
    root: Path,
    comparison: Comparison,
    retry: Retry,
    rerun_changed: bool,
) -> None:
    before = plan if row.plan == plan.id else comparison.find_plan(row.plan or "")
    if retry == "all":
        decision.again[row.id] = "asked for"
    elif before is not None and before.config != plan.config:
        decision.again[row.id] = "the config changed"
    elif not has_ended_well(root, row):
        decision.again[row.id] = "its run directory is gone"
    else:
        change = _change(row, before, plan, comparison)
        if change:
            decision.changed[row.id] = change
        if change and rerun_changed:
            decision.again[row.id] = change
        else:
            decision.done.append(row.id)


def _change(
    row: TaskRow,
    before: Plan | None,
    plan: Plan,
    comparison: Comparison,
) -> str:
    """Return what changed since a task was done, in words; empty when nothing did."""
    if before is None:
        return "what it was made by is not known"
    changes = []
    if before.code != plan.code and (files := comparison.code_changes(before)):
        changes.append(f"code ({files})")
    inputs = {**before.data, **(row.outcome.data if row.outcome is not None else {})}
    now = {**plan.data, **comparison.inputs_of(row)}
    names = sorted(name for name in inputs if inputs[name] != now.get(name, inputs[name]))
    if names:
        changes.append(f"data ({', '.join(names)})")
    return " and ".join(changes)
