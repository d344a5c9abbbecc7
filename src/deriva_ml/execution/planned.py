"""A run as it is planned, by a program or as a job of Hydra, and how it is done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.enums import ExecutionStatus
from ..core.logging_config import get_logger, is_hydra_initialized
from .begun import note_begun
from .claim import claimed, taking_turns
from .configuration import ExecutionConfiguration
from .resuming import Found, fingerprint_of_job, look_up
from .secrets import described
from .workflow import Workflow

if TYPE_CHECKING:
    from ..core.base import DerivaML
    from .execution import Execution

__all__ = ["Job", "Outcome", "Plan", "current_job", "run_dry", "run_plan"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What Hydra says of the job under way; empty outside Hydra."""

    choices: dict[str, str]
    overrides: tuple[str, ...] = ()
    number: int | None = None
    sweep: Path | None = None
    composed: Path | None = None
    config_name: str = ""

    def fingerprint(self) -> str | None:
        """The job's fingerprint; None where Hydra did not write the configuration down."""
        if self.composed is None or not self.composed.is_file():
            return None
        return fingerprint_of_job(self.composed, self.number)

    def describe(self, base: str) -> str:
        """Return the description of the job's execution: number, `base`, what differs."""
        text = described(base, self.overrides)
        return text if self.number is None else f"[Job {self.number}] {text}"


def current_job() -> Job:
    """Return what Hydra says of the job under way."""
    if not is_hydra_initialized():
        return Job({})
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from .sweep_place import sweep_directory

    config: Any = HydraConfig.instance().cfg  # declared as one class, but is a DictConfig
    hydra = config.hydra
    choices = {
        str(group): str(option)
        for group, option in hydra.runtime.choices.items()
        if option is not None and not str(group).startswith("hydra/")
    }
    overrides = tuple(str(o) for o in hydra.overrides.task)
    composed = None
    if hydra.output_subdir is not None:
        composed = Path(hydra.runtime.output_dir) / hydra.output_subdir / "config.yaml"
    name = str(hydra.job.config_name)
    if hydra.mode != RunMode.MULTIRUN:
        return Job(choices, overrides, composed=composed, config_name=name)
    number, sweep = int(hydra.job.num), sweep_directory(config)
    return Job(choices, overrides, number, sweep, composed, name)


@dataclass(frozen=True)
class Plan:
    """What is to be run: by which code, on what, and how it is found when it is resumed."""

    configuration: ExecutionConfiguration
    workflow: Workflow
    called: Callable[..., Any]
    fingerprint: str | None
    resume: bool = False


def run_dry(ml: DerivaML, plan: Plan, *, script: bool) -> None:
    """Bring the inputs here and call a script, but not a model; leave no trace."""
    with ml.create_execution(plan.configuration, workflow=plan.workflow, dry_run=True):
        if script:
            plan.called(ml_instance=ml, execution=None)
        else:
            _log.info("Dry run: %s would have been called.", plan.called)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a planned run.

    Attributes:
        rid: RID of its execution.
        value: What the function returned; None when it was not called now.
        execution: The execution; None when it was completed before.
        elsewhere: Whether another process is at it, so that it was left alone.
        resumed: Whether it was begun before, and gone on with now.
    """

    rid: str
    value: Any = None
    execution: Execution | None = None
    elsewhere: bool = False
    resumed: bool = False


def _nothing(execution: Execution, *_: Any) -> None:
    """Watch nothing."""


def run_plan(
    ml: DerivaML,
    plan: Plan,
    parent: str | None = None,
    sequence: int | None = None,
    *,
    begun: Callable[[Execution], None] = _nothing,
    returned: Callable[[Execution, Any], None] = _nothing,
) -> Outcome:
    """Create the execution, or take up the one there is; call the function in it, and upload.

    Args:
        ml: The connection.
        plan: What is to be run.
        parent: RID of the execution that it belongs to.
        sequence: Its place there.
        begun: Told of the execution before its function is called.
        returned: Told what the function returned, while the execution still runs.
    """
    value = None
    with ExitStack() as claims:
        with _alone(ml, plan):
            found = _what_there_is(ml, plan, parent)
            if found.done is not None:
                return Outcome(found.done)
            execution = found.execution or ml.create_execution(
                plan.configuration,
                workflow=plan.workflow,
                parent=parent,
                sequence=sequence,
                fingerprint=plan.fingerprint,
            )
            mine = claims.enter_context(claimed(execution.working_dir))
        if not mine:
            _log.warning("Execution %s is run by another process.", execution.execution_rid)
            return Outcome(execution.execution_rid, elsewhere=True)
        run_again = found.run_again
        if found.execution is not None:  # another process may have gone on with it meanwhile
            if execution.status is ExecutionStatus.Uploaded:
                return Outcome(execution.execution_rid)
            run_again = not execution.has_finished
        begun(execution)
        if run_again:
            if found.execution is not None:
                note_begun(execution.execution_rid)
                execution.restart()
            with execution.execute() as exe:
                value = plan.called(ml_instance=ml, execution=exe)
                returned(execution, value)
        uploaded = execution.upload_execution_outputs()
    for table, files in uploaded.items():
        _log.info("Uploaded to %s: %s", table, ", ".join(str(f.name) for f in files))
    return Outcome(execution.execution_rid, value, execution, resumed=found.execution is not None)


def _alone(ml: DerivaML, plan: Plan) -> AbstractContextManager[None]:
    """No other process of this machine looks for a run that is to be resumed, or creates it."""
    if not plan.resume or plan.fingerprint is None:
        return nullcontext()
    return taking_turns(ml.executions.around.local.turns, plan.fingerprint)


def _what_there_is(ml: DerivaML, plan: Plan, parent: str | None) -> Found:
    found = Found()
    if plan.resume and plan.fingerprint is not None:
        found = look_up(ml, plan.fingerprint, parent, plan.workflow)
    if plan.resume and found.done is None and found.execution is None and parent is None:
        _log.info("Nothing that was begun here can be resumed with this: a new execution begins.")
    return found
