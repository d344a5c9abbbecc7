"""States of executions under the module path that other code imports them from."""

from __future__ import annotations

from deriva_ml.core.enums import ExecutionStatus

from .registry import ExecutionSnapshot

__all__ = ["ExecutionSnapshot", "ExecutionStatus"]
