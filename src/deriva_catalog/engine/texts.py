"""Statements as the driver takes them: compiled once, run with different values.

SQLAlchemy finds a compiled statement by looking through the whole expression each time. For small
statements that are run all the time, that costs more than running them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

__all__ = ["Text", "constant_text", "run_constant", "text_of"]

_CONSTANTS: dict[tuple[int, str], Text] = {}
"""The texts of statements that are constants of a module, by their identity and dialect."""


@dataclass(frozen=True, slots=True)
class Text:
    """A statement's text, the values that it has already, and the order of its parameters.

    `order` is None when the driver takes parameters by name.
    """

    sql: str
    values: Mapping[str, Any]
    order: tuple[str, ...] | None

    def run(
        self, connection: sa.Connection, values: Mapping[str, Any] | None = None
    ) -> sa.CursorResult[*tuple[Any, ...]]:
        """Execute it; `values` are those that it has not yet."""
        given = {**self.values, **values} if values else self.values
        if self.order is not None:
            return connection.exec_driver_sql(self.sql, tuple(given[name] for name in self.order))
        return connection.exec_driver_sql(self.sql, dict(given))


def text_of(statement: sa.Executable, dialect: sa.Dialect) -> Text:
    """The text of a statement, whose values go to the driver as they are."""
    compiled = statement.compile(  # type: ignore[attr-defined]
        dialect=dialect, compile_kwargs={"render_postcompile": True}
    )
    order = tuple(compiled.positiontup) if compiled.positional else None
    return Text(str(compiled), dict(compiled.params), order)


def constant_text(statement: sa.Executable, dialect: sa.Dialect) -> Text:
    """The text of a statement that is a constant of a module, composed once in a process."""
    key = (id(statement), dialect.name)
    text = _CONSTANTS.get(key)
    if text is None:
        text = _CONSTANTS[key] = text_of(statement, dialect)
    return text


def run_constant(
    connection: sa.Connection,
    statement: sa.Executable,
    values: Mapping[str, Any] | None = None,
) -> sa.CursorResult[*tuple[Any, ...]]:
    """Execute a statement that is a constant of a module; `values` are its parameters."""
    return constant_text(statement, connection.dialect).run(connection, values)
