"""What the cache records while a run goes on."""

from __future__ import annotations

import enum
import json
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["CachingEvent", "CachingEventType", "EventLog"]

logger = logging.getLogger("hamilton.caching")

_MOST_WAITING = 256


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


class EventLog:
    """Appends events to a file, one JSON object a line, many lines at a time.

    Args:
        path: The file; its folder is made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[CachingEvent] = []
        self._most_waiting = _MOST_WAITING
        self._lock = threading.RLock()

    def add(self, event: CachingEvent) -> None:
        """Adds an event; it is in the file once there are many, or after `flush`."""
        with self._lock:
            self._waiting.append(event)
            if len(self._waiting) >= self._most_waiting:
                self.flush()

    def flush(self) -> None:
        """Writes what is waiting; what cannot be written is left out, with a warning."""
        with self._lock:
            events, self._waiting = self._waiting, []
            if not events:
                return
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a") as log:
                    log.write("".join(f"{event.as_json()}\n" for event in events))
            except OSError as error:
                logger.warning("%d events could not be logged: %s", len(events), error)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path.absolute()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]
        # A copy lives in a worker whose end nobody announces: it writes at once.
        self._most_waiting = 1
