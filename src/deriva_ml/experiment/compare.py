"""Several experiments side by side, as one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.core.query import entities, equals, link
from deriva_ml.core.rids import check_rid, rid_of
from deriva_ml.execution.record import ExecutionRecord

from .experiment import Experiment
from .files import CONFIG_FILE, named_like

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml.core.base import DerivaML

__all__ = ["compare_experiments", "find_experiments"]

Condition = Any | Callable[[Any], bool]
"""A value, a set or list of values, or a function that says whether a value will do."""


def find_experiments(
    ml: DerivaML, workflow_rid: str | None = None, status: str | None = None
) -> list[Experiment]:
    """The executions that have a configuration of Hydra, in the order of their RIDs; one query.

    Args:
        ml: The connection.
        workflow_rid: Only those of this workflow.
        status: Only those in this state.
    """
    session = ml.session
    files, executions = session.ml("Execution_Metadata"), session.ml("Execution")
    links = session.ml("Execution_Metadata_Execution")
    steps: list[Any] = [
        named_like(CONFIG_FILE),
        link("RID", links, files.name),
        equals("Asset_Role", "Output"),
        link("Execution", executions),
    ]
    steps += [] if workflow_rid is None else [equals("Workflow", check_rid(workflow_rid))]
    steps += [] if status is None else [equals("Status", status)]
    rows = session.fetch(entities(files, *steps, sort=("RID",)))
    unique = {row["RID"]: row for row in rows}.values()
    return Experiment.several(ml, [ExecutionRecord(ml.executions, row) for row in unique])


def compare_experiments(
    ml: DerivaML,
    experiments: Iterable[Any] | None = None,
    *,
    workflow_rid: str | None = None,
    status: str | None = None,
    parameters: Mapping[str, Condition] | None = None,
    metrics: Mapping[str, Condition] | None = None,
) -> pd.DataFrame:
    """Parameters and measurements of experiments, a row each, indexed by execution.

    The columns are `name`, `description`, `status`, `start`, `duration`, then ``choices.<group>``,
    ``params.<name>`` and ``metrics.<name>`` for whatever at least one of them has.

    Args:
        ml: The connection.
        experiments: Experiments, executions or their RIDs; None means all that have a
            configuration.
        workflow_rid: Only those of this workflow.
        status: Only those in this state.
        parameters: Only those whose parameters satisfy these conditions.
        metrics: Only those whose latest measurements do. A condition is a value, a list or set
            of values, or a function; what an experiment does not have satisfies none.

    Raises:
        DerivaMLNotFoundError: One of them is no execution.
        DerivaMLValidationError: No experiment has a parameter or measurement of that name.
    """
    import pandas as pd

    if experiments is None:
        found = find_experiments(ml, workflow_rid, status)
    else:
        found = _given(ml, experiments)
        found = [e for e in found if workflow_rid in (None, e.execution.workflow_rid)]
        found = [e for e in found if status in (None, e.status.value)]
    _check_names(found, "parameters", parameters)
    _check_names(found, "metrics", metrics)
    kept = [
        e for e in found if _satisfies(e.parameters, parameters) and _satisfies(e.metrics, metrics)
    ]
    index = pd.Index([e.execution_rid for e in kept], name="execution")
    frame = pd.DataFrame([_row(e) for e in kept], index=index)
    return frame[_columns(kept)] if kept else pd.DataFrame(columns=[*_FACTS], index=index)


_FACTS = ("name", "description", "status", "start", "duration")


def _given(ml: DerivaML, experiments: Iterable[Any]) -> list[Experiment]:
    rids = [rid_of(e)[0] for e in ([experiments] if isinstance(experiments, str) else experiments)]
    records = {e.execution_rid: e for e in ml.executions.records(dict.fromkeys(rids))}
    for rid in rids:
        if rid not in records:
            ml.lookup_execution(rid)  # says what is wrong with it
    return Experiment.several(ml, list(records.values()))


def _check_names(
    found: list[Experiment], kind: str, conditions: Mapping[str, Condition] | None
) -> None:
    if not conditions or not found:
        return
    known = {name for e in found for name in getattr(e, kind)}
    if missing := sorted(set(conditions) - known):
        raise DerivaMLValidationError(
            f"None of the {len(found)} experiments has {kind} named {missing}; "
            f"they have {sorted(known)}."
        )


def _satisfies(values: Mapping[str, Any], conditions: Mapping[str, Condition] | None) -> bool:
    return all(
        name in values and _meets(values[name], condition)
        for name, condition in (conditions or {}).items()
    )


def _meets(value: Any, condition: Condition) -> bool:
    if callable(condition):
        return bool(condition(value))
    if isinstance(condition, set | frozenset | list | tuple) and not isinstance(value, list):
        return value in condition
    return bool(value == condition)


def _row(experiment: Experiment) -> dict[str, Any]:
    execution = experiment.execution
    return {
        "name": experiment.name,
        "description": experiment.description,
        "status": experiment.status.value,
        "start": execution.start_time,
        "duration": execution.duration,
        **{f"choices.{k}": v for k, v in experiment.config_choices.items()},
        **{f"params.{k}": v for k, v in experiment.parameters.items()},
        **{f"metrics.{k}": v for k, v in experiment.metrics.items()},
    }


def _columns(experiments: list[Experiment]) -> list[str]:
    """Facts first, then choices, parameters and measurements, each in the order first met."""
    names: dict[str, None] = dict.fromkeys(_FACTS)
    for kind, attribute in (
        ("choices", "config_choices"),
        ("params", "parameters"),
        ("metrics", "metrics"),
    ):
        for experiment in experiments:
            names |= dict.fromkeys(f"{kind}.{n}" for n in getattr(experiment, attribute))
    return list(names)
