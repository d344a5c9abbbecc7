"""Classes that stand for the frames of libraries, none of which need be installed.

``isinstance(df, AbstractPandasDataFrame)`` is True for a DataFrame of pandas and imports nothing:
whoever holds one has imported pandas. The same holds for ``issubclass``, so that the classes can
be used in annotations and to dispatch.
"""

from __future__ import annotations

import functools
import operator
from typing import Any, ClassVar

from hamilton import registry
from hamilton.plugins._loaded import loaded_class

__all__ = [
    "COLUMN_TYPES",
    "DATAFRAME_TYPES",
    "AbstractDaskColumn",
    "AbstractDaskDataFrame",
    "AbstractGeoPandasColumn",
    "AbstractGeoPandasDataFrame",
    "AbstractIbisColumn",
    "AbstractIbisDataFrame",
    "AbstractPandasColumn",
    "AbstractPandasDataFrame",
    "AbstractPolarsColumn",
    "AbstractPolarsDataFrame",
    "AbstractPolarsExpression",
    "AbstractPolarsLazyFrame",
    "AbstractPyarrowColumn",
    "AbstractPyarrowDataFrame",
    "AbstractSparkColumn",
    "AbstractSparkDataFrame",
    "register_backends",
]


class _Backend(type):
    """Answers whether objects and classes are of the classes that a class stands for."""

    _paths: tuple[str, ...]

    def __instancecheck__(cls, instance: Any) -> bool:
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, subclass: type) -> bool:
        if type.__subclasscheck__(cls, subclass):
            return True
        found = [kind for kind in map(loaded_class, cls._paths) if isinstance(kind, type)]
        return issubclass(subclass, tuple(found))


class AbstractPandasDataFrame(metaclass=_Backend):
    """Stands for the DataFrame of pandas."""

    _paths: ClassVar = ("pandas.DataFrame",)


class AbstractPandasColumn(metaclass=_Backend):
    """Stands for the Series of pandas."""

    _paths: ClassVar = ("pandas.Series",)


class AbstractPolarsDataFrame(metaclass=_Backend):
    """Stands for the DataFrame of polars."""

    _paths: ClassVar = ("polars.DataFrame",)


class AbstractPolarsColumn(metaclass=_Backend):
    """Stands for the Series of polars."""

    _paths: ClassVar = ("polars.Series",)


class AbstractPolarsLazyFrame(metaclass=_Backend):
    """Stands for the LazyFrame of polars, whose columns are expressions."""

    _paths: ClassVar = ("polars.LazyFrame",)


class AbstractPolarsExpression(metaclass=_Backend):
    """Stands for the expressions of polars."""

    _paths: ClassVar = ("polars.Expr",)


class AbstractPyarrowDataFrame(metaclass=_Backend):
    """Stands for the Table of Arrow."""

    _paths: ClassVar = ("pyarrow.Table",)


class AbstractPyarrowColumn(metaclass=_Backend):
    """Stands for the arrays of Arrow."""

    _paths: ClassVar = ("pyarrow.ChunkedArray", "pyarrow.Array")


class AbstractDaskDataFrame(metaclass=_Backend):
    """Stands for the DataFrame of Dask."""

    _paths: ClassVar = ("dask.dataframe.DataFrame",)


class AbstractDaskColumn(metaclass=_Backend):
    """Stands for the Series of Dask."""

    _paths: ClassVar = ("dask.dataframe.Series",)


class AbstractGeoPandasDataFrame(metaclass=_Backend):
    """Stands for the GeoDataFrame of GeoPandas."""

    _paths: ClassVar = ("geopandas.GeoDataFrame",)


class AbstractGeoPandasColumn(metaclass=_Backend):
    """Stands for the GeoSeries of GeoPandas."""

    _paths: ClassVar = ("geopandas.GeoSeries",)


class AbstractIbisDataFrame(metaclass=_Backend):
    """Stands for the table expressions of Ibis."""

    _paths: ClassVar = ("ibis.expr.types.Table",)


class AbstractIbisColumn(metaclass=_Backend):
    """Stands for the column expressions of Ibis."""

    _paths: ClassVar = ("ibis.expr.types.Column",)


class AbstractSparkDataFrame(metaclass=_Backend):
    """Stands for the DataFrame of Spark."""

    _paths: ClassVar = ("pyspark.sql.DataFrame",)


class AbstractSparkColumn(metaclass=_Backend):
    """Stands for the Column of Spark."""

    _paths: ClassVar = ("pyspark.sql.Column",)


_PAIRS: dict[str, tuple[type, type]] = {
    "pandas": (AbstractPandasDataFrame, AbstractPandasColumn),
    "polars": (AbstractPolarsDataFrame, AbstractPolarsColumn),
    "polars_lazyframe": (AbstractPolarsLazyFrame, AbstractPolarsExpression),
    "pyarrow": (AbstractPyarrowDataFrame, AbstractPyarrowColumn),
    "dask": (AbstractDaskDataFrame, AbstractDaskColumn),
    "geopandas": (AbstractGeoPandasDataFrame, AbstractGeoPandasColumn),
    "ibis": (AbstractIbisDataFrame, AbstractIbisColumn),
    "spark": (AbstractSparkDataFrame, AbstractSparkColumn),
}

DATAFRAME_TYPES: Any = functools.reduce(operator.or_, (frame for frame, _ in _PAIRS.values()))
COLUMN_TYPES: Any = functools.reduce(operator.or_, (column for _, column in _PAIRS.values()))


def register_backends() -> None:
    """Registers the classes as dataframe and column types, as ``<library>_backend``.

    What is registered for the libraries themselves stays.
    """
    for name, (frame, column) in _PAIRS.items():
        registry.register_types(f"{name}_backend", frame, column)
