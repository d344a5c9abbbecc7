"""Which state of an execution may follow which."""

from __future__ import annotations

from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import InvalidTransitionError

__all__ = ["TRANSITIONS", "InvalidTransitionError", "check_transition"]

_S = ExecutionStatus

TRANSITIONS: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    _S.Created: frozenset({_S.Running, _S.Failed, _S.Aborted}),
    _S.Running: frozenset({_S.Stopped, _S.Failed, _S.Pending_Upload, _S.Aborted}),
    # A stopped run that is resumed before its outputs were committed may run again.
    _S.Stopped: frozenset({_S.Running, _S.Pending_Upload, _S.Aborted}),
    _S.Pending_Upload: frozenset({_S.Uploaded, _S.Failed}),
    _S.Uploaded: frozenset({_S.Pending_Upload}),
    _S.Failed: frozenset({_S.Running, _S.Pending_Upload, _S.Aborted}),
    _S.Aborted: frozenset(),
}


def check_transition(current: ExecutionStatus, target: ExecutionStatus, rid: str) -> None:
    """Refuse a change of state that makes no sense; staying in a state is allowed.

    Raises:
        InvalidTransitionError: `target` cannot follow `current`.
    """
    if target == current or target in TRANSITIONS[current]:
        return
    possible = ", ".join(sorted(TRANSITIONS[current])) or "none: it has ended"
    raise InvalidTransitionError(
        f"Execution {rid!r} is {current} and cannot become {target}; possible: {possible}."
    )
