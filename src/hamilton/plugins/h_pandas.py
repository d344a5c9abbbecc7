"""pandas: columns computed by functions and appended to a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamilton.function_modifiers.with_columns import WithColumnsBase

__all__ = ["with_columns"]


class with_columns(WithColumnsBase):
    """Computes columns from a DataFrame parameter and appends them with ``DataFrame.assign``."""

    def append(self, frame: Any, columns: Mapping[str, Any]) -> Any:
        """Returns the frame with the columns added or replaced."""
        return frame.assign(**columns)
