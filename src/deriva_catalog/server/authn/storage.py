"""Where logins are kept: ``service.db`` of a home, or a schema of a PostgreSQL database.

Several processes may use it at once. A commit is on the disk before it is reported: a session
outlives a server that is killed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ...engine.pools import close_late_returns
from ...errors import Unavailable
from .tables import FORMAT, METADATA, form

__all__ = ["DATABASE", "SCHEMA", "AuthnStore"]

DATABASE = "service.db"
SCHEMA = "deriva_service"
_PATIENCE_S = 60.0
_WRITERS = 0x6465_7269_7661  # any number that nothing else locks


class AuthnStore:
    """The tables of logins; make one with `of_home` or `of_database`."""

    def __init__(self, engine: sa.Engine, place: str) -> None:
        self._engine = engine
        self._pid = os.getpid()
        self.place = place

    @classmethod
    def of_home(cls, home: Path) -> AuthnStore:
        """The logins of the catalogs below a home directory; made if they are not there.

        Raises:
            Unavailable: the directory cannot be written.
        """
        file = home / DATABASE
        try:
            home.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # its owner's alone
        except OSError as error:
            raise _unusable(str(file), error) from error
        engine = sa.create_engine(
            "sqlite://",
            creator=lambda: _connect(file),
            poolclass=sa.QueuePool,
            hide_parameters=True,  # they may be secret, and errors and logs would show them
        )
        close_late_returns(engine)
        store = cls(engine, str(file))
        store._make()
        return store

    @classmethod
    def of_database(cls, url: str) -> AuthnStore:
        """The logins in schema ``deriva_service`` of a PostgreSQL database; made if need be.

        Raises:
            Unavailable: the database cannot be reached, or psycopg is not installed.
        """
        parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
        options = {"options": f"-c search_path={SCHEMA}"}
        try:
            engine = sa.create_engine(
                parsed, connect_args=options, pool_pre_ping=True, hide_parameters=True
            )
        except ImportError as error:
            raise Unavailable(
                "A PostgreSQL database needs a package that is not installed.",
                hint="Install it: pip install 'derivaml[postgresql]'.",
            ) from error
        close_late_returns(engine)
        store = cls(engine, parsed.render_as_string(hide_password=True))
        store._make()
        return store

    def _make(self) -> None:
        """Make the tables if they are not there; refuse those of a newer version."""
        with self.reading() as connection:
            made = set(sa.inspect(connection).get_table_names()) >= set(METADATA.tables)
        if not made:
            with self.writing() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
                METADATA.create_all(connection)
                version = insert(connection, form).values(version=FORMAT)
                connection.execute(version.on_conflict_do_nothing())
        with self.reading() as connection:
            found = connection.scalar(sa.select(sa.func.max(form.c.version)))
        if found != FORMAT:
            raise Unavailable(
                f"The logins in {self.place!r} have the form {found}, this version knows {FORMAT}.",
                hint="Use the version of this package that wrote them, or a newer one.",
            )

    @property
    def engine(self) -> sa.Engine:
        """The pool of connections; a process that was forked off gets its own."""
        if self._pid != os.getpid():
            self._engine.dispose(close=False)
            self._pid = os.getpid()
        return self._engine

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for reading.

        Raises:
            Unavailable: the database cannot be used.
        """
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection inside a transaction, which is committed unless an error leaves it.

        One writes at a time, so that what was looked up first is still so when it is changed.

        Raises:
            Unavailable: the database cannot be used.
        """
        with self._translated(), self.engine.connect() as connection, connection.begin():
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS)))
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.DatabaseError) as error:
            if isinstance(error, sa.exc.IntegrityError):
                raise
            raise _unusable(self.place, error.orig or error) from error

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that can say what happens when the key is there already."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file,
        timeout=_PATIENCE_S,
        isolation_level=None,  # transactions begin where this module says so
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}").close()
    return connection


def _unusable(place: str, error: BaseException) -> Unavailable:
    return Unavailable(
        f"The logins in {place!r} cannot be used: {error}.",
        hint="Check that the database is there and can be written.",
    )
