"""Results as Arrow tables."""

from __future__ import annotations

from typing import Any

from hamilton.lifecycle.api import ResultBuilder
from hamilton.plugins._shipping import missing_library

__all__ = ["PyarrowTableResult"]


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise missing_library("pyarrow", "'derivaml[dataflow]'") from None
    return pyarrow


class PyarrowTableResult(ResultBuilder):
    """Builds an Arrow table of the only output, any frame that gives its columns to others."""

    def build_result(self, **outputs: Any) -> Any:
        """Returns the table.

        Raises:
            ValueError: There is not exactly one output, or it is no frame.
        """
        pa = _pyarrow()
        if len(outputs) != 1:
            raise ValueError(
                f"PyarrowTableResult takes exactly one output, found {sorted(outputs)}."
            )
        ((name, value),) = outputs.items()
        if isinstance(value, pa.Table):
            return value
        if hasattr(value, "__arrow_c_stream__"):
            return pa.table(value)
        if hasattr(value, "__dataframe__"):
            from pyarrow.interchange import from_dataframe

            return from_dataframe(value)
        raise ValueError(f"Output {name!r} is a {type(value).__name__}, which is no frame.")

    def output_type(self) -> type:
        """Returns the Arrow table type."""
        return _pyarrow().Table  # type: ignore[no-any-return]
