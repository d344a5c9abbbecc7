"""Lists of stages: the stages of one item in order on one worker, many items side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flexlock.config.interpolation import escape
from flexlock.config.merging import put_value
from flexlock.config.plain import to_plain
from flexlock.config.secrets import mask_secrets
from flexlock.errors import ConfigError, LockError, TaskError
from flexlock.lock.document import read_lock
from flexlock.project.nodes import SAVE_DIR, Node, prepare
from flexlock.project.results import ExecutionResult
from flexlock.project.submitting import Request, run_node, run_task_list
from flexlock.run import RunSession, current_run
from flexlock.run.result import recorded_result
from flexlock.tasks.identity import canonical_json, task_id
from flexlock.tasks.model import Task

__all__ = ["run_item", "run_pipeline"]

_DONE = ("SUCCESS", "CACHED", "SKIPPED")


class StageError(TaskError):
    """A stage of an item did not succeed; those after it did not run."""


def run_pipeline(
    items: Sequence[Sequence[Node]], request: Request, root: Path
) -> list[list[ExecutionResult]]:
    """Run items of stages; return a result for each stage of each item.

    Args:
        items: For each item its stages.
        request: How; each item is a task.
        root: The directory of the pipeline, with a directory for each item.

    Raises:
        ConfigError: Two stages of an item have the same name, or there is nothing to run.
        FlexLockError: Nothing could be run. Stages that fail are results.
    """
    tasks = [_task(number, item) for number, item in enumerate(items)]
    node = prepare({}, {"_target_": f"{__name__}:run_item", "reuse": request.reuse,
                        "save_dir": str(root)})  # fmt: skip
    inner = replace(request, reuse="never")
    found = run_task_list(node, inner, tasks, root)
    return [
        _stages(item, result, request.dry_run) for item, result in zip(items, found, strict=True)
    ]


def run_item(stages: Sequence[str], save_dir: str, reuse: str = "never") -> list[dict[str, Any]]:
    """Run the stages of one item in order; each is a run of its own.

    Args:
        stages: Each a JSON text with its name and its config, as `_task` makes it.
        save_dir: The directory of the item.
        reuse: Whether finished runs may stand for stages (``exact``, ``never``).

    Raises:
        StageError: A stage did not succeed.
    """
    session = current_run()
    done: list[dict[str, Any]] = []
    for number, text in enumerate(stages):
        stage = json.loads(text)
        node = replace(prepare({}, stage["config"]), name=stage["name"])
        if not node.config.get(SAVE_DIR):
            put_value(node.config, SAVE_DIR, f"{save_dir}/{number}-{node.name}", SAVE_DIR)
        request = Request(reuse="exact" if reuse == "exact" else "never", quiet=True)
        code = session.lock.repos if session is not None and session.lock else None
        result = run_node(node, request, _usable(code, node))
        place = None if result.save_dir is None else str(result.save_dir)
        done.append({"name": stage["name"], "status": result.status, "save_dir": place,
                     "result": result.result, "error": result.error})  # fmt: skip
        if session is not None:
            _note(session, done)
        if not result.is_success:
            message = f"The stage {stage['name']!r} did not succeed: {result.error}"
            raise StageError(message, stage=stage["name"])
    return done


def _note(session: RunSession, done: list[dict[str, Any]]) -> None:
    """Write into the item's sheet how far it is, so that it is known whatever happens next."""
    session.result = done
    if session.lock is not None:
        result = mask_secrets(recorded_result(done)[0], session.secrets)
        session.write_lock(replace(session.lock, result=result))


def _usable(code: Any, node: Node) -> Any:
    """Return the code that was captured for the item, unless the stage names repositories."""
    from flexlock.config import declared

    return None if declared(node.config).repos is not None else code


def _task(number: int, item: Sequence[Node]) -> Task:
    names = [node.name for node in item]
    if not item or len(set(names)) < len(names):
        what = "has no stages" if not item else f"has two stages named alike: {names}"
        raise ConfigError(f"The item {number} {what}.", hint="Name each stage once.")
    # As texts: a stage's interpolations and nested targets are its own, not those of the item.
    values = {"stages": [escape(_text(node)) for node in item]}
    return Task(number, task_id(values), values, f"item-{number:04}")


def _text(node: Node) -> str:
    config = to_plain(node.config, resolve=False)
    if mask_secrets(config) != config:
        message = f"The stage {node.name!r} has secrets in its config, and a queue keeps none."
        hint = "Let the function read them from variables of the environment."
        raise ConfigError(message, hint=hint, stage=node.name)
    return canonical_json({"name": node.name, "config": config})


def _stages(item: Sequence[Node], result: ExecutionResult, is_dry: bool) -> list[ExecutionResult]:
    """Return what became of each stage, as the sheet of its item tells."""
    told: list[Mapping[str, Any]] = []
    has_begun = result.status not in ("SUBMITTED", "SKIPPED")
    if not is_dry and result.save_dir is not None and has_begun:
        try:
            recorded = read_lock(result.save_dir).result
        except LockError:
            recorded = None
        told = recorded if isinstance(recorded, list) else []
    found = [
        replace(result, status=_status(stage, result), result=stage["result"], error=stage["error"],
                save_dir=Path(stage["save_dir"]) if stage["save_dir"] else None)
        for stage in told
    ]  # fmt: skip
    rest = item[len(found) :]
    for position, _ in enumerate(rest):
        status = result.status
        is_first = position == 0 and (not found or found[-1].status in _DONE)
        if status in ("FAILED", "INTERRUPTED") and not is_first:
            status = "BLOCKED"
        error = "an earlier stage did not succeed" if status == "BLOCKED" else result.error
        found.append(replace(result, status=status, result=None, error=error, save_dir=None))
    return found


def _status(stage: Mapping[str, Any], result: ExecutionResult) -> Any:
    return "CACHED" if result.status == "CACHED" and stage["status"] in _DONE else stage["status"]
