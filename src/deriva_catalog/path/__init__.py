"""The data-path language: one tree, a parser, a printer and a Python builder.

Quick start::

    query = parse_query("entity/S:T/v::gt::3@sort(RID)?limit=10").query
    print_query(query)

    image = catalog.path.digits.Image
    image.filter(image.Length > 1000).entities().fetch(limit=10)
"""

from .builder import Grouping, PathBuilder, SchemaPath, TablePath
from .columns import (
    Array,
    ArrayD,
    Avg,
    Bin,
    Cnt,
    CntD,
    ColumnRef,
    Condition,
    Max,
    Min,
    Sum,
    desc,
)
from .executor import Executor
from .options import Options
from .parser import Request, parse_filter, parse_path, parse_query
from .printer import print_filter, print_path, print_query
from .results import ResultSet

__all__ = [
    "Array",
    "ArrayD",
    "Avg",
    "Bin",
    "Cnt",
    "CntD",
    "ColumnRef",
    "Condition",
    "Executor",
    "Grouping",
    "Max",
    "Min",
    "Options",
    "PathBuilder",
    "Request",
    "ResultSet",
    "SchemaPath",
    "Sum",
    "TablePath",
    "desc",
    "parse_filter",
    "parse_path",
    "parse_query",
    "print_filter",
    "print_path",
    "print_query",
]
