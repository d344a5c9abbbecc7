"""A catalog's tables in one schema of a PostgreSQL database.

Readers see one moment (REPEATABLE READ) and never wait. Writers of one schema queue on an advisory
lock, which a transaction takes at its beginning, before it has seen anything: so each of its
statements sees all that was committed before. Threads of this process queue on a lock of their
own before, so that they do not each keep a connection waiting. A thread that would wait for itself,
having a transaction open through another object on the same schema, is told so.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ...errors import CatalogError, Conflict, ReadOnly, Unavailable
from ...model.elements import ColumnType
from ..budget import with_budget
from ..dialect import bound
from ..storage import Collision, RowRefused
from ..texts import Text
from .address import Address, psycopg
from .answering import answered, limit
from .batches import copy_in, first_existing, insert_few, insert_skipping
from .connecting import OF_PARENTS, make_engine, quoted
from .expressions import PostgresExpressions
from .failures import PATIENCE_S, first_upper, meaning, too_long
from .streaming import SHARED
from .types import TEXT, storage_type, text_array

__all__ = ["PostgresStorage"]

_FEW = 24
"""So many rows are inserted sooner by prepared statements than with COPY."""

_COLLATIONS = sa.text(
    "SELECT collname FROM pg_collation WHERE collname IN ('pg_c_utf8', 'und-x-icu') "
    "AND collencoding IN (-1, pg_char_to_encoding('UTF8')) ORDER BY collname LIMIT 1"
)
"""A collation that knows the letters of all languages; its name begins late in old servers."""

_WRITERS: dict[tuple[int, str, str], int] = {}
"""The threads that write: by process, database and schema."""


class PostgresStorage:
    """One schema of a PostgreSQL database. Usable from many threads, and after a fork."""

    def __init__(
        self,
        address: Address,
        schema: str,
        *,
        readonly: bool = False,
        url: str | None = None,
        subject: str | None = None,
    ) -> None:
        """Prepare to use a schema.

        Args:
            address: The database.
            schema: The schema, which need not exist yet.
            readonly: Refuse writing.
            url: The URL of the catalog in the schema.
            subject: What messages call it.
        """
        self.address = address
        self.schema = schema
        self.subject = subject or f"the catalog in schema {schema!r} of {address.shown!r}"
        self._readonly = readonly
        self._url = url
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._driver_error: type[Exception] = psycopg().Error
        self._expressions: PostgresExpressions | None = None
        self._engine = make_engine(self, address, schema)
        digest = hashlib.sha256(f"deriva {schema}".encode()).digest()
        self._lock_key = int.from_bytes(digest[:8], "big", signed=True)

    @property
    def url(self) -> str | None:
        """The URL of the catalog, without a password."""
        return self._url

    @property
    def readonly(self) -> bool:
        """Whether the schema was opened for reading only."""
        return self._readonly

    # --- connections -----------------------------------------------------------------

    @property
    def engine(self) -> sa.Engine:
        """The pool of connections; a process that was forked off gets its own."""
        if self._pid != os.getpid():
            # Connections and locks of the parent must be neither used nor closed here.
            OF_PARENTS.append(self._engine.pool)
            self._engine.dispose(close=False)
            self._lock = threading.Lock()
            self._pid = os.getpid()
        return self._engine

    @contextmanager
    def reading(self, budget_s: float | None = None) -> Iterator[sa.Connection]:
        """A connection inside a transaction that sees one moment of the database."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with self._begun(f"{begin}; {limit(budget_s)}") as connection:
            if budget_s is not None:
                with_budget(connection, budget_s)
            yield connection

    @property
    def answers(self) -> bool:
        """Yes: one message instead of four."""
        return True

    @property
    def dialect(self) -> sa.Dialect:
        """What statements are composed for."""
        return self._engine.dialect

    def answer(
        self, first: Text, second: Text, values: Mapping[str, Any], budget_s: float | None
    ) -> tuple[Sequence[Any], list[str]] | None:
        """Ask for both by one statement, which sees one moment without a transaction.

        Raises:
            QueryTimeout: it took longer than `budget_s` seconds.
        """
        with self.translated():
            return answered(self.engine, first, second, values, budget_s)

    @contextmanager
    def bounded(self, connection: sa.Connection, budget_s: float | None) -> Iterator[None]:
        """A part of a transaction that can fail alone; the server counts the time of statements."""
        with self.translated(), _apart(connection):
            if budget_s is None:
                yield
                return
            with_budget(connection, budget_s)
            connection.exec_driver_sql(limit(budget_s))
            try:
                yield
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            finally:
                with_budget(connection, None)

    @property
    def _here(self) -> tuple[int, str, str]:
        """What tells this schema from others, in this process."""
        return os.getpid(), self.address.url, self.schema

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection that holds the write lock; commits unless an error leaves it."""
        if self._readonly:
            raise ReadOnly(f"{first_upper(self.subject)} was opened for reading only.")
        here, me = self._here, threading.get_ident()
        if _WRITERS.get(here) == me:
            raise _own_transaction(self.subject)
        _ = self.engine  # after a fork the lock is another one
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise too_long(self.subject)
        try:
            with self._begun(
                f"BEGIN ISOLATION LEVEL READ COMMITTED; {limit(None)}; "
                f"SET LOCAL lock_timeout = {int(PATIENCE_S * 1000)}; "
                f"SELECT pg_advisory_xact_lock({self._lock_key})"
            ) as connection:
                connection.execution_options(**SHARED)
                _WRITERS[here] = me
                try:
                    yield connection
                finally:
                    if _WRITERS.get(here) == me:
                        del _WRITERS[here]
        finally:
            self._lock.release()

    @contextmanager
    def _begun(self, begin: str) -> Iterator[sa.Connection]:
        """A transaction; a connection that turns out to be lost is replaced before it begins."""
        with self.translated(), ExitStack() as stack:
            try:
                connection = stack.enter_context(self.engine.connect())
                connection.begin()
                connection.exec_driver_sql(begin)
            except sa.exc.DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                stack.close()  # the server was restarted: the pool has forgotten the others, too
                connection = stack.enter_context(self.engine.connect())
                connection.begin()
                connection.exec_driver_sql(begin)
            yield connection
            connection.commit()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the driver's errors into those of the catalog, inside a ``with`` block."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self.translate(error) from error
        except sa.exc.TimeoutError as error:
            raise Unavailable(
                f"All connections to the database of {self.subject} are in use.",
                hint="Repeat the request later.",
            ) from error
        except self._driver_error as error:
            raise meaning(self.subject, error) from error

    @property
    def expressions(self) -> PostgresExpressions:
        """How PostgreSQL spells what reading needs; it depends on the server's collations."""
        if self._expressions is None:
            with self.reading() as connection:
                found = connection.execute(_COLLATIONS).scalar()
            self._expressions = PostgresExpressions(str(found or "default"))
        return self._expressions

    @property
    def interval_outside(self) -> bool:
        """Yes: only then PostgreSQL makes one relation of live rows and history."""
        return True

    @property
    def of_temporary(self) -> dict[str, Any]:
        """They end with their transaction."""
        return {"postgresql_on_commit": "DROP"}

    # --- life ------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether the database has the schema."""
        with self.reading() as connection:
            found = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
            return connection.execute(found, {"name": self.schema}).first() is not None

    def create(self) -> None:
        """Create the schema; nothing happens when it is there."""
        with self.writing() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.schema)}")

    def close(self) -> None:
        """Release all connections."""
        self.engine.dispose()

    # --- facts -----------------------------------------------------------------------

    def storage_type(self, column_type: ColumnType) -> sa.types.TypeEngine[Any]:
        """The SQL type of a column."""
        return storage_type(column_type)

    def filled(self, connection: sa.Connection, table: sa.Table) -> None:
        """Tell the planner what is there, and the sequence of numbers where to go on."""
        connection.exec_driver_sql(f"ANALYZE {quoted(table.name)}")
        number = table.autoincrement_column
        if number is not None:
            largest = sa.select(sa.func.max(number)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(quoted(table.name), number.name)
            connection.execute(sa.select(sa.func.setval(sequence, largest)))

    def constant(self, value: Any, column_type: ColumnType) -> sa.ColumnElement[Any]:
        """The value with the column's type, which a parameter has not in every place."""
        return sa.cast(bound(value), storage_type(column_type))

    def collision(self, error: sa.exc.IntegrityError) -> Collision | None:
        """Which unique index an error is about, as the server says."""
        diagnosis = getattr(error.orig, "diag", None)
        if getattr(error.orig, "sqlstate", None) != "23505" or diagnosis is None:
            return None
        return Collision(str(diagnosis.table_name), index=str(diagnosis.constraint_name))

    def translate(self, error: sa.exc.DBAPIError) -> CatalogError:
        """The error of the catalog that stands for a driver's error."""
        return meaning(self.subject, error.orig)

    def insert_batch(
        self,
        connection: sa.Connection,
        table: sa.Table,
        columns: Mapping[str, Sequence[Any]],
        *,
        skip: bool = False,
    ) -> sa.ColumnElement[bool]:
        """Insert rows, given by column; what is refused is undone as a whole."""
        rids = columns["RID"]
        try:
            if len(rids) <= _FEW and not skip:
                insert_few(connection, table, columns)
            else:
                with connection.begin_nested():
                    if skip:
                        rids = insert_skipping(connection, table, columns)
                    else:
                        copy_in(connection, table, columns)
        except sa.exc.IntegrityError as error:
            raise RowRefused(error) from error
        except psycopg().IntegrityError as error:  # not by way of SQLAlchemy
            raise RowRefused(sa.exc.IntegrityError(None, None, error)) from error
        new: sa.ColumnElement[bool] = table.c.RID == sa.any_(text_array(rids))  # noqa: SIM300
        return new

    def first_refused(
        self,
        connection: sa.Connection,
        table: sa.Table,
        names: Sequence[str],
        columns: Mapping[str, Sequence[Any]],
        refused: RowRefused,
    ) -> int:
        """The first row that repeats an earlier one, or one of the table."""
        rows = list(zip(*(columns[name] for name in names), strict=True))
        seen: set[Any] = set()
        repeated = len(rows) - 1
        for n, row in enumerate(rows):
            if row in seen and None not in row:
                repeated = n
                break
            seen.add(row)
        existing = first_existing(connection, table, names, columns)
        return repeated if existing is None else min(existing, repeated)

    def define(self, connection: sa.Connection, statements: Sequence[str]) -> None:
        """Send all of them together."""
        if statements:
            connection.exec_driver_sql("; ".join(statements))

    def conclude(self, connection: sa.Connection, text: Text, values: Mapping[str, Any]) -> None:
        """Send it together with the commit."""
        driver: Any = connection.connection.driver_connection
        del _WRITERS[self._here]  # from the commit on, another thread may be the writer
        with driver.pipeline():
            driver.execute(text.sql, {**text.values, **values})
            driver.commit()

    def load(
        self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert the rows, or copy many of them."""
        keys = [column.key for column in table.c]
        columns = dict(zip(keys, zip(*rows, strict=True), strict=True))
        if len(rows) <= _FEW:
            insert_few(connection, table, columns)
            return
        copy_in(connection, table, columns)

    def empty_temporary(self, connection: sa.Connection, table: sa.Table) -> None:
        """Cut the table off: deleted rows would be in the way until the transaction ends."""
        connection.exec_driver_sql(f"TRUNCATE {quoted(table.name)}")

    def forget_temporary(self, connection: sa.Connection, name: str) -> None:
        """Nothing: it was made to last as long as the transaction."""

    def insertion_order(self, table: sa.Table) -> sa.ColumnElement[Any]:
        """The RID, which counts upwards: a longer one is greater."""
        rid = table.c.RID
        return sa.tuple_(sa.func.length(rid), rid)

    def text_values(self, texts: Sequence[str]) -> sa.FromClause:
        """The elements of an array, which is one parameter whatever its length."""
        column = sa.column("value", TEXT)
        return sa.func.unnest(text_array(texts)).table_valued(column).render_derived("given")

    def problems(self, connection: sa.Connection) -> Sequence[str]:
        """Nothing: the server checks the sums of its pages whenever it reads them."""
        return []

    def size(self) -> int:
        """All tables of the schema with their indexes."""
        sizes = sa.text(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = :schema AND c.relkind = 'r'"
        )
        with self.reading() as connection:
            return int(connection.execute(sizes, {"schema": self.schema}).scalar() or 0)

    def copy_to(self, destination: Path) -> None:
        """Not possible: a schema is no file.

        Raises:
            Conflict: always.
        """
        raise Conflict(
            f"{first_upper(self.subject)} cannot be copied as a file.",
            hint="Use 'deriva-catalog copy' to make a directory of it, or the database's own "
            "tools, such as pg_dump, to back it up.",
        )


@contextmanager
def _apart(connection: sa.Connection) -> Iterator[None]:
    """A savepoint for something that may go on while others are made and left."""
    nested = connection.begin_nested()
    try:
        yield
    except (sa.exc.DBAPIError, psycopg().Error):
        if connection.get_nested_transaction() is nested:
            nested.rollback()
        raise
    except BaseException:
        _leave(connection, nested)
        raise
    _leave(connection, nested)


def _leave(connection: sa.Connection, nested: sa.NestedTransaction) -> None:
    # To release it would release those inside it, too, which are not over yet.
    if connection.get_nested_transaction() is nested:
        nested.commit()


def _own_transaction(subject: str) -> Conflict:
    return Conflict(
        f"This thread has a transaction open on {subject} through another catalog object, and "
        "would wait for itself.",
        hint="Use one catalog object for all that belongs to the transaction, or end it first.",
    )
