"""Names of configuration keys that the dataflow itself knows."""

from __future__ import annotations

__all__ = ["ENABLE_POWER_USER_MODE"]

ENABLE_POWER_USER_MODE = "hamilton.enable_power_user_mode"
