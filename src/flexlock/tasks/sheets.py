"""The run sheet of a task: that of its sweep, with the task's own config, data and earlier runs.

The code is captured once for a sweep, by the command that starts it. A task's sheet repeats it, so
that the sheet says everything by itself, and names the sweep's run as its ``parent``.
"""

from __future__ import annotations

import copy
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.code.drift import code_drift
from flexlock.config.plain import plain_value, to_plain
from flexlock.config.secrets import mask_secrets, secret_values
from flexlock.errors import CodeError, LockNotFoundError
from flexlock.lock.document import SectionTexts, read_lock
from flexlock.lock.identity import new_run_id
from flexlock.lock.record import EnvState, RunLock
from flexlock.run.directory import SHEET
from flexlock.run.owner import this_process
from flexlock.tasks.placing import put_task
from flexlock.tasks.queue.records import Claim

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["DRIFT_KEY", "TASK_KEY", "Workplace", "own_data", "sweep_sheet", "task_sheet"]

TASK_KEY = "task"
"""Top-level key of a task's sheet: which task it is, and of which queue."""

DRIFT_KEY = "code_drift"
"""Top-level key of a sheet: files that were loaded and differ from the recorded tree."""


@dataclass(slots=True)
class Workplace:
    """What a worker needs for every task.

    Attributes:
        worker: The name of the worker.
        function: Takes a resolved config.
        base: The base config.
        root: The sweep's directory, as tasks shall see it.
        queue: The path of the queue.
        plan: The id of the plan.
        sheet: The sheet of the sweep, from which those of its tasks are made; None for none.
        env: The environment to write down; None for that of the sweep's sheet.
        drift: Files, by repository, that differ from the recorded tree.
        inline: Whether the worker is the process of the caller.
        texts: The parts of sheets that were written before.
    """

    worker: str
    function: Callable[[DictConfig], Any]
    base: DictConfig
    root: Path
    queue: Path
    plan: str
    sheet: RunLock | None = None
    env: EnvState | None = None
    drift: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inline: bool = False
    texts: SectionTexts = field(default_factory=dict)
    _is_plain: bool | None = field(default=None, init=False)
    _modules: int = field(default=0, init=False)
    _pickled: bytes | None = field(default=None, init=False)
    _secrets: frozenset[str] | None = field(default=None, init=False)
    process: str = field(default_factory=lambda: this_process().to_json(), init=False)

    def config_of(self, claim: Claim) -> DictConfig:
        """Return the config of a task, with its interpolations.

        Raises:
            ConfigError: A value cannot be put where its key says.
        """
        if self._pickled is None:
            try:
                self._pickled = pickle.dumps(self.base, protocol=pickle.HIGHEST_PROTOCOL)
            except (pickle.PicklingError, TypeError, AttributeError):
                self._pickled = b""  # an object in it can only be copied
        # Four times as fast as `copy.deepcopy`.
        copied = pickle.loads(self._pickled) if self._pickled else copy.deepcopy(self.base)
        return put_task(copied, claim.values, self.root / claim.directory)

    @property
    def secrets(self) -> frozenset[str]:
        """The secrets of the base config, to be masked in all that is written about tasks."""
        if self._secrets is None:
            self._secrets = secret_values(to_plain(self.base, resolve=False))
        return self._secrets

    def look_for_drift(self) -> bool:
        """Look whether code that was loaded since the last look was edited after its recording.

        Returns:
            Whether that is so for the first time.
        """
        if self.sheet is None or len(sys.modules) == self._modules:
            return False
        self._modules = len(sys.modules)
        since_ns = int(datetime.fromisoformat(self.sheet.timestamp).timestamp() * 1e9)
        try:
            found = code_drift(self.sheet.repos, since_ns=since_ns)
        except CodeError:  # no git on this machine: nothing can be compared
            return False
        is_new = found != self.drift
        self.drift = found
        return is_new

    def is_plain(self, claim: Claim) -> bool:
        """Whether the config of a task has no interpolations and every value."""
        if self._is_plain is None:
            from omegaconf import OmegaConf

            self._is_plain = _says_all(OmegaConf.to_container(self.base, resolve=False))
        return self._is_plain and _says_all(claim.values)


def _says_all(values: Any) -> bool:
    text = str(values)
    return "${" not in text and "???" not in text


def sweep_sheet(root: Path, run_id: str) -> RunLock:
    """Return the sheet of a sweep by its id; a later sweep in the directory may have replaced it.

    Raises:
        LockNotFoundError: There is none.
    """
    kept = root / f"{SHEET}.{run_id}"
    lock = read_lock(kept if kept.exists() else root / SHEET)
    if lock.id == run_id:
        return lock
    message = f"The sheet of the sweep {run_id!r} is not in {str(root)!r}."
    raise LockNotFoundError(message, hint="Repeat the command that made the tasks.")


def task_sheet(claim: Claim, place: Workplace, config: DictConfig) -> RunLock:
    """Return the sheet of one attempt at a task.

    Raises:
        FlexLockError: Data or an earlier run that its config names cannot be recorded.
    """
    sweep = place.sheet
    assert sweep is not None
    told: dict[str, Any] = {TASK_KEY: _describe(claim, place)}
    warnings: tuple[str, ...] = ()
    if place.drift:
        told[DRIFT_KEY] = {name: list(files) for name, files in place.drift.items()}
        warnings = ("Code was changed after it was recorded; see code_drift.",)
    lock = replace(
        sweep,
        id=new_run_id(),
        timestamp=datetime.now(UTC).isoformat(),
        status="running",
        config=mask_secrets(plain_value(config)),
        config_raw=_raw(claim, place),
        env=place.env or sweep.env,
        outputs={},
        result=None,
        parent=sweep.id,
        warnings=warnings,
        extra=told,
    )
    return _with_own_inputs(lock, config, sweep)


def own_data(lock: RunLock, sweep: RunLock | None) -> Mapping[str, str]:
    """Return the hashes of the input data that a task has beside those of its sweep."""
    shared = {} if sweep is None else sweep.data
    return {
        name: f"{state.algorithm}:{state.hash}"
        for name, state in lock.data.items()
        if shared.get(name) != state
    }


def _describe(claim: Claim, place: Workplace) -> dict[str, Any]:
    return {
        "id": claim.id,
        "index": claim.index,
        "name": claim.name,
        "values": mask_secrets(plain_value(dict(claim.values))),
        "attempt": claim.attempt,
        "worker": place.worker,
        "process": place.process,
        "plan": place.plan,
        "queue": os.path.relpath(place.queue, place.root / claim.directory),
    }


def _raw(claim: Claim, place: Workplace) -> Mapping[str, Any] | None:
    """Return the config with its interpolations; None when it has none."""
    if place.is_plain(claim):
        return None
    raw: Mapping[str, Any] = mask_secrets(to_plain(place.config_of(claim), resolve=False))
    return raw


def _with_own_inputs(lock: RunLock, config: DictConfig, sweep: RunLock) -> RunLock:
    """Add the data and earlier runs that the task's own config names."""
    from flexlock.config.resolvers import memory_of

    memory = memory_of(config)
    if not (memory.get("data") or memory.get("prevs") or "runlock" in config):
        return lock
    from flexlock.lock.composing import compose_lock

    composed = compose_lock(config, caller=sweep.caller, code=sweep.repos)
    warnings = (*lock.warnings, *composed.warnings)
    return replace(lock, data=composed.data, prevs=composed.prevs, warnings=warnings)
