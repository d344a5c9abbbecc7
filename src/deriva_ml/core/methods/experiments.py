"""Experiments: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..arguments import status_named
from ..exceptions import translated

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml.experiment.experiment import Experiment

    from ..base import DerivaML
    from ..definitions import RID, ExecutionStatus


def lookup_experiment(self: DerivaML, execution_rid: RID) -> Experiment:
    """An execution as an experiment (see `Experiment`)."""
    from deriva_ml.experiment.experiment import Experiment

    return Experiment(self, execution_rid)


@translated()
def find_experiments(
    self: DerivaML, workflow_rid: RID | None = None, status: ExecutionStatus | str | None = None
) -> list[Experiment]:
    """The executions that have a configuration of Hydra, in the order of their RIDs.

    Args:
        workflow_rid: Only those of this workflow.
        status: Only those in this state.
    """
    from deriva_ml.experiment.compare import find_experiments as find

    return find(self, workflow_rid, None if status is None else status_named(status).value)


@translated()
def compare_experiments(
    self: DerivaML,
    experiments: Iterable[Any] | None = None,
    *,
    workflow_rid: RID | None = None,
    status: ExecutionStatus | str | None = None,
    parameters: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Parameters and measurements side by side (see `deriva_ml.experiment.compare`)."""
    from deriva_ml.experiment.compare import compare_experiments as compare

    return compare(
        self,
        experiments,
        workflow_rid=workflow_rid,
        status=None if status is None else status_named(status).value,
        parameters=parameters,
        metrics=metrics,
    )
