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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import sqlalchemy as sa

from ...errors import CatalogError, Conflict, ReadOnly, Unavailable
from .address import Address, psycopg
from .connecting import OF_PARENTS, make_engine, quoted
from .failures import PATIENCE_S, first_upper, meaning, too_long

__all__ = ["PostgresStorage"]

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
    def reading(self) -> Iterator[sa.Connection]:
        """A connection inside a transaction that sees one moment of the database."""
        with self._begun("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection that holds the write lock; commits unless an error leaves it."""
        if self._readonly:
            raise ReadOnly(f"{first_upper(self.subject)} was opened for reading only.")
        here = (os.getpid(), self.address.url, self.schema)
        if _WRITERS.get(here) == threading.get_ident():
            raise _own_transaction(self.subject)
        _ = self.engine  # after a fork the lock is another one
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise too_long(self.subject)
        try:
            with self._begun(
                "BEGIN ISOLATION LEVEL READ COMMITTED; "
                f"SET LOCAL lock_timeout = {int(PATIENCE_S * 1000)}; "
                f"SELECT pg_advisory_xact_lock({self._lock_key})"
            ) as connection:
                _WRITERS[here] = threading.get_ident()
                try:
                    yield connection
                finally:
                    del _WRITERS[here]
        finally:
            self._lock.release()

    @contextmanager
    def _begun(self, begin: str) -> Iterator[sa.Connection]:
        """A transaction; a connection that turns out to be lost is replaced before it begins."""
        with self._translated(), ExitStack() as stack:
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
    def _translated(self) -> Iterator[None]:
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

    def translate(self, error: sa.exc.DBAPIError) -> CatalogError:
        """The error of the catalog that stands for a driver's error."""
        return meaning(self.subject, error.orig)


def _own_transaction(subject: str) -> Conflict:
    return Conflict(
        f"This thread has a transaction open on {subject} through another catalog object, and "
        "would wait for itself.",
        hint="Use one catalog object for all that belongs to the transaction, or end it first.",
    )
