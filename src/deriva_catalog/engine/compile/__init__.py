"""The compiler: any query over a model becomes one SQL statement.

Quick start::

    compiled = compile_query(parse_query("entity/S:T/v=x").query, model, source, expressions)
    rows = connection.execute(compiled.select)
"""

from .cache import CompileCache
from .outputs import Compiled, OutputColumn
from .queries import compile_query, compile_rows
from .relation import ROW, Guarded, Readable, Source

__all__ = [
    "ROW",
    "CompileCache",
    "Compiled",
    "Guarded",
    "OutputColumn",
    "Readable",
    "Source",
    "compile_query",
    "compile_rows",
]
