"""The MLflow run that the node running here belongs to, told by the tracker to the saver."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["TrackedRun", "tracked_run"]


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run in a store.

    Attributes:
        run_id: The run.
        tracking_uri: Where runs are kept; None for what MLflow uses anyway.
        registry_uri: Where models are registered; None for what MLflow uses anyway.
    """

    run_id: str
    tracking_uri: str | None = None
    registry_uri: str | None = None


tracked_run: ContextVar[TrackedRun | None] = ContextVar("tracked_run", default=None)
