"""Results as polars frames, and columns computed by functions and appended to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamilton.function_modifiers.with_columns import WithColumnsBase
from hamilton.lifecycle.api import ResultBuilder
from hamilton.plugins._shipping import missing_library

__all__ = ["PolarsDataFrameResult", "PolarsLazyFrameResult", "with_columns"]


def _polars() -> Any:
    try:
        import polars
    except ImportError:
        raise missing_library("polars", "'derivaml[dataflow]'") from None
    return polars


class PolarsDataFrameResult(ResultBuilder):
    """Builds a polars DataFrame with a column for each output.

    A single frame is returned as it is. Scalars are repeated to the length of the other columns.
    """

    def build_result(self, **outputs: Any) -> Any:
        """Returns the frame.

        Raises:
            ValueError: Columns differ in length.
        """
        pl = _polars()
        if len(outputs) == 1:
            (value,) = outputs.values()
            if isinstance(value, pl.DataFrame):
                return value
        columns: dict[str, Any] = {}
        for name, value in outputs.items():
            if isinstance(value, pl.DataFrame):
                columns.update({f"{name}.{c}": value[c] for c in value.columns})
            else:
                columns[name] = value
        series = {n: v for n, v in columns.items() if _is_column(v)}
        lengths = {n: len(v) for n, v in series.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The outputs differ in length: {lengths}.")
        length = next(iter(lengths.values()), 1)
        return pl.DataFrame(
            {
                n: pl.Series(n, v) if n in series else pl.repeat(v, length, eager=True)
                for n, v in columns.items()
            }
        )

    def output_type(self) -> type:
        """Returns the polars DataFrame type."""
        return _polars().DataFrame  # type: ignore[no-any-return]


def _is_column(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes, dict))


class PolarsLazyFrameResult(ResultBuilder):
    """Builds a polars LazyFrame; a single one is returned as it is, uncollected."""

    def build_result(self, **outputs: Any) -> Any:
        """Returns the lazy frame."""
        pl = _polars()
        if len(outputs) == 1:
            (value,) = outputs.values()
            if isinstance(value, pl.LazyFrame):
                return value
        collected = {
            n: v.collect() if isinstance(v, pl.LazyFrame) else v for n, v in outputs.items()
        }
        return PolarsDataFrameResult().build_result(**collected).lazy()

    def output_type(self) -> type:
        """Returns the polars LazyFrame type."""
        return _polars().LazyFrame  # type: ignore[no-any-return]


class with_columns(WithColumnsBase):
    """Computes columns from a frame parameter and appends them with the frame's own method."""

    def append(self, frame: Any, columns: Mapping[str, Any]) -> Any:
        """Returns the frame with the columns added or replaced."""
        return frame.with_columns(**columns)
