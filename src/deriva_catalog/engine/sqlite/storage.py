"""A catalog's tables in one SQLite file.

The file is in WAL mode: readers never wait, and writers wait for each other. A writing
transaction takes the write lock at its beginning (``BEGIN IMMEDIATE``), so it can never find
out half-way that another one came first. Threads of this process queue on a lock of their own
before they queue at the file, because SQLite's waiting is by polling. A thread that would wait
for itself, having a transaction open through another object on the same file, is told so.

``synchronous=FULL``: a commit is flushed to the disk before it is reported, so that what was
committed survives a killed process (as it would with NORMAL) and also a loss of power. It costs
one flush for each transaction, which a batch of any size pays once.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ...errors import CatalogError, Conflict, Corrupted, ReadOnly, Unavailable
from ...model.elements import ColumnType
from ..budget import exceeded, with_budget
from ..dialect import bound
from ..pools import close_late_returns
from ..storage import Collision, RowRefused
from ..texts import Text
from .batches import insert_batch
from .expressions import SqliteExpressions
from .functions import bounded_functions, register
from .types import storage_type

PATIENCE_S = 120.0
"""How long a writer waits for the others, in seconds."""

_STEPS = 4000
"""After how many steps of a statement its time is looked at: some tens of microseconds."""

_OF_PARENTS: list[sa.Pool] = []
"""Pools that a fork brought along, kept so that nothing closes their connections."""

_WRITERS: dict[tuple[int, int, int], int] = {}
"""The threads that write: by process, device and number of the file."""

_CONTENTION = ("SQLITE_BUSY", "SQLITE_LOCKED")
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NO_WRITING = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")


class SqliteStorage:
    """The SQLite file of one catalog. Usable from many threads, and after a fork."""

    def __init__(
        self,
        path: Path,
        *,
        create: bool = False,
        readonly: bool = False,
        subject: str | None = None,
    ) -> None:
        """Prepare to use the file `path`; `subject` is what messages call it."""
        self.path = path
        self.subject = f"the catalog in {str(path.parent)!r}" if subject is None else subject
        self._readonly = readonly
        self._create = create
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._expressions = SqliteExpressions()
        self._engine = self._make_engine()

    @property
    def url(self) -> None:
        """The directory of the file says where the catalog is."""
        return

    @property
    def readonly(self) -> bool:
        """Whether the file was opened for reading only."""
        return self._readonly

    @property
    def interval_outside(self) -> bool:
        """No: outside of the union, SQLite cannot merge the two."""
        return False

    @property
    def of_temporary(self) -> dict[str, Any]:
        """Nothing. An option of another database would have SQLAlchemy load its dialect."""
        return {}

    @property
    def expressions(self) -> SqliteExpressions:
        """How SQLite spells what reading needs."""
        return self._expressions

    @property
    def answers(self) -> bool:
        """No: a transaction is no message here."""
        return False

    @property
    def dialect(self) -> sa.Dialect:
        """What statements are composed for."""
        return self._engine.dialect

    def answer(
        self, first: Text, second: Text, values: Mapping[str, Any], budget_s: float | None
    ) -> None:
        """Nothing; see `answers`."""

    # --- connections -----------------------------------------------------------------

    def _make_engine(self) -> sa.Engine:
        # The pool must not keep its storage alive: it is disposed of when that is collected.
        method = weakref.WeakMethod(self._connect)

        def connect() -> sqlite3.Connection:
            made = method()
            if made is None:
                raise ReferenceError("The storage of this pool has been collected.")
            return made()

        engine = sa.create_engine(
            "sqlite://",
            creator=connect,
            poolclass=sa.pool.QueuePool,
            pool_size=8,
            max_overflow=-1,
        )
        sa.event.listen(engine, "begin", _begin)
        close_late_returns(engine)
        weakref.finalize(self, _dispose, engine, os.getpid())
        return engine

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._readonly else "rwc" if self._create else "rw"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=PATIENCE_S,
            isolation_level=None,  # transactions begin where this module says so
            check_same_thread=False,  # the pool hands a connection to one thread at a time
            cached_statements=256,
        )
        for setting in (
            "journal_mode=WAL" if self._create else None,
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-65536",
        ):
            if setting:
                connection.execute(f"PRAGMA {setting}").close()
        register(connection)
        self._create = False  # only once: a file that was removed since is not made again
        return connection

    @property
    def engine(self) -> sa.Engine:
        """The pool of connections; a process that was forked off gets its own.

        What was compiled before the fork is kept.
        """
        if self._pid != os.getpid():
            # Connections and locks of the parent must be neither used nor closed here.
            _OF_PARENTS.append(self._engine.pool)
            self._engine.dispose(close=False)
            self._lock = threading.Lock()
            self._pid = os.getpid()
        return self._engine

    @contextmanager
    def reading(self, budget_s: float | None = None) -> Iterator[sa.Connection]:
        """A connection inside a transaction that sees one moment of the file."""
        with (
            self.translated(),
            self.engine.connect() as connection,
            connection.begin(),
            self.bounded(connection, budget_s),
        ):
            yield connection

    @contextmanager
    def bounded(self, connection: sa.Connection, budget_s: float | None) -> Iterator[None]:
        """Look at the clock every few thousand steps of a statement."""
        budget = with_budget(connection, budget_s)
        if budget is None:
            with self.translated():
                yield
            return
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(lambda: budget.left == 0.0, _STEPS)
        try:
            with self.translated(), bounded_functions(budget):
                yield
        finally:
            driver.set_progress_handler(None, 0)
            with_budget(connection, None)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection that holds the write lock; commits unless an error leaves it."""
        if self._readonly:
            raise ReadOnly(f"{_first_upper(self.subject)} was opened for reading only.")
        engine = self.engine
        file = _identity(self.path)
        if file is not None and _WRITERS.get(file) == threading.get_ident():
            raise _own_transaction(self.subject)
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise _too_long(self.subject)
        try:
            with (
                self.translated(),
                engine.connect().execution_options(deriva_write=True) as connection,
                connection.begin(),
                _noted_writer(file),
            ):
                yield connection
        finally:
            self._lock.release()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the driver's errors into those of the catalog, inside a ``with`` block."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self.translate(error) from error
        except sqlite3.Error as error:
            raise _meaning(self.subject, error) from error

    # --- facts -----------------------------------------------------------------------

    def storage_type(self, column_type: ColumnType) -> sa.types.TypeEngine[Any]:
        """The SQL type of a column."""
        return storage_type(column_type)

    def filled(self, connection: sa.Connection, table: sa.Table) -> None:
        """Nothing: SQLite counts on from the largest number by itself."""

    def constant(self, value: Any, column_type: ColumnType) -> sa.ColumnElement[Any]:
        """The value as it is: a cast would make a number of a NaN, which is a text here."""
        return bound(value)

    def collision(self, error: sa.exc.IntegrityError) -> Collision | None:
        """Which unique index an error is about, from ``UNIQUE constraint failed: t.c, t.d``."""
        head, found, names = str(error.orig).partition("UNIQUE constraint failed: ")
        if head or not found:
            return None
        pairs = [name.split(".", 1) for name in names.split(", ")]
        return Collision(pairs[0][0], tuple(column for _, column in pairs))

    def translate(self, error: sa.exc.DBAPIError) -> CatalogError:
        """The error of the catalog that stands for a driver's error."""
        return _meaning(self.subject, error.orig)

    def insert_batch(
        self,
        connection: sa.Connection,
        table: sa.Table,
        columns: Mapping[str, Sequence[Any]],
        *,
        skip: bool = False,
    ) -> sa.ColumnElement[bool]:
        """Insert rows, given by column; SQLite numbers new rows from the largest number on."""
        largest = connection.exec_driver_sql(f'SELECT max(rowid) FROM "{table.name}"').scalar()
        new = _rowid(table) > int(largest or 0)
        try:
            insert_batch(connection, table, columns, new, skip=skip)
        except sa.exc.IntegrityError as error:
            raise RowRefused(error, new) from error
        return new

    def first_refused(
        self,
        connection: sa.Connection,
        table: sa.Table,
        names: Sequence[str],
        columns: Mapping[str, Sequence[Any]],
        refused: RowRefused,
    ) -> int:
        """The rows before the first refused one are in the table: their number tells which."""
        assert refused.new is not None, "as insert_batch raised it"
        inserted = sa.select(sa.func.count()).select_from(table).where(refused.new)
        return int(connection.execute(inserted).scalar_one())

    def define(self, connection: sa.Connection, statements: Sequence[str]) -> None:
        """Run one after the other; by way of SQLAlchemy that would take twice as long."""
        driver: Any = connection.connection.driver_connection
        for statement in statements:
            driver.execute(statement).close()

    def conclude(self, connection: sa.Connection, text: Text, values: Mapping[str, Any]) -> None:
        """Run it; nothing is gained by committing at once."""
        text.run(connection, values)

    def load(
        self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Run one statement for each of the rows."""
        marks = ", ".join("?" * len(table.c))
        connection.exec_driver_sql(f'INSERT INTO "{table.name}" VALUES ({marks})', list(rows))

    def empty_temporary(self, connection: sa.Connection, table: sa.Table) -> None:
        """Delete them."""
        connection.exec_driver_sql(f'DELETE FROM "{table.name}"')

    def forget_temporary(self, connection: sa.Connection, name: str) -> None:
        """Drop it: it would last as long as the connection."""
        connection.exec_driver_sql(f'DROP TABLE "{name}"')

    def insertion_order(self, table: sa.Table) -> sa.ColumnElement[Any]:
        """The row number."""
        return _rowid(table)

    def text_values(self, texts: Sequence[str]) -> sa.FromClause:
        """The elements of a JSON array, which is one parameter whatever its length."""
        return text_values(texts)

    def problems(self, connection: sa.Connection) -> Sequence[str]:
        """What SQLite's integrity check complains about."""
        found = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
        return [str(line) for line in found if line != "ok"]

    def size(self) -> int:
        """The file and what SQLite keeps beside it."""
        return sum(file.stat().st_size for file in self.path.parent.glob(f"{self.path.name}*"))

    def copy_to(self, destination: Path) -> None:
        """Write a consistent copy with SQLite's backup interface."""
        with self.translated(), self.engine.connect() as connection:
            source = connection.connection.driver_connection
            if not isinstance(source, sqlite3.Connection):
                raise Unavailable(f"No connection to {str(self.path)!r}.")
            target = sqlite3.connect(destination)
            try:
                source.backup(target)
                target.execute("PRAGMA journal_mode=WAL").close()
            finally:
                target.close()

    def close(self) -> None:
        """Release all connections."""
        self.engine.dispose()


def text_values(texts: Sequence[str]) -> sa.FromClause:
    """A relation with one column, ``value``: the elements of a JSON array of texts."""
    array = json.dumps(list(texts), ensure_ascii=False)
    return sa.func.json_each(array).table_valued(sa.column("value", sa.Text)).alias("given")


def _dispose(engine: sa.Engine, pid: int) -> None:
    if os.getpid() == pid:
        engine.dispose()


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("deriva_write", False)
    if not write:
        connection.exec_driver_sql("BEGIN")
        return
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except sa.exc.OperationalError as error:
            # The file's own waiting ends early when it sees a deadlock; there is none here,
            # because a writer holds nothing before it has the lock.
            if not _is(error.orig, _CONTENTION) or time.monotonic() > deadline:
                raise
            with suppress(sa.exc.SQLAlchemyError):
                connection.exec_driver_sql("ROLLBACK")


def _identity(path: Path) -> tuple[int, int, int] | None:
    """What tells the file from all others in this process; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return os.getpid(), found.st_dev, found.st_ino


@contextmanager
def _noted_writer(file: tuple[int, int, int] | None) -> Iterator[None]:
    if file is None:
        yield
        return
    _WRITERS[file] = threading.get_ident()
    try:
        yield
    finally:
        del _WRITERS[file]


def _rowid(table: sa.Table) -> sa.ColumnElement[Any]:
    return sa.literal_column(f'"{table.name}".rowid', sa.BigInteger())


def _is(error: BaseException | None, names: tuple[str, ...]) -> bool:
    return str(getattr(error, "sqlite_errorname", "")).startswith(names)


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _too_long(subject: str) -> Unavailable:
    return Unavailable(
        f"{_first_upper(subject)} was busy with other writers for {PATIENCE_S:.0f} seconds.",
        hint="See which process keeps a transaction open; then repeat the request.",
    )


def _own_transaction(subject: str) -> Conflict:
    return Conflict(
        f"This thread has a transaction open on {subject} through another catalog object, and "
        "would wait for itself.",
        hint="Use one catalog object for all that belongs to the transaction, or end it first.",
    )


def _meaning(subject: str, error: BaseException | None) -> CatalogError:
    if _is(error, _CONTENTION):
        return _too_long(subject)
    if _is(error, ("SQLITE_INTERRUPT",)):
        return exceeded()
    if _is(error, ("SQLITE_FULL",)):
        return Unavailable(
            f"No space is left on the device for {subject}.",
            hint="Nothing was changed. Free some space and repeat the request.",
        )
    if _is(error, _DAMAGE):
        return Corrupted(
            f"The database of {subject} is damaged: {error}.",
            hint="Restore it from a backup.",
        )
    if _is(error, _NO_WRITING):
        return Unavailable(
            f"{_first_upper(subject)} cannot be opened or written: {error}.",
            hint="Check that the directory exists, is writable and not on a read-only device.",
        )
    if _is(error, ("SQLITE_IOERR",)):
        return Unavailable(
            f"The device of {subject} failed: {error}.",
            hint="Nothing was changed. Check the device (space, quota, health) and repeat.",
        )
    return CatalogError(f"The database of {subject} refused: {error}.")
