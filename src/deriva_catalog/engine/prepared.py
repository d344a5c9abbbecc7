"""Statements of small results, compiled to text and kept by the shape of their query.

Source: ERMrest, "Representations".
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..model.elements import Model
from ..path.ast import Query
from .compile import Compiled
from .compile.shapes import Encode, NotShared, lifted
from .dialect import Expressions
from .serialize import form_of, serialised
from .texts import Text, text_of

__all__ = ["Prepared", "PreparedCache"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that gives one text for each row, and what stands around the rows.

    `encoders` make parameters of the values that were taken out of the query, in their order. The
    model is kept, so that its identity stays its own.
    """

    model: Model
    statement: Text
    encoders: tuple[Encode, ...]
    expressions: Expressions
    opening: str
    separator: str
    end: str

    def run(
        self, connection: sa.Connection, values: list[str], more: Mapping[str, Any] | None
    ) -> bytes:
        """The whole result for these values.

        Raises:
            BadRequest, Conflict: a value does not fit its column.
        """
        given = self.parameters(values, more)
        run = self.statement.run
        with self.expressions.reporting(), closing(run(connection, given)) as result:
            assert result.cursor is not None, "a SELECT has a cursor"
            rows = result.cursor.fetchall()
        return self.whole([text for (text,) in rows])

    def parameters(self, values: list[str], more: Mapping[str, Any] | None) -> dict[str, Any]:
        """The parameters of the statement.

        Raises:
            BadRequest, Conflict: a value does not fit its column.
        """
        given: dict[str, Any] = dict(more or {})
        for encode, value in zip(self.encoders, values, strict=True):
            given.update(encode(value))
        return given

    def whole(self, texts: list[str]) -> bytes:
        """The result that consists of these texts."""
        end = self.end if texts or self.opening == "[" else ""
        return f"{self.opening}{self.separator.join(texts)}{end}".encode()


class PreparedCache:
    """The latest `size` statements of one catalog. Usable from many threads."""

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Prepared | None] = OrderedDict()

    def prepare(
        self,
        query: Query,
        form: tuple[str, bool],
        model: Model,
        key: Hashable,
        compile: Callable[[Query], Compiled],
        dialect: sa.Dialect,
    ) -> tuple[Prepared, list[str]] | None:
        """The statement for a query and the values to run it with; None if it must be compiled.

        Args:
            query: What to read.
            form: The media type, and whether CSV has arrays as JSON.
            model: What the query's names belong to.
            key: What else the statement depends on.
            compile: How a query is compiled.
            dialect: Of the database.
        """
        shape, slots = lifted(query)
        whole = (shape, form, id(model), key)
        values = [text for _, text in slots]
        with self._lock:
            if whole in self._kept:
                self._kept.move_to_end(whole)
                found = self._kept[whole]
                return None if found is None else (found, values)
        made: Prepared | None = None
        try:
            compiled = compile(shape)
            encoders = [slot.to_parameters for slot, _ in slots]
            if all(encoders):
                given = tuple(encode for encode in encoders if encode is not None)
                statement = text_of(serialised(compiled, *form), dialect)
                around = form_of(compiled, form[0])
                made = Prepared(model, statement, given, compiled.expressions, *around)
        except NotShared:
            pass
        with self._lock:
            self._kept[whole] = made
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return None if made is None else (made, values)
