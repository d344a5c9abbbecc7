"""Results straight from the server: ``COPY ... TO STDOUT``, whose bytes are passed on.

COPY takes no parameters, so the driver writes them into the statement. Lines of JSON hold no
control characters, so COPY's format for CSV, with two of them as quote and delimiter, leaves them
as they are.
"""

from __future__ import annotations

import select
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ..budget import Budget, budget_of, exceeded
from ..dialect import Value

__all__ = ["SHARED", "Copies", "copied", "is_shared"]

SHARED = {"deriva_shared": True}
"""The option of connections on which others may run statements while a result is streamed."""

_PIECE = 256 * 1024
_AS_JSON = " TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
_AS_CSV = " TO STDOUT (FORMAT csv)"
_KEPT = 128


class Copies:
    """The texts of COPY statements, kept by the statement that they copy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The statement is kept too, so that its identity stays its own.
        self._texts: OrderedDict[tuple[int, str], tuple[sa.Select[Any], str, dict[str, Any]]]
        self._texts = OrderedDict()

    def text(
        self,
        connection: sa.Connection,
        statement: sa.Select[Any],
        columns: Callable[[], Sequence[Value]],
        kind: str,
    ) -> tuple[str, dict[str, Any]]:
        """The COPY of a statement with these columns, and its parameters.

        Args:
            connection: Whose dialect it is for.
            statement: What is copied.
            columns: Makes what it selects instead.
            kind: ``json`` or something else, which means CSV; one kind has the same columns.
        """
        key = (id(statement), kind)
        with self._lock:
            found = self._texts.get(key)
            if found is not None:
                self._texts.move_to_end(key)
                return found[1], found[2]
        compiled = statement.with_only_columns(*columns()).compile(
            dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
        )
        text = f"COPY ({compiled}){_AS_JSON if kind == 'json' else _AS_CSV}"
        parameters = dict(compiled.params)
        with self._lock:
            self._texts[key] = (statement, text, parameters)
            while len(self._texts) > _KEPT:
                self._texts.popitem(last=False)
        return text, parameters


def is_shared(connection: sa.Connection) -> bool:
    """Whether a COPY would be in the way of others, as inside a writing transaction."""
    return bool(connection.get_execution_options().get("deriva_shared", False))


def copied(connection: sa.Connection, text: str, parameters: dict[str, Any]) -> Iterator[bytes]:
    """The bytes of a COPY in pieces of whole lines.

    Raises:
        QueryTimeout: a piece took longer than the budget of the connection.
    """
    budget = budget_of(connection)
    if budget is not None:  # the server would count the time of the whole stream
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        budget.start()
    driver: Any = connection.connection.driver_connection
    if not parameters:  # then the driver takes the text as it is
        text = text.replace("%%", "%")
    with driver.cursor() as cursor, cursor.copy(text, parameters or None) as copy:
        yield from _pieces(copy.connection.pgconn, budget)


def _pieces(wire: Any, budget: Budget | None) -> Iterator[bytes]:
    """What arrives on a connection that copies out.

    The driver's own reading takes several times longer, since it looks at each line.
    """
    take = wire.get_copy_data
    lines: list[bytes] = []
    size = 0
    while True:
        length, data = take(1)
        if length > 0:
            lines.append(bytes(data))
            size += length
            if size >= _PIECE:
                yield b"".join(lines)
                lines, size = [], 0
                if budget is not None:
                    budget.start()
        elif length == 0:
            _wait(wire, budget)
        else:
            break
    if lines:
        yield b"".join(lines)
    _finish(wire)


def _wait(wire: Any, budget: Budget | None) -> None:
    ready, _, _ = select.select([wire.socket], [], [], None if budget is None else budget.left)
    if not ready:
        raise exceeded()
    wire.consume_input()


def _finish(wire: Any) -> None:
    """Take the result of the statement; an error may come after lines."""
    from psycopg import errors, pq

    failed = None
    while (result := wire.get_result()) is not None:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            failed = errors.error_from_result(result)
    if failed is not None:
        raise failed
