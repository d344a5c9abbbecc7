"""Ibis: column access to its table expressions."""

from __future__ import annotations

from typing import Any

from ibis.expr.types import Column, Table

from hamilton import registry

__all__ = ["COLUMN_TYPE", "DATAFRAME_TYPE"]

DATAFRAME_TYPE = Table
COLUMN_TYPE = Column


@registry.get_column.register(Table)
def get_column_ibis(df: Any, column_name: str) -> Any:
    """Returns the expression of a column."""
    return df[column_name]


@registry.fill_with_scalar.register(Table)
def fill_with_scalar_ibis(df: Any, column_name: str, scalar_value: Any) -> Any:
    """Returns the expression with a column of one value."""
    return df.mutate(**{column_name: scalar_value})


registry.register_types("ibis", DATAFRAME_TYPE, COLUMN_TYPE)
