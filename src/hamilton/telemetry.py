"""There is no telemetry: nothing is sent, nothing is stored."""

from __future__ import annotations

__all__ = ["disable_telemetry", "is_telemetry_enabled"]


def disable_telemetry() -> None:
    """Does nothing: there is nothing to switch off."""


def is_telemetry_enabled() -> bool:
    """Returns False."""
    return False
