"""The compiler: any query over a model becomes one SQL statement.

Quick start::

    compiled = compile_query(parse_query("entity/S:T/v=x").query, model, source, expressions)
    rows = connection.execute(compiled.select)
"""

from .cache import CompileCache
from .guarded import GRANTED, ROW, Guarded, Readable, Source
from .outputs import Compiled, OutputColumn
from .queries import compile_query, compile_rows

__all__ = [
    "GRANTED",
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
