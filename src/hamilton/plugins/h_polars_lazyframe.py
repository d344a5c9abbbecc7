"""Results as polars lazy frames, and columns computed by functions and appended to them."""

from __future__ import annotations

from hamilton.plugins.h_polars import PolarsLazyFrameResult, with_columns

__all__ = ["PolarsLazyFrameResult", "with_columns"]
