"""Run a configured model as an execution: connect, check, record, call, upload."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..core.exceptions import DerivaMLConfigurationError
from .source import source_file_of
from .workflow import Workflow

# What is needed only to run is imported in the function: a project's configuration builds on
# `run_model`, and listing what there is to choose from is to be quick.
if TYPE_CHECKING:
    from ..core.base import DerivaML
    from ..core.config import DerivaMLConfig

__all__ = ["run_model"]


def run_model(
    deriva_ml: DerivaMLConfig,
    datasets: Sequence[Any],
    assets: Sequence[Any],
    description: str,
    workflow: Workflow,
    model_config: Any,
    dry_run: bool = False,
    ml_class: type[DerivaML] | None = None,
    script_config: Any = None,
    resume: bool = False,
) -> Any:
    """Run a model, or a script, on the configured inputs and record all of it.

    In a dry run nothing is written and the model is not called; a script is, with
    ``execution=None``. In a sweep, the execution becomes a child of the sweep's parent.

    Returns what the function returned; None when it was not called. A job of a sweep, whose
    result may go to another process, gives numbers, texts, and lists and mappings of these, and
    None for anything else; a completed job that is skipped gives what it gave then.

    Args:
        deriva_ml: How to reach the catalog.
        datasets: Dataset versions that are read.
        assets: Files that are read.
        description: Why the run is made; overrides given on the command line are added.
        workflow: What kind of work it is; the code is that of the model function's file.
        model_config: The model function with its hyperparameters, a partial that waits for
            ``ml_instance`` and ``execution``.
        dry_run: Whether to leave no trace.
        ml_class: The session's class; None means `DerivaML`.
        script_config: A partial like `model_config`, called in its place.
        resume: Whether a run of this configuration that was begun on this machine is taken up:
            skipped when it was completed, continued in its execution when it was interrupted.

    Raises:
        DerivaMLConfigurationError: There is nothing to call.
        DerivaMLValidationError: Datasets or assets do not exist; the message lists them.
    """
    from ..core.connect import sharing_catalogs
    from .checking import check_inputs
    from .configuration import ExecutionConfiguration
    from .planned import Plan, current_job, run_dry, run_plan
    from .resuming import fingerprint_of_call
    from .telling import tell_dry_run, tell_result, tell_resuming

    if ml_class is None:
        from ..core.base import DerivaML

        ml_class = DerivaML
    called = script_config if script_config is not None else model_config
    if not callable(called):
        msg = (
            f"model_config is {called!r}, which cannot be called. Configure the model function "
            "with builds(function, ..., populate_full_signature=True, zen_partial=True)."
        )
        raise DerivaMLConfigurationError(msg)
    job = current_job()
    with sharing_catalogs() if job.sweep is not None else nullcontext():
        ml = ml_class.instantiate(deriva_ml)
    check_inputs(ml, datasets, assets)
    workflow.identify(source_file_of(called), strict_git=False if dry_run else None)
    arguments = {
        "catalog": [str(deriva_ml.hostname), str(deriva_ml.catalog_id)],
        "datasets": list(datasets),
        "assets": list(assets),
        "description": description,
        "workflow": [workflow.name, workflow.workflow_types],
    }
    configuration = ExecutionConfiguration(
        datasets=list(datasets),
        assets=list(assets),
        description=job.describe(description),
        config_choices=job.choices,
    )
    plan = Plan(
        configuration,
        workflow,
        called,
        job.fingerprint() or fingerprint_of_call(called, arguments, required=resume),
        resume=resume,
    )
    # Outside Hydra, what is printed is the affair of the program that calls.
    if dry_run:
        run_dry(ml, plan, script=script_config is not None)
        if job.config_name:
            tell_dry_run()
        return None
    if job.sweep is None:
        outcome = run_plan(ml, plan)
        if job.config_name:
            if resume:
                tell_resuming(outcome)
            tell_result(ml, outcome.rid)
        return outcome.value
    from .sweep_job import run_in_sweep

    return run_in_sweep(ml, deriva_ml, job, description, plan)
