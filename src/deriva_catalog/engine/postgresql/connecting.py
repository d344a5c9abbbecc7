"""Connections to one schema of a PostgreSQL database."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from ...errors import Unavailable
from .address import Address, psycopg

__all__ = ["OF_PARENTS", "make_engine", "quoted"]

OLDEST = 160_000
"""The oldest PostgreSQL that has everything that is used (``any_value``)."""

OF_PARENTS: list[sa.Pool] = []
"""Pools that a fork brought along, kept so that nothing closes their connections."""

_KEPT = 4
_MORE = 28
_LONGEST_WAIT_S = 30.0
_SETTINGS = (
    "SET client_min_messages = warning; SET extra_float_digits = 1; SET datestyle = ISO; "
    "SET TimeZone = 'UTC'; SET standard_conforming_strings = on; SET bytea_output = hex; "
)


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def make_engine(owner: object, address: Address, schema: str) -> sa.Engine:
    """A pool of connections whose unqualified names are those of `schema`.

    The connections are in autocommit mode: transactions begin where `storage` says so. The pool
    is disposed of with `owner`.
    """
    driver = psycopg()
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=_creator(driver, address, schema),
        poolclass=sa.pool.QueuePool,
        pool_size=_KEPT,
        max_overflow=_MORE,
        pool_timeout=_LONGEST_WAIT_S,
        pool_use_lifo=True,
        use_native_hstore=False,
        # Otherwise nobody knows how many rows an INSERT ... SELECT has inserted.
        execution_options={"preserve_rowcount": True},
    )
    weakref.finalize(owner, _dispose, engine, os.getpid())
    return engine


def _creator(driver: Any, address: Address, schema: str) -> Callable[[], Any]:
    settings = f"{_SETTINGS}SET search_path = {quoted(schema)}"

    def connect() -> Any:
        connection = driver.connect(
            address.url,
            autocommit=True,
            application_name="deriva-catalog",
            client_encoding="utf8",
            connect_timeout=10,
        )
        try:
            if connection.info.server_version < OLDEST:
                raise Unavailable(
                    f"The server of {address.shown!r} is PostgreSQL "
                    f"{connection.info.server_version // 10_000}; at least 16 is needed.",
                    hint="Use a newer server.",
                )
            connection.execute(settings)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _dispose(engine: sa.Engine, pid: int) -> None:
    if os.getpid() == pid:
        engine.dispose()
