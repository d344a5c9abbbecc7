"""Which annotations mean a Spark frame or column, and the Spark types of what functions return."""

from __future__ import annotations

import datetime
import decimal
import typing
from typing import Any

from hamilton.errors import DefinitionError
from hamilton.htypes import is_union, without_annotation
from hamilton.plugins._shipping import missing_library

__all__ = [
    "is_column_type",
    "is_frame",
    "is_frame_type",
    "is_series_type",
    "pyspark_sql",
    "returned_type",
    "spark_type",
]

# A Python integer or float has 64 bits: narrower Spark types would lose values silently.
_TYPES = {
    bool: "BooleanType",
    int: "LongType",
    float: "DoubleType",
    str: "StringType",
    bytes: "BinaryType",
    bytearray: "BinaryType",
    datetime.datetime: "TimestampType",
    datetime.date: "DateType",
}
_NUMPY_TYPES = {
    "bool": "BooleanType",
    "int8": "ByteType",
    "int16": "ShortType",
    "int32": "IntegerType",
    "int64": "LongType",
    "uint8": "ShortType",
    "uint16": "IntegerType",
    "uint32": "LongType",
    "float32": "FloatType",
    "float64": "DoubleType",
    "str": "StringType",
}


def pyspark_sql() -> Any:
    """Returns the module ``pyspark.sql``.

    Raises:
        ImportError: PySpark is not installed.
    """
    try:
        import pyspark.sql
        import pyspark.sql.functions
        import pyspark.sql.types
    except ImportError:
        raise missing_library("pyspark", "'derivaml[spark]'") from None
    return pyspark.sql


def is_frame_type(type_: Any) -> bool:
    """Returns whether a type is the dataframe of Spark SQL, classic or of Spark Connect."""
    return _is_of_spark_sql(type_, "DataFrame")


def is_frame(value: Any) -> bool:
    """Returns whether a value is a dataframe of Spark SQL, classic or of Spark Connect."""
    return is_frame_type(type(value))


def is_column_type(type_: Any) -> bool:
    """Returns whether a type is the column expression of Spark SQL."""
    return _is_of_spark_sql(type_, "Column")


def _is_of_spark_sql(type_: Any, name: str) -> bool:
    # Connect's classes were no subclasses of the classic ones before Spark 4.
    plain = without_annotation(type_)
    return isinstance(plain, type) and any(
        cls.__name__ == name and cls.__module__.startswith("pyspark.sql") for cls in plain.__mro__
    )


def is_series_type(type_: Any) -> bool:
    """Returns whether a type is a pandas Series, annotated or not."""
    import pandas as pd

    plain = without_annotation(type_)
    return isinstance(plain, type) and issubclass(plain, pd.Series)


def returned_type(annotation: Any) -> Any:
    """Returns the Spark type of the values of a column that a function returns.

    Raises:
        DefinitionError: The annotation does not say it, or Spark has no such type.
    """
    if not is_series_type(annotation):
        return spark_type(annotation)
    known = typing.get_args(annotation)[1:]
    if len(known) != 1:
        raise DefinitionError(
            f"{annotation!r} does not say what the values are; annotate the return with "
            "htypes.column[pd.Series, int] (or another type of one value)."
        )
    return spark_type(known[0])


def spark_type(annotation: Any) -> Any:
    """Returns the Spark type that holds the values of a Python, numpy or Spark type.

    Text is taken as Spark's own notation, such as ``"array<bigint>"``.

    Raises:
        DefinitionError: Spark has no type for it.
    """
    types = pyspark_sql().types
    if isinstance(annotation, (str, types.DataType)):
        return annotation
    if is_union(annotation):
        members = [a for a in typing.get_args(annotation) if a is not type(None)]
        if len(members) == 1:
            return spark_type(members[0])
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is list and len(arguments) == 1:
        return types.ArrayType(spark_type(arguments[0]))
    if origin is dict and len(arguments) == 2:
        return types.MapType(spark_type(arguments[0]), spark_type(arguments[1]))
    if isinstance(annotation, type) and origin is None:
        found = _scalar_type(annotation, types)
        if found is not None:
            return found
    raise DefinitionError(
        f"Spark has no column type for {annotation!r}; use bool, int, float, str, bytes, date, "
        "datetime, Decimal, a numpy scalar, list[...] or dict[...] of those, or a type of "
        "pyspark.sql.types."
    )


def _scalar_type(annotation: type, types: Any) -> Any:
    import numpy as np

    if issubclass(annotation, types.DataType):
        return annotation()
    if issubclass(annotation, np.generic):
        name = _NUMPY_TYPES.get(np.dtype(annotation).name)
    elif issubclass(annotation, decimal.Decimal):
        return types.DecimalType(38, 18)
    else:
        name = next((_TYPES[cls] for cls in annotation.__mro__ if cls in _TYPES), None)
    return None if name is None else getattr(types, name)()
