"""Connections that are in use while their pool is disposed of do not stay open."""

from __future__ import annotations

import gc
import sqlite3
import weakref
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deriva_catalog.engine.pools import close_late_returns
from deriva_catalog.engine.sqlite.storage import SqliteStorage


def is_open(connection: Any) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


@pytest.mark.parametrize("disposed", [True, False])
def test_a_connection_is_closed_when_it_comes_back_too_late(tmp_path: Path, disposed: bool) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a'}", poolclass=sa.QueuePool)
    close_late_returns(engine)
    connection = engine.connect()
    raw = connection.connection.dbapi_connection
    if disposed:
        engine.dispose()
    connection.close()
    assert is_open(raw) is not disposed
    with engine.connect() as again:  # the pool goes on in any case
        assert again.execute(sa.text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_a_storage_that_nobody_holds_closes_its_connections(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "a", create=True)
    with storage.reading() as connection:
        raw = connection.connection.dbapi_connection
    held = weakref.ref(storage)
    del storage, connection
    gc.collect()
    assert held() is None
    assert not is_open(raw)
