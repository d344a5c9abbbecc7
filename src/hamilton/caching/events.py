"""What the cache records while a run goes on."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

__all__ = ["CachingEvent", "CachingEventType"]


class CachingEventType(enum.StrEnum):
    """The kinds of events."""

    GET_DATA_VERSION = "get_data_version"
    SET_DATA_VERSION = "set_data_version"
    GET_CACHE_KEY = "get_cache_key"
    SET_CACHE_KEY = "set_cache_key"
    GET_RESULT = "get_result"
    SET_RESULT = "set_result"
    MISSING_RESULT = "missing_result"
    FAILED_RETRIEVAL = "failed_retrieval"
    EXECUTE_NODE = "execute_node"
    FAILED_EXECUTION = "failed_execution"
    RESOLVE_BEHAVIOR = "resolve_behavior"
    UNHASHABLE_DATA_VERSION = "unhashable_data_version"
    IS_OVERRIDE = "is_override"
    IS_INPUT = "is_input"
    IS_FINAL_VAR = "is_final_var"
    IS_DEFAULT_PARAMETER_VALUE = "is_default_parameter_value"


class CachingEvent(NamedTuple):
    """One thing the cache did.

    Attributes:
        run_id: The run.
        actor: ``adapter``, ``metadata_store`` or ``result_store``.
        event_type: What was done.
        node_name: To which node.
        task_id: In which task, in task-based runs.
        msg: Why, for people.
        value: A key, version or behaviour.
        timestamp: When, in seconds since the epoch.
    """

    run_id: str
    actor: str
    event_type: CachingEventType
    node_name: str
    task_id: str | None = None
    msg: str | None = None
    value: Any = None
    timestamp: float = 0.0

    def __str__(self) -> str:
        parts = (self.node_name, self.task_id, self.actor, self.event_type.value, self.msg)
        return "::".join(part for part in parts if part)

    def as_dict(self) -> dict[str, Any]:
        """Returns the event as plain data, the time as ISO 8601 in UTC."""
        when = datetime.fromtimestamp(self.timestamp, UTC).isoformat()
        return {**self._asdict(), "event_type": self.event_type.value, "timestamp": when}

    def as_json(self) -> str:
        """Returns the event as one line of JSON."""
        return json.dumps(self.as_dict(), default=str)
